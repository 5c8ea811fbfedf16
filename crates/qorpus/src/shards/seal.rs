//! Sealing: what the receipts say becomes the next version of the manifest.

use super::publish::{discard, replace};
use super::{MANIFEST, Manifest, RECEIPTS, Shard, Shards};
use crate::connection::beside;
use crate::error::{Error, Result, io};
use crate::lock::{Claim, Lock};
use crate::options::Durability;
use qorpus_core::{ContentHash, Recipe};
use std::ops::Range;
use std::path::Path;

/// What a sharded corpus has after it was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The version of its manifest.
    pub version: u64,
    /// Shards that are there.
    pub shards: u64,
    /// Shards that there will be.
    pub of: u64,
    /// Records of every shard but the last: shard number k has the ids from k times that on.
    pub shard_records: u64,
    /// Their records.
    pub records: u64,
    /// Records that there will be.
    pub expected: u64,
    /// The sum of their hashes: that of one file with the same records.
    pub content_hash: ContentHash,
    /// The size of their files.
    pub bytes: u64,
    /// The ids that are missing, neighbouring shards together.
    pub missing: Vec<Range<u64>>,
}

/// Folds the receipts of the sharded corpus at `path` into its manifest, and checks that each record is in one shard.
///
/// Takes time proportional to the number of shards, whose files are looked at but not read: [`verify`](crate::verify)
/// reads them. To seal again changes nothing, and several may do so at once, also while shards are made.
///
/// # Errors
/// There is no sharded corpus, its manifest cannot be believed, or it cannot be written.
pub fn seal(path: &Path) -> Result<Sealed> {
    let (shards, _) = Shards::open(path)?;
    Ok(Sealed::of(&fold(&shards, Durability::Full)?))
}

/// Creates the sharded corpus at `path`, unless there is one of this recipe, and [seals](seal) it: what there is to be made,
/// for those who hand out shards. Its number is a shard's part: `Part::new(number, sealed.of)`.
///
/// # Errors
/// As [`generate`](crate::generate), which need not be told of `shard` any more, and [`seal`].
pub fn begin(path: &Path, recipe: &Recipe, shard: Option<u64>) -> Result<Sealed> {
    let shards = Shards::create(path, recipe, shard, Durability::Full)?;
    Ok(Sealed::of(&fold(&shards, Durability::Full)?))
}

/// The receipt of shard `number` of the sharded corpus at `path`, as it was published; `None` if it is still to be made.
///
/// # Errors
/// There is no sharded corpus, its manifest cannot be believed, or the receipt cannot be read.
pub fn receipt(path: &Path, number: u64) -> Result<Option<String>> {
    let (shards, _) = Shards::open(path)?;
    if number >= shards.cut.count() {
        let text = format!(
            "{} has {} shards, and none with the number {number}",
            path.display(),
            shards.cut.count()
        );
        return Err(Error::Usage(text));
    }
    Ok(shards.published(number)?.map(|shard| shard.text(&shards.recipe, &shards.cut)))
}

impl Sealed {
    fn of(manifest: &Manifest) -> Sealed {
        Sealed {
            version: manifest.version,
            shards: manifest.shards.len() as u64,
            of: manifest.cut.count(),
            shard_records: manifest.cut.shard_records,
            records: manifest.records(),
            expected: manifest.cut.len,
            content_hash: manifest.content(),
            bytes: manifest.bytes(),
            missing: manifest.missing(),
        }
    }
}

/// Folds the receipts into the manifest; returns what it is now.
pub(super) fn fold(shards: &Shards, durability: Durability) -> Result<Manifest> {
    let path = shards.manifest();
    // One after the other, so that no version is there twice. Where locks do not work, the last look below still makes that
    // nothing is left out: of two who fold, whoever replaces the other's manifest then sees the other's receipts.
    let lock = Lock::open(&path).ok();
    let turn = lock.as_ref().and_then(|lock| lock.turn().ok());
    loop {
        let (_, old) = Shards::open(&shards.path)?;
        let found = listed(shards, &old)?;
        if found == old.shards {
            drop(turn);
            sweep(shards, &old)?;
            return Ok(old);
        }
        let next = Manifest { version: old.version + 1, shards: found, ..old };
        replace(next.text().as_bytes(), &path, durability)?;
    }
}

/// The shards that are there: as their receipts say or, for want of these, the manifest.
fn listed(shards: &Shards, manifest: &Manifest) -> Result<Vec<Shard>> {
    let mut found = Vec::new();
    for number in 0..shards.cut.count() {
        let before = || manifest.shard(number).copied().filter(|shard| shards.has_size(shard));
        found.extend(shards.published(number)?.or_else(before));
    }
    Ok(found)
}

/// Removes what is left of the making of shards that are there: drafts of processes that were killed.
fn sweep(shards: &Shards, manifest: &Manifest) -> Result<()> {
    let failed = io(&shards.path, "read the directory");
    for entry in std::fs::read_dir(&shards.path).map_err(&failed)? {
        let path = entry.map_err(&failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.strip_prefix('.').is_some_and(|name| name.starts_with(&format!("{MANIFEST}."))) {
            // Whoever is still writing it writes it once more.
            let _ = std::fs::remove_file(&path);
            continue;
        }
        let Some((shard, ending)) = name.strip_prefix('.').and_then(|name| name.split_once(".db")) else {
            continue;
        };
        let Some(number) = shards.cut.number(shard).filter(|&number| manifest.shard(number).is_some()) else {
            continue;
        };
        if ending.starts_with('.') {
            // A copy that was on its way. If it still is, it will not be missed.
            let _ = std::fs::remove_file(&path);
            continue;
        }
        let draft = shards.path.join(format!(".{}.db", shards.cut.name(number)));
        if let Ok(Some(_claim)) = Claim::take(&beside(&draft, "-claim")) {
            discard(&draft);
        }
    }
    for entry in std::fs::read_dir(shards.path.join(RECEIPTS)).map_err(&failed)? {
        let path = entry.map_err(&failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let shard = name.strip_prefix('.').and_then(|name| name.split_once(".json.")).map(|(shard, _)| shard);
        let number = shard.and_then(|shard| shards.cut.number(shard));
        if number.is_some_and(|number| manifest.shard(number).is_some()) {
            let _ = std::fs::remove_file(&path);
        }
    }
    Ok(())
}
