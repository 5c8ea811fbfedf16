//! The recipe of a sharded corpus, and the one with which it was created: a corpus that grows gets
//! a larger recipe, and keeps its shards, their checks and their receipts.

use crate::sqlite::connection::StoredRecipe;
use qorpus_core::Recipe;

/// The recipe of a sharded corpus, and the one with which it was created.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lineage {
    recipe: Recipe,
    /// The recipe of its creation, if that was a smaller one.
    created_as: Option<Recipe>,
}

impl Lineage {
    /// Returns the lineage of a corpus that is created with this recipe.
    pub(super) fn new(recipe: Recipe) -> Lineage {
        Lineage { recipe, created_as: None }
    }

    /// Returns the lineage with a larger recipe, or with the same. `None` if its records are not the
    /// first ones of that recipe, or that recipe divides or packs chunks differently.
    pub(super) fn grown(&self, recipe: &Recipe) -> Option<Lineage> {
        if self.recipe.hash() == recipe.hash() {
            return Some(self.clone());
        }
        let fits = self.recipe.begins(recipe) && self.recipe.has_layout_of(recipe);
        fits.then(|| Lineage { recipe: recipe.clone(), created_as: Some(self.first().clone()) })
    }

    pub(crate) fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Returns the recipe with which the corpus was created. Its hash is in all receipts, and the
    /// seed of the checks follows from it.
    pub(super) fn first(&self) -> &Recipe {
        self.created_as.as_ref().unwrap_or(&self.recipe)
    }

    /// Returns the recipe of the corpus's creation, if it has grown since.
    pub(super) fn created_as(&self) -> Option<&Recipe> {
        self.created_as.as_ref()
    }

    /// Returns the recipe and the seed of the checks of new shards.
    pub(crate) fn stored(&self) -> StoredRecipe {
        StoredRecipe { recipe: self.recipe.clone(), check_seed: self.first().check_seed() }
    }

    /// Returns whether the corpus may grow to `other`, or is the same.
    pub(super) fn begins(&self, other: &Lineage) -> bool {
        self.first().hash() == other.first().hash() && self.recipe.begins(&other.recipe)
    }

    /// Returns whether a file can be a shard of it: it was written before or after some growth. Its
    /// range decides whether it is one.
    pub(super) fn holds(&self, file: &StoredRecipe) -> bool {
        file.check_seed == self.first().check_seed()
            && file.recipe.has_layout_of(&self.recipe)
            && (file.recipe.begins(&self.recipe) || self.recipe.begins(&file.recipe))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecipeOptions;

    fn recipe(random: u64, seed: u64) -> Recipe {
        RecipeOptions { random, seed, ..RecipeOptions::default() }.recipe().unwrap()
    }

    #[test]
    fn a_corpus_that_grows_twice_keeps_its_first_recipe() {
        let first = Lineage::new(recipe(100, 0));
        let second = first.grown(&recipe(1_000, 0)).unwrap();
        let third = second.grown(&recipe(5_000, 0)).unwrap();
        assert_eq!(first.grown(&recipe(5_000, 0)).unwrap(), third);
        assert_eq!((third.recipe(), third.created_as()), (&recipe(5_000, 0), Some(&recipe(100, 0))));
        assert_eq!((first.grown(&recipe(100, 0)), first.created_as()), (Some(first.clone()), None));
        assert!(third.grown(&recipe(4_999, 0)).is_none() && third.grown(&recipe(9_999, 1)).is_none());
        assert!(first.begins(&first) && first.begins(&third) && second.begins(&third));
        assert!(!third.begins(&second) && !first.begins(&Lineage::new(recipe(5_000, 0))));
    }

    #[test]
    fn files_of_other_corpora_are_none_of_its_shards() {
        let (small, large) = (recipe(100, 0), recipe(1_000, 0));
        let grown = Lineage::new(small.clone()).grown(&large).unwrap();
        let larger = Lineage::new(small.clone()).grown(&recipe(2_000, 0)).unwrap();
        for file in [StoredRecipe::new(small.clone()), grown.stored(), larger.stored()] {
            assert!(grown.holds(&file));
        }
        assert!(
            !grown.holds(&StoredRecipe::new(large.clone()))
                && !grown.holds(&StoredRecipe::new(recipe(100, 1)))
        );
        assert!(!Lineage::new(large).holds(&StoredRecipe::new(small)));
    }
}
