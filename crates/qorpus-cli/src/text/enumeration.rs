//! The results of enumerations.

use crate::format::{counted, duration, rate};
use crate::progress::level;
use crate::text::{GOOD, NAME, STRONG};
use qorpus::core::grouped;
use qorpus::{EnumerateProgress, Level};
use std::io::{Result, Write};
use std::path::Path;
use std::time::Duration;

/// Prints the levels of an enumeration.
pub(crate) fn levels(
    out: &mut dyn Write,
    (levels, is_group): (&[Level], bool),
    progress: &EnumerateProgress,
    elapsed: Duration,
) -> Result<()> {
    let has_costs = levels.iter().any(|level| level.cost > 0);
    let mut row = |cost: &str, length: &str, records: &str| {
        let cost = if has_costs { format!("{cost:>6}  ") } else { String::new() };
        writeln!(out, "{NAME}{cost}{length:>6}{NAME:#}  {records:>15}")
    };
    row("cost", "length", "unitaries")?;
    for level in levels.iter().filter(|level| level.records > 0) {
        row(&level.cost.to_string(), &level.length.to_string(), &grouped(level.records))?;
    }
    let seconds = elapsed.as_secs_f64();
    writeln!(
        out,
        "{STRONG}{}{STRONG:#} distinct {} in {} ({}, {})",
        grouped(progress.records),
        if progress.records == 1 { "unitary" } else { "unitaries" },
        duration(seconds),
        counted(progress.candidates, "candidate"),
        rate(progress.candidates, seconds)
    )?;
    match is_group {
        true => writeln!(out, "{GOOD}complete{GOOD:#}: these gates make no other; they form a finite group"),
        false => Ok(()),
    }
}

/// Prints where an interrupted enumeration has stopped.
pub(crate) fn enumeration_interrupted(
    out: &mut dyn Write,
    file: &Path,
    progress: &EnumerateProgress,
) -> Result<()> {
    let (records, level) = (counted(progress.records, "record"), level(progress));
    let place = file.display();
    writeln!(
        out,
        "interrupted at {level}: {records} committed in {place}; run the same command again to resume"
    )
}
