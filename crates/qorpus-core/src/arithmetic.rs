//! Arithmetics in which unitaries are multiplied and told from each other: exact, or in floating point.

use crate::error::{Error, Result};
use num_complex::Complex64;

/// Unitaries in a batch: each is one lane.
pub const BATCH_LANES: usize = 32;

/// How near the keys of two unitaries may be to each other, half by half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    /// If neither half differs by more, the unitaries are the same.
    pub equal: u64,
    /// If one of the halves differs by more, they are not. Of what lies between, nothing is known.
    pub distinct: u64,
}

/// The letters of an alphabet, and what can be done with the unitaries of its circuits.
pub trait Arithmetic: Sync {
    /// A unitary.
    type Unitary: Clone + Default;
    /// Up to [`BATCH_LANES`](crate::BATCH_LANES) unitaries.
    type Batch;

    /// The number of letters.
    fn letters(&self) -> u16;

    /// The identity.
    fn identity(&self) -> Self::Unitary;

    /// For each letter one that takes it back, if there is one.
    fn inverses(&self) -> Vec<Option<u16>> {
        let identity = self.identity();
        let is_inverse = |letter, other: &u16| {
            self.unitary(&[letter, *other]).is_ok_and(|product| self.same(&product, &identity, 0.0))
        };
        let letters = || 0..self.letters();
        letters().map(|letter| letters().find(|other| is_inverse(letter, other))).collect()
    }

    /// Lets `letter` act on `from` and holds the result in `to`: any of its class up to phase. False if it overflows.
    ///
    /// # Panics
    /// If the letter is not in the alphabet.
    #[must_use]
    fn multiply(&self, from: &Self::Unitary, letter: u16, to: &mut Self::Unitary) -> bool;

    /// Lets `letter` act on `from` and holds the result in `to`, in the form that [`key`](Arithmetic::key) and
    /// [`same`](Arithmetic::same) take. False if it overflows; then `to` holds nothing of meaning.
    ///
    /// # Panics
    /// If the letter is not in the alphabet.
    #[must_use]
    fn advance(&self, from: &Self::Unitary, letter: u16, to: &mut Self::Unitary) -> bool {
        self.multiply(from, letter, to)
    }

    /// The unitary of a circuit, in the form that [`advance`](Arithmetic::advance) has.
    ///
    /// # Errors
    /// [`Error::ExactOverflow`](crate::Error::ExactOverflow).
    ///
    /// # Panics
    /// If a letter is not in the alphabet.
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

    /// The adjoint.
    fn adjoint(&self, unitary: &Self::Unitary) -> Self::Unitary;

    /// What tells unitaries from each other in tables and on disk, up to phase if only that counts.
    fn key(&self, unitary: &Self::Unitary) -> u128;

    /// How near keys are to each other.
    fn tolerance(&self) -> Tolerance;

    /// Whether two unitaries are the same, up to phase if only that counts, and but for `error` in each entry where numbers
    /// are not exact.
    fn same(&self, one: &Self::Unitary, other: &Self::Unitary, error: f64) -> bool;

    /// Whether unitaries are integers, which are equal or not.
    fn is_exact(&self) -> bool;

    /// The largest error of entries with which a unitary is told from all others that circuits make.
    fn precision(&self) -> f64;

    /// The unitary that these numbers, row-major, are, if it can be one that circuits make; `error` is how far each may be off.
    fn recognize(&self, numbers: &[Complex64], error: f64) -> Option<Self::Unitary>;

    /// The unitaries that these numbers, row-major, may be if every entry is off by `error` at most, up to phase if only that
    /// counts. Those of circuits of at most `length` letters are among them if [`is_complete`](Arithmetic::is_complete).
    fn near(&self, numbers: &[Complex64], error: f64) -> Vec<Self::Unitary>;

    /// Whether [`near`](Arithmetic::near) misses no unitary of a circuit of `length` letters or fewer.
    fn is_complete(&self, error: f64, length: usize) -> bool;

    /// The matrix, row-major: any of its class up to phase.
    fn numbers(&self, unitary: &Self::Unitary) -> Vec<Complex64>;

    /// How far the first half of the key of a unitary may be from that of one whose entries are off by `error` at most.
    fn reach(&self, error: f64) -> u64;

    /// Some unitaries.
    fn batch(&self) -> Self::Batch;

    /// Puts a unitary in place `lane` of a batch.
    ///
    /// # Panics
    /// If the place is not below [`BATCH_LANES`](crate::BATCH_LANES), or the unitary is on another number of qubits.
    fn set(&self, batch: &mut Self::Batch, lane: usize, unitary: &Self::Unitary);

    /// Calls `emit` with each place whose bit is set in `places` and the key of what `letter` makes of the unitary there. False
    /// if one of the batch overflows.
    ///
    /// # Panics
    /// If the letter is not in the alphabet.
    #[must_use]
    fn products(
        &self,
        batch: &mut Self::Batch,
        letter: u16,
        places: u32,
        emit: impl FnMut(usize, u128),
    ) -> bool;
}
