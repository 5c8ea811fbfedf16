//! Targets of episodes, before they become residuals.

use crate::circuit::Circuits;
use crate::environment::task::{ResidualArithmetic, Task};
use crate::error::{Error, Result};
use crate::kernel::Scratch;
use crate::tableau::Tableau;
use crate::target::{Target, is_identity};
use num_complex::Complex64;
use std::ops::Range;

/// The targets of some episodes, in order.
#[derive(Debug, Clone)]
pub struct Targets(pub(crate) TargetForms);

/// The forms of targets, by the arithmetic of residuals.
#[derive(Debug, Clone)]
pub(crate) enum TargetForms {
    /// Row-major, one after the other.
    Unitaries(Vec<Complex64>),
    Tableaus(Vec<Tableau>),
}

impl Task {
    /// Returns targets with these unitaries, row-major, one after the other.
    ///
    /// # Errors
    /// An entry that is not finite; a matrix that is not unitary, or less precise than the tolerance;
    /// one that is not Clifford if tableaus are compared. Errors name the target by its number.
    ///
    /// # Panics
    /// If the entries do not make up whole unitaries.
    pub fn targets(&self, unitaries: Vec<Complex64>) -> Result<Targets> {
        Targets::given(self, unitaries)
    }
}

impl Targets {
    /// Returns the targets of circuits.
    pub(crate) fn of_circuits(task: &Task, circuits: &Circuits) -> Targets {
        Targets(match &task.arithmetic {
            ResidualArithmetic::Unitaries { kernel, .. } => {
                let size = task.alphabet.dim() * task.alphabet.dim();
                let mut unitaries = vec![Complex64::ZERO; circuits.len() * size];
                kernel.unitaries(circuits, &mut Scratch::default(), &mut unitaries);
                TargetForms::Unitaries(unitaries)
            }
            ResidualArithmetic::Tableaus(letters) => {
                TargetForms::Tableaus(circuits.iter().map(|circuit| letters.tableau(circuit)).collect())
            }
        })
    }

    /// Checks unitaries, row-major, one after the other, and returns them as targets.
    fn given(task: &Task, unitaries: Vec<Complex64>) -> Result<Targets> {
        let (dim, qubits) = (task.alphabet.dim(), task.alphabet.qubits());
        assert_eq!(unitaries.len() % (dim * dim), 0, "whole unitaries");
        let named =
            |number: usize, reason: String| Error::Unusable { item: format!("target {number}"), reason };
        for (number, unitary) in unitaries.chunks_exact(dim * dim).enumerate() {
            let judged = Target::new(unitary.to_vec(), dim, false);
            let error = judged.map_err(|error| named(number, error.to_string()))?.error();
            match &task.arithmetic {
                ResidualArithmetic::Unitaries { tolerance, .. } if error > *tolerance => {
                    let reason = format!(
                        "its entries are known to {error:.0e} only, but a solution must agree to {tolerance:.0e}; give all \
                         digits, or a tolerance"
                    );
                    return Err(named(number, reason));
                }
                _ => {}
            }
        }
        Ok(Targets(match &task.arithmetic {
            ResidualArithmetic::Unitaries { .. } => TargetForms::Unitaries(unitaries),
            ResidualArithmetic::Tableaus(_) => {
                let tableaus = unitaries.chunks_exact(dim * dim).enumerate().map(|(number, unitary)| {
                    let reason = "it is not a Clifford operator, so it has no tableau";
                    Tableau::of_unitary(unitary, qubits).ok_or_else(|| named(number, reason.into()))
                });
                TargetForms::Tableaus(tableaus.collect::<Result<_>>()?)
            }
        }))
    }

    /// Returns their number.
    pub(crate) fn len(&self, task: &Task) -> usize {
        match &self.0 {
            TargetForms::Unitaries(unitaries) => unitaries.len() / task.alphabet.dim().pow(2),
            TargetForms::Tableaus(tableaus) => tableaus.len(),
        }
    }

    /// Returns the targets with these numbers.
    ///
    /// # Panics
    /// If there are not that many.
    pub fn part(&self, task: &Task, numbers: Range<usize>) -> Targets {
        let size = task.alphabet.dim().pow(2);
        Targets(match &self.0 {
            TargetForms::Unitaries(unitaries) => {
                TargetForms::Unitaries(unitaries[numbers.start * size..numbers.end * size].to_vec())
            }
            TargetForms::Tableaus(tableaus) => TargetForms::Tableaus(tableaus[numbers].to_vec()),
        })
    }

    /// Returns whether a target is the identity, so that no letter is needed.
    pub(crate) fn is_solved(&self, task: &Task, number: usize) -> bool {
        match (&self.0, &task.arithmetic) {
            (TargetForms::Unitaries(unitaries), ResidualArithmetic::Unitaries { up_to, tolerance, .. }) => {
                let dim = task.alphabet.dim();
                is_identity(&unitaries[number * dim * dim..][..dim * dim], *up_to, *tolerance)
            }
            (TargetForms::Tableaus(tableaus), _) => {
                tableaus[number] == Tableau::identity(task.alphabet.qubits())
            }
            (TargetForms::Unitaries(_), ResidualArithmetic::Tableaus(_)) => {
                unreachable!("targets have the form of residuals")
            }
        }
    }

    /// Replaces target `number` by target `other` of `others`.
    pub(crate) fn replace(&mut self, task: &Task, number: usize, others: &Targets, other: usize) {
        match (&mut self.0, &others.0) {
            (TargetForms::Unitaries(unitaries), TargetForms::Unitaries(others)) => {
                let size = task.alphabet.dim().pow(2);
                unitaries[number * size..][..size].copy_from_slice(&others[other * size..][..size]);
            }
            (TargetForms::Tableaus(tableaus), TargetForms::Tableaus(others)) => {
                tableaus[number] = others[other];
            }
            _ => unreachable!("targets of one task have one form"),
        }
    }
}
