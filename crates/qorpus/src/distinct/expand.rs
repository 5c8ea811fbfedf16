//! Expansion: the candidates of the frontier and one more letter.

use crate::distinct::candidate::{Candidate, Shortest, halves};
use crate::distinct::candidate_groups::CandidateWriter;
use crate::distinct::frontier::Frontier;
use crate::distinct::letters::PrefixWalk;
use crate::distinct::radix_sort::SortBuffer;
use crate::error::Result;
use qorpus_core::{Arithmetic, BATCH_LANES, Error};
use std::ops::Range;

/// A multiplier of the frontier's unitaries and letters.
pub(super) trait Expand {
    /// Appends the products of the frontier's rows and the set `letters`; without letters, the rows
    /// themselves.
    fn expand(&mut self, frontier: &Frontier, letters: u32, out: &mut Vec<Candidate>) -> Result<()>;

    /// Writes the products of the frontier's rows and the set `letters` to groups, and returns their
    /// number. The writer keeps a failure to write until it is given back.
    fn expand_grouped(
        &mut self,
        frontier: &Frontier,
        letters: u32,
        out: &mut CandidateWriter<'_>,
    ) -> Result<usize>;
}

/// A taker of the candidates of pieces of the frontier, on many threads.
pub(super) trait PieceSink: Sync {
    /// The state of a piece.
    type Piece;

    /// Begins a piece of at most this many candidates.
    fn begin(&self, max_candidates: usize, buffer: &mut SortBuffer) -> Self::Piece;

    /// Takes the products of the frontier's rows and the set `letters`, or leaves them in the buffer
    /// up to the end. Returns their number.
    fn expand(
        &self,
        piece: &mut Self::Piece,
        expander: &mut dyn Expand,
        frontier: &Frontier,
        letters: u32,
        buffer: &mut SortBuffer,
    ) -> Result<usize>;

    /// Ends the piece with this number.
    fn end(&self, number: usize, piece: Self::Piece, buffer: &mut SortBuffer) -> Result<()>;
}

/// The multiplier in one arithmetic.
pub(super) struct Expander<'a, A: Arithmetic> {
    letters: &'a A,
    /// For each letter, the bit of its inverse.
    inverses: &'a [u32],
    walk: PrefixWalk<'a, A>,
    batch: A::Batch,
}

impl<'a, A: Arithmetic> Expander<'a, A> {
    pub(super) fn new(letters: &'a A, inverses: &'a [u32]) -> Expander<'a, A> {
        let walk = PrefixWalk::new(letters, letters.identity());
        Expander { letters, inverses, walk, batch: letters.batch() }
    }

    /// Calls `put` with the products of the frontier's rows and the set `letters`.
    fn products(
        &mut self,
        frontier: &Frontier,
        letters: u32,
        put: &mut impl FnMut(&Candidate),
    ) -> Result<()> {
        for start in frontier.rows.clone().step_by(BATCH_LANES) {
            let rows = start..frontier.rows.end.min(start + BATCH_LANES);
            for (lane, row) in rows.clone().enumerate() {
                self.letters.set(&mut self.batch, lane, self.walk.unitary(frontier.circuits.get(row))?);
            }
            let mut left = letters;
            while left > 0 {
                if !self.multiply(frontier, rows.clone(), left.trailing_zeros(), put) {
                    return Err(Error::ExactOverflow.into());
                }
                left &= left - 1;
            }
        }
        Ok(())
    }

    /// Calls `put` with the products of a batch and a letter. The letter is left out where it
    /// inverts the last letter of some shortest circuit: that circuit without its last letter is
    /// known.
    fn multiply(
        &mut self,
        frontier: &Frontier,
        rows: Range<usize>,
        letter: u32,
        put: &mut impl FnMut(&Candidate),
    ) -> bool {
        let (alphabet, inverse) = (self.inverses.len() as u64, self.inverses[letter as usize]);
        let wanted = |row: usize| u32::from(frontier.last_letters[row] & inverse == 0);
        let lanes = rows.clone().enumerate().fold(0, |lanes, (lane, row)| lanes | wanted(row) << lane);
        let emit = |lane, key| {
            let row = rows.start + lane;
            let first = frontier.first_letters[row];
            let shortest = Shortest {
                origin: (frontier.first_id + row as u64) * alphabet + u64::from(letter),
                circuits: frontier.shortest_circuits[row],
                first: if first == 0 { 1 << letter } else { first },
                last: 1 << letter,
            };
            put(&Candidate { key: halves(key), shortest });
        };
        lanes == 0 || self.letters.products(&mut self.batch, letter as u16, lanes, emit)
    }
}

impl<A: Arithmetic> Expand for Expander<'_, A> {
    fn expand(&mut self, frontier: &Frontier, letters: u32, out: &mut Vec<Candidate>) -> Result<()> {
        if letters > 0 {
            return self.products(frontier, letters, &mut |candidate| out.push(*candidate));
        }
        for row in frontier.rows.clone() {
            let key = halves(self.letters.key(&self.letters.unitary(frontier.circuits.get(row))?));
            // These origins are never read, but distinguish the records.
            let origin = (frontier.first_id + row as u64) * self.inverses.len() as u64;
            out.push(Candidate { key, shortest: Shortest { origin, circuits: 1, first: 0, last: 0 } });
        }
        Ok(())
    }

    fn expand_grouped(
        &mut self,
        frontier: &Frontier,
        letters: u32,
        out: &mut CandidateWriter<'_>,
    ) -> Result<usize> {
        let mut new = 0;
        self.products(frontier, letters, &mut |candidate| {
            out.push(candidate);
            new += 1;
        })?;
        Ok(new)
    }
}
