//! TODO corpus

pub(crate) mod corpus_file;
pub(crate) mod corpus_writer;
pub(crate) mod ids;
pub(crate) mod lookup;
pub(crate) mod mapped;
pub(crate) mod scan;
pub(crate) mod unitary_buffer;
