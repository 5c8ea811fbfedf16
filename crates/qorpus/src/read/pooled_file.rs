//! A file with its open handles, one of which each thread takes for a read.

use crate::corpus::corpus_file::{CorpusFile, bytes_of};
use crate::error::{Error, Result, other_recipe};
use crate::os::fork::{self, ForkAware};
use qorpus_core::Recipe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A file with the handles that no thread is using.
#[derive(Debug)]
pub(super) struct PooledFile {
    path: PathBuf,
    recipe: Recipe,
    /// The size of the file when it was opened first.
    bytes: u64,
    #[expect(clippy::vec_box, reason = "they are handed out for every read, and large")]
    idle: Mutex<Vec<Box<CorpusFile>>>,
}

impl ForkAware for PooledFile {
    fn close_handles(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl PooledFile {
    pub(super) fn open(path: &Path) -> Result<Arc<PooledFile>> {
        let _inside = fork::enter();
        let first = Box::new(CorpusFile::open(path)?);
        let file = Arc::new(PooledFile {
            path: first.path().into(),
            recipe: first.recipe().clone(),
            bytes: first.initial_bytes,
            idle: Mutex::new(vec![first]),
        });
        let holder: Arc<dyn ForkAware> = file.clone();
        fork::register(Arc::downgrade(&holder));
        Ok(file)
    }

    /// Returns the absolute path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Runs `read` with a handle that no other thread uses, of a file that still has this recipe.
    pub(super) fn with<T>(&self, read: impl FnOnce(&CorpusFile) -> Result<T>) -> Result<T> {
        let _inside = fork::enter();
        let corpus = self.take()?;
        let result = read(&corpus);
        self.give_back(corpus);
        result
    }

    fn take(&self) -> Result<Box<CorpusFile>> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle.filter(|corpus| !corpus.is_replaced()) {
            Some(corpus) => Ok(corpus),
            None => self.reopen(),
        }
    }

    fn give_back(&self, corpus: Box<CorpusFile>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(corpus);
    }

    fn reopen(&self) -> Result<Box<CorpusFile>> {
        // A truncated file may no longer look like a corpus, but it was one.
        let corpus = CorpusFile::open(&self.path).map_err(|error| {
            if bytes_of(&self.path) < self.bytes { Error::Changed(self.path.clone()) } else { error }
        })?;
        let there = corpus.recipe();
        if !self.recipe.begins(there) {
            return Err(other_recipe(&self.path, there, &self.recipe));
        }
        if !self.recipe.has_layout_of(there) {
            return Err(Error::Grown(self.path.clone()));
        }
        Ok(Box::new(corpus))
    }
}
