//! Columns of a table, aligned.

use crate::text::NAME;
use std::io::{Result, Write};

/// Prints the heads of a table's columns.
pub(crate) fn heads(out: &mut dyn Write, names: &[String], widths: &[usize], is_text: &[bool]) -> Result<()> {
    writeln!(out, "{NAME}{}{NAME:#}", line(names, widths, is_text))
}

/// Prints a row of a table: texts stand left, numbers right.
pub(crate) fn cells(out: &mut dyn Write, row: &[String], widths: &[usize], is_text: &[bool]) -> Result<()> {
    writeln!(out, "{}", line(row, widths, is_text))
}

fn line(cells: &[String], widths: &[usize], is_text: &[bool]) -> String {
    let cells = cells.iter().zip(widths).zip(is_text).map(|((cell, &width), is_text)| match is_text {
        true => format!("{cell:<width$}"),
        false => format!("{cell:>width$}"),
    });
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}
