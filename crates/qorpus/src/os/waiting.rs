//! Waiting for somebody else, such as a store: in slices, between which the caller may end it,
//! forks may begin, and the caller is told what is awaited.

use crate::error::{Error, Result};
use crate::os::fork;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// The caller is asked this often whether to go on, and a fork waits no longer than this.
pub(crate) const SLICE: Duration = Duration::from_millis(50);

/// What a program does while the library waits.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// Whether to stop waiting: a signal came. It is asked on the thread that waits, which holds no
    /// lock then.
    pub stop: fn() -> bool,
    /// Shows what is awaited.
    pub tell: fn(&str),
}

/// How long another process is waited for before that is said. Nor does an interrupt end a shorter
/// wait, in which others do what they always do: what is ready is then committed all the same.
const NOTIFY_AFTER: Duration = Duration::from_secs(3);

/// Says what is awaited to whoever should know.
pub(crate) type Tell = Rc<dyn Fn(&str)>;

/// The thread that one works for.
#[derive(Clone)]
struct Supervisor {
    /// Whether it does not want the work any more.
    dismissed: Arc<AtomicBool>,
    /// Where it is told what is awaited, if not by the caller.
    tell: Option<Tell>,
}

static CALLER: RwLock<Caller> = RwLock::new(Caller { stop: || false, tell: |text| tracing::warn!("{text}") });

thread_local! {
    static SUPERVISOR: RefCell<Option<Supervisor>> = const { RefCell::new(None) };
}

/// Has this caller asked and told from now on, in place of the one before.
pub fn set_caller(caller: Caller) {
    *CALLER.write().unwrap_or_else(PoisonError::into_inner) = caller;
}

fn caller() -> Caller {
    *CALLER.read().unwrap_or_else(PoisonError::into_inner)
}

/// Whether to stop waiting. A fork that another thread has begun happens now, unless this thread
/// must not let it.
pub(crate) fn is_over() -> bool {
    fork::outside(|| match SUPERVISOR.with_borrow(Option::clone) {
        // Signals come to the thread for which this one works.
        Some(supervisor) => supervisor.dismissed.load(Ordering::Relaxed),
        None => (caller().stop)(),
    })
}

/// Shows what is awaited.
pub(crate) fn tell(text: &str) {
    fork::outside(|| match SUPERVISOR.with_borrow(Option::clone).and_then(|supervisor| supervisor.tell) {
        Some(tell) => tell(text),
        None => (caller().tell)(text),
    });
}

/// Calls `work` on a thread that works for another one, which can dismiss it, and is told what it
/// waits for.
pub(crate) fn supervised<T>(dismissed: Arc<AtomicBool>, tell: Option<Tell>, work: impl FnOnce() -> T) -> T {
    SUPERVISOR.set(Some(Supervisor { dismissed, tell }));
    let result = work();
    SUPERVISOR.set(None);
    result
}

/// A wait for another process, which may have no end.
pub(crate) struct Wait {
    begun: Instant,
    is_told: bool,
}

impl Wait {
    pub(crate) fn begin() -> Wait {
        Wait { begun: Instant::now(), is_told: false }
    }

    /// To be called now and then: says once `what` is waited for.
    pub(crate) fn look(&mut self, what: impl FnOnce() -> String) -> Result<()> {
        if self.begun.elapsed() < NOTIFY_AFTER {
            return Ok(());
        }
        if is_over() {
            return Err(Error::Interrupted(what()));
        }
        if !std::mem::replace(&mut self.is_told, true) {
            tell(&what());
        }
        Ok(())
    }
}

/// Waits for so long; says whether to stop.
pub(crate) fn pause(time: Duration) -> bool {
    let end = Instant::now() + time;
    loop {
        match end.checked_duration_since(Instant::now()) {
            Some(left) => fork::outside(|| std::thread::sleep(left.min(SLICE))),
            None => return is_over(),
        }
        if is_over() {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_wait_is_told_once_and_ends_with_an_interrupt() {
        let (dismissed, told) = (Arc::new(AtomicBool::new(true)), Rc::new(RefCell::new(Vec::new())));
        let heard = told.clone();
        let tell: Tell = Rc::new(move |text| heard.borrow_mut().push(text.to_owned()));
        let mut wait = Wait::begin();
        supervised(dismissed.clone(), Some(tell), || {
            wait.look(|| panic!("it has just begun")).unwrap();
            wait.begun -= NOTIFY_AFTER;
            dismissed.store(false, Ordering::Relaxed);
            wait.look(|| "a process".into()).unwrap();
            wait.look(|| "a process".into()).unwrap();
            assert_eq!(*told.borrow(), ["a process"]);
            dismissed.store(true, Ordering::Relaxed);
            let ended = wait.look(|| "a process".into()).unwrap_err();
            assert!(matches!(ended, Error::Interrupted(what) if what == "a process"));
        });
        assert!(!is_over());
    }
}
