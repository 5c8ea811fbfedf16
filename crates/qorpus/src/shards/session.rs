//! A session with an S3-compatible store: its client, a runtime that has no thread of its own, and
//! its refusals as sentences.

use crate::error::{Error, Result};
use crate::os::waiting;
use crate::remedy::brief;
use crate::shards::wire::{CONNECT, Heard, SILENCE, Wire};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::{ClientConfigKey, ClientOptions, HeaderValue, RetryConfig};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// So often a store is asked again that has never answered: it is more likely named wrongly than
/// busy.
const FIRST_RETRIES: usize = 2;

/// The longest address of a store, and the longest name of a region: a client takes no longer ones,
/// and says so by a panic.
const LONGEST_ADDRESS: usize = 2048;
const LONGEST_REGION: usize = 64;

/// How long a store is waited for, counted from when it last was of use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Then it is said what is awaited.
    pub(super) say: Duration,
    /// Then a store is given up that has never answered...
    pub(super) first: Duration,
    /// ...and one that has. Requests are signed once, and a store takes no signature that is older than 15 minutes.
    pub(super) last: Duration,
}

/// That of all sessions, except in tests.
pub(super) const PATIENCE: Patience =
    Patience { say: Duration::from_secs(5), first: Duration::from_secs(30), last: Duration::from_secs(300) };

/// What the work with a store can fail with.
#[derive(Debug)]
pub(super) enum Failure {
    /// The store refused, or was not reached.
    Store(object_store::Error),
    /// It was of no use for so long, and has said by this status that it is busy, if it has said
    /// anything.
    GivenUp(Duration, Option<u16>),
    /// Anything else.
    Other(Error),
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Failure {
        Failure::Store(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Other(error)
    }
}

/// A session. It lives in one process: see [`fork`](crate::os::fork).
pub(super) struct Session {
    path: PathBuf,
    /// What all clients are built from; it knows secrets, and is never shown.
    builder: AmazonS3Builder,
    /// Gives up soon.
    hasty: AmazonS3,
    patient: AmazonS3,
    /// What tells this store from others.
    address: String,
    heard: Arc<Heard>,
    patience: Patience,
    /// The last to be dropped: what the clients have begun runs on it.
    runtime: Runtime,
}

impl Session {
    /// Begins a session with the store of `bucket` that the environment names, as the variables
    /// `AWS_*` say.
    pub(super) fn new(bucket: &str, path: &Path, patience: Patience) -> Result<Session> {
        let variables = std::env::vars_os();
        let variables =
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Session::described(variables, bucket, path, patience)
    }

    /// The same of other variables than those of the environment.
    pub(super) fn described(
        variables: impl Iterator<Item = (String, String)>,
        bucket: &str,
        path: &Path,
        patience: Patience,
    ) -> Result<Session> {
        let failed = |reason: String| Error::ObjectStore { path: path.into(), action: "set it up", reason };
        // If the program has chosen another one before, that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.to_string()))?;
        let heard = Arc::<Heard>::default();
        let wire = Wire { heard: heard.clone(), condition: None };
        let mut builder = from_variables(variables).with_bucket_name(bucket);
        check(&builder).map_err(failed)?;
        builder = builder.with_http_connector(wire);
        let hasty = RetryConfig { max_retries: FIRST_RETRIES, ..RetryConfig::default() };
        let refused = |error: object_store::Error| failed(brief(&error.to_string()));
        let hasty = builder.clone().with_retry(hasty).build().map_err(refused)?;
        // It is waited for below, however often that is.
        let patient = RetryConfig {
            max_retries: usize::MAX,
            retry_timeout: patience.last * 2,
            ..RetryConfig::default()
        };
        builder = builder.with_retry(patient);
        let mut session = Session {
            path: path.into(),
            patient: builder.clone().build().map_err(refused)?,
            address: address(&builder),
            builder,
            hasty,
            heard,
            patience,
            runtime,
        };
        if !is_anonymous(&session.builder) {
            let credentials = session.hasty.credentials().clone();
            match session.wait(credentials.get_credential()) {
                Ok(Ok(_)) => {}
                Err(Failure::Other(error)) => return Err(error),
                _ => {
                    return Err(failed(
                        "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true \
                         for a bucket that anyone may read"
                            .into(),
                    ));
                }
            }
            session.builder = session.builder.with_credentials(credentials);
            session.patient = session.builder.clone().build().map_err(refused)?;
            session.heard.begin();
        }
        Ok(session)
    }

    /// What tells its store from others: its endpoint, or its region.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Does some work with the store. It may be done twice, the first time with a client that gives
    /// up soon.
    pub(super) fn run<T>(
        &self,
        work: impl AsyncFn(&AmazonS3) -> std::result::Result<T, Failure>,
    ) -> std::result::Result<T, Failure> {
        if !self.heard.ever() {
            match self.wait(work(&self.hasty))? {
                // It is there, but may be busy.
                Err(Failure::Store(error @ object_store::Error::Generic { .. }))
                    if self.heard.ever() && transport(&error) != Some(HttpErrorKind::Decode) => {}
                result => return result,
            }
        }
        self.wait(work(&self.patient))?
    }

    /// Waits until something is done, or the caller wants no more, or the store has been of no use
    /// for too long.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> std::result::Result<T, Failure> {
        let (mut work, begin, mut is_said) = (pin!(work), Instant::now(), false);
        loop {
            let slice = async { tokio::time::timeout(waiting::SLICE, work.as_mut()).await };
            if let Ok(done) = self.runtime.block_on(slice) {
                return Ok(done);
            }
            if waiting::is_over() {
                return Err(
                    Error::Interrupted(format!("{}: waiting for the store", self.path.display())).into()
                );
            }
            let useless = self.heard.last_progress().map_or(begin, |last| last.max(begin)).elapsed();
            let most = if self.heard.ever() { self.patience.last } else { self.patience.first };
            if useless >= most {
                return Err(Failure::GivenUp(useless, self.heard.busy()));
            }
            if useless >= self.patience.say && !is_said {
                is_said = true;
                let busy = self.heard.busy().map(|status| format!(", which is busy (status {status})"));
                let left = most.saturating_sub(useless).as_secs_f64().ceil();
                let (path, waited) = (self.path.display(), useless.as_secs());
                waiting::tell(&format!(
                    "{path}: has waited {waited} s for the store{}; gives up after another {left} s",
                    busy.unwrap_or_default()
                ));
            }
        }
    }

    /// Calls `action` where tasks can be begun.
    pub(super) fn within<T>(&self, action: impl FnOnce() -> T) -> T {
        let _context = self.runtime.enter();
        action()
    }

    /// A client whose uploads complete under a condition: a header and its value.
    pub(super) fn under(&self, condition: Option<(&'static str, &str)>) -> object_store::Result<AmazonS3> {
        let Some((header, value)) = condition else { return Ok(self.patient.clone()) };
        let value = HeaderValue::from_str(value)
            .map_err(|error| object_store::Error::Generic { store: "S3", source: error.into() })?;
        let wire = Wire { heard: self.heard.clone(), condition: Some((header, value)) };
        self.builder.clone().with_http_connector(wire).build()
    }
}

/// A client's options, and what the environment says of them.
fn from_variables(variables: impl Iterator<Item = (String, String)>) -> AmazonS3Builder {
    let options = ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_read_timeout(SILENCE)
        // What takes long because it is large may take long.
        .with_timeout_disabled();
    let mut builder = AmazonS3Builder::new().with_client_options(options);
    let mut allow_http = None;
    for (name, value) in variables {
        let Some(key) = name.starts_with("AWS_").then(|| name.to_ascii_lowercase().parse().ok()).flatten()
        else {
            continue;
        };
        if let AmazonS3ConfigKey::Endpoint | AmazonS3ConfigKey::S3Endpoint = key
            && value.starts_with("http://")
        {
            // Who names such an address means it, unless the environment says otherwise.
            allow_http.get_or_insert("true".to_owned());
        }
        if let AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp) = key {
            allow_http = Some(value);
            continue;
        }
        builder = builder.with_config(key, value);
    }
    match allow_http {
        Some(value) => builder.with_config(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp), value),
        None => builder,
    }
}

/// Refuses what cannot be part of an address or a header, and says which variable that is; it may
/// hold a secret, and is not quoted.
fn check(builder: &AmazonS3Builder) -> std::result::Result<(), String> {
    use AmazonS3ConfigKey::{AccessKeyId, Endpoint, Region, S3Endpoint, SecretAccessKey, Token};
    let is_address = |text: &str| {
        let url = (text.len() <= LONGEST_ADDRESS).then(|| reqwest::Url::parse(text).ok()).flatten();
        url.is_some_and(|url| url.has_host() && url.scheme().starts_with("http"))
    };
    let is_region = |text: &str| {
        text.len() <= LONGEST_REGION && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    // From a file they often come with a line break.
    let is_key =
        |text: &str| text.len() <= LONGEST_ADDRESS * 8 && text.bytes().all(|byte| byte.is_ascii_graphic());
    let fits = |key: AmazonS3ConfigKey, check: &dyn Fn(&str) -> bool| {
        builder.get_config_value(&key).is_none_or(|text| check(&text))
    };
    let address = "makes no address; an endpoint is https://HOST, a region a name like eu-central-1";
    let key = "has a space or a line break in it, or is no key at all; set it anew";
    for (name, fits, reason) in [
        ("AWS_ENDPOINT_URL", fits(Endpoint, &is_address), address),
        ("AWS_ENDPOINT_URL_S3", fits(S3Endpoint, &is_address), address),
        ("AWS_REGION", fits(Region, &is_region), address),
        ("AWS_ACCESS_KEY_ID", fits(AccessKeyId, &is_key), key),
        ("AWS_SECRET_ACCESS_KEY", fits(SecretAccessKey, &is_key), key),
        ("AWS_SESSION_TOKEN", fits(Token, &is_key), key),
    ] {
        if !fits {
            return Err(format!("{name} {reason}"));
        }
    }
    Ok(())
}

/// See [`Session::address`].
fn address(builder: &AmazonS3Builder) -> String {
    let keys = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint, AmazonS3ConfigKey::Region];
    let address = keys.iter().find_map(|key| builder.get_config_value(key)).unwrap_or_default();
    address.trim_end_matches('/').to_owned()
}

fn is_anonymous(builder: &AmazonS3Builder) -> bool {
    builder.get_config_value(&AmazonS3ConfigKey::SkipSignature).is_some_and(|value| value == "true")
}

/// How a request failed that got no answer.
pub(super) fn transport(error: &object_store::Error) -> Option<HttpErrorKind> {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    { causes }.find_map(|cause| cause.downcast_ref::<HttpError>()).map(HttpError::kind)
}

/// Why the store was given up: as an error.
pub(super) fn given_up(path: &Path, action: &'static str, time: Duration, busy: Option<u16>) -> Error {
    let seconds = time.as_secs();
    let reason = match busy {
        Some(status) => format!(
            "the store has been busy for {seconds} s (status {status}); run the same command again later, with fewer processes at once"
        ),
        None => format!(
            "the store has not answered for {seconds} s; check AWS_ENDPOINT_URL and the network, then run the same command again"
        ),
    };
    Error::ObjectStore { path: path.into(), action, reason }
}

/// Why the store refused, and what to do: as an error.
pub(super) fn refused(path: &Path, bucket: &str, action: &'static str, error: &object_store::Error) -> Error {
    use object_store::Error::{PermissionDenied, Unauthenticated};
    let text = error.to_string();
    let said = said(&text);
    let has = |codes: &[&str]| codes.iter().any(|code| said.starts_with(code));
    let reason = match (error, transport(error)) {
        (_, Some(HttpErrorKind::Decode)) => {
            "the answer is longer than what was asked for, or is no text; check AWS_ENDPOINT_URL".into()
        }
        (_, Some(kind)) => {
            let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
            let cause = { causes }.last().map_or_else(String::new, ToString::to_string);
            let what = match kind {
                HttpErrorKind::Connect => "the store cannot be reached",
                HttpErrorKind::Timeout => "the store does not answer",
                _ => "the connection to the store failed",
            };
            format!(
                "{what}: {}; check AWS_ENDPOINT_URL and the network, then run the same command again",
                brief(&cause)
            )
        }
        _ if has(&["NoSuchBucket"]) => {
            format!(
                "there is no bucket {}; create it, or check its name, AWS_ENDPOINT_URL and AWS_REGION",
                brief(bucket)
            )
        }
        _ if has(&["SignatureDoesNotMatch"]) => format!(
            "the store refuses these credentials ({said}); AWS_SECRET_ACCESS_KEY is not that of AWS_ACCESS_KEY_ID, or a proxy changes requests"
        ),
        _ if has(&["RequestTimeTooSkewed"]) => format!("the clock of this machine is wrong ({said}); set it"),
        _ if has(&["AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraint"])
            || text.contains("redirect")
            || said.contains("egion") =>
        {
            format!("the bucket seems to be in another region ({said}); set AWS_REGION")
        }
        _ if has(&["301", "302", "303", "307", "308"]) => format!(
            "the store sends elsewhere ({said}), where requests do not follow because they carry credentials; set AWS_REGION to the \
             bucket's region, or AWS_ENDPOINT_URL to the store itself"
        ),
        _ if has(&["NotImplemented", "501"]) => format!("{said}; {CONDITIONS}"),
        (PermissionDenied { .. } | Unauthenticated { .. }, _) => format!(
            "the store refuses these credentials ({said}); check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and \
             what they may do"
        ),
        // To look at an object gets no more than a status.
        _ if has(&["400"]) => format!("{said}; check AWS_REGION and AWS_ENDPOINT_URL"),
        _ => said,
    };
    Error::ObjectStore { path: path.into(), action, reason }
}

/// What a store must do that several processes write to.
pub(super) const CONDITIONS: &str = "the store must check conditions of writes (If-None-Match, If-Match), or processes would overwrite each \
     other's work; generate into a directory, and copy that to the bucket with another tool: reading needs no conditions";

/// What a store said, from the text that quotes its answer: no request, no signature.
fn said(text: &str) -> String {
    let between = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(found, _)| brief(found))
    };
    match (between("Code"), between("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code,
        // Behind the status there may be anything; a status has a number and at most some words.
        _ => match text.split_once("status code: ") {
            Some((_, status)) => brief(status.split([':', '<', '\n']).next().unwrap_or_default().trim()),
            None => brief(text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_quoted_without_requests() {
        let text = "Generic S3 error: Error performing PUT http://h/b/k in 1ms - Server returned non-2xx status code: 403 Forbidden: \
                    <?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><Message>No.</Message>\
                    <StringToSign>AWS4</StringToSign></Error>";
        assert_eq!(said(text), "SignatureDoesNotMatch: No.");
        assert_eq!(said("x status code: 503 Service Unavailable: <html>"), "503 Service Unavailable");
        assert_eq!(said("no answer"), "no answer");
    }
}
