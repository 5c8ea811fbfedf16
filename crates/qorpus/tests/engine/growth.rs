//! Corpora that grow: the same as made at once, whoever reads or writes them meanwhile.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use crate::recipes::{derived, options, random, words};
use qorpus::{
    Corpus, CorpusFile, DistinctOptions, Durability, EnumerateOptions, Error, FindOptions, GenerateOptions,
    Order, Outcome, Part, Progress, Recipe, RecipeOptions, RepairOptions, Summary, Target, VerifyOptions,
};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// `part` of a job, until `stop` is set by `report`.
fn job(
    path: &Path,
    recipe: &Recipe,
    report: &mut dyn FnMut(Progress, &AtomicBool),
) -> qorpus::Result<Outcome> {
    let stop = AtomicBool::new(false);
    let options =
        GenerateOptions { durability: Durability::Off, jobs: Some(2), ..GenerateOptions::default() };
    Ok(qorpus::generate(path, recipe, options, &stop, &mut |progress| report(progress, &stop))?.0)
}

fn generate(path: &Path, recipe: &Recipe) {
    assert_eq!(job(path, recipe, &mut |_, _| {}).unwrap(), Outcome::Complete);
}

fn verify(path: &Path) -> qorpus::Result<qorpus::Verification> {
    let options = VerifyOptions { sample: 1.0, ..VerifyOptions::default() };
    qorpus::verify(path, options, &AtomicBool::new(false), &|_| {})
}

fn summary(path: &Path) -> Summary {
    CorpusFile::open(path).unwrap().summary().unwrap()
}

fn meta(path: &Path, key: &str) -> Option<String> {
    let connection = Connection::open(path).unwrap();
    connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).ok()
}

fn change(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// A directory, and the corpus of `recipe` in it, made at once.
fn made(recipe: &Recipe) -> (TempDir, PathBuf, Summary) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("at once.db");
    generate(&path, recipe);
    let facts = summary(&path);
    (directory, path, facts)
}

/// Complete, intact, and in all that identifies a corpus the one that was made at once.
fn check_equal(path: &Path, recipe: &Recipe, at_once: &Summary) {
    let found = summary(path);
    assert!(found.complete);
    assert_eq!(found.records, recipe.expected().unwrap());
    assert_eq!(found.recipe_hash, at_once.recipe_hash);
    assert_eq!(found.content_hash, at_once.content_hash);
    let verified = verify(path).unwrap();
    assert!(verified.is_clean() && verified.totals == Some(true), "{:?}", verified.damaged);
    assert_eq!(verified.recomputed, found.records);
}

#[test]
fn a_grown_corpus_is_the_one_that_is_made_at_once() {
    let size = random(1).chunk_records();
    for make in [random as fn(u64) -> Recipe, derived] {
        let large = make(7 * size + 3);
        let (directory, _, at_once) = made(&large);
        // Last chunks that are full, partial, and partial twice.
        for (number, steps) in [vec![2 * size], vec![5], vec![1, 2, size - 1], vec![3 * size + 1, 4 * size]]
            .into_iter()
            .enumerate()
        {
            let path = directory.path().join(format!("{number}.db"));
            generate(&path, &make(steps[0]));
            let seed = summary(&path).recipe_hash[..16].to_owned();
            for &records in &steps[1..] {
                generate(&path, &make(records));
                assert_eq!(summary(&path).records, records);
                assert!(verify(&path).unwrap().is_clean());
            }
            generate(&path, &large);
            check_equal(&path, &large, &at_once);
            assert_eq!(meta(&path, "check_seed"), Some(seed));
            assert_eq!((summary(&path).format_version, at_once.format_version), (2, 1));
        }
    }
}

#[test]
fn what_was_not_finished_grows_too() {
    let (small, large) = (random(20_000), random(50_001));
    let (directory, _, at_once) = made(&large);
    let path = directory.path().join("c.db");
    let outcome = job(&path, &small, &mut |progress, stop| {
        stop.store(progress.records > 1_000, Ordering::Relaxed);
    });
    let before = summary(&path);
    assert!(outcome.unwrap() == Outcome::Interrupted && !before.complete);
    let outcome = job(&path, &large, &mut |_, stop| stop.store(true, Ordering::Relaxed)).unwrap();
    assert_eq!(outcome, Outcome::Interrupted);
    assert!(verify(&path).unwrap().is_clean());
    let grown = summary(&path);
    assert!(grown.records >= before.records && grown.expected == Some(50_001), "{grown:?}");
    for index in [1, 0, 2] {
        let part = Part::new(index, 3).unwrap();
        let options = GenerateOptions { part, durability: Durability::Off, ..GenerateOptions::default() };
        qorpus::generate(&path, &large, options, &AtomicBool::new(false), &mut |_| {}).unwrap();
    }
    check_equal(&path, &large, &at_once);
}

#[test]
fn what_is_smaller_or_differs_is_refused_and_nothing_is_written() {
    let large = random(3_000);
    let (_directory, path, _) = made(&large);
    let before = std::fs::read(&path).unwrap();
    let error = job(&path, &random(2_999), &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, Error::HoldsMore { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("2,999 random circuits") && text.contains("3,000 random circuits"), "{text}");
    let more = RecipeOptions { random: 9_000, ..options() };
    for other in [
        RecipeOptions { seed: 12, ..more.clone() },
        RecipeOptions { gates: Some("h,t".into()), ..more.clone() },
        RecipeOptions { length: (5, 16), ..more.clone() },
        RecipeOptions { unitaries: false, ..more.clone() },
        RecipeOptions { coupling: Some("0-1".into()), qubits: Some(3), ..more },
    ] {
        let error = job(&path, &other.recipe().unwrap(), &mut |_, _| {}).unwrap_err();
        assert!(matches!(error, Error::OtherRecipe { .. }), "{error}");
    }
    // More than there is room for.
    let error = job(&path, &random(1 << 50), &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, Error::NoRoom { .. }), "{error}");
    assert!(std::fs::read(&path).unwrap() == before);
}

/// Every record of `small` as this reader gives it, one by one, in a run, and by several threads.
fn check_records(corpus: &Corpus, small: &Recipe) {
    let (len, computed) = (small.expected().unwrap(), Corpus::computed(small.clone()).unwrap());
    assert_eq!(corpus.len().unwrap(), len);
    let all = computed.rows(&(0..len).collect::<Vec<_>>(), Order::Big).unwrap();
    assert_eq!(corpus.rows(&(0..len).collect::<Vec<_>>(), Order::Big).unwrap(), all);
    let last: Vec<u64> = (0..len).rev().step_by(3).collect();
    let expected = computed.rows(&last, Order::Big).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(corpus.rows(&last, Order::Big).unwrap(), expected));
        }
    });
    let error = corpus.rows(&[len], Order::Big).unwrap_err();
    assert!(matches!(error, Error::NoRecord { .. }), "{error}");
}

#[test]
fn a_reader_from_before_goes_on_with_the_records_of_its_recipe() {
    let size = random(1).chunk_records();
    for (make, records) in [(random as fn(u64) -> Recipe, 2 * size + 5), (derived, 100), (random, 2 * size)] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("c.db");
        let (small, large) = (make(records), make(records + 3 * size));
        generate(&path, &small);
        let opened = || Corpus::open(std::slice::from_ref(&path)).unwrap();
        let (fresh, mapped) = (opened(), opened());
        check_records(&mapped, &small);
        let file = CorpusFile::open(&path).unwrap();
        // While it grows, and when nobody writes any more.
        job(&path, &large, &mut |_, stop| {
            if !stop.load(Ordering::Relaxed) {
                check_records(&mapped, &small);
            }
        })
        .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
        for corpus in [&fresh, &mapped] {
            check_records(corpus, &small);
            // The summary is of the file as it is.
            let now = corpus.summary().unwrap();
            assert_eq!((now.records, now.expected), (records + 3 * size, Some(records + 3 * size)));
            assert!(now.complete && now.recipe_hash == summary(&path).recipe_hash);
            // An export would have the header of one recipe and the records of the other.
            let out = directory.path().join("out.npy");
            let error = qorpus::export(corpus, &out, &false.into(), &mut |_| {}).unwrap_err();
            assert!(matches!(error, Error::Grown(_)) && !out.exists(), "{error}");
        }
        let last = records - 1;
        let (mine, theirs) = (file.record(last, Order::Big).unwrap(), opened());
        assert_eq!(mine, CorpusFile::open(&path).unwrap().record(last, Order::Big).unwrap());
        check_records(&theirs, &large);
        let split = qorpus::core::Split::new(0..100, 3);
        let ids = split.ids(0..split.count(records));
        assert!(ids.iter().all(|&id| id < records));
        assert_eq!(split.ids(0..split.count(records + size))[..ids.len()], ids);
    }
}

#[test]
fn several_grow_one_file_at_once() {
    let (small, large) = (random(700), random(30_011));
    let (directory, _, at_once) = made(&large);
    for round in 0..5 {
        let path = directory.path().join(format!("{round}.db"));
        generate(&path, &small);
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| generate(&path, &large));
            }
        });
        check_equal(&path, &large, &at_once);
    }
}

#[test]
fn a_job_whose_file_is_grown_meanwhile_stops_and_harms_nothing() {
    let (small, large) = (random(60_001), random(90_000));
    let (directory, _, at_once) = made(&large);
    let path = directory.path().join("c.db");
    let mut grown = false;
    // The same process, with a second writer: the first one is in the middle of its job.
    let error = job(&path, &small, &mut |progress, _| {
        if progress.records > 0 && !grown {
            grown = true;
            let outcome = job(&path, &large, &mut |_, stop| stop.store(true, Ordering::Relaxed)).unwrap();
            assert_eq!(outcome, Outcome::Interrupted);
        }
    })
    .unwrap_err();
    assert!(grown && matches!(error, Error::GrownMeanwhile(_)), "{error}");
    assert!(verify(&path).unwrap().is_clean());
    generate(&path, &large);
    check_equal(&path, &large, &at_once);
}

#[test]
fn a_seed_that_is_missing_or_damaged_is_found() {
    let (small, large) = (random(300), random(2_000));
    let (directory, at_once_path, at_once) = made(&large);
    let path = directory.path().join("c.db");
    let grow = || {
        std::fs::remove_file(&path).ok();
        generate(&path, &small);
        generate(&path, &large);
    };
    for (sql, reason) in [
        ("DELETE FROM meta WHERE key = 'check_seed'", "its check_seed is missing"),
        ("UPDATE meta SET value = 'F' || substr(value, 2) WHERE key = 'check_seed'", "check_seed is damaged"),
        ("UPDATE meta SET value = '' WHERE key = 'check_seed'", "check_seed is damaged"),
        ("PRAGMA user_version = 1", "its format version is 1, but its content needs 2"),
    ] {
        grow();
        change(&path, sql);
        for error in [
            CorpusFile::open(&path).unwrap_err(),
            verify(&path).unwrap_err(),
            job(&path, &large, &mut |_, _| {}).unwrap_err(),
        ] {
            assert!(matches!(error, Error::NotACorpus(..)) && error.to_string().contains(reason), "{error}");
        }
    }
    // A plausible one is not the one with which the chunks were written.
    grow();
    change(&path, "UPDATE meta SET value = '0123456789abcdef' WHERE key = 'check_seed'");
    assert_eq!(verify(&path).unwrap().damaged.len() as u64, large.chunks());
    assert!(CorpusFile::open(&path).unwrap().record(5, Order::Big).is_err());
    qorpus::repair(&path, &RepairOptions::default(), &AtomicBool::new(false), &|_| {}).unwrap();
    check_equal(&path, &large, &at_once);
    // A file of version 1 has none.
    change(&at_once_path, "PRAGMA user_version = 2");
    assert!(CorpusFile::open(&at_once_path).unwrap_err().to_string().contains("check_seed is missing"));
}

#[test]
fn damage_in_a_grown_file_is_found_and_repaired() {
    let (small, large) = (random(1_000), random(3_000));
    let (directory, _, at_once) = made(&large);
    let path = directory.path().join("c.db");
    // The last chunk of the smaller one is damaged before it is replaced.
    generate(&path, &small);
    let last = small.chunk_ids(small.chunks() - 1).start;
    change(&path, &format!("UPDATE chunks SET content = zeroblob(16) WHERE first_id = {last}"));
    generate(&path, &large);
    check_equal(&path, &large, &at_once);
    change(&path, "UPDATE chunks SET circuits = zeroblob(length(circuits)) WHERE first_id = 0");
    assert_eq!(verify(&path).unwrap().damaged.len(), 1);
    qorpus::repair(&path, &RepairOptions::default(), &AtomicBool::new(false), &|_| {}).unwrap();
    check_equal(&path, &large, &at_once);
}

#[test]
fn grown_files_are_merged_with_others() {
    for make in [random as fn(u64) -> Recipe, derived] {
        let large = make(4_000);
        let (directory, whole, at_once) = made(&large);
        let file = |name: &str| directory.path().join(name);
        generate(&file("grown.db"), &make(900));
        // It grows, and this part of the job has no new chunk.
        let part = Part::new(999, 1000).unwrap();
        let options = GenerateOptions { part, durability: Durability::Off, ..GenerateOptions::default() };
        qorpus::generate(&file("grown.db"), &large, options, &AtomicBool::new(false), &mut |_| {}).unwrap();
        let there = summary(&file("grown.db"));
        assert!(there.expected == Some(4_000) && (there.complete || there.records < 4_000));
        let merge = |out: &str, inputs: &[PathBuf]| {
            qorpus::merge(&file(out), inputs, &AtomicBool::new(false), &mut |_| {})
        };
        let error = {
            generate(&file("small.db"), &make(900));
            merge("none.db", &[file("small.db"), whole.clone()]).unwrap_err()
        };
        assert!(matches!(error, Error::OtherRecipe { .. }) && !file("none.db").exists(), "{error}");
        merge("new.db", &[file("grown.db"), whole.clone()]).unwrap();
        check_equal(&file("new.db"), &large, &at_once);
        assert_eq!(meta(&file("new.db"), "check_seed"), None);
        merge("grown.db", &[whole]).unwrap();
        check_equal(&file("grown.db"), &large, &at_once);
        assert!(meta(&file("grown.db"), "check_seed").is_some());
    }
}

#[test]
fn words_grow_in_place_or_are_generated_again() {
    // With a seed that stays where the layout is the same, and else as a new file.
    for (small, large, stays) in [
        (words(4, false), words(6, false), true),
        (words(6, false), words(7, false), true),
        (words(3, false), words(4, false), false),
        (words(3, true), words(4, true), false),
    ] {
        assert_eq!(small.has_layout_of(&large), stays, "{} {}", small.chunk_records(), large.chunk_records());
        let (directory, _, at_once) = made(&large);
        let path = directory.path().join("c.db");
        generate(&path, &small);
        let reader = Corpus::open(std::slice::from_ref(&path)).unwrap();
        let expected = reader.rows(&[7, 3], Order::Big).unwrap();
        job(&path, &large, &mut |_, stop| stop.store(true, Ordering::Relaxed)).unwrap();
        generate(&path, &large);
        check_equal(&path, &large, &at_once);
        assert_eq!(meta(&path, "check_seed").is_some(), stays);
        std::thread::sleep(std::time::Duration::from_millis(50));
        match reader.rows(&[7, 3], Order::Big) {
            Ok(found) => assert!(stays && found == expected),
            Err(error) => assert!(!stays && matches!(error, Error::Grown(_)), "{error}"),
        }
        let error = job(&path, &small, &mut |_, _| {}).unwrap_err();
        assert!(matches!(error, Error::HoldsMore { .. }), "{error}");
    }
}

fn priced(max_cost: u32) -> Recipe {
    let options = DistinctOptions {
        gates: Some("h,s,t".into()),
        qubits: Some(1),
        cost: Some("t=1".into()),
        max_cost: Some(max_cost),
        ..DistinctOptions::default()
    };
    options.recipe().unwrap()
}

fn up_to_length(gates: &str, max_length: usize) -> Recipe {
    let options = DistinctOptions {
        gates: Some(gates.into()),
        qubits: Some(if gates.contains("cx") { 2 } else { 1 }),
        max_length: Some(max_length),
        ..DistinctOptions::default()
    };
    options.recipe().unwrap()
}

fn enumerate(path: &Path, recipe: &Recipe, stop_at: usize) -> qorpus::Result<Outcome> {
    let options = EnumerateOptions { memory: Some(64 << 20), jobs: Some(2), durability: Durability::Off };
    let stop = AtomicBool::new(false);
    let mut report =
        |progress: qorpus::EnumerateProgress| stop.store(progress.length >= stop_at, Ordering::Relaxed);
    Ok(qorpus::enumerate(path, recipe, options, &stop, &mut report)?.0)
}

#[test]
fn enumerations_grow_from_their_last_level() {
    for (steps, large) in [
        (vec![priced(1), priced(3)], priced(5)),
        (vec![up_to_length("h,t", 16), up_to_length("h,t", 17)], up_to_length("h,t", 18)),
        (vec![up_to_length("h,s", 16)], up_to_length("h,s", 20)),
        // Their chunks are packed again.
        (vec![up_to_length("h,s", 2), up_to_length("h,s", 3)], up_to_length("h,s", 16)),
        (vec![up_to_length("h,t,cx", 6), up_to_length("h,t,cx", 7)], up_to_length("h,t,cx", 8)),
    ] {
        let directory = TempDir::new().unwrap();
        let (path, whole) = (directory.path().join("c.db"), directory.path().join("whole.db"));
        enumerate(&whole, &large, usize::MAX).unwrap();
        for recipe in &steps {
            assert_eq!(enumerate(&path, recipe, usize::MAX).unwrap(), Outcome::Complete);
        }
        let reader = CorpusFile::open(&path).unwrap();
        let (there, last) = (reader.summary().unwrap(), reader.len().unwrap() - 1);
        enumerate(&path, &large, 3).unwrap();
        enumerate(&path, &large, usize::MAX).unwrap();
        let (grown, at_once) = (summary(&path), summary(&whole));
        assert!(grown.complete && there.complete && grown.records >= there.records);
        assert_eq!(
            (grown.records, grown.content_hash, &grown.recipe_hash),
            (at_once.records, at_once.content_hash, &at_once.recipe_hash)
        );
        let stays = steps[steps.len() - 1].has_layout_of(&large);
        assert_eq!(meta(&path, "check_seed").is_some(), stays);
        let verified = verify(&path).unwrap();
        assert!(verified.is_clean(), "{:?} {:?}", verified.damaged, verified.damaged_levels);
        let (grown, whole) = (CorpusFile::open(&path).unwrap(), CorpusFile::open(&whole).unwrap());
        assert_eq!(grown.levels().unwrap(), whole.levels().unwrap());
        match reader.record(last, Order::Big) {
            Ok(record) => assert!(stays && record == whole.record(last, Order::Big).unwrap()),
            Err(error) => assert!(!stays && matches!(error, Error::Grown(_)), "{error}"),
        }
        for id in (0..at_once.records).step_by(97) {
            let record = whole.record(id, Order::Big).unwrap();
            assert_eq!(grown.record(id, Order::Big).unwrap(), record);
            let dim = whole.recipe().alphabet().dim();
            let target = Target::new(record.unitary, dim, false).unwrap();
            let options = FindOptions { extend: false, tolerance: None };
            let found = grown.find(&target, options, &mut || false).unwrap();
            assert_eq!(found, whole.find(&target, options, &mut || false).unwrap());
        }
        let error = enumerate(&path, &steps[0], usize::MAX).unwrap_err();
        assert!(matches!(error, Error::HoldsMore { .. }), "{error}");
    }
}

/// Growing is one transaction: what stops it leaves the smaller corpus.
#[test]
fn an_enumeration_that_cannot_be_packed_again_stays() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("c.db");
    let (small, large) = (up_to_length("h,t,cx", 6), up_to_length("h,t,cx", 7));
    enumerate(&path, &small, usize::MAX).unwrap();
    let before = summary(&path);
    change(
        &path,
        "UPDATE keys SET entries = zeroblob(length(entries)) WHERE place = (SELECT max(place) FROM keys)",
    );
    let error = enumerate(&path, &large, usize::MAX).unwrap_err();
    assert!(matches!(error, Error::DamagedIndex(_, 6)), "{error}");
    change(&path, "UPDATE chunks SET circuits = zeroblob(length(circuits)) WHERE first_id = 0");
    let error = enumerate(&path, &large, usize::MAX).unwrap_err();
    assert!(matches!(error, Error::DamagedChunk { chunk: 0, .. }), "{error}");
    assert_eq!(summary(&path).recipe_hash, before.recipe_hash);
    assert_eq!(summary(&path).content_hash, before.content_hash);
}
