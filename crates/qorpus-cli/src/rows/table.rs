//! Rows as a table for people, of bounded memory.

use crate::failure::Failure;
use crate::format::number;
use crate::rows::RowFormat;
use crate::text;
use qorpus::{SelectedColumn, Value};
use std::io::{self, Write};

/// The number of rows that are kept to find the widths of the columns. A wider cell in a later row
/// widens its column from there on.
const ROWS_KEPT: usize = 1000;

pub(super) struct Table<'a> {
    out: &'a mut dyn Write,
    kept: Vec<Vec<String>>,
    widths: Vec<usize>,
    /// For each column, whether a value so far was a text or a BLOB, which stand left.
    is_text: Vec<bool>,
    names: Vec<String>,
}

impl<'a> Table<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Table<'a> {
        Table { out, kept: Vec::new(), widths: Vec::new(), is_text: Vec::new(), names: Vec::new() }
    }

    fn print_kept(&mut self) -> io::Result<()> {
        for row in &self.kept {
            widen(&mut self.widths, row);
        }
        let names = std::mem::take(&mut self.names);
        if !names.is_empty() {
            text::columns::heads(self.out, &names, &self.widths, &self.is_text)?;
        }
        let (widths, is_text) = (&self.widths, &self.is_text);
        self.kept.drain(..).try_for_each(|row| text::columns::cells(self.out, &row, widths, is_text))
    }
}

fn widen(widths: &mut [usize], row: &[String]) {
    for (width, cell) in widths.iter_mut().zip(row) {
        *width = (*width).max(cell.chars().count());
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(value) => value.to_string(),
        Value::Real(value) => number(*value),
        Value::Text(text) => text::plain(text),
        Value::Blob(bytes) => format!("<BLOB of {} bytes>", bytes.len()),
    }
}

impl RowFormat for Table<'_> {
    fn columns(&mut self, columns: &[SelectedColumn]) -> Result<(), Failure> {
        self.names = columns.iter().map(|column| text::plain(&column.name)).collect();
        (self.widths, self.is_text) = (vec![0; columns.len()], vec![false; columns.len()]);
        widen(&mut self.widths, &self.names);
        Ok(())
    }

    fn row(&mut self, row: Vec<Value>) -> Result<(), Failure> {
        for (is_text, value) in self.is_text.iter_mut().zip(&row) {
            *is_text |= matches!(value, Value::Text(_) | Value::Blob(_));
        }
        self.kept.push(row.iter().map(cell).collect());
        if self.kept.len() >= ROWS_KEPT {
            self.print_kept()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.print_kept()?;
        Ok(self.out.flush()?)
    }
}
