//! What the ways to compute unitaries have in common.

use num_complex::Complex64;

/// A way to hold unitaries while letters act on them: 2·4^n numbers, in an order of its own.
///
/// All methods must be `#[inline(always)]`, see [`SimdTask`](crate::simd::dispatch::SimdTask).
pub(crate) trait Representation {
    /// The dimension of a unitary.
    fn dim(&self) -> usize;

    /// The number of letters.
    fn letters(&self) -> usize;

    /// Where the real part of an entry is held.
    fn place(&self, row: usize, column: usize) -> usize;

    /// Lets `letters` act on the unitary `from`, one after the other, and holds the result in `to`.
    fn advance(&self, from: &[f64], letters: &[u16], to: &mut [f64]);

    /// Writes what is held as a matrix, row-major. Every -0 becomes +0.
    fn finish(&self, held: &[f64], out: &mut [Complex64]);

    /// How many numbers are held.
    #[inline(always)]
    fn size(&self) -> usize {
        2 * self.dim() * self.dim()
    }

    /// Holds the identity.
    #[inline(always)]
    fn identity(&self, held: &mut [f64]) {
        held.fill(0.0);
        for k in 0..self.dim() {
            held[self.place(k, k)] = 1.0;
        }
    }
}
