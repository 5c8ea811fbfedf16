//! Finding: from a unitary to its shortest circuit, stored or put together from two that are.
//!
//! A target that is precise is told from everything else, so it is found or proven absent. Of one
//! that is less precise the records within its tolerance are compared; whatever the answer is then,
//! it is not a proof.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::ids::Ids;
use crate::distinct::expand::{Letters, Walk};
use crate::distinct::index::Index;
use crate::distinct::nearest::{Nearest, scan};
use crate::distinct::parallel::{Threads, parallel};
use crate::error::{Error, Result};
use crate::options::distinct::FindOptions;
use crate::options::job::threads;
use crate::tables::levels::Level;
use crate::tables::next_level;
use qorpus_core::{Arithmetic, Circuits, Distinct, Target, distance};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is known of a unitary.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// It is that of a record.
    Record {
        /// The record's id.
        id: u64,
        /// Its circuit: no other one costs less, or as little and is shorter.
        circuit: Vec<u16>,
    },
    /// A circuit longer than those of the corpus makes it, and no shorter one does.
    Circuit(Vec<u16>),
    /// No circuit of this length or a shorter one makes it: this was proven.
    BeyondLength(usize),
    /// No circuit that costs so much or less makes it: this was proven.
    BeyondCost(u32),
    /// No circuit over these gates makes it at all: all that they make were enumerated.
    Never,
    /// The target is not precise enough for a proof, or a tolerance was given, and this circuit
    /// clearly is within it.
    Near {
        /// The record; `None` of a circuit that was put together from two.
        id: Option<u64>,
        /// Its circuit.
        circuit: Vec<u16>,
        /// The largest difference of entries, up to phase if the corpus is.
        distance: f64,
        /// The tolerance.
        tolerance: f64,
    },
    /// No record is clearly the one that was meant. Nothing is proven.
    Unclear {
        /// The nearest record, its circuit and its distance; `None` if the search was stopped.
        nearest: Option<(u64, Vec<u16>, f64)>,
        /// The tolerance.
        tolerance: f64,
        /// How many records are within it: none, or several of which none is much nearer than the
        /// others.
        within: u64,
    },
}

impl Found {
    /// Whether this is the proof that no circuit, or none of some length or cost, makes the
    /// unitary.
    pub fn is_proof(&self) -> bool {
        matches!(self, Found::BeyondLength(_) | Found::BeyondCost(_) | Found::Never)
    }
}

/// What came of a search by the index.
enum Answer {
    Known(Found),
    /// The records have to be gone through, for those within this tolerance.
    Scan(f64),
}

impl CorpusFile {
    /// Looks for a unitary among those that were enumerated, up to a phase if they are.
    ///
    /// A target whose entries are right to 1e-9 (1e-12 if not all gates are exact) is found or
    /// proven absent. Of others, or with a tolerance, the records within the tolerance are
    /// compared: the one that is clearly meant is [`Found::Near`].
    ///
    /// Unless `further` is false, and if only lengths count, circuits up to twice as long are
    /// looked for: those with a beginning and an end that are both in the corpus. That takes time
    /// in O(n log n) for n records of a level, from the shortest on; `stop` is asked now and then
    /// and ends it, as if the lengths that were not looked through yet had not been asked for. To
    /// name the nearest record where none is within the tolerance takes time in O(n).
    ///
    /// # Errors
    /// A corpus that enumerates nothing or has no level yet, a unitary on another number of qubits,
    /// a tolerance that is not one, or the file cannot be read.
    pub fn find(
        &self,
        target: &Target,
        options: FindOptions,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Found> {
        let search = self.search(std::slice::from_ref(target), options)?;
        let answer = self.answer(&search, target, options, stop)?;
        Ok(self.settled(&search, &[target], vec![answer], options, stop)?.swap_remove(0))
    }

    /// Looks for many unitaries as [`find`](CorpusFile::find) does, on all cores.
    ///
    /// # Errors
    /// As [`find`](CorpusFile::find).
    pub fn find_many(
        &self,
        targets: &[Target],
        options: FindOptions,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Found>> {
        let search = self.search(targets, options)?;
        let (stopped, mut answers) = (AtomicBool::new(false), Vec::with_capacity(targets.len()));
        let path = self.path().to_owned();
        let begin = || CorpusFile::open(&path);
        let work = |corpus: &mut CorpusFile, number: usize| {
            let mut stop = || stopped.load(Ordering::Relaxed);
            corpus.answer(&search, &targets[number], options, &mut stop)
        };
        let mut finish = |_, answer| {
            answers.push(answer);
            Ok(())
        };
        let mut tick = || stopped.store(stop(), Ordering::Relaxed);
        let jobs = Threads::new(threads(None)?, &stopped);
        parallel(jobs, targets.len(), &begin, &work, &mut finish, &mut tick)?;
        let unknown = Found::Unclear { nearest: None, tolerance: 0.0, within: 0 };
        answers.resize_with(targets.len(), || Answer::Known(unknown.clone()));
        self.settled(&search, &targets.iter().collect::<Vec<_>>(), answers, options, stop)
    }

    /// What all searches of the corpus have in common.
    fn search(&self, targets: &[Target], options: FindOptions) -> Result<Search<'_>> {
        let Some(distinct) = self.recipe().space().enumerates() else {
            let text = format!(
                "{}: only corpora that 'qorpus distinct' made can be searched",
                self.path().display()
            );
            return Err(Error::Usage(text));
        };
        let is_possible = |tolerance: &f64| *tolerance > 0.0 && *tolerance <= 2.0;
        if let Some(tolerance) = options.tolerance.filter(|tolerance| !is_possible(tolerance)) {
            return Err(qorpus_core::Error::Tolerance(tolerance).into());
        }
        let dim = self.recipe().alphabet().dim();
        let differs = |target: &&Target| target.numbers().len() != dim * dim;
        if let Some(target) = targets.iter().find(differs) {
            let entries = target.numbers().len();
            let text = format!("the unitary has {entries} entries; those of this corpus have {dim} x {dim}");
            return Err(Error::Usage(text));
        }
        let letters = Letters::new(self.recipe().alphabet(), distinct.up_to)?;
        let levels = self.levels()?;
        if !levels.iter().any(|level| level.records > 0) {
            return Err(self.nothing_yet());
        }
        Ok(Search { distinct, letters, levels })
    }

    fn nothing_yet(&self) -> Error {
        let text = "nothing is proven yet; run 'qorpus distinct' on it to its end";
        Error::Usage(format!("{}: {text}", self.path().display()))
    }

    fn answer(
        &self,
        search: &Search<'_>,
        target: &Target,
        options: FindOptions,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Answer> {
        match &search.letters {
            Letters::Exact(letters) => Lookup::new(self, search, letters).answer(target, options, stop),
            Letters::Floating(letters) => Lookup::new(self, search, letters).answer(target, options, stop),
        }
    }

    /// Goes through the records for those targets that need it, all at once.
    fn settled(
        &self,
        search: &Search<'_>,
        targets: &[&Target],
        answers: Vec<Answer>,
        options: FindOptions,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Found>> {
        let open = answers.iter().zip(targets).filter_map(|(answer, target)| match answer {
            Answer::Known(_) => None,
            Answer::Scan(tolerance) => Some((*target, *tolerance)),
        });
        let open: Vec<(&Target, f64)> = open.collect();
        let scanned = match open.is_empty() {
            true => Some(Vec::new()),
            false => scan(self, &search.levels, search.distinct.up_to, &open, stop)?,
        };
        let mut scanned = scanned.map(Vec::into_iter);
        let settle = |answer| match answer {
            Answer::Known(found) => Ok(found),
            Answer::Scan(tolerance) => match scanned.as_mut().and_then(Iterator::next) {
                None => Ok(Found::Unclear { nearest: None, tolerance, within: 0 }),
                Some(nearest) => self.judged(&nearest, tolerance, options),
            },
        };
        answers.into_iter().map(settle).collect()
    }

    /// The answer if these are the records that are nearest.
    fn judged(&self, nearest: &Nearest, tolerance: f64, options: FindOptions) -> Result<Found> {
        let Nearest { id, distance, second, within } = *nearest;
        let mut circuits = Circuits::default();
        self.circuits(&Ids::List(&[id]), &mut circuits)?;
        let circuit = circuits.get(0).to_vec();
        let is_clear = options.tolerance.is_some() || second > tolerance.min(CLEAR * distance);
        Ok(match within > 0 && is_clear {
            true => Found::Near { id: Some(id), circuit, distance, tolerance },
            false => Found::Unclear { nearest: Some((id, circuit, distance)), tolerance, within },
        })
    }
}

/// A record is clearly meant if the next one is so many times as far away.
const CLEAR: f64 = 4.0;

/// A precise target that is as near as this to a record, and not the same, may have lost digits
/// without a trace: nothing is proven.
const GUARD: f64 = 1e-6;

/// Candidates by the index; with more it is faster to go through the records.
const MAX_CANDIDATES: f64 = 4096.0;

/// The same for each end of a circuit in two parts.
const MAX_CANDIDATES_OF_AN_END: f64 = 16.0;

/// What all searches of a corpus have in common.
struct Search<'a> {
    distinct: &'a Distinct,
    letters: Letters,
    levels: Vec<Level>,
}

/// What came of looking for a circuit in two parts.
enum Half {
    Found(Vec<u16>),
    Nothing,
    Stopped,
}

struct Lookup<'a, A> {
    corpus: &'a CorpusFile,
    distinct: &'a Distinct,
    letters: &'a A,
    levels: &'a [Level],
    /// The block of the index that was read last: its level, its number, its bytes.
    block: Option<(usize, u64, Vec<u8>)>,
}

impl<'a, A: Arithmetic> Lookup<'a, A> {
    fn new(corpus: &'a CorpusFile, search: &'a Search<'_>, letters: &'a A) -> Lookup<'a, A> {
        Lookup { corpus, distinct: search.distinct, letters, levels: &search.levels, block: None }
    }

    fn answer(
        &mut self,
        target: &Target,
        options: FindOptions,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Answer> {
        if let Some(tolerance) = options.tolerance {
            return self.approximately(target, tolerance, options, stop);
        }
        let recognized = self.letters.recognize(target.numbers(), target.error());
        if let Some(unitary) = &recognized {
            for number in 0..self.levels.len() {
                if let Some(circuit) = self.within(number, unitary, 0.0)? {
                    let id = self.id(number, &circuit)?;
                    return Ok(Answer::Known(Found::Record { id, circuit }));
                }
            }
        }
        let is_exact = match recognized {
            Some(_) if self.letters.is_exact() => true,
            _ => target.error() <= self.letters.precision() && !self.is_suspicious(target)?,
        };
        match is_exact {
            true => self.proof(target, recognized, options, stop).map(Answer::Known),
            false => self.approximately(target, target.tolerance(), options, stop),
        }
    }

    /// What is proven of a unitary that no record has, and the circuits in two parts. What is not
    /// over the ring is `None`: no circuit makes it, for none that was enumerated has a larger
    /// denominator than those that are recognized.
    fn proof(
        &mut self,
        asked: &Target,
        target: Option<A::Unitary>,
        options: FindOptions,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Found> {
        let nothing_yet = || self.corpus.nothing_yet();
        let last = self.levels.iter().rfind(|level| level.records > 0).ok_or_else(nothing_yet)?;
        if self.distinct.has_costs() {
            // Of the cost of a level that is not the last one, all lengths are there.
            let complete = next_level::is_complete(self.corpus.recipe(), self.levels);
            let cost = if complete { Some(self.distinct.most_cost) } else { last.cost.checked_sub(1) };
            return cost.map(Found::BeyondCost).ok_or_else(nothing_yet);
        }
        // A group that has come to its end has an empty level.
        if self.levels.last().is_some_and(|level| level.records == 0) {
            return Ok(Found::Never);
        }
        let mut length = last.length;
        if let Some(target) = target.filter(|_| options.further) {
            let (end, guard) = (self.levels.len() - 1, self.guard(asked));
            for beginning in 1..self.levels.len() {
                match self.in_two(beginning, end, &target, 0.0, stop)? {
                    Half::Found(circuit) => return Ok(Found::Circuit(circuit)),
                    Half::Nothing => {}
                    Half::Stopped => break,
                }
                // A circuit of this length that is next to the target may be the one that was
                // meant.
                if let Some(error) = guard
                    && !matches!(self.in_two(beginning, end, &target, error, stop)?, Half::Nothing)
                {
                    break;
                }
                length = last.length + beginning;
            }
        }
        Ok(Found::BeyondLength(length))
    }

    /// How near a circuit in two parts may be to a matrix that seems precise before it counts as
    /// the one that was meant: [`GUARD`], or as much as leaves few candidates for each end. `None`
    /// where nothing can be near: over the ring unitaries are recognized, and those of circuits are
    /// precise.
    fn guard(&self, target: &Target) -> Option<f64> {
        if self.letters.is_exact() || target.is_circuit() {
            return None;
        }
        let records = self.levels.last().map_or(0, |last| last.records) as f64;
        let candidates = records * self.share(GUARD);
        Some(GUARD * (MAX_CANDIDATES_OF_AN_END / candidates).min(1.0))
    }

    /// The part of all keys that are as near as this. Keys are folded numbers, spread evenly.
    fn share(&self, error: f64) -> f64 {
        self.letters.reach(error) as f64 / (u64::MAX / 2) as f64
    }

    /// Whether a matrix that seems precise and is not that of a record is next to one.
    fn is_suspicious(&mut self, target: &Target) -> Result<bool> {
        if target.is_circuit() {
            return Ok(false);
        }
        let mut nearest = Nearest::NONE;
        for candidate in self.letters.near(target.numbers(), GUARD) {
            for number in 0..self.levels.len() {
                self.compare(number, &candidate, target, GUARD, &mut nearest)?;
            }
        }
        Ok(nearest.within > 0)
    }

    /// The records within the tolerance, by the index where that finds them all; then circuits in
    /// two parts.
    fn approximately(
        &mut self,
        target: &Target,
        tolerance: f64,
        options: FindOptions,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Answer> {
        let last = self.levels.iter().rfind(|level| level.records > 0);
        let (length, records) = last.map_or((0, 0), |last| (last.length, last.ids().end));
        let share = self.share(tolerance);
        if !self.letters.is_complete(tolerance, length) || share * records as f64 > MAX_CANDIDATES {
            return Ok(Answer::Scan(tolerance));
        }
        let (candidates, mut nearest) = (self.letters.near(target.numbers(), tolerance), Nearest::NONE);
        for candidate in &candidates {
            for number in 0..self.levels.len() {
                self.compare(number, candidate, target, tolerance, &mut nearest)?;
            }
        }
        if nearest.within > 0 {
            return self.corpus.judged(&nearest, tolerance, options).map(Answer::Known);
        }
        let has_rest = options.further && options.tolerance.is_none() && !self.distinct.has_costs();
        let has_rest = has_rest && share * records as f64 <= MAX_CANDIDATES_OF_AN_END;
        if let [candidate] = &candidates[..]
            && has_rest
            && let Some(circuit) = self.longer(candidate, tolerance, stop)?
        {
            let unitary = self.letters.numbers(&self.letters.unitary(&circuit)?);
            let distance = distance(target.numbers(), &unitary, self.distinct.up_to);
            return Ok(Answer::Known(Found::Near { id: None, circuit, distance, tolerance }));
        }
        Ok(Answer::Scan(tolerance))
    }

    /// A circuit within the tolerance that is longer than those of the corpus.
    fn longer(
        &mut self,
        target: &A::Unitary,
        tolerance: f64,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Vec<u16>>> {
        for beginning in 1..self.levels.len() {
            match self.in_two(beginning, self.levels.len() - 1, target, tolerance, stop)? {
                Half::Found(circuit) => return Ok(Some(circuit)),
                Half::Nothing => {}
                Half::Stopped => break,
            }
        }
        Ok(None)
    }

    /// Takes the records of a level into account that `candidate` leads to.
    fn compare(
        &mut self,
        number: usize,
        candidate: &A::Unitary,
        target: &Target,
        tolerance: f64,
        nearest: &mut Nearest,
    ) -> Result<()> {
        let (letters, up_to, mut found) = (self.letters, self.distinct.up_to, Vec::new());
        self.visit(number, candidate, tolerance, &mut |circuit, unitary| {
            let distance = distance(target.numbers(), &letters.numbers(unitary), up_to);
            if distance <= tolerance {
                found.push((circuit.to_vec(), distance));
            }
            false
        })?;
        for (circuit, distance) in found {
            nearest.see(self.id(number, &circuit)?, distance, tolerance);
        }
        Ok(())
    }

    /// The circuit of a level that makes `target`, but for `error`.
    fn within(&mut self, number: usize, target: &A::Unitary, error: f64) -> Result<Option<Vec<u16>>> {
        let (letters, mut found) = (self.letters, None);
        self.visit(number, target, error, &mut |circuit, unitary| {
            if letters.same(unitary, target, error) {
                found = Some(circuit.to_vec());
            }
            found.is_some()
        })?;
        Ok(found)
    }

    /// Calls `visit` with the circuits of a level that may make `target`, but for `error`, until it
    /// returns true. The index is a hint; what counts is the unitary.
    fn visit(
        &mut self,
        number: usize,
        target: &A::Unitary,
        error: f64,
        visit: &mut dyn FnMut(&[u16], &A::Unitary) -> bool,
    ) -> Result<()> {
        let (level, corpus) = (&self.levels[number], self.corpus);
        if level.records == 0 {
            return Ok(());
        }
        let (index, keys) =
            (Index::new(corpus.recipe(), number, level), keys_of(self.letters, target, error));
        for block in index.block(*keys.start())..=index.block(*keys.end()) {
            if self.block.as_ref().is_none_or(|(of, number_of, _)| (*of, *number_of) != (number, block)) {
                let bytes = corpus.read(|connection| index.read(connection, block))?;
                let bytes = bytes.ok_or_else(|| Error::DamagedIndex(corpus.path().into(), number))?;
                self.block = Some((number, block, bytes));
            }
            let Some((_, _, bytes)) = &self.block else { return Ok(()) };
            let entries = index.entries(bytes);
            for (_, origin) in entries.into_iter().filter(|(part, _)| index.may_be(block, *part, &keys)) {
                let circuit = self.circuit(level, origin)?;
                if self.letters.unitary(&circuit).is_ok_and(|unitary| visit(&circuit, &unitary)) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The circuit that comes from `origin`.
    fn circuit(&self, level: &Level, origin: u64) -> Result<Vec<u16>> {
        if level.length == 0 {
            return Ok(Vec::new());
        }
        let (letters, mut circuits) =
            (self.corpus.recipe().alphabet().letters().len() as u64, Circuits::default());
        self.corpus.circuits(&Ids::List(&[origin / letters]), &mut circuits)?;
        Ok(circuits.get(0).iter().copied().chain([(origin % letters) as u16]).collect())
    }

    /// The id of the record with this circuit, which the level has.
    fn id(&self, number: usize, circuit: &[u16]) -> Result<u64> {
        let (costs, ids) = (next_level::costs(self.corpus.recipe()), self.levels[number].ids());
        // Records are ordered by the record of the circuit without its last letter, and then by
        // that letter: by what the circuit costs without its last letters, from the end on, and
        // then letter by letter.
        let rank = |circuit: &[u16]| {
            let sum = |sum: &mut u64, letter: &u16| {
                *sum += u64::from(costs[usize::from(*letter)]);
                Some(*sum)
            };
            let mut sums: Vec<u64> = circuit.iter().scan(0, sum).collect();
            sums.reverse();
            (sums, circuit.to_vec())
        };
        let (wanted, mut circuits) = (rank(circuit), Circuits::default());
        let (mut from, mut to) = (ids.start, ids.end);
        while from < to {
            let middle = from + (to - from) / 2;
            circuits.clear();
            self.corpus.circuits(&Ids::List(&[middle]), &mut circuits)?;
            if rank(circuits.get(0)) < wanted { from = middle + 1 } else { to = middle }
        }
        Ok(from)
    }

    /// A circuit that begins like one of level `beginning` and ends like one of level `end`, the
    /// first in the order of the alphabet.
    ///
    /// Where P is the unitary of the beginning, W that of the end and V the one that is looked for,
    /// V = W·P, so that W is the adjoint of P·V†: the letters of the beginning are put to V†.
    fn in_two(
        &mut self,
        beginning: usize,
        end: usize,
        target: &A::Unitary,
        error: f64,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Half> {
        let (ids, mut circuits) = (self.levels[beginning].ids(), Circuits::default());
        let mut walk = Walk::new(self.letters, self.letters.adjoint(target));
        let mut start = ids.start;
        while start < ids.end {
            if stop() {
                return Ok(Half::Stopped);
            }
            let part = start..ids.end.min(start + AT_ONCE);
            start = part.end;
            circuits.clear();
            self.corpus.circuits(&Ids::Run(part), &mut circuits)?;
            for circuit in circuits.iter() {
                let wanted = self.letters.adjoint(walk.to(circuit)?);
                if let Some(rest) = self.within(end, &wanted, error)? {
                    return Ok(Half::Found(circuit.iter().copied().chain(rest).collect()));
                }
            }
        }
        Ok(Half::Nothing)
    }
}

/// The keys that a unitary may have, made by whatever circuit, if its entries are off by `error` at
/// most.
pub(super) fn keys_of<A: Arithmetic>(letters: &A, unitary: &A::Unitary, error: f64) -> RangeInclusive<u128> {
    keys_near(letters, letters.key(unitary), error)
}

/// The keys that a unitary with this key may have, if its entries are off by `error` at most.
pub(super) fn keys_near<A: Arithmetic>(letters: &A, key: u128, error: f64) -> RangeInclusive<u128> {
    match u128::from(letters.reach(error)) << 64 {
        0 => key..=key,
        // Only the first halves are compared: few are so near.
        reach => {
            let first = key >> 64 << 64;
            first.saturating_sub(reach)..=first.saturating_add(reach) | u128::from(u64::MAX)
        }
    }
}

/// So many circuits are read at once.
const AT_ONCE: u64 = 4096;
