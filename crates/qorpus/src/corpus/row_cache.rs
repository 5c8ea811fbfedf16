//! Caches of the positions of chunks that were found before.

use crate::sqlite::btree::ChunkRow;
use qorpus_core::{ChunkSpan, Recipe};

/// The position of a chunk, and whether labels came with its records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkLocation {
    pub(crate) span: ChunkSpan,
    pub(super) has_labels: bool,
}

impl ChunkLocation {
    pub(super) fn holds(self, id: u64) -> bool {
        id.checked_sub(self.span.first_id).is_some_and(|position| position < self.span.count)
    }
}

/// Chunks of any size that were found before: in each slot the last two, since neighbours often
/// share one.
#[derive(Debug)]
pub(crate) struct ChunkCache(Vec<[Option<ChunkLocation>; 2]>);

impl ChunkCache {
    pub(crate) fn new(slots: usize) -> ChunkCache {
        ChunkCache(vec![[None; 2]; slots])
    }

    /// Returns the slot for the chunk of a record; a full chunk has `most` records.
    pub(super) fn slot(&mut self, id: u64, most: u64) -> &mut [Option<ChunkLocation>; 2] {
        let slots = self.0.len();
        &mut self.0[(id / most.div_ceil(2)) as usize % slots]
    }
}

/// Rows that were found before: in each slot the last two, since neighbours often share one.
pub(super) struct RowCache {
    slots: Vec<[ChunkRow; 2]>,
    /// Ids of a slot.
    step: u64,
    /// Records of a full chunk.
    most: u64,
    /// The number of records, if all chunks but the last are full.
    full: Option<u64>,
}

impl RowCache {
    /// Creates a cache for a file of `records` records, with at most `slots` slots, a power of two.
    pub(super) fn new(recipe: &Recipe, records: u64, slots: usize) -> RowCache {
        let (most, full) = (recipe.chunk_records(), recipe.expected());
        let step = if full.is_some() { most } else { most.div_ceil(2) };
        let slots = (records / step).clamp(1, slots as u64).next_power_of_two();
        RowCache { slots: vec![[ChunkRow::default(); 2]; slots as usize], step, most, full }
    }

    pub(super) fn slot(&self, id: u64) -> usize {
        (id / self.step) as usize & (self.slots.len() - 1)
    }

    #[inline]
    pub(super) fn found(&self, id: u64) -> Option<&ChunkRow> {
        let [newer, older] = &self.slots[self.slot(id)];
        if newer.holds(id) { Some(newer) } else { Some(older).filter(|row| row.holds(id)) }
    }

    /// Returns the row that holds a record: a cached one, or else the result of `find`.
    pub(super) fn get(&mut self, id: u64, find: impl FnOnce() -> Option<ChunkRow>) -> Option<ChunkRow> {
        self.found(id).copied().or_else(|| {
            let row = find().filter(|row| row.holds(id) && self.fits(row))?;
            let slot = self.slot(id);
            self.slots[slot] = [row, self.slots[slot][0]];
            Some(row)
        })
    }

    /// Returns whether there may be such a chunk.
    pub(super) fn fits(&self, row: &ChunkRow) -> bool {
        let count = u64::from(row.count);
        match self.full {
            Some(records) => {
                row.first_id.is_multiple_of(self.most)
                    && count == self.most.min(records.saturating_sub(row.first_id))
            }
            None => count <= self.most && row.first_id.checked_add(count).is_some(),
        }
    }
}

/// Slots for ten to twenty million records on one qubit.
pub(crate) const MAX_SLOTS: usize = 1 << 14;
