//! Options of environments.

use crate::error::{Error, Result};
use crate::options::alphabet::AlphabetOptions;
use crate::options::gates::Gates;
use qorpus_core::{Equality, MAX_CHANNEL_QUBITS, Task};

/// A kind of observation of a residual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// Nothing.
    None,
    /// Its real parts and its imaginary parts.
    Unitary,
    /// Its Pauli transfer matrix, which has no global phase.
    Channel,
    /// Its tableau.
    Tableau,
}

/// The rules of environments in user input.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentOptions {
    /// The gate set, as of [`RecipeOptions`](crate::RecipeOptions).
    pub gates: Option<Gates>,
    /// The number of qubits, likewise.
    pub qubits: Option<usize>,
    /// The coupling, likewise.
    pub coupling: Option<String>,
    /// The letters one by one, likewise.
    pub letters: Option<String>,
    /// The shortest and longest random target; `None` if targets are given.
    pub length: Option<(usize, usize)>,
    /// The number of letters after which an episode ends.
    pub max_steps: usize,
    /// The kind of observations.
    pub observation: Observation,
    /// The condition under which a residual counts as the identity.
    pub equality: Equality,
    /// The negative reward of each letter, or one for all of them.
    pub costs: Vec<f64>,
    /// The reward of a solved target.
    pub bonus: f64,
}

impl EnvironmentOptions {
    /// Returns the rules that these options describe.
    ///
    /// # Errors
    /// [`Error::Recipe`], [`Error::GateFile`] or [`Error::Usage`], for the first invalid option.
    pub fn task(&self) -> Result<Task> {
        let EnvironmentOptions { gates, qubits, coupling, letters, observation, .. } = self;
        let alphabet = AlphabetOptions {
            gates: gates.as_ref(),
            qubits: *qubits,
            coupling: coupling.as_deref(),
            letters: letters.as_deref(),
        };
        let alphabet = alphabet.alphabet(|_, error| Err(error))?;
        let refused = |text: String| Err(Error::Usage(text));
        if (*observation == Observation::Tableau) != (self.equality == Equality::Tableaus) {
            return refused(
                "a tableau shows a residual up to Pauli operators: observation 'tableau' and up_to 'pauli' need each \
                 other"
                    .into(),
            );
        }
        if *observation == Observation::Channel && alphabet.qubits() > MAX_CHANNEL_QUBITS {
            return refused(format!(
                "channels are observed on at most {MAX_CHANNEL_QUBITS} qubits, not on {}; observe unitaries",
                alphabet.qubits()
            ));
        }
        let letters = alphabet.letters().len();
        let costs = match self.costs[..] {
            [cost] => vec![cost; letters],
            ref costs if costs.len() == letters => costs.to_vec(),
            ref costs => {
                return refused(format!("there are {} costs for {letters} letters", costs.len()));
            }
        };
        Ok(Task::new(alphabet, self.equality, self.length, self.max_steps, costs, self.bonus)?)
    }

    /// Returns the shape of the observation of an environment with these rules.
    pub fn shape(&self, task: &Task) -> Vec<usize> {
        let (dim, qubits) = (task.alphabet().dim(), task.alphabet().qubits());
        match self.observation {
            Observation::None => vec![0],
            Observation::Unitary => vec![2, dim, dim],
            Observation::Channel => vec![dim * dim; 2],
            Observation::Tableau => vec![2 * qubits; 2],
        }
    }
}
