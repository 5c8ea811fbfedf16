//! A sharded corpus: its storage, and the properties on which all its processes agree.

use crate::corpus::corpus_file::CorpusFile;
use crate::error::{Error, Result, cannot_grow, shards_do_not_grow};
use crate::options::job::Durability;
use crate::os::atomic_file::sync_directory_of;
use crate::paths::is_bucket;
use crate::shards::cache::{Cache, CachedShard};
use crate::shards::directory;
use crate::shards::lineage::Lineage;
use crate::shards::manifest::Manifest;
use crate::shards::naming::{MANIFEST, RECEIPTS, Sharding};
use crate::shards::put_mode::{PutMode, Version};
use crate::shards::shard::{Shard, fingerprint};
use crate::shards::storage::Storage;
use crate::verify::file::verify_file;
use crate::verify::report::{Verification, VerifyOptions};
use qorpus_core::Recipe;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// A sharded corpus: its storage, its recipe, and its division into shards. It may grow to a larger
/// recipe, with the same division of the records that it has.
#[derive(Debug, Clone)]
pub(crate) struct Shards {
    pub(super) storage: Storage,
    pub(super) lineage: Lineage,
    pub(super) sharding: Sharding,
}

/// Returns whether there is a sharded corpus at `path`, or it names a bucket, which can hold
/// nothing else.
pub(crate) fn is_there(path: &Path) -> bool {
    // A directory with receipts but without a manifest has lost it; opening the corpus reports
    // that.
    let has = |name| path.join(name).symlink_metadata().is_ok();
    is_bucket(path) || (path.is_dir() && (has(MANIFEST) || has(RECEIPTS)))
}

impl Shards {
    /// Opens the corpus at `path` and reads its manifest.
    pub(crate) fn open(path: &Path) -> Result<(Shards, Manifest)> {
        Shards::at(Storage::at(path)?)
    }

    fn at(storage: Storage) -> Result<(Shards, Manifest)> {
        let (manifest, _) = Manifest::read(&storage)?;
        Ok((Shards::of(storage, &manifest), manifest))
    }

    /// Returns the corpus that this manifest describes.
    pub(super) fn of(storage: Storage, manifest: &Manifest) -> Shards {
        Shards { storage, lineage: manifest.lineage.clone(), sharding: manifest.sharding }
    }

    pub(super) fn recipe(&self) -> &Recipe {
        self.lineage.recipe()
    }

    /// Returns the corpus in the state in which it has grown to `recipe`, or has it already. Its manifest
    /// does not change until it is sealed.
    pub(super) fn grown(self, recipe: &Recipe) -> Result<Shards> {
        if !self.recipe().begins(recipe) {
            return Err(cannot_grow(self.path(), self.recipe(), recipe));
        }
        let Some(lineage) = self.lineage.grown(recipe) else {
            return Err(shards_do_not_grow(self.path(), self.recipe(), recipe));
        };
        let Some(sharding) = self.sharding.grown(recipe) else {
            return Err(Sharding::too_many(recipe, self.sharding.shard_records));
        };
        Ok(Shards { lineage, sharding, ..self })
    }

    /// Reads its manifest again, and its version.
    pub(super) fn manifest(&self) -> Result<(Manifest, Version)> {
        Manifest::read(&self.storage)
    }

    /// Opens the corpus at `path`, creating it if it does not exist. An existing one must have this
    /// recipe or a smaller one, from which it can grow, and this division; if several processes
    /// create one at the same time, one of them wins.
    pub(super) fn create(
        path: &Path,
        recipe: &Recipe,
        shard_records: Option<u64>,
        durability: Durability,
    ) -> Result<Shards> {
        let sharding = Sharding::chosen(recipe, shard_records)?;
        let (storage, is_new) = if is_bucket(path) {
            (Storage::at(path)?, false)
        } else {
            let (directory, is_new) = directory::create(path)?;
            (Storage::Directory(directory), is_new)
        };
        if storage.version(MANIFEST)?.is_none() {
            storage.refuse_others()?;
            match &storage {
                Storage::Directory(directory) if is_new => sync_directory_of(directory, durability)?,
                Storage::Directory(_) => {}
                Storage::Bucket(bucket) => bucket.check_conditions()?,
            }
            let text = Manifest::empty(recipe, sharding).text();
            storage.put(&text, MANIFEST, PutMode::Create, durability)?;
        }
        let shards = Shards::at(storage)?.0.grown(recipe)?;
        // Without a given size, any division is accepted.
        let (there, wished) = (shards.sharding.shard_records, sharding.shard_records);
        if shard_records.is_some() && there != wished {
            return Err(Error::Usage(format!(
                "{} has shards of {there} records, not {wished}; leave the shard size out (--shard, shard= in Python), or \
                 use another place",
                shards.path().display()
            )));
        }
        if let Storage::Directory(directory) = &shards.storage {
            directory::create_receipts(directory, durability)?;
        }
        Ok(shards)
    }

    pub(crate) fn path(&self) -> &Path {
        self.storage.path()
    }

    /// Returns the name of shard `number`.
    pub(super) fn name(&self, number: u64) -> String {
        self.sharding.name(number) + ".db"
    }

    /// Returns the file or object of shard `number`, for messages.
    pub(crate) fn file(&self, number: u64) -> PathBuf {
        self.storage.join(&self.name(number))
    }

    /// Returns the numbers of the chunks of shard `number`.
    pub(super) fn chunks(&self, number: u64) -> Range<u64> {
        let Range { start, end } = self.sharding.ids(number);
        start / self.recipe().chunk_records()..end.div_ceil(self.recipe().chunk_records())
    }

    /// Returns the size and version of the file of shard `number`; `None` if it does not exist.
    pub(super) fn head(&self, number: u64) -> Result<Option<(u64, Version)>> {
        self.storage.head(&self.name(number))
    }

    /// Returns whether the file of a shard has the size that it should have.
    pub(super) fn has_size(&self, shard: &Shard) -> Result<bool> {
        Ok(self.head(shard.number)?.is_some_and(|(bytes, _)| bytes == shard.bytes))
    }

    /// Returns the file of a listed shard on this machine: for a bucket, a copy in the cache, which
    /// may have to be fetched.
    pub(super) fn local(&self, shard: &Shard) -> Result<(PathBuf, Option<CachedShard>)> {
        let Storage::Bucket(bucket) = &self.storage else { return Ok((self.file(shard.number), None)) };
        let size = shard.bytes..=shard.bytes;
        let fetch = |to: &Path| match bucket.download(&self.name(shard.number), to, size.clone())? {
            None => Err(self.lost(shard.number)),
            Some(found) if found == shard.fingerprint() => Ok(()),
            Some((bytes, _)) if bytes != shard.bytes => Err(self.wrong_size(shard, bytes)),
            Some(_) => Err(self.damaged(shard.number, "its checksum differs from the manifest's")),
        };
        let copy = Cache::open()?.get(&bucket.origin()?, shard, fetch)?;
        Ok((copy.path.clone(), Some(copy)))
    }

    /// Removes the cached copy of a shard if it differs from the fetched bytes, or `is_other`;
    /// returns the error of that. A directory has no copies.
    pub(super) fn disowned(&self, shard: &Shard, is_other: impl Fn(&Path) -> bool) -> Option<Error> {
        let Storage::Bucket(bucket) = &self.storage else { return None };
        let is_wrong = |path: &Path| !fingerprint(path).is_ok_and(|found| found == shard.fingerprint());
        let (cache, origin) = (Cache::open().ok()?, bucket.origin().ok()?);
        let is_gone = cache.remove_if(&origin, shard, |path| is_other(path) || is_wrong(path)).ok()?;
        is_gone.then(|| Error::DamagedCopy { path: self.file(shard.number), corpus: self.path().into() })
    }

    /// Verifies a file of shard `number`; returns whether it has all records of the shard, and no
    /// others.
    pub(super) fn verify_file(
        &self,
        number: u64,
        file: &Path,
        options: VerifyOptions,
        stop: &AtomicBool,
        report: &(dyn Fn(u64) + Sync),
    ) -> Result<(Verification, bool)> {
        let corpus = CorpusFile::open(file)?;
        if !self.lineage.holds(corpus.stored()) {
            let reason = format!("it holds another corpus: {}", corpus.recipe().summary());
            return Err(self.damaged(number, &reason));
        }
        let made = corpus.made()?;
        drop(corpus);
        let found = verify_file(file, options, stop, report)?;
        let is_whole = made == Some(self.chunks(number)) && found.records == self.sharding.records(number);
        Ok((found, is_whole))
    }

    /// Returns the error of a shard that does not match the manifest.
    pub(crate) fn damaged(&self, number: u64, reason: &str) -> Error {
        Error::DamagedShard { path: self.file(number), reason: reason.into(), directory: self.path().into() }
    }

    /// Returns the error of a shard whose file has another size.
    pub(super) fn wrong_size(&self, shard: &Shard, bytes: u64) -> Error {
        self.damaged(shard.number, &format!("it has {bytes} bytes instead of {}", shard.bytes))
    }

    /// Returns the error of a listed shard that is missing.
    pub(super) fn lost(&self, number: u64) -> Error {
        self.damaged(number, "it is missing, although the manifest lists it")
    }

    /// Returns the error of reading a shard's file with the name of the shard, since users do not
    /// know the name of a copy. A failure of this machine is returned unchanged.
    pub(crate) fn said_of(&self, number: u64, error: Error) -> Error {
        let path = self.file(number);
        match (error.damage(), error) {
            (_, Error::DamagedChunk { chunk, ids, damage, remedy, .. }) => {
                Error::DamagedChunk { path, chunk, ids, damage, remedy }
            }
            (_, Error::OtherRecipe { there, asked, .. }) => Error::OtherRecipe { path, there, asked },
            (_, Error::NewerFormat(_, version)) => Error::NewerFormat(path, version),
            (Some(reason), _) => self.damaged(number, &reason),
            (None, error) => error,
        }
    }
}
