//! Options and findings of verifications and repairs.

use crate::error::ChunkDamage;
use qorpus_core::ContentHash;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

/// The options of a verification.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VerifyOptions {
    /// The fraction of each chunk's records that is recomputed, 0 to 1; checksums are always
    /// checked.
    pub sample: f64,
    /// Worker threads; `None` is one a core.
    pub jobs: Option<usize>,
}

/// The options of a repair.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RepairOptions {
    /// The options by which damage is found.
    pub verify: VerifyOptions,
    /// The directory where shards are built before they are published, as in
    /// [`GenerateOptions::stage`](crate::GenerateOptions::stage).
    pub stage: Option<PathBuf>,
}

/// The findings of a verification.
#[derive(Debug, Default)]
pub struct Verification {
    /// Records whose bytes are intact and in the right place.
    pub records: u64,
    /// Records that were recomputed.
    pub recomputed: u64,
    /// The damaged chunks, by number; the search ends after ten thousand.
    pub damaged: BTreeMap<u64, ChunkDamage>,
    /// Appended records whose unitary does not match their circuit, by id, with the likely cause;
    /// the search ends after ten thousand.
    pub mismatched: BTreeMap<u64, String>,
    /// Appended records that cannot be recomputed, because their circuit has an opaque gate.
    pub unknown: u64,
    /// The numbers of the levels of an enumeration whose index is damaged.
    pub damaged_levels: BTreeSet<usize>,
    /// Whether the totals in the file match its chunks; `None` if the file changed meanwhile.
    pub totals: Option<bool>,
    /// The shards that are lost or damaged as a whole, by number, with the damage of each; none in
    /// a corpus of one file.
    pub shards: BTreeMap<u64, String>,
    /// Ids without a shard, in a sharded corpus; a single file records its pending chunks itself.
    pub missing: Vec<Range<u64>>,
    /// Whether the file is marked as being written and its WAL is missing, so that committed
    /// records may be missing too.
    pub wal_missing: bool,
    /// Whether it was stopped before the end.
    pub interrupted: bool,
    pub(crate) content: ContentHash,
}

impl Default for VerifyOptions {
    fn default() -> VerifyOptions {
        VerifyOptions { sample: 1.0, jobs: None }
    }
}

impl Verification {
    /// Returns whether nothing is wrong with the existing records. A missing WAL does not count:
    /// another program may have closed the file properly.
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty()
            && self.mismatched.is_empty()
            && self.damaged_levels.is_empty()
            && self.totals != Some(false)
            && self.shards.is_empty()
            && self.missing.is_empty()
            && !self.interrupted
    }

    /// Adds the findings in another part of the corpus.
    pub(crate) fn add(&mut self, found: Verification) {
        self.records += found.records;
        self.recomputed += found.recomputed;
        self.content += found.content;
        self.damaged.extend(found.damaged);
        self.mismatched.extend(found.mismatched);
        self.unknown += found.unknown;
    }
}
