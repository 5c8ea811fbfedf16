//! The letters of an alphabet with free angles: the numbers of a prepared letter as functions of
//! its angles.
//!
//! A letter is prepared once, at generic angles. Each of its numbers is 0, or one of the few numbers
//! of the rotation, or its negative, and is so at all angles. Other angles put other numbers in the
//! same places. The first number of every rotation is 1, so that fixed letters need no branch.

use crate::alphabet::Alphabet;
use crate::gate::rotation::{GENERIC_ANGLES, MAX_GATE_ANGLES, MAX_NUMBERS, Rotation};
use crate::simd::vector::place;

/// The numbers of a rotation at its angles. If all rotations of an alphabet have one angle, the
/// second half of them repeats the first.
pub(crate) type Numbers = [f64; MAX_NUMBERS];

/// The letters of an alphabet in which some have free angles.
#[derive(Debug, Clone)]
pub(crate) struct FreeLetters {
    pub(crate) letters: Vec<FreeLetter>,
    /// Whether a letter has more than one angle.
    pub(crate) has_general: bool,
    /// Whether every letter has.
    pub(crate) are_general: bool,
    /// The factor of every angle in its argument, if all letters have one angle and the same factor;
    /// any if all have more.
    pub(crate) common_scale: Option<f64>,
}

/// A letter, with free angles or without.
#[derive(Debug, Clone)]
pub(crate) struct FreeLetter {
    /// The number of its free angles.
    pub(crate) angles: usize,
    /// The factor of its angle in the argument of cosine and sine, if it has one angle.
    pub(crate) scale: f64,
    /// The source of each number of the prepared letter.
    pub(crate) sources: Vec<Source>,
    /// The sources in groups of eight.
    pub(crate) groups: Vec<SourceGroup>,
}

/// A number of a prepared letter: a number of its rotation times a factor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    place: u8,
    factor: f64,
}

/// Eight sources, for vectors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceGroup {
    pub(crate) places: [u64; 8],
    pub(crate) factors: [f64; 8],
}

impl FreeLetters {
    /// Returns the letters of `alphabet`, of which `prepared` returns the numbers at
    /// [`GENERIC_ANGLES`]; `None` if none has free angles.
    pub(crate) fn new(alphabet: &Alphabet, prepared: impl Fn(usize) -> Vec<f64>) -> Option<FreeLetters> {
        let rotations = alphabet.letters().iter().map(|letter| alphabet.gates()[letter.gate].rotation());
        let is_general = |rotation| rotation == Some(Rotation::General);
        let (has_general, are_general) =
            (rotations.clone().any(is_general), rotations.clone().all(is_general));
        let letter =
            |(number, rotation)| FreeLetter::new(rotation, prepared(number).into_iter(), has_general);
        alphabet.has_free_angles().then(|| {
            let letters: Vec<_> = rotations.enumerate().map(letter).collect();
            let mut free = letters.iter().filter(|letter| letter.angles > 0);
            let kind = |letter: &FreeLetter| (letter.angles, letter.scale);
            let first = free.next().map(kind);
            let are_alike = free.all(|letter| Some(kind(letter)) == first);
            FreeLetters {
                common_scale: first.filter(|_| are_alike).map(|(_, scale)| scale),
                letters,
                has_general,
                are_general,
            }
        })
    }
}

impl FreeLetters {
    /// Checks the angles of circuit `index`, in which `count` letters have free angles.
    ///
    /// # Panics
    /// If there are more angles than those of the letters, or fewer.
    #[inline(always)]
    pub(crate) fn check(&self, index: usize, count: usize, angles: &[f64]) {
        let each = if self.has_general { MAX_GATE_ANGLES } else { 1 };
        let is_right = self.common_scale.is_none() || each * count == angles.len();
        assert!(is_right, "circuit {index} has other angles than its letters");
    }
}

impl FreeLetter {
    fn new(rotation: Option<Rotation>, prepared: impl Iterator<Item = f64>, has_general: bool) -> FreeLetter {
        let source = |number| match rotation {
            Some(rotation) => Source::find(number, &rotation.numbers(&GENERIC_ANGLES)),
            None => Source { place: 0, factor: number },
        };
        let sources: Vec<_> = prepared.map(source).collect();
        let groups = sources.chunks(8).map(|sources| SourceGroup::new(sources, has_general)).collect();
        let (angles, scale) = (rotation.map_or(0, Rotation::angles), rotation.map_or(0.0, Rotation::scale));
        FreeLetter { angles, scale, sources, groups }
    }
}

impl Source {
    /// Finds a number of a letter among the numbers of its rotation.
    fn find(number: f64, known: &Numbers) -> Source {
        let find = |number: f64| known.iter().position(|known| *known == number);
        let (place, factor) = match (find(number), find(-number)) {
            _ if number == 0.0 => (0, 0.0),
            (Some(place), _) => (place, 1.0),
            (None, place) => (place.expect("numbers of a letter are those of its rotation"), -1.0),
        };
        Source { place: place as u8, factor }
    }

    /// Returns the number, from those of the rotation.
    #[inline(always)]
    pub(crate) fn of(self, numbers: &Numbers) -> f64 {
        numbers[usize::from(self.place) % MAX_NUMBERS] * self.factor
    }
}

impl SourceGroup {
    fn new(sources: &[Source], has_general: bool) -> SourceGroup {
        let mut group = SourceGroup { places: [place(0); 8], factors: [0.0; 8] };
        for (lane, source) in sources.iter().enumerate() {
            // Unless a rotation has more than one angle, no number leaves its half.
            let half = if has_general { 0 } else { lane / 4 * 4 };
            group.places[lane] = place(half + usize::from(source.place));
            group.factors[lane] = source.factor;
        }
        group
    }
}
