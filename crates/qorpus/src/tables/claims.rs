//! The table `work`: pending chunks, and the writers that have claimed them.
//!
//! Its rows are disjoint ranges of chunks. A chunk is done when no row contains it. A range whose
//! writer has died is free again; the sidecar lock knows which writers are alive.

use crate::os::sidecar_lock::WriterId;
use rusqlite::{Connection, OptionalExtension, Result, params};
use std::ops::Range;

/// A range of pending chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PendingRange {
    pub(crate) chunks: Range<u64>,
    pub(crate) claimed_by: Option<WriterId>,
}

/// Returns the ranges that touch `chunks`, in order.
fn touching(connection: &Connection, chunks: &Range<u64>) -> Result<Vec<PendingRange>> {
    let sql = "SELECT first_chunk, end_chunk, owner FROM work
               WHERE first_chunk < ?2 AND end_chunk > ?1 AND first_chunk < end_chunk ORDER BY first_chunk";
    let mut statement = connection.prepare_cached(sql)?;
    // SQLite has no larger integers than 2^63 - 1, and an enumeration claims 2^63 chunks.
    let end = chunks.end.min(i64::MAX as u64);
    let rows = statement.query_map(params![chunks.start, end], |row| {
        Ok(PendingRange { chunks: row.get(0)?..row.get(1)?, claimed_by: row.get(2)? })
    })?;
    rows.collect()
}

/// Returns the ranges that touch `chunks`, in order, cut to it.
pub(crate) fn within(connection: &Connection, chunks: &Range<u64>) -> Result<Vec<PendingRange>> {
    let mut ranges = touching(connection, chunks)?;
    for PendingRange { chunks: pending, .. } in &mut ranges {
        *pending = pending.start.max(chunks.start)..pending.end.min(chunks.end);
    }
    Ok(ranges)
}

/// Returns the ranges of the chunks of `0..chunks` that are done, in order.
pub(crate) fn done(connection: &Connection, chunks: u64) -> Result<Vec<Range<u64>>> {
    let (mut done, mut next) = (Vec::new(), 0);
    for pending in within(connection, &(0..chunks))? {
        done.push(next..pending.chunks.start);
        next = next.max(pending.chunks.end);
    }
    done.push(next..chunks);
    done.retain(|done| !done.is_empty());
    Ok(done)
}

/// Returns the first chunk from `chunk` on that is done.
pub(crate) fn next_done(connection: &Connection, chunk: u64) -> Result<u64> {
    // Unless ranges overlap, the last range that begins at or before the chunk is the one with the
    // chunk, so no range is read twice.
    let sql = "SELECT end_chunk FROM work WHERE first_chunk <= ?1 AND end_chunk > ?1
               ORDER BY first_chunk DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut next = chunk;
    while let Some(end) = statement.query_row([next], |row| row.get(0)).optional()? {
        next = end;
    }
    Ok(next)
}

/// Returns the chunks of `0..chunks` that are done, if there are any and they are consecutive.
pub(crate) fn done_in_one(connection: &Connection, chunks: u64) -> Result<Option<Range<u64>>> {
    // With more than two ranges, done chunks are in more than one place.
    let sql =
        "SELECT first_chunk, end_chunk FROM work WHERE first_chunk < end_chunk ORDER BY first_chunk LIMIT 3";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok(row.get(0)?..row.get(1)?))?;
    let pending: Vec<Range<u64>> = rows.collect::<Result<_>>()?;
    let done = match &pending[..] {
        [] => 0..chunks,
        [before] if before.start == 0 => before.end..chunks,
        [behind] if behind.end >= chunks => 0..behind.start,
        [before, behind] if before.start == 0 && behind.end >= chunks => before.end..behind.start,
        _ => return Ok(None),
    };
    Ok(Some(done).filter(|done| !done.is_empty()))
}

/// Takes up to `want` free chunks of `part` for `writer` and returns them.
pub(crate) fn claim(
    connection: &Connection,
    writer: WriterId,
    part: &Range<u64>,
    want: u64,
    is_alive: impl Fn(WriterId) -> bool,
) -> Result<Vec<Range<u64>>> {
    let (mut claimed, mut missing) = (Vec::new(), want);
    for pending in within(connection, part)? {
        if missing == 0 {
            break;
        }
        if pending.claimed_by.is_none_or(|other| !is_alive(other)) {
            let start = pending.chunks.start;
            let taken = start..pending.chunks.end.min(start.saturating_add(missing));
            missing -= taken.end - taken.start;
            remove(connection, &taken)?;
            insert(connection, &taken, Some(writer))?;
            claimed.push(taken);
        }
    }
    Ok(claimed)
}

/// Returns the chunks that `writer` has claimed and still holds.
pub(crate) fn claimed_by(connection: &Connection, writer: WriterId) -> Result<Vec<Range<u64>>> {
    let sql = "SELECT first_chunk, end_chunk FROM work WHERE owner = ?1 AND first_chunk < end_chunk";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([writer], |row| Ok(row.get(0)?..row.get(1)?))?;
    rows.collect()
}

/// Frees the ranges claimed under the name `writer`, perhaps by a dead writer.
pub(crate) fn release(connection: &Connection, writer: WriterId) -> Result<()> {
    let sql = "UPDATE work SET owner = NULL WHERE owner = ?1";
    connection.prepare_cached(sql)?.execute([writer]).map(drop)
}

/// Replaces the claims of `writer` by `left`, claimed by `next`.
pub(crate) fn replace(
    connection: &Connection,
    writer: WriterId,
    left: &[Range<u64>],
    next: Option<WriterId>,
) -> Result<()> {
    connection.prepare_cached("DELETE FROM work WHERE owner = ?1")?.execute([writer])?;
    left.iter().try_for_each(|range| insert(connection, range, next))
}

/// Removes `chunks` from every range: they are done.
pub(crate) fn remove(connection: &Connection, chunks: &Range<u64>) -> Result<()> {
    for pending in touching(connection, chunks)? {
        let delete = "DELETE FROM work WHERE first_chunk = ?1";
        connection.prepare_cached(delete)?.execute([pending.chunks.start])?;
        for rest in [pending.chunks.start..chunks.start, chunks.end..pending.chunks.end] {
            insert(connection, &rest, pending.claimed_by)?;
        }
    }
    Ok(())
}

/// Adds a range that must not overlap another; an empty one is ignored.
pub(crate) fn insert(connection: &Connection, chunks: &Range<u64>, writer: Option<WriterId>) -> Result<()> {
    if !chunks.is_empty() {
        let sql = "INSERT INTO work (first_chunk, end_chunk, owner) VALUES (?1, ?2, ?3)";
        connection.prepare_cached(sql)?.execute(params![chunks.start, chunks.end, writer])?;
    }
    Ok(())
}

/// Adds free chunks at the end. A free range that they follow becomes longer, so that pending chunks
/// stay in one range.
pub(crate) fn extend(connection: &Connection, chunks: &Range<u64>) -> Result<()> {
    let sql = "DELETE FROM work WHERE end_chunk = ?1 AND owner IS NULL RETURNING first_chunk";
    let before = connection.prepare_cached(sql)?.query_row([chunks.start], |row| row.get(0)).optional()?;
    insert(connection, &(before.unwrap_or(chunks.start)..chunks.end), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(u64, u64, Option<WriterId>)]) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../sqlite/schema.sql")).unwrap();
        rows.iter().for_each(|&(start, end, writer)| insert(&connection, &(start..end), writer).unwrap());
        connection
    }

    fn rows(connection: &Connection) -> Vec<(u64, u64, Option<WriterId>)> {
        let all = within(connection, &(0..u64::MAX >> 1)).unwrap();
        all.into_iter()
            .map(|pending| (pending.chunks.start, pending.chunks.end, pending.claimed_by))
            .collect()
    }

    #[test]
    fn claims_take_what_is_free_or_orphaned_inside_the_part() {
        let connection = table(&[(0, 4, Some(7)), (4, 6, Some(8)), (10, 20, None)]);
        let claimed = claim(&connection, 9, &(3..15), 6, |writer| writer == 7).unwrap();
        assert_eq!(claimed, [4..6, 10..14]);
        assert_eq!(rows(&connection), [(0, 4, Some(7)), (4, 6, Some(9)), (10, 14, Some(9)), (14, 20, None)]);
        let next = claim(&connection, 9, &(3..15), 6, |_| true).unwrap();
        assert_eq!(next.into_iter().flatten().collect::<Vec<_>>(), [14]);
        assert!(claim(&connection, 9, &(3..15), 6, |_| true).unwrap().is_empty());
    }

    #[test]
    fn new_chunks_join_free_ones() {
        let connection = table(&[(0, 4, Some(7)), (6, 9, None)]);
        for (new, expected) in [
            (9..12, vec![(0, 4, Some(7)), (6, 12, None)]),
            (12..12, vec![(0, 4, Some(7)), (6, 12, None)]),
            (4..5, vec![(0, 4, Some(7)), (4, 5, None), (6, 12, None)]),
        ] {
            extend(&connection, &new).unwrap();
            assert_eq!(rows(&connection), expected, "{new:?}");
        }
    }

    #[test]
    fn done_chunks_leave_every_range() {
        let connection = table(&[(0, 10, None), (10, 12, Some(3))]);
        remove(&connection, &(4..11)).unwrap();
        assert_eq!(rows(&connection), [(0, 4, None), (11, 12, Some(3))]);
        remove(&connection, &(1..2)).unwrap();
        assert_eq!(rows(&connection), [(0, 1, None), (2, 4, None), (11, 12, Some(3))]);
    }

    #[test]
    fn what_is_done_is_found_in_one_look_a_range() {
        let connection = table(&[(0, 4, Some(7)), (4, 6, None), (8, 9, None)]);
        assert_eq!([0, 5, 6, 8, 9].map(|chunk| next_done(&connection, chunk).unwrap()), [6, 6, 6, 9, 9]);
        // Many ranges in a row: were each looked for from the first on, this would take minutes.
        let many = "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n LIMIT 300000)
                    INSERT INTO work SELECT i, i + 1, NULL FROM n";
        connection.execute_batch(many).unwrap();
        assert_eq!(next_done(&connection, 100).unwrap(), 300_100);
    }

    #[test]
    fn what_is_done_in_one_is_told_from_what_is_not() {
        let done = |rows: &[(u64, u64)]| {
            let rows: Vec<_> = rows.iter().map(|&(start, end)| (start, end, None)).collect();
            done_in_one(&table(&rows), 10).unwrap()
        };
        assert_eq!([done(&[]), done(&[(0, 4)]), done(&[(7, 10)])], [Some(0..10), Some(4..10), Some(0..7)]);
        assert_eq!([done(&[(0, 4), (7, 10)]), done(&[(0, 10)])], [Some(4..7), None]);
        assert_eq!(
            [done(&[(3, 4)]), done(&[(0, 1), (3, 4)]), done(&[(0, 1), (3, 4), (7, 10)])],
            [None, None, None]
        );
        assert_eq!(done(&[(0, 4), (4, 10)]), None);
    }

    #[test]
    fn what_is_left_changes_hands() {
        let connection = table(&[(0, 10, Some(3)), (20, 30, Some(4))]);
        replace(&connection, 3, &[2..3, 5..10], Some(3)).unwrap();
        assert_eq!(rows(&connection), [(2, 3, Some(3)), (5, 10, Some(3)), (20, 30, Some(4))]);
        replace(&connection, 3, &[5..6, 8..10], None).unwrap();
        assert_eq!(rows(&connection), [(5, 6, None), (8, 10, None), (20, 30, Some(4))]);
    }
}
