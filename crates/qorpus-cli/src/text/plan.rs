//! The cost of a recipe.

use crate::format::{bytes, counted, duration, per_second};
use crate::json::ways;
use crate::text::{BAD, table};
use qorpus::core::grouped;
use qorpus::{Machine, Plan, Recipe};
use std::io::{Result, Write};

/// Prints the cost of a recipe, on this machine and on another one if it differs.
pub(crate) fn plan(out: &mut dyn Write, recipe: &Recipe, plan: &Plan) -> Result<()> {
    let mut machines = vec![("this machine", plan.here)];
    machines.extend((plan.there != plan.here).then_some(("other machine", plan.there)));
    let mut rows = vec![
        ("recipe", recipe.summary()),
        ("records", grouped(plan.records)),
        ("chunks", grouped(plan.chunks)),
        ("in a directory", counted(plan.shards(), "shard")),
    ];
    if recipe.space().has_circuits() {
        rows.insert(1, ("letters", grouped(recipe.alphabet().letters().len() as u64)));
    }
    rows.extend(machines.iter().map(|&(name, machine)| (name, machine_text(machine, plan.shards()))));
    table(out, &rows)?;
    let mut heads = vec!["", "size", "per core", "core-hours"];
    heads.extend(machines.iter().map(|(name, _)| *name));
    let mut rows: Vec<Vec<String>> = vec![heads.into_iter().map(str::to_owned).collect()];
    let derived = if recipe.space().has_circuits() { "circuits only" } else { "ids only" };
    for ((_, way), name) in ways(plan).into_iter().zip(["unitaries stored", derived, "nothing stored"]) {
        let core_hours = format!("{:.1}", plan.core_seconds(way) / 3600.0);
        let mut row = vec![name.to_owned(), bytes(way.bytes), per_second(way.rate), core_hours];
        row.extend(machines.iter().map(|&(_, machine)| duration(plan.seconds(way, machine))));
        rows.push(row);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    writeln!(out)?;
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  "))?;
    }
    writeln!(out)?;
    for (name, machine) in machines {
        let (stored, computed) = plan.reading(machine);
        let faster = if plan.is_storing_slower(machine) {
            format!("{BAD}computing them is faster{BAD:#}")
        } else {
            "reading them is faster".to_owned()
        };
        let (stored, computed) = (duration(stored), duration(computed));
        writeln!(out, "{name}: all unitaries take {stored} to read, {computed} to compute; {faster}")?;
    }
    Ok(())
}

/// Formats the speed of a machine.
fn machine_text(machine: Machine, shards: u64) -> String {
    let cores = counted(machine.cores as u64, "core");
    let rate = |rate: f64| format!("{}/s", bytes(rate as u64));
    let (disk, file) = (rate(machine.disk_rate), rate(machine.file_rate()));
    let directory = match shards {
        ..=1 => String::new(),
        _ => format!(", {} a directory", rate(machine.directory_rate(shards))),
    };
    format!("{cores}; a disk of {disk}, {file} one file{directory}")
}
