//! A record.

use crate::text::{NAME, STRONG, plain};
use qorpus::core::{draw, grouped};
use qorpus::{Complex64, Label, Recipe, Record};
use std::io::{Result, Write};

/// Prints a record: letters, drawing, unitary and labels.
pub(crate) fn record(out: &mut dyn Write, recipe: &Recipe, record: &Record) -> Result<()> {
    let alphabet = recipe.alphabet();
    writeln!(out, "{STRONG}record {}{STRONG:#}", grouped(record.id))?;
    if recipe.space().has_circuits() {
        writeln!(out, "{}\n", alphabet.text(&record.circuit, &record.angles))?;
        writeln!(out, "{}", draw(alphabet, &record.circuit, &record.angles))?;
    } else {
        writeln!(out, "a Haar-random unitary, without a circuit\n")?;
    }
    if !recipe.has_unitaries() {
        writeln!(out, "without a unitary: on {} qubits there are only circuits", alphabet.qubits())?;
    }
    let cells: Vec<String> = record.unitary.iter().map(|&entry| entry_text(entry)).collect();
    let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    for row in cells.chunks(alphabet.dim()) {
        let row: Vec<_> = row.iter().map(|cell| format!("{cell:>width$}")).collect();
        writeln!(out, "{NAME}│{NAME:#} {} {NAME}│{NAME:#}", row.join("  "))?;
    }
    let is_shown = |name: &str, value: &Label| !name.starts_with("count_") || *value != Label::Integer(0);
    let labels = record.labels.iter().filter(|(name, value)| is_shown(name, value));
    let labels: Vec<_> =
        labels.map(|(name, value)| format!("{name} {}", plain(&value.to_string()))).collect();
    if labels.is_empty() {
        return writeln!(out);
    }
    writeln!(out, "\n{NAME}{}{NAME:#}\n", labels.join(", "))
}

/// Formats a complex number with four decimals, without parts that round to zero.
fn entry_text(entry: Complex64) -> String {
    let part = |value: f64| (value.abs() >= 5e-5).then(|| format!("{value:.4}"));
    match (part(entry.re), part(entry.im)) {
        (None, None) => "0".into(),
        (Some(re), None) => re,
        (None, Some(im)) => format!("{im}i"),
        (Some(re), Some(_)) => format!("{re}{:+.4}i", entry.im),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qorpus::RecipeOptions;

    #[test]
    fn control_characters_in_labels_are_escaped() {
        let recipe =
            RecipeOptions { random: 1, qubits: Some(1), ..RecipeOptions::default() }.recipe().unwrap();
        let text = "λ\u{1b}]0;mine\u{7}\u{9b}2J\r\nrecord 7";
        let labels = [("note".to_owned(), Label::Text(text.into()))].into();
        let unitary = vec![Complex64::ONE, Complex64::ZERO, Complex64::ZERO, Complex64::ONE];
        let mut out = Vec::new();
        record(&mut out, &recipe, &Record { id: 0, circuit: vec![], angles: vec![], unitary, labels })
            .unwrap();
        let shown = String::from_utf8(out).unwrap();
        assert!(shown.contains(r"note λ\u{1b}]0;mine\u{7}\u{9b}2J\r\nrecord 7"), "{shown:?}");
    }
}
