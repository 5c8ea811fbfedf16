//! Waits of the library, with Python looking on: signals end them, and what is awaited is a
//! warning.

use crate::errors::{defer, is_deferred, warn};
use pyo3::prelude::*;
use qorpus::WaitHooks;

/// Lets the library ask and tell Python while it waits.
pub(crate) fn attend() {
    qorpus::set_wait_hooks(WaitHooks { should_stop: stop, notify: tell });
}

/// Whether a signal, or an exception before it, ends what is being waited for. The exception is kept
/// until the library returns.
pub(crate) fn stop() -> bool {
    // At the interpreter's end all waits end.
    is_deferred() || Python::try_attach(|py| py.check_signals().map_err(defer).is_err()).unwrap_or(true)
}

fn tell(text: &str) {
    let _ = Python::try_attach(|py| warn(py, text).map_err(defer));
}
