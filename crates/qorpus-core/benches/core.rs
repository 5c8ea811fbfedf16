//! Rates of the pure core on one thread: circuits drawn, and circuits turned into unitaries.
//!
//! Every benchmark checks its answer against a slower way before it is timed. A batch is as large
//! as a chunk, so that the core is measured and not the memory.

#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use qorpus_core::{
    Alphabet, Circuits, Complex64, Coupling, Gate, Haar, HaarScratch, Kernel, Scratch, Space, naive, preset,
};
use std::hint::black_box;
use std::time::Duration;

/// The batches that are taken in turn: too many letters for a branch predictor to remember.
const BATCHES: u64 = 16;

/// The approximate number of records of a chunk with unitaries on `qubits` qubits.
fn chunk_records(qubits: usize) -> u64 {
    (62_000 / (16 << (2 * qubits))).max(1)
}

fn alphabet(gates: &str, qubits: usize) -> Alphabet {
    let named = || gates.split(',').map(|name| Gate::standard(name).unwrap()).collect();
    Alphabet::new(preset(gates, qubits).unwrap_or_else(named), qubits, Coupling::All).unwrap()
}

/// Consecutive chunks of a space.
fn batches(space: &Space, qubits: usize, count: u64) -> Vec<Circuits> {
    let records = chunk_records(qubits);
    let batch = |number| {
        let mut circuits = Circuits::default();
        space.circuits(number * records..(number + 1) * records, &mut circuits);
        circuits
    };
    (0..count).map(batch).collect()
}

fn unitaries(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    alphabet: &Alphabet,
    batches: &[Circuits],
) {
    let (kernel, mut scratch) = (Kernel::new(alphabet), Scratch::default());
    let size = alphabet.dim() * alphabet.dim();
    let mut out = vec![Complex64::ZERO; batches[0].len() * size];
    for batch in batches {
        kernel.unitaries(batch, &mut scratch, &mut out);
        for (index, unitary) in out.chunks_exact(size).enumerate() {
            let (circuit, angles) = (batch.get(index), batch.angles(index));
            let text = || alphabet.text(circuit, angles);
            assert_eq!(unitary, naive::unitary(alphabet, circuit, angles), "{name}: {}", text());
        }
    }
    let mut turn = batches.iter().cycle();
    group.throughput(Throughput::Elements(batches[0].len() as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            kernel.unitaries(turn.next().unwrap(), &mut scratch, &mut out);
            black_box(&mut out);
        });
    });
}

fn kernel(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("kernel");
    for length in [10, 100] {
        for qubits in 1..=6 {
            let alphabet = alphabet("clifford+t", qubits);
            let space = Space::random(&alphabet, u64::from(u32::MAX), 1, length, length).unwrap();
            let name = format!("{qubits} qubit{}, {length} letters", if qubits == 1 { "" } else { "s" });
            unitaries(&mut group, &name, &alphabet, &batches(&space, qubits, BATCHES));
        }
    }
}

/// Circuits of ten letters, and letters and angles alone.
fn free_angles(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("free angles");
    for (gates, qubits) in [
        ("rz(?);sx", 1),
        ("rx(?);ry(?);rz(?)", 1),
        ("u3(?,?,?)", 1),
        ("rz(?);sx;cx", 2),
        ("rz(?);sx;cx", 3),
        ("rx(?);ry(?);rz(?);cp(?)", 3),
    ] {
        let gates = || gates.split(';').map(|name| Gate::standard(name).unwrap());
        let names: Vec<_> = gates().map(|gate| gate.name().to_owned()).collect();
        let alphabet = Alphabet::new(gates().collect(), qubits, Coupling::All).unwrap();
        let space = Space::random(&alphabet, 1 << 40, 1, 10, 10).unwrap();
        let name = format!("{qubits} qubit{}, {}", if qubits == 1 { "" } else { "s" }, names.join(" "));
        unitaries(&mut group, &name, &alphabet, &batches(&space, qubits, BATCHES));
        draws(&mut group, &format!("{name}, only drawn"), &space);
    }
}

fn words(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("words");
    for (name, gates, qubits, length) in [
        ("1 qubit, h t, 10 letters", "h,t", 1, 10),
        ("1 qubit, h t, 20 letters", "h,t", 1, 20),
        ("2 qubits, h t cx, 10 letters", "h,t,cx", 2, 10),
        ("3 qubits, h t cx, 10 letters", "h,t,cx", 3, 10),
    ] {
        let alphabet = alphabet(gates, qubits);
        let space = Space::words(&alphabet, length, length).unwrap();
        let count = BATCHES.min(space.len() / chunk_records(qubits));
        unitaries(&mut group, name, &alphabet, &batches(&space, qubits, count));
    }
    memory(&mut group);
    group.finish();
}

/// The upper bound: the bytes of a chunk of unitaries on one qubit, copied.
fn memory(group: &mut BenchmarkGroup<'_, WallTime>) {
    let chunk = vec![Complex64::ONE; 4 * chunk_records(1) as usize];
    let mut out = chunk.clone();
    group.throughput(Throughput::Elements(chunk_records(1)));
    group.bench_function("1 qubit, only copied", |bencher| {
        bencher.iter(|| {
            out.copy_from_slice(black_box(&chunk));
            black_box(&mut out);
        });
    });
}

fn sampler(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sampler");
    for (name, gates, qubits, min, max) in [
        ("1 qubit, h s t, 10 letters", "h,s,t", 1, 10, 10),
        ("1 qubit, clifford+t, 10 letters", "clifford+t", 1, 10, 10),
        ("3 qubits, clifford+t, 10 letters", "clifford+t", 3, 10, 10),
        ("1 qubit, clifford+t, 2 to 20 letters", "clifford+t", 1, 2, 20),
        ("1 qubit, clifford+t, 100 letters", "clifford+t", 1, 100, 100),
    ] {
        let space = Space::random(&alphabet(gates, qubits), u64::MAX >> 1, 1, min, max).unwrap();
        draws(&mut group, name, &space);
    }
}

fn draws(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, space: &Space) {
    let (records, mut first, mut circuits) = (chunk_records(1), 0, Circuits::default());
    space.circuits(0..records, &mut circuits);
    let mut one = Circuits::default();
    for (index, circuit) in circuits.iter().enumerate() {
        space.circuits(index as u64..index as u64 + 1, &mut one);
        assert_eq!(circuit, one.get(0), "{name}: record {index}");
        assert_eq!(circuits.angles(index), one.angles(0), "{name}: angles of record {index}");
    }
    group.throughput(Throughput::Elements(records));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            space.circuits(first..first + records, &mut circuits);
            first += records;
            black_box(&mut circuits);
        });
    });
}

fn cliffords(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cliffords");
    for qubits in [1, 2, 3, 5, 8] {
        let alphabet = Space::alphabet_of_cliffords(qubits).unwrap();
        let space = Space::cliffords(&alphabet, 1 << 63, 1).unwrap();
        draws(&mut group, &format!("{qubits} qubit{}", if qubits == 1 { "" } else { "s" }), &space);
    }
}

fn haar(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("haar");
    for qubits in 1..=8 {
        let (haar, records) = (Haar::new(1, qubits), chunk_records(qubits));
        let mut ids: Vec<u64> = (0..records).collect();
        let (mut scratch, size) = (HaarScratch::default(), 1 << (2 * qubits));
        let mut out = vec![Complex64::ZERO; records as usize * size];
        haar.unitaries(&ids, &mut scratch, &mut out);
        for unitary in out.chunks_exact(size).take(10) {
            assert!(rows_are_orthonormal(unitary, 1 << qubits), "{qubits} qubits");
        }
        group.throughput(Throughput::Elements(records));
        group.bench_function(format!("{qubits} qubit{}", if qubits == 1 { "" } else { "s" }), |bencher| {
            bencher.iter(|| {
                haar.unitaries(&ids, &mut scratch, &mut out);
                ids.iter_mut().for_each(|id| *id += records);
                black_box(&mut out);
            });
        });
    }
}

fn rows_are_orthonormal(unitary: &[Complex64], dim: usize) -> bool {
    let product = |a: usize, b: usize| -> Complex64 {
        (0..dim).map(|k| unitary[a * dim + k] * unitary[b * dim + k].conj()).sum()
    };
    (0..dim * dim).all(|at| {
        let expected = if at / dim == at % dim { Complex64::ONE } else { Complex64::ZERO };
        (product(at / dim, at % dim) - expected).norm_sqr() < 1e-24
    })
}

criterion_group! {
    name = core;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .without_plots();
    targets = kernel, free_angles, words, sampler, cliffords, haar
}
criterion_main!(core);
