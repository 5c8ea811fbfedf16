//! Enumerations by tableaus on 9 to 16 qubits, whose records have no unitaries, through the public
//! interface.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use qorpus::{
    Complex64, Corpus, CorpusFile, DistinctOptions, Durability, EnumerateOptions, Equivalence, Error,
    FindOptions, Found, Order, Outcome, RecipeOptions, Target, UnitaryParts, Value, VerifyOptions, Writer,
    WriterOptions, circuit_target, circuit_unitary, enumerate, export, read_npy, verify,
};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::tempdir;

fn options(gates: &str, qubits: usize, max_length: usize, up_to: Equivalence) -> DistinctOptions {
    DistinctOptions {
        gates: Some(gates.into()),
        qubits: Some(qubits),
        coupling: Some("line".into()),
        max_length: Some(max_length),
        up_to,
        ..DistinctOptions::default()
    }
}

fn enumerated(path: &Path, options: &DistinctOptions) -> Arc<Corpus> {
    let job = EnumerateOptions { memory: Some(64 << 20), jobs: Some(2), durability: Durability::Off };
    let recipe = options.recipe().unwrap();
    let (outcome, _) = enumerate(path, &recipe, job, &false.into(), &mut |_| {}).unwrap();
    assert_eq!(outcome, Outcome::Complete);
    Arc::new(Corpus::open(&[path.to_owned()]).unwrap())
}

/// The permutations of ten qubits by at most five adjacent exchanges.
fn permutations(path: &Path) -> Arc<Corpus> {
    enumerated(path, &options("swap", 10, 5, Equivalence::GlobalPhase))
}

/// The number of permutations of `n` things with `k` inversions for each k: the coefficients of the
/// product of 1 + x + ... + x^(m-1) for m up to n.
fn mahonian(n: usize) -> Vec<u64> {
    (1..=n).fold(vec![1], |counts, m| {
        let mut product = vec![0; counts.len() + m - 1];
        for (k, count) in counts.iter().enumerate() {
            (0..m).for_each(|j| product[k + j] += count);
        }
        product
    })
}

/// The permutation of a circuit of exchanges: the place to which each thing comes.
fn permutation(circuit: &str, qubits: usize) -> Vec<usize> {
    let mut things: Vec<usize> = (0..qubits).collect();
    for letter in circuit.split("; ").filter(|letter| !letter.is_empty()) {
        let mut words = letter.split(' ').skip(1).map(|word| word.parse::<usize>().unwrap());
        things.swap(words.next().unwrap(), words.next().unwrap());
    }
    things
}

#[test]
fn permutations_of_a_line_are_counted_by_inversions() {
    let directory = tempdir().unwrap();
    for (qubits, max_length) in [(4, 6), (9, 5), (10, 5), (16, 4)] {
        for up_to in [Equivalence::GlobalPhase, Equivalence::Pauli] {
            let path = directory.path().join(format!("{qubits}-{up_to:?}.db"));
            let corpus = enumerated(&path, &options("swap", qubits, max_length, up_to));
            let found: Vec<u64> = corpus.levels().unwrap().iter().map(|level| level.records).collect();
            assert_eq!(found[..=max_length], mahonian(qubits)[..=max_length], "{qubits} {up_to:?}");
            let circuits = corpus.circuits(0..corpus.len().unwrap()).unwrap();
            let alphabet = corpus.recipe().alphabet();
            let all: BTreeSet<_> =
                circuits.iter().map(|circuit| permutation(&alphabet.text(circuit, &[]), qubits)).collect();
            assert_eq!(all.len() as u64, corpus.len().unwrap(), "all are different");
        }
    }
}

/// On nine qubits, the number of elements at each distance is that of a product: letters on qubits
/// that nothing connects act independently.
#[test]
fn clifford_operators_on_nine_qubits() {
    let directory = tempdir().unwrap();
    let letters = "h 0; s 0; h 8; s 8";
    let list = |letters: &str, qubits| DistinctOptions {
        letters: Some(letters.into()),
        qubits: Some(qubits),
        max_length: Some(6),
        up_to: Equivalence::Pauli,
        ..DistinctOptions::default()
    };
    let levels = |name: &str, options: &DistinctOptions| -> Vec<u64> {
        let corpus = enumerated(&directory.path().join(name), options);
        corpus.levels().unwrap().iter().map(|level| level.records).filter(|&records| records > 0).collect()
    };
    let one = levels("one.db", &list("h 0; s 0", 1));
    assert_eq!(one.iter().sum::<u64>(), 6, "the Clifford group of one qubit modulo Pauli operators");
    let mut product = vec![0; 2 * one.len() - 1];
    for (i, a) in one.iter().enumerate() {
        one.iter().enumerate().for_each(|(j, b)| product[i + j] += a * b);
    }
    assert_eq!(levels("nine.db", &list(letters, 9)), product);
}

#[test]
fn records_have_no_unitaries() {
    let directory = tempdir().unwrap();
    let corpus = permutations(&directory.path().join("ten.db"));
    assert!(!corpus.recipe().has_unitaries());
    assert_eq!(corpus.unitary_bytes(), 0);
    let len = corpus.len().unwrap();
    for order in [Order::Big, Order::Little] {
        let record = corpus.record(len - 1, order).unwrap();
        assert_eq!((record.circuit.len(), record.unitary.len()), (5, 0));
        let scattered = [len - 1, 0, 7, 7];
        for ids in [&scattered[..], &(0..len).collect::<Vec<_>>()] {
            let rows = corpus.rows(ids, order).unwrap();
            assert_eq!(
                (rows.circuits.len(), rows.unitaries.len(), rows.given.len()),
                (ids.len(), 0, ids.len())
            );
            assert_eq!(rows.circuits, corpus.circuits(ids).unwrap());
            for refused in [
                corpus.unitaries(ids, order, &mut []).unwrap_err(),
                corpus.pairs(ids, order, &mut []).unwrap_err(),
            ] {
                assert!(refused.is_usage(), "{refused}");
                assert!(
                    refused.to_string().contains("on 10 qubits a unitary would have 2^20 entries"),
                    "{refused}"
                );
            }
        }
    }
    let file = CorpusFile::open(directory.path().join("ten.db")).unwrap();
    assert_eq!(file.record(3, Order::Little).unwrap().unitary, []);
    let found =
        verify(&directory.path().join("ten.db"), VerifyOptions::default(), &false.into(), &|_| {}).unwrap();
    assert!(found.is_clean() && found.records == len);
    let parts = UnitaryParts::new(corpus.clone(), None, vec![0..500, 500..1000], 0).unwrap_err();
    assert!(parts.is_usage() && parts.to_string().contains("split by id"), "{parts}");
}

#[test]
fn queries_have_null_for_unitaries() {
    let directory = tempdir().unwrap();
    let corpus = permutations(&directory.path().join("ten.db"));
    let select = |query: &str| corpus.select(Order::Big, query, &[], || false);
    let found = select("select count(*), count(unitary), max(length), max(count_swap) from records").unwrap();
    let len = corpus.len().unwrap() as i64;
    let [all, none, length, swaps] = &found.rows[0][..] else { panic!("{found:?}") };
    assert_eq!((all, none), (&Value::Integer(len), &Value::Integer(0)));
    assert_eq!((length, swaps), (&Value::Integer(5), &Value::Integer(5)));
    let found = select("select unitary, circuit from records where id = 1").unwrap();
    assert_eq!(found.rows, [[Value::Null, Value::Text("swap 0 1".into())]]);
    for function in ["fidelity", "distance"] {
        for arguments in ["unitary, unitary", "null, null", "x'00', x'00'"] {
            let error = select(&format!("select {function}({arguments}) from records limit 1")).unwrap_err();
            assert!(error.to_string().contains("the records have no unitaries"), "{error}");
        }
    }
}

#[test]
fn circuits_are_found() {
    let directory = tempdir().unwrap();
    for (name, options, found, unknown) in [
        ("ten.db", options("swap", 10, 5, Equivalence::GlobalPhase), "swap 3 4; swap 1 2; swap 0 1", "h 0"),
        (
            "sixteen.db",
            options("swap", 16, 3, Equivalence::GlobalPhase),
            "cx 14 15; cx 15 14; cx 14 15",
            "cx 0 1",
        ),
        ("nine.db", options("h,cz", 9, 3, Equivalence::Pauli), "h 8; cx 7 8; h 8", "s 0"),
    ] {
        let path = directory.path().join(name);
        enumerated(&path, &options);
        let corpus = CorpusFile::open(&path).unwrap();
        let find = |text: &str| {
            let target = circuit_target(text, corpus.recipe()).unwrap();
            corpus.find(&target, FindOptions::default(), &mut || false).unwrap()
        };
        assert!(matches!(find(found), Found::Record { .. }), "{name}: {:?}", find(found));
        assert!(find(unknown).is_proof(), "{name}: {:?}", find(unknown));
        let wrong = circuit_target("t 0", corpus.recipe()).unwrap_err().to_string();
        assert!(wrong.contains("'t' is not a Clifford gate"), "{wrong}");
        let qubits = corpus.recipe().alphabet().qubits();
        assert!(circuit_unitary("h 0", qubits).unwrap_err().to_string().contains("out of range"));
        let small = Target::of_circuit(vec![Complex64::ONE; 4]);
        let refused = corpus.find(&small, FindOptions::default(), &mut || false).unwrap_err();
        assert!(refused.is_usage() && refused.to_string().contains("at most 8 qubits"), "{refused}");
        // Refused before the file is opened.
        let refused = read_npy(Path::new("missing.npy"), qubits, Order::Big).unwrap_err();
        assert!(refused.is_usage() && refused.to_string().contains("at most 8 qubits"), "{refused}");
    }
    // A circuit longer than all in the corpus is joined from two.
    let corpus = CorpusFile::open(directory.path().join("sixteen.db")).unwrap();
    let text = "swap 0 1; swap 1 2; swap 2 3; swap 3 4; swap 4 5";
    let target = circuit_target(text, corpus.recipe()).unwrap();
    let found = corpus.find(&target, FindOptions::default(), &mut || false).unwrap();
    let Found::Circuit { circuit, .. } = found else { panic!("{found:?}") };
    assert_eq!(permutation(&corpus.recipe().alphabet().text(&circuit, &[]), 16), permutation(text, 16));
    assert_eq!(circuit.len(), 5);
}

#[test]
fn exports_leave_unitaries_out() {
    let directory = tempdir().unwrap();
    let corpus = permutations(&directory.path().join("ten.db"));
    let len = corpus.len().unwrap() as usize;
    let exported = |name: &str| -> PathBuf {
        let out = directory.path().join(name);
        assert_eq!(export(&corpus, &out, &false.into(), &mut |_| {}).unwrap(), Outcome::Complete);
        out
    };
    let out = exported("x.npy");
    assert!(!out.exists());
    for ending in ["circuits.npy", "lengths.npy", "letters.json", "labels.csv"] {
        assert!(out.with_extension(ending).is_file(), "{ending}");
    }
    let table = std::fs::read_to_string(exported("x.csv")).unwrap();
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), len + 1);
    assert!(
        lines[0].starts_with("id,circuit,length,count_swap,") && !lines[0].contains("u_0"),
        "{}",
        lines[0]
    );
    assert!(lines[2].starts_with("1,swap 0 1,1,1,"), "{}", lines[2]);
    assert!(
        std::fs::read_to_string(exported("x.qasm"))
            .unwrap()
            .contains("gate c1 q0, q1, q2, q3, q4, q5, q6, q7, q8, q9 { swap q0, q1; }")
    );
}

#[test]
fn everything_else_refuses_nine_qubits() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("none.db");
    let qubits = Some(9);
    let gates = || Some("h,cx".into());
    let recipes = [
        RecipeOptions { qubits, gates: gates(), ..RecipeOptions::default() },
        RecipeOptions { qubits, gates: gates(), no_cancelling: true, ..RecipeOptions::default() },
        RecipeOptions { qubits, gates: gates(), words: true, length: (0, 2), ..RecipeOptions::default() },
        RecipeOptions { qubits, cliffords: Some(10), ..RecipeOptions::default() },
        RecipeOptions { qubits, haar: Some(10), ..RecipeOptions::default() },
        RecipeOptions { letters: Some("h 0; cx 0 8".into()), unitaries: false, ..RecipeOptions::default() },
    ];
    let mut refusals: Vec<Error> = recipes.iter().map(|options| options.recipe().unwrap_err()).collect();
    for unitaries in [true, false] {
        let writer = WriterOptions { qubits, gates: gates(), unitaries, ..WriterOptions::default() };
        refusals.push(Writer::open(&path, &writer).map(drop).unwrap_err());
    }
    for (gates, up_to) in [("h,cx", Equivalence::GlobalPhase), ("x,swap", Equivalence::Exact)] {
        let options = DistinctOptions { coupling: Some("0-1".into()), ..options(gates, 9, 3, up_to) };
        refusals.push(options.recipe().unwrap_err());
    }
    for refused in refusals {
        let text = refused.to_string();
        assert!(
            refused.is_usage() && text.starts_with("9 qubits are out of range: unitaries have 1 to 8"),
            "{text}"
        );
    }
    let exact = options("swap", 9, 3, Equivalence::Exact).recipe().unwrap_err().to_string();
    assert!(exact.contains("use up_to phase"), "{exact}");
    let too_many = options("swap", 17, 3, Equivalence::GlobalPhase).recipe().unwrap_err().to_string();
    assert!(too_many.starts_with("17 qubits are out of range: circuits have 1 to 16"), "{too_many}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was written");
}
