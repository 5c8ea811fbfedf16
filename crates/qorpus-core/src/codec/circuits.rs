//! The column of circuits: packed lengths and letters in blocks of 64, and the list of block ends and checks.

use crate::bits::{BitReader, BitWriter};
use crate::circuit::Circuits;
use crate::codec::chunk::{ChunkRef, ChunkSpan};
use crate::codec::damage::Damage;
use crate::codec::layout::{BLOCK, Codec, ENTRY, room};
use std::ops::Range;

/// The letters of a chunk beyond which it is not believed: many times what any library would put there.
const MAX_CHUNK_LETTERS: usize = 32 << 20;

impl Codec {
    pub(crate) fn encode_circuits(&self, first_id: u64, circuits: &Circuits, out: &mut Vec<u8>) {
        out.clear();
        let mut entries = Vec::with_capacity(circuits.len().div_ceil(BLOCK) * ENTRY);
        for start in (0..circuits.len()).step_by(BLOCK) {
            let (records, begin) = (start..circuits.len().min(start + BLOCK), out.len());
            let mut writer = BitWriter::new(out);
            let mut lengths = [0; BLOCK];
            for (length, record) in lengths.iter_mut().zip(records.clone()) {
                *length = (circuits.get(record).len() - self.min) as u16;
            }
            writer.write_all(&lengths[..records.len()], self.length_bits);
            writer.write_all(circuits.letters(records), self.letter_bits);
            writer.finish();
            entries.extend_from_slice(&(out.len() as u32).to_le_bytes());
            let check = self.circuits_check(first_id + start as u64, &out[begin..]);
            entries.extend_from_slice(&check.to_le_bytes());
        }
        out.extend_from_slice(&entries);
    }

    /// Replaces the contents of `circuits` by those of a chunk, checking every block.
    pub(crate) fn decode_circuits(
        &self,
        chunk: &ChunkRef<'_>,
        circuits: &mut Circuits,
    ) -> Result<(), Damage> {
        circuits.clear();
        let (blocks, entries) = self.entries(chunk)?;
        for start in (0..chunk.count as usize).step_by(BLOCK) {
            let number = start / BLOCK;
            let own = &entries[number.saturating_sub(1) * ENTRY..(number + 1) * ENTRY];
            let (range, check) = block_at(blocks.len(), chunk.count, number, own)?;
            let mut block = self.open_block(chunk.span(), number, &blocks[range], check)?;
            let before = circuits.len();
            block.circuits(0..block.records, self, circuits)?;
            if circuits.letters(0..before + block.records).len() > MAX_CHUNK_LETTERS {
                return Err(Damage::Circuit);
            }
            if !block.letters.ends_in_padding() {
                return Err(Damage::Circuit);
            }
        }
        Ok(())
    }

    /// Appends the circuit of the record at `position` in the chunk to `circuits`, checking its block alone.
    ///
    /// # Errors
    /// What is damaged; then `circuits` is unchanged.
    ///
    /// # Panics
    /// If the chunk has no such position.
    pub fn circuit(
        &self,
        chunk: &ChunkRef<'_>,
        position: usize,
        circuits: &mut Circuits,
    ) -> Result<(), Damage> {
        let mut fetch = |at: usize, out: &mut [u8]| {
            out.copy_from_slice(&chunk.circuits[at..at + out.len()]);
            Ok::<(), Damage>(())
        };
        let len = chunk.circuits.len();
        self.circuits_at(chunk.span(), len, &[position], &mut Vec::new(), &mut fetch, circuits)
    }

    /// Appends the circuits at `positions` of a chunk to `circuits`, checking their blocks alone. The column has
    /// `len` bytes, of which `fetch` copies those from a place on; `buffer` is for its memory.
    ///
    /// # Errors
    /// What is damaged, or what `fetch` returns; then `circuits` holds nothing of use.
    ///
    /// # Panics
    /// If the positions do not ascend (they may repeat), or the chunk has no such position.
    pub fn circuits_at<E: From<Damage>>(
        &self,
        span: ChunkSpan,
        len: usize,
        positions: &[usize],
        buffer: &mut Vec<u8>,
        fetch: &mut impl FnMut(usize, &mut [u8]) -> Result<(), E>,
        circuits: &mut Circuits,
    ) -> Result<(), E> {
        let list = circuits_list(span.count, len)?;
        for positions in positions.chunk_by(|a, b| a / BLOCK == b / BLOCK) {
            let mut block = self.fetch_block(span, list, positions[0] / BLOCK, buffer, fetch)?;
            let (mut before, mut record) = (0, 0);
            for &position in positions {
                assert!(
                    record <= position % BLOCK && (position as u64) < span.count,
                    "positions ascend within the chunk"
                );
                before += block.lengths(position % BLOCK - record, self)?;
                record = position % BLOCK;
                // The next position may be the same one.
                let lengths = block.lengths.clone();
                let length = block.length(self)?;
                block.lengths = lengths;
                block.letters = block.letters_from(self, before);
                circuits.push_with(|letters| block.next_letters(length, self, letters));
                if circuits.get(circuits.len() - 1).len() != length {
                    return Err(Damage::Circuit.into());
                }
            }
        }
        Ok(())
    }

    /// Appends the circuits at consecutive `positions` of a chunk to `circuits`, as [`Codec::circuits_at`] does.
    ///
    /// # Errors
    /// What is damaged, or what `fetch` returns; then `circuits` holds nothing of use.
    ///
    /// # Panics
    /// If the chunk has no such positions.
    pub fn circuits_in<E: From<Damage>>(
        &self,
        span: ChunkSpan,
        len: usize,
        mut positions: Range<usize>,
        buffer: &mut Vec<u8>,
        fetch: &mut impl FnMut(usize, &mut [u8]) -> Result<(), E>,
        circuits: &mut Circuits,
    ) -> Result<(), E> {
        assert!(positions.end as u64 <= span.count, "positions within the chunk");
        let list = circuits_list(span.count, len)?;
        while !positions.is_empty() {
            let (number, within) = (positions.start / BLOCK, positions.start % BLOCK);
            let mut block = self.fetch_block(span, list, number, buffer, fetch)?;
            let records = within..block.records.min(within + positions.len());
            positions.start += records.len();
            block.circuits(records, self, circuits)?;
        }
        Ok(())
    }

    /// Where in the column of circuits of `len` bytes the entry of the block with the circuit at `position` stands,
    /// and about where the block itself: all blocks are about as long.
    pub fn circuit_block(&self, count: u64, len: usize, position: usize) -> (Range<usize>, Range<usize>) {
        let (blocks, number) = (count.div_ceil(BLOCK as u64) as usize, position / BLOCK);
        let list = len.saturating_sub(blocks * ENTRY);
        let (entry, mean) = (list + number * ENTRY, list / blocks.max(1));
        let begin = (number * mean).saturating_sub(mean / 4);
        (entry.saturating_sub(ENTRY)..entry + ENTRY, begin..begin + mean + mean / 2)
    }

    /// The list of entries behind the circuits.
    pub(crate) fn entries<'a>(&self, chunk: &ChunkRef<'a>) -> Result<(&'a [u8], &'a [u8]), Damage> {
        Ok(chunk.circuits.split_at(circuits_list(chunk.count, chunk.circuits.len())?))
    }

    /// Fetches block `number` of the circuits into `buffer` and checks it; the `list` of entries begins there in the column.
    fn fetch_block<'a, E: From<Damage>>(
        &self,
        span: ChunkSpan,
        list: usize,
        number: usize,
        buffer: &'a mut Vec<u8>,
        fetch: &mut impl FnMut(usize, &mut [u8]) -> Result<(), E>,
    ) -> Result<CircuitBlock<'a>, E> {
        let mut entries = [0; 2 * ENTRY];
        // The entry of the block before it tells where a block begins.
        let own = &mut entries[..ENTRY * (number.min(1) + 1)];
        fetch(list + number.saturating_sub(1) * ENTRY, own)?;
        let (range, check) = block_at(list, span.count, number, own)?;
        let bytes = room(buffer, range.len());
        fetch(range.start, bytes)?;
        Ok(self.open_block(span, number, bytes, check)?)
    }

    /// Checks block `number` of the circuits, whose bytes these are.
    fn open_block<'a>(
        &self,
        span: ChunkSpan,
        number: usize,
        bytes: &'a [u8],
        check: u64,
    ) -> Result<CircuitBlock<'a>, Damage> {
        let start = number * BLOCK;
        if check != self.circuits_check(span.first_id + start as u64, bytes) {
            return Err(Damage::Block { column: "circuits", block: number });
        }
        let records = BLOCK.min(span.count as usize - start);
        let start = BitReader::new(bytes, 0);
        let mut block = CircuitBlock { bytes, records, lengths: start.clone(), letters: start };
        block.letters = block.letters_from(self, 0);
        Ok(block)
    }
}

/// Where in the column of `count` circuits, which has `len` bytes, the list of entries begins.
fn circuits_list(count: u64, len: usize) -> Result<usize, Damage> {
    let tail = count.div_ceil(BLOCK as u64).checked_mul(ENTRY as u64);
    let list = tail.and_then(|tail| len.checked_sub(usize::try_from(tail).ok()?));
    list.ok_or(Damage::Size("circuits"))
}

/// Where block `number` stands in the `len` bytes of blocks, and its check, by the entries of the block before it,
/// if there is one, and its own.
fn block_at(len: usize, count: u64, number: usize, entries: &[u8]) -> Result<(Range<usize>, u64), Damage> {
    let own = if number == 0 { 0 } else { ENTRY };
    let begin = if number == 0 { 0 } else { read_u32(entries, 0) as usize };
    let end = read_u32(entries, own) as usize;
    let last = ((number + 1) * BLOCK) as u64 >= count;
    if begin > end || end > len || last && end != len {
        return Err(Damage::Size("circuits"));
    }
    Ok((begin..end, read_u64(entries, own + 4)))
}

/// A block of circuits whose check has passed.
struct CircuitBlock<'a> {
    bytes: &'a [u8],
    records: usize,
    lengths: BitReader<'a>,
    letters: BitReader<'a>,
}

impl<'a> CircuitBlock<'a> {
    /// Appends the circuits of consecutive records of the block: their letters follow each other, whatever circuits they
    /// are of, and are read in one go.
    fn circuits(
        &mut self,
        records: Range<usize>,
        codec: &Codec,
        circuits: &mut Circuits,
    ) -> Result<(), Damage> {
        let mut above = [0; BLOCK];
        let above = &mut above[..records.len()];
        let before = self.lengths(records.start, codec)?;
        if !self.lengths.read_all(codec.length_bits, codec.lengths, above) {
            return Err(Damage::Circuit);
        }
        let (letters, ends) = circuits.buffers();
        let start = letters.len();
        let mut end = start;
        ends.extend(above.iter().map(|&above| {
            end += codec.min + usize::from(above);
            end
        }));
        self.letters = self.letters_from(codec, before);
        let known = self.letters.read_many(codec.letter_bits, end - start, codec.letters, letters);
        if known && letters.len() == end { Ok(()) } else { Err(Damage::Circuit) }
    }

    /// The next circuit's length.
    fn length(&mut self, codec: &Codec) -> Result<usize, Damage> {
        let above = self.lengths.read(codec.length_bits).ok_or(Damage::Circuit)?;
        if usize::from(above) < codec.lengths {
            Ok(codec.min + usize::from(above))
        } else {
            Err(Damage::Circuit)
        }
    }

    /// The next so many circuits' lengths together, whether they may be or not.
    fn lengths(&mut self, records: usize, codec: &Codec) -> Result<usize, Damage> {
        let above = self.lengths.sum(codec.length_bits, records).ok_or(Damage::Circuit)?;
        Ok(records * codec.min + above)
    }

    /// A reader at the letter behind the first `before` letters of the block.
    fn letters_from(&self, codec: &Codec, before: usize) -> BitReader<'a> {
        BitReader::new(
            self.bytes,
            self.records * codec.length_bits as usize + before * codec.letter_bits as usize,
        )
    }

    /// Appends the next letters: fewer than `length` if the block ends or a number is no letter.
    fn next_letters(&mut self, length: usize, codec: &Codec, out: &mut Vec<u16>) {
        let start = out.len();
        if !self.letters.read_many(codec.letter_bits, length, codec.letters, out) {
            let known =
                out[start..].iter().take_while(|&&letter| usize::from(letter) < codec.letters).count();
            out.truncate(start + known);
        }
    }
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

fn read_u64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}
