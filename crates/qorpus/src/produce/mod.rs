//! Producing records: computing and committing chunks, and appending a caller's records.

pub(crate) mod append;
pub(crate) mod chunk_builder;
pub(crate) mod compare;
pub(crate) mod generate;
pub(crate) mod group_commit;
pub(crate) mod grow;
pub(crate) mod progress;
pub(crate) mod stored_size;
pub(crate) mod validate;
