//! From the circuits of one level to what one more letter makes of them.

use crate::corpus::corpus_file::CorpusFile;
use crate::distinct::rows::{Candidate, Shortest, halves};
use crate::error::Result;
use qorpus_core::{
    Alphabet, ApproximateLetters, Arithmetic, BATCH_LANES, Chunk, ChunkRef, ChunkSpan, Circuits, Codec,
    Damage, Equivalence, Error, ExactLetters, Tolerance,
};
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

impl Parents {
    /// Becomes the records of a chunk.
    pub(super) fn take(&mut self, codec: &Codec, chunk: &ChunkRef<'_>) -> std::result::Result<(), Damage> {
        self.take_words(codec, chunk)?;
        let place = ChunkSpan { first_id: chunk.first_id, count: chunk.count };
        let labels = codec.labels(place, chunk.labels)?;
        let column = |name, out: &mut Vec<u32>| {
            out.clear();
            out.extend(labels.integers(name, chunk.count as usize)?.map(|value| value as u32));
            Ok::<_, Damage>(())
        };
        column(CIRCUITS, &mut self.circuits)?;
        column(FIRST, &mut self.first)?;
        column(LAST, &mut self.last)
    }

    /// Becomes the circuits of a chunk, without what else is known.
    pub(super) fn take_words(
        &mut self,
        codec: &Codec,
        chunk: &ChunkRef<'_>,
    ) -> std::result::Result<(), Damage> {
        self.first_id = chunk.first_id;
        codec.decode(chunk, &mut self.words)
    }

    /// Which of them are the records `ids`.
    pub(super) fn rows(&self, ids: &Range<u64>) -> Range<usize> {
        let row = |id: u64| (id.saturating_sub(self.first_id) as usize).min(self.words.len());
        row(ids.start)..row(ids.end)
    }
}

impl CorpusFile {
    /// Calls `visit` with the records `ids`, some at a time: the whole chunks that hold them, as
    /// `take` has them, and which of them are meant.
    pub(super) fn parents(
        &self,
        ids: Range<u64>,
        parents: &mut Parents,
        take: impl Fn(&mut Parents, &Codec, &ChunkRef<'_>) -> std::result::Result<(), Damage>,
        mut visit: impl FnMut(&Parents, Range<usize>) -> Result<()>,
    ) -> Result<()> {
        self.chunks_of(ids.clone(), |number, chunk| {
            take(parents, self.codec(), &chunk.as_ref())
                .map_err(|damage| self.damaged(number, damage.into()))?;
            visit(parents, parents.rows(&ids))
        })
    }

    /// Calls `visit` with the chunks that hold the records `ids`, as they are stored, and their
    /// numbers.
    pub(super) fn chunks_of(
        &self,
        ids: Range<u64>,
        mut visit: impl FnMut(u64, &Chunk) -> Result<()>,
    ) -> Result<()> {
        let sql = "SELECT max(first_id) FROM chunks WHERE first_id <= ?1";
        let begin = self.read(|connection| {
            connection.prepare_cached(sql)?.query_row([ids.start], |row| row.get::<_, Option<u64>>(0))
        })?;
        let mut next = begin.unwrap_or(ids.start);
        while next < ids.end {
            let until = ids.end.min(next.saturating_add(self.scan_chunks()));
            let (chunks, until) = self.chunks(next..until)?;
            for (number, chunk) in &chunks {
                visit(*number, chunk)?;
            }
            next = until;
        }
        Ok(())
    }
}

/// The arithmetic in which a recipe's unitaries are told from each other.
#[derive(Debug)]
pub(super) enum Letters {
    Exact(ExactLetters),
    /// Where a gate is not over the ring.
    Floating(ApproximateLetters),
}

impl Letters {
    pub(super) fn new(alphabet: &Alphabet, up_to: Equivalence) -> qorpus_core::Result<Letters> {
        match ExactLetters::new(alphabet, up_to) {
            Err(Error::NotExact { .. }) => ApproximateLetters::new(alphabet, up_to).map(Letters::Floating),
            letters => letters.map(Letters::Exact),
        }
    }

    pub(super) fn inverses(&self) -> Vec<Option<u16>> {
        match self {
            Letters::Exact(letters) => letters.inverses(),
            Letters::Floating(letters) => letters.inverses(),
        }
    }

    pub(super) fn bands(&self) -> Tolerance {
        match self {
            Letters::Exact(_) => ExactLetters::TOLERANCE,
            Letters::Floating(_) => ApproximateLetters::TOLERANCE,
        }
    }

    pub(super) fn key_of_identity(&self) -> u128 {
        match self {
            Letters::Exact(letters) => letters.key(&letters.identity()),
            Letters::Floating(letters) => letters.key(&letters.identity()),
        }
    }

    pub(super) fn expander<'a>(&'a self, inverses: &'a [u32]) -> Box<dyn Expand + 'a> {
        match self {
            Letters::Exact(letters) => Box::new(Expander::new(letters, inverses)),
            Letters::Floating(letters) => Box::new(Expander::new(letters, inverses)),
        }
    }
}

/// Makes candidates of records.
pub(super) trait Expand {
    /// Appends what the letters of the set `letters` make of the records `rows`. A letter is left
    /// out where it takes back one that ends some shortest circuit: what it makes is known from
    /// that circuit without its end.
    fn expand(
        &mut self,
        parents: &Parents,
        rows: Range<usize>,
        letters: u32,
        out: &mut Vec<Candidate>,
    ) -> Result<()>;

    /// Appends the records `rows` themselves, for their keys.
    fn same(&mut self, parents: &Parents, rows: Range<usize>, out: &mut Vec<Candidate>) -> Result<()>;
}

/// From circuit to circuit, with the unitaries of all beginnings: what two circuits begin with is
/// multiplied once.
pub(super) struct Walk<'a, A: Arithmetic> {
    letters: &'a A,
    stack: Vec<A::Unitary>,
    word: Vec<u16>,
}

impl<'a, A: Arithmetic> Walk<'a, A> {
    /// One on which letters act on `start`.
    pub(super) fn new(letters: &'a A, start: A::Unitary) -> Walk<'a, A> {
        Walk { letters, stack: vec![start], word: Vec::new() }
    }

    /// What the circuit makes, as it comes out.
    pub(super) fn to(&mut self, word: &[u16]) -> qorpus_core::Result<&A::Unitary> {
        let common = self.word.iter().zip(word).take_while(|(old, new)| old == new).count();
        self.stack.resize_with(self.stack.len().max(word.len() + 1), A::Unitary::default);
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
struct Expander<'a, A: Arithmetic> {
    letters: &'a A,
    /// For each letter, the bit of the one that takes it back.
    inverses: &'a [u32],
    walk: Walk<'a, A>,
    batch: A::Batch,
}

impl<'a, A: Arithmetic> Expander<'a, A> {
    fn new(letters: &'a A, inverses: &'a [u32]) -> Expander<'a, A> {
        Expander { letters, inverses, walk: Walk::new(letters, letters.identity()), batch: letters.batch() }
    }
}

impl<A: Arithmetic> Expand for Expander<'_, A> {
    fn expand(
        &mut self,
        parents: &Parents,
        rows: Range<usize>,
        letters: u32,
        out: &mut Vec<Candidate>,
    ) -> Result<()> {
        let alphabet = self.inverses.len() as u64;
        let mut start = rows.start;
        while start < rows.end {
            let rows = start..rows.end.min(start + BATCH_LANES);
            start = rows.end;
            for (lane, row) in rows.clone().enumerate() {
                self.letters.set(&mut self.batch, lane, self.walk.to(parents.words.get(row))?);
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
                let emit = |lane, key| {
                    let row = rows.start + lane;
                    let first = parents.first[row];
                    let shortest = Shortest {
                        origin: (parents.first_id + row as u64) * alphabet + u64::from(letter),
                        circuits: parents.circuits[row],
                        first: if first == 0 { 1 << letter } else { first },
                        last: 1 << letter,
                    };
                    out.push(Candidate { key: halves(key), shortest });
                };
                if !self.letters.products(&mut self.batch, letter as u16, places, emit) {
                    return Err(Error::ExactOverflow.into());
                }
            }
        }
        Ok(())
    }

    fn same(&mut self, parents: &Parents, rows: Range<usize>, out: &mut Vec<Candidate>) -> Result<()> {
        let alphabet = self.inverses.len() as u64;
        for row in rows {
            let key = halves(self.letters.key(&self.letters.unitary(parents.words.get(row))?));
            // Nobody asks for the origins of these, but they keep them apart.
            let origin = (parents.first_id + row as u64) * alphabet;
            out.push(Candidate { key, shortest: Shortest { origin, circuits: 1, first: 0, last: 0 } });
        }
        Ok(())
    }
}
