//! Letters with free angles: the numbers of a prepared letter as functions of its angles.
//!
//! A letter is prepared once, at generic angles. Each of its numbers is 0, or one of the few numbers
//! of the rotation, or its negative, and is so at all angles. Other angles put other numbers in the
//! same places.

use crate::gate::rotation::{GENERIC_ANGLES, MAX_NUMBERS, Rotation};

/// A letter with free angles.
#[derive(Debug, Clone)]
pub(crate) struct FreeLetter {
    pub(crate) rotation: Rotation,
    /// The source of each number of the prepared letter.
    pub(crate) sources: Vec<Source>,
    /// The sources as sums for vectors: for each number of the rotation and each group of eight
    /// numbers of the letter, the factors of that number.
    pub(crate) weights: Vec<Vec<[f64; 8]>>,
}

/// A number of a prepared letter: a number of its rotation times 1, -1 or 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub(crate) place: u8,
    pub(crate) factor: f64,
}

impl FreeLetter {
    /// Returns the sources of the numbers of a letter that was prepared at [`GENERIC_ANGLES`].
    pub(crate) fn new(rotation: Rotation, prepared: impl IntoIterator<Item = f64>) -> FreeLetter {
        let known = rotation.numbers(&GENERIC_ANGLES);
        let find = |number: f64| known.iter().position(|known| *known == number);
        let source = |number: f64| {
            let (place, factor) = match (find(number), find(-number)) {
                _ if number == 0.0 => (0, 0.0),
                (Some(place), _) => (place, 1.0),
                (None, place) => (place.expect("numbers of a letter are those of its rotation"), -1.0),
            };
            Source { place: place as u8, factor }
        };
        let sources: Vec<_> = prepared.into_iter().map(source).collect();
        let weights = (0..rotation.number_count()).map(|place| {
            let group = |group: &[Source]| {
                let mut factors = [0.0; 8];
                let own =
                    factors.iter_mut().zip(group).filter(|(_, source)| usize::from(source.place) == place);
                own.for_each(|(factor, source)| *factor = source.factor);
                factors
            };
            sources.chunks(8).map(group).collect()
        });
        FreeLetter { rotation, weights: weights.collect(), sources }
    }

    /// Takes the angles of the letter from the first of `angles` and returns the numbers of the
    /// rotation.
    #[inline(always)]
    pub(crate) fn numbers(&self, angles: &mut &[f64]) -> [f64; MAX_NUMBERS] {
        let (own, rest) = angles.split_at(self.rotation.angles());
        *angles = rest;
        self.rotation.numbers(own)
    }
}

impl Source {
    /// Returns the number, from those of the rotation.
    #[inline(always)]
    pub(crate) fn of(self, numbers: &[f64; MAX_NUMBERS]) -> f64 {
        numbers[usize::from(self.place) % MAX_NUMBERS] * self.factor
    }
}
