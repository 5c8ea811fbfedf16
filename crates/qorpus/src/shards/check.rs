//! Checking: every record is in one shard, every shard is as the manifest says; and making those
//! again that are not.

use crate::corpus::corpus_file::CorpusFile;
use crate::error::{Error, Result};
use crate::options::job::{Durability, threads};
use crate::shards::cache::{Cache, Room};
use crate::shards::make::{Made, Workshop, stage};
use crate::shards::manifest::Manifest;
use crate::shards::place::Place;
use crate::shards::publish::fingerprint;
use crate::shards::put_mode::Version;
use crate::shards::seal::{fold, listed};
use crate::shards::shard::Shard;
use crate::shards::sharded::Shards;
use crate::verify::file::verify_file;
use crate::verify::report::{RepairOptions, Verification, VerifyOptions};
use nix::libc;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// See [`verify`](crate::ops::verify): the same for a directory of shards, one after the other.
pub(crate) fn verify(
    path: &Path,
    options: VerifyOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    examined(path, options, stop, report).map(|(found, _)| found)
}

/// The same, and the version of each shard that was there.
fn examined(
    path: &Path,
    options: VerifyOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<(Verification, BTreeMap<u64, Version>)> {
    let (shards, manifest) = Shards::open(path)?;
    let mut versions = BTreeMap::new();
    // Reading the manifest has shown that no two shards overlap; what no shard has is a gap.
    let mut sum = Verification { missing: manifest.missing(), totals: Some(true), ..Verification::default() };
    for shard in &manifest.shards {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (number, name) = (shard.number, shards.name(shard.number));
        // A store that is not reached says nothing of its objects: then this ends here.
        let Some((bytes, version)) = shards.place.look(&name)? else {
            sum.shards.insert(number, fault(&shards, shards.lost(number))?);
            continue;
        };
        versions.insert(number, version);
        if let (Place::Bucket(_), true) = (&shards.place, bytes != shard.bytes) {
            // It need not be fetched.
            sum.shards.insert(number, format!("it has {bytes} bytes instead of {}", shard.bytes));
            continue;
        }
        let object = Object::of(&shards, number, bytes)?;
        match examine(&shards, number, Some(shard), &object, options, stop, report) {
            Ok(found) => sum.add(found),
            Err(error) => drop(sum.shards.insert(number, fault(&shards, error)?)),
        }
    }
    for number in unlisted(&shards, &manifest)? {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        // Whoever published it may not have come to give it a receipt: then nothing is wrong with
        // it.
        let Some((bytes, version)) = shards.place.look(&shards.name(number))? else { continue };
        versions.insert(number, version);
        let object = Object::of(&shards, number, bytes)?;
        let reason = match examine(&shards, number, None, &object, options, stop, &|_| {}) {
            Ok(found) if found.damaged.is_empty() => continue,
            Ok(_) => "some of its chunks are damaged".into(),
            Err(error) => fault(&shards, error)?,
        };
        sum.shards.insert(number, format!("it is not listed, and {reason}"));
    }
    sum.interrupted = stop.load(Ordering::Relaxed);
    Ok((sum, versions))
}

/// The shards that are neither listed nor published with a receipt, although something has their
/// name.
fn unlisted(shards: &Shards, manifest: &Manifest) -> Result<Vec<u64>> {
    if manifest.missing().is_empty() {
        return Ok(Vec::new());
    }
    let published: BTreeSet<u64> = listed(shards, manifest)?.iter().map(|shard| shard.number).collect();
    let is_known = |number: &u64| published.contains(number) || manifest.shard(*number).is_some();
    let named: Vec<u64> = match &shards.place {
        Place::Directory(_) => {
            let is_there =
                |number: &u64| shards.place.look(&shards.name(*number)).is_ok_and(|found| found.is_some());
            (0..shards.cut.count()).filter(|number| !is_known(number)).filter(is_there).collect()
        }
        Place::Bucket(bucket) => {
            let there = bucket.list(|name| shards.cut.number(name))?.into_iter();
            there.filter(|(_, found)| found.bytes.is_some()).map(|(number, _)| number).collect()
        }
    };
    Ok(named.into_iter().filter(|number| !is_known(number)).collect())
}

/// The file of a shard, or a copy of its object that nobody else uses.
struct Object {
    path: PathBuf,
    /// The size and checksum of what was copied.
    fingerprint: Option<(u64, u128)>,
    _room: Option<Room>,
}

impl Object {
    /// That of shard `number`, of so many bytes.
    fn of(shards: &Shards, number: u64, bytes: u64) -> Result<Object> {
        let bucket = match &shards.place {
            Place::Directory(_) => {
                return Ok(Object { path: shards.file(number), fingerprint: None, _room: None });
            }
            Place::Bucket(bucket) => bucket,
        };
        let room = Cache::open()?.room(bytes)?;
        let fingerprint = bucket.fetch(&shards.name(number), &room.path, bytes..=bytes)?;
        let path = room.path.clone();
        Ok(Object { path, fingerprint, _room: Some(room) })
    }
}

/// Verifies shard `number`, and that it is what the manifest lists, if it does. What is wrong with
/// it as a whole is an error.
fn examine(
    shards: &Shards,
    number: u64,
    shard: Option<&Shard>,
    object: &Object,
    options: VerifyOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    let file = &object.path;
    let said_of = |error| shards.said_of(number, error);
    let damaged = |reason: &str| Err(shards.damaged(number, reason));
    let corpus = CorpusFile::open(file).map_err(said_of)?;
    if corpus.recipe().hash() != shards.recipe.hash() {
        return Err(shards.holds_another(number, corpus.recipe()));
    }
    let made = corpus.made().map_err(said_of)?;
    drop(corpus);
    let found = verify_file(file, options, stop, report).map_err(said_of)?;
    if found.interrupted || !found.damaged.is_empty() {
        return Ok(found);
    }
    if found.totals == Some(false) {
        return damaged("its totals do not match its chunks");
    }
    if made != Some(shards.chunks(number)) || found.records != shards.cut.records(number) {
        return damaged("its records are not those of the shard");
    }
    let Some(shard) = shard else { return Ok(found) };
    if found.content != shard.content {
        return damaged("its content hash is not the manifest's");
    }
    let fingerprint = object.fingerprint.map_or_else(|| fingerprint(file), Ok)?;
    match fingerprint == (shard.bytes, shard.xxh128) {
        true => Ok(found),
        false => {
            damaged("the checksum of the file is not the manifest's, although each of its records is right")
        }
    }
}

/// What is wrong with a shard, without a remedy, which is the same for all. What says nothing about
/// the shard, such as a full cache or a missing permission, stays an error: a repair must not
/// replace what may be whole.
fn fault(shards: &Shards, error: Error) -> Result<String> {
    let is_copy = matches!(shards.place, Place::Bucket(_));
    match error {
        Error::DamagedShard { reason, .. } => Ok(reason),
        Error::Directory(_) | Error::NoPlainFile(_) => Ok("it is not a plain file".into()),
        Error::NewerFormat { .. } => Ok(error.to_string()),
        Error::Io { ref source, .. } if !is_copy && source.raw_os_error() == Some(libc::EIO) => {
            Ok(error.to_string())
        }
        error => error.damage().ok_or(error),
    }
}

/// See [`repair`](crate::repair): makes the shards again that are lost or damaged, and no others.
pub(crate) fn repair(
    path: &Path,
    options: &RepairOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    let RepairOptions { verify, stage: wished } = options;
    // Before anything is read, which may take hours.
    let stage = stage(path, wished.as_deref())?;
    let (found, versions) = examined(path, *verify, stop, report)?;
    if found.interrupted || (found.shards.is_empty() && found.damaged.is_empty()) {
        return Ok(found);
    }
    let (shards, _) = Shards::open(path)?;
    let of_chunk = |number: &u64| number * shards.recipe.chunk_records() / shards.cut.shard_records;
    let again: BTreeSet<u64> =
        found.shards.keys().copied().chain(found.damaged.keys().map(of_chunk)).collect();
    let (jobs, durability) = (threads(verify.jobs)?, Durability::Full);
    let workshop = Workshop { shards: &shards, stage: stage.as_deref(), jobs, durability };
    for number in again {
        // Who makes the same shard will be done at some time.
        while workshop.make(number, Some(versions.get(&number)), stop, &mut |_| {})? == Made::Busy
            && !stop.load(Ordering::Relaxed)
        {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    fold(&shards, durability)?;
    Ok(Verification { interrupted: stop.load(Ordering::Relaxed), ..found })
}
