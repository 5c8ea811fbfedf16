//! Corpora to which records are appended, through the public interface.

#![allow(clippy::unwrap_used, clippy::panic)]

use qorpus::{
    Circuits, Complex64, Corpus, CorpusFile, Dtype, Error, GateOption, Gates, Label, LabelColumn, Order,
    PairCheck, RepairOptions, VerifyOptions, Writer, WriterOptions, repair, verify,
};
use std::path::Path;
use std::time::Duration;

fn options(gates: &str, qubits: usize) -> WriterOptions {
    WriterOptions { gates: Some(gates.into()), qubits: Some(qubits), ..WriterOptions::default() }
}

fn is_clean(path: &Path) -> bool {
    verify(path, VerifyOptions::default(), &false.into(), &|_| ()).unwrap().is_clean()
}

fn one(re: f64, im: f64) -> Complex64 {
    Complex64::new(re, im)
}

/// To look for so many records one after the other would take for ever.
#[test]
fn records_that_are_only_counted_are_missed_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.db");
    let options = WriterOptions { gates: Some("h".into()), qubits: Some(1), ..WriterOptions::default() };
    let writer = Writer::open(&path, &options).unwrap();
    writer.append(&[0], None, &[]).unwrap();
    writer.close().unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("UPDATE totals SET records = ?1", [i64::MAX]).unwrap();
    drop(connection);
    let found = verify(&path, VerifyOptions::default(), &false.into(), &|_| {}).unwrap();
    assert!(!found.is_clean() && found.records == 1);
    assert_eq!(found.damaged.keys().collect::<Vec<_>>(), [&1]);
}

#[test]
fn records_come_back_to_the_bit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.db");
    let writer = Writer::open(&path, &options("h,s,magic", 1)).unwrap();
    let alphabet = writer.recipe().alphabet().clone();
    let (h, magic) = (alphabet.letter("h").unwrap(), alphabet.letter("magic").unwrap());
    // The sign of zero is someone's own affair.
    let unitary = [one(-0.0, 1.0), one(0.0, 0.0), one(0.0, -0.0), one(1.0, 0.0)];
    writer.append(&[h], None, &[]).unwrap();
    writer
        .append(
            &[magic, h],
            Some(&unitary),
            &[("reward", Label::Real(0.5)), ("by", Label::Text("me".into()))],
        )
        .unwrap();
    assert_eq!(writer.flush().unwrap(), 2);
    let reader = Corpus::open(std::slice::from_ref(&path)).unwrap();
    assert_eq!(reader.len().unwrap(), 2);
    writer.append(&[], None, &[("reward", Label::Integer(3))]).unwrap();
    writer.close().unwrap();
    assert!(matches!(writer.append(&[h], None, &[]), Err(Error::Closed(_))));
    assert_eq!(reader.len().unwrap(), 3);

    let bits =
        |entries: &[Complex64]| entries.iter().map(|e| (e.re.to_bits(), e.im.to_bits())).collect::<Vec<_>>();
    let record = reader.record(1, Order::Big).unwrap();
    assert_eq!((record.circuit, bits(&record.unitary)), (vec![magic, h], bits(&unitary)));
    assert_eq!(record.labels["reward"], Label::Real(0.5));
    assert_eq!(record.labels["count_magic"], Label::Integer(1));
    assert_eq!(reader.record(2, Order::Big).unwrap().labels["reward"], Label::Integer(3));
    let corpus = CorpusFile::open(&path).unwrap();
    assert_eq!(corpus.record(1, Order::Little).unwrap(), reader.record(1, Order::Little).unwrap());
    assert!(matches!(corpus.record(3, Order::Big), Err(Error::NoRecord { id: 3, len: 3, .. })));
    let summary = corpus.summary().unwrap();
    assert_eq!((summary.records, summary.expected, summary.complete), (3, None, true));
    assert!(is_clean(&path));
    drop((reader, corpus));
    drop(Writer::open(&path, &WriterOptions::default()).unwrap());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "one plain file is left");
}

#[test]
fn what_cannot_be_kept_is_refused_and_nothing_else_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.db");
    let writer = Writer::open(&path, &options("s,magic", 1)).unwrap();
    let good = [one(1.0, 0.0), one(0.0, 0.0), one(0.0, 0.0), one(0.0, 1.0)];
    writer.append(&[0], Some(&good), &[]).unwrap();
    let mut skewed = good;
    skewed[0].re += 1e-3;
    let mut broken = good;
    broken[3].im = f64::NAN;
    let long = vec![0u16; 65_536];
    for (circuit, unitary, sentence) in [
        (&[1u16][..], None, "must come with its unitary"),
        (&[7], None, "no letter 7"),
        (&[0], Some(&skewed[..]), "not unitary"),
        (&[0], Some(&broken), "not a finite number"),
        (&[0], Some(&good[..3]), "entries"),
        (&long, None, "65536 letters"),
    ] {
        let error = writer.append(circuit, unitary, &[]).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }) && error.to_string().contains(sentence), "{error}");
    }
    assert!(writer.append(&[0], None, &[("length", Label::Integer(1))]).is_err());
    let mut circuits = Circuits::default();
    (0..3).for_each(|letter| circuits.push([letter]));
    assert!(writer.extend(&circuits, None, &[]).is_err(), "all or nothing");
    assert!(writer.extend(&circuits, None, &[("a", LabelColumn::Integers(vec![1]))]).is_err());
    assert_eq!(writer.flush().unwrap(), 1);
    drop(writer);
    let tolerant = WriterOptions { tolerance: None, ..options("s,magic", 1) };
    let writer = Writer::open(&path, &tolerant).unwrap();
    writer.append(&[0], Some(&skewed), &[]).unwrap();
    assert!(writer.append(&[0], Some(&broken), &[]).is_err());
    writer.close().unwrap();
    assert_eq!(CorpusFile::open(&path).unwrap().len().unwrap(), 2);
    for other in [
        options("h", 1),
        options("s,magic", 2),
        WriterOptions { dtype: Dtype::Complex64, ..options("s,magic", 1) },
    ] {
        assert!(matches!(Writer::open(&path, &other), Err(Error::OtherRecipe { .. })));
    }
    assert!(Writer::open(&path, &WriterOptions::default()).is_ok(), "the gates of the corpus");
    assert!(Writer::open(&directory.path().join("new.db"), &WriterOptions::default()).is_err());
    let computed = WriterOptions { unitaries: false, ..options("s,magic", 1) };
    assert!(Writer::open(&directory.path().join("new.db"), &computed).unwrap_err().is_usage());
}

/// The longest labels, beside the largest unitary and the longest circuit, still fit in a row; one
/// byte more is refused when it is appended, since the commit would fail, and the writer stop.
#[test]
fn labels_that_no_row_can_hold_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.db");
    let writer = Writer::open(&path, &options("id", 8)).unwrap();
    let unitary: Vec<_> =
        (0..1 << 16).map(|entry| one(if entry % 257 == 0 { 1.0 } else { 0.0 }, 0.0)).collect();
    let text = |bytes: usize| Label::Text("x".repeat(bytes));
    let append = |last: usize| {
        let labels = [("a", text(30 << 20)), ("b", text(last)), ("c", Label::Integer(7))];
        writer.append(&vec![7; 65_535], Some(&unitary), &labels)
    };
    let error = append((30 << 20) + 1).unwrap_err();
    assert!(matches!(error, Error::Refused { position: 0, .. }));
    assert!(error.to_string().contains("have 62914561 bytes, but at most 62914560 fit"), "{error}");
    append(30 << 20).unwrap();
    writer.append(&[0], None, &[]).unwrap();
    writer.close().unwrap();
    let corpus = CorpusFile::open(&path).unwrap();
    assert_eq!(corpus.record(0, Order::Big).unwrap().labels["b"], text(30 << 20));
    assert!(is_clean(&path) && corpus.len().unwrap() == 2);
}

#[test]
fn many_writers_share_a_file_and_ids_have_no_gaps() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.db");
    let gates = Gates::List(vec![
        GateOption::Name("h".into()),
        GateOption::Matrix("flip".into(), vec![one(0.0, 0.0), one(0.0, 1.0), one(0.0, 1.0), one(0.0, 0.0)]),
    ]);
    let options =
        WriterOptions { gates: Some(gates), qubits: Some(2), unitaries: false, ..WriterOptions::default() };
    std::thread::scope(|scope| {
        for writer in 0..8i64 {
            let (path, options) = (&path, &options);
            scope.spawn(move || {
                let writing = Writer::open(path, options).unwrap();
                for record in 0..500i64 {
                    let circuit = vec![(record % 4) as u16; (record % 7) as usize];
                    writing
                        .append(
                            &circuit,
                            None,
                            &[("writer", Label::Integer(writer)), ("n", Label::Integer(record))],
                        )
                        .unwrap();
                    if record % 100 == 50 {
                        writing.flush().unwrap();
                    }
                }
            });
        }
    });
    let reader = Corpus::open(std::slice::from_ref(&path)).unwrap();
    let ids: Vec<u64> = (0..reader.len().unwrap()).rev().collect();
    let rows = reader.rows(&ids, Order::Big).unwrap();
    let mut seen: Vec<_> = rows
        .given
        .iter()
        .zip(rows.circuits.iter())
        .map(|(labels, circuit)| {
            let (Label::Integer(writer), Label::Integer(record)) = (&labels["writer"], &labels["n"]) else {
                panic!()
            };
            assert_eq!(circuit, vec![(record % 4) as u16; (record % 7) as usize]);
            (*writer, *record)
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..8).flat_map(|w| (0..500).map(move |n| (w, n))).collect::<Vec<_>>());
    assert!(is_clean(&path));
}

#[test]
fn files_are_read_as_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for part in 0..3u16 {
        let path = directory.path().join(format!("{part}.db"));
        let writer = Writer::open(&path, &options("h,s,t", 1)).unwrap();
        (0..10 * part).for_each(|n| writer.append(&vec![part; usize::from(n)], None, &[]).unwrap());
        drop(writer);
        paths.push(path);
    }
    let reader = Corpus::open(&[directory.path().into()]).unwrap();
    assert_eq!(reader.len().unwrap(), 30);
    let circuits = reader.circuits(&[29, 0, 10, 9, 29]).unwrap();
    let found: Vec<_> = circuits.iter().map(|circuit| (circuit.first().copied(), circuit.len())).collect();
    assert_eq!(found, [(Some(2), 19), (None, 0), (None, 0), (Some(1), 9), (Some(2), 19)]);
    assert!(matches!(reader.circuits(&[30]), Err(Error::NoRecord { .. })));
    let other = directory.path().join("x.db");
    drop(Writer::open(&other, &options("h", 1)).unwrap());
    assert!(matches!(Corpus::open(&[paths[0].clone(), other]), Err(Error::OtherRecipe { .. })));
}

#[test]
fn long_circuits_and_wide_unitaries_fit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.db");
    let writer = Writer::open(&path, &WriterOptions { unitaries: false, ..options("h", 1) }).unwrap();
    (0..100).for_each(|_| writer.append(&[0; 65_535], None, &[]).unwrap());
    drop(writer);
    assert!(is_clean(&path));
    assert_eq!(CorpusFile::open(&path).unwrap().record(99, Order::Big).unwrap().circuit.len(), 65_535);
    let path = directory.path().join("wide.db");
    let writer = Writer::open(&path, &options("h,cx", 8)).unwrap();
    (0..9).for_each(|_| writer.append(&[0, 9, 3], None, &[]).unwrap());
    drop(writer);
    assert!(is_clean(&path));
}

/// h on qubit 0 of two, and the same in the other order of qubits.
fn h_on_two() -> ([Complex64; 16], [Complex64; 16]) {
    let (r, o) = (0.5f64.sqrt(), 0.0);
    let big = [r, o, r, o, o, r, o, r, r, o, -r, o, o, r, o, -r];
    let little = [r, r, o, o, r, -r, o, o, o, o, r, r, o, o, r, -r];
    [big, little].map(|entries| entries.map(|entry| one(entry, 0.0))).into()
}

#[test]
fn unitaries_belong_to_their_circuits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.db");
    let (big, little) = h_on_two();
    let writer = Writer::open(&path, &options("h,magic", 2)).unwrap();
    let magic = writer.recipe().alphabet().letter("magic 0").unwrap();
    let error = writer.append(&[0], Some(&little), &[]).unwrap_err();
    assert!(matches!(error, Error::Refused { position: 0, .. }));
    let said = error.to_string();
    assert!(said.contains("'h 0'") && said.contains("qubits are in reverse order"), "{said}");
    // All or nothing, and where is said, also behind the records that are computed at once.
    let mut circuits = Circuits::default();
    (0..5_000).for_each(|_| circuits.push([0]));
    let mut all = big.repeat(5_000);
    all[16 * 4_320..][..16].copy_from_slice(&little);
    let error = writer.extend(&circuits, Some(&all), &[]).unwrap_err();
    assert!(matches!(error, Error::Refused { position: 4_320, .. }), "{error}");
    assert_eq!(writer.flush().unwrap(), 0);
    // A phase is taken, and of gates without a matrix nothing is known.
    writer.append(&[0], Some(&big.map(|entry| entry * one(0.0, 1.0))), &[]).unwrap();
    writer.append(&[0, magic], Some(&little), &[]).unwrap();
    writer.close().unwrap();
    let turned = WriterOptions { order: Order::Little, check: PairCheck::Exact, ..WriterOptions::default() };
    let writer = Writer::open(&path, &turned).unwrap();
    writer.append(&[0], Some(&little), &[]).unwrap();
    let said = writer.append(&[0], Some(&little.map(|entry| -entry)), &[]).unwrap_err().to_string();
    assert!(said.contains("a global phase of 3.14"), "{said}");
    writer.close().unwrap();
    assert_eq!(CorpusFile::open(&path).unwrap().record(2, Order::Big).unwrap().unitary, big);
    let found = verify(&path, VerifyOptions::default(), &false.into(), &|_| ()).unwrap();
    assert!(found.is_clean() && (found.records, found.recomputed, found.unknown) == (3, 2, 1), "{found:?}");
}

#[test]
fn verify_finds_pairs_that_do_not_belong_together() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.db");
    let (big, little) = h_on_two();
    let all = WriterOptions { check: PairCheck::None, ..options("h", 2) };
    let writer = Writer::open(&path, &all).unwrap();
    for number in 0..700 {
        writer.append(&[0], Some(if number % 2 == 1 { &little } else { &big }), &[]).unwrap();
    }
    writer.close().unwrap();
    let found = verify(&path, VerifyOptions::default(), &false.into(), &|_| ()).unwrap();
    assert!(!found.is_clean() && found.damaged.is_empty() && found.totals == Some(true));
    assert!(found.mismatched.keys().copied().eq((1..700).step_by(2)));
    assert!(found.mismatched[&1].contains("qubits are in reverse order") && found.recomputed == 700);
    let part = VerifyOptions { sample: 0.1, ..VerifyOptions::default() };
    let found = verify(&path, part, &false.into(), &|_| ()).unwrap();
    assert!((70..100).contains(&found.recomputed) && found.mismatched.len() >= 30, "{found:?}");
    let before = std::fs::read(&path).unwrap();
    let error = repair(&path, &RepairOptions::default(), &false.into(), &|_| ()).unwrap_err();
    assert!(matches!(error, Error::Mismatched { id: 1, records: 350, .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

/// A writer does not know the labels of another one that was opened at the same time; the file
/// does.
#[test]
fn labels_that_sql_takes_for_one_are_refused_across_writers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.db");
    let [first, second] = [(); 2].map(|()| Writer::open(&path, &options("h", 1)).unwrap());
    first.append(&[0], None, &[("seed", Label::Integer(1))]).unwrap();
    first.close().unwrap();
    second.append(&[0], None, &[("Seed", Label::Integer(2))]).unwrap();
    let said = second.flush().unwrap_err().to_string();
    assert!(said.contains("label 'Seed'") && said.contains("the label 'seed' only in letter case"), "{said}");
    drop(second);
    assert!(is_clean(&path) && CorpusFile::open(&path).unwrap().len().unwrap() == 1);
}

/// A call that waits no longer leaves the answer to the next one.
#[test]
fn a_failure_is_told_by_the_close_that_ends() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.db");
    let [first, second] = [(); 2].map(|()| Writer::open(&path, &options("h", 1)).unwrap());
    first.append(&[0], None, &[("reward", Label::Integer(1))]).unwrap();
    second.append(&[0], None, &[("reward", Label::Text("much".into()))]).unwrap();
    first.close().unwrap();
    assert!(matches!(second.flush(), Err(Error::Stopped(..))));
    let closed = loop {
        match second.close_within(Duration::ZERO) {
            Ok(false) => {}
            closed => break closed,
        }
    };
    assert!(matches!(closed, Err(Error::Stopped(..))), "{closed:?}");
    assert!(second.close().is_ok());
}
