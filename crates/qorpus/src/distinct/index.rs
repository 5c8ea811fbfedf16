//! The index of a level, which maps a unitary's key to its record.

use crate::tables::keys;
use crate::tables::levels::Level;
use qorpus_core::Recipe;
use rusqlite::Connection;
use std::ops::RangeInclusive;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of an entry's key, after the common bits of its block.
const KEY_PART_BYTES: usize = 5;

/// The part of a key that an entry stores.
pub(super) type KeyPart = [u8; KEY_PART_BYTES];

/// The most entries of an average block. In large levels the average is more than half of it.
const MAX_MEAN_ENTRIES: u64 = 128;

/// Bytes of the checksum behind a block.
const CHECKSUM_BYTES: usize = 8;

/// The bit position of the level's number in the place of a block; the block's number has the bits
/// below.
const LEVEL_SHIFT: u32 = 40;

/// The index of one level.
#[derive(Debug, Clone, Copy)]
pub(super) struct Index {
    number: u64,
    /// Keys of one block have these bits in common.
    bits: u32,
    origin_bytes: usize,
    seed: u64,
}

impl Index {
    /// Returns the index of level `number` of a corpus with this recipe, whose checks have this
    /// seed.
    pub(super) fn new(recipe: &Recipe, check_seed: u64, number: usize, level: &Level) -> Index {
        let max_origin = level.first_id.saturating_mul(recipe.alphabet().letters().len() as u64);
        Index {
            number: number as u64,
            bits: level.records.div_ceil(MAX_MEAN_ENTRIES).max(1).next_power_of_two().ilog2(),
            origin_bytes: (u64::BITS - max_origin.leading_zeros()).div_ceil(8) as usize,
            seed: check_seed,
        }
    }

    /// Returns the number of a key's block.
    pub(super) fn block(&self, key: u128) -> u64 {
        key.checked_shr(u128::BITS - self.bits).unwrap_or(0) as u64
    }

    /// Returns the number of blocks.
    pub(super) fn blocks(&self) -> u64 {
        1 << self.bits
    }

    /// Returns the place of a block in the table `keys`.
    pub(super) fn place(&self, block: u64) -> u64 {
        self.number << LEVEL_SHIFT | block
    }

    fn part(&self, key: u128) -> KeyPart {
        let [part @ .., _, _, _, _, _, _, _, _, _, _, _] = (key << self.bits).to_be_bytes();
        part
    }

    /// Encodes a block of ascending keys and their origins: all parts of keys, then all origins,
    /// big-endian, and a checksum.
    pub(super) fn encode(&self, block: u64, entries: &[(u128, u64)]) -> Vec<u8> {
        let width = self.origin_bytes;
        let (parts, origins) = (entries.len() * KEY_PART_BYTES, entries.len() * width);
        let mut bytes = Vec::with_capacity(parts + origins + CHECKSUM_BYTES);
        for (key, _) in entries {
            bytes.extend_from_slice(&self.part(*key));
        }
        for (_, origin) in entries {
            // Eight bytes at first: the length of a copy should be known at compile time.
            let shifted = origin.checked_shl(u64::BITS - 8 * width as u32).unwrap_or(0);
            bytes.extend_from_slice(&shifted.to_be_bytes());
            bytes.truncate(bytes.len() + width - 8);
        }
        let checksum = self.checksum(block, &bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn checksum(&self, block: u64, bytes: &[u8]) -> u64 {
        xxh3_64_with_seed(bytes, self.seed ^ self.place(block))
    }

    /// Inserts a block unless it exists.
    pub(super) fn insert(&self, connection: &Connection, block: u64, bytes: &[u8]) -> rusqlite::Result<()> {
        keys::insert(connection, self.place(block), bytes)
    }

    /// Returns the number of blocks in the corpus, which are the first ones.
    pub(super) fn present(&self, connection: &Connection) -> rusqlite::Result<u64> {
        let last = keys::last(connection, self.place(0)..(self.number + 1) << LEVEL_SHIFT)?;
        Ok(last.map_or(0, |last| last - self.place(0) + 1))
    }

    /// Reads a block; `None` if it is missing or its checksum fails.
    pub(super) fn read(&self, connection: &Connection, block: u64) -> rusqlite::Result<Option<Vec<u8>>> {
        let found = keys::entries(connection, self.place(block))?;
        Ok(found.and_then(|bytes| self.checked(block, bytes)))
    }

    /// Returns the bytes of a block without their checksum; `None` if that fails.
    pub(super) fn checked(&self, block: u64, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        let len = bytes.len().checked_sub(CHECKSUM_BYTES)?;
        let (entries, checksum) = bytes.split_at(len);
        let is_whole = checksum == self.checksum(block, entries).to_le_bytes()
            && len.is_multiple_of(KEY_PART_BYTES + self.origin_bytes);
        bytes.truncate(len);
        is_whole.then_some(bytes)
    }

    /// Returns the entries of a block: parts of keys, and origins.
    pub(super) fn entries<'b>(&self, block: &'b [u8]) -> impl Iterator<Item = (KeyPart, u64)> + use<'b> {
        let width = self.origin_bytes;
        let (parts, origins) = block.split_at(block.len() / (KEY_PART_BYTES + width) * KEY_PART_BYTES);
        // Without letters there is one record, whose origin takes no bytes.
        let origin = move |row: usize| &origins[row * width..][..width];
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
        parts.as_chunks().0.iter().enumerate().map(move |(row, part)| (*part, number(origin(row))))
    }

    /// Returns whether an entry of a block may have one of these keys.
    pub(super) fn may_have(&self, block: u64, part: KeyPart, keys: &RangeInclusive<u128>) -> bool {
        let place = |key: &u128| (self.block(*key), self.part(*key));
        (place(keys.start())..=place(keys.end())).contains(&(block, part))
    }
}

/// Returns a block with a check of another seed; `None` if its check fails.
pub(super) fn sealed_again(place: u64, mut block: Vec<u8>, before: u64, after: u64) -> Option<Vec<u8>> {
    let checksum = block.split_off(block.len().checked_sub(CHECKSUM_BYTES)?);
    if checksum != xxh3_64_with_seed(&block, before ^ place).to_le_bytes() {
        return None;
    }
    let checksum = xxh3_64_with_seed(&block, after ^ place);
    block.extend_from_slice(&checksum.to_le_bytes());
    Some(block)
}

/// Returns the number of the level of the block at this place.
pub(super) fn level_of(place: u64) -> usize {
    (place >> LEVEL_SHIFT) as usize
}
