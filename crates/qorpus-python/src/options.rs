//! What people pass as options, as the library's. What they leave out stays the library's default.

use crate::arguments::{class, count, each, encoded, flag, given, number, ordered, path, real, text};
use crate::errors::{OrRaise, invalid, unconverted, wrong_type};
use numpy::{
    PyArrayDescr, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods,
    ToPyArray,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use qorpus::core::{Complex64, Gate};
use qorpus::{Dtype, Durability, GateOption, Gates, Part, RecipeOptions, WriterOptions};

/// The recipe that these options mean, as JSON.
#[pyfunction]
#[pyo3(signature = (*, gates=None, qubits=None, coupling=None, words=None, random=None, seed=None, length=None, dtype=None, unitaries=None))]
#[expect(clippy::too_many_arguments, reason = "they are Python's keywords")]
pub(crate) fn recipe(
    py: Python<'_>,
    gates: Option<&Bound<'_, PyAny>>,
    qubits: Option<&Bound<'_, PyAny>>,
    coupling: Option<&Bound<'_, PyAny>>,
    words: Option<&Bound<'_, PyAny>>,
    random: Option<&Bound<'_, PyAny>>,
    seed: Option<&Bound<'_, PyAny>>,
    length: Option<&Bound<'_, PyAny>>,
    dtype: Option<&Bound<'_, PyAny>>,
    unitaries: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let words = given(words, |value| flag(value, "words"))?;
    if words == Some(true) && (random.is_some() || seed.is_some()) {
        return Err(invalid(py, "words are all words: leave out random and seed, or words"));
    }
    let defaults = RecipeOptions::default();
    let options = RecipeOptions {
        gates: given(gates, gates_of)?.unwrap_or(defaults.gates),
        qubits: given(qubits, |value| number(value, "qubits"))?.unwrap_or(defaults.qubits),
        coupling: given(coupling, coupling_of)?.unwrap_or(defaults.coupling),
        words: words.unwrap_or(defaults.words),
        random: given(random, |value| count(value, "random"))?.unwrap_or(defaults.random),
        seed: given(seed, |value| number(value, "seed"))?.unwrap_or(defaults.seed),
        length: given(length, length_of)?.unwrap_or(defaults.length),
        dtype: given(dtype, dtype_of)?.unwrap_or(defaults.dtype),
        unitaries: given(unitaries, |value| flag(value, "unitaries"))?.unwrap_or(defaults.unitaries),
    };
    Ok(py.detach(|| options.recipe()).or_raise(py)?.to_json())
}

/// The options of a writer, without those that are given as texts and truth values.
pub(crate) fn writer_options(
    py: Python<'_>,
    gates: Option<&Bound<'_, PyAny>>,
    qubits: Option<&Bound<'_, PyAny>>,
    dtype: Option<&Bound<'_, PyAny>>,
    tolerance: Option<&Bound<'_, PyAny>>,
) -> PyResult<WriterOptions> {
    let defaults = WriterOptions::default();
    Ok(WriterOptions {
        gates: given(gates, gates_of)?,
        qubits: given(qubits, |value| number(value, "qubits"))?.unwrap_or(defaults.qubits),
        dtype: given(dtype, dtype_of)?.unwrap_or(defaults.dtype),
        tolerance: match given(tolerance, |value| real(value, "tolerance"))? {
            None => defaults.tolerance,
            Some(f64::INFINITY) => None,
            Some(tolerance) if tolerance >= 0.0 => Some(tolerance),
            Some(other) => return Err(invalid(py, format!("tolerance {other} is not 0 or more"))),
        },
        ..defaults
    })
}

fn length_of(value: &Bound<'_, PyAny>) -> PyResult<(usize, usize)> {
    if let Ok(text) = value.cast::<PyString>() {
        return qorpus::parse_length(encoded(text, "length")?).or_raise(value.py());
    }
    ordered(value, "length")?;
    if value.hasattr("__index__")? {
        return number(value, "length").map(|length| (length, length));
    }
    // Two are wanted, and there may be any number.
    match each(value).and_then(|items| items.take(3).collect::<PyResult<Vec<_>>>()).as_deref() {
        Ok([min, max]) => Ok((number(min, "length")?, number(max, "length")?)),
        _ => Err(wrong_type(value.py(), "length is a number of letters, or (shortest, longest)")),
    }
}

pub(crate) fn dtype_of(value: &Bound<'_, PyAny>) -> PyResult<Dtype> {
    let py = value.py();
    let dtype = py.import("numpy")?.call_method1("dtype", (value,)).map_err(|error| {
        let given = match value.cast::<PyString>() {
            Ok(text) => format!("'{}'", text.to_string_lossy()),
            Err(_) => class(value),
        };
        unconverted(py, error, || format!("dtype is complex128 or complex64, not {given}"))
    })?;
    let name: String = dtype.getattr("name")?.extract()?;
    match name.as_str() {
        "complex128" => Ok(Dtype::Complex128),
        "complex64" => Ok(Dtype::Complex64),
        other => Err(invalid(py, format!("dtype is complex128 or complex64, not {other}"))),
    }
}

/// Pairs of qubits, by name or one by one.
pub(crate) fn coupling_of(value: &Bound<'_, PyAny>) -> PyResult<String> {
    text(value, "coupling (\"all\", \"line\", \"ring\", or pairs such as \"0-1,1-2\")").map(Into::into)
}

pub(crate) fn durability_of(value: &Bound<'_, PyAny>) -> PyResult<Durability> {
    let py = value.py();
    match text(value, "durability")? {
        "full" => Ok(Durability::Full),
        "normal" => Ok(Durability::Normal),
        "off" => Ok(Durability::Off),
        other => Err(invalid(py, format!("durability '{other}' is none of 'full', 'normal', 'off'"))),
    }
}

/// A part written `"0/4"` or `(0, 4)`.
pub(crate) fn part_of(value: &Bound<'_, PyAny>) -> PyResult<Part> {
    if let Ok(text) = value.cast::<PyString>() {
        return encoded(text, "part")?.parse::<Part>().or_raise(value.py());
    }
    match value.cast::<PyTuple>().map(|part| part.iter().collect::<Vec<_>>()).as_deref() {
        Ok([index, of]) => Part::new(number(index, "part")?, number(of, "part")?).or_raise(value.py()),
        _ => Err(wrong_type(value.py(), "part is (index, parts), or a text such as \"0/4\"")),
    }
}

/// More gates than an alphabet has letters: of an endless iterator no more are asked for.
const MOST_GATES: usize = 1 << 16;

/// A gate set: a text, a file, a sequence of names and (name, matrix), or a mapping from names to matrices or None.
pub(crate) fn gates_of(value: &Bound<'_, PyAny>) -> PyResult<Gates> {
    let py = value.py();
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Gates::Text(encoded(text, "gates")?.into()));
    }
    if value.hasattr("__fspath__")? {
        return Ok(Gates::Text(path(value, "gates")?.display().to_string()));
    }
    let gate = |name: &Bound<'_, PyAny>, matrix: &Bound<'_, PyAny>| match matrix.is_none() {
        true => Ok(GateOption::Name(text(name, "the name of a gate")?.into())),
        false => matrix_of(text(name, "the name of a gate")?, matrix),
    };
    let gates = match items(value)? {
        Some(gates) => gates.iter().map(|(name, matrix)| gate(name, matrix)).collect(),
        None => {
            let refused = || {
                let text = "gates are a text, a sequence of names and (name, matrix), or a mapping of names to matrices";
                wrong_type(py, text)
            };
            ordered(value, "gates")?;
            let one = |item: Bound<'_, PyAny>| match item.cast::<PyString>() {
                Ok(name) => Ok(GateOption::Name(encoded(name, "the name of a gate")?.into())),
                Err(_) => match ordered(&item, "a gate and its matrix")
                    .and_then(|()| each(&item)?.take(3).collect::<PyResult<Vec<_>>>())
                    .as_deref()
                {
                    Ok([name, matrix]) if name.is_instance_of::<PyString>() => gate(name, matrix),
                    _ => Err(refused()),
                },
            };
            each(value)
                .map_err(|_| refused())?
                .take(MOST_GATES)
                .map(|item| one(item?))
                .collect::<PyResult<Vec<_>>>()
        }
    };
    Ok(Gates::List(gates?))
}

/// The items of a mapping, if it is one.
///
/// A cast to PyMapping asks the same question of `collections.abc`, which is Python and so can be interrupted; the cast
/// would report the KeyboardInterrupt on stderr and go on.
pub(crate) fn items<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Vec<Item<'py>>>> {
    let mapping = value.py().import("collections.abc")?.getattr("Mapping")?;
    if !value.is_instance_of::<PyDict>() && !value.is_instance(&mapping)? {
        return Ok(None);
    }
    let pair = |item: Bound<'py, PyAny>| Ok((item.get_item(0)?, item.get_item(1)?));
    each(&value.call_method0("items")?)?.map(|item| pair(item?)).collect::<PyResult<_>>().map(Some)
}

/// A key and its value.
type Item<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

pub(crate) fn matrix_of(name: &str, matrix: &Bound<'_, PyAny>) -> PyResult<GateOption> {
    let py = matrix.py();
    let array = complex(matrix, &format!("the matrix of gate '{name}'"))?;
    match *array.shape() {
        [rows, columns] if rows == columns && rows.is_power_of_two() => {
            Ok(GateOption::Matrix(name.into(), array.try_readonly()?.as_slice()?.to_vec()))
        }
        ref shape => {
            let text = format!(
                "the matrix of gate '{name}' has shape {}; it must be a square of 2, 4 or 8 rows",
                shape_text(shape)
            );
            Err(invalid(py, text))
        }
    }
}

/// Numbers as an array of complex128 in row-major order: what is converted is converted without loss.
pub(crate) fn complex<'py>(
    value: &Bound<'py, PyAny>,
    what: &str,
) -> PyResult<Bound<'py, PyArrayDyn<Complex64>>> {
    numbers(value, what).map(|(array, _)| array)
}

/// Numbers as complex128 without loss, and the dtype that they had.
pub(crate) fn numbers<'py>(
    value: &Bound<'py, PyAny>,
    what: &str,
) -> PyResult<(Bound<'py, PyArrayDyn<Complex64>>, Bound<'py, PyArrayDescr>)> {
    if let Ok(array) = value.cast::<PyArrayDyn<Complex64>>()
        && array.is_c_contiguous()
        && is_aligned(array)?
    {
        return Ok((array.clone(), array.dtype()));
    }
    let numpy = value.py().import("numpy")?;
    let array = numpy.call_method1("asarray", (value,)).map_err(|error| {
        // Such as that lists in it have other lengths, or that a tensor has to be detached first.
        let reason = error.value(value.py()).to_string();
        let text = || format!("{what} is not an array of numbers, but {}: {reason}", class(value));
        unconverted(value.py(), error, text)
    })?;
    let found = array.cast::<PyUntypedArray>()?.dtype();
    if !numpy.call_method1("can_cast", (&found, "complex128"))?.extract::<bool>()? {
        // NumPy makes an array of one object of what has no numbers.
        let text = match found.kind() == b'O' && !value.hasattr("dtype")? {
            true => format!("{what} is not an array of numbers, but {}", class(value)),
            false => format!(
                "{what} cannot be complex128 without loss: it is {found}; convert it, as with array.astype(complex)"
            ),
        };
        return Err(wrong_type(value.py(), text));
    }
    Ok((numpy.call_method1("require", (array, "complex128", "CA"))?.cast_into()?, found))
}

/// Whether its numbers stand where the processor wants them, which slices take for granted.
pub(crate) fn is_aligned(array: &Bound<'_, PyAny>) -> PyResult<bool> {
    array.getattr("flags")?.getattr("aligned")?.extract()
}

/// A shape as NumPy writes it.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        shape => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// The value of an angle such as "3*pi/4", in radians.
///
/// Raises:
///     ValueError: the text is no angle.
///
/// Examples:
///     >>> qorpus._qorpus.evaluate("3*pi/4")
///     2.356194490192345
#[pyfunction]
pub(crate) fn evaluate(py: Python<'_>, text: &Bound<'_, PyAny>) -> PyResult<f64> {
    let text = crate::arguments::text(text, "an angle")?;
    qorpus::core::evaluate(text).map_err(|reason| invalid(py, format!("'{text}': {reason}")))
}

/// The matrix of a standard gate, angles in its name: shape `(2**k, 2**k)`, complex128, first qubit most significant.
///
/// Raises:
///     ValueError: there is no such gate.
///
/// Examples:
///     >>> qorpus._qorpus.matrix("s").tolist()
///     [[(1+0j), 0j], [0j, 1j]]
#[pyfunction]
pub(crate) fn matrix<'py>(py: Python<'py>, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let gate = Gate::standard(text(name, "the name of a gate")?).or_raise(py)?;
    let dim = 1 << gate.qubits();
    Ok(gate.matrix().to_pyarray(py).reshape([dim, dim])?.into_any())
}
