//! Labels as people give them, as the library's.

use crate::errors::invalid;
use crate::options::class;
use numpy::{PyArray1, PyArrayDescrMethods, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};
use qorpus::{Label, LabelColumn};

/// The labels of one record: numbers and texts; None is no label.
pub(crate) fn single(labels: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<(String, Label)>> {
    let Some(labels) = labels else { return Ok(Vec::new()) };
    let mut given = Vec::with_capacity(labels.len());
    for (name, value) in labels {
        if !value.is_none() {
            let name: String = name.extract()?;
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
            let name: String = name.extract()?;
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
        return value.extract().map(Label::Integer).map_err(|_| too_large(name, value));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Label::Text(text.extract()?));
    }
    // NumPy's and PyTorch's scalars.
    if value.hasattr("item")?
        && value.getattr("ndim").and_then(|ndim| ndim.extract::<usize>()).unwrap_or(0) == 0
    {
        let item = value.call_method0("item")?;
        if [item.is_instance_of::<PyFloat>(), item.is_instance_of::<PyInt>()].contains(&true) {
            return label(name, &item);
        }
    }
    let class = class(value);
    Err(PyTypeError::new_err(format!("label '{name}' is a number or a text, not {class}")))
}

fn column(name: &str, values: &Bound<'_, PyAny>) -> PyResult<LabelColumn> {
    let py = values.py();
    let refused = |what: &str| {
        PyTypeError::new_err(format!(
            "label '{name}' needs a number for each record, or a text for each, not {what}"
        ))
    };
    // NumPy would make texts of numbers beside texts.
    if values.cast::<PyUntypedArray>().is_err()
        && let Ok(texts) = values.extract::<Vec<String>>()
        && !texts.is_empty()
    {
        return Ok(LabelColumn::Texts(texts));
    }
    let array = py.import("numpy")?.call_method1("asarray", (values,))?.cast_into::<PyUntypedArray>()?;
    if array.ndim() != 1 {
        return Err(refused(&match array.ndim() {
            0 => class(values),
            dimensions => format!("an array of {dimensions} dimensions"),
        }));
    }
    let given_array = values.is_instance_of::<PyUntypedArray>();
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
        b'U' | b'T' if given_array => Ok(LabelColumn::Texts(array.call_method0("tolist")?.extract()?)),
        b'O' => match array.call_method0("tolist")?.extract() {
            Ok(texts) => Ok(LabelColumn::Texts(texts)),
            Err(_) => Err(refused("a mixture")),
        },
        b'U' => Err(refused("a mixture")),
        _ => Err(refused(&format!("an array of {}", array.dtype()))),
    }
}

fn too_large(name: &str, value: impl std::fmt::Display) -> PyErr {
    Python::attach(|py| invalid(py, format!("label '{name}' is {value}, which has more than 64 bits")))
}
