//! Batches of circuits.

use std::ops::Range;

/// A batch of circuits, each a sequence of letters in time order, kept in two flat buffers that are reused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circuits {
    letters: Vec<u16>,
    ends: Vec<usize>,
}

impl Circuits {
    /// The number of circuits.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
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

    /// The letters of circuit `index`.
    ///
    /// # Panics
    /// If there is no such circuit.
    pub fn get(&self, index: usize) -> &[u16] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.letters[start..self.ends[index]]
    }

    /// The circuits in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u16]> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Appends a circuit.
    pub fn push(&mut self, letters: impl IntoIterator<Item = u16>) {
        self.letters.extend(letters);
        self.ends.push(self.letters.len());
    }

    /// Appends all circuits of `other`.
    pub fn extend(&mut self, other: &Circuits) {
        let start = self.letters.len();
        self.letters.extend_from_slice(&other.letters);
        self.ends.extend(other.ends.iter().map(|end| start + end));
    }

    /// Appends the circuit whose letters `write` appends to the buffer it is given.
    pub(crate) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u16>)) {
        write(&mut self.letters);
        self.ends.push(self.letters.len());
    }

    /// The letters of all circuits, and where each circuit ends, for whoever appends to both.
    pub(crate) fn buffers(&mut self) -> (&mut Vec<u16>, &mut Vec<usize>) {
        (&mut self.letters, &mut self.ends)
    }

    /// All letters of the circuits in `range`, one after the other.
    pub(crate) fn letters(&self, range: Range<usize>) -> &[u16] {
        let start = if range.start == 0 { 0 } else { self.ends[range.start - 1] };
        let end = if range.end == 0 { 0 } else { self.ends[range.end - 1] };
        &self.letters[start..end]
    }
}
