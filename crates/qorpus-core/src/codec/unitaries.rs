//! The column of unitaries: a plain array, and behind it a check for each block of about a
//! kilobyte.

use crate::codec::chunk::{ChunkRef, ChunkSpan, Damage, Decoded};
use crate::codec::column::ReadColumn;
use crate::codec::layout::{CHECK_BYTES, Codec, copying, room};
use std::ops::Range;

/// The approximate bytes of unitaries that are copied at a time, to be checked while they are in
/// the cache.
const PIECE_BYTES: usize = 4096;

impl Codec {
    /// Appends the checks of all blocks to a column of unitaries.
    pub(crate) fn append_unitaries_checks(&self, first_id: u64, column: &mut Vec<u8>) {
        let plain_bytes = column.len();
        for start in (0..plain_bytes).step_by(self.block_bytes()) {
            let first = first_id + (start / self.unitary_bytes) as u64;
            let check =
                self.unitaries_check(first, &column[start..plain_bytes.min(start + self.block_bytes())]);
            column.extend_from_slice(&check.to_le_bytes());
        }
    }

    /// Calls `emit` with the index and the stored unitary of each of `positions`. Only their blocks
    /// are checked, unless they were before. The column has `len` bytes; `buffer` is reused.
    ///
    /// # Errors
    /// The damage that was found, or the error of `column`.
    ///
    /// # Panics
    /// If the recipe stores no unitaries.
    pub fn unitaries_at<E: From<Damage>>(
        &self,
        span: ChunkSpan,
        len: usize,
        positions: &[usize],
        buffer: &mut Vec<u8>,
        column: &mut impl ReadColumn<E>,
        emit: &mut impl FnMut(usize, &[u8]),
    ) -> Result<(), E> {
        let (size, bits, mask) = (self.unitary_bytes, self.block_bits, self.block_unitaries() - 1);
        self.check_unitaries_len(span.count, len)?;
        let mut index = 0;
        for positions in positions.chunk_by(|a, b| a >> bits == b >> bits) {
            let number = positions[0] >> bits;
            if column.is_checked(number) {
                for position in positions {
                    let bytes = room(buffer, size);
                    column.fetch(position * size, bytes)?;
                    emit(index, bytes);
                    index += 1;
                }
                continue;
            }
            let (block, check) = self.unitary_block(span.count, positions[0]);
            let bytes = room(buffer, block.len());
            column.fetch(block.start, bytes)?;
            self.check_unitaries(span, number, bytes, check, column)?;
            for position in positions {
                emit(index, &bytes[(position & mask) * size..][..size]);
                index += 1;
            }
        }
        Ok(())
    }

    /// Writes the stored unitaries at consecutive `positions` of a chunk to `out`, with the errors
    /// and panics of [`unitaries_at`](Codec::unitaries_at).
    ///
    /// # Panics
    /// If `out` does not have exactly their size.
    pub fn unitaries_in<E: From<Damage>>(
        &self,
        span: ChunkSpan,
        len: usize,
        mut positions: Range<usize>,
        buffer: &mut Vec<u8>,
        column: &mut impl ReadColumn<E>,
        mut out: &mut [u8],
    ) -> Result<(), E> {
        let (size, in_block) = (self.unitary_bytes, self.block_unitaries());
        assert_eq!(out.len(), positions.len() * size, "room for the unitaries");
        assert!(positions.end as u64 <= span.count, "positions within the chunk");
        self.check_unitaries_len(span.count, len)?;
        while !positions.is_empty() {
            let until = self.checked_until(&positions, column);
            if until > positions.start {
                let (part, rest) = out.split_at_mut((until - positions.start) * size);
                column.fetch(positions.start * size, part)?;
                positions.start = until;
                out = rest;
                continue;
            }
            let (block, check) = self.unitary_block(span.count, positions.start);
            let last = block.end == span.count as usize * size;
            let is_whole = positions.start.is_multiple_of(in_block) && positions.len() * size >= block.len();
            if !is_whole {
                // Only some of its unitaries are wanted, but all of them are checked.
                let bytes = room(buffer, block.len());
                column.fetch(block.start, bytes)?;
                self.check_unitaries(span, positions.start >> self.block_bits, bytes, check, column)?;
                let skipped = positions.start * size - block.start;
                let (part, rest) = out.split_at_mut((block.len() - skipped).min(out.len()));
                part.copy_from_slice(&bytes[skipped..][..part.len()]);
                positions.start += part.len() / size;
                out = rest;
                continue;
            }
            // Blocks that are wanted as a whole need no buffer; copying several at once is faster.
            let blocks =
                if last { 1 } else { (out.len() / block.len()).clamp(1, (PIECE_BYTES / block.len()).max(1)) };
            let (piece, rest) = out.split_at_mut(blocks * block.len());
            column.fetch(block.start, piece)?;
            for (number, bytes) in piece.chunks_exact(block.len()).enumerate() {
                let block = (positions.start >> self.block_bits) + number;
                self.check_unitaries(span, block, bytes, check + number * CHECK_BYTES, column)?;
            }
            positions.start += piece.len() / size;
            out = rest;
        }
        Ok(())
    }

    /// Returns the end of those of the `positions` whose blocks were checked before, from the first
    /// one on.
    fn checked_until<E>(&self, positions: &Range<usize>, column: &impl ReadColumn<E>) -> usize {
        let mut block = positions.start >> self.block_bits;
        while block << self.block_bits < positions.end && column.is_checked(block) {
            block += 1;
        }
        positions.end.min(block << self.block_bits)
    }

    /// Checks the length of a column of `count` stored unitaries.
    pub(crate) fn check_unitaries_len(&self, count: u64, len: usize) -> Decoded<()> {
        assert!(self.unitary_bytes > 0, "unitaries are computed, not stored");
        let blocks = (count >> self.block_bits) + u64::from(count & (self.block_unitaries() as u64 - 1) > 0);
        let plain = count.checked_mul(self.unitary_bytes as u64);
        let expected = plain.and_then(|plain| plain.checked_add(blocks.checked_mul(CHECK_BYTES as u64)?));
        if expected == Some(len as u64) { Ok(()) } else { Err(Damage::Size("unitaries")) }
    }

    /// Returns the range of the block with the unitary at `position` in a column of `count`, and
    /// the offset of its check.
    pub fn unitary_block(&self, count: u64, position: usize) -> (Range<usize>, usize) {
        let (block, plain) = (position >> self.block_bits, count as usize * self.unitary_bytes);
        let start = block * self.block_bytes();
        (start..plain.min(start + self.block_bytes()), plain + block * CHECK_BYTES)
    }

    /// Checks a block of unitaries, whose check is at offset `check` in the column, and notes that it
    /// passed.
    #[inline]
    fn check_unitaries<E: From<Damage>>(
        &self,
        span: ChunkSpan,
        block: usize,
        bytes: &[u8],
        check: usize,
        column: &mut impl ReadColumn<E>,
    ) -> Result<(), E> {
        let mut expected = [0; CHECK_BYTES];
        column.fetch(check, &mut expected)?;
        let first = span.first_id + ((block as u64) << self.block_bits);
        if u64::from_le_bytes(expected) == self.unitaries_check(first, bytes) {
            column.set_checked(block);
            return Ok(());
        }
        Err(Damage::Block { column: "unitaries", block }.into())
    }

    /// Returns the stored unitaries at `positions`, row-major and little-endian; empty if the
    /// recipe stores none. Only their blocks are checked.
    ///
    /// # Errors
    /// The damage that was found.
    pub fn unitaries<'a>(&self, chunk: &ChunkRef<'a>, positions: Range<usize>) -> Decoded<&'a [u8]> {
        let size = self.unitary_bytes;
        let column = match chunk.unitaries {
            None if size == 0 => return Ok(&[]),
            Some(column) if size > 0 => column,
            _ => return Err(Damage::Size("unitaries")),
        };
        self.check_unitaries_len(chunk.count, column.len())?;
        for block in positions.start >> self.block_bits..positions.end.div_ceil(self.block_unitaries()) {
            let (range, check) = self.unitary_block(chunk.count, block << self.block_bits);
            self.check_unitaries(chunk.span(), block, &column[range], check, &mut copying(column))?;
        }
        Ok(&column[positions.start * size..positions.end * size])
    }
}
