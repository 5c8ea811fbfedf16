//! Verifying and repairing a file or shards.

use crate::error::Result;
use crate::paths::is_sharded;
use crate::produce::generate::only_sharded;
use crate::shards::verify;
use crate::verify::file::{repair_file, verify_file};
use crate::verify::report::{RepairOptions, Verification, VerifyOptions};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Verifies the corpus at `path` while others may be writing it.
///
/// Every chunk is read and its checksums are checked; a fraction `sample` of its records is
/// recomputed. The unitaries of appended records are computed from their circuits, where all gates
/// are known, and compared up to a global phase. In an enumeration of distinct unitaries, every
/// block of the index is checked, and that a fraction `sample` of its entries leads to records with
/// their keys. Damage is part of the result, not an error. Chunks are verified in parallel, each
/// thread with a few megabytes. In a sharded corpus every shard is verified this way and compared
/// with the manifest, which must list each record once.
///
/// # Errors
/// The file or the manifest cannot be read at all, or the sample is not a fraction from 0 to 1.
pub fn verify(
    path: &Path,
    options: VerifyOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    if is_sharded(path) {
        return verify::verify(path, options, stop, report);
    }
    verify_file(path, options, stop, report)
}

/// Recomputes the damaged chunks of the corpus at `path` and corrects its totals.
///
/// Appended records are left unchanged: where a unitary does not match its circuit, either could be
/// wrong. Returns the findings before the repair; verifying again shows whether the file is clean.
/// An intact corpus is not changed. In a sharded corpus, lost and damaged shards are built again as
/// a whole.
///
/// # Errors
/// The file cannot be read or written; pages that SQLite itself cannot read, and appended records,
/// cannot be repaired.
pub fn repair(
    path: &Path,
    options: &RepairOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    if is_sharded(path) {
        return verify::repair(path, options, stop, report);
    }
    if options.stage.is_some() {
        return Err(only_sharded(path));
    }
    repair_file(path, options, stop, report)
}
