//! Rows as a table for people, of bounded memory.

use crate::failure::Failure;
use crate::format::number;
use crate::rows::RowFormat;
use crate::text::{NAME, plain};
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
            let heads = line(&names, &self.widths, &self.is_text);
            writeln!(self.out, "{NAME}{heads}{NAME:#}")?;
        }
        let (widths, is_text) = (&self.widths, &self.is_text);
        self.kept.drain(..).try_for_each(|row| writeln!(self.out, "{}", line(&row, widths, is_text)))
    }
}

fn widen(widths: &mut [usize], row: &[String]) {
    for (width, cell) in widths.iter_mut().zip(row) {
        *width = (*width).max(cell.chars().count());
    }
}

/// Formats a row: texts stand left, numbers right.
fn line(cells: &[String], widths: &[usize], is_text: &[bool]) -> String {
    let cells = cells.iter().zip(widths).zip(is_text).map(|((cell, &width), is_text)| match is_text {
        true => format!("{cell:<width$}"),
        false => format!("{cell:>width$}"),
    });
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(value) => value.to_string(),
        Value::Real(value) => number(*value),
        Value::Text(text) => plain(text),
        Value::Blob(bytes) => format!("<BLOB of {} bytes>", bytes.len()),
    }
}

impl RowFormat for Table<'_> {
    fn columns(&mut self, columns: &[SelectedColumn]) -> Result<(), Failure> {
        self.names = columns.iter().map(|column| plain(&column.name)).collect();
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
