//! Levels that fit in memory: only the corpus is written. Candidates are grouped by key and then by
//! origin, and sorted group by group in a core's cache.

use crate::distinct::candidate::{Candidate, CompactCandidate, KeyRange, KeyRanges, Shortest};
use crate::distinct::commit::{ORDERED_PARENTS, RecordPieces};
use crate::distinct::context::Context;
use crate::distinct::dedup::DedupTable;
use crate::distinct::external::{OlderLevels, PARTS};
use crate::distinct::index_builder::IndexFill;
use crate::distinct::job::{CANDIDATE_BYTES, Enumeration, Resources};
use crate::distinct::parallel::parallel;
use crate::distinct::progress::Phase;
use crate::distinct::radix_sort::{Groups, SortBuffer, sort_by_key, sort_by_origin};
use crate::distinct::row_format::{KEY_BYTES, ORIGIN_BYTES};
use crate::distinct::spill::{Bucketing, keys_name};
use crate::error::Result;
use crate::tables::levels::Level;
use crate::tables::next_level::{self, NextLevel};
use std::ops::{Range, RangeInclusive};
use std::sync::{PoisonError, RwLock};

/// Candidates in a group: 40 bytes each when they are merged, and as much again to sort them.
const GROUP_CANDIDATES: u64 = 1 << 12;

/// The ends of more groups would not fit in the caches.
const MAX_GROUPS: u64 = 1 << 12;

/// Groups of the origins of a piece that is sorted at once.
const PIECE_GROUPS: u64 = 16;

/// Ranges of keys that are merged at once: survivors of one fit in the memory of other ranges'
/// candidates.
const MAX_BUCKETS: u64 = 256;

/// Bytes of a candidate before it is merged, as a survivor, and as a key for later levels.
const CANDIDATE_AND_SURVIVOR_BYTES: u64 =
    (size_of::<CompactCandidate>() + size_of::<Shortest>() + KEY_BYTES + ORIGIN_BYTES) as u64;

impl Resources<'_> {
    /// Returns whether the candidates of a level fit in memory.
    pub(super) fn fits_in_memory(&self, plan: &NextLevel) -> bool {
        let letters = self.context.letter_count();
        let origins = plan.origins(letters);
        // Each bucket has an end of each group of origins; most groups may be empty.
        let groups = (origins.end - origins.start) / group_origins(self.context);
        let ends = MAX_BUCKETS * groups * size_of::<u32>() as u64;
        let pieces = ORDERED_PARENTS * letters * CANDIDATE_BYTES * self.jobs as u64;
        let candidates = self.context.max_candidates(plan) * CANDIDATE_AND_SURVIVOR_BYTES;
        candidates + ends <= self.memory.saturating_sub(pieces)
    }
}

/// Returns the most origins of a group.
fn group_origins(context: &Context) -> u64 {
    (ORDERED_PARENTS * context.letter_count() / PIECE_GROUPS).max(1)
}

impl Enumeration<'_> {
    /// Computes a level in memory; `None` if it was stopped. A later run then starts the level
    /// over.
    pub(super) fn level_in_memory(&self, plan: &NextLevel, older: OlderLevels<'_>) -> Result<Option<Level>> {
        let Resources { context, spill, .. } = &self.resources;
        let groups = context.max_candidates(plan) / GROUP_CANDIDATES;
        let groups = 1 << groups.clamp(PARTS, MAX_GROUPS).ilog2();
        let bucketing = Bucketing { parents: ORDERED_PARENTS, buckets: groups.min(MAX_BUCKETS) };
        let pieces = next_level::pieces(&plan.sources, ORDERED_PARENTS);
        let mut candidates = GroupedCandidates::new(context.key_ranges(groups));
        if !self.expand_in_memory(&pieces, &mut candidates)? {
            return Ok(None);
        }
        let Some(survivors) = self.merge_in_memory(plan, candidates, bucketing.buckets, older)? else {
            return Ok(None);
        };
        spill.set_bucketing(plan.number, bucketing);
        let origins = |piece: usize| context.origins(&pieces[piece].0);
        let mut level = plan.level;
        let mut first_ids = vec![level.first_id];
        for piece in 0..pieces.len() {
            level.records += survivors.count(&origins(piece));
            first_ids.push(level.first_id + level.records);
        }
        self.begin_records(&level)?;
        let of_piece = |piece: usize, buffer: &mut SortBuffer<Shortest>| {
            survivors.append_sorted(&origins(piece), buffer);
            Ok(())
        };
        let index = IndexFill::new(context, plan.number, &level, bucketing);
        let pieces = RecordPieces { parents: &pieces, first_ids: &first_ids, cost: level.cost };
        if !self.record(&pieces, &of_piece, Some(&index))? {
            return Ok(None);
        }
        self.finish(plan.number, level).map(Some)
    }

    fn expand_in_memory(
        &self,
        pieces: &[(Range<u64>, u32)],
        candidates: &mut GroupedCandidates,
    ) -> Result<bool> {
        let all: Vec<usize> = (0..pieces.len()).collect();
        let GroupedCandidates { ranges, part_groups, .. } = *candidates;
        let keep = |_, SortBuffer { rows, .. }: &mut SortBuffer| {
            let group = |candidate: &Candidate| ranges.of(candidate.key[0]) as usize;
            Ok(Groups::parts(rows, ranges.count as usize, part_groups, group, CompactCandidate::new))
        };
        let mut finish = |_, piece| {
            candidates.add(piece);
            Ok(())
        };
        self.expand_pieces(pieces, &all, &keep, &mut finish)
    }

    /// Merges candidates and keeps the survivors' keys; `None` if it was stopped.
    fn merge_in_memory(
        &self,
        plan: &NextLevel,
        candidates: GroupedCandidates,
        buckets: u64,
        older: OlderLevels<'_>,
    ) -> Result<Option<Survivors>> {
        let Enumeration { resources, reporter, .. } = self;
        let Resources { context, spill, .. } = resources;
        reporter.begin(Phase::Merging, 0, buckets);
        let mut survivors = Survivors::new(plan.origins(context.letter_count()), group_origins(context));
        let (ranges, bucket_groups) = (candidates.ranges, candidates.ranges.count / buckets);
        type State = (SortBuffer, DedupTable, Vec<Candidate>);
        let work = |(SortBuffer { rows, spare }, table, new): &mut State, bucket: usize| {
            let mut keys = Vec::new();
            new.clear();
            for group in bucket as u64 * bucket_groups..(bucket as u64 + 1) * bucket_groups {
                let range = ranges.with_margin(group);
                candidates.collect(range, context.letter_count(), table, rows);
                sort_by_key(rows, range.start, ranges.common_zeros(), spare);
                resources.dedup(rows, range, older)?;
                // Candidates of the margin belong to other groups.
                rows.retain(|candidate| ranges.of(candidate.key[0]) == group);
                context.format.append(rows, &context.format.keys(), &mut keys);
                new.extend_from_slice(rows);
            }
            spill.hold(keys_name(plan.number, bucket as u64), keys);
            Ok(survivors.group(new))
        };
        let mut grouped = Vec::new();
        let mut finish = |bucket: usize, new: Vec<Groups<Shortest>>| {
            candidates.free_before(bucket as u64 * bucket_groups);
            reporter.report(|progress| {
                progress.done += 1;
                progress.records += new.iter().map(Groups::len).sum::<usize>() as u64;
            });
            grouped.extend(new);
            Ok(())
        };
        let (begin, threads) = (|| Ok(State::default()), resources.threads());
        let complete = parallel(threads, buckets as usize, &begin, &work, &mut finish, &mut || {})?;
        survivors.buckets = grouped;
        Ok(complete.then_some(survivors))
    }
}

/// The candidates of a level, grouped by key: in each part of the keys, piece by piece.
struct GroupedCandidates {
    ranges: KeyRanges,
    /// Groups of a part.
    part_groups: usize,
    parts: Vec<RwLock<Vec<Groups<CompactCandidate>>>>,
}

impl GroupedCandidates {
    fn new(ranges: KeyRanges) -> GroupedCandidates {
        let parts = (0..PARTS).map(|_| RwLock::default()).collect();
        GroupedCandidates { ranges, part_groups: (ranges.count / PARTS) as usize, parts }
    }

    /// Adds the parts of a piece.
    fn add(&mut self, piece: Vec<Groups<CompactCandidate>>) {
        for (part, groups) in self.parts.iter_mut().zip(piece) {
            part.get_mut().unwrap_or_else(PoisonError::into_inner).push(groups);
        }
    }

    /// Replaces `out` by the candidates of a range. Exact ones are merged.
    fn collect(&self, range: KeyRange, letters: u64, table: &mut DedupTable, out: &mut Vec<Candidate>) {
        let first = self.ranges.of(range.start) as usize;
        let last = range.end.map_or(self.ranges.count - 1, |end| self.ranges.of(end - 1)) as usize;
        let parts = first / self.part_groups..=last / self.part_groups;
        let parts = parts.map(|part| {
            let start = part * self.part_groups;
            let groups = first.max(start) - start..=last.min(start + self.part_groups - 1) - start;
            (self.parts[part].read().unwrap_or_else(PoisonError::into_inner), groups)
        });
        let parts: Vec<_> = parts.collect();
        let groups =
            parts.iter().flat_map(|(part, groups)| part.iter().map(|piece| piece.of(groups.clone())));
        out.clear();
        if self.ranges.tolerance.distinct == 0 {
            table.dedup(groups, letters, out);
        } else {
            let rows = groups.flatten().filter(|row| range.contains(row.key[0]));
            out.extend(rows.map(|row| row.candidate(letters)));
        }
    }

    /// Frees the part before the part of a group; survivors reuse its memory. Only the group's
    /// neighbour may need candidates before the group, for a margin that is much smaller than a
    /// group.
    fn free_before(&self, group: u64) {
        if let Some(part) = (group as usize / self.part_groups).checked_sub(1) {
            *self.parts[part].write().unwrap_or_else(PoisonError::into_inner) = Vec::new();
        }
    }
}

/// The survivors of a level, grouped by origin in each bucket of the keys.
struct Survivors {
    first_origin: u64,
    /// Bits of an origin within its group.
    shift: u32,
    groups: usize,
    buckets: Vec<Groups<Shortest>>,
}

impl Survivors {
    /// Prepares groups of at most `max_origins` origins.
    fn new(origins: Range<u64>, max_origins: u64) -> Survivors {
        let shift = max_origins.ilog2();
        let groups = ((origins.end - origins.start) >> shift) as usize + 1;
        Survivors { first_origin: origins.start, shift, groups, buckets: Vec::new() }
    }

    fn group_of(&self, origin: u64) -> usize {
        ((origin - self.first_origin) >> self.shift) as usize
    }

    /// Groups the survivors of a bucket, in one part.
    fn group(&self, candidates: &[Candidate]) -> Vec<Groups<Shortest>> {
        let group = |row: &Candidate| self.group_of(row.shortest.origin);
        Groups::parts(candidates, self.groups, self.groups, group, |row| row.shortest)
    }

    fn groups_of(&self, origins: &Range<u64>) -> RangeInclusive<usize> {
        self.group_of(origins.start)..=self.group_of(origins.end - 1)
    }

    fn count(&self, origins: &Range<u64>) -> u64 {
        let rows = self.buckets.iter().flat_map(|bucket| bucket.of(self.groups_of(origins)));
        rows.filter(|row| origins.contains(&row.origin)).count() as u64
    }

    /// Appends the survivors with these origins, sorted by origin.
    fn append_sorted(&self, origins: &Range<u64>, SortBuffer { rows, spare }: &mut SortBuffer<Shortest>) {
        for group in self.groups_of(origins) {
            let start = rows.len();
            for bucket in &self.buckets {
                rows.extend(bucket.of(group..=group).iter().filter(|row| origins.contains(&row.origin)));
            }
            let first = self.first_origin + ((group as u64) << self.shift);
            sort_by_origin(&mut rows[start..], &(first..first + (1 << self.shift)), |row| row.origin, spare);
        }
    }
}
