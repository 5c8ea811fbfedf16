//! Splits by unitary: records whose unitaries are equal up to phase are on the same side, for any
//! circuits.

use crate::approximate::ApproximateLetters;
use crate::arithmetic::{Arithmetic, Equivalence};
use crate::error::Result;
use crate::exact::letters::ExactLetters;
use crate::order::split::PARTS;
use crate::recipe::Recipe;
use crate::splitmix::mix;
use num_complex::Complex64;
use std::ops::RangeInclusive;

/// The bits of each half of an approximate key that number its cell.
const CELL_BITS: u32 = 12;

/// The Frobenius norm of a difference, up to phase, below which two unitaries are never on
/// different sides.
const BORDER_NORM: f64 = 1e-11;

/// A split by unitary: all circuits of a unitary have the same side, one of 1000.
///
/// Over Z[ω, 1/√2] the [key](Arithmetic::key) of an exact unitary decides. Other unitaries have the
/// two folded numbers of [`ApproximateLetters`], which are continuous. Each is cut into 4096 cells,
/// and a pair of cells has a side. A unitary near a border, so that another unitary within 1e-11 in
/// Frobenius norm might be on another side, is on none.
#[derive(Debug, Clone)]
pub struct UnitarySplit {
    seed: u64,
    letters: SplitLetters,
    /// Whether some gate has no matrix, or has free angles, or records have no circuits.
    needs_unitaries: bool,
}

#[derive(Debug, Clone)]
enum SplitLetters {
    Exact(ExactLetters),
    Approximate(ApproximateLetters),
}

impl UnitarySplit {
    /// Creates the split of a recipe's records. Unitaries are compared exactly if all gates are
    /// exact and no circuit is long enough for its integers to overflow, and approximately
    /// otherwise.
    ///
    /// # Panics
    /// If records have no unitaries.
    pub fn new(recipe: &Recipe, seed: u64) -> UnitarySplit {
        assert!(recipe.has_unitaries(), "unitaries to split by");
        let (alphabet, space) = (recipe.alphabet(), recipe.space());
        let is_bounded = !space.is_appended() || space.enumerates().is_some();
        let up_to = Equivalence::GlobalPhase;
        let holds = |exact: &ExactLetters| is_bounded && exact.holds(space.lengths().1);
        let exact = space.has_circuits().then(|| ExactLetters::new(alphabet, up_to).ok()).flatten();
        let letters = match exact.filter(holds) {
            Some(exact) => SplitLetters::Exact(exact),
            None => {
                let keys = |_| ApproximateLetters::keys(alphabet.dim(), up_to);
                SplitLetters::Approximate(ApproximateLetters::new(alphabet, up_to).unwrap_or_else(keys))
            }
        };
        let needs_unitaries =
            !space.has_circuits() || alphabet.gates().iter().any(|gate| gate.matrix().is_empty());
        UnitarySplit { seed, letters, needs_unitaries }
    }

    /// Returns whether unitaries are compared exactly. If not, a few records may be on no side.
    pub fn is_exact(&self) -> bool {
        matches!(self.letters, SplitLetters::Exact(_))
    }

    /// Returns whether letters do not determine unitaries, because some gate has no matrix, or has
    /// free angles, or records have no circuits. Then use [`side_of_unitary`](UnitarySplit::side_of_unitary).
    pub fn needs_unitaries(&self) -> bool {
        self.needs_unitaries
    }

    /// Returns the side of a circuit's unitary, from 0 to 999, or `None` if it is on none.
    ///
    /// # Errors
    /// [`Error::ExactOverflow`](crate::Error::ExactOverflow) for a circuit that is longer than the
    /// recipe's.
    ///
    /// # Panics
    /// If a letter is not in the alphabet, or letters do not determine unitaries.
    pub fn side(&self, circuit: &[u16]) -> Result<Option<u16>> {
        match &self.letters {
            SplitLetters::Exact(letters) => {
                let key = letters.key(&letters.unitary(circuit)?);
                Ok(Some(self.part(key as u64 ^ (key >> 64) as u64)))
            }
            SplitLetters::Approximate(letters) => Ok(self.side_by(letters, &letters.unitary(circuit)?)),
        }
    }

    /// Returns the side of a unitary, row-major; `None` also if unitaries are compared exactly.
    pub fn side_of_unitary(&self, unitary: &[Complex64]) -> Option<u16> {
        match &self.letters {
            SplitLetters::Exact(_) => None,
            SplitLetters::Approximate(letters) => self.side_by(letters, unitary),
        }
    }

    fn side_by(&self, letters: &ApproximateLetters, unitary: &[Complex64]) -> Option<u16> {
        let key = letters.key_of(unitary);
        let shift = letters.shift(BORDER_NORM);
        let cells = |half: u64| -> RangeInclusive<u64> {
            let cell = |place: u64| place >> (u64::BITS - CELL_BITS);
            cell(half.saturating_sub(shift))..=cell(half.saturating_add(shift))
        };
        let (rows, columns) = (cells((key >> 64) as u64), cells(key as u64));
        let pairs = rows.flat_map(|row| columns.clone().map(move |column| row << CELL_BITS | column));
        let mut sides = pairs.map(|cell| self.part(cell));
        let side = sides.next()?;
        sides.all(|other| other == side).then_some(side)
    }

    fn part(&self, number: u64) -> u16 {
        (mix(self.seed ^ mix(number)) % PARTS) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::Alphabet;
    use crate::recipe::dtype::Dtype;
    use crate::space::Space;
    use proptest::prelude::*;

    fn split(gates: &str, longest: usize, seed: u64) -> (Alphabet, UnitarySplit) {
        let alphabet = Alphabet::of(gates, 2);
        let space = Space::random(&alphabet, 1000, 0, 0, longest).unwrap();
        let recipe = Recipe::new(alphabet.clone(), space, Dtype::Complex128, false);
        (alphabet, UnitarySplit::new(&recipe, seed))
    }

    proptest! {
        /// Circuits with the same unitary up to phase are on the same side: letters that commute,
        /// exchanged, and letters that cancel, put in anywhere.
        #[test]
        fn equal_unitaries_are_on_one_side(word in prop::collection::vec(0u16..100, 0..12), place: usize, letter: u16, seed: u64, is_exact: bool) {
            let gates = if is_exact { "h,t,tdg,s,z,cx" } else { "h,rz(0.3),rz(-0.3),z,cx" };
            let (alphabet, split) = split(gates, 20, seed);
            prop_assert_eq!(split.is_exact(), is_exact);
            let count = alphabet.letters().len() as u16;
            let word: Vec<u16> = word.iter().map(|letter| letter % count).collect();
            let side = split.side(&word).unwrap();
            let back = |letter: u16| {
                let text = &alphabet.letters()[usize::from(letter)].text;
                let inverse = match text.split_once(' ') {
                    Some(("t", qubit)) => vec![format!("tdg {qubit}")],
                    Some(("tdg", qubit)) => vec![format!("t {qubit}")],
                    Some(("s", qubit)) => vec![format!("s {qubit}"), format!("z {qubit}")],
                    Some(("rz(0.3)", qubit)) => vec![format!("rz(-0.3) {qubit}")],
                    Some(("rz(-0.3)", qubit)) => vec![format!("rz(0.3) {qubit}")],
                    _ => vec![text.clone()],
                };
                inverse.iter().map(|text| alphabet.letter(text).unwrap()).collect::<Vec<u16>>()
            };
            let (letter, at) = (letter % count, place % (word.len() + 1));
            let mut longer = word[..at].to_vec();
            longer.push(letter);
            longer.extend(back(letter));
            longer.extend_from_slice(&word[at..]);
            let other = split.side(&longer).unwrap();
            prop_assert!(other == side, "{side:?} {other:?}");
        }
    }

    /// Sides are taken about evenly, and next to no unitary is on none.
    #[test]
    fn sides_are_even() {
        for gates in ["h,t,cx", "h,rz(0.3),rx(1.1),cx"] {
            let (alphabet, split) = split(gates, 20, 7);
            let circuits = Space::random(&alphabet, 20_000, 1, 12, 20).unwrap().listed(0..20_000);
            let sides: Vec<_> = circuits.iter().map(|circuit| split.side(circuit).unwrap()).collect();
            let none = sides.iter().filter(|side| side.is_none()).count();
            let half = sides.iter().flatten().filter(|&&side| side < 500).count();
            assert!(none < 20 && (9_000..11_000).contains(&half), "{gates}: {none} {half}");
        }
    }

    #[test]
    fn long_circuits_are_compared_in_floating_point() {
        assert!(!split("h,t,cx", 29, 0).1.is_exact());
    }
}
