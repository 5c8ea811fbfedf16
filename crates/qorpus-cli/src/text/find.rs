//! The answer to a search.

use crate::format::counted;
use crate::text::STRONG;
use qorpus::core::{PauliProduct, grouped};
use qorpus::{Found, Recipe};
use std::io::{Result, Write};

/// Prints the result of looking for a unitary.
pub(crate) fn found(out: &mut dyn Write, recipe: &Recipe, found: &Found) -> Result<()> {
    let letters = |count: usize| counted(count as u64, "letter");
    let has_costs = recipe.space().enumerates().is_some_and(|distinct| distinct.most_cost > 0);
    let proof = if has_costs { "proven cheapest" } else { "proven shortest" };
    let text = |circuit: &[u16]| match circuit {
        [] => "the empty circuit".to_owned(),
        // Letters of an enumeration have no free angles.
        circuit => recipe.alphabet().text(circuit, &[]),
    };
    let whole = match found.letters(recipe.alphabet()) {
        Some(letters) if letters.is_empty() => "the empty circuit".into(),
        letters => letters.unwrap_or_default().join("; "),
    };
    let with_paulis = |paulis: &PauliProduct| match paulis.letters().len() {
        0 => String::new(),
        count => format!(" and {}", counted(count as u64, "Pauli gate")),
    };
    match found {
        Found::Record { id, circuit, paulis } => {
            writeln!(out, "{STRONG}{whole}{STRONG:#}")?;
            let length = letters(circuit.len());
            writeln!(out, "record {}, {length}{}: {proof}", grouped(*id), with_paulis(paulis))
        }
        Found::Circuit { circuit, paulis } => {
            writeln!(out, "{STRONG}{whole}{STRONG:#}")?;
            let length = letters(circuit.len());
            writeln!(out, "combined from two records, {length}{}: {proof}", with_paulis(paulis))
        }
        Found::BeyondLength(length) => {
            writeln!(out, "proven: no circuit of up to {} implements this unitary", letters(*length))
        }
        Found::BeyondCost(cost) => {
            writeln!(out, "proven: no circuit with a cost of up to {cost} implements this unitary")
        }
        Found::Never => writeln!(out, "proven: no circuit over these gates implements this unitary"),
        Found::Near { id, circuit, distance, tolerance, .. } => {
            writeln!(out, "{STRONG}{whole}{STRONG:#}")?;
            let record = match id {
                Some(id) => format!("record {}", grouped(*id)),
                None => "combined from two records".to_owned(),
            };
            let (letters, tolerance) = (letters(circuit.len()), format!("tolerance {tolerance:.2e}"));
            writeln!(
                out,
                "{record}, {letters}: nearest match, off by {distance:.2e} ({tolerance}); not proven"
            )
        }
        Found::Unclear { nearest: None, .. } => writeln!(out, "interrupted before all records were compared"),
        Found::Unclear { nearest: Some((id, circuit, distance)), tolerance, within } => {
            match within {
                0 => writeln!(out, "not found: no record is within {tolerance:.2e} of the matrix")?,
                1 => writeln!(
                    out,
                    "ambiguous: one record is within {tolerance:.2e} of the matrix, another is almost as near"
                )?,
                within => writeln!(
                    out,
                    "ambiguous: {} are within {tolerance:.2e} of the matrix; use a matrix with more digits",
                    counted(*within, "record")
                )?,
            }
            writeln!(out, "nearest: record {} ({}), off by {distance:.2e}", grouped(*id), text(circuit))
        }
    }
}
