//! The journal mode of a file: a rollback journal while one writer is alone, the WAL while others
//! write or read.

use crate::os::sidecar_lock::{self, SidecarLock, if_free};
use crate::sqlite::connection::{self, Access, BusyTimeout};
use crate::sqlite::{read_only, wal};
use rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, Instant};

/// The time that a change of journal mode or an early checkpoint waits for others; both can be done
/// later.
pub(super) const SHORT_TIMEOUT: Duration = Duration::from_millis(100);

/// Turns the WAL on for a new reader, if a writer is alone.
///
/// This is optional: if it is not possible at once, the two wait for each other's short
/// transactions.
pub(super) fn enable_wal(path: &Path, reader: &Connection) {
    if read_only::is_on() {
        return;
    }
    let mode = reader.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
    if mode.is_ok_and(|mode| mode != "wal") {
        if_free(path, || {
            if let Ok((connection, busy_timeout)) = connection::open(path, Access::Write) {
                set_journal_mode(&connection, &busy_timeout, "WAL", SHORT_TIMEOUT);
                // The last connection to close removes the WAL, so the reader opens it now: a file
                // in WAL mode without a WAL looks like an incomplete copy.
                let _ = connection::begin_read(reader);
            }
        });
    }
}

/// Leaves WAL mode if this is the last reader and no writer is left, so that a single file remains.
pub(super) fn leave_wal(path: &Path, reader: &Connection) {
    // A file that lacks its WAL stays marked, until a writer accepts it.
    if read_only::is_on() || !is_mode(reader, "wal") || wal::is_found(path) || sidecar_lock::is_held(path) {
        return;
    }
    if let Ok(lock) = SidecarLock::open(path)
        && let Ok(write_lock) = lock.write_lock()
    {
        // As a writer does when it closes: a writer that comes or goes meanwhile must not count
        // this one as a writer.
        lock.release();
        if lock.is_alone() && reader.pragma_update(None, "query_only", false).is_ok() {
            // Other readers keep the WAL; SQLite does not wait for them here.
            write_lock.change_mode(|| {
                let _ = reader.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()));
            });
        }
    }
}

/// Returns whether the journal mode, as far as this connection has seen it, is `mode`.
pub(super) fn is_mode(connection: &Connection, mode: &str) -> bool {
    let now = connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
    now.is_ok_and(|now| now.eq_ignore_ascii_case(mode))
}

/// Sets the journal mode; returns false if others hold the file for as long as `limit`.
pub(super) fn set_journal_mode(
    connection: &Connection,
    busy_timeout: &BusyTimeout,
    mode: &str,
    limit: Duration,
) -> bool {
    let begun = Instant::now();
    let set =
        || connection.pragma_update_and_check(None, "journal_mode", mode, |row| row.get::<_, String>(0));
    loop {
        // SQLite does not call the busy handler when it leaves WAL mode.
        match busy_timeout.limited(limit, set) {
            Ok(now) if now.eq_ignore_ascii_case(mode) => return true,
            _ if begun.elapsed() >= limit => return false,
            _ => std::thread::sleep(connection::RETRY_PAUSE),
        }
    }
}
