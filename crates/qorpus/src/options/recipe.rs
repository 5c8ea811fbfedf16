//! Options of a recipe of words or random circuits.

use crate::error::Result;
use crate::options::alphabet::AlphabetOptions;
use crate::options::gates::Gates;
use qorpus_core::{Dtype, Recipe, Space};

/// A recipe in user input: names and texts, each with a default.
#[derive(Debug, Clone, PartialEq)]
pub struct RecipeOptions {
    /// The gate set; `None` is [`Gates::default`]. With `letters`, the gates that they may use, and
    /// `None` is every standard gate.
    pub gates: Option<Gates>,
    /// The number of qubits, 1 to 8; `None` is [`DEFAULT_QUBITS`](crate::DEFAULT_QUBITS), or as many
    /// as `letters` need.
    pub qubits: Option<usize>,
    /// `all`, `line`, `ring`, or pairs such as `0-1,1-2`; `None` is
    /// [`DEFAULT_COUPLING`](crate::DEFAULT_COUPLING). Excludes `letters`.
    pub coupling: Option<String>,
    /// The letters in order, such as `h 0; cx 0 1`, instead of all placements of the gates.
    pub letters: Option<String>,
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

impl Default for RecipeOptions {
    fn default() -> RecipeOptions {
        RecipeOptions {
            gates: None,
            qubits: None,
            coupling: None,
            letters: None,
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
        let RecipeOptions { gates, qubits, coupling, letters, .. } = self;
        let alphabet = AlphabetOptions {
            gates: gates.as_ref(),
            qubits: *qubits,
            coupling: coupling.as_deref(),
            letters: letters.as_deref(),
        };
        let alphabet = alphabet.alphabet(|_, error| Err(error))?;
        let (min, max) = self.length;
        let space = if self.words {
            Space::words(&alphabet, min, max)?
        } else {
            Space::random(&alphabet, self.random, self.seed, min, max)?
        };
        Ok(Recipe::new(alphabet, space, self.dtype, self.unitaries))
    }
}
