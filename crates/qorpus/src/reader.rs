//! Reading: a corpus as an indexable sequence of records, while others may be writing it.

use crate::connection::{self, Access, Content, hex};
use crate::error::{ChunkDamage, Error, Result, sqlite};
use crate::{store, work};
use qorpus_core::{Chunk, ChunkRef, Circuits, Codec, Complex64, ContentHash, Kernel, Recipe, Scratch};
use rusqlite::{Connection, OptionalExtension, Row};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// How the qubits of a unitary are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Qubit 0 is the most significant bit of a row's or column's number: the textbook's order, and the stored one.
    #[default]
    Big,
    /// Qubit 0 is the least significant bit: Qiskit's order.
    Little,
}

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its place in the corpus.
    pub id: u64,
    /// Its letters in time order, as numbers in the alphabet.
    pub circuit: Vec<u16>,
    /// Its unitary, row-major, 2^n x 2^n, with the corpus's precision.
    pub unitary: Vec<Complex64>,
    /// What is known about it, by name: `length`, and how often each gate occurs (`count_h`).
    pub labels: BTreeMap<String, u64>,
}

/// What a corpus says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Committed records.
    pub records: u64,
    /// Records the recipe has.
    pub expected: u64,
    /// Whether all of them are there.
    pub complete: bool,
    /// SHA-256 of the recipe, in hexadecimal.
    pub recipe_hash: String,
    /// The sum of the records' hashes, in hexadecimal: depends on ids, circuits and stored unitaries alone.
    pub content_hash: String,
    /// Size of the file, its log included.
    pub bytes: u64,
    /// The version of the file's format.
    pub format_version: u32,
    /// The SQLite that reads it.
    pub sqlite_version: &'static str,
}

/// A corpus open for reading.
///
/// It follows what others commit; each call sees one consistent state. Not to be shared between threads: open it
/// once in each.
#[derive(Debug)]
pub struct Corpus {
    path: PathBuf,
    connection: Connection,
    process: u32,
    recipe: Recipe,
    codec: Codec,
    kernel: Kernel,
    scratch: RefCell<Scratch>,
}

impl Corpus {
    /// Opens the corpus at `path`.
    ///
    /// # Errors
    /// There is no file, it is no corpus, of a later format version, or truncated.
    pub fn open(path: impl AsRef<Path>) -> Result<Corpus> {
        let path = connection::absolute(path.as_ref())?;
        let (connection, _) = connection::open(&path, Access::Read)?;
        connection::check_size(&connection, &path)?;
        let recipe = match connection::identify(&connection, &path)? {
            Content::Corpus(recipe) => *recipe,
            Content::Empty => {
                return Err(Error::NotACorpus {
                    path,
                    reason: "it is empty; run 'qorpus generate' again to make it".into(),
                });
            }
        };
        connection::bound_cache(&connection, &path)?;
        let (codec, kernel) = (Codec::new(&recipe), Kernel::new(recipe.alphabet()));
        let scratch = RefCell::default();
        let corpus = Corpus { path, connection, process: std::process::id(), recipe, codec, kernel, scratch };
        if !corpus.summary()?.complete {
            store::share(&corpus.path, &corpus.connection);
        }
        Ok(corpus)
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
        let (records, content) = self.read(store::totals)?;
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let expected = self.recipe.space().len();
        Ok(Summary {
            records,
            expected,
            complete: records == expected,
            recipe_hash: hex(&self.recipe.hash()),
            content_hash: content.to_string(),
            bytes: size(&self.path) + size(&connection::log(&self.path)),
            format_version: qorpus_core::FORMAT_VERSION,
            sqlite_version: rusqlite::version(),
        })
    }

    /// The record with this id, its unitary with qubits in this order.
    ///
    /// # Errors
    /// [`Error::NoRecord`], [`Error::NotYet`], [`Error::DamagedChunk`], or the file cannot be read.
    pub fn record(&self, id: u64, order: Order) -> Result<Record> {
        let len = self.recipe.space().len();
        if id >= len {
            return Err(Error::NoRecord { path: self.path.clone(), id, len });
        }
        let number = id / self.recipe.chunk_records();
        let first = number * self.recipe.chunk_records();
        // A chunk that is not there must be told from one that is lost in the same state of the file.
        let (found, is_todo) = self.read(|connection| {
            let mut statement = connection.prepare_cached(SELECT_CHUNK)?;
            let one = |row: &Row<'_>| Ok(self.record_in(&chunk_of(row)?, number, id, order));
            match statement.query_row([first], one).optional()? {
                Some(record) => Ok((Some(record), false)),
                None => Ok((None, !work::within(connection, &(number..number + 1))?.is_empty())),
            }
        })?;
        match found {
            Some(record) => record,
            None if is_todo => {
                let records = self.summary()?.records;
                Err(Error::NotYet { path: self.path.clone(), id, records, len })
            }
            None => Err(self.damaged(number, ChunkDamage::Missing)),
        }
    }

    fn record_in(&self, chunk: &ChunkRef<'_>, number: u64, id: u64, order: Order) -> Result<Record> {
        let damaged = |damage| self.damaged(number, damage);
        self.check_ids(chunk, number).map_err(damaged)?;
        let position = (id - chunk.first_id) as usize;
        let mut circuits = Circuits::default();
        self.codec.circuit(chunk, position, &mut circuits).map_err(|damage| damaged(damage.into()))?;
        let stored =
            self.codec.unitaries(chunk, position..position + 1).map_err(|damage| damaged(damage.into()))?;
        let unitary = reorder(self.unitary(&circuits, stored), self.recipe.alphabet().qubits(), order);
        let circuit = circuits.get(0).to_vec();
        Ok(Record { id, labels: labels(&self.recipe, &circuit), circuit, unitary })
    }

    /// The unitary of one circuit, from its stored bytes or computed, with the corpus's precision.
    fn unitary(&self, circuits: &Circuits, stored: &[u8]) -> Vec<Complex64> {
        let dtype = self.recipe.dtype();
        if stored.is_empty() { dtype.decode(&self.compute(circuits)) } else { dtype.decode(stored) }
    }

    /// Calls `visit` with the chunks that are there, in order, from chunk `numbers.start` on, until it is done
    /// with `numbers`. Each chunk is fully checked; a transaction lasts for a few megabytes only.
    ///
    /// # Errors
    /// What `visit` returns, [`Error::DamagedChunk`], or the file cannot be read.
    pub(crate) fn scan(
        &self,
        numbers: Range<u64>,
        visit: &mut dyn FnMut(&Batch<'_>) -> Result<()>,
    ) -> Result<()> {
        let (mut next, mut circuits, mut part) = (numbers.start, Circuits::default(), Circuits::default());
        while next < numbers.end {
            let until = numbers.end.min(next + self.scan_chunks());
            for (number, chunk) in self.chunks(next..until)? {
                let (chunk, damaged) = (chunk.as_ref(), |damage| self.damaged(number, damage));
                self.check_ids(&chunk, number).map_err(damaged)?;
                self.codec.decode(&chunk, &mut circuits).map_err(|damage| damaged(damage.into()))?;
                let stored = self
                    .codec
                    .unitaries(&chunk, 0..circuits.len())
                    .map_err(|damage| damaged(damage.into()))?;
                if !stored.is_empty() {
                    visit(&Batch { first_id: chunk.first_id, circuits: &circuits, unitaries: stored })?;
                    continue;
                }
                // A chunk of circuits alone holds thousands; on eight qubits each unitary takes a megabyte.
                let at_once = (SCAN_BYTES as usize
                    / (self.recipe.alphabet().dim().pow(2) * self.recipe.dtype().bytes()))
                .max(1);
                for start in (0..circuits.len()).step_by(at_once) {
                    part.clear();
                    for position in start..circuits.len().min(start + at_once) {
                        part.push(circuits.get(position).iter().copied());
                    }
                    let (first_id, unitaries) = (chunk.first_id + start as u64, &self.compute(&part));
                    visit(&Batch { first_id, circuits: &part, unitaries })?;
                }
            }
            next = until;
        }
        Ok(())
    }

    /// How many chunks a scan reads in one transaction.
    pub(crate) fn scan_chunks(&self) -> u64 {
        (SCAN_BYTES / self.recipe.typical_chunk_bytes()).max(1)
    }

    /// The unitaries of these circuits as they would be stored, computed: row-major, with the corpus's precision.
    pub(crate) fn compute(&self, circuits: &Circuits) -> Vec<u8> {
        let (mut unitaries, mut bytes) = (Vec::new(), Vec::new());
        unitaries.resize(circuits.len() * self.recipe.alphabet().dim().pow(2), Complex64::ZERO);
        self.kernel.unitaries(circuits, &mut self.scratch.borrow_mut(), &mut unitaries);
        self.recipe.dtype().encode(&unitaries, &mut bytes);
        bytes
    }

    /// The chunks that are there among `numbers`, as they are stored, read in one transaction.
    pub(crate) fn chunks(&self, numbers: Range<u64>) -> Result<Vec<(u64, Chunk)>> {
        self.read(|connection| self.chunks_in(connection, numbers))
    }

    /// The same within a transaction.
    pub(crate) fn chunks_in(
        &self,
        connection: &Connection,
        numbers: Range<u64>,
    ) -> rusqlite::Result<Vec<(u64, Chunk)>> {
        let ids = |number: u64| number.saturating_mul(self.recipe.chunk_records()).min(i64::MAX as u64);
        let mut statement = connection.prepare_cached(SELECT_CHUNKS)?;
        let rows = statement.query_map([ids(numbers.start), ids(numbers.end)], |row| {
            let chunk = chunk_of(row)?;
            let ChunkRef { first_id, count, checksum, content, .. } = chunk;
            let (circuits, unitaries) = (chunk.circuits.to_vec(), chunk.unitaries.map(<[u8]>::to_vec));
            let owned = Chunk { first_id, count, checksum, content, circuits, unitaries };
            Ok((first_id / self.recipe.chunk_records(), owned))
        })?;
        rows.collect()
    }

    /// Whether ids and count are those of chunk `number`.
    pub(crate) fn check_ids(
        &self,
        chunk: &ChunkRef<'_>,
        number: u64,
    ) -> std::result::Result<(), ChunkDamage> {
        let ids = self.recipe.chunk_ids(number);
        match (chunk.first_id, chunk.count) == (ids.start, ids.end - ids.start) {
            true => Ok(()),
            false => Err(ChunkDamage::Ids),
        }
    }

    pub(crate) fn codec(&self) -> &Codec {
        &self.codec
    }

    pub(crate) fn damaged(&self, number: u64, damage: ChunkDamage) -> Error {
        Error::DamagedChunk {
            path: self.path.clone(),
            chunk: number,
            ids: self.recipe.chunk_ids(number),
            damage,
        }
    }

    /// Reads in one consistent state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        if self.process != std::process::id() {
            return Err(Error::Forked(self.path.clone()));
        }
        let failed = sqlite(&self.path, "read it");
        let transaction = connection::begin_read(&self.connection).map_err(&failed)?;
        look(&transaction).map_err(failed)
    }
}

/// About how many bytes a scan reads in one transaction.
const SCAN_BYTES: u64 = 4 << 20;

const SELECT_CHUNK: &str =
    "SELECT first_id, count, checksum, content, circuits, unitaries FROM chunks WHERE first_id = ?1";

const SELECT_CHUNKS: &str = "SELECT first_id, count, checksum, content, circuits, unitaries FROM chunks
     WHERE first_id >= ?1 AND first_id < ?2 ORDER BY first_id";

/// Some consecutive records, decoded and checked.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) first_id: u64,
    pub(crate) circuits: &'a Circuits,
    /// Row-major, little-endian, with the corpus's precision.
    pub(crate) unitaries: &'a [u8],
}

fn chunk_of<'a>(row: &'a Row<'_>) -> rusqlite::Result<ChunkRef<'a>> {
    let blob = |column: usize| row.get_ref(column).and_then(|value| Ok(value.as_blob_or_null()?));
    Ok(ChunkRef {
        first_id: row.get(0)?,
        count: row.get(1)?,
        checksum: row.get::<_, i64>(2)?.cast_unsigned(),
        content: ContentHash::from_bytes(row.get(3)?),
        circuits: blob(4)?.unwrap_or_default(),
        unitaries: blob(5)?,
    })
}

/// What is known about a circuit by counting: its length, and how often each of the recipe's gates occurs.
pub(crate) fn labels(recipe: &Recipe, circuit: &[u16]) -> BTreeMap<String, u64> {
    let alphabet = recipe.alphabet();
    let zero = alphabet.gates().iter().map(|gate| (format!("count_{}", gate.name()), 0));
    let mut labels: BTreeMap<String, u64> = zero.collect();
    for &letter in circuit {
        let gate = &alphabet.gates()[alphabet.letters()[usize::from(letter)].gate];
        *labels.entry(format!("count_{}", gate.name())).or_default() += 1;
    }
    labels.insert("length".into(), circuit.len() as u64);
    labels
}

/// The one place where the order of qubits is changed.
fn reorder(unitary: Vec<Complex64>, qubits: usize, order: Order) -> Vec<Complex64> {
    let dim = 1 << qubits;
    let reversed = |index: usize| (index.reverse_bits() >> (usize::BITS as usize - qubits)) & (dim - 1);
    match order {
        Order::Big => unitary,
        Order::Little => {
            (0..dim * dim).map(|k| unitary[reversed(k / dim) * dim + reversed(k % dim)]).collect()
        }
    }
}
