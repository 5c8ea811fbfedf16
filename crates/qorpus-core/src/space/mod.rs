//! Spaces: indexable sets of circuits.

pub(crate) mod angles;
pub(crate) mod cancellation;
mod class_state;
pub(crate) mod cliffords;
mod constrained;
pub(crate) mod constraints;
pub(crate) mod distinct;
mod letter_class;
mod letter_state;
mod marked_letter;
mod partial_circuit;
pub(crate) mod pauli_pair;
pub(crate) mod sampler;
mod thresholds;

use crate::alphabet::Alphabet;
use crate::circuit::{Circuits, MAX_LENGTH};
use crate::error::{Error, Result};
use crate::random::haar::Haar;
use crate::space::angles::AngleSampler;
use crate::space::cliffords::CliffordSampler;
use crate::space::constrained::ConstrainedSampler;
use crate::space::constraints::Constraints;
use crate::space::distinct::Distinct;
use crate::space::sampler::Sampler;
use std::ops::Range;
use std::sync::Arc;

/// The largest number of records, 2^63.
const MAX_RECORDS: u64 = 1 << 63;

/// An indexable set of circuits over an alphabet. A circuit is found in time independent of its
/// index.
#[derive(Debug, Clone, PartialEq)]
pub struct Space {
    kind: SpaceKind,
    /// The sampler of random records.
    sampler: Option<CircuitSampler>,
    /// The sampler of their free angles, if letters have any.
    angles: Option<AngleSampler>,
    letters: usize,
    min: usize,
    max: usize,
    len: u64,
}

/// A sampler of random records.
#[derive(Debug, Clone, PartialEq)]
enum CircuitSampler {
    Uniform(Sampler),
    Constrained(Arc<ConstrainedSampler>),
    Cliffords(CliffordSampler),
    /// Records without circuits, whose unitaries the kernel draws.
    Haar(Haar),
}

/// The kind of a [`Space`].
#[derive(Debug, Clone, PartialEq)]
pub enum SpaceKind {
    /// Every word within a range of lengths.
    Words,
    /// Independent draws.
    Random {
        /// The seed of the generator.
        seed: u64,
        /// The constraints, if there are any.
        constraints: Constraints,
    },
    /// Independent Clifford operators, uniform over the group up to global phases.
    Cliffords {
        /// The seed of the generator.
        seed: u64,
    },
    /// Independent Haar-random unitaries, without circuits.
    Haar {
        /// The seed of the generator.
        seed: u64,
    },
    /// Circuits that are appended.
    Appended,
    /// A shortest or cheapest circuit for each distinct unitary.
    Distinct(Distinct),
}

/// The mean length that is assumed for appended circuits, to choose the size of their chunks: it is
/// not known beforehand.
const LENGTH_OF_APPENDED: f64 = 16.0;

impl Space {
    /// Returns the space of appended circuits: any number, of any length. None can be computed from
    /// an index. Its length is the largest possible, 2^63.
    pub fn appended(alphabet: &Alphabet) -> Space {
        Space::of(SpaceKind::Appended, alphabet, 0, MAX_LENGTH, MAX_RECORDS)
    }

    fn of(kind: SpaceKind, alphabet: &Alphabet, min: usize, max: usize, len: u64) -> Space {
        Space { kind, sampler: None, angles: None, letters: alphabet.letters().len(), min, max, len }
    }

    /// Returns the space of an enumeration: a shortest or cheapest circuit for each distinct
    /// unitary. None can be computed from an index. Its length is the largest possible, 2^63.
    /// Either only lengths count, or gates have costs and lengths are unbounded.
    ///
    /// # Errors
    /// [`Error::Distinct`], [`Error::Length`] if `max` is too large, or [`Error::FreeAngle`].
    pub fn distinct(alphabet: &Alphabet, distinct: Distinct, max: usize) -> Result<Space> {
        alphabet.check_letters()?;
        alphabet.check_fixed("distinct unitaries need")?;
        check_lengths(0, max)?;
        distinct.check(alphabet, max)?;
        Ok(Space::of(SpaceKind::Distinct(distinct), alphabet, 0, max, MAX_RECORDS))
    }

    /// Returns the space of all words of `min` to `max` letters, each once. Shorter words come
    /// first, then words in the order of the alphabet with the first letter most significant.
    ///
    /// # Errors
    /// A reversed or too large range of lengths, more than 2^63 words, a gate with free angles, or
    /// more than 8 qubits.
    pub fn words(alphabet: &Alphabet, min: usize, max: usize) -> Result<Space> {
        alphabet.check_unitaries()?;
        alphabet.check_letters()?;
        alphabet.check_fixed("words need")?;
        check_lengths(min, max)?;
        let mut len = 0u64;
        for length in min..=max {
            let words = words_of(alphabet.letters().len(), length).and_then(|words| len.checked_add(words));
            len = words.filter(|&len| len <= MAX_RECORDS).ok_or(Error::SpaceTooLarge)?;
        }
        Ok(Space::of(SpaceKind::Words, alphabet, min, max, len))
    }

    /// Returns the space of `len` independent draws: a length uniform in `min..=max`, then letters
    /// uniform in the alphabet, then the free angles of these letters: uniform in (-pi, pi], and
    /// those of `u3(?,?,?)` so that its unitary is Haar-random up to a phase.
    ///
    /// Record i depends on `seed` and i alone; the generator is specified in `docs/format.md`.
    ///
    /// # Errors
    /// A reversed or too large range of lengths, no records or more than 2^63, or more than 8 qubits.
    pub fn random(alphabet: &Alphabet, len: u64, seed: u64, min: usize, max: usize) -> Result<Space> {
        Space::constrained(alphabet, len, seed, (min, max), Constraints::default())
    }

    /// Returns the space of `len` independent draws of circuits that satisfy `constraints`: a length
    /// uniform in `min..=max`, then a circuit of this length, as [`Constraints`] say.
    ///
    /// Without constraints it is [`random`](Space::random). Otherwise tables are computed, in time
    /// and memory proportional to `max`, the product of the exact numbers, and the ways in which
    /// letters that can be undone lie on the qubits; at most 64 MiB.
    ///
    /// # Errors
    /// As [`random`](Space::random), and [`Error::Constraints`] if they are invalid, if a length has
    /// no circuit, or if the tables are too large.
    pub fn constrained(
        alphabet: &Alphabet,
        len: u64,
        seed: u64,
        (min, max): (usize, usize),
        constraints: Constraints,
    ) -> Result<Space> {
        alphabet.check_unitaries()?;
        alphabet.check_letters()?;
        check_lengths(min, max)?;
        check_records(len)?;
        let sampler = if constraints.is_empty() {
            CircuitSampler::Uniform(Sampler::new(seed, alphabet.letters().len(), min, max))
        } else {
            constraints.check(alphabet, min, max)?;
            let sampler = ConstrainedSampler::new(alphabet, seed, (min, max), &constraints)?;
            CircuitSampler::Constrained(Arc::new(sampler))
        };
        let angles = AngleSampler::new(alphabet, seed);
        let space = Space::of(SpaceKind::Random { seed, constraints }, alphabet, min, max, len);
        Ok(Space { sampler: Some(sampler), angles, ..space })
    }

    /// Returns the alphabet of [`Space::cliffords`]: h, s, cx, x, y and z on all qubits.
    ///
    /// # Errors
    /// A number of qubits that is not supported.
    pub fn alphabet_of_cliffords(qubits: usize) -> Result<Alphabet> {
        cliffords::alphabet(qubits)
    }

    /// Returns the space of `len` independent Clifford operators, uniform over the group up to
    /// global phases, each with a short circuit.
    ///
    /// Record i depends on `seed` and i alone; the algorithm is specified in `docs/format.md`.
    ///
    /// # Errors
    /// Another alphabet than [`Space::alphabet_of_cliffords`], no records, or more than 2^63.
    pub fn cliffords(alphabet: &Alphabet, len: u64, seed: u64) -> Result<Space> {
        check_records(len)?;
        if *alphabet != cliffords::alphabet(alphabet.qubits())? {
            let reason = "random Clifford operators have the gates h, s, cx, x, y, z on all pairs of qubits";
            return Err(Error::Recipe(reason.into()));
        }
        let sampler = CliffordSampler::new(seed, alphabet.qubits());
        let space = Space::of(SpaceKind::Cliffords { seed }, alphabet, 0, sampler.longest(), len);
        Ok(Space { sampler: Some(CircuitSampler::Cliffords(sampler)), ..space })
    }

    /// Returns the alphabet of [`Space::haar`]: no gates and no letters, on `qubits` qubits.
    ///
    /// # Errors
    /// A number of qubits that is not supported.
    pub fn alphabet_of_haar(qubits: usize) -> Result<Alphabet> {
        Alphabet::empty(qubits)
    }

    /// Returns the space of `len` independent Haar-random unitaries. Its records have no circuits:
    /// as circuits they are empty and carry their ids, from which the unitaries are drawn.
    ///
    /// Unitary i depends on `seed` and i alone; the algorithm is specified in `docs/format.md`.
    ///
    /// # Errors
    /// Another alphabet than [`Space::alphabet_of_haar`], no records, or more than 2^63.
    pub fn haar(alphabet: &Alphabet, len: u64, seed: u64) -> Result<Space> {
        check_records(len)?;
        if !alphabet.letters().is_empty() {
            return Err(Error::Recipe("Haar-random unitaries have no circuits, and so no gates".into()));
        }
        let sampler = CircuitSampler::Haar(Haar::new(seed, alphabet.qubits()));
        let space = Space::of(SpaceKind::Haar { seed }, alphabet, 0, 0, len);
        Ok(Space { sampler: Some(sampler), ..space })
    }

    /// Returns the number of records.
    #[expect(clippy::len_without_is_empty, reason = "a space is never empty")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns the shortest and the longest length, in letters.
    pub fn lengths(&self) -> (usize, usize) {
        (self.min, self.max)
    }

    /// Returns the kind of the space.
    pub fn kind(&self) -> &SpaceKind {
        &self.kind
    }

    /// Returns whether its circuits are stored by an appender or an enumeration, and cannot be
    /// computed from an index.
    pub fn is_appended(&self) -> bool {
        matches!(self.kind, SpaceKind::Appended | SpaceKind::Distinct(_))
    }

    /// Returns whether its records have circuits.
    pub fn has_circuits(&self) -> bool {
        !matches!(self.kind, SpaceKind::Haar { .. })
    }

    /// Returns the enumeration, if it is a space of distinct unitaries.
    pub fn enumerates(&self) -> Option<&Distinct> {
        match &self.kind {
            SpaceKind::Distinct(distinct) => Some(distinct),
            _ => None,
        }
    }

    /// Returns whether its records are the first ones of `larger`, which differs only in its size:
    /// the number of random records, the longest word, or the bound of an enumeration.
    pub(crate) fn begins(&self, larger: &Space) -> bool {
        let mut resized = self.clone();
        let is_no_smaller = match (&mut resized.kind, &larger.kind) {
            (SpaceKind::Random { .. } | SpaceKind::Cliffords { .. } | SpaceKind::Haar { .. }, _) => {
                resized.len = larger.len;
                self.len <= larger.len
            }
            (SpaceKind::Words, _) => {
                (resized.max, resized.len) = (larger.max, larger.len);
                self.max <= larger.max
            }
            (SpaceKind::Distinct(own), SpaceKind::Distinct(other)) => {
                let smaller = (own.most_cost, self.max);
                (own.most_cost, resized.max) = (other.most_cost, larger.max);
                smaller.0 <= other.most_cost && smaller.1 <= larger.max
            }
            // Appended records have no size: only equal spaces agree.
            _ => true,
        };
        is_no_smaller && resized == *larger
    }

    /// Returns the mean length that decides the size of chunks: exact for random circuits, the
    /// longest for words, since most words are longest, and a rounded mean for Clifford operators.
    pub(crate) fn typical_length(&self) -> f64 {
        if let Some(CircuitSampler::Cliffords(sampler)) = &self.sampler {
            return sampler.mean_length();
        }
        match self.kind {
            SpaceKind::Appended => LENGTH_OF_APPENDED,
            SpaceKind::Distinct(_) => LENGTH_OF_APPENDED.min(self.max as f64),
            SpaceKind::Words if self.letters > 1 => self.max as f64,
            _ => (self.min + self.max) as f64 / 2.0,
        }
    }

    /// Replaces the contents of `out` by the circuits with these indices.
    ///
    /// # Panics
    /// If the range reaches beyond the space, or its circuits are appended.
    pub fn circuits(&self, indices: Range<u64>, out: &mut Circuits) {
        out.clear();
        self.extend(indices, out);
    }

    /// Appends the circuits with these indices to `out`.
    ///
    /// # Panics
    /// If the range reaches beyond the space, or its circuits are appended.
    pub fn extend(&self, indices: Range<u64>, out: &mut Circuits) {
        assert!(indices.end <= self.len, "index {} is beyond the space", indices.end);
        match &self.sampler {
            Some(CircuitSampler::Uniform(sampler)) => sampler.circuits(indices.clone(), out),
            Some(CircuitSampler::Constrained(sampler)) => sampler.circuits(indices.clone(), out),
            Some(CircuitSampler::Cliffords(sampler)) => sampler.circuits(indices.clone(), out),
            Some(CircuitSampler::Haar(_)) => out.push_drawn(indices.clone()),
            None if indices.is_empty() => {}
            None => {
                assert!(self.kind == SpaceKind::Words, "appended circuits cannot be computed");
                let mut word = self.word(indices.start);
                out.push(word.iter().copied());
                for _ in indices.start + 1..indices.end {
                    self.advance(&mut word);
                    out.push(word.iter().copied());
                }
            }
        }
        if let Some(angles) = &self.angles {
            angles.extend(indices, out);
        }
    }

    /// Returns the sampler of the free angles of its circuits, if they are drawn.
    pub(crate) fn angles(&self) -> Option<&AngleSampler> {
        self.angles.as_ref()
    }

    /// Returns the sampler of its unitaries, if they are drawn.
    pub(crate) fn haar_sampler(&self) -> Option<&Haar> {
        match &self.sampler {
            Some(CircuitSampler::Haar(sampler)) => Some(sampler),
            _ => None,
        }
    }

    /// Returns the circuits with these indices.
    #[cfg(test)]
    pub(crate) fn listed(&self, indices: Range<u64>) -> Circuits {
        let mut circuits = Circuits::default();
        self.circuits(indices, &mut circuits);
        circuits
    }

    /// Returns the index of a word; `None` if the space is not one of words, or does not have this
    /// one.
    pub fn index(&self, word: &[u16]) -> Option<u64> {
        let within = (self.min..=self.max).contains(&word.len());
        let known = word.iter().all(|&letter| usize::from(letter) < self.letters);
        if self.kind != SpaceKind::Words || !within || !known {
            return None;
        }
        let shorter: u64 = (self.min..word.len()).filter_map(|length| words_of(self.letters, length)).sum();
        let rank = word.iter().fold(0, |rank, &letter| rank * self.letters as u64 + u64::from(letter));
        Some(shorter + rank)
    }

    fn word(&self, index: u64) -> Vec<u16> {
        if self.letters == 1 {
            return vec![0; self.min + index as usize];
        }
        let mut rank = index;
        let mut length = self.min;
        while let Some(words) = words_of(self.letters, length).filter(|&words| rank >= words) {
            rank -= words;
            length += 1;
        }
        let mut word = vec![0; length];
        for letter in word.iter_mut().rev() {
            *letter = (rank % self.letters as u64) as u16;
            rank /= self.letters as u64;
        }
        word
    }

    /// Replaces a word by the next one.
    fn advance(&self, word: &mut Vec<u16>) {
        for letter in word.iter_mut().rev() {
            *letter += 1;
            if usize::from(*letter) < self.letters {
                return;
            }
            *letter = 0;
        }
        word.push(0);
    }
}

fn check_lengths(min: usize, max: usize) -> Result<()> {
    let refused = |reason| Err(Error::Length { min, max, reason });
    if min > max {
        return refused("the shortest length must come first");
    }
    if max > MAX_LENGTH {
        return refused("a circuit has at most 65,535 letters");
    }
    Ok(())
}

fn check_records(len: u64) -> Result<()> {
    match len {
        0 => Err(Error::NoRecords),
        1..=MAX_RECORDS => Ok(()),
        _ => Err(Error::SpaceTooLarge),
    }
}

/// Returns letters^length, if it fits in 64 bits.
fn words_of(letters: usize, length: usize) -> Option<u64> {
    (letters as u64).checked_pow(length as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_come_shortest_first_then_in_alphabet_order() {
        let alphabet = Alphabet::of("h,t", 1);
        let words = Space::words(&alphabet, 0, 2).unwrap().listed(0..7);
        let words: Vec<_> = words.iter().map(|word| alphabet.text(word, &[])).collect();
        assert_eq!(words, ["", "h 0", "t 0", "h 0; h 0", "h 0; t 0", "t 0; h 0", "t 0; t 0"]);
    }

    #[test]
    fn limits() {
        let two = Alphabet::of("h,t", 1);
        assert_eq!(Space::words(&two, 0, 62).unwrap().len(), (1 << 63) - 1);
        assert_eq!(Space::words(&two, 63, 63).unwrap().len(), 1 << 63);
        assert_eq!(Space::words(&two, 0, 63), Err(Error::SpaceTooLarge));
        assert_eq!(Space::words(&two, 0, 60_000), Err(Error::SpaceTooLarge));
        let none = Space::alphabet_of_haar(1).unwrap();
        assert!(matches!(Space::words(&none, 0, 2), Err(Error::EmptyAlphabet(_))));
        assert!(matches!(Space::random(&none, 9, 0, 0, 2), Err(Error::EmptyAlphabet(_))));
        assert!(matches!(Space::haar(&two, 9, 0), Err(Error::Recipe(_))));
        assert_eq!(Space::haar(&none, 0, 0), Err(Error::NoRecords));
        assert_eq!(Space::haar(&none, (1 << 63) + 1, 0), Err(Error::SpaceTooLarge));
        assert_eq!(Space::alphabet_of_haar(9), Err(Error::UnitaryQubits(9)));
        assert!(matches!(Space::words(&two, 3, 2), Err(Error::Length { .. })));
        assert!(matches!(Space::words(&two, 0, 65_536), Err(Error::Length { .. })));
        assert_eq!(Space::random(&two, 0, 0, 1, 2), Err(Error::NoRecords));
        assert_eq!(Space::random(&two, (1 << 63) + 1, 0, 1, 2), Err(Error::SpaceTooLarge));
        assert_eq!(Space::words(&Alphabet::of("h", 1), 5, 65_535).unwrap().len(), 65_531);
    }

    #[test]
    fn far_words_are_found_directly() {
        let space = Space::words(&Alphabet::of("h,s,t", 1), 1, 39).unwrap();
        let last = space.listed(space.len() - 1..space.len());
        assert_eq!(last.get(0), [2; 39]);
        assert_eq!(space.index(last.get(0)), Some(space.len() - 1));
    }

    proptest! {
        #[test]
        fn index_and_word_are_inverse(letters in 1usize..5, min in 0usize..4, extra in 0usize..4, at in any::<u64>()) {
            let alphabet = Alphabet::of(&["h", "s", "t", "x"][..letters].join(","), 1);
            let space = Space::words(&alphabet, min, min + extra).unwrap();
            let (start, words) = (at % space.len(), space.listed(0..space.len()));
            for (index, word) in (start..).zip(space.listed(start..space.len()).iter()) {
                prop_assert_eq!(space.index(word), Some(index));
                prop_assert_eq!(word, words.get(index as usize));
            }
        }

        #[test]
        fn a_random_circuit_does_not_depend_on_the_range_it_is_drawn_in(seed: u64, start in 0u64..900) {
            let space = Space::random(&Alphabet::of("h,t,cx", 3), 1000, seed, 0, 70).unwrap();
            let (whole, part) = (space.listed(0..1000), space.listed(start..start + 100));
            for index in 0..100 {
                prop_assert_eq!(part.get(index), whole.get(start as usize + index));
            }
        }
    }
}
