//! Messages among processes: bytes with a checksum behind them.

use crate::error::{Error, Result};
use qorpus_core::{Chunk, ChunkRef, ContentHash};
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
    let (bytes, checksum) = bytes.split_last_chunk().ok_or(Error::Rows("a check fails"))?;
    let is_right = u64::from_le_bytes(*checksum) == xxh3_64(bytes);
    if is_right { Ok(bytes) } else { Err(Error::Rows("a check fails")) }
}

/// The result of merging a range of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RangeSummary {
    pub(super) range: u64,
    /// The origin of an ambiguous candidate.
    pub(super) ambiguous: Option<u64>,
    /// The number of survivors of each part.
    pub(super) parts: Vec<u64>,
}

impl RangeSummary {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let numbers = [self.range, self.ambiguous.unwrap_or(u64::MAX)];
        let numbers = numbers.iter().chain(&self.parts);
        with_checksum(numbers.flat_map(|number| number.to_le_bytes()).collect())
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<RangeSummary> {
        let (numbers, rest) = without_checksum(bytes)?.as_chunks::<8>();
        let [range, ambiguous, parts @ ..] = numbers else {
            return Err(Error::Rows("an account is too short"));
        };
        if !rest.is_empty() {
            return Err(Error::Rows("an account has the wrong size"));
        }
        Ok(RangeSummary {
            range: u64::from_le_bytes(*range),
            ambiguous: Some(u64::from_le_bytes(*ambiguous)).filter(|&origin| origin != u64::MAX),
            parts: parts.iter().map(|number| u64::from_le_bytes(*number)).collect(),
        })
    }
}

/// A chunk of the frontier: eight numbers, the content hash, circuits, labels.
pub(super) struct Parcel<'a> {
    pub(super) chunk: ChunkRef<'a>,
    /// The records of the chunk that are meant.
    pub(super) ids: Range<u64>,
    /// The letters that extend them.
    pub(super) letters: u32,
    /// Whether they may come out again themselves.
    pub(super) is_known: bool,
}

impl<'a> Parcel<'a> {
    const NUMBERS: usize = 8;
    const HEAD_BYTES: usize = Parcel::NUMBERS * 8 + 16;

    pub(super) fn pack(chunk: &Chunk, ids: &Range<u64>, letters: u32, is_known: bool) -> Vec<u8> {
        let numbers: [u64; Parcel::NUMBERS] = [
            chunk.first_id,
            chunk.count,
            chunk.checksum,
            ids.start,
            ids.end,
            letters.into(),
            is_known.into(),
            chunk.circuits.len() as u64,
        ];
        let mut bytes = Vec::with_capacity(Parcel::HEAD_BYTES + chunk.bytes());
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        bytes.extend_from_slice(&chunk.content.to_bytes());
        bytes.extend_from_slice(&chunk.circuits);
        bytes.extend_from_slice(chunk.labels.as_deref().unwrap_or_default());
        with_checksum(bytes)
    }

    /// Unpacks a parcel without its checksum; `None` if its size is wrong.
    pub(super) fn unpack(bytes: &'a [u8]) -> Option<Parcel<'a>> {
        let (head, columns) = bytes.split_at_checked(Parcel::HEAD_BYTES)?;
        let (numbers, content) = head.as_chunks::<8>().0.split_first_chunk::<{ Parcel::NUMBERS }>()?;
        let [first_id, count, checksum, start, end, letters, known, circuits] =
            numbers.map(u64::from_le_bytes);
        let (circuits, labels) = columns.split_at_checked(usize::try_from(circuits).ok()?)?;
        let content = ContentHash::from_bytes(content.as_flattened().try_into().ok()?);
        let labels = (!labels.is_empty()).then_some(labels);
        let chunk = ChunkRef { first_id, count, checksum, content, circuits, unitaries: None, labels };
        Some(Parcel { chunk, ids: start..end, letters: u32::try_from(letters).ok()?, is_known: known == 1 })
    }
}
