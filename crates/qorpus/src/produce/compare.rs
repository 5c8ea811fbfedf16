//! Compares given unitaries with their circuits, and names the likely mistake in a mismatch.

use crate::options::writer::PairCheck;
use crate::qubit_order::{Order, reorder};
use qorpus_core::{Alphabet, Circuit, Circuits, Complex64, Dtype, Equivalence, Kernel, Scratch, distance};

/// Entries of unitaries that are computed at once, few enough to stay in the cache.
const BATCH_ENTRIES: usize = 1 << 15;

/// Returns the tolerance between the entries of a given unitary and its circuit's: more than
/// rounding errors in single precision, less than any mistake.
pub(crate) fn tolerance(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::Complex128 => 1e-6,
        Dtype::Complex64 => 1e-5,
    }
}

/// Returns the tolerance for a matrix that is as far from unitary as `residual`. A matrix with few
/// digits is compared in these; one that is far from unitary, which a writer accepts only on
/// request, is not compared.
pub(crate) fn tolerance_of(residual: f64, dtype: Dtype) -> f64 {
    // Errors of d in the entries give a residual of up to 2 d sqrt(dim), and by chance as little as
    // d / 10.
    if residual.is_nan() { f64::INFINITY } else { tolerance(dtype).max(10.0 * residual) }
}

/// Formats a difference for messages.
pub(crate) fn shown(difference: f64) -> String {
    if (0.001..100.0).contains(&difference) {
        format!("{difference:.3}")
    } else {
        format!("{difference:.1e}")
    }
}

/// A comparison of given unitaries with their circuits', which reuses its memory.
#[derive(Debug, Default)]
pub(crate) struct PairComparer {
    scratch: Scratch,
    circuits: Circuits,
    computed: Vec<Complex64>,
}

impl PairComparer {
    /// Calls `tell` for the records at some positions with the largest difference between the
    /// entries of their unitary, row-major, and their circuit's; `None` if a gate of the circuit
    /// has no matrix. `tell` returns whether to continue.
    pub(crate) fn compare<'c>(
        &mut self,
        (alphabet, kernel): (&Alphabet, &Kernel),
        positions: impl Iterator<Item = usize>,
        record: impl Fn(usize) -> (Circuit<'c>, &'c [Complex64]),
        check: PairCheck,
        mut tell: impl FnMut(usize, Option<f64>) -> bool,
    ) {
        let size = alphabet.dim().pow(2);
        let (mut positions, most) = (positions.peekable(), (BATCH_ENTRIES / size).max(1));
        while positions.peek().is_some() {
            let batch: Vec<usize> = positions.by_ref().take(most).collect();
            self.circuits.clear();
            batch.iter().for_each(|&position| self.circuits.push_circuit(record(position).0));
            self.computed.resize(batch.len() * size, Complex64::ZERO);
            kernel.unitaries(&self.circuits, &mut self.scratch, &mut self.computed);
            for (&position, computed) in batch.iter().zip(self.computed.chunks_exact(size)) {
                let (circuit, given) = record(position);
                let difference =
                    alphabet.defines(circuit.letters).then(|| difference(given, computed, check));
                if !tell(position, difference) {
                    return;
                }
            }
        }
    }
}

/// Returns whether the record at this position of a call is compared: all from three qubits on;
/// below, the first 256 and then every eighth, so that comparing takes less than a tenth of the
/// time of appending.
pub(crate) fn is_compared(position: usize, qubits: usize) -> bool {
    qubits > 2 || position < 256 || position.is_multiple_of(8)
}

/// Returns the largest difference between entries of two matrices, up to a global phase unless they
/// are compared exactly.
fn difference(a: &[Complex64], b: &[Complex64], check: PairCheck) -> f64 {
    distance(a, b, if check == PairCheck::Phase { Equivalence::GlobalPhase } else { Equivalence::Exact })
}

/// Returns the circuit with its letters in reverse order.
fn backwards(alphabet: &Alphabet, circuit: Circuit<'_>) -> Circuits {
    let (mut reversed, mut before, mut angles) = (Circuits::default(), circuit.angles, Vec::new());
    for &letter in circuit.letters.iter().rev() {
        let (others, own) = before.split_at(before.len() - alphabet.free_angles(letter));
        before = others;
        angles.extend_from_slice(own);
    }
    reversed.push(circuit.letters.iter().rev().copied());
    reversed.push_angles(angles);
    reversed
}

/// Describes the likely cause of a mismatch: the mistake that produces exactly this unitary, if
/// there is one. `order` is the qubit order in which a writer was given it.
pub(crate) fn likely_cause(
    (alphabet, kernel): (&Alphabet, &Kernel),
    circuit: Circuit<'_>,
    given: &[Complex64],
    tolerance: f64,
    check: PairCheck,
    order: Option<Order>,
) -> String {
    let (dim, qubits) = (alphabet.dim(), alphabet.qubits());
    let unitary = |circuits: Circuits| {
        let mut out = vec![Complex64::ZERO; dim * dim];
        kernel.unitaries(&circuits, &mut Scratch::default(), &mut out);
        out
    };
    let mut itself = Circuits::default();
    itself.push_circuit(circuit);
    let own = unitary(itself);
    let turned = |mut matrix: Vec<Complex64>| {
        reorder(bytemuck::cast_slice_mut(&mut matrix), qubits, size_of::<Complex64>(), Order::Little);
        matrix
    };
    let conjugate = |matrix: &[Complex64]| matrix.iter().map(Complex64::conj).collect::<Vec<_>>();
    let transpose =
        |matrix: &[Complex64]| (0..dim * dim).map(|k| matrix[k % dim * dim + k / dim]).collect::<Vec<_>>();
    let is = |matrix: &[Complex64], check| difference(given, matrix, check) <= tolerance;
    if check == PairCheck::Exact && is(&own, PairCheck::Phase) {
        let overlap: Complex64 = given.iter().zip(&own).map(|(a, b)| a * b.conj()).sum();
        return format!(
            "it differs from the circuit's by a global phase of {:.6}; check \"phase\" accepts it",
            overlap.im.atan2(overlap.re)
        );
    }
    let kinds = [
        ("the conjugate of the circuit's", conjugate(&own)),
        ("the transpose of the circuit's", transpose(&own)),
        ("the inverse (conjugate transpose) of the circuit's", conjugate(&transpose(&own))),
        ("the unitary of the letters in reverse order", unitary(backwards(alphabet, circuit))),
    ];
    let is_either = |matrix: &[Complex64]| is(matrix, check) || is(matrix, PairCheck::Phase);
    let remedy = match order {
        Some(Order::Big) => {
            "give it with qubit 0 as the most significant bit, or use order \"little\" as Qiskit does"
        }
        Some(Order::Little) => "qubit 0 is its most significant bit; use order \"big\"",
        None => "append it to another file with order \"little\"",
    };
    let turned_round = format!("its qubits are in reverse order: {remedy}");
    if is_either(&turned(own.clone())) {
        return turned_round;
    }
    let names: Vec<_> = kinds.iter().filter(|(_, matrix)| is_either(matrix)).map(|(name, _)| *name).collect();
    if !names.is_empty() {
        return format!("it is {}", names.join(", or "));
    }
    let mut names = kinds.into_iter().filter(|(_, matrix)| is_either(&turned(matrix.clone())));
    if let Some((name, _)) = names.next() {
        return format!("it is {name}, and {turned_round}");
    }
    "it is the unitary of another circuit".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use qorpus_core::{Coupling, Gate};

    fn alphabet() -> Alphabet {
        let gates = ["h", "t", "rx(0.3)", "cx", "u3(0.3,0.2,1)"].map(|name| Gate::standard(name).unwrap());
        Alphabet::new(gates.into(), 2, Coupling::All).unwrap()
    }

    fn unitary(text: &str) -> Vec<Complex64> {
        let (alphabet, mut circuits) = (alphabet(), Circuits::default());
        circuits.push(alphabet.circuit(text).unwrap());
        let mut out = vec![Complex64::ZERO; 16];
        Kernel::new(&alphabet).unitaries(&circuits, &mut Scratch::default(), &mut out);
        out
    }

    #[test]
    fn causes_are_named() {
        let text = "h 0; t 0; rx(0.3) 1; cx 0 1; u3(0.3,0.2,1) 0; t 1";
        let (alphabet, own) = (alphabet(), unitary(text));
        let kernel = Kernel::new(&alphabet);
        let circuit = alphabet.circuit(text).unwrap();
        let cause = |given: &[Complex64], check| {
            likely_cause((&alphabet, &kernel), (&circuit).into(), given, 1e-6, check, None)
        };
        let conjugate: Vec<_> = own.iter().map(Complex64::conj).collect();
        let transposed =
            |matrix: &[Complex64]| (0..16).map(|k| matrix[k % 4 * 4 + k / 4]).collect::<Vec<_>>();
        let swapped = |matrix: &[Complex64]| {
            let moved = |k: usize| [0, 2, 1, 3][k];
            (0..16).map(|k| matrix[moved(k / 4) * 4 + moved(k % 4)]).collect::<Vec<_>>()
        };
        let turned = |matrix: &[Complex64]| {
            matrix.iter().map(|entry| entry * Complex64::new(0.7f64.cos(), 0.7f64.sin())).collect::<Vec<_>>()
        };
        let backwards = unitary("t 1; u3(0.3,0.2,1) 0; cx 0 1; rx(0.3) 1; t 0; h 0");
        for (given, said) in [
            (swapped(&own), "its qubits are in reverse order"),
            (turned(&swapped(&own)), "its qubits are in reverse order"),
            (conjugate.clone(), "it is the conjugate of the circuit's"),
            (transposed(&own), "it is the transpose of the circuit's"),
            (turned(&transposed(&conjugate)), "it is the inverse"),
            (backwards, "it is the unitary of the letters in reverse order"),
            (
                swapped(&conjugate),
                "it is the conjugate of the circuit's, and its qubits are in reverse order",
            ),
            (unitary("h 0"), "it is the unitary of another circuit"),
        ] {
            for check in [PairCheck::Phase, PairCheck::Exact] {
                assert!(cause(&given, check).starts_with(said), "{said}: {}", cause(&given, check));
            }
        }
        assert!(cause(&turned(&own), PairCheck::Exact).contains("a global phase of 0.7"));
        for (order, said) in [
            (Some(Order::Big), "or use order \"little\" as Qiskit does"),
            (Some(Order::Little), "use order \"big\""),
            (None, "append it to another file with order \"little\""),
        ] {
            let given = swapped(&own);
            let pair = (&alphabet, &kernel);
            let cause = likely_cause(pair, (&circuit).into(), &given, 1e-6, PairCheck::Phase, order);
            assert!(cause.ends_with(said), "{cause}");
        }
    }

    #[test]
    fn differences() {
        let own = unitary("h 0; t 1");
        let turned: Vec<_> = own.iter().map(|entry| entry * Complex64::new(2f64.cos(), 2f64.sin())).collect();
        assert!(difference(&own, &turned, PairCheck::Phase) < 1e-15);
        assert!(difference(&own, &turned, PairCheck::Exact) > 0.5);
        let enormous = vec![Complex64::new(1e300, -1e300); 16];
        let largest = difference(&enormous, &own, PairCheck::Phase);
        assert!(largest > 1e-6 || largest.is_nan());
        assert!(difference(&unitary("h 0; h 0"), &unitary("t 0; t 0; t 0; t 0"), PairCheck::Phase) > 0.9);
    }
}
