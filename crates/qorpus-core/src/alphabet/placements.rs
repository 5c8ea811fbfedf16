//! Placements: the tuples of qubits on which a gate may be placed.

use crate::error::{Error, Result};
use crate::gate::Gate;

/// Returns all tuples of `width` distinct qubits, in lexicographic order.
fn tuples(width: usize, qubits: usize) -> Vec<Vec<usize>> {
    let mut tuples: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..width {
        let extended = |tuple: Vec<usize>| {
            let free = (0..qubits).filter(|q| !tuple.contains(q)).collect::<Vec<_>>();
            free.into_iter().map(move |q| [tuple.as_slice(), &[q]].concat())
        };
        tuples = tuples.into_iter().flat_map(extended).collect();
    }
    tuples
}

/// Returns the tuples of qubits on which the gate may be placed, in lexicographic order. An opaque
/// gate is placed on one to three qubits in any order and, if there are several qubits, on none.
pub(crate) fn placements(gate: &Gate, qubits: usize, pairs: &[(usize, usize)]) -> Vec<Vec<usize>> {
    if gate.is_opaque() {
        let widths = usize::from(qubits == 1)..=3;
        return widths.flat_map(|width| tuples(width, qubits)).collect();
    }
    let coupled = |a: usize, b: usize| pairs.contains(&(a.min(b), a.max(b)));
    let connected = |q: &[usize]| match *q {
        [a, b] => coupled(a, b),
        [a, b, c] => [coupled(a, b), coupled(b, c), coupled(a, c)].iter().filter(|&&c| c).count() >= 2,
        _ => true,
    };
    let symmetries = symmetries(gate);
    let mut placements = tuples(gate.qubits(), qubits);
    placements.retain(|tuple| connected(tuple) && smallest(tuple, &symmetries) == *tuple);
    placements
}

/// Returns the orders of the gate's qubits that leave its matrix unchanged.
pub(crate) fn symmetries(gate: &Gate) -> Vec<Vec<usize>> {
    permutations(gate.qubits()).into_iter().filter(|order| gate.is_symmetric_under(order)).collect()
}

/// Returns the lexicographically smallest of the placements that mean the same unitary.
pub(crate) fn smallest(placement: &[usize], symmetries: &[Vec<usize>]) -> Vec<usize> {
    let moved = |order: &Vec<usize>| order.iter().map(|&k| placement[k]).collect();
    symmetries.iter().map(moved).min().unwrap_or_else(|| placement.to_vec())
}

/// Reads the qubits of the letter `text` of a gate, which `places` names. On one qubit the qubit may
/// be left out.
///
/// # Errors
/// [`Error::Unusable`] for qubits on which the gate cannot act.
pub(crate) fn placement(text: &str, gate: &Gate, places: &[&str], qubits: usize) -> Result<Vec<usize>> {
    let refused = |reason| Err(Error::Unusable { item: format!("'{}'", text.trim()), reason });
    let places = if places.is_empty() && qubits == 1 { &["0"] } else { places };
    let mut placed = Vec::new();
    for place in places {
        match place.parse::<usize>() {
            Ok(qubit) if placed.contains(&qubit) => {
                return refused(format!("qubit {qubit} is named twice"));
            }
            Ok(qubit) if qubit < qubits => placed.push(qubit),
            _ => {
                let last = qubits - 1;
                return refused(format!("there is no qubit {place}; the qubits are 0 to {last}"));
            }
        }
    }
    let (needs, named) = (gate.qubits(), placed.len());
    if gate.is_opaque() && named > 3 {
        return refused(format!("gate '{}' acts on at most 3 qubits, not on {named}", gate.name()));
    }
    if !gate.is_opaque() && named != needs {
        let plural = if needs == 1 { "" } else { "s" };
        return refused(format!("gate '{}' acts on {needs} qubit{plural}, not on {named}", gate.name()));
    }
    Ok(placed)
}

/// Returns all orders of `0..n`.
pub(crate) fn permutations(n: usize) -> Vec<Vec<usize>> {
    tuples(n, n)
}
