//! Files that grow while they are open for reading. A reader keeps the recipe with which it was
//! opened: the records that this recipe has are the same after the growth.

use crate::corpus::corpus_file::CorpusFile;
use crate::error::Result;
use crate::sqlite::connection::StoredRecipe;
use crate::tables::metadata;
use qorpus_core::Recipe;
use rusqlite::Connection;
use std::borrow::Cow;

impl CorpusFile {
    /// Returns the recipe that the file has now: the one with which it was opened, or a larger one.
    pub(crate) fn recipe_now(&self, connection: &Connection) -> rusqlite::Result<Cow<'_, StoredRecipe>> {
        let own = &self.shared.stored;
        if !self.is_other(connection)? {
            return Ok(Cow::Borrowed(own));
        }
        let there = Recipe::from_json(&metadata::recipe_text(connection)?).ok();
        let larger = there.filter(|there| own.recipe.begins(there));
        Ok(larger.map_or(Cow::Borrowed(own), |recipe| {
            let stays = own.recipe.has_layout_of(&recipe);
            let check_seed = if stays { own.check_seed } else { recipe.check_seed() };
            Cow::Owned(StoredRecipe { recipe, check_seed })
        }))
    }

    /// Returns whether the file has another recipe than when it was opened.
    pub(crate) fn has_grown(&self) -> Result<bool> {
        self.read(|connection| self.is_other(connection))
    }

    /// Returns whether the file has another recipe, within a transaction.
    pub(super) fn is_other(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let can_grow = self.recipe().expected().is_some() || self.recipe().space().enumerates().is_some();
        Ok(can_grow && metadata::recipe_hash(connection)? != self.shared.identity.hash())
    }
}
