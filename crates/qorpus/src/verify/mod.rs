//! Verifying one file: checksums, gaps, totals and recomputed samples; and repairing what fails.

pub(crate) mod file;
pub(crate) mod report;
