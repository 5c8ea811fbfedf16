//! The wire to a store: requests go nowhere else, answers are bounded, and when the store last said
//! something is known.
//!
//! A store may be hostile, or be somebody else's web server. Requests carry credentials, so no
//! redirect is followed. No more of an answer is taken than was asked for.

use async_trait::async_trait;
use http_body_util::{BodyExt, Limited};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::{ClientConfigKey, ClientOptions, GetOptions, HeaderValue};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So long it may take until a store accepts a connection...
pub(super) const CONNECT: Duration = Duration::from_secs(5);

/// ...and until it says anything more; for what goes up that is when all of it has come.
pub(super) const SILENCE: Duration = Duration::from_secs(60);

/// No longer list of names is read: a thousand names have at most a megabyte, and what stands
/// between them.
const LONGEST_LIST: u64 = 16 << 20;

/// No longer answer is read that is neither an object nor a list. What it names fits in an address,
/// of which a client takes 65,534 bytes.
const LONGEST_ANSWER: u64 = 16 << 10;

/// The whole of a refusal must come within this time.
const REFUSAL: Duration = Duration::from_secs(10);

/// Bytes of a body are heard of when so many have come: who sends one now and then is as silent as
/// who sends none.
const HEARD: u64 = 16 << 10;

/// Goes with a request: its answer may have this many bytes.
#[derive(Debug, Clone, Copy)]
struct Most(u64);

/// How to get something of which no more than `most` bytes are taken.
pub(super) fn bounded(most: u64) -> GetOptions {
    let mut options = GetOptions::default();
    options.extensions.insert(Most(most));
    options
}

/// When the store last said something, and what.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<Last>);

#[derive(Debug, Default, Clone, Copy)]
struct Last {
    progress: Option<Instant>,
    /// The status by which the store has said since then that it is busy.
    busy: Option<u16>,
}

impl Heard {
    fn last(&self) -> Last {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, last: Last) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }

    fn progress(&self) {
        self.set(Last { progress: Some(Instant::now()), busy: None });
    }

    fn answer(&self, status: u16) {
        match is_busy(status) {
            true => self.set(Last { busy: Some(status), ..self.last() }),
            false => self.progress(),
        }
    }

    /// Forgets what others have said than the store: those that know the credentials.
    pub(super) fn begin(&self) {
        self.set(Last::default());
    }

    /// Whether the store has ever answered.
    pub(super) fn ever(&self) -> bool {
        let last = self.last();
        last.progress.is_some() || last.busy.is_some()
    }

    /// When it last was of use.
    pub(super) fn last_progress(&self) -> Option<Instant> {
        self.last().progress
    }

    /// The status by which it last said that it is busy.
    pub(super) fn busy(&self) -> Option<u16> {
        self.last().busy
    }
}

/// Whether this status means that the same request may be answered later.
fn is_busy(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// Connects to a store.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    pub(super) heard: Arc<Heard>,
    /// Uploads complete under this condition on what has the name, for which `object_store` has no
    /// option: a header and its value.
    pub(super) condition: Option<(&'static str, HeaderValue)>,
}

impl HttpConnector for Wire {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = HttpClient::new(client(options)?);
        Ok(HttpClient::new(Connection { client, wire: self.clone() }))
    }
}

/// The client that `object_store` would make of these options, but without redirects, for which it
/// has none.
fn client(options: &ClientOptions) -> object_store::Result<reqwest::Client> {
    let failed =
        |error: reqwest::Error| object_store::Error::Generic { store: "HTTP client", source: error.into() };
    let text = |key| options.get_config_value(&key);
    let is_set =
        |key| text(key).is_some_and(|value| matches!(value.as_str(), "true" | "1" | "yes" | "on" | "y"));
    // A machine's credentials are looked for with less patience than a store.
    let seconds = |key, default| {
        let given = text(key).and_then(|text| text.strip_suffix('s')?.parse().ok());
        given.map_or(default, Duration::from_secs)
    };
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .http1_only()
        // Sizes are those of what is stored.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .user_agent(concat!("qorpus/", env!("CARGO_PKG_VERSION")))
        .https_only(!is_set(ClientConfigKey::AllowHttp))
        .danger_accept_invalid_certs(is_set(ClientConfigKey::AllowInvalidCertificates))
        .connect_timeout(seconds(ClientConfigKey::ConnectTimeout, CONNECT))
        .read_timeout(seconds(ClientConfigKey::ReadTimeout, SILENCE));
    if let Some(address) = text(ClientConfigKey::ProxyUrl) {
        let mut proxy = reqwest::Proxy::all(address).map_err(failed)?;
        if let Some(names) = text(ClientConfigKey::ProxyExcludes) {
            proxy = proxy.no_proxy(reqwest::NoProxy::from_string(&names));
        }
        if let Some(certificate) = text(ClientConfigKey::ProxyCaCertificate) {
            let certificate = reqwest::tls::Certificate::from_pem(certificate.as_bytes()).map_err(failed)?;
            builder = builder.tls_certs_merge([certificate]);
        }
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(failed)
}

#[derive(Debug)]
struct Connection {
    client: HttpClient,
    wire: Wire,
}

#[async_trait]
impl HttpService for Connection {
    async fn call(&self, mut request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        let query = request.uri().query().unwrap_or_default();
        let (is_list, completes) = (query.contains("list-type="), query.starts_with("uploadId="));
        // To begin an upload asks for `?uploads`, to complete it for `?uploadId=`. Headers like
        // these are not signed.
        if let Some((header, value)) = &self.wire.condition
            && request.method() == "POST"
            && completes
        {
            request.headers_mut().insert(*header, value.clone());
        }
        let asked = request.extensions().get::<Most>().copied();
        let response = self.client.execute(request).await?;
        self.wire.heard.answer(response.status().as_u16());
        let (parts, body) = response.into_parts();
        if !parts.status.is_success() {
            return Ok(HttpResponse::from_parts(parts, refusal(body).await));
        }
        let most = match asked {
            Some(Most(bytes)) => bytes,
            None if is_list => LONGEST_LIST,
            None => LONGEST_ANSWER,
        };
        let (heard, mut unheard) = (self.wire.heard.clone(), 0);
        let body = body.map_frame(move |frame| {
            unheard += frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
            if unheard >= HEARD {
                unheard = 0;
                heard.progress();
            }
            frame
        });
        let body =
            Limited::new(body, usize::try_from(most).unwrap_or(usize::MAX)).map_err(|error| match error
                .downcast::<HttpError>(
            ) {
                Ok(error) => *error,
                Err(_) => too_long(),
            });
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

/// What a store says when it refuses, or nothing if that is too long.
async fn refusal(body: HttpResponseBody) -> HttpResponseBody {
    let whole = Limited::new(body, LONGEST_ANSWER as usize).collect();
    match tokio::time::timeout(REFUSAL, whole).await {
        Ok(Ok(whole)) => String::from_utf8_lossy(&whole.to_bytes()).into_owned().into(),
        _ => String::new().into(),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the answer is longer than what was asked for")]
struct TooLong;

fn too_long() -> HttpError {
    HttpError::new(HttpErrorKind::Decode, TooLong)
}
