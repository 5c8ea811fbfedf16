//! Enumerations of distinct unitaries: their equivalence and the costs of circuits.

use crate::alphabet::{Alphabet, MAX_UNITARY_QUBITS};
use crate::arithmetic::Equivalence;
use crate::binary::letters::BinaryLetters;
use crate::circuit::MAX_LENGTH;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// The most letters of an enumeration: a set of letters is a 32-bit number.
const MAX_DISTINCT_LETTERS: usize = 32;

/// The largest cost of a gate or a circuit.
const MAX_COST: u32 = 65_535;

/// An enumeration of the unitaries of all circuits of at most `most_cost` and within the space's
/// lengths, each with the shortest of its cheapest circuits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distinct {
    /// The equivalence under which unitaries count as one.
    pub up_to: Equivalence,
    /// The cost of each gate, in the alphabet's order; all 0 if only lengths count.
    pub costs: Vec<u32>,
    /// The largest cost of a circuit.
    pub most_cost: u32,
    /// Whether unitaries are distinguished by their tableaus, as the [`BinaryLetters`] of the
    /// alphabet have them. Enumerations of version 1 of the format never are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tableaus: bool,
}

impl Distinct {
    /// Returns whether circuits have costs, and not only lengths.
    pub fn has_costs(&self) -> bool {
        self.costs.iter().any(|&cost| cost > 0)
    }

    /// Refuses an enumeration that is impossible over `alphabet` with circuits of at most `max`
    /// letters.
    pub(crate) fn check(&self, alphabet: &Alphabet, max: usize) -> Result<()> {
        let letters = alphabet.letters().len();
        let costs = &self.costs;
        let refused = |reason: String| Err(Error::Distinct(reason));
        if letters > MAX_DISTINCT_LETTERS {
            let most = MAX_DISTINCT_LETTERS;
            return refused(format!(
                "there are {letters} letters, but at most {most} are supported; use fewer gates or qubits"
            ));
        }
        if self.tableaus {
            BinaryLetters::new(alphabet, self.up_to)?;
        } else {
            alphabet.check_unitaries()?;
        }
        if alphabet.qubits() > MAX_UNITARY_QUBITS && self.up_to == Equivalence::Exact {
            let text = "the global phase counts (up_to nothing) only where unitaries are computed, on 1 to 8 qubits; \
                        use up_to phase, which means the same for cx and swap";
            return refused(text.into());
        }
        if !self.tableaus && self.up_to == Equivalence::Pauli {
            return refused("unitaries are equal up to Pauli operators only where they have tableaus".into());
        }
        if costs.len() != alphabet.gates().len() {
            return refused("each gate needs a cost".into());
        }
        if !self.has_costs() && self.most_cost > 0 {
            return refused("no gate has a cost above 0".into());
        }
        if self.has_costs() && max < MAX_LENGTH {
            return refused("a maximum length cannot be combined with costs".into());
        }
        if costs.iter().any(|&cost| cost > MAX_COST) || self.most_cost > MAX_COST {
            return refused(format!("a cost is at most {MAX_COST}"));
        }
        Ok(())
    }
}
