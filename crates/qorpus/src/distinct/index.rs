//! The levels of an enumeration, and the index that leads from a unitary's key to its record.

use crate::tables::levels::Level;
use qorpus_core::Recipe;
use rusqlite::{Connection, OptionalExtension, params};
use std::ops::RangeInclusive;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// An entry of the index has so many bytes of a key, those behind the bits that its block has in
/// common.
pub(super) const KEY_PART: usize = 5;

/// Entries of a block: no more on average, and more than half as many unless the level has fewer.
const BLOCK_ENTRIES: u64 = 128;

/// Bytes of the check behind a block.
const CHECK: usize = 8;

/// A place is the number of the level, shifted, and that of the block.
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
    /// That of level `number` of a corpus with this recipe.
    pub(super) fn new(recipe: &Recipe, number: usize, level: &Level) -> Index {
        let [a, b, c, d, e, f, g, h, ..] = recipe.hash();
        let most_origin = level.first_id.saturating_mul(recipe.alphabet().letters().len() as u64);
        Index {
            number: number as u64,
            bits: level.records.div_ceil(BLOCK_ENTRIES).max(1).next_power_of_two().ilog2(),
            origin_bytes: (u64::BITS - most_origin.leading_zeros()).div_ceil(8) as usize,
            seed: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        }
    }

    /// The block of a key.
    pub(super) fn block(&self, key: u128) -> u64 {
        key.checked_shr(u128::BITS - self.bits).unwrap_or(0) as u64
    }

    /// How many blocks there are.
    pub(super) fn blocks(&self) -> u64 {
        1 << self.bits
    }

    fn place(&self, block: u64) -> u64 {
        self.number << LEVEL_SHIFT | block
    }

    /// What an entry has of its key.
    fn part(&self, key: u128) -> [u8; KEY_PART] {
        let [part @ .., _, _, _, _, _, _, _, _, _, _, _] = (key << self.bits).to_be_bytes();
        part
    }

    /// A block of keys in ascending order and their origins: all parts of keys, then all origins,
    /// big-endian, and a check.
    pub(super) fn encode(&self, block: u64, entries: &[(u128, u64)]) -> Vec<u8> {
        let mut bytes: Vec<u8> = entries.iter().flat_map(|(key, _)| self.part(*key)).collect();
        for (_, origin) in entries {
            bytes.extend_from_slice(&origin.to_be_bytes()[8 - self.origin_bytes..]);
        }
        let check = self.check(block, &bytes);
        bytes.extend_from_slice(&check.to_le_bytes());
        bytes
    }

    fn check(&self, block: u64, bytes: &[u8]) -> u64 {
        xxh3_64_with_seed(bytes, self.seed ^ self.place(block))
    }

    /// Adds a block unless it is there.
    pub(super) fn insert(&self, connection: &Connection, block: u64, bytes: &[u8]) -> rusqlite::Result<()> {
        let sql = "INSERT OR IGNORE INTO keys (place, entries) VALUES (?1, ?2)";
        connection.prepare_cached(sql)?.execute(params![self.place(block), bytes]).map(drop)
    }

    /// How many blocks are there, the first ones.
    pub(super) fn present(&self, connection: &Connection) -> rusqlite::Result<u64> {
        let sql = "SELECT max(place) FROM keys WHERE place >= ?1 AND place < ?2";
        let row = |row: &rusqlite::Row<'_>| row.get::<_, Option<u64>>(0);
        let last = connection
            .prepare_cached(sql)?
            .query_row([self.place(0), (self.number + 1) << LEVEL_SHIFT], row)?;
        Ok(last.map_or(0, |last| last - self.place(0) + 1))
    }

    /// A block as it is stored; `None` if it is missing or its check fails.
    pub(super) fn read(&self, connection: &Connection, block: u64) -> rusqlite::Result<Option<Vec<u8>>> {
        let sql = "SELECT entries FROM keys WHERE place = ?1";
        let found =
            connection.prepare_cached(sql)?.query_row([self.place(block)], |row| row.get::<_, Vec<u8>>(0));
        Ok(found.optional()?.and_then(|mut bytes| {
            let check = bytes.split_off(bytes.len().checked_sub(CHECK)?);
            let whole = check == self.check(block, &bytes).to_le_bytes()
                && bytes.len().is_multiple_of(KEY_PART + self.origin_bytes);
            whole.then_some(bytes)
        }))
    }

    /// The entries of a block: parts of keys, and origins.
    pub(super) fn entries(&self, block: &[u8]) -> Vec<([u8; KEY_PART], u64)> {
        let width = self.origin_bytes;
        let (parts, origins) = block.split_at(block.len() / (KEY_PART + width) * KEY_PART);
        // Without letters there is one record, whose origin takes no bytes.
        let origin = |row: usize| &origins[row * width..][..width];
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
        parts.as_chunks().0.iter().enumerate().map(|(row, part)| (*part, number(origin(row)))).collect()
    }

    /// Whether an entry of block `number` may have one of these keys.
    pub(super) fn may_be(&self, number: u64, part: [u8; KEY_PART], keys: &RangeInclusive<u128>) -> bool {
        let place = (number, part);
        let of = |key: u128| (self.block(key), self.part(key));
        (of(*keys.start())..=of(*keys.end())).contains(&place)
    }
}
