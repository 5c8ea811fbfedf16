//! Binary matrices: Clifford operators modulo Pauli operators and global phases, linear functions of
//! the bits of basis vectors, and permutations of qubits.
//!
//! All three are matrices of columns, and a letter replaces a few columns by sums of columns modulo
//! 2. The columns of a Clifford operator are those of its tableau: the X part on each qubit, then the
//! Z part; bit i of a column is its entry in the image of the i-th generator (S. Aaronson, D.
//! Gottesman, "Improved simulation of stabilizer circuits", Physical Review A 70, 052328, 2004,
//! without the column of signs). Circuits of cx and swap map the bits of basis vectors linearly: they
//! need only the X columns of X operators, n x n bits. Circuits of swap only move qubits: a column is
//! then the number of the qubit that comes to its place.

pub(crate) mod batch;
pub(crate) mod letters;
pub(crate) mod matrix;

use crate::arithmetic::{Arithmetic, Tolerance};
use crate::binary::batch::BinaryProducts;
use crate::binary::letters::BinaryLetters;
use crate::binary::matrix::BinaryMatrix;

impl Arithmetic for BinaryLetters {
    type Unitary = BinaryMatrix;
    type Batch = BinaryProducts;

    /// Keys are equal or distinct.
    const TOLERANCE: Tolerance = Tolerance { equal: 0, distinct: 0 };

    fn identity(&self) -> BinaryMatrix {
        self.shape.identity()
    }

    fn letters(&self) -> u16 {
        self.letters.len() as u16
    }

    fn multiply(&self, from: &BinaryMatrix, letter: u16, to: &mut BinaryMatrix) -> bool {
        *to = *from;
        self.letters[usize::from(letter)].act(to);
        true
    }

    fn adjoint(&self, matrix: &BinaryMatrix) -> BinaryMatrix {
        self.shape.inverse(matrix)
    }

    /// Returns a key that differs for different matrices if these have at most 128 bits; else the
    /// XXH3-128 of the columns, each as 32 bits, little-endian.
    fn key(&self, matrix: &BinaryMatrix) -> u128 {
        self.shape.key(matrix)
    }

    fn same(&self, one: &BinaryMatrix, other: &BinaryMatrix, _error: f64) -> bool {
        one == other
    }

    fn batch(&self) -> BinaryProducts {
        BinaryProducts::new(self.shape)
    }

    fn set(&self, batch: &mut BinaryProducts, lane: usize, matrix: &BinaryMatrix) {
        batch.set(lane, matrix);
    }

    fn products(
        &self,
        batch: &mut BinaryProducts,
        letter: u16,
        lanes: u32,
        emit: impl FnMut(usize, u128),
    ) -> bool {
        batch.products(&self.letters[usize::from(letter)], lanes, emit);
        true
    }
}
