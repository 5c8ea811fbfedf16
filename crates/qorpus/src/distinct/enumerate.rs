//! Enumerating: one level after the other, until there are no more.

use crate::distinct::elsewhere::Elsewhere;
use crate::distinct::index::Index;
use crate::distinct::job::CANDIDATE_BYTES;
use crate::distinct::job::Cut;
use crate::distinct::job::Job;
use crate::distinct::job::MAX_AT_ONCE;
use crate::distinct::job::Task;
use crate::distinct::progress::EnumerateProgress;
use crate::distinct::progress::Report;
use crate::distinct::temporary;
use crate::tables::levels;
use crate::tables::levels::Level;
use crate::tables::next_level;
use crate::tables::next_level::NextLevel;

use crate::corpus::corpus_writer::CorpusWriter;
use crate::distinct::rows::Shortest;
use crate::distinct::rules::Rules;
use crate::distinct::temporary::Temporary;
use crate::error::{Error, Result, io};
use crate::options::distinct::EnumerateOptions;
use crate::options::job::threads;
use crate::produce::progress::Outcome;
use crate::tables::chunks::insert_chunks;
use crate::tables::label_names::add_label;
use qorpus_core::{Circuits, Recipe};
use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Memory for candidates of a worker elsewhere, of which a machine may have one a core.
const WORKER_MEMORY: u64 = 512 << 20;

/// The least memory that is of use.
const LEAST_MEMORY: u64 = 16 << 20;

/// Enumerates the distinct unitaries of `recipe` into the corpus at `path`, going on where an
/// earlier run ended.
///
/// `report` is called on this thread at least twenty times a second. Takes time in O(n log n) for n
/// candidates, and besides `memory`, which is for candidates, up to a hundred megabytes for files
/// as they are read and written.
///
/// # Errors
/// A recipe that enumerates nothing, unitaries in floating point that are neither equal nor clearly
/// different, too little room, or what [`generate`](crate::generate) fails with.
pub fn enumerate(
    path: &Path,
    recipe: &Recipe,
    options: EnumerateOptions,
    stop: &AtomicBool,
    report: &mut dyn FnMut(EnumerateProgress),
) -> Result<(Outcome, EnumerateProgress)> {
    run(path, recipe, options, None, stop, report)
}

/// The same with candidates that other processes make: level by level, but for small levels. The
/// corpus is the same, and an interrupted job goes on at the last finished level, here or there.
///
/// `memory` is for candidates of each worker, and of this process; by default 512 MiB. While `make`
/// runs, `report` is called when something has come.
///
/// # Errors
/// As [`enumerate`]; what `make` fails with; or [`Error::Rows`] if what it hands over is not what
/// was asked for.
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
    let store = CorpusWriter::open(&path, recipe, options.durability)?;
    let task = Task {
        path: &path,
        rules: &rules,
        jobs,
        memory,
        at_once: MAX_AT_ONCE.min(memory / jobs as u64 / CANDIDATE_BYTES),
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

    /// How the keys of a finished level are cut, after making them again if they are not there any
    /// more.
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
