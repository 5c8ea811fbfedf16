//! Levels that fit in memory: only the corpus is written. Candidates are grouped by key and
//! survivors by origin, so that each group is merged or sorted in a core's cache.

use crate::distinct::candidate::{Candidate, CompactCandidate, PackedShortest, Shortest};
use crate::distinct::candidate_groups::{CandidateGroups, CandidateWriter, GroupedCandidates};
use crate::distinct::commit::{ORDERED_PARENTS, RecordPieces};
use crate::distinct::context::Context;
use crate::distinct::dedup::DedupTable;
use crate::distinct::expand::{Expand, PieceSink};
use crate::distinct::external::{OlderLevels, PARTS};
use crate::distinct::frontier::Frontier;
use crate::distinct::grouped_rows::{BLOCK_ROWS, GroupedRows, WrittenRows};
use crate::distinct::index_builder::IndexFill;
use crate::distinct::job::{CANDIDATE_BYTES, Enumeration, Resources};
use crate::distinct::parallel::parallel;
use crate::distinct::progress::Phase;
use crate::distinct::radix_sort::{SortBuffer, sort_by_key, sort_by_origin};
use crate::distinct::row_format::{KEY_BYTES, ORIGIN_BYTES, RowFormat};
use crate::distinct::spill::{Bucketing, keys_name};
use crate::error::{Error, Result, io};
use crate::tables::levels::Level;
use crate::tables::next_level::{self, NextLevel};
use std::ops::{Range, RangeInclusive};

/// Candidates in a group: 40 bytes each when they are merged, and as much again to sort them.
const GROUP_CANDIDATES: u64 = 1 << 12;

/// The last rows of more groups would not fit in the caches.
const MAX_GROUPS: u64 = 1 << 12;

/// Groups of the origins of a piece that is sorted at once.
const PIECE_GROUPS: u64 = 16;

/// Ranges of keys that are merged at once.
const MAX_BUCKETS: u64 = 256;

/// Bytes of a candidate before it is merged, as a survivor, and as a key for later levels.
const CANDIDATE_AND_SURVIVOR_BYTES: u64 =
    (size_of::<CompactCandidate>() + size_of::<PackedShortest>() + KEY_BYTES + ORIGIN_BYTES) as u64;

impl Resources<'_> {
    /// Returns whether the candidates of a level fit in memory.
    pub(super) fn fits_in_memory(&self, plan: &NextLevel) -> bool {
        let letters = self.context.letter_count();
        let (origins, candidates) = (plan.origins(letters), self.context.max_candidates(plan));
        // Each thread may use a block for a single row of a group; most groups of origins may be
        // empty.
        let keys = groups_of(candidates) * (BLOCK_ROWS * size_of::<CompactCandidate>()) as u64;
        let origins = (origins.end - origins.start) / group_origins(self.context);
        let origins = origins * (BLOCK_ROWS * size_of::<PackedShortest>()) as u64;
        let piece = ORDERED_PARENTS * letters * CANDIDATE_BYTES;
        let of_threads = self.jobs as u64 * (keys + origins + piece);
        let rows = candidates + groups_of(candidates) * BLOCK_ROWS as u64;
        // Half of all places: survivors have blocks of other groups.
        let fit_in_places = rows <= u64::from(u32::MAX / 2);
        fit_in_places && candidates * CANDIDATE_AND_SURVIVOR_BYTES <= self.memory.saturating_sub(of_threads)
    }

    /// Returns the error of memory that the kernel does not give.
    fn no_memory(&self, error: std::io::Error) -> Error {
        io(self.path, "get memory for candidates (set a limit by --memory, memory= in Python)")(error)
    }
}

/// Returns the number of groups of the keys of this many candidates, a power of two.
fn groups_of(candidates: u64) -> u64 {
    1 << (candidates / GROUP_CANDIDATES).clamp(PARTS, MAX_GROUPS).ilog2()
}

/// Returns the most origins of a group.
fn group_origins(context: &Context) -> u64 {
    (ORDERED_PARENTS * context.letter_count() / PIECE_GROUPS).max(1)
}

impl Enumeration<'_> {
    /// Computes a level in memory; `None` if it was stopped. A later run then starts the level
    /// over.
    pub(super) fn level_in_memory(&self, plan: &NextLevel, older: OlderLevels<'_>) -> Result<Option<Level>> {
        let Resources { context, spill, areas, .. } = &self.resources;
        let groups = groups_of(context.max_candidates(plan));
        let bucketing = Bucketing { parents: ORDERED_PARENTS, buckets: groups.min(MAX_BUCKETS) };
        let pieces = next_level::pieces(&plan.sources, ORDERED_PARENTS);
        let all: Vec<usize> = (0..pieces.len()).collect();
        let grouped = CandidateGroups::new(areas, context.key_ranges(groups));
        let sink = GroupSink { resources: &self.resources, groups: grouped };
        if !self.expand_pieces(&pieces, &all, &sink)? {
            return Ok(None);
        }
        let candidates = sink.groups.written();
        let Some(survivors) = self.merge_in_memory(plan, &candidates, bucketing.buckets, older)? else {
            return Ok(None);
        };
        drop(candidates);
        spill.set_bucketing(plan.number, bucketing);
        let origins = |piece: usize| context.origins(&pieces[piece].0);
        let mut level = plan.level;
        let mut first_ids = vec![level.first_id];
        for piece in 0..pieces.len() {
            level.records += survivors.count(&origins(piece)) as u64;
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

    /// Merges candidates and keeps the survivors' keys; `None` if it was stopped.
    fn merge_in_memory<'a>(
        &'a self,
        plan: &NextLevel,
        candidates: &GroupedCandidates<'_>,
        buckets: u64,
        older: OlderLevels<'_>,
    ) -> Result<Option<Survivors<'a>>> {
        let Enumeration { resources, reporter, .. } = self;
        let Resources { context, spill, .. } = resources;
        reporter.begin(Phase::Merging, 0, buckets);
        let origins = OriginGroups::new(&plan.origins(context.letter_count()), group_origins(context));
        let survivors = GroupedRows::new(&resources.areas, origins.count);
        let bucket_groups = candidates.ranges.count / buckets;
        let work = |(buffer, table): &mut (SortBuffer, DedupTable), bucket: usize| {
            let (mut keys, mut writer, mut new) = (Vec::new(), survivors.writer(), 0);
            for group in bucket as u64 * bucket_groups..(bucket as u64 + 1) * bucket_groups {
                resources.merge_group(candidates, group, older, table, buffer)?;
                new += buffer.rows.len() as u64;
                for row @ Candidate { shortest, .. } in &buffer.rows {
                    RowFormat::append_key(row, &mut keys);
                    let pushed = writer.push(origins.of(shortest.origin), shortest.pack());
                    pushed.map_err(|error| resources.no_memory(error))?;
                }
            }
            survivors.give_back(writer);
            spill.hold(keys_name(plan.number, bucket as u64), keys);
            Ok(new)
        };
        let mut finish = |_, new: u64| {
            reporter.report(|progress| {
                progress.done += 1;
                progress.records += new;
            });
            Ok(())
        };
        let (begin, threads) = (|| Ok(Default::default()), resources.threads());
        let complete = parallel(threads, buckets as usize, &begin, &work, &mut finish, &mut || {})?;
        Ok(complete.then(|| Survivors { groups: origins, rows: survivors.written() }))
    }
}

impl Resources<'_> {
    /// Replaces the rows of the buffer by the survivors of a group, sorted by key.
    fn merge_group(
        &self,
        candidates: &GroupedCandidates<'_>,
        group: u64,
        older: OlderLevels<'_>,
        table: &mut DedupTable,
        SortBuffer { rows, spare }: &mut SortBuffer,
    ) -> Result<()> {
        let ranges = candidates.ranges;
        let range = ranges.with_margin(group);
        rows.clear();
        if ranges.tolerance.distinct == 0 {
            table.merge(candidates.of(group));
            for &older in older {
                self.visit_keys(older, range, |key| {
                    table.drop_known(key);
                    Ok(true)
                })?;
            }
            rows.extend(table.survivors(range.start, ranges.common_zeros()));
            return Ok(());
        }
        rows.extend(candidates.within(range));
        sort_by_key(rows, range.start, ranges.common_zeros(), spare);
        self.dedup(rows, range, older)?;
        // Candidates of the margin belong to other groups.
        rows.retain(|candidate| ranges.of(candidate.key[0]) == group);
        Ok(())
    }
}

/// A taker of candidates that groups them by key.
struct GroupSink<'a> {
    resources: &'a Resources<'a>,
    groups: CandidateGroups<'a>,
}

impl<'a> PieceSink for GroupSink<'a> {
    type Piece = CandidateWriter<'a>;

    fn begin(&self, _max_candidates: usize, _buffer: &mut SortBuffer) -> Self::Piece {
        self.groups.writer()
    }

    fn expand(
        &self,
        writer: &mut Self::Piece,
        expander: &mut dyn Expand,
        frontier: &Frontier,
        letters: u32,
        _buffer: &mut SortBuffer,
    ) -> Result<usize> {
        expander.expand_grouped(frontier, letters, writer)
    }

    fn end(&self, _number: usize, writer: Self::Piece, _buffer: &mut SortBuffer) -> Result<()> {
        self.groups.give_back(writer).map_err(|error| self.resources.no_memory(error))
    }
}

/// Groups of consecutive origins.
#[derive(Clone, Copy)]
struct OriginGroups {
    first: u64,
    /// Bits of an origin within its group.
    shift: u32,
    count: usize,
}

impl OriginGroups {
    /// Divides origins into groups of at most `max_origins`.
    fn new(origins: &Range<u64>, max_origins: u64) -> OriginGroups {
        let shift = max_origins.ilog2();
        let count = ((origins.end - origins.start) >> shift) as usize + 1;
        OriginGroups { first: origins.start, shift, count }
    }

    fn of(self, origin: u64) -> usize {
        ((origin - self.first) >> self.shift) as usize
    }

    fn with(self, origins: &Range<u64>) -> RangeInclusive<usize> {
        self.of(origins.start)..=self.of(origins.end - 1)
    }

    fn origins(self, group: usize) -> Range<u64> {
        let first = self.first + ((group as u64) << self.shift);
        first..first + (1 << self.shift)
    }

    /// Returns whether a group has no other origins, as nearly all do.
    fn is_within(self, group: usize, origins: &Range<u64>) -> bool {
        let Range { start, end } = self.origins(group);
        start >= origins.start && end <= origins.end
    }
}

/// The survivors of a level, grouped by origin.
struct Survivors<'a> {
    groups: OriginGroups,
    rows: WrittenRows<'a, PackedShortest>,
}

impl Survivors<'_> {
    /// Returns the number of survivors with these origins.
    fn count(&self, origins: &Range<u64>) -> usize {
        let is_counted = |row: &&PackedShortest| origins.contains(&Shortest::unpack(row).origin);
        let in_group = |group| match self.groups.is_within(group, origins) {
            true => self.rows.of(group).map(<[_]>::len).sum(),
            false => self.rows.of(group).flatten().filter(is_counted).count(),
        };
        self.groups.with(origins).map(in_group).sum()
    }

    /// Appends the survivors with these origins, sorted by origin.
    fn append_sorted(&self, origins: &Range<u64>, SortBuffer { rows, spare }: &mut SortBuffer<Shortest>) {
        for group in self.groups.with(origins) {
            let start = rows.len();
            for part in self.rows.of(group) {
                let part = part.iter().map(Shortest::unpack);
                match self.groups.is_within(group, origins) {
                    true => rows.extend(part),
                    false => rows.extend(part.filter(|row| origins.contains(&row.origin))),
                }
            }
            sort_by_origin(&mut rows[start..], &self.groups.origins(group), |row| row.origin, spare);
        }
    }
}
