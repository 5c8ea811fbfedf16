//! The answer to a search for a unitary.

/// The result of looking for a unitary.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// A record has this unitary.
    Record {
        /// The record's id.
        id: u64,
        /// Its circuit: no other one costs less, or as little and is shorter.
        circuit: Vec<u16>,
    },
    /// A circuit longer than those of the corpus makes it, and no shorter one does.
    Circuit(Vec<u16>),
    /// No circuit of this length or a shorter one makes it: this was proven.
    BeyondLength(usize),
    /// No circuit of this cost or a lower one makes it: this was proven.
    BeyondCost(u32),
    /// No circuit over these gates makes it at all: all that they make were enumerated.
    Never,
    /// The target is not precise enough for a proof, or a tolerance was given, and this circuit
    /// clearly is within it.
    Near {
        /// The record; `None` of a circuit that was put together from two.
        id: Option<u64>,
        /// Its circuit.
        circuit: Vec<u16>,
        /// The largest difference of entries, up to phase if the corpus is.
        distance: f64,
        /// The tolerance.
        tolerance: f64,
    },
    /// No record is clearly the one that was meant. Nothing is proven.
    Unclear {
        /// The nearest record, its circuit and its distance; `None` if the search was stopped.
        nearest: Option<(u64, Vec<u16>, f64)>,
        /// The tolerance.
        tolerance: f64,
        /// How many records are within it: none, or several of which none is much nearer than the
        /// others.
        within: u64,
    },
}

impl Found {
    /// Returns whether this is the proof that no circuit, or none of some length or cost, makes the
    /// unitary.
    pub fn is_proof(&self) -> bool {
        matches!(self, Found::BeyondLength(_) | Found::BeyondCost(_) | Found::Never)
    }
}
