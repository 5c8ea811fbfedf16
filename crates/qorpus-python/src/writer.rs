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
use qorpus::Circuits;
use qorpus::core::{Circuit, Complex64};
use std::path::Path;
use std::time::Duration;

/// The time between two checks for signals during a wait.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Append records to a corpus file, together with any number of other processes and threads.
///
/// `append` and `extend` accept records. `flush`, and the end of a `with` block, return when all
/// accepted records are durable. If an exception or Ctrl-C ends the block, the records accepted
/// before are kept, as with files. That exception is raised; if the commit fails too, a note on it
/// says so. Ctrl-C during that commit stops waiting for it.
///
/// Open a writer in each process: a writer inherited through a fork raises `qorpus.Error`. Writers
/// that are still open when their process ends are closed, also in children of multiprocessing, but
/// not when the process is killed.
///
/// Args:
///     path: the file, created if it does not exist. The letters, dtype and unitaries of an
///         existing file must be equal to these.
///     gates: a preset or a gate file ("clifford+t", "mine.toml"); names (["h", "t", "cx"]); or
///         names with matrices of shape (2**k, 2**k), the first qubit most significant ({"h": None,
///         "root_y": array} or [("root_y", array)]). A name without a matrix that is not a standard
///         gate is an opaque gate: a record with it must bring its unitary. None continues an
///         existing corpus, unless `letters` are given, with its gates, qubits, coupling, dtype and
///         unitaries, which must then be left out.
///     qubits: the number of qubits, 1 to 8; by default 2, or as many as `letters` need.
///     coupling: the pairs of qubits on which gates may act: "all", "line", "ring", or pairs such
///         as "0-1,1-2"; by default "all".
///     letters: the letters one by one, a list or one string ("h 0; cx 0 1"), instead of `coupling`,
///         as for `Recipe`. An unknown gate in it is an opaque gate.
///     dtype: the dtype of stored unitaries, "complex128" or "complex64".
///     unitaries: whether unitaries are stored. If not, they are computed on reading, and records
///         may not bring any.
///     tolerance: how far a given unitary may be from unitary, as the largest entry of |U†U - 1|.
///         `math.inf` accepts anything finite.
///     order: the order of qubits in given unitaries: "big" (qubit 0 is the most significant bit)
///         or "little" (Qiskit's).
///     check: how a given unitary is compared with the unitary of its circuit, if all its gates
///         have matrices: "phase" (up to a global phase), "exact" or "none". On one and two qubits,
///         `extend` compares its first 256 records and every eighth after them; otherwise every
///         record is compared. Entries may differ by 1e-6, and by 1e-5 in a corpus of complex64.
///         The error names the likely cause: the other order of qubits, the conjugate, the
///         transpose, the inverse, or the letters backwards.
///     durability: "full" (commits survive a power cut), "normal" (a power cut may lose the last
///         commits if several processes write), or "off" (a power cut may ruin the file).
///
/// Raises:
///     qorpus.InvalidArgument: an option is invalid.
///     qorpus.WrongType: an option has the wrong type.
///     qorpus.MissingFile: `gates` is left out, and the file does not exist.
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
        text_signature = "(path, gates=None, qubits=None, *, coupling=None, letters=None, dtype='complex128', \
                          unitaries=True, tolerance=1e-06, order='big', check='phase', durability='full')"
    )]
    fn new(
        py: Python<'_>,
        path: &Bound<'_, PyAny>,
        gates: Option<&Bound<'_, PyAny>>,
        qubits: Option<&Bound<'_, PyAny>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Writer> {
        let given = Options::new(py, options).with("gates", gates)?.with("qubits", qubits)?;
        if gates.is_none() && !given.has("letters")? {
            for name in ["qubits", "coupling", "dtype", "unitaries"] {
                if given.has(name)? {
                    let text = "without gates the writer uses the gates of the corpus, and its";
                    let text = format!("{text} {name}; pass gates too, or leave {name} out");
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

    /// Accept one record. This waits while two groups of records are waiting to be committed.
    ///
    /// Args:
    ///     circuit: letters in time order: ["h 0", "cx 0 1"], on one qubit also ["h", "t"]; one
    ///         string, "h 0; cx 0 1"; or numbers of letters, also as an array.
    ///     unitary: an array of shape (d, d) for d = 2**qubits that NumPy converts to complex128
    ///         without loss, in the writer's order of qubits. It must be the unitary of the
    ///         circuit, as far as the writer checks. By default it is computed.
    ///     angles: the free angles of the letters, if the circuit does not have them in its text
    ///         ("rz(0.5) 0"): an array of shape (length, 3), each letter's angles in radians first.
    ///     **labels: numbers and strings by name. None adds no label.
    ///
    /// Raises:
    ///     qorpus.InvalidArgument: a letter does not exist; the array has another shape, is not
    ///         unitary or is not the unitary of the circuit; or a label is invalid.
    ///     qorpus.WrongType: an argument has the wrong type, such as a set, which has no order.
    ///     qorpus.Error: the writer was closed or inherited through a fork, or an earlier commit
    ///         failed.
    ///
    /// Examples:
    ///     >>> with qorpus.Writer("bell.db", gates=["h", "cx"], qubits=2) as writer:
    ///     ...     writer.append(["h 0", "cx 0 1"], fidelity=0.99, device="simulator")
    ///     ...     writer.append("h 1", np.kron(np.eye(2), [[1, 1], [1, -1]]) / np.sqrt(2))
    ///     >>> qorpus.open("bell.db")[0].labels["fidelity"]
    ///     0.99
    #[pyo3(signature = (circuit, unitary=None, *, angles=None, **labels))]
    fn append(
        &self,
        py: Python<'_>,
        circuit: &Bound<'_, PyAny>,
        unitary: Option<&Bound<'_, PyAny>>,
        angles: Option<&Bound<'_, PyAny>>,
        labels: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let (alphabet, mut circuits) = (self.writer.recipe().alphabet(), Circuits::default());
        let (mut letters, mut written) = (Vec::with_capacity(32), Vec::new());
        letters::circuit(alphabet, circuit, &mut letters, &mut written)?;
        circuits.push_circuit(Circuit { letters: &letters, angles: &written, drawn: None });
        if let Some(angles) = angles {
            let row = py.import("numpy")?.call_method1("expand_dims", (angles, 0))?;
            circuits = letters::with_angles(alphabet, &circuits, &row)?;
        }
        let unitary = unitary.map(|unitary| self.unitaries(unitary, None)).transpose()?;
        let unitary = unitary.as_ref().map(|unitary| unitary.as_slice()).transpose()?;
        let (names, labels) = labels::named(labels, labels::label)?;
        let labels: Vec<_> = names.iter().map(String::as_str).zip(labels).collect();
        let append = || self.writer.append_within(POLL_INTERVAL, circuits.circuit(0), unitary, &labels);
        until_done(py, &self.writer, || Ok(append()?.then_some(())))
    }

    /// Accept k records, all or none. This waits while two groups are waiting to be committed.
    ///
    /// Args:
    ///     circuits: a sequence of k circuits as in `append`, or an integer array of shape (k,
    ///         longest): numbers of letters, padded with -1.
    ///     unitaries: an array of shape (k, d, d), as in `append`.
    ///     angles: the free angles of the letters, if the circuits do not have them in their texts:
    ///         an array of shape (k, longest, 3), as `Corpus.angles` returns it.
    ///     **labels: k numbers or k strings by name. None adds no label.
    ///
    /// Raises:
    ///     qorpus.InvalidArgument: as in `append`, naming the record by its place; or the numbers
    ///         of circuits, unitaries and labels differ.
    ///     qorpus.WrongType: as in `append`.
    ///     qorpus.Error: as in `append`.
    ///
    /// Examples:
    ///     >>> with qorpus.Writer("many.db", gates=["h", "t"], qubits=1) as writer:
    ///     ...     writer.extend(np.array([[0, 1, 0], [1, -1, -1]]), reward=[0.5, 1.0])
    ///     >>> qorpus.open("many.db").circuits(slice(None))
    ///     [('h 0', 't 0', 'h 0'), ('t 0',)]
    #[pyo3(signature = (circuits, unitaries=None, *, angles=None, **labels))]
    fn extend(
        &self,
        py: Python<'_>,
        circuits: &Bound<'_, PyAny>,
        unitaries: Option<&Bound<'_, PyAny>>,
        angles: Option<&Bound<'_, PyAny>>,
        labels: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let alphabet = self.writer.recipe().alphabet();
        let mut circuits = letters::circuits(alphabet, circuits)?;
        if let Some(angles) = angles {
            circuits = letters::with_angles(alphabet, &circuits, angles)?;
        }
        let records = Some(circuits.len());
        let unitaries = unitaries.map(|unitaries| self.unitaries(unitaries, records)).transpose()?;
        let unitaries = unitaries.as_ref().map(|unitaries| unitaries.as_slice()).transpose()?;
        let (names, columns) = labels::named(labels, labels::column)?;
        let columns: Vec<_> = names.iter().map(String::as_str).zip(columns).collect();
        let extend = || self.writer.extend_within(POLL_INTERVAL, &circuits, unitaries, &columns);
        until_done(py, &self.writer, || Ok(extend()?.then_some(())))
    }

    /// Wait until all accepted records are durable.
    ///
    /// Returns:
    ///     The number of records that this writer has made durable so far.
    ///
    /// Raises:
    ///     qorpus.Error: a commit failed, or the writer was closed or inherited through a fork.
    ///
    /// Examples:
    ///     >>> with qorpus.Writer("mine.db", gates=["h"], qubits=1) as writer:
    ///     ...     writer.append("h")
    ///     ...     writer.flush()
    ///     1
    fn flush(&self, py: Python<'_>) -> PyResult<u64> {
        until_done(py, &self.writer, || self.writer.flush_within(POLL_INTERVAL))
    }

    /// Flush, and accept no more records. Closing again does nothing.
    ///
    /// Raises:
    ///     qorpus.Error: a commit failed.
    ///
    /// Examples:
    ///     >>> writer = qorpus.Writer("mine.db", gates=["h"], qubits=1)
    ///     >>> writer.append("h")
    ///     >>> writer.close()
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
            // The exception of the block is raised, with a note about the later failure.
            Err(error) if !kind.is_none() && !error.is_instance_of::<PyKeyboardInterrupt>(py) => {
                let failure = error.value(py).to_string();
                if failure != value.to_string() {
                    let note = format!("records that the writer had accepted are lost: {failure}");
                    value.call_method1("add_note", (note,)).map(drop).unwrap_or_else(|_| {
                        // Python 3.10 has no notes.
                        error.write_unraisable(py, None);
                    });
                }
                Ok(())
            }
            closed => closed,
        }
    }

    /// The absolute path of the file.
    #[getter]
    fn path(&self) -> &Path {
        self.writer.path()
    }

    /// The recipe of the corpus, a `qorpus.Recipe`: gates, qubits, coupling, dtype and unitaries.
    #[getter]
    fn recipe<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let json = self.writer.recipe().to_json();
        py.import("qorpus.recipe")?.getattr("Recipe")?.call_method1("from_json", (json,))
    }

    /// The letters, gates placed on qubits. Letter number j is `letters[j]`.
    #[getter]
    fn letters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let letters = self.writer.recipe().alphabet().letters().iter();
        PyTuple::new(py, letters.map(|letter| letter.text.as_str()).collect::<Vec<_>>())
    }

    fn __repr__(&self) -> String {
        format!("Writer('{}': {})", self.writer.path().display(), self.writer.recipe().summary())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Python::attach(|py| Err(wrong_type(py, "a Writer cannot be pickled; open one in each process")))
    }
}

/// Closes a writer. A signal ends the wait.
fn close(py: Python<'_>, writer: &qorpus::Writer) -> PyResult<()> {
    until_done(py, writer, || Ok(writer.close_within(POLL_INTERVAL)?.then_some(())))
}

/// Repeats a short wait until it has an answer or a signal arrives.
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

/// Issues the writer's warnings, and checks for signals. After a signal the writer stops waiting.
fn look(py: Python<'_>, writer: &qorpus::Writer) -> PyResult<()> {
    // Detached, because this may wait for a fork, which holds a lock while it waits for the
    // interpreter.
    let warnings = py.detach(|| writer.take_warnings());
    let warned = warnings.iter().try_for_each(|text| warn(py, text));
    // A signal that arrives while Python warns is raised there.
    warned.and_then(|()| py.check_signals()).inspect_err(|_| writer.interrupt())
}

/// Close every open writer of this process.
#[pyfunction]
pub(crate) fn close_writers(py: Python<'_>) {
    for writer in py.detach(qorpus::Writer::all_open) {
        if let Err(error) = close(py, &writer) {
            error.write_unraisable(py, None);
        }
    }
}

impl Writer {
    /// Converts the unitary of one record, or the unitaries of several.
    fn unitaries<'py>(
        &self,
        unitaries: &Bound<'py, PyAny>,
        records: Option<usize>,
    ) -> PyResult<PyReadonlyArrayDyn<'py, Complex64>> {
        let dim = self.writer.recipe().alphabet().dim();
        let (shape, what, name) = match records {
            None => (vec![dim, dim], "unitary", "the unitary"),
            Some(records) => (vec![records, dim, dim], "array of unitaries", "the array of unitaries"),
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
    /// Closes the writer if it is open. A failure cannot be raised here, so Python prints it.
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
