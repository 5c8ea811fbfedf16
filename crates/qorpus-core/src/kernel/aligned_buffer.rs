//! Buffers of numbers aligned to cache lines.

use bytemuck::{Pod, Zeroable};

/// A buffer of numbers that begins with a cache line, so that no vector straddles two. Its length
/// is a multiple of eight.
#[derive(Debug, Clone, Default)]
pub(crate) struct AlignedBuffer(Vec<CacheLine>);

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct CacheLine([f64; 8]);

impl AlignedBuffer {
    /// A buffer of `len` zeros.
    pub(crate) fn zeros(len: usize) -> AlignedBuffer {
        let mut held = AlignedBuffer::default();
        held.room(len);
        held
    }

    /// The first `len` numbers, with arbitrary contents.
    pub(crate) fn room(&mut self, len: usize) -> &mut [f64] {
        let lines = len.div_ceil(8);
        if self.0.len() < lines {
            self.0.resize(lines, CacheLine::zeroed());
        }
        &mut bytemuck::cast_slice_mut(&mut self.0)[..len]
    }

    /// All numbers.
    pub(crate) fn numbers(&self) -> &[f64] {
        bytemuck::cast_slice(&self.0)
    }
}
