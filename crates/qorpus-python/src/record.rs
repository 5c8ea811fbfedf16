//! One record.

use crate::arguments::{class, given, number, path, text};
use crate::errors::{OrRaise, wrong_type};
use crate::options;
use numpy::{PyArrayMethods, ToPyArray};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};
use qorpus::{Order, Recipe};
use qorpus_cli::names::{ORDERS, name_of};
use std::collections::BTreeMap;

/// Letters of a circuit that `repr` shows.
const SHOWN_LETTERS: usize = 32;

/// The recipe and the order of qubits that the records of a corpus share.
#[pyclass(frozen, module = "qorpus._qorpus")]
pub(crate) struct Origin {
    recipe: Recipe,
    pub(crate) order: Order,
    /// The gates' names, in order.
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
            // All records share it.
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

/// The name of an order of qubits.
pub(crate) fn order_name(order: Order) -> &'static str {
    name_of(ORDERS, order)
}

/// A record: a circuit, its unitary and its labels.
///
/// Records come from a corpus or a recipe; they can be compared, hashed and pickled.
///
/// Examples:
///     >>> import qorpus
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
    /// Its place in the corpus.
    pub(crate) id: u64,
    #[pyo3(get)]
    /// Its letters in time order, such as `("h 0", "cx 0 1")`.
    pub(crate) circuit: Py<PyTuple>,
    #[pyo3(get)]
    /// Array of shape `(2**qubits, 2**qubits)` and the corpus's dtype.
    pub(crate) unitary: Py<PyAny>,
    pub(crate) given: Option<Py<PyDict>>,
    pub(crate) origin: Py<Origin>,
    pub(crate) labels: PyOnceLock<Py<PyDict>>,
}

#[pymethods]
impl Record {
    #[new]
    fn new(
        id: &Bound<'_, PyAny>,
        circuit: &Bound<'_, PyAny>,
        unitary: Py<PyAny>,
        given: Option<&Bound<'_, PyAny>>,
        origin: &Bound<'_, PyAny>,
    ) -> PyResult<Record> {
        let refused = |name: &str, value: &Bound<'_, PyAny>| {
            let text = format!("a record is made by reading a corpus; its {name} cannot be {}", class(value));
            wrong_type(value.py(), text)
        };
        Ok(Record {
            id: number(id, "id")?,
            circuit: circuit.cast::<PyTuple>().map_err(|_| refused("circuit", circuit))?.clone().unbind(),
            unitary,
            given: given
                .map(|given| given.cast::<PyDict>().map_err(|_| refused("labels", given)))
                .transpose()?
                .map(|given| given.clone().unbind()),
            origin: origin.cast::<Origin>().map_err(|_| refused("origin", origin))?.clone().unbind(),
            labels: PyOnceLock::new(),
        })
    }

    /// The labels by name: `length`, `count_GATE` for every gate of the corpus, and what it was
    /// given.
    #[getter]
    fn labels<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyDict>> {
        Ok(self.labels.get_or_try_init(py, || self.count_labels(py))?.bind(py))
    }

    /// The number of qubits.
    #[getter]
    fn qubits(&self) -> usize {
        self.origin.get().qubits()
    }

    /// "big" if qubit 0 is the most significant bit of the unitary's indices, "little" if it is the
    /// least.
    #[getter]
    fn order(&self) -> &'static str {
        order_name(self.origin.get().order)
    }

    /// The matrices of the gates of the corpus that are not standard, by name: shape `(2**k,
    /// 2**k)`, complex128.
    #[getter]
    fn matrices<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.origin.get().matrices.bind(py).copy()
    }

    /// Converts the circuit to a `qiskit.QuantumCircuit`. Qubits keep their numbers, so its
    /// `Operator` is in little order.
    fn to_qiskit<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.convert(py, "to_qiskit")
    }

    /// Converts the circuit to a `cirq.Circuit` on `cirq.LineQubit.range(qubits)`.
    fn to_cirq<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.convert(py, "to_cirq")
    }

    /// Converts the circuit to a `bqskit.ir.Circuit`.
    fn to_bqskit<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.convert(py, "to_bqskit")
    }

    /// Writes the circuit in OpenQASM 2.
    fn to_qasm2<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.convert(py, "to_qasm2")
    }

    /// Writes the circuit in OpenQASM 3.
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
        let drawing = class.call1((&self.circuit, self.qubits()))?;
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
        let circuit = self.circuit.bind(py);
        let circuit = match circuit.len().saturating_sub(SHOWN_LETTERS) {
            0 => circuit.repr()?.to_string(),
            more => {
                let first = circuit.get_slice(0, SHOWN_LETTERS).repr()?.to_string();
                format!("{}, ... {more} more)", first.trim_end_matches(')'))
            }
        };
        Ok(format!("Record(id={}, circuit={circuit}, qubits={})", self.id, self.qubits()))
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(other) = other.cast::<Record>() else { return Ok(false) };
        let other = other.get();
        Ok(self.id == other.id
            && self.order() == other.order()
            && self.circuit.bind(py).eq(&other.circuit)?
            && self.labels(py)?.eq(other.labels(py)?)?
            && py.import("numpy")?.call_method1("array_equal", (&self.unitary, &other.unitary))?.extract()?)
    }

    fn __hash__(&self) -> u64 {
        self.id
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let arguments = (self.id, &self.circuit, &self.unitary, &self.given, &self.origin);
        (py.get_type::<Record>(), arguments).into_pyobject(py)
    }
}

impl Record {
    fn convert<'py>(&self, py: Python<'py>, function: &str) -> PyResult<Bound<'py, PyAny>> {
        let arguments = (&self.circuit, self.qubits(), self.matrices(py)?);
        py.import("qorpus.interop")?.call_method1(function, arguments)
    }

    /// The labels, as `Records.labels` has them, in the same order.
    fn count_labels(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let gates = &self.origin.get().gates;
        let mut counts = vec![0u32; gates.len()];
        for letter in self.circuit.bind(py) {
            let letter = letter.cast::<PyString>()?.to_str()?;
            // A letter is its gate, which has no blanks, and the qubits.
            let gate = letter.split(' ').next().unwrap_or_default();
            if let Some(place) = gates.iter().position(|known| known == gate) {
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
        labels.insert("length".into(), self.circuit.bind(py).len().into_pyobject(py)?.into_any());
        let dict = PyDict::new(py);
        labels.into_iter().try_for_each(|(name, value)| dict.set_item(name, value))?;
        Ok(dict.unbind())
    }
}
