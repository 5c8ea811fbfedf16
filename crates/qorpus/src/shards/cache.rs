//! The cache: copies of shards of buckets on a local disk, within a size, for all processes of this machine that share it.
//!
//! A copy is named by the checksum and the size of what it is a copy of, so it is right or not there. It is fetched as a
//! draft, of which a claim says whether somebody living is at it, checked, and renamed. Room is made before: what was used
//! longest ago is removed, and drafts count with the size they will have. Who has a removed copy open reads on; so that
//! nobody loses one between finding and opening it, both happen under a shared lock, and room is made under an exclusive one.

use super::Shard;
use crate::connection::beside;
use crate::error::{Error, Result, io};
use crate::filesystem;
use crate::lock::Claim;
use crate::options::parse_count;
use crate::waiting;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use std::cmp::Reverse;
use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The variable that says where the cache is.
const PLACE: &str = "QORPUS_CACHE";

/// The variable that says how large it may become.
const SIZE: &str = "QORPUS_CACHE_SIZE";

/// How large it may become if nobody says.
const DEFAULT_SIZE: u64 = 20 << 30;

/// The directory in it where shards are built that go to a bucket.
const STAGE: &str = "stage";

const LOCK: &str = "lock";
const COPY: &str = "db";
const DRAFT: &str = "part";
const CLAIM: &str = "-claim";

/// How often is looked whether others have fetched something.
const LOOK: Duration = Duration::from_millis(20);

/// Where copies are kept, and how many bytes they may take together.
#[derive(Debug)]
pub(super) struct Cache {
    directory: PathBuf,
    most: u64,
}

/// A copy that may have to go.
struct Copy {
    used: SystemTime,
    bytes: u64,
    path: PathBuf,
}

/// A copy that stays where it is as long as this lives.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) path: PathBuf,
    /// Whether it is new, so that others may have gone.
    pub(super) is_new: bool,
    _lock: File,
}

/// Room for a draft, which is removed with this unless it was renamed.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) path: PathBuf,
    process: u32,
    /// Given up last.
    _claim: Claim,
}

impl Drop for Room {
    fn drop(&mut self) {
        // A forked child has the same draft as its parent: it is the parent's to remove.
        if self.process == std::process::id() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Cache {
    /// The one that the environment names, created if need be.
    pub(super) fn open() -> Result<Cache> {
        let most = match std::env::var(SIZE) {
            Ok(text) => parse_count(&text).map_err(|error| Error::Usage(format!("{SIZE}: {error}")))?,
            Err(_) => DEFAULT_SIZE,
        };
        Cache::at(directory()?, most)
    }

    fn at(directory: PathBuf, most: u64) -> Result<Cache> {
        create(&directory)?;
        // Elsewhere an open file does not survive its removal by another machine, and locks are not relied on.
        if let Err(Error::NetworkFileSystem { kind, .. }) = filesystem::check(&directory, &directory) {
            return Err(Error::Usage(format!(
                "{} is on a network file system ({kind}), and copies of shards belong on a local disk; set {PLACE} to a directory on one",
                directory.display()
            )));
        }
        Ok(Cache { directory, most })
    }

    /// Where shards are built for which no other place is named.
    pub(super) fn stage(&self) -> Result<PathBuf> {
        let stage = self.directory.join(STAGE);
        create(&stage)?;
        Ok(stage)
    }

    /// The copy of a shard. If there is none, `fetch` writes it to the path that it is given, or says why that cannot be.
    pub(super) fn copy(&self, shard: &Shard, fetch: impl Fn(&Path) -> Result<()>) -> Result<Kept> {
        let path = self.directory.join(format!("{:032x}-{}.{COPY}", shard.xxh128, shard.bytes));
        let is_there = || path.metadata().is_ok_and(|found| found.is_file() && found.len() == shard.bytes);
        loop {
            let lock = self.lock(File::lock_shared)?;
            if is_there() {
                // By the time of its last use; to open it for that would be to close it again, under SQLite's locks.
                let (now, links) = (TimeSpec::UTIME_NOW, UtimensatFlags::NoFollowSymlink);
                let _ = utimensat(AT_FDCWD, &path, &now, &now, links);
                return Ok(Kept { path, is_new: false, _lock: lock });
            }
            drop(lock);
            let draft = format!("{:032x}-{}.{DRAFT}", shard.xxh128, shard.bytes);
            let Some(room) = self.room_for(&draft, shard.bytes)? else {
                if waiting::pause(LOOK) {
                    return Err(Error::Interrupted(path));
                }
                continue;
            };
            // Somebody may have fetched it before the draft was claimed.
            if !is_there() {
                fetch(&room.path)?;
                let lock = self.lock(File::lock_shared)?;
                std::fs::rename(&room.path, &path).map_err(io(&path, "give it its name"))?;
                drop(room);
                return Ok(Kept { path, is_new: true, _lock: lock });
            }
        }
    }

    /// Room for something that will not be kept.
    pub(super) fn room(&self, bytes: u64) -> Result<Room> {
        loop {
            let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
            if let Some(room) = self.room_for(&format!("{random:016x}-{bytes}.{DRAFT}"), bytes)? {
                return Ok(room);
            }
            if waiting::pause(LOOK) {
                return Err(Error::Interrupted(self.directory.clone()));
            }
        }
    }

    /// Room for the draft with this name and size; `None` if another process is at it, or others need the room at present.
    fn room_for(&self, name: &str, bytes: u64) -> Result<Option<Room>> {
        if bytes > self.most {
            return Err(Error::Usage(format!(
                "a shard has {bytes} bytes, and copies may take {} in {}; set {SIZE} to more",
                self.most,
                self.directory.display()
            )));
        }
        let path = self.directory.join(name);
        let Some(claim) = Claim::take(&beside(&path, CLAIM))? else { return Ok(None) };
        let _lock = self.lock(File::lock)?;
        let (mut copies, drafts) = self.survey(&path)?;
        let mut taken = drafts.saturating_add(bytes);
        if taken > self.most {
            return Ok(None);
        }
        // What was used last is the last to go.
        copies.sort_by_key(|copy| Reverse(copy.used));
        for copy in copies {
            match taken.saturating_add(copy.bytes) {
                more if more <= self.most => taken = more,
                _ => drop(std::fs::remove_file(copy.path)),
            }
        }
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .map_err(io(&path, "create it"))?;
        Ok(Some(Room { path, process: std::process::id(), _claim: claim }))
    }

    /// The copies that are there, when each was used and its size, and the size of all drafts but `own`. Those of processes
    /// that died are removed.
    fn survey(&self, own: &Path) -> Result<(Vec<Copy>, u64)> {
        let failed = io(&self.directory, "read the directory");
        let (mut copies, mut drafts) = (Vec::new(), 0u64);
        for entry in std::fs::read_dir(&self.directory).map_err(&failed)? {
            let path = entry.map_err(&failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(draft) = name.strip_suffix(CLAIM) {
                // A claim without a draft is that of a process that begins, or died.
                if path != beside(own, CLAIM) && !self.directory.join(draft).exists() {
                    drop(Claim::take(&path));
                }
                continue;
            }
            let Some((sized, ending)) = name.rsplit_once('.') else { continue };
            let Some(bytes) = sized.rsplit_once('-').and_then(|(_, bytes)| bytes.parse::<u64>().ok()) else {
                continue;
            };
            match ending {
                COPY => {
                    if let Ok(used) = path.metadata().and_then(|found| found.modified()) {
                        copies.push(Copy { used, bytes, path });
                    }
                }
                DRAFT if path != own => match Claim::take(&beside(&path, CLAIM)) {
                    Ok(Some(_claim)) => drop(std::fs::remove_file(&path)),
                    _ => drafts = drafts.saturating_add(bytes),
                },
                _ => {}
            }
        }
        Ok((copies, drafts))
    }

    /// The lock of the directory.
    fn lock(&self, how: fn(&File) -> std::io::Result<()>) -> Result<File> {
        let path = self.directory.join(LOCK);
        let failed = io(&path, "lock it");
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(&failed)?;
        loop {
            match how(&file) {
                Ok(()) => return Ok(file),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
}

/// Where the cache is: as users have it for all programs, unless they say something else.
fn directory() -> Result<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || given("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let directory = given(PLACE)
        .or_else(|| home().map(|home| home.join("qorpus")))
        .or_else(|| given("HOME").map(|home| home.join(".cache/qorpus")));
    let directory = directory.ok_or_else(|| {
        Error::Usage(format!(
            "there is no home directory to keep copies of shards in; set {PLACE} to a directory"
        ))
    })?;
    std::path::absolute(&directory).map_err(io(&directory, "find the directory"))
}

fn create(directory: &Path) -> Result<()> {
    // Copies are as private as the bucket they come from.
    let created = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    created.map_err(io(directory, "create the directory"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use qorpus_core::ContentHash;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn shard(number: u64, bytes: u64) -> Shard {
        Shard { number, content: ContentHash::default(), bytes, xxh128: u128::from(number) }
    }

    fn copies(cache: &Cache) -> Vec<String> {
        let names = std::fs::read_dir(&cache.directory).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != LOCK);
        names.sort();
        names
    }

    fn cache(most: u64) -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(directory.path().join("cache"), most).unwrap();
        (directory, cache)
    }

    /// As many bytes as the shard has, each its number.
    fn fetched(shard: &Shard) -> impl Fn(&Path) -> Result<()> {
        let bytes = vec![shard.number as u8; shard.bytes as usize];
        move |path| std::fs::write(path, &bytes).map_err(io(path, "write it"))
    }

    #[test]
    fn what_was_used_longest_ago_goes() {
        let (_directory, cache) = cache(300);
        let get = |number| {
            let shard = shard(number, 100);
            let kept = cache.copy(&shard, fetched(&shard)).unwrap();
            assert_eq!(std::fs::read(&kept.path).unwrap(), vec![number as u8; 100]);
            // Times of files are coarse.
            std::thread::sleep(Duration::from_millis(20));
            kept.is_new
        };
        assert!(get(1) && get(2) && get(3) && !get(1));
        assert!(get(4) && !get(1) && !get(3) && get(2));
        assert_eq!(copies(&cache).len(), 3);
        assert!(!get(1) && !get(3) && get(4));
        let large = shard(9, 301);
        let said = cache.copy(&large, fetched(&large)).unwrap_err();
        assert!(said.to_string().contains(SIZE) && copies(&cache).len() == 3);
    }

    #[test]
    fn what_is_open_can_be_read_when_it_is_gone() {
        let (_directory, cache) = cache(100);
        let (one, other) = (shard(1, 100), shard(2, 100));
        let kept = cache.copy(&one, fetched(&one)).unwrap();
        let mut file = File::open(&kept.path).unwrap();
        drop(kept);
        assert!(cache.copy(&other, fetched(&other)).unwrap().is_new);
        assert_eq!(copies(&cache).len(), 1);
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
        assert_eq!(bytes, [1; 100]);
    }

    #[test]
    fn nothing_stays_of_what_fails_or_dies() {
        let (_directory, cache) = cache(200);
        let one = shard(1, 100);
        let fails = |path: &Path| -> Result<()> {
            std::fs::write(path, "half").unwrap();
            Err(Error::Usage("no".into()))
        };
        assert!(cache.copy(&one, fails).is_err());
        assert_eq!(copies(&cache), Vec::<String>::new());
        // What a killed process leaves: a draft, its claim, and the claim of one that it had not begun.
        for name in
            [format!("x-150.{DRAFT}"), format!("x-150.{DRAFT}{CLAIM}"), format!("y-150.{DRAFT}{CLAIM}")]
        {
            std::fs::write(cache.directory.join(name), "half").unwrap();
        }
        cache.copy(&one, fetched(&one)).unwrap();
        assert_eq!(copies(&cache).len(), 1);
    }

    /// More threads than there is room for, which is as processes are: what each finds is whole, and never too much is there.
    #[test]
    fn many_share_it() {
        let (_directory, cache) = cache(300);
        let (fetches, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (cache, fetches, most) = (&cache, &fetches, &most);
                scope.spawn(move || {
                    for round in 0..40 {
                        let shard = shard((round * 7 + thread) % 5, 100);
                        let fetch = |path: &Path| {
                            fetches.fetch_add(1, Ordering::Relaxed);
                            fetched(&shard)(path)
                        };
                        let kept = cache.copy(&shard, fetch).unwrap();
                        assert_eq!(std::fs::read(&kept.path).unwrap(), vec![shard.number as u8; 100]);
                        let there = copies(cache).iter().filter(|name| !name.ends_with(CLAIM)).count();
                        most.fetch_max(there, Ordering::Relaxed);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 3);
        assert!(fetches.into_inner() >= 5);
        assert!(copies(&cache).iter().all(|name| name.ends_with(".db")));
    }
}
