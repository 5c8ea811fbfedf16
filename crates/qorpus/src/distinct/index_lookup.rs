//! Lookups in the index: from a unitary to the circuits that may have it, and to their records.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::ids::Ids;
use crate::distinct::index::Index;
use crate::error::{Error, Result};
use crate::tables::levels::Level;
use crate::tables::next_level;
use qorpus_core::{Arithmetic, Circuits};
use std::cmp::Ordering;
use std::ops::{Range, RangeInclusive};

/// The indexes of all levels.
pub(super) struct IndexLookup<'a, A> {
    pub(super) corpus: &'a CorpusFile,
    pub(super) letters: &'a A,
    pub(super) levels: &'a [Level],
    /// The last block that was read: its level, its number, its bytes.
    last_block: Option<(usize, u64, Vec<u8>)>,
}

impl<'a, A: Arithmetic> IndexLookup<'a, A> {
    pub(super) fn new(corpus: &'a CorpusFile, letters: &'a A, levels: &'a [Level]) -> IndexLookup<'a, A> {
        IndexLookup { corpus, letters, levels, last_block: None }
    }

    /// Returns the circuit of a level whose unitary is `target` within `error`.
    pub(super) fn find(
        &mut self,
        number: usize,
        target: &A::Unitary,
        error: f64,
    ) -> Result<Option<Vec<u16>>> {
        let (letters, mut found) = (self.letters, None);
        self.visit(number, target, error, &mut |circuit, unitary| {
            if letters.same(unitary, target, error) {
                found = Some(circuit.to_vec());
            }
            found.is_some()
        })?;
        Ok(found)
    }

    /// Returns the place of the first of these levels whose index may have `target`, or is damaged.
    /// From the first block that the mapping cannot give, one transaction reads all of them.
    pub(super) fn first_with(&self, numbers: &[usize], target: &A::Unitary) -> Result<Option<usize>> {
        let keys = keys_near(self.letters, self.letters.key(target), 0.0);
        for (place, &number) in numbers.iter().enumerate() {
            let index = self.index(number);
            for block in self.blocks(number, &index, &keys) {
                match self.mapped_block(&index, block)? {
                    Some(bytes) if may_have(&index, block, &bytes, &keys) => return Ok(Some(place)),
                    Some(_) => {}
                    None => {
                        let found = self.first_by_sql(&numbers[place..], &keys)?;
                        return Ok(found.map(|later| place + later));
                    }
                }
            }
        }
        Ok(None)
    }

    fn first_by_sql(&self, numbers: &[usize], keys: &RangeInclusive<u128>) -> Result<Option<usize>> {
        self.corpus.read(|connection| {
            for (place, &number) in numbers.iter().enumerate() {
                let index = self.index(number);
                for block in self.blocks(number, &index, keys) {
                    let has = |bytes: Vec<u8>| may_have(&index, block, &bytes, keys);
                    if index.read(connection, block)?.is_none_or(has) {
                        return Ok(Some(place));
                    }
                }
            }
            Ok(None)
        })
    }

    fn index(&self, number: usize) -> Index {
        Index::new(self.corpus.recipe(), self.corpus.check_seed(), number, &self.levels[number])
    }

    /// Returns the numbers of the blocks that have these keys; none if the level has no records.
    fn blocks(&self, number: usize, index: &Index, keys: &RangeInclusive<u128>) -> Range<u64> {
        let end = index.block(*keys.end()) + 1;
        if self.levels[number].records == 0 { end..end } else { index.block(*keys.start())..end }
    }

    /// Returns a block from the mapping of a file without writers; `None` if SQLite must read it.
    fn mapped_block(&self, index: &Index, block: u64) -> Result<Option<Vec<u8>>> {
        let bytes = self.corpus.mapped_keys(index.place(block))?;
        Ok(bytes.and_then(|bytes| index.checked(block, bytes)))
    }

    /// Reads a block, which stays in `last_block`.
    fn read_block(&mut self, number: usize, index: &Index, block: u64) -> Result<()> {
        if self.last_block.as_ref().is_some_and(|last| (last.0, last.1) == (number, block)) {
            return Ok(());
        }
        let bytes = match self.mapped_block(index, block)? {
            None => self.corpus.read(|connection| index.read(connection, block))?,
            bytes => bytes,
        };
        let damaged = || Error::DamagedIndex(self.corpus.path().into(), number);
        self.last_block = Some((number, block, bytes.ok_or_else(damaged)?));
        Ok(())
    }

    /// Calls `visit` with the circuits of a level whose unitary may be `target` within `error`,
    /// until it returns true. The index is a hint; the unitary is compared.
    pub(super) fn visit(
        &mut self,
        number: usize,
        target: &A::Unitary,
        error: f64,
        visit: &mut dyn FnMut(&[u16], &A::Unitary) -> bool,
    ) -> Result<()> {
        let (level, corpus, index) = (&self.levels[number], self.corpus, self.index(number));
        let keys = keys_near(self.letters, self.letters.key(target), error);
        for block in self.blocks(number, &index, &keys) {
            self.read_block(number, &index, block)?;
            let Some((_, _, bytes)) = &self.last_block else { return Ok(()) };
            for (_, origin) in index.entries(bytes).filter(|(part, _)| index.may_have(block, *part, &keys)) {
                let circuit = if level.length == 0 { Vec::new() } else { corpus.circuit_from(origin)? };
                if self.letters.unitary(&circuit).is_ok_and(|unitary| visit(&circuit, &unitary)) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Returns the id of the record with this circuit, which the level has.
    pub(super) fn id(&self, number: usize, circuit: &[u16]) -> Result<u64> {
        let (costs, ids) = (next_level::costs(self.corpus.recipe()), self.levels[number].ids());
        let (mut from, mut to, mut read) = (ids.start, ids.end, Circuits::default());
        while from < to {
            let middle = from.midpoint(to);
            read.clear();
            self.corpus.circuits(&Ids::List(&[middle]), &mut read)?;
            if order(&costs, read.get(0), circuit).is_lt() { from = middle + 1 } else { to = middle }
        }
        Ok(from)
    }
}

/// Returns whether the index of a level may have one of these keys in a block with these bytes.
fn may_have(index: &Index, block: u64, bytes: &[u8], keys: &RangeInclusive<u128>) -> bool {
    index.entries(bytes).any(|(part, _)| index.may_have(block, part, keys))
}

/// Compares circuits of a level as its records are ordered: by the record of the circuit without its
/// last letter, and then by that letter. So the costs of the circuits without their last letters
/// count first, from the end on, and then the letters.
fn order(costs: &[u32], left: &[u16], right: &[u16]) -> Ordering {
    let cost = |letter: &u16| u64::from(costs[usize::from(*letter)]);
    let [mut left_sum, mut right_sum] = [left, right].map(|circuit| circuit.iter().map(cost).sum::<u64>());
    for (left, right) in left.iter().zip(right).rev() {
        if left_sum != right_sum {
            return left_sum.cmp(&right_sum);
        }
        left_sum -= cost(left);
        right_sum -= cost(right);
    }
    left.cmp(right)
}

/// Returns the possible keys of unitaries whose entries are within `error` of the unitary with this
/// key.
pub(super) fn keys_near<A: Arithmetic>(letters: &A, key: u128, error: f64) -> RangeInclusive<u128> {
    match u128::from(letters.reach(error)) << 64 {
        0 => key..=key,
        // Only the first halves are compared: few keys are this near.
        reach => {
            let first = key >> 64 << 64;
            first.saturating_sub(reach)..=first.saturating_add(reach) | u128::from(u64::MAX)
        }
    }
}
