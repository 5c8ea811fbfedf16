//! Sine and cosine of many arguments at once, with the bits of [`libm::sincos`].
//!
//! The crate `libm` takes one argument at a time and branches by its quadrant, which is random for
//! random angles, so it cannot be predicted. Here the quadrant selects instead of branching, which
//! the compiler turns into vector instructions.
//!
//! The algorithm is that of fdlibm (Sun Microsystems 1993; FreeBSD's `e_rem_pio2.c`, `k_sin.c` and
//! `k_cos.c`), which `libm` follows: n·π/2 is subtracted in two parts, and two polynomials
//! give sine and cosine of the remainder. In most of [-7, 7] this takes the same operations for
//! all arguments. The others go to `libm`: large ones, those near a multiple of π/2, where
//! fdlibm subtracts more parts of π/2 or returns the argument, and those near an odd multiple of
//! π/4, where fdlibm may choose the other of two values of n.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_4};

/// The largest argument that is computed here. fdlibm subtracts two parts up to 9π/4.
const LARGEST: f64 = 7.0;
/// The distance from multiples of π/4 within which `libm` computes: two units of the upper half of
/// the largest arguments. By upper halves, rounded up, fdlibm tells its cases apart.
const MARGIN: f64 = 1.0 / (1u64 << 17) as f64;
/// π/2 in 33 bits, and the rest of it.
const PIO2: [f64; 2] = [f64::from_bits(0x3FF9_21FB_5440_0000), f64::from_bits(0x3DD0_B461_1A62_6331)];
/// A number that rounds to an integer when it is added. The integer is in the lowest bits of the
/// sum.
const TO_INTEGER: f64 = 1.5 * (1u64 << 52) as f64;
/// The coefficients of x^3, x^5, ... of the sine.
const SINE: [f64; 6] = [
    f64::from_bits(0xBFC5_5555_5555_5549),
    f64::from_bits(0x3F81_1111_1110_F8A6),
    f64::from_bits(0xBF2A_01A0_19C1_61D5),
    f64::from_bits(0x3EC7_1DE3_57B1_FE7D),
    f64::from_bits(0xBE5A_E5E6_8A2B_9CEB),
    f64::from_bits(0x3DE5_D93A_5ACF_D57C),
];
/// The coefficients of x^4, x^6, ... of the cosine.
const COSINE: [f64; 6] = [
    f64::from_bits(0x3FA5_5555_5555_554C),
    f64::from_bits(0xBF56_C16C_16C1_5177),
    f64::from_bits(0x3EFA_01A0_19CB_1590),
    f64::from_bits(0xBE92_7E4F_809C_52AD),
    f64::from_bits(0x3E21_EE9E_BDB4_B1C4),
    f64::from_bits(0xBDA8_FAE9_BE88_38D4),
];

/// Writes the sine and the cosine of each number of `x` to `sin` and `cos`, which are as long.
#[inline(always)]
pub(crate) fn sincos(x: &[f64], sin: &mut [f64], cos: &mut [f64]) {
    let count = x.len();
    let (sin, cos) = (&mut sin[..count], &mut cos[..count]);
    // The compiler makes vectors of a loop without branches: exceptions are only counted in it.
    let mut exceptions = 0u64;
    for k in 0..count {
        let is_common;
        (sin[k], cos[k], is_common) = common(x[k]);
        exceptions += u64::from(!is_common);
    }
    if exceptions > 0 {
        except(x, sin, cos);
    }
}

/// Replaces what `common` does not compute.
#[cold]
fn except(x: &[f64], sin: &mut [f64], cos: &mut [f64]) {
    for ((&x, sin), cos) in x.iter().zip(sin).zip(cos) {
        if !common(x).2 {
            (*sin, *cos) = libm::sincos(x);
        }
    }
}

/// Returns sine and cosine of a common argument, and whether it is one.
#[inline(always)]
fn common(x: f64) -> (f64, f64, bool) {
    let shifted = x * FRAC_2_PI + TO_INTEGER;
    let n = shifted - TO_INTEGER;
    let first = x - n * PIO2[0];
    let second = n * PIO2[1];
    let y = first - second;
    let rest = (first - y) - second;
    let is_common = (x.abs() < LARGEST) & (y.abs() > MARGIN) & (y.abs() < FRAC_PI_4 - MARGIN);

    let (sine, cosine) = (sine(y, rest, n == 0.0), cosine(y, rest));
    let quadrant = shifted.to_bits();
    let (sin, cos) = if quadrant & 1 == 0 { (sine, cosine) } else { (cosine, sine) };
    // The sine is negative in quadrants 2 and 3, the cosine in 1 and 2.
    let (sin_sign, cos_sign) = (quadrant >> 1 << 63, (quadrant >> 1 ^ quadrant) << 63);
    (f64::from_bits(sin.to_bits() ^ sin_sign), f64::from_bits(cos.to_bits() ^ cos_sign), is_common)
}

/// Returns the sine of `y + rest`, at most π/4. Where nothing was subtracted, `rest` is 0 and
/// fdlibm sums in another order.
#[inline(always)]
fn sine(y: f64, rest: f64, is_whole: bool) -> f64 {
    let square = y * y;
    let cube = square * y;
    let low = SINE[1] + square * (SINE[2] + square * SINE[3]);
    let sum = low + square * (square * square) * (SINE[4] + square * SINE[5]);
    let whole = y + cube * (SINE[0] + square * sum);
    let corrected = y - ((square * (0.5 * rest - cube * sum) - rest) - cube * SINE[0]);
    if is_whole { whole } else { corrected }
}

/// Returns the cosine of `y + rest`, at most π/4.
#[inline(always)]
fn cosine(y: f64, rest: f64) -> f64 {
    let square = y * y;
    let fourth = square * square;
    let low = square * (COSINE[0] + square * (COSINE[1] + square * COSINE[2]));
    let sum = low + fourth * fourth * (COSINE[3] + square * (COSINE[4] + square * COSINE[5]));
    let half = 0.5 * square;
    let rounded = 1.0 - half;
    rounded + (((1.0 - rounded) - half) + (square * sum - y * rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::dispatch::{InstructionSet, SimdTask};
    use proptest::prelude::*;
    use std::f64::consts::PI;

    struct Both<'a>(&'a [f64], &'a mut [f64], &'a mut [f64]);

    impl SimdTask for Both<'_> {
        #[inline(always)]
        fn run<const SET: u8>(self) {
            sincos(self.0, self.1, self.2);
        }
    }

    fn has_the_bits_of_libm(x: &[f64]) {
        for instructions in InstructionSet::all() {
            let (mut sin, mut cos) = (vec![f64::NAN; x.len()], vec![f64::NAN; x.len()]);
            instructions.run(Both(x, &mut sin, &mut cos));
            for ((x, sin), cos) in x.iter().zip(sin).zip(cos) {
                let expected = libm::sincos(*x);
                let bits = |(sin, cos): (f64, f64)| (sin.to_bits(), cos.to_bits());
                assert_eq!(bits((sin, cos)), bits(expected), "{instructions:?}: {x:e}");
            }
        }
    }

    #[test]
    fn neighbours_of_multiples_of_an_eighth_turn() {
        let mut near = Vec::new();
        for multiple in -40..=40 {
            let exact = f64::from(multiple) * (PI / 4.0);
            for power in 0..52 {
                let ulps = 1u64 << power;
                let bits = exact.to_bits();
                near.extend([bits.wrapping_add(ulps), bits.wrapping_sub(ulps), bits].map(f64::from_bits));
                near.extend([exact + (-f64::from(power)).exp2(), exact - (-f64::from(power)).exp2()]);
            }
        }
        near.retain(|x| x.is_finite());
        assert!(near.len() > 20_000);
        has_the_bits_of_libm(&near);
    }

    #[test]
    fn zeros_tiny_and_huge_numbers() {
        let powers = (-1074..=1023).map(|power| f64::from(power).exp2());
        let mut all: Vec<f64> = powers.flat_map(|x| [x, -x, x * 1.1, -x * 1.9]).collect();
        all.extend([0.0, -0.0, f64::MAX, f64::MIN, LARGEST, -LARGEST]);
        all.retain(|x| x.is_finite());
        has_the_bits_of_libm(&all);
    }

    /// The range of the arguments of free angles, evenly.
    #[test]
    fn most_arguments_take_the_common_way() {
        let all: Vec<f64> = (-150_000..=150_000).map(|k| f64::from(k) / 150_000.0 * 2.0 * PI).collect();
        has_the_bits_of_libm(&all);
        let others = all.iter().filter(|&&x| !common(x).2).count();
        assert!(others < 100, "{others}");
    }

    proptest! {
        #[test]
        fn ranges(
            near in prop::collection::vec(-7.5f64..7.5, 0..40), far in prop::collection::vec(-1e6f64..1e6, 0..9),
            huge in prop::collection::vec(prop::num::f64::NORMAL, 0..9),
        ) {
            has_the_bits_of_libm(&near);
            has_the_bits_of_libm(&[near, far, huge].concat());
        }
    }
}
