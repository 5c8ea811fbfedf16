//! The ring Z\[ω\] with ω = e^(iπ/4), and its elements over powers of √2.

use num_complex::Complex64;
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// a + bω + cω² + dω³.
pub(crate) type ZOmega = [i16; 4];

/// The largest denominator exponent: integers are at most √2^k, and must fit in 16 bits.
pub(crate) const MAX_EXPONENT: u32 = 28;

/// Returns z ω^`power`.
#[inline(always)]
pub(crate) fn turned([a, b, c, d]: ZOmega, power: usize) -> ZOmega {
    match power % 8 {
        0 => [a, b, c, d],
        1 => [-d, a, b, c],
        2 => [-c, -d, a, b],
        3 => [-b, -c, -d, a],
        4 => [-a, -b, -c, -d],
        5 => [d, -a, -b, -c],
        6 => [c, d, -a, -b],
        _ => [b, c, d, -a],
    }
}

/// Returns the complex conjugate: ω becomes -ω³.
pub(crate) fn conjugate([a, b, c, d]: ZOmega) -> ZOmega {
    [a, -d, -c, -b]
}

/// Adds x y to `sum`. Products need more bits than their factors. ω⁴ = -1.
pub(crate) fn add_product(sum: &mut [i64; 4], x: ZOmega, y: ZOmega) {
    for (i, x) in x.into_iter().enumerate() {
        for (j, y) in y.into_iter().enumerate() {
            let product = i64::from(x) * i64::from(y);
            sum[(i + j) % 4] += if i + j < 4 { product } else { -product };
        }
    }
}

/// Returns the four numbers in one word, the first in the lowest bits.
#[inline(always)]
pub(crate) fn word(z: ZOmega) -> u64 {
    u64::from_le(bytemuck::cast(z.map(i16::to_le)))
}

/// Returns the four numbers of a word.
#[inline(always)]
pub(crate) fn parts(word: u64) -> ZOmega {
    bytemuck::cast::<u64, ZOmega>(word.to_le()).map(i16::from_le)
}

/// Returns √2^`exponent`.
pub(crate) fn root_of_two(exponent: u32) -> f64 {
    (1u64 << (exponent / 2)) as f64 * if exponent % 2 == 1 { SQRT_2 } else { 1.0 }
}

/// Returns the element in binary64.
pub(crate) fn value([a, b, c, d]: ZOmega) -> Complex64 {
    let [a, b, c, d] = [a, b, c, d].map(f64::from);
    Complex64::new(a + (b - d) * FRAC_1_SQRT_2, c + (b + d) * FRAC_1_SQRT_2)
}

/// Returns whether rows, each given by its nonzero entries, are the rows of a unitary times
/// √2^`exponent`.
pub(crate) fn is_unitary(rows: &[Vec<(usize, ZOmega)>], exponent: u32) -> bool {
    let product = |row: &[(usize, ZOmega)], other: &[(usize, ZOmega)]| {
        let mut sum = [0; 4];
        for &(column, z) in row {
            for &(_, w) in other.iter().filter(|(of, _)| *of == column) {
                add_product(&mut sum, z, conjugate(w));
            }
        }
        sum
    };
    let one = [1 << exponent, 0, 0, 0];
    (0..rows.len()).all(|i| (0..=i).all(|j| product(&rows[i], &rows[j]) == if i == j { one } else { [0; 4] }))
}

/// Returns the ring element whose quotient by √2^`exponent` is `entry` within `error`, if there is
/// one.
///
/// The real part of a + bω + cω² + dω³ is a + (b - d) / √2, the imaginary part c + (b + d) / √2.
/// Both, and their conjugates with -√2 for √2, are at most √2^k, as entries of the conjugate
/// unitary are at most 1. Takes time in O(√2^k).
pub(crate) fn recognize(entry: Complex64, exponent: u32, error: f64) -> Option<ZOmega> {
    let most = root_of_two(exponent);
    let target = entry * most;
    let part = |x: f64| {
        let between = |bound: f64| ((x + bound) * FRAC_1_SQRT_2).floor() as i32;
        let candidates = between(-most)..=between(most) + 1;
        let of = |roots: i32| {
            let whole = (x - f64::from(roots) * FRAC_1_SQRT_2).round();
            let off = (x - f64::from(roots) * FRAC_1_SQRT_2 - whole).abs();
            let conjugate = (whole - f64::from(roots) * FRAC_1_SQRT_2).abs();
            (off <= error * most && conjugate <= most + 1e-6).then_some((off, whole as i32, roots))
        };
        candidates.filter_map(of).min_by(|x, y| x.0.total_cmp(&y.0))
    };
    if target.re.abs().max(target.im.abs()) > most * SQRT_2 {
        return None;
    }
    let ((_, a, p), (_, c, q)) = (part(target.re)?, part(target.im)?);
    if (p + q) % 2 != 0 {
        return None;
    }
    let integer = [a, (p + q) / 2, c, (q - p) / 2].map(|k| k as i16);
    ((value(integer) - target).norm_sqr() <= 2.0 * (error * most).powi(2)).then_some(integer)
}
