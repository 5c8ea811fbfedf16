//! The alphabet of a recipe in user input.

use crate::error::{Error, Result};
use crate::options::gates::{Gates, UnknownGate};
use qorpus_core::{Alphabet, Coupling, Gate};

/// The number of qubits, unless letters need more.
pub const DEFAULT_QUBITS: usize = 2;

/// The coupling, unless letters are listed.
pub const DEFAULT_COUPLING: &str = "all";

/// The options that decide an alphabet. `None` is an option that the user left out.
pub(super) struct AlphabetOptions<'a> {
    pub(super) gates: Option<&'a Gates>,
    pub(super) qubits: Option<usize>,
    pub(super) coupling: Option<&'a str>,
    pub(super) letters: Option<&'a str>,
}

impl AlphabetOptions<'_> {
    /// Creates the alphabet of a new recipe, in which each gate has one name.
    pub(super) fn alphabet(&self, unknown: UnknownGate) -> Result<Alphabet> {
        let alphabet = match self.letters {
            Some(letters) => self.of_letters(letters, unknown)?,
            None => {
                let qubits = self.qubits.unwrap_or(DEFAULT_QUBITS);
                let gates = self.gates.unwrap_or(&Gates::default()).gates(qubits, unknown)?;
                let coupling = Coupling::parse(self.coupling.unwrap_or(DEFAULT_COUPLING))?;
                Alphabet::new(gates, qubits, coupling)?
            }
        };
        alphabet.check_spellings()?;
        Ok(alphabet)
    }

    fn of_letters(&self, letters: &str, unknown: UnknownGate) -> Result<Alphabet> {
        if let Some(coupling) = self.coupling {
            let text = format!(
                "letters and the coupling '{coupling}' exclude each other: letters name the qubits of every gate; \
                 leave one of them out"
            );
            return Err(Error::Usage(text));
        }
        let letters: Vec<_> = letters.split(';').map(str::trim).filter(|letter| !letter.is_empty()).collect();
        let qubits = self.qubits.unwrap_or_else(|| Alphabet::qubits_of(&letters));
        let gates = self.gates.map(|gates| gates.gates(qubits, unknown)).transpose()?;
        let gate = |name: &str| match &gates {
            Some(gates) => chosen(name, gates),
            None => Gate::standard(name).or_else(|error| unknown(name, error)),
        };
        Ok(Alphabet::listed(&letters, qubits, gate)?)
    }
}

/// Returns the gate of this name among those that letters may use.
fn chosen(name: &str, gates: &[Gate]) -> qorpus_core::Result<Gate> {
    let named = |name: &str| gates.iter().find(|gate| gate.name() == name).cloned();
    let standard = || Gate::standard(name).ok().and_then(|gate| named(gate.name()));
    named(name).or_else(standard).ok_or_else(|| {
        let names: Vec<_> = gates.iter().map(Gate::name).collect();
        let listed = names.join(", ");
        let reason = format!("a letter has it, but the gates are {listed}; add it, or leave the letter out");
        qorpus_core::Error::Unusable { item: format!("gate '{name}'"), reason }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::gates::GateOption;
    use qorpus_core::Complex64;

    fn refuse(_: &str, error: qorpus_core::Error) -> qorpus_core::Result<Gate> {
        Err(error)
    }

    fn listed(letters: &str, qubits: Option<usize>, gates: Option<&Gates>) -> Result<String> {
        let options = AlphabetOptions { gates, qubits, coupling: None, letters: Some(letters) };
        let alphabet = options.alphabet(refuse)?;
        let texts: Vec<_> = alphabet.letters().iter().map(|letter| letter.text.as_str()).collect();
        Ok(format!("{}: {}", alphabet.qubits(), texts.join("; ")))
    }

    #[test]
    fn letters_tell_their_qubits() {
        let said = |letters, qubits| listed(letters, qubits, None).unwrap();
        assert_eq!(said("H 0; cx 0  2;; rz( pi/4 ) 1;", None), "3: h 0; cx 0 2; rz(pi/4) 1");
        assert_eq!(said("h 0; cx 0 2", Some(5)), "5: h 0; cx 0 2");
        assert_eq!(said("h; t", None), "1: h 0; t 0");
        assert_eq!(said("cz 1 0; ccx 2 1 0", None), "3: cz 0 1; ccx 1 2 0");
    }

    #[test]
    fn gates_define_what_letters_use() {
        let [zero, one] = [0.0, 1.0].map(Complex64::from);
        let own = GateOption::Matrix("flip".into(), vec![zero, one, one, zero]);
        let gates =
            Gates::List(vec![own, GateOption::Name("clifford".into()), GateOption::Name("rz(tau/8)".into())]);
        let said = |letters| listed(letters, None, Some(&gates));
        assert_eq!(said("cx 1 0; flip 1; rz(pi/4) 0").unwrap(), "2: cx 1 0; flip 1; rz(pi/4) 0");
        let refused = said("flip 0; t 1").unwrap_err().to_string();
        assert_eq!(
            refused,
            "gate 't': a letter has it, but the gates are flip, h, s, sdg, cx, rz(pi/4); add it, or leave the letter out"
        );
    }

    #[test]
    fn refusals() {
        for (letters, qubits, sentence) in [
            ("", None, "the alphabet is empty: no letters were given"),
            (" ; ", None, "the alphabet is empty: no letters were given"),
            ("cnot 0 1", None, "unknown gate 'cnot'; did you mean 'cx'?"),
            ("h 0; h 0", None, "letter 'h 0': it is listed twice"),
            ("cz 0 1; cz  1 0", None, "letter 'cz 1 0': it is the same letter as 'cz 0 1'; list it once"),
            ("rz(pi/4) 0; rz(0.7853981633974483) 1", None, "gates 'rz(pi/4)' and 'rz(0.785"),
            ("cx 0", None, "'cx 0': gate 'cx' acts on 2 qubits, not on 1"),
            ("h", Some(2), "'h': gate 'h' acts on 1 qubit, not on 0"),
            ("cx 1 1", None, "'cx 1 1': qubit 1 is named twice"),
            ("cx 0 2", Some(2), "'cx 0 2': there is no qubit 2; the qubits are 0 to 1"),
            ("h 16", None, "'h 16': there is no qubit 16; the qubits are 0 to 15"),
            ("h -1", None, "'h -1': there is no qubit -1"),
            ("h 0", Some(17), "17 qubits are out of range"),
            ("rz 0", None, "gate 'rz': it needs one angle"),
        ] {
            let error = listed(letters, qubits, None).unwrap_err();
            assert!(error.is_usage() && error.to_string().starts_with(sentence), "{letters}: {error}");
        }
        let both = AlphabetOptions { gates: None, qubits: None, coupling: Some("all"), letters: Some("h 0") };
        let said = both.alphabet(refuse).unwrap_err();
        assert!(said.is_usage() && said.to_string().contains("exclude each other"), "{said}");
    }
}
