//! The progress of an enumeration.

use std::cell::{Cell, RefCell};

/// A phase of computing a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// One more letter extends the circuits of earlier levels.
    #[default]
    Expanding,
    /// Equal candidates are merged, and known ones dropped.
    Merging,
    /// Survivors become records.
    Ordering,
}

/// The progress of an enumeration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EnumerateProgress {
    /// The cost of the circuits of the current level.
    pub cost: u32,
    /// Their length.
    pub length: usize,
    /// The phase of the level.
    pub phase: Phase,
    /// The finished circuits, ranges of keys or records of the phase.
    pub done: u64,
    /// All circuits, ranges of keys or records of the phase.
    pub of: u64,
    /// Records in the corpus.
    pub records: u64,
    /// Products of a unitary and a letter that were computed in this run.
    pub candidates: u64,
    /// The most bytes of temporary files that this level is expected to need.
    pub temporary: u64,
}

/// The progress, and the callback for it.
pub(super) struct Reporter<'r> {
    progress: Cell<EnumerateProgress>,
    callback: RefCell<&'r mut dyn FnMut(EnumerateProgress)>,
}

impl<'r> Reporter<'r> {
    pub(super) fn new(callback: &'r mut dyn FnMut(EnumerateProgress)) -> Reporter<'r> {
        Reporter { progress: Cell::default(), callback: RefCell::new(callback) }
    }

    pub(super) fn progress(&self) -> EnumerateProgress {
        self.progress.get()
    }

    /// Changes the progress without reporting it.
    pub(super) fn update(&self, change: impl FnOnce(&mut EnumerateProgress)) {
        let mut progress = self.progress.get();
        change(&mut progress);
        self.progress.set(progress);
    }

    /// Begins a phase that may be partly done.
    pub(super) fn begin(&self, phase: Phase, done: u64, of: u64) {
        self.progress.set(EnumerateProgress { phase, done, of, ..self.progress.get() });
    }

    /// Changes and reports the progress.
    pub(super) fn report(&self, change: impl FnOnce(&mut EnumerateProgress)) {
        self.update(change);
        (self.callback.borrow_mut())(self.progress.get());
    }
}
