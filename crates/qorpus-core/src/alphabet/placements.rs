//! Placements: the tuples of qubits on which a gate may be placed.

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
    let symmetries: Vec<_> =
        permutations(gate.qubits()).into_iter().filter(|order| gate.is_symmetric_under(order)).collect();
    let smallest = |q: &[usize]| {
        symmetries.iter().all(|order| q <= order.iter().map(|&k| q[k]).collect::<Vec<_>>().as_slice())
    };
    let mut placements = tuples(gate.qubits(), qubits);
    placements.retain(|tuple| connected(tuple) && smallest(tuple));
    placements
}

/// Returns all orders of `0..n`.
pub(crate) fn permutations(n: usize) -> Vec<Vec<usize>> {
    tuples(n, n)
}
