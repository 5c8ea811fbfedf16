//! Pieces of work on some threads, and their results in order on one.

use crate::error::{Error, Result};
use crate::os::workers;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// How often it is looked whether to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Bytes of results that may wait to be finished: so many are made while a group is committed.
const WAITING_BYTES: usize = 2 * GROUP_BYTES;

/// Threads that do pieces of work.
#[derive(Clone, Copy)]
pub(crate) struct Threads<'a> {
    jobs: usize,
    stop: &'a AtomicBool,
    /// Pieces that may be done before the first of them is finished.
    ahead: u64,
}

impl<'a> Threads<'a> {
    /// So many, until they are told to stop.
    pub(crate) fn new(jobs: usize, stop: &'a AtomicBool) -> Threads<'a> {
        Threads { jobs, stop, ahead: 4 * jobs as u64 }
    }

    /// Those that finishing, which takes long now and then, does not keep waiting, if results have
    /// so many bytes.
    pub(crate) fn ahead(self, bytes: usize) -> Threads<'a> {
        Threads { ahead: self.ahead.max((WAITING_BYTES / bytes.max(1)) as u64), ..self }
    }
}

/// Does `pieces` pieces of work on all threads; `finish` gets the results in order, on this one.
/// False if it was told to stop.
pub(crate) fn parallel<S, T: Send>(
    Threads { jobs, stop, ahead }: Threads<'_>,
    pieces: usize,
    begin: &(impl Fn() -> Result<S> + Sync),
    work: &(impl Fn(&mut S, usize) -> Result<T> + Sync),
    finish: &mut dyn FnMut(usize, T) -> Result<()>,
    tick: &mut dyn FnMut(),
) -> Result<bool> {
    let (next, finished, broken) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let stops = || stop.load(Ordering::Relaxed) || broken.load(Ordering::Relaxed);
    let (send, receive) = mpsc::channel::<Result<(usize, T)>>();
    std::thread::scope(|scope| {
        workers::start(scope, jobs.min(pieces), |_| {
            let send = send.clone();
            let (next, finished, stops) = (&next, &finished, &stops);
            move || {
                let run = || -> Result<()> {
                    let mut state = begin()?;
                    loop {
                        let piece = next.fetch_add(1, Ordering::Relaxed);
                        while piece >= finished.load(Ordering::Relaxed) + ahead && !stops() {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                        if piece >= pieces as u64 || stops() {
                            return Ok(());
                        }
                        // A panic must not leave the others waiting for this piece.
                        let done = catch_unwind(AssertUnwindSafe(|| work(&mut state, piece as usize)));
                        let done = done.map_err(|_| Error::Defect("enumerating".into()))??;
                        // Nobody listens any more once something has failed.
                        let _ = send.send(Ok((piece as usize, done)));
                    }
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
                        finished.store(expected as u64, Ordering::Relaxed);
                    }
                }
                Ok(Err(error)) => result = Err(error),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
        broken.store(result.is_err(), Ordering::Relaxed);
        result.map(|()| expected == pieces)
    })
}

/// A commit carries about this many bytes.
pub(super) const GROUP_BYTES: usize = 16 << 20;

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
