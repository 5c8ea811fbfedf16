//! The letters of an alphabet as products over the ring.

use crate::alphabet::Alphabet;
use crate::arithmetic::Equivalence;
use crate::error::{Error, Result};
use crate::exact::ring::{MAX_EXPONENT, ZOmega, is_unitary, parts, recognize, word};
use crate::exact::unitary::ExactUnitary;
use crate::kernel::letter_rows::LetterRows;
use crate::simd::dispatch::SimdTask;
use num_complex::Complex64;

/// The largest denominator exponent of a gate. Above it, a user-defined matrix would match by
/// chance.
const GATE_EXPONENT: u32 = 6;

/// The largest difference of a gate's entries from numbers of the ring.
const RING_TOLERANCE: f64 = 1e-12;

/// The letters of an alphabet over Z[ω, 1/√2].
#[derive(Debug, Clone)]
pub struct ExactLetters {
    pub(crate) dim: usize,
    pub(crate) up_to: Equivalence,
    pub(crate) letters: Vec<ExactLetter>,
}

/// The action of a letter: every row becomes a sum of rows, each times a power of ω, over
/// √2^`exponent`.
#[derive(Debug, Clone)]
pub(crate) struct ExactLetter {
    pub(crate) rows: Vec<Vec<Term>>,
    pub(crate) exponent: u32,
}

/// A row of the old matrix, times ω^`power`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Term {
    pub(crate) row: usize,
    pub(crate) power: usize,
}

impl ExactLetters {
    /// Returns the letters of `alphabet`. Up to a global phase, a gate may differ from one over the
    /// ring by any phase, as `rz(pi/4)` does.
    ///
    /// # Errors
    /// [`Error::NotExact`] for the first gate that is not over the ring.
    pub fn new(alphabet: &Alphabet, up_to: Equivalence) -> Result<ExactLetters> {
        let (dim, up_to_phase) = (alphabet.dim(), up_to.ignores_phase());
        let letters = alphabet.letters().iter().map(|letter| {
            let rows = LetterRows::new(alphabet, letter);
            let gate = alphabet.gates()[letter.gate].name();
            let refused = || Err(Error::NotExact { gate: gate.into(), up_to_phase });
            if rows.gate_dim() == 0 || alphabet.gates()[letter.gate].is_free() {
                return refused();
            }
            let phase = if up_to_phase { phase(&rows) } else { Complex64::ONE };
            let found = (0..=GATE_EXPONENT).find_map(|exponent| {
                let row = |row| {
                    // Rows that the gate leaves unchanged are multiplied by its phase as well.
                    let term = |(from, entry): (usize, Complex64)| {
                        Some((from, recognize(entry * phase, exponent, RING_TOLERANCE)?))
                    };
                    rows.entries(row).into_iter().map(term).collect::<Option<Vec<_>>>()
                };
                Some((exponent, (0..dim).map(row).collect::<Option<Vec<_>>>()?))
            });
            let Some((exponent, rows)) = found.filter(|(exponent, rows)| is_unitary(rows, *exponent)) else {
                return refused();
            };
            let row = |row: Vec<_>| row.into_iter().flat_map(|(from, z)| terms(from, z)).collect();
            Ok(ExactLetter { rows: rows.into_iter().map(row).collect(), exponent })
        });
        Ok(ExactLetters { dim, up_to, letters: letters.collect::<Result<_>>()? })
    }

    /// Returns whether the integers of all circuits of at most `length` letters are certain to fit
    /// in 16 bits.
    pub fn holds(&self, length: usize) -> bool {
        self.max_exponent() as usize * length <= MAX_EXPONENT as usize
    }

    /// Returns the largest denominator exponent of a letter.
    pub(crate) fn max_exponent(&self) -> u32 {
        self.letters.iter().map(|letter| letter.exponent).max().unwrap_or(0)
    }
}

/// A letter after a unitary.
pub(crate) struct Multiply<'a> {
    pub(crate) dim: usize,
    pub(crate) letter: &'a ExactLetter,
    pub(crate) from: &'a ExactUnitary,
    pub(crate) to: &'a mut ExactUnitary,
}

impl SimdTask for Multiply<'_> {
    #[inline(always)]
    fn run<const SET: u8>(self) {
        let Multiply { dim, letter, from, to } = self;
        for (row, terms) in to.entries.chunks_exact_mut(dim).zip(&letter.rows) {
            for (number, term) in terms.iter().enumerate() {
                let source = &from.entries[term.row * dim..][..dim];
                if number == 0 {
                    put::<false>(row, source, term.power);
                } else {
                    put::<true>(row, source, term.power);
                }
            }
        }
        if letter.exponent > 0 {
            to.reduce();
        }
    }
}

/// Stores z ω^`power` for each z of `source` in an entry, or adds it. Intermediate sums may
/// overflow 16 bits; results fit. There is no branch on the power, which would be unpredictable: z
/// is rotated as one word, whose parts then get their signs.
#[inline(always)]
fn put<const ADD: bool>(row: &mut [ZOmega], source: &[ZOmega], power: usize) {
    let turn = 16 * (power % 4) as u32;
    // ω^4 = -1.
    let signs = [0, 1, 2, 3].map(|part| -i16::from((part < power % 4) != (power >= 4)));
    for (entry, &z) in row.iter_mut().zip(source) {
        let turned = parts(word(z).rotate_left(turn));
        for part in 0..4 {
            let signed = (turned[part] ^ signs[part]).wrapping_sub(signs[part]);
            entry[part] = if ADD { entry[part].wrapping_add(signed) } else { signed };
        }
    }
}

/// Returns the phase that makes the first nonzero entry of a gate positive.
fn phase(rows: &LetterRows<'_>) -> Complex64 {
    let entries = (0..rows.gate_dim()).map(|column| rows.entry(0, column));
    let first = entries.into_iter().find(|entry| entry.norm_sqr() > RING_TOLERANCE);
    first.map_or(Complex64::ONE, |entry| entry.conj() / entry.norm_sqr().sqrt())
}

/// Returns `z` times row `row` as a sum of powers of ω.
fn terms(row: usize, z: ZOmega) -> impl Iterator<Item = Term> {
    z.into_iter().enumerate().flat_map(move |(k, count)| {
        let power = if count < 0 { k + 4 } else { k };
        std::iter::repeat_n(Term { row, power }, count.unsigned_abs().into())
    })
}
