//! A sharded corpus: where it is, and what everybody who makes it agrees on.

use crate::error::other_recipe;
use crate::error::{Error, Result, io};
use crate::options::job::Durability;
use crate::os::rights;
use crate::paths::{check_spelling, is_bucket};
use crate::shards::cache::{Cache, Kept};
use crate::shards::manifest::Manifest;
use crate::shards::naming::{Cut, MANIFEST, RECEIPTS, chosen_cut};
use crate::shards::place::Place;
use crate::shards::publish;
use crate::shards::put_mode::{Before, Version};
use crate::shards::shard::Shard;
use qorpus_core::Recipe;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A sharded corpus: where it is, and what all who make it agree on.
#[derive(Debug, Clone)]
pub(crate) struct Shards {
    pub(super) place: Place,
    pub(super) recipe: Recipe,
    pub(super) cut: Cut,
}

/// A shard's file on this machine.
pub(super) enum Local {
    /// That of a directory.
    File(PathBuf),
    /// A copy of an object.
    Copy(Kept),
}

impl Local {
    pub(super) fn path(&self) -> &Path {
        match self {
            Local::File(path) | Local::Copy(Kept { path, .. }) => path,
        }
    }

    /// Whether it was not there before, so that others may be there no more.
    pub(super) fn is_new(&self) -> bool {
        matches!(self, Local::Copy(Kept { is_new: true, .. }))
    }
}

/// Whether there is a sharded corpus at `path`, or it names a bucket, in which nothing else can be.
pub(crate) fn is_there(path: &Path) -> bool {
    // Where receipts are, the manifest was lost, and that is said.
    let has = |name| path.join(name).symlink_metadata().is_ok();
    is_bucket(path) || (path.is_dir() && (has(MANIFEST) || has(RECEIPTS)))
}

impl Shards {
    /// Opens the corpus at `path` and reads its manifest.
    pub(crate) fn open(path: &Path) -> Result<(Shards, Manifest)> {
        Shards::at(Place::at(path)?)
    }

    pub(super) fn at(place: Place) -> Result<(Shards, Manifest)> {
        let (manifest, _) = Manifest::read(&place)?;
        Ok((Shards { place, recipe: manifest.recipe.clone(), cut: manifest.cut }, manifest))
    }

    /// Its manifest as it is now, and the version of that.
    pub(super) fn manifest(&self) -> Result<(Manifest, Version)> {
        Manifest::read(&self.place)
    }

    /// The version that its manifest has now; `None` if it is gone.
    pub(super) fn version(&self) -> Result<Option<Version>> {
        self.place.version(MANIFEST)
    }

    /// Opens the corpus at `path`, creating it if there is none. It must be of this recipe and cut:
    /// of those who create one at the same time, one decides.
    pub(super) fn create(
        path: &Path,
        recipe: &Recipe,
        shard: Option<u64>,
        durability: Durability,
    ) -> Result<Shards> {
        let cut = chosen_cut(recipe, shard)?;
        let (place, new) = match is_bucket(path) {
            true => (Place::at(path)?, false),
            false => created(path)?,
        };
        if place.version(MANIFEST)?.is_none() {
            place.refuse_others()?;
            if let (true, Place::Directory(directory)) = (new, &place)
                && let Some(parent) = directory.parent()
            {
                publish::save_names(parent, durability)?;
            }
            if let Place::Bucket(bucket) = &place {
                bucket.check_conditions()?;
            }
            place.put(&Manifest::empty(recipe, cut).text(), MANIFEST, Before::Nothing, durability)?;
        }
        let (shards, manifest) = Shards::at(place)?;
        if manifest.recipe.hash() != recipe.hash() {
            return Err(other_recipe(shards.path(), &manifest.recipe, recipe));
        }
        // Without a wish, whatever is there is right.
        if shard.is_some() && manifest.cut != cut {
            return Err(Error::Usage(format!(
                "{} has shards of {} records, not of {}; leave --shard out, or use another place",
                shards.path().display(),
                manifest.cut.shard_records,
                cut.shard_records
            )));
        }
        if let Place::Directory(directory) = &shards.place {
            let receipts = directory.join(RECEIPTS);
            match std::fs::create_dir(&receipts) {
                Ok(()) => {
                    rights::share(&receipts);
                    publish::save_names(directory, durability)?;
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(io(&receipts, "create the directory")(error)),
            }
        }
        Ok(shards)
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    pub(crate) fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    pub(crate) fn cut(&self) -> &Cut {
        &self.cut
    }

    /// What shard `number` is called.
    pub(super) fn name(&self, number: u64) -> String {
        self.cut.name(number) + ".db"
    }

    /// The file or object of shard `number`, for messages.
    pub(crate) fn file(&self, number: u64) -> PathBuf {
        self.place.join(&self.name(number))
    }

    pub(super) fn receipt(&self, number: u64) -> String {
        format!("{RECEIPTS}/{}.json", self.cut.name(number))
    }

    /// The numbers of the chunks of shard `number`.
    pub(super) fn chunks(&self, number: u64) -> Range<u64> {
        let Range { start, end } = self.cut.ids(number);
        start / self.recipe.chunk_records()..end.div_ceil(self.recipe.chunk_records())
    }

    /// What the receipt of shard `number` says, if the shard has one and a file that may be the one
    /// it was given for.
    pub(super) fn published(&self, number: u64) -> Result<Option<Shard>> {
        match Shard::read(&self.place, &self.receipt(number), number, &self.recipe, &self.cut)? {
            Some(shard) if self.has_size(&shard)? => Ok(Some(shard)),
            _ => Ok(None),
        }
    }

    pub(super) fn has_size(&self, shard: &Shard) -> Result<bool> {
        Ok(self.place.look(&self.name(shard.number))?.is_some_and(|(bytes, _)| bytes == shard.bytes))
    }

    /// The file of a listed shard on this machine, or a copy of it, which may have to be fetched.
    pub(super) fn local(&self, shard: &Shard) -> Result<Local> {
        let Place::Bucket(bucket) = &self.place else { return Ok(Local::File(self.file(shard.number))) };
        let size = shard.bytes..=shard.bytes;
        let fetch = |to: &Path| match bucket.fetch(&self.name(shard.number), to, size.clone())? {
            None => Err(self.lost(shard.number)),
            Some(found) if found == (shard.bytes, shard.xxh128) => Ok(()),
            Some((bytes, _)) if bytes != shard.bytes => {
                let reason = format!("it has {bytes} bytes instead of {}", shard.bytes);
                Err(self.damaged(shard.number, &reason))
            }
            Some(_) => Err(self.damaged(shard.number, "its checksum is not the manifest's")),
        };
        Cache::open()?.copy(&bucket.origin()?, shard, fetch).map(Local::Copy)
    }

    /// Removes the copy of a shard, of which `is_wrong` tells more, unless it is what was fetched;
    /// the error that says so. Nothing that is published here is a copy.
    pub(super) fn disowned(&self, shard: &Shard, is_other: impl Fn(&Path) -> bool) -> Option<Error> {
        let Place::Bucket(bucket) = &self.place else { return None };
        let fetched = (shard.bytes, shard.xxh128);
        let is_wrong = |path: &Path| !publish::fingerprint(path).is_ok_and(|found| found == fetched);
        let (cache, origin) = (Cache::open().ok()?, bucket.origin().ok()?);
        let is_gone = cache.remove(&origin, shard, |path| is_other(path) || is_wrong(path)).ok()?;
        is_gone.then(|| Error::DamagedCopy { path: self.file(shard.number), corpus: self.path().into() })
    }

    /// The error of a shard that the manifest lists and that is not as it says.
    pub(crate) fn damaged(&self, number: u64, reason: &str) -> Error {
        Error::DamagedShard { path: self.file(number), reason: reason.into(), directory: self.path().into() }
    }

    /// The error of a shard whose file is a corpus of another recipe.
    pub(crate) fn holds_another(&self, number: u64, recipe: &Recipe) -> Error {
        self.damaged(number, &format!("it holds another corpus: {}", recipe.summary()))
    }

    /// The error of reading the file of a shard, said of the shard: nobody knows a copy by its
    /// name. What fails on this machine stays as it is.
    pub(crate) fn said_of(&self, number: u64, error: Error) -> Error {
        match (error.damage(), error) {
            (_, Error::DamagedChunk { chunk, ids, damage, remedy, .. }) => {
                Error::DamagedChunk { path: self.file(number), chunk, ids, damage, remedy }
            }
            (_, Error::OtherRecipe { there, asked, .. }) => {
                Error::OtherRecipe { path: self.file(number), there, asked }
            }
            (_, Error::NewerFormat(_, version)) => Error::NewerFormat(self.file(number), version),
            (Some(reason), _) => self.damaged(number, &reason),
            (None, error) => error,
        }
    }

    /// The error of one that is not there at all.
    pub(super) fn lost(&self, number: u64) -> Error {
        self.damaged(number, "it is missing, although the manifest lists it")
    }
}

/// The directory at `path`, and whether it is new.
fn created(path: &Path) -> Result<(Place, bool)> {
    check_spelling(path)?;
    // Of those who create it at the same time one does, and for the others it is there.
    let new = match std::fs::create_dir(path) {
        Ok(()) => true,
        Err(_) if path.is_dir() => false,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Error::Exists(path.into()));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::MissingDirectory(path.parent().unwrap_or(path).into()));
        }
        Err(error) => return Err(io(path, "create the directory")(error)),
    };
    let path = path.canonicalize().map_err(io(path, "find the directory"))?;
    Ok((Place::Directory(path), new))
}
