//! Corpora of gates with free angles, through the public interface.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use qorpus::core::{Alphabet, Circuit, naive};
use qorpus::{
    Circuits, Complex64, Corpus, CorpusFile, DistinctOptions, Durability, GenerateOptions, Order, Recipe,
    RecipeOptions, Rows, UnitaryParts, Value, VerifyOptions, Writer, WriterOptions, circuit_unitary, export,
};
use std::path::Path;
use std::sync::Arc;
use tempfile::tempdir;

const GATES: &str = "rz(?),u3(?,?,?),h,cp(?),cx";

fn options() -> RecipeOptions {
    RecipeOptions {
        gates: Some(GATES.into()),
        qubits: Some(2),
        random: 3_000,
        seed: 5,
        ..RecipeOptions::default()
    }
}

fn generated(path: &Path, recipe: &Recipe) -> Corpus {
    let options = GenerateOptions { durability: Durability::Off, ..GenerateOptions::default() };
    qorpus::generate(path, recipe, options, &false.into(), &mut |_| ()).unwrap();
    Corpus::open(&[path.to_owned()]).unwrap()
}

fn verified(path: &Path) -> qorpus::Verification {
    let options = VerifyOptions { sample: 1.0, ..VerifyOptions::default() };
    qorpus::verify(path, options, &false.into(), &|_| {}).unwrap()
}

fn expected(alphabet: &Alphabet, circuits: &Circuits) -> Vec<Complex64> {
    let circuits = circuits.circuits();
    circuits.flat_map(|circuit| naive::unitary(alphabet, circuit.letters, circuit.angles)).collect()
}

fn rows(corpus: &Corpus, ids: &[u64]) -> Rows {
    corpus.rows(ids, Order::Big).unwrap()
}

#[test]
fn records_are_those_of_the_recipe_from_every_source() {
    let directory = tempdir().unwrap();
    let derived = RecipeOptions { unitaries: false, ..options() }.recipe().unwrap();
    let stored = options().recipe().unwrap();
    let corpora = [
        generated(&directory.path().join("stored.db"), &stored),
        generated(&directory.path().join("derived.db"), &derived),
        generated(&directory.path().join("sharded/"), &derived),
        Corpus::computed(stored.clone()).unwrap(),
    ];
    let mut whole = Circuits::default();
    stored.space().circuits(0..3_000, &mut whole);
    let unitaries = expected(stored.alphabet(), &whole);
    for corpus in corpora {
        for ids in [vec![0, 1, 2, 3], vec![2_999, 7, 7, 1_500], (0..3_000).collect()] {
            let rows = rows(&corpus, &ids);
            let mut out = vec![0; ids.len() * corpus.unitary_bytes()];
            corpus.unitaries(&ids[..], Order::Big, &mut out).unwrap();
            assert_eq!(rows.unitaries, out);
            let entries: &[Complex64] = bytemuck::cast_slice(&out);
            for (place, &id) in ids.iter().enumerate() {
                assert_eq!(rows.circuits.circuit(place), whole.circuit(id as usize), "{id}");
                let own = &unitaries[id as usize * 16..][..16];
                assert_eq!(&entries[place * 16..][..16], own, "{id}");
            }
        }
        let record = corpus.record(11, Order::Big).unwrap();
        assert_eq!(record.angles, whole.angles(11));
    }
    for name in ["stored.db", "derived.db", "sharded"] {
        let found = verified(&directory.path().join(name));
        assert!(found.is_clean() && found.recomputed == 3_000, "{name}: {found:?}");
    }
}

#[test]
fn appended_angles_come_back() {
    let directory = tempdir().unwrap();
    for unitaries in [true, false] {
        let path = directory.path().join(format!("{unitaries}.db"));
        let of = WriterOptions {
            gates: Some(GATES.into()),
            qubits: Some(2),
            unitaries,
            durability: Durability::Off,
            ..WriterOptions::default()
        };
        let writer = Writer::open(&path, &of).unwrap();
        let mut circuits = Circuits::default();
        options().recipe().unwrap().space().circuits(0..1_000, &mut circuits);
        let given = expected(writer.recipe().alphabet(), &circuits);
        writer.extend(&circuits, unitaries.then_some(&given), &[]).unwrap();
        for index in 0..100 {
            writer.append(circuits.circuit(index), None, &[]).unwrap();
        }
        // Records without an angle of their letters, or with one that is not finite, are refused.
        let letters = [0, 4];
        for (angles, said) in [(&[][..], "1 free angle, but 0"), (&[0.1, 0.2], "but 2"), (&[f64::NAN], "NaN")]
        {
            let circuit = Circuit { letters: &letters, angles, drawn: None };
            let refused = writer.append(circuit, None, &[]).unwrap_err().to_string();
            assert!(refused.contains(said), "{refused}");
        }
        if unitaries {
            let circuit = Circuit { letters: &[0], angles: &[0.3], drawn: None };
            let other = circuit_unitary("rz(0.4) 0", 2).unwrap();
            assert!(writer.append(circuit, Some(&other), &[]).unwrap_err().to_string().contains("rz(0.3) 0"));
        }
        writer.close().unwrap();
        let corpus = Corpus::open(std::slice::from_ref(&path)).unwrap();
        assert_eq!(corpus.len().unwrap(), 1_100);
        let ids: Vec<u64> = (0..1_100).rev().collect();
        let rows = rows(&corpus, &ids);
        for (place, &id) in ids.iter().enumerate() {
            assert_eq!(rows.circuits.circuit(place), circuits.circuit(id as usize % 1_000), "{id}");
            let own: &[Complex64] = bytemuck::cast_slice(&rows.unitaries[place * 256..][..256]);
            assert_eq!(own, &given[id as usize % 1_000 * 16..][..16], "{id}");
        }
        let found = verified(&path);
        assert!(found.is_clean(), "{found:?}");
    }
}

#[test]
fn sql_and_files_have_angles() {
    let directory = tempdir().unwrap();
    let corpus = Arc::new(generated(&directory.path().join("c.db"), &options().recipe().unwrap()));
    let record = corpus.record(17, Order::Big).unwrap();
    let text = corpus.recipe().alphabet().text(&record.circuit, &record.angles);
    let query =
        "select circuit, json(angles), json_array_length(angles), \"count_rz(?)\" from records where id = 17";
    let row = corpus.select(Order::Big, query, &[], || false).unwrap().rows.remove(0);
    assert_eq!(row[0], Value::Text(text.clone()));
    assert_eq!(row[1], Value::Text(serde_json::to_string(&record.angles).unwrap()));
    assert_eq!(row[2], Value::Integer(record.angles.len() as i64));
    let mut angles = Vec::new();
    let again = corpus.recipe().alphabet().circuit_at(&text, &mut angles).unwrap();
    assert_eq!((again, angles), (record.circuit.clone(), record.angles.clone()));
    for name in ["x.csv", "x.qasm", "x.npy"] {
        export(&corpus, &directory.path().join(name), &false.into(), &mut |_| ()).unwrap();
    }
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert!(read("x.csv").contains(&text));
    assert!(read("x.qasm").lines().all(|line| line.starts_with("//") || !line.contains("?")));
    let rows = std::fs::read(directory.path().join("x.angles.npy")).unwrap();
    assert_eq!(rows.len(), 128 + 3_000 * 15 * 3 * 8);
}

#[test]
fn splits_by_unitary_read_unitaries() {
    let corpus = Arc::new(Corpus::computed(options().recipe().unwrap()).unwrap());
    let parts = UnitaryParts::new(corpus, None, vec![0..500, 500..1000], 3).unwrap();
    assert!(parts.update(3_000, &false.into(), &mut |_| ()).unwrap());
    let counts = [0, 1].map(|part| parts.count(part, 3_000).unwrap());
    assert!(counts.iter().all(|count| (1_300..1_700).contains(count)), "{counts:?}");
    assert!(counts.iter().sum::<u64>() >= 2_995, "{counts:?}");
}

#[test]
fn fixed_gates_are_asked_for_where_they_are_needed() {
    let words = RecipeOptions { words: true, random: 0, ..options() }.recipe();
    let distinct =
        DistinctOptions { gates: Some("h,rz(?)".into()), max_length: Some(2), ..DistinctOptions::default() }
            .recipe();
    for refused in [words.unwrap_err(), distinct.unwrap_err(), circuit_unitary("rz(?) 0", 1).unwrap_err()] {
        assert!(refused.to_string().contains("gate 'rz(?)' has a free angle, but"), "{refused}");
        assert!(refused.to_string().contains("'rz(pi/4)'"), "{refused}");
    }
    let directory = tempdir().unwrap();
    let path = directory.path().join("c.db");
    generated(&path, &options().recipe().unwrap());
    assert_eq!(CorpusFile::open(&path).unwrap().recipe().format_version(), 2);
}
