//! How fast a disk is written: in sequence, and by a corpus.
//!
//! A corpus is written by one thread that copies chunks into pages, writes the pages and waits for
//! the disk, one after the other, so that it takes a share of what the disk takes in sequence.

use crate::corpus::corpus_writer::CorpusWriter;
use crate::error::{Error, Result, io};
use crate::options::job::Durability;
use crate::paths::beside;
use crate::produce::chunk_builder::ChunkBuilder;
use crate::produce::generate::LONE_GROUP_BYTES;
use crate::tables::chunks::insert_chunks;
use nix::libc;
use qorpus_core::{Chunk, Codec, Kernel, Recipe};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the disk is tried in each way, before the last sync...
const TRIAL: Duration = Duration::from_millis(900);

/// ...or what it is given to write.
const TRIAL_BYTES: u64 = 1 << 29;

/// Bytes that are written at once.
const PIECE: usize = 1 << 20;

/// Bytes a second that a disk takes, syncs included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rates {
    pub(crate) sequential: f64,
    /// Bytes of a corpus, which is written by a lone process.
    pub(crate) corpus: f64,
}

impl Rates {
    /// Tries the disk of `directory`, and leaves nothing there.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(crate) fn measured(directory: &Path, recipe: &Recipe) -> Result<Rates> {
        let sequential = sequential(directory)?;
        match corpus(directory, recipe) {
            Ok(corpus) => Ok(Rates { sequential, corpus }),
            // No corpus is written there directly.
            Err(Error::NetworkFileSystem { .. }) => Ok(Rates { sequential, corpus: sequential }),
            Err(error) => Err(error),
        }
    }

    /// Those of a disk that takes `sequential` bytes a second.
    pub(crate) fn scaled(self, sequential: f64) -> Rates {
        Rates { sequential, corpus: self.corpus * sequential / self.sequential }
    }
}

/// Writes a file in sequence.
fn sequential(directory: &Path) -> Result<f64> {
    let failed = io(directory, "try how fast it is written");
    let mut file = nameless(directory).map_err(&failed)?;
    // Not zeros, which a disk may store as nothing.
    let mut state = 1u64;
    let piece: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(PIECE)
    .collect();
    let (start, mut written) = (Instant::now(), 0);
    while written < TRIAL_BYTES && start.elapsed() < TRIAL {
        file.write_all(&piece).map_err(&failed)?;
        written += PIECE as u64;
    }
    file.sync_data().map_err(&failed)?;
    Ok(written as f64 / start.elapsed().as_secs_f64())
}

/// Commits one chunk again and again to a corpus, in groups as large as those of a generation.
fn corpus(directory: &Path, recipe: &Recipe) -> Result<f64> {
    let (codec, kernel) = (Codec::new(recipe), Kernel::new(recipe.alphabet()));
    let chunk = ChunkBuilder::new(recipe, &codec, &kernel).chunk(0);
    let trial = Trial(directory.join(format!(".qorpus-trial-{}.db", std::process::id())));
    let store = CorpusWriter::open(&trial.0, recipe, Durability::Full)?;
    let bytes = chunk.bytes().max(1) as u64;
    let in_group = (LONE_GROUP_BYTES / bytes).max(1);
    let (start, mut written, mut next) = (Instant::now(), 0, 0);
    while written < TRIAL_BYTES && (written == 0 || start.elapsed() < TRIAL) {
        let group: Vec<Chunk> =
            (next..next + in_group).map(|number| numbered(&chunk, number * chunk.count)).collect();
        store.write(|transaction| insert_chunks(transaction, &group))?;
        (written, next) = (written + in_group * bytes, next + in_group);
    }
    Ok(written as f64 / start.elapsed().as_secs_f64())
}

fn numbered(chunk: &Chunk, first_id: u64) -> Chunk {
    let Chunk { count, checksum, content, .. } = *chunk;
    let (circuits, unitaries, labels) =
        (chunk.circuits.clone(), chunk.unitaries.clone(), chunk.labels.clone());
    Chunk { first_id, count, checksum, content, circuits, unitaries, labels }
}

/// A corpus that is removed, with what SQLite has beside it.
struct Trial(PathBuf);

impl Drop for Trial {
    fn drop(&mut self) {
        for ending in ["", "-journal", "-wal", "-shm", "-lock"] {
            // Most are not there.
            let _ = std::fs::remove_file(beside(&self.0, ending));
        }
    }
}

/// A file that is gone when it is closed, however that comes.
fn nameless(directory: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_TMPFILE);
    options.open(directory).or_else(|_| {
        // Some file systems have none without a name: it loses its name at once.
        let path = directory.join(format!(".qorpus-trial-{}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        std::fs::remove_file(path)?;
        Ok(file)
    })
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
            assert!(rates.sequential > 0.0 && rates.corpus > 0.0 && rates.corpus.is_finite());
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn another_disk_is_taken_to_give_a_corpus_the_same_share() {
        let here = Rates { sequential: 1e9, corpus: 4e8 };
        assert_eq!(here.scaled(2e9), Rates { sequential: 2e9, corpus: 8e8 });
    }
}
