//! `.qasm`: OpenQASM 3, every record a gate.
//!
//! ```text
//! OPENQASM 3.0;
//! include "stdgates.inc";
//! gate sxdg q0 { h q0; sdg q0; h q0; }
//! // record 7, length 2
//! gate c7 q0, q1 { sxdg q0; cx q0, q1; }
//! ```
//!
//! Standard gates are called by their names, with the global phases that Qiskit gives `stdgates.inc`; those it
//! lacks are defined in front, as are the user's own gates on one qubit.

use super::Format;
use super::draft::{Draft, publish};
use crate::error::{Error, Result};
use crate::reader::{Batch, Corpus, Summary};
use qorpus_core::{Alphabet, Complex64, Gate, evaluate};
use std::fmt::Write;
use std::path::Path;

/// Standard gates that `stdgates.inc` lacks, and what they are, global phase included.
const DEFINITIONS: [(&str, &str); 3] = [
    ("sxdg", "gate sxdg q0 { h q0; sdg q0; h q0; }"),
    ("csx", "gate csx q0, q1 { h q1; cp(pi/2) q0, q1; h q1; }"),
    ("iswap", "gate iswap q0, q1 { s q0; s q1; h q0; cx q0, q1; cx q1, q0; h q1; }"),
];

/// Names that mean something in OpenQASM 3 or its `stdgates.inc` and that a gate of the user's own may have.
#[rustfmt::skip]
const TAKEN: &[&str] = &[
    "angle", "arccos", "arcsin", "arctan", "array", "barrier", "bit", "bool", "box", "break", "cal", "case",
    "ceiling", "complex", "const", "continue", "cos", "cphase", "creg", "ctrl", "cu", "def", "default",
    "defcal", "defcalgrammar", "delay", "duration", "durationof", "else", "end", "euler", "exp", "extern",
    "false", "float", "floor", "for", "gate", "gphase", "if", "im", "imag", "in", "include", "input", "int",
    "inv", "let", "log", "measure", "mod", "mutable", "negctrl", "nop", "OPENQASM", "output", "phase", "pi",
    "popcount", "pow", "pragma", "qreg", "qubit", "readonly", "real", "reset", "return", "rotl", "rotr",
    "sin", "sizeof", "sqrt", "stretch", "switch", "tan", "tau", "true", "U", "u1", "u2", "uint", "void",
    "while",
];

struct Qasm<'a> {
    alphabet: &'a Alphabet,
    file: Draft,
    /// What calls each letter: `cx q0, q1;`.
    calls: Vec<String>,
    /// The text of a batch; kept for its memory.
    text: String,
}

/// # Errors
/// [`Error::Export`] if a gate of the user's own acts on several qubits.
pub(super) fn open<'a>(corpus: &'a Corpus, summary: &Summary, out: &Path) -> Result<Box<dyn Format + 'a>> {
    let (recipe, alphabet) = (corpus.recipe(), corpus.recipe().alphabet());
    let mut text = format!(
        "OPENQASM 3.0;\ninclude \"stdgates.inc\";\n\
         // {}\n// recipe {}\n\
         // Gate c7 is record 7. Gates have the matrices that Qiskit gives them, global phase included; qubit q0\n\
         // is the most significant bit of the unitary's index.\n",
        recipe.summary(),
        summary.recipe_hash,
    );
    for (index, gate) in alphabet.gates().iter().enumerate() {
        // A gate that the coupling leaves no place needs no definition.
        if alphabet.letters().iter().any(|letter| letter.gate == index)
            && let Some(definition) = definition(gate, alphabet, out)?
        {
            text.push_str(&definition);
            text.push('\n');
        }
    }
    let names: Vec<_> = alphabet.gates().iter().map(|gate| name(gate, alphabet)).collect();
    let call =
        |letter: &qorpus_core::Letter| format!("{} {};", names[letter.gate], parameters(&letter.qubits));
    let calls = alphabet.letters().iter().map(call).collect();
    let mut file = Draft::create(out)?;
    file.append(text.as_bytes())?;
    Ok(Box::new(Qasm { alphabet, file, calls, text }))
}

impl Format for Qasm<'_> {
    fn write(&mut self, batch: &Batch<'_>) -> Result<()> {
        let qubits = parameters(&(0..self.alphabet.qubits()).collect::<Vec<_>>());
        self.text.clear();
        for (id, circuit) in (batch.first_id..).zip(batch.circuits.iter()) {
            // Writing to a String cannot fail.
            let _ = write!(self.text, "// record {id}, length {}\ngate c{id} {qubits} {{ ", circuit.len());
            for &letter in circuit {
                self.text.push_str(&self.calls[usize::from(letter)]);
                self.text.push(' ');
            }
            self.text.push_str("}\n");
        }
        self.file.append(self.text.as_bytes())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        publish(vec![self.file])
    }
}

/// Qubits as they stand behind a gate's name: `q0, q1`.
fn parameters(qubits: &[usize]) -> String {
    qubits.iter().map(|qubit| format!("q{qubit}")).collect::<Vec<_>>().join(", ")
}

/// The definition of a gate that `stdgates.inc` lacks.
fn definition(gate: &Gate, alphabet: &Alphabet, out: &Path) -> Result<Option<String>> {
    if gate.is_standard() {
        let lacking = DEFINITIONS.iter().find(|(name, _)| *name == gate.name());
        return Ok(lacking.map(|(_, definition)| (*definition).into()));
    }
    if gate.is_opaque() {
        let reason = format!(
            "nothing but the name of the gate '{}' is known; export to .npy, .parquet or .csv",
            gate.name()
        );
        return Err(Error::Export { path: out.into(), reason });
    }
    let &[a, b, c, d] = gate.matrix() else {
        let reason = format!(
            "OpenQASM needs a decomposition of the gate '{}' on {} qubits, and only its matrix is known; export \
             to .npy, .parquet or .csv",
            gate.name(),
            gate.qubits()
        );
        return Err(Error::Export { path: out.into(), reason });
    };
    let [phase, lambda, theta, phi] = rotations([a, b, c, d]);
    // Not the built-in U: editions of OpenQASM 3 differ in its global phase, and none in that of rz and ry.
    Ok(Some(format!(
        "gate {} q0 {{ gphase({phase:?}); rz({lambda:?}) q0; ry({theta:?}) q0; rz({phi:?}) q0; }}",
        name(gate, alphabet)
    )))
}

/// The angles alpha, lambda, theta, phi with e^(i alpha) rz(phi) ry(theta) rz(lambda) = `[[a, b], [c, d]]`.
fn rotations([a, b, c, d]: [Complex64; 4]) -> [f64; 4] {
    let size = |entry: Complex64| entry.re.hypot(entry.im);
    let turn = |entry: Complex64| entry.im.atan2(entry.re);
    let theta = 2.0 * size(c).atan2(size(a));
    // The matrix is e^(i start) [[cos, -e^(i lambda) sin], [e^(i phi) sin, e^(i(phi + lambda)) cos]]. The phase of
    // a small entry is mostly rounding, so what two angles make together is taken from the large ones.
    let start = turn(a);
    let phi = turn(c) - start;
    let lambda = if size(a) < size(c) { turn(-b) - start } else { turn(d) - start - phi };
    [start + (phi + lambda) / 2.0, lambda, theta, phi]
}

/// What calls the gate: its name, and its angles as OpenQASM reads them.
fn name(gate: &Gate, alphabet: &Alphabet) -> String {
    if !gate.is_standard() {
        return free_name(gate.name(), alphabet);
    }
    match gate.name().strip_suffix(')').and_then(|name| name.split_once('(')) {
        None => gate.name().into(),
        Some((base, angles)) => {
            let angles: Vec<_> = angles.split(',').map(angle).collect();
            format!("{base}({})", angles.join(", "))
        }
    }
}

/// The name of a gate of the user's own, with a `_` or more behind it if it means something else here.
fn free_name(name: &str, alphabet: &Alphabet) -> String {
    // The names that this file gives to records and qubits.
    let is_numbered = |name: &str| {
        name.strip_prefix(['c', 'q']).is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
    };
    let mut free = name.to_owned();
    while TAKEN.contains(&free.as_str())
        || is_numbered(&free)
        || (free != name && alphabet.gates().iter().any(|gate| gate.name() == free))
    {
        free.push('_');
    }
    free
}

/// The angle as it stands if OpenQASM surely reads it alike, else its value: there, 1/2 is a division of
/// integers, and Qiskit knows no `sqrt`.
fn angle(text: &str) -> String {
    let is_integer =
        |text: &str| (1..10).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
    let is_plain = text.trim_start_matches('-').split_once("pi").is_some_and(|(factor, divisor)| {
        (factor.is_empty() || factor.strip_suffix('*').is_some_and(is_integer))
            && (divisor.is_empty() || divisor.strip_prefix('/').is_some_and(is_integer))
    });
    match evaluate(text) {
        Ok(value) if !is_plain => format!("{value:?}"),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{corpus, exported, names, of_recipe, recipes, records};
    use super::*;
    use crate::options::RecipeOptions;
    use qorpus_core::{Circuits, Coupling, Dtype, Kernel, Recipe, Scratch, Space};
    use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

    /// The product of a definition's body, global phase included.
    fn product(definition: &str) -> Vec<Complex64> {
        let (_, body) = definition.split_once('{').unwrap();
        let (mut phase, mut letters, mut gates) = (0.0, Vec::new(), Vec::<Gate>::new());
        for call in body.trim_end_matches('}').split(';').map(str::trim).filter(|call| !call.is_empty()) {
            if let Some(angle) = call.strip_prefix("gphase(") {
                phase += evaluate(angle.trim_end_matches(')')).unwrap();
                continue;
            }
            let (name, qubits) = call.split_once(' ').unwrap();
            let gate = Gate::standard(name).unwrap();
            letters.push(format!("{} {}", gate.name(), qubits.replace(['q', ','], "")));
            if gates.iter().all(|known| known.name() != gate.name()) {
                gates.push(gate);
            }
        }
        let qubits = 1 + usize::from(definition.contains("q1"));
        let alphabet = Alphabet::new(gates, qubits, Coupling::All).unwrap();
        let mut circuits = Circuits::default();
        circuits.push(alphabet.circuit(&letters.join(";")).unwrap());
        let mut unitary = vec![Complex64::ZERO; alphabet.dim().pow(2)];
        Kernel::new(&alphabet).unitaries(&circuits, &mut Scratch::default(), &mut unitary);
        unitary.into_iter().map(|entry| entry * Complex64::new(phase.cos(), phase.sin())).collect()
    }

    fn distance(a: &[Complex64], b: &[Complex64]) -> f64 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| (a - b).l1_norm()).fold(0.0, f64::max)
    }

    fn own(name: &str, qubits: usize, matrix: &[Complex64]) -> Alphabet {
        let gate = Gate::custom(name, qubits, matrix.to_vec()).unwrap();
        Alphabet::new(vec![gate, Gate::standard("h").unwrap()], qubits, Coupling::All).unwrap()
    }

    fn defined(alphabet: &Alphabet) -> String {
        definition(&alphabet.gates()[0], alphabet, Path::new("x.qasm")).unwrap().unwrap()
    }

    #[test]
    fn definitions_of_standard_gates() {
        for (name, definition) in DEFINITIONS {
            let gate = Gate::standard(name).unwrap();
            assert!(distance(&product(definition), gate.matrix()) < 1e-15, "{name}");
        }
    }

    #[test]
    fn definitions_of_own_gates() {
        let turn = |angle: f64| Complex64::new(angle.cos(), angle.sin());
        let angles = [-3.0, -1.2, -1e-9, 0.0, 1e-13, 0.4, 1.5, PI];
        // Half the angle of ry, up to the quarter turn that makes the diagonal vanish.
        let halves = [0.0, 1e-300, 1e-13, 1e-9, 1e-4, 0.3, FRAC_PI_4, FRAC_PI_4 + 1e-9, 1.2, FRAC_PI_2];
        for (half, number) in halves.into_iter().flat_map(|half| (0..512).map(move |number| (half, number))) {
            let [alpha, phi, lambda] = [number / 64, number / 8 % 8, number % 8].map(|index| angles[index]);
            let matrix = [
                turn(alpha) * half.cos(),
                -turn(alpha + lambda) * half.sin(),
                turn(alpha + phi) * half.sin(),
                turn(alpha + phi + lambda) * half.cos(),
            ];
            let found = distance(&product(&defined(&own("mine", 1, &matrix))), &matrix);
            assert!(found < 1e-14, "{half} {alpha} {phi} {lambda}: {found}");
        }
    }

    #[test]
    fn every_standard_gate_of_one_qubit_would_be_found_by_its_matrix() {
        for known in qorpus_core::STANDARD {
            let name = known.replace("theta", "0.3").replace("phi", "1.1").replace("lambda", "-2");
            let gate = Gate::standard(&name).unwrap();
            if gate.qubits() == 1 {
                let alphabet = own("mine", 1, gate.matrix());
                assert!(distance(&product(&defined(&alphabet)), gate.matrix()) < 1e-15, "{name}");
            }
        }
    }

    #[test]
    fn angles_are_read_alike() {
        for plain in ["pi", "-pi", "pi/4", "-3*pi/4", "7*pi"] {
            assert_eq!(angle(plain), plain);
        }
        for (text, value) in [
            ("1/2", "0.5"),
            ("0.5*pi", "1.5707963267948966"),
            ("1/sqrt(2)", "0.7071067811865475"),
            ("-1", "-1.0"),
            ("1e-9", "1e-9"),
            ("pi/4/3", "0.2617993877991494"),
            ("1234567890123*pi/1234567890123", "3.141592653589793"),
        ] {
            assert_eq!(angle(text), value);
        }
    }

    #[test]
    fn own_names_are_free() {
        let one = [Complex64::ONE, Complex64::ZERO, Complex64::ZERO, Complex64::ONE];
        let names = ["mine", "if", "if_", "c7", "q", "c7x", "u1", "_"];
        let gates = names.map(|name| Gate::custom(name, 1, one.to_vec()).unwrap()).to_vec();
        let alphabet = Alphabet::new(gates, 1, Coupling::All).unwrap();
        let found = names.map(|name| free_name(name, &alphabet));
        assert_eq!(found, ["mine", "if__", "if_", "c7_", "q_", "c7x", "u1_", "_"]);
    }

    #[test]
    fn text() {
        let options = RecipeOptions {
            gates: "sxdg,rz(1/2),u3(pi, 1, 0),iswap".into(),
            words: true,
            length: (0, 1),
            ..RecipeOptions::default()
        };
        let (directory, corpus) = corpus(&options);
        let text = std::fs::read_to_string(exported(&corpus, &directory, "x.qasm")).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..2], ["OPENQASM 3.0;", "include \"stdgates.inc\";"]);
        let rest: Vec<_> = lines.into_iter().filter(|line| line.starts_with("gate")).collect();
        assert_eq!(
            rest,
            [
                DEFINITIONS[0].1,
                DEFINITIONS[2].1,
                "gate c0 q0, q1 { }",
                "gate c1 q0, q1 { sxdg q0; }",
                "gate c2 q0, q1 { sxdg q1; }",
                "gate c3 q0, q1 { rz(0.5) q0; }",
                "gate c4 q0, q1 { rz(0.5) q1; }",
                "gate c5 q0, q1 { u3(pi, 1.0, 0.0) q0; }",
                "gate c6 q0, q1 { u3(pi, 1.0, 0.0) q1; }",
                "gate c7 q0, q1 { iswap q0, q1; }",
            ]
        );
        assert!(text.contains("\n// record 7, length 1\ngate c7 "));
    }

    #[test]
    fn gates_hold_the_records() {
        for options in recipes() {
            let (directory, corpus) = corpus(&options);
            let text = std::fs::read_to_string(exported(&corpus, &directory, "x.qasm")).unwrap();
            let alphabet = corpus.recipe().alphabet();
            let names: Vec<_> = alphabet.gates().iter().map(|gate| name(gate, alphabet)).collect();
            let mut gates =
                text.lines().filter(|line| line.starts_with("gate c") && !line.contains("csx q0, q1 {"));
            for record in records(&corpus) {
                let (head, body) = gates.next().unwrap().split_once(" { ").unwrap();
                assert!(head.starts_with(&format!("gate c{} q0", record.id)));
                let calls = record.circuit.iter().map(|&letter| {
                    let letter = &alphabet.letters()[usize::from(letter)];
                    format!("{} {}; ", names[letter.gate], parameters(&letter.qubits))
                });
                assert_eq!(body, calls.collect::<String>() + "}");
            }
            assert_eq!(gates.next(), None);
        }
    }

    #[test]
    fn own_gates_on_several_qubits_are_refused() {
        let recipe = |coupling| {
            let matrix = Gate::standard("ccx").unwrap().matrix().to_vec();
            let gates = vec![Gate::custom("mine", 3, matrix).unwrap(), Gate::standard("h").unwrap()];
            let alphabet = Alphabet::new(gates, 3, coupling).unwrap();
            let space = Space::words(&alphabet, 0, 2).unwrap();
            Recipe::new(alphabet, space, Dtype::Complex128, true)
        };
        let (directory, corpus) = of_recipe(&recipe(Coupling::All));
        let out = directory.path().join("x.qasm");
        let error = super::super::export(&corpus, &out, &false.into(), &mut |_| {}).unwrap_err();
        assert!(matches!(error, Error::Export { .. }));
        let text = error.to_string();
        assert!(text.contains("'mine' on 3 qubits") && text.contains(".npy, .parquet or .csv"), "{text}");
        assert_eq!(names(&directory), ["c.db"]);

        // Where the coupling leaves it no place, it does no harm.
        let (directory, corpus) = of_recipe(&recipe(Coupling::Pairs(vec![(0, 1)])));
        exported(&corpus, &directory, "x.qasm");
    }
}
