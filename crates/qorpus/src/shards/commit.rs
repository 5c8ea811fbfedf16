//! Sealing: folding the receipts into the next version of the manifest.

use crate::error::{Error, Result, io};
use crate::options::job::Durability;
use crate::os::atomic_file::is_temporary_name;
use crate::os::lock_file::LockFile;
use crate::os::sidecar_lock::SidecarLock;
use crate::paths::{COMPANIONS, beside};
use crate::shards::manifest::Manifest;
use crate::shards::naming::{MANIFEST, RECEIPTS};
use crate::shards::put_mode::PutMode;
use crate::shards::receipt::MAX_RECEIPT_BYTES;
use crate::shards::shard::{Shard, discard};
use crate::shards::sharded::Shards;
use crate::shards::storage::Storage;
use qorpus_core::{ContentHash, Recipe};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

/// The fewest shards for which listing all takes fewer requests than asking for two objects of
/// each.
const MIN_LISTED: usize = 17;

/// The state of a sharded corpus after it was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The version of its manifest.
    pub version: u64,
    /// Published shards.
    pub shards: u64,
    /// Shards of the complete corpus.
    pub of: u64,
    /// Records of every shard but the last: the ids of shard number k begin at k times this number.
    pub shard_records: u64,
    /// Records of the published shards.
    pub records: u64,
    /// Records of the complete corpus.
    pub expected: u64,
    /// The sum of the records' hashes, as of a single file with the same records.
    pub content_hash: ContentHash,
    /// The size of the shards' files.
    pub bytes: u64,
    /// The missing ids, with neighbouring shards combined.
    pub missing: Vec<Range<u64>>,
}

/// Folds the receipts of the sharded corpus at `path` into its manifest, and checks that each
/// record is in one shard.
///
/// Takes time proportional to the number of shards, whose files are not read:
/// [`verify`](crate::verify) reads them. Sealing again changes nothing, and several processes may
/// seal at once, also while shards are built.
///
/// # Errors
/// There is no sharded corpus, its manifest is invalid, or it cannot be written.
pub fn seal(path: &Path) -> Result<Sealed> {
    let (shards, _) = Shards::open(path)?;
    Ok(Sealed::of(&commit_manifest(&shards, Durability::Full)?))
}

/// Creates the sharded corpus at `path`, unless there is one of this recipe, and [seals](seal) it,
/// for programs that distribute shards. The number of a shard is its part:
/// `Part::new(number, sealed.of)`.
///
/// # Errors
/// As [`generate`](crate::generate), which then needs no shard size, and [`seal`].
pub fn begin(path: &Path, recipe: &Recipe, shard: Option<u64>) -> Result<Sealed> {
    let shards = Shards::create(path, recipe, shard, Durability::Full)?;
    Ok(Sealed::of(&commit_manifest(&shards, Durability::Full)?))
}

/// Reads the receipt of shard `number` of the sharded corpus at `path`; `None` if the shard is not
/// published yet.
///
/// # Errors
/// There is no sharded corpus, its manifest is invalid, or the receipt cannot be read.
pub fn receipt(path: &Path, number: u64) -> Result<Option<String>> {
    let (shards, _) = Shards::open(path)?;
    let count = shards.sharding.count();
    if number >= count {
        let text =
            format!("{} has no shard {number}; its {count} shards are numbered from 0", path.display());
        return Err(Error::Usage(text));
    }
    Ok(shards.published(number)?.map(|shard| shards.receipt_text(&shard)))
}

impl Sealed {
    pub(crate) fn of(manifest: &Manifest) -> Sealed {
        Sealed {
            version: manifest.version,
            shards: manifest.shards.len() as u64,
            of: manifest.sharding.count(),
            shard_records: manifest.sharding.shard_records,
            records: manifest.records(),
            expected: manifest.sharding.len,
            content_hash: manifest.content(),
            bytes: manifest.bytes(),
            missing: manifest.missing(),
        }
    }
}

/// Folds the receipts into the manifest; returns the new manifest.
pub(super) fn commit_manifest(shards: &Shards, durability: Durability) -> Result<Manifest> {
    // Under a lock, so that no version exists twice. Where locks do not work, the last check below
    // still ensures completeness: the process that replaces another's manifest then sees the
    // other's receipts. In a bucket a version is replaced only by a process that has read it.
    let lock = match &shards.storage {
        Storage::Directory(directory) => SidecarLock::open(&directory.join(MANIFEST)).ok(),
        Storage::Bucket(_) => None,
    };
    let write_lock = lock.as_ref().and_then(|lock| lock.write_lock().ok());
    loop {
        let (old, version) = shards.manifest()?;
        let found = shards.present(&old)?;
        if found == old.shards {
            drop(write_lock);
            if let Storage::Directory(directory) = &shards.storage {
                remove_leftovers(shards, directory, &old)?;
            }
            return Ok(old);
        }
        let is_found = |number| found.binary_search_by_key(&number, |shard: &Shard| shard.number).is_ok();
        for shard in old.shards.iter().filter(|shard| !is_found(shard.number)) {
            let reason = match shards.head(shard.number)? {
                Some((bytes, _)) => format!("it has {bytes} bytes instead of {}", shard.bytes),
                None => "it is missing".into(),
            };
            let file = shards.file(shard.number);
            tracing::warn!(
                "{}: {reason}, so it is no longer listed; run the same generate again to build it again",
                file.display()
            );
        }
        let next = Manifest { version: old.version + 1, shards: found, ..old };
        shards.storage.put(&next.text(), MANIFEST, PutMode::Update(&version), durability)?;
    }
}

impl Shards {
    /// Returns the published shards, as described by their receipts or, without a receipt, by the
    /// manifest.
    pub(super) fn present(&self, manifest: &Manifest) -> Result<Vec<Shard>> {
        let mut found = Vec::new();
        let Storage::Bucket(bucket) = &self.storage else {
            for number in 0..self.sharding.count() {
                let mut shard = self.published(number)?;
                if shard.is_none()
                    && let Some(listed) = manifest.shard(number)
                    && self.has_size(listed)?
                {
                    shard = Some(*listed);
                }
                found.extend(shard);
            }
            return Ok(found);
        };
        // Names and sizes are listed a thousand at a time; receipts are read one by one.
        let there = bucket.list(|name| self.sharding.number(name))?;
        // A missing receipt, or one that the manifest knows, need not be read.
        let is_unread = |number: u64, receipt: &Option<Option<String>>| match receipt {
            Some(Some(e_tag)) => {
                let known =
                    manifest.shard(number).map(|shard| bucket.likely_e_tag(&self.receipt_text(shard)));
                known.as_ref() != Some(e_tag)
            }
            Some(None) => true,
            None => false,
        };
        let unread = there
            .iter()
            .filter(|(number, listed)| listed.bytes.is_some() && is_unread(**number, &listed.receipt));
        let names: Vec<_> = unread.map(|(&number, _)| (number, self.receipt_name(number))).collect();
        let texts = bucket.read_many(&names, MAX_RECEIPT_BYTES)?;
        for (&number, listed) in &there {
            let text = texts.get(&number).and_then(|text| std::str::from_utf8(text).ok());
            let has_size = |shard: &Shard| Some(shard.bytes) == listed.bytes;
            let received = text.and_then(|text| self.believed(text, number)).filter(has_size);
            found.extend(received.or(manifest.shard(number).copied()).filter(has_size));
        }
        Ok(found)
    }

    /// Returns which of these shards are published.
    pub(super) fn published_among(&self, numbers: &[u64]) -> Result<BTreeSet<u64>> {
        if let Storage::Bucket(_) = self.storage
            && numbers.len() >= MIN_LISTED
        {
            let present = self.present(&self.manifest()?.0)?;
            return Ok(present.into_iter().map(|shard| shard.number).collect());
        }
        let published = numbers.iter().map(|&number| Ok(self.published(number)?.map(|shard| shard.number)));
        published.filter_map(Result::transpose).collect()
    }
}

/// Removes leftovers of killed processes that belong to published shards.
fn remove_leftovers(shards: &Shards, directory: &Path, manifest: &Manifest) -> Result<()> {
    let failed = io(directory, "read the directory");
    let listed = |name: &str| shards.sharding.number(name).filter(|&number| manifest.shard(number).is_some());
    for entry in std::fs::read_dir(directory).map_err(&failed)? {
        let path = entry.map_err(&failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let shard = name.strip_prefix('.').and_then(|name| name.split_once(".db"));
        let number = shard.and_then(|(shard, _)| listed(shard));
        if is_temporary_name(&name, MANIFEST)
            || number.is_some_and(|number| is_temporary_name(&name, &shards.name(number)))
        {
            // A process that is still writing the manifest writes it again, and the copy of a
            // published shard is not needed.
            let _ = std::fs::remove_file(&path);
            continue;
        }
        let Some(number) = number else { continue };
        let draft = directory.join(format!(".{}", shards.name(number)));
        let claim = beside(&draft, "-claim");
        let mut endings = std::iter::once("").chain(COMPANIONS).chain(["-lock", "-claim"]);
        if endings.any(|ending| beside(&draft, ending) == path)
            && let Ok(Some(_claim)) = LockFile::take(&claim)
        {
            discard(&draft);
        }
    }
    for entry in std::fs::read_dir(directory.join(RECEIPTS)).map_err(&failed)? {
        let path = entry.map_err(&failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let shard = name.strip_prefix('.').and_then(|name| name.split_once(".json."));
        if let Some((shard, _)) = shard.filter(|(shard, _)| listed(shard).is_some())
            && is_temporary_name(&name, &format!("{shard}.json"))
        {
            let _ = std::fs::remove_file(&path);
        }
    }
    Ok(())
}
