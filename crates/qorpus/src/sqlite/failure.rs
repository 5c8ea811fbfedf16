//! Failures of SQLite as errors that name the file and, where the operating system is the cause,
//! its reason.

use crate::error::{Error, io, not_a_corpus};
use crate::paths::{COMPANIONS, beside};
use crate::remedy::remedy;
use crate::sqlite::read_only;
use nix::unistd::{AccessFlags, access};
use rusqlite::{Connection, ErrorCode};
use std::fs::File;
use std::path::Path;

/// Converts an error of a connection into one that names the file, the action and, if the operating
/// system is the cause, the system's reason.
pub(crate) fn sqlite_on(
    connection: &Connection,
    path: &Path,
    action: &'static str,
) -> impl Fn(rusqlite::Error) -> Error {
    move |source| match (source.sqlite_error_code(), system_error(connection)) {
        (Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen), Some(errno))
            if remedy(errno).is_some() =>
        {
            io(path, action)(std::io::Error::from_raw_os_error(errno))
        }
        _ => sqlite(path, action)(source),
    }
}

/// Returns the number of the system's error behind the last failure of a connection.
#[expect(unsafe_code, reason = "rusqlite does not wrap this function")]
fn system_error(connection: &Connection) -> Option<i32> {
    // SAFETY: the handle belongs to an open and borrowed connection; the function only reads a
    // field of it.
    let errno = unsafe { rusqlite::ffi::sqlite3_system_errno(connection.handle()) };
    (errno != 0).then_some(errno)
}

/// Converts an error of SQLite into one that names the file and the action.
pub(crate) fn sqlite(path: &Path, action: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::ReadOnly) if let Some(found) = read_only::refused(path, &source) => found,
        Some(ErrorCode::DiskFull) => Error::DiskFull(path.into()),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
            if let Some(found) = refusal(path) =>
        {
            io(path, action)(found)
        }
        Some(ErrorCode::NotADatabase) => not_a_corpus(path, "it is not an SQLite file".into()),
        _ => Error::Sqlite { path: path.into(), action, source },
    }
}

/// Returns the operating system's error that may be behind SQLite's: SQLite reports only that it
/// cannot open a file, and trying again shows why.
fn refusal(path: &Path) -> Option<std::io::Error> {
    // Without opening the file: closing a descriptor would drop all locks that this process has on
    // the file.
    let read = |path: &Path| access(path, AccessFlags::R_OK).err().map(std::io::Error::from);
    let unless_missing = |error: &std::io::Error| error.kind() != std::io::ErrorKind::NotFound;
    let beside = COMPANIONS.iter().find_map(|ending| read(&beside(path, ending)).filter(unless_missing));
    let descriptors = || File::open("/dev/null").err();
    let written = || {
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty())?;
        [path, directory].iter().find_map(|place| access(*place, AccessFlags::W_OK).err()).map(Into::into)
    };
    read(path).or(beside).or_else(descriptors).or_else(written)
}
