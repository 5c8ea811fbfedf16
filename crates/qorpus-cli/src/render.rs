//! What people and scripts see.

use crate::progress::rate;
use crate::run::Failure;
use anstyle::{AnsiColor, Style};
use qorpus::core::{Gate, draw};
use qorpus::{
    Complex64, Corpus, EnumerateProgress, Found, Idle, Label, Machine, Plan, Progress, Reader, Recipe,
    Record, Sealed, Summary, Verification, Way,
};
use serde_json::{Value, json};
use std::io::{IsTerminal, Result, Write};
use std::path::Path;
use std::time::Duration;

const NAME: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// The error, on standard error.
pub(crate) fn error(failure: &Failure) {
    // Nobody can be told that standard error is closed.
    let _ = writeln!(anstream::stderr(), "{BAD}error:{BAD:#} {failure}");
}

/// A warning about a corpus, on standard error.
pub(crate) fn warning(text: &str) {
    let _ = writeln!(anstream::stderr(), "{STRONG}warning:{STRONG:#} {text}");
}

/// What the first Ctrl-C does, for people.
pub(crate) fn stopping() {
    if std::io::stderr().is_terminal() {
        let _ = writeln!(
            anstream::stderr(),
            "stopping when the last commit is done; Ctrl-C again leaves at once"
        );
    }
}

/// A number with its digits in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(crate) fn bytes(number: u64) -> String {
    indicatif::DecimalBytes(number).to_string()
}

/// So many of something: `1 shard`, `2 shards`.
pub(crate) fn counted(number: u64, name: &str) -> String {
    format!("{} {name}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// Which records: `record 5`, `records 5 to 7`.
fn range(ids: &std::ops::Range<u64>) -> String {
    match ids.end - ids.start {
        1 => format!("record {}", ids.start),
        _ => format!("records {} to {}", ids.start, ids.end - 1),
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.2} s"),
        s if s < 7200.0 => format!("{:.1} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

fn table(out: &mut dyn Write, rows: &[(&str, String)]) -> Result<()> {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().try_for_each(|(name, value)| writeln!(out, "{NAME}{name:>width$}{NAME:#}  {value}"))
}

/// What an enumeration found, level by level.
pub(crate) fn levels(
    out: &mut dyn Write,
    corpus: &Corpus,
    progress: &EnumerateProgress,
    elapsed: Duration,
) -> std::result::Result<(), Failure> {
    let levels = corpus.levels()?;
    let has_costs = levels.iter().any(|level| level.cost > 0);
    for level in &levels {
        let cost = if has_costs { format!("{:>6}", level.cost) } else { String::new() };
        writeln!(out, "{NAME}{cost}{:>6}{NAME:#}  {:>15}", level.length, grouped(level.records))?;
    }
    let (seconds, made) = (elapsed.as_secs_f64(), progress.candidates);
    writeln!(
        out,
        "{STRONG}{}{STRONG:#} distinct {} in {} ({}, {})",
        grouped(progress.records),
        if progress.records == 1 { "unitary" } else { "unitaries" },
        duration(seconds),
        counted(made, "candidate"),
        rate(made, seconds)
    )?;
    Ok(())
}

/// What is known of a unitary.
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
                    let count = grouped(*within);
                    writeln!(
                        out,
                        "{count} records are within {tolerance:.2e} of the matrix; give more digits"
                    )?;
                }
            }
            writeln!(out, "the nearest is record {id} ({}), {distance:.2e} from it", text(circuit))
        }
    }
}

/// The same for scripts.
pub(crate) fn found_json(out: &mut dyn Write, recipe: &Recipe, found: &Found) -> Result<()> {
    let circuit = |circuit: &[u16]| -> Vec<&str> {
        circuit.iter().map(|&letter| recipe.alphabet().letters()[usize::from(letter)].text.as_str()).collect()
    };
    let value = match found {
        Found::Record { id, circuit: letters } => json!({"id": id, "circuit": circuit(letters)}),
        Found::Circuit(letters) => json!({"id": null, "circuit": circuit(letters)}),
        Found::BeyondLength(length) => {
            json!({"circuit": null, "none_up_to": {"length": length}, "proven": true})
        }
        Found::BeyondCost(cost) => json!({"circuit": null, "none_up_to": {"cost": cost}, "proven": true}),
        Found::Never => json!({"circuit": null, "none_up_to": null, "proven": true}),
        Found::Near { id, circuit: letters, distance, tolerance } => json!({
            "id": id, "circuit": circuit(letters), "distance": distance, "tolerance": tolerance,
        }),
        Found::Unclear { nearest, tolerance, within } => json!({
            "circuit": null,
            "proven": false,
            "tolerance": tolerance,
            "within": within,
            "nearest": nearest.as_ref().map(|(id, letters, distance)| json!({
                "id": id, "circuit": circuit(letters), "distance": distance,
            })),
        }),
    };
    writeln!(out, "{value}")
}

/// One line on a job that is done.
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
        let state = match progress.records == progress.expected {
            true => format!("{GOOD}complete{GOOD:#} with {}", counted(progress.records, "record")),
            false => {
                format!("{} of {} are there", grouped(progress.records), counted(progress.expected, "record"))
            }
        };
        parts.push(state);
    }
    // What a directory takes, its manifest says when it is sealed.
    if let Ok(metadata) = std::fs::metadata(file)
        && metadata.is_file()
    {
        parts.push(bytes(metadata.len()));
    }
    writeln!(out, "{STRONG}{}{STRONG:#}: {}", file.display(), parts.join("; "))
}

/// Where the work of a job is that was told to stop. What goes elsewhere when it is finished is not there before.
pub(crate) fn interrupted(
    out: &mut dyn Write,
    file: &Path,
    built_in: &Path,
    progress: Progress,
) -> Result<()> {
    let Progress { records, expected, drafted, .. } = progress;
    let there = if built_in == file { records } else { records - drafted };
    write!(
        out,
        "interrupted: {} of {} are safe in {}",
        grouped(there),
        counted(expected, "record"),
        file.display()
    )?;
    match built_in == file {
        true => writeln!(out, "; run the same command again to go on"),
        false => writeln!(
            out,
            ", and {} of an unfinished shard on this machine in {}; run the same command again, here, to go on",
            grouped(drafted),
            built_in.display()
        ),
    }
}

/// A part that has nothing to make.
pub(crate) fn idle(out: &mut dyn Write, file: &Path, idle: Idle) -> Result<()> {
    writeln!(out, "{STRONG}{}{STRONG:#}: {idle}", file.display())
}

/// What is to be done when all parts are.
pub(crate) fn seal_next(out: &mut dyn Write, directory: &Path) -> Result<()> {
    writeln!(out, "this is one part; when all are done, run: qorpus seal {}", directory.display())
}

/// What a sharded corpus has.
pub(crate) fn sealed(out: &mut dyn Write, directory: &Path, sealed: &Sealed) -> Result<()> {
    const MOST: usize = 20;
    for ids in sealed.missing.iter().take(MOST) {
        writeln!(out, "{BAD}missing{BAD:#}: {}", range(ids))?;
    }
    if sealed.missing.len() > MOST {
        writeln!(out, "... and {}", counted((sealed.missing.len() - MOST) as u64, "more range"))?;
    }
    let verdict = match sealed.missing.is_empty() {
        true => format!("{GOOD}complete{GOOD:#}"),
        false => format!("{BAD}incomplete{BAD:#}; the same 'qorpus generate' makes what is missing"),
    };
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

pub(crate) fn sealed_json(out: &mut dyn Write, sealed: &Sealed) -> Result<()> {
    writeln!(out, "{:#}", sealed_value(sealed))
}

fn sealed_value(sealed: &Sealed) -> Value {
    let missing: Vec<_> = sealed.missing.iter().map(|ids| [ids.start, ids.end]).collect();
    json!({
        "version": sealed.version,
        "shards": sealed.shards,
        "of": sealed.of,
        "shard_records": sealed.shard_records,
        "records": sealed.records,
        "expected": sealed.expected,
        "complete": missing.is_empty(),
        "content_hash": sealed.content_hash.to_string(),
        "bytes": sealed.bytes,
        "missing": missing,
    })
}

/// What was made again.
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

/// What a recipe would cost.
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
        let verdict = match plan.is_storing_slower(machine) {
            true => format!("{BAD}storing unitaries is slower than computing them on the fly{BAD:#}"),
            false => "stored unitaries are read faster than they are computed".to_string(),
        };
        let (stored, computed) = (duration(stored), duration(computed));
        writeln!(
            out,
            "{place}: {verdict}: to read all of them once takes {stored}, to compute them {computed}"
        )?;
    }
    Ok(())
}

/// The ways to have the records, by name.
fn ways(plan: &Plan) -> [(&'static str, Way); 3] {
    [("stored", plan.stored), ("derived", plan.derived), ("virtual", plan.computed)]
}

pub(crate) fn plan_json(out: &mut dyn Write, recipe: &Recipe, plan: &Plan) -> Result<()> {
    let machine = |machine: Machine| {
        let (read, compute) = plan.reading(machine);
        json!({
            "cores": machine.cores,
            "disk_bytes_per_second": machine.disk_rate,
            "corpus_bytes_per_second": machine.corpus_rate,
            "seconds_to_read_stored": read,
            "seconds_to_compute_instead": compute,
            "storing_is_slower": plan.is_storing_slower(machine),
        })
    };
    let way = |(name, way): (&str, Way)| {
        let value = json!({
            "bytes": way.bytes,
            "records_per_second_per_core": way.rate,
            "core_hours": plan.core_seconds(way) / 3600.0,
            "seconds_here": plan.seconds(way, plan.here),
            "seconds_there": plan.seconds(way, plan.there),
        });
        (name.to_owned(), value)
    };
    let value = json!({
        "recipe": recipe_json(recipe),
        "records": plan.records,
        "chunks": plan.chunks,
        "shards": plan.records.div_ceil(plan.shard_records),
        "bytes": plan.way().bytes,
        "records_per_second_per_core": plan.way().rate,
        "jobs": plan.here.cores,
        "seconds": plan.seconds(plan.way(), plan.here),
        "ways": ways(plan).map(way).into_iter().collect::<serde_json::Map<_, _>>(),
        "here": machine(plan.here),
        "there": machine(plan.there),
    });
    writeln!(out, "{value:#}")
}

fn recipe_json(recipe: &Recipe) -> Value {
    serde_json::from_str(&recipe.to_json()).unwrap_or_default()
}

/// What a corpus says of itself.
pub(crate) fn info(
    out: &mut dyn Write,
    corpus: &Reader,
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
    let letters: Vec<_> =
        corpus.recipe().alphabet().letters().iter().map(|letter| letter.text.as_str()).collect();
    let mut rows = vec![
        ("corpus", format!("{STRONG}{}{STRONG:#}", places(corpus))),
        ("recipe", corpus.recipe().summary()),
        ("records", format!("{}  {state}", grouped(records))),
        ("size", format!("{}, {:.2} bytes a record", bytes(size), size as f64 / records.max(1) as f64)),
        ("letters", format!("{}: {}", letters.len(), shortened(&letters, 16))),
        ("recipe hash", summary.recipe_hash.clone()),
        ("content hash", summary.content_hash.to_string()),
        (
            "format",
            format!("version {}, read with SQLite {}", summary.format_version, summary.sqlite_version),
        ),
    ];
    // Of appended records nobody knows, and an enumeration has each unitary once.
    if !corpus.recipe().space().is_appended() {
        let text = "records may repeat a unitary; in Python, split(by=\"unitary\") keeps equal ones together";
        rows.push(("unitaries", text.into()));
    }
    table(out, &rows)
}

fn places(corpus: &Reader) -> String {
    corpus.paths().iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn shortened(texts: &[&str], most: usize) -> String {
    let more = if texts.len() > most { ", ..." } else { "" };
    texts[..texts.len().min(most)].join(", ") + more
}

pub(crate) fn info_json(
    out: &mut dyn Write,
    corpus: &Reader,
    summary: &Summary,
    unsealed: Option<&Sealed>,
) -> Result<()> {
    let alphabet = corpus.recipe().alphabet();
    let letters: Vec<_> = alphabet.letters().iter().map(|letter| &letter.text).collect();
    let value = json!({
        "path": places(corpus),
        "records": summary.records,
        "expected": summary.expected,
        "complete": summary.complete,
        "qubits": alphabet.qubits(),
        "gates": alphabet.gates().iter().map(Gate::name).collect::<Vec<_>>(),
        "alphabet": letters,
        "recipe": recipe_json(corpus.recipe()),
        "recipe_hash": summary.recipe_hash,
        "content_hash": summary.content_hash.to_string(),
        "bytes": summary.bytes,
        "bytes_per_record": summary.bytes as f64 / summary.records.max(1) as f64,
        "sqlite_version": summary.sqlite_version,
        "format_version": summary.format_version,
        "wal_missing": summary.wal_missing,
        "unsealed": unsealed.map(sealed_value),
    });
    writeln!(out, "{value:#}")
}

/// A record for people: letters, drawing, labels, matrix.
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
    let labels: Vec<_> = record
        .labels
        .iter()
        .filter(|(name, value)| !name.starts_with("count_") || **value != Label::Integer(0))
        .map(|(name, value)| format!("{name} {}", plain(&value.to_string())))
        .collect();
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

/// A record as one line of JSON, numbers with round-trip precision.
pub(crate) fn record_json(out: &mut dyn Write, recipe: &Recipe, record: &Record) -> Result<()> {
    let alphabet = recipe.alphabet();
    let circuit: Vec<_> =
        record.circuit.iter().map(|&letter| &alphabet.letters()[usize::from(letter)].text).collect();
    let entries: Vec<[f64; 2]> = record.unitary.iter().map(|entry| [entry.re, entry.im]).collect();
    let unitary: Vec<_> = entries.chunks(alphabet.dim()).collect();
    let value = json!({"id": record.id, "circuit": circuit, "unitary": unitary, "labels": record.labels});
    writeln!(out, "{value}")
}

/// What verifying found.
pub(crate) fn verification(
    out: &mut dyn Write,
    file: &Path,
    recipe: &Recipe,
    found: &Verification,
) -> Result<()> {
    const MOST: usize = 20;
    for (&number, damage) in found.damaged.iter().take(MOST) {
        let ids = recipe.chunk_ids(number);
        writeln!(out, "{BAD}damaged{BAD:#}: chunk {number} ({}): {damage}", range(&ids))?;
    }
    if found.damaged.len() > MOST {
        writeln!(out, "... and {} more", grouped((found.damaged.len() - MOST) as u64))?;
    }
    for (id, cause) in found.mismatched.iter().take(MOST) {
        writeln!(
            out,
            "{BAD}damaged{BAD:#}: record {id}: its unitary does not belong to its circuit: {cause}"
        )?;
    }
    if found.mismatched.len() > MOST {
        writeln!(out, "... and {} more records", grouped((found.mismatched.len() - MOST) as u64))?;
    }
    for level in &found.damaged_levels {
        writeln!(
            out,
            "{BAD}damaged{BAD:#}: the index of level {level}; restore the file from a copy or enumerate it again"
        )?;
    }
    for (number, reason) in found.shards.iter().take(MOST) {
        writeln!(out, "{BAD}damaged{BAD:#}: shard {number}: {reason}")?;
    }
    if found.shards.len() > MOST {
        writeln!(out, "... and {}", counted((found.shards.len() - MOST) as u64, "more shard"))?;
    }
    for ids in found.missing.iter().take(MOST) {
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
            format!("{BAD}incomplete{BAD:#}; the same 'qorpus generate' makes what is missing")
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
