//! Values by gate: lists such as `t=1,cx=3`.

use crate::error::{Error, Result};
use crate::options::gates::split_list;
use qorpus_core::{Alphabet, Gate};

/// A kind of values, for messages.
pub(super) struct ValueKind {
    /// The noun, such as `cost`.
    pub(super) noun: &'static str,
    /// The syntax of an item.
    pub(super) form: &'static str,
    /// The rule for a value, as the end of a sentence.
    pub(super) rule: &'static str,
}

/// Reads values of the gates of `alphabet`; `None` for each gate that is not named.
pub(super) fn parse_by_gate<T>(
    text: &str,
    alphabet: &Alphabet,
    kind: &ValueKind,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<Option<T>>> {
    let mut values: Vec<_> = alphabet.gates().iter().map(|_| None).collect();
    for item in split_list(text.trim()) {
        let refused = |reason: String| Error::Usage(format!("{} '{}': {reason}", kind.noun, item.trim()));
        let (name, value) =
            item.rsplit_once('=').ok_or_else(|| refused(format!("write it as {}", kind.form)))?;
        let place = alphabet.gate_number(name).ok_or_else(|| {
            let names: Vec<_> = alphabet.gates().iter().map(Gate::name).collect();
            refused(format!("the alphabet has no such gate; its gates are {}", names.join(", ")))
        })?;
        let value = parse(value.trim()).ok_or_else(|| refused(kind.rule.into()))?;
        if values[place].replace(value).is_some() {
            return Err(refused("the gate is named twice".into()));
        }
    }
    Ok(values)
}
