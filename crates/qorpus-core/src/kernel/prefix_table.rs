//! A table of the unitaries of all short words, from which longer circuits start.
//!
//! A circuit's bits depend on the order of its products, so only a prefix can be looked up.

use crate::kernel::representation::{AlignedBuffer, Representation};

/// The most memory of a table. Together with the current chunk it takes a part of a core's cache.
const TABLE_BYTES: usize = 256 << 10;

/// The unitaries of all words of some length, in the order of the numbers whose digits are the
/// letters.
#[derive(Debug, Clone)]
pub(crate) struct PrefixTable {
    length: usize,
    letters: usize,
    held: AlignedBuffer,
}

/// Returns the largest length of words over `letters` letters whose unitaries, each of `size`
/// numbers, all fit in a table.
pub(crate) fn length(letters: usize, size: usize) -> usize {
    let (mut length, mut words) = (0, 1);
    // One letter has one word of each length: 16 letters are as good a bound as any.
    while words * letters * size * size_of::<f64>() <= TABLE_BYTES && length < 16 {
        words *= letters;
        length += 1;
    }
    length
}

impl PrefixTable {
    /// Returns the table of all words of `length` letters.
    #[inline(always)]
    pub(crate) fn new(representation: &impl Representation, length: usize) -> PrefixTable {
        let (size, letters) = (representation.size(), representation.letters());
        let mut held = AlignedBuffer::zeros(size);
        representation.identity(held.room(size));
        for length in 1..=length {
            let words = letters.pow(length as u32);
            let mut longer = AlignedBuffer::zeros(words * size);
            let shorter = held.numbers().chunks_exact(size);
            for (start, ends) in shorter.zip(longer.room(words * size).chunks_exact_mut(letters * size)) {
                for (letter, end) in ends.chunks_exact_mut(size).enumerate() {
                    representation.advance(start, &[letter as u16], end);
                }
            }
            held = longer;
        }
        PrefixTable { length, letters, held }
    }

    /// Returns the unitary of a circuit's prefix, and the letters after it; `None` if the circuit
    /// is too short. Its letters must be in the alphabet, or they would be digits of another word.
    #[inline(always)]
    pub(crate) fn split<'a, 'c>(&'a self, circuit: &'c [u16], size: usize) -> Option<(&'a [f64], &'c [u16])> {
        let (start, rest) = circuit.split_at_checked(self.length)?;
        let mut word = 0;
        for &letter in start {
            word = word * self.letters + usize::from(letter);
        }
        Some((&self.held.numbers()[word * size..][..size], rest))
    }
}
