//! Making: a process takes shards one after the other, builds each where nobody reads it, and publishes it.
//!
//! While a shard is built, a claim beside it says so: a lock that ends with the process, however that ends. What a dead
//! process has built is gone on with. On network file systems, where locks cannot be relied on, shards are built in a
//! directory of each machine, and what two machines make both is published once.

use super::publish::{discard, fingerprint, publish, put, replace, save, save_names};
use super::seal::fold;
use super::{Shard, Shards};
use crate::connection::{beside, hex};
use crate::error::{Error, Result, io};
use crate::generate::{Outcome, Progress, generate_in};
use crate::lock::Claim;
use crate::options::{Durability, GenerateOptions, threads};
use crate::reader::Corpus;
use crate::store::Store;
use crate::verify::{VerifyOptions, verify_file};
use crate::{filesystem, store};
use qorpus_core::Recipe;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often a process looks whether others have finished what they are at.
const LOOK: Duration = Duration::from_millis(100);

/// See [`generate`](crate::generate).
pub(crate) fn generate(
    path: &Path,
    recipe: &Recipe,
    options: &GenerateOptions,
    stop: &AtomicBool,
    report: &mut dyn FnMut(Progress),
) -> Result<(Outcome, Progress)> {
    let jobs = threads(options.jobs)?;
    if let Some(stage) = options.stage.as_deref().filter(|stage| !stage.is_dir()) {
        return Err(Error::MissingDirectory(stage.into()));
    }
    let built_in = options.stage.as_deref().unwrap_or(path);
    let place = std::path::absolute(built_in).map_err(io(built_in, "find the directory"))?;
    if let Some(there) = place.ancestors().find(|directory| directory.is_dir()) {
        filesystem::check(there, built_in)?;
    }
    let shards = Shards::create(path, recipe, options.shard, options.durability)?;
    let workshop =
        Workshop { shards: &shards, stage: options.stage.as_deref(), jobs, durability: options.durability };
    let (mut progress, mut todo) = (Progress::default(), VecDeque::new());
    for number in options.part.shards(shards.cut.count()) {
        let records = shards.cut.records(number);
        progress.expected += records;
        match shards.published(number)? {
            Some(_) => {
                progress.records += records;
                workshop.clear(number)?;
            }
            None => todo.push_back(number),
        }
    }
    report(progress);
    // Machines that see no claims of each other should not all begin with the same shard.
    if options.stage.is_some() && options.part.is_all() && !todo.is_empty() {
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        todo.rotate_left(random as usize % todo.len());
    }
    // How many in a row others are at.
    let mut busy = 0;
    while let Some(number) = todo.pop_front() {
        let done = progress;
        let made = workshop.make(number, false, stop, &mut |of_shard| {
            progress.records = done.records + of_shard.records;
            progress.made = done.made + of_shard.made;
            progress.bytes = done.bytes + of_shard.bytes;
            progress.waiting = false;
            report(progress);
        })?;
        match made {
            Made::Published => {
                busy = 0;
                progress.records = done.records + shards.cut.records(number);
            }
            Made::Interrupted => return Ok((Outcome::Interrupted, progress)),
            Made::Busy => {
                todo.push_back(number);
                busy += 1;
                progress.waiting = busy >= todo.len();
                report(progress);
                if stop.load(Ordering::Relaxed) {
                    return Ok((Outcome::Interrupted, progress));
                }
                if progress.waiting {
                    std::thread::sleep(LOOK);
                }
            }
        }
    }
    progress.waiting = false;
    report(progress);
    if options.part.is_all() {
        fold(&shards, options.durability)?;
    }
    Ok((Outcome::Complete, progress))
}

/// What became of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// It is published, by whomever.
    Published,
    /// Somebody else is at it.
    Busy,
    /// There was a stop; what is built is kept.
    Interrupted,
}

/// Where and how shards are made.
pub(super) struct Workshop<'a> {
    pub(super) shards: &'a Shards,
    /// The directory where they are built, unless that is their own.
    pub(super) stage: Option<&'a Path>,
    pub(super) jobs: usize,
    pub(super) durability: Durability,
}

impl Workshop<'_> {
    /// Where shard `number` is built.
    fn draft(&self, number: u64) -> PathBuf {
        let name = self.shards.cut.name(number);
        match self.stage {
            // Many corpora may be built there.
            Some(stage) => stage.join(format!("qorpus-{}-{name}.db", hex(&self.shards.recipe.hash()[..8]))),
            None => self.shards.path.join(format!(".{name}.db")),
        }
    }

    /// Removes what a dead process has left of a published shard in the stage, of which sealing knows nothing.
    fn clear(&self, number: u64) -> Result<()> {
        let draft = self.draft(number);
        if self.stage.is_some()
            && draft.exists()
            && let Some(_claim) = Claim::take(&beside(&draft, "-claim"))?
        {
            discard(&draft);
        }
        Ok(())
    }

    /// Makes shard `number` and publishes it with its receipt; `anew`, whatever is there under its name.
    pub(super) fn make(
        &self,
        number: u64,
        anew: bool,
        stop: &AtomicBool,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Made> {
        let (draft, target, mut instead) = (self.draft(number), self.shards.file(number), anew);
        let Some(_claim) = Claim::take(&beside(&draft, "-claim"))? else { return Ok(Made::Busy) };
        if anew {
            discard(&draft);
        } else if self.shards.published(number)?.is_some() {
            discard(&draft);
            return Ok(Made::Published);
        } else if target.exists() {
            // Whoever published it did not come to give it a receipt.
            match self.inspect(&target, number)? {
                Ok(shard) => {
                    // Its bytes and name may not last yet.
                    save(&target, self.durability)?;
                    save_names(&self.shards.path, self.durability)?;
                    self.give_receipt(&shard)?;
                    discard(&draft);
                    return Ok(Made::Published);
                }
                Err(reason) => {
                    tracing::warn!("{}: {reason}, so it is made again", target.display());
                    instead = true;
                }
            }
        }
        // What a power cut has left, without syncs, may be anything: then it is built once more.
        let mut shard = Err(String::new());
        for _ in 0..2 {
            let store = Store::open(&draft, &self.shards.recipe, self.durability)?;
            let chunks = self.shards.chunks(number);
            let (outcome, _) = generate_in(store, &self.shards.recipe, self.jobs, chunks, stop, report)?;
            if outcome == Outcome::Interrupted {
                return Ok(Made::Interrupted);
            }
            shard = self.inspect(&draft, number)?;
            if shard.is_ok() {
                break;
            }
            discard(&draft);
        }
        let mut shard = shard.map_err(|reason| self.shards.damaged(number, &reason))?;
        save(&draft, self.durability)?;
        if !publish(&draft, &target, instead, self.durability)? {
            // Its bytes may be arranged otherwise than ours.
            shard = self.inspect(&target, number)?.map_err(|reason| self.shards.damaged(number, &reason))?;
        }
        self.give_receipt(&shard)?;
        discard(&draft);
        Ok(Made::Published)
    }

    /// Checks a finished file of shard `number`: what its receipt will say, or what is wrong with it.
    fn inspect(&self, file: &Path, number: u64) -> Result<std::result::Result<Shard, String>> {
        let unfinished = ["-journal", "-wal"]
            .iter()
            .any(|ending| std::fs::metadata(beside(file, ending)).is_ok_and(|found| found.len() > 0));
        if unfinished {
            return Ok(Err("another program has it open".into()));
        }
        let ids = self.shards.cut.ids(number);
        let corpus = Corpus::open(file)?;
        if corpus.recipe().hash() != self.shards.recipe.hash() {
            return Err(store::other_recipe(file, corpus.recipe(), &self.shards.recipe));
        }
        let made = corpus.made()?;
        drop(corpus);
        let checksums = VerifyOptions { sample: 0.0, jobs: Some(self.jobs) };
        let found = verify_file(file, checksums, &AtomicBool::new(false), &|_| {})?;
        if !found.is_clean()
            || made != Some(self.shards.chunks(number))
            || found.records != ids.end - ids.start
        {
            return Ok(Err("not all of its chunks are whole, or they are not those of the shard".into()));
        }
        let (bytes, xxh128) = fingerprint(file)?;
        Ok(Ok(Shard { number, content: found.content, bytes, xxh128 }))
    }

    fn give_receipt(&self, shard: &Shard) -> Result<()> {
        let receipt = self.shards.receipt(shard.number);
        let text = shard.text(&self.shards.recipe, &self.shards.cut);
        if !put(text.as_bytes(), &receipt, self.durability)?
            && Shard::read(&receipt, shard.number, &self.shards.recipe, &self.shards.cut)? != Some(*shard)
        {
            // That of a file which is not there any more.
            replace(text.as_bytes(), &receipt, self.durability)?;
        }
        Ok(())
    }
}
