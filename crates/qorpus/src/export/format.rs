//! The trait of export formats, and shared functions.

use crate::corpus::corpus_file::Summary;
use crate::corpus::record::GivenLabels;
use crate::corpus::scan::Batch;
use crate::error::Result;
use crate::export::given::GivenColumn;
use crate::read::corpus::Corpus;
use qorpus_core::Alphabet;

/// A file being written in some format. If it is dropped before it is finished, nothing remains.
pub(super) trait Format {
    /// Appends the records of `batch` with their labels, one map a record, or no map if no record
    /// of the corpus has labels. Batches come in the order of their ids.
    fn write(&mut self, batch: &Batch<'_>, labels: &[GivenLabels]) -> Result<()>;

    /// Completes the file, makes it durable and gives it its name.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// The input of a format.
pub(super) struct ExportSource<'a> {
    pub(super) corpus: &'a Corpus,
    pub(super) summary: &'a Summary,
    /// The columns of labels that came with the records.
    pub(super) given: &'a [GivenColumn],
}

/// Returns the names of the columns that [`count_gates`] fills.
pub(super) fn count_names(alphabet: &Alphabet) -> Vec<String> {
    let counts = alphabet.gates().iter().map(|gate| format!("count_{}", gate.name()));
    std::iter::once("length".into()).chain(counts).collect()
}

/// Replaces `counts` by a circuit's length and how often each gate of the alphabet occurs in it, in
/// the order of the alphabet: the values of [`Record::labels`](crate::Record::labels), without a
/// map for every record.
pub(super) fn count_gates(alphabet: &Alphabet, circuit: &[u16], counts: &mut Vec<i32>) {
    counts.clear();
    counts.resize(1 + alphabet.gates().len(), 0);
    for &letter in circuit {
        counts[1 + alphabet.letters()[usize::from(letter)].gate] += 1;
    }
    // A circuit has at most 65,535 letters.
    counts[0] = circuit.len() as i32;
}

/// Returns the binary64 numbers in `bytes`.
pub(super) fn doubles(bytes: &[u8]) -> impl Iterator<Item = f64> {
    bytes.as_chunks().0.iter().map(|number| f64::from_le_bytes(*number))
}

/// Returns the binary32 numbers in `bytes`.
pub(super) fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number))
}
