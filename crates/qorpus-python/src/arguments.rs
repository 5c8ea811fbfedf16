//! Arguments as Rust values.
//!
//! Every function names the argument in the exceptions of the package that it raises. PyO3's own
//! conversions raise plain exceptions, so values from users never go through them.

use crate::errors::{OrRaise, invalid, unconverted, wrong_type};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyInt, PyIterator, PyList, PyMemoryView, PyString, PyTuple,
};
use std::path::PathBuf;

/// The error of a string that UTF-8 cannot encode.
const LONE_SURROGATE: &str = "contains a lone surrogate, which is not a character; pass valid Unicode";

/// Converts an argument that may be left out.
pub(crate) fn given<'a, 'py, T>(
    value: Option<&'a Bound<'py, PyAny>>,
    name: &str,
    meaning: impl FnOnce(&'a Bound<'py, PyAny>, &str) -> PyResult<T>,
) -> PyResult<Option<T>> {
    value.map(|value| meaning(value, name)).transpose()
}

/// Converts a string.
pub(crate) fn text<'a>(value: &'a Bound<'_, PyAny>, name: &str) -> PyResult<&'a str> {
    match value.cast::<PyString>() {
        Ok(text) => encoded(text, name),
        Err(_) => Err(wrong_type(value.py(), format!("{name} must be a string, not {}", class(value)))),
    }
}

/// Returns a string as UTF-8. A lone surrogate, as in a wrongly decoded file name, is refused.
pub(crate) fn encoded<'a>(text: &'a Bound<'_, PyString>, name: &str) -> PyResult<&'a str> {
    let py = text.py();
    text.to_str().map_err(|error| unconverted(py, error, || format!("{name} {LONE_SURROGATE}")))
}

/// Converts a truth value.
pub(crate) fn flag(value: &Bound<'_, PyAny>, name: &str) -> PyResult<bool> {
    value.extract().map_err(|error| {
        unconverted(value.py(), error, || format!("{name} must be True or False, not {}", class(value)))
    })
}

/// Converts a path.
pub(crate) fn path(value: &Bound<'_, PyAny>, name: &str) -> PyResult<PathBuf> {
    value.extract().map_err(|error| {
        unconverted(value.py(), error, || {
            if value.is_instance_of::<PyString>() {
                format!("{name} {LONE_SURROGATE}")
            } else {
                format!("{name} must be a str or os.PathLike, not {}", class(value))
            }
        })
    })
}

/// Converts a non-negative integer.
pub(crate) fn number<'py, T>(value: &Bound<'py, PyAny>, name: &str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    let py = value.py();
    value.extract::<T>().map_err(|error| {
        if error.is_instance_of::<PyOverflowError>(py) {
            invalid(py, format!("{name} is {}; it must be from 0 to 2**64 - 1", shown(value)))
        } else {
            unconverted(py, error, || format!("{name} must be an integer, not {}", class(value)))
        }
    })
}

/// Converts a real number.
pub(crate) fn real(value: &Bound<'_, PyAny>, name: &str) -> PyResult<f64> {
    let py = value.py();
    value.extract().map_err(|error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(py) {
            invalid(py, format!("{name} is {}, which is too large for a float", shown(value)))
        } else {
            unconverted(py, error, || format!("{name} must be a number, not {}", class(value)))
        }
    })
}

/// Converts paths of files, in order.
pub(crate) fn paths(files: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<PathBuf>> {
    ordered(files, name)?;
    let refused = |error| {
        let class = class(files);
        unconverted(files.py(), error, || format!("{name} must be a path or a list of paths, not {class}"))
    };
    each(files).map_err(refused)?.map(|file| path(&file?, "a path")).collect()
}

/// Converts ids or places, in the array that the package's Python half passes.
pub(crate) fn int64s(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<i64>> {
    match value.cast::<PyArray1<i64>>() {
        Ok(array) => Ok(array.try_readonly()?.as_array().to_vec()),
        Err(_) => {
            let text = format!("{name} must be a one-dimensional int64 array, not {}", class(value));
            Err(wrong_type(value.py(), text))
        }
    }
}

/// Converts a count: an integer, or a string such as "1M". Python's True is 1, but not a count.
pub(crate) fn count(value: &Bound<'_, PyAny>, name: &str) -> PyResult<u64> {
    if let Ok(text) = value.cast::<PyString>() {
        return qorpus::parse_count(encoded(text, name)?).or_raise(value.py());
    }
    if value.is_instance_of::<PyBool>() {
        let text = format!("{name} must be an integer or a string such as \"1M\", not {}", class(value));
        return Err(wrong_type(value.py(), text));
    }
    number(value, name)
}

/// Refuses the circuit of a record that has none.
pub(crate) fn require_circuit(circuit: &Bound<'_, PyAny>) -> PyResult<()> {
    if !circuit.is_none() {
        return Ok(());
    }
    let text =
        "a circuit must be a string or a sequence of letters, not None; Haar-random records have no circuit";
    Err(wrong_type(circuit.py(), text))
}

/// Raise an exception for a value without an order, or whose items are not its elements.
///
/// A set has another order in each process, a mapping would lose its values, and bytes would become
/// numbers. The keys and items of a dict count as sets.
#[pyfunction]
pub(crate) fn ordered(value: &Bound<'_, PyAny>, name: &str) -> PyResult<()> {
    let py = value.py();
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        return Ok(());
    }
    let abstract_class = |name| py.import("collections.abc")?.getattr(name);
    if value.is_instance(&abstract_class("Set")?)? {
        let text = format!("the order of {name} matters, and a {} has none; pass a list", class(value));
        return Err(wrong_type(py, text));
    }
    if is_binary(value) || value.is_instance(&abstract_class("Mapping")?)? {
        return Err(wrong_type(py, format!("{name} must be a sequence, not {}; pass a list", class(value))));
    }
    Ok(())
}

/// Returns whether a value is a sequence of bytes.
pub(crate) fn is_binary(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyBytes>()
        || value.is_instance_of::<PyByteArray>()
        || value.is_instance_of::<PyMemoryView>()
}

/// Iterates over a value without asking for a size hint.
///
/// An iterator over a huge range would answer that question with an exception that cannot be
/// raised.
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

/// Returns the items of a mapping, or `None` for another value.
///
/// A cast to `PyMapping` asks `collections.abc` as well. That is Python code, which a signal can
/// interrupt; the cast would print the KeyboardInterrupt and continue.
pub(crate) fn items<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Vec<Item<'py>>>> {
    let mapping = value.py().import("collections.abc")?.getattr("Mapping")?;
    if !value.is_instance_of::<PyDict>() && !value.is_instance(&mapping)? {
        return Ok(None);
    }
    let pair = |item: Bound<'py, PyAny>| Ok((item.get_item(0)?, item.get_item(1)?));
    each(&value.call_method0("items")?)?.map(|item| pair(item?)).collect::<PyResult<_>>().map(Some)
}

/// A key and its value.
pub(crate) type Item<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Returns the name of a value's type.
pub(crate) fn class(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "another type".into(), |name| name.to_string())
}

/// Formats a value for a message; for an integer with more digits than Python prints, its size.
pub(crate) fn shown(value: &Bound<'_, PyAny>) -> String {
    let bits = || value.call_method0("bit_length").and_then(|bits| bits.extract::<u64>());
    match value.is_instance_of::<PyInt>().then(bits) {
        Some(Ok(bits)) if bits > 256 => format!("an integer of {bits} bits"),
        _ => value.to_string(),
    }
}

/// The options of a call, by name. An option that is left out or None keeps the engine's default.
pub(crate) struct Options<'py>(Bound<'py, PyDict>);

impl<'py> Options<'py> {
    /// Returns the keywords of a call.
    pub(crate) fn new(py: Python<'py>, keywords: Option<&Bound<'py, PyDict>>) -> Options<'py> {
        Options(keywords.cloned().unwrap_or_else(|| PyDict::new(py)))
    }

    /// Adds a positional argument of the call.
    pub(crate) fn with(self, name: &str, value: Option<&Bound<'py, PyAny>>) -> PyResult<Options<'py>> {
        value.map_or(Ok(()), |value| self.0.set_item(name, value))?;
        Ok(self)
    }

    /// Returns whether an option was given and not taken yet.
    pub(crate) fn has(&self, name: &str) -> PyResult<bool> {
        Ok(self.0.get_item(name)?.is_some_and(|value| !value.is_none()))
    }

    /// Takes the option of this name, if it was given.
    pub(crate) fn take<T>(
        &self,
        name: &str,
        meaning: impl FnOnce(&Bound<'py, PyAny>, &str) -> PyResult<T>,
    ) -> PyResult<Option<T>> {
        let Some(value) = self.0.get_item(name)? else { return Ok(None) };
        self.0.del_item(name)?;
        if value.is_none() { Ok(None) } else { meaning(&value, name).map(Some) }
    }

    /// Refuses options that were not taken.
    pub(crate) fn finish(self, function: &str) -> PyResult<()> {
        match self.0.keys().iter().next() {
            None => Ok(()),
            Some(name) => {
                let text = format!("{function}() got an unexpected keyword argument '{name}'");
                Err(wrong_type(self.0.py(), text))
            }
        }
    }
}
