//! The parts of making a level: expanding, merging, ordering, indexing.

use super::expand::{CIRCUITS, Expand, FIRST, LAST, Parents};
use super::levels::Index;
use super::parallel::parallel;
use super::plan::Plan;
use super::rows::{self, Candidate, Sorted, Unclear, combine, halves, sort_by_key, sort_by_origin};
use super::{COST, Cut, EnumerateProgress, Job, Level, Phase, Report, T_COUNT, TWO_QUBIT_COUNT, Task};
use crate::error::{Error, Result};
use crate::ids::Ids;
use crate::reader::Corpus;
use crate::store::{self, insert_chunks};
use qorpus_core::{Chunk, Circuits, LabelColumn, Labels, Letter};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// The candidates of a piece are cut into so many files by their keys, each removed as soon as all of it is brought together.
const PARTS: u64 = 8;

/// The circuits whose successors are put in order together; so it does not depend on the memory how records are cut into
/// chunks.
const ORDERED_TOGETHER: u64 = 1 << 15;

/// A commit carries about this many bytes.
const GROUP_BYTES: usize = 16 << 20;

/// A range of the first halves of keys; without an end, all from there on.
#[derive(Debug, Clone, Copy)]
struct Keys {
    start: u64,
    end: Option<u64>,
}

impl Keys {
    /// The rows of a file that begin with these keys.
    fn of(self, file: &Sorted) -> Result<Range<u64>> {
        file.between(&self.start.to_be_bytes(), self.end.map(u64::to_be_bytes).as_ref().map(|end| &end[..]))
    }
}

/// Candidates, and as much room again to put them in order.
#[derive(Default)]
struct Room {
    candidates: Vec<Candidate>,
    spare: Vec<Candidate>,
}

impl Job<'_> {
    /// Writes the candidates of a level, sorted by their keys, piece by piece. Sources without letters are taken as they are.
    pub(super) fn expand(
        &self,
        plan: &Plan,
        cut: Cut,
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<bool> {
        let task = &self.task;
        let (number, pieces) = (plan.number, Job::pieces(&plan.sources, cut.parents));
        let name = |piece: u64, part: u64| format!("run-{number}-{part}-{piece}");
        let todo: Vec<u64> = (0..pieces.len() as u64)
            .filter(|&piece| !(0..PARTS).all(|part| self.is_there(&name(piece, part))))
            .collect();
        let size = |piece: u64| pieces[piece as usize].0.end - pieces[piece as usize].0.start;
        (progress.phase, progress.of) = (Phase::Expanding, (0..pieces.len() as u64).map(size).sum());
        progress.done = progress.of - todo.iter().map(|&piece| size(piece)).sum::<u64>();
        let (products, done, before) =
            (AtomicU64::new(0), AtomicU64::new(progress.done), progress.candidates);
        let begin = || {
            let corpus = Corpus::open(task.path)?;
            Ok((corpus, Parents::default(), task.letters.expander(&task.inverses), Room::default()))
        };
        let work = |(corpus, parents, expander, room): &mut (Corpus, Parents, Box<dyn Expand + '_>, Room),
                    piece: usize| {
            let (ids, letters) = pieces[todo[piece] as usize].clone();
            let Room { candidates: out, spare } = room;
            out.clear();
            out.reserve((ids.end - ids.start) as usize * letters.count_ones() as usize);
            corpus.parents(ids, parents, |parents, rows| {
                let (before, records) = (out.len(), rows.len() as u64);
                match letters {
                    0 => expander.same(parents, rows, out)?,
                    letters => expander.expand(parents, rows, letters, out)?,
                }
                products.fetch_add((out.len() - before) as u64, Ordering::Relaxed);
                done.fetch_add(records, Ordering::Relaxed);
                Ok(())
            })?;
            sort_by_key(out, 0, 0, spare);
            combine(out, task.bands).map_err(|unclear| task.unclear(unclear))?;
            for part in 0..PARTS {
                let range = task.wide(part, PARTS);
                let end = range.end.map_or(out.len(), |end| out.partition_point(|row| row.key[0] < end));
                let start = out.partition_point(|row| row.key[0] < range.start);
                let name = name(todo[piece], part);
                task.temporary.write(
                    &name,
                    task.layout,
                    &task.layout.whole(),
                    &out[start..end],
                    cut.in_memory,
                )?;
            }
            Ok(())
        };
        let mut tick = || {
            progress.candidates = before + products.load(Ordering::Relaxed);
            progress.done = done.load(Ordering::Relaxed);
            report(*progress);
        };
        let complete =
            parallel(task.jobs, task.stop, todo.len(), &begin, &work, &mut |_, ()| Ok(()), &mut tick)?;
        let names = (0..pieces.len() as u64).flat_map(|piece| (0..PARTS).map(move |part| (piece, part)));
        self.written.borrow_mut().extend(names.map(|(piece, part)| name(piece, part)));
        Ok(complete)
    }

    /// How many ranges of keys hold few enough candidates each.
    pub(super) fn buckets(&self, number: usize, cut: Cut, sources: &[(Range<u64>, u32)]) -> Result<u64> {
        let task = &self.task;
        let mut rows = 0;
        for piece in 0..Job::pieces(sources, cut.parents).len() {
            for part in 0..PARTS {
                rows += task
                    .temporary
                    .sorted(&format!("run-{number}-{part}-{piece}"), &task.layout.whole())?
                    .len();
            }
        }
        // Some ranges hold a little more than others.
        Ok((rows * 9 / 8).div_ceil(task.at_once.max(1)).next_power_of_two().max(PARTS))
    }

    /// Brings equal candidates together, and writes those that no `older` level has: by their keys, and, if they are new at all, by
    /// their origins.
    pub(super) fn merge(
        &self,
        plan: &Plan,
        cut: Cut,
        older: Option<&[(usize, Cut)]>,
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<bool> {
        let task = &self.task;
        let (number, layout) = (plan.number, task.layout);
        let pieces = Job::pieces(&plan.sources, cut.parents).len();
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
        let common = cut.buckets.ilog2() - u32::from(task.bands.apart > 0);
        let work = |Room { candidates, spare }: &mut Room, place: usize| {
            let bucket = todo[place];
            let range = task.wide(bucket, cut.buckets);
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
            combine(candidates, task.bands).map_err(|unclear| task.unclear(unclear))?;
            for (earlier, cut) in older.unwrap_or_default() {
                task.drop_known(candidates, *earlier, *cut, range)?;
            }
            // Neighbours are others' to write.
            candidates.retain(|row| row.circuits > 0 && row.key[0] >> shift == bucket);
            task.temporary.write(&keys(bucket), layout, &layout.keys(), candidates, cut.in_memory)?;
            if older.is_some() {
                let origins = plan.origins(task.inverses.len() as u64);
                sort_by_origin(candidates, &origins, spare);
                task.temporary.write(&found(bucket), layout, &layout.found(), candidates, cut.in_memory)?;
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
        parallel(task.jobs, task.stop, todo.len(), &|| Ok(Room::default()), &work, &mut finish, &mut || {})
    }

    /// Makes records of the survivors, in the order of their origins.
    pub(super) fn order(
        &self,
        plan: &Plan,
        level: Level,
        cut: Cut,
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<bool> {
        let task = &self.task;
        let (number, letters) = (plan.number, task.inverses.len() as u64);
        let pieces = Job::pieces(&plan.sources, ORDERED_TOGETHER);
        // Sources of the same circuits' other letters do not occur: each level is a source once.
        let sorted =
            |bucket: u64| task.temporary.sorted(&format!("found-{number}-{bucket}"), &task.layout.found());
        let mut starts = vec![0; pieces.len() + 1];
        for bucket in 0..cut.buckets {
            let file = sorted(bucket)?;
            for (start, (ids, _)) in starts[1..].iter_mut().zip(&pieces) {
                *start += file.below(&rows::origin_bytes(ids.end * letters))?;
            }
        }
        let there = self.store.read(|transaction| store::totals(transaction))?.0 - level.first_id;
        let begun = starts[1..].partition_point(|&end| end <= there);
        (progress.phase, progress.of, progress.done) = (Phase::Ordering, level.records, there);
        progress.records = level.first_id + there;
        let begin = || Ok((Corpus::open(task.path)?, Parents::default(), Room::default()));
        let work = |(corpus, parents, room): &mut (Corpus, Parents, Room), place: usize| {
            let piece = begun + place;
            let ids = pieces[piece].0.clone();
            let Room { candidates: found, spare } = room;
            found.clear();
            let [start, end] = [ids.start, ids.end].map(|id| rows::origin_bytes(id * letters));
            for bucket in 0..cut.buckets {
                let file = sorted(bucket)?;
                file.visit(file.between(&start, Some(&end))?, |row| {
                    found.push(task.layout.of_found(row));
                    true
                })?;
            }
            sort_by_origin(found, &(ids.start * letters..ids.end * letters), spare);
            task.records(corpus, parents, ids, found, level.first_id + starts[piece], level.cost)
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

    /// Writes the index of a level.
    pub(super) fn index(
        &self,
        number: usize,
        level: &Level,
        cut: Cut,
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<bool> {
        let task = &self.task;
        let index = Index::new(task.recipe, number, level);
        let mut next = self.store.read(|connection| index.present(connection))?;
        let (mut entries, mut group, mut bytes) = (Vec::<(u128, u64)>::new(), Vec::new(), 0);
        let commit = |group: &mut Vec<(u64, Vec<u8>)>| {
            self.store.write(|transaction| {
                group.drain(..).try_for_each(|(block, bytes)| index.insert(transaction, block, &bytes))
            })
        };
        let shift = u128::BITS - cut.buckets.ilog2();
        for bucket in 0..cut.buckets {
            // Of a range that is in the file already, nothing is left to do.
            if bucket + 1 < cut.buckets && index.block(u128::from(bucket + 1) << shift) < next {
                continue;
            }
            let keys = task.temporary.sorted(&format!("keys-{number}-{bucket}"), &task.layout.keys())?;
            keys.visit(0..keys.len(), |row| {
                let key = rows::key(row);
                let block = index.block(key);
                while next < block {
                    let done = std::mem::take(&mut entries);
                    group.push((next, index.encode(next, &done)));
                    bytes += done.len();
                    next += 1;
                }
                if block == next {
                    entries.push((key, rows::origin_of_key(row)));
                }
                true
            })?;
            if bytes * 10 >= GROUP_BYTES {
                commit(&mut group)?;
                bytes = 0;
            }
            report(*progress);
            if task.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
        }
        while next < index.blocks() {
            group.push((next, index.encode(next, &std::mem::take(&mut entries))));
            next += 1;
        }
        commit(&mut group)?;
        Ok(true)
    }
}

impl Task<'_> {
    /// Range `number` of so many equal ranges of keys, with what lies so near to it that it may be the same as something within.
    fn wide(&self, number: u64, ranges: u64) -> Keys {
        let (shift, apart) = (u64::BITS - ranges.ilog2(), self.bands.apart);
        let start = (number << shift).saturating_sub(apart);
        let end = (number + 1 < ranges).then(|| ((number + 1) << shift).checked_add(apart)).flatten();
        Keys { start, end }
    }

    /// Marks the candidates that level `number` has.
    fn drop_known(&self, candidates: &mut [Candidate], number: usize, cut: Cut, range: Keys) -> Result<()> {
        let shift = u64::BITS - cut.buckets.ilog2();
        let (mut next, mut unclear) = (0, None);
        for bucket in range.start >> shift..cut.buckets {
            if range.end.is_some_and(|end| bucket << shift >= end) || unclear.is_some() {
                break;
            }
            let keys = self.temporary.sorted(&format!("keys-{number}-{bucket}"), &self.layout.keys())?;
            keys.visit(range.of(&keys)?, |row| {
                let key = halves(rows::key(row));
                while candidates.get(next).is_some_and(|row| row.key[0] + self.bands.apart < key[0]) {
                    next += 1;
                }
                for candidate in candidates.iter_mut().skip(next) {
                    if candidate.key[0] > key[0].saturating_add(self.bands.apart) {
                        break;
                    }
                    match rows::same(candidate.key, key, self.bands) {
                        Some(true) => candidate.circuits = 0,
                        Some(false) => {}
                        None => unclear = Some(Unclear(candidate.origin)),
                    }
                }
                next < candidates.len() && unclear.is_none()
            })?;
        }
        unclear.map_or(Ok(()), |unclear| Err(self.unclear(unclear)))
    }

    /// The error of a candidate that cannot be told from another one.
    fn unclear(&self, Unclear(origin): Unclear) -> Error {
        let (letters, alphabet) = (self.inverses.len() as u64, self.recipe.alphabet());
        let circuit = || {
            let mut circuits = Circuits::default();
            Corpus::open(self.path)?.circuits(&Ids::List(&[origin / letters]), &mut circuits)?;
            let whole = circuits.get(0).iter().copied().chain([(origin % letters) as u16]);
            Ok(alphabet.text(&whole.collect::<Vec<_>>()))
        };
        match circuit() {
            Ok(circuit) => Error::Unclear { path: self.path.into(), circuit },
            Err(error) => error,
        }
    }

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
        corpus.parents(ids, parents, |parents, rows| {
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

    /// A chunk of records.
    pub(super) fn chunk(
        &self,
        first_id: u64,
        circuits: &Circuits,
        found: &[Candidate],
        cost: u32,
    ) -> Result<Chunk> {
        let alphabet = self.recipe.alphabet();
        let gate = |letter: &Letter| &alphabet.gates()[letter.gate];
        let one = |letter: &Letter| [gate(letter).is_t(), gate(letter).qubits() == 2].map(i64::from);
        let of_letters: Vec<[i64; 2]> = alphabet.letters().iter().map(one).collect();
        let sum = |circuit: &[u16]| {
            let of = circuit.iter().map(|&letter| of_letters[usize::from(letter)]);
            of.fold([0; 2], |[t, two], [is_t, is_two]| [t + is_t, two + is_two])
        };
        let (t_counts, two_qubit_counts) = circuits.iter().map(sum).map(|[t, two]| (t, two)).unzip();
        let column = |of: &dyn Fn(&Candidate) -> u32| {
            LabelColumn::Integers(found.iter().map(|row| of(row).into()).collect())
        };
        let mut columns = vec![
            (CIRCUITS, column(&|row| row.circuits)),
            (FIRST, column(&|row| row.first)),
            (LAST, column(&|row| row.last)),
            (T_COUNT, LabelColumn::Integers(t_counts)),
            (TWO_QUBIT_COUNT, LabelColumn::Integers(two_qubit_counts)),
        ];
        if self.has_costs() {
            columns.push((COST, column(&|_| cost)));
        }
        let (mut labels, mut chunk) = (Labels::default(), Chunk::default());
        labels.extend(circuits.len(), &columns)?;
        self.codec.encode(first_id, circuits, &[], &mut chunk);
        self.codec.encode_labels(&labels, 0..circuits.len(), &mut chunk);
        Ok(chunk)
    }
}
