//! Orders and splits of records as functions of their ids, without tables.

pub(crate) mod permutation;
pub(crate) mod split;
pub(crate) mod unitary_split;
