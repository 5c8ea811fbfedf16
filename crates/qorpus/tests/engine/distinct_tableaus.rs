//! Enumerations by tableaus have the records of enumerations by unitaries, and those that were begun
//! without tableaus go on without.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use qorpus::core::{Clifford, Coupling, Equivalence, Gate};
use qorpus::{
    CorpusFile, DistinctOptions, Durability, EnumerateOptions, FindOptions, Found, Order, Recipe, Target,
    circuit_target, enumerate,
};
use std::path::Path;

fn recipe(gates: &str, qubits: usize, coupling: &str, length: usize, up_to: Equivalence) -> Recipe {
    let options = DistinctOptions {
        gates: Some(gates.into()),
        qubits: Some(qubits),
        coupling: Some(coupling.into()),
        max_length: Some(length),
        up_to,
        ..DistinctOptions::default()
    };
    options.recipe().unwrap()
}

fn run(path: &Path, recipe: &Recipe, memory: u64) -> CorpusFile {
    let options = EnumerateOptions { memory: Some(memory), jobs: Some(2), durability: Durability::Off };
    enumerate(path, recipe, options, &false.into(), &mut |_| {}).unwrap();
    CorpusFile::open(path).unwrap()
}

fn circuits_and_labels(corpus: &CorpusFile) -> Vec<(Vec<u16>, String)> {
    let record = |id| {
        let record = corpus.record(id, Order::Big).unwrap();
        (record.circuit, format!("{:?}", record.labels))
    };
    (0..corpus.len().unwrap()).map(record).collect()
}

/// Bits and unitaries agree on circuits, labels and levels, in memory and with files on disk.
#[test]
fn records_are_those_of_unitaries() {
    for (gates, qubits, coupling, length, up_to) in [
        ("swap", 4, "line", 10, Equivalence::GlobalPhase),
        ("cx", 3, "all", 10, Equivalence::Exact),
        ("cx,swap", 4, "ring", 4, Equivalence::GlobalPhase),
        ("cx,id", 2, "all", 4, Equivalence::GlobalPhase),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        let recipe = recipe(gates, qubits, coupling, length, up_to);
        let dense = recipe.without_tableaus().unwrap();
        assert!(dense.format_version() == 1 && recipe.format_version() == 2);
        let bits = run(&path("bits.db"), &recipe, 64 << 20);
        let small = run(&path("small.db"), &recipe, 16 << 20);
        let unitaries = run(&path("unitaries.db"), &dense, 64 << 20);
        let expected = circuits_and_labels(&unitaries);
        assert_eq!(circuits_and_labels(&bits), expected, "{gates}");
        assert_eq!(circuits_and_labels(&small), expected, "{gates}");
        assert_eq!(bits.levels().unwrap(), unitaries.levels().unwrap());
        assert_eq!(bits.is_group().unwrap(), unitaries.is_group().unwrap());
    }
}

/// A file of version 1 is extended as it was begun, and answers as before.
#[test]
fn what_was_begun_without_tableaus_goes_on_without() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.db");
    let recipe = |length| recipe("cx", 3, "line", length, Equivalence::GlobalPhase);
    run(&path, &recipe(3).without_tableaus().unwrap(), 64 << 20);
    let grown = run(&path, &recipe(9), 64 << 20);
    assert_eq!(grown.recipe(), &recipe(9).without_tableaus().unwrap());
    let whole = run(&directory.path().join("whole.db"), &recipe(9).without_tableaus().unwrap(), 64 << 20);
    assert_eq!(circuits_and_labels(&grown), circuits_and_labels(&whole));
    for id in 0..grown.len().unwrap() {
        let text = grown.recipe().alphabet().text(&grown.record(id, Order::Big).unwrap().circuit, &[]);
        let target = circuit_target(&text, grown.recipe()).unwrap();
        let options = FindOptions { extend: false, tolerance: None };
        let found = grown.find(&target, options, &mut || false).unwrap();
        assert!(matches!(found, Found::Record { id: of, .. } if of == id), "{text}");
    }
    // It has no tableaus to compare.
    let x = Clifford::of_linear(&[true, false, false, false, true, false, false, false, true], 3).unwrap();
    let refused = grown.find(&Target::of_clifford(x), FindOptions::default(), &mut || false).unwrap_err();
    assert!(refused.to_string().contains("compares unitaries"), "{refused}");
}

/// Recipes that contradict themselves are refused.
#[test]
fn other_recipes_are_refused() {
    let json = recipe("h,s,cx", 2, "all", 3, Equivalence::Pauli).to_json();
    assert_eq!(
        json,
        r#"{"format_version":2,"qubits":2,"gates":["h","s","cx"],"coupling":"all","length":[0,3],"#
            .to_owned()
            + r#""space":{"distinct":{"up_to":"pauli","costs":[0,0,0],"most_cost":0,"tableaus":true}},"#
            + r#""dtype":"complex128","unitaries":false,"chunk_records":6483}"#
    );
    assert!(Recipe::from_json(&json).is_ok());
    for (from, to) in [
        (r#","tableaus":true"#, ""),
        (r#""format_version":2"#, r#""format_version":1"#),
        (r#""pauli""#, r#""phase""#),
        (r#""s""#, r#""t""#),
    ] {
        assert!(Recipe::from_json(&json.replace(from, to)).is_err(), "{from} -> {to}");
    }
    let alphabet = qorpus::core::Alphabet::new(vec![Gate::standard("t").unwrap()], 1, Coupling::All).unwrap();
    assert!(Clifford::of_circuit(&alphabet, &[0]).is_err());
}
