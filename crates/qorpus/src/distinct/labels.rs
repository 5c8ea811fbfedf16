//! The labels of an enumeration's records.

use crate::distinct::candidate::Shortest;
use qorpus_core::{Alphabet, Circuits, LabelColumn, Labels, Letter, Result};

/// The labels from which the next level is computed.
pub(super) const CIRCUITS: &str = "shortest_circuits";
pub(super) const FIRST: &str = "first_letters";
pub(super) const LAST: &str = "last_letters";

/// All labels, the last one only of recipes with costs.
const NAMES: [&str; 6] = [CIRCUITS, FIRST, LAST, "t_count", "two_qubit_count", "cost"];

/// Returns the names of the labels.
pub(super) fn names(has_costs: bool) -> &'static [&'static str] {
    &NAMES[..NAMES.len() - usize::from(!has_costs)]
}

/// Returns the labels of circuits. All of them have this cost, if there are costs.
pub(super) fn labels(
    alphabet: &Alphabet,
    circuits: &Circuits,
    survivors: &[Shortest],
    cost: Option<u32>,
) -> Result<Labels> {
    // Both counts of gates are summed at once, in the halves of a number.
    let counts = |letter: &Letter| {
        let gate = &alphabet.gates()[letter.gate];
        u64::from(gate.is_t()) | u64::from(gate.qubits() == 2) << 32
    };
    let counts: Vec<u64> = alphabet.letters().iter().map(counts).collect();
    let sum = |circuit: &[u16]| circuit.iter().map(|&letter| counts[usize::from(letter)]).sum::<u64>();
    let halves = |sum: u64| (i64::from(sum as u32), i64::from((sum >> 32) as u32));
    let (t_counts, two_qubit_counts) = circuits.iter().map(sum).map(halves).unzip();
    let column = |of: fn(&Shortest) -> u32| survivors.iter().map(|row| of(row).into()).collect();
    let mut columns = vec![
        column(|row| row.circuits),
        column(|row| row.first),
        column(|row| row.last),
        t_counts,
        two_qubit_counts,
    ];
    columns.extend(cost.map(|cost| vec![cost.into(); survivors.len()]));
    let columns: Vec<_> = NAMES.into_iter().zip(columns.into_iter().map(LabelColumn::Integers)).collect();
    let mut labels = Labels::default();
    labels.extend(circuits.len(), &columns)?;
    Ok(labels)
}
