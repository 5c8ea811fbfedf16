//! The interface of the two ways to draw letters.

use crate::space::thresholds::Thresholds;

/// A constrained circuit of which the first letters are drawn.
pub(super) trait PartialCircuit: Copy {
    /// The tables from which letters are drawn, besides the thresholds.
    type Tables;

    /// Returns a circuit of `length` letters of which none is drawn yet.
    fn empty(thresholds: &Thresholds, length: usize) -> Self;

    /// Draws the next letter from a word.
    fn letter(&mut self, tables: &Self::Tables, thresholds: &Thresholds, word: u64) -> u16;
}

/// Returns a number below `range` from the low 32 bits of a word.
#[inline(always)]
pub(super) fn place(word: u64, range: u16) -> usize {
    ((u64::from(word as u32) * u64::from(range)) >> 32) as usize
}
