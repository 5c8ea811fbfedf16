//! The sidecar lock: writers queue in the kernel, and see which other writers are alive.
//!
//! SQLite's busy handler polls and is unfair, so writers queue for a blocking lock beside the
//! corpus, `FILE-lock`. Its byte 0 is the write lock. Every open writer also holds one byte of its
//! own, at an offset drawn at random that serves as its name: the kernel frees it when the process
//! dies, however it dies.
//!
//! A read lock needs only permission to read, and would stop all writers. So only users who may
//! write the corpus can open its lock file.

use crate::error::{Error, Result, io};
use crate::os::byte_lock::{self, is_in_place, is_locked, options, range, release, try_lock};
use crate::os::lock_holder;
use crate::os::lock_queue::LockQueue;
use crate::os::rights::Rights;
use crate::os::waiting::Wait;
use crate::paths::beside;
use nix::libc;
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The interval at which a waiting writer checks for an interrupt.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A writer's name: the offset of its byte in the sidecar file.
pub(crate) type WriterId = i64;

/// The byte whose lock is the write lock.
const WRITE_BYTE: i64 = 0;

/// An open sidecar file, and the byte that shows that its holder is alive.
#[derive(Debug)]
pub(crate) struct SidecarLock {
    file: Arc<File>,
    path: PathBuf,
    id: WriterId,
    process: u32,
    /// Set once another writer held the write lock when this one wanted it.
    queue: RefCell<Option<LockQueue>>,
    /// Whether a wait was interrupted. The write lock is not taken after that: the queue still
    /// waits, and releases the lock when it gets it.
    gave_up: Cell<bool>,
}

/// The write lock, released on drop.
#[derive(Debug)]
pub(crate) struct WriteLock<'a>(&'a File);

/// Calls `action`, which changes the journal mode, under the write lock, if a writer is alive and
/// the lock is free at once.
pub(crate) fn if_free(corpus: &Path, action: impl FnOnce()) {
    let write_lock = range(WRITE_BYTE, 1);
    if let Ok(file) = options().open(sidecar(corpus))
        && is_locked(&file, 1, 0)
        && try_lock(&file, &write_lock).is_ok_and(|taken| taken)
    {
        WriteLock(&file).change_mode(action);
    }
}

/// Returns whether a live writer has `corpus` open, or is just closing it.
pub(crate) fn is_held(corpus: &Path) -> bool {
    let mut reading = File::options();
    reading.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    match reading.open(sidecar(corpus)) {
        Ok(file) => is_locked(&file, 0, 0),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// Returns whether the process that last changed the journal mode of `corpus` died while it did.
pub(crate) fn is_between_modes(corpus: &Path) -> bool {
    sidecar(corpus).symlink_metadata().is_ok_and(|found| found.is_file() && found.len() > 0)
}

impl WriteLock<'_> {
    /// Calls `change`, which changes the journal mode. SQLite removes the WAL before it changes the
    /// header of the file, and changes the header before it creates a WAL. Meanwhile the sidecar
    /// contains a byte, which stays if the process dies.
    pub(crate) fn change_mode<T>(&self, change: impl FnOnce() -> T) -> T {
        // Without the byte, the worst case is a needless warning.
        let _ = self.0.set_len(1);
        let changed = change();
        let _ = self.0.set_len(0);
        changed
    }
}

impl SidecarLock {
    /// Opens the sidecar of `corpus`, creating it if it does not exist.
    pub(crate) fn open(corpus: &Path) -> Result<SidecarLock> {
        let (path, mut wait) = (sidecar(corpus), Wait::begin());
        loop {
            if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
                return Err(Error::NoPlainFile(path));
            }
            let file = byte_lock::open(&path)?;
            Rights::of_writers(corpus).inspect(|rights| rights.give(&file));
            // Random enough: the standard library keys its hashers from the operating system. After
            // a fork, though, parent and children draw the same numbers: if several live at the
            // same time, all but one draw again, and a dead one's name may be reused.
            let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
            let id = (random >> 2) as i64 | 1;
            if !try_lock(&file, &range(id, 1)).map_err(io(&path, "lock the lock file"))? {
                // The last writer is about to remove the file.
                wait.look(|| awaited(corpus, "its lock file", &file, id))?;
                std::thread::sleep(Duration::from_micros(100));
                continue;
            }
            // A writer that was alone may have removed the file before it was locked; then it is
            // not the lock file.
            if is_in_place(&file, &path)? {
                return Ok(SidecarLock {
                    file: Arc::new(file),
                    path,
                    id,
                    process: std::process::id(),
                    queue: RefCell::default(),
                    gave_up: Cell::new(false),
                });
            }
        }
    }

    /// Returns the name under which this writer claims chunks.
    pub(crate) fn id(&self) -> WriterId {
        self.id
    }

    /// Waits for the write lock.
    ///
    /// # Errors
    /// [`Error::LostLock`] if the file is gone, since new writers would not see this one.
    /// [`Error::Interrupted`].
    pub(crate) fn write_lock(&self) -> Result<WriteLock<'_>> {
        let write_lock = range(WRITE_BYTE, 1);
        if self.gave_up.get() {
            return Err(Error::Interrupted(self.awaited()));
        }
        if !try_lock(&self.file, &write_lock).map_err(io(&self.path, "wait for the lock"))? {
            self.queue(&write_lock)?;
        }
        let write_lock = WriteLock(&self.file);
        if is_in_place(&self.file, &self.path)? {
            Ok(write_lock)
        } else {
            Err(Error::LostLock(self.path.clone()))
        }
    }

    /// Waits for the write lock, which another writer holds.
    fn queue(&self, write_lock: &libc::flock) -> Result<()> {
        let failed = io(&self.path, "wait for the lock");
        let mut place = self.queue.borrow_mut();
        if place.is_none() {
            // Without a thread the wait cannot be interrupted.
            *place = LockQueue::new(self.file.clone(), *write_lock).ok();
        }
        let Some(queue) = &mut *place else {
            return byte_lock::wait(&self.file, write_lock).map_err(failed);
        };
        let mut wait = Wait::begin();
        queue.join();
        loop {
            if let Some(taken) = queue.wait(POLL_INTERVAL) {
                return taken.map_err(failed);
            }
            if let Err(interrupted) = wait.look(|| self.awaited()) {
                self.gave_up.set(true);
                drop(place.take());
                // It may have arrived at this moment.
                release(&self.file, write_lock);
                return Err(interrupted);
            }
        }
    }

    /// Returns a sentence about the wait for the write lock.
    fn awaited(&self) -> String {
        let corpus = self.path.as_os_str().as_encoded_bytes();
        let corpus =
            String::from_utf8_lossy(corpus.strip_suffix(SUFFIX.as_bytes()).unwrap_or(corpus)).into_owned();
        awaited(Path::new(&corpus), "the write lock", &self.file, WRITE_BYTE)
    }

    /// Releases this writer's liveness byte. Call while holding the write lock.
    pub(crate) fn release(&self) {
        // Closing the file frees it too, but only after the write lock.
        release(&self.file, &range(self.id, 1));
    }

    /// Returns whether the writer called `id` is still alive.
    pub(crate) fn is_alive(&self, id: WriterId) -> bool {
        id == self.id || is_locked(&self.file, id.max(1), 1)
    }

    /// Returns whether no other writer has the corpus open.
    pub(crate) fn is_alone(&self) -> bool {
        !is_locked(&self.file, 1, 0)
    }
}

/// Returns a sentence about a wait that names the holder.
fn awaited(corpus: &Path, what: &str, file: &File, at: i64) -> String {
    let unseen = || "a process of another user or container that is not visible here".into();
    let holder = lock_holder::named(file, at).unwrap_or_else(unseen);
    format!(
        "{}: waiting for {what}, which is held by {holder}; it is released when that process continues or ends",
        corpus.display()
    )
}

impl Drop for WriteLock<'_> {
    fn drop(&mut self) {
        release(self.0, &range(WRITE_BYTE, 1));
    }
}

impl Drop for SidecarLock {
    /// Removes the sidecar if this was the last writer: with every byte locked no other holds any,
    /// and a writer that opens the file at this moment finds it gone before trusting it.
    fn drop(&mut self) {
        // A forked child shares its parent's locks, which only the parent may release.
        if self.process != std::process::id() {
            return;
        }
        // If two writers end at the same moment, the byte of one must not keep the other from
        // removing the file.
        self.release();
        let all = range(0, 0);
        if try_lock(&self.file, &all).is_ok_and(|taken| taken)
            && is_in_place(&self.file, &self.path).unwrap_or(false)
        {
            let _ = std::fs::remove_file(&self.path);
        }
        if self.gave_up.get() {
            // The queue keeps the file open.
            release(&self.file, &all);
        }
    }
}

/// The suffix of the sidecar's name.
const SUFFIX: &str = "-lock";

fn sidecar(corpus: &Path) -> PathBuf {
    beside(corpus, SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::waiting::supervised;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::rc::Rc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    #[test]
    fn turns_exclude_each_other_and_the_file_goes_with_the_last() {
        let directory = tempfile::tempdir().unwrap();
        let corpus = directory.path().join("c.db");
        let (inside, rounds) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let lock = SidecarLock::open(&corpus).unwrap();
                        let _write_lock = lock.write_lock().unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        rounds.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(rounds.into_inner(), 400);
        assert!(!sidecar(&corpus).exists());
    }

    #[test]
    fn the_living_are_seen() {
        let directory = tempfile::tempdir().unwrap();
        let corpus = directory.path().join("c.db");
        let (first, second) = (SidecarLock::open(&corpus).unwrap(), SidecarLock::open(&corpus).unwrap());
        let name = second.id();
        assert!(first.is_alive(name) && first.is_alive(first.id()) && !first.is_alive(12345));
        assert!(!first.is_alone());
        drop(second);
        assert!(!first.is_alive(name) && first.is_alone());
        let write_lock = first.write_lock().unwrap();
        assert!(first.is_alone() && sidecar(&corpus).exists());
        let mut ran = false;
        if_free(&corpus, || ran = true);
        assert!(!ran, "the lock is taken");
        drop(write_lock);
        if_free(&corpus, || ran = true);
        assert!(ran && is_held(&corpus));
        // As a killed writer leaves it.
        let left = sidecar(&corpus);
        drop(first);
        File::create(&left).unwrap();
        if_free(&corpus, || panic!("nobody is alive"));
        assert!(!is_held(&corpus));
    }

    #[test]
    fn what_is_no_plain_file_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (corpus, elsewhere) = (directory.path().join("c.db"), directory.path().join("elsewhere"));
        std::os::unix::fs::symlink(&elsewhere, sidecar(&corpus)).unwrap();
        assert!(matches!(SidecarLock::open(&corpus), Err(Error::NoPlainFile(_))));
        if_free(&corpus, || panic!("there is no lock"));
        assert!(!elsewhere.exists() && sidecar(&corpus).is_symlink());
    }

    /// Calls `work` for a supervisor that gives up at the first message about a wait; returns the messages
    /// too.
    fn impatiently<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
        let (dismissed, told) = (Arc::new(AtomicBool::new(false)), Rc::new(RefCell::new(Vec::new())));
        let (ends, heard) = (dismissed.clone(), told.clone());
        let tell = move |text: &str| {
            heard.borrow_mut().push(text.to_owned());
            ends.store(true, Ordering::Relaxed);
        };
        let result = supervised(dismissed, Some(Rc::new(tell)), work);
        (result, told.take())
    }

    #[test]
    fn a_wait_that_nobody_ends_says_for_whom_and_can_be_interrupted() {
        let directory = tempfile::tempdir().unwrap();
        let corpus = directory.path().join("c.db");
        let (first, second) = (SidecarLock::open(&corpus).unwrap(), SidecarLock::open(&corpus).unwrap());
        let write_lock = first.write_lock().unwrap();
        let (interrupted, told) = impatiently(|| second.write_lock().unwrap_err());
        let said = format!(
            "the write lock, which is held by another writer of this process ({})",
            std::process::id()
        );
        assert!(interrupted.to_string().contains(&said), "{interrupted}");
        assert!(matches!(&told[..], [once] if once.contains(&said)));
        // What it still waits for it gives back at once.
        assert!(second.write_lock().is_err());
        drop(write_lock);
        for _ in 0..100 {
            drop(first.write_lock().unwrap());
        }
        drop(second);
        assert!(first.is_alone());
        drop(first);
        assert!(!sidecar(&corpus).exists());
    }

    #[test]
    fn whoever_locks_everything_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let corpus = directory.path().join("c.db");
        let left = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(sidecar(&corpus))
            .unwrap();
        let reading = libc::flock { l_type: libc::F_RDLCK as libc::c_short, ..range(0, 0) };
        assert!(try_lock(&left, &reading).unwrap());
        let (interrupted, _) = impatiently(|| SidecarLock::open(&corpus).unwrap_err().to_string());
        assert!(interrupted.contains(&format!("process ({})", std::process::id())), "{interrupted}");
    }

    #[test]
    fn a_change_of_the_journal_mode_is_noticed_while_it_lasts() {
        let directory = tempfile::tempdir().unwrap();
        let corpus = directory.path().join("c.db");
        assert!(!is_between_modes(&corpus));
        let lock = SidecarLock::open(&corpus).unwrap();
        let write_lock = lock.write_lock().unwrap();
        assert!(write_lock.change_mode(|| is_between_modes(&corpus)) && !is_between_modes(&corpus));
        drop(write_lock);
        if_free(&corpus, || assert!(is_between_modes(&corpus)));
        assert!(!is_between_modes(&corpus));
    }

    #[test]
    fn only_writers_can_open_a_lock_file() {
        let directory = tempfile::tempdir().unwrap();
        let corpus = directory.path().join("c.db");
        let mode = || sidecar(&corpus).metadata().unwrap().mode() & 0o777;
        let lock = SidecarLock::open(&corpus).unwrap();
        assert_eq!(mode(), 0o600);
        drop(lock);
        for (of_corpus, of_lock) in [(0o644, 0o600), (0o664, 0o660)] {
            std::fs::write(&corpus, "").unwrap();
            std::fs::set_permissions(&corpus, std::fs::Permissions::from_mode(of_corpus)).unwrap();
            // As an earlier version has left it.
            File::create(sidecar(&corpus)).unwrap();
            let _lock = SidecarLock::open(&corpus).unwrap();
            assert_eq!(mode(), of_lock);
        }
    }

    #[test]
    fn a_removed_lock_file_stops_the_writer() {
        let directory = tempfile::tempdir().unwrap();
        let lock = SidecarLock::open(&directory.path().join("c.db")).unwrap();
        std::fs::remove_file(&lock.path).unwrap();
        assert!(matches!(lock.write_lock(), Err(Error::LostLock(_))));
    }
}
