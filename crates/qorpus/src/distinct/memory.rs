//! Levels that fit in memory: no file is written but the corpus. Candidates are put into groups that fit in a core's cache, by their
//! keys and then by their origins, and only there in order.

use super::parallel::parallel;
use super::phases::PARTS;
use super::plan::{self, Plan};
use super::recording::ORDERED_TOGETHER;
use super::rows::{
    Candidate, Groups, KEY, Keys, ORIGIN, Product, Room, Shortest, Table, sort_by_key, sort_by_origin,
};
use super::{CANDIDATE_BYTES, Cut, EnumerateProgress, Job, Level, Phase, Report, Task};
use crate::error::Result;
use std::ops::{Range, RangeInclusive};

/// Candidates of a group, of 40 bytes each when they are brought together, and as much room again to put them in order.
const IN_GROUP: u64 = 1 << 12;

/// More groups would not find their ends in the caches.
const MOST_GROUPS: u64 = 1 << 12;

/// Groups by the origins for a piece of circuits that are put in order together.
const GROUPS_OF_PIECE: u64 = 16;

/// Ranges of keys that are brought together at once: several for each thread.
const MOST_BUCKETS: u64 = 64;

/// What a candidate may take: as it is made, as a survivor, and its key for later levels.
const BYTES: u64 = (size_of::<Product>() + size_of::<Shortest>() + KEY + ORIGIN) as u64;

impl Task<'_> {
    /// Whether so many candidates can be kept in memory.
    pub(super) fn fits(&self, candidates: u64) -> bool {
        let piece = ORDERED_TOGETHER * self.rules.inverses.len() as u64 * CANDIDATE_BYTES;
        candidates * BYTES <= self.memory.saturating_sub(piece * self.jobs as u64)
    }
}

impl Job<'_> {
    /// Makes a level in memory; `None` if it was told to stop. Whoever goes on begins the level anew.
    pub(super) fn level_in_memory(
        &self,
        plan: &Plan,
        older: &[(usize, Cut)],
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<Option<Level>> {
        let products = self.task.rules.products(plan);
        let groups = 1 << (products / IN_GROUP).clamp(PARTS, MOST_GROUPS).ilog2();
        let cut = Cut { parents: ORDERED_TOGETHER, buckets: groups.min(MOST_BUCKETS) };
        let Some(found) = self.survivors(plan, groups, cut, older, progress, report)? else {
            return Ok(None);
        };
        self.cuts.borrow_mut().insert(plan.number, cut);
        let pieces = plan::pieces(&plan.sources, ORDERED_TOGETHER);
        let letters = self.task.rules.inverses.len() as u64;
        let origins = |piece: usize| pieces[piece].0.start * letters..pieces[piece].0.end * letters;
        let mut level = plan.level;
        let mut starts = vec![level.first_id];
        for piece in 0..pieces.len() {
            level.records += found.count(origins(piece));
            starts.push(level.first_id + level.records);
        }
        self.orders(&level, progress)?;
        let take = |piece: usize, room: &mut Room<Shortest>| {
            found.take(origins(piece), room);
            Ok(())
        };
        if !self.record(&pieces, &starts, level.cost, &take, progress, report)? {
            return Ok(None);
        }
        drop(found);
        self.finish(plan, level, cut, progress, report)
    }

    /// The unitaries of a level, whose keys are kept by the way, range by range. Their candidates are in so many groups.
    fn survivors(
        &self,
        plan: &Plan,
        groups: u64,
        cut: Cut,
        older: &[(usize, Cut)],
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<Option<Survivors>> {
        let (task, rules) = (&self.task, self.task.rules);
        let shift = u64::BITS - groups.ilog2();
        let group = |key: u64| (key >> shift) as usize;
        let pieces = plan::pieces(&plan.sources, cut.parents);
        let all: Vec<usize> = (0..pieces.len()).collect();
        let mut runs = Vec::with_capacity(pieces.len());
        let keep = |_, Room { rows, .. }: &mut Room| {
            Ok(Groups::new(rows, groups as usize, |candidate| group(candidate.key[0]), Product::new))
        };
        let mut finish = |_, run| {
            runs.push(run);
            Ok(())
        };
        if !self.products(&pieces, &all, &keep, &mut finish, progress, report)? {
            return Ok(None);
        }
        (progress.phase, progress.done, progress.of) = (Phase::Merging, 0, cut.buckets);
        let letters = rules.inverses.len() as u64;
        let mut found = Survivors::new(plan.origins(letters), ORDERED_TOGETHER * letters / GROUPS_OF_PIECE);
        let (together, common) = (groups / cut.buckets, groups.ilog2() - u32::from(rules.bands.apart > 0));
        let work = |(room, table, new): &mut (Room, Table, Vec<Candidate>), bucket: usize| {
            let (Room { rows: candidates, spare }, mut keys) = (room, Vec::new());
            new.clear();
            for number in bucket as u64 * together..(bucket as u64 + 1) * together {
                let range = Keys::wide(number, groups, rules.bands);
                let last = range.end.map_or(groups as usize - 1, |end| group(end - 1));
                let near = runs.iter().map(|run: &Groups<Product>| run.of(group(range.start)..=last));
                candidates.clear();
                if rules.bands.apart == 0 {
                    table.join(near, letters, candidates);
                } else {
                    let near = near.flatten().filter(|row| range.contains(row.key[0]));
                    candidates.extend(near.map(|row| row.candidate(letters)));
                }
                sort_by_key(candidates, range.start, common, spare);
                task.survivors(candidates, range, older)?;
                // Neighbours are others' to keep.
                candidates.retain(|candidate| group(candidate.key[0]) as u64 == number);
                rules.layout.append(candidates, &rules.layout.keys(), &mut keys);
                new.extend_from_slice(candidates);
            }
            task.temporary.hold(format!("keys-{}-{bucket}", plan.number), keys);
            Ok(found.groups(new))
        };
        let begin = || Ok((Room::default(), Table::default(), Vec::new()));
        let mut grouped = Vec::new();
        let mut finish = |_, new: Groups<Shortest>| {
            progress.done += 1;
            progress.records += new.len() as u64;
            grouped.push(new);
            report(*progress);
            Ok(())
        };
        let buckets = cut.buckets as usize;
        let complete = parallel(task.threads(), buckets, &begin, &work, &mut finish, &mut || {})?;
        found.ranges = grouped;
        Ok(complete.then_some(found))
    }
}

/// What is new in a level, range by range of the keys, each in groups by the origins.
struct Survivors {
    start: u64,
    /// Bits of an origin that do not count for its group.
    shift: u32,
    groups: usize,
    ranges: Vec<Groups<Shortest>>,
}

impl Survivors {
    /// None so far, of these origins, in groups of at most so many.
    fn new(origins: Range<u64>, most: u64) -> Survivors {
        let shift = most.ilog2();
        let groups = ((origins.end - origins.start) >> shift) as usize + 1;
        Survivors { start: origins.start, shift, groups, ranges: Vec::new() }
    }

    fn group(&self, origin: u64) -> usize {
        ((origin - self.start) >> self.shift) as usize
    }

    fn groups(&self, candidates: &[Candidate]) -> Groups<Shortest> {
        Groups::new(candidates, self.groups, |row| self.group(row.shortest.origin), |row| row.shortest)
    }

    /// The groups in which these origins are.
    fn near(&self, origins: &Range<u64>) -> RangeInclusive<usize> {
        self.group(origins.start)..=self.group(origins.end - 1)
    }

    /// How many have these origins.
    fn count(&self, origins: Range<u64>) -> u64 {
        let near = self.ranges.iter().flat_map(|range| range.of(self.near(&origins)));
        near.filter(|row| origins.contains(&row.origin)).count() as u64
    }

    /// Appends those with these origins, in order.
    fn take(&self, origins: Range<u64>, Room { rows, spare }: &mut Room<Shortest>) {
        for group in self.near(&origins) {
            let start = rows.len();
            for range in &self.ranges {
                rows.extend(range.of(group..=group).iter().filter(|row| origins.contains(&row.origin)));
            }
            let first = self.start + ((group as u64) << self.shift);
            sort_by_origin(&mut rows[start..], &(first..first + (1 << self.shift)), spare);
        }
    }
}
