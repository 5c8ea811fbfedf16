//! Threads of a job: as many as were asked for, or as many as the system has.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::Duration;

/// How often the first thread is tried, and how long is waited in between: threads that have just
/// finished may still be leaving, with their memory.
const MAX_TRIES: usize = 20;
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Whether people know that there are fewer threads than they asked for: once in a process is
/// enough.
static WARNED: AtomicBool = AtomicBool::new(false);

/// Starts `count` threads that each do what `work` returns; where the system has no more, fewer.
///
/// # Errors
/// [`Error::Threads`] if not even one can be started.
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
                        "only {there} of {count} threads can be started ({source}); the job goes on with {there}"
                    );
                }
                break;
            }
        }
    }
    Ok(started)
}
