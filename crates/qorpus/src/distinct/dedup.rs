//! Deduplication: merging candidates of equal unitaries, and dropping those of earlier levels.

use crate::distinct::candidate::{Candidate, CompactCandidate};
use crate::distinct::radix_sort::{KeyPlace, sort_places};
use qorpus_core::Tolerance;

/// A candidate, by its origin, that neither equals another one nor clearly differs from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ambiguous(pub(super) u64);

/// A result unless candidates are ambiguous.
pub(super) type Judgement<T> = std::result::Result<T, Ambiguous>;

/// A hash table of exact keys, which need not be sorted before they are merged.
#[derive(Default)]
pub(super) struct DedupTable {
    /// One more than the index of a candidate, or 0.
    slots: Vec<u32>,
    merged: Vec<Candidate>,
    places: Vec<KeyPlace>,
    spare: Vec<KeyPlace>,
}

/// The fewest slots of a table.
const MIN_SLOTS: usize = 1 << 8;

/// The fewest slots for each candidate. With fewer, more candidates have to look at a second slot.
const SLOTS_A_CANDIDATE: usize = 8;

impl DedupTable {
    /// Replaces the contents by these candidates, merged.
    pub(super) fn merge<'c>(&mut self, candidates: impl Iterator<Item = &'c [CompactCandidate]>) {
        self.merged.clear();
        self.set_slots(self.slots.len().max(MIN_SLOTS));
        for candidates in candidates {
            // Now, because all of them may be new.
            let needed = SLOTS_A_CANDIDATE * (self.merged.len() + candidates.len());
            if needed > self.slots.len() {
                self.set_slots(needed.next_power_of_two());
            }
            for candidate in candidates {
                let candidate = candidate.candidate();
                match self.place(candidate.key) {
                    Ok(known) => self.merged[known].shortest.merge(&candidate.shortest),
                    Err(slot) => {
                        self.merged.push(candidate);
                        self.slots[slot] = self.merged.len() as u32;
                    }
                }
            }
        }
    }

    /// Sets the number of slots, a power of two, and fills them.
    fn set_slots(&mut self, slots: usize) {
        self.slots.clear();
        self.slots.resize(slots, 0);
        for place in 0..self.merged.len() {
            if let Err(slot) = self.place(self.merged[place].key) {
                self.slots[slot] = place as u32 + 1;
            }
        }
    }

    /// Returns the place of the candidate with this key, or the free slot for it.
    #[inline]
    fn place(&self, key: [u64; 2]) -> std::result::Result<usize, usize> {
        let mask = self.slots.len() - 1;
        // The second half: all first halves begin alike.
        let mut slot = key[1] as usize & mask;
        while let Some(known) = (self.slots[slot] as usize).checked_sub(1) {
            if self.merged[known].key == key {
                return Ok(known);
            }
            slot = (slot + 1) & mask;
        }
        Err(slot)
    }

    /// Drops the candidate with this key of an earlier level.
    #[inline]
    pub(super) fn drop_known(&mut self, key: [u64; 2]) {
        if let Ok(known) = self.place(key) {
            self.merged[known].shortest.circuits = 0;
        }
    }

    /// Returns the merged candidates that were not dropped, sorted by key. Their first halves less
    /// `start` have `common_zeros` leading zeros.
    pub(super) fn survivors(&mut self, start: u64, common_zeros: u32) -> impl Iterator<Item = &Candidate> {
        let DedupTable { merged, places, spare, .. } = self;
        places.clear();
        let survivors = (0..).zip(&*merged).filter(|(_, candidate)| candidate.shortest.circuits > 0);
        places.extend(survivors.map(|(place, row)| ((row.key[0] - start) << common_zeros, place)));
        sort_places(places, merged, spare);
        places.iter().map(|&(_, place)| &merged[place as usize])
    }
}

/// Returns whether two keys are of one unitary; `None` if that is ambiguous.
#[inline]
fn are_equal(one: [u64; 2], other: [u64; 2], tolerance: Tolerance) -> Option<bool> {
    let difference = one[0].abs_diff(other[0]).max(one[1].abs_diff(other[1]));
    if difference <= tolerance.equal {
        Some(true)
    } else if difference > tolerance.distinct {
        Some(false)
    } else {
        None
    }
}

/// Merges candidates of equal unitaries, which are sorted by key and stay so. The first of them
/// gives its key and its origin.
pub(super) fn dedup_sorted(candidates: &mut Vec<Candidate>, tolerance: Tolerance) -> Judgement<()> {
    if tolerance.distinct == 0 {
        candidates.dedup_by(|next, kept| {
            let is_equal = next.key == kept.key;
            if is_equal {
                kept.shortest.merge(&next.shortest);
            }
            is_equal
        });
        return Ok(());
    }
    let (mut start, mut kept) = (0, 0);
    while start < candidates.len() {
        // Neighbours that may be equal, sorted by origin.
        let is_near = |k: &usize| candidates[*k].key[0] - candidates[*k - 1].key[0] <= tolerance.distinct;
        let end = start + 1 + (start + 1..candidates.len()).take_while(is_near).count();
        candidates[start..end].sort_unstable_by_key(|candidate| candidate.shortest.origin);
        let first = kept;
        for k in start..end {
            let next = candidates[k];
            let mut equal = None;
            for (place, candidate) in candidates[first..kept].iter().enumerate() {
                if are_equal(candidate.key, next.key, tolerance).ok_or(Ambiguous(next.shortest.origin))? {
                    equal = Some(first + place);
                }
            }
            if let Some(equal) = equal {
                candidates[equal].shortest.merge(&next.shortest);
            } else {
                candidates[kept] = next;
                kept += 1;
            }
        }
        candidates[first..kept].sort_unstable_by_key(|candidate| candidate.key);
        start = end;
    }
    candidates.truncate(kept);
    Ok(())
}

/// A merge of sorted candidates with ascending keys of earlier levels.
pub(super) struct KnownKeySweep<'a> {
    candidates: &'a mut [Candidate],
    tolerance: Tolerance,
    /// The first candidate that is not below all keys to come.
    next: usize,
}

impl KnownKeySweep<'_> {
    pub(super) fn new(candidates: &mut [Candidate], tolerance: Tolerance) -> KnownKeySweep<'_> {
        KnownKeySweep { candidates, tolerance, next: 0 }
    }

    /// Sets the number of circuits of a candidate with this key to 0. False if no later key can
    /// equal a candidate's.
    #[inline]
    pub(super) fn meet(&mut self, key: [u64; 2]) -> Judgement<bool> {
        let distinct = self.tolerance.distinct;
        while self.candidates.get(self.next).is_some_and(|row| row.key[0] + distinct < key[0]) {
            self.next += 1;
        }
        for candidate in self.candidates.iter_mut().skip(self.next) {
            if candidate.key[0] > key[0].saturating_add(distinct) {
                break;
            }
            match are_equal(candidate.key, key, self.tolerance) {
                Some(true) => candidate.shortest.circuits = 0,
                Some(false) => {}
                None => return Err(Ambiguous(candidate.shortest.origin)),
            }
        }
        Ok(self.next < self.candidates.len())
    }
}
