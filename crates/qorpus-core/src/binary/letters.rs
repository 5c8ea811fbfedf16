//! The letters of an alphabet as operations on the columns of binary matrices.

use crate::alphabet::Alphabet;
use crate::arithmetic::Equivalence;
use crate::binary::matrix::{BinaryMatrix, Kind, MAX_COLUMNS, Shape};
use crate::circuit::Circuits;
use crate::clifford::Clifford;
use crate::error::{Error, Result};
use crate::gate::Gate;
use num_complex::Complex64;

/// The most columns that a letter changes: a gate has at most three qubits.
const MAX_PLACES: usize = 6;

/// The largest difference of an entry of a gate from 0 or 1 in a permutation of basis vectors.
const GATE_TOLERANCE: f64 = 1e-12;

/// The letters of an alphabet, as they act on binary matrices.
#[derive(Debug, Clone)]
pub struct BinaryLetters {
    pub(crate) shape: Shape,
    up_to: Equivalence,
    pub(crate) letters: Vec<ColumnSums>,
}

/// The action of a letter: some columns become sums of some of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ColumnSums {
    len: usize,
    places: [u8; MAX_PLACES],
    /// For each of the columns, the bits of the columns that are its summands.
    summands: [u8; MAX_PLACES],
}

impl BinaryLetters {
    /// Returns the letters of `alphabet` in the smallest matrices that distinguish all its circuits
    /// up to `up_to`: permutations or linear functions where all gates are, or Clifford operators
    /// modulo Pauli operators.
    ///
    /// # Errors
    /// [`Error::NotClifford`] for the first gate that is not a Clifford gate;
    /// [`Error::NotLinear`] for the first gate that is not linear, unless `up_to` is
    /// [`Equivalence::Pauli`].
    pub fn new(alphabet: &Alphabet, up_to: Equivalence) -> Result<BinaryLetters> {
        let linear: Result<Vec<_>> = alphabet.gates().iter().map(linear).collect();
        match linear {
            Ok(gates) => {
                let is_permutation = |gate: &Vec<u8>| gate.iter().all(|row| row.is_power_of_two());
                let kind = if gates.iter().all(is_permutation) { Kind::Permutation } else { Kind::Linear };
                Ok(BinaryLetters::of_gates(alphabet, up_to, kind, &gates))
            }
            Err(_) if up_to == Equivalence::Pauli => BinaryLetters::symplectic(alphabet),
            Err(error) => Err(error),
        }
    }

    /// Returns the letters as they act on the tableaus of Clifford operators, whatever their gates.
    ///
    /// # Errors
    /// [`Error::NotClifford`] for the first gate that is not a Clifford gate.
    pub fn symplectic(alphabet: &Alphabet) -> Result<BinaryLetters> {
        let gates: Result<Vec<_>> = alphabet.gates().iter().map(symplectic).collect();
        Ok(BinaryLetters::of_gates(alphabet, Equivalence::Pauli, Kind::Symplectic, &gates?))
    }

    fn of_gates(alphabet: &Alphabet, up_to: Equivalence, kind: Kind, gates: &[Vec<u8>]) -> BinaryLetters {
        let qubits = alphabet.qubits();
        let letters = alphabet.letters().iter().map(|letter| {
            let mut sums = ColumnSums { len: gates[letter.gate].len(), ..ColumnSums::default() };
            let zs = letter.qubits.iter().map(|qubit| qubits + qubit);
            let columns = letter.qubits.iter().copied().chain(zs);
            sums.places.iter_mut().zip(columns).for_each(|(place, column)| *place = column as u8);
            sums.summands[..sums.len].copy_from_slice(&gates[letter.gate]);
            sums
        });
        BinaryLetters { letters: letters.collect(), up_to, shape: Shape { kind, qubits } }
    }

    /// Returns the matrix of a circuit.
    ///
    /// # Panics
    /// If a letter is not in the alphabet.
    pub fn matrix(&self, circuit: &[u16]) -> BinaryMatrix {
        let mut matrix = self.shape.identity();
        circuit.iter().for_each(|&letter| self.letters[usize::from(letter)].act(&mut matrix));
        matrix
    }

    /// Returns the number of rows, and of columns, of a matrix.
    pub fn size(&self) -> usize {
        self.shape.columns()
    }

    /// Writes the entries of the matrices of circuits, row-major, each as a byte 0 or 1, to `out`.
    ///
    /// # Panics
    /// If `out` does not have room for exactly one matrix for each circuit, a letter is not in the
    /// alphabet, or the matrices are permutations, which are numbers and have no entries.
    pub fn write_entries(&self, circuits: &Circuits, out: &mut [u8]) {
        let size = self.shape.columns();
        assert!(self.shape.kind != Kind::Permutation, "numbers are not entries");
        assert_eq!(out.len(), circuits.len() * size * size, "room for each matrix");
        for (entries, circuit) in out.chunks_exact_mut(size * size).zip(circuits.iter()) {
            let matrix = self.matrix(circuit);
            for (row, entries) in entries.chunks_exact_mut(size).enumerate() {
                for (entry, column) in entries.iter_mut().zip(&matrix.columns) {
                    *entry = (column >> row & 1) as u8;
                }
            }
        }
    }

    /// Returns the matrix of a Clifford operator; `None` if no circuit of these gates is equal to
    /// it, because it is not linear or has a Pauli operator that counts.
    ///
    /// # Panics
    /// If it is on another number of qubits.
    pub fn of_clifford(&self, operator: &Clifford) -> Option<BinaryMatrix> {
        assert_eq!(operator.qubits(), self.shape.qubits, "on the same number of qubits");
        if self.up_to != Equivalence::Pauli && !operator.has_no_signs() {
            return None;
        }
        self.of_columns(&operator.columns().collect::<Vec<_>>())
    }

    /// Returns the matrix with the columns of a tableau, X parts and then Z parts; `None` if it had
    /// to be linear and is not.
    pub(crate) fn of_columns(&self, columns: &[u32]) -> Option<BinaryMatrix> {
        let Shape { kind, qubits } = self.shape;
        let rows_of_x = (1 << qubits) - 1;
        if kind == Kind::Symplectic {
            let mut matrix = BinaryMatrix::default();
            matrix.columns[..columns.len()].copy_from_slice(columns);
            return Some(matrix);
        }
        let (xs, zs) = columns.split_at(qubits);
        let is_linear = xs.iter().all(|x| x & !rows_of_x == 0) && zs.iter().all(|z| z & rows_of_x == 0);
        is_linear.then(|| self.of_linear(xs)).flatten()
    }

    /// Returns the matrix of a unitary, row-major, qubit 0 most significant, from which its entries
    /// differ by at most `error`, or by 1e-6 up to Pauli operators; `None` as
    /// [`of_clifford`](BinaryLetters::of_clifford), or if there is none so near.
    ///
    /// Takes time in O(n 4^n).
    ///
    /// # Panics
    /// If there are not 4^n entries.
    pub fn of_unitary(&self, unitary: &[Complex64], error: f64) -> Option<BinaryMatrix> {
        let qubits = self.shape.qubits;
        if self.up_to == Equivalence::Pauli {
            return self.of_clifford(&Clifford::of_unitary(unitary, qubits)?);
        }
        // A linear function leaves the first basis vector in its place.
        let first = unitary[0];
        let turn =
            if self.up_to.ignores_phase() { first.conj() / first.norm_sqr().sqrt() } else { Complex64::ONE };
        let turned: Vec<_> = unitary.iter().map(|entry| entry * turn).collect();
        self.of_linear(&linear_function(&turned, qubits, error)?)
    }

    /// Returns the matrix of a linear function, given by columns; `None` if it had to be a
    /// permutation and is not.
    fn of_linear(&self, columns: &[u32]) -> Option<BinaryMatrix> {
        let mut matrix = BinaryMatrix::default();
        for (to, &column) in matrix.columns.iter_mut().zip(columns) {
            *to = match self.shape.kind {
                Kind::Permutation if column.is_power_of_two() => column.trailing_zeros(),
                Kind::Permutation => return None,
                _ => column,
            };
        }
        Some(matrix)
    }
}

impl ColumnSums {
    /// Returns each column that changes, and the columns that are its summands.
    #[inline(always)]
    pub(crate) fn sums(&self) -> impl Iterator<Item = (usize, impl Iterator<Item = usize>)> {
        let places = &self.places[..self.len];
        places.iter().zip(&self.summands).map(move |(&place, &summands)| {
            let bits = (0..places.len()).filter(move |bit| summands >> bit & 1 == 1);
            (usize::from(place), bits.map(move |bit| usize::from(places[bit])))
        })
    }

    /// Lets the letter act.
    pub(crate) fn act(&self, matrix: &mut BinaryMatrix) {
        // Each length of its own, so that the loops have no branches: letters change too often for
        // them to be predicted. No gate changes five columns.
        match self.len {
            1 => self.act_on::<1>(matrix),
            2 => self.act_on::<2>(matrix),
            3 => self.act_on::<3>(matrix),
            4 => self.act_on::<4>(matrix),
            _ => self.act_on::<MAX_PLACES>(matrix),
        }
    }

    /// Lets the letter act, which changes `N` columns.
    #[inline(always)]
    fn act_on<const N: usize>(&self, matrix: &mut BinaryMatrix) {
        let columns = &mut matrix.columns;
        let mut old = [0; N];
        for (old, &place) in old.iter_mut().zip(&self.places) {
            *old = columns[usize::from(place) % MAX_COLUMNS];
        }
        for (&place, &summands) in self.places[..N].iter().zip(&self.summands) {
            let mut sum = 0;
            for (bit, column) in old.iter().enumerate() {
                sum ^= column & u32::from(summands >> bit & 1).wrapping_neg();
            }
            columns[usize::from(place) % MAX_COLUMNS] = sum;
        }
    }
}

/// Returns the summands of each column of a gate's tableau.
fn symplectic(gate: &Gate) -> Result<Vec<u8>> {
    let refused = || Error::NotClifford { gate: gate.name().into() };
    if gate.is_opaque() || gate.is_free() {
        return Err(refused());
    }
    // Bit i of a column is its entry in row i, which says whether the i-th old column is a summand.
    let operator = Clifford::of_unitary(gate.matrix(), gate.qubits()).ok_or_else(refused)?;
    Ok(operator.columns().map(|column| column as u8).collect())
}

/// Returns the summands of each bit that a gate computes of the bits of a basis vector.
fn linear(gate: &Gate) -> Result<Vec<u8>> {
    let refused = || Error::NotLinear { gate: gate.name().into() };
    if gate.is_opaque() || gate.is_free() {
        return Err(refused());
    }
    linear_function(gate.matrix(), gate.qubits(), GATE_TOLERANCE)
        .map(|columns| columns.into_iter().map(|column| column as u8).collect())
        .ok_or_else(refused)
}

/// Returns the linear function of bits that a unitary, row-major, is within `tolerance` in each
/// entry: for each qubit of the result, the bits of the qubits that it is the sum of. `None` if it
/// does not permute basis vectors, or not linearly.
///
/// Takes time in O(4^n).
pub(crate) fn linear_function(unitary: &[Complex64], qubits: usize, tolerance: f64) -> Option<Vec<u32>> {
    let dim = 1usize << qubits;
    let bit = |qubit: usize| 1 << (qubits - 1 - qubit);
    let is_one =
        |row: usize, column: usize| (unitary[row * dim + column] - 1.0).norm_sqr() <= tolerance.powi(2);
    let image = |vector: usize| (0..dim).find(|&row| is_one(row, vector));
    let images: Option<Vec<usize>> = (0..qubits).map(|qubit| image(bit(qubit))).collect();
    let images = images?;
    let is_linear = |column: usize| {
        let of_vector = |at: usize| {
            (0..qubits).filter(|&qubit| at & bit(qubit) > 0).fold(0, |sum, qubit| sum ^ images[qubit])
        };
        let row = of_vector(column);
        (0..dim).all(|other| {
            if other == row {
                is_one(row, column)
            } else {
                unitary[other * dim + column].norm_sqr() <= tolerance.powi(2)
            }
        })
    };
    let sums =
        |to: usize| (0..qubits).fold(0, |bits, from| bits | u32::from(images[from] & bit(to) > 0) << from);
    (0..dim).all(is_linear).then(|| (0..qubits).map(sums).collect())
}
