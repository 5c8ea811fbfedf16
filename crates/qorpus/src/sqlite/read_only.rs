//! Processes that only read corpora, because SQLite and its files belong to another program.
//!
//! Such a process changes no file. It leaves the journal mode, never checkpoints, and does not roll
//! back what a killed writer left. So it may use versions of SQLite that are not safe for writers.

use crate::error::Error;
use rusqlite::ffi;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

static IS_ON: AtomicBool = AtomicBool::new(false);

/// Opens all corpora of this process for reading only from now on.
pub fn open_read_only() {
    IS_ON.store(true, Ordering::Relaxed);
}

/// Returns whether this process only reads.
pub(crate) fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// Returns the error of a file that must be changed before it can be read.
pub(super) fn refused(path: &Path, error: &rusqlite::Error) -> Option<Error> {
    let needs_rollback = error.sqlite_error().is_some_and(|error| {
        [ffi::SQLITE_READONLY_ROLLBACK, ffi::SQLITE_READONLY_RECOVERY].contains(&error.extended_code)
    });
    let text = "a writer was killed, and its last transaction must be rolled back, which this program's read-only \
                connection cannot do; run 'qorpus info' on the file once, then try again";
    (is_on() && needs_rollback).then(|| Error::Unsupported(path.into(), text.into()))
}
