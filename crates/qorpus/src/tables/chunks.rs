//! The tables `chunks` and `totals`: records, and their number and hash.

use qorpus_core::{Chunk, ContentHash};
use rusqlite::{Connection, OptionalExtension, params};
use std::ops::Range;

/// Adds missing chunks and counts them; returns the numbers of new records and bytes.
///
/// A commit with an unknown outcome can simply be repeated.
pub(crate) fn insert_chunks(connection: &Connection, chunks: &[Chunk]) -> rusqlite::Result<(u64, u64)> {
    let (mut records, mut content) = totals(connection)?;
    let mut new = (0, 0);
    for chunk in chunks {
        if insert_chunk(connection, chunk)? {
            content += chunk.content;
            new = (new.0 + chunk.count, new.1 + chunk.bytes() as u64);
        }
    }
    records += new.0;
    if new.0 > 0 {
        set_totals(connection, records, content)?;
    }
    Ok(new)
}

/// Adds a chunk unless it exists; returns whether it did.
pub(crate) fn insert_chunk(connection: &Connection, chunk: &Chunk) -> rusqlite::Result<bool> {
    let sql = "INSERT OR IGNORE INTO chunks (first_id, count, checksum, content, circuits, unitaries, labels)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let new = connection.prepare_cached(sql)?.execute(params![
        chunk.first_id,
        chunk.count,
        chunk.checksum.cast_signed(),
        chunk.content.to_bytes(),
        chunk.circuits,
        chunk.unitaries,
        chunk.labels,
    ])?;
    Ok(new == 1)
}

/// Returns the first chunk whose first id is at least this.
pub(crate) fn next_chunk(connection: &Connection, first_id: u64) -> rusqlite::Result<Option<Chunk>> {
    let sql = "SELECT first_id, count, checksum, content, circuits, unitaries, labels FROM chunks
               WHERE first_id >= ?1 ORDER BY first_id LIMIT 1";
    let chunk = connection.prepare_cached(sql)?.query_row([first_id], |row| {
        Ok(Chunk {
            first_id: row.get(0)?,
            count: row.get(1)?,
            checksum: row.get::<_, i64>(2)?.cast_unsigned(),
            content: ContentHash::from_bytes(row.get(3)?),
            circuits: row.get(4)?,
            unitaries: row.get(5)?,
            labels: row.get(6)?,
        })
    });
    chunk.optional()
}

/// Returns the number of records and the sum of their hashes.
pub(crate) fn totals(connection: &Connection) -> rusqlite::Result<(u64, ContentHash)> {
    let sql = "SELECT records, content FROM totals WHERE one = 1";
    connection
        .prepare_cached(sql)?
        .query_row([], |row| Ok((row.get(0)?, ContentHash::from_bytes(row.get(1)?))))
}

/// Recomputes the totals from the chunks.
pub(crate) fn recount(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT count, content FROM chunks")?;
    let mut rows = statement.query([])?;
    let (mut records, mut content) = (0, ContentHash::default());
    while let Some(row) = rows.next()? {
        records += row.get::<_, u64>(0)?;
        content += ContentHash::from_bytes(row.get(1)?);
    }
    set_totals(connection, records, content)
}

/// Replaces the totals.
pub(crate) fn set_totals(
    connection: &Connection,
    records: u64,
    content: ContentHash,
) -> rusqlite::Result<()> {
    let sql = "UPDATE totals SET records = ?1, content = ?2 WHERE one = 1";
    connection.prepare_cached(sql)?.execute(params![records, content.to_bytes()]).map(drop)
}

/// Deletes the chunks whose first ids are these.
pub(crate) fn delete_chunks(connection: &Connection, first_ids: &Range<u64>) -> rusqlite::Result<()> {
    let sql = "DELETE FROM chunks WHERE first_id >= ?1 AND first_id < ?2";
    connection.execute(sql, [first_ids.start, first_ids.end.min(i64::MAX as u64)]).map(drop)
}

/// Deletes the chunks that do not belong to a corpus of `len` records.
pub(crate) fn delete_chunks_outside(connection: &Connection, len: u64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM chunks WHERE first_id < 0 OR first_id >= ?1";
    connection.execute(sql, [len.min(i64::MAX as u64)]).map(drop)
}
