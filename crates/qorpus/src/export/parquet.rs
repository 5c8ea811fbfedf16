//! `.parquet`: a table for dataframes.
//!
//! | column | type | contents |
//! | --- | --- | --- |
//! | `id` | int64 | |
//! | `circuit` | string | the letters in time order, joined by `; ` |
//! | `angles`, only if gates have free angles | list of float64 | the angles in radians, in the order of the letters |
//! | `length` | int32 | the number of letters |
//! | `count_GATE`, one a gate | int32 | how often it occurs |
//! | a label that records brought with them, by its name | int64, float64 or string | null if a record does not have it |
//! | `unitary` | list of fixed size of float64, or float32 if the corpus is complex64 | 2·d·d numbers: row-major, each entry's real part, then its imaginary part |
//!
//! Without circuits, `circuit` and `length` are null. Without unitaries, `unitary` is a list of
//! variable size and null.
//!
//! The file's metadata repeats this and holds recipe, recipe hash and content hash.

use crate::corpus::corpus_file::Summary;
use crate::corpus::record::GivenLabels;
use crate::corpus::scan::Batch;
use crate::error::{Error, Result, io};
use crate::export::format::{ExportSource, Format, count_gates, count_names, doubles, floats};
use crate::export::given::{ColumnType, GivenColumn};
use crate::os::atomic_file::{AtomicFile, publish_all};
use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::Compression;
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use arrow_array::builder::{Float64Builder, ListBuilder};
use arrow_array::{
    ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch,
    StringArray,
};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use qorpus_core::{Circuit, Circuits, Dtype, Label, Recipe};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A row group is kept in memory until it is written.
const ROW_GROUP_BYTES: usize = 64 << 20;

struct Parquet<'a> {
    recipe: &'a Recipe,
    given: Vec<GivenColumn>,
    out: PathBuf,
    writer: ArrowWriter<AtomicFile>,
    schema: SchemaRef,
    entry: FieldRef,
    /// The number of records at the start, and their content hash.
    content: (u64, String),
    written: u64,
}

pub(super) fn open<'a>(source: &ExportSource<'a>, out: &Path) -> Result<Box<dyn Format + 'a>> {
    let (recipe, summary, given) = (source.corpus.recipe(), source.summary, source.given.to_vec());
    let number = match recipe.dtype() {
        Dtype::Complex128 => DataType::Float64,
        Dtype::Complex64 => DataType::Float32,
    };
    let entry = Arc::new(Field::new("element", number, false));
    let is_null = !recipe.space().has_circuits();
    let mut fields =
        vec![Field::new("id", DataType::Int64, false), Field::new("circuit", DataType::Utf8, is_null)];
    if recipe.alphabet().has_free_angles() {
        fields.push(Field::new("angles", DataType::List(angle_field()), false));
    }
    let names = count_names(recipe.alphabet());
    fields.extend(names.into_iter().map(|name| Field::new(name, DataType::Int32, is_null)));
    fields.extend(given.iter().map(|column| Field::new(&column.name, data_type(column.column_type), true)));
    fields.push(match recipe.has_unitaries() {
        true => Field::new("unitary", DataType::FixedSizeList(entry.clone(), numbers(recipe)), false),
        false => Field::new("unitary", DataType::List(entry.clone()), true),
    });
    let schema = Arc::new(Schema::new(fields));
    let properties = WriterProperties::builder()
        .set_created_by(format!("qorpus {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_key_value_metadata(Some(metadata(recipe, summary)))
        .build();
    let writer = ArrowWriter::try_new(AtomicFile::create_partial(out)?, schema.clone(), Some(properties));
    Ok(Box::new(Parquet {
        recipe,
        given,
        out: out.into(),
        writer: writer.map_err(failed(out))?,
        schema,
        entry,
        content: (summary.records, summary.content_hash.to_string()),
        written: 0,
    }))
}

impl Format for Parquet<'_> {
    fn write(&mut self, batch: &Batch<'_>, given: &[GivenLabels]) -> Result<()> {
        self.written += batch.circuits.len() as u64;
        let given = self.given.iter().map(|column| values(column, given, &self.out));
        let given = given.collect::<Result<Vec<_>>>()?;
        let rows = self.rows(batch, given).map_err(failed(&self.out))?;
        self.writer.write(&rows).map_err(failed(&self.out))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let (records, hash) = self.content;
        // If records were added since, the hash of the exported ones is unknown.
        if self.written == records {
            self.writer.append_key_value_metadata(KeyValue::new("content_hash".into(), hash));
        }
        publish_all(vec![self.writer.into_inner().map_err(failed(&self.out))?])
    }
}

impl Parquet<'_> {
    fn rows(
        &self,
        batch: &Batch<'_>,
        given: Vec<ArrayRef>,
    ) -> std::result::Result<RecordBatch, ParquetError> {
        let alphabet = self.recipe.alphabet();
        // A recipe has at most 2^63 records.
        let ids = (0..batch.circuits.len()).map(|position| (batch.first_id + position as u64) as i64);
        let has_circuits = self.recipe.space().has_circuits();
        let text = |circuit: Circuit<'_>| alphabet.text(circuit.letters, circuit.angles);
        let texts = batch.circuits.circuits().map(|circuit| has_circuits.then(|| text(circuit)));
        let mut counts = vec![Vec::with_capacity(batch.circuits.len()); 1 + alphabet.gates().len()];
        let mut row = Vec::new();
        for circuit in batch.circuits.iter() {
            count_gates(alphabet, circuit, &mut row);
            let counts = counts.iter_mut().zip(&row);
            counts.for_each(|(column, &count)| column.push(has_circuits.then_some(count)));
        }
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from_iter_values(ids)), Arc::new(StringArray::from_iter(texts))];
        if alphabet.has_free_angles() {
            columns.push(angle_lists(batch.circuits));
        }
        columns.extend(counts.into_iter().map(|column| Arc::new(Int32Array::from(column)) as ArrayRef));
        columns.extend(given);
        columns.push(self.unitaries(batch)?);
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    fn unitaries(&self, batch: &Batch<'_>) -> std::result::Result<ArrayRef, ParquetError> {
        let entry = self.entry.clone();
        if !self.recipe.has_unitaries() {
            return Ok(Arc::new(ListArray::new_null(entry, batch.circuits.len())));
        }
        let entries: ArrayRef = match self.recipe.dtype() {
            Dtype::Complex128 => Arc::new(Float64Array::from_iter_values(doubles(batch.unitaries))),
            Dtype::Complex64 => Arc::new(Float32Array::from_iter_values(floats(batch.unitaries))),
        };
        Ok(Arc::new(FixedSizeListArray::try_new(entry, numbers(self.recipe), entries, None)?))
    }
}

fn angle_field() -> FieldRef {
    Arc::new(Field::new("element", DataType::Float64, false))
}

/// Returns the angles of circuits, a list each.
fn angle_lists(circuits: &Circuits) -> ArrayRef {
    let mut lists = ListBuilder::new(Float64Builder::new()).with_field(angle_field());
    for circuit in circuits.circuits() {
        lists.values().append_slice(circuit.angles);
        lists.append(true);
    }
    Arc::new(lists.finish())
}

fn data_type(column: ColumnType) -> DataType {
    match column {
        ColumnType::Integer => DataType::Int64,
        ColumnType::Real => DataType::Float64,
        ColumnType::Text => DataType::Utf8,
    }
}

/// Returns a column of labels, with null for each record that does not have this one.
fn values(column: &GivenColumn, records: &[GivenLabels], out: &Path) -> Result<ArrayRef> {
    let values = records.iter().map(|labels| column.value(labels, out)).collect::<Result<Vec<_>>>()?;
    Ok(match column.column_type {
        ColumnType::Integer => Arc::new(Int64Array::from_iter(values.iter().map(|value| match value {
            Some(Label::Integer(value)) => Some(*value),
            _ => None,
        }))),
        ColumnType::Real => Arc::new(Float64Array::from_iter(values.iter().map(|value| match value {
            Some(Label::Real(value)) => Some(*value),
            _ => None,
        }))),
        ColumnType::Text => Arc::new(StringArray::from_iter(values.iter().map(|value| match value {
            Some(Label::Text(value)) => Some(value.as_str()),
            _ => None,
        }))),
    })
}

/// Returns the number of real numbers of a unitary: at most 2^17, on eight qubits.
fn numbers(recipe: &Recipe) -> i32 {
    2 << (2 * recipe.alphabet().qubits())
}

/// Returns the metadata that describe the file.
fn metadata(recipe: &Recipe, summary: &Summary) -> Vec<KeyValue> {
    let (dim, dtype) = (recipe.alphabet().dim(), recipe.dtype().name());
    let (circuit, phase) = if recipe.space().has_circuits() {
        ("letters (a gate and its qubits) in time order, joined by '; '", "the one the gates define")
    } else {
        ("null: the unitaries are Haar-random and have no circuits", "random")
    };
    let unitary = match recipe.has_unitaries() {
        true => format!(
            "{dim} x {dim} {dtype}, row-major, each entry as its real part and its imaginary part; qubit 0 is the \
             most significant bit of a row's or column's number; the global phase is {phase}"
        ),
        false => "null: on more than 8 qubits there are only circuits".into(),
    };
    let entries = [
        ("circuit", circuit.into()),
        ("unitary", unitary),
        ("recipe", recipe.to_json()),
        ("recipe_hash", summary.recipe_hash.clone()),
    ];
    entries.into_iter().map(|(key, value)| KeyValue::new(key.into(), value)).collect()
}

fn failed(out: &Path) -> impl Fn(ParquetError) -> Error {
    move |error| match error {
        ParquetError::External(source) if source.is::<std::io::Error>() => match source.downcast() {
            Ok(source) => io(out, "write it")(*source),
            Err(source) => Error::Unsupported(out.into(), source.to_string()),
        },
        other => Error::Unsupported(out.into(), other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::file::tests::{corpus, exported, recipes, records, unfinished};
    use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
    use qorpus_core::Label;
    use std::collections::BTreeMap;
    use std::fs::File;

    /// The rows, and the file's metadata.
    fn read(path: &Path) -> (Vec<RecordBatch>, BTreeMap<String, String>) {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        let entries = builder.metadata().file_metadata().key_value_metadata().unwrap();
        let metadata =
            entries.iter().map(|entry| (entry.key.clone(), entry.value.clone().unwrap())).collect();
        (builder.build().unwrap().map(|rows| rows.unwrap()).collect(), metadata)
    }

    #[test]
    fn rows_hold_the_records() {
        for options in recipes() {
            let (directory, corpus) = corpus(&options);
            let (batches, metadata) = read(&exported(&corpus, &directory, "x.parquet"));
            let (recipe, summary) = (corpus.recipe(), corpus.summary().unwrap());
            assert_eq!(metadata["recipe"], recipe.to_json());
            assert_eq!(metadata["recipe_hash"], summary.recipe_hash);
            assert_eq!(metadata["content_hash"], summary.content_hash.to_string());
            assert!(metadata["unitary"].contains("row-major"));

            let records = records(&corpus);
            assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), records.len());
            let mut expected = records.iter();
            for rows in &batches {
                let column = |name: &str| rows.column_by_name(name).unwrap();
                for row in 0..rows.num_rows() {
                    let record = expected.next().unwrap();
                    assert_eq!(column("id").as_primitive::<Int64Type>().value(row) as u64, record.id);
                    let text = recipe.alphabet().text(&record.circuit, &record.angles);
                    assert_eq!(column("circuit").as_string::<i32>().value(row), text);
                    for (name, value) in &record.labels {
                        let found = column(name).as_primitive::<Int32Type>().value(row).into();
                        assert_eq!(Label::Integer(found), *value);
                    }
                    let unitary = column("unitary").as_fixed_size_list().value(row);
                    let numbers: Vec<f64> = match unitary.data_type() {
                        DataType::Float32 => {
                            let numbers = unitary.as_primitive::<Float32Type>().values();
                            numbers.iter().map(|&number| number.into()).collect()
                        }
                        _ => unitary.as_primitive::<Float64Type>().values().to_vec(),
                    };
                    let entries = record.unitary.iter().flat_map(|entry| [entry.re, entry.im]);
                    assert_eq!(numbers, entries.collect::<Vec<_>>());
                    let single = unitary.data_type() == &DataType::Float32;
                    assert_eq!(single, recipe.dtype() == Dtype::Complex64);
                }
            }
        }
    }

    #[test]
    fn an_unfinished_corpus_keeps_its_ids() {
        let (directory, corpus) = unfinished();
        let (batches, metadata) = read(&exported(&corpus, &directory, "x.parquet"));
        let ids = |rows: &RecordBatch| rows.column(0).as_primitive::<Int64Type>().values().to_vec();
        let ids: Vec<_> = batches.iter().flat_map(ids).collect();
        let (summary, chunk) = (corpus.summary().unwrap(), corpus.recipe().chunk_ids(1));
        assert_eq!(ids, (chunk.start as i64..).take(summary.records as usize).collect::<Vec<_>>());
        assert_eq!(metadata["content_hash"], summary.content_hash.to_string());
    }
}
