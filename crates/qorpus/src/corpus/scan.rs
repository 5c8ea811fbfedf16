//! Scanning: the chunks of a file in order, each checked as a whole.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::record::GivenLabels;
use crate::corpus::rows::SCAN_BYTES;
use crate::error::{ChunkDamage, Result};
use qorpus_core::{Chunk, ChunkRef, ChunkSpan, Circuits, ContentHash, PackedLabels};
use rusqlite::{Connection, Row};
use std::collections::BTreeSet;
use std::ops::Range;

impl CorpusFile {
    /// Calls `visit` with the existing chunks, in order, from chunk `numbers.start` to the end of
    /// `numbers`. Each chunk is fully checked; a transaction lasts for a few megabytes only.
    pub(crate) fn scan(
        &self,
        numbers: Range<u64>,
        visit: &mut dyn FnMut(&Batch<'_>) -> Result<()>,
    ) -> Result<()> {
        let (mut next, mut circuits, mut part) = (numbers.start, Circuits::default(), Circuits::default());
        while next < numbers.end {
            let (chunks, until) =
                self.chunks(next..numbers.end.min(next.saturating_add(self.scan_chunks())))?;
            for (number, chunk) in chunks {
                let (chunk, damaged) = (chunk.as_ref(), |damage| self.damaged(number, damage));
                let records = self.records_of(&chunk, number).map_err(damaged)?;
                // This checks the count too.
                self.codec().decode(&chunk, &mut circuits).map_err(|damage| damaged(damage.into()))?;
                circuits.truncate(records);
                let stored =
                    self.codec().unitaries(&chunk, 0..records).map_err(|damage| damaged(damage.into()))?;
                let place = ChunkSpan { first_id: chunk.first_id, count: chunk.count };
                let labels =
                    self.codec().labels(place, chunk.labels).map_err(|damage| damaged(damage.into()))?;
                let labels = BatchLabels { packed: &labels, first: 0 };
                if !stored.is_empty() {
                    let first_id = chunk.first_id;
                    visit(&Batch { number, first_id, circuits: &circuits, unitaries: stored, labels })?;
                    continue;
                }
                // A chunk without unitaries holds thousands of records; on eight qubits each
                // unitary takes a megabyte, and on more there are none.
                let at_once = (SCAN_BYTES as usize / self.unitary_bytes().max(1)).max(1);
                for start in (0..circuits.len()).step_by(at_once) {
                    part.clear();
                    for position in start..circuits.len().min(start + at_once) {
                        part.push_circuit(circuits.circuit(position));
                    }
                    let (first_id, unitaries) = (chunk.first_id + start as u64, &self.compute(&part));
                    let labels = BatchLabels { first: start, ..labels };
                    visit(&Batch { number, first_id, circuits: &part, unitaries, labels })?;
                }
            }
            next = until;
        }
        Ok(())
    }

    /// Returns the names of the labels that some record of these chunks has as a real. No other
    /// column is read.
    pub(crate) fn real_labels(&self, numbers: Range<u64>) -> Result<BTreeSet<String>> {
        let (mut next, mut names) = (numbers.start, BTreeSet::new());
        let stride = self.recipe().stride();
        while next < numbers.end {
            let until = numbers.end.min(next.saturating_add(self.scan_chunks()));
            let damage = self.read(|connection| {
                let mut statement = connection.prepare_cached(SELECT_LABELS)?;
                let mut rows = statement.query(id_bounds(&(next..until), stride))?;
                while let Some(row) = rows.next()? {
                    let place = ChunkSpan { first_id: row.get(0)?, count: row.get(1)? };
                    match self.codec().labels(place, row.get_ref(2)?.as_blob_or_null()?) {
                        Ok(packed) => names.extend(packed.reals().map(str::to_owned)),
                        Err(damage) => return Ok(Some((place.first_id / stride, damage))),
                    }
                }
                Ok(None)
            })?;
            if let Some((number, damage)) = damage {
                return Err(self.damaged(number, damage.into()));
            }
            next = until;
        }
        Ok(names)
    }

    /// Returns the number of chunks that a scan reads in one transaction.
    pub(crate) fn scan_chunks(&self) -> u64 {
        let chunks = (SCAN_BYTES / self.recipe().typical_chunk_bytes()).max(1);
        if self.recipe().space().is_appended() { chunks * self.recipe().chunk_records() } else { chunks }
    }

    /// Returns the existing chunks among `numbers` as they are stored, read in one transaction, and
    /// the number at which to continue: the end, unless the chunks are so large that they are read
    /// in several calls.
    pub(crate) fn chunks(&self, numbers: Range<u64>) -> Result<(Vec<(u64, Chunk)>, u64)> {
        self.read(|connection| self.chunks_in(connection, numbers))
    }

    /// Reads chunks as [`chunks`](CorpusFile::chunks) does, within a transaction.
    pub(crate) fn chunks_in(
        &self,
        connection: &Connection,
        numbers: Range<u64>,
    ) -> rusqlite::Result<(Vec<(u64, Chunk)>, u64)> {
        let stride = self.recipe().stride();
        let mut statement = connection.prepare_cached(SELECT_CHUNKS)?;
        let mut rows = statement.query(id_bounds(&numbers, stride))?;
        let (mut chunks, mut bytes) = (Vec::<(u64, Chunk)>::new(), 0);
        while let Some(row) = rows.next()? {
            let chunk = chunk_of(row)?;
            let ChunkRef { first_id, count, checksum, content, .. } = chunk;
            let number = first_id / stride;
            let again = chunks.last().is_some_and(|(last, _)| *last == number);
            let (unitaries, labels) = (chunk.unitaries.map(<[u8]>::to_vec), chunk.labels.map(<[u8]>::to_vec));
            let circuits = chunk.circuits.to_vec();
            let owned = Chunk { first_id, count, checksum, content, circuits, unitaries, labels };
            bytes += owned.bytes();
            chunks.push((number, owned));
            // Two rows with one number are damage, which the pair shows.
            if again || bytes > MAX_BYTES {
                return Ok((chunks, number + 1));
            }
        }
        Ok((chunks, numbers.end))
    }

    /// Returns how many records of this recipe chunk `number` has: the last one may have more, if the
    /// file has grown.
    fn records_of(&self, chunk: &ChunkRef<'_>, number: u64) -> Result<usize, ChunkDamage> {
        let ids = self.recipe().chunk_ids(number);
        let own = ids.end - ids.start;
        let is_last = !self.recipe().space().is_appended() && own < self.recipe().chunk_records();
        if is_last
            && chunk.first_id == ids.start
            && (own..=self.recipe().chunk_records()).contains(&chunk.count)
        {
            return Ok(own as usize);
        }
        self.check_ids(chunk, number)?;
        usize::try_from(chunk.count).map_err(|_| ChunkDamage::Ids)
    }

    /// Returns whether ids and count are those of chunk `number`.
    pub(crate) fn check_ids(&self, chunk: &ChunkRef<'_>, number: u64) -> Result<(), ChunkDamage> {
        let ids = self.recipe().chunk_ids(number);
        let fits = if self.recipe().space().is_appended() {
            (1..=self.recipe().chunk_records()).contains(&chunk.count)
        } else {
            chunk.count == ids.end - ids.start
        };
        if fits && chunk.first_id == ids.start { Ok(()) } else { Err(ChunkDamage::Ids) }
    }
}

/// Returns the first ids of chunks with these numbers, and the bound behind them.
fn id_bounds(numbers: &Range<u64>, stride: u64) -> [u64; 2] {
    [numbers.start, numbers.end].map(|number| number.saturating_mul(stride).min(i64::MAX as u64))
}

/// The bytes at which a read ends early: labels may be long, and many rows of an untrusted file may
/// share pages.
const MAX_BYTES: usize = 4 * SCAN_BYTES as usize;

const SELECT_CHUNKS: &str =
    "SELECT first_id, count, checksum, content, circuits, unitaries, labels FROM chunks
     WHERE first_id >= ?1 AND first_id < ?2 ORDER BY first_id";

const SELECT_LABELS: &str = "SELECT first_id, count, labels FROM chunks
     WHERE first_id >= ?1 AND first_id < ?2 AND labels IS NOT NULL ORDER BY first_id";

/// Some consecutive records, decoded and checked.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    /// The number of their chunk.
    pub(crate) number: u64,
    pub(crate) first_id: u64,
    pub(crate) circuits: &'a Circuits,
    /// Row-major, little-endian, with the corpus's precision.
    pub(crate) unitaries: &'a [u8],
    /// The labels that came with the records.
    pub(crate) labels: BatchLabels<'a>,
}

/// The labels of some consecutive records of a chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLabels<'a> {
    packed: &'a PackedLabels<'a>,
    /// The first of the records, counted in the chunk.
    first: usize,
}

impl BatchLabels<'_> {
    /// Returns the labels of the record at `position` of the batch.
    pub(crate) fn get(self, position: usize) -> Result<GivenLabels, ChunkDamage> {
        Ok(self.packed.get(self.first + position)?)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Durability, Label, VerifyOptions, Writer, WriterOptions, verify};

    #[test]
    fn chunks_with_long_labels_are_read_in_several_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        let options = WriterOptions {
            gates: Some("h".into()),
            qubits: Some(1),
            durability: Durability::Off,
            ..WriterOptions::default()
        };
        let writer = Writer::open(&path, &options).unwrap();
        let text = Label::Text("x".repeat(MAX_BYTES / 4));
        for _ in 0..10 {
            writer.append(&[0], None, &[("text", text.clone())]).unwrap();
            writer.flush().unwrap();
        }
        writer.close().unwrap();
        let corpus = CorpusFile::open(&path).unwrap();
        let (chunks, until) = corpus.chunks(0..10).unwrap();
        assert!((1..10).contains(&chunks.len()) && until == chunks.len() as u64);
        let mut ids = Vec::new();
        let mut visit = |batch: &Batch<'_>| {
            ids.push(batch.first_id);
            Ok(())
        };
        corpus.scan(0..10, &mut visit).unwrap();
        assert_eq!(ids, (0..10).collect::<Vec<_>>());
        let found = verify(&path, VerifyOptions::default(), &false.into(), &|_| {}).unwrap();
        assert!(found.is_clean() && found.records == 10);
    }
}
