//! TODO sqlite

pub(crate) mod blob;
pub(crate) mod btree;
pub(crate) mod connection;
pub(crate) mod failure;
pub(crate) mod guard;
pub(crate) mod layout;
pub(crate) mod mmap;
pub(crate) mod schema;
pub(crate) mod wal;
