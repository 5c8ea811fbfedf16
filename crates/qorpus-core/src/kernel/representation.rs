//! The interface of the representations in which unitaries are computed, and their buffers.

use crate::kernel::free_letter::{FreeLetters, Numbers};
use bytemuck::{Pod, Zeroable};
use num_complex::Complex64;

/// A representation of unitaries while letters act on them: 2·4^n numbers in any order.
///
/// All methods must be `#[inline(always)]`, see [`SimdTask`](crate::simd::dispatch::SimdTask).
pub(crate) trait Representation {
    /// Returns the dimension of a unitary.
    fn dim(&self) -> usize;

    /// Returns the number of letters.
    fn letters(&self) -> usize;

    /// Returns the index of the real part of an entry.
    fn place(&self, row: usize, column: usize) -> usize;

    /// Lets a letter act on the unitary in `held`.
    fn act(&self, letter: u16, held: &mut [f64]);

    /// Lets `letters` act on the unitary `from`, one after the other, and holds the result in `to`.
    fn advance(&self, from: &[f64], letters: &[u16], to: &mut [f64]);

    /// Does as [`advance`](Representation::advance) where letters have free angles, whose numbers it
    /// takes from the first of `numbers`. There must be one more than it takes.
    fn advance_at(
        &self,
        from: &[f64],
        letters: &[u16],
        free: &FreeLetters,
        numbers: &mut &[Numbers],
        to: &mut [f64],
    );

    /// Writes the unitary as a matrix, row-major. Every -0 becomes +0.
    fn finish(&self, held: &[f64], out: &mut [Complex64]);

    /// Returns how many numbers represent a unitary.
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

/// Work on unitaries in the representation that a kernel has chosen.
pub(crate) trait RepresentationTask {
    /// Does the work. It must be `#[inline(always)]`, as all hot code in it.
    fn run(self, representation: &impl Representation);
}

/// A buffer of numbers that begins with a cache line, so that no vector straddles two. Its length
/// is a multiple of eight.
#[derive(Debug, Clone, Default)]
pub(crate) struct AlignedBuffer(Vec<CacheLine>);

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct CacheLine([f64; 8]);

impl AlignedBuffer {
    /// Returns a buffer of `len` zeros.
    pub(crate) fn zeros(len: usize) -> AlignedBuffer {
        AlignedBuffer(vec![CacheLine::zeroed(); len.div_ceil(8)])
    }

    /// Returns a buffer of `len` zeros; `None` if there is no memory for it.
    #[cfg(feature = "environments")]
    pub(crate) fn try_zeros(len: usize) -> Option<AlignedBuffer> {
        let mut lines = Vec::new();
        lines.try_reserve_exact(len.div_ceil(8)).ok()?;
        lines.resize(len.div_ceil(8), CacheLine::zeroed());
        Some(AlignedBuffer(lines))
    }

    /// Returns the first `len` numbers, with arbitrary contents.
    pub(crate) fn room(&mut self, len: usize) -> &mut [f64] {
        let lines = len.div_ceil(8);
        if self.0.len() < lines {
            self.0.resize(lines, CacheLine::zeroed());
        }
        &mut bytemuck::cast_slice_mut(&mut self.0)[..len]
    }

    /// Returns all numbers.
    pub(crate) fn numbers(&self) -> &[f64] {
        bytemuck::cast_slice(&self.0)
    }
}
