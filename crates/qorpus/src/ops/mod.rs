//! Jobs on a corpus in a file, a directory of shards or a bucket.

pub(crate) mod disk;
pub(crate) mod generate;
pub(crate) mod merge;
pub(crate) mod plan;
pub(crate) mod verify;
