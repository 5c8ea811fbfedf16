//! Chunks: some thousand consecutive records as bytes, and the kinds of damage. `docs/format.md` is
//! the specification.

use crate::codec::content_hash::ContentHash;

/// An encoded chunk; its columns are `C`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chunk<C = Vec<u8>> {
    /// Id of the first record.
    pub first_id: u64,
    /// Number of records.
    pub count: u64,
    /// A checksum of ids, count, content hash and the lists of block checks.
    pub checksum: u64,
    /// The sum of its records' hashes.
    pub content: ContentHash,
    /// Packed circuits.
    pub circuits: C,
    /// Unitaries, if they are stored.
    pub unitaries: Option<C>,
    /// Labels that came with the records, if there are any.
    pub labels: Option<C>,
}

/// A chunk as read from a file that is not trusted.
pub type ChunkRef<'a> = Chunk<&'a [u8]>;

impl Chunk {
    /// Returns a view of the chunk.
    pub fn as_ref(&self) -> ChunkRef<'_> {
        let Chunk { first_id, count, checksum, content, .. } = *self;
        let (unitaries, labels) = (self.unitaries.as_deref(), self.labels.as_deref());
        Chunk { first_id, count, checksum, content, circuits: &self.circuits, unitaries, labels }
    }

    /// Returns the number of bytes of its columns.
    pub fn bytes(&self) -> usize {
        let len = |column: &Option<Vec<u8>>| column.as_ref().map_or(0, Vec::len);
        self.circuits.len() + len(&self.unitaries) + len(&self.labels)
    }
}

impl<C> Chunk<C> {
    /// Returns which records it holds.
    pub fn span(&self) -> ChunkSpan {
        ChunkSpan { first_id: self.first_id, count: self.count }
    }
}

/// The records of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkSpan {
    /// Id of the first record.
    pub first_id: u64,
    /// Number of records.
    pub count: u64,
}

/// The contents of bytes, or the reason to reject them.
pub type Decoded<T> = Result<T, Damage>;

/// A reason to reject the bytes of a chunk.
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
    /// Bytes that pass their check and are not a circuit of the recipe.
    #[error("it holds a circuit that its recipe does not allow")]
    Circuit,
    /// Bytes that pass their check and are not labels, or labels in a corpus that has none.
    #[error("its labels cannot be read")]
    Labels,
    /// The content hash does not match the records.
    #[error("its content hash does not match its records")]
    Content,
}
