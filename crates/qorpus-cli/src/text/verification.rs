//! The findings of a verification.

use crate::format::{counted, range};
use crate::text::job::incomplete;
use crate::text::{BAD, GOOD, STRONG, listed};
use qorpus::core::grouped;
use qorpus::{Recipe, Verification};
use std::io::{Result, Write};
use std::path::Path;

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
