//! Options with a few named values: one spelling for the command line and for Python.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use qorpus::{Dtype, Durability, Equivalence, Order};

/// The values of an option, by name.
pub type Names<T> = &'static [(&'static str, T)];

/// The types of the entries of unitaries.
pub const DTYPES: Names<Dtype> = &[("complex128", Dtype::Complex128), ("complex64", Dtype::Complex64)];

/// The help of each of [`DTYPES`].
pub(crate) const DTYPE_MEANINGS: [&str; 2] =
    ["16 bytes per entry", "8 bytes per entry, rounded from complex128"];

/// The durabilities of a commit.
pub const DURABILITIES: Names<Durability> =
    &[("full", Durability::Full), ("normal", Durability::Normal), ("off", Durability::Off)];

/// The help of each of [`DURABILITIES`].
pub(crate) const DURABILITY_MEANINGS: [&str; 3] = [
    "A power cut loses no committed record",
    "A power cut may lose the last commits",
    "A power cut may corrupt the file",
];

/// The orders of qubits in a unitary's indices.
pub const ORDERS: Names<Order> = &[("big", Order::Big), ("little", Order::Little)];

/// The help of each of [`ORDERS`].
pub(crate) const ORDER_MEANINGS: [&str; 2] = [
    "Qubit 0 is the most significant bit, as in Cirq, PennyLane and BQSKit",
    "Qubit 0 is the least significant bit, as in Qiskit",
];

/// The equivalences under which unitaries count as equal.
pub const UP_TO: Names<Equivalence> =
    &[("phase", Equivalence::GlobalPhase), ("nothing", Equivalence::Exact), ("pauli", Equivalence::Pauli)];

/// The help of each of [`UP_TO`].
pub(crate) const UP_TO_MEANINGS: [&str; 3] =
    ["A global phase", "None", "Pauli operators and a global phase; all gates must be Clifford gates"];

/// Returns the value with this name.
pub fn named<T: Copy>(names: Names<T>, name: &str) -> Option<T> {
    names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// Returns the name of a value.
pub fn name_of<T: Copy + PartialEq>(names: Names<T>, value: T) -> &'static str {
    names.iter().find(|(_, known)| *known == value).map_or("", |(name, _)| *name)
}

/// Returns a parser of these names, which help and errors list with their meanings.
pub(crate) fn parser<T: Copy + Send + Sync + 'static, const N: usize>(
    names: Names<T>,
    meanings: [&'static str; N],
) -> impl TypedValueParser<Value = T> {
    assert_eq!(names.len(), N, "each value has its meaning");
    let values =
        names.iter().zip(meanings).map(|((name, _), meaning)| PossibleValue::new(*name).help(meaning));
    PossibleValuesParser::new(values).try_map(move |name| named(names, &name).ok_or("unknown name"))
}
