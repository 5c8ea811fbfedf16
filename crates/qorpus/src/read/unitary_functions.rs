//! SQL functions that compare two unitaries up to a global phase.

use qorpus_core::{Complex64, Dtype};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;

/// The names of these functions.
pub(crate) const NAMES: [&str; 2] = ["fidelity", "distance"];

/// The unitaries that the functions accept.
#[derive(Debug, Clone)]
pub(crate) enum Accepted {
    /// Matrices of this dimension.
    Dimension(usize),
    /// Two matrices of one dimension, whichever it is.
    Any,
    /// None, for this reason.
    Nothing(String),
}

/// Adds the functions to `connection`.
pub(crate) fn register(connection: &Connection, accepted: &Accepted) -> rusqlite::Result<()> {
    for (name, function) in NAMES.into_iter().zip([fidelity as fn(f64) -> f64, distance]) {
        let flags = FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_UTF8;
        let accepted = accepted.clone();
        connection.create_scalar_function(name, 2, flags, move |context| {
            let [a, b] = [0, 1].map(|argument| entries(context.get_raw(argument), &accepted));
            match (a?, b?) {
                (Some(a), Some(b)) if a.len() != b.len() => refuse(format!(
                    "{name}: one unitary is {0} x {0}, the other {1} x {1}",
                    dimension(&a),
                    dimension(&b)
                )),
                (Some(a), Some(b)) => Ok(Some(function(overlap(&a, &b) / dimension(&a) as f64))),
                _ => Ok(None),
            }
        })?;
    }
    Ok(())
}

fn refuse<T>(text: String) -> rusqlite::Result<T> {
    Err(rusqlite::Error::UserFunctionError(text.into()))
}

/// Returns the dimension of a matrix with these entries.
fn dimension(entries: &[Complex64]) -> usize {
    entries.len().isqrt()
}

/// Returns |tr(A†B)|.
fn overlap(a: &[Complex64], b: &[Complex64]) -> f64 {
    let trace: Complex64 = a.iter().zip(b).map(|(a, b)| a.conj() * b).sum();
    trace.re.hypot(trace.im)
}

fn fidelity(overlap: f64) -> f64 {
    overlap * overlap
}

fn distance(overlap: f64) -> f64 {
    (1.0 - overlap).max(0.0).sqrt()
}

/// Returns the entries of a unitary of either precision; `None` for NULL.
fn entries(value: ValueRef<'_>, accepted: &Accepted) -> rusqlite::Result<Option<Vec<Complex64>>> {
    let sizes = match accepted {
        Accepted::Nothing(reason) => return refuse(reason.clone()),
        Accepted::Dimension(dim) => format!("of {} or {} bytes", dim * dim * 16, dim * dim * 8),
        Accepted::Any => "of 4^n entries, of 16 or 8 bytes each".into(),
    };
    let found = match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Blob(bytes) => match dtype(bytes.len(), accepted) {
            Some(dtype) => return Ok(Some(dtype.decode(bytes))),
            None => format!("of {}", bytes.len()),
        },
        other => format!("{:?}", other.data_type()),
    };
    refuse(format!("a unitary must be a BLOB {sizes}, not {found}"))
}

/// Returns the precision of a unitary with this number of bytes. A number belongs to one precision
/// only: 16 * 4^n is an even power of 2, and 8 * 4^n an odd one.
fn dtype(bytes: usize, accepted: &Accepted) -> Option<Dtype> {
    let is_of = |entries: usize| match accepted {
        Accepted::Dimension(dim) => entries == dim * dim,
        _ => entries >= 4 && entries.is_power_of_two() && entries.trailing_zeros().is_multiple_of(2),
    };
    [Dtype::Complex128, Dtype::Complex64]
        .into_iter()
        .find(|dtype| bytes.is_multiple_of(dtype.bytes()) && is_of(bytes / dtype.bytes()))
}
