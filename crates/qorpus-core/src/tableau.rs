//! Tableaus: Clifford operators modulo Pauli operators and global phases, as binary symplectic
//! matrices.
//!
//! The rows of a tableau are the images U P U† of Pauli operators P: of X on each qubit, then of Z on
//! each qubit. Column j is the X part on qubit j, and column n + j the Z part (S. Aaronson, D.
//! Gottesman, "Improved simulation of stabilizer circuits", Physical Review A 70, 052328, 2004,
//! without the column of signs).

use crate::alphabet::{Alphabet, MAX_UNITARY_QUBITS};
use crate::error::{Error, Result};
use crate::pauli::Pauli;
use num_complex::Complex64;
use std::slice;

/// The largest number of qubits of a tableau: a column has 16 bits. On more qubits there are
/// [`BinaryLetters`](crate::BinaryLetters).
const MAX_QUBITS: usize = MAX_UNITARY_QUBITS;

/// The largest number of qubits of a gate.
const MAX_GATE_QUBITS: usize = 3;

/// A Clifford operator modulo Pauli operators and global phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tableau {
    /// The X column of qubit q at q and its Z column at `MAX_QUBITS` + q. Bit j is row j.
    columns: [u16; 2 * MAX_QUBITS],
    qubits: usize,
}

impl Tableau {
    /// Returns the identity on 1 to 8 qubits.
    pub fn identity(qubits: usize) -> Tableau {
        let mut columns = [0; 2 * MAX_QUBITS];
        for qubit in 0..qubits {
            columns[qubit] = 1 << qubit;
            columns[MAX_QUBITS + qubit] = 1 << (qubits + qubit);
        }
        Tableau { columns, qubits }
    }

    /// Returns the tableau of a unitary, row-major, qubit 0 most significant; `None` if it is not
    /// a Clifford operator within 1e-6 in each entry.
    ///
    /// Takes time in O(n 4^n).
    ///
    /// # Panics
    /// If there are not 4^n entries.
    pub fn of_unitary(unitary: &[Complex64], qubits: usize) -> Option<Tableau> {
        let dim = 1 << qubits;
        assert_eq!(unitary.len(), dim * dim, "a matrix on {qubits} qubits");
        let mut tableau = Tableau { columns: [0; 2 * MAX_QUBITS], qubits };
        for row in 0..2 * qubits {
            let bit = 1 << (qubits - 1 - row % qubits);
            let operator = if row < qubits { Pauli { x: bit, z: 0 } } else { Pauli { x: 0, z: bit } };
            let (image, _) = operator.image(unitary, qubits)?;
            for qubit in 0..qubits {
                let place = qubits - 1 - qubit;
                tableau.columns[qubit] |= ((image.x >> place & 1) as u16) << row;
                tableau.columns[MAX_QUBITS + qubit] |= ((image.z >> place & 1) as u16) << row;
            }
        }
        Some(tableau)
    }

    /// Returns the tableau of the inverse.
    pub fn inverse(&self) -> Tableau {
        let mut inverse = Tableau { columns: [0; 2 * MAX_QUBITS], qubits: self.qubits };
        for row in 0..2 * self.qubits {
            let parts = self.row_of_inverse(row, self.qubits);
            for (part, columns) in parts.iter().zip(inverse.columns.chunks_exact_mut(MAX_QUBITS)) {
                for (qubit, column) in columns[..self.qubits].iter_mut().enumerate() {
                    *column |= (part >> qubit & 1) << row;
                }
            }
        }
        inverse
    }

    /// Returns the entry in a row and a column.
    ///
    /// # Panics
    /// If either is not below 2n.
    pub fn entry(&self, row: usize, column: usize) -> bool {
        assert!(row < 2 * self.qubits && column < 2 * self.qubits, "row {row}, column {column}");
        self.columns[self.place(column)] >> row & 1 == 1
    }

    /// Returns a row of the inverse, on as many `qubits`: its X part and its Z part, qubit q as bit q.
    /// The inverse is Ω M^T Ω: rows and columns exchange places, and X and Z.
    #[inline(always)]
    pub(crate) fn row_of_inverse(&self, row: usize, qubits: usize) -> [u16; 2] {
        let place = if row < qubits { MAX_QUBITS + row } else { row - qubits };
        [self.columns[place] >> qubits, self.columns[place] & ((1 << qubits) - 1)]
    }

    fn place(&self, column: usize) -> usize {
        if column < self.qubits { column } else { MAX_QUBITS + column - self.qubits }
    }

    /// Returns the columns: X parts, then Z parts.
    pub(crate) fn columns_in_order(&self) -> impl Iterator<Item = u32> {
        (0..2 * self.qubits).map(|column| self.columns[self.place(column)].into())
    }

    /// Returns the columns, for saved states.
    pub(crate) fn columns(&self) -> &[u16; 2 * MAX_QUBITS] {
        &self.columns
    }

    /// Returns the columns, to be restored.
    pub(crate) fn columns_mut(&mut self) -> &mut [u16; 2 * MAX_QUBITS] {
        &mut self.columns
    }
}

/// The letters of an alphabet of Clifford gates, as they act on tableaus.
#[derive(Debug, Clone)]
pub struct TableauLetters {
    qubits: usize,
    /// The most columns on which a letter acts.
    columns: usize,
    letters: Vec<TableauLetter>,
}

/// The columns of a letter's qubits: each new one is the sum of some old ones. The first repeats if
/// there are fewer, so that all letters of an alphabet act alike, without branches.
#[derive(Debug, Clone)]
struct TableauLetter {
    places: [u8; 2 * MAX_GATE_QUBITS],
    /// For each new column and each old one, all bits if the old one is a summand, else none.
    summands: [[u16; 2 * MAX_GATE_QUBITS]; 2 * MAX_GATE_QUBITS],
}

impl TableauLetters {
    /// Returns the letters of `alphabet`.
    ///
    /// # Errors
    /// [`Error::NotClifford`] for the first gate that is not a Clifford gate;
    /// [`Error::UnitaryQubits`] for more than 8 qubits.
    pub fn new(alphabet: &Alphabet) -> Result<TableauLetters> {
        alphabet.check_unitaries()?;
        let gates = alphabet.gates().iter().map(|gate| {
            let is_known = !gate.is_opaque() && !gate.is_free();
            let tableau = is_known.then(|| Tableau::of_unitary(gate.matrix(), gate.qubits())).flatten();
            tableau.ok_or_else(|| Error::NotClifford { gate: gate.name().into() })
        });
        let gates: Vec<Tableau> = gates.collect::<Result<_>>()?;
        let columns = 2 * gates.iter().map(|gate| gate.qubits).max().unwrap_or(0);
        let letters = alphabet.letters().iter().map(|letter| {
            let gate = &gates[letter.gate];
            let mut summands = [[0; 2 * MAX_GATE_QUBITS]; 2 * MAX_GATE_QUBITS];
            for (new, summands) in summands.iter_mut().enumerate() {
                let new = if new < 2 * gate.qubits { new } else { 0 };
                for (old, summand) in summands.iter_mut().enumerate().take(2 * gate.qubits) {
                    *summand = if gate.entry(old, new) { u16::MAX } else { 0 };
                }
            }
            let xs = letter.qubits.iter().map(|&qubit| qubit as u8);
            let zs = letter.qubits.iter().map(|&qubit| (MAX_QUBITS + qubit) as u8);
            let mut places = [letter.qubits[0] as u8; 2 * MAX_GATE_QUBITS];
            places.iter_mut().zip(xs.chain(zs)).for_each(|(place, column)| *place = column);
            TableauLetter { places, summands }
        });
        Ok(TableauLetters { qubits: alphabet.qubits(), columns, letters: letters.collect() })
    }

    /// Returns the number of qubits.
    pub fn qubits(&self) -> usize {
        self.qubits
    }

    /// Lets a letter act after the operator of `tableau`.
    ///
    /// # Panics
    /// If the letter is not in the alphabet.
    pub fn act(&self, letter: u16, tableau: &mut Tableau) {
        self.act_on_each(&[Some(letter)], slice::from_mut(tableau));
    }

    /// Lets each letter act on the tableau in its place.
    ///
    /// # Panics
    /// If a letter is not in the alphabet.
    pub(crate) fn act_on_each(&self, letters: &[Option<u16>], tableaus: &mut [Tableau]) {
        match self.columns {
            2 => self.combine_each::<2>(letters, tableaus),
            4 => self.combine_each::<4>(letters, tableaus),
            _ => self.combine_each::<6>(letters, tableaus),
        }
    }

    #[inline]
    fn combine_each<const N: usize>(&self, letters: &[Option<u16>], tableaus: &mut [Tableau]) {
        for (letter, tableau) in letters.iter().zip(tableaus) {
            if let Some(letter) = *letter {
                tableau.combine::<N>(&self.letters[usize::from(letter)]);
            }
        }
    }

    /// Returns the tableau of a circuit.
    pub fn tableau(&self, circuit: &[u16]) -> Tableau {
        let mut tableau = Tableau::identity(self.qubits);
        circuit.iter().for_each(|&letter| self.act(letter, &mut tableau));
        tableau
    }
}

impl Tableau {
    /// Replaces `N` columns by sums of them.
    #[inline(always)]
    fn combine<const N: usize>(&mut self, TableauLetter { places, summands }: &TableauLetter) {
        let mut old = [0; N];
        for (old, &place) in old.iter_mut().zip(places) {
            *old = self.columns[usize::from(place) % (2 * MAX_QUBITS)];
        }
        for (&place, summands) in places.iter().zip(summands).take(N) {
            let mut sum = 0;
            for k in 0..N {
                sum ^= old[k] & summands[k];
            }
            self.columns[usize::from(place) % (2 * MAX_QUBITS)] = sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::naive;
    use proptest::prelude::*;

    const CLIFFORDS: [&str; 3] =
        ["h,s,sdg,sx,x,y,rz(pi/2)", "h,s,sxdg,cx,cz,cy,swap,iswap,ecr", "h,s,cx,cz,swap,rx(-pi/2)"];

    proptest! {
        /// The letters of a circuit act as its unitary does.
        #[test]
        fn circuits_have_the_tableaus_of_their_unitaries(
            word in prop::collection::vec(0u16..1000, 0..30),
            qubits in 1usize..4,
        ) {
            let gates = CLIFFORDS[qubits - 1].replace(",ecr", "");
            let alphabet = Alphabet::of(&gates, qubits);
            let letters = alphabet.letters().len() as u16;
            let word: Vec<_> = word.iter().map(|letter| letter % letters).collect();
            let tableau = TableauLetters::new(&alphabet).unwrap().tableau(&word);
            let unitary = naive::unitary(&alphabet, &word, &[]);
            prop_assert_eq!(Some(tableau), Tableau::of_unitary(&unitary, qubits));
            let dim = 1 << qubits;
            let adjoint: Vec<_> =
                (0..dim * dim).map(|at| unitary[at % dim * dim + at / dim].conj()).collect();
            prop_assert_eq!(Some(tableau.inverse()), Tableau::of_unitary(&adjoint, qubits));
        }
    }

    /// h exchanges X and Z; s maps X to Y; cx copies X from the control and Z from the target.
    #[test]
    fn textbook_examples() {
        let rows = |gates: &str, qubits: usize, circuit: &str| -> String {
            let alphabet = Alphabet::of(gates, qubits);
            let tableau =
                TableauLetters::new(&alphabet).unwrap().tableau(&alphabet.circuit(circuit).unwrap());
            let row =
                |row| (0..2 * qubits).map(move |column| if tableau.entry(row, column) { '1' } else { '.' });
            (0..2 * qubits).map(|r| row(r).collect::<String>()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(rows("h", 1, "h 0"), ".1 1.");
        assert_eq!(rows("s", 1, "s 0"), "11 .1");
        assert_eq!(rows("x", 1, "x 0"), "1. .1");
        assert_eq!(rows("cx", 2, "cx 0 1"), "11.. .1.. ..1. ..11");
    }

    #[test]
    fn other_gates_are_refused() {
        for (gates, gate) in [("h,t", "t"), ("h,cp(pi/2)", "cp(pi/2)"), ("rx(0.3)", "rx(0.3)")] {
            let refused = TableauLetters::new(&Alphabet::of(gates, 2)).unwrap_err();
            assert_eq!(refused, Error::NotClifford { gate: gate.into() });
        }
        let t = naive::unitary(&Alphabet::of("t", 1), &[0], &[]);
        assert_eq!(TableauLetters::new(&Alphabet::of("h,cx", 9)).map(drop), Err(Error::UnitaryQubits(9)));
        assert_eq!(Tableau::of_unitary(&t, 1), None);
    }
}
