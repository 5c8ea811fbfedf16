//! The numbers of all letters with free angles of a few circuits, computed together: sines and
//! cosines of many arguments take little more time than those of one.

use crate::circuit::Circuits;
use crate::gate::rotation::{GENERAL_ARGUMENTS, general_arguments, general_numbers};
use crate::kernel::free_letter::{FreeLetters, Numbers};
use crate::kernel::representation::AlignedBuffer;
use crate::simd::sincos::sincos;
use std::ops::Range;
use std::sync::atomic::{Ordering, compiler_fence};

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
    /// The letters with free angles, and the place of the first angle of each, unless all are alike.
    found: Vec<(u16, usize)>,
    /// The number of arguments.
    count: usize,
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
    /// If a circuit has other angles than its letters. If all such letters are alike, this is left
    /// to [`FreeLetters::check`].
    #[inline(always)]
    pub(crate) fn compute(
        &mut self,
        letters: &FreeLetters,
        circuits: &Circuits,
        group: Range<usize>,
    ) -> &[Numbers] {
        let angles = circuits.angles_of(group.clone());
        if letters.common_scale.is_none() {
            self.find(letters, circuits, group);
        }
        if letters.has_general {
            self.general_arguments(letters, angles);
        } else {
            self.single_arguments(letters, angles);
        }
        let (sin, cos) = (self.sin.room(self.count), self.cos.room(self.count));
        sincos(self.arguments.room(self.count), sin, cos);
        if letters.has_general { self.general_numbers(letters) } else { self.single_numbers() }
    }

    /// Writes the arguments where each rotation has one angle.
    #[inline(always)]
    fn single_arguments(&mut self, letters: &FreeLetters, angles: &[f64]) {
        self.count = angles.len();
        let arguments = self.arguments.room(angles.len());
        if let Some(scale) = letters.common_scale {
            for (argument, angle) in arguments.iter_mut().zip(angles) {
                *argument = angle * scale;
            }
            return;
        }
        for ((argument, angle), &(letter, _)) in arguments.iter_mut().zip(angles).zip(&self.found) {
            *argument = angle * letters.letters[usize::from(letter)].scale;
        }
    }

    /// Writes the arguments where some rotations have three angles.
    #[inline(always)]
    fn general_arguments(&mut self, letters: &FreeLetters, angles: &[f64]) {
        if letters.common_scale.is_some() {
            let angles = angles.as_chunks().0;
            self.count = GENERAL_ARGUMENTS * angles.len();
            let arguments = self.arguments.room(self.count).as_chunks_mut().0;
            for (own, angles) in arguments.iter_mut().zip(angles) {
                *own = general_arguments(*angles);
            }
            return;
        }
        self.count = GENERAL_ARGUMENTS * self.found.len();
        let arguments = self.arguments.room(self.count).as_chunks_mut().0;
        for (own, &(letter, place)) in arguments.iter_mut().zip(&self.found) {
            let letter = &letters.letters[usize::from(letter)];
            *own = match angles[place..place + letter.angles] {
                [theta, phi, lambda] => general_arguments([theta, phi, lambda]),
                // Its argument, as often as others have one.
                _ => [angles[place] * letter.scale; GENERAL_ARGUMENTS],
            };
        }
    }

    /// Finds the letters with free angles.
    #[inline(always)]
    fn find(&mut self, letters: &FreeLetters, circuits: &Circuits, group: Range<usize>) {
        self.found.resize(circuits.letters(group.clone()).len() + 1, (0, 0));
        let (mut count, mut place) = (0, 0);
        for index in group {
            let end = place + circuits.angles(index).len();
            // Without branches, which could not be predicted: the next letter overwrites a fixed
            // one.
            for &letter in circuits.get(index) {
                self.found[count] = (letter, place);
                let angles = letters.letters[usize::from(letter)].angles;
                count += usize::from(angles > 0);
                place += angles;
            }
            assert!(place == end, "circuit {index} has other angles than its letters");
        }
        self.found.truncate(count);
    }

    /// Returns the numbers where each rotation has one angle.
    #[inline(always)]
    fn single_numbers(&mut self) -> &[Numbers] {
        let (sin, cos) = (self.sin.room(self.count), self.cos.room(self.count));
        let numbers = room_of(&mut self.numbers, self.count);
        for ((own, &sin), &cos) in numbers.iter_mut().zip(&*sin).zip(&*cos) {
            *own = [1.0, cos, sin, 0.0, 1.0, cos, sin, 0.0];
        }
        numbers
    }

    /// Returns the numbers where some rotations have three angles.
    #[inline(always)]
    fn general_numbers(&mut self, letters: &FreeLetters) -> &[Numbers] {
        let (sin, cos) = (self.sin.room(self.count).as_chunks().0, self.cos.room(self.count).as_chunks().0);
        let numbers = room_of(&mut self.numbers, sin.len());
        for ((own, &sin), &cos) in numbers.iter_mut().zip(sin).zip(cos) {
            *own = general_numbers(sin, cos);
            // The compiler makes vectors of the numbers of a letter; of those of several letters it
            // would make scattered stores, which are slow.
            compiler_fence(Ordering::SeqCst);
        }
        if letters.common_scale.is_none() {
            for ((own, &(letter, _)), (sin, cos)) in
                numbers.iter_mut().zip(&self.found).zip(sin.iter().zip(cos))
            {
                if letters.letters[usize::from(letter)].angles == 1 {
                    *own = [1.0, cos[0], sin[0], 0.0, 0.0, 0.0, 0.0, 0.0];
                }
            }
        }
        numbers
    }
}

/// Returns room for the numbers of `count` letters, and behind it the numbers of the identity.
#[inline(always)]
fn room_of(numbers: &mut AlignedBuffer, count: usize) -> &mut [Numbers] {
    let numbers = numbers.room(8 * (count + 1)).as_chunks_mut().0;
    numbers[count] = [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0];
    numbers
}
