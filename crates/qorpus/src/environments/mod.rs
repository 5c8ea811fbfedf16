//! Environments on all cores: a batch is divided into blocks, which threads advance side by side.

mod exact_residuals;

use crate::distinct::distance_table::DistanceTable;
use crate::environments::exact_residuals::ExactResiduals;
use crate::error::{Error, Result};
use crate::options::job::threads;
use crate::os::workers::share;
use qorpus_core::{
    Complex64, EQUALITY_TOLERANCE, Environments, Equality, Equivalence, MAX_ATTEMPTS, Outcomes, Targets, Task,
};
use std::ops::Range;
use std::sync::Arc;

/// The number of environments of a block, whatever the number of threads.
const BLOCK: usize = 256;

/// The fewest environments for which a thread is started.
const MIN_ENVIRONMENTS: usize = 1024;

/// A batch of environments that threads share.
#[derive(Debug)]
pub struct ParallelEnvironments {
    task: Arc<Task>,
    blocks: Vec<Block>,
    count: usize,
    threads: usize,
    table: Option<Arc<DistanceTable>>,
}

/// Consecutive environments.
#[derive(Debug)]
struct Block {
    environments: Environments,
    /// Their residuals, if a table knows them by exact keys.
    exact: Option<ExactResiduals>,
}

impl ParallelEnvironments {
    /// Creates the environments with these numbers. `jobs` is the number of threads; `None` is one
    /// a core.
    ///
    /// # Errors
    /// No environments or too many; a table over other letters or for another equality; an
    /// impossible number of threads.
    pub fn new(
        task: Task,
        numbers: Range<u64>,
        seed: u64,
        table: Option<Arc<DistanceTable>>,
        jobs: Option<usize>,
    ) -> Result<ParallelEnvironments> {
        if let Some(table) = &table {
            check_table(&task, table)?;
        }
        let task = Arc::new(task);
        let count = numbers.end.saturating_sub(numbers.start) as usize;
        // Too large a range is refused by its last block, before the memory of others is taken.
        Environments::new(task.clone(), numbers.end.saturating_sub(1)..numbers.end, seed)?;
        let starts = numbers.clone().step_by(BLOCK);
        let block = |start: u64| start..numbers.end.min(start + BLOCK as u64);
        let is_exact = table.as_ref().is_some_and(|table| table.exact_letters().is_some());
        let blocks = starts.map(|start| {
            let environments = Environments::new(task.clone(), block(start), seed)?;
            let exact = is_exact.then(|| ExactResiduals::new(environments.len()));
            Ok(Block { environments, exact })
        });
        let blocks = blocks.collect::<Result<Vec<_>>>()?;
        Ok(ParallelEnvironments { task, blocks, count, threads: threads(jobs)?, table })
    }

    /// Returns the number of environments.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one environment")]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns the rules.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Returns the table of distances.
    pub fn table(&self) -> Option<&DistanceTable> {
        self.table.as_deref()
    }

    /// Sets the lengths of later random targets, as [`Environments::set_length`] does.
    ///
    /// # Errors
    /// As [`Environments::set_length`]; then nothing has changed.
    pub fn set_length(&mut self, length: Option<(usize, usize)>) -> Result<()> {
        // Only the first block can refuse what all are told.
        self.blocks.iter_mut().try_for_each(|block| Ok(block.environments.set_length(length)?))
    }

    /// Does `work` on each block and its share of the arrays.
    fn each<S: Send>(
        &mut self,
        shares: impl Iterator<Item = S>,
        work: impl Fn(&mut Block, S) -> Result<()> + Sync,
    ) -> Result<()> {
        let mut blocks: Vec<(&mut Block, S)> = self.blocks.iter_mut().zip(shares).collect();
        let threads = self.threads.min(self.count / MIN_ENVIRONMENTS).max(1);
        let each = blocks.len().div_ceil(threads).max(1);
        let mut groups = Vec::new();
        while !blocks.is_empty() {
            let rest = blocks.split_off(blocks.len().min(each));
            groups.push(std::mem::replace(&mut blocks, rest));
        }
        let work =
            |group: Vec<(&mut Block, S)>| group.into_iter().try_for_each(|(block, share)| work(block, share));
        match groups.len() {
            1 => groups.into_iter().try_for_each(work),
            _ => share(groups, work).map(drop),
        }
    }

    /// Begins the next episode of the environments whose place in `which` is true, as
    /// [`Environments::begin`] does. With a seed, all of them begin with their episode 0 of this
    /// seed.
    ///
    /// # Errors
    /// As [`Environments::begin`].
    ///
    /// # Panics
    /// If there are not as many places as environments, or targets as places that are true.
    pub fn begin(&mut self, which: &[bool], seed: Option<u64>, targets: Option<&Targets>) -> Result<()> {
        assert_eq!(which.len(), self.count, "a place for each environment");
        let draws = self.blocks.iter().all(|block| block.environments.draws_targets());
        if targets.is_none() && !draws {
            let text = "the environments draw no targets, so each new episode needs one";
            return Err(Error::Usage(text.into()));
        }
        if let Some(seed) = seed {
            self.blocks.iter_mut().for_each(|block| block.environments.seed(seed));
        }
        let (task, mut next) = (self.task.clone(), 0);
        let shares = which.chunks(BLOCK).map(|which| {
            let first = next;
            next += which.iter().filter(|is_chosen| **is_chosen).count();
            (which, first..next)
        });
        let shares: Vec<_> = shares.collect();
        self.each(shares.into_iter(), |block, (which, numbers)| {
            let targets = targets.map(|targets| targets.part(&task, numbers));
            block.environments.begin(which, targets.as_ref())?;
            block.exact.iter_mut().for_each(|exact| exact.forget(which));
            Ok(())
        })
    }

    /// Draws a number in `range` for the next episode of each environment whose place in `which` is
    /// true, in order, as [`Environments::draw`] does.
    ///
    /// # Errors
    /// [`Error::Usage`] for an empty range, or an attempt beyond [`MAX_ATTEMPTS`].
    ///
    /// # Panics
    /// If there are not as many places as environments.
    pub fn draw(&self, which: &[bool], range: Range<u64>, attempt: u64) -> Result<Vec<u64>> {
        assert_eq!(which.len(), self.count, "a place for each environment");
        if range.is_empty() || attempt >= MAX_ATTEMPTS {
            return Err(Error::Usage(format!(
                "draw {attempt} of the numbers {range:?} is not possible; there are {MAX_ATTEMPTS} draws of a range that \
                 is not empty"
            )));
        }
        let chosen = (0..self.count).filter(|&index| which[index]);
        Ok(chosen
            .map(|index| self.blocks[index / BLOCK].environments.draw(index % BLOCK, range.clone(), attempt))
            .collect())
    }

    /// Lets each environment take its action, except those whose place in `which` is false, as
    /// [`Environments::step`] does.
    ///
    /// # Errors
    /// As [`Environments::check`]; then nothing has changed.
    ///
    /// # Panics
    /// If an argument has not one place for each environment.
    pub fn step(&mut self, actions: &[i64], which: Option<&[bool]>, outcomes: Outcomes<'_>) -> Result<()> {
        assert_eq!(actions.len(), self.count, "an action for each environment");
        let whole = vec![None; self.blocks.len()];
        let which = which.map_or(whole, |which| which.chunks(BLOCK).map(Some).collect());
        for ((block, actions), which) in self.blocks.iter().zip(actions.chunks(BLOCK)).zip(&which) {
            block.environments.check(actions, *which)?;
        }
        let table = self.table.clone();
        let letters = table.as_ref().and_then(|table| table.exact_letters());
        let Outcomes { rewards, terminated, truncated } = outcomes;
        let outcomes =
            rewards.chunks_mut(BLOCK).zip(terminated.chunks_mut(BLOCK)).zip(truncated.chunks_mut(BLOCK));
        let shares = actions.chunks(BLOCK).zip(which).zip(outcomes);
        self.each(shares, |block, ((actions, which), ((rewards, terminated), truncated))| {
            if let Some((exact, letters)) = block.exact.as_mut().zip(letters) {
                exact.step(letters, actions, which);
            }
            Ok(block.environments.step(actions, which, Outcomes { rewards, terminated, truncated })?)
        })
    }

    /// Writes what `write` writes for each block to its part of `out`, which has `size` numbers for
    /// each environment.
    ///
    /// # Panics
    /// If `out` has another size.
    pub fn write<T: Send>(
        &mut self,
        out: &mut [T],
        size: usize,
        write: impl Fn(&Environments, &mut [T]) + Sync,
    ) -> Result<()> {
        assert_eq!(out.len(), self.count * size, "room for each environment");
        self.each(out.chunks_mut(BLOCK * size), |block, out| {
            write(&block.environments, out);
            Ok(())
        })
    }

    /// Writes the distance of each residual from the identity, -1 if the table does not have it, and
    /// for each letter whether it is the first of a shortest circuit of the residual.
    ///
    /// # Errors
    /// [`Error::Usage`] without a table.
    ///
    /// # Panics
    /// If an array has another size.
    pub fn distances(&mut self, distances: &mut [i32], first_letters: &mut [i8]) -> Result<()> {
        let letters = self.task.alphabet().letters().len();
        assert!(
            distances.len() == self.count && first_letters.len() == self.count * letters,
            "room for each environment"
        );
        let Some(table) = self.table.clone() else {
            return Err(Error::Usage("distances need a table: an enumeration of distinct unitaries".into()));
        };
        let shares = distances.chunks_mut(BLOCK).zip(first_letters.chunks_mut(BLOCK * letters));
        let tableaus = table.binary_letters().filter(|_| self.task.equality() == Equality::Tableaus);
        self.each(shares, |block, (distances, first_letters)| {
            let Block { environments, exact } = block;
            let entries = if tableaus.is_some() { 0 } else { table.alphabet().dim().pow(2) };
            let mut unitary = vec![Complex64::ZERO; entries];
            let rows = distances.iter_mut().zip(first_letters.chunks_exact_mut(letters));
            for (index, (distance, row)) in rows.enumerate() {
                let found = match (tableaus, exact.as_mut().zip(table.exact_letters())) {
                    (Some(letters), _) => environments
                        .binary_adjoint(index, letters)
                        .and_then(|adjoint| table.find_adjoint(letters, &adjoint)),
                    (_, Some((exact, letters))) => {
                        exact.find(&table, letters, environments, index, &mut unitary)
                    }
                    (None, None) => {
                        environments.unitaries(index, &mut unitary);
                        table.find(&unitary)
                    }
                };
                *distance = found.map_or(-1, |found| found.distance as i32);
                let bits = found.map_or(0, |found| found.first_letters);
                row.iter_mut().enumerate().for_each(|(letter, to)| *to = (bits >> letter & 1) as i8);
            }
            Ok(())
        })
    }

    /// Returns the environments in order, in blocks.
    pub fn blocks(&self) -> impl Iterator<Item = &Environments> {
        self.blocks.iter().map(|block| &block.environments)
    }

    /// Returns the state of all environments.
    pub fn save(&self) -> Vec<u8> {
        let mut state = Vec::new();
        self.blocks().for_each(|block| block.save(&mut state));
        state
    }

    /// Restores a state that as many environments with the same rules [saved](Self::save).
    ///
    /// # Errors
    /// Other bytes; then nothing has changed.
    pub fn restore(&mut self, state: &[u8]) -> Result<()> {
        let before = self.save();
        let mut restore = |state: &[u8]| -> qorpus_core::Result<bool> {
            let mut rest = state;
            for block in &mut self.blocks {
                rest = block.environments.restore(rest)?;
                block.exact = block.exact.as_ref().map(|_| ExactResiduals::new(block.environments.len()));
            }
            Ok(rest.is_empty())
        };
        let result = match restore(state) {
            Ok(true) => return Ok(()),
            Ok(false) => Err(Error::Usage("state: it is one of more environments".into())),
            Err(error) => Err(error.into()),
        };
        restore(&before)?;
        result
    }
}

fn check_table(task: &Task, table: &DistanceTable) -> Result<()> {
    let refused = |reason: String| Err(Error::Usage(format!("the table of distances {reason}")));
    let text = |alphabet: &qorpus_core::Alphabet| {
        alphabet.letters().iter().map(|letter| letter.text.as_str()).collect::<Vec<_>>().join("; ")
    };
    let (own, other) = (task.alphabet(), table.alphabet());
    if own.qubits() != other.qubits() || own.letters() != other.letters() || own.gates() != other.gates() {
        return refused(format!(
            "has the letters {} on {} qubits, but the environments have {} on {}; distances are exact only for the same \
             letters in the same order",
            text(other),
            other.qubits(),
            text(own),
            own.qubits()
        ));
    }
    match task.equality() {
        Equality::Unitaries { up_to, tolerance } if up_to == table.up_to() => match tolerance {
            Some(tolerance) if tolerance > EQUALITY_TOLERANCE => refused(
                "tells exact distances, but a tolerance accepts other unitaries; leave one of them out"
                    .into(),
            ),
            _ => Ok(()),
        },
        Equality::Unitaries { .. } if table.up_to() == Equivalence::Pauli => refused(
            "compares tableaus, but the environments compare unitaries; make them agree (up_to)".into(),
        ),
        Equality::Unitaries { .. } => refused(
            "treats a global phase in another way than the environments; make them agree (up_to)".into(),
        ),
        Equality::Tableaus if table.up_to() == Equivalence::Pauli => Ok(()),
        Equality::Tableaus => refused(
            "compares unitaries, but the environments compare tableaus; enumerate up to Pauli operators \
             (up_to='pauli')"
                .into(),
        ),
    }
}
