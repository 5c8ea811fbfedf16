//! The tables of a corpus, one a file: the SQL that reads and writes them.

pub(crate) mod chunks;
pub(crate) mod claims;
pub(crate) mod keys;
pub(crate) mod label_names;
pub(crate) mod levels;
pub(crate) mod metadata;
pub(crate) mod next_level;
