//! The store: a corpus open for writing, by the rules that keep it safe among any number of
//! writers.
//!
//! A transaction waits for the write lock in the sidecar file, begins IMMEDIATE and commits with
//! `synchronous=FULL`. While a writer is alone the file keeps a rollback journal, which need not
//! hold pages that are only appended; the second writer, or a reader, turns the write-ahead log on,
//! and the last one leaves a single plain file behind.

use crate::error::{Error, Result, other_recipe};
use crate::options::job::Durability;
use crate::os::durable_names::{DurableNames, FileState};
use crate::os::filesystem;
use crate::os::sidecar_lock::{self, SidecarLock, WriteLock, if_free};
use crate::paths::{absolute, wal_path};
use crate::sqlite::connection::{self, Access, BusyTimeout, FileKind, PAGE_SIZE};
use crate::sqlite::failure::sqlite_on;
use crate::sqlite::wal;
use crate::tables::label_names::label_names;
use crate::tables::metadata::create;
use qorpus_core::Recipe;
use rusqlite::{Connection, DropBehavior, ErrorCode, Transaction, TransactionBehavior};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A page in the log, with its header.
const FRAME_BYTES: u64 = PAGE_SIZE as u64 + 24;

/// A write-ahead log above this size is written back behind a transaction.
const WAL_CHECKPOINT_BYTES: u64 = 32 << 20;

/// Above this size, to which only a reader makes it grow, it is cut as well.
const WAL_TRUNCATE_BYTES: u64 = 4 * WAL_CHECKPOINT_BYTES;

/// A log that readers keep from being written back may grow to this size; then the writer waits for
/// them.
const WAL_WAIT_BYTES: u64 = 1 << 30;

/// How long the last writer waits for readers before it leaves an empty log behind.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(250);

/// How long a writer waits for others before it says so, and goes on waiting.
const WARN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a change of journal mode or an early checkpoint waits for others; it can as well be
/// done later.
const SHORT_TIMEOUT: Duration = Duration::from_millis(100);

/// A corpus open for writing.
#[derive(Debug)]
pub(crate) struct CorpusWriter {
    path: PathBuf,
    connection: Connection,
    busy_timeout: BusyTimeout,
    lock: SidecarLock,
    durability: Durability,
    process: u32,
    poisoned: Cell<bool>,
    /// The file when this store last had the write lock.
    seen: Cell<FileState>,
    /// The log whose name is known to last.
    saved_wal: Cell<Option<u64>>,
}

impl CorpusWriter {
    /// Opens the corpus at `path`, creating it if there is none; it must have this recipe.
    pub(crate) fn open(path: &Path, recipe: &Recipe, durability: Durability) -> Result<CorpusWriter> {
        let path = absolute(path)?;
        filesystem::check(path.parent().unwrap_or(&path), &path)?;
        if wal::is_missing(&path) {
            tracing::warn!("{}", wal::warning(&path));
            wal::forget(&path);
        }
        let lock = SidecarLock::open(&path)?;
        let write_lock = lock.write_lock()?;
        let (connection, busy_timeout) = connection::open(&path, Access::Create)?;
        connection::check_size(&connection, &path)?;
        let failed = |error| sqlite_on(&connection, &path, "set it up")(error);
        let is_new = match connection::identify(&connection, &path)? {
            FileKind::Empty => true,
            FileKind::Corpus(there) if there.hash() == recipe.hash() => false,
            FileKind::Corpus(there) => return Err(other_recipe(&path, &there, recipe)),
        };
        connection.pragma_update(None, "synchronous", durability.pragma(false)).map_err(failed)?;
        if is_new {
            connection.pragma_update(None, "page_size", PAGE_SIZE).map_err(failed)?;
        }
        let names = DurableNames::new(&path, durability);
        if is_new || lock.is_alone() {
            names.journal()?;
        }
        if is_new {
            set_journal_mode(&connection, &busy_timeout, "PERSIST", SHORT_TIMEOUT);
            create(&connection, &path, recipe)?;
        }
        connection::bound_cache(&connection, &path)?;
        // Written back here, with the others waiting, instead of inside some transaction.
        connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(failed)?;
        // Not DELETE, which commits by removing the journal: without a sync of the directory it may
        // come back.
        write_lock.change_mode(|| {
            if lock.is_alone() || !set_journal_mode(&connection, &busy_timeout, "WAL", SHORT_TIMEOUT) {
                set_journal_mode(&connection, &busy_timeout, "PERSIST", SHORT_TIMEOUT);
            }
        });
        let Some(seen) = FileState::at(&path)? else {
            return Err(Error::LostFile(path, "deleted"));
        };
        drop(write_lock);
        Ok(CorpusWriter {
            path,
            connection,
            busy_timeout,
            lock,
            durability,
            process: std::process::id(),
            poisoned: Cell::new(false),
            seen: Cell::new(seen),
            saved_wal: Cell::new(None),
        })
    }

    /// The sidecar lock, which knows this writer's name and which others are alive.
    pub(crate) fn lock(&self) -> &SidecarLock {
        &self.lock
    }

    /// Runs `change` as one transaction; when this returns, its effect is durable.
    ///
    /// After an error, a failed fsync among them, nothing may be assumed about what reached the
    /// disk, so the store refuses all further writes.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        self.check_handle()?;
        let write_lock = self.lock.write_lock()?;
        self.check_file()?;
        self.poisoned.set(true);
        if self.durability == Durability::Normal {
            // Nobody leaves the log while this writer lives, so that what was found here still
            // holds.
            let in_wal_mode = is_mode(&self.connection, "wal");
            self.synchronize(in_wal_mode).map_err(sqlite_on(&self.connection, &self.path, "write to it"))?;
        }
        let result = self.commit(change)?;
        self.poisoned.set(false);
        self.checkpoint_wal(&write_lock)?;
        // What somebody does to the file after the commit is found out under the next write lock,
        // or was done to a whole file.
        if let Some(seen) = FileState::at(&self.path)? {
            self.seen.set(FileState { len: seen.len, ..self.seen.get() });
        }
        Ok(result)
    }

    /// Refuses to go on if somebody took the file away: with a log, SQLite would not notice, and
    /// what it says is committed would be lost with a file that has no name any more.
    fn check_file(&self) -> Result<()> {
        let seen = self.seen.get();
        let what = match FileState::at(&self.path)? {
            None => "deleted",
            Some(now) if (now.device, now.inode) != (seen.device, seen.inode) => "replaced",
            // Another program's VACUUM shortens a file too, and leaves it whole.
            Some(now) if now.len < seen.len && !self.is_whole(now.len) => "cut short",
            Some(_) => return Ok(()),
        };
        Err(Error::LostFile(self.path.clone(), what))
    }

    /// Whether a file of `len` bytes holds all pages that SQLite counts.
    fn is_whole(&self, len: u64) -> bool {
        let expected =
            connection::begin_read(&self.connection).and_then(|reading| connection::bytes(&reading));
        expected.is_ok_and(|expected| (1..=len).contains(&expected))
    }

    /// See [`labels`].
    pub(crate) fn labels(&self) -> Result<Vec<(String, bool)>> {
        self.check_handle()?;
        label_names(&self.connection).map_err(sqlite_on(&self.connection, &self.path, "read its labels"))
    }

    fn commit<T>(&self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let failed = sqlite_on(&self.connection, &self.path, "write to it");
        let begin = || Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate);
        let mut transaction = self.retry_busy("the lock of another program", begin).map_err(&failed)?;
        let result = change(&transaction).map_err(&failed)?;
        self.save_wal_name()?;
        // A commit that meets a reader leaves the transaction as it is, to be committed again.
        let commit = || self.connection.execute_batch("COMMIT");
        self.retry_busy("a reader that keeps its transaction open", commit).map_err(&failed)?;
        transaction.set_drop_behavior(DropBehavior::Ignore);
        Ok(result)
    }

    /// Saves the log's name, if there is a log and it is a new one: whoever turned the log on may
    /// not have.
    fn save_wal_name(&self) -> Result<()> {
        let Some(wal_path) = FileState::at(&wal_path(&self.path))? else { return Ok(()) };
        if self.saved_wal.get() != Some(wal_path.inode) {
            DurableNames::new(&self.path, self.durability).save()?;
            self.saved_wal.set(Some(wal_path.inode));
        }
        Ok(())
    }

    /// Repeats `attempt` for as long as SQLite is busy: nobody who writes ever sees a lock error.
    fn retry_busy<T>(&self, whom: &str, attempt: impl Fn() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        loop {
            match self.busy_timeout.limited(WARN_TIMEOUT, &attempt) {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                    tracing::warn!("{}: waiting for {whom}", self.path.display());
                }
                // Another process is recovering the log: SQLite asks to try again.
                Err(error) if connection::is_wal_race(&error) => std::thread::sleep(connection::RETRY_PAUSE),
                result => return result,
            }
        }
    }

    /// Reads in one consistent state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        self.check_handle()?;
        let failed = sqlite_on(&self.connection, &self.path, "read it");
        let transaction = connection::begin_read(&self.connection).map_err(&failed)?;
        look(&transaction).map_err(&failed)
    }

    fn synchronize(&self, in_wal_mode: bool) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "synchronous", self.durability.pragma(in_wal_mode))
    }

    fn check_handle(&self) -> Result<()> {
        if self.process != std::process::id() {
            return Err(Error::Forked(self.path.clone()));
        }
        if self.poisoned.get() { Err(Error::Poisoned(self.path.clone())) } else { Ok(()) }
    }

    /// Writes the log back once it is long, so that the next transaction begins it anew, in memory
    /// and on disk where it was; waits for readers only when it has become too long.
    fn checkpoint_wal(&self, _write_lock: &WriteLock<'_>) -> Result<()> {
        let failed = sqlite_on(&self.connection, &self.path, "write its log back");
        let size = self.wal_bytes().map_err(&failed)?;
        if size <= WAL_CHECKPOINT_BYTES {
            return Ok(());
        }
        let mode = if size > WAL_TRUNCATE_BYTES { "TRUNCATE" } else { "RESTART" };
        let is_too_long = size > WAL_WAIT_BYTES;
        let limit = if is_too_long { WARN_TIMEOUT } else { SHORT_TIMEOUT };
        loop {
            match self.busy_timeout.limited(limit, || self.checkpoint(mode)) {
                Ok(true) => return Ok(()),
                Err(error) if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) => {
                    return Err(failed(error));
                }
                _ if !is_too_long => return Ok(()),
                _ => tracing::warn!(
                    "{}: waiting for a reader that has kept a transaction open while {} MiB were written",
                    self.path.display(),
                    size >> 20
                ),
            }
            // Somebody else's checkpoint is not waited for by SQLite.
            std::thread::sleep(connection::RETRY_PAUSE);
        }
    }

    /// The bytes of the log, unless there is none or all of it is in the file.
    fn wal_bytes(&self) -> rusqlite::Result<u64> {
        self.connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| {
            let (frames, done): (i64, i64) = (row.get(1)?, row.get(2)?);
            // Without a log there are -1 of both.
            Ok(if frames == done { 0 } else { frames.unsigned_abs() * FRAME_BYTES })
        })
    }

    /// Writes the log back, in this mode; says whether others let it do all of that.
    fn checkpoint(&self, mode: &str) -> rusqlite::Result<bool> {
        let busy = self.connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(0));
        busy.map(|busy: bool| !busy)
    }
}

impl Drop for CorpusWriter {
    /// The last writer leaves one plain file without journal or log.
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // Closing it would take the parent's locks away.
            if let Ok(nothing) = Connection::open_in_memory() {
                std::mem::forget(std::mem::replace(&mut self.connection, nothing));
            }
            return;
        }
        if let Ok(write_lock) = self.lock.write_lock() {
            // Before the lock is released, so that whoever is next knows whether it is the last.
            self.lock.release();
            // Leaving the log takes a rollback journal.
            let _ = self.synchronize(false);
            let names = DurableNames::new(&self.path, self.durability);
            // A reader may have put the file into WAL mode since this connection looked last, and
            // left. SQLite does not look when it goes from one rollback journal to another, and the
            // file would stay marked as being written.
            let _ = self.connection.pragma_query(None, "schema_version", |_| Ok(()));
            let in_wal_mode = is_mode(&self.connection, "wal");
            if self.lock.is_alone()
                && self.check_file().is_ok()
                && (!in_wal_mode || names.journal().is_ok())
                && !write_lock.change_mode(|| {
                    set_journal_mode(&self.connection, &self.busy_timeout, "DELETE", CLOSE_TIMEOUT)
                })
            {
                if in_wal_mode {
                    names.forget_journal();
                }
                // Readers that stay open keep the log; what is in it can be in the file all the
                // same.
                let checkpoint = || self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
                let _ = self.busy_timeout.limited(SHORT_TIMEOUT, checkpoint);
            }
        }
    }
}

/// Lets a writer that is alone, if there is one, share the corpus with a reader that comes now.
///
/// Only a courtesy: if it is not possible at once, the two wait for each other's short
/// transactions.
pub(crate) fn enable_wal(path: &Path, reader: &Connection) {
    let mode = reader.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
    if mode.is_ok_and(|mode| mode != "wal") {
        if_free(path, || {
            if let Ok((connection, busy_timeout)) = connection::open(path, Access::Write) {
                set_journal_mode(&connection, &busy_timeout, "WAL", SHORT_TIMEOUT);
                // The last connection to close removes the WAL: the reader has it from now on, for
                // a file in WAL mode without one looks like a copy that lacks it.
                let _ = connection::begin_read(reader);
            }
        });
    }
}

/// Has the last reader leave WAL mode when the writers have left already, so that what stays is one
/// plain file.
pub(crate) fn leave_wal(path: &Path, reader: &Connection) {
    // The mark of a file without its WAL stays, until somebody takes the file as it is.
    if !is_mode(reader, "wal") || wal::is_found(path) {
        return;
    }
    if sidecar_lock::is_held(path) {
        return;
    }
    if let Ok(lock) = SidecarLock::open(path)
        && let Ok(write_lock) = lock.write_lock()
    {
        // As a writer does at its end: one that comes or goes meanwhile must not take this one for
        // another writer.
        lock.release();
        if lock.is_alone() && reader.pragma_update(None, "query_only", false).is_ok() {
            // Other readers keep the WAL; SQLite does not wait for them here.
            write_lock.change_mode(|| {
                let _ = reader.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()));
            });
        }
    }
}

/// Whether the journal mode, as far as this connection has seen it, is `mode`.
fn is_mode(connection: &Connection, mode: &str) -> bool {
    let now = connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
    now.is_ok_and(|now| now.eq_ignore_ascii_case(mode))
}

/// Says whether the mode is now `mode`: not if others hold the file for as long as `limit`.
fn set_journal_mode(
    connection: &Connection,
    busy_timeout: &BusyTimeout,
    mode: &str,
    limit: Duration,
) -> bool {
    let begun = Instant::now();
    let set =
        || connection.pragma_update_and_check(None, "journal_mode", mode, |row| row.get::<_, String>(0));
    loop {
        // SQLite does not ask the busy handler when it leaves the log.
        match busy_timeout.limited(limit, set) {
            Ok(now) if now.eq_ignore_ascii_case(mode) => return true,
            _ if begun.elapsed() >= limit => return false,
            _ => std::thread::sleep(connection::RETRY_PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WriterOptions;
    use std::fs::File;

    fn recipe() -> Recipe {
        let options = WriterOptions { gates: Some("h,t".into()), qubits: 1, ..WriterOptions::default() };
        options.recipe().unwrap().unwrap()
    }

    /// With a log, SQLite would go on and say that all is well.
    #[test]
    fn a_file_that_is_taken_away_stops_the_writer() {
        type Harm = fn(&Path);
        let harms: [(&str, Harm); 4] = [
            ("deleted", |path| std::fs::remove_file(path).unwrap()),
            ("replaced", |path| {
                let copy = path.with_extension("copy");
                std::fs::copy(path, &copy).unwrap();
                std::fs::rename(copy, path).unwrap();
            }),
            ("cut short", |path| File::options().write(true).open(path).unwrap().set_len(0).unwrap()),
            ("cut short", |path| {
                let file = File::options().write(true).open(path).unwrap();
                file.set_len(file.metadata().unwrap().len() - 1).unwrap();
            }),
        ];
        for (number, (what, harm)) in harms.into_iter().enumerate() {
            for wal_path in [false, true] {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("c.db");
                let open = || CorpusWriter::open(&path, &recipe(), Durability::Full).unwrap();
                let (store, _other) = (open(), wal_path.then(open));
                store.write(|_| Ok(())).unwrap();
                harm(&path);
                let refused = store.write(|_| Ok(())).unwrap_err();
                let is_it = matches!(refused, Error::LostFile(_, said) if said == what);
                assert!(is_it, "harm {number}, WAL {wal_path}: {refused}");
            }
        }
    }

    /// Another program may make the file smaller and leave it whole.
    #[test]
    fn a_vacuum_does_not_stop_the_writer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        let store = CorpusWriter::open(&path, &recipe(), Durability::Full).unwrap();
        store
            .write(|transaction| transaction.execute_batch("CREATE TABLE t AS SELECT zeroblob(1000000)"))
            .unwrap();
        let before = path.metadata().unwrap().len();
        Connection::open(&path).unwrap().execute_batch("DROP TABLE t; VACUUM").unwrap();
        assert!(path.metadata().unwrap().len() < before);
        store.write(|_| Ok(())).unwrap();
    }

    /// Memory and disk that the log has are used again and again, and it does not grow.
    #[test]
    fn a_log_is_begun_anew_where_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        let open = || CorpusWriter::open(&path, &recipe(), Durability::Off).unwrap();
        let (store, _other) = (open(), open());
        store.write(|transaction| transaction.execute_batch("CREATE TABLE t (bytes)")).unwrap();
        let wal_path = || wal_path(&path).metadata().unwrap().len();
        let (bytes, mut longest) = (4 << 20, 0);
        for _ in 0..40 {
            store
                .write(|transaction| transaction.execute("INSERT INTO t VALUES (zeroblob(?1))", [bytes]))
                .unwrap();
            assert!(wal_path() >= longest, "it is not cut");
            longest = wal_path();
        }
        assert!(path.metadata().unwrap().len() > 3 * WAL_CHECKPOINT_BYTES, "it was written back");
        assert!(
            (WAL_CHECKPOINT_BYTES..WAL_CHECKPOINT_BYTES + 2 * bytes).contains(&longest),
            "{longest} bytes"
        );
    }

    /// A torn rollback journal that was synced only once may be rolled back into the file.
    #[test]
    fn normal_saves_syncs_only_where_there_is_a_log() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        let open = || CorpusWriter::open(&path, &recipe(), Durability::Normal).unwrap();
        let synchronous = |store: &CorpusWriter| {
            store.write(|_| Ok(())).unwrap();
            store.write(|_| Ok(())).unwrap();
            store.connection.pragma_query_value(None, "synchronous", |row| row.get::<_, u8>(0)).unwrap()
        };
        let (normal, extra) = (1, 3);
        let first = open();
        assert_eq!(synchronous(&first), extra);
        let second = open();
        assert_eq!((synchronous(&first), synchronous(&second)), (normal, normal));
    }
}
