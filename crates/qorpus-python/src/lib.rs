//! The native module of the Python package: it converts arguments, releases the GIL, calls the
//! engine, and maps errors to exceptions.

#![allow(clippy::doc_markdown, reason = "comments on Python objects are docstrings, not Rust's Markdown")]

mod arguments;
mod arrays;
mod assemble;
mod channels;
mod circuits;
mod distinct;
mod environments;
mod errors;
mod facts;
mod find;
mod ids;
mod job;
mod labels;
mod letters;
mod options;
mod query;
mod record;
mod records;
mod shuffle;
mod unitary_parts;
mod waiting;
mod writer;

use errors::OrRaise;
use pyo3::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Run the `qorpus` command with these arguments, and return its exit status. `qorpus view` calls
/// `view(corpus, port, open)`, which returns it.
#[pyfunction]
#[pyo3(signature = (arguments, view=None))]
fn command(py: Python<'_>, arguments: Vec<OsString>, view: Option<Py<PyAny>>) -> PyResult<u8> {
    let (failure, directory) = (OnceLock::new(), directory(py));
    let status = py.detach(|| {
        let call = |view: &Py<PyAny>, asked: &qorpus_cli::View| -> u8 {
            waiting::attend();
            let status = Python::attach(|py| {
                view.call1(py, (&asked.corpus, asked.port, asked.open))?.extract::<u8>(py)
            });
            status.unwrap_or_else(|error| {
                let _ = failure.set(error);
                1
            })
        };
        let viewer = view.as_ref().map(|view| move |asked: &qorpus_cli::View| call(view, asked));
        let viewer = viewer.as_ref().map(|viewer| viewer as qorpus_cli::Viewer<'_>);
        let installation = qorpus_cli::Installation { directory: &directory, viewer };
        qorpus_cli::command(std::iter::once("qorpus".into()).chain(arguments), installation)
    });
    waiting::attend();
    failure.into_inner().map_or(Ok(status), Err)
}

/// Return the path of the loadable SQLite extension.
///
/// Programs with their own SQLite load it to read records, such as `sqlite3`, Datasette, or Python
/// with `sqlite3.Connection.load_extension`.
///
/// Raises:
///     qorpus.Error: This copy of Qorpus was built without it.
///
/// Examples:
///     >>> import qorpus
///     >>> print(qorpus.sqlite_extension())
///     /...libqorpus_sqlite.so
#[pyfunction]
fn sqlite_extension(py: Python<'_>) -> PyResult<OsString> {
    qorpus::sqlite_extension(&directory(py)).map(PathBuf::into_os_string).or_raise(py)
}

/// Returns the directory of the package's libraries; empty if Python does not know it. It is not the
/// package itself, where Python takes every library for a module.
fn directory(py: Python<'_>) -> PathBuf {
    let module = py.import("qorpus._qorpus").and_then(|module| module.filename()?.extract::<PathBuf>());
    module.ok().and_then(|file| Some(file.parent()?.join("lib"))).unwrap_or_default()
}

/// Close handles and locks before a fork.
#[pyfunction]
fn before_fork(py: Python<'_>) {
    py.detach(qorpus::before_fork);
}

/// Let readers and writers continue after a fork.
#[pyfunction]
fn after_fork() {
    qorpus::after_fork();
}

#[pymodule]
mod _qorpus {
    #[pymodule_export]
    use super::channels::channels;
    #[pymodule_export]
    use super::circuits::{draw, evaluate, matrix, placed, to_qasm2, to_qasm3};
    #[pymodule_export]
    use super::distinct::{Worker, enumerate, enumerate_elsewhere, is_group, levels, sample};
    #[pymodule_export]
    use super::environments::Environments;
    #[pymodule_export]
    use super::facts::{info, paths, present_ranges, summary};
    #[pymodule_export]
    use super::find::find;
    #[pymodule_export]
    use super::job::{begin, check_job, generate, receipt, seal};
    #[pymodule_export]
    use super::options::{defaults, distinct_recipe, recipe};
    #[pymodule_export]
    use super::query::select;
    #[pymodule_export]
    use super::record::{Origin, Record};
    #[pymodule_export]
    use super::{
        after_fork, arguments::ordered, before_fork, command, letters::padded, shuffle::shuffled,
        sqlite_extension, writer::close_writers,
    };
    #[pymodule_export]
    use super::{
        records::Records, shuffle::Permutation, shuffle::Split, unitary_parts::UnitaryParts, writer::Writer,
    };
    use pyo3::exceptions::PyRuntimeWarning;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn prepare(module: &Bound<'_, PyModule>) -> PyResult<()> {
        if cfg!(debug_assertions) {
            let text = c"qorpus was built without optimization and is many times slower than a release; \
                         build it with 'maturin build --release' or 'pip install .'";
            let category = module.py().get_type::<PyRuntimeWarning>();
            PyErr::warn(module.py(), &category, text, 2)?;
        }
        super::waiting::attend();
        // The numpy crate looks up NumPy's functions at their first use, and panics if an interrupt
        // arrives meanwhile. Do it now; import the module before, because an interrupted import
        // raises an exception.
        module.py().import("numpy.lib")?;
        numpy::dtype::<f64>(module.py());
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
