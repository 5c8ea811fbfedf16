//! Verifying one file (checksums, gaps, duplicates, ids, totals, recomputed samples) and repairing
//! its damaged chunks.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::corpus_writer::CorpusWriter;
use crate::distinct::verify_index::verify_index;
use crate::error::{ChunkDamage, Error, Result};
use crate::options::job::{Durability, threads};
use crate::options::writer::PairCheck;
use crate::os::workers;
use crate::produce::chunk_builder::ChunkBuilder;
use crate::produce::compare::{self, PairComparer};
use crate::sqlite::wal;
use crate::tables::chunks::{delete_chunks, delete_chunks_outside, insert_chunk, recount, totals};
use crate::tables::claims::{self, PendingRange};
use crate::verify::report::{RepairOptions, Verification, VerifyOptions};
use qorpus_core::{Chunk, Circuit, Circuits, unitarity_residual};
use rusqlite::{Connection, OptionalExtension};
use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// The number of damaged chunks or records after which the search ends.
const MAX_DAMAGED: usize = 10_000;

/// Verifies one file, as [`verify`](crate::verify) does.
pub(crate) fn verify_file(
    path: &Path,
    options: VerifyOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    let VerifyOptions { sample, .. } = options;
    if !(0.0..=1.0).contains(&sample) {
        return Err(Error::Usage(format!("the sample {sample} is not a fraction from 0 to 1")));
    }
    let (corpus, jobs) = (CorpusFile::open(path)?, threads(options.jobs)?);
    let (before, done, unexpected) = corpus.read(|connection| {
        let (done, unexpected) = survey(connection, &corpus)?;
        Ok((totals(connection)?, done, unexpected))
    })?;
    let mut result = verify_chunks(&corpus, done, sample, jobs, stop, report)?;
    result.wal_missing = wal::is_found(corpus.path());
    result.damaged.extend(unexpected.into_iter().map(|number| (number, ChunkDamage::Unexpected)));
    // With damaged records, errors of the index say nothing.
    if result.damaged.is_empty() {
        let index = verify_index(&corpus, sample, jobs, stop)?;
        result.recomputed += index.recomputed;
        result.damaged_levels = index.damaged;
    }
    result.interrupted = stop.load(Ordering::Relaxed);
    // What was found then belongs to no one recipe.
    if corpus.has_grown()? {
        return Err(Error::Grown(corpus.path().into()));
    }
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

/// Returns the ranges of chunks that should exist, and for each pending range the first chunk that
/// exists nevertheless.
fn survey(connection: &Connection, corpus: &CorpusFile) -> rusqlite::Result<(Vec<Range<u64>>, Vec<u64>)> {
    let (chunks, size) = (corpus.recipe().chunks(), corpus.recipe().chunk_records());
    if corpus.recipe().space().is_appended() {
        let sql = "SELECT first_id, count FROM chunks ORDER BY first_id DESC LIMIT 1";
        let last = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(0)?.saturating_add(row.get::<_, i64>(1)?));
        let end = connection.prepare_cached(sql)?.query_row([], last).optional()?.unwrap_or(0).max(0) as u64;
        // Of records beyond the last chunk only the first is reported as missing; the others would
        // add nothing.
        let all = 0..totals(connection)?.0.min(end.saturating_add(1));
        return Ok((Vec::from([all]), Vec::new()));
    }
    let mut unexpected = Vec::new();
    for PendingRange { chunks: todo, .. } in claims::within(connection, &(0..chunks))? {
        let sql = "SELECT min(first_id) FROM chunks WHERE first_id >= ?1 AND first_id <= ?2";
        let ids = [todo.start.saturating_mul(size), todo.end.saturating_mul(size) - 1]
            .map(|id| id.min(i64::MAX as u64));
        let found = connection.prepare_cached(sql)?.query_row(ids, |row| row.get::<_, Option<u64>>(0))?;
        unexpected.extend(found.map(|id| id / size));
    }
    Ok((claims::done(connection, chunks)?, unexpected))
}

/// Verifies the chunks of these ranges on several threads.
fn verify_chunks(
    corpus: &CorpusFile,
    done: Vec<Range<u64>>,
    sample: f64,
    jobs: usize,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    let (path, step, result) = (corpus.path(), corpus.scan_chunks(), Mutex::new(Verification::default()));
    // A corpus that has just begun has many pending chunks, which cost nothing.
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
            let found = Segment::verify(&corpus, numbers, sample);
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
        // A worker does not panic; if one did, the scope would panic as well.
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or(Ok(())))
    })?;
    Ok(result.into_inner().unwrap_or_default())
}

/// Some consecutive chunks of a file, and the findings in them.
struct Segment<'a> {
    corpus: &'a CorpusFile,
    sample: f64,
    found: Verification,
}

impl Segment<'_> {
    /// Verifies the chunks with these numbers, as many as possible in one transaction.
    fn verify(corpus: &CorpusFile, numbers: Range<u64>, sample: f64) -> Verification {
        let mut segment = Segment { corpus, sample, found: Verification::default() };
        if corpus.recipe().space().is_appended() {
            segment.verify_appended(numbers);
        } else {
            segment.verify_generated(numbers);
        }
        segment.found
    }

    fn verify_generated(&mut self, numbers: Range<u64>) {
        let corpus = self.corpus;
        let read = |numbers: Range<u64>| {
            corpus.read(|connection| {
                let chunks = corpus.chunks_in(connection, numbers.clone())?;
                Ok((chunks, claims::within(connection, &numbers)?))
            })
        };
        // A page that SQLite cannot read hides its neighbours: then each chunk is read alone.
        let (mut next, mut alone) = (numbers.start, false);
        while next < numbers.end {
            match read(next..if alone { next + 1 } else { numbers.end }) {
                Ok(((chunks, until), todo)) => {
                    self.check_generated(&chunks, &todo, next..until);
                    next = until;
                }
                Err(_) if !alone => alone = true,
                Err(_) => {
                    self.found.damaged.insert(next, ChunkDamage::Unreadable);
                    next += 1;
                }
            }
        }
    }

    /// Checks that the chunks with these numbers exist, except the pending ones of `todo`.
    fn check_generated(&mut self, chunks: &[(u64, Chunk)], todo: &[PendingRange], numbers: Range<u64>) {
        let mut there = chunks.iter().peekable();
        for number in numbers {
            let is_todo = todo.iter().any(|todo| todo.chunks.contains(&number));
            let (mut damage, mut count) = (None, 0);
            while let Some((_, chunk)) = there.next_if(|(found, _)| *found == number) {
                count += 1;
                // Two rows of one chunk cannot both have its first id.
                damage = self.check_chunk(number, chunk).err().or(damage);
            }
            let damage = match (count, is_todo) {
                (0, false) => Some(ChunkDamage::Missing),
                (0, true) => None,
                (_, true) => Some(ChunkDamage::Unexpected),
                _ => damage,
            };
            self.found.damaged.extend(damage.map(|damage| (number, damage)));
        }
    }

    /// Verifies appended chunks, which follow one another without gaps.
    fn verify_appended(&mut self, numbers: Range<u64>) {
        let sql = "SELECT first_id + count FROM chunks WHERE first_id < ?1 ORDER BY first_id DESC LIMIT 1";
        let (corpus, mut start) = (self.corpus, numbers.start);
        while start < numbers.end {
            let read = corpus.read(|connection| {
                let before =
                    connection.prepare_cached(sql)?.query_row([start], |row| row.get(0)).optional()?;
                Ok((before.unwrap_or(0), corpus.chunks_in(connection, start..numbers.end)?))
            });
            let Ok((mut next, (chunks, until))): Result<(u64, _)> = read else {
                self.found.damaged.insert(start, ChunkDamage::Unreadable);
                return;
            };
            for (number, chunk) in chunks {
                if number != next {
                    let damage = if next < number { ChunkDamage::Missing } else { ChunkDamage::Ids };
                    self.found.damaged.insert(next, damage);
                }
                if let Err(damage) = self.check_chunk(number, &chunk) {
                    self.found.damaged.insert(number, damage);
                }
                next = number.saturating_add(chunk.count);
            }
            if next < until {
                self.found.damaged.insert(next, ChunkDamage::Missing);
            }
            start = until;
        }
    }

    /// Checks a chunk's position and bytes and a fraction `sample` of its records, and counts them
    /// if it is intact.
    fn check_chunk(&mut self, number: u64, chunk: &Chunk) -> std::result::Result<(), ChunkDamage> {
        let (corpus, view) = (self.corpus, chunk.as_ref());
        corpus.check_ids(&view, number)?;
        let mut circuits = Circuits::default();
        corpus.codec().decode(&view, &mut circuits)?;
        let window = sampled(number, chunk.count, self.sample);
        let stored = corpus.codec().unitaries(&view, window.clone())?;
        let first_id = chunk.first_id + window.start as u64;
        if !corpus.recipe().space().is_appended() {
            let mut again = Circuits::default();
            corpus.recipe().space().circuits(first_id..first_id + window.len() as u64, &mut again);
            let is_same = window.clone().map(|position| circuits.circuit(position)).eq(again.circuits());
            if !is_same || !(stored.is_empty() || stored == corpus.compute(&again)) {
                return Err(ChunkDamage::Recomputed);
            }
            self.found.recomputed += window.len() as u64;
        } else if !stored.is_empty() {
            self.compare_pairs(first_id, |position| circuits.circuit(window.start + position), stored);
        }
        self.found.records += chunk.count;
        self.found.content += chunk.content;
        Ok(())
    }

    /// Checks whether appended unitaries match their circuits.
    fn compare_pairs<'c>(&mut self, first_id: u64, circuit: impl Fn(usize) -> Circuit<'c>, stored: &[u8]) {
        let (recipe, found) = (self.corpus.recipe(), &mut self.found);
        let (dtype, alphabet) = (recipe.dtype(), recipe.alphabet());
        let (unitaries, size) = (dtype.decode(stored), alphabet.dim().pow(2));
        let (pair, allowed) = ((alphabet, self.corpus.kernel()), compare::tolerance(dtype));
        let record = |position: usize| (circuit(position), &unitaries[position * size..][..size]);
        let positions = 0..unitaries.len() / size;
        PairComparer::default().compare(pair, positions, record, PairCheck::Phase, |position, difference| {
            let Some(difference) = difference else {
                found.unknown += 1;
                return true;
            };
            found.recomputed += 1;
            if difference > allowed {
                let (circuit, given) = record(position);
                let residual = unitarity_residual(given, alphabet.dim());
                let allowed = compare::tolerance_of(residual, dtype);
                if difference > allowed {
                    let cause = compare::likely_cause(pair, circuit, given, allowed, PairCheck::Phase, None);
                    let text = format!("entries differ by up to {}; {cause}", compare::shown(difference));
                    found.mismatched.insert(first_id + position as u64, text);
                }
            }
            found.mismatched.len() < MAX_DAMAGED
        });
    }
}

/// Returns the records of a chunk that are recomputed: a window at a position that varies from
/// chunk to chunk.
fn sampled(number: u64, records: u64, sample: f64) -> Range<usize> {
    let size = ((records as f64 * sample).ceil() as u64).min(records);
    let start = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (records - size + 1);
    start as usize..(start + size) as usize
}

/// Checks for rows outside the recipe's chunks, and reports them as damage of the last chunk.
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

/// Recomputes the damaged chunks of one file, as [`repair`](crate::repair) does.
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
        let reason = match recipe.space().enumerates() {
            Some(_) => {
                "an enumeration cannot be repaired; restore the file from a copy, or enumerate it again"
            }
            None => "appended records cannot be recomputed; restore the file from a copy",
        };
        return Err(Error::Appended(path.into(), reason));
    }
    if let Some(id) = found.mismatched.keys().next() {
        return Err(Error::Mismatched { path: path.into(), id: *id, records: found.mismatched.len() });
    }
    let writer = CorpusWriter::open(path, &recipe, Durability::Full)?;
    let (codec, kernel) = (writer.stored().codec(), recipe.kernel());
    let mut builder = ChunkBuilder::new(&recipe, &codec, &kernel);
    for &number in found.damaged.keys() {
        let (chunk, ids) = (builder.chunk(number), recipe.chunk_ids(number));
        writer.write(|transaction| {
            delete_chunks(transaction, &ids)?;
            claims::remove(transaction, &(number..number + 1))?;
            insert_chunk(transaction, &chunk).map(drop)
        })?;
    }
    writer.write(|transaction| {
        delete_chunks_outside(transaction, recipe.space().len())?;
        recount(transaction)
    })?;
    Ok(found)
}
