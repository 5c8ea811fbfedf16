//! Reading: shards are opened when a record of theirs is asked for, and only so many stay open.

use super::place::Version;
use super::{Local, Manifest, Shards};
use crate::connection::hex;
use crate::error::{Error, Result};
use crate::fork::{self, Holder};
use crate::reader::{Corpus, Means, Summary};
use crate::store::other_recipe;
use qorpus_core::Recipe;
use std::collections::VecDeque;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// So many shards stay open: each takes about a megabyte, and a descriptor or two.
const MOST_OPEN: usize = 64;

/// A directory of shards, for any number of threads.
#[derive(Debug)]
pub(crate) struct OpenShards {
    shards: Shards,
    means: Means,
    listed: RwLock<Listed>,
    idle: Arc<Idle>,
}

/// The manifest as it was last read.
#[derive(Debug, Clone)]
struct Listed {
    manifest: Arc<Manifest>,
    version: Version,
}

/// Handles that no thread is using at present, with the numbers of their shards; the last used is the last.
#[derive(Debug, Default)]
struct Idle(Mutex<VecDeque<(u64, Box<Corpus>)>>);

impl Holder for Idle {
    fn close_handles(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Idle {
    fn take(&self, number: u64) -> Option<Box<Corpus>> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // That of the read before is the likeliest.
        let place = idle.iter().rposition(|(other, _)| *other == number)?;
        idle.remove(place).map(|(_, corpus)| corpus)
    }

    fn give_back(&self, number: u64, corpus: Box<Corpus>) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push_back((number, corpus));
        let eldest = if idle.len() > MOST_OPEN { idle.pop_front() } else { None };
        // To close a file takes longer than others should wait.
        drop(idle);
        drop(eldest);
    }
}

impl OpenShards {
    /// Opens the directory at `path`, and none of its shards.
    pub(crate) fn open(path: &Path) -> Result<OpenShards> {
        let (shards, _) = Shards::open(path)?;
        let means = Means::new(Arc::new(shards.recipe().clone()));
        let listed = RwLock::new(look(&shards)?);
        let idle = Arc::new(Idle::default());
        let holder: Arc<dyn Holder> = idle.clone();
        fork::register(Arc::downgrade(&holder));
        Ok(OpenShards { shards, means, listed, idle })
    }

    pub(crate) fn path(&self) -> &Path {
        self.shards.path()
    }

    pub(crate) fn recipe(&self) -> &Recipe {
        self.shards.recipe()
    }

    /// The shard that has, or will have, the record with this id.
    pub(crate) fn number(&self, id: u64) -> u64 {
        id / self.shards.cut().shard_records
    }

    /// Records of every shard but the last.
    pub(crate) fn records(&self) -> u64 {
        self.shards.cut().shard_records
    }

    /// The manifest as it is now.
    pub(crate) fn manifest(&self) -> Result<Arc<Manifest>> {
        let now = self.shards.version()?;
        let listed = self.listed.read().unwrap_or_else(PoisonError::into_inner);
        if now.as_ref() == Some(&listed.version) {
            return Ok(listed.manifest.clone());
        }
        drop(listed);
        let new = look(&self.shards)?;
        if new.manifest.recipe.hash() != self.recipe().hash() {
            return Err(other_recipe(self.path(), &new.manifest.recipe, self.recipe()));
        }
        let manifest = new.manifest.clone();
        *self.listed.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(manifest)
    }

    /// The chunks of the shards that are listed, and the first id of each, in order.
    pub(crate) fn listed_chunks(&self) -> Result<Vec<(u64, Range<u64>)>> {
        let manifest = self.manifest()?;
        let chunks = |number| (manifest.cut.ids(number).start, self.shards.chunks(number));
        Ok(manifest.shards.iter().map(|shard| chunks(shard.number)).collect())
    }

    /// What the manifest says of all shards together.
    pub(crate) fn summary(&self) -> Result<Summary> {
        let (manifest, expected) = (self.manifest()?, self.shards.cut().len);
        let records = manifest.records();
        Ok(Summary {
            records,
            expected: Some(expected),
            complete: records == expected,
            recipe_hash: hex(&self.recipe().hash()),
            content_hash: manifest.content(),
            bytes: manifest.bytes(),
            format_version: qorpus_core::FORMAT_VERSION,
            sqlite_version: rusqlite::version(),
        })
    }

    /// Runs `read` with a handle that no other thread uses, of the shard that has the record with this id.
    pub(crate) fn with<T>(&self, id: u64, read: impl FnOnce(&Corpus) -> Result<T>) -> Result<T> {
        let _inside = fork::enter();
        let number = self.number(id);
        let corpus = match self.idle.take(number).filter(|corpus| !corpus.is_replaced()) {
            Some(corpus) => corpus,
            None => self.opened(number, id)?,
        };
        let result = read(&corpus);
        let result = result.map_err(|error| self.blamed(error, number, corpus.path()));
        self.idle.give_back(number, corpus);
        match result {
            Err(Error::NotYet { .. }) => {
                Err(self.shards.damaged(number, "it does not have all of its records"))
            }
            result => result,
        }
    }

    /// The error of reading a shard's file; if that is a copy which is not what was copied, it is removed.
    fn blamed(&self, error: Error, number: u64, file: &Path) -> Error {
        let manifest = self.listed.read().unwrap_or_else(PoisonError::into_inner).manifest.clone();
        match (&error, manifest.shard(number)) {
            (Error::DamagedChunk { .. }, Some(shard)) => self.shards.disowned(shard, file).unwrap_or(error),
            _ => error,
        }
    }

    fn opened(&self, number: u64, id: u64) -> Result<Box<Corpus>> {
        let known = self.listed.read().unwrap_or_else(PoisonError::into_inner).manifest.clone();
        // Perhaps it was sealed meanwhile; what is listed stays.
        let manifest = if known.shard(number).is_some() { known } else { self.manifest()? };
        let Some(shard) = manifest.shard(number) else {
            return Err(Error::NotYet {
                path: self.path().into(),
                id,
                records: manifest.records(),
                len: manifest.cut.len,
            });
        };
        let local = match self.shards.local(shard) {
            // A repaired shard may have changed, and the manifest says so.
            Err(error @ Error::DamagedShard { .. }) => {
                let manifest = self.manifest()?;
                let now = manifest.shard(number).filter(|now| *now != shard);
                self.shards.local(now.ok_or(error)?)?
            }
            local => local?,
        };
        if local.is_new() {
            // What is open of copies that had to go keeps their room.
            self.idle.close_handles();
        }
        let file = local.path();
        match file.metadata() {
            Ok(found) if found.len() == shard.bytes => {}
            Ok(found) => {
                // A repaired shard may have another size, and the manifest says so.
                let now = self.manifest()?.shard(number).map(|shard| shard.bytes);
                if now != Some(found.len()) {
                    let reason = format!("it has {} bytes instead of {}", found.len(), shard.bytes);
                    return Err(self.shards.damaged(number, &reason));
                }
            }
            Err(_) => return Err(self.shards.lost(number)),
        }
        let corpus = Corpus::open_known(file, &self.means);
        let corpus = Box::new(corpus.map_err(|error| self.shards.disowned(shard, file).unwrap_or(error))?);
        if let Local::Copy(_) = local {
            // All that it will ever open, it opens before the copy may go.
            corpus.is_mapped()?;
        }
        Ok(corpus)
    }
}

fn look(shards: &Shards) -> Result<Listed> {
    let (manifest, version) = shards.manifest()?;
    Ok(Listed { manifest: Arc::new(manifest), version })
}
