//! Verifying that every record is in one shard and every shard matches the manifest; and building
//! damaged shards again.

use crate::error::{Error, Result};
use crate::options::job::{Durability, threads};
use crate::shards::build::{BuildOutcome, POLL_INTERVAL, ShardBuilder};
use crate::shards::cache::{Cache, CacheDraft};
use crate::shards::commit::commit_manifest;
use crate::shards::manifest::Manifest;
use crate::shards::put_mode::Version;
use crate::shards::shard::{Shard, fingerprint};
use crate::shards::sharded::Shards;
use crate::shards::stage::Stage;
use crate::shards::storage::Storage;
use crate::verify::report::{RepairOptions, Verification, VerifyOptions};
use nix::libc;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Verifies a sharded corpus, one shard after the other; see [`verify`](crate::verify).
pub(crate) fn verify(
    path: &Path,
    options: VerifyOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    verify_versions(path, options, stop, report).map(|(found, _)| found)
}

/// Verifies a sharded corpus; also returns the version of each existing shard.
fn verify_versions(
    path: &Path,
    options: VerifyOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<(Verification, BTreeMap<u64, Version>)> {
    let (shards, manifest) = Shards::open(path)?;
    // Reading the manifest has shown that no two shards overlap; ids without a shard are a gap.
    let found = Verification { missing: manifest.missing(), totals: Some(true), ..Verification::default() };
    let mut verifier = Verifier { shards: &shards, options, stop, found, versions: BTreeMap::new() };
    for shard in &manifest.shards {
        if !stop.load(Ordering::Relaxed) {
            verifier.verify_listed(shard, report)?;
        }
    }
    for number in unlisted(&shards, &manifest)? {
        if !stop.load(Ordering::Relaxed) {
            verifier.verify_unlisted(number)?;
        }
    }
    verifier.found.interrupted = stop.load(Ordering::Relaxed);
    Ok((verifier.found, verifier.versions))
}

/// A verification of a sharded corpus.
struct Verifier<'a> {
    shards: &'a Shards,
    options: VerifyOptions,
    stop: &'a AtomicBool,
    found: Verification,
    versions: BTreeMap<u64, Version>,
}

impl Verifier<'_> {
    fn verify_listed(&mut self, shard: &Shard, report: &(dyn Fn(u64) + Sync)) -> Result<()> {
        let (shards, number) = (self.shards, shard.number);
        // A store that is not reached says nothing about its objects, so verification ends.
        let found = match shards.head(number)? {
            None => Err(shards.lost(number)),
            Some((bytes, version)) => {
                self.versions.insert(number, version);
                match &shards.storage {
                    // It need not be fetched.
                    Storage::Bucket(_) if bytes != shard.bytes => Err(shards.wrong_size(shard, bytes)),
                    _ => self.examine(number, Some(shard), &ShardFile::open(shards, number, bytes)?, report),
                }
            }
        };
        match found {
            Ok(found) => self.found.add(found),
            Err(error) => drop(self.found.shards.insert(number, damage(shards, error)?)),
        }
        Ok(())
    }

    /// Verifies a shard that is not listed and has no receipt. The process that published it may
    /// have ended before giving it one, and then nothing is wrong with it.
    fn verify_unlisted(&mut self, number: u64) -> Result<()> {
        let Some((bytes, version)) = self.shards.head(number)? else { return Ok(()) };
        self.versions.insert(number, version);
        let file = ShardFile::open(self.shards, number, bytes)?;
        let reason = match self.examine(number, None, &file, &|_| {}) {
            Ok(found) if found.damaged.is_empty() => return Ok(()),
            Ok(_) => "some of its chunks are damaged".into(),
            Err(error) => damage(self.shards, error)?,
        };
        self.found.shards.insert(number, format!("it is not listed, and {reason}"));
        Ok(())
    }

    /// Verifies shard `number` and, if it is listed, that it matches the manifest. Damage of the
    /// shard as a whole is an error.
    fn examine(
        &self,
        number: u64,
        listed: Option<&Shard>,
        file: &ShardFile,
        report: &(dyn Fn(u64) + Sync),
    ) -> Result<Verification> {
        let shards = self.shards;
        let said_of = |error| shards.said_of(number, error);
        let damaged = |reason: &str| Err(shards.damaged(number, reason));
        let found = shards.verify_file(number, &file.path, self.options, self.stop, report);
        let (found, is_whole) = found.map_err(said_of)?;
        if found.interrupted || !found.damaged.is_empty() {
            return Ok(found);
        }
        if found.totals == Some(false) {
            return damaged("its totals do not match its chunks");
        }
        if !is_whole {
            return damaged("its records do not belong to this shard");
        }
        let Some(shard) = listed else { return Ok(found) };
        if found.content != shard.content {
            return damaged("its content hash differs from the manifest's");
        }
        if file.fingerprint.map_or_else(|| fingerprint(&file.path), Ok)? != shard.fingerprint() {
            return damaged(
                "the checksum of the file differs from the manifest's, although each of its records is right",
            );
        }
        Ok(found)
    }
}

/// Returns the shards that are neither listed nor published with a receipt, although their name is
/// used.
fn unlisted(shards: &Shards, manifest: &Manifest) -> Result<Vec<u64>> {
    if manifest.missing().is_empty() {
        return Ok(Vec::new());
    }
    let present: BTreeSet<u64> = shards.present(manifest)?.iter().map(|shard| shard.number).collect();
    let is_unknown = |number: &u64| !present.contains(number) && manifest.shard(*number).is_none();
    if let Storage::Bucket(bucket) = &shards.storage {
        let there = bucket.list(|name| shards.sharding.number(name))?.into_iter();
        let there = there.filter(|(_, listed)| listed.bytes.is_some()).map(|(number, _)| number);
        return Ok(there.filter(is_unknown).collect());
    }
    let is_there = |number: &u64| shards.head(*number).is_ok_and(|found| found.is_some());
    Ok((0..shards.sharding.count()).filter(is_unknown).filter(is_there).collect())
}

/// The file of a shard, or a copy of its object that no other process uses.
struct ShardFile {
    path: PathBuf,
    /// The size and checksum of the object that was copied.
    fingerprint: Option<(u64, u128)>,
    _draft: Option<CacheDraft>,
}

impl ShardFile {
    /// Opens the file of shard `number`, or fetches its object of `bytes` bytes.
    fn open(shards: &Shards, number: u64, bytes: u64) -> Result<ShardFile> {
        let Storage::Bucket(bucket) = &shards.storage else {
            return Ok(ShardFile { path: shards.file(number), fingerprint: None, _draft: None });
        };
        let draft = Cache::open()?.reserve(bytes)?;
        let fingerprint = bucket.download(&shards.name(number), &draft.path, bytes..=bytes)?;
        Ok(ShardFile { path: draft.path.clone(), fingerprint, _draft: Some(draft) })
    }
}

/// Returns the damage of a shard without the remedy, which is the same for all. An error that says
/// nothing about the shard, such as a full cache or a missing permission, remains an error: a
/// repair must not replace a shard that may be intact.
fn damage(shards: &Shards, error: Error) -> Result<String> {
    let is_copy = matches!(shards.storage, Storage::Bucket(_));
    match error {
        Error::DamagedShard { reason, .. } => Ok(reason),
        Error::Directory(_) | Error::NoPlainFile(_) => Ok("it is not a regular file".into()),
        Error::NewerFormat { .. } => Ok(error.to_string()),
        Error::Io { ref source, .. } if !is_copy && source.raw_os_error() == Some(libc::EIO) => {
            Ok(error.to_string())
        }
        error => error.damage().ok_or(error),
    }
}

/// Builds lost and damaged shards again, and no others; see [`repair`](crate::repair).
pub(crate) fn repair(
    path: &Path,
    options: &RepairOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    // Before anything is read, which may take hours.
    let stage = Stage::create(path, options.stage.as_deref())?;
    let (found, versions) = verify_versions(path, options.verify, stop, report)?;
    if found.interrupted || (found.shards.is_empty() && found.damaged.is_empty()) {
        return Ok(found);
    }
    let (shards, _) = Shards::open(path)?;
    let of_chunk = |number: &u64| number * shards.recipe().chunk_records() / shards.sharding.shard_records;
    let damaged: BTreeSet<u64> =
        found.shards.keys().copied().chain(found.damaged.keys().map(of_chunk)).collect();
    let (jobs, durability) = (threads(options.verify.jobs)?, Durability::Full);
    let stage = stage.as_ref().map(|stage| stage.path.as_path());
    let builder = ShardBuilder::new(&shards, stage, jobs, durability, stop);
    for number in damaged {
        // Another process that builds the same shard will finish at some time.
        while builder.rebuild(number, versions.get(&number))? == BuildOutcome::Busy
            && !stop.load(Ordering::Relaxed)
        {
            std::thread::sleep(POLL_INTERVAL);
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    commit_manifest(&shards, durability)?;
    Ok(Verification { interrupted: stop.load(Ordering::Relaxed), ..found })
}
