//! The order of the qubits in a unitary.

/// The order of the qubits in a unitary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Qubit 0 is the most significant bit of a row's or column's number: the order of textbooks
    /// and of stored unitaries.
    #[default]
    Big,
    /// Qubit 0 is the least significant bit: Qiskit's order.
    Little,
}

/// Converts each of `unitaries`, whose entries have `entry` bytes, to or from this order of qubits.
/// All conversions use this function.
pub(crate) fn reorder(unitaries: &mut [u8], qubits: usize, entry: usize, order: Order) {
    let dim: usize = 1 << qubits;
    if order == Order::Big || qubits == 1 {
        return;
    }
    let reversed = |index: usize| index.reverse_bits() >> (usize::BITS as usize - qubits);
    for unitary in unitaries.chunks_exact_mut(dim * dim * entry) {
        for k in 0..dim * dim {
            let moved = reversed(k / dim) * dim + reversed(k % dim);
            // Reversing twice changes nothing: entries are exchanged in pairs.
            if moved > k {
                let (low, high) = unitary.split_at_mut(moved * entry);
                low[k * entry..][..entry].swap_with_slice(&mut high[..entry]);
            }
        }
    }
}
