//! Numbers in memory, from a cache line's beginning on.

use bytemuck::{Pod, Zeroable};

/// Numbers that begin with a cache line, so that no vector of them straddles two. How many there are is a
/// multiple of eight.
#[derive(Debug, Clone, Default)]
pub(crate) struct AlignedBuffer(Vec<CacheLine>);

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct CacheLine([f64; 8]);

impl AlignedBuffer {
    /// `len` numbers, all 0.
    pub(crate) fn zeros(len: usize) -> AlignedBuffer {
        let mut held = AlignedBuffer::default();
        held.room(len);
        held
    }

    /// The first `len` numbers, whatever they are.
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
