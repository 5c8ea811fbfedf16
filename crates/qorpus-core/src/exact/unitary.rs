//! Exact unitaries in unique form.

use crate::exact::ring::{ZOmega, turned};

/// An exact unitary in its unique form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExactUnitary {
    /// Row-major.
    pub(crate) entries: Vec<ZOmega>,
    /// All entries are over √2^`exponent`.
    pub(crate) exponent: u32,
}

impl ExactUnitary {
    /// Returns the `dim` x `dim` identity.
    pub(crate) fn identity(dim: usize) -> ExactUnitary {
        let entry = |k: usize| if k / dim == k % dim { [1, 0, 0, 0] } else { [0; 4] };
        ExactUnitary { entries: (0..dim * dim).map(entry).collect(), exponent: 0 }
    }

    /// Divides by √2 as often as all entries can be divided.
    #[inline(always)]
    pub(crate) fn reduce(&mut self) {
        // z / √2 = z (ω - ω³) / 2.
        let odd = |[a, b, c, d]: ZOmega| (a ^ c | b ^ d) & 1;
        while self.exponent > 0 && self.entries.iter().fold(0, |any, &entry| any | odd(entry)) == 0 {
            for entry in &mut self.entries {
                let [a, b, c, d] = *entry;
                *entry = [(b - d) >> 1, (a + c) >> 1, (b + d) >> 1, (c - a) >> 1];
            }
            self.exponent -= 1;
        }
    }

    /// Replaces the unitary by the one of its eight multiples by powers of ω whose first nonzero
    /// entry is the largest.
    pub(crate) fn turn(&mut self) {
        let Some(&first) = self.entries.iter().find(|entry| **entry != [0; 4]) else { return };
        let power = (0..8).max_by_key(|&power| turned(first, power)).unwrap_or(0);
        if power > 0 {
            for entry in &mut self.entries {
                *entry = turned(*entry, power);
            }
        }
    }
}
