//! Long jobs, interruptible by signals.

use crate::arguments::{self, Options, class, count, given};
use crate::errors::{OrRaise, deferred, warn, wrong_type};
use crate::options::{enumerate_options, generate_options};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict};
use qorpus::{EnumerateProgress, Progress, Recipe, Sealed};
use qorpus_cli::{Bar, LevelBar, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Make the missing records of a corpus.
///
/// Signals and exceptions of `progress` stop it; finished records are committed.
#[pyfunction]
#[pyo3(signature = (path, recipe, **options))]
pub(crate) fn generate(
    py: Python<'_>,
    path: &Bound<'_, PyAny>,
    recipe: &str,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    let Job { path, recipe, options, watch } = Job::new("generate", path, recipe, options, generate_options)?;
    let mut idle = None;
    watched(py, &watch, |stop, tell| {
        let bar = Bar::new(!watch.shown);
        let result = qorpus::generate(&path, &recipe, options, stop, &mut |progress: Progress| {
            let counts = (progress.records, progress.expected);
            bar.show(progress);
            tell(counts, &|| (counts, bar.line()));
        });
        bar.clear();
        idle = result?.1.idle;
        Ok(())
    })?;
    idle.map_or(Ok(()), |idle| warn(py, &format!("{}: {idle}", path.display())))
}

/// A job: its path, its recipe, its options, and how its progress is reported.
pub(crate) struct Job<T> {
    pub(crate) path: PathBuf,
    pub(crate) recipe: Recipe,
    pub(crate) options: T,
    pub(crate) watch: Watch,
}

impl<T> Job<T> {
    /// Reads the arguments of `function`; `meaning` takes its options.
    pub(crate) fn new<'py>(
        function: &str,
        path: &Bound<'py, PyAny>,
        recipe: &str,
        options: Option<&Bound<'py, PyDict>>,
        meaning: impl FnOnce(&Options<'py>) -> PyResult<T>,
    ) -> PyResult<Job<T>> {
        let recipe = Recipe::from_json(recipe).or_raise(path.py())?;
        let given = Options::new(path.py(), options);
        let options = meaning(&given)?;
        let path = arguments::path(path, "path")?;
        let watch = given.take("progress", Watch::new)?.unwrap_or_default();
        given.finish(function)?;
        Ok(Job { path, recipe, options, watch })
    }
}

/// Check the options of a job before it starts in other processes.
#[pyfunction]
#[pyo3(signature = (**options))]
pub(crate) fn check_job(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
    let given = Options::new(py, options);
    enumerate_options(&given)?;
    given.take("alone", count)?;
    given.take("stage", arguments::path)?;
    given.take("progress", Watch::new)?;
    given.finish("check_job")
}

/// List the published shards of a corpus in its manifest; return `qorpus seal --json`.
#[pyfunction]
pub(crate) fn seal<'py>(py: Python<'py>, path: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let path = arguments::path(path, "path")?;
    dictionary(py, py.detach(|| qorpus::seal(&path)).or_raise(py)?)
}

/// Create a sharded corpus unless it exists, and seal it.
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
    let shard = given(shard, "shard", count)?;
    dictionary(py, py.detach(|| qorpus::begin(&path, &recipe, shard)).or_raise(py)?)
}

/// Return the receipt of a published shard of the corpus that `begin` has begun, or None.
#[pyfunction]
pub(crate) fn receipt(py: Python<'_>, path: PathBuf, recipe: &str, number: u64) -> PyResult<Option<String>> {
    let recipe = Recipe::from_json(recipe).or_raise(py)?;
    py.detach(|| qorpus::receipt(&path, &recipe, number)).or_raise(py)
}

/// Converts the state of a sharded corpus: `qorpus seal --json`, with ranges as tuples.
pub(crate) fn dictionary(py: Python<'_>, sealed: Sealed) -> PyResult<Bound<'_, PyDict>> {
    let result = from_json(py, &json::sealed(&sealed).to_string())?;
    let missing = sealed.missing.into_iter().map(|ids| (ids.start, ids.end));
    result.set_item("missing", missing.collect::<Vec<_>>())?;
    Ok(result)
}

/// Parses a JSON object.
pub(crate) fn from_json<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyDict>> {
    Ok(py.import("json")?.call_method1("loads", (text,))?.cast_into()?)
}

/// The way in which the progress of a job is reported.
#[derive(Default)]
pub(crate) struct Watch {
    /// Whether a bar, or lines of a log, are shown.
    pub(crate) shown: bool,
    /// A function that is called instead.
    call: Option<Py<PyAny>>,
    /// A bar in a notebook, which is called instead.
    notebook: Option<Py<PyAny>>,
}

impl Watch {
    pub(crate) fn new(progress: &Bound<'_, PyAny>, name: &str) -> PyResult<Watch> {
        match progress.cast::<PyBool>() {
            Ok(shown) if shown.is_true() => {
                let notebook = progress.py().import("qorpus._notebook")?.call_method0("bar")?;
                let notebook = (!notebook.is_none()).then(|| notebook.unbind());
                Ok(Watch { shown: notebook.is_none(), call: None, notebook })
            }
            Ok(_) => Ok(Watch::default()),
            Err(_) if progress.is_callable() => {
                Ok(Watch { call: Some(progress.clone().unbind()), ..Watch::default() })
            }
            Err(_) => {
                let text = format!("{name} must be True, False or a function, not {}", class(progress));
                Err(wrong_type(progress.py(), text))
            }
        }
    }
}

/// The work that is done, all work, and the log line for it.
pub(crate) type Standing = ((u64, u64), String);

/// A callback for progress: two numbers for a function, and a closure that formats the progress for
/// a notebook, which is only called if there is one.
pub(crate) type Tell<'a> = dyn FnMut((u64, u64), &dyn Fn() -> Standing) + 'a;

/// Runs a job without the GIL.
///
/// The job gets a flag that asks it to stop, and a function to which it reports two numbers now and
/// then.
pub(crate) fn watched(
    py: Python<'_>,
    watch: &Watch,
    job: impl FnOnce(&AtomicBool, &mut Tell<'_>) -> qorpus::Result<()> + Send,
) -> PyResult<()> {
    let stop = AtomicBool::new(false);
    let mut failure = None;
    let result = py.detach(|| {
        let mut tell = |numbers: (u64, u64), standing: &dyn Fn() -> Standing| {
            // A progress function that raised is not called again.
            if failure.is_some() {
                return;
            }
            let standing = watch.notebook.as_ref().map(|bar| (bar, standing()));
            Python::attach(|py| {
                let looked = py.check_signals().and_then(|()| {
                    watch.call.as_ref().map_or(Ok(()), |call| call.call1(py, numbers).map(drop))
                });
                let shown = |(bar, standing): (&Py<PyAny>, Standing)| bar.call1(py, standing).map(drop);
                let looked = looked.and_then(|()| standing.map_or(Ok(()), shown));
                failure = looked.err();
                stop.store(failure.is_some(), Ordering::Relaxed);
            });
        };
        job(&stop, &mut tell)
    });
    failure.or_else(deferred).map_or(Ok(()), Err)?;
    result.or_raise(py)
}

/// Runs an enumeration as [`watched`] runs a job. It reports its progress level by level.
pub(crate) fn watched_levels(
    py: Python<'_>,
    watch: &Watch,
    job: impl FnOnce(&AtomicBool, &mut dyn FnMut(EnumerateProgress)) -> qorpus::Result<()> + Send,
) -> PyResult<()> {
    watched(py, watch, |stop, tell| {
        let mut bar = LevelBar::new(!watch.shown);
        let result = job(stop, &mut |progress| {
            bar.show(progress);
            let standing = || ((progress.done, progress.of), bar.line(&progress));
            tell((progress.length as u64, progress.records), &standing);
        });
        bar.clear();
        result
    })
}
