//! The search for a Clifford operator, a linear function or a permutation by its tableau.

use crate::distinct::found::Found;
use crate::distinct::meet_in_the_middle::Stop;
use crate::distinct::search::{Answer, Search};
use crate::error::{Error, Result};
use qorpus_core::{
    BinaryLetters, BinaryMatrix, Circuits, Clifford, Complex64, Equivalence, PauliProduct, Recipe, Scratch,
    distance,
};

/// The largest difference of entries at which a matrix is a linear function, or is a Clifford
/// operator exactly.
const EXACT_DISTANCE: f64 = 1e-9;

/// The largest difference of entries at which a matrix has the tableau of a Clifford operator. A
/// linear function at this distance may have lost digits unnoticed.
const GUARD_DISTANCE: f64 = 1e-6;

impl Search<'_, BinaryLetters> {
    /// Returns the answer for a target. Where Pauli operators do not count, those that lead to the
    /// target are part of it.
    pub(super) fn answer_of_tableaus(mut self, stop: Stop<'_>) -> Result<Answer> {
        if self.distinct.up_to == Equivalence::Pauli {
            return self.answer_up_to_pauli(stop).map(Answer::Known);
        }
        let (letters, target) = (self.lookup.letters, self.target);
        let matrix = match (self.options.tolerance, target.clifford()) {
            (Some(_), Some(_)) => return Err(no_tolerance()),
            (Some(tolerance), None) => return Ok(Answer::Scan(tolerance)),
            (None, Some(operator)) => letters.of_clifford(operator),
            (None, None) => {
                let matrix = letters.of_unitary(target.numbers(), EXACT_DISTANCE);
                let is_suspicious = || letters.of_unitary(target.numbers(), GUARD_DISTANCE).is_some();
                if matrix.is_none() && (target.error() > EXACT_DISTANCE || is_suspicious()) {
                    return Ok(Answer::Scan(target.tolerance()));
                }
                matrix
            }
        };
        self.found(matrix, stop).map(Answer::Known)
    }

    fn answer_up_to_pauli(&mut self, stop: Stop<'_>) -> Result<Found> {
        if self.options.tolerance.is_some() {
            return Err(no_tolerance());
        }
        let (corpus, letters, target) = (self.lookup.corpus, self.lookup.letters, self.target);
        let alphabet = corpus.recipe().alphabet();
        let operator = match target.clifford() {
            Some(operator) => Some(operator.clone()),
            None => Clifford::of_unitary(target.numbers(), alphabet.qubits()),
        };
        if operator.is_none() && target.tolerance() > GUARD_DISTANCE {
            let text = "the unitary is not within 1e-6 of a Clifford operator, and this corpus has only those; give \
                        more digits";
            return Err(Error::Usage(text.into()));
        }
        let matrix = operator.as_ref().and_then(|operator| letters.of_clifford(operator));
        let found = self.found(matrix, stop)?;
        let (id, circuit, operator) = match (found, operator) {
            (Found::Record { id, circuit, .. }, Some(operator)) => (Some(id), circuit, operator),
            (Found::Circuit { circuit, .. }, Some(operator)) => (None, circuit, operator),
            (found, _) => return Ok(found),
        };
        let mut paulis = PauliProduct::default();
        if target.has_signs() {
            let own = Clifford::of_circuit(alphabet, &circuit)?;
            paulis =
                own.paulis_to(&operator).ok_or_else(|| Error::Defect("comparing two tableaus".into()))?;
        }
        if target.clifford().is_none() {
            let distance = distance_of(corpus.recipe(), &circuit, paulis, target.numbers());
            if distance > EXACT_DISTANCE {
                return Ok(Found::Near { id, circuit, paulis, distance, tolerance: GUARD_DISTANCE });
            }
        }
        Ok(match id {
            Some(id) => Found::Record { id, circuit, paulis },
            None => Found::Circuit { circuit, paulis },
        })
    }

    fn found(&mut self, matrix: Option<BinaryMatrix>, stop: Stop<'_>) -> Result<Found> {
        if let Some(matrix) = &matrix
            && let Some(found) = self.record(matrix)?
        {
            return Ok(found);
        }
        self.proof(matrix, None, stop)
    }
}

fn no_tolerance() -> Error {
    let text = "a tolerance compares entries, but this corpus compares tableaus; leave the tolerance out";
    Error::Usage(text.into())
}

/// Returns the distance of a circuit with Pauli operators behind it from a unitary, up to a global
/// phase.
fn distance_of(recipe: &Recipe, circuit: &[u16], paulis: PauliProduct, unitary: &[Complex64]) -> f64 {
    let (mut circuits, mut own) = (Circuits::default(), vec![Complex64::ZERO; unitary.len()]);
    circuits.push(circuit.iter().copied());
    recipe.kernel().unitaries(&circuits, &mut Scratch::default(), &mut own);
    let qubits = recipe.alphabet().qubits();
    // Qubit 0 has the highest bit of a row's number.
    let [x, z] = [paulis.x, paulis.z].map(|bits| bits.reverse_bits() >> (u32::BITS - qubits as u32));
    let rows = (0..1u32 << qubits).flat_map(|row| {
        let from = row ^ x;
        let sign = if (from & z).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
        let entries = &own[(from as usize) << qubits..][..1 << qubits];
        entries.iter().map(move |entry| entry * sign)
    });
    distance(unitary, &rows.collect::<Vec<_>>(), Equivalence::GlobalPhase)
}
