//! Batches of circuits.

use std::collections::TryReserveError;
use std::ops::Range;

/// The largest length of a circuit, in letters.
pub const MAX_LENGTH: usize = 65_535;

/// The number of numbers that are written in one step.
const LANES: usize = 8;

/// Masks: eight words from `LANES - k` on leave the first k numbers of a group unchanged and turn
/// the others into -1.
const PADDING: [i32; 2 * LANES] = [0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1];

/// A batch of circuits, each a sequence of letters in time order, in two flat buffers that are
/// reused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circuits {
    letters: Vec<u16>,
    ends: Vec<usize>,
}

impl Circuits {
    /// Returns the number of circuits.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Removes all circuits and keeps the memory.
    pub fn clear(&mut self) {
        self.letters.clear();
        self.ends.clear();
    }

    /// Removes all but the first `len` circuits.
    pub fn truncate(&mut self, len: usize) {
        self.ends.truncate(len);
        self.letters.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// Returns the letters of circuit `index`.
    ///
    /// # Panics
    /// If there is no circuit with this index.
    pub fn get(&self, index: usize) -> &[u16] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.letters[start..self.ends[index]]
    }

    /// Returns the circuits in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u16]> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Returns the length of the longest circuit, 0 if there is none.
    pub fn longest(&self) -> usize {
        let first = self.ends.first().copied().unwrap_or(0);
        self.ends.windows(2).map(|ends| ends[1] - ends[0]).fold(first, usize::max)
    }

    /// Writes each circuit to a row of `longest` numbers, padded with -1 at the end.
    ///
    /// # Panics
    /// If there are not as many rows as circuits, or a circuit is longer than a row.
    pub fn write_rows(&self, longest: usize, rows: &mut [i32]) {
        assert_eq!(rows.len(), self.len() * longest, "a row for each circuit");
        assert!(self.longest() <= longest, "room for the longest circuit");
        let wide = longest.next_multiple_of(LANES);
        let mut begin = 0;
        for (index, &end) in self.ends.iter().enumerate() {
            let (row, letters) = (&mut rows[index * longest..], &self.letters[begin..]);
            let len = end - begin;
            begin = end;
            if row.len() < wide || letters.len() < wide {
                let (row, padding) = row[..longest].split_at_mut(len);
                row.iter_mut().zip(letters).for_each(|(entry, &letter)| *entry = letter.into());
                padding.fill(-1);
                continue;
            }
            // Whole groups are copied for any length of the circuit: the next row overwrites the
            // excess.
            let (row, letters) = (row[..wide].as_chunks_mut().0, letters[..wide].as_chunks().0);
            let mut left = len;
            for (row, letters) in row.iter_mut().zip(letters) {
                let (row, letters): (&mut [i32; LANES], &[u16; LANES]) = (row, letters);
                let now = left.min(LANES);
                left -= now;
                for (lane, padding) in PADDING[LANES - now..][..LANES].iter().enumerate() {
                    row[lane] = i32::from(letters[lane]) | padding;
                }
            }
        }
    }

    /// Appends a circuit.
    pub fn push(&mut self, letters: impl IntoIterator<Item = u16>) {
        self.letters.extend(letters);
        self.ends.push(self.letters.len());
    }

    /// Reserves memory for `circuits` more circuits that have `letters` letters in all.
    ///
    /// # Errors
    /// There is not enough memory; the batch is unchanged.
    pub fn try_reserve(&mut self, circuits: usize, letters: usize) -> Result<(), TryReserveError> {
        self.ends.try_reserve(circuits)?;
        self.letters.try_reserve(letters)
    }

    /// Returns the number of letters of all circuits together.
    pub fn total(&self) -> usize {
        self.letters.len()
    }

    /// Appends all circuits of `other`.
    pub fn extend(&mut self, other: &Circuits) {
        let start = self.letters.len();
        self.letters.extend_from_slice(&other.letters);
        self.ends.extend(other.ends.iter().map(|end| start + end));
    }

    /// Returns the letters of all circuits and the ends of the circuits, to append to both.
    pub(crate) fn buffers(&mut self) -> (&mut Vec<u16>, &mut Vec<usize>) {
        (&mut self.letters, &mut self.ends)
    }

    /// Returns all letters of the circuits in `range`, one after the other.
    pub(crate) fn letters(&self, range: Range<usize>) -> &[u16] {
        let begin = |index: usize| if index == 0 { 0 } else { self.ends[index - 1] };
        &self.letters[begin(range.start)..begin(range.end)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_are_circuits_and_padding(
            letters in prop::collection::vec(prop::collection::vec(any::<u16>(), 0..40), 0..20), more in 0usize..20,
        ) {
            let mut circuits = Circuits::default();
            letters.iter().for_each(|circuit| circuits.push(circuit.iter().copied()));
            let longest = letters.iter().map(Vec::len).max().unwrap_or(0);
            prop_assert_eq!(circuits.longest(), longest);
            let width = longest + more;
            let mut rows = vec![7; letters.len() * width];
            circuits.write_rows(width, &mut rows);
            let padded = |circuit: &Vec<u16>| {
                let letters = circuit.iter().map(|&letter| i32::from(letter));
                letters.chain(std::iter::repeat(-1)).take(width).collect::<Vec<_>>()
            };
            prop_assert_eq!(rows, letters.iter().flat_map(padded).collect::<Vec<_>>());
        }
    }
}
