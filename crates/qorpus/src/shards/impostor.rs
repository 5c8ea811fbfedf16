//! Tests against servers that only pretend to be a store, or are one in trouble.

use super::*;
use crate::os::waiting::{WaitHooks, set_wait_hooks};
use crate::os::workers::ThreadGroup;
use crate::shards::s3_client::RetryLimits;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// Short enough for a test, long enough for a busy machine.
const SHORT: RetryLimits = RetryLimits {
    notice: Duration::from_millis(100),
    unanswered: Duration::from_secs(2),
    answered: Duration::from_secs(4),
};

/// The first line of a request, such as `GET /b/p/x HTTP/1.1`, and its headers in lower case.
struct Asked {
    line: String,
    headers: Vec<String>,
}

impl Asked {
    /// `None` when no client asks any more.
    fn read(reader: &mut impl BufRead) -> Option<Asked> {
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|&read| read > 2).map(|_| line.trim_end().to_owned())
        };
        let first = line()?;
        let headers: Vec<_> = std::iter::from_fn(line).map(|header| header.to_ascii_lowercase()).collect();
        let length = headers.iter().find_map(|header| header.strip_prefix("content-length: ")?.parse().ok());
        std::io::copy(&mut reader.take(length.unwrap_or(0)), &mut std::io::sink()).ok()?;
        Some(Asked { line: first, headers })
    }
}

/// A server that answers with `answer`, as long as the process lives; its address.
fn impostor(answer: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let (mut reader, mut stream) = (BufReader::new(stream.try_clone().unwrap()), stream);
                while let Some(asked) = Asked::read(&mut reader) {
                    answer(&asked, &mut stream);
                }
            });
        }
    });
    address
}

fn say(stream: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let length = body.len();
    // In one packet: the second of two small ones waits for the delayed acknowledgement of the first.
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
    let _ = stream.write_all(answer.as_bytes());
}

/// The bucket at this address.
fn bucket(address: &str) -> Arc<Bucket> {
    let bucket = Bucket::new("s3://b/p".as_ref()).unwrap();
    let variables = [
        ("AWS_ENDPOINT_URL", format!("http://{address}").as_str()),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token-that-is-secret"),
        ("AWS_REGION", "us-east-1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let client = S3Client::new(variables.into_iter(), "b", bucket.path(), SHORT).unwrap();
    bucket.client.lock().unwrap().replace(Arc::new(client));
    bucket
}

const SIZED: &str = "ETag: \"x\"\r\nLast-Modified: Sun, 29 Nov 2026 00:00:00 GMT\r\n";

/// Bytes without end, as long as a client reads them.
fn endless(stream: &mut TcpStream, headers: &str, sent: &AtomicU64) {
    let _ = write!(stream, "HTTP/1.1 {headers}{SIZED}Content-Length: {}\r\n\r\n", 1u64 << 50);
    let piece = [b'x'; 1 << 16];
    while sent.load(Ordering::Relaxed) < 1 << 30 && stream.write_all(&piece).is_ok() {
        sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

#[test]
fn no_more_is_taken_than_was_asked_for() {
    let sent = Arc::new(AtomicU64::new(0));
    let counted = sent.clone();
    let address = impostor(move |asked, stream| match asked.line.split(' ').next() {
        Some("HEAD") => {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n{SIZED}\r\n");
        }
        _ if asked.line.contains("list-type") => endless(stream, "200 OK\r\n", &counted),
        _ if asked.line.contains("refused") => endless(stream, "403 Forbidden\r\n", &counted),
        _ => endless(stream, "206 Partial Content\r\nContent-Range: bytes 0-99/100\r\n", &counted),
    });
    let bucket = bucket(&address);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x");
    let said = bucket.download("x.db", &file, 100..=100).unwrap_err().to_string();
    assert!(said.contains("longer than requested"), "{said}");
    assert!(bucket.find(|_| true).unwrap_err().to_string().contains("longer"));
    assert!(bucket.read("refused", 100).unwrap_err().to_string().contains("refuses these credentials"));
    // What is on its way counts, which is some megabytes in a system's buffers, and a list may be
    // long.
    assert!(sent.load(Ordering::Relaxed) < 64 << 20, "{sent:?}");
    assert_eq!(file.metadata().unwrap().len(), 0);
}

#[test]
fn what_has_another_size_is_not_fetched() {
    let gets = Arc::new(AtomicUsize::new(0));
    let counted = gets.clone();
    let address = impostor(move |asked, stream| {
        if asked.line.starts_with("HEAD") {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{SIZED}\r\n", 1u64 << 50);
        } else {
            counted.fetch_add(1, Ordering::Relaxed);
            say(stream, "404 Not Found", "", "");
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let found = bucket(&address).download("x.db", &directory.path().join("x"), 100..=100).unwrap();
    assert_eq!((found, gets.load(Ordering::Relaxed)), (Some((1 << 50, 0)), 0));
    assert!(!directory.path().join("x").exists());
}

#[test]
fn lists_end() {
    /// The end of a `page`, after its names.
    type Rest = fn(usize) -> String;
    let rests: [(&str, Rest); 3] = [
        ("same place", |_| "<NextContinuationToken>again</NextContinuationToken>".into()),
        ("does not end", |page| format!("<NextContinuationToken>{page}</NextContinuationToken>")),
        ("too long", |_| format!("<NextContinuationToken>{}</NextContinuationToken>", "x".repeat(70_000))),
    ];
    for (reason, rest) in rests {
        let pages = AtomicUsize::new(0);
        let address = impostor(move |_, stream| {
            let page = pages.fetch_add(1, Ordering::Relaxed);
            let text = format!(
                "<ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated>{}</ListBucketResult>",
                rest(page)
            );
            say(stream, "200 OK", "", &text);
        });
        let said = bucket(&address).list(|_| None).unwrap_err().to_string();
        assert!(said.contains(reason) && said.contains("s3://b/p"), "{said}");
    }
}

#[test]
fn requests_go_nowhere_else() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let other = impostor(move |asked, stream| {
        counted.fetch_add(1, Ordering::Relaxed);
        assert!(!asked.headers.iter().any(|header| header.contains("token-that-is-secret")));
        say(stream, "404 Not Found", "", "");
    });
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!("Location: http://{other}/b/p/x\r\n");
        let address = impostor(move |asked, stream| {
            assert!(asked.headers.iter().any(|header| header.contains("token-that-is-secret")));
            say(stream, status, &location, "");
        });
        let bucket = bucket(&address);
        for said in
            [bucket.read("x", 100).unwrap_err(), bucket.put(b"x".into(), "x", PutMode::Create).unwrap_err()]
        {
            let said = said.to_string();
            assert!(said.contains("redirects requests") && said.contains("AWS_REGION"), "{said}");
        }
    }
    assert_eq!(seen.load(Ordering::Relaxed), 0);
}

/// The messages of all tests about waits.
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn listen() {
    set_wait_hooks(WaitHooks {
        should_stop: || false,
        notify: |text| TOLD.lock().unwrap().push(text.to_owned()),
    });
}

fn was_told(text: &str) -> bool {
    TOLD.lock().unwrap().iter().any(|told| told.contains(text) && told.contains("gives up after another"))
}

#[test]
fn a_silent_store_is_given_up_at_a_stated_time() {
    listen();
    let address = impostor(|_, _| std::thread::sleep(Duration::from_secs(600)));
    let begin = Instant::now();
    let said = bucket(&address).head("x").unwrap_err().to_string();
    assert!(said.contains("has not answered for 2 s") && said.contains("AWS_ENDPOINT_URL"), "{said}");
    assert!(was_told("s3://b/p: has waited 0 s for the store; gives up"));
    assert!(begin.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_busy_store_is_asked_again() {
    listen();
    let (asked, begin) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let counted = asked.clone();
    let address = impostor(move |_, stream| {
        counted.fetch_add(1, Ordering::Relaxed);
        // Longer than the first client tries it.
        match begin.elapsed() < Duration::from_millis(2500) {
            true => say(stream, "503 Slow Down", "", "<Error><Code>SlowDown</Code></Error>"),
            false => say(stream, "200 OK", SIZED, "text"),
        }
    });
    assert_eq!(bucket(&address).read("x", 100).unwrap().unwrap().0, b"text");
    assert!(asked.load(Ordering::Relaxed) > 4 && was_told("which is busy (status 503)"));
    let address = impostor(|_, stream| say(stream, "503 Slow Down", "", ""));
    let said = bucket(&address).read("x", 100).unwrap_err().to_string();
    assert!(said.contains("busy for 4 s (status 503)") && said.contains("later"), "{said}");
}

#[test]
fn forks_and_callers_need_not_wait_for_a_store() {
    let address = impostor(|_, _| std::thread::sleep(Duration::from_secs(600)));
    let bucket = bucket(&address);
    let group = ThreadGroup::new();
    std::thread::scope(|scope| {
        let member = group.thread();
        let waits = scope.spawn(|| member.work(|| bucket.head("x")));
        std::thread::sleep(Duration::from_millis(200));
        let begin = Instant::now();
        fork::before_fork();
        fork::after_fork();
        assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
        assert!(!waits.is_finished());
        group.join(true);
        assert!(matches!(waits.join().unwrap(), Err(Error::Interrupted(_))));
    });
}

#[test]
fn stores_must_check_conditions() {
    for (ignored, header) in [("if-none-match", "If-None-Match"), ("if-match", "If-Match")] {
        let is_there = Mutex::new(false);
        let address = impostor(move |asked, stream| {
            let has = |name: &str| {
                name != ignored && asked.headers.iter().any(|header| header.starts_with(&format!("{name}:")))
            };
            let mut is_there = is_there.lock().unwrap();
            let refuses =
                asked.line.starts_with("PUT") && ((has("if-none-match") && *is_there) || has("if-match"));
            *is_there = true;
            match refuses {
                true => say(stream, "412 Precondition Failed", "", ""),
                false => say(stream, "200 OK", "ETag: \"x\"\r\n", "<DeleteResult></DeleteResult>"),
            }
        });
        let said = bucket(&address).check_conditions().unwrap_err().to_string();
        assert!(said.contains(&format!("ignores {header};")) && said.contains("directory"), "{said}");
    }
}

#[test]
fn variables_that_make_no_request_are_named() {
    for (variable, value) in [
        ("AWS_SESSION_TOKEN", "two\nlines"),
        ("AWS_SECRET_ACCESS_KEY", "secret\n"),
        ("AWS_ACCESS_KEY_ID", "a key"),
        ("AWS_REGION", &"x".repeat(70_000)),
        ("AWS_ENDPOINT_URL", &format!("http://{}", "x".repeat(70_000))),
    ] {
        let variables =
            [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret"), (variable, value)];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let refused = S3Client::new(variables.into_iter(), "b", "s3://b".as_ref(), SHORT);
        let said = refused.err().unwrap().to_string();
        assert!(said.contains(variable) && !said.contains(value), "{said}");
    }
}
