//! Jobs that take long, with Python looking on.

use crate::errors::OrRaise;
use crate::options::{class, durability_of, given, number, part_of};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBool;
use qorpus::{GenerateOptions, Progress, Recipe};
use qorpus_cli::Bar;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes what is missing of a corpus. Signals and exceptions of `progress` stop it; what is ready is committed.
#[pyfunction]
pub(crate) fn generate(
    py: Python<'_>,
    path: PathBuf,
    recipe: &str,
    jobs: Option<&Bound<'_, PyAny>>,
    part: Option<&Bound<'_, PyAny>>,
    durability: Option<&str>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let recipe = Recipe::from_json(recipe).or_raise(py)?;
    let options = GenerateOptions {
        jobs: given(jobs, |jobs| number(jobs, "jobs"))?,
        part: given(part, part_of)?.unwrap_or_default(),
        durability: durability.map(|name| durability_of(py, name)).transpose()?.unwrap_or_default(),
    };
    let watch = Watch::new(progress)?;
    watched(py, &watch, |stop, tell| {
        let mut bar = Bar::new(!watch.shown);
        let result = qorpus::generate(&path, &recipe, options, stop, &mut |progress: Progress| {
            bar.show(progress);
            tell(progress.records, progress.expected);
        });
        bar.clear();
        result.map(drop)
    })
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
                Err(PyTypeError::new_err(text))
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
    failure.map_or(Ok(()), Err)?;
    result.or_raise(py)
}
