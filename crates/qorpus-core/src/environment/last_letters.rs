//! The last letter on each qubit, and the letters that would undo it.

use crate::alphabet::{Alphabet, MAX_UNITARY_QUBITS};

/// No letter.
const NONE: u16 = u16::MAX;

/// The entries of a mask that are written at once.
const GROUP: usize = 16;

/// A byte for each of a group of letters.
type Bytes = [u64; GROUP / 8];

/// The lowest bit of each byte.
const LOWEST: u64 = u64::MAX / 255;

/// The marks that undo a letter: 6 divided by the number of the qubits gives the mark of each.
const ALL_MARKS: u64 = 6;

/// The most letters for which marks are kept: at 256, all of them take 64 KiB.
const MAX_KEPT: usize = 256;

/// The last letter on each qubit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastLetters([u16; MAX_UNITARY_QUBITS]);

impl LastLetters {
    /// The beginning of an episode.
    pub(crate) const NONE: LastLetters = LastLetters([NONE; MAX_UNITARY_QUBITS]);

    #[inline]
    pub(crate) fn push(&mut self, undone: &Undone, letter: u16) {
        for qubit in undone.letters[usize::from(letter)].qubits {
            self.0[usize::from(qubit) % MAX_UNITARY_QUBITS] = letter;
        }
    }

    /// Returns the last letters of a circuit.
    pub(crate) fn of(undone: &Undone, circuit: &[u16]) -> LastLetters {
        let mut last = LastLetters::NONE;
        circuit.iter().for_each(|&letter| last.push(undone, letter));
        last
    }
}

/// The letters of an alphabet, with those that undo them.
///
/// Masks are made without branches, because random letters cannot be predicted. The last letter on
/// each qubit marks the letters that undo it. A letter has all [`ALL_MARKS`] if the letter that it
/// undoes is last on all its qubits: no other letter on these qubits is last on any of them.
#[derive(Debug)]
pub(crate) struct Undone {
    qubits: usize,
    letters: Vec<UndoneLetter>,
    /// The groups of a mask.
    groups: usize,
    /// The marks of each letter, and behind them those of none; empty if there are more letters than
    /// [`MAX_KEPT`].
    marks: Vec<Bytes>,
}

/// A letter's qubits, and the letters on the same qubits that undo it.
#[derive(Debug)]
struct UndoneLetter {
    /// The last one repeats if there are fewer.
    qubits: [u8; 3],
    by: Vec<u16>,
}

impl Undone {
    /// Returns all letters, given those that undo each of them.
    pub(crate) fn new(alphabet: &Alphabet, undone_by: Vec<Vec<u16>>) -> Undone {
        let letters = alphabet.letters();
        let groups = letters.len().div_ceil(GROUP);
        let mut marks = Vec::new();
        if letters.len() <= MAX_KEPT {
            marks.resize((letters.len() + 1) * groups, [0; GROUP / 8]);
            for (number, (letter, by)) in letters.iter().zip(&undone_by).enumerate() {
                let own: &mut [u8] = bytemuck::cast_slice_mut(&mut marks[number * groups..][..groups]);
                for &undoing in by {
                    own[usize::from(undoing)] = ALL_MARKS as u8 / letter.qubits.len() as u8;
                }
            }
        }
        let letters = letters.iter().zip(undone_by).map(|(letter, by)| {
            let qubit = |place: usize| letter.qubits[place.min(letter.qubits.len() - 1)] as u8;
            UndoneLetter { qubits: [0, 1, 2].map(qubit), by }
        });
        Undone { qubits: alphabet.qubits(), letters: letters.collect(), groups, marks }
    }

    /// Writes a mask for each of the last letters: 0 for each letter that would undo the letter
    /// before it on its qubits, and 1 for others. A letter comes directly before another if no letter
    /// in between acts on any of their qubits, as in circuits without cancelling letters.
    ///
    /// # Panics
    /// If `out` has not an entry for each letter of each mask.
    pub(crate) fn write_masks(&self, last: &[LastLetters], out: &mut [i8]) {
        let letters = self.letters.len();
        assert_eq!(out.len(), last.len() * letters, "room for each letter");
        if letters > MAX_KEPT {
            out.fill(1);
            last.iter().zip(out.chunks_exact_mut(letters)).for_each(|(last, mask)| self.clear(last, mask));
            return;
        }
        let out: &mut [u8] = bytemuck::cast_slice_mut(out);
        for (index, last) in last.iter().enumerate() {
            for group in 0..self.groups {
                let mask = self.group_of_mask(last, group);
                // A whole group at once: the next mask overwrites the excess.
                let to = &mut out[index * letters + group * GROUP..];
                match to.first_chunk_mut() {
                    Some(to) => *to = mask,
                    None => to.copy_from_slice(&mask[..to.len()]),
                }
            }
        }
    }

    /// Returns a group of entries of a mask, from the marks.
    #[inline(always)]
    fn group_of_mask(&self, last: &LastLetters, group: usize) -> [u8; GROUP] {
        // All marks set the highest bit of a byte, and fewer do not.
        let mut sums: Bytes = [LOWEST * (128 - ALL_MARKS); GROUP / 8];
        for &letter in &last.0[..self.qubits] {
            let letter = usize::from(letter).min(self.letters.len());
            let marks = &self.marks[letter * self.groups + group];
            sums.iter_mut().zip(marks).for_each(|(sum, marks)| *sum += marks);
        }
        bytemuck::cast(sums.map(|sum| !sum >> 7 & LOWEST))
    }

    /// Writes 0 for each letter that would undo the letter before it.
    fn clear(&self, last: &LastLetters, mask: &mut [i8]) {
        for letter in &last.0[..self.qubits] {
            // No letter has the number `NONE`.
            let Some(undone) = self.letters.get(usize::from(*letter)) else { continue };
            if undone.qubits.iter().all(|&qubit| last.0[usize::from(qubit)] == *letter) {
                undone.by.iter().for_each(|&undoing| mask[usize::from(undoing)] = 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::cancellation::undoing;
    use proptest::prelude::*;

    /// Returns a mask by the definition: for each letter, the letters before it are passed from the
    /// last on to the first that shares a qubit.
    fn defined(alphabet: &Alphabet, undone_by: &[Vec<u16>], circuit: &[u16]) -> Vec<i8> {
        let qubits = |letter: u16| &alphabet.letters()[usize::from(letter)].qubits;
        let share = |a: u16, b: u16| qubits(a).iter().any(|qubit| qubits(b).contains(qubit));
        let undoes = |letter: u16, place: usize| {
            let before = circuit[place];
            let is_last =
                circuit[place + 1..].iter().all(|&later| !share(later, before) && !share(later, letter));
            is_last && undone_by[usize::from(before)].contains(&letter)
        };
        let letters = 0..alphabet.letters().len() as u16;
        letters.map(|letter| i8::from(!(0..circuit.len()).any(|place| undoes(letter, place)))).collect()
    }

    proptest! {
        /// Masks of few letters and of many, which are not kept, are the defined ones.
        #[test]
        fn masks_are_the_defined_ones(
            set in 0usize..4,
            circuits in prop::collection::vec(prop::collection::vec(any::<u16>(), 0..12), 0..20),
        ) {
            let (gates, qubits) = [("h,s", 1), ("h,t,tdg,cx,ccx", 3), ("h,s,sdg,cx,swap", 4), ("h,s,sdg,cx,cz,ccx", 8)][set];
            let alphabet = Alphabet::of(gates, qubits);
            let letters = alphabet.letters().len();
            prop_assert_eq!(letters > MAX_KEPT, set == 3);
            let undone_by = undoing(&alphabet).unwrap();
            let undone = Undone::new(&alphabet, undone_by.clone());
            let circuits: Vec<Vec<u16>> = circuits
                .into_iter()
                .map(|circuit| circuit.into_iter().map(|letter| letter % letters as u16).collect())
                .collect();
            let last: Vec<_> = circuits.iter().map(|circuit| LastLetters::of(&undone, circuit)).collect();
            let mut masks = vec![7; letters * last.len()];
            undone.write_masks(&last, &mut masks);
            let expected: Vec<_> =
                circuits.iter().flat_map(|circuit| defined(&alphabet, &undone_by, circuit)).collect();
            prop_assert_eq!(masks, expected);
        }
    }
}
