//! TODO ops

pub(crate) mod disk;
pub(crate) mod generate;
pub(crate) mod merge;
pub(crate) mod plan;
pub(crate) mod verify;
