//! Single circuits and gates: as programs, as placed gates, as matrices.

use crate::arguments::{Each, class, each, encoded, items, number, ordered, require_circuit, text};
use crate::errors::{OrRaise, invalid, wrong_type};
use crate::options::matrix_of;
use numpy::{PyArrayMethods, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::PyString;
use qorpus::GateOption;
use qorpus::core::{Drawing, Error, Gate, Instruction, MAX_QUBITS, Qasm};

/// Write a circuit as a complete OpenQASM 2 program.
///
/// Qiskit, Cirq and BQSKit read the program with the same unitary, global phase included. Gates
/// beyond the standard gates of OpenQASM 2 are defined at its beginning. Your own gates can be
/// written if they act on one qubit and have no global phase, which OpenQASM 2 cannot express.
///
/// Args:
///     circuit: letters in time order, such as ("h 0", "cx 0 1"), or one string, "h 0; cx 0 1".
///     qubits: the number of qubits, 1 to 16.
///     matrices: matrices of your own gates by name, of shape (2**k, 2**k), the first qubit most
///         significant.
///
/// Returns:
///     The text of the program.
///
/// Raises:
///     qorpus.InvalidArgument: a letter is invalid, or OpenQASM 2 cannot express a gate.
///     qorpus.WrongType: an argument has the wrong type.
///
/// Examples:
///     >>> print(qorpus.to_qasm2(("h 0", "cx 0 1"), 2))
///     OPENQASM 2.0;
///     include "qelib1.inc";
///     qreg q[2];
///     h q[0];
///     cx q[0], q[1];
///     <BLANKLINE>
#[pyfunction]
#[pyo3(signature = (circuit, qubits, matrices=None))]
pub(crate) fn to_qasm2(
    circuit: &Bound<'_, PyAny>,
    qubits: &Bound<'_, PyAny>,
    matrices: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    program(Qasm::Two, circuit, qubits, matrices)
}

/// Write a circuit as a complete OpenQASM 3 program with the same unitary, global phase included.
///
/// Gates beyond the standard gates of OpenQASM 3 are defined at its beginning. Your own gates can
/// be written if they act on one qubit.
///
/// Args:
///     circuit: letters in time order, such as ("h 0", "cx 0 1"), or one string, "h 0; cx 0 1".
///     qubits: the number of qubits, 1 to 16.
///     matrices: matrices of your own gates by name, of shape (2**k, 2**k), the first qubit most
///         significant.
///
/// Returns:
///     The text of the program.
///
/// Raises:
///     qorpus.InvalidArgument: a letter is invalid, or OpenQASM 3 cannot express a gate.
///     qorpus.WrongType: an argument has the wrong type.
///
/// Examples:
///     >>> qorpus.to_qasm3(("h", "t"), 1).splitlines()[2:]
///     ['qubit[1] q;', 'h q[0];', 't q[0];']
#[pyfunction]
#[pyo3(signature = (circuit, qubits, matrices=None))]
pub(crate) fn to_qasm3(
    circuit: &Bound<'_, PyAny>,
    qubits: &Bound<'_, PyAny>,
    matrices: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    program(Qasm::Three, circuit, qubits, matrices)
}

fn program(
    language: Qasm,
    circuit: &Bound<'_, PyAny>,
    qubits: &Bound<'_, PyAny>,
    matrices: Option<&Bound<'_, PyAny>>,
) -> PyResult<String> {
    let qubits = number(qubits, "qubits")?;
    language.program(&letters(circuit, qubits, matrices)?, qubits).or_raise(circuit.py())
}

/// A gate's name, its angles, and its qubits.
type Parts = (String, Vec<f64>, Vec<usize>);

/// Return each letter as the name of its gate, its angles in radians, and its qubits.
#[pyfunction]
#[pyo3(signature = (circuit, qubits, matrices=None))]
pub(crate) fn placed(
    circuit: &Bound<'_, PyAny>,
    qubits: &Bound<'_, PyAny>,
    matrices: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<Parts>> {
    let qubits = number(qubits, "qubits")?;
    let letters = letters(circuit, qubits, matrices)?;
    let parts = letters.into_iter().map(|Instruction { gate, qubits }| {
        let (name, angles) = gate.parts();
        // The angles of a parsed gate are valid expressions.
        (name.into(), angles.into_iter().flat_map(qorpus::core::evaluate).collect(), qubits)
    });
    Ok(parts.collect())
}

fn letters(
    circuit: &Bound<'_, PyAny>,
    qubits: usize,
    matrices: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<Instruction>> {
    let py = circuit.py();
    if !(1..=MAX_QUBITS).contains(&qubits) {
        // Checked here, because a circuit without letters would not fail later.
        return Err(Error::Qubits(qubits)).or_raise(py);
    }
    let mut own = Vec::new();
    if let Some(matrices) = matrices {
        let refused = || {
            let class = class(matrices);
            wrong_type(py, format!("matrices must be a mapping from names to matrices, not {class}"))
        };
        for (name, matrix) in items(matrices)?.ok_or_else(refused)? {
            if let GateOption::Matrix(name, entries) = matrix_of(text(&name, "the name of a gate")?, &matrix)?
            {
                let width = entries.len().ilog2() as usize / 2;
                own.push(Gate::custom(&name, width, entries).or_raise(py)?);
            }
        }
    }
    let placed = |text: &str| Instruction::parse(text, qubits, &own).or_raise(py);
    if let Ok(text) = circuit.cast::<PyString>() {
        let letters = encoded(text, "a circuit")?.split(';').map(str::trim);
        return letters.filter(|letter| !letter.is_empty()).map(placed).collect();
    }
    let letter = |item: Bound<'_, PyAny>| match item.cast::<PyString>() {
        Ok(text) => placed(encoded(text, "a letter")?),
        Err(_) => Err(not_a_circuit(&item)),
    };
    letters_in(circuit)?.map(|item| letter(item?)).collect()
}

/// Iterates over the letters of a circuit.
fn letters_in<'py>(circuit: &Bound<'py, PyAny>) -> PyResult<Each<'py>> {
    require_circuit(circuit)?;
    ordered(circuit, "a circuit")?;
    each(circuit).map_err(|_| not_a_circuit(circuit))
}

fn not_a_circuit(item: &Bound<'_, PyAny>) -> PyErr {
    let expected = "a string or a sequence of letters such as 'cx 0 1'";
    wrong_type(item.py(), format!("a circuit must be {expected}, not {}", class(item)))
}

/// The column, the first qubit and the symbols of a letter in a drawing.
type PlacedLetter = (usize, usize, Vec<Option<String>>);

/// Draw the circuit of a record.
///
/// Returns:
///     For each letter its column, its first qubit, and the symbols on the qubits from there, None
///         on a qubit that it crosses; and the drawing as text.
///
/// Examples:
///     >>> letters, text = qorpus._qorpus.draw(("cx 0 2",), 3)
///     >>> letters
///     [(0, 0, ['●', None, '⊕'])]
#[pyfunction]
pub(crate) fn draw(
    circuit: &Bound<'_, PyAny>,
    qubits: &Bound<'_, PyAny>,
) -> PyResult<(Vec<PlacedLetter>, String)> {
    let py = circuit.py();
    let qubits = number(qubits, "qubits")?;
    if !(1..=MAX_QUBITS).contains(&qubits) {
        return Err(Error::Qubits(qubits)).or_raise(py);
    }
    // A letter of a record is its gate, which has no blanks, and its qubits.
    let letter = |item: Bound<'_, PyAny>| {
        let text = text(&item, "a letter")?;
        let mut words = text.split(' ');
        let gate = words.next().unwrap_or_default().to_owned();
        let place = |word: &str| word.parse::<usize>().ok().filter(|&qubit| qubit < qubits);
        // A letter acts on each of its qubits once.
        let is_each_once = |places: &Vec<usize>| (1..places.len()).all(|k| !places[..k].contains(&places[k]));
        match words.map(place).collect::<Option<Vec<_>>>().filter(is_each_once) {
            Some(places) => Ok((gate, places)),
            None => Err(invalid(py, format!("'{text}' is not a letter of a record on {qubits} qubits"))),
        }
    };
    let letters = letters_in(circuit)?.map(|item| letter(item?)).collect::<PyResult<Vec<_>>>()?;
    let drawing = Drawing::new(qubits, letters.iter().map(|(gate, places)| (&**gate, &**places)));
    let text = drawing.to_string();
    let placed = drawing.letters.into_iter().map(|letter| (letter.column, letter.top, letter.symbols));
    Ok((placed.collect(), text))
}

/// Return the value in radians of an angle such as "3*pi/4".
///
/// Raises:
///     qorpus.InvalidArgument: the text is not an angle.
///
/// Examples:
///     >>> qorpus._qorpus.evaluate("3*pi/4")
///     2.356194490192345
#[pyfunction]
pub(crate) fn evaluate(py: Python<'_>, text: &Bound<'_, PyAny>) -> PyResult<f64> {
    let text = crate::arguments::text(text, "an angle")?;
    qorpus::core::evaluate(text).map_err(|reason| invalid(py, format!("'{text}': {reason}")))
}

/// Return the matrix of a standard gate, such as "rz(pi/4)".
///
/// Returns:
///     A complex128 array of shape (2**k, 2**k), the first qubit most significant.
///
/// Raises:
///     qorpus.InvalidArgument: the gate does not exist.
///
/// Examples:
///     >>> qorpus._qorpus.matrix("s").tolist()
///     [[(1+0j), 0j], [0j, 1j]]
#[pyfunction]
pub(crate) fn matrix<'py>(py: Python<'py>, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let gate = Gate::standard(text(name, "the name of a gate")?).or_raise(py)?;
    if gate.is_free() {
        let text = format!("the matrix of '{}' depends on its angle; give it a value", gate.name());
        return Err(invalid(py, text));
    }
    let dim = 1 << gate.qubits();
    Ok(gate.matrix().to_pyarray(py).reshape([dim, dim])?.into_any())
}
