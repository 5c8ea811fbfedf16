//! Enumerating distinct unitaries, and finding them.

use crate::arguments::{self, count, given, number, text};
use crate::errors::{OrRaise, invalid};
use crate::job::{Watch, watched};
use crate::options::{complex, coupling_of, dtype_of, durability_of, gates_of, items, shape_text};
use numpy::{PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyIterator, PyString};
use qorpus::{
    DistinctOptions, Division, Elsewhere, EnumerateOptions, EnumerateProgress, Found, Order, Reader, Recipe,
    Take, UpTo,
};
use qorpus_cli::LevelBar;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// The recipe that these options mean, as JSON.
#[pyfunction]
#[pyo3(signature = (*, gates=None, qubits=None, coupling=None, max_length=None, cost=None, max_cost=None, up_to=None, dtype=None))]
#[expect(clippy::too_many_arguments, reason = "they are Python's keywords")]
pub(crate) fn distinct_recipe(
    py: Python<'_>,
    gates: Option<&Bound<'_, PyAny>>,
    qubits: Option<&Bound<'_, PyAny>>,
    coupling: Option<&Bound<'_, PyAny>>,
    max_length: Option<&Bound<'_, PyAny>>,
    cost: Option<&Bound<'_, PyAny>>,
    max_cost: Option<&Bound<'_, PyAny>>,
    up_to: Option<&Bound<'_, PyAny>>,
    dtype: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let defaults = DistinctOptions::default();
    let options = DistinctOptions {
        gates: given(gates, gates_of)?.unwrap_or(defaults.gates),
        qubits: given(qubits, |value| number(value, "qubits"))?.unwrap_or(defaults.qubits),
        coupling: given(coupling, coupling_of)?.unwrap_or(defaults.coupling),
        max_length: given(max_length, |value| number(value, "max_length"))?,
        cost: given(cost, cost_of)?,
        max_cost: given(max_cost, |value| number(value, "max_cost"))?,
        up_to: match given(up_to, |value| text(value, "up_to"))? {
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
    let Some(costs) = items(value)? else {
        return text(value, "cost (such as \"t=1\", or a mapping of gates to numbers)").map(Into::into);
    };
    let item = |(name, cost): &(Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        Ok(format!("{}={}", text(name, "the name of a gate")?, number::<u64>(cost, "a cost")?))
    };
    Ok(costs.iter().map(item).collect::<PyResult<Vec<_>>>()?.join(","))
}

/// Enumerates what is missing. Signals and exceptions of `progress` stop it; what is done is kept.
#[pyfunction]
pub(crate) fn enumerate(
    py: Python<'_>,
    path: &Bound<'_, PyAny>,
    recipe: &str,
    memory: Option<&Bound<'_, PyAny>>,
    jobs: Option<&Bound<'_, PyAny>>,
    durability: Option<&Bound<'_, PyAny>>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let recipe = Recipe::from_json(recipe).or_raise(py)?;
    let options = enumerate_options(memory, jobs, durability)?;
    let path = arguments::path(path, "path")?;
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

/// The same with candidates that are made by what `make` returns for the text of a division: an iterator over places and
/// their rows. Its exceptions are raised.
#[pyfunction]
#[pyo3(signature = (path, recipe, make, *, workers, alone=None, memory=None, jobs=None, durability=None, progress=None))]
#[expect(clippy::too_many_arguments, reason = "they are Python's keywords")]
pub(crate) fn enumerate_elsewhere(
    py: Python<'_>,
    path: &Bound<'_, PyAny>,
    recipe: &str,
    make: Py<PyAny>,
    workers: u64,
    alone: Option<&Bound<'_, PyAny>>,
    memory: Option<&Bound<'_, PyAny>>,
    jobs: Option<&Bound<'_, PyAny>>,
    durability: Option<&Bound<'_, PyAny>>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let recipe = Recipe::from_json(recipe).or_raise(py)?;
    let options = enumerate_options(memory, jobs, durability)?;
    let path = arguments::path(path, "path")?;
    let alone = given(alone, |value| count(value, "alone"))?.unwrap_or(Elsewhere::ALONE);
    let (watch, mut raised) = (Watch::new(progress)?, None);
    let result = watched(py, &watch, |stop, tell| {
        let mut bar = LevelBar::new(!watch.shown);
        let mut make = |division: &Division, take: Take<'_>| {
            let mut hand_over = || -> PyResult<qorpus::Result<()>> {
                let stream = Python::attach(|py| {
                    make.bind(py).call1((division.to_json(),))?.try_iter().map(Bound::unbind)
                })?;
                while let Some((place, rows)) = Python::attach(|py| next_place(stream.bind(py)))? {
                    match take(place, &slices(&rows)) {
                        Ok(true) => {}
                        end => return Ok(end.map(drop)),
                    }
                }
                Ok(Ok(()))
            };
            // What Python raised is told at the end; until then it is as if somebody had stopped it.
            hand_over().unwrap_or_else(|error| {
                raised = Some(error);
                stop.store(true, Ordering::Relaxed);
                Ok(())
            })
        };
        let elsewhere = Elsewhere { alone, workers, make: &mut make };
        let report = &mut |progress: EnumerateProgress| {
            bar.show(progress);
            tell(progress.length as u64, progress.records);
        };
        let result = qorpus::enumerate_elsewhere(&path, &recipe, options, elsewhere, stop, report);
        bar.clear();
        result.map(drop)
    });
    raised.map_or(result, Err)
}

/// A place and its rows.
fn next_place(stream: &Bound<'_, PyIterator>) -> PyResult<Option<(u64, Vec<PyBackedBytes>)>> {
    stream.clone().next().map(|item| item?.extract()).transpose()
}

fn enumerate_options(
    memory: Option<&Bound<'_, PyAny>>,
    jobs: Option<&Bound<'_, PyAny>>,
    durability: Option<&Bound<'_, PyAny>>,
) -> PyResult<EnumerateOptions> {
    Ok(EnumerateOptions {
        memory: given(memory, |value| count(value, "memory"))?,
        jobs: given(jobs, |value| number(value, "jobs"))?,
        durability: given(durability, durability_of)?.unwrap_or_default(),
    })
}

/// Does what a level of an enumeration consists of, in any process.
#[pyclass(frozen, module = "qorpus._qorpus")]
pub(crate) struct Worker(qorpus::Worker);

#[pymethods]
impl Worker {
    #[new]
    fn new(py: Python<'_>, division: &str) -> PyResult<Worker> {
        py.detach(|| qorpus::Worker::new(division)).or_raise(py).map(Worker)
    }

    /// The number of pieces.
    #[getter]
    fn pieces(&self) -> usize {
        self.0.pieces()
    }

    /// The circuits of a piece, in parcels.
    fn read(&self, py: Python<'_>, path: PathBuf, piece: usize) -> PyResult<Vec<Py<PyBytes>>> {
        let parcels = py.detach(|| self.0.read(&path, piece)).or_raise(py)?;
        Ok(parcels.iter().map(|bytes| PyBytes::new(py, bytes).unbind()).collect())
    }

    /// What letters make of the circuits in parcels: ranges, and rows for them.
    fn expand(&self, py: Python<'_>, parcels: Vec<PyBackedBytes>) -> PyResult<Vec<(u64, Py<PyBytes>)>> {
        let rows = py.detach(|| self.0.expand(&slices(&parcels))).or_raise(py)?;
        Ok(numbered(py, &rows))
    }

    /// What survives of all rows of a range: places, and rows for them.
    fn merge(
        &self,
        py: Python<'_>,
        range: u64,
        rows: Vec<PyBackedBytes>,
    ) -> PyResult<Vec<(u64, Py<PyBytes>)>> {
        let rows = py.detach(|| self.0.merge(range, &slices(&rows))).or_raise(py)?;
        Ok(numbered(py, &rows))
    }
}

fn slices(rows: &[PyBackedBytes]) -> Vec<&[u8]> {
    rows.iter().map(|bytes| &bytes[..]).collect()
}

fn numbered(py: Python<'_>, rows: &[(u64, Vec<u8>)]) -> Vec<(u64, Py<PyBytes>)> {
    rows.iter().map(|(number, bytes)| (*number, PyBytes::new(py, bytes).unbind())).collect()
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
