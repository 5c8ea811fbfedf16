//! Labels, from Python to the library and back.

use crate::arguments::{class, each, encoded, shown, text};
use crate::errors::{invalid, unconverted, wrong_type};
use numpy::{PyArray1, PyArrayDescrMethods, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use qorpus::{Label, LabelColumn};
use std::collections::BTreeMap;

/// Returns the names of labels, and for each the value as `read` converts it: [`label`] or
/// [`column`]. A value of None is left out.
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

/// The label of one record: a number or a text.
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
    let refused = || format!("label '{name}' is a number or a text, not {}", class(value));
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

/// The labels of several records: a number for each, or a text for each.
pub(crate) fn column(name: &str, values: &Bound<'_, PyAny>) -> PyResult<LabelColumn> {
    let py = values.py();
    let refused = |what: &str| {
        let wanted = "a number for each record, or a text for each";
        wrong_type(py, format!("label '{name}' needs {wanted}, not {what}"))
    };
    // NumPy would make texts of numbers beside texts, and reals of integers too large for it.
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
            dimensions => format!("an array of {dimensions} dimensions"),
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

/// A list of labels, one a record.
fn listed(name: &str, values: &Bound<'_, PyAny>) -> PyResult<LabelColumn> {
    let mut column: Option<LabelColumn> = None;
    for (position, value) in each(values)?.enumerate() {
        let value = value?;
        if value.is_none() {
            let text = format!("label '{name}' is None for record {position} of those given");
            return Err(wrong_type(values.py(), text + ": append records without it apart"));
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
    Python::attach(|py| invalid(py, format!("label '{name}' is {value}, which has more than 64 bits")))
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
