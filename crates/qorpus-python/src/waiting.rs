//! Waits of the engine: signals end them, and their reasons become warnings.

use crate::errors::{defer, is_deferred, warn};
use pyo3::prelude::*;
use qorpus::WaitHooks;

/// Lets the engine check for signals and issue warnings while it waits.
pub(crate) fn attend() {
    qorpus::set_wait_hooks(WaitHooks { should_stop: stop, notify: report });
}

/// Returns whether a signal or an earlier exception ends the wait. The exception is kept until the
/// engine returns.
pub(crate) fn stop() -> bool {
    // All waits end with the interpreter.
    is_deferred() || Python::try_attach(|py| py.check_signals().map_err(defer).is_err()).unwrap_or(true)
}

fn report(text: &str) {
    let _ = Python::try_attach(|py| warn(py, text).map_err(defer));
}
