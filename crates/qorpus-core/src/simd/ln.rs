//! The natural logarithm without branches, with the bits of [`libm::log`].
//!
//! As in [`sincos`](mod@crate::simd::sincos), the compiler turns loops of it into vector
//! instructions. The algorithm is that of fdlibm (Sun Microsystems 1993; FreeBSD's `e_log.c`), which
//! `libm` follows.

/// Returns the logarithm of a number between 2^-1022 and 1, without both.
#[inline(always)]
pub(crate) fn ln(x: f64) -> f64 {
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
