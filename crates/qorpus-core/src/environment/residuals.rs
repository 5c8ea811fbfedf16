//! Residuals: what remains of targets, in flat buffers.
//!
//! A residual is R = U A†, for the unitary U of a target and A of the letters so far. Its adjoint
//! S = A U† is stored, on which a new letter acts as on any unitary.

use crate::alphabet::MAX_QUBITS;
use crate::binary::letters::BinaryLetters;
use crate::binary::matrix::BinaryMatrix;
use crate::channel::pauli_transfer;
use crate::environment::targets::{TargetForms, Targets};
use crate::environment::task::{ResidualArithmetic, Task};
use crate::kernel::representation::AlignedBuffer;
use crate::tableau::Tableau;
use crate::target::is_identity;
use num_complex::Complex64;

/// The number of residuals whose channels are computed at once.
const CHANNELS: usize = 32;

/// The bits of a byte.
const BITS: usize = 8;

/// The bits of each byte, one a byte.
static BYTES_OF_BITS: [[i8; BITS]; 256] = {
    let mut table = [[0; BITS]; 256];
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
    /// Returns `count` residuals that are the identity; `None` if there is no memory for them.
    pub(crate) fn new(task: &Task, count: usize) -> Option<Residuals> {
        match &task.arithmetic {
            ResidualArithmetic::Unitaries { adjoint, .. } => {
                let mut buffer = AlignedBuffer::try_zeros(count * size(task))?;
                for held in buffer.room(count * size(task)).chunks_exact_mut(size(task)) {
                    adjoint.iter().step_by(task.alphabet.dim() + 1).for_each(|&[re, _]| held[re] = 1.0);
                }
                Some(Residuals::Unitaries(buffer))
            }
            ResidualArithmetic::Tableaus(letters) => {
                let mut tableaus = Vec::new();
                tableaus.try_reserve_exact(count).ok()?;
                tableaus.resize(count, Tableau::identity(letters.qubits()));
                Some(Residuals::Tableaus(tableaus))
            }
        }
    }

    /// Replaces a residual by a whole target.
    pub(crate) fn begin(&mut self, task: &Task, index: usize, targets: &Targets, number: usize) {
        match (self, &targets.0, &task.arithmetic) {
            (
                Residuals::Unitaries(buffer),
                TargetForms::Unitaries(unitaries),
                ResidualArithmetic::Unitaries { adjoint, .. },
            ) => {
                let held = &mut buffer.room((index + 1) * size(task))[index * size(task)..];
                let target = unitaries[number * adjoint.len()..].iter();
                for (entry, &[re, im]) in target.zip(adjoint) {
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
            (
                Residuals::Unitaries(buffer),
                ResidualArithmetic::Unitaries { kernel, adjoint, up_to, tolerance },
            ) => {
                let held = buffer.room(letters.len() * size(task));
                kernel.act_on_each(letters, held);
                // Of the identity, the first and the last entry have magnitude 1: few other residuals
                // have.
                let least = (1.0 - tolerance).max(0.0).powi(2) * (1.0 - 1e-12);
                let mut unitary = vec![Complex64::ZERO; adjoint.len()];
                let environments = held.chunks_exact(size(task)).zip(letters).zip(solved);
                for ((held, _), solved) in environments.filter(|((_, letter), _)| letter.is_some()) {
                    let square = |[re, im]: [usize; 2]| held[re] * held[re] + held[im] * held[im];
                    let is_near = square(adjoint[0]) >= least && square(adjoint[adjoint.len() - 1]) >= least;
                    *solved = is_near && {
                        write_adjoint(held, adjoint, &mut unitary);
                        is_identity(&unitary, *up_to, *tolerance)
                    };
                }
            }
            (Residuals::Tableaus(tableaus), ResidualArithmetic::Tableaus(own)) => {
                let identity = Tableau::identity(own.qubits());
                own.act_on_each(letters, tableaus);
                // Not before all letters have acted: columns that were just written are slow to read.
                for ((tableau, letter), solved) in tableaus.iter().zip(letters).zip(solved) {
                    *solved = if letter.is_some() { *tableau == identity } else { *solved };
                }
            }
            _ => unreachable!("residuals have the form of the task"),
        }
    }

    /// Writes the residuals from number `first` on, row-major, as many as `out` holds.
    ///
    /// # Panics
    /// If they are tableaus.
    pub(crate) fn unitaries(&self, task: &Task, first: usize, out: &mut [Complex64]) {
        let (held, adjoint) = self.numbers(task);
        let held = held[first * size(task)..].chunks_exact(size(task));
        for (held, out) in held.zip(out.chunks_exact_mut(adjoint.len())) {
            write_adjoint(held, adjoint, out);
        }
    }

    /// Writes each residual as 2 x 2^n x 2^n numbers: the real parts, row-major, then the imaginary
    /// parts.
    ///
    /// # Panics
    /// If they are tableaus.
    pub(crate) fn observe_unitaries(&self, task: &Task, out: &mut [f32]) {
        let (held, adjoint) = self.numbers(task);
        for (held, out) in held.chunks_exact(size(task)).zip(out.chunks_exact_mut(size(task))) {
            let (real, imaginary) = out.split_at_mut(adjoint.len());
            for ((&[re, im], real), imaginary) in adjoint.iter().zip(real).zip(imaginary) {
                // -0 + 0 is +0.
                *real = held[re] as f32 + 0.0;
                *imaginary = -held[im] as f32 + 0.0;
            }
        }
    }

    /// Returns the adjoint residuals in the representation of the kernel, and where the entries of
    /// their adjoints are.
    fn numbers<'a>(&'a self, task: &'a Task) -> (&'a [f64], &'a [[usize; 2]]) {
        match (self, &task.arithmetic) {
            (Residuals::Unitaries(buffer), ResidualArithmetic::Unitaries { adjoint, .. }) => {
                (buffer.numbers(), adjoint)
            }
            _ => unreachable!("residuals are unitaries"),
        }
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

    /// Returns the adjoint of a residual as a binary matrix, if it has one.
    ///
    /// # Panics
    /// If residuals are unitaries.
    pub(crate) fn binary_adjoint(&self, index: usize, letters: &BinaryLetters) -> Option<BinaryMatrix> {
        let Residuals::Tableaus(tableaus) = self else { unreachable!("residuals are tableaus") };
        letters.of_columns(&tableaus[index].columns_in_order().collect::<Vec<_>>())
    }

    /// Writes the tableau of each residual, row by row.
    ///
    /// # Panics
    /// If they are unitaries.
    pub(crate) fn observe_tableaus(&self, task: &Task, out: &mut [i8]) {
        let Residuals::Tableaus(tableaus) = self else { unreachable!("residuals are tableaus") };
        match task.alphabet.qubits() {
            1 => write_inverses::<1>(tableaus, out),
            2 => write_inverses::<2>(tableaus, out),
            3 => write_inverses::<3>(tableaus, out),
            4 => write_inverses::<4>(tableaus, out),
            5 => write_inverses::<5>(tableaus, out),
            6 => write_inverses::<6>(tableaus, out),
            7 => write_inverses::<7>(tableaus, out),
            _ => write_inverses::<8>(tableaus, out),
        }
    }
}

/// Writes the inverse of each tableau, row by row.
fn write_inverses<const QUBITS: usize>(tableaus: &[Tableau], out: &mut [i8]) {
    let size = (2 * QUBITS).pow(2);
    for (index, tableau) in tableaus.iter().enumerate() {
        let to = &mut out[index * size..];
        if to.len() >= size + BITS {
            write_inverse::<QUBITS>(tableau, to);
        } else {
            let mut room = [0; (2 * MAX_QUBITS).pow(2) + BITS];
            write_inverse::<QUBITS>(tableau, &mut room);
            to[..size].copy_from_slice(&room[..size]);
        }
    }
}

/// Writes the inverse of a tableau, and up to eight more bytes.
#[inline(always)]
fn write_inverse<const QUBITS: usize>(tableau: &Tableau, out: &mut [i8]) {
    let out = &mut out[..(2 * QUBITS).pow(2) + BITS];
    for row in 0..2 * QUBITS {
        for (part, bits) in tableau.row_of_inverse(row, QUBITS).into_iter().enumerate() {
            // Eight bytes at once: what is written next overwrites the excess.
            let bytes = &BYTES_OF_BITS[usize::from(bits) % BYTES_OF_BITS.len()];
            out[(2 * row + part) * QUBITS..][..BITS].copy_from_slice(bytes);
        }
    }
}

/// Returns the numbers of a residual.
fn size(task: &Task) -> usize {
    2 * task.alphabet.dim().pow(2)
}

/// Writes the adjoint of a unitary, whose entries are in these places.
fn write_adjoint(held: &[f64], adjoint: &[[usize; 2]], out: &mut [Complex64]) {
    for (to, &[re, im]) in out.iter_mut().zip(adjoint) {
        // -0 + 0 is +0.
        *to = Complex64::new(held[re] + 0.0, -held[im] + 0.0);
    }
}
