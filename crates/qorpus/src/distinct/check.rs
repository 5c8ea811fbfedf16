//! Checking that the index leads from each unitary of an enumeration to its record.

use super::expand::Letters;
use super::find::keys_of;
use super::levels::{Index, Level};
use super::parallel::{Threads, parallel};
use crate::error::Result;
use crate::ids::Ids;
use crate::reader::Corpus;
use qorpus_core::{Arithmetic, Circuits};
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

/// What was found of an index.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// The numbers of the levels whose index is damaged.
    pub(crate) damaged: BTreeSet<usize>,
    /// Entries whose unitaries were computed again.
    pub(crate) recomputed: u64,
}

/// Checks every block of the index of the corpus, and that `sample` of their entries lead to circuits with their keys.
pub(crate) fn check_index(corpus: &Corpus, sample: f64, jobs: usize, stop: &AtomicBool) -> Result<Checked> {
    let mut checked = Checked::default();
    let Some(distinct) = corpus.recipe().space().enumerates() else { return Ok(checked) };
    let levels = corpus.levels()?;
    let letters = Letters::new(corpus.recipe().alphabet(), distinct.up_to)?;
    // The pieces of work are the blocks of all levels, one after the other.
    let mut ends = Vec::with_capacity(levels.len());
    for (number, level) in levels.iter().enumerate() {
        let blocks = if level.records == 0 { 0 } else { Index::new(corpus.recipe(), number, level).blocks() };
        ends.push(ends.last().copied().unwrap_or(0) + blocks as usize);
    }
    let level_of = |piece: usize| ends.partition_point(|&end| end <= piece);
    let (mut entries, path) = (vec![0; levels.len()], corpus.path().to_owned());
    let begin = || Corpus::open(&path);
    let work = |corpus: &mut Corpus, piece: usize| {
        let number = level_of(piece);
        let block = piece - number.checked_sub(1).map_or(0, |before| ends[before]);
        let (level, block) = ((number, &levels[number]), block as u64);
        match &letters {
            Letters::Exact(letters) => check_block(corpus, letters, level, block, sample),
            Letters::Floating(letters) => check_block(corpus, letters, level, block, sample),
        }
    };
    let mut finish = |piece: usize, found: Option<(u64, u64)>| {
        let number = level_of(piece);
        match found {
            Some((there, recomputed)) => {
                entries[number] += there;
                checked.recomputed += recomputed;
            }
            None => drop(checked.damaged.insert(number)),
        }
        Ok(())
    };
    let complete = parallel(
        Threads::new(jobs, stop),
        ends.last().copied().unwrap_or(0),
        &begin,
        &work,
        &mut finish,
        &mut || {},
    )?;
    if complete {
        let short = |number: &usize| entries[*number] != levels[*number].records;
        checked.damaged.extend((0..levels.len()).filter(short));
    }
    Ok(checked)
}

/// How many entries a block has, and how many unitaries were computed again; `None` if it is damaged.
fn check_block<A: Arithmetic>(
    corpus: &Corpus,
    letters: &A,
    (number, level): (usize, &Level),
    block: u64,
    sample: f64,
) -> Result<Option<(u64, u64)>> {
    let index = Index::new(corpus.recipe(), number, level);
    let Some(bytes) = corpus.read(|connection| index.read(connection, block))? else { return Ok(None) };
    let entries = index.entries(&bytes);
    if !entries.is_sorted_by_key(|(part, _)| *part) {
        return Ok(None);
    }
    let wanted = (entries.len() as f64 * sample).ceil() as usize;
    // Any place is as good as another.
    let start = block.wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize % (entries.len() - wanted + 1);
    let wanted = &entries[start..start + wanted];
    let alphabet = corpus.recipe().alphabet().letters().len() as u64;
    let (mut parents, mut circuit) = (Circuits::default(), Vec::new());
    let ids: Vec<u64> = wanted.iter().map(|(_, origin)| origin / alphabet).collect();
    if level.length > 0 {
        if ids.iter().any(|&id| id >= level.first_id) {
            return Ok(None);
        }
        corpus.circuits(&Ids::List(&ids), &mut parents)?;
    }
    for (row, (part, origin)) in wanted.iter().enumerate() {
        circuit.clear();
        if level.length > 0 {
            circuit.extend_from_slice(parents.get(row));
            circuit.push((origin % alphabet) as u16);
        }
        let unitary = letters.unitary(&circuit);
        if !unitary.is_ok_and(|unitary| index.may_be(block, *part, &keys_of(letters, &unitary, 0.0))) {
            return Ok(None);
        }
    }
    Ok(Some((entries.len() as u64, wanted.len() as u64)))
}
