//! Merging: the chunks of several corpora of one recipe in one file.

use crate::error::{Error, Result};
use crate::generate::{Outcome, Progress};
use crate::options::Durability;
use crate::reader::Corpus;
use crate::store::{Store, insert_chunks, other_recipe, totals};
use crate::{wal, work};
use qorpus_core::{Chunk, Circuits};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Adds the chunks of `inputs`, all of one recipe, to the corpus at `out`, creating it if need be.
///
/// Every chunk is fully checked before it is copied; what `out` already has is left as it is. Merging again
/// after an interruption goes on where it stopped.
///
/// # Errors
/// An input cannot be read, is damaged or of another recipe, or writing fails. What was committed stays.
pub fn merge(
    out: &Path,
    inputs: &[PathBuf],
    stop: &AtomicBool,
    report: &mut dyn FnMut(Progress),
) -> Result<(Outcome, Progress)> {
    let corpora = inputs.iter().map(Corpus::open).collect::<Result<Vec<_>>>()?;
    let Some(first) = corpora.first() else {
        return Err(Error::Usage("there is nothing to merge; name at least one corpus".into()));
    };
    let same_file =
        |path: &Path| out.canonicalize().is_ok_and(|out| path.canonicalize().is_ok_and(|path| path == out));
    for corpus in &corpora {
        if wal::is_found(corpus.path()) {
            tracing::warn!("{}", wal::warning(corpus.path()));
        }
        if corpus.recipe().hash() != first.recipe().hash() {
            return Err(other_recipe(corpus.path(), corpus.recipe(), first.recipe()));
        }
        if same_file(corpus.path()) {
            return Err(Error::Usage(format!("{} is both merged and merged into", out.display())));
        }
    }
    let recipe = first.recipe();
    if recipe.space().enumerates().is_some() {
        let reason = "an enumeration is whole in one file; there is nothing to merge";
        return Err(Error::Appended { path: first.path().into(), reason });
    }
    if recipe.space().is_appended() {
        let reason = "they have no ids of their own to merge them by; qorpus.open in Python reads several files as one";
        return Err(Error::Appended { path: first.path().into(), reason });
    }
    let store = Store::open(out, recipe, Durability::Full)?;
    let (records, _) = store.read(|connection| totals(connection))?;
    let mut progress = Progress { records, expected: recipe.space().len(), ..Progress::default() };
    let (step, mut circuits) = (first.scan_chunks(), Circuits::default());
    for corpus in &corpora {
        for start in (0..recipe.chunks()).step_by(step.try_into().unwrap_or(usize::MAX)) {
            if stop.load(Ordering::Relaxed) {
                return Ok((Outcome::Interrupted, progress));
            }
            let numbers = start..recipe.chunks().min(start + step);
            let missing = store.read(|connection| work::within(connection, &numbers))?;
            for todo in missing {
                let mut next = todo.chunks.start;
                while next < todo.chunks.end {
                    let (chunks, until) = corpus.chunks(next..todo.chunks.end)?;
                    let chunks = chunks.into_iter().map(|(number, chunk)| {
                        corpus
                            .check_ids(&chunk.as_ref(), number)
                            .map_err(|damage| corpus.damaged(number, damage))?;
                        let decoded = corpus.codec().decode(&chunk.as_ref(), &mut circuits);
                        decoded.map_err(|damage| corpus.damaged(number, damage.into()))?;
                        Ok(chunk)
                    });
                    let chunks: Vec<Chunk> = chunks.collect::<Result<_>>()?;
                    next = until;
                    if chunks.is_empty() {
                        continue;
                    }
                    let new = store.write(|transaction| {
                        for chunk in &chunks {
                            let number = chunk.first_id / recipe.chunk_records();
                            work::remove(transaction, &(number..number + 1))?;
                        }
                        insert_chunks(transaction, &chunks)
                    })?;
                    progress.records += new.0;
                    progress.made += new.0;
                    progress.bytes += new.1;
                    report(progress);
                }
            }
        }
    }
    Ok((Outcome::Complete, progress))
}
