//! Generating a corpus in one file or in shards.

use crate::error::Result;
use crate::options::job::GenerateOptions;
use crate::paths::is_sharded;
use crate::produce::generate::{generate_file, only_sharded};
use crate::produce::progress::{Outcome, Progress};
use crate::shards;
use qorpus_core::Recipe;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Generates the records of `recipe` that are still missing in the corpus at `path`, creating it if
/// it does not exist.
///
/// A path that ends in a slash, or is a directory, is a sharded corpus: a directory of files of
/// some hundred megabytes each, and a manifest. `s3://bucket/prefix` is a sharded corpus in an
/// object store, which the environment variables `AWS_*` describe. For a sharded corpus, a part is
/// every N-th shard from the I-th on, the progress is the part's, and a single part is sealed at
/// the end: see [`seal`](crate::seal). Several processes build different shards.
///
/// Returns when the part is complete, whichever process generated it, or soon after `stop` is set.
/// `report` is called on this thread at least twenty times a second. Memory is bounded by a few
/// groups of chunks for each file that is built; with many threads, several shards are built at
/// once.
///
/// # Errors
/// The path cannot hold a corpus, it holds one of another recipe, or writing fails. Committed
/// records remain.
pub fn generate(
    path: &Path,
    recipe: &Recipe,
    options: GenerateOptions,
    stop: &AtomicBool,
    report: &mut dyn FnMut(Progress),
) -> Result<(Outcome, Progress)> {
    if is_sharded(path) {
        return shards::generate::generate(path, recipe, &options, stop, report);
    }
    if options.shard.is_some() || options.stage.is_some() {
        return Err(only_sharded(path));
    }
    generate_file(path, recipe, &options, stop, report)
}
