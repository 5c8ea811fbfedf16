//! The type of the unitaries' entries, and its bytes.

use num_complex::{Complex32, Complex64};
use serde::{Deserialize, Serialize};

// Numbers are stored little-endian, as in memory.
const _: () = assert!(cfg!(target_endian = "little"), "qorpus needs a little-endian machine");

/// The type of a unitary's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Two binary64 numbers, 16 bytes.
    Complex128,
    /// Two binary32 numbers, 8 bytes: the binary64 result, rounded once.
    Complex64,
}

impl Dtype {
    /// Returns the number of bytes of one entry.
    pub fn bytes(self) -> usize {
        match self {
            Dtype::Complex128 => 16,
            Dtype::Complex64 => 8,
        }
    }

    /// Replaces the contents of `out` by the stored form of `entries`: real and imaginary parts,
    /// little-endian.
    pub fn encode(self, entries: &[Complex64], out: &mut Vec<u8>) {
        out.clear();
        self.append(entries, out);
    }

    /// Appends the stored form of `entries` to `out`.
    pub fn append(self, entries: &[Complex64], out: &mut Vec<u8>) {
        match self {
            Dtype::Complex128 => out.extend_from_slice(bytemuck::cast_slice(entries)),
            Dtype::Complex64 => {
                let narrow = entries.iter().map(|entry| Complex32::new(entry.re as f32, entry.im as f32));
                narrow.for_each(|entry| out.extend_from_slice(bytemuck::bytes_of(&entry)));
            }
        }
    }

    /// Reads the bytes that [`encode`](Dtype::encode) wrote; bytes after the last whole entry are
    /// ignored.
    pub fn decode(self, bytes: &[u8]) -> Vec<Complex64> {
        let entries = bytes.chunks_exact(self.bytes());
        match self {
            Dtype::Complex128 => entries.map(bytemuck::pod_read_unaligned).collect(),
            Dtype::Complex64 => entries
                .map(|bytes| {
                    let entry: Complex32 = bytemuck::pod_read_unaligned(bytes);
                    Complex64::new(entry.re.into(), entry.im.into())
                })
                .collect(),
        }
    }

    /// Returns the name: `complex128` or `complex64`.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::Complex128 => "complex128",
            Dtype::Complex64 => "complex64",
        }
    }
}
