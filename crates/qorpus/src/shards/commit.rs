//! Sealing: folding the receipts into the next version of the manifest.

use crate::error::{Error, Result, io, other_recipe};
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
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

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
    loop {
        let (shards, _) = Shards::open(path)?;
        match commit_manifest(&shards, Durability::Full) {
            // Another process has grown it just now.
            Err(Error::GrownMeanwhile(_)) => {}
            committed => return committed.map(|committed| Sealed::of(&committed.manifest)),
        }
    }
}

/// Creates the sharded corpus at `path`, unless there is one of this recipe or a smaller one, and
/// [seals](seal) it, for programs that distribute shards. The number of a shard is its part:
/// `Part::new(number, sealed.of)`.
///
/// A smaller corpus grows as soon as the larger one has all of its records: now, or in the call of
/// [`generate`](crate::generate) that publishes the missing shard.
///
/// # Errors
/// As [`generate`](crate::generate), which then needs no shard size, and [`seal`].
pub fn begin(path: &Path, recipe: &Recipe, shard: Option<u64>) -> Result<Sealed> {
    let shards = Shards::create(path, recipe, shard, Durability::Full)?;
    Ok(Sealed::of(&commit_manifest(&shards, Durability::Full)?.manifest))
}

/// Reads the receipt of shard `number` of the corpus of this recipe at `path`, which [`begin`] has
/// begun; `None` if the shard is not published yet.
///
/// # Errors
/// There is no such sharded corpus, its manifest is invalid, or the receipt cannot be read.
pub fn receipt(path: &Path, recipe: &Recipe, number: u64) -> Result<Option<String>> {
    let shards = Shards::open(path)?.0.grown(recipe)?;
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

/// The outcome of sealing.
pub(super) struct Committed {
    /// The manifest or, if the corpus cannot grow yet, the one that it will have.
    pub(super) manifest: Manifest,
    /// The shard that must be published before the corpus can grow: with fewer records, it is the
    /// last one of the smaller recipe.
    pub(super) awaited: Option<u64>,
}

/// Folds the receipts into the manifest. A smaller corpus grows with that to the recipe of `shards`,
/// unless records that are listed would have no shard.
pub(super) fn commit_manifest(shards: &Shards, durability: Durability) -> Result<Committed> {
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
        shards.check_recipe(&old)?;
        let found = shards.present(&old)?;
        let grows = old.lineage != shards.lineage;
        if !grows && found == old.shards {
            drop(write_lock);
            match &shards.storage {
                Storage::Directory(directory) => remove_leftovers(shards, directory, &old)?,
                Storage::Bucket(_) => remove_outgrown(shards, &old)?,
            }
            return Ok(Committed { manifest: old, awaited: None });
        }
        let awaited = if grows { shards.awaited(&old, &found)? } else { None };
        warn_of_lost(shards, &old, &found)?;
        let (lineage, sharding) = (shards.lineage.clone(), shards.sharding);
        let next = Manifest { version: old.version + 1, lineage, sharding, shards: found };
        if awaited.is_some() {
            return Ok(Committed { manifest: next, awaited });
        }
        if let Storage::Directory(_) = shards.storage
            && shards.storage.version(MANIFEST)?.as_ref() != Some(&version)
        {
            // Locks do not work here, and a rename would undo what another process has done.
            continue;
        }
        let is_put = shards.storage.put(&next.text(), MANIFEST, PutMode::Update(&version), durability)?;
        if is_put && grows {
            shards.remove_replaced(&old);
        }
    }
}

/// Names the listed shards that are not found.
fn warn_of_lost(shards: &Shards, old: &Manifest, found: &[Shard]) -> Result<()> {
    let is_found = |number| found.binary_search_by_key(&number, |shard: &Shard| shard.number).is_ok();
    let is_lost =
        |shard: &&Shard| old.shard_of(shards.sharding, shard.number).is_some() && !is_found(shard.number);
    for shard in old.shards.iter().filter(is_lost) {
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
    Ok(())
}

impl Shards {
    /// Refuses the manifest of another corpus, and of one that another process has grown beyond this
    /// recipe.
    pub(super) fn check_recipe(&self, there: &Manifest) -> Result<()> {
        if there.lineage == self.lineage || there.lineage.begins(&self.lineage) {
            Ok(())
        } else if self.lineage.begins(&there.lineage) {
            Err(Error::GrownMeanwhile(self.path().into()))
        } else {
            Err(other_recipe(self.path(), there.lineage.recipe(), self.recipe()))
        }
    }

    /// Returns the shard that must be published before the corpus can grow from what `old` lists to
    /// what is `found`, so that every record can be read at every moment.
    fn awaited(&self, old: &Manifest, found: &[Shard]) -> Result<Option<u64>> {
        let Some(last) = old.shards.last() else { return Ok(None) };
        let is_kept = old.shard_of(self.sharding, last.number).is_some();
        if is_kept || found.iter().any(|shard| shard.number == last.number) {
            return Ok(None);
        }
        let smaller = Shards::of(self.storage.clone(), old);
        Ok(smaller.has_size(last)?.then_some(last.number))
    }

    /// Removes the objects of the shard that this growth has replaced, as far as that is allowed.
    /// Leftovers of a killed process are found by their names.
    fn remove_replaced(&self, old: &Manifest) {
        let Storage::Bucket(bucket) = &self.storage else { return };
        let smaller = Shards::of(self.storage.clone(), old);
        let is_replaced = |shard: &&Shard| old.shard_of(self.sharding, shard.number).is_none();
        if let Some(last) = old.shards.last().filter(is_replaced) {
            for name in [smaller.receipt_name(last.number), smaller.name(last.number)] {
                // Left behind, it does no harm.
                let _ = bucket.remove(&name);
            }
        }
    }

    /// Returns the published shards, as described by their receipts or, without a receipt, by the
    /// manifest.
    pub(super) fn present(&self, manifest: &Manifest) -> Result<Vec<Shard>> {
        let mut found = Vec::new();
        let Storage::Bucket(bucket) = &self.storage else {
            for number in 0..self.sharding.count() {
                let mut shard = self.published(number)?;
                if shard.is_none()
                    && let Some(listed) = manifest.shard_of(self.sharding, number)
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
                let known = manifest.shard_of(self.sharding, number);
                let known = known.map(|shard| bucket.likely_e_tag(&self.receipt_text(shard)));
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
            let listed = manifest.shard_of(self.sharding, number).copied();
            found.extend(received.or(listed).filter(has_size));
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

/// Removes shards of a bucket that were replaced when the corpus grew by a process that was killed
/// before it removed them, as far as that is allowed.
fn remove_outgrown(shards: &Shards, manifest: &Manifest) -> Result<()> {
    let Storage::Bucket(bucket) = &shards.storage else { return Ok(()) };
    if shards.lineage.created_as().is_none() {
        return Ok(());
    }
    let names = RefCell::new(BTreeSet::new());
    bucket.list(|name| {
        if shards.is_replaced(manifest, name) {
            names.borrow_mut().insert(name.to_owned());
        }
        None
    })?;
    for name in names.into_inner() {
        // Left behind, it does no harm.
        let _ = bucket.remove(&format!("{RECEIPTS}/{name}.json"));
        let _ = bucket.remove(&format!("{name}.db"));
    }
    Ok(())
}

/// Removes leftovers of killed processes that belong to published shards, and shards that were
/// replaced when the corpus grew. Readers that have such a file open keep it.
fn remove_leftovers(shards: &Shards, directory: &Path, manifest: &Manifest) -> Result<()> {
    // Receipts first: a file without a receipt can be judged, but not the reverse.
    for path in entries(&directory.join(RECEIPTS))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let shard = name.strip_prefix('.').and_then(|name| name.split_once(".json."));
        let is_replaced = name.strip_suffix(".json").is_some_and(|name| shards.is_replaced(manifest, name));
        if is_replaced
            || shard.is_some_and(|(shard, _)| {
                shards.is_settled(manifest, shard) && is_temporary_name(&name, &format!("{shard}.json"))
            })
        {
            let _ = std::fs::remove_file(&path);
        }
    }
    for path in entries(directory)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let hidden = name.strip_prefix('.').and_then(|name| name.split_once(".db"));
        let shard = hidden.map(|(shard, _)| shard).filter(|shard| shards.is_settled(manifest, shard));
        let is_replaced = name.strip_suffix(".db").is_some_and(|name| shards.is_replaced(manifest, name));
        if is_replaced
            || is_temporary_name(&name, MANIFEST)
            || shard.is_some_and(|shard| is_temporary_name(&name, &format!("{shard}.db")))
        {
            // A process that is still writing the manifest writes it again, and the copy of a
            // published shard is not needed.
            let _ = std::fs::remove_file(&path);
            continue;
        }
        let Some(shard) = shard else { continue };
        let draft = directory.join(format!(".{shard}.db"));
        let claim = beside(&draft, "-claim");
        let mut endings = std::iter::once("").chain(COMPANIONS).chain(["-lock", "-claim"]);
        if endings.any(|ending| beside(&draft, ending) == path)
            && let Ok(Some(_claim)) = LockFile::take(&claim)
        {
            discard(&draft);
        }
    }
    Ok(())
}

impl Shards {
    /// Returns whether nothing remains to be built of the shard with this name: it is listed, or was
    /// replaced.
    fn is_settled(&self, manifest: &Manifest, name: &str) -> bool {
        let number = self.sharding.number(name);
        number.is_some_and(|number| manifest.shard(number).is_some()) || self.is_replaced(manifest, name)
    }

    /// Returns whether the shard with this name was replaced by a longer one, which is listed, when
    /// the corpus grew.
    fn is_replaced(&self, manifest: &Manifest, name: &str) -> bool {
        let Some(first) = self.lineage.created_as() else { return false };
        let number = self.sharding.replaced(name, first.space().len());
        number.is_some_and(|number| manifest.shard(number).is_some())
    }
}

/// Returns the paths in a directory.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let failed = io(directory, "read the directory");
    let entries = std::fs::read_dir(directory).map_err(&failed)?;
    entries.map(|entry| Ok(entry.map_err(&failed)?.path())).collect()
}
