//! Labels, from Python to the library and back.

use crate::arguments::{class, each, encoded, shown, text};
use crate::errors::{invalid, unconverted, wrong_type};
use numpy::{PyArray1, PyArrayDescrMethods, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use qorpus::{Label, LabelColumn};
use std::collections::BTreeMap;

/// The labels of one record: numbers and texts; None is no label.
pub(crate) fn single(labels: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<(String, Label)>> {
    let Some(labels) = labels else { return Ok(Vec::new()) };
    let mut given = Vec::with_capacity(labels.len());
    for (name, value) in labels {
        if !value.is_none() {
            let name = text(&name, "the name of a label")?.to_owned();
            let label = label(&name, &value)?;
            given.push((name, label));
        }
    }
    Ok(given)
}

/// The labels of several records: a value for each; None is no label.
pub(crate) fn columns(labels: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<(String, LabelColumn)>> {
    let Some(labels) = labels else { return Ok(Vec::new()) };
    let mut given = Vec::with_capacity(labels.len());
    for (name, values) in labels {
        if !values.is_none() {
            let name = text(&name, "the name of a label")?.to_owned();
            let column = column(&name, &values)?;
            given.push((name, column));
        }
    }
    Ok(given)
}

fn label(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Label> {
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
    if value.hasattr("item")?
        && value.getattr("ndim").and_then(|ndim| ndim.extract::<usize>()).unwrap_or(0) == 0
    {
        let item = value.call_method0("item").map_err(|error| {
            let class = class(value);
            unconverted(value.py(), error, || format!("label '{name}' is a number or a text, not {class}"))
        })?;
        if [item.is_instance_of::<PyFloat>(), item.is_instance_of::<PyInt>()].contains(&true) {
            return label(name, &item);
        }
    }
    let class = class(value);
    Err(wrong_type(value.py(), format!("label '{name}' is a number or a text, not {class}")))
}

fn column(name: &str, values: &Bound<'_, PyAny>) -> PyResult<LabelColumn> {
    let py = values.py();
    let refused = |what: &str| {
        wrong_type(
            py,
            format!("label '{name}' needs a number for each record, or a text for each, not {what}"),
        )
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
            let text = format!(
                "label '{name}' is None for record {position} of those given: append records without it apart"
            );
            return Err(wrong_type(values.py(), text));
        }
        let label = label(name, &value)?;
        match &mut column {
            None => column = Some(label.into()),
            Some(column) => {
                column
                    .push(label)
                    .map_err(|reason| invalid(values.py(), format!("label '{name}' {reason}")))?;
            }
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
