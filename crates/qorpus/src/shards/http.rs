//! HTTP connections to a store: requests are not redirected, answers are bounded, and the time of
//! the last answer is recorded.
//!
//! A store may be hostile, or be another web server. Requests carry credentials, so no redirect is
//! followed. No more of an answer is read than was requested.

use async_trait::async_trait;
use http_body_util::{BodyExt, Limited};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::{ClientConfigKey, ClientOptions, GetOptions, HeaderValue};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The longest time until a store accepts a connection...
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// ...and between two pieces of an answer. An upload is answered when all of it has arrived.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest list of names that is read: a thousand names have at most a megabyte, plus the text
/// between them.
const MAX_LIST_BYTES: u64 = 16 << 20;

/// The longest other answer that is read. A name in it fits in an address, which has at most 65,534
/// bytes.
const MAX_ANSWER_BYTES: u64 = 16 << 10;

/// The longest time to read the body of a refusal.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a body that count as progress: a store that sends a byte now and then counts as silent.
const PROGRESS_BYTES: u64 = 16 << 10;

/// The most bytes of an answer's body; an extension of the request.
#[derive(Debug, Clone, Copy)]
struct MaxBodyBytes(u64);

/// Returns options to get an object, of which no more than `max_bytes` are read.
pub(super) fn bounded(max_bytes: u64) -> GetOptions {
    let mut options = GetOptions::default();
    options.extensions.insert(MaxBodyBytes(max_bytes));
    options
}

/// The activity of a store, for all threads.
#[derive(Debug, Default)]
pub(super) struct Activity(Mutex<LastActivity>);

/// The last activity of a store.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct LastActivity {
    /// The time of the last progress.
    pub(super) progress: Option<Instant>,
    /// The status of a later answer that the store is busy.
    pub(super) busy: Option<u16>,
}

impl LastActivity {
    /// Returns whether the store has ever answered.
    pub(super) fn is_any(&self) -> bool {
        self.progress.is_some() || self.busy.is_some()
    }
}

impl Activity {
    pub(super) fn last(&self) -> LastActivity {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, last: LastActivity) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }

    fn set_progress(&self) {
        self.set(LastActivity { progress: Some(Instant::now()), busy: None });
    }

    fn set_answer(&self, status: u16) {
        // With these statuses the same request may succeed later.
        if matches!(status, 408 | 429 | 500..=599) {
            self.set(LastActivity { busy: Some(status), ..self.last() });
        } else {
            self.set_progress();
        }
    }
}

/// A factory of connections to a store.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    pub(super) activity: Arc<Activity>,
    /// The condition under which uploads complete, for which `object_store` has no option: a header
    /// and its value.
    pub(super) condition: Option<(&'static str, HeaderValue)>,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = HttpClient::new(client(options)?);
        Ok(HttpClient::new(Connection { client, connector: self.clone() }))
    }
}

/// Returns the client that `object_store` would create from these options, but without redirects,
/// which it cannot turn off.
fn client(options: &ClientOptions) -> object_store::Result<reqwest::Client> {
    let failed =
        |error: reqwest::Error| object_store::Error::Generic { store: "HTTP client", source: error.into() };
    let text = |key| options.get_config_value(&key);
    let is_set =
        |key| text(key).is_some_and(|value| matches!(value.as_str(), "true" | "1" | "yes" | "on" | "y"));
    // A machine's credential service gets a shorter timeout than a store.
    let seconds = |key, default| {
        let given = text(key).and_then(|text| text.strip_suffix('s')?.parse().ok());
        given.map_or(default, Duration::from_secs)
    };
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .http1_only()
        // Sizes refer to stored bytes.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .user_agent(concat!("qorpus/", env!("CARGO_PKG_VERSION")))
        .https_only(!is_set(ClientConfigKey::AllowHttp))
        .danger_accept_invalid_certs(is_set(ClientConfigKey::AllowInvalidCertificates))
        .connect_timeout(seconds(ClientConfigKey::ConnectTimeout, CONNECT_TIMEOUT))
        .read_timeout(seconds(ClientConfigKey::ReadTimeout, READ_TIMEOUT));
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
    connector: Connector,
}

#[async_trait]
impl HttpService for Connection {
    async fn call(&self, mut request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        let query = request.uri().query().unwrap_or_default();
        let (is_list, completes) = (query.contains("list-type="), query.starts_with("uploadId="));
        // Beginning an upload requests `?uploads`, completing it `?uploadId=`. Headers like these
        // are not signed.
        if let Some((header, value)) = &self.connector.condition
            && request.method() == "POST"
            && completes
        {
            request.headers_mut().insert(*header, value.clone());
        }
        let asked = request.extensions().get::<MaxBodyBytes>().copied();
        let response = self.client.execute(request).await?;
        self.connector.activity.set_answer(response.status().as_u16());
        let (parts, body) = response.into_parts();
        if !parts.status.is_success() {
            return Ok(HttpResponse::from_parts(parts, refusal(body).await));
        }
        let max_bytes = match asked {
            Some(MaxBodyBytes(bytes)) => bytes,
            None if is_list => MAX_LIST_BYTES,
            None => MAX_ANSWER_BYTES,
        };
        let (activity, mut unseen) = (self.connector.activity.clone(), 0);
        let body = body.map_frame(move |frame| {
            unseen += frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
            if unseen >= PROGRESS_BYTES {
                unseen = 0;
                activity.set_progress();
            }
            frame
        });
        let body = Limited::new(body, usize::try_from(max_bytes).unwrap_or(usize::MAX)).map_err(|error| {
            let is_limit = |_| HttpError::new(HttpErrorKind::Decode, BodyTooLong);
            error.downcast::<HttpError>().map_or_else(is_limit, |error| *error)
        });
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

/// Reads the body of a refusal; one that is too long or too slow is replaced by an empty one.
async fn refusal(body: HttpResponseBody) -> HttpResponseBody {
    let whole = Limited::new(body, MAX_ANSWER_BYTES as usize).collect();
    match tokio::time::timeout(REFUSAL_TIMEOUT, whole).await {
        Ok(Ok(whole)) => String::from_utf8_lossy(&whole.to_bytes()).into_owned().into(),
        _ => String::new().into(),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the answer is longer than requested")]
struct BodyTooLong;
