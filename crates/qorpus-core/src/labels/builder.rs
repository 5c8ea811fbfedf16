//! Labels: what people say about their records, kept as named columns of integers, reals or texts.

use crate::codec::chunk::Damage;
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// A name takes at most this many bytes.
const NAME_BYTES: usize = 64;

/// The most labels that the records of a corpus have.
pub const MAX_LABELS: usize = 255;

/// An integer beyond this may have no exact binary64.
const EXACT: i64 = 1 << 53;

/// Columns that every record has without anyone saying so.
const RESERVED: [&str; 4] = ["id", "circuit", "unitary", "length"];

/// One label.
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

/// One label of some consecutive records.
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
    /// The number of records.
    pub fn len(&self) -> usize {
        match self {
            LabelColumn::Integers(values) => values.len(),
            LabelColumn::Reals(values) => values.len(),
            LabelColumn::Texts(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends one label, if it goes with those that are there; integers beside reals become reals.
    ///
    /// # Errors
    /// A text beside numbers, or a real beside integers that cannot be reals; the text says so.
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

    fn resize(&mut self, len: usize) {
        match self {
            LabelColumn::Integers(values) => values.resize(len, 0),
            LabelColumn::Reals(values) => values.resize(len, 0.0),
            LabelColumn::Texts(values) => values.resize(len, String::new()),
        }
    }

    fn get(&self, row: usize) -> Label {
        match self {
            LabelColumn::Integers(values) => Label::Integer(values[row]),
            LabelColumn::Reals(values) => Label::Real(values[row]),
            LabelColumn::Texts(values) => Label::Text(values[row].clone()),
        }
    }

    fn kind(&self) -> LabelKind {
        match self {
            LabelColumn::Integers(values) if values.iter().all(|value| (-EXACT..=EXACT).contains(value)) => {
                LabelKind::Integer
            }
            LabelColumn::Integers(_) => LabelKind::LargeInteger,
            LabelColumn::Reals(_) => LabelKind::Real,
            LabelColumn::Texts(_) => LabelKind::Text,
        }
    }

    /// Appends `more`, whose kind goes with this one's; integers beside reals become reals.
    fn append(&mut self, more: &LabelColumn) {
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

/// Why a value does not go with others of its name.
pub const TEXT_AND_NUMBER: &str = "is a text for some records and a number for others; use two names";

/// What the values of one name have been so far.
#[derive(Debug, Clone, Copy, PartialEq)]
enum LabelKind {
    Integer,
    /// Integers of which some are not exact as reals.
    LargeInteger,
    /// Reals, perhaps beside integers.
    Real,
    Text,
}

impl LabelKind {
    /// What they are with those of `other`.
    fn join(self, other: LabelKind) -> std::result::Result<LabelKind, &'static str> {
        match (self, other) {
            _ if self == other => Ok(self),
            (LabelKind::Text, _) | (_, LabelKind::Text) => Err(TEXT_AND_NUMBER),
            (LabelKind::Real, LabelKind::LargeInteger) | (LabelKind::LargeInteger, LabelKind::Real) => {
                Err("mixes reals with integers too large to be reals; give all of them as one kind")
            }
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

/// The labels of some consecutive records; a record need not have every label.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    records: usize,
    columns: BTreeMap<String, SparseColumn>,
    /// Also of records that were taken away.
    kinds: BTreeMap<String, LabelKind>,
}

/// Values up to the last record that has one, and for each whether the record has it.
#[derive(Debug, Clone, PartialEq)]
struct SparseColumn {
    values: LabelColumn,
    present: Vec<bool>,
}

impl Labels {
    /// Labels that go with those of other records: of each name it is known whether its values are texts.
    pub fn beside(known: impl IntoIterator<Item = (String, bool)>) -> Labels {
        let kind = |is_text| if is_text { LabelKind::Text } else { LabelKind::Integer };
        let kinds = known.into_iter().map(|(name, is_text)| (name, kind(is_text))).collect();
        Labels { kinds, ..Labels::default() }
    }

    /// Adds `records` records with these labels, each with a value for each of them.
    ///
    /// # Errors
    /// [`Error::Label`] for a name that cannot be, a column of another length, or values that do not go together, also
    /// with those of records that were [taken](Labels::take) away; then nothing is added.
    pub fn extend(&mut self, records: usize, labels: &[(&str, LabelColumn)]) -> Result<()> {
        let refused = |name: &str, reason: String| Error::Label { name: name.into(), reason };
        let (mut kinds, mut names) = (Vec::with_capacity(labels.len()), self.kinds.len());
        for (place, (name, more)) in labels.iter().enumerate() {
            if more.len() != records {
                let reason = format!("has {} values for {records} records", more.len());
                return Err(refused(name, reason));
            }
            let earlier = || labels[..place].iter().map(|(earlier, _)| *earlier);
            if earlier().any(|earlier| earlier == *name) {
                return Err(refused(name, "is given twice".into()));
            }
            if let Some(known) = self.kinds.get(*name) {
                let joined = known.join(more.kind());
                kinds.push(joined.map_err(|reason| refused(name, reason.into()))?);
            } else {
                check_name(name)?;
                let mut others = self.kinds.keys().map(String::as_str).chain(earlier());
                if let Some(other) = others.find(|other| is_one_in_sql(other, name)) {
                    return Err(refused(name, letter_case_clash(other)));
                }
                names += 1;
                if names > MAX_LABELS {
                    return Err(refused(name, format!("would be one label more than {MAX_LABELS}")));
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

    /// Takes all records away. What values its names can have does not change.
    #[must_use]
    pub fn take(&mut self) -> Labels {
        let kinds = std::mem::take(&mut self.kinds);
        std::mem::replace(self, Labels { kinds, ..Labels::default() })
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.records
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The names, sorted, and for each whether its values are texts.
    pub fn names(&self) -> impl Iterator<Item = (&str, bool)> {
        let is_text = |column: &SparseColumn| matches!(column.values, LabelColumn::Texts(_));
        self.columns.iter().map(move |(name, column)| (name.as_str(), is_text(column)))
    }

    /// The labels of the record at `row`.
    pub fn get(&self, row: usize) -> BTreeMap<String, Label> {
        let has = |column: &&SparseColumn| column.present.get(row) == Some(&true);
        let there = self.columns.iter().filter(|(_, column)| has(column));
        there.map(|(name, column)| (name.clone(), column.values.get(row))).collect()
    }

    /// About how many bytes the labels of the record at `row` take.
    pub fn row_bytes(&self, row: usize) -> usize {
        let bytes = |column: &SparseColumn| match &column.values {
            LabelColumn::Texts(texts) => texts.get(row).map_or(4, |text| text.len() + 4),
            _ => 8,
        };
        self.columns.values().map(bytes).sum()
    }

    /// About how many bytes the label columns of the records take.
    pub fn bytes(&self) -> usize {
        let bytes = |column: &SparseColumn| match &column.values {
            LabelColumn::Texts(texts) => texts.iter().map(|text| text.len() + 4).sum(),
            numbers => numbers.len() * 8,
        };
        self.columns.values().map(bytes).sum()
    }

    /// The labels of the records `rows` as bytes; empty if they have none.
    pub(crate) fn encode(&self, rows: std::ops::Range<usize>) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, column) in &self.columns {
            let present = |row: usize| column.present.get(row) == Some(&true);
            if !rows.clone().any(present) {
                continue;
            }
            let kind = match column.values {
                LabelColumn::Integers(_) => 0,
                LabelColumn::Reals(_) => 1,
                LabelColumn::Texts(_) => 2,
            };
            out.push(name.len() as u8);
            out.extend_from_slice(name.as_bytes());
            out.push(kind);
            // Behind the last record that has one, there is nothing.
            let there = rows.start.min(column.present.len())..rows.end.min(column.present.len());
            let bits = column.present[there.clone()].chunks(8).map(|bits| {
                bits.iter().enumerate().fold(0, |byte, (bit, &present)| byte | u8::from(present) << bit)
            });
            let start = out.len();
            out.extend(bits);
            out.resize(start + rows.len().div_ceil(8), 0);
            match &column.values {
                LabelColumn::Integers(values) => {
                    pack_integers(&values[there.clone()], &column.present[there], rows.len(), &mut out);
                }
                LabelColumn::Reals(values) => rows.clone().for_each(|row| {
                    out.extend_from_slice(&if present(row) { values[row] } else { 0.0 }.to_le_bytes());
                }),
                LabelColumn::Texts(values) => {
                    let texts =
                        || rows.clone().map(|row| if present(row) { values[row].as_str() } else { "" });
                    let mut end = 0u32;
                    for text in texts() {
                        end += text.len() as u32;
                        out.extend_from_slice(&end.to_le_bytes());
                    }
                    texts().for_each(|text| out.extend_from_slice(text.as_bytes()));
                }
            }
        }
        out
    }
}

/// Appends the smallest of the integers, a width in bytes, and how much larger each one is in so many bytes: what is as good
/// as constant in a chunk takes as good as no room.
fn pack_integers(values: &[i64], present: &[bool], records: usize, out: &mut Vec<u8>) {
    let given = || values.iter().zip(present);
    let base = given().filter_map(|(&value, &present)| present.then_some(value)).min().unwrap_or(0);
    let above = |(&value, &present): (&i64, &bool)| {
        if present { value.wrapping_sub(base).cast_unsigned() } else { 0 }
    };
    let mut above: Vec<u64> = given().map(above).collect();
    above.resize(records, 0);
    let width = match above.iter().max().copied().unwrap_or(0) {
        0 => 0,
        1..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    };
    out.extend_from_slice(&base.to_le_bytes());
    out.push(width);
    // One loop for each width: a copy of so many bytes as are only known later would be a call for each value.
    match width {
        0 => {}
        1 => out.extend(above.iter().map(|&above| above as u8)),
        2 => above.iter().for_each(|&above| out.extend_from_slice(&(above as u16).to_le_bytes())),
        4 => above.iter().for_each(|&above| out.extend_from_slice(&(above as u32).to_le_bytes())),
        _ => above.iter().for_each(|above| out.extend_from_slice(&above.to_le_bytes())),
    }
}

/// The labels of the records of a chunk as it keeps them: read where they are asked for.
#[derive(Debug, Clone, Default)]
pub struct PackedLabels<'a> {
    columns: Vec<PackedColumn<'a>>,
}

/// One label: which records have it, and their values.
#[derive(Debug, Clone)]
struct PackedColumn<'a> {
    name: &'a str,
    present: &'a [u8],
    values: PackedValues<'a>,
}

#[derive(Debug, Clone, Copy)]
enum PackedValues<'a> {
    /// The smallest, how many bytes each takes, and how much larger they are.
    Integers(i64, usize, &'a [u8]),
    Reals(&'a [[u8; 8]]),
    /// Where each text ends in the last one.
    Texts(&'a [[u8; 4]], &'a str),
}

impl<'a> PackedLabels<'a> {
    /// What [`encode`](Labels::encode) wrote of `records` records.
    pub(crate) fn new(mut bytes: &'a [u8], records: usize) -> std::result::Result<PackedLabels<'a>, Damage> {
        let mut columns: Vec<PackedColumn<'a>> = Vec::new();
        let mut take = |len: usize| {
            let (taken, rest) = bytes.split_at_checked(len).ok_or(Damage::Labels)?;
            bytes = rest;
            Ok::<_, Damage>(taken)
        };
        while let Ok(length) = take(1) {
            let name = std::str::from_utf8(take(usize::from(length[0]))?).map_err(|_| Damage::Labels)?;
            let (kind, present) = (take(1)?[0], take(records.div_ceil(8))?);
            let size = records.checked_mul(8).ok_or(Damage::Labels)?;
            let values = match kind {
                0 => {
                    let base: [u8; 8] = take(8)?.try_into().map_err(|_| Damage::Labels)?;
                    let width = match take(1)?[0] {
                        width @ (0 | 1 | 2 | 4 | 8) => usize::from(width),
                        _ => return Err(Damage::Labels),
                    };
                    PackedValues::Integers(i64::from_le_bytes(base), width, take(size / 8 * width)?)
                }
                1 => PackedValues::Reals(take(size)?.as_chunks().0),
                2 => {
                    let (ends, _) = take(size / 2)?.as_chunks::<4>();
                    let texts = take(ends.last().map_or(0, |end| u32::from_le_bytes(*end) as usize))?;
                    PackedValues::Texts(ends, std::str::from_utf8(texts).map_err(|_| Damage::Labels)?)
                }
                _ => return Err(Damage::Labels),
            };
            if check_shape(name).is_err() || columns.last().is_some_and(|last| last.name >= name) {
                return Err(Damage::Labels);
            }
            columns.push(PackedColumn { name, present, values });
        }
        Ok(PackedLabels { columns })
    }

    /// The labels of the record at `row`, which there must be.
    ///
    /// # Errors
    /// [`Damage::Labels`] for a text that is none.
    pub fn get(&self, row: usize) -> std::result::Result<BTreeMap<String, Label>, Damage> {
        let has = |column: &&PackedColumn<'_>| column.present[row / 8] >> (row % 8) & 1 == 1;
        let there = self.columns.iter().filter(has);
        there.map(|column| Ok((column.name.to_owned(), column.values.get(row)?))).collect()
    }

    /// The names of the labels that some record has as a real.
    pub fn reals(&self) -> impl Iterator<Item = &'a str> {
        let is_real = |column: &&PackedColumn<'a>| matches!(column.values, PackedValues::Reals(_));
        self.columns.iter().filter(is_real).map(|column| column.name)
    }

    /// Whether every label of every record can be read.
    ///
    /// # Errors
    /// [`Damage::Labels`] for a text that is none.
    pub fn check(&self) -> std::result::Result<(), Damage> {
        self.columns.iter().try_for_each(|column| match column.values {
            PackedValues::Texts(ends, _) => {
                (0..ends.len()).try_for_each(|row| column.values.get(row).map(drop))
            }
            _ => Ok(()),
        })
    }

    /// The values of an integer label that every record of the chunk has.
    ///
    /// # Errors
    /// [`Damage::Labels`] if there is no such label, or some record lacks it.
    pub fn integers(
        &self,
        name: &str,
        records: usize,
    ) -> std::result::Result<impl Iterator<Item = i64> + use<'a>, Damage> {
        let column = self.columns.iter().find(|column| column.name == name).ok_or(Damage::Labels)?;
        let (present, records) = (column.present, 0..records);
        match column.values {
            PackedValues::Integers(base, width, values)
                if records.clone().all(|row| present[row / 8] >> (row % 8) & 1 == 1) =>
            {
                Ok(records.map(move |row| integer(base, width, values, row)))
            }
            _ => Err(Damage::Labels),
        }
    }
}

/// See [`pack_integers`].
fn integer(base: i64, width: usize, values: &[u8], row: usize) -> i64 {
    // A copy of so many bytes would be a call.
    let bytes = &values[row * width..][..width];
    let above = match *bytes {
        [] => 0,
        [byte] => byte.into(),
        [a, b] => u16::from_le_bytes([a, b]).into(),
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]).into(),
        _ => bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)),
    };
    base.wrapping_add(above.cast_signed())
}

impl PackedValues<'_> {
    fn get(self, row: usize) -> std::result::Result<Label, Damage> {
        Ok(match self {
            PackedValues::Integers(base, width, values) => Label::Integer(integer(base, width, values, row)),
            PackedValues::Reals(values) => Label::Real(f64::from_le_bytes(values[row])),
            PackedValues::Texts(ends, texts) => {
                let end = |row: usize| u32::from_le_bytes(ends[row]) as usize;
                let start = if row == 0 { 0 } else { end(row - 1) };
                Label::Text(texts.get(start..end(row)).ok_or(Damage::Labels)?.to_owned())
            }
        })
    }
}

impl SparseColumn {
    /// An empty column of the kind of `other`.
    fn like(other: &LabelColumn) -> SparseColumn {
        let values = match other {
            LabelColumn::Integers(_) => LabelColumn::Integers(Vec::new()),
            LabelColumn::Reals(_) => LabelColumn::Reals(Vec::new()),
            LabelColumn::Texts(_) => LabelColumn::Texts(Vec::new()),
        };
        SparseColumn { values, present: Vec::new() }
    }

    /// Makes it as long as `records` with records that do not have the label.
    fn pad(&mut self, records: usize) {
        self.values.resize(records);
        self.present.resize(records, false);
    }
}

/// Whether SQL takes two names for one: it does not tell the case of the letters A to Z.
fn is_one_in_sql(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Why a label cannot have a name that differs from another one's by letter case alone.
pub fn letter_case_clash(other: &str) -> String {
    format!(
        "differs from the label '{other}' by letter case alone, which SQL does not see; choose another name"
    )
}

/// Refuses what cannot be the name of a new label.
fn check_name(name: &str) -> Result<()> {
    check_shape(name)?;
    let is_count = name.get(..6).is_some_and(|begin| is_one_in_sql(begin, "count_"));
    if is_count || RESERVED.iter().any(|reserved| is_one_in_sql(reserved, name)) {
        let reason = "every record has that already, and SQL does not see letter case; choose another name";
        return Err(Error::Label { name: name.into(), reason: reason.into() });
    }
    Ok(())
}

/// Refuses what no file has as the name of a label.
fn check_shape(name: &str) -> Result<()> {
    let reason = match name {
        "" => "a label needs a name",
        name if name.len() > NAME_BYTES => "a name takes at most 64 bytes",
        name if name.chars().any(char::is_control) => "a name has no control characters",
        name if RESERVED.contains(&name) || name.starts_with("count_") => {
            "every record has that already; choose another name"
        }
        _ => return Ok(()),
    };
    Err(Error::Label { name: name.into(), reason: reason.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(label: Label) -> LabelColumn {
        label.into()
    }

    #[test]
    fn records_need_not_have_every_label() {
        let mut labels = Labels::default();
        labels.extend(1, &[("reward", one(Label::Integer(1)))]).unwrap();
        labels.extend(2, &[]).unwrap();
        labels.extend(1, &[("by", one(Label::Text("λ".into()))), ("reward", one(Label::Real(0.5)))]).unwrap();
        assert_eq!(labels.get(0), BTreeMap::from([("reward".into(), Label::Real(1.0))]));
        assert!(labels.get(1).is_empty() && labels.get(2).is_empty());
        assert_eq!(labels.get(3).len(), 2);
        let bytes = labels.encode(0..4);
        let packed = PackedLabels::new(&bytes, 4).unwrap();
        (0..4).for_each(|row| assert_eq!(packed.get(row).unwrap(), labels.get(row)));
        assert!(labels.encode(1..3).is_empty());
    }

    #[test]
    fn refusals_change_nothing() {
        let mut labels = Labels::default();
        labels
            .extend(1, &[("a", one(Label::Integer(i64::MAX))), ("t", one(Label::Text("x".into())))])
            .unwrap();
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
            let given = [("fine", one(Label::Integer(3))), (name, one(value))];
            assert!(matches!(labels.extend(1, &given), Err(Error::Label { .. })), "{name}");
            assert_eq!(labels, before);
        }
        let long = "x".repeat(65);
        assert!(labels.extend(1, &[(&long, one(Label::Integer(1)))]).is_err());
        assert!(labels.extend(2, &[("b", one(Label::Integer(1)))]).is_err());
        assert!(labels.extend(1, &[("b", one(Label::Integer(1))), ("b", one(Label::Integer(1)))]).is_err());
        assert_eq!(labels, before);
    }

    #[test]
    fn names_that_sql_takes_for_one_are_refused() {
        let number = || one(Label::Integer(1));
        let mut labels = Labels::beside([("Depth".to_owned(), false), ("depth".to_owned(), false)]);
        labels.extend(1, &[("seed", number())]).unwrap();
        for name in ["Seed", "SEED", "ID", "Id", "Length", "Circuit", "UNITARY", "COUNT_h", "Count_", "DEPTH"]
        {
            assert!(matches!(labels.extend(1, &[(name, number())]), Err(Error::Label { .. })), "{name}");
        }
        let both = [("gate", number()), ("Gate", number())];
        assert!(labels.extend(1, &both).unwrap_err().to_string().contains("the label 'gate'"));
        // Other letters have their case, and labels that a file had before go on.
        labels
            .extend(1, &[("é", number()), ("É", number()), ("Depth", number()), ("depth", number())])
            .unwrap();
        let bytes = labels.encode(0..2);
        assert_eq!(PackedLabels::new(&bytes, 2).unwrap().get(1).unwrap().len(), 4);
    }

    #[test]
    fn what_goes_together_does_not_depend_on_when_records_are_taken() {
        let given = |label: Label| [("a", one(label))];
        for (first, second) in [
            (Label::Integer(1), Label::Text("x".into())),
            (Label::Real(0.5), Label::Integer(EXACT + 1)),
            (Label::Integer(EXACT + 1), Label::Real(0.5)),
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
        let mixed = [("a", one(Label::Real(0.5))), ("id", one(Label::Integer(1)))];
        assert!(labels.extend(1, &mixed).is_err());
        assert_eq!(labels.get(0), BTreeMap::from([("a".into(), Label::Integer(1))]));
    }

    proptest! {
        #[test]
        fn any_labels_come_back(rows in prop::collection::vec(
            (prop::option::of(any::<i64>()), prop::option::of(any::<f64>().prop_filter("NaN differs", |x| !x.is_nan())), prop::option::of(".{0,5}")), 0..40,
        ), cut in 0usize..40) {
            let mut labels = Labels::default();
            for (integer, real, text) in &rows {
                let mut given: Vec<(&str, LabelColumn)> = Vec::new();
                given.extend(integer.map(|value| ("i", one(Label::Integer(value)))));
                given.extend(real.map(|value| ("r", one(Label::Real(value)))));
                given.extend(text.clone().map(|value| ("t", one(Label::Text(value)))));
                labels.extend(1, &given).unwrap();
            }
            let cut = cut.min(rows.len());
            for range in [0..cut, cut..rows.len()] {
                let bytes = labels.encode(range.clone());
                let packed = PackedLabels::new(&bytes, range.len()).unwrap();
                for row in range.clone() {
                    prop_assert_eq!(packed.get(row - range.start).unwrap(), labels.get(row));
                }
            }
        }

        #[test]
        fn hostile_bytes_never_panic(bytes: Vec<u8>, records in 0usize..20) {
            if let Ok(packed) = PackedLabels::new(&bytes, records) {
                (0..records).for_each(|row| drop(packed.get(row)));
            }
        }
    }
}
