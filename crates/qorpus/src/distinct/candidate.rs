//! Candidates: products of known unitaries and one more letter, and the ranges of their keys.

use bytemuck::{Pod, Zeroable};
use qorpus_core::Tolerance;
use std::ops::Range;

/// A product of a known unitary and one more letter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Two halves, because 128 bits would have to be aligned.
    pub(super) key: [u64; 2],
    pub(super) shortest: Shortest,
}

/// The known shortest circuits of a unitary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shortest {
    /// The smallest origin: the id of the circuit without its last letter, times the number of
    /// letters, plus the last letter.
    pub(super) origin: u64,
    /// The number of circuits.
    pub(super) circuits: u32,
    /// Bits of the letters with which some circuit begins.
    pub(super) first: u32,
    /// Bits of the letters with which some circuit ends.
    pub(super) last: u32,
}

/// A candidate of one circuit in fewer bytes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct CompactCandidate {
    pub(super) key: [u64; 2],
    /// The origin, and above it the last letter, so that it need not be divided by the number of
    /// letters.
    origin_and_letter: u64,
    circuits: u32,
    first: u32,
}

/// The bits of an origin, of which files have six bytes.
const ORIGIN_BITS: u32 = 48;

impl CompactCandidate {
    #[inline(always)]
    pub(super) fn new(&Candidate { key, shortest }: &Candidate) -> CompactCandidate {
        let Shortest { origin, circuits, first, last } = shortest;
        let letter = u64::from(last.trailing_zeros());
        CompactCandidate { key, origin_and_letter: origin | letter << ORIGIN_BITS, circuits, first }
    }

    /// Returns the candidate.
    #[inline]
    pub(super) fn candidate(&self) -> Candidate {
        let CompactCandidate { key, origin_and_letter, circuits, first } = *self;
        let origin = origin_and_letter & ((1 << ORIGIN_BITS) - 1);
        let last = 1 << (origin_and_letter >> ORIGIN_BITS);
        Candidate { key, shortest: Shortest { origin, circuits, first, last } }
    }
}

/// The numbers of a [`Shortest`] without gaps, as memory for rows holds them.
pub(super) type PackedShortest = [u64; 3];

impl Shortest {
    #[inline]
    pub(super) fn pack(&self) -> PackedShortest {
        let &Shortest { origin, circuits, first, last } = self;
        [origin, u64::from(circuits) << 32 | u64::from(first), last.into()]
    }

    #[inline]
    pub(super) fn unpack(&[origin, counted, last]: &PackedShortest) -> Shortest {
        Shortest { origin, circuits: (counted >> 32) as u32, first: counted as u32, last: last as u32 }
    }

    /// Adds other circuits of the same unitary.
    #[inline]
    pub(super) fn merge(&mut self, other: &Shortest) {
        self.origin = self.origin.min(other.origin);
        self.circuits = self.circuits.saturating_add(other.circuits);
        self.first |= other.first;
        self.last |= other.last;
    }
}

/// Returns the halves of a key, in which keys are compared.
#[inline]
pub(super) fn halves(key: u128) -> [u64; 2] {
    [(key >> 64) as u64, key as u64]
}

/// A range of the first halves of keys. Without an end it has all from its start on.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyRange {
    pub(super) start: u64,
    pub(super) end: Option<u64>,
}

impl KeyRange {
    /// Returns which of these candidates, sorted by key, are in the range.
    pub(super) fn of_sorted(self, candidates: &[Candidate]) -> Range<usize> {
        let below = |bound: u64| candidates.partition_point(|row| row.key[0] < bound);
        below(self.start)..self.end.map_or(candidates.len(), below)
    }

    pub(super) fn contains(self, half: u64) -> bool {
        half >= self.start && self.end.is_none_or(|end| half < end)
    }
}

/// Equal ranges of keys, whose number is a power of two.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyRanges {
    pub(super) count: u64,
    pub(super) tolerance: Tolerance,
}

impl KeyRanges {
    /// Returns a range without a margin.
    pub(super) fn exactly(self, number: u64) -> KeyRange {
        let start = |number: u64| number.checked_shl(u64::BITS - self.count.ilog2()).unwrap_or(0);
        KeyRange { start: start(number), end: (number + 1 < self.count).then(|| start(number + 1)) }
    }

    /// Returns a range and its neighbourhood, where keys may equal some within.
    pub(super) fn with_margin(self, number: u64) -> KeyRange {
        let KeyRange { start, end } = self.exactly(number);
        KeyRange {
            start: start.saturating_sub(self.tolerance.distinct),
            end: end.and_then(|end| end.checked_add(self.tolerance.distinct)),
        }
    }

    /// Returns the number of the range that has this first half of a key; there are at least two.
    #[inline]
    pub(super) fn of(self, half: u64) -> u64 {
        half >> (u64::BITS - self.count.ilog2())
    }

    /// Returns the number of leading zeros that the distances from a range's start have in common.
    pub(super) fn common_zeros(self) -> u32 {
        // With a margin on both sides a range is less than twice as long.
        self.count.ilog2() - u32::from(self.tolerance.distinct > 0)
    }
}
