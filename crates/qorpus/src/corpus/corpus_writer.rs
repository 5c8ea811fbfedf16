//! The writer of one file: a corpus open for writing, by the rules that keep it safe among any
//! number of writers.
//!
//! A transaction waits for the write lock in the sidecar file, begins IMMEDIATE and commits with
//! `synchronous=EXTRA`, unless a lower durability is requested. While a writer is alone the file
//! keeps a rollback journal, which need not hold pages that are only appended; the second writer, or
//! a reader, turns the write-ahead log (WAL) on, and the last one leaves a single plain file behind.

use crate::corpus::journal_mode::{SHORT_TIMEOUT, is_mode, set_journal_mode};
use crate::error::{Error, Result, cannot_grow, other_recipe};
use crate::hex::hex;
use crate::options::job::Durability;
use crate::os::durable_names::{DurableNames, FileState};
use crate::os::filesystem;
use crate::os::sidecar_lock::{SidecarLock, WriteLock};
use crate::paths::{absolute, wal_path};
use crate::sqlite::connection::{self, Access, BusyTimeout, FileKind, PAGE_SIZE, StoredRecipe};
use crate::sqlite::early_writes::early;
use crate::sqlite::failure::sqlite_on;
use crate::sqlite::wal;
use crate::tables::label_names::label_names;
use crate::tables::metadata;
use qorpus_core::Recipe;
use rusqlite::{Connection, DropBehavior, ErrorCode, Transaction, TransactionBehavior};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A page in the WAL, with its header.
const FRAME_BYTES: u64 = PAGE_SIZE as u64 + 24;

/// A WAL above this size is checkpointed after a transaction.
const WAL_CHECKPOINT_BYTES: u64 = 32 << 20;

/// The size above which a WAL is also truncated. Only a reader lets it grow that far.
const WAL_TRUNCATE_BYTES: u64 = 4 * WAL_CHECKPOINT_BYTES;

/// A WAL whose checkpoint is blocked by readers may grow to this size; then the writer waits for
/// them.
const WAL_WAIT_BYTES: u64 = 1 << 30;

/// The time that the last writer waits for readers before it leaves an empty WAL behind.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(250);

/// The time that a writer waits for others before it warns and waits again.
const WARN_TIMEOUT: Duration = Duration::from_secs(10);

/// A corpus open for writing.
#[derive(Debug)]
pub(crate) struct CorpusWriter {
    path: PathBuf,
    connection: Connection,
    busy_timeout: BusyTimeout,
    lock: SidecarLock,
    durability: Durability,
    /// The recipe of the file, and the seed of its checks.
    stored: StoredRecipe,
    /// The recipe's hash as stored; `None` if the file cannot grow.
    recipe_hash: Option<String>,
    process: u32,
    poisoned: Cell<bool>,
    /// The file when this writer last had the write lock.
    seen: Cell<FileState>,
    /// The inode of the WAL whose directory entry is durable.
    saved_wal: Cell<Option<u64>>,
}

impl CorpusWriter {
    /// Opens the corpus at `path`, creating it if it does not exist. An existing one must have this
    /// recipe.
    pub(crate) fn open(path: &Path, recipe: &Recipe, durability: Durability) -> Result<CorpusWriter> {
        let check = |path: &Path, there: &Recipe| match there.hash() == recipe.hash() {
            true => Ok(()),
            false => Err(other_recipe(path, there, recipe)),
        };
        CorpusWriter::open_if(path, &StoredRecipe::new(recipe.clone()), durability, check)
    }

    /// Opens the corpus at `path`, creating it with this recipe and seed if it does not exist. An
    /// existing one may have another seed, or be smaller, to grow.
    pub(crate) fn open_to_grow(
        path: &Path,
        new: &StoredRecipe,
        durability: Durability,
    ) -> Result<CorpusWriter> {
        let check = |path: &Path, there: &Recipe| match there.begins(&new.recipe) {
            true => Ok(()),
            false => Err(cannot_grow(path, there, &new.recipe)),
        };
        CorpusWriter::open_if(path, new, durability, check)
    }

    /// Opens the corpus at `path`; `check` refuses the recipe of an existing one.
    fn open_if(
        path: &Path,
        new: &StoredRecipe,
        durability: Durability,
        check: impl FnOnce(&Path, &Recipe) -> Result<()>,
    ) -> Result<CorpusWriter> {
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
        let (is_new, stored) = match connection::identify(&connection, &path)? {
            FileKind::Empty => (true, new.clone()),
            FileKind::Corpus(there) => {
                check(&path, &there.recipe)?;
                (false, *there)
            }
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
            metadata::create(&connection, &path, &stored)?;
        }
        connection::bound_cache(&connection, &path)?;
        // This writer checkpoints by itself, while the others wait, instead of inside some
        // transaction.
        connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(failed)?;
        // Not DELETE, which commits by removing the journal: without a sync of the directory the
        // journal may come back.
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
            recipe_hash: can_grow(&stored.recipe).then(|| hex(&stored.recipe.hash())),
            stored,
            process: std::process::id(),
            poisoned: Cell::new(false),
            seen: Cell::new(seen),
            saved_wal: Cell::new(None),
        })
    }

    /// Returns the sidecar lock, which knows this writer's name and which others are alive.
    pub(crate) fn lock(&self) -> &SidecarLock {
        &self.lock
    }

    /// Returns the recipe of the file, and the seed of its checks.
    pub(crate) fn stored(&self) -> &StoredRecipe {
        &self.stored
    }

    /// Makes the recipe of the file a larger one, in one transaction with `change`.
    pub(crate) fn grow<T>(
        &mut self,
        grown: StoredRecipe,
        change: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let changed = self.transact(|transaction| {
            let changed = change(transaction)?;
            metadata::grow(transaction, &grown)
                .map_err(sqlite_on(transaction, &self.path, "write to it"))
                .map(|()| changed)
        })?;
        self.recipe_hash = Some(hex(&grown.recipe.hash()));
        self.stored = grown;
        Ok(changed)
    }

    /// Refuses to continue if another process has grown the file: chunks of the smaller recipe would
    /// no longer fit.
    fn check_recipe(&self, transaction: &Transaction<'_>) -> Result<()> {
        let Some(own) = &self.recipe_hash else { return Ok(()) };
        let there = metadata::recipe_hash(transaction).map_err(sqlite_on(
            &self.connection,
            &self.path,
            "read its recipe",
        ))?;
        if there == *own { Ok(()) } else { Err(Error::GrownMeanwhile(self.path.clone())) }
    }

    /// Runs `change` as one transaction; when this returns, its effect is durable.
    ///
    /// After an error, such as a failed fsync, it is unknown which pages reached the disk, so the
    /// writer refuses all further writes.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let failed = sqlite_on(&self.connection, &self.path, "write to it");
        self.transact(|transaction| change(transaction).map_err(failed))
    }

    // What depends on `change` is compiled for each, so it is little.
    fn transact<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let write_lock = self.prepare()?;
        let transaction = self.begin()?;
        let write = || -> Result<T> {
            let result = change(&transaction)?;
            self.commit(transaction)?;
            Ok(result)
        };
        let result = match self.durability {
            Durability::Full => early(write),
            Durability::Normal | Durability::Off => write(),
        }?;
        self.finish(&write_lock)?;
        Ok(result)
    }

    /// Takes the write lock. Until [`finish`](Self::finish), an error poisons the writer.
    fn prepare(&self) -> Result<WriteLock<'_>> {
        self.check_handle()?;
        let write_lock = self.lock.write_lock()?;
        self.check_file()?;
        self.poisoned.set(true);
        if self.durability == Durability::Normal {
            // No process leaves WAL mode while this writer lives, so this still holds at the
            // commit.
            let in_wal_mode = is_mode(&self.connection, "wal");
            self.synchronize(in_wal_mode).map_err(sqlite_on(&self.connection, &self.path, "write to it"))?;
        }
        Ok(write_lock)
    }

    /// Ends a write whose commit succeeded.
    fn finish(&self, write_lock: &WriteLock<'_>) -> Result<()> {
        self.poisoned.set(false);
        self.checkpoint_wal(write_lock)?;
        // Damage after the commit is found under the next write lock, or happened to a complete
        // file.
        if let Some(seen) = FileState::at(&self.path)? {
            self.seen.set(FileState { len: seen.len, ..self.seen.get() });
        }
        Ok(())
    }

    /// Refuses to continue if the file was removed or replaced: with a WAL, SQLite would not
    /// notice, and commits would go to a file without a name.
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

    /// Returns whether a file of `len` bytes holds all pages that SQLite counts.
    fn is_whole(&self, len: u64) -> bool {
        let expected =
            connection::begin_read(&self.connection).and_then(|reading| connection::bytes(&reading));
        expected.is_ok_and(|expected| (1..=len).contains(&expected))
    }

    /// Reads the names of the labels; see [`label_names`].
    pub(crate) fn labels(&self) -> Result<Vec<(String, bool)>> {
        self.check_handle()?;
        label_names(&self.connection).map_err(sqlite_on(&self.connection, &self.path, "read its labels"))
    }

    fn begin(&self) -> Result<Transaction<'_>> {
        let begin = || Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate);
        let transaction = self.retry_busy("the lock of another program", begin);
        let transaction = transaction.map_err(sqlite_on(&self.connection, &self.path, "write to it"))?;
        self.check_recipe(&transaction)?;
        Ok(transaction)
    }

    fn commit(&self, mut transaction: Transaction<'_>) -> Result<()> {
        self.save_wal_name()?;
        // A commit that meets a reader leaves the transaction open, to be committed again.
        let commit = || self.connection.execute_batch("COMMIT");
        let done = self.retry_busy("a reader that keeps its transaction open", commit);
        done.map_err(sqlite_on(&self.connection, &self.path, "write to it"))?;
        transaction.set_drop_behavior(DropBehavior::Ignore);
        Ok(())
    }

    /// Makes the directory entry of a new WAL durable: the process that created it may not have.
    fn save_wal_name(&self) -> Result<()> {
        let Some(wal_path) = FileState::at(&wal_path(&self.path))? else { return Ok(()) };
        if self.saved_wal.get() != Some(wal_path.inode) {
            DurableNames::new(&self.path, self.durability).save()?;
            self.saved_wal.set(Some(wal_path.inode));
        }
        Ok(())
    }

    /// Repeats `attempt` for as long as SQLite is busy: no writer ever sees a lock error.
    fn retry_busy<T>(&self, whom: &str, attempt: impl Fn() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        loop {
            match self.busy_timeout.limited(WARN_TIMEOUT, &attempt) {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                    tracing::warn!("{}: waiting for {whom}", self.path.display());
                }
                // Another process is recovering the WAL: SQLite asks to try again.
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

    /// Checkpoints the WAL once it is long, so that the next transaction resets it in place. Waits
    /// for readers only when it is too long.
    fn checkpoint_wal(&self, _write_lock: &WriteLock<'_>) -> Result<()> {
        let failed = sqlite_on(&self.connection, &self.path, "checkpoint its WAL");
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
            // SQLite does not wait for another process's checkpoint.
            std::thread::sleep(connection::RETRY_PAUSE);
        }
    }

    /// Returns the bytes of the WAL; 0 if there is none or all of it is in the file.
    fn wal_bytes(&self) -> rusqlite::Result<u64> {
        self.connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| {
            let (frames, done): (i64, i64) = (row.get(1)?, row.get(2)?);
            // Without a WAL both are -1.
            Ok(if frames == done { 0 } else { frames.unsigned_abs() * FRAME_BYTES })
        })
    }

    /// Checkpoints in this mode; returns whether it could complete.
    fn checkpoint(&self, mode: &str) -> rusqlite::Result<bool> {
        let busy = self.connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(0));
        busy.map(|busy: bool| !busy)
    }
}

/// Returns whether files of this recipe may grow to a larger one.
fn can_grow(recipe: &Recipe) -> bool {
    recipe.expected().is_some() || recipe.space().enumerates().is_some()
}

impl Drop for CorpusWriter {
    /// Leaves one plain file without journal or WAL, if this is the last writer.
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // Closing it would release the parent's locks.
            if let Ok(nothing) = Connection::open_in_memory() {
                std::mem::forget(std::mem::replace(&mut self.connection, nothing));
            }
            return;
        }
        if let Ok(write_lock) = self.lock.write_lock() {
            // Before the write lock is released, so that the next writer knows whether it is the
            // last.
            self.lock.release();
            // Leaving WAL mode takes a rollback journal.
            let _ = self.synchronize(false);
            let names = DurableNames::new(&self.path, self.durability);
            // A reader may have put the file into WAL mode since this connection last looked, and
            // then closed it. SQLite does not look when it changes between rollback journals, and
            // the file would stay marked as being written.
            let _ = self.connection.pragma_query(None, "schema_version", |_| Ok(()));
            let in_wal_mode = is_mode(&self.connection, "wal");
            let is_last = self.lock.is_alone()
                && self.check_file().is_ok()
                && (!in_wal_mode || names.journal().is_ok());
            if is_last {
                let change =
                    || set_journal_mode(&self.connection, &self.busy_timeout, "DELETE", CLOSE_TIMEOUT);
                if write_lock.change_mode(change) {
                    return;
                }
                if in_wal_mode {
                    names.forget_journal();
                }
                // Readers that stay open keep the WAL, but its pages can be moved to the file.
                let checkpoint = || self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
                let _ = self.busy_timeout.limited(SHORT_TIMEOUT, checkpoint);
            }
            wal::keep(&self.connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WriterOptions;
    use std::fs::File;

    fn recipe() -> Recipe {
        let options =
            WriterOptions { gates: Some("h,t".into()), qubits: Some(1), ..WriterOptions::default() };
        options.recipe().unwrap().unwrap()
    }

    /// With a WAL, SQLite would continue without an error.
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

    /// The WAL's memory and disk are reused, and it does not grow.
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
