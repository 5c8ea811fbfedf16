//! Options as the library's. One that is left out keeps the library's default.

use crate::arguments::{
    Options, class, count, each, encoded, flag, items, number, ordered, path, real, text,
};
use crate::arrays::{complex, shape_text};
use crate::errors::{OrRaise, invalid, unconverted, wrong_type};
use numpy::{PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use qorpus::{
    DistinctOptions, Dtype, Durability, EnumerateOptions, Equivalence, GateOption, Gates, GenerateOptions,
    Order, PairCheck, Part, RecipeOptions, WriterOptions,
};
use qorpus_cli::names::{DTYPES, DURABILITIES, Names, ORDERS, UP_TO, named};

/// Returns the recipe of these options as JSON.
#[pyfunction]
#[pyo3(signature = (**options))]
pub(crate) fn recipe(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<String> {
    let given = Options::new(py, options);
    let words = given.take("words", flag)?;
    if words == Some(true) && (given.has("random")? || given.has("seed")?) {
        return Err(invalid(py, "words are all words: leave out random and seed, or words"));
    }
    let defaults = RecipeOptions::default();
    let options = RecipeOptions {
        gates: given.take("gates", gates)?.unwrap_or(defaults.gates),
        qubits: given.take("qubits", number)?.unwrap_or(defaults.qubits),
        coupling: given.take("coupling", coupling)?.unwrap_or(defaults.coupling),
        words: words.unwrap_or(defaults.words),
        random: given.take("random", count)?.unwrap_or(defaults.random),
        seed: given.take("seed", number)?.unwrap_or(defaults.seed),
        length: given.take("length", length)?.unwrap_or(defaults.length),
        dtype: given.take("dtype", dtype)?.unwrap_or(defaults.dtype),
        unitaries: given.take("unitaries", flag)?.unwrap_or(defaults.unitaries),
    };
    given.finish("recipe")?;
    Ok(py.detach(|| options.recipe()).or_raise(py)?.to_json())
}

/// Returns the recipe of an enumeration with these options as JSON.
#[pyfunction]
#[pyo3(signature = (**options))]
pub(crate) fn distinct_recipe(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<String> {
    let given = Options::new(py, options);
    let defaults = DistinctOptions::default();
    let options = DistinctOptions {
        gates: given.take("gates", gates)?.unwrap_or(defaults.gates),
        qubits: given.take("qubits", number)?.unwrap_or(defaults.qubits),
        coupling: given.take("coupling", coupling)?.unwrap_or(defaults.coupling),
        max_length: given.take("max_length", number)?,
        cost: given.take("cost", cost)?,
        max_cost: given.take("max_cost", number)?,
        up_to: given.take("up_to", up_to)?.unwrap_or(defaults.up_to),
        dtype: given.take("dtype", dtype)?.unwrap_or(defaults.dtype),
    };
    given.finish("distinct")?;
    Ok(py.detach(|| options.recipe()).or_raise(py)?.to_json())
}

/// The options of a generation.
pub(crate) fn generate_options(given: &Options<'_>) -> PyResult<GenerateOptions> {
    Ok(GenerateOptions {
        jobs: given.take("jobs", number)?,
        part: given.take("part", part)?.unwrap_or_default(),
        durability: given.take("durability", durability)?.unwrap_or_default(),
        shard: given.take("shard", count)?,
        stage: given.take("stage", path)?,
        force: given.take("force", flag)?.unwrap_or_default(),
    })
}

/// The options of an enumeration.
pub(crate) fn enumerate_options(given: &Options<'_>) -> PyResult<EnumerateOptions> {
    Ok(EnumerateOptions {
        memory: given.take("memory", count)?,
        jobs: given.take("jobs", number)?,
        durability: given.take("durability", durability)?.unwrap_or_default(),
    })
}

/// The options of a writer.
pub(crate) fn writer_options(given: &Options<'_>) -> PyResult<WriterOptions> {
    let defaults = WriterOptions::default();
    Ok(WriterOptions {
        gates: given.take("gates", gates)?,
        qubits: given.take("qubits", number)?.unwrap_or(defaults.qubits),
        coupling: given.take("coupling", coupling)?.unwrap_or(defaults.coupling),
        dtype: given.take("dtype", dtype)?.unwrap_or(defaults.dtype),
        unitaries: given.take("unitaries", flag)?.unwrap_or(defaults.unitaries),
        tolerance: given.take("tolerance", tolerance)?.unwrap_or(defaults.tolerance),
        order: given.take("order", order)?.unwrap_or(defaults.order),
        check: given
            .take("check", |value, name| text(value, name)?.parse::<PairCheck>().or_raise(value.py()))?
            .unwrap_or(defaults.check),
        durability: given.take("durability", durability)?.unwrap_or(defaults.durability),
    })
}

/// The distance from unitarity that is accepted; any, if infinite.
fn tolerance(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Option<f64>> {
    match real(value, name)? {
        f64::INFINITY => Ok(None),
        tolerance if tolerance >= 0.0 => Ok(Some(tolerance)),
        other => Err(invalid(value.py(), format!("{name} {other} is not 0 or more"))),
    }
}

/// Costs as a text, or as a mapping from gates to numbers.
fn cost(value: &Bound<'_, PyAny>, name: &str) -> PyResult<String> {
    let Some(costs) = items(value)? else {
        let name = format!("{name} (such as \"t=1\", or a mapping of gates to numbers)");
        return text(value, &name).map(Into::into);
    };
    let item = |(name, cost): &(Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        Ok(format!("{}={}", text(name, "the name of a gate")?, number::<u64>(cost, "a cost")?))
    };
    Ok(costs.iter().map(item).collect::<PyResult<Vec<_>>>()?.join(","))
}

/// Lengths as a text `"5..15"`, as a number, or as the shortest and the longest.
fn length(value: &Bound<'_, PyAny>, name: &str) -> PyResult<(usize, usize)> {
    if let Ok(text) = value.cast::<PyString>() {
        return qorpus::parse_length(encoded(text, name)?).or_raise(value.py());
    }
    ordered(value, name)?;
    if value.hasattr("__index__")? {
        return number(value, name).map(|length| (length, length));
    }
    // Two are wanted, and there may be any number.
    match each(value).and_then(|items| items.take(3).collect::<PyResult<Vec<_>>>()).as_deref() {
        Ok([min, max]) => Ok((number(min, name)?, number(max, name)?)),
        _ => Err(wrong_type(value.py(), format!("{name} is a number of letters, or (shortest, longest)"))),
    }
}

/// The type of the unitaries' entries, as anything that NumPy takes for a dtype.
fn dtype(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Dtype> {
    let py = value.py();
    let refused = |given: &str| format!("{name} is complex128 or complex64, not {given}");
    let dtype = py.import("numpy")?.call_method1("dtype", (value,)).map_err(|error| {
        let given = match value.cast::<PyString>() {
            Ok(text) => format!("'{}'", text.to_string_lossy()),
            Err(_) => class(value),
        };
        unconverted(py, error, || refused(&given))
    })?;
    let found: String = dtype.getattr("name")?.extract()?;
    named(DTYPES, &found).ok_or_else(|| invalid(py, refused(&found)))
}

/// Pairs of qubits, by name or one by one.
fn coupling(value: &Bound<'_, PyAny>, name: &str) -> PyResult<String> {
    let name = format!("{name} (\"all\", \"line\", \"ring\", or pairs such as \"0-1,1-2\")");
    text(value, &name).map(Into::into)
}

/// One of a few values, by its name.
fn one_of<T: Copy>(
    value: &Bound<'_, PyAny>,
    name: &str,
    names: Names<T>,
    refused: impl FnOnce(&str) -> String,
) -> PyResult<T> {
    let text = text(value, name)?;
    named(names, text).ok_or_else(|| invalid(value.py(), refused(text)))
}

pub(crate) fn order(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Order> {
    one_of(value, name, ORDERS, |other| format!("{name} '{other}' is neither 'big' nor 'little'"))
}

pub(crate) fn durability(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Durability> {
    one_of(value, name, DURABILITIES, |other| format!("{name} '{other}' is none of 'full', 'normal', 'off'"))
}

fn up_to(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Equivalence> {
    one_of(value, name, UP_TO, |other| format!("{name} is 'phase' or 'nothing', not '{other}'"))
}

/// A part written `"0/4"` or `(0, 4)`.
fn part(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Part> {
    if let Ok(text) = value.cast::<PyString>() {
        return encoded(text, name)?.parse::<Part>().or_raise(value.py());
    }
    match value.cast::<PyTuple>().map(|part| part.iter().collect::<Vec<_>>()).as_deref() {
        Ok([index, of]) => Part::new(number(index, name)?, number(of, name)?).or_raise(value.py()),
        _ => Err(wrong_type(value.py(), format!("{name} is (index, parts), or a text such as \"0/4\""))),
    }
}

/// More gates than an alphabet has letters: of an endless iterator no more are asked for.
const MAX_GATES: usize = 1 << 16;

/// A gate set: a text, a file, a sequence of names and (name, matrix), or a mapping from names to
/// matrices or None.
fn gates(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Gates> {
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Gates::Text(encoded(text, name)?.into()));
    }
    if value.hasattr("__fspath__")? {
        return Ok(Gates::Text(path(value, name)?.display().to_string()));
    }
    if let Some(gates) = items(value)? {
        let gates = gates.iter().map(|(name, matrix)| gate(name, matrix));
        return gates.collect::<PyResult<_>>().map(Gates::List);
    }
    let refused = || {
        let text = "are a text, a sequence of names and (name, matrix), or a mapping of names to matrices";
        wrong_type(value.py(), format!("{name} {text}"))
    };
    ordered(value, name)?;
    let listed = |item: Bound<'_, PyAny>| {
        if let Ok(name) = item.cast::<PyString>() {
            return Ok(GateOption::Name(encoded(name, "the name of a gate")?.into()));
        }
        let pair = ordered(&item, "a gate and its matrix")
            .and_then(|()| each(&item)?.take(3).collect::<PyResult<Vec<_>>>());
        match pair.as_deref() {
            Ok([name, matrix]) if name.is_instance_of::<PyString>() => gate(name, matrix),
            _ => Err(refused()),
        }
    };
    let gates = each(value).map_err(|_| refused())?.take(MAX_GATES).map(|item| listed(item?));
    gates.collect::<PyResult<_>>().map(Gates::List)
}

/// A gate by its name, with its matrix unless that is None.
fn gate(name: &Bound<'_, PyAny>, matrix: &Bound<'_, PyAny>) -> PyResult<GateOption> {
    let name = text(name, "the name of a gate")?;
    if matrix.is_none() { Ok(GateOption::Name(name.into())) } else { matrix_of(name, matrix) }
}

/// A gate with a matrix of its own.
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
