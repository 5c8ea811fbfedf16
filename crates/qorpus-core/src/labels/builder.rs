//! Builders of labels: columns of values for consecutive records.

use crate::error::Result;
use crate::labels::name::{check_name, is_one_in_sql, letter_case_clash, refused};
use crate::labels::value::{Label, LabelColumn, LabelKind};
use std::collections::BTreeMap;

/// The most labels of a corpus.
pub const MAX_LABELS: usize = 255;

/// The labels of some consecutive records; a record need not have every label.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    records: usize,
    columns: BTreeMap<String, SparseColumn>,
    /// The kinds of all values so far, including records that were taken.
    kinds: BTreeMap<String, LabelKind>,
}

/// The values up to the last record that has one, and for each record whether it has one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SparseColumn {
    pub(crate) values: LabelColumn,
    pub(crate) present: Vec<bool>,
}

impl Labels {
    /// Returns an empty builder for records beside others with `known` labels, given as names and
    /// whether their values are texts.
    pub fn beside(known: impl IntoIterator<Item = (String, bool)>) -> Labels {
        let kind = |is_text| if is_text { LabelKind::Text } else { LabelKind::Integer };
        let kinds = known.into_iter().map(|(name, is_text)| (name, kind(is_text))).collect();
        Labels { kinds, ..Labels::default() }
    }

    /// Appends `records` records, with a column of that many values for each label.
    ///
    /// # Errors
    /// [`Error::Unusable`](crate::Error::Unusable) for an invalid name, a column of another length,
    /// or values of incompatible kinds, also with records that were [taken](Labels::take). Then
    /// nothing is appended.
    pub fn extend(&mut self, records: usize, labels: &[(&str, LabelColumn)]) -> Result<()> {
        let mut kinds = Vec::with_capacity(labels.len());
        let mut names = self.kinds.len();
        for (place, (name, more)) in labels.iter().enumerate() {
            if more.len() != records {
                let reason = format!("it has {} values for {records} records", more.len());
                return Err(refused(name, reason));
            }
            let earlier = || labels[..place].iter().map(|(earlier, _)| *earlier);
            if earlier().any(|earlier| earlier == *name) {
                return Err(refused(name, "it is given twice"));
            }
            if let Some(known) = self.kinds.get(*name) {
                let joined = known.join(more.kind());
                kinds.push(joined.map_err(|reason| refused(name, format!("it {reason}")))?);
            } else {
                check_name(name)?;
                let mut others = self.kinds.keys().map(String::as_str).chain(earlier());
                if let Some(other) = others.find(|other| is_one_in_sql(other, name)) {
                    return Err(refused(name, letter_case_clash(other)));
                }
                names += 1;
                if names > MAX_LABELS {
                    return Err(refused(
                        name,
                        format!("a corpus has at most {MAX_LABELS} labels, and this would be one more"),
                    ));
                }
                kinds.push(more.kind());
            }
        }
        if records == 0 {
            return Ok(());
        }
        for ((name, more), kind) in labels.iter().zip(kinds) {
            if let Some(known) = self.kinds.get_mut(*name) {
                *known = kind;
            } else {
                self.kinds.insert((*name).to_owned(), kind);
            }
            if !self.columns.contains_key(*name) {
                self.columns.insert((*name).to_owned(), SparseColumn::like(more));
            }
            if let Some(column) = self.columns.get_mut(*name) {
                column.pad(self.records);
                column.values.append(more);
                column.present.resize(self.records + records, true);
            }
        }
        self.records += records;
        Ok(())
    }

    /// Removes and returns all records. The kinds of the labels are kept.
    #[must_use]
    pub fn take(&mut self) -> Labels {
        let kinds = std::mem::take(&mut self.kinds);
        std::mem::replace(self, Labels { kinds, ..Labels::default() })
    }

    /// Returns the number of records.
    pub fn len(&self) -> usize {
        self.records
    }

    /// Returns whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Returns the names, sorted, each with whether its values are texts.
    pub fn names(&self) -> impl Iterator<Item = (&str, bool)> {
        let is_text = |column: &SparseColumn| matches!(column.values, LabelColumn::Texts(_));
        self.columns.iter().map(move |(name, column)| (name.as_str(), is_text(column)))
    }

    /// Returns the labels of the record at `row`.
    pub fn get(&self, row: usize) -> BTreeMap<String, Label> {
        let has = |column: &&SparseColumn| column.present.get(row) == Some(&true);
        let there = self.columns.iter().filter(|(_, column)| has(column));
        there.map(|(name, column)| (name.clone(), column.values.get(row))).collect()
    }

    /// Returns the columns by their names, sorted.
    pub(crate) fn columns(&self) -> &BTreeMap<String, SparseColumn> {
        &self.columns
    }

    /// Returns the approximate size in bytes of the labels of the record at `row`.
    pub fn row_bytes(&self, row: usize) -> usize {
        let bytes = |column: &SparseColumn| match &column.values {
            LabelColumn::Texts(texts) => texts.get(row).map_or(4, |text| text.len() + 4),
            _ => 8,
        };
        self.columns.values().map(bytes).sum()
    }

    /// Returns the approximate size in bytes of the labels of all records.
    pub fn bytes(&self) -> usize {
        let bytes = |column: &SparseColumn| match &column.values {
            LabelColumn::Texts(texts) => texts.iter().map(|text| text.len() + 4).sum(),
            numbers => numbers.len() * 8,
        };
        self.columns.values().map(bytes).sum()
    }
}

impl SparseColumn {
    /// Returns an empty column of the type of `other`.
    fn like(other: &LabelColumn) -> SparseColumn {
        let values = match other {
            LabelColumn::Integers(_) => LabelColumn::Integers(Vec::new()),
            LabelColumn::Reals(_) => LabelColumn::Reals(Vec::new()),
            LabelColumn::Texts(_) => LabelColumn::Texts(Vec::new()),
        };
        SparseColumn { values, present: Vec::new() }
    }

    /// Extends the column to `records` records without the label.
    fn pad(&mut self, records: usize) {
        self.values.resize(records);
        self.present.resize(records, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::labels::value::MAX_EXACT_INTEGER;

    #[test]
    fn refusals_change_nothing() {
        let mut labels = Labels::default();
        let first = [("a", Label::Integer(i64::MAX).into()), ("t", Label::Text("x".into()).into())];
        labels.extend(1, &first).unwrap();
        let before = labels.clone();
        for (name, value) in [
            ("a", Label::Real(0.5)),
            ("a", Label::Text("no".into())),
            ("t", Label::Integer(1)),
            ("", Label::Integer(1)),
            ("length", Label::Integer(1)),
            ("count_h", Label::Integer(1)),
            ("new\nline", Label::Integer(1)),
        ] {
            let given = [("fine", Label::Integer(3).into()), (name, value.into())];
            assert!(matches!(labels.extend(1, &given), Err(Error::Unusable { .. })), "{name}");
            assert_eq!(labels, before);
        }
        let long = "x".repeat(65);
        assert!(labels.extend(1, &[(&long, Label::Integer(1).into())]).is_err());
        assert!(labels.extend(2, &[("b", Label::Integer(1).into())]).is_err());
        let twice = [("b", Label::Integer(1).into()), ("b", Label::Integer(1).into())];
        assert!(labels.extend(1, &twice).is_err());
        assert_eq!(labels, before);
    }

    #[test]
    fn names_that_sql_takes_for_one_are_refused() {
        let number = || Label::Integer(1).into();
        let mut labels = Labels::beside([("Depth".to_owned(), false), ("depth".to_owned(), false)]);
        labels.extend(1, &[("seed", number())]).unwrap();
        for name in ["Seed", "SEED", "ID", "Id", "Length", "Circuit", "UNITARY", "COUNT_h", "Count_", "DEPTH"]
        {
            assert!(matches!(labels.extend(1, &[(name, number())]), Err(Error::Unusable { .. })), "{name}");
        }
        let both = [("gate", number()), ("Gate", number())];
        assert!(labels.extend(1, &both).unwrap_err().to_string().contains("the label 'gate'"));
        // Other letters have their case, and labels that a file had before keep theirs.
        let fine = ["é", "É", "Depth", "depth"].map(|name| (name, number()));
        labels.extend(1, &fine).unwrap();
        assert_eq!(labels.get(1).len(), 4);
    }

    #[test]
    fn what_goes_together_does_not_depend_on_when_records_are_taken() {
        let given = |label: Label| [("a", label.into())];
        for (first, second) in [
            (Label::Integer(1), Label::Text("x".into())),
            (Label::Real(0.5), Label::Integer(MAX_EXACT_INTEGER + 1)),
            (Label::Integer(MAX_EXACT_INTEGER + 1), Label::Real(0.5)),
        ] {
            let mut labels = Labels::default();
            labels.extend(1, &given(first.clone())).unwrap();
            assert!(labels.extend(1, &given(second.clone())).is_err());
            assert_eq!(labels.take().get(0), BTreeMap::from([("a".into(), first.clone())]));
            assert!(labels.is_empty() && labels.extend(1, &given(second)).is_err());
            labels.extend(1, &given(first)).unwrap();
        }
        let mut labels = Labels::default();
        labels.extend(1, &given(Label::Integer(1))).unwrap();
        let mixed = [("a", Label::Real(0.5).into()), ("id", Label::Integer(1).into())];
        assert!(labels.extend(1, &mixed).is_err());
        assert_eq!(labels.get(0), BTreeMap::from([("a".into(), Label::Integer(1))]));
    }
}
