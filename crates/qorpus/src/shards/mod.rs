//! Sharded corpora: corpus files in a directory or a bucket, each with its range of one recipe's
//! records, and a manifest that lists them.
//!
//! A shard is an ordinary corpus of the whole recipe in which only its own chunks are made. Where
//! it begins and ends follows from the recipe, its name from that, so that any number of processes
//! on any number of machines agree on both without talking to each other. What is published is
//! whole: see [`publish`].

pub(crate) mod bucket;
pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod make;
pub(crate) mod manifest;
pub(crate) mod naming;
pub(crate) mod open;
pub(crate) mod place;
pub(crate) mod private;
pub(crate) mod publish;
pub(crate) mod put_mode;
pub(crate) mod seal;
pub(crate) mod session;
pub(crate) mod shard;
pub(crate) mod sharded;
pub(crate) mod wire;
