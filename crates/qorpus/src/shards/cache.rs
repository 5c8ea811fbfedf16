//! The cache: copies of shards of buckets on a local disk, within a size, for all processes of this
//! machine that share it.
//!
//! A copy is named by the place it comes from and by the checksum and the size of what it is a copy
//! of, so it is right or not there, and nobody's bucket answers for another one. It is fetched as a
//! draft, of which a claim says whether somebody living is at it, checked, and renamed. Room is
//! made before: what was used longest ago is removed, and drafts count with the size they will
//! have. Who has a removed copy open reads on; so that nobody loses one between finding and opening
//! it, both happen under a shared lock, and copies are removed under an exclusive one.
//!
//! The directory is this user's alone and has a mark. Nothing in it is removed but what has a name
//! that is given here.

use crate::error::{Error, Result, io};
use crate::hex::hex;
use crate::options::numbers::parse_count;
use crate::os::filesystem;
use crate::os::lock_file::LockFile;
use crate::os::waiting::{self, Wait};
use crate::paths::beside;
use crate::shards::private;
use crate::shards::shard::Shard;
use nix::fcntl::AT_FDCWD;
use nix::libc;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use sha2::{Digest, Sha256};
use std::cmp::Reverse;
use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
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

/// The file that marks the directory as a cache, also for programs that make backups:
/// <https://bford.info/cachedir/>.
const MARK: &str = "CACHEDIR.TAG";

const MARKED: &str = "Signature: 8a477f597d28d172789f06886806bc55
# Copies of shards that Qorpus has fetched from buckets. All of it may be deleted while nothing reads.
";

const LOCK: &str = "lock";
const COPY: &str = "db";
const DRAFT: &str = "part";
const CLAIM: &str = "-claim";

/// Bytes of a hash in a name.
const KEY: usize = 16;

/// How often is looked whether others have fetched something.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How often is looked whether the lock is free.
const BRIEFLY: Duration = Duration::from_millis(1);

/// Where copies are kept, and how many bytes they may take together.
#[derive(Debug)]
pub(super) struct Cache {
    directory: PathBuf,
    most: u64,
}

/// Where copies come from, as a cryptographic hash: checksums are no proof against someone who
/// wants two objects to have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin(String);

impl Origin {
    /// That of the corpus under a prefix of a bucket of the store at this address.
    pub(super) fn new(endpoint: &str, bucket: &str, prefix: &str) -> Origin {
        let mut hash = Sha256::new();
        for part in [endpoint, bucket, prefix] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Origin(hex(&hash.finalize()[..KEY]))
    }
}

/// The name of a copy or a draft, in which its size is told.
fn named(origin: &str, sum: u128, bytes: u64, ending: &str) -> String {
    format!("{origin}-{sum:032x}-{bytes}.{ending}")
}

/// The size and the ending in a name that [`named`] gives; `None` for any other name.
fn parts(name: &str) -> Option<(u64, &str)> {
    let (front, ending) = name.rsplit_once('.')?;
    let [origin, sum, bytes]: [&str; 3] = front.split('-').collect::<Vec<_>>().try_into().ok()?;
    let (sum, bytes) = (u128::from_str_radix(sum, 16).ok()?, bytes.parse().ok()?);
    let is_origin = origin.len() == 2 * KEY && origin.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
    let is_ours = is_origin && matches!(ending, COPY | DRAFT) && named(origin, sum, bytes, ending) == name;
    is_ours.then_some((bytes, ending))
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
    _claim: LockFile,
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
    /// This user's, in the place that the environment names, created if need be.
    pub(super) fn open() -> Result<Cache> {
        let most = match std::env::var(SIZE) {
            Ok(text) => parse_count(&text).map_err(|error| Error::Usage(format!("{SIZE}: {error}")))?,
            Err(_) => DEFAULT_SIZE,
        };
        Cache::at(directory()?, most)
    }

    fn at(directory: PathBuf, most: u64) -> Result<Cache> {
        private::make(&directory, PLACE)?;
        // Elsewhere an open file does not survive its removal by another machine, and locks are not
        // relied on.
        if let Err(Error::NetworkFileSystem(_, kind)) = filesystem::check(&directory, &directory) {
            return Err(Error::Usage(format!(
                "{} is on a network file system ({kind}), and copies of shards belong on a local disk; set {PLACE} to a directory on one",
                directory.display()
            )));
        }
        let cache = Cache { directory, most };
        cache.mark()?;
        Ok(cache)
    }

    /// Marks the directory; one that has anything else in it and no mark is not ours.
    fn mark(&self) -> Result<()> {
        let mark = self.directory.join(MARK);
        let is_marked = || mark.symlink_metadata().is_ok_and(|found| found.is_file());
        if is_marked() {
            return Ok(());
        }
        let mut entries =
            std::fs::read_dir(&self.directory).map_err(io(&self.directory, "read the directory"))?;
        // Whoever makes anything in it has marked it before.
        if entries.next().is_some() && !is_marked() {
            return Err(Error::Untrusted(
                self.directory.clone(),
                format!(
                    "has something in it and no {MARK}, so it is not a cache; move it away, or set {PLACE} to another place"
                ),
            ));
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        match options.open(&mark).and_then(|mut file| file.write_all(MARKED.as_bytes())) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            marked => marked.map_err(io(&mark, "create it")),
        }
    }

    /// Where shards are built for which no other place is named.
    pub(super) fn stage(&self) -> Result<PathBuf> {
        let stage = self.directory.join(STAGE);
        private::make(&stage, PLACE)?;
        Ok(stage)
    }

    /// The copy of a shard from there. If there is none, `fetch` writes it to the path that it is
    /// given, or says why that cannot be.
    pub(super) fn copy(
        &self,
        origin: &Origin,
        shard: &Shard,
        fetch: impl Fn(&Path) -> Result<()>,
    ) -> Result<Kept> {
        let name = |ending| named(&origin.0, shard.xxh128, shard.bytes, ending);
        let path = self.directory.join(name(COPY));
        let is_there =
            || path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() == shard.bytes);
        let mut wait = Wait::begin();
        loop {
            let lock = self.lock(File::try_lock_shared)?;
            if is_there() {
                // By the time of its last use; to open it for that would be to close it again,
                // under SQLite's locks.
                let (now, links) = (TimeSpec::UTIME_NOW, UtimensatFlags::NoFollowSymlink);
                let _ = utimensat(AT_FDCWD, &path, &now, &now, links);
                return Ok(Kept { path, is_new: false, _lock: lock });
            }
            drop(lock);
            let Some(room) = self.room_for(&name(DRAFT), shard.bytes)? else {
                self.pause(&mut wait)?;
                continue;
            };
            // Somebody may have fetched it before the draft was claimed.
            if !is_there() {
                fetch(&room.path)?;
                let lock = self.lock(File::try_lock_shared)?;
                std::fs::rename(&room.path, &path).map_err(io(&path, "give it its name"))?;
                drop(room);
                return Ok(Kept { path, is_new: true, _lock: lock });
            }
        }
    }

    /// Removes the copy of a shard from there if `is_wrong` says so of it, which reads it; says
    /// whether there is none any more.
    pub(super) fn remove(
        &self,
        origin: &Origin,
        shard: &Shard,
        is_wrong: impl Fn(&Path) -> bool,
    ) -> Result<bool> {
        let path = self.directory.join(named(&origin.0, shard.xxh128, shard.bytes, COPY));
        let _lock = self.lock(File::try_lock)?;
        if path.symlink_metadata().is_err() {
            return Ok(true);
        }
        Ok(is_wrong(&path) && std::fs::remove_file(&path).is_ok())
    }

    /// Room for something that will not be kept.
    pub(super) fn room(&self, bytes: u64) -> Result<Room> {
        let mut wait = Wait::begin();
        loop {
            let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
            let name = named(&hex(&[0; KEY]), random.into(), bytes, DRAFT);
            if let Some(room) = self.room_for(&name, bytes)? {
                return Ok(room);
            }
            self.pause(&mut wait)?;
        }
    }

    /// Waits a little for others.
    fn pause(&self, wait: &mut Wait) -> Result<()> {
        let _ = waiting::pause(POLL_INTERVAL);
        wait.look(|| {
            format!(
                "{}: waiting for other processes that fetch shards into this cache, the same one or so many that there is no room \
                 (QORPUS_CACHE_SIZE)",
                self.directory.display()
            )
        })
    }

    /// Room for the draft with this name and size; `None` if another process is at it, or others
    /// need the room at present.
    fn room_for(&self, name: &str, bytes: u64) -> Result<Option<Room>> {
        if bytes > self.most {
            return Err(Error::Usage(format!(
                "a shard has {bytes} bytes, and copies may take {} in {}; set {SIZE} to more",
                self.most,
                self.directory.display()
            )));
        }
        let path = self.directory.join(name);
        let Some(claim) = LockFile::take(&beside(&path, CLAIM))? else { return Ok(None) };
        let _lock = self.lock(File::try_lock)?;
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
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        options.open(&path).map_err(io(&path, "create it"))?;
        Ok(Some(Room { path, process: std::process::id(), _claim: claim }))
    }

    /// The copies that are there, when each was used and its size, and the size of all drafts but
    /// `own`. Those of processes that died are removed.
    fn survey(&self, own: &Path) -> Result<(Vec<Copy>, u64)> {
        let failed = io(&self.directory, "read the directory");
        let (mut copies, mut drafts) = (Vec::new(), 0u64);
        for entry in std::fs::read_dir(&self.directory).map_err(&failed)? {
            let path = entry.map_err(&failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(draft) = name.strip_suffix(CLAIM) {
                // A claim without a draft is that of a process that begins, or died.
                let is_claim = parts(draft).is_some_and(|(_, ending)| ending == DRAFT);
                if is_claim && path != beside(own, CLAIM) && !self.directory.join(draft).exists() {
                    drop(LockFile::take(&path));
                }
                continue;
            }
            let Some((bytes, ending)) = parts(&name) else { continue };
            match ending {
                COPY => {
                    if let Ok(used) = path.symlink_metadata().and_then(|found| found.modified()) {
                        copies.push(Copy { used, bytes, path });
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

    /// The lock of the directory.
    fn lock(&self, how: fn(&File) -> std::result::Result<(), TryLockError>) -> Result<File> {
        let path = self.directory.join(LOCK);
        let failed = io(&path, "lock it");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let file = options.open(&path).map_err(&failed)?;
        let mut wait = Wait::begin();
        loop {
            match how(&file) {
                Ok(()) => return Ok(file),
                // Others hold it for as long as a file takes to be opened or removed.
                Err(TryLockError::WouldBlock) => {
                    wait.look(|| format!("{}: waiting for another process to release it", path.display()))?;
                    std::thread::sleep(BRIEFLY);
                }
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }
}

/// Where this user's cache is: in the place that is named, which others may share, or in the home
/// directory.
fn directory() -> Result<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || given("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let place = given(PLACE)
        .or_else(|| home().map(|home| home.join("qorpus")))
        .or_else(|| given("HOME").map(|home| home.join(".cache/qorpus")));
    let place = place.ok_or_else(|| {
        Error::Usage(format!(
            "there is no home directory to keep copies of shards in; set {PLACE} to a directory"
        ))
    })?;
    let directory = private::name(&place, "cache");
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
        names.retain(|name| name != LOCK && name != MARK);
        names.sort();
        names
    }

    fn origin() -> Origin {
        Origin::new("https://store", "b", "p")
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
            let kept = cache.copy(&origin(), &shard, fetched(&shard)).unwrap();
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
        let said = cache.copy(&origin(), &large, fetched(&large)).unwrap_err();
        assert!(said.to_string().contains(SIZE) && copies(&cache).len() == 3);
    }

    #[test]
    fn what_is_open_can_be_read_when_it_is_gone() {
        let (_directory, cache) = cache(100);
        let (one, other) = (shard(1, 100), shard(2, 100));
        let kept = cache.copy(&origin(), &one, fetched(&one)).unwrap();
        let mut file = File::open(&kept.path).unwrap();
        drop(kept);
        assert!(cache.copy(&origin(), &other, fetched(&other)).unwrap().is_new);
        assert_eq!(copies(&cache).len(), 1);
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
        assert_eq!(bytes, [1; 100]);
    }

    #[test]
    fn a_wrong_copy_is_removed_and_a_right_one_stays() {
        let (_directory, cache) = cache(100);
        let one = shard(1, 100);
        assert!(cache.remove(&origin(), &one, |_| false).unwrap(), "there is none");
        let kept = cache.copy(&origin(), &one, fetched(&one)).unwrap();
        let path = kept.path.clone();
        drop(kept);
        assert!(!cache.remove(&origin(), &one, |_| false).unwrap() && path.exists());
        assert!(cache.remove(&origin(), &one, |_| true).unwrap() && !path.exists());
    }

    #[test]
    fn nothing_stays_of_what_fails_or_dies() {
        let (_directory, cache) = cache(200);
        let one = shard(1, 100);
        let fails = |path: &Path| -> Result<()> {
            std::fs::write(path, "half").unwrap();
            Err(Error::Usage("no".into()))
        };
        assert!(cache.copy(&origin(), &one, fails).is_err());
        assert_eq!(copies(&cache), Vec::<String>::new());
        // What a killed process leaves: a draft, its claim, and the claim of one that it had not
        // begun.
        let draft = |sum| named(&origin().0, sum, 150, DRAFT);
        for name in [draft(7), draft(7) + CLAIM, draft(8) + CLAIM] {
            std::fs::write(cache.directory.join(name), "half").unwrap();
        }
        cache.copy(&origin(), &one, fetched(&one)).unwrap();
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
            let origin = Origin::new(endpoint, bucket, prefix);
            let kept = cache.copy(&origin, &one, fetched(&one)).unwrap();
            assert!(kept.is_new && !seen.contains(&kept.path));
            seen.push(kept.path);
            assert!(!cache.copy(&origin, &one, fetched(&one)).unwrap().is_new);
        }
        assert_eq!(copies(&cache).len(), 4);
    }

    #[test]
    fn what_has_another_name_is_nobodys_to_remove() {
        let (_directory, cache) = cache(100);
        let key = &origin().0;
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
            cache.copy(&origin(), &shard, fetched(&shard)).unwrap();
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
        assert!(matches!(&refused, Error::Untrusted(_, reason) if reason.contains(MARK)), "{refused}");
        std::fs::remove_file(directory.join("precious.db")).unwrap();
        let cache = Cache::at(directory.clone(), 100).unwrap();
        std::fs::write(directory.join("precious.db"), "").unwrap();
        Cache::at(directory.clone(), 100).unwrap();
        // A link in the place of a file leads nowhere.
        let elsewhere = place.path().join("elsewhere");
        std::fs::write(&elsewhere, "precious").unwrap();
        let draft = directory.join(named(&origin().0, 1, 100, DRAFT));
        for link in [&draft, &directory.join(LOCK)] {
            let _ = std::fs::remove_file(link);
            std::os::unix::fs::symlink(&elsewhere, link).unwrap();
            let one = shard(1, 100);
            assert!(cache.copy(&origin(), &one, fetched(&one)).is_err());
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
                        let kept = cache.copy(&origin(), &shard, fetch).unwrap();
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
