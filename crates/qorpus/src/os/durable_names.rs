//! A corpus's files in their directory: whether they are still the same, and whether their names
//! will last.

use crate::error::{Result, io};
use crate::options::job::Durability;
use crate::os::rights::Rights;
use crate::paths::beside;
use nix::libc;
use std::fs::File;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// A file as it was at some moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileState {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) len: u64,
}

impl FileState {
    /// `None` if there is no file.
    pub(crate) fn at(path: &Path) -> Result<Option<FileState>> {
        match std::fs::metadata(path) {
            Ok(found) => Ok(Some(FileState { device: found.dev(), inode: found.ino(), len: found.len() })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io(path, "look at it")(error)),
        }
    }
}

/// The names of a corpus's files in their directory, which must last before anything relies on
/// them.
///
/// SQLite syncs the directory as well, but does not say when that fails, and what the failed sync
/// was to save may then be lost whatever later ones say. So each name is saved here, before SQLite
/// first needs it.
pub(crate) struct DurableNames<'a> {
    path: &'a Path,
    durability: Durability,
}

impl<'a> DurableNames<'a> {
    pub(crate) fn new(path: &'a Path, durability: Durability) -> DurableNames<'a> {
        DurableNames { path, durability }
    }

    /// That of the file and of its rollback journal, which is made if there is none: SQLite takes
    /// an empty one for its own.
    pub(crate) fn journal(&self) -> Result<()> {
        let journal = beside(self.path, "-journal");
        let mut options = File::options();
        options.append(true).create(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = options.open(&journal).map_err(io(&journal, "create the journal"))?;
        Rights::of(self.path).inspect(|rights| rights.give(&file));
        self.save()
    }

    /// Removes the journal that was made for nothing: readers keep the log, and nobody uses a
    /// journal meanwhile.
    pub(crate) fn forget_journal(&self) {
        let journal = beside(self.path, "-journal");
        if journal.metadata().is_ok_and(|found| found.len() == 0) {
            let _ = std::fs::remove_file(journal);
        }
    }

    /// Those that are there.
    pub(crate) fn save(&self) -> Result<()> {
        if self.durability == Durability::Off {
            return Ok(());
        }
        let directory = self.path.parent().unwrap_or(self.path);
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(io(self.path, "save its name in the directory"))
    }
}
