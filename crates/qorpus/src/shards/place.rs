//! Where a sharded corpus is: in a directory, or under a prefix of a bucket.
//!
//! Both give a name to what is whole, and only under a condition on what had it before. That is all
//! that making, sealing and reading shards rely on.

use crate::error::{Error, LOOK_FOR, Result, io};
use crate::options::job::Durability;
use crate::paths::{check_spelling, is_bucket};
use crate::shards::bucket::Bucket;
use crate::shards::naming::is_shard;
use crate::shards::naming::{MANIFEST, RECEIPTS};
use crate::shards::publish;
use crate::shards::put_mode::{Before, Version};
use crate::shards::shard::Shard;
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the manifest, the receipts and the shards of a corpus are, each under a name relative to
/// it.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// The directory, absolute.
    Directory(PathBuf),
    /// The prefix of a bucket.
    Bucket(Arc<Bucket>),
}

impl Place {
    /// The place at `path`: a directory that exists, or any prefix of a bucket, which is not looked
    /// at.
    pub(super) fn at(path: &Path) -> Result<Place> {
        if is_bucket(path) {
            return Ok(Place::Bucket(Bucket::new(path)?));
        }
        check_spelling(path)?;
        path.canonicalize().map(Place::Directory).map_err(io(path, LOOK_FOR))
    }

    /// What it is called.
    pub(super) fn path(&self) -> &Path {
        match self {
            Place::Directory(path) => path,
            Place::Bucket(bucket) => bucket.path(),
        }
    }

    /// What is called `name` there, for messages, and in a directory for opening it.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The text called `name` that someone else may have written, and its version; `None` if there
    /// is none. One longer than `most` bytes, or that is no text, is empty: no check fits that.
    pub(super) fn read(&self, name: &str, most: u64) -> Result<Option<(String, Version)>> {
        let found = match self {
            Place::Directory(directory) => read_file(&directory.join(name), most)?,
            Place::Bucket(bucket) => bucket.read(name, most)?,
        };
        Ok(found.map(|(bytes, version)| (text(bytes, most), version)))
    }

    /// The size and version of what is called `name`, where only files have a size; `None` if there
    /// is nothing.
    pub(super) fn look(&self, name: &str) -> Result<Option<(u64, Version)>> {
        match self {
            Place::Directory(directory) => {
                let path = directory.join(name);
                // A link that leads nowhere has the name all the same.
                let found = path.metadata().or_else(|_| path.symlink_metadata()).ok();
                let size = |found: &Metadata| if found.is_file() { found.len() } else { 0 };
                Ok(found.map(|found| (size(&found), version(&found))))
            }
            Place::Bucket(bucket) => bucket.look(name),
        }
    }

    /// Its version.
    pub(super) fn version(&self, name: &str) -> Result<Option<Version>> {
        Ok(self.look(name)?.map(|(_, version)| version))
    }

    /// Calls something small `name`, unless something else has the name than may have it; says
    /// whether it did.
    pub(super) fn put(
        &self,
        text: &str,
        name: &str,
        before: Before<'_>,
        durability: Durability,
    ) -> Result<bool> {
        match (self, before) {
            (Place::Bucket(bucket), before) => bucket.put(text.as_bytes().to_vec(), name, before),
            (Place::Directory(directory), Before::Nothing) => {
                publish::put(text.as_bytes(), &directory.join(name), durability)
            }
            (Place::Directory(directory), Before::This(_) | Before::Anything) => {
                publish::replace(text.as_bytes(), &directory.join(name), durability).map(|()| true)
            }
        }
    }

    /// Calls the finished file `from` of a shard `name`, unless something else has the name than
    /// may have it; says whether it did.
    pub(super) fn publish(
        &self,
        from: &Path,
        shard: &Shard,
        name: &str,
        before: Before<'_>,
        durability: Durability,
    ) -> Result<bool> {
        match self {
            Place::Directory(directory) => {
                let instead = !matches!(before, Before::Nothing);
                publish::publish(from, &directory.join(name), instead, durability)
            }
            Place::Bucket(bucket) => bucket.publish(from, shard, name, before),
        }
    }

    /// Whether there is something in it that only a sharded corpus has.
    pub(super) fn has_shards(&self) -> Result<bool> {
        let is_theirs =
            |name: &str| is_shard(name) || name.split_once('/').is_some_and(|(first, _)| first == RECEIPTS);
        match self {
            // Files of shards alone are a copy of these, which is read as such.
            Place::Directory(directory) => Ok(directory.join(RECEIPTS).is_dir()),
            Place::Bucket(bucket) => Ok(bucket.find(is_theirs)?.is_some()),
        }
    }

    /// Refuses a place that has something in it, but is no corpus.
    pub(super) fn refuse_others(&self) -> Result<()> {
        let other = match self {
            Place::Directory(directory) => other_file(directory)?,
            Place::Bucket(bucket) => bucket.find(|name| !is_ours(name))?,
        };
        match other {
            // Another process may have finished creating it at this moment.
            Some(name) if self.version(MANIFEST)?.is_none() => Err(Error::NotACorpus(
                self.path().into(),
                format!(
                    "there is no {MANIFEST}, and {} is in it; name a place that is empty or new",
                    crate::remedy::brief(&name)
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// The name of something in a directory that is not part of a corpus.
fn other_file(directory: &Path) -> Result<Option<String>> {
    let failed = io(directory, "read the directory");
    for entry in std::fs::read_dir(directory).map_err(&failed)? {
        let name = entry.map_err(&failed)?.file_name().to_string_lossy().into_owned();
        if !is_ours(&name) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Whether something might be part of a corpus that is being created, or whose manifest was lost.
fn is_ours(name: &str) -> bool {
    let first = name.split('/').next().unwrap_or(name);
    first == RECEIPTS || name.starts_with('.') || name.starts_with(MANIFEST) || is_shard(name)
}

fn version(found: &Metadata) -> Version {
    Version::File(found.dev(), found.ino(), found.mtime(), found.mtime_nsec())
}

fn read_file(path: &Path, most: u64) -> Result<Option<(Vec<u8>, Version)>> {
    let failed = io(path, "read it");
    // A pipe would be waited for without end. The version is that from before: what changes
    // meanwhile is read again.
    let version = match path.metadata() {
        Ok(found) if found.is_file() => version(&found),
        Ok(_) => return Err(Error::NoPlainFile(path.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(Some((bytes, version)))
}

fn text(bytes: Vec<u8>, most: u64) -> String {
    if bytes.len() as u64 > most { String::new() } else { String::from_utf8(bytes).unwrap_or_default() }
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
        assert!(is_ours("receipts/x.json") && is_ours("000000000000-000000001000.db"));
        assert!(!is_ours("mine.txt") && !is_ours("other/000000000000-000000001000.db"));
    }
}
