//! Instructions: gates placed on qubits, without an alphabet.

use crate::alphabet::placements::placement;
use crate::alphabet::{MAX_QUBITS, split_letter};
use crate::error::{Error, Result};
use crate::gate::Gate;
use crate::gate::synonyms::synonym;

/// A gate placed on qubits, read from a letter's text.
#[derive(Debug, Clone, PartialEq)]
pub struct Instruction {
    /// The gate, whose matrix is known.
    pub gate: Gate,
    /// The qubits, in the gate's own order (control first).
    pub qubits: Vec<usize>,
}

impl Instruction {
    /// Parses a letter of a circuit on `qubits` qubits. On one qubit the qubit may be left out. The
    /// gate is one of `own` or a standard gate.
    ///
    /// # Errors
    /// [`Error::Qubits`] for an unsupported number of qubits; [`Error::Opaque`] for a gate without
    /// a matrix; [`Error::FreeAngle`] for an angle without a value; the errors of [`Gate::standard`]; [`Error::Unusable`] for qubits on which the gate
    /// cannot act.
    ///
    /// ```
    /// use qorpus_core::Instruction;
    ///
    /// let letter = Instruction::parse("cx 0 2", 3, &[])?;
    /// assert_eq!((letter.gate.name(), letter.qubits), ("cx", vec![0, 2]));
    /// # Ok::<(), qorpus_core::Error>(())
    /// ```
    pub fn parse(text: &str, qubits: usize, own: &[Gate]) -> Result<Instruction> {
        if !(1..=MAX_QUBITS).contains(&qubits) {
            return Err(Error::Qubits(qubits));
        }
        let (name, places) = split_letter(text);
        let gate = match own.iter().find(|gate| gate.name() == name) {
            Some(gate) => gate.clone(),
            None => Gate::standard(&name).map_err(|error| {
                // The first error explains better a text that is not a name, such as `rz(`, or a
                // name from another tool.
                let is_name = matches!(error, Error::UnknownGate { .. }) && Gate::opaque(&name).is_ok();
                if !is_name || synonym(&name).is_some() {
                    return error;
                }
                Error::Opaque { gate: name, reason: "a matrix for its circuit to be converted" }
            })?,
        };
        if gate.is_free() {
            return Err(Error::FreeAngle { gate: gate.name().into(), purpose: "its circuit needs" });
        }
        let qubits = placement(text, &gate, &places, qubits)?;
        Ok(Instruction { gate, qubits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters() {
        let own = [Gate::custom("Mine", 1, Gate::standard("h").unwrap().matrix().to_vec()).unwrap()];
        let parsed = |text, qubits| {
            let letter = Instruction::parse(text, qubits, &own).unwrap();
            (letter.gate.name().to_owned(), letter.qubits)
        };
        assert_eq!(parsed("h", 1), ("h".into(), vec![0]));
        assert_eq!(parsed(" RZ( pi / 4 )  1 ", 2), ("rz(pi/4)".into(), vec![1]));
        assert_eq!(parsed("rz(pi/4)1", 2), ("rz(pi/4)".into(), vec![1]));
        assert_eq!(parsed("ccx 7 0 15", 16), ("ccx".into(), vec![7, 0, 15]));
        assert_eq!(parsed("rz(π**2/π) 1", 2), ("rz(pi)".into(), vec![1]));
        assert_eq!(parsed("Mine 1", 2), ("Mine".into(), vec![1]));
    }

    #[test]
    fn refusals() {
        for (text, qubits, sentence) in [
            ("h 0", 0, "0 qubits are out of range"),
            ("h 0", 17, "17 qubits are out of range"),
            ("mine 0", 1, "gate 'mine' is unknown to Qorpus; it needs a matrix"),
            ("", 1, "unknown gate ''"),
            ("cnot 0 1", 2, "unknown gate 'cnot'; did you mean 'cx'?"),
            ("u1(pi/4) 0", 1, "unknown gate 'u1(pi/4)'; did you mean 'p'?"),
            ("rz 0", 1, "gate 'rz': it needs one angle"),
            ("rz(?) 0", 1, "gate 'rz(?)' has a free angle, but its circuit needs fixed gates; give it"),
            ("rz(", 1, "gate 'rz(': ')' is missing"),
            ("h", 2, "'h': gate 'h' acts on 1 qubit, not on 0"),
            ("h 0 1", 2, "'h 0 1': gate 'h' acts on 1 qubit, not on 2"),
            ("cx 1 1", 2, "'cx 1 1': qubit 1 is named twice"),
            ("cx 0 2", 2, "'cx 0 2': there is no qubit 2; the qubits are 0 to 1"),
            ("cx 0 é", 2, "'cx 0 é': there is no qubit é"),
        ] {
            let error = Instruction::parse(text, qubits, &[]).unwrap_err().to_string();
            assert!(error.starts_with(sentence), "{text}: {error}");
        }
    }
}
