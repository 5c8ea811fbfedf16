//! Recognition: from floating point to the ring.

use crate::arithmetic::Equivalence;
use crate::exact::letters::ExactLetters;
use crate::exact::ring::{MAX_EXPONENT, ZOmega, is_unitary, recognize};
use crate::exact::unitary::ExactUnitary;
use crate::gate::standard::turn;
use num_complex::Complex64;
use std::f64::consts::FRAC_PI_4;

impl ExactLetters {
    /// Returns the phases that may bring a unitary into the ring: as many as there are rows, up to
    /// a global phase. `None` if it is not a unitary of this size.
    pub(crate) fn turns(&self, unitary: &[Complex64]) -> Option<Vec<Complex64>> {
        if unitary.len() != self.dim * self.dim || !unitary.iter().all(|entry| entry.is_finite()) {
            return None;
        }
        match self.up_to {
            Equivalence::Exact => Some(vec![Complex64::ONE]),
            Equivalence::GlobalPhase | Equivalence::Pauli => {
                let determinant = determinant(unitary.to_vec(), self.dim)?;
                let phase = determinant.im.atan2(determinant.re) / self.dim as f64;
                let step = FRAC_PI_4 / self.dim as f64;
                Some((0..self.dim).map(|k| turn(step * k as f64 - phase)).collect())
            }
        }
    }

    /// Returns the exact unitary over √2^`exponent` that this is within `error`, after
    /// multiplication by `turn`.
    pub(crate) fn over(
        &self,
        unitary: &[Complex64],
        turn: Complex64,
        exponent: u32,
        error: f64,
    ) -> Option<ExactUnitary> {
        let entries = unitary.iter().map(|&entry| recognize(entry * turn, exponent, error));
        let entries: Vec<ZOmega> = entries.collect::<Option<_>>()?;
        let row = |row: &[ZOmega]| row.iter().copied().enumerate().filter(|(_, z)| *z != [0; 4]).collect();
        let rows: Vec<Vec<(usize, ZOmega)>> = entries.chunks(self.dim).map(row).collect();
        is_unitary(&rows, exponent).then(|| {
            let mut exact = ExactUnitary { entries, exponent };
            exact.reduce();
            if self.up_to.ignores_phase() {
                exact.turn();
            }
            exact
        })
    }
}

/// Returns the error of entries after they are multiplied by the phase of the determinant.
///
/// With errors of `error` in all entries, ln det is off by tr(U†E), so by dim √dim errors at most,
/// and its phase counts once for each row. The factor leaves a margin for terms of second order.
pub(crate) fn turned_error(error: f64, dim: usize) -> f64 {
    1.25 * error * (1.0 + (dim as f64).sqrt())
}

/// Returns the largest exponent k for which an entry over √2^k within `error` of a number is
/// unique, if there is such a k.
///
/// Two different real parts (a√2 + b)/√2^(k+1), whose conjugates are at most 1 like those of
/// entries, differ by at least 1/(4 2^k): the norm of their difference is an integer over 2^(k+1).
pub(crate) fn unique_exponent(error: f64) -> Option<u32> {
    (0..=MAX_EXPONENT).rev().find(|&exponent| 8.0 * error * (1u64 << exponent) as f64 <= 1.0)
}

/// The largest accepted error of given entries: products of many rounded gates are nearer.
pub(crate) const LARGEST_ERROR: f64 = 1e-9;

/// Returns the determinant, by elimination; `None` if it is close to 0.
fn determinant(mut rows: Vec<Complex64>, dim: usize) -> Option<Complex64> {
    let mut product = Complex64::ONE;
    for column in 0..dim {
        let size = |row: &usize| rows[row * dim + column].norm_sqr();
        let pivot = (column..dim).max_by(|a, b| size(a).total_cmp(&size(b)))?;
        if size(&pivot) < LARGEST_ERROR {
            return None;
        }
        if pivot != column {
            product = -product;
            (0..dim).for_each(|k| rows.swap(pivot * dim + k, column * dim + k));
        }
        let first = rows[column * dim + column];
        product *= first;
        for row in column + 1..dim {
            let factor = rows[row * dim + column] / first;
            for k in column..dim {
                let above = rows[column * dim + k];
                rows[row * dim + k] -= factor * above;
            }
        }
    }
    Some(product)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::Alphabet;
    use crate::arithmetic::{Arithmetic, DenseArithmetic};
    use crate::exact::ring::root_of_two;
    use crate::gate::standard::diagonal;
    use crate::splitmix::mix;
    use proptest::prelude::*;
    use std::f64::consts::FRAC_1_SQRT_2;

    fn letters(qubits: usize, up_to: Equivalence) -> ExactLetters {
        ExactLetters::new(&Alphabet::of("clifford+t", qubits), up_to).unwrap()
    }

    proptest! {
        #[test]
        fn unitaries_of_circuits_are_recognized(word in prop::collection::vec(0u16..18, 0..40), qubits in 1usize..4, phase in 0.0..7.0, up_to_phase: bool) {
            let (up_to, phase) = if up_to_phase { (Equivalence::GlobalPhase, phase) } else { (Equivalence::Exact, 0.0) };
            let letters = letters(qubits, up_to);
            let word: Vec<_> = word.iter().map(|letter| letter % letters.letters()).collect();
            let expected = letters.unitary(&word).unwrap();
            let mut unitary: Vec<_> = letters.numbers(&expected).iter().map(|entry| entry * turn(phase)).collect();
            prop_assert_eq!(letters.recognize(&unitary, 0.0), Some(expected));
            unitary[0] += 1e-3;
            prop_assert_eq!(letters.recognize(&unitary, 0.0), None);
        }

        /// Whatever the noise, the unitary is among the candidates, up to the length that this is
        /// promised for.
        #[test]
        fn noise_hides_no_unitary(word in prop::collection::vec(0u16..18, 0..12), qubits in 1usize..4, digits in 1.0f64..9.0, phase in 0.0..7.0, seed: u64) {
            let letters = letters(qubits, Equivalence::GlobalPhase);
            let word: Vec<_> = word.iter().map(|letter| letter % letters.letters()).collect();
            let (expected, error) = (letters.unitary(&word).unwrap(), 10f64.powf(-digits));
            let noise = |k: u64| turn(mix(seed ^ k) as f64) * error;
            let noisy: Vec<_> = (0..).zip(letters.numbers(&expected)).map(|(k, z)| (z + noise(k)) * turn(phase)).collect();
            if letters.is_complete(error, word.len()) {
                prop_assert!(letters.near(&noisy, error).contains(&expected));
            }
        }
    }

    /// Different numbers of the ring whose conjugates are small are never nearer than the exponent
    /// of unique entries promises.
    #[test]
    fn numbers_of_the_ring_keep_their_distance() {
        for exponent in 0..8 {
            let most = root_of_two(exponent);
            let bound = (2.0 * most) as i32 + 1;
            let mut parts: Vec<f64> = Vec::new();
            for (a, b) in (-bound..=bound).flat_map(|a| (-bound..=bound).map(move |b| (a, b))) {
                let (a, b) = (f64::from(a), f64::from(b) * FRAC_1_SQRT_2);
                if (a + b).abs() <= most && (a - b).abs() <= most {
                    parts.push((a + b) / most);
                }
            }
            parts.sort_by(f64::total_cmp);
            let least = parts.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::MAX, f64::min);
            assert!(least >= 0.25 / f64::from(1 << exponent), "{exponent}: {least}");
            let error = 1.0 / (8.0 * f64::from(1 << exponent));
            assert_eq!(unique_exponent(error), Some(exponent));
            assert!(unique_exponent(error * 1.01) != Some(exponent) && unique_exponent(0.2).is_none());
        }
    }

    #[test]
    fn what_is_not_exact_is_not_recognized() {
        let letters = letters(1, Equivalence::GlobalPhase);
        let rotation = |angle: f64| diagonal(&[turn(-angle), turn(angle)]);
        assert!(letters.recognize(&rotation(FRAC_PI_4), 0.0).is_some());
        assert!(letters.recognize(&rotation(0.1), 0.0).is_none());
        for matrix in [diagonal(&[f64::NAN.into(), Complex64::ONE]), vec![Complex64::ZERO; 4], Vec::new()] {
            assert!(letters.recognize(&matrix, 0.0).is_none());
        }
    }
}
