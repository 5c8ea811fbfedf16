//! TODO tables

pub(crate) mod claims;
