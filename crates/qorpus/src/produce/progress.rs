//! The progress and the outcome of a job.

use crate::options::job::Part;

/// The progress of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Records in the corpus.
    pub records: u64,
    /// Records that it will have.
    pub expected: u64,
    /// Records that this process has generated.
    pub made: u64,
    /// Bytes of columns that this process has written.
    pub bytes: u64,
    /// The number of records in a shard that is not published yet.
    pub drafted: u64,
    /// Whether the process only waits for other processes.
    pub waiting: bool,
    /// The reason, as a sentence, why the part has nothing to generate although the corpus may be
    /// empty.
    pub idle: Option<Idle>,
}

/// The outcome of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every record of the part is generated.
    Complete,
    /// The job was stopped; all finished chunks are committed.
    Interrupted,
}

/// A part without anything to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    pub(crate) part: Part,
    /// The number of chunks or shards of the corpus, which are not divided.
    pub(crate) shares: u64,
    pub(crate) sharded: bool,
}

impl std::fmt::Display for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Idle { part, shares, sharded } = self;
        let (name, smaller) = match sharded {
            true => (
                "shard",
                ", or start a new directory with smaller shards (--shard RECORDS, shard= in Python)",
            ),
            false => ("chunk", ""),
        };
        let plural = if *shares == 1 { "" } else { "s" };
        write!(
            f,
            "part {part} has nothing to generate: the corpus has {shares} {name}{plural} for {} parts; use at most {shares} \
             part{plural}{smaller}",
            part.of()
        )
    }
}
