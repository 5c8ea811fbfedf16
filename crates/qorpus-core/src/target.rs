//! Targets: matrices to look up, and their precision.
//!
//! The precision of a matrix shows in three ways: how far it is from unitary; the number of digits
//! of its entries, if it was rounded to eight decimals or stored in binary32; and its type. Only a
//! precise matrix can be distinguished from all others, so proofs exist only for precise matrices.

use crate::arithmetic::Equivalence;
use crate::clifford::Clifford;
use crate::error::{Error, Result};
#[cfg(feature = "environments")]
use crate::gate::standard::diagonal;
use crate::gate::unitarity_residual;
use num_complex::Complex64;

/// The largest residual of a matrix that is accepted.
const MAX_RESIDUAL: f64 = 0.05;

/// The fraction of the residual of rounding below which digits are exact, not rounded: (3 + 4i)/5
/// has one decimal and is not rounded.
const ROUNDED: f64 = 1e-6;

/// The most digits of a rounded matrix: binary64 has more, so a matrix whose entries have no more
/// was rounded.
const MAX_ROUNDED_BITS: u32 = 40;
const MAX_ROUNDED_DECIMALS: i32 = 12;

/// The tolerance that an error implies, in errors. The residual of rounding is below its error, but
/// seldom by this factor.
const SAFETY: f64 = 8.0;

/// The precision of binary32: half a unit in the last place of a number just below 1.
const SINGLE: f64 = 1.0 / (1u64 << 25) as f64;

/// A unitary to be looked up, and the error of its entries; or a Clifford operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    numbers: Vec<Complex64>,
    error: f64,
    is_circuit: bool,
    clifford: Option<Clifford>,
    has_signs: bool,
}

impl Target {
    /// Judges a matrix. `numbers` are row-major, qubit 0 most significant; `is_single` is whether
    /// they were stored in binary32 or less.
    ///
    /// # Errors
    /// [`Error::NotFinite`], or [`Error::TargetNotUnitary`] with the residual, the largest entry of
    /// |U†U - 1|.
    ///
    /// # Panics
    /// If there are not `dim` x `dim` numbers.
    pub fn new(numbers: Vec<Complex64>, dim: usize, is_single: bool) -> Result<Target> {
        assert_eq!(numbers.len(), dim * dim, "a square matrix");
        if let Some(place) = numbers.iter().position(|entry| !entry.is_finite()) {
            return Err(Error::NotFinite { row: place / dim, column: place % dim });
        }
        let residual = unitarity_residual(&numbers, dim);
        // For enormous entries it is NaN.
        if residual.is_nan() || residual > MAX_RESIDUAL {
            return Err(Error::TargetNotUnitary { residual });
        }
        let rounded = |error: &f64| residual >= error * ROUNDED;
        let digits = digits(&numbers).into_iter().filter(rounded).fold(0.0, f64::max);
        let error = residual.max(digits).max(if is_single { SINGLE } else { 0.0 });
        Ok(Target { numbers, error, is_circuit: false, clifford: None, has_signs: true })
    }

    /// Creates a target from the computed unitary of a circuit, whose error is 0.
    pub fn of_circuit(numbers: Vec<Complex64>) -> Target {
        Target { numbers, error: 0.0, is_circuit: true, clifford: None, has_signs: true }
    }

    /// Creates a target from a Clifford operator. It has no entries, so only tableaus can be
    /// compared with it.
    pub fn of_clifford(clifford: Clifford) -> Target {
        let clifford = Some(clifford);
        Target { numbers: Vec::new(), error: 0.0, is_circuit: true, clifford, has_signs: true }
    }

    /// Creates a target from a Clifford operator whose signs mean nothing: any operator with its
    /// tableau will do.
    pub fn of_tableau(clifford: Clifford) -> Target {
        Target { has_signs: false, ..Target::of_clifford(clifford) }
    }

    /// Returns whether Pauli operators behind a circuit lead to another target.
    pub fn has_signs(&self) -> bool {
        self.has_signs
    }

    /// Returns the Clifford operator of which it was created.
    pub fn clifford(&self) -> Option<&Clifford> {
        self.clifford.as_ref()
    }

    /// Returns the entries, row-major; none of a Clifford operator.
    pub fn numbers(&self) -> &[Complex64] {
        &self.numbers
    }

    /// Returns whether it is the unitary of a circuit, so that all its digits are known.
    pub fn is_circuit(&self) -> bool {
        self.is_circuit
    }

    /// Returns the estimated error of an entry.
    pub fn error(&self) -> f64 {
        self.error
    }

    /// Returns the distance within which the intended unitary should be.
    pub fn tolerance(&self) -> f64 {
        SAFETY * self.error
    }
}

/// Returns the errors that rounding would have left if the matrix had been rounded to the decimals
/// or binary digits that its entries have.
fn digits(numbers: &[Complex64]) -> [f64; 2] {
    let parts = || numbers.iter().flat_map(|entry| [entry.re, entry.im]);
    let has = |decimals: &i32| {
        let power = 10f64.powi(*decimals);
        parts().all(|part| (part * power - (part * power).round()).abs() <= 1e-15 * power)
    };
    // A matrix with all its digits does not have few decimals, so nothing needs to be tried.
    let few = has(&(MAX_ROUNDED_DECIMALS - 1)).then(|| (0..MAX_ROUNDED_DECIMALS).find(has)).flatten();
    let decimal = few.map_or(0.0, |decimals| 0.5 * 10f64.powi(-decimals));
    // A mantissa has 52 digits behind the first one, which is not written; 0 has none.
    let bits_of = |part: f64| 53u32.saturating_sub((part.to_bits() | 1 << 52).trailing_zeros());
    let bits = parts().map(bits_of).max().unwrap_or(0);
    let binary = if bits <= MAX_ROUNDED_BITS { 0.5f64.powi(bits as i32 + 1) } else { 0.0 };
    [decimal, binary]
}

/// Returns the largest magnitude among the entries of the difference of two unitaries of the same
/// size, row-major. Up to a global phase, one matrix is first multiplied by the phase for which
/// tr(A†B) is positive; Pauli operators always count. Takes time in O(4^n).
pub fn distance(one: &[Complex64], other: &[Complex64], up_to: Equivalence) -> f64 {
    let turn = match up_to {
        Equivalence::Exact => Complex64::ONE,
        Equivalence::GlobalPhase | Equivalence::Pauli => {
            let overlap: Complex64 = one.iter().zip(other).map(|(u, v)| u * v.conj()).sum();
            let size = overlap.norm_sqr().sqrt();
            if size > 0.0 { overlap / size } else { Complex64::ONE }
        }
    };
    let squares = one.iter().zip(other).map(|(u, v)| (u - v * turn).norm_sqr());
    // max() drops NaN, which the difference of enormous entries may be.
    squares.fold(0.0, |largest: f64, square| if square <= largest { largest } else { square }).sqrt()
}

/// Returns whether a unitary is the identity within a tolerance.
#[cfg(feature = "environments")]
pub(crate) fn is_identity(unitary: &[Complex64], up_to: Equivalence, tolerance: f64) -> bool {
    let identity = diagonal(&vec![Complex64::ONE; unitary.len().isqrt()]);
    distance(unitary, &identity, up_to) <= tolerance
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::Alphabet;
    use crate::kernel::naive;
    use proptest::prelude::*;

    fn unitary(word: &[u16], qubits: usize) -> Vec<Complex64> {
        let alphabet = Alphabet::of("clifford+t", qubits);
        let letters = alphabet.letters().len() as u16;
        naive::unitary(&alphabet, &word.iter().map(|letter| letter % letters).collect::<Vec<_>>(), &[])
    }

    fn rounded(unitary: &[Complex64], round: impl Fn(f64) -> f64) -> Vec<Complex64> {
        unitary.iter().map(|entry| Complex64::new(round(entry.re), round(entry.im))).collect()
    }

    proptest! {
        /// The tolerance that rounding implies holds what was rounded, and a matrix that was not
        /// rounded is precise.
        #[test]
        fn rounding_is_seen(word in prop::collection::vec(0u16..18, 0..30), qubits in 1usize..4, decimals in 2i32..12) {
            let exact = unitary(&word, qubits);
            let dim = 1 << qubits;
            prop_assert!(Target::new(exact.clone(), dim, false).unwrap().error() < 1e-13);
            let power = 10f64.powi(decimals);
            for given in [rounded(&exact, |part| (part * power).round() / power), rounded(&exact, |part| f64::from(part as f32))] {
                let target = Target::new(given.clone(), dim, false).unwrap();
                let off = distance(&given, &exact, Equivalence::Exact);
                prop_assert!(off <= target.tolerance() + 1e-15, "{off:e} {:e}", target.tolerance());
            }
        }

        #[test]
        fn what_is_far_from_unitary_is_refused(word in prop::collection::vec(0u16..18, 0..30), factor in 1.1f64..100.0) {
            for factor in [factor, 1.0 / factor, 0.0] {
                let scaled: Vec<_> = unitary(&word, 2).iter().map(|entry| entry * factor).collect();
                let refused = Target::new(scaled, 4, false).unwrap_err();
                let expected = (factor * factor - 1.0).abs();
                let Error::TargetNotUnitary { residual } = refused else { panic!("{refused}") };
                prop_assert!((residual - expected).abs() < 1e-9 * (1.0 + expected));
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_refused_where_it_is() {
        let mut numbers = unitary(&[3], 1);
        numbers[2].im = f64::NAN;
        assert_eq!(Target::new(numbers, 2, false).unwrap_err(), Error::NotFinite { row: 1, column: 0 });
    }

    #[test]
    fn few_digits_that_are_exact_are_precise() {
        let pythagorean = [0.6, 0.8, -0.8, 0.6].map(Complex64::from).to_vec();
        assert!(Target::new(pythagorean.clone(), 2, false).unwrap().error() < 1e-15);
        assert!(Target::new(pythagorean, 2, true).unwrap().error() == SINGLE);
    }
}
