//! How an enumeration stands.

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

/// What went on while pieces were done.
pub(crate) type Report<'r> = &'r mut dyn FnMut(EnumerateProgress);
