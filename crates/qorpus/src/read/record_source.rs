//! The records behind a table, which are known from the beginning or named by arguments.

use crate::error::Result;
use crate::qubit_order::Order;
use crate::read::corpus::Corpus;
use crate::read::record_columns::Columns;
use crate::read::unitary_functions::Accepted;
use rusqlite::types::Value;
use std::sync::Arc;

/// The table of a query: known when the table is connected, or determined by its arguments.
pub(super) trait TableOf: Send + Sync {
    /// Returns the table for these arguments; a `fresh` one is opened again, because another file may
    /// have taken the place of the one that is open.
    fn table(&self, corpus: Option<&Value>, order: Option<&Value>, fresh: bool) -> Result<Arc<RecordTable>>;

    /// Returns whether it opens fresh tables.
    fn reopens(&self) -> bool;
}

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
    fn table(&self, _: Option<&Value>, _: Option<&Value>, _: bool) -> Result<Arc<RecordTable>> {
        Ok(self.0.clone())
    }

    fn reopens(&self) -> bool {
        false
    }
}
