//! SQLite's words about a query, without the codes around them.

use crate::read::authorizer::MAX_RESULT_BYTES;
use rusqlite::ErrorCode;

/// SQLite's own words, without the codes around them.
pub(crate) fn reason(error: &rusqlite::Error) -> String {
    match error {
        error if error.sqlite_error_code() == Some(ErrorCode::TooBig) => format!(
            "a text, BLOB or row of the query is too long; it has at most {} MiB, and the query at most 1 MiB",
            MAX_RESULT_BYTES >> 20
        ),
        rusqlite::Error::SqliteFailure(_, Some(text)) | rusqlite::Error::ModuleError(text) => text.clone(),
        rusqlite::Error::MultipleStatement => "a query is one SELECT".into(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        error => error.to_string(),
    }
}
