//! Samplers of constrained circuits: letters are drawn one by one from the exact probabilities that
//! their numbers of completions give.
//!
//! The distribution and the arithmetic are specified in `docs/format.md`.

use crate::alphabet::Alphabet;
use crate::circuit::Circuits;
use crate::error::Result;
use crate::random::philox::{BATCH, RandomWords, RangeProduct, consecutive_blocks, draw};
use crate::simd::dispatch::{InstructionSet, SimdTask};
use crate::space::constraints::Constraints;
use crate::space::letter_class::LetterClasses;
use crate::space::letter_state::{CircuitInState, LetterStates};
use crate::space::marked_letter::{MarkedCircuit, MarkedLetters};
use crate::space::partial_circuit::PartialCircuit;
use crate::space::thresholds::Thresholds;
use std::ops::Range;

/// The words of each record that are computed at once, an even number.
const WORDS: usize = 16;

/// A sampler of constrained circuits: a length uniform in a range, then each allowed circuit of
/// this length with a probability proportional to the product of its letters' weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ConstrainedSampler {
    key: [u32; 2],
    shortest: u64,
    lengths: RangeProduct,
    thresholds: Thresholds,
    letters: Letters,
}

/// The letters to draw from.
#[derive(Debug, Clone, PartialEq)]
enum Letters {
    /// For few states.
    ByState(LetterStates),
    /// For any number of states; each letter takes a third longer.
    Marked(MarkedLetters),
}

impl ConstrainedSampler {
    /// Returns a sampler of circuits of `min` to `max` letters. The constraints must have been
    /// [checked](Constraints::check).
    ///
    /// # Errors
    /// [`Error::Constraints`](crate::error::Error::Constraints) if some length has no circuit, or if
    /// the tables are too large.
    pub(super) fn new(
        alphabet: &Alphabet,
        seed: u64,
        (min, max): (usize, usize),
        constraints: &Constraints,
    ) -> Result<ConstrainedSampler> {
        let classes = LetterClasses::new(alphabet, constraints)?;
        // Without these constraints every letter is drawn alike.
        let is_alike = classes.counts.is_empty() && !constraints.no_cancelling;
        let thresholds = Thresholds::new(&classes, (min, max), is_alike)?;
        let letters = match LetterStates::new(&classes, &thresholds) {
            Some(states) => Letters::ByState(states),
            None => Letters::Marked(MarkedLetters::new(&classes, &thresholds)),
        };
        Ok(ConstrainedSampler {
            key: [seed as u32, (seed >> 32) as u32],
            shortest: min as u64,
            lengths: RangeProduct::new((max - min + 1) as u64),
            thresholds,
            letters,
        })
    }

    /// Appends the records with these indices.
    pub(super) fn circuits(&self, indices: Range<u64>, out: &mut Circuits) {
        InstructionSet::best().run(Draws { sampler: self, indices, out });
    }

    /// Appends the records with these indices.
    #[inline(always)]
    fn draw<P: PartialCircuit>(&self, tables: &P::Tables, indices: Range<u64>, out: &mut Circuits) {
        let Range { mut start, end } = indices;
        let mut words = [[0; BATCH]; WORDS];
        while end.saturating_sub(start) >= BATCH as u64 {
            self.batch::<P>(tables, start, &mut words, out);
            start += BATCH as u64;
        }
        self.one_by_one::<P>(tables, start..end, out);
    }

    fn one_by_one<P: PartialCircuit>(&self, tables: &P::Tables, indices: Range<u64>, out: &mut Circuits) {
        let (letters, ends) = out.buffers();
        for index in indices {
            let mut words = RandomWords::new(self.key, index);
            let mut word = words.unbiased(self.lengths);
            let length = (self.shortest + draw(&mut word, self.lengths.value)) as usize;
            let mut circuit = P::empty(&self.thresholds, length);
            letters.extend((0..length).map(|_| circuit.letter(tables, &self.thresholds, words.next())));
            ends.push(letters.len());
        }
    }

    /// Appends the [`BATCH`] records from `first` on. Their letters are drawn in turn, because each
    /// has to wait for the one before it.
    #[inline(always)]
    fn batch<P: PartialCircuit>(
        &self,
        tables: &P::Tables,
        first: u64,
        words: &mut [[u64; BATCH]; WORDS],
        out: &mut Circuits,
    ) {
        // The first word is that of the length.
        let most = (self.shortest + self.lengths.value) as usize;
        consecutive_blocks(first, 0, self.key, &mut words[..most.next_multiple_of(2).min(WORDS)]);
        let is_accepted = |word: &u64| word.wrapping_mul(self.lengths.value) >= self.lengths.threshold;
        if !words[0].iter().all(is_accepted) {
            self.one_by_one::<P>(tables, first..first + BATCH as u64, out);
            return;
        }
        let (letters, ends) = out.buffers();
        let lengths = words[0].map(|mut word| (self.shortest + draw(&mut word, self.lengths.value)) as usize);
        let mut begins = [0; BATCH];
        let mut end = letters.len();
        for (begin, length) in begins.iter_mut().zip(lengths) {
            *begin = end;
            end += length;
        }
        ends.extend(begins.iter().zip(lengths).map(|(begin, length)| begin + length));
        letters.resize(end, 0);
        let mut circuits = lengths.map(|length| P::empty(&self.thresholds, length));
        for place in 0..lengths.into_iter().fold(0, usize::max) {
            let at = (place + 1) % WORDS;
            if at == 0 {
                consecutive_blocks(first, (place + 1) as u64 / 2, self.key, words);
            }
            for (k, circuit) in circuits.iter_mut().enumerate() {
                if place < lengths[k] {
                    letters[begins[k] + place] = circuit.letter(tables, &self.thresholds, words[at][k]);
                }
            }
        }
    }
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
        let Draws { sampler, indices, out } = self;
        match &sampler.letters {
            Letters::ByState(states) => sampler.draw::<CircuitInState>(states, indices, out),
            Letters::Marked(letters) => sampler.draw::<MarkedCircuit>(letters, indices, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Space;
    use crate::space::thresholds::tests::{cancels, expected, no_cancelling, weights};
    use std::collections::BTreeMap;

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

    /// The two ways to draw letters give the same, also where a letter is undone by several.
    #[test]
    fn letters_of_states_are_those_of_marks() {
        for (gates, qubits, most) in [
            ("h,s,sdg,t", 1, 30),
            ("x,rx(pi),h,s,sdg", 1, 30),
            ("clifford+t", 2, 12),
            ("x,rx(pi),cx,cz,swap", 2, 12),
            ("h,s,t,cx", 3, 20),
            ("h,t,ccx", 3, 20),
        ] {
            let alphabet = Alphabet::of(gates, qubits);
            let mut exactly = vec![None; alphabet.gates().len()];
            exactly[1] = Some(2);
            for constraints in [
                no_cancelling(),
                Constraints { exactly: exactly.clone(), ..Constraints::default() },
                Constraints { exactly, ..no_cancelling() },
            ] {
                let mut sampler = ConstrainedSampler::new(&alphabet, 3, (5, most), &constraints).unwrap();
                assert!(matches!(sampler.letters, Letters::ByState(_)), "{gates}");
                let mut by_state = Circuits::default();
                sampler.circuits(0..500, &mut by_state);
                let classes = LetterClasses::new(&alphabet, &constraints).unwrap();
                sampler.letters = Letters::Marked(MarkedLetters::new(&classes, &sampler.thresholds));
                let mut marked = Circuits::default();
                sampler.circuits(0..500, &mut marked);
                assert_eq!(by_state, marked, "{gates}");
            }
        }
    }

    #[test]
    fn many_states_are_drawn_by_marks() {
        let alphabet = Alphabet::of("clifford+t", 6);
        let sampler = ConstrainedSampler::new(&alphabet, 1, (2, 40), &no_cancelling()).unwrap();
        assert!(matches!(sampler.letters, Letters::Marked(_)));
        let mut circuits = Circuits::default();
        sampler.circuits(0..200, &mut circuits);
        assert!(circuits.iter().all(|circuit| !cancels(&alphabet, circuit)));
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
