//! Content hashes: sums of record hashes, by which the records of chunks and corpora are compared.

use xxhash_rust::xxh3::xxh3_128;

/// A sum of record hashes modulo 2^128. It does not depend on how records are cut into chunks or
/// ordered.
///
/// A record's hash is XXH3-128 of its id, its letters' codes and its stored unitary; a letter's
/// code is XXH3-64 of its text. A Haar-random unitary has the code of its seed and number of qubits.
/// It detects accidents, not forgeries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContentHash(u128);

impl ContentHash {
    /// Returns the hash of one record: XXH3-128 of its id, letter codes and unitary.
    pub(crate) fn of_record(bytes: &[u8]) -> ContentHash {
        ContentHash(xxh3_128(bytes))
    }

    /// Returns the stored form: 16 bytes, little-endian.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// Reads the bytes that [`to_bytes`](ContentHash::to_bytes) wrote.
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
