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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::Alphabet;
    use crate::alphabet::coupling::Coupling;
    use crate::arithmetic::{BATCH_LANES, Equivalence};
    use crate::binary::matrix::{Kind, key_of_bits};
    use crate::clifford::Clifford;
    use crate::error::Error;
    use crate::gate::Gate;
    use crate::kernel::naive;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn alphabet(gates: &str, qubits: usize, coupling: Coupling) -> Alphabet {
        let gates = gates.split(',').map(|gate| Gate::standard(gate).unwrap());
        Alphabet::new(gates.collect(), qubits, coupling).unwrap()
    }

    /// Gate sets of each kind, and the equivalence.
    const SETS: [(&str, Equivalence, Kind); 5] = [
        ("swap", Equivalence::GlobalPhase, Kind::Permutation),
        ("swap", Equivalence::Pauli, Kind::Permutation),
        ("cx,swap", Equivalence::Exact, Kind::Linear),
        ("cx", Equivalence::Pauli, Kind::Linear),
        ("h,s,sx,cx,iswap", Equivalence::Pauli, Kind::Symplectic),
    ];

    proptest! {
        /// A batch has the keys of products one by one; inverses lead back; equal matrices have
        /// equal keys and others others.
        #[test]
        fn batches_are_products_one_by_one(
            (gates, up_to, kind) in prop::sample::select(&SETS[..]),
            qubits in 2usize..=crate::alphabet::MAX_QUBITS,
            words in prop::collection::vec(prop::collection::vec(0u16..1000, 0..40), BATCH_LANES),
            (letter, lanes) in (0u16..1000, any::<u32>()),
        ) {
            let alphabet = alphabet(gates, qubits, Coupling::Line);
            let letters = BinaryLetters::new(&alphabet, up_to).unwrap();
            prop_assert_eq!(letters.shape.kind, kind);
            let count = letters.letters();
            let mut batch = letters.batch();
            let mut all: Vec<BinaryMatrix> = Vec::new();
            for (lane, word) in words.iter().enumerate() {
                let word: Vec<_> = word.iter().map(|letter| letter % count).collect();
                let matrix = letters.matrix(&word);
                prop_assert_eq!(Ok(matrix), letters.unitary(&word));
                let operator = Clifford::of_circuit(&alphabet, &word).unwrap();
                prop_assert_eq!(Some(matrix), letters.of_clifford(&operator));
                // The inverse of the word, after it.
                let inverse = letters.adjoint(&matrix);
                prop_assert_eq!(letters.adjoint(&inverse), matrix);
                let mut walked = inverse;
                for &letter in &word {
                    let from = walked;
                    assert!(letters.advance(&from, letter, &mut walked));
                }
                prop_assert_eq!(walked, letters.identity());
                letters.set(&mut batch, lane, &matrix);
                all.push(matrix);
            }
            let (letter, mut emitted) = (letter % count, 0);
            let is_emitted = letters.products(&mut batch, letter, lanes, |lane, key| {
                let mut product = BinaryMatrix::default();
                assert!(letters.multiply(&all[lane], letter, &mut product));
                assert_eq!(key, letters.key(&product));
                emitted |= 1 << lane;
            });
            prop_assert!(is_emitted && emitted == lanes);
            for one in &all {
                for other in &all {
                    prop_assert_eq!(one == other, letters.key(one) == letters.key(other));
                }
            }
        }

        /// Unitaries lead to the matrices of their circuits.
        #[test]
        fn unitaries_lead_to_matrices(
            (gates, up_to, _) in prop::sample::select(&SETS[..]),
            qubits in 2usize..4,
            word in prop::collection::vec(0u16..1000, 0..20),
        ) {
            let alphabet = alphabet(gates, qubits, Coupling::All);
            let letters = BinaryLetters::new(&alphabet, up_to).unwrap();
            let word: Vec<_> = word.iter().map(|letter| letter % letters.letters()).collect();
            let unitary = naive::unitary(&alphabet, &word, &[]);
            prop_assert_eq!(letters.of_unitary(&unitary, 1e-9), Some(letters.matrix(&word)));
        }
    }

    /// Unitaries that the gates cannot make have no matrix: Pauli operators and phases where they
    /// count, functions that are not linear, and linear functions that are not permutations.
    #[test]
    fn other_unitaries_have_no_matrix() {
        let every = alphabet("x,cx,swap,h,cz,rz(pi/2)", 2, Coupling::All);
        let unitary = |text: &str| naive::unitary(&every, &every.circuit(text).unwrap(), &[]);
        let has = |gates: &str, up_to, text: &str| {
            let letters = BinaryLetters::new(&alphabet(gates, 2, Coupling::All), up_to).unwrap();
            let operator = Clifford::of_circuit(&every, &every.circuit(text).unwrap()).unwrap();
            let of_unitary = letters.of_unitary(&unitary(text), 1e-9).is_some();
            if up_to != Equivalence::Exact {
                assert_eq!(of_unitary, letters.of_clifford(&operator).is_some(), "{gates} {text}");
            }
            of_unitary
        };
        use Equivalence::{Exact, GlobalPhase, Pauli};
        assert!(has("cx", Pauli, "x 0; cx 0 1") && !has("cx", GlobalPhase, "x 0; cx 0 1"));
        assert!(has("swap", GlobalPhase, "swap 0 1") && !has("swap", Pauli, "cx 0 1"));
        assert!(!has("cx", Pauli, "h 0") && !has("cx", GlobalPhase, "cz 0 1"));
        let turned = "rz(pi/2) 0; rz(pi/2) 0; rz(pi/2) 0; rz(pi/2) 0";
        assert!(has("cx", GlobalPhase, turned) && !has("cx", Exact, turned));
    }

    #[test]
    fn other_gates_are_refused() {
        let refused =
            |gates, up_to| BinaryLetters::new(&alphabet(gates, 2, Coupling::All), up_to).unwrap_err();
        assert_eq!(refused("cx,h", Equivalence::GlobalPhase), Error::NotLinear { gate: "h".into() });
        assert_eq!(refused("cx,x", Equivalence::Exact), Error::NotLinear { gate: "x".into() });
        assert_eq!(refused("cx,t", Equivalence::Pauli), Error::NotClifford { gate: "t".into() });
    }

    /// cx adds the control to the target, and a swap exchanges places.
    #[test]
    fn textbook_examples() {
        let columns = |gates: &str, text: &str| {
            let alphabet = alphabet(gates, 3, Coupling::All);
            let letters = BinaryLetters::new(&alphabet, Equivalence::GlobalPhase).unwrap();
            letters.matrix(&alphabet.circuit(text).unwrap()).columns[..3].to_vec()
        };
        assert_eq!(columns("cx", "cx 0 1; cx 1 2"), [0b001, 0b011, 0b111]);
        assert_eq!(columns("swap", "swap 0 1; swap 1 2"), [1, 2, 0]);
    }

    /// Keys are spread evenly, even those of numbers with few bits.
    #[test]
    fn keys_are_spread() {
        let keys: Vec<u128> =
            (0..128).flat_map(|k| (0..k).map(move |j| key_of_bits(1 << k | 1 << j))).collect();
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 8128);
        for shift in [0, 60, 64, 124] {
            let mut counts = [0; 16];
            keys.iter().for_each(|key| counts[(key >> shift & 15) as usize] += 1);
            // Chi-square with 15 degrees of freedom is below 45 in all but 1 of 10^4 cases.
            let expected = 8128.0 / 16.0;
            let chi: f64 = counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
            assert!(chi < 45.0, "bits from {shift}: {chi}");
        }
    }
}
