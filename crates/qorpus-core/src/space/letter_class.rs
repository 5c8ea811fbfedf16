//! Classes of letters between which constraints do not distinguish.

use crate::alphabet::Alphabet;
use crate::error::Result;
use crate::space::cancellation::{qubit_set, undoing};
use crate::space::constraints::Constraints;
use std::collections::BTreeMap;

/// Letters that are equally likely in every circuit, except that one of them may be forbidden.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LetterClass {
    /// The letters, in ascending order.
    pub(super) letters: Vec<u16>,
    /// The qubits on which they act, bit q for qubit q; 0 if it does not matter.
    pub(super) qubits: u8,
    /// The number of their [category](LetterClasses::counts).
    pub(super) category: usize,
    /// The weight of one letter, divided by the weight of all letters of its category.
    pub(super) share: f64,
}

/// A partition of the letters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LetterClasses {
    /// In the order of their first letters.
    pub(super) classes: Vec<LetterClass>,
    /// The exact numbers of letters of the categories from 1 on. Category 0 has all other letters.
    pub(super) counts: Vec<u16>,
    /// For each letter, the letters that must not follow it on its qubits, in ascending order;
    /// empty if letters may cancel.
    pub(super) undone_by: Vec<Vec<u16>>,
    /// The class of each letter.
    of_letter: Vec<usize>,
}

impl LetterClasses {
    pub(super) fn new(alphabet: &Alphabet, constraints: &Constraints) -> Result<LetterClasses> {
        let letters = alphabet.letters();
        let mut categories = vec![0; alphabet.gates().len()];
        let mut counts = Vec::new();
        for (category, &count) in categories.iter_mut().zip(&constraints.exactly) {
            if let Some(count) = count {
                counts.push(count);
                *category = counts.len();
            }
        }
        let mut placements = vec![0u32; alphabet.gates().len()];
        letters.iter().for_each(|letter| placements[letter.gate] += 1);
        let weight = |gate: usize| {
            constraints.weights.get(gate).map_or(1.0, |weight| weight / f64::from(placements[gate]))
        };
        let mut totals = vec![0.0; counts.len() + 1];
        letters.iter().for_each(|letter| totals[categories[letter.gate]] += weight(letter.gate));
        let share = |gate: usize| weight(gate) / totals[categories[gate]];
        let (undone_by, is_split) = if constraints.no_cancelling {
            (undoing(alphabet)?, true)
        } else {
            (vec![Vec::new(); letters.len()], false)
        };
        let qubits = |letter| if is_split { qubit_set(letter) } else { 0 };
        // Refined until the letters of a class forbid equally many letters of each class.
        let mut of_letter = numbered(
            letters
                .iter()
                .map(|letter| (qubits(letter), categories[letter.gate], share(letter.gate).to_bits())),
        );
        loop {
            let refined = numbered((0..letters.len()).map(|letter| {
                let mut forbidden: Vec<_> =
                    undone_by[letter].iter().map(|&other| of_letter[usize::from(other)]).collect();
                forbidden.sort_unstable();
                (of_letter[letter], forbidden)
            }));
            let is_stable = refined == of_letter;
            of_letter = refined;
            if is_stable {
                break;
            }
        }
        let mut classes: Vec<LetterClass> = Vec::new();
        for ((number, letter), &class) in (0..).zip(letters).zip(&of_letter) {
            if class == classes.len() {
                let (category, share) = (categories[letter.gate], share(letter.gate));
                classes.push(LetterClass { letters: Vec::new(), qubits: qubits(letter), category, share });
            }
            classes[class].letters.push(number);
        }
        Ok(LetterClasses { classes, counts, undone_by, of_letter })
    }

    /// Returns the number of letters of class `next` that must not follow a letter of class `last`
    /// on the same qubits.
    pub(super) fn forbidden(&self, last: usize, next: usize) -> usize {
        let undone_by = &self.undone_by[usize::from(self.classes[last].letters[0])];
        undone_by.iter().filter(|&&letter| self.of_letter[usize::from(letter)] == next).count()
    }

    /// Returns what the sampler remembers of a letter: the place in its class of the one letter that
    /// undoes it, or if some letter is undone by several, its own place among the letters on its
    /// qubits. 0 if letters may cancel.
    pub(super) fn mark(&self, letter: u16) -> u8 {
        let at = usize::from(letter);
        let places = |other: u16| &self.classes[self.of_letter[usize::from(other)]].letters;
        let mark = if self.undone_by_several() {
            let qubits = self.classes[self.of_letter[at]].qubits;
            let before = self.of_letter[..at].iter().filter(|&&class| self.classes[class].qubits == qubits);
            Some(before.count())
        } else {
            self.undone_by[at].first().and_then(|&other| places(other).binary_search(&other).ok())
        };
        // There are at most 256 letters on the same qubits.
        mark.unwrap_or(0) as u8
    }

    /// Returns for each class and [mark](LetterClasses::mark) the places of the letters that a
    /// letter on the same qubits with this mark forbids, in ascending order; `None` unless some
    /// letter is undone by several.
    pub(super) fn forbidden_places(&self) -> Option<Vec<Vec<Vec<u8>>>> {
        let of_class = |class: &LetterClass| {
            let on_qubits = (0..self.of_letter.len())
                .filter(|&letter| self.classes[self.of_letter[letter]].qubits == class.qubits);
            let places = |letter: usize| {
                let places = self.undone_by[letter].iter().map(|other| class.letters.binary_search(other));
                places.flatten().map(|place| place as u8).collect()
            };
            on_qubits.map(places).collect()
        };
        self.undone_by_several().then(|| self.classes.iter().map(of_class).collect())
    }

    fn undone_by_several(&self) -> bool {
        self.undone_by.iter().any(|undone_by| undone_by.len() > 1)
    }

    /// Returns the qubits of a letter, as in its class.
    pub(super) fn qubits(&self, letter: u16) -> u8 {
        self.classes[self.of_letter[usize::from(letter)]].qubits
    }

    /// Returns the letters that are last on all their qubits and that some letter undoes, in
    /// ascending order, after one more letter.
    pub(super) fn last_after(&self, last: &[u16], letter: u16) -> Vec<u16> {
        let stays = |&other: &u16| self.qubits(other) & self.qubits(letter) == 0;
        let mut after: Vec<_> = last.iter().copied().filter(stays).collect();
        if !self.undone_by[usize::from(letter)].is_empty() {
            after.push(letter);
            after.sort_unstable();
        }
        after
    }

    /// Returns whether a letter of this class forbids others.
    pub(super) fn forbids(&self, class: usize) -> bool {
        !self.undone_by[usize::from(self.classes[class].letters[0])].is_empty()
    }
}

/// Numbers equal keys alike, in the order of their first occurrence.
fn numbered<K: Ord>(keys: impl Iterator<Item = K>) -> Vec<usize> {
    let mut numbers = BTreeMap::new();
    keys.map(|key| {
        let next = numbers.len();
        *numbers.entry(key).or_insert(next)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_play_the_same_part_are_one_class() {
        let alphabet = Alphabet::of("h,s,sdg,t,cx", 2);
        let classes = |constraints: Constraints| -> Vec<String> {
            let classes = LetterClasses::new(&alphabet, &constraints).unwrap().classes;
            classes.iter().map(|class| alphabet.text(&class.letters, &[])).collect()
        };
        assert_eq!(classes(Constraints::default()).len(), 1);
        let weights = vec![2.0, 1.0, 1.0, 1.0, 2.0];
        let weighted = Constraints { weights: weights.clone(), ..Constraints::default() };
        assert_eq!(classes(weighted), ["h 0; h 1; cx 0 1; cx 1 0", "s 0; s 1; sdg 0; sdg 1; t 0; t 1"]);
        let free = Constraints { no_cancelling: true, ..Constraints::default() };
        let expected = ["h 0; s 0; sdg 0", "h 1; s 1; sdg 1", "t 0", "t 1", "cx 0 1; cx 1 0"];
        assert_eq!(classes(free), expected);
        let exactly = vec![None, Some(1), None, None, None];
        let exact = Constraints { no_cancelling: true, exactly, ..Constraints::default() };
        let expected = ["h 0", "h 1", "s 0", "s 1", "sdg 0", "sdg 1", "t 0", "t 1", "cx 0 1; cx 1 0"];
        assert_eq!(classes(exact), expected);
    }
}
