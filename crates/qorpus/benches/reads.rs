//! Times reads of one-qubit corpora of circuits of 5 to 14 letters, in warm caches. Every answer is
//! compared with what is computed anew before it is timed.
//!
//! ```text
//! cargo bench -p qorpus --bench reads               # two million records
//! cargo bench -p qorpus --bench reads -- --test     # each once, and few
//! ```

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark may fail")]

use criterion::{BatchSize, Criterion, Throughput};
use qorpus::core::{Alphabet, Coupling, Gate, Permutation, Scratch, Space};
use qorpus::{
    Circuits, Complex64, Corpus, Dtype, GenerateOptions, Order, Recipe, Rows, Writer, WriterOptions,
};
use std::hint::black_box;
use std::path::Path;

const BATCH: usize = 1024;

/// Bytes of a unitary.
const SIZE: usize = 4 * size_of::<Complex64>();

fn recipe(records: u64, stored: bool) -> Recipe {
    let gates = ["h", "s", "t"].map(|name| Gate::standard(name).unwrap());
    let alphabet = Alphabet::new(gates.into(), 1, Coupling::All).unwrap();
    let space = Space::random(&alphabet, records, 1, 5, 14).unwrap();
    Recipe::new(alphabet, space, Dtype::Complex128, stored)
}

fn generate(path: &Path, recipe: &Recipe) -> Corpus {
    let options = GenerateOptions::default();
    qorpus::generate(path, recipe, options, &false.into(), &mut |_| ()).unwrap();
    Corpus::open(&[path.to_owned()]).unwrap()
}

/// The same records as those of `recipe`, brought by someone.
fn append(path: &Path, recipe: &Recipe) -> Corpus {
    let gates = Some("h,s,t".into());
    let writer =
        Writer::open(path, &WriterOptions { gates, qubits: Some(1), ..WriterOptions::default() }).unwrap();
    let mut circuits = Circuits::default();
    for start in (0..recipe.space().len()).step_by(10_000) {
        circuits.clear();
        recipe.space().circuits(start..recipe.space().len().min(start + 10_000), &mut circuits);
        writer.extend(&circuits, None, &[]).unwrap();
    }
    writer.close().unwrap();
    Corpus::open(&[path.to_owned()]).unwrap()
}

/// The records with these ids, made from the recipe.
fn made(recipe: &Recipe, ids: &[u64]) -> Rows {
    let mut rows = Rows::default();
    ids.iter().for_each(|&id| recipe.space().extend(id..id + 1, &mut rows.circuits));
    let mut unitaries = vec![Complex64::ZERO; 4 * ids.len()];
    recipe.kernel().unitaries(&rows.circuits, &mut Scratch::default(), &mut unitaries);
    Dtype::Complex128.encode(&unitaries, &mut rows.unitaries);
    rows
}

fn check(recipe: &Recipe, ids: &[u64], found: &Rows) {
    let made = made(recipe, ids);
    assert!((&found.circuits, &found.unitaries) == (&made.circuits, &made.unitaries), "other records");
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let records: u64 = if std::env::args().any(|argument| argument == "--test") { 20_000 } else { 2_000_000 };
    let directory = tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target")).unwrap();
    let (recipe, path) = (recipe(records, true), |name| directory.path().join(name));
    let readers = [
        ("stored", generate(&path("stored.db"), &recipe)),
        ("appended", append(&path("appended.db"), &recipe)),
        ("derived", generate(&path("derived.db"), &self::recipe(records, false))),
        ("virtual", Corpus::computed(recipe.clone()).unwrap()),
    ];
    // In each permutation every id occurs once.
    let shuffled = Permutation::new(records, 0);
    let ids: Vec<u64> = (0..records.min(1 << 20)).map(|place| shuffled.apply(place)).collect();
    let mut group = criterion.benchmark_group("reads");
    for (name, reader) in &readers {
        let mut rows = Rows::default();
        for &id in &ids[..BATCH] {
            reader.read(&[id], Order::Big, &mut rows).unwrap();
            check(&recipe, &[id], &rows);
        }
        let mut single = ids.iter().cycle();
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("single, {name}"), |bencher| {
            bencher.iter(|| reader.read(&[*single.next().unwrap()], Order::Big, &mut rows).unwrap());
        });
    }
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, reader) in &readers {
        let mut rows = Rows::default();
        for some in ids.chunks_exact(BATCH).take(8) {
            reader.read(some, Order::Big, &mut rows).unwrap();
            check(&recipe, some, &rows);
        }
        let (mut batches, mut out) = (ids.chunks_exact(BATCH).cycle(), vec![0; BATCH * SIZE]);
        group.bench_function(format!("rows 1024 at random, {name}"), |bencher| {
            bencher.iter(|| reader.read(batches.next().unwrap(), Order::Big, &mut rows).unwrap());
        });
        group.bench_function(format!("1024 at random, {name}"), |bencher| {
            bencher
                .iter(|| reader.unitaries(batches.next().unwrap(), Order::Big, black_box(&mut out)).unwrap());
        });
    }
    for (name, reader) in &readers {
        let (mut out, last) = (vec![0; BATCH * SIZE], records - BATCH as u64);
        let run = |start: u64| start..start + BATCH as u64;
        for start in [0, 7, 1_000, last] {
            reader.unitaries(run(start), Order::Big, &mut out).unwrap();
            assert!(out == made(&recipe, &run(start).collect::<Vec<_>>()).unitaries, "other unitaries");
        }
        let name = if *name == "stored" { "in order".into() } else { format!("in order, {name}") };
        let mut starts = (0..last).step_by(BATCH).cycle();
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || run(starts.next().unwrap()),
                |ids| reader.unitaries(ids, Order::Big, black_box(&mut out)).unwrap(),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    criterion.final_summary();
}
