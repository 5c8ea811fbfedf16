//! Sharded corpora that grow: the same as made at once, whoever reads or writes them meanwhile.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use crate::directory::{names, shards};
use crate::recipes::{derived, options, random, words};
use qorpus::{
    Corpus, CorpusFile, Durability, Error, GenerateOptions, Order, Outcome, Part, Progress, Recipe,
    RecipeOptions, RepairOptions, Summary, Value, VerifyOptions, begin, receipt, seal,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// Records of a shard: two chunks.
fn size(recipe: &Recipe) -> u64 {
    2 * recipe.chunk_records()
}

fn of_part(part: Part) -> GenerateOptions {
    GenerateOptions { part, durability: Durability::Off, jobs: Some(2), ..GenerateOptions::default() }
}

/// A part of a job, until `stop` is set by `report`.
fn job(
    path: &Path,
    recipe: &Recipe,
    part: Part,
    report: &mut dyn FnMut(Progress, &AtomicBool),
) -> qorpus::Result<(Outcome, Progress)> {
    let (stop, options) = (AtomicBool::new(false), of_part(part));
    // The job that writes the manifest decides the size.
    let shard = (!path.join("manifest.json").exists()).then(|| size(recipe));
    let options = GenerateOptions { shard, ..options };
    qorpus::generate(path, recipe, options, &stop, &mut |progress| report(progress, &stop))
}

fn generate(path: &Path, recipe: &Recipe) -> Progress {
    let (outcome, progress) = job(path, recipe, Part::default(), &mut |_, _| {}).unwrap();
    assert_eq!((outcome, progress.records), (Outcome::Complete, recipe.expected().unwrap()));
    progress
}

fn open(path: &Path) -> Arc<Corpus> {
    Arc::new(Corpus::open(&[path.into()]).unwrap())
}

fn verify(path: &Path) -> qorpus::Verification {
    let options = VerifyOptions { sample: 1.0, ..VerifyOptions::default() };
    qorpus::verify(path, options, &AtomicBool::new(false), &|_| {}).unwrap()
}

fn new_directory() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("big/");
    (directory, path)
}

/// The summary of a corpus of this recipe in one file, made at once.
fn made(recipe: &Recipe) -> Summary {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("at once.db");
    qorpus::generate(&path, recipe, of_part(Part::default()), &false.into(), &mut |_| {}).unwrap();
    CorpusFile::open(&path).unwrap().summary().unwrap()
}

/// Complete, intact, without leftovers, and in all that identifies a corpus the one that was made at
/// once.
fn check_equal(path: &Path, recipe: &Recipe, at_once: &Summary) {
    let found = open(path).summary().unwrap();
    assert!(found.complete);
    assert_eq!((found.records, found.expected), (at_once.records, recipe.expected()));
    assert_eq!(found.recipe_hash, at_once.recipe_hash);
    assert_eq!(found.content_hash, at_once.content_hash);
    let verified = verify(path);
    assert!(verified.is_clean(), "{:?} {:?} {:?}", verified.damaged, verified.shards, verified.missing);
    assert_eq!(verified.recomputed, found.records);
    let count = recipe.expected().unwrap().div_ceil(seal(path).unwrap().shard_records) as usize;
    assert_eq!((shards(path).len(), names(&path.join("receipts")).len()), (count, count));
    assert_eq!(names(path).len(), count + 2, "{:?}", names(path));
}

/// Every record of `small` as this reader gives it, in any order, in a run, and by several threads.
fn check_records(corpus: &Corpus, small: &Recipe) {
    let (len, computed) = (small.expected().unwrap(), Corpus::computed(small.clone()).unwrap());
    assert_eq!(corpus.len().unwrap(), len);
    let all = computed.rows(0..len, Order::Big).unwrap();
    assert!(corpus.rows(0..len, Order::Big).unwrap() == all);
    let backwards: Vec<u64> = (0..len).rev().step_by(7).collect();
    let expected = computed.rows(&backwards, Order::Big).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(corpus.rows(&backwards, Order::Big).unwrap() == expected));
        }
    });
    let error = corpus.rows(&[len], Order::Big).unwrap_err();
    assert!(matches!(error, Error::NoRecord { .. }), "{error}");
}

#[test]
fn a_grown_directory_is_the_one_that_is_made_at_once() {
    for make in [random as fn(u64) -> Recipe, derived] {
        let size = size(&make(1));
        let large = make(5 * size + 3);
        let at_once = made(&large);
        // Last shards that are full, partial, replaced twice, and none that are full.
        let all = [vec![size + 5], vec![3, size - 1, 2 * size + 1], vec![2 * size], vec![5 * size + 2]];
        // Chunks without unitaries have many more records.
        for steps in &all[..if large.stores_unitaries() { 4 } else { 2 }] {
            let (_directory, path) = new_directory();
            let mut there = Vec::new();
            for &records in steps {
                generate(&path, &make(records));
                assert!(verify(&path).is_clean());
            }
            for shard in shards(&path) {
                there.push((shard.clone(), shard.metadata().unwrap().modified().unwrap()));
            }
            let last = *steps.last().unwrap();
            let full = last / size;
            let progress = generate(&path, &large);
            assert_eq!(progress.made, 5 * size + 3 - full * size, "{steps:?}");
            check_equal(&path, &large, &at_once);
            for (shard, modified) in &there[..full as usize] {
                assert_eq!(shard.metadata().unwrap().modified().unwrap(), *modified);
            }
            check_records(&open(&path), &large);
            assert_eq!((open(&path).summary().unwrap().format_version, at_once.format_version), (2, 1));
            assert_eq!(generate(&path, &large).made, 0);
        }
    }
}

#[test]
fn words_grow_where_chunks_stay() {
    let (small, large) = (words(5, false), words(7, false));
    assert!(small.has_layout_of(&large));
    let (_directory, path) = new_directory();
    generate(&path, &small);
    generate(&path, &large);
    check_equal(&path, &large, &made(&large));
    for (small, large) in [(words(3, false), words(4, false)), (words(3, true), words(4, true))] {
        let (_directory, path) = new_directory();
        generate(&path, &small);
        let before = std::fs::read(path.join("manifest.json")).unwrap();
        let error = job(&path, &large, Part::default(), &mut |_, _| {}).unwrap_err();
        assert!(matches!(error, Error::ShardsDoNotGrow { .. }), "{error}");
        assert!(
            error.to_string().contains("0 to 3 letters") && error.to_string().contains("0 to 4"),
            "{error}"
        );
        assert_eq!(std::fs::read(path.join("manifest.json")).unwrap(), before);
    }
}

#[test]
fn drawn_operators_grow() {
    let cliffords = |count| RecipeOptions { cliffords: Some(count), seed: 3, ..RecipeOptions::default() };
    let haar = |count| RecipeOptions { haar: Some(count), seed: 3, ..RecipeOptions::default() };
    for make in [cliffords, haar] {
        let (small, large) = (make(700).recipe().unwrap(), make(3_000).recipe().unwrap());
        let (_directory, path) = new_directory();
        generate(&path, &small);
        generate(&path, &large);
        check_equal(&path, &large, &made(&large));
    }
}

#[test]
fn records_can_be_read_at_every_moment_of_a_growth() {
    let size = size(&random(1));
    let (small, large) = (random(2 * size + 7), random(6 * size + 1));
    let at_once = made(&large);
    let (_directory, path) = new_directory();
    generate(&path, &small);
    let mut states = Vec::new();
    let mut rounds = 0;
    loop {
        // One step after the other, with a new reader after each.
        let mut steps = 0;
        let (outcome, _) = job(&path, &large, Part::default(), &mut |progress, stop| {
            steps += u64::from(progress.made > 0);
            stop.store(rounds == 0 || steps > rounds % 3, Ordering::Relaxed);
        })
        .unwrap();
        rounds += 1;
        let (corpus, sealed) = (open(&path), seal(&path).unwrap());
        let facts = corpus.summary().unwrap();
        assert!(verify(&path).damaged.is_empty());
        states.push((facts.expected.unwrap(), facts.records));
        let there = corpus.rows(0..2 * size + 7, Order::Big).unwrap();
        assert!(there == Corpus::computed(small.clone()).unwrap().rows(0..2 * size + 7, Order::Big).unwrap());
        assert_eq!((sealed.expected, sealed.records), states[states.len() - 1]);
        if outcome == Outcome::Complete {
            break;
        }
        assert!(rounds < 100);
    }
    assert!(states.contains(&(2 * size + 7, 2 * size + 7)) && states.contains(&(6 * size + 1, 3 * size)));
    assert!(states.is_sorted(), "{states:?}");
    check_equal(&path, &large, &at_once);
}

#[test]
fn parts_grow_it_in_any_order() {
    let size = size(&random(1));
    let (small, large) = (random(2 * size + 7), random(6 * size + 1));
    let at_once = made(&large);
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let (_directory, path) = new_directory();
        generate(&path, &small);
        let mut is_grown = false;
        for index in order {
            let part = Part::new(index, 3).unwrap();
            let (outcome, progress) = job(&path, &large, part, &mut |_, _| {}).unwrap();
            assert_eq!((outcome, progress.records), (Outcome::Complete, progress.expected));
            // Shard 2 is the one that had seven records.
            is_grown |= index == 2;
            assert_eq!(seal(&path).unwrap().of, if is_grown { 7 } else { 3 });
        }
        check_equal(&path, &large, &at_once);
    }
}

#[test]
fn programs_that_distribute_shards_grow_it() {
    let size = size(&random(1));
    let (small, large) = (random(2 * size + 7), random(4 * size));
    let (_directory, path) = new_directory();
    generate(&path, &small);
    let begun = begin(&path, &large, None).unwrap();
    assert_eq!((begun.of, begun.expected, begun.records), (4, 4 * size, 2 * size));
    assert_eq!((begun.missing.len(), begun.missing[0].clone()), (1, 2 * size..4 * size));
    for number in [3, 2] {
        assert_eq!(receipt(&path, &large, number).unwrap(), None);
        job(&path, &large, Part::new(number, begun.of).unwrap(), &mut |_, _| {}).unwrap();
        assert!(receipt(&path, &large, number).unwrap().is_some());
    }
    assert!(receipt(&path, &large, 4).unwrap_err().is_usage());
    assert!(seal(&path).unwrap().missing.is_empty());
    check_equal(&path, &large, &made(&large));
    let refused = begin(&path, &small, None).unwrap_err();
    assert!(matches!(refused, Error::HoldsMore { .. }), "{refused}");
}

#[test]
fn a_reader_from_before_goes_on_with_the_records_of_its_recipe() {
    let size = size(&random(1));
    for (make, records) in [(random as fn(u64) -> Recipe, 2 * size + 5), (random, 100), (random, 2 * size)] {
        let (directory, path) = new_directory();
        let (small, large) = (make(records), make(records + 3 * size));
        generate(&path, &small);
        let (fresh, mapped, along) = (open(&path), open(&path), open(&path));
        check_records(&mapped, &small);
        job(&path, &large, Part::default(), &mut |_, _| check_records(&along, &small)).unwrap();
        for corpus in [&fresh, &mapped, &along] {
            check_records(corpus, &small);
            let present = corpus.present().unwrap();
            assert_eq!((present.ranges().len(), present.ranges()[0].clone()), (1, 0..records));
            let now = corpus.summary().unwrap();
            assert_eq!((now.records, now.expected), (records + 3 * size, Some(records + 3 * size)));
            let sql = "select count(*), max(id) from records";
            let found = corpus.select(Order::Big, sql, &[], || false).unwrap();
            let (count, last) = (Value::Integer(records as i64), Value::Integer(records as i64 - 1));
            assert_eq!(found.rows, [[count, last]]);
            let out = directory.path().join("out.npy");
            let error = qorpus::export(corpus, &out, &false.into(), &mut |_| {}).unwrap_err();
            assert!(matches!(error, Error::Grown(_)) && !out.exists(), "{error}");
        }
        check_records(&open(&path), &large);
        let split = qorpus::core::Split::new(0..100, 3);
        let ids = split.ids(0..split.count(records));
        assert!(ids.iter().all(|&id| id < records));
        assert_eq!(split.ids(0..split.count(records + size))[..ids.len()], ids);
    }
}

#[test]
fn several_grow_one_directory_at_once() {
    let size = size(&random(1));
    let (small, large) = (random(size + 9), random(7 * size + 11));
    let at_once = made(&large);
    for _ in 0..5 {
        let (_directory, path) = new_directory();
        generate(&path, &small);
        std::thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| generate(&path, &large));
            }
        });
        check_equal(&path, &large, &at_once);
    }
}

#[test]
fn a_job_whose_directory_is_grown_meanwhile_stops_and_harms_nothing() {
    let size = size(&random(1));
    let (small, large) = (random(5 * size + 9), random(9 * size));
    let at_once = made(&large);
    for shards_before in 0..6 {
        let (_directory, path) = new_directory();
        let mut is_grown = false;
        // The same process, with a second job, while the first one builds a shard.
        let result = job(&path, &small, Part::default(), &mut |progress, _| {
            if progress.records >= shards_before * size && progress.drafted > 0 && !is_grown {
                is_grown = true;
                let part = Part::new(8, 9).unwrap();
                job(&path, &large, part, &mut |_, _| {}).unwrap();
            }
        });
        let error = result.unwrap_err();
        assert!(is_grown && matches!(error, Error::GrownMeanwhile(_)), "{shards_before}: {error}");
        assert!(verify(&path).damaged.is_empty());
        let refused = job(&path, &small, Part::default(), &mut |_, _| {}).unwrap_err();
        assert!(matches!(refused, Error::HoldsMore { .. }), "{refused}");
        generate(&path, &large);
        check_equal(&path, &large, &at_once);
    }
}

#[test]
fn drafts_of_the_smaller_corpus_are_finished_by_the_larger_job() {
    let size = size(&derived(1));
    let (small, large) = (derived(3 * size), derived(5 * size + 1));
    let at_once = made(&large);
    let (directory, path) = new_directory();
    let stage = TempDir::new().unwrap();
    for staged in [false, true] {
        let options = || GenerateOptions {
            stage: staged.then(|| stage.path().into()),
            shard: (!path.exists()).then_some(size),
            jobs: Some(1),
            ..of_part(Part::default())
        };
        let stop = AtomicBool::new(false);
        let mut report = |progress: Progress| stop.store(progress.drafted > 0, Ordering::Relaxed);
        let (outcome, before) = qorpus::generate(&path, &small, options(), &stop, &mut report).unwrap();
        assert!(outcome == Outcome::Interrupted && before.drafted > 0, "{before:?}");
        let report = &mut |_| {};
        let (_, progress) = qorpus::generate(&path, &large, options(), &false.into(), report).unwrap();
        assert_eq!(progress.made, 5 * size + 1 - before.records, "{staged}");
        check_equal(&path, &large, &at_once);
        assert!(names(stage.path()).is_empty());
        std::fs::remove_dir_all(directory.path().join("big")).unwrap();
    }
}

#[test]
fn what_is_smaller_or_differs_is_refused_and_nothing_is_written() {
    let (_directory, path) = new_directory();
    generate(&path, &random(3_000));
    let before = (names(&path), std::fs::read(path.join("manifest.json")).unwrap());
    let error = job(&path, &random(2_999), Part::default(), &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, Error::HoldsMore { .. }), "{error}");
    let more = RecipeOptions { random: 9_000, ..options() };
    for other in [
        RecipeOptions { seed: 12, ..more.clone() },
        RecipeOptions { length: (5, 16), ..more.clone() },
        RecipeOptions { unitaries: false, ..more },
    ] {
        let error = job(&path, &other.recipe().unwrap(), Part::default(), &mut |_, _| {}).unwrap_err();
        assert!(matches!(error, Error::OtherRecipe { .. }), "{error}");
    }
    // More than there is room for, or than there may be shards.
    let shard = size(&random(1));
    let error = job(&path, &random(shard << 19), Part::default(), &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, Error::NoRoom { .. }), "{error}");
    let error = job(&path, &random(1 << 60), Part::default(), &mut |_, _| {}).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("too many"), "{error}");
    let options = GenerateOptions { shard: Some(5 * shard), ..of_part(Part::default()) };
    let refused = qorpus::generate(&path, &random(9_000), options, &false.into(), &mut |_| {}).unwrap_err();
    assert!(refused.is_usage() && refused.to_string().contains("leave the shard size out"), "{refused}");
    assert_eq!((names(&path), std::fs::read(path.join("manifest.json")).unwrap()), before);
}

#[test]
fn damage_in_a_grown_directory_is_found_and_repaired() {
    let size = size(&random(1));
    let (small, large) = (random(2 * size + 9), random(4 * size));
    let at_once = made(&large);
    let (_directory, path) = new_directory();
    generate(&path, &small);
    // The last shard of the smaller corpus is lost before it is replaced.
    std::fs::remove_file(&shards(&path)[2]).unwrap();
    generate(&path, &large);
    check_equal(&path, &large, &at_once);
    for number in [0, 3] {
        let shard = &shards(&path)[number];
        let mut bytes = std::fs::read(shard).unwrap();
        let middle = bytes.len() - 40_000;
        bytes[middle] ^= 4;
        std::fs::write(shard, bytes).unwrap();
        assert!(!verify(&path).is_clean());
        qorpus::repair(&path, &RepairOptions::default(), &false.into(), &|_| {}).unwrap();
        check_equal(&path, &large, &at_once);
    }
    // A file of another corpus in the place of a shard.
    let other = TempDir::new().unwrap();
    let theirs = other.path().join("big/");
    generate(&theirs, &large);
    std::fs::copy(&shards(&theirs)[1], &shards(&path)[1]).unwrap();
    let found = verify(&path);
    assert!(found.shards[&1].contains("it holds another corpus"), "{:?}", found.shards);
}

/// Receipts and shards of a corpus are those of its first recipe.
#[test]
fn a_lost_manifest_is_made_again_as_the_corpus_grew() {
    let size = size(&random(1));
    let (small, large) = (random(2 * size + 9), random(4 * size));
    let at_once = made(&large);
    let (_directory, path) = new_directory();
    generate(&path, &small);
    generate(&path, &large);
    std::fs::remove_file(path.join("manifest.json")).unwrap();
    let progress = generate(&path, &small);
    assert_eq!(progress.made, 9);
    assert_eq!(generate(&path, &large).made, 0);
    check_equal(&path, &large, &at_once);
}

/// Where locks do not work, a manifest may be replaced by one that was written before the growth.
#[test]
fn a_growth_that_was_undone_is_done_again() {
    let size = size(&random(1));
    let (small, large) = (random(2 * size + 9), random(4 * size));
    let at_once = made(&large);
    let (_directory, path) = new_directory();
    generate(&path, &small);
    let manifest = std::fs::read(path.join("manifest.json")).unwrap();
    generate(&path, &large);
    let reader = open(&path);
    std::fs::write(path.join("manifest.json"), manifest).unwrap();
    check_records(&reader, &large);
    assert_eq!(generate(&path, &large).made, 0);
    check_equal(&path, &large, &at_once);
}

#[test]
fn grown_directories_are_merged_and_exported() {
    for make in [random as fn(u64) -> Recipe, derived] {
        let size = size(&make(1));
        let (small, large) = (make(size + 5), make(3 * size + 1));
        let (at_once, (directory, path)) = (made(&large), new_directory());
        generate(&path, &small);
        generate(&path, &large);
        let out = directory.path().join("merged.db");
        qorpus::merge(&out, std::slice::from_ref(&path), &false.into(), &mut |_| {}).unwrap();
        let merged = CorpusFile::open(&out).unwrap().summary().unwrap();
        assert_eq!((merged.content_hash, merged.format_version), (at_once.content_hash, 1));
        let exported = |corpus: &Corpus, name: &str| {
            let out = directory.path().join(name);
            qorpus::export(corpus, &out, &false.into(), &mut |_| {}).unwrap();
            std::fs::read(out).unwrap()
        };
        assert!(exported(&open(&path), "a.csv") == exported(&open(&out), "b.csv"));
    }
}
