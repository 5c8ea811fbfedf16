//! Everything that depends on SQLite's internals: connections, the WAL, the schema, mapped pages
//! and the b-tree in them.

pub(crate) mod blob;
pub(crate) mod btree;
pub(crate) mod connection;
pub(crate) mod early_writes;
pub(crate) mod failure;
pub(crate) mod guard;
pub(crate) mod layout;
pub(crate) mod mmap;
pub(crate) mod read_only;
pub(crate) mod schema;
mod system_calls;
pub(crate) mod wal;
