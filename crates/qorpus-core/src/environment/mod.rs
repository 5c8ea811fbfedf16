//! Environments: episodes in which letters, one after the other, compile a target.
//!
//! Everything random is keyed by (seed, environment, episode): it does not depend on the other
//! environments of a batch.

pub(crate) mod last_letters;
pub(crate) mod residuals;
pub(crate) mod state;
pub(crate) mod targets;
pub(crate) mod task;

use crate::binary::letters::BinaryLetters;
use crate::binary::matrix::BinaryMatrix;
use crate::circuit::Circuits;
use crate::environment::last_letters::LastLetters;
use crate::environment::residuals::Residuals;
use crate::environment::targets::Targets;
use crate::environment::task::Task;
use crate::error::{Error, Result};
use crate::random::philox::number_below;
use crate::space::Space;
use num_complex::Complex64;
use std::ops::Range;
use std::sync::Arc;

/// The number of environments that a seed distinguishes.
pub const MAX_ENVIRONMENTS: u64 = 1 << (63 - ATTEMPT_BITS - EPISODE_BITS);

/// The bits of a draw's number, from the lowest on: the attempt, the episode, the environment.
const ATTEMPT_BITS: u32 = 8;
const EPISODE_BITS: u32 = 32;

/// The number of times that the target of an episode is drawn, until one is not solved already.
pub const MAX_ATTEMPTS: u64 = 1 << ATTEMPT_BITS;

/// A batch of consecutive environments.
#[derive(Debug)]
pub struct Environments {
    task: Arc<Task>,
    /// The number of the first environment.
    first: u64,
    seed: u64,
    /// The lengths of random targets; `None` if targets are given.
    length: Option<(usize, usize)>,
    /// The random targets, once they were drawn from.
    random_targets: Option<RandomTargets>,
    residuals: Residuals,
    /// The number of episodes that each has begun.
    episodes: Vec<u32>,
    /// The number of letters of its current episode.
    steps: Vec<u32>,
    /// The letters of the current episodes, `max_steps` places for each environment.
    letters: Vec<u16>,
    last_letters: Vec<LastLetters>,
    /// Whether its episode has begun and not ended.
    is_running: Vec<bool>,
    solved: Vec<bool>,
    /// The letters of a step; `None` for environments that are left out.
    actions: Vec<Option<u16>>,
}

/// The random circuits of a seed, whose tables are made once.
#[derive(Debug)]
struct RandomTargets {
    seed: u64,
    length: (usize, usize),
    space: Space,
}

impl RandomTargets {
    fn new(task: &Task, seed: u64, length: (usize, usize)) -> Result<RandomTargets> {
        let space = Space::random(&task.alphabet, 1 << 63, seed, length.0, length.1)?;
        Ok(RandomTargets { seed, length, space })
    }
}

/// Where a step writes its results, one for each environment.
#[derive(Debug)]
pub struct Outcomes<'a> {
    /// The bonus if the target is solved, less the cost of the letter; 0 for an environment that is
    /// left out.
    pub rewards: &'a mut [f64],
    /// Whether the target is solved.
    pub terminated: &'a mut [bool],
    /// Whether the episode ended because it has all its steps, unsolved.
    pub truncated: &'a mut [bool],
}

impl Environments {
    /// Creates the environments with these numbers. None has begun an episode.
    ///
    /// # Errors
    /// Numbers beyond [`MAX_ENVIRONMENTS`].
    pub fn new(task: Arc<Task>, numbers: Range<u64>, seed: u64) -> Result<Environments> {
        if numbers.end > MAX_ENVIRONMENTS || numbers.is_empty() {
            let reason =
                format!("there are environments 0 to {}, and at least one is needed", MAX_ENVIRONMENTS - 1);
            let item = format!("environments {} to {}", numbers.start, numbers.end.wrapping_sub(1) as i64);
            return Err(Error::Unusable { item, reason });
        }
        let count = (numbers.end - numbers.start) as usize;
        let mut letters = Vec::new();
        let residuals = Residuals::new(&task, count);
        let has_room = letters.try_reserve_exact(count * task.max_steps).is_ok();
        let Some(residuals) = residuals.filter(|_| has_room) else {
            let item = format!("environments {} to {}", numbers.start, numbers.end - 1);
            let reason =
                "there is not enough memory for their residuals and letters; make fewer environments".into();
            return Err(Error::Unusable { item, reason });
        };
        letters.resize(count * task.max_steps, 0);
        Ok(Environments {
            residuals,
            letters,
            length: task.length,
            random_targets: None,
            task,
            first: numbers.start,
            seed,
            episodes: vec![0; count],
            steps: vec![0; count],
            last_letters: vec![LastLetters::NONE; count],
            is_running: vec![false; count],
            solved: vec![false; count],
            actions: vec![None; count],
        })
    }

    /// Returns their number.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one environment")]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Returns the rules.
    pub fn task(&self) -> &Arc<Task> {
        &self.task
    }

    /// Returns whether targets are drawn, not given.
    pub fn draws_targets(&self) -> bool {
        self.length.is_some()
    }

    /// Sets the shortest and longest target of later episodes, as [`Task::new`] does.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn set_length(&mut self, length: Option<(usize, usize)>) -> Result<()> {
        if let Some((shortest, longest)) = length {
            Space::random(&self.task.alphabet, 1, 0, shortest, longest)?;
        }
        self.length = length;
        Ok(())
    }

    /// Sets the seed, and lets every environment begin with its episode 0.
    pub fn seed(&mut self, seed: u64) {
        self.seed = seed;
        self.episodes.fill(0);
        self.is_running.fill(false);
    }

    /// Returns the number of the draw of the next target of an environment. It is the number of the
    /// record of [`Space::random`] with this seed that is its target, if targets are drawn.
    fn draw_number(&self, index: usize, attempt: u64) -> u64 {
        let environment = self.first + index as u64;
        let episode = u64::from(self.episodes[index]);
        environment << (ATTEMPT_BITS + EPISODE_BITS) | episode << ATTEMPT_BITS | attempt
    }

    /// Returns a number in `range`, uniformly random and keyed by the seed, the environment, its
    /// next episode, and the attempt.
    ///
    /// # Panics
    /// If the range is empty or the attempt is not below [`MAX_ATTEMPTS`].
    pub fn draw(&self, index: usize, range: Range<u64>, attempt: u64) -> u64 {
        assert!(!range.is_empty() && attempt < MAX_ATTEMPTS, "attempt {attempt} of {range:?}");
        let key = [self.seed as u32, (self.seed >> 32) as u32];
        range.start + number_below(self.draw_number(index, attempt), key, range.end - range.start)
    }

    /// Begins the next episode of the environments whose place in `which` is true. Takes targets
    /// from `given`, in order, or draws them if there are none; a target that is solved already is
    /// drawn again.
    ///
    /// # Errors
    /// If all [`MAX_ATTEMPTS`] targets of an environment are solved already, or there are no targets.
    ///
    /// # Panics
    /// If there are not as many places as environments, or targets as places that are true.
    pub fn begin(&mut self, which: &[bool], given: Option<&Targets>) -> Result<()> {
        assert_eq!(which.len(), self.len(), "a place for each environment");
        let chosen: Vec<usize> = (0..self.len()).filter(|&index| which[index]).collect();
        let drawn = match given {
            Some(given) => {
                assert_eq!(given.len(&self.task), chosen.len(), "a target for each environment");
                None
            }
            None => Some(self.drawn_targets(&chosen)?),
        };
        let Some(targets) = given.or(drawn.as_ref()) else { return Ok(()) };
        let is_exhausted = |&index: &usize| self.episodes[index] == u32::MAX;
        if let Some(index) = chosen.iter().copied().find(is_exhausted) {
            let reason = "it has begun all its 2^32 - 1 episodes; use another seed".into();
            return Err(Error::Unusable { item: self.name(index), reason });
        }
        for (number, &index) in chosen.iter().enumerate() {
            self.residuals.begin(&self.task, index, targets, number);
            self.episodes[index] += 1;
            self.steps[index] = 0;
            self.last_letters[index] = LastLetters::NONE;
            self.solved[index] = targets.is_solved(&self.task, number);
            self.is_running[index] = true;
        }
        Ok(())
    }

    fn drawn_targets(&mut self, chosen: &[usize]) -> Result<Targets> {
        let Some((shortest, longest)) = self.length else {
            let reason = "the environments draw none, so each new episode needs one".into();
            return Err(Error::Unusable { item: "targets".into(), reason });
        };
        let known = self.random_targets.take();
        let known = known.filter(|known| (known.seed, known.length) == (self.seed, (shortest, longest)));
        let known =
            known.map_or_else(|| RandomTargets::new(&self.task, self.seed, (shortest, longest)), Ok)?;
        let space = known.space.clone();
        self.random_targets = Some(known);
        let draw = |places: &[usize], attempt: u64| {
            let mut circuits = Circuits::default();
            for &place in places {
                let number = self.draw_number(chosen[place], attempt);
                space.extend(number..number + 1, &mut circuits);
            }
            Targets::of_circuits(&self.task, &circuits)
        };
        let mut open: Vec<usize> = (0..chosen.len()).collect();
        let mut targets = draw(&open, 0);
        for attempt in 1..=MAX_ATTEMPTS {
            open.retain(|&place| targets.is_solved(&self.task, place));
            let Some(&first) = open.first() else { break };
            if attempt == MAX_ATTEMPTS {
                let reason = format!(
                    "{MAX_ATTEMPTS} random targets in a row are the identity; use longer targets or other gates"
                );
                return Err(Error::Unusable { item: self.name(chosen[first]), reason });
            }
            let redrawn = draw(&open, attempt);
            for (other, &place) in open.iter().enumerate() {
                targets.replace(&self.task, place, &redrawn, other);
            }
        }
        Ok(targets)
    }

    /// Returns the name of an environment in errors.
    fn name(&self, index: usize) -> String {
        format!("environment {}", self.first + index as u64)
    }

    /// Checks the actions of a step: letters of the alphabet, and environments whose episodes are
    /// running.
    ///
    /// # Errors
    /// The first environment that cannot act.
    ///
    /// # Panics
    /// If there are not as many actions or places as environments.
    pub fn check(&self, actions: &[i64], which: Option<&[bool]>) -> Result<()> {
        assert_eq!(actions.len(), self.len(), "an action for each environment");
        assert!(which.is_none_or(|which| which.len() == self.len()), "a place for each environment");
        let letters = self.task.alphabet.letters().len() as u64;
        let can_act = |(&action, &is_running): (&i64, &bool)| ((action as u64) < letters) & is_running;
        let actors = actions.iter().zip(&self.is_running);
        // Without branches: an action is hardly ever wrong.
        let are_right = match which {
            None => actors.fold(true, |all, actor| all & can_act(actor)),
            Some(which) => actors.zip(which).fold(true, |all, (actor, acts)| all & (can_act(actor) | !acts)),
        };
        if are_right { Ok(()) } else { self.check_each(actions, which) }
    }

    /// Checks one action after the other.
    #[cold]
    fn check_each(&self, actions: &[i64], which: Option<&[bool]>) -> Result<()> {
        let letters = self.task.alphabet.letters().len();
        for (index, &action) in actions.iter().enumerate() {
            if which.is_some_and(|which| !which[index]) {
                continue;
            }
            if !usize::try_from(action).is_ok_and(|action| action < letters) {
                let item = format!("action {action} of {}", self.name(index));
                return Err(Error::Unusable { item, reason: format!("actions are 0 to {}", letters - 1) });
            }
            if !self.is_running[index] {
                let reason = "it is not in an episode; reset it".into();
                return Err(Error::Unusable { item: self.name(index), reason });
            }
        }
        Ok(())
    }

    /// Lets each environment take its action, except those whose place in `which` is false.
    ///
    /// # Errors
    /// As [`check`](Environments::check); then nothing has changed.
    ///
    /// # Panics
    /// If an argument has not one place for each environment.
    pub fn step(&mut self, actions: &[i64], which: Option<&[bool]>, outcomes: Outcomes<'_>) -> Result<()> {
        self.check(actions, which)?;
        let Outcomes { rewards, terminated, truncated } = outcomes;
        for (index, &action) in actions.iter().enumerate() {
            let acts = which.is_none_or(|which| which[index]);
            self.actions[index] = acts.then_some(action as u16);
        }
        self.residuals.step(&self.task, &self.actions, &mut self.solved);
        for index in 0..self.len() {
            let (reward, is_solved, is_over) = match self.actions[index] {
                None => (0.0, false, false),
                Some(letter) => self.record(index, letter),
            };
            rewards[index] = reward;
            terminated[index] = is_solved;
            truncated[index] = is_over && !is_solved;
            self.is_running[index] &= !(is_solved || is_over);
        }
        Ok(())
    }

    /// Records a letter, and returns its reward, whether the target is solved, and whether the
    /// episode has all its steps.
    fn record(&mut self, index: usize, letter: u16) -> (f64, bool, bool) {
        let Task { undone, max_steps, costs, bonus, .. } = &*self.task;
        self.letters[index * max_steps + self.steps[index] as usize] = letter;
        self.steps[index] += 1;
        self.last_letters[index].push(undone, letter);
        let is_solved = self.solved[index];
        let reward = if is_solved { *bonus } else { 0.0 } - costs[usize::from(letter)];
        (reward, is_solved, self.steps[index] as usize == *max_steps)
    }

    /// Returns whether the residual of each environment is the identity.
    pub fn solved(&self) -> &[bool] {
        &self.solved
    }

    /// Returns the number of letters of the current episode of each environment.
    pub fn steps(&self) -> &[u32] {
        &self.steps
    }

    /// Returns the number of episodes that each environment has begun.
    pub fn episodes(&self) -> &[u32] {
        &self.episodes
    }

    /// Returns the letters of the current episode of an environment, in time order.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn circuit(&self, index: usize) -> &[u16] {
        &self.letters[index * self.task.max_steps..][..self.steps[index] as usize]
    }

    /// Writes the residuals from environment `first` on, row-major, qubit 0 most significant, as
    /// many as `out` holds.
    ///
    /// # Panics
    /// If there are not that many, or residuals are tableaus.
    pub fn unitaries(&self, first: usize, out: &mut [Complex64]) {
        assert!(first * self.task.alphabet.dim().pow(2) + out.len() <= self.entries(), "room for residuals");
        self.residuals.unitaries(&self.task, first, out);
    }

    /// Writes the residuals in single precision, the real parts of each before its imaginary parts:
    /// (environments, 2, 2^n, 2^n) numbers.
    ///
    /// # Panics
    /// If `out` has another size, or residuals are tableaus.
    pub fn observe_unitaries(&self, out: &mut [f32]) {
        assert_eq!(out.len(), 2 * self.entries(), "room for each residual");
        self.residuals.observe_unitaries(&self.task, out);
    }

    /// Writes the Pauli transfer matrices of the residuals in single precision, as
    /// [`pauli_transfer`](crate::pauli_transfer) orders them.
    ///
    /// # Panics
    /// If `out` has another size, residuals are tableaus, or there are more qubits than
    /// [`MAX_CHANNEL_QUBITS`](crate::MAX_CHANNEL_QUBITS).
    pub fn observe_channels(&self, out: &mut [f32]) {
        assert_eq!(out.len(), self.entries() * self.task.alphabet.dim().pow(2), "room for each residual");
        self.residuals.observe_channels(&self.task, out);
    }

    /// Writes the tableaus of the residuals, (environments, 2n, 2n) zeros and ones, as
    /// [`Tableau`](crate::Tableau) orders them.
    ///
    /// # Panics
    /// If `out` has another size, or residuals are unitaries.
    pub fn observe_tableaus(&self, out: &mut [i8]) {
        assert_eq!(
            out.len(),
            self.len() * (2 * self.task.alphabet.qubits()).pow(2),
            "room for each residual"
        );
        self.residuals.observe_tableaus(&self.task, out);
    }

    /// Returns the adjoint of a residual as `letters` have it, from which their keys are computed;
    /// `None` if no circuit of these letters makes it.
    ///
    /// # Panics
    /// If residuals are unitaries, or the letters are on another number of qubits.
    pub fn binary_adjoint(&self, index: usize, letters: &BinaryLetters) -> Option<BinaryMatrix> {
        self.residuals.binary_adjoint(index, letters)
    }

    fn entries(&self) -> usize {
        self.len() * self.task.alphabet.dim().pow(2)
    }

    /// Writes (environments, letters) numbers: 0 for a letter that would undo the letter before it on
    /// its qubits, 1 for others.
    ///
    /// # Panics
    /// If `out` has another size.
    pub fn masks(&self, out: &mut [i8]) {
        self.task.undone.write_masks(&self.last_letters, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::Alphabet;
    use crate::arithmetic::{Arithmetic, Equivalence};
    use crate::environment::task::Equality;
    use crate::exact::letters::ExactLetters;
    use crate::kernel::naive;
    use crate::target::distance;
    use proptest::prelude::*;

    const UP_TO_PHASE: Equality = Equality::Unitaries { up_to: Equivalence::GlobalPhase, tolerance: None };

    fn task(gates: &str, qubits: usize, equality: Equality, length: (usize, usize)) -> Arc<Task> {
        let alphabet = Alphabet::of(gates, qubits);
        let costs = (0..alphabet.letters().len()).map(|letter| letter as f64 / 8.0).collect();
        Arc::new(Task::new(alphabet, equality, Some(length), 20, costs, 5.0).unwrap())
    }

    /// The results of a step.
    #[derive(Debug, Default, Clone, PartialEq)]
    struct Results {
        rewards: Vec<f64>,
        terminated: Vec<bool>,
        truncated: Vec<bool>,
    }

    impl Results {
        fn of(environments: &mut Environments, actions: &[i64], which: Option<&[bool]>) -> Results {
            let count = environments.len();
            let mut results = Results {
                rewards: vec![9.0; count],
                terminated: vec![true; count],
                truncated: vec![true; count],
            };
            let Results { rewards, terminated, truncated } = &mut results;
            environments.step(actions, which, Outcomes { rewards, terminated, truncated }).unwrap();
            results
        }
    }

    fn started(task: &Arc<Task>, numbers: Range<u64>, seed: u64) -> Environments {
        let mut environments = Environments::new(task.clone(), numbers, seed).unwrap();
        environments.begin(&vec![true; environments.len()], None).unwrap();
        environments
    }

    fn residual(environments: &Environments, index: usize) -> Vec<Complex64> {
        let mut unitary = vec![Complex64::ZERO; environments.task.alphabet.dim().pow(2)];
        environments.unitaries(index, &mut unitary);
        unitary
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// The residual is the target's unitary and then the inverse of the letters, and solved
        /// exactly where exact arithmetic says that both circuits have the same unitary.
        #[test]
        fn residuals_are_what_is_left(
            qubits in 1usize..4,
            seed: u64,
            walk in prop::collection::vec(0i64..1000, 20),
            length in 1usize..5,
            is_exact: bool,
        ) {
            let up_to = if is_exact { Equivalence::Exact } else { Equivalence::GlobalPhase };
            let gates = ["h,t,tdg,s", "h,t,cx,sx", "h,t,cx,ccx"][qubits - 1];
            let task = task(gates, qubits, Equality::Unitaries { up_to, tolerance: None }, (length, length));
            let alphabet = &task.alphabet;
            let exact = ExactLetters::new(alphabet, up_to).unwrap();
            let mut environments = started(&task, 5..9, seed);
            let space = Space::random(alphabet, 1 << 63, seed, length, length).unwrap();
            let letters = alphabet.letters().len() as i64;
            for start in walk {
                let actions: Vec<_> = (0..4).map(|k| (start + k) % letters).collect();
                let which = environments.is_running.clone();
                let results = Results::of(&mut environments, &actions, Some(&which));
                for index in 0..4 {
                    // Redrawn targets have other numbers.
                    let attempts = (0..MAX_ATTEMPTS).map(|attempt| {
                        environments.episodes[index] -= 1;
                        let number = environments.draw_number(index, attempt);
                        environments.episodes[index] += 1;
                        space.listed(number..number + 1).get(0).to_vec()
                    });
                    let identity = exact.identity();
                    let is_open = |target: &Vec<u16>| !exact.same(&exact.unitary(target).unwrap(), &identity, 0.0);
                    let target = attempts.into_iter().find(is_open).unwrap();
                    let applied = environments.circuit(index);
                    let (u, a) = (naive::unitary(alphabet, &target, &[]), naive::unitary(alphabet, applied, &[]));
                    let dim = alphabet.dim();
                    let product: Vec<_> = (0..dim * dim).map(|at| -> Complex64 {
                        (0..dim).map(|k| u[at / dim * dim + k] * a[at % dim * dim + k].conj()).sum()
                    }).collect();
                    prop_assert!(distance(&residual(&environments, index), &product, Equivalence::Exact) < 1e-13);
                    let is_solved = exact.same(&exact.unitary(&target).unwrap(), &exact.unitary(applied).unwrap(), 0.0);
                    prop_assert_eq!(environments.solved()[index], is_solved);
                    if which[index] {
                        let cost = actions[index] as f64 / 8.0;
                        prop_assert_eq!(results.terminated[index], is_solved);
                        prop_assert_eq!(results.truncated[index], !is_solved && applied.len() == 20);
                        prop_assert_eq!(results.rewards[index], if is_solved { 5.0 - cost } else { -cost });
                    } else {
                        prop_assert!(!results.terminated[index] && !results.truncated[index]);
                        prop_assert_eq!(results.rewards[index], 0.0);
                    }
                }
            }
        }

        /// A batch of environments, and its parts after they were saved and restored, do the same.
        #[test]
        fn environments_depend_on_their_numbers_alone(seed: u64, actions in prop::collection::vec(0i64..8, 12), cut in 1usize..11, is_tableau: bool) {
            let task = match is_tableau {
                true => task("h,s,cx", 3, Equality::Tableaus, (1, 6)),
                false => task("h,t,cx", 2, UP_TO_PHASE, (1, 6)),
            };
            let mut whole = started(&task, 3..15, seed);
            let (mut one, mut other) = (started(&task, 3..7, seed), started(&task, 7..15, seed));
            let letters = task.alphabet.letters().len() as i64;
            for step in 0..12 {
                let actions: Vec<_> = (0..12).map(|k| (actions[(step + k) % 12] + k as i64) % letters).collect();
                let ended: Vec<_> = whole.is_running.iter().map(|running| !running).collect();
                whole.begin(&ended, None).unwrap();
                one.begin(&ended[..4], None).unwrap();
                other.begin(&ended[4..], None).unwrap();
                let results = Results::of(&mut whole, &actions, None);
                let (left, right) = (Results::of(&mut one, &actions[..4], None), Results::of(&mut other, &actions[4..], None));
                prop_assert_eq!(&results.rewards, &[left.rewards, right.rewards].concat());
                prop_assert_eq!(&results.terminated, &[left.terminated, right.terminated].concat());
                let (mut saved, mut parts) = (Vec::new(), Vec::new());
                whole.save(&mut saved);
                other.save(&mut parts);
                if step == cut {
                    whole = Environments::new(task.clone(), 3..15, 99).unwrap();
                    prop_assert!(whole.restore(&saved).unwrap().is_empty());
                    prop_assert!(whole.restore(&saved[..saved.len() - 1]).is_err());
                    prop_assert!(whole.restore(&saved).unwrap().is_empty());
                    other = Environments::new(task.clone(), 7..15, 98).unwrap();
                    prop_assert!(other.restore(&parts).unwrap().is_empty());
                }
                let (mut masks, mut expected) = (vec![0; 12 * letters as usize], vec![0; 12 * letters as usize]);
                whole.masks(&mut masks);
                one.masks(&mut expected[..4 * letters as usize]);
                other.masks(&mut expected[4 * letters as usize..]);
                prop_assert_eq!(masks, expected);
            }
        }
    }

    /// A tableau environment is solved where the product of target and letters is a Pauli operator.
    #[test]
    fn tableaus_are_compared_modulo_paulis() {
        let task = task("h,s,cx", 2, Equality::Tableaus, (1, 1));
        let mut environments = Environments::new(task.clone(), 0..1, 0).unwrap();
        let unitary =
            |circuit: &str| naive::unitary(&task.alphabet, &task.alphabet.circuit(circuit).unwrap(), &[]);
        // s and sdg differ by the Pauli operator z.
        let target = task.targets(unitary("h 0; s 1; s 1; s 1; cx 0 1")).unwrap();
        environments.begin(&[true], Some(&target)).unwrap();
        for (letter, is_last) in [("h 0", false), ("s 1", false), ("cx 0 1", true)] {
            let action = task.alphabet.letter(letter).unwrap().into();
            assert_eq!(Results::of(&mut environments, &[action], None).terminated, [is_last], "{letter}");
        }
        let mut observed = [0; 16];
        environments.observe_tableaus(&mut observed);
        assert_eq!(observed, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
        let given = task.targets(naive::unitary(&Alphabet::of("t", 2), &[0], &[]));
        assert_eq!(
            given.unwrap_err().to_string(),
            "target 0: it is not a Clifford operator, so it has no tableau"
        );
    }

    #[test]
    fn masks_leave_out_letters_that_undo() {
        let masked = |gates: &str, equality, circuit: &str| {
            let task = task(gates, 2, equality, (4, 4));
            let mut environments = started(&task, 0..1, 1);
            for letter in task.alphabet.circuit(circuit).unwrap() {
                Results::of(&mut environments, &[letter.into()], None);
            }
            let mut mask = vec![7; task.alphabet.letters().len()];
            environments.masks(&mut mask);
            let left_out: Vec<u16> =
                (0..).zip(mask).filter(|(_, entry)| *entry == 0).map(|(k, _)| k).collect();
            task.alphabet.text(&left_out, &[])
        };
        assert_eq!(masked("h,t,tdg,cx", UP_TO_PHASE, ""), "");
        assert_eq!(masked("h,t,tdg,cx", UP_TO_PHASE, "h 0; t 1"), "h 0; tdg 1");
        assert_eq!(masked("h,t,tdg,cx", UP_TO_PHASE, "cx 0 1"), "cx 0 1");
        assert_eq!(masked("h,t,tdg,cx", UP_TO_PHASE, "cx 0 1; t 0"), "tdg 0");
        assert_eq!(masked("h,s,cx", UP_TO_PHASE, "s 1"), "");
        assert_eq!(masked("h,s,cx", Equality::Tableaus, "s 1; h 0"), "h 0; s 1");
    }

    /// A new length holds for later episodes, which have the targets of environments made with it.
    #[test]
    fn lengths_change_between_episodes() {
        let short = task("h,t,cx", 2, UP_TO_PHASE, (1, 2));
        let (mut changed, everyone) = (started(&short, 3..8, 5), [true; 5]);
        let before = residual(&changed, 4);
        changed.set_length(Some((6, 9))).unwrap();
        assert_eq!(residual(&changed, 4), before);
        changed.begin(&everyone, None).unwrap();
        let mut other = started(&task("h,t,cx", 2, UP_TO_PHASE, (6, 9)), 3..8, 5);
        other.begin(&everyone, None).unwrap();
        assert_eq!(residual(&changed, 4), residual(&other, 4));
        assert!(changed.set_length(Some((3, 1))).is_err() && changed.draws_targets());
        changed.set_length(None).unwrap();
        assert!(changed.begin(&everyone, None).is_err());
    }

    /// Only letters that undo the last one exactly are masked if the phase counts.
    #[test]
    fn masks_agree_with_the_equality() {
        for (up_to, expected) in [(Equivalence::GlobalPhase, 0), (Equivalence::Exact, 1)] {
            let task = task("rz(pi),h", 1, Equality::Unitaries { up_to, tolerance: None }, (3, 3));
            let mut environments = started(&task, 0..1, 1);
            Results::of(&mut environments, &[0], None);
            let mut mask = [7, 7];
            environments.masks(&mut mask);
            assert_eq!(mask, [expected, 1], "{up_to:?}");
        }
    }

    /// A state belongs to environments with these numbers, letters in this order, and rules.
    #[test]
    fn states_of_others_are_refused() {
        let of = |gates, equality, numbers| started(&task(gates, 1, equality, (1, 3)), numbers, 1);
        let mut state = Vec::new();
        of("h,t", UP_TO_PHASE, 4..6).save(&mut state);
        assert!(of("h,t", UP_TO_PHASE, 4..6).restore(&state).is_ok());
        let exact = Equality::Unitaries { up_to: Equivalence::Exact, tolerance: None };
        for mut other in [
            of("t,h", UP_TO_PHASE, 4..6),
            of("h,s", UP_TO_PHASE, 4..6),
            of("h,t", exact, 4..6),
            of("h,t", UP_TO_PHASE, 5..7),
            of("h,t", UP_TO_PHASE, 4..7),
        ] {
            assert!(other.restore(&state).is_err());
        }
    }

    #[test]
    fn imprecise_targets_need_a_tolerance() {
        let target = |digits: i32, tolerance| {
            let task =
                task("h,t", 1, Equality::Unitaries { up_to: Equivalence::GlobalPhase, tolerance }, (1, 1));
            let h = naive::unitary(&task.alphabet, &[0], &[]);
            let rounded = |x: f64| (x * 10f64.powi(digits)).round() / 10f64.powi(digits);
            task.targets(h.iter().map(|z| Complex64::new(rounded(z.re), rounded(z.im))).collect()).map(drop)
        };
        let refused = target(10, None).unwrap_err().to_string();
        assert!(refused.starts_with("target 0: its entries are known to"), "{refused}");
        assert!(target(10, Some(1e-6)).is_ok() && target(13, None).is_ok() && target(16, None).is_ok());
    }

    #[test]
    fn bad_input_is_refused() {
        let alphabet = || Alphabet::of("h,t", 1);
        let refused = |equality, max_steps, costs: [f64; 2], length| {
            Task::new(alphabet(), equality, length, max_steps, costs.to_vec(), 1.0).unwrap_err().to_string()
        };
        let tolerance =
            |tolerance| Equality::Unitaries { up_to: Equivalence::Exact, tolerance: Some(tolerance) };
        assert!(refused(UP_TO_PHASE, 0, [0.0; 2], None).starts_with("max_steps 0: "));
        assert!(refused(UP_TO_PHASE, 9, [f64::NAN; 2], None).starts_with("reward NaN: "));
        assert!(refused(UP_TO_PHASE, 9, [0.0; 2], Some((3, 1))).starts_with("length 3..1: "));
        assert!(refused(tolerance(0.0), 9, [0.0; 2], None).starts_with("the tolerance is 0"));
        assert!(
            refused(Equality::Tableaus, 9, [0.0; 2], None).starts_with("gate 't' is not a Clifford gate")
        );

        let task = task("h,t", 1, UP_TO_PHASE, (1, 3));
        assert!(Environments::new(task.clone(), MAX_ENVIRONMENTS..MAX_ENVIRONMENTS + 1, 0).is_err());
        let mut environments = Environments::new(task.clone(), 3..5, 0).unwrap();
        let said = |environments: &Environments, actions: [i64; 2]| {
            environments.check(&actions, None).unwrap_err().to_string()
        };
        assert_eq!(said(&environments, [0, 0]), "environment 3: it is not in an episode; reset it");
        environments.begin(&[true, true], None).unwrap();
        assert_eq!(said(&environments, [1, 2]), "action 2 of environment 4: actions are 0 to 1");
        assert_eq!(said(&environments, [-1, 0]), "action -1 of environment 3: actions are 0 to 1");

        // Two letters h are the identity, whichever are drawn.
        let task = self::task("h", 1, UP_TO_PHASE, (2, 2));
        let mut environments = Environments::new(task, 0..1, 0).unwrap();
        let exhausted = environments.begin(&[true], None).unwrap_err().to_string();
        assert!(
            exhausted.starts_with("environment 0: 256 random targets in a row are the identity"),
            "{exhausted}"
        );
    }
}
