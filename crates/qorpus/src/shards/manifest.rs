//! The manifest of a sharded corpus: its text and its checks.

use crate::error::{Error, Result};
use crate::hex::hex;
use crate::remedy::brief;
use crate::shards::lineage::Lineage;
use crate::shards::naming::{MANIFEST, MAX_SHARDS, Sharding};
use crate::shards::put_mode::Version;
use crate::shards::shard::Shard;
use crate::shards::storage::Storage;
use qorpus_core::{BoundedVec, ContentHash, Recipe};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_128;

/// The version of the receipts' format, and of the manifest's unless the corpus has grown.
pub(super) const VERSION: u32 = 1;

/// The version of the manifest of a corpus that has grown.
const GROWN_VERSION: u32 = 2;

/// The most bytes of a manifest that are read; a larger one would list more shards than
/// [`MAX_SHARDS`].
const MAX_MANIFEST_BYTES: u64 = 1 << 28;

/// A parsed text, or the reason to reject it, as the end of a sentence.
pub(super) type Parsed<T> = std::result::Result<T, String>;

/// The recipe of a sharded corpus, and a list of its published shards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest {
    /// Increases with every change of the list or the recipe.
    pub(crate) version: u64,
    pub(crate) lineage: Lineage,
    pub(crate) sharding: Sharding,
    /// By number, ascending.
    pub(crate) shards: Vec<Shard>,
}

impl Manifest {
    /// Returns the manifest of a directory without shards.
    pub(crate) fn empty(recipe: &Recipe, sharding: Sharding) -> Manifest {
        Manifest { version: 0, lineage: Lineage::new(recipe.clone()), sharding, shards: Vec::new() }
    }

    /// Returns whether it lists shard `number`, and that of `sharding` has the same records.
    pub(super) fn shard_of(&self, sharding: Sharding, number: u64) -> Option<&Shard> {
        self.shard(number).filter(|_| sharding.ids(number) == self.sharding.ids(number))
    }

    /// Returns the shard with this number, if it is listed.
    pub(crate) fn shard(&self, number: u64) -> Option<&Shard> {
        // If no shard is missing, its position is its number.
        let direct = usize::try_from(number).ok().and_then(|place| self.shards.get(place));
        direct.filter(|shard| shard.number == number).or_else(|| {
            let place = self.shards.binary_search_by_key(&number, |shard| shard.number).ok()?;
            self.shards.get(place)
        })
    }

    /// Returns the first id from `id` on that is in a listed shard, or the number of ids.
    pub(crate) fn next_listed(&self, id: u64) -> u64 {
        let place = self.shards.partition_point(|shard| self.sharding.ids(shard.number).end <= id);
        let next = self.shards.get(place).map(|shard| self.sharding.ids(shard.number).start.max(id));
        next.unwrap_or(self.sharding.len)
    }

    /// Returns the ids of shards that are not listed, with neighbours combined.
    pub(crate) fn missing(&self) -> Vec<Range<u64>> {
        let (mut missing, mut next) = (Vec::new(), 0);
        for shard in &self.shards {
            let ids = self.sharding.ids(shard.number);
            missing.push(next..ids.start);
            next = ids.end;
        }
        missing.push(next..self.sharding.len);
        missing.retain(|ids| !ids.is_empty());
        missing
    }

    /// Returns the number of records of its shards.
    pub(crate) fn records(&self) -> u64 {
        self.shards.iter().map(|shard| self.sharding.records(shard.number)).sum()
    }

    /// Returns the sum of their hashes, as of a single file with the same records.
    pub(crate) fn content(&self) -> ContentHash {
        let mut content = ContentHash::default();
        self.shards.iter().for_each(|shard| content += shard.content);
        content
    }

    /// Returns the size of all files of shards.
    pub(crate) fn bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.bytes).fold(0, u64::saturating_add)
    }

    pub(crate) fn text(&self) -> String {
        let shard = |shard: &Shard| {
            let Range { start, end } = self.sharding.ids(shard.number);
            let Shard { content, bytes, xxh128, .. } = shard;
            format!(
                "{{\"first_id\":{start},\"end_id\":{end},\"content_hash\":\"{content}\",\"bytes\":{bytes},\"xxh128\":\"{xxh128:032x}\"}}"
            )
        };
        let shards: Vec<_> = self.shards.iter().map(shard).collect();
        let (recipe, format) = (self.lineage.recipe(), self.format());
        let created_as = self.lineage.created_as().map(Recipe::to_json);
        let created_as = created_as.map(|recipe| format!("\"created_as\":{recipe},\n")).unwrap_or_default();
        with_check(format!(
            "{{\"qorpus_manifest\":{format},\n\"version\":{},\n\"recipe\":{},\n\"recipe_hash\":\"{}\",\n{created_as}\
             \"shard_records\":{},\n\"records\":{},\n\"content_hash\":\"{}\",\n\"bytes\":{},\n\"shards\":[\n{}\n],\n",
            self.version,
            recipe.to_json(),
            hex(&recipe.hash()),
            self.sharding.shard_records,
            self.records(),
            self.content(),
            self.bytes(),
            shards.join(",\n"),
        ))
    }

    /// Returns the version of its format.
    fn format(&self) -> u32 {
        if self.lineage.created_as().is_some() { GROWN_VERSION } else { VERSION }
    }

    /// Reads the manifest in `storage`, and the version of its file or object.
    pub(super) fn read(storage: &Storage) -> Result<(Manifest, Version)> {
        let Some((text, version)) = storage.read(MANIFEST, MAX_MANIFEST_BYTES)? else {
            let path = storage.path().into();
            if storage.has_shards()? {
                return Err(Error::LostManifest(path));
            }
            return Err(Error::NotACorpus(path, format!("there is no {MANIFEST} in it")));
        };
        match Manifest::parse(&text) {
            Ok(manifest) => Ok((manifest, version)),
            Err(reason) => Err(match from_json(&text, "manifest") {
                // To restore or to delete the manifest would not help.
                Ok(ManifestVersion { qorpus_manifest: found }) if found > GROWN_VERSION => {
                    Error::NewerFormat(storage.join(MANIFEST), found.into())
                }
                _ => Error::Manifest(storage.join(MANIFEST), reason),
            }),
        }
    }

    fn parse(text: &str) -> Parsed<Manifest> {
        let ManifestVersion { qorpus_manifest: found } = from_json(text, "manifest")?;
        if found > GROWN_VERSION {
            return Err(format!("its version {found} needs a newer Qorpus"));
        }
        verify_check(text)?;
        let found: ManifestText = from_json(text, "manifest")?;
        let recipe = Recipe::from_json(found.recipe.get()).map_err(|error| brief(&error.to_string()))?;
        if found.recipe_hash != hex(&recipe.hash()) {
            return Err("its recipe does not match the recipe's hash".into());
        }
        let (lineage, sharding) = found.division(&recipe)?;
        let mut shards = Vec::with_capacity(found.shards.0.len());
        let mut next = 0;
        for &ShardText { first_id, end_id, content_hash, bytes, xxh128 } in &found.shards.0 {
            let number = first_id / sharding.shard_records;
            if number >= sharding.count() || (first_id..end_id) != sharding.ids(number) {
                return Err(format!("the recipe has no shard of the ids {first_id} to {end_id}"));
            }
            if number < next {
                return Err(format!("the shard from id {first_id} on overlaps the one before it"));
            }
            next = number + 1;
            let (content, xxh128) = (parse_content_hash(content_hash)?, parse_xxh128(xxh128)?);
            shards.push(Shard { number, content, bytes, xxh128 });
        }
        let manifest = Manifest { version: found.version, lineage, sharding, shards };
        if found.format != manifest.format() {
            return Err("its format version does not fit its content".into());
        }
        let totals = (found.records, parse_content_hash(found.content_hash)?, found.bytes);
        if totals != (manifest.records(), manifest.content(), manifest.bytes()) {
            return Err("its totals do not match its shards".into());
        }
        Ok(manifest)
    }
}

/// The name of the checksum, which covers all of the text before this.
const CHECK: &str = "\"check\":\"";

/// Appends the checksum, which detects a changed bit.
pub(super) fn with_check(text: String) -> String {
    let end = check_of(&text);
    text + &end
}

fn check_of(text: &str) -> String {
    format!("{CHECK}{:032x}\"}}\n", xxh3_128(text.as_bytes()))
}

pub(super) fn verify_check(text: &str) -> Parsed<()> {
    let fits = text.rfind(CHECK).is_some_and(|at| text[at..] == check_of(&text[..at]));
    if fits { Ok(()) } else { Err("its checksum fails".into()) }
}

pub(super) fn from_json<'t, T: Deserialize<'t>>(text: &'t str, what: &str) -> Parsed<T> {
    serde_json::from_str(text).map_err(|error| brief(&format!("it is not a {what} ({error})")))
}

pub(super) fn parse_xxh128(text: &str) -> Parsed<u128> {
    let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u128::from_str_radix(text, 16)
        .ok()
        .filter(|_| is_hex)
        .ok_or_else(|| brief(&format!("'{text}' is not 32 hexadecimal digits")))
}

pub(super) fn parse_content_hash(text: &str) -> Parsed<ContentHash> {
    Ok(ContentHash::from_bytes(parse_xxh128(text)?.to_le_bytes()))
}

/// The part of a manifest that is read first: later versions may have any other fields.
#[derive(Deserialize)]
struct ManifestVersion {
    qorpus_manifest: u32,
}

/// The manifest in its written form. It takes no more memory than its text, from which fields of any
/// length are borrowed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestText<'a> {
    #[serde(rename = "qorpus_manifest")]
    format: u32,
    version: u64,
    #[serde(borrow)]
    recipe: &'a RawValue,
    recipe_hash: &'a str,
    #[serde(borrow)]
    created_as: Option<&'a RawValue>,
    shard_records: u64,
    records: u64,
    content_hash: &'a str,
    bytes: u64,
    shards: BoundedVec<ShardText<'a>, { MAX_SHARDS as usize }>,
    #[serde(rename = "check")]
    _check: &'a str,
}

impl ManifestText<'_> {
    /// Returns the lineage and the division of a corpus of this recipe.
    fn division(&self, recipe: &Recipe) -> Parsed<(Lineage, Sharding)> {
        let misfit = "its shards do not fit its recipe";
        let Some(text) = self.created_as else {
            let sharding = Sharding::new(recipe, self.shard_records).ok_or(misfit)?;
            return Ok((Lineage::new(recipe.clone()), sharding));
        };
        let first = Recipe::from_json(text.get()).map_err(|error| brief(&error.to_string()))?;
        let sharding = Sharding::new(&first, self.shard_records).and_then(|first| first.grown(recipe));
        let lineage =
            Lineage::new(first).grown(recipe).ok_or("the corpus cannot have grown to its recipe")?;
        Ok((lineage, sharding.ok_or(misfit)?))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShardText<'a> {
    first_id: u64,
    end_id: u64,
    content_hash: &'a str,
    bytes: u64,
    xxh128: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecipeOptions;

    fn manifest() -> Manifest {
        let recipe = RecipeOptions { random: 3_000, ..RecipeOptions::default() }.recipe().unwrap();
        let sharding = Sharding::new(&recipe, recipe.chunk_records() * 2).unwrap();
        let shard = |number: u64| Shard {
            number,
            content: ContentHash::from_bytes([number as u8 + 200; 16]),
            bytes: 1 << 20,
            xxh128: 7 << 100,
        };
        Manifest { version: 3, shards: [0, 1, 4].map(shard).into(), ..Manifest::empty(&recipe, sharding) }
    }

    /// The text after `change`, with a check that fits.
    fn changed(change: impl Fn(&str) -> String) -> Parsed<Manifest> {
        let text = manifest().text();
        let body = &text[..text.rfind(CHECK).unwrap()];
        Manifest::parse(&with_check(change(body)))
    }

    #[test]
    fn what_is_written_is_read() {
        let manifest = manifest();
        assert_eq!(Manifest::parse(&manifest.text()).unwrap(), manifest);
        let empty = Manifest::empty(manifest.lineage.recipe(), manifest.sharding);
        assert_eq!(Manifest::parse(&empty.text()).unwrap(), empty);
        let grown = grown();
        assert!(grown.text().starts_with("{\"qorpus_manifest\":2,"));
        assert_eq!(Manifest::parse(&grown.text()).unwrap(), grown);
    }

    /// The manifest of a corpus that has grown from 3,000 records.
    fn grown() -> Manifest {
        let large = RecipeOptions { random: 90_000, ..RecipeOptions::default() }.recipe().unwrap();
        let manifest = manifest();
        let (lineage, sharding) = (manifest.lineage.grown(&large), manifest.sharding.grown(&large));
        Manifest { lineage: lineage.unwrap(), sharding: sharding.unwrap(), ..manifest }
    }

    #[test]
    fn a_growth_that_cannot_be_is_refused() {
        for (from, to, reason) in [
            ("manifest\":2", "manifest\":1", "format version"),
            (
                "\"created_as\":{\"format_version\"",
                "\"created_as\":null,\"x\":{\"format_version\"",
                "unknown field",
            ),
            ("\"records\":3000,\"seed\":0", "\"records\":3000,\"seed\":1", "cannot have grown"),
            ("\"records\":3000,\"seed\":0", "\"records\":90001,\"seed\":0", "cannot have grown"),
            ("\"records\":3000,\"seed\":0", "\"records\":90000,\"seed\":0", "format version"),
            ("\"records\":3000,\"seed\":0", "\"records\":0,\"seed\":0", ""),
        ] {
            let text = grown().text();
            let body = text[..text.rfind(CHECK).unwrap()].replacen(from, to, 1);
            assert!(!text.starts_with(&body));
            let refused = Manifest::parse(&with_check(body)).unwrap_err();
            assert!(refused.contains(reason), "{from}: {refused}");
        }
    }

    #[test]
    fn shards_are_found() {
        let manifest = manifest();
        let size = manifest.sharding.shard_records;
        assert!(manifest.sharding.count() > 5);
        let found = |number| manifest.shard(number).map(|shard| shard.number);
        assert_eq!([0, 1, 2, 3, 4, 5].map(found), [Some(0), Some(1), None, None, Some(4), None]);
        let nexts = [0, 5, 2 * size, 4 * size + 3, 5 * size].map(|id| manifest.next_listed(id));
        assert_eq!(nexts, [0, 5, 4 * size, 4 * size + 3, 3_000]);
        assert_eq!(manifest.missing(), [2 * size..4 * size, 5 * size..3_000]);
        assert_eq!(manifest.records(), 3 * size);
    }

    #[test]
    fn every_bit_counts() {
        let text = manifest().text();
        for at in 0..text.len() {
            for bit in 0..7 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let changed = String::from_utf8(bytes).unwrap();
                assert!(Manifest::parse(&changed).is_err(), "byte {at}: {changed}");
            }
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        assert!(changed(str::to_owned).is_ok());
        let size = manifest().sharding.shard_records;
        let first = format!("\"first_id\":{size},\"end_id\":{}", 2 * size);
        let rest = "\"content_hash\":\"\",\"bytes\":0,\"xxh128\":\"\"";
        for (from, to, reason) in [
            ("\n\"records\"", "\"records\":1,\"records\"", "duplicate"),
            ("\"version\":3,", "\"version\":3,\"more\":1,", "unknown field"),
            ("\"qorpus_manifest\":1", "\"qorpus_manifest\":2", "format version"),
            ("\"qorpus_manifest\":1", "\"qorpus_manifest\":3", "newer Qorpus"),
            ("\"seed\":0", "\"seed\":1", "recipe's hash"),
            (first.as_str(), "\"first_id\":0,\"end_id\":1", "no shard"),
            (first.as_str(), "\"first_id\":18446744073709551615,\"end_id\":0", "no shard"),
            ("\"bytes\":1048576,", "\"bytes\":1048577,", "totals"),
            ("\"xxh128\":\"0", "\"xxh128\":\"+", "hexadecimal"),
        ] {
            let refused = changed(|text| text.replacen(from, to, 1)).unwrap_err();
            assert!(refused.contains(reason), "{from}: {refused}");
        }
        // Lists that no recipe and no directory has are not read to their ends.
        let bombs = [
            ("\"gates\":[", format!("\"gates\":[{}", "\"h\",".repeat(1 << 17)), "65536 items"),
            ("\"recipe\":{", format!("\"recipe\":{{\"x\":[{}0],", "0,".repeat(1 << 17)), "unknown field"),
            (
                "\"shards\":[",
                format!("\"shards\":[{}", format!("{{{first},{rest}}},").repeat((1 << 20) + 1)),
                "items",
            ),
        ];
        for (from, to, reason) in bombs {
            let refused = changed(|text| text.replacen(from, &to, 1)).unwrap_err();
            assert!(refused.contains(reason), "{from}: {refused}");
        }
        let twice = changed(|text| {
            let line = text.lines().find(|line| line.contains(&first)).unwrap();
            text.replacen(line, &format!("{line}\n{line}"), 1)
        });
        assert!(twice.unwrap_err().contains("overlaps"));
        for shard_records in [0, 1, u64::MAX] {
            let size = format!("\"shard_records\":{size}");
            let text = format!("\"shard_records\":{shard_records}");
            assert!(changed(|manifest| manifest.replacen(&size, &text, 1)).is_err(), "{text}");
        }
        for text in ["", "{}", "null", "[]", "{\"qorpus_manifest\":1}", "\u{1b}[2J"] {
            assert!(Manifest::parse(text).is_err(), "{text}");
        }
    }
}
