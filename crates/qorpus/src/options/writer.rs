//! Options of a writer.

use crate::error::{Error, Result};
use crate::options::gates::Gates;
use crate::options::job::Durability;
use crate::options::recipe::{RecipeOptions, alphabet};
use crate::qubit_order::Order;
use qorpus_core::{Dtype, Gate, Recipe, Space};

/// Options of a writer: the recipe of its records, and how they are checked.
#[derive(Debug, Clone, PartialEq)]
pub struct WriterOptions {
    /// The gate set; names that the library does not know are opaque gates. `None`: that of the
    /// corpus, which must exist.
    pub gates: Option<Gates>,
    /// The number of qubits, 1 to 8.
    pub qubits: usize,
    /// `all`, `line`, `ring`, or pairs such as `0-1,1-2`.
    pub coupling: String,
    /// The type of the unitaries' entries.
    pub dtype: Dtype,
    /// Whether unitaries are stored; if not, they are computed on reading, and none can be given.
    pub unitaries: bool,
    /// How far a unitary that is given may be from unitary, as the largest entry of U†U - 1;
    /// `None`: anything finite.
    pub tolerance: Option<f64>,
    /// The order of qubits in the unitaries that are given; they are stored with qubit 0 most
    /// significant.
    pub order: Order,
    /// How a unitary that is given is compared with its circuit's. Entries may differ by 1e-6, in a
    /// corpus of complex64 by 1e-5. A circuit with a gate of which only the name is known is not
    /// compared. Of the records of one [`extend`](crate::Writer::extend) on one or two qubits the
    /// first 256 and then every eighth are compared, of all others every record;
    /// [`verify`](crate::verify()) compares all.
    pub check: PairCheck,
    /// How a commit is made to last.
    pub durability: Durability,
}

/// How a unitary that is given with a circuit is held against that circuit, where all of its gates
/// are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PairCheck {
    /// It is the circuit's unitary up to a global phase.
    #[default]
    Phase,
    /// It is the circuit's unitary.
    Exact,
    /// They are not compared.
    None,
}

impl Default for WriterOptions {
    fn default() -> WriterOptions {
        let RecipeOptions { qubits, coupling, dtype, unitaries, .. } = RecipeOptions::default();
        let (tolerance, order, check) = (Some(1e-6), Order::Big, PairCheck::default());
        let durability = Durability::default();
        WriterOptions { gates: None, qubits, coupling, dtype, unitaries, tolerance, order, check, durability }
    }
}

impl WriterOptions {
    /// The recipe of appended circuits that these options mean, if they name gates.
    ///
    /// # Errors
    /// [`Error::Recipe`] or [`Error::GateFile`], with the first option that cannot be.
    pub fn recipe(&self) -> Result<Option<Recipe>> {
        let Some(gates) = &self.gates else { return Ok(None) };
        // A name with angles is not an opaque gate's: it means a gate that the library may have.
        let opaque = |name: &str, error| match error {
            qorpus_core::Error::UnknownGate { .. } if !name.contains('(') => Gate::opaque(name),
            error => Err(error),
        };
        let gates = gates.gates(self.qubits, opaque)?;
        let alphabet = alphabet(gates, self.qubits, &self.coupling)?;
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
            other => Err(Error::Usage(format!("check '{other}' is none of 'phase', 'exact', 'none'"))),
        }
    }
}
