//! Corpora of Haar-random unitaries, whose records have no circuits, through the public interface.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use qorpus::core::{Chunk, Codec, Haar, HaarScratch, Scratch};
use qorpus::{
    ChunkDamage, Circuits, Complex64, Corpus, Dtype, Durability, Error, GenerateOptions, Order, Outcome,
    Recipe, RecipeOptions, RepairOptions, Rows, UnitaryParts, Value, VerifyOptions, Writer, WriterOptions,
    export,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::tempdir;

const RECORDS: u64 = 3_000;

fn options(qubits: usize) -> RecipeOptions {
    RecipeOptions { haar: Some(RECORDS), qubits: Some(qubits), seed: 5, ..RecipeOptions::default() }
}

fn generated(path: &Path, recipe: &Recipe) -> Corpus {
    let options = GenerateOptions { durability: Durability::Off, ..GenerateOptions::default() };
    let (outcome, progress) = qorpus::generate(path, recipe, options, &false.into(), &mut |_| ()).unwrap();
    assert_eq!((outcome, progress.records), (Outcome::Complete, recipe.expected().unwrap()));
    Corpus::open(&[path.to_owned()]).unwrap()
}

fn verified(path: &Path) -> qorpus::Verification {
    let options = VerifyOptions { sample: 1.0, ..VerifyOptions::default() };
    qorpus::verify(path, options, &false.into(), &|_| {}).unwrap()
}

/// The unitaries with these ids, drawn one by one.
fn expected(qubits: usize, ids: &[u64]) -> Vec<Complex64> {
    let (haar, mut all) = (Haar::new(5, qubits), Vec::new());
    for &id in ids {
        let mut unitary = vec![Complex64::ZERO; 1 << (2 * qubits)];
        haar.unitaries(&[id], &mut HaarScratch::default(), &mut unitary);
        all.extend(unitary);
    }
    all
}

#[test]
fn records_are_those_of_the_recipe_from_every_source() {
    for qubits in 1..=3 {
        let directory = tempdir().unwrap();
        let stored = options(qubits).recipe().unwrap();
        let derived = RecipeOptions { unitaries: false, ..options(qubits) }.recipe().unwrap();
        let corpora = [
            generated(&directory.path().join("stored.db"), &stored),
            generated(&directory.path().join("derived.db"), &derived),
            generated(&directory.path().join("sharded/"), &derived),
            Corpus::computed(stored.clone()).unwrap(),
        ];
        for corpus in corpora {
            for ids in [vec![0, 1, 2, 3], vec![2_999, 7, 7, 1_500], (0..RECORDS).rev().collect()] {
                let expected = expected(qubits, &ids);
                let rows = corpus.rows(&ids[..], Order::Big).unwrap();
                let mut out = vec![0; ids.len() * corpus.unitary_bytes()];
                corpus.unitaries(&ids[..], Order::Big, &mut out).unwrap();
                let Rows { circuits, unitaries, given } = rows;
                assert!(unitaries == out && Dtype::Complex128.decode(&out) == expected);
                assert!(given.is_empty() && circuits.iter().all(<[u16]>::is_empty));
                let drawn: Vec<_> = (0..circuits.len()).filter_map(|place| circuits.drawn(place)).collect();
                assert_eq!(drawn, ids);
            }
            let record = corpus.record(11, Order::Big).unwrap();
            assert!(record.circuit.is_empty() && record.labels.is_empty());
            assert_eq!(record.unitary, expected(qubits, &[11]));
        }
        for name in ["stored.db", "derived.db", "sharded"] {
            let found = verified(&directory.path().join(name));
            assert!(found.is_clean() && found.recomputed == RECORDS, "{name}: {found:?}");
        }
    }
}

/// A batch of the widest unitaries has few of them, and whole chunks of ids can be split.
#[test]
fn wide_unitaries_are_drawn_in_small_batches() {
    let directory = tempdir().unwrap();
    let recipe = RecipeOptions { haar: Some(9), unitaries: false, ..options(8) }.recipe().unwrap();
    let corpus = Arc::new(generated(&directory.path().join("c.db"), &recipe));
    let ids = [8, 0];
    let mut out = vec![0; ids.len() * corpus.unitary_bytes()];
    corpus.unitaries(&ids[..], Order::Big, &mut out).unwrap();
    assert!(Dtype::Complex128.decode(&out) == expected(8, &ids));
    let stored = RecipeOptions { haar: Some(9), ..options(8) }.recipe().unwrap();
    assert_eq!((stored.chunk_records(), stored.chunks()), (4, 3));
    let parts = UnitaryParts::new(corpus, None, vec![0..500, 500..1000], 3).unwrap();
    assert!(parts.update(9, &false.into(), &mut |_| ()).unwrap());
    assert_eq!(parts.count(0, 9).unwrap() + parts.count(1, 9).unwrap(), 9);
}

/// Progress is told, and a split stops, inside a block; it can be resumed.
#[test]
fn splits_of_wide_unitaries_stop_between_records() {
    // A piece has 64 records, and fewer pieces than this are begun before the first is finished.
    let pieces = 8 * std::thread::available_parallelism().unwrap().get() as u64 + 8;
    let records = pieces * 64;
    let recipe = RecipeOptions { haar: Some(records), ..options(5) }.recipe().unwrap();
    let corpus = Arc::new(Corpus::computed(recipe).unwrap());
    let parts = || UnitaryParts::new(corpus.clone(), None, vec![0..300, 300..1000], 3).unwrap();
    let (stop, split, mut told) = (AtomicBool::new(false), parts(), Vec::new());
    let mut report = |done| {
        told.push(done);
        stop.store(done > 0, Ordering::Relaxed);
    };
    assert!(!split.update(records, &stop, &mut report).unwrap(), "{told:?}");
    assert!(told.iter().any(|done| (1..records).contains(done)), "{told:?}");
    let whole = parts();
    let ids: Vec<_> = (0..records).collect();
    for parts in [&split, &whole] {
        assert!(parts.update(records, &false.into(), &mut |_| ()).unwrap());
    }
    assert_eq!(split.contains(0, &ids).unwrap(), whole.contains(0, &ids).unwrap());
    assert_eq!(split.count(1, records).unwrap(), whole.count(1, records).unwrap());
}

#[test]
fn damage_is_repaired() {
    let directory = tempdir().unwrap();
    let recipe = options(2).recipe().unwrap();
    let [path, other] = ["c.db", "d.db"].map(|name| directory.path().join(name));
    drop((generated(&path, &recipe), generated(&other, &recipe)));
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute("UPDATE chunks SET unitaries = zeroblob(length(unitaries)) WHERE first_id > 2000", [])
        .unwrap();
    file.execute("DELETE FROM chunks WHERE first_id = 0", []).unwrap();
    drop(file);
    assert!(!verified(&path).damaged.is_empty());
    let options = RepairOptions {
        verify: VerifyOptions { sample: 1.0, ..VerifyOptions::default() },
        ..RepairOptions::default()
    };
    qorpus::repair(&path, &options, &false.into(), &|_| {}).unwrap();
    assert!(verified(&path).is_clean());
    let hash = |path: &Path| Corpus::open(&[path.to_owned()]).unwrap().summary().unwrap().content_hash;
    assert_eq!(hash(&path), hash(&other));
}

/// A chunk with the unitaries of another seed, and checks that hold, does not pass.
#[test]
fn unitaries_of_another_seed_are_found() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("c.db");
    let small = |seed| RecipeOptions { haar: Some(100), seed, ..options(1) }.recipe().unwrap();
    let (recipe, other) = (small(5), small(6));
    drop(generated(&path, &recipe));
    let (mut circuits, mut chunk, mut unitaries) =
        (Circuits::default(), Chunk::default(), vec![Complex64::ZERO; 400]);
    recipe.space().circuits(0..100, &mut circuits);
    for (kernel, is_clean) in [(other.kernel(), false), (recipe.kernel(), true)] {
        kernel.unitaries(&circuits, &mut Scratch::default(), &mut unitaries);
        Codec::new(&recipe).encode(0, &circuits, &unitaries, &mut chunk);
        let file = rusqlite::Connection::open(&path).unwrap();
        let columns = (chunk.checksum as i64, &chunk.content.to_bytes()[..], &chunk.unitaries);
        file.execute("UPDATE chunks SET checksum = ?1, content = ?2, unitaries = ?3", columns).unwrap();
        drop(file);
        let found = verified(&path);
        assert_eq!(found.is_clean(), is_clean);
        assert_eq!(found.damaged.get(&0), (!is_clean).then_some(&ChunkDamage::Recomputed));
    }
}

#[test]
fn tables_have_no_circuits() {
    let directory = tempdir().unwrap();
    let corpus = Arc::new(generated(&directory.path().join("c.db"), &options(1).recipe().unwrap()));
    let query = "select id, circuit, length, length(unitary), typeof(unitary) from records where id = 17";
    let found = corpus.select(Order::Big, query, &[], || false).unwrap();
    assert_eq!(found.columns, ["id", "circuit", "length", "length(unitary)", "typeof(unitary)"]);
    let (null, blob) = (Value::Null, Value::Text("blob".into()));
    assert_eq!(found.rows, [[Value::Integer(17), null.clone(), null, Value::Integer(64), blob]]);
    let columns = corpus.select(Order::Big, "select * from records limit 0", &[], || false).unwrap().columns;
    assert_eq!(columns, ["id", "circuit", "length", "unitary"]);
    for name in ["x.csv", "x.npy"] {
        export(&corpus, &directory.path().join(name), &false.into(), &mut |_| ()).unwrap();
    }
    let csv = std::fs::read_to_string(directory.path().join("x.csv")).unwrap();
    let unitary = expected(1, &[17]);
    let numbers: Vec<_> = unitary.iter().flat_map(|entry| [entry.re, entry.im]).collect();
    let row: Vec<_> = csv.lines().nth(18).unwrap().split(',').collect();
    assert_eq!(row[..3], ["17", "", ""]);
    assert_eq!(row[3..].iter().map(|number| number.parse().unwrap()).collect::<Vec<f64>>(), numbers);
    let npy = std::fs::read(directory.path().join("x.npy")).unwrap();
    assert_eq!(Dtype::Complex128.decode(&npy[128 + 17 * 64..][..64]), unitary);
    assert_eq!(npy.len(), 128 + 3_000 * 64);
    let refused = export(&corpus, &directory.path().join("x.qasm"), &false.into(), &mut |_| ()).unwrap_err();
    assert!(matches!(refused, Error::Unsupported(..)) && refused.to_string().contains("have no circuits"));
    let mut names: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    // The arrays of circuits are missing, and nothing of the refused file is left.
    assert_eq!(names.iter().filter(|name| name.to_str().unwrap().starts_with("x.")).count(), 2);
}

/// They would be stored as empty circuits.
#[test]
fn a_writer_refuses_records_without_circuits() {
    let directory = tempdir().unwrap();
    let gates = WriterOptions { gates: Some("h".into()), qubits: Some(1), ..WriterOptions::default() };
    let writer = Writer::open(&directory.path().join("c.db"), &gates).unwrap();
    let mut circuits = Circuits::default();
    options(1).recipe().unwrap().space().circuits(0..3, &mut circuits);
    let refused = writer.extend(&circuits, None, &[]).unwrap_err().to_string();
    assert!(refused.contains("a Haar-random unitary without a circuit"), "{refused}");
    writer.close().unwrap();
}

#[test]
fn splits_by_unitary_read_unitaries() {
    let corpus = Arc::new(Corpus::computed(options(2).recipe().unwrap()).unwrap());
    let parts = UnitaryParts::new(corpus, None, vec![0..500, 500..1000], 3).unwrap();
    assert!(!parts.is_exact() && parts.update(RECORDS, &false.into(), &mut |_| ()).unwrap());
    let counts = [0, 1].map(|part| parts.count(part, RECORDS).unwrap());
    assert!(counts.iter().all(|count| (1_300..1_700).contains(count)), "{counts:?}");
    assert!(counts.iter().sum::<u64>() >= RECORDS - 5, "{counts:?}");
    let rounded = RecipeOptions { dtype: Dtype::Complex64, ..options(2) }.recipe().unwrap();
    let corpus = Arc::new(Corpus::computed(rounded).unwrap());
    assert!(
        UnitaryParts::new(corpus, None, vec![0..500, 500..1000], 3)
            .unwrap_err()
            .to_string()
            .contains("too imprecise")
    );
}
