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

/// The most recipes of shards that are kept parsed: a corpus has one more each time it grows.
const MAX_RECIPES: usize = 64;

/// A directory of shards, for any number of threads.
#[derive(Debug)]
pub(crate) struct OpenShards {
    /// The corpus at the time it was opened. It may have grown since.
    shards: Shards,
    /// Whether published shards that are not listed yet are read as well.
    reads_unsealed: bool,
    /// The recipes of shards that SQLite has read.
    recipes: RwLock<Vec<Arc<ReadRecipe>>>,
    last: RwLock<ReadManifest>,
    pool: Arc<OpenPool>,
    /// Memory for large blocks that no thread is using.
    spare: Mutex<Vec<Vec<u8>>>,
}

/// A recipe of shards, and the layout of the first one that SQLite read.
#[derive(Debug)]
struct ReadRecipe {
    shared: Arc<SharedRecipe>,
    layout: OnceLock<Layout>,
}

/// The manifest that was read last.
#[derive(Debug, Clone)]
struct ReadManifest {
    /// The corpus that it describes.
    shards: Arc<Shards>,
    manifest: Arc<Manifest>,
    version: Version,
}

impl ReadManifest {
    fn new(shards: &Shards) -> Result<ReadManifest> {
        let (manifest, version) = shards.manifest()?;
        let shards = Arc::new(Shards::of(shards.storage.clone(), &manifest));
        Ok(ReadManifest { shards, manifest: Arc::new(manifest), version })
    }

    fn shard(&self, number: u64) -> Option<Shard> {
        self.manifest.shard(number).copied()
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
        let last = RwLock::new(ReadManifest::new(&shards)?);
        let pool = Arc::new(OpenPool::new(shards.sharding.count()));
        let handle: Weak<OpenPool> = Arc::downgrade(&pool);
        fork::register(handle);
        let spare = Mutex::default();
        Ok(OpenShards { shards, reads_unsealed: false, recipes: RwLock::default(), last, pool, spare })
    }

    /// Includes published shards that are not listed yet.
    pub(crate) fn with_unsealed(self) -> OpenShards {
        OpenShards { reads_unsealed: true, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        self.shards.path()
    }

    pub(crate) fn recipe(&self) -> &Recipe {
        self.shards.recipe()
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
        Ok(self.current()?.manifest)
    }

    /// Reads the manifest again if it has changed.
    fn current(&self) -> Result<ReadManifest> {
        let (now, last) = (self.shards.storage.version(MANIFEST)?, self.last_manifest());
        if now.as_ref() == Some(&last.version) {
            return Ok(last);
        }
        let new = ReadManifest::new(&self.shards)?;
        let (known, found) = (&last.shards.lineage, &new.shards.lineage);
        if known != found && !known.begins(found) {
            // Where locks do not work, a job of the smaller recipe may undo a growth until the larger
            // one seals again.
            let is_smaller = found.begins(known);
            let error = || other_recipe(self.path(), found.recipe(), self.recipe());
            return if is_smaller { Ok(last) } else { Err(error()) };
        }
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = new.clone();
        Ok(new)
    }

    /// Returns the current manifest, unless the corpus has grown since it was opened: chunks would
    /// have more records than its recipe.
    fn unchanged(&self) -> Result<ReadManifest> {
        let current = self.current()?;
        let is_same = current.shards.lineage == self.shards.lineage;
        if is_same { Ok(current) } else { Err(Error::Grown(self.path().into())) }
    }

    /// Returns the manifest that sealing the shards published now would give.
    pub(crate) fn published(&self) -> Result<Manifest> {
        let current = self.current()?;
        let mut manifest = Manifest::clone(&current.manifest);
        if !manifest.missing().is_empty() {
            manifest.shards = current.shards.present(&manifest)?;
        }
        Ok(manifest)
    }

    /// Returns the ids of this recipe whose records are in published shards, shard by shard.
    pub(crate) fn published_ids(&self) -> Result<Vec<Range<u64>>> {
        let (published, len) = (self.published()?, self.recipe().space().len());
        let ids = published.shards.iter().map(|shard| published.sharding.ids(shard.number));
        Ok(ids.map(|ids| ids.start.min(len)..ids.end.min(len)).collect())
    }

    /// Returns the first id from `id` on that is in a listed shard, or the number of ids.
    pub(crate) fn next_listed(&self, id: u64) -> Result<u64> {
        Ok(self.manifest()?.next_listed(id).min(self.recipe().space().len()))
    }

    /// Returns the chunks of the shards that are listed, and the first id of each, in order.
    pub(crate) fn listed_chunks(&self) -> Result<Vec<(u64, Range<u64>)>> {
        Ok(self.chunks_of(&self.unchanged()?.manifest))
    }

    /// Returns the chunks of the shards that are published, listed or not, and the first id of each.
    pub(crate) fn published_chunks(&self) -> Result<Vec<(u64, Range<u64>)>> {
        self.unchanged()?;
        Ok(self.chunks_of(&self.published()?))
    }

    fn chunks_of(&self, manifest: &Manifest) -> Vec<(u64, Range<u64>)> {
        let first = |shard: &Shard| manifest.sharding.ids(shard.number).start;
        let chunks = |shard: &Shard| (first(shard), self.shards.chunks(shard.number));
        manifest.shards.iter().map(chunks).collect()
    }

    /// Returns the sums over all shards in the manifest, and the recipe that the corpus has now.
    pub(crate) fn summary(&self) -> Result<Summary> {
        let manifest = self.manifest()?;
        let (records, expected) = (manifest.records(), manifest.sharding.len);
        Ok(Summary {
            records,
            expected: Some(expected),
            complete: records == expected,
            recipe_hash: hex(&manifest.lineage.recipe().hash()),
            content_hash: manifest.content(),
            bytes: manifest.bytes(),
            format_version: manifest.lineage.stored().format_version(),
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
        self.unchanged()?;
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
                None => Err(self.last_manifest().shards.said_of(number, error)),
            },
            read => read,
        };
        if corpus.buffer.borrow().capacity() > MAX_KEPT_BYTES {
            locked(&self.spare).push(corpus.buffer.take());
        }
        self.pool.give_back(number, corpus);
        match result {
            Err(Error::NotYet { .. }) => {
                Err(self.last_manifest().shards.damaged(number, "it does not have all of its records"))
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
        let last = self.last_manifest();
        // Another thread may have removed the copy that was open here, and fetched a new one.
        let is_other = |path: &Path| opened.is_some_and(|corpus| !corpus.is_of(path));
        last.shard(number).and_then(|shard| last.shards.disowned(&shard, is_other))
    }

    /// Opens the shard that has this record, without SQLite if it `may_be_mapped`.
    fn opened(&self, number: u64, id: u64, may_be_mapped: bool) -> Result<Box<CorpusFile>> {
        let opened = self.opened_once(number, id, may_be_mapped);
        opened.map_err(|error| match self.disowned(&error, number, None) {
            Some(damaged) => damaged,
            None => self.last_manifest().shards.said_of(number, error),
        })
    }

    /// Opens the shard that has this record; a failure may have any cause.
    fn opened_once(&self, number: u64, id: u64, may_be_mapped: bool) -> Result<Box<CorpusFile>> {
        let last = self.last_manifest();
        // It may have been sealed meanwhile; listed shards stay listed.
        let known = if last.shard(number).is_some() { last } else { self.current()? };
        match self.opened_as(&known, number, id, may_be_mapped) {
            // A repaired shard may have changed, and one that grew has another name, as the manifest
            // shows.
            Err(error @ Error::DamagedShard { .. }) => {
                let now = self.current()?;
                let has_changed = now.shard(number).is_some() && now.shard(number) != known.shard(number);
                if has_changed { self.opened_as(&now, number, id, may_be_mapped) } else { Err(error) }
            }
            opened => opened,
        }
    }

    /// Opens shard `number`, which has this record, as a manifest describes it.
    fn opened_as(
        &self,
        known: &ReadManifest,
        number: u64,
        id: u64,
        may_be_mapped: bool,
    ) -> Result<Box<CorpusFile>> {
        let ReadManifest { shards, manifest, .. } = known;
        let published = match known.shard(number) {
            None if self.reads_unsealed => shards.published(number)?,
            listed => listed,
        };
        let Some(shard) = published else {
            let (records, len) = (manifest.records(), manifest.sharding.len);
            return Err(Error::NotYet { path: self.path().into(), id, records, len });
        };
        let (file, copy) = shards.local(&shard)?;
        if copy.as_ref().is_some_and(|copy| copy.is_new) {
            // Handles of removed copies keep their disk space.
            self.pool.close_handles();
        }
        match file.metadata() {
            Ok(found) if found.len() != shard.bytes => return Err(shards.wrong_size(&shard, found.len())),
            Ok(_) => {}
            Err(_) => return Err(shards.lost(number)),
        }
        if may_be_mapped && let Some(corpus) = self.mapped(&file, shards, &shard) {
            return Ok(Box::new(corpus));
        }
        let corpus = Box::new(self.connected(&file, shards)?);
        if copy.is_some() {
            // It opens everything that it will need before the copy may be removed.
            corpus.is_mapped()?;
        }
        Ok(corpus)
    }

    fn recipes(&self) -> Vec<Arc<ReadRecipe>> {
        self.recipes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens the file of a shard with SQLite.
    fn connected(&self, file: &Path, shards: &Shards) -> Result<CorpusFile> {
        let known = self.recipes();
        let corpus = CorpusFile::open_known(file, known.iter().map(|recipe| &recipe.shared), |there| {
            match shards.lineage.holds(there) {
                true => Ok(()),
                false => Err(other_recipe(file, &there.recipe, shards.recipe())),
            }
        })?;
        let is_own = |recipe: &&Arc<ReadRecipe>| Arc::ptr_eq(&recipe.shared, corpus.shared());
        let own = known.iter().find(is_own).cloned().unwrap_or_else(|| {
            let new = Arc::new(ReadRecipe { shared: corpus.shared().clone(), layout: OnceLock::new() });
            let mut recipes = self.recipes.write().unwrap_or_else(PoisonError::into_inner);
            if recipes.len() < MAX_RECIPES {
                recipes.push(new.clone());
            }
            new
        });
        if own.layout.get().is_none()
            && let Some(layout) = corpus.layout()
        {
            let _ = own.layout.set(layout);
        }
        Ok(corpus)
    }

    /// Opens the shard's file without SQLite, if it has the same layout as another one that SQLite
    /// has read.
    fn mapped(&self, file: &Path, shards: &Shards, shard: &Shard) -> Option<CorpusFile> {
        let (ids, count) = (shards.sharding.ids(shard.number), shards.sharding.count());
        // A directory has at most 2^20 shards, and each has a row at least.
        let rows = (MAX_ROWS / count.next_power_of_two() as usize).clamp(MIN_SHARD_ROWS, MAX_SLOTS);
        self.recipes().iter().find_map(|recipe| {
            let (shared, layout) = (&recipe.shared, recipe.layout.get()?);
            CorpusFile::open_published(file.into(), shared, layout, ids.clone(), shard.bytes, rows)
        })
    }
}
