//! Survivors become records: circuits from those they come from, labels, chunks, commits, and the index that leads to them.

use super::expand::Parents;
use super::levels::Index;
use super::parallel::parallel;
use super::rows::{Room, Shortest};
use super::rules::Rules;
use super::{EnumerateProgress, Job, Level, Phase, Report};
use crate::error::Result;
use crate::reader::Corpus;
use crate::store::{self, Store, insert_chunks};
use qorpus_core::{Chunk, Circuits};
use std::ops::Range;

/// The circuits whose successors are put in order together; so it does not depend on the memory how records are cut into
/// chunks.
pub(super) const ORDERED_TOGETHER: u64 = 1 << 15;

/// A commit carries about this many bytes.
pub(super) const GROUP_BYTES: usize = 16 << 20;

/// A record takes about this many bytes, labels included.
const RECORD_BYTES: usize = 20;

impl Job<'_> {
    /// The records of a level come next, of which some may be there.
    pub(super) fn orders(&self, level: &Level, progress: &mut EnumerateProgress) -> Result<()> {
        let there = self.store.read(|transaction| store::totals(transaction))?.0;
        (progress.phase, progress.of, progress.records) = (Phase::Ordering, level.records, there);
        progress.done = there - level.first_id;
        Ok(())
    }

    /// Makes records of what comes from the circuits `pieces`, piece by piece, and commits those that are not there yet. `found`
    /// gets what comes from a piece in the order of origins; `starts` are the ids of each piece's first record, and of the one
    /// behind the last.
    pub(super) fn record(
        &self,
        pieces: &[(Range<u64>, u32)],
        starts: &[u64],
        cost: u32,
        found: &(impl Fn(usize, &mut Room<Shortest>) -> Result<()> + Sync),
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<bool> {
        let task = &self.task;
        let there = self.store.read(|transaction| store::totals(transaction))?.0;
        let begun = starts[1..].partition_point(|&end| end <= there);
        let begin = || Ok((Corpus::open(task.path)?, Parents::default(), Room::default()));
        let work = |(corpus, parents, room): &mut (Corpus, Parents, Room<Shortest>), place: usize| {
            let piece = begun + place;
            room.rows.clear();
            found(piece, room)?;
            task.rules.records(corpus, parents, pieces[piece].0.clone(), &room.rows, starts[piece], cost)
        };
        let (mut group, mut bytes) = (Vec::new(), 0);
        let mut commit = |group: &mut Vec<Chunk>| {
            let new = self.store.write(|transaction| insert_chunks(transaction, group))?;
            group.clear();
            progress.records += new.0;
            progress.done += new.0;
            report(*progress);
            Ok(())
        };
        let mut finish = |_: usize, chunks: Vec<Chunk>| {
            bytes += chunks.iter().map(Chunk::bytes).sum::<usize>();
            group.extend(chunks);
            if bytes < GROUP_BYTES {
                return Ok(());
            }
            bytes = 0;
            commit(&mut group)
        };
        let (new, left) = (starts[pieces.len()] - starts[begun], pieces.len() - begun);
        let threads = task.threads().ahead(new as usize * RECORD_BYTES / left.max(1));
        let complete = parallel(threads, left, &begin, &work, &mut finish, &mut || {})?;
        commit(&mut group)?;
        Ok(complete)
    }
}

impl Rules {
    /// The chunks of the survivors that come from the circuits `ids`, in order.
    fn records(
        &self,
        corpus: &Corpus,
        parents: &mut Parents,
        ids: Range<u64>,
        found: &[Shortest],
        first_id: u64,
        cost: u32,
    ) -> Result<Vec<Chunk>> {
        let letters = self.inverses.len() as u64;
        let (mut chunks, mut circuits, mut next) = (Vec::new(), Circuits::default(), 0);
        let mut start = 0;
        corpus.parents(ids, parents, Parents::take_words, |parents, rows| {
            let end = parents.first_id + rows.end as u64;
            while let Some(row) = found.get(next).filter(|row| row.origin / letters < end) {
                let word = parents.words.get((row.origin / letters - parents.first_id) as usize);
                circuits.push(word.iter().copied().chain([(row.origin % letters) as u16]));
                next += 1;
                if circuits.len() as u64 == self.recipe.chunk_records() {
                    chunks.push(self.chunk(first_id + start as u64, &circuits, &found[start..next], cost)?);
                    circuits.clear();
                    start = next;
                }
            }
            Ok(())
        })?;
        if !circuits.is_empty() {
            chunks.push(self.chunk(first_id + start as u64, &circuits, &found[start..next], cost)?);
        }
        Ok(chunks)
    }
}

/// Fills blocks of an index, one after the other, from keys in ascending order.
pub(super) struct Blocks {
    index: Index,
    /// The block that is filled.
    next: u64,
    entries: Vec<(u128, u64)>,
    full: Vec<(u64, Vec<u8>)>,
}

impl Blocks {
    /// From block `first` on.
    pub(super) fn new(index: Index, first: u64) -> Blocks {
        Blocks { index, next: first, entries: Vec::new(), full: Vec::new() }
    }

    /// Adds a key that is not below those before it, and the origin of its record, unless it belongs to a block before the first.
    pub(super) fn add(&mut self, key: u128, origin: u64) {
        let block = self.index.block(key);
        self.end(block);
        if block == self.next {
            self.entries.push((key, origin));
        }
    }

    /// No more keys come of the blocks before this one, of which some may have none.
    pub(super) fn end(&mut self, block: u64) {
        while self.next < block {
            self.full.push((self.next, self.index.encode(self.next, &self.entries)));
            self.entries.clear();
            self.next += 1;
        }
    }
}

/// Writes the index of a level, going on where an earlier run ended.
pub(super) struct IndexWriter<'a> {
    store: &'a Store,
    blocks: Blocks,
}

impl<'a> IndexWriter<'a> {
    pub(super) fn new(store: &'a Store, index: Index) -> Result<IndexWriter<'a>> {
        let next = store.read(|connection| index.present(connection))?;
        Ok(IndexWriter { store, blocks: Blocks::new(index, next) })
    }

    /// The first block that is not in the file yet.
    pub(super) fn next(&self) -> u64 {
        self.blocks.next
    }

    /// Adds a key that is not below those before it, and the origin of its record.
    pub(super) fn add(&mut self, key: u128, origin: u64) {
        self.blocks.add(key, origin);
    }

    /// Adds the blocks that come next.
    pub(super) fn append(&mut self, blocks: Blocks) {
        self.blocks.next = blocks.next;
        self.blocks.full.extend(blocks.full);
    }

    /// Commits what was added if it is much.
    pub(super) fn save(&mut self) -> Result<()> {
        let bytes = self.blocks.full.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        if bytes >= GROUP_BYTES { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<()> {
        let IndexWriter { store, blocks: Blocks { index, full, .. } } = self;
        store.write(|transaction| {
            full.drain(..).try_for_each(|(block, bytes)| index.insert(transaction, block, &bytes))
        })
    }

    /// Commits everything, and blocks without keys up to the last one.
    pub(super) fn finish(mut self) -> Result<()> {
        self.blocks.end(self.blocks.index.blocks());
        self.commit()
    }
}
