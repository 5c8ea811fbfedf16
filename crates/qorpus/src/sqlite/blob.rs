//! Columns: the circuits and unitaries of chunks, read in part, because one record need not copy 64
//! kB.

use rusqlite::blob::Blob;
use rusqlite::{Connection, MAIN_DB};
use std::ffi::CStr;

/// The names of the columns that are read in part.
const NAMES: [&CStr; 2] = [c"circuits", c"unitaries"];

/// One of the columns of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Circuits,
    Unitaries,
}

/// A reader of the columns of one chunk after another, which keeps a transaction open.
pub(crate) struct Columns<'c> {
    connection: &'c Connection,
    open: [Option<Blob<'c>>; 2],
}

impl<'c> Columns<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Columns<'c> {
        Columns { connection, open: [None, None] }
    }

    pub(crate) fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// Moves to the chunk with this first id and returns the number of bytes of its column.
    ///
    /// SQLite has the same error for a missing row and for a row without this BLOB.
    pub(crate) fn seek(&mut self, column: Column, first_id: i64) -> rusqlite::Result<usize> {
        let place = &mut self.open[column as usize];
        let blob = match place.take() {
            Some(mut blob) => {
                blob.reopen(first_id)?;
                place.insert(blob)
            }
            None => {
                let name = NAMES[column as usize];
                place.insert(self.connection.blob_open(MAIN_DB, c"chunks", name, first_id, true)?)
            }
        };
        Ok(blob.len())
    }

    /// Copies the column's bytes from `at` on.
    pub(crate) fn read(&self, column: Column, at: usize, out: &mut [u8]) -> rusqlite::Result<()> {
        let Some(blob) = &self.open[column as usize] else {
            return Err(rusqlite::Error::BlobSizeError);
        };
        blob.read_at_exact(out, at)
    }
}
