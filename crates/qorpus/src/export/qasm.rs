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
//! Standard gates are called by their names, with the global phases of Qiskit's `stdgates.inc`.
//! Gates that it lacks, and user-defined gates on one qubit, are defined first. The labels that
//! came with a record are in its comment as a JSON object:
//! `// record 7, length 2, labels {"reward":0.5}`.

use crate::corpus::record::GivenLabels;
use crate::corpus::scan::Batch;
use crate::error::{Error, Result};
use crate::export::format::{ExportSource, Format};
use crate::os::atomic_file::{AtomicFile, publish_all};
use qorpus_core::{Alphabet, Label, Qasm};
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

struct Programs<'a> {
    alphabet: &'a Alphabet,
    file: AtomicFile,
    /// The call of each letter: `cx q0, q1;`.
    calls: Vec<String>,
    /// The text of a batch; reused for its memory.
    text: String,
}

/// # Errors
/// [`Error::Unsupported`] if a user-defined gate acts on several qubits, or records have no circuits.
pub(super) fn open<'a>(source: &ExportSource<'a>, out: &Path) -> Result<Box<dyn Format + 'a>> {
    let (recipe, summary) = (source.corpus.recipe(), source.summary);
    if !recipe.space().has_circuits() {
        let reason =
            "its records are Haar-random unitaries and have no circuits; export to .npy, .parquet or .csv";
        return Err(Error::Unsupported(source.corpus.place(), reason.into()));
    }
    let alphabet = recipe.alphabet();
    let mut text = format!(
        "{}// {}\n// recipe {}\n\
         // Gate c7 is record 7. Gates have the matrices that Qiskit gives them, global phase included; qubit q0\n\
         // is the most significant bit of the unitary's index.\n",
        Qasm::Three.header(),
        recipe.summary(),
        summary.recipe_hash,
    );
    let refused =
        |reason| Error::Unsupported(out.into(), format!("{reason}; export to .npy, .parquet or .csv"));
    for (index, gate) in alphabet.gates().iter().enumerate() {
        // A gate without letters under the coupling needs no definition.
        if alphabet.letters().iter().any(|letter| letter.gate == index)
            && let Some(definition) = Qasm::Three.definition(gate, alphabet.gates()).map_err(refused)?
        {
            text.push_str(&definition);
            text.push('\n');
        }
    }
    let names: Vec<_> =
        alphabet.gates().iter().map(|gate| Qasm::Three.name(gate, alphabet.gates())).collect();
    let call =
        |letter: &qorpus_core::Letter| format!("{} {};", names[letter.gate], parameters(&letter.qubits));
    let calls = alphabet.letters().iter().map(call).collect();
    let mut file = AtomicFile::create_partial(out)?;
    file.append(text.as_bytes())?;
    Ok(Box::new(Programs { alphabet, file, calls, text }))
}

impl Format for Programs<'_> {
    fn write(&mut self, batch: &Batch<'_>, given: &[GivenLabels]) -> Result<()> {
        let qubits = parameters(&(0..self.alphabet.qubits()).collect::<Vec<_>>());
        self.text.clear();
        for (position, circuit) in batch.circuits.iter().enumerate() {
            let (id, labels) = (batch.first_id + position as u64, comment(given.get(position)));
            // Writing to a String cannot fail.
            let _ = write!(
                self.text,
                "// record {id}, length {}{labels}\ngate c{id} {qubits} {{ ",
                circuit.len()
            );
            let mut angles = batch.circuits.angles(position).iter().copied();
            for &letter in circuit {
                let call = &self.calls[usize::from(letter)];
                match self.alphabet.free_angles(letter) {
                    0 => self.text.push_str(call),
                    _ => self.text.push_str(&Qasm::Three.at(call, &mut angles)),
                }
                self.text.push(' ');
            }
            self.text.push_str("}\n");
        }
        self.file.append(self.text.as_bytes())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        publish_all(vec![self.file])
    }
}

/// Returns the labels that came with a record as the end of its comment. It has no line breaks,
/// whatever the texts hold.
fn comment(labels: Option<&GivenLabels>) -> String {
    match labels.filter(|labels| !labels.is_empty()) {
        None => String::new(),
        // JSON has no NaN and no infinity.
        Some(labels) => {
            let value = |label: &Label| match label {
                Label::Real(value) if !value.is_finite() => json!(value.to_string()),
                label => json!(label),
            };
            let labels = labels.iter().map(|(name, label)| (name.clone(), value(label)));
            format!(", labels {}", serde_json::Value::Object(labels.collect()))
        }
    }
}

/// Returns the qubits of a gate as OpenQASM writes them: `q0, q1`.
fn parameters(qubits: &[usize]) -> String {
    qubits.iter().map(|qubit| format!("q{qubit}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::file::tests::{corpus, exported, names, of_recipe, recipes, records};
    use crate::options::recipe::RecipeOptions;
    use qorpus_core::{Coupling, Dtype, Gate, Recipe, Space};

    #[test]
    fn text() {
        let options = RecipeOptions {
            gates: Some("sxdg,rz(1/2),u3(pi, 1, 0),iswap".into()),
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
                "gate sxdg q0 { h q0; sdg q0; h q0; }",
                "gate iswap q0, q1 { s q0; s q1; h q0; cx q0, q1; cx q1, q0; h q1; }",
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
            let names: Vec<_> =
                alphabet.gates().iter().map(|gate| Qasm::Three.name(gate, alphabet.gates())).collect();
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
        let error = crate::export::file::export(&corpus, &out, &false.into(), &mut |_| {}).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }));
        let text = error.to_string();
        assert!(text.contains("'mine' on 3 qubits") && text.contains(".npy, .parquet or .csv"), "{text}");
        assert_eq!(names(&directory), ["c.db"]);

        // Where the coupling leaves it no place, it does no harm.
        let (directory, corpus) = of_recipe(&recipe(Coupling::Pairs(vec![(0, 1)])));
        exported(&corpus, &directory, "x.qasm");
    }
}
