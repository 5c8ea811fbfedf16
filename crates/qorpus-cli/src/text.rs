//! Output as text for people.

use crate::failure::Failure;
use crate::format::{bytes, counted, duration, grouped, per_second, places, range, rate};
use crate::json::ways;
use crate::progress::level;
use anstyle::{AnsiColor, Style};
use qorpus::core::{PauliProduct, draw};
use qorpus::{
    Complex64, Corpus, EnumerateProgress, Found, Idle, Label, Level, Machine, Part, Plan, Progress, Recipe,
    Record, Sealed, Summary, Verification,
};
use std::io::{IsTerminal, Result, Write};
use std::path::Path;
use std::time::Duration;

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

/// The largest number of letters of an alphabet that are printed.
const MAX_LETTERS: usize = 16;

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

/// Prints the summary of a finished job: the records that it `generated`, for example, and the
/// state of the corpus, or of the `part` that the progress counts.
pub(crate) fn done(
    out: &mut dyn Write,
    file: &Path,
    verb: &str,
    records: u64,
    progress: Option<Progress>,
    part: Option<Part>,
    elapsed: Duration,
) -> Result<()> {
    let seconds = elapsed.as_secs_f64();
    let rate = rate(records, seconds);
    let mut parts = match records {
        0 if progress.is_some() => vec!["nothing to do".to_string()],
        _ => vec![format!("{verb} {} in {} ({rate})", counted(records, "record"), duration(seconds))],
    };
    if let Some(progress) = progress {
        parts.push(if progress.records == progress.expected {
            let part = part.map(|part| format!("part {part} ")).unwrap_or_default();
            format!("{part}{GOOD}complete{GOOD:#} with {}", counted(progress.records, "record"))
        } else {
            format!("{} of {} so far", grouped(progress.records), counted(progress.expected, "record"))
        });
    }
    // 'qorpus seal' prints the size of a directory.
    if let Ok(metadata) = std::fs::metadata(file)
        && metadata.is_file()
    {
        parts.push(bytes(metadata.len()));
    }
    writeln!(out, "{STRONG}{}{STRONG:#}: {}", file.display(), parts.join("; "))
}

/// Prints where an interrupted job has kept its records. A shard that is built elsewhere moves to
/// its place when it is complete.
pub(crate) fn interrupted(
    out: &mut dyn Write,
    file: &Path,
    built_in: &Path,
    progress: Progress,
) -> Result<()> {
    let Progress { records, expected, drafted, .. } = progress;
    let there = if built_in == file { records } else { records - drafted };
    let (of, place) = (counted(expected, "record"), file.display());
    write!(out, "interrupted: {} of {of} committed in {place}", grouped(there))?;
    if built_in == file {
        return writeln!(out, "; run the same command again to resume");
    }
    let (records, place) = (grouped(drafted), built_in.display());
    write!(out, ", and {records} of an unfinished shard in {place} on this machine")?;
    writeln!(out, "; run the same command again on this machine to resume")
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

/// Prints that a part contains nothing to generate.
pub(crate) fn idle(out: &mut dyn Write, file: &Path, idle: Idle) -> Result<()> {
    writeln!(out, "{STRONG}{}{STRONG:#}: {idle}", file.display())
}

/// Prints the next step after all parts.
pub(crate) fn seal_next(out: &mut dyn Write, directory: &Path) -> Result<()> {
    writeln!(out, "this is one part; after all parts, run: qorpus seal {}", directory.display())
}

/// Prints the state of a sharded corpus.
pub(crate) fn sealed(out: &mut dyn Write, directory: &Path, sealed: &Sealed) -> Result<()> {
    let missing = sealed.missing.iter().map(|ids| format!("{BAD}missing{BAD:#}: {}", range(ids)));
    listed(out, missing, |more| counted(more, "more range"))?;
    let verdict = if sealed.missing.is_empty() { format!("{GOOD}complete{GOOD:#}") } else { incomplete() };
    writeln!(
        out,
        "{STRONG}{}{STRONG:#}: {} of {}, {} of {}, {}: {verdict}",
        directory.display(),
        grouped(sealed.shards),
        counted(sealed.of, "shard"),
        grouped(sealed.records),
        counted(sealed.expected, "record"),
        bytes(sealed.bytes)
    )
}

fn incomplete() -> String {
    let remedy = "run the same 'qorpus generate' command again to generate the missing records";
    format!("{BAD}incomplete{BAD:#}; {remedy}")
}

/// Prints the damage that was repaired.
pub(crate) fn repaired(out: &mut dyn Write, found: &Verification) -> Result<()> {
    let (chunks, shards) = (found.damaged.len() as u64, found.shards.len() as u64);
    let damaged = counted(chunks, "damaged chunk");
    match shards {
        0 if chunks == 0 && found.wal_missing => {
            writeln!(out, "accepted the file without its WAL; records that only the WAL had are lost")
        }
        0 if chunks == 0 => writeln!(out, "corrected the totals"),
        0 => writeln!(out, "recomputed {damaged}"),
        _ if chunks == 0 => writeln!(out, "rebuilt {}", counted(shards, "shard")),
        _ => writeln!(out, "rebuilt {}, and those with {damaged}", counted(shards, "shard")),
    }
}

/// Prints the cost of a recipe, on this machine and on another one if it differs.
pub(crate) fn plan(out: &mut dyn Write, recipe: &Recipe, plan: &Plan) -> Result<()> {
    let mut machines = vec![("this machine", plan.here)];
    machines.extend((plan.there != plan.here).then_some(("other machine", plan.there)));
    let shards = plan.records.div_ceil(plan.shard_records);
    let mut rows = vec![
        ("recipe", recipe.summary()),
        ("records", grouped(plan.records)),
        ("chunks", grouped(plan.chunks)),
        ("in a directory", counted(shards, "shard")),
    ];
    if recipe.space().has_circuits() {
        rows.insert(1, ("letters", grouped(recipe.alphabet().letters().len() as u64)));
    }
    rows.extend(machines.iter().map(|&(name, machine)| (name, machine_text(machine))));
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
fn machine_text(machine: Machine) -> String {
    let cores = counted(machine.cores as u64, "core");
    let (disk, corpus) = (bytes(machine.disk_rate as u64), bytes(machine.corpus_rate as u64));
    format!("{cores}, disk {disk}/s in sequence, {corpus}/s for a corpus")
}

/// Prints the facts about a corpus.
pub(crate) fn info(
    out: &mut dyn Write,
    corpus: &Corpus,
    summary: &Summary,
    unsealed: Option<&Sealed>,
) -> Result<()> {
    let share = |records: u64, of: u64| {
        format!("{} of {} ({:.1} %)", grouped(records), grouped(of), 100.0 * records as f64 / of as f64)
    };
    let is_enumerated = corpus.recipe().space().enumerates().is_some();
    let job = if is_enumerated { "qorpus distinct" } else { "qorpus generate" };
    let resume = format!("the same '{job}' command resumes it");
    let (count, size, records) = match (summary.expected, unsealed) {
        (_, Some(sealed)) => {
            let (shards, of) = (grouped(sealed.shards), counted(sealed.of, "shard"));
            let records = format!(
                "{}, published in {shards} of {of}; run 'qorpus seal {}' to add them to the manifest",
                share(sealed.records, sealed.expected),
                places(corpus)
            );
            (sealed.records, sealed.bytes, records)
        }
        (None, None) if is_enumerated => {
            let records = format!("{} so far; {resume}", grouped(summary.records));
            (summary.records, summary.bytes, records)
        }
        (None, None) => (summary.records, summary.bytes, format!("{}, appended", grouped(summary.records))),
        (Some(expected), None) if summary.records == expected => {
            (expected, summary.bytes, format!("{}, {GOOD}complete{GOOD:#}", grouped(expected)))
        }
        (Some(expected), None) => {
            (summary.records, summary.bytes, format!("{}; {resume}", share(summary.records, expected)))
        }
    };
    let alphabet = corpus.recipe().alphabet().letters();
    let mut letters: Vec<_> = alphabet.iter().take(MAX_LETTERS).map(|letter| letter.text.as_str()).collect();
    letters.extend((alphabet.len() > MAX_LETTERS).then_some("..."));
    let mut rows = vec![
        ("corpus", format!("{STRONG}{}{STRONG:#}", places(corpus))),
        ("recipe", corpus.recipe().summary()),
        ("records", records),
        ("size", format!("{}, {:.2} bytes per record", bytes(size), size as f64 / count.max(1) as f64)),
        ("recipe hash", summary.recipe_hash.clone()),
        ("content hash", summary.content_hash.to_string()),
        ("format", format!("version {}, read by SQLite {}", summary.format_version, summary.sqlite_version)),
    ];
    if corpus.recipe().space().has_circuits() {
        rows.insert(4, ("letters", format!("{}: {}", alphabet.len(), letters.join(", "))));
    }
    // Nothing is known of appended records, and an enumeration has each unitary once.
    if !corpus.recipe().space().is_appended() && corpus.recipe().space().has_circuits() {
        let text = "may repeat; in Python, split(by=\"unitary\") keeps equal ones in one split";
        rows.push(("unitaries", text.into()));
    }
    table(out, &rows)
}

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

/// Escapes control characters, so that a label cannot send commands to the terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        if c.is_control() { plain.extend(c.escape_default()) } else { plain.push(c) }
    }
    plain
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

/// Prints the findings of a verification.
pub(crate) fn verification(
    out: &mut dyn Write,
    file: &Path,
    recipe: &Recipe,
    found: &Verification,
) -> Result<()> {
    let chunks = found.damaged.iter().map(|(&number, damage)| {
        let ids = range(&recipe.chunk_ids(number));
        format!("{BAD}damaged{BAD:#}: chunk {} ({ids}): {damage}", grouped(number))
    });
    listed(out, chunks, |more| format!("{} more", grouped(more)))?;
    let records = found.mismatched.iter().map(|(id, cause)| {
        let id = grouped(*id);
        format!("{BAD}damaged{BAD:#}: record {id}: the unitary is not that of the circuit: {cause}")
    });
    listed(out, records, |more| counted(more, "more record"))?;
    for level in &found.damaged_levels {
        writeln!(out, "{BAD}damaged{BAD:#}: the index of level {level}")?;
    }
    let shards = found.shards.iter();
    let shards =
        shards.map(|(&number, reason)| format!("{BAD}damaged{BAD:#}: shard {}: {reason}", grouped(number)));
    listed(out, shards, |more| counted(more, "more shard"))?;
    let missing = found.missing.iter().map(|ids| format!("{BAD}missing{BAD:#}: {}", range(ids)));
    listed(out, missing, |more| counted(more, "more range"))?;
    if found.totals == Some(false) {
        writeln!(out, "{BAD}damaged{BAD:#}: the totals do not match the chunks")?;
    }
    let unknown = match found.unknown {
        0 => String::new(),
        unknown => format!(", {} with a gate whose matrix is unknown", grouped(unknown)),
    };
    let checked = format!(
        "{} intact, {} recomputed{unknown}",
        counted(found.records, "record"),
        grouped(found.recomputed)
    );
    let verdict = match (found.interrupted, found.is_clean()) {
        (true, _) => "interrupted".to_string(),
        (false, true) if found.wal_missing => {
            format!("{BAD}possibly incomplete{BAD:#}: its WAL is missing; see the warning above")
        }
        (false, true) => format!("{GOOD}clean{GOOD:#}"),
        (false, false)
            if found.damaged.is_empty() && found.shards.is_empty() && !found.missing.is_empty() =>
        {
            incomplete()
        }
        (false, false) => format!("{BAD}damaged{BAD:#}; {}", remedy(file, recipe, found)),
    };
    writeln!(out, "{STRONG}{}{STRONG:#}: {checked}: {verdict}", file.display())
}

/// Returns the next step for a damaged corpus.
fn remedy(file: &Path, recipe: &Recipe, found: &Verification) -> String {
    let cannot_repair = recipe.space().is_appended() && !found.damaged.is_empty();
    if !found.damaged_levels.is_empty() || (cannot_repair && recipe.space().enumerates().is_some()) {
        return "restore the file from a copy, or enumerate it again".to_owned();
    }
    if cannot_repair {
        return "restore the file from a copy".to_owned();
    }
    if !found.mismatched.is_empty() {
        return "append the correct records to another file".to_owned();
    }
    format!("run 'qorpus repair {}' to recompute the damaged parts", file.display())
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
