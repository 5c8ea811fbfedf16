//! Residuals: what remains of targets, in flat buffers.
//!
//! A residual is R = U A†, for the unitary U of a target and A of the letters so far. Its adjoint
//! S = A U† is stored, on which a new letter acts as on any unitary.

use crate::channel::pauli_transfer;
use crate::environment::targets::{TargetForms, Targets, is_identity};
use crate::environment::task::{ResidualArithmetic, Task};
use crate::kernel::representation::{AlignedBuffer, Representation, RepresentationTask};
use crate::tableau::Tableau;
use num_complex::Complex64;

/// The number of residuals whose channels are computed at once.
const CHANNELS: usize = 32;

/// The bits of each byte, one a byte.
static BYTES_OF_BITS: [[i8; 8]; 256] = {
    let mut table = [[0; 8]; 256];
    let mut at = 0;
    while at < 8 * 256 {
        table[at / 8][at % 8] = ((at / 8) >> (at % 8) & 1) as i8;
        at += 1;
    }
    table
};

/// The adjoint residuals of a batch of environments.
#[derive(Debug, Clone)]
pub(crate) enum Residuals {
    /// In the representation of the task's kernel.
    Unitaries(AlignedBuffer),
    Tableaus(Vec<Tableau>),
}

impl Residuals {
    /// Returns `count` residuals that are the identity.
    pub(crate) fn new(task: &Task, count: usize) -> Residuals {
        match &task.arithmetic {
            ResidualArithmetic::Unitaries { kernel, .. } => {
                let mut buffer = AlignedBuffer::zeros(count * size(task));
                for held in buffer.room(count * size(task)).chunks_exact_mut(size(task)) {
                    for k in 0..task.alphabet.dim() {
                        held[kernel.place(k, k)[0]] = 1.0;
                    }
                }
                Residuals::Unitaries(buffer)
            }
            ResidualArithmetic::Tableaus(letters) => {
                Residuals::Tableaus(vec![Tableau::identity(letters.qubits()); count])
            }
        }
    }

    /// Replaces a residual by a whole target.
    pub(crate) fn begin(&mut self, task: &Task, index: usize, targets: &Targets, number: usize) {
        match (self, &targets.0, &task.arithmetic) {
            (
                Residuals::Unitaries(buffer),
                TargetForms::Unitaries(unitaries),
                ResidualArithmetic::Unitaries { kernel, .. },
            ) => {
                let (size, dim) = (size(task), task.alphabet.dim());
                let held = &mut buffer.room((index + 1) * size)[index * size..];
                for (at, entry) in unitaries[number * dim * dim..][..dim * dim].iter().enumerate() {
                    let [re, im] = kernel.place(at % dim, at / dim);
                    // -0 + 0 is +0.
                    (held[re], held[im]) = (entry.re + 0.0, -entry.im + 0.0);
                }
            }
            (Residuals::Tableaus(tableaus), TargetForms::Tableaus(targets), _) => {
                tableaus[index] = targets[number].inverse();
            }
            _ => unreachable!("targets have the form of residuals"),
        }
    }

    /// Lets the letter of each active environment act, and writes to `solved` whether its residual
    /// is the identity.
    pub(crate) fn step(&mut self, task: &Task, letters: &[Option<u16>], solved: &mut [bool]) {
        match (self, &task.arithmetic) {
            (Residuals::Unitaries(buffer), ResidualArithmetic::Unitaries { kernel, up_to, tolerance }) => {
                let held = buffer.room(letters.len() * size(task));
                let is_solved = |unitary: &[Complex64]| is_identity(unitary, *up_to, *tolerance);
                kernel.run(Step { held, letters, solved, tolerance: *tolerance, is_solved });
            }
            (Residuals::Tableaus(tableaus), ResidualArithmetic::Tableaus(own)) => {
                let identity = Tableau::identity(own.qubits());
                for ((tableau, letter), solved) in tableaus.iter_mut().zip(letters).zip(solved) {
                    if let Some(letter) = *letter {
                        own.act(letter, tableau);
                        *solved = *tableau == identity;
                    }
                }
            }
            _ => unreachable!("residuals have the form of the task"),
        }
    }

    /// Writes the residuals with these numbers, row-major.
    ///
    /// # Panics
    /// If they are tableaus.
    pub(crate) fn unitaries(&self, task: &Task, first: usize, out: &mut [Complex64]) {
        let (Residuals::Unitaries(buffer), ResidualArithmetic::Unitaries { kernel, .. }) =
            (self, &task.arithmetic)
        else {
            unreachable!("residuals are unitaries")
        };
        let (size, dim) = (size(task), task.alphabet.dim());
        let held = buffer.numbers()[first * size..].chunks_exact(size);
        for (held, out) in held.zip(out.chunks_exact_mut(dim * dim)) {
            for (at, entry) in out.iter_mut().enumerate() {
                let [re, im] = kernel.place(at % dim, at / dim);
                *entry = Complex64::new(held[re] + 0.0, -held[im] + 0.0);
            }
        }
    }

    /// Writes each residual as 2 x 2^n x 2^n numbers: the real parts, row-major, then the imaginary
    /// parts.
    ///
    /// # Panics
    /// If they are tableaus.
    pub(crate) fn observe_unitaries(&self, task: &Task, out: &mut [f32]) {
        let (Residuals::Unitaries(buffer), ResidualArithmetic::Unitaries { kernel, .. }) =
            (self, &task.arithmetic)
        else {
            unreachable!("residuals are unitaries")
        };
        kernel.run(Parts { held: buffer.numbers(), out });
    }

    /// Writes the Pauli transfer matrix of each residual.
    ///
    /// # Panics
    /// If they are tableaus.
    pub(crate) fn observe_channels(&self, task: &Task, out: &mut [f32]) {
        let entries = task.alphabet.dim().pow(2);
        let mut unitaries = vec![Complex64::ZERO; CHANNELS * entries];
        let mut channels = vec![0.0; CHANNELS * entries * entries];
        for (block, out) in out.chunks_mut(channels.len()).enumerate() {
            let unitaries = &mut unitaries[..out.len() / entries];
            let channels = &mut channels[..out.len()];
            self.unitaries(task, block * CHANNELS, unitaries);
            pauli_transfer(task.alphabet.qubits(), unitaries, channels);
            out.iter_mut().zip(channels).for_each(|(to, from)| *to = *from as f32);
        }
    }

    /// Writes the tableau of each residual, row by row.
    ///
    /// # Panics
    /// If they are unitaries.
    pub(crate) fn observe_tableaus(&self, task: &Task, out: &mut [i8]) {
        let Residuals::Tableaus(tableaus) = self else { unreachable!("residuals are tableaus") };
        let columns = 2 * task.alphabet.qubits();
        for (tableau, out) in tableaus.iter().zip(out.chunks_exact_mut(columns * columns)) {
            for (row, out) in out.chunks_exact_mut(columns).enumerate() {
                let bits = tableau.row_of_inverse(row).to_le_bytes();
                let (first, second) =
                    (BYTES_OF_BITS[usize::from(bits[0])], BYTES_OF_BITS[usize::from(bits[1])]);
                let bytes = [first, second];
                out.copy_from_slice(&bytes.as_flattened()[..columns]);
            }
        }
    }
}

/// Returns the numbers of a residual.
fn size(task: &Task) -> usize {
    2 * task.alphabet.dim().pow(2)
}

/// Reads an entry of a unitary.
#[inline(always)]
fn entry(representation: &impl Representation, held: &[f64], row: usize, column: usize) -> Complex64 {
    let place = representation.place(row, column);
    Complex64::new(held[place], held[place + representation.imaginary()])
}

/// A step of each active environment.
struct Step<'a, F> {
    held: &'a mut [f64],
    letters: &'a [Option<u16>],
    solved: &'a mut [bool],
    tolerance: f64,
    is_solved: F,
}

impl<F: Fn(&[Complex64]) -> bool> RepresentationTask for Step<'_, F> {
    #[inline(always)]
    fn run(self, representation: &impl Representation) {
        let (size, dim) = (representation.size(), representation.dim());
        let mut unitary = vec![Complex64::ZERO; dim * dim];
        // Of the identity, the first and the last entry have magnitude 1: few other residuals have.
        let least = (1.0 - self.tolerance).max(0.0).powi(2) * (1.0 - 1e-12);
        let environments = self.held.chunks_exact_mut(size).zip(self.letters).zip(self.solved);
        for ((held, letter), solved) in environments {
            let Some(letter) = *letter else { continue };
            representation.act(letter, held);
            let (first, last) =
                (entry(representation, held, 0, 0), entry(representation, held, dim - 1, dim - 1));
            *solved = false;
            if first.norm_sqr() >= least && last.norm_sqr() >= least {
                representation.finish(held, &mut unitary);
                *solved = (self.is_solved)(&unitary);
            }
        }
    }
}

/// Unitaries whose adjoints are to be written as real and imaginary parts.
struct Parts<'a> {
    held: &'a [f64],
    out: &'a mut [f32],
}

impl RepresentationTask for Parts<'_> {
    #[inline(always)]
    fn run(self, representation: &impl Representation) {
        let (size, dim) = (representation.size(), representation.dim());
        for (held, out) in self.held.chunks_exact(size).zip(self.out.chunks_exact_mut(size)) {
            let (re, im) = out.split_at_mut(dim * dim);
            for row in 0..dim {
                for column in 0..dim {
                    let entry = entry(representation, held, column, row);
                    // -0 + 0 is +0.
                    re[row * dim + column] = entry.re as f32 + 0.0;
                    im[row * dim + column] = -entry.im as f32 + 0.0;
                }
            }
        }
    }
}
