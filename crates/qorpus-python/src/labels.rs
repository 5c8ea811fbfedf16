//! Labels, from Python to the engine and back.

use crate::arguments::{class, each, encoded, shown, text};
use crate::errors::{invalid, unconverted, wrong_type};
use numpy::{PyArray1, PyArrayDescrMethods, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use qorpus::{Label, LabelColumn};
use std::collections::BTreeMap;

/// Returns the names of labels, and the values that `read` ([`label`] or [`column`]) converts. A
/// value of None is left out.
pub(crate) fn named<T>(
    labels: Option<&Bound<'_, PyDict>>,
    read: fn(&str, &Bound<'_, PyAny>) -> PyResult<T>,
) -> PyResult<(Vec<String>, Vec<T>)> {
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (name, value) in labels.into_iter().flatten() {
        if !value.is_none() {
            let name = text(&name, "the name of a label")?.to_owned();
            values.push(read(&name, &value)?);
            names.push(name);
        }
    }
    Ok((names, values))
}

/// Converts the label of one record: a number or a string.
pub(crate) fn label(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Label> {
    if value.is_instance_of::<PyFloat>() {
        return Ok(Label::Real(value.extract()?));
    }
    if value.is_instance_of::<PyBool>() {
        return Ok(Label::Integer(i64::from(value.is_truthy()?)));
    }
    if value.is_instance_of::<PyInt>() {
        return value.extract().map(Label::Integer).map_err(|_| too_large(name, shown(value)));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Label::Text(encoded(text, &format!("label '{name}'"))?.into()));
    }
    // NumPy's and PyTorch's scalars.
    let refused = || format!("label '{name}' must be a number or a string, not {}", class(value));
    if value.hasattr("item")?
        && value.getattr("ndim").and_then(|ndim| ndim.extract::<usize>()).unwrap_or(0) == 0
    {
        let item = value.call_method0("item").map_err(|error| unconverted(value.py(), error, refused))?;
        if item.is_instance_of::<PyFloat>() || item.is_instance_of::<PyInt>() {
            return label(name, &item);
        }
    }
    Err(wrong_type(value.py(), refused()))
}

/// Converts the labels of several records: a number for each, or a string for each.
pub(crate) fn column(name: &str, values: &Bound<'_, PyAny>) -> PyResult<LabelColumn> {
    let py = values.py();
    let refused = |what: &str| {
        let wanted = "a number for each record, or a string for each";
        wrong_type(py, format!("label '{name}' must have {wanted}, not {what}"))
    };
    // NumPy would turn numbers beside strings into strings, and large integers into floats.
    if values.is_instance_of::<PyList>() || values.is_instance_of::<PyTuple>() {
        return listed(name, values);
    }
    let array = py
        .import("numpy")?
        .call_method1("asarray", (values,))
        .map_err(|error| unconverted(py, error, || refused(&class(values)).value(py).to_string()))?
        .cast_into::<PyUntypedArray>()?;
    if array.ndim() != 1 {
        return Err(refused(&match array.ndim() {
            0 => class(values),
            dimensions => format!("an array with {dimensions} dimensions"),
        }));
    }
    let cast = |dtype: &str| array.call_method1("astype", (dtype,));
    match array.dtype().kind() {
        b'b' | b'i' => Ok(LabelColumn::Integers(cast("int64")?.cast::<PyArray1<i64>>()?.to_vec()?)),
        b'u' => {
            let numbers = cast("uint64")?.cast::<PyArray1<u64>>()?.to_vec()?;
            let number = |number: u64| i64::try_from(number).map_err(|_| too_large(name, number));
            Ok(LabelColumn::Integers(numbers.into_iter().map(number).collect::<PyResult<_>>()?))
        }
        b'f' if array.dtype().itemsize() <= 8 => {
            Ok(LabelColumn::Reals(cast("float64")?.cast::<PyArray1<f64>>()?.to_vec()?))
        }
        b'U' | b'T' | b'O' => listed(name, &array.call_method0("tolist")?),
        _ => Err(refused(&format!("an array of {}", array.dtype()))),
    }
}

/// Converts a list of labels, one per record.
fn listed(name: &str, values: &Bound<'_, PyAny>) -> PyResult<LabelColumn> {
    let mut column: Option<LabelColumn> = None;
    for (position, value) in each(values)?.enumerate() {
        let value = value?;
        if value.is_none() {
            let text = format!("record {position} of those given: label '{name}' is None");
            return Err(wrong_type(
                values.py(),
                text + "; append records without this label in another call",
            ));
        }
        let label = label(name, &value)?;
        match &mut column {
            None => column = Some(label.into()),
            Some(column) => column
                .push(label)
                .map_err(|reason| invalid(values.py(), format!("label '{name}' {reason}")))?,
        }
    }
    Ok(column.unwrap_or(LabelColumn::Integers(Vec::new())))
}

fn too_large(name: &str, value: impl std::fmt::Display) -> PyErr {
    let text = format!("label '{name}' is {value}, which does not fit in 64 bits; pass a float or a string");
    Python::attach(|py| invalid(py, text))
}

/// Converts labels to a dict.
pub(crate) fn dict<'py>(py: Python<'py>, labels: &BTreeMap<String, Label>) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, label) in labels {
        match label {
            Label::Integer(value) => dict.set_item(name, value)?,
            Label::Real(value) => dict.set_item(name, value)?,
            Label::Text(value) => dict.set_item(name, value)?,
        }
    }
    Ok(dict)
}
