//! Alphabets: the letters a circuit is written in.

pub(crate) mod coupling;
mod listed;
pub(crate) mod placements;

use crate::alphabet::coupling::Coupling;
use crate::alphabet::placements::{permutations, placements};
use crate::error::{Error, Result};
use crate::gate::Gate;
use crate::gate::angle::Angle;
use crate::gate::name::{GateName, push_with_angles};
use crate::gate::rotation::MAX_GATE_ANGLES;
use crate::gate::synonyms::synonym;
use std::collections::{HashMap, HashSet};

/// The largest number of qubits of a circuit.
pub const MAX_QUBITS: usize = 16;

/// The largest number of qubits of a unitary, and so of a circuit whose unitary is computed.
pub const MAX_UNITARY_QUBITS: usize = 8;

/// The most letters of an alphabet, which are numbered with 16 bits.
pub(crate) const MAX_LETTERS: usize = u16::MAX as usize;

/// A gate placed on qubits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Index of the gate in [`Alphabet::gates`].
    pub gate: usize,
    /// The qubits in the gate's own order, control first; empty for an opaque gate without qubits.
    pub qubits: Vec<usize>,
    /// The text, such as `cx 0 1`.
    pub text: String,
}

impl Letter {
    fn new(number: usize, gate: &Gate, qubits: Vec<usize>) -> Letter {
        let text = qubits.iter().fold(gate.name().to_owned(), |text, qubit| format!("{text} {qubit}"));
        Letter { gate: number, qubits, text }
    }
}

/// Splits a letter's text into its gate, without blanks, and its qubits.
pub(crate) fn split_letter(text: &str) -> (String, Vec<&str>) {
    // Blanks and letter case count only inside the names of user-defined gates, which have no
    // blanks.
    let (gate, places) = match text.rfind(')') {
        Some(end) => text.split_at(end + 1),
        None => text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), "")),
    };
    (gate.split_whitespace().collect(), places.split_whitespace().collect())
}

/// The letters of a gate set on n qubits, placed under a coupling or [listed](Alphabet::listed) one
/// by one.
///
/// Under a coupling, letters are ordered by gate, as listed, then by their qubits,
/// lexicographically. Placements that mean the same unitary are one letter, the lexicographically
/// smallest: `cz 0 1` but not `cz 1 0`.
#[derive(Debug, Clone, PartialEq)]
pub struct Alphabet {
    qubits: usize,
    coupling: Option<Coupling>,
    gates: Vec<Gate>,
    letters: Vec<Letter>,
    by_text: HashMap<String, u16>,
    /// For each letter the number of its free angles; empty if no letter has any.
    free_angles: Vec<u8>,
}

impl Alphabet {
    /// Creates the alphabet of `gates` on `qubits` qubits, placed wherever `coupling` allows it.
    ///
    /// # Errors
    /// Qubits out of range, a coupling of qubits that do not exist, a gate that is listed twice or
    /// is wider than the circuit, or an alphabet without letters.
    pub fn new(gates: Vec<Gate>, qubits: usize, coupling: Coupling) -> Result<Alphabet> {
        if !(1..=MAX_QUBITS).contains(&qubits) {
            return Err(Error::Qubits(qubits));
        }
        let pairs = coupling.pairs(qubits)?;
        if gates.is_empty() {
            return Err(Error::EmptyAlphabet("no gates were given; name at least one".into()));
        }
        let mut letters = Vec::new();
        let mut names = HashSet::new();
        for (index, gate) in gates.iter().enumerate() {
            if !names.insert(gate.name()) {
                return Err(Error::DuplicateGate(gate.name().into()));
            }
            if gate.qubits() > qubits {
                let needs = gate.qubits();
                return Err(Error::TooWide { gate: gate.name().into(), needs, qubits });
            }
            for placement in placements(gate, qubits, &pairs) {
                letters.push(Letter::new(index, gate, placement));
            }
            if letters.len() > MAX_LETTERS {
                return Err(Error::LargeAlphabet(letters.len()));
            }
        }
        if letters.is_empty() {
            let reason = format!("the coupling '{coupling}' connects no qubits that its gates could act on");
            return Err(Error::EmptyAlphabet(reason));
        }
        let coupling = Some(coupling.canonical(qubits)?);
        Ok(Alphabet::of_letters(qubits, coupling, gates, letters))
    }

    /// Returns the alphabet without gates and letters, of unitaries that have no circuits.
    ///
    /// # Errors
    /// Qubits out of range.
    pub(crate) fn empty(qubits: usize) -> Result<Alphabet> {
        if !(1..=MAX_UNITARY_QUBITS).contains(&qubits) {
            return Err(Error::UnitaryQubits(qubits));
        }
        Ok(Alphabet::of_letters(qubits, Some(Coupling::All), Vec::new(), Vec::new()))
    }

    /// Refuses an alphabet on more qubits than a unitary has.
    ///
    /// # Errors
    /// [`Error::UnitaryQubits`].
    pub fn check_unitaries(&self) -> Result<()> {
        if self.qubits > MAX_UNITARY_QUBITS {
            return Err(Error::UnitaryQubits(self.qubits));
        }
        Ok(())
    }

    /// Refuses an alphabet without letters where circuits are written in it.
    pub(crate) fn check_letters(&self) -> Result<()> {
        if self.letters.is_empty() {
            return Err(Error::EmptyAlphabet("circuits need letters; name at least one gate".into()));
        }
        Ok(())
    }

    fn of_letters(
        qubits: usize,
        coupling: Option<Coupling>,
        gates: Vec<Gate>,
        letters: Vec<Letter>,
    ) -> Alphabet {
        let mut by_text: HashMap<_, _> =
            letters.iter().zip(0..).map(|(letter, index)| (letter.text.clone(), index)).collect();
        if qubits == 1 {
            // On one qubit, the qubit may be left out.
            by_text.extend(letters.iter().zip(0..).map(|(letter, k)| (gates[letter.gate].name().into(), k)));
        }
        let free = |letter: &Letter| gates[letter.gate].free_angles() as u8;
        let mut free_angles: Vec<_> = letters.iter().map(free).collect();
        if free_angles.iter().all(|&angles| angles == 0) {
            free_angles.clear();
        }
        Alphabet { qubits, coupling, gates, letters, by_text, free_angles }
    }

    /// Returns the number of qubits, n.
    pub fn qubits(&self) -> usize {
        self.qubits
    }

    /// Returns the dimension of the unitaries, 2^n.
    pub fn dim(&self) -> usize {
        1 << self.qubits
    }

    /// Returns the coupling, in its simplest spelling: on two qubits, `line` is `all`. `None` if the
    /// letters are listed one by one, and no coupling means them.
    pub fn coupling(&self) -> Option<&Coupling> {
        self.coupling.as_ref()
    }

    /// Returns the gates, in the order they were listed.
    pub fn gates(&self) -> &[Gate] {
        &self.gates
    }

    /// Returns the letters, in order.
    pub fn letters(&self) -> &[Letter] {
        &self.letters
    }

    /// Returns the alphabet of a preset, or of standard gates such as `h,rz(pi/4)`, with all
    /// couplings.
    #[cfg(test)]
    pub(crate) fn of(gates: &str, qubits: usize) -> Alphabet {
        let names = || crate::gate::name::split_outside(gates).into_iter();
        let named = || names().map(|name| Gate::standard(name).unwrap()).collect();
        let gates = crate::gate::preset(gates, qubits).unwrap_or_else(named);
        Alphabet::new(gates, qubits, Coupling::All).unwrap()
    }

    /// Returns whether the unitary of `circuit` can be computed: none of its gates is opaque.
    ///
    /// # Panics
    /// If a number in `circuit` is not a letter of this alphabet.
    pub fn defines(&self, circuit: &[u16]) -> bool {
        circuit.iter().all(|&letter| !self.gates[self.letters[usize::from(letter)].gate].is_opaque())
    }

    /// Returns whether a letter has free angles.
    pub fn has_free_angles(&self) -> bool {
        !self.free_angles.is_empty()
    }

    /// Returns the number of free angles of the letters of a circuit.
    ///
    /// # Panics
    /// If a number in `circuit` is not a letter of this alphabet.
    pub fn count_free_angles(&self, circuit: &[u16]) -> usize {
        if !self.has_free_angles() {
            return 0;
        }
        circuit.iter().map(|&letter| self.free_angles(letter)).sum()
    }

    /// Returns the number of free angles of a letter: 0, 1 or 3.
    ///
    /// # Panics
    /// If the number is not a letter of this alphabet.
    pub fn free_angles(&self, letter: u16) -> usize {
        if self.has_free_angles() { self.free_angles[usize::from(letter)].into() } else { 0 }
    }

    /// Refuses letters with free angles where each gate must be fixed. `purpose` is the beginning of
    /// a clause: `words need`.
    ///
    /// # Errors
    /// [`Error::FreeAngle`].
    pub fn check_fixed(&self, purpose: &'static str) -> Result<()> {
        match self.gates.iter().find(|gate| gate.is_free()) {
            Some(gate) => Err(Error::FreeAngle { gate: gate.name().into(), purpose }),
            None => Ok(()),
        }
    }

    /// Returns the angles of a circuit as `longest` rows, one a letter, of three numbers: its free
    /// angles in radians, then NaN.
    ///
    /// # Panics
    /// If the circuit is longer, or lacks an angle.
    pub fn angle_rows(&self, circuit: &[u16], mut angles: &[f64], longest: usize) -> Vec<f64> {
        assert!(circuit.len() <= longest, "room for each letter");
        let mut rows = vec![f64::NAN; longest * MAX_GATE_ANGLES];
        for (&letter, row) in circuit.iter().zip(rows.chunks_exact_mut(MAX_GATE_ANGLES)) {
            let (own, rest) = angles.split_at(self.free_angles(letter));
            angles = rest;
            row[..own.len()].copy_from_slice(own);
        }
        rows
    }

    /// Returns the circuit as text, letters joined by `; `. `angles` are those of its letters with
    /// free angles, in order; each is written with the digits that give the same number again, and
    /// one that is missing as `?`.
    ///
    /// # Panics
    /// If a number in `circuit` is not a letter of this alphabet.
    pub fn text(&self, circuit: &[u16], angles: &[f64]) -> String {
        let mut angles = angles.iter().copied();
        let mut text = String::new();
        for (place, &letter) in circuit.iter().enumerate() {
            let own = &self.letters[usize::from(letter)].text;
            text += if place > 0 { "; " } else { "" };
            if self.free_angles(letter) == 0 {
                text += own;
                continue;
            }
            push_with_angles(&mut text, own, &mut angles, |angle| format!("{angle:?}"));
        }
        text
    }

    /// Refuses an alphabet that lists one gate twice with its angle written in two ways, such as
    /// `rz(pi/4)` and `rz(0.7853981633974483)`. Stored recipes with such an alphabet stay readable.
    ///
    /// # Errors
    /// [`Error::OneGateTwice`].
    pub fn check_spellings(&self) -> Result<()> {
        for (index, gate) in self.gates.iter().enumerate().filter(|(_, gate)| gate.is_standard()) {
            let name = GateName::read(gate.name(), Angle::stored)?;
            if let Some(other) = self.gates[..index].iter().find(|other| other.distance(&name).is_some()) {
                return Err(Error::OneGateTwice(other.name().into(), gate.name().into()));
            }
        }
        Ok(())
    }

    /// Returns the index of the gate written as `text`: in its own spelling, in other letter case,
    /// or with angles whose values differ by rounding at most. If several gates match, it is the
    /// one with the nearest angles.
    pub fn gate_number(&self, text: &str) -> Option<usize> {
        let named = |text: &str| self.gates.iter().position(|gate| gate.name() == text);
        let text: String = text.split_whitespace().collect();
        named(&text).or_else(|| named(&text.to_lowercase())).or_else(|| self.by_angles(&text))
    }

    fn by_angles(&self, text: &str) -> Option<usize> {
        if !text.ends_with(')') {
            return None;
        }
        let name = GateName::read(text, Angle::read).ok()?;
        let gates = self.gates.iter().enumerate();
        let near = gates.filter_map(|(index, gate)| Some((gate.distance(&name)?, index)));
        let mut near: Vec<_> = near.collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        match near[..] {
            [(first, _), (second, _), ..] if first == second => None,
            [(_, index), ..] => Some(index),
            [] => None,
        }
    }

    /// Returns the letter written as `text`. On one qubit the qubit may be left out. An angle may
    /// be written in any way: its value is compared, to within a relative 1e-15.
    ///
    /// # Errors
    /// [`Error::UnknownLetter`].
    pub fn letter(&self, text: &str) -> Result<u16> {
        if let Some(letter) = self.by_text.get(text) {
            return Ok(*letter);
        }
        let (gate, places) = split_letter(text);
        let found = self.gate_number(&gate).and_then(|number| {
            let gate = &self.gates[number];
            self.placed(gate, &places).or_else(|| self.same_unitary(gate, &places))
        });
        found.ok_or_else(|| {
            let advice = synonym(&gate).map_or(String::new(), |advice| {
                // A question ends with its mark.
                if advice.ends_with('?') { format!("{advice} ") } else { format!("{advice}; ") }
            });
            Error::UnknownLetter { letter: text.trim().into(), advice, alphabet: self.first_letters() }
        })
    }

    /// Returns the letter of a gate on the qubits that `places` names.
    fn placed(&self, gate: &Gate, places: &[&str]) -> Option<u16> {
        self.by_text.get(&[&[gate.name()][..], places].concat().join(" ")).copied()
    }

    /// Returns the letter that represents a placement with the same unitary: `cz 0 1` for `cz 1 0`.
    fn same_unitary(&self, gate: &Gate, places: &[&str]) -> Option<u16> {
        if gate.is_opaque() || places.len() != gate.qubits() {
            return None;
        }
        let orders = permutations(places.len()).into_iter();
        let mut moved = orders.filter(|order| gate.is_symmetric_under(order));
        moved.find_map(|order| self.placed(gate, &order.iter().map(|&k| places[k]).collect::<Vec<_>>()))
    }

    /// Returns the letter written as `text` and appends its free angles, in radians, to `angles`.
    /// They are written in place of the `?` of its gate: `rz(pi/4) 0` is the letter `rz(?) 0` and an
    /// angle, unless the alphabet has a letter `rz(pi/4) 0`.
    ///
    /// # Errors
    /// [`Error::UnknownLetter`], or [`Error::Unusable`] for a letter with free angles and no value of
    /// them.
    #[inline]
    pub fn letter_at(&self, text: &str, angles: &mut Vec<f64>) -> Result<u16> {
        // Most letters are written as they are listed.
        match self.by_text.get(text) {
            Some(&letter) if self.free_angles(letter) == 0 => Ok(letter),
            _ => self.letter_in_other_words(text, angles),
        }
    }

    fn letter_in_other_words(&self, text: &str, angles: &mut Vec<f64>) -> Result<u16> {
        let unknown = match self.letter(text) {
            Ok(letter) if self.free_angles(letter) == 0 => return Ok(letter),
            Ok(letter) => return Err(self.without_value(letter)),
            Err(unknown) => unknown,
        };
        let (name, places) = split_letter(text);
        let read = GateName::read(&name, Angle::read).ok().filter(|_| self.has_free_angles());
        let placed = read.and_then(|name| {
            let gate = self.gates.iter().find(|gate| gate.is_free() && gate.parts().0 == name.base)?;
            Some((self.placed(gate, &places).or_else(|| self.same_unitary(gate, &places))?, name))
        });
        let (letter, name) = placed.ok_or(unknown)?;
        angles.extend(name.angles.iter().map(|angle| angle.value));
        Ok(letter)
    }

    fn without_value(&self, letter: u16) -> Error {
        let text = &self.letters[usize::from(letter)].text;
        let reason = format!("its angle is missing; write '{}' for one", text.replace('?', "0.5"));
        Error::Unusable { item: format!("letter '{text}'"), reason }
    }

    /// Returns the circuit written as letters separated by `;`, in time order, and appends the free
    /// angles of its letters to `angles`.
    ///
    /// ```
    /// use qorpus_core::{Alphabet, Coupling, Gate};
    ///
    /// let gates = ["h", "rz(?)"].map(|name| Gate::standard(name).unwrap()).to_vec();
    /// let alphabet = Alphabet::new(gates, 1, Coupling::All)?;
    /// let mut angles = Vec::new();
    /// let circuit = alphabet.circuit_at("rz(pi/4) 0; h 0; rz(-0.5) 0", &mut angles)?;
    /// assert_eq!((&circuit[..], angles[1]), (&[1, 0, 1][..], -0.5));
    /// assert_eq!(alphabet.text(&circuit, &angles), "rz(0.7853981633974483) 0; h 0; rz(-0.5) 0");
    /// # Ok::<(), qorpus_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`letter_at`](Alphabet::letter_at), for the first such letter.
    pub fn circuit_at(&self, text: &str, angles: &mut Vec<f64>) -> Result<Vec<u16>> {
        let letters = text.split(';').map(str::trim);
        letters.filter(|letter| !letter.is_empty()).map(|letter| self.letter_at(letter, angles)).collect()
    }

    /// Returns the circuit written as letters separated by `;`, in time order; blank text is the
    /// empty circuit. Over letters with free angles, use [`circuit_at`](Alphabet::circuit_at).
    ///
    /// # Errors
    /// [`Error::UnknownLetter`] for the first letter that is not in the alphabet;
    /// [`Error::Unusable`] for a letter with free angles.
    pub fn circuit(&self, text: &str) -> Result<Vec<u16>> {
        let letters = text.split(';').map(str::trim);
        let read = |letter| match self.letter(letter)? {
            number if self.free_angles(number) > 0 => Err(self.without_value(number)),
            number => Ok(number),
        };
        letters.filter(|letter| !letter.is_empty()).map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::name::split_outside;

    fn alphabet(gates: &str, qubits: usize, coupling: &str) -> Result<Alphabet> {
        let names = split_outside(gates).into_iter();
        let gates = names.map(|name| Gate::standard(name).unwrap()).collect();
        Alphabet::new(gates, qubits, Coupling::parse(coupling)?)
    }

    fn letters(gates: &str, qubits: usize, coupling: &str) -> String {
        let letters = alphabet(gates, qubits, coupling).unwrap().letters.into_iter();
        letters.map(|letter| letter.text).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn letters_in_their_documented_order() {
        assert_eq!(letters("t,cx,h", 2, "all"), "t 0; t 1; cx 0 1; cx 1 0; h 0; h 1");
        assert_eq!(letters("cx", 3, "line"), "cx 0 1; cx 1 0; cx 1 2; cx 2 1");
        assert_eq!(letters("cz,swap", 3, "ring"), "cz 0 1; cz 0 2; cz 1 2; swap 0 1; swap 0 2; swap 1 2");
        assert_eq!(letters("cz", 4, "3-1,0-2,1-3"), "cz 0 2; cz 1 3");
        assert_eq!(letters("ccx", 3, "all"), "ccx 0 1 2; ccx 0 2 1; ccx 1 2 0");
        assert_eq!(letters("cswap", 3, "line"), "cswap 0 1 2; cswap 1 0 2; cswap 2 0 1");
        let four = "ccx 0 1 2; ccx 0 2 1; ccx 1 2 0; ccx 1 2 3; ccx 1 3 2; ccx 2 3 1";
        assert_eq!(letters("ccx", 4, "line"), four);
        assert_eq!(letters("crz(pi/3)", 2, "all"), "crz(pi/3) 0 1; crz(pi/3) 1 0");
    }

    #[test]
    fn coupling_has_one_spelling() {
        let spelt = |text, qubits| alphabet("cx", qubits, text).unwrap().coupling.unwrap().to_string();
        assert_eq!(spelt("line", 2), "all");
        assert_eq!(spelt("ring", 3), "all");
        assert_eq!(spelt("1-2,1-0", 3), "line");
        assert_eq!(spelt("2-0,1-0", 3), "0-1,0-2");
    }

    #[test]
    fn refusals() {
        let refused = |gates, qubits, coupling| alphabet(gates, qubits, coupling).unwrap_err().to_string();
        assert!(refused("h", 0, "all").contains("out of range"));
        assert!(refused("h", 17, "all").contains("out of range"));
        assert!(refused("h", 2, "0-2").contains("qubit 2 does not exist"));
        assert!(refused("h", 2, "1-1").contains("cannot be coupled with itself"));
        let none = Alphabet::new(vec![Gate::standard("h").unwrap()], 2, Coupling::Pairs(Vec::new()));
        assert!(none.unwrap_err().to_string().contains("names no pair"));
        assert!(refused("h", 2, "star").contains("use all, line, ring"));
        assert!(refused("ccx", 2, "all").contains("acts on 3 qubits"));
        assert!(refused("h,t,h", 2, "all").contains("listed twice"));
        assert!(refused("ccx", 3, "0-1").contains("connects no qubits"));
    }

    #[test]
    fn sixteen_qubits() {
        let sixteen = alphabet("h,cx,ccx", 16, "all").unwrap();
        assert_eq!(sixteen.letters().len(), 16 + 16 * 15 + 16 * 15 * 14 / 2);
        let circuit = sixteen.circuit("h 15; cx 15 0; ccx 14 9 3").unwrap();
        assert_eq!(sixteen.text(&circuit, &[]), "h 15; cx 15 0; ccx 9 14 3");
        assert_eq!(sixteen.check_unitaries(), Err(Error::UnitaryQubits(16)));
        assert_eq!(alphabet("h", 8, "all").unwrap().check_unitaries(), Ok(()));
    }

    #[test]
    fn circuits_as_text() {
        let two = alphabet("h,rz(pi/4),cx,cz", 2, "all").unwrap();
        let circuit = two.circuit(" H 0;rz( pi / 4 ) 1 ; cx  1 0;cz 1 0;").unwrap();
        assert_eq!(two.text(&circuit, &[]), "h 0; rz(pi/4) 1; cx 1 0; cz 0 1");
        assert_eq!(two.circuit("  ").unwrap(), Vec::<u16>::new());
        for text in ["h", "h 2", "cx 0", "cx 0 0", "t 0", "rz(pi/4)", ")", "h 0 1", "é"] {
            assert!(matches!(two.circuit(text), Err(Error::UnknownLetter { .. })), "{text}");
        }
        let said = two.circuit("cnot 0 1").unwrap_err().to_string();
        let start = "'cnot 0 1' is not a letter of this alphabet; did you mean 'cx'? its";
        assert!(said.starts_with(start), "{said}");
        let one = alphabet("h,t", 1, "all").unwrap();
        assert_eq!(one.text(&one.circuit("h; t 0; h").unwrap(), &[]), "h 0; t 0; h 0");
    }

    #[test]
    fn angles_are_numbers() {
        for (gates, text, letter) in [
            ("rz(0.7853981633974483),h", "rz(pi/4) 0", "rz(0.7853981633974483) 0"),
            ("rz(pi/4)", "rz(0.7853981633974483) 1", "rz(pi/4) 1"),
            ("rz(0.5)", "RZ( .5 )0", "rz(0.5) 0"),
            ("rz(1e-5)", "rz(1e-05) 0", "rz(1e-5) 0"),
            ("rz(-pi/2)", "rz(-0.5*pi) 0", "rz(-pi/2) 0"),
            ("rz(3*pi/8)", "rz(1.1780972450961724) 0", "rz(3*pi/8) 0"),
            ("rz(2*pi/3)", "rz(pi/3*2) 0", "rz(2*pi/3) 0"),
            ("rz(pi/2)", "rz(τ/4) 0", "rz(pi/2) 0"),
            ("rz(tau/4)", "rz(tau/4) 0", "rz(pi/2) 0"),
            ("cp(0.25)", "cp(1/4) 1 0", "cp(0.25) 0 1"),
            ("u3(pi/2,0,pi)", "u3(tau/4, -0, 2*arcsin(1)) 1", "u3(pi/2,0,pi) 1"),
        ] {
            let alphabet = alphabet(gates, 2, "all").unwrap();
            assert_eq!(alphabet.text(&alphabet.circuit(text).unwrap(), &[]), letter, "{gates}: {text}");
        }
        let near = alphabet("rz(pi/4),rz(-pi/4),p(pi/4),u3(0,0,pi/4)", 1, "all").unwrap();
        for text in ["rz(0.78539816339)", "rz(9*pi/4)", "rz(0.785,0)", "rz(pi/4+1e-14)", "rz(3*pi/4)"] {
            assert!(near.letter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_gate_is_listed_once() {
        let check = |gates| alphabet(gates, 2, "all").unwrap().check_spellings();
        for gates in [
            "rz(pi/4),rz(0.7853981633974483)",
            "h,u3(0.5,0,0),u3(1/2,0,-0)",
            "cp(3*pi/8),cp(1.1780972450961724)",
        ] {
            let said = check(gates).unwrap_err().to_string();
            let spellings: Vec<_> = gates.trim_start_matches("h,").split("),").collect();
            assert!(spellings.iter().all(|name| said.contains(name)), "{said}");
        }
        assert_eq!(check("rz(pi/4),rz(-pi/4),p(pi/4),rx(pi/4),rz(0.785)"), Ok(()));
    }

    /// Alphabets of this kind were stored once: each text means its own letter, and a text as near to
    /// both means none.
    #[test]
    fn alphabets_with_one_gate_twice_are_read() {
        let twice = alphabet("rz(pi/4),rz(0.7853981633974483)", 1, "all").unwrap();
        let circuit = twice.circuit("rz(0.7853981633974483);rz(pi/4)").unwrap();
        assert_eq!(twice.text(&circuit, &[]), "rz(0.7853981633974483) 0; rz(pi/4) 0");
        assert!(twice.letter("rz(tau/8)").is_err());
    }
}
