//! Targets that are not precise: found where one record clearly is meant, and never proven absent.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use crate::recipes::enumeration;
use proptest::prelude::*;
use qorpus::core::{DenseArithmetic, Equivalence, ExactLetters, Split, distance};
use qorpus::{
    Complex64, CorpusFile, Durability, EnumerateOptions, FindOptions, Found, Order, Target, enumerate,
};
use std::path::Path;

const EXACT: [&str; 6] = ["h", "t", "tdg", "s", "sx", "cx"];
const FLOATING: [&str; 6] = ["rz(0.3)", "rx(0.7)", "ry(-1.1)", "h", "cp(0.4)", "cx"];

fn corpus(path: &Path, gates: &str, qubits: usize, max_length: usize, up_to: Equivalence) -> CorpusFile {
    let recipe = enumeration(gates, qubits, max_length, up_to);
    let job = EnumerateOptions { memory: Some(16 << 20), jobs: Some(1), durability: Durability::Off };
    enumerate(path, &recipe, job, &false.into(), &mut |_| {}).unwrap();
    CorpusFile::open(path).unwrap()
}

/// The gates of `all` that the bits of `chosen` say, at least one of them.
fn some(all: [&str; 6], chosen: u8, qubits: usize) -> String {
    let fits = |name: &&str| qubits == 2 || !name.starts_with('c');
    let kept: Vec<&str> = all.into_iter().filter(fits).collect();
    let some: Vec<&str> = (0..kept.len()).filter(|bit| chosen >> bit & 1 == 1).map(|bit| kept[bit]).collect();
    if some.is_empty() { kept[0].into() } else { some.join(",") }
}

/// How a unitary loses its precision.
#[derive(Debug, Clone, Copy)]
enum Noise {
    Additive,
    Single,
    Decimals,
    /// By a rotation about z of the first qubit: it is as unitary as before.
    Unitary,
    /// By a factor.
    Scale,
}

fn noisy(unitary: &[Complex64], noise: Noise, size: f64, seed: u64) -> Vec<Complex64> {
    let places: Vec<u64> = (0..unitary.len() as u64).collect();
    let decimals = 10f64.powi((-size.log10()).round() as i32);
    let entry = |(k, &z): (usize, &Complex64)| match noise {
        Noise::Additive => {
            // Any pseudo-random angle of the seed and the place.
            let angle = Split::new(0..500, seed ^ places[k]).ids([k as u64])[0] as f64;
            z + Complex64::new(angle.cos(), angle.sin()) * size
        }
        Noise::Single => Complex64::new(f64::from(z.re as f32), f64::from(z.im as f32)),
        Noise::Decimals => {
            Complex64::new((z.re * decimals).round() / decimals, (z.im * decimals).round() / decimals)
        }
        Noise::Unitary => match k < unitary.len() / 2 {
            true => z * Complex64::new(size.cos(), size.sin()),
            false => z * Complex64::new(size.cos(), -size.sin()),
        },
        Noise::Scale => z * (1.0 + size),
    };
    unitary.iter().enumerate().map(entry).collect()
}

fn noises() -> impl Strategy<Value = Noise> {
    prop_oneof![
        Just(Noise::Additive),
        Just(Noise::Single),
        Just(Noise::Decimals),
        Just(Noise::Unitary),
        Just(Noise::Scale),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a record lost, `find` never claims a proof that the enumeration contradicts; what
    /// it names is as near as it says, and no other record is nearer.
    #[test]
    fn nothing_false_is_proven(
        (is_exact, chosen, qubits, up_to_phase) in (any::<bool>(), 1u8..64, 1usize..3, any::<bool>()),
        trials in prop::collection::vec((any::<u64>(), noises(), 2.0f64..16.0, any::<u64>(), any::<bool>()), 12),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let up_to = if up_to_phase { Equivalence::GlobalPhase } else { Equivalence::Exact };
        let gates = some(if is_exact { EXACT } else { FLOATING }, chosen, qubits);
        let corpus = corpus(&directory.path().join("c.db"), &gates, qubits, 3, up_to);
        let unitaries: Vec<_> =
            (0..corpus.len().unwrap()).map(|id| corpus.record(id, Order::Big).unwrap().unitary).collect();
        for (place, noise, digits, seed, extend) in trials {
            let (id, size) = (place % unitaries.len() as u64, 10f64.powf(-digits));
            let given = noisy(&unitaries[id as usize], noise, size, seed);
            let Ok(target) = Target::new(given.clone(), 1 << qubits, matches!(noise, Noise::Single)) else {
                prop_assert!(size > 1e-3, "{noise:?} {size:e} is refused");
                continue;
            };
            let options = FindOptions { extend, tolerance: None };
            let found = corpus.find(&target, options, &mut || false).unwrap();
            let off: Vec<f64> = unitaries.iter().map(|other| distance(&given, other, up_to)).collect();
            let least = off.iter().copied().fold(f64::MAX, f64::min);
            match &found {
                Found::Record { id, .. } => prop_assert!(off[*id as usize] <= 1.5e-9, "{found:?}"),
                Found::Near { id: Some(id), distance, tolerance, .. } => {
                    prop_assert!((off[*id as usize] - distance).abs() < 1e-12 && *distance <= *tolerance);
                    prop_assert!(*distance <= least + 1e-12, "{found:?} {least:e}");
                }
                Found::Unclear { nearest, .. } => {
                    let (_, _, distance) = nearest.as_ref().unwrap();
                    prop_assert!((distance - least).abs() < 1e-12, "{found:?} {least:e}");
                }
                // Only a unitary that is another one may be proven absent, or be that of a longer
                // circuit.
                other => {
                    prop_assert!(matches!(noise, Noise::Unitary) && least > 5e-7, "{noise:?} {size:e}: {other:?} {least:e}");
                }
            }
        }
    }
}

/// A target just outside what counts as equal to a record does not get a longer circuit of the same
/// unitary.
#[test]
fn a_longer_circuit_is_nearer_than_any_record() {
    let directory = tempfile::tempdir().unwrap();
    for up_to in [Equivalence::Exact, Equivalence::GlobalPhase] {
        let path = directory.path().join(format!("{up_to:?}.db"));
        let corpus = corpus(&path, "rz(0.3),rx(0.7),h", 1, 3, up_to);
        for id in 0..corpus.len().unwrap() {
            let unitary = corpus.record(id, Order::Big).unwrap().unitary;
            for step in 0..20 {
                let given = noisy(&unitary, Noise::Unitary, 0.9e-12 + 0.05e-12 * f64::from(step), 0);
                let target = Target::new(given, 2, false).unwrap();
                let options = FindOptions { extend: true, tolerance: None };
                let found = corpus.find(&target, options, &mut || false).unwrap();
                let (Found::Record { id: of, .. } | Found::Unclear { nearest: Some((of, ..)), .. }) = found
                else {
                    panic!("{id}: {found:?}");
                };
                assert_eq!(of, id);
            }
        }
    }
}

/// One clear match is found and named, of all kinds of unitaries that lost digits.
#[test]
fn records_that_lost_digits_are_found() {
    let directory = tempfile::tempdir().unwrap();
    for (number, gates) in ["h,t,tdg,cx", "rz(0.3),h,cx"].into_iter().enumerate() {
        let corpus =
            corpus(&directory.path().join(format!("{number}.db")), gates, 2, 3, Equivalence::GlobalPhase);
        let records = corpus.len().unwrap();
        for (noise, size) in [
            (Noise::Single, 1e-8),
            (Noise::Decimals, 1e-8),
            (Noise::Decimals, 1e-4),
            (Noise::Additive, 1e-6),
            (Noise::Scale, 1e-7),
        ] {
            let targets: Vec<_> = (0..records)
                .map(|id| noisy(&corpus.record(id, Order::Big).unwrap().unitary, noise, size, id))
                .map(|given| Target::new(given, 4, matches!(noise, Noise::Single)).unwrap())
                .collect();
            let found = corpus.find_many(&targets, FindOptions::default(), &mut || false).unwrap();
            for (id, found) in found.iter().enumerate() {
                let (Found::Record { id: of, .. } | Found::Near { id: Some(of), .. }) = found else {
                    panic!("{gates} {noise:?} {id}: {found:?}");
                };
                assert_eq!(*of, id as u64, "{gates} {noise:?}: {found:?}");
            }
        }
    }
}

/// A tolerance takes the nearest record within it, and proves nothing even where the question would
/// be exact.
#[test]
fn a_tolerance_takes_the_nearest_and_proves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let corpus = corpus(&directory.path().join("c.db"), "h,t", 1, 6, Equivalence::GlobalPhase);
    let turned = |angle: f64| {
        let (sin, cos) = (angle / 2.0f64).sin_cos();
        let zero = Complex64::ZERO;
        Target::of_circuit(vec![Complex64::new(cos, -sin), zero, zero, Complex64::new(cos, sin)])
    };
    let find = |target: &Target, tolerance: Option<f64>| {
        corpus.find(target, FindOptions { extend: false, tolerance }, &mut || false)
    };
    assert_eq!(find(&turned(0.8), None).unwrap(), Found::BeyondLength(6));
    let near = find(&turned(0.8), Some(0.01)).unwrap();
    let Found::Near { id: Some(id), distance, .. } = near else { panic!("{near:?}") };
    assert!(distance < 0.008, "rz(pi/4) is 0.0073 away: {distance}");
    let exactly = find(&turned(std::f64::consts::FRAC_PI_4), None).unwrap();
    assert!(matches!(exactly, Found::Record { id: of, .. } if of == id), "{exactly:?}");
    let far = find(&turned(0.8), Some(1e-4)).unwrap();
    assert!(
        matches!(&far, Found::Unclear { nearest: Some((of, ..)), within: 0, .. } if *of == id),
        "{far:?}"
    );
    for tolerance in [0.0, -1.0, 2.5, f64::NAN, f64::INFINITY] {
        assert!(find(&turned(0.8), Some(tolerance)).unwrap_err().is_usage(), "{tolerance}");
    }
}

/// A circuit longer than those of the corpus is put together for a target of few digits, too.
#[test]
fn few_digits_meet_in_the_middle() {
    let directory = tempfile::tempdir().unwrap();
    for (number, gates) in ["h,t,cx", "rz(0.3),h,cx"].into_iter().enumerate() {
        let path = |length: usize| directory.path().join(format!("{number}-{length}.db"));
        let [small, large] =
            [2, 4].map(|length| corpus(&path(length), gates, 2, length, Equivalence::GlobalPhase));
        for id in (small.len().unwrap()..large.len().unwrap()).step_by(7) {
            let record = large.record(id, Order::Big).unwrap();
            let given = noisy(&record.unitary, Noise::Single, 0.0, 0);
            let target = Target::new(given, 4, true).unwrap();
            let found = small.find(&target, FindOptions::default(), &mut || false).unwrap();
            match found {
                Found::Circuit { circuit, .. } => assert_eq!(circuit, record.circuit),
                Found::Near { id: None, circuit, distance, .. } => {
                    assert!(distance < 1e-7 && circuit == record.circuit, "{circuit:?} {record:?}");
                }
                other => panic!("{gates} {id}: {other:?}"),
            }
        }
    }
}

/// Letters of the exact arithmetic say up to which length noise hides nothing.
#[test]
fn lengths_beyond_the_digits_are_gone_through() {
    let directory = tempfile::tempdir().unwrap();
    let corpus = corpus(&directory.path().join("c.db"), "h,t", 1, 12, Equivalence::GlobalPhase);
    let letters = ExactLetters::new(corpus.recipe().alphabet(), Equivalence::GlobalPhase).unwrap();
    assert!(!letters.is_complete(8.0 * 1e-3, 12) && letters.is_complete(1e-6, 12));
    for id in (0..corpus.len().unwrap()).step_by(11) {
        let record = corpus.record(id, Order::Big).unwrap();
        let given = noisy(&record.unitary, Noise::Additive, 1e-3, id);
        let found =
            corpus.find(&Target::new(given, 2, false).unwrap(), FindOptions::default(), &mut || false);
        let (Found::Near { id: Some(of), .. } | Found::Unclear { nearest: Some((of, ..)), .. }) =
            found.unwrap()
        else {
            panic!("{id}");
        };
        assert_eq!(of, id);
    }
}
