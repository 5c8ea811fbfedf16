//! The ids of the records of a growing corpus at one moment.

use std::ops::Range;

/// The ids of the records that existed at some moment. Each has a position among them, counted from
/// 0 in the order of ids.
///
/// Takes memory for their ranges, of which a sharded corpus has one a shard at most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Present {
    ranges: Vec<Range<u64>>,
    /// For each range, the number of ids in earlier ranges.
    before: Vec<u64>,
    len: u64,
}

impl Present {
    /// Returns the ids of ranges in any order, which may overlap.
    pub fn new(ranges: impl IntoIterator<Item = Range<u64>>) -> Present {
        let mut given: Vec<Range<u64>> = ranges.into_iter().filter(|ids| !ids.is_empty()).collect();
        given.sort_unstable_by_key(|ids| ids.start);
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for ids in given {
            match ranges.last_mut() {
                Some(last) if ids.start <= last.end => last.end = last.end.max(ids.end),
                _ => ranges.push(ids),
            }
        }
        let mut len = 0;
        let before = ranges.iter().map(|ids| {
            let before = len;
            len += ids.end - ids.start;
            before
        });
        Present { before: before.collect(), ranges, len }
    }

    /// Returns the number of ids.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns them as ascending ranges that do not touch.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// Returns the first id of `others` that is not among them.
    pub fn first_without(&self, others: &Present) -> Option<u64> {
        others.ranges.iter().find_map(|ids| {
            let place = self.ranges.partition_point(|own| own.end <= ids.start);
            match self.ranges.get(place) {
                Some(own) if own.start <= ids.start && ids.end <= own.end => None,
                Some(own) if own.start <= ids.start => Some(own.end),
                _ => Some(ids.start),
            }
        })
    }

    /// Returns the ids at these positions, as ranges.
    ///
    /// # Panics If there are fewer.
    pub fn at(&self, places: Range<u64>) -> Vec<Range<u64>> {
        assert!(places.end <= self.len, "places {places:?} of {}", self.len);
        let (mut runs, mut next) = (Vec::new(), places.start);
        let mut number = self.before.partition_point(|&before| before <= next).saturating_sub(1);
        while next < places.end {
            let (ids, before) = (&self.ranges[number], self.before[number]);
            let end = ids.end.min(ids.start + (places.end - before));
            runs.push(ids.start + (next - before)..end);
            next = before + (end - ids.start);
            number += 1;
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_among_the_ids() {
        let present = Present::new([40..50, 0..5, 3..10, 60..60, 10..12, 70..71]);
        assert_eq!(present.ranges(), [0..12, 40..50, 70..71]);
        let ids: Vec<u64> = present.ranges().iter().cloned().flatten().collect();
        assert_eq!((present.len(), present.is_empty()), (ids.len() as u64, false));
        for start in 0..=ids.len() {
            for end in start..=ids.len() {
                let runs = present.at(start as u64..end as u64);
                assert!(runs.iter().all(|run| !run.is_empty()));
                assert_eq!(runs.into_iter().flatten().collect::<Vec<_>>(), ids[start..end]);
            }
        }
        assert!(Present::default().is_empty() && Present::default().at(0..0).is_empty());
    }

    #[test]
    fn what_is_not_there_is_found() {
        let present = Present::new([10..20, 30..40]);
        let without = |ranges: &[Range<u64>]| present.first_without(&Present::new(ranges.iter().cloned()));
        assert_eq!(without(&[10..20, 31..35]), None);
        assert_eq!(without(&[]), None);
        assert_eq!(without(&[9..12, 12..13]), Some(9));
        assert_eq!(without(&[12..15, 18..31]), Some(20));
        assert_eq!(without(&[15..16, 50..51]), Some(50));
    }
}
