//! Reads of a file at rest: one that nobody changes at present, or any more.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::ids::Ids;
use crate::corpus::mapped::{Backing, MappedFile, Handles, MappedReader, ImmutableFile, MappedTable, Fallback, Buffers};
use crate::corpus::row_cache::ChunkCache;
use crate::corpus::row_cache::RowCache;
use crate::corpus::row_cache::MAX_SLOTS;
use crate::error::Result;
use crate::os::clock::POLL_INTERVAL;
use crate::os::clock::now;
use crate::paths::beside;
use crate::sqlite::blob::Columns;
use crate::sqlite::connection;
use crate::sqlite::mmap::Bytes;
use crate::tables::chunks::totals;
use crate::tables::claims;
use std::ops::Range;
impl CorpusFile {
    /// Whether records are read from the mapping, where their order is of no importance.
    pub(crate) fn is_mapped(&self) -> Result<bool> {
        self.poll_writers()?;
        Ok(self.still.borrow().as_ref().is_some_and(|still| match &still.file {
            Backing::Sqlite(file) => file.with_dependent(|_, open| open.table.is_some()),
            Backing::File(..) => true,
        }))
    }

    /// How many records there are for good, as far as is known without a look.
    pub(crate) fn records_known(&self) -> u64 {
        self.still.borrow().as_ref().map_or(0, |still| still.ids.end)
    }

    /// Reads the records with these ids, in any order, from the mapping of a file that is still. If
    /// that is not possible for one of them it says `false`, and what it wrote is of no use.
    pub(crate) fn read_mapped(&self, ids: &Ids<'_>, buffers: Buffers<'_>) -> Result<bool> {
        self.mapped(|source, buffer| match ids {
            Ids::Run(ids) => source.read_run(ids.clone(), buffers, buffer),
            Ids::List(ids) => source.read(ids, buffers, buffer),
        })
    }

    /// Lets `read` read if the file is still and mapped; says whether it has read everything.
    #[inline]
    fn mapped(
        &self,
        read: impl FnOnce(&mut MappedReader<'_>, &mut Vec<u8>) -> std::result::Result<(), Fallback>,
    ) -> Result<bool> {
        self.poll_writers()?;
        let (mut still, mut buffer) = (self.still.borrow_mut(), self.buffer.borrow_mut());
        let Some(MappedFile { ids, file, rows, .. }) = still.as_mut() else { return Ok(false) };
        let read = |file: Bytes<'_>, root| {
            let mut source = MappedReader { file, root, ids: ids.clone(), rows, codec: &self.codec };
            read(&mut source, &mut buffer).is_ok()
        };
        Ok(match file {
            Backing::Sqlite(file) => file.with_dependent(|_, open| {
                open.table.as_ref().is_some_and(|table| read(table.mapping.bytes(), table.root))
            }),
            Backing::File(file, root) => read(file.bytes(), *root),
        })
    }

    /// Finds out, now and then, whether the file is still.
    pub(crate) fn poll_writers(&self) -> Result<()> {
        let now = now();
        if self.polled.get().is_some_and(|polled| now.saturating_sub(polled) < POLL_INTERVAL) {
            return Ok(());
        }
        // A child that inherited a mapping may read it until then, for no lock is involved; to ask
        // the system which process this is would take a fifth of a read.
        self.check_process()?;
        self.polled.set(Some(now));
        // Nobody writes what was published; were it done after all, checks would fail.
        if self.still.borrow().as_ref().is_some_and(|still| matches!(still.file, Backing::File(..))) {
            return Ok(());
        }
        match (self.has_no_writers(), self.still.borrow().is_some()) {
            (true, true) | (false, false) => return Ok(()),
            _ => {}
        }
        self.still.take();
        if self.has_no_writers()
            && let Some(ids) = self.ids_in_one()?
        {
            let connection = connection::open_immutable(&self.path)?;
            let file = ImmutableFile::new(connection, |connection| Handles {
                columns: Columns::new(connection),
                table: MappedTable::new(connection),
            });
            let is_mapped = file.with_dependent(|_, open| open.table.is_some());
            let rows = RowCache::new(&self.recipe, ids.end - ids.start, MAX_SLOTS);
            let chunks = ChunkCache::new(if is_mapped { 64 } else { MAX_SLOTS });
            self.still.replace(Some(MappedFile { ids, file: Backing::Sqlite(file), rows, chunks }));
        }
        Ok(())
    }

    /// The ids of the records that are there, if they follow one another: all, or those of a part
    /// or shard.
    fn ids_in_one(&self) -> Result<Option<Range<u64>>> {
        if self.recipe.expected().is_none() {
            return Ok(Some(0..self.read(totals)?.0));
        }
        let (size, len) = (self.recipe.chunk_records(), self.recipe.space().len());
        let ids = |chunks: Range<u64>| chunks.start * size..chunks.end.saturating_mul(size).min(len);
        Ok(self.made()?.map(ids))
    }

    /// The chunks that are made, if they follow one another and are some.
    pub(crate) fn made(&self) -> Result<Option<Range<u64>>> {
        let chunks = self.recipe.chunks();
        let (done, (records, _)) =
            self.read(|connection| Ok((claims::done_in_one(connection, chunks)?, totals(connection)?)))?;
        let size = self.recipe.chunk_records();
        let counted = |done: &Range<u64>| {
            done.end.saturating_mul(size).min(self.recipe.space().len()) - done.start * size == records
        };
        Ok(done.filter(counted))
    }

    /// Whether nobody writes, and nothing that was written is outside the file.
    pub(crate) fn has_no_writers(&self) -> bool {
        let there = |ending| std::fs::metadata(beside(&self.path, ending));
        // An empty log is left behind when readers keep it open.
        there("-lock").is_err()
            && there("-journal").is_err()
            && there("-wal").map_or(true, |log| log.len() == 0)
    }
}
