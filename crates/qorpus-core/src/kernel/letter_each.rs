//! One letter for each of many unitaries, as in a step of environments.

use crate::kernel::representation::{Representation, RepresentationTask};
use crate::kernel::{Kernel, PreparedLetters};

impl Kernel {
    /// Returns the indices of the real and the imaginary part of an entry in the representation of
    /// this kernel.
    pub(crate) fn place(&self, row: usize, column: usize) -> [usize; 2] {
        match &self.letters {
            PreparedLetters::Small(_) => [0, 1].map(|part| 2 * (column * self.dim + row) + part),
            PreparedLetters::Rows(_) => [0, self.dim].map(|half| 2 * row * self.dim + column + half),
        }
    }

    /// Lets a letter act on each of some unitaries, in the representation of this kernel.
    pub(crate) fn act_on_each(&self, letters: &[Option<u16>], unitaries: &mut [f64]) {
        self.run(LetterEach { letters, unitaries });
    }
}

/// Unitaries, and a letter for each that acts on it, if there is one.
struct LetterEach<'a> {
    letters: &'a [Option<u16>],
    unitaries: &'a mut [f64],
}

impl RepresentationTask for LetterEach<'_> {
    #[inline(always)]
    fn run(self, representation: &impl Representation) {
        let unitaries = self.unitaries.chunks_exact_mut(representation.size());
        for (unitary, letter) in unitaries.zip(self.letters) {
            if let Some(letter) = *letter {
                representation.act(letter, unitary);
            }
        }
    }
}
