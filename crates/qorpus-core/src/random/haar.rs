//! Haar-random unitaries, to the bit on every machine.
//!
//! A unitary of d dimensions is a random unit vector as its first column, and a Haar-random unitary
//! of d - 1 dimensions in the space that is orthogonal to it: P. Diaconis, M. Shahshahani, "The
//! subgroup algorithm for generating uniform random variables", Probability in the Engineering and
//! Informational Sciences 1, 15 (1987). So dimensions 1, 2, ... d are added in turn, each by a
//! reflection. This needs half the normal numbers of a QR decomposition (F. Mezzadri, Notices of the
//! AMS 54, 592 (2007)) and gives the same distribution, phases included.
//!
//! Record i takes its numbers in turn from the blocks 0, 1, 2, ... of Philox4x32-10, with key and
//! counter as for random circuits, but 16 + n instead of 0 as the last word of the counter. So
//! unitaries of one seed on other numbers of qubits are independent. A block of the words `w0` and
//! `w1` is a complex normal number. To add dimension k to u, of k - 1 rows and columns:
//!
//! ```text
//! normal   √(-ln x0) · (cos(2π·x1), sin(2π·x1)), x = (floor(w / 2^12) + 1/2) / 2^52
//! column   z_0 ... z_(k-1) are drawn; v_r = z_r / √(|z_0|² + ... + |z_(k-1)|²)
//! phase    a = √|v_0|²; f = v_0 / a, or 1 if a = 0
//! sums     s_c = conj(v_1)·u_0c + ... + conj(v_(k-1))·u_(k-2)c; t_c = s_c / (1 + a)
//! rows     the first is v_0 and for each c (f·f)·s_c
//!          the next are v_(r+1) and for each c -(f·(u_rc - v_(r+1)·t_c))
//! ```
//!
//! |z|² is re·re + im·im, sums go from left to right, and a quotient divides both parts. A product of
//! complex numbers is (ac - bd) + i(ad + bc), every operation rounded once. At the end every -0 is
//! written as +0. ln, sin and cos are those of the `libm` crate; 2π·x1 is one rounded product.

use crate::random::normal::NormalNumbers;
use crate::simd::dispatch::{InstructionSet, SimdTask};
use num_complex::Complex64;
use std::array;

/// The last word of the counters of unitaries on no qubits; on n qubits it is larger by n.
const SEQUENCE: u64 = 16;

/// A sampler of Haar-random unitaries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Haar {
    seed: u64,
    dim: usize,
}

/// Working memory of [`Haar::unitaries`], to be reused.
#[derive(Debug, Default)]
pub struct HaarScratch {
    /// The new column.
    vector: Vec<Complex64>,
    /// The unitary, row by row. Columns to the left of the dimensions that are added hold anything.
    rows: Vec<Columns>,
}

/// The columns that vector instructions work on at once.
const WIDTH: usize = 4;

/// Numbers of neighbouring columns, real and imaginary parts apart.
#[derive(Debug, Clone, Copy, Default)]
struct Columns {
    re: [f64; WIDTH],
    im: [f64; WIDTH],
}

impl Haar {
    /// Returns a sampler of unitaries on `qubits` qubits, at most 8.
    pub fn new(seed: u64, qubits: usize) -> Haar {
        Haar { seed, dim: 1 << qubits }
    }

    /// Returns the dimension of the unitaries.
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// Returns the text in whose place circuits have letters, where records are hashed.
    pub(crate) fn text(&self) -> String {
        format!("haar {} {}", self.dim.ilog2(), self.seed)
    }

    /// Writes the unitaries with these ids, row by row, one after the other.
    ///
    /// # Panics
    /// If `out` has not the size of all unitaries together.
    pub fn unitaries(&self, ids: &[u64], scratch: &mut HaarScratch, out: &mut [Complex64]) {
        assert_eq!(out.len(), ids.len() * self.dim * self.dim, "room for each unitary");
        scratch.rows.resize(self.dim * self.dim.div_ceil(WIDTH), Columns::default());
        InstructionSet::best().run(Draws { haar: self, ids, scratch, out });
    }

    #[inline(always)]
    fn unitary(&self, id: u64, scratch: &mut HaarScratch, unitary: &mut [Complex64]) {
        let HaarScratch { vector, rows } = scratch;
        let mut normals = NormalNumbers::new(
            [self.seed as u32, (self.seed >> 32) as u32],
            id,
            SEQUENCE + u64::from(self.dim.ilog2()),
        );
        for k in 1..=self.dim {
            draw_unit_vector(&mut normals, k, vector);
            add_dimension(vector, self.dim, rows);
        }
        let rows = rows.chunks_exact(self.dim.div_ceil(WIDTH));
        for (to, row) in unitary.chunks_exact_mut(self.dim).zip(rows) {
            for (to, columns) in to.chunks_mut(WIDTH).zip(row) {
                // -0 + 0 is +0.
                for (k, to) in to.iter_mut().enumerate() {
                    *to = Complex64::new(columns.re[k] + 0.0, columns.im[k] + 0.0);
                }
            }
        }
    }
}

/// Unitaries to draw.
struct Draws<'a> {
    haar: &'a Haar,
    ids: &'a [u64],
    scratch: &'a mut HaarScratch,
    out: &'a mut [Complex64],
}

impl SimdTask for Draws<'_> {
    #[inline(always)]
    fn run<const SET: u8>(self) {
        let size = self.haar.dim * self.haar.dim;
        for (id, unitary) in self.ids.iter().zip(self.out.chunks_exact_mut(size)) {
            self.haar.unitary(*id, self.scratch, unitary);
        }
    }
}

/// Replaces `vector` by a unit vector of `k` dimensions.
#[inline(always)]
fn draw_unit_vector(normals: &mut NormalNumbers, k: usize, vector: &mut Vec<Complex64>) {
    vector.clear();
    vector.resize(k, Complex64::ZERO);
    // Not in a closure, which would not be compiled for the instruction set.
    for entry in vector.iter_mut() {
        *entry = normals.next();
    }
    let norm = vector.iter().fold(0.0, |sum, entry| sum + square(*entry)).sqrt();
    vector.iter_mut().for_each(|entry| *entry = quotient(*entry, norm));
}

/// Adds a dimension for the unit vector to the unitary in the last rows and columns.
#[inline(always)]
fn add_dimension(vector: &[Complex64], dim: usize, rows: &mut [Columns]) {
    let length = square(vector[0]).sqrt();
    let phase = if length > 0.0 { quotient(vector[0], length) } else { Complex64::ONE };
    let corner = dim - vector.len();
    let width = dim.div_ceil(WIDTH);
    let rows = &mut rows[corner * width..];
    // Columns to the left of the corner may be computed: they do not matter.
    let mut at = (corner + 1) / WIDTH;
    while at + 4 <= width {
        reflect::<4>(vector, phase, 1.0 + length, at, width, rows);
        at += 4;
    }
    while at < width {
        reflect::<1>(vector, phase, 1.0 + length, at, width, rows);
        at += 1;
    }
    for (row, v) in rows.chunks_exact_mut(width).zip(vector) {
        let columns = &mut row[corner / WIDTH];
        (columns.re[corner % WIDTH], columns.im[corner % WIDTH]) = (v.re, v.im);
    }
}

/// Reflects `N` times [`WIDTH`] columns, from number `at` times [`WIDTH`] on. The first of the rows
/// is new, and the others have the columns before.
#[inline(always)]
fn reflect<const N: usize>(
    vector: &[Complex64],
    phase: Complex64,
    divisor: f64,
    at: usize,
    width: usize,
    rows: &mut [Columns],
) {
    let mut sums = [Columns::default(); N];
    for (r, (row, v)) in rows.chunks_exact(width).zip(vector).enumerate().skip(1) {
        let columns = &row[at..][..N];
        for (sum, columns) in sums.iter_mut().zip(columns) {
            let term = columns.times(v.conj());
            *sum = if r == 1 { term } else { sum.plus(&term) };
        }
    }
    let squared = product(phase, phase);
    for (columns, sum) in rows[at..][..N].iter_mut().zip(&mut sums) {
        *columns = sum.times(squared);
        *sum = sum.divided(divisor);
    }
    for (row, &v) in rows.chunks_exact_mut(width).zip(vector).skip(1) {
        for (columns, sum) in row[at..][..N].iter_mut().zip(&sums) {
            *columns = columns.minus(&sum.times(v)).times(phase).negative();
        }
    }
}

impl Columns {
    #[inline(always)]
    fn from(re: impl Fn(usize) -> f64, im: impl Fn(usize) -> f64) -> Columns {
        Columns { re: array::from_fn(re), im: array::from_fn(im) }
    }

    /// Returns the products with a number on the left.
    #[inline(always)]
    fn times(&self, a: Complex64) -> Columns {
        Columns::from(|k| a.re * self.re[k] - a.im * self.im[k], |k| a.re * self.im[k] + a.im * self.re[k])
    }

    #[inline(always)]
    fn plus(&self, other: &Columns) -> Columns {
        Columns::from(|k| self.re[k] + other.re[k], |k| self.im[k] + other.im[k])
    }

    #[inline(always)]
    fn minus(&self, other: &Columns) -> Columns {
        Columns::from(|k| self.re[k] - other.re[k], |k| self.im[k] - other.im[k])
    }

    #[inline(always)]
    fn negative(&self) -> Columns {
        Columns::from(|k| -self.re[k], |k| -self.im[k])
    }

    #[inline(always)]
    fn divided(&self, by: f64) -> Columns {
        Columns::from(|k| self.re[k] / by, |k| self.im[k] / by)
    }
}

/// Returns a product, each operation rounded once.
fn product(a: Complex64, b: Complex64) -> Complex64 {
    Complex64::new(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re)
}

#[inline(always)]
fn quotient(a: Complex64, b: f64) -> Complex64 {
    Complex64::new(a.re / b, a.im / b)
}

#[inline(always)]
fn square(a: Complex64) -> f64 {
    a.re * a.re + a.im * a.im
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;
    use std::ops::Range;

    fn unitaries(seed: u64, qubits: usize, ids: Range<u64>) -> Vec<Vec<Complex64>> {
        let size = 1 << (2 * qubits);
        let mut out = vec![Complex64::ONE; (ids.end - ids.start) as usize * size];
        Haar::new(seed, qubits).unitaries(&ids.collect::<Vec<_>>(), &mut HaarScratch::default(), &mut out);
        out.chunks(size).map(<[_]>::to_vec).collect()
    }

    fn times(a: &[Complex64], b: &[Complex64], dim: usize) -> Vec<Complex64> {
        let entry = |at: usize| (0..dim).map(|k| a[at / dim * dim + k] * b[k * dim + at % dim]).sum();
        (0..dim * dim).map(entry).collect()
    }

    /// Refuses samples whose greatest distance from a distribution occurs once in 10^6 seeds
    /// (Kolmogorov and Smirnov).
    fn has_distribution(mut samples: Vec<f64>, cumulative: impl Fn(f64) -> f64, name: &str) {
        samples.sort_by(f64::total_cmp);
        let number = samples.len() as f64;
        let distances = samples.iter().enumerate().map(|(k, &sample)| {
            let expected = cumulative(sample);
            (expected - k as f64 / number).max((k + 1) as f64 / number - expected)
        });
        let most = distances.fold(0.0, f64::max) * number.sqrt();
        assert!(most < 2.7, "{name}: {most}");
    }

    #[test]
    fn they_are_unitary_to_rounding() {
        for qubits in 1..=8 {
            let dim = 1 << qubits;
            for unitary in unitaries(1, qubits, 0..if qubits < 7 { 20 } else { 2 }) {
                let adjoint: Vec<_> =
                    (0..dim * dim).map(|at| unitary[at % dim * dim + at / dim].conj()).collect();
                for (at, entry) in times(&adjoint, &unitary, dim).into_iter().enumerate() {
                    let expected = if at / dim == at % dim { Complex64::ONE } else { Complex64::ZERO };
                    assert!(
                        (entry - expected).norm_sqr().sqrt() < 4e-16 * (dim as f64).sqrt() * 4.0,
                        "{qubits}: {entry}"
                    );
                }
            }
        }
    }

    /// |u|² of an entry has the density (d - 1)(1 - x)^(d-2), and the phase is uniform, also after a
    /// multiplication by a fixed unitary from the left or right.
    #[test]
    fn entries_have_the_distribution_of_haar_and_keep_it_when_multiplied() {
        for qubits in 1..=3 {
            let dim = 1usize << qubits;
            let (samples, other) =
                (unitaries(5, qubits, 0..20_000 >> qubits), unitaries(6, qubits, 9..10).remove(0));
            let left: Vec<_> = samples.iter().map(|unitary| times(&other, unitary, dim)).collect();
            let right: Vec<_> = samples.iter().map(|unitary| times(unitary, &other, dim)).collect();
            for (name, samples) in [("as drawn", samples), ("left", left), ("right", right)] {
                for at in 0..dim * dim {
                    let squares = samples.iter().map(|unitary| unitary[at].norm_sqr()).collect();
                    let name = format!("{qubits} qubits, {name}, entry {at}");
                    has_distribution(squares, |x| 1.0 - (1.0 - x).powi(dim as i32 - 1), &name);
                    let phases = samples
                        .iter()
                        .map(|unitary| unitary[at].im.atan2(unitary[at].re) / TAU + 0.5)
                        .collect();
                    has_distribution(phases, |x| x, &name);
                }
            }
        }
    }

    /// The phases of the two eigenvalues of U(2) differ by an angle with the density (1 - cos) / 2π:
    /// they repel each other.
    #[test]
    fn eigenvalues_of_one_qubit_have_the_spacing_of_haar() {
        let half_angle =
            |unitary: Vec<Complex64>| ((unitary[0] + unitary[3]).norm_sqr().sqrt() / 2.0).min(1.0).acos();
        let angles =
            unitaries(7, 1, 0..50_000).into_iter().map(|unitary| 2.0 * half_angle(unitary)).collect();
        // The angle is folded to 0..π.
        has_distribution(angles, |x| (x - x.sin()) / std::f64::consts::PI, "spacing");
    }

    /// E|tr U^k|² is min(k, d), and E|tr U|⁴ is 2: the correlations of all eigenvalues.
    #[test]
    fn traces_of_powers_have_the_moments_of_haar() {
        for qubits in 1..=3 {
            let dim = 1usize << qubits;
            let (number, most) = (20_000 >> qubits, dim + 2);
            // Means of the square and of the fourth power.
            let mut moments = vec![[0.0; 2]; most];
            for unitary in unitaries(8, qubits, 0..number) {
                let mut power = unitary.clone();
                for [second, fourth] in &mut moments {
                    let trace: Complex64 = (0..dim).map(|row| power[row * dim + row]).sum();
                    *second += trace.norm_sqr() / number as f64;
                    *fourth += trace.norm_sqr().powi(2) / number as f64;
                    power = times(&power, &unitary, dim);
                }
            }
            for (k, [second, fourth]) in moments.iter().enumerate() {
                let expected = dim.min(k + 1) as f64;
                let deviation = ((fourth - second * second) / number as f64).sqrt();
                assert!((second - expected).abs() < 5.0 * deviation, "{qubits} qubits, {k}: {second}");
            }
            // E|tr U|⁸ is 24, or 14 on one qubit.
            let deviation = (20.0 / number as f64).sqrt();
            assert!((moments[0][1] - 2.0).abs() < 5.0 * deviation, "{qubits} qubits: {}", moments[0][1]);
        }
    }

    /// The unitaries of a seed never change.
    #[test]
    fn bits_are_frozen() {
        let bits: Vec<_> = unitaries(7, 1, 1..2)[0]
            .iter()
            .flat_map(|entry| [entry.re, entry.im].map(f64::to_bits))
            .collect();
        let first_row =
            [0xbfd9_2fea_341a_fcf5, 0xbfec_b95d_321f_0243, 0x3fc8_f737_c343_6870, 0xbfa2_c08c_ca72_e32e];
        let second_row =
            [0x3fc5_6d41_7e52_c844, 0x3fbb_49b0_7507_c0a0, 0x3fe6_615f_4aa3_7cf7, 0xbfe5_f8f5_6031_7c82];
        assert_eq!(bits, [first_row, second_row].concat());
        for (qubits, expected) in [(3, 0x70fb_073d_55e4_0ced), (5, 0xce1f_5a9c_fecd_c3ee)] {
            let unitary = unitaries(7, qubits, 1 << 40..(1 << 40) + 1).remove(0);
            let parts = unitary.iter().flat_map(|entry| [entry.re, entry.im]);
            let folded = parts.fold(0u64, |folded, part| folded.rotate_left(5).wrapping_add(part.to_bits()));
            assert_eq!(folded, expected, "{qubits} qubits");
        }
    }

    /// Unitaries of one seed on n and on n + 1 qubits are independent: the mean squared overlap of one
    /// with a block of the other is that of independent ones, half a standard unit.
    #[test]
    fn unitaries_on_other_numbers_of_qubits_are_independent() {
        for qubits in 1..=3 {
            let (dim, number) = (1usize << qubits, 4000);
            let (small, large) = (unitaries(0, qubits, 0..number), unitaries(0, qubits + 1, 0..number));
            for corner in [0, dim] {
                let overlaps = small.iter().zip(&large).map(|(small, large)| {
                    let block = |at: usize| large[(corner + at / dim) * 2 * dim + corner + at % dim];
                    let sum: Complex64 = (0..dim * dim).map(|at| small[at].conj() * block(at)).sum();
                    sum.norm_sqr()
                });
                let mean = overlaps.sum::<f64>() / number as f64;
                assert!((0.4..0.6).contains(&mean), "{qubits} qubits, corner {corner}: {mean}");
            }
        }
    }

    #[test]
    fn unitaries_do_not_depend_on_the_range() {
        for qubits in [1, 2, 5] {
            let whole = unitaries(3, qubits, 1 << 40..(1 << 40) + 20);
            for (k, unitary) in whole.iter().enumerate().rev() {
                let k = k as u64;
                assert_eq!(unitaries(3, qubits, (1 << 40) + k..(1 << 40) + k + 1)[0], *unitary);
            }
        }
    }

    #[test]
    fn unitaries_do_not_depend_on_the_instructions() {
        for qubits in [1, 2, 3, 4, 6] {
            let (haar, number) = (Haar::new(4, qubits), 32 >> qubits.min(5));
            let expected = unitaries(4, qubits, 0..number).concat();
            let ids: Vec<_> = (0..number).collect();
            for instructions in InstructionSet::all() {
                let rows = vec![Columns::default(); haar.dim * haar.dim.div_ceil(WIDTH)];
                let mut scratch = HaarScratch { vector: Vec::new(), rows };
                let mut out = vec![Complex64::ONE; expected.len()];
                instructions.run(Draws { haar: &haar, ids: &ids, scratch: &mut scratch, out: &mut out });
                assert_eq!(out, expected, "{instructions:?}, {qubits} qubits");
            }
        }
    }
}
