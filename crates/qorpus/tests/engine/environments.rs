//! Environments whose distances come from an enumeration, in both arithmetics.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use qorpus::core::{Equality, Gate, Outcomes, distance};
use qorpus::{
    Complex64, Corpus, CorpusFile, DistinctOptions, Durability, EnumerateOptions, EnvironmentOptions,
    Equivalence, Observation, Order, ParallelEnvironments, enumerate,
};
use std::path::Path;
use std::sync::Arc;

const ENVIRONMENTS: usize = 300;

struct Enumeration {
    corpus: Corpus,
    /// The unitary, the distance and the circuit of each record.
    records: Vec<(Vec<Complex64>, i32, Vec<u16>)>,
}

impl Enumeration {
    fn new(path: &Path, gates: &str, qubits: usize, limit: Limit, up_to: Equivalence) -> Enumeration {
        let (max_length, cost, max_cost) = match limit {
            Limit::Length(most) => (Some(most), None, None),
            Limit::Cost(cost, most) => (None, Some(cost.into()), Some(most)),
        };
        let (gates, qubits) = (Some(gates.into()), Some(qubits));
        let options = DistinctOptions {
            gates,
            qubits,
            max_length,
            cost,
            max_cost,
            up_to,
            ..DistinctOptions::default()
        };
        let job = EnumerateOptions { memory: Some(16 << 20), jobs: Some(1), durability: Durability::Off };
        enumerate(path, &options.recipe().unwrap(), job, &false.into(), &mut |_| {}).unwrap();
        let file = CorpusFile::open(path).unwrap();
        let levels = file.levels().unwrap();
        let records = (0..file.len().unwrap()).map(|id| {
            let level = levels.iter().find(|level| level.ids().contains(&id)).unwrap();
            let distance = if matches!(limit, Limit::Cost(..)) { level.cost } else { level.length as u32 };
            let record = file.record(id, Order::Big).unwrap();
            (record.unitary, distance as i32, record.circuit)
        });
        let records = records.collect();
        Enumeration { corpus: Corpus::open(&[path.into()]).unwrap(), records }
    }

    /// The distance of a unitary by comparison with all records, -1 if none is equal.
    fn searched(&self, unitary: &[Complex64], up_to: Equivalence) -> i32 {
        let is_equal =
            |record: &&(Vec<Complex64>, i32, Vec<u16>)| distance(&record.0, unitary, up_to) < 1e-10;
        self.records.iter().find(is_equal).map_or(-1, |record| record.1)
    }

    fn environments(&self, up_to: Equivalence, threads: usize) -> ParallelEnvironments {
        let recipe = self.corpus.recipe();
        let gates: Vec<_> = recipe.alphabet().gates().iter().map(Gate::name).collect();
        let options = EnvironmentOptions {
            gates: Some(gates.join(",").as_str().into()),
            qubits: Some(recipe.alphabet().qubits()),
            coupling: None,
            letters: None,
            length: Some((1, 4)),
            max_steps: 12,
            observation: Observation::Unitary,
            equality: Equality::Unitaries { up_to, tolerance: None },
            costs: vec![0.5],
            bonus: 1.0,
        };
        let table = self.corpus.distance_table(&mut || false).unwrap().unwrap();
        assert_eq!(table.alphabet(), recipe.alphabet());
        let numbers = 7..7 + ENVIRONMENTS as u64;
        ParallelEnvironments::new(options.task().unwrap(), numbers, 3, Some(Arc::new(table)), Some(threads))
            .unwrap()
    }
}

#[derive(Clone, Copy)]
enum Limit {
    Length(usize),
    Cost(&'static str, u32),
}

/// Distances, first letters and residuals.
fn look(environments: &mut ParallelEnvironments) -> (Vec<i32>, Vec<i8>, Vec<Complex64>) {
    let letters = environments.task().alphabet().letters().len();
    let size = environments.task().alphabet().dim().pow(2);
    let (mut distances, mut first) = (vec![7; ENVIRONMENTS], vec![7; ENVIRONMENTS * letters]);
    environments.distances(&mut distances, &mut first).unwrap();
    let mut unitaries = vec![Complex64::ZERO; ENVIRONMENTS * size];
    environments.write(&mut unitaries, size, |block, out| block.unitaries(0, out)).unwrap();
    (distances, first, unitaries)
}

fn step(environments: &mut ParallelEnvironments, actions: &[i64], which: &[bool]) -> Vec<bool> {
    let (mut rewards, mut terminated, mut truncated) =
        (vec![0.0; ENVIRONMENTS], vec![false; ENVIRONMENTS], vec![false; ENVIRONMENTS]);
    let outcomes = Outcomes { rewards: &mut rewards, terminated: &mut terminated, truncated: &mut truncated };
    environments.step(actions, Some(which), outcomes).unwrap();
    for index in 0..ENVIRONMENTS {
        let expected = if terminated[index] {
            0.5
        } else if which[index] {
            -0.5
        } else {
            0.0
        };
        assert_eq!(rewards[index], expected);
    }
    terminated.iter().zip(truncated).map(|(&terminated, truncated)| terminated || truncated).collect()
}

/// On random walks, distances are those that a comparison with every record finds, and first
/// letters are the letters after which the distance is smaller.
fn walks_agree(gates: &str, qubits: usize, limit: Limit, up_to: Equivalence) {
    let directory = tempfile::tempdir().unwrap();
    let known = Enumeration::new(&directory.path().join("table.db"), gates, qubits, limit, up_to);
    let mut environments = known.environments(up_to, 1);
    let letters = environments.task().alphabet().letters().len();
    let mut which = vec![true; ENVIRONMENTS];
    environments.begin(&which, None, None).unwrap();
    let has_costs = matches!(limit, Limit::Cost(..));
    let (mut found, mut unknown) = (0, 0);
    for turn in 0..8 {
        let (distances, first, unitaries) = look(&mut environments);
        let size = unitaries.len() / ENVIRONMENTS;
        for (index, unitary) in unitaries.chunks_exact(size).enumerate() {
            let expected = known.searched(unitary, up_to);
            assert_eq!(distances[index], expected, "{gates}, environment {index}, step {turn}");
            *if expected < 0 { &mut unknown } else { &mut found } += 1;
            let first = &first[index * letters..][..letters];
            let is_empty = first.iter().all(|bit| *bit == 0);
            // Without costs, only the identity has distance 0.
            assert!(if expected < 0 { is_empty } else { is_empty == (expected == 0) || has_costs });
        }
        let state = environments.save();
        let actions: Vec<i64> =
            (0..ENVIRONMENTS).map(|k| ((k * 5 + turn * 3 + k / 7) % letters) as i64).collect();
        let ended = step(&mut environments, &actions, &which);
        if turn == 3 {
            // Residuals are recognized again after a restart, and other bytes change nothing.
            environments.restore(&state).unwrap();
            assert!(environments.restore(&state[1..]).is_err());
            assert!(environments.save() == state);
            assert_eq!(step(&mut environments, &actions, &which), ended);
        }
        which.iter_mut().zip(ended).for_each(|(which, ended)| *which &= !ended);
    }
    assert!(found > 100, "{gates}: {found} found, {unknown} unknown");
}

#[test]
fn distances_are_those_of_a_comparison_with_every_record() {
    walks_agree("h,t,cx", 2, Limit::Length(4), Equivalence::GlobalPhase);
    walks_agree("h,t,s", 1, Limit::Length(5), Equivalence::Exact);
    walks_agree("rz(0.3),rx(0.7),cx", 2, Limit::Length(3), Equivalence::GlobalPhase);
    walks_agree("h,t,tdg,s", 1, Limit::Cost("t=1,tdg=1", 4), Equivalence::GlobalPhase);
}

/// Whoever always takes a first letter solves a target in as many steps as its distance says, with
/// any number of threads.
#[test]
fn first_letters_lead_home() {
    let directory = tempfile::tempdir().unwrap();
    for (number, gates) in ["h,t,tdg,cx", "rz(0.3),h,cx"].into_iter().enumerate() {
        let path = directory.path().join(format!("{number}.db"));
        let known = Enumeration::new(&path, gates, 2, Limit::Length(5), Equivalence::GlobalPhase);
        let mut results = Vec::new();
        for threads in [1, 2, 4] {
            let mut environments = known.environments(Equivalence::GlobalPhase, threads);
            let letters = environments.task().alphabet().letters().len();
            let mut which = vec![true; ENVIRONMENTS];
            environments.begin(&which, None, None).unwrap();
            let begin = look(&mut environments);
            for taken in 0..5 {
                let (distances, first, _) = look(&mut environments);
                for (index, distance) in distances.iter().enumerate() {
                    assert_eq!(*distance, (begin.0[index] - taken).max(0), "environment {index}");
                }
                let actions: Vec<i64> = first
                    .chunks_exact(letters)
                    .map(|first| first.iter().position(|bit| *bit == 1).map_or(0, |letter| letter as i64))
                    .collect();
                which.iter_mut().zip(&distances).for_each(|(which, distance)| *which = *distance > 0);
                step(&mut environments, &actions, &which);
            }
            assert!(environments.blocks().all(|block| block.solved().iter().all(|solved| *solved)));
            results.push(environments.save());
        }
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
fn tables_of_other_letters_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table.db");
    let known = Enumeration::new(&path, "h,t", 1, Limit::Length(3), Equivalence::GlobalPhase);
    let table = Arc::new(known.corpus.distance_table(&mut || false).unwrap().unwrap());
    let options = |gates: &str, equality| EnvironmentOptions {
        gates: Some(gates.into()),
        qubits: Some(1),
        coupling: None,
        letters: None,
        length: Some((1, 2)),
        max_steps: 3,
        observation: Observation::Unitary,
        equality,
        costs: vec![1.0],
        bonus: 0.0,
    };
    let said = |gates: &str, up_to, tolerance| {
        let task = options(gates, Equality::Unitaries { up_to, tolerance }).task().unwrap();
        ParallelEnvironments::new(task, 0..4, 0, Some(table.clone()), None).unwrap_err().to_string()
    };
    let phase = Equivalence::GlobalPhase;
    assert!(
        said("t,h", phase, None).starts_with("the table of distances has the letters h 0; t 0 on 1 qubits")
    );
    assert!(said("h,t", Equivalence::Exact, None).contains("treats a global phase in another way"));
    assert!(said("h,t", phase, Some(1e-3)).contains("tells exact distances"));
    assert!(known.corpus.distance_table(&mut || true).unwrap().is_none());
}

#[test]
fn unitaries_of_nine_qubits_are_refused() {
    let environment = EnvironmentOptions {
        gates: Some("h,cx".into()),
        qubits: Some(9),
        coupling: None,
        letters: None,
        length: Some((1, 4)),
        max_steps: 12,
        observation: Observation::None,
        equality: Equality::Unitaries { up_to: Equivalence::GlobalPhase, tolerance: None },
        costs: vec![0.5],
        bonus: 1.0,
    };
    let refused = environment.task().map(drop).unwrap_err();
    let text = refused.to_string();
    assert!(
        refused.is_usage() && text.starts_with("9 qubits are out of range: unitaries have 1 to 8"),
        "{text}"
    );
}
