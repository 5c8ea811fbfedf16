//! A client of an S3-compatible store: its options, and a runtime without threads.

use crate::error::{Error, Result};
use crate::os::waiting;
use crate::remedy::brief;
use crate::shards::http::{Activity, CONNECT_TIMEOUT, Connector, LastActivity, READ_TIMEOUT};
use crate::shards::store_error::{StoreFailure, transport};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::HttpErrorKind;
use object_store::{ClientConfigKey, ClientOptions, HeaderValue, RetryConfig};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// The retries of a request to a store that has never answered: its name is more likely wrong than
/// the store busy.
const FIRST_RETRIES: usize = 2;

/// The longest address of a store, and the longest name of a region: a client panics at longer ones.
const MAX_ADDRESS_BYTES: usize = 2048;
const MAX_REGION_BYTES: usize = 64;

/// The limits of waits for a store, counted from its last progress.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryLimits {
    /// The time until the caller is notified.
    pub(super) notice: Duration,
    /// The time until a store that has never answered is given up...
    pub(super) unanswered: Duration,
    /// ...and a store that has. Requests are signed once, and a store accepts no signature older
    /// than 15 minutes.
    pub(super) answered: Duration,
}

/// The limits of all clients, except in tests.
pub(super) const RETRY_LIMITS: RetryLimits = RetryLimits {
    notice: Duration::from_secs(5),
    unanswered: Duration::from_secs(30),
    answered: Duration::from_secs(300),
};

/// A client of a store. It lives in one process: see [`fork`](crate::os::fork).
pub(super) struct S3Client {
    path: PathBuf,
    /// The options of all clients. They hold secrets and are never shown.
    builder: AmazonS3Builder,
    /// Retries a few times, so that a wrong name shows soon.
    hasty: AmazonS3,
    patient: AmazonS3,
    address: String,
    activity: Arc<Activity>,
    limits: RetryLimits,
    /// Dropped last: tasks of the clients run on it.
    runtime: Runtime,
}

impl S3Client {
    /// Connects to the store of `bucket` that the environment variables `AWS_*` describe.
    pub(super) fn from_environment(bucket: &str, path: &Path, limits: RetryLimits) -> Result<S3Client> {
        let variables = std::env::vars_os();
        let variables =
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        S3Client::new(variables, bucket, path, limits)
    }

    /// Connects to the store of `bucket` that these variables describe.
    pub(super) fn new(
        variables: impl Iterator<Item = (String, String)>,
        bucket: &str,
        path: &Path,
        limits: RetryLimits,
    ) -> Result<S3Client> {
        let failed = |reason: String| Error::ObjectStore { path: path.into(), action: "set it up", reason };
        // If the program has chosen another provider before, that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.to_string()))?;
        let activity = Arc::<Activity>::default();
        let mut builder = from_variables(variables).with_bucket_name(bucket);
        check(&builder).map_err(failed)?;
        builder = builder.with_http_connector(Connector { activity: activity.clone(), condition: None });
        let hasty = RetryConfig { max_retries: FIRST_RETRIES, ..RetryConfig::default() };
        let refused = |error: object_store::Error| failed(brief(&error.to_string()));
        let hasty = builder.clone().with_retry(hasty).build().map_err(refused)?;
        // `wait` limits the time, after any number of retries.
        let patient = RetryConfig {
            max_retries: usize::MAX,
            retry_timeout: limits.answered * 2,
            ..RetryConfig::default()
        };
        builder = builder.with_retry(patient);
        let mut client = S3Client {
            path: path.into(),
            patient: builder.clone().build().map_err(refused)?,
            address: address(&builder),
            builder,
            hasty,
            activity,
            limits,
            runtime,
        };
        if !is_anonymous(&client.builder) {
            let credentials = client.hasty.credentials().clone();
            match client.wait(credentials.get_credential()) {
                Ok(Ok(_)) => {}
                Err(StoreFailure::Other(error)) => return Err(error),
                _ => {
                    return Err(failed(
                        "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
                         AWS_SKIP_SIGNATURE=true for a public bucket"
                            .into(),
                    ));
                }
            }
            client.builder = client.builder.with_credentials(credentials);
            client.patient = client.builder.clone().build().map_err(refused)?;
            // The services that provide credentials are not the store.
            client.activity.set(LastActivity::default());
        }
        Ok(client)
    }

    /// Returns the endpoint of its store or its region, which identifies it.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Runs `work` with the store. It may be started twice, the first time with a client that gives
    /// up soon.
    pub(super) fn run<T>(
        &self,
        work: impl AsyncFn(&AmazonS3) -> std::result::Result<T, StoreFailure>,
    ) -> std::result::Result<T, StoreFailure> {
        if !self.activity.last().is_any() {
            match self.wait(work(&self.hasty))? {
                // The store exists, but may be busy.
                Err(StoreFailure::Store(error @ object_store::Error::Generic { .. }))
                    if self.activity.last().is_any() && transport(&error) != Some(HttpErrorKind::Decode) => {}
                result => return result,
            }
        }
        self.wait(work(&self.patient))?
    }

    /// Waits until `work` is done, the caller ends the wait, or the store has made no progress for
    /// too long.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> std::result::Result<T, StoreFailure> {
        let (begin, mut work, mut is_told) = (Instant::now(), pin!(work), false);
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
            let last = self.activity.last();
            let useless = last.progress.map_or(begin, |progress| progress.max(begin)).elapsed();
            let limit = if last.is_any() { self.limits.answered } else { self.limits.unanswered };
            if useless >= limit {
                return Err(StoreFailure::GivenUp(useless, last.busy));
            }
            if useless >= self.limits.notice && !is_told {
                is_told = true;
                let busy = last.busy.map(|status| format!(", which is busy (status {status})"));
                let left = limit.saturating_sub(useless).as_secs_f64().ceil();
                let (path, waited) = (self.path.display(), useless.as_secs());
                waiting::tell(&format!(
                    "{path}: has waited {waited} s for the store{}; gives up after another {left} s",
                    busy.unwrap_or_default()
                ));
            }
        }
    }

    /// Calls `action` where tasks can be started.
    pub(super) fn within<T>(&self, action: impl FnOnce() -> T) -> T {
        let _context = self.runtime.enter();
        action()
    }

    /// Returns a client whose uploads complete under a condition: a header and its value.
    pub(super) fn with_condition(
        &self,
        condition: Option<(&'static str, &str)>,
    ) -> object_store::Result<AmazonS3> {
        let Some((header, value)) = condition else { return Ok(self.patient.clone()) };
        let value = HeaderValue::from_str(value)
            .map_err(|error| object_store::Error::Generic { store: "S3", source: error.into() })?;
        let connector = Connector { activity: self.activity.clone(), condition: Some((header, value)) };
        self.builder.clone().with_http_connector(connector).build()
    }
}

/// Returns the options of clients, as the variables of the environment set them.
fn from_variables(variables: impl Iterator<Item = (String, String)>) -> AmazonS3Builder {
    let options = ClientOptions::new()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(READ_TIMEOUT)
        // A large object may take long.
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
            // Such an address implies plain HTTP, unless the environment forbids it.
            allow_http.get_or_insert("true".to_owned());
        }
        if let AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp) = key {
            allow_http = Some(value);
            continue;
        }
        builder = builder.with_config(key, value);
    }
    if let Some(value) = allow_http {
        builder = builder.with_config(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp), value);
    }
    builder
}

/// Refuses a variable that cannot be part of an address or a header. It is not quoted, since it may
/// hold a secret.
fn check(builder: &AmazonS3Builder) -> std::result::Result<(), String> {
    use AmazonS3ConfigKey::{AccessKeyId, Endpoint, Region, S3Endpoint, SecretAccessKey, Token};
    let is_address = |text: &str| {
        let url = (text.len() <= MAX_ADDRESS_BYTES).then(|| reqwest::Url::parse(text).ok()).flatten();
        url.is_some_and(|url| url.has_host() && url.scheme().starts_with("http"))
    };
    let is_region = |text: &str| {
        text.len() <= MAX_REGION_BYTES
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    // Keys read from a file often end in a line break.
    let is_key =
        |text: &str| text.len() <= MAX_ADDRESS_BYTES * 8 && text.bytes().all(|byte| byte.is_ascii_graphic());
    let fits = |key: AmazonS3ConfigKey, check: &dyn Fn(&str) -> bool| {
        builder.get_config_value(&key).is_none_or(|text| check(&text))
    };
    let address = "is not valid; an endpoint looks like https://HOST, a region like eu-central-1";
    let key = "contains a space or a line break, or is too long; set it again";
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

/// Returns the endpoint of the store or its region, for [`S3Client::address`].
fn address(builder: &AmazonS3Builder) -> String {
    let keys = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint, AmazonS3ConfigKey::Region];
    let address = keys.iter().find_map(|key| builder.get_config_value(key)).unwrap_or_default();
    address.trim_end_matches('/').to_owned()
}

fn is_anonymous(builder: &AmazonS3Builder) -> bool {
    builder.get_config_value(&AmazonS3ConfigKey::SkipSignature).is_some_and(|value| value == "true")
}
