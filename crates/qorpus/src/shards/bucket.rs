//! A prefix of a bucket of an S3-compatible store.
//!
//! An object is there as a whole or not at all, and the store itself checks the condition under
//! which it gets its name (`If-None-Match`, `If-Match`), when it does. So two who publish the same
//! need not know of each other.

use crate::error::{Error, Result, io};
use crate::os::fork::{self, ForkAware};
use crate::os::waiting;
use crate::shards::cache::Origin;
use crate::shards::naming::MAX_SHARDS;
use crate::shards::naming::RECEIPTS;
use crate::shards::publish::in_pieces;
use crate::shards::put_mode::{Before, Version};
use crate::shards::session::{
    CONDITIONS, Failure, PATIENCE, Patience, Session, given_up, refused, transport,
};
use crate::shards::shard::Shard;
use crate::shards::wire::bounded;
use nix::libc;
use object_store::aws::AmazonS3;
use object_store::client::HttpErrorKind;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path as Key;
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion, WriteMultipart,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{Read, Write};
use std::ops::{ControlFlow, RangeInclusive};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::task::JoinSet;
use xxhash_rust::xxh3::Xxh3Default;

/// Shards go up and come down in parts of this many bytes, of which a store takes 10 000...
const PART: usize = 8 << 20;

/// ...so many at once.
const PARTS_AT_ONCE: usize = 4;

/// So many small objects are asked for at once.
const TEXTS_AT_ONCE: usize = 32;

/// So often something is put that another one was putting or removing at the same moment, or whose
/// answer was lost.
const ATTEMPTS: u32 = 5;

/// No more names than these are looked at to see what is in a place.
const MAX_LOOKED_AT: usize = 1000;

/// No more names are listed: twice those of the largest corpus, which has a shard and a receipt for
/// each number.
const MAX_NAMES: usize = 4 * MAX_SHARDS as usize;

/// A list comes in pages, of up to 1000 names in most stores. So many may have fewer...
const FREE_PAGES: usize = 1000;

/// ...than this many names.
const NAMES_OF_PAGE: usize = 10;

/// No longer token is sent back for the next page. It is part of an address.
const LONGEST_TOKEN: usize = 8 << 10;

/// No longer `ETag` is believed to be one.
const LONGEST_TAG: usize = 1 << 10;

/// The longest name of a bucket that any store has had.
const LONGEST_BUCKET: usize = 255;

/// The longest prefix: names of objects have up to 1024 bytes, and the longest that a shard has is
/// shorter than the rest.
const LONGEST_PREFIX: usize = 900;

/// A prefix of a bucket, for any number of threads.
pub(super) struct Bucket {
    /// What it is called: `s3://bucket/prefix`.
    path: PathBuf,
    bucket: String,
    prefix: Key,
    session: Mutex<Option<Arc<Session>>>,
    patience: Patience,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Bucket").field(&self.path).finish()
    }
}

impl ForkAware for Bucket {
    fn close_handles(&self) {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// What there is of a shard, as a listing says.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed {
    /// The size of its object.
    pub(super) bytes: Option<u64>,
    /// The `ETag` of its receipt, if the store says one.
    pub(super) receipt: Option<Option<String>>,
}

/// What is done with the name, size and `ETag` of an object.
type Each<'e, T> = dyn FnMut(&str, u64, Option<String>) -> ControlFlow<T> + 'e;

impl Bucket {
    /// That which is called `s3://bucket/prefix`. Nothing is asked of the store yet.
    pub(super) fn new(path: &Path) -> Result<Arc<Bucket>> {
        let wrong = |reason: &str| Error::Usage(format!("{}: {reason}", path.display()));
        let text = path.to_str().ok_or_else(|| wrong("names of buckets are UTF-8"))?;
        let (bucket, prefix) = text
            .strip_prefix("s3://")
            .and_then(|rest| rest.split_once('/').or(Some((rest, ""))))
            .unwrap_or_default();
        let wrong = |reason: &str| match text.len() > LONGEST_BUCKET + LONGEST_PREFIX + 8 {
            true => Error::Usage(format!("{}: {reason}", crate::remedy::brief(text))),
            false => wrong(reason),
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        // In an address `.` and `..` would mean something else, and other dots at an end or
        // together would be lost.
        let is_odd = bucket.starts_with('.') || bucket.ends_with('.') || bucket.contains("..");
        if bucket.is_empty() || bucket.len() > LONGEST_BUCKET || is_odd || !bucket.chars().all(is_name) {
            return Err(wrong(
                "a bucket is named s3://BUCKET/PREFIX, and BUCKET has 3 to 63 letters, digits, dots and hyphens",
            ));
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if prefix.len() > LONGEST_PREFIX {
            return Err(wrong(&format!("the prefix is longer than {LONGEST_PREFIX} bytes")));
        }
        // Of a slash at its beginning the parser says nothing.
        let key = Key::parse(prefix).ok().filter(|key| key.as_ref() == prefix);
        let key =
            key.ok_or_else(|| wrong("the prefix has an empty part, or one of dots or control characters"))?;
        let path = ["s3://", bucket, if prefix.is_empty() { "" } else { "/" }, prefix].concat().into();
        let session = Mutex::default();
        let made = Arc::new(Bucket { path, bucket: bucket.into(), prefix: key, session, patience: PATIENCE });
        let holder: Arc<dyn ForkAware> = made.clone();
        let holder: Weak<dyn ForkAware> = Arc::downgrade(&holder);
        fork::register(holder);
        Ok(made)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn key(&self, name: &str) -> Key {
        Key::from_iter(self.prefix.parts().chain(Key::from(name).parts()))
    }

    fn session(&self) -> Result<Arc<Session>> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        match &*session {
            Some(session) => Ok(session.clone()),
            None => Ok(session.insert(Arc::new(self.begun()?)).clone()),
        }
    }

    /// Where copies of its objects come from.
    pub(super) fn origin(&self) -> Result<Origin> {
        Ok(Origin::new(self.session()?.address(), &self.bucket, self.prefix.as_ref()))
    }

    fn begun(&self) -> Result<Session> {
        Session::new(&self.bucket, &self.path, self.patience)
    }

    /// Does some work with the store, which may be begun twice.
    fn run<T>(
        &self,
        name: &str,
        action: &'static str,
        work: impl AsyncFn(&AmazonS3, Key) -> std::result::Result<T, Failure>,
    ) -> Result<T> {
        let _inside = fork::enter();
        let key = self.key(name);
        let result = self.session()?.run(async |store: &AmazonS3| work(store, key.clone()).await);
        result.map_err(|failure| self.error(name, action, failure))
    }

    fn error(&self, name: &str, action: &'static str, failure: Failure) -> Error {
        let path = if name.is_empty() { self.path.clone() } else { self.path.join(name) };
        match failure {
            Failure::Store(error) => refused(&path, &self.bucket, action, &error),
            Failure::GivenUp(time, busy) => given_up(&path, action, time, busy),
            Failure::Other(error) => error,
        }
    }

    /// The object called `name`, up to a little more than `most` bytes of it, and its version;
    /// `None` if there is none.
    pub(super) fn read(&self, name: &str, most: u64) -> Result<Option<(Vec<u8>, Version)>> {
        self.run(name, "read it", async |store, key| {
            let Some(found) = there(store.get_opts(&key, bounded(most)).await)? else { return Ok(None) };
            let version = tag(found.meta.e_tag.clone());
            // What is too large is not even waited for.
            if found.meta.size > most {
                return Ok(Some((vec![0; most as usize + 1], version)));
            }
            Ok(Some((found.bytes().await?.to_vec(), version)))
        })
    }

    /// Those of the objects with these names that are there, as [`read`](Bucket::read) does, in the
    /// same order.
    pub(super) fn read_many(&self, names: &[String], most: u64) -> Result<Vec<Option<Vec<u8>>>> {
        self.run("", "read what is under it", async |store, _| {
            let (mut texts, mut running) = (vec![None; names.len()], JoinSet::new());
            let mut next = names.iter().enumerate();
            loop {
                while running.len() < TEXTS_AT_ONCE
                    && let Some((place, name)) = next.next()
                {
                    let (store, key) = (store.clone(), self.key(name));
                    running.spawn(async move {
                        match there(store.get_opts(&key, bounded(most)).await)? {
                            Some(found) if found.meta.size <= most => {
                                Ok((place, Some(found.bytes().await?.to_vec())))
                            }
                            // Nothing fits the check of an empty text.
                            Some(_) => Ok((place, Some(Vec::new()))),
                            None => Ok::<_, object_store::Error>((place, None)),
                        }
                    });
                }
                let Some(done) = running.join_next().await else { return Ok(texts) };
                let (place, text) = joined(done)??;
                texts[place] = text;
            }
        })
    }

    /// The size and version of the object called `name`; `None` if there is none.
    pub(super) fn look(&self, name: &str) -> Result<Option<(u64, Version)>> {
        self.run(name, "look at it", async |store, key| {
            Ok(there(store.head(&key).await)?.map(|found| (found.size, tag(found.e_tag))))
        })
    }

    /// Some name under the prefix for which `wanted` holds, among the first.
    pub(super) fn find(&self, wanted: impl Fn(&str) -> bool) -> Result<Option<String>> {
        let mut seen = 0;
        let found = self.visit(&mut |name, _, _| {
            seen += 1;
            match wanted(name) {
                true => ControlFlow::Break(Some(name.to_owned())),
                false if seen < MAX_LOOKED_AT => ControlFlow::Continue(()),
                false => ControlFlow::Break(None),
            }
        })?;
        Ok(found.flatten())
    }

    /// What there is of all shards; `number` is that of a shard's name.
    pub(super) fn list(&self, number: impl Fn(&str) -> Option<u64>) -> Result<BTreeMap<u64, Listed>> {
        let mut found: BTreeMap<u64, Listed> = BTreeMap::new();
        self.visit::<()>(&mut |name, bytes, tag| {
            let receipt = name.strip_prefix(RECEIPTS);
            let receipt = receipt.and_then(|name| name.strip_prefix('/')?.strip_suffix(".json"));
            if let Some(number) = receipt.and_then(&number) {
                found.entry(number).or_default().receipt = Some(tag);
            } else if let Some(number) = name.strip_suffix(".db").and_then(&number) {
                found.entry(number).or_default().bytes = Some(bytes);
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Calls `each` with the names, sizes and `ETag`s of all objects, until it breaks off with
    /// something, which is returned.
    fn visit<T>(&self, each: &mut Each<'_, T>) -> Result<Option<T>> {
        let each = RefCell::new(each);
        let endless = |what: &str| {
            let reason =
                format!("{what}; check AWS_ENDPOINT_URL, and that nothing else is under this prefix");
            Error::ObjectStore { path: self.path.clone(), action: "list what is under it", reason }
        };
        let prefix = match self.prefix.as_ref() {
            "" => None,
            prefix => Some(format!("{prefix}/")),
        };
        self.run("", "list what is under it", async |store, _| {
            let (mut names, mut pages, mut page_token) = (0, 0, None);
            loop {
                let options = PaginatedListOptions { page_token: page_token.clone(), ..Default::default() };
                let page = store.list_paginated(prefix.as_deref(), options).await?;
                (names, pages) = (names + page.result.objects.len(), pages + 1);
                if names > MAX_NAMES || pages > FREE_PAGES + names / NAMES_OF_PAGE {
                    let text = format!("the store's list does not end: {pages} pages have {names} names");
                    return Err(endless(&text).into());
                }
                for found in page.result.objects {
                    let Some(parts) = found.location.prefix_match(&self.prefix) else { continue };
                    let parts: Vec<_> = parts.collect();
                    let name = parts.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join("/");
                    let tag = found.e_tag.filter(|tag| tag.len() <= LONGEST_TAG);
                    if let ControlFlow::Break(end) = (each.borrow_mut())(&name, found.size, tag) {
                        return Ok(Some(end));
                    }
                }
                match page.page_token.filter(|token| !token.is_empty()) {
                    None => return Ok(None),
                    Some(token) if token.len() > LONGEST_TOKEN => {
                        return Err(
                            endless("the store's name for the next page of its list is too long").into()
                        );
                    }
                    Some(token) if page_token.as_deref() == Some(&token) => {
                        return Err(
                            endless("the store's list begins again and again at the same place").into()
                        );
                    }
                    token => page_token = token,
                }
            }
        })
    }

    /// Puts a small object; says whether the condition held.
    pub(super) fn put(&self, bytes: Vec<u8>, name: &str, before: Before<'_>) -> Result<bool> {
        let bytes: object_store::PutPayload = bytes.into();
        for attempt in 1.. {
            let put = self.run(name, "write it", async |store, key| {
                let options = PutOptions::from(mode(before));
                Ok(fate(store.put_opts(&key, bytes.clone(), options).await.map(drop))?)
            })?;
            match put {
                Fate::Done => return Ok(true),
                Fate::Lost => return Ok(false),
                Fate::Unknown(error) => {
                    // Who lost against one that is not there any more tries again.
                    if matches!(before, Before::Nothing) && self.look(name)?.is_some() {
                        return Ok(false);
                    }
                    if attempt >= ATTEMPTS {
                        return Err(self.error(name, "write it", Failure::Store(error)));
                    }
                    if waiting::pause(Duration::from_millis(100) * attempt) {
                        return Err(Error::Interrupted(format!(
                            "{}: waiting for the store",
                            self.path.display()
                        )));
                    }
                }
            }
        }
        Ok(false)
    }

    /// Refuses a store that puts an object although the condition does not hold, which shows in one
    /// that is removed again.
    pub(super) fn check_conditions(&self) -> Result<()> {
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        let name = format!(".conditions-{random:016x}");
        let nobodys = Version::Tag("\"00000000000000000000000000000000\"".into());
        let put = |before| self.put(Vec::new(), &name, before);
        put(Before::Nothing)?;
        let ignored = match (put(Before::Nothing)?, put(Before::This(&nobodys))?) {
            (true, _) => Some("If-None-Match"),
            (false, true) => Some("If-Match"),
            (false, false) => None,
        };
        // Who may not remove objects leaves it, and it is in nobody's way.
        let _ = self.run(&name, "remove it", async |store, key| Ok(store.delete(&key).await?));
        let Some(header) = ignored else { return Ok(()) };
        let reason = format!("the store ignores {header}; {CONDITIONS}");
        Err(Error::ObjectStore { path: self.path.clone(), action: "write to it", reason })
    }

    /// Puts the file of a shard, which must still be what its receipt will say; says whether the
    /// condition held.
    pub(super) fn publish(&self, from: &Path, shard: &Shard, name: &str, before: Before<'_>) -> Result<bool> {
        let failed = io(from, "read it");
        let same = |found: (u64, u128)| match found == (shard.bytes, shard.xxh128) {
            true => Ok(()),
            false => Err(Error::LostFile(from.into(), "changed")),
        };
        if shard.bytes <= PART as u64 {
            let mut bytes = Vec::new();
            let file = File::open(from).map_err(&failed)?;
            file.take(PART as u64 + 1).read_to_end(&mut bytes).map_err(&failed)?;
            same((bytes.len() as u64, xxhash_rust::xxh3::xxh3_128(&bytes)))?;
            return self.put(bytes, name, before);
        }
        let _inside = fork::enter();
        let (session, key) = (self.session()?, self.key(name));
        let failed = |failure: Failure| self.error(name, "write it", failure);
        let refused = |error: object_store::Error| failed(error.into());
        for attempt in 1.. {
            let store = session.under(condition(before)).map_err(refused)?;
            let upload = session.wait(store.put_multipart(&key)).map_err(failed)?.map_err(refused)?;
            let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
            let sent = in_pieces(from, |piece| {
                session.wait(upload.wait_for_capacity(PARTS_AT_ONCE)).map_err(failed)?.map_err(refused)?;
                session.within(|| upload.write(piece));
                Ok(())
            });
            if let Err(error) = sent.and_then(same) {
                // If that fails too, the store's rules for uploads that were left end it.
                if !matches!(error, Error::Interrupted(_)) {
                    let _ = session.wait(upload.abort());
                }
                return Err(error);
            }
            let done = session.within(|| session.wait(upload.finish())).map_err(failed)?;
            match fate(done.map(drop)).map_err(refused)? {
                Fate::Done => return Ok(true),
                Fate::Lost => return Ok(false),
                Fate::Unknown(error) => match self.look(name)? {
                    Some(_) => return Ok(false),
                    None if attempt >= ATTEMPTS => return Err(refused(error)),
                    None => {}
                },
            }
        }
        Ok(false)
    }

    /// Fetches the object called `name` to the file `to`, which is replaced: its size and XXH3-128;
    /// `None` if there is none. One that has none of these `sizes` is not fetched.
    pub(super) fn fetch(
        &self,
        name: &str,
        to: &Path,
        sizes: RangeInclusive<u64>,
    ) -> Result<Option<(u64, u128)>> {
        let failed = io(to, "write to it");
        self.run(name, "read it", async |store, key| {
            let Some(found) = there(store.head(&key).await)? else { return Ok(None) };
            if !sizes.contains(&found.size) {
                return Ok(Some((found.size, 0)));
            }
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).custom_flags(libc::O_NOFOLLOW);
            let mut file = options.open(to).map_err(&failed)?;
            let (mut hash, mut bytes) = (Xxh3Default::new(), 0);
            // Those that came before their turn.
            let (mut running, mut early) = (JoinSet::new(), BTreeMap::new());
            let (mut asked, size) = (0, found.size);
            while bytes < size {
                while asked < size && running.len() + early.len() < PARTS_AT_ONCE {
                    let range = asked..size.min(asked + PART as u64);
                    asked = range.end;
                    let (store, key) = (store.clone(), key.clone());
                    // All parts must be of one version.
                    let options = GetOptions {
                        range: Some(GetRange::Bounded(range.clone())),
                        if_match: found.e_tag.clone(),
                        ..bounded(range.end - range.start)
                    };
                    running.spawn(async move {
                        let part = store.get_opts(&key, options).await?.bytes().await?;
                        Ok::<_, object_store::Error>((range.start, part))
                    });
                }
                let Some(done) = running.join_next().await else { break };
                let (start, part) = joined(done)??;
                early.insert(start, part);
                while let Some(part) = early.remove(&bytes) {
                    if part.is_empty() {
                        break;
                    }
                    hash.update(&part);
                    file.write_all(&part).map_err(&failed)?;
                    bytes += part.len() as u64;
                }
            }
            file.sync_data().map_err(&failed)?;
            Ok(Some((bytes, hash.digest128())))
        })
    }
}

/// Versions of stores that do not tell them are all alike, and no condition on them ever holds.
fn tag(tag: Option<String>) -> Version {
    Version::Tag(tag.unwrap_or_default())
}

/// What was found, if it was; a bucket that is not there is an error.
fn there<T>(result: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(object_store::Error::NotFound { source, .. }) if !source.to_string().contains("NoSuchBucket") => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn joined<T>(done: std::result::Result<T, tokio::task::JoinError>) -> object_store::Result<T> {
    done.map_err(|source| object_store::Error::JoinError { source })
}

fn mode(before: Before<'_>) -> PutMode {
    match before {
        Before::Nothing => PutMode::Create,
        Before::This(Version::Tag(tag)) => {
            PutMode::Update(UpdateVersion { e_tag: Some(tag.clone()), version: None })
        }
        Before::This(Version::File(..)) | Before::Anything => PutMode::Overwrite,
    }
}

/// The same as a header.
fn condition(before: Before<'_>) -> Option<(&'static str, &str)> {
    match before {
        Before::Nothing => Some(("if-none-match", "*")),
        Before::This(Version::Tag(tag)) => Some(("if-match", tag)),
        Before::This(Version::File(..)) | Before::Anything => None,
    }
}

/// What became of putting something.
enum Fate {
    Done,
    /// Something else has the name.
    Lost,
    /// It may be there or not: an answer was lost, or another one was at the same name.
    Unknown(object_store::Error),
}

fn fate(result: object_store::Result<()>) -> object_store::Result<Fate> {
    use object_store::Error::{AlreadyExists, NotFound, Precondition};
    match result {
        Ok(()) => Ok(Fate::Done),
        Err(Precondition { .. }) => Ok(Fate::Lost),
        Err(error @ NotFound { .. }) if error.to_string().contains("NoSuchBucket") => Err(error),
        // A conflict also if the other one removed it; an upload that is not there was completed by
        // an earlier attempt.
        Err(error @ (AlreadyExists { .. } | NotFound { .. })) => Ok(Fate::Unknown(error)),
        Err(error) => match transport(&error) {
            Some(HttpErrorKind::Timeout | HttpErrorKind::Interrupted) => Ok(Fate::Unknown(error)),
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
