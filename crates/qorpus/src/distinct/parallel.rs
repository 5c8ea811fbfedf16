//! A pool of threads whose results come in order.

use crate::error::{Error, Result};
use crate::os::workers;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
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
    // A piece is taken once the piece before it in its place is finished.
    let places = (threads.ahead as usize).min(pieces).max(1);
    let results: Vec<Mutex<Option<T>>> = (0..places).map(|_| Mutex::default()).collect();
    let place = |piece: usize| results[piece % places].lock().unwrap_or_else(PoisonError::into_inner);
    let thread = |queue: &PieceQueue<'_>, done: &Sender<Result<()>>| {
        let mut state = begin()?;
        while let Some(piece) = queue.take() {
            let result = work(&mut state, piece)?;
            *place(piece) = Some(result);
            // After a failure there is no receiver.
            let _ = done.send(Ok(()));
        }
        Ok(())
    };
    let mut finish_piece = |piece| {
        let result = place(piece).take();
        result.map(|result| finish(piece, result))
    };
    run(threads, pieces, &thread, &mut finish_piece, tick)
}

/// The work of a thread: pieces of the queue, with a message for each that is done.
type PoolThread<'a> = dyn Fn(&PieceQueue<'_>, &Sender<Result<()>>) -> Result<()> + Sync + 'a;

/// Runs `thread` on all threads until the queue is empty. `finish` is called for each piece in order,
/// until it returns `None` because a result is missing. Compiled once for all kinds of work.
fn run(
    threads: Threads<'_>,
    pieces: usize,
    thread: &PoolThread<'_>,
    finish: &mut dyn FnMut(usize) -> Option<Result<()>>,
    tick: &mut dyn FnMut(),
) -> Result<bool> {
    let (next, finished, has_failed) = Default::default();
    let queue = &PieceQueue { threads, pieces: pieces as u64, next, finished, has_failed };
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        workers::start(scope, threads.jobs.min(pieces), |_| {
            let send = send.clone();
            move || {
                // A panic must not leave the others waiting for this piece.
                let end = catch_unwind(AssertUnwindSafe(|| thread(queue, &send)));
                if let Err(error) = end.unwrap_or_else(|_| Err(Error::Defect("enumerating".into()))) {
                    let _ = send.send(Err(error));
                }
            }
        })?;
        drop(send);
        let (mut result, mut expected) = (Ok(()), 0);
        while result.is_ok() {
            tick();
            match receive.recv_timeout(POLL_INTERVAL) {
                Ok(Ok(())) => {
                    while result.is_ok()
                        && let Some(done) = finish(expected)
                    {
                        result = done;
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
    fn results_come_in_order_from_places_that_are_reused() {
        let work = |(): &mut (), piece: usize| {
            // Some pieces are done long after later ones.
            std::thread::sleep(Duration::from_millis(if piece.is_multiple_of(7) { 5 } else { 0 }));
            Ok(2 * piece)
        };
        let stop = AtomicBool::new(false);
        for (pieces, ahead) in [(0, 0), (1, 0), (100, 0), (100, 50)] {
            let mut finished = Vec::new();
            let mut finish = |piece, result| {
                finished.push((piece, result));
                Ok(())
            };
            let threads = Threads::new(3, &stop).ahead(ahead);
            assert!(parallel(threads, pieces, &|| Ok(()), &work, &mut finish, &mut || {}).unwrap());
            assert!(finished.into_iter().eq((0..pieces).map(|piece| (piece, 2 * piece))));
        }
    }

    #[test]
    fn a_failure_to_finish_stops_all() {
        let mut finish = |piece, _| if piece == 9 { Err(Error::Usage("no".into())) } else { Ok(()) };
        let work = |(): &mut (), piece: usize| {
            assert!(piece < 1000);
            Ok(())
        };
        let stop = AtomicBool::new(false);
        let result = parallel(Threads::new(3, &stop), 1_000_000, &|| Ok(()), &work, &mut finish, &mut || {});
        assert!(matches!(result, Err(Error::Usage(_))), "{result:?}");
    }

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
