//! The progress and the outcome of a job.

use crate::options::job::Part;

/// The progress of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Records in the corpus.
    pub records: u64,
    /// Records it will have.
    pub expected: u64,
    /// Records this process has made.
    pub made: u64,
    /// Bytes of columns this process has written.
    pub bytes: u64,
    /// How many of the records are in a shard that is not published yet.
    pub drafted: u64,
    /// Whether there is nothing left to do but wait for other processes.
    pub waiting: bool,
    /// Whether the part has nothing to make, however empty the corpus is: the reason, which is a
    /// sentence.
    pub idle: Option<Idle>,
}

/// The outcome of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every record of the part is there.
    Complete,
    /// It was told to stop; what was ready is committed.
    Interrupted,
}

/// A part without anything to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    pub(crate) part: Part,
    /// How many chunks or shards the corpus has, which are not divided.
    pub(crate) shares: u64,
    pub(crate) sharded: bool,
}

impl std::fmt::Display for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Idle { part, shares, sharded } = self;
        let (name, smaller) = match sharded {
            true => (
                "shard",
                ", or begin a new directory with smaller shards (--shard RECORDS, shard= in Python)",
            ),
            false => ("chunk", ""),
        };
        let plural = if *shares == 1 { "" } else { "s" };
        write!(
            f,
            "part {part} has nothing to make: the corpus has {shares} {name}{plural} for {} parts; use at most {shares} \
             part{plural}{smaller}",
            part.of()
        )
    }
}
