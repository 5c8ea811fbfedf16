//! The next level of an enumeration, and its sources.

use crate::tables::levels::Level;
use qorpus_core::{Distinct, MAX_LENGTH, Recipe};
use std::collections::BTreeMap;
use std::ops::Range;

/// The next level, and its sources.
#[derive(Debug, Clone)]
pub(crate) struct NextLevel {
    pub(crate) number: usize,
    pub(crate) level: Level,
    /// Records, and the letters that extend them.
    pub(crate) sources: Vec<(Range<u64>, u32)>,
}

impl NextLevel {
    /// Returns the origins of all candidates over an alphabet of `letters` letters.
    pub(crate) fn origins(&self, letters: u64) -> Range<u64> {
        let ids = |pick: fn(&(Range<u64>, u32)) -> u64| self.sources.iter().map(pick);
        let (start, end) = (ids(|(ids, _)| ids.start).min(), ids(|(ids, _)| ids.end).max());
        start.unwrap_or(0) * letters..end.unwrap_or(0) * letters
    }
}

/// Cuts a level's sources into pieces of at most `parents` circuits.
pub(crate) fn pieces(sources: &[(Range<u64>, u32)], parents: u64) -> Vec<(Range<u64>, u32)> {
    let cut = |(ids, letters): &(Range<u64>, u32)| {
        let (ids, letters) = (ids.clone(), *letters);
        let starts = ids.clone().step_by(parents as usize);
        starts.map(move |start| (start..ids.end.min(start + parents), letters)).collect::<Vec<_>>()
    };
    sources.iter().flat_map(cut).collect()
}

/// Returns the cost of each letter.
pub(crate) fn costs(recipe: &Recipe) -> Vec<u32> {
    let costs = recipe.space().enumerates().map_or(&[][..], |distinct| &distinct.costs);
    let of = |gate: usize| costs.get(gate).copied().unwrap_or(0);
    recipe.alphabet().letters().iter().map(|letter| of(letter.gate)).collect()
}

/// Returns whether these levels complete the enumeration.
pub(crate) fn is_complete(recipe: &Recipe, levels: &[Level]) -> bool {
    !levels.is_empty() && next(recipe, levels).is_none()
}

/// Returns whether these levels have every unitary that the gates can make, however long or costly
/// their circuits: a finite group.
pub(crate) fn is_group(recipe: &Recipe, levels: &[Level]) -> bool {
    let has_costs = recipe.space().enumerates().is_some_and(Distinct::has_costs);
    let bounds = (MAX_LENGTH, if has_costs { u32::MAX - 1 } else { 0 });
    !levels.is_empty() && next_within(recipe, levels, bounds).is_none()
}

/// Returns the next level: the cheapest and then shortest circuits that may be new.
pub(crate) fn next(recipe: &Recipe, levels: &[Level]) -> Option<NextLevel> {
    let most_cost = recipe.space().enumerates()?.most_cost;
    next_within(recipe, levels, (recipe.space().lengths().1, most_cost))
}

fn next_within(recipe: &Recipe, levels: &[Level], (longest, most_cost): (usize, u32)) -> Option<NextLevel> {
    let last = levels.last()?;
    let mut letters_of: BTreeMap<u32, u32> = BTreeMap::new();
    for (letter, cost) in costs(recipe).into_iter().enumerate() {
        *letters_of.entry(cost).or_default() |= 1 << letter;
    }
    let made = || levels.iter().filter(|level| level.records > 0);
    // The shortest length, at least one, at which some level leads to this cost.
    let length_of = |cost: u32, least: usize| {
        let of = |letter_cost: &u32| {
            let before = cost.checked_sub(*letter_cost)?;
            made()
                .filter(|level| level.cost == before)
                .map(|level| level.length + 1)
                .filter(|&length| length >= least)
                .min()
        };
        letters_of.keys().filter_map(of).min().filter(|&length| length <= longest)
    };
    // Circuits of a cost end with a letter, so no level is further than its cost from another.
    let furthest = most_cost.min(last.cost.saturating_add(letters_of.keys().copied().max()?));
    let (cost, length) = std::iter::once((last.cost, last.length + 1))
        .chain((last.cost + 1..=furthest).map(|cost| (cost, 1)))
        .find_map(|(cost, least)| Some((cost, length_of(cost, least)?)))?;
    let sources = letters_of.iter().filter_map(|(letter_cost, letters)| {
        let before = cost.checked_sub(*letter_cost)?;
        let source = made().find(|level| level.cost == before && level.length + 1 == length)?;
        Some((source.ids(), *letters))
    });
    let mut sources: Vec<_> = sources.collect();
    sources.sort_by_key(|(ids, _)| ids.start);
    let level = Level { cost, length, first_id: last.first_id + last.records, records: 0 };
    Some(NextLevel { number: levels.len(), level, sources })
}
