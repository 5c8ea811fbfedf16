//! The arithmetic of an enumeration: how its unitaries are multiplied and compared.

use qorpus_core::{
    Alphabet, ApproximateLetters, Arithmetic, BinaryLetters, Distinct, Error, ExactLetters, Result,
};

/// The letters of an alphabet in the arithmetic that can represent them.
#[derive(Debug)]
pub(super) enum Letters {
    Exact(ExactLetters),
    /// Some gate is not over the ring.
    Approximate(ApproximateLetters),
    /// Circuits are compared by their tableaus.
    Binary(BinaryLetters),
}

impl Letters {
    pub(super) fn new(alphabet: &Alphabet, distinct: &Distinct) -> Result<Letters> {
        let up_to = distinct.up_to;
        if distinct.tableaus {
            return BinaryLetters::new(alphabet, up_to).map(Letters::Binary);
        }
        match ExactLetters::new(alphabet, up_to) {
            Err(Error::NotExact { .. }) => ApproximateLetters::new(alphabet, up_to).map(Letters::Approximate),
            letters => letters.map(Letters::Exact),
        }
    }
}

/// Evaluates an expression generically in the arithmetic of some [`Letters`].
macro_rules! with_letters {
    ($letters:expr, $name:ident => $value:expr) => {
        match $letters {
            $crate::distinct::letters::Letters::Exact($name) => $value,
            $crate::distinct::letters::Letters::Approximate($name) => $value,
            $crate::distinct::letters::Letters::Binary($name) => $value,
        }
    };
}
pub(super) use with_letters;

/// A walk from circuit to circuit that keeps the unitaries of all prefixes: a prefix that two
/// consecutive circuits share is multiplied once.
pub(super) struct PrefixWalk<'a, A: Arithmetic> {
    letters: &'a A,
    unitaries: Vec<A::Unitary>,
    circuit: Vec<u16>,
}

impl<'a, A: Arithmetic> PrefixWalk<'a, A> {
    /// Creates a walk whose letters act on `start`.
    pub(super) fn new(letters: &'a A, start: A::Unitary) -> PrefixWalk<'a, A> {
        PrefixWalk { letters, unitaries: vec![start], circuit: Vec::new() }
    }

    /// Returns the unitary of a circuit, in the form that [`Arithmetic::multiply`] has.
    pub(super) fn unitary(&mut self, circuit: &[u16]) -> Result<&A::Unitary> {
        let common = self.circuit.iter().zip(circuit).take_while(|(old, new)| old == new).count();
        self.unitaries.resize_with(self.unitaries.len().max(circuit.len() + 1), A::Unitary::default);
        self.circuit.clear();
        self.circuit.extend_from_slice(circuit);
        for depth in common..circuit.len() {
            let (done, rest) = self.unitaries.split_at_mut(depth + 1);
            if !self.letters.multiply(&done[depth], circuit[depth], &mut rest[0]) {
                self.circuit.truncate(depth);
                return Err(Error::ExactOverflow);
            }
        }
        Ok(&self.unitaries[circuit.len()])
    }
}
