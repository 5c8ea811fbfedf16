//! Alphabets whose letters are listed one by one.

use crate::alphabet::coupling::Coupling;
use crate::alphabet::placements::{placement, smallest, symmetries};
use crate::alphabet::{Alphabet, Letter, MAX_LETTERS, MAX_QUBITS, split_letter};
use crate::error::{Error, Result};
use crate::gate::Gate;
use std::collections::HashMap;

/// The most letters that a summary or an error names.
const NAMED: usize = 12;

impl Alphabet {
    /// Creates the alphabet of the letters with these texts, in this order: `cx 0 1` without
    /// `cx 1 0`, `h 0` without `h 1`. `gate` returns the gate that a name means. On one qubit the
    /// qubit may be left out.
    ///
    /// The gates are ordered by their first letters. A letter gets the lexicographically smallest
    /// of the placements that mean the same unitary: `cz 1 0` becomes `cz 0 1`. If the letters are
    /// those of the gates under a coupling, in the same order, the alphabet is the one under this
    /// coupling.
    ///
    /// # Errors
    /// Qubits out of range, no letters or too many, a gate that `gate` refuses, qubits on which a
    /// gate cannot act, or a letter that is listed twice.
    ///
    /// ```
    /// use qorpus_core::{Alphabet, Coupling, Gate};
    ///
    /// let alphabet = Alphabet::listed(&["h 0", "cx 0 1", "cx 1 2"], 3, Gate::standard)?;
    /// assert_eq!(alphabet.gates().iter().map(Gate::name).collect::<Vec<_>>(), ["h", "cx"]);
    /// assert_eq!(alphabet.coupling(), None);
    /// let all = Alphabet::listed(&["h 0", "h 1", "cx 0 1", "cx 1 0"], 2, Gate::standard)?;
    /// assert_eq!(all.coupling(), Some(&Coupling::All));
    /// # Ok::<(), qorpus_core::Error>(())
    /// ```
    pub fn listed<T: AsRef<str>>(
        texts: &[T],
        qubits: usize,
        gate: impl FnMut(&str) -> Result<Gate>,
    ) -> Result<Alphabet> {
        if !(1..=MAX_QUBITS).contains(&qubits) {
            return Err(Error::Qubits(qubits));
        }
        if texts.is_empty() {
            return Err(Error::EmptyAlphabet("no letters were given; name at least one".into()));
        }
        if texts.len() > MAX_LETTERS {
            return Err(Error::LargeAlphabet(texts.len()));
        }
        let mut list = List::new(qubits, gate);
        texts.iter().try_for_each(|text| list.push(text.as_ref()))?;
        let List { gates, letters, .. } = list;
        Ok(under_coupling(qubits, &gates, &letters)
            .unwrap_or_else(|| Alphabet::of_letters(qubits, None, gates, letters)))
    }

    /// Returns the number of qubits that letters with these texts need: one more than the largest
    /// qubit, at least 1 and at most 16.
    pub fn qubits_of<T: AsRef<str>>(texts: &[T]) -> usize {
        let places = texts.iter().flat_map(|text| split_letter(text.as_ref()).1);
        let numbers = places.filter_map(|place| place.parse::<usize>().ok());
        numbers.map(|qubit| qubit.saturating_add(1)).max().unwrap_or(1).clamp(1, MAX_QUBITS)
    }

    /// Reads the letters of a stored recipe, which lists its gates, in the order of their first
    /// letters.
    pub(crate) fn stored(gates: Vec<Gate>, qubits: usize, texts: &[String]) -> Result<Alphabet> {
        let known: HashMap<_, _> = gates.iter().map(|gate| (gate.name(), gate)).collect();
        let unknown =
            |name: &str| Error::Recipe(format!("a letter has gate '{name}', which it does not list"));
        let gate = |name: &str| known.get(name).map(|&gate| gate.clone()).ok_or_else(|| unknown(name));
        let alphabet = Alphabet::listed(texts, qubits, gate)?;
        if alphabet.gates != gates {
            let rule = "its gates are not those of its letters, in the same order";
            return Err(Error::Recipe(rule.into()));
        }
        match alphabet.letters.iter().zip(texts).find(|(letter, text)| letter.text != **text) {
            Some((letter, text)) => {
                let reason = format!("its letter '{text}' is not written as '{}'", letter.text);
                Err(Error::Recipe(reason))
            }
            None => Ok(alphabet),
        }
    }

    /// Returns the first letters as text, for summaries and errors.
    pub(crate) fn first_letters(&self) -> String {
        let first: Vec<_> = self.letters.iter().take(NAMED).map(|letter| letter.text.as_str()).collect();
        let more = if self.letters.len() > NAMED { ", ..." } else { "" };
        format!("'{}'{more}", first.join("', '"))
    }
}

/// A list of letters that is being read.
struct List<F> {
    qubits: usize,
    gate: F,
    gates: Vec<Gate>,
    letters: Vec<Letter>,
    /// For the name of each gate, its number and its symmetries.
    by_name: HashMap<String, (usize, Vec<Vec<usize>>)>,
    /// The given text of each letter, by its canonical text.
    given: HashMap<String, String>,
}

impl<F: FnMut(&str) -> Result<Gate>> List<F> {
    fn new(qubits: usize, gate: F) -> List<F> {
        let (gates, letters) = (Vec::new(), Vec::new());
        List { qubits, gate, gates, letters, by_name: HashMap::new(), given: HashMap::new() }
    }

    fn push(&mut self, text: &str) -> Result<()> {
        let (name, places) = split_letter(text);
        let gate = (self.gate)(&name)?;
        let placed = placement(text, &gate, &places, self.qubits)?;
        let next = self.gates.len();
        let (number, symmetries) = self.by_name.entry(gate.name().into()).or_insert_with(|| {
            // An opaque gate has no matrix that could stay unchanged.
            let symmetries = if gate.is_opaque() { Vec::new() } else { symmetries(&gate) };
            (next, symmetries)
        });
        let letter = Letter::new(*number, &gate, smallest(&placed, symmetries));
        if *number == next {
            self.gates.push(gate);
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match self.given.insert(letter.text.clone(), text.clone()) {
            Some(other) => {
                let reason = if other == text {
                    "it is listed twice; list each letter once".into()
                } else {
                    format!("it is the same letter as '{other}'; list it once")
                };
                Err(Error::Unusable { item: format!("letter '{text}'"), reason })
            }
            None => {
                self.letters.push(letter);
                Ok(())
            }
        }
    }
}

/// Returns the alphabet of the gates under the first coupling that means exactly these letters: all,
/// line, ring, or the pairs on which two-qubit gates are placed.
fn under_coupling(qubits: usize, gates: &[Gate], letters: &[Letter]) -> Option<Alphabet> {
    let pair = |letter: &Letter| match letter.qubits[..] {
        [a, b] if !gates[letter.gate].is_opaque() => Some((a, b)),
        _ => None,
    };
    let pairs = Coupling::Pairs(letters.iter().filter_map(pair).collect());
    let couplings = [Coupling::All, Coupling::Line, Coupling::Ring, pairs];
    let under = |coupling| Alphabet::new(gates.to_vec(), qubits, coupling).ok();
    couplings.into_iter().filter_map(under).find(|alphabet| alphabet.letters == letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(letters: &str, qubits: usize) -> Result<Alphabet> {
        let letters: Vec<_> = letters.split(';').collect();
        // A gate that is not standard is opaque.
        Alphabet::listed(&letters, qubits, |name| Gate::standard(name).or_else(|_| Gate::opaque(name)))
    }

    fn shown(alphabet: &Alphabet) -> (String, String, Option<String>) {
        let letters: Vec<_> = alphabet.letters.iter().map(|letter| letter.text.as_str()).collect();
        let gates: Vec<_> = alphabet.gates.iter().map(Gate::name).collect();
        (gates.join(" "), letters.join("; "), alphabet.coupling().map(ToString::to_string))
    }

    #[test]
    fn letters_keep_their_order() {
        for (letters, qubits, gates, texts) in [
            ("h 0; s 0; cx 0 1; cx 1 2", 3, "h s cx", "h 0; s 0; cx 0 1; cx 1 2"),
            ("cx 1 0;H 1 ; cx  0 1", 2, "cx h", "cx 1 0; h 1; cx 0 1"),
            ("h 1; h 0", 2, "h", "h 1; h 0"),
            ("cz 1 0; ccx 2 1 0; cswap 0 2 1", 3, "cz ccx cswap", "cz 0 1; ccx 1 2 0; cswap 0 1 2"),
            ("box; box 2 0; box 0 2; h 0", 3, "box h", "box; box 2 0; box 0 2; h 0"),
        ] {
            let expected = (gates.into(), texts.into(), None);
            assert_eq!(shown(&listed(letters, qubits).unwrap()), expected, "{letters}");
        }
        let alphabet = listed("cz 1 0; rz(pi/4) 1; cx 1 0", 2).unwrap();
        let circuit = alphabet.circuit("cz 0 1; cz 1 0; RZ(tau/8) 1").unwrap();
        assert_eq!(circuit, [0, 0, 1]);
        let said = alphabet.circuit("cx 0 1").unwrap_err().to_string();
        assert!(said.contains("its letters are 'cz 0 1', 'rz(pi/4) 1', 'cx 1 0'"), "{said}");
    }

    /// All letters of a coupling, in their order, are the alphabet under this coupling.
    #[test]
    fn letters_of_a_coupling_are_its_alphabet() {
        for (gates, qubits, coupling) in [
            ("h,t,cx", 2, "all"),
            ("h,t", 3, "all"),
            ("h,cx", 3, "line"),
            ("t,cz,cx", 4, "ring"),
            ("cx,h,ccx", 5, "0-3,1-2,2-4"),
            ("ccx", 4, "line"),
            ("cx", 3, "0-1"),
        ] {
            let gates = gates.split(',').map(|name| Gate::standard(name).unwrap()).collect();
            let under = Alphabet::new(gates, qubits, Coupling::parse(coupling).unwrap()).unwrap();
            let texts: Vec<_> = under.letters.iter().map(|letter| letter.text.as_str()).collect();
            assert_eq!(Alphabet::listed(&texts, qubits, Gate::standard).unwrap(), under);
            // In another order they are not.
            if let [rest @ .., a, b] = &texts[..] {
                let turned = Alphabet::listed(&[rest, &[*b, *a]].concat(), qubits, Gate::standard).unwrap();
                assert_eq!(turned.coupling(), None, "{texts:?}");
            }
        }
    }

    #[test]
    fn refusals() {
        let refused = |letters, qubits| listed(letters, qubits).unwrap_err().to_string();
        assert!(refused("h 0", 0).contains("out of range"));
        assert!(refused("h 0;cx 0 1;H 0", 2).contains("'H 0': it is the same letter as 'h 0'"));
        assert!(refused("ccx 0 1 2;ccx 1 0 2", 3).contains("the same letter as 'ccx 0 1 2'"));
        assert!(refused("box 0 1 2 3", 4).contains("at most 3 qubits"));
        assert!(refused("box 0 0", 4).contains("qubit 0 is named twice"));
        let none: [&str; 0] = [];
        assert!(matches!(Alphabet::listed(&none, 1, Gate::standard), Err(Error::EmptyAlphabet(_))));
        let many = vec!["h 0"; MAX_LETTERS + 1];
        assert_eq!(Alphabet::listed(&many, 1, Gate::standard), Err(Error::LargeAlphabet(MAX_LETTERS + 1)));
    }

    #[test]
    fn qubits_that_letters_need() {
        for (letters, qubits) in [
            (&["h"][..], 1),
            (&["h 0", "cx 0 3"], 4),
            (&["rz(pi/4)1"], 2),
            (&["h 7", "h 99"], 16),
            (&["h x"], 1),
        ] {
            assert_eq!(Alphabet::qubits_of(letters), qubits, "{letters:?}");
        }
    }
}
