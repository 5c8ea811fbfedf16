//! Verifying: checksums, gaps, duplicates, ids and totals, and recomputation; and repairing what
//! fails.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::corpus_writer::CorpusWriter;
use crate::distinct::check::check_index;
use crate::error::{ChunkDamage, Error, Result};
use crate::options::job::{Durability, threads};
use crate::options::writer::PairCheck;
use crate::os::workers;
use crate::produce::chunk_builder::ChunkBuilder;
use crate::produce::compare::{self, PairComparer};
use crate::sqlite::wal;
use crate::tables::chunks::{insert_chunk, recount, totals};
use crate::tables::claims::{self, PendingRange};
use crate::verify::report::{RepairOptions, Verification, VerifyOptions};
use qorpus_core::{Chunk, Circuits, Codec, Kernel, unitarity_residual};
use rusqlite::{Connection, OptionalExtension};
use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// So many damaged chunks are enough to know.
const MAX_DAMAGED: usize = 10_000;

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
    let (corpus, jobs) = (CorpusFile::open(path)?, threads(options.jobs)?);
    let (before, done, unexpected) = corpus.read(|connection| {
        let (done, unexpected) = survey(connection, &corpus)?;
        Ok((totals(connection)?, done, unexpected))
    })?;
    let (step, result) = (corpus.scan_chunks(), Mutex::new(Verification::default()));
    // Chunks that are still to be made are many in a corpus that has just begun, and cost nothing.
    let segments = Mutex::new(done.into_iter().flat_map(|done| {
        let next = move |start: &u64| Some(start.saturating_add(step)).filter(|next| *next < done.end);
        std::iter::successors(Some(done.start), next)
            .map(move |start| start..done.end.min(start.saturating_add(step)))
    }));
    let verify_segments = &|| -> Result<()> {
        let corpus = CorpusFile::open(path)?;
        while let Some(numbers) = segments.lock().ok().and_then(|mut segments| segments.next()) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let found = segment(&corpus, numbers, options.sample);
            report(found.records);
            if let Ok(mut sum) = result.lock() {
                sum.add(found);
                if sum.damaged.len().max(sum.mismatched.len()) >= MAX_DAMAGED {
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
    let unchanged = corpus.read(totals)? == before;
    if unchanged && result.damaged.is_empty() && !result.interrupted {
        result.totals = Some(before == (result.records, result.content));
    }
    Ok(result)
}

/// The ranges of chunks that should be there, and for each range still to be made the first chunk
/// that is there all the same.
fn survey(connection: &Connection, corpus: &CorpusFile) -> rusqlite::Result<(Vec<Range<u64>>, Vec<u64>)> {
    let (chunks, size) = (corpus.recipe().chunks(), corpus.recipe().chunk_records());
    if corpus.recipe().space().is_appended() {
        let sql = "SELECT first_id, count FROM chunks ORDER BY first_id DESC LIMIT 1";
        let last = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(0)?.saturating_add(row.get::<_, i64>(1)?));
        let end = connection.prepare_cached(sql)?.query_row([], last).optional()?.unwrap_or(0).max(0) as u64;
        // Of records beyond the last chunk the first is missing, and nothing is said by looking for
        // the others.
        let all = 0..totals(connection)?.0.min(end.saturating_add(1));
        return Ok((Vec::from([all]), Vec::new()));
    }
    let (mut done, mut unexpected, mut next) = (Vec::new(), Vec::new(), 0);
    for PendingRange { chunks: todo, .. } in claims::within(connection, &(0..chunks))? {
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
fn segment(corpus: &CorpusFile, numbers: Range<u64>, sample: f64) -> Verification {
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
            Ok((corpus.chunks_in(connection, numbers.clone())?, claims::within(connection, &numbers)?))
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

/// Checks that appended chunks follow one another without gaps, their bytes, and `sample` of their
/// pairs. Returns the number up to which it did, and fails with that of a chunk that SQLite cannot
/// read.
fn check_appended(
    corpus: &CorpusFile,
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
    corpus: &CorpusFile,
    chunks: &[(u64, Chunk)],
    todo: &[PendingRange],
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
    corpus: &CorpusFile,
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

/// Which records of a chunk are recomputed: a window at a place that differs from chunk to chunk;
/// any place is as good as another.
fn sampled(number: u64, records: u64, sample: f64) -> Range<usize> {
    let size = ((records as f64 * sample).ceil() as u64).min(records);
    let start = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (records - size + 1);
    start as usize..(start + size) as usize
}

/// Checks an appended chunk's place and bytes, and whether `sample` of its unitaries belong to
/// their circuits.
fn check_pairs(
    corpus: &CorpusFile,
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
    let (pair, allowed) = ((alphabet, corpus.kernel()), compare::tolerance(recipe.dtype()));
    let record =
        |position: usize| (circuits.get(window.start + position), &unitaries[position * size..][..size]);
    PairComparer::default().compare(
        pair,
        0..window.len(),
        record,
        PairCheck::Phase,
        |position, difference| {
            match difference {
                None => result.unknown += 1,
                Some(difference) if difference <= allowed => result.recomputed += 1,
                Some(difference) => {
                    let (circuit, given) = record(position);
                    let residual = unitarity_residual(given, alphabet.dim());
                    let allowed = compare::tolerance_of(residual, recipe.dtype());
                    result.recomputed += 1;
                    if difference > allowed {
                        let cause =
                            compare::likely_cause(pair, circuit, given, allowed, PairCheck::Phase, None);
                        let id = chunk.first_id + (window.start + position) as u64;
                        let text = format!("entries differ by up to {}; {cause}", compare::shown(difference));
                        result.mismatched.insert(id, text);
                    }
                }
            }
            result.mismatched.len() < MAX_DAMAGED
        },
    );
    Ok(())
}

/// Rows that no chunk of the recipe has: counted against the last chunk.
fn check_outside(corpus: &CorpusFile, result: &mut Verification) -> Result<()> {
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

/// Computes the damaged chunks of one file again, as [`repair`](crate::repair) does.
pub(crate) fn repair_file(
    path: &Path,
    options: &RepairOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    let found = verify_file(path, options.verify, stop, report)?;
    if (found.is_clean() && !found.wal_missing) || found.interrupted {
        return Ok(found);
    }
    let recipe = CorpusFile::open(path)?.recipe().clone();
    if let Some(&level) = found.damaged_levels.first() {
        return Err(Error::DamagedIndex(path.into(), level));
    }
    if recipe.space().is_appended() && !found.damaged.is_empty() {
        let reason = "what is damaged cannot be computed again; restore the file from a copy";
        return Err(Error::Appended(path.into(), reason));
    }
    if let Some(id) = found.mismatched.keys().next() {
        return Err(Error::Mismatched { path: path.into(), id: *id, records: found.mismatched.len() });
    }
    let (codec, kernel) = (Codec::new(&recipe), Kernel::new(recipe.alphabet()));
    let mut maker = ChunkBuilder::new(&recipe, &codec, &kernel);
    let store = CorpusWriter::open(path, &recipe, Durability::Full)?;
    for &number in found.damaged.keys() {
        let (chunk, ids) = (maker.chunk(number), recipe.chunk_ids(number));
        store.write(|transaction| {
            let delete = "DELETE FROM chunks WHERE first_id >= ?1 AND first_id < ?2";
            transaction.execute(delete, [ids.start, ids.end.min(i64::MAX as u64)])?;
            claims::remove(transaction, &(number..number + 1))?;
            insert_chunk(transaction, &chunk).map(drop)
        })?;
    }
    store.write(|transaction| {
        let outside = "DELETE FROM chunks WHERE first_id < 0 OR first_id >= ?1";
        transaction.execute(outside, [recipe.space().len().min(i64::MAX as u64)])?;
        recount(transaction)
    })?;
    Ok(found)
}
