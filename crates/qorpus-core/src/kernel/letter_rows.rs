//! The rows on which gates act, which differ in the bits of the gates' qubits.

use crate::alphabet::{Alphabet, Letter};
use num_complex::Complex64;
use std::borrow::Cow;

/// The rows on which a letter's gate acts.
pub(crate) struct LetterRows<'a> {
    /// The gate's matrix, at generic angles if they are free; empty if it is opaque.
    matrix: Cow<'a, [Complex64]>,
    /// For each index of the gate's matrix, the row of a unitary in which all other qubits are 0.
    rows: Vec<usize>,
}

impl<'a> LetterRows<'a> {
    pub(crate) fn new(alphabet: &'a Alphabet, letter: &Letter) -> LetterRows<'a> {
        let gate = &alphabet.gates()[letter.gate];
        // Qubit 0 is the most significant bit of a row's number; the gate's first qubit of its
        // index.
        let mask = |q: usize| 1 << (alphabet.qubits() - 1 - q);
        let row = |index: usize| {
            let bits = letter.qubits.iter().rev().enumerate();
            bits.map(|(k, &q)| if index >> k & 1 == 1 { mask(q) } else { 0 }).sum()
        };
        let dim = if gate.is_opaque() { 0 } else { 1 << gate.qubits() };
        LetterRows { matrix: gate.generic_matrix(), rows: (0..dim).map(row).collect() }
    }

    /// Returns the dimension of the gate's matrix; 0 if it is opaque.
    pub(crate) fn gate_dim(&self) -> usize {
        self.rows.len()
    }

    /// Returns the row of a unitary for `index` of the matrix, if all other qubits are 0.
    pub(crate) fn row(&self, index: usize) -> usize {
        self.rows[index]
    }

    /// Returns the bits of the gate's qubits.
    pub(crate) fn own(&self) -> usize {
        self.rows.last().copied().unwrap_or(0)
    }

    /// Returns the entry of the gate's matrix.
    pub(crate) fn entry(&self, row: usize, column: usize) -> Complex64 {
        self.matrix[row * self.gate_dim() + column]
    }

    /// Returns the rows that row `row` of a product is a sum of, with their coefficients. An opaque
    /// gate does nothing.
    pub(crate) fn entries(&self, row: usize) -> Vec<(usize, Complex64)> {
        let Some(index) = self.rows.iter().position(|&own| own == row & self.own()) else {
            return vec![(row, Complex64::ONE)];
        };
        let entry = |(column, own): (usize, &usize)| (row & !self.own() | own, self.entry(index, column));
        self.rows.iter().enumerate().map(entry).filter(|(_, entry)| *entry != Complex64::ZERO).collect()
    }
}
