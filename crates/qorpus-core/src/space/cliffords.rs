//! Random Clifford operators: each a pair of anticommuting Pauli operators for every qubit.
//!
//! A Clifford operator C is determined, up to a global phase, by the operators that it turns into X
//! and Z of each qubit. So a random pair is drawn for the first qubit, gates turn it into X and Z of
//! this qubit up to signs, a random Pauli operator makes the signs random, and the same follows on
//! the other qubits. Every operator belongs to exactly one choice of pairs and signs: E. van den
//! Berg, "A simple method for sampling random Clifford operators", IEEE QCE 2021. `docs/format.md`
//! specifies every step.

use crate::alphabet::Alphabet;
use crate::alphabet::coupling::Coupling;
use crate::circuit::Circuits;
use crate::error::Result;
use crate::gate::Gate;
use crate::random::philox::{RandomWords, RangeProduct, draw};
use crate::space::pauli_pair::{LetterBuffer, Numbers, PauliPair, most_letters};
use std::ops::Range;

/// The gates of the circuits. On one qubit there is no `cx`.
const GATES: [&str; 6] = ["h", "s", "cx", "x", "y", "z"];

/// The largest product of the ranges drawn from one word.
const PRODUCT_LIMIT: u64 = 1 << 48;

/// The mean length of a circuit on 1 to 8 qubits.
const MEAN_LENGTHS: [f64; 8] = [2.25, 7.65, 15.5, 25.7, 38.3, 53.0, 70.2, 89.5];

/// Returns the alphabet of the circuits of Clifford operators: h, s, cx, x, y and z on all qubits.
///
/// # Errors
/// A number of qubits that is not supported.
pub(crate) fn alphabet(qubits: usize) -> Result<Alphabet> {
    let gates = GATES.iter().map(|name| Gate::standard(name)).collect::<Result<Vec<_>>>()?;
    let placed = gates.into_iter().filter(|gate| gate.qubits() <= qubits).collect();
    let alphabet = Alphabet::new(placed, qubits, Coupling::All)?;
    alphabet.check_unitaries()?;
    Ok(alphabet)
}

/// A sampler of Clifford operators, uniform over the group up to global phases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CliffordSampler {
    key: [u32; 2],
    numbers: Numbers,
    /// The number of qubits that are drawn from each word, and the product of their ranges.
    words: Vec<(u32, RangeProduct)>,
}

/// The ranges of the draws for the first of m qubits: the two operators, and a Pauli operator.
fn ranges(m: u32) -> [u64; 3] {
    let operators = 1 << (2 * m);
    [operators - 1, operators, 4]
}

impl CliffordSampler {
    /// Returns a sampler of operators on 1 to 8 qubits.
    pub(crate) fn new(seed: u64, qubits: usize) -> CliffordSampler {
        let mut words: Vec<(u32, u64)> = Vec::new();
        for m in (1..=qubits as u32).rev() {
            let product = ranges(m).iter().product::<u64>();
            match words.last_mut().filter(|(_, before)| product <= PRODUCT_LIMIT / before) {
                Some((drawn, before)) => (*drawn, *before) = (*drawn + 1, *before * product),
                None => words.push((1, product)),
            }
        }
        CliffordSampler {
            key: [seed as u32, (seed >> 32) as u32],
            numbers: Numbers { qubits: qubits as u32 },
            words: words.into_iter().map(|(drawn, product)| (drawn, RangeProduct::new(product))).collect(),
        }
    }

    /// Returns the most letters of a circuit.
    pub(crate) fn longest(&self) -> usize {
        (1..=self.numbers.qubits as usize).map(|m| most_letters(m) + 1).sum()
    }

    /// Returns the mean number of letters of a circuit.
    pub(crate) fn mean_length(&self) -> f64 {
        MEAN_LENGTHS[self.numbers.qubits as usize - 1]
    }

    /// Appends the circuits with these indices.
    pub(crate) fn circuits(&self, indices: Range<u64>, out: &mut Circuits) {
        let (letters, ends) = out.buffers();
        let mut circuit = LetterBuffer::new();
        for index in indices {
            circuit.clear();
            self.circuit(index, &mut circuit);
            letters.extend_from_slice(circuit.letters());
            ends.push(letters.len());
        }
    }

    fn circuit(&self, index: u64, letters: &mut LetterBuffer) {
        let mut random = RandomWords::new(self.key, index);
        let mut first = 0;
        for &(drawn, product) in &self.words {
            let mut word = random.unbiased(product);
            for _ in 0..drawn {
                let [p, q, pauli] =
                    ranges(self.numbers.qubits - first).map(|range| draw(&mut word, range) as u32);
                self.qubit(first, [p + 1, q, pauli], letters);
                first += 1;
            }
        }
    }

    /// Appends the letters that turn a pair of operators into X and Z of qubit `first`, and a Pauli
    /// operator: 0 stands for none, 1 to 3 for X, Y and Z.
    #[inline(always)]
    fn qubit(&self, first: u32, [p, q, pauli]: [u32; 3], letters: &mut LetterBuffer) {
        PauliPair::new([p, q], first, self.numbers, letters).sweep(first);
        letters.push([self.numbers.pauli(pauli, first)], usize::from(pauli > 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// A Clifford operator up to a global phase: the images of X and Z of each qubit, as bits of X,
    /// bits of Z, and the sign.
    type Tableau = Vec<(u32, u32, bool)>;

    /// Multiplies gates by their textbook rules, without the sampler's code.
    fn tableau(alphabet: &Alphabet, circuit: &[u16]) -> Tableau {
        let qubits = alphabet.qubits();
        let mut rows: Tableau =
            (0..qubits).flat_map(|qubit| [(1 << qubit, 0, false), (0, 1 << qubit, false)]).collect();
        for letter in circuit.iter().map(|&letter| &alphabet.letters()[usize::from(letter)]) {
            for (x, z, sign) in &mut rows {
                let has = |bits: u32, place: usize| bits >> letter.qubits[place] & 1 == 1;
                let a = 1 << letter.qubits[0];
                match alphabet.gates()[letter.gate].name() {
                    "h" => {
                        *sign ^= has(*x, 0) && has(*z, 0);
                        let differ = (*x ^ *z) & a;
                        (*x, *z) = (*x ^ differ, *z ^ differ);
                    }
                    "s" => {
                        *sign ^= has(*x, 0) && has(*z, 0);
                        *z ^= *x & a;
                    }
                    "cx" => {
                        *sign ^= has(*x, 0) && has(*z, 1) && has(*x, 1) == has(*z, 0);
                        let (control, target) = (has(*x, 0), has(*z, 1));
                        *x ^= u32::from(control) << letter.qubits[1];
                        *z ^= u32::from(target) << letter.qubits[0];
                    }
                    "x" => *sign ^= has(*z, 0),
                    "y" => *sign ^= has(*x, 0) != has(*z, 0),
                    "z" => *sign ^= has(*x, 0),
                    other => panic!("{other}"),
                }
            }
        }
        rows
    }

    #[test]
    fn every_operator_belongs_to_one_choice() {
        for (qubits, order) in [(1, 24), (2, 11_520)] {
            let (alphabet, sampler) = (alphabet(qubits).unwrap(), CliffordSampler::new(0, qubits));
            let mut choices = vec![Vec::new()];
            for m in (1..=qubits as u32).rev() {
                let [p, q, pauli] = ranges(m).map(|range| range as u32);
                let of_qubit = |choice: &Vec<[u32; 3]>| {
                    let drawn =
                        (0..p * q * pauli).map(move |k| [k / pauli / q + 1, k / pauli % q, k % pauli]);
                    let choice = choice.clone();
                    drawn.map(move |drawn| [&choice[..], &[drawn]].concat()).collect::<Vec<_>>()
                };
                choices = choices.iter().flat_map(of_qubit).collect();
            }
            let mut counts = HashMap::new();
            for choice in &choices {
                let mut letters = LetterBuffer::new();
                (0..).zip(choice).for_each(|(qubit, &drawn)| sampler.qubit(qubit, drawn, &mut letters));
                *counts.entry(tableau(&alphabet, letters.letters())).or_insert(0) += 1;
            }
            // The second operator of a pair is drawn twice: as itself and as the one that commutes.
            let times = 1 << qubits;
            assert_eq!((counts.len(), choices.len()), (order, order * times));
            assert!(counts.values().all(|&count| count == times));
        }
    }

    /// Draws records and compares the counts of all operators with the uniform distribution.
    fn is_uniform(qubits: usize, records: u64, order: usize) {
        let alphabet = alphabet(qubits).unwrap();
        let mut circuits = Circuits::default();
        CliffordSampler::new(5, qubits).circuits(0..records, &mut circuits);
        let (mut counts, mut known) = (HashMap::<Tableau, u32>::new(), HashMap::new());
        for circuit in circuits.iter() {
            let tableau = known.entry(circuit).or_insert_with(|| tableau(&alphabet, circuit));
            match counts.get_mut(tableau) {
                Some(count) => *count += 1,
                None => drop(counts.insert(tableau.clone(), 1)),
            }
        }
        assert_eq!(counts.len(), order);
        let expected = records as f64 / order as f64;
        let chi2: f64 = counts.values().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
        // Chi-square has mean k and variance 2k for k degrees of freedom: five standard deviations.
        let k = order as f64 - 1.0;
        assert!((chi2 - k).abs() < 5.0 * (2.0 * k).sqrt(), "{qubits} qubits: {chi2} for {k}");
    }

    #[test]
    fn operators_of_one_qubit_are_uniform() {
        is_uniform(1, 200_000, 24);
    }

    #[test]
    fn operators_of_two_qubits_are_uniform() {
        is_uniform(2, 1_000_000, 11_520);
    }

    #[test]
    fn lengths_are_bounded_and_their_means_are_known() {
        for qubits in 1..=8 {
            let sampler = CliffordSampler::new(1, qubits);
            let mut circuits = Circuits::default();
            sampler.circuits(0..20_000, &mut circuits);
            assert!(circuits.longest() <= sampler.longest());
            let mean = circuits.total() as f64 / 20_000.0;
            assert!((mean - sampler.mean_length()).abs() < 0.1 + mean / 400.0, "{qubits} qubits: {mean}");
        }
        let longest = [1, 2, 3, 8].map(|qubits| CliffordSampler::new(0, qubits).longest());
        assert_eq!(longest, [4, 16, 31, 178]);
    }

    #[test]
    fn records_do_not_depend_on_their_range() {
        for qubits in 1..=8 {
            let sampler = CliffordSampler::new(3, qubits);
            let (mut whole, mut one) = (Circuits::default(), Circuits::default());
            sampler.circuits(1 << 62..(1 << 62) + 50, &mut whole);
            for k in (0..50).rev() {
                one.clear();
                sampler.circuits((1 << 62) + k..(1 << 62) + k + 1, &mut one);
                assert_eq!(one.get(0), whole.get(k as usize));
            }
        }
    }
}
