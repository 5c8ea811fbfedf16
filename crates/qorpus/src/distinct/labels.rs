//! The labels of an enumeration's records.

use crate::distinct::candidate::Shortest;
use qorpus_core::{Alphabet, Chunk, Circuits, Codec, Letter};

/// The labels from which the next level is computed.
pub(super) const CIRCUITS: &str = "shortest_circuits";
pub(super) const FIRST: &str = "first_letters";
pub(super) const LAST: &str = "last_letters";

const T_COUNT: &str = "t_count";
const TWO_QUBIT_COUNT: &str = "two_qubit_count";
const COST: &str = "cost";

/// All labels, the last one only of recipes with costs.
const NAMES: [&str; 6] = [CIRCUITS, FIRST, LAST, T_COUNT, TWO_QUBIT_COUNT, COST];

/// Returns the names of the labels.
pub(super) fn names(has_costs: bool) -> &'static [&'static str] {
    &NAMES[..NAMES.len() - usize::from(!has_costs)]
}

/// Adds the labels of its records to a chunk. All of them have this cost, if there are costs.
pub(super) fn encode(
    codec: &Codec,
    alphabet: &Alphabet,
    circuits: &Circuits,
    survivors: &[Shortest],
    cost: Option<u32>,
    chunk: &mut Chunk,
) {
    // Both counts of gates are summed at once, in the halves of a number.
    let counts = |letter: &Letter| {
        let gate = &alphabet.gates()[letter.gate];
        u64::from(gate.is_t()) | u64::from(gate.qubits() == 2) << 32
    };
    let counts: Vec<u64> = alphabet.letters().iter().map(counts).collect();
    let sum = |circuit: &[u16]| circuit.iter().map(|&letter| counts[usize::from(letter)]).sum::<u64>();
    let halves = |sum: u64| (sum as u32, (sum >> 32) as u32);
    let (t_counts, two_qubit_counts): (Vec<u32>, Vec<u32>) = circuits.iter().map(sum).map(halves).unzip();
    let column = |of: fn(&Shortest) -> u32| survivors.iter().map(of).collect::<Vec<_>>();
    let mut columns = vec![
        (CIRCUITS, column(|row| row.circuits)),
        (FIRST, column(|row| row.first)),
        (LAST, column(|row| row.last)),
        (T_COUNT, t_counts),
        (TWO_QUBIT_COUNT, two_qubit_counts),
    ];
    columns.extend(cost.map(|cost| (COST, vec![cost; survivors.len()])));
    columns.sort_by_key(|(name, _)| *name);
    let columns: Vec<_> = columns.iter().map(|(name, values)| (*name, &values[..])).collect();
    codec.encode_numbers(&columns, chunk);
}
