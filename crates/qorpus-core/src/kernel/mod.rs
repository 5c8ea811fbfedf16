//! Kernels: from a circuit to its unitary.
//!
//! Every kernel computes the same bits. A circuit's unitary starts from the identity; each letter, in time
//! order, replaces the rows its gate acts on:
//!
//! ```text
//! row'[r] = M[r][0]*row[0] + M[r][1]*row[1] + ...      summed from left to right, in the gate's own index order
//! (a + ib)*(c + id) = (a*c - b*d) + i(a*d + b*c)       no fused multiply-add, no reassociation
//! ```
//!
//! and at the end every zero becomes +0. The sign of a zero never changes another number, so a kernel may leave
//! out terms whose coefficient is zero and still agree to the bit with one that does not.

mod block;
pub mod naive;

use crate::{Alphabet, Circuits};
use block::Moves;
use num_complex::Complex64;

/// Memory that a kernel reuses from batch to batch: unitaries of prefixes, one after the other.
#[derive(Debug, Default)]
pub struct Scratch {
    prefixes: Vec<Complex64>,
}

/// Prefixes are kept up to this much memory; what is longer is computed from the longest one kept.
const PREFIX_BYTES: usize = 64 << 20;

/// Computes unitaries of circuits over one alphabet, one to eight qubits, applying gates as row updates.
#[derive(Debug, Clone)]
pub struct Kernel {
    dim: usize,
    letters: Vec<Moves>,
}

impl Kernel {
    /// Prepares the row updates of every letter; those of opaque gates do nothing, so what uses them must ask
    /// [`Alphabet::defines`] first.
    pub fn new(alphabet: &Alphabet) -> Kernel {
        let moves = |letter| Moves::new(alphabet, letter);
        Kernel { dim: alphabet.dim(), letters: alphabet.letters().iter().map(moves).collect() }
    }

    /// Writes the unitaries of `circuits`, in order, row-major, to `out`.
    ///
    /// Where neighbouring circuits share most of their letters from the front, as consecutive words do, the
    /// shared prefix is computed once. Takes time in O(letters x 4^n) and allocates nothing once `scratch` has
    /// grown.
    ///
    /// # Panics
    /// If `out` does not hold exactly one 2^n x 2^n matrix for each circuit, or a letter is not in the alphabet.
    pub fn unitaries(&self, circuits: &Circuits, scratch: &mut Scratch, out: &mut [Complex64]) {
        let size = self.dim * self.dim;
        assert_eq!(out.len(), circuits.len() * size, "one matrix for each circuit");
        // A constant dimension lets the compiler unroll the rows of small unitaries.
        match self.dim {
            2 => self.run::<2>(circuits, scratch, out),
            4 => self.run::<4>(circuits, scratch, out),
            8 => self.run::<8>(circuits, scratch, out),
            _ => self.run::<0>(circuits, scratch, out),
        }
    }

    /// `DIM` is the dimension, or 0 if it is known at run time only.
    fn run<const DIM: usize>(&self, circuits: &Circuits, scratch: &mut Scratch, out: &mut [Complex64]) {
        let dim = if DIM == 0 { self.dim } else { DIM };
        let outputs = out.chunks_exact_mut(dim * dim);
        if shares_prefixes(circuits) {
            let mut prefixes = Prefixes::new(&mut scratch.prefixes, dim);
            for (circuit, out) in circuits.iter().zip(outputs) {
                let known = prefixes.settle(circuit);
                out.copy_from_slice(prefixes.deepest(known));
                for &letter in &circuit[known..] {
                    self.apply::<DIM>(letter, out);
                    prefixes.keep(letter, out);
                }
                drop_zero_signs(out);
            }
        } else {
            for (circuit, out) in circuits.iter().zip(outputs) {
                set_identity(out, dim);
                circuit.iter().for_each(|&letter| self.apply::<DIM>(letter, out));
                drop_zero_signs(out);
            }
        }
    }

    #[inline(always)]
    fn apply<const DIM: usize>(&self, letter: u16, unitary: &mut [Complex64]) {
        let dim = if DIM == 0 { self.dim } else { DIM };
        let moves = &self.letters[usize::from(letter)];
        for block in &moves.blocks {
            for &base in &moves.bases {
                block.apply(unitary, base, dim);
            }
        }
    }
}

/// Whether neighbours have at least half of their letters in common, from the front.
fn shares_prefixes(circuits: &Circuits) -> bool {
    let mut shared = 0;
    for index in 1..circuits.len() {
        shared += common_prefix(circuits.get(index - 1), circuits.get(index));
    }
    2 * shared >= circuits.letters(0..circuits.len()).len()
}

fn common_prefix(a: &[u16], b: &[u16]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// A stack of the unitaries of one word's prefixes, the empty one first.
struct Prefixes<'a> {
    unitaries: &'a mut Vec<Complex64>,
    letters: Vec<u16>,
    size: usize,
}

impl<'a> Prefixes<'a> {
    fn new(unitaries: &'a mut Vec<Complex64>, dim: usize) -> Prefixes<'a> {
        let size = dim * dim;
        unitaries.resize(size, Complex64::ZERO);
        set_identity(unitaries, dim);
        Prefixes { unitaries, letters: Vec::new(), size }
    }

    /// Forgets what `circuit` does not begin with; returns the length of what is left.
    fn settle(&mut self, circuit: &[u16]) -> usize {
        let known = common_prefix(&self.letters, circuit);
        self.letters.truncate(known);
        known
    }

    fn deepest(&self, length: usize) -> &[Complex64] {
        &self.unitaries[length * self.size..][..self.size]
    }

    fn keep(&mut self, letter: u16, unitary: &[Complex64]) {
        let end = (self.letters.len() + 2) * self.size;
        if end * size_of::<Complex64>() <= PREFIX_BYTES {
            if self.unitaries.len() < end {
                self.unitaries.resize(end, Complex64::ZERO);
            }
            self.unitaries[end - self.size..end].copy_from_slice(unitary);
            self.letters.push(letter);
        }
    }
}

fn set_identity(unitary: &mut [Complex64], dim: usize) {
    unitary.fill(Complex64::ZERO);
    unitary.iter_mut().step_by(dim + 1).for_each(|entry| *entry = Complex64::ONE);
}

/// Turns -0 into +0: adding +0 changes nothing else.
fn drop_zero_signs(unitary: &mut [Complex64]) {
    for entry in unitary {
        entry.re += 0.0;
        entry.im += 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Coupling, Gate, STANDARD, Space};
    use proptest::prelude::*;

    /// Every standard gate, and a dense three-qubit gate of the user's own.
    fn every_gate(qubits: usize) -> Alphabet {
        let angles = |name: &str| name.replace("theta", "0.3").replace("phi", "1.1").replace("lambda", "-2");
        let mut gates: Vec<Gate> =
            STANDARD.iter().map(|name| Gate::standard(&angles(name)).unwrap()).collect();
        let dense = Alphabet::new(gates.clone(), 3, Coupling::All).unwrap();
        let mut word = Circuits::default();
        word.push(
            dense.circuit("h 0; ch 0 1; u3(0.3,1.1,-2) 2; csx 1 2; ry(0.3) 0; cp(0.3) 2 0; sx 1").unwrap(),
        );
        gates.push(Gate::custom("dense", 3, naive::unitary(&dense, word.get(0))).unwrap());
        gates.retain(|gate| gate.qubits() <= qubits);
        Alphabet::new(gates, qubits, Coupling::All).unwrap()
    }

    fn bits(unitary: &[Complex64]) -> Vec<[u64; 2]> {
        unitary.iter().map(|entry| [entry.re.to_bits(), entry.im.to_bits()]).collect()
    }

    fn agrees_with_the_oracle(alphabet: &Alphabet, circuits: &Circuits) {
        let size = alphabet.dim() * alphabet.dim();
        let mut out = vec![Complex64::new(f64::NAN, 0.0); circuits.len() * size];
        Kernel::new(alphabet).unitaries(circuits, &mut Scratch::default(), &mut out);
        for (circuit, unitary) in circuits.iter().zip(out.chunks_exact(size)) {
            assert_eq!(bits(unitary), bits(&naive::unitary(alphabet, circuit)), "{}", alphabet.text(circuit));
        }
    }

    #[test]
    fn words_to_the_bit() {
        for (gates, qubits, max) in [("h,t", 1, 7), ("sx,rz(0.1)", 2, 4), ("h,cx", 3, 3)] {
            let gates = gates.split(',').map(|name| Gate::standard(name).unwrap()).collect();
            let alphabet = Alphabet::new(gates, qubits, Coupling::All).unwrap();
            let (space, mut words) = (Space::words(&alphabet, 0, max).unwrap(), Circuits::default());
            space.circuits(0..space.len(), &mut words);
            assert!(shares_prefixes(&words));
            agrees_with_the_oracle(&alphabet, &words);
        }
    }

    #[test]
    fn prefixes_beyond_their_memory() {
        let alphabet = Alphabet::new(vec![Gate::standard("h").unwrap()], 8, Coupling::All).unwrap();
        let mut circuits = Circuits::default();
        let long: Vec<u16> = (0..70).map(|k| k % 8).collect();
        circuits.push(long.iter().copied());
        circuits.push(long.iter().copied().chain([3]));
        let mut scratch = Scratch::default();
        let mut out = vec![Complex64::ZERO; 2 << 16];
        Kernel::new(&alphabet).unitaries(&circuits, &mut scratch, &mut out);
        assert!(scratch.prefixes.len() * 16 <= PREFIX_BYTES);
        let mut alone = Circuits::default();
        alone.push(circuits.get(1).iter().copied());
        let mut expected = vec![Complex64::ZERO; 1 << 16];
        Kernel::new(&alphabet).unitaries(&alone, &mut Scratch::default(), &mut expected);
        assert_eq!(bits(&out[1 << 16..]), bits(&expected));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn random_circuits_to_the_bit(seed: u64, qubits in 1usize..=5) {
            let alphabet = every_gate(qubits);
            let (space, mut circuits) = (Space::random(&alphabet, 40, seed, 0, 12).unwrap(), Circuits::default());
            space.circuits(0..40, &mut circuits);
            prop_assert!(!shares_prefixes(&circuits));
            agrees_with_the_oracle(&alphabet, &circuits);
        }

        #[test]
        fn shared_prefixes_of_any_shape_to_the_bit(seed: u64, cuts in prop::collection::vec(0usize..=9, 30)) {
            let alphabet = every_gate(2);
            let (space, mut tails) = (Space::random(&alphabet, 30, seed, 0, 4).unwrap(), Circuits::default());
            space.circuits(0..30, &mut tails);
            let mut circuits = Circuits::default();
            let mut last: Vec<u16> = (0..9).collect();
            for (tail, cut) in tails.iter().zip(cuts) {
                last.truncate(cut.max(6));
                last.extend(tail);
                circuits.push(last.iter().copied());
            }
            agrees_with_the_oracle(&alphabet, &circuits);
        }
    }

    #[test]
    fn wide_circuits_to_the_bit() {
        for qubits in 6..=8 {
            let alphabet = every_gate(qubits);
            let (space, mut circuits) = (Space::random(&alphabet, 2, 5, 6, 8).unwrap(), Circuits::default());
            space.circuits(0..2, &mut circuits);
            agrees_with_the_oracle(&alphabet, &circuits);
        }
    }
}
