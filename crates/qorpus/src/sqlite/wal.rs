//! Files in WAL mode whose WAL is missing: copies from the time when the corpus was written.
//!
//! The last writer or reader of a corpus leaves WAL mode, and other writers leave the WAL. Killed ones
//! leave it too, or a byte in the lock file that shows that they were just changing the mode. So a
//! file in WAL mode without a WAL, which no writer has open, was copied alone, or its WAL was removed,
//! or another program was the last to close it. Nothing in the file distinguishes these cases.

use crate::os::sidecar_lock;
use crate::paths::{absolute, wal_path};
use crate::sqlite::mmap::read_header;
use rusqlite::{Connection, OpenFlags, ffi};
use std::collections::BTreeSet;
use std::ffi::c_int;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// The offset of the versions in the header of an SQLite file that its writers and readers must
/// understand: both are 2 in WAL mode.
const VERSIONS_OFFSET: i64 = 18;

/// The longest time between removing the WAL and updating the header, when a process leaves WAL
/// mode.
const MODE_CHANGE_TIME: Duration = Duration::from_millis(100);

/// Files that were found without their WAL. A connection to such a file creates a new, empty WAL,
/// which must not hide the loss from the rest of this process.
static FOUND: Mutex<BTreeSet<FileIdentity>> = Mutex::new(BTreeSet::new());

/// The identity of a file, which differs from that of a later file with the same path and, after a
/// deletion, the same device and inode number.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FileIdentity {
    path: PathBuf,
    device: u64,
    number: u64,
    created: Option<SystemTime>,
}

/// Returns whether the WAL of the file at `path` is missing. Call before SQLite opens the file and
/// creates a new WAL.
pub(crate) fn is_missing(path: &Path) -> bool {
    let missing = || {
        is_in_wal_mode(path)
            && !sidecar_lock::is_held(path)
            && is_gone(path)
            && !sidecar_lock::is_between_modes(path)
    };
    if is_found(path) {
        return true;
    }
    if !missing() {
        return false;
    }
    std::thread::sleep(MODE_CHANGE_TIME);
    if !missing() {
        return false;
    }
    if let Some(file) = identity(path) {
        FOUND.lock().unwrap_or_else(PoisonError::into_inner).insert(file);
    }
    true
}

/// Returns whether this process has found the WAL of the file at `path` to be missing.
pub(crate) fn is_found(path: &Path) -> bool {
    let found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    !found.is_empty() && identity(path).is_some_and(|file| found.contains(&file)) && is_in_wal_mode(path)
}

/// Forgets that the WAL was missing, because a writer accepts the file.
pub(crate) fn forget(path: &Path) {
    if let Some(file) = identity(path) {
        FOUND.lock().unwrap_or_else(PoisonError::into_inner).remove(&file);
    }
}

/// Returns a warning if the WAL of the corpus at `path` is missing. Show it before opening the file
/// for writing.
pub fn missing_wal(path: &Path) -> Option<String> {
    let path = absolute(path).ok()?;
    is_missing(&path).then(|| warning(&path))
}

/// Returns the warning about a file whose WAL is missing.
pub(crate) fn warning(path: &Path) -> String {
    format!(
        "{} is marked as being written (WAL mode), but its WAL, {}, is not beside it: if it was copied while the corpus \
         was being written, committed records are missing. Copy both files, or copy after the writers have ended; if \
         this file is all there is, run 'qorpus repair' to accept it as it is",
        path.display(),
        wal_path(path).display()
    )
}

/// Lets the WAL stay when this connection closes. Otherwise SQLite removes it if no other connection
/// is left by then: whoever else had the file open may just have been killed.
#[expect(unsafe_code, reason = "rusqlite does not wrap this operation")]
pub(crate) fn keep(connection: &Connection) {
    let (main, operation, mut on) = (c"main".as_ptr(), ffi::SQLITE_FCNTL_PERSIST_WAL, 1 as c_int);
    // SAFETY: the handle is open as long as the connection, and this operation reads and writes an
    // int. Where it fails, the worst case is a needless warning.
    unsafe { ffi::sqlite3_file_control(connection.handle(), main, operation, (&raw mut on).cast()) };
}

/// Returns whether the header says WAL mode. It is read through SQLite, which knows when it may
/// close a descriptor: closing one by hand would drop all locks that this process has on the file.
fn is_in_wal_mode(path: &Path) -> bool {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // SQLite would wait for the other end of a pipe.
    let is_plain = path.metadata().is_ok_and(|found| found.is_file());
    let connection = is_plain.then(|| Connection::open_with_flags(path, flags).ok()).flatten();
    connection.is_some_and(|connection| read_header::<2>(&connection, VERSIONS_OFFSET) == Some([2; 2]))
}

fn is_gone(path: &Path) -> bool {
    wal_path(path).symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn identity(path: &Path) -> Option<FileIdentity> {
    let found = path.metadata().ok()?;
    let (device, number, created) = (found.dev(), found.ino(), found.created().ok());
    Some(FileIdentity { path: path.into(), device, number, created })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::sidecar_lock::SidecarLock;
    use crate::{CorpusFile, VerifyOptions, Writer, WriterOptions, repair, verify};
    use tempfile::TempDir;

    fn writer(path: &Path) -> Writer {
        let options =
            WriterOptions { gates: Some("h,t".into()), qubits: Some(1), ..WriterOptions::default() };
        Writer::open(path, &options).unwrap()
    }

    /// A corpus that two writers have open, with a record of each in the WAL, and a copy of its
    /// file alone.
    fn copied(directory: &TempDir) -> (PathBuf, [Writer; 2]) {
        let (path, copy) = (directory.path().join("c.db"), directory.path().join("copy.db"));
        let writers = [writer(&path), writer(&path)];
        for writer in &writers {
            writer.append(&[0], None, &[]).unwrap();
            writer.flush().unwrap();
        }
        std::fs::copy(&path, &copy).unwrap();
        (copy, writers)
    }

    fn is_clean(path: &Path) -> bool {
        let found = verify(path, VerifyOptions::default(), &false.into(), &|_| {}).unwrap();
        found.is_clean() && !found.wal_missing
    }

    #[test]
    fn a_copy_without_its_wal_is_noticed_however_often_it_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let (copy, writers) = copied(&directory);
        for _ in 0..2 {
            let corpus = CorpusFile::open(&copy).unwrap();
            let summary = corpus.summary().unwrap();
            assert!(summary.wal_missing && summary.records < 2);
            assert!(!is_clean(&copy), "another connection has made a new WAL by now");
        }
        assert!(missing_wal(&copy).unwrap().contains("copy.db-wal, is not beside it"));
        // Accepted without its WAL, it is a corpus like others.
        repair(&copy, &Default::default(), &false.into(), &|_| {}).unwrap();
        assert!(is_clean(&copy) && missing_wal(&copy).is_none());
        drop(writers);
    }

    #[test]
    fn a_file_that_comes_in_the_place_of_such_a_copy_is_another_one() {
        let directory = tempfile::tempdir().unwrap();
        let (copy, writers) = copied(&directory);
        assert!(is_missing(&copy));
        drop(writers);
        // The new file may get the number of the one that was deleted.
        std::fs::remove_file(&copy).unwrap();
        let (one, other) = (writer(&copy), writer(&copy));
        one.append(&[0], None, &[]).unwrap();
        one.flush().unwrap();
        assert!(!is_found(&copy) && !is_missing(&copy));
        drop((one, other));
    }

    #[test]
    fn a_copy_with_its_wal_is_complete() {
        let directory = tempfile::tempdir().unwrap();
        let (copy, _writers) = copied(&directory);
        std::fs::copy(wal_path(&directory.path().join("c.db")), wal_path(&copy)).unwrap();
        let corpus = CorpusFile::open(&copy).unwrap();
        assert!(!corpus.summary().unwrap().wal_missing && corpus.len().unwrap() == 2);
        drop(corpus);
        // The last reader leaves one plain file.
        assert!(!wal_path(&copy).exists() && is_clean(&copy));
    }

    #[test]
    fn a_wal_removed_beside_the_lock_of_a_killed_writer_is_missed() {
        let directory = tempfile::tempdir().unwrap();
        let (copy, _writers) = copied(&directory);
        std::fs::File::create(directory.path().join("copy.db-lock")).unwrap();
        assert!(CorpusFile::open(&copy).unwrap().summary().unwrap().wal_missing && !is_clean(&copy));
        assert!(repair(&copy, &Default::default(), &false.into(), &|_| {}).unwrap().wal_missing);
        assert!(!CorpusFile::open(&copy).unwrap().summary().unwrap().wal_missing);
    }

    #[test]
    fn whoever_was_killed_while_it_changed_the_mode_took_nothing_along() {
        let directory = tempfile::tempdir().unwrap();
        let (copy, _writers) = copied(&directory);
        std::fs::write(directory.path().join("copy.db-lock"), [0]).unwrap();
        assert!(missing_wal(&copy).is_none() && is_clean(&copy));
        writer(&copy).close().unwrap();
        assert!(!is_in_wal_mode(&copy) && is_clean(&copy) && !directory.path().join("copy.db-lock").exists());
    }

    #[test]
    fn a_reader_beside_the_lock_of_a_killed_writer_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        writer(&path).close().unwrap();
        let file = std::fs::read(&path).unwrap();
        std::fs::File::create(directory.path().join("c.db-lock")).unwrap();
        for _ in 0..2 {
            drop(CorpusFile::open(&path).unwrap());
            assert!(std::fs::read(&path).unwrap() == file && is_clean(&path));
        }
    }

    #[test]
    fn a_reader_that_reads_nothing_keeps_the_wal() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        let writer = writer(&path);
        let reader = CorpusFile::open(&path).unwrap();
        assert!(!is_in_wal_mode(&path) || wal_path(&path).exists());
        drop(reader);
        writer.close().unwrap();
        assert!(!is_in_wal_mode(&path) && is_clean(&path));
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("c.db");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(!is_missing(&pipe) && missing_wal(&pipe).is_none());
        assert!(matches!(CorpusFile::open(&pipe), Err(crate::Error::NoPlainFile(_))));
    }

    #[test]
    fn nothing_is_said_of_files_that_are_in_use_or_were_left_properly() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        let missing = || is_missing(&path);
        let one = writer(&path);
        assert!(!missing());
        let other = writer(&path);
        assert!(!missing());
        one.append(&[0], None, &[]).unwrap();
        one.flush().unwrap();
        let reader = CorpusFile::open(&path).unwrap();
        assert!(!missing());
        one.close().unwrap();
        assert!(!missing());
        other.close().unwrap();
        // The reader has kept the writers from leaving WAL mode.
        assert!(is_in_wal_mode(&path) && wal_path(&path).exists() && !missing());
        let second = CorpusFile::open(&path).unwrap();
        drop(reader);
        assert!(!missing());
        drop(second);
        assert!(!is_in_wal_mode(&path) && !wal_path(&path).exists() && !missing() && is_clean(&path));
    }

    /// The others are killed between its look at them and its end: the lock of one is there, but no
    /// connection.
    #[test]
    fn a_writer_that_ends_last_after_a_kill_keeps_the_wal() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        let writers = [writer(&path), writer(&path)];
        writers[0].append(&[0], None, &[]).unwrap();
        writers[0].flush().unwrap();
        let killed = SidecarLock::open(&path).unwrap();
        drop(writers);
        drop(killed);
        assert!(is_in_wal_mode(&path) && wal_path(&path).exists() && !is_missing(&path));
        let corpus = CorpusFile::open(&path).unwrap();
        assert!(!corpus.summary().unwrap().wal_missing && corpus.len().unwrap() == 1);
        drop(corpus);
        assert!(!is_in_wal_mode(&path) && !wal_path(&path).exists() && is_clean(&path));
    }

    /// The POSIX locks of this process on a file, which end when it closes any descriptor of the
    /// file by hand.
    fn locks(path: &Path) -> usize {
        let (process, file) = (std::process::id().to_string(), path.metadata().unwrap().ino().to_string());
        let all = std::fs::read_to_string("/proc/locks").unwrap();
        let is_ours = |line: &&str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields.contains(&"POSIX")
                && fields.contains(&process.as_str())
                && fields.iter().any(|field| field.rsplit(':').next() == Some(file.as_str()))
        };
        all.lines().filter(is_ours).count()
    }

    #[test]
    fn to_ask_ends_no_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        let (_one, _other) = (writer(&path), writer(&path));
        let before = locks(&path);
        assert!(before > 0, "connections in WAL mode keep a lock on the file");
        assert!(!is_missing(&path) && !is_found(&path) && missing_wal(&path).is_none());
        assert_eq!(locks(&path), before);
        // What a refusal of SQLite is asked for.
        let refused =
            rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN), None);
        let _ = crate::sqlite::failure::sqlite(&path, "open it")(refused);
        assert_eq!(locks(&path), before);
    }

    #[test]
    fn a_writer_that_was_alone_leaves_one_plain_file_after_a_reader_came_and_went() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        let alone = writer(&path);
        alone.append(&[0], None, &[]).unwrap();
        alone.flush().unwrap();
        assert!(!is_in_wal_mode(&path));
        let reader = CorpusFile::open(&path).unwrap();
        assert!(is_in_wal_mode(&path) && reader.len().unwrap() == 1);
        drop(reader);
        alone.close().unwrap();
        assert!(!is_in_wal_mode(&path) && !wal_path(&path).exists() && !is_missing(&path) && is_clean(&path));
    }
}
