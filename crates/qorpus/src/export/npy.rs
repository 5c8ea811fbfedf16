//! `.npy`: arrays that NumPy can map into memory: `np.load("demo.npy", mmap_mode="r")`.
//!
//! | file | shape | type | contents |
//! | --- | --- | --- | --- |
//! | `demo.npy` | (N, d, d) | `<c16`, or `<c8` if the corpus is complex64 | the unitary of record i |
//! | `demo.circuits.npy` | (N, longest) | `<u2` | the letters of circuit i in time order, then 65535 |
//! | `demo.lengths.npy` | (N,) | `<u2` | the length of circuit i |
//! | `demo.angles.npy` | (N, longest, 3) | `<f8` | only if gates have free angles: the angles of each letter in radians, NaN where it has none |
//! | `demo.letters.json` | | | the letters as a list: letter k is its item k |
//! | `demo.labels.csv` | | | only if records brought labels: `id` and a column a label, a row a record; a missing label is an empty field |
//!
//! Records without circuits have the first file alone, and records without unitaries all others.
//!
//! The format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use crate::corpus::record::GivenLabels;
use crate::corpus::scan::Batch;
use crate::error::{Error, Result};
use crate::export::csv::CsvTable;
use crate::export::format::{ExportSource, Format};
use crate::npy::header;
use crate::os::atomic_file::{AtomicFile, publish_all, refuse_existing};
use qorpus_core::{Alphabet, Dtype, MAX_GATE_ANGLES};
use std::path::Path;

/// The padding after the last letter of a circuit. No letter has this number: an alphabet has at
/// most 65,535.
const NO_LETTER: u16 = u16::MAX;

struct Npy<'a> {
    alphabet: &'a Alphabet,
    longest: usize,
    /// The unitaries; `None` if records have none.
    unitaries: Option<AtomicFile>,
    /// The files of the circuits; `None` if records have none.
    circuits: Option<CircuitFiles>,
    angles: Option<AtomicFile>,
    labels: Option<CsvTable>,
    /// A circuit's row; reused for its memory.
    row: Vec<u8>,
}

/// The letters of circuits, their numbers, and the lengths.
struct CircuitFiles {
    circuits: AtomicFile,
    lengths: AtomicFile,
    letters: AtomicFile,
}

/// # Errors
/// [`Error::Incomplete`], since a record's place in the array is its id.
pub(super) fn open<'a>(source: &ExportSource<'a>, out: &Path) -> Result<Box<dyn Format + 'a>> {
    let ExportSource { corpus, summary, given } = *source;
    if !summary.complete && corpus.recipe().space().enumerates().is_some() {
        let reason = "an .npy array needs a finished enumeration; run the same distinct again to finish";
        return Err(Error::Unsupported(corpus.place(), reason.into()));
    }
    if !summary.complete {
        return Err(Error::Incomplete {
            path: corpus.place(),
            what: "an .npy array",
            records: summary.records,
            len: summary.expected.unwrap_or(summary.records),
        });
    }
    let recipe = corpus.recipe();
    let targets = ["npy", "circuits.npy", "lengths.npy", "letters.json"].map(|end| out.with_extension(end));
    let of_circuits = if recipe.space().has_circuits() { &targets[1..] } else { &[] };
    let [angles, table] = ["angles.npy", "labels.csv"].map(|end| out.with_extension(end));
    // Also files that this corpus does not have: those of another one would seem to belong to it.
    targets.iter().chain([&angles, &table]).try_for_each(|target| refuse_existing(target))?;
    let table = (!given.is_empty()).then_some(table);
    let free = recipe.alphabet().has_free_angles().then_some(angles);
    let angles = free.map(|target| AtomicFile::create_partial(&target)).transpose()?;
    let mut longest = recipe.space().lengths().1;
    if recipe.space().is_appended() {
        // Every circuit has a row as long as the longest existing circuit, not the longest
        // possible.
        longest = 0;
        corpus.scan(0..summary.records, &mut |batch| {
            longest = batch.circuits.iter().map(<[u16]>::len).fold(longest, usize::max);
            Ok(())
        })?;
    }
    let mut npy = Npy {
        longest,
        unitaries: recipe.has_unitaries().then(|| AtomicFile::create_partial(&targets[0])).transpose()?,
        circuits: None,
        angles,
        alphabet: recipe.alphabet(),
        labels: table.map(|table| CsvTable::create(Vec::new(), given, Vec::new(), &table)).transpose()?,
        row: Vec::new(),
    };
    let (records, dim) = (summary.records, recipe.alphabet().dim());
    let entry = match recipe.dtype() {
        Dtype::Complex128 => "<c16",
        Dtype::Complex64 => "<c8",
    };
    if let Some(unitaries) = &mut npy.unitaries {
        unitaries.append(&header(entry, &format!("({records}, {dim}, {dim})")))?;
    }
    if let Some(angles) = &mut npy.angles {
        angles.append(&header("<f8", &format!("({records}, {longest}, {MAX_GATE_ANGLES})")))?;
    }
    if let [circuits, lengths, letters] = of_circuits {
        let mut files = CircuitFiles {
            circuits: AtomicFile::create_partial(circuits)?,
            lengths: AtomicFile::create_partial(lengths)?,
            letters: AtomicFile::create_partial(letters)?,
        };
        files.circuits.append(&header("<u2", &format!("({records}, {longest})")))?;
        files.lengths.append(&header("<u2", &format!("({records},)")))?;
        let letters: Vec<_> = recipe.alphabet().letters().iter().map(|letter| &letter.text).collect();
        files.letters.append(format!("{}\n", serde_json::json!(letters)).as_bytes())?;
        npy.circuits = Some(files);
    }
    Ok(Box::new(npy))
}

impl Format for Npy<'_> {
    fn write(&mut self, batch: &Batch<'_>, labels: &[GivenLabels]) -> Result<()> {
        if let Some(table) = &mut self.labels {
            for (id, labels) in (batch.first_id..).zip(labels) {
                let fields = table.fields(id, Some(labels));
                table.append((id, fields))?;
            }
        }
        if let Some(unitaries) = &mut self.unitaries {
            unitaries.append(batch.unitaries)?;
        }
        if let Some(angles) = &mut self.angles {
            for circuit in batch.circuits.circuits() {
                let rows = self.alphabet.angle_rows(circuit.letters, circuit.angles, self.longest);
                angles.append(bytemuck::cast_slice(&rows))?;
            }
        }
        let Some(files) = &mut self.circuits else { return Ok(()) };
        for circuit in batch.circuits.iter() {
            self.row.clear();
            let none = std::iter::repeat_n(&NO_LETTER, self.longest - circuit.len());
            self.row.extend(circuit.iter().chain(none).flat_map(|letter| letter.to_le_bytes()));
            files.circuits.append(&self.row)?;
            // A circuit has at most 65,535 letters.
            files.lengths.append(&(circuit.len() as u16).to_le_bytes())?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        // The requested name comes last: if it exists, the other files exist.
        let labels = self.labels.map(CsvTable::finish).transpose()?;
        let circuits = self.circuits.map(|files| [files.letters, files.lengths, files.circuits]);
        let arrays = circuits.into_iter().flatten().chain(self.unitaries);
        publish_all(labels.into_iter().chain(self.angles).chain(arrays).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::file::tests::{corpus, exported, recipes, records};
    use qorpus_core::Complex64;
    use std::fs;

    /// The text of the header and the numbers, after checking what the format demands.
    fn parts(bytes: &[u8]) -> (&str, &[u8]) {
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!(start % 64, 0);
        let text = std::str::from_utf8(&bytes[10..start]).unwrap();
        assert!(text.ends_with('\n'));
        (text.trim_end(), &bytes[start..])
    }

    #[test]
    fn arrays_hold_the_records() {
        for options in recipes() {
            let (directory, corpus) = corpus(&options);
            let out = exported(&corpus, &directory, "x.npy");
            let read = |ending: &str| fs::read(out.with_extension(ending)).unwrap();
            let (records, recipe) = (records(&corpus), corpus.recipe());
            let (n, dim, longest) = (records.len(), recipe.alphabet().dim(), options.length.1);
            let letters: Vec<String> = serde_json::from_slice(&read("letters.json")).unwrap();

            let (unitaries, circuits, lengths) = (read("npy"), read("circuits.npy"), read("lengths.npy"));
            let (text, unitaries) = parts(&unitaries);
            let entry = format!("<c{}", recipe.dtype().bytes());
            let shape = format!("({n}, {dim}, {dim})");
            assert_eq!(text, format!("{{'descr': '{entry}', 'fortran_order': False, 'shape': {shape}, }}"));
            let unitaries: Vec<Complex64> = recipe.dtype().decode(unitaries);
            let (text, circuits) = parts(&circuits);
            let shape = format!("({n}, {longest})");
            assert_eq!(text, format!("{{'descr': '<u2', 'fortran_order': False, 'shape': {shape}, }}"));
            let (text, lengths) = parts(&lengths);
            assert_eq!(text, format!("{{'descr': '<u2', 'fortran_order': False, 'shape': ({n},), }}"));

            assert_eq!(circuits.len(), n * longest * 2);
            assert_eq!(lengths.len(), n * 2);
            let number = |bytes: &[u8], at: usize| u16::from_le_bytes([bytes[2 * at], bytes[2 * at + 1]]);
            for (i, record) in records.iter().enumerate() {
                assert_eq!(unitaries[i * dim * dim..][..dim * dim], record.unitary);
                let length = usize::from(number(lengths, i));
                let row: Vec<_> = (0..longest).map(|at| number(circuits, i * longest + at)).collect();
                assert_eq!(row[..length], record.circuit);
                assert!(row[length..].iter().all(|&letter| letter == NO_LETTER));
                let text: Vec<_> = row[..length].iter().map(|&k| letters[usize::from(k)].as_str()).collect();
                assert_eq!(text.join("; "), recipe.alphabet().text(&record.circuit, &record.angles));
            }
        }
    }
}
