//! Keyed orders of the numbers below any length, without a table.

use crate::splitmix::{GOLDEN, below, mix};
use std::array::from_fn;

/// The rounds of the network. Four look random to any observer; twice as many cost little.
const ROUNDS: usize = 8;

/// A keyed bijection of `0..len`: a shuffled order in which any position is found in constant time
/// and memory.
///
/// It is a Feistel network over pairs (l, r) with l below a and r below b, where a =
/// ceil(sqrt(len)) and b = ceil(len / a): index i is the pair (i div b, i mod b). Even rounds
/// replace l by (l + F(r)) mod a, odd ones r by (r + F(l)) mod b. Results that are not below `len`,
/// of which there are fewer than a, are mapped again until they are: Black and Rogaway, *Ciphers
/// with arbitrary finite domains*, CT-RSA 2002. F(x) in round k is the high word of the 128-bit
/// product of mix(x xor key k) and the modulus; mix is the finaliser of `SplitMix64` (Steele, Lea
/// and Flood, OOPSLA 2014), and key k is mix(seed + (k + 1) * 0x9e3779b97f4a7c15), modulo 2^64.
///
/// The order of a length and a seed never changes. It is for shuffling, not for secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permutation {
    len: u64,
    a: u64,
    b: u64,
    /// The keys of an even round and the odd one behind it.
    keys: [[u64; 2]; ROUNDS / 2],
}

impl Permutation {
    /// Creates the order of `0..len` with this seed.
    ///
    /// # Panics
    /// If `len` is 0 or more than 2^63.
    pub fn new(len: u64, seed: u64) -> Permutation {
        assert!((1..=1 << 63).contains(&len), "a permutation of 1 to 2^63 numbers");
        let floor = len.isqrt();
        let a = if floor * floor < len { floor + 1 } else { floor };
        let key = |round: usize| mix(seed.wrapping_add((round as u64 + 1).wrapping_mul(GOLDEN)));
        let keys = from_fn(|pair| [key(2 * pair), key(2 * pair + 1)]);
        Permutation { len, a, b: len.div_ceil(a), keys }
    }

    /// Returns how many numbers represent a unitary.
    #[expect(clippy::len_without_is_empty, reason = "a permutation is never empty")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns the number at position `index`.
    ///
    /// # Panics
    /// If `index` is not below the length.
    pub fn apply(&self, index: u64) -> u64 {
        assert!(index < self.len, "place {index} of {}", self.len);
        let mut at = index;
        loop {
            let (mut l, mut r) = (at / self.b, at % self.b);
            for [even, odd] in self.keys {
                l = add(l, below(mix(r ^ even), self.a), self.a);
                r = add(r, below(mix(l ^ odd), self.b), self.b);
            }
            at = l * self.b + r;
            if at < self.len {
                return at;
            }
        }
    }

    /// Returns the position of `number`.
    ///
    /// # Panics
    /// If `number` is not below the length.
    pub fn invert(&self, number: u64) -> u64 {
        assert!(number < self.len, "number {number} of {}", self.len);
        let mut at = number;
        loop {
            let (mut l, mut r) = (at / self.b, at % self.b);
            for [even, odd] in self.keys.into_iter().rev() {
                r = subtract(r, below(mix(l ^ odd), self.b), self.b);
                l = subtract(l, below(mix(r ^ even), self.a), self.a);
            }
            at = l * self.b + r;
            if at < self.len {
                return at;
            }
        }
    }
}

/// Shuffles items in memory by the method of Fisher and Yates (Durstenfeld, Algorithm 235, CACM 7,
/// 1964), several times as fast as a [`Permutation`] is applied. For i from the last position down
/// to 1, the items at i and at floor(w(i)·(i + 1) / 2^64) are exchanged, with w(i) = mix(key +
/// i·0x9e3779b97f4a7c15), modulo 2^64, and the same mix.
///
/// The order for a key and a number of items never changes.
pub fn shuffle<T>(key: u64, items: &mut [T]) {
    for place in (1..items.len()).rev() {
        let word = mix(key.wrapping_add((place as u64).wrapping_mul(GOLDEN)));
        items.swap(place, below(word, place as u64 + 1) as usize);
    }
}

/// Returns the sum of two numbers below `modulus`, which is at most 2^32.
fn add(a: u64, b: u64, modulus: u64) -> u64 {
    let sum = a + b;
    if sum >= modulus { sum - modulus } else { sum }
}

fn subtract(a: u64, b: u64, modulus: u64) -> u64 {
    add(a, modulus - b, modulus)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Orders never change: a resumed stream continues in its order.
    #[test]
    fn orders_are_frozen() {
        let order = |len, seed| (0..len).map(|i| Permutation::new(len, seed).apply(i)).collect::<Vec<_>>();
        assert_eq!(order(1, 7), [0]);
        assert_eq!(order(17, 0), [7, 11, 16, 0, 13, 2, 12, 15, 14, 8, 10, 9, 1, 6, 3, 5, 4]);
        let far = Permutation::new((1 << 40) + 1, 1);
        let places = [0, 1, 1 << 40].map(|i| far.apply(i));
        assert_eq!(places, [123_622_166_538, 264_984_225_515, 438_211_118_230]);
    }

    #[test]
    fn shuffles_are_frozen() {
        let shuffled = |key, len| {
            let mut items: Vec<u64> = (0..len).collect();
            shuffle(key, &mut items);
            items
        };
        assert_eq!((shuffled(1, 0), shuffled(1, 1)), (vec![], vec![0]));
        assert_eq!(shuffled(7, 10), [6, 4, 0, 7, 5, 8, 9, 3, 2, 1]);
        let mut all = shuffled(3, 1000);
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
    }

    /// The place of the first number, over many seeds, is spread evenly: chi-square with 15 degrees
    /// of freedom stays below its 0.999999 quantile, and so does that of pairs.
    #[test]
    fn places_are_spread_evenly() {
        let (len, seeds) = (16u64, 64_000u64);
        let (mut first, mut pairs) = (vec![0f64; 16], vec![0f64; 16]);
        for seed in 0..seeds {
            let order = Permutation::new(len, seed);
            let (a, b) = (order.apply(0), order.apply(1));
            first[a as usize] += 1.0;
            pairs[((a + 16 - b) % 16) as usize] += 1.0;
        }
        let expected = seeds as f64 / 16.0;
        let chi: f64 = first.iter().map(|n| (n - expected).powi(2) / expected).sum();
        assert!(chi < 58.0, "{chi}");
        let expected = seeds as f64 / 15.0;
        let chi: f64 = pairs[1..].iter().map(|n| (n - expected).powi(2) / expected).sum();
        assert!(chi < 56.0 && pairs[0] == 0.0, "{chi}");
    }

    proptest! {
        #[test]
        fn every_number_once(len in prop_oneof![1u64..3000, Just(1024), Just(1025), Just(2048), Just(2049)], seed: u64) {
            let order = Permutation::new(len, seed);
            let mut seen = vec![false; len as usize];
            for index in 0..len {
                let number = order.apply(index);
                prop_assert!(!std::mem::replace(&mut seen[number as usize], true));
                prop_assert_eq!(order.invert(number), index);
            }
        }

        #[test]
        fn far_numbers_come_back(power in 12u32..=63, off in -1i64..=1, seed: u64, at: u64) {
            let len = (1u64 << power).saturating_add_signed(off).min(1 << 63);
            let order = Permutation::new(len, seed);
            prop_assert_eq!(order.invert(order.apply(at % len)), at % len);
        }
    }
}
