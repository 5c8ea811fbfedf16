//! Sharded corpora: corpus files in a directory or a bucket, each with its range of one recipe's records, and a manifest that
//! lists them.
//!
//! A shard is an ordinary corpus of the whole recipe in which only its own chunks are made. Where it begins and ends
//! follows from the recipe, its name from that, so that any number of processes on any number of machines agree on both
//! without talking to each other. What is published is whole: see [`publish`].

mod bucket;
mod cache;
mod check;
mod make;
mod manifest;
mod open;
mod place;
mod private;
mod publish;
mod seal;
mod session;
mod wire;

pub(crate) use check::{repair, verify};
pub use make::built_in;
pub(crate) use make::generate;
pub(crate) use manifest::{Manifest, Shard};
pub(crate) use open::OpenShards;
pub(crate) use place::{check_spelling, is_bucket};
pub(crate) use publish::link as name_new;
pub use seal::{Sealed, begin, receipt, seal};

use crate::corpus::corpus_writer::other_recipe;
use crate::error::{Error, Result, io};
use crate::options::Durability;
use crate::os::rights;
use cache::{Cache, Kept};
use place::{Before, Place, Version};
use qorpus_core::Recipe;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// More shards than this are refused: each is a file, a receipt and a line of the manifest.
pub(crate) const MOST_SHARDS: u64 = 1 << 20;

/// The file that says what a directory is, and what is in it.
const MANIFEST: &str = "manifest.json";

/// The directory of the receipts.
const RECEIPTS: &str = "receipts";

/// Digits of an id in a name, unless there are more records: names are then in the order of ids.
const DIGITS: usize = 12;

/// Where shards begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Records of the recipe.
    pub(crate) len: u64,
    /// Records of every shard but the last.
    pub(crate) shard_records: u64,
}

impl Cut {
    /// `None` for shards that are not made of whole chunks, too many shards, or records that no recipe decides.
    pub(crate) fn new(recipe: &Recipe, shard_records: u64) -> Option<Cut> {
        let len = recipe.expected()?;
        let whole = shard_records > 0 && shard_records.is_multiple_of(recipe.chunk_records());
        let cut = Cut { len, shard_records };
        (whole && cut.count() <= MOST_SHARDS).then_some(cut)
    }

    pub(crate) fn count(&self) -> u64 {
        self.len.div_ceil(self.shard_records)
    }

    /// The ids of shard `number`, which must be one of them.
    pub(crate) fn ids(&self, number: u64) -> Range<u64> {
        let start = number.saturating_mul(self.shard_records);
        start..start.saturating_add(self.shard_records).min(self.len)
    }

    pub(crate) fn records(&self, number: u64) -> u64 {
        let ids = self.ids(number);
        ids.end - ids.start
    }

    /// The name of shard `number`, without an ending.
    fn name(&self, number: u64) -> String {
        let Range { start, end } = self.ids(number);
        let width = self.len.to_string().len().max(DIGITS);
        format!("{start:0width$}-{end:0width$}")
    }

    /// The number of the shard with this name.
    fn number(&self, name: &str) -> Option<u64> {
        let first: u64 = name.split_once('-')?.0.parse().ok()?;
        Some(first / self.shard_records).filter(|&number| number < self.count() && self.name(number) == name)
    }
}

/// A sharded corpus: where it is, and what all who make it agree on.
#[derive(Debug, Clone)]
pub(crate) struct Shards {
    place: Place,
    recipe: Recipe,
    cut: Cut,
}

/// A shard's file on this machine.
enum Local {
    /// That of a directory.
    File(PathBuf),
    /// A copy of an object.
    Copy(Kept),
}

impl Local {
    fn path(&self) -> &Path {
        match self {
            Local::File(path) | Local::Copy(Kept { path, .. }) => path,
        }
    }

    /// Whether it was not there before, so that others may be there no more.
    fn is_new(&self) -> bool {
        matches!(self, Local::Copy(Kept { is_new: true, .. }))
    }
}

/// Whether `path` means a sharded corpus: it names a bucket, ends in a slash, or is a directory already.
pub fn is_sharded(path: &Path) -> bool {
    is_bucket(path) || path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir()
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

    fn at(place: Place) -> Result<(Shards, Manifest)> {
        let (manifest, _) = Manifest::read(&place)?;
        Ok((Shards { place, recipe: manifest.recipe.clone(), cut: manifest.cut }, manifest))
    }

    /// Its manifest as it is now, and the version of that.
    fn manifest(&self) -> Result<(Manifest, Version)> {
        Manifest::read(&self.place)
    }

    /// The version that its manifest has now; `None` if it is gone.
    fn version(&self) -> Result<Option<Version>> {
        self.place.version(MANIFEST)
    }

    /// Opens the corpus at `path`, creating it if there is none. It must be of this recipe and cut: of those who
    /// create one at the same time, one decides.
    fn create(path: &Path, recipe: &Recipe, shard: Option<u64>, durability: Durability) -> Result<Shards> {
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
    fn name(&self, number: u64) -> String {
        self.cut.name(number) + ".db"
    }

    /// The file or object of shard `number`, for messages.
    pub(crate) fn file(&self, number: u64) -> PathBuf {
        self.place.join(&self.name(number))
    }

    fn receipt(&self, number: u64) -> String {
        format!("{RECEIPTS}/{}.json", self.cut.name(number))
    }

    /// The numbers of the chunks of shard `number`.
    fn chunks(&self, number: u64) -> Range<u64> {
        let Range { start, end } = self.cut.ids(number);
        start / self.recipe.chunk_records()..end.div_ceil(self.recipe.chunk_records())
    }

    /// What the receipt of shard `number` says, if the shard has one and a file that may be the one it was given for.
    fn published(&self, number: u64) -> Result<Option<Shard>> {
        match Shard::read(&self.place, &self.receipt(number), number, &self.recipe, &self.cut)? {
            Some(shard) if self.has_size(&shard)? => Ok(Some(shard)),
            _ => Ok(None),
        }
    }

    fn has_size(&self, shard: &Shard) -> Result<bool> {
        Ok(self.place.look(&self.name(shard.number))?.is_some_and(|(bytes, _)| bytes == shard.bytes))
    }

    /// Those of the shards with these numbers that are published.
    fn published_among(&self, numbers: &[u64]) -> Result<BTreeSet<u64>> {
        // From so many on, one listing of all is less to ask for than two things of each.
        const MANY: usize = 16;
        if let Place::Bucket(_) = self.place
            && numbers.len() > MANY
        {
            let listed = seal::listed(self, &self.manifest()?.0)?;
            return Ok(listed.into_iter().map(|shard| shard.number).collect());
        }
        let mut found = BTreeSet::new();
        for &number in numbers {
            found.extend(self.published(number)?.map(|shard| shard.number));
        }
        Ok(found)
    }

    /// The file of a listed shard on this machine, or a copy of it, which may have to be fetched.
    fn local(&self, shard: &Shard) -> Result<Local> {
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

    /// Removes the copy of a shard, of which `is_wrong` tells more, unless it is what was fetched; the error that says so. Nothing
    /// that is published here is a copy.
    fn disowned(&self, shard: &Shard, is_other: impl Fn(&Path) -> bool) -> Option<Error> {
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

    /// The error of reading the file of a shard, said of the shard: nobody knows a copy by its name. What fails on this machine
    /// stays as it is.
    pub(crate) fn said_of(&self, number: u64, error: Error) -> Error {
        match (error.damage(), error) {
            (_, Error::DamagedChunk { chunk, ids, damage, remedy, .. }) => {
                Error::DamagedChunk { path: self.file(number), chunk, ids, damage, remedy }
            }
            (_, Error::OtherRecipe { there, there_hash, asked, asked_hash, .. }) => {
                Error::OtherRecipe { path: self.file(number), there, there_hash, asked, asked_hash }
            }
            (_, Error::NewerFormat { version, .. }) => {
                Error::NewerFormat { path: self.file(number), version }
            }
            (Some(reason), _) => self.damaged(number, &reason),
            (None, error) => error,
        }
    }

    /// The error of one that is not there at all.
    fn lost(&self, number: u64) -> Error {
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

/// The cut that is wished, in whole chunks, or that of the recipe.
fn chosen_cut(recipe: &Recipe, shard: Option<u64>) -> Result<Cut> {
    let Some(len) = recipe.expected().filter(|_| recipe.space().enumerates().is_none()) else {
        return Err(Error::Usage(
            "a directory of shards is of words or random circuits; anything else needs a file".into(),
        ));
    };
    let size = shard.map_or(recipe.shard_records(), |wished| {
        wished.max(1).checked_next_multiple_of(recipe.chunk_records()).unwrap_or(u64::MAX)
    });
    let count = len.div_ceil(size);
    Cut::new(recipe, size).ok_or_else(|| {
        Error::Usage(format!(
            "{count} shards of {size} records are too many, a directory has at most {MOST_SHARDS}; choose larger ones with --shard"
        ))
    })
}

/// Whether a file might be a shard of some recipe.
fn is_shard(name: &str) -> bool {
    let is_id = |text: &str| text.len() >= DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let ids = name.strip_suffix(".db").and_then(|ids| ids.split_once('-'));
    ids.is_some_and(|(start, end)| is_id(start) && is_id(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecipeOptions;

    fn recipe(records: u64) -> Recipe {
        RecipeOptions { random: records, ..RecipeOptions::default() }.recipe().unwrap()
    }

    #[test]
    fn names_come_from_ranges_and_lead_back() {
        let recipe = recipe(1_000_000);
        let cut = chosen_cut(&recipe, Some(100_000)).unwrap();
        assert_eq!(cut.shard_records % recipe.chunk_records(), 0);
        assert!((100_000..100_000 + recipe.chunk_records()).contains(&cut.shard_records));
        assert_eq!(cut.name(0), format!("000000000000-{:012}", cut.shard_records));
        assert!(cut.name(cut.count() - 1).ends_with("-000001000000"));
        for number in 0..cut.count() {
            assert_eq!(cut.number(&cut.name(number)), Some(number));
        }
        for name in ["", "-", "0-1", "000000000001-000000000002", "999999999999-999999999999"] {
            assert_eq!(cut.number(name), None, "{name}");
        }
        assert!(is_shard(&(cut.name(1) + ".db")) && !is_shard("c.db") && !is_shard("part-1.db"));
        let long = Cut { len: 1 << 63, shard_records: 1 << 60 };
        assert_eq!(long.name(7).len(), 2 * 19 + 1);
    }

    #[test]
    fn too_many_shards_are_refused() {
        assert!(chosen_cut(&recipe(1 << 40), Some(1)).unwrap_err().is_usage());
        assert_eq!(chosen_cut(&recipe(1 << 40), Some(u64::MAX)).map(|cut| cut.count()).ok(), None);
        let whole = chosen_cut(&recipe(1000), Some(1 << 40)).unwrap();
        assert_eq!((whole.count(), whole.ids(0)), (1, 0..1000));
    }
}
