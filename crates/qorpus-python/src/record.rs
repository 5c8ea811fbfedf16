//! One record.

use crate::arguments::{class, given, number, path, text};
use crate::errors::{OrRaise, invalid, wrong_type};
use crate::{labels, options};
use numpy::{PyArrayMethods, ToPyArray};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};
use qorpus::core::MAX_GATE_ANGLES;
use qorpus::{Label, Order, Recipe};
use qorpus_cli::names::{ORDERS, name_of};
use std::collections::BTreeMap;

/// Letters of a circuit that `repr` shows.
const SHOWN_LETTERS: usize = 32;

/// The recipe and the order of qubits that the records of a corpus share.
#[pyclass(frozen, module = "qorpus._qorpus")]
pub(crate) struct Origin {
    recipe: Recipe,
    pub(crate) order: Order,
    /// The names of the gates, in order.
    pub(crate) gates: Vec<String>,
    pub(crate) matrices: Py<PyDict>,
}

#[pymethods]
impl Origin {
    #[new]
    fn from_json(py: Python<'_>, recipe: &Bound<'_, PyAny>, order: &Bound<'_, PyAny>) -> PyResult<Origin> {
        let recipe = Recipe::from_json(text(recipe, "a recipe (its JSON)")?).or_raise(py)?;
        Origin::new(py, recipe, options::order(order, "order")?)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (py.get_type::<Origin>(), (self.recipe.to_json(), order_name(self.order))).into_pyobject(py)
    }
}

impl Origin {
    pub(crate) fn new(py: Python<'_>, recipe: Recipe, order: Order) -> PyResult<Origin> {
        let gates = recipe.alphabet().gates();
        let matrices = PyDict::new(py);
        for gate in gates.iter().filter(|gate| !gate.is_standard() && !gate.is_opaque()) {
            let dim = 1 << gate.qubits();
            let matrix = gate.matrix().to_pyarray(py).reshape([dim, dim])?;
            // All records share the matrix.
            matrix.call_method1("setflags", (false,))?;
            matrices.set_item(gate.name(), matrix)?;
        }
        let gates = gates.iter().map(|gate| gate.name().to_owned()).collect();
        Ok(Origin { recipe, order, gates, matrices: matrices.unbind() })
    }

    fn qubits(&self) -> usize {
        self.recipe.alphabet().qubits()
    }
}

/// Returns the name of an order of qubits.
pub(crate) fn order_name(order: Order) -> &'static str {
    name_of(ORDERS, order)
}

/// A record: a circuit, its unitary and its labels.
///
/// Records come from reading a corpus or a recipe. They can be compared, hashed and pickled.
///
/// Examples:
///     >>> record = qorpus.Recipe(gates="h,t", qubits=1, words=True, length=(0, 3))[9]
///     >>> record
///     Record(id=9, circuit=('h 0', 't 0', 'h 0'), qubits=1)
///     >>> record.unitary.shape
///     (2, 2)
///     >>> record.labels
///     {'count_h': 2, 'count_t': 1, 'length': 3}
#[pyclass(frozen, module = "qorpus._qorpus")]
pub(crate) struct Record {
    #[pyo3(get)]
    /// The id: the place of the record in its corpus, counted from 0.
    id: u64,
    #[pyo3(get)]
    /// The letters in time order, such as `("h 0", "cx 0 1")`; `None` if the record is a
    /// Haar-random unitary and has no circuit.
    circuit: Option<Py<PyTuple>>,
    #[pyo3(get)]
    /// The unitary: an array of shape (d, d) for d = 2**qubits, complex128 or complex64; `None` on more
    /// than 8 qubits.
    unitary: Option<Py<PyAny>>,
    /// The free angles of the letters; `None` if the gates have none.
    angles: Option<Py<PyAny>>,
    given: Option<Py<PyDict>>,
    origin: Py<Origin>,
    labels: PyOnceLock<Py<PyDict>>,
}

#[pymethods]
impl Record {
    #[new]
    #[pyo3(signature = (id, circuit, unitary, given, origin, angles=None))]
    fn new(
        id: &Bound<'_, PyAny>,
        circuit: &Bound<'_, PyAny>,
        unitary: Option<Py<PyAny>>,
        given: Option<&Bound<'_, PyAny>>,
        origin: &Bound<'_, PyAny>,
        angles: Option<Py<PyAny>>,
    ) -> PyResult<Record> {
        let refused = |name: &str, value: &Bound<'_, PyAny>| {
            let class = class(value);
            let text = format!("the {name} of a record cannot be {class}; read records from a corpus");
            wrong_type(value.py(), text)
        };
        let origin = origin.cast::<Origin>().map_err(|_| refused("origin", origin))?;
        let has_circuit = origin.get().recipe.space().has_circuits();
        let circuit = match circuit.cast::<PyTuple>() {
            Ok(circuit) if has_circuit => Some(circuit.clone().unbind()),
            Err(_) if circuit.is_none() && !has_circuit => None,
            _ => return Err(refused("circuit", circuit)),
        };
        if unitary.is_some() != origin.get().recipe.has_unitaries() {
            let py = origin.py();
            return Err(refused("unitary", unitary.map_or(py.None(), |given| given).bind(py)));
        }
        Ok(Record {
            id: number(id, "id")?,
            circuit,
            unitary,
            angles,
            given: given
                .map(|given| given.cast::<PyDict>().map_err(|_| refused("labels", given)))
                .transpose()?
                .map(|given| given.clone().unbind()),
            origin: origin.clone().unbind(),
            labels: PyOnceLock::new(),
        })
    }

    /// The labels by name.
    ///
    /// A dict of `length`, `count_GATE` for each gate of the corpus, and the labels that were appended
    /// with the record. It is empty if the record has no circuit.
    #[getter]
    fn labels<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyDict>> {
        Ok(self.labels.get_or_try_init(py, || self.count_labels(py))?.bind(py))
    }

    /// The free angles of the letters.
    ///
    /// A float64 array of shape (length, 3): the angles of each letter in radians, as many as its
    /// gate has `?`, and then NaN.
    #[getter]
    fn angles<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(angles) = &self.angles {
            return Ok(angles.bind(py).clone());
        }
        let letters = self.circuit.as_ref().map_or(0, |circuit| circuit.bind(py).len());
        let shape = (letters, MAX_GATE_ANGLES);
        py.import("numpy")?.call_method1("full", (shape, f64::NAN))
    }

    /// The number of qubits.
    #[getter]
    fn qubits(&self) -> usize {
        self.origin.get().qubits()
    }

    /// The order of qubits, "big" or "little".
    ///
    /// "big": qubit 0 is the most significant bit of the unitary's indices. "little": it is the
    /// least significant bit.
    #[getter]
    fn order(&self) -> &'static str {
        order_name(self.origin.get().order)
    }

    /// The matrices of gates that are not standard, by name.
    ///
    /// A matrix is complex128 of shape (2**k, 2**k), the first qubit most significant.
    #[getter]
    fn matrices<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.origin.get().matrices.bind(py).copy()
    }

    /// Convert the circuit to a `qiskit.QuantumCircuit`.
    ///
    /// Qubits keep their numbers, so its `Operator` is the unitary in little order. See
    /// `qorpus.to_qiskit`.
    ///
    /// Raises:
    ///     qorpus.MissingLibrary: Qiskit is not installed.
    ///
    /// Examples:
    ///     >>> record = qorpus.Recipe(gates="h,t", qubits=1, words=True, length=(0, 3))[9]
    ///     >>> record.to_qiskit().size()
    ///     3
    fn to_qiskit<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.convert(py, "to_qiskit")
    }

    /// Convert the circuit to a `cirq.Circuit` on `cirq.LineQubit.range(qubits)`.
    ///
    /// See `qorpus.to_cirq`.
    ///
    /// Raises:
    ///     qorpus.MissingLibrary: Cirq is not installed.
    ///
    /// Examples:
    ///     >>> record = qorpus.Recipe(gates="h,t", qubits=1, words=True, length=(0, 3))[9]
    ///     >>> print(record.to_cirq())
    ///     0: ───H───T───H───
    fn to_cirq<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.convert(py, "to_cirq")
    }

    /// Convert the circuit to a `bqskit.ir.Circuit`.
    ///
    /// See `qorpus.to_bqskit`.
    ///
    /// Raises:
    ///     qorpus.MissingLibrary: BQSKit is not installed.
    ///
    /// Examples:
    ///     >>> record = qorpus.Recipe(gates="h,t", qubits=1, words=True, length=(0, 3))[9]
    ///     >>> record.to_bqskit().num_operations
    ///     3
    fn to_bqskit<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.convert(py, "to_bqskit")
    }

    /// Write the circuit as a complete OpenQASM 2 program.
    ///
    /// See `qorpus.to_qasm2`.
    ///
    /// Examples:
    ///     >>> record = qorpus.Recipe(gates="h,t", qubits=1, words=True, length=(0, 3))[9]
    ///     >>> record.to_qasm2().splitlines()[2:]
    ///     ['qreg q[1];', 'h q[0];', 't q[0];', 'h q[0];']
    fn to_qasm2<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.convert(py, "to_qasm2")
    }

    /// Write the circuit as a complete OpenQASM 3 program.
    ///
    /// See `qorpus.to_qasm3`.
    ///
    /// Examples:
    ///     >>> record = qorpus.Recipe(gates="h,t", qubits=1, words=True, length=(0, 3))[9]
    ///     >>> record.to_qasm3().splitlines()[2:]
    ///     ['qubit[1] q;', 'h q[0];', 't q[0];', 'h q[0];']
    fn to_qasm3<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.convert(py, "to_qasm3")
    }

    /// Draw the circuit: as SVG in a notebook, as text where it is printed.
    ///
    /// Args:
    ///     filename: a file to which the SVG is saved as well.
    ///
    /// Returns:
    ///     A `qorpus.Drawing`, whose attribute `svg` is the picture.
    ///
    /// Raises:
    ///     OSError: the file cannot be written.
    ///
    /// Examples:
    ///     >>> record = qorpus.Recipe(gates="h,cx", qubits=2, words=True, length=(0, 2))[7]
    ///     >>> print(record.draw())
    ///     q0 ─H─●─
    ///           │
    ///     q1 ───⊕─
    ///     >>> _ = record.draw("bell.svg")
    #[pyo3(signature = (filename=None))]
    fn draw<'py>(
        &self,
        py: Python<'py>,
        filename: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let class = py.import("qorpus._drawing")?.getattr("Drawing")?;
        let drawing = class.call1((self.letters(py)?, self.qubits()))?;
        if let Some(filename) = given(filename, "filename", path)? {
            drawing.call_method1("save", (filename,))?;
        }
        Ok(drawing)
    }

    /// Show the circuit, its labels, and the unitary as a heat map in notebooks.
    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("qorpus._html")?.call_method1("record", (slf,))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let circuit = match &self.circuit {
            None => "None".to_owned(),
            Some(circuit) => {
                let circuit = circuit.bind(py);
                match circuit.len().saturating_sub(SHOWN_LETTERS) {
                    0 => circuit.repr()?.to_string(),
                    more => {
                        let first = circuit.get_slice(0, SHOWN_LETTERS).repr()?.to_string();
                        format!("{}, ... {more} more)", first.trim_end_matches(')'))
                    }
                }
            }
        };
        Ok(format!("Record(id={}, circuit={circuit}, qubits={})", self.id, self.qubits()))
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(other) = other.cast::<Record>() else { return Ok(false) };
        let other = other.get();
        let is_same = |one: &Option<Py<PyTuple>>, other: &Option<Py<PyTuple>>| match (one, other) {
            (Some(one), Some(other)) => one.bind(py).eq(other),
            (None, None) => Ok(true),
            _ => Ok(false),
        };
        Ok(self.id == other.id
            && self.order() == other.order()
            && is_same(&self.circuit, &other.circuit)?
            && self.labels(py)?.eq(other.labels(py)?)?
            && py.import("numpy")?.call_method1("array_equal", (&self.unitary, &other.unitary))?.extract()?)
    }

    fn __hash__(&self) -> u64 {
        self.id
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let arguments = (self.id, &self.circuit, &self.unitary, &self.given, &self.origin, &self.angles);
        (py.get_type::<Record>(), arguments).into_pyobject(py)
    }
}

impl Record {
    /// Creates a record from what was read. `given` has the labels that were appended with it.
    pub(crate) fn read(
        py: Python<'_>,
        id: u64,
        circuit: Option<Bound<'_, PyTuple>>,
        (unitary, angles): (Option<Bound<'_, PyAny>>, Option<Bound<'_, PyAny>>),
        given: Option<&BTreeMap<String, Label>>,
        origin: &Py<Origin>,
    ) -> PyResult<Record> {
        Ok(Record {
            id,
            circuit: circuit.map(Bound::unbind),
            unitary: unitary.map(Bound::unbind),
            angles: angles.map(Bound::unbind),
            given: match given {
                Some(given) if !given.is_empty() => Some(labels::dict(py, given)?.unbind()),
                _ => None,
            },
            origin: origin.clone_ref(py),
            labels: PyOnceLock::new(),
        })
    }

    fn convert<'py>(&self, py: Python<'py>, function: &str) -> PyResult<Bound<'py, PyAny>> {
        let arguments = (self.letters(py)?, self.qubits(), self.matrices(py)?);
        py.import("qorpus.interop")?.call_method1(function, arguments)
    }

    /// Returns the letters, or an error if the record has no circuit.
    fn letters<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyTuple>> {
        let refused = || {
            let text =
                format!("record {} is a Haar-random unitary and has no circuit; use its unitary", self.id);
            invalid(py, text)
        };
        self.circuit.as_ref().map(|circuit| circuit.bind(py)).ok_or_else(refused)
    }

    /// Returns whether a letter has free angles.
    fn has_angle(&self, py: Python<'_>, number: usize) -> PyResult<bool> {
        match &self.angles {
            None => Ok(false),
            Some(angles) => Ok(!angles.bind(py).get_item((number, 0))?.extract::<f64>()?.is_nan()),
        }
    }

    /// Counts the labels, in the order of `Records.labels`.
    fn count_labels(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let Some(circuit) = &self.circuit else { return Ok(PyDict::new(py).unbind()) };
        let (circuit, gates) = (circuit.bind(py), &self.origin.get().gates);
        let mut counts = vec![0u32; gates.len()];
        for (number, letter) in circuit.iter().enumerate() {
            let letter = letter.cast::<PyString>()?.to_str()?;
            // A letter is the name of a gate, which has no blanks, and qubits.
            let gate = letter.split(' ').next().unwrap_or_default();
            let of_gate = if self.has_angle(py, number)? {
                let base = gate.split('(').next().unwrap_or_default();
                let is_free =
                    |known: &String| known.strip_prefix(base).is_some_and(|rest| rest.starts_with("(?"));
                gates.iter().position(is_free)
            } else {
                gates.iter().position(|known| known == gate)
            };
            if let Some(place) = of_gate {
                counts[place] += 1;
            }
        }
        let mut labels: BTreeMap<String, Bound<'_, PyAny>> = BTreeMap::new();
        if let Some(given) = &self.given {
            for (name, value) in given.bind(py) {
                labels.insert(name.extract()?, value);
            }
        }
        for (gate, count) in gates.iter().zip(counts) {
            labels.insert(format!("count_{gate}"), count.into_pyobject(py)?.into_any());
        }
        labels.insert("length".into(), circuit.len().into_pyobject(py)?.into_any());
        let dict = PyDict::new(py);
        labels.into_iter().try_for_each(|(name, value)| dict.set_item(name, value))?;
        Ok(dict.unbind())
    }
}
