//! Finding unitaries in an enumeration.

use crate::arguments::{class, each, flag, given, ordered, real};
use crate::arrays::{numbers, shape_text};
use crate::errors::{OrRaise, invalid, wrong_type};
use crate::records::Records;
use crate::waiting::stop;
use numpy::{PyArrayDescrMethods, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyString, PyTuple};
use qorpus::core::{Alphabet, Clifford};
use qorpus::{Corpus, FindOptions, Found, Order, Target};

/// An answer about a unitary: circuit, id, none_up_to, and further attributes by name.
type Answer<'py> = (Option<Bound<'py, PyTuple>>, Option<u64>, Option<u64>, Option<Bound<'py, PyDict>>);

/// Find unitaries, or the unitaries of circuits, in an enumeration.
///
/// Returns circuit, id, none_up_to and further attributes for each.
#[pyfunction]
pub(crate) fn find<'py>(
    py: Python<'py>,
    records: &Records,
    targets: &Bound<'py, PyAny>,
    further: &Bound<'py, PyAny>,
    tolerance: Option<&Bound<'py, PyAny>>,
) -> PyResult<Vec<Answer<'py>>> {
    let tolerance = given(tolerance, "tolerance", real)?;
    let options = FindOptions { extend: flag(further, "further")?, tolerance };
    let found = find_many(py, records.reader(py)?, targets, records.order, options)?;
    found.iter().map(|found| answer(py, found, records.recipe.alphabet())).collect()
}

fn find_many(
    py: Python<'_>,
    reader: &Corpus,
    targets: &Bound<'_, PyAny>,
    order: Order,
    options: FindOptions,
) -> PyResult<Vec<Found>> {
    ordered(targets, "targets")?;
    let refused = || {
        let wanted = "a sequence of unitaries or circuits";
        wrong_type(py, format!("targets must be {wanted}, not {}; use find for a single one", class(targets)))
    };
    if targets.is_instance_of::<PyString>() {
        return Err(refused());
    }
    // One at a time, so that the first invalid target ends even an infinite iterator.
    let targets = each(targets).map_err(|_| refused())?.map(|target| judged(reader, &target?, order));
    let targets = targets.collect::<PyResult<Vec<_>>>()?;
    py.detach(|| reader.find_many(&targets, options, &mut stop)).or_raise(py)
}

/// Converts an array or a circuit to a target.
fn judged(reader: &Corpus, target: &Bound<'_, PyAny>, order: Order) -> PyResult<Target> {
    let (py, alphabet) = (target.py(), reader.recipe().alphabet());
    if let Some(letters) = texts(target) {
        return qorpus::circuit_target(&letters.join("; "), reader.recipe()).or_raise(py);
    }
    if let Some(target) = tableau(reader, target)? {
        return Ok(target);
    }
    qorpus::check_matrix(alphabet.qubits()).or_raise(py)?;
    let dim = alphabet.dim();
    let (array, dtype) = numbers(target, "the unitary")?;
    if array.shape() != [dim; 2] {
        let found = shape_text(array.shape());
        let text = format!("the unitary has shape {found}; in this corpus it must be ({dim}, {dim})");
        return Err(invalid(py, text));
    }
    let is_single = match dtype.kind() {
        b'c' => dtype.itemsize() < 16,
        b'f' => dtype.itemsize() < 8,
        _ => false,
    };
    let numbers = reader.from_order(array.try_readonly()?.as_slice()?, order);
    Target::new(numbers, dim, is_single).or_raise(py)
}

/// Converts a tableau, a linear function or a permutation, if the corpus compares tableaus and the
/// target is an array of truth values, or has integers along one axis.
fn tableau(reader: &Corpus, target: &Bound<'_, PyAny>) -> PyResult<Option<Target>> {
    let (py, qubits) = (target.py(), reader.recipe().alphabet().qubits());
    if !reader.recipe().space().enumerates().is_some_and(|distinct| distinct.tableaus) {
        return Ok(None);
    }
    if let Some(pattern) = pattern(target)? {
        let operator = Clifford::of_permutation(&pattern, qubits).or_raise(py)?;
        return Ok(Some(Target::of_clifford(operator)));
    }
    let Ok(array) = target.cast::<PyUntypedArray>() else { return Ok(None) };
    let shape = array.shape().to_vec();
    if array.dtype().kind() != b'b' {
        return Ok(None);
    }
    let bits: Vec<bool> = target.call_method0("ravel")?.call_method0("tolist")?.extract()?;
    let found = match shape[..] {
        [rows, columns] if rows == 2 * qubits && columns == rows + 1 => {
            Target::of_clifford(Clifford::of_rows(&bits, qubits).or_raise(py)?)
        }
        [rows, columns] if rows == 2 * qubits && columns == rows => {
            let signed = bits.chunks_exact(rows).flat_map(|row| row.iter().copied().chain([false]));
            let signed: Vec<bool> = signed.collect();
            Target::of_tableau(Clifford::of_rows(&signed, qubits).or_raise(py)?)
        }
        [rows, columns] if rows == qubits && columns == rows => {
            Target::of_clifford(Clifford::of_linear(&bits, qubits).or_raise(py)?)
        }
        _ => {
            let (found, n) = (shape_text(&shape), qubits);
            let text = format!(
                "the array of bool has shape {found}; on {n} qubits a linear function has shape ({n}, {n}), and a \
                 tableau ({0}, {0}), or ({0}, {1}) with signs",
                2 * n,
                2 * n + 1
            );
            return Err(invalid(py, text));
        }
    };
    Ok(Some(found))
}

/// Returns the integers of an array with one axis, a list or a tuple; `None` for other targets.
fn pattern(target: &Bound<'_, PyAny>) -> PyResult<Option<Vec<i64>>> {
    if let Ok(array) = target.cast::<PyUntypedArray>() {
        let is_pattern = array.ndim() == 1 && matches!(array.dtype().kind(), b'i' | b'u');
        // Numbers beyond 64 bits with a sign are not those of qubits.
        let numbers = || Ok(target.call_method0("tolist")?.extract().unwrap_or_default());
        return is_pattern.then(numbers).transpose();
    }
    let is_truth_value =
        |item: PyResult<Bound<'_, PyAny>>| item.is_ok_and(|item| item.is_instance_of::<PyBool>());
    let is_sequence = target.is_instance_of::<PyList>() || target.is_instance_of::<PyTuple>();
    if !is_sequence || target.try_iter()?.any(is_truth_value) {
        return Ok(None);
    }
    Ok(target.extract().ok())
}

/// Converts an answer for Python.
fn answer<'py>(py: Python<'py>, found: &Found, alphabet: &Alphabet) -> PyResult<Answer<'py>> {
    let letters = found.letters(alphabet);
    let circuit = letters.map(|letters| PyTuple::new(py, letters)).transpose()?;
    let more = PyDict::new(py);
    let (id, none_up_to) = match found {
        // An exact answer has no further attributes but the Pauli operators.
        Found::Record { paulis, .. } | Found::Circuit { paulis, .. } => {
            let id = if let Found::Record { id, .. } = found { Some(*id) } else { None };
            let count = paulis.letters().len();
            if count > 0 {
                more.set_item("paulis", count)?;
            }
            return Ok((circuit, id, None, (count > 0).then_some(more)));
        }
        Found::Never => (None, None),
        Found::BeyondLength(length) => (None, Some(*length as u64)),
        Found::BeyondCost(cost) => (None, Some((*cost).into())),
        Found::Near { id, paulis, distance, tolerance, .. } => {
            if !paulis.letters().is_empty() {
                more.set_item("paulis", paulis.letters().len())?;
            }
            more.set_item("nearest", id)?;
            more.set_item("distance", distance)?;
            more.set_item("tolerance", tolerance)?;
            (*id, None)
        }
        Found::Unclear { nearest, tolerance, within } => {
            if let Some((id, _, distance)) = nearest {
                more.set_item("nearest", id)?;
                more.set_item("distance", distance)?;
            }
            more.set_item("tolerance", tolerance)?;
            more.set_item("within", within)?;
            (None, None)
        }
    };
    more.set_item("proven", found.is_proof())?;
    Ok((circuit, id, none_up_to, Some(more)))
}

/// Returns the letters of a circuit: of a string, or of a list or tuple of strings.
fn texts(target: &Bound<'_, PyAny>) -> Option<Vec<String>> {
    match target.cast::<PyString>() {
        Ok(text) => Some(vec![text.to_str().ok()?.to_owned()]),
        Err(_) if target.cast::<PyUntypedArray>().is_ok() => None,
        Err(_) => {
            let letters: Vec<String> = target.extract().ok()?;
            // An empty list is the empty circuit; an empty array is a matrix without rows.
            (!letters.is_empty() || !target.hasattr("shape").ok()?).then_some(letters)
        }
    }
}
