//! Generating shards: several are built side by side, so that one committing thread does not limit
//! a job.

use crate::error::Result;
use crate::options::job::{Durability, GenerateOptions, shards_at_once, threads};
use crate::os::atomic_file::random;
use crate::os::workers;
use crate::produce::progress::{Idle, Outcome, Progress};
use crate::shards::build::{BuildOutcome, POLL_INTERVAL, ShardBuilder};
use crate::shards::commit::commit_manifest;
use crate::shards::naming::Sharding;
use crate::shards::sharded::{Shards, is_there};
use crate::shards::stage::{Stage, check_room};
use qorpus_core::Recipe;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The longest time between two reports.
const REPORT_INTERVAL: Duration = Duration::from_millis(50);

/// Builds the shards of a part; see [`generate`](crate::generate).
pub(crate) fn generate(
    path: &Path,
    recipe: &Recipe,
    options: &GenerateOptions,
    stop: &AtomicBool,
    report: &mut dyn FnMut(Progress),
) -> Result<(Outcome, Progress)> {
    let (part, jobs) = (options.part, threads(options.jobs)?);
    let stage = Stage::create(path, options.stage.as_deref())?;
    let stage = stage.as_ref().map(|stage| stage.path.as_path());
    if !is_there(path) && !options.force {
        let sharding = Sharding::chosen(recipe, options.shard)?;
        check_room(path, stage, recipe, &sharding, jobs, part.shards(sharding.count()), 0)?;
    }
    let shards = Shards::create(path, recipe, options.shard, options.durability)?;
    let grows = shards.manifest()?.0.lineage != shards.lineage;
    let builders = Builders { shards: &shards, stage, jobs, durability: options.durability, stop };
    let builder = builders.builder(jobs, stop);
    let (mut progress, mut todo) = (Progress::default(), VecDeque::new());
    let numbers: Vec<u64> = part.shards(shards.sharding.count()).collect();
    let there = shards.published_among(&numbers)?;
    for &number in &numbers {
        let records = shards.sharding.records(number);
        progress.expected += records;
        if there.contains(&number) {
            progress.records += records;
            builder.clear(number)?;
        } else {
            todo.push_back(number);
        }
    }
    if numbers.is_empty() {
        progress.idle = Some(Idle { part, shares: shards.sharding.count(), sharded: true });
    }
    if !options.force {
        let size = |&number: &u64| builder.draft(number).metadata().map_or(0, |found| found.len());
        let built = if stage.is_some() { 0 } else { todo.iter().map(size).sum() };
        check_room(path, stage, recipe, &shards.sharding, jobs, todo.iter().copied(), built)?;
    }
    report(progress);
    // Machines that do not see each other's claims should not all begin with the same shard.
    if stage.is_some() && part.is_all() && !todo.is_empty() {
        todo.rotate_left(random() as usize % todo.len());
    }
    let mut outcome = Outcome::Complete;
    if grows {
        outcome = builders.build_awaited(&mut todo, &mut progress, report)?;
    }
    if outcome == Outcome::Complete {
        outcome = builders.build(todo, &mut progress, report)?;
    }
    if outcome == Outcome::Complete && (part.is_all() || grows) {
        commit_manifest(&shards, options.durability)?;
    }
    Ok((outcome, progress))
}

/// A job that builds some shards of a corpus.
pub(super) struct Builders<'a> {
    pub(super) shards: &'a Shards,
    /// The directory where they are built, if it is not the corpus's.
    pub(super) stage: Option<&'a Path>,
    pub(super) jobs: usize,
    pub(super) durability: Durability,
    pub(super) stop: &'a AtomicBool,
}

impl<'a> Builders<'a> {
    /// Returns a builder with this number of worker threads.
    fn builder<'b>(&self, jobs: usize, stop: &'b AtomicBool) -> ShardBuilder<'b>
    where
        'a: 'b,
    {
        ShardBuilder::new(self.shards, self.stage, jobs, self.durability, stop)
    }

    /// Lets the corpus grow. If a shard must be published before and is among `todo`, it is built.
    pub(super) fn build_awaited(
        &self,
        todo: &mut VecDeque<u64>,
        progress: &mut Progress,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Outcome> {
        let awaited = commit_manifest(self.shards, self.durability)?.awaited;
        let Some(place) = todo.iter().position(|&number| Some(number) == awaited) else {
            return Ok(Outcome::Complete);
        };
        let outcome = self.build(todo.remove(place).into_iter().collect(), progress, report)?;
        if outcome == Outcome::Complete {
            commit_manifest(self.shards, self.durability)?;
        }
        Ok(outcome)
    }

    /// Builds these shards, and waits for shards that other processes build. After an error, other
    /// shards are stopped, and their drafts kept.
    pub(super) fn build(
        &self,
        todo: VecDeque<u64>,
        progress: &mut Progress,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Outcome> {
        let (count, before) = (shards_at_once(self.jobs, todo.len() as u64), *progress);
        let queue = &Mutex::new(todo);
        let outcome = if count == 1 {
            build_queued(&self.builder(self.jobs, self.stop), queue, &mut |of_one| {
                *progress = sum(before, &[of_one]);
                report(*progress);
            })
        } else {
            self.build_side_by_side(count, queue, &mut |of_all| {
                *progress = sum(before, of_all);
                report(*progress);
            })
        };
        progress.waiting = false;
        report(*progress);
        outcome
    }

    /// Builds the shards of a queue in `count` threads, and reports the progress of each on this one.
    fn build_side_by_side(
        &self,
        count: usize,
        queue: &Mutex<VecDeque<u64>>,
        report: &mut dyn FnMut(&[Progress]),
    ) -> Result<Outcome> {
        let halted = &AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (send, reports) = mpsc::channel();
            let builders = workers::start(scope, count, |place| {
                let send = send.clone();
                // The first ones have the jobs that are left over.
                let jobs = (self.jobs / count + usize::from(place < self.jobs % count)).max(1);
                move || {
                    let mut last = Progress::default();
                    let outcome = build_queued(&self.builder(jobs, halted), queue, &mut |of_one| {
                        last = of_one;
                        let _ = send.send((place, of_one));
                    });
                    // Without shards it waits for the others.
                    let _ = send.send((place, Progress { waiting: true, ..last }));
                    if outcome.is_err() {
                        halted.store(true, Ordering::Relaxed);
                    }
                    outcome
                }
            })?;
            drop(send);
            let mut of_all = vec![Progress::default(); builders.len()];
            loop {
                match reports.recv_timeout(REPORT_INTERVAL) {
                    Ok((place, of_one)) => of_all[place] = of_one,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                halted.fetch_or(self.stop.load(Ordering::Relaxed), Ordering::Relaxed);
                report(&of_all);
            }
            let mut outcome = Ok(Outcome::Complete);
            for builder in builders {
                match builder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                    Ok(Outcome::Complete) => {}
                    Ok(Outcome::Interrupted) => outcome = outcome.and(Ok(Outcome::Interrupted)),
                    Err(error) => outcome = outcome.and(Err(error)),
                }
            }
            outcome
        })
    }
}

/// Builds shards of the queue until it is empty, and reports their progress together.
fn build_queued(
    builder: &ShardBuilder<'_>,
    queue: &Mutex<VecDeque<u64>>,
    report: &mut dyn FnMut(Progress),
) -> Result<Outcome> {
    let mut progress = Progress::default();
    // The number of consecutive shards that other processes build.
    let mut busy = 0;
    let next = || locked(queue).pop_front();
    while let Some(number) = next() {
        let done = progress;
        let built = builder.build(number, &mut |of_shard| {
            progress.records = done.records + of_shard.records;
            progress.made = done.made + of_shard.made;
            progress.drafted = of_shard.records;
            progress.bytes = done.bytes + of_shard.bytes;
            progress.waiting = false;
            report(progress);
        })?;
        match built {
            BuildOutcome::Published => {
                busy = 0;
                progress.drafted = 0;
                progress.records = done.records + builder.shards.sharding.records(number);
                report(progress);
            }
            BuildOutcome::Interrupted => return Ok(Outcome::Interrupted),
            BuildOutcome::Busy => {
                let left = {
                    let mut queue = locked(queue);
                    queue.push_back(number);
                    queue.len()
                };
                busy += 1;
                progress.waiting = busy >= left;
                report(progress);
                if builder.is_stopped() {
                    return Ok(Outcome::Interrupted);
                }
                if progress.waiting {
                    std::thread::sleep(POLL_INTERVAL);
                }
            }
        }
    }
    Ok(Outcome::Complete)
}

fn locked(queue: &Mutex<VecDeque<u64>>) -> MutexGuard<'_, VecDeque<u64>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds the progress of all builders to that `before` them.
fn sum(before: Progress, of_all: &[Progress]) -> Progress {
    let mut sum = Progress { drafted: 0, waiting: of_all.iter().all(|one| one.waiting), ..before };
    for one in of_all {
        sum.records += one.records;
        sum.made += one.made;
        sum.drafted += one.drafted;
        sum.bytes += one.bytes;
    }
    sum
}
