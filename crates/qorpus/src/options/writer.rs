//! Options of a writer.

use crate::error::{Error, Result};
use crate::options::alphabet::AlphabetOptions;
use crate::options::gates::Gates;
use crate::options::job::Durability;
use crate::options::recipe::RecipeOptions;
use crate::qubit_order::Order;
use qorpus_core::{Dtype, Gate, Recipe, Space};

/// The options of a writer: the recipe of its records, and their checks.
#[derive(Debug, Clone, PartialEq)]
pub struct WriterOptions {
    /// The gate set, as of [`RecipeOptions`]; unknown names are opaque gates. Without `gates` and
    /// `letters`, the alphabet is that of the corpus, which must exist.
    pub gates: Option<Gates>,
    /// The number of qubits, as of [`RecipeOptions`].
    pub qubits: Option<usize>,
    /// The coupling, as of [`RecipeOptions`].
    pub coupling: Option<String>,
    /// The letters one by one, as of [`RecipeOptions`].
    pub letters: Option<String>,
    /// The type of the unitaries' entries.
    pub dtype: Dtype,
    /// Whether unitaries are stored; if not, they are computed on reading, and none may be given.
    pub unitaries: bool,
    /// The largest entry of U†U - 1 of a given unitary; `None` accepts any finite matrix.
    pub tolerance: Option<f64>,
    /// The order of qubits in given unitaries; they are stored with qubit 0 most significant.
    pub order: Order,
    /// The comparison of a given unitary with its circuit's. Entries may differ by 1e-6, in a
    /// corpus of complex64 by 1e-5. A circuit with an opaque gate is not compared. In a call of
    /// [`extend`](crate::Writer::extend) on one or two qubits, the first 256 records and then every
    /// eighth are compared; otherwise every record is. [`verify`](crate::verify()) compares all.
    pub check: PairCheck,
    /// The durability of commits.
    pub durability: Durability,
}

/// The comparison of a given unitary with its circuit, if all gates of the circuit are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PairCheck {
    /// The unitary must be the circuit's up to a global phase.
    #[default]
    Phase,
    /// The unitary must be the circuit's.
    Exact,
    /// The two are not compared.
    None,
}

impl Default for WriterOptions {
    fn default() -> WriterOptions {
        let RecipeOptions { gates, qubits, coupling, letters, dtype, unitaries, .. } =
            RecipeOptions::default();
        let (tolerance, order, check) = (Some(1e-6), Order::Big, PairCheck::default());
        let durability = Durability::default();
        WriterOptions {
            gates,
            qubits,
            coupling,
            letters,
            dtype,
            unitaries,
            tolerance,
            order,
            check,
            durability,
        }
    }
}

impl WriterOptions {
    /// Returns the recipe of appended circuits that these options describe, if they name gates or
    /// letters.
    ///
    /// # Errors
    /// [`Error::Recipe`] or [`Error::GateFile`], for the first invalid option.
    pub fn recipe(&self) -> Result<Option<Recipe>> {
        let WriterOptions { gates, qubits, coupling, letters, .. } = self;
        if gates.is_none() && letters.is_none() {
            return Ok(None);
        }
        // A name with angles does not become an opaque gate: it means a gate that the library may
        // have.
        let opaque = |name: &str, error| match error {
            qorpus_core::Error::UnknownGate { .. } if !name.contains('(') => Gate::opaque(name),
            error => Err(error),
        };
        let alphabet = AlphabetOptions {
            gates: gates.as_ref(),
            qubits: *qubits,
            coupling: coupling.as_deref(),
            letters: letters.as_deref(),
        };
        let alphabet = alphabet.alphabet(opaque)?;
        let space = Space::appended(&alphabet);
        let recipe = Recipe::new(alphabet, space, self.dtype, self.unitaries);
        recipe.check()?;
        Ok(Some(recipe))
    }
}

impl std::str::FromStr for PairCheck {
    type Err = Error;

    fn from_str(text: &str) -> Result<PairCheck> {
        match text {
            "phase" => Ok(PairCheck::Phase),
            "exact" => Ok(PairCheck::Exact),
            "none" => Ok(PairCheck::None),
            other => Err(Error::Usage(format!("check '{other}' is unknown; use 'phase', 'exact' or 'none'"))),
        }
    }
}
