//! Meeting in the middle: circuits longer than those in the corpus, combined from two of them.

use crate::corpus::ids::Ids;
use crate::distinct::index_lookup::IndexLookup;
use crate::distinct::letters::PrefixWalk;
use crate::error::Result;
use qorpus_core::{Arithmetic, Circuits};

/// Circuits that are read at once.
const BATCH_CIRCUITS: u64 = 4096;

/// A callback that returns whether to stop.
pub(super) type Stop<'s> = &'s mut dyn FnMut() -> bool;

/// The result of looking for a longer circuit.
pub(super) enum Extension {
    Circuit(Vec<u16>),
    /// No circuit with up to this many additional letters.
    NoneWithin(usize),
}

/// The result of trying the beginnings of one level.
enum Meeting {
    Found(Vec<u16>),
    Nothing,
    Stopped,
}

impl<A: Arithmetic> IndexLookup<'_, A> {
    /// Looks for a circuit within `error` that is longer than those in the corpus, shortest first.
    /// Ends at a length without one, but with a circuit within `guard`, which may have been meant.
    pub(super) fn extend(
        &mut self,
        target: &A::Unitary,
        error: f64,
        guard: Option<f64>,
        stop: Stop<'_>,
    ) -> Result<Extension> {
        for beginning in 1..self.levels.len() {
            let mut met = self.meet_in_the_middle(beginning, target, error, stop)?;
            if let Meeting::Found(circuit) = met {
                return Ok(Extension::Circuit(circuit));
            }
            if let (Meeting::Nothing, Some(guard)) = (&met, guard) {
                met = self.meet_in_the_middle(beginning, target, guard, stop)?;
            }
            if !matches!(met, Meeting::Nothing) {
                return Ok(Extension::NoneWithin(beginning - 1));
            }
        }
        Ok(Extension::NoneWithin(self.levels.len() - 1))
    }

    /// Looks for the first circuit within `error`, in the order of the alphabet, whose beginning is
    /// in level `beginning` and whose end is in the last level.
    ///
    /// With P the unitary of the beginning, W the unitary of the end and V the target, V = W·P, so
    /// that W is the adjoint of P·V†: the letters of the beginning act on V†.
    fn meet_in_the_middle(
        &mut self,
        beginning: usize,
        target: &A::Unitary,
        error: f64,
        stop: Stop<'_>,
    ) -> Result<Meeting> {
        let (ids, mut circuits) = (self.levels[beginning].ids(), Circuits::default());
        let mut walk = PrefixWalk::new(self.letters, self.letters.adjoint(target));
        for start in ids.clone().step_by(BATCH_CIRCUITS as usize) {
            if stop() {
                return Ok(Meeting::Stopped);
            }
            circuits.clear();
            self.corpus.circuits(&Ids::Run(start..ids.end.min(start + BATCH_CIRCUITS)), &mut circuits)?;
            for circuit in circuits.iter() {
                let wanted = self.letters.adjoint(walk.unitary(circuit)?);
                if let Some(end) = self.find(self.levels.len() - 1, &wanted, error)? {
                    return Ok(Meeting::Found(circuit.iter().copied().chain(end).collect()));
                }
            }
        }
        Ok(Meeting::Nothing)
    }
}
