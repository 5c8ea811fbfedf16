//! Survivors become records: circuits from those they come from, labels, chunks, commits, and the
//! index that leads to them.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::corpus_writer::CorpusWriter;
use crate::distinct::expand::Parents;
use crate::distinct::index::Index;
use crate::distinct::job::{Cut, Job, Task};
use crate::distinct::parallel::GROUP_BYTES;
use crate::distinct::parallel::parallel;
use crate::distinct::progress::{EnumerateProgress, Phase, Report};
use crate::distinct::rows::{self, Keys, Room, Shortest};
use crate::distinct::rules::Rules;
use crate::error::Result;
use crate::tables::chunks::insert_chunks;
use crate::tables::chunks::totals;
use crate::tables::levels::Level;
use qorpus_core::{Chunk, Circuits};
use std::ops::Range;

/// The circuits whose successors are put in order together; so it does not depend on the memory how
/// records are cut into chunks.
pub(super) const ORDERED_TOGETHER: u64 = 1 << 15;

/// A record takes about this many bytes, labels included.
const RECORD_BYTES: usize = 20;

/// Keys whose blocks of the index are filled together.
const INDEXED_TOGETHER: u64 = 1 << 16;

/// Blocks of so many keys take about this many bytes.
const INDEXED_BYTES: usize = 11 << 16;

/// Circuits whose successors become records.
pub(super) struct Pieces<'a> {
    pub(super) circuits: &'a [(Range<u64>, u32)],
    /// The ids of each piece's first record, and of the one behind the last.
    pub(super) starts: &'a [u64],
    pub(super) cost: u32,
}

impl Job<'_> {
    /// The records of a level come next, of which some may be there.
    pub(super) fn orders(&self, level: &Level, progress: &mut EnumerateProgress) -> Result<()> {
        let there = self.store.read(|transaction| totals(transaction))?.0;
        (progress.phase, progress.of, progress.records) = (Phase::Ordering, level.records, there);
        progress.done = there - level.first_id;
        Ok(())
    }

    /// Makes records of what comes from circuits, piece by piece, and in between the blocks of an
    /// index whose keys are kept; commits what is not there yet. `found` gets what comes from a
    /// piece in the order of origins.
    pub(super) fn record(
        &self,
        Pieces { circuits, starts, cost }: &Pieces<'_>,
        found: &(impl Fn(usize, &mut Room<Shortest>) -> Result<()> + Sync),
        index: Option<&Filling>,
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<bool> {
        let task = &self.task;
        let there = self.store.read(|transaction| totals(transaction))?.0;
        let begun = starts[1..].partition_point(|&end| end <= there);
        let unfilled = index.map_or(Ok(0..0), |index| index.left(&self.store))?;
        let (records, fills) = (circuits.len() - begun, (unfilled.end - unfilled.start) as usize);
        let begin = || Ok((CorpusFile::open(task.path)?, Parents::default(), Room::default()));
        // One in between the other, so that both end at the same time.
        let recorded = |place: usize| place * records / (records + fills);
        let work = |(corpus, parents, room): &mut (CorpusFile, Parents, Room<Shortest>), place: usize| {
            if let Some(index) = index.filter(|_| recorded(place + 1) == recorded(place)) {
                let range = unfilled.start + (place - recorded(place)) as u64;
                return Ok(Group { blocks: index.fill(task, range)?, ..Group::default() });
            }
            let piece = begun + recorded(place);
            room.rows.clear();
            found(piece, room)?;
            let ids = circuits[piece].0.clone();
            let chunks = task.rules.records(corpus, parents, ids, &room.rows, starts[piece], *cost)?;
            Ok(Group { chunks, ..Group::default() })
        };
        let (mut group, mut bytes) = (Group::default(), 0);
        let mut commit = |group: &mut Group| {
            let Group { chunks, blocks } = std::mem::take(group);
            let new = self.store.write(|transaction| {
                if let Some(Filling { index, .. }) = index {
                    blocks.iter().try_for_each(|(block, bytes)| index.insert(transaction, *block, bytes))?;
                }
                insert_chunks(transaction, &chunks)
            })?;
            progress.records += new.0;
            progress.done += new.0;
            report(*progress);
            Ok(())
        };
        let mut finish = |_: usize, done: Group| {
            bytes += done.bytes();
            group.chunks.extend(done.chunks);
            group.blocks.extend(done.blocks);
            if bytes < GROUP_BYTES {
                return Ok(());
            }
            bytes = 0;
            commit(&mut group)
        };
        let new = (starts[circuits.len()] - starts[begun]) as usize;
        let all = new * RECORD_BYTES + fills * INDEXED_BYTES;
        let threads = task.threads().ahead(all / (records + fills).max(1));
        let complete = parallel(threads, records + fills, &begin, &work, &mut finish, &mut || {})?;
        commit(&mut group)?;
        Ok(complete)
    }
}

impl Rules {
    /// The chunks of the survivors that come from the circuits `ids`, in order.
    fn records(
        &self,
        corpus: &CorpusFile,
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

/// What is committed together.
#[derive(Default)]
struct Group {
    chunks: Vec<Chunk>,
    blocks: Vec<Block>,
}

impl Group {
    fn bytes(&self) -> usize {
        let blocks = self.blocks.iter().map(|(_, bytes)| bytes.len());
        self.chunks.iter().map(Chunk::bytes).chain(blocks).sum()
    }
}

/// A block of an index, and its number.
pub(super) type Block = (u64, Vec<u8>);

/// Fills blocks of an index, one after the other, from keys in ascending order.
pub(super) struct Blocks {
    index: Index,
    /// The block that is filled.
    next: u64,
    entries: Vec<(u128, u64)>,
    pub(super) full: Vec<Block>,
}

impl Blocks {
    /// From block `first` on.
    pub(super) fn new(index: Index, first: u64) -> Blocks {
        Blocks { index, next: first, entries: Vec::new(), full: Vec::new() }
    }

    /// Adds a key that is not below those before it, and the origin of its record, unless it
    /// belongs to a block before the first.
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

/// How the index of a level is filled, range by range of its keys, which are kept.
pub(super) struct Filling {
    index: Index,
    number: usize,
    /// Ranges in which the keys are kept.
    buckets: u64,
    /// Ranges whose blocks are filled together.
    ranges: u64,
}

impl Filling {
    pub(super) fn new(rules: &Rules, number: usize, level: &Level, cut: Cut) -> Filling {
        let index = Index::new(&rules.recipe, number, level);
        let ranges = level.records.div_ceil(INDEXED_TOGETHER).next_power_of_two().min(index.blocks());
        Filling { index, number, buckets: cut.buckets, ranges }
    }

    /// The ranges that are not in the file yet.
    fn left(&self, store: &CorpusWriter) -> Result<Range<u64>> {
        let next = store.read(|connection| self.index.present(connection))?;
        // A file that lies may have more.
        Ok((next * self.ranges / self.index.blocks()).min(self.ranges)..self.ranges)
    }

    /// The blocks of a range.
    fn fill(&self, task: &Task<'_>, range: u64) -> Result<Vec<Block>> {
        let (blocks, layout) = (self.index.blocks() / self.ranges, task.rules.layout.keys());
        let (keys, mut filled) = (Keys::exactly(range, self.ranges), Blocks::new(self.index, range * blocks));
        for bucket in range * self.buckets / self.ranges..((range + 1) * self.buckets).div_ceil(self.ranges) {
            let file = task.temporary.sorted(&format!("keys-{}-{bucket}", self.number), &layout)?;
            file.visit(keys.of(&file)?, |row| {
                filled.add(rows::key(row), rows::origin_of_key(row));
                true
            })?;
        }
        filled.end((range + 1) * blocks);
        Ok(filled.full)
    }
}
