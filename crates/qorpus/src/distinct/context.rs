//! The context of an enumeration: everything derived from its recipe, for every thread, process and
//! machine that works on it.

use crate::distinct::candidate::{KeyRanges, Shortest};
use crate::distinct::expand::{Expand, Expander};
use crate::distinct::index::Index;
use crate::distinct::labels;
use crate::distinct::letters::{Letters, with_letters};
use crate::distinct::row_format::RowFormat;
use crate::error::{Error, Result};
use crate::tables::levels::Level;
use crate::tables::next_level::{self, NextLevel};
use qorpus_core::{Arithmetic, Chunk, Circuits, Codec, Recipe, Tolerance};
use std::ops::Range;

/// The rules by which candidates are computed, compared, written and recorded.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) recipe: Recipe,
    pub(super) codec: Codec,
    /// The seed of the checks of the file that is written.
    check_seed: u64,
    pub(super) format: RowFormat,
    pub(super) letters: Letters,
    pub(super) tolerance: Tolerance,
    /// For each letter, the bit of its inverse.
    inverses: Vec<u32>,
    costs: Vec<u32>,
    /// Whether every letter has an inverse of the same cost.
    is_closed: bool,
}

impl Context {
    /// # Errors
    /// A recipe that enumerates nothing, or with a letter without a matrix.
    pub(super) fn new(recipe: &Recipe) -> Result<Context> {
        let Some(distinct) = recipe.space().enumerates() else {
            return Err(Error::Usage("this recipe does not enumerate distinct unitaries".into()));
        };
        let (letters, costs) = (Letters::new(recipe.alphabet(), distinct)?, next_level::costs(recipe));
        let inverses = with_letters!(&letters, letters => letters.inverses());
        let has_equal_cost = |(letter, inverse): (usize, &Option<u16>)| {
            inverse.is_some_and(|inverse| costs[usize::from(inverse)] == costs[letter])
        };
        Ok(Context {
            codec: Codec::new(recipe),
            check_seed: recipe.check_seed(),
            format: RowFormat::new(recipe.alphabet().letters().len()),
            is_closed: inverses.iter().enumerate().all(has_equal_cost),
            inverses: inverses.iter().map(|inverse| inverse.map_or(0, |inverse| 1 << inverse)).collect(),
            tolerance: with_letters!(&letters, letters => tolerance(letters)),
            recipe: recipe.clone(),
            letters,
            costs,
        })
    }

    /// Returns the context for a file whose checks have this seed.
    pub(super) fn of_file(self, check_seed: u64) -> Context {
        Context { codec: Codec::with_check_seed(&self.recipe, check_seed), check_seed, ..self }
    }

    /// Returns the index of a level.
    pub(super) fn index(&self, number: usize, level: &Level) -> Index {
        Index::new(&self.recipe, self.check_seed, number, level)
    }

    /// Returns the number of letters.
    pub(super) fn letter_count(&self) -> u64 {
        self.inverses.len() as u64
    }

    pub(super) fn expander(&self) -> Box<dyn Expand + '_> {
        with_letters!(&self.letters, letters => Box::new(Expander::new(letters, &self.inverses)))
    }

    pub(super) fn key_of_identity(&self) -> u128 {
        with_letters!(&self.letters, letters => letters.key(&letters.identity()))
    }

    pub(super) fn key_ranges(&self, count: u64) -> KeyRanges {
        KeyRanges { count, tolerance: self.tolerance }
    }

    /// Returns the origins of the candidates of circuits with these ids.
    pub(super) fn origins(&self, ids: &Range<u64>) -> Range<u64> {
        ids.start * self.letter_count()..ids.end * self.letter_count()
    }

    fn has_costs(&self) -> bool {
        self.costs.iter().any(|&cost| cost > 0)
    }

    pub(super) fn label_names(&self) -> &'static [&'static str] {
        labels::names(self.has_costs())
    }

    /// Returns whether unitaries of level `earlier` may recur when a letter of one of these costs
    /// leads to level `now`.
    ///
    /// If letters can be inverted, a product is never nearer to the identity than its factor by
    /// more than the letter. Where it is nearer by the whole cost of the letter, the letter was
    /// left out.
    pub(super) fn meets(&self, earlier: &Level, now: &Level, costs: impl Fn(u32) -> bool) -> bool {
        let reach = |cost: u32| (earlier.cost + 2 * cost, earlier.length + 1) >= (now.cost, now.length);
        !self.is_closed || self.costs.iter().any(|&cost| costs(cost) && reach(cost))
    }

    /// Returns the numbers of the levels whose unitaries may recur.
    pub(super) fn met(&self, levels: &[Level], plan: &NextLevel) -> Vec<usize> {
        let is_cheap = |cost| cost <= plan.level.cost;
        (0..levels.len()).filter(|&earlier| self.meets(&levels[earlier], &plan.level, is_cheap)).collect()
    }

    /// Returns the most candidates that a level can have.
    pub(super) fn max_candidates(&self, plan: &NextLevel) -> u64 {
        let left_out = u64::from(self.is_closed && plan.level.length > 1);
        let of_source = |(ids, letters): &(Range<u64>, u32)| {
            (ids.end - ids.start) * (u64::from(letters.count_ones()) - left_out)
        };
        plan.sources.iter().map(of_source).sum()
    }

    /// Encodes a chunk of records.
    pub(super) fn chunk(
        &self,
        first_id: u64,
        circuits: &Circuits,
        survivors: &[Shortest],
        cost: u32,
    ) -> Chunk {
        let mut chunk = Chunk::default();
        self.codec.encode(first_id, circuits, &[], &mut chunk);
        let (alphabet, cost) = (self.recipe.alphabet(), self.has_costs().then_some(cost));
        labels::encode(&self.codec, alphabet, circuits, survivors, cost, &mut chunk);
        chunk
    }
}

fn tolerance<A: Arithmetic>(_letters: &A) -> Tolerance {
    A::TOLERANCE
}
