//! Owner, group and mode of the files beside a corpus, which are copied from the corpus as SQLite
//! does for its own files. Then exactly the users who may write the corpus can continue after
//! another user's process was killed.

use nix::libc;
use nix::unistd::geteuid;
use std::fs::{File, Metadata, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

/// The owner, the group and the permissions of a new file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rights {
    uid: u32,
    gid: u32,
    mode: Mode,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    /// Exactly these bits.
    Exactly(u32),
    /// The bits in addition to those that the umask leaves.
    AtLeast(u32),
}

impl Rights {
    fn derived(path: &Path, mode: impl FnOnce(u32) -> Mode) -> Option<Rights> {
        let found = path.metadata().ok()?;
        Some(Rights { uid: found.uid(), gid: found.gid(), mode: mode(found.mode()) })
    }

    /// Returns the rights of the file `corpus`; `None` if there is none yet.
    pub(crate) fn of(corpus: &Path) -> Option<Rights> {
        Rights::derived(corpus, |mode| Mode::Exactly(mode & 0o666))
    }

    /// Returns the rights for users who may write the file `corpus`: a process that can open a lock
    /// file, even for reading only, can lock out others.
    pub(crate) fn of_writers(corpus: &Path) -> Option<Rights> {
        Rights::derived(corpus, |mode| Mode::Exactly(mode & 0o222 | (mode & 0o222) << 1 | 0o600))
    }

    /// Returns the rights of files in `directory`: if its group may write there, each member may
    /// continue the work of another.
    pub(crate) fn within(directory: &Path) -> Option<Rights> {
        Rights::derived(directory, |mode| Mode::AtLeast(if mode & 0o020 == 0 { 0 } else { 0o060 }))
    }

    /// Gives `file` these rights as far as this process may. Files of other users are not changed,
    /// and only root can change an owner.
    pub(crate) fn give(&self, file: &File) {
        let Ok(found) = file.metadata() else { return };
        let me = geteuid();
        if found.uid() != me.as_raw() && !me.is_root() {
            return;
        }
        let is_wanted = !matches!(self.mode, Mode::AtLeast(0));
        if me.is_root() && (found.uid(), found.gid()) != (self.uid, self.gid) {
            let _ = fchown(file, Some(self.uid), Some(self.gid));
        } else if found.gid() != self.gid && is_wanted {
            let _ = fchown(file, None, Some(self.gid));
        }
        let Ok(found) = file.metadata() else { return };
        let mode = self.mode_of(&found);
        if mode != found.mode() & 0o777 {
            let _ = file.set_permissions(Permissions::from_mode(found.mode() & 0o7000 | mode));
        }
    }

    fn mode_of(&self, found: &Metadata) -> u32 {
        // Members of another group get nothing.
        let meant = if found.gid() == self.gid { 0o777 } else { 0o707 };
        // A directory that can be read can be entered.
        let with_entry = |mode: u32| if found.is_dir() { mode | (mode & 0o444) >> 2 } else { mode };
        match self.mode {
            Mode::Exactly(mode) => with_entry(mode) & meant,
            Mode::AtLeast(mode) => found.mode() & 0o777 | with_entry(mode) & meant,
        }
    }
}

/// Returns whether only users who may change `directory` anyway can have created this file or can
/// still write to it. In a directory such as /tmp everyone can.
pub(crate) fn is_trusted(found: &Metadata, directory: &Metadata) -> bool {
    let is_shared = directory.mode() & 0o022 == 0o020 && found.gid() == directory.gid();
    is_shared || [geteuid().as_raw(), directory.uid(), 0].contains(&found.uid())
}

/// Creates or empties a file and opens it for writing; a link is not followed.
pub(crate) fn create(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true).custom_flags(libc::O_NOFOLLOW);
    options.open(path)
}

/// Shares a new directory with the group of the directory above.
pub(crate) fn share(made: &Path) {
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_DIRECTORY);
    if let Some(rights) = made.parent().and_then(Rights::within)
        && let Ok(directory) = options.open(made)
    {
        rights.give(&directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o777
    }

    fn set(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn files_take_the_mode_of_the_corpus() {
        let directory = tempfile::tempdir().unwrap();
        let (corpus, beside) = (directory.path().join("c.db"), directory.path().join("c.db-x"));
        assert!(Rights::of(&corpus).is_none() && Rights::of_writers(&corpus).is_none());
        std::fs::write(&corpus, "").unwrap();
        let file = File::create(&beside).unwrap();
        for (of_corpus, of_writers) in [(0o644, 0o600), (0o664, 0o660), (0o666, 0o666), (0o440, 0o600)] {
            set(&corpus, of_corpus);
            Rights::of(&corpus).unwrap().give(&file);
            assert_eq!(mode(&beside), of_corpus);
            Rights::of_writers(&corpus).unwrap().give(&file);
            assert_eq!(mode(&beside), of_writers);
        }
    }

    #[test]
    fn the_group_of_a_directory_shares_what_is_in_it_and_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let (path, inner) = (directory.path().join("x"), directory.path().join("inner"));
        let file = File::create(&path).unwrap();
        std::fs::create_dir(&inner).unwrap();
        for (of_directory, of_file, of_inner) in
            [(0o700, 0o600, 0o700), (0o2775, 0o660, 0o770), (0o1777, 0o660, 0o770)]
        {
            set(&path, 0o600);
            set(&inner, 0o700);
            set(directory.path(), of_directory);
            Rights::within(directory.path()).unwrap().give(&file);
            share(&inner);
            assert_eq!((mode(&path), mode(&inner)), (of_file, of_inner), "{of_directory:o}");
        }
    }
}
