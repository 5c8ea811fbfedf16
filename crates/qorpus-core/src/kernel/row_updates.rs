//! Letters as row updates: the blocks into which a gate's matrix decomposes.
//!
//! A row is stored as its real parts and then its imaginary parts, so it is also two rows of real
//! numbers. The matrix of `cx` is two fixed rows and one exchange; the matrix of `t` is one fixed
//! row and a rotation of the two halves of the other. Rows that are neither read nor written cost
//! nothing, and adjacent rows that are updated alike are updated as one.

use crate::alphabet::{Alphabet, Letter};
use crate::kernel::free_letter::{FreeLetters, Numbers, Source};
use crate::kernel::letter_rows::LetterRows;
use crate::kernel::representation::Representation;
use crate::simd::vector::Vector;
use num_complex::Complex64;
use std::marker::PhantomData;

/// The updates of a letter, one block after the other.
pub(crate) type RowUpdates = Vec<RowUpdate>;

/// The update by one block.
#[derive(Debug, Clone)]
pub(crate) struct RowUpdate {
    /// The block, with rows counted from a base.
    block: RowBlock,
    /// The bits of a row's number that are 0 in a base.
    fixed: usize,
    /// The length of a run of adjacent numbers that are updated alike.
    run: usize,
    /// On few qubits, the numbers of the vectors, each half a row, that the block mixes: one pair
    /// after the other, for all bases and runs. Empty on more qubits.
    pairs: Vec<[u16; 2]>,
}

/// The largest dimension on which pairs are listed: half a row is one vector. Nested loops over
/// bases and runs would end after one or a few turns, which cannot be predicted.
const LISTED_DIM: usize = 8;

/// Rows, or halves of rows, that are mixed only with each other, by their offsets.
#[derive(Debug, Clone)]
enum RowBlock {
    /// row *= factor
    Scale { row: usize, factor: f64 },
    /// Exchanges two rows.
    Swap { rows: [usize; 2] },
    /// A dense 2x2 matrix on two rows.
    Turn { rows: [usize; 2], matrix: [f64; 4] },
    /// A dense complex 2x2 matrix on two whole rows.
    Pair { rows: [usize; 2], matrix: [Complex64; 4] },
    /// A dense complex matrix on three to eight whole rows.
    Dense { rows: Vec<usize>, matrix: Vec<Complex64> },
}

/// Returns the row updates of one letter.
pub(crate) fn row_updates(alphabet: &Alphabet, letter: &Letter) -> RowUpdates {
    let rows = LetterRows::new(alphabet, letter);
    let dim = alphabet.dim();
    let linked = |r: usize, c: usize| rows.entry(r, c) != Complex64::ZERO;
    let groups = components(rows.gate_dim(), linked).into_iter();
    groups.flat_map(|indices| RowUpdate::of(&rows, &indices, dim)).collect()
}

/// Returns the connected components of the indices below `dim` under `linked`; components and
/// members ascend.
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

impl RowUpdate {
    fn new(block: RowBlock, fixed: usize, run: usize, dim: usize) -> RowUpdate {
        let mut pairs = Vec::new();
        if let Some(rows) = block.rows().filter(|_| dim <= LISTED_DIM) {
            // The two vectors of a complex row are adjacent, and the first is listed.
            let vectors = if matches!(block, RowBlock::Pair { .. }) { 1 } else { run / dim };
            for base in (Bases { next: 0, fixed, dim }) {
                pairs.extend((0..vectors).map(|k| rows.map(|row| ((base + row) / dim + k) as u16)));
            }
        }
        RowUpdate { block, fixed, run, pairs }
    }

    /// Returns the updates of the rows `indices` of a gate's matrix, which are mixed only with each
    /// other.
    fn of(rows: &LetterRows, indices: &[usize], dim: usize) -> Vec<RowUpdate> {
        let own = rows.own();
        let rows_in_a_run = 1 << own.trailing_zeros();
        let halves = |block| RowUpdate::new(block, own, dim, dim);
        let whole = |block| RowUpdate::new(block, own | (rows_in_a_run - 1), rows_in_a_run * 2 * dim, dim);

        let entry = |r: usize, c: usize| rows.entry(indices[r], indices[c]);
        let place = |r: usize| 2 * dim * rows.row(indices[r]);
        let all: Vec<_> = (0..indices.len()).collect();
        if all.iter().all(|&r| all.iter().all(|&c| entry(r, c).im == 0.0)) && all.len() <= 2 {
            return RowBlock::of(&all, |r, c| entry(r, c).re, place).into_iter().map(whole).collect();
        }
        // (x + iy)(a + ib) as a real matrix. Sums of one or two products have the same bits either
        // way.
        let real = |r: usize, c: usize| match (entry(r / 2, c / 2), r % 2, c % 2) {
            (entry, 0, 0) | (entry, 1, 1) => entry.re,
            (entry, 0, _) => -entry.im,
            (entry, ..) => entry.im,
        };
        let groups = components(2 * all.len(), |r, c| real(r, c) != 0.0);
        if groups.iter().all(|group| group.len() <= 2) {
            let half = |r: usize| place(r / 2) + r % 2 * dim;
            return groups.iter().filter_map(|group| RowBlock::of(group, real, half)).map(halves).collect();
        }
        let matrix: Vec<_> = all.iter().flat_map(|&r| all.iter().map(move |&c| entry(r, c))).collect();
        let places: Vec<_> = all.iter().map(|&r| place(r)).collect();
        vec![halves(match (places.as_slice(), matrix.as_slice()) {
            (&[a, b], &[m00, m01, m10, m11]) => RowBlock::Pair { rows: [a, b], matrix: [m00, m01, m10, m11] },
            _ => RowBlock::Dense { rows: places, matrix },
        })]
    }

    /// Returns the numbers of the block, in the order in which [`at`](RowUpdate::at) replaces them.
    pub(crate) fn numbers(&self) -> Vec<f64> {
        match &self.block {
            RowBlock::Scale { factor, .. } => vec![*factor],
            RowBlock::Swap { .. } => Vec::new(),
            RowBlock::Turn { matrix, .. } => matrix.to_vec(),
            RowBlock::Pair { matrix, .. } => parts(matrix),
            RowBlock::Dense { matrix, .. } => parts(matrix),
        }
    }

    /// Takes the sources of its numbers from the first of `sources` and returns the block with the
    /// numbers of a rotation.
    #[inline(always)]
    fn at(&self, sources: &mut &[Source], numbers: &Numbers) -> RowBlock {
        let mut next = || {
            let (source, rest) = sources.split_first().expect("a source of each number");
            *sources = rest;
            source.of(numbers)
        };
        match &self.block {
            RowBlock::Scale { row, .. } => RowBlock::Scale { row: *row, factor: next() },
            // Not by `map`, which would become a call.
            RowBlock::Turn { rows, .. } => {
                RowBlock::Turn { rows: *rows, matrix: [next(), next(), next(), next()] }
            }
            RowBlock::Pair { rows, .. } => {
                let mut entry = || Complex64::new(next(), next());
                RowBlock::Pair { rows: *rows, matrix: [entry(), entry(), entry(), entry()] }
            }
            // A rotation mixes two rows.
            fixed => fixed.clone(),
        }
    }

    /// Updates the rows at every base by `block`: its own, or the one at other angles.
    #[inline(always)]
    fn apply<const WIDTH: usize, V: Vector<WIDTH>>(&self, block: &RowBlock, held: &mut [f64], dim: usize) {
        if self.pairs.is_empty() {
            self.apply_to_runs::<WIDTH, V>(block, held, dim);
        } else {
            self.apply_to_pairs::<WIDTH, V>(block, held);
        }
    }

    /// Updates the pairs of vectors that are listed.
    #[inline(always)]
    fn apply_to_pairs<const WIDTH: usize, V: Vector<WIDTH>>(&self, block: &RowBlock, held: &mut [f64]) {
        let held = vectors(held);
        match block {
            RowBlock::Scale { factor, .. } => {
                let factor = V::splat(*factor);
                for &[row, _] in &self.pairs {
                    let row = usize::from(row);
                    factor.times(V::load(&held[row])).store(&mut held[row]);
                }
            }
            RowBlock::Swap { .. } => {
                for &[a, b] in &self.pairs {
                    held.swap(a.into(), b.into());
                }
            }
            RowBlock::Turn { matrix, .. } => {
                let [m00, m01, m10, m11] = matrix.map(V::splat);
                for &[a, b] in &self.pairs {
                    let (a, b) = (usize::from(a), usize::from(b));
                    let (old_a, old_b) = (V::load(&held[a]), V::load(&held[b]));
                    m00.times(old_a).plus(m01.times(old_b)).store(&mut held[a]);
                    m10.times(old_a).plus(m11.times(old_b)).store(&mut held[b]);
                }
            }
            RowBlock::Pair { matrix, .. } => {
                let matrix = matrix.map(|entry| [V::splat(entry.re), V::splat(entry.im)]);
                for &[a, b] in &self.pairs {
                    let (a, b) = (usize::from(a), usize::from(b));
                    let rows = held.get_disjoint_mut([a, a + 1, b, b + 1]);
                    pair(rows.expect("rows of a gate are different rows"), &matrix);
                }
            }
            RowBlock::Dense { .. } => unreachable!("blocks of more rows have no pairs"),
        }
    }

    /// Updates runs of rows, one after the other.
    #[inline(always)]
    fn apply_to_runs<const WIDTH: usize, V: Vector<WIDTH>>(
        &self,
        block: &RowBlock,
        held: &mut [f64],
        dim: usize,
    ) {
        let bases = Bases { next: 0, fixed: self.fixed, dim };
        let run = self.run;
        match block {
            RowBlock::Scale { row, factor } => {
                let factor = V::splat(*factor);
                for base in bases {
                    for numbers in vectors(&mut held[base + row..][..run]) {
                        factor.times(V::load(numbers)).store(numbers);
                    }
                }
            }
            RowBlock::Swap { rows } => {
                for base in bases {
                    let [a, b] = runs(held, [base + rows[0], base + rows[1]], run);
                    for (a, b) in vectors(a).iter_mut().zip(vectors(b)) {
                        let (old_a, old_b) = (V::load(a), V::load(b));
                        old_b.store(a);
                        old_a.store(b);
                    }
                }
            }
            RowBlock::Turn { rows, matrix } => {
                let [m00, m01, m10, m11] = matrix.map(V::splat);
                for base in bases {
                    let [a, b] = runs(held, [base + rows[0], base + rows[1]], run);
                    for (a, b) in vectors(a).iter_mut().zip(vectors(b)) {
                        let (old_a, old_b) = (V::load(a), V::load(b));
                        m00.times(old_a).plus(m01.times(old_b)).store(a);
                        m10.times(old_a).plus(m11.times(old_b)).store(b);
                    }
                }
            }
            RowBlock::Pair { rows: [a, b], matrix } => {
                let matrix = matrix.map(|entry| [V::splat(entry.re), V::splat(entry.im)]);
                for base in bases {
                    let places = [base + a, base + a + run, base + b, base + b + run];
                    let [a_re, a_im, b_re, b_im] = runs(held, places, run).map(vectors);
                    for (((a_re, a_im), b_re), b_im) in a_re.iter_mut().zip(a_im).zip(b_re).zip(b_im) {
                        pair([a_re, a_im, b_re, b_im], &matrix);
                    }
                }
            }
            RowBlock::Dense { rows, matrix } => {
                for base in bases {
                    dense(held, base, run, rows, matrix);
                }
            }
        }
    }
}

impl RowBlock {
    /// Returns the block of a real matrix on the `group` of rows, one or two; `None` if it is the
    /// identity.
    fn of(
        group: &[usize],
        entry: impl Fn(usize, usize) -> f64,
        place: impl Fn(usize) -> usize,
    ) -> Option<RowBlock> {
        match *group {
            [row] => {
                let factor = entry(row, row);
                (factor != 1.0).then(|| RowBlock::Scale { row: place(row), factor })
            }
            [a, b] => {
                let rows = [place(a), place(b)];
                let matrix = [entry(a, a), entry(a, b), entry(b, a), entry(b, b)];
                let swaps = matrix == [0.0, 1.0, 1.0, 0.0];
                Some(if swaps { RowBlock::Swap { rows } } else { RowBlock::Turn { rows, matrix } })
            }
            _ => None,
        }
    }

    /// Returns the offsets of its two rows, equal if it has one; `None` if it has more.
    fn rows(&self) -> Option<[usize; 2]> {
        match self {
            RowBlock::Scale { row, .. } => Some([*row; 2]),
            RowBlock::Swap { rows } | RowBlock::Turn { rows, .. } | RowBlock::Pair { rows, .. } => {
                Some(*rows)
            }
            RowBlock::Dense { .. } => None,
        }
    }
}

/// Returns the real and imaginary parts of the entries.
fn parts(matrix: &[Complex64]) -> Vec<f64> {
    matrix.iter().flat_map(|entry| [entry.re, entry.im]).collect()
}

/// An iterator over the offsets of the rows that have a 0 in each of the bits `fixed`.
struct Bases {
    next: usize,
    fixed: usize,
    dim: usize,
}

impl Iterator for Bases {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let row = self.next;
        // Counts in the bits that are not fixed.
        self.next = ((row | self.fixed) + 1) & !self.fixed;
        (row < self.dim).then_some(2 * self.dim * row)
    }
}

/// Returns disjoint runs of numbers.
#[inline(always)]
fn runs<const N: usize>(held: &mut [f64], places: [usize; N], run: usize) -> [&mut [f64]; N] {
    let runs = held.get_disjoint_mut(places.map(|place| place..place + run));
    runs.expect("rows of a gate are different rows")
}

/// Returns a run as vectors of a width that the compiler knows. Runs are multiples of it.
#[inline(always)]
fn vectors<const WIDTH: usize>(run: &mut [f64]) -> &mut [[f64; WIDTH]] {
    run.as_chunks_mut().0
}

#[inline(always)]
fn pair<const WIDTH: usize, V: Vector<WIDTH>>(halves: [&mut [f64; WIDTH]; 4], matrix: &[[V; 2]; 4]) {
    let [a_re, a_im, b_re, b_im] = halves;
    let a = [V::load(a_re), V::load(a_im)];
    let b = [V::load(b_re), V::load(b_im)];
    let re = |[m_re, m_im]: [V; 2], [re, im]: [V; 2]| m_re.times(re).minus(m_im.times(im));
    let im = |[m_re, m_im]: [V; 2], [re, im]: [V; 2]| m_re.times(im).plus(m_im.times(re));
    let &[m00, m01, m10, m11] = matrix;
    re(m00, a).plus(re(m01, b)).store(a_re);
    im(m00, a).plus(im(m01, b)).store(a_im);
    re(m10, a).plus(re(m11, b)).store(b_re);
    im(m10, a).plus(im(m11, b)).store(b_im);
}

/// Applies a dense matrix to three to eight rows. Only user-defined gates have one.
fn dense(held: &mut [f64], base: usize, dim: usize, rows: &[usize], matrix: &[Complex64]) {
    for column in base..base + dim {
        let mut old = [Complex64::ZERO; 8];
        for (old, row) in old.iter_mut().zip(rows) {
            *old = Complex64::new(held[column + row], held[column + row + dim]);
        }
        for (row, coefficients) in rows.iter().zip(matrix.chunks_exact(rows.len())) {
            let mut terms = coefficients.iter().zip(&old).map(|(m, old)| m * old);
            let first = terms.next().unwrap_or_default();
            let sum = terms.fold(first, |sum, term| sum + term);
            (held[column + row], held[column + row + dim]) = (sum.re, sum.im);
        }
    }
}

/// Unitaries stored as rows, each as its two halves. `WIDTH` is the number of columns, but at most
/// 8.
pub(crate) struct SplitRows<'a, const WIDTH: usize, V> {
    letters: &'a [RowUpdates],
    dim: usize,
    vector: PhantomData<V>,
}

impl<'a, const WIDTH: usize, V: Vector<WIDTH>> SplitRows<'a, WIDTH, V> {
    pub(crate) fn new(letters: &'a [RowUpdates], dim: usize) -> Self {
        SplitRows { letters, dim, vector: PhantomData }
    }

    /// Copies a unitary and returns the copy.
    #[inline(always)]
    fn copied<'t>(from: &[f64], to: &'t mut [f64]) -> &'t mut [f64] {
        let to = &mut to[..from.len()];
        // Adding +0 changes nothing but signs of zeros, and keeps this from becoming a call of
        // memcpy, whose `rep movsb` is slow on some machines if the two are a multiple of 4 KiB
        // apart, as they often are.
        for (to, from) in vectors(to).iter_mut().zip(from.as_chunks().0) {
            V::load(from).plus(V::splat(0.0)).store(to);
        }
        to
    }
}

impl<const WIDTH: usize, V: Vector<WIDTH>> Representation for SplitRows<'_, WIDTH, V> {
    #[inline(always)]
    fn dim(&self) -> usize {
        self.dim
    }

    #[inline(always)]
    fn letters(&self) -> usize {
        self.letters.len()
    }

    #[inline(always)]
    fn place(&self, row: usize, column: usize) -> usize {
        2 * row * self.dim + column
    }

    #[inline(always)]
    fn advance_at(
        &self,
        from: &[f64],
        letters: &[u16],
        free: &FreeLetters,
        numbers: &mut &[Numbers],
        to: &mut [f64],
    ) {
        let to = Self::copied(from, to);
        for &letter in letters {
            let steps = &self.letters[usize::from(letter)];
            let letter = &free.letters[usize::from(letter)];
            if letter.angles == 0 {
                for step in steps {
                    step.apply::<WIDTH, V>(&step.block, to, self.dim);
                }
                continue;
            }
            let (own, rest) = numbers.split_first().expect("a circuit has the angles of its letters");
            let mut sources = &letter.sources[..];
            for step in steps {
                let block = step.at(&mut sources, own);
                step.apply::<WIDTH, V>(&block, to, self.dim);
            }
            *numbers = rest;
        }
    }

    #[inline(always)]
    fn act(&self, letter: u16, held: &mut [f64]) {
        for step in &self.letters[usize::from(letter)] {
            step.apply::<WIDTH, V>(&step.block, held, self.dim);
        }
    }

    #[inline(always)]
    fn advance(&self, from: &[f64], letters: &[u16], to: &mut [f64]) {
        let to = Self::copied(from, to);
        for &letter in letters {
            self.act(letter, to);
        }
    }

    #[inline(always)]
    fn finish(&self, held: &[f64], out: &mut [Complex64]) {
        let rows = held.chunks_exact(2 * self.dim).zip(out.chunks_exact_mut(self.dim));
        for (held, out) in rows {
            let (re, im) = held.split_at(self.dim);
            let (re, im) = (re.as_chunks::<WIDTH>().0, im.as_chunks::<WIDTH>().0);
            for ((out, re), im) in out.as_chunks_mut::<WIDTH>().0.iter_mut().zip(re).zip(im) {
                for k in 0..WIDTH {
                    out[k] = Complex64::new(re[k] + 0.0, im[k] + 0.0);
                }
            }
        }
    }
}
