//! SQL over records: one `SELECT`, its functions and its result.

use crate::error::{Error, Result};
use crate::os::fork;
use crate::qubit_order::Order;
use crate::read::authorizer::{self, Interrupt, reason};
use crate::read::corpus::Corpus;
use crate::read::parameters::Parameters;
use crate::read::record_table::{ConnectedTable, RecordTable};
use crate::read::sql_functions;
use qorpus_core::{Complex64, Dtype};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{Value, ValueRef};
use rusqlite::vtab::{Module, escape_double_quote};
use std::sync::Arc;

/// The result of a query: its columns and rows.
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
        const MODULE: Module<'static, ConnectedTable<'static>> = Module::eponymous_only_module();
        let failed = |error: rusqlite::Error| Error::Query(reason(&error));
        // SQLite's own locks must not be held while another thread forks.
        let _inside = fork::enter();
        let mut connection = Connection::open_in_memory().map_err(failed)?;
        // An unknown name in double quotes would be a text, and a condition on it would hold for
        // every record or for none.
        for option in [DbConfig::SQLITE_DBCONFIG_DQS_DML, DbConfig::SQLITE_DBCONFIG_DQS_DDL] {
            connection.set_db_config(option, false).map_err(failed)?;
        }
        let interrupt = Interrupt::new(interrupted);
        interrupt.watch(&mut connection).map_err(failed)?;
        sql_functions::register(&connection, &interrupt).map_err(failed)?;
        let (dim, table) = (self.recipe().alphabet().dim(), RecordTable::new(self.clone(), order)?);
        let without = self.recipe().check_unitaries().err().map(|error| error.to_string());
        let names = table.names();
        connection.create_module(c"records", &MODULE, Some(table)).map_err(failed)?;
        let own = [("fidelity", fidelity as fn(f64) -> f64), ("distance", distance)];
        for (name, function) in own {
            let flags = FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_UTF8;
            let without = without.clone();
            connection
                .create_scalar_function(name, 2, flags, move |context| {
                    if let Some(reason) = &without {
                        return Err(rusqlite::Error::UserFunctionError(reason.clone().into()));
                    }
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
            return Err(Error::Usage("a query must be a single SELECT".into()));
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

/// Returns |tr(A†B)|.
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

/// Returns the unitary passed to an SQL function, of either precision; `None` for NULL.
fn entries(value: ValueRef<'_>, dim: usize) -> rusqlite::Result<Option<Vec<Complex64>>> {
    let refused = |what: String| {
        let text =
            format!("a unitary must be a BLOB of {} or {} bytes, not {what}", dim * dim * 16, dim * dim * 8);
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
