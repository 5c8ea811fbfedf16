//! The division of a recipe's records into shards, and the names that follow from it.

use crate::error::{Error, Result};
use qorpus_core::Recipe;
use std::ops::Range;

/// The most shards of a corpus: each is a file, a receipt and a line of the manifest.
pub(crate) const MAX_SHARDS: u64 = 1 << 20;

/// The name of the file that lists the shards.
pub(super) const MANIFEST: &str = "manifest.json";

/// The name of the directory of the receipts.
pub(super) const RECEIPTS: &str = "receipts";

/// The fewest digits of an id in a name. All names have equally many, so that their order is the
/// order of ids.
const MIN_DIGITS: usize = 12;

/// The division of a recipe's ids into shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sharding {
    /// Records of the recipe.
    pub(crate) len: u64,
    /// Records of every shard but the last.
    pub(crate) shard_records: u64,
    /// The digits of an id in a name; larger ids have more.
    digits: usize,
}

impl Sharding {
    /// Returns `None` for shards that do not consist of whole chunks, too many shards, or a recipe
    /// that does not determine its records.
    pub(crate) fn new(recipe: &Recipe, shard_records: u64) -> Option<Sharding> {
        let len = recipe.expected()?;
        let is_whole = shard_records > 0 && shard_records.is_multiple_of(recipe.chunk_records());
        let digits = len.to_string().len().max(MIN_DIGITS);
        let sharding = Sharding { len, shard_records, digits };
        (is_whole && sharding.count() <= MAX_SHARDS).then_some(sharding)
    }

    /// Returns the division of a larger recipe into shards of the same size, whose names do not
    /// change, except for that of the last. `None` if there are too many.
    pub(super) fn grown(self, recipe: &Recipe) -> Option<Sharding> {
        let larger = Sharding::new(recipe, self.shard_records)?;
        Some(Sharding { digits: self.digits, ..larger })
    }

    /// Returns the division into shards of at least `shard_records`, in whole chunks, or the
    /// recipe's default.
    pub(super) fn chosen(recipe: &Recipe, shard_records: Option<u64>) -> Result<Sharding> {
        if recipe.expected().is_none() || recipe.space().enumerates().is_some() {
            return Err(Error::Usage(
                "only words and random circuits can be sharded; use a single file".into(),
            ));
        }
        let size = shard_records.map_or(recipe.shard_records(), |wished| {
            wished.max(1).checked_next_multiple_of(recipe.chunk_records()).unwrap_or(u64::MAX)
        });
        Sharding::new(recipe, size).ok_or_else(|| Sharding::too_many(recipe, size))
    }

    /// Returns the error of more shards of this size than a corpus has.
    pub(super) fn too_many(recipe: &Recipe, size: u64) -> Error {
        let count = recipe.space().len().div_ceil(size);
        Error::Usage(format!(
            "{count} shards of {size} records are too many: a directory has at most {MAX_SHARDS}; use larger shards \
             (--shard RECORDS, shard= in Python)"
        ))
    }

    pub(crate) fn count(&self) -> u64 {
        self.len.div_ceil(self.shard_records)
    }

    /// Returns the ids of shard `number`, which must be one of them.
    pub(crate) fn ids(&self, number: u64) -> Range<u64> {
        let start = number.saturating_mul(self.shard_records);
        start..start.saturating_add(self.shard_records).min(self.len)
    }

    pub(crate) fn records(&self, number: u64) -> u64 {
        let ids = self.ids(number);
        ids.end - ids.start
    }

    /// Returns the name of shard `number`, without an ending.
    pub(super) fn name(&self, number: u64) -> String {
        self.name_of(self.ids(number))
    }

    fn name_of(&self, Range { start, end }: Range<u64>) -> String {
        let width = self.digits;
        format!("{start:0width$}-{end:0width$}")
    }

    /// Returns the number of the shard with this name.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        let first: u64 = name.split_once('-')?.0.parse().ok()?;
        Some(first / self.shard_records).filter(|&number| number < self.count() && self.name(number) == name)
    }

    /// Returns the number of the shard that has replaced the one with this name: the last one of a
    /// smaller recipe of the same corpus, which had at least `least` records.
    pub(super) fn replaced(&self, name: &str, least: u64) -> Option<u64> {
        let (start, end) = name.split_once('-')?;
        let (start, end): (u64, u64) = (start.parse().ok()?, end.parse().ok()?);
        let number = start / self.shard_records;
        let is_shorter = number < self.count() && {
            let ids = self.ids(number);
            start == ids.start && (least.max(start + 1)..ids.end).contains(&end)
        };
        (is_shorter && self.name_of(start..end) == name).then_some(number)
    }
}

/// Returns whether a name may belong to a shard of some recipe.
pub(super) fn is_shard(name: &str) -> bool {
    let is_id = |text: &str| text.len() >= MIN_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let ids = name.strip_suffix(".db").and_then(|ids| ids.split_once('-'));
    ids.is_some_and(|(start, end)| is_id(start) && is_id(end))
}

/// Returns whether a name may belong to a corpus that is being created, or whose manifest was lost.
pub(super) fn is_part_of_corpus(name: &str) -> bool {
    let first = name.split('/').next().unwrap_or(name);
    first == RECEIPTS || name.starts_with('.') || name.starts_with(MANIFEST) || is_shard(name)
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
        let sharding = Sharding::chosen(&recipe, Some(100_000)).unwrap();
        assert_eq!(sharding.shard_records % recipe.chunk_records(), 0);
        assert!((100_000..100_000 + recipe.chunk_records()).contains(&sharding.shard_records));
        assert_eq!(sharding.name(0), format!("000000000000-{:012}", sharding.shard_records));
        assert!(sharding.name(sharding.count() - 1).ends_with("-000001000000"));
        for number in 0..sharding.count() {
            assert_eq!(sharding.number(&sharding.name(number)), Some(number));
        }
        for name in ["", "-", "0-1", "000000000001-000000000002", "999999999999-999999999999"] {
            assert_eq!(sharding.number(name), None, "{name}");
        }
        assert!(is_shard(&(sharding.name(1) + ".db")) && !is_shard("c.db") && !is_shard("part-1.db"));
        let long = Sharding { len: 1 << 63, shard_records: 1 << 60, digits: 19 };
        assert_eq!(long.name(7).len(), 2 * 19 + 1);
    }

    #[test]
    fn names_stay_when_a_recipe_grows() {
        let (small, large) = (recipe(950_000_000_000), recipe(1_250_000_000_000));
        let before = Sharding::chosen(&small, Some(100_000_000)).unwrap();
        let after = before.grown(&large).unwrap();
        let last = before.count() - 1;
        assert!((0..last).step_by(101).all(|number| before.name(number) == after.name(number)));
        for (name, replaced) in [
            (before.name(last), Some(last)),
            (before.name(0), None),
            (after.name(last), None),
            (before.name(last).replacen('0', "00", 1), None),
            ("000000000001-000000000002".into(), None),
            ("000000000000-000000000000".into(), None),
        ] {
            assert_eq!(after.replaced(&name, small.space().len()), replaced, "{name}");
        }
        assert_eq!(after.replaced(&before.name(last), small.space().len() + 1), None);
        // Its ids have more digits than names of the smaller recipe.
        let end = after.count() - 1;
        assert!(after.name(end).ends_with("-1250000000000") && after.number(&after.name(end)) == Some(end));
        assert!(before.grown(&recipe(1 << 60)).is_none());
    }

    #[test]
    fn too_many_shards_are_refused() {
        assert!(Sharding::chosen(&recipe(1 << 40), Some(1)).unwrap_err().is_usage());
        assert_eq!(
            Sharding::chosen(&recipe(1 << 40), Some(u64::MAX)).map(|sharding| sharding.count()).ok(),
            None
        );
        let whole = Sharding::chosen(&recipe(1000), Some(1 << 40)).unwrap();
        assert_eq!((whole.count(), whole.ids(0)), (1, 0..1000));
    }

    #[test]
    fn parts_of_a_corpus_are_told_from_other_files() {
        assert!(is_part_of_corpus("receipts/x.json") && is_part_of_corpus("000000000000-000000001000.db"));
        assert!(!is_part_of_corpus("mine.txt") && !is_part_of_corpus("other/000000000000-000000001000.db"));
    }
}
