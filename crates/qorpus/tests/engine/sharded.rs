//! Sharded corpora: made by one or many, read as one, checked and mended.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use crate::directory::{names, shards};
use qorpus::{
    Corpus, CorpusFile, Durability, Error, GenerateOptions, Order, Outcome, Part, Progress, Recipe,
    RecipeOptions, RepairOptions, VerifyOptions, begin, repair, seal, verify,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// Some chunks, of which shards have two; the last is shorter.
fn recipe() -> Recipe {
    let options = RecipeOptions { random: 5_001, ..RecipeOptions::default() };
    options.recipe().unwrap()
}

fn options() -> GenerateOptions {
    let shard = Some(2 * recipe().chunk_records());
    GenerateOptions { shard, jobs: Some(2), durability: Durability::Off, ..GenerateOptions::default() }
}

fn try_generate(
    path: &Path,
    recipe: &Recipe,
    options: GenerateOptions,
) -> Result<(Outcome, Progress), Error> {
    qorpus::generate(path, recipe, options, &false.into(), &mut |_| {})
}

fn generate(path: &Path, options: GenerateOptions) -> (Outcome, Progress) {
    try_generate(path, &recipe(), options).unwrap()
}

/// A directory that is to be made, in one that is removed at the end.
fn new_directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("big/");
    (directory, path)
}

fn generated() -> (TempDir, PathBuf) {
    let (directory, path) = new_directory();
    generate(&path, options());
    (directory, path)
}

fn open(path: &Path) -> Corpus {
    Corpus::open(&[path.into()]).unwrap()
}

fn verified(path: &Path) -> qorpus::Verification {
    verify(path, VerifyOptions::default(), &false.into(), &|_| {}).unwrap()
}

fn repaired(path: &Path) -> qorpus::Verification {
    repair(path, &RepairOptions::default(), &false.into(), &|_| {}).unwrap()
}

#[test]
fn a_directory_is_read_like_one_file() {
    let (directory, path) = generated();
    let one = directory.path().join("one.db");
    try_generate(&one, &recipe(), GenerateOptions::default()).unwrap();
    let (one, many) = (open(&one), open(&path));
    let (of_one, of_many) = (one.summary().unwrap(), many.summary().unwrap());
    assert_eq!((of_one.content_hash, of_one.records), (of_many.content_hash, of_many.records));
    assert!(of_many.complete && of_many.expected == Some(5_001));
    assert_eq!(many.paths(), [path.canonicalize().unwrap()]);
    let len = recipe().space().len();
    let shuffled = qorpus::core::Permutation::new(len, 3);
    let lists: [Vec<u64>; 4] = [
        (0..len).collect(),
        (0..len).rev().collect(),
        (0..len).map(|place| shuffled.apply(place)).chain([0, 5_000, 0]).collect(),
        vec![len - 1],
    ];
    for order in [Order::Big, Order::Little] {
        for ids in &lists {
            assert!(one.rows(ids, order).unwrap() == many.rows(ids, order).unwrap());
        }
    }
    for run in [0..len, 1..2, 700..2_900, len - 1..len, 9..9] {
        assert!(one.rows(run.clone(), Order::Big).unwrap() == many.rows(run, Order::Big).unwrap());
    }
    assert_eq!(many.record(4_321, Order::Big).unwrap(), one.record(4_321, Order::Big).unwrap());
    assert!(matches!(many.record(len, Order::Big), Err(Error::NoRecord { .. })));
    // Each is an ordinary corpus, of which the rest is missing.
    for (number, shard) in shards(&path).iter().enumerate() {
        let corpus = CorpusFile::open(shard).unwrap();
        let first = number as u64 * 2 * recipe().chunk_records();
        assert_eq!(corpus.record(first, Order::Big).unwrap(), one.record(first, Order::Big).unwrap());
        assert!(!corpus.summary().unwrap().complete);
        assert!(shard.file_name().unwrap().to_str().unwrap().starts_with(&format!("{first:012}-")));
    }
}

#[test]
fn nothing_is_left_beside_what_was_made() {
    let (_directory, path) = generated();
    let there = names(&path);
    assert!(
        there
            .iter()
            .all(|name| name.ends_with(".db") || ["manifest.json", "receipts"].contains(&name.as_str()))
    );
    assert_eq!(names(&path.join("receipts")).len(), shards(&path).len());
    let before: Vec<_> =
        shards(&path).iter().map(|shard| shard.metadata().unwrap().modified().unwrap()).collect();
    let (outcome, progress) = generate(&path, options());
    assert_eq!((outcome, progress.made, progress.records), (Outcome::Complete, 0, 5_001));
    let after: Vec<_> =
        shards(&path).iter().map(|shard| shard.metadata().unwrap().modified().unwrap()).collect();
    assert_eq!((names(&path), before), (there, after));
    assert_eq!(seal(&path).unwrap().version, 1);
}

#[test]
fn parts_are_every_nth_shard_and_seal_says_what_is_missing() {
    let (_directory, path) = new_directory();
    let part = |index| GenerateOptions { part: Part::new(index, 3).unwrap(), ..options() };
    let size = 2 * recipe().chunk_records();
    let (_, progress) = generate(&path, part(1));
    assert_eq!(progress.records, progress.expected);
    assert!(shards(&path)[0].ends_with(format!("{size:012}-{:012}.db", 2 * size)));
    // What is not sealed is not read.
    let reader = open(&path);
    assert!(matches!(reader.record(size, Order::Big), Err(Error::NotYet { records: 0, .. })));
    let sealed = seal(&path).unwrap();
    assert_eq!((sealed.version, sealed.records, sealed.expected), (1, progress.records, 5_001));
    assert_eq!(sealed.missing[..2], [0..size, 2 * size..4 * size]);
    // A reader that was open before sees it.
    reader.record(size, Order::Big).unwrap();
    assert!(matches!(reader.record(0, Order::Big), Err(Error::NotYet { id: 0, .. })));
    assert_eq!(reader.summary().unwrap().records, progress.records);
    let found = verified(&path);
    assert!(!found.is_clean() && found.damaged.is_empty() && found.missing == sealed.missing);
    generate(&path, part(0));
    generate(&path, part(2));
    let sealed = seal(&path).unwrap();
    assert_eq!((sealed.version, sealed.missing.len(), sealed.records), (2, 0, 5_001));
    assert_eq!(seal(&path).unwrap(), sealed);
    let found = verified(&path);
    assert!(found.is_clean() && found.records == 5_001 && found.recomputed == 5_001);
    let whole = generated();
    assert_eq!(open(&whole.1).summary().unwrap().content_hash, sealed.content_hash);
}

#[test]
fn many_at_once_make_each_shard_once() {
    let (_directory, path) = new_directory();
    let made: Vec<u64> = std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let (outcome, progress) = generate(&path, GenerateOptions { jobs: Some(1), ..options() });
                    assert_eq!((outcome, progress.records), (Outcome::Complete, 5_001));
                    progress.made
                })
            })
            .collect();
        jobs.into_iter().map(|job| job.join().unwrap()).collect()
    });
    assert_eq!(made.iter().sum::<u64>(), 5_001, "{made:?}");
    assert!(verified(&path).is_clean());
    assert_eq!(names(&path).len(), shards(&path).len() + 2);
}

/// With eight threads one process builds four shards at once.
#[test]
fn shards_are_built_side_by_side() {
    let side_by_side = || GenerateOptions { jobs: Some(8), ..options() };
    let (_directory, path) = new_directory();
    let mut reports = Vec::new();
    let mut report = |progress: Progress| reports.push(progress);
    let (outcome, last) =
        qorpus::generate(&path, &recipe(), side_by_side(), &false.into(), &mut report).unwrap();
    assert_eq!((outcome, last.records, last.made, last.drafted), (Outcome::Complete, 5_001, 5_001, 0));
    assert!(reports.is_sorted_by_key(|progress| progress.made) && reports.last() == Some(&last));
    assert!(reports.iter().all(|progress| progress.records <= 5_001 && progress.expected == 5_001));
    let (_other, alone) = new_directory();
    generate(&alone, GenerateOptions { jobs: Some(1), ..options() });
    assert_eq!(open(&path).summary().unwrap().content_hash, open(&alone).summary().unwrap().content_hash);
    assert_eq!(names(&path), names(&alone));
    assert!(verified(&path).is_clean());
}

/// The error of one shard ends the job. The drafts of the others are continued.
#[test]
fn a_shard_that_fails_stops_those_beside_it() {
    let (_directory, path) = generated();
    let third = shards(&path)[2].clone();
    for shard in shards(&path) {
        std::fs::remove_file(shard).unwrap();
    }
    std::fs::remove_dir_all(path.join("receipts")).unwrap();
    std::fs::create_dir_all(third.join("in the way")).unwrap();
    let side_by_side = || GenerateOptions { jobs: Some(8), ..options() };
    let error = try_generate(&path, &recipe(), side_by_side()).unwrap_err();
    assert!(matches!(&error, Error::NoPlainFile(file) if *file == third), "{error}");
    std::fs::remove_dir_all(&third).unwrap();
    assert_eq!(generate(&path, side_by_side()).0, Outcome::Complete);
    assert!(verified(&path).is_clean());
}

#[test]
fn what_was_interrupted_goes_on() {
    for jobs in [1, 8] {
        interrupted_with(jobs);
    }
}

fn interrupted_with(jobs: usize) {
    let (_directory, path) = new_directory();
    let mut rounds = 0;
    loop {
        let stop = AtomicBool::new(false);
        let mut report = |progress: Progress| stop.store(progress.made > 0, Ordering::Relaxed);
        let options = GenerateOptions { jobs: Some(jobs), ..options() };
        let (outcome, progress) = qorpus::generate(&path, &recipe(), options, &stop, &mut report).unwrap();
        rounds += 1;
        if outcome == Outcome::Complete {
            assert_eq!(progress.records, 5_001);
            break;
        }
        assert!(rounds < 100);
    }
    assert!((rounds > 1 || jobs > 1) && verified(&path).is_clean());
}

#[test]
fn another_recipe_or_cut_is_refused_and_named() {
    let (directory, path) = generated();
    let other = RecipeOptions { random: 5_000, ..RecipeOptions::default() }.recipe().unwrap();
    let refused = try_generate(&path, &other, options()).unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("5,001 random") && text.contains("5,000 random"), "{text}");
    let shard = Some(recipe().chunk_records());
    let refused = try_generate(&path, &recipe(), GenerateOptions { shard, ..options() }).unwrap_err();
    assert!(
        refused.is_usage() && refused.to_string().contains("leave the shard size out (--shard"),
        "{refused}"
    );
    generate(&path, GenerateOptions { shard: None, ..options() });
    // A file takes neither.
    let file = directory.path().join("c.db");
    let refused = try_generate(&file, &recipe(), options()).unwrap_err();
    assert!(refused.is_usage() && !file.exists());
}

#[test]
fn a_directory_of_other_things_is_left_alone() {
    let (directory, path) = new_directory();
    std::fs::write(directory.path().join("letter.txt"), "precious").unwrap();
    let refused = try_generate(directory.path(), &recipe(), options());
    assert!(refused.unwrap_err().to_string().contains("letter.txt"));
    assert_eq!(names(directory.path()), ["letter.txt"]);
    let nowhere = directory.path().join("no/where/");
    let refused = try_generate(&nowhere, &recipe(), options());
    assert!(matches!(refused, Err(Error::MissingDirectory(_))));
    std::fs::create_dir(&path).unwrap();
    generate(&path, options());
    assert!(verified(&path).is_clean());
}

#[test]
fn lost_and_damaged_shards_are_found_and_made_again() {
    let other = RecipeOptions { random: 5_001, seed: 1, ..RecipeOptions::default() }.recipe().unwrap();
    type Harm = fn(&Path, &Path, &Recipe);
    let harms: [(&str, Harm); 6] = [
        ("deleted", |shard, _, _| std::fs::remove_file(shard).unwrap()),
        ("cut", |shard, _, _| {
            let file = std::fs::File::options().write(true).open(shard).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }),
        ("exchanged", |shard, next, _| {
            std::fs::copy(next, shard).unwrap();
        }),
        ("another recipe", |shard, _, other| {
            std::fs::remove_file(shard).unwrap();
            try_generate(shard, other, GenerateOptions::default()).unwrap();
        }),
        ("a bit", |shard, _, _| {
            let mut bytes = std::fs::read(shard).unwrap();
            let middle = bytes.len() - 40_000;
            bytes[middle] ^= 4;
            std::fs::write(shard, bytes).unwrap();
        }),
        ("added to", |shard, _, _| {
            try_generate(shard, &recipe(), GenerateOptions::default()).unwrap();
        }),
    ];
    for (what, harm) in harms {
        let (_directory, path) = generated();
        let hash = open(&path).summary().unwrap().content_hash;
        let (files, size) = (shards(&path), 2 * recipe().chunk_records());
        harm(&files[1], &files[2], &other);
        let found = verified(&path);
        assert!(!found.is_clean() && found.missing.is_empty(), "{what}");
        let of_chunks = found.damaged.keys().all(|number| number / 2 == 1);
        let of_shards = found.shards.keys().all(|number| *number == 1);
        assert!(of_chunks && of_shards && found.damaged.len() + found.shards.len() > 0, "{what}: {found:?}");
        // Each record is right, or it is said that it is not.
        let (reader, made) = (open(&path), Corpus::computed(recipe()).unwrap());
        for id in (0..5_001).step_by(50) {
            match reader.record(id, Order::Big) {
                Ok(record) => assert_eq!(record, made.record(id, Order::Big).unwrap()),
                Err(error) => assert!((size..2 * size).contains(&id), "{what}: {id}: {error}"),
            }
        }
        let untouched = files[0].metadata().unwrap().modified().unwrap();
        repaired(&path);
        assert!(verified(&path).is_clean(), "{what}");
        assert_eq!(open(&path).summary().unwrap().content_hash, hash, "{what}");
        assert_eq!(files[0].metadata().unwrap().modified().unwrap(), untouched);
        assert_eq!(names(&path).len(), files.len() + 2, "{what}");
        // A reader that had it open follows.
        assert_eq!(reader.record(size, Order::Big).unwrap(), made.record(size, Order::Big).unwrap());
    }
}

#[test]
fn a_lost_shard_is_made_again_by_generate_too() {
    let (_directory, path) = generated();
    let (files, sealed) = (shards(&path), seal(&path).unwrap());
    std::fs::remove_file(&files[3]).unwrap();
    assert_eq!(seal(&path).unwrap().missing.len(), 1);
    let (_, progress) = generate(&path, options());
    assert_eq!(progress.made, 2 * recipe().chunk_records());
    assert_eq!(seal(&path).unwrap().content_hash, sealed.content_hash);
    assert!(verified(&path).is_clean());
}

#[test]
fn published_shards_get_receipts_and_are_not_made_again() {
    let (_directory, path) = generated();
    let hash = seal(&path).unwrap().content_hash;
    std::fs::remove_file(path.join("manifest.json")).unwrap();
    std::fs::remove_dir_all(path.join("receipts")).unwrap();
    let (_, progress) = generate(&path, options());
    assert_eq!((progress.made, seal(&path).unwrap().content_hash), (0, hash));
    // A receipt that is damaged is as good as none.
    let receipt = path.join("receipts").join(&names(&path.join("receipts"))[2]);
    std::fs::write(&receipt, "{").unwrap();
    let (_, progress) = generate(&path, options());
    assert_eq!(progress.made, 0);
    assert!(
        std::fs::read_to_string(receipt).unwrap().contains("qorpus_receipt") && verified(&path).is_clean()
    );
}

#[test]
fn shards_are_built_elsewhere_and_copied() {
    let (directory, path) = new_directory();
    let stage = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
    let staged = GenerateOptions { stage: Some(stage.path().into()), ..options() };
    let missing = GenerateOptions { stage: Some(directory.path().join("no")), ..options() };
    let refused = try_generate(&path, &recipe(), missing);
    assert!(matches!(refused, Err(Error::MissingDirectory(_))) && !path.exists());
    generate(&path, staged);
    assert!(verified(&path).is_clean() && names(stage.path()).is_empty());
    let (_other, here) = generated();
    assert_eq!(seal(&path).unwrap().content_hash, seal(&here).unwrap().content_hash);
}

#[test]
fn what_is_begun_says_which_parts_there_are() {
    let (_directory, path) = new_directory();
    let begun = begin(&path, &recipe(), options().shard).unwrap();
    assert_eq!((begun.version, begun.records, begun.missing[0].clone()), (0, 0, 0..5_001));
    for number in 0..begun.of {
        let part = Part::new(number, begun.of).unwrap();
        let (_, progress) = generate(&path, GenerateOptions { part, shard: None, ..options() });
        assert!(progress.records <= begun.shard_records);
        assert_eq!(shards(&path).len() as u64, number + 1);
    }
    assert!(begin(&path, &recipe(), None).unwrap().missing.is_empty());
}

#[test]
fn appended_and_enumerated_corpora_are_files() {
    let (_directory, path) = new_directory();
    let writer = qorpus::WriterOptions { gates: Some("h".into()), qubits: Some(1), ..Default::default() };
    let appended = writer.recipe().unwrap().unwrap();
    let distinct = qorpus::DistinctOptions { qubits: Some(1), max_length: Some(3), ..Default::default() };
    for recipe in [appended, distinct.recipe().unwrap()] {
        let refused = try_generate(&path, &recipe, options()).unwrap_err();
        assert!(refused.is_usage() && !path.exists(), "{refused}");
    }
}
