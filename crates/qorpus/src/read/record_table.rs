//! The virtual table `records`: a row a record, from any source of records.

use crate::error::Result;
use crate::qubit_order::Order;
use crate::read::corpus::Corpus;
use crate::read::record_columns::Columns;
use crate::read::record_cursor::{RecordCursor, TableOf, caught, plan};
use crate::read::unitary_functions::Accepted;
use rusqlite::types::Value;
use rusqlite::vtab::{IndexInfo, VTab, VTabConfig, VTabConnection, sqlite3_vtab};
use std::borrow::Cow;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::sync::Arc;

/// The name of the table.
pub(crate) const TABLE: &CStr = c"records";

/// A corpus as a table, with unitaries in this order of qubits.
#[derive(Debug)]
pub(super) struct RecordTable {
    pub(super) reader: Arc<Corpus>,
    pub(super) order: Order,
}

impl RecordTable {
    /// Returns the columns that are exactly those of this corpus.
    pub(super) fn columns(&self) -> Result<Columns> {
        let labels: Vec<_> = self.reader.label_kinds()?.into_keys().collect();
        Ok(Columns::of(&self.reader, &labels))
    }

    /// Returns the unitaries that functions over the table accept.
    pub(super) fn accepted_unitaries(&self) -> Accepted {
        match self.reader.recipe().check_unitaries() {
            Ok(()) => Accepted::Dimension(self.reader.recipe().alphabet().dim()),
            Err(error) => Accepted::Nothing(error.to_string()),
        }
    }
}

/// The one table of a cursor.
pub(super) struct OneTable(pub(super) Arc<RecordTable>);

impl TableOf for OneTable {
    fn table(&self, _: Option<Value>, _: Option<Value>) -> Result<Arc<RecordTable>> {
        Ok(self.0.clone())
    }
}

/// A table with its columns.
pub(super) type NamedTable = (Arc<RecordTable>, Arc<Columns>);

/// The table, connected to a query.
#[repr(C)]
pub(super) struct ConnectedTable<'vtab> {
    base: sqlite3_vtab,
    table: NamedTable,
    cursors: PhantomData<&'vtab ()>,
}

#[expect(
    unsafe_code,
    reason = "a virtual table is an unsafe trait; a table of rows would be a copy of the corpus"
)]
// SAFETY: the struct is laid out by C's rules and begins with the base that SQLite uses.
unsafe impl<'vtab> VTab<'vtab> for ConnectedTable<'vtab> {
    type Aux = NamedTable;
    type Cursor = RecordCursor<'vtab>;

    fn connect(
        connection: &mut VTabConnection,
        table: Option<&NamedTable>,
        _module: &[u8],
        _database: &[u8],
        _name: &[u8],
        _arguments: &[&[u8]],
    ) -> rusqlite::Result<(Cow<'static, CStr>, Self)> {
        let table = table.cloned().ok_or_else(|| rusqlite::Error::ModuleError("no records".into()))?;
        connection.config(VTabConfig::DirectOnly)?;
        let declaration = table.1.declaration()?;
        let connected = ConnectedTable { base: sqlite3_vtab::default(), table, cursors: PhantomData };
        Ok((Cow::Owned(declaration), connected))
    }

    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<bool> {
        caught(|| Ok(plan(&self.table.1, info)))
    }

    fn open(&'vtab mut self) -> rusqlite::Result<RecordCursor<'vtab>> {
        let (table, columns) = self.table.clone();
        Ok(RecordCursor::new(Arc::new(OneTable(table)), columns))
    }
}
