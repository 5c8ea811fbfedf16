//! Names of a corpus's files in their directory: whether they still refer to the same files, and
//! whether they survive a power cut.

use crate::error::{Result, io};
use crate::options::job::Durability;
use crate::os::rights::Rights;
use crate::paths::beside;
use nix::libc;
use std::fs::File;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The identity and length of a file at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileState {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) len: u64,
}

impl FileState {
    /// Looks at the file at `path`; `None` if there is none.
    pub(crate) fn at(path: &Path) -> Result<Option<FileState>> {
        match std::fs::metadata(path) {
            Ok(found) => Ok(Some(FileState { device: found.dev(), inode: found.ino(), len: found.len() })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io(path, "look at it")(error)),
        }
    }
}

/// The names of a corpus's files, which must be durable before anything relies on them.
///
/// SQLite syncs the directory as well, but does not report a failure, and after a failed sync later
/// successful ones prove nothing. So each name is made durable here, before SQLite first needs it.
pub(crate) struct DurableNames<'a> {
    path: &'a Path,
    durability: Durability,
}

impl<'a> DurableNames<'a> {
    pub(crate) fn new(path: &'a Path, durability: Durability) -> DurableNames<'a> {
        DurableNames { path, durability }
    }

    /// Makes the names of the file and of its rollback journal durable. A missing journal is
    /// created: SQLite accepts an empty one as its own.
    pub(crate) fn journal(&self) -> Result<()> {
        let journal = beside(self.path, "-journal");
        let mut options = File::options();
        options.append(true).create(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = options.open(&journal).map_err(io(&journal, "create the journal"))?;
        Rights::of(self.path).inspect(|rights| rights.give(&file));
        self.save()
    }

    /// Removes a journal that was not needed: readers keep the WAL, and no journal is in use
    /// meanwhile.
    pub(crate) fn forget_journal(&self) {
        let journal = beside(self.path, "-journal");
        if journal.metadata().is_ok_and(|found| found.len() == 0) {
            let _ = std::fs::remove_file(journal);
        }
    }

    /// Syncs the directory, unless durability is off.
    pub(crate) fn save(&self) -> Result<()> {
        if self.durability == Durability::Off {
            return Ok(());
        }
        let directory = self.path.parent().unwrap_or(self.path);
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(io(self.path, "sync its directory"))
    }
}
