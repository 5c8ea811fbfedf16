//! The last letter on each qubit, and the letters that would undo it.

use crate::alphabet::{Alphabet, MAX_UNITARY_QUBITS};

/// No letter.
const NONE: u16 = u16::MAX;

/// The last letter on each qubit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastLetters([u16; MAX_UNITARY_QUBITS]);

impl LastLetters {
    /// The beginning of an episode.
    pub(crate) const NONE: LastLetters = LastLetters([NONE; MAX_UNITARY_QUBITS]);

    #[inline]
    pub(crate) fn push(&mut self, letters: &[Undone], letter: u16) {
        for qubit in letters[usize::from(letter)].qubits {
            self.0[usize::from(qubit)] = letter;
        }
    }

    /// Returns the last letters of a circuit.
    pub(crate) fn of(letters: &[Undone], circuit: &[u16]) -> LastLetters {
        let mut last = LastLetters::NONE;
        circuit.iter().for_each(|&letter| last.push(letters, letter));
        last
    }

    /// Writes to `mask` 0 for each letter that would undo the letter before it on its qubits. A letter
    /// comes directly before another if no letter in between acts on any of their qubits, as in
    /// circuits without cancelling letters.
    #[inline]
    pub(crate) fn write_mask(&self, qubits: usize, letters: &[Undone], mask: &mut [i8]) {
        for (qubit, &letter) in self.0[..qubits].iter().enumerate() {
            // No letter has the number `NONE`.
            let Some(undone) = letters.get(usize::from(letter)) else { continue };
            let [first, second, third] = undone.qubits.map(usize::from);
            // A letter that is last on all its qubits is listed by the first of them.
            if first == qubit && self.0[second] == letter && self.0[third] == letter {
                for &undoing in &undone.by {
                    mask[usize::from(undoing)] = 0;
                }
            }
        }
    }
}

/// A letter's qubits, and the letters on the same qubits that undo it.
#[derive(Debug)]
pub(crate) struct Undone {
    /// The last one repeats if there are fewer.
    qubits: [u8; 3],
    by: Vec<u16>,
}

impl Undone {
    /// Returns all letters, given those that undo each of them.
    pub(crate) fn letters(alphabet: &Alphabet, undone_by: Vec<Vec<u16>>) -> Vec<Undone> {
        let letters = alphabet.letters().iter().zip(undone_by);
        letters
            .map(|(letter, by)| {
                let qubit = |place: usize| letter.qubits[place.min(letter.qubits.len() - 1)] as u8;
                Undone { qubits: [0, 1, 2].map(qubit), by }
            })
            .collect()
    }
}
