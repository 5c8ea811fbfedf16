//! The candidates of a level in memory, grouped by key while they are made.

use crate::distinct::candidate::{Candidate, CompactCandidate, KeyRange, KeyRanges};
use crate::distinct::grouped_rows::{AreaPool, GroupWriter, GroupedRows, WrittenRows};
use std::io;

/// The candidates of a level, while they are written.
pub(super) struct CandidateGroups<'a> {
    ranges: KeyRanges,
    rows: GroupedRows<'a, CompactCandidate>,
}

impl<'a> CandidateGroups<'a> {
    pub(super) fn new(areas: &'a AreaPool, ranges: KeyRanges) -> CandidateGroups<'a> {
        CandidateGroups { ranges, rows: GroupedRows::new(areas, ranges.count as usize) }
    }

    /// Takes a writer that no thread uses.
    pub(super) fn writer(&self) -> CandidateWriter<'a> {
        CandidateWriter { ranges: self.ranges, rows: self.rows.writer(), failure: Ok(()) }
    }

    /// Gives a writer back, with its candidates.
    ///
    /// # Errors
    /// It could not write one of them.
    pub(super) fn give_back(&self, writer: CandidateWriter<'a>) -> io::Result<()> {
        self.rows.give_back(writer.rows);
        writer.failure
    }

    /// Ends the writing.
    pub(super) fn written(self) -> GroupedCandidates<'a> {
        GroupedCandidates { ranges: self.ranges, rows: self.rows.written() }
    }
}

/// A writer of candidates to the groups of their keys.
pub(super) struct CandidateWriter<'a> {
    ranges: KeyRanges,
    rows: GroupWriter<'a, CompactCandidate>,
    /// The first failure to write a candidate.
    failure: io::Result<()>,
}

impl CandidateWriter<'_> {
    // Always: a candidate that is passed in memory is read before it is written, which takes longer
    // than all else.
    #[inline(always)]
    pub(super) fn push(&mut self, candidate: &Candidate) {
        let group = self.ranges.of(candidate.key[0]) as usize;
        let pushed = self.rows.push(group, CompactCandidate::new(candidate));
        if pushed.is_err() && self.failure.is_ok() {
            self.failure = pushed;
        }
    }
}

/// The candidates of a level, grouped by key.
pub(super) struct GroupedCandidates<'a> {
    pub(super) ranges: KeyRanges,
    rows: WrittenRows<'a, CompactCandidate>,
}

impl GroupedCandidates<'_> {
    /// Returns the candidates of a group, in parts and in any order.
    pub(super) fn of(&self, group: u64) -> impl Iterator<Item = &[CompactCandidate]> {
        self.rows.of(group as usize)
    }

    /// Returns the candidates of a range, in any order.
    pub(super) fn within(&self, range: KeyRange) -> impl Iterator<Item = Candidate> {
        let last = range.end.map_or(self.ranges.count - 1, |end| self.ranges.of(end - 1));
        let near = (self.ranges.of(range.start)..=last).flat_map(|group| self.of(group).flatten());
        near.filter(move |row| range.contains(row.key[0])).map(CompactCandidate::candidate)
    }
}
