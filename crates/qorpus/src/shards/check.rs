//! Checking: every record is in one shard, every shard is as the manifest says; and making those again that are not.

use super::make::{Made, Workshop};
use super::publish::fingerprint;
use super::seal::fold;
use super::{Shard, Shards};
use crate::error::{Error, Result};
use crate::options::{Durability, threads};
use crate::reader::Corpus;
use crate::verify::{Verification, VerifyOptions, verify_file};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// See [`verify`](crate::verify): the same for a directory of shards, one after the other.
pub(crate) fn verify(
    path: &Path,
    options: VerifyOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    let (shards, manifest) = Shards::open(path)?;
    // Reading the manifest has shown that no two shards overlap; what no shard has is a gap.
    let mut sum = Verification { missing: manifest.missing(), totals: Some(true), ..Verification::default() };
    for shard in &manifest.shards {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        match examine(&shards, shard, options, stop, report) {
            Ok(found) => sum.add(found),
            Err(error) if error.is_usage() => return Err(error),
            Err(error) => drop(sum.shards.insert(shard.number, said(error))),
        }
    }
    sum.interrupted = stop.load(Ordering::Relaxed);
    Ok(sum)
}

/// Verifies one shard. What is wrong with it as a whole is an error.
fn examine(
    shards: &Shards,
    shard: &Shard,
    options: VerifyOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    let (file, number) = (shards.file(shard.number), shard.number);
    let damaged = |reason: &str| Err(shards.damaged(number, reason));
    if !file.exists() {
        return damaged("it is missing, although the manifest lists it");
    }
    let corpus = Corpus::open(&file)?;
    if corpus.recipe().hash() != shards.recipe.hash() {
        return Err(crate::store::other_recipe(&file, corpus.recipe(), &shards.recipe));
    }
    let made = corpus.made()?;
    drop(corpus);
    let found = verify_file(&file, options, stop, report)?;
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
    match fingerprint(&file)? == (shard.bytes, shard.xxh128) {
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
    options: VerifyOptions,
    stop: &AtomicBool,
    report: &(dyn Fn(u64) + Sync),
) -> Result<Verification> {
    let found = verify(path, options, stop, report)?;
    if found.interrupted || (found.shards.is_empty() && found.damaged.is_empty()) {
        return Ok(found);
    }
    let (shards, _) = Shards::open(path)?;
    crate::filesystem::check(shards.path(), shards.path())?;
    let of_chunk = |number: &u64| number * shards.recipe.chunk_records() / shards.cut.shard_records;
    let again: BTreeSet<u64> =
        found.shards.keys().copied().chain(found.damaged.keys().map(of_chunk)).collect();
    let (jobs, durability) = (threads(options.jobs)?, Durability::Full);
    let workshop = Workshop { shards: &shards, stage: None, jobs, durability };
    for number in again {
        // Who makes the same shard will be done at some time.
        while workshop.make(number, true, stop, &mut |_| {})? == Made::Busy {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    fold(&shards, durability)?;
    Ok(Verification { interrupted: stop.load(Ordering::Relaxed), ..found })
}
