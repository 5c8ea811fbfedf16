//! The parts of making a level: expanding, merging, ordering.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::ids::Ids;
use crate::distinct::expand::{Expand, Parents};
use crate::distinct::job::{Cut, Job, Task};
use crate::distinct::parallel::parallel;
use crate::distinct::progress::{EnumerateProgress, Phase, Report};
use crate::distinct::recording::{Filling, ORDERED_TOGETHER, Pieces};
use crate::distinct::rows::{
    self, Candidate, Keys, Room, Shortest, Sweep, Unclear, combine, halves, sort_by_key, sort_by_origin,
};
use crate::distinct::temporary::Sorted;
use crate::error::{Error, Result};
use crate::tables::levels::Level;
use crate::tables::next_level::{self, NextLevel};
use qorpus_core::Circuits;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// The candidates of a piece are cut into so many files by their keys, each removed as soon as all
/// of it is brought together.
pub(super) const PARTS: u64 = 8;

impl Keys {
    /// The rows of a file that begin with these keys.
    pub(super) fn of(self, file: &Sorted) -> Result<Range<u64>> {
        file.between(&self.start.to_be_bytes(), self.end.map(u64::to_be_bytes).as_ref().map(|end| &end[..]))
    }
}

impl Job<'_> {
    /// Writes the candidates of a level, sorted by their keys, piece by piece. Sources without
    /// letters are taken as they are.
    pub(super) fn expand(
        &self,
        plan: &NextLevel,
        cut: Cut,
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<bool> {
        let (task, rules) = (&self.task, self.task.rules);
        let (number, pieces) = (plan.number, next_level::pieces(&plan.sources, cut.parents));
        let name = |piece: usize, part: u64| format!("run-{number}-{part}-{piece}");
        let todo: Vec<usize> = (0..pieces.len())
            .filter(|&piece| !(0..PARTS).all(|part| self.is_there(&name(piece, part))))
            .collect();
        let keep = |piece: usize, Room { rows: candidates, spare }: &mut Room| {
            sort_by_key(candidates, 0, 0, spare);
            combine(candidates, rules.bands).map_err(|unclear| task.unclear(unclear))?;
            for part in 0..PARTS {
                let within = &candidates[Keys::wide(part, PARTS, rules.bands).within(candidates)];
                task.temporary.write(&name(piece, part), rules.layout, &rules.layout.whole(), within)?;
            }
            Ok(())
        };
        let complete = self.products(&pieces, &todo, &keep, &mut |_, ()| Ok(()), progress, report)?;
        let names = (0..pieces.len()).flat_map(|piece| (0..PARTS).map(move |part| (piece, part)));
        self.written.borrow_mut().extend(names.map(|(piece, part)| name(piece, part)));
        Ok(complete)
    }

    /// Makes the candidates of those of the pieces that are to be done; `keep` gets them on many
    /// threads, and what it returns comes to `finish` in order.
    pub(super) fn products<T: Send>(
        &self,
        pieces: &[(Range<u64>, u32)],
        todo: &[usize],
        keep: &(impl Fn(usize, &mut Room) -> Result<T> + Sync),
        finish: &mut dyn FnMut(usize, T) -> Result<()>,
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<bool> {
        let task = &self.task;
        let size = |(ids, _): &(Range<u64>, u32)| ids.end - ids.start;
        (progress.phase, progress.of) = (Phase::Expanding, pieces.iter().map(size).sum());
        progress.done = progress.of - todo.iter().map(|&piece| size(&pieces[piece])).sum::<u64>();
        let (products, done, before) =
            (AtomicU64::new(0), AtomicU64::new(progress.done), progress.candidates);
        let begin = || {
            let corpus = CorpusFile::open(task.path)?;
            Ok((corpus, Parents::default(), task.rules.expander(), Room::default()))
        };
        let work =
            |(corpus, parents, expander, room): &mut (CorpusFile, Parents, Box<dyn Expand + '_>, Room),
             place: usize| {
                let (ids, letters) = pieces[todo[place]].clone();
                let out = &mut room.rows;
                out.clear();
                out.reserve((ids.end - ids.start) as usize * letters.count_ones() as usize);
                corpus.parents(ids, parents, Parents::take, |parents, rows| {
                    let (before, records) = (out.len(), rows.len() as u64);
                    match letters {
                        0 => expander.same(parents, rows, out)?,
                        letters => expander.expand(parents, rows, letters, out)?,
                    }
                    products.fetch_add((out.len() - before) as u64, Ordering::Relaxed);
                    done.fetch_add(records, Ordering::Relaxed);
                    Ok(())
                })?;
                keep(todo[place], room)
            };
        let mut tick = || {
            progress.candidates = before + products.load(Ordering::Relaxed);
            progress.done = done.load(Ordering::Relaxed);
            report(*progress);
        };
        parallel(task.threads(), todo.len(), &begin, &work, finish, &mut tick)
    }

    /// How many ranges of keys hold few enough candidates each.
    pub(super) fn buckets(&self, number: usize, cut: Cut, sources: &[(Range<u64>, u32)]) -> Result<u64> {
        let task = &self.task;
        let mut rows = 0;
        for piece in 0..next_level::pieces(sources, cut.parents).len() {
            for part in 0..PARTS {
                rows += task
                    .temporary
                    .sorted(&format!("run-{number}-{part}-{piece}"), &task.rules.layout.whole())?
                    .len();
            }
        }
        // Some ranges hold a little more than others.
        Ok((rows * 9 / 8).div_ceil(task.at_once.max(1)).next_power_of_two().max(PARTS))
    }

    /// Brings equal candidates together, and writes those that no `older` level has: by their keys,
    /// and, if they are new at all, by their origins.
    pub(super) fn merge(
        &self,
        plan: &NextLevel,
        cut: Cut,
        older: Option<&[(usize, Cut)]>,
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<bool> {
        let (task, rules) = (&self.task, self.task.rules);
        let (number, layout) = (plan.number, rules.layout);
        let pieces = next_level::pieces(&plan.sources, cut.parents).len();
        let keys = |bucket: u64| format!("keys-{number}-{bucket}");
        let found = |bucket: u64| format!("found-{number}-{bucket}");
        let is_done =
            |bucket: u64| self.is_there(&keys(bucket)) && (older.is_none() || self.is_there(&found(bucket)));
        let todo: Vec<u64> = (0..cut.buckets).filter(|&bucket| !is_done(bucket)).collect();
        let in_part = cut.buckets / PARTS;
        let mut left: Vec<u64> = (0..PARTS)
            .map(|part| todo.iter().filter(|&&bucket| bucket / in_part == part).count() as u64)
            .collect();
        for part in (0..PARTS).filter(|&part| left[part as usize] == 0) {
            self.remove(&format!("run-{number}-{part}-"))?;
        }
        (progress.phase, progress.of) = (Phase::Merging, cut.buckets);
        progress.done = cut.buckets - todo.len() as u64;
        let shift = u64::BITS - cut.buckets.ilog2();
        // With neighbours on both sides the range is less than twice as long.
        let common = cut.buckets.ilog2() - u32::from(rules.bands.distinct > 0);
        let work = |Room { rows: candidates, spare }: &mut Room, place: usize| {
            let bucket = todo[place];
            let range = Keys::wide(bucket, cut.buckets, rules.bands);
            candidates.clear();
            for piece in 0..pieces {
                let run = task
                    .temporary
                    .sorted(&format!("run-{number}-{}-{piece}", bucket / in_part), &layout.whole())?;
                run.visit(range.of(&run)?, |row| {
                    candidates.push(layout.candidate(row));
                    true
                })?;
            }
            sort_by_key(candidates, range.start, common, spare);
            task.survivors(candidates, range, older.unwrap_or_default())?;
            // Neighbours are others' to write.
            candidates.retain(|row| row.key[0] >> shift == bucket);
            task.temporary.write(&keys(bucket), layout, &layout.keys(), candidates)?;
            if older.is_some() {
                let origins = plan.origins(rules.inverses.len() as u64);
                sort_by_origin(candidates, &origins, spare);
                task.temporary.write(&found(bucket), layout, &layout.found(), candidates)?;
            }
            Ok(candidates.len() as u64)
        };
        let mut finish = |place: usize, new: u64| {
            let bucket = todo[place];
            self.written.borrow_mut().extend([keys(bucket), found(bucket)]);
            progress.done += 1;
            progress.records += new;
            let part = (bucket / in_part) as usize;
            left[part] -= 1;
            if left[part] == 0 {
                self.remove(&format!("run-{number}-{part}-"))?;
            }
            report(*progress);
            Ok(())
        };
        parallel(task.threads(), todo.len(), &|| Ok(Room::default()), &work, &mut finish, &mut || {})
    }

    /// Makes records of the survivors, in the order of their origins.
    pub(super) fn order(
        &self,
        plan: &NextLevel,
        level: Level,
        cut: Cut,
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<bool> {
        let task = &self.task;
        let (number, letters) = (plan.number, task.rules.inverses.len() as u64);
        let pieces = next_level::pieces(&plan.sources, ORDERED_TOGETHER);
        // Sources of the same circuits' other letters do not occur: each level is a source once.
        let sorted = |bucket: u64| {
            task.temporary.sorted(&format!("found-{number}-{bucket}"), &task.rules.layout.found())
        };
        let mut starts = vec![level.first_id; pieces.len() + 1];
        for bucket in 0..cut.buckets {
            let file = sorted(bucket)?;
            for (start, (ids, _)) in starts[1..].iter_mut().zip(&pieces) {
                *start += file.below(&rows::origin_bytes(ids.end * letters))?;
            }
        }
        self.orders(&level, progress)?;
        let found = |piece: usize, Room { rows: found, spare }: &mut Room<Shortest>| {
            let ids = &pieces[piece].0;
            let [start, end] = [ids.start, ids.end].map(|id| rows::origin_bytes(id * letters));
            for bucket in 0..cut.buckets {
                let file = sorted(bucket)?;
                file.visit(file.between(&start, Some(&end))?, |row| {
                    found.push(task.rules.layout.of_found(row));
                    true
                })?;
            }
            sort_by_origin(found, &(ids.start * letters..ids.end * letters), spare);
            Ok(())
        };
        let index = Filling::new(task.rules, number, &level, cut);
        let pieces = Pieces { circuits: &pieces, starts: &starts, cost: level.cost };
        self.record(&pieces, &found, Some(&index), progress, report)
    }
}

impl Task<'_> {
    /// Brings equal candidates of a range together, which are in the order of their keys, and drops
    /// those that these levels have.
    pub(super) fn survivors(
        &self,
        candidates: &mut Vec<Candidate>,
        range: Keys,
        older: &[(usize, Cut)],
    ) -> Result<()> {
        combine(candidates, self.rules.bands).map_err(|unclear| self.unclear(unclear))?;
        for (earlier, cut) in older {
            self.mark_known(candidates, *earlier, *cut, range)?;
        }
        candidates.retain(|row| row.shortest.circuits > 0);
        Ok(())
    }

    /// Marks the candidates that level `number` has.
    fn mark_known(&self, candidates: &mut [Candidate], number: usize, cut: Cut, range: Keys) -> Result<()> {
        let shift = u64::BITS - cut.buckets.ilog2();
        let (mut sweep, mut unclear) = (Sweep::new(candidates, self.rules.bands), None);
        for bucket in range.start >> shift..cut.buckets {
            if range.end.is_some_and(|end| bucket << shift >= end) || unclear.is_some() {
                break;
            }
            let keys =
                self.temporary.sorted(&format!("keys-{number}-{bucket}"), &self.rules.layout.keys())?;
            keys.visit(range.of(&keys)?, |row| {
                sweep.meet(halves(rows::key(row))).unwrap_or_else(|found| {
                    unclear = Some(found);
                    false
                })
            })?;
        }
        unclear.map_or(Ok(()), |unclear| Err(self.unclear(unclear)))
    }

    /// The error of a candidate that cannot be told from another one.
    pub(super) fn unclear(&self, Unclear(origin): Unclear) -> Error {
        let (letters, alphabet) = (self.rules.inverses.len() as u64, self.rules.recipe.alphabet());
        let circuit = || {
            let mut circuits = Circuits::default();
            CorpusFile::open(self.path)?.circuits(&Ids::List(&[origin / letters]), &mut circuits)?;
            let whole = circuits.get(0).iter().copied().chain([(origin % letters) as u16]);
            Ok(alphabet.text(&whole.collect::<Vec<_>>()))
        };
        match circuit() {
            Ok(circuit) => Error::Unclear(self.path.into(), circuit),
            Err(error) => error,
        }
    }
}
