//! The table `labels`: the names of given labels.

use qorpus_core::MAX_LABELS;
use rusqlite::{Connection, OptionalExtension, params};

/// Returns the labels of appended records, sorted by name, each with whether it is a text.
pub(crate) fn label_names(connection: &Connection) -> rusqlite::Result<Vec<(String, bool)>> {
    let mut statement =
        connection.prepare_cached("SELECT name, is_text FROM labels ORDER BY name LIMIT ?1")?;
    let rows = statement.query_map([MAX_LABELS as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Adds a label unless it exists; returns whether the stored one is a text.
pub(crate) fn add_label(connection: &Connection, name: &str, is_text: bool) -> rusqlite::Result<bool> {
    let add = "INSERT INTO labels (name, is_text) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    connection.prepare_cached(add)?.execute(params![name, is_text])?;
    let look = "SELECT is_text FROM labels WHERE name = ?1";
    connection.prepare_cached(look)?.query_row([name], |row| row.get(0))
}

/// Returns an existing label that is the same name to SQL as the new label `name`, if there is one.
pub(crate) fn clashing_label(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    let look = "SELECT name FROM labels WHERE name = ?1 COLLATE NOCASE AND NOT EXISTS (SELECT 1 FROM labels WHERE name = ?1) LIMIT 1";
    connection.prepare_cached(look)?.query_row([name], |row| row.get(0)).optional()
}
