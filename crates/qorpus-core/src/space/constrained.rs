//! Samplers of constrained circuits: letters are drawn one by one from the exact probabilities that
//! their numbers of completions give.
//!
//! The distribution and the arithmetic are specified in `docs/format.md`.

use crate::alphabet::Alphabet;
use crate::circuit::Circuits;
use crate::error::{Error, Result};
use crate::simd::dispatch::{InstructionSet, SimdTask};
use crate::space::constraints::Constraints;
use crate::space::letter_class::{LetterClass, LetterClasses};
use crate::space::philox::{BATCH, RandomWords, RangeProduct, blocks, draw};
use std::collections::HashMap;
use std::ops::Range;

/// The most thresholds of a sampler, 64 MiB.
const MAX_THRESHOLDS: usize = 1 << 24;

/// The number of random bits that choose a class.
const CLASS_BITS: u32 = 31;

/// The thresholds that are compared at once.
const LANES: usize = 8;

/// A qubit for classes that have fewer than three, or whose qubits do not matter.
const NO_QUBIT: u8 = 8;

/// The places of an array by qubits, a power of two.
const PLACES: usize = 16;

/// A sampler of constrained circuits: a length uniform in a range, then each allowed circuit of
/// this length with a probability proportional to the product of its letters' weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ConstrainedSampler {
    key: [u32; 2],
    shortest: u64,
    lengths: RangeProduct,
    classes: Vec<SampledClass>,
    /// The letters of all classes, one class after the other.
    letters: Vec<u16>,
    /// For each letter, the place in its class of the one letter that undoes it.
    undone_at: Vec<u16>,
    /// The letters that undo each letter, if some letter is undone by several.
    undone_by: Option<Vec<Vec<u16>>>,
    /// For each state and class, padded like thresholds.
    moves: Vec<Move>,
    /// The number of combinations of exact numbers that may be missing.
    combinations: usize,
    no_cancelling: bool,
    /// The number of thresholds for a number of letters left; 0 if all numbers have the same.
    layer: usize,
    /// The number of thresholds of a state.
    width: usize,
    /// The number of thresholds of all states of a combination.
    plane: usize,
    /// For each number of letters left (from 1 on), combination and state, the bounds between the
    /// classes as multiples of 2^-31, padded to a multiple of [`LANES`].
    thresholds: Vec<u32>,
}

/// A class of letters, as it is drawn from.
#[derive(Debug, Clone, PartialEq)]
struct SampledClass {
    /// The place of its first letter.
    first: usize,
    /// How far a letter moves on among the combinations of exact numbers still missing, in
    /// thresholds.
    step: usize,
    /// Its qubits, filled with [`NO_QUBIT`].
    qubits: [u8; 3],
}

/// A letter of some class in some state.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Move {
    /// The state after it, as the place of its first threshold.
    next: u32,
    /// How many letters of the class are allowed.
    allowed: u16,
    /// How many are forbidden.
    forbidden: u16,
}

impl Move {
    /// Returns the moves from all states, which are numbered from the empty circuit's on. A state is
    /// the classes that are last on their qubits, as far as they forbid letters. States that need
    /// more than `most` thresholds are refused.
    fn all(classes: &LetterClasses, most: usize) -> Result<Vec<Move>> {
        let mut numbers = HashMap::from([(Vec::new(), 0)]);
        let mut found: Vec<Vec<usize>> = vec![Vec::new()];
        let mut moves = Vec::new();
        let width = classes.classes.len().next_multiple_of(LANES);
        let mut at = 0;
        while at < found.len() {
            let state = found[at].clone();
            at += 1;
            for (number, class) in classes.classes.iter().enumerate() {
                let qubits = |other: usize| classes.classes[other].qubits;
                let last = state.iter().copied().find(|&other| qubits(other) == class.qubits);
                let forbidden = last.map_or(0, |last| classes.forbidden(last, number));
                let mut next = state.clone();
                next.retain(|&other| qubits(other) & class.qubits == 0);
                if classes.forbids(number) {
                    next.push(number);
                    next.sort_unstable();
                }
                let new = found.len() as u32;
                let next = *numbers.entry(next).or_insert_with_key(|next| {
                    found.push(next.clone());
                    new
                });
                let (allowed, forbidden) = ((class.letters.len() - forbidden) as u16, forbidden as u16);
                moves.push(Move { next: next * width as u32, allowed, forbidden });
            }
            moves.resize(at * width, Move::default());
            if found.len() * width > most {
                return Err(too_large());
            }
        }
        Ok(moves)
    }
}

fn too_large() -> Error {
    Error::Constraints(format!(
        "they need a table of more than {MAX_THRESHOLDS} entries; use shorter circuits, smaller exact numbers, or fewer \
         gates or qubits"
    ))
}

/// The number of completions of every state and combination with a given number of letters left,
/// as `values` times 2^`exponents`.
struct Completions {
    values: Vec<f64>,
    /// For each combination; `None` if there are no completions.
    exponents: Vec<Option<i32>>,
}

impl ConstrainedSampler {
    /// Returns a sampler of circuits of `min` to `max` letters. The constraints must have been
    /// [checked](Constraints::check).
    ///
    /// # Errors
    /// [`Error::Constraints`] if some length has no circuit, or if the tables are too large.
    pub(super) fn new(
        alphabet: &Alphabet,
        seed: u64,
        (min, max): (usize, usize),
        constraints: &Constraints,
    ) -> Result<ConstrainedSampler> {
        let classes = LetterClasses::new(alphabet, constraints)?;
        let mut combinations = 1usize;
        let mut steps = vec![0];
        for &count in &classes.counts {
            steps.push(combinations);
            combinations = combinations.checked_mul(usize::from(count) + 1).ok_or_else(too_large)?;
        }
        // Without these constraints every letter is drawn alike.
        let is_alike = classes.counts.is_empty() && !constraints.no_cancelling;
        let layers = if is_alike { 1 } else { max };
        let planes = layers
            .checked_mul(combinations)
            .filter(|&planes| planes <= MAX_THRESHOLDS)
            .ok_or_else(too_large)?;
        let moves = Move::all(&classes, MAX_THRESHOLDS / planes.max(1))?;
        let width = classes.classes.len().next_multiple_of(LANES);
        let plane = moves.len();
        let mut sampler = ConstrainedSampler {
            no_cancelling: constraints.no_cancelling,
            layer: if is_alike { 0 } else { combinations * plane },
            plane,
            width,
            key: [seed as u32, (seed >> 32) as u32],
            shortest: min as u64,
            lengths: RangeProduct::new((max - min + 1) as u64),
            classes: Vec::new(),
            letters: Vec::new(),
            undone_at: vec![0; alphabet.letters().len()],
            undone_by: None,
            combinations,
            thresholds: Vec::new(),
            moves,
        };
        for class in &classes.classes {
            let mut qubits = (0..NO_QUBIT).filter(|qubit| class.qubits >> qubit & 1 == 1);
            let qubits = std::array::from_fn(|_| qubits.next().unwrap_or(NO_QUBIT));
            let (first, step) = (sampler.letters.len(), steps[class.category] * plane);
            sampler.classes.push(SampledClass { first, step, qubits });
            sampler.letters.extend(&class.letters);
        }
        for (at, undone_by) in sampler.undone_at.iter_mut().zip(&classes.undone_by) {
            let place =
                |letter| classes.classes.iter().find_map(|class| class.letters.binary_search(letter).ok());
            *at = undone_by.first().and_then(place).unwrap_or(0) as u16;
        }
        if classes.undone_by.iter().any(|undone_by| undone_by.len() > 1) {
            sampler.undone_by = Some(classes.undone_by.clone());
        }
        sampler.fill(&classes, layers, min)?;
        Ok(sampler)
    }

    /// Computes the thresholds, from the last letter to the first. `layers` is the most letters left
    /// that are distinguished.
    fn fill(&mut self, classes: &LetterClasses, layers: usize, min: usize) -> Result<()> {
        let (counts, states) = (&classes.counts, self.plane / self.width);
        let mut after = Completions {
            values: vec![0.0; states * self.combinations],
            exponents: vec![None; self.combinations],
        };
        after.values[..states].fill(1.0);
        after.exponents[0] = Some(0);
        let digit = |combination: usize, category: usize, step: usize| {
            combination / step % (usize::from(counts[category - 1]) + 1)
        };
        for left in 1..=layers {
            let mut now = Completions { values: Vec::new(), exponents: Vec::new() };
            for combination in 0..self.combinations {
                let mut missing = vec![0; counts.len() + 1];
                let mut step = 1;
                for category in 1..=counts.len() {
                    missing[category] = digit(combination, category, step);
                    step *= usize::from(counts[category - 1]) + 1;
                }
                let exact: usize = missing.iter().sum();
                missing[0] = left.saturating_sub(exact);
                let possible = exact <= left;
                let shares: Vec<f64> = missing
                    .iter()
                    .map(|&count| if possible { count as f64 / left as f64 } else { 0.0 })
                    .collect();
                self.fill_combination(classes, combination, &shares, &after, &mut now);
            }
            after = now;
            let is_impossible = after.values[(self.combinations - 1) * states] == 0.0;
            if is_impossible && left >= min.max(1) {
                let plural = if left == 1 { "" } else { "s" };
                return Err(Error::Constraints(format!(
                    "no circuit of {left} letter{plural} satisfies them; use other lengths or more gates"
                )));
            }
        }
        Ok(())
    }

    /// Computes the thresholds of all states of a combination. `shares` has, for each category, the
    /// part of the letters left that are of it.
    fn fill_combination(
        &mut self,
        classes: &LetterClasses,
        combination: usize,
        shares: &[f64],
        after: &Completions,
        now: &mut Completions,
    ) {
        let (states, plane, width) = (self.plane / self.width, self.plane, self.width);
        let place = |(class, sampled): (&LetterClass, &SampledClass)| {
            if shares[class.category] > 0.0 { combination.checked_sub(sampled.step / plane) } else { None }
        };
        let places: Vec<_> = classes.classes.iter().zip(&self.classes).map(place).collect();
        let exponent = |place: &Option<usize>| place.and_then(|place| after.exponents[place]);
        let highest = places.iter().filter_map(exponent).max();
        let begin = now.values.len();
        let mut bounds = vec![0.0; classes.classes.len()];
        for state in 0..states {
            let mut total = 0.0;
            for (number, class) in classes.classes.iter().enumerate() {
                let Move { next, allowed, .. } = self.moves[state * width + number];
                if let (Some(place), Some(exponent), Some(highest)) =
                    (places[number], exponent(&places[number]), highest)
                {
                    let next = after.values[place * states + next as usize / width];
                    let completions = next * power_of_two(exponent - highest);
                    total += shares[class.category] * (f64::from(allowed) * class.share) * completions;
                }
                bounds[number] = total;
            }
            let scale = f64::from(1u32 << CLASS_BITS);
            let threshold = |bound: &f64| if total > 0.0 { (bound / total * scale) as u32 } else { 0 };
            self.thresholds.extend(bounds.iter().map(threshold));
            self.thresholds.resize(self.thresholds.len().next_multiple_of(LANES), u32::MAX);
            now.values.push(total);
        }
        // Scaled so that the largest is from 1 to 2: without it, long circuits would underflow.
        let largest = now.values[begin..].iter().copied().fold(0.0, f64::max);
        let shift = exponent_of(largest);
        now.values[begin..].iter_mut().for_each(|value| *value *= power_of_two(-shift));
        now.exponents.push(highest.filter(|_| largest > 0.0).map(|highest| highest + shift));
    }

    /// Appends the records with these indices.
    pub(super) fn circuits(&self, indices: Range<u64>, out: &mut Circuits) {
        InstructionSet::best().run(Draws { sampler: self, indices, out });
    }

    fn empty_circuit(&self) -> PartialCircuit {
        let combination = (self.combinations - 1) * self.plane;
        PartialCircuit { state: 0, combination, last: [0; PLACES] }
    }

    /// Appends the letters of record `index` to `out`.
    fn circuit(&self, index: u64, out: &mut Vec<u16>) {
        let mut words = RandomWords::new(self.key, index);
        let mut word = words.unbiased(self.lengths);
        let length = (self.shortest + draw(&mut word, self.lengths.value)) as usize;
        let mut circuit = self.empty_circuit();
        out.extend((1..=length).rev().map(|left| self.letter(words.next(), left, &mut circuit)));
    }

    /// Appends the [`BATCH`] records from `first` on. Their letters are drawn in turn, because each
    /// has to wait for the one before it.
    #[inline(always)]
    fn batch(&self, first: u64, out: &mut Circuits) {
        let (letters, ends) = out.buffers();
        let mut words = blocks(first, 0, self.key);
        let is_accepted = |word: &u64| word.wrapping_mul(self.lengths.value) >= self.lengths.threshold;
        if !words[0].iter().all(is_accepted) {
            for index in first..first + BATCH as u64 {
                self.circuit(index, letters);
                ends.push(letters.len());
            }
            return;
        }
        let lengths = words[0].map(|mut word| (self.shortest + draw(&mut word, self.lengths.value)) as usize);
        let mut begins = [0; BATCH];
        let mut end = letters.len();
        for (begin, length) in begins.iter_mut().zip(lengths) {
            *begin = end;
            end += length;
            ends.push(end);
        }
        letters.resize(end, 0);
        let mut circuits = [self.empty_circuit(); BATCH];
        for place in 0..lengths.into_iter().fold(0, usize::max) {
            // The first word was that of the length.
            let at = place + 1;
            if at % 2 == 0 {
                words = blocks(first, at as u64 / 2, self.key);
            }
            for (k, circuit) in circuits.iter_mut().enumerate() {
                if place < lengths[k] {
                    letters[begins[k] + place] = self.letter(words[at % 2][k], lengths[k] - place, circuit);
                }
            }
        }
    }

    /// Draws the next letter of a circuit, of which `left` letters are missing, from a word.
    #[inline(always)]
    fn letter(&self, word: u64, left: usize, circuit: &mut PartialCircuit) -> u16 {
        let PartialCircuit { state, combination, last } = circuit;
        let row = (left - 1) * self.layer + *combination + *state;
        let chosen = (word >> (64 - CLASS_BITS)) as u32;
        let below = |thresholds: &[u32; LANES]| -> u32 {
            thresholds.iter().map(|&threshold| u32::from(threshold <= chosen)).sum()
        };
        let row = &self.thresholds[row..];
        let number = match row.first_chunk() {
            Some(row) if self.width == LANES => below(row),
            _ => row[..self.width].as_chunks().0.iter().map(below).sum(),
        } as usize;
        let class = &self.classes[number];
        let Move { next, allowed, forbidden } = self.moves[*state + number];
        *state = next as usize;
        *combination -= class.step;
        let mut place = (((word & u64::from(u32::MAX)) * u64::from(allowed)) >> 32) as usize;
        if !self.no_cancelling {
            return self.letters[class.first + place];
        }
        let [first, second, third] = class.qubits.map(|qubit| usize::from(qubit) % PLACES);
        let before = usize::from(last[first]);
        if let Some(undone_by) = &self.undone_by {
            if forbidden > 0 {
                let letters = &self.letters[class.first..][..usize::from(allowed + forbidden)];
                place = skipped(letters, &undone_by[before], place);
            }
        } else {
            // Without a branch, which would often be predicted wrongly.
            let beyond = usize::from(self.undone_at[before]) <= place;
            place += usize::from(beyond) & usize::from(forbidden);
        }
        let letter = self.letters[class.first + place];
        last[first] = letter;
        last[second] = letter;
        last[third] = letter;
        letter
    }
}

/// The state of a circuit of which the first letters are drawn.
#[derive(Debug, Clone, Copy)]
struct PartialCircuit {
    /// The place of the state's first threshold.
    state: usize,
    /// The combination of exact numbers still missing, in thresholds.
    combination: usize,
    /// The last letter on each qubit, and at [`NO_QUBIT`] any letter.
    last: [u16; PLACES],
}

/// Returns the place in `letters` of allowed letter number `place`, where some are `forbidden`.
fn skipped(letters: &[u16], forbidden: &[u16], mut place: usize) -> usize {
    for letter in forbidden {
        if letters.binary_search(letter).is_ok_and(|forbidden| forbidden <= place) {
            place += 1;
        }
    }
    place
}

/// Returns the exponent of the largest power of two that is at most `value`; 0 for 0.
fn exponent_of(value: f64) -> i32 {
    if value > 0.0 { (value.to_bits() >> 52) as i32 - 1023 } else { 0 }
}

/// Returns 2^`exponent`; 0 if it is too small for a normal number.
fn power_of_two(exponent: i32) -> f64 {
    if exponent < -1022 { 0.0 } else { f64::from_bits(((exponent + 1023) as u64) << 52) }
}

/// A range of records to draw.
struct Draws<'a> {
    sampler: &'a ConstrainedSampler,
    indices: Range<u64>,
    out: &'a mut Circuits,
}

impl SimdTask for Draws<'_> {
    #[inline(always)]
    fn run<const SET: u8>(self) {
        let Range { mut start, end } = self.indices;
        while end.saturating_sub(start) >= BATCH as u64 {
            self.sampler.batch(start, self.out);
            start += BATCH as u64;
        }
        let (letters, ends) = self.out.buffers();
        for index in start..end {
            self.sampler.circuit(index, letters);
            ends.push(letters.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Space;
    use std::collections::BTreeMap;

    fn weights(weights: &[f64]) -> Constraints {
        Constraints { weights: weights.to_vec(), ..Constraints::default() }
    }

    fn no_cancelling() -> Constraints {
        Constraints { no_cancelling: true, ..Constraints::default() }
    }

    /// Returns whether a letter undoes the one before it on its qubits, by the definition.
    fn cancels(alphabet: &Alphabet, circuit: &[u16]) -> bool {
        let undone_by = crate::space::cancellation::undoing(alphabet).unwrap();
        let letter = |number: u16| &alphabet.letters()[usize::from(number)];
        circuit.iter().enumerate().any(|(at, &second)| {
            let touches =
                |&&first: &&u16| letter(first).qubits.iter().any(|q| letter(second).qubits.contains(q));
            // The last letter on any of the qubits must be the last on all of them.
            let before = circuit[..at].iter().rev().find(touches);
            before.is_some_and(|&first| undone_by[usize::from(first)].contains(&second))
        })
    }

    /// Returns the probability of each allowed circuit of `length` letters, by the definition.
    fn expected(alphabet: &Alphabet, length: usize, constraints: &Constraints) -> BTreeMap<Vec<u16>, f64> {
        let gate = |letter: &u16| alphabet.letters()[usize::from(*letter)].gate;
        let placements = |number| alphabet.letters().iter().filter(|letter| letter.gate == number).count();
        let words = Space::words(alphabet, length, length).unwrap();
        let mut found = BTreeMap::new();
        for word in words.listed(0..words.len()).iter() {
            let has = |number: usize| word.iter().filter(|letter| gate(letter) == number).count();
            let fits = |(number, count): (usize, &Option<u16>)| {
                count.is_none_or(|count| has(number) == usize::from(count))
            };
            if constraints.exactly.iter().enumerate().all(fits)
                && !(constraints.no_cancelling && cancels(alphabet, word))
            {
                let weight = |letter: &u16| {
                    constraints.weights.get(gate(letter)).map_or(1.0, |w| w / placements(gate(letter)) as f64)
                };
                found.insert(word.to_vec(), word.iter().map(weight).product());
            }
        }
        let total: f64 = found.values().sum();
        found.values_mut().for_each(|probability| *probability /= total);
        found
    }

    /// Returns the probability with which the sampler draws a circuit, given its length.
    fn probability(sampler: &ConstrainedSampler, circuit: &[u16]) -> f64 {
        let PartialCircuit { mut state, mut combination, .. } = sampler.empty_circuit();
        let mut product = 1.0;
        for (at, letter) in circuit.iter().enumerate() {
            let row = (circuit.len() - at - 1) * sampler.layer + combination + state;
            let at = sampler.letters.iter().position(|other| other == letter).unwrap();
            let number = sampler.classes.iter().rposition(|class| class.first <= at).unwrap();
            let low = if number == 0 { 0 } else { sampler.thresholds[row + number - 1] };
            let Move { next, allowed, .. } = sampler.moves[state + number];
            let share = f64::from(sampler.thresholds[row + number] - low) / f64::from(1u32 << CLASS_BITS);
            product *= share / f64::from(allowed);
            state = next as usize;
            combination = combination.saturating_sub(sampler.classes[number].step);
        }
        product
    }

    #[test]
    fn every_allowed_circuit_has_its_probability() {
        let exactly =
            |counts: &[Option<u16>]| Constraints { exactly: counts.to_vec(), ..Constraints::default() };
        let all = Constraints {
            weights: vec![1.0, 2.0, 3.0, 0.5],
            exactly: vec![None, None, Some(2), None],
            no_cancelling: true,
        };
        for (gates, qubits, lengths, constraints) in [
            ("h,s,t", 1, 0..=6, weights(&[1.0, 2.0, 0.25])),
            ("h,t,cx", 2, 0..=4, weights(&[1.0, 1.0, 3.0])),
            ("h,t,cx", 2, 2..=5, exactly(&[None, None, Some(2)])),
            ("h,t,cx", 2, 3..=3, exactly(&[Some(0), Some(1), Some(2)])),
            ("h,s,sdg", 1, 0..=7, no_cancelling()),
            ("h,s,x,cx", 2, 0..=4, no_cancelling()),
            ("h,cx", 3, 0..=4, no_cancelling()),
            ("h,cz,ccx", 3, 0..=4, no_cancelling()),
            ("x,rx(pi),h", 1, 0..=5, no_cancelling()),
            ("h,t,cx,s", 2, 2..=4, all),
        ] {
            let alphabet = Alphabet::of(gates, qubits);
            let (min, max) = (*lengths.start(), *lengths.end());
            constraints.check(&alphabet, min, max).unwrap();
            let sampler = ConstrainedSampler::new(&alphabet, 1, (min, max), &constraints).unwrap();
            for length in lengths {
                let expected = expected(&alphabet, length, &constraints);
                assert!(!expected.is_empty());
                for (circuit, &share) in &expected {
                    let found = probability(&sampler, circuit);
                    assert!((found / share - 1.0).abs() < 1e-6, "{gates}: {circuit:?}: {found} for {share}");
                }
            }
        }
    }

    /// With 40 circuits expected of each kind, the chi-square statistic of n kinds lies within six
    /// of its standard deviations, sqrt(2n), of n.
    #[test]
    fn circuits_are_drawn_with_their_probabilities() {
        let exactly = vec![None, None, Some(1)];
        for constraints in [
            weights(&[1.0, 2.0, 3.0]),
            no_cancelling(),
            Constraints { exactly, weights: vec![3.0, 1.0, 1.0], no_cancelling: true },
        ] {
            let alphabet = Alphabet::of("h,t,cx", 2);
            let expected = expected(&alphabet, 3, &constraints);
            let records = 40 * expected.len() as u64;
            let space = Space::constrained(&alphabet, records, 5, (3, 3), constraints).unwrap();
            let mut drawn = BTreeMap::<Vec<u16>, f64>::new();
            space
                .listed(0..records)
                .iter()
                .for_each(|circuit| *drawn.entry(circuit.to_vec()).or_default() += 1.0);
            assert!(drawn.keys().all(|circuit| expected.contains_key(circuit)));
            let kinds = expected.len() as f64;
            let chi_square: f64 = expected
                .iter()
                .map(|(circuit, share)| {
                    let expected = share * records as f64;
                    (drawn.get(circuit).copied().unwrap_or(0.0) - expected).powi(2) / expected
                })
                .sum();
            assert!(
                (chi_square - kinds).abs() < 6.0 * (2.0 * kinds).sqrt() + 0.2 * kinds,
                "{chi_square} of {kinds}"
            );
        }
    }

    #[test]
    fn a_record_does_not_depend_on_the_range_nor_the_instructions() {
        let alphabet = Alphabet::of("h,s,t,cx", 3);
        let exactly = vec![None, None, Some(3), None];
        let constraints = Constraints { exactly, no_cancelling: true, ..weights(&[1.0, 2.0, 1.0, 4.0]) };
        let sampler = ConstrainedSampler::new(&alphabet, 9, (3, 40), &constraints).unwrap();
        let mut whole = Circuits::default();
        sampler.circuits(0..300, &mut whole);
        for instructions in InstructionSet::all() {
            let mut part = Circuits::default();
            instructions.run(Draws { sampler: &sampler, indices: 100..200, out: &mut part });
            for index in 0..100 {
                assert_eq!(part.get(index), whole.get(100 + index), "{instructions:?}");
                assert!(!cancels(&alphabet, part.get(index)));
            }
        }
    }

    /// Long circuits would underflow without scaling.
    #[test]
    fn long_circuits() {
        let alphabet = Alphabet::of("h,s,t,cx", 2);
        let exactly = vec![None, None, Some(20), None];
        let constraints = Constraints { exactly, ..no_cancelling() };
        let space = Space::constrained(&alphabet, 3, 9, (9_000, 9_000), constraints).unwrap();
        let t = ["t 0", "t 1"].map(|letter| alphabet.letter(letter).unwrap());
        for circuit in space.listed(0..3).iter() {
            assert_eq!(circuit.iter().filter(|letter| t.contains(letter)).count(), 20);
            assert!(circuit.len() == 9_000 && !cancels(&alphabet, circuit));
        }
    }

    /// Letters that play the same part are one class: without this there would be 5.5 million.
    #[test]
    fn eight_qubits_have_few_states() {
        let alphabet = Alphabet::of("clifford+t", 8);
        let sampler = ConstrainedSampler::new(&alphabet, 1, (2, 2), &no_cancelling()).unwrap();
        assert_eq!(sampler.plane / sampler.width, 7_193);
    }

    #[test]
    fn what_is_impossible_is_refused() {
        let refused = |gates: &str, qubits: usize, lengths: (usize, usize), constraints: Constraints| {
            let alphabet = Alphabet::of(gates, qubits);
            Space::constrained(&alphabet, 10, 0, lengths, constraints).unwrap_err().to_string()
        };
        let exactly = |counts: &[Option<u16>]| Constraints { exactly: counts.to_vec(), ..no_cancelling() };
        let said = refused("x", 1, (0, 2), no_cancelling());
        assert!(said.contains("no circuit of 2 letters satisfies them"), "{said}");
        assert!(refused("x,h", 2, (9, 9), exactly(&[Some(9), None])).contains("no circuit of 9 letters"));
        assert!(refused("x,h", 2, (0, 5), exactly(&[Some(6), None])).contains("have 5 at most"));
        assert!(refused("x,h", 2, (0, 9), exactly(&[Some(6), None])).contains("use a length from 6 on"));
        assert!(refused("x,h", 2, (4, 9), exactly(&[Some(1), Some(3)])).contains("use the length 4"));
        for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(
                refused("x,h", 1, (0, 5), weights(&[1.0, weight])).contains("the weight of 'h'"),
                "{weight}"
            );
        }
        assert!(refused("x,h", 1, (0, 5), weights(&[1.0, 1e-9])).contains("leave the gate out"));
        assert!(refused("x,h", 1, (0, 5), weights(&[1.0])).contains("each gate needs an entry"));
        let large = refused("h,s,t,x,cx", 8, (60_000, 60_000), no_cancelling());
        assert!(large.contains("a table of more than"), "{large}");
        let many = exactly(&[Some(60_000), Some(5_000), None]);
        assert!(refused("x,h,t", 2, (65_000, 65_000), many).contains("a table of more than"));
    }
}
