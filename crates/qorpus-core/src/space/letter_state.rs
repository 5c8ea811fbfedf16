//! Letters drawn by state, for constraints with few states: the states are the letters that are last
//! on their qubits, and each has a list of the letters that may follow.

use crate::space::letter_class::LetterClasses;
use crate::space::partial_circuit::{PartialCircuit, place};
use crate::space::thresholds::Thresholds;
use std::collections::HashMap;

/// The most letters in the lists of all states together, few enough to stay in the first-level
/// cache. A single state may have more.
const MAX_FOLLOWING: usize = 4096;

/// The lists of all states.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LetterStates {
    /// For each state and class, padded like thresholds.
    lists: Vec<List>,
    following: Vec<Following>,
}

/// The letters of a class that may follow in a state.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct List {
    /// The place of the first.
    first: u16,
    number: u16,
    /// The distance that a letter moves on among the numbers of letters left, and the combinations of exact
    /// numbers still missing, in thresholds.
    step: u32,
}

/// A letter that may follow.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Following {
    letter: u16,
    /// The state after it, as the place of its first list.
    state: u16,
    /// The place of its first threshold, with classes instead of letters.
    class_state: u32,
}

impl LetterStates {
    /// Returns the lists, unless there are too many.
    pub(super) fn new(classes: &LetterClasses, thresholds: &Thresholds) -> Option<LetterStates> {
        let (width, most) = (thresholds.width, MAX_FOLLOWING.max(classes.undone_by.len()));
        let mut places = HashMap::from([(Vec::new(), 0)]);
        let mut found = vec![(Vec::new(), 0)];
        let mut states = LetterStates { lists: Vec::new(), following: Vec::new() };
        let mut at = 0;
        while at < found.len() {
            let (last, class_state): (Vec<u16>, u32) = found[at].clone();
            at += 1;
            for (number, class) in classes.classes.iter().enumerate() {
                let class_state = thresholds.moves[class_state as usize + number].next;
                let first = states.following.len();
                let before = last.iter().find(|&&letter| classes.qubits(letter) == class.qubits);
                let forbidden = before.map_or(&[][..], |&letter| &classes.undone_by[usize::from(letter)]);
                for &letter in class.letters.iter().filter(|letter| !forbidden.contains(letter)) {
                    let next = classes.last_after(&last, letter);
                    let new = found.len() * width;
                    let state = *places.entry(next).or_insert_with_key(|next| {
                        found.push((next.clone(), class_state));
                        new
                    });
                    states.following.push(Following { letter, state: state as u16, class_state });
                }
                let (first, number) = (first as u16, (states.following.len() - first) as u16);
                states.lists.push(List { first, number, step: thresholds.step(class.category) });
            }
            states.lists.resize(at * width, List::default());
            if states.following.len() > most || found.len() * width > 1 << u16::BITS {
                return None;
            }
        }
        Some(states)
    }
}

/// A circuit in some state.
#[derive(Debug, Clone, Copy)]
pub(super) struct CircuitInState {
    /// The place of the first state's first threshold, for the letters left and the exact numbers
    /// still missing.
    begin: u32,
    class_state: u32,
    state: u32,
}

impl PartialCircuit for CircuitInState {
    type Tables = LetterStates;

    #[inline(always)]
    fn empty(thresholds: &Thresholds, length: usize) -> CircuitInState {
        CircuitInState { begin: thresholds.begin(length), class_state: 0, state: 0 }
    }

    #[inline(always)]
    fn letter(&mut self, tables: &LetterStates, thresholds: &Thresholds, word: u64) -> u16 {
        let class = thresholds.class((self.begin + self.class_state) as usize, word);
        let List { first, number, step } = tables.lists[self.state as usize + class];
        // There are no thresholds after the last letter.
        self.begin = self.begin.wrapping_sub(step);
        let following = tables.following[usize::from(first) + place(word, number)];
        self.class_state = following.class_state;
        self.state = u32::from(following.state);
        following.letter
    }
}
