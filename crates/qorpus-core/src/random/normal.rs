//! Normal numbers of records, with the bits that `libm` gives.
//!
//! The functions of `libm` branch on their arguments, and on random ones half of the time goes to
//! wrong predictions. So they are evaluated without branches, several at once.

use crate::random::philox::{BATCH, blocks_of_record};
use crate::simd::ln::ln;
use crate::simd::sincos::sincos;
use num_complex::Complex64;
use std::f64::consts::TAU;

/// The complex normal numbers of a record, one for each block of random words.
#[derive(Debug)]
pub(super) struct NormalNumbers {
    key: [u32; 2],
    record: u64,
    /// The last word of the counters of the blocks.
    sequence: u64,
    /// The number of the next one.
    next: u64,
    /// The numbers of [`BATCH`] blocks, of which some are taken.
    ready: [Complex64; BATCH],
}

impl NormalNumbers {
    /// Returns the numbers of a sequence of `record`, from the first on.
    #[inline(always)]
    pub(super) fn new(key: [u32; 2], record: u64, sequence: u64) -> NormalNumbers {
        NormalNumbers { key, record, sequence, next: 0, ready: [Complex64::ZERO; BATCH] }
    }

    /// Returns the next number. It is never 0.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Complex64 {
        let at = self.next as usize % BATCH;
        if at == 0 {
            self.ready = normal_numbers(blocks_of_record(self.record, self.next, self.sequence, self.key));
        }
        self.next += 1;
        self.ready[at]
    }
}

/// Returns the normal number of each block.
#[inline(always)]
fn normal_numbers(words: [[u64; BATCH]; 2]) -> [Complex64; BATCH] {
    let (mut radii, mut angles) = ([0.0; BATCH], [0.0; BATCH]);
    for k in 0..BATCH {
        radii[k] = (-ln(fraction(words[0][k]))).sqrt();
        angles[k] = TAU * fraction(words[1][k]);
    }
    let (mut sines, mut cosines) = ([0.0; BATCH], [0.0; BATCH]);
    sincos(&angles, &mut sines, &mut cosines);
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
            for angle in [f64::from_bits(upper << 32), f64::from_bits(upper << 32 | u64::from(u32::MAX))] {
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
