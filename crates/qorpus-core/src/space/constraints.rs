//! Constraints of random circuits: weights of gates, exact numbers of letters, and no letter that
//! undoes the one before it.

use crate::alphabet::Alphabet;
use crate::error::{Error, Result};
use crate::gate::Gate;

/// The smallest share of a gate among the weights: choices are made with 31 bits.
const MIN_SHARE: f64 = 1.0 / (1 << 24) as f64;

/// The largest weight, so that sums are finite.
const MAX_WEIGHT: f64 = 1e100;

/// Constraints of random circuits. By default there are none, and all letters are equally likely.
///
/// Every allowed circuit of a length is as likely as the product of its letters' weights says. The
/// weight of a letter is that of its gate divided by the number of the gate's letters; without
/// weights it is 1, so that all allowed circuits of a length are equally likely.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Constraints {
    /// The weight of each gate, in the alphabet's order; empty if all letters weigh the same.
    pub weights: Vec<f64>,
    /// The number of letters of each gate, in the alphabet's order, `None` where it is free; empty
    /// if all are.
    pub exactly: Vec<Option<u16>>,
    /// Whether no letter undoes, up to a global phase, the letter before it on the same qubits.
    /// Letters on other qubits may lie in between.
    pub no_cancelling: bool,
}

impl Constraints {
    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Constraints::default()
    }

    /// Returns the number of letters whose gates have exact numbers.
    pub(crate) fn exact_letters(&self) -> usize {
        self.exactly.iter().flatten().map(|&count| usize::from(count)).sum()
    }

    /// Refuses weights that are not positive or too unequal, and numbers of letters that do not fit
    /// circuits of `min` to `max` letters.
    pub(crate) fn check(&self, alphabet: &Alphabet, min: usize, max: usize) -> Result<()> {
        let gates = alphabet.gates();
        let fits = |len: usize| len == 0 || len == gates.len();
        if !fits(self.weights.len()) || !fits(self.exactly.len()) {
            return Err(Error::Constraints("each gate needs an entry".into()));
        }
        let weights = || gates.iter().map(Gate::name).zip(&self.weights);
        let is_invalid = |weight: f64| !(weight > 0.0 && weight <= MAX_WEIGHT);
        if let Some((name, weight)) = weights().find(|(_, weight)| is_invalid(**weight)) {
            return Err(Error::Constraints(format!(
                "the weight of '{name}' is {weight}, but weights are above 0 and at most {MAX_WEIGHT:e}"
            )));
        }
        let least = self.weights.iter().sum::<f64>() * MIN_SHARE;
        if let Some((name, weight)) = weights().find(|(_, weight)| **weight < least) {
            return Err(Error::Constraints(format!(
                "the weight of '{name}', {weight}, is less than 1 in 2^24 of all weights; leave the gate out"
            )));
        }
        let exact = self.exact_letters();
        if exact > max {
            let reason = format!("the exact numbers need {exact} letters, but circuits have {max} at most");
            return Err(Error::Constraints(reason));
        }
        if exact > min {
            let reason = format!(
                "the exact numbers need {exact} letters, but the shortest circuits have {min}; use a length from {exact} on"
            );
            return Err(Error::Constraints(reason));
        }
        if !self.exactly.is_empty() && self.exactly.iter().all(Option::is_some) && max > exact {
            let reason = format!(
                "every gate has an exact number, {exact} letters in all; use the length {exact} or leave a gate free"
            );
            return Err(Error::Constraints(reason));
        }
        Ok(())
    }

    /// Returns the constraints as the end of a sentence about circuits, such as `, weights h=1,
    /// t=3, exactly cx=2, no cancelling`.
    pub(crate) fn summary(&self, alphabet: &Alphabet) -> String {
        let names = || alphabet.gates().iter().map(Gate::name);
        let mut text = String::new();
        if !self.weights.is_empty() {
            let weights: Vec<_> =
                names().zip(&self.weights).map(|(name, weight)| format!("{name}={weight}")).collect();
            text += &format!(", weights {}", weights.join(", "));
        }
        let counts = names().zip(&self.exactly);
        let counts: Vec<_> =
            counts.filter_map(|(name, count)| Some(format!("{name}={}", (*count)?))).collect();
        if !counts.is_empty() {
            text += &format!(", exactly {}", counts.join(", "));
        }
        if self.no_cancelling {
            text += ", no cancelling";
        }
        text
    }
}
