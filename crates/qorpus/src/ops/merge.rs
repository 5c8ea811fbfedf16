//! Merging: the chunks of several corpora of one recipe in one file.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::corpus_writer::CorpusWriter;
use crate::error::{Error, Result, other_recipe};
use crate::options::job::Durability;
use crate::paths::is_sharded;
use crate::produce::progress::{Outcome, Progress};
use crate::read::corpus;
use crate::shards::open_pool::OpenShards;
use crate::shards::sharded::is_there;
use crate::sqlite::wal;
use crate::tables::chunks::{insert_chunks, totals};
use crate::tables::claims;
use qorpus_core::{Chunk, Circuits, Recipe};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A corpus that is merged.
enum Input {
    /// A file.
    File(Box<CorpusFile>),
    /// A sharded corpus, of which one shard is open at a time.
    Sharded(Box<OpenShards>),
}

impl Input {
    /// Opens the corpora at `path`: one corpus, or all corpora in a directory that is not a corpus
    /// itself.
    fn open(path: &Path) -> Result<Vec<Input>> {
        if is_there(path) {
            return Ok(vec![Input::Sharded(Box::new(OpenShards::open(path)?.with_unsealed()))]);
        }
        let files = if path.is_dir() { corpus::corpora_in(path)? } else { vec![path.into()] };
        files.into_iter().map(|file| Ok(Input::File(Box::new(CorpusFile::open(file)?)))).collect()
    }

    fn path(&self) -> &Path {
        match self {
            Input::File(corpus) => corpus.path(),
            Input::Sharded(shards) => shards.path(),
        }
    }

    fn recipe(&self) -> &Recipe {
        match self {
            Input::File(corpus) => corpus.recipe(),
            Input::Sharded(shards) => shards.recipe(),
        }
    }

    /// Returns whether the file at `path` is part of it, or would be.
    fn has(&self, path: &Path) -> bool {
        let own = self.path().canonicalize();
        let there = match self {
            Input::File(_) => path.canonicalize(),
            Input::Sharded(_) => std::path::absolute(path)
                .and_then(|path| path.parent().map_or(Ok(path.clone()), Path::canonicalize)),
        };
        own.is_ok_and(|own| there.is_ok_and(|there| own == there))
    }

    /// Returns all of its chunks, file by file, with the first id of each file. The files of a
    /// sharded corpus are its published shards, listed or not.
    fn chunks(&self) -> Result<Vec<(u64, Range<u64>)>> {
        match self {
            Input::File(corpus) => Ok(vec![(0, 0..corpus.recipe().chunks())]),
            Input::Sharded(shards) => shards.published_chunks(),
        }
    }

    /// Reads the file that has the chunks from this id on.
    fn with<T>(&self, id: u64, read: impl FnOnce(&CorpusFile) -> Result<T>) -> Result<T> {
        match self {
            Input::File(corpus) => read(corpus),
            Input::Sharded(shards) => shards.with_chunks(id, read),
        }
    }
}

/// Adds the chunks of `inputs`, all of one recipe, to the corpus at `out`, creating it if it does
/// not exist. An input is a file, a directory of files, or a sharded corpus, of which all published
/// shards are merged.
///
/// Every chunk is fully checked before it is copied; chunks that `out` already has are left
/// unchanged. Merging again after an interruption continues where it stopped.
///
/// # Errors
/// An input cannot be read, is damaged or of another recipe, or writing fails. Committed records
/// remain.
pub fn merge(
    out: &Path,
    inputs: &[PathBuf],
    stop: &AtomicBool,
    report: &mut dyn FnMut(Progress),
) -> Result<(Outcome, Progress)> {
    if is_sharded(out) {
        return Err(Error::Directory(out.into()));
    }
    let opened = inputs.iter().map(|path| Input::open(path)).collect::<Result<Vec<_>>>()?;
    let inputs: Vec<Input> = opened.into_iter().flatten().collect();
    let Some(first) = inputs.first() else {
        return Err(Error::Usage("there is nothing to merge; name at least one corpus".into()));
    };
    for input in &inputs {
        if wal::is_found(input.path()) {
            tracing::warn!("{}", wal::warning(input.path()));
        }
        if input.recipe().hash() != first.recipe().hash() {
            return Err(other_recipe(input.path(), input.recipe(), first.recipe()));
        }
        if input.has(out) {
            return Err(Error::Usage(format!(
                "{} is both an input and the output; choose another output",
                out.display()
            )));
        }
    }
    let recipe = first.recipe();
    if recipe.space().enumerates().is_some() {
        let reason = "an enumeration is complete in one file, so it cannot be merged";
        return Err(Error::Appended(first.path().into(), reason));
    }
    if recipe.space().is_appended() {
        let reason = "appended records have no fixed ids, so they cannot be merged; qorpus.open in Python reads several files as one";
        return Err(Error::Appended(first.path().into(), reason));
    }
    let writer = CorpusWriter::open(out, recipe, Durability::Full)?;
    let (records, _) = writer.read(|connection| totals(connection))?;
    let mut progress = Progress { records, expected: recipe.space().len(), ..Progress::default() };
    for input in &inputs {
        for (id, chunks) in input.chunks()? {
            if writer.read(|connection| claims::within(connection, &chunks))?.is_empty() {
                continue;
            }
            let outcome =
                input.with(id, |corpus| add(&writer, corpus, &chunks, stop, &mut progress, report))?;
            if outcome == Outcome::Interrupted {
                return Ok((outcome, progress));
            }
        }
    }
    Ok((Outcome::Complete, progress))
}

/// Adds the missing ones of the `chunks` of a file.
fn add(
    writer: &CorpusWriter,
    corpus: &CorpusFile,
    chunks: &Range<u64>,
    stop: &AtomicBool,
    progress: &mut Progress,
    report: &mut dyn FnMut(Progress),
) -> Result<Outcome> {
    let mut circuits = Circuits::default();
    let (step, sealed) = (corpus.scan_chunks(), writer.stored().codec());
    for start in chunks.clone().step_by(step.try_into().unwrap_or(usize::MAX)) {
        if stop.load(Ordering::Relaxed) {
            return Ok(Outcome::Interrupted);
        }
        let numbers = start..chunks.end.min(start.saturating_add(step));
        let missing = writer.read(|connection| claims::within(connection, &numbers))?;
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
                    // A file that has grown has another seed.
                    if corpus.check_seed() == writer.stored().check_seed {
                        return Ok(chunk);
                    }
                    let unitaries = chunk.unitaries.map(|mut column| {
                        column.truncate(circuits.len() * sealed.unitary_bytes());
                        column
                    });
                    let mut again = Chunk::default();
                    sealed.encode_stored(
                        chunk.first_id,
                        &circuits,
                        unitaries.unwrap_or_default(),
                        &mut again,
                    );
                    Ok(again)
                });
                let chunks: Vec<Chunk> = chunks.collect::<Result<_>>()?;
                next = until;
                if chunks.is_empty() {
                    continue;
                }
                let (records, bytes) = writer.write(|transaction| {
                    for chunk in &chunks {
                        let number = chunk.first_id / corpus.recipe().chunk_records();
                        claims::remove(transaction, &(number..number + 1))?;
                    }
                    insert_chunks(transaction, &chunks)
                })?;
                progress.records += records;
                progress.made += records;
                progress.bytes += bytes;
                report(*progress);
            }
        }
    }
    Ok(Outcome::Complete)
}
