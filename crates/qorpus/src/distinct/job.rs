//! The job of an enumeration: what all its threads know, and the files in which it keeps what it
//! has.

use crate::corpus::corpus_writer::CorpusWriter;
use crate::distinct::parallel::Threads;
use crate::distinct::rules::Rules;
use crate::distinct::temporary::Temporary;
use crate::error::Result;
use crate::tables::levels;
use crate::tables::levels::Level;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;
/// A candidate takes 40 bytes, as many again while it is sorted, and buffers of files some more.
pub(super) const CANDIDATE_BYTES: u64 = 88;

/// Candidates that a thread holds at most: with more, to put them in order takes longer, in memory
/// that is far apart and new.
pub(super) const MAX_AT_ONCE: u64 = 1 << 23;

/// What all threads know.
pub(super) struct Task<'a> {
    pub(super) path: &'a Path,
    pub(super) rules: &'a Rules,
    pub(super) jobs: usize,
    pub(super) memory: u64,
    /// Candidates that a thread may hold.
    pub(super) at_once: u64,
    pub(super) temporary: Temporary,
    pub(super) stop: &'a AtomicBool,
}

/// What this thread has for itself.
pub(super) struct Job<'a> {
    pub(super) task: Task<'a>,
    pub(super) store: CorpusWriter,
    /// Files that this run has written: they need not be checked.
    pub(super) written: RefCell<HashSet<String>>,
    /// The cuts of this run, by level.
    pub(super) cuts: RefCell<HashMap<usize, Cut>>,
}

/// How the work of a level is cut. It is kept beside the files, whatever memory a later run has.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(super) struct Cut {
    /// Circuits of a piece.
    pub(super) parents: u64,
    /// Ranges of keys, a power of two; 0 until all candidates are there.
    pub(super) buckets: u64,
}

impl Task<'_> {
    /// What does its pieces.
    pub(super) fn threads(&self) -> Threads<'_> {
        Threads::new(self.jobs, self.stop)
    }

    /// Candidates that a process with a single thread may hold.
    pub(super) fn at_once_alone(&self) -> u64 {
        MAX_AT_ONCE.min(self.memory / CANDIDATE_BYTES)
    }
}

impl Job<'_> {
    /// Removes the temporary files whose names begin like this.
    pub(super) fn remove(&self, prefix: &str) -> Result<()> {
        self.written.borrow_mut().retain(|name| !name.starts_with(prefix));
        self.task.temporary.remove(prefix)
    }

    pub(super) fn cut(&self, number: usize) -> Option<Cut> {
        if let Some(cut) = self.cuts.borrow().get(&number) {
            return Some(*cut);
        }
        serde_json::from_str(&self.task.temporary.text(&format!("cut-{number}.json"))?).ok()
    }

    pub(super) fn keep_cut(&self, number: usize, cut: Cut) -> Result<()> {
        self.cuts.borrow_mut().insert(number, cut);
        let text = serde_json::to_string(&cut).unwrap_or_default();
        self.task.temporary.write_text(&format!("cut-{number}.json"), &text)
    }

    /// Whether a temporary file is there.
    pub(super) fn is_there(&self, name: &str) -> bool {
        let known = self.written.borrow().contains(name);
        if !known && self.task.temporary.is_whole(name) {
            self.written.borrow_mut().insert(name.into());
            return true;
        }
        known
    }

    /// Adds a level, all of whose records are there with their index, to those that are finished.
    pub(super) fn finish(&self, number: usize, level: Level) -> Result<Level> {
        self.store.write(|transaction| levels::insert(transaction, number, &level))?;
        self.remove(&format!("found-{number}-"))?;
        Ok(level)
    }
}
