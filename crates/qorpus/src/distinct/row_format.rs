//! The rows of candidates in spilled files and in messages, which sort by their bytes.

use crate::distinct::candidate::{Candidate, Shortest};
use crate::error::{Error, Result};
use std::ops::Range;

/// Bytes of a key and of an origin, both big-endian.
pub(super) const KEY_BYTES: usize = 16;
pub(super) const ORIGIN_BYTES: usize = 6;
const COUNT_BYTES: usize = 4;

/// Bytes of a survivor's row, which has no key, and of a full row, for sets of letters of four
/// bytes. Rows with smaller sets are copied at these lengths, too: the next row overwrites the
/// excess.
const SURVIVOR_BYTES: usize = ORIGIN_BYTES + COUNT_BYTES + 8;
pub(super) const ROW_BYTES: usize = KEY_BYTES + SURVIVOR_BYTES;

/// The columns of a row: the key, the origin, the number of circuits, the two sets of letters.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowFormat {
    /// Bytes of a set of letters.
    set_bytes: usize,
}

impl RowFormat {
    pub(super) fn new(letters: usize) -> RowFormat {
        RowFormat { set_bytes: letters.div_ceil(8) }
    }

    /// Returns the bytes of a full row.
    pub(super) fn full(self) -> Range<usize> {
        0..ROW_BYTES - 8 + 2 * self.set_bytes
    }

    /// Returns the bytes of the key and the origin.
    pub(super) fn keys(self) -> Range<usize> {
        0..KEY_BYTES + ORIGIN_BYTES
    }

    /// Returns the bytes of all columns but the key.
    pub(super) fn survivors(self) -> Range<usize> {
        KEY_BYTES..self.full().end
    }

    fn row(self, Candidate { key, shortest }: &Candidate) -> [u8; ROW_BYTES] {
        let mut row = [0; ROW_BYTES];
        row[..8].copy_from_slice(&key[0].to_be_bytes());
        row[8..KEY_BYTES].copy_from_slice(&key[1].to_be_bytes());
        row[KEY_BYTES..KEY_BYTES + ORIGIN_BYTES].copy_from_slice(&origin_bytes(shortest.origin));
        let rest = &mut row[KEY_BYTES + ORIGIN_BYTES..];
        rest[..COUNT_BYTES].copy_from_slice(&shortest.circuits.to_le_bytes());
        rest[COUNT_BYTES..COUNT_BYTES + 4].copy_from_slice(&shortest.first.to_le_bytes());
        rest[COUNT_BYTES + self.set_bytes..][..4].copy_from_slice(&shortest.last.to_le_bytes());
        row
    }

    /// Writes these columns of candidates to `buffer`, which has room for one more row behind them,
    /// and returns their length.
    pub(super) fn write(self, candidates: &[Candidate], columns: &Range<usize>, buffer: &mut [u8]) -> usize {
        let mut at = 0;
        for candidate in candidates {
            let row = self.row(candidate);
            match columns.start {
                0 => buffer[at..at + ROW_BYTES].copy_from_slice(&row),
                _ => buffer[at..at + SURVIVOR_BYTES].copy_from_slice(&row[KEY_BYTES..]),
            }
            at += columns.len();
        }
        at
    }

    /// Appends the key and the origin of a candidate.
    #[inline]
    pub(super) fn append_key(Candidate { key, shortest }: &Candidate, out: &mut Vec<u8>) {
        let mut row = [0; KEY_BYTES + ORIGIN_BYTES];
        row[..8].copy_from_slice(&key[0].to_be_bytes());
        row[8..KEY_BYTES].copy_from_slice(&key[1].to_be_bytes());
        row[KEY_BYTES..].copy_from_slice(&origin_bytes(shortest.origin));
        out.extend_from_slice(&row);
    }

    /// Appends these columns of candidates.
    pub(super) fn append(self, candidates: &[Candidate], columns: &Range<usize>, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + candidates.len() * columns.len() + ROW_BYTES, 0);
        let written = self.write(candidates, columns, &mut out[start..]);
        out.truncate(start + written);
    }

    /// Reads a full row.
    #[inline]
    pub(super) fn candidate(self, row: &[u8; ROW_BYTES]) -> Candidate {
        let (halves, survivor) = (row.as_chunks::<8>().0, row.last_chunk());
        let key = [u64::from_be_bytes(halves[0]), u64::from_be_bytes(halves[1])];
        Candidate { key, shortest: survivor.map(|row| self.shortest(row)).unwrap_or_default() }
    }

    /// Reads a survivor's row.
    pub(super) fn survivor(self, row: &[u8; ROW_BYTES]) -> Shortest {
        row.first_chunk().map(|row| self.shortest(row)).unwrap_or_default()
    }

    #[inline]
    fn shortest(self, row: &[u8; SURVIVOR_BYTES]) -> Shortest {
        let number = |at: usize| row[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let mask = u32::MAX >> (32 - 8 * self.set_bytes);
        Shortest {
            origin: origin(row),
            circuits: number(ORIGIN_BYTES),
            first: number(ORIGIN_BYTES + COUNT_BYTES) & mask,
            last: number(ORIGIN_BYTES + COUNT_BYTES + self.set_bytes) & mask,
        }
    }
}

/// Returns the rows of `width` bytes each.
///
/// # Errors
/// [`Error::Rows`] if the last one is cut off.
pub(super) fn rows(bytes: &[u8], width: usize) -> Result<impl Iterator<Item = [u8; ROW_BYTES]>> {
    let row = move |bytes: &[u8]| {
        let mut row = [0; ROW_BYTES];
        row[..width].copy_from_slice(bytes);
        row
    };
    let is_whole = bytes.len().is_multiple_of(width);
    is_whole.then(|| bytes.chunks_exact(width).map(row)).ok_or(Error::Rows("rows have the wrong size"))
}

/// Returns the key of a row that has one.
pub(super) fn key(row: &[u8; ROW_BYTES]) -> u128 {
    row.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

/// Returns the key and the origin of a row that has both.
pub(super) fn key_and_origin(row: &[u8; ROW_BYTES]) -> (u128, u64) {
    (key(row), origin(&row[KEY_BYTES..]))
}

fn origin(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)) >> (64 - 8 * ORIGIN_BYTES)
}

#[inline]
pub(super) fn origin_bytes(origin: u64) -> [u8; ORIGIN_BYTES] {
    let [_, _, bytes @ ..] = origin.to_be_bytes();
    bytes
}
