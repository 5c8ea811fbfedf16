//! SQL over records: one `SELECT`, its functions and its result.

use crate::error::{Error, Result};
use crate::os::fork;
use crate::qubit_order::Order;
use crate::read::authorizer::{self, Interrupt, reason};
use crate::read::corpus::Corpus;
use crate::read::parameters::Parameters;
use crate::read::record_columns::UNITARY_COLUMN;
use crate::read::record_source::RecordTable;
use crate::read::record_table::{ConnectedTable, NamedTable, TABLE};
use crate::read::{sql_functions, unitary_functions};
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::vtab::{Module, escape_double_quote};
use rusqlite::{ColumnMetadata, Connection, Statement};
use std::ops::ControlFlow;
use std::sync::Arc;

/// The result of a query: its columns and rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, a value for each column.
    pub rows: Vec<Vec<Value>>,
}

/// A column of a query's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedColumn {
    /// The name, which need not be unique.
    pub name: String,
    /// Whether it is the column `unitary` of the table, so that its BLOBs are unitaries of the
    /// corpus.
    pub is_unitary: bool,
}

/// A receiver of the result of a query. Each method returns whether to continue.
pub trait RowReceiver {
    /// Receives the columns, before the first row.
    fn columns(&mut self, columns: &[SelectedColumn]) -> ControlFlow<()>;
    /// Receives a row, a value for each column.
    fn row(&mut self, row: Vec<Value>) -> ControlFlow<()>;
}

impl RowReceiver for Selection {
    fn columns(&mut self, columns: &[SelectedColumn]) -> ControlFlow<()> {
        self.columns = columns.iter().map(|column| column.name.clone()).collect();
        ControlFlow::Continue(())
    }

    fn row(&mut self, row: Vec<Value>) -> ControlFlow<()> {
        self.rows.push(row);
        ControlFlow::Continue(())
    }
}

impl Corpus {
    /// Runs one `SELECT` over the table `records`, with values for its parameters.
    ///
    /// The columns are `id`, `circuit` (letters joined by `; `), `length`, `unitary` (a BLOB:
    /// row-major, little-endian, of the corpus's dtype, with qubits in this order), `count_GATE`
    /// for each gate, and a column for each label. `unitary` is NULL if records have none. Records
    /// that are not generated yet have no row. Two functions take unitaries of the corpus, or others of its dimension:
    ///
    /// * `fidelity(a, b)` = |tr(A†B)|² / d², the process fidelity (Nielsen, Phys. Lett. A 303,
    ///   2002);
    /// * `distance(a, b)` = sqrt(1 - |tr(A†B)| / d), which ignores a global phase (Fowler,
    ///   quant-ph/0411206).
    ///
    /// Only the columns that a query uses are read or computed, and only for the records that it
    /// fetches. `interrupted` is called now and then and returns whether to stop.
    ///
    /// # Errors [`Error::Usage`] for anything but a single `SELECT`, [`Error::Query`] if it fails
    /// or is interrupted.
    pub fn select(
        self: &Arc<Corpus>,
        order: Order,
        query: &str,
        parameters: impl Into<Parameters>,
        interrupted: impl FnMut() -> bool + Send + 'static,
    ) -> Result<Selection> {
        let mut selection = Selection::default();
        self.select_into(order, query, parameters, interrupted, &mut selection)?;
        Ok(selection)
    }

    /// Runs one `SELECT` as [`select`](Corpus::select) does, and passes each row to `receiver` when
    /// it is found, so that a result may be larger than memory. The receiver must not fork.
    ///
    /// # Errors
    /// As [`select`](Corpus::select). Rows found before an error have been received.
    pub fn select_into(
        self: &Arc<Corpus>,
        order: Order,
        query: &str,
        parameters: impl Into<Parameters>,
        interrupted: impl FnMut() -> bool + Send + 'static,
        receiver: &mut dyn RowReceiver,
    ) -> Result<()> {
        let failed = |error: rusqlite::Error| Error::Query(reason(&error));
        // SQLite's own locks must not be held while another thread forks.
        let _inside = fork::enter();
        let table = RecordTable { reader: self.clone(), order };
        let columns = table.columns()?;
        let names = columns.names();
        let mut connection = connect((Arc::new(table), Arc::new(columns)), interrupted).map_err(failed)?;
        let functions = [&unitary_functions::NAMES[..], &sql_functions::NAMES].concat();
        let refusal = authorizer::restrict(&mut connection, &functions).map_err(failed)?;
        let failed = |error: rusqlite::Error| Error::Query(refusal.take().unwrap_or_else(|| reason(&error)));
        let mut statement = connection.prepare(query).map_err(|error| {
            Error::Usage(refusal.take().unwrap_or_else(|| with_columns(reason(&error), &names)))
        })?;
        if !statement.readonly() || statement.column_count() == 0 {
            return Err(Error::Usage("a query must be a single SELECT".into()));
        }
        parameters.into().bind(&mut statement)?;
        let columns = selected_columns(&statement);
        if receiver.columns(&columns).is_break() {
            return Ok(());
        }
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(failed)? {
            let values = (0..columns.len()).map(|column| row.get(column)).collect::<rusqlite::Result<_>>();
            if receiver.row(values.map_err(failed)?).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Opens a database in memory that has the table `records` and its functions.
fn connect(
    table: NamedTable,
    interrupted: impl FnMut() -> bool + Send + 'static,
) -> rusqlite::Result<Connection> {
    const MODULE: Module<'static, ConnectedTable<'static>> = Module::eponymous_only_module();
    let mut connection = Connection::open_in_memory()?;
    // An unknown name in double quotes would be a text, and a condition on it would hold for every
    // record or for none.
    for option in [DbConfig::SQLITE_DBCONFIG_DQS_DML, DbConfig::SQLITE_DBCONFIG_DQS_DDL] {
        connection.set_db_config(option, false)?;
    }
    let interrupt = Interrupt::new(interrupted);
    interrupt.watch(&mut connection)?;
    sql_functions::register(&connection, &interrupt)?;
    unitary_functions::register(&connection, &table.0.accepted_unitaries())?;
    connection.create_module(TABLE, &MODULE, Some(table))?;
    Ok(connection)
}

/// Returns the columns of a statement's result.
fn selected_columns(statement: &Statement<'_>) -> Vec<SelectedColumn> {
    let is_unitary = |column: &ColumnMetadata<'_>| {
        (column.table_name(), column.origin_name()) == (TABLE.to_str().ok(), Some(UNITARY_COLUMN))
    };
    let columns = statement.columns_with_metadata();
    columns
        .map(|column| SelectedColumn { is_unitary: is_unitary(&column), name: column.name().into() })
        .collect()
}

/// Adds the likely columns to a reason about an unknown column.
fn with_columns(reason: String, names: &[String]) -> String {
    let Some(unknown) = reason.strip_prefix("no such column: ") else { return reason };
    // After a name in double quotes, SQLite asks whether a text was meant.
    let (unknown, _) = unknown.split_once(" - ").unwrap_or((unknown, ""));
    let reason = format!("no such column: {unknown}");
    let is_quoted = unknown.starts_with('"');
    let unknown = unknown.trim_matches('"').to_lowercase();
    let column = unknown.split_once('.').map_or(unknown.as_str(), |(_, column)| column);
    let distance = |name: &&String| {
        let name = name.to_lowercase();
        strsim::damerau_levenshtein(&unknown, &name).min(strsim::damerau_levenshtein(column, &name))
    };
    // More edits than this give another name: in a short one most letters must be right.
    let is_near = |name: &&String| {
        let shorter = column.chars().count().min(name.chars().count());
        distance(name) <= shorter.saturating_sub(1).min(3)
    };
    let nearest = names.iter().min_by_key(distance).filter(is_near);
    match nearest {
        Some(name) => format!("{reason}; did you mean {}?", quoted(name)),
        None => {
            let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
            let text = if is_quoted { "; write a text in single quotes" } else { "" };
            format!("{reason}; the columns are {}{text}", names.join(", "))
        }
    }
}

/// Returns a column as a query writes it: in double quotes where it is not a plain word.
fn quoted(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain { name.to_owned() } else { format!("\"{}\"", escape_double_quote(name)) }
}
