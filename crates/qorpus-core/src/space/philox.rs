//! The counter-based generator of random circuits: Philox4x32-10 and unbiased draws from its words.
//!
//! Philox: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
//! SC'11. Several draws from one word: N. Brackett-Rozinsky, D. Lemire, "Batched ranged random
//! integer generation", Software: Practice and Experience, 2024. `docs/format.md` says how the two
//! are put together.

use std::array;

/// One block of Philox4x32-10: 128 random bits that depend on `counter` and `key` alone.
#[inline]
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

/// The number of records whose first blocks are computed at once.
pub(crate) const BATCH: usize = 8;

/// The first block of each of the records from `first` on, as two words.
///
/// Numbers of 32 bits stand in the low halves of 64 bits, as vector multiplications take them. The
/// high halves do not matter until the end.
#[inline(always)]
pub(crate) fn first_blocks(first: u64, key: [u32; 2]) -> [[u64; BATCH]; 2] {
    const LOW: u64 = u32::MAX as u64;
    let mut counter = [[0u64; BATCH]; 4];
    counter[0] = array::from_fn(|k| first.wrapping_add(k as u64));
    counter[1] = counter[0].map(|record| record >> 32);
    let mut key = key;
    for _ in 0..10 {
        let keys = key.map(u64::from);
        let mut next = [[0u64; BATCH]; 4];
        for k in 0..BATCH {
            let a = (counter[0][k] & LOW) * 0xD251_1F53;
            let b = (counter[2][k] & LOW) * 0xCD9E_8D57;
            next[0][k] = (b >> 32) ^ counter[1][k] ^ keys[0];
            next[1][k] = b;
            next[2][k] = (a >> 32) ^ counter[3][k] ^ keys[1];
            next[3][k] = a;
        }
        counter = next;
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    let mut words = [[0; BATCH]; 2];
    for k in 0..BATCH {
        words[0][k] = counter[0][k] & LOW | counter[1][k] << 32;
        words[1][k] = counter[2][k] & LOW | counter[3][k] << 32;
    }
    words
}

/// The 64-bit words of one record: block b of the record holds words 2b and 2b + 1.
pub(crate) struct RandomWords {
    key: [u32; 2],
    record: u64,
    next_block: u32,
    spare: Option<u64>,
}

impl RandomWords {
    /// The words of `record`, from the first on.
    pub(crate) fn new(key: [u32; 2], record: u64) -> RandomWords {
        RandomWords { key, record, next_block: 0, spare: None }
    }

    #[inline]
    fn next(&mut self) -> u64 {
        if let Some(word) = self.spare.take() {
            return word;
        }
        let counter = [self.record as u32, (self.record >> 32) as u32, self.next_block, 0];
        let [a, b, c, d] = philox(counter, self.key);
        self.next_block += 1;
        self.spare = Some(u64::from(c) | u64::from(d) << 32);
        u64::from(a) | u64::from(b) << 32
    }

    /// A word from which draws whose ranges multiply to `product` are unbiased.
    pub(crate) fn unbiased(&mut self, product: RangeProduct) -> u64 {
        loop {
            let word = self.next();
            if word.wrapping_mul(product.value) >= product.threshold {
                return word;
            }
        }
    }
}

/// The product of the ranges drawn from one word, and 2^64 modulo it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RangeProduct {
    pub(crate) value: u64,
    pub(crate) threshold: u64,
}

impl RangeProduct {
    pub(crate) fn new(value: u64) -> RangeProduct {
        RangeProduct { value, threshold: value.wrapping_neg() % value }
    }
}

/// Takes a number below `range` from the fraction `word` / 2^64 and leaves the rest of the
/// fraction.
#[inline]
pub(crate) fn draw(word: &mut u64, range: u64) -> u64 {
    let wide = u128::from(*word) * u128::from(range);
    *word = wide as u64;
    (wide >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers published with Random123 (`kat_vectors`).
    #[test]
    fn philox_known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(philox([!0; 4], [!0; 2]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
        assert_eq!(
            philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        );
    }

    #[test]
    fn blocks_of_many_records_are_those_of_each() {
        for first in [0, (1 << 32) - 3, 1 << 62] {
            let words = first_blocks(first, [7, 8]);
            for (k, record) in (first..first + 8).enumerate() {
                let [a, b, c, d] =
                    philox([record as u32, (record >> 32) as u32, 0, 0], [7, 8]).map(u64::from);
                assert_eq!([words[0][k], words[1][k]], [a | b << 32, c | d << 32]);
            }
        }
    }
}
