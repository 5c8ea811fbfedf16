//! The oracle: the definition of a unitary, computed naively.

use crate::alphabet::Alphabet;
use num_complex::Complex64;

/// Computes the unitary of `circuit`, row-major, by the formula of the format: every term, zero
/// coefficients included. `angles` are those of the letters with free angles, in order.
///
/// It is slow; every other kernel is tested against it.
///
/// # Panics
/// If a letter is not in the alphabet, or its gate is opaque, or there are other angles than its
/// letters have.
pub fn unitary(alphabet: &Alphabet, circuit: &[u16], mut angles: &[f64]) -> Vec<Complex64> {
    let (qubits, dim) = (alphabet.qubits(), alphabet.dim());
    let entry = |k: usize| if k / dim == k % dim { Complex64::ONE } else { Complex64::ZERO };
    let mut unitary: Vec<Complex64> = (0..dim * dim).map(entry).collect();
    for &letter in circuit {
        let (own, rest) = angles.split_at(alphabet.free_angles(letter));
        angles = rest;
        let letter = &alphabet.letters()[usize::from(letter)];
        let matrix = alphabet.gates()[letter.gate].matrix_at(own);
        let gate_dim = 1 << letter.qubits.len();
        // Qubit 0 is the most significant bit of a row's number; the gate's first qubit of its
        // index.
        let shift = |q: usize| qubits - 1 - q;
        let gate_index =
            |row: usize| letter.qubits.iter().fold(0, |index, &q| index << 1 | (row >> shift(q) & 1));
        let source = |row: usize, index: usize| {
            let set = |row: usize, (k, &q): (usize, &usize)| {
                let bit = index >> (letter.qubits.len() - 1 - k) & 1;
                row & !(1 << shift(q)) | bit << shift(q)
            };
            letter.qubits.iter().enumerate().fold(row, set)
        };
        let mut next = vec![Complex64::ZERO; dim * dim];
        for row in 0..dim {
            for column in 0..dim {
                let term = |c: usize| {
                    matrix[gate_index(row) * gate_dim + c] * unitary[source(row, c) * dim + column]
                };
                let mut sum = term(0);
                for c in 1..gate_dim {
                    sum += term(c);
                }
                next[row * dim + column] = sum;
            }
        }
        unitary = next;
    }
    assert!(angles.is_empty(), "angles of all letters and no others");
    unitary.iter().map(|entry| entry + Complex64::ZERO).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kronecker products and matrix products, as a textbook has them.
    #[test]
    fn textbook_examples() {
        let alphabet = Alphabet::of("h,t,cx,x", 2);
        let real = |text: &str| -> Vec<f64> {
            unitary(&alphabet, &alphabet.circuit(text).unwrap(), &[]).iter().map(|entry| entry.re).collect()
        };
        #[rustfmt::skip]
        assert_eq!(real("cx 0 1"), [1.0, 0.0, 0.0, 0.0,  0.0, 1.0, 0.0, 0.0,  0.0, 0.0, 0.0, 1.0,  0.0, 0.0, 1.0, 0.0]);
        #[rustfmt::skip]
        assert_eq!(real("cx 1 0"), [1.0, 0.0, 0.0, 0.0,  0.0, 0.0, 0.0, 1.0,  0.0, 0.0, 1.0, 0.0,  0.0, 1.0, 0.0, 0.0]);
        // Qubit 0 is the most significant bit: X on it exchanges the halves.
        #[rustfmt::skip]
        assert_eq!(real("x 0"), [0.0, 0.0, 1.0, 0.0,  0.0, 0.0, 0.0, 1.0,  1.0, 0.0, 0.0, 0.0,  0.0, 1.0, 0.0, 0.0]);
        // Time order: "h 0; t 0" is T·H, so the phase stands in the second row.
        let th = unitary(&alphabet, &alphabet.circuit("h 0; t 0").unwrap(), &[]);
        let r = std::f64::consts::FRAC_1_SQRT_2;
        assert_eq!((th[0], th[2]), (Complex64::new(r, 0.0), Complex64::new(r, 0.0)));
        assert!((th[8] - Complex64::new(0.5, 0.5)).l1_norm() < 1e-15);
    }
}
