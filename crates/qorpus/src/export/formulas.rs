//! Labels that a spreadsheet takes for formulas.
//!
//! A CSV file has no types: what begins with one of a few signs, a spreadsheet computes, and a
//! formula may read other cells, ask other machines and run programs. A sign in front would protect
//! whoever opens the file so, and change the label for all programs that read it. So texts are
//! written as they are, and people are told.

use crate::corpus::record::GivenLabels;
use crate::export::given::GivenColumn;
use qorpus_core::Label;
use std::path::Path;

/// What a formula may begin with.
const SIGNS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Whether people were told: once a file.
#[derive(Default)]
pub(super) struct Formulas(bool);

impl Formulas {
    /// Warns of the names of columns.
    pub(super) fn look_at_names(&mut self, given: &[GivenColumn], out: &Path) {
        if let Some(column) = given.iter().find(|column| column.name.starts_with(SIGNS)) {
            self.tell(out, format_args!("the name of the label '{}'", column.name.escape_debug()));
        }
    }

    /// Warns of the labels of a record.
    pub(super) fn look(&mut self, id: u64, labels: &GivenLabels, out: &Path) {
        if self.0 {
            return;
        }
        let is_formula = |label: &Label| matches!(label, Label::Text(text) if text.starts_with(SIGNS));
        if let Some((name, _)) = labels.iter().find(|(_, label)| is_formula(label)) {
            self.tell(out, format_args!("label '{}' of record {id}", name.escape_debug()));
        }
    }

    fn tell(&mut self, out: &Path, which: std::fmt::Arguments<'_>) {
        self.0 = true;
        tracing::warn!(
            "{}: {which} begins like a formula, which a spreadsheet may run; open the file in one only with its columns \
             imported as text, or export to .parquet",
            out.display()
        );
    }
}
