//! Waiting in the kernel for the write lock, on a separate thread.
//!
//! The kernel's queue is fair, but a wait in it ends only with the lock. A writer that waits for
//! this thread instead can name the holder and give up.

use crate::os::byte_lock::{release, wait};
use nix::libc;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

/// The thread only waits.
const STACK_BYTES: usize = 128 << 10;

/// A thread that queues for one lock of an open file, again and again.
#[derive(Debug)]
pub(crate) struct LockQueue {
    /// `None` at the end and after giving up.
    orders: Option<Sender<()>>,
    taken: Receiver<io::Result<()>>,
    process: u32,
    is_waiting: bool,
}

impl LockQueue {
    /// Starts a thread for this `lock` of `file`.
    pub(crate) fn new(file: Arc<File>, lock: libc::flock) -> io::Result<LockQueue> {
        let (orders, ordered) = mpsc::channel();
        let (tell, taken) = mpsc::channel();
        let thread = std::thread::Builder::new().name("qorpus-lock".into()).stack_size(STACK_BYTES);
        thread.spawn(move || {
            while ordered.recv().is_ok() {
                if tell.send(wait(&file, &lock)).is_err() {
                    // The writer has given up.
                    release(&file, &lock);
                }
            }
            // Dropping the queue waits for this: the locks are then released.
            drop(file);
            drop(tell);
        })?;
        Ok(LockQueue { orders: Some(orders), taken, process: std::process::id(), is_waiting: false })
    }

    /// Begins to wait.
    pub(crate) fn join(&mut self) {
        self.is_waiting = self.orders.as_ref().is_some_and(|orders| orders.send(()).is_ok());
    }

    /// Waits for at most `time`; `None` if the lock is not taken yet.
    pub(crate) fn wait(&mut self, time: Duration) -> Option<io::Result<()>> {
        let result = match self.taken.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::BrokenPipe.into()),
            Ok(result) => result,
        };
        self.is_waiting = false;
        Some(result)
    }
}

impl Drop for LockQueue {
    fn drop(&mut self) {
        self.orders.take();
        // In a forked child the thread does not exist, and one that still waits may wait for long.
        if self.process == std::process::id() && !self.is_waiting {
            let _ = self.taken.recv();
        }
    }
}
