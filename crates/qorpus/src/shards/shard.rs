//! A published shard, as its receipt and the manifest tell it.

use qorpus_core::ContentHash;

/// A shard that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) number: u64,
    /// The sum of its records' hashes.
    pub(crate) content: ContentHash,
    /// The size of its file.
    pub(crate) bytes: u64,
    /// XXH3-128 of its file.
    pub(crate) xxh128: u128,
}
