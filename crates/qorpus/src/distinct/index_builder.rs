//! Building the index of a level from its keys in ascending order.

use crate::corpus::corpus_writer::CorpusWriter;
use crate::distinct::candidate::KeyRanges;
use crate::distinct::context::Context;
use crate::distinct::index::Index;
use crate::distinct::job::Resources;
use crate::distinct::row_format;
use crate::distinct::spill::Bucketing;
use crate::error::Result;
use crate::tables::levels::Level;
use std::ops::Range;

/// Keys whose blocks are filled together.
const FILL_KEYS: u64 = 1 << 16;

/// The approximate bytes of the blocks of these keys.
pub(super) const FILL_BYTES: usize = 11 << 16;

/// The number of a block of an index, and its bytes.
pub(super) type IndexBlock = (u64, Vec<u8>);

/// Consecutive blocks of an index that are being filled.
pub(super) struct BlockBuilder {
    index: Index,
    /// The number of the block that is being filled.
    next: u64,
    entries: Vec<(u128, u64)>,
    full: Vec<IndexBlock>,
}

impl BlockBuilder {
    /// Begins with block `first`.
    fn new(index: Index, first: u64) -> BlockBuilder {
        BlockBuilder { index, next: first, entries: Vec::new(), full: Vec::new() }
    }

    /// Adds the key and the origin of a record; keys ascend. Keys of blocks before the first are
    /// ignored.
    fn add(&mut self, (key, origin): (u128, u64)) {
        let block = self.index.block(key);
        self.end(block);
        if block == self.next {
            self.entries.push((key, origin));
        }
    }

    /// Ends all blocks before this one; some may be empty.
    fn end(&mut self, block: u64) {
        while self.next < block {
            self.full.push((self.next, self.index.encode(self.next, &self.entries)));
            self.entries.clear();
            self.next += 1;
        }
    }
}

/// A plan to fill the index of a level, range by range, from the files of its keys.
pub(super) struct IndexFill {
    pub(super) index: Index,
    level: usize,
    /// Buckets of the keys.
    buckets: u64,
    /// Ranges whose blocks are filled together.
    ranges: KeyRanges,
}

impl IndexFill {
    pub(super) fn new(context: &Context, number: usize, level: &Level, bucketing: Bucketing) -> IndexFill {
        let index = context.index(number, level);
        let ranges = level.records.div_ceil(FILL_KEYS).next_power_of_two().min(index.blocks());
        IndexFill { index, level: number, buckets: bucketing.buckets, ranges: context.key_ranges(ranges) }
    }

    /// Returns the ranges that are not in the corpus yet.
    pub(super) fn missing(&self, writer: &CorpusWriter) -> Result<Range<u64>> {
        let next = writer.read(|connection| self.index.present(connection))?;
        let ranges = self.ranges.count;
        // A damaged file may have more.
        Ok((next * ranges / self.index.blocks()).min(ranges)..ranges)
    }

    /// Builds the blocks of a range.
    pub(super) fn blocks(&self, resources: &Resources<'_>, range: u64) -> Result<Vec<IndexBlock>> {
        let (ranges, blocks) = (self.ranges.count, self.index.blocks() / self.ranges.count);
        let mut builder = BlockBuilder::new(self.index, range * blocks);
        for bucket in range * self.buckets / ranges..((range + 1) * self.buckets).div_ceil(ranges) {
            let file = resources.keys(self.level, bucket)?;
            file.visit(file.with_keys(self.ranges.exactly(range))?, |row| {
                builder.add(row_format::key_and_origin(row));
                true
            })?;
        }
        builder.end((range + 1) * blocks);
        Ok(builder.full)
    }
}

/// A writer of the index of a level. It resumes after the existing blocks.
pub(super) struct IndexWriter<'a> {
    writer: &'a CorpusWriter,
    builder: BlockBuilder,
}

impl<'a> IndexWriter<'a> {
    pub(super) fn new(writer: &'a CorpusWriter, index: Index) -> Result<IndexWriter<'a>> {
        let next = writer.read(|connection| index.present(connection))?;
        Ok(IndexWriter { writer, builder: BlockBuilder::new(index, next) })
    }

    /// Adds keys and origins, and commits them once they are `max_bytes`.
    pub(super) fn add(&mut self, entries: Vec<(u128, u64)>, max_bytes: usize) -> Result<()> {
        entries.into_iter().for_each(|entry| self.builder.add(entry));
        let bytes = self.builder.full.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        if bytes >= max_bytes { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<()> {
        let BlockBuilder { index, full, .. } = &mut self.builder;
        self.writer.write(|transaction| {
            full.drain(..).try_for_each(|(block, bytes)| index.insert(transaction, block, &bytes))
        })
    }

    /// Commits everything, with empty blocks up to the last one.
    pub(super) fn finish(mut self) -> Result<()> {
        self.builder.end(self.builder.index.blocks());
        self.commit()
    }
}
