//! Circuits on one qubit of nothing but `u3` with free angles, eight at once: number k of a vector
//! belongs to circuit k. So a letter takes no permutations, and no product waits for the one before.

use crate::circuit::Circuits;
use crate::gate::rotation::{GENERAL_ARGUMENTS, MAX_GATE_ANGLES, general_arguments};
use crate::kernel::representation::AlignedBuffer;
use crate::simd::sincos::sincos;
use crate::simd::vector::{Vector, VectorTask};
use num_complex::Complex64;
use std::sync::atomic::{Ordering, compiler_fence};

/// The circuits that are computed at once.
const LANES: usize = 8;
/// A number of each circuit.
type Lanes = [f64; LANES];

/// The letters of each circuit whose sines are computed at once: they stay in the first-level cache.
const LETTERS: usize = 16;

/// Angles in the places behind the end of a circuit, whose sines take the common way.
const ANY_ANGLES: [f64; MAX_GATE_ANGLES] = [2.0, 1.0, 1.0];

/// The arguments of some letters of eight circuits, letter by letter, and their sines and cosines.
#[derive(Debug, Default)]
pub(crate) struct GeneralTurns {
    arguments: AlignedBuffer,
    sin: AlignedBuffer,
    cos: AlignedBuffer,
}

/// Circuits whose only letter is `u3` with free angles on one qubit, and where their unitaries go.
pub(crate) struct GeneralCircuits<'a> {
    pub(crate) circuits: &'a Circuits,
    pub(crate) turns: &'a mut GeneralTurns,
    pub(crate) out: &'a mut [Complex64],
}

impl VectorTask for GeneralCircuits<'_> {
    /// # Panics
    /// If a letter is not in the alphabet, or a circuit has other angles than its letters.
    #[inline(always)]
    fn run<V: Vector<LANES>>(self) {
        let GeneralCircuits { circuits, turns, out } = self;
        let last = circuits.letters(0..circuits.len()).iter().fold(0, |last, &letter| last | letter);
        assert!(last == 0, "a letter up to {last} is not in the alphabet");
        let mut first = 0;
        for out in out.chunks_mut(4 * LANES) {
            let mut angles: [&[[f64; MAX_GATE_ANGLES]]; LANES] = [&[]; LANES];
            for (own, index) in angles.iter_mut().zip(first..first + out.len() / 4) {
                let (letters, of_letters) = (circuits.get(index), circuits.angles(index));
                let is_right = of_letters.len() == MAX_GATE_ANGLES * letters.len();
                assert!(is_right, "circuit {index} has other angles than its letters");
                *own = of_letters.as_chunks().0;
            }
            finish(&products::<V>(&angles, turns), out);
            first += LANES;
        }
    }
}

/// Returns the products of letters with these angles: real and imaginary part of both entries of the
/// first column, then of the second column.
#[inline(always)]
fn products<V: Vector<LANES>>(
    angles: &[&[[f64; MAX_GATE_ANGLES]]; LANES],
    turns: &mut GeneralTurns,
) -> [Lanes; 8] {
    let (mut shortest, mut longest) = (usize::MAX, 0);
    for own in angles {
        (shortest, longest) = (shortest.min(own.len()), longest.max(own.len()));
    }
    let (zero, one) = (V::splat(0.0), V::splat(1.0));
    let mut columns = [[one, zero, zero, zero], [zero, zero, one, zero]];
    for start in (0..longest).step_by(LETTERS) {
        let letters = LETTERS.min(longest - start);
        let [sin, cos] = turns.compute(angles, start, letters);
        for (letter, (sin, cos)) in (start..).zip(sin.iter().zip(cos)) {
            let mut numbers = numbers::<V>(sin, cos);
            if letter >= shortest {
                let mut is_inside = [0.0; LANES];
                for (is_inside, own) in is_inside.iter_mut().zip(angles) {
                    *is_inside = f64::from(u8::from(letter < own.len()));
                }
                end(&mut numbers, V::load(&is_inside));
            }
            columns = [act(&numbers, columns[0]), act(&numbers, columns[1])];
        }
    }
    let mut products = [[0.0; LANES]; 8];
    for (product, number) in products.iter_mut().zip(columns.as_flattened()) {
        number.store(product);
    }
    products
}

impl GeneralTurns {
    /// Returns the sines and the cosines of the arguments of `letters` letters from number `start` on.
    #[inline(always)]
    fn compute(
        &mut self,
        angles: &[&[[f64; MAX_GATE_ANGLES]]; LANES],
        start: usize,
        letters: usize,
    ) -> [&[[Lanes; GENERAL_ARGUMENTS]]; 2] {
        let count = letters * GENERAL_ARGUMENTS * LANES;
        let arguments = self.arguments.room(count);
        let of_letters: &mut [[Lanes; GENERAL_ARGUMENTS]] = bytemuck::cast_slice_mut(arguments);
        for (lane, own) in angles.iter().enumerate() {
            for (letter, to) in (start..).zip(&mut *of_letters) {
                let own = general_arguments(*own.get(letter).unwrap_or(&ANY_ANGLES));
                for (to, argument) in to.iter_mut().zip(own) {
                    to[lane] = argument;
                }
                // Of several letters the compiler would make scattered stores, which are slow.
                compiler_fence(Ordering::SeqCst);
            }
        }
        let (sin, cos) = (self.sin.room(count), self.cos.room(count));
        sincos(arguments, sin, cos);
        [bytemuck::cast_slice(sin), bytemuck::cast_slice(cos)]
    }
}

/// Returns the numbers of a letter: the first entry, which is real, and both parts of the others.
/// They have the bits of [`general_numbers`](crate::gate::rotation::general_numbers).
#[inline(always)]
fn numbers<V: Vector<LANES>>(sin: &[Lanes; 4], cos: &[Lanes; 4]) -> [V; 7] {
    let (sin_half, cos_half) = (V::load(&sin[0]), V::load(&cos[0]));
    let negative = V::splat(-1.0).times(sin_half);
    let [phi, lambda, sum] = [1, 2, 3];
    [
        cos_half,
        V::load(&cos[lambda]).times(negative),
        V::load(&sin[lambda]).times(negative),
        V::load(&cos[phi]).times(sin_half),
        V::load(&sin[phi]).times(sin_half),
        V::load(&cos[sum]).times(cos_half),
        V::load(&sin[sum]).times(cos_half),
    ]
}

/// Replaces the numbers by those of the identity in the circuits that have ended. `is_inside` is 0
/// there, and 1 elsewhere.
#[inline(always)]
fn end<V: Vector<LANES>>(numbers: &mut [V; 7], is_inside: V) {
    for number in numbers.iter_mut() {
        *number = number.times(is_inside);
    }
    let has_ended = V::splat(1.0).minus(is_inside);
    numbers[0] = numbers[0].plus(has_ended);
    numbers[5] = numbers[5].plus(has_ended);
}

/// Returns a column after a letter. Only terms that are zero are left out.
#[inline(always)]
fn act<V: Vector<LANES>>(numbers: &[V; 7], [x_re, x_im, y_re, y_im]: [V; 4]) -> [V; 4] {
    let [a, b_re, b_im, c_re, c_im, d_re, d_im] = *numbers;
    [
        a.times(x_re).plus(b_re.times(y_re).minus(b_im.times(y_im))),
        a.times(x_im).plus(b_re.times(y_im).plus(b_im.times(y_re))),
        (c_re.times(x_re).minus(c_im.times(x_im))).plus(d_re.times(y_re).minus(d_im.times(y_im))),
        (c_re.times(x_im).plus(c_im.times(x_re))).plus(d_re.times(y_im).plus(d_im.times(y_re))),
    ]
}

/// Writes the unitaries, row-major. Every -0 becomes +0.
#[inline(always)]
fn finish(products: &[Lanes; 8], out: &mut [Complex64]) {
    for (lane, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        // Columns become rows.
        for (entry, from) in out.iter_mut().zip([0, 2, 1, 3]) {
            *entry = Complex64::new(products[2 * from][lane] + 0.0, products[2 * from + 1][lane] + 0.0);
        }
    }
}
