//! A corpus file open for reading: its summary, and the state that its reads share. Others may be
//! writing it meanwhile.

use crate::corpus::checked_blocks::CheckedBlocks;
use crate::corpus::journal_mode;
use crate::corpus::mapped::{Backing, CheckedFile, MappedFile};
use crate::corpus::row_cache::{ChunkCache, RowCache};
use crate::corpus::unitary_buffer::UnitaryBufferPool;
use crate::error::{ChunkDamage, Error, Result, not_a_corpus};
use crate::hex::hex;
use crate::os::clock::{POLL_INTERVAL, now};
use crate::paths::{absolute, wal_path};
use crate::sqlite::connection::{self, Access, FileKind, RecipeIdentity, StoredRecipe};
use crate::sqlite::failure::sqlite_on;
use crate::sqlite::layout::Layout;
use crate::sqlite::mmap::PublishedMapping;
use crate::sqlite::{guard, read_only, wal};
use crate::tables::chunks::totals;
use crate::tables::claims;
use crate::tables::label_names::label_names;
use crate::tables::levels::{self, Level};
use crate::tables::next_level::{is_complete, is_group};
use qorpus_core::{Codec, ContentHash, Kernel, Recipe};
use rusqlite::{Connection, Transaction};
use std::cell::{Cell, OnceCell, RefCell};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A file's recipe, size and progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Committed records.
    pub records: u64,
    /// Records of the recipe; `None` if records are appended or still being enumerated.
    pub expected: Option<u64>,
    /// Whether all records are generated.
    pub complete: bool,
    /// SHA-256 of the recipe, in hexadecimal.
    pub recipe_hash: String,
    /// The sum of the records' hashes: depends on ids, circuits and stored unitaries alone.
    pub content_hash: ContentHash,
    /// Size of the file, its WAL included.
    pub bytes: u64,
    /// The version of the file's format.
    pub format_version: u32,
    /// The version of SQLite that reads it.
    pub sqlite_version: &'static str,
    /// Whether it is marked as being written and its WAL is missing, so that committed records may
    /// be missing too: see [`Corpus::warnings`](crate::Corpus::warnings).
    pub wal_missing: bool,
}

/// A corpus open for reading.
///
/// It sees commits of other processes; each call sees one consistent state. It cannot be shared
/// between threads: open it once in each.
#[derive(Debug)]
pub struct CorpusFile {
    pub(super) path: PathBuf,
    /// For a mapped file, it is opened when it is first needed.
    connection: OnceCell<Connection>,
    process: u32,
    /// Device and inode number of the file.
    file_id: Option<(u64, u64)>,
    /// The size of the file when it was opened.
    pub(crate) initial_bytes: u64,
    /// The number of the file's mappings that were replaced by zeros before it was opened.
    initial_faults: u32,
    pub(super) shared: Arc<SharedRecipe>,
    /// A block that is being read; kept for its memory.
    pub(crate) buffer: RefCell<Vec<u8>>,
    /// The file's mapping while no process writes it.
    pub(super) mapped: RefCell<Option<MappedFile>>,
    /// The time when the file was last checked for writers.
    pub(super) polled: Cell<Option<Duration>>,
}

/// A recipe and values derived from it for reading; files of one recipe share it.
#[derive(Debug)]
pub(crate) struct SharedRecipe {
    pub(super) stored: StoredRecipe,
    codec: Codec,
    kernel: Kernel,
    pub(super) buffer_pool: UnitaryBufferPool,
    pub(super) identity: RecipeIdentity,
}

impl SharedRecipe {
    pub(crate) fn new(stored: StoredRecipe) -> Arc<SharedRecipe> {
        Arc::new(SharedRecipe {
            identity: RecipeIdentity::of(&stored),
            codec: stored.codec(),
            kernel: stored.recipe.kernel(),
            buffer_pool: UnitaryBufferPool::default(),
            stored,
        })
    }
}

fn connect(path: &Path) -> Result<Connection> {
    let (connection, _) = connection::open(path, Access::Read)?;
    connection::check_size(&connection, path)?;
    Ok(connection)
}

impl CorpusFile {
    /// Opens the corpus at `path`.
    ///
    /// # Errors
    /// The file is missing, not a corpus, of a later format version, or truncated.
    pub fn open(path: impl AsRef<Path>) -> Result<CorpusFile> {
        let path = absolute(path.as_ref())?;
        // Before SQLite creates a new WAL. The result is kept for the whole process.
        let missing = wal::is_missing(&path);
        if missing && read_only::is_on() {
            // This process cannot remove the new WAL again, which would hide the loss from others.
            let text = "a process that only reads would hide it";
            return Err(Error::NoWal(wal::warning(&path), Box::new(Error::Unsupported(path, text.into()))));
        }
        let connection = connect(&path).map_err(|error| {
            if missing { Error::NoWal(wal::warning(&path), Box::new(error)) } else { error }
        })?;
        match connection::identify(&connection, &path)? {
            FileKind::Corpus(stored) => CorpusFile::connected(path, connection, SharedRecipe::new(*stored)),
            FileKind::Empty => Err(Error::Empty(path)),
        }
    }

    /// Opens the corpus at `path` with one of the recipes that are known already: its text is compared
    /// and not parsed again. A recipe that is not known is one that `accept` accepts.
    pub(crate) fn open_known<'k>(
        path: &Path,
        mut known: impl Iterator<Item = &'k Arc<SharedRecipe>>,
        accept: impl FnOnce(&StoredRecipe) -> Result<()>,
    ) -> Result<CorpusFile> {
        let path = absolute(path)?;
        let connection = connect(&path)?;
        let Some(there) = connection::identity(&connection, &path)? else { return Err(Error::Empty(path)) };
        if let Some(shared) = known.find(|shared| shared.identity == there) {
            return CorpusFile::connected(path, connection, shared.clone());
        }
        match connection::identify(&connection, &path)? {
            FileKind::Corpus(stored) => {
                accept(&stored)?;
                CorpusFile::connected(path, connection, SharedRecipe::new(*stored))
            }
            FileKind::Empty => Err(Error::Empty(path)),
        }
    }

    /// Opens the published file at `path`, whose layout, recipe and ids are known, without SQLite.
    /// For records that the mapping cannot give, SQLite opens it. Its row cache has at most `rows`
    /// slots.
    pub(crate) fn open_published(
        path: PathBuf,
        known: &Arc<SharedRecipe>,
        layout: &Layout,
        ids: Range<u64>,
        size: u64,
        rows: usize,
    ) -> Option<CorpusFile> {
        // Before it is mapped: if another file takes its place meanwhile, the next read sees it.
        let corpus = CorpusFile::new(path, known.clone());
        let blocks = corpus.checked_blocks(&ids);
        let file = PublishedMapping::new(&corpus.path, size)?;
        let root = layout.root(file.bytes())?;
        let rows = RowCache::new(corpus.recipe(), ids.end - ids.start, rows);
        let checked = CheckedFile::new(blocks, file.bytes());
        let (file, chunks) = (Backing::File(file, root), ChunkCache::new(1));
        corpus.mapped.replace(Some(MappedFile { ids, file, rows, chunks, checked }));
        Some(corpus)
    }

    fn connected(path: PathBuf, connection: Connection, shared: Arc<SharedRecipe>) -> Result<CorpusFile> {
        connection::bound_cache(&connection, &path)?;
        let corpus = CorpusFile::new(path, shared);
        if !corpus.has_no_writers() {
            journal_mode::enable_wal(&corpus.path, &connection);
        }
        let _ = corpus.connection.set(connection);
        Ok(corpus)
    }

    fn new(path: PathBuf, shared: Arc<SharedRecipe>) -> CorpusFile {
        let file_id = file_id(&path);
        CorpusFile {
            initial_bytes: bytes_of(&path),
            initial_faults: file_id.map_or(0, guard::faults),
            file_id,
            path,
            connection: OnceCell::new(),
            process: std::process::id(),
            shared,
            buffer: RefCell::default(),
            mapped: RefCell::default(),
            polled: Cell::default(),
        }
    }

    /// Returns the connection, which is opened if the file was only mapped so far.
    pub(crate) fn connection(&self) -> Result<&Connection> {
        if let Some(connection) = self.connection.get() {
            return Ok(connection);
        }
        let reconnect = || {
            let connection = connect(&self.path)?;
            if connection::identity(&connection, &self.path)?.as_ref() != Some(&self.shared.identity) {
                return Err(not_a_corpus(&self.path, "another file has taken its place".into()));
            }
            Ok(connection)
        };
        let connection = reconnect().map_err(|error| self.blamed(error))?;
        connection::bound_cache(&connection, &self.path)?;
        Ok(self.connection.get_or_init(|| connection))
    }

    /// Returns whether SQLite has it open.
    pub(crate) fn is_connected(&self) -> bool {
        self.connection.get().is_some()
    }

    /// Returns the file's layout, for other files that may have the same layout.
    pub(crate) fn layout(&self) -> Option<Layout> {
        let size = self.path.metadata().ok()?.len();
        Layout::new(self.connection().ok()?, PublishedMapping::new(&self.path, size)?.bytes())
    }

    /// Returns the absolute path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the recipe, which decides the records.
    pub fn recipe(&self) -> &Recipe {
        &self.shared.stored.recipe
    }

    /// Returns the recipe, and the seed of the file's checks.
    pub(crate) fn stored(&self) -> &StoredRecipe {
        &self.shared.stored
    }

    /// Returns what files of its recipe share.
    pub(crate) fn shared(&self) -> &Arc<SharedRecipe> {
        &self.shared
    }

    /// Returns the seed of the file's checks.
    pub(crate) fn check_seed(&self) -> u64 {
        self.shared.stored.check_seed
    }

    pub(crate) fn kernel(&self) -> &Kernel {
        &self.shared.kernel
    }

    pub(crate) fn codec(&self) -> &Codec {
        &self.shared.codec
    }

    /// Returns a summary of the file's present state, in time independent of its size.
    pub fn summary(&self) -> Result<Summary> {
        let ((records, content_hash), now) =
            self.read(|connection| Ok((totals(connection)?, self.recipe_now(connection)?)))?;
        let recipe = &now.recipe;
        let (expected, complete) = if recipe.space().enumerates().is_some() {
            let complete = is_complete(recipe, &self.levels()?);
            (complete.then_some(records), complete)
        } else {
            let expected = recipe.expected();
            (expected, expected.is_none_or(|expected| records == expected))
        };
        Ok(Summary {
            records,
            expected,
            complete,
            recipe_hash: hex(&recipe.hash()),
            content_hash,
            bytes: bytes_of(&self.path) + bytes_of(&wal_path(&self.path)),
            format_version: now.format_version(),
            sqlite_version: rusqlite::version(),
            wal_missing: wal::is_found(&self.path),
        })
    }

    /// Returns the number of ids: all ids of the recipe, generated or not, or the ids appended so
    /// far.
    pub fn len(&self) -> Result<u64> {
        match self.recipe().expected() {
            Some(expected) => Ok(expected),
            None => Ok(self.read(totals)?.0),
        }
    }

    /// Returns whether it has no ids, as a corpus to which nothing was appended yet.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Returns the finished levels of an enumeration, in order; none if nothing was enumerated.
    ///
    /// # Errors
    /// The file cannot be read, or contradicts itself.
    pub fn levels(&self) -> Result<Vec<Level>> {
        if self.recipe().space().enumerates().is_none() {
            return Ok(Vec::new());
        }
        let levels = self.read(levels::levels)?;
        levels::check(&levels).map_err(|reason| not_a_corpus(self.path(), reason))?;
        Ok(levels)
    }

    /// Returns whether an enumeration has every unitary that its gates can make, however long the
    /// circuits: they form a finite group. False for another corpus.
    ///
    /// # Errors
    /// As [`levels`](CorpusFile::levels).
    pub fn is_group(&self) -> Result<bool> {
        Ok(is_group(self.recipe(), &self.levels()?))
    }

    /// Returns whether this is the file at `path`.
    pub(crate) fn is_of(&self, path: &Path) -> bool {
        self.file_id.is_some() && file_id(path) == self.file_id
    }

    /// Returns whether another file has taken this one's place, which is checked every few
    /// milliseconds, or the mapping of this one was replaced by zeros.
    pub(crate) fn is_replaced(&self) -> bool {
        let is_polled =
            || self.polled.get().is_some_and(|polled| now().saturating_sub(polled) < POLL_INTERVAL);
        let is_other = || file_id(&self.path).is_some_and(|file| Some(file) != self.file_id);
        self.is_torn() || (!is_polled() && is_other())
    }

    /// Returns the first id from `id` on whose record is generated, or the number of ids.
    pub(crate) fn next_made(&self, id: u64) -> Result<u64> {
        let (stride, len) = (self.recipe().stride(), self.recipe().space().len());
        let next = self.read(|connection| claims::next_done(connection, id / stride))?;
        Ok(next.saturating_mul(stride).clamp(id.min(len), len))
    }

    /// Returns the labels that came with the records, sorted by name, each with whether it is a
    /// text.
    pub(crate) fn label_kinds(&self) -> Result<Vec<(String, bool)>> {
        if !self.recipe().space().is_appended() {
            return Ok(Vec::new());
        }
        self.read(label_names)
    }

    pub(crate) fn damaged(&self, number: u64, damage: ChunkDamage) -> Error {
        if self.has_grown().unwrap_or_default() {
            return Error::Grown(self.path.clone());
        }
        self.blamed(damaged(self.recipe(), self.path.clone(), number, damage))
    }

    /// Returns the blocks of this file with the records `ids` that need no further check; `None` if all
    /// are to be checked.
    pub(super) fn checked_blocks(&self, ids: &Range<u64>) -> Option<Arc<CheckedBlocks>> {
        let blocks = CheckedBlocks::of(&self.path, ids, self.codec())?;
        (Some(blocks.file_id()) == self.file_id).then_some(blocks)
    }

    /// Returns whether a mapping of the file was replaced by zeros since this was opened, so that
    /// its data cannot be trusted.
    #[inline]
    pub(super) fn is_torn(&self) -> bool {
        self.file_id.is_some_and(|file| guard::faults(file) != self.initial_faults)
    }

    /// Fails if the file has lost bytes since it was opened.
    pub(crate) fn check_whole(&self) -> Result<()> {
        if self.is_torn() || bytes_of(&self.path) < self.initial_bytes {
            Err(Error::Changed(self.path.clone()))
        } else {
            Ok(())
        }
    }

    /// Returns `error`, or [`Error::Changed`] if the file has lost bytes meanwhile.
    pub(crate) fn blamed(&self, error: Error) -> Error {
        match error {
            Error::Forked(_) | Error::NoRecord { .. } => error,
            error => self.check_whole().err().unwrap_or(error),
        }
    }

    /// Reads in one consistent state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let transaction = self.begin_read()?;
        look(&transaction).map_err(|error| self.unreadable(&transaction, error))
    }

    fn begin_read(&self) -> Result<Transaction<'_>> {
        self.check_process()?;
        let connection = self.connection()?;
        connection::begin_read(connection).map_err(|error| self.unreadable(connection, error))
    }

    /// Returns the error of a read that failed.
    fn unreadable(&self, connection: &Connection, error: rusqlite::Error) -> Error {
        self.blamed(sqlite_on(connection, &self.path, "read it")(error))
    }

    pub(crate) fn check_process(&self) -> Result<()> {
        guard::install();
        if self.process == std::process::id() { Ok(()) } else { Err(Error::Forked(self.path.clone())) }
    }
}

impl Drop for CorpusFile {
    fn drop(&mut self) {
        // A forked child must not touch its parent's file.
        if self.process == std::process::id()
            && let Some(connection) = self.connection.get()
        {
            journal_mode::leave_wal(&self.path, connection);
        }
    }
}

/// Returns the error of a damaged chunk.
pub(crate) fn damaged(recipe: &Recipe, path: PathBuf, number: u64, damage: ChunkDamage) -> Error {
    Error::DamagedChunk {
        path,
        chunk: number,
        ids: recipe.chunk_ids(number),
        damage,
        remedy: if recipe.space().enumerates().is_some() {
            "this one can be restored from a copy of the file, or the file enumerated again"
        } else if recipe.space().is_appended() {
            "this one can only be restored from a copy of the file"
        } else {
            "'qorpus repair' recomputes this one"
        },
    }
}

/// Returns the device and inode number, which identify a file under any name.
pub(crate) fn file_id(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Returns the size of a file; 0 if there is none.
pub(crate) fn bytes_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
