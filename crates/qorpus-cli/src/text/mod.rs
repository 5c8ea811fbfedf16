//! Output as text for people.

pub(crate) mod enumeration;
pub(crate) mod find;
pub(crate) mod info;
pub(crate) mod job;
pub(crate) mod plan;
pub(crate) mod record;
pub(crate) mod verification;

use crate::failure::Failure;
use anstyle::{AnsiColor, Style};
use std::io::{IsTerminal, Result, Write};

pub(crate) const NAME: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Prints the error of a command on standard error.
pub(crate) fn error(failure: &Failure) {
    // A closed standard error is ignored.
    let _ = writeln!(anstream::stderr(), "{BAD}error:{BAD:#} {failure}");
}

/// Prints a warning on standard error.
pub(crate) fn warning(text: &str) {
    let _ = writeln!(anstream::stderr(), "{STRONG}warning:{STRONG:#} {text}");
}

/// Prints what the first Ctrl-C does, on a terminal.
pub(crate) fn stopping() {
    if std::io::stderr().is_terminal() {
        let text = "stopping; press Ctrl-C again to quit at once";
        let _ = writeln!(anstream::stderr(), "{text}");
    }
}

/// The largest number of lines of one kind that are printed.
const MAX_LINES: usize = 20;

/// Prints the first lines, and the number of those that are left out.
fn listed(
    out: &mut dyn Write,
    mut lines: impl ExactSizeIterator<Item = String>,
    more: impl Fn(u64) -> String,
) -> Result<()> {
    lines.by_ref().take(MAX_LINES).try_for_each(|line| writeln!(out, "{line}"))?;
    match lines.len() {
        0 => Ok(()),
        rest => writeln!(out, "... and {}", more(rest as u64)),
    }
}

fn table(out: &mut dyn Write, rows: &[(&str, String)]) -> Result<()> {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().try_for_each(|(name, value)| writeln!(out, "{NAME}{name:>width$}{NAME:#}  {value}"))
}

/// Escapes control characters, so that a label cannot send commands to the terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        if c.is_control() { plain.extend(c.escape_default()) } else { plain.push(c) }
    }
    plain
}
