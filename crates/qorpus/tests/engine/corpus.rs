//! Corpora in real files: generating, sharing, resuming, reading, verifying, repairing, merging.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use qorpus::{
    ChunkDamage, Corpus, CorpusFile, Dtype, Error, GenerateOptions, Ids, Order, Outcome, Part, Recipe,
    RecipeOptions, VerifyOptions,
};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

fn recipe(records: u64) -> Recipe {
    let options =
        RecipeOptions { random: records, gates: Some("h,t,cx".into()), seed: 11, ..RecipeOptions::default() };
    options.recipe().unwrap()
}

fn generate(path: &Path, recipe: &Recipe) -> Outcome {
    qorpus::generate(path, recipe, GenerateOptions::default(), &AtomicBool::new(false), &mut |_| {})
        .unwrap()
        .0
}

fn content(path: &Path) -> String {
    CorpusFile::open(path).unwrap().summary().unwrap().content_hash.to_string()
}

fn verify(path: &Path) -> qorpus::Verification {
    qorpus::verify(path, VerifyOptions::default(), &AtomicBool::new(false), &|_| {}).unwrap()
}

fn file(directory: &TempDir, name: &str) -> PathBuf {
    directory.path().join(name)
}

fn names(directory: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn writers_that_share_a_file_make_what_one_makes() {
    let directory = TempDir::new().unwrap();
    let recipe = recipe(30_000);
    let (one, many) = (file(&directory, "one.db"), file(&directory, "many.db"));
    generate(&one, &recipe);
    let made = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let (outcome, progress) =
                    qorpus::generate(&many, &recipe, GenerateOptions::default(), &false.into(), &mut |_| {})
                        .unwrap();
                assert_eq!((outcome, progress.records), (Outcome::Complete, 30_000));
                made.fetch_add(progress.made, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(made.into_inner(), 30_000, "nobody's work was thrown away");
    assert_eq!(content(&one), content(&many));
    assert!(verify(&many).is_clean());
    assert_eq!(names(&directory), ["many.db", "one.db"], "nothing is left beside a finished corpus");
}

#[test]
fn a_link_leads_to_the_same_queue() {
    let directory = TempDir::new().unwrap();
    let (recipe, real, link) = (recipe(20_000), file(&directory, "real.db"), file(&directory, "link.db"));
    std::fs::write(&real, "").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    std::thread::scope(|scope| {
        for path in [&real, &link, &real, &link] {
            scope.spawn(|| assert_eq!(generate(path, &recipe), Outcome::Complete));
        }
    });
    assert!(verify(&link).is_clean());
    assert_eq!(names(&directory), ["link.db", "real.db"]);
}

#[test]
fn a_finished_file_is_in_no_need_of_a_log() {
    let directory = TempDir::new().unwrap();
    for round in 0..10 {
        let path = file(&directory, &format!("{round}.db"));
        std::thread::scope(|scope| {
            (0..4).for_each(|_| drop(scope.spawn(|| generate(&path, &recipe(2_000)))));
        });
        // Bytes 18 and 19 of the header: 1 is a rollback journal, 2 the write-ahead log.
        assert_eq!(std::fs::read(&path).unwrap()[18..20], [1, 1]);
    }
}

#[test]
fn stopping_keeps_what_is_ready_and_resuming_makes_the_rest() {
    let directory = TempDir::new().unwrap();
    let (recipe, whole, parts) = (recipe(20_000), file(&directory, "whole.db"), file(&directory, "parts.db"));
    generate(&whole, &recipe);
    let mut made = 0;
    let mut stops = 0;
    loop {
        let stop = AtomicBool::new(false);
        let options = GenerateOptions { jobs: Some(1), ..GenerateOptions::default() };
        // The first report comes when chunks are claimed and none is made.
        let (outcome, progress) =
            qorpus::generate(&parts, &recipe, options, &stop, &mut |_| stop.store(true, Ordering::Relaxed))
                .unwrap();
        made += progress.made;
        if outcome == Outcome::Complete {
            break;
        }
        stops += 1;
        assert_eq!(CorpusFile::open(&parts).unwrap().summary().unwrap().records, made);
        if stops == 3 {
            generate(&parts, &recipe);
            break;
        }
    }
    assert_eq!(content(&parts), content(&whole));
    assert!(verify(&parts).is_clean());
    assert_eq!(generate(&parts, &recipe), Outcome::Complete);
}

#[test]
fn parts_make_the_whole_in_one_file_or_merged() {
    let directory = TempDir::new().unwrap();
    let (recipe, whole) = (recipe(5_000), file(&directory, "whole.db"));
    generate(&whole, &recipe);
    let (shared, merged) = (file(&directory, "shared.db"), file(&directory, "merged.db"));
    let mut pieces = Vec::new();
    for index in 0..3 {
        let part = Part::new(index, 3).unwrap();
        let options = GenerateOptions { part, ..GenerateOptions::default() };
        let piece = file(&directory, &format!("piece{index}.db"));
        for path in [&shared, &piece] {
            qorpus::generate(path, &recipe, options.clone(), &AtomicBool::new(false), &mut |_| {}).unwrap();
        }
        assert!(!CorpusFile::open(&piece).unwrap().summary().unwrap().complete);
        assert!(verify(&piece).is_clean(), "a part is incomplete, not damaged");
        pieces.push(piece);
    }
    qorpus::merge(&merged, &pieces, &AtomicBool::new(false), &mut |_| {}).unwrap();
    // Merging again adds nothing.
    let (_, progress) = qorpus::merge(&merged, &pieces, &AtomicBool::new(false), &mut |_| {}).unwrap();
    assert_eq!((progress.made, progress.records), (0, 5_000));
    for path in [shared, merged] {
        assert_eq!(content(&path), content(&whole));
        assert!(verify(&path).is_clean());
    }
    let other = file(&directory, "other.db");
    generate(&other, &self::recipe(5_001));
    let error = qorpus::merge(&other, &pieces, &AtomicBool::new(false), &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::OtherRecipe { .. }), "{error}");
    let error = qorpus::merge(&pieces[0], &pieces, &AtomicBool::new(false), &mut |_| {}).unwrap_err();
    assert!(error.is_usage(), "{error}");
}

/// So many that several threads share them: runs, any order, and short runs of neighbours; from one
/// file, from parts of which no chunk is in the mapping of another, derived ones, and computed
/// ones.
#[test]
fn many_records_are_read_in_shares_as_few_are() {
    let directory = TempDir::new().unwrap();
    let (recipe, whole) = (recipe(70_000), file(&directory, "whole.db"));
    generate(&whole, &recipe);
    let parts = [0, 1].map(|index| {
        let options = GenerateOptions { part: Part::new(index, 2).unwrap(), ..GenerateOptions::default() };
        let path = file(&directory, &format!("part{index}.db"));
        qorpus::generate(&path, &recipe, options, &AtomicBool::new(false), &mut |_| {}).unwrap();
        path
    });
    let options =
        RecipeOptions { random: 70_000, gates: Some("h,t,cx".into()), seed: 11, ..RecipeOptions::default() };
    let derived = RecipeOptions { unitaries: false, ..options }.recipe().unwrap();
    let circuits_alone = file(&directory, "derived.db");
    generate(&circuits_alone, &derived);
    let made = Corpus::computed(recipe.clone()).unwrap();
    let readers = [&[whole][..], &parts, &[circuits_alone]].map(|paths| Corpus::open(paths).unwrap());
    let scattered = qorpus::core::Permutation::new(70_000, 1);
    let blocks = qorpus::core::Permutation::new(1_400, 2);
    let scattered: Vec<u64> = (0..9_000).map(|place| scattered.apply(place)).collect();
    let neighbours: Vec<u64> =
        (0..200).flat_map(|place| blocks.apply(place) * 50..blocks.apply(place) * 50 + 50).collect();
    let size = made.unitary_bytes();
    for ids in [Ids::Run(0..70_000), Ids::Run(777..67_777), Ids::List(&scattered), Ids::List(&neighbours)] {
        let one_by_one: Vec<u64> = match &ids {
            Ids::Run(ids) => ids.clone().collect(),
            Ids::List(ids) => ids.to_vec(),
        };
        let mut expected = Vec::new();
        // So few are not shared out.
        one_by_one.chunks(1000).for_each(|ids| expected.push(made.rows(ids, Order::Little).unwrap()));
        for reader in readers.iter().chain([&made]) {
            let (mut pairs, mut unitaries) = (vec![0; ids.len() * size], vec![0; ids.len() * size]);
            let circuits = reader.pairs(ids.clone(), Order::Little, &mut pairs).unwrap();
            reader.unitaries(ids.clone(), Order::Little, &mut unitaries).unwrap();
            assert!(pairs == unitaries && reader.circuits(ids.clone()).unwrap() == circuits);
            assert!(circuits.iter().eq(expected.iter().flat_map(|rows| rows.circuits.iter())));
            assert!(pairs.iter().eq(expected.iter().flat_map(|rows| &rows.unitaries)));
            let rows = reader.rows(ids.clone(), Order::Little).unwrap();
            assert!(rows.circuits == circuits && rows.unitaries == pairs);
        }
    }
}

#[test]
fn derived_and_stored_records_are_the_same() {
    let directory = TempDir::new().unwrap();
    for dtype in [Dtype::Complex128, Dtype::Complex64] {
        let record = |unitaries: bool| {
            let path = file(&directory, &format!("{}-{unitaries}.db", dtype.name()));
            let options =
                RecipeOptions { random: 300, qubits: Some(3), dtype, unitaries, ..RecipeOptions::default() };
            generate(&path, &options.recipe().unwrap());
            let corpus = CorpusFile::open(&path).unwrap();
            let bits = |id| {
                let record = corpus.record(id, Order::Big).unwrap();
                let bits: Vec<_> = record.unitary.iter().map(|e| (e.re.to_bits(), e.im.to_bits())).collect();
                (record.circuit, bits, record.labels)
            };
            (0..300).map(bits).collect::<Vec<_>>()
        };
        assert_eq!(record(true), record(false));
    }
}

#[test]
fn little_endian_order_reverses_the_qubits() {
    let directory = TempDir::new().unwrap();
    let path = file(&directory, "c.db");
    let options = RecipeOptions {
        gates: Some("cx".into()),
        qubits: Some(3),
        coupling: Some("0-1".into()),
        words: true,
        length: (1, 1),
        ..RecipeOptions::default()
    };
    generate(&path, &options.recipe().unwrap());
    let corpus = CorpusFile::open(&path).unwrap();
    let ones = |order| {
        let unitary = corpus.record(0, order).unwrap().unitary;
        (0..8)
            .map(|row| (0..8).position(|column| unitary[row * 8 + column].re == 1.0).unwrap())
            .collect::<Vec<_>>()
    };
    // cx 0 1 flips qubit 1 where qubit 0 is set.
    assert_eq!(ones(Order::Big), [0, 1, 2, 3, 6, 7, 4, 5]);
    assert_eq!(ones(Order::Little), [0, 3, 2, 1, 4, 7, 6, 5]);
}

#[test]
fn damage_is_named_found_and_mended() {
    let directory = TempDir::new().unwrap();
    let (recipe, path) = (recipe(3_000), file(&directory, "c.db"));
    generate(&path, &recipe);
    let intact = content(&path);
    let size = recipe.chunk_records();
    let sql = |text: &str| Connection::open(&path).unwrap().execute_batch(text).unwrap();
    // A flipped byte in a unitary, one in a circuit, a lost chunk, a changed count, a stray row,
    // wrong totals.
    sql(&format!(
        "UPDATE chunks SET unitaries = CAST(x'ff' || substr(unitaries, 2) AS BLOB) WHERE first_id = {size};
         UPDATE chunks SET circuits = CAST(x'5a' || substr(circuits, 2) AS BLOB) WHERE first_id = {};
         DELETE FROM chunks WHERE first_id = {};
         UPDATE chunks SET count = count - 1 WHERE first_id = {};
         INSERT INTO chunks SELECT first_id + 100, count, checksum, content, circuits, unitaries, labels
             FROM chunks WHERE first_id = 0;
         UPDATE totals SET records = records - 1",
        2 * size,
        3 * size,
        4 * size
    ));
    let corpus = CorpusFile::open(&path).unwrap();
    let fails = |id, reason: &str| {
        let error = corpus.record(id, Order::Big).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    };
    fails(size, &format!("chunk 1 (records {size} to {}) is damaged", 2 * size - 1));
    fails(2 * size, "the checksum of its circuits fails in block 0");
    fails(3 * size, "missing");
    // A wrong count elsewhere in its row, the recipe knows better: a record's own blocks are what
    // counts.
    for id in [0, 4 * size, 5 * size] {
        assert!(corpus.record(id, Order::Big).is_ok());
    }
    let found = verify(&path);
    assert!(!found.is_clean());
    assert_eq!(found.damaged.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(found.damaged[&3], ChunkDamage::Missing);
    assert_eq!(found.damaged[&4], ChunkDamage::Ids);
    drop(corpus);
    qorpus::repair(&path, &qorpus::RepairOptions::default(), &AtomicBool::new(false), &|_| {}).unwrap();
    assert!(verify(&path).is_clean());
    assert_eq!(content(&path), intact);
    assert_eq!(CorpusFile::open(&path).unwrap().summary().unwrap().records, 3_000);
}

#[test]
fn wrong_totals_alone_are_found() {
    let directory = TempDir::new().unwrap();
    let (recipe, path) = (recipe(500), file(&directory, "c.db"));
    generate(&path, &recipe);
    Connection::open(&path).unwrap().execute_batch("UPDATE totals SET content = zeroblob(16)").unwrap();
    assert_eq!(verify(&path).totals, Some(false));
    qorpus::repair(&path, &qorpus::RepairOptions::default(), &AtomicBool::new(false), &|_| {}).unwrap();
    assert_eq!(verify(&path).totals, Some(true));
}

#[test]
fn records_that_are_not_what_the_recipe_makes_are_found() {
    let directory = TempDir::new().unwrap();
    let (mine, other) = (file(&directory, "mine.db"), file(&directory, "other.db"));
    let recipe = recipe(500);
    generate(&mine, &recipe);
    generate(&other, &recipe);
    // Intact bytes in the wrong place: every seal is right, but for another chunk.
    let size = recipe.chunk_records();
    let sql = format!(
        "UPDATE chunks SET (checksum, content, circuits, unitaries) =
             (SELECT checksum, content, circuits, unitaries FROM chunks WHERE first_id = 0) WHERE first_id = {size}"
    );
    Connection::open(&mine).unwrap().execute_batch(&sql).unwrap();
    assert_eq!(verify(&mine).damaged.keys().copied().collect::<Vec<_>>(), [1]);
}

#[test]
fn other_files_are_left_alone() {
    let directory = TempDir::new().unwrap();
    let (text, database, newer) =
        (file(&directory, "a.txt"), file(&directory, "b.db"), file(&directory, "c.db"));
    std::fs::write(&text, "not a database, but long enough to be looked at".repeat(100)).unwrap();
    Connection::open(&database).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    generate(&newer, &recipe(10));
    Connection::open(&newer).unwrap().execute_batch("PRAGMA user_version = 1000").unwrap();
    for (path, reason) in [
        (&text, "not an SQLite file"),
        (&database, "an SQLite file of another program"),
        (&newer, "use a newer Qorpus"),
    ] {
        let before = std::fs::read(path).unwrap();
        let writing =
            qorpus::generate(path, &recipe(10), GenerateOptions::default(), &false.into(), &mut |_| {})
                .unwrap_err();
        let reading = CorpusFile::open(path).unwrap_err();
        assert!(writing.to_string().contains(reason) && reading.to_string().contains(reason), "{writing}");
        assert!(std::fs::read(path).unwrap() == before);
    }
    assert_eq!(names(&directory), ["a.txt", "b.db", "c.db"]);
}

#[test]
fn another_recipe_is_refused_by_both_names() {
    let directory = TempDir::new().unwrap();
    let path = file(&directory, "c.db");
    generate(&path, &recipe(10));
    let options =
        RecipeOptions { random: 11, gates: Some("h,t,cx".into()), seed: 12, ..RecipeOptions::default() };
    let other = options.recipe().unwrap();
    let error = qorpus::generate(&path, &other, GenerateOptions::default(), &false.into(), &mut |_| {});
    let error = error.unwrap_err().to_string();
    assert!(error.contains("10 random circuits") && error.contains("11 random circuits"), "{error}");
    assert_eq!(CorpusFile::open(&path).unwrap().summary().unwrap().records, 10);
}

#[test]
fn a_truncated_file_says_so() {
    let directory = TempDir::new().unwrap();
    let path = file(&directory, "c.db");
    generate(&path, &recipe(2_000));
    let size = std::fs::metadata(&path).unwrap().len();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(size / 2).unwrap();
    let error = CorpusFile::open(&path).unwrap_err();
    assert!(matches!(error, Error::Truncated { .. }), "{error}");
}

#[test]
fn a_transaction_of_another_program_is_waited_for() {
    let directory = TempDir::new().unwrap();
    let (path, recipe) = (file(&directory, "c.db"), recipe(2_000));
    let stop = AtomicBool::new(false);
    let options = GenerateOptions { jobs: Some(1), ..GenerateOptions::default() };
    qorpus::generate(&path, &recipe, options, &stop, &mut |_| stop.store(true, Ordering::Relaxed)).unwrap();
    // The other program opened the file with a copy of SQLite of its own only in name: it is the
    // same library.
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let job = scope.spawn(|| generate(&path, &recipe));
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(!job.is_finished());
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(job.join().unwrap(), Outcome::Complete);
    });
}

/// Corpora are expensive: this file was made by the first release and must be read by every later
/// one.
#[test]
fn files_of_version_1_are_read_for_ever() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/format-v1.db");
    let directory = TempDir::new().unwrap();
    let path = file(&directory, "old.db");
    std::fs::copy(kept, &path).unwrap();
    let corpus = CorpusFile::open(&path).unwrap();
    let summary = corpus.summary().unwrap();
    assert_eq!(summary.content_hash.to_string(), "691b12a5d52a3b4764894ecef9de53d4");
    assert!(summary.complete && verify(&path).is_clean());
    let record = corpus.record(71, Order::Big).unwrap();
    assert_eq!(
        corpus.recipe().alphabet().text(&record.circuit, &record.angles),
        "root_y 0; cx 0 1; cx 1 0; rz(pi/8) 1; h 0"
    );
}
