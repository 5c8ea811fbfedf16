//! The interface of the representations in which unitaries are computed.

use num_complex::Complex64;

/// A representation of unitaries while letters act on them: 2·4^n numbers, in an order of its own.
///
/// All methods must be `#[inline(always)]`, see [`SimdTask`](crate::simd::dispatch::SimdTask).
pub(crate) trait Representation {
    /// The dimension of a unitary.
    fn dim(&self) -> usize;

    /// The number of letters.
    fn letters(&self) -> usize;

    /// The index of the real part of an entry.
    fn place(&self, row: usize, column: usize) -> usize;

    /// Lets `letters` act on the unitary `from`, one after the other, and holds the result in `to`.
    fn advance(&self, from: &[f64], letters: &[u16], to: &mut [f64]);

    /// Writes the unitary as a matrix, row-major. Every -0 becomes +0.
    fn finish(&self, held: &[f64], out: &mut [Complex64]);

    /// The number of numbers.
    #[inline(always)]
    fn size(&self) -> usize {
        2 * self.dim() * self.dim()
    }

    /// Fills `held` with the identity.
    #[inline(always)]
    fn identity(&self, held: &mut [f64]) {
        held.fill(0.0);
        for k in 0..self.dim() {
            held[self.place(k, k)] = 1.0;
        }
    }
}
