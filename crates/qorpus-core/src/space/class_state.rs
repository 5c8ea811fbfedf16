//! States of constrained circuits: the classes of the letters that are last on their qubits.

use crate::space::letter_class::LetterClasses;
use std::collections::HashMap;

/// The thresholds that are compared at once.
pub(super) const LANES: usize = 8;

/// A letter of some class in some state.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Move {
    /// The state after it, as the place of its first threshold.
    pub(super) next: u32,
    /// The number of allowed letters of the class.
    pub(super) allowed: u16,
    /// The number of forbidden ones.
    pub(super) forbidden: u16,
}

impl Move {
    /// Returns the moves from all states, which are numbered from the empty circuit's on. A state is
    /// the classes that are last on their qubits, as far as they forbid letters. States that need
    /// more than `most` thresholds give `None`.
    pub(super) fn all(classes: &LetterClasses, most: usize) -> Option<Vec<Move>> {
        let mut numbers = HashMap::from([(Vec::new(), 0)]);
        let mut found: Vec<Vec<usize>> = vec![Vec::new()];
        let mut moves = Vec::new();
        let width = classes.classes.len().next_multiple_of(LANES);
        let mut at = 0;
        while at < found.len() {
            let state = found[at].clone();
            at += 1;
            for (number, class) in classes.classes.iter().enumerate() {
                let qubits = |other: usize| classes.classes[other].qubits;
                let last = state.iter().copied().find(|&other| qubits(other) == class.qubits);
                let forbidden = last.map_or(0, |last| classes.forbidden(last, number));
                let mut next = state.clone();
                next.retain(|&other| qubits(other) & class.qubits == 0);
                if classes.forbids(number) {
                    next.push(number);
                    next.sort_unstable();
                }
                let new = found.len() as u32;
                let next = *numbers.entry(next).or_insert_with_key(|next| {
                    found.push(next.clone());
                    new
                });
                let (allowed, forbidden) = ((class.letters.len() - forbidden) as u16, forbidden as u16);
                moves.push(Move { next: next * width as u32, allowed, forbidden });
            }
            moves.resize(at * width, Move::default());
            if found.len() * width > most {
                return None;
            }
        }
        Some(moves)
    }
}
