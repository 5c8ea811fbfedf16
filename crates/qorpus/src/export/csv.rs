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
use crate::export::draft::{Draft, publish};
use crate::export::format::{Format, Source, doubles, floats, label_names, labels};
use crate::export::formulas::Formulas;
use crate::export::given::{Given, refuse_names};
use ::csv::{Writer, WriterBuilder};
use qorpus_core::Recipe;
use serde::Serialize;
use std::path::{Path, PathBuf};

struct Csv<'a> {
    recipe: &'a Recipe,
    given: Vec<Given>,
    out: PathBuf,
    writer: Writer<Draft>,
    formulas: Formulas,
}

/// # Errors
/// [`Error::Export`] if a label has the name of an entry of the unitary.
pub(super) fn open<'a>(source: &Source<'a>, out: &Path) -> Result<Box<dyn Format + 'a>> {
    let (recipe, given) = (source.corpus.recipe(), source.given.to_vec());
    let dim = recipe.alphabet().dim();
    let mut entries = Vec::new();
    for (row, column) in (0..dim).flat_map(|row| (0..dim).map(move |column| (row, column))) {
        entries.extend(["re", "im"].map(|part| format!("u_{row}_{column}_{part}")));
    }
    refuse_names(&given, &entries, out, ".parquet")?;
    let mut names = vec!["id".to_owned(), "circuit".to_owned()];
    names.extend(label_names(recipe.alphabet()));
    names.extend(given.iter().map(|column| column.name.clone()));
    names.extend(entries);
    let mut writer = WriterBuilder::new().has_headers(false).from_writer(Draft::create(out)?);
    writer.write_record(names).map_err(failed(out))?;
    let mut formulas = Formulas::default();
    formulas.look_at_names(&given, out);
    Ok(Box::new(Csv { recipe, given, out: out.into(), writer, formulas }))
}

impl Format for Csv<'_> {
    fn write(&mut self, batch: &Batch<'_>, given: &[GivenLabels]) -> Result<()> {
        // The precision decides how many digits a number has.
        match self.recipe.dtype() {
            qorpus_core::Dtype::Complex128 => self.write_rows(batch, given, doubles),
            qorpus_core::Dtype::Complex64 => self.write_rows(batch, given, floats),
        }
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let flushed = self.writer.into_inner().map_err(|error| io(&self.out, "write it")(error.into_error()));
        publish(vec![flushed?])
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
            labels(alphabet, circuit, &mut counts);
            entries.clear();
            entries.extend(numbers(unitary));
            let of_record = given.get(position);
            if let Some(labels) = of_record {
                self.formulas.look(batch.first_id + position as u64, labels, &self.out);
            }
            let given: Vec<_> = self
                .given
                .iter()
                .map(|column| of_record.and_then(|labels| labels.get(&column.name)))
                .collect();
            let row = (batch.first_id + position as u64, alphabet.text(circuit), &counts, given, &entries);
            self.writer.serialize(row).map_err(failed(&self.out))?;
        }
        Ok(())
    }
}

pub(super) fn failed(out: &Path) -> impl Fn(::csv::Error) -> Error {
    move |error| match error.into_kind() {
        ::csv::ErrorKind::Io(source) => io(out, "write it")(source),
        other => Error::Unsupported(out.into(), format!("{other:?}")),
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
