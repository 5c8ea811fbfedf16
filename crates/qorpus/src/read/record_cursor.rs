//! The plan of a query over a table of records, and the cursor that follows it.

use crate::corpus::ids::Ids;
use crate::error::{Error, Result};
use crate::read::record_columns::{CIRCUITS, Cell, Column, Columns, LABELS, UNITARIES};
use crate::read::record_source::{RecordTable, TableOf};
use crate::read::rows::Rows;
use rusqlite::types::Value;
use rusqlite::vtab::{Context, Filters, IndexConstraintOp, IndexInfo, VTabCursor, sqlite3_vtab_cursor};
use std::ffi::c_int;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The most and the fewest records that a cursor reads at once. It begins with few, since a query
/// may need no more.
const MAX_BATCH: usize = 4096;
const MIN_BATCH: usize = 16;

/// The arguments of the table and the bounds on the id that SQLite passes to the cursor, in this
/// order, as bits of the number that it passes from plan to cursor.
const CORPUS: c_int = 8;
const QUBIT_ORDER: c_int = 16;
const LOWER: c_int = 32;
const UPPER: c_int = 64;
const EXACT: c_int = 128;

/// Calls `action` for SQLite, which cannot unwind: a panic becomes an error.
pub(super) fn caught<T>(action: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let defect =
        || rusqlite::Error::ModuleError(Error::Defect("reading records with SQL".into()).to_string());
    catch_unwind(AssertUnwindSafe(action)).unwrap_or_else(|_| Err(defect()))
}

pub(super) fn failed(error: Error) -> rusqlite::Error {
    rusqlite::Error::ModuleError(error.to_string())
}

/// Plans a query over a table with these columns. Returns false if it must be planned otherwise.
pub(super) fn plan(columns: &Columns, info: &mut IndexInfo) -> bool {
    let Some(plan) = take_arguments(columns, info) else { return false };
    let plan = plan | columns.parts(info.col_used());
    let rows = match plan {
        plan if plan & EXACT != 0 => 1.0,
        plan if plan & (LOWER | UPPER) != 0 => 1e6,
        _ => 1e9,
    };
    info.set_estimated_cost(rows * if plan & UNITARIES != 0 { 4.0 } else { 1.0 });
    info.set_estimated_rows(rows as i64);
    let ascending = {
        let mut orders = info.order_bys();
        let first = orders.next().is_some_and(|order| order.column() <= 0 && !order.is_order_by_desc());
        first && orders.next().is_none()
    };
    info.set_order_by_consumed(ascending);
    info.set_idx_num(plan);
    true
}

/// Lets SQLite pass the arguments of the table and the bounds on the id; returns their bits. `None`
/// if an argument is not known in this plan.
fn take_arguments(columns: &Columns, info: &mut IndexInfo) -> Option<c_int> {
    use IndexConstraintOp as Op;
    let mut taken = [None; 5];
    for (number, constraint) in info.constraints().enumerate() {
        let operator = constraint.operator();
        let place = match (columns.get(constraint.column()), operator) {
            (Some(Column::Corpus), Op::SQLITE_INDEX_CONSTRAINT_EQ) => 0,
            (Some(Column::QubitOrder), Op::SQLITE_INDEX_CONSTRAINT_EQ) => 1,
            // The rowid is the id.
            (None | Some(Column::Id), operator) if constraint.column() <= 0 => match operator {
                Op::SQLITE_INDEX_CONSTRAINT_GE | Op::SQLITE_INDEX_CONSTRAINT_GT => 2,
                Op::SQLITE_INDEX_CONSTRAINT_LE | Op::SQLITE_INDEX_CONSTRAINT_LT => 3,
                Op::SQLITE_INDEX_CONSTRAINT_EQ => 4,
                _ => continue,
            },
            _ => continue,
        };
        match constraint.is_usable() {
            true => taken[place] = Some(number),
            false if place < 2 => return None,
            false => {}
        }
    }
    if taken[4].is_some() {
        (taken[2], taken[3]) = (None, None);
    }
    let (mut plan, mut arguments) = (0, 0);
    for (number, bit) in taken.into_iter().zip([CORPUS, QUBIT_ORDER, LOWER, UPPER, EXACT]) {
        if let Some(number) = number {
            arguments += 1;
            plan |= bit;
            let mut usage = info.constraint_usage(number);
            usage.set_argv_index(arguments);
            // SQLite checks bounds again, so they may be wider than written. It cannot check
            // arguments, which are not values of the records.
            usage.set_omit(bit & (CORPUS | QUBIT_ORDER) != 0);
        }
    }
    Some(plan)
}

/// A position among the records, with some records read ahead.
#[repr(C)]
pub(super) struct RecordCursor<'vtab> {
    base: sqlite3_vtab_cursor,
    tables: Arc<dyn TableOf>,
    columns: Arc<Columns>,
    /// Known from the first filter on.
    table: Option<Arc<RecordTable>>,
    plan: c_int,
    /// The query needs no record from this id on.
    end: u64,
    /// The id of the first record that was read ahead, their number, and the cursor's position
    /// among them.
    first: u64,
    len: usize,
    at: usize,
    rows: Rows,
    batch: usize,
    cursors: PhantomData<&'vtab ()>,
}

impl RecordCursor<'_> {
    pub(super) fn new(tables: Arc<dyn TableOf>, columns: Arc<Columns>) -> Self {
        RecordCursor {
            base: sqlite3_vtab_cursor::default(),
            tables,
            columns,
            table: None,
            plan: 0,
            end: 0,
            first: 0,
            at: 0,
            rows: Rows::default(),
            len: 0,
            batch: MIN_BATCH,
            cursors: PhantomData,
        }
    }

    /// Reads ahead from `id` on.
    fn read(&mut self, table: &RecordTable, mut id: u64) -> Result<()> {
        let reader = &table.reader;
        // Wide unitaries are read in batches of a few megabytes.
        let most = (4 << 20) / reader.unitary_bytes().max(1);
        loop {
            // The records of a chunk exist together or not at all.
            let recipe = reader.recipe();
            let chunk = match recipe.expected() {
                Some(_) => recipe.chunk_ids(id / recipe.chunk_records()).end,
                None => u64::MAX,
            };
            let until = self.end.min(chunk).min(id.saturating_add(self.batch.min(most.max(1)) as u64));
            let ids: Vec<u64> = (id..until).collect();
            match self.rows_of(table, &ids) {
                Ok(rows) => {
                    (self.first, self.at, self.len, self.rows) = (id, 0, ids.len(), rows);
                    self.batch = (self.batch * 4).min(MAX_BATCH);
                    return Ok(());
                }
                Err(Error::NotYet { .. }) => id = reader.next_made(id)?,
                Err(error) => return Err(error),
            }
        }
    }

    fn rows_of(&self, table: &RecordTable, ids: &[u64]) -> Result<Rows> {
        let (mut rows, reader) = (Rows::default(), &table.reader);
        let [circuits, unitaries, labels] = [CIRCUITS, UNITARIES, LABELS].map(|bit| self.plan & bit != 0);
        let unitaries = unitaries && reader.recipe().has_unitaries();
        if circuits && unitaries {
            reader.read_rows(&Ids::List(ids), table.order, labels, &mut rows)?;
            return Ok(rows);
        }
        // If no other column is read, reading the circuit shows whether a record exists.
        if circuits || !(unitaries || labels) {
            rows.circuits = reader.circuits(ids)?;
        }
        if unitaries {
            rows.unitaries.resize(ids.len() * reader.unitary_bytes(), 0);
            reader.unitaries(ids, table.order, &mut rows.unitaries)?;
        }
        if labels {
            rows.given = reader.given_labels(ids)?;
        }
        Ok(rows)
    }

    /// Begins a query with this plan.
    fn begin(&mut self, plan: c_int, arguments: &Filters<'_>) -> rusqlite::Result<()> {
        let mut number = 0;
        let mut given = |bit| {
            if plan & bit == 0 {
                return Ok(None);
            }
            number += 1;
            arguments.get::<Value>(number - 1).map(Some)
        };
        let (corpus, order) = (given(CORPUS)?, given(QUBIT_ORDER)?);
        let [lower, upper, exact] = [given(LOWER)?, given(UPPER)?, given(EXACT)?].map(|bound| match bound {
            Some(Value::Integer(bound)) => Some((bound.max(0) as u64, bound < 0)),
            Some(Value::Real(bound)) if !bound.is_nan() => Some((bound.max(0.0) as u64, bound < 0.0)),
            _ => None,
        });
        let start = exact.or(lower).map_or(0, |(bound, _)| bound);
        let end = match exact.or(upper) {
            None => u64::MAX,
            Some((_, true)) => 0,
            Some((bound, false)) => bound.saturating_add(1),
        };
        self.plan = plan;
        let reopens = self.tables.reopens();
        let mut begin = |fresh| {
            let table = self.tables.table(corpus.as_ref(), order.as_ref(), fresh)?;
            self.begin_in(table, start, end)
        };
        begin(false).or_else(|error| if reopens { begin(true) } else { Err(error) }).map_err(failed)
    }

    /// Moves to the first record of `table` from `start` on, and before `end`.
    fn begin_in(&mut self, table: Arc<RecordTable>, start: u64, end: u64) -> Result<()> {
        (self.end, self.batch) = (end.min(table.reader.len()?), MIN_BATCH);
        self.read(&table, start.min(self.end))?;
        self.table = Some(table);
        Ok(())
    }
}

#[expect(unsafe_code, reason = "a virtual table's cursor is an unsafe trait")]
// SAFETY: the struct is laid out by C's rules and begins with the base that SQLite uses.
unsafe impl VTabCursor for RecordCursor<'_> {
    fn filter(&mut self, plan: c_int, _name: Option<&str>, arguments: &Filters<'_>) -> rusqlite::Result<()> {
        caught(|| self.begin(plan, arguments))
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.at += 1;
        if self.at < self.len || self.eof() {
            return Ok(());
        }
        let Some(table) = self.table.clone() else { return Ok(()) };
        caught(|| self.read(&table, self.first + self.at as u64).map_err(failed))
    }

    fn eof(&self) -> bool {
        self.first + self.at as u64 >= self.end
    }

    fn column(&self, context: &mut Context, column: c_int) -> rusqlite::Result<()> {
        let (Some(table), Some(column)) = (&self.table, self.columns.get(column)) else { return Ok(()) };
        let id = self.first + self.at as u64;
        let cell = Cell { corpus: &table.reader, rows: &self.rows, at: self.at, id };
        caught(|| cell.show(column, context))
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        Ok((self.first + self.at as u64) as i64)
    }
}
