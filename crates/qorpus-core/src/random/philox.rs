//! The counter-based generator of random circuits: Philox4x32-10 and unbiased draws from its words.
//!
//! Philox: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
//! SC'11. Several draws from one word: N. Brackett-Rozinsky, D. Lemire, "Batched ranged random
//! integer generation", Software: Practice and Experience, 2024. `docs/format.md` specifies how the
//! two are combined.

use std::array;

/// The number of records whose first blocks are computed at once.
pub(crate) const BATCH: usize = 8;

/// Returns a block of Philox4x32-10 for each of `N` counters, as two words: 128 random bits that
/// depend on the counter and `key` alone.
///
/// Numbers of 32 bits are in the low halves of 64 bits, as vector multiplications need them. The
/// high halves do not matter until the end.
#[inline(always)]
fn philox<const N: usize>(mut counter: [[u64; N]; 4], mut key: [u32; 2]) -> [[u64; N]; 2] {
    const LOW: u64 = u32::MAX as u64;
    for _ in 0..10 {
        let keys = key.map(u64::from);
        let mut next = [[0u64; N]; 4];
        for k in 0..N {
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
    let mut words = [[0; N]; 2];
    for k in 0..N {
        words[0][k] = counter[0][k] & LOW | counter[1][k] << 32;
        words[1][k] = counter[2][k] & LOW | counter[3][k] << 32;
    }
    words
}

/// Returns block number `block` of each of the records from `first` on, as two words.
#[inline(always)]
pub(crate) fn blocks(first: u64, block: u64, key: [u32; 2]) -> [[u64; BATCH]; 2] {
    let records: [u64; BATCH] = array::from_fn(|k| first.wrapping_add(k as u64));
    philox([records, records.map(|record| record >> 32), [block; BATCH], [0; BATCH]], key)
}

/// Returns a block of the free angles of each of `records`, the ones with these numbers, as two
/// words.
#[inline(always)]
pub(crate) fn blocks_of_angles(
    records: &[u64; BATCH],
    blocks: &[u64; BATCH],
    key: [u32; 2],
) -> [[u64; BATCH]; 2] {
    philox([*records, records.map(|record| record >> 32), *blocks, [1; BATCH]], key)
}

/// Returns the blocks of one record from number `block` on, as two words each. `sequence` is the last
/// word of the counter.
#[inline(always)]
pub(crate) fn blocks_of_record(record: u64, block: u64, sequence: u64, key: [u32; 2]) -> [[u64; BATCH]; 2] {
    let numbers = array::from_fn(|k| block + k as u64);
    philox([[record; BATCH], [record >> 32; BATCH], numbers, [sequence; BATCH]], key)
}

/// Writes the words of each of the records from `first` on to `to`, from the first word of block
/// number `block` on. The number of words is even.
///
/// Many blocks in a loop of their own are nearly twice as fast as one block here and one there, which
/// the compiler vectorizes badly.
#[inline(always)]
pub(crate) fn consecutive_blocks(first: u64, block: u64, key: [u32; 2], to: &mut [[u64; BATCH]]) {
    for (number, words) in (block..).zip(to.as_chunks_mut::<2>().0) {
        *words = blocks(first, number, key);
    }
}

/// Returns a number below `range` that depends on `record` and `key` alone, and not on the record's
/// letters: its words have 2 as the last word of the counter.
#[cfg(feature = "environments")]
pub(crate) fn number_below(record: u64, key: [u32; 2], range: u64) -> u64 {
    let product = RangeProduct::new(range);
    let words = (0..).flat_map(|block| philox([[record], [record >> 32], [block], [2]], key));
    // Infinitely many words, nearly all of which are accepted.
    let accepted = words.map(|[word]| word).find(|word| word.wrapping_mul(range) >= product.threshold);
    draw(&mut accepted.unwrap_or_default(), range)
}

/// The 64-bit words of one record: block b of the record holds words 2b and 2b + 1.
pub(crate) struct RandomWords {
    key: [u32; 2],
    record: u64,
    next_block: u64,
    spare: Option<u64>,
}

impl RandomWords {
    /// Returns the words of `record`, from the first on.
    pub(crate) fn new(key: [u32; 2], record: u64) -> RandomWords {
        RandomWords { key, record, next_block: 0, spare: None }
    }

    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        if let Some(word) = self.spare.take() {
            return word;
        }
        let counter = [[self.record], [self.record >> 32], [self.next_block], [0]];
        let [[word], [spare]] = philox(counter, self.key);
        self.next_block += 1;
        self.spare = Some(spare);
        word
    }

    /// Returns a word from which draws whose ranges multiply to `product` are unbiased.
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
        let philox = |counter: [u32; 4], key| philox(counter.map(|part| [part.into()]), key);
        assert_eq!(philox([0; 4], [0; 2]), [[0xe169_c58d_6627_e8d5], [0x9b00_dbd8_bc57_ac4c]]);
        assert_eq!(philox([!0; 4], [!0; 2]), [[0x41c8_3b0e_408f_276d], [0x6d54_51fd_a20b_c7c6]]);
        let counter = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let words = [[0x94fd_cceb_d16c_fe09], [0x2412_6ea1_5001_e420]];
        assert_eq!(philox(counter, [0xa409_3822, 0x299f_31d0]), words);
    }

    #[test]
    fn blocks_of_many_records_are_those_of_each() {
        for first in [0, (1 << 32) - 3, 1 << 62] {
            for (k, record) in (first..first + 8).enumerate() {
                let mut one = RandomWords::new([7, 8], record);
                let mut many = [[0; BATCH]; 6];
                consecutive_blocks(first, 0, [7, 8], &mut many);
                for block in 0..3 {
                    let words = blocks(first, block, [7, 8]);
                    assert_eq!([words[0][k], words[1][k]], [one.next(), one.next()]);
                    assert_eq!(many[2 * block as usize..][..2], words);
                    let own = blocks_of_record(record, 0, 0, [7, 8]);
                    assert_eq!([words[0][k], words[1][k]], own.map(|words| words[block as usize]));
                }
            }
        }
    }
}
