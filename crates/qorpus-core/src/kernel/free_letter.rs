//! Letters with free angles: the numbers of a prepared letter as functions of its angles.
//!
//! A letter is prepared once, at generic angles. Each of its numbers is 0, 1, or a part of an entry
//! of the rotation, perhaps with the other sign, and is so at all angles. The numbers at other
//! angles are put in the same places.

use crate::gate::rotation::{GENERIC_ANGLES, Rotation};

/// Room for the numbers of a rotation: 0, 1 and both parts of each entry, imaginary ones with both
/// signs.
const MAX_NUMBERS: usize = 16;

/// The numbers of a rotation at some angles.
pub(crate) type RotationNumbers = [f64; MAX_NUMBERS];

/// The sources of the numbers of a prepared letter.
#[derive(Debug, Clone)]
pub(crate) struct FreeLetter {
    rotation: Rotation,
    /// For each number of the prepared letter, its place among the numbers of the rotation.
    sources: Vec<u8>,
}

impl FreeLetter {
    /// Returns the sources of the numbers of a letter that was prepared at [`GENERIC_ANGLES`].
    pub(crate) fn new(rotation: Rotation, prepared: impl IntoIterator<Item = f64>) -> FreeLetter {
        let known = numbers(rotation, &GENERIC_ANGLES);
        let source = |number: f64| {
            let place = known.iter().position(|known| *known == number);
            place.expect("the numbers of a letter are those of its rotation") as u8
        };
        FreeLetter { rotation, sources: prepared.into_iter().map(source).collect() }
    }

    /// Takes the first of `angles` and returns the numbers of the rotation.
    #[inline(always)]
    pub(crate) fn numbers(&self, angles: &mut &[f64]) -> RotationNumbers {
        let (own, rest) = angles.split_at(self.rotation.angles());
        *angles = rest;
        numbers(self.rotation, own)
    }

    /// Returns the sources, one for each number of the prepared letter.
    #[inline(always)]
    pub(crate) fn sources(&self) -> &[u8] {
        &self.sources
    }
}

/// Returns the number with this source.
#[inline(always)]
pub(crate) fn number(numbers: &RotationNumbers, source: u8) -> f64 {
    numbers[usize::from(source) % MAX_NUMBERS]
}

#[inline(always)]
fn numbers(rotation: Rotation, angles: &[f64]) -> RotationNumbers {
    let [a, b, c, d] = rotation.matrix(angles);
    let mut numbers = [0.0; MAX_NUMBERS];
    numbers[1] = 1.0;
    for (place, entry) in [a, b, c, d].into_iter().enumerate() {
        let own = &mut numbers[2 + 3 * place..][..3];
        (own[0], own[1], own[2]) = (entry.re, entry.im, -entry.im);
    }
    numbers
}
