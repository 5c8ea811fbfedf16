//! Recipes of several tests.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use qorpus::{DistinctOptions, Equivalence, Recipe, RecipeOptions};

/// Options of recipes of h, t and cx.
pub(crate) fn options() -> RecipeOptions {
    RecipeOptions { gates: Some("h,t,cx".into()), seed: 11, ..RecipeOptions::default() }
}

pub(crate) fn random(records: u64) -> Recipe {
    RecipeOptions { random: records, ..options() }.recipe().unwrap()
}

/// Random circuits whose unitaries are not stored.
pub(crate) fn derived(records: u64) -> Recipe {
    RecipeOptions { random: records, unitaries: false, ..options() }.recipe().unwrap()
}

pub(crate) fn words(max: usize, unitaries: bool) -> Recipe {
    RecipeOptions { words: true, length: (0, max), unitaries, ..options() }.recipe().unwrap()
}

/// Every unitary of circuits of at most `max_length` letters.
pub(crate) fn enumeration(gates: &str, qubits: usize, max_length: usize, up_to: Equivalence) -> Recipe {
    let options = DistinctOptions {
        gates: Some(gates.into()),
        qubits: Some(qubits),
        max_length: Some(max_length),
        up_to,
        ..DistinctOptions::default()
    };
    options.recipe().unwrap()
}
