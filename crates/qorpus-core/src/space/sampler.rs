//! Samplers: circuits drawn by Philox words, several records at once.

use crate::circuit::Circuits;
use crate::random::philox::{BATCH, RandomWords, RangeProduct, blocks, draw};
use crate::simd::dispatch::{InstructionSet, SimdTask};
use std::ops::Range;
use std::sync::Arc;

/// The largest product of the ranges drawn from one word: a word is rejected once in 2^16 at most.
const PRODUCT_LIMIT: u64 = 1 << 48;

/// All short words over an alphabet, to draw several letters by one multiplication. The digits of
/// the number below A^k that is drawn from a word are the k letters that would be drawn one by one,
/// and the same fraction remains.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ShortWords {
    /// Letters of each word, at most eight.
    length: usize,
    /// The words in the order of their numbers, each padded with zeros.
    words: Arc<[[u16; 8]]>,
}

impl ShortWords {
    /// The most words, few enough to stay in the first-level cache.
    const MAX_WORDS: usize = 1024;

    fn new(letters: usize) -> ShortWords {
        let mut length = 0;
        while length < 8 && letters.pow(length as u32 + 1) <= ShortWords::MAX_WORDS {
            length += 1;
        }
        let word = |mut number: usize| {
            let mut word = [0; 8];
            for letter in word[..length].iter_mut().rev() {
                *letter = (number % letters) as u16;
                number /= letters;
            }
            word
        };
        ShortWords { length, words: (0..letters.pow(length as u32)).map(word).collect() }
    }

    /// Draws at least `count` letters and writes them to the beginning of `to`, which must have
    /// room for 8 more than `count`.
    #[inline(always)]
    fn draw(&self, mut word: u64, count: usize, to: &mut [u16]) {
        let mut drawn = 0;
        while drawn < count {
            let number = draw(&mut word, self.words.len() as u64);
            to[drawn..drawn + 8].copy_from_slice(&self.words[number as usize]);
            drawn += self.length;
        }
    }
}

/// A sampler of circuits: a length uniform in a range, then that many letters uniform in the
/// alphabet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sampler {
    key: [u32; 2],
    letters: u64,
    shortest: u64,
    lengths: u64,
    /// The letters drawn from the first word after the length, and the product of all ranges.
    first: (usize, RangeProduct),
    /// The letters drawn from every further word, likewise.
    further: (usize, RangeProduct),
    short_words: ShortWords,
}

impl Sampler {
    /// Returns a sampler over `letters` letters and lengths `shortest..=longest`, both far below
    /// 2^17.
    pub(crate) fn new(seed: u64, letters: usize, shortest: usize, longest: usize) -> Sampler {
        let short_words = ShortWords::new(letters);
        let letters = letters as u64;
        let lengths = (longest - shortest + 1) as u64;
        let fill = |start: u64| {
            let (mut product, mut count) = (start, 0);
            // An alphabet of one letter leaves nothing to draw; 64 letters a word is an arbitrary
            // bound.
            while product * letters <= PRODUCT_LIMIT && count < 64 {
                product *= letters;
                count += 1;
            }
            (count, RangeProduct::new(product))
        };
        let (first, further) = (fill(lengths), fill(1));
        let key = [seed as u32, (seed >> 32) as u32];
        Sampler { key, letters, shortest: shortest as u64, lengths, first, further, short_words }
    }

    /// Appends the records with these indices.
    pub(crate) fn circuits(&self, indices: Range<u64>, out: &mut Circuits) {
        InstructionSet::best().run(Draws { sampler: self, indices, out });
    }

    fn one_by_one(&self, indices: Range<u64>, out: &mut Circuits) {
        let (letters, ends) = out.buffers();
        for index in indices {
            self.circuit(index, letters);
            ends.push(letters.len());
        }
    }

    /// Appends the records from `first` on. Nearly all are determined by the first word of the
    /// first block.
    #[inline(always)]
    fn batch(&self, first: u64, out: &mut Circuits) {
        let [words, _] = blocks(first, 0, self.key);
        let (letters, ends) = out.buffers();
        let (most, product) = self.first;
        let room = most + 8;
        let mut end = letters.len();
        letters.resize(end + BATCH * room, 0);
        for (k, mut word) in words.into_iter().enumerate() {
            let accepted = word.wrapping_mul(product.value) >= product.threshold;
            let length = (self.shortest + draw(&mut word, self.lengths)) as usize;
            if accepted && length <= most {
                self.short_words.draw(word, length, &mut letters[end..end + length + 8]);
                end += length;
            } else {
                letters.truncate(end);
                self.circuit(first + k as u64, letters);
                end = letters.len();
                letters.resize(end + BATCH * room, 0);
            }
            ends.push(end);
        }
        letters.truncate(end);
    }

    /// Appends the letters of record `index` to `out`.
    pub(crate) fn circuit(&self, index: u64, out: &mut Vec<u16>) {
        let mut words = RandomWords::new(self.key, index);
        let (mut in_word, product) = self.first;
        let mut word = words.unbiased(product);
        let mut missing = (self.shortest + draw(&mut word, self.lengths)) as usize;
        loop {
            let now = missing.min(in_word);
            out.extend((0..now).map(|_| draw(&mut word, self.letters) as u16));
            missing -= now;
            if missing == 0 {
                return;
            }
            in_word = self.further.0;
            word = words.unbiased(self.further.1);
        }
    }
}

/// A range of records to draw.
struct Draws<'a> {
    sampler: &'a Sampler,
    indices: Range<u64>,
    out: &'a mut Circuits,
}

impl SimdTask for Draws<'_> {
    #[inline(always)]
    fn run<const SET: u8>(self) {
        let Range { mut start, end } = self.indices;
        // A very large alphabet has no table, and a batch gains nothing if a first word never
        // determines a record.
        let gains =
            self.sampler.short_words.length > 0 && self.sampler.shortest <= self.sampler.first.0 as u64;
        while gains && end.saturating_sub(start) >= BATCH as u64 {
            self.sampler.batch(start, self.out);
            start += BATCH as u64;
        }
        self.sampler.one_by_one(start..end, self.out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_what_is_drawn_one_by_one() {
        let small = [(1, 0, 9), (2, 10, 10), (3, 0, 70), (5, 10, 10), (33, 2, 20)];
        let large = [(1024, 3, 5), (1025, 3, 5), (65_535, 1, 4)];
        for (letters, shortest, longest) in small.into_iter().chain(large) {
            let mut sampler = Sampler::new(7, letters, shortest, longest);
            for threshold in [sampler.first.1.threshold, 1 << 62] {
                // A higher threshold makes every fourth word one that is rejected.
                sampler.first.1.threshold = threshold;
                let mut expected = Circuits::default();
                sampler.one_by_one(5..1000, &mut expected);
                for instructions in InstructionSet::all() {
                    let mut circuits = Circuits::default();
                    instructions.run(Draws { sampler: &sampler, indices: 5..1000, out: &mut circuits });
                    assert_eq!(circuits, expected, "{instructions:?}, {letters} letters");
                }
            }
        }
    }

    #[test]
    fn draws_are_unbiased_on_every_word_that_is_accepted() {
        // The same argument on 8-bit words can be checked exhaustively: ranges 3 and 5 from one
        // byte.
        let (product, mut seen) = (15u8, [[0; 5]; 3]);
        for byte in 0..=255u8 {
            if byte.wrapping_mul(product) >= product.wrapping_neg() % product {
                let three = u16::from(byte) * 3;
                let five = (three & 255) * 5;
                seen[usize::from(three >> 8)][usize::from(five >> 8)] += 1;
            }
        }
        assert_eq!(seen, [[17; 5]; 3]);
    }

    #[test]
    fn lengths_and_letters_are_uniform() {
        let sampler = Sampler::new(7, 5, 2, 5);
        let (mut lengths, mut letters, mut total) = ([0u32; 6], [0u32; 5], 0);
        for index in 0..40_000 {
            let mut circuit = Vec::new();
            sampler.circuit(index, &mut circuit);
            lengths[circuit.len()] += 1;
            total += circuit.len();
            circuit.iter().for_each(|&letter| letters[usize::from(letter)] += 1);
        }
        // Six standard deviations of a binomial count.
        let near = |count: u32, of: f64, p: f64| {
            (f64::from(count) - of * p).abs() < 6.0 * (of * p * (1.0 - p)).sqrt()
        };
        assert_eq!(lengths[..2], [0, 0]);
        assert!(lengths[2..].iter().all(|&n| near(n, 40_000.0, 0.25)), "{lengths:?}");
        assert!(letters.iter().all(|&n| near(n, total as f64, 0.2)), "{letters:?}");
    }
}
