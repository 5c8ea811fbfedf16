//! Enumerating distinct unitaries, and what an enumeration knows.

use crate::arguments::{Options, count, number};
use crate::errors::OrRaise;
use crate::job::{Job, watched_levels};
use crate::options::enumerate_options;
use crate::records::Records;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict, PyIterator};
use qorpus::{Partition, Remote, TakeRows};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Enumerate the missing levels of a corpus.
///
/// Signals and exceptions of `progress` stop it; finished levels are kept.
#[pyfunction]
#[pyo3(signature = (path, recipe, **options))]
pub(crate) fn enumerate(
    py: Python<'_>,
    path: &Bound<'_, PyAny>,
    recipe: &str,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    let Job { path, recipe, options, watch } =
        Job::new("enumerate", path, recipe, options, enumerate_options)?;
    watched_levels(py, &watch, |stop, report| {
        qorpus::enumerate(&path, &recipe, options, stop, report).map(drop)
    })
}

/// Enumerate the missing levels of a corpus with candidates that other processes make.
///
/// `make` gets a division as text, and returns an iterator over places and their rows. Its
/// exceptions are raised.
#[pyfunction]
#[pyo3(signature = (path, recipe, make, *, workers, **options))]
pub(crate) fn enumerate_elsewhere(
    py: Python<'_>,
    path: &Bound<'_, PyAny>,
    recipe: &str,
    make: Py<PyAny>,
    workers: u64,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    let meaning = |given: &Options<'_>| Ok((enumerate_options(given)?, given.take("alone", count)?));
    let job = Job::new("enumerate_elsewhere", path, recipe, options, meaning)?;
    let Job { path, recipe, options: (options, local_threshold), watch } = job;
    let local_threshold = local_threshold.unwrap_or(Remote::LOCAL_THRESHOLD);
    let mut raised = None;
    let result = watched_levels(py, &watch, |stop, report| {
        let mut run = |partition: &Partition, take: TakeRows<'_>| {
            let mut hand_over = || -> PyResult<qorpus::Result<()>> {
                let stream = Python::attach(|py| {
                    make.bind(py).call1((partition.to_json(),))?.try_iter().map(Bound::unbind)
                })?;
                while let Some((place, rows)) = Python::attach(|py| next_place(stream.bind(py)))? {
                    match take(place, &slices(&rows)) {
                        Ok(true) => {}
                        end => return Ok(end.map(drop)),
                    }
                }
                Ok(Ok(()))
            };
            // Stop the job now, and raise Python's exception when it has ended.
            hand_over().unwrap_or_else(|error| {
                raised = Some(error);
                stop.store(true, Ordering::Relaxed);
                Ok(())
            })
        };
        let remote = Remote { local_threshold, workers, run: &mut run };
        qorpus::enumerate_remote(&path, &recipe, options, remote, stop, report).map(drop)
    });
    raised.map_or(result, Err)
}

/// Returns the next place and its rows.
fn next_place(stream: &Bound<'_, PyIterator>) -> PyResult<Option<(u64, Vec<PyBackedBytes>)>> {
    stream.clone().next().map(|item| item?.extract()).transpose()
}

/// A worker of an enumeration, in any process.
#[pyclass(frozen, module = "qorpus._qorpus")]
pub(crate) struct Worker(qorpus::RemoteWorker);

#[pymethods]
impl Worker {
    #[new]
    fn new(py: Python<'_>, division: &str) -> PyResult<Worker> {
        py.detach(|| qorpus::RemoteWorker::new(division)).or_raise(py).map(Worker)
    }

    /// The number of pieces.
    #[getter]
    fn pieces(&self) -> usize {
        self.0.pieces()
    }

    /// Return the circuits of a piece, in parcels.
    fn read(&self, py: Python<'_>, path: PathBuf, piece: usize) -> PyResult<Vec<Py<PyBytes>>> {
        let parcels = py.detach(|| self.0.read(&path, piece)).or_raise(py)?;
        Ok(parcels.iter().map(|bytes| PyBytes::new(py, bytes).unbind()).collect())
    }

    /// Append letters to the circuits in parcels; return ranges of keys with their rows.
    fn expand(&self, py: Python<'_>, parcels: Vec<PyBackedBytes>) -> PyResult<Vec<NumberedRows>> {
        let rows = py.detach(|| self.0.expand(&slices(&parcels))).or_raise(py)?;
        Ok(numbered(py, &rows))
    }

    /// Merge all rows of a range; return the places of the survivors with their rows.
    fn merge(&self, py: Python<'_>, range: u64, rows: Vec<PyBackedBytes>) -> PyResult<Vec<NumberedRows>> {
        let rows = py.detach(|| self.0.merge(range, &slices(&rows))).or_raise(py)?;
        Ok(numbered(py, &rows))
    }
}

fn slices(rows: &[PyBackedBytes]) -> Vec<&[u8]> {
    rows.iter().map(|bytes| &bytes[..]).collect()
}

/// The number of a range or a place, and its rows.
type NumberedRows = (u64, Py<PyBytes>);

fn numbered(py: Python<'_>, rows: &[(u64, Vec<u8>)]) -> Vec<NumberedRows> {
    rows.iter().map(|(number, bytes)| (*number, PyBytes::new(py, bytes).unbind())).collect()
}

/// The levels of an enumeration: cost, length, first id, number of records.
#[pyfunction]
pub(crate) fn levels(py: Python<'_>, records: &Records) -> PyResult<Vec<(u32, usize, u64, u64)>> {
    let reader = records.reader(py)?;
    let levels = py.detach(|| reader.levels()).or_raise(py)?;
    Ok(levels.iter().map(|level| (level.cost, level.length, level.first_id, level.records)).collect())
}

/// Whether an enumeration has every unitary that its gates can make.
#[pyfunction]
pub(crate) fn is_group(py: Python<'_>, records: &Records) -> PyResult<bool> {
    let reader = records.reader(py)?;
    py.detach(|| reader.is_group()).or_raise(py)
}

/// Draw ids at a distance from the identity.
#[pyfunction]
pub(crate) fn sample<'py>(
    py: Python<'py>,
    records: &Records,
    distance: &Bound<'py, PyAny>,
    count: &Bound<'py, PyAny>,
    seed: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let reader = records.reader(py)?;
    let (distance, count) = (number(distance, "distance")?, number(count, "n")?);
    let seed = number(seed, "seed")?;
    let ids = py.detach(|| reader.sample(distance, count, seed)).or_raise(py)?;
    Ok(PyArray1::from_iter(py, ids.into_iter().map(u64::cast_signed)))
}
