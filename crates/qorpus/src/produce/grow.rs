//! Growth: a file becomes one of a larger recipe, in one transaction.
//!
//! Records, ids and, where the layout of the chunks allows it, the chunks stay. So does the seed of
//! their checks, which would otherwise follow from the recipe.

use crate::corpus::corpus_writer::CorpusWriter;
use crate::error::{Error, Result};
use crate::options::job::Durability;
use crate::produce::chunk_builder::ChunkBuilder;
use crate::sqlite::connection::StoredRecipe;
use crate::sqlite::failure::sqlite_on;
use crate::tables::chunks::{delete_chunks, delete_chunks_outside, insert_chunk, set_totals, totals};
use crate::tables::claims;
use qorpus_core::{Chunk, ContentHash, Recipe};
use rusqlite::{Connection, Transaction};
use std::ops::Range;
use std::path::Path;

/// Changes the chunks of a file in the transaction that replaces the first recipe by the second,
/// whose chunks have another layout.
pub(crate) type Repack<'r> = dyn Fn(&Transaction<'_>, (&StoredRecipe, &StoredRecipe)) -> Result<()> + 'r;

/// Opens the corpus at `path` for writing, creating it with this recipe and seed if it does not
/// exist. A smaller one grows to the recipe, after `prepare` has accepted it. Returns the writer, and
/// how many records its last chunk gained.
pub(crate) fn open_grown(
    path: &Path,
    new: &StoredRecipe,
    durability: Durability,
    prepare: &mut dyn FnMut(&CorpusWriter, &Growth) -> Result<()>,
    repack: &Repack<'_>,
) -> Result<(CorpusWriter, u64)> {
    loop {
        let mut writer = CorpusWriter::open_to_grow(path, new, durability)?;
        let growth = Growth::new(writer.stored(), &new.recipe);
        prepare(&writer, &growth)?;
        match growth.apply(&mut writer, path, repack) {
            // Another process may have grown it to this recipe.
            Err(Error::GrownMeanwhile(_)) => {}
            applied => return applied.map(|gained| (writer, gained)),
        }
    }
}

/// The change from one recipe to another that it begins.
pub(crate) enum Growth {
    /// The recipe is already the larger one.
    Nothing,
    /// The chunks stay.
    InPlace(StoredRecipe, StoredRecipe),
    /// Chunks of the larger recipe are divided or packed differently. Their checks have another
    /// seed, so that no reader takes them for chunks of the smaller recipe.
    Repacked(StoredRecipe, StoredRecipe),
}

impl Growth {
    fn new(before: &StoredRecipe, recipe: &Recipe) -> Growth {
        let (after, before) = (recipe.clone(), before.clone());
        if before.recipe.hash() == after.hash() {
            Growth::Nothing
        } else if before.recipe.has_layout_of(&after) {
            let check_seed = before.check_seed;
            Growth::InPlace(before, StoredRecipe { recipe: after, check_seed })
        } else {
            Growth::Repacked(before, StoredRecipe::new(after))
        }
    }

    /// Returns the number of chunks of `part` that will be pending, if records are generated.
    pub(crate) fn pending(&self, connection: &Connection, part: &Range<u64>) -> rusqlite::Result<u64> {
        let count = |chunks: &Range<u64>| chunks.end.saturating_sub(chunks.start);
        let there = match self {
            Growth::Repacked(..) => return Ok(count(part)),
            Growth::InPlace(before, _) => part.start..part.end.min(before.recipe.chunks()),
            Growth::Nothing => part.clone(),
        };
        let pending = claims::within(connection, &there)?;
        let new = count(&(there.end.max(part.start)..part.end));
        Ok(pending.iter().map(|pending| count(&pending.chunks)).sum::<u64>() + new)
    }

    fn apply(self, writer: &mut CorpusWriter, path: &Path, repack: &Repack<'_>) -> Result<u64> {
        match self {
            Growth::Nothing => Ok(0),
            Growth::InPlace(before, after) => writer.grow(after.clone(), |transaction| {
                if before.recipe.expected().is_none() {
                    return Ok(0);
                }
                let new = before.recipe.chunks()..after.recipe.chunks();
                fill_last_chunk(transaction, &before, &after)
                    .and_then(|gained| claims::extend(transaction, &new).map(|()| gained))
                    .map_err(sqlite_on(transaction, path, "grow it"))
            }),
            Growth::Repacked(before, after) => {
                writer.grow(after.clone(), |transaction| repack(transaction, (&before, &after)))?;
                Ok(0)
            }
        }
    }
}

/// Drops the chunks of a file of generated records: all are generated again.
pub(crate) fn restart(transaction: &Connection, path: &Path, after: &StoredRecipe) -> Result<()> {
    delete_chunks_outside(transaction, 0)
        .and_then(|()| transaction.execute("DELETE FROM work", []))
        .and_then(|_| claims::insert(transaction, &(0..after.recipe.chunks()), None))
        .and_then(|()| set_totals(transaction, 0, ContentHash::default()))
        .map_err(sqlite_on(transaction, path, "grow it"))
}

/// Replaces the last chunk of the smaller recipe, if it is there and not full, by the same chunk of
/// the larger one. Returns how many records more it has.
fn fill_last_chunk(
    transaction: &Connection,
    before: &StoredRecipe,
    after: &StoredRecipe,
) -> rusqlite::Result<u64> {
    let number = before.recipe.chunks() - 1;
    let (partial, full) = (before.recipe.chunk_ids(number), after.recipe.chunk_ids(number));
    if partial == full || !claims::within(transaction, &(number..number + 1))?.is_empty() {
        return Ok(0);
    }
    // The old one is computed and not read: it may be damaged, but was counted when it was intact.
    let (old, new) = (chunk(before, number), chunk(after, number));
    delete_chunks(transaction, &(partial.start..partial.start + 1))?;
    insert_chunk(transaction, &new)?;
    let (records, mut content) = totals(transaction)?;
    content -= old.content;
    content += new.content;
    set_totals(transaction, (records + new.count).saturating_sub(old.count), content)?;
    Ok(new.count - old.count)
}

fn chunk(stored: &StoredRecipe, number: u64) -> Chunk {
    let (codec, kernel) = (stored.codec(), stored.recipe.kernel());
    ChunkBuilder::new(&stored.recipe, &codec, &kernel).chunk(number)
}
