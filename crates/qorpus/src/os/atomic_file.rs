//! Atomic files: written under a temporary name, and named when they are complete.
//!
//! A file is written under a name that no reader opens, synced, and then linked to its own name, which
//! fails if that exists. A reader of the name finds the complete file, and if two processes publish
//! the same name, one loses without harm.
//!
//! `tempfile` removes the temporary names. It does not give the final ones: its `persist_noclobber`
//! renames before it tries a link, so that a lost answer of NFS cannot be distinguished from a lost
//! race, and calls the kernel without the C library, where the fault campaigns can neither count
//! nor fail the call.

use crate::error::{Error, Result, io};
use crate::options::job::Durability;
use crate::os::rights::Rights;
use crate::paths::beside;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::libc;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tempfile::TempPath;

/// Errors of file systems that give a file no second name, or do not rename without replacing.
const UNSUPPORTED: [i32; 5] = [libc::EPERM, libc::EOPNOTSUPP, libc::ENOSYS, libc::EMLINK, libc::EINVAL];

/// A file under a temporary name beside its target. If it is dropped unpublished, it is removed.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    target: PathBuf,
    /// Declared before the file, so that the name is removed before the file is closed.
    pub(crate) path: TempPath,
    file: BufWriter<File>,
}

impl AtomicFile {
    /// Creates a file beside `target` with a random name, for everyone who shares the directory.
    pub(crate) fn create(target: &Path) -> Result<AtomicFile> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        loop {
            let path = target.with_file_name(format!(".{name}.{:016x}", random()));
            match AtomicFile::create_as(path, target) {
                Err(Error::Exists(_)) => {}
                created => {
                    let rights = target.parent().and_then(Rights::within);
                    return created.inspect(|created| {
                        rights.inspect(|rights| rights.give(created.file.get_ref()));
                    });
                }
            }
        }
    }

    /// Creates `TARGET.partial`, which only one process can write at a time.
    ///
    /// # Errors
    /// [`Error::Exists`] if `target` or the partial file exists, perhaps left by a killed process.
    pub(crate) fn create_partial(target: &Path) -> Result<AtomicFile> {
        refuse_existing(target)?;
        AtomicFile::create_as(beside(target, ".partial"), target)
    }

    fn create_as(path: PathBuf, target: &Path) -> Result<AtomicFile> {
        let created = File::options().write(true).create_new(true).open(&path);
        match created.and_then(|file| Ok((file, TempPath::try_from_path(&path)?))) {
            Ok((file, path)) => Ok(AtomicFile { target: target.into(), path, file: BufWriter::new(file) }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Error::Exists(path)),
            Err(error) => Err(io(target, "create it")(error)),
        }
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`Error::DiskFull`] or [`Error::Io`].
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(io(&self.target, "write it"))
    }

    /// Makes the contents durable.
    pub(crate) fn sync(&mut self, durability: Durability) -> Result<()> {
        self.file.flush().map_err(io(&self.target, "write it"))?;
        sync(self.file.get_ref(), &self.target, durability)
    }
}

/// For encoders that write by themselves; their errors must be mapped back to [`io`].
impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Returns a random number for a name that is free.
pub(crate) fn random() -> u64 {
    // The standard library keys its hashers from the operating system.
    RandomState::new().build_hasher().finish()
}

/// Returns whether `name` is a temporary name of `target`. Other files that begin like it must not
/// be removed.
pub(crate) fn is_temporary_name(name: &str, target: &str) -> bool {
    let random = name.strip_prefix('.').and_then(|name| name.strip_prefix(target)?.strip_prefix('.'));
    random.is_some_and(|random| {
        random.len() == 16 && random.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
    })
}

/// Refuses a target that would have to be replaced, including a dangling link.
///
/// # Errors
/// [`Error::Exists`].
pub(crate) fn refuse_existing(target: &Path) -> Result<()> {
    if target.symlink_metadata().is_ok() { Err(Error::Exists(target.into())) } else { Ok(()) }
}

/// Makes the files durable, then gives them their names in this order: all of them, or none.
///
/// # Errors
/// The disk is full or fails, or a target was created meanwhile; then the files are removed.
pub(crate) fn publish_all(mut files: Vec<AtomicFile>) -> Result<()> {
    files.iter_mut().try_for_each(|file| file.sync(Durability::Full))?;
    for AtomicFile { target, path, .. } in &mut files {
        match link(path, target) {
            Ok(true) => {}
            Ok(false) => return Err(Error::Exists(target.clone())),
            // On this file system, looking first is the best possible check.
            Err(Error::Io { source, .. }) if UNSUPPORTED.contains(&source.raw_os_error().unwrap_or(0)) => {
                refuse_existing(target)?;
                std::fs::rename(&*path, &*target).map_err(io(target, "give it its name"))?;
            }
            Err(error) => return Err(error),
        }
        // Removes the temporary name. From now on a failure removes the target.
        *path = TempPath::try_from_path(&*target).map_err(io(target, "give it its name"))?;
    }
    for AtomicFile { target, path, .. } in files {
        let _ = path.keep();
        // Not every file system can; a power cut then loses the name, not the contents.
        let _ = sync_directory_of(&target, Durability::Full);
    }
    Ok(())
}

/// Writes `bytes` to the file `target`, replacing another one only if `replace`; returns whether it
/// did.
pub(crate) fn put(bytes: &[u8], target: &Path, replace: bool, durability: Durability) -> Result<bool> {
    loop {
        let mut file = AtomicFile::create(target)?;
        file.append(bytes)?;
        file.sync(durability)?;
        match name(&file.path, target, replace) {
            // Another process removed it as the leftover of a dead process.
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound && target.exists() => {}
            named => {
                let named = named?;
                sync_directory_of(target, durability)?;
                return Ok(named);
            }
        }
    }
}

/// Gives `from` the name `target`, which another file may have only if `replace`; returns whether
/// it did.
pub(crate) fn name(from: &Path, target: &Path, replace: bool) -> Result<bool> {
    if replace {
        return std::fs::rename(from, target).map(|()| true).map_err(io(target, "replace it"));
    }
    link(from, target)
}

/// Gives `from` a second name; returns whether it was free.
fn link(from: &Path, target: &Path) -> Result<bool> {
    let Err(refused) = std::fs::hard_link(from, target) else { return Ok(true) };
    match refused.raw_os_error() {
        Some(libc::EEXIST) => Ok(is_same(from, target)),
        // Another process removed `from` as the leftover of a dead process: this one had lost
        // already.
        Some(libc::ENOENT) if target.exists() => Ok(false),
        // A file system without links; most of them can rename without replacing.
        Some(error) if UNSUPPORTED.contains(&error) => {
            match renameat2(AT_FDCWD, from, AT_FDCWD, target, RenameFlags::RENAME_NOREPLACE) {
                Ok(()) => Ok(true),
                Err(nix::errno::Errno::EEXIST) => Ok(false),
                Err(_) => Err(io(target, "give it its name")(refused)),
            }
        }
        _ => Err(io(target, "give it its name")(refused)),
    }
}

/// Returns whether both names are of one file: NFS may create a link, lose its answer, and then
/// report that it existed.
fn is_same(one: &Path, other: &Path) -> bool {
    let number = |path: &Path| path.metadata().map(|found| (found.dev(), found.ino())).ok();
    number(one).is_some_and(|one| Some(one) == number(other))
}

/// Makes a file's contents durable.
pub(crate) fn sync_file(path: &Path, durability: Durability) -> Result<()> {
    let file = File::open(path).map_err(io(path, "open it"))?;
    sync(&file, path, durability)
}

/// Makes the names in the directory of `target` durable.
pub(crate) fn sync_directory_of(target: &Path, durability: Durability) -> Result<()> {
    sync_directory(target.parent().unwrap_or(target), durability)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(directory: &Path, durability: Durability) -> Result<()> {
    let file = File::open(directory).map_err(io(directory, "open the directory"))?;
    match sync(&file, directory, durability) {
        // Some network file systems do not sync directories, and save names at once.
        Err(Error::Io { source, .. })
            if matches!(source.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP | libc::EBADF)) =>
        {
            Ok(())
        }
        result => result,
    }
}

fn sync(file: &File, path: &Path, durability: Durability) -> Result<()> {
    if durability == Durability::Off {
        return Ok(());
    }
    file.sync_all().map_err(io(path, "sync it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Durability = Durability::Off;

    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_first_one_wins_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("x");
        let wins: Vec<bool> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..16u8)
                .map(|number| {
                    scope.spawn({
                        let target = &target;
                        move || put(&vec![number; 100_000], target, false, Durability::Full).unwrap()
                    })
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        assert_eq!(wins.iter().filter(|won| **won).count(), 1);
        let winner = wins.iter().position(|won| *won).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), vec![winner as u8; 100_000]);
        assert_eq!(names(directory.path()), ["x"]);
        assert!(put(b"other", &target, true, NOW).unwrap());
        assert_eq!(
            (std::fs::read(&target).unwrap(), names(directory.path())),
            (b"other".into(), vec!["x".into()])
        );
    }

    #[test]
    fn a_temporary_name_is_known_by_all_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = AtomicFile::create(&directory.path().join("x.json")).unwrap();
        assert!(is_temporary_name(&names(directory.path())[0], "x.json"));
        drop(file);
        for name in [
            ".x.json.swp",
            ".x.json.",
            "x.json.0123456789abcdef",
            ".x.json.0123456789ABCDEF",
            ".y.json.0123456789abcdef",
        ] {
            assert!(!is_temporary_name(name, "x.json"), "{name}");
        }
    }

    #[test]
    fn files_that_others_remove_have_lost() {
        let directory = tempfile::tempdir().unwrap();
        let (draft, target) = (directory.path().join(".x.0"), directory.path().join("x"));
        assert!(link(&draft, &target).is_err());
        std::fs::write(&target, "there").unwrap();
        assert!(!link(&draft, &target).unwrap());
        std::thread::scope(|scope| {
            let sweeper = scope.spawn(|| {
                while names(directory.path()).iter().all(|name| name != "end") {
                    for name in names(directory.path()).iter().filter(|name| name.starts_with('.')) {
                        let _ = std::fs::remove_file(directory.path().join(name));
                    }
                }
            });
            for number in 0..200 {
                put(format!("{number}").as_bytes(), &target, true, NOW).unwrap();
                assert_eq!(std::fs::read(&target).unwrap(), format!("{number}").as_bytes());
            }
            std::fs::write(directory.path().join("end"), "").unwrap();
            sweeper.join().unwrap();
        });
        assert_eq!(names(directory.path()), ["end", "x"]);
    }

    #[test]
    fn a_name_comes_last() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("a.txt");
        let mut file = AtomicFile::create_partial(&target).unwrap();
        file.append(b"hello").unwrap();
        assert_eq!(names(directory.path()), ["a.txt.partial"]);
        assert!(
            matches!(AtomicFile::create_partial(&target), Err(Error::Exists(path)) if path.ends_with("a.txt.partial"))
        );
        publish_all(vec![file]).unwrap();
        assert_eq!(names(directory.path()), ["a.txt"]);
        assert_eq!(std::fs::read(&target).unwrap(), b"hello");
        assert!(matches!(AtomicFile::create_partial(&target), Err(Error::Exists(path)) if path == target));
    }

    #[test]
    fn nothing_stays_of_what_is_not_published() {
        let directory = tempfile::tempdir().unwrap();
        drop(AtomicFile::create_partial(&directory.path().join("a.txt")).unwrap());
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn all_or_none() {
        let directory = tempfile::tempdir().unwrap();
        let targets = ["a.txt", "b.txt"].map(|name| directory.path().join(name));
        let files = targets.iter().map(|target| AtomicFile::create_partial(target).unwrap()).collect();
        std::fs::write(&targets[1], "someone else's").unwrap();
        assert!(matches!(publish_all(files), Err(Error::Exists(path)) if path == targets[1]));
        assert_eq!(names(directory.path()), ["b.txt"]);
        assert_eq!(std::fs::read(&targets[1]).unwrap(), b"someone else's");
    }

    /// Someone else makes the target at the moment at which it is published: of both, one gets the
    /// name.
    #[test]
    fn what_appears_meanwhile_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (mut won, mut lost) = (0, 0);
        for round in 0..2_000 {
            let target = directory.path().join(format!("{round}.txt"));
            let mut file = AtomicFile::create_partial(&target).unwrap();
            file.append(b"ours").unwrap();
            file.flush().unwrap();
            let ready = std::sync::Barrier::new(2);
            let (published, theirs) = std::thread::scope(|scope| {
                let other = scope.spawn(|| {
                    ready.wait();
                    // Publishing saves the file first, which takes a while.
                    let until = std::time::Instant::now() + std::time::Duration::from_micros(round % 400);
                    while std::time::Instant::now() < until {}
                    let made = File::options().write(true).create_new(true).open(&target);
                    made.map(|mut file| file.write_all(b"theirs").unwrap()).is_ok()
                });
                ready.wait();
                (publish_all(vec![file]), other.join().unwrap())
            });
            match (published, theirs) {
                (Ok(()), false) => won += 1,
                (Err(Error::Exists(path)), true) if path == target => lost += 1,
                both => panic!("round {round}: {both:?}"),
            }
            let found = std::fs::read(&target).unwrap();
            assert_eq!(found, if theirs { &b"theirs"[..] } else { b"ours" }, "round {round}");
            std::fs::remove_file(target).unwrap();
            assert!(names(directory.path()).is_empty());
        }
        assert!(won > 0 && lost > 0, "{won} {lost}");
    }

    #[test]
    fn a_dangling_link_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("a.txt");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(matches!(AtomicFile::create_partial(&link), Err(Error::Exists(_))));
    }
}
