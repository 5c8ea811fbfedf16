//! Meeting in the middle: circuits longer than those of the corpus, put together from two of them.

use crate::corpus::ids::Ids;
use crate::distinct::index_lookup::IndexLookup;
use crate::distinct::letters::PrefixWalk;
use crate::error::Result;
use qorpus_core::{Arithmetic, Circuits};

/// Circuits that are read at once.
const BATCH_CIRCUITS: u64 = 4096;

/// The result of trying all beginnings of one length.
pub(super) enum Meeting {
    Found(Vec<u16>),
    Nothing,
    Stopped,
}

impl<A: Arithmetic> IndexLookup<'_, A> {
    /// Looks for a circuit within `error` that begins like one of level `beginning` and ends like
    /// one of the last level; the first in the order of the alphabet.
    ///
    /// Where P is the unitary of the beginning, W that of the end and V the target, V = W·P, so
    /// that W is the adjoint of P·V†: the letters of the beginning act on V†.
    pub(super) fn meet_in_the_middle(
        &mut self,
        beginning: usize,
        target: &A::Unitary,
        error: f64,
        stop: &mut dyn FnMut() -> bool,
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

    /// Looks for a circuit within `error` that is longer than those of the corpus, from the
    /// shortest on.
    pub(super) fn extend(
        &mut self,
        target: &A::Unitary,
        error: f64,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Vec<u16>>> {
        for beginning in 1..self.levels.len() {
            match self.meet_in_the_middle(beginning, target, error, stop)? {
                Meeting::Found(circuit) => return Ok(Some(circuit)),
                Meeting::Nothing => {}
                Meeting::Stopped => break,
            }
        }
        Ok(None)
    }
}
