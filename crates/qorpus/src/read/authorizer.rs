//! Limits of a query: the operations that SQLite may perform, and their size.

use crate::os::fork;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, Result};
use std::collections::HashSet;
use std::ffi::c_int;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The number of instructions of SQLite's virtual machine between two looks at the clock, and the
/// time after which a query asks whether to continue. An instruction may be a function call, which
/// cannot be interrupted.
const POLL_INSTRUCTIONS: c_int = 64;
const ASK_INTERVAL: Duration = Duration::from_millis(50);

/// The most bytes of a text, of a BLOB and of a row: a function over this many returns after about
/// ten milliseconds. A unitary has at most 1 MiB.
pub(crate) const MAX_RESULT_BYTES: usize = 8 << 20;

/// The most function calls in the text of a query, all of which may run between two looks at the
/// clock.
const MAX_CALLS: usize = 250;

/// The limits in addition to SQLite's own. An argument may cost as much as a call.
const LIMITS: [(Limit, usize); 4] = [
    (Limit::SQLITE_LIMIT_LENGTH, MAX_RESULT_BYTES),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 20),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
];

/// The tables of a query; the JSON tables let a parameter be a list. `pragma_...` tables are
/// excluded because reading them can change settings.
const TABLES: [&str; 5] = ["records", "json_each", "json_tree", "jsonb_each", "jsonb_tree"];

/// Functions of SQLite that take hours over a few megabytes and that no query of records needs.
const SLOW_FUNCTIONS: [&str; 3] = ["json_patch", "jsonb_patch", "unhex"];

/// The reason that a query was refused, which SQLite's own message lacks.
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

/// Returns SQLite's message, without the codes around it.
pub(crate) fn reason(error: &rusqlite::Error) -> String {
    match error {
        error if error.sqlite_error_code() == Some(ErrorCode::TooBig) => format!(
            "a text, BLOB or row of the query is too long; each may have at most {} MiB, and the query itself 1 MiB",
            MAX_RESULT_BYTES >> 20
        ),
        rusqlite::Error::SqliteFailure(_, Some(text)) | rusqlite::Error::ModuleError(text) => text.clone(),
        rusqlite::Error::MultipleStatement => "a query must be a single SELECT".into(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        error => error.to_string(),
    }
}

/// Restricts `connection` to reading tables and computing, within limits. Call after registering
/// its functions.
///
/// SQLite asks before it does anything: a PRAGMA takes effect while the statement is prepared, in
/// the whole process.
pub(crate) fn restrict(connection: &mut Connection, own: &[&str]) -> Result<Refusal> {
    for (limit, value) in LIMITS {
        connection.set_limit(limit, value as c_int)?;
    }
    // The available functions depend on the linked library.
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
        // For a table without columns in the query, the name may be an alias of the query.
        AuthAction::Read { table_name, column_name }
            if column_name.is_empty() || TABLES.contains(&table_name) =>
        {
            Authorization::Allow
        }
        AuthAction::Read { table_name, .. } => {
            refused.because(format!("a query can read the table records only, not {table_name}"))
        }
        AuthAction::Function { function_name } if functions.contains(&function_name.to_lowercase()) => {
            calls += 1;
            if calls <= MAX_CALLS {
                return Authorization::Allow;
            }
            refused.because(format!("a query may call at most {MAX_CALLS} functions; split it into several"))
        }
        AuthAction::Function { function_name } => {
            refused.because(format!("a query cannot call the function {function_name}"))
        }
        _ => refused.because("a query must be a single SELECT".into()),
    }))?;
    Ok(refusal)
}

/// Returns the functions without side effects: the built-in ones that a schema may call, and `own`.
/// Functions of extensions may handle pointers.
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

/// The flag to end a query, which SQLite checks between instructions, and slow functions check
/// while they run.
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

    /// Lets `connection` check the flag between instructions.
    pub(crate) fn watch(&self, connection: &mut Connection) -> Result<()> {
        let own = self.clone();
        connection.progress_handler(POLL_INSTRUCTIONS, Some(move || own.is_set()))
    }

    /// Returns whether to end the query; asks the caller if the last answer is old.
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
