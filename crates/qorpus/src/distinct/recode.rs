//! Recoding: the chunks and the index of an enumeration are packed again for a larger recipe, which
//! has longer circuits. Records, ids and levels stay.

use crate::corpus::corpus_file::damaged;
use crate::distinct::index::{level_of, sealed_again};
use crate::distinct::labels;
use crate::error::{Error, Result};
use crate::sqlite::connection::StoredRecipe;
use crate::sqlite::failure::sqlite;
use crate::tables::chunks::{delete_chunks, insert_chunk, next_chunk};
use crate::tables::keys;
use qorpus_core::{Chunk, Circuits, Codec, Damage, Distinct, LabelColumn, Labels};
use rusqlite::Connection;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Packs every chunk and every block of the index of the file at `path` again, in one transaction.
pub(super) fn recode(
    transaction: &Connection,
    path: &Path,
    (before, after): (&StoredRecipe, &StoredRecipe),
    stop: &AtomicBool,
) -> Result<()> {
    let failed = sqlite(path, "pack its chunks again");
    let check_stop = || match stop.load(Ordering::Relaxed) {
        true => Err(Error::Interrupted(format!("{}: growing", path.display()))),
        false => Ok(()),
    };
    let (from, to, mut next) = (before.codec(), after.codec(), 0);
    let has_costs = after.recipe.space().enumerates().is_some_and(Distinct::has_costs);
    let (names, most) = (labels::names(has_costs), after.recipe.chunk_records() as usize);
    while let Some(chunk) = next_chunk(transaction, next).map_err(&failed)? {
        check_stop()?;
        let packed = recoded(&chunk, &from, &to, names, most)
            .map_err(|damage| damaged(&before.recipe, path.into(), chunk.first_id, damage.into()))?;
        delete_chunks(transaction, &(chunk.first_id..chunk.first_id + 1)).map_err(&failed)?;
        for chunk in packed {
            insert_chunk(transaction, &chunk).map_err(&failed)?;
        }
        next = chunk.first_id + chunk.count;
    }
    let mut next = 0;
    while let Some((place, entries)) = keys::next(transaction, next).map_err(&failed)? {
        check_stop()?;
        let sealed = sealed_again(place, entries, before.check_seed, after.check_seed);
        let sealed = sealed.ok_or_else(|| Error::DamagedIndex(path.into(), level_of(place)))?;
        keys::replace(transaction, place, &sealed).map_err(&failed)?;
        next = place + 1;
    }
    Ok(())
}

/// Returns the records of a chunk in chunks of at most `most` records.
fn recoded(
    chunk: &Chunk,
    from: &Codec,
    to: &Codec,
    names: &[&'static str],
    most: usize,
) -> Result<Vec<Chunk>, Damage> {
    let (mut circuits, view) = (Circuits::default(), chunk.as_ref());
    from.decode(&view, &mut circuits)?;
    let (count, given) = (circuits.len(), from.labels(view.span(), view.labels)?);
    let column = |name: &&'static str| Ok((*name, given.integers(name, count)?.collect()));
    let columns: Vec<(&str, Vec<i64>)> = names.iter().map(column).collect::<Result<_, Damage>>()?;
    let each = count.div_ceil(count.div_ceil(most).max(1)).max(1);
    let pack = |start: usize| {
        let rows = start..count.min(start + each);
        let (mut part, mut labels, mut packed) = (Circuits::default(), Labels::default(), Chunk::default());
        rows.clone().for_each(|row| part.push(circuits.get(row).iter().copied()));
        let cut = |(name, values): &(&'static str, Vec<i64>)| {
            (*name, LabelColumn::Integers(values[rows.clone()].to_vec()))
        };
        let columns: Vec<_> = columns.iter().map(cut).collect();
        labels.extend(part.len(), &columns).map_err(|_| Damage::Labels)?;
        to.encode(chunk.first_id + start as u64, &part, &[], &mut packed);
        to.encode_labels(&labels, 0..part.len(), &mut packed);
        Ok(packed)
    };
    (0..count).step_by(each).map(pack).collect()
}
