//! Scrambled words: the finaliser of `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014).

/// 2^64 divided by the golden ratio, rounded to an odd number: its multiples are far apart.
pub(crate) const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Scrambles a word.
pub(crate) fn mix(word: u64) -> u64 {
    let word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ word >> 31
}

/// Maps a word to a number below `modulus`: the high word of their product.
pub(crate) fn below(word: u64, modulus: u64) -> u64 {
    ((u128::from(word) * u128::from(modulus)) >> 64) as u64
}
