//! Options of a job: its share, its threads, and the durability of its commits.

use crate::error::{Error, Result};
use std::path::PathBuf;

/// The durability of commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Nothing acknowledged is lost, even by a power cut.
    #[default]
    Full,
    /// A power cut may lose the last commits, but not earlier ones; a writer that is alone loses
    /// nothing.
    Normal,
    /// A power cut may ruin the file; a killed process does not.
    Off,
}

/// A share of the chunks or shards, one of several equal ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    index: u64,
    of: u64,
}

/// The options of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GenerateOptions {
    /// The number of worker threads; `None` is one a core.
    pub jobs: Option<usize>,
    /// The share of the chunks, or of the shards, to generate.
    pub part: Part,
    /// The durability of commits.
    pub durability: Durability,
    /// Records of a shard, rounded up to whole chunks; `None` is the size of the directory's
    /// shards, or [`Recipe::shard_records`](qorpus_core::Recipe::shard_records) for a new one.
    pub shard: Option<u64>,
    /// A directory on a local disk where shards are built before they are copied to their place;
    /// `None` builds them in place, or in the cache for a bucket.
    pub stage: Option<PathBuf>,
    /// Whether to start although the file system has too little free space for the corpus.
    pub force: bool,
}

/// The options of a plan: the machine to plan for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanOptions {
    /// The number of threads on this machine; `None` is one a core.
    pub jobs: Option<usize>,
    /// Cores of the machine to plan for; `None` is as many as here.
    pub cores: Option<usize>,
    /// Bytes a second that its disk writes; `None` is the rate of this machine's disk.
    pub disk_rate: Option<u64>,
    /// The directory whose disk is measured; `None` is the directory of temporary files.
    pub directory: Option<PathBuf>,
}

/// Returns the number of worker threads: `jobs`, or one a core.
pub(crate) fn threads(jobs: Option<usize>) -> Result<usize> {
    match jobs {
        None => Ok(std::thread::available_parallelism().map_or(1, Into::into)),
        Some(jobs @ 1..=MAX_JOBS) => Ok(jobs),
        Some(jobs) => {
            Err(Error::Usage(format!("{jobs} worker threads are not possible; use 1 to {MAX_JOBS}")))
        }
    }
}

/// Returns the number of shards that `jobs` worker threads build at once.
pub(crate) fn shards_at_once(jobs: usize, shards: u64) -> usize {
    let most = jobs.div_ceil(JOBS_PER_SHARD);
    usize::try_from(shards).map_or(most, |shards| most.min(shards)).max(1)
}

/// The number of worker threads that keep the committing thread of a shard busy: of stored unitaries
/// on one qubit, committing takes two fifths of the processor time.
const JOBS_PER_SHARD: usize = 2;

/// The most worker threads.
const MAX_JOBS: usize = 1024;

impl Durability {
    /// Returns the value of SQLite's `PRAGMA synchronous`, in WAL mode or without a WAL.
    pub(crate) fn pragma(self, in_wal_mode: bool) -> &'static str {
        match self {
            Durability::Normal if in_wal_mode => "NORMAL",
            // NORMAL syncs a rollback journal only once, so that after a power cut a partial
            // journal may be rolled back into the file. EXTRA is FULL, and also syncs the directory
            // when a journal is removed.
            Durability::Full | Durability::Normal => "EXTRA",
            Durability::Off => "OFF",
        }
    }
}

impl Part {
    /// Returns part `index`, counted from 0, of `of`.
    ///
    /// # Errors
    /// [`Error::Usage`] if the part does not exist.
    pub fn new(index: u64, of: u64) -> Result<Part> {
        if index < of {
            return Ok(Part { index, of });
        }
        let last = of.max(1) - 1;
        Err(Error::Usage(format!(
            "part {index}/{of} does not exist; parts are numbered 0/{of} to {last}/{of}"
        )))
    }

    /// Returns the number of parts.
    pub(crate) fn of(self) -> u64 {
        self.of
    }

    /// Returns whether it is the only part.
    pub(crate) fn is_all(self) -> bool {
        self.of == 1
    }

    /// Returns this part of `0..shards`: every shard whose number modulo the number of parts is
    /// `index`.
    pub(crate) fn shards(self, shards: u64) -> impl Iterator<Item = u64> {
        (self.index..shards).step_by(self.of.try_into().unwrap_or(usize::MAX))
    }

    /// Returns this part of `0..chunks`.
    pub(crate) fn chunks(self, chunks: u64) -> std::ops::Range<u64> {
        let cut = |at: u64| (u128::from(chunks) * u128::from(at) / u128::from(self.of)) as u64;
        cut(self.index)..cut(self.index + 1)
    }
}

impl Default for Part {
    fn default() -> Part {
        Part { index: 0, of: 1 }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl std::str::FromStr for Part {
    type Err = Error;

    fn from_str(text: &str) -> Result<Part> {
        let parts =
            text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        let (index, of) =
            parts.ok_or_else(|| Error::Usage(format!("'{text}' is not a part; write it as 0/4")))?;
        Part::new(index, of)
    }
}
