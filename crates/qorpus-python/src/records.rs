//! Sequences of records: a corpus in files, or a recipe that is computed.

use crate::arguments::{self, flag, given, text};
use crate::arrays::{self, angles_of, rows_of, unitaries};
use crate::errors::{OrRaise, invalid, warn, wrong_type};
use crate::ids::{self, Chosen};
use crate::record::{Origin, order_name};
use crate::{labels, options};
use numpy::{PyArray2, PyArrayDescr};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyList, PyString, PyTuple};
use qorpus::core::BinaryLetters;
use qorpus::{Circuits, Corpus, Order, Recipe, Rows};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Unitaries if records have them, numbers of letters, and angles if letters have any.
type ReadRows<'py> = (Option<Bound<'py, PyAny>>, Bound<'py, PyArray2<i32>>, Option<Bound<'py, PyAny>>);

thread_local! {
    /// Memory for one record, in a box because each read takes it and puts it back.
    static ROWS: Cell<Option<Box<Rows>>> = Cell::default();
}

/// A sequence of records, read from files or computed. `Corpus` and `Recipe` derive from it.
#[pyclass(subclass, frozen, module = "qorpus._qorpus")]
pub(crate) struct Records {
    pub(crate) recipe: Recipe,
    /// The records. A recipe of appended circuits has none, because they cannot be computed.
    pub(crate) reader: Option<Arc<Corpus>>,
    pub(crate) order: Order,
    pub(crate) origin: Py<Origin>,
    /// One string for each letter, shared by all circuits.
    pub(crate) letters: Vec<Py<PyString>>,
}

#[pymethods]
impl Records {
    #[new]
    #[pyo3(
        signature = (*, files=None, recipe=None, order=None, unsealed=None),
        text_signature = "(*, files=None, recipe=None, order='big', unsealed=False)"
    )]
    fn new(
        py: Python<'_>,
        files: Option<&Bound<'_, PyAny>>,
        recipe: Option<&Bound<'_, PyAny>>,
        order: Option<&Bound<'_, PyAny>>,
        unsealed: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Records> {
        let unsealed = given(unsealed, "unsealed", flag)?.unwrap_or(false);
        let order = given(order, "order", options::order)?.unwrap_or(Order::Big);
        let recipe = given(recipe, "a recipe (its JSON)", text)?;
        let (recipe, reader) = match (given(files, "paths", arguments::paths)?, recipe) {
            (Some(files), None) => {
                let reader = py.detach(|| Corpus::open(&files)).or_raise(py)?;
                reader.warnings().iter().try_for_each(|text| warn(py, text))?;
                let reader = if unsealed { reader.with_unsealed() } else { reader };
                (reader.recipe().clone(), Some(Arc::new(reader)))
            }
            (None, Some(json)) => {
                let recipe = Recipe::from_json(json).or_raise(py)?;
                (recipe.clone(), Corpus::computed(recipe).ok().map(Arc::new))
            }
            _ => return Err(wrong_type(py, "pass either files or a recipe")),
        };
        let letters = recipe.alphabet().letters().iter();
        let letters = letters.map(|letter| PyString::intern(py, &letter.text).unbind()).collect();
        let origin = Py::new(py, Origin::new(py, recipe.clone(), order)?)?;
        Ok(Records { recipe, reader, order, origin, letters })
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        // Python has no larger lengths.
        Ok(usize::try_from(self.len(py)?).unwrap_or(usize::MAX).min(isize::MAX as usize))
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.reader.is_some() && self.len(py)? > 0)
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        // Most indices are integers, or have __index__. Any other index means several records.
        let index = match index.extract::<i64>() {
            Ok(index) => index,
            Err(_) => match py.import("operator")?.call_method1("index", (index,)) {
                Ok(index) => ids::integer(&index)?,
                Err(_) => return Ok(self.__getitems__(py, index)?.into_any()),
            },
        };
        let id = ids::one(py, index, || self.len(py))?;
        let reader = self.reader(py)?;
        // Any code, this function included, may run on this thread while Python creates an object.
        let mut rows = ROWS.take().unwrap_or_default();
        py.detach(|| reader.read(&[id], self.order, &mut rows)).or_raise(py)?;
        let record = self.assemble(py, id, rows.circuits.circuit(0), &rows.unitaries, rows.given.first())?;
        ROWS.set(Some(rows));
        Ok(Bound::new(py, record)?.into_any())
    }

    /// Read the records with these ids. `torch.utils.data.DataLoader` calls this.
    ///
    /// Args:
    ///     ids: a slice; integers in one dimension, in any order and with repetitions, where
    ///         negative ones count from the end; or a bool array with an entry for each record.
    ///
    /// Raises:
    ///     qorpus.MissingRecord: a record does not exist.
    ///
    /// Examples:
    ///     >>> [record.id for record in qorpus.Recipe(random=1000).__getitems__([7, -1])]
    ///     [7, 999]
    fn __getitems__<'py>(&self, py: Python<'py>, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let ids = self.ids(ids)?.list(py)?;
        let reader = self.reader(py)?;
        let rows = py.detach(|| reader.rows(&ids, self.order)).or_raise(py)?;
        let each = ids::RECORD_BYTES + reader.unitary_bytes();
        ids::check_room(py, rows.circuits.len(), ids::objects(&rows.circuits, each))?;
        let list = PyList::empty(py);
        let size = reader.unitary_bytes();
        for (place, &id) in ids.iter().enumerate() {
            list.append(self.assemble(
                py,
                id,
                rows.circuits.circuit(place),
                &rows.unitaries[place * size..][..size],
                rows.given.get(place),
            )?)?;
        }
        Ok(list)
    }

    /// Read the unitaries of some records.
    ///
    /// Args:
    ///     ids: a slice; integers in one dimension, in any order and with repetitions, where
    ///         negative ones count from the end; or a bool array with an entry for each record.
    ///
    /// Returns:
    ///     A new array of shape (k, d, d) for k ids and d = 2**qubits, in the corpus's dtype.
    ///
    /// Raises:
    ///     qorpus.InvalidArgument: there are more than 8 qubits, on which records have no unitaries.
    ///     qorpus.MissingRecord: a record does not exist, or is not generated yet.
    ///     qorpus.WrongType: `ids` are neither a slice nor integers.
    ///     qorpus.TooManyRecords: the array does not fit in memory.
    ///
    /// Examples:
    ///     >>> qorpus.Recipe(gates="h,cx", random=1000).unitaries([7, -1]).shape
    ///     (2, 4, 4)
    fn unitaries<'py>(&self, py: Python<'py>, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.recipe.check_unitaries().or_raise(py)?;
        let ids = self.ids(ids)?;
        let reader = self.reader(py)?;
        let dim = self.recipe.alphabet().dim();
        unitaries(py, self.recipe.dtype(), [ids.len(), dim, dim], |out| {
            py.detach(|| reader.unitaries(ids.ids(), self.order, out)).or_raise(py)
        })
    }

    /// Read the circuits of some records.
    ///
    /// Args:
    ///     ids: a slice; integers in one dimension, in any order and with repetitions, where
    ///         negative ones count from the end; or a bool array with an entry for each record.
    ///
    /// Returns:
    ///     A list with a tuple of letters in time order for each id, such as ("h 0", "cx 0 1"), or
    ///     None if the records have no circuits.
    ///
    /// Raises:
    ///     qorpus.MissingRecord: a record does not exist, or is not generated yet.
    ///     qorpus.WrongType: `ids` are neither a slice nor integers.
    ///     qorpus.TooManyRecords: the list does not fit in memory.
    ///
    /// Examples:
    ///     >>> qorpus.Recipe(gates="h,t", qubits=1, words=True, length=(0, 2)).circuits([0, 4])
    ///     [(), ('h 0', 't 0')]
    fn circuits<'py>(&self, py: Python<'py>, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let circuits = self.read_circuits(py, ids)?;
        ids::check_room(py, circuits.len(), ids::objects(&circuits, ids::TUPLE_BYTES))?;
        let list = PyList::empty(py);
        circuits.circuits().try_for_each(|circuit| list.append(self.circuit(py, circuit)?))?;
        Ok(list)
    }

    /// Read the circuits of some records as numbers of letters.
    ///
    /// Args:
    ///     ids: a slice; integers in one dimension, in any order and with repetitions, where
    ///         negative ones count from the end; or a bool array with an entry for each record.
    ///
    /// Returns:
    ///     An int32 array of shape (k, longest) for k ids: numbers of letters in time order, padded
    ///     with -1. Letter number j is `letters[j]`.
    ///
    /// Raises:
    ///     qorpus.InvalidArgument: the records are Haar-random unitaries, which have no circuits.
    ///     qorpus.MissingRecord: a record does not exist, or is not generated yet.
    ///     qorpus.WrongType: `ids` are neither a slice nor integers.
    ///     qorpus.TooManyRecords: the array does not fit in memory.
    ///
    /// Examples:
    ///     >>> qorpus.Recipe(gates="h,t", qubits=1, words=True, length=(0, 2)).letters_array([1, 4])
    ///     array([[ 0, -1],
    ///            [ 0,  1]], dtype=int32)
    fn letters_array<'py>(
        &self,
        py: Python<'py>,
        ids: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray2<i32>>> {
        if !self.has_circuits() {
            let text =
                "the records are Haar-random unitaries and have no circuits; read them with unitaries()";
            return Err(invalid(py, text));
        }
        rows_of(py, &self.read_circuits(py, ids)?)
    }

    /// Read the free angles of the letters of some records.
    ///
    /// Args:
    ///     ids: a slice; integers in one dimension, in any order and with repetitions, where
    ///         negative ones count from the end; or a bool array with an entry for each record.
    ///
    /// Returns:
    ///     A float64 array of shape (k, longest, 3) for k ids: the angles of each letter in time
    ///     order, in radians, then NaN. A letter has as many as its gate has `?`.
    ///
    /// Raises:
    ///     qorpus.MissingRecord: a record does not exist, or is not generated yet.
    ///     qorpus.WrongType: `ids` are neither a slice nor integers.
    ///     qorpus.TooManyRecords: the array does not fit in memory.
    ///
    /// Examples:
    ///     >>> recipe = qorpus.Recipe(gates="h,rz(?)", qubits=1, random=9, length=2)
    ///     >>> recipe.circuits([1])
    ///     [('h 0', 'rz(-1.1523771177877709) 0')]
    ///     >>> recipe.angles([1]).round(2).tolist()
    ///     [[[nan, nan, nan], [-1.15, nan, nan]]]
    fn angles<'py>(&self, py: Python<'py>, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        angles_of(py, self.recipe.alphabet(), &self.read_circuits(py, ids)?)
    }

    /// Compute the tableaus of the circuits of some records: Clifford operators modulo Pauli
    /// operators and global phases.
    ///
    /// Row i is the image of a Pauli operator: of X on qubit i for i < n, of Z on qubit i - n for the
    /// others. Column j is its X part on qubit j, column n + j its Z part, as in Qiskit's
    /// `Clifford.symplectic_matrix` and in stim (Aaronson and Gottesman 2004, arXiv:quant-ph/0406196).
    ///
    /// Args:
    ///     ids: a slice; integers in one dimension, in any order and with repetitions, where
    ///         negative ones count from the end; or a bool array with an entry for each record.
    ///
    /// Returns:
    ///     A new bool array of shape (k, 2n, 2n) for k ids and n qubits.
    ///
    /// Raises:
    ///     qorpus.InvalidArgument: some gate is not a Clifford gate, or the records have no circuits.
    ///     qorpus.MissingRecord: a record does not exist, or is not generated yet.
    ///     qorpus.WrongType: `ids` are neither a slice nor integers.
    ///     qorpus.TooManyRecords: the array does not fit in memory.
    ///
    /// Examples:
    ///     >>> qorpus.Recipe(gates="h,s", qubits=1, words=True, length=(0, 1)).tableaus([1]).astype(int)
    ///     array([[[0, 1],
    ///             [1, 0]]])
    fn tableaus<'py>(&self, py: Python<'py>, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if !self.has_circuits() {
            let text =
                "the records are Haar-random unitaries, which have no tableaus; read them with unitaries()";
            return Err(invalid(py, text));
        }
        let letters = BinaryLetters::symplectic(self.recipe.alphabet()).or_raise(py)?;
        let circuits = self.read_circuits(py, ids)?;
        arrays::truths(py, [circuits.len(), letters.size(), letters.size()], |out| {
            py.detach(|| letters.write_entries(&circuits, out));
            Ok(())
        })
    }

    /// Whether records are compared by their tableaus.
    #[getter]
    fn _has_tableaus(&self) -> bool {
        self.recipe.space().enumerates().is_some_and(|distinct| distinct.tableaus)
    }

    /// Read the results of `unitaries`, `letters_array` and `angles` together; no angles if no
    /// letter has any, and no unitaries if the records have none. Numbers of letters have shape
    /// (k, 0) if the records have no circuits.
    fn _rows<'py>(&self, py: Python<'py>, ids: &Bound<'py, PyAny>) -> PyResult<ReadRows<'py>> {
        if !self.recipe.has_unitaries() {
            return Ok((None, rows_of(py, &self.read_circuits(py, ids)?)?, None));
        }
        let ids = self.ids(ids)?;
        let reader = self.reader(py)?;
        let (alphabet, mut circuits) = (self.recipe.alphabet(), Circuits::default());
        let dim = alphabet.dim();
        let unitaries = unitaries(py, self.recipe.dtype(), [ids.len(), dim, dim], |out| {
            circuits = py.detach(|| reader.pairs(ids.ids(), self.order, out)).or_raise(py)?;
            Ok(())
        })?;
        let has_angles = alphabet.has_free_angles();
        let angles = has_angles.then(|| angles_of(py, alphabet, &circuits)).transpose()?;
        Ok((Some(unitaries), rows_of(py, &circuits)?, angles))
    }

    /// Read the labels of some records.
    ///
    /// Args:
    ///     ids: a slice; integers in one dimension, in any order and with repetitions, where
    ///         negative ones count from the end; or a bool array with an entry for each record.
    ///
    /// Returns:
    ///     A list with a dict for each id: `length`, `count_GATE` for each gate of the corpus, and
    ///     the labels that were appended with the record. It is empty if the records have no
    ///     circuits.
    ///
    /// Raises:
    ///     qorpus.MissingRecord: a record does not exist, or is not generated yet.
    ///     qorpus.WrongType: `ids` are neither a slice nor integers.
    ///     qorpus.TooManyRecords: the list does not fit in memory.
    ///
    /// Examples:
    ///     >>> qorpus.Recipe(gates="h,t", qubits=1, words=True, length=(0, 2)).labels([4])
    ///     [{'count_h': 1, 'count_t': 1, 'length': 2}]
    fn labels<'py>(&self, py: Python<'py>, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let ids = self.ids(ids)?.list(py)?;
        let reader = self.reader(py)?;
        let read = || -> qorpus::Result<_> { Ok((reader.circuits(&ids)?, reader.given_labels(&ids)?)) };
        let (circuits, given) = py.detach(read).or_raise(py)?;
        ids::check_room(py, circuits.len(), ids::objects(&circuits, ids::DICT_BYTES))?;
        let list = PyList::empty(py);
        // Records of a recipe have no appended labels.
        let given = given.into_iter().chain(std::iter::repeat_with(BTreeMap::new));
        for (circuit, given) in circuits.iter().zip(given) {
            list.append(labels::dict(py, &reader.labels(circuit, given))?)?;
        }
        Ok(list)
    }

    /// Return the types of the labels that were appended with records.
    ///
    /// Returns:
    ///     A dict from names to `float` for numbers or `str` for strings. It is empty if records
    ///     were generated.
    ///
    /// Examples:
    ///     >>> with qorpus.Writer("labelled.db", gates=["h"], qubits=1) as writer:
    ///     ...     writer.append("h", reward=0.5, by="me")
    ///     >>> qorpus.open("labelled.db").label_types()
    ///     {'by': <class 'str'>, 'reward': <class 'float'>}
    fn label_types<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let reader = self.reader(py)?;
        let dict = PyDict::new(py);
        for (name, is_text) in py.detach(|| reader.label_kinds()).or_raise(py)? {
            let class = if is_text { py.get_type::<PyString>() } else { py.get_type::<PyFloat>() };
            dict.set_item(name, class)?;
        }
        Ok(dict)
    }

    /// The number of qubits.
    #[getter]
    fn qubits(&self) -> usize {
        self.recipe.alphabet().qubits()
    }

    /// The order of qubits, "big" or "little".
    ///
    /// "big": qubit 0 is the most significant bit of the unitaries' indices. "little": it is the
    /// least significant bit.
    #[getter]
    fn order(&self) -> &'static str {
        order_name(self.order)
    }

    /// The dtype of the unitaries: complex128 or complex64.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> Bound<'py, PyArrayDescr> {
        arrays::dtype(py, self.recipe.dtype())
    }

    /// The names of the gates, in the order of the recipe.
    #[getter]
    fn gates<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.origin.get().gates)
    }

    /// The letters, gates placed on qubits. Letter number j is `letters[j]`.
    #[getter]
    fn letters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.letters)
    }

    /// The matrices of gates that are not standard, by name.
    ///
    /// A matrix is complex128 of shape (2**k, 2**k), the first qubit most significant.
    #[getter]
    fn matrices<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.origin.get().matrices.bind(py).copy()
    }

    /// The lengths of the shortest and longest possible circuit, in letters; (0, 0) if the records
    /// have no circuits.
    #[getter]
    fn lengths(&self) -> (usize, usize) {
        self.recipe.space().lengths()
    }

    /// The number of letters of the longest circuit: as the recipe bounds it or, of an enumeration,
    /// as its finished levels have it. None if a `Writer` appended the records: their circuits may
    /// have any length.
    #[getter]
    fn longest(&self, py: Python<'_>) -> PyResult<Option<usize>> {
        let reader = self.reader(py)?;
        py.detach(|| reader.longest()).or_raise(py)
    }

    /// Whether unitaries are stored; otherwise they are computed on reading.
    #[getter]
    fn stores_unitaries(&self) -> bool {
        self.recipe.stores_unitaries()
    }

    /// Whether the records have circuits. Haar-random unitaries have none.
    #[getter]
    fn has_circuits(&self) -> bool {
        self.recipe.space().has_circuits()
    }

    /// Whether the records have unitaries. On more than 8 qubits they have none.
    #[getter]
    fn has_unitaries(&self) -> bool {
        self.recipe.has_unitaries()
    }

    #[getter]
    fn _recipe_json(&self) -> String {
        self.recipe.to_json()
    }

    #[getter]
    fn _recipe_text(&self) -> String {
        self.recipe.summary()
    }

    #[getter]
    fn _recipe_hash(&self) -> String {
        self.recipe.hash().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether a `Writer` appended the records or an enumeration found them; otherwise the recipe
    /// decides them.
    #[getter]
    fn is_appended(&self) -> bool {
        self.recipe.space().is_appended()
    }

    /// Whether the records are in a directory or a bucket of shards.
    #[getter]
    fn _is_sharded(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| reader.is_sharded())
    }
}

impl Records {
    pub(crate) fn reader(&self, py: Python<'_>) -> PyResult<&Arc<Corpus>> {
        match &self.reader {
            Some(reader) => Ok(reader),
            // The engine's error says why they cannot be computed.
            None => Corpus::computed(self.recipe.clone())
                .or_raise(py)
                .and_then(|_| Err(invalid(py, "there are no records"))),
        }
    }

    fn len(&self, py: Python<'_>) -> PyResult<u64> {
        let reader = self.reader(py)?;
        py.detach(|| reader.len()).or_raise(py)
    }

    fn ids(&self, ids: &Bound<'_, PyAny>) -> PyResult<Chosen> {
        let py = ids.py();
        let at_least = || {
            let reader = self.reader(py)?;
            py.detach(|| reader.at_least()).or_raise(py)
        };
        ids::many(ids, at_least, || self.len(py))
    }

    fn read_circuits(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<Circuits> {
        let ids = self.ids(ids)?;
        let reader = self.reader(py)?;
        py.detach(|| reader.circuits(ids.ids())).or_raise(py)
    }
}
