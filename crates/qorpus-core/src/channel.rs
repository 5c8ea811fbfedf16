//! Pauli transfer matrices of unitaries.
//!
//! A Pauli operator is P(x, z) = i^|x & z| · X^x · Z^z, where bit k of x and z belongs to the qubit
//! of bit k of a row's number. The entry of P(x, z) and P(x', z') is the sum over a and c of
//!
//! ```text
//! i^t · (-1)^(z·a + z'·c) · M(a, c) / 2^n    with M(a, c) = U[a, c ^ x'] · conj U[a ^ x, c]
//! ```
//!
//! where t = |x & z| + |x' & z'|. For one pair (x, x') the sums over all (z, z') are a
//! Walsh-Hadamard transform of M. M(a ^ x, c ^ x') is the conjugate of M(a, c), so half of M is
//! enough: its real parts give the entries with an even t, its imaginary parts those with an odd t.
//! All of this is done for eight unitaries at once, one in each lane of a vector.

use crate::simd::dispatch::{InstructionSet, SimdTask};
use crate::simd::vector::Vector;
use num_complex::Complex64;

/// The largest number of qubits: a matrix then takes 8 MiB.
pub const MAX_CHANNEL_QUBITS: usize = 5;

/// The number of unitaries that are transformed at once.
const LANES: usize = 8;

/// One number of each of these unitaries.
type Lanes = [f64; LANES];

/// Writes the Pauli transfer matrix `R[i][j] = Tr(P_i U P_j U†) / 2^n` of each of some unitaries on
/// `qubits` qubits, row-major.
///
/// Rows and columns are the Pauli operators in lexicographic order I, X, Y, Z of their letters. The
/// qubit of the most significant bit of a unitary's row number has the most significant letter. A
/// global phase of a unitary does not matter.
///
/// # Panics
/// If there are more than [`MAX_CHANNEL_QUBITS`] qubits, or the slices have other lengths than
/// 4^`qubits` and 16^`qubits` for each unitary.
pub fn pauli_transfer(qubits: usize, unitaries: &[Complex64], out: &mut [f64]) {
    assert!((1..=MAX_CHANNEL_QUBITS).contains(&qubits), "{qubits} qubits");
    let (size, square) = (1 << (2 * qubits), 1 << (4 * qubits));
    assert_eq!(unitaries.len() / size * square, out.len());
    assert_eq!(unitaries.len() % size, 0);
    InstructionSet::best().run(Transfer { plan: &Plan::new(qubits), unitaries, out });
}

/// An entry of the result, and where it comes from.
struct Entry {
    /// The place in the transform of the real parts, or, after these, of the imaginary parts.
    from: u32,
    /// The place in the matrix.
    to: u32,
    factor: f64,
}

/// The entries of the matrix by pairs (x, x').
struct Plan {
    qubits: usize,
    /// As many for each pair as M has entries.
    entries: Vec<Entry>,
}

impl Plan {
    fn new(qubits: usize) -> Plan {
        let size = 1u32 << (2 * qubits);
        let (mask, scale) = ((1u32 << qubits) - 1, 1.0 / f64::from(1u32 << qubits));
        let halves = |number: u32| (number >> qubits, number & mask);
        let entries = (0..size).flat_map(|shift| (0..size).map(move |sign| (shift, sign)));
        let entry = |(shift, sign): (u32, u32)| {
            let ((x, other_x), (z, other_z)) = (halves(shift), halves(sign));
            let to = pauli(qubits, x, z) * size + pauli(qubits, other_x, other_z);
            if shift == 0 {
                return Entry { from: sign, to, factor: scale };
            }
            // The sum over M is twice the one over half of it, times i if t is odd.
            let phase = (shift & sign).count_ones();
            let imaginary = phase % 2 * size / 2;
            let negative = phase.div_ceil(2) % 2 == 1;
            let factor = if negative { -2.0 * scale } else { 2.0 * scale };
            Entry { from: imaginary + without_bit(sign, shift.trailing_zeros()), to, factor }
        };
        Plan { qubits, entries: entries.map(entry).collect() }
    }
}

/// Returns the number of P(x, z) in lexicographic order.
fn pauli(qubits: usize, x: u32, z: u32) -> u32 {
    let letter = |bit: usize| match (x >> bit & 1, z >> bit & 1) {
        (0, 0) => 0,
        (1, 0) => 1,
        (1, _) => 2,
        _ => 3,
    };
    (0..qubits).map(|bit| letter(bit) << (2 * bit)).sum()
}

/// Returns `number` without the bit at a place; higher bits move down.
fn without_bit(number: u32, place: u32) -> u32 {
    let low = (1 << place) - 1;
    number & low | number >> 1 & !low
}

/// Returns `number` with a zero inserted as the bit at a place.
#[inline(always)]
fn with_zero(number: usize, place: u32) -> usize {
    let low = (1 << place) - 1;
    number & low | (number & !low) << 1
}

/// The transfer matrices of some unitaries.
struct Transfer<'a> {
    plan: &'a Plan,
    unitaries: &'a [Complex64],
    out: &'a mut [f64],
}

impl SimdTask for Transfer<'_> {
    #[inline(always)]
    fn run<const SET: u8>(self) {
        // With a constant number of qubits the loops have constant lengths.
        match self.plan.qubits {
            1 => self.blocks(1),
            2 => self.blocks(2),
            qubits => self.blocks(qubits),
        }
    }
}

impl Transfer<'_> {
    #[inline(always)]
    fn blocks(self, qubits: usize) {
        let size = 1 << (2 * qubits);
        let mut real = vec![[0.0; LANES]; size];
        let mut imaginary = real.clone();
        let mut sums = real.clone();
        let mut matrices = vec![[0.0; LANES]; size * size];
        let blocks = self.unitaries.chunks(size * LANES).zip(self.out.chunks_mut(size * size * LANES));
        for (unitaries, out) in blocks {
            for (lane, unitary) in unitaries.chunks_exact(size).enumerate() {
                for (entry, (real, imaginary)) in unitary.iter().zip(real.iter_mut().zip(&mut imaginary)) {
                    (real[lane], imaginary[lane]) = (entry.re, entry.im);
                }
            }
            transfer(qubits, self.plan, &real, &imaginary, &mut sums, &mut matrices);
            // Eight entries of all matrices at a time, which share cache lines.
            for (place, entries) in matrices.as_chunks::<LANES>().0.iter().enumerate() {
                for (lane, matrix) in out.chunks_exact_mut(size * size).enumerate() {
                    let to = &mut matrix[LANES * place..][..LANES];
                    to.iter_mut().zip(entries).for_each(|(entry, lanes)| *entry = lanes[lane]);
                }
            }
        }
    }
}

/// Computes the matrices of eight unitaries.
#[inline(always)]
fn transfer(
    qubits: usize,
    plan: &Plan,
    real: &[Lanes],
    imaginary: &[Lanes],
    sums: &mut [Lanes],
    matrices: &mut [Lanes],
) {
    let size = 1 << (2 * qubits);
    let (real, imaginary, sums) = (&real[..size], &imaginary[..size], &mut sums[..size]);
    for (shift, entries) in plan.entries.chunks_exact(size).enumerate() {
        if shift == 0 {
            for ((sum, &re), &im) in sums.iter_mut().zip(real).zip(imaginary) {
                *sum = re.times(re).plus(im.times(im));
            }
            walsh_hadamard(sums);
        } else {
            let (even, odd) = sums.split_at_mut(size / 2);
            products(qubits, shift, (real, imaginary), even, odd);
            walsh_hadamard(even);
            walsh_hadamard(odd);
        }
        for entry in entries {
            let product = sums[entry.from as usize].times(Lanes::splat(entry.factor));
            // A negative zero becomes 0, as in unitaries.
            matrices[entry.to as usize] = product.plus(Lanes::splat(0.0));
        }
    }
}

/// Computes half of M, whose entries have a zero at the lowest bit of the shift: its real parts and
/// its imaginary parts.
#[inline(always)]
fn products(
    qubits: usize,
    shift: usize,
    (real, imaginary): (&[Lanes], &[Lanes]),
    even: &mut [Lanes],
    odd: &mut [Lanes],
) {
    let (pivot, columns) = (shift.trailing_zeros(), (1 << qubits) - 1);
    for (place, (even, odd)) in even.iter_mut().zip(odd).enumerate() {
        let at = with_zero(place, pivot);
        let (left, right) = (at ^ shift & columns, at ^ shift & !columns);
        let (left_re, left_im) = (real[left], imaginary[left]);
        let (right_re, right_im) = (real[right], imaginary[right]);
        *even = left_re.times(right_re).plus(left_im.times(right_im));
        *odd = left_im.times(right_re).minus(left_re.times(right_im));
    }
}

/// Replaces number w by the sum of all numbers e, each times -1 if w & e has an odd number of bits.
#[inline(always)]
fn walsh_hadamard(numbers: &mut [Lanes]) {
    let mut half = 1;
    while half < numbers.len() {
        for pair in numbers.chunks_exact_mut(2 * half) {
            let (first, second) = pair.split_at_mut(half);
            for (first, second) in first.iter_mut().zip(second) {
                (*first, *second) = (first.plus(*second), first.minus(*second));
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::Alphabet;
    use crate::alphabet::coupling::Coupling;
    use crate::gate::Gate;
    use crate::kernel::naive;
    use crate::splitmix::{GOLDEN, below, mix};

    fn alphabet(qubits: usize) -> Alphabet {
        let names = ["h", "t", "rx(0.3)", "u3(0.3,1.1,-2)", "rz(-1.7)"].into_iter();
        let names = names.chain((qubits > 1).then_some("cx")).chain((qubits > 1).then_some("cp(0.7)"));
        let gates = names.map(|name| Gate::standard(name).unwrap()).collect();
        Alphabet::new(gates, qubits, Coupling::All).unwrap()
    }

    fn unitaries(qubits: usize, count: usize) -> Vec<Complex64> {
        let alphabet = alphabet(qubits);
        let mut word = qubits as u64;
        let mut letter = || {
            word = word.wrapping_add(GOLDEN);
            below(mix(word), alphabet.letters().len() as u64) as u16
        };
        (0..count)
            .flat_map(|_| {
                let circuit: Vec<u16> = (0..20).map(|_| letter()).collect();
                naive::unitary(&alphabet, &circuit, &[])
            })
            .collect()
    }

    /// Returns the matrix of a Pauli operator as a Kronecker product.
    fn operator(qubits: usize, number: usize) -> Vec<Complex64> {
        let (one, i, zero) = (Complex64::ONE, Complex64::I, Complex64::ZERO);
        let letters =
            [[one, zero, zero, one], [zero, one, one, zero], [zero, -i, i, zero], [one, zero, zero, -one]];
        let dim = 1 << qubits;
        let entry = |row: usize, column: usize| {
            (0..qubits).fold(one, |product, bit| {
                let letter = letters[number >> (2 * bit) & 3];
                product * letter[2 * (row >> bit & 1) + (column >> bit & 1)]
            })
        };
        (0..dim * dim).map(|k| entry(k / dim, k % dim)).collect()
    }

    fn product(left: &[Complex64], right: &[Complex64], dim: usize) -> Vec<Complex64> {
        let entry = |row: usize, column: usize| {
            (0..dim).map(|k| left[row * dim + k] * right[k * dim + column]).sum::<Complex64>()
        };
        (0..dim * dim).map(|k| entry(k / dim, k % dim)).collect()
    }

    /// Computes the matrix from its definition.
    fn by_definition(qubits: usize, unitary: &[Complex64]) -> Vec<f64> {
        let (dim, size) = (1 << qubits, 1 << (2 * qubits));
        let adjoint: Vec<_> = (0..size).map(|k| unitary[k % dim * dim + k / dim].conj()).collect();
        let images: Vec<_> =
            (0..size).map(|j| product(&product(unitary, &operator(qubits, j), dim), &adjoint, dim)).collect();
        let operators: Vec<_> = (0..size).map(|i| operator(qubits, i)).collect();
        let entry = |i: usize, j: usize| {
            let term = |k: usize| operators[i][k] * images[j][k % dim * dim + k / dim];
            (0..size).map(term).sum::<Complex64>().re / dim as f64
        };
        (0..size * size).map(|k| entry(k / size, k % size)).collect()
    }

    #[test]
    fn matrices_are_those_of_the_definition() {
        for (qubits, counts) in [(1, &[0, 1, 8, 21][..]), (2, &[3, 8, 17]), (3, &[1, 9]), (4, &[1])] {
            for &count in counts {
                let (unitaries, size) = (unitaries(qubits, count), 1 << (2 * qubits));
                let expected: Vec<f64> =
                    unitaries.chunks_exact(size).flat_map(|unitary| by_definition(qubits, unitary)).collect();
                for set in InstructionSet::all() {
                    let mut out = vec![f64::NAN; expected.len()];
                    set.run(Transfer { plan: &Plan::new(qubits), unitaries: &unitaries, out: &mut out });
                    let differs = |(found, expected): (&f64, &f64)| (found - expected).abs() > 1e-12;
                    let different = out.iter().zip(&expected).filter(|&pair| differs(pair)).count();
                    assert_eq!(different, 0, "{qubits} qubits, {count} unitaries, {set:?}");
                    assert!(out.iter().all(|number| !number.is_nan()));
                }
            }
        }
    }

    #[test]
    fn the_hadamard_gate_swaps_x_and_z() {
        let root = Complex64::from(0.5f64.sqrt());
        let mut out = [f64::NAN; 16];
        pauli_transfer(1, &[root, root, root, -root], &mut out);
        let expected = [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 0, 1, 0, 0];
        assert!(
            out.iter().zip(expected).all(|(found, expected)| (found - f64::from(expected)).abs() < 1e-15)
        );
    }

    #[test]
    fn a_phase_does_not_matter() {
        let unitary = unitaries(2, 1);
        let turned: Vec<_> = unitary.iter().map(|entry| entry * Complex64::new(0.6, -0.8)).collect();
        let (mut plain, mut other) = ([0.0; 256], [0.0; 256]);
        pauli_transfer(2, &unitary, &mut plain);
        pauli_transfer(2, &turned, &mut other);
        assert!(plain.iter().zip(other).all(|(plain, other)| (plain - other).abs() < 1e-14));
    }
}
