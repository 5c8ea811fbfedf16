//! Enumerating distinct unitaries: counts that other programs found, labels by brute force, and the
//! same corpus however it was made.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use crate::recipes::enumeration as recipe;
use qorpus::core::{Arithmetic, Equivalence, ExactLetters, PauliProduct, naive};
use qorpus::{
    Complex64, CorpusFile, DistinctOptions, Durability, EnumerateOptions, FindOptions, Found, Label, Order,
    Outcome, Recipe, Record, Target, VerifyOptions, circuit_unitary, enumerate, verify,
};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

fn priced(gates: &str, qubits: usize, cost: &str, max_cost: u32) -> Recipe {
    let options = DistinctOptions {
        gates: Some(gates.into()),
        qubits: Some(qubits),
        cost: Some(cost.into()),
        max_cost: Some(max_cost),
        ..DistinctOptions::default()
    };
    options.recipe().unwrap()
}

fn options(memory: u64, jobs: usize) -> EnumerateOptions {
    EnumerateOptions { memory: Some(memory), jobs: Some(jobs), durability: Durability::Off }
}

/// What a matrix, which is judged as if a person had given it, is found to be.
fn find(corpus: &CorpusFile, unitary: &[Complex64], extend: bool) -> Found {
    let target = Target::new(unitary.to_vec(), corpus.recipe().alphabet().dim(), false).unwrap();
    corpus.find(&target, FindOptions { extend, tolerance: None }, &mut || false).unwrap()
}

fn run(path: &Path, recipe: &Recipe, options: EnumerateOptions) -> CorpusFile {
    let (outcome, _) = enumerate(path, recipe, options, &false.into(), &mut |_| {}).unwrap();
    assert_eq!(outcome, Outcome::Complete);
    CorpusFile::open(path).unwrap()
}

fn counts(recipe: &Recipe) -> Vec<u64> {
    let directory = tempfile::tempdir().unwrap();
    let corpus = run(&directory.path().join("c.db"), recipe, options(64 << 20, 2));
    assert!(corpus.summary().unwrap().complete);
    corpus.levels().unwrap().iter().map(|level| level.records).collect()
}

/// New unitaries at each length, from a program that shares nothing with this one.
#[test]
fn counts_are_those_of_another_program() {
    use Equivalence::{Exact, GlobalPhase};
    for (gates, qubits, up_to, expected) in [
        ("h,s", 1, GlobalPhase, &[1, 2, 3, 5, 5, 5, 3, 0][..]),
        ("h,s", 1, Exact, &[1, 2, 3, 5, 7, 10, 14, 18, 22, 25, 26, 23, 17, 11, 5, 2, 1, 0]),
        ("h,t", 1, GlobalPhase, &[1, 2, 3, 5, 8, 13, 21, 31, 44, 61, 77, 97, 131, 169, 215, 280, 367]),
        ("h,s,t", 1, GlobalPhase, &[1, 3, 6, 12, 21, 35, 52, 65, 85, 116, 153, 208, 283]),
        ("h,s,cx", 2, GlobalPhase, &[1, 6, 26, 96, 292, 734, 1494, 2448, 3035, 2424, 912, 52, 0]),
        ("h,t,cx", 2, Exact, &[1, 6, 26, 96, 313, 955, 2773]),
        ("h,t,cx", 2, GlobalPhase, &[1, 6, 26, 96, 313, 955, 2773]),
        ("h,s,cx", 3, GlobalPhase, &[1, 12, 99, 668]),
    ] {
        let found = counts(&recipe(gates, qubits, expected.len() - 1, up_to));
        assert_eq!(found, expected, "{gates} on {qubits}");
    }
}

/// The whole group, and not more, whatever is asked for; with inverses among the gates it has the
/// same size.
#[test]
fn groups_end() {
    for (gates, qubits, order) in [("h,s", 1, 24), ("clifford", 1, 24), ("clifford", 2, 11_520)] {
        let found = counts(&recipe(gates, qubits, 100, Equivalence::GlobalPhase));
        assert_eq!(found.iter().sum::<u64>(), order, "{gates} on {qubits}");
        assert_eq!(found.last(), Some(&0));
    }
}

/// 24 (3·2^k - 2) unitaries up to phase have at most k T gates (Matsumoto, Amano: Representation of
/// quantum circuits with Clifford and π/8 gates, 2008).
#[test]
fn t_counts() {
    for gates in ["h,s,t", "clifford+t"] {
        let directory = tempfile::tempdir().unwrap();
        let cost = if gates == "h,s,t" { "t=1" } else { "t=1, tdg=1" };
        let corpus = run(&directory.path().join("c.db"), &priced(gates, 1, cost, 6), options(64 << 20, 2));
        let levels = corpus.levels().unwrap();
        for k in 0..=6u32 {
            let up_to: u64 = levels.iter().filter(|level| level.cost <= k).map(|level| level.records).sum();
            assert_eq!(up_to, 24 * (3 * (1 << k) - 2), "{gates}, {k}");
        }
        for level in levels.iter().filter(|level| level.records > 0) {
            let record = corpus.record(level.first_id, Order::Big).unwrap();
            assert_eq!(record.labels["t_count"], Label::Integer(level.cost.into()));
            assert_eq!(record.labels["cost"], Label::Integer(level.cost.into()));
        }
    }
}

/// What brute force finds for a unitary: cost and length of its best circuits, the first of them,
/// how many there are, and the letters at their ends.
#[derive(Debug, Clone, PartialEq)]
struct Best {
    cost: u32,
    word: Vec<u16>,
    circuits: i64,
    first: i64,
    last: i64,
}

fn brute_force(recipe: &Recipe, longest: usize) -> HashMap<u128, Best> {
    let up_to = recipe.space().enumerates().unwrap().up_to;
    let letters = ExactLetters::new(recipe.alphabet(), up_to).unwrap();
    brute_force_by(recipe, longest, |word| letters.key(&letters.unitary(word).unwrap()))
}

fn brute_force_by(
    recipe: &Recipe,
    longest: usize,
    mut key: impl FnMut(&[u16]) -> u128,
) -> HashMap<u128, Best> {
    let distinct = recipe.space().enumerates().unwrap();
    let alphabet = recipe.alphabet();
    let mut found: HashMap<u128, Best> = HashMap::new();
    for length in 0..=longest {
        let words = (alphabet.letters().len() as u64).pow(length as u32);
        for number in 0..words {
            let digit = |place| {
                (number / (alphabet.letters().len() as u64).pow(place)) % alphabet.letters().len() as u64
            };
            let word: Vec<u16> = (0..length as u32).rev().map(|place| digit(place) as u16).collect();
            let cost =
                word.iter().map(|&letter| distinct.costs[alphabet.letters()[usize::from(letter)].gate]).sum();
            let bit = |letter: Option<&u16>| letter.map_or(0, |letter| 1 << letter);
            let (first, last) = (bit(word.first()), bit(word.last()));
            let key = key(&word);
            let new = Best { cost, word, circuits: 1, first, last };
            match found.get_mut(&key) {
                Some(best) if (best.cost, best.word.len()) < (cost, length) => {}
                Some(best) if (best.cost, best.word.len()) == (cost, length) => {
                    best.circuits += 1;
                    best.first |= first;
                    best.last |= last;
                }
                _ => drop(found.insert(key, new)),
            }
        }
    }
    found
}

#[test]
fn labels_are_those_of_brute_force() {
    for (recipe, longest) in [
        (recipe("h,t", 1, 7, Equivalence::GlobalPhase), 7),
        (recipe("clifford+t", 1, 5, Equivalence::GlobalPhase), 5),
        (recipe("h,s,sdg", 1, 7, Equivalence::Exact), 7),
        (recipe("h,t,tdg,cx", 2, 5, Equivalence::GlobalPhase), 5),
        (recipe("h,s,cz", 2, 6, Equivalence::GlobalPhase), 6),
        (recipe("sx,rz(pi/4),cx", 2, 5, Equivalence::GlobalPhase), 5),
        (recipe("h,t,cx", 2, 7, Equivalence::Exact), 7),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let corpus = run(&directory.path().join("c.db"), &recipe, options(64 << 20, 2));
        let expected = brute_force(&recipe, longest);
        let letters =
            ExactLetters::new(recipe.alphabet(), recipe.space().enumerates().unwrap().up_to).unwrap();
        assert_eq!(corpus.len().unwrap(), expected.len() as u64);
        let mut before: Option<Vec<u16>> = None;
        for id in 0..corpus.len().unwrap() {
            let record = corpus.record(id, Order::Big).unwrap();
            let best = &expected[&letters.key(&letters.unitary(&record.circuit).unwrap())];
            let label = |name: &str| match record.labels[name] {
                Label::Integer(value) => value,
                _ => panic!("{name} is no integer"),
            };
            assert_eq!(&self::best(&record), best);
            let gate = |letter: &u16| {
                &recipe.alphabet().gates()[recipe.alphabet().letters()[usize::from(*letter)].gate]
            };
            let count = |of: &dyn Fn(&&u16) -> bool| record.circuit.iter().filter(of).count() as i64;
            assert_eq!(label("two_qubit_count"), count(&|letter| gate(letter).qubits() == 2));
            let is_t = |letter: &&u16| ["t", "tdg", "rz(pi/4)"].contains(&gate(letter).name());
            assert_eq!(label("t_count"), count(&is_t));
            // Shorter ones first, then in the order of the alphabet.
            assert!(
                before.is_none_or(|before| (before.len(), &before) < (record.circuit.len(), &record.circuit))
            );
            before = Some(record.circuit);
        }
    }
}

/// The cheapest circuits may be longer than those that brute force can try; up to that cost nothing
/// is missing all the same.
#[test]
fn costs_are_those_of_brute_force() {
    let recipe = priced("h,s,t", 1, "h=1,t=3", 5);
    let directory = tempfile::tempdir().unwrap();
    let corpus = run(&directory.path().join("c.db"), &recipe, options(64 << 20, 2));
    let (expected, letters) =
        (brute_force(&recipe, 9), ExactLetters::new(recipe.alphabet(), Equivalence::GlobalPhase).unwrap());
    let mut found = BTreeMap::new();
    for id in 0..corpus.len().unwrap() {
        let record = corpus.record(id, Order::Big).unwrap();
        let best = &expected[&letters.key(&letters.unitary(&record.circuit).unwrap())];
        assert_eq!(record.labels["cost"], Label::Integer(best.cost.into()));
        assert_eq!(record.circuit.len(), best.word.len());
        assert_eq!(record.labels["shortest_circuits"], Label::Integer(best.circuits));
        assert_eq!(record.labels["first_letters"], Label::Integer(best.first));
        assert_eq!(record.labels["last_letters"], Label::Integer(best.last));
        *found.entry(best.cost).or_insert(0) += 1;
    }
    let cheap = expected.values().filter(|best| best.cost <= 5);
    let expected = cheap.fold(BTreeMap::new(), |mut counts, best| {
        *counts.entry(best.cost).or_insert(0) += 1;
        counts
    });
    assert_eq!(found, expected);
}

/// What a record says of its circuit.
fn best(record: &Record) -> Best {
    let label = |name: &str| match record.labels[name] {
        Label::Integer(value) => value,
        _ => panic!("{name} is no integer"),
    };
    Best {
        cost: 0,
        word: record.circuit.clone(),
        circuits: label("shortest_circuits"),
        first: label("first_letters"),
        last: label("last_letters"),
    }
}

/// Gates that are off the ring, compared one with another by the trace of their quotients.
#[test]
fn floating_point_finds_what_brute_force_finds() {
    for (gates, qubits, longest, up_to) in [
        ("h,rz(0.3),rz(-0.3)", 1, 7, Equivalence::GlobalPhase),
        ("rx(0.3),ry(1),h", 1, 7, Equivalence::Exact),
        ("h,rz(pi/3),cx", 2, 4, Equivalence::GlobalPhase),
        // Over the ring only up to a phase.
        ("h,rz(pi/4)", 1, 9, Equivalence::Exact),
    ] {
        let recipe = recipe(gates, qubits, longest, up_to);
        let directory = tempfile::tempdir().unwrap();
        let corpus = run(&directory.path().join("c.db"), &recipe, options(64 << 20, 2));
        let mut known: Vec<Vec<Complex64>> = Vec::new();
        let number = |word: &[u16]| {
            let unitary = naive::unitary(recipe.alphabet(), word, &[]);
            let is_same = |other: &Vec<Complex64>| {
                let trace: Complex64 = unitary.iter().zip(other).map(|(u, v)| u * v.conj()).sum();
                let size =
                    if up_to == Equivalence::GlobalPhase { trace.re.hypot(trace.im) } else { trace.re };
                f64::from(1 << qubits) - size < 1e-10
            };
            let place = known.iter().position(is_same).unwrap_or_else(|| {
                known.push(unitary.clone());
                known.len() - 1
            });
            place as u128
        };
        let expected = brute_force_by(&recipe, longest, number);
        let mut expected: Vec<Best> = expected.into_values().collect();
        expected.sort_by(|one, other| (one.word.len(), &one.word).cmp(&(other.word.len(), &other.word)));
        let records = (0..corpus.len().unwrap()).map(|id| corpus.record(id, Order::Big).unwrap());
        let found: Vec<Best> = records.map(|record| best(&record)).collect();
        assert!(found == expected, "{gates}: {} and {} records", found.len(), expected.len());
    }
}

/// Clifford+T in another basis, which nothing here knows to be Clifford+T: record by record the
/// same circuits and labels.
#[test]
fn floating_point_finds_what_is_found_exactly() {
    let directory = tempfile::tempdir().unwrap();
    let basis = ["", "u3(0.3,1.1,-2) 0", "u3(0.3,1.1,-2) 0; u3(0.3,1.1,-2) 1"];
    let back = ["", "u3(-0.3,2,-1.1) 0", "u3(-0.3,2,-1.1) 0; u3(-0.3,2,-1.1) 1"];
    let mut file = String::new();
    for (name, text, qubits) in [("a", "h 0", 1), ("b", "t 0", 1), ("c", "tdg 0", 1), ("d", "cx 0 1", 2)] {
        let text = format!("{}; {text}; {}", back[qubits], basis[qubits]);
        let entries = circuit_unitary(&text, qubits).unwrap();
        let row = |row: &[Complex64]| {
            row.iter().map(|z| format!("[{:e}, {:e}]", z.re, z.im)).collect::<Vec<_>>().join(", ")
        };
        let rows: Vec<_> = entries.chunks(1 << qubits).map(|entries| format!("[{}]", row(entries))).collect();
        file += &format!("[[gate]]\nname = \"{name}\"\nqubits = {qubits}\nmatrix = [{}]\n", rows.join(", "));
    }
    let gates = directory.path().join("turned.toml");
    std::fs::write(&gates, file).unwrap();
    for (names, qubits, length) in [("h,t,tdg,cx", 2, 5), ("h,t,tdg", 1, 14)] {
        let turned = gates.to_str().unwrap();
        let only =
            format!("gates = [{}]\n", if qubits == 1 { r#""a", "b", "c""# } else { r#""a", "b", "c", "d""# });
        let text = only + &std::fs::read_to_string(turned).unwrap();
        let path = directory.path().join(format!("{qubits}.toml"));
        std::fs::write(&path, text).unwrap();
        let floating = recipe(path.to_str().unwrap(), qubits, length, Equivalence::GlobalPhase);
        let paths =
            ["exact", "floating", "small"].map(|name| directory.path().join(format!("{qubits}-{name}.db")));
        let exact =
            run(&paths[0], &recipe(names, qubits, length, Equivalence::GlobalPhase), options(1 << 30, 2));
        let found = run(&paths[1], &floating, options(1 << 30, 1));
        assert_eq!(found.levels().unwrap(), exact.levels().unwrap());
        for id in 0..exact.len().unwrap() {
            let record = found.record(id, Order::Big).unwrap();
            assert_eq!(best(&record), best(&exact.record(id, Order::Big).unwrap()), "{id}");
            if id % 7 == 0 {
                let Record { circuit, unitary, .. } = record;
                assert_eq!(
                    find(&found, &unitary, false),
                    Found::Record { id, circuit, paulis: PauliProduct::default() }
                );
            }
        }
        run(&paths[2], &floating, options(16 << 20, 2));
        let [one, other] = [1, 2].map(|k: usize| std::fs::read(&paths[k]).unwrap());
        assert!(one == other, "the same bytes with little memory");
    }
}

/// Angles that differ by more than rounding explains and by less than is told apart.
#[test]
fn what_is_unclear_is_neither_merged_nor_split() {
    let directory = tempfile::tempdir().unwrap();
    let corpus = |name: &str, gates: &str| {
        let recipe = recipe(gates, 1, 2, Equivalence::GlobalPhase);
        let path = directory.path().join(name);
        enumerate(&path, &recipe, options(16 << 20, 1), &false.into(), &mut |_| {}).map(|_| {
            let levels = CorpusFile::open(&path).unwrap().levels().unwrap();
            levels.iter().map(|level| level.records).collect::<Vec<_>>()
        })
    };
    // Clearly different, and the same but for a sign: of two letters three different sums of
    // angles, and two.
    assert_eq!(corpus("a.db", "rz(0.5),rz(0.500001)").unwrap(), [1, 2, 3]);
    assert_eq!(corpus("b.db", "rz(0.5),rz(0.5+2*pi)").unwrap(), [1, 1, 1]);
    let refused = corpus("c.db", "rz(0.5),rz(0.50000000002)").unwrap_err();
    assert!(matches!(refused, qorpus::Error::Unclear { .. }), "{refused}");
    assert!(refused.to_string().contains("'rz(0.50000000002)"), "{refused}");
}

#[test]
fn the_corpus_does_not_depend_on_memory_threads_or_interruptions() {
    let recipe = recipe("h,t,tdg,cx", 2, 7, Equivalence::GlobalPhase);
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let bytes = |name: &str| std::fs::read(path(name)).unwrap();
    let first = run(&path("one.db"), &recipe, options(1 << 30, 1)).summary().unwrap();
    run(&path("two.db"), &recipe, options(16 << 20, 2));
    assert!(bytes("one.db") == bytes("two.db"), "the same bytes");
    let (mut runs, stop) = (0, AtomicBool::new(false));
    loop {
        // Stopped earlier and earlier: in the end, before anything could be done.
        let mut reports = 0;
        stop.store(false, Ordering::Relaxed);
        let mut report = |_| {
            reports += 1;
            stop.store(reports > 3 + runs % 7, Ordering::Relaxed);
        };
        let memory = [16 << 20, 64 << 20, 32 << 20][runs % 3];
        let (outcome, _) =
            enumerate(&path("three.db"), &recipe, options(memory, 2), &stop, &mut report).unwrap();
        runs += 1;
        if outcome == Outcome::Complete {
            break;
        }
        assert!(runs < 1000, "it does not go on");
    }
    assert!(runs > 5, "it was interrupted");
    let third = CorpusFile::open(path("three.db")).unwrap().summary().unwrap();
    assert_eq!((third.content_hash, third.records), (first.content_hash, first.records));
    let found = verify(&path("three.db"), VerifyOptions::default(), &false.into(), &|_| {}).unwrap();
    assert!(found.is_clean() && found.records == first.records);
    assert!(!path("three.db-distinct").exists());
}

/// Any unitary that was enumerated is found, with the record that makes it, also in another
/// circuit's clothes.
#[test]
fn every_record_is_found() {
    for recipe in [
        recipe("h,t,tdg,cx", 2, 5, Equivalence::GlobalPhase),
        recipe("h,s", 1, 9, Equivalence::Exact),
        priced("clifford+t", 1, "t=1,tdg=2", 4),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let corpus = run(&directory.path().join("c.db"), &recipe, options(64 << 20, 2));
        for id in 0..corpus.len().unwrap() {
            let Record { circuit, unitary, .. } = corpus.record(id, Order::Big).unwrap();
            assert_eq!(
                find(&corpus, &unitary, false),
                Found::Record { id, circuit, paulis: PauliProduct::default() }
            );
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let corpus = run(
        &directory.path().join("c.db"),
        &recipe("h,t,cx", 2, 3, Equivalence::GlobalPhase),
        options(64 << 20, 2),
    );
    let found = |text: &str| find(&corpus, &circuit_unitary(text, 2).unwrap(), false);
    let text = |found: &Found| match found {
        Found::Record { circuit, .. } | Found::Circuit { circuit, .. } => {
            corpus.recipe().alphabet().text(circuit, &[])
        }
        other => format!("{other:?}"),
    };
    assert_eq!(text(&found("swap 0 1")), "cx 0 1; cx 1 0; cx 0 1");
    assert_eq!(text(&found("rz(pi/2) 1")), "t 1; t 1");
    assert_eq!(found("cz 0 1; t 0"), Found::BeyondLength(3));
    assert_eq!(found("rz(0.1) 0"), Found::BeyondLength(3));
    let group = run(
        &directory.path().join("g.db"),
        &recipe("h,s", 1, 9, Equivalence::GlobalPhase),
        options(64 << 20, 2),
    );
    assert_eq!(find(&group, &circuit_unitary("t 0", 1).unwrap(), true), Found::Never);
    let small = Target::new(vec![Complex64::ONE], 1, false).unwrap();
    assert!(corpus.find(&small, FindOptions::default(), &mut || false).is_err());
}

/// Circuits up to twice as long are the shortest, and the first of them, as a longer enumeration
/// says.
#[test]
fn circuits_that_meet_in_the_middle_are_the_shortest() {
    let directory = tempfile::tempdir().unwrap();
    for (gates, qubits, short, long, up_to) in [
        ("h,t,tdg,cx", 2, 3, 6, Equivalence::GlobalPhase),
        ("h,t", 1, 6, 12, Equivalence::GlobalPhase),
        ("h,s,cx", 2, 2, 4, Equivalence::Exact),
    ] {
        let path = |length: usize| directory.path().join(format!("{gates}-{length}.db"));
        let [small, large] = [short, long]
            .map(|length| run(&path(length), &recipe(gates, qubits, length, up_to), options(64 << 20, 2)));
        let records = large.len().unwrap();
        for id in (0..records).step_by((records / 300).max(1) as usize) {
            let Record { circuit, unitary, .. } = large.record(id, Order::Big).unwrap();
            let expected = match circuit.len() <= short {
                true => Found::Record { id, circuit, paulis: PauliProduct::default() },
                false => Found::Circuit { circuit, paulis: PauliProduct::default() },
            };
            assert_eq!(find(&small, &unitary, true), expected);
        }
    }
    let recipe = recipe("h,t", 1, 3, Equivalence::GlobalPhase);
    let small = run(&directory.path().join("small.db"), &recipe, options(64 << 20, 2));
    let long = circuit_unitary("h 0; t 0; h 0; t 0; h 0; t 0; h 0; t 0; h 0", 1).unwrap();
    assert_eq!(find(&small, &long, true), Found::BeyondLength(6));
}

/// Every entry of the index leads to its record, and any that does not is found.
#[test]
fn a_damaged_index_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.db");
    for gates in ["h,t,tdg,cx", "h,rz(0.3),cx"] {
        let records =
            run(&path, &recipe(gates, 2, 5, Equivalence::GlobalPhase), options(16 << 20, 2)).len().unwrap();
        let found = |sample| {
            let options = VerifyOptions { sample, jobs: Some(2) };
            verify(&path, options, &false.into(), &|_| {}).unwrap()
        };
        let clean = found(1.0);
        assert!(clean.is_clean() && clean.recomputed == records, "{clean:?}");
        let connection = rusqlite::Connection::open(&path).unwrap();
        let places: Vec<i64> = {
            let mut statement = connection.prepare("SELECT place FROM keys").unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        for place in places {
            let level = (place >> 40) as usize;
            let whole: Vec<u8> = connection
                .query_row("SELECT entries FROM keys WHERE place = ?1", [place], |row| row.get(0))
                .unwrap();
            let mut damaged = whole.clone();
            damaged[place as usize % whole.len()] ^= 1;
            let put = |entries: &[u8]| {
                connection
                    .execute("UPDATE keys SET entries = ?2 WHERE place = ?1", (place, entries))
                    .unwrap();
            };
            put(&damaged);
            assert!(found(0.0).damaged_levels.iter().eq([&level]), "{place}");
            put(&whole);
        }
        connection.execute("DELETE FROM keys WHERE place >> 40 = 3", []).unwrap();
        assert!(found(0.0).damaged_levels.iter().eq([&3]));
        let refused =
            qorpus::repair(&path, &qorpus::RepairOptions::default(), &false.into(), &|_| {}).unwrap_err();
        assert!(refused.to_string().contains("index of level 3"), "{refused}");
        drop(connection);
        std::fs::remove_file(&path).unwrap();
    }
}

/// Whoever deletes the corpus alone, or temporary files alone, has not spoilt what comes next.
#[test]
fn what_was_left_behind_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.db");
    let stopped = |recipe: &Recipe, after: usize| {
        let (stop, mut reports) = (AtomicBool::new(false), 0);
        let mut report = |_| {
            reports += 1;
            stop.store(reports > after, Ordering::Relaxed);
        };
        enumerate(&path, recipe, options(16 << 20, 2), &stop, &mut report).unwrap();
    };
    let (one, other) = (
        recipe("h,t,tdg,cx", 2, 6, Equivalence::GlobalPhase),
        recipe("h,s,cx", 2, 6, Equivalence::GlobalPhase),
    );
    stopped(&one, 40);
    assert!(path.with_file_name("c.db-distinct").exists());
    std::fs::remove_file(&path).unwrap();
    let found = run(&path, &other, options(16 << 20, 2)).levels().unwrap();
    assert_eq!(found.iter().map(|level| level.records).collect::<Vec<_>>(), [1, 6, 26, 96, 292, 734, 1494]);
    std::fs::remove_file(&path).unwrap();
    stopped(&one, 40);
    std::fs::remove_dir_all(path.with_file_name("c.db-distinct")).unwrap();
    let found = run(&path, &one, options(16 << 20, 2)).levels().unwrap();
    assert_eq!(
        found.iter().map(|level| level.records).collect::<Vec<_>>(),
        [1, 8, 43, 197, 806, 3059, 10703]
    );
    // Someone else's directory of that name is left alone.
    let theirs = directory.path().join("d.db-distinct");
    std::fs::create_dir(&theirs).unwrap();
    std::fs::write(theirs.join("run-1-of-mine"), "mine").unwrap();
    let path = directory.path().join("d.db");
    let refused = enumerate(&path, &one, options(16 << 20, 2), &false.into(), &mut |_| {}).unwrap_err();
    assert!(
        refused.to_string().contains("is not a directory of this corpus's temporary files") && !path.exists(),
        "{refused}"
    );
    assert!(theirs.join("run-1-of-mine").exists());
}

#[test]
fn what_cannot_be_enumerated_is_refused_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.db");
    let refused = |recipe: &Recipe, memory| {
        enumerate(&path, recipe, options(memory, 1), &false.into(), &mut |_| {}).unwrap_err().to_string()
    };
    assert!(refused(&recipe("h,t", 1, 3, Equivalence::GlobalPhase), 1000).contains("16MiB"));
    assert!(!path.exists());
    let options = |cost: Option<&str>, max_cost, max_length| DistinctOptions {
        cost: cost.map(Into::into),
        max_cost,
        max_length,
        ..DistinctOptions::default()
    };
    for wrong in [
        options(None, None, None),
        options(Some("t=1"), None, None),
        options(Some("t=1"), Some(1), Some(1)),
        options(Some("t"), Some(1), None),
        options(Some("x=1"), Some(1), None),
        options(Some("t=-1"), Some(1), None),
        options(Some("t=0"), Some(1), None),
        options(Some("t=1"), Some(100_000), None),
        options(None, None, Some(100_000)),
        DistinctOptions { qubits: Some(6), ..options(None, None, Some(3)) },
    ] {
        assert!(wrong.recipe().is_err(), "{wrong:?}");
    }
}
