//! Normal numbers of records, with the bits that `libm` gives.
//!
//! The functions of `libm` branch on their arguments, and on random ones half of the time goes to
//! wrong predictions. So they are evaluated here without branches, several at once: ln is `log`, and
//! sin and cos are `sincos` for angles from 0 to 2π, operation by operation. `libm` itself, from which
//! the constants are, follows FreeBSD's msun (`e_log.c`, `k_sin.c`, `k_cos.c`, `e_rem_pio2.c`,
//! copyright 1993 by Sun Microsystems, Inc., freely granted provided that this notice is preserved).

use crate::space::philox::{BATCH, blocks_of_record};
use num_complex::Complex64;
use std::f64::consts::TAU;

/// The complex normal numbers of a record, one for each block of random words.
#[derive(Debug)]
pub(super) struct NormalNumbers {
    key: [u32; 2],
    record: u64,
    /// The number of the next one.
    next: u64,
    /// The numbers of [`BATCH`] blocks, of which some are taken.
    ready: [Complex64; BATCH],
}

impl NormalNumbers {
    /// Returns the numbers of `record`, from the first on.
    #[inline(always)]
    pub(super) fn new(key: [u32; 2], record: u64) -> NormalNumbers {
        NormalNumbers { key, record, next: 0, ready: [Complex64::ZERO; BATCH] }
    }

    /// Returns the next number. It is never 0.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Complex64 {
        let at = self.next as usize % BATCH;
        if at == 0 {
            self.ready = normal_numbers(blocks_of_record(self.record, self.next, self.key));
        }
        self.next += 1;
        self.ready[at]
    }
}

/// Returns the normal number of each block.
#[inline(always)]
fn normal_numbers(words: [[u64; BATCH]; 2]) -> [Complex64; BATCH] {
    let (mut radii, mut angles) = ([0.0; BATCH], [0.0; BATCH]);
    let (mut sines, mut cosines, mut near) = ([0.0; BATCH], [0.0; BATCH], [0; BATCH]);
    for k in 0..BATCH {
        radii[k] = (-ln(fraction(words[0][k]))).sqrt();
        angles[k] = TAU * fraction(words[1][k]);
    }
    for k in 0..BATCH {
        (sines[k], cosines[k]) = sin_cos(angles[k]);
        near[k] = u64::from(is_near_axis(angles[k]));
    }
    if near.into_iter().fold(0, |any, near| any | near) != 0 {
        for k in 0..BATCH {
            (sines[k], cosines[k]) = libm::sincos(angles[k]);
        }
    }
    let mut numbers = [Complex64::ZERO; BATCH];
    for k in 0..BATCH {
        numbers[k] = Complex64::new(radii[k] * cosines[k], radii[k] * sines[k]);
    }
    numbers
}

/// Returns (floor(`word` / 2^12) + 1/2) / 2^52, which is exact.
#[inline(always)]
fn fraction(word: u64) -> f64 {
    // The integer becomes a number by the bits of 2^52 above it.
    const TWO_52: f64 = (1u64 << 52) as f64;
    (f64::from_bits(TWO_52.to_bits() | word >> 12) - TWO_52 + 0.5) / TWO_52
}

/// Returns the logarithm of a number between 2^-1022 and 1, without both.
#[inline(always)]
fn ln(x: f64) -> f64 {
    const LN2_HI: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
    const LN2_LO: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);
    const LG: [f64; 7] = [
        f64::from_bits(0x3FE5_5555_5555_5593),
        f64::from_bits(0x3FD9_9999_9997_FA04),
        f64::from_bits(0x3FD2_4924_9422_9359),
        f64::from_bits(0x3FCC_71C5_1D8E_78AF),
        f64::from_bits(0x3FC7_4664_96CB_03DE),
        f64::from_bits(0x3FC3_9A09_D078_C69F),
        f64::from_bits(0x3FC2_F112_DF3E_5244),
    ];
    const ONE: u64 = 0x3ff0_0000 << 32;
    /// The upper half of √2 / 2.
    const ROOT: u64 = 0x3fe6_a09e << 32;
    let shifted = x.to_bits() + (ONE - ROOT);
    // 2^52 and the exponent.
    let exponent = f64::from_bits(0x4330 << 48 | shifted >> 52);
    let dk = exponent - ((1u64 << 52) + 0x3ff) as f64;
    let f = f64::from_bits((shifted & ((1 << 52) - 1)) + ROOT) - 1.0;
    let hfsq = 0.5 * f * f;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let t1 = w * (LG[1] + w * (LG[3] + w * LG[5]));
    let t2 = z * (LG[0] + w * (LG[2] + w * (LG[4] + w * LG[6])));
    let r = t2 + t1;
    s * (hfsq + r) + dk * LN2_LO - hfsq + f + dk * LN2_HI
}

/// Returns the largest number with these upper 32 bits.
const fn last_of(upper: u64) -> f64 {
    f64::from_bits(upper << 32 | u32::MAX as u64)
}

/// Returns whether an angle from 0 to 2π is so near to π/2, π, 3π/2 or 2π that [`sin_cos`] does not
/// hold: those whose upper 32 bits are the same.
#[inline(always)]
fn is_near_axis(x: f64) -> bool {
    let upper = x.to_bits() >> 32;
    (upper == 0x3ff9_21fb) | (upper == 0x4009_21fb) | (upper == 0x4012_d97c) | (upper == 0x4019_21fb)
}

/// Returns the sine and cosine of an angle from 0 to 2π.
#[inline(always)]
fn sin_cos(x: f64) -> (f64, f64) {
    /// The first 33 bits of π/2, and the rest.
    const PIO2_1: f64 = f64::from_bits(0x3FF9_21FB_5440_0000);
    const PIO2_1T: f64 = f64::from_bits(0x3DD0_B461_1A62_6331);
    let above = |bound: f64| if x > bound { 1.0 } else { 0.0 };
    let n = above(last_of(0x3fe9_21fb))
        + above(last_of(0x4002_d97c))
        + above(last_of(0x400f_6a7a))
        + above(last_of(0x4015_fdbc));
    // With n = 0 this leaves x and 0.
    let z = x - n * PIO2_1;
    let y0 = z - n * PIO2_1T;
    let y1 = (z - y0) - n * PIO2_1T;
    let (s, c) = (sine(y0, y1, n == 0.0), cosine(y0, y1));
    let (sin, cos) = if (n == 1.0) | (n == 3.0) { (c, s) } else { (s, c) };
    let sin = if (n == 2.0) | (n == 3.0) { -sin } else { sin };
    let cos = if (n == 1.0) | (n == 2.0) { -cos } else { cos };
    (sin, cos)
}

/// Returns sin(`x` + `y`) for `x` within π/4 of 0 and a tail `y`, which is left out if `is_whole`.
#[inline(always)]
fn sine(x: f64, y: f64, is_whole: bool) -> f64 {
    const S: [f64; 6] = [
        f64::from_bits(0xBFC5_5555_5555_5549),
        f64::from_bits(0x3F81_1111_1110_F8A6),
        f64::from_bits(0xBF2A_01A0_19C1_61D5),
        f64::from_bits(0x3EC7_1DE3_57B1_FE7D),
        f64::from_bits(0xBE5A_E5E6_8A2B_9CEB),
        f64::from_bits(0x3DE5_D93A_5ACF_D57C),
    ];
    let z = x * x;
    let w = z * z;
    let r = S[1] + z * (S[2] + z * S[3]) + z * w * (S[4] + z * S[5]);
    let v = z * x;
    let whole = x + v * (S[0] + z * r);
    let with_tail = x - ((z * (0.5 * y - v * r) - y) - v * S[0]);
    if is_whole { whole } else { with_tail }
}

/// Returns cos(`x` + `y`) for `x` within π/4 of 0 and a tail `y`.
#[inline(always)]
fn cosine(x: f64, y: f64) -> f64 {
    const C: [f64; 6] = [
        f64::from_bits(0x3FA5_5555_5555_554C),
        f64::from_bits(0xBF56_C16C_16C1_5177),
        f64::from_bits(0x3EFA_01A0_19CB_1590),
        f64::from_bits(0xBE92_7E4F_809C_52AD),
        f64::from_bits(0x3E21_EE9E_BDB4_B1C4),
        f64::from_bits(0xBDA8_FAE9_BE88_38D4),
    ];
    let z = x * x;
    let w = z * z;
    let r = z * (C[0] + z * (C[1] + z * C[2])) + w * w * (C[3] + z * (C[4] + z * C[5]));
    let hz = 0.5 * z;
    let w = 1.0 - hz;
    w + (((1.0 - w) - hz) + (z * r - x * y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::splitmix::{GOLDEN, mix};

    /// Returns a number of a block from `libm` alone.
    fn normal_number(words: [u64; 2]) -> Complex64 {
        let [u0, u1] = words.map(|word| ((word >> 12) as f64 + 0.5) / (1u64 << 52) as f64);
        let (radius, angle) = ((-libm::log(u0)).sqrt(), TAU * u1);
        Complex64::new(radius * libm::cos(angle), radius * libm::sin(angle))
    }

    fn agree(words: [[u64; BATCH]; 2]) {
        for (k, found) in normal_numbers(words).into_iter().enumerate() {
            let block = words.map(|words| words[k]);
            let expected = normal_number(block);
            let bits = |number: Complex64| [number.re, number.im].map(f64::to_bits);
            assert_eq!(bits(found), bits(expected), "{block:x?}");
        }
    }

    #[test]
    fn numbers_of_random_words_are_those_of_libm() {
        let mut counter = 0u64;
        let mut word = || {
            counter = counter.wrapping_add(GOLDEN);
            mix(counter)
        };
        for round in 0..100_000 {
            // Small fractions too.
            let shift = if round % 2 == 0 { 0 } else { round % 53 };
            agree(std::array::from_fn(|_| std::array::from_fn(|_| word() >> shift)));
        }
    }

    /// Near the bounds between the cases: multiples of π/4 as angles, powers of two and their
    /// multiples by √2 as logarithms.
    #[test]
    fn numbers_near_the_bounds_are_those_of_libm() {
        let mut bounds: Vec<u64> = vec![0, u64::MAX];
        bounds.extend((1..8).map(|eighth| eighth << 61));
        let halves = (1..53).map(|k| ((1u64 << 63) >> k) as f64);
        bounds.extend(halves.flat_map(|half| [half as u64, (half * 2f64.sqrt()) as u64]));
        for upper in [0x3fe9_21fb, 0x3ff9_21fb, 0x4002_d97c, 0x4009_21fb, 0x400f_6a7a, 0x4012_d97c]
            .into_iter()
            .chain([0x4015_fdbc, 0x4019_21fb])
        {
            for angle in [f64::from_bits(upper << 32), last_of(upper)] {
                bounds.push((angle / TAU * 2f64.powi(64)) as u64);
            }
        }
        for bound in bounds {
            for steps in 0..64u64 {
                // Steps of the fraction, alone and by larger and larger distances.
                let near = |k: u64| {
                    let distance = ((steps + 1) * 8 + k) << 12;
                    [bound.wrapping_add(distance), bound.wrapping_sub(distance << (steps % 32))]
                };
                for side in 0..2 {
                    let words = std::array::from_fn(|k| near(k as u64)[side]);
                    agree([words; 2]);
                }
            }
        }
    }
}
