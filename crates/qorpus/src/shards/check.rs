//! Checking: every record is in one shard, every shard is as the manifest says; and making those again that are not.

use super::cache::{Cache, Room};
use super::make::{Made, Workshop, stage};
use super::place::{Place, Version};
use super::publish::fingerprint;
use super::seal::fold;
use super::{Shard, Shards};
use crate::error::{Error, Result};
use crate::options::{Durability, threads};
use crate::reader::Corpus;
use crate::verify::{RepairOptions, Verification, VerifyOptions, verify_file};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// See [`verify`](crate::verify): the same for a directory of shards, one after the other.
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
            sum.shards.insert(number, said(shards.lost(number)));
            continue;
        };
        versions.insert(number, version);
        let Some(object) = Object::of(&shards, shard, bytes)? else {
            let reason = format!("it has {bytes} bytes instead of {}", shard.bytes);
            sum.shards.insert(number, reason);
            continue;
        };
        match examine(&shards, shard, &object, options, stop, report) {
            Ok(found) => sum.add(found),
            Err(error) if error.is_usage() => return Err(error),
            Err(error) => {
                // Nobody knows a copy by its name.
                let (copy, name) = (object.path.to_string_lossy(), shards.file(number));
                sum.shards.insert(number, said(error).replace(&*copy, &name.to_string_lossy()));
            }
        }
    }
    sum.interrupted = stop.load(Ordering::Relaxed);
    Ok((sum, versions))
}

/// The file of a shard, or a copy of its object that nobody else uses.
struct Object {
    path: PathBuf,
    /// The size and checksum of what was copied.
    fingerprint: Option<(u64, u128)>,
    _room: Option<Room>,
}

impl Object {
    /// `None` for an object that has another size than it should have, and need not be fetched.
    fn of(shards: &Shards, shard: &Shard, bytes: u64) -> Result<Option<Object>> {
        let bucket = match &shards.place {
            Place::Directory(_) => {
                let path = shards.file(shard.number);
                return Ok(Some(Object { path, fingerprint: None, _room: None }));
            }
            Place::Bucket(_) if bytes != shard.bytes => return Ok(None),
            Place::Bucket(bucket) => bucket,
        };
        let room = Cache::open()?.room(bytes)?;
        let fingerprint = bucket.fetch(&shards.name(shard.number), &room.path, bytes..=bytes)?;
        let path = room.path.clone();
        Ok(Some(Object { path, fingerprint, _room: Some(room) }))
    }
}

/// Verifies one shard. What is wrong with it as a whole is an error.
fn examine(
    shards: &Shards,
    shard: &Shard,
    object: &Object,
    options: VerifyOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    let (file, number) = (&object.path, shard.number);
    let damaged = |reason: &str| Err(shards.damaged(number, reason));
    let corpus = Corpus::open(file)?;
    if corpus.recipe().hash() != shards.recipe.hash() {
        return Err(crate::store::other_recipe(&shards.file(number), corpus.recipe(), &shards.recipe));
    }
    let made = corpus.made()?;
    drop(corpus);
    let found = verify_file(file, options, stop, report)?;
    if found.interrupted || !found.damaged.is_empty() {
        return Ok(found);
    }
    if found.totals == Some(false) {
        return damaged("its totals do not match its chunks");
    }
    if made != Some(shards.chunks(number)) || found.records != shards.cut.records(number) {
        return damaged("its records are not those of the shard");
    }
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

/// What is wrong, without a remedy, which is the same for all.
fn said(error: Error) -> String {
    match error {
        Error::DamagedShard { reason, .. } => reason,
        error => error.to_string(),
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
        while workshop.make(number, Some(versions.get(&number)), stop, &mut |_| {})? == Made::Busy {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    fold(&shards, durability)?;
    Ok(Verification { interrupted: stop.load(Ordering::Relaxed), ..found })
}
