//! Generating, with Python looking on.

use crate::errors::OrRaise;
use crate::options::{class, durability_of, number, part_of};
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
        jobs: jobs.map(|jobs| number(jobs, "jobs")).transpose()?,
        part: part.map(part_of).transpose()?.unwrap_or_default(),
        durability: durability.map(|name| durability_of(py, name)).transpose()?.unwrap_or_default(),
    };
    let (shown, call) = match progress {
        None => (false, None),
        Some(progress) => match progress.cast::<PyBool>() {
            Ok(shown) => (shown.is_true(), None),
            Err(_) if progress.is_callable() => (false, Some(progress.clone().unbind())),
            Err(_) => {
                let text = format!("progress is True, False or what is called, not {}", class(progress));
                return Err(PyTypeError::new_err(text));
            }
        },
    };
    let (stop, mut failure) = (AtomicBool::new(false), None);
    let result = py.detach(|| {
        let mut bar = Bar::new(!shown);
        let mut report = |progress: Progress| {
            bar.show(progress);
            // Whoever has stopped it is not asked again.
            if failure.is_some() {
                return;
            }
            Python::attach(|py| {
                let told = |call: &Py<PyAny>| call.call1(py, (progress.records, progress.expected)).map(drop);
                let looked = py.check_signals().and_then(|()| call.as_ref().map_or(Ok(()), told));
                failure = looked.err();
                stop.store(failure.is_some(), Ordering::Relaxed);
            });
        };
        let result = qorpus::generate(&path, &recipe, options, &stop, &mut report);
        bar.clear();
        result
    });
    if let Some(error) = failure {
        return Err(error);
    }
    result.or_raise(py).map(drop)
}
