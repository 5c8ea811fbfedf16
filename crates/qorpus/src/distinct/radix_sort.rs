//! Radix sort, by one or two passes that fit in the caches.

use crate::distinct::candidate::Candidate;
use std::ops::Range;

/// Rows, and as much memory again to sort them.
#[derive(Default)]
pub(super) struct SortBuffer<T = Candidate> {
    pub(super) rows: Vec<T>,
    pub(super) spare: Vec<T>,
}

/// Sorts candidates by key. Their first halves less `start` have `common_zeros` leading zeros.
pub(super) fn sort_by_key(
    candidates: &mut [Candidate],
    start: u64,
    common_zeros: u32,
    spare: &mut Vec<Candidate>,
) {
    let prefix = |candidate: &Candidate| (candidate.key[0] - start) << common_zeros;
    sort(candidates, spare, prefix, |candidate| candidate.key);
}

/// The first half of a key, spread over all numbers, and the place of its row.
pub(super) type KeyPlace = (u64, u32);

/// Sorts the places of rows by key.
pub(super) fn sort_places(places: &mut [KeyPlace], rows: &[Candidate], spare: &mut Vec<KeyPlace>) {
    sort(places, spare, |&(half, _)| half, |&(half, _)| half);
    if !places.is_sorted_by(|one, next| one.0 < next.0) {
        // Some first halves are equal.
        places.sort_by_key(|&(_, place)| rows[place as usize].key);
    }
}

/// Sorts rows by origin; all of them are in `origins`.
pub(super) fn sort_by_origin<T: Copy + Default>(
    rows: &mut [T],
    origins: &Range<u64>,
    origin: impl Fn(&T) -> u64,
    spare: &mut Vec<T>,
) {
    let zeros = (origins.end - origins.start).max(1).leading_zeros();
    sort(rows, spare, |row| (origin(row) - origins.start) << zeros, &origin);
}

/// Bits by which a pass groups rows: the ends of more groups would not fit in the caches.
const MAX_PASS_BITS: u32 = 11;

/// The most rows that are sorted by insertion.
const FEW_ROWS: usize = 8;

/// Sorts rows by `key`, of which `prefix` is the beginning, spread over all numbers. After one or
/// two passes few rows share a group.
fn sort<T: Copy + Default, K: Ord>(
    rows: &mut [T],
    spare: &mut Vec<T>,
    prefix: impl Fn(&T) -> u64,
    key: impl Fn(&T) -> K,
) {
    let bits = rows.len().max(1).ilog2();
    let leading = |prefix: u64, bits: u32| prefix.checked_shr(u64::BITS - bits).unwrap_or(0) as usize;
    let mut ends = Vec::new();
    if bits <= MAX_PASS_BITS {
        spare.clear();
        spare.extend_from_slice(rows);
        let group = |row: &T| leading(prefix(row), bits);
        scatter(spare, 1 << bits, group, &mut ends, |from, to| rows[to] = spare[from]);
        sort_groups(rows, &ends, &key);
        return;
    }
    // Groups of a few rows: more passes, or less even ones, take longer.
    let bits = bits - 2;
    let first = bits.div_ceil(2).min(MAX_PASS_BITS);
    let second = (bits - first).min(MAX_PASS_BITS);
    spare.resize(rows.len(), T::default());
    let spare = &mut spare[..];
    let mut inner_ends = Vec::new();
    let group = |row: &T| leading(prefix(row), first);
    scatter(rows, 1 << first, group, &mut ends, |from, to| spare[to] = rows[from]);
    let mut start = 0;
    for end in ends.iter().map(|&end| end as usize) {
        let (from_rows, group) = (&spare[start..end], &mut rows[start..end]);
        let inner = |row: &T| leading(prefix(row) << first, second);
        scatter(from_rows, 1 << second, inner, &mut inner_ends, |from, to| group[to] = from_rows[from]);
        sort_groups(group, &inner_ends, &key);
        start = end;
    }
}

/// Sorts the rows of each group, which has this end.
fn sort_groups<T: Copy, K: Ord>(rows: &mut [T], ends: &[u32], key: &impl Fn(&T) -> K) {
    let mut start = 0;
    for end in ends.iter().map(|&end| end as usize) {
        let group = &mut rows[start..end];
        start = end;
        if group.len() > FEW_ROWS {
            group.sort_unstable_by_key(key);
            continue;
        }
        for next in 1..group.len() {
            let mut place = next;
            while place > 0 && key(&group[place]) < key(&group[place - 1]) {
                group.swap(place, place - 1);
                place -= 1;
            }
        }
    }
}

/// Calls `put` with the index of each row and its index after grouping. Writes the end of each of
/// the `groups` to `ends`.
fn scatter<T>(
    rows: &[T],
    groups: usize,
    group: impl Fn(&T) -> usize,
    ends: &mut Vec<u32>,
    mut put: impl FnMut(usize, usize),
) {
    // Each group's start, which moves on to its end.
    ends.clear();
    ends.resize(groups, 0);
    rows.iter().for_each(|row| ends[group(row)] += 1);
    let mut sum = 0;
    for end in ends.iter_mut() {
        sum += std::mem::replace(end, sum);
    }
    for (from, row) in rows.iter().enumerate() {
        let to = &mut ends[group(row)];
        put(from, *to as usize);
        *to += 1;
    }
}
