//! Reading: shards are opened when a record of theirs is asked for, and only so many stay open.
//!
//! Published shards never change, so their files are mapped, which takes no descriptor and a few
//! kilobytes: thousands stay. Those that SQLite must read, being unusual or damaged, take more, and
//! fewer stay.

use crate::corpus::corpus_file::{CorpusFile, SharedRecipe, Summary};
use crate::corpus::row_cache::MAX_SLOTS;
use crate::error::other_recipe;
use crate::error::{Error, Result};
use crate::hex::hex;
use crate::os::fork::{self, ForkAware};
use crate::shards::manifest::Manifest;
use crate::shards::put_mode::Version;
use crate::shards::seal;
use crate::shards::sharded::{Local, Shards};
use crate::sqlite::layout::Layout;
use qorpus_core::Recipe;
use std::collections::VecDeque;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

/// So many shards that SQLite has opened stay open: each takes about a megabyte, and a descriptor
/// or two.
const MAX_OPEN: usize = 64;

/// So many lists of mapped shards; shard `k` is in list `k` modulo this.
const LISTS: u64 = 4096;

/// So many shards of a list stay mapped: the system allows a process 65 530 mappings.
const MAX_OF_LIST: usize = 4;

/// Of so many rows all mapped shards together remember where they are, a power of two: 128 MiB.
const MAX_ROWS: usize = 1 << 20;

/// Of so many rows a mapped shard does at least.
const LEAST_ROWS: usize = 64;

/// So many bytes for blocks a shard keeps; what it needed beyond that serves the next one.
const MAX_KEPT: usize = 4 << 10;

/// A directory of shards, for any number of threads.
#[derive(Debug)]
pub(crate) struct OpenShards {
    shards: Shards,
    /// Whether shards are read, too, that are published and not listed yet.
    reads_unsealed: bool,
    shared: Arc<SharedRecipe>,
    /// That of the first shard that SQLite has read.
    layout: OnceLock<Layout>,
    listed: RwLock<Listed>,
    idle: Arc<Idle>,
    /// Memory for large blocks that no thread is using at present.
    spare: Mutex<Vec<Vec<u8>>>,
}

/// The manifest as it was last read.
#[derive(Debug, Clone)]
struct Listed {
    manifest: Arc<Manifest>,
    version: Version,
}

/// Handles that no thread is using at present, with the numbers of their shards.
#[derive(Debug)]
struct Idle {
    /// Of these the last used is the last.
    opened: Mutex<VecDeque<Handle>>,
    mapped: Vec<Mutex<VecDeque<Handle>>>,
}

type Handle = (u64, Box<CorpusFile>);

impl ForkAware for Idle {
    fn close_handles(&self) {
        std::iter::once(&self.opened).chain(&self.mapped).for_each(|list| entries(list).clear());
    }
}

impl Idle {
    /// For a corpus of so many shards.
    fn new(shards: u64) -> Idle {
        let lists = shards.clamp(1, LISTS);
        Idle { opened: Mutex::default(), mapped: (0..lists).map(|_| Mutex::default()).collect() }
    }

    fn list(&self, number: u64) -> &Mutex<VecDeque<Handle>> {
        &self.mapped[(number % self.mapped.len() as u64) as usize]
    }

    fn take(&self, number: u64) -> Option<Box<CorpusFile>> {
        [self.list(number), &self.opened].into_iter().find_map(|list| {
            let mut list = entries(list);
            // That of the read before is the likeliest.
            let place = list.iter().rposition(|(other, _)| *other == number)?;
            list.remove(place).map(|(_, corpus)| corpus)
        })
    }

    fn give_back(&self, number: u64, corpus: Box<CorpusFile>) {
        let (list, most) = match corpus.is_connected() {
            true => (&self.opened, MAX_OPEN),
            false => (self.list(number), MAX_OF_LIST),
        };
        let mut list = entries(list);
        list.push_back((number, corpus));
        let eldest = if list.len() > most { list.pop_front() } else { None };
        // To close a file takes longer than others should wait.
        drop(list);
        drop(eldest);
    }
}

fn entries(list: &Mutex<VecDeque<Handle>>) -> MutexGuard<'_, VecDeque<Handle>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OpenShards {
    /// Opens the directory at `path`, and none of its shards.
    pub(crate) fn open(path: &Path) -> Result<OpenShards> {
        let (shards, _) = Shards::open(path)?;
        let shared = SharedRecipe::new(shards.recipe().clone());
        let listed = RwLock::new(look(&shards)?);
        let idle = Arc::new(Idle::new(shards.cut().count()));
        let holder: Arc<dyn ForkAware> = idle.clone();
        fork::register(Arc::downgrade(&holder));
        let spare = Mutex::default();
        Ok(OpenShards { shards, reads_unsealed: false, shared, layout: OnceLock::new(), listed, idle, spare })
    }

    /// The same, with those shards that are published and not listed yet.
    pub(crate) fn with_unsealed(self) -> OpenShards {
        OpenShards { reads_unsealed: true, ..self }
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

    /// The ids of shard `number`.
    pub(crate) fn ids(&self, number: u64) -> Range<u64> {
        self.shards.cut().ids(number)
    }

    /// The numbers of its chunks.
    pub(crate) fn chunks(&self, number: u64) -> Range<u64> {
        self.shards.chunks(number)
    }

    /// What the manifest will be when those shards are sealed that are published now.
    pub(crate) fn published(&self) -> Result<Manifest> {
        let manifest = self.manifest()?;
        let shards = match manifest.missing().is_empty() {
            true => manifest.shards.clone(),
            false => seal::listed(&self.shards, &manifest)?,
        };
        Ok(Manifest { shards, ..Manifest::clone(&manifest) })
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
            wal_missing: false,
        })
    }

    /// Runs `read` with a handle that no other thread uses, of the shard that has the record with
    /// this id.
    pub(crate) fn with<T>(&self, id: u64, read: impl FnOnce(&CorpusFile) -> Result<T>) -> Result<T> {
        let _inside = fork::enter();
        let number = self.number(id);
        let corpus = match self.idle.take(number).filter(|corpus| !corpus.is_replaced()) {
            Some(corpus) => corpus,
            None => self.opened(number, id, true)?,
        };
        self.read(number, corpus, read)
    }

    /// The same for whole chunks. SQLite reads those, and opens the file while a copy cannot go.
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
        let spare = || self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = corpus.buffer.borrow().capacity();
        if kept == 0
            && let Some(memory) = spare().pop()
        {
            corpus.buffer.replace(memory);
        }
        let result = match read(&corpus) {
            Err(error) => match self.disowned(&error, number, Some(&corpus)) {
                // Nor may others go on with it.
                Some(damaged) => {
                    drop(corpus);
                    self.idle.close_handles();
                    return Err(damaged);
                }
                None => Err(self.shards.said_of(number, error)),
            },
            read => read,
        };
        if corpus.buffer.borrow().capacity() > MAX_KEPT {
            spare().push(corpus.buffer.take());
        }
        self.idle.give_back(number, corpus);
        match result {
            Err(Error::NotYet { .. }) => {
                Err(self.shards.damaged(number, "it does not have all of its records"))
            }
            result => result,
        }
    }

    /// If reading or opening a shard failed because of a copy that is not what was fetched, the
    /// copy is removed: the error that says so.
    fn disowned(&self, error: &Error, number: u64, opened: Option<&CorpusFile>) -> Option<Error> {
        if !error.may_be_damage() {
            return None;
        }
        let manifest = self.listed.read().unwrap_or_else(PoisonError::into_inner).manifest.clone();
        // Another thread may have removed the copy that was open here, and there is a new one.
        let is_other = |path: &Path| opened.is_some_and(|corpus| !corpus.is_of(path));
        manifest.shard(number).and_then(|shard| self.shards.disowned(shard, is_other))
    }

    /// Opens the shard that has this record, which need not be by SQLite if it `may_be_mapped`.
    fn opened(&self, number: u64, id: u64, may_be_mapped: bool) -> Result<Box<CorpusFile>> {
        let opened = self.opened_once(number, id, may_be_mapped);
        opened.map_err(|error| match self.disowned(&error, number, None) {
            Some(damaged) => damaged,
            None => self.shards.said_of(number, error),
        })
    }

    /// The same, whatever may be the reason of a failure.
    fn opened_once(&self, number: u64, id: u64, may_be_mapped: bool) -> Result<Box<CorpusFile>> {
        let known = self.listed.read().unwrap_or_else(PoisonError::into_inner).manifest.clone();
        // Perhaps it was sealed meanwhile; what is listed stays.
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
            Ok(found) if found.len() == shard.bytes => {
                if may_be_mapped && let Some(corpus) = self.mapped(file, number, shard.bytes) {
                    return Ok(Box::new(corpus));
                }
            }
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
        let corpus = Box::new(CorpusFile::open_known(file, &self.shared)?);
        if self.layout.get().is_none()
            && let Some(layout) = corpus.layout()
        {
            let _ = self.layout.set(layout);
        }
        if let Local::Copy(_) = local {
            // All that it will ever open, it opens before the copy may go.
            corpus.is_mapped()?;
        }
        Ok(corpus)
    }

    /// The shard's file without SQLite, if it has the layout of another one that SQLite has read.
    fn mapped(&self, file: &Path, number: u64, bytes: u64) -> Option<CorpusFile> {
        let (layout, cut) = (self.layout.get()?, self.shards.cut());
        // A directory has at most 2^20 shards, and each has a row at least.
        let rows = (MAX_ROWS / cut.count().next_power_of_two() as usize).clamp(LEAST_ROWS, MAX_SLOTS);
        CorpusFile::open_published(file.into(), &self.shared, layout, cut.ids(number), bytes, rows)
    }
}

fn look(shards: &Shards) -> Result<Listed> {
    let (manifest, version) = shards.manifest()?;
    Ok(Listed { manifest: Arc::new(manifest), version })
}
