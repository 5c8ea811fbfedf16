//! Splits: training, validation and test records as functions of the id alone.

use crate::order::permutation::shuffle;
use crate::splitmix::mix;
use std::ops::Range;

/// A split consists of thousandths.
pub(crate) const PARTS: u64 = 1000;

/// A split: some thousandths of all ids, for any number of records. A corpus that grows keeps its
/// splits.
///
/// Ids are cut into blocks of 1000. The ids of block j are shuffled by [`shuffle`] with the key
/// mix(seed xor mix(j)), with the mix of a [`Permutation`](crate::Permutation). The ids at
/// positions within the split's range then belong to it.
///
/// Finding one id takes some microseconds; ids of one block are found together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    range: Range<u64>,
    seed: u64,
}

/// The members of a block: bit i of the words represents its i-th id.
#[derive(Clone, Copy)]
struct Members {
    block: u64,
    words: [u64; (PARTS as usize).div_ceil(64)],
}

impl Split {
    /// Returns the thousandths `range` of the splits with this seed.
    ///
    /// # Panics
    /// If the range is reversed or ends beyond 1000.
    pub fn new(range: Range<u64>, seed: u64) -> Split {
        assert!(range.start <= range.end && range.end <= PARTS, "thousandths from 0 to 1000");
        Split { range, seed }
    }

    /// Returns whether each of these ids belongs to the split.
    pub fn contains(&self, ids: impl IntoIterator<Item = u64>) -> Vec<bool> {
        let mut last = None;
        let contains = |id: u64| self.known(&mut last, id / PARTS).has(id % PARTS);
        ids.into_iter().map(contains).collect()
    }

    /// Returns the number of ids below `len` that belong to it.
    pub fn count(&self, len: u64) -> u64 {
        let whole = len / PARTS;
        let members = self.members(whole);
        whole * self.size() + (0..len % PARTS).filter(|&id| members.has(id)).count() as u64
    }

    /// Returns the ids at these positions of the split; they ascend with the positions.
    ///
    /// # Panics
    /// If the split is empty and a position is given, or an id would be above 2^64.
    pub fn ids(&self, places: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let size = self.size();
        let mut last = None;
        let id = |place: u64| {
            assert!(size > 0, "the split is empty");
            let members = self.known(&mut last, place / size);
            members.block * PARTS + members.id(place % size)
        };
        places.into_iter().map(id).collect()
    }

    /// Returns the number of ids of a whole block that belong to it.
    fn size(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Returns the members of a block; `last` caches the previous block.
    fn known<'l>(&self, last: &'l mut Option<Members>, block: u64) -> &'l Members {
        let known = last.take().filter(|members| members.block == block);
        last.insert(known.unwrap_or_else(|| self.members(block)))
    }

    fn members(&self, block: u64) -> Members {
        let mut ids: [u16; PARTS as usize] = std::array::from_fn(|id| id as u16);
        shuffle(mix(self.seed ^ mix(block)), &mut ids);
        let mut members = Members { block, words: Default::default() };
        for &id in &ids[self.range.start as usize..self.range.end as usize] {
            members.words[usize::from(id / 64)] |= 1 << (id % 64);
        }
        members
    }
}

impl Members {
    fn has(&self, id: u64) -> bool {
        self.words[(id / 64) as usize] >> (id % 64) & 1 == 1
    }

    /// Returns the member at position `place` of the block, which must exist.
    fn id(&self, place: u64) -> u64 {
        let (mut word, mut left) = (0, place as u32);
        while left >= self.words[word].count_ones() {
            left -= self.words[word].count_ones();
            word += 1;
        }
        let mut bits = self.words[word];
        for _ in 0..left {
            bits &= bits - 1;
        }
        word as u64 * 64 + u64::from(bits.trailing_zeros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn splits_partition(first in 0u64..=1000, second in 0u64..=1000, len in 0u64..5000, seed: u64) {
            let (first, second) = (first.min(second), first.max(second));
            let splits = [0..first, first..second, second..1000].map(|range| Split::new(range, seed));
            let mut seen = vec![0; len as usize];
            for split in &splits {
                let count = split.count(len);
                let ids = split.ids(0..count);
                prop_assert!(ids.is_sorted());
                prop_assert!(split.contains(ids.iter().copied()).iter().all(|&belongs| belongs));
                let belonging = split.contains(0..len).iter().filter(|&&belongs| belongs).count();
                prop_assert_eq!(belonging as u64, count);
                let backwards = split.ids((0..count).rev());
                prop_assert!(ids.iter().eq(backwards.iter().rev()));
                ids.iter().for_each(|&id| seen[id as usize] += 1);
            }
            prop_assert!(seen.iter().all(|&times| times == 1));
        }
    }

    #[test]
    fn whole_blocks_are_split_exactly() {
        let split = Split::new(100..350, 9);
        assert_eq!(split.count(1_000_000_000_000), 250_000_000_000);
        let far = split.ids([249_999_999_999]);
        assert_eq!((split.contains(far.clone()), split.count(far[0])), (vec![true], 249_999_999_999));
        assert_eq!(Split::new(5..5, 0).count(12_345), 0);
    }

    /// For ever: test records must not become training records.
    #[test]
    fn splits_are_frozen() {
        assert_eq!(Split::new(0..5, 0).ids([0, 1, 2, 3, 4]), [156, 221, 290, 847, 886]);
        assert_eq!(Split::new(900..1000, 7).ids([0, 1, 99, 100, 1_000_000]), [1, 13, 952, 1017, 10_000_001]);
    }

    /// Each id is as often in a tenth as any other, over many blocks: chi-square with 999 degrees
    /// of freedom, of a variable whose variance is 0.9 of its mean, stays below its 0.999999
    /// quantile.
    #[test]
    fn places_in_a_block_are_alike() {
        let (split, blocks) = (Split::new(300..400, 5), 20_000u64);
        let mut times = vec![0f64; 1000];
        split.ids(0..blocks * 100).iter().for_each(|id| times[(id % 1000) as usize] += 1.0);
        let mean = blocks as f64 / 10.0;
        let chi: f64 = times.iter().map(|n| (n - mean).powi(2) / (mean * 0.9)).sum();
        assert!(chi < 1220.0, "{chi}");
    }
}
