//! Publishing: files that get their names when they are whole, and only if nobody else has taken
//! them.
//!
//! A file is written under a name that nobody reads, synced, and then linked to its own name, which
//! fails if that exists. So whoever sees the name sees everything, and of two who publish the same,
//! one loses harmlessly.

use crate::error::{Error, Result, io};
use crate::options::job::Durability;
use crate::os::rights::Rights;
use crate::paths::beside;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::libc;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3Default;

/// A file is read in pieces of this many bytes.
const PIECE: usize = 1 << 20;

/// A file under a name that nobody reads; it is removed unless it gets another one.
struct Draft {
    path: PathBuf,
    file: File,
}

impl Draft {
    /// One beside `target`, whose own name does not matter.
    fn create(target: &Path) -> Result<Draft> {
        loop {
            let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
            let name = target.file_name().unwrap_or_default().to_string_lossy();
            let path = target.with_file_name(format!(".{name}.{random:016x}"));
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).custom_flags(libc::O_NOFOLLOW);
            match options.open(&path) {
                Ok(file) => {
                    target.parent().and_then(Rights::within).inspect(|rights| rights.give(&file));
                    return Ok(Draft { path, file });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(io(&path, "create it")(error)),
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(io(&self.path, "write to it"))
    }

    fn sync(&self, durability: Durability) -> Result<()> {
        sync(&self.file, &self.path, durability)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether `name` is that of a draft of `target`: nothing else that begins like it is ours to
/// remove.
pub(super) fn is_draft_of(name: &str, target: &str) -> bool {
    let random = name.strip_prefix('.').and_then(|name| name.strip_prefix(target)?.strip_prefix('.'));
    random.is_some_and(|random| {
        random.len() == 16 && random.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
    })
}

/// Writes `bytes` to the new file `target`; says whether there was none, and otherwise does
/// nothing.
pub(super) fn put(bytes: &[u8], target: &Path, durability: Durability) -> Result<bool> {
    let draft = written(bytes, target, durability)?;
    let new = link(&draft.path, target)?;
    save_names(target.parent().unwrap_or(target), durability)?;
    Ok(new)
}

/// Writes `bytes` to `target`, in place of what is there.
pub(super) fn replace(bytes: &[u8], target: &Path, durability: Durability) -> Result<()> {
    loop {
        let draft = written(bytes, target, durability)?;
        match std::fs::rename(&draft.path, target) {
            Ok(()) => return save_names(target.parent().unwrap_or(target), durability),
            // Somebody took it for one that a dead process has left.
            Err(error) if error.kind() == ErrorKind::NotFound && target.exists() => {}
            Err(error) => return Err(io(target, "replace it")(error)),
        }
    }
}

fn written(bytes: &[u8], target: &Path, durability: Durability) -> Result<Draft> {
    let mut draft = Draft::create(target)?;
    draft.write(bytes)?;
    draft.sync(durability)?;
    Ok(draft)
}

/// Gives the finished file `from` the name `target`, on whatever file system that is; says whether
/// there was none. If `instead`, it takes the place of what is there.
pub(super) fn publish(from: &Path, target: &Path, instead: bool, durability: Durability) -> Result<bool> {
    let copied = match same_file_system(from, target)? {
        true => None,
        false => Some(copy(from, target, durability)?),
    };
    let source = copied.as_ref().map_or(from, |draft| &draft.path);
    if let (None, Some(rights), Ok(file)) =
        (&copied, target.parent().and_then(Rights::within), File::open(source))
    {
        // It was made for one user alone, and is for those from now on who share the directory.
        rights.give(&file);
    }
    let new = if instead { rename(source, target).map(|()| true) } else { link(source, target) }?;
    save_names(target.parent().unwrap_or(target), durability)?;
    Ok(new)
}

fn same_file_system(from: &Path, target: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| path.metadata().map(|found| found.dev()).map_err(io(path, "look at it"));
    Ok(device(from)? == device(target.parent().unwrap_or(target))?)
}

/// Copies a file to where `target` will be.
fn copy(from: &Path, target: &Path, durability: Durability) -> Result<Draft> {
    let mut draft = Draft::create(target)?;
    in_pieces(from, |piece| draft.write(piece))?;
    // A network file system may say no sooner than now that something could not be written.
    draft.sync(durability)?;
    Ok(draft)
}

/// The size of a file and its XXH3-128.
pub(super) fn fingerprint(path: &Path) -> Result<(u64, u128)> {
    in_pieces(path, |_| Ok(()))
}

/// Calls `visit` with a file's bytes, in order; returns their number and XXH3-128.
pub(super) fn in_pieces(path: &Path, mut visit: impl FnMut(&[u8]) -> Result<()>) -> Result<(u64, u128)> {
    let failed = io(path, "read it");
    let mut file = File::open(path).map_err(&failed)?;
    let (mut piece, mut hash, mut bytes) = (vec![0; PIECE], Xxh3Default::new(), 0);
    loop {
        let count = match file.read(&mut piece) {
            Ok(0) => return Ok((bytes, hash.digest128())),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        hash.update(&piece[..count]);
        bytes += count as u64;
        visit(&piece[..count])?;
    }
}

/// Has a file's bytes last.
pub(super) fn save(path: &Path, durability: Durability) -> Result<()> {
    let file = File::open(path).map_err(io(path, "open it"))?;
    sync(&file, path, durability)
}

/// Has the names in a directory last.
pub(super) fn save_names(directory: &Path, durability: Durability) -> Result<()> {
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
    match durability {
        Durability::Off => Ok(()),
        Durability::Full | Durability::Normal => file.sync_all().map_err(io(path, "sync it")),
    }
}

/// Gives `from` a second name; says whether it was free.
pub(crate) fn link(from: &Path, target: &Path) -> Result<bool> {
    let failed = io(target, "give it its name");
    let refused = match std::fs::hard_link(from, target) {
        Ok(()) => return Ok(true),
        Err(error) => error,
    };
    match refused.raw_os_error() {
        Some(libc::EEXIST) => Ok(is_same(from, target)),
        // Somebody took `from` for a draft that a dead process has left: it had lost already.
        Some(libc::ENOENT) if target.exists() => Ok(false),
        // A file system without links; most of them can rename without replacing.
        Some(libc::EPERM | libc::EOPNOTSUPP | libc::ENOSYS | libc::EMLINK | libc::EINVAL) => {
            match renameat2(AT_FDCWD, from, AT_FDCWD, target, RenameFlags::RENAME_NOREPLACE) {
                Ok(()) => Ok(true),
                Err(nix::errno::Errno::EEXIST) => Ok(false),
                Err(_) => Err(failed(refused)),
            }
        }
        _ => Err(failed(refused)),
    }
}

/// Whether both names are of one file: NFS may make a link, lose its answer, and then say that it
/// was there.
fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let number = |path: &Path| path.metadata().map(|found| (found.dev(), found.ino())).ok();
    number(one).is_some_and(|one| Some(one) == number(other))
}

fn rename(from: &Path, target: &Path) -> Result<()> {
    std::fs::rename(from, target).map_err(io(target, "replace it"))
}

/// Removes a corpus file that was being made, and whatever is beside it.
pub(super) fn discard(path: &Path) {
    for ending in ["", "-journal", "-wal", "-shm", "-lock"] {
        let _ = std::fs::remove_file(beside(path, ending));
    }
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
                        move || put(&vec![number; 100_000], target, Durability::Full).unwrap()
                    })
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        assert_eq!(wins.iter().filter(|won| **won).count(), 1);
        let winner = wins.iter().position(|won| *won).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), vec![winner as u8; 100_000]);
        assert_eq!(names(directory.path()), ["x"]);
        replace(b"other", &target, NOW).unwrap();
        assert_eq!(
            (std::fs::read(&target).unwrap(), names(directory.path())),
            (b"other".into(), vec!["x".into()])
        );
    }

    #[test]
    fn a_draft_is_known_by_all_of_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let draft = Draft::create(&directory.path().join("x.json")).unwrap();
        assert!(is_draft_of(&names(directory.path())[0], "x.json"));
        drop(draft);
        for name in [
            ".x.json.swp",
            ".x.json.",
            "x.json.0123456789abcdef",
            ".x.json.0123456789ABCDEF",
            ".y.json.0123456789abcdef",
        ] {
            assert!(!is_draft_of(name, "x.json"), "{name}");
        }
    }

    #[test]
    fn drafts_that_others_remove_have_lost() {
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
                replace(format!("{number}").as_bytes(), &target, NOW).unwrap();
                assert_eq!(std::fs::read(&target).unwrap(), format!("{number}").as_bytes());
            }
            std::fs::write(directory.path().join("end"), "").unwrap();
            sweeper.join().unwrap();
        });
        assert_eq!(names(directory.path()), ["end", "x"]);
    }

    #[test]
    fn a_file_is_published_once_also_from_elsewhere() {
        let here = tempfile::tempdir().unwrap();
        // Memory is another file system than that of temporary files, wherever both are there.
        let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
        for directory in [here.path(), elsewhere.path()] {
            let (from, target) = (directory.join("from"), here.path().join("target"));
            std::fs::write(&from, vec![7; 3 << 20]).unwrap();
            assert!(publish(&from, &target, false, Durability::Full).unwrap());
            assert_eq!(fingerprint(&target).unwrap(), fingerprint(&from).unwrap());
            std::fs::remove_file(&from).unwrap();
            std::fs::write(&from, "another").unwrap();
            assert!(!publish(&from, &target, false, NOW).unwrap());
            assert_eq!(std::fs::metadata(&target).unwrap().len(), 3 << 20);
            assert!(publish(&from, &target, true, NOW).unwrap());
            assert_eq!(std::fs::read(&target).unwrap(), b"another");
            std::fs::remove_file(&target).unwrap();
            let _ = std::fs::remove_file(&from);
        }
        assert_eq!(names(here.path()), Vec::<String>::new());
    }

    #[test]
    fn a_fingerprint_is_that_of_xxhsum() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let bytes: Vec<u8> = (0..PIECE * 2 + 17).map(|at| (at * 31 % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(fingerprint(&path).unwrap(), (bytes.len() as u64, xxhash_rust::xxh3::xxh3_128(&bytes)));
    }
}
