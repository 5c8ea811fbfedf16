//! Levels whose candidates other processes make: what is asked of them, and how what they send back
//! becomes records.

use crate::corpus::corpus_writer::CorpusWriter;
use crate::distinct::division::{Account, Division, Place, damaged, open};
use crate::distinct::index::Index;
use crate::distinct::job::Job;
use crate::distinct::parallel::GROUP_BYTES;
use crate::distinct::progress::{EnumerateProgress, Phase, Report};
use crate::distinct::recording::{Blocks, ORDERED_TOGETHER, Pieces};
use crate::distinct::rows::{self, Room, Shortest, Unclear, sort_by_origin};
use crate::error::Result;
use crate::tables::levels::Level;
use crate::tables::next_level::{self, NextLevel};
use std::ops::Range;
use std::sync::atomic::Ordering;

/// Takes rows of the stream of survivors: those of one place after the other. False if there need
/// be no more.
pub type Take<'t> = &'t mut dyn FnMut(u64, &[&[u8]]) -> Result<bool>;

/// Other processes that make candidates.
pub struct Elsewhere<'a> {
    /// Levels of at most so many candidates are not worth their trouble.
    pub alone: u64,
    /// How many work at the same time.
    pub workers: u64,
    /// Has the pieces of a division read, expanded and merged by [`Worker`](crate::Worker)s, and
    /// hands over all that comes of it, sorted by places, with all rows of a place at once.
    pub make: &'a mut dyn FnMut(&Division, Take<'_>) -> Result<()>,
}

impl Elsewhere<'_> {
    /// As [`alone`](Elsewhere::alone) is, unless somebody says otherwise: some seconds' work.
    pub const ALONE: u64 = 1 << 24;
}

impl std::fmt::Debug for Elsewhere<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Elsewhere { alone, workers, .. } = self;
        f.debug_struct("Elsewhere").field("alone", alone).field("workers", workers).finish_non_exhaustive()
    }
}

impl Job<'_> {
    /// Makes a level of candidates that are made elsewhere; `None` if it was told to stop.
    pub(super) fn level_elsewhere(
        &self,
        levels: &[Level],
        plan: &NextLevel,
        elsewhere: &mut Elsewhere<'_>,
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<Option<Level>> {
        let rules = self.task.rules;
        let met: Vec<Level> = rules.met(levels, plan).into_iter().map(|number| levels[number]).collect();
        let division = Division::new(rules, plan, &met, self.task.at_once_alone(), elsewhere.workers.max(1));
        (progress.phase, progress.done, progress.of) = (Phase::Expanding, 0, rules.products(plan));
        report(*progress);
        let mut arrivals = Arrivals {
            job: self,
            number: plan.number,
            level: plan.level,
            parts: division.parts(),
            division: &division,
            last: None,
            expected: Vec::new(),
            arrived: 0,
            index: None,
            stopped: self.task.stop.load(Ordering::Relaxed),
        };
        if !arrivals.stopped {
            (elsewhere.make)(&division, &mut |place, rows| {
                arrivals.take(place, rows, progress, &mut *report)
            })?;
        }
        progress.candidates += rules.products(plan);
        arrivals.finish()
    }
}

/// What has come back of a level. Nothing is written before it is known to be whole.
struct Arrivals<'a> {
    job: &'a Job<'a>,
    number: usize,
    /// The level; from the accounts on with as many records as it will have.
    level: Level,
    parts: Vec<(Range<u64>, u32)>,
    division: &'a Division,
    /// The place that came last.
    last: Option<u64>,
    /// How many rows come at each place behind the accounts; nothing before they are there.
    expected: Vec<u64>,
    /// Of how many of these places it is known that everything has come.
    arrived: usize,
    index: Option<IndexWriter<'a>>,
    stopped: bool,
}

impl<'a> Arrivals<'a> {
    fn take(
        &mut self,
        place: u64,
        rows: &[&[u8]],
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<bool> {
        if self.stopped {
            return Ok(false);
        }
        let follows = self.last.map_or(place == 0, |last| last < place);
        let at =
            self.division.at(place).filter(|_| follows).ok_or_else(|| damaged("places are out of order"))?;
        self.last = Some(place);
        self.skip_to(place.saturating_sub(1) as usize)?;
        match at {
            Place::Accounts => {
                self.accounts(rows)?;
                self.job.orders(&self.level, progress)?;
            }
            Place::Part(part) => self.stopped = !self.part(part, rows, progress, report)?,
            Place::Keys(range) => self.keys(range, rows)?,
        }
        report(*progress);
        self.stopped |= self.job.task.stop.load(Ordering::Relaxed);
        Ok(!self.stopped)
    }

    /// Each range has said what became of it, and nothing is unclear.
    fn accounts(&mut self, rows: &[&[u8]]) -> Result<()> {
        let mut accounts = rows.iter().map(|bytes| Account::open(bytes)).collect::<Result<Vec<_>>>()?;
        accounts.sort_by_key(|account| account.range);
        let parts = self.parts.len();
        if !accounts.iter().map(|account| account.range).eq(0..self.division.ranges())
            || accounts.iter().any(|account| account.parts.len() != parts)
        {
            return Err(damaged("there is not one account of each range"));
        }
        if let Some(origin) = accounts.iter().filter_map(|account| account.unclear).min() {
            return Err(self.job.task.unclear(Unclear(origin)));
        }
        let of_part = |part: usize| accounts.iter().map(|account| account.parts[part]).sum();
        self.expected = (0..parts).map(of_part).collect();
        self.level.records = self.expected.iter().sum();
        self.expected.extend(accounts.iter().map(|account| account.parts.iter().sum::<u64>()));
        Ok(())
    }

    /// Before this place nothing is missing.
    fn skip_to(&mut self, next: usize) -> Result<()> {
        if self.expected[self.arrived..next].iter().any(|&rows| rows > 0) {
            return Err(damaged("survivors are missing"));
        }
        self.arrived = next;
        Ok(())
    }

    /// So many rows are all that were expected at the next place.
    fn arrive(&mut self, rows: usize) -> Result<()> {
        if self.expected[self.arrived] != rows as u64 {
            return Err(damaged("there are other survivors than were counted"));
        }
        self.arrived += 1;
        Ok(())
    }

    /// Makes records of a part; false if it was told to stop.
    fn part(
        &mut self,
        part: usize,
        rows: &[&[u8]],
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<bool> {
        let rules = self.job.task.rules;
        let (ids, letters) = (&self.parts[part].0, rules.inverses.len() as u64);
        let origins = ids.start * letters..ids.end * letters;
        let Room { rows: mut found, mut spare } = Room::default();
        for bytes in rows {
            let rows = rows::each(open(bytes)?, rules.layout.found().len());
            let rows = rows.ok_or_else(|| damaged("survivors have the wrong size"))?;
            found.extend(rows.map(|row| rules.layout.of_found(&row)));
        }
        if !found.iter().all(|row: &Shortest| origins.contains(&row.origin)) {
            return Err(damaged("survivors are of another part"));
        }
        sort_by_origin(&mut found, &origins, &mut spare);
        if !found.is_sorted_by(|one, other| one.origin < other.origin) {
            return Err(damaged("a survivor came twice"));
        }
        let first_id = self.level.first_id + self.expected[..part].iter().sum::<u64>();
        self.arrive(found.len())?;
        let pieces = next_level::pieces(&[self.parts[part].clone()], ORDERED_TOGETHER);
        let below = |end: u64| found.partition_point(|row| row.origin < end * letters);
        let mut ends = vec![0];
        ends.extend(pieces.iter().map(|(ids, _)| below(ids.end)));
        let starts: Vec<u64> = ends.iter().map(|&end| first_id + end as u64).collect();
        let take = |piece: usize, room: &mut Room<Shortest>| {
            room.rows.extend_from_slice(&found[ends[piece]..ends[piece + 1]]);
            Ok(())
        };
        let pieces = Pieces { circuits: &pieces, starts: &starts, cost: self.level.cost };
        self.job.record(&pieces, &take, None, progress, report)
    }

    /// Adds the keys of a range to the index.
    fn keys(&mut self, range: u64, rows: &[&[u8]]) -> Result<()> {
        let rules = self.job.task.rules;
        let (width, shift) = (rules.layout.keys().len(), u128::BITS - self.division.ranges().ilog2());
        let mut entries = Vec::new();
        for bytes in rows {
            let rows = rows::each(open(bytes)?, width);
            let rows = rows.ok_or_else(|| damaged("keys have the wrong size"))?;
            entries.extend(rows.map(|row| (rows::key(&row), rows::origin_of_key(&row))));
        }
        self.arrive(entries.len())?;
        let is_within = |(key, _): &(u128, u64)| (key >> shift) as u64 == range;
        if !entries.is_sorted_by_key(|(key, _)| *key) || !entries.iter().all(is_within) {
            return Err(damaged("keys are out of order"));
        }
        let mut index = self.index.take().map_or_else(|| self.new_index(), Ok)?;
        entries.into_iter().for_each(|(key, origin)| index.blocks.add(key, origin));
        index.save()?;
        self.index = Some(index);
        Ok(())
    }

    fn new_index(&self) -> Result<IndexWriter<'a>> {
        let job: &'a Job<'a> = self.job;
        IndexWriter::new(&job.store, Index::new(&job.task.rules.recipe, self.number, &self.level))
    }

    /// Adds the level to those that are finished; `None` if it was told to stop.
    fn finish(mut self) -> Result<Option<Level>> {
        if self.stopped || self.job.task.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        if self.last.is_none() {
            return Err(damaged("nothing came"));
        }
        self.skip_to(self.expected.len())?;
        let index = self.index.take().map_or_else(|| self.new_index(), Ok)?;
        index.finish()?;
        self.job.finish(self.number, self.level).map(Some)
    }
}

/// Writes the index of a level from its keys in order, going on where an earlier run ended.
struct IndexWriter<'a> {
    store: &'a CorpusWriter,
    index: Index,
    blocks: Blocks,
}

impl<'a> IndexWriter<'a> {
    fn new(store: &'a CorpusWriter, index: Index) -> Result<IndexWriter<'a>> {
        let next = store.read(|connection| index.present(connection))?;
        Ok(IndexWriter { store, index, blocks: Blocks::new(index, next) })
    }

    /// Commits what was added if it is much.
    fn save(&mut self) -> Result<()> {
        let bytes = self.blocks.full.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        if bytes >= GROUP_BYTES { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<()> {
        let IndexWriter { store, index, blocks } = self;
        store.write(|transaction| {
            blocks.full.drain(..).try_for_each(|(block, bytes)| index.insert(transaction, block, &bytes))
        })
    }

    /// Commits everything, and blocks without keys up to the last one.
    fn finish(mut self) -> Result<()> {
        self.blocks.end(self.index.blocks());
        self.commit()
    }
}
