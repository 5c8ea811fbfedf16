//! The engine's errors as Python exceptions.

use pyo3::exceptions::{
    PyArithmeticError, PyAttributeError, PyKeyboardInterrupt, PyLookupError, PyRuntimeError, PyTypeError,
    PyValueError,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use std::cell::RefCell;
use std::ffi::CString;

thread_local! {
    /// An exception that occurred on this thread where it could not be raised, such as while the
    /// engine waits.
    static DEFERRED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Keeps an exception until the engine returns.
pub(crate) fn defer(error: PyErr) {
    DEFERRED.set(Some(error));
}

/// Returns whether an exception is kept for this thread.
pub(crate) fn is_deferred() -> bool {
    DEFERRED.with_borrow(Option::is_some)
}

/// Takes the exception that was kept for this thread.
pub(crate) fn deferred() -> Option<PyErr> {
    DEFERRED.take()
}

/// A class of `qorpus.errors`, looked up once.
struct Class(&'static str, PyOnceLock<Py<PyType>>);

static ERROR: Class = Class("Error", PyOnceLock::new());
static INVALID_ARGUMENT: Class = Class("InvalidArgument", PyOnceLock::new());
static WRONG_TYPE: Class = Class("WrongType", PyOnceLock::new());
static TOO_MANY_RECORDS: Class = Class("TooManyRecords", PyOnceLock::new());
static MISSING_RECORD: Class = Class("MissingRecord", PyOnceLock::new());
static MISSING_FILE: Class = Class("MissingFile", PyOnceLock::new());
static PERMISSION_DENIED: Class = Class("PermissionDenied", PyOnceLock::new());
static WARNING: Class = Class("QorpusWarning", PyOnceLock::new());

impl Class {
    fn with(&'static self, py: Python<'_>, text: String) -> PyErr {
        match self.1.import(py, "qorpus.errors", self.0) {
            Ok(class) => PyErr::from_type(class.clone(), text),
            Err(error) => error,
        }
    }
}

/// Creates an `InvalidArgument`, a `ValueError`.
pub(crate) fn invalid(py: Python<'_>, text: impl Into<String>) -> PyErr {
    INVALID_ARGUMENT.with(py, text.into())
}

/// Creates a `WrongType`, a `TypeError`.
pub(crate) fn wrong_type(py: Python<'_>, text: impl Into<String>) -> PyErr {
    WRONG_TYPE.with(py, text.into())
}

/// Creates a `TooManyRecords`, a `MemoryError`.
pub(crate) fn too_many_records(py: Python<'_>, text: impl Into<String>) -> PyErr {
    TOO_MANY_RECORDS.with(py, text.into())
}

/// Creates the exception for an argument that Python or NumPy could not convert.
///
/// Their exception becomes its cause. An exception that is not about the argument, such as a
/// KeyboardInterrupt, is returned unchanged.
pub(crate) fn unconverted(py: Python<'_>, error: PyErr, text: impl FnOnce() -> String) -> PyErr {
    let ours = if error.is_instance_of::<PyTypeError>(py) || error.is_instance_of::<PyAttributeError>(py) {
        wrong_type(py, text())
    } else if error.is_instance_of::<PyValueError>(py)
        || error.is_instance_of::<PyLookupError>(py)
        || error.is_instance_of::<PyArithmeticError>(py)
        || error.is_instance_of::<PyRuntimeError>(py)
    {
        invalid(py, text())
    } else {
        return error;
    };
    ours.set_cause(py, Some(error));
    ours
}

/// Creates a `MissingRecord`, an `IndexError`.
pub(crate) fn missing_record(py: Python<'_>, text: impl Into<String>) -> PyErr {
    MISSING_RECORD.with(py, text.into())
}

/// Creates the exception for an error of the engine.
///
/// An exception that ended a wait takes precedence over the engine's error.
pub(crate) fn raised(py: Python<'_>, error: &qorpus::Error) -> PyErr {
    use qorpus::Error;
    if let Some(deferred) = deferred() {
        return deferred;
    }
    let class = match error {
        Error::NoRecord { .. } | Error::NotYet { .. } => &MISSING_RECORD,
        Error::Missing(_) | Error::MissingDirectory(_) => &MISSING_FILE,
        Error::TooMany(_) => &TOO_MANY_RECORDS,
        Error::Refused { .. } => &INVALID_ARGUMENT,
        Error::Interrupted(_) => return PyKeyboardInterrupt::new_err(error.to_string()),
        error if error.is_permission_denied() => &PERMISSION_DENIED,
        error if error.is_usage() => &INVALID_ARGUMENT,
        _ => &ERROR,
    };
    class.with(py, error.to_string())
}

/// Issues a `QorpusWarning` at the caller of the package.
pub(crate) fn warn(py: Python<'_>, text: &str) -> PyResult<()> {
    let category = WARNING.1.import(py, "qorpus.errors", WARNING.0)?;
    // Messages contain no zero bytes: only paths could, and they cannot have any.
    let text = CString::new(text)?;
    PyErr::warn(py, category, &text, 2)
}

/// A result of the engine that becomes a result of Python.
pub(crate) trait OrRaise<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for qorpus::Result<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        // An interrupt may arrive when a wait has just succeeded.
        match deferred() {
            Some(ended) => Err(ended),
            None => self.map_err(|error| raised(py, &error)),
        }
    }
}

impl<T> OrRaise<T> for qorpus::core::Result<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| raised(py, &error.into()))
    }
}
