//! The buckets of a build without the feature `buckets`: none can be opened.

use crate::error::{Error, Result};
use crate::shards::cache::CopySource;
use crate::shards::put_mode::{PutMode, Version};
use crate::shards::shard::{ListedShard, Shard};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

/// A prefix of a bucket: a type without values, so that nothing is ever asked of one.
#[derive(Debug)]
pub(super) enum Bucket {}

impl Bucket {
    /// Refuses every bucket, and names the feature that opens them.
    pub(super) fn new(path: &Path) -> Result<Arc<Bucket>> {
        Err(Error::MissingFeature(path.into(), "buckets"))
    }

    pub(super) fn path(&self) -> &Path {
        match *self {}
    }

    pub(super) fn origin(&self) -> Result<CopySource> {
        match *self {}
    }

    pub(super) fn read(&self, _: &str, _: u64) -> Result<Option<(Vec<u8>, Version)>> {
        match *self {}
    }

    pub(super) fn read_many(&self, _: &[(u64, String)], _: u64) -> Result<BTreeMap<u64, Vec<u8>>> {
        match *self {}
    }

    pub(super) fn head(&self, _: &str) -> Result<Option<(u64, Version)>> {
        match *self {}
    }

    pub(super) fn find(&self, _: impl Fn(&str) -> bool) -> Result<Option<String>> {
        match *self {}
    }

    pub(super) fn list(&self, _: impl Fn(&str) -> Option<u64>) -> Result<BTreeMap<u64, ListedShard>> {
        match *self {}
    }

    pub(super) fn likely_e_tag(&self, _: &str) -> String {
        match *self {}
    }

    pub(super) fn put(&self, _: Vec<u8>, _: &str, _: PutMode<'_>) -> Result<bool> {
        match *self {}
    }

    pub(super) fn remove(&self, _: &str) -> Result<()> {
        match *self {}
    }

    pub(super) fn check_conditions(&self) -> Result<()> {
        match *self {}
    }

    pub(super) fn upload(&self, _: &Path, _: &Shard, _: &str, _: PutMode<'_>) -> Result<bool> {
        match *self {}
    }

    pub(super) fn download(&self, _: &str, _: &Path, _: RangeInclusive<u64>) -> Result<Option<(u64, u128)>> {
        match *self {}
    }
}
