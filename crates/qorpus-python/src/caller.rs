//! Python as the caller of the library: its signals end waits, its warnings say what is waited for.

use crate::errors::{OrRaise, warn};
use pyo3::prelude::*;
use qorpus::Caller;
use std::cell::RefCell;
use std::rc::Rc;

/// The interpreter on the thread that called, and the exception that ended the call.
#[derive(Default)]
pub(crate) struct Interpreter {
    failure: RefCell<Option<PyErr>>,
}

impl Interpreter {
    /// Does something with the GIL, unless there was an exception before; says whether there is one.
    pub(crate) fn fails(&self, act: impl FnOnce(Python<'_>) -> PyResult<()>) -> bool {
        if self.failure.borrow().is_none() {
            let failure = Python::attach(act).err();
            self.failure.replace(failure);
        }
        self.failure.borrow().is_some()
    }

    /// The exception, if there was one.
    pub(crate) fn failure(&self) -> Option<PyErr> {
        self.failure.take()
    }
}

impl Caller for Interpreter {
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method itself is of one lifetime alone"
    )]
    fn is_interrupted(&self) -> bool {
        self.fails(|py| py.check_signals())
    }

    fn warn(&self, text: &str) {
        self.fails(|py| warn(py, text));
    }
}

/// Runs what may wait for other processes without the GIL; a signal ends the wait.
pub(crate) fn waiting<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> qorpus::Result<T> + Send,
) -> PyResult<T> {
    let (result, failure) = py.detach(|| {
        let interpreter = Rc::new(Interpreter::default());
        (qorpus::called_by(interpreter.clone(), work), interpreter.failure())
    });
    failure.map_or(Ok(()), Err)?;
    result.or_raise(py)
}
