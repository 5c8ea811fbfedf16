//! The numbers of all letters with free angles of a few circuits, computed together: sines and
//! cosines of many arguments take little more time than those of one.

use crate::circuit::Circuits;
use crate::gate::rotation::{
    GENERAL_ARGUMENTS, MAX_GATE_ANGLES, Rotation, general_arguments, general_numbers,
};
use crate::kernel::free_letter::{FreeLetters, Numbers};
use crate::kernel::representation::AlignedBuffer;
use crate::simd::sincos::sincos;
use std::ops::Range;

/// The number of angles after which a group of circuits ends: their numbers stay in the first-level
/// cache.
const ANGLES: usize = 128;

/// Returns the end of the group of circuits that begins with circuit `first`.
#[inline(always)]
pub(crate) fn group_end(circuits: &Circuits, first: usize) -> usize {
    let (mut end, mut angles) = (first, 0);
    while end < circuits.len() && angles < ANGLES {
        angles += circuits.angles(end).len();
        end += 1;
    }
    end
}

/// The buffers of the numbers of a group.
#[derive(Debug, Default)]
pub(crate) struct FreeNumbers {
    /// The letters with free angles, and the place of the first angle of each. More may follow.
    found: Vec<(u16, usize)>,
    arguments: AlignedBuffer,
    sin: AlignedBuffer,
    cos: AlignedBuffer,
    numbers: AlignedBuffer,
}

impl FreeNumbers {
    /// Returns the numbers of each letter with free angles in the circuits of `group`, and those of
    /// the identity at the end.
    ///
    /// # Panics
    /// If a circuit has other angles than its letters.
    #[inline(always)]
    pub(crate) fn compute(
        &mut self,
        letters: &FreeLetters,
        circuits: &Circuits,
        group: Range<usize>,
    ) -> &[Numbers] {
        if letters.has_general {
            self.of_any(letters, circuits, group)
        } else {
            self.of_single_angles(letters, circuits, group)
        }
    }

    /// Computes the numbers where each rotation has one angle.
    #[inline(always)]
    fn of_single_angles(
        &mut self,
        letters: &FreeLetters,
        circuits: &Circuits,
        group: Range<usize>,
    ) -> &[Numbers] {
        let angles = circuits.angles_of(group.clone());
        let count = angles.len();
        let arguments = self.arguments.room(count + 1);
        let mut found = 0;
        for index in group {
            let end = found + circuits.angles(index).len();
            // Without branches, which could not be predicted: the factor of a fixed letter is
            // overwritten.
            for &letter in circuits.get(index) {
                let letter = &letters.letters[usize::from(letter)];
                arguments[found.min(count)] = letter.scale;
                found += letter.angles;
            }
            check(index, found, end);
        }
        for k in 0..count {
            arguments[k] *= angles[k];
        }
        let (sin, cos) = (self.sin.room(count), self.cos.room(count));
        sincos(&arguments[..count], sin, cos);
        let numbers = room_of(&mut self.numbers, count);
        for k in 0..count {
            numbers[k] = [1.0, cos[k], sin[k], 0.0, 1.0, cos[k], sin[k], 0.0];
        }
        numbers
    }

    /// Computes the numbers where some rotations have three angles.
    #[inline(always)]
    fn of_any(&mut self, letters: &FreeLetters, circuits: &Circuits, group: Range<usize>) -> &[Numbers] {
        let angles = circuits.angles_of(group.clone());
        let count = self.find(letters, circuits, group);
        let found = &self.found[..count];
        let arguments = self.arguments.room(GENERAL_ARGUMENTS * count);
        for (own, &(letter, place)) in arguments.as_chunks_mut::<GENERAL_ARGUMENTS>().0.iter_mut().zip(found)
        {
            *own = match letters.letters[usize::from(letter)].rotation {
                Some(Rotation::General) => general_arguments(array_at(angles, place)),
                // The others repeat it.
                _ => [angles[place] * letters.letters[usize::from(letter)].scale; GENERAL_ARGUMENTS],
            };
        }
        let (sin, cos) = (self.sin.room(GENERAL_ARGUMENTS * count), self.cos.room(GENERAL_ARGUMENTS * count));
        sincos(arguments, sin, cos);
        let numbers = room_of(&mut self.numbers, count);
        let parts = sin.as_chunks().0.iter().zip(cos.as_chunks().0);
        for ((own, &(letter, _)), (&sin, &cos)) in numbers.iter_mut().zip(found).zip(parts) {
            *own = match letters.letters[usize::from(letter)].rotation {
                Some(Rotation::General) => general_numbers(sin, cos),
                _ => [1.0, cos[0], sin[0], 0.0, 0.0, 0.0, 0.0, 0.0],
            };
        }
        numbers
    }

    /// Finds the letters with free angles and returns their number.
    #[inline(always)]
    fn find(&mut self, letters: &FreeLetters, circuits: &Circuits, group: Range<usize>) -> usize {
        let room = circuits.letters(group.clone()).len() + 1;
        if self.found.len() < room {
            self.found.resize(room, (0, 0));
        }
        let (mut count, mut place) = (0, 0);
        for index in group {
            let end = place + circuits.angles(index).len();
            for &letter in circuits.get(index) {
                self.found[count] = (letter, place);
                let angles = letters.letters[usize::from(letter)].angles;
                count += usize::from(angles > 0);
                place += angles;
            }
            check(index, place, end);
        }
        count
    }
}

/// Returns room for the numbers of `count` letters, and behind it the numbers of the identity.
#[inline(always)]
fn room_of(numbers: &mut AlignedBuffer, count: usize) -> &mut [Numbers] {
    let numbers = numbers.room(8 * (count + 1)).as_chunks_mut().0;
    numbers[count] = [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0];
    numbers
}

/// Checks that the letters of a circuit have taken its angles.
#[inline(always)]
fn check(index: usize, taken: usize, end: usize) {
    assert!(taken == end, "circuit {index} has other angles than its letters");
}

#[inline(always)]
fn array_at(angles: &[f64], place: usize) -> [f64; MAX_GATE_ANGLES] {
    let mut own = [0.0; MAX_GATE_ANGLES];
    own.copy_from_slice(&angles[place..place + MAX_GATE_ANGLES]);
    own
}
