//! Messages between processes: bytes followed by a checksum.

use crate::error::{Error, Result};
use qorpus_core::{Chunk, ChunkRef, ContentHash};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_64;

/// Appends the checksum.
pub(super) fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = xxh3_64(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Returns the bytes without their checksum.
///
/// # Errors
/// [`Error::Rows`] if it is wrong.
pub(super) fn without_checksum(bytes: &[u8]) -> Result<&[u8]> {
    let is_right = |(bytes, checksum): &(&[u8], &[u8; 8])| u64::from_le_bytes(**checksum) == xxh3_64(bytes);
    let whole = bytes.split_last_chunk().filter(is_right).ok_or(Error::Rows("a checksum does not match"))?;
    Ok(whole.0)
}

/// The result of merging a range of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RangeSummary {
    pub(super) range: u64,
    /// The origin of an ambiguous candidate.
    pub(super) ambiguous: Option<u64>,
    /// The number of survivors of each part.
    pub(super) parts: Vec<u64>,
}

impl RangeSummary {
    pub(super) fn pack(&self) -> Vec<u8> {
        with_checksum(serde_json::to_vec(self).unwrap_or_default())
    }

    pub(super) fn unpack(bytes: &[u8]) -> Result<RangeSummary> {
        serde_json::from_slice(without_checksum(bytes)?).map_err(|_| Error::Rows("a summary cannot be read"))
    }
}

/// Records of the frontier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FrontierRange {
    pub(super) ids: Range<u64>,
    /// The letters that extend them.
    pub(super) letters: u32,
    /// Whether they may recur themselves.
    pub(super) is_known: bool,
}

/// The fields of a chunk, before its circuits and its labels.
#[derive(Serialize, Deserialize)]
struct ChunkHead {
    first_id: u64,
    count: u64,
    checksum: u64,
    content: [u8; 16],
    circuits_bytes: usize,
}

/// Packs a chunk of the frontier: a line of JSON, circuits, labels.
pub(super) fn pack_chunk(selection: &FrontierRange, chunk: &Chunk) -> Vec<u8> {
    let &Chunk { first_id, count, checksum, .. } = chunk;
    let (content, circuits_bytes) = (chunk.content.to_bytes(), chunk.circuits.len());
    let head = ChunkHead { first_id, count, checksum, content, circuits_bytes };
    let mut bytes = serde_json::to_vec(&(selection, head)).unwrap_or_default();
    bytes.push(b'\n');
    bytes.extend_from_slice(&chunk.circuits);
    bytes.extend_from_slice(chunk.labels.as_deref().unwrap_or_default());
    with_checksum(bytes)
}

/// Unpacks a chunk of the frontier.
pub(super) fn unpack_chunk(bytes: &[u8]) -> Result<(FrontierRange, ChunkRef<'_>)> {
    let wrong = Error::Rows("a parcel of circuits cannot be read");
    let mut lines = without_checksum(bytes)?.splitn(2, |&byte| byte == b'\n');
    let (Some(head), Some(columns)) = (lines.next(), lines.next()) else { return Err(wrong) };
    let Ok((selection, head)) = serde_json::from_slice(head) else { return Err(wrong) };
    let ChunkHead { first_id, count, checksum, content, circuits_bytes } = head;
    let Some((circuits, labels)) = columns.split_at_checked(circuits_bytes) else { return Err(wrong) };
    let labels = (!labels.is_empty()).then_some(labels);
    let content = ContentHash::from_bytes(content);
    Ok((selection, ChunkRef { first_id, count, checksum, content, circuits, unitaries: None, labels }))
}
