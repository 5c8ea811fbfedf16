//! Generating: workers compute chunks, one thread commits them in groups, any number of processes
//! share a file.
//!
//! A process claims ranges of chunks in the table `work`, in the same transactions that commit its
//! finished ones. The claims of a dead process become free, so that a chunk is computed twice only
//! if a process dies, and no chunk is left out.

use crate::corpus::corpus_writer::CorpusWriter;
use crate::error::{Error, Result};
use crate::options::job::{GenerateOptions, threads};
use crate::os::{filesystem, workers};
use crate::produce::chunk_builder::ChunkBuilder;
use crate::produce::grow::{Growth, open_grown, restart};
use crate::produce::progress::{Idle, Outcome, Progress};
use crate::produce::stored_size::stored_bytes;
use crate::sqlite::connection::StoredRecipe;
use crate::tables::chunks::{insert_chunks, totals};
use crate::tables::claims::{self, PendingRange};
use qorpus_core::{Chunk, Recipe};
use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

/// A commit of several writers has about this many bytes, since the others wait meanwhile...
const GROUP_BYTES: u64 = 8 << 20;

/// ...a commit of a lone writer this many, since a sync of a slow disk takes as long as writing
/// some megabytes...
pub(crate) const LONE_GROUP_BYTES: u64 = 32 << 20;

/// ...or the chunks of this time.
const GROUP_TIME: Duration = Duration::from_secs(1);

/// The interval at which a process checks the stop flag and whether others have finished.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A chunk, or the number of one that could not be computed.
type Delivery = Result<Chunk, u64>;

/// Returns the error of options that a single file does not have.
pub(crate) fn only_sharded(path: &Path) -> Error {
    Error::Usage(format!(
        "{} is a single file; a shard size and a stage need a directory, whose name ends in a slash: {}/",
        path.display(),
        path.display()
    ))
}

/// Generates the chunks of `part` that are still missing in `store`.
pub(crate) fn generate_in(
    store: CorpusWriter,
    recipe: &Recipe,
    jobs: usize,
    part: Range<u64>,
    stop: &AtomicBool,
    report: &mut dyn FnMut(Progress),
) -> Result<(Outcome, Progress)> {
    let (codec, kernel) = (store.stored().codec(), recipe.kernel());
    let (orders, queue) = mpsc::channel::<u64>();
    let (deliver, finished) = mpsc::channel::<Delivery>();
    let (queue, codec, kernel) = (&Mutex::new(queue), &codec, &kernel);
    std::thread::scope(move |scope| {
        workers::start(scope, jobs, |_| {
            let deliver = deliver.clone();
            move || {
                let mut builder = ChunkBuilder::new(recipe, codec, kernel);
                let next = || queue.lock().ok()?.recv().ok();
                // A closed channel on either side ends the job.
                while let Some(number) = next() {
                    // A panic must not leave the others waiting for this chunk.
                    let mut make =
                        || catch_unwind(AssertUnwindSafe(|| builder.chunk(number))).map_err(|_| number);
                    if stop.load(Ordering::Relaxed) || deliver.send(make()).is_err() {
                        break;
                    }
                }
            }
        })?;
        drop(deliver);
        FileJob {
            store,
            recipe,
            part,
            jobs: jobs as u64,
            orders,
            unfinished: BTreeSet::new(),
            begun: false,
            progress: Progress::default(),
        }
        .run(finished, stop, report)
    })
}

/// This process's share of a generation, and its progress.
struct FileJob<'a> {
    store: CorpusWriter,
    recipe: &'a Recipe,
    part: Range<u64>,
    jobs: u64,
    orders: mpsc::Sender<u64>,
    /// Claimed and not committed.
    unfinished: BTreeSet<u64>,
    /// Whether its first transaction is over.
    begun: bool,
    progress: Progress,
}

impl FileJob<'_> {
    fn run(
        mut self,
        finished: mpsc::Receiver<Delivery>,
        stop: &AtomicBool,
        report: &mut dyn FnMut(Progress),
    ) -> Result<(Outcome, Progress)> {
        self.progress.expected = self.recipe.space().len();
        let mut ready: Vec<Chunk> = Vec::new();
        loop {
            self.commit(&ready)?;
            ready.clear();
            report(self.progress);
            if self.unfinished.is_empty() && !self.wait_for_others(stop, report)? {
                break;
            }
            let (start, mut bytes, group_bytes) = (Instant::now(), 0, self.group_bytes());
            while ready.len() < self.unfinished.len()
                && bytes < group_bytes
                && (start.elapsed() < GROUP_TIME || ready.is_empty())
                && !stop.load(Ordering::Relaxed)
            {
                match finished.recv_timeout(POLL_INTERVAL) {
                    Ok(delivery) => {
                        let chunk =
                            delivery.map_err(|number| Error::Defect(format!("computing chunk {number}")))?;
                        bytes += chunk.bytes() as u64;
                        ready.push(chunk);
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) => report(self.progress),
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                }
            }
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        let interrupted = stop.load(Ordering::Relaxed) && !self.is_done()?;
        if interrupted {
            // The workers stop after their current chunk; all computed chunks are kept.
            drop(std::mem::replace(&mut self.orders, mpsc::channel().0));
            ready.extend(finished.iter().flatten());
            self.give_up(&ready)?;
            report(self.progress);
        }
        Ok((if interrupted { Outcome::Interrupted } else { Outcome::Complete }, self.progress))
    }

    /// Commits `ready` and claims the next chunks, in one transaction.
    fn commit(&mut self, ready: &[Chunk]) -> Result<()> {
        for chunk in ready {
            self.unfinished.remove(&(chunk.first_id / self.recipe.chunk_records()));
        }
        let (store, id) = (&self.store, self.store.lock().id());
        // Two groups are claimed: one is computed while the other is committed.
        let wanted = (2 * self.group()).saturating_sub(self.unfinished.len() as u64);
        let (left, claimed, records, new) = store.write(|transaction| {
            if !self.begun {
                // A dead process may have had the same name; its claims would otherwise be treated
                // as ours below.
                claims::release(transaction, id)?;
            }
            let new = insert_chunks(transaction, ready)?;
            // Chunks that a merge has added meanwhile are no longer pending.
            let claimed = claims::claimed_by(transaction, id)?;
            let mut left = self.unfinished.clone();
            left.retain(|number| claimed.iter().any(|range| range.contains(number)));
            claims::replace(transaction, id, &ranges(&left), Some(id))?;
            let pending = claims::within(transaction, &self.part)?;
            let living: BTreeSet<_> = pending
                .iter()
                .filter_map(|pending| pending.claimed_by)
                .filter(|&other| store.lock().is_alive(other))
                .collect();
            let is_free = |pending: &&PendingRange| pending.claimed_by.is_none_or(|id| !living.contains(&id));
            let sizes =
                pending.iter().filter(is_free).map(|pending| pending.chunks.end - pending.chunks.start);
            let free = sizes.fold(0, u64::saturating_add);
            // The last chunks are distributed in ever smaller portions, so that all finish
            // together.
            let others = living.iter().filter(|&&other| other != id).count() as u64;
            let want = wanted.min(free.div_ceil(2 * (others + 1)).max(self.jobs));
            let claimed = claims::claim(transaction, id, &self.part, want, |other| living.contains(&other))?;
            Ok((left, claimed, totals(transaction)?.0, new))
        })?;
        (self.unfinished, self.begun) = (left, true);
        self.progress.made += new.0;
        self.progress.bytes += new.1;
        self.progress.records = records;
        for number in claimed.into_iter().flatten() {
            self.unfinished.insert(number);
            // The workers outlive the orders; otherwise the chunk is not needed.
            let _ = self.orders.send(number);
        }
        Ok(())
    }

    /// Commits `ready` and releases the other claims.
    fn give_up(&mut self, ready: &[Chunk]) -> Result<()> {
        self.part = 0..0;
        self.commit(ready)?;
        let (id, left) = (self.store.lock().id(), ranges(&self.unfinished));
        self.store.write(|transaction| claims::replace(transaction, id, &left, None))
    }

    fn group_bytes(&self) -> u64 {
        if self.store.lock().is_alone() { LONE_GROUP_BYTES } else { GROUP_BYTES }
    }

    /// Returns the number of chunks of a commit.
    fn group(&self) -> u64 {
        (self.group_bytes() / self.recipe.typical_chunk_bytes()).max(self.jobs)
    }

    fn is_done(&self) -> Result<bool> {
        Ok(self.store.read(|transaction| claims::within(transaction, &self.part))?.is_empty())
    }

    /// Waits while living processes hold all pending chunks; false if none is pending.
    fn wait_for_others(&mut self, stop: &AtomicBool, report: &mut dyn FnMut(Progress)) -> Result<bool> {
        loop {
            let (pending, (records, _)) = self
                .store
                .read(|transaction| Ok((claims::within(transaction, &self.part)?, totals(transaction)?)))?;
            self.progress.records = records;
            self.progress.waiting = !pending.is_empty();
            report(self.progress);
            if pending.is_empty() || stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            if pending
                .iter()
                .any(|pending| pending.claimed_by.is_none_or(|id| !self.store.lock().is_alive(id)))
            {
                self.progress.waiting = false;
                return Ok(true);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

/// Returns consecutive numbers as ranges.
fn ranges(numbers: &BTreeSet<u64>) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some(last) if last.end == number => last.end += 1,
            _ => ranges.push(number..number + 1),
        }
    }
    ranges
}

/// Generates the records that are still missing in the file at `path`, as
/// [`generate`](crate::generate) does.
pub(crate) fn generate_file(
    path: &Path,
    recipe: &Recipe,
    options: &GenerateOptions,
    stop: &AtomicBool,
    report: &mut dyn FnMut(Progress),
) -> Result<(Outcome, Progress)> {
    let jobs = threads(options.jobs)?;
    let part = options.part.chunks(recipe.chunks());
    // A file that does not fit is not started; for an existing one, only the missing chunks count.
    let is_new = !path.metadata().is_ok_and(|found| found.len() > 0);
    let check_room = |chunks: u64| {
        if options.force || chunks == 0 {
            Ok(())
        } else {
            filesystem::check_room(path, path, stored_bytes(recipe, chunks))
        }
    };
    if is_new {
        check_room(part.end - part.start)?;
    }
    let mut prepare = |store: &CorpusWriter, growth: &Growth| {
        if is_new {
            Ok(())
        } else {
            check_room(store.read(|transaction| growth.pending(transaction, &part))?)
        }
    };
    let new = StoredRecipe::new(recipe.clone());
    let (store, gained) =
        open_grown(path, &new, options.durability, &mut prepare, &|transaction, (_, after)| {
            restart(transaction, path, after)
        })?;
    let idle = part.is_empty().then(|| Idle { part: options.part, shares: recipe.chunks(), sharded: false });
    let (outcome, progress) = generate_in(store, recipe, jobs, part, stop, report)?;
    Ok((outcome, Progress { idle, made: progress.made + gained, ..progress }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CorpusFile, RecipeOptions, VerifyOptions, verify};

    /// After a fork, processes draw the same names, one after the other.
    #[test]
    fn claims_of_a_dead_namesake_are_made_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        let recipe = RecipeOptions { random: 700, ..RecipeOptions::default() }.recipe().unwrap();
        let store = CorpusWriter::open(&path, &recipe, crate::Durability::Off).unwrap();
        let owner = store.lock().id();
        let everything = 0..recipe.chunks();
        let claimed =
            store.write(|transaction| claims::claim(transaction, owner, &everything, 2, |_| false)).unwrap();
        assert_eq!(claimed.into_iter().flatten().collect::<Vec<_>>(), [0, 1]);
        let (outcome, _) = generate_in(store, &recipe, 2, everything, &false.into(), &mut |_| {}).unwrap();
        assert_eq!(outcome, Outcome::Complete);
        assert!(CorpusFile::open(&path).unwrap().summary().unwrap().complete);
        assert!(verify(&path, VerifyOptions::default(), &false.into(), &|_| {}).unwrap().is_clean());
    }
}
