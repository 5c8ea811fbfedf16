//! Verifying that the index leads from each unitary of an enumeration to its record.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::ids::Ids;
use crate::distinct::index::{Index, KeyPart};
use crate::distinct::index_lookup::keys_near;
use crate::distinct::letters::{Letters, PrefixWalk, with_letters};
use crate::distinct::parallel::{Threads, parallel};
use crate::error::Result;
use crate::tables::levels::Level;
use qorpus_core::{Arithmetic, BATCH_LANES, Circuits};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

/// Blocks that are verified together, with some hundred thousand entries: neighbours in the order
/// of their circuits are read together and share prefixes.
const GROUP_BLOCKS: usize = 1 << 11;

/// The result of verifying an index.
#[derive(Debug, Default)]
pub(crate) struct IndexReport {
    /// The numbers of the levels whose index is damaged.
    pub(crate) damaged: BTreeSet<usize>,
    /// Entries whose unitaries were recomputed.
    pub(crate) recomputed: u64,
}

/// Verifies every block of the index of the corpus, and that a fraction `sample` of the entries
/// leads to circuits with their keys.
pub(crate) fn verify_index(
    corpus: &CorpusFile,
    sample: f64,
    jobs: usize,
    stop: &AtomicBool,
) -> Result<IndexReport> {
    let mut report = IndexReport::default();
    let Some(distinct) = corpus.recipe().space().enumerates() else { return Ok(report) };
    let levels = corpus.levels()?;
    let letters = Letters::new(corpus.recipe().alphabet(), distinct)?;
    // Pieces of work are groups of blocks, of one level after the other.
    let mut pieces = 0;
    let ends = levels.iter().enumerate().map(|(number, level)| {
        let blocks = if level.records == 0 {
            0
        } else {
            Index::new(corpus.recipe(), corpus.check_seed(), number, level).blocks()
        };
        pieces += (blocks as usize).div_ceil(GROUP_BLOCKS);
        pieces
    });
    let ends: Vec<usize> = ends.collect();
    let level_of = |piece: usize| ends.partition_point(|&end| end <= piece);
    let (mut entries, path) = (vec![0; levels.len()], corpus.path().to_owned());
    let begin = || CorpusFile::open(&path);
    let work = |corpus: &mut CorpusFile, piece: usize| {
        let number = level_of(piece);
        let first = (piece - number.checked_sub(1).map_or(0, |before| ends[before])) * GROUP_BLOCKS;
        let blocks = first as u64..(first + GROUP_BLOCKS) as u64;
        let level = (number, &levels[number]);
        with_letters!(&letters, letters => verify_blocks(corpus, letters, level, blocks, sample))
    };
    let mut finish = |piece: usize, found: Option<(u64, u64)>| {
        let number = level_of(piece);
        if let Some((found, recomputed)) = found {
            entries[number] += found;
            report.recomputed += recomputed;
        } else {
            report.damaged.insert(number);
        }
        Ok(())
    };
    if parallel(Threads::new(jobs, stop), pieces, &begin, &work, &mut finish, &mut || {})? {
        let lacks_entries = |number: &usize| entries[*number] != levels[*number].records;
        report.damaged.extend((0..levels.len()).filter(lacks_entries));
    }
    Ok(report)
}

/// An entry of the index whose circuit is read.
struct SampledEntry {
    origin: u64,
    block: u64,
    part: KeyPart,
}

/// Returns the numbers of entries of these blocks, as far as the index has them, and of recomputed
/// unitaries; `None` if a block is damaged.
fn verify_blocks<A: Arithmetic>(
    corpus: &CorpusFile,
    letters: &A,
    (number, level): (usize, &Level),
    blocks: Range<u64>,
    sample: f64,
) -> Result<Option<(u64, u64)>> {
    let index = Index::new(corpus.recipe(), corpus.check_seed(), number, level);
    let blocks = blocks.start..blocks.end.min(index.blocks());
    let read = corpus.read(|connection| {
        let blocks = blocks.clone().map(|block| index.read(connection, block));
        blocks.collect::<rusqlite::Result<Option<Vec<_>>>>()
    });
    let Some(read) = read? else { return Ok(None) };
    let (mut count, mut sampled) = (0, Vec::new());
    for (block, bytes) in blocks.zip(read) {
        let entries: Vec<_> = index.entries(&bytes).collect();
        if !entries.is_sorted_by_key(|(part, _)| *part) {
            return Ok(None);
        }
        count += entries.len() as u64;
        let len = (entries.len() as f64 * sample).ceil() as usize;
        // The sample may begin anywhere; the block's number determines it, so that a repeated run
        // reads the same entries.
        let start = block.wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize % (entries.len() - len + 1);
        let entry = |&(part, origin): &(KeyPart, u64)| SampledEntry { origin, block, part };
        sampled.extend(entries[start..start + len].iter().map(entry));
    }
    sampled.sort_unstable_by_key(|entry| entry.origin);
    let is_right =
        |entry: &SampledEntry, key| index.may_have(entry.block, entry.part, &keys_near(letters, key, 0.0));
    let are_right = if level.length == 0 {
        let key = letters.key(&letters.identity());
        sampled.iter().all(|entry| is_right(entry, key))
    } else {
        have_keys(corpus, letters, level, &sampled, &is_right)?
    };
    Ok(are_right.then_some((count, sampled.len() as u64)))
}

/// Returns whether the circuits of entries, sorted by origin, have the right keys.
fn have_keys<A: Arithmetic>(
    corpus: &CorpusFile,
    letters: &A,
    level: &Level,
    sampled: &[SampledEntry],
    is_right: &impl Fn(&SampledEntry, u128) -> bool,
) -> Result<bool> {
    // An origin is a record of an earlier level, and a letter.
    let alphabet = u64::from(letters.letters());
    let ids: Vec<u64> = sampled.iter().map(|entry| entry.origin / alphabet).collect();
    if ids.last().is_some_and(|&last| last >= level.first_id) {
        return Ok(false);
    }
    let mut parents = Circuits::default();
    corpus.circuits(&Ids::List(&ids), &mut parents)?;
    let mut walk = PrefixWalk::new(letters, letters.identity());
    // For each letter, the unitaries that it extends once their batch is full.
    let mut waiting: Vec<(A::Batch, Vec<&SampledEntry>)> =
        (0..alphabet).map(|_| (letters.batch(), Vec::new())).collect();
    let multiply = |letter: usize, batch: &mut A::Batch, entries: &mut Vec<&SampledEntry>| {
        let (lanes, mut are_right) = (u32::MAX >> (BATCH_LANES - entries.len()), true);
        let fits = letters.products(batch, letter as u16, lanes, |lane, key| {
            are_right &= is_right(entries[lane], key);
        });
        entries.clear();
        fits && are_right
    };
    for (row, entry) in sampled.iter().enumerate() {
        let letter = (entry.origin % alphabet) as usize;
        let (batch, entries) = &mut waiting[letter];
        let Ok(unitary) = walk.unitary(parents.get(row)) else { return Ok(false) };
        letters.set(batch, entries.len(), unitary);
        entries.push(entry);
        if entries.len() == BATCH_LANES && !multiply(letter, batch, entries) {
            return Ok(false);
        }
    }
    let mut waiting = waiting.iter_mut().enumerate().filter(|(_, (_, entries))| !entries.is_empty());
    Ok(waiting.all(|(letter, (batch, entries))| multiply(letter, batch, entries)))
}
