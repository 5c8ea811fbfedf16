//! Options of a job: its share, its threads, and how durable its commits are.

use crate::error::{Error, Result};
use std::path::PathBuf;

/// How a commit is made to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Nothing acknowledged is lost, even by a power cut.
    #[default]
    Full,
    /// A power cut may lose the last commits, nothing before; of a writer that is alone nothing at
    /// all.
    Normal,
    /// A power cut may ruin the file; a killed process does no harm.
    Off,
}

/// One of several equal shares of the chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    index: u64,
    of: u64,
}

/// How a corpus is generated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GenerateOptions {
    /// Worker threads; `None` is one a core.
    pub jobs: Option<usize>,
    /// The share of the chunks to make, or of the shards.
    pub part: Part,
    /// How a commit is made to last.
    pub durability: Durability,
    /// Records of a shard, which are rounded up to whole chunks; `None` is what the directory has,
    /// or [`Recipe::shard_records`](qorpus_core::Recipe::shard_records).
    pub shard: Option<u64>,
    /// A directory on a local disk where shards are built before they are copied to their place;
    /// `None` builds them there, and those of buckets in the cache.
    pub stage: Option<PathBuf>,
    /// Whether to begin although the file system has fewer bytes free than the corpus needs.
    pub force: bool,
}

/// For which machine is planned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanOptions {
    /// Threads on this machine; `None` is one a core.
    pub jobs: Option<usize>,
    /// Cores of the machine that is asked about; `None` is as many as here.
    pub cores: Option<usize>,
    /// Bytes a second that its disk takes; `None` is what this one takes.
    pub disk_rate: Option<u64>,
    /// Where this machine's disk is tried; `None` is the directory of temporary files.
    pub directory: Option<PathBuf>,
}

/// The number of worker threads: `jobs`, or one a core.
pub(crate) fn threads(jobs: Option<usize>) -> Result<usize> {
    match jobs {
        None => Ok(std::thread::available_parallelism().map_or(1, Into::into)),
        Some(jobs @ 1..=MAX_JOBS) => Ok(jobs),
        Some(jobs) => Err(Error::Usage(format!("{jobs} worker threads; use 1 to {MAX_JOBS}"))),
    }
}

/// The most worker threads.
const MAX_JOBS: usize = 1024;

impl Durability {
    /// The value of SQLite's `PRAGMA synchronous` in WAL mode, or without a WAL.
    pub(crate) fn pragma(self, in_wal_mode: bool) -> &'static str {
        match self {
            Durability::Normal if in_wal_mode => "NORMAL",
            // NORMAL syncs a rollback journal only once, and what a power cut then leaves of it may
            // be rolled back into the file. EXTRA is FULL, and the directory is synced when a
            // journal is removed.
            Durability::Full | Durability::Normal => "EXTRA",
            Durability::Off => "OFF",
        }
    }
}

impl Part {
    /// Part `index`, counted from 0, of `of`.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no such part.
    pub fn new(index: u64, of: u64) -> Result<Part> {
        if index < of {
            return Ok(Part { index, of });
        }
        let last = of.max(1) - 1;
        Err(Error::Usage(format!("part {index}/{of}: parts are counted from 0/{of} to {last}/{of}")))
    }

    /// Into how many parts it is divided.
    pub(crate) fn of(self) -> u64 {
        self.of
    }

    /// Whether it is everything.
    pub(crate) fn is_all(self) -> bool {
        self.of == 1
    }

    /// This part of `0..shards`: every one whose number leaves the rest `index`.
    pub(crate) fn shards(self, shards: u64) -> impl Iterator<Item = u64> {
        (self.index..shards).step_by(self.of.try_into().unwrap_or(usize::MAX))
    }

    /// This part of `0..chunks`.
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
