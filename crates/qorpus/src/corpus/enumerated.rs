//! The levels of a corpus that is enumerated.

use crate::corpus::corpus_file::CorpusFile;
use crate::error::{Result, not_a_corpus};
use crate::tables::levels::{Level, check, levels};

impl CorpusFile {
    /// The finished levels of an enumeration, in order; none if nothing was enumerated.
    ///
    /// # Errors
    /// The file cannot be read, or contradicts itself.
    pub fn levels(&self) -> Result<Vec<Level>> {
        if self.recipe().space().enumerates().is_none() {
            return Ok(Vec::new());
        }
        let levels = self.read(levels)?;
        check(&levels).map_err(|reason| not_a_corpus(self.path(), reason))?;
        Ok(levels)
    }
}
