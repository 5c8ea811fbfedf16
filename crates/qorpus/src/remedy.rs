//! Reasons of the operating system and of SQLite as clauses of errors, with remedies.

use nix::libc;
use rusqlite::ErrorCode;

/// Returns the operating system's reason, and the remedy if there is one.
pub(crate) fn system_reason(error: &std::io::Error) -> String {
    error.raw_os_error().and_then(remedy).map_or_else(|| error.to_string(), Into::into)
}

/// Returns the reason and the remedy of an error that a user can act on.
pub(crate) fn remedy(errno: i32) -> Option<&'static str> {
    Some(match errno {
        libc::EMFILE => {
            "too many open files in this process; close corpora that are not needed, or raise the limit (ulimit -n)"
        }
        libc::ENFILE => {
            "too many open files on this machine; close programs, or ask its administrator to raise the limit"
        }
        libc::EACCES | libc::EPERM => {
            "permission denied; ask the owner of the file or its directory for access, or use a copy"
        }
        libc::EROFS => "the file system is read-only; choose another place, or copy the corpus there",
        libc::EFBIG => {
            "file too large for the process's limit (ulimit -f) or the file system; raise the limit or choose another \
             place, then try again"
        }
        libc::ENOSPC => "the disk is full; free some space and try again",
        libc::EDQUOT => {
            "disk quota exceeded; remove files or have the quota raised, then try again (everything committed is safe)"
        }
        libc::ENOTDIR => "a part of the path is a file, not a directory; check the path",
        libc::ELOOP => "too many symbolic links, perhaps in a circle; check the path",
        libc::ENAMETOOLONG => "the name is too long; choose a shorter one",
        libc::EIO => "the disk or its connection failed (input/output error); try again once it works",
        _ => return None,
    })
}

/// Returns whether damaged bytes of the file are the cause of SQLite's error.
pub(crate) fn is_damaged(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    match error.sqlite_error_code() {
        Some(code) => code == ErrorCode::DatabaseCorrupt,
        None => matches!(
            error,
            FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..)
        ),
    }
}

/// Returns SQLite's reason, and the remedy if there is one.
pub(crate) fn sqlite_reason(error: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, ReadOnly, SystemIoFailure};
    let remedy = match error.sqlite_error_code() {
        _ if is_damaged(error) => "; the file is damaged: restore it from a copy, or generate it again",
        Some(ReadOnly | CannotOpen) => "; check that the file and its directory are writable",
        Some(SystemIoFailure) => "; the disk or its connection failed: try again once it works",
        Some(DatabaseBusy) => "; another program has held the file's lock for minutes: stop it and try again",
        _ => "",
    };
    format!("{}{remedy}", brief(&error.to_string()))
}

/// The most characters of a message that come from a file.
const MAX_QUOTED_CHARS: usize = 400;

/// Quotes a text from a file in a sentence, shortened and without control characters.
pub(crate) fn brief(text: &str) -> String {
    let mut brief = String::new();
    for (place, c) in text.chars().enumerate() {
        if place == MAX_QUOTED_CHARS {
            brief.push_str("...");
            break;
        }
        if c.is_control() && c != '\n' { brief.extend(c.escape_default()) } else { brief.push(c) }
    }
    brief
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_short_and_plain() {
        assert_eq!(brief("a 'gate'"), "a 'gate'");
        assert_eq!(brief("\u{1b}[2J"), "\\u{1b}[2J");
        assert_eq!(brief(&"x".repeat(1000)).len(), MAX_QUOTED_CHARS + 3);
    }
}
