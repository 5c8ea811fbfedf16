//! TODO tables

pub(crate) mod chunks;
pub(crate) mod claims;
pub(crate) mod labels;
pub(crate) mod levels;
pub(crate) mod metadata;
pub(crate) mod next_level;
