//! The manifest and the receipts of a sharded corpus: their text, and what of it is believed.

use crate::error::{Error, Result};
use crate::hex::hex;
use crate::remedy::brief;
use crate::shards::naming::{Cut, MANIFEST, MAX_SHARDS};
use crate::shards::place::Place;
use crate::shards::put_mode::Version;
use crate::shards::shard::Shard;
use qorpus_core::{BoundedVec, ContentHash, Recipe};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_128;

/// The version of the manifest's and the receipts' format.
const VERSION: u32 = 1;

/// No larger manifest is read: it would list more shards than [`MAX_SHARDS`](super::MAX_SHARDS).
const LARGEST_MANIFEST: u64 = 1 << 28;

/// No larger receipt is read.
pub(super) const LARGEST_RECEIPT: u64 = 1 << 12;

/// What a directory of shards is, and which of them are there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest {
    /// Counts up whenever what it lists changes.
    pub(crate) version: u64,
    pub(crate) recipe: Recipe,
    pub(crate) cut: Cut,
    /// By number, ascending.
    pub(crate) shards: Vec<Shard>,
}

impl Manifest {
    /// That of a directory without shards.
    pub(crate) fn empty(recipe: &Recipe, cut: Cut) -> Manifest {
        Manifest { version: 0, recipe: recipe.clone(), cut, shards: Vec::new() }
    }

    /// The shard with this number, if it is listed.
    pub(crate) fn shard(&self, number: u64) -> Option<&Shard> {
        // Where none is missing its place is its number.
        let direct = usize::try_from(number).ok().and_then(|place| self.shards.get(place));
        direct.filter(|shard| shard.number == number).or_else(|| {
            let place = self.shards.binary_search_by_key(&number, |shard| shard.number).ok()?;
            self.shards.get(place)
        })
    }

    /// The first id from `id` on that is in a listed shard, or how many ids there are.
    pub(crate) fn next_listed(&self, id: u64) -> u64 {
        let place = self.shards.partition_point(|shard| self.cut.ids(shard.number).end <= id);
        self.shards.get(place).map_or(self.cut.len, |shard| self.cut.ids(shard.number).start.max(id))
    }

    /// The ids of shards that are not listed, neighbours together.
    pub(crate) fn missing(&self) -> Vec<Range<u64>> {
        let (mut missing, mut next) = (Vec::new(), 0);
        for shard in &self.shards {
            let ids = self.cut.ids(shard.number);
            missing.push(next..ids.start);
            next = ids.end;
        }
        missing.push(next..self.cut.len);
        missing.retain(|ids| !ids.is_empty());
        missing
    }

    /// How many records its shards have.
    pub(crate) fn records(&self) -> u64 {
        self.shards.iter().map(|shard| self.cut.records(shard.number)).sum()
    }

    /// The sum of their hashes: that of a corpus in one file with the same records.
    pub(crate) fn content(&self) -> ContentHash {
        let mut content = ContentHash::default();
        self.shards.iter().for_each(|shard| content += shard.content);
        content
    }

    /// The size of all files of shards.
    pub(crate) fn bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.bytes).fold(0, u64::saturating_add)
    }

    pub(crate) fn text(&self) -> String {
        let shard = |shard: &Shard| {
            let (Range { start, end }, Shard { content, bytes, xxh128, .. }) =
                (self.cut.ids(shard.number), shard);
            format!(
                "{{\"first_id\":{start},\"end_id\":{end},\"content_hash\":\"{content}\",\"bytes\":{bytes},\"xxh128\":\"{xxh128:032x}\"}}"
            )
        };
        let shards: Vec<_> = self.shards.iter().map(shard).collect();
        checked(&format!(
            "{{\"qorpus_manifest\":{VERSION},\n\"version\":{},\n\"recipe\":{},\n\"recipe_hash\":\"{}\",\n\"shard_records\":{},\n\
             \"records\":{},\n\"content_hash\":\"{}\",\n\"bytes\":{},\n\"shards\":[\n{}\n],\n",
            self.version,
            self.recipe.to_json(),
            hex(&self.recipe.hash()),
            self.cut.shard_records,
            self.records(),
            self.content(),
            self.bytes(),
            shards.join(",\n"),
        ))
    }

    /// Reads the manifest that is in `place`, and says which version of it that is.
    pub(super) fn read(place: &Place) -> Result<(Manifest, Version)> {
        let Some((text, version)) = place.read(MANIFEST, LARGEST_MANIFEST)? else {
            let path = place.path().into();
            return Err(match place.has_shards()? {
                true => Error::LostManifest(path),
                false => Error::NotACorpus(path, format!("there is no {MANIFEST} in it")),
            });
        };
        match Manifest::parse(&text) {
            Ok(manifest) => Ok((manifest, version)),
            Err(reason) => Err(Error::Manifest(place.join(MANIFEST), reason)),
        }
    }

    fn parse(text: &str) -> std::result::Result<Manifest, String> {
        let version: Versioned =
            serde_json::from_str(text).map_err(|error| brief(&format!("it is not a manifest ({error})")))?;
        if version.qorpus_manifest > VERSION {
            let found = version.qorpus_manifest;
            return Err(format!("it is of version {found}, which needs a newer Qorpus"));
        }
        check(text)?;
        let found: ManifestText =
            serde_json::from_str(text).map_err(|error| brief(&format!("it is not a manifest ({error})")))?;
        let recipe = Recipe::from_json(found.recipe.get()).map_err(|error| brief(&error.to_string()))?;
        if found.recipe_hash != hex(&recipe.hash()) {
            return Err("its recipe does not match the recipe's hash".into());
        }
        let cut = Cut::new(&recipe, found.shard_records).ok_or("its shards are not those of its recipe")?;
        let mut shards = Vec::with_capacity(found.shards.0.len());
        let mut next = 0;
        for shard in &found.shards.0 {
            let number = shard.first_id / cut.shard_records;
            if number >= cut.count() || (shard.first_id..shard.end_id) != cut.ids(number) {
                let ShardText { first_id, end_id, .. } = shard;
                return Err(format!("the recipe has no shard of the ids {first_id} to {end_id}"));
            }
            if number < next {
                return Err(format!("the shard from id {} on overlaps the one before it", shard.first_id));
            }
            next = number + 1;
            let (content, xxh128) = (content_hash(shard.content_hash)?, digits(shard.xxh128)?);
            shards.push(Shard { number, content, bytes: shard.bytes, xxh128 });
        }
        let manifest = Manifest { version: found.version, recipe, cut, shards };
        let totals = (found.records, content_hash(found.content_hash)?, found.bytes);
        match totals == (manifest.records(), manifest.content(), manifest.bytes()) {
            true => Ok(manifest),
            false => Err("its totals are not those of its shards".into()),
        }
    }
}

impl Shard {
    /// Its receipt.
    pub(crate) fn text(&self, recipe: &Recipe, cut: &Cut) -> String {
        let Range { start, end } = cut.ids(self.number);
        checked(&format!(
            "{{\"qorpus_receipt\":{VERSION},\n\"recipe_hash\":\"{}\",\n\"first_id\":{start},\n\"end_id\":{end},\n\"records\":{},\n\
             \"content_hash\":\"{}\",\n\"bytes\":{},\n\"xxh128\":\"{:032x}\",\n",
            hex(&recipe.hash()),
            end - start,
            self.content,
            self.bytes,
            self.xxh128,
        ))
    }

    /// Reads the receipt of shard `number` that is called `name`; `None` if there is none that can
    /// be believed.
    pub(super) fn read(
        place: &Place,
        name: &str,
        number: u64,
        recipe: &Recipe,
        cut: &Cut,
    ) -> Result<Option<Shard>> {
        let Some((text, _)) = place.read(name, LARGEST_RECEIPT)? else { return Ok(None) };
        Ok(Shard::believed(&text, place, name, number, recipe, cut))
    }

    /// What the text of a receipt says, if it can be believed.
    pub(super) fn believed(
        text: &str,
        place: &Place,
        name: &str,
        number: u64,
        recipe: &Recipe,
        cut: &Cut,
    ) -> Option<Shard> {
        match Shard::parse(text, number, recipe, cut) {
            Ok(shard) => Some(shard),
            Err(reason) => {
                // It is as good as none: the shard is checked and gets another one.
                tracing::warn!("{}: the receipt is not believed: {reason}", place.join(name).display());
                None
            }
        }
    }

    fn parse(text: &str, number: u64, recipe: &Recipe, cut: &Cut) -> std::result::Result<Shard, String> {
        check(text)?;
        let found: ReceiptText =
            serde_json::from_str(text).map_err(|error| brief(&format!("it is not a receipt ({error})")))?;
        let ids = cut.ids(number);
        if found.qorpus_receipt != VERSION
            || found.recipe_hash != hex(&recipe.hash())
            || (found.first_id..found.end_id) != ids
            || found.records != ids.end - ids.start
        {
            return Err("it is of another shard".into());
        }
        let (content, xxh128) = (content_hash(&found.content_hash)?, digits(&found.xxh128)?);
        Ok(Shard { number, content, bytes: found.bytes, xxh128 })
    }
}

/// Stands before the check of all that comes before it.
const CHECK: &str = "\"check\":\"";

/// The text with its check, by which a changed bit is seen.
fn checked(text: &str) -> String {
    let end = checked_end(text);
    format!("{text}{end}")
}

fn checked_end(text: &str) -> String {
    format!("{CHECK}{:032x}\"}}\n", xxh3_128(text.as_bytes()))
}

fn check(text: &str) -> std::result::Result<(), String> {
    let fits = text.rfind(CHECK).is_some_and(|at| text[at..] == checked_end(&text[..at]));
    if fits { Ok(()) } else { Err("its checksum fails".into()) }
}

fn digits(text: &str) -> std::result::Result<u128, String> {
    let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u128::from_str_radix(text, 16)
        .ok()
        .filter(|_| is_hex)
        .ok_or_else(|| brief(&format!("'{text}' are not 32 hexadecimal digits")))
}

fn content_hash(text: &str) -> std::result::Result<ContentHash, String> {
    Ok(ContentHash::from_bytes(digits(text)?.to_le_bytes()))
}

/// The first thing that is looked at: later versions may have anything else.
#[derive(Deserialize)]
struct Versioned {
    qorpus_manifest: u32,
}

/// The manifest as it is written. Whatever is written, this takes no more memory than the text:
/// what may be of any length stays in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestText<'a> {
    #[serde(rename = "qorpus_manifest")]
    _format: u32,
    version: u64,
    #[serde(borrow)]
    recipe: &'a RawValue,
    recipe_hash: &'a str,
    shard_records: u64,
    records: u64,
    content_hash: &'a str,
    bytes: u64,
    shards: BoundedVec<ShardText<'a>, { MAX_SHARDS as usize }>,
    #[serde(rename = "check")]
    _check: &'a str,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiptText {
    qorpus_receipt: u32,
    recipe_hash: String,
    first_id: u64,
    end_id: u64,
    records: u64,
    content_hash: String,
    bytes: u64,
    xxh128: String,
    #[serde(rename = "check")]
    _check: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecipeOptions;

    fn manifest() -> Manifest {
        let recipe = RecipeOptions { random: 3_000, ..RecipeOptions::default() }.recipe().unwrap();
        let cut = Cut::new(&recipe, recipe.chunk_records() * 2).unwrap();
        let shard = |number: u64| Shard {
            number,
            content: ContentHash::from_bytes([number as u8 + 200; 16]),
            bytes: 1 << 20,
            xxh128: 7 << 100,
        };
        Manifest { version: 3, shards: [0, 1, 4].map(shard).into(), ..Manifest::empty(&recipe, cut) }
    }

    /// The text after `change`, with a check that fits.
    fn changed(change: impl Fn(&str) -> String) -> std::result::Result<Manifest, String> {
        let text = manifest().text();
        let body = &text[..text.rfind(CHECK).unwrap()];
        Manifest::parse(&checked(&change(body)))
    }

    #[test]
    fn what_is_written_is_read() {
        let manifest = manifest();
        assert_eq!(Manifest::parse(&manifest.text()).unwrap(), manifest);
        let empty = Manifest::empty(&manifest.recipe, manifest.cut);
        assert_eq!(Manifest::parse(&empty.text()).unwrap(), empty);
        let shard = manifest.shards[2];
        let receipt = shard.text(&manifest.recipe, &manifest.cut);
        assert_eq!(Shard::parse(&receipt, 4, &manifest.recipe, &manifest.cut).unwrap(), shard);
        assert!(Shard::parse(&receipt, 3, &manifest.recipe, &manifest.cut).is_err());
    }

    #[test]
    fn shards_are_found() {
        let manifest = manifest();
        let size = manifest.cut.shard_records;
        assert!(manifest.cut.count() > 5);
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
        let size = manifest().cut.shard_records;
        let first = format!("\"first_id\":{size},\"end_id\":{}", 2 * size);
        let rest = "\"content_hash\":\"\",\"bytes\":0,\"xxh128\":\"\"";
        for (from, to, reason) in [
            ("\n\"records\"", "\"records\":1,\"records\"", "duplicate"),
            ("\"version\":3,", "\"version\":3,\"more\":1,", "unknown field"),
            ("\"qorpus_manifest\":1", "\"qorpus_manifest\":2", "newer Qorpus"),
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
