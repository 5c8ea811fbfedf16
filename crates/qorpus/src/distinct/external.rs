//! Levels that do not fit in memory: candidates are spilled as sorted runs, and merged range by
//! range of their keys.

use crate::distinct::candidate::{Candidate, KeyRange, Shortest, halves};
use crate::distinct::commit::{ORDERED_PARENTS, RecordPieces};
use crate::distinct::dedup::{Judgement, KnownKeySweep, dedup_sorted};
use crate::distinct::expand::{Expand, PieceSink};
use crate::distinct::frontier::Frontier;
use crate::distinct::index_builder::IndexFill;
use crate::distinct::job::{Enumeration, Resources};
use crate::distinct::parallel::parallel;
use crate::distinct::progress::Phase;
use crate::distinct::radix_sort::{SortBuffer, sort_by_key, sort_by_origin};
use crate::distinct::row_format;
use crate::distinct::sorted_file::SortedFile;
use crate::distinct::spill::{Bucketing, keys_name, run_name, survivors_name};
use crate::error::{Error, Result, io};
use crate::tables::levels::Level;
use crate::tables::next_level::{self, NextLevel};
use std::ops::Range;

/// Files of a run, by the candidates' keys. A part is removed as soon as all of it is merged.
pub(super) const PARTS: u64 = 8;

/// Levels whose unitaries may recur, and how their keys are divided.
pub(super) type OlderLevels<'a> = &'a [(usize, Bucketing)];

/// A level that is computed with files on disk.
struct ExternalLevel<'a> {
    plan: &'a NextLevel,
    bucketing: Bucketing,
    /// `None` for a finished level, of which only the keys are computed.
    older: Option<OlderLevels<'a>>,
}

impl ExternalLevel<'_> {
    fn pieces(&self) -> Vec<(Range<u64>, u32)> {
        next_level::pieces(&self.plan.sources, self.bucketing.parents)
    }
}

/// A writer of sorted runs of candidates.
struct RunSink<'a> {
    resources: &'a Resources<'a>,
    /// The number of the level.
    number: usize,
}

impl PieceSink for RunSink<'_> {
    type Piece = ();

    fn begin(&self, max_candidates: usize, buffer: &mut SortBuffer) {
        buffer.rows.reserve(max_candidates);
    }

    fn expand(
        &self,
        _: &mut (),
        expander: &mut dyn Expand,
        frontier: &Frontier,
        letters: u32,
        buffer: &mut SortBuffer,
    ) -> Result<usize> {
        let before = buffer.rows.len();
        expander.expand(frontier, letters, &mut buffer.rows)?;
        Ok(buffer.rows.len() - before)
    }

    /// Writes the piece's candidates, sorted by key.
    fn end(
        &self,
        piece: usize,
        _: (),
        SortBuffer { rows: candidates, spare }: &mut SortBuffer,
    ) -> Result<()> {
        let Resources { context, spill, .. } = self.resources;
        sort_by_key(candidates, 0, 0, spare);
        dedup_sorted(candidates, context.tolerance).map_err(|found| self.resources.ambiguous(found))?;
        let parts = context.key_ranges(PARTS);
        (0..PARTS).try_for_each(|part| {
            let of_part = &candidates[parts.with_margin(part).of_sorted(candidates)];
            let name = run_name(self.number, part, piece);
            spill.write(&name, context.format, &context.format.full(), of_part)
        })
    }
}

impl Enumeration<'_> {
    /// Computes a level with files on disk, some of which may exist already; `None` if it was
    /// stopped.
    pub(super) fn level_external(
        &self,
        plan: &NextLevel,
        bucketing: Bucketing,
        older: OlderLevels<'_>,
    ) -> Result<Option<Level>> {
        let (number, resources) = (plan.number, &self.resources);
        resources.areas.clear();
        let mut external = ExternalLevel { plan, bucketing, older: Some(older) };
        resources.spill.save_bucketing(number, external.bucketing)?;
        if external.bucketing.buckets == 0 {
            self.check_space(plan)?;
            if !self.spill_runs(&external)? {
                return Ok(None);
            }
            external.bucketing.buckets = resources.count_buckets(&external)?;
            resources.spill.save_bucketing(number, external.bucketing)?;
        }
        if !self.merge_runs(&external)? {
            return Ok(None);
        }
        let mut level = plan.level;
        for bucket in 0..external.bucketing.buckets {
            level.records += resources.keys(number, bucket)?.len();
        }
        if !self.record_survivors(&external, level)? {
            return Ok(None);
        }
        self.finish(number, level).map(Some)
    }

    /// Returns how the keys of a finished level are divided, after computing the missing ones;
    /// `None` if it was stopped.
    pub(super) fn keys_of(&self, number: usize, level: &Level) -> Result<Option<Bucketing>> {
        let (resources, spill) = (&self.resources, &self.resources.spill);
        let is_whole = |Bucketing { buckets, .. }: &Bucketing| {
            *buckets > 0 && (0..*buckets).all(|bucket| spill.contains(&keys_name(number, bucket)))
        };
        if let Some(bucketing) = spill.bucketing(number).filter(is_whole) {
            return Ok(Some(bucketing));
        }
        spill.remove(&format!("run-{number}-"))?;
        spill.remove(&format!("keys-{number}-"))?;
        let plan = NextLevel { number, level: *level, sources: vec![(level.ids(), 0)] };
        let parents = resources.candidates_of(resources.jobs);
        let bucketing = Bucketing { parents, buckets: 0 };
        let mut external = ExternalLevel { plan: &plan, bucketing, older: None };
        if !self.spill_runs(&external)? {
            return Ok(None);
        }
        external.bucketing.buckets = resources.count_buckets(&external)?;
        if !self.merge_runs(&external)? {
            return Ok(None);
        }
        spill.save_bucketing(number, external.bucketing)?;
        Ok(Some(external.bucketing))
    }

    /// Fails if the level may not fit on the disk.
    fn check_space(&self, plan: &NextLevel) -> Result<()> {
        let Resources { context, spill, path, .. } = &self.resources;
        // All of them may survive, but far fewer candidates remain of those that are merged at
        // once.
        let needed = context.max_candidates(plan) * context.format.full().len() as u64;
        self.reporter.update(|progress| progress.temporary = needed);
        let found = nix::sys::statvfs::statvfs(&spill.directory)
            .map_err(|error| io(&spill.directory, "find its free space")(error.into()))?;
        let free = found.blocks_available() * found.fragment_size();
        if needed <= free {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "{}: circuits of {} letters may need {} MiB of temporary files beside it, but only {} MiB are free; free \
             some space and run the same enumeration again: it resumes from here",
            path.display(),
            plan.level.length,
            needed >> 20,
            free >> 20
        )))
    }

    /// Expands a level and writes each piece's candidates, sorted by key. False if it was stopped.
    fn spill_runs(&self, external: &ExternalLevel<'_>) -> Result<bool> {
        let (number, pieces, resources) = (external.plan.number, external.pieces(), &self.resources);
        let spill = &resources.spill;
        let is_done = |piece: &usize| (0..PARTS).all(|part| spill.contains(&run_name(number, part, *piece)));
        let todo: Vec<usize> = (0..pieces.len()).filter(|piece| !is_done(piece)).collect();
        self.expand_pieces(&pieces, &todo, &RunSink { resources, number })
    }

    /// Merges the runs of a level into files of keys and files of survivors. False if it was
    /// stopped.
    fn merge_runs(&self, external: &ExternalLevel<'_>) -> Result<bool> {
        let Enumeration { resources, reporter, .. } = self;
        let (number, buckets, spill) = (external.plan.number, external.bucketing.buckets, &resources.spill);
        let is_done = |bucket: &u64| {
            spill.contains(&keys_name(number, *bucket))
                && (external.older.is_none() || spill.contains(&survivors_name(number, *bucket)))
        };
        let todo: Vec<u64> = (0..buckets).filter(|bucket| !is_done(bucket)).collect();
        let part_of = |bucket: u64| bucket / (buckets / PARTS);
        let left = |part: u64| todo.iter().filter(|&&bucket| part_of(bucket) == part).count() as u64;
        let mut left: Vec<u64> = (0..PARTS).map(left).collect();
        for part in (0..PARTS).filter(|&part| left[part as usize] == 0) {
            spill.remove(&format!("run-{number}-{part}-"))?;
        }
        reporter.begin(Phase::Merging, buckets - todo.len() as u64, buckets);
        let pieces = external.pieces().len();
        let work = |buffer: &mut SortBuffer, place: usize| {
            let range = resources.context.key_ranges(buckets).with_margin(todo[place]);
            buffer.rows.clear();
            for piece in 0..pieces {
                let run = resources.run(number, part_of(todo[place]), piece)?;
                run.visit(run.with_keys(range)?, |row| {
                    buffer.rows.push(resources.context.format.candidate(row));
                    true
                })?;
            }
            resources.merge_bucket(external, todo[place], buffer)
        };
        let mut finish = |place: usize, new: u64| {
            let part = part_of(todo[place]);
            left[part as usize] -= 1;
            if left[part as usize] == 0 {
                spill.remove(&format!("run-{number}-{part}-"))?;
            }
            reporter.report(|progress| {
                progress.done += 1;
                progress.records += new;
            });
            Ok(())
        };
        let begin = || Ok(SortBuffer::default());
        parallel(resources.threads(), todo.len(), &begin, &work, &mut finish, &mut || {})
    }

    /// Turns the survivors, sorted by origin, into records. False if it was stopped.
    fn record_survivors(&self, external: &ExternalLevel<'_>, level: Level) -> Result<bool> {
        let ExternalLevel { plan, bucketing, .. } = external;
        let Resources { context, spill, .. } = &self.resources;
        let (number, format) = (plan.number, context.format);
        // Each level is a source once, so the pieces' origins do not overlap.
        let pieces = next_level::pieces(&plan.sources, ORDERED_PARENTS);
        let open = |bucket: u64| spill.sorted(&survivors_name(number, bucket), &format.survivors());
        let mut first_ids = vec![level.first_id; pieces.len() + 1];
        for bucket in 0..bucketing.buckets {
            let file = open(bucket)?;
            for (first_id, (ids, _)) in first_ids[1..].iter_mut().zip(&pieces) {
                *first_id += file.below(&row_format::origin_bytes(context.origins(ids).end))?;
            }
        }
        self.begin_records(&level)?;
        let survivors = |piece: usize, SortBuffer { rows, spare }: &mut SortBuffer<Shortest>| {
            let origins = context.origins(&pieces[piece].0);
            let [start, end] = [origins.start, origins.end].map(row_format::origin_bytes);
            for bucket in 0..bucketing.buckets {
                let file = open(bucket)?;
                file.visit(file.between(&start, Some(&end))?, |row| {
                    rows.push(format.survivor(row));
                    true
                })?;
            }
            sort_by_origin(rows, &origins, |row| row.origin, spare);
            Ok(())
        };
        let index = IndexFill::new(context, number, &level, *bucketing);
        let pieces = RecordPieces { parents: &pieces, first_ids: &first_ids, cost: level.cost };
        self.record(&pieces, &survivors, Some(&index))
    }
}

impl Resources<'_> {
    fn run(&self, level: usize, part: u64, piece: usize) -> Result<SortedFile> {
        self.spill.sorted(&run_name(level, part, piece), &self.context.format.full())
    }

    /// Returns the number of ranges of keys for which each holds few enough candidates.
    fn count_buckets(&self, external: &ExternalLevel<'_>) -> Result<u64> {
        let mut candidates = 0;
        for piece in 0..external.pieces().len() {
            for part in 0..PARTS {
                candidates += self.run(external.plan.number, part, piece)?.len();
            }
        }
        // Some ranges hold slightly more than others.
        let buckets = (candidates * 9 / 8).div_ceil(self.candidates_of(self.jobs).max(1));
        Ok(buckets.next_power_of_two().max(PARTS))
    }

    /// Merges the candidates of a bucket and its margin, writes the survivors and returns their
    /// number.
    fn merge_bucket(
        &self,
        ExternalLevel { plan, bucketing, older }: &ExternalLevel<'_>,
        bucket: u64,
        SortBuffer { rows: candidates, spare }: &mut SortBuffer,
    ) -> Result<u64> {
        let Resources { context, spill, .. } = self;
        let (format, ranges) = (context.format, context.key_ranges(bucketing.buckets));
        let range = ranges.with_margin(bucket);
        sort_by_key(candidates, range.start, ranges.common_zeros(), spare);
        self.dedup(candidates, range, older.unwrap_or_default())?;
        // Candidates of the margin belong to other buckets.
        candidates.retain(|row| ranges.of(row.key[0]) == bucket);
        spill.write(&keys_name(plan.number, bucket), format, &format.keys(), candidates)?;
        if older.is_some() {
            let origins = plan.origins(context.letter_count());
            sort_by_origin(candidates, &origins, |row| row.shortest.origin, spare);
            spill.write(&survivors_name(plan.number, bucket), format, &format.survivors(), candidates)?;
        }
        Ok(candidates.len() as u64)
    }

    /// Merges equal candidates of a range, sorted by key, and drops candidates of `older` levels.
    pub(super) fn dedup(
        &self,
        candidates: &mut Vec<Candidate>,
        range: KeyRange,
        older: OlderLevels<'_>,
    ) -> Result<()> {
        dedup_sorted(candidates, self.context.tolerance).map_err(|found| self.ambiguous(found))?;
        for &older in older {
            let mut sweep = KnownKeySweep::new(candidates, self.context.tolerance);
            self.visit_keys(older, range, |key| sweep.meet(key))?;
        }
        candidates.retain(|row| row.shortest.circuits > 0);
        Ok(())
    }

    /// Calls `meet` with the ascending keys of a level in a range, in each bucket until it returns
    /// false.
    pub(super) fn visit_keys(
        &self,
        (level, Bucketing { buckets, .. }): (usize, Bucketing),
        range: KeyRange,
        mut meet: impl FnMut([u64; 2]) -> Judgement<bool>,
    ) -> Result<()> {
        let ranges = self.context.key_ranges(buckets);
        let last = range.end.map_or(buckets - 1, |end| ranges.of(end - 1));
        for bucket in ranges.of(range.start)..=last {
            let (keys, mut met) = (self.keys(level, bucket)?, Ok(true));
            keys.visit(keys.with_keys(range)?, |row| {
                met = meet(halves(row_format::key(row)));
                matches!(met, Ok(true))
            })?;
            met.map_err(|found| self.ambiguous(found))?;
        }
        Ok(())
    }
}
