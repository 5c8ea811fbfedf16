//! A published shard and its file.

use crate::error::{Result, io};
use crate::paths::{COMPANIONS, beside};
use qorpus_core::ContentHash;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use xxhash_rust::xxh3::Xxh3Default;

/// Bytes of a file that are read at once.
const READ_BYTES: usize = 1 << 20;

/// A published shard, as its receipt and the manifest describe it.
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

impl Shard {
    /// Returns the [`fingerprint`] of its file.
    pub(super) fn fingerprint(&self) -> (u64, u128) {
        (self.bytes, self.xxh128)
    }
}

/// The objects of a shard, as a listing of a bucket shows them.
#[derive(Debug, Clone, Default)]
pub(super) struct ListedShard {
    /// The size of its file's object.
    pub(super) bytes: Option<u64>,
    /// The `ETag` of its receipt, if the store has them.
    pub(super) receipt: Option<Option<String>>,
}

/// Returns the size of a file and its XXH3-128.
pub(super) fn fingerprint(path: &Path) -> Result<(u64, u128)> {
    read_file(path, |_| Ok(()))
}

/// Calls `visit` with a file's bytes, a piece at a time; returns its [`fingerprint`].
pub(super) fn read_file(path: &Path, mut visit: impl FnMut(&[u8]) -> Result<()>) -> Result<(u64, u128)> {
    let failed = io(path, "read it");
    let mut file = File::open(path).map_err(&failed)?;
    let (mut piece, mut hash, mut bytes) = (vec![0; READ_BYTES], Xxh3Default::new(), 0);
    loop {
        let count = match file.read(&mut piece) {
            Ok(0) => return Ok((bytes, hash.digest128())),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        hash.update(&piece[..count]);
        bytes += count as u64;
        visit(&piece[..count])?;
    }
}

/// Removes an unfinished corpus file and the files beside it.
pub(crate) fn discard(path: &Path) {
    for ending in std::iter::once("").chain(COMPANIONS).chain(["-lock"]) {
        let _ = std::fs::remove_file(beside(path, ending));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_that_of_xxhsum() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let bytes: Vec<u8> = (0..READ_BYTES * 2 + 17).map(|at| (at * 31 % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(fingerprint(&path).unwrap(), (bytes.len() as u64, xxhash_rust::xxh3::xxh3_128(&bytes)));
    }
}
