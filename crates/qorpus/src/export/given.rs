//! Labels that records brought with them, as columns of a table.

use crate::corpus::record::GivenLabels;
use crate::error::{Error, Result};
use crate::read::corpus::Corpus;
use qorpus_core::Label;
use std::ops::Range;
use std::path::Path;

/// Integers beyond this may have no exact binary64.
const EXACT: i64 = 1 << 53;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    /// Some record has a real; integers of others become reals.
    Real,
    Text,
}

/// A column of labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) kind: Kind,
}

impl Given {
    /// The columns of the chunks with these numbers, sorted by name, as in SQL.
    ///
    /// # Errors
    /// A chunk is damaged, or the file cannot be read.
    pub(super) fn of(corpus: &Corpus, numbers: Range<u64>) -> Result<Vec<Given>> {
        let kinds = corpus.label_kinds()?;
        let reals = match kinds.values().all(|&is_text| is_text) {
            true => Default::default(),
            false => corpus.real_labels(numbers)?,
        };
        let column = |(name, is_text): (String, bool)| {
            let kind = match (is_text, reals.contains(&name)) {
                (true, _) => Kind::Text,
                (false, true) => Kind::Real,
                (false, false) => Kind::Integer,
            };
            Given { name, kind }
        };
        Ok(kinds.into_iter().map(column).collect())
    }

    /// The label of a record, as a value of the column.
    ///
    /// # Errors
    /// [`Error::Export`] for an integer among reals that has no exact binary64.
    pub(super) fn value(&self, labels: &GivenLabels, out: &Path) -> Result<Option<Label>> {
        match (self.kind, labels.get(&self.name)) {
            (Kind::Real, Some(&Label::Integer(value))) if !(-EXACT..=EXACT).contains(&value) => {
                let reason = format!(
                    "label '{}' is a real for some records and {value} for another, which is not exact as a real; \
                     export to .csv instead",
                    self.name
                );
                Err(Error::Unsupported(out.into(), reason))
            }
            (Kind::Real, Some(&Label::Integer(value))) => Ok(Some(Label::Real(value as f64))),
            (_, label) => Ok(label.cloned()),
        }
    }
}

/// Refuses labels named like one of the other columns.
///
/// # Errors
/// [`Error::Export`].
pub(super) fn refuse_names(given: &[Given], others: &[String], out: &Path, other: &str) -> Result<()> {
    match given.iter().find(|column| others.contains(&column.name)) {
        None => Ok(()),
        Some(Given { name, .. }) => {
            let reason = format!(
                "label '{name}' has the name of another column of the file; export to {other} instead"
            );
            Err(Error::Unsupported(out.into(), reason))
        }
    }
}
