//! Exact residuals, which tables of distances know by their keys.

use crate::distinct::distance_table::{Distance, DistanceTable};
use qorpus_core::{Arithmetic, Complex64, DenseArithmetic, Environments, ExactLetters, ExactUnitary};

/// The adjoint residuals of a block of environments, as far as they are known. They are recognized
/// from their entries once, when they may be in the table, and then each letter acts on them until
/// their integers become too large.
#[derive(Debug)]
pub(super) struct ExactResiduals {
    adjoints: Vec<ExactUnitary>,
    is_known: Vec<bool>,
    /// Memory for a product.
    product: ExactUnitary,
}

impl ExactResiduals {
    pub(super) fn new(environments: usize) -> ExactResiduals {
        let adjoints = vec![ExactUnitary::default(); environments];
        ExactResiduals { adjoints, is_known: vec![false; environments], product: ExactUnitary::default() }
    }

    /// Forgets the residuals of the chosen environments.
    pub(super) fn forget(&mut self, which: &[bool]) {
        for (is_known, is_chosen) in self.is_known.iter_mut().zip(which) {
            *is_known &= !is_chosen;
        }
    }

    /// Lets the action of each chosen environment act.
    pub(super) fn step(&mut self, letters: &ExactLetters, actions: &[i64], which: Option<&[bool]>) {
        for (index, &action) in actions.iter().enumerate() {
            if self.is_known[index] && which.is_none_or(|which| which[index]) {
                self.is_known[index] =
                    letters.advance(&self.adjoints[index], action as u16, &mut self.product);
                std::mem::swap(&mut self.adjoints[index], &mut self.product);
            }
        }
    }

    /// Returns the distance of the residual of an environment, `None` if the table does not have it.
    /// `unitary` is memory for one.
    pub(super) fn find(
        &mut self,
        table: &DistanceTable,
        letters: &ExactLetters,
        environments: &Environments,
        index: usize,
        unitary: &mut [Complex64],
    ) -> Option<Distance> {
        if !self.is_known[index] {
            environments.unitaries(index, unitary);
            // Others are not in the table.
            self.adjoints[index] = letters.adjoint(&letters.recognize_small(unitary, table.max_exponent())?);
            self.is_known[index] = true;
        }
        table.find_adjoint(letters, &self.adjoints[index])
    }
}
