//! SQL over records: a table `records` with a row a record, whatever the records are read from.

use crate::corpus::ids::Ids;
use crate::error::{Error, Result};
use crate::os::fork;
use crate::qubit_order::Order;
use crate::read::authorizer::{self, Interrupt};
use crate::read::corpus::Corpus;
use crate::read::parameters::Parameters;
use crate::read::rows::Rows;
use crate::read::sql_error::reason;
use crate::read::sql_functions;
use qorpus_core::{Complex64, Dtype, Label};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{Null, Value, ValueRef};
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConfig, VTabConnection, VTabCursor,
    escape_double_quote, sqlite3_vtab, sqlite3_vtab_cursor,
};
use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::marker::PhantomData;
use std::sync::Arc;

/// The columns that every table has; behind them come a count for each gate, and the labels.
const FIXED_COLUMNS: [&str; 4] = ["id", "circuit", "length", "unitary"];

/// The most records a cursor reads at once; it begins with few, since a query may want no more.
const MAX_BATCH: usize = 4096;
const MIN_BATCH: usize = 16;

/// What a query found.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, a value for each column.
    pub rows: Vec<Vec<Value>>,
}

impl Corpus {
    /// Runs one `SELECT` over the table `records`, with values for its parameters.
    ///
    /// The columns are `id`, `circuit` (letters joined by `; `), `length`, `unitary` (a BLOB:
    /// row-major, little-endian, of the corpus's dtype, with qubits in this order), `count_GATE`
    /// for each gate, and a column for each label. Records that are not made yet have no row. Two
    /// functions take unitaries of the corpus or of its dimension:
    ///
    /// * `fidelity(a, b)` = |tr(A†B)|² / d², the process fidelity (Nielsen, Phys. Lett. A 303,
    ///   2002);
    /// * `distance(a, b)` = sqrt(1 - |tr(A†B)| / d), which does not see a global phase (Fowler,
    ///   quant-ph/0411206).
    ///
    /// Only what a query looks at is read or computed, and only as many records as it fetches.
    /// `interrupted` is asked now and then whether to stop.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is no single `SELECT`, [`Error::Query`] if it fails or is
    /// interrupted.
    pub fn select(
        self: &Arc<Corpus>,
        order: Order,
        query: &str,
        parameters: impl Into<Parameters>,
        interrupted: impl FnMut() -> bool + Send + 'static,
    ) -> Result<Selection> {
        const MODULE: Module<'static, ConnectedTable<'static>> = Module::eponymous_only_module();
        let failed = |error: rusqlite::Error| Error::Query(reason(&error));
        // SQLite's own locks must not be held while another thread forks.
        let _inside = fork::enter();
        let mut connection = Connection::open_in_memory().map_err(failed)?;
        // An unknown name in double quotes would be a text: a condition on it holds for every
        // record or for none.
        for option in [DbConfig::SQLITE_DBCONFIG_DQS_DML, DbConfig::SQLITE_DBCONFIG_DQS_DDL] {
            connection.set_db_config(option, false).map_err(failed)?;
        }
        let interrupt = Interrupt::new(interrupted);
        interrupt.watch(&mut connection).map_err(failed)?;
        sql_functions::register(&connection, &interrupt).map_err(failed)?;
        let (dim, table) = (self.recipe().alphabet().dim(), RecordTable::new(self.clone(), order)?);
        let names = table.names();
        connection.create_module(c"records", &MODULE, Some(table)).map_err(failed)?;
        let own = [("fidelity", fidelity as fn(f64) -> f64), ("distance", distance)];
        for (name, function) in own {
            let flags = FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_UTF8;
            connection
                .create_scalar_function(name, 2, flags, move |context| {
                    let [a, b] = [0, 1].map(|argument| entries(context.get_raw(argument), dim));
                    Ok(match (a?, b?) {
                        (Some(a), Some(b)) => Some(function(overlap(&a, &b) / dim as f64)),
                        _ => None,
                    })
                })
                .map_err(failed)?;
        }
        let functions: Vec<_> = own.iter().map(|(name, _)| *name).chain(sql_functions::NAMES).collect();
        let refusal = authorizer::restrict(&mut connection, &functions).map_err(failed)?;
        let failed = |error: rusqlite::Error| Error::Query(refusal.take().unwrap_or_else(|| reason(&error)));
        let mut statement = connection.prepare(query).map_err(|error| {
            Error::Usage(refusal.take().unwrap_or_else(|| with_columns(reason(&error), &names)))
        })?;
        if !statement.readonly() || statement.column_count() == 0 {
            return Err(Error::Usage("a query is one SELECT".into()));
        }
        parameters.into().bind(&mut statement)?;
        let columns: Vec<String> = statement.column_names().map(Into::into).collect();
        let width = columns.len();
        let rows = statement
            .raw_query()
            .mapped(|row| (0..width).map(|column| row.get(column)).collect())
            .collect::<rusqlite::Result<_>>()
            .map_err(failed)?;
        Ok(Selection { columns, rows })
    }
}

/// A reason that may be an unknown column, with the columns that could have been meant.
fn with_columns(reason: String, names: &[String]) -> String {
    let Some(unknown) = reason.strip_prefix("no such column: ") else { return reason };
    // SQLite asks whether a text was meant, behind a name in double quotes.
    let (unknown, _) = unknown.split_once(" - ").unwrap_or((unknown, ""));
    let reason = format!("no such column: {unknown}");
    let is_quoted = unknown.starts_with('"');
    let unknown = unknown.trim_matches('"').to_lowercase();
    let column = unknown.split_once('.').map_or(unknown.as_str(), |(_, column)| column);
    let distance = |name: &&String| {
        let name = name.to_lowercase();
        strsim::damerau_levenshtein(&unknown, &name).min(strsim::damerau_levenshtein(column, &name))
    };
    // More edits than this make another name: of a short one most letters must be right.
    let is_near = |name: &&String| {
        let shorter = column.chars().count().min(name.chars().count());
        distance(name) <= shorter.saturating_sub(1).min(3)
    };
    let nearest = names.iter().min_by_key(distance).filter(is_near);
    match nearest {
        Some(name) => format!("{reason}; did you mean {}?", quoted(name)),
        None => {
            let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
            let text = if is_quoted { "; a text stands in single quotes" } else { "" };
            format!("{reason}; the columns are {}{text}", names.join(", "))
        }
    }
}

/// A column as a query writes it: in double quotes where it is not a plain word.
fn quoted(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain { name.to_owned() } else { format!("\"{}\"", escape_double_quote(name)) }
}

/// |tr(A†B)|.
fn overlap(a: &[Complex64], b: &[Complex64]) -> f64 {
    let trace: Complex64 = a.iter().zip(b).map(|(a, b)| a.conj() * b).sum();
    trace.re.hypot(trace.im)
}

fn fidelity(overlap: f64) -> f64 {
    overlap * overlap
}

fn distance(overlap: f64) -> f64 {
    (1.0 - overlap).max(0.0).sqrt()
}

/// A unitary given to a function, of either precision; NULL is none.
fn entries(value: ValueRef<'_>, dim: usize) -> rusqlite::Result<Option<Vec<Complex64>>> {
    let refused = |what: String| {
        let text =
            format!("a unitary here is a BLOB of {} or {} bytes, not {what}", dim * dim * 16, dim * dim * 8);
        Err(rusqlite::Error::UserFunctionError(text.into()))
    };
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Blob(bytes) if bytes.len() == dim * dim * 16 => Ok(Some(Dtype::Complex128.decode(bytes))),
        ValueRef::Blob(bytes) if bytes.len() == dim * dim * 8 => Ok(Some(Dtype::Complex64.decode(bytes))),
        ValueRef::Blob(bytes) => refused(format!("of {}", bytes.len())),
        other => refused(format!("{:?}", other.data_type())),
    }
}

/// What the table is of.
#[derive(Debug, Clone)]
struct RecordTable {
    reader: Arc<Corpus>,
    order: Order,
    labels: Vec<String>,
}

impl RecordTable {
    fn new(reader: Arc<Corpus>, order: Order) -> Result<RecordTable> {
        let labels = reader.label_kinds()?.into_keys().collect();
        Ok(RecordTable { reader, order, labels })
    }

    fn gates(&self) -> usize {
        self.reader.recipe().alphabet().gates().len()
    }

    /// The names of the columns, in order.
    ///
    /// SQL does not tell names apart by letter case. Labels of several files that differ in nothing
    /// else have numbers behind their names, all of them: a query must not get one where the other
    /// is meant.
    fn names(&self) -> Vec<String> {
        let gates = self.reader.recipe().alphabet().gates().iter();
        let counts = gates.map(|gate| format!("count_{}", gate.name()));
        let given: Vec<_> = FIXED_COLUMNS.iter().map(ToString::to_string).chain(counts).collect();
        let labels = self.labels.iter().enumerate().map(|(number, label)| {
            let others = given.iter().chain(self.labels.iter().filter(|other| *other != label));
            match { others }.any(|other| other.eq_ignore_ascii_case(label)) {
                true => format!("{label} ({})", given.len() + number),
                false => label.clone(),
            }
        });
        given.iter().cloned().chain(labels).collect()
    }

    /// What is declared to SQLite.
    fn declaration(&self) -> String {
        let columns = self.names().into_iter().map(|name| format!("\"{}\"", escape_double_quote(&name)));
        format!("CREATE TABLE records({})", columns.collect::<Vec<_>>().join(", "))
    }
}

/// The table, connected to a query.
#[repr(C)]
struct ConnectedTable<'vtab> {
    base: sqlite3_vtab,
    table: RecordTable,
    cursors: PhantomData<&'vtab ()>,
}

/// What a query needs of each record, as bits of the index number that SQLite hands from plan to
/// cursor.
const CIRCUITS: c_int = 1;
const UNITARIES: c_int = 2;
const LABELS: c_int = 4;
/// Which bounds on the id come as arguments, the lower one first.
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
        let (used, fixed, gates) = (info.col_used(), FIXED_COLUMNS.len(), self.table.gates());
        let uses = |columns: std::ops::Range<usize>| {
            columns.into_iter().any(|column| used >> column.min(63) & 1 == 1)
        };
        let mut plan = 0;
        for (bit, is_used) in [
            (CIRCUITS, uses(1..3) || uses(fixed..fixed + gates)),
            (UNITARIES, uses(3..4)),
            (LABELS, uses(fixed + gates..fixed + gates + self.table.labels.len())),
        ] {
            plan |= if is_used { bit } else { 0 };
        }
        let mut bounds = [None; 3];
        for (number, constraint) in info.constraints().enumerate() {
            use IndexConstraintOp as Op;
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
        // SQLite checks the bounds again, so they may be wider than they were written.
        let mut arguments = 0;
        for (bound, bit) in bounds.into_iter().zip([LOWER, UPPER, EXACT]) {
            if let Some(number) = bound {
                arguments += 1;
                plan |= bit;
                info.constraint_usage(number).set_argv_index(arguments);
            }
        }
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

/// A place among the records, with some read ahead.
#[repr(C)]
struct RecordCursor<'vtab> {
    base: sqlite3_vtab_cursor,
    table: RecordTable,
    plan: c_int,
    /// The query wants no record from here on.
    end: u64,
    /// The id of the first record that was read ahead, how many there are, and at which of them the
    /// cursor is.
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
        // Wide unitaries are read a few megabytes at once.
        let most = (4 << 20) / reader.unitary_bytes().max(1);
        loop {
            // Records of one chunk are all made, or none of them is.
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
        let (unitaries, labels) = (self.plan & UNITARIES != 0, self.plan & LABELS != 0);
        match self.plan & CIRCUITS != 0 {
            true if unitaries => {
                reader.read_rows(&Ids::List(ids), self.table.order, labels, &mut rows)?;
                return Ok(rows);
            }
            true => rows.circuits = reader.circuits(ids)?,
            // Whether a record is there shows with its circuit, unless something else of it is
            // read.
            false if !unitaries && !labels => rows.circuits = reader.circuits(ids)?,
            false => {}
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
        let gate = column as usize - FIXED_COLUMNS.len().min(column as usize);
        match column {
            0 => context.set_result((self.first + at as u64) as i64),
            1 => context.set_result(alphabet.text(self.rows.circuits.get(at))),
            2 => context.set_result(self.rows.circuits.get(at).len() as i64),
            3 => {
                let size = reader.unitary_bytes();
                context.set_result(&self.rows.unitaries[at * size..(at + 1) * size])
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
