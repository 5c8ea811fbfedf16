//! Labels that came with the records, as columns of a table.

use crate::corpus::record::GivenLabels;
use crate::error::{Error, Result};
use crate::read::corpus::Corpus;
use qorpus_core::Label;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

/// The largest integer up to which all have an exact binary64.
const MAX_EXACT: i64 = 1 << 53;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnType {
    Integer,
    /// Some record has a real; the integers of others become reals.
    Real,
    Text,
}

/// A column of labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GivenColumn {
    pub(super) name: String,
    pub(super) column_type: ColumnType,
}

impl GivenColumn {
    /// Returns the columns of the chunks with these numbers, sorted by name, as in SQL.
    ///
    /// # Errors
    /// A chunk is damaged, or the file cannot be read.
    pub(super) fn of(corpus: &Corpus, numbers: Range<u64>) -> Result<Vec<GivenColumn>> {
        let kinds = corpus.label_kinds()?;
        let has_numbers = kinds.values().any(|&is_text| !is_text);
        let reals = if has_numbers { corpus.real_labels(numbers)? } else { BTreeSet::new() };
        let column = |(name, is_text): (String, bool)| {
            let column_type = match (is_text, reals.contains(&name)) {
                (true, _) => ColumnType::Text,
                (false, true) => ColumnType::Real,
                (false, false) => ColumnType::Integer,
            };
            GivenColumn { name, column_type }
        };
        Ok(kinds.into_iter().map(column).collect())
    }

    /// Returns the label of a record, as a value of the column.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an integer among reals that has no exact binary64.
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "only Parquet has types of columns"))]
    pub(super) fn value(&self, labels: &GivenLabels, out: &Path) -> Result<Option<Label>> {
        match (self.column_type, labels.get(&self.name)) {
            (ColumnType::Real, Some(&Label::Integer(value)))
                if !(-MAX_EXACT..=MAX_EXACT).contains(&value) =>
            {
                let reason = format!(
                    "label '{}' is a real for some records and {value} for another, which binary64 cannot hold \
                     exactly; export to .csv instead",
                    self.name
                );
                Err(Error::Unsupported(out.into(), reason))
            }
            (ColumnType::Real, Some(&Label::Integer(value))) => Ok(Some(Label::Real(value as f64))),
            (_, label) => Ok(label.cloned()),
        }
    }
}
