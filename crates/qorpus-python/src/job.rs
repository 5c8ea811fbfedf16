//! Jobs that take long, with Python looking on.

use crate::arguments::{self, class, count, given, number};
use crate::errors::{OrRaise, warn, wrong_type};
use crate::options::{durability_of, part_of};
use crate::waiting;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict};
use qorpus::{GenerateOptions, Progress, Recipe, Sealed};
use qorpus_cli::Bar;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes what is missing of a corpus. Signals and exceptions of `progress` stop it; what is ready is committed.
#[pyfunction]
#[pyo3(signature = (path, recipe, *, jobs=None, part=None, durability=None, shard=None, stage=None, force=false, progress=None))]
#[expect(clippy::too_many_arguments, reason = "they are Python's keywords")]
pub(crate) fn generate(
    py: Python<'_>,
    path: &Bound<'_, PyAny>,
    recipe: &str,
    jobs: Option<&Bound<'_, PyAny>>,
    part: Option<&Bound<'_, PyAny>>,
    durability: Option<&Bound<'_, PyAny>>,
    shard: Option<&Bound<'_, PyAny>>,
    stage: Option<&Bound<'_, PyAny>>,
    force: bool,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let recipe = Recipe::from_json(recipe).or_raise(py)?;
    let options = GenerateOptions {
        jobs: given(jobs, |jobs| number(jobs, "jobs"))?,
        part: given(part, part_of)?.unwrap_or_default(),
        durability: given(durability, durability_of)?.unwrap_or_default(),
        shard: given(shard, |shard| count(shard, "shard"))?,
        stage: given(stage, |stage| arguments::path(stage, "stage"))?,
        force,
    };
    let path = arguments::path(path, "path")?;
    let watch = Watch::new(progress)?;
    let mut idle = None;
    watched(py, &watch, |stop, tell| {
        let bar = Bar::new(!watch.shown);
        let result = qorpus::generate(&path, &recipe, options, stop, &mut |progress: Progress| {
            bar.show(progress);
            tell(progress.records, progress.expected);
        });
        bar.clear();
        idle = result?.1.idle;
        Ok(())
    })?;
    idle.map_or(Ok(()), |idle| warn(py, &format!("{}: {idle}", path.display())))
}

/// Refuses options of jobs that run elsewhere, before anything is begun there.
#[pyfunction]
#[pyo3(signature = (*, memory=None, jobs=None, alone=None, durability=None, stage=None, progress=None))]
pub(crate) fn check_job(
    memory: Option<&Bound<'_, PyAny>>,
    jobs: Option<&Bound<'_, PyAny>>,
    alone: Option<&Bound<'_, PyAny>>,
    durability: Option<&Bound<'_, PyAny>>,
    stage: Option<&Bound<'_, PyAny>>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    given(memory, |memory| count(memory, "memory"))?;
    given(jobs, |jobs| number::<usize>(jobs, "jobs"))?;
    given(alone, |alone| count(alone, "alone"))?;
    given(durability, durability_of)?;
    given(stage, |stage| arguments::path(stage, "stage"))?;
    Watch::new(progress).map(drop)
}

/// Folds the receipts of a sharded corpus into its manifest; returns what `qorpus seal --json` says.
#[pyfunction]
pub(crate) fn seal<'py>(py: Python<'py>, path: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let path = arguments::path(path, "path")?;
    dictionary(py, py.detach(|| qorpus::seal(&path)).or_raise(py)?)
}

/// Creates a sharded corpus, unless there is one of this recipe, and seals it.
#[pyfunction]
#[pyo3(signature = (path, recipe, shard=None))]
pub(crate) fn begin<'py>(
    py: Python<'py>,
    path: &Bound<'py, PyAny>,
    recipe: &str,
    shard: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let path = arguments::path(path, "path")?;
    let recipe = Recipe::from_json(recipe).or_raise(py)?;
    let shard = given(shard, |shard| count(shard, "shard"))?;
    dictionary(py, py.detach(|| qorpus::begin(&path, &recipe, shard)).or_raise(py)?)
}

/// The receipt of a shard as it was published, or None.
#[pyfunction]
pub(crate) fn receipt(py: Python<'_>, path: PathBuf, number: u64) -> PyResult<Option<String>> {
    py.detach(|| qorpus::receipt(&path, number)).or_raise(py)
}

pub(crate) fn dictionary(py: Python<'_>, sealed: Sealed) -> PyResult<Bound<'_, PyDict>> {
    let result = PyDict::new(py);
    result.set_item("version", sealed.version)?;
    result.set_item("shards", sealed.shards)?;
    result.set_item("of", sealed.of)?;
    result.set_item("shard_records", sealed.shard_records)?;
    result.set_item("records", sealed.records)?;
    result.set_item("expected", sealed.expected)?;
    result.set_item("complete", sealed.missing.is_empty())?;
    result.set_item("content_hash", sealed.content_hash.to_string())?;
    result.set_item("bytes", sealed.bytes)?;
    let missing = sealed.missing.into_iter().map(|ids| (ids.start, ids.end));
    result.set_item("missing", missing.collect::<Vec<_>>())?;
    Ok(result)
}

/// What people want to know of a job.
pub(crate) struct Watch {
    /// Whether a terminal shows a bar.
    pub(crate) shown: bool,
    /// What is called instead.
    call: Option<Py<PyAny>>,
}

impl Watch {
    pub(crate) fn new(progress: Option<&Bound<'_, PyAny>>) -> PyResult<Watch> {
        let Some(progress) = progress else { return Ok(Watch { shown: false, call: None }) };
        match progress.cast::<PyBool>() {
            Ok(shown) => Ok(Watch { shown: shown.is_true(), call: None }),
            Err(_) if progress.is_callable() => {
                Ok(Watch { shown: false, call: Some(progress.clone().unbind()) })
            }
            Err(_) => {
                let text = format!("progress is True, False or what is called, not {}", class(progress));
                Err(wrong_type(progress.py(), text))
            }
        }
    }
}

/// Runs a job without the GIL. It gets a flag that says when to stop, and tells two numbers now and then.
pub(crate) fn watched(
    py: Python<'_>,
    watch: &Watch,
    job: impl FnOnce(&AtomicBool, &mut dyn FnMut(u64, u64)) -> qorpus::Result<()> + Send,
) -> PyResult<()> {
    let (stop, mut failure) = (AtomicBool::new(false), None);
    let result = py.detach(|| {
        let mut tell = |one: u64, other: u64| {
            // Whoever has stopped it is not asked again.
            if failure.is_some() {
                return;
            }
            Python::attach(|py| {
                let told = |call: &Py<PyAny>| call.call1(py, (one, other)).map(drop);
                let looked = py.check_signals().and_then(|()| watch.call.as_ref().map_or(Ok(()), told));
                failure = looked.err();
                stop.store(failure.is_some(), Ordering::Relaxed);
            });
        };
        job(&stop, &mut tell)
    });
    failure.or_else(waiting::raised).map_or(Ok(()), Err)?;
    result.or_raise(py)
}
