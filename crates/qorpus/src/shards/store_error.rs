//! Failures of an object store as sentences with remedies.

use crate::error::Error;
use crate::remedy::brief;
use object_store::client::{HttpError, HttpErrorKind};
use std::path::PathBuf;
use std::time::Duration;

/// A failure of work with a store.
#[derive(Debug)]
pub(super) enum StoreFailure {
    /// The store refused, or was not reached.
    Store(object_store::Error),
    /// The store made no progress for this time; the status, if any, is its answer that it is busy.
    GivenUp(Duration, Option<u16>),
    /// Another failure.
    Other(Error),
}

impl From<object_store::Error> for StoreFailure {
    fn from(error: object_store::Error) -> StoreFailure {
        StoreFailure::Store(error)
    }
}

impl From<Error> for StoreFailure {
    fn from(error: Error) -> StoreFailure {
        StoreFailure::Other(error)
    }
}

/// Returns how a request without an answer failed.
pub(super) fn transport(error: &object_store::Error) -> Option<HttpErrorKind> {
    causes(error).find_map(|cause| cause.downcast_ref::<HttpError>()).map(HttpError::kind)
}

fn causes(error: &object_store::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| error.source())
}

/// Returns whether the bucket itself does not exist.
pub(super) fn is_no_bucket(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { source, .. } if source.to_string().contains("NoSuchBucket"))
}

/// Returns the error of a store that was given up.
pub(super) fn given_up(path: PathBuf, action: &'static str, time: Duration, busy: Option<u16>) -> Error {
    let seconds = time.as_secs();
    let reason = match busy {
        Some(status) => format!(
            "the store has been busy for {seconds} s (status {status}); try again later, with fewer processes at once"
        ),
        None => format!(
            "the store has not answered for {seconds} s; check AWS_ENDPOINT_URL and the network, then try again"
        ),
    };
    Error::ObjectStore { path, action, reason }
}

/// Returns the error of a store that refused.
pub(super) fn refused(
    path: PathBuf,
    bucket: &str,
    action: &'static str,
    error: &object_store::Error,
) -> Error {
    use object_store::Error::{PermissionDenied, Unauthenticated};
    let text = error.to_string();
    let said = answer(&text);
    let has = |codes: &[&str]| codes.iter().any(|code| said.starts_with(code));
    let reason = match (error, transport(error)) {
        (_, Some(HttpErrorKind::Decode)) => {
            "the answer is longer than requested, or is not text; check AWS_ENDPOINT_URL".into()
        }
        (_, Some(kind)) => {
            let cause = causes(error).last().map_or_else(String::new, ToString::to_string);
            let what = match kind {
                HttpErrorKind::Connect => "the store cannot be reached",
                HttpErrorKind::Timeout => "the store does not answer",
                _ => "the connection to the store failed",
            };
            format!("{what}: {}; check AWS_ENDPOINT_URL and the network, then try again", brief(&cause))
        }
        _ if has(&["NoSuchBucket"]) => {
            format!(
                "there is no bucket {}; create it, or check its name, AWS_ENDPOINT_URL and AWS_REGION",
                brief(bucket)
            )
        }
        _ if has(&["SignatureDoesNotMatch"]) => format!(
            "the store refuses these credentials ({said}); AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID, or a proxy changes requests"
        ),
        _ if has(&["RequestTimeTooSkewed"]) => format!("the clock of this machine is wrong ({said}); set it"),
        _ if has(&["AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraint"])
            || text.contains("redirect")
            || said.contains("egion") =>
        {
            format!("the bucket seems to be in another region ({said}); set AWS_REGION")
        }
        _ if has(&["301", "302", "303", "307", "308"]) => format!(
            "the store redirects requests ({said}), which is not followed because they carry credentials; set AWS_REGION \
             to the bucket's region, or AWS_ENDPOINT_URL to the store itself"
        ),
        _ if has(&["NotImplemented", "501"]) => format!("{said}; {CONDITIONS}"),
        (PermissionDenied { .. } | Unauthenticated { .. }, _) => format!(
            "the store refuses these credentials ({said}); check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and \
             their permissions"
        ),
        // Examining an object returns only a status.
        _ if has(&["400"]) => format!("{said}; check AWS_REGION and AWS_ENDPOINT_URL"),
        _ => said,
    };
    Error::ObjectStore { path, action, reason }
}

/// The requirement on a store that several processes write to.
pub(super) const CONDITIONS: &str = "the store must support conditional writes (If-None-Match, If-Match), or processes could overwrite each other's \
     work; generate into a local directory and copy that to the bucket with another tool: reading needs no conditions";

/// Returns the answer of a store from the text that quotes it, without the request and its signature.
fn answer(text: &str) -> String {
    let between = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(found, _)| brief(found))
    };
    match (between("Code"), between("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code,
        // Anything may follow the status, which is a number and a few words.
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
        assert_eq!(answer(text), "SignatureDoesNotMatch: No.");
        assert_eq!(answer("x status code: 503 Service Unavailable: <html>"), "503 Service Unavailable");
        assert_eq!(answer("no answer"), "no answer");
    }
}
