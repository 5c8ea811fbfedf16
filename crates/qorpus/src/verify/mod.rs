//! Verifying one file, and repairing it.

pub(crate) mod file;
pub(crate) mod report;
