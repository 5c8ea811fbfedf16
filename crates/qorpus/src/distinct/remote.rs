//! Levels whose candidates other processes compute: the partition that is sent, and the checks of
//! the rows that come back.

use crate::distinct::candidate::Shortest;
use crate::distinct::commit::{COMMIT_BYTES, ORDERED_PARENTS, RecordPieces};
use crate::distinct::dedup::Ambiguous;
use crate::distinct::index_builder::IndexWriter;
use crate::distinct::job::Enumeration;
use crate::distinct::messages::{RangeSummary, without_checksum};
use crate::distinct::partition::Partition;
use crate::distinct::progress::Phase;
use crate::distinct::radix_sort::{SortBuffer, sort_by_origin};
use crate::distinct::row_format;
use crate::error::{Error, Result};
use crate::tables::levels::Level;
use crate::tables::next_level::{self, NextLevel};
use std::ops::Range;
use std::sync::atomic::Ordering;

/// A callback that receives all rows of the next place of the stream of survivors. Returns false if
/// no more are needed.
pub type TakeRows<'t> = &'t mut dyn FnMut(u64, &[&[u8]]) -> Result<bool>;

/// The other processes that compute candidates.
pub struct Remote<'a> {
    /// The most candidates of a level that is computed in this process.
    pub local_threshold: u64,
    /// The number of workers that run at the same time.
    pub workers: u64,
    /// Computes a level: has [`RemoteWorker`](crate::RemoteWorker)s read, expand and merge the
    /// pieces of a partition, and passes on all their rows, sorted by place, all rows of a place at
    /// once.
    pub run: &'a mut dyn FnMut(&Partition, TakeRows<'_>) -> Result<()>,
}

impl Remote<'_> {
    /// The default of [`local_threshold`](Remote::local_threshold): some seconds of work.
    pub const LOCAL_THRESHOLD: u64 = 1 << 24;
}

impl std::fmt::Debug for Remote<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Remote { local_threshold, workers, .. } = self;
        let mut debug = f.debug_struct("Remote");
        debug.field("local_threshold", local_threshold).field("workers", workers).finish_non_exhaustive()
    }
}

impl Enumeration<'_> {
    /// Computes a level from remote candidates; `None` if it was stopped.
    pub(super) fn level_remote(
        &self,
        levels: &[Level],
        plan: &NextLevel,
        remote: &mut Remote<'_>,
    ) -> Result<Option<Level>> {
        let context = self.resources.context;
        let met: Vec<Level> = context.met(levels, plan).into_iter().map(|number| levels[number]).collect();
        let max_candidates = self.resources.candidates_of(1);
        let partition = Partition::new(context, plan, &met, max_candidates, remote.workers.max(1));
        self.reporter.begin(Phase::Expanding, 0, context.max_candidates(plan));
        self.reporter.report(|_| {});
        let mut received = ReceivedLevel {
            job: self,
            number: plan.number,
            level: plan.level,
            parts: partition.parts(),
            partition: &partition,
            last: None,
            expected: Vec::new(),
            arrived: 0,
            index: None,
            is_stopped: self.is_stopped(),
        };
        if !received.is_stopped {
            (remote.run)(&partition, &mut |place, rows| received.take(place, rows))?;
        }
        self.reporter.update(|progress| progress.candidates += context.max_candidates(plan));
        received.finish()
    }

    fn is_stopped(&self) -> bool {
        self.resources.stop.load(Ordering::Relaxed)
    }
}

/// The rows of a level that have arrived. None are committed before all are known to be complete.
struct ReceivedLevel<'a, 'e> {
    job: &'a Enumeration<'e>,
    number: usize,
    /// The level; its number of records is set by the summaries.
    level: Level,
    parts: Vec<(Range<u64>, u32)>,
    partition: &'a Partition,
    /// The last place that arrived.
    last: Option<u64>,
    /// The number of rows at each place after the summaries, which contain it.
    expected: Vec<u64>,
    /// The number of these places that are complete.
    arrived: usize,
    /// The index; `None` before the summaries.
    index: Option<IndexWriter<'a>>,
    is_stopped: bool,
}

impl ReceivedLevel<'_, '_> {
    /// Receives all rows of a place. False if no more are needed.
    fn take(&mut self, place: u64, rows: &[&[u8]]) -> Result<bool> {
        if self.is_stopped {
            return Ok(false);
        }
        let places = 1 + self.parts.len() as u64 + self.partition.ranges;
        if !self.last.map_or(0..1, |last| last + 1..places).contains(&place) {
            return Err(Error::Rows("places are out of order"));
        }
        self.last = Some(place);
        if let Some(place) = place.checked_sub(1) {
            self.skip_to(place as usize)?;
            match place.checked_sub(self.parts.len() as u64) {
                None => self.is_stopped = !self.record_part(place as usize, rows)?,
                Some(range) => self.index_keys(range, rows)?,
            }
        } else {
            self.take_summaries(rows)?;
            self.job.begin_records(&self.level)?;
        }
        self.job.reporter.report(|_| {});
        self.is_stopped |= self.job.is_stopped();
        Ok(!self.is_stopped)
    }

    /// Checks that each range has a summary and that nothing is ambiguous.
    fn take_summaries(&mut self, rows: &[&[u8]]) -> Result<()> {
        let summaries = rows.iter().map(|bytes| RangeSummary::unpack(bytes));
        let mut summaries = summaries.collect::<Result<Vec<_>>>()?;
        summaries.sort_by_key(|summary| summary.range);
        let parts = self.parts.len();
        if !summaries.iter().map(|summary| summary.range).eq(0..self.partition.ranges)
            || summaries.iter().any(|summary| summary.parts.len() != parts)
        {
            return Err(Error::Rows("a range has no summary, or more than one"));
        }
        if let Some(origin) = summaries.iter().filter_map(|summary| summary.ambiguous).min() {
            return Err(self.job.resources.ambiguous(Ambiguous(origin)));
        }
        let of_part = |part: usize| summaries.iter().map(|summary| summary.parts[part]).sum();
        self.expected = (0..parts).map(of_part).collect();
        self.level.records = self.expected.iter().sum();
        self.expected.extend(summaries.iter().map(|summary| summary.parts.iter().sum::<u64>()));
        let index = self.job.resources.context.index(self.number, &self.level);
        self.index = Some(IndexWriter::new(&self.job.writer, index)?);
        Ok(())
    }

    /// Checks that no rows before this place are missing.
    fn skip_to(&mut self, next: usize) -> Result<()> {
        if self.expected[self.arrived..next].iter().any(|&rows| rows > 0) {
            return Err(Error::Rows("survivors are missing"));
        }
        self.arrived = next;
        Ok(())
    }

    /// Checks that as many rows as expected arrived at the next place.
    fn arrive(&mut self, rows: usize) -> Result<()> {
        if self.expected[self.arrived] != rows as u64 {
            return Err(Error::Rows("the number of survivors does not match the summaries"));
        }
        self.arrived += 1;
        Ok(())
    }

    /// Commits the records of a part. False if it was stopped.
    fn record_part(&mut self, part: usize, rows: &[&[u8]]) -> Result<bool> {
        let context = self.job.resources.context;
        let origins = context.origins(&self.parts[part].0);
        let SortBuffer { rows: mut survivors, mut spare } = SortBuffer::default();
        for bytes in rows {
            let rows = row_format::rows(without_checksum(bytes)?, context.format.survivors().len())?;
            survivors.extend(rows.map(|row| context.format.survivor(&row)));
        }
        if !survivors.iter().all(|row: &Shortest| origins.contains(&row.origin)) {
            return Err(Error::Rows("survivors belong to another part"));
        }
        sort_by_origin(&mut survivors, &origins, |row| row.origin, &mut spare);
        if !survivors.is_sorted_by(|one, other| one.origin < other.origin) {
            return Err(Error::Rows("a survivor came twice"));
        }
        let first_id = self.level.first_id + self.expected[..part].iter().sum::<u64>();
        self.arrive(survivors.len())?;
        let pieces = next_level::pieces(&[self.parts[part].clone()], ORDERED_PARENTS);
        let mut ends = vec![0];
        ends.extend(pieces.iter().map(|(ids, _)| {
            let end = context.origins(ids).end;
            survivors.partition_point(|row| row.origin < end)
        }));
        let first_ids: Vec<u64> = ends.iter().map(|&end| first_id + end as u64).collect();
        let of_piece = |piece: usize, buffer: &mut SortBuffer<Shortest>| {
            buffer.rows.extend_from_slice(&survivors[ends[piece]..ends[piece + 1]]);
            Ok(())
        };
        let pieces = RecordPieces { parents: &pieces, first_ids: &first_ids, cost: self.level.cost };
        self.job.record(&pieces, &of_piece, None)
    }

    /// Adds the keys of a range to the index.
    fn index_keys(&mut self, range: u64, rows: &[&[u8]]) -> Result<()> {
        let context = self.job.resources.context;
        let mut entries = Vec::new();
        for bytes in rows {
            let rows = row_format::rows(without_checksum(bytes)?, context.format.keys().len())?;
            entries.extend(rows.map(|row| row_format::key_and_origin(&row)));
        }
        self.arrive(entries.len())?;
        let ranges = context.key_ranges(self.partition.ranges);
        let is_within = |(key, _): &(u128, u64)| ranges.of((key >> 64) as u64) == range;
        if !entries.is_sorted_by_key(|(key, _)| *key) || !entries.iter().all(is_within) {
            return Err(Error::Rows("keys are out of order"));
        }
        self.index.as_mut().map_or(Ok(()), |index| index.add(entries, COMMIT_BYTES))
    }

    /// Adds the level to the finished ones; `None` if it was stopped.
    fn finish(mut self) -> Result<Option<Level>> {
        if self.is_stopped || self.job.is_stopped() {
            return Ok(None);
        }
        self.skip_to(self.expected.len())?;
        self.index.ok_or(Error::Rows("no rows arrived"))?.finish()?;
        self.job.finish(self.number, self.level).map(Some)
    }
}
