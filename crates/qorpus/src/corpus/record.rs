//! Records: a single one with its labels, and the buffers for many.

use qorpus_core::{Circuits, Complex64, Label, Recipe};
use std::collections::BTreeMap;

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its position in the corpus.
    pub id: u64,
    /// Its letters in time order, as numbers in the alphabet; empty if the records of its recipe
    /// [have no circuits](qorpus_core::Space::has_circuits).
    pub circuit: Vec<u16>,
    /// The angles in radians of its letters with free angles, in the order of the letters.
    pub angles: Vec<f64>,
    /// Its unitary, row-major, 2^n x 2^n, with the corpus's precision; empty if the records of its
    /// recipe [have none](qorpus_core::Recipe::has_unitaries).
    pub unitary: Vec<Complex64>,
    /// Its labels by name: `length`, the count of each gate (`count_h`), and the given labels; none
    /// without a circuit.
    pub labels: BTreeMap<String, Label>,
}

/// The labels that came with a record, by name.
pub(crate) type GivenLabels = BTreeMap<String, Label>;

/// Returns all labels of a record: its length, the count of each gate of the recipe, and the
/// `given` ones. Without a circuit there is nothing to count.
pub(crate) fn labels_of(
    recipe: &Recipe,
    circuit: &[u16],
    given: BTreeMap<String, Label>,
) -> BTreeMap<String, Label> {
    if !recipe.space().has_circuits() {
        return given;
    }
    let alphabet = recipe.alphabet();
    let mut counts = vec![0i64; alphabet.gates().len()];
    circuit.iter().for_each(|&letter| counts[alphabet.letters()[usize::from(letter)].gate] += 1);
    let mut labels = given;
    let counts = alphabet.gates().iter().zip(counts);
    labels.extend(counts.map(|(gate, count)| (format!("count_{}", gate.name()), Label::Integer(count))));
    labels.insert("length".into(), Label::Integer(circuit.len() as i64));
    labels
}

/// The columns that a read fills: circuits and labels are appended, unitaries written from the
/// beginning on.
#[derive(Default)]
pub(crate) struct RowBuffers<'b> {
    pub(crate) circuits: Option<&'b mut Circuits>,
    /// One unitary for each id: row-major, little-endian, with the corpus's precision.
    pub(crate) unitaries: Option<&'b mut [u8]>,
    pub(crate) labels: Option<&'b mut Vec<GivenLabels>>,
}
