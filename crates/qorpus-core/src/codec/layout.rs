//! The layout of a recipe's chunks: widths of packed numbers, sizes of blocks, and their checks.

use crate::bits;
use crate::codec::chunk::Decoded;
use crate::codec::free_angles::{ANGLE_BYTES, FreeAngles};
use crate::recipe::Recipe;
use crate::recipe::dtype::Dtype;
use twox_hash::XxHash3_64;
use xxhash_rust::xxh3::xxh3_64;

/// The circuits of a block.
pub(crate) const BLOCK_CIRCUITS: usize = 64;
/// Bytes of a circuits block's entry in the list behind the blocks: its end (u32) and its check
/// (u64).
pub(crate) const ENTRY_BYTES: usize = 12;
/// Bytes of a unitaries block, if at least one unitary fits.
const UNITARY_BLOCK_BYTES: usize = 1024;
/// Bytes of the check of a unitaries block, or of labels.
pub(crate) const CHECK_BYTES: usize = 8;

/// A codec that writes and reads the chunks of one recipe.
#[derive(Debug, Clone)]
pub struct Codec {
    pub(crate) letters: usize,
    pub(crate) letter_bits: u32,
    pub(crate) min: usize,
    pub(crate) lengths: usize,
    pub(crate) length_bits: u32,
    pub(crate) stored: Option<Dtype>,
    pub(crate) labelled: bool,
    pub(crate) codes: Vec<u64>,
    pub(crate) seed: u64,
    /// Bytes of a stored unitary, or 0.
    pub(crate) unitary_bytes: usize,
    /// The binary logarithm of the number of unitaries in a block.
    pub(crate) block_bits: u32,
    pub(crate) free_angles: FreeAngles,
    /// The code of all records in content hashes, if they have no circuits, but unitaries that are
    /// drawn by their ids.
    pub(crate) drawn_code: Option<u64>,
}

impl Codec {
    /// Creates the codec of files that were created with `recipe`.
    pub fn new(recipe: &Recipe) -> Codec {
        Codec::with_check_seed(recipe, recipe.check_seed())
    }

    /// Creates the codec of a file of `recipe` whose checks have this seed: a file that has grown
    /// keeps the seed with which it was created.
    pub fn with_check_seed(recipe: &Recipe, check_seed: u64) -> Codec {
        let alphabet = recipe.alphabet();
        let (min, max) = recipe.space().lengths();
        let unitary_bytes = recipe.unitary_bytes();
        Codec {
            letters: alphabet.letters().len(),
            letter_bits: bits::width(alphabet.letters().len()),
            min,
            lengths: max - min + 1,
            length_bits: bits::width(max - min + 1),
            stored: recipe.stores_unitaries().then(|| recipe.dtype()),
            labelled: recipe.space().is_appended(),
            codes: alphabet.letters().iter().map(|letter| xxh3_64(letter.text.as_bytes())).collect(),
            seed: check_seed,
            unitary_bytes,
            block_bits: (UNITARY_BLOCK_BYTES / unitary_bytes.max(1)).max(1).ilog2(),
            free_angles: FreeAngles::of(recipe),
            drawn_code: recipe.space().haar_sampler().map(|haar| xxh3_64(haar.text().as_bytes())),
        }
    }

    /// Returns the most bytes that circuits and unitaries take, for this many records, letters and
    /// free angles in all.
    pub fn columns_bytes(&self, records: usize, letters: usize, angles: usize) -> usize {
        let bits = records * self.length_bits as usize + letters * self.letter_bits as usize;
        // Each block is padded to a whole byte.
        let circuits = bits / 8 + records.div_ceil(BLOCK_CIRCUITS) * (1 + ENTRY_BYTES);
        let blocks = if self.stored.is_some() { records.div_ceil(self.block_unitaries()) } else { 0 };
        let angles = if self.free_angles.are_stored() { angles * ANGLE_BYTES } else { 0 };
        circuits + angles + records * self.unitary_bytes() + blocks * CHECK_BYTES
    }

    /// Returns the number of bytes of a stored unitary; 0 if the recipe stores none.
    pub fn unitary_bytes(&self) -> usize {
        self.unitary_bytes
    }

    /// Returns the number of circuits in a block.
    pub fn circuits_in_block(&self) -> u64 {
        BLOCK_CIRCUITS as u64
    }

    /// Returns the number of stored unitaries in a block.
    pub fn unitaries_in_block(&self) -> u64 {
        1 << self.block_bits
    }

    pub(crate) fn block_unitaries(&self) -> usize {
        1 << self.block_bits
    }

    pub(crate) fn block_bytes(&self) -> usize {
        self.block_unitaries() * self.unitary_bytes().max(1)
    }

    pub(crate) fn circuits_check(&self, first_id: u64, bytes: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(self.seed ^ first_id, bytes)
    }

    pub(crate) fn unitaries_check(&self, first_id: u64, bytes: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(self.seed ^ !first_id, bytes)
    }

    pub(crate) fn labels_check(&self, first_id: u64, bytes: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(self.seed ^ first_id ^ 1 << 63, bytes)
    }
}

/// Returns a `fetch` function that copies bytes of a column in memory.
pub(crate) fn copying(column: &[u8]) -> impl FnMut(usize, &mut [u8]) -> Decoded<()> {
    move |at, out| {
        out.copy_from_slice(&column[at..at + out.len()]);
        Ok(())
    }
}

/// Returns the first `len` bytes of `buffer`, with arbitrary contents.
pub(crate) fn room(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    &mut buffer[..len]
}
