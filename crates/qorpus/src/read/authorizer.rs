//! Limits of a query: what SQLite may do for it, and how much at once.

use crate::os::fork;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, Result};
use std::collections::HashSet;
use std::ffi::c_int;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How often a query looks at the clock, in instructions of SQLite's virtual machine, and after
/// what time it asks whether to go on. An instruction may be a call of a function, which nothing
/// interrupts.
const POLL_INSTRUCTIONS: c_int = 64;
const ASK_INTERVAL: Duration = Duration::from_millis(50);

/// The most bytes of a text, of a BLOB and of a row: a function over so many returns after some ten
/// milliseconds. A unitary has at most 1 MiB.
pub(crate) const MAX_RESULT_BYTES: usize = 8 << 20;

/// The most calls of functions in the text of a query: they may all stand between two looks at the
/// clock.
const MAX_CALLS: usize = 250;

/// The limits, beside those that SQLite has anyway. An argument may cost as much as a call.
const LIMITS: [(Limit, usize); 4] = [
    (Limit::SQLITE_LIMIT_LENGTH, MAX_RESULT_BYTES),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 20),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
];

/// The tables of a query; those of JSON let a parameter be a list. `pragma_...` are tables too,
/// which set what they read.
const TABLES: [&str; 5] = ["records", "json_each", "json_tree", "jsonb_each", "jsonb_tree"];

/// Functions of SQLite that take hours over a few megabytes, and that no query of records needs.
const SLOW_FUNCTIONS: [&str; 3] = ["json_patch", "jsonb_patch", "unhex"];

/// The reason that a query was refused; SQLite's own message says only that it was.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusal(Arc<Mutex<Option<String>>>);

impl Refusal {
    pub(crate) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn because(&self, reason: String) -> Authorization {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        Authorization::Deny
    }
}

/// SQLite's own words, without the codes around them.
pub(crate) fn reason(error: &rusqlite::Error) -> String {
    match error {
        error if error.sqlite_error_code() == Some(ErrorCode::TooBig) => format!(
            "a text, BLOB or row of the query is too long; it has at most {} MiB, and the query at most 1 MiB",
            MAX_RESULT_BYTES >> 20
        ),
        rusqlite::Error::SqliteFailure(_, Some(text)) | rusqlite::Error::ModuleError(text) => text.clone(),
        rusqlite::Error::MultipleStatement => "a query is one SELECT".into(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        error => error.to_string(),
    }
}

/// Lets `connection` do nothing but read tables and compute, within limits. To be called when its
/// functions are there.
///
/// SQLite asks before it does anything: a PRAGMA takes effect while the statement is prepared, in
/// the whole process.
pub(crate) fn restrict(connection: &mut Connection, own: &[&str]) -> Result<Refusal> {
    for (limit, value) in LIMITS {
        connection.set_limit(limit, value as c_int)?;
    }
    // Which functions there are, the library that is linked decides.
    static FUNCTIONS: OnceLock<HashSet<String>> = OnceLock::new();
    let functions = match FUNCTIONS.get() {
        Some(functions) => functions,
        None => {
            let found = harmless(connection, own)?;
            FUNCTIONS.get_or_init(|| found)
        }
    };
    let refusal = Refusal::default();
    let (refused, mut calls) = (refusal.clone(), 0);
    connection.authorizer(Some(move |asked: AuthContext<'_>| match asked.action {
        AuthAction::Select | AuthAction::Recursive => Authorization::Allow,
        // Of a table without columns in the query, its name may be one that the query gave it.
        AuthAction::Read { table_name, column_name }
            if column_name.is_empty() || TABLES.contains(&table_name) =>
        {
            Authorization::Allow
        }
        AuthAction::Read { table_name, .. } => {
            refused.because(format!("a query reads the table records, not {table_name}"))
        }
        AuthAction::Function { function_name } if functions.contains(&function_name.to_lowercase()) => {
            calls += 1;
            if calls <= MAX_CALLS {
                return Authorization::Allow;
            }
            refused.because(format!(
                "a query calls at most {MAX_CALLS} functions; ask for the rest in another one"
            ))
        }
        AuthAction::Function { function_name } => {
            refused.because(format!("a query cannot call the function {function_name}"))
        }
        _ => refused.because("a query is one SELECT".into()),
    }))?;
    Ok(refusal)
}

/// The functions without effects: the built-in ones that SQLite lets a schema call, and `own`.
/// Extensions have functions that handle pointers.
fn harmless(connection: &Connection, own: &[&str]) -> Result<HashSet<String>> {
    const DIRECT_ONLY: i64 = 0x8_0000;
    let sql = "SELECT DISTINCT lower(name) FROM pragma_function_list
               WHERE builtin AND flags & ?1 = 0 AND name NOT LIKE 'sqlite%'";
    let mut statement = connection.prepare(sql)?;
    let mut names =
        statement.query_map([DIRECT_ONLY], |row| row.get(0))?.collect::<Result<HashSet<String>>>()?;
    names.retain(|name| !SLOW_FUNCTIONS.contains(&name.as_str()));
    names.extend(own.iter().map(ToString::to_string));
    Ok(names)
}

/// Whether a query shall end: asked by SQLite between instructions, and by functions that take
/// long.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<Mutex<InterruptState>>);

struct InterruptState {
    interrupted: Box<dyn FnMut() -> bool + Send>,
    asked: Instant,
}

impl Interrupt {
    pub(crate) fn new(interrupted: impl FnMut() -> bool + Send + 'static) -> Interrupt {
        let interrupted = Box::new(interrupted);
        Interrupt(Arc::new(Mutex::new(InterruptState { interrupted, asked: Instant::now() })))
    }

    /// Has `connection` ask between instructions.
    pub(crate) fn watch(&self, connection: &mut Connection) -> Result<()> {
        let own = self.clone();
        connection.progress_handler(POLL_INSTRUCTIONS, Some(move || own.is_set()))
    }

    /// Whether to end the query; asks if the last answer is some time ago.
    pub(crate) fn is_set(&self) -> bool {
        let mut asking = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if asking.asked.elapsed() < ASK_INTERVAL {
            return false;
        }
        let answer = fork::outside(&mut asking.interrupted);
        asking.asked = Instant::now();
        answer
    }
}
