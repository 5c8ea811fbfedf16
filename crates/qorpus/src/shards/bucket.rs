//! A prefix of a bucket of an S3-compatible store.
//!
//! An object exists completely or not at all, and the store itself checks the condition for its
//! name (`If-None-Match`, `If-Match`) at that moment. So two processes that publish the same shard
//! need not know of each other.

use crate::error::{Error, Result};
use crate::hex::hex;
use crate::os::atomic_file::random;
use crate::os::fork::{self, ForkAware};
use crate::os::waiting;
use crate::remedy::brief;
use crate::shards::cache::CopySource;
use crate::shards::http::bounded;
use crate::shards::naming::{MAX_SHARDS, RECEIPTS};
use crate::shards::put_mode::{PutMode, Version};
use crate::shards::s3_client::{RETRY_LIMITS, S3Client};
use crate::shards::shard::ListedShard;
use crate::shards::store_error::{CONDITIONS, StoreFailure, given_up, is_no_bucket, refused, transport};
use futures_util::{StreamExt, TryStreamExt, stream};
use md5::{Digest, Md5};
use object_store::aws::AmazonS3;
use object_store::client::HttpErrorKind;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, UpdateVersion};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// The most small objects that are read at once.
const CONCURRENT_READS: usize = 32;

/// The most attempts to put an object that another process puts or removes at the same moment, or
/// whose answer was lost.
const MAX_ATTEMPTS: u32 = 5;

/// The most names that are examined to find out what is under a prefix.
const MAX_SAMPLED_NAMES: usize = 1000;

/// The most names that are listed: twice those of the largest corpus, which has a shard and a receipt
/// for each number.
const MAX_LISTED_NAMES: usize = 4 * MAX_SHARDS as usize;

/// A list comes in pages, of up to 1000 names in most stores. This many pages may have fewer...
const FREE_PAGES: usize = 1000;

/// ...than this many names.
const MIN_PAGE_NAMES: usize = 10;

/// The longest token that is sent back for the next page, as a part of an address.
const MAX_TOKEN_BYTES: usize = 8 << 10;

/// The longest accepted `ETag`.
const MAX_ETAG_BYTES: usize = 1 << 10;

/// The longest name of a bucket in any store.
const MAX_BUCKET_BYTES: usize = 255;

/// The longest prefix: names of objects have up to 1024 bytes, and the longest name of a shard is
/// shorter than the rest.
const MAX_PREFIX_BYTES: usize = 900;

/// A prefix of a bucket, for any number of threads.
pub(super) struct Bucket {
    /// `s3://bucket/prefix`.
    path: PathBuf,
    bucket: String,
    prefix: Key,
    client: Mutex<Option<Arc<S3Client>>>,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Bucket").field(&self.path).finish()
    }
}

impl ForkAware for Bucket {
    fn close_handles(&self) {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// A function of the name, size and `ETag` of an object.
type VisitObject<'e, T> = dyn FnMut(&str, u64, Option<String>) -> ControlFlow<T> + 'e;

impl Bucket {
    /// Returns the prefix with the name `s3://bucket/prefix`. Sends no request yet.
    pub(super) fn new(path: &Path) -> Result<Arc<Bucket>> {
        let wrong = |reason: &str| Error::Usage(format!("{}: {reason}", brief(&path.display().to_string())));
        let text = path.to_str().ok_or_else(|| wrong("the name of a bucket must be UTF-8"))?;
        let (bucket, prefix) = text
            .strip_prefix("s3://")
            .and_then(|rest| rest.split_once('/').or(Some((rest, ""))))
            .unwrap_or_default();
        let is_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        // In an address `.` and `..` have a meaning, and other dots at an end or together would be
        // lost.
        let is_odd = bucket.starts_with('.') || bucket.ends_with('.') || bucket.contains("..");
        if bucket.is_empty() || bucket.len() > MAX_BUCKET_BYTES || is_odd || !bucket.chars().all(is_name) {
            return Err(wrong(
                "write s3://BUCKET/PREFIX, where BUCKET has 3 to 63 letters, digits, dots and hyphens",
            ));
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if prefix.len() > MAX_PREFIX_BYTES {
            return Err(wrong(&format!("the prefix is longer than {MAX_PREFIX_BYTES} bytes")));
        }
        // The parser accepts a slash at its beginning.
        let key = Key::parse(prefix).ok().filter(|key| key.as_ref() == prefix);
        let key = key.ok_or_else(|| {
            wrong("the prefix has an empty part, a part of dots alone, or control characters")
        })?;
        let path = ["s3://", bucket, if prefix.is_empty() { "" } else { "/" }, prefix].concat().into();
        let bucket = Arc::new(Bucket { path, bucket: bucket.into(), prefix: key, client: Mutex::default() });
        let handle: Weak<Bucket> = Arc::downgrade(&bucket);
        fork::register(handle);
        Ok(bucket)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn key(&self, name: &str) -> Key {
        Key::from_iter(self.prefix.parts().chain(Key::from(name).parts()))
    }

    pub(super) fn client(&self) -> Result<Arc<S3Client>> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let new = S3Client::from_environment(&self.bucket, &self.path, RETRY_LIMITS)?;
        Ok(client.insert(Arc::new(new)).clone())
    }

    /// Returns where copies of its objects come from.
    pub(super) fn origin(&self) -> Result<CopySource> {
        Ok(CopySource::new(self.client()?.address(), &self.bucket, self.prefix.as_ref()))
    }

    /// Runs `work` with the store and the key of the object called `name`. It may be started twice.
    pub(super) fn run<T>(
        &self,
        name: &str,
        action: &'static str,
        work: impl AsyncFn(&AmazonS3, Key) -> std::result::Result<T, StoreFailure>,
    ) -> Result<T> {
        let _inside = fork::enter();
        let key = self.key(name);
        let result = self.client()?.run(async |store: &AmazonS3| work(store, key.clone()).await);
        result.map_err(|failure| self.error(name, action, failure))
    }

    pub(super) fn error(&self, name: &str, action: &'static str, failure: StoreFailure) -> Error {
        let path = if name.is_empty() { self.path.clone() } else { self.path.join(name) };
        match failure {
            StoreFailure::Store(error) => refused(path, &self.bucket, action, &error),
            StoreFailure::GivenUp(time, busy) => given_up(path, action, time, busy),
            StoreFailure::Other(error) => error,
        }
    }

    /// Reads the object called `name`, and little more of it than `max_bytes`; returns its version,
    /// too. `None` if there is none.
    pub(super) fn read(&self, name: &str, max_bytes: u64) -> Result<Option<(Vec<u8>, Version)>> {
        self.run(name, "read it", async |store, key| {
            let Some(found) = if_found(store.get_opts(&key, bounded(max_bytes)).await)? else {
                return Ok(None);
            };
            let version = version(found.meta.e_tag.clone());
            // The body of an object that is too large is not read.
            if found.meta.size > max_bytes {
                return Ok(Some((vec![0; max_bytes as usize + 1], version)));
            }
            Ok(Some((found.bytes().await?.to_vec(), version)))
        })
    }

    /// Reads the objects with these names, many at a time; returns the existing ones by their
    /// numbers, and an object of more than `max_bytes` as an empty text, whose checksum fails.
    pub(super) fn read_many(
        &self,
        names: &[(u64, String)],
        max_bytes: u64,
    ) -> Result<BTreeMap<u64, Vec<u8>>> {
        self.run("", "read what is under it", async |store, _| {
            let read = |(number, name): &(u64, String)| {
                let (number, key) = (*number, self.key(name));
                async move {
                    let Some(found) = if_found(store.get_opts(&key, bounded(max_bytes)).await)? else {
                        return Ok(None);
                    };
                    let is_short = found.meta.size <= max_bytes;
                    let text = if is_short { found.bytes().await?.to_vec() } else { Vec::new() };
                    Ok::<_, object_store::Error>(Some((number, text)))
                }
            };
            let texts = stream::iter(names.iter().map(read)).buffer_unordered(CONCURRENT_READS);
            Ok(texts.try_filter_map(async |text| Ok(text)).try_collect().await?)
        })
    }

    /// Returns the size and version of the object called `name`; `None` if there is none.
    pub(super) fn head(&self, name: &str) -> Result<Option<(u64, Version)>> {
        self.run(name, "look at it", async |store, key| {
            Ok(if_found(store.head(&key).await)?.map(|found| (found.size, version(found.e_tag))))
        })
    }

    /// Returns a name under the prefix for which `wanted` holds, if it is among the first.
    pub(super) fn find(&self, wanted: impl Fn(&str) -> bool) -> Result<Option<String>> {
        let mut seen = 0;
        let found = self.visit(&mut |name, _, _| {
            seen += 1;
            if wanted(name) {
                return ControlFlow::Break(Some(name.to_owned()));
            }
            if seen < MAX_SAMPLED_NAMES { ControlFlow::Continue(()) } else { ControlFlow::Break(None) }
        })?;
        Ok(found.flatten())
    }

    /// Lists the objects of all shards; `number` returns the number of the shard with a name.
    pub(super) fn list(&self, number: impl Fn(&str) -> Option<u64>) -> Result<BTreeMap<u64, ListedShard>> {
        let mut found: BTreeMap<u64, ListedShard> = BTreeMap::new();
        self.visit::<()>(&mut |name, bytes, e_tag| {
            let receipt = name.strip_prefix(RECEIPTS);
            let receipt = receipt.and_then(|name| name.strip_prefix('/')?.strip_suffix(".json"));
            if let Some(number) = receipt.and_then(&number) {
                found.entry(number).or_default().receipt = Some(e_tag);
            } else if let Some(number) = name.strip_suffix(".db").and_then(&number) {
                found.entry(number).or_default().bytes = Some(bytes);
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Returns the `ETag` of a small object with this text, in stores that do not encrypt it by keys
    /// of their own: there it is another one, and the object is read.
    pub(super) fn likely_e_tag(&self, text: &str) -> String {
        format!("\"{}\"", hex(&Md5::digest(text.as_bytes())))
    }

    /// Calls `visit` with all objects, until it breaks with a value, which is returned.
    fn visit<T>(&self, visit: &mut VisitObject<'_, T>) -> Result<Option<T>> {
        let visit = RefCell::new(visit);
        let endless = |what: &str| {
            let reason = format!(
                "{what}; check AWS_ENDPOINT_URL, and that nothing but the corpus is under this prefix"
            );
            Error::ObjectStore { path: self.path.clone(), action: "list what is under it", reason }
        };
        let prefix = Some(self.prefix.as_ref()).filter(|prefix| !prefix.is_empty());
        let prefix = prefix.map(|prefix| format!("{prefix}/"));
        self.run("", "list what is under it", async |store, _| {
            let (mut names, mut pages, mut page_token) = (0, 0, None);
            loop {
                let options = PaginatedListOptions { page_token: page_token.clone(), ..Default::default() };
                let page = store.list_paginated(prefix.as_deref(), options).await?;
                names += page.result.objects.len();
                pages += 1;
                if names > MAX_LISTED_NAMES || pages > FREE_PAGES + names / MIN_PAGE_NAMES {
                    let text = format!("the store's list does not end: {pages} pages have {names} names");
                    return Err(endless(&text).into());
                }
                for found in page.result.objects {
                    let Some(parts) = found.location.prefix_match(&self.prefix) else { continue };
                    let parts: Vec<_> = parts.collect();
                    let name = parts.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join("/");
                    let e_tag = found.e_tag.filter(|tag| tag.len() <= MAX_ETAG_BYTES);
                    if let ControlFlow::Break(end) = (visit.borrow_mut())(&name, found.size, e_tag) {
                        return Ok(Some(end));
                    }
                }
                let next = page.page_token.filter(|token| !token.is_empty());
                let Some(token) = &next else { return Ok(None) };
                if token.len() > MAX_TOKEN_BYTES {
                    return Err(endless("the store's token for the next page of its list is too long").into());
                }
                if next == page_token {
                    return Err(endless("the store's list keeps restarting at the same place").into());
                }
                page_token = next;
            }
        })
    }

    /// Puts a small object if `mode` allows it; returns whether it did.
    pub(super) fn put(&self, bytes: Vec<u8>, name: &str, mode: PutMode<'_>) -> Result<bool> {
        let bytes: PutPayload = bytes.into();
        // A process that lost to an object that no longer exists tries again.
        self.put_repeatedly(name, matches!(mode, PutMode::Create), || {
            self.run(name, "write it", async |store, key| {
                let options = object_store::PutOptions::from(store_mode(mode));
                Ok(fate(store.put_opts(&key, bytes.clone(), options).await.map(drop))?)
            })
        })
    }

    /// Calls `put` until its fate is known; returns whether the object was put. If it `yields`, an
    /// object with the name is assumed to be another process's.
    pub(super) fn put_repeatedly(
        &self,
        name: &str,
        yields: bool,
        mut put: impl FnMut() -> Result<PutFate>,
    ) -> Result<bool> {
        let mut attempt = 1;
        loop {
            let error = match put()? {
                PutFate::Done => return Ok(true),
                PutFate::Lost => return Ok(false),
                PutFate::Unknown(error) => error,
            };
            if yields && self.head(name)?.is_some() {
                return Ok(false);
            }
            if attempt >= MAX_ATTEMPTS {
                return Err(self.error(name, "write it", error.into()));
            }
            if waiting::pause(Duration::from_millis(100) * attempt) {
                return Err(Error::Interrupted(format!("{}: waiting for the store", self.path.display())));
            }
            attempt += 1;
        }
    }

    /// Removes the object called `name`.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        self.run(name, "remove it", async |store, key| Ok(store.delete(&key).await?))
    }

    /// Refuses a store that ignores conditions, which is tested with an object that is removed
    /// again.
    pub(super) fn check_conditions(&self) -> Result<()> {
        let name = format!(".conditions-{:016x}", random());
        let no_version = Version::ETag("\"00000000000000000000000000000000\"".into());
        let put = |mode| self.put(Vec::new(), &name, mode);
        put(PutMode::Create)?;
        let ignored = match (put(PutMode::Create)?, put(PutMode::Update(&no_version))?) {
            (true, _) => Some("If-None-Match"),
            (false, true) => Some("If-Match"),
            (false, false) => None,
        };
        // A process that may not remove objects leaves it behind, which does no harm.
        let _ = self.remove(&name);
        let Some(header) = ignored else { return Ok(()) };
        let reason = format!("the store ignores {header}; {CONDITIONS}");
        Err(Error::ObjectStore { path: self.path.clone(), action: "write to it", reason })
    }
}

/// Returns the version with an `ETag`. In stores without `ETag`s all versions are equal, and no
/// condition on them ever holds.
fn version(e_tag: Option<String>) -> Version {
    Version::ETag(e_tag.unwrap_or_default())
}

/// Returns `None` for a missing object; a missing bucket is an error.
pub(super) fn if_found<T>(result: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error @ object_store::Error::NotFound { .. }) if !is_no_bucket(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn store_mode(mode: PutMode<'_>) -> object_store::PutMode {
    match mode {
        PutMode::Create => object_store::PutMode::Create,
        PutMode::Update(Version::ETag(e_tag)) => {
            object_store::PutMode::Update(UpdateVersion { e_tag: Some(e_tag.clone()), version: None })
        }
        PutMode::Update(Version::File(..)) | PutMode::Overwrite => object_store::PutMode::Overwrite,
    }
}

/// The fate of an object that was put.
pub(super) enum PutFate {
    Done,
    /// Another object has the name.
    Lost,
    /// The object may exist or not: an answer was lost, or another process used the same name.
    Unknown(object_store::Error),
}

pub(super) fn fate(result: object_store::Result<()>) -> object_store::Result<PutFate> {
    use object_store::Error::{AlreadyExists, NotFound, Precondition};
    match result {
        Ok(()) => Ok(PutFate::Done),
        Err(Precondition { .. }) => Ok(PutFate::Lost),
        Err(error) if is_no_bucket(&error) => Err(error),
        // A conflict may also mean that the other process removed it; a missing upload was
        // completed by an earlier attempt.
        Err(error @ (AlreadyExists { .. } | NotFound { .. })) => Ok(PutFate::Unknown(error)),
        Err(error) => match transport(&error) {
            Some(HttpErrorKind::Timeout | HttpErrorKind::Interrupted) => Ok(PutFate::Unknown(error)),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
#[path = "impostor.rs"]
mod impostor;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_buckets() {
        let named = |path: &str| {
            Bucket::new(path.as_ref()).map(|bucket| (bucket.bucket.clone(), bucket.prefix.to_string()))
        };
        let is = |bucket: &str, prefix: &str| (bucket.to_owned(), prefix.to_owned());
        assert_eq!(named("s3://b").unwrap(), is("b", ""));
        assert_eq!(named("s3://b/").unwrap(), is("b", ""));
        assert_eq!(named("s3://my.b-1/a/b c/").unwrap(), is("my.b-1", "a/b c"));
        for path in ["s3://", "s3:///p", "s3://b//p", "s3://b/../p", "s3://user:secret@b/p"] {
            assert!(named(path).unwrap_err().is_usage(), "{path}");
        }
        for path in ["s3://.", "s3://..", "s3://../p", "s3://.b", "s3://b.", "s3://a..b"] {
            assert!(named(path).unwrap_err().is_usage(), "{path}");
        }
        let long = "x".repeat(70_000);
        for path in [format!("s3://{long}"), format!("s3://b/{long}"), format!("s3://b/{}", "é".repeat(451))]
        {
            let said = named(&path).unwrap_err();
            assert!(said.is_usage() && said.to_string().len() < 2000, "{said}");
        }
        assert!(named(&format!("s3://{}/{}", &long[..255], &long[..900])).is_ok());
        let bucket = Bucket::new("s3://b/p/".as_ref()).unwrap();
        assert_eq!(bucket.key("receipts/x.json").as_ref(), "p/receipts/x.json");
        assert_eq!(bucket.path(), Path::new("s3://b/p"));
    }
}
