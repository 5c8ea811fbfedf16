//! The search for one unitary by the index.

use crate::corpus::corpus_file::CorpusFile;
use crate::distinct::found::Found;
use crate::distinct::index_lookup::IndexLookup;
use crate::distinct::meet_in_the_middle::{Extension, Stop};
use crate::distinct::nearest::Nearest;
use crate::error::{Error, Result};
use crate::options::distinct::FindOptions;
use crate::tables::next_level;
use qorpus_core::{Arithmetic, DenseArithmetic, Distinct, PauliProduct, Target, distance};
use std::cmp::Reverse;

/// A record is clearly meant if the next one is this many times farther away.
const CLEAR_RATIO: f64 = 4.0;

/// A precise target at this distance from a record may have lost digits unnoticed: nothing is
/// proven.
const GUARD_DISTANCE: f64 = 1e-6;

/// The most candidates in the index that are compared; above this, scanning the records is faster.
const MAX_CANDIDATES: f64 = 4096.0;

/// The most candidates for an end; above this, meeting in the middle takes too long.
const MAX_END_CANDIDATES: f64 = 16.0;

/// The result of a search by the index.
pub(super) enum Answer {
    Known(Found),
    /// The records must be scanned for those within this tolerance.
    Scan(f64),
}

/// A search for one target.
pub(super) struct Search<'a, A> {
    pub(super) lookup: IndexLookup<'a, A>,
    pub(super) distinct: &'a Distinct,
    pub(super) target: &'a Target,
    pub(super) options: FindOptions,
}

impl<A: Arithmetic> Search<'_, A> {
    /// Returns the record with this unitary. Large levels come first: they are most likely to have
    /// it, and no other one does then.
    pub(super) fn record(&mut self, unitary: &A::Unitary) -> Result<Option<Found>> {
        let levels = self.lookup.levels;
        let mut numbers: Vec<usize> = (0..levels.len()).collect();
        numbers.sort_by_key(|&number| Reverse(levels[number].records));
        let mut left = &numbers[..];
        while let Some(place) = self.lookup.first_with(left, unitary)? {
            let number = left[place];
            if let Some(circuit) = self.lookup.find(number, unitary, 0.0)? {
                let id = self.lookup.id(number, &circuit)?;
                return Ok(Some(Found::Record { id, circuit, paulis: PauliProduct::default() }));
            }
            left = &left[place + 1..];
        }
        Ok(None)
    }

    /// Returns the proof about a unitary that no record has, or a longer circuit. `unitary` is
    /// `None` if it has no form in this arithmetic: no circuit has it, because no enumerated one has
    /// a larger denominator than those that are recognized.
    pub(super) fn proof(
        &mut self,
        unitary: Option<A::Unitary>,
        guard: Option<f64>,
        stop: Stop<'_>,
    ) -> Result<Found> {
        let IndexLookup { corpus, levels, .. } = self.lookup;
        let last = levels.iter().rfind(|level| level.records > 0);
        let last = last.ok_or_else(|| nothing_yet(corpus))?;
        if self.distinct.has_costs() {
            // For the cost of any level but the last, all lengths are enumerated.
            let complete = next_level::is_complete(corpus.recipe(), levels);
            let cost = if complete { Some(self.distinct.most_cost) } else { last.cost.checked_sub(1) };
            return cost.map(Found::BeyondCost).ok_or_else(|| nothing_yet(corpus));
        }
        // A group that is enumerated completely has an empty level.
        if levels.last().is_some_and(|level| level.records == 0) {
            return Ok(Found::Never);
        }
        let Some(unitary) = unitary.filter(|_| self.options.extend) else {
            return Ok(Found::BeyondLength(last.length));
        };
        Ok(match self.lookup.extend(&unitary, 0.0, guard, stop)? {
            Extension::Circuit(circuit) => Found::Circuit { circuit, paulis: PauliProduct::default() },
            Extension::NoneWithin(letters) => Found::BeyondLength(last.length + letters),
        })
    }
}

impl<A: DenseArithmetic> Search<'_, A> {
    pub(super) fn answer(mut self, stop: Stop<'_>) -> Result<Answer> {
        let (letters, target) = (self.lookup.letters, self.target);
        if let Some(tolerance) = self.options.tolerance {
            return self.approximate(tolerance, stop);
        }
        let recognized = letters.recognize(target.numbers(), target.error());
        if let Some(unitary) = &recognized
            && let Some(found) = self.record(unitary)?
        {
            return Ok(Answer::Known(found));
        }
        let is_exact = match recognized {
            Some(_) if A::IS_EXACT => true,
            _ => target.error() <= A::PRECISION && !self.is_suspicious()?,
        };
        if is_exact {
            let guard = self.guard();
            return self.proof(recognized, guard, stop).map(Answer::Known);
        }
        self.approximate(target.tolerance(), stop)
    }

    /// Returns the distance at which a longer circuit may have been meant by a matrix that seems
    /// precise: [`GUARD_DISTANCE`], or less if that leaves many candidates for an end. `None` where
    /// nothing can be near: over the ring unitaries are recognized, and unitaries of circuits are
    /// precise.
    fn guard(&self) -> Option<f64> {
        if A::IS_EXACT || self.target.is_circuit() {
            return None;
        }
        let records = self.lookup.levels.last().map_or(0, |last| last.records) as f64;
        let candidates = records * self.share(GUARD_DISTANCE);
        Some(GUARD_DISTANCE * (MAX_END_CANDIDATES / candidates).min(1.0))
    }

    /// Returns the part of all keys within this distance. Keys are folded numbers, spread evenly.
    fn share(&self, error: f64) -> f64 {
        self.lookup.letters.reach(error) as f64 / (u64::MAX / 2) as f64
    }

    /// Returns whether a record is next to a matrix that seems precise and that no record has.
    fn is_suspicious(&mut self) -> Result<bool> {
        if self.target.is_circuit() {
            return Ok(false);
        }
        let candidates = self.lookup.letters.near(self.target.numbers(), GUARD_DISTANCE);
        Ok(self.nearest(&candidates, GUARD_DISTANCE)?.within > 0)
    }

    /// Looks for records within the tolerance, by the index if it is complete; then for longer
    /// circuits.
    fn approximate(&mut self, tolerance: f64, stop: Stop<'_>) -> Result<Answer> {
        let IndexLookup { corpus, letters, levels, .. } = self.lookup;
        let last = levels.iter().rfind(|level| level.records > 0);
        let (length, records) = last.map_or((0, 0), |last| (last.length, last.ids().end));
        let candidates = self.share(tolerance) * records as f64;
        if !letters.is_complete(tolerance, length) || candidates > MAX_CANDIDATES {
            return Ok(Answer::Scan(tolerance));
        }
        let unitaries = letters.near(self.target.numbers(), tolerance);
        let nearest = self.nearest(&unitaries, tolerance)?;
        if nearest.within > 0 {
            return judge(corpus, &nearest, tolerance, self.options).map(Answer::Known);
        }
        let may_extend =
            self.options.extend && self.options.tolerance.is_none() && !self.distinct.has_costs();
        if let [unitary] = &unitaries[..]
            && may_extend
            && candidates <= MAX_END_CANDIDATES
            && let Extension::Circuit(circuit) = self.lookup.extend(unitary, tolerance, None, stop)?
            && let Some(found) = self.longer(circuit, tolerance.max(A::PRECISION))?
        {
            return Ok(Answer::Known(found));
        }
        Ok(Answer::Scan(tolerance))
    }

    /// Returns the answer of a circuit longer than those in the corpus, if it is within the
    /// tolerance and clearly nearer than any record. Its halves were compared apart from each other,
    /// which says neither.
    fn longer(&mut self, circuit: Vec<u16>, tolerance: f64) -> Result<Option<Found>> {
        let (letters, target) = (self.lookup.letters, self.target);
        let numbers = letters.numbers(&letters.unitary(&circuit)?);
        let distance = distance(target.numbers(), &numbers, self.distinct.up_to);
        let rival_distance = CLEAR_RATIO * distance;
        let length = self.lookup.levels.iter().map(|level| level.length).max().unwrap_or(0);
        if distance > tolerance || !letters.is_complete(rival_distance, length) {
            return Ok(None);
        }
        let rivals = letters.near(target.numbers(), rival_distance);
        let is_meant = self.nearest(&rivals, rival_distance)?.within == 0;
        Ok(is_meant.then_some(Found::Near {
            id: None,
            circuit,
            paulis: PauliProduct::default(),
            distance,
            tolerance,
        }))
    }

    /// Compares the target with the records to which these unitaries lead.
    fn nearest(&mut self, unitaries: &[A::Unitary], tolerance: f64) -> Result<Nearest> {
        let (letters, target, up_to) = (self.lookup.letters, self.target, self.distinct.up_to);
        let mut nearest = Nearest::NONE;
        for unitary in unitaries {
            for number in 0..self.lookup.levels.len() {
                let mut found = Vec::new();
                self.lookup.visit(number, unitary, tolerance, &mut |circuit, unitary| {
                    let distance = distance(target.numbers(), &letters.numbers(unitary), up_to);
                    if distance <= tolerance {
                        found.push((circuit.to_vec(), distance));
                    }
                    false
                })?;
                for (circuit, distance) in found {
                    nearest.add(self.lookup.id(number, &circuit)?, distance, tolerance);
                }
            }
        }
        Ok(nearest)
    }
}

/// Returns the answer for these nearest records.
pub(super) fn judge(
    corpus: &CorpusFile,
    nearest: &Nearest,
    tolerance: f64,
    options: FindOptions,
) -> Result<Found> {
    let Nearest { id, distance, second, within } = *nearest;
    let circuit = corpus.circuit(id)?;
    let is_clear = options.tolerance.is_some() || second > tolerance.min(CLEAR_RATIO * distance);
    Ok(match within > 0 && is_clear {
        true => Found::Near { id: Some(id), circuit, paulis: PauliProduct::default(), distance, tolerance },
        false => Found::Unclear { nearest: Some((id, circuit, distance)), tolerance, within },
    })
}

/// Returns the error of a corpus without any finished level.
pub(super) fn nothing_yet(corpus: &CorpusFile) -> Error {
    let text = "no level of the enumeration is finished yet, so nothing is proven; run it to the end first";
    Error::Usage(format!("{}: {text}", corpus.path().display()))
}
