//! Reading from many threads: one file, several, shards or a recipe as one corpus, and queries over
//! it.

pub(crate) mod authorizer;
pub(crate) mod chunks;
pub(crate) mod corpus;
pub(crate) mod host_table;
pub(crate) mod parameters;
pub(crate) mod pooled_file;
pub(crate) mod present;
pub(crate) mod record_columns;
pub(crate) mod record_cursor;
pub(crate) mod record_source;
pub(crate) mod record_table;
pub(crate) mod rows;
pub(crate) mod sorted_ids;
pub(crate) mod source;
pub(crate) mod sql;
pub(crate) mod sql_functions;
pub(crate) mod unitary_functions;
pub(crate) mod unitary_parts;
