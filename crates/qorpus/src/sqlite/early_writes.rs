//! Early writes: the disk begins with the pages of a transaction while SQLite writes the next ones.
//!
//! SQLite writes all pages of a transaction and then syncs the file, and the system begins with most
//! of them in the sync: first the disk waits for the thread, then the thread for the disk. Early
//! writes change nothing but when pages reach the disk, and the system is free to write each of them
//! at any time.

#![expect(unsafe_code, reason = "SQLite calls a function in place of the system's")]

use crate::sqlite::system_calls::{self, Call};
use nix::libc::{self, c_int, c_void, off64_t, size_t, ssize_t};
use std::cell::Cell;
use std::sync::Once;

/// The disk begins when this many bytes were written.
const EARLY_BYTES: off64_t = 1 << 20;

/// Bytes of a file that were written, and with which the disk was not told to begin.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    file: c_int,
    start: off64_t,
    end: off64_t,
    bytes: off64_t,
}

thread_local! {
    /// `None` if this thread does not write early.
    static WRITTEN: Cell<Option<Written>> = const { Cell::new(None) };
}

/// Calls `write`, a transaction that syncs what it writes by SQLite on this thread.
pub(crate) fn early<T>(write: impl FnOnce() -> T) -> T {
    static SQLITE: Once = Once::new();
    SQLITE.call_once(replace_writes);
    WRITTEN.set(Some(Written::default()));
    let result = write();
    WRITTEN.set(None);
    result
}

/// Lets SQLite write files by the function below.
fn replace_writes() {
    // SAFETY: SQLite calls it with the arguments of the system function of either name, and it does
    // what that does.
    unsafe {
        let call = std::mem::transmute::<*const (), Call>(write_early as *const ());
        system_calls::replace(&[(c"pwrite", call), (c"pwrite64", call)]);
    }
}

/// Implements `pwrite` for SQLite.
unsafe extern "C" fn write_early(file: c_int, bytes: *const c_void, len: size_t, offset: off64_t) -> ssize_t {
    // SAFETY: with SQLite's own arguments.
    let len = unsafe { libc::pwrite64(file, bytes, len, offset) };
    if len > 0
        && let Some(written) = WRITTEN.get()
    {
        WRITTEN.set(Some(written.and(file, offset, len as off64_t)));
    }
    len
}

impl Written {
    /// Adds bytes, and lets the disk begin if there are many.
    fn and(self, file: c_int, start: off64_t, len: off64_t) -> Written {
        let end = start + len;
        let more = match self.bytes > 0 && self.file == file {
            true => Written {
                file,
                start: self.start.min(start),
                end: self.end.max(end),
                bytes: self.bytes + len,
            },
            false => Written { file, start, end, bytes: len },
        };
        if more.bytes < EARLY_BYTES {
            return more;
        }
        // Without waiting, which would also take the errors that the sync has to report.
        // SAFETY: a hint, which reads and writes no memory, on a file that SQLite has open. File
        // systems that do not know it refuse it.
        unsafe {
            libc::sync_file_range(file, more.start, more.end - more.start, libc::SYNC_FILE_RANGE_WRITE)
        };
        Written::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_bytes_of_one_file_are_begun_together() {
        let (mut written, half) = (Written::default(), EARLY_BYTES / 2);
        let state = |written: Written| (written.file, written.start..written.end, written.bytes);
        // No file has this number: the system refuses the hint.
        let (file, other) = (c_int::MAX, c_int::MAX - 1);
        written = written.and(file, 7 * half, half);
        assert_eq!(state(written), (file, 7 * half..8 * half, half));
        // Another file, of which less was written.
        written = written.and(other, 100, 8);
        assert_eq!(state(written), (other, 100..108, 8));
        written = written.and(other, 4, 8);
        assert_eq!(state(written), (other, 4..108, 16));
        written = written.and(other, 108, EARLY_BYTES);
        assert_eq!(written.bytes, 0);
    }

    /// A large transaction that was written early is in the file.
    #[test]
    fn a_large_transaction_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch("CREATE TABLE t (k INTEGER PRIMARY KEY, b BLOB)").unwrap();
        early(|| {
            connection.execute_batch("BEGIN").unwrap();
            for k in 0..200 {
                connection.execute("INSERT INTO t VALUES (?1, ?2)", (k, vec![k as u8; 40_000])).unwrap();
            }
            connection.execute_batch("COMMIT").unwrap();
        });
        assert!(WRITTEN.get().is_none());
        drop(connection);
        let connection = rusqlite::Connection::open(&path).unwrap();
        let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        let sum: i64 = connection.query_row("SELECT sum(length(b)) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!((check.as_str(), sum), ("ok", 8_000_000));
    }
}
