//! Kernels: from a circuit to its unitary.
//!
//! Every kernel computes the same bits. A circuit's unitary starts from the identity; each letter,
//! in time order, replaces the rows its gate acts on:
//!
//! ```text
//! row'[r] = M[r][0]*row[0] + M[r][1]*row[1] + ...      summed from left to right, in the gate's index order
//! (a + ib)*(c + id) = (a*c - b*d) + i(a*d + b*c)       no fused multiply-add, no reassociation
//! ```
//!
//! and at the end every zero becomes +0. The sign of a zero never changes another number, so a
//! kernel may leave out terms whose coefficient is zero without changing a bit.
//!
//! Unitaries that have no circuits are drawn by [`Haar`].

pub(crate) mod free_letter;
pub(crate) mod free_numbers;
pub(crate) mod general_circuits;
#[cfg(feature = "environments")]
mod letter_each;
pub(crate) mod letter_rows;
pub mod naive;
pub(crate) mod prefix_cache;
pub(crate) mod prefix_table;
pub(crate) mod representation;
pub(crate) mod row_updates;
pub(crate) mod small;

use crate::alphabet::Alphabet;
use crate::circuit::Circuits;
use crate::kernel::free_letter::FreeLetters;
use crate::kernel::free_numbers::{FreeNumbers, group_end};
use crate::kernel::general_circuits::{GeneralCircuits, GeneralTurns};
use crate::kernel::prefix_cache::PrefixCache;
use crate::kernel::prefix_table::PrefixTable;
use crate::kernel::representation::{AlignedBuffer, Representation, RepresentationTask};
use crate::kernel::row_updates::{RowUpdate, RowUpdates, SplitRows, row_updates};
use crate::kernel::small::{SmallLetters, SmallUnitaries};
use crate::random::haar::{Haar, HaarScratch};
use crate::simd::dispatch::InstructionSet;
use crate::simd::vector::{OnVectors, Vector, VectorTask};
use num_complex::Complex64;
use std::sync::OnceLock;

/// The memory that a kernel reuses from batch to batch: unitaries of prefixes, the current unitary,
/// numbers of letters with free angles, and those of drawn unitaries.
#[derive(Debug, Default)]
pub struct Scratch {
    prefixes: AlignedBuffer,
    current: AlignedBuffer,
    numbers: FreeNumbers,
    turns: GeneralTurns,
    haar: HaarScratch,
}

/// A kernel that computes unitaries of circuits over one alphabet, on one to eight qubits, or draws
/// unitaries without circuits. On more qubits circuits have no unitaries, and it computes none.
#[derive(Debug, Clone)]
pub struct Kernel {
    instructions: InstructionSet,
    /// The rows of a unitary; 0 if there are none.
    dim: usize,
    letters: PreparedLetters,
    /// The letters, if some have free angles.
    free: Option<FreeLetters>,
    /// The sampler of unitaries, if they are drawn. Then there are no letters.
    haar: Option<Haar>,
    /// The table of prefixes, computed when the work is worth it.
    prefix_table: OnceLock<PrefixTable>,
}

/// The letters in the form that the representation of unitaries needs.
#[derive(Debug, Clone)]
enum PreparedLetters {
    Small(SmallLetters),
    Rows(Vec<RowUpdates>),
}

impl Kernel {
    /// Creates the kernel of `alphabet`. Letters of opaque gates do nothing: check
    /// [`Alphabet::defines`] first.
    pub fn new(alphabet: &Alphabet) -> Kernel {
        if alphabet.check_unitaries().is_err() {
            return Kernel::without_letters(0, None);
        }
        Kernel::with_instructions(InstructionSet::best(), alphabet)
    }

    fn with_instructions(instructions: InstructionSet, alphabet: &Alphabet) -> Kernel {
        let updates = |letter| row_updates(alphabet, letter);
        let rows = || PreparedLetters::Rows(alphabet.letters().iter().map(updates).collect());
        let letters = SmallLetters::new(alphabet).map_or_else(rows, PreparedLetters::Small);
        let prepared = |number| match &letters {
            PreparedLetters::Small(letters) => letters.factors(number).to_vec(),
            PreparedLetters::Rows(letters) => letters[number].iter().flat_map(RowUpdate::numbers).collect(),
        };
        let free = FreeLetters::new(alphabet, prepared);
        let dim = alphabet.dim();
        Kernel { instructions, dim, letters, free, haar: None, prefix_table: OnceLock::new() }
    }

    /// Creates the kernel of unitaries that are drawn by the ids of their records.
    pub fn haar(haar: Haar) -> Kernel {
        Kernel::without_letters(haar.dim(), Some(haar))
    }

    fn without_letters(dim: usize, haar: Option<Haar>) -> Kernel {
        let letters = PreparedLetters::Rows(Vec::new());
        let instructions = InstructionSet::best();
        Kernel { instructions, dim, letters, free: None, haar, prefix_table: OnceLock::new() }
    }

    /// Writes the unitaries of `circuits`, in order, row-major, to `out`.
    ///
    /// Where neighbouring circuits share most of their letters from the front, as consecutive words
    /// do, the shared prefix is computed once. Takes time in O(letters x 4^n) and allocates nothing
    /// once `scratch` has grown.
    ///
    /// # Panics
    /// If `out` does not hold exactly one 2^n x 2^n matrix for each circuit, or any number on more
    /// than 8 qubits, a letter is not in the alphabet, a circuit has other angles than its letters,
    /// or unitaries are to be drawn for records without ids.
    pub fn unitaries(&self, circuits: &Circuits, scratch: &mut Scratch, out: &mut [Complex64]) {
        assert_eq!(out.len(), circuits.len() * self.dim * self.dim, "one matrix for each circuit");
        if let Some(haar) = &self.haar {
            let ids = circuits.all_drawn().expect("an id for each unitary that is drawn");
            return haar.unitaries(ids, &mut scratch.haar, out);
        }
        if self.dim == 0 {
            return;
        }
        match &self.free {
            None => self.run(UnitaryBatch::<false> { kernel: self, circuits, scratch, out }),
            Some(free) if self.dim == 2 && free.are_general => {
                let turns = &mut scratch.turns;
                self.instructions.run(OnVectors(GeneralCircuits { circuits, turns, out }));
            }
            Some(_) => self.run(UnitaryBatch::<true> { kernel: self, circuits, scratch, out }),
        }
    }

    /// Does work in the representation of this kernel, with its vector instructions.
    fn run(&self, task: impl RepresentationTask) {
        self.instructions.run(OnVectors(InRepresentation { kernel: self, task }));
    }

    /// Returns the table of prefixes, if it exists or costs less than these circuits.
    #[inline(always)]
    fn prefix_table(
        &self,
        representation: &impl Representation,
        circuits: &Circuits,
    ) -> Option<&PrefixTable> {
        let length = prefix_table::length(representation.letters(), representation.size());
        let words = representation.letters().pow(length as u32);
        let letters = circuits.letters(0..circuits.len());
        let mut last = 0;
        for &letter in letters {
            last = letter.max(last);
        }
        assert!(usize::from(last) < representation.letters(), "letter {last} is not in the alphabet");
        if length > 0 && words <= letters.len() && self.prefix_table.get().is_none() {
            // Not in a closure, which would not be compiled for the instruction set. If two threads
            // compute it, one result is dropped.
            let _ = self.prefix_table.set(PrefixTable::new(representation, length));
        }
        self.prefix_table.get()
    }
}

/// The circuits of a call, and where their unitaries go. With free angles and without, the work is
/// compiled apart: in one function, the loops of the other take registers from fixed letters, which
/// cost two qubits a third of their rate.
struct UnitaryBatch<'a, const HAS_FREE: bool> {
    kernel: &'a Kernel,
    circuits: &'a Circuits,
    scratch: &'a mut Scratch,
    out: &'a mut [Complex64],
}

/// Work that is done in the representation of a kernel.
struct InRepresentation<'a, T> {
    kernel: &'a Kernel,
    task: T,
}

impl<T: RepresentationTask> VectorTask for InRepresentation<'_, T> {
    #[inline(always)]
    fn run<V: Vector<8>>(self) {
        use PreparedLetters::{Rows, Small};
        let (task, dim) = (self.task, self.kernel.dim);
        match (&self.kernel.letters, dim) {
            (Small(SmallLetters::Two(letters)), 2) => task.run(&SmallUnitaries::<1, 2, V>::new(letters)),
            (Small(SmallLetters::Two(letters)), _) => task.run(&SmallUnitaries::<4, 2, V>::new(letters)),
            (Small(SmallLetters::Four(letters)), 2) => task.run(&SmallUnitaries::<1, 4, V>::new(letters)),
            (Small(SmallLetters::Four(letters)), _) => task.run(&SmallUnitaries::<4, 4, V>::new(letters)),
            // On one qubit every gate is small.
            (Rows(letters), 4) => task.run(&SplitRows::<4, [f64; 4]>::new(letters, dim)),
            (Rows(letters), _) => task.run(&SplitRows::<8, V>::new(letters, dim)),
        }
    }
}

impl<const HAS_FREE: bool> RepresentationTask for UnitaryBatch<'_, HAS_FREE> {
    #[inline(always)]
    fn run(self, representation: &impl Representation) {
        if HAS_FREE {
            self.compute_at(representation);
        } else {
            self.compute_fixed(representation);
        }
    }
}

impl<const HAS_FREE: bool> UnitaryBatch<'_, HAS_FREE> {
    /// Computes circuits in which letters have free angles. They share no prefixes: their angles
    /// differ.
    #[inline(always)]
    fn compute_at(self, representation: &impl Representation) {
        let free = self.kernel.free.as_ref().expect("letters with free angles");
        let size = representation.size();
        let (identity, current) = self.scratch.current.room(2 * size).split_at_mut(size);
        representation.identity(identity);
        let mut outputs = self.circuits.iter().zip(self.out.chunks_exact_mut(size / 2));
        let mut first = 0;
        while first < self.circuits.len() {
            let end = group_end(self.circuits, first);
            let mut numbers = self.scratch.numbers.compute(free, self.circuits, first..end);
            for (index, (circuit, out)) in (first..end).zip(outputs.by_ref()) {
                let before = numbers.len();
                representation.advance_at(identity, circuit, free, &mut numbers, current);
                free.check(index, before - numbers.len(), self.circuits.angles(index));
                representation.finish(current, out);
            }
            first = end;
        }
    }

    #[inline(always)]
    fn compute_fixed(self, representation: &impl Representation) {
        let size = representation.size();
        let (identity, current) = self.scratch.current.room(2 * size).split_at_mut(size);
        let outputs = self.circuits.iter().zip(self.out.chunks_exact_mut(size / 2));
        if prefix_cache::are_shared(self.circuits) {
            let mut prefixes = PrefixCache::new(representation, self.circuits, &mut self.scratch.prefixes);
            for (circuit, out) in outputs {
                let (start, rest) = prefixes.split(representation, circuit);
                representation.advance(start, rest, current);
                representation.finish(current, out);
            }
        } else {
            representation.identity(identity);
            let table = self.kernel.prefix_table(representation, self.circuits);
            for (circuit, out) in outputs {
                let start = table.and_then(|table| table.split(circuit, size));
                let (start, rest) = start.unwrap_or((identity, circuit));
                representation.advance(start, rest, current);
                representation.finish(current, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::coupling::Coupling;
    use crate::gate::{Gate, examples};
    use crate::space::Space;
    use proptest::prelude::*;
    use std::f64::consts::PI;

    /// Every standard gate, and a dense user-defined gate on three qubits.
    fn every_gate(qubits: usize) -> Alphabet {
        let word = "h 0; ch 0 1; u3(0.3,1.1,-2) 2; csx 1 2; ry(0.3) 0; cp(0.3) 2 0; sx 1";
        with_dense(examples().collect(), 3, word, qubits)
    }

    /// The gates, and a user-defined one that is `word` on `dense` qubits, as far as they fit.
    fn with_dense(mut gates: Vec<Gate>, dense: usize, word: &str, qubits: usize) -> Alphabet {
        let wide = Alphabet::new(gates.clone(), dense, Coupling::All).unwrap();
        let matrix = naive::unitary(&wide, &wide.circuit(word).unwrap(), &[]);
        gates.push(Gate::custom("dense", dense, matrix).unwrap());
        gates.retain(|gate| gate.qubits() <= qubits);
        Alphabet::new(gates, qubits, Coupling::All).unwrap()
    }

    /// Unitaries belong to ids, in any order and number.
    #[test]
    fn drawn_unitaries_are_those_of_the_sampler() {
        for qubits in 1..=4 {
            let (haar, size) = (Haar::new(5, qubits), 1 << (2 * qubits));
            let (ids, mut circuits) = ([7, 1 << 40, 0, 7, 8], Circuits::default());
            ids.iter().for_each(|&id| circuits.push_drawn(id..id + 1));
            let mut out = vec![Complex64::ONE; ids.len() * size];
            Kernel::haar(haar.clone()).unitaries(&circuits, &mut Scratch::default(), &mut out);
            for (id, unitary) in ids.into_iter().zip(out.chunks(size)) {
                let mut expected = vec![Complex64::ZERO; size];
                haar.unitaries(&[id], &mut HaarScratch::default(), &mut expected);
                assert_eq!(bits(unitary), bits(&expected), "{qubits} qubits, {id}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "an id for each unitary that is drawn")]
    fn unitaries_are_not_drawn_without_ids() {
        let mut circuits = Circuits::default();
        circuits.push_drawn(3..4);
        circuits.push([]);
        let mut out = vec![Complex64::ONE; 8];
        Kernel::haar(Haar::new(5, 1)).unitaries(&circuits, &mut Scratch::default(), &mut out);
    }

    fn bits(unitary: &[Complex64]) -> Vec<[u64; 2]> {
        unitary.iter().map(|entry| [entry.re.to_bits(), entry.im.to_bits()]).collect()
    }

    /// Returns the kernel of the best instruction set.
    fn agrees_with_the_oracle(alphabet: &Alphabet, circuits: &Circuits) -> Kernel {
        let size = alphabet.dim() * alphabet.dim();
        let mut out = vec![Complex64::new(f64::NAN, 0.0); circuits.len() * size];
        let mut kernel = Kernel::new(alphabet);
        for instructions in InstructionSet::all() {
            kernel = Kernel::with_instructions(instructions, alphabet);
            kernel.unitaries(circuits, &mut Scratch::default(), &mut out);
            for (index, unitary) in out.chunks_exact(size).enumerate() {
                let (circuit, angles) = (circuits.get(index), circuits.angles(index));
                let expected = naive::unitary(alphabet, circuit, angles);
                let text = || alphabet.text(circuit, angles);
                assert_eq!(bits(unitary), bits(&expected), "{instructions:?}: {}", text());
            }
        }
        kernel
    }

    #[test]
    fn words_to_the_bit() {
        for (gates, qubits, max) in [("h,t", 1, 7), ("sx,rz(0.1)", 2, 4), ("h,cx", 3, 3)] {
            let alphabet = Alphabet::of(gates, qubits);
            let space = Space::words(&alphabet, 0, max).unwrap();
            let words = space.listed(0..space.len());
            assert!(prefix_cache::are_shared(&words));
            agrees_with_the_oracle(&alphabet, &words);
        }
    }

    /// Enough circuits for the table of starts, shorter and longer than its words.
    #[test]
    fn starts_to_the_bit() {
        for (gates, most) in [("clifford+t", 4), ("ibm", 2), ("rigetti", 2)] {
            for qubits in 1..=most {
                let (alphabet, count) = (Alphabet::of(gates, qubits), [0, 2000, 900, 500, 40][qubits]);
                let circuits = Space::random(&alphabet, count, 3, 0, 9).unwrap().listed(0..count);
                let kernel = agrees_with_the_oracle(&alphabet, &circuits);
                assert!(kernel.prefix_table.get().is_some(), "{gates} on {qubits}");
            }
        }
    }

    #[test]
    fn one_circuit_makes_no_table() {
        let alphabet = every_gate(2);
        let mut circuits = Circuits::default();
        circuits.push(0..10);
        assert!(agrees_with_the_oracle(&alphabet, &circuits).prefix_table.get().is_none());
    }

    #[test]
    #[should_panic(expected = "not in the alphabet")]
    fn letters_of_another_alphabet_are_refused() {
        let alphabet = Alphabet::of("clifford+t", 1);
        let mut circuits = Circuits::default();
        (0..2000).for_each(|k| circuits.push([k % 5, (k + 1) % 5, 5, 0, 0, 0, 0]));
        let mut out = vec![Complex64::ZERO; 4 * circuits.len()];
        Kernel::new(&alphabet).unitaries(&circuits, &mut Scratch::default(), &mut out);
    }

    /// Too dense for lanes, and rows shorter than a vector.
    #[test]
    fn dense_gates_on_two_qubits_to_the_bit() {
        let gates = ["u3(0.3,1.1,-2)", "sx", "t", "cx"].map(|name| Gate::standard(name).unwrap()).to_vec();
        let word = "u3(0.3,1.1,-2) 0; u3(0.3,1.1,-2) 1; cx 0 1; u3(0.3,1.1,-2) 0";
        let alphabet = with_dense(gates, 2, word, 2);
        let circuits = Space::random(&alphabet, 300, 1, 0, 9).unwrap().listed(0..300);
        let kernel = agrees_with_the_oracle(&alphabet, &circuits);
        assert!(matches!(kernel.letters, PreparedLetters::Rows(_)));
    }

    #[test]
    fn prefixes_beyond_their_memory() {
        let alphabet = Alphabet::of("h", 8);
        let mut circuits = Circuits::default();
        let long: Vec<u16> = (0..70).map(|k| k % 8).collect();
        circuits.push(long.iter().copied());
        circuits.push(long.iter().copied().chain([3]));
        let mut scratch = Scratch::default();
        let mut out = vec![Complex64::ZERO; 2 << 16];
        Kernel::new(&alphabet).unitaries(&circuits, &mut scratch, &mut out);
        assert!(scratch.prefixes.numbers().len() * 8 <= prefix_cache::CACHE_BYTES);
        assert_eq!(bits(&out[1 << 16..]), bits(&naive::unitary(&alphabet, circuits.get(1), &[])));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn random_circuits_to_the_bit(seed: u64, qubits in 1usize..=5) {
            let alphabet = every_gate(qubits);
            let circuits = Space::random(&alphabet, 40, seed, 0, 12).unwrap().listed(0..40);
            prop_assert!(!prefix_cache::are_shared(&circuits));
            agrees_with_the_oracle(&alphabet, &circuits);
        }

        #[test]
        fn shared_prefixes_of_any_shape_to_the_bit(seed: u64, cuts in prop::collection::vec(0usize..=9, 30)) {
            let alphabet = every_gate(2);
            let tails = Space::random(&alphabet, 30, seed, 0, 4).unwrap().listed(0..30);
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

    /// Every gate with free angles, beside fixed ones and alone.
    #[test]
    fn free_angles_to_the_bit() {
        const ALL: &str = "rx(?),ry(?),rz(?),p(?),u3(?,?,?),cp(?),crx(?),cry(?),crz(?),h,sx,t,cx,swap";
        let gates = |wanted: &dyn Fn(&str) -> bool, qubits| {
            let gates = crate::gate::name::split_outside(ALL).into_iter().filter(|name| wanted(name));
            let gates = gates.map(|name| Gate::standard(name).unwrap());
            gates.filter(|gate| gate.qubits() <= qubits).collect::<Vec<_>>()
        };
        for qubits in 1..=5 {
            for wanted in
                [&|_: &str| true, &|name: &str| name.contains("z(") || name == "h", &|name: &str| {
                    name.starts_with("u3")
                }] as [&dyn Fn(&str) -> bool; 3]
            {
                let alphabet = Alphabet::new(gates(wanted, qubits), qubits, Coupling::All).unwrap();
                let drawn = Space::random(&alphabet, 60, 5, 0, 12).unwrap().listed(0..60);
                agrees_with_the_oracle(&alphabet, &drawn);
                // At special angles, entries are 0 or 1, or have the other sign.
                let special = [0.0, -0.0, PI, -PI, PI / 2.0, 2.0 * PI, 1e-300, -3e9];
                let mut circuits = Circuits::default();
                for (index, circuit) in drawn.iter().enumerate() {
                    circuits.push(circuit.iter().copied());
                    let angles = (0..drawn.angles(index).len()).map(|k| special[(3 * index + k) % 8]);
                    circuits.push_angles(angles);
                }
                agrees_with_the_oracle(&alphabet, &circuits);
            }
        }
    }

    /// Groups of eight circuits that are not full, of circuits that end anywhere.
    #[test]
    fn general_circuits_of_any_length_to_the_bit() {
        let alphabet = Alphabet::of("u3(?,?,?)", 1);
        for (count, shortest, longest) in [(0, 1, 1), (1, 40, 40), (29, 0, 50), (8, 16, 16), (9, 30, 33)] {
            let circuits = Space::random(&alphabet, 40, 7, shortest, longest).unwrap().listed(0..count);
            agrees_with_the_oracle(&alphabet, &circuits);
        }
    }

    #[test]
    fn general_circuits_are_checked() {
        for (letters, angles) in [(vec![0, 0], 5), (vec![0], 6), (vec![], 3), (vec![0, 1], 6)] {
            let mut circuits = Circuits::default();
            circuits.push(letters.iter().copied());
            circuits.push_angles(vec![0.3; angles]);
            let mut out = vec![Complex64::ZERO; 4];
            let result = std::panic::catch_unwind(move || {
                let kernel = Kernel::new(&Alphabet::of("u3(?,?,?)", 1));
                kernel.unitaries(&circuits, &mut Scratch::default(), &mut out);
            });
            assert!(result.is_err(), "{letters:?} with {angles} angles");
        }
    }

    #[test]
    #[should_panic(expected = "circuit 0 has other angles than its letters")]
    fn missing_angles_are_refused() {
        let mut circuits = Circuits::default();
        circuits.push([0]);
        let mut out = vec![Complex64::ZERO; 4];
        Kernel::new(&Alphabet::of("rz(?)", 1)).unitaries(&circuits, &mut Scratch::default(), &mut out);
    }

    #[test]
    fn wide_circuits_to_the_bit() {
        for qubits in 6..=8 {
            let alphabet = every_gate(qubits);
            let circuits = Space::random(&alphabet, 2, 5, 6, 8).unwrap().listed(0..2);
            agrees_with_the_oracle(&alphabet, &circuits);
        }
    }
}
