//! TODO verify

pub(crate) mod file;
pub(crate) mod report;
