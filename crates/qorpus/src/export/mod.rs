//! Exporting: a corpus as a file that other programs read. One file a format.

pub(crate) mod csv;
pub(crate) mod file;
pub(crate) mod format;
pub(crate) mod given;
pub(crate) mod npy;
#[cfg(feature = "parquet")]
pub(crate) mod parquet;
#[cfg(not(feature = "parquet"))]
#[path = "no_parquet.rs"]
pub(crate) mod parquet;
pub(crate) mod qasm;
