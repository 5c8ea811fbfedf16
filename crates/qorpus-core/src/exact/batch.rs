//! Batches of exact unitaries: a letter acts on all of them at once, number by number, in the lanes
//! of vectors.

use crate::arithmetic::BATCH_LANES;
use crate::exact::letters::{ExactLetter, ExactLetters};
use crate::exact::ring::MAX_EXPONENT;
use crate::exact::unitary::ExactUnitary;
use crate::simd::dispatch::{InstructionSet, SimdTask};
use xxhash_rust::xxh3::xxh3_128;

/// The number of entries that are transposed at once.
const TRANSPOSED_ENTRIES: usize = 16;

/// A number of each unitary.
type Lanes = [i16; BATCH_LANES];

/// A ring element of each unitary: a, b, c, d.
type LaneEntry = [Lanes; 4];

/// A batch of exact unitaries, and their products with a letter.
#[derive(Debug, Clone)]
pub struct ExactProducts {
    pub(crate) from: ExactBatch,
    pub(crate) next: ExactBatch,
    /// Memory that is reused from letter to letter.
    pub(crate) memory: Vec<u64>,
}

/// Exact unitaries, entry by entry.
#[derive(Debug, Clone)]
pub(crate) struct ExactBatch {
    entries: Vec<LaneEntry>,
    exponents: [u16; BATCH_LANES],
}

impl ExactBatch {
    /// Returns a batch of [`BATCH_LANES`] identities.
    pub(crate) fn new(letters: &ExactLetters) -> ExactBatch {
        let one = ExactUnitary::identity(letters.dim).entries.into_iter();
        let entries = one.map(|entry| entry.map(|number| [number; BATCH_LANES])).collect();
        ExactBatch { entries, exponents: [0; BATCH_LANES] }
    }

    /// Puts a unitary in place `lane`.
    ///
    /// # Panics
    /// If the place is not below [`BATCH_LANES`], or the unitary is on another number of qubits.
    pub(crate) fn set(&mut self, lane: usize, unitary: &ExactUnitary) {
        assert_eq!(self.entries.len(), unitary.entries.len(), "on the same number of qubits");
        for (entry, numbers) in self.entries.iter_mut().zip(&unitary.entries) {
            (0..4).for_each(|part| entry[part][lane] = numbers[part]);
        }
        self.exponents[lane] = unitary.exponent as u16;
    }

    /// Lets `letter` act on all unitaries, as [`advance`](crate::Arithmetic::advance) does. False
    /// if one of them would overflow.
    ///
    /// # Panics
    /// If the letter is not in the alphabet.
    #[must_use]
    pub(crate) fn advance(&self, letters: &ExactLetters, letter: u16, to: &mut ExactBatch) -> bool {
        let letter = &letters.letters[usize::from(letter)];
        let largest = self.exponents.iter().max().copied().unwrap_or(0);
        if u32::from(largest) + letter.exponent > MAX_EXPONENT {
            return false;
        }
        to.entries.resize(self.entries.len(), [[0; BATCH_LANES]; 4]);
        let up_to_phase = letters.up_to.ignores_phase();
        InstructionSet::best().run(Advance { dim: letters.dim, letter, up_to_phase, from: self, to });
        true
    }

    /// Returns the unitary in place `lane`.
    #[cfg(test)]
    fn get(&self, lane: usize) -> ExactUnitary {
        let entries = self.entries.iter().map(|entry| [0, 1, 2, 3].map(|part| entry[part][lane]));
        ExactUnitary { entries: entries.collect(), exponent: self.exponents[lane].into() }
    }

    /// Calls `emit` with each lane whose bit is set in `lanes` and its key, as
    /// [`key`](crate::Arithmetic::key) has it. `memory` is reused from call to call.
    pub(crate) fn keys(&self, lanes: u32, memory: &mut Vec<u64>, mut emit: impl FnMut(usize, u128)) {
        const { assert!(BATCH_LANES == u32::BITS as usize) }
        let size = self.entries.len();
        memory.resize((size + TRANSPOSED_ENTRIES) * BATCH_LANES, 0);
        let (unitaries, rows) = memory.split_at_mut(size * BATCH_LANES);
        let rows = rows.as_chunks_mut().0;
        InstructionSet::best().run(Transpose { entries: &self.entries, rows, unitaries });
        let mut left = lanes;
        while left > 0 {
            let lane = left.trailing_zeros() as usize;
            left &= left - 1;
            emit(lane, xxh3_128(bytemuck::cast_slice(&unitaries[lane * size..][..size])));
        }
    }
}

/// A transposition from entry by entry to unitary by unitary, an entry's four numbers at once.
struct Transpose<'a> {
    entries: &'a [LaneEntry],
    /// Memory for some entries.
    rows: &'a mut [[u64; BATCH_LANES]],
    unitaries: &'a mut [u64],
}

impl SimdTask for Transpose<'_> {
    #[inline(always)]
    fn run<const SET: u8>(self) {
        let Transpose { entries, rows, unitaries } = self;
        let size = entries.len();
        for (block, entries) in entries.chunks(TRANSPOSED_ENTRIES).enumerate() {
            for (row, [a, b, c, d]) in rows.iter_mut().zip(entries) {
                for lane in 0..BATCH_LANES {
                    let bits =
                        |part: &Lanes, place: u32| u64::from(part[lane].cast_unsigned()) << (16 * place);
                    row[lane] = bits(a, 0) | bits(b, 1) | bits(c, 2) | bits(d, 3);
                }
            }
            for lane in 0..BATCH_LANES {
                let out = &mut unitaries[lane * size + block * TRANSPOSED_ENTRIES..][..entries.len()];
                out.iter_mut().zip(&*rows).for_each(|(out, row)| *out = row[lane]);
            }
        }
    }
}

struct Advance<'a> {
    dim: usize,
    letter: &'a ExactLetter,
    up_to_phase: bool,
    from: &'a ExactBatch,
    to: &'a mut ExactBatch,
}

impl SimdTask for Advance<'_> {
    #[inline(always)]
    fn run<const SET: u8>(self) {
        let Advance { dim, letter, up_to_phase, from, to } = self;
        for (row, terms) in to.entries.chunks_exact_mut(dim).zip(&letter.rows) {
            for (number, term) in terms.iter().enumerate() {
                for (entry, old) in row.iter_mut().zip(&from.entries[term.row * dim..][..dim]) {
                    if number == 0 {
                        put::<false>(entry, old, term.power);
                    } else {
                        put::<true>(entry, old, term.power);
                    }
                }
            }
        }
        to.exponents = from.exponents.map(|exponent| exponent + letter.exponent as u16);
        // A letter without denominators has an inverse without denominators, so it leaves the
        // smallest exponent unchanged.
        let most = if letter.exponent == 0 { 0 } else { MAX_EXPONENT };
        for _ in 0..most {
            if !reduce(&mut to.entries, &mut to.exponents) {
                break;
            }
        }
        if up_to_phase {
            turn(&mut to.entries);
        }
    }
}

/// Stores `old` ω^`power` in an entry, or adds it.
#[inline(always)]
fn put<const ADD: bool>(entry: &mut LaneEntry, old: &LaneEntry, power: usize) {
    for (part, old) in old.iter().enumerate() {
        // ω^4 = -1.
        let place = part + power;
        let to = &mut entry[place % 4];
        match ((place / 4).is_multiple_of(2), ADD) {
            (true, false) => *to = *old,
            (false, false) => (0..BATCH_LANES).for_each(|lane| to[lane] = old[lane].wrapping_neg()),
            (true, true) => (0..BATCH_LANES).for_each(|lane| to[lane] = to[lane].wrapping_add(old[lane])),
            (false, true) => (0..BATCH_LANES).for_each(|lane| to[lane] = to[lane].wrapping_sub(old[lane])),
        }
    }
}

/// Divides by √2 the unitaries that can be divided and have a denominator. False if there are none.
#[inline(always)]
fn reduce(entries: &mut [LaneEntry], exponents: &mut [u16; BATCH_LANES]) -> bool {
    let mut odd = [0i16; BATCH_LANES];
    for [a, b, c, d] in entries.iter() {
        for lane in 0..BATCH_LANES {
            odd[lane] |= a[lane] ^ c[lane] | b[lane] ^ d[lane];
        }
    }
    // All bits of the unitaries that are divided.
    let mut divided = [0i16; BATCH_LANES];
    let mut any = 0;
    for lane in 0..BATCH_LANES {
        divided[lane] = if odd[lane] & 1 == 0 && exponents[lane] > 0 { -1 } else { 0 };
        any |= divided[lane];
    }
    if any == 0 {
        return false;
    }
    for [a, b, c, d] in entries.iter_mut() {
        for lane in 0..BATCH_LANES {
            let (p, q, r, s) = (a[lane], b[lane], c[lane], d[lane]);
            let new = [
                (q.wrapping_sub(s)) >> 1,
                (p.wrapping_add(r)) >> 1,
                (q.wrapping_add(s)) >> 1,
                (r.wrapping_sub(p)) >> 1,
            ];
            let mask = divided[lane];
            a[lane] = new[0] & mask | p & !mask;
            b[lane] = new[1] & mask | q & !mask;
            c[lane] = new[2] & mask | r & !mask;
            d[lane] = new[3] & mask | s & !mask;
        }
    }
    for lane in 0..BATCH_LANES {
        exponents[lane] -= u16::from(divided[lane] != 0);
    }
    true
}

/// Replaces each unitary by the one of its eight multiples by powers of ω whose first nonzero entry
/// is the largest.
#[inline(always)]
fn turn(entries: &mut [LaneEntry]) {
    let mut first: LaneEntry = [[0; BATCH_LANES]; 4];
    let mut missing = [-1i16; BATCH_LANES];
    for entry in entries.iter() {
        let mut any = 0;
        for lane in 0..BATCH_LANES {
            for part in 0..4 {
                first[part][lane] |= entry[part][lane] & missing[lane];
            }
            let found = entry[0][lane] | entry[1][lane] | entry[2][lane] | entry[3][lane];
            missing[lane] &= if found == 0 { -1 } else { 0 };
            any |= missing[lane];
        }
        if any == 0 {
            break;
        }
    }
    // Loops over lanes without branches, which become vectors: all multiples are compared, part by
    // part.
    let (mut best, mut power): (LaneEntry, Lanes) = (first, [0; BATCH_LANES]);
    for candidate in 1..8 {
        // ω^4 = -1: where a part comes from, and its sign.
        let from = [0, 1, 2, 3].map(|part| (part + 8 - candidate) % 8);
        let (from, sign) = (from.map(|place| &first[place % 4]), from.map(|place| -i16::from(place >= 4)));
        for lane in 0..BATCH_LANES {
            let turned =
                [0, 1, 2, 3].map(|part: usize| (from[part][lane] ^ sign[part]).wrapping_sub(sign[part]));
            let (mut larger, mut equal) = (0, -1);
            for part in 0..4 {
                larger |= equal & -i16::from(turned[part] > best[part][lane]);
                equal &= -i16::from(turned[part] == best[part][lane]);
            }
            (0..4).for_each(|part| best[part][lane] = choose(larger, turned[part], best[part][lane]));
            power[lane] = choose(larger, candidate as i16, power[lane]);
        }
    }
    // The power of ω as three bits, each of them all ones or none.
    let mut bits: [Lanes; 3] = [[0; BATCH_LANES]; 3];
    for lane in 0..BATCH_LANES {
        (0..3).for_each(|bit| bits[bit][lane] = -(power[lane] >> bit & 1));
    }
    for [a, b, c, d] in entries.iter_mut() {
        for lane in 0..BATCH_LANES {
            let (mut p, mut q, mut r, mut s) = (a[lane], b[lane], c[lane], d[lane]);
            let one = bits[0][lane];
            (p, q, r, s) = (choose(one, -s, p), choose(one, p, q), choose(one, q, r), choose(one, r, s));
            let two = bits[1][lane];
            (p, q, r, s) = (choose(two, -r, p), choose(two, -s, q), choose(two, p, r), choose(two, q, s));
            let four = bits[2][lane];
            (a[lane], b[lane], c[lane], d[lane]) = (
                (p ^ four).wrapping_sub(four),
                (q ^ four).wrapping_sub(four),
                (r ^ four).wrapping_sub(four),
                (s ^ four).wrapping_sub(four),
            );
        }
    }
}

#[inline(always)]
fn choose(mask: i16, one: i16, other: i16) -> i16 {
    one & mask | other & !mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::Alphabet;
    use crate::arithmetic::{Arithmetic, Equivalence};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_batch_is_what_each_would_be_alone(words in prop::collection::vec(prop::collection::vec(0u16..17, 0..14), BATCH_LANES), qubits in 1usize..4, phase: bool, letter in 0u16..100) {
            let alphabet = Alphabet::of(["h,t,sx,s", "h,t,sx,s,cx,ch", "h,t,sx,s,cx,ccx,ch"][qubits - 1], qubits);
            let letters = ExactLetters::new(&alphabet, if phase { Equivalence::GlobalPhase } else { Equivalence::Exact }).unwrap();
            let known = alphabet.letters().len() as u16;
            let (mut batch, mut next) = (ExactBatch::new(&letters), ExactBatch::new(&letters));
            for (lane, word) in words.iter().enumerate() {
                let word: Vec<_> = word.iter().map(|letter| letter % known).collect();
                batch.set(lane, &letters.unitary(&word).unwrap());
            }
            prop_assert!(batch.advance(&letters, letter % known, &mut next));
            let mut keys = Vec::new();
            next.keys(u32::MAX, &mut Vec::new(), |lane, key| keys.push((lane, key)));
            for (lane, key) in keys {
                let mut expected = ExactUnitary::default();
                prop_assert!(letters.advance(&batch.get(lane), letter % known, &mut expected));
                prop_assert_eq!(&next.get(lane), &expected);
                prop_assert_eq!(key, letters.key(&expected));
            }
        }
    }
}
