//! The files of a directory of shards.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

/// The names in a directory, sorted.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The paths of the shards, sorted.
pub(crate) fn shards(path: &Path) -> Vec<PathBuf> {
    names(path).into_iter().filter(|name| name.ends_with(".db")).map(|name| path.join(name)).collect()
}
