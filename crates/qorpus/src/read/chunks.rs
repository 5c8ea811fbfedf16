//! A corpus by its chunks: scans for exports and merges, and which chunks are done.

use crate::corpus::corpus_file::{Summary, damaged};
use crate::corpus::scan::Batch;
use crate::error::{ChunkDamage, Error, Result};
use crate::read::corpus::Corpus;
use crate::read::present::Present;
use crate::read::rows::again;
use crate::read::source::Source;
use crate::shards::commit::Sealed;
use crate::tables::claims;
use std::collections::BTreeSet;
use std::ops::Range;

impl Corpus {
    /// Returns the first id from `id` on whose record is generated, or the number of ids.
    pub(crate) fn next_made(&self, id: u64) -> Result<u64> {
        match &self.source {
            Source::Parts(files) => {
                let next = files.iter().map(|file| file.with(|corpus| corpus.next_made(id)));
                { next }.try_fold(self.recipe.space().len(), |next, found| Ok(next.min(found?)))
            }
            Source::Sharded(shards) => shards.next_listed(id),
            _ => Ok(id),
        }
    }

    /// Calls `visit` with the existing chunks among `numbers`, as [`CorpusFile::scan`] does.
    pub(crate) fn scan(
        &self,
        numbers: Range<u64>,
        visit: &mut dyn FnMut(&Batch<'_>) -> Result<()>,
    ) -> Result<()> {
        let Source::Sharded(shards) = &self.source else {
            return self.source.only_file()?.with(|corpus| corpus.scan(numbers, visit));
        };
        for (id, chunks) in shards.listed_chunks()? {
            let chunks = chunks.start.max(numbers.start)..chunks.end.min(numbers.end);
            if !chunks.is_empty() {
                let mut next = chunks.start;
                again(|| {
                    let from = next;
                    shards.with_chunks(id, |corpus| {
                        corpus.scan(from..chunks.end, &mut |batch| {
                            next = batch.number + 1;
                            visit(batch)
                        })
                    })
                })?;
            }
        }
        Ok(())
    }

    /// Returns the names of the labels that some record of these chunks has as a real.
    pub(crate) fn real_labels(&self, numbers: Range<u64>) -> Result<BTreeSet<String>> {
        if self.recipe.space().enumerates().is_some() || !self.recipe.space().is_appended() {
            // An enumeration's labels are integers, and a recipe's records have none.
            return Ok(BTreeSet::new());
        }
        self.source.only_file()?.with(|corpus| corpus.real_labels(numbers))
    }

    /// Returns the possible numbers of the chunks that existed at the time of `summary`.
    pub(crate) fn numbers(&self, summary: &Summary) -> Range<u64> {
        let records = summary.expected.unwrap_or(summary.records);
        // A file may have grown since it was opened.
        let own = self.recipe.expected().map_or(records, |own| records.min(own));
        0..own.div_ceil(self.recipe.stride())
    }

    /// Returns the ids of the records that exist at this moment: in a sharded corpus the records of
    /// all published shards, even if the manifest does not list them yet. All of them can be read
    /// with [`with_unsealed`](Corpus::with_unsealed).
    ///
    /// Takes time proportional to the number of shards, unless all of them are listed.
    pub fn present(&self) -> Result<Present> {
        match &self.source {
            Source::Sharded(shards) => Ok(Present::new(shards.published_ids()?)),
            Source::Parts(files) => {
                let mut ranges = Vec::new();
                for file in files {
                    let done = file.with(|corpus| {
                        corpus.read(|connection| claims::done(connection, self.recipe.chunks()))
                    })?;
                    let last = |end: u64| self.recipe.chunk_ids(end - 1).end;
                    ranges.extend(
                        done.into_iter().map(|done| self.recipe.chunk_ids(done.start).start..last(done.end)),
                    );
                }
                Ok(Present::new(ranges))
            }
            Source::Computed(..) | Source::Joined(_) => Ok(Present::new(std::iter::once(0..self.len()?))),
        }
    }

    /// Returns a summary of the published shards of a sharded corpus, if its manifest does not list
    /// all of them yet.
    ///
    /// # Errors
    /// A receipt cannot be read, or the shards cannot be listed.
    pub fn unsealed(&self) -> Result<Option<Sealed>> {
        let Source::Sharded(shards) = &self.source else { return Ok(None) };
        let (listed, published) = (shards.manifest()?, shards.published()?);
        Ok((published.shards != listed.shards).then(|| Sealed::of(&published)))
    }

    /// Returns the pending chunks, in order.
    pub(crate) fn todo(&self) -> Result<Vec<Range<u64>>> {
        let chunks = 0..self.recipe.chunks();
        if let Source::Sharded(shards) = &self.source {
            let (mut todo, mut next) = (Vec::new(), chunks.start);
            for (_, listed) in shards.listed_chunks()? {
                todo.push(next..listed.start);
                next = listed.end;
            }
            todo.push(next..chunks.end);
            return Ok(todo);
        }
        self.source.only_file()?.with(|corpus| {
            let todo = corpus.read(|connection| claims::within(connection, &chunks))?;
            Ok(todo.into_iter().map(|todo| todo.chunks).collect())
        })
    }

    /// Returns the error of a missing chunk.
    pub(crate) fn lost(&self, number: u64) -> Error {
        self.damaged(number, ChunkDamage::Missing)
    }

    /// Returns the error of a damaged chunk.
    pub(crate) fn damaged(&self, number: u64, damage: ChunkDamage) -> Error {
        damaged(&self.recipe, self.place(), number, damage)
    }
}
