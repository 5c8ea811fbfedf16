//! Reading: a corpus as an indexable sequence of records, while others may be writing it.

use crate::columns::{Column, Columns, OpenColumns};
use crate::connection::{self, Access, Content, hex};
use crate::error::{ChunkDamage, Error, Result, sqlite};
use crate::{store, work};
use qorpus_core::{
    Chunk, ChunkRef, Circuits, Codec, Complex64, ContentHash, Damage, Kernel, Label, Place, Recipe, Scratch,
};
use rusqlite::{Connection, OptionalExtension, Row};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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
    /// What is known about it, by name: `length`, how often each gate occurs (`count_h`), and what it was given.
    pub labels: BTreeMap<String, Label>,
}

/// Labels that a record brought with it, by name.
pub(crate) type GivenLabels = BTreeMap<String, Label>;

/// What a corpus says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Committed records.
    pub records: u64,
    /// Records the recipe has, unless they are appended by someone.
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
    /// Device and number of the file.
    file: Option<(u64, u64)>,
    recipe: Recipe,
    codec: Codec,
    kernel: Kernel,
    scratch: RefCell<Scratch>,
    /// A block that is being read; kept for its memory.
    buffer: RefCell<Vec<u8>>,
    still: RefCell<Option<Still>>,
    looked: Cell<Option<Instant>>,
}

/// A way into a file that nobody changes at present.
struct Still {
    /// Whose ids are below this is there for good.
    records: u64,
    columns: OpenColumns,
    found: Found,
}

impl std::fmt::Debug for Still {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Still").field("records", &self.records).finish_non_exhaustive()
    }
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
        let corpus = Corpus {
            file: number_of(&path),
            path,
            connection,
            process: std::process::id(),
            recipe,
            codec,
            kernel,
            scratch: RefCell::default(),
            buffer: RefCell::default(),
            still: RefCell::default(),
            looked: Cell::default(),
        };
        if !corpus.is_at_rest() {
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
        let expected = self.recipe.expected();
        Ok(Summary {
            records,
            expected,
            complete: expected.is_none_or(|expected| records == expected),
            recipe_hash: hex(&self.recipe.hash()),
            content_hash: content,
            bytes: size(&self.path) + size(&connection::log(&self.path)),
            format_version: qorpus_core::FORMAT_VERSION,
            sqlite_version: rusqlite::version(),
        })
    }

    /// How many ids there are: all of the recipe's, made or not, or those appended so far.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn len(&self) -> Result<u64> {
        match self.recipe.expected() {
            Some(expected) => Ok(expected),
            None => Ok(self.read(store::totals)?.0),
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
        self.rows(&[id], &mut circuits, &mut unitary, Some(&mut given))?;
        reorder(&mut unitary, self.recipe.alphabet().qubits(), self.recipe.dtype().bytes(), order);
        let circuit = circuits.get(0).to_vec();
        let labels = labels(&self.recipe, &circuit, given.pop().unwrap_or_default());
        Ok(Record { id, circuit, unitary: self.recipe.dtype().decode(&unitary), labels })
    }

    /// Bytes of a unitary with the corpus's precision, stored or not.
    pub(crate) fn unitary_bytes(&self) -> usize {
        self.recipe.alphabet().dim().pow(2) * self.recipe.dtype().bytes()
    }

    /// Whether there is another file now where this one was; it is looked at now and then.
    pub(crate) fn is_replaced(&self) -> bool {
        let looked = self.looked.get().is_some_and(|looked| looked.elapsed() < LOOK);
        !looked && number_of(&self.path).is_some_and(|file| Some(file) != self.file)
    }

    /// The first id from `id` on whose record is made, or how many there are.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn next_made(&self, id: u64) -> Result<u64> {
        let (chunk, len) = (id / self.recipe.stride(), self.recipe.space().len());
        let next = self.read(|connection| work::next_done(connection, chunk))?;
        Ok(next.saturating_mul(self.recipe.stride()).clamp(id.min(len), len))
    }

    /// Appends the circuits with these ids, which ascend, to `circuits`.
    ///
    /// # Errors
    /// As [`record`](Corpus::record).
    pub(crate) fn circuits(&self, ids: &[u64], circuits: &mut Circuits) -> Result<()> {
        let before = circuits.len();
        self.visit(ids, &mut |columns, chunk, positions, index| {
            circuits.truncate(before + index);
            self.circuits_in(columns, chunk.place, positions, circuits)
        })
    }

    /// Writes the unitaries with these ids, which ascend, to `out`: row-major, little-endian, with the corpus's
    /// precision.
    ///
    /// # Errors
    /// As [`record`](Corpus::record).
    ///
    /// # Panics
    /// If `out` does not hold exactly one unitary for each id.
    pub(crate) fn unitaries(&self, ids: &[u64], out: &mut [u8]) -> Result<()> {
        if !self.recipe.stores_unitaries() {
            return self.rows(ids, &mut Circuits::default(), out, None);
        }
        let size = self.unitary_bytes();
        assert_eq!(out.len(), ids.len() * size, "one unitary for each id");
        self.visit(ids, &mut |columns, chunk, positions, index| {
            self.unitaries_in(columns, chunk.place, positions, &mut out[index * size..])
        })
    }

    /// Does what [`circuits`](Corpus::circuits), [`unitaries`](Corpus::unitaries) and, unless that is left out,
    /// [`labels`](Corpus::labels) do, in one go.
    ///
    /// # Errors
    /// As [`record`](Corpus::record).
    ///
    /// # Panics
    /// If `out` does not hold exactly one unitary for each id.
    pub(crate) fn rows(
        &self,
        ids: &[u64],
        circuits: &mut Circuits,
        out: &mut [u8],
        mut labels: Option<&mut Vec<GivenLabels>>,
    ) -> Result<()> {
        let (size, before) = (self.unitary_bytes(), circuits.len());
        assert_eq!(out.len(), ids.len() * size, "one unitary for each id");
        if self.recipe.stores_unitaries() {
            let labels_before = labels.as_ref().map_or(0, |labels| labels.len());
            return self.visit(ids, &mut |columns, chunk, positions, index| {
                circuits.truncate(before + index);
                self.circuits_in(columns, chunk.place, positions, circuits)?;
                self.unitaries_in(columns, chunk.place, positions, &mut out[index * size..])?;
                labels.as_deref_mut().map_or(Ok(()), |labels| {
                    labels.truncate(labels_before + index);
                    self.labels_in(columns, chunk, positions, labels)
                })
            });
        }
        let at_once = (SCAN_BYTES as usize / size).max(1);
        let mut some = Circuits::default();
        for (ids, out) in ids.chunks(at_once).zip(out.chunks_mut(at_once * size)) {
            some.clear();
            self.circuits(ids, &mut some)?;
            out.copy_from_slice(&self.compute(&some));
            circuits.extend(&some);
        }
        labels.map_or(Ok(()), |labels| self.labels(ids, labels))
    }

    /// Appends the labels that came with the records with these ids, which ascend, to `labels`; nothing at all if
    /// records bring none.
    ///
    /// # Errors
    /// As [`record`](Corpus::record).
    pub(crate) fn labels(&self, ids: &[u64], labels: &mut Vec<GivenLabels>) -> Result<()> {
        let before = labels.len();
        if !self.recipe.space().is_appended() {
            return Ok(());
        }
        self.visit(ids, &mut |columns, chunk, positions, index| {
            labels.truncate(before + index);
            self.labels_in(columns, chunk, positions, labels)
        })
    }

    /// Appends the circuits at `positions` of the chunk at `place`.
    fn circuits_in(
        &self,
        columns: &mut Columns<'_>,
        place: Place,
        positions: &[usize],
        circuits: &mut Circuits,
    ) -> std::result::Result<(), Trouble> {
        let len = columns.seek(Column::Circuits, place.first_id as i64).map_err(Trouble::Seek)?;
        let wanted = Wanted::new(columns, Column::Circuits, len, positions)?;
        let mut fetch = |at, out: &mut [u8]| wanted.read(at, out);
        let buffer = &mut *self.buffer.borrow_mut();
        self.codec.circuits_at(place, len, positions, buffer, &mut fetch, circuits)
    }

    /// Writes the unitaries at `positions` of the chunk at `place` to the beginning of `out`.
    fn unitaries_in(
        &self,
        columns: &mut Columns<'_>,
        place: Place,
        positions: &[usize],
        out: &mut [u8],
    ) -> std::result::Result<(), Trouble> {
        let len = columns.seek(Column::Unitaries, place.first_id as i64).map_err(Trouble::Seek)?;
        let wanted = Wanted::new(columns, Column::Unitaries, len, positions)?;
        let mut fetch = |at, out: &mut [u8]| wanted.read(at, out);
        let mut slots = out.chunks_exact_mut(self.unitary_bytes());
        let mut emit = |_: usize, unitary: &[u8]| {
            if let Some(slot) = slots.next() {
                slot.copy_from_slice(unitary);
            }
        };
        let buffer = &mut *self.buffer.borrow_mut();
        self.codec.unitaries_at(place, len, positions, buffer, &mut fetch, &mut emit)
    }

    /// Appends the labels of the records at `positions` of a chunk.
    fn labels_in(
        &self,
        columns: &mut Columns<'_>,
        chunk: FoundChunk,
        positions: &[usize],
        labels: &mut Vec<GivenLabels>,
    ) -> std::result::Result<(), Trouble> {
        if !chunk.has_labels {
            if self.recipe.space().is_appended() {
                labels.resize_with(labels.len() + positions.len(), BTreeMap::new);
            }
            return Ok(());
        }
        let sql = "SELECT labels FROM chunks WHERE first_id = ?1";
        let mut statement = columns.connection().prepare_cached(sql)?;
        let mut rows = statement.query([chunk.place.first_id])?;
        let row = rows.next()?.ok_or(Trouble::Damage(ChunkDamage::Missing))?;
        let column = row.get_ref(0)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
        let packed = self.codec.labels(chunk.place, column)?;
        for &position in positions {
            labels.push(packed.get(position)?);
        }
        Ok(())
    }

    /// The labels that records brought with them, sorted by name, and for each whether it is a text.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn label_kinds(&self) -> Result<Vec<(String, bool)>> {
        if !self.recipe.space().is_appended() {
            return Ok(Vec::new());
        }
        self.read(store::labels)
    }

    /// Calls `visit` for each chunk that holds some of `ids`, which ascend: with the columns, the chunk's place, the
    /// positions of the wanted records in it, and how many ids came before.
    ///
    /// Where the file is still it is read without locks. What looks wrong there, someone may just be changing:
    /// then all is visited once more, in a transaction.
    fn visit(&self, ids: &[u64], visit: &mut Visit<'_>) -> Result<()> {
        self.check_process()?;
        let Some(&last) = ids.last() else { return Ok(()) };
        self.look_around()?;
        if let Some(still) = self.still.borrow_mut().as_mut().filter(|still| last < still.records) {
            let Still { columns, found, .. } = still;
            let visited = columns.with_dependent_mut(|_, columns| self.visit_in(columns, found, ids, visit));
            if visited.is_ok() {
                return Ok(());
            }
        }
        self.still.take();
        let failed = sqlite(&self.path, "read it");
        let transaction = connection::begin_read(&self.connection).map_err(&failed)?;
        let mut columns = Columns::new(&transaction);
        self.visit_in(&mut columns, &mut Found::new(1), ids, visit).map_err(|(id, first_id, trouble)| {
            self.explain(&transaction, id, first_id, trouble).unwrap_or_else(&failed)
        })
    }

    fn visit_in(
        &self,
        columns: &mut Columns<'_>,
        found: &mut Found,
        ids: &[u64],
        visit: &mut Visit<'_>,
    ) -> std::result::Result<(), (u64, u64, Trouble)> {
        let (mut index, mut positions) = (0, Vec::new());
        while let Some(&id) = ids.get(index) {
            let chunk =
                self.chunk_of(columns.connection(), found, id).map_err(|trouble| (id, id, trouble))?;
            let Place { first_id, count } = chunk.place;
            let inside = ids[index..].partition_point(|&id| id - first_id < count);
            positions.clear();
            positions.extend(ids[index..index + inside].iter().map(|&id| (id - first_id) as usize));
            visit(columns, chunk, &positions, index).map_err(|trouble| (id, first_id, trouble))?;
            index += inside;
        }
        Ok(())
    }

    /// Which chunk should hold a record; where chunks are of any size, it is looked up unless it was found before.
    fn chunk_of(
        &self,
        connection: &Connection,
        found: &mut Found,
        id: u64,
    ) -> std::result::Result<FoundChunk, Trouble> {
        if id >= self.recipe.space().len() {
            return Err(Trouble::Damage(ChunkDamage::Missing));
        }
        if !self.recipe.space().is_appended() {
            let ids = self.recipe.chunk_ids(id / self.recipe.chunk_records());
            let place = Place { first_id: ids.start, count: ids.end - ids.start };
            return Ok(FoundChunk { place, has_labels: false });
        }
        let slot = found.slot(id, self.recipe.chunk_records());
        if let Some(chunk) = slot.iter().flatten().find(|chunk| chunk.holds(id)) {
            return Ok(*chunk);
        }
        let sql = "SELECT first_id, count, labels IS NOT NULL FROM chunks
                   WHERE first_id <= ?1 ORDER BY first_id DESC LIMIT 1";
        let mut statement = connection.prepare_cached(sql)?;
        let chunk = statement.query_row([id], |row| {
            let place = Place { first_id: row.get(0)?, count: row.get(1)? };
            Ok(FoundChunk { place, has_labels: row.get(2)? })
        });
        match chunk.optional()? {
            Some(chunk) if chunk.place.count > self.recipe.chunk_records() => {
                Err(Trouble::Damage(ChunkDamage::Ids))
            }
            Some(chunk) if chunk.holds(id) => {
                *slot = [Some(chunk), slot[0]];
                Ok(chunk)
            }
            _ => Err(Trouble::Damage(ChunkDamage::Missing)),
        }
    }

    /// What it means that a record could not be read, in the same state of the file.
    fn explain(
        &self,
        connection: &Connection,
        id: u64,
        first_id: u64,
        trouble: Trouble,
    ) -> std::result::Result<Error, rusqlite::Error> {
        let records = store::totals(connection)?.0;
        let len = self.recipe.expected().unwrap_or(records);
        let number = first_id / self.recipe.stride();
        if id >= len {
            return Ok(Error::NoRecord { path: self.path.clone(), id, len });
        }
        if !work::within(connection, &(number..number + 1))?.is_empty() {
            return Ok(Error::NotYet { path: self.path.clone(), id, records, len });
        }
        let damage = match trouble {
            Trouble::Damage(damage) => damage,
            Trouble::Sqlite(error) => return Err(error),
            Trouble::Seek(error) => {
                let sql = "SELECT typeof(circuits) = 'blob' FROM chunks WHERE first_id = ?1";
                let is_blob = connection.query_row(sql, [first_id], |row| row.get(0)).optional()?;
                match is_blob {
                    None => ChunkDamage::Missing,
                    Some(false) => Damage::Size("circuits").into(),
                    Some(true) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::Unknown) => {
                        Damage::Size("unitaries").into()
                    }
                    Some(true) => return Err(error),
                }
            }
        };
        Ok(self.damaged(number, damage))
    }

    /// Finds out, now and then, whether the file is still.
    fn look_around(&self) -> Result<()> {
        if self.looked.get().is_some_and(|looked| looked.elapsed() < LOOK) {
            return Ok(());
        }
        self.looked.set(Some(Instant::now()));
        match (self.is_at_rest(), self.still.borrow().is_some()) {
            (true, true) | (false, false) => return Ok(()),
            _ => {}
        }
        self.still.take();
        if self.is_at_rest() {
            let (records, _) = self.read(store::totals)?;
            if self.recipe.expected().is_none_or(|expected| records == expected) {
                let connection = connection::open_still(&self.path)?;
                let columns = OpenColumns::new(connection, |connection| Columns::new(connection));
                self.still.replace(Some(Still { records, columns, found: Found::new(SLOTS) }));
            }
        }
        Ok(())
    }

    /// Whether nobody writes, and nothing that was written is outside the file.
    fn is_at_rest(&self) -> bool {
        let there = |ending| std::fs::metadata(connection::beside(&self.path, ending));
        // An empty log is left behind when readers keep it open.
        there("-lock").is_err()
            && there("-journal").is_err()
            && there("-wal").map_or(true, |log| log.len() == 0)
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
                    let first_id = chunk.first_id;
                    visit(&Batch { number, first_id, circuits: &circuits, unitaries: stored })?;
                    continue;
                }
                // A chunk of circuits alone holds thousands; on eight qubits each unitary takes a megabyte.
                let at_once = (SCAN_BYTES as usize / self.unitary_bytes()).max(1);
                for start in (0..circuits.len()).step_by(at_once) {
                    part.clear();
                    for position in start..circuits.len().min(start + at_once) {
                        part.push(circuits.get(position).iter().copied());
                    }
                    let (first_id, unitaries) = (chunk.first_id + start as u64, &self.compute(&part));
                    visit(&Batch { number, first_id, circuits: &part, unitaries })?;
                }
            }
            next = until;
        }
        Ok(())
    }

    /// How many chunks a scan reads in one transaction.
    pub(crate) fn scan_chunks(&self) -> u64 {
        let chunks = (SCAN_BYTES / self.recipe.typical_chunk_bytes()).max(1);
        if self.recipe.space().is_appended() { chunks * self.recipe.chunk_records() } else { chunks }
    }

    /// The numbers that chunks may have which were there when this was the summary.
    pub(crate) fn numbers(&self, summary: &Summary) -> Range<u64> {
        0..summary.expected.unwrap_or(summary.records).div_ceil(self.recipe.stride())
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
        let ids = |number: u64| number.saturating_mul(self.recipe.stride()).min(i64::MAX as u64);
        let mut statement = connection.prepare_cached(SELECT_CHUNKS)?;
        let rows = statement.query_map([ids(numbers.start), ids(numbers.end)], |row| {
            let chunk = chunk_of(row)?;
            let ChunkRef { first_id, count, checksum, content, .. } = chunk;
            let (unitaries, labels) = (chunk.unitaries.map(<[u8]>::to_vec), chunk.labels.map(<[u8]>::to_vec));
            let circuits = chunk.circuits.to_vec();
            let owned = Chunk { first_id, count, checksum, content, circuits, unitaries, labels };
            Ok((first_id / self.recipe.stride(), owned))
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
        let fits = match self.recipe.space().is_appended() {
            true => (1..=self.recipe.chunk_records()).contains(&chunk.count),
            false => chunk.count == ids.end - ids.start,
        };
        if fits && chunk.first_id == ids.start { Ok(()) } else { Err(ChunkDamage::Ids) }
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
            remedy: match self.recipe.space().is_appended() {
                true => "this one must come from a copy of the file",
                false => "'qorpus repair' computes this one again",
            },
        }
    }

    /// Reads in one consistent state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.check_process()?;
        let failed = sqlite(&self.path, "read it");
        let transaction = connection::begin_read(&self.connection).map_err(&failed)?;
        look(&transaction).map_err(failed)
    }

    fn check_process(&self) -> Result<()> {
        match self.process == std::process::id() {
            true => Ok(()),
            false => Err(Error::Forked(self.path.clone())),
        }
    }
}

/// What tells a file from others, whatever its name.
fn number_of(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// See [`Corpus::visit`].
type Visit<'v> =
    dyn FnMut(&mut Columns<'_>, FoundChunk, &[usize], usize) -> std::result::Result<(), Trouble> + 'v;

/// A chunk to which records were appended.
#[derive(Debug, Clone, Copy)]
struct FoundChunk {
    place: Place,
    has_labels: bool,
}

impl FoundChunk {
    fn holds(self, id: u64) -> bool {
        id.checked_sub(self.place.first_id).is_some_and(|position| position < self.place.count)
    }
}

/// Chunks of any size that were found before: in each slot the last two, since neighbours often share one.
#[derive(Debug)]
struct Found(Vec<[Option<FoundChunk>; 2]>);

impl Found {
    fn new(slots: usize) -> Found {
        Found(vec![[None; 2]; slots])
    }

    /// Where the chunk of a record is, if it was found; a full chunk has `most` records.
    fn slot(&mut self, id: u64, most: u64) -> &mut [Option<FoundChunk>; 2] {
        let slots = self.0.len();
        &mut self.0[(id / most.div_ceil(2)) as usize % slots]
    }
}

/// Two slots for each full chunk: enough for some millions of records on one qubit.
const SLOTS: usize = 8192;

/// Why records of a chunk could not be read.
enum Trouble {
    Damage(ChunkDamage),
    Sqlite(rusqlite::Error),
    /// There is no such chunk, or no such column in it, or worse.
    Seek(rusqlite::Error),
}

impl From<Damage> for Trouble {
    fn from(damage: Damage) -> Trouble {
        Trouble::Damage(damage.into())
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        Trouble::Sqlite(error)
    }
}

/// A column of which some records are wanted: copied at once if they are many.
struct Wanted<'c> {
    columns: &'c Columns<'c>,
    column: Column,
    whole: Vec<u8>,
}

impl<'c> Wanted<'c> {
    fn new(
        columns: &'c Columns<'c>,
        column: Column,
        len: usize,
        positions: &[usize],
    ) -> rusqlite::Result<Wanted<'c>> {
        let mut whole = Vec::new();
        if positions.len() > MANY {
            whole.resize(len, 0);
            columns.read(column, 0, &mut whole)?;
        }
        Ok(Wanted { columns, column, whole })
    }

    /// Copies the column's bytes from `at` on.
    fn read(&self, at: usize, out: &mut [u8]) -> std::result::Result<(), Trouble> {
        match self.whole.get(at..at + out.len()) {
            Some(bytes) => out.copy_from_slice(bytes),
            None => self.columns.read(self.column, at, out)?,
        }
        Ok(())
    }
}

/// From so many records of a chunk on, its columns are read whole.
const MANY: usize = 24;

/// How often a corpus looks whether others have begun or finished writing.
const LOOK: Duration = Duration::from_millis(10);

/// About how many bytes a scan reads in one transaction.
const SCAN_BYTES: u64 = 4 << 20;

const SELECT_CHUNKS: &str =
    "SELECT first_id, count, checksum, content, circuits, unitaries, labels FROM chunks
     WHERE first_id >= ?1 AND first_id < ?2 ORDER BY first_id";

/// Some consecutive records, decoded and checked.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    /// The number of their chunk.
    pub(crate) number: u64,
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
        labels: blob(6)?,
    })
}

/// What is known about a record: its length, how often each of the recipe's gates occurs, and what it was `given`.
pub(crate) fn labels(
    recipe: &Recipe,
    circuit: &[u16],
    given: BTreeMap<String, Label>,
) -> BTreeMap<String, Label> {
    let alphabet = recipe.alphabet();
    let mut counts = vec![0i64; alphabet.gates().len()];
    circuit.iter().for_each(|&letter| counts[alphabet.letters()[usize::from(letter)].gate] += 1);
    let mut labels = given;
    let counts = alphabet.gates().iter().zip(counts);
    labels.extend(counts.map(|(gate, count)| (format!("count_{}", gate.name()), Label::Integer(count))));
    labels.insert("length".into(), Label::Integer(circuit.len() as i64));
    labels
}

/// The one place where the order of qubits is changed: in each of `unitaries`, whose entries have `entry` bytes.
pub(crate) fn reorder(unitaries: &mut [u8], qubits: usize, entry: usize, order: Order) {
    let dim: usize = 1 << qubits;
    if order == Order::Big || qubits == 1 {
        return;
    }
    let reversed = |index: usize| index.reverse_bits() >> (usize::BITS as usize - qubits);
    for unitary in unitaries.chunks_exact_mut(dim * dim * entry) {
        for k in 0..dim * dim {
            let moved = reversed(k / dim) * dim + reversed(k % dim);
            // Reversing twice changes nothing: entries are exchanged in pairs.
            if moved > k {
                let (low, high) = unitary.split_at_mut(moved * entry);
                low[k * entry..][..entry].swap_with_slice(&mut high[..entry]);
            }
        }
    }
}
