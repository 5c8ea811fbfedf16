//! Splits: training, validation and test records as functions of the id alone.

use crate::Permutation;
use crate::permutation::mix;
use std::ops::Range;

/// Splits are made of thousandths.
const PARTS: u64 = 1000;

/// Some thousandths of all ids, whatever the number of records: a corpus that grows keeps its splits.
///
/// Ids are cut into blocks of 1000. In block j an id belongs to the split if its place under the
/// [`Permutation`] of 1000 with the seed mix(seed xor mix(j)) is in the split's range; mix is that of the permutation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    range: Range<u64>,
    seed: u64,
}

impl Split {
    /// The thousandths `range` of the splits with this seed.
    ///
    /// # Panics
    /// If the range is reversed or ends beyond 1000.
    pub fn new(range: Range<u64>, seed: u64) -> Split {
        assert!(range.start <= range.end && range.end <= PARTS, "thousandths from 0 to 1000");
        Split { range, seed }
    }

    /// Whether the record with this id belongs to the split.
    pub fn contains(&self, id: u64) -> bool {
        self.range.contains(&self.order(id / PARTS).invert(id % PARTS))
    }

    /// How many ids below `len` belong to it.
    pub fn count(&self, len: u64) -> u64 {
        let whole = len / PARTS * (self.range.end - self.range.start);
        whole + self.members(len / PARTS).iter().filter(|&&member| member < len % PARTS).count() as u64
    }

    /// The `place`-th of its ids, which ascend.
    ///
    /// # Panics
    /// If the split is empty, or the id would be beyond 2^64.
    pub fn id(&self, place: u64) -> u64 {
        let size = self.range.end - self.range.start;
        assert!(size > 0, "the split is empty");
        let block = place / size;
        block * PARTS + self.members(block)[(place % size) as usize]
    }

    /// The ids at several places, as [`id`](Split::id) gives them; cheaper where neighbours share a block.
    ///
    /// # Panics
    /// As [`id`](Split::id).
    pub fn ids(&self, places: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let size = (self.range.end - self.range.start).max(1);
        let mut last = None;
        let id = |place: u64| {
            let block = place / size;
            if last.as_ref().is_none_or(|(known, _)| *known != block) {
                last = Some((block, self.members(block)));
            }
            let members: &[u64] = last.as_ref().map_or(&[], |(_, members)| members);
            block * PARTS + members[(place % size) as usize]
        };
        places.into_iter().map(id).collect()
    }

    fn order(&self, block: u64) -> Permutation {
        Permutation::new(PARTS, mix(self.seed ^ mix(block)))
    }

    /// The members of a block, ascending.
    fn members(&self, block: u64) -> Vec<u64> {
        let order = self.order(block);
        let mut members: Vec<u64> = self.range.clone().map(|place| order.apply(place)).collect();
        members.sort_unstable();
        members
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
                for (place, &id) in ids.iter().enumerate() {
                    prop_assert!(split.contains(id));
                    prop_assert_eq!(split.id(place as u64), id);
                    seen[id as usize] += 1;
                }
            }
            prop_assert!(seen.iter().all(|&times| times == 1));
        }
    }

    #[test]
    fn whole_blocks_are_split_exactly() {
        let split = Split::new(100..350, 9);
        assert_eq!(split.count(1_000_000_000_000), 250_000_000_000);
        assert!(split.contains(split.id(249_999_999_999)));
        assert_eq!(Split::new(5..5, 0).count(12_345), 0);
    }
}
