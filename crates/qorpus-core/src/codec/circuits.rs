//! The column of circuits: packed lengths and letters in blocks of 64, and the list of block ends
//! and checks.

use crate::bits::{BitReader, BitWriter};
use crate::circuit::Circuits;
use crate::codec::chunk::{ChunkRef, ChunkSpan, Damage, Decoded};
use crate::codec::column::ReadColumn;
use crate::codec::layout::{BLOCK_CIRCUITS, Codec, ENTRY_BYTES, copying, room};
use std::ops::Range;

/// The most letters of a chunk that is accepted: many times as many as any library stores.
const MAX_CHUNK_LETTERS: usize = 32 << 20;

impl Codec {
    pub(crate) fn encode_circuits(&self, first_id: u64, circuits: &Circuits, out: &mut Vec<u8>) {
        out.clear();
        let mut entries = Vec::with_capacity(circuits.len().div_ceil(BLOCK_CIRCUITS) * ENTRY_BYTES);
        for start in (0..circuits.len()).step_by(BLOCK_CIRCUITS) {
            let records = start..circuits.len().min(start + BLOCK_CIRCUITS);
            let begin = out.len();
            let mut writer = BitWriter::new(out);
            let mut lengths = [0; BLOCK_CIRCUITS];
            for (length, record) in lengths.iter_mut().zip(records.clone()) {
                *length = (circuits.get(record).len() - self.min) as u16;
            }
            writer.write_all(&lengths[..records.len()], self.length_bits);
            writer.write_all(circuits.letters(records.clone()), self.letter_bits);
            writer.finish();
            for record in records {
                self.free_angles.encode(circuits.get(record), circuits.angles(record), out);
            }
            entries.extend_from_slice(&(out.len() as u32).to_le_bytes());
            let check = self.circuits_check(first_id + start as u64, &out[begin..]);
            entries.extend_from_slice(&check.to_le_bytes());
        }
        out.extend_from_slice(&entries);
    }

    /// Replaces the contents of `circuits` by the circuits of a chunk, checking every block.
    pub(crate) fn decode_circuits(&self, chunk: &ChunkRef<'_>, circuits: &mut Circuits) -> Decoded<()> {
        circuits.clear();
        let (blocks, entries) = self.entries(chunk)?;
        for start in (0..chunk.count as usize).step_by(BLOCK_CIRCUITS) {
            let number = start / BLOCK_CIRCUITS;
            let own = &entries[number.saturating_sub(1) * ENTRY_BYTES..(number + 1) * ENTRY_BYTES];
            let (range, check) = block_at(blocks.len(), chunk.count, number, own)?;
            let bytes = &blocks[range];
            self.check_block(chunk.span(), number, bytes, check)?;
            let mut block = self.open_block(chunk.span(), number, bytes)?;
            let (mut rest, angles) = block.circuits(0..block.records, self, circuits)?;
            if circuits.total() > MAX_CHUNK_LETTERS || !rest.ends_in_padding() || !angles.is_empty() {
                return Err(Damage::Circuit);
            }
        }
        Ok(())
    }

    /// Appends the circuit at `position` of a chunk to `circuits`. Only its block is checked.
    ///
    /// # Errors
    /// The damage that was found; then `circuits` is unchanged.
    ///
    /// # Panics
    /// If the chunk has no such position.
    pub fn circuit(&self, chunk: &ChunkRef<'_>, position: usize, circuits: &mut Circuits) -> Decoded<()> {
        let (column, buffer) = (chunk.circuits, &mut Vec::new());
        self.circuits_at(chunk.span(), column.len(), &[position], buffer, &mut copying(column), circuits)
    }

    /// Appends the circuits at `positions` of a chunk to `circuits`. Only their blocks are checked,
    /// unless they were before. The column has `len` bytes; `buffer` is reused.
    ///
    /// # Errors
    /// The damage that was found, or the error of `column`; then the contents of `circuits` are
    /// undefined.
    ///
    /// # Panics
    /// If the chunk has no such position.
    pub fn circuits_at<E: From<Damage>>(
        &self,
        span: ChunkSpan,
        len: usize,
        positions: &[usize],
        buffer: &mut Vec<u8>,
        column: &mut impl ReadColumn<E>,
        circuits: &mut Circuits,
    ) -> Result<(), E> {
        let list = circuits_list(span.count, len)?;
        for positions in positions.chunk_by(|a, b| a / BLOCK_CIRCUITS == b / BLOCK_CIRCUITS) {
            let mut block = self.fetch_block(span, list, positions[0] / BLOCK_CIRCUITS, buffer, column)?;
            for &position in positions {
                assert!((position as u64) < span.count, "positions within the chunk");
                let record = position % BLOCK_CIRCUITS;
                block.circuits(record..record + 1, self, circuits)?;
            }
        }
        Ok(())
    }

    /// Appends the circuits at consecutive `positions` of a chunk to `circuits`, with the errors and
    /// panics of [`circuits_at`](Codec::circuits_at).
    pub fn circuits_in<E: From<Damage>>(
        &self,
        span: ChunkSpan,
        len: usize,
        mut positions: Range<usize>,
        buffer: &mut Vec<u8>,
        column: &mut impl ReadColumn<E>,
        circuits: &mut Circuits,
    ) -> Result<(), E> {
        assert!(positions.end as u64 <= span.count, "positions within the chunk");
        let list = circuits_list(span.count, len)?;
        while !positions.is_empty() {
            let (number, within) = (positions.start / BLOCK_CIRCUITS, positions.start % BLOCK_CIRCUITS);
            let mut block = self.fetch_block(span, list, number, buffer, column)?;
            let records = within..block.records.min(within + positions.len());
            positions.start += records.len();
            block.circuits(records, self, circuits)?;
        }
        Ok(())
    }

    /// Returns the range of the list entry of the block with the circuit at `position` in a column
    /// of `len` bytes, and the approximate range of the block itself: all blocks have about the
    /// same length.
    pub fn circuit_block(&self, count: u64, len: usize, position: usize) -> (Range<usize>, Range<usize>) {
        let blocks = count.div_ceil(BLOCK_CIRCUITS as u64) as usize;
        let number = position / BLOCK_CIRCUITS;
        let list = len.saturating_sub(blocks * ENTRY_BYTES);
        let entry = list + number * ENTRY_BYTES;
        let mean = list / blocks.max(1);
        let begin = (number * mean).saturating_sub(mean / 4);
        (entry.saturating_sub(ENTRY_BYTES)..entry + ENTRY_BYTES, begin..begin + mean + mean / 2)
    }

    /// Returns the blocks, and the list of entries behind them.
    pub(crate) fn entries<'a>(&self, chunk: &ChunkRef<'a>) -> Decoded<(&'a [u8], &'a [u8])> {
        Ok(chunk.circuits.split_at(circuits_list(chunk.count, chunk.circuits.len())?))
    }

    /// Fetches block `number` into `buffer` and checks it, unless it was checked before; the entries
    /// begin at `list` in the column.
    fn fetch_block<'a, E: From<Damage>>(
        &self,
        span: ChunkSpan,
        list: usize,
        number: usize,
        buffer: &'a mut Vec<u8>,
        column: &mut impl ReadColumn<E>,
    ) -> Result<CircuitBlock<'a>, E> {
        let mut entries = [0; 2 * ENTRY_BYTES];
        // The entry of the previous block gives the beginning of a block.
        let own = &mut entries[..ENTRY_BYTES * (number.min(1) + 1)];
        column.fetch(list + number.saturating_sub(1) * ENTRY_BYTES, own)?;
        let (range, check) = block_at(list, span.count, number, own)?;
        let bytes = room(buffer, range.len());
        column.fetch(range.start, bytes)?;
        if !column.is_checked(number) {
            self.check_block(span, number, bytes, check)?;
            column.set_checked(number);
        }
        Ok(self.open_block(span, number, bytes)?)
    }

    /// Checks the bytes of block `number`.
    fn check_block(&self, span: ChunkSpan, number: usize, bytes: &[u8], check: u64) -> Decoded<()> {
        let first = span.first_id + (number * BLOCK_CIRCUITS) as u64;
        if check == self.circuits_check(first, bytes) {
            return Ok(());
        }
        Err(Damage::Block { column: "circuits", block: number })
    }

    /// Opens block `number`.
    fn open_block<'a>(&self, span: ChunkSpan, number: usize, bytes: &'a [u8]) -> Decoded<CircuitBlock<'a>> {
        let start = number * BLOCK_CIRCUITS;
        let records = BLOCK_CIRCUITS.min(span.count as usize - start);
        let mut packed = bytes.len();
        if self.free_angles.are_stored() {
            let above = BitReader::new(bytes, 0).sum(self.length_bits, records).ok_or(Damage::Circuit)?;
            packed = self.packed_bytes(records, records * self.min + above);
        }
        let (bytes, angles) = bytes.split_at_checked(packed).ok_or(Damage::Circuit)?;
        Ok(CircuitBlock { bytes, angles, first_id: span.first_id + start as u64, records, seen: (0, 0) })
    }

    /// Returns the bytes of packed lengths and letters.
    fn packed_bytes(&self, records: usize, letters: usize) -> usize {
        (records * self.length_bits as usize + letters * self.letter_bits as usize).div_ceil(8)
    }
}

/// Returns the offset of the list of entries in a column of `count` circuits and `len` bytes.
fn circuits_list(count: u64, len: usize) -> Decoded<usize> {
    let tail = count.div_ceil(BLOCK_CIRCUITS as u64).checked_mul(ENTRY_BYTES as u64);
    let list = tail.and_then(|tail| len.checked_sub(usize::try_from(tail).ok()?));
    list.ok_or(Damage::Size("circuits"))
}

/// Returns the range of block `number` in the `len` bytes of blocks, and its check. `entries` holds
/// the entry of the block before it, if there is one, and its own.
fn block_at(len: usize, count: u64, number: usize, entries: &[u8]) -> Decoded<(Range<usize>, u64)> {
    let own = if number == 0 { 0 } else { ENTRY_BYTES };
    let begin = if number == 0 { 0 } else { read_u32(entries, 0) as usize };
    let end = read_u32(entries, own) as usize;
    let last = ((number + 1) * BLOCK_CIRCUITS) as u64 >= count;
    if begin > end || end > len || last && end != len {
        return Err(Damage::Size("circuits"));
    }
    Ok((begin..end, read_u64(entries, own + 4)))
}

/// A block of circuits whose check has passed, now or before.
struct CircuitBlock<'a> {
    bytes: &'a [u8],
    /// The stored angles of its circuits.
    angles: &'a [u8],
    first_id: u64,
    records: usize,
    /// A record, and the sum of the packed lengths before it.
    seen: (usize, usize),
}

impl<'a> CircuitBlock<'a> {
    /// Appends the circuits of consecutive records of the block and returns a reader of the bits
    /// after their letters, and the angles after theirs. Letters follow each other across circuits
    /// and are read in one call. If it fails, `circuits` is unchanged.
    fn circuits(
        &mut self,
        records: Range<usize>,
        codec: &Codec,
        circuits: &mut Circuits,
    ) -> Decoded<(BitReader<'a>, &'a [u8])> {
        let mut above = [0; BLOCK_CIRCUITS];
        let above = &mut above[..records.len()];
        let (record, sum) = if self.seen.0 <= records.start { self.seen } else { (0, 0) };
        let mut lengths = BitReader::new(self.bytes, record * codec.length_bits as usize);
        let between = lengths.sum(codec.length_bits, records.start - record).ok_or(Damage::Circuit)?;
        let before = sum + between;
        self.seen = (records.start, before);
        if !lengths.read_all(codec.length_bits, codec.lengths, above) {
            return Err(Damage::Circuit);
        }
        let (letters, ends) = circuits.buffers();
        let (known, start) = (ends.len(), letters.len());
        let mut end = start;
        ends.extend(above.iter().map(|&above| {
            end += codec.min + usize::from(above);
            end
        }));
        let before = records.start * codec.min + before;
        let first_bit = self.records * codec.length_bits as usize + before * codec.letter_bits as usize;
        let mut reader = BitReader::new(self.bytes, first_bit);
        letters.resize(end, 0);
        if !reader.read_all(codec.letter_bits, codec.letters, &mut letters[start..]) {
            letters.truncate(start);
            ends.truncate(known);
            return Err(Damage::Circuit);
        }
        let ids = self.first_id + records.start as u64..self.first_id + records.end as u64;
        if codec.drawn_code.is_some() {
            circuits.draw(ids.clone());
        }
        codec.free_angles.draw(ids, circuits);
        match self.stored_angles(before, known, codec, circuits) {
            Ok(rest) => Ok((reader, rest)),
            Err(damage) => {
                circuits.truncate(known);
                Err(damage)
            }
        }
    }

    /// Appends the stored angles of the circuits from `first` on, before which the block has this
    /// many letters.
    fn stored_angles(
        &self,
        before: usize,
        first: usize,
        codec: &Codec,
        circuits: &mut Circuits,
    ) -> Decoded<&'a [u8]> {
        if !codec.free_angles.are_stored() {
            return Ok(self.angles);
        }
        let mut letters = vec![0; before];
        let mut reader = BitReader::new(self.bytes, self.records * codec.length_bits as usize);
        if !reader.read_all(codec.letter_bits, codec.letters, &mut letters) {
            return Err(Damage::Circuit);
        }
        codec.free_angles.decode(self.angles, &letters, first, circuits)
    }
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

fn read_u64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}
