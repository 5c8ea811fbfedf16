//! Options and findings of verifying and repairing.

use crate::error::ChunkDamage;
use qorpus_core::ContentHash;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

/// How thoroughly a corpus is verified.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VerifyOptions {
    /// The fraction of each chunk's records that is recomputed, 0 to 1; checksums are always
    /// checked.
    pub sample: f64,
    /// Worker threads; `None` is one a core.
    pub jobs: Option<usize>,
}

/// How a corpus is repaired.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RepairOptions {
    /// How damage is found.
    pub verify: VerifyOptions,
    /// Where shards are built before they go to their place, as in
    /// [`GenerateOptions::stage`](crate::GenerateOptions::stage).
    pub stage: Option<PathBuf>,
}

/// The findings of a verification.
#[derive(Debug, Default)]
pub struct Verification {
    /// Records whose bytes are intact and in their place.
    pub records: u64,
    /// Records that were recomputed.
    pub recomputed: u64,
    /// Chunks that are damaged, by number; after ten thousand no more are looked for.
    pub damaged: BTreeMap<u64, ChunkDamage>,
    /// Appended records whose unitary does not belong to their circuit, by id, and the likely
    /// cause; after ten thousand no more are looked for.
    pub mismatched: BTreeMap<u64, String>,
    /// Appended records that cannot be recomputed: only the name of a gate in their circuit is
    /// known.
    pub unknown: u64,
    /// Levels of an enumeration whose index is damaged, by number.
    pub damaged_levels: BTreeSet<usize>,
    /// Whether the totals that the file keeps are those of its chunks; `None` if it changed
    /// meanwhile.
    pub totals: Option<bool>,
    /// Shards that are lost or damaged as a whole, by number, and the damage of each; none in a corpus
    /// of one file.
    pub shards: BTreeMap<u64, String>,
    /// Ids that no shard has, of a sharded corpus; a file counts what it still lacks itself.
    pub missing: Vec<Range<u64>>,
    /// Whether the file is marked as being written and its WAL is missing, so that committed
    /// records may be missing too.
    pub wal_missing: bool,
    /// Whether it was told to stop before the end.
    pub interrupted: bool,
    pub(crate) content: ContentHash,
}

impl Default for VerifyOptions {
    fn default() -> VerifyOptions {
        VerifyOptions { sample: 1.0, jobs: None }
    }
}

impl Verification {
    /// Returns whether nothing is wrong with the records that are there. A missing WAL is not counted: another program
    /// may have closed it properly.
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
