//! Lookups of single records anywhere in a file by SQLite, without reading whole chunks.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::mapped::{Backing, MappedFile};
use crate::corpus::record::GivenLabels;
use crate::corpus::row_cache::{ChunkCache, ChunkLocation};
use crate::error::{ChunkDamage, Error, Result};
use crate::sqlite::blob::{Column, Columns};
use crate::sqlite::connection;
use crate::sqlite::failure::sqlite_on;
use crate::tables::chunks::totals;
use crate::tables::claims;
use qorpus_core::{ChunkSpan, Circuits, Damage};
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;

impl CorpusFile {
    /// Appends the circuits at `positions` of the chunk at `span`.
    pub(crate) fn circuits_in(
        &self,
        columns: &mut Columns<'_>,
        span: ChunkSpan,
        positions: &[usize],
        circuits: &mut Circuits,
    ) -> Result<(), LookupError> {
        let len = columns.seek(Column::Circuits, span.first_id as i64).map_err(LookupError::Seek)?;
        let reader = ColumnReader::new(columns, Column::Circuits, len, positions)?;
        let mut fetch = |at, out: &mut [u8]| reader.read(at, out);
        let buffer = &mut *self.buffer.borrow_mut();
        self.codec().circuits_at(span, len, positions, buffer, &mut fetch, circuits)
    }

    /// Writes the unitaries at `positions` of the chunk at `span` to the beginning of `out`.
    pub(crate) fn unitaries_in(
        &self,
        columns: &mut Columns<'_>,
        span: ChunkSpan,
        positions: &[usize],
        out: &mut [u8],
    ) -> Result<(), LookupError> {
        let len = columns.seek(Column::Unitaries, span.first_id as i64).map_err(LookupError::Seek)?;
        let reader = ColumnReader::new(columns, Column::Unitaries, len, positions)?;
        let mut fetch = |at, out: &mut [u8]| reader.read(at, out);
        let mut slots = out.chunks_exact_mut(self.unitary_bytes());
        let mut emit = |_: usize, unitary: &[u8]| {
            if let Some(slot) = slots.next() {
                slot.copy_from_slice(unitary);
            }
        };
        let buffer = &mut *self.buffer.borrow_mut();
        self.codec().unitaries_at(span, len, positions, buffer, &mut fetch, &mut emit)
    }

    /// Appends the labels of the records at `positions` of a chunk.
    pub(crate) fn labels_in(
        &self,
        columns: &mut Columns<'_>,
        chunk: ChunkLocation,
        positions: &[usize],
        labels: &mut Vec<GivenLabels>,
    ) -> Result<(), LookupError> {
        if !chunk.has_labels {
            labels.resize_with(labels.len() + positions.len(), BTreeMap::new);
            return Ok(());
        }
        let sql = "SELECT labels FROM chunks WHERE first_id = ?1";
        let mut statement = columns.connection().prepare_cached(sql)?;
        let mut rows = statement.query([chunk.span.first_id])?;
        let row = rows.next()?.ok_or(LookupError::Damage(ChunkDamage::Missing))?;
        let column = row.get_ref(0)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
        let packed = self.codec().labels(chunk.span, column)?;
        for &position in positions {
            labels.push(packed.get(position)?);
        }
        Ok(())
    }

    /// Calls `visit` for each run of `ids` that ascends within a chunk: with the columns, the
    /// chunk's span, the positions of the wanted records in it, and how many ids came before.
    ///
    /// A file without writers is read without locks. If something looks wrong, another process
    /// may just be changing it: then everything is visited again in a transaction.
    pub(crate) fn visit(&self, ids: &[u64], visit: &mut VisitChunk<'_>) -> Result<()> {
        self.check_process()?;
        if ids.is_empty() {
            return Ok(());
        }
        self.poll_writers()?;
        let is_there = |mapped: &&mut MappedFile| ids.iter().all(|id| mapped.ids.contains(id));
        if let Some(MappedFile { file: Backing::Sqlite(file), chunks, .. }) =
            self.mapped.borrow_mut().as_mut().filter(is_there)
            && file.with_dependent_mut(|_, open| self.visit_in(&mut open.columns, chunks, ids, visit)).is_ok()
        {
            return Ok(());
        }
        self.mapped.take();
        let connection = self.connection()?;
        let failed = |error| self.blamed(sqlite_on(connection, &self.path, "read it")(error));
        let transaction = connection::begin_read(connection).map_err(failed)?;
        let mut columns = Columns::new(&transaction);
        self.visit_in(&mut columns, &mut ChunkCache::new(1), ids, visit).map_err(|(id, first_id, error)| {
            self.explain(&transaction, id, first_id, error).unwrap_or_else(failed)
        })
    }

    fn visit_in(
        &self,
        columns: &mut Columns<'_>,
        found: &mut ChunkCache,
        ids: &[u64],
        visit: &mut VisitChunk<'_>,
    ) -> Result<(), (u64, u64, LookupError)> {
        let (mut index, mut positions) = (0, Vec::new());
        while let Some(&id) = ids.get(index) {
            let chunk = self.chunk_of(columns.connection(), found, id).map_err(|error| (id, id, error))?;
            let ChunkSpan { first_id, count } = chunk.span;
            let is_next = |pair: &[u64]| pair[0] <= pair[1] && pair[1] - first_id < count;
            let inside = 1 + ids[index..].windows(2).take_while(|pair| is_next(pair)).count();
            positions.clear();
            positions.extend(ids[index..index + inside].iter().map(|&id| (id - first_id) as usize));
            visit(columns, chunk, &positions, index).map_err(|error| (id, first_id, error))?;
            index += inside;
        }
        Ok(())
    }

    /// Returns the chunk that should hold a record. Where chunks have any size, it is looked up
    /// unless it is cached.
    fn chunk_of(
        &self,
        connection: &Connection,
        found: &mut ChunkCache,
        id: u64,
    ) -> Result<ChunkLocation, LookupError> {
        if id >= self.recipe().space().len() {
            return Err(LookupError::Damage(ChunkDamage::Missing));
        }
        if !self.recipe().space().is_appended() {
            let number = id / self.recipe().chunk_records();
            let mut ids = self.recipe().chunk_ids(number);
            // The last chunk gets more records when the file grows.
            if ids.end - ids.start < self.recipe().chunk_records() {
                ids = self.recipe_now(connection)?.recipe.chunk_ids(number);
            }
            let span = ChunkSpan { first_id: ids.start, count: ids.end - ids.start };
            return Ok(ChunkLocation { span, has_labels: false });
        }
        let slot = found.slot(id, self.recipe().chunk_records());
        if let Some(chunk) = slot.iter().flatten().find(|chunk| chunk.holds(id)) {
            return Ok(*chunk);
        }
        let sql = "SELECT first_id, count, labels IS NOT NULL FROM chunks
                   WHERE first_id <= ?1 ORDER BY first_id DESC LIMIT 1";
        let mut statement = connection.prepare_cached(sql)?;
        let chunk = statement.query_row([id], |row| {
            let span = ChunkSpan { first_id: row.get(0)?, count: row.get(1)? };
            Ok(ChunkLocation { span, has_labels: row.get(2)? })
        });
        match chunk.optional()? {
            Some(chunk) if chunk.span.count > self.recipe().chunk_records() => {
                Err(LookupError::Damage(ChunkDamage::Ids))
            }
            Some(chunk) if chunk.holds(id) => {
                *slot = [Some(chunk), slot[0]];
                Ok(chunk)
            }
            _ => Err(LookupError::Damage(ChunkDamage::Missing)),
        }
    }

    /// Explains why a record could not be read, in the same state of the file.
    fn explain(
        &self,
        connection: &Connection,
        id: u64,
        first_id: u64,
        error: LookupError,
    ) -> Result<Error, rusqlite::Error> {
        let records = totals(connection)?.0;
        let len = self.recipe().expected().unwrap_or(records);
        let number = first_id / self.recipe().stride();
        if id >= len {
            return Ok(Error::NoRecord { path: self.path.clone(), id, len });
        }
        if !claims::within(connection, &(number..number + 1))?.is_empty() {
            return Ok(Error::NotYet { path: self.path.clone(), id, records, len });
        }
        if self.is_other(connection)? {
            return Ok(Error::Grown(self.path.clone()));
        }
        let damage = match error {
            LookupError::Damage(damage) => damage,
            LookupError::Sqlite(error) => return Err(error),
            LookupError::Seek(error) => {
                let sql = "SELECT typeof(circuits) = 'blob' FROM chunks WHERE first_id = ?1";
                let is_blob = connection.query_row(sql, [first_id], |row| row.get(0)).optional()?;
                match is_blob {
                    None => ChunkDamage::Missing,
                    Some(false) => Damage::Size("circuits").into(),
                    Some(true) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::Unknown) => {
                        Damage::Size("unitaries").into()
                    }
                    Some(true) => return Err(error),
                }
            }
        };
        Ok(self.damaged(number, damage))
    }
}

/// A callback of [`CorpusFile::visit`].
pub(crate) type VisitChunk<'v> =
    dyn FnMut(&mut Columns<'_>, ChunkLocation, &[usize], usize) -> Result<(), LookupError> + 'v;

/// The reason that records of a chunk could not be read.
pub(crate) enum LookupError {
    Damage(ChunkDamage),
    Sqlite(rusqlite::Error),
    /// The chunk or its column does not exist, or SQLite failed.
    Seek(rusqlite::Error),
}

impl From<Damage> for LookupError {
    fn from(damage: Damage) -> LookupError {
        LookupError::Damage(damage.into())
    }
}

impl From<rusqlite::Error> for LookupError {
    fn from(error: rusqlite::Error) -> LookupError {
        LookupError::Sqlite(error)
    }
}

/// A reader of some records of a column, which is copied as a whole if they are many.
struct ColumnReader<'c> {
    columns: &'c Columns<'c>,
    column: Column,
    whole: Vec<u8>,
}

impl<'c> ColumnReader<'c> {
    fn new(
        columns: &'c Columns<'c>,
        column: Column,
        len: usize,
        positions: &[usize],
    ) -> rusqlite::Result<ColumnReader<'c>> {
        let mut whole = Vec::new();
        if positions.len() > WHOLE_COLUMN_RECORDS {
            whole.resize(len, 0);
            columns.read(column, 0, &mut whole)?;
        }
        Ok(ColumnReader { columns, column, whole })
    }

    /// Copies the column's bytes from `at` on.
    fn read(&self, at: usize, out: &mut [u8]) -> Result<(), LookupError> {
        match self.whole.get(at..at + out.len()) {
            Some(bytes) => out.copy_from_slice(bytes),
            None => self.columns.read(self.column, at, out)?,
        }
        Ok(())
    }
}

/// The most records of a chunk that are read one by one; for more, its columns are read whole.
const WHOLE_COLUMN_RECORDS: usize = 24;
