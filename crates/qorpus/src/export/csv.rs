//! `.csv`: a table for everything that reads text.
//!
//! Columns `id`, `circuit` (letters in time order, joined by `; `), `length`, `count_GATE` for
//! every gate, the labels that came with the records, and the unitary row by row: `u_0_0_re`,
//! `u_0_0_im`, `u_0_1_re`, ... with the fewest digits that give the same number again, as binary64
//! or, if the corpus is complex64, binary32. A label that a record does not have is an empty field,
//! as is an empty text. Texts are written unchanged, with a warning about texts that a spreadsheet
//! treats as formulas. Without circuits, `circuit` and `length` are empty fields. Without unitaries,
//! there are no columns for them.

use crate::corpus::record::GivenLabels;
use crate::corpus::scan::Batch;
use crate::error::{Error, Result, io};
use crate::export::format::{ExportSource, Format, count_gates, count_names, doubles, floats};
use crate::export::given::GivenColumn;
use crate::os::atomic_file::{AtomicFile, publish_all};
use ::csv::{Writer, WriterBuilder};
use qorpus_core::{Dtype, Label, Recipe};
use serde::Serialize;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// The first characters of formulas.
///
/// A CSV file has no types: a spreadsheet evaluates a text that begins with one of these, and a
/// formula may read other cells, contact other machines and run programs. A prefix would protect
/// its user, but change the label for all programs that read it. So texts are written unchanged,
/// with a warning.
const FORMULA_SIGNS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

struct Csv<'a> {
    recipe: &'a Recipe,
    table: CsvTable,
}

/// # Errors
/// [`Error::Unsupported`] if a label has the name of an entry of the unitary.
pub(super) fn open<'a>(source: &ExportSource<'a>, out: &Path) -> Result<Box<dyn Format + 'a>> {
    let (recipe, given) = (source.corpus.recipe(), source.given);
    let dim = if recipe.has_unitaries() { recipe.alphabet().dim() } else { 0 };
    let mut entries = Vec::new();
    for (row, column) in (0..dim).flat_map(|row| (0..dim).map(move |column| (row, column))) {
        entries.extend(["re", "im"].map(|part| format!("u_{row}_{column}_{part}")));
    }
    if let Some(GivenColumn { name, .. }) = given.iter().find(|column| entries.contains(&column.name)) {
        let reason = format!(
            "label '{name}' has the same name as another column of the file; export to .parquet instead"
        );
        return Err(Error::Unsupported(out.into(), reason));
    }
    let before = std::iter::once("circuit".into()).chain(count_names(recipe.alphabet())).collect();
    Ok(Box::new(Csv { recipe, table: CsvTable::create(before, given, entries, out)? }))
}

impl Format for Csv<'_> {
    fn write(&mut self, batch: &Batch<'_>, given: &[GivenLabels]) -> Result<()> {
        // The precision determines the number of digits.
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
        let (alphabet, has_circuits) = (self.recipe.alphabet(), self.recipe.space().has_circuits());
        let size = self.recipe.unitary_entries() * self.recipe.dtype().bytes();
        let (mut counts, mut entries) = (Vec::new(), Vec::new());
        for (position, circuit) in batch.circuits.iter().enumerate() {
            let unitary = &batch.unitaries[position * size..][..size];
            count_gates(alphabet, circuit, &mut counts);
            let text = || alphabet.text(circuit, batch.circuits.angles(position));
            entries.clear();
            entries.extend(numbers(unitary));
            let id = batch.first_id + position as u64;
            let given = self.table.fields(id, given.get(position));
            self.table.append((
                id,
                has_circuits.then(text),
                // There are no gates to count without circuits: this is the length.
                has_circuits.then_some(&counts),
                given,
                &entries,
            ))?;
        }
        Ok(())
    }
}

/// A table being written, with a column for each label that came with the records.
pub(super) struct CsvTable {
    given: Vec<GivenColumn>,
    out: PathBuf,
    writer: Writer<AtomicFile>,
    /// Whether a formula was warned about, which happens once a file.
    has_warned: bool,
}

impl CsvTable {
    /// Creates a table of ids, with columns `before` and `behind` the columns of labels.
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
        let mut table = CsvTable { given: given.to_vec(), out: out.into(), writer, has_warned: false };
        if let Some(GivenColumn { name, .. }) = given.iter().find(|column| is_formula(&column.name)) {
            table.warn_of_formula(format_args!("the name of the label '{}'", name.escape_debug()));
        }
        Ok(table)
    }

    /// Returns the labels of record `id`, one a column.
    pub(super) fn fields<'l>(&mut self, id: u64, labels: Option<&'l GivenLabels>) -> Vec<Option<&'l Label>> {
        let formula = |(_, label): &(&String, &Label)| matches!(label, Label::Text(text) if is_formula(text));
        if !self.has_warned
            && let Some((name, _)) = labels.and_then(|labels| labels.iter().find(formula))
        {
            self.warn_of_formula(format_args!("label '{}' of record {id}", name.escape_debug()));
        }
        self.given.iter().map(|column| labels.and_then(|labels| labels.get(&column.name))).collect()
    }

    fn warn_of_formula(&mut self, text: impl Display) {
        self.has_warned = true;
        tracing::warn!(
            "{}: {text} begins like a formula, which a spreadsheet may run; import the columns as text, or export to \
             .parquet",
            self.out.display()
        );
    }

    pub(super) fn append(&mut self, row: impl Serialize) -> Result<()> {
        self.writer.serialize(row).map_err(failed(&self.out))
    }

    pub(super) fn finish(self) -> Result<AtomicFile> {
        self.writer.into_inner().map_err(|error| io(&self.out, "write it")(error.into_error()))
    }
}

fn is_formula(text: &str) -> bool {
    text.starts_with(FORMULA_SIGNS)
}

fn failed(out: &Path) -> impl Fn(::csv::Error) -> Error {
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
                assert_eq!(row[1], alphabet.text(&record.circuit, &record.angles));
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
