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
/// Every chunk is read and its checksums are checked; `sample` of its records are recomputed. The
/// unitaries of appended records are computed from their circuits, where all gates are known, and
/// compared up to a global phase. Of an enumeration of distinct unitaries, every block of the index
/// is checked, and that `sample` of its entries lead to records with their keys. Damage is part of
/// the result, not an error. Chunks are verified in parallel, each thread with a few
/// megabytes. Of a sharded corpus every shard is verified so and held against the manifest, which
/// must list each record once.
///
/// # Errors
/// The file or the manifest cannot be read at all, or the sample is no fraction.
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

/// Computes the damaged chunks of the corpus at `path` again and puts its totals right.
///
/// Appended records are left as they are: where a unitary does not belong to its circuit, nothing
/// says which of the two is wrong. Returns what was found and mended; verifying again shows whether
/// the file is clean. Nothing is changed in a corpus that is intact. Of a sharded corpus whole
/// shards are made again, those that are lost or damaged.
///
/// # Errors
/// The file cannot be read or written; pages that SQLite itself cannot read are beyond repair, and
/// so are appended records.
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
