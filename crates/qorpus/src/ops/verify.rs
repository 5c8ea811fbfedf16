//! Verifying: checksums, gaps, duplicates, ids and totals, and recomputation; and repairing what fails.

use crate::paths::is_sharded;
use crate::shards::check;
use crate::corpus::corpus_file::Corpus;
use crate::corpus::corpus_writer::{self as store, Store};
use crate::distinct::check_index;
use crate::error::{ChunkDamage, Error, Result};
use crate::options::{Durability, PairCheck, threads};
use crate::os::threads as workers;
use crate::produce::chunk_builder::Maker;
use crate::produce::generate::only_sharded;
use crate::produce::pair_check::{self as pairs, Pairs};
use crate::shards;
use crate::sqlite::wal;
use crate::tables::claims::{self as work, Todo};
use qorpus_core::{Chunk, Circuits, Codec, ContentHash, Kernel, unitarity_residual};
use rusqlite::{Connection, OptionalExtension};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// So many damaged chunks are enough to know.
const MOST_DAMAGED: usize = 10_000;

/// How thoroughly a corpus is verified.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VerifyOptions {
    /// The fraction of each chunk's records that is recomputed, 0 to 1; checksums are always checked.
    pub sample: f64,
    /// Worker threads; `None` is one a core.
    pub jobs: Option<usize>,
}

/// How a corpus is repaired.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RepairOptions {
    /// How what is damaged is found.
    pub verify: VerifyOptions,
    /// Where shards are built before they go to their place, as in [`GenerateOptions::stage`](crate::GenerateOptions::stage).
    pub stage: Option<PathBuf>,
}

impl Default for VerifyOptions {
    fn default() -> VerifyOptions {
        VerifyOptions { sample: 1.0, jobs: None }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Verification {
    /// Records whose bytes are intact and in their place.
    pub records: u64,
    /// Records that were recomputed.
    pub recomputed: u64,
    /// Chunks that are damaged, by number; after ten thousand no more are looked for.
    pub damaged: BTreeMap<u64, ChunkDamage>,
    /// Appended records whose unitary does not belong to their circuit, by id, and the likely cause; after ten thousand no
    /// more are looked for.
    pub mismatched: BTreeMap<u64, String>,
    /// Appended records that cannot be recomputed: only the name of a gate in their circuit is known.
    pub unknown: u64,
    /// Levels of an enumeration whose index is damaged, by number.
    pub damaged_levels: BTreeSet<usize>,
    /// Whether the totals that the file keeps are those of its chunks; `None` if it changed meanwhile.
    pub totals: Option<bool>,
    /// Shards that are lost or damaged as a whole, by number, and what is wrong with each; none in a corpus of one file.
    pub shards: BTreeMap<u64, String>,
    /// Ids that no shard has, of a sharded corpus; a file says itself what it still lacks.
    pub missing: Vec<Range<u64>>,
    /// Whether the file is marked as being written and its WAL is missing, so that committed records may be missing too.
    pub wal_missing: bool,
    /// Whether it was told to stop before the end.
    pub interrupted: bool,
    pub(crate) content: ContentHash,
}

impl Verification {
    /// Whether nothing is wrong with what is there. A missing WAL is not counted: another program may have closed it properly.
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty()
            && self.mismatched.is_empty()
            && self.damaged_levels.is_empty()
            && self.totals != Some(false)
            && self.shards.is_empty()
            && self.missing.is_empty()
            && !self.interrupted
    }

    /// Adds what was found in another part of the corpus.
    pub(crate) fn add(&mut self, found: Verification) {
        self.records += found.records;
        self.recomputed += found.recomputed;
        self.content += found.content;
        self.damaged.extend(found.damaged);
        self.mismatched.extend(found.mismatched);
        self.unknown += found.unknown;
    }
}

/// Verifies the corpus at `path` while others may be writing it.
///
/// Every chunk is read and its checksums are checked; `sample` of its records are recomputed. The unitaries of appended
/// records are computed from their circuits, where all gates are known, and compared up to a global phase. Of an enumeration of distinct unitaries, every
/// block of the index is checked, and that so many of its entries lead to records with their keys. What is damaged
/// is part of the result, not an error. Chunks are verified in parallel, each thread with a few megabytes. Of a sharded corpus
/// every shard is verified so and held against the manifest, which must list each record once.
///
/// # Errors
/// The file or the manifest cannot be read at all, or the sample is no fraction.
pub fn verify(
    path: &Path,
    options: VerifyOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    match is_sharded(path) {
        true => verify(path, options, stop, report),
        false => verify_file(path, options, stop, report),
    }
}

/// The same for one file.
pub(crate) fn verify_file(
    path: &Path,
    options: VerifyOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    if !(0.0..=1.0).contains(&options.sample) {
        return Err(Error::Usage(format!(
            "a sample of {} is not a fraction; it goes from 0 to 1",
            options.sample
        )));
    }
    let (corpus, jobs) = (Corpus::open(path)?, threads(options.jobs)?);
    let (before, done, unexpected) = corpus.read(|connection| {
        let (done, unexpected) = survey(connection, &corpus)?;
        Ok((store::totals(connection)?, done, unexpected))
    })?;
    let (step, result) = (corpus.scan_chunks(), Mutex::new(Verification::default()));
    // Chunks that are still to be made are many in a corpus that has just begun, and cost nothing.
    let segments = Mutex::new(done.into_iter().flat_map(|done| {
        let next = move |start: &u64| Some(start.saturating_add(step)).filter(|next| *next < done.end);
        std::iter::successors(Some(done.start), next)
            .map(move |start| start..done.end.min(start.saturating_add(step)))
    }));
    let verify_segments = &|| -> Result<()> {
        let corpus = Corpus::open(path)?;
        while let Some(numbers) = segments.lock().ok().and_then(|mut segments| segments.next()) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let found = segment(&corpus, numbers, options.sample);
            report(found.records);
            if let Ok(mut sum) = result.lock() {
                sum.add(found);
                if sum.damaged.len().max(sum.mismatched.len()) >= MOST_DAMAGED {
                    break;
                }
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers = workers::start(scope, jobs, |_| verify_segments)?;
        // A worker does not panic; if one did, the scope panics in its turn.
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or(Ok(())))
    })?;
    let mut result = result.into_inner().unwrap_or_default();
    result.wal_missing = wal::is_found(corpus.path());
    result.damaged.extend(unexpected.into_iter().map(|number| (number, ChunkDamage::Unexpected)));
    // Records that are damaged are what an index leads to.
    if result.damaged.is_empty() {
        let index = check_index(&corpus, options.sample, jobs, stop)?;
        result.recomputed += index.recomputed;
        result.damaged_levels = index.damaged;
    }
    result.interrupted = stop.load(Ordering::Relaxed);
    if !result.damaged.is_empty() || !result.damaged_levels.is_empty() {
        corpus.check_whole()?;
    }
    check_outside(&corpus, &mut result)?;
    let unchanged = corpus.read(store::totals)? == before;
    if unchanged && result.damaged.is_empty() && !result.interrupted {
        result.totals = Some(before == (result.records, result.content));
    }
    Ok(result)
}

/// The ranges of chunks that should be there, and for each range still to be made the first chunk that is there
/// all the same.
fn survey(connection: &Connection, corpus: &Corpus) -> rusqlite::Result<(Vec<Range<u64>>, Vec<u64>)> {
    let (chunks, size) = (corpus.recipe().chunks(), corpus.recipe().chunk_records());
    if corpus.recipe().space().is_appended() {
        let sql = "SELECT first_id, count FROM chunks ORDER BY first_id DESC LIMIT 1";
        let last = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(0)?.saturating_add(row.get::<_, i64>(1)?));
        let end = connection.prepare_cached(sql)?.query_row([], last).optional()?.unwrap_or(0).max(0) as u64;
        // Of records beyond the last chunk the first is missing, and nothing is said by looking for the others.
        let all = 0..store::totals(connection)?.0.min(end.saturating_add(1));
        return Ok((Vec::from([all]), Vec::new()));
    }
    let (mut done, mut unexpected, mut next) = (Vec::new(), Vec::new(), 0);
    for Todo { chunks: todo, .. } in work::within(connection, &(0..chunks))? {
        done.push(next..todo.start);
        next = todo.end;
        let sql = "SELECT min(first_id) FROM chunks WHERE first_id >= ?1 AND first_id <= ?2";
        let ids = [todo.start.saturating_mul(size), todo.end.saturating_mul(size) - 1]
            .map(|id| id.min(i64::MAX as u64));
        let found = connection.prepare_cached(sql)?.query_row(ids, |row| row.get::<_, Option<u64>>(0))?;
        unexpected.extend(found.map(|id| id / size));
    }
    done.push(next..chunks);
    done.retain(|done| !done.is_empty());
    Ok((done, unexpected))
}

/// Verifies some consecutive chunks, read in one transaction.
fn segment(corpus: &Corpus, numbers: Range<u64>, sample: f64) -> Verification {
    let mut result = Verification::default();
    if corpus.recipe().space().is_appended() {
        let mut next = numbers.start;
        while next < numbers.end {
            next =
                check_appended(corpus, &(next..numbers.end), sample, &mut result).unwrap_or_else(|number| {
                    result.damaged.insert(number, ChunkDamage::Unreadable);
                    numbers.end
                });
        }
        return result;
    }
    let read = |numbers: Range<u64>| {
        corpus.read(|connection| {
            Ok((corpus.chunks_in(connection, numbers.clone())?, work::within(connection, &numbers)?))
        })
    };
    // A page that SQLite cannot read hides its neighbours: then each chunk is asked for alone.
    let (mut next, mut alone) = (numbers.start, false);
    while next < numbers.end {
        match read(next..if alone { next + 1 } else { numbers.end }) {
            Ok(((chunks, until), todo)) => {
                check_segment(corpus, &chunks, &todo, next..until, sample, &mut result);
                next = until;
            }
            Err(_) if !alone => alone = true,
            Err(_) => {
                result.damaged.insert(next, ChunkDamage::Unreadable);
                next += 1;
            }
        }
    }
    result
}

/// Checks that appended chunks follow one another without gaps, their bytes, and `sample` of their pairs.
/// Returns the number up to which it did, and fails with that of a chunk that SQLite cannot read.
fn check_appended(
    corpus: &Corpus,
    numbers: &Range<u64>,
    sample: f64,
    result: &mut Verification,
) -> std::result::Result<u64, u64> {
    let sql = "SELECT first_id + count FROM chunks WHERE first_id < ?1 ORDER BY first_id DESC LIMIT 1";
    let read = corpus.read(|connection| {
        let before =
            connection.prepare_cached(sql)?.query_row([numbers.start], |row| row.get(0)).optional()?;
        Ok((before.unwrap_or(0), corpus.chunks_in(connection, numbers.clone())?))
    });
    let (mut next, (chunks, until)): (u64, _) = read.map_err(|_| numbers.start)?;
    for (number, chunk) in chunks {
        if number != next {
            result.damaged.insert(next, if next < number { ChunkDamage::Missing } else { ChunkDamage::Ids });
        }
        match check_pairs(corpus, number, &chunk, sample, result) {
            Ok(()) => {
                result.records += chunk.count;
                result.content += chunk.content;
            }
            Err(damage) => drop(result.damaged.insert(number, damage)),
        }
        next = number.saturating_add(chunk.count);
    }
    if next < until {
        result.damaged.insert(next, ChunkDamage::Missing);
    }
    Ok(until)
}

fn check_segment(
    corpus: &Corpus,
    chunks: &[(u64, Chunk)],
    todo: &[Todo],
    numbers: Range<u64>,
    sample: f64,
    result: &mut Verification,
) {
    let mut there = chunks.iter().peekable();
    for number in numbers {
        let is_todo = todo.iter().any(|todo| todo.chunks.contains(&number));
        let mut damage = None;
        let mut count = 0;
        while let Some((_, chunk)) = there.next_if(|(found, _)| *found == number) {
            count += 1;
            match check_chunk(corpus, number, chunk, sample) {
                Ok(recomputed) => {
                    result.records += chunk.count;
                    result.recomputed += recomputed;
                    result.content += chunk.content;
                }
                Err(found) => damage = Some(found),
            }
        }
        let damage = match (count, is_todo) {
            (0, false) => Some(ChunkDamage::Missing),
            (0, true) => None,
            (_, true) => Some(ChunkDamage::Unexpected),
            // Two rows of one chunk cannot both have its first id.
            _ => damage,
        };
        if let Some(damage) = damage {
            result.damaged.insert(number, damage);
        }
    }
}

/// Checks a chunk's place and bytes and recomputes `sample` of its records; returns how many.
fn check_chunk(
    corpus: &Corpus,
    number: u64,
    chunk: &Chunk,
    sample: f64,
) -> std::result::Result<u64, ChunkDamage> {
    let (recipe, view) = (corpus.recipe(), chunk.as_ref());
    corpus.check_ids(&view, number)?;
    let mut circuits = Circuits::default();
    corpus.codec().decode(&view, &mut circuits)?;
    let window = sampled(number, chunk.count, sample);
    let (start, size) = (window.start as u64, window.len() as u64);
    let mut again = Circuits::default();
    recipe.space().circuits(chunk.first_id + start..chunk.first_id + start + size, &mut again);
    let same_circuits =
        window.clone().zip(again.iter()).all(|(position, circuit)| circuits.get(position) == circuit);
    let stored = corpus.codec().unitaries(&view, window)?;
    match same_circuits && (stored.is_empty() || stored == corpus.compute(&again)) {
        true => Ok(size),
        false => Err(ChunkDamage::Recomputed),
    }
}

/// Which records of a chunk are recomputed: a window at a place that differs from chunk to chunk; any place is as good as
/// another.
fn sampled(number: u64, records: u64, sample: f64) -> Range<usize> {
    let size = ((records as f64 * sample).ceil() as u64).min(records);
    let start = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (records - size + 1);
    start as usize..(start + size) as usize
}

/// Checks an appended chunk's place and bytes, and whether `sample` of its unitaries belong to their circuits.
fn check_pairs(
    corpus: &Corpus,
    number: u64,
    chunk: &Chunk,
    sample: f64,
    result: &mut Verification,
) -> std::result::Result<(), ChunkDamage> {
    let (recipe, view) = (corpus.recipe(), chunk.as_ref());
    corpus.check_ids(&view, number)?;
    let mut circuits = Circuits::default();
    corpus.codec().decode(&view, &mut circuits)?;
    if !recipe.stores_unitaries() {
        return Ok(());
    }
    let window = sampled(number, chunk.count, sample);
    let unitaries = recipe.dtype().decode(corpus.codec().unitaries(&view, window.clone())?);
    let (alphabet, size) = (recipe.alphabet(), recipe.alphabet().dim().pow(2));
    let (pair, allowed) = ((alphabet, corpus.kernel()), pairs::tolerance(recipe.dtype()));
    let record =
        |position: usize| (circuits.get(window.start + position), &unitaries[position * size..][..size]);
    Pairs::default().compare(pair, 0..window.len(), record, PairCheck::Phase, |position, difference| {
        match difference {
            None => result.unknown += 1,
            Some(difference) if difference <= allowed => result.recomputed += 1,
            Some(difference) => {
                let (circuit, given) = record(position);
                let residual = unitarity_residual(given, alphabet.dim());
                let allowed = pairs::tolerance_of(residual, recipe.dtype());
                result.recomputed += 1;
                if difference > allowed {
                    let cause = pairs::likely_cause(pair, circuit, given, allowed, PairCheck::Phase, None);
                    let id = chunk.first_id + (window.start + position) as u64;
                    let text = format!("entries differ by up to {}; {cause}", pairs::shown(difference));
                    result.mismatched.insert(id, text);
                }
            }
        }
        result.mismatched.len() < MOST_DAMAGED
    });
    Ok(())
}

/// Rows that no chunk of the recipe has: counted against the last chunk.
fn check_outside(corpus: &Corpus, result: &mut Verification) -> Result<()> {
    let (len, chunk_records) = (corpus.recipe().space().len(), corpus.recipe().chunk_records());
    let sql = "SELECT min(first_id) FROM chunks WHERE first_id < 0 OR first_id >= ?1";
    let end = len.min(i64::MAX as u64);
    let outside =
        corpus.read(|connection| connection.query_row(sql, [end], |row| row.get::<_, Option<i64>>(0)))?;
    if let Some(first_id) = outside {
        let number =
            first_id.try_into().map_or(0, |id: u64| id / chunk_records).min(corpus.recipe().chunks() - 1);
        result.damaged.insert(number, ChunkDamage::Ids);
    }
    Ok(())
}

/// Computes the damaged chunks of the corpus at `path` again and puts its totals right.
///
/// Appended records are left as they are: where a unitary does not belong to its circuit, nothing says which of the two is
/// wrong. Returns what was found and mended; verifying again shows whether the file is clean. Nothing is changed in a
/// corpus that is intact. Of a sharded corpus whole shards are made again, those that are lost or damaged.
///
/// # Errors
/// The file cannot be read or written; pages that SQLite itself cannot read are beyond repair, and so are appended records.
pub fn repair(
    path: &Path,
    options: &RepairOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    if is_sharded(path) {
        return repair(path, options, stop, report);
    }
    if options.stage.is_some() {
        return Err(only_sharded(path));
    }
    let found = verify_file(path, options.verify, stop, report)?;
    if (found.is_clean() && !found.wal_missing) || found.interrupted {
        return Ok(found);
    }
    let recipe = Corpus::open(path)?.recipe().clone();
    if let Some(&level) = found.damaged_levels.first() {
        return Err(Error::DamagedIndex { path: path.into(), level });
    }
    if recipe.space().is_appended() && !found.damaged.is_empty() {
        let reason = "what is damaged cannot be computed again; restore the file from a copy";
        return Err(Error::Appended { path: path.into(), reason });
    }
    if let Some(id) = found.mismatched.keys().next() {
        return Err(Error::Mismatched { path: path.into(), id: *id, records: found.mismatched.len() });
    }
    let (codec, kernel) = (Codec::new(&recipe), Kernel::new(recipe.alphabet()));
    let mut maker = Maker::new(&recipe, &codec, &kernel);
    let store = Store::open(path, &recipe, Durability::Full)?;
    for &number in found.damaged.keys() {
        let (chunk, ids) = (maker.chunk(number), recipe.chunk_ids(number));
        store.write(|transaction| {
            let delete = "DELETE FROM chunks WHERE first_id >= ?1 AND first_id < ?2";
            transaction.execute(delete, [ids.start, ids.end.min(i64::MAX as u64)])?;
            work::remove(transaction, &(number..number + 1))?;
            store::insert_chunk(transaction, &chunk).map(drop)
        })?;
    }
    store.write(|transaction| {
        let outside = "DELETE FROM chunks WHERE first_id < 0 OR first_id >= ?1";
        transaction.execute(outside, [recipe.space().len().min(i64::MAX as u64)])?;
        store::recount(transaction)
    })?;
    Ok(found)
}
