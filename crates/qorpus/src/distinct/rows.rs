//! Candidates: how they are put in order, brought together, told from known ones, and how they
//! stand in rows of bytes.

use qorpus_core::Tolerance;
use std::ops::{Range, RangeInclusive};

/// Bytes of a key, and of an origin, as they stand in rows: big-endian, so that rows are ordered as
/// their bytes.
pub(super) const KEY: usize = 16;
pub(super) const ORIGIN: usize = 6;
const COUNT: usize = 4;

/// Bytes of a row without its key, and of a whole one, if the sets of letters take four bytes each.
/// Shorter rows are read and written as if they were as long: they overlap.
pub(super) const FOUND: usize = ORIGIN + COUNT + 8;
pub(super) const ROW: usize = KEY + FOUND;

/// A unitary that one more letter makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Two halves rather than 128 bits, which would have to be aligned.
    pub(super) key: [u64; 2],
    pub(super) shortest: Shortest,
}

/// What is known of all the circuits so far that make a unitary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shortest {
    /// The id of the circuit without its last letter, times the number of letters, plus the last
    /// letter: the smallest.
    pub(super) origin: u64,
    /// How many circuits there are.
    pub(super) circuits: u32,
    /// Bits of the letters with which some of them begin.
    pub(super) first: u32,
    /// Bits of the letters with which some of them end.
    pub(super) last: u32,
}

/// A candidate of one circuit as it is kept until equal ones are brought together, in fewer bytes:
/// the letter that ends the circuit follows from its origin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product {
    pub(super) key: [u64; 2],
    origin: u64,
    circuits: u32,
    first: u32,
}

impl Product {
    pub(super) fn new(Candidate { key, shortest }: &Candidate) -> Product {
        Product { key: *key, origin: shortest.origin, circuits: shortest.circuits, first: shortest.first }
    }

    /// As it was, if there are so many letters.
    pub(super) fn candidate(&self, letters: u64) -> Candidate {
        let Product { key, origin, circuits, first } = *self;
        Candidate { key, shortest: Shortest { origin, circuits, first, last: 1 << (origin % letters) } }
    }
}

/// Rows, and as much room again to put them in order.
#[derive(Default)]
pub(super) struct Room<T = Candidate> {
    pub(super) rows: Vec<T>,
    pub(super) spare: Vec<T>,
}

/// The key as it is compared.
pub(super) fn halves(key: u128) -> [u64; 2] {
    [(key >> 64) as u64, key as u64]
}

/// Puts candidates in order by their keys, whose first halves less `first` have `common` leading
/// zeros. `spare` is for its memory.
pub(super) fn sort_by_key(candidates: &mut [Candidate], first: u64, common: u32, spare: &mut Vec<Candidate>) {
    let place = |candidate: &Candidate| (candidate.key[0] - first) << common;
    sort(candidates, spare, place, |candidate| candidate.key);
}

/// Puts rows in order by their origins, all of which are in `origins`.
pub(super) fn sort_by_origin<T: Copy + Default + AsRef<Shortest>>(
    rows: &mut [T],
    origins: &Range<u64>,
    spare: &mut Vec<T>,
) {
    let spread = (origins.end - origins.start).max(1).leading_zeros();
    let place = |row: &T| (row.as_ref().origin - origins.start) << spread;
    sort(rows, spare, place, |row| row.as_ref().origin);
}

/// Rows are put into so many groups at once, by so many bits: more would not find their ends in the
/// caches.
const MAX_BITS: u32 = 11;

/// Puts rows in order by their `key`, of which `place` is the beginning, spread over all numbers:
/// twice into groups by the leading bits, after which few have the same.
fn sort<T: Copy + Default, K: Ord>(
    rows: &mut [T],
    spare: &mut Vec<T>,
    place: impl Fn(&T) -> u64,
    key: impl Fn(&T) -> K,
) {
    let bits = (rows.len() / 4).max(1).ilog2();
    let first = bits.div_ceil(2).min(MAX_BITS);
    let second = (bits - first).min(MAX_BITS);
    spare.resize(rows.len(), T::default());
    let (mut ends, mut within) = (Vec::new(), Vec::new());
    let leading = |place: u64, bits: u32| place.checked_shr(u64::BITS - bits).unwrap_or(0) as usize;
    scatter(rows, spare, 1 << first, |row| leading(place(row), first), &mut ends);
    let mut start = 0;
    for end in ends.iter().map(|&end| end as usize) {
        let group = &mut rows[start..end];
        let of = |row: &T| leading(place(row) << first, second);
        scatter(&spare[start..end], group, 1 << second, of, &mut within);
        let mut from = 0;
        for to in within.iter().map(|&end| end as usize) {
            if to - from > 1 {
                group[from..to].sort_unstable_by_key(&key);
            }
            from = to;
        }
        start = end;
    }
}

/// Copies rows to `out`, group by group, of which there are so many; notes where each ends.
fn scatter<T: Copy>(
    rows: &[T],
    out: &mut [T],
    groups: usize,
    group: impl Fn(&T) -> usize,
    ends: &mut Vec<u32>,
) {
    place(rows, groups, group, ends, |from, to| out[to] = rows[from]);
}

/// Finds a place for each row, group by group, of which there are so many; notes where each ends.
fn place<T>(
    rows: &[T],
    groups: usize,
    group: impl Fn(&T) -> usize,
    ends: &mut Vec<u32>,
    mut put: impl FnMut(usize, usize),
) {
    // Where each begins, which moves on to where it ends.
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

/// Rows in groups, one behind the other.
pub(super) struct Groups<T> {
    rows: Vec<T>,
    ends: Vec<u32>,
}

impl<T> Groups<T> {
    /// What `row` makes of each candidate, in so many groups: of each candidate the one that
    /// `group` says.
    pub(super) fn new(
        candidates: &[Candidate],
        groups: usize,
        group: impl Fn(&Candidate) -> usize,
        row: impl Fn(&Candidate) -> T,
    ) -> Groups<T> {
        let all = Groups::parts(candidates, groups, groups, group, row).pop();
        all.unwrap_or(Groups { rows: Vec::new(), ends: Vec::new() })
    }

    /// The same, so many groups at a time, each time on its own.
    pub(super) fn parts(
        candidates: &[Candidate],
        groups: usize,
        in_part: usize,
        group: impl Fn(&Candidate) -> usize,
        row: impl Fn(&Candidate) -> T,
    ) -> Vec<Groups<T>> {
        let (mut order, mut ends) = (vec![0; candidates.len()], Vec::new());
        place(candidates, groups, group, &mut ends, |from, to| order[to] = from as u32);
        let mut start = 0;
        let parts = ends.chunks(in_part).map(|ends| {
            let end = ends.last().map_or(start, |&end| end);
            let rows =
                order[start as usize..end as usize].iter().map(|&from| row(&candidates[from as usize]));
            let part = Groups { rows: rows.collect(), ends: ends.iter().map(|end| end - start).collect() };
            start = end;
            part
        });
        parts.collect()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Those of some groups that follow one another.
    pub(super) fn of(&self, groups: RangeInclusive<usize>) -> &[T] {
        let start = groups.start().checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.rows[start..self.ends[*groups.end()] as usize]
    }
}

/// Where candidates are by their keys: what is brought together before it is put in order need not
/// be put in order.
#[derive(Default)]
pub(super) struct Table {
    /// One more than the place, or 0.
    places: Vec<u32>,
}

impl Table {
    /// Appends products with equal keys as one candidate to `out`, which is empty.
    pub(super) fn join<'c>(
        &mut self,
        products: impl Iterator<Item = &'c [Product]> + Clone,
        letters: u64,
        out: &mut Vec<Candidate>,
    ) {
        let most = products.clone().map(<[Product]>::len).sum::<usize>();
        let mask = (2 * most).next_power_of_two() - 1;
        self.places.clear();
        self.places.resize(mask + 1, 0);
        for product in products.flatten() {
            let candidate = product.candidate(letters);
            // The second half: of the first one, all begin in the same way.
            let mut slot = candidate.key[1] as usize & mask;
            loop {
                let place = &mut self.places[slot];
                let Some(there) = (*place as usize).checked_sub(1) else {
                    out.push(candidate);
                    *place = out.len() as u32;
                    break;
                };
                if out[there].key == candidate.key {
                    out[there].shortest.join(&candidate.shortest);
                    break;
                }
                slot = (slot + 1) & mask;
            }
        }
    }
}

/// A candidate, by its origin, that is neither the same as another one nor clearly a different one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unclear(pub(super) u64);

/// Whether two keys are of the same unitary; `None` if nobody knows.
pub(super) fn same(one: [u64; 2], other: [u64; 2], bands: Tolerance) -> Option<bool> {
    let off = one[0].abs_diff(other[0]).max(one[1].abs_diff(other[1]));
    if off <= bands.equal {
        Some(true)
    } else if off > bands.distinct {
        Some(false)
    } else {
        None
    }
}

/// Makes one of those of the same unitary; they must be in the order of their keys, and are so
/// again. It has the first one's key and origin.
pub(super) fn combine(candidates: &mut Vec<Candidate>, bands: Tolerance) -> std::result::Result<(), Unclear> {
    if bands.distinct == 0 {
        candidates.dedup_by(|next, kept| {
            let same = next.key == kept.key;
            if same {
                kept.shortest.join(&next.shortest);
            }
            same
        });
        return Ok(());
    }
    let (mut start, mut kept) = (0, 0);
    while start < candidates.len() {
        // Neighbours that may be the same, in the order of their origins.
        let near = |k: &usize| candidates[*k].key[0] - candidates[*k - 1].key[0] <= bands.distinct;
        let end = start + 1 + (start + 1..candidates.len()).take_while(near).count();
        candidates[start..end].sort_unstable_by_key(|candidate| candidate.shortest.origin);
        let first = kept;
        for k in start..end {
            let next = candidates[k];
            let mut known = None;
            for (place, candidate) in candidates[first..kept].iter().enumerate() {
                if same(candidate.key, next.key, bands).ok_or(Unclear(next.shortest.origin))? {
                    known = Some(first + place);
                }
            }
            match known {
                Some(known) => candidates[known].shortest.join(&next.shortest),
                None => {
                    candidates[kept] = next;
                    kept += 1;
                }
            }
        }
        candidates[first..kept].sort_unstable_by_key(|candidate| candidate.key);
        start = end;
    }
    candidates.truncate(kept);
    Ok(())
}

impl AsRef<Shortest> for Candidate {
    fn as_ref(&self) -> &Shortest {
        &self.shortest
    }
}

impl AsRef<Shortest> for Shortest {
    fn as_ref(&self) -> &Shortest {
        self
    }
}

impl Shortest {
    /// Adds what is known of another circuit of the same unitary.
    fn join(&mut self, other: &Shortest) {
        self.origin = self.origin.min(other.origin);
        self.circuits = self.circuits.saturating_add(other.circuits);
        self.first |= other.first;
        self.last |= other.last;
    }
}

/// A range of the first halves of keys; without an end, all from there on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    pub(super) start: u64,
    pub(super) end: Option<u64>,
}

impl Keys {
    /// Range `number` of so many, with what lies so near to it that it may be the same as something
    /// within.
    pub(super) fn wide(number: u64, ranges: u64, bands: Tolerance) -> Keys {
        let Keys { start, end } = Keys::exactly(number, ranges);
        Keys {
            start: start.saturating_sub(bands.distinct),
            end: end.and_then(|end| end.checked_add(bands.distinct)),
        }
    }

    /// Range `number` of so many equal ranges, a power of two.
    pub(super) fn exactly(number: u64, ranges: u64) -> Keys {
        let start = |number: u64| number.checked_shl(u64::BITS - ranges.ilog2()).unwrap_or(0);
        Keys { start: start(number), end: (number + 1 < ranges).then(|| start(number + 1)) }
    }

    /// Which of these candidates, which are in the order of their keys, are in it.
    pub(super) fn within(self, candidates: &[Candidate]) -> Range<usize> {
        let below = |bound: u64| candidates.partition_point(|row| row.key[0] < bound);
        below(self.start)..self.end.map_or(candidates.len(), below)
    }

    pub(super) fn contains(self, half: u64) -> bool {
        half >= self.start && self.end.is_none_or(|end| half < end)
    }
}

/// Marks candidates that are known, as the known keys go by in ascending order.
pub(super) struct Sweep<'a> {
    /// In the order of their keys.
    candidates: &'a mut [Candidate],
    bands: Tolerance,
    /// Those before it are below all keys that are to come.
    next: usize,
}

impl Sweep<'_> {
    pub(super) fn new(candidates: &mut [Candidate], bands: Tolerance) -> Sweep<'_> {
        Sweep { candidates, bands, next: 0 }
    }

    /// A candidate of this key has no circuits any more. False if no later key can meet one.
    #[inline]
    pub(super) fn meet(&mut self, key: [u64; 2]) -> std::result::Result<bool, Unclear> {
        while self.candidates.get(self.next).is_some_and(|row| row.key[0] + self.bands.distinct < key[0]) {
            self.next += 1;
        }
        for candidate in self.candidates.iter_mut().skip(self.next) {
            if candidate.key[0] > key[0].saturating_add(self.bands.distinct) {
                break;
            }
            match same(candidate.key, key, self.bands) {
                Some(true) => candidate.shortest.circuits = 0,
                Some(false) => {}
                None => return Err(Unclear(candidate.shortest.origin)),
            }
        }
        Ok(self.next < self.candidates.len())
    }
}

/// How candidates stand in rows: the key, the origin, the number of circuits, the two sets of
/// letters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Bytes of a set of letters.
    set: usize,
}

impl Layout {
    pub(super) fn new(letters: usize) -> Layout {
        Layout { set: letters.div_ceil(8) }
    }

    /// The bytes of a row.
    pub(super) fn whole(self) -> Range<usize> {
        0..ROW - 8 + 2 * self.set
    }

    /// Those of a key and its origin.
    pub(super) fn keys(self) -> Range<usize> {
        0..KEY + ORIGIN
    }

    /// All but the key.
    pub(super) fn found(self) -> Range<usize> {
        KEY..self.whole().end
    }

    fn row(self, Candidate { key, shortest }: &Candidate) -> [u8; ROW] {
        let mut row = [0; ROW];
        row[..8].copy_from_slice(&key[0].to_be_bytes());
        row[8..KEY].copy_from_slice(&key[1].to_be_bytes());
        row[KEY..KEY + ORIGIN].copy_from_slice(&origin_bytes(shortest.origin));
        let rest = &mut row[KEY + ORIGIN..];
        rest[..COUNT].copy_from_slice(&shortest.circuits.to_le_bytes());
        // Of a set that takes fewer bytes, what follows overwrites the rest.
        rest[COUNT..COUNT + 4].copy_from_slice(&shortest.first.to_le_bytes());
        rest[COUNT + self.set..][..4].copy_from_slice(&shortest.last.to_le_bytes());
        row
    }

    /// Writes these bytes of the rows of candidates to `buffer`, which has room for one more row
    /// behind them, and returns how many they are.
    pub(super) fn put(self, candidates: &[Candidate], bytes: &Range<usize>, buffer: &mut [u8]) -> usize {
        let mut at = 0;
        for candidate in candidates {
            let row = self.row(candidate);
            match bytes.start {
                0 => buffer[at..at + ROW].copy_from_slice(&row),
                _ => buffer[at..at + FOUND].copy_from_slice(&row[KEY..]),
            }
            at += bytes.len();
        }
        at
    }

    /// Appends these bytes of the rows of candidates.
    pub(super) fn append(self, candidates: &[Candidate], bytes: &Range<usize>, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + candidates.len() * bytes.len() + ROW, 0);
        let end = self.put(candidates, bytes, &mut out[start..]);
        out.truncate(start + end);
    }

    /// The candidate of a whole row.
    pub(super) fn candidate(self, row: &[u8; ROW]) -> Candidate {
        let (halves, found) = (row.as_chunks::<8>().0, row.last_chunk::<FOUND>());
        let key = [u64::from_be_bytes(halves[0]), u64::from_be_bytes(halves[1])];
        Candidate { key, shortest: found.map(|found| self.without_key(found)).unwrap_or_default() }
    }

    fn without_key(self, row: &[u8; FOUND]) -> Shortest {
        let four = |at: usize| row[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let mask = u32::MAX >> (32 - 8 * self.set);
        Shortest {
            origin: row.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)) >> (64 - 8 * ORIGIN),
            circuits: four(ORIGIN),
            first: four(ORIGIN + COUNT) & mask,
            last: four(ORIGIN + COUNT + self.set) & mask,
        }
    }

    /// What a row without a key says.
    pub(super) fn of_found(self, row: &[u8; ROW]) -> Shortest {
        row.first_chunk().map(|found| self.without_key(found)).unwrap_or_default()
    }
}

/// Rows of so many bytes that stand one behind the other; `None` if the last one is not whole.
pub(super) fn each(bytes: &[u8], width: usize) -> Option<impl Iterator<Item = [u8; ROW]>> {
    let row = move |bytes: &[u8]| {
        let mut row = [0; ROW];
        row[..width].copy_from_slice(bytes);
        row
    };
    bytes.len().is_multiple_of(width).then(|| bytes.chunks_exact(width).map(row))
}

/// The key of a row that has one.
pub(super) fn key(row: &[u8; ROW]) -> u128 {
    row.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

/// The origin of a row with a key.
pub(super) fn origin_of_key(row: &[u8; ROW]) -> u64 {
    row[KEY..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)) >> (64 - 8 * ORIGIN)
}

pub(super) fn origin_bytes(origin: u64) -> [u8; ORIGIN] {
    let [_, _, bytes @ ..] = origin.to_be_bytes();
    bytes
}
