//! Enumerating distinct unitaries, and finding them.

use crate::arguments::{self, class, count, each, given, number, ordered, text};
use crate::errors::{OrRaise, invalid, wrong_type};
use crate::job::{Watch, watched};
use crate::options::{coupling_of, dtype_of, durability_of, gates_of, items, numbers, shape_text};
use numpy::{PyArrayDescrMethods, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyString, PyTuple};
use qorpus::{
    DistinctOptions, Division, Elsewhere, EnumerateOptions, EnumerateProgress, Equivalence, FindOptions,
    Found, Order, Reader, Recipe, Take, Target,
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
            Some("phase") => Equivalence::GlobalPhase,
            Some("nothing") => Equivalence::Exact,
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

/// What is known of a unitary, as `Found` has it: circuit, id, none_up_to, and by name what else there is.
pub(crate) type Answer<'py> =
    (Option<Bound<'py, PyTuple>>, Option<u64>, Option<u64>, Option<Bound<'py, PyDict>>);

/// Looks for unitaries, or for those of circuits.
pub(crate) fn find_many(
    py: Python<'_>,
    reader: &Reader,
    targets: &Bound<'_, PyAny>,
    order: Order,
    options: FindOptions,
) -> PyResult<Vec<Found>> {
    ordered(targets, "targets")?;
    let refused = || {
        let class = class(targets);
        wrong_type(
            py,
            format!("targets are a sequence of unitaries or circuits, not {class}; find looks for one"),
        )
    };
    if targets.is_instance_of::<PyString>() {
        return Err(refused());
    }
    // One by one, so that the first that cannot be ends it, however many come.
    let targets = each(targets).map_err(|_| refused())?.map(|target| judged(reader, &target?, order));
    let targets = targets.collect::<PyResult<Vec<_>>>()?;
    let mut failure = None;
    let found = py.detach(|| {
        reader.find_many(&targets, options, &mut || {
            Python::attach(|py| failure = py.check_signals().err());
            failure.is_some()
        })
    });
    failure.map_or(Ok(()), Err)?;
    found.or_raise(py)
}

/// The target that an array or a circuit is.
fn judged(reader: &Reader, target: &Bound<'_, PyAny>, order: Order) -> PyResult<Target> {
    let (py, alphabet) = (target.py(), reader.recipe().alphabet());
    if let Some(letters) = texts(target) {
        let unitary = qorpus::circuit_unitary(&letters.join("; "), alphabet.qubits()).or_raise(py)?;
        return Ok(Target::of_circuit(unitary));
    }
    let dim = alphabet.dim();
    let (array, dtype) = numbers(target, "the unitary")?;
    if array.shape() != [dim; 2] {
        let found = shape_text(array.shape());
        let text = format!("the unitary has shape {found}; those of this corpus have ({dim}, {dim})");
        return Err(invalid(py, text));
    }
    let is_single = match dtype.kind() {
        b'c' => dtype.itemsize() < 16,
        b'f' => dtype.itemsize() < 8,
        _ => false,
    };
    let numbers = reader.from_order(array.try_readonly()?.as_slice()?, order);
    Target::new(numbers, dim, is_single).or_raise(py)
}

/// What was found as Python has it; `tuple` makes the letters of a circuit.
pub(crate) fn answer<'py>(
    py: Python<'py>,
    found: &Found,
    tuple: impl Fn(&[u16]) -> PyResult<Bound<'py, PyTuple>>,
) -> PyResult<Answer<'py>> {
    // Of what is found exactly there is nothing else to say.
    if let Found::Record { circuit, .. } | Found::Circuit(circuit) = found {
        let id = if let Found::Record { id, .. } = found { Some(*id) } else { None };
        return Ok((Some(tuple(circuit)?), id, None, None));
    }
    let more = PyDict::new(py);
    let (circuit, id, none_up_to) = match found {
        Found::Record { .. } | Found::Circuit(_) | Found::Never => (None, None, None),
        Found::BeyondLength(length) => (None, None, Some(*length as u64)),
        Found::BeyondCost(cost) => (None, None, Some((*cost).into())),
        Found::Near { id, circuit, distance, tolerance } => {
            more.set_item("nearest", id)?;
            more.set_item("distance", distance)?;
            more.set_item("tolerance", tolerance)?;
            (Some(circuit), *id, None)
        }
        Found::Unclear { nearest, tolerance, within } => {
            if let Some((id, _, distance)) = nearest {
                more.set_item("nearest", id)?;
                more.set_item("distance", distance)?;
            }
            more.set_item("tolerance", tolerance)?;
            more.set_item("within", within)?;
            (None, None, None)
        }
    };
    more.set_item("proven", found.is_proof())?;
    Ok((circuit.map(|circuit| tuple(circuit)).transpose()?, id, none_up_to, Some(more)))
}

/// A circuit as text: one, or a list or tuple of letters.
fn texts(target: &Bound<'_, PyAny>) -> Option<Vec<String>> {
    match target.cast::<PyString>() {
        Ok(text) => Some(vec![text.to_str().ok()?.to_owned()]),
        Err(_) if target.cast::<PyUntypedArray>().is_ok() => None,
        Err(_) => {
            let letters: Vec<String> = target.extract().ok()?;
            // The empty circuit, but not a matrix without rows.
            (!letters.is_empty() || !target.hasattr("shape").ok()?).then_some(letters)
        }
    }
}
