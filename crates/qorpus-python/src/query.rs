//! SQL over records.

use crate::arguments::{class, each, encoded, is_binary, items, shown, text};
use crate::arrays::complex;
use crate::errors::{OrRaise, invalid, unconverted, wrong_type};
use crate::records::Records;
use crate::waiting;
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};
use qorpus::{Parameters, Value};

/// The names of the columns, and the rows as tuples.
type Selected<'py> = (Vec<String>, Bound<'py, PyList>);

/// Run one SELECT over the table `records`; return the names of the columns, and the rows.
///
/// A signal interrupts it.
#[pyfunction]
pub(crate) fn select<'py>(
    py: Python<'py>,
    records: &Records,
    query: &Bound<'py, PyAny>,
    parameters: &Bound<'py, PyAny>,
) -> PyResult<Selected<'py>> {
    let (reader, query) = (records.reader(py)?, text(query, "a query")?);
    let (order, parameters) = (records.order, parameters_of(parameters)?);
    let selection = py.detach(|| reader.select(order, query, parameters, waiting::stop)).or_raise(py)?;
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

/// Returns the bytes of a unitary: complex64 unchanged, anything else as complex128.
fn unitary(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let numpy = value.py().import("numpy")?;
    let array = numpy.call_method1("asarray", (value,)).map_err(|error| {
        unconverted(value.py(), error, || format!("a parameter of type {} is not an array", class(value)))
    })?;
    let narrow = array.getattr("dtype")?.eq("complex64")?;
    let what = "an array parameter (a unitary)";
    let array = if narrow { array } else { complex(&array, what)?.into_any() };
    array.call_method0("tobytes")?.extract()
}

/// The largest number of parameters of a query in SQLite.
const MAX_PARAMETERS: usize = 32_766;

/// Converts the values for the parameters of a query.
///
/// A sequence or a one-dimensional array has values for `?`, a mapping for `:name`. Other iterables
/// have no order or are a single value.
fn parameters_of(parameters: &Bound<'_, PyAny>) -> PyResult<Parameters> {
    let py = parameters.py();
    if let Some(items) = items(parameters)? {
        let item = |(name, value): &(Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            Ok((text(name, "the name of a parameter")?.to_owned(), parameter(value)?))
        };
        return items.iter().map(item).collect::<PyResult<_>>().map(Parameters::Named);
    }
    let sequence = py.import("collections.abc")?.getattr("Sequence")?;
    let several = match parameters.cast::<PyUntypedArray>() {
        Ok(array) => array.ndim() == 1,
        Err(_) => {
            parameters.is_instance(&sequence)?
                && !parameters.is_instance_of::<PyString>()
                && !is_binary(parameters)
        }
    };
    if !several {
        let wanted = "a list of values for ?, or a mapping from names to values for :name";
        return Err(wrong_type(py, format!("parameters must be {wanted}, not {}", class(parameters))));
    }
    let values = each(parameters)?.take(MAX_PARAMETERS + 1).map(|value| parameter(&value?));
    values.collect::<PyResult<_>>().map(Parameters::Ordered)
}

/// Converts the value of a parameter: None, a number, a string, bytes, or an array (a unitary).
fn parameter(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let py = value.py();
    if value.is_none() {
        return Ok(Value::Null);
    }
    if value.is_instance_of::<PyBool>() || value.is_instance_of::<PyInt>() {
        let text = || format!("the parameter {} does not fit in SQLite's 64-bit integers", shown(value));
        let too_large = |_| invalid(py, text());
        return value.extract().map(Value::Integer).map_err(too_large);
    }
    if value.is_instance_of::<PyFloat>() {
        return Ok(Value::Real(value.extract()?));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Value::Text(encoded(text, "a parameter")?.into()));
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Value::Blob(bytes.as_bytes().to_vec()));
    }
    if value.hasattr("__array__")? {
        let Ok(0usize) = value.getattr("ndim").and_then(|ndim| ndim.extract()) else {
            return Ok(Value::Blob(unitary(value)?));
        };
        let item = value.call_method0("item")?;
        // An array of objects may contain itself.
        if !item.hasattr("__array__")? {
            return parameter(&item);
        }
    }
    let expected = "None, a number, a string, bytes or an array";
    Err(wrong_type(py, format!("a parameter must be {expected}, not {}", class(value))))
}
