//! Text for people.

use crate::failure::Failure;
use crate::format::{bytes, counted, duration, grouped, places, range, rate};
use crate::json::ways;
use anstyle::{AnsiColor, Style};
use qorpus::core::draw;
use qorpus::{
    Complex64, Corpus, EnumerateProgress, Found, Idle, Label, Level, Machine, Plan, Progress, Recipe, Record,
    Sealed, Summary, Verification,
};
use std::io::{IsTerminal, Result, Write};
use std::path::Path;
use std::time::Duration;

const NAME: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Prints the error of a command on standard error.
pub(crate) fn error(failure: &Failure) {
    // Nobody can be told that standard error is closed.
    let _ = writeln!(anstream::stderr(), "{BAD}error:{BAD:#} {failure}");
}

/// Prints a warning on standard error.
pub(crate) fn warning(text: &str) {
    let _ = writeln!(anstream::stderr(), "{STRONG}warning:{STRONG:#} {text}");
}

/// Tells people what their first Ctrl-C does.
pub(crate) fn stopping() {
    if std::io::stderr().is_terminal() {
        let text = "stopping when the last commit is done; Ctrl-C again leaves at once";
        let _ = writeln!(anstream::stderr(), "{text}");
    }
}

/// The most lines of one kind that are printed.
const MAX_LINES: usize = 20;

/// The most letters of an alphabet that are printed.
const MAX_LETTERS: usize = 16;

/// Prints some lines, and how many more there are.
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
    levels: &[Level],
    progress: &EnumerateProgress,
    elapsed: Duration,
) -> Result<()> {
    let has_costs = levels.iter().any(|level| level.cost > 0);
    for level in levels {
        let cost = if has_costs { format!("{:>6}", level.cost) } else { String::new() };
        writeln!(out, "{NAME}{cost}{:>6}{NAME:#}  {:>15}", level.length, grouped(level.records))?;
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
    )
}

/// Prints the answer to what is known of a unitary.
pub(crate) fn found(out: &mut dyn Write, recipe: &Recipe, found: &Found) -> Result<()> {
    let letters = |count: usize| counted(count as u64, "letter");
    let text = |circuit: &[u16]| match circuit {
        [] => "the empty circuit".to_owned(),
        circuit => recipe.alphabet().text(circuit),
    };
    match found {
        Found::Record { id, circuit } => {
            writeln!(out, "{STRONG}{}{STRONG:#}", text(circuit))?;
            writeln!(out, "record {id}; {}: no circuit is shorter", letters(circuit.len()))
        }
        Found::Circuit(circuit) => {
            writeln!(out, "{STRONG}{}{STRONG:#}", text(circuit))?;
            writeln!(out, "{}, put together from two records: no circuit is shorter", letters(circuit.len()))
        }
        Found::BeyondLength(length) => {
            writeln!(out, "no circuit of up to {} makes it: this is a proof", letters(*length))
        }
        Found::BeyondCost(cost) => {
            writeln!(out, "no circuit that costs {cost} or less makes it: this is a proof")
        }
        Found::Never => writeln!(out, "no circuit over these gates makes it: this is a proof"),
        Found::Near { id, circuit, distance, tolerance } => {
            writeln!(out, "{STRONG}{}{STRONG:#}", text(circuit))?;
            let record = match id {
                Some(id) => format!("record {id}; {}", letters(circuit.len())),
                None => format!("{}, put together from two records", letters(circuit.len())),
            };
            writeln!(out, "{record}: {distance:.2e} from the matrix, within {tolerance:.2e}")
        }
        Found::Unclear { nearest: None, .. } => writeln!(out, "stopped before all records were compared"),
        Found::Unclear { nearest: Some((id, circuit, distance)), tolerance, within } => {
            match within {
                0 => writeln!(out, "nothing within {tolerance:.2e} of the matrix was found")?,
                1 => writeln!(
                    out,
                    "one record is within {tolerance:.2e} of the matrix, another almost as near"
                )?,
                within => {
                    let records = counted(*within, "record");
                    writeln!(out, "{records} are within {tolerance:.2e} of the matrix; give more digits")?;
                }
            }
            writeln!(out, "the nearest is record {id} ({}), {distance:.2e} from it", text(circuit))
        }
    }
}

/// Prints a line on a job that is done.
pub(crate) fn done(
    out: &mut dyn Write,
    file: &Path,
    made: u64,
    progress: Option<Progress>,
    elapsed: Duration,
) -> Result<()> {
    let seconds = elapsed.as_secs_f64();
    let rate = rate(made, seconds);
    let mut parts = match made {
        0 if progress.is_some() => vec!["nothing was missing".to_string()],
        _ => vec![format!("{} in {} ({rate})", counted(made, "record"), duration(seconds))],
    };
    if let Some(progress) = progress {
        parts.push(if progress.records == progress.expected {
            format!("{GOOD}complete{GOOD:#} with {}", counted(progress.records, "record"))
        } else {
            format!("{} of {} are there", grouped(progress.records), counted(progress.expected, "record"))
        });
    }
    // The size of a directory is in its manifest when it is sealed.
    if let Ok(metadata) = std::fs::metadata(file)
        && metadata.is_file()
    {
        parts.push(bytes(metadata.len()));
    }
    writeln!(out, "{STRONG}{}{STRONG:#}: {}", file.display(), parts.join("; "))
}

/// Prints where the work of an interrupted job is. A shard that is built elsewhere is not in its
/// place before it is whole.
pub(crate) fn interrupted(
    out: &mut dyn Write,
    file: &Path,
    built_in: &Path,
    progress: Progress,
) -> Result<()> {
    let Progress { records, expected, drafted, .. } = progress;
    let there = if built_in == file { records } else { records - drafted };
    let (of, place) = (counted(expected, "record"), file.display());
    write!(out, "interrupted: {} of {of} are safe in {place}", grouped(there))?;
    if built_in == file {
        return writeln!(out, "; run the same command again to go on");
    }
    let (records, place) = (grouped(drafted), built_in.display());
    write!(out, ", and {records} of an unfinished shard on this machine in {place}")?;
    writeln!(out, "; run the same command again, here, to go on")
}

/// Prints that a part has nothing to make.
pub(crate) fn idle(out: &mut dyn Write, file: &Path, idle: Idle) -> Result<()> {
    writeln!(out, "{STRONG}{}{STRONG:#}: {idle}", file.display())
}

/// Prints what to do when all parts are made.
pub(crate) fn seal_next(out: &mut dyn Write, directory: &Path) -> Result<()> {
    writeln!(out, "this is one part; when all are done, run: qorpus seal {}", directory.display())
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
    format!("{BAD}incomplete{BAD:#}; the same 'qorpus generate' makes what is missing")
}

/// Prints what was made again.
pub(crate) fn repaired(out: &mut dyn Write, found: &Verification) -> Result<()> {
    let (chunks, shards) = (found.damaged.len() as u64, found.shards.len() as u64);
    let damaged = counted(chunks, "damaged chunk");
    match shards {
        0 if chunks == 0 && found.wal_missing => {
            writeln!(out, "took the file as it is, without what its WAL may have held")
        }
        0 => writeln!(out, "computed {damaged} again"),
        _ => writeln!(out, "made {} again, and those of {damaged}", counted(shards, "shard")),
    }
}

/// Prints the cost of a recipe.
pub(crate) fn plan(out: &mut dyn Write, recipe: &Recipe, plan: &Plan) -> Result<()> {
    let shards = plan.records.div_ceil(plan.shard_records);
    let machine = |machine: Machine| {
        let cores = counted(machine.cores as u64, "core");
        let (disk, corpus) = (bytes(machine.disk_rate as u64), bytes(machine.corpus_rate as u64));
        format!("{cores}, {disk}/s to disk, {corpus}/s of a corpus")
    };
    table(
        out,
        &[
            ("recipe", recipe.summary()),
            ("letters", recipe.alphabet().letters().len().to_string()),
            ("records", grouped(plan.records)),
            ("chunks", format!("{}; as a directory {}", grouped(plan.chunks), counted(shards, "shard"))),
            ("here", machine(plan.here)),
            ("there", machine(plan.there)),
        ],
    )?;
    let heads = ["", "size", "a core and second", "core-hours", "here", "there"];
    let mut rows = vec![heads.map(str::to_owned)];
    for (name, way) in ways(plan) {
        rows.push([
            name.to_owned(),
            bytes(way.bytes),
            format!("{:.2} M", way.rate / 1e6),
            format!("{:.1}", plan.core_seconds(way) / 3600.0),
            duration(plan.seconds(way, plan.here)),
            duration(plan.seconds(way, plan.there)),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    writeln!(out)?;
    for row in &rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}")).collect();
        writeln!(out, "{}", cells.join("  "))?;
    }
    writeln!(out)?;
    for (place, machine) in [("here", plan.here), ("there", plan.there)] {
        let (stored, computed) = plan.reading(machine);
        let verdict = if plan.is_storing_slower(machine) {
            format!("{BAD}storing unitaries is slower than computing them on the fly{BAD:#}")
        } else {
            "stored unitaries are read faster than they are computed".to_string()
        };
        let (stored, computed) = (duration(stored), duration(computed));
        let times = format!("to read all of them once takes {stored}, to compute them {computed}");
        writeln!(out, "{place}: {verdict}: {times}")?;
    }
    Ok(())
}

/// Prints the facts about a corpus.
pub(crate) fn info(
    out: &mut dyn Write,
    corpus: &Corpus,
    summary: &Summary,
    unsealed: Option<&Sealed>,
) -> Result<()> {
    let share =
        |records: u64, of: u64| format!("{:.1} % of {}", 100.0 * records as f64 / of as f64, grouped(of));
    let (records, size, state) = match (summary.expected, unsealed) {
        (_, Some(sealed)) => {
            let (shards, of) = (grouped(sealed.shards), counted(sealed.of, "shard"));
            let state = format!(
                "{}, published in {shards} of {of}; 'qorpus seal {}' lists them",
                share(sealed.records, sealed.expected),
                places(corpus)
            );
            (sealed.records, sealed.bytes, state)
        }
        (None, None) => (summary.records, summary.bytes, "appended so far".to_string()),
        (Some(expected), None) if summary.records == expected => {
            (expected, summary.bytes, format!("{GOOD}complete{GOOD:#}"))
        }
        (Some(expected), None) => {
            let state = format!("{}; 'qorpus generate' goes on", share(summary.records, expected));
            (summary.records, summary.bytes, state)
        }
    };
    let alphabet = corpus.recipe().alphabet().letters();
    let mut letters: Vec<_> = alphabet.iter().take(MAX_LETTERS).map(|letter| letter.text.as_str()).collect();
    letters.extend((alphabet.len() > MAX_LETTERS).then_some("..."));
    let mut rows = vec![
        ("corpus", format!("{STRONG}{}{STRONG:#}", places(corpus))),
        ("recipe", corpus.recipe().summary()),
        ("records", format!("{}  {state}", grouped(records))),
        ("size", format!("{}, {:.2} bytes a record", bytes(size), size as f64 / records.max(1) as f64)),
        ("letters", format!("{}: {}", alphabet.len(), letters.join(", "))),
        ("recipe hash", summary.recipe_hash.clone()),
        ("content hash", summary.content_hash.to_string()),
        (
            "format",
            format!("version {}, read with SQLite {}", summary.format_version, summary.sqlite_version),
        ),
    ];
    // Appended records may be anything, and an enumeration has each unitary once.
    if !corpus.recipe().space().is_appended() {
        let text = "records may repeat a unitary; in Python, split(by=\"unitary\") keeps equal ones together";
        rows.push(("unitaries", text.into()));
    }
    table(out, &rows)
}

/// Prints a record: letters, drawing, matrix, labels.
pub(crate) fn record(out: &mut dyn Write, recipe: &Recipe, record: &Record) -> Result<()> {
    let alphabet = recipe.alphabet();
    writeln!(out, "{STRONG}record {}{STRONG:#}", grouped(record.id))?;
    writeln!(out, "{}\n", alphabet.text(&record.circuit))?;
    writeln!(out, "{}", draw(alphabet, &record.circuit))?;
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
    writeln!(out, "\n{NAME}{}{NAME:#}\n", labels.join(", "))
}

/// A text that someone else may have written, with nothing in it that a terminal obeys.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        if c.is_control() { plain.extend(c.escape_default()) } else { plain.push(c) }
    }
    plain
}

/// Four digits of a complex number, with parts that round to zero left out.
fn entry_text(entry: Complex64) -> String {
    let part = |value: f64| (value.abs() >= 5e-5).then(|| format!("{value:.4}"));
    match (part(entry.re), part(entry.im)) {
        (None, None) => "0".into(),
        (Some(re), None) => re,
        (None, Some(im)) => format!("{im}i"),
        (Some(re), Some(_)) => format!("{re}{:+.4}i", entry.im),
    }
}

/// Prints what a verification found.
pub(crate) fn verification(
    out: &mut dyn Write,
    file: &Path,
    recipe: &Recipe,
    found: &Verification,
) -> Result<()> {
    let chunks = found.damaged.iter().map(|(&number, damage)| {
        format!("{BAD}damaged{BAD:#}: chunk {number} ({}): {damage}", range(&recipe.chunk_ids(number)))
    });
    listed(out, chunks, |more| format!("{} more", grouped(more)))?;
    let records = found.mismatched.iter().map(|(id, cause)| {
        format!("{BAD}damaged{BAD:#}: record {id}: its unitary does not belong to its circuit: {cause}")
    });
    listed(out, records, |more| format!("{} more records", grouped(more)))?;
    for level in &found.damaged_levels {
        let remedy = "restore the file from a copy or enumerate it again";
        writeln!(out, "{BAD}damaged{BAD:#}: the index of level {level}; {remedy}")?;
    }
    let shards = found.shards.iter();
    let shards = shards.map(|(number, reason)| format!("{BAD}damaged{BAD:#}: shard {number}: {reason}"));
    listed(out, shards, |more| counted(more, "more shard"))?;
    for ids in found.missing.iter().take(MAX_LINES) {
        writeln!(out, "{BAD}missing{BAD:#}: no shard has {}", range(ids))?;
    }
    if found.totals == Some(false) {
        writeln!(out, "{BAD}damaged{BAD:#}: the totals do not match the chunks")?;
    }
    let unknown = match found.unknown {
        0 => String::new(),
        unknown => format!(" ({} cannot be: the library does not know all of their gates)", grouped(unknown)),
    };
    let checked = format!(
        "{} intact, {} of them recomputed{unknown}",
        counted(found.records, "record"),
        grouped(found.recomputed)
    );
    let verdict = match (found.interrupted, found.is_clean()) {
        (true, _) => "interrupted".to_string(),
        (false, true) if found.wal_missing => {
            format!("{BAD}perhaps incomplete{BAD:#}: its WAL is missing; see the warning above")
        }
        (false, true) => format!("{GOOD}clean{GOOD:#}"),
        (false, false)
            if found.damaged.is_empty() && found.shards.is_empty() && !found.missing.is_empty() =>
        {
            incomplete()
        }
        (false, false) if !found.mismatched.is_empty() => {
            format!("{BAD}damaged{BAD:#}; append the records that are right to another file")
        }
        (false, false) => format!("{BAD}damaged{BAD:#}; 'qorpus repair' computes damaged chunks again"),
    };
    writeln!(out, "{STRONG}{}{STRONG:#}: {checked}: {verdict}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use qorpus::RecipeOptions;

    #[test]
    fn labels_are_shown_without_what_terminals_obey() {
        let recipe = RecipeOptions { random: 1, qubits: 1, ..RecipeOptions::default() }.recipe().unwrap();
        let text = "λ\u{1b}]0;mine\u{7}\u{9b}2J\r\nrecord 7";
        let labels = [("note".to_owned(), Label::Text(text.into()))].into();
        let unitary = vec![Complex64::ONE, Complex64::ZERO, Complex64::ZERO, Complex64::ONE];
        let mut out = Vec::new();
        record(&mut out, &recipe, &Record { id: 0, circuit: vec![], unitary, labels }).unwrap();
        let shown = String::from_utf8(out).unwrap();
        assert!(shown.contains(r"note λ\u{1b}]0;mine\u{7}\u{9b}2J\r\nrecord 7"), "{shown:?}");
    }
}
