//! Growth: a file becomes one of a larger recipe, in one transaction.
//!
//! Records, ids and, where the layout of the chunks allows it, the chunks stay. So does the seed of
//! their checks, which would otherwise follow from the recipe.

use crate::corpus::corpus_writer::CorpusWriter;
use crate::error::{Error, Result};
use crate::options::job::Durability;
use crate::produce::chunk_builder::ChunkBuilder;
use crate::sqlite::connection::StoredRecipe;
use crate::tables::chunks::{delete_chunks, delete_chunks_outside, insert_chunk, set_totals, totals};
use crate::tables::claims;
use qorpus_core::{Chunk, ContentHash, Kernel, Recipe};
use rusqlite::Connection;
use std::ops::Range;
use std::path::Path;

/// Opens the corpus at `path` for writing, creating it if it does not exist. A smaller one grows to
/// `recipe`, after `prepare` has accepted the file and its pending chunks.
pub(crate) fn open_grown(
    path: &Path,
    recipe: &Recipe,
    durability: Durability,
    prepare: &mut dyn FnMut(&CorpusWriter, &Growth) -> Result<()>,
) -> Result<CorpusWriter> {
    loop {
        let mut writer = CorpusWriter::open_to_grow(path, recipe, durability)?;
        let growth = Growth::new(writer.stored(), recipe);
        prepare(&writer, &growth)?;
        match growth.apply(&mut writer, path) {
            // Another process may have grown it to this recipe.
            Err(Error::GrownMeanwhile(_)) => {}
            applied => return applied.map(|()| writer),
        }
    }
}

/// The change from one recipe to another that it begins.
pub(crate) enum Growth {
    /// The recipe is already the larger one.
    Nothing,
    /// The chunks stay.
    InPlace { before: StoredRecipe, after: StoredRecipe },
    /// Chunks of the larger recipe are divided or packed differently, so all are generated again.
    Again { after: StoredRecipe },
    /// Chunks of the larger recipe are divided or packed differently, and cannot be generated.
    Impossible,
}

impl Growth {
    fn new(before: &StoredRecipe, recipe: &Recipe) -> Growth {
        let (after, before) = (recipe.clone(), before.clone());
        if before.recipe.hash() == after.hash() {
            Growth::Nothing
        } else if before.recipe.has_layout_of(&after) {
            let after = StoredRecipe { recipe: after, check_seed: before.check_seed };
            Growth::InPlace { before, after }
        } else if after.expected().is_some() {
            Growth::Again { after: StoredRecipe::new(after) }
        } else {
            Growth::Impossible
        }
    }

    /// Returns the number of chunks of `part` that will be pending.
    pub(crate) fn pending(&self, connection: &Connection, part: &Range<u64>) -> rusqlite::Result<u64> {
        let count = |chunks: &Range<u64>| chunks.end.saturating_sub(chunks.start);
        let there = match self {
            Growth::Again { .. } => return Ok(count(part)),
            Growth::InPlace { before, .. } => part.start..part.end.min(before.recipe.chunks()),
            Growth::Nothing | Growth::Impossible => part.clone(),
        };
        let pending = claims::within(connection, &there)?;
        let new = count(&(there.end.max(part.start)..part.end));
        Ok(pending.iter().map(|pending| count(&pending.chunks)).sum::<u64>() + new)
    }

    /// Refuses a growth that is impossible.
    pub(crate) fn check(&self, path: &Path) -> Result<()> {
        let Growth::Impossible = self else { return Ok(()) };
        let reason = "with longer circuits its chunks would be packed differently, so it cannot grow in place; \
                      enumerate the larger set into another file";
        Err(Error::Unsupported(path.into(), reason.into()))
    }

    fn apply(self, writer: &mut CorpusWriter, path: &Path) -> Result<()> {
        self.check(path)?;
        match self {
            Growth::Nothing | Growth::Impossible => Ok(()),
            Growth::InPlace { before, after } => {
                let pending = before.recipe.chunks()..after.recipe.chunks();
                let is_generated = before.recipe.expected().is_some();
                writer.grow(after.clone(), |transaction| {
                    if is_generated {
                        fill_last_chunk(transaction, &before, &after)?;
                        claims::insert(transaction, &pending, None)?;
                    }
                    Ok(())
                })
            }
            Growth::Again { after } => {
                let chunks = 0..after.recipe.chunks();
                writer.grow(after, |transaction| {
                    delete_chunks_outside(transaction, 0)?;
                    transaction.execute("DELETE FROM work", [])?;
                    claims::insert(transaction, &chunks, None)?;
                    set_totals(transaction, 0, ContentHash::default())
                })
            }
        }
    }
}

/// Replaces the last chunk of the smaller recipe, if it is there and not full, by the same chunk of
/// the larger one.
fn fill_last_chunk(
    transaction: &Connection,
    before: &StoredRecipe,
    after: &StoredRecipe,
) -> rusqlite::Result<()> {
    let number = before.recipe.chunks() - 1;
    let (partial, full) = (before.recipe.chunk_ids(number), after.recipe.chunk_ids(number));
    if partial == full || !claims::within(transaction, &(number..number + 1))?.is_empty() {
        return Ok(());
    }
    // The old one is computed and not read: it may be damaged, but was counted when it was intact.
    let (old, new) = (chunk(before, number), chunk(after, number));
    delete_chunks(transaction, &(partial.start..partial.start + 1))?;
    insert_chunk(transaction, &new)?;
    let (records, mut content) = totals(transaction)?;
    content -= old.content;
    content += new.content;
    set_totals(transaction, (records + new.count).saturating_sub(old.count), content)
}

fn chunk(stored: &StoredRecipe, number: u64) -> Chunk {
    let (codec, kernel) = (stored.codec(), Kernel::new(stored.recipe.alphabet()));
    ChunkBuilder::new(&stored.recipe, &codec, &kernel).chunk(number)
}
