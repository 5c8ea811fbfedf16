//! A pool of threads whose results come in order.

use crate::error::{Error, Result};
use crate::os::workers;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// The interval at which the first thread calls `tick`.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The threads of a job.
#[derive(Clone, Copy)]
pub(crate) struct Threads<'a> {
    jobs: usize,
    stop: &'a AtomicBool,
    /// The number of pieces that may be done before the first of them is finished.
    ahead: u64,
}

impl<'a> Threads<'a> {
    /// Returns `jobs` threads that run until `stop` is set.
    pub(crate) fn new(jobs: usize, stop: &'a AtomicBool) -> Threads<'a> {
        Threads { jobs, stop, ahead: 4 * jobs as u64 }
    }

    /// Lets at least this many pieces be done before the first of them is finished.
    pub(crate) fn ahead(self, pieces: usize) -> Threads<'a> {
        Threads { ahead: self.ahead.max(pieces as u64), ..self }
    }
}

/// The queue of pieces that no thread has begun.
struct PieceQueue<'a> {
    threads: Threads<'a>,
    pieces: u64,
    next: AtomicU64,
    finished: AtomicU64,
    has_failed: AtomicBool,
}

impl PieceQueue<'_> {
    fn is_stopped(&self) -> bool {
        self.threads.stop.load(Ordering::Relaxed) || self.has_failed.load(Ordering::Relaxed)
    }

    /// Takes the next piece, once enough earlier ones are finished.
    fn take(&self) -> Option<usize> {
        let piece = self.next.fetch_add(1, Ordering::Relaxed);
        while piece >= self.finished.load(Ordering::Relaxed) + self.threads.ahead && !self.is_stopped() {
            std::thread::sleep(Duration::from_millis(1));
        }
        (piece < self.pieces && !self.is_stopped()).then_some(piece as usize)
    }
}

/// Runs `pieces` pieces of work on all threads; `finish` gets the results in order, on this thread,
/// which calls `tick` at least twenty times a second. False if it was stopped.
pub(crate) fn parallel<S, T: Send>(
    threads: Threads<'_>,
    pieces: usize,
    begin: &(impl Fn() -> Result<S> + Sync),
    work: &(impl Fn(&mut S, usize) -> Result<T> + Sync),
    finish: &mut dyn FnMut(usize, T) -> Result<()>,
    tick: &mut dyn FnMut(),
) -> Result<bool> {
    let (next, finished, has_failed) = Default::default();
    let queue = &PieceQueue { threads, pieces: pieces as u64, next, finished, has_failed };
    let (send, receive) = mpsc::channel::<Result<(usize, T)>>();
    std::thread::scope(|scope| {
        workers::start(scope, threads.jobs.min(pieces), |_| {
            let send = send.clone();
            move || {
                let run = || -> Result<()> {
                    let mut state = begin()?;
                    while let Some(piece) = queue.take() {
                        // A panic must not leave the others waiting for this piece.
                        let done = catch_unwind(AssertUnwindSafe(|| work(&mut state, piece)));
                        // After a failure nobody receives.
                        let _ =
                            send.send(Ok((piece, done.map_err(|_| Error::Defect("enumerating".into()))??)));
                    }
                    Ok(())
                };
                if let Err(error) = run() {
                    let _ = send.send(Err(error));
                }
            }
        })?;
        drop(send);
        let (mut early, mut expected) = (BTreeMap::new(), 0);
        let mut result = Ok(());
        while result.is_ok() {
            tick();
            match receive.recv_timeout(POLL_INTERVAL) {
                Ok(Ok((piece, done))) => {
                    early.insert(piece, done);
                    while let Some(done) = early.remove(&expected).filter(|_| result.is_ok()) {
                        result = finish(expected, done);
                        expected += 1;
                        queue.finished.store(expected as u64, Ordering::Relaxed);
                    }
                }
                Ok(Err(error)) => result = Err(error),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        queue.has_failed.store(result.is_err(), Ordering::Relaxed);
        result.map(|()| expected == pieces)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let work = |(): &mut (), piece: usize| if piece == 3 { panic!("on purpose") } else { Ok(piece) };
        let mut finished = Vec::new();
        let mut finish = |piece, _| {
            finished.push(piece);
            Ok(())
        };
        let result =
            parallel(Threads::new(2, &false.into()), 100, &|| Ok(()), &work, &mut finish, &mut || {});
        assert!(matches!(result, Err(Error::Defect(_))), "{result:?}");
        assert!(finished.len() < 100 && finished.is_sorted());
    }
}
