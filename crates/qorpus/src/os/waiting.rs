//! Waits for other processes and for object stores, in slices. Between slices the caller may end
//! the wait or be notified, and forks may begin.

use crate::error::{Error, Result};
use crate::os::fork;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// The interval at which the caller is asked whether to continue; a fork waits no longer than this.
pub(crate) const SLICE: Duration = Duration::from_millis(50);

/// The hooks of the program that are called while the library waits.
#[derive(Debug, Clone, Copy)]
pub struct WaitHooks {
    /// Returns whether to stop waiting, because a signal came. Called on the waiting thread, which
    /// holds no lock then.
    pub should_stop: fn() -> bool,
    /// Shows a sentence about the wait.
    pub notify: fn(&str),
}

/// A wait for another process is reported after this time. An interrupt does not end a shorter
/// wait, which is ordinary: finished work is then still committed.
const NOTIFY_AFTER: Duration = Duration::from_secs(3);

/// Shows a sentence about a wait.
pub(crate) type Tell = Rc<dyn Fn(&str)>;

/// The thread for which this one works.
#[derive(Clone)]
struct Supervisor {
    /// Whether it has given up the work.
    dismissed: Arc<AtomicBool>,
    /// Shows sentences about waits, instead of the program's hook.
    tell: Option<Tell>,
}

static HOOKS: RwLock<WaitHooks> =
    RwLock::new(WaitHooks { should_stop: || false, notify: |text| tracing::warn!("{text}") });

thread_local! {
    static SUPERVISOR: RefCell<Option<Supervisor>> = const { RefCell::new(None) };
}

/// Replaces the hooks.
pub fn set_wait_hooks(hooks: WaitHooks) {
    *HOOKS.write().unwrap_or_else(PoisonError::into_inner) = hooks;
}

fn hooks() -> WaitHooks {
    *HOOKS.read().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether to stop waiting. Lets a fork that another thread has begun happen now, unless
/// this thread must not.
pub(crate) fn is_over() -> bool {
    fork::outside(|| match SUPERVISOR.with_borrow(Option::clone) {
        // Signals arrive at the thread for which this one works.
        Some(supervisor) => supervisor.dismissed.load(Ordering::Relaxed),
        None => (hooks().should_stop)(),
    })
}

/// Shows a sentence about the wait.
pub(crate) fn tell(text: &str) {
    fork::outside(|| match SUPERVISOR.with_borrow(Option::clone).and_then(|supervisor| supervisor.tell) {
        Some(tell) => tell(text),
        None => (hooks().notify)(text),
    });
}

/// Calls `work` on a thread that works for another one, which can dismiss it and is notified of its
/// waits.
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

    /// Reports the reason of the wait, `what`, once, if the wait is long. Call it now and then.
    /// Fails with [`Error::Interrupted`] if a long wait should end.
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

/// Sleeps for `time`, in slices; returns whether to stop.
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
