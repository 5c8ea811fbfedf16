//! Reading: a corpus as an indexable sequence of records, while others may be writing it.

use crate::corpus::corpus_writer;
use crate::corpus::ids::Ids;
use crate::corpus::mapped::{MappedFile, Buffers};
use crate::corpus::record::{GivenLabels, Record, labels_of};
use crate::error::other_recipe;
use crate::os::clock::{POLL_INTERVAL, now};
use crate::paths::{absolute, wal_path};
use crate::qubit_order::{Order, reorder};
use crate::tables::chunks::totals;
use crate::tables::label_names::label_names;
use crate::tables::next_level::is_complete;

use crate::corpus::unitary_buffer::{UnitaryBuffer, UnitaryBufferPool};
use crate::error::not_a_corpus;
use crate::error::{ChunkDamage, Error, Result};
use crate::hex::hex;
use crate::sqlite::connection::{self, Access, FileKind, RecipeIdentity};
use crate::sqlite::failure::sqlite_on;
use crate::sqlite::guard;
use crate::sqlite::layout::Layout;
use crate::sqlite::mmap::PublishedMapping;
use crate::sqlite::wal;
use crate::tables::claims;
use qorpus_core::{Circuits, Codec, ContentHash, Kernel, Recipe};
use rusqlite::Connection;
use std::cell::{Cell, OnceCell, RefCell};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What a corpus says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Committed records.
    pub records: u64,
    /// Records the recipe has, unless they are appended by someone, or are still being enumerated.
    pub expected: Option<u64>,
    /// Whether all of them are there.
    pub complete: bool,
    /// SHA-256 of the recipe, in hexadecimal.
    pub recipe_hash: String,
    /// The sum of the records' hashes: depends on ids, circuits and stored unitaries alone.
    pub content_hash: ContentHash,
    /// Size of the file, its log included.
    pub bytes: u64,
    /// The version of the file's format.
    pub format_version: u32,
    /// The SQLite that reads it.
    pub sqlite_version: &'static str,
    /// Whether it is marked as being written and its WAL is missing, so that committed records may
    /// be missing too: see [`Corpus::warnings`](crate::Corpus::warnings).
    pub wal_missing: bool,
}

/// A corpus open for reading.
///
/// It follows what others commit; each call sees one consistent state. Not to be shared between
/// threads: open it once in each.
#[derive(Debug)]
pub struct CorpusFile {
    pub(crate) path: PathBuf,
    /// Of a file that is mapped, not before it is needed.
    connection: OnceCell<Connection>,
    pub(crate) process: u32,
    /// Device and number of the file.
    pub(crate) file: Option<(u64, u64)>,
    /// The bytes it had when it was opened, and how many of its mappings had given zeros.
    pub(crate) found: (u64, u32),
    pub(crate) recipe: Arc<Recipe>,
    pub(crate) codec: Arc<Codec>,
    pub(crate) kernel: Arc<Kernel>,
    buffer_pool: Arc<UnitaryBufferPool>,
    /// A block that is being read; kept for its memory.
    pub(crate) buffer: RefCell<Vec<u8>>,
    pub(crate) still: RefCell<Option<MappedFile>>,
    /// When it was last looked whether others write.
    pub(crate) polled: Cell<Option<Duration>>,
}

/// What reading needs to know of a recipe; files of one recipe share it.
#[derive(Debug)]
pub(crate) struct SharedRecipe {
    recipe: Arc<Recipe>,
    codec: Arc<Codec>,
    kernel: Arc<Kernel>,
    buffer_pool: Arc<UnitaryBufferPool>,
    identity: RecipeIdentity,
}

impl SharedRecipe {
    pub(crate) fn new(recipe: Arc<Recipe>) -> SharedRecipe {
        let codec = Arc::new(Codec::new(&recipe));
        let kernel = Arc::new(Kernel::new(recipe.alphabet()));
        SharedRecipe { identity: RecipeIdentity::of(&recipe), codec, kernel, buffer_pool: Arc::default(), recipe }
    }
}

fn opened(path: &Path) -> Result<Connection> {
    let (connection, _) = connection::open(path, Access::Read)?;
    connection::check_size(&connection, path)?;
    Ok(connection)
}

impl CorpusFile {
    /// Opens the corpus at `path`.
    ///
    /// # Errors
    /// There is no file, it is no corpus, of a later format version, or truncated.
    pub fn open(path: impl AsRef<Path>) -> Result<CorpusFile> {
        let path = absolute(path.as_ref())?;
        // Before SQLite makes a new one. What is found is kept for the whole process.
        let missing = wal::is_missing(&path);
        let connection = opened(&path).map_err(|error| match missing {
            true => Error::NoWal { warning: wal::warning(&path), source: Box::new(error) },
            false => error,
        })?;
        let recipe = match connection::identify(&connection, &path)? {
            FileKind::Corpus(recipe) => Arc::new(*recipe),
            FileKind::Empty => return Err(Error::Empty(path)),
        };
        CorpusFile::opened(path, connection, &SharedRecipe::new(recipe))
    }

    /// Opens the corpus at `path`, which should have a recipe that is known already: then there is
    /// nothing to be read from its text and nothing to be prepared.
    pub(crate) fn open_known(path: &Path, known: &SharedRecipe) -> Result<CorpusFile> {
        let path = absolute(path)?;
        let connection = opened(&path)?;
        match connection::identity(&connection, &path)? {
            Some(there) if there == known.identity => CorpusFile::opened(path, connection, known),
            Some(_) => match connection::identify(&connection, &path)? {
                FileKind::Corpus(there) => Err(other_recipe(&path, &there, &known.recipe)),
                FileKind::Empty => Err(Error::Empty(path)),
            },
            None => Err(Error::Empty(path)),
        }
    }

    /// The published file at `path`, which has a layout and a recipe that are known and the records
    /// with these ids, without SQLite: what cannot be read from the mapping has it opened after
    /// all. It remembers at most `rows` rows twice.
    pub(crate) fn published(
        path: PathBuf,
        known: &SharedRecipe,
        layout: &Layout,
        ids: Range<u64>,
        size: u64,
        rows: usize,
    ) -> Option<CorpusFile> {
        // Before it is mapped: if another file comes in its place meanwhile, that is seen with the
        // next read.
        let corpus = CorpusFile::new(path, known);
        let file = PublishedMapping::new(&corpus.path, size)?;
        let root = layout.root(file.bytes())?;
        let still = MappedFile::published(&corpus.recipe, ids, file, root, rows);
        corpus.still.replace(Some(still));
        Some(corpus)
    }

    fn opened(path: PathBuf, connection: Connection, shared: &SharedRecipe) -> Result<CorpusFile> {
        connection::bound_cache(&connection, &path)?;
        let corpus = CorpusFile::new(path, shared);
        if !corpus.has_no_writers() {
            corpus_writer::enable_wal(&corpus.path, &connection);
        }
        let _ = corpus.connection.set(connection);
        Ok(corpus)
    }

    fn new(path: PathBuf, shared: &SharedRecipe) -> CorpusFile {
        let SharedRecipe { recipe, codec, kernel, buffer_pool, .. } = shared;
        let file = number_of(&path);
        CorpusFile {
            found: (bytes_of(&path), file.map_or(0, guard::faults)),
            file,
            path,
            connection: OnceCell::new(),
            process: std::process::id(),
            recipe: recipe.clone(),
            codec: codec.clone(),
            kernel: kernel.clone(),
            buffer_pool: buffer_pool.clone(),
            buffer: RefCell::default(),
            still: RefCell::default(),
            polled: Cell::default(),
        }
    }

    /// What SQLite reads it with.
    pub(crate) fn connection(&self) -> Result<&Connection> {
        if let Some(connection) = self.connection.get() {
            return Ok(connection);
        }
        let connection = opened(&self.path).map_err(|error| self.blamed(error))?;
        match connection::identity(&connection, &self.path).map_err(|error| self.blamed(error))? {
            Some(there) if there == RecipeIdentity::of(&self.recipe) => {}
            _ => {
                let other = not_a_corpus(&self.path, "it is another one than before".into());
                return Err(self.blamed(other));
            }
        }
        connection::bound_cache(&connection, &self.path)?;
        Ok(self.connection.get_or_init(|| connection))
    }

    /// Whether SQLite has it open.
    pub(crate) fn is_connected(&self) -> bool {
        self.connection.get().is_some()
    }

    /// Its layout, for others that may have the same.
    pub(crate) fn layout(&self) -> Option<Layout> {
        let size = self.path.metadata().ok()?.len();
        Layout::new(self.connection().ok()?, PublishedMapping::new(&self.path, size)?.bytes())
    }

    /// The absolute path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What decides its records.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// What it says of itself, in time independent of its size.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn summary(&self) -> Result<Summary> {
        let (records, content) = self.read(totals)?;
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let (expected, complete) = match self.recipe.space().enumerates() {
            Some(_) => {
                let complete = is_complete(&self.recipe, &self.levels()?);
                (complete.then_some(records), complete)
            }
            None => {
                let expected = self.recipe.expected();
                (expected, expected.is_none_or(|expected| records == expected))
            }
        };
        Ok(Summary {
            records,
            expected,
            complete,
            recipe_hash: hex(&self.recipe.hash()),
            content_hash: content,
            bytes: size(&self.path) + size(&wal_path(&self.path)),
            format_version: qorpus_core::FORMAT_VERSION,
            sqlite_version: rusqlite::version(),
            wal_missing: wal::is_found(&self.path),
        })
    }

    /// How many ids there are: all of the recipe's, made or not, or those appended so far.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn len(&self) -> Result<u64> {
        match self.recipe.expected() {
            Some(expected) => Ok(expected),
            None => Ok(self.read(totals)?.0),
        }
    }

    /// Whether it has no records, which only a corpus has to which nothing was appended yet.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The record with this id, its unitary with qubits in this order.
    ///
    /// # Errors
    /// [`Error::NoRecord`], [`Error::NotYet`], [`Error::DamagedChunk`], or the file cannot be read.
    pub fn record(&self, id: u64, order: Order) -> Result<Record> {
        let (mut circuits, mut unitary) = (Circuits::default(), vec![0; self.unitary_bytes()]);
        let mut given = Vec::new();
        self.rows(&Ids::List(&[id]), &mut circuits, &mut unitary, Some(&mut given))?;
        reorder(&mut unitary, self.recipe.alphabet().qubits(), self.recipe.dtype().bytes(), order);
        let circuit = circuits.get(0).to_vec();
        let labels = labels_of(&self.recipe, &circuit, given.pop().unwrap_or_default());
        Ok(Record { id, circuit, unitary: self.recipe.dtype().decode(&unitary), labels })
    }

    /// Bytes of a unitary with the corpus's precision, stored or not.
    pub(crate) fn unitary_bytes(&self) -> usize {
        self.recipe.alphabet().dim().pow(2) * self.recipe.dtype().bytes()
    }

    /// Whether this is the file at `path`.
    pub(crate) fn is_of(&self, path: &Path) -> bool {
        self.file.is_some() && number_of(path) == self.file
    }

    /// Whether there is another file now where this one was, which is looked at now and then, or
    /// this one's mapping gives zeros.
    pub(crate) fn is_replaced(&self) -> bool {
        if self.is_torn() {
            return true;
        }
        let polled = self.polled.get().is_some_and(|polled| now().saturating_sub(polled) < POLL_INTERVAL);
        !polled && number_of(&self.path).is_some_and(|file| Some(file) != self.file)
    }

    /// The first id from `id` on whose record is made, or how many there are.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn next_made(&self, id: u64) -> Result<u64> {
        let (chunk, len) = (id / self.recipe.stride(), self.recipe.space().len());
        let next = self.read(|connection| claims::next_done(connection, chunk))?;
        Ok(next.saturating_mul(self.recipe.stride()).clamp(id.min(len), len))
    }

    /// Appends the circuits with these ids to `circuits`. Ids may be in any order, here and in what
    /// follows; where the file is not still, those in ascending order are read faster.
    ///
    /// # Errors
    /// As [`record`](CorpusFile::record).
    pub(crate) fn circuits(&self, ids: &Ids<'_>, circuits: &mut Circuits) -> Result<()> {
        let before = circuits.len();
        if self.read_mapped(ids, Buffers { circuits: Some(circuits), ..Buffers::default() })? {
            return Ok(());
        }
        self.visit(&ids.list(), &mut |columns, chunk, positions, index| {
            circuits.truncate(before + index);
            self.circuits_in(columns, chunk.place, positions, circuits)
        })
    }

    /// Writes the unitaries with these ids to `out`: row-major, little-endian, with the corpus's
    /// precision.
    ///
    /// # Errors
    /// As [`record`](CorpusFile::record).
    ///
    /// # Panics
    /// If `out` does not hold exactly one unitary for each id.
    pub(crate) fn unitaries(&self, ids: &Ids<'_>, out: &mut [u8]) -> Result<()> {
        let size = self.unitary_bytes();
        assert_eq!(out.len(), ids.len() * size, "one unitary for each id");
        if !self.recipe.stores_unitaries() {
            return self.computed(ids, None, out);
        }
        if self.read_mapped(ids, Buffers { unitaries: Some(out), ..Buffers::default() })? {
            return Ok(());
        }
        self.visit(&ids.list(), &mut |columns, chunk, positions, index| {
            self.unitaries_in(columns, chunk.place, positions, &mut out[index * size..])
        })
    }

    /// Does what [`circuits`](CorpusFile::circuits), [`unitaries`](CorpusFile::unitaries) and,
    /// unless that is left out, [`labels`](CorpusFile::labels) do, in one go.
    ///
    /// # Errors
    /// As [`record`](CorpusFile::record).
    ///
    /// # Panics
    /// If `out` does not hold exactly one unitary for each id.
    pub(crate) fn rows(
        &self,
        ids: &Ids<'_>,
        circuits: &mut Circuits,
        out: &mut [u8],
        mut labels: Option<&mut Vec<GivenLabels>>,
    ) -> Result<()> {
        let (size, before) = (self.unitary_bytes(), circuits.len());
        assert_eq!(out.len(), ids.len() * size, "one unitary for each id");
        if !self.recipe.stores_unitaries() {
            self.computed(ids, Some(circuits), out)?;
            return labels.map_or(Ok(()), |labels| self.labels(ids, labels));
        }
        let labels_before = labels.as_ref().map_or(0, |labels| labels.len());
        let given = labels.as_deref_mut().filter(|_| self.recipe.space().is_appended());
        if self.read_mapped(ids, Buffers { circuits: Some(circuits), unitaries: Some(out), labels: given })? {
            return Ok(());
        }
        self.visit(&ids.list(), &mut |columns, chunk, positions, index| {
            circuits.truncate(before + index);
            self.circuits_in(columns, chunk.place, positions, circuits)?;
            self.unitaries_in(columns, chunk.place, positions, &mut out[index * size..])?;
            labels.as_deref_mut().map_or(Ok(()), |labels| {
                labels.truncate(labels_before + index);
                self.labels_in(columns, chunk, positions, labels)
            })
        })
    }

    /// Computes the unitaries with these ids and appends the circuits, if they are wanted.
    fn computed(&self, ids: &Ids<'_>, mut circuits: Option<&mut Circuits>, out: &mut [u8]) -> Result<()> {
        let size = self.unitary_bytes();
        let at_once = (SCAN_BYTES as usize / size).max(1);
        self.buffer_pool.with(|unitary_buffer| {
            for (batch, out) in out.chunks_mut(at_once * size).enumerate() {
                let start = batch * at_once;
                unitary_buffer.circuits.clear();
                self.circuits(&ids.part(start..start + out.len() / size), &mut unitary_buffer.circuits)?;
                unitary_buffer.compute_own(&self.kernel, self.recipe.dtype(), out);
                if let Some(circuits) = &mut circuits {
                    circuits.extend(&unitary_buffer.circuits);
                }
            }
            Ok(())
        })
    }

    /// Appends the labels that came with the records with these ids to `labels`; nothing at all if
    /// records bring none.
    ///
    /// # Errors
    /// As [`record`](CorpusFile::record).
    pub(crate) fn labels(&self, ids: &Ids<'_>, labels: &mut Vec<GivenLabels>) -> Result<()> {
        let before = labels.len();
        if !self.recipe.space().is_appended() {
            return Ok(());
        }
        if self.read_mapped(ids, Buffers { labels: Some(labels), ..Buffers::default() })? {
            return Ok(());
        }
        self.visit(&ids.list(), &mut |columns, chunk, positions, index| {
            labels.truncate(before + index);
            self.labels_in(columns, chunk, positions, labels)
        })
    }

    /// The labels that records brought with them, sorted by name, and for each whether it is a
    /// text.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn label_kinds(&self) -> Result<Vec<(String, bool)>> {
        if !self.recipe.space().is_appended() {
            return Ok(Vec::new());
        }
        self.read(label_names)
    }

    /// The unitaries of these circuits as they would be stored, computed: row-major, with the
    /// corpus's precision.
    pub(crate) fn compute(&self, circuits: &Circuits) -> Vec<u8> {
        let mut out = vec![0; circuits.len() * self.unitary_bytes()];
        let compute = |unitary_buffer: &mut UnitaryBuffer| {
            unitary_buffer.compute(&self.kernel, self.recipe.dtype(), circuits, &mut out);
        };
        self.buffer_pool.with(compute);
        out
    }

    /// What computes unitaries.
    pub(crate) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    pub(crate) fn codec(&self) -> &Codec {
        &self.codec
    }

    pub(crate) fn damaged(&self, number: u64, damage: ChunkDamage) -> Error {
        self.blamed(damaged(&self.recipe, self.path.clone(), number, damage))
    }

    /// Whether a mapping of the file has given zeros since this was opened: then it may hold more
    /// of them.
    #[inline]
    fn is_torn(&self) -> bool {
        self.file.is_some_and(|file| guard::faults(file) != self.found.1)
    }

    /// Says so if the file has lost bytes since it was opened.
    pub(crate) fn check_whole(&self) -> Result<()> {
        match self.is_torn() || bytes_of(&self.path) < self.found.0 {
            true => Err(Error::Changed(self.path.clone())),
            false => Ok(()),
        }
    }

    /// The error of reading the file, or, if it has lost bytes meanwhile, that it has.
    pub(crate) fn blamed(&self, error: Error) -> Error {
        match error {
            Error::Forked(_) | Error::NoRecord { .. } => error,
            error => self.check_whole().err().unwrap_or(error),
        }
    }

    /// Reads in one consistent state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.check_process()?;
        let connection = self.connection()?;
        let failed = sqlite_on(connection, &self.path, "read it");
        let failed = |error| self.blamed(failed(error));
        let transaction = connection::begin_read(connection).map_err(failed)?;
        look(&transaction).map_err(failed)
    }

    pub(crate) fn check_process(&self) -> Result<()> {
        guard::install();
        match self.process == std::process::id() {
            true => Ok(()),
            false => Err(Error::Forked(self.path.clone())),
        }
    }
}

impl Drop for CorpusFile {
    fn drop(&mut self) {
        // A forked child must leave its parent's file alone.
        if self.process == std::process::id()
            && let Some(connection) = self.connection.get()
        {
            corpus_writer::leave_wal(&self.path, connection);
        }
    }
}

/// The error of a chunk that is not as it should be.
pub(crate) fn damaged(recipe: &Recipe, path: PathBuf, number: u64, damage: ChunkDamage) -> Error {
    Error::DamagedChunk {
        path,
        chunk: number,
        ids: recipe.chunk_ids(number),
        damage,
        remedy: match recipe.space().is_appended() {
            true => "this one must come from a copy of the file",
            false => "'qorpus repair' computes this one again",
        },
    }
}

/// What tells a file from others, whatever its name.
fn number_of(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// The size of a file; 0 if there is none.
pub(crate) fn bytes_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// About how many bytes a scan reads in one transaction.
pub(crate) const SCAN_BYTES: u64 = 4 << 20;
