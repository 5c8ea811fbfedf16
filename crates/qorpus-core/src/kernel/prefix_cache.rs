//! A cache of the current circuit's prefixes, for batches whose neighbours share prefixes.

use crate::circuit::Circuits;
use crate::kernel::representation::{AlignedBuffer, Representation};

/// The most memory for prefixes. Longer circuits are computed from the longest prefix that is kept.
pub(crate) const CACHE_BYTES: usize = 64 << 20;

/// The number of neighbours that are sampled to tell how much of a batch is shared.
const SAMPLE: usize = 64;

/// Returns whether neighbours share at least half of their letters as prefixes.
pub(crate) fn are_shared(circuits: &Circuits) -> bool {
    let (mut shared, mut letters) = (0, 0);
    for index in (1..circuits.len()).step_by(circuits.len().div_ceil(SAMPLE).max(1)) {
        shared += common(circuits.get(index - 1), circuits.get(index));
        letters += circuits.get(index).len();
    }
    shared > 0 && 2 * shared >= letters
}

/// Returns the length of the longest common prefix of two circuits.
#[inline(always)]
fn common(a: &[u16], b: &[u16]) -> usize {
    // Four letters are compared as one number.
    let chunks = a.as_chunks::<4>().0.iter().zip(b.as_chunks::<4>().0);
    let mut length = 0;
    for (a, b) in chunks {
        if a != b {
            break;
        }
        length += 4;
    }
    while length < a.len() && length < b.len() && a[length] == b[length] {
        length += 1;
    }
    length
}

/// The unitaries of the current circuit's prefixes, the empty one first.
pub(crate) struct PrefixCache<'a> {
    held: &'a mut [f64],
    /// The letters of the longest prefix in the cache.
    letters: &'a [u16],
    most: usize,
}

impl<'a> PrefixCache<'a> {
    /// Returns a cache for the prefixes of all `circuits`.
    #[inline(always)]
    pub(crate) fn new(
        representation: &impl Representation,
        circuits: &Circuits,
        room: &'a mut AlignedBuffer,
    ) -> PrefixCache<'a> {
        let size = representation.size();
        let longest = circuits.iter().map(<[u16]>::len).max().unwrap_or(0);
        let most = longest.min(CACHE_BYTES / size_of::<f64>() / size - 1);
        let held = room.room((most + 1) * size);
        representation.identity(&mut held[..size]);
        PrefixCache { held, letters: &[], most }
    }

    /// Returns the unitary of the longest cacheable prefix of `circuit`, and the letters after it:
    /// at least the last one, which neighbours rarely share.
    #[inline(always)]
    pub(crate) fn split(
        &mut self,
        representation: &impl Representation,
        circuit: &'a [u16],
    ) -> (&[f64], &'a [u16]) {
        let size = representation.size();
        let kept = circuit.len().saturating_sub(1).min(self.most);
        for length in common(self.letters, &circuit[..kept])..kept {
            let (shorter, longer) = self.held.split_at_mut((length + 1) * size);
            representation.advance(&shorter[length * size..], &circuit[length..=length], longer);
        }
        self.letters = &circuit[..kept];
        (&self.held[kept * size..][..size], &circuit[kept..])
    }
}
