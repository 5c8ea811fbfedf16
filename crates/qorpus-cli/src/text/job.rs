//! The results of jobs.

use crate::format::{bytes, counted, duration, range, rate};
use crate::text::{BAD, GOOD, STRONG, listed};
use qorpus::core::grouped;
use qorpus::{Idle, Part, Progress, Sealed};
use std::io::{Result, Write};
use std::path::Path;
use std::time::Duration;

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

pub(super) fn incomplete() -> String {
    let remedy = "run the same 'qorpus generate' command again to generate the missing records";
    format!("{BAD}incomplete{BAD:#}; {remedy}")
}
