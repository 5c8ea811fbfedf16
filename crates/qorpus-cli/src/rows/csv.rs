//! Rows as CSV: NULL is an empty field, and a BLOB its hexadecimal digits.

use crate::failure::Failure;
use crate::format::{hex, number};
use crate::rows::RowFormat;
use qorpus::{SelectedColumn, Value};
use std::io::{self, Write};

pub(super) struct Csv<'a>(csv::Writer<&'a mut dyn Write>);

impl<'a> Csv<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Csv<'a> {
        Csv(csv::Writer::from_writer(out))
    }
}

impl RowFormat for Csv<'_> {
    fn columns(&mut self, columns: &[SelectedColumn]) -> Result<(), Failure> {
        let names = columns.iter().map(|column| column.name.as_str());
        Ok(self.0.write_record(names).map_err(refused)?)
    }

    fn row(&mut self, row: Vec<Value>) -> Result<(), Failure> {
        let fields = row.into_iter().map(|value| match value {
            Value::Null => String::new(),
            Value::Integer(value) => value.to_string(),
            Value::Real(value) => number(value),
            Value::Text(text) => text,
            Value::Blob(bytes) => hex(&bytes),
        });
        Ok(self.0.write_record(fields.map(String::into_bytes)).map_err(refused)?)
    }

    fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.0.flush()?)
    }
}

/// Returns the system's refusal, such as a closed pipe, which the library hides in an error of its
/// own.
fn refused(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(refusal) => refusal,
        other => io::Error::other(format!("{other:?}")),
    }
}
