//! The pool of open shards: a shard is opened when a record of it is read, and a limited number stay
//! open.
//!
//! Published shards never change, so their files are mapped, which takes no descriptor and a few
//! kilobytes: thousands stay open. Unusual or damaged shards, which SQLite must read, take more,
//! and fewer stay open.

use crate::corpus::corpus_file::{CorpusFile, SharedRecipe, Summary};
use crate::corpus::row_cache::MAX_SLOTS;
use crate::error::{Error, Result, other_recipe};
use crate::hex::hex;
use crate::os::fork::{self, ForkAware};
use crate::shards::manifest::Manifest;
use crate::shards::naming::MANIFEST;
use crate::shards::put_mode::Version;
use crate::shards::shard::Shard;
use crate::shards::sharded::Shards;
use crate::sqlite::connection::StoredRecipe;
use crate::sqlite::layout::Layout;
use qorpus_core::Recipe;
use std::collections::VecDeque;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};

/// The most shards that SQLite has open: each takes about a megabyte and one or two descriptors.
const MAX_CONNECTED: usize = 64;

/// The most lists of mapped shards; shard `k` is in list `k` modulo their number.
const MAX_LISTS: u64 = 4096;

/// The most shards of a list that stay mapped: the system allows a process 65,530 mappings.
const MAX_LIST_SHARDS: usize = 4;

/// The most rows whose positions are cached for all mapped shards together, a power of two: 128
/// MiB.
const MAX_ROWS: usize = 1 << 20;

/// The fewest rows whose positions are cached for a mapped shard.
const MIN_SHARD_ROWS: usize = 64;

/// The most bytes for blocks that a shard keeps; larger memory is reused by the next one.
const MAX_KEPT_BYTES: usize = 4 << 10;

/// A directory of shards, for any number of threads.
#[derive(Debug)]
pub(crate) struct OpenShards {
    shards: Shards,
    /// Whether published shards that are not listed yet are read as well.
    reads_unsealed: bool,
    shared: Arc<SharedRecipe>,
    /// The layout of the first shard that SQLite read.
    layout: OnceLock<Layout>,
    last: RwLock<ReadManifest>,
    pool: Arc<OpenPool>,
    /// Memory for large blocks that no thread is using.
    spare: Mutex<Vec<Vec<u8>>>,
}

/// The manifest as it was last read.
#[derive(Debug, Clone)]
struct ReadManifest {
    manifest: Arc<Manifest>,
    version: Version,
}

impl ReadManifest {
    fn new(shards: &Shards) -> Result<ReadManifest> {
        let (manifest, version) = shards.manifest()?;
        Ok(ReadManifest { manifest: Arc::new(manifest), version })
    }
}

/// Handles that no thread is using, with the numbers of their shards.
#[derive(Debug)]
struct OpenPool {
    /// The most recently used is last.
    connected: Mutex<VecDeque<Handle>>,
    mapped: Vec<Mutex<VecDeque<Handle>>>,
}

type Handle = (u64, Box<CorpusFile>);

impl ForkAware for OpenPool {
    fn close_handles(&self) {
        std::iter::once(&self.connected).chain(&self.mapped).for_each(|list| locked(list).clear());
    }
}

impl OpenPool {
    /// Creates the pool of a corpus of this many shards.
    fn new(shards: u64) -> OpenPool {
        let lists = shards.clamp(1, MAX_LISTS);
        OpenPool { connected: Mutex::default(), mapped: (0..lists).map(|_| Mutex::default()).collect() }
    }

    fn list(&self, number: u64) -> &Mutex<VecDeque<Handle>> {
        &self.mapped[(number % self.mapped.len() as u64) as usize]
    }

    fn take(&self, number: u64) -> Option<Box<CorpusFile>> {
        [self.list(number), &self.connected].into_iter().find_map(|list| {
            let mut list = locked(list);
            // The handle of the previous read is the most likely.
            let place = list.iter().rposition(|(other, _)| *other == number)?;
            list.remove(place).map(|(_, corpus)| corpus)
        })
    }

    fn give_back(&self, number: u64, corpus: Box<CorpusFile>) {
        let is_connected = corpus.is_connected();
        let (list, max) = if is_connected {
            (&self.connected, MAX_CONNECTED)
        } else {
            (self.list(number), MAX_LIST_SHARDS)
        };
        let mut list = locked(list);
        list.push_back((number, corpus));
        let eldest = if list.len() > max { list.pop_front() } else { None };
        // Closing a file takes longer than others should wait.
        drop(list);
        drop(eldest);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OpenShards {
    /// Opens the directory at `path`, and none of its shards.
    pub(crate) fn open(path: &Path) -> Result<OpenShards> {
        let (shards, _) = Shards::open(path)?;
        let shared = SharedRecipe::new(StoredRecipe::new(shards.recipe.clone()));
        let last = RwLock::new(ReadManifest::new(&shards)?);
        let pool = Arc::new(OpenPool::new(shards.sharding.count()));
        let handle: Weak<OpenPool> = Arc::downgrade(&pool);
        fork::register(handle);
        let spare = Mutex::default();
        Ok(OpenShards { shards, reads_unsealed: false, shared, layout: OnceLock::new(), last, pool, spare })
    }

    /// Includes published shards that are not listed yet.
    pub(crate) fn with_unsealed(self) -> OpenShards {
        OpenShards { reads_unsealed: true, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        self.shards.path()
    }

    pub(crate) fn recipe(&self) -> &Recipe {
        &self.shards.recipe
    }

    /// Returns the shard that has, or will have, the record with this id.
    pub(crate) fn number(&self, id: u64) -> u64 {
        id / self.shards.sharding.shard_records
    }

    /// Returns the records of every shard but the last.
    pub(crate) fn records(&self) -> u64 {
        self.shards.sharding.shard_records
    }

    fn last_manifest(&self) -> ReadManifest {
        self.last.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the current manifest.
    pub(crate) fn manifest(&self) -> Result<Arc<Manifest>> {
        let (now, last) = (self.shards.storage.version(MANIFEST)?, self.last_manifest());
        if now == Some(last.version) {
            return Ok(last.manifest);
        }
        let new = ReadManifest::new(&self.shards)?;
        if new.manifest.recipe.hash() != self.recipe().hash() {
            return Err(other_recipe(self.path(), &new.manifest.recipe, self.recipe()));
        }
        let manifest = new.manifest.clone();
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(manifest)
    }

    /// Returns the ids of shard `number`.
    pub(crate) fn ids(&self, number: u64) -> Range<u64> {
        self.shards.sharding.ids(number)
    }

    /// Returns the manifest that sealing the shards published now would give.
    pub(crate) fn published(&self) -> Result<Manifest> {
        let mut manifest = Manifest::clone(&*self.manifest()?);
        if !manifest.missing().is_empty() {
            manifest.shards = self.shards.present(&manifest)?;
        }
        Ok(manifest)
    }

    /// Returns the chunks of the shards that are listed, and the first id of each, in order.
    pub(crate) fn listed_chunks(&self) -> Result<Vec<(u64, Range<u64>)>> {
        Ok(self.chunks_of(&*self.manifest()?))
    }

    /// Returns the chunks of the shards that are published, listed or not, and the first id of each.
    pub(crate) fn published_chunks(&self) -> Result<Vec<(u64, Range<u64>)>> {
        Ok(self.chunks_of(&self.published()?))
    }

    fn chunks_of(&self, manifest: &Manifest) -> Vec<(u64, Range<u64>)> {
        let chunks = |shard: &Shard| (self.ids(shard.number).start, self.shards.chunks(shard.number));
        manifest.shards.iter().map(chunks).collect()
    }

    /// Returns the sums over all shards in the manifest.
    pub(crate) fn summary(&self) -> Result<Summary> {
        let (manifest, expected) = (self.manifest()?, self.shards.sharding.len);
        let records = manifest.records();
        Ok(Summary {
            records,
            expected: Some(expected),
            complete: records == expected,
            recipe_hash: hex(&self.recipe().hash()),
            content_hash: manifest.content(),
            bytes: manifest.bytes(),
            format_version: self.recipe().format_version(),
            sqlite_version: rusqlite::version(),
            wal_missing: false,
        })
    }

    /// Runs `read` with a handle that no other thread uses, of the shard that has the record with
    /// this id.
    pub(crate) fn with<T>(&self, id: u64, read: impl FnOnce(&CorpusFile) -> Result<T>) -> Result<T> {
        let _inside = fork::enter();
        let number = self.number(id);
        let corpus = match self.pool.take(number).filter(|corpus| !corpus.is_replaced()) {
            Some(corpus) => corpus,
            None => self.opened(number, id, true)?,
        };
        self.read(number, corpus, read)
    }

    /// Runs `read` with a handle for whole chunks, which SQLite reads. It opens the file while a
    /// copy cannot be removed.
    pub(crate) fn with_chunks<T>(&self, id: u64, read: impl FnOnce(&CorpusFile) -> Result<T>) -> Result<T> {
        let _inside = fork::enter();
        let number = self.number(id);
        self.read(number, self.opened(number, id, false)?, read)
    }

    fn read<T>(
        &self,
        number: u64,
        corpus: Box<CorpusFile>,
        read: impl FnOnce(&CorpusFile) -> Result<T>,
    ) -> Result<T> {
        let is_new = corpus.buffer.borrow().capacity() == 0;
        if is_new && let Some(memory) = locked(&self.spare).pop() {
            corpus.buffer.replace(memory);
        }
        let result = match read(&corpus) {
            Err(error) => match self.disowned(&error, number, Some(&corpus)) {
                // Other threads must not read it either.
                Some(damaged) => {
                    drop(corpus);
                    self.pool.close_handles();
                    return Err(damaged);
                }
                None => Err(self.shards.said_of(number, error)),
            },
            read => read,
        };
        if corpus.buffer.borrow().capacity() > MAX_KEPT_BYTES {
            locked(&self.spare).push(corpus.buffer.take());
        }
        self.pool.give_back(number, corpus);
        match result {
            Err(Error::NotYet { .. }) => {
                Err(self.shards.damaged(number, "it does not have all of its records"))
            }
            result => result,
        }
    }

    /// Removes the copy of a shard if reading or opening it failed because it was damaged after it
    /// was fetched; returns the error of that.
    fn disowned(&self, error: &Error, number: u64, opened: Option<&CorpusFile>) -> Option<Error> {
        if !error.may_be_damage() {
            return None;
        }
        let manifest = self.last_manifest().manifest;
        // Another thread may have removed the copy that was open here, and fetched a new one.
        let is_other = |path: &Path| opened.is_some_and(|corpus| !corpus.is_of(path));
        manifest.shard(number).and_then(|shard| self.shards.disowned(shard, is_other))
    }

    /// Opens the shard that has this record, without SQLite if it `may_be_mapped`.
    fn opened(&self, number: u64, id: u64, may_be_mapped: bool) -> Result<Box<CorpusFile>> {
        let opened = self.opened_once(number, id, may_be_mapped);
        opened.map_err(|error| match self.disowned(&error, number, None) {
            Some(damaged) => damaged,
            None => self.shards.said_of(number, error),
        })
    }

    /// Opens the shard that has this record; a failure may have any cause.
    fn opened_once(&self, number: u64, id: u64, may_be_mapped: bool) -> Result<Box<CorpusFile>> {
        let known = self.last_manifest().manifest;
        // It may have been sealed meanwhile; listed shards stay listed.
        let manifest = if known.shard(number).is_some() { known } else { self.manifest()? };
        let published = match manifest.shard(number) {
            None if self.reads_unsealed => self.shards.published(number)?,
            _ => None,
        };
        let Some(shard) = manifest.shard(number).or(published.as_ref()) else {
            return Err(Error::NotYet {
                path: self.path().into(),
                id,
                records: manifest.records(),
                len: manifest.sharding.len,
            });
        };
        let (file, copy) = match self.shards.local(shard) {
            // A repaired shard may have changed, as the manifest shows.
            Err(error @ Error::DamagedShard { .. }) => {
                let manifest = self.manifest()?;
                let now = manifest.shard(number).filter(|now| *now != shard);
                self.shards.local(now.ok_or(error)?)?
            }
            local => local?,
        };
        if copy.as_ref().is_some_and(|copy| copy.is_new) {
            // Handles of removed copies keep their disk space.
            self.pool.close_handles();
        }
        match file.metadata() {
            Ok(found) if found.len() == shard.bytes => {
                if may_be_mapped && let Some(corpus) = self.mapped(&file, number, shard.bytes) {
                    return Ok(Box::new(corpus));
                }
            }
            Ok(found) => {
                // A repaired shard may have another size, as the manifest shows.
                let now = self.manifest()?.shard(number).map(|shard| shard.bytes);
                if now != Some(found.len()) {
                    return Err(self.shards.wrong_size(shard, found.len()));
                }
            }
            Err(_) => return Err(self.shards.lost(number)),
        }
        let corpus = Box::new(CorpusFile::open_known(&file, &self.shared)?);
        if self.layout.get().is_none()
            && let Some(layout) = corpus.layout()
        {
            let _ = self.layout.set(layout);
        }
        if copy.is_some() {
            // It opens everything that it will need before the copy may be removed.
            corpus.is_mapped()?;
        }
        Ok(corpus)
    }

    /// Opens the shard's file without SQLite, if it has the same layout as another one that SQLite
    /// has read.
    fn mapped(&self, file: &Path, number: u64, bytes: u64) -> Option<CorpusFile> {
        let (layout, sharding) = (self.layout.get()?, self.shards.sharding);
        // A directory has at most 2^20 shards, and each has a row at least.
        let rows =
            (MAX_ROWS / sharding.count().next_power_of_two() as usize).clamp(MIN_SHARD_ROWS, MAX_SLOTS);
        CorpusFile::open_published(file.into(), &self.shared, layout, sharding.ids(number), bytes, rows)
    }
}
