//! From the circuits of one level to what one more letter makes of them.

use super::rows::{Candidate, halves};
use crate::error::Result;
use crate::reader::Corpus;
use qorpus_core::{Circuits, Error, Exact, ExactBatch, ExactLetters, LANES};
use std::ops::Range;

/// The labels that the enumeration goes on from.
pub(super) const CIRCUITS: &str = "shortest_circuits";
pub(super) const FIRST: &str = "first_letters";
pub(super) const LAST: &str = "last_letters";

/// What is known of some consecutive records.
#[derive(Debug, Default)]
pub(super) struct Parents {
    pub(super) first_id: u64,
    pub(super) words: Circuits,
    pub(super) circuits: Vec<u32>,
    pub(super) first: Vec<u32>,
    pub(super) last: Vec<u32>,
}

impl Corpus {
    /// Calls `visit` with the records `ids`, some at a time: the whole chunks that hold them, and which of them are meant.
    pub(super) fn parents(
        &self,
        ids: Range<u64>,
        parents: &mut Parents,
        mut visit: impl FnMut(&Parents, Range<usize>) -> Result<()>,
    ) -> Result<()> {
        let sql = "SELECT max(first_id) FROM chunks WHERE first_id <= ?1";
        let begin = self.read(|connection| {
            connection.prepare_cached(sql)?.query_row([ids.start], |row| row.get::<_, Option<u64>>(0))
        })?;
        let mut next = begin.unwrap_or(ids.start);
        while next < ids.end {
            let until = ids.end.min(next.saturating_add(self.scan_chunks()));
            let (chunks, until) = self.chunks(next..until)?;
            for (number, chunk) in chunks {
                let chunk = chunk.as_ref();
                let damaged = |damage: qorpus_core::Damage| self.damaged(number, damage.into());
                self.codec().decode(&chunk, &mut parents.words).map_err(damaged)?;
                let place = qorpus_core::Place { first_id: chunk.first_id, count: chunk.count };
                let records = chunk.count as usize;
                let labels = self.codec().labels(place, chunk.labels).map_err(damaged)?;
                let column = |name, out: &mut Vec<u32>| {
                    out.clear();
                    out.extend(labels.integers(name, records).map_err(damaged)?.map(|value| value as u32));
                    Ok::<_, crate::Error>(())
                };
                parents.first_id = chunk.first_id;
                column(CIRCUITS, &mut parents.circuits)?;
                column(FIRST, &mut parents.first)?;
                column(LAST, &mut parents.last)?;
                let row = |id: u64| (id.saturating_sub(chunk.first_id) as usize).min(records);
                visit(parents, row(ids.start)..row(ids.end))?;
            }
            next = until;
        }
        Ok(())
    }
}

/// From circuit to circuit, with the unitaries of all beginnings: what two circuits begin with is multiplied once.
pub(super) struct Walk<'a> {
    letters: &'a ExactLetters,
    stack: Vec<Exact>,
    word: Vec<u16>,
}

impl<'a> Walk<'a> {
    /// One on which letters act on `start`.
    pub(super) fn new(letters: &'a ExactLetters, start: Exact) -> Walk<'a> {
        Walk { letters, stack: vec![start], word: Vec::new() }
    }

    /// What the circuit makes, as it comes out.
    pub(super) fn to(&mut self, word: &[u16]) -> qorpus_core::Result<&Exact> {
        let common = self.word.iter().zip(word).take_while(|(old, new)| old == new).count();
        self.stack.resize_with(self.stack.len().max(word.len() + 1), Exact::default);
        self.word.clear();
        self.word.extend_from_slice(word);
        for depth in common..word.len() {
            let (done, rest) = self.stack.split_at_mut(depth + 1);
            if !self.letters.multiply(&done[depth], word[depth], &mut rest[0]) {
                self.word.truncate(depth);
                return Err(Error::ExactOverflow);
            }
        }
        Ok(&self.stack[word.len()])
    }
}

/// Multiplies.
pub(super) struct Expander<'a> {
    letters: &'a ExactLetters,
    /// For each letter, the bit of the one that takes it back.
    inverses: &'a [u32],
    walk: Walk<'a>,
    batch: ExactBatch,
    next: ExactBatch,
    memory: Vec<u64>,
}

impl<'a> Expander<'a> {
    pub(super) fn new(letters: &'a ExactLetters, inverses: &'a [u32]) -> Expander<'a> {
        let (walk, batch) = (Walk::new(letters, letters.identity()), ExactBatch::new(letters));
        Expander { letters, inverses, walk, next: batch.clone(), batch, memory: Vec::new() }
    }

    /// Appends what the letters of the set `letters` make of the records `rows`. A letter is left out where it takes back
    /// one that ends some shortest circuit: what it makes is known from that circuit without its end.
    pub(super) fn expand(
        &mut self,
        parents: &Parents,
        rows: Range<usize>,
        letters: u32,
        out: &mut Vec<Candidate>,
    ) -> Result<()> {
        let alphabet = self.inverses.len() as u64;
        let mut start = rows.start;
        while start < rows.end {
            let rows = start..rows.end.min(start + LANES);
            start = rows.end;
            for (lane, row) in rows.clone().enumerate() {
                self.batch.set(lane, self.walk.to(parents.words.get(row))?);
            }
            let mut left = letters;
            while left > 0 {
                let letter = left.trailing_zeros();
                left &= left - 1;
                let back = self.inverses[letter as usize];
                let wanted = |row: usize| u32::from(parents.last[row] & back == 0);
                let places =
                    rows.clone().enumerate().fold(0, |places, (lane, row)| places | wanted(row) << lane);
                if places == 0 {
                    continue;
                }
                if !self.letters.advance_batch(&self.batch, letter as u16, &mut self.next) {
                    return Err(Error::ExactOverflow.into());
                }
                self.next.keys(places, &mut self.memory, |lane, key| {
                    let row = rows.start + lane;
                    let first = parents.first[row];
                    out.push(Candidate {
                        key: halves(key),
                        origin: (parents.first_id + row as u64) * alphabet + u64::from(letter),
                        circuits: parents.circuits[row],
                        first: if first == 0 { 1 << letter } else { first },
                        last: 1 << letter,
                    });
                });
            }
        }
        Ok(())
    }

    /// Appends the records `rows` themselves, for their keys.
    pub(super) fn same(
        &mut self,
        parents: &Parents,
        rows: Range<usize>,
        out: &mut Vec<Candidate>,
    ) -> Result<()> {
        for row in rows {
            let key = halves(self.letters.unitary(parents.words.get(row))?.key());
            out.push(Candidate { key, origin: 0, circuits: 1, first: 0, last: 0 });
        }
        Ok(())
    }
}
