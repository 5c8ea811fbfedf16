//! Making: a process takes shards one after the other, builds each where nobody reads it, and
//! publishes it.
//!
//! While a shard is built, a claim beside it says so: a lock that ends with the process, however
//! that ends. What a dead process has built is gone on with. On network file systems, where locks
//! cannot be relied on, and for buckets, shards are built in a directory of each machine, and what
//! two machines make both is published once.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::corpus_writer::CorpusWriter;
use crate::error::{Error, LOOK_FOR, Result, io};
use crate::hex::hex;
use crate::options::job::{Durability, GenerateOptions, threads};
use crate::os::filesystem;
use crate::os::lock_file::LockFile;
use crate::os::rights::{self, Rights};
use crate::paths::beside;
use crate::paths::is_bucket;
use crate::paths::is_sharded;
use crate::produce::generate::generate_in;
use crate::produce::progress::{Idle, Outcome, Progress};
use crate::produce::stored_size::stored_bytes;
use crate::shards::cache::Cache;
use crate::shards::naming::Cut;
use crate::shards::naming::chosen_cut;
use crate::shards::place::Place;
use crate::shards::private;
use crate::shards::publish::{discard, fingerprint, save, save_names};
use crate::shards::put_mode::{Before, Version};
use crate::shards::seal::fold;
use crate::shards::shard::Shard;
use crate::shards::sharded::Shards;
use crate::shards::sharded::is_there;
use crate::verify::file::verify_file;
use crate::verify::report::VerifyOptions;
use nix::libc;
use qorpus_core::Recipe;
use std::collections::VecDeque;
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::io::ErrorKind;
use std::ops::Deref;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What the claim of a draft has behind its name.
const CLAIM: &str = "-claim";

/// What the copy of the published shard has behind the name of the draft.
const COPY: &str = "-published";

/// How often a process looks whether others have finished what they are at.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// See [`generate`](crate::produce::generate).
pub(crate) fn generate(
    path: &Path,
    recipe: &Recipe,
    options: &GenerateOptions,
    stop: &AtomicBool,
    report: &mut dyn FnMut(Progress),
) -> Result<(Outcome, Progress)> {
    let jobs = threads(options.jobs)?;
    let stage = stage(path, options.stage.as_deref())?;
    if !is_there(path) && !options.force {
        let cut = chosen_cut(recipe, options.shard)?;
        check_room(path, stage.as_deref(), recipe, &cut, options.part.shards(cut.count()), 0)?;
    }
    let shards = Shards::create(path, recipe, options.shard, options.durability)?;
    let workshop =
        Workshop { shards: &shards, stage: stage.as_deref(), jobs, durability: options.durability };
    let (mut progress, mut todo) = (Progress::default(), VecDeque::new());
    let numbers: Vec<u64> = options.part.shards(shards.cut.count()).collect();
    let there = shards.published_among(&numbers)?;
    for number in numbers {
        let records = shards.cut.records(number);
        progress.expected += records;
        match there.contains(&number) {
            true => {
                progress.records += records;
                workshop.clear(number)?;
            }
            false => todo.push_back(number),
        }
    }
    if options.part.shards(shards.cut.count()).next().is_none() {
        let (part, shares) = (options.part, shards.cut.count());
        progress.idle = Some(Idle { part, shares, sharded: true });
    }
    if !options.force {
        let size = |&number: &u64| workshop.draft(number).metadata().map_or(0, |found| found.len());
        let built = if stage.is_some() { 0 } else { todo.iter().map(size).sum() };
        check_room(path, stage.as_deref(), recipe, &shards.cut, todo.iter().copied(), built)?;
    }
    report(progress);
    // Machines that see no claims of each other should not all begin with the same shard.
    if stage.is_some() && options.part.is_all() && !todo.is_empty() {
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        todo.rotate_left(random as usize % todo.len());
    }
    // How many in a row others are at.
    let mut busy = 0;
    while let Some(number) = todo.pop_front() {
        let done = progress;
        let made = workshop.make(number, None, stop, &mut |of_shard| {
            progress.records = done.records + of_shard.records;
            progress.made = done.made + of_shard.made;
            progress.drafted = of_shard.records;
            progress.bytes = done.bytes + of_shard.bytes;
            progress.waiting = false;
            report(progress);
        })?;
        match made {
            Made::Published => {
                (busy, progress.drafted) = (0, 0);
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
                    std::thread::sleep(POLL_INTERVAL);
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

/// No shard with this number has more bytes, however its chunks are arranged.
fn largest(shards: &Shards, number: u64) -> u64 {
    let chunks = shards.chunks(number);
    // Some chunks are tried, and others may have longer circuits.
    stored_bytes(&shards.recipe, chunks.end - chunks.start).saturating_mul(4).saturating_add(16 << 20)
}

/// Refuses to make the shards with these numbers, of which so many bytes are built there, if they
/// do not fit in their place, or one of them not in the stage.
fn check_room(
    path: &Path,
    stage: Option<&Path>,
    recipe: &Recipe,
    cut: &Cut,
    numbers: impl Iterator<Item = u64>,
    built: u64,
) -> Result<()> {
    let (mut most, mut records) = (0, 0);
    for number in numbers {
        let of_shard = cut.records(number);
        (most, records) = (most.max(of_shard), records + of_shard);
    }
    if records == 0 {
        return Ok(());
    }
    let bytes = |records: u64| stored_bytes(recipe, records.div_ceil(recipe.chunk_records()));
    if let Some(stage) = stage {
        filesystem::check_room(stage, stage, bytes(most))?;
    }
    match is_bucket(path) {
        true => Ok(()),
        false => filesystem::check_room(path, path, bytes(records).saturating_sub(built)),
    }
}

/// The option that names a stage.
const STAGE: &str = "--stage (stage= in Python)";

/// A directory where shards are built, which is this user's alone.
#[derive(Debug)]
pub(super) struct Stage {
    path: PathBuf,
    /// Whether it is in a place that was named, where nothing is left of it.
    named: bool,
}

impl Stage {
    /// One in `place`, where others may have theirs.
    fn within(place: &Path) -> Result<Stage> {
        let path = private::name(place, "stage");
        private::make(&path, STAGE)?;
        Ok(Stage { path, named: true })
    }
}

impl Deref for Stage {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // As long as another process builds there, or has left something to go on with, it is not
        // empty.
        if self.named {
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

/// Where shards of the corpus at `path` are built, if not there: in what is wished, which must be
/// on a disk of this machine.
pub(super) fn stage(path: &Path, wished: Option<&Path>) -> Result<Option<Stage>> {
    let check = |built_in: &Path| {
        let place = std::path::absolute(built_in).map_err(io(built_in, "find the directory"))?;
        match place.ancestors().find(|directory| directory.is_dir()) {
            Some(there) => filesystem::check(there, built_in),
            None => Ok(()),
        }
    };
    match wished {
        Some(stage) if !stage.is_dir() => Err(Error::MissingDirectory(stage.into())),
        Some(stage) => check(stage).and_then(|()| Stage::within(stage).map(Some)),
        None if is_bucket(path) => {
            let path = Cache::open()?.stage()?;
            check(&path)?;
            Ok(Some(Stage { path, named: false }))
        }
        None => check(path).map(|()| None),
    }
}

/// The directory in which [`generate`](crate::produce::generate) with these options builds what is
/// not in its place yet: that of the corpus at `path`, or another one on this machine.
///
/// # Errors
/// There is no such directory, or it is on a network file system.
pub fn built_in(path: &Path, options: &GenerateOptions) -> Result<PathBuf> {
    match is_sharded(path) {
        true => {
            Ok(stage(path, options.stage.as_deref())?
                .map_or_else(|| path.into(), |stage| stage.to_path_buf()))
        }
        false => Ok(path.into()),
    }
}

/// What the receipt of a file will say, or what is wrong with it.
type Inspected = std::result::Result<Shard, String>;

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
            None => self.shards.path().join(format!(".{name}.db")),
        }
    }

    /// Removes what a dead process has left of a published shard in the stage, of which sealing
    /// knows nothing.
    fn clear(&self, number: u64) -> Result<()> {
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

    /// Claims the making of a shard; `None` if another process that lives is at it.
    fn claim(&self, draft: &Path) -> Result<Option<LockFile>> {
        let claim = beside(draft, CLAIM);
        loop {
            match (LockFile::take(&claim), self.stage) {
                // Another process has just ended, and removed the stage that it had left empty.
                (Err(Error::Io { source, .. }), Some(stage)) if source.kind() == ErrorKind::NotFound => {
                    private::make(stage, STAGE)?;
                }
                (taken, _) => return taken,
            }
        }
    }

    /// Refuses to go on with a draft that somebody may have put there to own the shard that it
    /// becomes, and begins it if there is none.
    fn check_draft(&self, draft: &Path) -> Result<()> {
        let directory = draft.parent().unwrap_or(draft);
        let found = match draft.symlink_metadata() {
            Ok(found) if !found.is_file() => return Err(Error::NoPlainFile(draft.into())),
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // So that the group of the directory can go on with it; SQLite takes an empty file
                // for a new one.
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
                "is half a shard that another user, of uid {}, has left, who could still write to it; have it removed, or build \
                 shards elsewhere by {STAGE}",
                found.uid()
            ),
        ))
    }

    /// Makes shard `number` and publishes it with its receipt. `anew` is for a shard that is not
    /// right: if what has its name is still this, it is replaced, and if there was nothing,
    /// something else may have come.
    pub(super) fn make(
        &self,
        number: u64,
        anew: Option<Option<&Version>>,
        stop: &AtomicBool,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Made> {
        let (draft, name, place) = (self.draft(number), self.shards.name(number), &self.shards.place);
        let Some(_claim) = self.claim(&draft)? else { return Ok(Made::Busy) };
        self.refuse_what_cannot_go(number)?;
        let mut before = match anew {
            Some(Some(version)) => Before::This(version),
            // In a directory a link may have the name that leads nowhere.
            Some(None) if matches!(place, Place::Directory(_)) => Before::Anything,
            Some(None) | None => Before::Nothing,
        };
        let version;
        if anew.is_some() {
            discard(&draft);
        } else if self.shards.published(number)?.is_some() {
            discard(&draft);
            return Ok(Made::Published);
        } else if let Some(found) = place.version(&name)? {
            // Whoever published it did not come to give it a receipt.
            match self.inspect_published(number, &draft)? {
                Ok(shard) => {
                    if let Place::Directory(directory) = place {
                        // Its bytes and name may not last yet.
                        save(&directory.join(&name), self.durability)?;
                        save_names(directory, self.durability)?;
                    }
                    self.give_receipt(&shard)?;
                    discard(&draft);
                    return Ok(Made::Published);
                }
                Err(reason) => {
                    tracing::warn!("{}: {reason}, so it is made again", self.shards.file(number).display());
                    version = found;
                    before = Before::This(&version);
                }
            }
        }
        // What a power cut has left, without syncs, may be anything: then it is built once more.
        let mut shard = Err(String::new());
        for _ in 0..2 {
            self.check_draft(&draft)?;
            shard = match self.built(&draft, number, stop, report) {
                Ok(None) => return Ok(Made::Interrupted),
                Ok(Some(found)) => found,
                Err(error) => Err(error.damage().ok_or(error)?),
            };
            if shard.is_ok() {
                break;
            }
            discard(&draft);
        }
        let mut shard = shard.map_err(|reason| self.shards.damaged(number, &reason))?;
        save(&draft, self.durability)?;
        if !place.publish(&draft, &shard, &name, before, self.durability)? {
            // Who was faster may have given it a receipt by now. Its bytes may be arranged
            // otherwise than ours.
            if self.shards.published(number)?.is_some_and(|there| there.content == shard.content) {
                discard(&draft);
                return Ok(Made::Published);
            }
            let there = self.inspect_published(number, &draft)?;
            shard = there.map_err(|reason| self.shards.damaged(number, &reason))?;
        }
        self.give_receipt(&shard)?;
        discard(&draft);
        Ok(Made::Published)
    }

    /// Checks the published shard `number`, of a bucket by a copy beside the draft.
    fn inspect_published(&self, number: u64, draft: &Path) -> Result<Inspected> {
        let bucket = match &self.shards.place {
            Place::Directory(_) => return self.inspect(&self.shards.file(number), number),
            Place::Bucket(bucket) => bucket,
        };
        let copy = beside(draft, COPY);
        let most = largest(self.shards, number);
        let found = match bucket.fetch(&self.shards.name(number), &copy, 0..=most) {
            Ok(Some((bytes, _))) if bytes > most => {
                Ok(Err(format!("it has {bytes} bytes, more than any such shard has")))
            }
            Ok(Some(_)) => self.inspect(&copy, number),
            Ok(None) => Ok(Err("it was removed again".into())),
            Err(error) => Err(error),
        };
        discard(&copy);
        found
    }

    /// Refuses to make a shard whose name has something that no file can replace.
    fn refuse_what_cannot_go(&self, number: u64) -> Result<()> {
        let Place::Directory(_) = self.shards.place else { return Ok(()) };
        let file = self.shards.file(number);
        // A link to whatever is replaced itself.
        match file.symlink_metadata() {
            Ok(found) if !found.is_file() && !found.is_symlink() => Err(Error::NoPlainFile(file)),
            _ => Ok(()),
        }
    }

    /// Makes what a draft lacks of shard `number`, and inspects it; `None` if there was a stop.
    fn built(
        &self,
        draft: &Path,
        number: u64,
        stop: &AtomicBool,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Option<Inspected>> {
        let store = CorpusWriter::open(draft, &self.shards.recipe, self.durability)?;
        let chunks = self.shards.chunks(number);
        match generate_in(store, &self.shards.recipe, self.jobs, chunks, stop, report)? {
            (Outcome::Interrupted, _) => Ok(None),
            (Outcome::Complete, _) => self.inspect(draft, number).map(Some),
        }
    }

    /// Checks a finished file of shard `number`.
    fn inspect(&self, file: &Path, number: u64) -> Result<Inspected> {
        match self.examine(file, number) {
            Ok(found) => Ok(found),
            Err(error) => match error.damage() {
                Some(reason) => Ok(Err(reason)),
                None => Err(self.shards.said_of(number, error)),
            },
        }
    }

    /// The same, where a file that cannot be read is an error.
    fn examine(&self, file: &Path, number: u64) -> Result<Inspected> {
        if !file.metadata().map_err(io(file, LOOK_FOR))?.is_file() {
            return Err(Error::NoPlainFile(self.shards.file(number)));
        }
        let unfinished = ["-journal", "-wal"]
            .iter()
            .any(|ending| std::fs::metadata(beside(file, ending)).is_ok_and(|found| found.len() > 0));
        if unfinished {
            return Ok(Err("another program has it open".into()));
        }
        let ids = self.shards.cut.ids(number);
        let corpus = CorpusFile::open(file)?;
        if corpus.recipe().hash() != self.shards.recipe.hash() {
            // It may be somebody's, so only a repair replaces it.
            return Err(self.shards.holds_another(number, corpus.recipe()));
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
        let Shards { place, recipe, cut } = self.shards;
        let (receipt, text) = (self.shards.receipt(shard.number), shard.text(recipe, cut));
        if !place.put(&text, &receipt, Before::Nothing, self.durability)?
            && Shard::read(place, &receipt, shard.number, recipe, cut)? != Some(*shard)
        {
            // That of a file which is not there any more.
            place.put(&text, &receipt, Before::Anything, self.durability)?;
        }
        Ok(())
    }
}
