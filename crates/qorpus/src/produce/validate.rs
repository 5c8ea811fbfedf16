//! Validation of a writer's records: circuits, unitaries and texts that can be stored.

use crate::error::{Error, Result};
use crate::options::writer::{PairCheck, WriterOptions};
use crate::produce::compare::{self, PairComparer};
use crate::remedy::brief;
use crate::sqlite::connection::MAX_VALUE_BYTES;
use qorpus_core::{
    Circuit, Complex64, Dtype, Kernel, LabelColumn, MAX_LENGTH, Recipe, synonym, unitarity_residual,
};
use std::sync::{Mutex, PoisonError};

/// The most bytes of the texts of a record's labels. The rest of its row, which is limited to
/// [`MAX_VALUE_BYTES`], takes far less than 4 MiB: a unitary of 1 MiB, a circuit of 128 KiB, the
/// names of 255 labels.
const MAX_TEXT_BYTES: usize = MAX_VALUE_BYTES as usize - (4 << 20);

/// A check that refuses records that cannot be stored.
#[derive(Debug)]
pub(super) struct Validator {
    pub(super) recipe: Recipe,
    pub(super) options: WriterOptions,
    pub(super) kernel: Kernel,
    /// Memory for comparing unitaries with their circuits.
    pairs: Mutex<PairComparer>,
}

fn refused(position: usize, reason: impl Into<String>) -> Error {
    Error::Refused { position, reason: reason.into() }
}

impl Validator {
    pub(super) fn new(recipe: Recipe, options: WriterOptions) -> Validator {
        Validator { kernel: recipe.kernel(), recipe, options, pairs: Mutex::default() }
    }

    /// Checks circuits and, if given, their unitaries.
    pub(super) fn check(&self, circuits: &[Circuit<'_>], unitaries: Option<&[Complex64]>) -> Result<()> {
        for (position, circuit) in circuits.iter().enumerate() {
            if circuit.drawn.is_some() {
                let reason = "it is a Haar-random unitary without a circuit; append circuits";
                return Err(refused(position, reason));
            }
            let checked = self.check_circuit(circuit.letters, unitaries.is_some());
            checked.and_then(|()| self.check_angles(circuit)).map_err(|reason| refused(position, reason))?;
        }
        let Some(unitaries) = unitaries else { return Ok(()) };
        let size = self.recipe.alphabet().dim().pow(2);
        if !self.recipe.stores_unitaries() {
            let reason =
                "this corpus computes unitaries when they are read and stores none; append the circuit alone";
            return Err(refused(0, reason));
        }
        if unitaries.len() != circuits.len() * size {
            let (records, wanted, given) = (circuits.len(), circuits.len() * size, unitaries.len());
            let reason =
                format!("{records} circuits need unitaries with {wanted} entries, but {given} were given");
            return Err(refused(0, reason));
        }
        // A stored unitary must be finite, also after rounding.
        let is_finite: fn(f64) -> bool = match self.recipe.dtype() {
            Dtype::Complex128 => |part| part.is_finite(),
            Dtype::Complex64 => |part| (part as f32).is_finite(),
        };
        if let Some(place) = unitaries.iter().position(|entry| !is_finite(entry.re) || !is_finite(entry.im)) {
            return Err(refused(place / size, "its unitary has an entry that is not a finite number"));
        }
        self.check_unitaries(circuits, unitaries)
    }

    fn check_circuit(&self, circuit: &[u16], has_unitary: bool) -> Result<(), String> {
        let alphabet = self.recipe.alphabet();
        if circuit.len() > MAX_LENGTH {
            return Err(format!(
                "its circuit has {} letters, but at most {MAX_LENGTH} are allowed",
                circuit.len()
            ));
        }
        let letters = alphabet.letters().len();
        if let Some(letter) = circuit.iter().find(|letter| usize::from(**letter) >= letters) {
            let last = letters - 1;
            return Err(format!("there is no letter {letter}; letters are numbered 0 to {last}"));
        }
        if !has_unitary && !alphabet.defines(circuit) {
            return Err(self.opaque_reason(circuit));
        }
        Ok(())
    }

    fn check_angles(&self, circuit: &Circuit<'_>) -> Result<(), String> {
        let (needs, given) =
            (self.recipe.alphabet().count_free_angles(circuit.letters), circuit.angles.len());
        if needs != given {
            let plural = if needs == 1 { "" } else { "s" };
            return Err(format!("its letters have {needs} free angle{plural}, but {given} were given"));
        }
        match circuit.angles.iter().find(|angle| !angle.is_finite()) {
            Some(angle) => Err(format!("its angle {angle} is not a finite number")),
            None => Ok(()),
        }
    }

    /// Returns why a circuit with an opaque gate needs a unitary.
    fn opaque_reason(&self, circuit: &[u16]) -> String {
        let alphabet = self.recipe.alphabet();
        let opaque = circuit.iter().find(|letter| !alphabet.defines(&[**letter]));
        let letter = opaque.map(|&letter| &alphabet.letters()[usize::from(letter)]);
        let text = letter.map_or("", |letter| &letter.text);
        let name = letter.map_or("", |letter| alphabet.gates()[letter.gate].name());
        let advice = synonym(name).map_or(String::new(), |advice| format!(" (gate '{name}': {advice})"));
        format!("'{text}' has no known matrix, so the record must come with its unitary{advice}")
    }

    /// Refuses a matrix that is not unitary, or not the unitary of its circuit.
    fn check_unitaries(&self, circuits: &[Circuit<'_>], unitaries: &[Complex64]) -> Result<()> {
        let (alphabet, size) = (self.recipe.alphabet(), self.recipe.alphabet().dim().pow(2));
        let unitary = |position: usize| &unitaries[position * size..][..size];
        if self.options.check == PairCheck::None {
            return (0..circuits.len()).try_for_each(|at| self.check_unitary(at, unitary(at)));
        }
        let (pair, allowed) = ((alphabet, &self.kernel), compare::tolerance(self.recipe.dtype()));
        let (check, mut wrong) = (self.options.check, Ok(()));
        let dim = alphabet.dim() as f64;
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let is_compared = |position: &usize| compare::is_compared(*position, alphabet.qubits());
        let record = |position: usize| (circuits[position], unitary(position));
        let compared = (0..circuits.len()).filter(is_compared);
        pairs.compare(pair, compared, record, check, |position, difference| {
            let is_unitary = |difference: f64| {
                // So near to a unitary, the largest entry of U†U - 1 is at most this: each entry is
                // a sum of products of a column with one of length 1.
                let residual = difference * (2.0 * dim.sqrt() + dim * difference);
                self.options.tolerance.is_none_or(|tolerance| residual <= tolerance)
            };
            wrong = match difference {
                Some(difference) if difference <= allowed && is_unitary(difference) => Ok(()),
                None => self.check_unitary(position, unitary(position)),
                Some(difference) => self.check_unitary(position, unitary(position)).and_then(|()| {
                    self.check_pair(position, (circuits[position], unitary(position)), difference)
                }),
            };
            wrong.is_ok()
        });
        wrong?;
        let mut others = (0..circuits.len()).filter(|position| !is_compared(position));
        others.try_for_each(|position| self.check_unitary(position, unitary(position)))
    }

    /// Refuses a unitary whose entries differ from its circuit's by more than the precision of its
    /// digits.
    fn check_pair(
        &self,
        position: usize,
        (circuit, given): (Circuit<'_>, &[Complex64]),
        difference: f64,
    ) -> Result<()> {
        let (alphabet, check) = (self.recipe.alphabet(), self.options.check);
        let residual = unitarity_residual(given, alphabet.dim());
        let allowed = compare::tolerance_of(residual, self.recipe.dtype());
        if difference <= allowed || allowed.is_infinite() {
            return Ok(());
        }
        let order = Some(self.options.order);
        let cause = compare::likely_cause((alphabet, &self.kernel), circuit, given, allowed, check, order);
        let reason =
            mismatch(&alphabet.text(circuit.letters, circuit.angles), difference, allowed, check, &cause);
        Err(refused(position, reason))
    }

    fn check_unitary(&self, position: usize, unitary: &[Complex64]) -> Result<()> {
        let Some(tolerance) = self.options.tolerance else { return Ok(()) };
        let residual = unitarity_residual(unitary, self.recipe.alphabet().dim());
        // For enormous entries it is NaN.
        if residual > tolerance || residual.is_nan() {
            let reason = format!(
                "its matrix is not unitary: the largest entry of U†U - 1 is {residual:.1e}, more than {tolerance:.1e}"
            );
            return Err(refused(position, reason));
        }
        Ok(())
    }
}

/// Returns the sentence about a unitary that does not match its circuit.
fn mismatch(circuit: &str, difference: f64, allowed: f64, check: PairCheck, cause: &str) -> String {
    let phase = if check == PairCheck::Phase { " up to a global phase" } else { "" };
    format!(
        "its unitary does not match its circuit '{}': entries differ by up to {}{phase}, more than {allowed:.0e}; \
         {cause}; check \"none\" accepts any unitary",
        brief(circuit),
        compare::shown(difference)
    )
}

/// Refuses texts that no row can hold.
pub(super) fn check_texts(records: usize, labels: &[(&str, LabelColumn)]) -> Result<()> {
    let texts: Vec<_> = labels
        .iter()
        .filter_map(|(_, column)| if let LabelColumn::Texts(texts) = column { Some(texts) } else { None })
        .collect();
    let bytes =
        |row: usize| texts.iter().filter_map(|column| column.get(row)).map(String::len).sum::<usize>();
    let Some(position) = (0..records).find(|row| bytes(*row) > MAX_TEXT_BYTES) else { return Ok(()) };
    let reason = format!(
        "its label texts have {} bytes, but at most {MAX_TEXT_BYTES} fit in a record; keep such texts in files and \
         their names in labels",
        bytes(position)
    );
    Err(refused(position, reason))
}
