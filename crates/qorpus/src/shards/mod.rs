//! Sharded corpora: corpus files in a directory or a bucket, each with its range of one recipe's
//! records, and a manifest that lists them.
//!
//! A shard is an ordinary corpus of the whole recipe in which only its own chunks exist. Its range
//! of ids follows from the recipe, and its name from that, so that any number of processes on any
//! number of machines agree on both without communication. A published shard is complete: see
//! [`atomic_file`](crate::os::atomic_file).

#[cfg(feature = "buckets")]
pub(crate) mod bucket;
#[cfg(not(feature = "buckets"))]
#[path = "no_bucket.rs"]
pub(crate) mod bucket;
pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod commit;
pub(crate) mod directory;
pub(crate) mod generate;
#[cfg(feature = "buckets")]
pub(crate) mod http;
pub(crate) mod lineage;
pub(crate) mod manifest;
pub(crate) mod naming;
pub(crate) mod open_pool;
pub(crate) mod private_directory;
pub(crate) mod put_mode;
pub(crate) mod receipt;
#[cfg(feature = "buckets")]
pub(crate) mod s3_client;
pub(crate) mod shard;
pub(crate) mod sharded;
pub(crate) mod stage;
pub(crate) mod storage;
#[cfg(feature = "buckets")]
pub(crate) mod store_error;
#[cfg(feature = "buckets")]
pub(crate) mod transfer;
pub(crate) mod verify;
