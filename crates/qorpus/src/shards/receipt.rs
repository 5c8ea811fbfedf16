//! The receipts of shards: each records that a shard was published, and its file.

use crate::error::Result;
use crate::hex::hex;
use crate::options::job::Durability;
use crate::shards::manifest::{
    Parsed, VERSION, from_json, parse_content_hash, parse_xxh128, verify_check, with_check,
};
use crate::shards::naming::RECEIPTS;
use crate::shards::put_mode::PutMode;
use crate::shards::shard::Shard;
use crate::shards::sharded::Shards;
use serde::Deserialize;
use std::ops::Range;

/// The most bytes of a receipt that are read.
pub(super) const MAX_RECEIPT_BYTES: u64 = 1 << 12;

impl Shards {
    /// Returns the name of the receipt of shard `number`.
    pub(super) fn receipt_name(&self, number: u64) -> String {
        format!("{RECEIPTS}/{}.json", self.sharding.name(number))
    }

    /// Returns the text of the receipt of `shard`.
    pub(super) fn receipt_text(&self, shard: &Shard) -> String {
        let Range { start, end } = self.sharding.ids(shard.number);
        with_check(format!(
            "{{\"qorpus_receipt\":{VERSION},\n\"recipe_hash\":\"{}\",\n\"first_id\":{start},\n\"end_id\":{end},\n\"records\":{},\n\
             \"content_hash\":\"{}\",\n\"bytes\":{},\n\"xxh128\":\"{:032x}\",\n",
            hex(&self.lineage.first().hash()),
            end - start,
            shard.content,
            shard.bytes,
            shard.xxh128,
        ))
    }

    /// Returns the shard that its receipt describes, if both the receipt and a matching file exist.
    pub(super) fn published(&self, number: u64) -> Result<Option<Shard>> {
        match self.read_receipt(number)? {
            Some(shard) if self.has_size(&shard)? => Ok(Some(shard)),
            _ => Ok(None),
        }
    }

    /// Writes the receipt of `shard`, which is published.
    pub(super) fn put_receipt(&self, shard: &Shard, durability: Durability) -> Result<()> {
        let (name, text) = (self.receipt_name(shard.number), self.receipt_text(shard));
        if !self.storage.put(&text, &name, PutMode::Create, durability)?
            && self.read_receipt(shard.number)? != Some(*shard)
        {
            // The other receipt describes a file that no longer exists.
            self.storage.put(&text, &name, PutMode::Overwrite, durability)?;
        }
        Ok(())
    }

    /// Reads the receipt of shard `number`; `None` if it is missing or invalid.
    fn read_receipt(&self, number: u64) -> Result<Option<Shard>> {
        let found = self.storage.read(&self.receipt_name(number), MAX_RECEIPT_BYTES)?;
        Ok(found.and_then(|(text, _)| self.believed(&text, number)))
    }

    /// Returns the shard that the text of a receipt describes, if it is valid.
    pub(super) fn believed(&self, text: &str, number: u64) -> Option<Shard> {
        // An invalid receipt counts as missing: the shard is checked and gets another one.
        let warn = |reason: &String| {
            let path = self.storage.join(&self.receipt_name(number));
            tracing::warn!("{}: the receipt is invalid and ignored: {reason}", path.display());
        };
        self.parse_receipt(text, number).inspect_err(warn).ok()
    }

    fn parse_receipt(&self, text: &str, number: u64) -> Parsed<Shard> {
        verify_check(text)?;
        let found: ReceiptText = from_json(text, "receipt")?;
        let ids = self.sharding.ids(number);
        if found.qorpus_receipt > VERSION {
            return Err(format!("its version {} needs a newer Qorpus", found.qorpus_receipt));
        }
        if found.qorpus_receipt != VERSION
            || found.recipe_hash != hex(&self.lineage.first().hash())
            || (found.first_id..found.end_id) != ids
            || found.records != ids.end - ids.start
        {
            return Err("it belongs to another shard".into());
        }
        let (content, xxh128) = (parse_content_hash(&found.content_hash)?, parse_xxh128(&found.xxh128)?);
        Ok(Shard { number, content, bytes: found.bytes, xxh128 })
    }
}

/// The JSON of a receipt.
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
    use crate::shards::lineage::Lineage;
    use crate::shards::naming::Sharding;
    use crate::shards::storage::Storage;
    use qorpus_core::ContentHash;

    #[test]
    fn what_is_written_is_read() {
        let recipe = RecipeOptions { random: 3_000, ..RecipeOptions::default() }.recipe().unwrap();
        let sharding = Sharding::new(&recipe, recipe.chunk_records() * 2).unwrap();
        let lineage = Lineage::new(recipe);
        let shards = Shards { storage: Storage::Directory("x".into()), lineage, sharding };
        let content = ContentHash::from_bytes([204; 16]);
        let shard = Shard { number: 4, content, bytes: 1 << 20, xxh128: 7 << 100 };
        let text = shards.receipt_text(&shard);
        assert_eq!(shards.parse_receipt(&text, 4).unwrap(), shard);
        assert!(shards.parse_receipt(&text, 3).is_err());
    }
}
