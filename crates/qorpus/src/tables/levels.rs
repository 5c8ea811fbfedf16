//! The table `levels`: the finished levels of an enumeration.

use rusqlite::{Connection, params};
use std::ops::Range;

/// The most levels that are read, more than any enumeration has.
const MAX_LEVELS: usize = 1 << 20;

/// The circuits of one cost and length, each the first of its unitary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The cost of each; 0 without costs.
    pub cost: u32,
    /// The number of letters.
    pub length: usize,
    /// The id of the first record.
    pub first_id: u64,
    /// The number of records.
    pub records: u64,
}

impl Level {
    /// Returns the ids of its records.
    pub fn ids(&self) -> Range<u64> {
        self.first_id..self.first_id + self.records
    }
}

/// Reads the levels.
pub(crate) fn levels(connection: &Connection) -> rusqlite::Result<Vec<Level>> {
    let sql = "SELECT cost, length, first_id, records FROM levels ORDER BY number LIMIT ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([MAX_LEVELS as i64], |row| {
        Ok(Level { cost: row.get(0)?, length: row.get(1)?, first_id: row.get(2)?, records: row.get(3)? })
    })?;
    rows.collect()
}

/// Checks that the levels follow one another.
pub(crate) fn check(levels: &[Level]) -> std::result::Result<(), String> {
    let mut next = 0u64;
    for (number, level) in levels.iter().enumerate() {
        let before = number.checked_sub(1).map(|before| (levels[before].cost, levels[before].length));
        let ascends = before.is_none_or(|before| before < (level.cost, level.length));
        let end = level.first_id.checked_add(level.records).filter(|&end| end < 1 << 47);
        match end {
            Some(end) if level.first_id == next && ascends && level.length <= qorpus_core::MAX_LENGTH => {
                next = end;
            }
            _ => return Err(format!("its levels contradict each other from number {number} on")),
        }
    }
    Ok(())
}

/// Adds a finished level.
pub(crate) fn insert(connection: &Connection, number: usize, level: &Level) -> rusqlite::Result<()> {
    let sql = "INSERT INTO levels (number, cost, length, first_id, records) VALUES (?1, ?2, ?3, ?4, ?5)";
    let Level { cost, length, first_id, records } = level;
    connection.prepare_cached(sql)?.execute(params![number, cost, length, first_id, records]).map(drop)
}
