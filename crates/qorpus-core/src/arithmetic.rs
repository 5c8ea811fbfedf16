//! The interfaces of the arithmetics in which unitaries are multiplied and compared: exact,
//! approximate, or in binary matrices.

use crate::error::{Error, Result};
use num_complex::Complex64;
use serde::{Deserialize, Serialize};

/// The equivalence under which two unitaries count as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Equivalence {
    /// Unitaries that differ only by a global phase are the same.
    #[serde(rename = "phase")]
    GlobalPhase,
    /// Only equal unitaries are the same.
    #[serde(rename = "nothing")]
    Exact,
    /// Clifford operators that differ only by Pauli operators and a global phase are the same.
    #[serde(rename = "pauli")]
    Pauli,
}

impl Equivalence {
    /// Returns whether unitaries that differ by a global phase are the same.
    pub fn ignores_phase(self) -> bool {
        self != Equivalence::Exact
    }
}

/// The number of unitaries of a batch, one a lane.
pub const BATCH_LANES: usize = 32;

/// The tolerances within which keys count as equal or distinct, for each half of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    /// If neither half differs by more, the unitaries are equal.
    pub equal: u64,
    /// If one half differs by more, the unitaries are distinct. Differences in between are
    /// ambiguous.
    pub distinct: u64,
}

/// The letters of an alphabet, and operations on the unitaries of its circuits.
///
/// Functions that take a letter panic if it is not in the alphabet.
pub trait Arithmetic: Sync {
    /// A unitary.
    type Unitary: Clone + Default;
    /// A batch of up to [`BATCH_LANES`] unitaries.
    type Batch;

    /// The tolerance of keys.
    const TOLERANCE: Tolerance;

    /// Returns the number of letters.
    fn letters(&self) -> u16;

    /// Returns the identity.
    fn identity(&self) -> Self::Unitary;

    /// Returns an inverse of each letter, or `None` for a letter without one.
    fn inverses(&self) -> Vec<Option<u16>> {
        let identity = self.identity();
        let is_inverse = |letter, other: &u16| {
            self.unitary(&[letter, *other]).is_ok_and(|product| self.same(&product, &identity, 0.0))
        };
        let letters = || 0..self.letters();
        letters().map(|letter| letters().find(|other| is_inverse(letter, other))).collect()
    }

    /// Lets `letter` act on `from` and stores the result, or any unitary that is equal to it up to
    /// phase, in `to`. False if it overflows.
    #[must_use]
    fn multiply(&self, from: &Self::Unitary, letter: u16, to: &mut Self::Unitary) -> bool;

    /// Lets `letter` act on `from` and stores the result in `to`, in the form that
    /// [`key`](Arithmetic::key) and [`same`](Arithmetic::same) take. False if it overflows; then
    /// `to` is meaningless.
    #[must_use]
    fn advance(&self, from: &Self::Unitary, letter: u16, to: &mut Self::Unitary) -> bool {
        self.multiply(from, letter, to)
    }

    /// Returns the unitary of a circuit, in the form that [`advance`](Arithmetic::advance) has.
    ///
    /// # Errors
    /// [`Error::ExactOverflow`].
    fn unitary(&self, circuit: &[u16]) -> Result<Self::Unitary> {
        let mut now = self.identity();
        let mut next = Self::Unitary::default();
        for &letter in circuit {
            if !self.advance(&now, letter, &mut next) {
                return Err(Error::ExactOverflow);
            }
            std::mem::swap(&mut now, &mut next);
        }
        Ok(now)
    }

    /// Returns the adjoint.
    fn adjoint(&self, unitary: &Self::Unitary) -> Self::Unitary;

    /// Returns the key that identifies a unitary in tables and on disk, up to phase if that is the
    /// equivalence.
    fn key(&self, unitary: &Self::Unitary) -> u128;

    /// Returns whether two unitaries are equal, up to phase if that is the equivalence, and within
    /// `error` in each entry if arithmetic is not exact.
    fn same(&self, one: &Self::Unitary, other: &Self::Unitary, error: f64) -> bool;

    /// Returns the denominator's exponent of a unitary over the ring; 0 elsewhere.
    fn exponent(&self, _unitary: &Self::Unitary) -> u32 {
        0
    }

    /// Returns the largest difference between the first halves of the keys of two unitaries whose
    /// entries are within `error`; 0 where keys of different unitaries have nothing in common.
    fn reach(&self, _error: f64) -> u64 {
        0
    }

    /// Returns an empty batch.
    fn batch(&self) -> Self::Batch;

    /// Puts a unitary in lane `lane` of a batch.
    ///
    /// # Panics
    /// If the lane is not below [`BATCH_LANES`], or the unitary is on another number of qubits.
    fn set(&self, batch: &mut Self::Batch, lane: usize, unitary: &Self::Unitary);

    /// Calls `emit` with each lane whose bit is set in `lanes` and with the key of the product of
    /// `letter` and the unitary in that lane. False if a unitary of the batch overflows.
    #[must_use]
    fn products(
        &self,
        batch: &mut Self::Batch,
        letter: u16,
        lanes: u32,
        emit: impl FnMut(usize, u128),
    ) -> bool;
}

/// An arithmetic in which unitaries have complex entries.
pub trait DenseArithmetic: Arithmetic {
    /// Whether arithmetic is exact.
    const IS_EXACT: bool;
    /// The largest error of entries with which a unitary can still be distinguished from those of
    /// all other circuits.
    const PRECISION: f64;

    /// Returns the unitary with these entries, row-major, each within `error`, if some circuit has
    /// it.
    fn recognize(&self, numbers: &[Complex64], error: f64) -> Option<Self::Unitary>;

    /// Does as [`recognize`](DenseArithmetic::recognize), without error, for unitaries whose
    /// [`exponent`](Arithmetic::exponent) is at most `most`. The larger it is, the longer it takes.
    fn recognize_small(&self, numbers: &[Complex64], most: u32) -> Option<Self::Unitary>;

    /// Returns the unitaries whose entries may be these numbers, row-major, each within `error`, up
    /// to phase if that is the equivalence. They include the unitaries of all circuits of at most
    /// `length` letters if [`is_complete`](DenseArithmetic::is_complete) says so.
    fn near(&self, numbers: &[Complex64], error: f64) -> Vec<Self::Unitary>;

    /// Returns whether [`near`](DenseArithmetic::near) misses no unitary of a circuit of `length`
    /// letters or fewer.
    fn is_complete(&self, error: f64, length: usize) -> bool;

    /// Returns the matrix, row-major, or any that is equal to it up to phase.
    fn numbers(&self, unitary: &Self::Unitary) -> Vec<Complex64>;
}
