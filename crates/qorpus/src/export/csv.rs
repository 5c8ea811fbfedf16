//! `.csv`: a table for everything that reads text.
//!
//! Columns `id`, `circuit` (letters in time order, joined by `; `), `length`, `count_GATE` for
//! every gate, the labels that records brought with them, and the unitary row by row: `u_0_0_re`,
//! `u_0_0_im`, `u_0_1_re`, ... with the fewest digits that give the same number again, as binary64
//! or, if the corpus is complex64, binary32. A label that a record does not have is an empty field,
//! as is an empty text. Texts are written as they are, and of those that a spreadsheet takes for
//! formulas there is a warning.

use crate::corpus::record::GivenLabels;
use crate::corpus::scan::Batch;
use crate::error::{Error, Result, io};
use crate::export::format::{ExportSource, Format, count_gates, count_names, doubles, floats};
use crate::export::formulas::Formulas;
use crate::export::given::{GivenColumn, refuse_names};
use crate::os::atomic_file::{AtomicFile, publish_all};
use ::csv::{Writer, WriterBuilder};
use qorpus_core::{Dtype, Label, Recipe};
use serde::Serialize;
use std::path::{Path, PathBuf};

struct Csv<'a> {
    recipe: &'a Recipe,
    table: CsvTable,
}

/// # Errors
/// [`Error::Export`] if a label has the name of an entry of the unitary.
pub(super) fn open<'a>(source: &ExportSource<'a>, out: &Path) -> Result<Box<dyn Format + 'a>> {
    let (recipe, given) = (source.corpus.recipe(), source.given);
    let dim = recipe.alphabet().dim();
    let mut entries = Vec::new();
    for (row, column) in (0..dim).flat_map(|row| (0..dim).map(move |column| (row, column))) {
        entries.extend(["re", "im"].map(|part| format!("u_{row}_{column}_{part}")));
    }
    refuse_names(given, &entries, out, ".parquet")?;
    let before = std::iter::once("circuit".into()).chain(count_names(recipe.alphabet())).collect();
    Ok(Box::new(Csv { recipe, table: CsvTable::create(before, given, entries, out)? }))
}

impl Format for Csv<'_> {
    fn write(&mut self, batch: &Batch<'_>, given: &[GivenLabels]) -> Result<()> {
        // The precision decides how many digits a number has.
        match self.recipe.dtype() {
            Dtype::Complex128 => self.write_rows(batch, given, doubles),
            Dtype::Complex64 => self.write_rows(batch, given, floats),
        }
    }

    fn finish(self: Box<Self>) -> Result<()> {
        publish_all(vec![self.table.finish()?])
    }
}

impl Csv<'_> {
    fn write_rows<'b, N, I>(
        &mut self,
        batch: &Batch<'b>,
        given: &[GivenLabels],
        numbers: impl Fn(&'b [u8]) -> I,
    ) -> Result<()>
    where
        N: Serialize,
        I: Iterator<Item = N>,
    {
        let alphabet = self.recipe.alphabet();
        let unitaries = batch.unitaries.chunks_exact(alphabet.dim().pow(2) * self.recipe.dtype().bytes());
        let (mut counts, mut entries) = (Vec::new(), Vec::new());
        for (position, (circuit, unitary)) in batch.circuits.iter().zip(unitaries).enumerate() {
            count_gates(alphabet, circuit, &mut counts);
            entries.clear();
            entries.extend(numbers(unitary));
            let id = batch.first_id + position as u64;
            let given = self.table.fields(id, given.get(position));
            self.table.append((id, alphabet.text(circuit), &counts, given, &entries))?;
        }
        Ok(())
    }
}

/// A table being written, with a column for each label that records brought with them.
pub(super) struct CsvTable {
    given: Vec<GivenColumn>,
    out: PathBuf,
    writer: Writer<AtomicFile>,
    formulas: Formulas,
}

impl CsvTable {
    /// Creates a table of ids with columns before and behind those of labels.
    pub(super) fn create(
        before: Vec<String>,
        given: &[GivenColumn],
        behind: Vec<String>,
        out: &Path,
    ) -> Result<CsvTable> {
        let file = AtomicFile::create_partial(out)?;
        let mut writer = WriterBuilder::new().has_headers(false).from_writer(file);
        let labels = given.iter().map(|column| column.name.clone());
        let names = std::iter::once("id".into()).chain(before).chain(labels).chain(behind);
        writer.write_record(names.map(String::into_bytes)).map_err(failed(out))?;
        let mut formulas = Formulas::default();
        formulas.look_at_names(given, out);
        Ok(CsvTable { given: given.to_vec(), out: out.into(), writer, formulas })
    }

    /// Returns the labels of record `id`, one a column.
    pub(super) fn fields<'l>(&mut self, id: u64, labels: Option<&'l GivenLabels>) -> Vec<Option<&'l Label>> {
        labels.inspect(|labels| self.formulas.look(id, labels, &self.out));
        self.given.iter().map(|column| labels.and_then(|labels| labels.get(&column.name))).collect()
    }

    pub(super) fn append(&mut self, row: impl Serialize) -> Result<()> {
        self.writer.serialize(row).map_err(failed(&self.out))
    }

    pub(super) fn finish(self) -> Result<AtomicFile> {
        self.writer.into_inner().map_err(|error| io(&self.out, "write it")(error.into_error()))
    }
}

fn failed(out: &Path) -> impl Fn(::csv::Error) -> Error {
    move |error| match error.into_kind() {
        ::csv::ErrorKind::Io(source) => io(out, "write it")(source),
        other => Error::Export { path: out.into(), reason: format!("{other:?}") },
    }
}

#[cfg(test)]
mod tests {
    use crate::export::file::tests::{corpus, exported, recipes, records};
    use qorpus_core::Dtype;

    #[test]
    fn rows_hold_the_records() {
        for options in recipes() {
            let (directory, corpus) = corpus(&options);
            let out = exported(&corpus, &directory, "x.csv");
            let (alphabet, dim) = (corpus.recipe().alphabet(), corpus.recipe().alphabet().dim());
            let mut reader = ::csv::Reader::from_path(&out).unwrap();
            let names = reader.headers().unwrap().clone();
            let labels = 1 + alphabet.gates().len();
            assert_eq!(names.iter().take(3).collect::<Vec<_>>(), ["id", "circuit", "length"]);
            assert_eq!(names.len(), 2 + labels + 2 * dim * dim);
            assert_eq!(names.iter().nth(2 + labels + 2 * dim + 1), Some("u_1_0_im"));

            let rows: Vec<_> = reader.records().map(|row| row.unwrap()).collect();
            let records = records(&corpus);
            assert_eq!(rows.len(), records.len());
            for (row, record) in rows.iter().zip(&records) {
                assert_eq!(row[0], record.id.to_string());
                assert_eq!(row[1], alphabet.text(&record.circuit));
                for (name, value) in names.iter().zip(row).skip(2).take(labels) {
                    assert_eq!(value, record.labels[name].to_string(), "{name}");
                }
                let numbers = record.unitary.iter().flat_map(|entry| [entry.re, entry.im]);
                for (text, number) in row.iter().skip(2 + labels).zip(numbers) {
                    let read = match corpus.recipe().dtype() {
                        Dtype::Complex128 => text.parse().unwrap(),
                        Dtype::Complex64 => {
                            assert!(text.len() <= 14, "{text} has more digits than a binary32 needs");
                            f64::from(text.parse::<f32>().unwrap())
                        }
                    };
                    assert_eq!(read.to_bits(), number.to_bits(), "{text}");
                }
            }
        }
    }
}
