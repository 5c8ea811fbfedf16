//! Survivors become records: circuits from those they come from, labels, chunks, commits, and the index that leads to them.

use super::expand::Parents;
use super::levels::Index;
use super::parallel::parallel;
use super::rows::{Candidate, Room};
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
const GROUP_BYTES: usize = 16 << 20;

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
        found: &(impl Fn(usize, &mut Room) -> Result<()> + Sync),
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<bool> {
        let task = &self.task;
        let there = self.store.read(|transaction| store::totals(transaction))?.0;
        let begun = starts[1..].partition_point(|&end| end <= there);
        let begin = || Ok((Corpus::open(task.path)?, Parents::default(), Room::default()));
        let work = |(corpus, parents, room): &mut (Corpus, Parents, Room), place: usize| {
            let piece = begun + place;
            room.candidates.clear();
            found(piece, room)?;
            task.rules.records(
                corpus,
                parents,
                pieces[piece].0.clone(),
                &room.candidates,
                starts[piece],
                cost,
            )
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
        let complete =
            parallel(task.jobs, task.stop, pieces.len() - begun, &begin, &work, &mut finish, &mut || {})?;
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
        found: &[Candidate],
        first_id: u64,
        cost: u32,
    ) -> Result<Vec<Chunk>> {
        let letters = self.inverses.len() as u64;
        let (mut chunks, mut circuits, mut next) = (Vec::new(), Circuits::default(), 0);
        let mut start = 0;
        corpus.parents(ids, parents, Parents::take_words, |parents, rows| {
            let end = parents.first_id + rows.end as u64;
            while let Some(candidate) = found.get(next).filter(|candidate| candidate.origin / letters < end) {
                let word = parents.words.get((candidate.origin / letters - parents.first_id) as usize);
                circuits.push(word.iter().copied().chain([(candidate.origin % letters) as u16]));
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

/// Writes the index of a level, going on where an earlier run ended.
pub(super) struct IndexWriter<'a> {
    store: &'a Store,
    index: Index,
    /// The block that is filled.
    next: u64,
    entries: Vec<(u128, u64)>,
    group: Vec<(u64, Vec<u8>)>,
    bytes: usize,
}

impl<'a> IndexWriter<'a> {
    pub(super) fn new(
        store: &'a Store,
        rules: &Rules,
        number: usize,
        level: &Level,
    ) -> Result<IndexWriter<'a>> {
        let index = Index::new(&rules.recipe, number, level);
        let next = store.read(|connection| index.present(connection))?;
        Ok(IndexWriter { store, index, next, entries: Vec::new(), group: Vec::new(), bytes: 0 })
    }

    /// Whether everything up to this key is in the file already.
    pub(super) fn has(&self, key: u128) -> bool {
        self.index.block(key) < self.next
    }

    /// Adds a key that is not below those before it, and the origin of its record.
    pub(super) fn add(&mut self, key: u128, origin: u64) {
        let block = self.index.block(key);
        while self.next < block {
            self.end_block();
        }
        if block == self.next {
            self.entries.push((key, origin));
        }
    }

    fn end_block(&mut self) {
        self.group.push((self.next, self.index.encode(self.next, &self.entries)));
        self.bytes += self.entries.len();
        self.entries.clear();
        self.next += 1;
    }

    /// Commits what was added if it is much.
    pub(super) fn save(&mut self) -> Result<()> {
        if self.bytes * 10 >= GROUP_BYTES { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<()> {
        let IndexWriter { store, index, group, bytes, .. } = self;
        *bytes = 0;
        store.write(|transaction| {
            group.drain(..).try_for_each(|(block, bytes)| index.insert(transaction, block, &bytes))
        })
    }

    /// Commits everything, and blocks without keys up to the last one.
    pub(super) fn finish(mut self) -> Result<()> {
        while self.next < self.index.blocks() {
            self.end_block();
        }
        self.commit()
    }
}
