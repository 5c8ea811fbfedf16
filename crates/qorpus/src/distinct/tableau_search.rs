//! The search for a Clifford operator, a linear function or a permutation by its tableau.

use crate::distinct::found::Found;
use crate::distinct::meet_in_the_middle::Stop;
use crate::distinct::search::{Answer, Search};
use crate::error::{Error, Result};
use qorpus_core::{BinaryLetters, BinaryMatrix, Clifford, Equivalence};

/// The largest error of a target's entries with which its tableau is certain.
const PRECISION: f64 = 1e-6;

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
            (None, None) => letters.of_unitary(target.numbers(), target.error()),
        };
        if matrix.is_none() && target.error() > PRECISION {
            return Ok(Answer::Scan(target.tolerance()));
        }
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
        if operator.is_none() && target.error() > PRECISION {
            let text = "the unitary is not within 1e-6 of a Clifford operator, and this corpus has only those; give \
                        more digits";
            return Err(Error::Usage(text.into()));
        }
        let matrix = operator.as_ref().and_then(|operator| letters.of_clifford(operator));
        let mut found = self.found(matrix, stop)?;
        if let (Found::Record { circuit, paulis, .. } | Found::Circuit { circuit, paulis }, Some(operator)) =
            (&mut found, operator)
        {
            let own = Clifford::of_circuit(alphabet, circuit)?;
            *paulis = own.paulis_to(&operator).ok_or_else(|| Error::Defect("comparing two tableaus".into()))?;
        }
        Ok(found)
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
