//! OpenQASM 2 and 3: names and definitions of gates, and circuits as programs.
//!
//! Every gate has the matrix that Qiskit gives it, global phase included. In OpenQASM 2 that also
//! holds for the parsers of BQSKit and Cirq, which know more gates than `qelib1.inc` and ignore our
//! definitions of them.

use crate::error::{Error, Result};
use crate::gate::Gate;
use crate::gate::angle::evaluate;
use crate::gate::name::push_with_angles;
use crate::instruction::Instruction;
use num_complex::Complex64;
use std::f64::consts::PI;

/// A version of OpenQASM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qasm {
    /// OpenQASM 2.0 with the gates of `qelib1.inc`, as its specification lists them.
    Two,
    /// OpenQASM 3.0 with the gates of `stdgates.inc`.
    Three,
}

/// Definitions of the standard gates that `qelib1.inc` lacks, global phase included.
const DEFINITIONS_2: [(&str, &str); 8] = [
    ("sx", "gate sx q0 { h q0; s q0; h q0; }"),
    SXDG,
    ("crx", "gate crx(theta) q0, q1 { h q1; crz(theta) q0, q1; h q1; }"),
    ("cry", "gate cry(theta) q0, q1 { ry(theta/2) q1; cx q0, q1; ry(-theta/2) q1; cx q0, q1; }"),
    ("csx", "gate csx q0, q1 { h q1; cu1(pi/2) q0, q1; h q1; }"),
    ("swap", "gate swap q0, q1 { cx q0, q1; cx q1, q0; cx q0, q1; }"),
    ISWAP,
    ("cswap", "gate cswap q0, q1, q2 { cx q2, q1; ccx q0, q1, q2; cx q2, q1; }"),
];

/// Definitions of the standard gates that `stdgates.inc` lacks, global phase included.
const DEFINITIONS_3: [(&str, &str); 3] =
    [SXDG, ("csx", "gate csx q0, q1 { h q1; cp(pi/2) q0, q1; h q1; }"), ISWAP];

const SXDG: (&str, &str) = ("sxdg", "gate sxdg q0 { h q0; sdg q0; h q0; }");
const ISWAP: (&str, &str) = ("iswap", "gate iswap q0, q1 { s q0; s q1; h q0; cx q0, q1; cx q1, q0; h q1; }");

/// Standard gates that have another name in `qelib1.inc`. BQSKit knows `p`, but as a rotation.
const RENAMED_2: [(&str, &str); 2] = [("p", "u1"), ("cp", "cu1")];

/// Names with a meaning in OpenQASM 2, its `qelib1.inc`, or the additions of Qiskit and BQSKit,
/// which a user-defined gate may have.
#[rustfmt::skip]
const TAKEN_2: &[&str] = &[
    "acos", "asin", "atan", "b", "barrier", "c3sqrtx", "c3x", "c4x", "ccp", "cos", "creg", "cs", "ct", "cu", "cu1",
    "cu2", "cu3", "cv", "delay", "ecr", "exp", "fsim", "gate", "iccx", "if", "include", "ln", "measure", "opaque",
    "pi", "pxz", "qreg", "rc3x", "rccx", "reset", "rxx", "ryy", "rzz", "sin", "sqisw", "sqrt", "syc", "tan", "u",
    "u0", "u1", "u1q", "u2", "v", "xx", "yy", "zz",
];

/// Names with a meaning in OpenQASM 3 or its `stdgates.inc`, which a user-defined gate may have.
#[rustfmt::skip]
const TAKEN_3: &[&str] = &[
    "angle", "arccos", "arcsin", "arctan", "array", "barrier", "bit", "bool", "box", "break", "cal", "case",
    "ceiling", "complex", "const", "continue", "cos", "cphase", "creg", "ctrl", "cu", "def", "default",
    "defcal", "defcalgrammar", "delay", "duration", "durationof", "else", "end", "euler", "exp", "extern",
    "false", "float", "floor", "for", "gate", "gphase", "if", "im", "imag", "in", "include", "input", "int",
    "inv", "let", "log", "measure", "mod", "mutable", "negctrl", "nop", "OPENQASM", "output", "phase", "pi",
    "popcount", "pow", "pragma", "qreg", "qubit", "readonly", "real", "reset", "return", "rotl", "rotr",
    "sin", "sizeof", "sqrt", "stretch", "switch", "tan", "tau", "true", "U", "u1", "u2", "uint", "void",
    "while",
];

/// The largest difference of a gate's global phase from one that OpenQASM 2 can express.
const PHASE_TOLERANCE: f64 = 1e-12;

impl Qasm {
    /// Returns the first lines of a program.
    pub fn header(self) -> &'static str {
        match self {
            Qasm::Two => "OPENQASM 2.0;\ninclude \"qelib1.inc\";\n",
            Qasm::Three => "OPENQASM 3.0;\ninclude \"stdgates.inc\";\n",
        }
    }

    /// Returns the text of a call with `angles` in place of the `?` of free angles.
    pub fn at(self, call: &str, angles: &mut impl Iterator<Item = f64>) -> String {
        let mut text = String::new();
        push_with_angles(&mut text, call, angles, decimal);
        text
    }

    /// Returns the name of the gate, with its angles as OpenQASM reads them; one that is free stays
    /// `?`. The name of a
    /// user-defined gate gets one or more `_` at its end if it has another meaning in OpenQASM or
    /// belongs to another of `gates`.
    pub fn name(self, gate: &Gate, gates: &[Gate]) -> String {
        if !gate.is_standard() {
            return self.free_name(gate.name(), gates);
        }
        let (base, angles) = gate.parts();
        let renamed = RENAMED_2.iter().find(|(known, _)| self == Qasm::Two && *known == base);
        let base = renamed.map_or(base, |(_, renamed)| renamed);
        if angles.is_empty() {
            return base.into();
        }
        let angles: Vec<_> = angles.into_iter().map(angle).collect();
        format!("{base}({})", angles.join(", "))
    }

    /// Returns the definition of a gate that the version's standard library lacks, or `None`.
    ///
    /// # Errors
    /// A clause with the reason why the gate cannot be defined.
    pub fn definition(self, gate: &Gate, gates: &[Gate]) -> std::result::Result<Option<String>, String> {
        let (base, _) = gate.parts();
        if gate.is_standard() {
            let lacking: &[_] = match self {
                Qasm::Two => &DEFINITIONS_2,
                Qasm::Three => &DEFINITIONS_3,
            };
            let definition = lacking.iter().find(|(name, _)| *name == base);
            return Ok(definition.map(|(_, definition)| (*definition).into()));
        }
        if gate.is_opaque() {
            return Err(format!("the gate '{base}' has no known matrix"));
        }
        let &[a, b, c, d] = gate.matrix() else {
            let gate = format!("the gate '{base}' on {} qubits", gate.qubits());
            return Err(format!("OpenQASM needs a decomposition of {gate}, and only its matrix is known"));
        };
        let body = match self {
            Qasm::Two => without_phase([a, b, c, d]).ok_or_else(|| {
                format!("OpenQASM 2 cannot express the global phase of the gate '{base}', but OpenQASM 3 can")
            })?,
            // Not the built-in U: editions of OpenQASM 3 differ in its global phase, but agree on
            // rz and ry.
            Qasm::Three => {
                let [phase, lambda, theta, phi] = rotations([a, b, c, d]);
                format!("gphase({}); {}", decimal(phase), turns(lambda, theta, phi))
            }
        };
        Ok(Some(format!("gate {} q0 {{ {body}; }}", self.name(gate, gates))))
    }

    /// Returns the circuit on `qubits` qubits as a complete OpenQASM program.
    ///
    /// # Errors
    /// [`Error::Qasm`] for a user-defined gate that acts on several qubits, or, in OpenQASM 2, has
    /// a global phase.
    ///
    /// ```
    /// use qorpus_core::{Instruction, Qasm};
    ///
    /// let parse = |text| Instruction::parse(text, 2, &[]);
    /// let program = Qasm::Two.program(&[parse("p(pi/4) 0")?, parse("cx 0 1")?], 2)?;
    /// let body = "qreg q[2];\nu1(pi/4) q[0];\ncx q[0], q[1];\n";
    /// assert_eq!(program, format!("{}{body}", Qasm::Two.header()));
    /// # Ok::<(), qorpus_core::Error>(())
    /// ```
    pub fn program(self, circuit: &[Instruction], qubits: usize) -> Result<String> {
        let mut gates: Vec<Gate> = Vec::new();
        for Instruction { gate, .. } in circuit {
            if gates.iter().all(|known| known.name() != gate.name()) {
                gates.push(gate.clone());
            }
        }
        let mut text = self.header().to_owned();
        let mut defined = Vec::new();
        for gate in &gates {
            let refused = |reason| {
                let remedy = "convert the circuit to Qiskit, Cirq or BQSKit, which take matrices";
                Error::Qasm(format!("{reason}; {remedy}"))
            };
            // A gate with an angle is defined once for all angles.
            if let Some(definition) = self.definition(gate, &gates).map_err(refused)?
                && !defined.contains(&definition)
            {
                text.push_str(&definition);
                text.push('\n');
                defined.push(definition);
            }
        }
        text.push_str(&match self {
            Qasm::Two => format!("qreg q[{qubits}];\n"),
            Qasm::Three => format!("qubit[{qubits}] q;\n"),
        });
        for Instruction { gate, qubits } in circuit {
            let places: Vec<_> = qubits.iter().map(|qubit| format!("q[{qubit}]")).collect();
            text.push_str(&format!("{} {};\n", self.name(gate, &gates), places.join(", ")));
        }
        Ok(text)
    }

    fn free_name(self, name: &str, gates: &[Gate]) -> String {
        // The names of records and qubits in programs.
        let is_numbered = |name: &str| {
            let number = name.strip_prefix(['c', 'q']);
            number.is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
        };
        let taken = match self {
            Qasm::Two => TAKEN_2,
            Qasm::Three => TAKEN_3,
        };
        // OpenQASM 2 reserves other initials.
        let is_reserved = self == Qasm::Two && !name.starts_with(|c: char| c.is_ascii_lowercase());
        let mut free = if is_reserved { format!("g{name}") } else { name.to_owned() };
        while taken.contains(&free.as_str())
            || is_numbered(&free)
            || (free != name && gates.iter().any(|gate| gate.name() == free))
        {
            free.push('_');
        }
        free
    }
}

/// Returns the body of a gate with this matrix in OpenQASM 2, or `None` if its global phase cannot
/// be had.
fn without_phase(matrix: [Complex64; 4]) -> Option<String> {
    // A vanishing entry has no phase; the phase of 0 is 0.
    let [a, b, c, d] = matrix.map(|entry| if entry.norm_sqr() < 1e-24 { Complex64::ZERO } else { entry });
    let [phase, lambda, theta, phi] = rotations([a, b, c, d]);
    // Each form gives the matrix, or its negative with one angle changed.
    let half_turns = |phase: f64| {
        let turns = (phase / PI).round();
        ((phase - turns * PI).abs() <= PHASE_TOLERANCE).then_some(turns.rem_euclid(2.0) == 1.0)
    };
    let three = |theta, phi, lambda| [theta, phi, lambda].map(decimal).join(", ");
    match (half_turns(phase - (phi + lambda) / 2.0), half_turns(phase)) {
        (Some(false), _) => Some(format!("u3({}) q0", three(theta, phi, lambda))),
        (Some(true), _) => Some(format!("u3({}) q0", three(2.0 * PI - theta, phi + PI, lambda + PI))),
        (None, Some(negative)) => Some(turns(if negative { lambda + 2.0 * PI } else { lambda }, theta, phi)),
        (None, None) => None,
    }
}

/// Returns the rotations rz(phi) ry(theta) rz(lambda), the last one first.
fn turns(lambda: f64, theta: f64, phi: f64) -> String {
    let turns = [("rz", lambda), ("ry", theta), ("rz", phi)];
    turns.map(|(name, angle)| format!("{name}({}) q0", decimal(angle))).join("; ")
}

/// Returns the angles alpha, lambda, theta, phi with e^(i alpha) rz(phi) ry(theta) rz(lambda) =
/// `[[a, b], [c, d]]`.
fn rotations([a, b, c, d]: [Complex64; 4]) -> [f64; 4] {
    let size = |entry: Complex64| entry.re.hypot(entry.im);
    let turn = |entry: Complex64| entry.im.atan2(entry.re);
    let theta = 2.0 * size(c).atan2(size(a));
    // The matrix is e^(i start) [[cos, -e^(i lambda) sin], [e^(i phi) sin, e^(i(phi + lambda))
    // cos]]. The phase of a small entry is mostly rounding error, so sums of angles are taken from
    // large entries.
    let start = turn(a);
    let phi = turn(c) - start;
    let lambda = if size(a) < size(c) { turn(-b) - start } else { turn(d) - start - phi };
    [start + (phi + lambda) / 2.0, lambda, theta, phi]
}

/// Returns the text of the angle if OpenQASM reads it the same way, else its value: in
/// OpenQASM 1/2 is an integer division, and Qiskit does not know `sqrt`.
fn angle(text: &str) -> String {
    let is_integer =
        |text: &str| (1..10).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
    let is_plain = text.trim_start_matches('-').split_once("pi").is_some_and(|(factor, divisor)| {
        (factor.is_empty() || factor.strip_suffix('*').is_some_and(is_integer))
            && (divisor.is_empty() || divisor.strip_prefix('/').is_some_and(is_integer))
    });
    match evaluate(text) {
        Ok(value) if !is_plain => decimal(value),
        _ => text.into(),
    }
}

/// Returns the number in a form that both versions read: one with an exponent has a decimal point,
/// too.
fn decimal(value: f64) -> String {
    let text = format!("{value:?}");
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0e{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::Alphabet;
    use crate::alphabet::coupling::Coupling;
    use crate::gate::examples;
    use crate::gate::standard::{diagonal, turn};
    use crate::kernel::naive;
    use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};

    const BOTH: [Qasm; 2] = [Qasm::Two, Qasm::Three];

    /// A standard gate by the name that it has in either version.
    fn standard(name: &str) -> Gate {
        let base = name.split('(').next().unwrap();
        let known = RENAMED_2.iter().find(|(_, renamed)| *renamed == base).map_or(base, |(known, _)| known);
        Gate::standard(&name.replacen(base, known, 1)).unwrap()
    }

    /// The product of a definition's body, global phase included.
    fn product(definition: &str) -> Vec<Complex64> {
        let (head, body) = definition.split_once('{').unwrap();
        let (mut phase, mut letters, mut gates) = (0.0, Vec::new(), Vec::<Gate>::new());
        for call in body.trim_end_matches('}').split(';').map(str::trim).filter(|call| !call.is_empty()) {
            if let Some(angle) = call.strip_prefix("gphase(") {
                phase += evaluate(angle.trim_end_matches(')')).unwrap();
                continue;
            }
            let (name, qubits) = call.split_at(call.find(" q").unwrap());
            let gate = standard(name);
            letters.push(format!("{} {}", gate.name(), qubits.replace(['q', ','], "")));
            if gates.iter().all(|known| known.name() != gate.name()) {
                gates.push(gate);
            }
        }
        let qubits = head.matches(" q").count();
        let alphabet = Alphabet::new(gates, qubits, Coupling::All).unwrap();
        let unitary = naive::unitary(&alphabet, &alphabet.circuit(&letters.join(";")).unwrap(), &[]);
        unitary.into_iter().map(|entry| entry * turn(phase)).collect()
    }

    fn distance(a: &[Complex64], b: &[Complex64]) -> f64 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| (a - b).l1_norm()).fold(0.0, f64::max)
    }

    fn mine(matrix: &[Complex64]) -> Gate {
        Gate::custom("mine", matrix.len().ilog2() as usize / 2, matrix.to_vec()).unwrap()
    }

    fn defined(version: Qasm, matrix: &[Complex64]) -> std::result::Result<String, String> {
        version.definition(&mine(matrix), &[]).map(Option::unwrap)
    }

    #[test]
    fn definitions_of_standard_gates() {
        for (name, definition) in DEFINITIONS_2.into_iter().chain(DEFINITIONS_3) {
            let angle = if definition.contains("theta") { "(0.3)" } else { "" };
            let gate = Gate::standard(&format!("{name}{angle}")).unwrap();
            let found = distance(&product(&definition.replace("theta", "0.3")), gate.matrix());
            assert!(found < 1e-15, "{name}: {found}");
        }
    }

    #[test]
    fn definitions_of_own_gates() {
        let angles = [-3.0, -1.2, -1e-9, 0.0, 1e-13, 0.4, 1.5, PI];
        // Half the angle of ry, up to the quarter turn that makes the diagonal vanish.
        let halves = [0.0, 1e-300, 1e-13, 1e-9, 1e-4, 0.3, FRAC_PI_4, FRAC_PI_4 + 1e-9, 1.2, FRAC_PI_2];
        for (half, number) in halves.into_iter().flat_map(|half| (0..512).map(move |number| (half, number))) {
            let [alpha, phi, lambda] = [number / 64, number / 8 % 8, number % 8].map(|index| angles[index]);
            // What u3 gives, and what rz, ry and rz give.
            for shift in [0.0, -(phi + lambda) / 2.0] {
                let matrix = [
                    turn(alpha + shift) * half.cos(),
                    -turn(alpha + shift + lambda) * half.sin(),
                    turn(alpha + shift + phi) * half.sin(),
                    turn(alpha + shift + phi + lambda) * half.cos(),
                ];
                let found = distance(&product(&defined(Qasm::Three, &matrix).unwrap()), &matrix);
                assert!(found < 1e-14, "{half} {alpha} {phi} {lambda}: {found}");
                match defined(Qasm::Two, &matrix) {
                    Ok(definition) => {
                        let found = distance(&product(&definition), &matrix);
                        assert!(found < 5e-12, "{half} {alpha} {phi} {lambda}: {found}");
                    }
                    Err(reason) => assert!(
                        alpha != 0.0 && alpha != PI && reason.contains("global phase of the gate 'mine'"),
                        "{half} {alpha} {phi} {lambda}: {reason}"
                    ),
                }
            }
        }
    }

    #[test]
    fn standard_gates_of_one_qubit_would_be_found_by_their_matrices() {
        for gate in examples().filter(|gate| gate.qubits() == 1) {
            for version in BOTH {
                match defined(version, gate.matrix()) {
                    Ok(definition) => {
                        assert!(distance(&product(&definition), gate.matrix()) < 2e-15, "{definition}");
                    }
                    Err(_) => {
                        assert!(version == Qasm::Two && gate.name().starts_with("sx"), "{}", gate.name());
                    }
                }
            }
        }
    }

    #[test]
    fn gates_without_words() {
        let two = Gate::standard("cx").unwrap();
        let opaque = Gate::opaque("secret").unwrap();
        for version in BOTH {
            assert!(defined(version, two.matrix()).unwrap_err().contains("'mine' on 2 qubits"));
            assert!(
                version
                    .definition(&opaque, &[])
                    .unwrap_err()
                    .contains("the gate 'secret' has no known matrix")
            );
        }
        let circuit = [Instruction { gate: mine(two.matrix()), qubits: vec![1, 0] }];
        let error = Qasm::Two.program(&circuit, 2).unwrap_err().to_string();
        assert!(error.ends_with("known; convert the circuit to Qiskit, Cirq or BQSKit, which take matrices"));
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
            ("1e-9", "1.0e-9"),
            ("1.5e-9", "1.5e-9"),
            ("pi/4/3", "0.2617993877991494"),
            ("1234567890123*pi/1234567890123", "3.141592653589793"),
        ] {
            assert_eq!(angle(text), value);
        }
    }

    #[test]
    fn own_names_are_free() {
        let one = diagonal(&[Complex64::ONE; 2]);
        let names = ["mine", "if", "if_", "c7", "q", "c7x", "u1", "_", "Mine", "ecr"];
        let gates = names.map(|name| Gate::custom(name, 1, one.clone()).unwrap());
        let found = |version: Qasm| gates.each_ref().map(|gate| version.name(gate, &gates));
        let [three, two] = [Qasm::Three, Qasm::Two].map(found);
        assert_eq!(three, ["mine", "if__", "if_", "c7_", "q_", "c7x", "u1_", "_", "Mine", "ecr"]);
        assert_eq!(two, ["mine", "if__", "if_", "c7_", "q_", "c7x", "u1_", "g_", "gMine", "ecr_"]);
    }

    #[test]
    fn programs() {
        let own = [mine(Gate::standard("y").unwrap().matrix())];
        let letters = ["p(pi/4) 1", "crx(1/2) 1 0", "crx(pi) 0 1", "sxdg 0", "mine 1", "iswap 1 0"];
        let circuit = letters.map(|letter| Instruction::parse(letter, 2, &own).unwrap());
        let two = Qasm::Two.program(&circuit, 2).unwrap();
        assert_eq!(
            two.lines().collect::<Vec<_>>(),
            [
                "OPENQASM 2.0;",
                "include \"qelib1.inc\";",
                "gate crx(theta) q0, q1 { h q1; crz(theta) q0, q1; h q1; }",
                "gate sxdg q0 { h q0; sdg q0; h q0; }",
                "gate mine q0 { u3(3.141592653589793, 1.5707963267948966, 1.5707963267948966) q0; }",
                "gate iswap q0, q1 { s q0; s q1; h q0; cx q0, q1; cx q1, q0; h q1; }",
                "qreg q[2];",
                "u1(pi/4) q[1];",
                "crx(0.5) q[1], q[0];",
                "crx(pi) q[0], q[1];",
                "sxdg q[0];",
                "mine q[1];",
                "iswap q[1], q[0];",
            ]
        );
        let three = Qasm::Three.program(&circuit, 2).unwrap();
        assert!(three.starts_with("OPENQASM 3.0;\ninclude \"stdgates.inc\";\ngate sxdg "));
        assert!(three.contains("\ngate mine q0 { gphase("));
        assert!(three.contains("\nqubit[2] q;\np(pi/4) q[1];\n"));
        let empty = "OPENQASM 3.0;\ninclude \"stdgates.inc\";\nqubit[8] q;\n";
        assert_eq!(Qasm::Three.program(&[], 8).unwrap(), empty);
    }
}
