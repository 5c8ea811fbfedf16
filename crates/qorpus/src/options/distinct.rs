//! Options of an enumeration, and of looking up its unitaries.

use crate::error::{Error, Result};
use crate::options::gates::{Gates, split_list};
use crate::options::job::Durability;
use crate::options::recipe::{RecipeOptions, alphabet};
use qorpus_core::{Alphabet, Distinct, Dtype, Equivalence, Gate, MAX_LENGTH, Recipe, Space};

/// Options of a recipe of distinct unitaries.
#[derive(Debug, Clone, PartialEq)]
pub struct DistinctOptions {
    /// The gate set.
    pub gates: Gates,
    /// The number of qubits, 1 to 8.
    pub qubits: usize,
    /// `all`, `line`, `ring`, or pairs such as `0-1,1-2`.
    pub coupling: String,
    /// The most letters of a circuit.
    pub max_length: Option<usize>,
    /// The costs of gates, such as `t=1,tdg=1`; the others cost nothing.
    pub cost: Option<String>,
    /// The most that a circuit costs.
    pub max_cost: Option<u32>,
    /// Which unitaries count as the same.
    pub up_to: Equivalence,
    /// The type of the unitaries' entries; they are computed on reading.
    pub dtype: Dtype,
}

/// Reads costs such as `t=1,tdg=1` of the gates of `alphabet`.
pub(super) fn parse_costs(text: &str, alphabet: &Alphabet) -> Result<Vec<u32>> {
    let mut costs = vec![0; alphabet.gates().len()];
    for item in split_list(text.trim()) {
        let refused = |reason: String| Error::Usage(format!("cost '{}': {reason}", item.trim()));
        let (name, cost) = item.rsplit_once('=').ok_or_else(|| refused("write it as t=1".into()))?;
        let place = alphabet.gate_number(name).ok_or_else(|| {
            let names: Vec<_> = alphabet.gates().iter().map(Gate::name).collect();
            refused(format!("there is no such gate; the gates are {}", names.join(", ")))
        })?;
        costs[place] = cost.trim().parse().map_err(|_| refused("a cost is a whole number".into()))?;
    }
    Ok(costs)
}

/// Options of a search for a unitary among those that were enumerated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FindOptions {
    /// Whether circuits up to twice as long as those of the corpus are looked for, put together
    /// from two of them.
    pub extend: bool,
    /// The largest difference of entries, up to phase if the corpus is, of the nearest record that
    /// is taken. `None`: what the target's precision implies.
    pub tolerance: Option<f64>,
}

/// Options of an enumeration's run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EnumerateOptions {
    /// Bytes that candidates may take in memory; `None` is half of what is free.
    pub memory: Option<u64>,
    /// Worker threads; `None` is one a core.
    pub jobs: Option<usize>,
    /// How a commit is made to last.
    pub durability: Durability,
}

impl Default for DistinctOptions {
    fn default() -> DistinctOptions {
        let RecipeOptions { gates, qubits, coupling, dtype, .. } = RecipeOptions::default();
        let (max_length, cost, max_cost, up_to) = (None, None, None, Equivalence::GlobalPhase);
        DistinctOptions { gates, qubits, coupling, max_length, cost, max_cost, up_to, dtype }
    }
}

impl DistinctOptions {
    /// The recipe these options mean.
    ///
    /// # Errors
    /// [`Error::Recipe`], [`Error::GateFile`] or [`Error::Usage`], with the first option that
    /// cannot be.
    pub fn recipe(&self) -> Result<Recipe> {
        let gates = self.gates.gates(self.qubits, |_, error| Err(error))?;
        let alphabet = alphabet(gates, self.qubits, &self.coupling)?;
        let (costs, most_cost, max) = match (&self.cost, self.max_cost, self.max_length) {
            (None, None, Some(max)) => (vec![0; alphabet.gates().len()], 0, max),
            (Some(costs), Some(most), None) => (parse_costs(costs, &alphabet)?, most, MAX_LENGTH),
            _ => {
                let text = "say how far to go: either the most letters of a circuit (max length), or what gates cost and the most \
                            that a circuit costs (cost and max cost)";
                return Err(Error::Usage(text.into()));
            }
        };
        let distinct = Distinct { up_to: self.up_to, costs, most_cost };
        let space = Space::distinct(&alphabet, distinct, max)?;
        Ok(Recipe::new(alphabet, space, self.dtype, false))
    }
}

impl Default for FindOptions {
    fn default() -> FindOptions {
        FindOptions { extend: true, tolerance: None }
    }
}
