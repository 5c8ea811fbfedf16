//! Lookups in the index: from a unitary to the circuits that may have it, and to their records.

use crate::corpus::corpus_file::CorpusFile;
use crate::distinct::index::Index;
use crate::error::{Error, Result};
use crate::tables::levels::Level;
use crate::tables::next_level;
use qorpus_core::Arithmetic;
use std::ops::RangeInclusive;

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
    /// One transaction reads all of them.
    pub(super) fn first_with(&self, numbers: &[usize], target: &A::Unitary) -> Result<Option<usize>> {
        let (corpus, key) = (self.corpus, self.letters.key(target));
        let keys = keys_near(self.letters, key, 0.0);
        corpus.read(|connection| {
            for (place, &number) in numbers.iter().enumerate() {
                let level = &self.levels[number];
                if level.records == 0 {
                    continue;
                }
                let index = Index::new(corpus.recipe(), corpus.check_seed(), number, level);
                for block in index.block(*keys.start())..=index.block(*keys.end()) {
                    let has = |bytes: Vec<u8>| {
                        let entries = index.entries(&bytes);
                        entries.iter().any(|(part, _)| index.may_have(block, *part, &keys))
                    };
                    if index.read(connection, block)?.is_none_or(has) {
                        return Ok(Some(place));
                    }
                }
            }
            Ok(None)
        })
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
        let (level, corpus) = (&self.levels[number], self.corpus);
        if level.records == 0 {
            return Ok(());
        }
        let index = Index::new(corpus.recipe(), corpus.check_seed(), number, level);
        let keys = keys_near(self.letters, self.letters.key(target), error);
        for block in index.block(*keys.start())..=index.block(*keys.end()) {
            if self.last_block.as_ref().is_none_or(|last| (last.0, last.1) != (number, block)) {
                let damaged = || Error::DamagedIndex(corpus.path().into(), number);
                let bytes = corpus.read(|connection| index.read(connection, block))?;
                self.last_block = Some((number, block, bytes.ok_or_else(damaged)?));
            }
            let Some((_, _, bytes)) = &self.last_block else { return Ok(()) };
            for (_, origin) in
                index.entries(bytes).into_iter().filter(|(part, _)| index.may_have(block, *part, &keys))
            {
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
        // Records are ordered by the record of the circuit without its last letter, and then by
        // that letter: by the costs of the circuit without its last letters, from the end on, and
        // then letter by letter.
        let rank = |circuit: &[u16]| {
            let add = |sum: &mut u64, letter: &u16| {
                *sum += u64::from(costs[usize::from(*letter)]);
                Some(*sum)
            };
            let mut sums: Vec<u64> = circuit.iter().scan(0, add).collect();
            sums.reverse();
            (sums, circuit.to_vec())
        };
        let wanted = rank(circuit);
        let (mut from, mut to) = (ids.start, ids.end);
        while from < to {
            let middle = from + (to - from) / 2;
            if rank(&self.corpus.circuit(middle)?) < wanted { from = middle + 1 } else { to = middle }
        }
        Ok(from)
    }
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
