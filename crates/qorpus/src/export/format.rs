//! What a format writes: the trait behind which each has its file, and what several of them share.

use crate::corpus::corpus_file::Summary;
use crate::corpus::record::GivenLabels;
use crate::corpus::scan::Batch;
use crate::error::Result;
use crate::export::given::Given;
use crate::read::corpus::Corpus;
use qorpus_core::Alphabet;
/// A file being written in some format; dropped before it is finished, it leaves nothing behind.
pub(super) trait Format {
    /// Appends the records of `batch` with the labels they brought, one map a record, or no map if
    /// no record of the corpus has labels. Batches come in the order of their ids.
    fn write(&mut self, batch: &Batch<'_>, labels: &[GivenLabels]) -> Result<()>;

    /// Completes the file, makes it durable and gives it its name.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// What a format begins with.
pub(super) struct Source<'a> {
    pub(super) corpus: &'a Corpus,
    pub(super) summary: &'a Summary,
    /// The columns of labels that records brought with them.
    pub(super) given: &'a [Given],
}

/// The names of the columns that [`labels`] fills.
pub(super) fn label_names(alphabet: &Alphabet) -> Vec<String> {
    let counts = alphabet.gates().iter().map(|gate| format!("count_{}", gate.name()));
    std::iter::once("length".into()).chain(counts).collect()
}

/// Replaces `labels` by a circuit's length and how often each gate of the alphabet occurs in it, in
/// the order of the alphabet: what [`Record::labels`](crate::Record::labels) says, without a map
/// for every record.
pub(super) fn labels(alphabet: &Alphabet, circuit: &[u16], labels: &mut Vec<i32>) {
    labels.clear();
    labels.resize(1 + alphabet.gates().len(), 0);
    for &letter in circuit {
        labels[1 + alphabet.letters()[usize::from(letter)].gate] += 1;
    }
    // A circuit has at most 65535 letters.
    labels[0] = circuit.len() as i32;
}

/// The binary64 numbers in `bytes`.
pub(super) fn doubles(bytes: &[u8]) -> impl Iterator<Item = f64> {
    bytes.as_chunks().0.iter().map(|number| f64::from_le_bytes(*number))
}

/// The binary32 numbers in `bytes`.
pub(super) fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number))
}
