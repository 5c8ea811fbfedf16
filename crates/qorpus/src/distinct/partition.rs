//! The partition of a level among processes that share no files.
//!
//! A piece is some circuits of the frontier, a range some keys, a part the survivors that come from
//! some consecutive circuits. Pieces are read where the corpus is, and expanded anywhere. The
//! candidates are sent to their ranges, which are merged anywhere. The survivors are sent back as a
//! stream, whose first place has the summaries of all ranges, the next ones the survivors of each
//! part, sorted by origin, and the last ones the keys and origins of each range, sorted by key.

use crate::distinct::commit::ORDERED_PARENTS;
use crate::distinct::context::Context;
use crate::distinct::external::PARTS;
use crate::distinct::messages::FrontierRange;
use crate::error::{Error, Result};
use crate::tables::levels::Level;
use crate::tables::next_level::{self, NextLevel};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Pieces for each worker, so that all workers finish at about the same time.
const WORKER_PIECES: u64 = 4;

/// A partition of the work of a level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    pub(super) recipe: String,
    sources: Vec<FrontierRange>,
    /// Candidates that a process may hold.
    pub(super) max_candidates: u64,
    /// Circuits in a piece.
    piece_parents: u64,
    /// Ranges of keys, a power of two.
    pub(super) ranges: u64,
    /// Circuits of a part.
    part_parents: u64,
}

impl Partition {
    /// Partitions the level of `plan` among workers. Unitaries of the levels `met` may recur.
    pub(super) fn new(
        context: &Context,
        plan: &NextLevel,
        met: &[Level],
        max_candidates: u64,
        workers: u64,
    ) -> Partition {
        let source = |(ids, letters): &(Range<u64>, u32)| {
            let is_known = met.iter().any(|level| level.ids() == *ids);
            FrontierRange { ids: ids.clone(), letters: *letters, is_known }
        };
        let mut sources: Vec<FrontierRange> = plan.sources.iter().map(source).collect();
        for level in met.iter().filter(|level| level.records > 0) {
            if sources.iter().all(|source| source.ids != level.ids()) {
                sources.push(FrontierRange { ids: level.ids(), letters: 0, is_known: true });
            }
        }
        let max_parents = (max_candidates / context.letter_count()).max(1);
        let records: u64 = sources.iter().map(|source| source.ids.end - source.ids.start).sum();
        let known: u64 = met.iter().map(|level| level.records).sum();
        // Some ranges hold a little more than others; known records have keys alone.
        let rows = (context.max_candidates(plan) + known / 2) * 9 / 8;
        Partition {
            recipe: context.recipe.to_json(),
            sources,
            max_candidates,
            piece_parents: (records.div_ceil(workers * WORKER_PIECES))
                .clamp(1, max_parents)
                .max(context.recipe.chunk_records()),
            ranges: rows.div_ceil(max_candidates).max(2 * workers).max(PARTS).next_power_of_two(),
            part_parents: max_parents.max(ORDERED_PARENTS) / ORDERED_PARENTS * ORDERED_PARENTS,
        }
    }

    /// Returns the partition as text, for [`RemoteWorker::new`](crate::RemoteWorker::new).
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the text of a partition.
    pub(super) fn from_json(text: &str) -> Result<Partition> {
        let partition: Partition =
            serde_json::from_str(text).map_err(|_| Error::Rows("the partition cannot be read"))?;
        let Partition { ranges, piece_parents, part_parents, .. } = partition;
        let has_ranges = ranges.is_power_of_two() && ranges >= PARTS;
        if has_ranges && piece_parents > 0 && part_parents > 0 && part_parents.is_multiple_of(ORDERED_PARENTS)
        {
            Ok(partition)
        } else {
            Err(Error::Rows("the partition contradicts itself"))
        }
    }

    /// Returns the records of each piece.
    pub(super) fn pieces(&self) -> Vec<FrontierRange> {
        let pieces = |&FrontierRange { ref ids, letters, is_known }: &FrontierRange| {
            let pieces = next_level::pieces(&[(ids.clone(), letters)], self.piece_parents);
            pieces.into_iter().map(move |(ids, letters)| FrontierRange { ids, letters, is_known })
        };
        self.sources.iter().flat_map(pieces).collect()
    }

    /// Returns the ids and the letters of the circuits from which each part comes.
    pub(super) fn parts(&self) -> Vec<(Range<u64>, u32)> {
        let with_letters = self.sources.iter().filter(|source| source.letters > 0);
        let sources: Vec<_> = with_letters.map(|source| (source.ids.clone(), source.letters)).collect();
        next_level::pieces(&sources, self.part_parents)
    }
}
