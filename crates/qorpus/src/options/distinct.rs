//! Options of an enumeration, and of searches in it.

use crate::error::{Error, Result};
use crate::options::alphabet::AlphabetOptions;
use crate::options::by_gate::{ValueKind, parse_by_gate};
use crate::options::gates::Gates;
use crate::options::job::Durability;
use crate::options::recipe::RecipeOptions;
use qorpus_core::{Alphabet, BinaryLetters, Distinct, Dtype, Equivalence, MAX_LENGTH, Recipe, Space};

/// The options of a recipe of distinct unitaries.
#[derive(Debug, Clone, PartialEq)]
pub struct DistinctOptions {
    /// The gate set, as of [`RecipeOptions`].
    pub gates: Option<Gates>,
    /// The number of qubits, as of [`RecipeOptions`]; up to 16 if circuits are compared by their
    /// tableaus.
    pub qubits: Option<usize>,
    /// The coupling, as of [`RecipeOptions`].
    pub coupling: Option<String>,
    /// The letters one by one, as of [`RecipeOptions`].
    pub letters: Option<String>,
    /// The most letters of a circuit.
    pub max_length: Option<usize>,
    /// The costs of gates, such as `t=1,tdg=1`; other gates cost nothing.
    pub cost: Option<String>,
    /// The largest cost of a circuit.
    pub max_cost: Option<u32>,
    /// The equivalence under which unitaries count as one.
    pub up_to: Equivalence,
    /// The type of the unitaries' entries; they are computed on reading.
    pub dtype: Dtype,
}

/// Reads costs such as `t=1,tdg=1` of the gates of `alphabet`; other gates cost nothing.
pub(super) fn parse_costs(text: &str, alphabet: &Alphabet) -> Result<Vec<u32>> {
    let kind =
        ValueKind { noun: "cost", form: "GATE=COST, such as t=1", rule: "a cost must be a whole number" };
    let costs = parse_by_gate(text, alphabet, &kind, |cost| cost.parse().ok())?;
    Ok(costs.into_iter().map(Option::unwrap_or_default).collect())
}

/// The options of a search for an enumerated unitary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FindOptions {
    /// Whether to look for circuits up to twice as long as those in the corpus, combined from two
    /// of them.
    pub extend: bool,
    /// The largest accepted difference between the entries of the target and of the nearest record,
    /// up to phase if the enumeration is. `None` derives it from the target's precision.
    pub tolerance: Option<f64>,
}

/// The options of a run of an enumeration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EnumerateOptions {
    /// Bytes that candidates may take in memory; `None` is half of the free memory.
    pub memory: Option<u64>,
    /// The number of worker threads; `None` is one a core.
    pub jobs: Option<usize>,
    /// The durability of commits.
    pub durability: Durability,
}

impl Default for DistinctOptions {
    fn default() -> DistinctOptions {
        let RecipeOptions { gates, qubits, coupling, letters, dtype, .. } = RecipeOptions::default();
        let (max_length, cost, max_cost, up_to) = (None, None, None, Equivalence::GlobalPhase);
        DistinctOptions { gates, qubits, coupling, letters, max_length, cost, max_cost, up_to, dtype }
    }
}

impl DistinctOptions {
    /// Returns the recipe that these options describe.
    ///
    /// # Errors
    /// [`Error::Recipe`], [`Error::GateFile`] or [`Error::Usage`], for the first invalid option.
    pub fn recipe(&self) -> Result<Recipe> {
        let DistinctOptions { gates, qubits, coupling, letters, .. } = self;
        let alphabet = AlphabetOptions {
            gates: gates.as_ref(),
            qubits: *qubits,
            coupling: coupling.as_deref(),
            letters: letters.as_deref(),
        };
        let alphabet = alphabet.alphabet(|_, error| Err(error))?;
        let (costs, most_cost, max) = match (&self.cost, self.max_cost, self.max_length) {
            (None, None, Some(max)) => (vec![0; alphabet.gates().len()], 0, max),
            (Some(costs), Some(most), None) => (parse_costs(costs, &alphabet)?, most, MAX_LENGTH),
            _ => {
                let text = "set one limit: either the maximum length of a circuit (--max-length, max_length= in Python), or \
                            gate costs and a maximum cost (--cost and --max-cost, cost= and max_cost= in Python)";
                return Err(Error::Usage(text.into()));
            }
        };
        let up_to = self.up_to;
        let tableaus = up_to == Equivalence::Pauli || BinaryLetters::new(&alphabet, up_to).is_ok();
        let distinct = Distinct { up_to, costs, most_cost, tableaus };
        let space = Space::distinct(&alphabet, distinct, max)?;
        Ok(Recipe::new(alphabet, space, self.dtype, false))
    }
}

impl Default for FindOptions {
    fn default() -> FindOptions {
        FindOptions { extend: true, tolerance: None }
    }
}
