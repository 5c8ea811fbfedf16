//! A directory of shards on a file system.

use crate::error::{Error, Result, io};
use crate::options::job::Durability;
use crate::os::atomic_file::{AtomicFile, name, sync_directory, sync_directory_of};
use crate::os::rights::{self, Rights};
use crate::paths::check_spelling;
use crate::shards::naming::{RECEIPTS, is_part_of_corpus};
use crate::shards::put_mode::Version;
use crate::shards::shard::read_file;
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Creates the directory at `path` unless it exists; returns its absolute path, and whether it is
/// new.
pub(super) fn create(path: &Path) -> Result<(PathBuf, bool)> {
    check_spelling(path)?;
    // If several processes create it at the same time, one succeeds, and for the others it exists.
    let is_new = match std::fs::create_dir(path) {
        Ok(()) => true,
        Err(_) if path.is_dir() => false,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(Error::Exists(path.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Error::MissingDirectory(path.parent().unwrap_or(path).into()));
        }
        Err(error) => return Err(io(path, "create the directory")(error)),
    };
    Ok((path.canonicalize().map_err(io(path, "find the directory"))?, is_new))
}

/// Creates the directory of the receipts unless it exists.
pub(super) fn create_receipts(directory: &Path, durability: Durability) -> Result<()> {
    let receipts = directory.join(RECEIPTS);
    match std::fs::create_dir(&receipts) {
        Ok(()) => {
            rights::share(&receipts);
            sync_directory(directory, durability)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(io(&receipts, "create the directory")(error)),
    }
}

/// Returns the name of an entry that is not part of a corpus, if there is one.
pub(super) fn other_file(directory: &Path) -> Result<Option<String>> {
    let failed = io(directory, "read the directory");
    for entry in std::fs::read_dir(directory).map_err(&failed)? {
        let name = entry.map_err(&failed)?.file_name().to_string_lossy().into_owned();
        if !is_part_of_corpus(&name) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Returns the size and version of the file at `path`; the size of anything else is 0.
pub(super) fn head(path: &Path) -> Option<(u64, Version)> {
    // A dangling link has the name as well.
    let found = path.metadata().or_else(|_| path.symlink_metadata()).ok()?;
    Some((if found.is_file() { found.len() } else { 0 }, version(&found)))
}

/// Reads the file at `path`, and no more than one byte beyond `max_bytes`; returns its version, too.
pub(super) fn read(path: &Path, max_bytes: u64) -> Result<Option<(Vec<u8>, Version)>> {
    let failed = io(path, "read it");
    // Reading a pipe could wait for ever. The version is the one before reading: a file that
    // changes meanwhile is read again.
    let version = match path.metadata() {
        Ok(found) if found.is_file() => version(&found),
        Ok(_) => return Err(Error::NoPlainFile(path.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(max_bytes + 1).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(Some((bytes, version)))
}

fn version(found: &Metadata) -> Version {
    Version::File(found.dev(), found.ino(), found.mtime(), found.mtime_nsec())
}

/// Gives the finished file `from` the name `target`, on any file system, replacing another file
/// only if `replace`; returns whether it did.
pub(super) fn publish(from: &Path, target: &Path, replace: bool, durability: Durability) -> Result<bool> {
    let directory = target.parent().unwrap_or(target);
    let device = |path: &Path| path.metadata().map(|found| found.dev()).map_err(io(path, "look at it"));
    let mut copy = None;
    if device(from)? == device(directory)? {
        if let (Some(rights), Ok(file)) = (Rights::within(directory), File::open(from)) {
            // It was created for one user alone, and from now on is for everyone who shares the
            // directory.
            rights.give(&file);
        }
    } else {
        let copy = copy.insert(AtomicFile::create(target)?);
        read_file(from, |piece| copy.append(piece))?;
        // A network file system may report only now that something could not be written.
        copy.sync(durability)?;
    }
    let named = name(copy.as_ref().map_or(from, |copy| &copy.path), target, replace)?;
    sync_directory_of(target, durability)?;
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shards::shard::fingerprint;

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
            assert!(!publish(&from, &target, false, Durability::Off).unwrap());
            assert_eq!(std::fs::metadata(&target).unwrap().len(), 3 << 20);
            assert!(publish(&from, &target, true, Durability::Off).unwrap());
            assert_eq!(std::fs::read(&target).unwrap(), b"another");
            std::fs::remove_file(&target).unwrap();
            let _ = std::fs::remove_file(&from);
        }
        assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 0);
    }
}
