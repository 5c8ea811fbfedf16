//! Enumerating distinct unitaries, and finding them.

use crate::errors::{OrRaise, invalid};
use crate::job::{Watch, watched};
use crate::options::{complex, count, dtype_of, durability_of, gates_of, given, number, shape_text};
use numpy::{PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyMapping, PyString};
use qorpus::{DistinctOptions, EnumerateOptions, EnumerateProgress, Found, Order, Reader, Recipe, UpTo};
use qorpus_cli::LevelBar;
use std::path::PathBuf;

/// The recipe that these options mean, as JSON.
#[pyfunction]
#[pyo3(signature = (*, gates=None, qubits=None, coupling=None, max_length=None, cost=None, max_cost=None, up_to=None, dtype=None))]
#[expect(clippy::too_many_arguments, reason = "they are Python's keywords")]
pub(crate) fn distinct_recipe(
    py: Python<'_>,
    gates: Option<&Bound<'_, PyAny>>,
    qubits: Option<&Bound<'_, PyAny>>,
    coupling: Option<String>,
    max_length: Option<&Bound<'_, PyAny>>,
    cost: Option<&Bound<'_, PyAny>>,
    max_cost: Option<&Bound<'_, PyAny>>,
    up_to: Option<&str>,
    dtype: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let defaults = DistinctOptions::default();
    let options = DistinctOptions {
        gates: given(gates, gates_of)?.unwrap_or(defaults.gates),
        qubits: given(qubits, |value| number(value, "qubits"))?.unwrap_or(defaults.qubits),
        coupling: coupling.unwrap_or(defaults.coupling),
        max_length: given(max_length, |value| number(value, "max_length"))?,
        cost: given(cost, cost_of)?,
        max_cost: given(max_cost, |value| number(value, "max_cost"))?,
        up_to: match up_to {
            None => defaults.up_to,
            Some("phase") => UpTo::Phase,
            Some("nothing") => UpTo::Nothing,
            Some(other) => return Err(invalid(py, format!("up_to is 'phase' or 'nothing', not '{other}'"))),
        },
        dtype: given(dtype, dtype_of)?.unwrap_or(defaults.dtype),
    };
    Ok(py.detach(|| options.recipe()).or_raise(py)?.to_json())
}

/// Costs as a text, or as a mapping from gates to numbers.
fn cost_of(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let Ok(costs) = value.cast::<PyMapping>() else { return value.extract() };
    let item = |item: Bound<'_, PyAny>| {
        let (name, cost): (String, Bound<'_, PyAny>) = item.extract()?;
        Ok(format!("{name}={}", number::<u64>(&cost, "a cost")?))
    };
    Ok(costs.items()?.iter().map(item).collect::<PyResult<Vec<_>>>()?.join(","))
}

/// Enumerates what is missing. Signals and exceptions of `progress` stop it; what is done is kept.
#[pyfunction]
pub(crate) fn enumerate(
    py: Python<'_>,
    path: PathBuf,
    recipe: &str,
    memory: Option<&Bound<'_, PyAny>>,
    jobs: Option<&Bound<'_, PyAny>>,
    durability: Option<&str>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let recipe = Recipe::from_json(recipe).or_raise(py)?;
    let options = EnumerateOptions {
        memory: given(memory, |value| count(value, "memory"))?,
        jobs: given(jobs, |value| number(value, "jobs"))?,
        durability: durability.map(|name| durability_of(py, name)).transpose()?.unwrap_or_default(),
    };
    let watch = Watch::new(progress)?;
    watched(py, &watch, |stop, tell| {
        let mut bar = LevelBar::new(!watch.shown);
        let result = qorpus::enumerate(&path, &recipe, options, stop, &mut |progress: EnumerateProgress| {
            bar.show(progress);
            tell(progress.length as u64, progress.records);
        });
        bar.clear();
        result.map(drop)
    })
}

/// A circuit and the id of its record, or the length or cost up to which there is none.
pub(crate) type Answer<T> = (Option<T>, Option<u64>, Option<u64>);

/// Looks for a unitary, or for that of a circuit: its circuit and id, or the length or cost up to which there is none.
pub(crate) fn find(
    py: Python<'_>,
    reader: &Reader,
    target: &Bound<'_, PyAny>,
    order: Order,
    further: bool,
) -> PyResult<Answer<Vec<u16>>> {
    let (alphabet, dim) = (reader.recipe().alphabet(), reader.recipe().alphabet().dim());
    let of_circuit = |text: &str| qorpus::circuit_unitary(text, alphabet.qubits()).or_raise(py);
    let unitary = match texts(target) {
        Some(letters) => of_circuit(&letters.join("; "))?,
        None => {
            let array = complex(target, "the unitary")?;
            if array.shape() != [dim; 2] {
                let found = shape_text(array.shape());
                return Err(invalid(
                    py,
                    format!("the unitary has shape {found}; those of this corpus have ({dim}, {dim})"),
                ));
            }
            reader.from_order(array.try_readonly()?.as_slice()?, order)
        }
    };
    let mut failure = None;
    let found = py.detach(|| {
        reader.find(&unitary, further, &mut || {
            Python::attach(|py| failure = py.check_signals().err());
            failure.is_some()
        })
    });
    failure.map_or(Ok(()), Err)?;
    Ok(match found.or_raise(py)? {
        Found::Record { id, circuit } => (Some(circuit), Some(id), None),
        Found::Circuit(circuit) => (Some(circuit), None, None),
        Found::BeyondLength(length) => (None, None, Some(length as u64)),
        Found::BeyondCost(cost) => (None, None, Some(cost.into())),
        Found::Never => (None, None, None),
    })
}

/// A circuit as text: one, or a list or tuple of letters.
fn texts(target: &Bound<'_, PyAny>) -> Option<Vec<String>> {
    match target.cast::<PyString>() {
        Ok(text) => Some(vec![text.to_str().ok()?.to_owned()]),
        Err(_) => target.extract().ok(),
    }
}
