//! The answer to a search for a unitary.

use qorpus_core::{Alphabet, PauliProduct};

/// The result of looking for a unitary.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// A record has this unitary.
    Record {
        /// The record's id.
        id: u64,
        /// Its circuit: no other one costs less, and none of the same cost is shorter.
        circuit: Vec<u16>,
        /// The Pauli operators after the circuit that lead to the target, where Pauli operators do
        /// not count.
        paulis: PauliProduct,
    },
    /// A circuit longer than those in the corpus has this unitary, and no shorter one does.
    Circuit {
        /// The circuit.
        circuit: Vec<u16>,
        /// The Pauli operators after it, as of a record.
        paulis: PauliProduct,
    },
    /// No circuit up to this length has this unitary; this is proven.
    BeyondLength(usize),
    /// No circuit up to this cost has this unitary; this is proven.
    BeyondCost(u32),
    /// No circuit over these gates has this unitary at all: all their unitaries were enumerated.
    Never,
    /// The target is not precise enough for a proof, or a tolerance was given, and this circuit is
    /// clearly the one within it.
    Near {
        /// The record; `None` for a circuit combined from two.
        id: Option<u64>,
        /// Its circuit.
        circuit: Vec<u16>,
        /// The Pauli operators after it, as of a record.
        paulis: PauliProduct,
        /// The largest difference between entries, up to phase if the enumeration is.
        distance: f64,
        /// The tolerance.
        tolerance: f64,
    },
    /// No record is clearly the one meant. Nothing is proven.
    Unclear {
        /// The nearest record, its circuit and its distance; `None` if the search was stopped.
        nearest: Option<(u64, Vec<u16>, f64)>,
        /// The tolerance.
        tolerance: f64,
        /// The number of records within it: none, or several of which none is much nearer than the
        /// others.
        within: u64,
    },
}

impl Found {
    /// Returns the texts of the letters of the circuit that is found, and of the Pauli operators
    /// after it.
    pub fn letters(&self, alphabet: &Alphabet) -> Option<Vec<String>> {
        let (circuit, paulis) = match self {
            Found::Record { circuit, paulis, .. }
            | Found::Circuit { circuit, paulis }
            | Found::Near { circuit, paulis, .. } => (circuit, *paulis),
            _ => return None,
        };
        let letters = circuit.iter().map(|&letter| alphabet.letters()[usize::from(letter)].text.clone());
        Some(letters.chain(paulis.letters()).collect())
    }

    /// Returns whether this proves that no circuit, or none up to some length or cost, has the
    /// unitary.
    pub fn is_proof(&self) -> bool {
        matches!(self, Found::BeyondLength(_) | Found::BeyondCost(_) | Found::Never)
    }
}
