//! Locks on ranges of a file's bytes, of the open-file-description kind (fcntl(2), `F_OFD_SETLK`).
//!
//! Unlike the older POSIX locks they also queue threads of one process and are not lost when another
//! descriptor of the file is closed.

use crate::error::{Result, io};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Returns a write lock on `len` bytes from `start` on; `len` 0 reaches to the largest offset.
pub(crate) fn range(start: i64, len: i64) -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: len,
        l_pid: 0,
    }
}

/// Takes a lock; returns false if another open file description has it.
pub(crate) fn try_lock(file: &File, lock: &libc::flock) -> std::io::Result<bool> {
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLK(lock)) {
            Ok(_) => return Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => return Ok(false),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits for a lock without a limit.
pub(crate) fn wait(file: &File, lock: &libc::flock) -> std::io::Result<()> {
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLKW(lock)) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Releases a lock.
pub(crate) fn release(file: &File, lock: &libc::flock) {
    // Unlocking a byte that is held cannot fail in a way that matters: closing the file frees it
    // too.
    let unlock = libc::flock { l_type: libc::F_UNLCK as libc::c_short, ..*lock };
    let _ = fcntl(file, FcntlArg::F_OFD_SETLK(&unlock));
}

/// Returns whether some of these bytes are locked through another open file description.
pub(crate) fn is_locked(file: &File, start: i64, len: i64) -> bool {
    let mut probe = range(start, len);
    match fcntl(file, FcntlArg::F_OFD_GETLK(&mut probe)) {
        Ok(_) => probe.l_type != libc::F_UNLCK as libc::c_short,
        // If the kernel does not answer, no writer may be assumed dead.
        Err(_) => true,
    }
}

/// Opens the lock file at `path`, creating it if it does not exist.
pub(crate) fn open(path: &Path) -> Result<File> {
    options().create(true).truncate(false).open(path).map_err(io(path, "open the lock file"))
}

/// Returns the options to open lock files with. Symbolic links are not followed, or another user
/// could have files created elsewhere. A new lock file is for its owner and for those who may write
/// the file that it locks.
pub(crate) fn options() -> OpenOptions {
    let mut options = File::options();
    options.read(true).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options
}

/// Returns whether the open file is still the file at `path`.
pub(crate) fn is_in_place(file: &File, path: &Path) -> Result<bool> {
    let failed = io(path, "look at the lock file");
    let held = file.metadata().map_err(&failed)?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(error)),
    }
}
