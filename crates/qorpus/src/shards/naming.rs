//! The cut of a recipe into shards, and the names that follow from it.

use crate::error::{Error, Result};
use qorpus_core::Recipe;
use std::ops::Range;

/// More shards than this are refused: each is a file, a receipt and a line of the manifest.
pub(crate) const MAX_SHARDS: u64 = 1 << 20;

/// The file that says what a directory is, and what is in it.
pub(super) const MANIFEST: &str = "manifest.json";

/// The directory of the receipts.
pub(super) const RECEIPTS: &str = "receipts";

/// Digits of an id in a name, unless there are more records: names are then in the order of ids.
const DIGITS: usize = 12;

/// Where shards begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Records of the recipe.
    pub(crate) len: u64,
    /// Records of every shard but the last.
    pub(crate) shard_records: u64,
}

impl Cut {
    /// `None` for shards that are not made of whole chunks, too many shards, or records that no
    /// recipe decides.
    pub(crate) fn new(recipe: &Recipe, shard_records: u64) -> Option<Cut> {
        let len = recipe.expected()?;
        let whole = shard_records > 0 && shard_records.is_multiple_of(recipe.chunk_records());
        let cut = Cut { len, shard_records };
        (whole && cut.count() <= MAX_SHARDS).then_some(cut)
    }

    pub(crate) fn count(&self) -> u64 {
        self.len.div_ceil(self.shard_records)
    }

    /// The ids of shard `number`, which must be one of them.
    pub(crate) fn ids(&self, number: u64) -> Range<u64> {
        let start = number.saturating_mul(self.shard_records);
        start..start.saturating_add(self.shard_records).min(self.len)
    }

    pub(crate) fn records(&self, number: u64) -> u64 {
        let ids = self.ids(number);
        ids.end - ids.start
    }

    /// The name of shard `number`, without an ending.
    pub(super) fn name(&self, number: u64) -> String {
        let Range { start, end } = self.ids(number);
        let width = self.len.to_string().len().max(DIGITS);
        format!("{start:0width$}-{end:0width$}")
    }

    /// The number of the shard with this name.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        let first: u64 = name.split_once('-')?.0.parse().ok()?;
        Some(first / self.shard_records).filter(|&number| number < self.count() && self.name(number) == name)
    }
}

/// The cut that is wished, in whole chunks, or that of the recipe.
pub(super) fn chosen_cut(recipe: &Recipe, shard: Option<u64>) -> Result<Cut> {
    let Some(len) = recipe.expected().filter(|_| recipe.space().enumerates().is_none()) else {
        return Err(Error::Usage(
            "a directory of shards is of words or random circuits; anything else needs a file".into(),
        ));
    };
    let size = shard.map_or(recipe.shard_records(), |wished| {
        wished.max(1).checked_next_multiple_of(recipe.chunk_records()).unwrap_or(u64::MAX)
    });
    let count = len.div_ceil(size);
    Cut::new(recipe, size).ok_or_else(|| {
        Error::Usage(format!(
            "{count} shards of {size} records are too many, a directory has at most {MAX_SHARDS}; choose larger ones with --shard"
        ))
    })
}

/// Whether a file might be a shard of some recipe.
pub(super) fn is_shard(name: &str) -> bool {
    let is_id = |text: &str| text.len() >= DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let ids = name.strip_suffix(".db").and_then(|ids| ids.split_once('-'));
    ids.is_some_and(|(start, end)| is_id(start) && is_id(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecipeOptions;

    fn recipe(records: u64) -> Recipe {
        RecipeOptions { random: records, ..RecipeOptions::default() }.recipe().unwrap()
    }

    #[test]
    fn names_come_from_ranges_and_lead_back() {
        let recipe = recipe(1_000_000);
        let cut = chosen_cut(&recipe, Some(100_000)).unwrap();
        assert_eq!(cut.shard_records % recipe.chunk_records(), 0);
        assert!((100_000..100_000 + recipe.chunk_records()).contains(&cut.shard_records));
        assert_eq!(cut.name(0), format!("000000000000-{:012}", cut.shard_records));
        assert!(cut.name(cut.count() - 1).ends_with("-000001000000"));
        for number in 0..cut.count() {
            assert_eq!(cut.number(&cut.name(number)), Some(number));
        }
        for name in ["", "-", "0-1", "000000000001-000000000002", "999999999999-999999999999"] {
            assert_eq!(cut.number(name), None, "{name}");
        }
        assert!(is_shard(&(cut.name(1) + ".db")) && !is_shard("c.db") && !is_shard("part-1.db"));
        let long = Cut { len: 1 << 63, shard_records: 1 << 60 };
        assert_eq!(long.name(7).len(), 2 * 19 + 1);
    }

    #[test]
    fn too_many_shards_are_refused() {
        assert!(chosen_cut(&recipe(1 << 40), Some(1)).unwrap_err().is_usage());
        assert_eq!(chosen_cut(&recipe(1 << 40), Some(u64::MAX)).map(|cut| cut.count()).ok(), None);
        let whole = chosen_cut(&recipe(1000), Some(1 << 40)).unwrap();
        assert_eq!((whole.count(), whole.ids(0)), (1, 0..1000));
    }
}
