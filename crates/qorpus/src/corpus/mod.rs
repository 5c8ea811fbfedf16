//! A corpus in one file: reading its records, also while others write, and the connection that
//! writes.

pub(crate) mod checked_blocks;
pub(crate) mod corpus_file;
pub(crate) mod corpus_writer;
pub(crate) mod growth;
pub(crate) mod ids;
pub(crate) mod immutable;
pub(crate) mod journal_mode;
pub(crate) mod lookup;
pub(crate) mod mapped;
pub(crate) mod record;
pub(crate) mod row_cache;
pub(crate) mod rows;
pub(crate) mod scan;
pub(crate) mod unitary_buffer;
