//! Random numbers of records, and the unitaries that are drawn from them.

pub(crate) mod haar;
pub(crate) mod normal;
pub(crate) mod philox;
