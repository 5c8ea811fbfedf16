//! The table `keys`: blocks of the index of distinct unitaries, by place.

use rusqlite::{Connection, OptionalExtension, params};
use std::ops::Range;

/// Adds a block unless this place has one.
pub(crate) fn insert(connection: &Connection, place: u64, entries: &[u8]) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO keys (place, entries) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![place, entries]).map(drop)
}

/// Returns the last of these places that has a block.
pub(crate) fn last(connection: &Connection, places: Range<u64>) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT max(place) FROM keys WHERE place >= ?1 AND place < ?2";
    connection.prepare_cached(sql)?.query_row([places.start, places.end], |row| row.get(0))
}

/// Returns the entries of the block at this place.
pub(crate) fn entries(connection: &Connection, place: u64) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT entries FROM keys WHERE place = ?1";
    connection.prepare_cached(sql)?.query_row([place], |row| row.get(0)).optional()
}

/// Returns the first block from this place on, and its place.
pub(crate) fn next(connection: &Connection, place: u64) -> rusqlite::Result<Option<(u64, Vec<u8>)>> {
    let sql = "SELECT place, entries FROM keys WHERE place >= ?1 ORDER BY place LIMIT 1";
    connection.prepare_cached(sql)?.query_row([place], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// Replaces the block at this place.
pub(crate) fn replace(connection: &Connection, place: u64, entries: &[u8]) -> rusqlite::Result<()> {
    let sql = "UPDATE keys SET entries = ?2 WHERE place = ?1";
    connection.prepare_cached(sql)?.execute(params![place, entries]).map(drop)
}
