//! Options that have a few values, by name: one spelling for the command line and for Python.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use qorpus::{Dtype, Durability, Equivalence, Order};

/// The values of an option and their names.
pub type Names<T> = &'static [(&'static str, T)];

/// The types of the unitaries' entries.
pub const DTYPES: Names<Dtype> = &[("complex128", Dtype::Complex128), ("complex64", Dtype::Complex64)];

/// How a commit is made to last.
pub const DURABILITIES: Names<Durability> =
    &[("full", Durability::Full), ("normal", Durability::Normal), ("off", Durability::Off)];

/// The orders of qubits in a unitary's indices.
pub const ORDERS: Names<Order> = &[("big", Order::Big), ("little", Order::Little)];

/// Which unitaries count as the same.
pub const UP_TO: Names<Equivalence> = &[("phase", Equivalence::GlobalPhase), ("nothing", Equivalence::Exact)];

/// The value with this name.
pub fn named<T: Copy>(names: Names<T>, name: &str) -> Option<T> {
    names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// The name of a value.
pub fn name_of<T: Copy + PartialEq>(names: Names<T>, value: T) -> &'static str {
    names.iter().find(|(_, known)| *known == value).map_or("", |(name, _)| *name)
}

/// A parser of these names, which help and errors list.
pub(crate) fn parser<T: Copy + Send + Sync + 'static>(names: Names<T>) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(names.iter().map(|(name, _)| *name))
        .try_map(move |name| named(names, &name).ok_or("no such name"))
}
