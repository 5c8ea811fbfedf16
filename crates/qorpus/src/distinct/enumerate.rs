//! Enumeration, level by level, up to the last one that the recipe asks for.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::corpus_writer::CorpusWriter;
use crate::distinct::candidate::Shortest;
use crate::distinct::context::Context;
use crate::distinct::grouped_rows::AreaPool;
use crate::distinct::job::{Enumeration, Resources};
use crate::distinct::progress::{EnumerateProgress, Reporter};
use crate::distinct::recode::recode;
use crate::distinct::remote::Remote;
use crate::distinct::spill::{self, Bucketing, SpillDirectory};
use crate::error::{Error, Result, io};
use crate::options::distinct::EnumerateOptions;
use crate::options::job::threads;
use crate::produce::grow::{Growth, open_grown};
use crate::produce::progress::Outcome;
use crate::sqlite::connection::StoredRecipe;
use crate::tables::chunks::insert_chunks;
use crate::tables::label_names::add_label;
use crate::tables::levels::{self, Level};
use crate::tables::next_level::{self, NextLevel};
use qorpus_core::{Circuits, Recipe};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Bytes of memory for candidates of a remote worker, of which a machine may have one a core.
const REMOTE_BYTES: u64 = 512 << 20;

const MIN_BYTES: u64 = 16 << 20;

/// Enumerates the distinct unitaries of `recipe` into the corpus at `path`. An earlier run that was
/// interrupted is resumed.
///
/// `report` is called on this thread at least twenty times a second. Takes time in O(n log n) for n
/// candidates, the memory of the options for candidates, and up to a hundred megabytes to read and
/// write files.
///
/// # Errors
/// A recipe that enumerates nothing, unitaries in floating point that are neither equal nor clearly
/// different, too little space, or an error of [`generate`](crate::generate).
pub fn enumerate(
    path: &Path,
    recipe: &Recipe,
    options: EnumerateOptions,
    stop: &AtomicBool,
    report: &mut dyn FnMut(EnumerateProgress),
) -> Result<(Outcome, EnumerateProgress)> {
    run(path, recipe, options, None, stop, report)
}

/// Enumerates with the help of other processes, which compute the candidates of all but small
/// levels.
///
/// The corpus is the same as that of [`enumerate`]. An interrupted job resumes after the last
/// finished level, in either way.
///
/// `memory` is for candidates of each worker, and of this process; by default 512 MiB. `report` is
/// called when rows arrive.
///
/// # Errors
/// As [`enumerate`]; an error of [`Remote::run`]; or [`Error::Rows`] if its rows are wrong.
pub fn enumerate_remote(
    path: &Path,
    recipe: &Recipe,
    options: EnumerateOptions,
    remote: Remote<'_>,
    stop: &AtomicBool,
    report: &mut dyn FnMut(EnumerateProgress),
) -> Result<(Outcome, EnumerateProgress)> {
    run(path, recipe, options, Some(remote), stop, report)
}

fn run(
    path: &Path,
    recipe: &Recipe,
    options: EnumerateOptions,
    remote: Option<Remote<'_>>,
    stop: &AtomicBool,
    callback: &mut dyn FnMut(EnumerateProgress),
) -> Result<(Outcome, EnumerateProgress)> {
    let path = &crate::paths::absolute(path)?;
    let recipe = &continued(path, recipe)?;
    let context = Context::new(recipe)?;
    let jobs = threads(options.jobs)?;
    let memory = match (options.memory, &remote) {
        (Some(memory), _) => memory,
        (None, Some(_)) => REMOTE_BYTES,
        (None, None) => half_of_free_memory()?,
    };
    if memory < MIN_BYTES {
        return Err(Error::Usage(format!("{memory} bytes of memory are not enough; allow at least 16MiB")));
    }
    spill::check_directory(path)?;
    let mut spill = None;
    // The lock of its directory before the growth, which would stop another process's enumeration.
    let mut prepare = |_: &CorpusWriter, _: &Growth| {
        if spill.is_none() {
            spill = Some(SpillDirectory::open(path, recipe)?);
        }
        Ok(())
    };
    let new = StoredRecipe::new(recipe.clone());
    let (writer, _) = open_grown(path, &new, options.durability, &mut prepare, &|transaction, recipes| {
        recode(transaction, path, recipes, stop)
    })?;
    let Some(spill) = spill else { return Err(Error::Defect("opening the corpus".into())) };
    let context = &context.of_file(writer.stored().check_seed);
    let resources = Resources { path, context, jobs, memory, spill, areas: AreaPool::default(), stop };
    Enumeration { resources, writer, reporter: Reporter::new(callback) }.run(remote)
}

/// Returns the recipe as the corpus at `path` has begun it, if there is one. An enumeration of
/// version 1 of the format is continued without tableaus, because its index has other keys.
fn continued(path: &Path, recipe: &Recipe) -> Result<Recipe> {
    let is_begun_without = || {
        let stored = CorpusFile::open(path).ok()?;
        stored.recipe().space().enumerates().map(|distinct| !distinct.tableaus)
    };
    let has_tableaus = recipe.space().enumerates().is_some_and(|distinct| distinct.tableaus);
    if has_tableaus && path.exists() && is_begun_without().unwrap_or(false) {
        return Ok(recipe.without_tableaus()?);
    }
    Ok(recipe.clone())
}

fn half_of_free_memory() -> Result<u64> {
    let path = Path::new("/proc/meminfo");
    let text = std::fs::read_to_string(path)
        .map_err(io(path, "find the free memory (set a limit by --memory, memory= in Python)"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    Ok((kib.unwrap_or(0) << 10) / 2)
}

impl Enumeration<'_> {
    fn run(self, mut remote: Option<Remote<'_>>) -> Result<(Outcome, EnumerateProgress)> {
        let context = self.resources.context;
        let mut levels = self.writer.read(|transaction| levels::levels(transaction))?;
        levels::check(&levels).map_err(|reason| crate::error::not_a_corpus(self.resources.path, reason))?;
        if levels.is_empty() {
            levels.push(self.begin()?);
        }
        while let Some(plan) = next_level::next(&context.recipe, &levels) {
            let Level { cost, length, first_id: records, .. } = plan.level;
            self.reporter
                .update(|progress| *progress = EnumerateProgress { cost, length, records, ..*progress });
            let is_large = |remote: &&mut Remote<'_>| context.max_candidates(&plan) > remote.local_threshold;
            let made = match remote.as_mut().filter(is_large) {
                Some(remote) => self.level_remote(&levels, &plan, remote)?,
                None => self.level(&levels, &plan)?,
            };
            let Some(level) = made else {
                // What was found of this level is not committed.
                return Ok((Outcome::Interrupted, EnumerateProgress { records, ..self.reporter.progress() }));
            };
            levels.push(level);
            self.forget(&levels)?;
        }
        let records = levels.last().map_or(0, |level| level.ids().end);
        self.resources.spill.end()?;
        Ok((Outcome::Complete, EnumerateProgress { records, ..self.reporter.progress() }))
    }

    /// Creates the level of the empty circuit.
    fn begin(&self) -> Result<Level> {
        let context = self.resources.context;
        let level = Level { cost: 0, length: 0, first_id: 0, records: 1 };
        let mut circuits = Circuits::default();
        circuits.push([]);
        let survivor = Shortest { origin: 0, circuits: 1, first: 0, last: 0 };
        let chunk = context.chunk(0, &circuits, &[survivor], 0);
        let index = context.index(0, &level);
        let block = index.encode(0, &[(context.key_of_identity(), 0)]);
        self.writer.write(|transaction| {
            for name in context.label_names() {
                add_label(transaction, name, false)?;
            }
            insert_chunks(transaction, std::slice::from_ref(&chunk))?;
            index.insert(transaction, 0, &block)?;
            levels::insert(transaction, 0, &level)
        })?;
        Ok(level)
    }

    /// Removes the keys of levels whose unitaries cannot recur in later levels.
    fn forget(&self, levels: &[Level]) -> Result<()> {
        let Some(last) = levels.last() else { return Ok(()) };
        let (Resources { context, spill, .. }, next) =
            (&self.resources, Level { length: last.length + 1, ..*last });
        for (number, level) in levels.iter().enumerate() {
            if !context.meets(level, &next, |_| true) && spill.bucketing(number).is_some() {
                spill.forget(number)?;
            }
        }
        Ok(())
    }

    /// Computes a level on this machine; `None` if it was stopped.
    fn level(&self, levels: &[Level], plan: &NextLevel) -> Result<Option<Level>> {
        let (number, Resources { context, spill, .. }) = (plan.number, &self.resources);
        let mut older = Vec::new();
        for earlier in context.met(levels, plan) {
            match self.keys_of(earlier, &levels[earlier])? {
                Some(bucketing) => older.push((earlier, bucketing)),
                None => return Ok(None),
            }
        }
        let letters = context.letter_count();
        let max_candidates = self.resources.candidates_of(self.resources.jobs);
        let fits = |begun: &Bucketing| begun.parents * letters <= max_candidates.max(letters);
        if let Some(begun) = spill.bucketing(number).filter(fits) {
            return self.level_external(plan, begun, &older);
        }
        // The files of an earlier run with less memory are not needed.
        ["run", "keys", "found"].iter().try_for_each(|kind| spill.remove(&format!("{kind}-{number}-")))?;
        if self.resources.fits_in_memory(plan) {
            return self.level_in_memory(plan, &older);
        }
        let bucketing = Bucketing { parents: (max_candidates / letters).max(1), buckets: 0 };
        self.level_external(plan, bucketing, &older)
    }
}
