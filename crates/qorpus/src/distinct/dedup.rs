//! Deduplication: merging candidates of equal unitaries, and dropping those of earlier levels.

use crate::distinct::candidate::{Candidate, CompactCandidate};
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
}

impl DedupTable {
    /// Appends the merged candidates to `out`, which is empty.
    pub(super) fn dedup<'c>(
        &mut self,
        candidates: impl Iterator<Item = &'c [CompactCandidate]> + Clone,
        letters: u64,
        out: &mut Vec<Candidate>,
    ) {
        let max_len = candidates.clone().map(<[CompactCandidate]>::len).sum::<usize>();
        let mask = (2 * max_len).next_power_of_two() - 1;
        self.slots.clear();
        self.slots.resize(mask + 1, 0);
        for candidate in candidates.flatten() {
            let candidate = candidate.candidate(letters);
            // The second half: all first halves begin alike.
            let mut at = candidate.key[1] as usize & mask;
            loop {
                let slot = &mut self.slots[at];
                let Some(known) = (*slot as usize).checked_sub(1) else {
                    out.push(candidate);
                    *slot = out.len() as u32;
                    break;
                };
                if out[known].key == candidate.key {
                    out[known].shortest.merge(&candidate.shortest);
                    break;
                }
                at = (at + 1) & mask;
            }
        }
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
