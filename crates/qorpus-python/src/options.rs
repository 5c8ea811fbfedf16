//! Options, converted to the engine's. An option that is left out keeps the engine's default.

use crate::arguments::{
    Options, class, count, each, encoded, flag, items, number, ordered, path, real, text,
};
use crate::arrays::{complex, shape_text};
use crate::errors::{OrRaise, invalid, unconverted, wrong_type};
use numpy::{PyArrayMethods, PyUntypedArrayMethods};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use qorpus::{
    DEFAULT_COUPLING, DEFAULT_QUBITS, DistinctOptions, Dtype, Durability, EnumerateOptions, Equivalence,
    GateOption, Gates, GenerateOptions, Order, PairCheck, Part, RecipeOptions, Remote, WriterOptions,
};
use qorpus_cli::names::{DTYPES, DURABILITIES, Names, ORDERS, UP_TO, name_of, named};

/// Return the recipe of these options as JSON.
#[pyfunction]
#[pyo3(signature = (**options))]
pub(crate) fn recipe(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<String> {
    let given = Options::new(py, options);
    let words = given.take("words", flag)?;
    exclude(py, &given, words == Some(true))?;
    let defaults = RecipeOptions::default();
    let options = RecipeOptions {
        gates: given.take("gates", gates)?,
        qubits: given.take("qubits", number)?,
        coupling: given.take("coupling", coupling)?,
        letters: given.take("letters", letters)?,
        words: words.unwrap_or(defaults.words),
        random: given.take("random", count)?.unwrap_or(defaults.random),
        cliffords: given.take("cliffords", count)?,
        haar: given.take("haar", count)?,
        seed: given.take("seed", number)?.unwrap_or(defaults.seed),
        weights: given.take("weights", weights)?,
        exactly: given.take("exactly", exactly)?,
        no_cancelling: given.take("no_cancelling", flag)?.unwrap_or(defaults.no_cancelling),
        length: given.take("length", length)?.unwrap_or(defaults.length),
        dtype: given.take("dtype", dtype)?.unwrap_or(defaults.dtype),
        unitaries: given.take("unitaries", flag)?.unwrap_or(defaults.unitaries),
    };
    given.finish("recipe")?;
    Ok(py.detach(|| options.recipe()).or_raise(py)?.to_json())
}

/// Refuses options that exclude each other, even if one has its default value, which the engine
/// cannot distinguish from an option that is left out.
fn exclude(py: Python<'_>, given: &Options<'_>, words: bool) -> PyResult<()> {
    for name in ["random", "seed", "weights", "exactly"] {
        if words && given.has(name)? {
            let text = format!("{name} is for random circuits, but words is True: leave out {name} or words");
            return Err(invalid(py, text));
        }
    }
    for (name, made, circuits) in [
        ("cliffords", "uniformly random Clifford operators", "each has a short circuit"),
        ("haar", "Haar-random unitaries", "they have no circuits"),
    ] {
        if given.has(name)? && given.has("random")? {
            let text = format!("{name} makes {made} instead of random circuits: leave out random, or {name}");
            return Err(invalid(py, text));
        }
        if given.has(name)? && given.has("length")? {
            return Err(invalid(py, format!("{name} makes {made}: {circuits}; leave out length")));
        }
    }
    Ok(())
}

/// Return the recipe of an enumeration with these options as JSON.
#[pyfunction]
#[pyo3(signature = (**options))]
pub(crate) fn distinct_recipe(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<String> {
    let given = Options::new(py, options);
    let defaults = DistinctOptions::default();
    let options = DistinctOptions {
        gates: given.take("gates", gates)?,
        qubits: given.take("qubits", number)?,
        coupling: given.take("coupling", coupling)?,
        letters: given.take("letters", letters)?,
        max_length: given.take("max_length", number)?,
        cost: given.take("cost", cost)?,
        max_cost: given.take("max_cost", number)?,
        up_to: given.take("up_to", up_to)?.unwrap_or(defaults.up_to),
        dtype: given.take("dtype", dtype)?.unwrap_or(defaults.dtype),
    };
    given.finish("distinct")?;
    Ok(py.detach(|| options.recipe()).or_raise(py)?.to_json())
}

/// Return the engine's default of every option, by the function or class that takes it.
///
/// Signatures of the package repeat these defaults for help() and the documentation; a test compares
/// them. None stands for a default that depends on the machine or on other options.
#[pyfunction]
pub(crate) fn defaults(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let recipe = RecipeOptions::default();
    let distinct = DistinctOptions::default();
    let GenerateOptions { jobs, part, durability, shard, stage, force } = GenerateOptions::default();
    let enumerate = EnumerateOptions::default();
    let writer = WriterOptions::default();
    let is_default = |check: &&str| check.parse::<PairCheck>().ok() == Some(writer.check);
    let check = ["phase", "exact", "none"].into_iter().find(is_default);
    let all = PyDict::new(py);
    let add = |name: &str, defaults: &[(&str, Bound<'_, PyAny>)]| {
        let dict = PyDict::new(py);
        defaults.iter().try_for_each(|(option, value)| dict.set_item(*option, value))?;
        all.set_item(name, dict)
    };
    add(
        "Recipe",
        &[
            ("gates", Gates::default().to_string().into_bound_py_any(py)?),
            ("qubits", DEFAULT_QUBITS.into_bound_py_any(py)?),
            ("coupling", DEFAULT_COUPLING.into_bound_py_any(py)?),
            ("letters", recipe.letters.into_bound_py_any(py)?),
            ("words", recipe.words.into_bound_py_any(py)?),
            ("random", recipe.random.into_bound_py_any(py)?),
            ("cliffords", recipe.cliffords.into_bound_py_any(py)?),
            ("haar", recipe.haar.into_bound_py_any(py)?),
            ("seed", recipe.seed.into_bound_py_any(py)?),
            ("weights", recipe.weights.into_bound_py_any(py)?),
            ("exactly", recipe.exactly.into_bound_py_any(py)?),
            ("no_cancelling", recipe.no_cancelling.into_bound_py_any(py)?),
            ("length", recipe.length.into_bound_py_any(py)?),
            ("dtype", name_of(DTYPES, recipe.dtype).into_bound_py_any(py)?),
            ("unitaries", recipe.unitaries.into_bound_py_any(py)?),
        ],
    )?;
    add(
        "generate",
        &[
            ("jobs", jobs.into_bound_py_any(py)?),
            ("part", (part != Part::default()).then(|| part.to_string()).into_bound_py_any(py)?),
            ("durability", name_of(DURABILITIES, durability).into_bound_py_any(py)?),
            ("shard", shard.into_bound_py_any(py)?),
            ("stage", stage.into_bound_py_any(py)?),
            ("force", force.into_bound_py_any(py)?),
        ],
    )?;
    add(
        "distinct",
        &[
            ("gates", Gates::default().to_string().into_bound_py_any(py)?),
            ("qubits", DEFAULT_QUBITS.into_bound_py_any(py)?),
            ("coupling", DEFAULT_COUPLING.into_bound_py_any(py)?),
            ("letters", distinct.letters.into_bound_py_any(py)?),
            ("max_length", distinct.max_length.into_bound_py_any(py)?),
            ("cost", distinct.cost.into_bound_py_any(py)?),
            ("max_cost", distinct.max_cost.into_bound_py_any(py)?),
            ("up_to", name_of(UP_TO, distinct.up_to).into_bound_py_any(py)?),
            ("dtype", name_of(DTYPES, distinct.dtype).into_bound_py_any(py)?),
            ("memory", enumerate.memory.into_bound_py_any(py)?),
            ("jobs", enumerate.jobs.into_bound_py_any(py)?),
            ("durability", name_of(DURABILITIES, enumerate.durability).into_bound_py_any(py)?),
            ("alone", Remote::LOCAL_THRESHOLD.into_bound_py_any(py)?),
        ],
    )?;
    add(
        "Writer",
        &[
            ("gates", writer.gates.map(|gates| gates.to_string()).into_bound_py_any(py)?),
            ("qubits", DEFAULT_QUBITS.into_bound_py_any(py)?),
            ("coupling", DEFAULT_COUPLING.into_bound_py_any(py)?),
            ("letters", writer.letters.into_bound_py_any(py)?),
            ("dtype", name_of(DTYPES, writer.dtype).into_bound_py_any(py)?),
            ("unitaries", writer.unitaries.into_bound_py_any(py)?),
            ("tolerance", writer.tolerance.into_bound_py_any(py)?),
            ("order", name_of(ORDERS, writer.order).into_bound_py_any(py)?),
            ("check", check.into_bound_py_any(py)?),
            ("durability", name_of(DURABILITIES, writer.durability).into_bound_py_any(py)?),
        ],
    )?;
    Ok(all)
}

/// Converts the options of a generation.
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

/// Converts the options of an enumeration.
pub(crate) fn enumerate_options(given: &Options<'_>) -> PyResult<EnumerateOptions> {
    Ok(EnumerateOptions {
        memory: given.take("memory", count)?,
        jobs: given.take("jobs", number)?,
        durability: given.take("durability", durability)?.unwrap_or_default(),
    })
}

/// Converts the options of a writer.
pub(crate) fn writer_options(given: &Options<'_>) -> PyResult<WriterOptions> {
    let defaults = WriterOptions::default();
    Ok(WriterOptions {
        gates: given.take("gates", gates)?,
        qubits: given.take("qubits", number)?,
        coupling: given.take("coupling", coupling)?,
        letters: given.take("letters", letters)?,
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

/// Converts the accepted distance from unitarity; infinity accepts any.
fn tolerance(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Option<f64>> {
    match real(value, name)? {
        f64::INFINITY => Ok(None),
        tolerance if tolerance >= 0.0 => Ok(Some(tolerance)),
        other => {
            let text = format!("{name} is {other}; it must be 0 or more, or math.inf to accept any");
            Err(invalid(value.py(), text))
        }
    }
}

fn weights(value: &Bound<'_, PyAny>, name: &str) -> PyResult<String> {
    by_gate(value, name, "t=0.5", |weight, name| Ok(real(weight, name)?.to_string()))
}

fn exactly(value: &Bound<'_, PyAny>, name: &str) -> PyResult<String> {
    by_gate(value, name, "cx=3", |count, name| Ok(number::<u64>(count, name)?.to_string()))
}

fn cost(value: &Bound<'_, PyAny>, name: &str) -> PyResult<String> {
    by_gate(value, name, "t=1", |cost, name| Ok(number::<u64>(cost, name)?.to_string()))
}

/// Converts values by gate: a string, or a mapping from gates to numbers.
fn by_gate(
    value: &Bound<'_, PyAny>,
    name: &str,
    example: &str,
    convert: impl Fn(&Bound<'_, PyAny>, &str) -> PyResult<String>,
) -> PyResult<String> {
    let Some(values) = items(value)? else {
        let name = format!("{name} (such as \"{example}\", or a mapping from gates to numbers)");
        return text(value, &name).map(Into::into);
    };
    let item = |(gate, value): &(Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let gate = text(gate, "the name of a gate")?;
        Ok(format!("{gate}={}", convert(value, &format!("{name} of '{gate}'"))?))
    };
    Ok(values.iter().map(item).collect::<PyResult<Vec<_>>>()?.join(","))
}

/// Converts lengths: a string `"5..15"`, a number, or a pair (shortest, longest).
pub(crate) fn length(value: &Bound<'_, PyAny>, name: &str) -> PyResult<(usize, usize)> {
    if let Ok(text) = value.cast::<PyString>() {
        return qorpus::parse_length(encoded(text, name)?).or_raise(value.py());
    }
    ordered(value, name)?;
    if value.hasattr("__index__")? {
        return number(value, name).map(|length| (length, length));
    }
    // Two are expected, but the iterator may be infinite.
    match each(value).and_then(|items| items.take(3).collect::<PyResult<Vec<_>>>()).as_deref() {
        Ok([min, max]) => Ok((number(min, name)?, number(max, name)?)),
        _ => {
            let text = format!("{name} must be a number of letters, or (shortest, longest)");
            Err(wrong_type(value.py(), text))
        }
    }
}

/// Converts the dtype of unitaries, in any form that NumPy accepts.
fn dtype(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Dtype> {
    let py = value.py();
    let refused = |given: &str| format!("{name} must be complex128 or complex64, not {given}");
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

/// Converts a coupling.
pub(crate) fn coupling(value: &Bound<'_, PyAny>, name: &str) -> PyResult<String> {
    let name = format!("{name} (\"all\", \"line\", \"ring\", or pairs such as \"0-1,1-2\")");
    text(value, &name).map(Into::into)
}

/// The largest number of letters that are read, because the iterator may be infinite. An alphabet
/// has fewer.
const MAX_LETTERS: usize = 1 << 16;

/// Converts the letters of an alphabet: one string "h 0; cx 0 1", or a sequence of letters.
pub(crate) fn letters(value: &Bound<'_, PyAny>, name: &str) -> PyResult<String> {
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(encoded(text, name)?.into());
    }
    ordered(value, name)?;
    let refused = |error| {
        let class = class(value);
        unconverted(value.py(), error, || {
            format!("{name} must be a string such as \"h 0; cx 0 1\" or a sequence of letters, not {class}")
        })
    };
    let letters = each(value).map_err(refused)?.take(MAX_LETTERS);
    let letters = letters.map(|item| text(&item?, "a letter").map(Into::into));
    Ok(letters.collect::<PyResult<Vec<String>>>()?.join("; "))
}

/// Converts the name of one of a few values.
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
    one_of(value, name, ORDERS, |other| format!("{name} is '{other}'; it must be 'big' or 'little'"))
}

pub(crate) fn durability(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Durability> {
    let refused = |other: &str| format!("{name} is '{other}'; it must be 'full', 'normal' or 'off'");
    one_of(value, name, DURABILITIES, refused)
}

fn up_to(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Equivalence> {
    one_of(value, name, UP_TO, |other| {
        format!("{name} is '{other}'; it must be 'phase', 'nothing' or 'pauli'")
    })
}

/// Converts a part: `"0/4"` or `(0, 4)`.
fn part(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Part> {
    if let Ok(text) = value.cast::<PyString>() {
        return encoded(text, name)?.parse::<Part>().or_raise(value.py());
    }
    match value.cast::<PyTuple>().map(|part| part.iter().collect::<Vec<_>>()).as_deref() {
        Ok([index, of]) => Part::new(number(index, name)?, number(of, name)?).or_raise(value.py()),
        _ => {
            let text = format!("{name} must be (index, parts), or a string such as \"0/4\"");
            Err(wrong_type(value.py(), text))
        }
    }
}

/// The largest number of gates that are read, because the iterator may be infinite. An alphabet has
/// fewer letters.
const MAX_GATES: usize = 1 << 16;

/// Converts a gate set.
///
/// It is a string, a path, a sequence of names and pairs (name, matrix), or a mapping from names to
/// matrices or None.
pub(crate) fn gates(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Gates> {
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
        let text = "must be a string, a sequence of names and pairs (name, matrix), or a mapping from \
                    names to matrices";
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

/// Converts a gate, by its name and a matrix or None.
fn gate(name: &Bound<'_, PyAny>, matrix: &Bound<'_, PyAny>) -> PyResult<GateOption> {
    let name = text(name, "the name of a gate")?;
    if matrix.is_none() { Ok(GateOption::Name(name.into())) } else { matrix_of(name, matrix) }
}

/// Converts a gate with its own matrix.
pub(crate) fn matrix_of(name: &str, matrix: &Bound<'_, PyAny>) -> PyResult<GateOption> {
    let py = matrix.py();
    let array = complex(matrix, &format!("the matrix of gate '{name}'"))?;
    match *array.shape() {
        [rows, columns] if rows == columns && rows.is_power_of_two() => {
            Ok(GateOption::Matrix(name.into(), array.try_readonly()?.as_slice()?.to_vec()))
        }
        ref shape => {
            let text = format!(
                "the matrix of gate '{name}' has shape {}; it must be (2, 2), (4, 4) or (8, 8)",
                shape_text(shape)
            );
            Err(invalid(py, text))
        }
    }
}
