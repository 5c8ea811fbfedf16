//! Gate files: a gate set with user-defined gates, as TOML.
//!
//! ```toml
//! gates = ["h", "root_y", "cx"]        # optional: gates and presets in order; default: the gates defined here
//!
//! [[gate]]
//! name = "root_y"
//! qubits = 1
//! matrix = [
//!     [[0.5, 0.5], [-0.5, -0.5]],      # an entry is [re, im] or a real number,
//!     [["1/2", "1/2"], ["1/2", "1/2"]] # each written as a number or an expression: "1/sqrt(2)", "cos(pi/8)"
//! ]
//! ```

use crate::error::{Error, LOOK_FOR, Result, io};
use qorpus_core::{Complex64, Gate, evaluate, preset};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GateFile {
    gates: Option<Vec<String>>,
    #[serde(default)]
    gate: Vec<GateDefinition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GateDefinition {
    name: String,
    qubits: usize,
    matrix: Vec<Vec<MatrixEntry>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum MatrixEntry {
    Real(MatrixNumber),
    Complex([MatrixNumber; 2]),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum MatrixNumber {
    Integer(i64),
    Float(f64),
    Expression(String),
}

/// Reads the gates of a gate file, where presets leave out gates wider than `qubits`.
pub(crate) fn read(path: &Path, qubits: usize) -> Result<Vec<Gate>> {
    path.metadata().map_err(io(path, LOOK_FOR))?;
    let text = std::fs::read_to_string(path).map_err(io(path, "read the gate file"))?;
    parse(&text, qubits).map_err(|error| match error {
        Refused::Shape(reason) => Error::GateFile(path.into(), reason),
        Refused::Gate(error) => Error::Recipe(error),
    })
}

#[derive(Debug)]
enum Refused {
    Shape(String),
    Gate(qorpus_core::Error),
}

fn parse(text: &str, qubits: usize) -> Result<Vec<Gate>, Refused> {
    let file: GateFile = toml::from_str(text).map_err(|error| Refused::Shape(error.to_string()))?;
    let defined = file.gate.into_iter().map(define).collect::<Result<Vec<_>, _>>()?;
    let Some(names) = file.gates else {
        return Ok(defined);
    };
    let find = |name: &String| match defined.iter().find(|gate| gate.name() == name) {
        Some(gate) => Ok(vec![gate.clone()]),
        None => named(name, qubits).map_err(Refused::Gate),
    };
    Ok(names.iter().map(find).collect::<Result<Vec<_>, _>>()?.concat())
}

/// Returns the gates of a preset, or a standard gate.
pub(super) fn named(name: &str, qubits: usize) -> qorpus_core::Result<Vec<Gate>> {
    preset(name.trim(), qubits).map_or_else(|| Gate::standard(name).map(|gate| vec![gate]), Ok)
}

fn define(definition: GateDefinition) -> Result<Gate, Refused> {
    let GateDefinition { name, qubits, matrix } = definition;
    let dim = matrix.len();
    if let Some(row) = matrix.iter().position(|row| row.len() != dim) {
        let reason =
            format!("gate '{name}': row {row} of its matrix has {} entries, not {dim}", matrix[row].len());
        return Err(Refused::Shape(reason));
    }
    let number = |number: MatrixNumber| match number {
        MatrixNumber::Integer(value) => Ok(value as f64),
        MatrixNumber::Float(value) => Ok(value),
        MatrixNumber::Expression(text) => {
            evaluate(&text).map_err(|reason| Refused::Shape(format!("gate '{name}': {reason}")))
        }
    };
    let entries = matrix.into_iter().flatten().map(|entry| match entry {
        MatrixEntry::Real(re) => Ok(Complex64::new(number(re)?, 0.0)),
        MatrixEntry::Complex([re, im]) => Ok(Complex64::new(number(re)?, number(im)?)),
    });
    let entries = entries.collect::<Result<_, _>>()?;
    Gate::custom(&name, qubits, entries).map_err(Refused::Gate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT_Y: &str = r#"
        [[gate]]
        name = "root_y"
        qubits = 1
        matrix = [[[0.5, 0.5], [-0.5, -0.5]], [["1/2", "sqrt(1)/2"], [0.5, "1/2"]]]
    "#;

    #[test]
    fn own_gates_and_standard_ones() {
        let own = parse(ROOT_Y, 2).unwrap();
        assert_eq!(own[0].matrix()[2], Complex64::new(0.5, 0.5));
        let names: Vec<_> =
            parse(&format!("gates = [\"h\", \"root_y\", \"rz(pi/4)\"]\n{ROOT_Y}"), 2).unwrap();
        assert_eq!(names.iter().map(Gate::name).collect::<Vec<_>>(), ["h", "root_y", "rz(pi/4)"]);
        let preset = parse(&format!("gates = [\"root_y\", \"clifford\"]\n{ROOT_Y}"), 1).unwrap();
        assert_eq!(preset.iter().map(Gate::name).collect::<Vec<_>>(), ["root_y", "h", "s", "sdg"]);
    }

    #[test]
    fn expressions_and_names_of_other_tools() {
        let own = ROOT_Y.replace("sqrt(1)/2", "2**-1").replacen("\"1/2\"", "\"τ/(4*π)\"", 1);
        assert_eq!(parse(&own, 1).unwrap(), parse(ROOT_Y, 1).unwrap());
        match parse(&format!("gates = [\"cnot\"]\n{ROOT_Y}"), 1).unwrap_err() {
            Refused::Gate(error) => assert!(error.to_string().contains("did you mean 'cx'?"), "{error}"),
            Refused::Shape(reason) => panic!("{reason}"),
        }
    }

    #[test]
    fn refusals() {
        let refused = |from: &str, to: &str| {
            assert!(ROOT_Y.contains(from));
            match parse(&ROOT_Y.replacen(from, to, 1), 1).unwrap_err() {
                Refused::Shape(reason) => reason,
                Refused::Gate(error) => error.to_string(),
            }
        };
        assert!(refused("0.5, 0.5", "0.6, 0.5").contains("not unitary"));
        assert!(refused("[0.5, 0.5], ", "").contains("row 0 of its matrix has 1 entries"));
        assert!(refused("1/2", "1/0").contains("divides by zero"));
        assert!(refused("qubits = 1", "qubits = 2").contains("4 x 4 are needed"));
        assert!(refused("qubits", "qubit").contains("qubit"));
        assert!(refused("root_y", "h").contains("standard gate"));
        assert!(refused("[[gate]]", "[[gate").contains("TOML"));
    }
}
