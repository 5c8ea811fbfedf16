//! The JSON of a recipe, which is stored and which the recipe's hash covers.

use crate::alphabet::coupling::Coupling;
use crate::alphabet::{Alphabet, MAX_LETTERS};
use crate::bounded_vec::BoundedVec;
use crate::circuit::MAX_LENGTH;
use crate::error::{Error, Result};
use crate::gate::Gate;
use crate::recipe::dtype::Dtype;
use crate::recipe::gate_text::{GateText, MAX_GATES};
use crate::recipe::{FORMAT_VERSION, Recipe};
use crate::space::constraints::Constraints;
use crate::space::distinct::Distinct;
use crate::space::{Space, SpaceKind};
use num_complex::Complex64;
use serde::{Deserialize, Serialize};

impl Recipe {
    /// Returns the recipe as one line of JSON, always with the same keys in the same order. It is
    /// stored and hashed.
    pub fn to_json(&self) -> String {
        let gate = |gate: &Gate| match gate {
            gate if gate.is_standard() => GateText::Standard(gate.name().into()),
            gate if gate.is_opaque() => GateText::Opaque { opaque: gate.name().into() },
            gate => {
                let entries: Vec<_> = gate.matrix().iter().map(|entry| [entry.re, entry.im]).collect();
                let rows = entries.chunks(1 << gate.qubits()).map(|row| BoundedVec(row.to_vec()));
                let matrix = BoundedVec(rows.collect());
                GateText::Custom { name: gate.name().into(), qubits: gate.qubits(), matrix }
            }
        };
        let text = RecipeText {
            format_version: self.format_version(),
            qubits: self.alphabet.qubits(),
            gates: BoundedVec(self.alphabet.gates().iter().map(gate).collect()),
            coupling: self.alphabet.coupling().map(ToString::to_string),
            letters: self.alphabet.coupling().is_none().then(|| self.letters()),
            length: self.space.lengths(),
            space: match self.space.kind() {
                SpaceKind::Words => SpaceText::Words,
                SpaceKind::Random { seed, constraints } => {
                    SpaceText::Random(RandomText::new(self.space.len(), *seed, constraints))
                }
                &SpaceKind::Cliffords { seed } => SpaceText::Cliffords { records: self.space.len(), seed },
                &SpaceKind::Haar { seed } => SpaceText::Haar { records: self.space.len(), seed },
                SpaceKind::Appended => SpaceText::Appended,
                SpaceKind::Distinct(distinct) => SpaceText::Distinct(distinct.clone()),
            },
            dtype: self.dtype,
            unitaries: self.unitaries,
            chunk_records: self.chunk_records,
        };
        // Numbers, strings and lists always have a JSON text.
        serde_json::to_string(&text).unwrap_or_default()
    }

    fn letters(&self) -> BoundedVec<String, MAX_LETTERS> {
        BoundedVec(self.alphabet.letters().iter().map(|letter| letter.text.clone()).collect())
    }

    /// Reads the JSON that [`to_json`](Recipe::to_json) wrote.
    ///
    /// # Errors
    /// [`Error::Recipe`] for other text, or any error of the parts it describes.
    pub fn from_json(json: &str) -> Result<Recipe> {
        let refused = |reason: String| Err(Error::Recipe(reason));
        let text: RecipeText =
            serde_json::from_str(json).map_err(|error| Error::Recipe(error.to_string()))?;
        if !(1..=FORMAT_VERSION).contains(&text.format_version) {
            return refused(format!(
                "this version of Qorpus cannot read its format version, {}",
                text.format_version
            ));
        }
        let gates = text.gates.0.into_iter().map(|gate| match gate {
            GateText::Standard(name) => Gate::stored(&name),
            GateText::Opaque { opaque } => Gate::opaque(&opaque),
            GateText::Custom { name, qubits, matrix } => {
                let entries =
                    matrix.0.into_iter().flat_map(|row| row.0).map(|[re, im]| Complex64::new(re, im));
                Gate::custom(&name, qubits, entries.collect())
            }
        });
        let gates: Vec<_> = gates.collect::<Result<_>>()?;
        let alphabet = match (text.coupling, text.letters) {
            (Some(coupling), None) if matches!(text.space, SpaceText::Haar { .. }) => {
                if !gates.is_empty() || coupling != Coupling::All.to_string() {
                    return refused("Haar-random unitaries have no gates, and the coupling 'all'".into());
                }
                Space::alphabet_of_haar(text.qubits)?
            }
            (Some(coupling), None) => Alphabet::new(gates, text.qubits, Coupling::parse(&coupling)?)?,
            (None, Some(letters)) => Alphabet::stored(gates, text.qubits, &letters.0)?,
            _ => return refused("it needs either a coupling or letters".into()),
        };
        let (min, max) = text.length;
        let space = match text.space {
            SpaceText::Words => Space::words(&alphabet, min, max)?,
            SpaceText::Appended if (min, max) == (0, MAX_LENGTH) => Space::appended(&alphabet),
            SpaceText::Appended => return refused("appended circuits have lengths from 0 to 65,535".into()),
            SpaceText::Distinct(_) if min > 0 || text.unitaries => {
                let rule = "distinct unitaries start from the empty circuit and are not stored";
                return refused(rule.into());
            }
            SpaceText::Distinct(distinct) => Space::distinct(&alphabet, distinct, max)?,
            SpaceText::Random(RandomText { records, seed, weights, exactly, no_cancelling }) => {
                let constraints = Constraints { weights: weights.0, exactly: exactly.0, no_cancelling };
                Space::constrained(&alphabet, records, seed, (min, max), constraints)?
            }
            SpaceText::Cliffords { records, seed } => Space::cliffords(&alphabet, records, seed)?,
            SpaceText::Haar { records, seed } => Space::haar(&alphabet, records, seed)?,
        };
        if space.lengths() != text.length {
            let (min, max) = space.lengths();
            return refused(format!("its circuits have lengths from {min} to {max}"));
        }
        let recipe = Recipe::new(alphabet, space, text.dtype, text.unitaries);
        recipe.check()?;
        if text.format_version != recipe.format_version() {
            let (found, expected) = (text.format_version, recipe.format_version());
            return refused(format!("it has format version {found} instead of {expected}"));
        }
        recipe.with_chunk_records(text.chunk_records)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipeText {
    format_version: u32,
    qubits: usize,
    gates: BoundedVec<GateText, MAX_GATES>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    coupling: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    letters: Option<BoundedVec<String, MAX_LETTERS>>,
    length: (usize, usize),
    space: SpaceText,
    dtype: Dtype,
    unitaries: bool,
    chunk_records: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SpaceText {
    Words,
    Random(RandomText),
    Cliffords { records: u64, seed: u64 },
    Haar { records: u64, seed: u64 },
    Appended,
    Distinct(Distinct),
}

/// Random circuits. What version 1 does not have is written only where it is used.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RandomText {
    records: u64,
    seed: u64,
    #[serde(default, skip_serializing_if = "BoundedVec::is_empty")]
    weights: BoundedVec<f64, MAX_GATES>,
    #[serde(default, skip_serializing_if = "BoundedVec::is_empty")]
    exactly: BoundedVec<Option<u16>, MAX_GATES>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    no_cancelling: bool,
}

impl RandomText {
    fn new(records: u64, seed: u64, constraints: &Constraints) -> RandomText {
        let Constraints { weights, exactly, no_cancelling } = constraints.clone();
        let (weights, exactly) = (BoundedVec(weights), BoundedVec(exactly));
        RandomText { records, seed, weights, exactly, no_cancelling }
    }
}
