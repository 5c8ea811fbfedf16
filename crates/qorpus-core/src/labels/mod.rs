//! Labels: named integers, reals or texts that belong to records, kept in columns.

pub(crate) mod builder;
pub(crate) mod name;
pub(crate) mod value;
