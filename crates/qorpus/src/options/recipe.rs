//! Options of a recipe of words or random circuits.

use crate::error::Result;
use crate::options::gates::Gates;
use qorpus_core::{Alphabet, Coupling, Dtype, Gate, Recipe, Space};

/// A recipe in user input: names and texts, each with a default.
#[derive(Debug, Clone, PartialEq)]
pub struct RecipeOptions {
    /// The gate set.
    pub gates: Gates,
    /// The number of qubits, 1 to 8.
    pub qubits: usize,
    /// `all`, `line`, `ring`, or pairs such as `0-1,1-2`.
    pub coupling: String,
    /// Whether the circuits are all words instead of random ones.
    pub words: bool,
    /// The number of random circuits.
    pub random: u64,
    /// The seed of the random circuits.
    pub seed: u64,
    /// The shortest and longest length, in letters.
    pub length: (usize, usize),
    /// The type of the unitaries' entries.
    pub dtype: Dtype,
    /// Whether unitaries are stored; if not, they are computed on reading.
    pub unitaries: bool,
}

/// Creates the alphabet of a new recipe, in which each gate is named once.
pub(super) fn alphabet(gates: Vec<Gate>, qubits: usize, coupling: &str) -> Result<Alphabet> {
    let alphabet = Alphabet::new(gates, qubits, Coupling::parse(coupling)?)?;
    alphabet.check_spellings()?;
    Ok(alphabet)
}

impl Default for RecipeOptions {
    fn default() -> RecipeOptions {
        RecipeOptions {
            gates: Gates::default(),
            qubits: 2,
            coupling: "all".into(),
            words: false,
            random: 1_000_000,
            seed: 0,
            length: (5, 15),
            dtype: Dtype::Complex128,
            unitaries: true,
        }
    }
}

impl RecipeOptions {
    /// Returns the recipe that these options describe.
    ///
    /// # Errors
    /// [`Error::Recipe`](crate::Error::Recipe) or [`Error::GateFile`](crate::Error::GateFile), for
    /// the first invalid option.
    pub fn recipe(&self) -> Result<Recipe> {
        let gates = self.gates.gates(self.qubits, |_, error| Err(error))?;
        let alphabet = alphabet(gates, self.qubits, &self.coupling)?;
        let (min, max) = self.length;
        let space = if self.words {
            Space::words(&alphabet, min, max)?
        } else {
            Space::random(&alphabet, self.random, self.seed, min, max)?
        };
        Ok(Recipe::new(alphabet, space, self.dtype, self.unitaries))
    }
}
