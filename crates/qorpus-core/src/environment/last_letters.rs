//! The last letter on each qubit, and the letters that would undo it.

use crate::alphabet::{Alphabet, MAX_QUBITS};

/// No letter.
const NONE: u16 = u16::MAX;

/// The last letter on each qubit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastLetters([u16; MAX_QUBITS]);

impl LastLetters {
    /// The beginning of an episode.
    pub(crate) const NONE: LastLetters = LastLetters([NONE; MAX_QUBITS]);

    #[inline]
    pub(crate) fn push(&mut self, alphabet: &Alphabet, letter: u16) {
        for &qubit in &alphabet.letters()[usize::from(letter)].qubits {
            self.0[qubit] = letter;
        }
    }

    /// Returns the last letters of a circuit.
    pub(crate) fn of(alphabet: &Alphabet, circuit: &[u16]) -> LastLetters {
        let mut last = LastLetters::NONE;
        circuit.iter().for_each(|&letter| last.push(alphabet, letter));
        last
    }

    /// Writes to `mask` 0 for each letter that would undo the letter before it on its qubits, and 1
    /// for the others. A letter comes directly before another if no letter in between acts on any of
    /// their qubits, as in circuits without cancelling letters.
    #[inline]
    pub(crate) fn write_mask(&self, alphabet: &Alphabet, undone_by: &[Vec<u16>], mask: &mut [i8]) {
        mask.fill(1);
        for (qubit, &letter) in self.0.iter().enumerate().filter(|(_, letter)| **letter != NONE) {
            let qubits = &alphabet.letters()[usize::from(letter)].qubits;
            // A letter that is last on all its qubits is listed by the first of them.
            if qubits[0] == qubit && qubits.iter().all(|&qubit| self.0[qubit] == letter) {
                for &undoing in &undone_by[usize::from(letter)] {
                    mask[usize::from(undoing)] = 0;
                }
            }
        }
    }
}
