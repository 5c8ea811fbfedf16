//! Who called, as far as waiting goes: a wait for another process says what it waits for, and ends when nobody wants it any more.
//!
//! Jobs look at a flag between two steps. To wait is a single step that may have no end, so whoever calls says beforehand, for
//! its thread, how an interrupt is noticed.

use crate::error::{Error, Result};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long is waited before that is said. Nor does an interrupt end a shorter wait, in which others do what they always do: what
/// is ready is then committed all the same.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whoever called the library on a thread, and can be asked and told something while it waits for other processes.
pub trait Caller {
    /// Whether a wait should end.
    fn is_interrupted(&self) -> bool;

    /// Says what is waited for.
    fn warn(&self, text: &str) {
        tracing::warn!("{text}");
    }
}

thread_local! {
    static CALLERS: RefCell<Vec<Rc<dyn Caller>>> = const { RefCell::new(Vec::new()) };
}

/// The caller is none any more.
struct Called;

impl Drop for Called {
    fn drop(&mut self) {
        CALLERS.with_borrow_mut(Vec::pop);
    }
}

/// Runs `work`, whose waits on this thread then end with [`Error::Interrupted`] if they are long and the caller is interrupted.
pub fn called_by<T>(caller: Rc<dyn Caller>, work: impl FnOnce() -> T) -> T {
    CALLERS.with_borrow_mut(|callers| callers.push(caller));
    let _called = Called;
    work()
}

fn caller() -> Option<Rc<dyn Caller>> {
    CALLERS.with_borrow(|callers| callers.last().cloned())
}

/// A wait for other processes.
pub(crate) struct Wait {
    begun: Instant,
    is_told: bool,
}

impl Wait {
    pub(crate) fn begin() -> Wait {
        Wait { begun: Instant::now(), is_told: false }
    }

    /// To be called now and then: says once `what` is waited for.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if nobody waits any more.
    pub(crate) fn look(&mut self, what: impl FnOnce() -> String) -> Result<()> {
        if self.begun.elapsed() < PATIENCE {
            return Ok(());
        }
        let (caller, is_told) = (caller(), std::mem::replace(&mut self.is_told, true));
        let is_interrupted = caller.as_ref().is_some_and(|caller| caller.is_interrupted());
        if is_interrupted {
            return Err(Error::Interrupted(what()));
        }
        if !is_told {
            match caller {
                Some(caller) => caller.warn(&what()),
                None => tracing::warn!("{}", what()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[derive(Default)]
    struct Someone {
        interrupted: Cell<bool>,
        told: RefCell<Vec<String>>,
    }

    impl Caller for Someone {
        fn is_interrupted(&self) -> bool {
            self.interrupted.get()
        }

        fn warn(&self, text: &str) {
            self.told.borrow_mut().push(text.into());
        }
    }

    #[test]
    fn a_long_wait_is_told_once_and_ends_with_an_interrupt() {
        let someone = Rc::new(Someone::default());
        let mut wait = Wait::begin();
        called_by(someone.clone(), || {
            someone.interrupted.set(true);
            wait.look(|| panic!("it has just begun")).unwrap();
            wait.begun -= PATIENCE;
            someone.interrupted.set(false);
            wait.look(|| "a process".into()).unwrap();
            wait.look(|| "a process".into()).unwrap();
            assert_eq!(*someone.told.borrow(), ["a process"]);
            someone.interrupted.set(true);
            let ended = wait.look(|| "a process".into()).unwrap_err();
            assert!(matches!(ended, Error::Interrupted(what) if what == "a process"));
        });
        // Nobody is asked any more.
        wait.look(String::new).unwrap();
    }
}
