//! Reads of a file that no process changes, from its mapping and without locks.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::ids::Ids;
use crate::corpus::mapped::{
    Backing, CheckedFile, Handles, ImmutableFile, MappedFile, MappedReader, MappedTable,
};
use crate::corpus::record::RowBuffers;
use crate::corpus::row_cache::{ChunkCache, MAX_SLOTS, RowCache};
use crate::error::Result;
use crate::os::clock::{POLL_INTERVAL, now};
use crate::paths::beside;
use crate::sqlite::blob::Columns;
use crate::sqlite::btree;
use crate::sqlite::connection;
use crate::sqlite::mmap::Bytes;
use crate::tables::chunks::totals;
use crate::tables::claims;
use std::ops::Range;

/// The fewest records whose blocks count as checked if they were checked before.
pub(super) const MIN_TRUSTED: usize = 16;

/// Slots for chunks of a mapped file, whose rows have their own cache.
const FEW_SLOTS: usize = 64;

impl CorpusFile {
    /// Returns whether records are read from the mapping, where their order does not matter.
    pub(crate) fn is_mapped(&self) -> Result<bool> {
        self.poll_writers()?;
        Ok(self.mapped.borrow().as_ref().is_some_and(|mapped| match &mapped.file {
            Backing::Sqlite(file) => file.with_dependent(|_, open| open.table.is_some()),
            Backing::File(..) => true,
        }))
    }

    /// Returns a lower bound of the number of records, without looking at the file.
    pub(crate) fn records_known(&self) -> u64 {
        self.mapped.borrow().as_ref().map_or(0, |mapped| mapped.ids.end)
    }

    /// Reads the records with these ids, in any order, from the mapping of a file without
    /// writers. Returns false if one of them cannot be read this way; the contents of `buffers` are
    /// then undefined.
    #[inline]
    pub(super) fn read_mapped(&self, ids: &Ids<'_>, buffers: &mut RowBuffers<'_>) -> Result<bool> {
        self.poll_writers()?;
        let (mut mapped, mut block) = (self.mapped.borrow_mut(), self.buffer.borrow_mut());
        let Some(MappedFile { ids: known, file, rows, checked, .. }) = mapped.as_mut() else {
            return Ok(false);
        };
        let (codec, mut is_unchanged) = (self.codec(), true);
        // Looking at the file costs as much as checking a few blocks.
        let checked = checked.as_ref().filter(|_| ids.len() >= MIN_TRUSTED);
        let is_published = matches!(file, Backing::File(..));
        let mut read = |file: Bytes<'_>, root| {
            let blocks = checked.map(CheckedFile::blocks);
            let mut reader = MappedReader { file, root, ids: known.clone(), rows, codec, checked: blocks };
            let is_read = match ids {
                Ids::Run(ids) => reader.read_run(ids.clone(), buffers, &mut block),
                Ids::List(ids) => reader.read(ids, buffers, &mut block),
            }
            .is_ok();
            // Blocks that were not checked again count only if nothing was written to the file before
            // they were read. A rolled back transaction may have changed pages, but no version.
            is_unchanged = checked.is_none_or(|checked| {
                checked.is_unchanged(file)
                    && !self.is_torn()
                    && (is_published || checked.blocks().is_of(&self.path))
            });
            is_read && is_unchanged
        };
        let is_read = match file {
            Backing::Sqlite(file) => file.with_dependent(|_, open| {
                open.table.as_ref().is_some_and(|table| read(table.mapping.bytes(), table.root))
            }),
            Backing::File(file, root) => read(file.bytes(), *root),
        };
        if !is_unchanged {
            // The next read maps the file's state of that time.
            mapped.take();
            self.polled.set(None);
        }
        Ok(is_read)
    }

    /// Returns the BLOB at this place of the table `keys`, from the mapping of a file without
    /// writers; `None` if SQLite must be asked.
    pub(crate) fn mapped_keys(&self, place: u64) -> Result<Option<Vec<u8>>> {
        self.poll_writers()?;
        let mapped = self.mapped.borrow();
        let Some(MappedFile { file: Backing::Sqlite(file), .. }) = mapped.as_ref() else { return Ok(None) };
        Ok(file.with_dependent(|_, open| {
            let table = open.table.as_ref()?;
            btree::blob(table.mapping.bytes(), table.keys_root?, place)
        }))
    }

    /// Checks, every few milliseconds, for writers: opens or drops the mapping accordingly.
    pub(super) fn poll_writers(&self) -> Result<()> {
        let now = now();
        if self.polled.get().is_some_and(|polled| now.saturating_sub(polled) < POLL_INTERVAL) {
            return Ok(());
        }
        // A child that inherited a mapping may read it until then, since no lock is involved.
        // Asking the system for the process id would take a fifth of the time of a read.
        self.check_process()?;
        self.polled.set(Some(now));
        self.refresh_checks();
        // A published file has no writers; after a change its checks would fail.
        if self.mapped.borrow().as_ref().is_some_and(|mapped| matches!(mapped.file, Backing::File(..)))
            || self.has_no_writers() == self.mapped.borrow().is_some()
        {
            return Ok(());
        }
        self.mapped.take();
        if self.has_no_writers()
            && let Some(ids) = self.ids_in_one()?
        {
            let blocks = self.checked_blocks(&ids);
            let connection = connection::open_immutable(&self.path)?;
            let file = ImmutableFile::new(connection, |connection| Handles {
                columns: Columns::new(connection),
                table: MappedTable::new(connection),
            });
            let has_table = file.with_dependent(|_, open| open.table.is_some());
            let rows = self.read(|connection| {
                let now = self.recipe_now(connection)?;
                Ok(RowCache::new(&now.recipe, ids.end - ids.start, MAX_SLOTS))
            })?;
            let chunks = ChunkCache::new(if has_table { FEW_SLOTS } else { MAX_SLOTS });
            let file = Backing::Sqlite(file);
            let checked = file.bytes(|bytes| CheckedFile::new(blocks, bytes));
            self.mapped.replace(Some(MappedFile { ids, file, rows, chunks, checked }));
        }
        Ok(())
    }

    /// Drops the mapping of a file that was changed since. In another state, and once its state is
    /// settled, its blocks are checked again.
    fn refresh_checks(&self) {
        let mut mapped = self.mapped.borrow_mut();
        let Some(MappedFile { ids, file, checked, .. }) = mapped.as_mut() else { return };
        let is_changed = checked.as_ref().is_some_and(|checked| !checked.blocks().is_of(&self.path));
        if is_changed && matches!(file, Backing::Sqlite(_)) {
            *mapped = None;
        } else if is_changed || checked.is_none() {
            let blocks = self.checked_blocks(ids);
            *checked = file.bytes(|bytes| CheckedFile::new(blocks, bytes));
        }
    }

    /// Returns the ids of the existing records if they are consecutive: all, or a part or shard.
    fn ids_in_one(&self) -> Result<Option<Range<u64>>> {
        if self.recipe().expected().is_none() {
            return Ok(Some(0..self.read(totals)?.0));
        }
        let (size, len) = (self.recipe().chunk_records(), self.recipe().space().len());
        let ids = |chunks: Range<u64>| chunks.start * size..chunks.end.saturating_mul(size).min(len);
        Ok(self.made()?.map(ids).filter(|ids| !ids.is_empty()))
    }

    /// Returns the chunks that are done, if there are any and they are consecutive.
    pub(crate) fn made(&self) -> Result<Option<Range<u64>>> {
        let size = self.recipe().chunk_records();
        let (done, records, len) = self.read(|connection| {
            let now = self.recipe_now(connection)?;
            // Of a file that is generated again, the chunks of this recipe are gone.
            let stays = now.recipe.has_layout_of(self.recipe());
            let done = claims::done_in_one(connection, now.recipe.chunks())?.filter(|_| stays);
            Ok((done, totals(connection)?.0, now.recipe.space().len()))
        })?;
        let end = |done: &Range<u64>| done.end.saturating_mul(size).min(len);
        Ok(done.filter(|done| end(done) - done.start * size == records))
    }

    /// Returns whether the file has no writers, and all that was written is in it.
    pub(super) fn has_no_writers(&self) -> bool {
        let found = |ending| std::fs::metadata(beside(&self.path, ending));
        // An empty WAL is left behind when readers keep it open.
        found("-lock").is_err()
            && found("-journal").is_err()
            && found("-wal").map_or(true, |wal| wal.len() == 0)
    }
}
