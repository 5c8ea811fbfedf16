//! Making records: computing chunks and committing them, and appending records that a caller
//! brings.

pub(crate) mod append;
pub(crate) mod chunk_builder;
pub(crate) mod compare;
pub(crate) mod generate;
pub(crate) mod group_commit;
pub(crate) mod progress;
pub(crate) mod stored_size;
pub(crate) mod validate;
