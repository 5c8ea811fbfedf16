//! Rows as JSON: an object per line. A unitary of the corpus has the form of `qorpus show --json`,
//! and another BLOB is a text of its hexadecimal digits.

use crate::failure::Failure;
use crate::format::{hex, number};
use crate::json::entries;
use crate::rows::RowFormat;
use qorpus::{Error, Recipe, SelectedColumn, Value};
use std::fmt::Write as _;
use std::io::Write;

pub(super) struct JsonLines<'a> {
    out: &'a mut dyn Write,
    recipe: &'a Recipe,
    columns: Vec<SelectedColumn>,
}

impl<'a> JsonLines<'a> {
    pub(super) fn new(out: &'a mut dyn Write, recipe: &'a Recipe) -> JsonLines<'a> {
        JsonLines { out, recipe, columns: Vec::new() }
    }

    /// Returns a unitary of the corpus; `None` for other bytes.
    fn unitary(&self, column: &SelectedColumn, bytes: &[u8]) -> Option<serde_json::Value> {
        let (recipe, dtype) = (self.recipe, self.recipe.dtype());
        let is_whole = bytes.len() == recipe.unitary_entries() * dtype.bytes();
        (column.is_unitary && is_whole).then(|| entries(&dtype.decode(bytes), recipe.alphabet().dim()))
    }
}

impl RowFormat for JsonLines<'_> {
    fn columns(&mut self, columns: &[SelectedColumn]) -> Result<(), Failure> {
        self.columns = columns.to_vec();
        for (place, SelectedColumn { name, .. }) in columns.iter().enumerate() {
            if columns[..place].iter().any(|column| column.name == *name) {
                let text = format!(
                    "two columns are named '{name}', which JSON cannot tell apart; rename one with AS"
                );
                return Err(Error::Usage(text).into());
            }
        }
        Ok(())
    }

    fn row(&mut self, row: Vec<Value>) -> Result<(), Failure> {
        let mut line = String::from("{");
        for (column, value) in self.columns.iter().zip(row) {
            let value = match value {
                Value::Null => "null".into(),
                Value::Integer(value) => value.to_string(),
                Value::Real(value) => number(value),
                Value::Text(text) => serde_json::Value::from(text).to_string(),
                Value::Blob(bytes) => match self.unitary(column, &bytes) {
                    Some(unitary) => unitary.to_string(),
                    None => format!("\"{}\"", hex(&bytes)),
                },
            };
            let (comma, name) = (if line.len() > 1 { "," } else { "" }, &column.name);
            // Writing to a text cannot fail.
            let _ = write!(line, "{comma}{}:{value}", serde_json::Value::from(name.as_str()));
        }
        Ok(writeln!(self.out, "{line}}}")?)
    }

    fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }
}
