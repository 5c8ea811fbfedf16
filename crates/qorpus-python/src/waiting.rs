//! Waiting for a store, with Python looking on: signals end it, and what is awaited is a warning.

use crate::errors::warn;
use pyo3::prelude::*;
use qorpus::Caller;
use std::cell::RefCell;

thread_local! {
    /// The exception that a signal's handler, or a warning that is an error, has raised while this thread waited.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Has Python asked and told while the library waits.
pub(crate) fn attend() {
    qorpus::set_caller(Caller { stop, tell });
}

/// Takes the exception that was raised while this thread waited.
pub(crate) fn raised() -> Option<PyErr> {
    RAISED.take()
}

fn stop() -> bool {
    // At the interpreter's end nobody waits any more.
    RAISED.with_borrow(Option::is_some) || Python::try_attach(|py| keep(py.check_signals())).unwrap_or(true)
}

fn tell(text: &str) {
    let _ = Python::try_attach(|py| keep(warn(py, text)));
}

fn keep(result: PyResult<()>) -> bool {
    let error = result.err();
    let is_over = error.is_some();
    if is_over {
        RAISED.set(error);
    }
    is_over
}
