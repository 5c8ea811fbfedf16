//! The result of a query, row by row: a table for people, JSON or CSV.

mod csv;
mod json;
mod table;

use crate::failure::Failure;
use qorpus::{Corpus, RowReceiver, SelectedColumn, Value};
use std::io::Write;
use std::ops::ControlFlow;

/// A form of the result.
trait RowFormat {
    fn columns(&mut self, columns: &[SelectedColumn]) -> Result<(), Failure>;
    fn row(&mut self, row: Vec<Value>) -> Result<(), Failure>;
    /// Prints what is still kept.
    fn finish(&mut self) -> Result<(), Failure>;
}

/// A printer of rows, which keeps the failure that ended it.
pub(crate) struct RowPrinter<'a> {
    format: Box<dyn RowFormat + 'a>,
    failure: Option<Failure>,
}

impl<'a> RowPrinter<'a> {
    pub(crate) fn table(out: &'a mut dyn Write) -> RowPrinter<'a> {
        RowPrinter { format: Box::new(table::Table::new(out)), failure: None }
    }

    pub(crate) fn json(out: &'a mut dyn Write, corpus: &'a Corpus) -> RowPrinter<'a> {
        RowPrinter { format: Box::new(json::JsonLines::new(out, corpus.recipe())), failure: None }
    }

    pub(crate) fn csv(out: &'a mut dyn Write) -> RowPrinter<'a> {
        RowPrinter { format: Box::new(csv::Csv::new(out)), failure: None }
    }

    /// Prints what is still kept, and returns the failure if one ended the rows.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        match self.failure {
            Some(failure) => Err(failure),
            None => self.format.finish(),
        }
    }

    fn keep(&mut self, printed: Result<(), Failure>) -> ControlFlow<()> {
        match printed {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => {
                self.failure = Some(failure);
                ControlFlow::Break(())
            }
        }
    }
}

impl RowReceiver for RowPrinter<'_> {
    fn columns(&mut self, columns: &[SelectedColumn]) -> ControlFlow<()> {
        let printed = self.format.columns(columns);
        self.keep(printed)
    }

    fn row(&mut self, row: Vec<Value>) -> ControlFlow<()> {
        let printed = self.format.row(row);
        self.keep(printed)
    }
}
