//! One and two qubits, without branches: a unitary fills one or four vectors of eight numbers, and
//! every letter is a sum of a few products with numbers at other positions of the vector.
//!
//! Letters of random circuits cannot be predicted, so a branch for each of them would cost more
//! than it saves.

use crate::alphabet::{Alphabet, Letter};
use crate::kernel::free_letter::{FreeLetter, FreeLetters, Numbers};
use crate::kernel::letter_rows::LetterRows;
use crate::kernel::representation::Representation;
use crate::simd::vector::{Vector, place};
use num_complex::Complex64;
use std::array;
use std::marker::PhantomData;
use std::sync::atomic::{Ordering, compiler_fence};

/// The width of a vector: columns of a unitary, one after the other, the real part of an entry
/// before the imaginary part.
pub(crate) const WIDTH: usize = 8;

/// The action of a letter on every vector: `new[k] = factors[k] * old[from[k]]`, summed over its
/// terms.
#[derive(Debug, Clone)]
pub(crate) struct SmallLetter<const TERMS: usize> {
    factors: [[f64; WIDTH]; TERMS],
    from: [[u64; WIDTH]; TERMS],
}

/// The letters of an alphabet. `h`, `t`, `cx` and `rx` have two terms, of which the first is a
/// multiple of the number itself; `sx` and `u3` have four, two complex products. The two terms of a
/// product take both parts of the same entry.
#[derive(Debug, Clone)]
pub(crate) enum SmallLetters {
    Two(Vec<SmallLetter<2>>),
    Four(Vec<SmallLetter<4>>),
}

impl SmallLetters {
    /// Returns the letters of `alphabet`; `None` on more than two qubits, or if a gate mixes more
    /// than two rows.
    pub(crate) fn new(alphabet: &Alphabet) -> Option<SmallLetters> {
        if alphabet.qubits() > 2 {
            return None;
        }
        let letters = alphabet.letters().iter();
        let four: Vec<_> = letters.map(|letter| SmallLetter::of(alphabet, letter)).collect::<Option<_>>()?;
        let two = four.iter().map(SmallLetter::simplified).collect::<Option<_>>();
        Some(two.map_or(SmallLetters::Four(four), SmallLetters::Two))
    }
}

impl SmallLetters {
    /// Returns the factors of a letter.
    pub(crate) fn factors(&self, letter: usize) -> &[f64] {
        match self {
            SmallLetters::Two(letters) => letters[letter].factors.as_flattened(),
            SmallLetters::Four(letters) => letters[letter].factors.as_flattened(),
        }
    }
}

impl SmallLetter<4> {
    fn of(alphabet: &Alphabet, letter: &Letter) -> Option<SmallLetter<4>> {
        let rows = LetterRows::new(alphabet, letter);
        let dim = alphabet.dim();
        let mut sum = SmallLetter { factors: [[0.0; WIDTH]; 4], from: [array::from_fn(place); 4] };
        for to in 0..WIDTH {
            let (column, row, part) = (to / 2 / dim, to / 2 % dim, to % 2);
            let entries = rows.entries(row);
            if entries.len() > 2 {
                return None;
            }
            for (product, (source, factor)) in entries.into_iter().enumerate() {
                let from = 2 * (column * dim + source);
                // a.re * b.re - a.im * b.im and a.re * b.im + a.im * b.re
                let imaginary = if part == 0 { -factor.im } else { factor.im };
                for (term, factor, part) in [(0, factor.re, part), (1, imaginary, 1 - part)] {
                    sum.factors[2 * product + term][to] = factor;
                    sum.from[2 * product + term][to] = place(from + part);
                }
            }
        }
        Some(sum)
    }

    /// Returns the letter without terms that are zero, if at most two are left everywhere.
    fn simplified(&self) -> Option<SmallLetter<2>> {
        let own = array::from_fn(place);
        let mut sum = SmallLetter { factors: [[0.0; WIDTH]; 2], from: [own; 2] };
        for (to, &own) in own.iter().enumerate() {
            let terms = (0..4).map(|term| (self.factors[term][to], self.from[term][to]));
            let mut other = None;
            for (factor, from) in terms.filter(|&(factor, _)| factor != 0.0) {
                if from == own {
                    sum.factors[0][to] = factor;
                } else if other.replace((factor, from)).is_some() {
                    return None;
                }
            }
            if let Some((factor, from)) = other {
                (sum.factors[1][to], sum.from[1][to]) = (factor, from);
            }
        }
        Some(sum)
    }
}

impl<const TERMS: usize> SmallLetter<TERMS> {
    /// Lets the letter act on a vector. On one qubit, where half of the vector is a column, no number
    /// leaves its half.
    #[inline(always)]
    fn act<V: Vector<WIDTH>, const ONE_QUBIT: bool>(&self, old: V) -> V {
        if TERMS == 2 {
            // Factors are loaded where they are needed: with AVX2 four vectors and a letter do not fit
            // in the registers.
            let first = V::load(&self.factors[0]).times(old);
            return first.plus(V::load(&self.factors[1]).times(self.from::<V, ONE_QUBIT>(old, 1)));
        }
        let mut factors = [V::splat(0.0); TERMS];
        for (factor, own) in factors.iter_mut().zip(&self.factors) {
            *factor = V::load(own);
        }
        self.act_by::<V, ONE_QUBIT>(&factors, old)
    }

    /// Does as [`act`](SmallLetter::act) with other factors.
    #[inline(always)]
    fn act_by<V: Vector<WIDTH>, const ONE_QUBIT: bool>(&self, factors: &[V; TERMS], old: V) -> V {
        if TERMS == 2 {
            let first = factors[0].times(old);
            return first.plus(factors[1].times(self.from::<V, ONE_QUBIT>(old, 1)));
        }
        // The second term of a complex product takes the other parts of the same entries.
        let (first, third) = (self.from::<V, ONE_QUBIT>(old, 0), self.from::<V, ONE_QUBIT>(old, 2));
        let one = factors[0].times(first).plus(factors[1].times(first.with_pairs_exchanged()));
        let other = factors[2].times(third).plus(factors[3].times(third.with_pairs_exchanged()));
        one.plus(other)
    }

    /// Returns the numbers of one term.
    #[inline(always)]
    fn from<V: Vector<WIDTH>, const ONE_QUBIT: bool>(&self, old: V, term: usize) -> V {
        if ONE_QUBIT { old.permuted_within_halves(&self.from[term]) } else { old.permuted(&self.from[term]) }
    }
}

/// Unitaries stored in `VECTORS` vectors, as columns: one on one qubit, four on two.
pub(crate) struct SmallUnitaries<'a, const VECTORS: usize, const TERMS: usize, V> {
    letters: &'a [SmallLetter<TERMS>],
    vector: PhantomData<V>,
}

/// Returns the factors of a letter that has these numbers. Unless `IS_GENERAL`, no number leaves its
/// half. On one qubit, the factors of both columns are equal.
#[inline(always)]
fn factors_at<const TERMS: usize, const IS_GENERAL: bool, const ONE_QUBIT: bool, V: Vector<WIDTH>>(
    letter: &FreeLetter,
    numbers: &Numbers,
) -> [V; TERMS] {
    let (numbers, groups) = (V::load(numbers), &letter.groups[..TERMS]);
    let mut factors = [V::splat(0.0); TERMS];
    for term in 0..TERMS {
        let places = &groups[term].places;
        let own = match (IS_GENERAL, ONE_QUBIT) {
            (false, _) => numbers.permuted_within_halves(places),
            (true, false) => numbers.permuted(places),
            (true, true) => numbers.permuted_to_both_halves(places),
        };
        factors[term] = own.times(V::load(&groups[term].factors));
    }
    factors
}

impl<'a, const VECTORS: usize, const TERMS: usize, V: Vector<WIDTH>> SmallUnitaries<'a, VECTORS, TERMS, V> {
    pub(crate) fn new(letters: &'a [SmallLetter<TERMS>]) -> Self {
        SmallUnitaries { letters, vector: PhantomData }
    }

    /// Lets a letter act on all vectors, with its own factors unless others are given.
    #[inline(always)]
    fn act_on_vectors(sum: &SmallLetter<TERMS>, factors: Option<&[V; TERMS]>, vectors: &mut [V; VECTORS]) {
        for (index, vector) in vectors.iter_mut().enumerate() {
            // Where the compiler may not mix the halves of the work, it spills nothing. Where nothing
            // spills, the second half would load the letter again.
            if index == 2 && !V::IS_ONE_REGISTER {
                compiler_fence(Ordering::SeqCst);
            }
            *vector = match (VECTORS, factors) {
                (1, None) => sum.act::<V, true>(*vector),
                (1, Some(factors)) => sum.act_by::<V, true>(factors, *vector),
                (_, None) => sum.act::<V, false>(*vector),
                (_, Some(factors)) => sum.act_by::<V, false>(factors, *vector),
            };
        }
    }

    /// Lets letters act, some with free angles that have these numbers, and returns how many do.
    #[inline(always)]
    fn act_at<const IS_GENERAL: bool>(
        &self,
        letters: &[u16],
        free: &FreeLetters,
        numbers: &[Numbers],
        vectors: &mut [V; VECTORS],
    ) -> usize {
        let mut taken = 0;
        for &letter in letters {
            let (sum, free) = (&self.letters[usize::from(letter)], &free.letters[usize::from(letter)]);
            let own = numbers.get(taken).expect("a circuit has the angles of its letters");
            // Without branches: of a fixed letter, the factors are multiples of the 1 that any
            // numbers have.
            let factors = match VECTORS {
                1 => factors_at::<TERMS, IS_GENERAL, true, V>(free, own),
                _ => factors_at::<TERMS, IS_GENERAL, false, V>(free, own),
            };
            taken += usize::from(free.angles > 0);
            Self::act_on_vectors(sum, Some(&factors), vectors);
        }
        taken
    }
}

impl<const VECTORS: usize, const TERMS: usize, V: Vector<WIDTH>> Representation
    for SmallUnitaries<'_, VECTORS, TERMS, V>
{
    #[inline(always)]
    fn dim(&self) -> usize {
        if VECTORS == 1 { 2 } else { 4 }
    }

    #[inline(always)]
    fn letters(&self) -> usize {
        self.letters.len()
    }

    #[inline(always)]
    fn place(&self, row: usize, column: usize) -> usize {
        2 * (column * self.dim() + row)
    }

    #[inline(always)]
    fn act(&self, letter: u16, held: &mut [f64]) {
        let held = held.as_chunks_mut::<WIDTH>().0;
        let mut vectors: [_; VECTORS] = array::from_fn(|k| V::load(&held[k]));
        Self::act_on_vectors(&self.letters[usize::from(letter)], None, &mut vectors);
        for (vector, to) in vectors.into_iter().zip(held) {
            vector.store(to);
        }
    }

    #[inline(always)]
    fn advance(&self, from: &[f64], letters: &[u16], to: &mut [f64]) {
        let (from, to) = (from.as_chunks::<WIDTH>().0, to.as_chunks_mut::<WIDTH>().0);
        let mut vectors: [_; VECTORS] = array::from_fn(|k| V::load(&from[k]));
        for &letter in letters {
            let sum = &self.letters[usize::from(letter)];
            Self::act_on_vectors(sum, None, &mut vectors);
        }
        for (vector, to) in vectors.into_iter().zip(to) {
            vector.store(to);
        }
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
        let (from, to) = (from.as_chunks::<WIDTH>().0, to.as_chunks_mut::<WIDTH>().0);
        let mut vectors: [_; VECTORS] = array::from_fn(|k| V::load(&from[k]));
        let taken = if free.has_general {
            self.act_at::<true>(letters, free, numbers, &mut vectors)
        } else {
            self.act_at::<false>(letters, free, numbers, &mut vectors)
        };
        *numbers = &numbers[taken..];
        for (vector, to) in vectors.into_iter().zip(to) {
            vector.store(to);
        }
    }

    #[inline(always)]
    fn finish(&self, held: &[f64], out: &mut [Complex64]) {
        let dim = self.dim();
        let (held, out) = (&held[..VECTORS * WIDTH], &mut out[..dim * dim]);
        for row in 0..dim {
            for column in 0..dim {
                let place = self.place(row, column);
                out[row * dim + column] = Complex64::new(held[place] + 0.0, held[place + 1] + 0.0);
            }
        }
    }
}
