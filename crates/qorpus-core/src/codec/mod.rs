//! The codec: records to the bytes of a chunk and back. `docs/format.md` is the specification.
//!
//! Circuits are packed in blocks of 64, unitaries stand as a plain array; behind each column follows a list of
//! checks, one a block, so that reading one record checks about a kilobyte and not the whole chunk.

pub(crate) mod chunk;

use crate::bits;
use crate::bits::{BitReader, BitWriter};
use crate::circuit::Circuits;
use crate::codec::chunk::{Chunk, ChunkRef, ContentHash, Damage};
use crate::labels::builder::{Labels, PackedLabels};
use crate::recipe::{Dtype, Recipe};
use num_complex::Complex64;
use std::ops::Range;
use twox_hash::XxHash3_64;
use xxhash_rust::xxh3::xxh3_64;

/// Circuits in a block.
const BLOCK: usize = 64;
/// Bytes of a circuits block's entry in the list behind the blocks: its end (u32) and its check (u64).
const ENTRY: usize = 12;
/// Bytes of a unitaries block, if at least one unitary fits.
const UNITARY_BLOCK_BYTES: usize = 1024;
/// About how many bytes of unitaries are copied at a time; then they are checked, still near.
const PIECE_BYTES: usize = 4096;
/// Bytes of the check of a unitaries block, or of labels.
const CHECK: usize = 8;
/// The letters of a chunk beyond which it is not believed: many times what any library would put there.
const MAX_CHUNK_LETTERS: usize = 32 << 20;

/// Writes and reads the chunks of one recipe.
#[derive(Debug, Clone)]
pub struct Codec {
    letters: usize,
    letter_bits: u32,
    min: usize,
    lengths: usize,
    length_bits: u32,
    stored: Option<Dtype>,
    labelled: bool,
    codes: Vec<u64>,
    seed: u64,
    /// Bytes of a stored unitary, or 0.
    unitary_bytes: usize,
    /// There are two to this power of stored unitaries in a block.
    block_bits: u32,
}

/// Which records a chunk holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkSpan {
    /// Id of the first one.
    pub first_id: u64,
    /// How many there are.
    pub count: u64,
}

impl Codec {
    /// The codec of `recipe`.
    pub fn new(recipe: &Recipe) -> Codec {
        let (alphabet, (min, max)) = (recipe.alphabet(), recipe.space().lengths());
        let [a, b, c, d, e, f, g, h, ..] = recipe.hash();
        let stored = recipe.stores_unitaries().then(|| recipe.dtype());
        let unitary_bytes = stored.map_or(0, |dtype| alphabet.dim() * alphabet.dim() * dtype.bytes());
        Codec {
            letters: alphabet.letters().len(),
            letter_bits: bits::width(alphabet.letters().len()),
            min,
            lengths: max - min + 1,
            length_bits: bits::width(max - min + 1),
            stored,
            labelled: recipe.space().is_appended(),
            codes: alphabet.letters().iter().map(|letter| xxh3_64(letter.text.as_bytes())).collect(),
            seed: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            unitary_bytes,
            block_bits: (UNITARY_BLOCK_BYTES / unitary_bytes.max(1)).max(1).ilog2(),
        }
    }

    /// Encodes `circuits`, whose ids count up from `first_id`, with their `unitaries` (empty if not stored).
    ///
    /// # Panics
    /// If there are not exactly as many unitaries as circuits when the recipe stores them.
    pub fn encode(&self, first_id: u64, circuits: &Circuits, unitaries: &[Complex64], chunk: &mut Chunk) {
        let mut bytes = Vec::new();
        if let Some(dtype) = self.stored {
            let plain_bytes = circuits.len() * self.unitary_bytes();
            bytes.reserve_exact(plain_bytes + plain_bytes.div_ceil(self.block_bytes()) * CHECK);
            dtype.encode(unitaries, &mut bytes);
        }
        self.encode_stored(first_id, circuits, bytes, chunk);
    }

    /// Adds the labels of the records `rows` to a chunk that holds these records.
    ///
    /// # Panics
    /// If the recipe has no labels, or the chunk another number of records.
    pub fn encode_labels(&self, labels: &Labels, rows: Range<usize>, chunk: &mut Chunk) {
        assert!(self.labelled && rows.len() as u64 == chunk.count, "labels for each record");
        let mut column = labels.encode(rows);
        chunk.labels = (!column.is_empty()).then(|| {
            let check = self.labels_check(chunk.first_id, &column);
            column.extend_from_slice(&check.to_le_bytes());
            column
        });
        chunk.checksum = self.checksum(&chunk.as_ref()).unwrap_or_default();
    }

    /// The same as [`encode`](Codec::encode) with unitaries that are bytes already, as the recipe stores them.
    ///
    /// # Panics
    /// If there are not exactly as many unitaries as circuits when the recipe stores them.
    pub fn encode_stored(&self, first_id: u64, circuits: &Circuits, unitaries: Vec<u8>, chunk: &mut Chunk) {
        chunk.first_id = first_id;
        chunk.count = circuits.len() as u64;
        chunk.labels = None;
        self.encode_circuits(first_id, circuits, &mut chunk.circuits);
        chunk.unitaries = self.stored.map(|_| {
            let mut column = unitaries;
            let plain_bytes = circuits.len() * self.unitary_bytes();
            assert_eq!(column.len(), plain_bytes, "one unitary for each circuit");
            for block in 0..plain_bytes.div_ceil(self.block_bytes()) {
                let first = first_id + (block * self.block_unitaries()) as u64;
                let bytes =
                    &column[block * self.block_bytes()..plain_bytes.min((block + 1) * self.block_bytes())];
                let check = self.unitaries_check(first, bytes);
                column.extend_from_slice(&check.to_le_bytes());
            }
            column
        });
        chunk.content = self.content(first_id, circuits, chunk.unitaries.as_deref().unwrap_or_default());
        chunk.checksum = self.checksum(&chunk.as_ref()).unwrap_or_default();
    }

    fn encode_circuits(&self, first_id: u64, circuits: &Circuits, out: &mut Vec<u8>) {
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

    /// Checks every byte of a chunk and replaces the contents of `circuits` by its circuits.
    ///
    /// # Errors
    /// What is damaged; then `circuits` holds nothing of use.
    pub fn decode(&self, chunk: &ChunkRef<'_>, circuits: &mut Circuits) -> Result<(), Damage> {
        if self.checksum(chunk)? != chunk.checksum {
            return Err(Damage::Checksum);
        }
        circuits.clear();
        let count = chunk.count as usize;
        let (blocks, entries) = self.entries(chunk)?;
        for start in (0..count).step_by(BLOCK) {
            let number = start / BLOCK;
            let own = &entries[number.saturating_sub(1) * ENTRY..(number + 1) * ENTRY];
            let (range, check) = block_at(blocks.len(), chunk.count, number, own)?;
            let mut block = self.open_block(place(chunk), number, &blocks[range], check)?;
            let before = circuits.len();
            block.circuits(0..block.records, self, circuits)?;
            if circuits.letters(0..before + block.records).len() > MAX_CHUNK_LETTERS {
                return Err(Damage::Circuit);
            }
            if !block.letters.ends_in_padding() {
                return Err(Damage::Circuit);
            }
        }
        self.labels(place(chunk), chunk.labels)?.check()?;
        let unitaries = self.unitaries(chunk, 0..count)?;
        if self.content(chunk.first_id, circuits, unitaries) != chunk.content {
            return Err(Damage::Content);
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
        self.circuits_at(place(chunk), len, &[position], &mut Vec::new(), &mut fetch, circuits)
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
        place: ChunkSpan,
        len: usize,
        positions: &[usize],
        buffer: &mut Vec<u8>,
        fetch: &mut impl FnMut(usize, &mut [u8]) -> Result<(), E>,
        circuits: &mut Circuits,
    ) -> Result<(), E> {
        let list = circuits_list(place.count, len)?;
        for positions in positions.chunk_by(|a, b| a / BLOCK == b / BLOCK) {
            let mut block = self.fetch_block(place, list, positions[0] / BLOCK, buffer, fetch)?;
            let (mut before, mut record) = (0, 0);
            for &position in positions {
                assert!(
                    record <= position % BLOCK && (position as u64) < place.count,
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
        place: ChunkSpan,
        len: usize,
        mut positions: Range<usize>,
        buffer: &mut Vec<u8>,
        fetch: &mut impl FnMut(usize, &mut [u8]) -> Result<(), E>,
        circuits: &mut Circuits,
    ) -> Result<(), E> {
        assert!(positions.end as u64 <= place.count, "positions within the chunk");
        let list = circuits_list(place.count, len)?;
        while !positions.is_empty() {
            let (number, within) = (positions.start / BLOCK, positions.start % BLOCK);
            let mut block = self.fetch_block(place, list, number, buffer, fetch)?;
            let records = within..block.records.min(within + positions.len());
            positions.start += records.len();
            block.circuits(records, self, circuits)?;
        }
        Ok(())
    }

    /// Calls `emit` with the stored unitary at each of `positions` and its place among them, checking their blocks
    /// alone. The column has `len` bytes, of which `fetch` copies those from a place on; `buffer` is for its memory.
    ///
    /// # Errors
    /// What is damaged, or what `fetch` returns.
    ///
    /// # Panics
    /// If the recipe stores no unitaries.
    pub fn unitaries_at<E: From<Damage>>(
        &self,
        place: ChunkSpan,
        len: usize,
        positions: &[usize],
        buffer: &mut Vec<u8>,
        fetch: &mut impl FnMut(usize, &mut [u8]) -> Result<(), E>,
        emit: &mut impl FnMut(usize, &[u8]),
    ) -> Result<(), E> {
        let (size, bits, mask) = (self.unitary_bytes, self.block_bits, self.block_unitaries() - 1);
        self.check_unitaries_len(place.count, len)?;
        let mut index = 0;
        for positions in positions.chunk_by(|a, b| a >> bits == b >> bits) {
            let (block, check) = self.unitary_block(place.count, positions[0]);
            let bytes = room(buffer, block.len());
            fetch(block.start, bytes)?;
            self.check_unitaries(place, positions[0] >> bits, bytes, check, fetch)?;
            for position in positions {
                emit(index, &bytes[(position & mask) * size..][..size]);
                index += 1;
            }
        }
        Ok(())
    }

    /// Writes the stored unitaries at consecutive `positions` of a chunk to `out`, as [`Codec::unitaries_at`] does.
    ///
    /// # Errors
    /// What is damaged, or what `fetch` returns.
    ///
    /// # Panics
    /// If the recipe stores no unitaries, the chunk no such positions, or `out` has not exactly their bytes.
    pub fn unitaries_in<E: From<Damage>>(
        &self,
        place: ChunkSpan,
        len: usize,
        mut positions: Range<usize>,
        buffer: &mut Vec<u8>,
        fetch: &mut impl FnMut(usize, &mut [u8]) -> Result<(), E>,
        mut out: &mut [u8],
    ) -> Result<(), E> {
        let (size, in_block) = (self.unitary_bytes, self.block_unitaries());
        assert_eq!(out.len(), positions.len() * size, "room for the unitaries");
        assert!(positions.end as u64 <= place.count, "positions within the chunk");
        self.check_unitaries_len(place.count, len)?;
        while !positions.is_empty() {
            let (block, check) = self.unitary_block(place.count, positions.start);
            let last = block.end == place.count as usize * size;
            let is_whole = positions.start.is_multiple_of(in_block) && positions.len() * size >= block.len();
            if !is_whole {
                // Only some of its unitaries are wanted, but all of them are checked.
                let bytes = room(buffer, block.len());
                fetch(block.start, bytes)?;
                self.check_unitaries(place, positions.start >> self.block_bits, bytes, check, fetch)?;
                let skipped = positions.start * size - block.start;
                let (part, rest) = out.split_at_mut((block.len() - skipped).min(out.len()));
                part.copy_from_slice(&bytes[skipped..][..part.len()]);
                positions.start += part.len() / size;
                out = rest;
                continue;
            }
            // Blocks that are wanted as a whole need no buffer; some at once are copied faster.
            let blocks =
                if last { 1 } else { (out.len() / block.len()).clamp(1, (PIECE_BYTES / block.len()).max(1)) };
            let (piece, rest) = out.split_at_mut(blocks * block.len());
            fetch(block.start, piece)?;
            for (number, bytes) in piece.chunks_exact(block.len()).enumerate() {
                let block = (positions.start >> self.block_bits) + number;
                self.check_unitaries(place, block, bytes, check + number * CHECK, fetch)?;
            }
            positions.start += piece.len() / size;
            out = rest;
        }
        Ok(())
    }

    /// Whether the column of `count` stored unitaries has as many bytes as it should.
    fn check_unitaries_len(&self, count: u64, len: usize) -> Result<(), Damage> {
        assert!(self.unitary_bytes > 0, "unitaries are computed, not stored");
        let blocks = (count >> self.block_bits) + u64::from(count & (self.block_unitaries() as u64 - 1) > 0);
        let plain = count.checked_mul(self.unitary_bytes as u64);
        let expected = plain.and_then(|plain| plain.checked_add(blocks.checked_mul(CHECK as u64)?));
        if expected == Some(len as u64) { Ok(()) } else { Err(Damage::Size("unitaries")) }
    }

    /// Where in the column of `count` unitaries the block with the one at `position` stands, and where its check.
    pub fn unitary_block(&self, count: u64, position: usize) -> (Range<usize>, usize) {
        let (block, plain) = (position >> self.block_bits, count as usize * self.unitary_bytes);
        let start = block * self.block_bytes();
        (start..plain.min(start + self.block_bytes()), plain + block * CHECK)
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

    /// Checks a block of unitaries, whose `check` stands there in the column.
    #[inline]
    fn check_unitaries<E: From<Damage>>(
        &self,
        place: ChunkSpan,
        block: usize,
        bytes: &[u8],
        check: usize,
        fetch: &mut impl FnMut(usize, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut expected = [0; CHECK];
        fetch(check, &mut expected)?;
        let first = place.first_id + ((block as u64) << self.block_bits);
        if u64::from_le_bytes(expected) == self.unitaries_check(first, bytes) {
            return Ok(());
        }
        Err(Damage::Block { column: "unitaries", block }.into())
    }

    /// The labels that came with the records of a chunk, whose column this is, after checking all of it.
    ///
    /// # Errors
    /// What is damaged.
    pub fn labels<'a>(&self, place: ChunkSpan, column: Option<&'a [u8]>) -> Result<PackedLabels<'a>, Damage> {
        let Some(column) = column else { return Ok(PackedLabels::default()) };
        let records = usize::try_from(place.count).map_err(|_| Damage::Labels)?;
        let (bytes, check) = split_tail(column, 1, CHECK).ok_or(Damage::Size("labels"))?;
        if !self.labelled {
            return Err(Damage::Labels);
        }
        if read_u64(check, 0) != self.labels_check(place.first_id, bytes) {
            return Err(Damage::Block { column: "labels", block: 0 });
        }
        PackedLabels::new(bytes, records)
    }

    /// The stored unitaries of the records at `positions`, row-major and little-endian, checking their blocks
    /// alone; empty if the recipe stores none.
    ///
    /// # Errors
    /// What is damaged.
    pub fn unitaries<'a>(&self, chunk: &ChunkRef<'a>, positions: Range<usize>) -> Result<&'a [u8], Damage> {
        let (column, size) = match (chunk.unitaries, self.unitary_bytes()) {
            (None, 0) => return Ok(&[]),
            (Some(column), size) if size > 0 => (column, size),
            _ => return Err(Damage::Size("unitaries")),
        };
        let (plain, checks) = self.split_unitaries(chunk.count, column)?;
        let block_unitaries = self.block_unitaries();
        for block in positions.start / block_unitaries..positions.end.div_ceil(block_unitaries) {
            let bytes = plain.chunks(self.block_bytes()).nth(block).unwrap_or_default();
            let first = chunk.first_id + (block * block_unitaries) as u64;
            if read_u64(checks, block * CHECK) != self.unitaries_check(first, bytes) {
                return Err(Damage::Block { column: "unitaries", block });
            }
        }
        Ok(&plain[positions.start * size..positions.end * size])
    }

    /// At most how many bytes the circuits and unitaries of so many records take that have so many letters together.
    pub fn columns_bytes(&self, records: usize, letters: usize) -> usize {
        let bits = records * self.length_bits as usize + letters * self.letter_bits as usize;
        // Each block is padded to a whole byte.
        let circuits = bits / 8 + records.div_ceil(BLOCK) * (1 + ENTRY);
        let checks = if self.stored.is_some() { records.div_ceil(self.block_unitaries()) * CHECK } else { 0 };
        circuits + records * self.unitary_bytes() + checks
    }

    /// Bytes of a stored unitary; 0 if the recipe stores none.
    pub fn unitary_bytes(&self) -> usize {
        self.unitary_bytes
    }

    fn block_unitaries(&self) -> usize {
        1 << self.block_bits
    }

    fn block_bytes(&self) -> usize {
        self.block_unitaries() * self.unitary_bytes().max(1)
    }

    fn circuits_check(&self, first_id: u64, bytes: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(self.seed ^ first_id, bytes)
    }

    fn unitaries_check(&self, first_id: u64, bytes: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(self.seed ^ !first_id, bytes)
    }

    fn labels_check(&self, first_id: u64, bytes: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(self.seed ^ first_id ^ 1 << 63, bytes)
    }

    /// The list of entries behind the circuits.
    fn entries<'a>(&self, chunk: &ChunkRef<'a>) -> Result<(&'a [u8], &'a [u8]), Damage> {
        split_tail(chunk.circuits, chunk.count.div_ceil(BLOCK as u64), ENTRY).ok_or(Damage::Size("circuits"))
    }

    fn split_unitaries<'a>(&self, count: u64, column: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Damage> {
        let damage = Damage::Size("unitaries");
        let blocks = count.div_ceil(self.block_unitaries() as u64);
        let (plain, checks) = split_tail(column, blocks, CHECK).ok_or(damage)?;
        let expected = count.checked_mul(self.unitary_bytes() as u64);
        if expected == Some(plain.len() as u64) { Ok((plain, checks)) } else { Err(damage) }
    }

    fn checksum(&self, chunk: &ChunkRef<'_>) -> Result<u64, Damage> {
        let mut sealed = Vec::with_capacity(4096);
        sealed.extend_from_slice(&chunk.first_id.to_le_bytes());
        sealed.extend_from_slice(&chunk.count.to_le_bytes());
        sealed.extend_from_slice(&chunk.content.to_bytes());
        sealed.extend_from_slice(self.entries(chunk)?.1);
        match (chunk.unitaries, self.stored) {
            (None, None) => {}
            (Some(column), Some(_)) => sealed.extend_from_slice(self.split_unitaries(chunk.count, column)?.1),
            _ => return Err(Damage::Size("unitaries")),
        }
        if let Some(labels) = chunk.labels {
            sealed.extend_from_slice(split_tail(labels, 1, CHECK).ok_or(Damage::Size("labels"))?.1);
        }
        Ok(XxHash3_64::oneshot_with_seed(self.seed, &sealed))
    }

    fn content(&self, first_id: u64, circuits: &Circuits, unitaries: &[u8]) -> ContentHash {
        // Ids, codes and entries are all made of words of 8 bytes.
        let (mut content, mut words) = (ContentHash::default(), Vec::<u64>::new());
        let code = |&letter: &u16| self.codes[usize::from(letter)];
        if self.stored.is_some() {
            let size = self.unitary_bytes();
            for (position, circuit) in circuits.iter().enumerate() {
                words.clear();
                words.push(first_id + position as u64);
                words.extend(circuit.iter().map(code));
                let (unitary, _) = unitaries[position * size..][..size].as_chunks();
                words.extend(unitary.iter().map(|word| u64::from_le_bytes(*word)));
                content += ContentHash::of_record(bytemuck::cast_slice(&words));
            }
            return content;
        }
        for start in (0..circuits.len()).step_by(BLOCK) {
            let records = start..circuits.len().min(start + BLOCK);
            // One loop over the letters of many records: its end is foreseen more often than that of short ones.
            words.clear();
            words.push(0);
            words.extend(circuits.letters(records.clone()).iter().map(code));
            let mut begin = 0;
            for record in records {
                let end = begin + circuits.get(record).len();
                // In the place of the last code of the record before it, which has been hashed.
                words[begin] = first_id + record as u64;
                content += ContentHash::of_record(bytemuck::cast_slice(&words[begin..=end]));
                begin = end;
            }
        }
        content
    }

    /// Fetches block `number` of the circuits into `buffer` and checks it; the `list` of entries begins there in the column.
    fn fetch_block<'a, E: From<Damage>>(
        &self,
        place: ChunkSpan,
        list: usize,
        number: usize,
        buffer: &'a mut Vec<u8>,
        fetch: &mut impl FnMut(usize, &mut [u8]) -> Result<(), E>,
    ) -> Result<CircuitBlock<'a>, E> {
        let mut entries = [0; 2 * ENTRY];
        // The entry of the block before it tells where a block begins.
        let own = &mut entries[..ENTRY * (number.min(1) + 1)];
        fetch(list + number.saturating_sub(1) * ENTRY, own)?;
        let (range, check) = block_at(list, place.count, number, own)?;
        let bytes = room(buffer, range.len());
        fetch(range.start, bytes)?;
        Ok(self.open_block(place, number, bytes, check)?)
    }

    /// Checks block `number` of the circuits, whose bytes these are.
    fn open_block<'a>(
        &self,
        place: ChunkSpan,
        number: usize,
        bytes: &'a [u8],
        check: u64,
    ) -> Result<CircuitBlock<'a>, Damage> {
        let start = number * BLOCK;
        if check != self.circuits_check(place.first_id + start as u64, bytes) {
            return Err(Damage::Block { column: "circuits", block: number });
        }
        let records = BLOCK.min(place.count as usize - start);
        let start = BitReader::new(bytes, 0);
        let mut block = CircuitBlock { bytes, records, lengths: start.clone(), letters: start };
        block.letters = block.letters_from(self, 0);
        Ok(block)
    }
}

fn place(chunk: &ChunkRef<'_>) -> ChunkSpan {
    ChunkSpan { first_id: chunk.first_id, count: chunk.count }
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

/// Room for `len` bytes, whatever is in them.
fn room(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    &mut buffer[..len]
}

/// Splits off a list of `items` items of `size` bytes each at the end.
fn split_tail(column: &[u8], items: u64, size: usize) -> Option<(&[u8], &[u8])> {
    let tail = usize::try_from(items.checked_mul(size as u64)?).ok()?;
    Some(column.split_at(column.len().checked_sub(tail)?))
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

fn read_u64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::Alphabet;
    use crate::alphabet::coupling::Coupling;
    use crate::gate::Gate;
    use crate::kernel::{Kernel, Scratch};
    use crate::space::Space;
    use proptest::prelude::*;

    struct Case {
        recipe: Recipe,
        codec: Codec,
        circuits: Circuits,
        unitaries: Vec<Complex64>,
        chunk: Chunk,
    }

    /// The records 5.. of a random space, as a chunk.
    fn case(
        gates: &[&str],
        qubits: usize,
        count: u64,
        lengths: (usize, usize),
        stored: Option<Dtype>,
    ) -> Case {
        let gates = gates.iter().map(|name| Gate::standard(name).unwrap()).collect();
        let alphabet = Alphabet::new(gates, qubits, Coupling::All).unwrap();
        let space = Space::random(&alphabet, count + 5, 3, lengths.0, lengths.1).unwrap();
        let recipe = Recipe::new(alphabet, space, stored.unwrap_or(Dtype::Complex128), stored.is_some());
        let (codec, mut circuits, mut chunk) = (Codec::new(&recipe), Circuits::default(), Chunk::default());
        recipe.space().circuits(5..count + 5, &mut circuits);
        let mut unitaries = Vec::new();
        if stored.is_some() {
            unitaries.resize(circuits.len() << (2 * qubits), Complex64::ZERO);
            Kernel::new(recipe.alphabet()).unitaries(&circuits, &mut Scratch::default(), &mut unitaries);
        }
        codec.encode(5, &circuits, &unitaries, &mut chunk);
        Case { recipe, codec, circuits, unitaries, chunk }
    }

    fn comes_back(case: &Case) {
        let (chunk, mut decoded, mut singles) =
            (case.chunk.as_ref(), Circuits::default(), Circuits::default());
        case.codec.decode(&chunk, &mut decoded).unwrap();
        assert_eq!(decoded, case.circuits);
        let letters = case.circuits.letters(0..case.circuits.len()).len();
        let most = case.codec.columns_bytes(case.circuits.len(), letters);
        let bytes = chunk.circuits.len() + chunk.unitaries.map_or(0, <[u8]>::len);
        assert!((0..=case.circuits.len().div_ceil(BLOCK)).contains(&(most - bytes)));
        for position in 0..case.circuits.len() {
            case.codec.circuit(&chunk, position, &mut singles).unwrap();
            let bytes = case.codec.unitaries(&chunk, position..position + 1).unwrap();
            let dtype = case.recipe.dtype();
            let entries =
                &case.unitaries[position * bytes.len() / dtype.bytes()..][..bytes.len() / dtype.bytes()];
            let mut expected = Vec::new();
            dtype.encode(entries, &mut expected);
            let same = bytes == expected && (dtype == Dtype::Complex64 || dtype.decode(bytes) == entries);
            assert!(same, "unitary {position}");
        }
        assert_eq!(singles, case.circuits);
        let count = case.circuits.len();
        for run in [0..count, 0..1, count / 3..count, count / 2..count / 2, count / 5..count.div_ceil(2)] {
            let mut found = Circuits::default();
            runs(case, &chunk, run.clone(), &mut found).unwrap();
            assert!(found.iter().eq(run.map(|position| case.circuits.get(position))));
        }
    }

    /// The circuits at consecutive positions.
    fn runs(
        case: &Case,
        chunk: &ChunkRef<'_>,
        run: Range<usize>,
        circuits: &mut Circuits,
    ) -> Result<(), Damage> {
        let mut fetch = |at: usize, out: &mut [u8]| {
            out.copy_from_slice(&chunk.circuits[at..at + out.len()]);
            Ok::<(), Damage>(())
        };
        let len = chunk.circuits.len();
        case.codec.circuits_in(place(chunk), len, run, &mut Vec::new(), &mut fetch, circuits)
    }

    #[test]
    fn circuits_take_the_promised_room() {
        for (gates, bits) in [(&["h", "s", "t"][..], 2), (&["h", "s", "sdg", "t", "tdg"], 3)] {
            let case = case(gates, 1, 5000, (10, 10), None);
            let promised = 5000.0 * (10.0 * f64::from(bits) / 8.0) * 1.1 + 2.0 * 5000.0;
            assert!((case.chunk.circuits.len() as f64) < promised);
            assert!(case.chunk.circuits.len() < 5000 * 5);
        }
    }

    #[test]
    fn content_does_not_depend_on_the_cut() {
        let whole = case(&["h", "cx"], 2, 300, (0, 9), Some(Dtype::Complex128));
        let mut sum = ContentHash::default();
        for range in [200..300, 0..77, 77..200] {
            let (mut part, mut chunk) = (Circuits::default(), Chunk::default());
            range.clone().for_each(|record| part.push(whole.circuits.get(record).iter().copied()));
            whole.codec.encode(
                5 + range.start as u64,
                &part,
                &whole.unitaries[range.start * 16..range.end * 16],
                &mut chunk,
            );
            sum += chunk.content;
        }
        assert_eq!(sum, whole.chunk.content);
        assert_eq!(ContentHash::from_bytes(sum.to_bytes()), sum);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let intact = case(&["h", "t"], 1, 130, (2, 9), Some(Dtype::Complex64));
        let found = |chunk: &Chunk| intact.codec.decode(&chunk.as_ref(), &mut Circuits::default()).is_err();
        assert!(!found(&intact.chunk));
        let mut chunk = intact.chunk.clone();
        for bit in 0..chunk.circuits.len() * 8 {
            chunk.circuits[bit / 8] ^= 1 << (bit % 8);
            assert!(found(&chunk), "circuits bit {bit}");
            chunk.circuits[bit / 8] ^= 1 << (bit % 8);
        }
        for bit in 0..chunk.unitaries.as_ref().unwrap().len() * 8 {
            chunk.unitaries.as_mut().unwrap()[bit / 8] ^= 1 << (bit % 8);
            assert!(found(&chunk), "unitaries bit {bit}");
            chunk.unitaries.as_mut().unwrap()[bit / 8] ^= 1 << (bit % 8);
        }
        for bit in 0..64 {
            let flip = 1u64 << bit;
            let Chunk { first_id, count, checksum, content, .. } = intact.chunk;
            let flipped = |change: &dyn Fn(&mut Chunk)| {
                let mut chunk = intact.chunk.clone();
                change(&mut chunk);
                found(&chunk)
            };
            assert!(flipped(&|chunk| chunk.first_id = first_id ^ flip));
            assert!(flipped(&|chunk| chunk.count = count ^ flip));
            assert!(flipped(&|chunk| chunk.checksum = checksum ^ flip));
            assert!(flipped(&|chunk| {
                let mut bytes = content.to_bytes();
                bytes[0] ^= flip as u8;
                bytes[15] ^= (flip >> 8) as u8 | u8::from(flip > 0xffff);
                chunk.content = ContentHash::from_bytes(bytes);
            }));
        }
    }

    #[test]
    fn damage_elsewhere_does_not_touch_a_record() {
        let mut case = case(&["h", "t"], 1, 200, (5, 5), Some(Dtype::Complex128));
        case.chunk.circuits[0] ^= 1;
        case.chunk.unitaries.as_mut().unwrap()[0] ^= 1;
        let (chunk, mut circuits) = (case.chunk.as_ref(), Circuits::default());
        let damage = |column| Err(Damage::Block { column, block: 0 });
        assert_eq!(case.codec.circuit(&chunk, 63, &mut circuits), damage("circuits"));
        assert_eq!(case.codec.unitaries(&chunk, 15..16).map(drop), damage("unitaries"));
        case.codec.circuit(&chunk, 64, &mut circuits).unwrap();
        assert_eq!(circuits.get(0), case.circuits.get(64));
        assert!(case.codec.unitaries(&chunk, 16..200).is_ok());
        assert!(case.codec.unitaries(&chunk, 0..200).is_err());
    }

    #[test]
    fn a_chunk_belongs_to_its_recipe() {
        let mine = case(&["h", "t"], 1, 100, (5, 5), None);
        let other = case(&["h", "s"], 1, 100, (5, 5), None);
        let mut circuits = Circuits::default();
        assert_eq!(mine.codec.decode(&other.chunk.as_ref(), &mut circuits), Err(Damage::Checksum));
        assert!(mine.codec.circuit(&other.chunk.as_ref(), 0, &mut circuits).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn any_chunk_comes_back(
            gates in 1usize..6, qubits in 1usize..4, count in 1u64..200, min in 0usize..20, extra in 0usize..40,
            stored in prop::option::of(prop::sample::select(vec![Dtype::Complex128, Dtype::Complex64])),
        ) {
            let gates = &["h", "t", "s", "x", "rx(0.1)"][..gates];
            comes_back(&case(gates, qubits, count, (min, min + extra), stored));
        }

        #[test]
        fn hostile_bytes_never_panic(count: u64, circuits: Vec<u8>, unitaries: Option<Vec<u8>>, at in 0usize..70) {
            for stored in [None, Some(Dtype::Complex64)] {
                let case = case(&["h", "t", "s"], 1, 3, (0, 4), stored);
                // The right checks over the wrong bytes, too: a forger can compute them.
                let mut chunk = Chunk { first_id: 0, count, circuits: circuits.clone(), unitaries: unitaries.clone(), ..Chunk::default() };
                for count in [count, 1, 3, 64, 70] {
                    chunk.count = count;
                    if let Ok((blocks, _)) = case.codec.entries(&chunk.as_ref()) {
                        let (end, check) = (blocks.len(), case.codec.circuits_check(0, blocks));
                        if chunk.circuits.len() >= end + ENTRY {
                            chunk.circuits[end..end + 4].copy_from_slice(&(end as u32).to_le_bytes());
                            chunk.circuits[end + 4..end + 12].copy_from_slice(&check.to_le_bytes());
                        }
                    }
                    chunk.checksum = case.codec.checksum(&chunk.as_ref()).unwrap_or_default();
                    let mut out = Circuits::default();
                    let _ = case.codec.decode(&chunk.as_ref(), &mut out);
                    if (at as u64) < count {
                        let _ = case.codec.circuit(&chunk.as_ref(), at, &mut out);
                        let _ = case.codec.unitaries(&chunk.as_ref(), at..at + 1);
                    }
                }
            }
        }
    }
}
