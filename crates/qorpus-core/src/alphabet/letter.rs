//! Letters: gates placed on qubits, and their texts.

/// The largest number of qubits of a circuit.
pub const MAX_QUBITS: usize = 8;

/// A gate placed on qubits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Index of the gate in [`Alphabet::gates`](crate::Alphabet::gates).
    pub gate: usize,
    /// The qubits in the gate's own order, control first; empty for an opaque gate without qubits.
    pub qubits: Vec<usize>,
    /// The text, such as `cx 0 1`.
    pub text: String,
}

/// Splits a letter's text into its gate, without blanks, and its qubits.
pub(crate) fn split_letter(text: &str) -> (String, Vec<&str>) {
    // Blanks and letter case count only inside the names of user-defined gates, which have no
    // blanks.
    let (gate, places) = match text.rfind(')') {
        Some(end) => text.split_at(end + 1),
        None => text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), "")),
    };
    (gate.split_whitespace().collect(), places.split_whitespace().collect())
}
