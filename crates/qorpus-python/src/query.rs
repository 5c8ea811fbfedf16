//! SQL over records.

use crate::errors::{OrRaise, invalid};
use crate::options::complex;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};
use qorpus::{Order, Reader, Value};
use std::sync::{Arc, Mutex, PoisonError};

/// The names of the columns, and the rows as tuples.
pub(crate) type Selected<'py> = (Vec<String>, Bound<'py, PyList>);

/// Runs one `SELECT`; a signal interrupts it.
pub(crate) fn select<'py>(
    py: Python<'py>,
    reader: &Arc<Reader>,
    order: Order,
    query: &str,
    parameters: &[Bound<'py, PyAny>],
) -> PyResult<Selected<'py>> {
    let parameters = parameters.iter().map(parameter).collect::<PyResult<Vec<_>>>()?;
    let signal = Arc::new(Mutex::new(None));
    let seen = signal.clone();
    let interrupted = move || {
        let look = |py: Python<'_>| match py.check_signals() {
            Ok(()) => false,
            Err(error) => {
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                true
            }
        };
        // At the interpreter's end nobody waits for the rows.
        Python::try_attach(look).unwrap_or(true)
    };
    let selection = py.detach(|| reader.select(order, query, &parameters, interrupted));
    if let Some(error) = signal.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    let selection = selection.or_raise(py)?;
    let rows = PyList::empty(py);
    for row in selection.rows {
        let cells = row.into_iter().map(|value| cell(py, value)).collect::<PyResult<Vec<_>>>()?;
        rows.append(PyTuple::new(py, cells)?)?;
    }
    Ok((selection.columns, rows))
}

fn cell(py: Python<'_>, value: Value) -> PyResult<Bound<'_, PyAny>> {
    match value {
        Value::Null => Ok(py.None().into_bound(py)),
        Value::Integer(value) => value.into_bound_py_any(py),
        Value::Real(value) => value.into_bound_py_any(py),
        Value::Text(value) => value.into_bound_py_any(py),
        Value::Blob(value) => Ok(PyBytes::new(py, &value).into_any()),
    }
}

/// The bytes of a unitary: complex64 as it is, and anything else as complex128.
fn unitary(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let numpy = value.py().import("numpy")?;
    let array = numpy.call_method1("asarray", (value,))?;
    let narrow = array.getattr("dtype")?.eq("complex64")?;
    let array = match narrow {
        true => array,
        false => complex(&array, "an array that stands for a unitary")?.into_any(),
    };
    array.call_method0("tobytes")?.extract()
}

/// What stands for a `?`: None, a number, a text, bytes, or an array, which is a unitary.
fn parameter(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let py = value.py();
    if value.is_none() {
        return Ok(Value::Null);
    }
    if value.is_instance_of::<PyBool>() || value.is_instance_of::<PyInt>() {
        let too_large = |_| invalid(py, format!("SQLite has no integer as large as {value}"));
        return value.extract().map(Value::Integer).map_err(too_large);
    }
    if value.is_instance_of::<PyFloat>() {
        return Ok(Value::Real(value.extract()?));
    }
    if value.is_instance_of::<PyString>() {
        return Ok(Value::Text(value.extract()?));
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Value::Blob(bytes.as_bytes().to_vec()));
    }
    if value.hasattr("__array__")? {
        return match value.getattr("ndim")?.extract()? {
            0usize => parameter(&value.call_method0("item")?),
            _ => Ok(Value::Blob(unitary(value)?)),
        };
    }
    let class = value.get_type().name()?.to_string();
    Err(PyTypeError::new_err(format!(
        "a parameter is None, a number, a text, bytes or an array, not {class}"
    )))
}
