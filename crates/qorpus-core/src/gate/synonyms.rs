//! Names of gates in other tools, and how Qorpus writes these gates.

use crate::gate::standard::{self, PRESETS, STANDARD};

/// The translation of another tool's gate.
#[derive(Debug, Clone, Copy)]
enum Translation {
    /// A gate; `{0}` and so on are the angles of the translated gate.
    SameAs(&'static str),
    /// A gate that differs by a global phase.
    UpToPhase(&'static str),
    /// A circuit, for the gate on qubits 0, 1 and so on.
    Circuit(&'static str),
    /// A circuit that differs by a global phase.
    CircuitUpToPhase(&'static str),
    /// Untranslatable: the reason.
    Untranslatable(&'static str),
}

use Translation::{Circuit, CircuitUpToPhase, SameAs, Untranslatable, UpToPhase};

const NOT_UNITARY: Translation =
    Untranslatable("it is not a unitary gate, and circuits hold unitary gates only");
const WIDE: Translation = Untranslatable("gates act on at most three qubits; decompose it first");
const TURNED: Translation = SameAs("u3({0},{1}-pi/2,pi/2-({1}))");
const RXX: Translation = Circuit("h 0; h 1; cx 0 1; rz({0}) 1; cx 0 1; h 0; h 1");
const RYY: Translation = Circuit("sx 0; sx 1; cx 0 1; rz({0}) 1; cx 0 1; sxdg 0; sxdg 1");
const RZZ: Translation = Circuit("cx 0 1; rz({0}) 1; cx 0 1");
const RZX: Translation = Circuit("h 1; cx 0 1; rz({0}) 1; cx 0 1; h 1");
const CU3: Translation = Untranslatable("decompose it into u3 and cx with the library that defines it");

/// Names in lower case, the names of the gate's angles, and its translation.
#[rustfmt::skip]
const SYNONYMS: &[(&[&str], &[&str], Translation)] = &[
    (&["i", "iden", "identity", "u0"], &[], SameAs("id")),
    (&["not", "paulix", "pauli_x", "xgate"], &[], SameAs("x")),
    (&["pauliy", "pauli_y"], &[], SameAs("y")),
    (&["pauliz", "pauli_z"], &[], SameAs("z")),
    (&["had", "hadamard"], &[], SameAs("h")),
    (&["sqrtz", "phasegate"], &[], SameAs("s")),
    (&["si", "sdag", "sdagger", "s†", "s_dag", "s_adj", "sqrtzdg"], &[], SameAs("sdg")),
    (&["ti", "tdag", "tdagger", "t†", "t_dag", "t_adj"], &[], SameAs("tdg")),
    (&["v", "sqrtx", "sqrt_x", "sqrtnot", "srx", "srn"], &[], SameAs("sx")),
    (&["vi", "vdg", "vdag", "sqrtxdg", "sxdag", "sqrt_x_dag"], &[], SameAs("sxdg")),
    (&["x90", "x_90", "rx90", "sx90"], &[], UpToPhase("sx")),
    (&["xm90", "mx90", "x_minus90", "x270"], &[], UpToPhase("sxdg")),
    (&["y90", "ry90", "sqrty", "sqrt_y"], &[], UpToPhase("ry(pi/2)")),
    (&["ym90", "my90", "sqrtydg", "sqrt_y_dag"], &[], UpToPhase("ry(-pi/2)")),
    (&["z90"], &[], UpToPhase("s")),
    (&["rotx"], &["theta"], SameAs("rx({0})")),
    (&["roty"], &["theta"], SameAs("ry({0})")),
    (&["rotz"], &["theta"], SameAs("rz({0})")),
    (&["u1", "phase", "phaseshift", "phase_shift", "r1", "rphi"], &["lambda"], SameAs("p({0})")),
    (&["u", "u3gate"], &["theta", "phi", "lambda"], SameAs("u3({0},{1},{2})")),
    (&["u2"], &["phi", "lambda"], SameAs("u3(pi/2,{0},{1})")),
    (&["r", "prx", "phasedx", "u1q"], &["theta", "phi"], TURNED),
    (&["cnot", "cnotgate", "xcx", "controlledx"], &[], SameAs("cx")),
    (&["cphase", "cu1", "cphaseshift", "controlledphase", "cr1", "crphi"], &["lambda"], SameAs("cp({0})")),
    (&["cs"], &[], SameAs("cp(pi/2)")),
    (&["csdg", "csdag"], &[], SameAs("cp(-pi/2)")),
    (&["ct"], &[], SameAs("cp(pi/4)")),
    (&["ctdg"], &[], SameAs("cp(-pi/4)")),
    (&["cv", "csqrtx", "csqrtnot"], &[], SameAs("csx")),
    (&["cvdg", "csxdg"], &[], Circuit("h 1; cp(-pi/2) 0 1; h 1")),
    (&["chadamard"], &[], SameAs("ch")),
    (&["swapgate"], &[], SameAs("swap")),
    (&["iswapdg", "iswapdag", "iswap_dag"], &[], Circuit("z 0; z 1; iswap 0 1")),
    (&["dcx"], &[], Circuit("cx 0 1; cx 1 0")),
    (&["rxx", "xx", "xxphase", "isingxx"], &["theta"], RXX),
    (&["ryy", "yy", "yyphase", "isingyy"], &["theta"], RYY),
    (&["rzz", "zz", "zzphase", "isingzz"], &["theta"], RZZ),
    (&["rzx"], &["theta"], RZX),
    (&["ecr"], &[], CircuitUpToPhase("s 0; sx 1; cx 0 1; x 0")),
    (&["sqrtiswap", "sqrt_iswap", "siswap", "sqisw", "sqiswap"], &[],
        Circuit("sx 0; sx 1; cx 0 1; rz(-pi/4) 1; cx 0 1; sxdg 0; sxdg 1; h 0; h 1; cx 0 1; rz(-pi/4) 1; cx 0 1; h 0; h 1")),
    (&["ms"], &[], Untranslatable("libraries define its angles differently; decompose it with the library that defines it")),
    (&["cu3"], &["theta", "phi", "lambda"], CU3),
    (&["cu"], &["theta", "phi", "lambda", "gamma"], CU3),
    (&["toffoli", "ccnot", "tof"], &[], SameAs("ccx")),
    (&["fredkin", "cswapgate"], &[], SameAs("cswap")),
    (&["ccz"], &[], Circuit("h 2; ccx 0 1 2; h 2")),
    (&["ccp", "ccu1"], &["lambda"],
        Circuit("cp(({0})/2) 1 2; cx 0 1; cp(-({0})/2) 1 2; cx 0 1; cp(({0})/2) 0 2")),
    (&["mcx", "mcp", "c3x", "c4x", "cccx", "c3sx", "rc3x"], &[], WIDE),
    (&["measure", "reset", "barrier", "delay", "if", "m"], &[], NOT_UNITARY),
    (&["gphase", "globalphase"], &["gamma"], Untranslatable("a circuit has no separate global phase; leave it out")),
];

/// Returns a hint about an unknown gate; `angles` are its angles as they were written.
pub(crate) fn advice(base: &str, angles: &[&str]) -> String {
    if let Some(advice) = translated(base, angles) {
        return advice;
    }
    if PRESETS.iter().any(|(preset, _)| *preset == base) {
        return format!("'{base}' is a preset of several gates; use it as a gate set, not as a gate");
    }
    match &nearest(base, angles.len())[..] {
        [] => {
            let known = STANDARD.map(standard::base);
            format!("the standard gates are {}; define any other gate by its matrix", known.join(", "))
        }
        [one] => format!("did you mean '{one}'?"),
        many => format!("the nearest names are {}", many.join(", ")),
    }
}

/// Returns a hint about how to write a gate that other tools call `name`; `None` for other names.
///
/// ```
/// assert_eq!(qorpus_core::synonym("cnot").as_deref(), Some("did you mean 'cx'?"));
/// assert_eq!(qorpus_core::synonym("mine"), None);
/// ```
pub fn synonym(name: &str) -> Option<String> {
    let name = name.trim().to_lowercase();
    let (base, angles) = standard::parts(&name);
    translated(base, &angles)
}

/// Returns the hint about a gate of another tool. The hint names the angles if their number is
/// wrong.
fn translated(base: &str, angles: &[&str]) -> Option<String> {
    let (_, known, here) = SYNONYMS.iter().find(|(names, ..)| names.contains(&base))?;
    let filled = |template: &str| filled(template, if angles.len() == known.len() { angles } else { known });
    let circuit = |circuit| format!("write it as the circuit '{}'", filled(circuit));
    Some(match here {
        SameAs(gate) if gate.contains('(') => {
            format!("did you mean '{}'? Write it as '{}'", standard::base(gate), filled(gate))
        }
        SameAs(gate) => format!("did you mean '{gate}'?"),
        UpToPhase(gate) => format!("did you mean '{gate}'? The two are equal up to a global phase"),
        Circuit(letters) => circuit(letters),
        CircuitUpToPhase(letters) => circuit(letters) + ", which is equal up to a global phase",
        Untranslatable(reason) => format!("'{base}' cannot be a letter of a circuit: {reason}"),
    })
}

/// Returns the template with `angles` in their places.
fn filled(template: &str, angles: &[&str]) -> String {
    let fill = |text: String, (k, angle): (usize, &&str)| text.replace(&format!("{{{k}}}"), angle);
    angles.iter().enumerate().fold(template.to_owned(), fill)
}

/// Returns up to three standard names and presets, with this number of angles, that `name` may be a
/// misspelling of.
fn nearest(name: &str, angles: usize) -> Vec<&'static str> {
    // One typo in short names, two in long ones. Every name of one character is one typo away from
    // every other.
    let most = match name.chars().count() {
        0 | 1 => return Vec::new(),
        2..=4 => 1,
        _ => 2,
    };
    let known = STANDARD.into_iter().filter(|known| angles == 0 || standard::angle_count(known) == angles);
    let presets = PRESETS.iter().map(|(preset, _)| *preset).filter(|_| angles == 0);
    let slips = |known: &'static str| (strsim::damerau_levenshtein(name, standard::base(known)), known);
    let mut scored: Vec<_> = known.chain(presets).map(slips).filter(|(slips, _)| *slips <= most).collect();
    scored.sort_unstable();
    let best = scored.first().map_or(0, |(slips, _)| *slips);
    scored.into_iter().filter(|(slips, _)| *slips == best).take(3).map(|(_, known)| known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::Alphabet;
    use crate::alphabet::coupling::Coupling;
    use crate::gate::Gate;
    use crate::gate::standard::{diagonal, turn};
    use crate::instruction::Instruction;
    use crate::kernel::naive;
    use num_complex::Complex64;
    use std::f64::consts::FRAC_PI_4;

    const ANGLES: [&str; 3] = ["0.7", "-1.1", "0.4"];

    /// The unitary of a circuit on `qubits` qubits.
    fn unitary(text: &str, qubits: usize) -> Vec<Complex64> {
        let gate = |letter| Instruction::parse(letter, qubits, &[]).unwrap().gate;
        let mut gates: Vec<Gate> = text.split(';').map(gate).collect();
        gates.sort_by(|a, b| a.name().cmp(b.name()));
        gates.dedup();
        let alphabet = Alphabet::new(gates, qubits, Coupling::All).unwrap();
        naive::unitary(&alphabet, &alphabet.circuit(text).unwrap(), &[])
    }

    /// The matrix of a gate by its definition elsewhere: exp(-i theta/2 P), or a permutation with
    /// phases.
    fn elsewhere(name: &str) -> Option<Vec<Complex64>> {
        let (one, i) = (Complex64::ONE, Complex64::I);
        let (cos, sin) = (0.35f64.cos(), 0.35f64.sin());
        let place = |dim: usize, entries: &[(usize, usize, Complex64)]| {
            let mut matrix = vec![Complex64::ZERO; dim * dim];
            entries.iter().for_each(|&(row, column, entry)| matrix[row * dim + column] = entry);
            matrix
        };
        let rotation = |pauli: [(usize, usize, Complex64); 4]| {
            let pauli = place(4, &pauli).into_iter().map(|entry| -i * sin * entry);
            pauli.zip(diagonal(&[one; 4])).map(|(pauli, one)| one * cos + pauli).collect()
        };
        let (h, ih) = (one * 0.5f64.sqrt(), i * 0.5f64.sqrt());
        Some(match name {
            "rxx" => rotation([(0, 3, one), (1, 2, one), (2, 1, one), (3, 0, one)]),
            "ryy" => rotation([(0, 3, -one), (1, 2, one), (2, 1, one), (3, 0, -one)]),
            "rzz" => rotation([(0, 0, one), (1, 1, -one), (2, 2, -one), (3, 3, one)]),
            "rzx" => rotation([(0, 1, one), (1, 0, one), (2, 3, -one), (3, 2, -one)]),
            "ccz" => diagonal(&[one, one, one, one, one, one, one, -one]),
            "ccp" => diagonal(&[one, one, one, one, one, one, one, turn(0.7)]),
            "cs" => diagonal(&[one, one, one, i]),
            "csdg" => diagonal(&[one, one, one, -i]),
            "ct" => diagonal(&[one, one, one, turn(FRAC_PI_4)]),
            "ctdg" => diagonal(&[one, one, one, turn(-FRAC_PI_4)]),
            "iswapdg" => place(4, &[(0, 0, one), (1, 2, -i), (2, 1, -i), (3, 3, one)]),
            "dcx" => place(4, &[(0, 0, one), (3, 1, one), (1, 2, one), (2, 3, one)]),
            "sqrtiswap" => {
                place(4, &[(0, 0, one), (1, 1, h), (1, 2, ih), (2, 1, ih), (2, 2, h), (3, 3, one)])
            }
            "cvdg" => {
                let (a, b) = (Complex64::new(0.5, -0.5), Complex64::new(0.5, 0.5));
                place(4, &[(0, 0, one), (1, 1, one), (2, 2, a), (2, 3, b), (3, 2, b), (3, 3, a)])
            }
            // (IX - XY) / sqrt(2), the first qubit most significant.
            "ecr" => {
                let lower = [(2, 0, h), (2, 1, -ih), (3, 0, -ih), (3, 1, h)];
                place(4, &[&[(0, 2, h), (0, 3, ih), (1, 2, ih), (1, 3, h)][..], &lower].concat())
            }
            "r" => vec![one * cos, -i * turn(1.1) * sin, -i * turn(-1.1) * sin, one * cos],
            _ => return None,
        })
    }

    fn differs(a: &[Complex64], b: &[Complex64], up_to_phase: bool) -> bool {
        let overlap: Complex64 = a.iter().zip(b).map(|(a, b)| a * b.conj()).sum();
        let turn = if up_to_phase { overlap / overlap.re.hypot(overlap.im) } else { Complex64::ONE };
        a.len() != b.len() || a.iter().zip(b).any(|(a, b)| (a - b * turn).l1_norm() >= 1e-12)
    }

    #[test]
    fn what_is_said_of_other_names_is_right() {
        let mut compared = 0;
        for (names, angles, here) in SYNONYMS {
            let (text, up_to_phase) = match here {
                SameAs(gate) => (*gate, false),
                UpToPhase(gate) => (*gate, true),
                Circuit(circuit) => (*circuit, false),
                CircuitUpToPhase(circuit) => (*circuit, true),
                Untranslatable(_) => continue,
            };
            let text = filled(text, &ANGLES);
            if matches!(here, SameAs(_) | UpToPhase(_)) {
                assert!(Gate::standard(&text).is_ok(), "{text}");
            }
            for name in *names {
                assert!(Gate::standard(name).is_err(), "{name} is a gate here");
                let Some(matrix) = elsewhere(name) else { continue };
                let qubits = matrix.len().ilog2() as usize / 2;
                let is_circuit = text.contains(' ');
                let places = ["0", "0 1", "0 1 2"][qubits - 1];
                let circuit = if is_circuit { text.clone() } else { format!("{text} {places}") };
                assert!(!differs(&unitary(&circuit, qubits), &matrix, up_to_phase), "{name}: {circuit}");
                compared += 1;
            }
            assert!(angles.len() <= 4);
        }
        assert_eq!(compared, 16);
    }

    #[test]
    fn names_of_other_tools() {
        for (name, angles, said) in [
            ("cnot", &[][..], "did you mean 'cx'?"),
            ("toffoli", &[], "did you mean 'ccx'?"),
            ("fredkin", &[], "did you mean 'cswap'?"),
            ("u", &["1", "2", "3"], "did you mean 'u3'? Write it as 'u3(1,2,3)'"),
            ("u2", &["0", "pi"], "did you mean 'u3'? Write it as 'u3(pi/2,0,pi)'"),
            ("u1", &["pi/4"], "did you mean 'p'? Write it as 'p(pi/4)'"),
            ("u1", &[], "did you mean 'p'? Write it as 'p(lambda)'"),
            ("phase", &["1"], "did you mean 'p'?"),
            ("cphase", &["1"], "did you mean 'cp'?"),
            ("rxx", &["pi/2"], "write it as the circuit 'h 0; h 1; cx 0 1; rz(pi/2) 1;"),
            ("x90", &[], "did you mean 'sx'? The two are equal up to a global phase"),
            ("cs", &[], "did you mean 'cp'? Write it as 'cp(pi/2)'"),
            ("i", &[], "did you mean 'id'?"),
            ("v", &[], "did you mean 'sx'?"),
            ("not", &[], "did you mean 'x'?"),
            ("nam", &[], "'nam' is a preset"),
            ("measure", &[], "'measure' cannot be a letter of a circuit: it is not a unitary gate"),
            ("tgd", &[], "did you mean 'tdg'?"),
            ("rzs", &["1"], "did you mean 'rz(theta)'?"),
            ("cliford+t", &[], "did you mean 'clifford+t'?"),
        ] {
            assert!(advice(name, angles).starts_with(said), "{name}: {}", advice(name, angles));
        }
        // Neither far from everything nor without the right number of angles.
        for (name, angles) in [("w", 0), ("frobnicate", 0), ("hh", 1), ("syc", 0), ("", 0), ("zyx", 2)] {
            assert!(nearest(name, angles).is_empty(), "{name}: {:?}", nearest(name, angles));
        }
    }
}
