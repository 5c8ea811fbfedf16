//! Products of Pauli operators, and their images under Clifford operators.

use num_complex::Complex64;

/// The largest error of entries with which a matrix counts as a Clifford operator. Different
/// Clifford operators are much further apart.
const TOLERANCE: f64 = 1e-6;

/// A Pauli operator X^x Z^z up to its phase. Bit k belongs to the qubit of bit k of a row's number.
#[derive(Clone, Copy)]
pub(crate) struct Pauli {
    pub(crate) x: usize,
    pub(crate) z: usize,
}

impl Pauli {
    /// Returns the sign that Z^z gives to a basis vector.
    fn sign(self, vector: usize) -> f64 {
        if (self.z & vector).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 }
    }

    /// Returns U P U† for P = X^x Z^z, if it is a Pauli operator, and its phase.
    pub(crate) fn image(self, unitary: &[Complex64], qubits: usize) -> Option<(Pauli, Complex64)> {
        let dim = 1 << qubits;
        let entry = |row: usize, column: usize| unitary[row * dim + column];
        // (U P U†)[row][column], where P maps basis vector k to sign(k) times k ^ x.
        let of_image = |row: usize, column: usize| -> Complex64 {
            (0..dim).map(|k| entry(row, k ^ self.x) * self.sign(k) * entry(column, k).conj()).sum()
        };
        let is_unit = |number: Complex64| (number.norm_sqr() - 1.0).abs() < TOLERANCE;
        let x = (0..dim).find(|&row| is_unit(of_image(row, 0)))?;
        let first = of_image(x, 0);
        let sign_of = |bit: usize| (of_image(x ^ 1 << bit, 1 << bit) * first.conj()).re;
        let z = (0..qubits).filter(|&bit| sign_of(bit) < 0.0).fold(0, |z, bit| z | 1 << bit);
        let image = Pauli { x, z };
        // U P is the image times U, up to the phase `first`.
        let is_image = (0..dim * dim).all(|at| {
            let (row, column) = (at / dim, at % dim);
            let left = entry(row, column ^ self.x) * self.sign(column);
            let right = first * image.sign(row ^ x) * entry(row ^ x, column);
            (left - right).norm_sqr() < TOLERANCE * TOLERANCE
        });
        is_image.then_some((image, first))
    }
}
