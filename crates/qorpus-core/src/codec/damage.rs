//! Damage: the reasons to reject the bytes of a chunk.

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
    /// The content hash is not that of the records.
    #[error("its content hash is not that of its records")]
    Content,
}
