//! The native module of the Python package: convert, release the GIL, call the library, map the
//! error.

#![allow(clippy::doc_markdown, reason = "what documents a Python object is a docstring, not Rust's Markdown")]

mod arguments;
mod arrays;
mod circuits;
mod distinct;
mod errors;
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

use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;
use std::ffi::OsString;

/// Runs the `qorpus` command with these arguments and returns its exit status.
#[pyfunction]
fn command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    let status = py.detach(|| qorpus_cli::command(std::iter::once("qorpus".into()).chain(arguments)));
    waiting::attend();
    status
}

/// Closes what must not be carried through a fork.
#[pyfunction]
fn before_fork(py: Python<'_>) {
    py.detach(qorpus::before_fork);
}

/// Lets readers and writers go on after a fork.
#[pyfunction]
fn after_fork() {
    qorpus::after_fork();
}

#[pymodule]
fn _qorpus(module: &Bound<'_, PyModule>) -> PyResult<()> {
    if cfg!(debug_assertions) {
        let text = c"qorpus was built without optimisation and is many times slower than it should be; \
                     build it with 'maturin build --release' or 'pip install .'";
        let category = module.py().get_type::<PyRuntimeWarning>();
        PyErr::warn(module.py(), &category, text, 2)?;
    }
    waiting::attend();
    // NumPy looks for its functions where they are called first, and panics if an interrupt arrives
    // there; its modules come first, since their import ends with an exception.
    module.py().import("numpy.lib")?;
    numpy::dtype::<f64>(module.py());
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<record::Origin>()?;
    module.add_class::<record::Record>()?;
    module.add_class::<records::Records>()?;
    module.add_class::<shuffle::Permutation>()?;
    module.add_function(wrap_pyfunction!(shuffle::shuffled, module)?)?;
    module.add_class::<shuffle::Split>()?;
    module.add_class::<unitary_parts::UnitaryParts>()?;
    module.add_class::<writer::Writer>()?;
    module.add_function(wrap_pyfunction!(arguments::ordered, module)?)?;
    module.add_function(wrap_pyfunction!(command, module)?)?;
    module.add_function(wrap_pyfunction!(before_fork, module)?)?;
    module.add_function(wrap_pyfunction!(after_fork, module)?)?;
    module.add_function(wrap_pyfunction!(circuits::placed, module)?)?;
    module.add_function(wrap_pyfunction!(circuits::to_qasm2, module)?)?;
    module.add_function(wrap_pyfunction!(circuits::to_qasm3, module)?)?;
    module.add_function(wrap_pyfunction!(writer::close_writers, module)?)?;
    module.add_function(wrap_pyfunction!(options::distinct_recipe, module)?)?;
    module.add_function(wrap_pyfunction!(distinct::enumerate, module)?)?;
    module.add_function(wrap_pyfunction!(distinct::enumerate_elsewhere, module)?)?;
    module.add_class::<distinct::Worker>()?;
    module.add_function(wrap_pyfunction!(job::check_job, module)?)?;
    module.add_function(wrap_pyfunction!(job::generate, module)?)?;
    module.add_function(wrap_pyfunction!(job::begin, module)?)?;
    module.add_function(wrap_pyfunction!(job::receipt, module)?)?;
    module.add_function(wrap_pyfunction!(job::seal, module)?)?;
    module.add_function(wrap_pyfunction!(options::recipe, module)?)?;
    module.add_function(wrap_pyfunction!(circuits::evaluate, module)?)?;
    module.add_function(wrap_pyfunction!(circuits::matrix, module)?)?;
    Ok(())
}
