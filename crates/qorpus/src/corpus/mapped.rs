//! Mapped files: records of a file that no process changes, read from its mapping or, where that is not
//! possible, from open columns.

use crate::corpus::checked_blocks::{BlockSet, CheckedBlocks, ChunkBlocks};
use crate::corpus::record::{GivenLabels, RowBuffers};
use crate::corpus::row_cache::{ChunkCache, RowCache};
use crate::sqlite::blob::Columns;
use crate::sqlite::btree::{self, ChunkRow};
use crate::sqlite::layout::{FileVersion, chunks_root, file_version, is_at_rest, keys_root};
use crate::sqlite::mmap::{Bytes, Mapping, PublishedMapping};
use qorpus_core::{Codec, Damage, ReadColumn};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

/// A file that no process changes at present, mapped or open.
pub(crate) struct MappedFile {
    /// The ids of records that exist and will not change.
    pub(super) ids: Range<u64>,
    pub(super) file: Backing,
    pub(super) rows: RowCache,
    pub(super) chunks: ChunkCache,
    pub(super) checked: Option<CheckedFile>,
}

/// The blocks of a file that need no further check, as long as the file is the one that was mapped.
pub(super) struct CheckedFile {
    blocks: Arc<CheckedBlocks>,
    version: FileVersion,
}

impl CheckedFile {
    /// Returns the blocks of a file without writers; `None` if all are to be checked always.
    /// `blocks` were found before the file was mapped.
    pub(super) fn new(blocks: Option<Arc<CheckedBlocks>>, file: Bytes<'_>) -> Option<CheckedFile> {
        let (blocks, version) = (blocks?, file_version(file)?);
        is_at_rest(version).then_some(CheckedFile { blocks, version })
    }

    pub(super) fn blocks(&self) -> &CheckedBlocks {
        &self.blocks
    }

    /// Returns whether no transaction has changed the file since it was mapped, at the time of the
    /// reads before this call.
    pub(super) fn is_unchanged(&self, file: Bytes<'_>) -> bool {
        fence(Ordering::Acquire);
        file_version(file) == Some(self.version)
    }
}

pub(super) enum Backing {
    /// By SQLite, which may have mapped it.
    Sqlite(ImmutableFile),
    /// A published file, and the root of the tree of `chunks` in it.
    File(PublishedMapping, u32),
}

impl Backing {
    /// Calls `look` with the mapped bytes; `None` if there are none.
    pub(super) fn bytes<T>(&self, look: impl FnOnce(Bytes<'_>) -> Option<T>) -> Option<T> {
        match self {
            Backing::Sqlite(file) => {
                file.with_dependent(|_, open| look(open.table.as_ref()?.mapping.bytes()))
            }
            Backing::File(file, _) => look(file.bytes()),
        }
    }
}

self_cell::self_cell!(
    /// A connection to a file that no process changes, with its mapping, and with columns that stay
    /// open from read to read.
    pub(super) struct ImmutableFile {
        owner: Connection,
        #[not_covariant]
        dependent: Handles,
    }
);

pub(super) struct Handles<'c> {
    pub(super) columns: Columns<'c>,
    pub(super) table: Option<MappedTable<'c>>,
}

#[expect(unsafe_code, reason = "what stays open from read to read makes single reads several times faster")]
// SAFETY: the connection is Send. The columns are handles of the same connection, which a
// thread-safe SQLite lets any thread use, one at a time, and the mapping is memory of the process
// that this connection keeps. Neither is ever separated from its connection.
unsafe impl Send for ImmutableFile {}

impl std::fmt::Debug for MappedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MappedFile").field("ids", &self.ids).finish_non_exhaustive()
    }
}

/// The mapped table `chunks`, and the table `keys` if there is one.
pub(super) struct MappedTable<'c> {
    pub(super) mapping: Mapping<'c>,
    pub(super) root: u32,
    pub(super) keys_root: Option<u32>,
}

impl MappedTable<'_> {
    pub(super) fn new(connection: &Connection) -> Option<MappedTable<'_>> {
        let root = chunks_root(connection).ok().flatten()?;
        let mapping = Mapping::new(connection)?;
        let keys_root = keys_root(connection).ok().flatten();
        btree::has_corpus_pages(mapping.bytes()).then_some(MappedTable { mapping, root, keys_root })
    }
}

/// A record that cannot be read from the mapping: SQLite reads it, or reports the damage.
pub(super) struct Fallback;

impl From<Damage> for Fallback {
    fn from(_: Damage) -> Fallback {
        Fallback
    }
}

/// A mapped file while records are read from it.
pub(super) struct MappedReader<'s> {
    pub(super) file: Bytes<'s>,
    pub(super) root: u32,
    pub(super) ids: Range<u64>,
    pub(super) rows: &'s mut RowCache,
    pub(super) codec: &'s Codec,
    pub(super) checked: Option<&'s CheckedBlocks>,
}

/// A column of a row, and its blocks that were checked before.
struct MappedColumn<'s> {
    file: Bytes<'s>,
    row: &'s ChunkRow,
    start: usize,
    checked: Option<ChunkBlocks<'s>>,
}

impl ReadColumn<Fallback> for MappedColumn<'_> {
    #[inline]
    fn fetch(&mut self, at: usize, out: &mut [u8]) -> Result<(), Fallback> {
        self.row.copy(self.file, self.start + at, out).ok_or(Fallback)
    }

    #[inline]
    fn is_checked(&self, block: usize) -> bool {
        self.checked.is_some_and(|blocks| blocks.contains(block))
    }

    fn set_checked(&mut self, block: usize) {
        if let Some(blocks) = self.checked {
            blocks.insert(block);
        }
    }
}

/// Blocks of this many records are prefetched while others are checked.
const PREFETCH_RECORDS: usize = 4;

/// The prefetched beginning of a large block; the processor prefetches the rest while that is
/// copied.
const PREFETCH_BYTES: usize = 4096;

/// Scattered records of a chunk that are read at a time.
const MAX_BATCH: usize = 64;

impl MappedReader<'_> {
    fn row(&mut self, id: u64) -> Result<ChunkRow, Fallback> {
        let (file, root) = (self.file, self.root);
        if !self.ids.contains(&id) {
            return Err(Fallback);
        }
        self.rows.get(id, || btree::find(file, root, id)).ok_or(Fallback)
    }

    /// Reads records in any order.
    pub(super) fn read(
        &mut self,
        ids: &[u64],
        buffers: &mut RowBuffers<'_>,
        block: &mut Vec<u8>,
    ) -> Result<(), Fallback> {
        let (mut positions, mut start, mut prefetched) = ([0; MAX_BATCH], 0, 0);
        while start < ids.len() {
            let row = self.row(ids[start])?;
            let run =
                (ids[start]..row.end()).zip(&ids[start..]).take_while(|&(next, &id)| next == id).count();
            if run > 1 {
                self.prefetch(ids[start + run..].get(..1).unwrap_or_default(), buffers);
                self.read_neighbours(&row, ids[start], start..start + run, buffers, block)?;
                start += run;
                continue;
            }
            let (mut end, mut last) = (start, 0);
            for &id in ids[start..].iter().take(MAX_BATCH) {
                if id < last || !row.holds(id) {
                    break;
                }
                positions[end - start] = (id - row.first_id) as usize;
                (last, end) = (id, end + 1);
            }
            if prefetched < ids.len() && prefetched < end + PREFETCH_RECORDS {
                let until = ids.len().min(prefetched.max(start) + PREFETCH_RECORDS);
                self.prefetch(&ids[prefetched.max(start)..until], buffers);
                prefetched = until;
            }
            self.read_scattered(&row, &positions[..end - start], start, buffers, block)?;
            start = end;
        }
        Ok(())
    }

    /// Reads the records at ascending `positions` of a row; unitaries are written from the place
    /// `start` on.
    fn read_scattered(
        &self,
        row: &ChunkRow,
        positions: &[usize],
        start: usize,
        buffers: &mut RowBuffers<'_>,
        block: &mut Vec<u8>,
    ) -> Result<(), Fallback> {
        let (codec, span) = (self.codec, row.span());
        if let Some(out) = &mut buffers.unitaries {
            let mut emit = |index: usize, unitary: &[u8]| {
                out[(start + index) * unitary.len()..][..unitary.len()].copy_from_slice(unitary);
            };
            let (len, mut column) = (row.unitaries_len as usize, self.unitaries(row));
            codec.unitaries_at(span, len, positions, block, &mut column, &mut emit)?;
        }
        if let Some(circuits) = &mut buffers.circuits {
            let (len, mut column) = (row.circuits_len as usize, self.circuits(row));
            codec.circuits_at(span, len, positions, block, &mut column, circuits)?;
        }
        match &mut buffers.labels {
            Some(labels) => self.read_labels(row, positions.iter().copied(), labels, block),
            None => Ok(()),
        }
    }

    /// Prefetches the blocks of some records whose chunks are in the row cache.
    fn prefetch(&self, ids: &[u64], buffers: &RowBuffers<'_>) {
        let (mut spans, mut len) = ([(0, 0); 4 * PREFETCH_RECORDS], 0);
        let mut ask = |row: &ChunkRow, at, bytes: usize| {
            let Some((start, there)) = row.place(at) else { return };
            // Finding a page in memory takes as long as fetching a line of it, so both are begun
            // for all pages at once.
            self.file.prefetch(start, 1);
            spans[len] = (start, bytes.min(there).min(PREFETCH_BYTES));
            len += 1;
        };
        for &id in ids.iter().take(PREFETCH_RECORDS) {
            let Some(row) = self.rows.found(id) else { continue };
            let (position, count) = ((id - row.first_id) as usize, row.count.into());
            if buffers.unitaries.is_some() {
                let (block, check) = self.codec.unitary_block(count, position);
                let size = self.codec.unitary_bytes();
                if self.unitaries(row).is_checked(position / self.codec.unitaries_in_block() as usize) {
                    ask(row, row.unitaries_at() + position * size, size);
                } else {
                    ask(row, row.unitaries_at() + block.start, block.len());
                    ask(row, row.unitaries_at() + check, 8);
                }
            }
            if buffers.circuits.is_some() {
                let (entry, block) = self.codec.circuit_block(count, row.circuits_len as usize, position);
                ask(row, entry.start, entry.len());
                ask(row, block.start, block.len());
            }
        }
        for &(start, bytes) in &spans[..len] {
            self.file.prefetch(start, bytes);
        }
    }

    /// Reads consecutive records.
    pub(super) fn read_run(
        &mut self,
        ids: Range<u64>,
        buffers: &mut RowBuffers<'_>,
        block: &mut Vec<u8>,
    ) -> Result<(), Fallback> {
        let mut next = ids.start;
        while next < ids.end {
            let row = self.row(next)?;
            let end = ids.end.min(row.end());
            let places = (next - ids.start) as usize..(end - ids.start) as usize;
            self.read_neighbours(&row, next, places, buffers, block)?;
            next = end;
        }
        Ok(())
    }

    /// Reads consecutive records of a row, from `first` on; unitaries are written to these
    /// `places`.
    fn read_neighbours(
        &self,
        row: &ChunkRow,
        first: u64,
        places: Range<usize>,
        buffers: &mut RowBuffers<'_>,
        block: &mut Vec<u8>,
    ) -> Result<(), Fallback> {
        let (codec, span, start) = (self.codec, row.span(), (first - row.first_id) as usize);
        let positions = start..start + places.len();
        if let Some(out) = &mut buffers.unitaries {
            let (size, len) = (codec.unitary_bytes(), row.unitaries_len as usize);
            let out = &mut out[places.start * size..places.end * size];
            codec.unitaries_in(span, len, positions.clone(), block, &mut self.unitaries(row), out)?;
        }
        if let Some(circuits) = &mut buffers.circuits {
            let len = row.circuits_len as usize;
            codec.circuits_in(span, len, positions.clone(), block, &mut self.circuits(row), circuits)?;
        }
        match &mut buffers.labels {
            Some(labels) => self.read_labels(row, positions, labels, block),
            None => Ok(()),
        }
    }

    #[inline]
    fn unitaries<'r>(&'r self, row: &'r ChunkRow) -> MappedColumn<'r> {
        let set = self.checked.map(|checked| &checked.unitaries);
        self.column(row, row.unitaries_at(), set)
    }

    #[inline]
    fn circuits<'r>(&'r self, row: &'r ChunkRow) -> MappedColumn<'r> {
        self.column(row, 0, self.checked.map(|checked| &checked.circuits))
    }

    /// Returns the column of a row that begins at `start`.
    #[inline]
    fn column<'r>(&'r self, row: &'r ChunkRow, start: usize, set: Option<&'r BlockSet>) -> MappedColumn<'r> {
        let checked = set.map(|set| set.of_chunk(row.span()));
        MappedColumn { file: self.file, row, start, checked }
    }

    /// Appends the labels of the records at these positions of a row.
    fn read_labels(
        &self,
        row: &ChunkRow,
        positions: impl ExactSizeIterator<Item = usize>,
        labels: &mut Vec<GivenLabels>,
        block: &mut Vec<u8>,
    ) -> Result<(), Fallback> {
        if row.labels_len == 0 {
            labels.resize_with(labels.len() + positions.len(), BTreeMap::new);
            return Ok(());
        }
        block.resize(row.labels_len as usize, 0);
        row.copy(self.file, row.labels_at(), block).ok_or(Fallback)?;
        let packed = self.codec.labels(row.span(), Some(block))?;
        for position in positions {
            labels.push(packed.get(position)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::immutable::MIN_TRUSTED;
    use crate::{Corpus, CorpusFile, Durability, GenerateOptions, Ids, Order, Recipe, Writer, WriterOptions};
    use qorpus_core::{Alphabet, Circuits, Coupling, Dtype, Gate, Label, Space};
    use std::path::Path;

    fn recipe(qubits: usize, records: u64, stored: bool) -> Recipe {
        let gates = ["h", "s", "t"].map(|name| Gate::standard(name).unwrap());
        let alphabet = Alphabet::new(gates.into(), qubits, Coupling::All).unwrap();
        let space = Space::random(&alphabet, records, 1, 0, 14).unwrap();
        Recipe::new(alphabet, space, Dtype::Complex64, stored)
    }

    fn generated(path: &Path, recipe: &Recipe) -> CorpusFile {
        let options = GenerateOptions { durability: Durability::Off, ..GenerateOptions::default() };
        crate::generate(path, recipe, options, &false.into(), &mut |_| ()).unwrap();
        CorpusFile::open(path).unwrap()
    }

    /// Appends the records of `recipe` in groups of these sizes, in turn, each a chunk or more.
    fn appended(path: &Path, recipe: &Recipe, groups: &[u64], labelled: bool) -> CorpusFile {
        let options = WriterOptions {
            gates: Some("h,s,t".into()),
            qubits: Some(recipe.alphabet().qubits()),
            durability: Durability::Off,
            ..WriterOptions::default()
        };
        let writer = Writer::open(path, &options).unwrap();
        let (mut next, mut groups) = (0, groups.iter().cycle());
        while next < recipe.space().len() {
            let end = recipe.space().len().min(next + groups.next().unwrap());
            let mut circuits = Circuits::default();
            recipe.space().circuits(next..end, &mut circuits);
            for (circuit, id) in circuits.iter().zip(next..) {
                let labels = [("id_too", Label::Integer(id as i64))];
                writer.append(circuit, None, if labelled && id % 3 == 0 { &labels } else { &[] }).unwrap();
            }
            writer.flush().unwrap();
            next = end;
        }
        writer.close().unwrap();
        CorpusFile::open(path).unwrap()
    }

    #[test]
    fn a_read_that_leaves_the_mapping_half_way_gives_each_record_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        for stored in [false, true] {
            std::fs::remove_file(&path).ok();
            let options = WriterOptions {
                gates: Some("h,s,t".into()),
                qubits: Some(1),
                unitaries: stored,
                durability: Durability::Off,
                ..WriterOptions::default()
            };
            let append = |letter| {
                let writer = Writer::open(&path, &options).unwrap();
                writer.append(&[letter], None, &[("letter", Label::Integer(letter.into()))]).unwrap();
                writer.close().unwrap();
            };
            append(0);
            let corpus = CorpusFile::open(&path).unwrap();
            assert!(corpus.is_mapped().unwrap());
            append(1);
            // It does not look for writers meanwhile, so that record 1 is beyond its mapping.
            corpus.polled.set(Some(std::time::Duration::MAX));
            let (mut circuits, mut labels) = (Circuits::default(), Vec::new());
            let mut unitaries = vec![0; 2 * corpus.unitary_bytes()];
            let buffers = RowBuffers {
                circuits: Some(&mut circuits),
                unitaries: Some(&mut unitaries),
                labels: Some(&mut labels),
            };
            corpus.rows(&Ids::List(&[0, 1]), buffers).unwrap();
            assert_eq!(circuits.iter().collect::<Vec<_>>(), [[0], [1]]);
            assert_eq!(unitaries, corpus.compute(&circuits));
            assert_eq!(labels.len(), 2);
        }
    }

    /// Whether all records come from the mapping, and are those of the recipe, in any order and in
    /// runs.
    fn is_mapped_and_right(corpus: &CorpusFile, recipe: &Recipe, labelled: bool) -> bool {
        let (len, size) = (recipe.space().len(), corpus.unitary_bytes());
        let mut made = Circuits::default();
        recipe.space().circuits(0..len, &mut made);
        let unitaries = corpus.compute(&made);
        let shuffled = qorpus_core::Permutation::new(len, 7);
        let blocks = qorpus_core::Permutation::new(len.div_ceil(50), 7);
        let block = |place| blocks.apply(place) * 50..len.min((blocks.apply(place) + 1) * 50);
        let lists: [Vec<u64>; 4] = [
            (0..len).collect(),
            (0..len).rev().collect(),
            (0..len).map(|place| shuffled.apply(place)).chain([0, 0, 5, 5, 4]).collect(),
            (0..blocks.len()).flat_map(block).collect(),
        ];
        let runs = [0..len, 1..len, 0..1, 3..len - 3, len - 1..len, len / 2..len.min(len / 2 + 40)];
        let lists = lists.iter().map(Ids::from).chain(runs.map(Ids::from));
        for asked in lists {
            let ids = asked.list();
            assert_eq!(asked.len(), ids.len());
            let (mut circuits, mut labels) = (Circuits::default(), Vec::new());
            let mut out = vec![0; ids.len() * size];
            let stored = corpus.recipe().stores_unitaries();
            let mut buffers = RowBuffers {
                circuits: Some(&mut circuits),
                unitaries: stored.then_some(&mut out),
                labels: labelled.then_some(&mut labels),
            };
            if !corpus.read_mapped(&asked, &mut buffers).unwrap() {
                return false;
            }
            for (place, &id) in ids.iter().enumerate() {
                assert_eq!(circuits.get(place), made.get(id as usize), "{id}");
                let expected = &unitaries[id as usize * size..][..size];
                assert!(!stored || &out[place * size..][..size] == expected, "unitary {id}");
                if labelled {
                    let expected = (id % 3 == 0).then_some(Label::Integer(id as i64));
                    assert_eq!(labels[place].get("id_too"), expected.as_ref());
                }
            }
        }
        // Those that are not there are left to others.
        assert!(!corpus.read_mapped(&(0..len + 1).into(), &mut RowBuffers::default()).unwrap());
        assert!(!corpus.read_mapped(&(&[0, len]).into(), &mut RowBuffers::default()).unwrap());
        true
    }

    #[test]
    fn records_of_still_files_come_from_the_mapping() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for qubits in [1, 2, 3] {
            for (name, stored) in [("stored", true), ("derived", false)] {
                let recipe = recipe(qubits, 3_000, stored);
                let corpus = generated(&path(&format!("{name} {qubits}.db")), &recipe);
                assert!(is_mapped_and_right(&corpus, &recipe, false));
            }
        }
        let recipe = recipe(1, 4_000, true);
        for (name, groups, labelled) in
            [("tiny", &[1, 2, 3, 70][..], false), ("full", &[4_000], false), ("labelled", &[600, 7], true)]
        {
            let path = path(&format!("{name}.db"));
            // Appended unitaries are of the default precision.
            let corpus = appended(&path, &recipe, groups, labelled);
            assert!(is_mapped_and_right(&corpus, &recipe, labelled), "{name}");
        }
    }

    #[test]
    fn chunks_of_several_pages_come_from_the_mapping_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("labelled.db");
        let narrow = recipe(1, 4_000, true);
        assert!(is_mapped_and_right(&appended(&path, &narrow, &[4_000], true), &narrow, true));
        let path = directory.path().join("wide.db");
        let recipe = recipe(7, 9, true);
        let corpus = generated(&path, &recipe);
        assert!(is_mapped_and_right(&corpus, &recipe, false));
        let (reader, made) = (Corpus::open(&[path]).unwrap(), Corpus::computed(recipe).unwrap());
        let ids = [8, 0, 3, 3];
        assert_eq!(reader.rows(&ids, Order::Little).unwrap(), made.rows(&ids, Order::Little).unwrap());
    }

    /// Sets the time of the file's last change back, so that its state counts as settled.
    fn settle(path: &Path) -> std::time::SystemTime {
        let before = std::time::SystemTime::now() - std::time::Duration::from_secs(3_600);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(before).unwrap();
        before
    }

    /// Flips a bit of the file, with the old or the present time of its last change.
    fn flip(path: &Path, at: usize, time: Option<std::time::SystemTime>) {
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at as u64).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], at as u64).unwrap();
        if let Some(time) = time {
            file.set_modified(time).unwrap();
        }
    }

    #[test]
    fn a_block_is_checked_once_while_the_file_stays_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        let recipe = recipe(1, 3_000, true);
        drop(generated(&path, &recipe));
        let time = settle(&path);
        let corpus = CorpusFile::open(&path).unwrap();
        let mut made = Circuits::default();
        recipe.space().circuits(0..3_000, &mut made);
        let whole = corpus.compute(&made);
        // Of few records, every block is checked always.
        let read = |corpus: &CorpusFile, id: u64, times: usize| {
            let (mut circuits, mut out) = (Circuits::default(), vec![0; 32 * times]);
            let buffers = RowBuffers {
                circuits: Some(&mut circuits),
                unitaries: Some(&mut out),
                ..RowBuffers::default()
            };
            let rows = corpus.rows(&Ids::List(&vec![id; times]), buffers);
            rows.map(|()| (circuits.get(0).to_vec(), out[..32].to_vec()))
        };
        let (alone, read) = (|id| read(&corpus, id, 1), |id| read(&corpus, id, MIN_TRUSTED));
        let right = |id: u64| (made.get(id as usize).to_vec(), whole[id as usize * 32..][..32].to_vec());
        // A block holds 32 unitaries, and the column is a plain array.
        let (bytes, root) = (std::fs::read(&path).unwrap(), chunks_root(corpus.connection().unwrap()));
        let row = btree::find(bytes[..].into(), root.unwrap().unwrap(), 0).unwrap();
        let (column, _) = row.place(row.unitaries_at()).unwrap();
        assert_eq!(bytes[column..][..2_048], whole[..2_048]);
        assert_eq!(read(5).unwrap(), right(5));
        flip(&path, column + 7 * 32, Some(time));
        flip(&path, column + 40 * 32, Some(time));
        // Damage behind a check stays unnoticed, and no other record is touched by it.
        let mut damaged = right(7);
        damaged.1[0] ^= 0x10;
        assert_eq!(read(7).unwrap(), damaged);
        assert_eq!(read(6).unwrap(), right(6));
        // All handles of a process share what was checked.
        let other = CorpusFile::open(&path).unwrap();
        let mut out = vec![0; 32 * MIN_TRUSTED];
        let buffers = RowBuffers { unitaries: Some(&mut out), ..RowBuffers::default() };
        assert!(other.rows(&Ids::List(&[7; MIN_TRUSTED]), buffers).is_ok());
        assert!(matches!(alone(7), Err(crate::Error::DamagedChunk { .. })));
        // A block that was not read before is checked.
        assert!(matches!(read(41), Err(crate::Error::DamagedChunk { .. })));
        // Every block of a file in another state is, also before the next look for writers: so pages of
        // a transaction that will be rolled back are not believed.
        corpus.polled.set(Some(std::time::Duration::MAX));
        flip(&path, column + 7 * 32, None);
        flip(&path, column + 8 * 32, None);
        assert!(matches!(read(7), Err(crate::Error::DamagedChunk { .. })));
        for corpus in [&corpus, &other, &CorpusFile::open(&path).unwrap()] {
            corpus.polled.set(None);
            let buffers = RowBuffers { unitaries: Some(&mut [0; 32]), ..RowBuffers::default() };
            assert!(matches!(corpus.rows(&Ids::List(&[7]), buffers), Err(crate::Error::DamagedChunk { .. })));
        }
        flip(&path, column + 8 * 32, None);
        corpus.polled.set(None);
        assert_eq!(read(7).unwrap(), right(7));
    }

    #[test]
    fn checked_blocks_are_read_right_in_any_order() {
        let directory = tempfile::tempdir().unwrap();
        for (qubits, stored) in [(1, true), (2, true), (3, true), (2, false)] {
            let path = directory.path().join(format!("{qubits} {stored}.db"));
            let recipe = recipe(qubits, 3_000, stored);
            drop(generated(&path, &recipe));
            settle(&path);
            let corpus = CorpusFile::open(&path).unwrap();
            for _ in 0..2 {
                assert!(is_mapped_and_right(&corpus, &recipe, false));
                assert!(corpus.mapped.borrow().as_ref().is_some_and(|mapped| mapped.checked.is_some()));
            }
        }
    }

    #[test]
    fn a_transaction_ends_the_trust_in_checks() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        drop(generated(&path, &recipe(1, 3_000, true)));
        settle(&path);
        let corpus = CorpusFile::open(&path).unwrap();
        let mut out = vec![0; 32 * MIN_TRUSTED];
        let mut is_mapped = |corpus: &CorpusFile| {
            let mut buffers = RowBuffers { unitaries: Some(&mut out), ..RowBuffers::default() };
            corpus.read_mapped(&Ids::List(&[5; MIN_TRUSTED]), &mut buffers).unwrap()
        };
        assert!(is_mapped(&corpus) && is_mapped(&corpus));
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("CREATE TABLE mine (x)").unwrap();
        // It does not look for writers meanwhile.
        corpus.polled.set(Some(std::time::Duration::MAX));
        assert!(!is_mapped(&corpus), "the file's version is another one");
        assert!(is_mapped(&corpus), "and the file is mapped again");
    }

    #[test]
    fn damage_in_the_mapping_is_not_believed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("damaged.db");
        let recipe = recipe(1, 3_000, true);
        let (corpus, made) = (generated(&path, &recipe), Corpus::computed(recipe).unwrap());
        let all: Vec<u64> = (0..3_000).collect();
        let whole = made.rows(&all, Order::Big).unwrap();
        drop(corpus);
        let intact = std::fs::read(&path).unwrap();
        for at in (0..intact.len()).step_by(1_009) {
            let mut bytes = intact.clone();
            bytes[at] ^= 0x10;
            std::fs::write(&path, &bytes).unwrap();
            // What is refused as a whole is refused.
            let Ok(reader) = Corpus::open(std::slice::from_ref(&path)) else { continue };
            for id in (0..3_000).step_by(37) {
                // Each record is right, or an error says that it is not.
                let Ok(rows) = reader.rows(&[id], Order::Big) else { continue };
                assert_eq!(rows.circuits.get(0), whole.circuits.get(id as usize), "byte {at}");
                assert!(rows.unitaries == whole.unitaries[id as usize * 32..][..32], "byte {at}");
            }
        }
    }
}
