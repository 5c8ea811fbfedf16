//! Environments for reinforcement learning.

use crate::arguments::{Options, class, number, real, text};
use crate::arrays::{complex, shape_text, unitaries};
use crate::errors::{OrRaise, deferred, invalid, wrong_type};
use crate::options::{coupling, gates, length, letters};
use crate::records::Records;
use crate::waiting::stop;
use numpy::{Element, PyArray1, PyArrayDyn, PyArrayMethods, PyReadwriteArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use qorpus::core::{Complex64, Environments as Block, Equality, Equivalence, Outcomes};
use qorpus::{Dtype, EnvironmentOptions, Observation, ParallelEnvironments};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A batch of environments, each an episode in which letters compile a target.
///
/// Arrays named `out` are written in place. `which` chooses environments: a bool array with a place
/// for each.
#[pyclass(frozen, module = "qorpus._qorpus")]
pub(crate) struct Environments {
    environments: Mutex<ParallelEnvironments>,
    observation: Observation,
    shape: Vec<usize>,
    letters: Vec<Py<PyString>>,
}

#[pymethods]
impl Environments {
    #[new]
    #[pyo3(signature = (count, **options))]
    fn new(
        py: Python<'_>,
        count: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Environments> {
        let given = Options::new(py, options);
        let count: u64 = number(count, "the number of environments")?;
        let first: u64 = given.take("first", number)?.unwrap_or(0);
        let seed = given.take("seed", number)?.unwrap_or(0);
        let jobs = given.take("threads", number)?;
        let table = given.take("table", table)?;
        let tolerance = given.take("tolerance", real)?;
        let equality = given.take("up_to", |value, name| equality(value, name, tolerance))?;
        let options = EnvironmentOptions {
            gates: given.take("gates", gates)?,
            qubits: given.take("qubits", number)?,
            coupling: given.take("coupling", coupling)?,
            letters: given.take("letters", letters)?,
            length: given.take("length", length)?,
            max_steps: given.take("max_steps", number)?.unwrap_or(0),
            observation: given.take("observation", observation)?.unwrap_or(Observation::Unitary),
            equality: equality.unwrap_or(Equality::Unitaries { up_to: Equivalence::GlobalPhase, tolerance }),
            costs: given.take("costs", costs)?.unwrap_or_default(),
            bonus: given.take("bonus", real)?.unwrap_or(0.0),
        };
        given.finish("Environments.__new__")?;
        let task = py.detach(|| options.task()).or_raise(py)?;
        let shape = options.shape(&task);
        let names = task.alphabet().letters().iter();
        let names = names.map(|letter| PyString::intern(py, &letter.text).unbind()).collect();
        let table = match table {
            None => None,
            Some(reader) => match py.detach(|| reader.distance_table(&mut stop)).or_raise(py)? {
                Some(table) => Some(Arc::new(table)),
                None => return Err(deferred().unwrap_or_else(|| PyKeyboardInterrupt::new_err(()))),
            },
        };
        let numbers = first..first.saturating_add(count);
        let environments =
            py.detach(|| ParallelEnvironments::new(task, numbers, seed, table, jobs)).or_raise(py)?;
        let observation = options.observation;
        Ok(Environments { environments: Mutex::new(environments), observation, shape, letters: names })
    }

    /// The letters, which are the actions.
    #[getter]
    fn letters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.letters.iter().map(|letter| letter.bind(py)))
    }

    /// The number of qubits.
    #[getter]
    fn qubits(&self) -> usize {
        self.lock().task().alphabet().qubits()
    }

    /// The number of environments.
    #[getter]
    fn count(&self) -> usize {
        self.lock().len()
    }

    /// The shape of the observation of one environment.
    #[getter]
    fn observation_shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.shape)
    }

    /// The memory of the table of distances in bytes; 0 without one.
    #[getter]
    fn table_bytes(&self) -> usize {
        self.lock().table().map_or(0, qorpus::DistanceTable::bytes)
    }

    /// Begin the next episode of the chosen environments, of all if `which` is None.
    #[pyo3(signature = (which=None, seed=None, targets=None))]
    fn reset(
        &self,
        py: Python<'_>,
        which: Option<&Bound<'_, PyAny>>,
        seed: Option<&Bound<'_, PyAny>>,
        targets: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let which = self.chosen(which)?;
        let seed = seed.map(|seed| number(seed, "seed")).transpose()?;
        let targets = match targets {
            None => None,
            Some(targets) => {
                let targets = complex(targets, "targets")?;
                let chosen = which.iter().filter(|is_chosen| **is_chosen).count();
                let dim = self.lock().task().alphabet().dim();
                if targets.shape() != [chosen, dim, dim] {
                    let text = format!(
                        "targets have the shape {}; {chosen} environments on these qubits need {}",
                        shape_text(targets.shape()),
                        shape_text(&[chosen, dim, dim])
                    );
                    return Err(invalid(py, text));
                }
                Some(targets.try_readonly()?.as_slice()?.to_vec())
            }
        };
        py.detach(|| {
            let mut environments = self.lock();
            let targets = targets.map(|targets| environments.task().targets(targets)).transpose()?;
            environments.begin(&which, seed, targets.as_ref())
        })
        .or_raise(py)
    }

    /// Change the length of later random targets; None if targets are given.
    fn set_length(&self, py: Python<'_>, length: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let length = length.map(|value| crate::options::length(value, "length")).transpose()?;
        py.detach(|| self.lock().set_length(length)).or_raise(py)
    }

    /// Draw an id in `low..high` for the next episode of each chosen environment.
    fn draw<'py>(
        &self,
        py: Python<'py>,
        which: Option<&Bound<'py, PyAny>>,
        low: &Bound<'py, PyAny>,
        high: &Bound<'py, PyAny>,
        attempt: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let which = self.chosen(which)?;
        let (low, high, attempt) = (number(low, "low")?, number(high, "high")?, number(attempt, "attempt")?);
        let drawn = py.detach(|| self.lock().draw(&which, low..high, attempt)).or_raise(py)?;
        Ok(PyArray1::from_vec(py, drawn.into_iter().map(|id| id as i64).collect()))
    }

    /// Let each chosen environment take its action.
    fn step(
        &self,
        py: Python<'_>,
        actions: &Bound<'_, PyAny>,
        which: Option<&Bound<'_, PyAny>>,
        rewards: &Bound<'_, PyAny>,
        terminated: &Bound<'_, PyAny>,
        truncated: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let count = [self.count()];
        let which = which.map(|which| self.chosen(Some(which))).transpose()?;
        let actions = writable_or_not::<i64>(actions, &count, "actions")?;
        let actions = actions.try_readonly()?;
        let actions = actions.as_slice()?;
        let mut rewards = writable::<f64>(rewards, &count, "rewards")?;
        let mut terminated = writable::<bool>(terminated, &count, "terminated")?;
        let mut truncated = writable::<bool>(truncated, &count, "truncated")?;
        let outcomes = Outcomes {
            rewards: rewards.as_slice_mut()?,
            terminated: terminated.as_slice_mut()?,
            truncated: truncated.as_slice_mut()?,
        };
        py.detach(|| self.lock().step(actions, which.as_deref(), outcomes)).or_raise(py)
    }

    /// Return whether the residual of each environment is the identity.
    fn solved<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        PyArray1::from_vec(py, self.collected(|block| block.solved().to_vec()))
    }

    /// Return the number of letters of each current episode.
    fn steps<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        PyArray1::from_vec(
            py,
            self.collected(|block| block.steps().iter().map(|&step| step.into()).collect()),
        )
    }

    /// Return the number of each current episode, -1 before the first one.
    fn episodes<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        let number = |&begun: &u32| i64::from(begun) - 1;
        PyArray1::from_vec(py, self.collected(|block| block.episodes().iter().map(number).collect()))
    }

    /// Write the observations.
    fn observe(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> PyResult<()> {
        let shape: Vec<usize> = [self.count()].iter().chain(&self.shape).copied().collect();
        let size = self.shape.iter().product();
        if self.observation == Observation::Tableau {
            let mut out = writable::<i8>(out, &shape, "observations")?;
            let out = out.as_slice_mut()?;
            return py.detach(|| self.lock().write(out, size, Block::observe_tableaus)).or_raise(py);
        }
        let mut out = writable::<f32>(out, &shape, "observations")?;
        let out = out.as_slice_mut()?;
        let write = match self.observation {
            Observation::None => return Ok(()),
            Observation::Channel => Block::observe_channels,
            _ => Block::observe_unitaries,
        };
        py.detach(|| self.lock().write(out, size, write)).or_raise(py)
    }

    /// Write 0 for each letter that would undo the one before it on its qubits, and 1 for others.
    fn action_mask(&self, py: Python<'_>, out: &Bound<'_, PyAny>) -> PyResult<()> {
        let letters = self.letters.len();
        let mut out = writable::<i8>(out, &[self.count(), letters], "masks")?;
        let out = out.as_slice_mut()?;
        py.detach(|| self.lock().write(out, letters, Block::masks)).or_raise(py)
    }

    /// Write the distance of each residual, -1 if it is unknown, and the first letters of its
    /// shortest circuits.
    fn distances(
        &self,
        py: Python<'_>,
        distance: &Bound<'_, PyAny>,
        optimal: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let mut distance = writable::<i32>(distance, &[self.count()], "distances")?;
        let mut optimal = writable::<i8>(optimal, &[self.count(), self.letters.len()], "optimal letters")?;
        let (distance, optimal) = (distance.as_slice_mut()?, optimal.as_slice_mut()?);
        py.detach(|| self.lock().distances(distance, optimal)).or_raise(py)
    }

    /// Return the residuals.
    fn unitaries<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.observation == Observation::Tableau {
            return Err(invalid(py, "residuals are tableaus, which have no unitaries; observe them"));
        }
        let (count, dim) = (self.count(), self.lock().task().alphabet().dim());
        unitaries(py, Dtype::Complex128, [count, dim, dim], |out| {
            let out: &mut [Complex64] = bytemuck::cast_slice_mut(out);
            py.detach(|| self.lock().write(out, dim * dim, |block, out| block.unitaries(0, out))).or_raise(py)
        })
    }

    /// Return the letters of each current episode.
    fn circuits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let circuits =
            self.collected(|block| (0..block.len()).map(|index| block.circuit(index).to_vec()).collect());
        let circuit = |circuit: Vec<u16>| {
            PyTuple::new(py, circuit.iter().map(|&letter| self.letters[usize::from(letter)].bind(py)))
        };
        PyList::new(py, circuits.into_iter().map(circuit).collect::<PyResult<Vec<_>>>()?)
    }

    /// Return all that changes, as bytes.
    fn get_state<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let state = py.detach(|| self.lock().save());
        PyBytes::new(py, &state)
    }

    /// Restore what `get_state` returned.
    fn set_state(&self, py: Python<'_>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let Ok(state) = state.cast::<PyBytes>() else {
            return Err(wrong_type(py, format!("a state must be bytes, not {}", class(state))));
        };
        let state = state.as_bytes();
        py.detach(|| self.lock().restore(state)).or_raise(py)
    }
}

impl Environments {
    fn lock(&self) -> MutexGuard<'_, ParallelEnvironments> {
        self.environments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns numbers of all environments.
    fn collected<T>(&self, of: impl Fn(&Block) -> Vec<T>) -> Vec<T> {
        self.lock().blocks().flat_map(of).collect()
    }

    /// Converts a choice of environments.
    fn chosen(&self, which: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<bool>> {
        let count = self.count();
        match which {
            None => Ok(vec![true; count]),
            Some(which) => Ok(writable_or_not::<bool>(which, &[count], "which")?.to_vec()?),
        }
    }
}

/// Converts an array of this type and shape, in row-major order.
fn writable_or_not<'a, 'py, T: Element>(
    value: &'a Bound<'py, PyAny>,
    shape: &[usize],
    name: &str,
) -> PyResult<&'a Bound<'py, PyArrayDyn<T>>> {
    let py = value.py();
    let wanted = numpy::dtype::<T>(py);
    let Ok(array) = value.cast::<PyArrayDyn<T>>() else {
        return Err(wrong_type(py, format!("{name} must be an array of {wanted}, not {}", class(value))));
    };
    if array.shape() != shape || !array.is_c_contiguous() {
        let (found, wanted) = (shape_text(array.shape()), shape_text(shape));
        return Err(invalid(
            py,
            format!("{name} have the shape {found}; it must be {wanted}, in row-major order"),
        ));
    }
    Ok(array)
}

/// Borrows an array of this type and shape to write to it.
fn writable<'py, T: Element>(
    value: &Bound<'py, PyAny>,
    shape: &[usize],
    name: &str,
) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
    let array = writable_or_not::<T>(value, shape, name)?;
    array
        .try_readwrite()
        .map_err(|error| invalid(value.py(), format!("{name} cannot be written to: {error}")))
}

fn table(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Arc<qorpus::Corpus>> {
    match value.cast::<Records>() {
        Ok(records) => records.get().reader(value.py()).cloned(),
        Err(_) => Err(wrong_type(value.py(), format!("{name} must be a corpus, not {}", class(value)))),
    }
}

fn costs(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<f64>> {
    Ok(crate::arrays::real_array(value, name)?.to_vec()?)
}

fn equality(value: &Bound<'_, PyAny>, name: &str, tolerance: Option<f64>) -> PyResult<Equality> {
    let unitaries = |up_to| Ok(Equality::Unitaries { up_to, tolerance });
    match text(value, name)? {
        "phase" => unitaries(Equivalence::GlobalPhase),
        "nothing" => unitaries(Equivalence::Exact),
        "pauli" if tolerance.is_some() => {
            Err(invalid(value.py(), "tableaus are equal or not: leave out tolerance with up_to='pauli'"))
        }
        "pauli" => Ok(Equality::Tableaus),
        other => {
            let text = format!("{name} is '{other}'; it must be 'phase', 'nothing' or 'pauli'");
            Err(invalid(value.py(), text))
        }
    }
}

fn observation(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Observation> {
    match text(value, name)? {
        "none" => Ok(Observation::None),
        "unitary" => Ok(Observation::Unitary),
        "channel" => Ok(Observation::Channel),
        "tableau" => Ok(Observation::Tableau),
        other => {
            let text = format!("{name} is '{other}'; it must be 'unitary', 'channel', 'tableau' or 'none'");
            Err(invalid(value.py(), text))
        }
    }
}
