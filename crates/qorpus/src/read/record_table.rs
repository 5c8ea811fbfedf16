//! The virtual table `records`: a row a record, from any source of records.

use crate::read::record_columns::Columns;
use crate::read::record_cursor::{RecordCursor, caught, plan};
use crate::read::record_source::{OneTable, RecordTable};
use rusqlite::vtab::{IndexInfo, VTab, VTabConfig, VTabConnection, sqlite3_vtab};
use std::borrow::Cow;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::sync::Arc;

/// The name of the table.
pub(crate) const TABLE: &CStr = c"records";

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
