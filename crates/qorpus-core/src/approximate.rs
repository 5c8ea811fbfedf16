//! Approximate unitaries, for gates that are not over Z[ω, 1/√2]: two numbers identify equal
//! unitaries.
//!
//! Both numbers are smooth functions of the unitary, up to phase if that is the equivalence, in
//! general position: with fixed matrices A and B of pseudo-random entries, they are tr(A†U) and
//! tr(B†U), or the product of one with the conjugate of the other. The numbers of unitaries that
//! differ by rounding errors differ equally little, and different unitaries have the same numbers
//! only by chance. A difference is equal within rounding, clearly distinct, or ambiguous in
//! between.

use crate::alphabet::Alphabet;
use crate::arithmetic::{Arithmetic, BATCH_LANES, DenseArithmetic, Equivalence, Tolerance};
use crate::error::{Error, Result};
use crate::gate::standard::diagonal;
use crate::kernel::letter_rows::LetterRows;
use crate::splitmix::mix;
use num_complex::Complex64;

/// The number of times that a number is folded into 0 to 1, which spreads it evenly and keeps it
/// continuous.
const FOLDS: f64 = 16.0;

/// An offset, so that U and -U, whose numbers differ by their signs, are not folded onto each
/// other.
const SHIFT: f64 = 0.618_033_988_749_894_8;

/// The largest difference of folded numbers that counts as rounding error: a hundred times the
/// largest in a test with fifty letters on three qubits.
const EQUAL: f64 = 1e-11;

/// The difference of folded numbers beyond which unitaries are distinct.
const DISTINCT: f64 = 1e-9;

/// The largest difference of the entries of equal unitaries, up to phase. Distinct unitaries on up
/// to three qubits that are nearer than this do not exceed [`DISTINCT`].
const ENTRY_TOLERANCE: f64 = 1e-12;

/// The letters of an alphabet in floating point.
#[derive(Debug, Clone)]
pub struct ApproximateLetters {
    dim: usize,
    up_to: Equivalence,
    /// For each letter and row of a product, the rows that are summed, with their coefficients.
    letters: Vec<Vec<Vec<(usize, Complex64)>>>,
    /// The entries of A and B, conjugated.
    weights: [Vec<Complex64>; 2],
}

/// A batch of unitaries. For each lane, and for A and B, it holds for every pair of rows the sum
/// over all columns of the weights in one row times the entries in the other.
#[derive(Debug, Clone)]
pub struct ApproximateBatch(Vec<[Vec<Complex64>; 2]>);

impl ApproximateLetters {
    /// Returns the letters of `alphabet`.
    ///
    /// # Errors
    /// [`Error::NotExact`] for a gate that has no matrix, or free angles.
    pub fn new(alphabet: &Alphabet, up_to: Equivalence) -> Result<ApproximateLetters> {
        if let Some(opaque) = alphabet.gates().iter().find(|gate| gate.matrix().is_empty()) {
            let up_to_phase = up_to.ignores_phase();
            return Err(Error::NotExact { gate: opaque.name().into(), up_to_phase });
        }
        let mut letters = ApproximateLetters::keys(alphabet.dim(), up_to);
        let rows = alphabet.letters().iter().map(|letter| LetterRows::new(alphabet, letter));
        letters.letters = rows.map(|rows| (0..letters.dim).map(|row| rows.entries(row)).collect()).collect();
        Ok(letters)
    }

    /// Returns the keys of unitaries of this dimension, without letters.
    pub(crate) fn keys(dim: usize, up_to: Equivalence) -> ApproximateLetters {
        let weights = [0, 1].map(|which| weights(dim, which));
        ApproximateLetters { dim, up_to, letters: Vec::new(), weights }
    }

    /// Returns the key of a unitary, row-major.
    pub(crate) fn key_of(&self, unitary: &[Complex64]) -> u128 {
        let sum = |which: usize| self.weights[which].iter().zip(unitary).map(|(w, u)| w * u).sum();
        self.folded([sum(0), sum(1)])
    }

    /// Returns the largest difference between the halves of the keys of two unitaries whose
    /// difference has this Frobenius norm.
    pub(crate) fn shift(&self, norm: f64) -> u64 {
        // A sum of weights and entries has an error of at most the norm, and both are at most √dim;
        // rows count `dim` times.
        let dim = self.dim as f64;
        (FOLDS * dim * 2.0 * dim.sqrt() * norm * TWO_TO_64) as u64
    }

    /// Returns both numbers as one key, computed from the sums of weights and entries.
    fn folded(&self, [a, b]: [Complex64; 2]) -> u128 {
        let size = self.dim as f64;
        let number = match self.up_to {
            Equivalence::GlobalPhase | Equivalence::Pauli => a * b.conj() * size,
            Equivalence::Exact => a * size.sqrt(),
        };
        let half = |x: f64| {
            let place = (x * FOLDS + SHIFT).rem_euclid(2.0);
            // Folded to 0 to 1, as 64 bits.
            ((if place <= 1.0 { place } else { 2.0 - place }) * TWO_TO_64) as u64
        };
        u128::from(half(number.re)) << 64 | u128::from(half(number.im))
    }

    /// Returns the global phase between `one` and `other`; `None` if they are clearly different.
    fn turn(&self, one: &[Complex64], other: &[Complex64]) -> Option<Complex64> {
        if self.up_to == Equivalence::Exact {
            return Some(Complex64::ONE);
        }
        let sum: Complex64 = one.iter().zip(other).map(|(u, v)| u * v.conj()).sum();
        let size = sum.norm_sqr().sqrt();
        (2.0 * size > self.dim as f64).then(|| sum / size)
    }
}

const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

/// Returns the pseudo-random entries of a matrix, whose squares add up to one.
fn weights(dim: usize, which: u64) -> Vec<Complex64> {
    let number = |k: u64| mix(k) as i64 as f64 / (TWO_TO_64 / 2.0);
    let entry = |k| Complex64::new(number(4 * k + which), number(4 * k + which + 2));
    let entries: Vec<Complex64> = (0..(dim * dim) as u64).map(entry).collect();
    let size = entries.iter().map(Complex64::norm_sqr).sum::<f64>().sqrt();
    entries.into_iter().map(|entry| entry / size).collect()
}

impl Arithmetic for ApproximateLetters {
    type Unitary = Vec<Complex64>;
    type Batch = ApproximateBatch;

    const TOLERANCE: Tolerance =
        Tolerance { equal: (EQUAL * TWO_TO_64) as u64, distinct: (DISTINCT * TWO_TO_64) as u64 };

    fn identity(&self) -> Vec<Complex64> {
        diagonal(&vec![Complex64::ONE; self.dim])
    }

    fn letters(&self) -> u16 {
        self.letters.len() as u16
    }

    fn multiply(&self, from: &Vec<Complex64>, letter: u16, to: &mut Vec<Complex64>) -> bool {
        to.clear();
        to.resize(from.len(), Complex64::ZERO);
        for (row, terms) in to.chunks_exact_mut(self.dim).zip(&self.letters[usize::from(letter)]) {
            for &(source, factor) in terms {
                let source = &from[source * self.dim..][..self.dim];
                row.iter_mut().zip(source).for_each(|(entry, old)| *entry += factor * old);
            }
        }
        true
    }

    fn adjoint(&self, unitary: &Vec<Complex64>) -> Vec<Complex64> {
        (0..unitary.len()).map(|k| unitary[k % self.dim * self.dim + k / self.dim].conj()).collect()
    }

    fn key(&self, unitary: &Vec<Complex64>) -> u128 {
        self.key_of(unitary)
    }

    fn same(&self, one: &Vec<Complex64>, other: &Vec<Complex64>, error: f64) -> bool {
        let error = error.max(ENTRY_TOLERANCE);
        self.turn(one, other).is_some_and(|turn| {
            one.iter().zip(other).all(|(u, v)| (u - v * turn).norm_sqr() <= error * error)
        })
    }

    fn reach(&self, error: f64) -> u64 {
        // With an error of `error` in each of `dim`² entries, the norm is `dim` times `error`.
        self.shift(self.dim as f64 * error.max(ENTRY_TOLERANCE))
    }

    fn batch(&self) -> ApproximateBatch {
        ApproximateBatch(vec![[0, 1].map(|_| vec![Complex64::ZERO; self.dim * self.dim]); BATCH_LANES])
    }

    fn set(&self, batch: &mut ApproximateBatch, lane: usize, unitary: &Vec<Complex64>) {
        assert_eq!(unitary.len(), self.dim * self.dim, "on the same number of qubits");
        for (sums, weights) in batch.0[lane].iter_mut().zip(&self.weights) {
            let rows = weights.chunks_exact(self.dim);
            for (sums, weights) in sums.chunks_exact_mut(self.dim).zip(rows) {
                for (sum, entries) in sums.iter_mut().zip(unitary.chunks_exact(self.dim)) {
                    *sum = weights.iter().zip(entries).map(|(w, u)| w * u).sum();
                }
            }
        }
    }

    fn products(
        &self,
        batch: &mut ApproximateBatch,
        letter: u16,
        lanes: u32,
        mut emit: impl FnMut(usize, u128),
    ) -> bool {
        let rows = &self.letters[usize::from(letter)];
        let mut left = lanes;
        while left > 0 {
            let lane = left.trailing_zeros() as usize;
            left &= left - 1;
            // Only the effect of the letter on these sums is needed, not the product itself.
            let sum = |which: usize| {
                let of_row = batch.0[lane][which].chunks_exact(self.dim).zip(rows);
                of_row.flat_map(|(sums, terms)| terms.iter().map(|&(row, z)| z * sums[row])).sum()
            };
            emit(lane, self.folded([sum(0), sum(1)]));
        }
        true
    }
}

impl DenseArithmetic for ApproximateLetters {
    const IS_EXACT: bool = false;
    const PRECISION: f64 = ENTRY_TOLERANCE;

    fn recognize(&self, numbers: &[Complex64], error: f64) -> Option<Vec<Complex64>> {
        let fits = numbers.len() == self.dim * self.dim && numbers.iter().all(|entry| entry.is_finite());
        (fits && error <= ENTRY_TOLERANCE).then(|| numbers.to_vec())
    }

    fn recognize_small(&self, numbers: &[Complex64], _most: u32) -> Option<Vec<Complex64>> {
        self.recognize(numbers, 0.0)
    }

    fn near(&self, numbers: &[Complex64], _error: f64) -> Vec<Vec<Complex64>> {
        self.recognize(numbers, 0.0).into_iter().collect()
    }

    fn is_complete(&self, _error: f64, _length: usize) -> bool {
        true
    }

    fn numbers(&self, unitary: &Vec<Complex64>) -> Vec<Complex64> {
        unitary.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::standard::turn;
    use proptest::prelude::*;

    fn letters(gates: &str, qubits: usize, up_to: Equivalence) -> ApproximateLetters {
        ApproximateLetters::new(&Alphabet::of(gates, qubits), up_to).unwrap()
    }

    /// The larger difference of both halves of two keys, as folded numbers.
    fn distance(one: u128, other: u128) -> f64 {
        let half = |shift: u32| ((one >> shift) as u64).abs_diff((other >> shift) as u64) as f64 / TWO_TO_64;
        half(0).max(half(64))
    }

    const GATES: &str = "rx(0.3),rz(0.7),ry(-1.1),p(0.2),h";

    proptest! {
        #[test]
        fn keys_of_products_are_those_of_circuits(word in prop::collection::vec(0u16..10, 0..50), qubits in 1usize..4, phase: bool) {
            let up_to = if phase { Equivalence::GlobalPhase } else { Equivalence::Exact };
            let letters = letters(GATES, qubits, up_to);
            let known = letters.letters.len() as u16;
            let word: Vec<u16> = word.iter().map(|letter| letter % known).collect();
            let unitary = letters.unitary(&word).unwrap();
            let mut batch = letters.batch();
            letters.set(&mut batch, 7, &unitary);
            for letter in 0..known {
                let (mut next, mut key) = (Vec::new(), None);
                prop_assert!(letters.multiply(&unitary, letter, &mut next));
                prop_assert!(letters.products(&mut batch, letter, 1 << 7, |lane, of| key = Some((lane, of))));
                let (lane, key) = key.unwrap();
                prop_assert_eq!(lane, 7);
                // A hundredth of what counts as the same.
                prop_assert!(distance(key, letters.key(&next)) < EQUAL / 100.0);
            }
            // There and back again, letter by letter.
            let back = letters.adjoint(&unitary);
            prop_assert!(letters.same(&letters.adjoint(&back), &unitary, 0.0));
        }

        #[test]
        fn a_phase_counts_or_does_not(word in prop::collection::vec(0u16..5, 1..30), angle in 0.1f64..6.0) {
            for up_to in [Equivalence::GlobalPhase, Equivalence::Exact] {
                let letters = letters(GATES, 1, up_to);
                let unitary = letters.unitary(&word).unwrap();
                let turned: Vec<_> = unitary.iter().map(|entry| entry * turn(angle)).collect();
                let is_same = up_to == Equivalence::GlobalPhase;
                prop_assert_eq!(letters.same(&unitary, &turned, 0.0), is_same);
                prop_assert_eq!(distance(letters.key(&unitary), letters.key(&turned)) < EQUAL, is_same);
                let negative: Vec<_> = unitary.iter().map(|entry| -entry).collect();
                prop_assert_eq!(distance(letters.key(&unitary), letters.key(&negative)) < EQUAL, is_same);
            }
        }
    }

    #[test]
    fn letters_are_taken_back() {
        let letters = letters("rz(0.1),rz(-0.1),h,rz(0.1000000001)", 1, Equivalence::GlobalPhase);
        assert_eq!(letters.inverses(), [Some(1), Some(0), Some(2), None]);
    }
}
