//! Appending records.

use crate::arguments::{self, Options};
use crate::arrays::{complex, shape_text};
use crate::errors::{OrRaise, invalid, warn, wrong_type};
use crate::options::writer_options;
use crate::{labels, letters};
use numpy::{PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use qorpus::core::Complex64;
use std::path::Path;
use std::time::Duration;

/// The time between two looks for signals while someone waits.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Appends records to a corpus that any number of processes and threads may be writing.
///
/// `append` and `extend` accept records; `flush` and leaving the `with` return when all that were
/// accepted are durable, also if an exception, or Ctrl-C, ends the block: as with files, what was
/// accepted before is kept. The exception of the block is the one that is raised; if the commit
/// fails as well, a note says so. Ctrl-C during that commit gives up waiting for it. Open one in
/// each process: one that was inherited through a fork refuses. Writers that are still open when
/// their process ends are closed, in children of multiprocessing too, but not in processes that are
/// killed.
///
/// Args:
///     path: the file. It is created if need be; otherwise its gates, qubits, coupling, dtype and unitaries must be these.
///     gates: a preset or gate file (`"clifford+t"`, `"mine.toml"`), names (`["h", "t", "cx"]`), or names with matrices
///         (`{"h": None, "root_y": array}`, `[("root_y", array)]`) of shape `(2**k, 2**k)`, first qubit most significant.
///         A name that the library does not know is an opaque gate: a record with it must bring its unitary. None: those
///         of the corpus, which must exist, with its qubits, coupling, dtype and unitaries.
///     qubits: the number of qubits, 1 to 8.
///     coupling: where gates on several qubits may stand: "all", "line", "ring", or pairs such as "0-1,1-2".
///     dtype: "complex128" or "complex64".
///     unitaries: whether unitaries are stored; if not, they are computed on reading and none can be given.
///     tolerance: how far a given unitary may be from unitary, as the largest entry of U†U - 1; `math.inf` takes
///         anything finite.
///     order: the order of qubits in given unitaries, "big" (qubit 0 is the most significant bit) or "little" (Qiskit's).
///     check: how a given unitary is compared with that of its circuit, if the library knows all gates: "phase" (up to a
///         global phase), "exact", or "none". `extend` on one or two qubits compares its first 256 records and every eighth
///         behind them, `append` and wider ones all. Entries may differ by 1e-6, in a corpus of complex64 by 1e-5. The error names
///         the likely cause: the other order of qubits, the conjugate, the transpose, the inverse, or the letters backwards.
///     durability: "full" (survives a power cut), "normal" (a power cut may lose the last commits if several write),
///         or "off" (it may ruin the file).
///
/// Raises:
///     ValueError: an option cannot be.
///     qorpus.Error: the path cannot hold a corpus, or holds another one.
///
/// Examples:
///     >>> with qorpus.Writer("mine.db", gates=["h", "s", "t"], qubits=1) as writer:
///     ...     writer.append(["h", "t"])
///     ...     writer.append("t; h", reward=0.5)
///     ...     writer.flush()
///     2
///     >>> qorpus.open("mine.db").circuits([0, 1])
///     [('h 0', 't 0'), ('t 0', 'h 0')]
#[pyclass(frozen, module = "qorpus")]
pub(crate) struct Writer {
    writer: qorpus::Writer,
}

#[pymethods]
impl Writer {
    #[new]
    #[pyo3(
        signature = (path, gates=None, qubits=None, **options),
        text_signature = "(path, gates=None, qubits=None, *, coupling=None, dtype=None, unitaries=None, \
                          tolerance=None, order=None, check=None, durability=None)"
    )]
    fn new(
        py: Python<'_>,
        path: &Bound<'_, PyAny>,
        gates: Option<&Bound<'_, PyAny>>,
        qubits: Option<&Bound<'_, PyAny>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Writer> {
        let given = Options::new(py, options).with("gates", gates)?.with("qubits", qubits)?;
        if gates.is_none() {
            for name in ["qubits", "coupling", "dtype", "unitaries"] {
                if given.has(name)? {
                    let text = "without gates those of the corpus are used, and its";
                    let text = format!("{text} {name} too: give gates, or leave {name} out");
                    return Err(invalid(py, text));
                }
            }
        }
        let options = writer_options(&given)?;
        given.finish("Writer.__new__")?;
        let path = arguments::path(path, "path")?;
        let missing = py.detach(|| qorpus::missing_wal(&path));
        let writer = py.detach(|| qorpus::Writer::open(&path, &options)).or_raise(py)?;
        missing.map_or(Ok(()), |text| warn(py, &text))?;
        py.import("qorpus._atexit")?.call_method0("watch")?;
        Ok(Writer { writer })
    }

    /// Accepts one record; waits while two groups of records wait to be committed.
    ///
    /// Args:
    ///     circuit: letters in time order (`["h 0", "cx 0 1"]`, on one qubit also `["h", "t"]`), one text
    ///         (`"h 0; cx 0 1"`), or the numbers of letters, also as an array.
    ///     unitary: array of shape `(2**n, 2**n)` that NumPy converts to complex128 without loss, qubits in the writer's
    ///         order; it must be the circuit's, as far as the writer checks. Computed if it is left out.
    ///     **labels: numbers and texts by name; None is no label.
    ///
    /// Raises:
    ///     ValueError: no such letter, another shape, not unitary, not the circuit's unitary, or a label that cannot be.
    ///     TypeError: something that is no circuit, no array of numbers, or no label; a set, which has no order.
    ///     qorpus.Error: the writer was closed or inherited through a fork, or an earlier commit failed.
    #[pyo3(signature = (circuit, unitary=None, **labels))]
    fn append(
        &self,
        py: Python<'_>,
        circuit: &Bound<'_, PyAny>,
        unitary: Option<&Bound<'_, PyAny>>,
        labels: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let mut letters = Vec::with_capacity(32);
        letters::circuit(self.writer.recipe().alphabet(), circuit, &mut letters)?;
        let unitary = unitary.map(|unitary| self.unitaries(unitary, None)).transpose()?;
        let unitary = unitary.as_ref().map(|unitary| unitary.as_slice()).transpose()?;
        let (names, labels) = labels::named(labels, labels::label)?;
        let labels: Vec<_> = names.iter().map(String::as_str).zip(labels).collect();
        let append = || self.writer.append_within(POLL_INTERVAL, &letters, unitary, &labels);
        until_done(py, &self.writer, || Ok(append()?.then_some(())))
    }

    /// Accepts records, all or none of them; waits while two groups of records wait to be
    /// committed.
    ///
    /// Args:
    ///     circuits: a sequence of circuits as `append` takes them, or an array of shape (k, longest) of numbers of
    ///         letters, padded with -1 behind.
    ///     unitaries: array of shape `(k, 2**n, 2**n)`, as in `append`.
    ///     **labels: by name, k numbers or k texts; None is no label.
    ///
    /// Raises:
    ///     ValueError: as in `append`, naming the record by its place; or k differs.
    ///     TypeError: as in `append`.
    ///     qorpus.Error: as in `append`.
    #[pyo3(signature = (circuits, unitaries=None, **labels))]
    fn extend(
        &self,
        py: Python<'_>,
        circuits: &Bound<'_, PyAny>,
        unitaries: Option<&Bound<'_, PyAny>>,
        labels: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let circuits = letters::circuits(self.writer.recipe().alphabet(), circuits)?;
        let records = Some(circuits.len());
        let unitaries = unitaries.map(|unitaries| self.unitaries(unitaries, records)).transpose()?;
        let unitaries = unitaries.as_ref().map(|unitaries| unitaries.as_slice()).transpose()?;
        let (names, columns) = labels::named(labels, labels::column)?;
        let columns: Vec<_> = names.iter().map(String::as_str).zip(columns).collect();
        let extend = || self.writer.extend_within(POLL_INTERVAL, &circuits, unitaries, &columns);
        until_done(py, &self.writer, || Ok(extend()?.then_some(())))
    }

    /// Returns when all records that were accepted are durable: how many this writer has made
    /// durable so far.
    ///
    /// Raises:
    ///     qorpus.Error: a commit failed, or the writer was closed or inherited through a fork.
    fn flush(&self, py: Python<'_>) -> PyResult<u64> {
        until_done(py, &self.writer, || self.writer.flush_within(POLL_INTERVAL))
    }

    /// Flushes, and accepts nothing from then on. Closing again does nothing.
    ///
    /// Raises:
    ///     qorpus.Error: a commit failed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        close(py, &self.writer)
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    #[pyo3(signature = (kind, value, traceback))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let _ = traceback;
        let closed = self.close(py);
        match closed {
            // The exception of the block is the one that is raised; what went wrong afterwards is
            // told with it.
            Err(error) if !kind.is_none() && !error.is_instance_of::<PyKeyboardInterrupt>(py) => {
                let failure = error.value(py).to_string();
                if failure != value.to_string() {
                    let note = format!("records that were accepted before are lost: {failure}");
                    value.call_method1("add_note", (note,)).map(drop).unwrap_or_else(|_| {
                        // Python 3.10 knows no notes.
                        error.write_unraisable(py, None);
                    });
                }
                Ok(())
            }
            closed => closed,
        }
    }

    /// The file, absolute.
    #[getter]
    fn path(&self) -> &Path {
        self.writer.path()
    }

    /// The recipe of the corpus, a `qorpus.Recipe`: what its records have in common.
    #[getter]
    fn recipe<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let json = self.writer.recipe().to_json();
        py.import("qorpus.recipe")?.getattr("Recipe")?.call_method1("from_json", (json,))
    }

    /// The letters, gates placed on qubits: letter number k is `letters[k]`.
    #[getter]
    fn letters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let letters = self.writer.recipe().alphabet().letters().iter();
        PyTuple::new(py, letters.map(|letter| letter.text.as_str()).collect::<Vec<_>>())
    }

    fn __repr__(&self) -> String {
        format!("Writer('{}': {})", self.writer.path().display(), self.writer.recipe().summary())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Python::attach(|py| Err(wrong_type(py, "a Writer stays in its process; open one in each")))
    }
}

/// Closes a writer, unless a signal says to stop waiting for that.
fn close(py: Python<'_>, writer: &qorpus::Writer) -> PyResult<()> {
    until_done(py, writer, || Ok(writer.close_within(POLL_INTERVAL)?.then_some(())))
}

/// Repeats what waits for a short while only, until it has an answer or a signal comes.
fn until_done<T: Send>(
    py: Python<'_>,
    writer: &qorpus::Writer,
    act: impl Fn() -> qorpus::Result<Option<T>> + Sync,
) -> PyResult<T> {
    loop {
        if let Some(answer) = py.detach(&act).or_raise(py)? {
            return Ok(answer);
        }
        look(py, writer)?;
    }
}

/// Says what the writer waits for; after a signal it need not wait for long any more.
fn look(py: Python<'_>, writer: &qorpus::Writer) -> PyResult<()> {
    // Detached, as all that may wait for a fork: whoever forks holds the gate and waits for the
    // interpreter.
    let warnings = py.detach(|| writer.take_warnings());
    let warned = warnings.iter().try_for_each(|text| warn(py, text));
    // A signal may come while Python warns, which raises it there.
    warned.and_then(|()| py.check_signals()).inspect_err(|_| writer.interrupt())
}

/// Closes every writer of this process that is open.
#[pyfunction]
pub(crate) fn close_writers(py: Python<'_>) {
    for writer in py.detach(qorpus::Writer::all_open) {
        if let Err(error) = close(py, &writer) {
            error.write_unraisable(py, None);
        }
    }
}

impl Writer {
    /// Unitaries as they are given, of one record or of several.
    fn unitaries<'py>(
        &self,
        unitaries: &Bound<'py, PyAny>,
        records: Option<usize>,
    ) -> PyResult<PyReadonlyArrayDyn<'py, Complex64>> {
        let dim = self.writer.recipe().alphabet().dim();
        let (shape, what, name) = match records {
            None => (vec![dim, dim], "unitary", "a unitary"),
            Some(records) => (vec![records, dim, dim], "array of unitaries", "unitaries"),
        };
        let array = complex(unitaries, name)?;
        if array.shape() != shape {
            let (shape, found) = (shape_text(&shape), shape_text(array.shape()));
            return Err(invalid(unitaries.py(), format!("the {what} has shape {found}; it must be {shape}")));
        }
        Ok(array.try_readonly()?)
    }
}

impl Drop for Writer {
    /// Makes accepted records durable unless the writer was closed. A failure cannot be raised here.
    fn drop(&mut self) {
        Python::try_attach(|py| {
            if py.detach(|| self.writer.is_closed()) {
                return;
            }
            if let Err(error) = close(py, &self.writer) {
                error.write_unraisable(py, None);
            }
        });
    }
}
