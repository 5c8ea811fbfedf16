//! Binary matrices by columns, their shapes and their keys.

use crate::clifford::inverse_rows;
use xxhash_rust::xxh3::xxh3_128;

/// The most columns: an X part and a Z part on each of 16 qubits.
pub(crate) const MAX_COLUMNS: usize = 32;

/// A binary matrix. Bit i of a column is the entry in row i, but for a permutation: there a column
/// is a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BinaryMatrix {
    pub(crate) columns: [u32; MAX_COLUMNS],
}

/// The kind of matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 2n x 2n: Clifford operators modulo Pauli operators and phases.
    Symplectic,
    /// n x n: linear functions of the bits of basis vectors.
    Linear,
    /// n numbers: the qubit that each place has.
    Permutation,
}

/// The kind and the size of matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    pub(crate) qubits: usize,
}

impl Shape {
    /// Returns the number of columns.
    pub(crate) fn columns(self) -> usize {
        if self.kind == Kind::Symplectic { 2 * self.qubits } else { self.qubits }
    }

    /// Returns the bits of a column.
    pub(crate) fn column_bits(self) -> usize {
        match self.kind {
            Kind::Permutation => crate::bits::width(self.qubits) as usize,
            _ => self.columns(),
        }
    }

    /// Returns whether the bits of a matrix fit in a key.
    pub(crate) fn fits_in_key(self) -> bool {
        self.columns() * self.column_bits() <= u128::BITS as usize
    }

    pub(crate) fn identity(self) -> BinaryMatrix {
        let mut identity = BinaryMatrix::default();
        for (number, column) in identity.columns[..self.columns()].iter_mut().enumerate() {
            *column = if self.kind == Kind::Permutation { number as u32 } else { 1 << number };
        }
        identity
    }

    /// Returns the inverse. Meaningless for a singular matrix, which products of letters never are.
    pub(crate) fn inverse(self, matrix: &BinaryMatrix) -> BinaryMatrix {
        let size = self.columns();
        if self.kind == Kind::Permutation {
            let mut inverse = BinaryMatrix::default();
            for (place, &qubit) in matrix.columns[..size].iter().enumerate() {
                inverse.columns[qubit as usize] = place as u32;
            }
            return inverse;
        }
        // The rows of a transposed matrix are its columns, and transposition and inversion commute.
        let mut inverse = BinaryMatrix::default();
        let rows = inverse_rows(&matrix.columns[..size]).unwrap_or_default();
        inverse.columns.iter_mut().zip(rows).for_each(|(column, row)| *column = row);
        inverse
    }

    /// Returns the columns one behind the other, the first one in the lowest bits. Meaningless if
    /// they do not [fit](Shape::fits_in_key).
    pub(crate) fn packed(self, matrix: &BinaryMatrix) -> u128 {
        let width = self.column_bits();
        let columns = matrix.columns[..self.columns()].iter().enumerate();
        columns.fold(0, |bits, (number, &column)| bits | u128::from(column) << (width * number))
    }

    pub(crate) fn key(self, matrix: &BinaryMatrix) -> u128 {
        if self.fits_in_key() {
            key_of_bits(self.packed(matrix))
        } else {
            key_of_columns(&matrix.columns[..self.columns()])
        }
    }
}

/// Returns the key of packed columns: different bits have different keys, and all bits of a key
/// depend on all bits of the matrix, because ranges of keys must be evenly filled.
///
/// Both steps, a product with an odd number modulo 2^128 and the sum of the halves, can be undone.
#[inline(always)]
pub(crate) fn key_of_bits(bits: u128) -> u128 {
    /// 2^128 divided by the golden ratio, rounded to an odd number.
    const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    let step = |bits: u128| {
        let product = bits.wrapping_mul(FACTOR);
        product ^ product >> 64
    };
    step(step(bits))
}

/// Returns the key of columns that do not fit in a key. Two of 10^9 matrices have the same one with
/// a probability of 1.5e-21.
pub(crate) fn key_of_columns(columns: &[u32]) -> u128 {
    let mut bytes = [0; 4 * MAX_COLUMNS];
    for (bytes, column) in bytes.as_chunks_mut().0.iter_mut().zip(columns) {
        *bytes = column.to_le_bytes();
    }
    xxh3_128(&bytes[..4 * columns.len()])
}
