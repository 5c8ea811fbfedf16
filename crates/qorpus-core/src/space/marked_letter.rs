//! Letters drawn by class, for constraints with many states: a circuit remembers the last letter on
//! each of its qubits.

use crate::space::class_state::Move;
use crate::space::letter_class::LetterClasses;
use crate::space::partial_circuit::{PartialCircuit, place};
use crate::space::thresholds::Thresholds;

/// A number with one byte for each qubit, all 1.
const EACH_QUBIT: u64 = 0x0101_0101_0101_0101;

/// All letters, by class.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MarkedLetters {
    classes: Vec<DrawnClass>,
    /// The letters of all classes, one class after the other.
    letters: Vec<MarkedLetter>,
    /// If some letter is undone by several: for each class and mark, the places of the letters that
    /// a letter with this mark forbids, in ascending order.
    forbidden_places: Option<Vec<Vec<Vec<u8>>>>,
}

/// A class of letters to draw from.
#[derive(Debug, Clone, PartialEq)]
struct DrawnClass {
    /// The bytes of its qubits.
    qubits: u64,
    /// The distance that a letter moves on among the numbers of letters left, and the combinations of exact
    /// numbers still missing, in thresholds.
    step: u32,
    /// The place of its first letter.
    first: u16,
    /// The lowest bit of the byte of its first qubit.
    shift: u8,
}

/// A letter, and what must be remembered of it to know which letters it forbids.
#[derive(Debug, Clone, Copy, PartialEq)]
struct MarkedLetter {
    letter: u16,
    /// The place in its class of the one letter that undoes it. If some letter is undone by
    /// several: its own place among the letters on its qubits.
    mark: u8,
}

impl MarkedLetters {
    pub(super) fn new(classes: &LetterClasses, thresholds: &Thresholds) -> MarkedLetters {
        let mut drawn = MarkedLetters {
            classes: Vec::new(),
            letters: Vec::new(),
            forbidden_places: classes.forbidden_places(),
        };
        for class in &classes.classes {
            let bytes = (0..u64::BITS / 8).filter(|qubit| class.qubits >> qubit & 1 == 1);
            let qubits = bytes.fold(0, |qubits, qubit| qubits | 0xFF << (8 * qubit));
            let first = drawn.letters.len() as u16;
            let shift = (8 * class.qubits.trailing_zeros() % u64::BITS) as u8;
            drawn.classes.push(DrawnClass { qubits, step: thresholds.step(class.category), first, shift });
            let marked = |&letter| MarkedLetter { letter, mark: classes.mark(letter) };
            drawn.letters.extend(class.letters.iter().map(marked));
        }
        drawn
    }
}

/// A circuit with the marks of its last letters.
#[derive(Debug, Clone, Copy)]
pub(super) struct MarkedCircuit {
    /// The place of the first state's first threshold, for the letters left and the exact numbers
    /// still missing.
    begin: u32,
    /// The place of the state's first threshold among those of all states.
    state: u32,
    /// The mark of the last letter on each qubit, in its byte.
    marks: u64,
}

impl PartialCircuit for MarkedCircuit {
    type Tables = MarkedLetters;

    #[inline(always)]
    fn empty(thresholds: &Thresholds, length: usize) -> MarkedCircuit {
        MarkedCircuit { begin: thresholds.begin(length), state: 0, marks: 0 }
    }

    #[inline(always)]
    fn letter(&mut self, tables: &MarkedLetters, thresholds: &Thresholds, word: u64) -> u16 {
        let number = thresholds.class((self.begin + self.state) as usize, word);
        let class = &tables.classes[number];
        let Move { next, allowed, forbidden } = thresholds.moves[self.state as usize + number];
        // There are no thresholds after the last letter.
        self.begin = self.begin.wrapping_sub(class.step);
        self.state = next;
        let mut place = place(word, allowed);
        let mark = (self.marks >> class.shift) as u8;
        if let Some(forbidden_places) = &tables.forbidden_places {
            if forbidden > 0 {
                for &forbidden in &forbidden_places[number][usize::from(mark)] {
                    place += usize::from(usize::from(forbidden) <= place);
                }
            }
        } else {
            // Without a branch, which would often be predicted wrongly.
            place += usize::from(usize::from(mark) <= place) & usize::from(forbidden);
        }
        let MarkedLetter { letter, mark } = tables.letters[usize::from(class.first) + place];
        self.marks ^= (self.marks ^ (u64::from(mark) * EACH_QUBIT)) & class.qubits;
        letter
    }
}
