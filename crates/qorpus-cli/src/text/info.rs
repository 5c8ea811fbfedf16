//! The facts about a corpus.

use crate::format::{bytes, counted, places};
use crate::text::{GOOD, STRONG, table};
use qorpus::core::grouped;
use qorpus::{Corpus, Sealed, Summary};
use std::io::{Result, Write};

/// The largest number of letters of an alphabet that are printed.
const MAX_LETTERS: usize = 16;

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
