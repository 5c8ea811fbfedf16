//! Tasks: the rules that a batch of environments shares.

use crate::alphabet::Alphabet;
use crate::arithmetic::Equivalence;
use crate::circuit::MAX_LENGTH;
use crate::environment::last_letters::Undone;
use crate::error::{Error, Result};
use crate::kernel::{Kernel, naive};
use crate::space::Space;
use crate::space::cancellation::undoing;
use crate::tableau::{Tableau, TableauLetters};
use crate::target::is_identity;
use xxhash_rust::xxh3::xxh3_64;

/// The largest difference of entries between equal unitaries.
///
/// Rounding errors of some hundred letters stay below a tenth of it. For gates over Z[ω, 1/√2], such
/// as Clifford+T, it decides exact equality as long as the circuits of target and answer together
/// have a denominator of at most √2^37, as those of 37 letters h have: an entry z/√2^k that is not
/// zero, and whose conjugate under √2 -> -√2 is at most 2 as a difference of two entries of
/// unitaries, has a magnitude of at least 1/2^(k+1), because the norm of z is an integer.
pub const EQUALITY_TOLERANCE: f64 = 1e-12;

/// The most letters on the same qubits whose products are compared to find those that undo each
/// other modulo Pauli operators.
const MAX_ON_SAME_QUBITS: usize = 256;

/// The condition under which a residual counts as the identity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Equality {
    /// The largest difference between entries is within a tolerance, up to a global phase or not.
    Unitaries {
        /// Whether a global phase is left out.
        up_to: Equivalence,
        /// The tolerance, above 0; `None` is [`EQUALITY_TOLERANCE`].
        tolerance: Option<f64>,
    },
    /// Both are Clifford operators with the same tableau: equal up to Pauli operators and a phase.
    Tableaus,
}

/// The rules of environments: letters, targets, rewards and the end of episodes.
///
/// An environment starts with the unitary U of a target. Its actions are letters; A is the unitary
/// of the letters so far, in time order. The residual U A† is what remains to be compiled. When it is
/// the identity, the letters are a circuit of the target.
#[derive(Debug)]
pub struct Task {
    pub(crate) alphabet: Alphabet,
    pub(crate) arithmetic: ResidualArithmetic,
    /// For each letter, the letters on the same qubits that undo it.
    pub(crate) undone: Undone,
    /// The lengths of random targets at first.
    pub(crate) length: Option<(usize, usize)>,
    pub(crate) max_steps: usize,
    pub(crate) costs: Vec<f64>,
    pub(crate) bonus: f64,
    /// A hash of all that saved states depend on: letters, gates, equality and `max_steps`.
    pub(crate) fingerprint: u64,
}

/// The arithmetic of residuals.
#[derive(Debug)]
pub(crate) enum ResidualArithmetic {
    Unitaries {
        kernel: Kernel,
        /// Where the real and the imaginary part of each entry of a unitary's adjoint is, row-major,
        /// in the representation of the kernel.
        adjoint: Vec<[usize; 2]>,
        up_to: Equivalence,
        tolerance: f64,
    },
    Tableaus(TableauLetters),
}

impl Task {
    /// Creates the rules.
    ///
    /// * `length`: the shortest and longest target, drawn uniformly as [`Space::random`] does;
    ///   `None` if targets are given.
    /// * `max_steps`: the number of letters after which an episode ends.
    /// * `costs`: the negative reward of each letter.
    /// * `bonus`: the reward of a solved target.
    ///
    /// # Errors
    /// More than 8 qubits; a gate that is opaque or has free angles; [`Error::NotClifford`] if tableaus
    /// are compared; [`Error::Length`]; numbers that are not finite or out of range.
    ///
    /// # Panics
    /// If there is not one cost for each letter.
    pub fn new(
        alphabet: Alphabet,
        equality: Equality,
        length: Option<(usize, usize)>,
        max_steps: usize,
        costs: Vec<f64>,
        bonus: f64,
    ) -> Result<Task> {
        assert_eq!(costs.len(), alphabet.letters().len(), "a cost for each letter");
        alphabet.check_unitaries()?;
        alphabet.check_fixed("environments need")?;
        if let Some(gate) = alphabet.gates().iter().find(|gate| gate.is_opaque()) {
            return Err(Error::Opaque {
                gate: gate.name().into(),
                reason: "a matrix to be used in environments",
            });
        }
        let unusable =
            |item: &str, reason: &str| Err(Error::Unusable { item: item.into(), reason: reason.into() });
        if !(1..=MAX_LENGTH).contains(&max_steps) {
            return unusable(&format!("max_steps {max_steps}"), "an episode has 1 to 65,535 steps");
        }
        if let Some(number) = costs.iter().chain([&bonus]).find(|number| !number.is_finite()) {
            return unusable(&format!("reward {number}"), "costs and the bonus must be finite numbers");
        }
        if let Some((shortest, longest)) = length {
            Space::random(&alphabet, 1, 0, shortest, longest)?;
        }
        let (arithmetic, undone_by) = match equality {
            Equality::Unitaries { up_to, tolerance } => {
                if let Some(tolerance) =
                    tolerance.filter(|tolerance| !(*tolerance > 0.0 && *tolerance <= 2.0))
                {
                    return Err(Error::Tolerance(tolerance));
                }
                let (kernel, tolerance) = (Kernel::new(&alphabet), tolerance.unwrap_or(EQUALITY_TOLERANCE));
                let dim = alphabet.dim();
                let adjoint = (0..dim * dim).map(|at| kernel.place(at % dim, at / dim)).collect();
                let mut undone_by = undoing(&alphabet)?;
                if up_to == Equivalence::Exact {
                    keep_exactly_undoing(&alphabet, &mut undone_by);
                }
                (ResidualArithmetic::Unitaries { kernel, adjoint, up_to, tolerance }, undone_by)
            }
            Equality::Tableaus => {
                let letters = TableauLetters::new(&alphabet)?;
                let undone_by = undoing_modulo_paulis(&alphabet, &letters)?;
                (ResidualArithmetic::Tableaus(letters), undone_by)
            }
        };
        let undone = Undone::new(&alphabet, undone_by);
        let fingerprint = fingerprint(&alphabet, equality, max_steps);
        Ok(Task { alphabet, arithmetic, undone, length, max_steps, costs, bonus, fingerprint })
    }

    /// Returns the letters, which are the actions.
    pub fn alphabet(&self) -> &Alphabet {
        &self.alphabet
    }

    /// Returns the condition under which a residual counts as the identity.
    pub fn equality(&self) -> Equality {
        match &self.arithmetic {
            ResidualArithmetic::Unitaries { up_to, tolerance, .. } => {
                Equality::Unitaries { up_to: *up_to, tolerance: Some(*tolerance) }
            }
            ResidualArithmetic::Tableaus(_) => Equality::Tableaus,
        }
    }

    /// Returns whether residuals are tableaus.
    pub fn has_tableaus(&self) -> bool {
        matches!(self.arithmetic, ResidualArithmetic::Tableaus(_))
    }
}

/// Leaves out letters that undo others only up to a global phase.
fn keep_exactly_undoing(alphabet: &Alphabet, undone_by: &mut [Vec<u16>]) {
    for (letter, undoing) in (0..).zip(undone_by) {
        undoing.retain(|&other| {
            let product = naive::unitary(alphabet, &[letter, other], &[]);
            is_identity(&product, Equivalence::Exact, EQUALITY_TOLERANCE)
        });
    }
}

/// Returns a hash of the rules on which the meaning of a state depends.
fn fingerprint(alphabet: &Alphabet, equality: Equality, max_steps: usize) -> u64 {
    let mut text = format!("{} {equality:?} {max_steps}", alphabet.qubits()).into_bytes();
    for letter in alphabet.letters() {
        text.push(b';');
        text.extend_from_slice(letter.text.as_bytes());
    }
    for gate in alphabet.gates() {
        text.extend_from_slice(bytemuck::cast_slice(gate.matrix()));
    }
    xxh3_64(&text)
}

/// Returns, for each letter, the letters on the same qubits that undo it up to Pauli operators.
fn undoing_modulo_paulis(alphabet: &Alphabet, letters: &TableauLetters) -> Result<Vec<Vec<u16>>> {
    let sorted_qubits = |letter: u16| {
        let mut qubits = alphabet.letters()[usize::from(letter)].qubits.clone();
        qubits.sort_unstable();
        qubits
    };
    let all = 0..alphabet.letters().len() as u16;
    let identity = Tableau::identity(alphabet.qubits());
    let undone_by = all.clone().map(|letter| {
        let qubits = sorted_qubits(letter);
        let others: Vec<u16> = all.clone().filter(|&other| sorted_qubits(other) == qubits).collect();
        if others.len() > MAX_ON_SAME_QUBITS {
            let reason =
                format!("{} letters act on its qubits, but at most {MAX_ON_SAME_QUBITS} may", others.len());
            let text = &alphabet.letters()[usize::from(letter)].text;
            return Err(Error::Unusable { item: format!("letter '{text}'"), reason });
        }
        Ok(others.into_iter().filter(|&other| letters.tableau(&[letter, other]) == identity).collect())
    });
    undone_by.collect()
}
