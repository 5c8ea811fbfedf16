//! Checking that the index leads from each unitary of an enumeration to its record.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::ids::Ids;
use crate::distinct::expand::{Letters, Walk};
use crate::distinct::find::keys_near;
use crate::distinct::index::{Index, KEY_PART};
use crate::distinct::parallel::{Threads, parallel};
use crate::error::Result;
use crate::tables::levels::Level;
use qorpus_core::{Arithmetic, BATCH_LANES, Circuits};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

/// So many blocks are checked together, with some hundred thousand entries: in the order of their
/// circuits these are read from neighbouring records, and share their beginnings.
const TOGETHER: usize = 1 << 11;

/// What was found of an index.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// The numbers of the levels whose index is damaged.
    pub(crate) damaged: BTreeSet<usize>,
    /// Entries whose unitaries were computed again.
    pub(crate) recomputed: u64,
}

/// Checks every block of the index of the corpus, and that `sample` of their entries lead to
/// circuits with their keys.
pub(crate) fn check_index(
    corpus: &CorpusFile,
    sample: f64,
    jobs: usize,
    stop: &AtomicBool,
) -> Result<Checked> {
    let mut checked = Checked::default();
    let Some(distinct) = corpus.recipe().space().enumerates() else { return Ok(checked) };
    let levels = corpus.levels()?;
    let letters = Letters::new(corpus.recipe().alphabet(), distinct.up_to)?;
    // The pieces of work are groups of blocks, of one level after the other.
    let mut ends = Vec::with_capacity(levels.len());
    for (number, level) in levels.iter().enumerate() {
        let blocks = if level.records == 0 { 0 } else { Index::new(corpus.recipe(), number, level).blocks() };
        ends.push(ends.last().copied().unwrap_or(0) + (blocks as usize).div_ceil(TOGETHER));
    }
    let level_of = |piece: usize| ends.partition_point(|&end| end <= piece);
    let (mut entries, path) = (vec![0; levels.len()], corpus.path().to_owned());
    let begin = || CorpusFile::open(&path);
    let work = |corpus: &mut CorpusFile, piece: usize| {
        let number = level_of(piece);
        let group = (piece - number.checked_sub(1).map_or(0, |before| ends[before])) * TOGETHER;
        let (level, blocks) = ((number, &levels[number]), group as u64..(group + TOGETHER) as u64);
        match &letters {
            Letters::Exact(letters) => check_blocks(corpus, letters, level, blocks, sample),
            Letters::Floating(letters) => check_blocks(corpus, letters, level, blocks, sample),
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

/// An entry of the index that is checked.
struct Entry {
    origin: u64,
    block: u64,
    part: [u8; KEY_PART],
}

/// How many entries these blocks have, as far as there are such, and how many unitaries were
/// computed again; `None` if a block is damaged.
fn check_blocks<A: Arithmetic>(
    corpus: &CorpusFile,
    letters: &A,
    (number, level): (usize, &Level),
    blocks: Range<u64>,
    sample: f64,
) -> Result<Option<(u64, u64)>> {
    let index = Index::new(corpus.recipe(), number, level);
    let blocks = blocks.start..blocks.end.min(index.blocks());
    let read = corpus.read(|connection| {
        blocks
            .clone()
            .map(|block| index.read(connection, block))
            .collect::<rusqlite::Result<Option<Vec<_>>>>()
    });
    let Some(read) = read? else { return Ok(None) };
    let (mut there, mut wanted) = (0, Vec::new());
    for (block, bytes) in blocks.zip(read) {
        let entries = index.entries(&bytes);
        if !entries.is_sorted_by_key(|(part, _)| *part) {
            return Ok(None);
        }
        there += entries.len() as u64;
        let sampled = (entries.len() as f64 * sample).ceil() as usize;
        // The sample may begin anywhere; the block's number decides, so that a repeated check reads
        // the same entries.
        let start = block.wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize % (entries.len() - sampled + 1);
        let sampled = &entries[start..start + sampled];
        wanted.extend(sampled.iter().map(|&(part, origin)| Entry { origin, block, part }));
    }
    wanted.sort_unstable_by_key(|entry| entry.origin);
    let alphabet = corpus.recipe().alphabet().letters().len() as u64;
    let mut parents = Circuits::default();
    if level.length > 0 {
        // An origin is a record of a level before, and a letter.
        let ids: Vec<u64> = wanted.iter().map(|entry| entry.origin / alphabet).collect();
        if ids.last().is_some_and(|&last| last >= level.first_id) {
            return Ok(None);
        }
        corpus.circuits(&Ids::List(&ids), &mut parents)?;
    }
    let is_right = |entry: &Entry, key| index.may_be(entry.block, entry.part, &keys_near(letters, key, 0.0));
    if level.length == 0 {
        let key = letters.key(&letters.identity());
        let right = wanted.iter().all(|entry| is_right(entry, key));
        return Ok(right.then_some((there, wanted.len() as u64)));
    }
    let mut walk = Walk::new(letters, letters.identity());
    // What awaits each letter: a batch is multiplied when all of its lanes are taken.
    let mut waiting: Vec<(A::Batch, Vec<&Entry>)> =
        (0..alphabet).map(|_| (letters.batch(), Vec::new())).collect();
    let multiplied = |letter: usize, batch: &mut A::Batch, entries: &mut Vec<&Entry>| {
        let (places, mut right) = (u32::MAX >> (BATCH_LANES - entries.len()), true);
        let fits = letters.products(batch, letter as u16, places, |lane, key| {
            right &= is_right(entries[lane], key);
        });
        entries.clear();
        fits && right
    };
    for (row, entry) in wanted.iter().enumerate() {
        let letter = (entry.origin % alphabet) as usize;
        let (batch, entries) = &mut waiting[letter];
        let Ok(unitary) = walk.to(parents.get(row)) else { return Ok(None) };
        letters.set(batch, entries.len(), unitary);
        entries.push(entry);
        if entries.len() == BATCH_LANES && !multiplied(letter, batch, entries) {
            return Ok(None);
        }
    }
    for (letter, (batch, entries)) in waiting.iter_mut().enumerate() {
        if !entries.is_empty() && !multiplied(letter, batch, entries) {
            return Ok(None);
        }
    }
    Ok(Some((there, wanted.len() as u64)))
}
