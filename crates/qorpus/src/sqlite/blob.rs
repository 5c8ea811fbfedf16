//! Columns: the circuits and unitaries of chunks, read in part instead of copying 64 kB for one
//! record.

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

/// Open columns of one chunk after another; they keep a transaction open.
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

    /// Goes to the chunk with this first id and returns the bytes its column has.
    ///
    /// There may be no such row, or no BLOB in it: SQLite has one error for both.
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
