//! The table `qorpus` of other programs' SQLite connections: records of any corpus.
//!
//! `qorpus('demo.db')` has the columns that every corpus has. A virtual table that is created in
//! the schema `temp` has exactly the columns of `Corpus.sql`. Without a path, both read the main
//! database of the connection.

use crate::corpus::corpus_file::file_id;
use crate::error::{Error, Result};
use crate::qubit_order::Order;
use crate::read::corpus::Corpus;
use crate::read::record_columns::Columns;
use crate::read::record_cursor::{RecordCursor, caught, failed, plan};
use crate::read::record_source::{OneTable, RecordTable, TableOf};
use crate::read::unitary_functions::{self, Accepted};
use rusqlite::types::Value;
use rusqlite::vtab::{
    CreateVTab, IndexInfo, Module, VTab, VTabConfig, VTabConnection, VTabKind, dequote, sqlite3_vtab,
};
use rusqlite::{Connection, ffi};
use std::borrow::Cow;
use std::ffi::{CStr, OsString};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// The name of the table and of its module.
const NAME: &CStr = c"qorpus";

/// Adds the table `qorpus` and the functions `distance` and `fidelity` to the connection of another
/// program.
///
/// # Errors
/// SQLite refuses them.
pub fn add_to_connection(connection: &Connection) -> rusqlite::Result<()> {
    const MODULE: Module<'static, HostTable<'static>> = Module::read_only_module();
    unitary_functions::register(connection, &Accepted::Any)?;
    connection.create_module(NAME, &MODULE, None)
}

/// A path, the order of qubits, and the device and inode number of the file there.
type Opened = (PathBuf, Order, Option<(u64, u64)>);

/// The corpora that the arguments of a query name. The last one stays open.
struct AnyTable {
    /// The file of the connection's main database, if it has one.
    main: Option<PathBuf>,
    last: Mutex<Option<(Opened, Arc<RecordTable>)>>,
}

impl AnyTable {
    fn open(&self, path: Option<PathBuf>, order: Order, fresh: bool) -> Result<Arc<RecordTable>> {
        let main = || {
            let text = "this connection has no file; name a corpus: qorpus('demo.db')";
            self.main.clone().ok_or_else(|| Error::Usage(text.into()))
        };
        let path = path.map_or_else(main, Ok)?;
        // Another file may have taken its place.
        let opened = (path.clone(), order, file_id(&path));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, table)) = last.as_ref().filter(|(last, _)| *last == opened && !fresh) {
            return Ok(table.clone());
        }
        *last = None;
        let reader = Arc::new(Corpus::open(&[path])?);
        let table = Arc::new(RecordTable { reader, order });
        *last = Some((opened, table.clone()));
        Ok(table)
    }
}

impl TableOf for AnyTable {
    fn reopens(&self) -> bool {
        true
    }

    fn table(&self, corpus: Option<&Value>, order: Option<&Value>, fresh: bool) -> Result<Arc<RecordTable>> {
        let text = |value: Option<&Value>, what| match value.cloned() {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => {
                let found = other.data_type();
                Err(Error::Usage(format!(
                    "the {what} argument of qorpus() must be {}, not {found}",
                    meaning(what)
                )))
            }
        };
        let (corpus, order) = (text(corpus, "first")?, text(order, "second")?);
        self.open(corpus.map(PathBuf::from), order_of(order.as_deref())?, fresh)
    }
}

fn meaning(argument: &str) -> &'static str {
    if argument == "first" {
        "the path of a corpus, a text"
    } else {
        "the order of qubits, 'big' or 'little'"
    }
}

fn order_of(name: Option<&str>) -> Result<Order> {
    match name {
        None | Some("big") => Ok(Order::Big),
        Some("little") => Ok(Order::Little),
        Some(other) => Err(Error::Usage(format!(
            "the order of qubits must be 'big' or 'little', not '{}'",
            other.escape_debug()
        ))),
    }
}

/// Returns the file of the connection's main database; `None` for one in memory.
#[expect(unsafe_code, reason = "rusqlite has no function for the connection of a virtual table")]
fn main_file(connection: &mut VTabConnection) -> Option<PathBuf> {
    // SAFETY: SQLite calls with an open connection, and the name is a C string that is copied at
    // once.
    let name = unsafe {
        let name = ffi::sqlite3_db_filename(connection.handle(), c"main".as_ptr());
        if name.is_null() { c"" } else { CStr::from_ptr(name) }.to_bytes().to_vec()
    };
    (!name.is_empty()).then(|| PathBuf::from(OsString::from_vec(name)))
}

/// The table, connected to a query.
#[repr(C)]
struct HostTable<'vtab> {
    base: sqlite3_vtab,
    tables: Arc<dyn TableOf>,
    columns: Arc<Columns>,
    cursors: PhantomData<&'vtab ()>,
}

impl HostTable<'_> {
    /// Connects the table-valued function, if there is neither another name nor an argument, or
    /// else a created table.
    fn of(
        main: Option<PathBuf>,
        database: &[u8],
        name: &[u8],
        arguments: &[&[u8]],
    ) -> rusqlite::Result<Self> {
        let tables = AnyTable { main, last: Mutex::default() };
        if name.eq_ignore_ascii_case(NAME.to_bytes()) && arguments.is_empty() {
            return Ok(Self::new(Arc::new(tables), Columns::of_any()));
        }
        if !database.eq_ignore_ascii_case(b"temp") {
            let name = String::from_utf8_lossy(name);
            return Err(failed(Error::Usage(format!(
                "a table of records cannot be kept in a database file; create it with \
                 CREATE VIRTUAL TABLE temp.{name} USING qorpus(...)"
            ))));
        }
        let mut given = Vec::new();
        for argument in arguments {
            given.push(dequote(std::str::from_utf8(argument)?.trim()).into_owned());
        }
        let mut given = given.into_iter().filter(|argument| !argument.is_empty());
        let (path, order) = (given.next().map(PathBuf::from), given.next());
        if given.next().is_some() {
            let text =
                "qorpus(...) takes a path and the order of qubits, such as qorpus('demo.db', 'little')";
            return Err(failed(Error::Usage(text.into())));
        }
        let order = order_of(order.as_deref()).map_err(failed)?;
        let table = tables.open(path, order, true).map_err(failed)?;
        let columns = table.columns().map_err(failed)?;
        Ok(Self::new(Arc::new(OneTable(table)), columns))
    }

    fn new(tables: Arc<dyn TableOf>, columns: Columns) -> Self {
        let (base, columns) = (sqlite3_vtab::default(), Arc::new(columns));
        HostTable { base, tables, columns, cursors: PhantomData }
    }
}

#[expect(unsafe_code, reason = "a virtual table is an unsafe trait")]
// SAFETY: the struct is laid out by C's rules and begins with the base that SQLite uses.
unsafe impl<'vtab> VTab<'vtab> for HostTable<'vtab> {
    type Aux = ();
    type Cursor = RecordCursor<'vtab>;

    fn connect(
        connection: &mut VTabConnection,
        _aux: Option<&()>,
        _module: &[u8],
        database: &[u8],
        name: &[u8],
        arguments: &[&[u8]],
    ) -> rusqlite::Result<(Cow<'static, CStr>, Self)> {
        // A view or trigger in a foreign file must not read other files.
        connection.config(VTabConfig::DirectOnly)?;
        let main = main_file(connection);
        let table = caught(|| HostTable::of(main, database, name, arguments))?;
        Ok((Cow::Owned(table.columns.declaration()?), table))
    }

    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<bool> {
        caught(|| Ok(plan(&self.columns, info)))
    }

    fn open(&'vtab mut self) -> rusqlite::Result<RecordCursor<'vtab>> {
        Ok(RecordCursor::new(self.tables.clone(), self.columns.clone()))
    }
}

impl<'vtab> CreateVTab<'vtab> for HostTable<'vtab> {
    const KIND: VTabKind = VTabKind::Eponymous;
}
