//! Arguments as Rust's values. Whatever else is passed is refused with the argument's name by an exception of the package:
//! PyO3's own conversions, which raise plain exceptions, are for nothing that people pass.

use crate::errors::{invalid, unconverted, wrong_type};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyInt, PyIterator, PyList, PyMemoryView, PyString, PyTuple};
use std::path::PathBuf;

/// What a keyword means if it was given.
pub(crate) fn given<'a, 'py, T>(
    value: Option<&'a Bound<'py, PyAny>>,
    meaning: impl FnOnce(&'a Bound<'py, PyAny>) -> PyResult<T>,
) -> PyResult<Option<T>> {
    value.map(meaning).transpose()
}

/// A text.
pub(crate) fn text<'a>(value: &'a Bound<'_, PyAny>, name: &str) -> PyResult<&'a str> {
    match value.cast::<PyString>() {
        Ok(text) => encoded(text, name),
        Err(_) => Err(wrong_type(value.py(), format!("{name} is a text, not {}", class(value)))),
    }
}

/// The UTF-8 of a text, unless it has half a character (a lone surrogate), as of a file name that was decoded wrongly.
pub(crate) fn encoded<'a>(text: &'a Bound<'_, PyString>, name: &str) -> PyResult<&'a str> {
    let py = text.py();
    text.to_str().map_err(|error| {
        unconverted(py, error, || format!("{name} is not a text: it has half a character, a lone surrogate"))
    })
}

/// A truth value.
pub(crate) fn flag(value: &Bound<'_, PyAny>, name: &str) -> PyResult<bool> {
    value.extract().map_err(|error| {
        unconverted(value.py(), error, || format!("{name} is True or False, not {}", class(value)))
    })
}

/// A path.
pub(crate) fn path(value: &Bound<'_, PyAny>, name: &str) -> PyResult<PathBuf> {
    value.extract().map_err(|error| {
        unconverted(value.py(), error, || match value.is_instance_of::<PyString>() {
            true => format!("{name} is not a path: it has half a character, a lone surrogate"),
            false => format!("{name} is a path, as a text or a pathlib.Path, not {}", class(value)),
        })
    })
}

/// An integer that is not negative.
pub(crate) fn number<'py, T>(value: &Bound<'py, PyAny>, name: &str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    let py = value.py();
    value.extract::<T>().map_err(|error| match error.is_instance_of::<PyOverflowError>(py) {
        true => invalid(py, format!("{name} is {}; it must be 0 or more, and less than 2**64", shown(value))),
        false => unconverted(py, error, || format!("{name} is an integer, not {}", class(value))),
    })
}

/// A real number.
pub(crate) fn real(value: &Bound<'_, PyAny>, name: &str) -> PyResult<f64> {
    let py = value.py();
    value.extract().map_err(|error: PyErr| match error.is_instance_of::<PyOverflowError>(py) {
        true => invalid(py, format!("{name} is {}, too large to be a real number", shown(value))),
        false => unconverted(py, error, || format!("{name} is a number, not {}", class(value))),
    })
}

/// Numbers of records or places as the package's Python half hands them over.
pub(crate) fn int64s(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<i64>> {
    match value.cast::<PyArray1<i64>>() {
        Ok(array) => Ok(array.try_readonly()?.as_array().to_vec()),
        Err(_) => {
            let text = format!("{name} are an array of int64 in one dimension, not {}", class(value));
            Err(wrong_type(value.py(), text))
        }
    }
}

/// A count, which may also be a text such as "1M".
pub(crate) fn count(value: &Bound<'_, PyAny>, name: &str) -> PyResult<u64> {
    use crate::errors::OrRaise;
    match value.cast::<PyString>() {
        Ok(text) => qorpus::parse_count(encoded(text, name)?).or_raise(value.py()),
        Err(_) => number(value, name),
    }
}

/// Refuses what has no order, or whose items are not what is meant: a set has another order in each process, of a
/// mapping only keys would be taken, and of bytes numbers. What Python calls a set includes the keys and items of a dict.
pub(crate) fn ordered(value: &Bound<'_, PyAny>, name: &str) -> PyResult<()> {
    let py = value.py();
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        return Ok(());
    }
    let abstract_class = |name| py.import("collections.abc")?.getattr(name);
    if value.is_instance(&abstract_class("Set")?)? {
        let class = class(value);
        let text = format!("the order of {name} matters, and a {class} has none; pass a list");
        return Err(wrong_type(py, text));
    }
    if value.is_instance_of::<PyBytes>()
        || value.is_instance_of::<PyByteArray>()
        || value.is_instance_of::<PyMemoryView>()
        || value.is_instance(&abstract_class("Mapping")?)?
    {
        return Err(wrong_type(py, format!("{name} cannot be given as {}; pass a list", class(value))));
    }
    Ok(())
}

/// The items of something, one by one.
///
/// Python is not asked how many there may be: an iterator over a huge range answers with an exception that nobody could
/// be told of.
pub(crate) fn each<'py>(value: &Bound<'py, PyAny>) -> PyResult<Each<'py>> {
    value.try_iter().map(Each)
}

/// An iterator without a size hint.
pub(crate) struct Each<'py>(Bound<'py, PyIterator>);

impl<'py> Iterator for Each<'py> {
    type Item = PyResult<Bound<'py, PyAny>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// The name of a value's type.
pub(crate) fn class(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "another type".into(), |name| name.to_string())
}

/// A value in a message; of an integer with more digits than Python prints, how large it is.
pub(crate) fn shown(value: &Bound<'_, PyAny>) -> String {
    let bits = || value.call_method0("bit_length").and_then(|bits| bits.extract::<u64>());
    match value.is_instance_of::<PyInt>().then(bits) {
        Some(Ok(bits)) if bits > 256 => format!("an integer of {bits} bits"),
        _ => value.to_string(),
    }
}
