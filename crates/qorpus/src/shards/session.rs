//! A session with an S3-compatible store: its client, a runtime that has no thread of its own, and its refusals as sentences.

use crate::error::{Error, Result, brief};
use async_trait::async_trait;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use object_store::{ClientConfigKey, ClientOptions, HeaderValue, RetryConfig};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// So long it may take until a store accepts a connection...
const CONNECT: Duration = Duration::from_secs(5);

/// ...and until it says anything more.
const SILENCE: Duration = Duration::from_secs(60);

/// So often a store is asked again that has never answered: it is more likely named wrongly than busy.
const FIRST_RETRIES: usize = 2;

/// What the work with a store can fail with.
#[derive(Debug)]
pub(super) enum Failure {
    /// The store refused, or was not reached.
    Store(object_store::Error),
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

/// A session. It lives in one process: see [`fork`](crate::fork).
pub(super) struct Session {
    /// What all clients are built from; it knows secrets, and is never shown.
    builder: AmazonS3Builder,
    /// Gives up soon.
    hasty: AmazonS3,
    patient: AmazonS3,
    /// What tells this store from others.
    address: String,
    /// Whether the store has ever answered.
    answered: AtomicBool,
    /// The last to be dropped: what the clients have begun runs on it.
    runtime: Runtime,
}

impl Session {
    /// Begins a session with the store of `bucket` that the environment names, as the variables `AWS_*` say.
    pub(super) fn new(bucket: &str, path: &Path) -> Result<Session> {
        let failed = |reason: String| Error::ObjectStore { path: path.into(), action: "set it up", reason };
        // If the program has chosen another one before, that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.to_string()))?;
        let mut builder = from_environment().with_bucket_name(bucket);
        check_address(&builder).map_err(|variable| {
            failed(format!(
                "{variable} makes no address; an endpoint is https://HOST, a region a name like eu-central-1"
            ))
        })?;
        let hasty = RetryConfig { max_retries: FIRST_RETRIES, ..RetryConfig::default() };
        let refused = |error: object_store::Error| failed(brief(&error.to_string()));
        let hasty = builder.clone().with_retry(hasty).build().map_err(refused)?;
        if !is_anonymous(&builder) {
            let credentials = hasty.credentials().clone();
            if runtime.block_on(credentials.get_credential()).is_err() {
                return Err(failed(
                    "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true \
                     for a bucket that anyone may read"
                        .into(),
                ));
            }
            builder = builder.with_credentials(credentials);
        }
        let patient = builder.clone().build().map_err(refused)?;
        let address = address(&builder);
        Ok(Session { builder, hasty, patient, address, answered: AtomicBool::new(false), runtime })
    }

    /// What tells its store from others: its endpoint, or its region.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Does some work with the store. It may be done twice, the first time with a client that gives up soon.
    pub(super) fn run<T>(
        &self,
        work: impl AsyncFn(&AmazonS3) -> std::result::Result<T, Failure>,
    ) -> std::result::Result<T, Failure> {
        if !self.answered.load(Ordering::Relaxed) {
            match self.runtime.block_on(work(&self.hasty)) {
                Err(Failure::Store(error)) if transport(&error).is_some() => return Err(error.into()),
                // It is there, but may be busy.
                Err(Failure::Store(object_store::Error::Generic { .. })) => {}
                result => {
                    self.answered.store(true, Ordering::Relaxed);
                    return result;
                }
            }
            self.answered.store(true, Ordering::Relaxed);
        }
        self.runtime.block_on(work(&self.patient))
    }

    /// The runtime and a client whose uploads complete under a condition: a header and its value.
    pub(super) fn under(
        &self,
        condition: Option<(&'static str, &str)>,
    ) -> object_store::Result<(&Runtime, AmazonS3)> {
        let Some((header, value)) = condition else { return Ok((&self.runtime, self.patient.clone())) };
        let value = HeaderValue::from_str(value)
            .map_err(|error| object_store::Error::Generic { store: "S3", source: error.into() })?;
        let store = self.builder.clone().with_http_connector(Condition { header, value }).build()?;
        Ok((&self.runtime, store))
    }
}

/// A client's options, and what the environment says of them.
fn from_environment() -> AmazonS3Builder {
    let options = ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_read_timeout(SILENCE)
        // What takes long because it is large may take long.
        .with_timeout_disabled();
    let mut builder = AmazonS3Builder::new().with_client_options(options);
    let mut allow_http = None;
    for (name, value) in std::env::vars_os() {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { continue };
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
            allow_http = Some(value.to_owned());
            continue;
        }
        builder = builder.with_config(key, value);
    }
    match allow_http {
        Some(value) => builder.with_config(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp), value),
        None => builder,
    }
}

/// Refuses what cannot be part of an address, and says which variable that is; it may hold a secret, and is not quoted.
fn check_address(builder: &AmazonS3Builder) -> std::result::Result<(), &'static str> {
    for (key, variable) in [
        (AmazonS3ConfigKey::Endpoint, "AWS_ENDPOINT_URL"),
        (AmazonS3ConfigKey::S3Endpoint, "AWS_ENDPOINT_URL_S3"),
    ] {
        let url = builder.get_config_value(&key).map(|text| reqwest::Url::parse(&text));
        if url.is_some_and(|url| !url.is_ok_and(|url| url.has_host() && url.scheme().starts_with("http"))) {
            return Err(variable);
        }
    }
    let is_name = |text: String| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match builder.get_config_value(&AmazonS3ConfigKey::Region).is_none_or(is_name) {
        true => Ok(()),
        false => Err("AWS_REGION"),
    }
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

/// Completes uploads under a condition on what has the name, for which `object_store` has no option.
#[derive(Debug, Clone)]
struct Condition {
    header: &'static str,
    value: HeaderValue,
}

impl HttpConnector for Condition {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Conditional { client, condition: self.clone() }))
    }
}

#[derive(Debug)]
struct Conditional {
    client: HttpClient,
    condition: Condition,
}

#[async_trait]
impl HttpService for Conditional {
    async fn call(&self, mut request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        // To begin an upload asks for `?uploads`, to complete it for `?uploadId=`. Headers like these are not signed.
        let completes = request.method() == "POST"
            && request.uri().query().is_some_and(|query| query.starts_with("uploadId="));
        if completes {
            request.headers_mut().insert(self.condition.header, self.condition.value.clone());
        }
        self.client.execute(request).await
    }
}

/// How a request failed that got no answer.
pub(super) fn transport(error: &object_store::Error) -> Option<HttpErrorKind> {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    { causes }.find_map(|cause| cause.downcast_ref::<HttpError>()).map(HttpError::kind)
}

/// Why the store refused, and what to do: as an error.
pub(super) fn refused(path: &Path, bucket: &str, action: &'static str, error: &object_store::Error) -> Error {
    use object_store::Error::{PermissionDenied, Unauthenticated};
    let text = error.to_string();
    let said = said(&text);
    let reason = match (error, transport(error)) {
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
        _ if said.starts_with("NoSuchBucket") => {
            format!(
                "there is no bucket {}; create it, or check its name, AWS_ENDPOINT_URL and AWS_REGION",
                brief(bucket)
            )
        }
        (PermissionDenied { .. } | Unauthenticated { .. }, _) => format!(
            "the store refuses these credentials ({said}); check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and \
             what they may do"
        ),
        _ if text.contains("redirect") || said.contains("Region") => {
            format!("the bucket seems to be in another region ({said}); set AWS_REGION")
        }
        _ => said,
    };
    Error::ObjectStore { path: path.into(), action, reason }
}

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
