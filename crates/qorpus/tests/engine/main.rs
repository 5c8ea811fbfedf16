//! The engine, through its public functions. One program of all tests: each of its own would compile
//! and link the same libraries again.

mod appended;
mod corpus;
mod directory;
mod distinct;
mod distinct_find;
mod distinct_remote;
mod distinct_tableaus;
#[cfg(feature = "environments")]
mod environments;
mod free_angles;
mod growth;
mod haar;
mod host_table;
mod query;
mod recipes;
mod sharded;
mod sharded_growth;
mod wide;
