//! Committing a level: survivors become records, in chunks, with the index that leads to them.

use crate::corpus::corpus_file::CorpusFile;
use crate::distinct::candidate::Shortest;
use crate::distinct::context::Context;
use crate::distinct::frontier::Frontier;
use crate::distinct::index_builder::{FILL_BYTES, IndexBlock, IndexFill};
use crate::distinct::job::Enumeration;
use crate::distinct::parallel::parallel;
use crate::distinct::progress::Phase;
use crate::distinct::radix_sort::SortBuffer;
use crate::error::Result;
use crate::tables::chunks::{insert_chunks, totals};
use crate::tables::levels::Level;
use qorpus_core::{Chunk, Circuits};
use std::ops::Range;

/// Circuits whose survivors are sorted together. As this does not depend on the memory, neither do
/// the chunks.
pub(super) const ORDERED_PARENTS: u64 = 1 << 15;

/// The approximate bytes of a commit.
pub(super) const COMMIT_BYTES: usize = 16 << 20;

/// Bytes of results that may be prepared while others are committed.
const WAITING_BYTES: usize = 2 * COMMIT_BYTES;

/// The approximate bytes of a record with its labels.
const RECORD_BYTES: usize = 20;

/// The pieces of the frontier, and the records that come from them.
pub(super) struct RecordPieces<'a> {
    pub(super) parents: &'a [(Range<u64>, u32)],
    /// The id of each piece's first record, and of the one after the last.
    pub(super) first_ids: &'a [u64],
    pub(super) cost: u32,
}

/// Chunks and blocks of the index that are committed together.
#[derive(Default)]
struct CommitBatch {
    chunks: Vec<Chunk>,
    blocks: Vec<IndexBlock>,
}

impl CommitBatch {
    fn bytes(&self) -> usize {
        let blocks = self.blocks.iter().map(|(_, bytes)| bytes.len());
        self.chunks.iter().map(Chunk::bytes).chain(blocks).sum()
    }
}

impl Enumeration<'_> {
    /// Begins the records of a level, some of which may exist already.
    pub(super) fn begin_records(&self, level: &Level) -> Result<()> {
        let present = self.writer.read(|transaction| totals(transaction))?.0;
        self.reporter.begin(Phase::Ordering, present - level.first_id, level.records);
        self.reporter.update(|progress| progress.records = present);
        Ok(())
    }

    /// Commits the records that are missing, piece by piece, and in between the blocks of an index.
    /// `survivors` appends those of a piece, sorted by origin. False if it was stopped.
    pub(super) fn record(
        &self,
        RecordPieces { parents, first_ids, cost }: &RecordPieces<'_>,
        survivors: &(impl Fn(usize, &mut SortBuffer<Shortest>) -> Result<()> + Sync),
        index: Option<&IndexFill>,
    ) -> Result<bool> {
        let resources = &self.resources;
        let present = self.writer.read(|transaction| totals(transaction))?.0;
        let done = first_ids[1..].partition_point(|&end| end <= present);
        let missing = index.map_or(Ok(0..0), |index| index.missing(&self.writer))?;
        let (records, fills) = (parents.len() - done, (missing.end - missing.start) as usize);
        type State = (CorpusFile, Frontier, SortBuffer<Shortest>);
        let begin = || Ok((CorpusFile::open(resources.path)?, Frontier::default(), SortBuffer::default()));
        // Both kinds of work alternate, so that they end at the same time.
        let recorded = |place: usize| place * records / (records + fills);
        let work = |(corpus, frontier, buffer): &mut State, place: usize| {
            if let Some(index) = index.filter(|_| recorded(place + 1) == recorded(place)) {
                let range = missing.start + (place - recorded(place)) as u64;
                return Ok(CommitBatch { blocks: index.blocks(resources, range)?, ..CommitBatch::default() });
            }
            let piece = done + recorded(place);
            buffer.rows.clear();
            survivors(piece, buffer)?;
            let (ids, first_id) = (parents[piece].0.clone(), first_ids[piece]);
            let chunks = resources.context.chunks(corpus, frontier, ids, &buffer.rows, first_id, *cost)?;
            Ok(CommitBatch { chunks, ..CommitBatch::default() })
        };
        let (mut batch, mut bytes) = (CommitBatch::default(), 0);
        let mut finish = |_: usize, more: CommitBatch| {
            bytes += more.bytes();
            batch.chunks.extend(more.chunks);
            batch.blocks.extend(more.blocks);
            if bytes < COMMIT_BYTES {
                return Ok(());
            }
            bytes = 0;
            self.commit(std::mem::take(&mut batch), index)
        };
        let all = (first_ids[parents.len()] - first_ids[done]) as usize * RECORD_BYTES + fills * FILL_BYTES;
        let mean = (all / (records + fills).max(1)).max(1);
        let threads = resources.threads().ahead(WAITING_BYTES / mean);
        let complete = parallel(threads, records + fills, &begin, &work, &mut finish, &mut || {})?;
        self.commit(batch, index)?;
        Ok(complete)
    }

    fn commit(&self, CommitBatch { chunks, blocks }: CommitBatch, index: Option<&IndexFill>) -> Result<()> {
        let (new, _) = self.writer.write(|transaction| {
            if let Some(IndexFill { index, .. }) = index {
                blocks.iter().try_for_each(|(block, bytes)| index.insert(transaction, *block, bytes))?;
            }
            insert_chunks(transaction, &chunks)
        })?;
        self.reporter.report(|progress| {
            progress.records += new;
            progress.done += new;
        });
        Ok(())
    }
}

impl Context {
    /// Encodes the chunks of survivors, sorted by origin, that come from the circuits `ids`.
    fn chunks(
        &self,
        corpus: &CorpusFile,
        frontier: &mut Frontier,
        ids: Range<u64>,
        survivors: &[Shortest],
        first_id: u64,
        cost: u32,
    ) -> Result<Vec<Chunk>> {
        let letters = self.letter_count();
        let (mut chunks, mut circuits, mut start, mut next) = (Vec::new(), Circuits::default(), 0, 0);
        corpus.visit_frontier(ids, frontier, Frontier::decode_circuits, |frontier| {
            let end = frontier.first_id + frontier.rows.end as u64;
            while let Some(row) = survivors.get(next).filter(|row| row.origin / letters < end) {
                let parent = frontier.circuits.get((row.origin / letters - frontier.first_id) as usize);
                circuits.push_longer(parent, (row.origin % letters) as u16);
                next += 1;
                if circuits.len() as u64 == self.recipe.chunk_records() {
                    let first_id = first_id + start as u64;
                    chunks.push(self.chunk(first_id, &circuits, &survivors[start..next], cost));
                    circuits.clear();
                    start = next;
                }
            }
            Ok(())
        })?;
        if !circuits.is_empty() {
            chunks.push(self.chunk(first_id + start as u64, &circuits, &survivors[start..next], cost));
        }
        Ok(chunks)
    }
}
