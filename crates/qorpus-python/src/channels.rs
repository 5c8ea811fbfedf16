//! Pauli transfer matrices of unitaries.

use crate::arrays::{complex, doubles, shape_text};
use crate::errors::invalid;
use numpy::{PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use qorpus::core::{MAX_CHANNEL_QUBITS, pauli_transfer};

/// Return the Pauli transfer matrices of unitaries, as float64 of shape (k, 4**n, 4**n).
///
/// Examples:
///     >>> from qorpus._qorpus import channels
///     >>> channels(np.array([[[0, 1], [1, 0]]], complex)).tolist()[0][3]
///     [0.0, 0.0, 0.0, -1.0]
#[pyfunction]
pub(crate) fn channels<'py>(py: Python<'py>, unitaries: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let unitaries = complex(unitaries, "unitaries")?;
    let shape = unitaries.shape().to_vec();
    let &[count, rows, columns] = &shape[..] else {
        return Err(invalid(
            py,
            format!("unitaries have the shape {}; it must be (k, d, d)", shape_text(&shape)),
        ));
    };
    if rows != columns || !rows.is_power_of_two() || rows == 1 {
        let text = format!(
            "unitaries have the shape {}; it must be (k, d, d) for d = 2**qubits",
            shape_text(&shape)
        );
        return Err(invalid(py, text));
    }
    let qubits = rows.ilog2() as usize;
    if qubits > MAX_CHANNEL_QUBITS {
        let bytes = (8u128 << (4 * qubits)) >> 20;
        return Err(invalid(
            py,
            format!(
                "channels are computed on at most {MAX_CHANNEL_QUBITS} qubits; on {qubits} a single one would take {bytes} MiB"
            ),
        ));
    }
    let size = rows * rows;
    let unitaries = unitaries.try_readonly()?;
    let entries = unitaries.as_slice()?;
    doubles(py, [count, size, size], |out| {
        py.detach(|| pauli_transfer(qubits, entries, bytemuck::cast_slice_mut(out)));
        Ok(())
    })
}
