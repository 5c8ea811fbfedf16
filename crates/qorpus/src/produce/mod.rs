//! TODO produce

pub(crate) mod append;
pub(crate) mod chunk_builder;
pub(crate) mod generate;
pub(crate) mod pair_check;
pub(crate) mod progress;
pub(crate) mod stored_size;
