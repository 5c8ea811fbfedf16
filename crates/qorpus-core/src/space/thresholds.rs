//! Thresholds: the bounds between the classes of letters, as the numbers of completions give them.
//!
//! The distribution and the arithmetic are specified in `docs/format.md`.

use crate::error::{Error, Result};
use crate::space::class_state::{LANES, Move};
use crate::space::letter_class::{LetterClass, LetterClasses};

/// The most thresholds of a sampler, 64 MiB.
const MAX_THRESHOLDS: usize = 1 << 24;

/// The number of random bits that choose a class.
const CLASS_BITS: u32 = 31;

/// The thresholds of all states of constrained circuits. Those of a state are consecutive, and those
/// of all states for a number of letters left and a combination of exact numbers still missing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Thresholds {
    /// For each number of letters left (from 1 on), combination and state, the bounds between the
    /// classes as multiples of 2^-31, padded to a multiple of [`LANES`].
    values: Vec<u32>,
    /// For each state and class, padded likewise.
    pub(super) moves: Vec<Move>,
    /// The number of thresholds of a state.
    pub(super) width: usize,
    /// The number of combinations of exact numbers that may be missing.
    combinations: usize,
    /// For each category of letters, how many combinations lie between those before and after a
    /// letter.
    steps: Vec<usize>,
    /// The number of thresholds for a number of letters left; 0 if all numbers have the same.
    layer: usize,
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

impl Thresholds {
    /// Returns the thresholds for circuits of `min` to `max` letters. If every letter is drawn alike
    /// (`is_alike`), they are the same for any number of letters left.
    ///
    /// # Errors
    /// [`Error::Constraints`] if some length has no circuit, or if there are too many.
    pub(super) fn new(
        classes: &LetterClasses,
        (min, max): (usize, usize),
        is_alike: bool,
    ) -> Result<Thresholds> {
        let mut combinations = 1usize;
        let mut steps = vec![0];
        for &count in &classes.counts {
            steps.push(combinations);
            combinations = combinations.checked_mul(usize::from(count) + 1).ok_or_else(too_large)?;
        }
        let layers = if is_alike { 1 } else { max };
        let planes = layers
            .checked_mul(combinations)
            .filter(|&planes| planes <= MAX_THRESHOLDS)
            .ok_or_else(too_large)?;
        let moves = Move::all(classes, MAX_THRESHOLDS / planes.max(1)).ok_or_else(too_large)?;
        let layer = if is_alike { 0 } else { combinations * moves.len() };
        let width = classes.classes.len().next_multiple_of(LANES);
        let mut thresholds = Thresholds { values: Vec::new(), moves, width, combinations, steps, layer };
        thresholds.fill(classes, layers, min)?;
        Ok(thresholds)
    }

    /// Returns the place of the first threshold of the first state, with `left` letters left and all
    /// exact numbers missing.
    #[inline(always)]
    pub(super) fn begin(&self, left: usize) -> u32 {
        (left.saturating_sub(1) * self.layer + (self.combinations - 1) * self.moves.len()) as u32
    }

    /// Returns how many thresholds lie between those before and after a letter of a category, in the
    /// same state.
    pub(super) fn step(&self, category: usize) -> u32 {
        (self.layer + self.steps[category] * self.moves.len()) as u32
    }

    /// Returns the number of the class that a random word chooses by the thresholds from `begin` on.
    #[inline(always)]
    pub(super) fn class(&self, begin: usize, word: u64) -> usize {
        let chosen = (word >> (64 - CLASS_BITS)) as u32;
        let thresholds = &self.values[begin..];
        if let Some(thresholds) = thresholds.first_chunk().filter(|_| self.width == LANES) {
            return not_above(thresholds, chosen).into_iter().sum::<u32>() as usize;
        }
        // Added up at the end: of sums of each eight the compiler makes transpositions.
        let mut sums = [0; LANES];
        for thresholds in thresholds[..self.width].as_chunks().0 {
            let more = not_above(thresholds, chosen);
            (0..LANES).for_each(|k| sums[k] += more[k]);
        }
        sums.into_iter().sum::<u32>() as usize
    }

    /// Computes the thresholds, from the last letter to the first. `layers` is the most letters left
    /// that are distinguished.
    fn fill(&mut self, classes: &LetterClasses, layers: usize, min: usize) -> Result<()> {
        let (counts, states) = (&classes.counts, self.moves.len() / self.width);
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
        let (states, width) = (self.moves.len() / self.width, self.width);
        let place = |class: &LetterClass| {
            let is_possible = shares[class.category] > 0.0;
            is_possible.then(|| combination.checked_sub(self.steps[class.category])).flatten()
        };
        let places: Vec<_> = classes.classes.iter().map(place).collect();
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
            self.values.extend(bounds.iter().map(threshold));
            self.values.resize(self.values.len().next_multiple_of(LANES), u32::MAX);
            now.values.push(total);
        }
        // Scaled so that the largest is from 1 to 2: without it, long circuits would underflow.
        let largest = now.values[begin..].iter().copied().fold(0.0, f64::max);
        let shift = exponent_of(largest);
        now.values[begin..].iter_mut().for_each(|value| *value *= power_of_two(-shift));
        now.exponents.push(highest.filter(|_| largest > 0.0).map(|highest| highest + shift));
    }
}

/// Returns 1 for each threshold that is at most `chosen`, and else 0.
#[inline(always)]
fn not_above(thresholds: &[u32; LANES], chosen: u32) -> [u32; LANES] {
    thresholds.map(|threshold| u32::from(threshold <= chosen))
}

/// Returns the exponent of the largest power of two that is at most `value`; 0 for 0.
fn exponent_of(value: f64) -> i32 {
    if value > 0.0 { (value.to_bits() >> 52) as i32 - 1023 } else { 0 }
}

/// Returns 2^`exponent`; 0 if it is too small for a normal number.
fn power_of_two(exponent: i32) -> f64 {
    if exponent < -1022 { 0.0 } else { f64::from_bits(((exponent + 1023) as u64) << 52) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::alphabet::Alphabet;
    use crate::space::Space;
    use crate::space::constraints::Constraints;
    use std::collections::BTreeMap;

    pub(crate) fn weights(weights: &[f64]) -> Constraints {
        Constraints { weights: weights.to_vec(), ..Constraints::default() }
    }

    pub(crate) fn no_cancelling() -> Constraints {
        Constraints { no_cancelling: true, ..Constraints::default() }
    }

    /// Returns whether a letter undoes the one before it on its qubits, by the definition.
    pub(crate) fn cancels(alphabet: &Alphabet, circuit: &[u16]) -> bool {
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
    pub(crate) fn expected(
        alphabet: &Alphabet,
        length: usize,
        constraints: &Constraints,
    ) -> BTreeMap<Vec<u16>, f64> {
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

    /// Returns the probability with which a circuit is drawn, given its length.
    fn probability(classes: &LetterClasses, thresholds: &Thresholds, circuit: &[u16]) -> f64 {
        let (mut begin, mut state) = (thresholds.begin(circuit.len()), 0);
        let mut product = 1.0;
        for letter in circuit {
            let number = classes.classes.iter().position(|class| class.letters.contains(letter)).unwrap();
            let row = &thresholds.values[begin as usize + state..];
            let low = if number == 0 { 0 } else { row[number - 1] };
            let Move { next, allowed, .. } = thresholds.moves[state + number];
            let share = f64::from(row[number] - low) / f64::from(1u32 << CLASS_BITS);
            product *= share / f64::from(allowed);
            state = next as usize;
            begin = begin.wrapping_sub(thresholds.step(classes.classes[number].category));
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
            let classes = LetterClasses::new(&alphabet, &constraints).unwrap();
            let is_alike = classes.counts.is_empty() && !constraints.no_cancelling;
            let thresholds = Thresholds::new(&classes, (min, max), is_alike).unwrap();
            for length in lengths {
                let expected = expected(&alphabet, length, &constraints);
                assert!(!expected.is_empty());
                for (circuit, &share) in &expected {
                    let found = probability(&classes, &thresholds, circuit);
                    assert!((found / share - 1.0).abs() < 1e-6, "{gates}: {circuit:?}: {found} for {share}");
                }
            }
        }
    }

    /// One comparison at a time finds the same classes, whatever the number of thresholds.
    #[test]
    fn classes_are_found() {
        for (gates, qubits) in [("h,s,t", 1), ("clifford+t", 2), ("clifford+t", 4)] {
            let alphabet = Alphabet::of(gates, qubits);
            let classes = LetterClasses::new(&alphabet, &no_cancelling()).unwrap();
            let thresholds = Thresholds::new(&classes, (2, 2), false).unwrap();
            let words = (0..1000).map(|k: u64| k.wrapping_mul(0x9E37_79B9_7F4A_7C15)).chain([u64::MAX]);
            for word in words {
                let begin = thresholds.begin(2) as usize;
                let own = &thresholds.values[begin..];
                let expected = own.iter().position(|&bound| word >> (64 - CLASS_BITS) < u64::from(bound));
                assert_eq!(thresholds.class(begin, word), expected.unwrap());
            }
        }
    }

    /// Letters that play the same part are one class: without this there would be 5.5 million.
    #[test]
    fn eight_qubits_have_few_states() {
        let alphabet = Alphabet::of("clifford+t", 8);
        let classes = LetterClasses::new(&alphabet, &no_cancelling()).unwrap();
        let thresholds = Thresholds::new(&classes, (2, 2), false).unwrap();
        assert_eq!(thresholds.moves.len() / thresholds.width, 7_193);
    }
}
