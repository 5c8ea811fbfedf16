//! The arc cosine of many numbers at once, with the bits of [`libm::acos`].
//!
//! As in [`sincos`](mod@crate::simd::sincos), selections replace the branches of `libm`, which cannot
//! be predicted for random numbers. The algorithm is that of fdlibm (Sun Microsystems 1993;
//! FreeBSD's `e_acos.c`): a rational function of x^2 near 0, and of (1 - |x|) / 2 elsewhere.

/// π/2 as a sum.
const PIO2: [f64; 2] = [f64::from_bits(0x3FF9_21FB_5444_2D18), f64::from_bits(0x3C91_A626_3314_5C07)];
/// The coefficients of z, z^2, ... in the numerator.
const NUMERATOR: [f64; 6] = [
    f64::from_bits(0x3FC5_5555_5555_5555),
    f64::from_bits(0xBFD4_D612_03EB_6F7D),
    f64::from_bits(0x3FC9_C155_0E88_4455),
    f64::from_bits(0xBFA4_8228_B568_8F3B),
    f64::from_bits(0x3F49_EFE0_7501_B288),
    f64::from_bits(0x3F02_3DE1_0DFD_F709),
];
/// The coefficients of z, z^2, ... in the denominator, which begins with 1.
const DENOMINATOR: [f64; 4] = [
    f64::from_bits(0xC003_3A27_1C8A_2D4B),
    f64::from_bits(0x4000_2AE5_9C59_8AC8),
    f64::from_bits(0xBFE6_066C_1B8D_0159),
    f64::from_bits(0x3FB3_B8C5_B12E_9282),
];

/// Replaces each number, in [-1, 1], by its arc cosine.
#[inline(always)]
pub(crate) fn acos(numbers: &mut [f64]) {
    // The compiler makes vectors of a loop without branches.
    for number in numbers {
        *number = of(*number);
    }
}

#[inline(always)]
fn of(x: f64) -> f64 {
    let is_near_zero = x.abs() < 0.5;
    let z = if is_near_zero { x * x } else { (1.0 - x.abs()) * 0.5 };
    let [p0, p1, p2, p3, p4, p5] = NUMERATOR;
    let [q1, q2, q3, q4] = DENOMINATOR;
    let p = z * (p0 + z * (p1 + z * (p2 + z * (p3 + z * (p4 + z * p5)))));
    let ratio = p / (1.0 + z * (q1 + z * (q2 + z * (q3 + z * q4))));

    let near_zero = PIO2[0] - (x - (PIO2[1] - x * ratio));
    let root = z.sqrt();
    let near_minus_one = 2.0 * (PIO2[0] - (root + (ratio * root - PIO2[1])));
    let upper = f64::from_bits(root.to_bits() & (u64::MAX << 32));
    // At 1 both terms are zero.
    let lower = if root == 0.0 { 0.0 } else { (z - upper * upper) / (root + upper) };
    let near_one = 2.0 * (upper + (ratio * root + lower));
    let far = if x < 0.0 { near_minus_one } else { near_one };
    if is_near_zero { near_zero } else { far }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::dispatch::{InstructionSet, SimdTask};
    use proptest::prelude::*;

    struct Task<'a>(&'a mut [f64]);

    impl SimdTask for Task<'_> {
        #[inline(always)]
        fn run<const SET: u8>(self) {
            acos(self.0);
        }
    }

    fn has_the_bits_of_libm(x: &[f64]) {
        for instructions in InstructionSet::all() {
            let mut numbers = x.to_vec();
            instructions.run(Task(&mut numbers));
            for (x, number) in x.iter().zip(numbers) {
                assert_eq!(number.to_bits(), libm::acos(*x).to_bits(), "{instructions:?}: {x:e}");
            }
        }
    }

    #[test]
    fn boundaries_and_powers() {
        let mut all = vec![0.0, -0.0, 1.0, -1.0, 0.5, -0.5];
        for power in 0..1074 {
            let step = (-f64::from(power)).exp2();
            all.extend([step, 1.0 - step, 0.5 - step, (0.5 + step).min(1.0)]);
        }
        all.extend(all.clone().iter().map(|x| -x));
        has_the_bits_of_libm(&all);
    }

    proptest! {
        #[test]
        fn anywhere(x in prop::collection::vec(-1.0f64..=1.0, 0..40), words in prop::collection::vec(any::<u64>(), 0..40)) {
            has_the_bits_of_libm(&x);
            let drawn: Vec<_> = words.iter().map(|word| (word >> 11) as f64 / (1u64 << 52) as f64 - 1.0).collect();
            has_the_bits_of_libm(&drawn);
        }
    }
}
