//! Building: a shard is built where no reader looks, and published.
//!
//! While a shard is built, its draft is claimed: a lock that is released when the process ends in
//! any way. The draft of a dead process is continued. On network file systems, where locks are
//! unreliable, and for buckets, shards are built in a directory of each machine, and a shard that
//! two machines build is published once.

use crate::corpus::corpus_writer::CorpusWriter;
use crate::error::{Error, LOOK_FOR, Result, io, other_recipe};
use crate::hex::hex;
use crate::options::job::Durability;
use crate::os::atomic_file::{sync_directory, sync_file};
use crate::os::lock_file::LockFile;
use crate::os::rights::{self, Rights};
use crate::paths::beside;
use crate::produce::generate::generate_in;
use crate::produce::grow::{Growth, Repack, open_grown};
use crate::produce::progress::{Outcome, Progress};
use crate::produce::stored_size::stored_bytes;
use crate::shards::naming::MANIFEST;
use crate::shards::private_directory;
use crate::shards::put_mode::{PutMode, Version};
use crate::shards::shard::{Shard, discard, fingerprint};
use crate::shards::sharded::Shards;
use crate::shards::stage::STAGE_OPTION;
use crate::shards::storage::Storage;
use crate::verify::report::VerifyOptions;
use nix::libc;
use std::cell::RefCell;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The ending of a draft's claim.
const CLAIM: &str = "-claim";

/// The ending of the copy of a published shard beside the draft.
const COPY: &str = "-published";

/// The interval of checks for shards that other processes build.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A checked shard, or a reason not to publish the file.
type Inspected = std::result::Result<Shard, String>;

/// The outcome of an attempt to build a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BuildOutcome {
    /// The shard is published, by this process or another one.
    Published,
    /// Another process builds it.
    Busy,
    /// The build was stopped; the draft is kept.
    Interrupted,
}

/// A builder of shards of a corpus.
pub(super) struct ShardBuilder<'a> {
    pub(super) shards: &'a Shards,
    /// The directory where they are built, if it is not the corpus's.
    stage: Option<&'a Path>,
    jobs: usize,
    durability: Durability,
    stop: &'a AtomicBool,
    /// The version of the manifest whose recipe was last checked.
    seen: RefCell<Option<Version>>,
}

impl<'a> ShardBuilder<'a> {
    pub(super) fn new(
        shards: &'a Shards,
        stage: Option<&'a Path>,
        jobs: usize,
        durability: Durability,
        stop: &'a AtomicBool,
    ) -> ShardBuilder<'a> {
        ShardBuilder { shards, stage, jobs, durability, stop, seen: RefCell::default() }
    }

    /// Refuses to build shards of a corpus that another process has grown to a larger recipe.
    fn check_recipe(&self) -> Result<()> {
        let now = self.shards.storage.version(MANIFEST)?;
        if now.is_some() && *self.seen.borrow() != now {
            self.shards.check_recipe(&self.shards.manifest()?.0)?;
            self.seen.replace(now);
        }
        Ok(())
    }

    /// Returns whether the job is stopped.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Returns the file in which shard `number` is built.
    pub(super) fn draft(&self, number: u64) -> PathBuf {
        let name = self.shards.sharding.name(number);
        match self.stage {
            // Many corpora may be built there.
            Some(stage) => {
                let seed = self.shards.lineage.first().check_seed().to_le_bytes();
                stage.join(format!("qorpus-{}-{name}.db", hex(&seed)))
            }
            None => self.shards.path().join(format!(".{name}.db")),
        }
    }

    /// Removes the draft of a published shard from the stage, which a dead process has left.
    /// Sealing does not see these drafts.
    pub(super) fn clear(&self, number: u64) -> Result<()> {
        let draft = self.draft(number);
        let copy = beside(&draft, COPY);
        if self.stage.is_some()
            && [&draft, &copy, &beside(&draft, CLAIM)].into_iter().any(|left| left.exists())
            && let Some(_claim) = self.claim(&draft)?
        {
            discard(&draft);
            discard(&copy);
        }
        Ok(())
    }

    /// Claims a draft; `None` if another living process has it.
    fn claim(&self, draft: &Path) -> Result<Option<LockFile>> {
        let claim = beside(draft, CLAIM);
        loop {
            match (LockFile::take(&claim), self.stage) {
                // Another process has just ended and removed the empty stage.
                (Err(Error::Io { source, .. }), Some(stage)) if source.kind() == ErrorKind::NotFound => {
                    private_directory::create(stage, STAGE_OPTION)?;
                }
                (taken, _) => return taken,
            }
        }
    }

    /// Refuses a draft that another user may have created to own the resulting shard, and creates a
    /// missing one.
    fn check_draft(&self, draft: &Path) -> Result<()> {
        let directory = draft.parent().unwrap_or(draft);
        let found = match draft.symlink_metadata() {
            Ok(found) if !found.is_file() => return Err(Error::NoPlainFile(draft.into())),
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // So that the group of the directory can continue it; SQLite treats an empty file
                // as new.
                let mut options = File::options();
                options.write(true).create_new(true).custom_flags(libc::O_NOFOLLOW);
                let file = options.open(draft).map_err(io(draft, "create it"))?;
                Rights::within(directory).inspect(|rights| rights.give(&file));
                return Ok(());
            }
            Err(error) => return Err(io(draft, "look at it")(error)),
        };
        let above = directory.metadata().map_err(io(directory, "look at the directory"))?;
        if rights::is_trusted(&found, &above) {
            return Ok(());
        }
        Err(Error::Untrusted(
            draft.into(),
            format!(
                "is an unfinished shard of another user (uid {}), who could still write to it; have it removed, or build \
                 shards elsewhere with {STAGE_OPTION}",
                found.uid()
            ),
        ))
    }

    /// Builds shard `number` and publishes it with its receipt, unless that was done before.
    pub(super) fn build(&self, number: u64, report: &mut dyn FnMut(Progress)) -> Result<BuildOutcome> {
        let draft = self.draft(number);
        let Some(_claim) = self.claim(&draft)? else { return Ok(BuildOutcome::Busy) };
        self.check_recipe()?;
        self.refuse_irreplaceable(number)?;
        if self.shards.published(number)?.is_some() {
            discard(&draft);
            return Ok(BuildOutcome::Published);
        }
        let name = self.shards.name(number);
        let Some(version) = self.shards.storage.version(&name)? else {
            return self.build_draft(number, &draft, PutMode::Create, report);
        };
        // The process that published it ended before giving it a receipt.
        match self.inspect_published(number, &draft)? {
            Ok(shard) => {
                if let Storage::Directory(directory) = &self.shards.storage {
                    // Its bytes and name may not be durable yet.
                    sync_file(&directory.join(&name), self.durability)?;
                    sync_directory(directory, self.durability)?;
                }
                self.finish(&draft, &shard)
            }
            Err(reason) => {
                tracing::warn!("{}: {reason}, so it is built again", self.shards.file(number).display());
                self.build_draft(number, &draft, PutMode::Update(&version), report)
            }
        }
    }

    /// Builds shard `number` again, to replace this version of its name. `None` means that the name
    /// was free.
    pub(super) fn rebuild(&self, number: u64, version: Option<&Version>) -> Result<BuildOutcome> {
        let draft = self.draft(number);
        let Some(_claim) = self.claim(&draft)? else { return Ok(BuildOutcome::Busy) };
        self.refuse_irreplaceable(number)?;
        let mode = match (version, &self.shards.storage) {
            (Some(version), _) => PutMode::Update(version),
            // In a directory a dangling link may have the name.
            (None, Storage::Directory(_)) => PutMode::Overwrite,
            (None, Storage::Bucket(_)) => PutMode::Create,
        };
        discard(&draft);
        self.build_draft(number, &draft, mode, &mut |_| {})
    }

    /// Refuses to build a shard whose name belongs to something that a file cannot replace.
    fn refuse_irreplaceable(&self, number: u64) -> Result<()> {
        let Storage::Directory(_) = self.shards.storage else { return Ok(()) };
        let file = self.shards.file(number);
        // A link itself can be replaced.
        match file.symlink_metadata() {
            Ok(found) if !found.is_file() && !found.is_symlink() => Err(Error::NoPlainFile(file)),
            _ => Ok(()),
        }
    }

    /// Builds shard `number` in its draft and publishes it with its receipt.
    fn build_draft(
        &self,
        number: u64,
        draft: &Path,
        mode: PutMode<'_>,
        report: &mut dyn FnMut(Progress),
    ) -> Result<BuildOutcome> {
        let (shards, damaged) = (self.shards, |reason: String| self.shards.damaged(number, &reason));
        // A draft without syncs may be damaged after a power cut: then it is built again.
        let mut built = Err(String::new());
        for _ in 0..2 {
            self.check_draft(draft)?;
            built = match self.complete(draft, number, report) {
                Ok(None) => return Ok(BuildOutcome::Interrupted),
                Ok(Some(inspected)) => inspected,
                Err(error) => Err(error.damage().ok_or(error)?),
            };
            if built.is_ok() {
                break;
            }
            discard(draft);
        }
        let mut shard = built.map_err(damaged)?;
        sync_file(draft, self.durability)?;
        if !shards.storage.publish(draft, &shard, &shards.name(number), mode, self.durability)? {
            // A faster process may have given it a receipt by now. Its bytes may be arranged
            // differently.
            if shards.published(number)?.is_some_and(|there| there.content == shard.content) {
                discard(draft);
                return Ok(BuildOutcome::Published);
            }
            shard = self.inspect_published(number, draft)?.map_err(damaged)?;
        }
        self.finish(draft, &shard)
    }

    /// Gives a published shard its receipt, and removes the draft.
    fn finish(&self, draft: &Path, shard: &Shard) -> Result<BuildOutcome> {
        self.shards.put_receipt(shard, self.durability)?;
        discard(draft);
        Ok(BuildOutcome::Published)
    }

    /// Opens a draft. One that was begun before the corpus grew, grows.
    fn writer(&self, draft: &Path) -> Result<CorpusWriter> {
        let new = self.shards.lineage.stored();
        let mut check = |writer: &CorpusWriter, _: &Growth| match self.shards.lineage.holds(writer.stored()) {
            true => Ok(()),
            false => Err(other_recipe(draft, &writer.stored().recipe, &new.recipe)),
        };
        // Recipes of one corpus have chunks of one layout.
        let repack: &Repack<'_> = &|_, _| Err(Error::Defect("growing a draft".into()));
        Ok(open_grown(draft, &new, self.durability, &mut check, repack)?.0)
    }

    /// Generates the missing chunks of the draft of shard `number` and inspects it; `None` if it
    /// was stopped.
    fn complete(
        &self,
        draft: &Path,
        number: u64,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Option<Inspected>> {
        let (writer, chunks) = (self.writer(draft)?, self.shards.chunks(number));
        match generate_in(writer, self.shards.recipe(), self.jobs, chunks, self.stop, report)? {
            (Outcome::Interrupted, _) => Ok(None),
            (Outcome::Complete, _) => self.inspect(draft, number).map(Some),
        }
    }

    /// Checks the published shard `number`; in a bucket, by a copy beside the draft.
    fn inspect_published(&self, number: u64, draft: &Path) -> Result<Inspected> {
        let bucket = match &self.shards.storage {
            Storage::Directory(_) => return self.inspect(&self.shards.file(number), number),
            Storage::Bucket(bucket) => bucket,
        };
        let copy = beside(draft, COPY);
        let max_bytes = self.max_bytes(number);
        let found = match bucket.download(&self.shards.name(number), &copy, 0..=max_bytes) {
            Ok(Some((bytes, _))) if bytes > max_bytes => {
                Ok(Err(format!("it has {bytes} bytes, more than any such shard can have")))
            }
            Ok(Some(_)) => self.inspect(&copy, number),
            Ok(None) => Ok(Err("it was removed again".into())),
            Err(error) => Err(error),
        };
        discard(&copy);
        found
    }

    /// Returns a size that no shard with this number exceeds, for any arrangement of its chunks.
    fn max_bytes(&self, number: u64) -> u64 {
        let chunks = self.shards.chunks(number);
        // The size is estimated from some chunks, and others may have longer circuits.
        let typical = stored_bytes(self.shards.recipe(), chunks.end - chunks.start);
        typical.saturating_mul(4).saturating_add(16 << 20)
    }

    /// Checks a finished file of shard `number`.
    fn inspect(&self, file: &Path, number: u64) -> Result<Inspected> {
        self.examine(file, number).or_else(|error| match error.damage() {
            Some(reason) => Ok(Err(reason)),
            None => Err(self.shards.said_of(number, error)),
        })
    }

    /// Checks a finished file of shard `number`; a file that cannot be read is an error.
    fn examine(&self, file: &Path, number: u64) -> Result<Inspected> {
        if !file.metadata().map_err(io(file, LOOK_FOR))?.is_file() {
            return Err(Error::NoPlainFile(self.shards.file(number)));
        }
        let is_written = |ending: &&str| beside(file, ending).metadata().is_ok_and(|found| found.len() > 0);
        if ["-journal", "-wal"].iter().any(is_written) {
            return Ok(Err("another program has it open".into()));
        }
        let checksums = VerifyOptions { sample: 0.0, jobs: Some(self.jobs) };
        let never = AtomicBool::new(false);
        // A corpus of another recipe may be valuable, so only a repair replaces it.
        let (found, is_whole) = self.shards.verify_file(number, file, checksums, &never, &|_| {})?;
        if !found.is_clean() || !is_whole {
            return Ok(Err("some of its chunks are damaged or missing, or belong to another shard".into()));
        }
        let (bytes, xxh128) = fingerprint(file)?;
        Ok(Ok(Shard { number, content: found.content, bytes, xxh128 }))
    }
}
