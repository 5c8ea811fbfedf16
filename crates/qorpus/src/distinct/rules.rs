//! What follows from a recipe alone: the same for every thread, process and machine that works on
//! an enumeration.

use crate::distinct::expand::{CIRCUITS, Expand, FIRST, LAST, Letters};
use crate::distinct::rows::{Layout, Shortest};
use crate::error::{Error, Result};
use crate::tables::levels::Level;
use crate::tables::next_level::{self, NextLevel};
use qorpus_core::{Chunk, Circuits, Codec, LabelColumn, Labels, Letter, Recipe, Tolerance};
use std::ops::Range;

/// How candidates are made, compared, written and recorded.
pub(super) struct Rules {
    pub(super) recipe: Recipe,
    pub(super) codec: Codec,
    pub(super) layout: Layout,
    pub(super) letters: Letters,
    pub(super) bands: Tolerance,
    /// For each letter, the bit of the one that takes it back.
    pub(super) inverses: Vec<u32>,
    cost_of: Vec<u32>,
    /// Whether every letter is taken back by one of the same cost.
    is_closed: bool,
}

impl Rules {
    /// # Errors
    /// A recipe that enumerates nothing, or whose letters no arithmetic has.
    pub(super) fn new(recipe: &Recipe) -> Result<Rules> {
        let Some(distinct) = recipe.space().enumerates() else {
            return Err(Error::Usage("this recipe does not enumerate distinct unitaries".into()));
        };
        let letters = Letters::new(recipe.alphabet(), distinct.up_to)?;
        let (inverses, cost_of) = (letters.inverses(), next_level::costs(recipe));
        let costs_as_much = |(letter, other): (usize, &Option<u16>)| {
            other.is_some_and(|other| cost_of[usize::from(other)] == cost_of[letter])
        };
        Ok(Rules {
            codec: Codec::new(recipe),
            layout: Layout::new(recipe.alphabet().letters().len()),
            is_closed: inverses.iter().enumerate().all(costs_as_much),
            inverses: inverses.iter().map(|other| other.map_or(0, |other| 1 << other)).collect(),
            bands: letters.bands(),
            recipe: recipe.clone(),
            letters,
            cost_of,
        })
    }

    /// What makes candidates.
    pub(super) fn expander(&self) -> Box<dyn Expand + '_> {
        self.letters.expander(&self.inverses)
    }

    fn has_costs(&self) -> bool {
        self.cost_of.iter().any(|&cost| cost > 0)
    }

    pub(super) fn label_names(&self) -> Vec<&'static str> {
        let mut names = vec![CIRCUITS, FIRST, LAST, T_COUNT, TWO_QUBIT_COUNT];
        names.extend(self.has_costs().then_some(COST));
        names
    }

    /// Whether a unitary of level `earlier` may come out again when a letter of one of these costs
    /// leads to level `now`.
    ///
    /// If letters can be taken back, a product is never nearer to the identity than its factor by
    /// more than the letter, and where it is nearer by all of it, the letter was left out.
    pub(super) fn meets(&self, earlier: &Level, now: &Level, costs: impl Fn(u32) -> bool) -> bool {
        let reach = |cost: u32| (earlier.cost + 2 * cost, earlier.length + 1) >= (now.cost, now.length);
        !self.is_closed || self.cost_of.iter().any(|&cost| costs(cost) && reach(cost))
    }

    /// The numbers of the levels whose unitaries may come out again when a level is made.
    pub(super) fn met(&self, levels: &[Level], plan: &NextLevel) -> Vec<usize> {
        let meets =
            |&earlier: &usize| self.meets(&levels[earlier], &plan.level, |cost| cost <= plan.level.cost);
        (0..levels.len()).filter(meets).collect()
    }

    /// How many candidates a level has at most.
    pub(super) fn products(&self, plan: &NextLevel) -> u64 {
        let one_less = u64::from(self.is_closed && plan.level.length > 1);
        let of_source = |(ids, letters): &(Range<u64>, u32)| {
            (ids.end - ids.start) * (u64::from(letters.count_ones()) - one_less)
        };
        plan.sources.iter().map(of_source).sum()
    }

    /// A chunk of records.
    pub(super) fn chunk(
        &self,
        first_id: u64,
        circuits: &Circuits,
        found: &[Shortest],
        cost: u32,
    ) -> Result<Chunk> {
        let alphabet = self.recipe.alphabet();
        let gate = |letter: &Letter| &alphabet.gates()[letter.gate];
        // Both counts in one number, added up at once.
        let one =
            |letter: &Letter| u64::from(gate(letter).is_t()) | u64::from(gate(letter).qubits() == 2) << 32;
        let of_letters: Vec<u64> = alphabet.letters().iter().map(one).collect();
        let sum =
            |circuit: &[u16]| circuit.iter().map(|&letter| of_letters[usize::from(letter)]).sum::<u64>();
        let both = |sum: u64| (i64::from(sum as u32), i64::from((sum >> 32) as u32));
        let (t_counts, two_qubit_counts) = circuits.iter().map(sum).map(both).unzip();
        let column = |of: &dyn Fn(&Shortest) -> u32| {
            LabelColumn::Integers(found.iter().map(|row| of(row).into()).collect())
        };
        let mut columns = vec![
            (CIRCUITS, column(&|row| row.circuits)),
            (FIRST, column(&|row| row.first)),
            (LAST, column(&|row| row.last)),
            (T_COUNT, LabelColumn::Integers(t_counts)),
            (TWO_QUBIT_COUNT, LabelColumn::Integers(two_qubit_counts)),
        ];
        if self.has_costs() {
            columns.push((COST, column(&|_| cost)));
        }
        let (mut labels, mut chunk) = (Labels::default(), Chunk::default());
        labels.extend(circuits.len(), &columns)?;
        self.codec.encode(first_id, circuits, &[], &mut chunk);
        self.codec.encode_labels(&labels, 0..circuits.len(), &mut chunk);
        Ok(chunk)
    }
}

/// The labels of a record besides those that the enumeration itself needs.
const T_COUNT: &str = "t_count";

const TWO_QUBIT_COUNT: &str = "two_qubit_count";

const COST: &str = "cost";
