//! Records as objects of Python.

use crate::arrays::{doubles, unitaries};
use crate::record::Record;
use crate::records::Records;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use qorpus::Label;
use qorpus::core::{Circuit, MAX_GATE_ANGLES};
use std::collections::BTreeMap;

impl Records {
    /// Returns a record whose parts were read.
    pub(crate) fn assemble(
        &self,
        py: Python<'_>,
        id: u64,
        circuit: Circuit<'_>,
        unitary: &[u8],
        given: Option<&BTreeMap<String, Label>>,
    ) -> PyResult<Record> {
        let dim = self.recipe.alphabet().dim();
        let copied = || {
            unitaries(py, self.recipe.dtype(), [dim, dim], |out| {
                out.copy_from_slice(unitary);
                Ok(())
            })
        };
        let unitary = self.recipe.has_unitaries().then(copied).transpose()?;
        let alphabet = self.recipe.alphabet();
        let angles = alphabet.has_free_angles().then(|| {
            let rows = alphabet.angle_rows(circuit.letters, circuit.angles, circuit.letters.len());
            doubles(py, [circuit.letters.len(), MAX_GATE_ANGLES], |out| {
                out.copy_from_slice(bytemuck::cast_slice(&rows));
                Ok(())
            })
        });
        let read = (unitary, angles.transpose()?);
        Record::read(py, id, self.circuit(py, circuit)?, read, given, &self.origin)
    }

    /// Returns the letters of a circuit; `None` if the records have no circuits.
    pub(crate) fn circuit<'py>(
        &self,
        py: Python<'py>,
        circuit: Circuit<'_>,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.recipe.space().has_circuits().then(|| self.tuple(py, circuit)).transpose()
    }

    pub(crate) fn tuple<'py>(&self, py: Python<'py>, circuit: Circuit<'_>) -> PyResult<Bound<'py, PyTuple>> {
        let (alphabet, mut angles) = (self.recipe.alphabet(), circuit.angles);
        let known = |letter: u16| self.letters[usize::from(letter)].bind(py);
        if angles.is_empty() {
            return PyTuple::new(py, circuit.letters.iter().map(|&letter| known(letter)));
        }
        let letters = circuit.letters.iter().map(|&letter| match alphabet.free_angles(letter) {
            0 => known(letter).clone(),
            count => {
                let (own, rest) = angles.split_at(count);
                angles = rest;
                PyString::new(py, &alphabet.text(&[letter], own))
            }
        });
        PyTuple::new(py, letters)
    }
}
