//! Making records: computing chunks and committing them, and appending records that somebody
//! brings.

pub(crate) mod append;
pub(crate) mod chunk_builder;
pub(crate) mod generate;
pub(crate) mod pair_check;
pub(crate) mod progress;
pub(crate) mod stored_size;
