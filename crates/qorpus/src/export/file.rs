//! Exporting a corpus in the format that the ending of the file name selects.

use crate::corpus::record::GivenLabels;
use crate::corpus::scan::Batch;
use crate::error::{Error, Result};
use crate::export::format::{ExportSource, Format};
use crate::export::given::GivenColumn;
use crate::export::{csv, npy, parquet, qasm};
use crate::hex::hex;
use crate::paths::absolute;
use crate::produce::progress::Outcome;
use crate::read::corpus::Corpus;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// A function that refuses a corpus which the format cannot express, or begins the file.
type OpenFormat = for<'a> fn(&ExportSource<'a>, &Path) -> Result<Box<dyn Format + 'a>>;

/// The formats by the ending of a file's name.
const FORMATS: [(&str, OpenFormat); 4] =
    [("npy", npy::open), ("parquet", parquet::open), ("csv", csv::open), ("qasm", qasm::open)];

/// Writes the records of `corpus` to the new file `out`, in the format that its ending selects.
///
/// `.npy`: the unitaries as one array, beside it three files with the circuits and, if records have
/// labels, a fourth with the labels; needs the complete corpus. Records without unitaries have no
/// such array. `.parquet` and `.csv`: a row a
/// record, with its circuit, labels and unitary. `.qasm`: OpenQASM 3, a gate a record, with its
/// labels in a comment. Qubit 0 is the most significant bit of a unitary's index in all of them.
///
/// Reads the corpus once and holds a few chunks in memory, and for `.parquet` a row group of 64
/// MiB. `report` is called with the number of records written so far. The file gets its name when
/// it is finished: after a failure, or if `stop` is set, it does not exist.
///
/// # Errors
/// [`Error::Usage`] for another ending or for several files read as one, [`Error::Exists`],
/// [`Error::MissingDirectory`], [`Error::Incomplete`], [`Error::Unsupported`] if the format cannot
/// express the corpus, [`Error::DamagedChunk`], or a file cannot be read or written.
pub fn export(
    corpus: &Corpus,
    out: &Path,
    stop: &AtomicBool,
    report: &mut dyn FnMut(u64),
) -> Result<Outcome> {
    let ending = |(ending, _): &&(&str, OpenFormat)| out.extension().is_some_and(|found| found == *ending);
    let Some((_, open)) = FORMATS.iter().find(ending) else {
        let known = FORMATS.map(|(ending, _)| format!(".{ending}")).join(", ");
        return Err(Error::Usage(format!(
            "{}: the format follows from the ending of the file name; use one of {known}",
            out.display()
        )));
    };
    let out = absolute(out)?;
    let (recipe, summary) = (corpus.recipe(), corpus.summary()?);
    // The header and the records of a file must be of one recipe.
    if summary.recipe_hash != hex(&recipe.hash()) {
        return Err(Error::Grown(corpus.place()));
    }
    // Read before the chunks: chunks that are done now exist later, too.
    let todo = if summary.complete { Vec::new() } else { corpus.todo()? };
    let numbers = corpus.numbers(&summary);
    let (mut next, mut written) = (0, 0);
    let mut check_up_to = |number: u64, end: u64| match lost(next..number, &todo) {
        Some(number) => Err(corpus.lost(number)),
        None => {
            next = end;
            Ok(())
        }
    };
    let is_stopped = || stop.load(Ordering::Relaxed);
    let given = GivenColumn::of(corpus, numbers.clone())?;
    let mut format = open(&ExportSource { corpus, summary: &summary, given: &given }, &out)?;
    let scanned = corpus.scan(numbers.clone(), &mut |batch| {
        if is_stopped() {
            // Any error ends the scan; this one is not shown.
            return Err(Error::Unsupported(out.clone(), "interrupted".into()));
        }
        // The numbers of appended chunks are ids: each ends where the next one begins.
        if recipe.space().is_appended() {
            check_up_to(batch.first_id, batch.first_id + batch.circuits.len() as u64)?;
        } else {
            check_up_to(batch.number, batch.number + 1)?;
        }
        let labels = if given.is_empty() { Vec::new() } else { labels_of(corpus, batch)? };
        format.write(batch, &labels)?;
        written += batch.circuits.len() as u64;
        report(written);
        Ok(())
    });
    if is_stopped() {
        return Ok(Outcome::Interrupted);
    }
    scanned?;
    check_up_to(numbers.end, numbers.end)?;
    format.finish()?;
    Ok(Outcome::Complete)
}

/// Returns the labels that came with the records of `batch`.
fn labels_of(corpus: &Corpus, batch: &Batch<'_>) -> Result<Vec<GivenLabels>> {
    let positions = 0..batch.circuits.len();
    let labels: std::result::Result<_, _> = positions.map(|position| batch.labels.get(position)).collect();
    labels.map_err(|damage| corpus.damaged(batch.number, damage))
}

/// Returns the first of `numbers` that is not pending: a chunk that should exist.
fn lost(numbers: Range<u64>, todo: &[Range<u64>]) -> Option<u64> {
    let skip = |at, todo: &Range<u64>| if todo.contains(&at) { todo.end } else { at };
    let at = todo.iter().fold(numbers.start, skip);
    (at < numbers.end).then_some(at)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::corpus::record::Record;
    use crate::export::format::{count_gates, count_names};
    use crate::options::job::{GenerateOptions, Part};
    use crate::options::recipe::RecipeOptions;
    use crate::qubit_order::Order;
    use crate::{Recipe, generate};
    use qorpus_core::{Dtype, Label};
    use tempfile::TempDir;

    /// Unitaries stored and computed, both precisions, empty circuits, a gate with commas in its
    /// name, many chunks.
    pub(in crate::export) fn recipes() -> [RecipeOptions; 4] {
        let options = RecipeOptions { random: 700, ..RecipeOptions::default() };
        [
            options.clone(),
            RecipeOptions { dtype: Dtype::Complex64, unitaries: false, ..options.clone() },
            RecipeOptions {
                gates: Some("h,rx(pi/3),u3(1,2,3)".into()),
                qubits: Some(1),
                words: true,
                length: (0, 6),
                dtype: Dtype::Complex64,
                ..options.clone()
            },
            RecipeOptions {
                gates: Some("clifford,csx,ccx".into()),
                qubits: Some(3),
                coupling: Some("line".into()),
                random: 20_000,
                length: (0, 9),
                unitaries: false,
                ..options
            },
        ]
    }

    pub(in crate::export) fn corpus(options: &RecipeOptions) -> (TempDir, Corpus) {
        of_recipe(&options.recipe().unwrap())
    }

    pub(in crate::export) fn of_recipe(recipe: &Recipe) -> (TempDir, Corpus) {
        generated(recipe, GenerateOptions::default())
    }

    /// Returns the second of three chunks.
    pub(in crate::export) fn unfinished() -> (TempDir, Corpus) {
        let recipe = RecipeOptions { random: 700, ..RecipeOptions::default() }.recipe().unwrap();
        assert_eq!(recipe.chunks(), 3);
        generated(&recipe, GenerateOptions { part: Part::new(1, 3).unwrap(), ..GenerateOptions::default() })
    }

    fn generated(recipe: &Recipe, options: GenerateOptions) -> (TempDir, Corpus) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.db");
        generate(&path, recipe, options, &false.into(), &mut |_| {}).unwrap();
        let corpus = Corpus::open(&[path]).unwrap();
        (directory, corpus)
    }

    pub(in crate::export) fn exported(
        corpus: &Corpus,
        directory: &TempDir,
        name: &str,
    ) -> std::path::PathBuf {
        let (out, mut last) = (directory.path().join(name), 0);
        let outcome = export(corpus, &out, &false.into(), &mut |written| last = written).unwrap();
        assert_eq!((outcome, last), (Outcome::Complete, corpus.summary().unwrap().records));
        out
    }

    pub(in crate::export) fn records(corpus: &Corpus) -> Vec<Record> {
        (0..corpus.recipe().space().len()).map(|id| corpus.record(id, Order::Big).unwrap()).collect()
    }

    /// Returns the existing files, except those of SQLite and the writers' lock.
    pub(in crate::export) fn names(directory: &TempDir) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with("c.db-") && !name.starts_with("c.db."));
        names.sort();
        names
    }

    const OUTS: &[&str] = if cfg!(feature = "parquet") {
        &["x.npy", "x.csv", "x.qasm", "x.parquet"]
    } else {
        &["x.npy", "x.csv", "x.qasm"]
    };

    fn refused(corpus: &Corpus, out: &Path) -> Error {
        export(corpus, out, &false.into(), &mut |_| {}).unwrap_err()
    }

    #[test]
    fn labels_are_those_of_a_record() {
        for options in recipes() {
            let (_directory, corpus) = corpus(&options);
            let (alphabet, mut row) = (corpus.recipe().alphabet(), Vec::new());
            for record in records(&corpus).iter().step_by(50) {
                count_gates(alphabet, &record.circuit, &mut row);
                let found = count_names(alphabet)
                    .into_iter()
                    .zip(row.iter().map(|&count| Label::Integer(count.into())));
                assert_eq!(found.collect::<std::collections::BTreeMap<_, _>>(), record.labels);
            }
        }
    }

    #[test]
    fn a_directory_of_shards_is_exported_like_one_file() {
        let (directory, corpus) = corpus(&recipes()[0]);
        let path = directory.path().join("shards/");
        let options = GenerateOptions { shard: Some(1), ..GenerateOptions::default() };
        generate(&path, corpus.recipe(), options, &false.into(), &mut |_| {}).unwrap();
        let shards = Corpus::open(&[path]).unwrap();
        for name in ["npy", "csv", "qasm"] {
            let one = exported(&corpus, &directory, &format!("x.{name}"));
            let other = exported(&shards, &directory, &format!("y.{name}"));
            assert_eq!(std::fs::read(one).unwrap(), std::fs::read(other).unwrap(), "{name}");
        }
    }

    #[test]
    fn what_can_be_refused_leaves_nothing() {
        let (directory, corpus) = unfinished();
        let at = |name: &str| directory.path().join(name);
        for name in ["x", "x.txt", "x.npy.gz", "npy", ".npy", "", "."] {
            let text = refused(&corpus, &at(name)).to_string();
            assert!(text.contains("one of .npy, .parquet, .csv, .qasm"), "{text}");
        }
        for &name in OUTS {
            let out = at("nowhere").join(name);
            assert!(matches!(refused(&corpus, &out), Error::MissingDirectory(path) if path == at("nowhere")));
        }
        let error = refused(&corpus, &at("x.npy"));
        assert!(matches!(error, Error::Incomplete { records: 1..700, len: 700, .. }), "{error}");
        assert_eq!(names(&directory), ["c.db"]);
    }

    #[test]
    fn nothing_is_replaced() {
        let (directory, corpus) = corpus(&recipes()[0]);
        let npy = ["x.circuits.npy", "x.lengths.npy", "x.letters.json", "x.npy.partial"];
        for name in OUTS.iter().copied().chain(npy) {
            let there = directory.path().join(name);
            std::fs::write(&there, "precious").unwrap();
            let out = if npy.contains(&name) { directory.path().join("x.npy") } else { there.clone() };
            assert!(matches!(refused(&corpus, &out), Error::Exists(path) if path == there), "{name}");
            assert_eq!(names(&directory), ["c.db", name]);
            assert_eq!(std::fs::read(&there).unwrap(), b"precious");
            std::fs::remove_file(there).unwrap();
        }
    }

    #[test]
    fn a_stop_leaves_nothing() {
        let (directory, corpus) = corpus(&recipes()[0]);
        for &name in OUTS {
            let (stop, mut reports) = (AtomicBool::new(false), 0);
            let mut report = |_| {
                reports += 1;
                stop.store(true, Ordering::Relaxed);
            };
            let outcome = export(&corpus, &directory.path().join(name), &stop, &mut report).unwrap();
            assert_eq!((outcome, reports), (Outcome::Interrupted, 1));
            assert_eq!(names(&directory), ["c.db"]);
        }
    }

    #[test]
    fn a_damaged_corpus_leaves_nothing() {
        let sql = "UPDATE chunks SET circuits = zeroblob(length(circuits)) WHERE first_id > 300";
        let deletions = ["DELETE FROM chunks WHERE first_id > 0", "DELETE FROM chunks WHERE first_id = 0"];
        for sql in deletions.into_iter().chain([sql]) {
            let (directory, corpus) = corpus(&recipes()[0]);
            let file = rusqlite::Connection::open(directory.path().join("c.db")).unwrap();
            file.execute(sql, []).unwrap();
            for &name in OUTS {
                let error = refused(&corpus, &directory.path().join(name));
                assert!(matches!(error, Error::DamagedChunk { .. }), "{name} after {sql}: {error}");
                assert_eq!(names(&directory), ["c.db"]);
            }
        }
    }

    #[test]
    fn chunks_that_are_still_to_be_made_are_not_lost() {
        let todo = [2..4, 4..5, 7..9];
        let cases =
            [(0..0, None), (0..2, Some(0)), (2..5, None), (3..6, Some(5)), (4..5, None), (8..20, Some(9))];
        for (numbers, expected) in cases {
            assert_eq!(lost(numbers.clone(), &todo), expected, "{numbers:?}");
        }
        assert_eq!(lost(0..1, &[]), Some(0));
    }
}
