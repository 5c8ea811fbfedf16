//! Values of labels: integers, reals or texts, and which of them can share a column.

/// The largest integer up to which all have an exact binary64.
pub(crate) const MAX_EXACT_INTEGER: i64 = 1 << 53;

/// A label.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Label {
    /// A 64-bit integer.
    Integer(i64),
    /// A binary64 number.
    Real(f64),
    /// A text.
    Text(String),
}

/// A column of one label of some consecutive records.
#[derive(Debug, Clone, PartialEq)]
pub enum LabelColumn {
    /// 64-bit integers.
    Integers(Vec<i64>),
    /// Binary64 numbers.
    Reals(Vec<f64>),
    /// Texts.
    Texts(Vec<String>),
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Label::Integer(value) => value.fmt(f),
            Label::Real(value) => value.fmt(f),
            Label::Text(value) => value.fmt(f),
        }
    }
}

impl LabelColumn {
    /// Returns the number of records.
    pub fn len(&self) -> usize {
        match self {
            LabelColumn::Integers(values) => values.len(),
            LabelColumn::Reals(values) => values.len(),
            LabelColumn::Texts(values) => values.len(),
        }
    }

    /// Returns whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a label. Integers beside reals become reals.
    ///
    /// # Errors
    /// A clause about a text beside numbers, or a real beside integers that binary64 cannot hold
    /// exactly.
    pub fn push(&mut self, label: Label) -> std::result::Result<(), &'static str> {
        match (&mut *self, label) {
            (LabelColumn::Integers(values), Label::Integer(value)) => values.push(value),
            (LabelColumn::Reals(values), Label::Real(value)) => values.push(value),
            (LabelColumn::Texts(values), Label::Text(value)) => values.push(value),
            (_, label) => {
                let label = LabelColumn::from(label);
                self.kind().join(label.kind())?;
                self.append(&label);
            }
        }
        Ok(())
    }

    pub(crate) fn resize(&mut self, len: usize) {
        match self {
            LabelColumn::Integers(values) => values.resize(len, 0),
            LabelColumn::Reals(values) => values.resize(len, 0.0),
            LabelColumn::Texts(values) => values.resize(len, String::new()),
        }
    }

    pub(crate) fn get(&self, row: usize) -> Label {
        match self {
            LabelColumn::Integers(values) => Label::Integer(values[row]),
            LabelColumn::Reals(values) => Label::Real(values[row]),
            LabelColumn::Texts(values) => Label::Text(values[row].clone()),
        }
    }

    pub(crate) fn kind(&self) -> LabelKind {
        match self {
            LabelColumn::Integers(values)
                if values.iter().all(|value| (-MAX_EXACT_INTEGER..=MAX_EXACT_INTEGER).contains(value)) =>
            {
                LabelKind::Integer
            }
            LabelColumn::Integers(_) => LabelKind::LargeInteger,
            LabelColumn::Reals(_) => LabelKind::Real,
            LabelColumn::Texts(_) => LabelKind::Text,
        }
    }

    /// Appends `more`, whose kind must be compatible. Integers beside reals become reals.
    pub(crate) fn append(&mut self, more: &LabelColumn) {
        let reals = |values: &[i64]| values.iter().map(|&value| value as f64).collect::<Vec<_>>();
        match (&mut *self, more) {
            (LabelColumn::Integers(values), LabelColumn::Integers(more)) => values.extend(more),
            (LabelColumn::Reals(values), LabelColumn::Reals(more)) => values.extend(more),
            (LabelColumn::Texts(values), LabelColumn::Texts(more)) => values.extend_from_slice(more),
            (LabelColumn::Reals(values), LabelColumn::Integers(more)) => values.extend(reals(more)),
            (LabelColumn::Integers(values), LabelColumn::Reals(more)) => {
                let mut all = reals(values);
                all.extend(more);
                *self = LabelColumn::Reals(all);
            }
            _ => debug_assert!(false, "texts and numbers do not go together"),
        }
    }
}

/// The reason to refuse a text beside numbers, as the predicate of a sentence.
pub const TEXT_AND_NUMBER: &str = "is a text for some records and a number for others; use two names";

/// The kind of the values that one name has had so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum LabelKind {
    Integer,
    /// Integers of which some are not exact as reals.
    LargeInteger,
    /// Reals, perhaps beside integers.
    Real,
    Text,
}

impl LabelKind {
    /// Returns the kind of these values together with those of `other`.
    pub(crate) fn join(self, other: LabelKind) -> std::result::Result<LabelKind, &'static str> {
        match (self, other) {
            _ if self == other => Ok(self),
            (LabelKind::Text, _) | (_, LabelKind::Text) => Err(TEXT_AND_NUMBER),
            (LabelKind::Real, LabelKind::LargeInteger) | (LabelKind::LargeInteger, LabelKind::Real) => Err(
                "mixes reals with integers too large to be exact reals; give all values as integers or all as reals",
            ),
            (LabelKind::Real, _) | (_, LabelKind::Real) => Ok(LabelKind::Real),
            _ => Ok(LabelKind::LargeInteger),
        }
    }
}

impl From<Label> for LabelColumn {
    fn from(label: Label) -> LabelColumn {
        match label {
            Label::Integer(value) => LabelColumn::Integers(vec![value]),
            Label::Real(value) => LabelColumn::Reals(vec![value]),
            Label::Text(value) => LabelColumn::Texts(vec![value]),
        }
    }
}
