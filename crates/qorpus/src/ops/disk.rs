//! Measures writing: by the disk in sequence, and by the thread that writes a corpus.
//!
//! That thread copies chunks into pages, hands the pages over and waits for the disk, one after the
//! other. So a byte of a corpus takes it the time of copying and the time of the disk.

use crate::corpus::corpus_writer::CorpusWriter;
use crate::error::{Error, Result, io};
use crate::options::job::Durability;
use crate::produce::chunk_builder::ChunkBuilder;
use crate::produce::generate::LONE_GROUP_BYTES;
use crate::shards::shard::discard;
use crate::tables::chunks::insert_chunks;
use qorpus_core::{Chunk, Codec, Recipe};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The length of a trial in each way, before the last sync...
const TRIAL_TIME: Duration = Duration::from_millis(900);

/// ...or the bytes that it writes.
const TRIAL_BYTES: u64 = 1 << 29;

/// Bytes that are written at once.
const WRITE_BYTES: usize = 1 << 20;

/// The rate of a disk, and the time of copying.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rates {
    /// Bytes a second that the disk writes in sequence, syncs included.
    pub(crate) sequential: f64,
    /// Seconds that a thread takes to copy a byte into a corpus, without the time of the disk.
    pub(crate) copying: f64,
}

impl Rates {
    /// Measures the disk of `directory`, and leaves nothing there.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(crate) fn measured(directory: &Path, recipe: &Recipe) -> Result<Rates> {
        let sequential = sequential(directory)?;
        match corpus(directory, recipe) {
            // The disk may have been faster for the corpus.
            Ok(corpus) => Ok(Rates { sequential, copying: (1.0 / corpus - 1.0 / sequential).max(0.0) }),
            // No corpus is written there directly.
            Err(Error::NetworkFileSystem { .. }) => Ok(Rates { sequential, copying: 0.0 }),
            Err(error) => Err(error),
        }
    }
}

/// Writes a file in sequence.
fn sequential(directory: &Path) -> Result<f64> {
    let failed = io(directory, "measure how fast it is written");
    let mut file = tempfile::tempfile_in(directory).map_err(&failed)?;
    // Not zeros, which a disk may store as nothing.
    let mut state = 1u64;
    let piece: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(WRITE_BYTES)
    .collect();
    let (mut written, start) = (0, Instant::now());
    while written < TRIAL_BYTES && start.elapsed() < TRIAL_TIME {
        file.write_all(&piece).map_err(&failed)?;
        written += WRITE_BYTES as u64;
    }
    file.sync_data().map_err(&failed)?;
    Ok(written as f64 / start.elapsed().as_secs_f64())
}

/// Commits one chunk again and again to a corpus, in groups as large as in a generation.
fn corpus(directory: &Path, recipe: &Recipe) -> Result<f64> {
    let (codec, kernel) = (Codec::new(recipe), recipe.kernel());
    let chunk = ChunkBuilder::new(recipe, &codec, &kernel).chunk(0);
    let trial = TrialCorpus(directory.join(format!(".qorpus-trial-{}.db", std::process::id())));
    let writer = CorpusWriter::open(&trial.0, recipe, Durability::Full)?;
    let bytes = chunk.bytes().max(1) as u64;
    let in_group = (LONE_GROUP_BYTES / bytes).max(1);
    let (mut written, mut next, start) = (0, 0, Instant::now());
    while written < TRIAL_BYTES && (written == 0 || start.elapsed() < TRIAL_TIME) {
        let group: Vec<Chunk> =
            (next..next + in_group).map(|number| numbered(&chunk, number * chunk.count)).collect();
        writer.write(|transaction| insert_chunks(transaction, &group))?;
        written += in_group * bytes;
        next += in_group;
    }
    Ok(written as f64 / start.elapsed().as_secs_f64())
}

fn numbered(chunk: &Chunk, first_id: u64) -> Chunk {
    let Chunk { count, checksum, content, .. } = *chunk;
    let (circuits, unitaries, labels) =
        (chunk.circuits.clone(), chunk.unitaries.clone(), chunk.labels.clone());
    Chunk { first_id, count, checksum, content, circuits, unitaries, labels }
}

/// A trial corpus, which is removed with the files beside it.
struct TrialCorpus(PathBuf);

impl Drop for TrialCorpus {
    fn drop(&mut self) {
        discard(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecipeOptions;

    #[test]
    fn a_trial_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        for unitaries in [true, false] {
            let recipe =
                RecipeOptions { random: 1000, unitaries, ..RecipeOptions::default() }.recipe().unwrap();
            let rates = Rates::measured(directory.path(), &recipe).unwrap();
            assert!(rates.sequential > 0.0 && rates.copying >= 0.0 && rates.copying.is_finite());
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        }
    }
}
