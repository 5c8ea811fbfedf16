//! The column of labels: for each label its name, which records have it, and their values.

use crate::codec::chunk::{Damage, Decoded};
use crate::labels::builder::Labels;
use crate::labels::name::check_shape;
use crate::labels::value::{Label, LabelColumn};
use std::collections::BTreeMap;
use std::ops::Range;

/// Encodes the labels of the records `rows`; empty if they have none.
pub(crate) fn encode(labels: &Labels, rows: Range<usize>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, column) in labels.columns() {
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
        // Values end with the last record that has one.
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
                let texts = || rows.clone().map(|row| if present(row) { values[row].as_str() } else { "" });
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

/// Appends the smallest of the integers, a width in bytes, and the differences from the smallest in
/// that width: values that hardly vary in a chunk take hardly any space.
fn pack_integers(values: &[i64], present: &[bool], records: usize, out: &mut Vec<u8>) {
    let given = || values.iter().zip(present);
    let base = given().filter_map(|(&value, &present)| present.then_some(value)).min().unwrap_or(0);
    let above = |(&value, &present): (&i64, &bool)| {
        if present { value.wrapping_sub(base).cast_unsigned() } else { 0 }
    };
    let mut above: Vec<u64> = given().map(above).collect();
    above.resize(records, 0);
    pack_above(base, above.iter().copied(), out);
}

/// Appends a base, a width in bytes, and the values above the base in that width.
fn pack_above(base: i64, above: impl Iterator<Item = u64> + Clone, out: &mut Vec<u8>) {
    let width = match above.clone().max().unwrap_or(0) {
        0 => 0,
        1..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    };
    out.extend_from_slice(&base.to_le_bytes());
    out.push(width);
    // One loop for each width: a copy whose length is not known at compile time would be a call for
    // each value.
    match width {
        0 => {}
        1 => out.extend(above.map(|above| above as u8)),
        2 => above.for_each(|above| out.extend_from_slice(&(above as u16).to_le_bytes())),
        4 => above.for_each(|above| out.extend_from_slice(&(above as u32).to_le_bytes())),
        _ => above.for_each(|above| out.extend_from_slice(&above.to_le_bytes())),
    }
}

/// Appends a label that all records have, as [`encode`] does.
pub(crate) fn encode_numbers(name: &str, values: &[u32], out: &mut Vec<u8>) {
    out.push(name.len() as u8);
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    out.resize(out.len() + values.len() / 8, u8::MAX);
    out.extend((!values.len().is_multiple_of(8)).then(|| (1 << (values.len() % 8)) - 1));
    let base = values.iter().min().copied().unwrap_or(0);
    pack_above(base.into(), values.iter().map(|value| (value - base).into()), out);
}

/// The encoded labels of a chunk, decoded on demand.
#[derive(Debug, Clone, Default)]
pub struct PackedLabels<'a> {
    columns: Vec<PackedColumn<'a>>,
}

/// A column: which records have the label, and their values.
#[derive(Debug, Clone)]
struct PackedColumn<'a> {
    name: &'a str,
    present: &'a [u8],
    values: PackedValues<'a>,
}

#[derive(Debug, Clone, Copy)]
enum PackedValues<'a> {
    /// The smallest value, the width in bytes, and the differences from the smallest.
    Integers(i64, usize, &'a [u8]),
    Reals(&'a [[u8; 8]]),
    /// The end of each text in the last field.
    Texts(&'a [[u8; 4]], &'a str),
}

impl<'a> PackedLabels<'a> {
    /// Reads the column that [`encode`] wrote for `records` records.
    pub(crate) fn new(mut bytes: &'a [u8], records: usize) -> Decoded<PackedLabels<'a>> {
        let mut columns: Vec<PackedColumn<'a>> = Vec::new();
        let mut take = |len: usize| {
            let (taken, rest) = bytes.split_at_checked(len).ok_or(Damage::Labels)?;
            bytes = rest;
            Ok::<_, Damage>(taken)
        };
        while let Ok(length) = take(1) {
            let name = std::str::from_utf8(take(usize::from(length[0]))?).map_err(|_| Damage::Labels)?;
            let kind = take(1)?[0];
            let present = take(records.div_ceil(8))?;
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

    /// Returns the labels of the record at `row`, which must exist.
    ///
    /// # Errors
    /// [`Damage::Labels`] for a text that is not UTF-8 or out of bounds.
    pub fn get(&self, row: usize) -> Decoded<BTreeMap<String, Label>> {
        let has = |column: &&PackedColumn<'_>| column.present[row / 8] >> (row % 8) & 1 == 1;
        let there = self.columns.iter().filter(has);
        there.map(|column| Ok((column.name.to_owned(), column.values.get(row)?))).collect()
    }

    /// Returns the names of the labels that have reals.
    pub fn reals(&self) -> impl Iterator<Item = &'a str> {
        let is_real = |column: &&PackedColumn<'a>| matches!(column.values, PackedValues::Reals(_));
        self.columns.iter().filter(is_real).map(|column| column.name)
    }

    /// Checks that every label of every record can be read.
    ///
    /// # Errors
    /// [`Damage::Labels`] for a text that is not UTF-8 or out of bounds.
    pub fn check(&self) -> Decoded<()> {
        self.columns.iter().try_for_each(|column| match column.values {
            PackedValues::Texts(ends, _) => {
                (0..ends.len()).try_for_each(|row| column.values.get(row).map(drop))
            }
            _ => Ok(()),
        })
    }

    /// Returns the values of an integer label that every record of the chunk has.
    ///
    /// # Errors
    /// [`Damage::Labels`] if there is no such label, or some record lacks it.
    pub fn integers(&self, name: &str, records: usize) -> Decoded<impl Iterator<Item = i64> + use<'a>> {
        let column = self.columns.iter().find(|column| column.name == name).ok_or(Damage::Labels)?;
        let present = column.present;
        let records = 0..records;
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

/// Returns the integer at `row`, as [`pack_integers`] wrote it.
#[inline]
fn integer(base: i64, width: usize, values: &[u8], row: usize) -> i64 {
    // A copy of a length that is not known at compile time would be a call.
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
    fn get(self, row: usize) -> Decoded<Label> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_need_not_have_every_label() {
        let mut labels = Labels::default();
        labels.extend(1, &[("reward", Label::Integer(1).into())]).unwrap();
        labels.extend(2, &[]).unwrap();
        labels
            .extend(1, &[("by", Label::Text("λ".into()).into()), ("reward", Label::Real(0.5).into())])
            .unwrap();
        assert_eq!(labels.get(0), BTreeMap::from([("reward".into(), Label::Real(1.0))]));
        assert!(labels.get(1).is_empty() && labels.get(2).is_empty());
        assert_eq!(labels.get(3).len(), 2);
        let bytes = encode(&labels, 0..4);
        let packed = PackedLabels::new(&bytes, 4).unwrap();
        (0..4).for_each(|row| assert_eq!(packed.get(row).unwrap(), labels.get(row)));
        assert!(encode(&labels, 1..3).is_empty());
    }

    proptest! {
        #[test]
        fn numbers_are_encoded_as_integers(
            values in prop::collection::vec(prop_oneof![0..3u32, 0..300u32, any::<u32>()], 1..40),
        ) {
            let mut labels = Labels::default();
            let integers = values.iter().copied().map(i64::from).collect();
            labels.extend(values.len(), &[("some", LabelColumn::Integers(integers))]).unwrap();
            let mut bytes = Vec::new();
            encode_numbers("some", &values, &mut bytes);
            prop_assert_eq!(bytes, encode(&labels, 0..values.len()));
        }

        #[test]
        fn any_labels_come_back(rows in prop::collection::vec(
            (prop::option::of(any::<i64>()), prop::option::of(any::<f64>().prop_filter("NaN differs", |x| !x.is_nan())), prop::option::of(".{0,5}")), 0..40,
        ), cut in 0usize..40) {
            let mut labels = Labels::default();
            for (integer, real, text) in &rows {
                let mut given: Vec<(&str, LabelColumn)> = Vec::new();
                given.extend(integer.map(|value| ("i", Label::Integer(value).into())));
                given.extend(real.map(|value| ("r", Label::Real(value).into())));
                given.extend(text.clone().map(|value| ("t", Label::Text(value).into())));
                labels.extend(1, &given).unwrap();
            }
            let cut = cut.min(rows.len());
            for range in [0..cut, cut..rows.len()] {
                let bytes = encode(&labels, range.clone());
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
