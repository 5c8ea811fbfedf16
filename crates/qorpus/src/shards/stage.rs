//! The stage: a directory on this machine where shards are built before they are published
//! elsewhere.

use crate::error::{Error, Result, io};
use crate::options::job::{GenerateOptions, shards_at_once};
use crate::os::filesystem;
use crate::paths::{is_bucket, is_sharded};
use crate::produce::stored_size::stored_bytes;
use crate::shards::cache::Cache;
use crate::shards::naming::Sharding;
use crate::shards::private_directory;
use qorpus_core::Recipe;
use std::path::{Path, PathBuf};

/// The option that names a stage.
pub(super) const STAGE_OPTION: &str = "--stage (stage= in Python)";

/// A directory of this user alone where shards are built.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) path: PathBuf,
    /// Whether it is in a place chosen by the user, where nothing is left of it.
    is_named: bool,
}

impl Stage {
    /// Creates the stage for shards of the corpus at `path`, in the `wished` directory on a local
    /// disk or in the cache; `None` if shards are built in the corpus itself.
    pub(super) fn create(path: &Path, wished: Option<&Path>) -> Result<Option<Stage>> {
        if let Some(place) = wished {
            if !place.is_dir() {
                return Err(Error::MissingDirectory(place.into()));
            }
            check_local(place)?;
            let path = private_directory::path_in(place, "stage");
            private_directory::create(&path, STAGE_OPTION)?;
            return Ok(Some(Stage { path, is_named: true }));
        }
        if is_bucket(path) {
            let path = Cache::open()?.stage()?;
            check_local(&path)?;
            return Ok(Some(Stage { path, is_named: false }));
        }
        check_local(path)?;
        Ok(None)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // It is not empty while another process builds there or has left a draft.
        if self.is_named {
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

/// Refuses a directory on a network file system; it need not exist yet.
fn check_local(directory: &Path) -> Result<()> {
    let path = std::path::absolute(directory).map_err(io(directory, "find the directory"))?;
    path.ancestors().find(|above| above.is_dir()).map_or(Ok(()), |there| filesystem::check(there, directory))
}

/// Refuses to build the shards with these numbers, of which `built` bytes exist, if all of them do
/// not fit in their place, or those that `jobs` threads build at once do not fit in the stage.
pub(super) fn check_room(
    path: &Path,
    stage: Option<&Path>,
    recipe: &Recipe,
    sharding: &Sharding,
    jobs: usize,
    numbers: impl Iterator<Item = u64>,
    built: u64,
) -> Result<()> {
    let (mut largest, mut records, mut shards) = (0, 0, 0);
    for of_shard in numbers.map(|number| sharding.records(number)) {
        largest = of_shard.max(largest);
        records += of_shard;
        shards += 1;
    }
    if records == 0 {
        return Ok(());
    }
    let bytes = |records: u64| stored_bytes(recipe, records.div_ceil(recipe.chunk_records()));
    if let Some(stage) = stage {
        let at_once = shards_at_once(jobs, shards) as u64;
        filesystem::check_room(stage, stage, bytes(largest).saturating_mul(at_once))?;
    }
    if is_bucket(path) {
        return Ok(());
    }
    filesystem::check_room(path, path, bytes(records).saturating_sub(built))
}

/// Returns the directory in which [`generate`](crate::generate) with these options builds missing
/// records: the directory of the corpus at `path`, or another one on this machine.
///
/// # Errors
/// The directory does not exist, or it is on a network file system.
pub fn built_in(path: &Path, options: &GenerateOptions) -> Result<PathBuf> {
    let stage = if is_sharded(path) { Stage::create(path, options.stage.as_deref())? } else { None };
    Ok(stage.map_or_else(|| path.into(), |stage| stage.path.clone()))
}
