//! Uploads and downloads of shards, in parts.

use crate::error::{Error, Result, io};
use crate::os::{fork, rights};
use crate::shards::bucket::{Bucket, fate, if_found};
use crate::shards::http::bounded;
use crate::shards::put_mode::{PutMode, Version};
use crate::shards::shard::{Shard, read_file};
use crate::shards::store_error::StoreFailure;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, WriteMultipart};
use std::fs::File;
use std::io::{Read, Write};
use std::ops::RangeInclusive;
use std::path::Path;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

/// Bytes of a part of a shard; a store accepts 10,000 parts.
const PART_BYTES: usize = 8 << 20;

/// The most parts that are transferred at once.
const CONCURRENT_PARTS: usize = 4;

impl Bucket {
    /// Puts the file of a shard, which must still match its future receipt, if `mode` allows it;
    /// returns whether it did.
    pub(super) fn upload(&self, from: &Path, shard: &Shard, name: &str, mode: PutMode<'_>) -> Result<bool> {
        let check = |found: (u64, u128)| {
            let changed = Error::LostFile(from.into(), "changed");
            if found == shard.fingerprint() { Ok(()) } else { Err(changed) }
        };
        if shard.bytes <= PART_BYTES as u64 {
            let (failed, mut bytes) = (io(from, "read it"), Vec::new());
            let file = File::open(from).map_err(&failed)?;
            file.take(PART_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(&failed)?;
            check((bytes.len() as u64, xxh3_128(&bytes)))?;
            return self.put(bytes, name, mode);
        }
        let _inside = fork::enter();
        let (client, key) = (self.client()?, self.key(name));
        let failed = |failure: StoreFailure| self.error(name, "write it", failure);
        let refused = |error: object_store::Error| failed(error.into());
        self.put_repeatedly(name, true, || {
            let store = client.with_condition(condition(mode)).map_err(refused)?;
            let upload = client.wait(store.put_multipart(&key)).map_err(failed)?.map_err(refused)?;
            let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
            let sent = read_file(from, |piece| {
                client.wait(upload.wait_for_capacity(CONCURRENT_PARTS)).map_err(failed)?.map_err(refused)?;
                client.within(|| upload.write(piece));
                Ok(())
            });
            if let Err(error) = sent.and_then(check) {
                // If that fails too, the store's rules for abandoned uploads remove it.
                if !matches!(error, Error::Interrupted(_)) {
                    let _ = client.wait(upload.abort());
                }
                return Err(error);
            }
            let done = client.within(|| client.wait(upload.finish())).map_err(failed)?;
            fate(done.map(drop)).map_err(refused)
        })
    }

    /// Fetches the object called `name` to the file `to`, which is replaced; returns its size and
    /// XXH3-128, or `None` if there is none. An object whose size is not in `sizes` is not fetched.
    pub(super) fn download(
        &self,
        name: &str,
        to: &Path,
        sizes: RangeInclusive<u64>,
    ) -> Result<Option<(u64, u128)>> {
        let failed = io(to, "write to it");
        self.run(name, "read it", async |store, key| {
            let Some(found) = if_found(store.head(&key).await)? else { return Ok(None) };
            if !sizes.contains(&found.size) {
                return Ok(Some((found.size, 0)));
            }
            let mut file = rights::create(to).map_err(&failed)?;
            let (key, e_tag) = (&key, &found.e_tag);
            let parts = (0..found.size).step_by(PART_BYTES).map(|start| async move {
                let range = start..found.size.min(start + PART_BYTES as u64);
                // All parts must be of one version.
                let options = GetOptions {
                    if_match: e_tag.clone(),
                    range: Some(GetRange::Bounded(range.clone())),
                    ..bounded(range.end - range.start)
                };
                store.get_opts(key, options).await?.bytes().await
            });
            let mut parts = stream::iter(parts).buffered(CONCURRENT_PARTS);
            let (mut hash, mut bytes) = (Xxh3Default::new(), 0);
            while let Some(part) = parts.try_next().await? {
                hash.update(&part);
                file.write_all(&part).map_err(&failed)?;
                bytes += part.len() as u64;
            }
            file.sync_data().map_err(&failed)?;
            Ok(Some((bytes, hash.digest128())))
        })
    }
}

/// Returns a mode as a header and its value.
fn condition(mode: PutMode<'_>) -> Option<(&'static str, &str)> {
    match mode {
        PutMode::Create => Some(("if-none-match", "*")),
        PutMode::Update(Version::ETag(e_tag)) => Some(("if-match", e_tag)),
        PutMode::Update(Version::File(..)) | PutMode::Overwrite => None,
    }
}
