//! Errors: invalid gates, alphabets, spaces, recipes, labels and targets.

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// An invalid input. The text of each variant states the problem and the remedy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A gate name that is neither standard nor defined by the user.
    #[error("unknown gate '{name}'; {advice}")]
    UnknownGate {
        /// The name as given.
        name: String,
        /// A clause with the most likely gate.
        advice: String,
    },
    /// A gate, coupling, letter or label that cannot be used.
    #[error("{item}: {reason}")]
    Unusable {
        /// The kind of the item and its text as given, such as `gate 'rz'`.
        item: String,
        /// The reason.
        reason: String,
    },
    /// A user-defined matrix that is not unitary.
    #[error(
        "gate '{gate}' is not unitary: the largest entry of U†U - 1 is {residual:e}, more than 1e-12; give its \
         matrix with all digits of double precision"
    )]
    NotUnitary {
        /// The gate's name.
        gate: String,
        /// The largest magnitude among the entries of U†U - 1.
        residual: f64,
    },
    /// A target with an entry that is NaN or infinite.
    #[error("the matrix is not unitary: its entry in row {row}, column {column} is not a finite number")]
    NotFinite {
        /// The row, counted from 0.
        row: usize,
        /// The column, counted from 0.
        column: usize,
    },
    /// A target that is not unitary.
    #[error("the matrix is not unitary: the largest entry of |U†U - 1| is {residual:.3}, more than 0.05")]
    TargetNotUnitary {
        /// The largest magnitude among the entries of U†U - 1; NaN if it overflows.
        residual: f64,
    },
    /// A tolerance out of range.
    #[error("the tolerance is {0}; the largest difference between entries must be above 0 and at most 2")]
    Tolerance(f64),
    /// A gate that is listed twice.
    #[error("gate '{0}' is listed twice; list each gate once")]
    DuplicateGate(String),
    /// A gate listed twice with its angles written differently.
    #[error("gates '{0}' and '{1}' are the same gate with its angle written in two ways; use one of them")]
    OneGateTwice(String, String),
    /// A number of qubits that is not supported.
    #[error(
        "{0} qubits are out of range: circuits have 1 to 16 qubits, and 1 to 8 where unitaries are computed"
    )]
    Qubits(usize),
    /// A number of qubits that unitaries cannot have.
    #[error(
        "{0} qubits are out of range: unitaries have 1 to 8 qubits; only enumerations by tableaus (distinct with up_to \
         pauli, or of cx and swap alone) have up to 16"
    )]
    UnitaryQubits(usize),
    /// Records without unitaries where unitaries are needed.
    #[error(
        "the records have no unitaries: on {qubits} qubits a unitary would have 2^{} entries; use their circuits or, in \
         Python, their tableaus (corpus.tableaus)",
        2 * qubits
    )]
    NoUnitaries {
        /// The number of qubits of the records.
        qubits: usize,
    },
    /// A gate on more qubits than the circuits have.
    #[error(
        "gate '{gate}' acts on {needs} qubits, but the circuits have only {qubits}; use more qubits or leave it out"
    )]
    TooWide {
        /// The gate's name.
        gate: String,
        /// The number of qubits that the gate acts on.
        needs: usize,
        /// The number of qubits of the circuits.
        qubits: usize,
    },
    /// An alphabet without letters.
    #[error("the alphabet is empty: {0}")]
    EmptyAlphabet(String),
    /// A gate without a matrix where one is needed.
    #[error("gate '{gate}' is unknown to Qorpus; it needs {reason}")]
    Opaque {
        /// The gate's name.
        gate: String,
        /// The condition for such a gate, as a noun phrase.
        reason: &'static str,
    },
    /// A gate with free angles where a fixed gate is meant.
    #[error("gate '{gate}' has a free angle, but {purpose} fixed gates; give it a value, such as '{}'", .gate.replace('?', "pi/4"))]
    FreeAngle {
        /// The gate's name.
        gate: String,
        /// A subject and its verb: `words need`.
        purpose: &'static str,
    },
    /// A gate whose entries are not numbers a + bω + cω² + dω³ over a power of √2.
    #[error(
        "gate '{gate}' is not exact{}: its entries must be sums of powers of e^(i pi/4) over a power of sqrt(2), as for \
         Clifford+T",
        if *.up_to_phase { " up to a global phase" } else { "" }
    )]
    NotExact {
        /// The gate's name.
        gate: String,
        /// Whether unitaries that differ by a global phase count as equal.
        up_to_phase: bool,
    },
    /// A gate without a tableau.
    #[error("gate '{gate}' is not a Clifford gate; only Clifford gates, such as h, s and cx, have tableaus")]
    NotClifford {
        /// The gate's name.
        gate: String,
    },
    /// A matrix of bits that is not a tableau.
    #[error(
        "the tableau is not symplectic: its rows {} and {} (counted from 0) commute where their Pauli operators do not, \
         or the other way round",
        rows.0, rows.1
    )]
    NotSymplectic {
        /// The first two such rows.
        rows: (usize, usize),
    },
    /// A linear function without an inverse.
    #[error("the linear function has no inverse modulo 2, so no circuit computes it")]
    NotInvertible,
    /// A pattern that is not a permutation.
    #[error("a permutation of {qubits} qubits names each of the numbers 0 to {} once", qubits - 1)]
    NotPermutation {
        /// The number of qubits.
        qubits: usize,
    },
    /// A gate that does not map the bits of basis vectors linearly.
    #[error(
        "gate '{gate}' is not linear; only gates such as cx and swap map the bits of basis vectors linearly"
    )]
    NotLinear {
        /// The gate's name.
        gate: String,
    },
    /// An exact unitary with a denominator beyond √2^28.
    #[error(
        "the circuit's exact unitary has a denominator above sqrt(2)^28, more than 16-bit integers can hold; use a \
         shorter circuit"
    )]
    ExactOverflow,
    /// An impossible enumeration of distinct unitaries.
    #[error("distinct unitaries: {0}")]
    Distinct(String),
    /// An alphabet with more letters than 16 bits can number.
    #[error(
        "the alphabet has {0} letters or more, but at most 65,535 are supported; use fewer gates or qubits"
    )]
    LargeAlphabet(usize),
    /// A text that is not a letter of the alphabet.
    #[error("'{letter}' is not a letter of this alphabet; {advice}its letters are {alphabet}")]
    UnknownLetter {
        /// The text as given.
        letter: String,
        /// A clause with the most likely letter and a separator, or an empty text.
        advice: String,
        /// The first letters of the alphabet, as text.
        alphabet: String,
    },
    /// A circuit that cannot be written in OpenQASM.
    #[error("{0}")]
    Qasm(String),
    /// A length range that is reversed or too large.
    #[error("length {min}..{max}: {reason}")]
    Length {
        /// The shortest length, in letters.
        min: usize,
        /// The longest length, in letters.
        max: usize,
        /// The reason.
        reason: &'static str,
    },
    /// A space of no circuits.
    #[error("the number of records is 0; ask for at least 1")]
    NoRecords,
    /// A space of more than 2^63 records.
    #[error("there are more than 2^63 records; ask for fewer, shorten the length range, or use fewer gates")]
    SpaceTooLarge,
    /// Constraints of random circuits that are invalid or impossible.
    #[error("constraints of random circuits: {0}")]
    Constraints(String),
    /// JSON that is not a recipe of this version.
    #[error("the recipe cannot be read: {0}")]
    Recipe(String),
}
