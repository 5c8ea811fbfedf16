//! Lock files: one process at a time holds a lock file, for as long as it lives.

use crate::error::{Result, io};
use crate::os::byte_lock::{self, is_in_place, range, try_lock};
use crate::os::rights::Rights;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A lock file that this process holds; it is removed on drop.
#[derive(Debug)]
pub(crate) struct LockFile {
    /// Open as long as the lock is held.
    _file: File,
    path: PathBuf,
    process: u32,
}

impl LockFile {
    /// Takes the lock file at `path`; `None` if another one has it.
    pub(crate) fn take(path: &Path) -> Result<Option<LockFile>> {
        loop {
            let file = byte_lock::open(path)?;
            path.parent().and_then(Rights::within).inspect(|rights| rights.give(&file));
            if !try_lock(&file, &range(0, 0)).map_err(io(path, "lock it"))? {
                return Ok(None);
            }
            // The previous holder may have removed the file before it was locked; then it is not
            // the lock file.
            if is_in_place(&file, path)? {
                return Ok(Some(LockFile { _file: file, path: path.into(), process: std::process::id() }));
            }
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // A forked child shares its parent's lock, which only the parent may release.
        if self.process == std::process::id() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn of_many_one_has_the_lock_and_then_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let (path, inside, had) = (directory.path().join("lock"), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while had.load(Ordering::SeqCst) < 100 {
                        let Some(_lock) = LockFile::take(&path).unwrap() else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        had.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(!path.exists());
    }
}
