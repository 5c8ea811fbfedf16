//! Enumerating distinct unitaries: level by level, exactly, in bounded memory, each with the first of its shortest circuits.
//!
//! Each level has three parts. One more letter is put to every circuit of the levels before, and what comes out is sorted by
//! the unitaries' keys and written to temporary files, piece by piece. Then all candidates within a range of keys are brought
//! together, equal ones are made one, and what an earlier level has already is dropped. At last the survivors are put in
//! the order of their circuits and become records. Every finished piece is a file or committed, so that a job goes on where it
//! ended. A level that fits is made in memory instead, with candidates in groups rather than in order.

mod check;
mod division;
mod elsewhere;
mod expand;
mod find;
mod index;
mod memory;
mod nearest;
mod parallel;
mod phases;
mod recording;
mod rows;
mod rules;
mod target;
mod temporary;

use crate::distinct::index::Index;
use crate::tables::levels;
use crate::tables::next_level;
use crate::tables::next_level::NextLevel;
pub(crate) use check::check_index;
pub use division::{Division, Worker};
pub use elsewhere::{Elsewhere, Take};
pub use find::Found;
pub use levels::Level;
pub(crate) use parallel::{Threads, parallel};
pub use target::{circuit_unitary, read_npy};

use crate::corpus::corpus_writer::Store;
use crate::error::{Error, Result, io};
use crate::options::{EnumerateOptions, threads};
use crate::progress::Outcome;
use crate::tables::chunks::insert_chunks;
use crate::tables::labels::add_label;
use qorpus_core::{Circuits, Recipe};
use rows::Shortest;
use rules::Rules;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use temporary::Temporary;

/// The labels of a record besides those that the enumeration itself needs.
const T_COUNT: &str = "t_count";
const TWO_QUBIT_COUNT: &str = "two_qubit_count";
const COST: &str = "cost";

/// A candidate takes 40 bytes, as many again while it is sorted, and buffers of files some more.
const CANDIDATE_BYTES: u64 = 88;

/// Candidates that a thread holds at most: with more, to put them in order takes longer, in memory that is far apart and new.
const MOST_AT_ONCE: u64 = 1 << 23;

/// Memory for candidates of a worker elsewhere, of which a machine may have one a core.
const WORKER_MEMORY: u64 = 512 << 20;

/// The least memory that is of use.
const LEAST_MEMORY: u64 = 16 << 20;

/// What an enumeration is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// One more letter is put to circuits.
    #[default]
    Expanding,
    /// Equal ones are made one.
    Merging,
    /// Survivors become records.
    Ordering,
}

/// How an enumeration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EnumerateProgress {
    /// The level that is being made: the cost of its circuits...
    pub cost: u32,
    /// ...and their length.
    pub length: usize,
    /// What is done with it.
    pub phase: Phase,
    /// Circuits, ranges of keys or records of the phase that are done...
    pub done: u64,
    /// ...of so many.
    pub of: u64,
    /// Records in the corpus.
    pub records: u64,
    /// Products of a unitary and a letter that were made in this run.
    pub candidates: u64,
    /// Bytes of temporary files that this level is expected to need at most.
    pub temporary: u64,
}

/// Enumerates the distinct unitaries of `recipe` into the corpus at `path`, going on where an earlier run ended.
///
/// `report` is called on this thread at least twenty times a second. Takes time in O(n log n) for n candidates, and besides `memory`,
/// which is for candidates, up to a hundred megabytes for files as they are read and written.
///
/// # Errors
/// A recipe that enumerates nothing, unitaries in floating point that are neither equal nor clearly different, too little room,
/// or what [`generate`](crate::produce::generate) fails with.
pub fn enumerate(
    path: &Path,
    recipe: &Recipe,
    options: EnumerateOptions,
    stop: &AtomicBool,
    report: &mut dyn FnMut(EnumerateProgress),
) -> Result<(Outcome, EnumerateProgress)> {
    run(path, recipe, options, None, stop, report)
}

/// The same with candidates that other processes make: level by level, but for small levels. The corpus is the same, and an interrupted
/// job goes on at the last finished level, here or there.
///
/// `memory` is for candidates of each worker, and of this process; by default 512 MiB. While `make` runs, `report` is called when something
/// has come.
///
/// # Errors
/// As [`enumerate`]; what `make` fails with; or [`Error::Rows`] if what it hands over is not what was asked for.
pub fn enumerate_elsewhere(
    path: &Path,
    recipe: &Recipe,
    options: EnumerateOptions,
    elsewhere: Elsewhere<'_>,
    stop: &AtomicBool,
    report: &mut dyn FnMut(EnumerateProgress),
) -> Result<(Outcome, EnumerateProgress)> {
    run(path, recipe, options, Some(elsewhere), stop, report)
}

fn run(
    path: &Path,
    recipe: &Recipe,
    options: EnumerateOptions,
    elsewhere: Option<Elsewhere<'_>>,
    stop: &AtomicBool,
    report: Report<'_>,
) -> Result<(Outcome, EnumerateProgress)> {
    let rules = Rules::new(recipe)?;
    let jobs = threads(options.jobs)?;
    let memory = match (options.memory, &elsewhere) {
        (Some(memory), _) => memory,
        (None, Some(_)) => WORKER_MEMORY,
        (None, None) => half_of_free()?,
    };
    if memory < LEAST_MEMORY {
        return Err(Error::Usage(format!("{memory} bytes of memory are too few; give at least 16MiB")));
    }
    let path = crate::paths::absolute(path)?;
    temporary::check_directory(&path)?;
    let store = Store::open(&path, recipe, options.durability)?;
    let task = Task {
        path: &path,
        rules: &rules,
        jobs,
        memory,
        at_once: MOST_AT_ONCE.min(memory / jobs as u64 / CANDIDATE_BYTES),
        temporary: Temporary::open(&path, recipe)?,
        stop,
    };
    Job { task, store, written: RefCell::default(), cuts: RefCell::default() }.run(elsewhere, report)
}

/// Half of the memory that is free.
fn half_of_free() -> Result<u64> {
    let path = Path::new("/proc/meminfo");
    let text =
        std::fs::read_to_string(path).map_err(io(path, "read how much memory is free; give --memory"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    Ok((kib.unwrap_or(0) << 10) / 2)
}

/// What all threads know.
struct Task<'a> {
    path: &'a Path,
    rules: &'a Rules,
    jobs: usize,
    memory: u64,
    /// Candidates that a thread may hold.
    at_once: u64,
    temporary: Temporary,
    stop: &'a AtomicBool,
}

/// What this thread has for itself.
struct Job<'a> {
    task: Task<'a>,
    store: Store,
    /// Files that this run has written: they need not be checked.
    written: RefCell<HashSet<String>>,
    /// The cuts of this run, by level.
    cuts: RefCell<HashMap<usize, Cut>>,
}

impl Task<'_> {
    /// What does its pieces.
    fn threads(&self) -> Threads<'_> {
        Threads::new(self.jobs, self.stop)
    }

    /// Candidates that a process with a single thread may hold.
    fn at_once_alone(&self) -> u64 {
        MOST_AT_ONCE.min(self.memory / CANDIDATE_BYTES)
    }
}

/// How the work of a level is cut. It is kept beside the files, whatever memory a later run has.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Cut {
    /// Circuits of a piece.
    parents: u64,
    /// Ranges of keys, a power of two; 0 until all candidates are there.
    buckets: u64,
}

/// What went on while pieces were done.
type Report<'r> = &'r mut dyn FnMut(EnumerateProgress);

impl Job<'_> {
    fn run(
        self,
        mut elsewhere: Option<Elsewhere<'_>>,
        report: Report<'_>,
    ) -> Result<(Outcome, EnumerateProgress)> {
        let mut progress = EnumerateProgress::default();
        let mut levels = self.store.read(|transaction| levels::levels(transaction))?;
        levels::check(&levels).map_err(|reason| crate::error::not_a_corpus(self.task.path, reason))?;
        if levels.is_empty() {
            levels.push(self.begin()?);
        }
        while let Some(plan) = next_level::next(&self.task.rules.recipe, &levels) {
            (progress.cost, progress.length) = (plan.level.cost, plan.level.length);
            progress.records = plan.level.first_id;
            let is_large = |elsewhere: &&mut Elsewhere<'_>| self.task.rules.products(&plan) > elsewhere.alone;
            let made = match elsewhere.as_mut().filter(is_large) {
                Some(elsewhere) => self.level_elsewhere(&levels, &plan, elsewhere, &mut progress, report)?,
                None => self.level(&levels, plan, &mut progress, report)?,
            };
            let Some(level) = made else { return Ok((Outcome::Interrupted, progress)) };
            levels.push(level);
            self.forget(&levels)?;
        }
        progress.records = levels.last().map_or(0, |level| level.first_id + level.records);
        self.task.temporary.end()?;
        Ok((Outcome::Complete, progress))
    }

    /// The level of the empty circuit.
    fn begin(&self) -> Result<Level> {
        let level = Level { cost: 0, length: 0, first_id: 0, records: 1 };
        let mut circuits = Circuits::default();
        circuits.push([]);
        let chunk = self.task.rules.chunk(
            0,
            &circuits,
            &[Shortest { origin: 0, circuits: 1, first: 0, last: 0 }],
            0,
        )?;
        let (index, key) =
            (Index::new(&self.task.rules.recipe, 0, &level), self.task.rules.letters.key_of_identity());
        let block = index.encode(0, &[(key, 0)]);
        let labels = self.task.rules.label_names();
        self.store.write(|transaction| {
            for name in &labels {
                add_label(transaction, name, false)?;
            }
            insert_chunks(transaction, std::slice::from_ref(&chunk))?;
            index.insert(transaction, 0, &block)?;
            levels::insert(transaction, 0, &level)
        })?;
        Ok(level)
    }

    /// Removes the keys of levels that no later level meets.
    fn forget(&self, levels: &[Level]) -> Result<()> {
        let Some(last) = levels.last() else { return Ok(()) };
        let next = Level { length: last.length + 1, ..*last };
        for (number, level) in levels.iter().enumerate() {
            if !self.task.rules.meets(level, &next, |_| true) && self.cut(number).is_some() {
                self.remove(&format!("keys-{number}-"))?;
                self.remove(&format!("cut-{number}."))?;
                self.cuts.borrow_mut().remove(&number);
            }
        }
        Ok(())
    }

    /// Removes the temporary files whose names begin like this.
    fn remove(&self, prefix: &str) -> Result<()> {
        self.written.borrow_mut().retain(|name| !name.starts_with(prefix));
        self.task.temporary.remove(prefix)
    }

    fn cut(&self, number: usize) -> Option<Cut> {
        if let Some(cut) = self.cuts.borrow().get(&number) {
            return Some(*cut);
        }
        serde_json::from_str(&self.task.temporary.text(&format!("cut-{number}.json"))?).ok()
    }

    fn keep_cut(&self, number: usize, cut: Cut) -> Result<()> {
        self.cuts.borrow_mut().insert(number, cut);
        let text = serde_json::to_string(&cut).unwrap_or_default();
        self.task.temporary.write_text(&format!("cut-{number}.json"), &text)
    }

    /// Whether a temporary file is there.
    fn is_there(&self, name: &str) -> bool {
        let known = self.written.borrow().contains(name);
        if !known && self.task.temporary.is_whole(name) {
            self.written.borrow_mut().insert(name.into());
            return true;
        }
        known
    }

    /// Makes a level; `None` if it was told to stop.
    fn level(
        &self,
        levels: &[Level],
        plan: NextLevel,
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<Option<Level>> {
        let number = plan.number;
        let mut older = Vec::new();
        for earlier in self.task.rules.met(levels, &plan) {
            match self.keys_of(earlier, &levels[earlier], progress, report)? {
                Some(cut) => older.push((earlier, cut)),
                None => return Ok(None),
            }
        }
        let letters = self.task.rules.inverses.len() as u64;
        let mut cut = match self.cut(number) {
            Some(cut) if cut.parents * letters <= self.task.at_once.max(letters) => cut,
            _ => {
                // Nothing that a job with more memory has left behind is of use.
                ["run", "keys", "found"]
                    .iter()
                    .try_for_each(|kind| self.remove(&format!("{kind}-{number}-")))?;
                if self.task.fits(&plan) {
                    return self.level_in_memory(&plan, &older, progress, report);
                }
                Cut { parents: (self.task.at_once / letters).max(1), buckets: 0 }
            }
        };
        self.keep_cut(number, cut)?;
        if cut.buckets == 0 {
            self.check_room(&plan, progress)?;
            if !self.expand(&plan, cut, progress, report)? {
                return Ok(None);
            }
            cut.buckets = self.buckets(number, cut, &plan.sources)?;
            self.keep_cut(number, cut)?;
        }
        if !self.merge(&plan, cut, Some(&older), progress, report)? {
            return Ok(None);
        }
        let mut level = plan.level;
        for bucket in 0..cut.buckets {
            level.records += self
                .task
                .temporary
                .sorted(&format!("keys-{number}-{bucket}"), &self.task.rules.layout.keys())?
                .len();
        }
        if !self.order(&plan, level, cut, progress, report)? {
            return Ok(None);
        }
        self.finish(plan.number, level).map(Some)
    }

    /// Adds a level, all of whose records are there with their index, to those that are finished.
    fn finish(&self, number: usize, level: Level) -> Result<Level> {
        self.store.write(|transaction| levels::insert(transaction, number, &level))?;
        self.remove(&format!("found-{number}-"))?;
        Ok(level)
    }

    /// How the keys of a finished level are cut, after making them again if they are not there any more.
    fn keys_of(
        &self,
        number: usize,
        level: &Level,
        progress: &mut EnumerateProgress,
        report: Report<'_>,
    ) -> Result<Option<Cut>> {
        let is_there = |cut: &Cut| {
            cut.buckets > 0
                && (0..cut.buckets).all(|bucket| self.is_there(&format!("keys-{number}-{bucket}")))
        };
        if let Some(cut) = self.cut(number).filter(is_there) {
            return Ok(Some(cut));
        }
        self.remove(&format!("run-{number}-"))?;
        self.remove(&format!("keys-{number}-"))?;
        let mut cut = Cut { parents: self.task.at_once, buckets: 0 };
        let plan = NextLevel { number, level: *level, sources: vec![(level.ids(), 0)] };
        if !self.expand(&plan, cut, progress, report)? {
            return Ok(None);
        }
        cut.buckets = self.buckets(number, cut, &plan.sources)?;
        if !self.merge(&plan, cut, None, progress, report)? {
            return Ok(None);
        }
        self.keep_cut(number, cut)?;
        Ok(Some(cut))
    }

    /// Refuses to begin what will not fit on the disk.
    fn check_room(&self, plan: &NextLevel, progress: &mut EnumerateProgress) -> Result<()> {
        // At most as many survive; of those that are told apart at once, far fewer.
        progress.temporary = self.task.rules.products(plan) * self.task.rules.layout.whole().len() as u64;
        let directory = self.task.temporary.directory();
        let found = nix::sys::statvfs::statvfs(directory)
            .map_err(|error| io(directory, "look how much room there is")(error.into()))?;
        let free = found.blocks_available() * found.fragment_size();
        if progress.temporary > free {
            return Err(Error::Usage(format!(
                "{}: circuits of {} letters may need {} MiB of temporary files beside it, and {} MiB are free; make room and run \
                 the command again, it goes on from here",
                self.task.path.display(),
                plan.level.length,
                progress.temporary >> 20,
                free >> 20
            )));
        }
        Ok(())
    }
}
