//! Cancellation: which letters undo which.

use crate::alphabet::{Alphabet, Letter};
use crate::error::{Error, Result};
use num_complex::Complex64;
use std::collections::BTreeMap;

/// The most letters on the same qubits whose products are compared pairwise.
const MAX_ON_SAME_QUBITS: usize = 256;

/// The largest magnitude of an entry that counts as zero.
const TOLERANCE: f64 = 1e-12;

/// Returns, for each letter, the letters on the same qubits that undo it up to a global phase, in
/// ascending order. Opaque gates and free angles are undone by none.
pub(crate) fn undoing(alphabet: &Alphabet) -> Result<Vec<Vec<u16>>> {
    let mut groups: BTreeMap<u8, Vec<u16>> = BTreeMap::new();
    for (number, letter) in (0..).zip(alphabet.letters()) {
        groups.entry(qubit_set(letter)).or_default().push(number);
    }
    let mut undone_by = vec![Vec::new(); alphabet.letters().len()];
    for letters in groups.values() {
        if letters.len() > MAX_ON_SAME_QUBITS {
            return Err(Error::Constraints(format!(
                "{} letters act on the same qubits, but letters that cancel are looked for among {MAX_ON_SAME_QUBITS} at \
                 most; use fewer gates",
                letters.len()
            )));
        }
        let matrices: Vec<_> = letters.iter().map(|&number| sorted_matrix(alphabet, number)).collect();
        for (&letter, first) in letters.iter().zip(&matrices) {
            let undoes = |second: &Option<Vec<Complex64>>| {
                first.as_ref().zip(second.as_ref()).is_some_and(|(first, second)| is_phase(first, second))
            };
            let of_letter = letters.iter().zip(&matrices).filter(|(_, second)| undoes(second));
            undone_by[usize::from(letter)] = of_letter.map(|(&number, _)| number).collect();
        }
    }
    Ok(undone_by)
}

/// Returns the qubits of a letter, bit q for qubit q.
pub(super) fn qubit_set(letter: &Letter) -> u8 {
    letter.qubits.iter().fold(0, |set, &qubit| set | 1 << qubit)
}

/// Returns the matrix of a letter with its qubits in ascending order, the first most significant;
/// `None` if its gate is opaque or has free angles.
fn sorted_matrix(alphabet: &Alphabet, number: u16) -> Option<Vec<Complex64>> {
    let letter = &alphabet.letters()[usize::from(number)];
    let gate = &alphabet.gates()[letter.gate];
    if gate.is_opaque() || gate.is_free() {
        return None;
    }
    let width = letter.qubits.len();
    let mut sorted = letter.qubits.clone();
    sorted.sort_unstable();
    // Bit b of the gate's own index, counted from the most significant, is that of qubit number b.
    let place = |index: usize| {
        letter.qubits.iter().fold(0, |own, qubit| {
            let position = sorted.iter().position(|other| other == qubit).unwrap_or(0);
            own << 1 | index >> (width - 1 - position) & 1
        })
    };
    let dim = 1 << width;
    let entries = (0..dim * dim).map(|at| gate.matrix()[place(at / dim) * dim + place(at % dim)]);
    Some(entries.collect())
}

/// Returns whether `second` times `first` is the identity up to a phase.
fn is_phase(first: &[Complex64], second: &[Complex64]) -> bool {
    let dim = first.len().isqrt();
    let entry = |row: usize, column: usize| -> Complex64 {
        (0..dim).map(|k| second[row * dim + k] * first[k * dim + column]).sum()
    };
    let phase = entry(0, 0);
    let is_zero = |number: Complex64| number.norm_sqr() <= TOLERANCE * TOLERANCE;
    (0..dim).all(|row| {
        (0..dim).all(|column| {
            let expected = if row == column { phase } else { Complex64::ZERO };
            is_zero(entry(row, column) - expected)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_undo_each_other() {
        let alphabet = Alphabet::of("h,s,sdg,t,y,rx(pi),x,rz(0.3),rz(-0.3),cx,cz,iswap", 2);
        let undone_by = undoing(&alphabet).unwrap();
        let text =
            |letter: &str| alphabet.text(&undone_by[usize::from(alphabet.letter(letter).unwrap())], &[]);
        for (letter, expected) in [
            ("h 0", "h 0"),
            ("s 1", "sdg 1"),
            ("t 0", ""),
            ("y 1", "y 1"),
            ("x 0", "rx(pi) 0; x 0"),
            ("rx(pi) 0", "rx(pi) 0; x 0"),
            ("rz(0.3) 1", "rz(-0.3) 1"),
            ("cx 0 1", "cx 0 1"),
            ("cx 1 0", "cx 1 0"),
            ("cz 0 1", "cz 0 1"),
            ("iswap 0 1", ""),
        ] {
            assert_eq!(text(letter), expected, "{letter}");
        }
    }
}
