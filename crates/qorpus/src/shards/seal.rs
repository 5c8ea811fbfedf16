//! Sealing: what the receipts say becomes the next version of the manifest.

use crate::error::{Error, Result, io};
use crate::options::job::Durability;
use crate::os::lock_file::LockFile;
use crate::os::sidecar_lock::SidecarLock;
use crate::paths::beside;
use crate::shards::manifest::LARGEST_RECEIPT;
use crate::shards::manifest::Manifest;
use crate::shards::naming::{MANIFEST, RECEIPTS};
use crate::shards::place::Place;
use crate::shards::publish::{discard, is_draft_of};
use crate::shards::put_mode::Before;
use crate::shards::shard::Shard;
use crate::shards::sharded::Shards;
use md5::{Digest, Md5};
use qorpus_core::{ContentHash, Recipe};
use std::collections::BTreeSet;
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

/// Folds the receipts of the sharded corpus at `path` into its manifest, and checks that each
/// record is in one shard.
///
/// Takes time proportional to the number of shards, whose files are looked at but not read:
/// [`verify`](crate::ops::verify) reads them. To seal again changes nothing, and several may do so
/// at once, also while shards are made.
///
/// # Errors
/// There is no sharded corpus, its manifest cannot be believed, or it cannot be written.
pub fn seal(path: &Path) -> Result<Sealed> {
    let (shards, _) = Shards::open(path)?;
    Ok(Sealed::of(&fold(&shards, Durability::Full)?))
}

/// Creates the sharded corpus at `path`, unless there is one of this recipe, and [seals](seal) it:
/// what there is to be made, for those who hand out shards. Its number is a shard's part:
/// `Part::new(number, sealed.of)`.
///
/// # Errors
/// As [`generate`](crate::produce::generate), which need not be told of `shard` any more, and
/// [`seal`].
pub fn begin(path: &Path, recipe: &Recipe, shard: Option<u64>) -> Result<Sealed> {
    let shards = Shards::create(path, recipe, shard, Durability::Full)?;
    Ok(Sealed::of(&fold(&shards, Durability::Full)?))
}

/// The receipt of shard `number` of the sharded corpus at `path`, as it was published; `None` if it
/// is still to be made.
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
    pub(crate) fn of(manifest: &Manifest) -> Sealed {
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
    // One after the other, so that no version is there twice. Where locks do not work, the last
    // look below still makes that nothing is left out: of two who fold, whoever replaces the
    // other's manifest then sees the other's receipts. In a bucket nobody replaces a version that
    // was not read.
    let lock = match &shards.place {
        Place::Directory(directory) => SidecarLock::open(&directory.join(MANIFEST)).ok(),
        Place::Bucket(_) => None,
    };
    let write_lock = lock.as_ref().and_then(|lock| lock.write_lock().ok());
    loop {
        let (old, version) = shards.manifest()?;
        let found = listed(shards, &old)?;
        if found == old.shards {
            drop(write_lock);
            sweep(shards, &old)?;
            return Ok(old);
        }
        let is_found = |number| found.binary_search_by_key(&number, |shard: &Shard| shard.number).is_ok();
        for shard in old.shards.iter().filter(|shard| !is_found(shard.number)) {
            let reason = match shards.place.look(&shards.name(shard.number))? {
                Some((bytes, _)) => format!("it has {bytes} bytes instead of {}", shard.bytes),
                None => "it is missing".into(),
            };
            let file = shards.file(shard.number);
            tracing::warn!(
                "{}: {reason}, so it is not listed any more; the same 'qorpus generate' makes it again",
                file.display()
            );
        }
        let next = Manifest { version: old.version + 1, shards: found, ..old };
        shards.place.put(&next.text(), MANIFEST, Before::This(&version), durability)?;
    }
}

/// The shards that are there: as their receipts say or, for want of these, the manifest.
pub(super) fn listed(shards: &Shards, manifest: &Manifest) -> Result<Vec<Shard>> {
    let mut found = Vec::new();
    let Place::Bucket(bucket) = &shards.place else {
        for number in 0..shards.cut.count() {
            let shard = match shards.published(number)? {
                Some(shard) => Some(shard),
                None => match manifest.shard(number) {
                    Some(shard) if shards.has_size(shard)? => Some(*shard),
                    _ => None,
                },
            };
            found.extend(shard);
        }
        return Ok(found);
    };
    // Names and sizes come a thousand at a time; receipts would come one by one.
    let there = bucket.list(|name| shards.cut.number(name))?;
    let (mut unread, mut names) = (Vec::new(), Vec::new());
    for (&number, listed) in &there {
        let known = manifest.shard(number).map(|shard| tag(&shard.text(&shards.recipe, &shards.cut)));
        // Without a receipt, or with that which the manifest knows, there is nothing to be read.
        let is_known = match &listed.receipt {
            Some(Some(tag)) => known.as_deref() == Some(tag.as_str()),
            Some(None) => false,
            None => true,
        };
        if listed.bytes.is_some() && !is_known {
            unread.push(number);
            names.push(shards.receipt(number));
        }
    }
    let read = bucket.read_many(&names, LARGEST_RECEIPT)?;
    let mut texts = unread.iter().zip(&names).zip(read).peekable();
    for (&number, listed) in &there {
        let mut shard = manifest.shard(number).copied();
        if let Some(((_, name), text)) = texts.next_if(|((unread, _), _)| **unread == number) {
            let text = text.and_then(|text| String::from_utf8(text).ok());
            let said = text.and_then(|text| {
                Shard::believed(&text, &shards.place, name, number, &shards.recipe, &shards.cut)
            });
            shard = said.filter(|said| Some(said.bytes) == listed.bytes).or(shard);
        }
        found.extend(shard.filter(|shard| Some(shard.bytes) == listed.bytes));
    }
    Ok(found)
}

/// The `ETag` of a small object with this text, in stores that do not encrypt it by keys of their
/// own: there it is another one, and the object is read.
fn tag(text: &str) -> String {
    format!("\"{}\"", crate::hex::hex(&Md5::digest(text.as_bytes())))
}

/// What the making of a shard may leave in the directory: the draft, and what is beside it.
const DRAFTS: [&str; 6] = ["", "-journal", "-wal", "-shm", "-lock", "-claim"];

/// Removes what is left of the making of shards that are there: drafts of processes that were
/// killed.
fn sweep(shards: &Shards, manifest: &Manifest) -> Result<()> {
    // A bucket has none.
    let Place::Directory(directory) = &shards.place else { return Ok(()) };
    let failed = io(directory, "read the directory");
    for entry in std::fs::read_dir(directory).map_err(&failed)? {
        let path = entry.map_err(&failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if is_draft_of(&name, MANIFEST) {
            // Whoever is still writing it writes it once more.
            let _ = std::fs::remove_file(&path);
            continue;
        }
        let Some((shard, _)) = name.strip_prefix('.').and_then(|name| name.split_once(".db")) else {
            continue;
        };
        let Some(number) = shards.cut.number(shard).filter(|&number| manifest.shard(number).is_some()) else {
            continue;
        };
        if is_draft_of(&name, &shards.name(number)) {
            // A copy that was on its way. If it still is, it will not be missed.
            let _ = std::fs::remove_file(&path);
            continue;
        }
        let draft = directory.join(format!(".{}.db", shards.cut.name(number)));
        if DRAFTS.iter().any(|ending| beside(&draft, ending) == path)
            && let Ok(Some(_claim)) = LockFile::take(&beside(&draft, "-claim"))
        {
            discard(&draft);
        }
    }
    for entry in std::fs::read_dir(directory.join(RECEIPTS)).map_err(&failed)? {
        let path = entry.map_err(&failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let shard = name.strip_prefix('.').and_then(|name| name.split_once(".json.")).map(|(shard, _)| shard);
        let number = shard.and_then(|shard| shards.cut.number(shard));
        if number.is_some_and(|number| {
            manifest.shard(number).is_some()
                && is_draft_of(&name, &format!("{}.json", shards.cut.name(number)))
        }) {
            let _ = std::fs::remove_file(&path);
        }
    }
    Ok(())
}

impl Shards {
    /// Those of the shards with these numbers that are published.
    pub(super) fn published_among(&self, numbers: &[u64]) -> Result<BTreeSet<u64>> {
        // From so many on, one listing of all is less to ask for than two things of each.
        const MANY: usize = 16;
        if let Place::Bucket(_) = self.place
            && numbers.len() > MANY
        {
            let listed = listed(self, &self.manifest()?.0)?;
            return Ok(listed.into_iter().map(|shard| shard.number).collect());
        }
        let mut found = BTreeSet::new();
        for &number in numbers {
            found.extend(self.published(number)?.map(|shard| shard.number));
        }
        Ok(found)
    }
}
