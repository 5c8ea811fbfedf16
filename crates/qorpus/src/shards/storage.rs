//! The storage of a sharded corpus: a directory, or a prefix of a bucket.
//!
//! Both name only complete files, and only under a condition on the previous owner of the name.
//! Building, sealing and reading shards rely on nothing else.

use crate::error::{Error, LOOK_FOR, Result, io};
use crate::options::job::Durability;
use crate::os::atomic_file;
use crate::paths::{check_spelling, is_bucket};
use crate::remedy::brief;
use crate::shards::bucket::Bucket;
use crate::shards::directory;
use crate::shards::naming::{MANIFEST, RECEIPTS, is_part_of_corpus, is_shard};
use crate::shards::put_mode::{PutMode, Version};
use crate::shards::shard::Shard;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The storage of a manifest, receipts and shards, each under a name relative to it.
#[derive(Debug, Clone)]
pub(super) enum Storage {
    /// The directory, absolute.
    Directory(PathBuf),
    /// The prefix of a bucket.
    Bucket(Arc<Bucket>),
}

impl Storage {
    /// Returns the storage at `path`: a directory that exists, or any prefix of a bucket, without a
    /// request to it.
    pub(super) fn at(path: &Path) -> Result<Storage> {
        if is_bucket(path) {
            return Ok(Storage::Bucket(Bucket::new(path)?));
        }
        check_spelling(path)?;
        path.canonicalize().map(Storage::Directory).map_err(io(path, LOOK_FOR))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Storage::Directory(path) => path,
            Storage::Bucket(bucket) => bucket.path(),
        }
    }

    /// Returns the path of the entry `name`, for messages and, in a directory, to open it.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Reads the text called `name`, which is untrusted, and its version; `None` if it does not
    /// exist. A text that is longer than `max_bytes` or not UTF-8 is read as an empty one, whose
    /// checksum fails.
    pub(super) fn read(&self, name: &str, max_bytes: u64) -> Result<Option<(String, Version)>> {
        let found = match self {
            Storage::Directory(directory) => directory::read(&directory.join(name), max_bytes)?,
            Storage::Bucket(bucket) => bucket.read(name, max_bytes)?,
        };
        Ok(found.map(|(bytes, version)| {
            let is_short = bytes.len() as u64 <= max_bytes;
            let text = String::from_utf8(bytes).ok().filter(|_| is_short);
            (text.unwrap_or_default(), version)
        }))
    }

    /// Returns the size and version of the entry `name`, where only files have a size; `None` if it
    /// does not exist.
    pub(super) fn head(&self, name: &str) -> Result<Option<(u64, Version)>> {
        match self {
            Storage::Directory(directory) => Ok(directory::head(&directory.join(name))),
            Storage::Bucket(bucket) => bucket.head(name),
        }
    }

    /// Returns the version of the entry `name`; `None` if it does not exist.
    pub(super) fn version(&self, name: &str) -> Result<Option<Version>> {
        Ok(self.head(name)?.map(|(_, version)| version))
    }

    /// Writes a small text called `name` if `mode` allows it; returns whether it did.
    pub(super) fn put(
        &self,
        text: &str,
        name: &str,
        mode: PutMode<'_>,
        durability: Durability,
    ) -> Result<bool> {
        match self {
            Storage::Directory(directory) => {
                atomic_file::put(text.as_bytes(), &directory.join(name), mode.replaces(), durability)
            }
            Storage::Bucket(bucket) => bucket.put(text.as_bytes().to_vec(), name, mode),
        }
    }

    /// Gives the finished file `from` of a shard the name `name` if `mode` allows it; returns
    /// whether it did.
    pub(super) fn publish(
        &self,
        from: &Path,
        shard: &Shard,
        name: &str,
        mode: PutMode<'_>,
        durability: Durability,
    ) -> Result<bool> {
        match self {
            Storage::Directory(directory) => {
                directory::publish(from, &directory.join(name), mode.replaces(), durability)
            }
            Storage::Bucket(bucket) => bucket.upload(from, shard, name, mode),
        }
    }

    /// Returns whether it contains something that only a sharded corpus has.
    pub(super) fn has_shards(&self) -> Result<bool> {
        match self {
            // Files of shards alone are a copy, which can be read as separate files.
            Storage::Directory(directory) => Ok(directory.join(RECEIPTS).is_dir()),
            Storage::Bucket(bucket) => {
                let is_receipt =
                    |name: &str| name.split_once('/').is_some_and(|(first, _)| first == RECEIPTS);
                Ok(bucket.find(|name| is_shard(name) || is_receipt(name))?.is_some())
            }
        }
    }

    /// Refuses a place that is not empty and not a corpus.
    pub(super) fn refuse_others(&self) -> Result<()> {
        let other = match self {
            Storage::Directory(directory) => directory::other_file(directory)?,
            Storage::Bucket(bucket) => bucket.find(|name| !is_part_of_corpus(name))?,
        };
        match other {
            // Another process may have finished creating it at this moment.
            Some(name) if self.version(MANIFEST)?.is_none() => Err(Error::NotACorpus(
                self.path().into(),
                format!("there is no {MANIFEST} in it, but {}; choose a new or empty place", brief(&name)),
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_told_from_directories() {
        assert!(is_bucket("s3://b".as_ref()) && is_bucket("s3://b/p/".as_ref()));
        assert!(!is_bucket("s3/b".as_ref()) && !is_bucket("/s3://b".as_ref()));
        assert!(check_spelling("s3:/b/p".as_ref()).unwrap_err().to_string().contains("s3://b/p"));
        assert!(check_spelling("s3://b/p".as_ref()).is_ok() && check_spelling("big".as_ref()).is_ok());
    }
}
