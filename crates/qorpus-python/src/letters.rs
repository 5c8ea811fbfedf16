//! Circuits, from every form of argument, as numbers of letters.

use crate::arguments::{class, each, encoded, ordered, require_circuit, shown};
use crate::arrays::{integers64, is_aligned, real_array, shape_text};
use crate::errors::{OrRaise, invalid, unconverted, wrong_type};
use numpy::{
    Element, PyArray2, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyList, PyString, PyTuple};
use qorpus::Circuits;
use qorpus::core::{Alphabet, Circuit, MAX_GATE_ANGLES, MAX_LENGTH};
use std::fmt::Display;

/// Appends one circuit to `letters`, and the angles that are written in it to `angles`.
///
/// A circuit is a string `"h 0; t 0"`, or a sequence of letters or their numbers.
pub(crate) fn circuit(
    alphabet: &Alphabet,
    circuit: &Bound<'_, PyAny>,
    letters: &mut Vec<u16>,
    angles: &mut Vec<f64>,
) -> PyResult<()> {
    let py = circuit.py();
    let mut push =
        |item: &Bound<'_, PyAny>| letter(alphabet, item, angles).map(|letter| letters.push(letter));
    if let Ok(list) = circuit.cast::<PyList>() {
        return list.iter().try_for_each(|item| push(&item));
    }
    if let Ok(tuple) = circuit.cast::<PyTuple>() {
        return tuple.iter().try_for_each(|item| push(&item));
    }
    if let Ok(text) = circuit.cast::<PyString>() {
        letters.extend(alphabet.circuit_at(encoded(text, "a circuit")?, angles).or_raise(py)?);
        return Ok(());
    }
    if let Some(array) = integers(circuit) {
        if array.ndim() != 1 {
            let text = format!("a circuit must have shape (letters,), not {}", shape_text(array.shape()));
            return Err(invalid(py, text));
        }
        let mut circuits = Circuits::default();
        rows(&array, &mut circuits)?;
        letters.extend(circuits.iter().flatten());
        return Ok(());
    }
    require_circuit(circuit)?;
    ordered(circuit, "a circuit")?;
    let refused = |error| {
        let class = class(circuit);
        unconverted(py, error, || {
            format!("a circuit must be a string, or a sequence of letters or their numbers, not {class}")
        })
    };
    // At most one more than the limit, which the writer refuses: the iterator may be infinite.
    each(circuit).map_err(refused)?.take(MAX_LENGTH + 1).try_for_each(|item| push(&item?))
}

/// Converts several circuits.
///
/// They are a sequence, or an array of letter numbers of shape (records, longest) padded with -1.
pub(crate) fn circuits(alphabet: &Alphabet, circuits: &Bound<'_, PyAny>) -> PyResult<Circuits> {
    let py = circuits.py();
    let mut all = Circuits::default();
    if let Some(array) = integers(circuits) {
        if array.ndim() != 2 {
            let text = format!(
                "an array of circuits must have shape (records, longest), not {}",
                shape_text(array.shape())
            );
            return Err(invalid(py, text));
        }
        rows(&array, &mut all)?;
        return Ok(all);
    }
    if circuits.is_instance_of::<PyString>() {
        return Err(wrong_type(py, "circuits must be a sequence of circuits, not one string; use append"));
    }
    ordered(circuits, "circuits")?;
    let expected = "circuits must be a sequence of circuits or an array of letter numbers";
    if circuits.is_none() {
        return Err(wrong_type(py, format!("{expected}, not None; Haar-random records have no circuits")));
    }
    let refused = |error| {
        let class = class(circuits);
        unconverted(py, error, || format!("{expected}, not {class}"))
    };
    let (mut letters, mut angles) = (Vec::new(), Vec::new());
    for (position, one) in each(circuits).map_err(refused)?.enumerate() {
        letters.clear();
        angles.clear();
        circuit(alphabet, &one?, &mut letters, &mut angles).map_err(|error| at(py, position, error))?;
        all.push_circuit(Circuit { letters: &letters, angles: &angles, drawn: None });
    }
    Ok(all)
}

/// Returns the circuits, in which no angle is written, with the angles of an array of shape
/// (records, at least longest, 3), where a letter has its free angles first.
pub(crate) fn with_angles(
    alphabet: &Alphabet,
    circuits: &Circuits,
    angles: &Bound<'_, PyAny>,
) -> PyResult<Circuits> {
    let py = angles.py();
    let array = real_array(angles, "angles")?;
    let array = array.try_readonly()?;
    let array = array.as_array();
    let (records, longest) = (circuits.len(), circuits.longest());
    if !matches!(*array.shape(), [given, letters, MAX_GATE_ANGLES] if given == records && letters >= longest)
    {
        let text = format!(
            "angles must have shape ({records}, {longest}, {MAX_GATE_ANGLES}), a row for each letter, not {}",
            shape_text(array.shape())
        );
        return Err(invalid(py, text));
    }
    if !circuits.all_angles().is_empty() {
        let text = "angles are given twice: in the text of letters, and as an array; give them once";
        return Err(invalid(py, text));
    }
    let (mut all, known) = (Circuits::default(), alphabet.letters().len());
    for (position, letters) in circuits.iter().enumerate() {
        // A letter that does not exist is refused by the writer.
        let free = |letter: u16| if usize::from(letter) < known { alphabet.free_angles(letter) } else { 0 };
        all.push(letters.iter().copied());
        let own = letters.iter().enumerate();
        all.push_angles(own.flat_map(|(place, &letter)| {
            let array = &array;
            (0..free(letter)).map(move |angle| array[[position, place, angle]])
        }));
    }
    Ok(all)
}

/// Adds the place of the record to an exception about it. Others, such as a KeyboardInterrupt, are
/// returned unchanged.
fn at(py: Python<'_>, position: usize, error: PyErr) -> PyErr {
    let text = |error: &PyErr| format!("record {position} of those given: {}", error.value(py));
    if error.is_instance_of::<PyTypeError>(py) {
        wrong_type(py, text(&error))
    } else if error.is_instance_of::<PyValueError>(py) {
        invalid(py, text(&error))
    } else {
        error
    }
}

fn letter(alphabet: &Alphabet, item: &Bound<'_, PyAny>, angles: &mut Vec<f64>) -> PyResult<u16> {
    if let Ok(text) = item.cast::<PyString>() {
        return alphabet.letter_at(encoded(text, "a letter")?, angles).or_raise(item.py());
    }
    let refused = || format!("a letter must be a string or a number, not {}", class(item));
    if item.is_instance_of::<PyInt>() || item.hasattr("__index__")? {
        return item.extract().map_err(|error: PyErr| {
            if error.is_instance_of::<PyOverflowError>(item.py()) {
                invalid(item.py(), unknown(shown(item)))
            } else {
                unconverted(item.py(), error, refused)
            }
        });
    }
    Err(wrong_type(item.py(), refused()))
}

fn unknown(letter: impl Display) -> String {
    format!("there is no letter {letter}; letters are numbered from 0")
}

/// Return rows of letter numbers as int64, padded with -1 to `longest` columns, and the length of each
/// circuit.
///
/// Examples:
///     >>> from qorpus._qorpus import padded
///     >>> padded(np.array([[2, 0], [1, -1]], np.int32), 3)
///     (array([[ 2,  0, -1],
///            [ 1, -1, -1]]), array([2, 1]))
#[pyfunction]
pub(crate) fn padded<'py>(
    py: Python<'py>,
    circuits: &Bound<'py, PyArray2<i32>>,
    longest: usize,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let circuits = circuits.try_readonly()?;
    let (count, width) = (circuits.shape()[0], circuits.shape()[1]);
    if width > longest {
        return Err(invalid(py, format!("circuits have {width} columns, more than longest={longest}")));
    }
    let letters = circuits.as_array();
    let letters = letters.as_standard_layout();
    let letters = letters.as_slice().unwrap_or_default();
    let rows = integers64(py, [count, longest], |rows| {
        for place in 0..count {
            let (row, padding) = rows[place * longest..][..longest].split_at_mut(width);
            let letters = &letters[place * width..][..width];
            row.iter_mut().zip(letters).for_each(|(entry, &letter)| *entry = letter.into());
            padding.fill(-1);
        }
    })?;
    let lengths = integers64(py, [count], |lengths| {
        for (place, length) in lengths.iter_mut().enumerate() {
            let letters = &letters[place * width..][..width];
            *length = letters.iter().map(|&letter| i64::from(letter >= 0)).sum();
        }
    })?;
    Ok((rows, lengths))
}

/// Returns a value as an array of integers, if it is one.
fn integers<'py>(value: &Bound<'py, PyAny>) -> Option<Bound<'py, PyUntypedArray>> {
    let array = value.cast::<PyUntypedArray>().ok()?;
    matches!(array.dtype().kind(), b'i' | b'u').then(|| array.clone())
}

/// Appends the rows of an array of integers, each up to its first -1.
fn rows(array: &Bound<'_, PyUntypedArray>, circuits: &mut Circuits) -> PyResult<()> {
    match (array.dtype().kind(), array.dtype().itemsize()) {
        (b'i', 4) => typed_rows::<i32>(array, circuits),
        (b'u', 2) => typed_rows::<u16>(array, circuits),
        (b'u', 8) => typed_rows::<u64>(array, circuits),
        _ => typed_rows::<i64>(array, circuits),
    }
}

fn typed_rows<T>(array: &Bound<'_, PyUntypedArray>, circuits: &mut Circuits) -> PyResult<()>
where
    T: Element + Copy + Display + TryInto<u16> + TryInto<i64>,
{
    let py = array.py();
    let array = match array.cast::<PyArrayDyn<T>>() {
        Ok(array) if is_aligned(array)? => array.clone(),
        _ => array.call_method1("astype", (numpy::dtype::<T>(py),))?.cast_into()?,
    };
    let array = array.try_readonly()?;
    let array = array.as_array();
    for (position, row) in array.rows().into_iter().enumerate() {
        let end = row.iter().position(|&number| matches!(number.try_into(), Ok(-1i64))).unwrap_or(row.len());
        let mut wrong = None;
        circuits.push(row.iter().take(end).map(|&number| {
            number.try_into().unwrap_or_else(|_| {
                wrong.get_or_insert(number);
                u16::MAX
            })
        }));
        if let Some(number) = wrong {
            return Err(at(py, position, invalid(py, unknown(number))));
        }
        if row.iter().skip(end).any(|&number| !matches!(number.try_into(), Ok(-1i64))) {
            let text = "its circuit has a letter after a -1; -1 is only for padding at the end";
            return Err(at(py, position, invalid(py, text)));
        }
    }
    Ok(())
}
