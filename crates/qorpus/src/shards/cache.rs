//! The cache: copies of shards of buckets on a local disk, of limited size, shared by all of a
//! user's processes on this machine.
//!
//! A copy is named by its source and by the checksum and the size of the shard, so an existing copy
//! is right, and one bucket's copy is never used for another. It is fetched as a draft, which a
//! living process claims, checked, and renamed. Space is freed before: the least recently used
//! copies are removed, and drafts count with their final size. A process that has a removed copy
//! open can still read it. Finding and opening a copy happen under a shared lock, and removing
//! copies under an exclusive one, so that no copy disappears in between.
//!
//! The directory is this user's alone and has a mark. Only files with names of this form are
//! removed from it.

use crate::error::{Error, Result, io};
use crate::hex::hex;
use crate::options::numbers::parse_count;
use crate::os::atomic_file::random;
use crate::os::filesystem;
use crate::os::lock_file::LockFile;
use crate::os::waiting::{self, Wait};
use crate::paths::beside;
use crate::shards::private_directory;
use crate::shards::shard::Shard;
use nix::fcntl::AT_FDCWD;
use nix::libc;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use std::cmp::Reverse;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The environment variable with the directory of the cache.
const DIRECTORY_VARIABLE: &str = "QORPUS_CACHE";

/// The environment variable with the size limit of the cache.
const SIZE_VARIABLE: &str = "QORPUS_CACHE_SIZE";

/// The size limit of the cache if the variable is not set.
const DEFAULT_BYTES: u64 = 20 << 30;

/// The subdirectory where shards for buckets are built.
const STAGE: &str = "stage";

/// The file that marks the directory as a cache, also for backup programs:
/// <https://bford.info/cachedir/>.
const TAG: &str = "CACHEDIR.TAG";

const TAG_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55
# Copies of shards that Qorpus has fetched from buckets. All of it may be deleted while nothing reads.
";

const LOCK: &str = "lock";
const COPY: &str = "db";
const DRAFT: &str = "part";
const CLAIM: &str = "-claim";

/// Bytes of the hash of a source in a name.
const SOURCE_BYTES: usize = 16;

/// The interval of checks for copies that other processes fetch.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The interval of attempts to take the lock.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(1);

/// A directory of copies, and the limit of their total size.
#[derive(Debug)]
pub(super) struct Cache {
    directory: PathBuf,
    max_bytes: u64,
}

/// The source of copies, as a cryptographic hash: an attacker can create two objects with the same
/// checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CopySource(String);

impl CopySource {
    /// Returns the source of the corpus under a prefix of a bucket of the store at this address.
    #[cfg_attr(not(feature = "buckets"), allow(dead_code, reason = "only buckets have sources"))]
    pub(super) fn new(endpoint: &str, bucket: &str, prefix: &str) -> CopySource {
        let mut hash = hmac_sha256::Hash::new();
        for part in [endpoint, bucket, prefix] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        CopySource(hex(&hash.finalize()[..SOURCE_BYTES]))
    }
}

/// Returns the name of a copy or a draft.
fn file_name(source: &str, sum: u128, bytes: u64, ending: &str) -> String {
    format!("{source}-{sum:032x}-{bytes}.{ending}")
}

/// Returns the size and the ending in a [`file_name`]; `None` for any other name.
fn parse_name(name: &str) -> Option<(u64, &str)> {
    let (front, ending) = name.rsplit_once('.')?;
    let [source, sum, bytes]: [&str; 3] = front.split('-').collect::<Vec<_>>().try_into().ok()?;
    let (sum, bytes) = (u128::from_str_radix(sum, 16).ok()?, bytes.parse().ok()?);
    let is_source =
        source.len() == 2 * SOURCE_BYTES && source.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
    let is_ours =
        is_source && matches!(ending, COPY | DRAFT) && file_name(source, sum, bytes, ending) == name;
    is_ours.then_some((bytes, ending))
}

/// A copy that may have to be removed.
struct OldCopy {
    used: SystemTime,
    bytes: u64,
    path: PathBuf,
}

/// A copy that is not removed while this lives.
#[derive(Debug)]
pub(super) struct CachedShard {
    pub(super) path: PathBuf,
    /// Whether it was just fetched, so that others may have been removed.
    pub(super) is_new: bool,
    _lock: File,
}

/// A file with reserved space in the cache, which is removed on drop unless it was renamed.
#[derive(Debug)]
pub(super) struct CacheDraft {
    pub(super) path: PathBuf,
    process: u32,
    /// Released last.
    _claim: LockFile,
}

impl Drop for CacheDraft {
    fn drop(&mut self) {
        // A forked child shares its parent's draft, which only the parent may remove.
        if self.process == std::process::id() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Returns the options for a file of this user alone, without following links.
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options
}

impl Cache {
    /// Opens this user's cache, which the environment may configure, creating it if it does not
    /// exist.
    pub(super) fn open() -> Result<Cache> {
        let max_bytes = match std::env::var(SIZE_VARIABLE) {
            Ok(text) => {
                parse_count(&text).map_err(|error| Error::Usage(format!("{SIZE_VARIABLE}: {error}")))?
            }
            Err(_) => DEFAULT_BYTES,
        };
        Cache::at(directory()?, max_bytes)
    }

    fn at(directory: PathBuf, max_bytes: u64) -> Result<Cache> {
        private_directory::create(&directory, DIRECTORY_VARIABLE)?;
        // On a network file system, an open file does not survive its removal by another machine,
        // and locks are unreliable.
        if let Err(Error::NetworkFileSystem(_, kind)) = filesystem::check(&directory, &directory) {
            return Err(Error::Usage(format!(
                "{} is on a network file system ({kind}), but the cache must be on a local disk; set {DIRECTORY_VARIABLE} to \
                 a directory on one",
                directory.display()
            )));
        }
        let cache = Cache { directory, max_bytes };
        cache.tag()?;
        Ok(cache)
    }

    /// Marks the directory as a cache; one with other files and without the mark is refused.
    fn tag(&self) -> Result<()> {
        let tag = self.directory.join(TAG);
        let is_tagged = || tag.symlink_metadata().is_ok_and(|found| found.is_file());
        if is_tagged() {
            return Ok(());
        }
        let mut entries =
            std::fs::read_dir(&self.directory).map_err(io(&self.directory, "read the directory"))?;
        // Every process marks the directory before it creates other files.
        if entries.next().is_some() && !is_tagged() {
            return Err(Error::Untrusted(
                self.directory.clone(),
                format!(
                    "is not empty and has no {TAG}, so it is not a cache; move it away, or set {DIRECTORY_VARIABLE} to \
                     another place"
                ),
            ));
        }
        let created = private_file().create_new(true).open(&tag);
        match created.and_then(|mut file| file.write_all(TAG_TEXT.as_bytes())) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            tagged => tagged.map_err(io(&tag, "create it")),
        }
    }

    /// Returns the directory where shards are built by default.
    pub(super) fn stage(&self) -> Result<PathBuf> {
        let stage = self.directory.join(STAGE);
        private_directory::create(&stage, DIRECTORY_VARIABLE)?;
        Ok(stage)
    }

    /// Returns the copy of a shard. If there is none, `fetch` writes it to a path, or fails.
    pub(super) fn get(
        &self,
        source: &CopySource,
        shard: &Shard,
        fetch: impl Fn(&Path) -> Result<()>,
    ) -> Result<CachedShard> {
        let name = |ending| file_name(&source.0, shard.xxh128, shard.bytes, ending);
        let path = self.directory.join(name(COPY));
        let is_there =
            || path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() == shard.bytes);
        let mut wait = Wait::begin();
        loop {
            let lock = self.lock(File::try_lock_shared)?;
            if is_there() {
                // The time of its last use is set by name: opening the file would mean closing it,
                // which drops SQLite's locks.
                let (now, links) = (TimeSpec::UTIME_NOW, UtimensatFlags::NoFollowSymlink);
                let _ = utimensat(AT_FDCWD, &path, &now, &now, links);
                return Ok(CachedShard { path, is_new: false, _lock: lock });
            }
            drop(lock);
            let Some(draft) = self.try_reserve(&name(DRAFT), shard.bytes)? else {
                self.pause(&mut wait)?;
                continue;
            };
            // Another process may have fetched it before the draft was claimed.
            if !is_there() {
                fetch(&draft.path)?;
                let lock = self.lock(File::try_lock_shared)?;
                std::fs::rename(&draft.path, &path).map_err(io(&path, "give it its name"))?;
                drop(draft);
                return Ok(CachedShard { path, is_new: true, _lock: lock });
            }
        }
    }

    /// Removes the copy of a shard if `is_wrong`, which reads it, returns true; returns whether it
    /// no longer exists.
    pub(super) fn remove_if(
        &self,
        source: &CopySource,
        shard: &Shard,
        is_wrong: impl Fn(&Path) -> bool,
    ) -> Result<bool> {
        let path = self.directory.join(file_name(&source.0, shard.xxh128, shard.bytes, COPY));
        let _lock = self.lock(File::try_lock)?;
        if path.symlink_metadata().is_err() {
            return Ok(true);
        }
        Ok(is_wrong(&path) && std::fs::remove_file(&path).is_ok())
    }

    /// Reserves space for a file that will not be kept.
    pub(super) fn reserve(&self, bytes: u64) -> Result<CacheDraft> {
        let mut wait = Wait::begin();
        loop {
            let name = file_name(&hex(&[0; SOURCE_BYTES]), random().into(), bytes, DRAFT);
            if let Some(draft) = self.try_reserve(&name, bytes)? {
                return Ok(draft);
            }
            self.pause(&mut wait)?;
        }
    }

    /// Waits briefly for other processes.
    fn pause(&self, wait: &mut Wait) -> Result<()> {
        let _ = waiting::pause(POLL_INTERVAL);
        wait.look(|| {
            format!(
                "{}: waiting for other processes, which are fetching the same shard or need all the space of this cache \
                 (QORPUS_CACHE_SIZE)",
                self.directory.display()
            )
        })
    }

    /// Reserves space for the draft with this name and size; `None` if another process has it, or
    /// other drafts need the space.
    fn try_reserve(&self, name: &str, bytes: u64) -> Result<Option<CacheDraft>> {
        if bytes > self.max_bytes {
            return Err(Error::Usage(format!(
                "a shard has {bytes} bytes, but the cache {} is limited to {}; set {SIZE_VARIABLE} to more",
                self.directory.display(),
                self.max_bytes
            )));
        }
        let path = self.directory.join(name);
        let Some(claim) = LockFile::take(&beside(&path, CLAIM))? else { return Ok(None) };
        let _lock = self.lock(File::try_lock)?;
        let (mut copies, drafts) = self.survey(&path)?;
        let mut taken = drafts.saturating_add(bytes);
        if taken > self.max_bytes {
            return Ok(None);
        }
        // The most recently used is removed last.
        copies.sort_by_key(|copy| Reverse(copy.used));
        for copy in copies {
            match taken.saturating_add(copy.bytes) {
                more if more <= self.max_bytes => taken = more,
                _ => drop(std::fs::remove_file(copy.path)),
            }
        }
        private_file().create(true).truncate(true).open(&path).map_err(io(&path, "create it"))?;
        Ok(Some(CacheDraft { path, process: std::process::id(), _claim: claim }))
    }

    /// Returns the copies, and the size of all drafts but `own`. Removes the drafts of dead
    /// processes.
    fn survey(&self, own: &Path) -> Result<(Vec<OldCopy>, u64)> {
        let failed = io(&self.directory, "read the directory");
        let (mut copies, mut drafts) = (Vec::new(), 0u64);
        for entry in std::fs::read_dir(&self.directory).map_err(&failed)? {
            let path = entry.map_err(&failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(draft) = name.strip_suffix(CLAIM) {
                // A claim without a draft belongs to a process that is starting, or died.
                let is_claim = parse_name(draft).is_some_and(|(_, ending)| ending == DRAFT);
                if is_claim && path != beside(own, CLAIM) && !self.directory.join(draft).exists() {
                    drop(LockFile::take(&path));
                }
                continue;
            }
            let Some((bytes, ending)) = parse_name(&name) else { continue };
            match ending {
                COPY => {
                    if let Ok(used) = path.symlink_metadata().and_then(|found| found.modified()) {
                        copies.push(OldCopy { used, bytes, path });
                    }
                }
                DRAFT if path != own => match LockFile::take(&beside(&path, CLAIM)) {
                    Ok(Some(_claim)) => drop(std::fs::remove_file(&path)),
                    _ => drafts = drafts.saturating_add(bytes),
                },
                _ => {}
            }
        }
        Ok((copies, drafts))
    }

    /// Takes the lock of the directory.
    fn lock(&self, try_lock: fn(&File) -> std::result::Result<(), TryLockError>) -> Result<File> {
        let path = self.directory.join(LOCK);
        let failed = io(&path, "lock it");
        let file = private_file().create(true).truncate(false).open(&path).map_err(&failed)?;
        let mut wait = Wait::begin();
        loop {
            match try_lock(&file) {
                Ok(()) => return Ok(file),
                // Others hold it only while they open or remove a file.
                Err(TryLockError::WouldBlock) => {
                    wait.look(|| format!("{}: waiting for another process to release it", path.display()))?;
                    std::thread::sleep(LOCK_POLL_INTERVAL);
                }
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }
}

/// Returns the directory of this user's cache: in the one that the environment names, which others
/// may share, or in the home directory.
fn directory() -> Result<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || given("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let parent = given(DIRECTORY_VARIABLE)
        .or_else(|| home().map(|home| home.join("qorpus")))
        .or_else(|| given("HOME").map(|home| home.join(".cache/qorpus")));
    let parent = parent.ok_or_else(|| {
        Error::Usage(format!(
            "there is no home directory for the cache of shards; set {DIRECTORY_VARIABLE} to a directory"
        ))
    })?;
    let directory = private_directory::path_in(&parent, "cache");
    std::path::absolute(&directory).map_err(io(&directory, "find the directory"))
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
        names.retain(|name| name != LOCK && name != TAG);
        names.sort();
        names
    }

    fn source() -> CopySource {
        CopySource::new("https://store", "b", "p")
    }

    fn cache(max_bytes: u64) -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(directory.path().join("cache"), max_bytes).unwrap();
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
            let kept = cache.get(&source(), &shard, fetched(&shard)).unwrap();
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
        let said = cache.get(&source(), &large, fetched(&large)).unwrap_err();
        assert!(said.to_string().contains(SIZE_VARIABLE) && copies(&cache).len() == 3);
    }

    #[test]
    fn what_is_open_can_be_read_when_it_is_gone() {
        let (_directory, cache) = cache(100);
        let (one, other) = (shard(1, 100), shard(2, 100));
        let kept = cache.get(&source(), &one, fetched(&one)).unwrap();
        let mut file = File::open(&kept.path).unwrap();
        drop(kept);
        assert!(cache.get(&source(), &other, fetched(&other)).unwrap().is_new);
        assert_eq!(copies(&cache).len(), 1);
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
        assert_eq!(bytes, [1; 100]);
    }

    #[test]
    fn a_wrong_copy_is_removed_and_a_right_one_stays() {
        let (_directory, cache) = cache(100);
        let one = shard(1, 100);
        assert!(cache.remove_if(&source(), &one, |_| false).unwrap(), "there is none");
        let kept = cache.get(&source(), &one, fetched(&one)).unwrap();
        let path = kept.path.clone();
        drop(kept);
        assert!(!cache.remove_if(&source(), &one, |_| false).unwrap() && path.exists());
        assert!(cache.remove_if(&source(), &one, |_| true).unwrap() && !path.exists());
    }

    #[test]
    fn nothing_stays_of_what_fails_or_dies() {
        let (_directory, cache) = cache(200);
        let one = shard(1, 100);
        let fails = |path: &Path| -> Result<()> {
            std::fs::write(path, "half").unwrap();
            Err(Error::Usage("no".into()))
        };
        assert!(cache.get(&source(), &one, fails).is_err());
        assert_eq!(copies(&cache), Vec::<String>::new());
        // What a killed process leaves: a draft, its claim, and the claim of one that it had not
        // begun.
        let draft = |sum| file_name(&source().0, sum, 150, DRAFT);
        for name in [draft(7), draft(7) + CLAIM, draft(8) + CLAIM] {
            std::fs::write(cache.directory.join(name), "half").unwrap();
        }
        cache.get(&source(), &one, fetched(&one)).unwrap();
        assert_eq!(copies(&cache).len(), 1);
    }

    #[test]
    fn a_bucket_does_not_answer_for_another() {
        let (_directory, cache) = cache(1000);
        let one = shard(1, 100);
        // Whoever has an object of the same checksum has it under its own name.
        let mut seen = Vec::new();
        for (endpoint, bucket, prefix) in [
            ("", "b", "p"),
            ("https://store", "b", "p"),
            ("https://store", "b", "p/q"),
            ("https://store", "bp", ""),
        ] {
            let source = CopySource::new(endpoint, bucket, prefix);
            let kept = cache.get(&source, &one, fetched(&one)).unwrap();
            assert!(kept.is_new && !seen.contains(&kept.path));
            seen.push(kept.path);
            assert!(!cache.get(&source, &one, fetched(&one)).unwrap().is_new);
        }
        assert_eq!(copies(&cache).len(), 4);
    }

    #[test]
    fn what_has_another_name_is_nobodys_to_remove() {
        let (_directory, cache) = cache(100);
        let key = &source().0;
        let others = [
            "run-20261129.db".into(),
            "000000000000-000000002000.db".into(),
            "x-150.part".into(),
            "x-150.part-claim".into(),
            "mine-claim".into(),
            format!("{key}-{:032X}-150.db", 0xabc),
            format!("{key}-{:032x}-0150.part", 7),
            format!("{key}-{:032x}-+150.part", 7),
            format!("{key}-{:031x}-150.db", 7),
            format!("{}-{:032x}-150.db", key.to_uppercase(), 7),
            format!("{key}-{:032x}-150.db-journal", 7),
            format!("{key}-{:032x}-150.db-claim", 7),
            format!("{key}-{:032x}-150.txt", 7),
        ];
        for name in &others {
            std::fs::write(cache.directory.join(name), "precious").unwrap();
        }
        for number in 0..3 {
            let shard = shard(number, 100);
            cache.get(&source(), &shard, fetched(&shard)).unwrap();
        }
        let left = copies(&cache);
        assert_eq!(left.len(), others.len() + 1, "{left:?}");
        assert!(others.iter().all(|name| left.contains(name)));
    }

    #[test]
    fn only_a_directory_of_its_own_becomes_a_cache() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("cache");
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("precious.db"), "").unwrap();
        let refused = Cache::at(directory.clone(), 100).unwrap_err();
        assert!(matches!(&refused, Error::Untrusted(_, reason) if reason.contains(TAG)), "{refused}");
        std::fs::remove_file(directory.join("precious.db")).unwrap();
        let cache = Cache::at(directory.clone(), 100).unwrap();
        std::fs::write(directory.join("precious.db"), "").unwrap();
        Cache::at(directory.clone(), 100).unwrap();
        // A link in the place of a file leads nowhere.
        let elsewhere = place.path().join("elsewhere");
        std::fs::write(&elsewhere, "precious").unwrap();
        let draft = directory.join(file_name(&source().0, 1, 100, DRAFT));
        for link in [&draft, &directory.join(LOCK)] {
            let _ = std::fs::remove_file(link);
            std::os::unix::fs::symlink(&elsewhere, link).unwrap();
            let one = shard(1, 100);
            assert!(cache.get(&source(), &one, fetched(&one)).is_err());
            std::fs::remove_file(link).unwrap();
        }
        assert_eq!(std::fs::read(&elsewhere).unwrap(), b"precious");
    }

    /// More threads than there is room for, which is as processes are: what each finds is whole,
    /// and never too much is there.
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
                        let kept = cache.get(&source(), &shard, fetch).unwrap();
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
