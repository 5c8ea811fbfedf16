//! Levels whose candidates are made elsewhere: the same corpus as on one machine, and nothing
//! believed of what comes back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use crate::recipes::enumeration as recipe;
use qorpus::core::Equivalence;
use qorpus::{
    CorpusFile, DistinctOptions, Durability, EnumerateOptions, Error, Outcome, Partition, Recipe, Remote,
    RemoteWorker, Result, TakeRows, VerifyOptions, enumerate, enumerate_remote, verify,
};
use rusqlite::{Connection, types::Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

fn priced(gates: &str, cost: &str, max_cost: u32) -> Recipe {
    let (cost, max_cost) = (Some(cost.into()), Some(max_cost));
    DistinctOptions {
        gates: Some(gates.into()),
        qubits: Some(1),
        cost,
        max_cost,
        ..DistinctOptions::default()
    }
    .recipe()
    .unwrap()
}

fn listed(letters: &str, max_length: usize) -> Recipe {
    let (letters, max_length) = (Some(letters.into()), Some(max_length));
    DistinctOptions { letters, max_length, ..DistinctOptions::default() }.recipe().unwrap()
}

fn options(jobs: usize) -> EnumerateOptions {
    EnumerateOptions { memory: Some(16 << 20), jobs: Some(jobs), durability: Durability::Off }
}

/// The stream of survivors, made here; the pieces in a strange order, and some twice as many
/// parcels at once as others.
fn stream(partition: &Partition, path: &Path) -> BTreeMap<u64, Vec<Vec<u8>>> {
    let worker = || RemoteWorker::new(&partition.to_json()).unwrap();
    let mut ranges: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
    for piece in (0..worker().pieces()).rev() {
        let parcels = worker().read(path, piece).unwrap();
        let parcels: Vec<&[u8]> = parcels.iter().map(Vec::as_slice).collect();
        for parcels in parcels.chunks(1 + piece % 2) {
            for (range, rows) in worker().expand(parcels).unwrap() {
                ranges.entry(range).or_default().push(rows);
            }
        }
    }
    let mut places: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
    for (range, rows) in ranges.into_iter().rev() {
        let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        for (place, rows) in worker().merge(range, &rows).unwrap() {
            places.entry(place).or_default().push(rows);
        }
    }
    places
}

fn hand_over(places: &BTreeMap<u64, Vec<Vec<u8>>>, take: TakeRows<'_>) -> Result<()> {
    for (place, rows) in places {
        if !take(*place, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>())? {
            break;
        }
    }
    Ok(())
}

fn run(path: &Path, recipe: &Recipe, local_threshold: u64) -> (Result<Outcome>, usize) {
    let mut levels = 0;
    let mut run = |partition: &Partition, take: TakeRows<'_>| {
        levels += 1;
        hand_over(&stream(partition, path), take)
    };
    let remote = Remote { local_threshold, workers: 3, run: &mut run };
    let result = enumerate_remote(path, recipe, options(2), remote, &false.into(), &mut |_| {});
    (result.map(|(outcome, _)| outcome), levels)
}

/// All rows of the tables that an enumeration writes.
fn rows(path: &Path) -> Vec<Vec<Value>> {
    let connection = Connection::open(path).unwrap();
    let mut all = Vec::new();
    for table in [
        "chunks ORDER BY first_id",
        "keys ORDER BY place",
        "levels ORDER BY number",
        "labels ORDER BY name",
        "totals",
    ] {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            all.push((0..columns).map(|column| row.get(column).unwrap()).collect());
        }
    }
    all
}

#[test]
fn the_corpus_is_the_same() {
    for recipe in [
        recipe("h,t,tdg,cx", 2, 7, Equivalence::GlobalPhase),
        // Letters that nothing takes back: any level may come out again.
        recipe("h,t", 1, 14, Equivalence::GlobalPhase),
        // A group that ends.
        recipe("h,s,cx", 2, 12, Equivalence::GlobalPhase),
        recipe("h,s", 1, 20, Equivalence::Exact),
        priced("h,s,t", "t=1", 4),
        priced("h,s,t", "h=1,t=3", 8),
        // Floating point.
        recipe("sx,rz(0.3),cz", 2, 5, Equivalence::GlobalPhase),
        recipe("rx(0.3),ry(1),h", 1, 7, Equivalence::Exact),
        // Letters one by one.
        listed("h 0; s 0; cx 0 1; cx 1 2", 9),
        // Tableaus, linear functions and permutations.
        recipe("h,s,cx", 3, 6, Equivalence::Pauli),
        recipe("cx", 4, 5, Equivalence::GlobalPhase),
        recipe("swap", 5, 11, Equivalence::Exact),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let [here, there, both] = ["here.db", "there.db", "both.db"].map(|name| directory.path().join(name));
        enumerate(&here, &recipe, options(1), &false.into(), &mut |_| {}).unwrap();
        let (result, levels) = run(&there, &recipe, 0);
        let expected = CorpusFile::open(&here).unwrap().levels().unwrap();
        assert_eq!((result.unwrap(), levels), (Outcome::Complete, expected.len() - 1));
        assert_eq!(CorpusFile::open(&there).unwrap().levels().unwrap(), expected);
        assert!(rows(&here) == rows(&there), "{}", recipe.to_json());
        let (result, levels) = run(&both, &recipe, 100);
        assert_eq!(result.unwrap(), Outcome::Complete);
        assert!(levels < expected.len() - 1 && rows(&here) == rows(&both), "{}", recipe.to_json());
        let found = verify(&there, VerifyOptions::default(), &false.into(), &|_| {}).unwrap();
        assert!(found.is_clean());
        assert!(!directory.path().join("there.db-distinct").exists());
    }
}

#[test]
fn an_interrupted_job_goes_on_here_and_there() {
    let recipe = recipe("h,t,tdg,cx", 2, 7, Equivalence::GlobalPhase);
    let directory = tempfile::tempdir().unwrap();
    let [whole, path] = ["whole.db", "c.db"].map(|name| directory.path().join(name));
    enumerate(&whole, &recipe, options(1), &false.into(), &mut |_| {}).unwrap();
    let (mut runs, stop) = (0, AtomicBool::new(false));
    loop {
        // Stopped after a few more places of the stream; every third run is one here.
        let mut left = 1 + runs * 3 % 23;
        stop.store(false, Ordering::Relaxed);
        let mut count = || {
            left -= i32::from(left > 0);
            stop.store(left == 0, Ordering::Relaxed);
        };
        let outcome = if runs % 3 == 2 {
            enumerate(&path, &recipe, options(2), &stop, &mut |_| count()).unwrap().0
        } else {
            let mut run =
                |partition: &Partition, take: TakeRows<'_>| hand_over(&stream(partition, &path), take);
            let remote = Remote { local_threshold: 0, workers: 1, run: &mut run };
            enumerate_remote(&path, &recipe, options(2), remote, &stop, &mut |_| count()).unwrap().0
        };
        runs += 1;
        if outcome == Outcome::Complete {
            break;
        }
        assert!(runs < 1000, "it does not go on");
    }
    assert!(runs > 5, "it was interrupted");
    assert!(rows(&whole) == rows(&path));
}

#[test]
fn what_is_unclear_is_said() {
    let recipe = recipe("rz(0.5),rz(0.50000000002)", 1, 2, Equivalence::GlobalPhase);
    let directory = tempfile::tempdir().unwrap();
    let refused = run(&directory.path().join("c.db"), &recipe, 0).0.unwrap_err();
    assert!(refused.to_string().contains("'rz(0.50000000002)"), "{refused}");
}

#[test]
fn what_is_missing_or_damaged_is_refused() {
    let recipe = recipe("h,t,tdg,cx", 2, 6, Equivalence::GlobalPhase);
    let directory = tempfile::tempdir().unwrap();
    let [whole, path] = ["whole.db", "c.db"].map(|name| directory.path().join(name));
    enumerate(&whole, &recipe, options(1), &false.into(), &mut |_| {}).unwrap();
    let mut harm = 0;
    loop {
        let mut harmed = false;
        let mut run = |partition: &Partition, take: TakeRows<'_>| {
            let mut places = stream(partition, &path);
            let last = *places.keys().last().unwrap();
            let place = *places.keys().nth(harm / 6 % places.len()).unwrap();
            harmed = places.len() > 3;
            let rows = places.get_mut(&place).unwrap();
            match harm % 6 {
                _ if !harmed => {}
                0 => drop(rows.pop()),
                1 => drop(places.remove(&place)),
                2 => rows.push(rows[0].clone()),
                3 => drop(rows[0].pop()),
                4 => rows[0].fill(0xFF),
                _ => {
                    let rows = places.remove(&place).unwrap();
                    places.insert(last + 1000, rows);
                }
            }
            hand_over(&places, take)
        };
        let remote = Remote { local_threshold: 1000, workers: 2, run: &mut run };
        match enumerate_remote(&path, &recipe, options(1), remote, &false.into(), &mut |_| {}) {
            Err(Error::Rows(_)) => {}
            // Keys of an empty level, or what is no harm.
            Err(error) => panic!("{harm}: {error}"),
            Ok(_) => panic!("{harm} went unnoticed"),
        }
        assert!(harmed);
        harm += 1;
        if harm == 60 {
            break;
        }
    }
    // What came before the harm is there, and right.
    assert_eq!(run(&path, &recipe, 1000).0.unwrap(), Outcome::Complete);
    assert!(rows(&whole) == rows(&path));
    let worker = |text: &str| RemoteWorker::new(text).map(drop);
    assert!(matches!(worker("{}"), Err(Error::Rows(_))));
}

#[test]
fn workers_do_not_believe_what_they_get() {
    let recipe = recipe("h,t,tdg,cx", 2, 5, Equivalence::GlobalPhase);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.db");
    let mut seen = 0;
    let mut run = |partition: &Partition, take: TakeRows<'_>| {
        let worker = RemoteWorker::new(&partition.to_json()).unwrap();
        let parcel = worker.read(&path, 0).unwrap().remove(0);
        let rows = worker.expand(&[&parcel]).unwrap();
        for at in (0..parcel.len()).step_by(7) {
            let mut parcel = parcel.clone();
            parcel[at] ^= 0x55;
            drop(worker.expand(&[&parcel]).unwrap_err());
            drop(worker.expand(&[&parcel[..at]]).unwrap_err());
        }
        for (range, rows) in &rows {
            for at in 0..rows.len().min(200) {
                let mut rows = rows.clone();
                rows[at] ^= 0x99;
                drop(worker.merge(*range, &[&rows]).unwrap_err());
                drop(worker.merge(*range, &[&rows[..at]]).unwrap_err());
            }
        }
        drop(worker.merge(1 << 20, &[]).unwrap_err());
        drop(worker.read(&path, 1 << 20).unwrap_err());
        seen += 1;
        hand_over(&stream(partition, &path), take)
    };
    let remote = Remote { local_threshold: 0, workers: 1, run: &mut run };
    enumerate_remote(&path, &recipe, options(1), remote, &false.into(), &mut |_| {}).unwrap();
    assert_eq!(seen, 5);
}
