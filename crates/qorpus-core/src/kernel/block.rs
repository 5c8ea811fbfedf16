//! A letter as row updates: the blocks into which its gate's matrix falls apart.
//!
//! The matrix of `cx` is two fixed rows and one exchange; that of `cswap` six and one; of `t` one fixed row and
//! one that is scaled. Rows that are neither read nor written cost nothing.

use crate::Alphabet;
use num_complex::Complex64;

/// What a letter does to the rows of a unitary.
#[derive(Debug, Clone)]
pub(super) struct Moves {
    /// The blocks of the gate's matrix, with rows counted from a base.
    pub(super) blocks: Vec<Block>,
    /// The rows in which all of the gate's qubits are 0.
    pub(super) bases: Vec<usize>,
}

/// Rows that are mixed with each other and with no others, relative to a base.
#[derive(Debug, Clone)]
pub(super) enum Block {
    /// row *= factor
    Scale { row: usize, factor: Complex64 },
    /// Exchanges two rows.
    Swap { rows: [usize; 2] },
    /// A dense 2x2 matrix on two rows.
    Pair { rows: [usize; 2], matrix: [Complex64; 4] },
    /// A dense matrix on three to eight rows.
    Dense { rows: Vec<usize>, matrix: Vec<Complex64> },
}

impl Moves {
    pub(super) fn new(alphabet: &Alphabet, letter: &crate::Letter) -> Moves {
        let gate = &alphabet.gates()[letter.gate];
        if gate.is_opaque() {
            return Moves { blocks: Vec::new(), bases: Vec::new() };
        }
        let gate_dim = 1 << gate.qubits();
        // Qubit 0 is the most significant bit of a row's number; the gate's first qubit of its index.
        let mask = |q: usize| 1 << (alphabet.qubits() - 1 - q);
        let row = |index: usize| {
            let bits = letter.qubits.iter().rev().enumerate();
            bits.map(|(k, &q)| if index >> k & 1 == 1 { mask(q) } else { 0 }).sum()
        };
        let own = row(gate_dim - 1);
        let entry = |r: usize, c: usize| gate.matrix()[r * gate_dim + c];
        let blocks = components(gate_dim, |r, c| entry(r, c) != Complex64::ZERO)
            .into_iter()
            .filter_map(|indices| {
                let matrix: Vec<_> =
                    indices.iter().flat_map(|&r| indices.iter().map(move |&c| entry(r, c))).collect();
                Block::new(indices.into_iter().map(row).collect(), matrix)
            })
            .collect();
        Moves { blocks, bases: (0..alphabet.dim()).filter(|row| row & own == 0).collect() }
    }
}

/// The indices below `dim`, grouped so that `linked` only holds inside a group; groups and members ascending.
fn components(dim: usize, linked: impl Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let mut group: Vec<usize> = (0..dim).collect();
    for a in 0..dim {
        for b in 0..dim {
            if linked(a, b) && group[a] != group[b] {
                let (keep, gone) = (group[a].min(group[b]), group[a].max(group[b]));
                group.iter_mut().filter(|g| **g == gone).for_each(|g| *g = keep);
            }
        }
    }
    let members = |g: usize| (0..dim).filter(|&index| group[index] == g).collect::<Vec<_>>();
    (0..dim).map(members).filter(|members| !members.is_empty()).collect()
}

impl Block {
    /// `None` if the block is the identity.
    fn new(rows: Vec<usize>, matrix: Vec<Complex64>) -> Option<Block> {
        const SWAP: [Complex64; 4] = [Complex64::ZERO, Complex64::ONE, Complex64::ONE, Complex64::ZERO];
        Some(match (rows.as_slice(), matrix.as_slice()) {
            (_, &[factor]) if factor == Complex64::ONE => return None,
            (&[row], &[factor]) => Block::Scale { row, factor },
            (&[a, b], m) if m == SWAP => Block::Swap { rows: [a, b] },
            (&[a, b], &[m00, m01, m10, m11]) => Block::Pair { rows: [a, b], matrix: [m00, m01, m10, m11] },
            _ => Block::Dense { rows, matrix },
        })
    }

    /// Updates the rows of `unitary` at `base`.
    #[inline(always)]
    pub(super) fn apply(&self, unitary: &mut [Complex64], base: usize, dim: usize) {
        match self {
            Block::Scale { row, factor } => {
                for entry in &mut unitary[(base + row) * dim..][..dim] {
                    *entry = *factor * *entry;
                }
            }
            Block::Swap { rows } => {
                let (a, b) = two_rows(unitary, base, *rows, dim);
                a.swap_with_slice(b);
            }
            Block::Pair { rows, matrix: [m00, m01, m10, m11] } => {
                let (a, b) = two_rows(unitary, base, *rows, dim);
                for (a, b) in a.iter_mut().zip(b) {
                    (*a, *b) = (m00 * *a + m01 * *b, m10 * *a + m11 * *b);
                }
            }
            Block::Dense { rows, matrix } => dense(unitary, base, dim, rows, matrix),
        }
    }
}

#[inline(always)]
fn two_rows(
    unitary: &mut [Complex64],
    base: usize,
    rows: [usize; 2],
    dim: usize,
) -> (&mut [Complex64], &mut [Complex64]) {
    let [first, second] = [base + rows[0], base + rows[1]];
    let (low, high) = (first.min(second), first.max(second));
    let (head, tail) = unitary.split_at_mut(high * dim);
    let (low, high) = (&mut head[low * dim..][..dim], &mut tail[..dim]);
    if first < second { (low, high) } else { (high, low) }
}

/// Only gates of the user's own come here.
fn dense(unitary: &mut [Complex64], base: usize, dim: usize, rows: &[usize], matrix: &[Complex64]) {
    for column in 0..dim {
        let mut old = [Complex64::ZERO; 8];
        for (old, row) in old.iter_mut().zip(rows) {
            *old = unitary[(base + row) * dim + column];
        }
        for (row, coefficients) in rows.iter().zip(matrix.chunks_exact(rows.len())) {
            let mut terms = coefficients.iter().zip(&old).map(|(m, old)| m * old);
            let first = terms.next().unwrap_or_default();
            unitary[(base + row) * dim + column] = terms.fold(first, |sum, term| sum + term);
        }
    }
}
