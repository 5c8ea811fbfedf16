//! Chunks: some thousand consecutive records as bytes. `docs/format.md` is the specification.

use xxhash_rust::xxh3::xxh3_128;

/// A sum of record hashes modulo 2^128: the same for the same records however they are cut and ordered.
///
/// A record's hash is XXH3-128 of its id, its letters' codes and its stored unitary; a letter's code is XXH3-64
/// of its text. It finds accidents, not forgeries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContentHash(u128);

impl ContentHash {
    /// The hash of one record: XXH3-128 of its id, letter codes and unitary.
    pub(crate) fn of_record(bytes: &[u8]) -> ContentHash {
        ContentHash(xxh3_128(bytes))
    }

    /// As stored: 16 bytes, little-endian.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// What [`to_bytes`](ContentHash::to_bytes) wrote.
    pub fn from_bytes(bytes: [u8; 16]) -> ContentHash {
        ContentHash(u128::from_le_bytes(bytes))
    }
}

impl std::ops::AddAssign for ContentHash {
    fn add_assign(&mut self, other: ContentHash) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl std::ops::SubAssign for ContentHash {
    fn sub_assign(&mut self, other: ContentHash) {
        self.0 = self.0.wrapping_sub(other.0);
    }
}

impl std::fmt::Display for ContentHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// An encoded chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Id of the first record.
    pub first_id: u64,
    /// Number of records.
    pub count: u64,
    /// Seals ids, count, content hash and the lists of block checks.
    pub checksum: u64,
    /// The sum of its records' hashes.
    pub content: ContentHash,
    /// Packed circuits.
    pub circuits: Vec<u8>,
    /// Unitaries, if they are stored.
    pub unitaries: Option<Vec<u8>>,
    /// Labels that came with the records, if there are any.
    pub labels: Option<Vec<u8>>,
}

impl Chunk {
    /// A view of it.
    pub fn as_ref(&self) -> ChunkRef<'_> {
        let Chunk { first_id, count, checksum, content, .. } = *self;
        let (unitaries, labels) = (self.unitaries.as_deref(), self.labels.as_deref());
        ChunkRef { first_id, count, checksum, content, circuits: &self.circuits, unitaries, labels }
    }

    /// Bytes of its columns.
    pub fn bytes(&self) -> usize {
        let len = |column: &Option<Vec<u8>>| column.as_ref().map_or(0, Vec::len);
        self.circuits.len() + len(&self.unitaries) + len(&self.labels)
    }
}

/// A chunk as read from a file that is not trusted.
#[derive(Debug, Clone, Copy)]
pub struct ChunkRef<'a> {
    /// Id of the first record.
    pub first_id: u64,
    /// Number of records.
    pub count: u64,
    /// Seals ids, count, content hash and the lists of block checks.
    pub checksum: u64,
    /// The sum of its records' hashes.
    pub content: ContentHash,
    /// Packed circuits.
    pub circuits: &'a [u8],
    /// Unitaries, if they are stored.
    pub unitaries: Option<&'a [u8]>,
    /// Labels that came with the records, if there are any.
    pub labels: Option<&'a [u8]>,
}

/// Why the bytes of a chunk are not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// A column is missing, or too long or short for the records it should hold.
    #[error("its {0} have the wrong size")]
    Size(&'static str),
    /// A block's bytes do not match their check.
    #[error("the checksum of its {column} fails in block {block}")]
    Block {
        /// `circuits` or `unitaries`.
        column: &'static str,
        /// Number of the block in the column.
        block: usize,
    },
    /// Ids, count, content hash or block checks do not match the row's checksum.
    #[error("its checksum fails")]
    Checksum,
    /// Bytes that pass their check and still are no circuit of the recipe.
    #[error("it holds a circuit that its recipe does not allow")]
    Circuit,
    /// Bytes that pass their check and still are no labels, or labels in a corpus that has none.
    #[error("its labels cannot be read")]
    Labels,
    /// The content hash is not that of the records.
    #[error("its content hash is not that of its records")]
    Content,
}
