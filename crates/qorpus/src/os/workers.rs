//! Threads: workers of a job, and helpers that share a read with their caller.

use crate::error::{Error, Result};
use crate::os::fork;
use crate::os::waiting::{SLICE, is_over, supervised};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::Duration;

/// The number of attempts to start the first thread, and the pause between them: threads that have
/// just finished may still hold their memory.
const MAX_TRIES: usize = 20;
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Whether the user was warned of fewer threads, which happens once in a process.
static WARNED: AtomicBool = AtomicBool::new(false);

/// Starts `count` threads, each with the closure that `work` returns for it; fewer if the system
/// cannot start more. Fails with [`Error::Threads`] if not even one starts.
pub(crate) fn start<'scope, T, W>(
    scope: &'scope Scope<'scope, '_>,
    count: usize,
    mut work: impl FnMut(usize) -> W,
) -> Result<Vec<ScopedJoinHandle<'scope, T>>>
where
    T: Send + 'scope,
    W: FnOnce() -> T + Send + 'scope,
{
    let (mut started, mut tries) = (Vec::new(), MAX_TRIES);
    while started.len() < count {
        match Builder::new().spawn_scoped(scope, work(started.len())) {
            Ok(worker) => started.push(worker),
            Err(_) if started.is_empty() && tries > 0 => {
                tries -= 1;
                std::thread::sleep(RETRY_PAUSE);
            }
            Err(source) if started.is_empty() => return Err(Error::Threads(source)),
            Err(source) => {
                if !WARNED.swap(true, Ordering::Relaxed) {
                    let there = started.len();
                    tracing::warn!(
                        "only {there} of {count} threads can be started ({source}); the job continues with {there}"
                    );
                }
                break;
            }
        }
    }
    Ok(started)
}

/// Does `work` for each share, the first on this thread and each other on its own, and returns the
/// results in order. A share whose thread cannot be started is done on this one.
///
/// # Panics
/// If `work` does.
pub(crate) fn share<S: Send, T: Send>(
    shares: Vec<S>,
    work: impl Fn(S) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let shares: Vec<_> = shares.into_iter().map(|share| Mutex::new((Some(share), None))).collect();
    each_place(shares.len(), &|place| {
        let mut place = shares[place].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = place.0.take() {
            place.1 = Some(work(share)?);
        }
        Ok(())
    })?;
    Ok(shares
        .into_iter()
        .filter_map(|place| place.into_inner().unwrap_or_else(PoisonError::into_inner).1)
        .collect())
}

/// Calls `work` for each place as [`share`] does. Compiled once for all kinds of shares.
fn each_place(count: usize, work: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
    let inside = fork::enter();
    std::thread::scope(|scope| {
        let group = ThreadGroup::new();
        let start = |place| {
            let (thread, pass) = (group.thread(), inside.pass_for_another());
            let begin = move || {
                let _inside = fork::follow(pass);
                thread.work(|| work(place))
            };
            Builder::new().spawn_scoped(scope, begin).ok()
        };
        let threads: Vec<_> = (1..count).map(start).collect();
        let own = work(0);
        group.join(own.is_err());
        let join = |(place, thread): (usize, Option<ScopedJoinHandle<'_, _>>)| match thread {
            Some(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            None => work(place),
        };
        own?;
        (1..).zip(threads).try_for_each(join)
    })
}

/// A group of threads that work for this one. When this one stops, they stop waiting.
pub(crate) struct ThreadGroup {
    dismissed: Arc<AtomicBool>,
    working: Sender<()>,
    done: Receiver<()>,
}

/// A thread's membership in a group, for as long as it works.
pub(crate) struct GroupThread {
    dismissed: Arc<AtomicBool>,
    _working: Sender<()>,
}

impl ThreadGroup {
    pub(crate) fn new() -> ThreadGroup {
        let (working, done) = channel();
        ThreadGroup { dismissed: Arc::default(), working, done }
    }

    /// Adds a thread that will begin.
    pub(crate) fn thread(&self) -> GroupThread {
        GroupThread { dismissed: self.dismissed.clone(), _working: self.working.clone() }
    }

    /// Waits until all threads are done. They stop waiting if `is_dismissed`, or when a signal
    /// comes.
    pub(crate) fn join(self, is_dismissed: bool) {
        let ThreadGroup { dismissed, working, done } = self;
        drop(working);
        dismissed.store(is_dismissed, Ordering::Relaxed);
        while let Err(RecvTimeoutError::Timeout) = done.recv_timeout(SLICE) {
            if is_over() {
                dismissed.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl GroupThread {
    /// Calls `work` on the group's thread.
    pub(crate) fn work<T>(self, work: impl FnOnce() -> T) -> T {
        supervised(self.dismissed, None, work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::waiting::pause;
    use std::time::Instant;

    #[test]
    fn threads_stop_waiting_when_they_are_dismissed() {
        let group = ThreadGroup::new();
        let begin = Instant::now();
        std::thread::scope(|scope| {
            let thread = group.thread();
            let worker = scope.spawn(move || thread.work(|| pause(Duration::from_secs(60))));
            group.join(true);
            assert!(worker.join().unwrap());
        });
        assert!(begin.elapsed() < Duration::from_secs(30));
        assert!(!pause(Duration::from_millis(1)));
    }
}
