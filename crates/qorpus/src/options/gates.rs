//! The gate set of a recipe in user input.

use crate::error::Result;
use crate::options::gate_file;
use qorpus_core::{Complex64, Gate};
use std::path::Path;

/// Turns a name that is neither standard nor a preset into a gate, or returns the error.
pub(super) type UnknownGate = fn(&str, qorpus_core::Error) -> qorpus_core::Result<Gate>;

/// A gate set in user input.
#[derive(Debug, Clone, PartialEq)]
pub enum Gates {
    /// A preset, a gate file (`*.toml`), or standard gates and presets separated by commas.
    Text(String),
    /// The gates in order.
    List(Vec<GateOption>),
}

/// A gate in user input.
#[derive(Debug, Clone, PartialEq)]
pub enum GateOption {
    /// A standard gate, or a preset.
    Name(String),
    /// A user-defined gate: its name and its matrix, row-major, the first qubit most significant.
    Matrix(String, Vec<Complex64>),
}

/// Splits at the commas outside parentheses; blank text is an empty list.
pub(super) fn split_list(text: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let outside = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    if text.is_empty() { Vec::new() } else { text.split(outside).collect() }
}

impl Default for Gates {
    fn default() -> Gates {
        "clifford+t".into()
    }
}

impl std::fmt::Display for Gates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Gates::Text(text) => f.write_str(text),
            Gates::List(gates) => {
                let name = |gate: &GateOption| match gate {
                    GateOption::Name(name) | GateOption::Matrix(name, _) => name.clone(),
                };
                f.write_str(&gates.iter().map(name).collect::<Vec<_>>().join(","))
            }
        }
    }
}

impl From<&str> for Gates {
    fn from(text: &str) -> Gates {
        Gates::Text(text.into())
    }
}

impl From<String> for Gates {
    fn from(text: String) -> Gates {
        Gates::Text(text)
    }
}

impl Gates {
    /// Returns the gates, where presets leave out gates wider than `qubits`. `unknown` turns a name
    /// that is neither standard nor a preset into a gate, or returns the error.
    pub(super) fn gates(&self, qubits: usize, unknown: UnknownGate) -> Result<Vec<Gate>> {
        let named = |name: &str| {
            gate_file::named(name, qubits).or_else(|error| Ok(vec![unknown(name.trim(), error)?]))
        };
        let gates = match self {
            Gates::Text(text) if text.trim().ends_with(".toml") => {
                return gate_file::read(Path::new(text.trim()), qubits);
            }
            Gates::Text(text) => split_list(text.trim()).into_iter().map(named).collect(),
            Gates::List(gates) => gates
                .iter()
                .map(|gate| match gate {
                    GateOption::Name(name) => named(name),
                    GateOption::Matrix(name, entries) => {
                        let width = entries.len().checked_ilog2().unwrap_or(0) as usize / 2;
                        Gate::custom(name, width, entries.clone()).map(|gate| vec![gate])
                    }
                })
                .collect::<qorpus_core::Result<Vec<_>>>(),
        };
        Ok(gates?.concat())
    }
}
