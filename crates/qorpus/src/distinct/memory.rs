//! Levels that fit in memory: no file is written but the corpus. Candidates are put into groups
//! that fit in a core's cache, by their keys and then by their origins, and only there in order.

use crate::distinct::job::{CANDIDATE_BYTES, Cut, Job, Task};
use crate::distinct::parallel::parallel;
use crate::distinct::phases::PARTS;
use crate::distinct::progress::{EnumerateProgress, Phase, Report};
use crate::distinct::recording::{Filling, ORDERED_TOGETHER, Pieces};
use crate::distinct::rows::{
    Candidate, Groups, KEY, Keys, ORIGIN, Product, Room, Shortest, Table, sort_by_key, sort_by_origin,
};
use crate::error::Result;
use crate::tables::levels::Level;
use crate::tables::next_level::{self, NextLevel};
use std::ops::{Range, RangeInclusive};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// Candidates of a group, of 40 bytes each when they are brought together, and as much room again
/// to put them in order.
const IN_GROUP: u64 = 1 << 12;

/// More groups would not find their ends in the caches.
const MAX_GROUPS: u64 = 1 << 12;

/// Groups by the origins for a piece of circuits that are put in order together.
const GROUPS_OF_PIECE: u64 = 16;

/// Ranges of keys that are brought together at once: what comes out of one fits where products of
/// others were.
const MAX_BUCKETS: u64 = 256;

/// What a candidate may take: as it is made, as a survivor, and its key for later levels.
const BYTES: u64 = (size_of::<Product>() + size_of::<Shortest>() + KEY + ORIGIN) as u64;

impl Task<'_> {
    /// Whether the candidates of a level can be kept in memory.
    pub(super) fn fits(&self, plan: &NextLevel) -> bool {
        let letters = self.rules.inverses.len() as u64;
        let origins = plan.origins(letters);
        // Of each range, where the groups by origins end, of which most may be empty.
        let ends = MAX_BUCKETS * ((origins.end - origins.start) / self.in_group()) * size_of::<u32>() as u64;
        let piece = ORDERED_TOGETHER * letters * CANDIDATE_BYTES;
        self.rules.products(plan) * BYTES + ends <= self.memory.saturating_sub(piece * self.jobs as u64)
    }

    /// Origins of a group of survivors.
    fn in_group(&self) -> u64 {
        (ORDERED_TOGETHER * self.rules.inverses.len() as u64 / GROUPS_OF_PIECE).max(1)
    }
}

impl Job<'_> {
    /// Makes a level in memory; `None` if it was told to stop. Whoever goes on begins the level
    /// anew.
    pub(super) fn level_in_memory(
        &self,
        plan: &NextLevel,
        older: &[(usize, Cut)],
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<Option<Level>> {
        let products = self.task.rules.products(plan);
        let groups = 1 << (products / IN_GROUP).clamp(PARTS, MAX_GROUPS).ilog2();
        let cut = Cut { parents: ORDERED_TOGETHER, buckets: groups.min(MAX_BUCKETS) };
        let Some(found) = self.survivors(plan, groups, cut, older, progress, report)? else {
            return Ok(None);
        };
        self.cuts.borrow_mut().insert(plan.number, cut);
        let pieces = next_level::pieces(&plan.sources, ORDERED_TOGETHER);
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
        let index = Filling::new(self.task.rules, plan.number, &level, cut);
        let pieces = Pieces { circuits: &pieces, starts: &starts, cost: level.cost };
        match self.record(&pieces, &take, Some(&index), progress, report)? {
            true => self.finish(plan.number, level).map(Some),
            false => Ok(None),
        }
    }

    /// The unitaries of a level, whose keys are kept by the way, range by range. Their candidates
    /// are in so many groups.
    fn survivors(
        &self,
        plan: &NextLevel,
        groups: u64,
        cut: Cut,
        older: &[(usize, Cut)],
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<Option<Survivors>> {
        let (task, rules) = (&self.task, self.task.rules);
        let shift = u64::BITS - groups.ilog2();
        let group = |key: u64| (key >> shift) as usize;
        let pieces = next_level::pieces(&plan.sources, cut.parents);
        let all: Vec<usize> = (0..pieces.len()).collect();
        let mut products = Products::new(groups as usize);
        let in_part = products.groups;
        let keep = |_, Room { rows, .. }: &mut Room| {
            let group = |candidate: &Candidate| group(candidate.key[0]);
            Ok(Groups::parts(rows, groups as usize, in_part, group, Product::new))
        };
        let mut finish = |_, parts| {
            products.add(parts);
            Ok(())
        };
        if !self.products(&pieces, &all, &keep, &mut finish, progress, report)? {
            return Ok(None);
        }
        (progress.phase, progress.done, progress.of) = (Phase::Merging, 0, cut.buckets);
        let letters = rules.inverses.len() as u64;
        let mut found = Survivors::new(plan.origins(letters), task.in_group());
        let (together, common) = (groups / cut.buckets, groups.ilog2() - u32::from(rules.bands.distinct > 0));
        let work = |(room, table, new): &mut (Room, Table, Vec<Candidate>), bucket: usize| {
            let (Room { rows: candidates, spare }, mut keys) = (room, Vec::new());
            new.clear();
            for number in bucket as u64 * together..(bucket as u64 + 1) * together {
                let range = Keys::wide(number, groups, rules.bands);
                let last = range.end.map_or(groups as usize - 1, |end| group(end - 1));
                let parts = products.near(group(range.start)..=last);
                let near =
                    parts.iter().flat_map(|(part, groups)| part.iter().map(|piece| piece.of(groups.clone())));
                candidates.clear();
                if rules.bands.distinct == 0 {
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
        let mut finish = |bucket: usize, new: Groups<Shortest>| {
            products.forget(bucket as u64 * together);
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

/// The products of a level, part by part of the keys: of each the pieces in groups.
struct Products {
    parts: Vec<RwLock<Vec<Groups<Product>>>>,
    /// Groups of a part.
    groups: usize,
}

/// The pieces of a part, and some groups of theirs.
type Near<'p> = (RwLockReadGuard<'p, Vec<Groups<Product>>>, RangeInclusive<usize>);

impl Products {
    /// None so far, in so many groups.
    fn new(groups: usize) -> Products {
        let parts = (0..PARTS).map(|_| RwLock::default());
        Products { parts: parts.collect(), groups: groups / PARTS as usize }
    }

    /// Adds a piece, part by part.
    fn add(&mut self, piece: Vec<Groups<Product>>) {
        for (part, groups) in self.parts.iter_mut().zip(piece) {
            part.get_mut().unwrap_or_else(PoisonError::into_inner).push(groups);
        }
    }

    /// The parts that have these groups, and which of theirs they are.
    fn near(&self, groups: RangeInclusive<usize>) -> Vec<Near<'_>> {
        let parts = groups.start() / self.groups..=groups.end() / self.groups;
        let near = parts.map(|part| {
            let (first, last) = (part * self.groups, (part + 1) * self.groups - 1);
            let within = groups.start().max(&first) - first..=groups.end().min(&last) - first;
            (self.parts[part].read().unwrap_or_else(PoisonError::into_inner), within)
        });
        near.collect()
    }

    /// Gives back the memory of parts, which what comes out of the others then takes: nobody needs
    /// groups before this one any more, but for its neighbour, as `apart` is far less than a group.
    fn forget(&self, group: u64) {
        if let Some(done) = (group as usize / self.groups).checked_sub(1) {
            *self.parts[done].write().unwrap_or_else(PoisonError::into_inner) = Vec::new();
        }
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
