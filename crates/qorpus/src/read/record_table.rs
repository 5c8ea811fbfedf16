//! The virtual table `records`: a row a record, from any source of records.

use crate::corpus::ids::Ids;
use crate::error::{Error, Result};
use crate::qubit_order::Order;
use crate::read::corpus::Corpus;
use crate::read::rows::Rows;
use crate::read::unitary_functions::Accepted;
use qorpus_core::Label;
use rusqlite::types::{Null, Value};
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, VTab, VTabConfig, VTabConnection, VTabCursor,
    escape_double_quote, sqlite3_vtab, sqlite3_vtab_cursor,
};
use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::marker::PhantomData;
use std::sync::Arc;

/// The columns that every table has, followed by the angles if gates have free ones, a count for
/// each gate, and the labels.
const FIXED_COLUMNS: [&str; 4] = ["id", "circuit", "length", UNITARY_COLUMN];

/// The name of the table, and of its column of unitaries.
pub(crate) const TABLE: &CStr = c"records";
pub(crate) const UNITARY_COLUMN: &str = "unitary";

/// The column of free angles: a JSON array of numbers, in the order of the letters.
const ANGLES_COLUMN: &str = "angles";

/// The most and the fewest records that a cursor reads at once. It begins with few, since a query
/// may need no more.
const MAX_BATCH: usize = 4096;
const MIN_BATCH: usize = 16;

/// The records, the order of qubits and the labels of a table.
#[derive(Debug, Clone)]
pub(super) struct RecordTable {
    reader: Arc<Corpus>,
    order: Order,
    labels: Vec<String>,
}

impl RecordTable {
    pub(super) fn new(reader: Arc<Corpus>, order: Order) -> Result<RecordTable> {
        let labels = reader.label_kinds()?.into_keys().collect();
        Ok(RecordTable { reader, order, labels })
    }

    fn gates(&self) -> usize {
        self.reader.recipe().alphabet().gates().len()
    }

    /// Returns the names of the columns before the counts, in order.
    fn first_columns(&self) -> Vec<String> {
        let angles = self.reader.recipe().alphabet().has_free_angles().then_some(ANGLES_COLUMN);
        FIXED_COLUMNS.into_iter().chain(angles).map(String::from).collect()
    }

    /// Returns the names of the columns, in order.
    ///
    /// SQL ignores letter case in names. If labels of several files differ only in letter case,
    /// numbers are appended to all their names, so that a query cannot confuse them.
    pub(super) fn names(&self) -> Vec<String> {
        let gates = self.reader.recipe().alphabet().gates().iter();
        let counts = gates.map(|gate| format!("count_{}", gate.name()));
        let given: Vec<_> = self.first_columns().into_iter().chain(counts).collect();
        let labels = self.labels.iter().enumerate().map(|(number, label)| {
            let others = given.iter().chain(self.labels.iter().filter(|other| *other != label));
            if { others }.any(|other| other.eq_ignore_ascii_case(label)) {
                return format!("{label} ({})", given.len() + number);
            }
            label.clone()
        });
        given.iter().cloned().chain(labels).collect()
    }

    /// Returns the unitaries that functions over the table accept.
    pub(super) fn accepted_unitaries(&self) -> Accepted {
        match self.reader.recipe().check_unitaries() {
            Ok(_) => Accepted::Dimension(self.reader.recipe().alphabet().dim()),
            Err(error) => Accepted::Nothing(error.to_string()),
        }
    }

    /// Returns the statement that declares the table to SQLite.
    fn declaration(&self) -> String {
        let columns = self.names().into_iter().map(|name| format!("\"{}\"", escape_double_quote(&name)));
        format!("CREATE TABLE records({})", columns.collect::<Vec<_>>().join(", "))
    }
}

/// Lets SQLite pass the bounds on the id as arguments; returns their bits.
fn take_bounds(info: &mut IndexInfo) -> c_int {
    use IndexConstraintOp as Op;
    let mut bounds = [None; 3];
    for (number, constraint) in info.constraints().enumerate() {
        // The rowid is the id.
        if constraint.is_usable() && constraint.column() <= 0 {
            match constraint.operator() {
                Op::SQLITE_INDEX_CONSTRAINT_GE | Op::SQLITE_INDEX_CONSTRAINT_GT => {
                    bounds[0] = Some(number);
                }
                Op::SQLITE_INDEX_CONSTRAINT_LE | Op::SQLITE_INDEX_CONSTRAINT_LT => {
                    bounds[1] = Some(number);
                }
                Op::SQLITE_INDEX_CONSTRAINT_EQ => bounds[2] = Some(number),
                _ => {}
            }
        }
    }
    if bounds[2].is_some() {
        bounds = [None, None, bounds[2]];
    }
    // SQLite checks the bounds again, so they may be wider than written.
    let (mut plan, mut arguments) = (0, 0);
    for (bound, bit) in bounds.into_iter().zip([LOWER, UPPER, EXACT]) {
        if let Some(number) = bound {
            arguments += 1;
            plan |= bit;
            info.constraint_usage(number).set_argv_index(arguments);
        }
    }
    plan
}

/// The table, connected to a query.
#[repr(C)]
pub(super) struct ConnectedTable<'vtab> {
    base: sqlite3_vtab,
    table: RecordTable,
    cursors: PhantomData<&'vtab ()>,
}

/// The columns that a query needs, as bits of the index number that SQLite passes from plan to
/// cursor.
const CIRCUITS: c_int = 1;
const UNITARIES: c_int = 2;
const LABELS: c_int = 4;
/// The bounds on the id that come as arguments, the lower one first.
const LOWER: c_int = 8;
const UPPER: c_int = 16;
const EXACT: c_int = 32;

#[expect(
    unsafe_code,
    reason = "a virtual table is an unsafe trait; a table of rows would be a copy of the corpus"
)]
// SAFETY: the struct is laid out by C's rules and begins with the base that SQLite uses.
unsafe impl<'vtab> VTab<'vtab> for ConnectedTable<'vtab> {
    type Aux = RecordTable;
    type Cursor = RecordCursor<'vtab>;

    fn connect(
        connection: &mut VTabConnection,
        table: Option<&RecordTable>,
        _module: &[u8],
        _database: &[u8],
        _name: &[u8],
        _arguments: &[&[u8]],
    ) -> rusqlite::Result<(Cow<'static, CStr>, Self)> {
        let table = table.cloned().ok_or_else(|| rusqlite::Error::ModuleError("no records".into()))?;
        connection.config(VTabConfig::DirectOnly)?;
        let declaration = CString::new(table.declaration())?;
        let connected = ConnectedTable { base: sqlite3_vtab::default(), table, cursors: PhantomData };
        Ok((Cow::Owned(declaration), connected))
    }

    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<bool> {
        let (used, first, gates) = (info.col_used(), self.table.first_columns().len(), self.table.gates());
        let uses = |columns: std::ops::Range<usize>| {
            columns.into_iter().any(|column| used >> column.min(63) & 1 == 1)
        };
        let mut plan = 0;
        for (bit, is_used) in [
            (CIRCUITS, uses(1..3) || uses(4..first + gates)),
            (UNITARIES, uses(3..4)),
            (LABELS, uses(first + gates..first + gates + self.table.labels.len())),
        ] {
            plan |= if is_used { bit } else { 0 };
        }
        plan |= take_bounds(info);
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
        Ok(true)
    }

    fn open(&'vtab mut self) -> rusqlite::Result<RecordCursor<'vtab>> {
        Ok(RecordCursor {
            base: sqlite3_vtab_cursor::default(),
            table: self.table.clone(),
            plan: 0,
            end: 0,
            first: 0,
            at: 0,
            rows: Rows::default(),
            len: 0,
            batch: MIN_BATCH,
            cursors: PhantomData,
        })
    }
}

/// A position among the records, with some records read ahead.
#[repr(C)]
pub(super) struct RecordCursor<'vtab> {
    base: sqlite3_vtab_cursor,
    table: RecordTable,
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
    /// Reads ahead from `id` on.
    fn read(&mut self, mut id: u64) -> rusqlite::Result<()> {
        let reader = &self.table.reader;
        let failed = |error: Error| rusqlite::Error::ModuleError(error.to_string());
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
            match self.rows_of(&ids) {
                Ok(rows) => {
                    (self.first, self.at, self.len, self.rows) = (id, 0, ids.len(), rows);
                    self.batch = (self.batch * 4).min(MAX_BATCH);
                    return Ok(());
                }
                Err(Error::NotYet { .. }) => id = reader.next_made(id).map_err(failed)?,
                Err(error) => return Err(failed(error)),
            }
        }
    }

    fn rows_of(&self, ids: &[u64]) -> Result<Rows> {
        let (mut rows, reader) = (Rows::default(), &self.table.reader);
        let [circuits, unitaries, labels] = [CIRCUITS, UNITARIES, LABELS].map(|bit| self.plan & bit != 0);
        let unitaries = unitaries && reader.recipe().has_unitaries();
        if circuits && unitaries {
            reader.read_rows(&Ids::List(ids), self.table.order, labels, &mut rows)?;
            return Ok(rows);
        }
        // If no other column is read, reading the circuit shows whether a record exists.
        if circuits || !(unitaries || labels) {
            rows.circuits = reader.circuits(ids)?;
        }
        if unitaries {
            rows.unitaries.resize(ids.len() * reader.unitary_bytes(), 0);
            reader.unitaries(ids, self.table.order, &mut rows.unitaries)?;
        }
        if labels {
            rows.given = reader.given_labels(ids)?;
        }
        Ok(rows)
    }
}

#[expect(unsafe_code, reason = "a virtual table's cursor is an unsafe trait")]
// SAFETY: the struct is laid out by C's rules and begins with the base that SQLite uses.
unsafe impl VTabCursor for RecordCursor<'_> {
    fn filter(&mut self, plan: c_int, _name: Option<&str>, arguments: &Filters<'_>) -> rusqlite::Result<()> {
        let len = self.table.reader.len().map_err(|error| rusqlite::Error::ModuleError(error.to_string()))?;
        let (mut start, mut end, mut argument) = (0, len, 0);
        for bit in [LOWER, UPPER, EXACT] {
            if plan & bit == 0 {
                continue;
            }
            let bound = match arguments.get::<Value>(argument)? {
                Value::Integer(bound) => Some((bound.max(0) as u64, bound < 0)),
                Value::Real(bound) if !bound.is_nan() => Some((bound.max(0.0) as u64, bound < 0.0)),
                _ => None,
            };
            argument += 1;
            if let Some((bound, is_negative)) = bound {
                if bit != UPPER {
                    start = bound;
                }
                if bit != LOWER {
                    end = if is_negative { 0 } else { end.min(bound.saturating_add(1)) };
                }
            }
        }
        (self.plan, self.end, self.batch) = (plan, end, MIN_BATCH);
        self.read(start.min(end))
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.at += 1;
        if self.at >= self.len && !self.eof() {
            self.read(self.first + self.at as u64)?;
        }
        Ok(())
    }

    fn eof(&self) -> bool {
        self.first + self.at as u64 >= self.end
    }

    fn column(&self, context: &mut Context, column: c_int) -> rusqlite::Result<()> {
        let (reader, at) = (&self.table.reader, self.at);
        let alphabet = reader.recipe().alphabet();
        let first = FIXED_COLUMNS.len() + usize::from(alphabet.has_free_angles());
        let gate = column as usize - first.min(column as usize);
        match column {
            1 | 2 if !reader.recipe().space().has_circuits() => context.set_result(Null),
            3 if !reader.recipe().has_unitaries() => context.set_result(Null),
            0 => context.set_result((self.first + at as u64) as i64),
            1 => context.set_result(alphabet.text(self.rows.circuits.get(at), self.rows.circuits.angles(at))),
            2 => context.set_result(self.rows.circuits.get(at).len() as i64),
            3 => {
                let size = reader.unitary_bytes();
                context.set_result(&self.rows.unitaries[at * size..(at + 1) * size])
            }
            4 if alphabet.has_free_angles() => {
                // Angles are finite, so each has a JSON text.
                let angles = self.rows.circuits.angles(at);
                context.set_result(serde_json::to_string(angles).unwrap_or_default())
            }
            _ if gate < alphabet.gates().len() => {
                let is = |letter: &&u16| alphabet.letters()[usize::from(**letter)].gate == gate;
                context.set_result(self.rows.circuits.get(at).iter().filter(is).count() as i64)
            }
            _ => {
                let name = self.table.labels.get(gate - alphabet.gates().len());
                match name.and_then(|name| self.rows.given[at].get(name)) {
                    None => context.set_result(Null),
                    Some(Label::Integer(value)) => context.set_result(value),
                    Some(Label::Real(value)) => context.set_result(value),
                    Some(Label::Text(value)) => context.set_result(value),
                }
            }
        }
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        Ok((self.first + self.at as u64) as i64)
    }
}
