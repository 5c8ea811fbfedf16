//! The blocks of a file that have passed their checks, a bit each: while no process writes the file,
//! they are checked once in a process.

use qorpus_core::{ChunkSpan, Codec};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, SystemTime};

/// The variable that, set to `always`, has every block checked whenever it is read. So has any other
/// value but `once`, to be on the safe side of a misspelled one.
const VARIABLE: &str = "QORPUS_CHECK";

/// Words of the bits that are allocated together: a kilobyte, for 8192 blocks. Thousands of shards may
/// be open.
const PAGE_WORDS: usize = 1 << 7;

const PAGE_BLOCKS: u64 = PAGE_WORDS as u64 * u64::BITS as u64;

/// The most pages of a column, 32 MiB. Blocks beyond are always checked.
const MAX_PAGES: u64 = 1 << 15;

/// The blocks of both columns of one file that were checked.
#[derive(Debug)]
pub(crate) struct CheckedBlocks {
    state: FileState,
    pub(super) circuits: BlockSet,
    pub(super) unitaries: BlockSet,
}

/// A file's device, inode, size and the time of its last change. Another state of it is checked
/// again.
type FileState = (u64, u64, u64, SystemTime);

fn file_state(path: &Path) -> Option<FileState> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.size(), found.modified().ok()?))
}

/// The age from which a file's state identifies its bytes: a second change soon after the first may
/// have the same time.
const SETTLED: Duration = Duration::from_secs(2);

/// The sets of all files that are mapped.
static OF_FILES: Mutex<Vec<(FileState, Weak<CheckedBlocks>)>> = Mutex::new(Vec::new());

static IS_ALWAYS: LazyLock<bool> =
    LazyLock::new(|| std::env::var_os(VARIABLE).is_some_and(|value| !value.is_empty() && value != "once"));

impl CheckedBlocks {
    /// Returns the set that all mappings of a file with the records `ids` share. `None` if every block
    /// is to be checked whenever it is read: a file that was just changed may change again unnoticed.
    pub(super) fn of(path: &Path, ids: &Range<u64>, codec: &Codec) -> Option<Arc<CheckedBlocks>> {
        let state = file_state(path).filter(|_| !*IS_ALWAYS)?;
        state.3.elapsed().ok().filter(|&age| age > SETTLED)?;
        let mut sets = OF_FILES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = sets.iter().find(|(known, _)| *known == state).and_then(|(_, set)| set.upgrade()) {
            return Some(set);
        }
        let set = Arc::new(CheckedBlocks {
            state,
            circuits: BlockSet::new(ids, codec.circuits_in_block()),
            unitaries: BlockSet::new(ids, codec.unitaries_in_block()),
        });
        sets.retain(|(_, set)| set.strong_count() > 0);
        sets.push((state, Arc::downgrade(&set)));
        Some(set)
    }

    /// Returns the device and inode number of the file.
    pub(super) fn file_id(&self) -> (u64, u64) {
        (self.state.0, self.state.1)
    }

    /// Returns whether the file is in the state in which its blocks were checked.
    pub(super) fn is_of(&self, path: &Path) -> bool {
        file_state(path) == Some(self.state)
    }
}

/// A set of full blocks of one column. A block that has fewer records, at the end of a chunk, is never
/// in it.
#[derive(Debug)]
pub(super) struct BlockSet {
    first_id: u64,
    /// The records of a full block.
    in_block: u64,
    pages: Box<[OnceLock<Box<[AtomicU64; PAGE_WORDS]>>]>,
}

impl BlockSet {
    fn new(ids: &Range<u64>, in_block: u64) -> BlockSet {
        let pages = (ids.end - ids.start).div_ceil(in_block).div_ceil(PAGE_BLOCKS).min(MAX_PAGES);
        let pages = (0..pages).map(|_| OnceLock::new()).collect();
        BlockSet { first_id: ids.start, in_block, pages }
    }

    /// Returns the blocks of a chunk.
    pub(super) fn of_chunk(&self, chunk: ChunkSpan) -> ChunkBlocks<'_> {
        let before = chunk.first_id.checked_sub(self.first_id);
        let count = if before.is_some() { chunk.count / self.in_block } else { 0 };
        ChunkBlocks { set: self, first: before.unwrap_or_default() / self.in_block, count }
    }

    #[inline]
    fn contains(&self, number: u64) -> bool {
        let (page, word, bit) = place(number);
        let page = self.pages.get(page).and_then(OnceLock::get);
        page.is_some_and(|words| words[word].load(Ordering::Relaxed) & bit > 0)
    }

    fn insert(&self, number: u64) {
        let (page, word, bit) = place(number);
        if let Some(page) = self.pages.get(page) {
            let words = page.get_or_init(|| Box::new([const { AtomicU64::new(0) }; PAGE_WORDS]));
            words[word].fetch_or(bit, Ordering::Relaxed);
        }
    }
}

/// The blocks of one chunk in a set.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChunkBlocks<'s> {
    set: &'s BlockSet,
    /// The number of the chunk's first block. Full blocks begin at least a block apart, also in chunks
    /// of any size, so that the number of blocks before them, rounded down, distinguishes them.
    first: u64,
    /// The number of its full blocks.
    count: u64,
}

impl ChunkBlocks<'_> {
    #[inline]
    pub(super) fn contains(self, block: usize) -> bool {
        (block as u64) < self.count && self.set.contains(self.first + block as u64)
    }

    pub(super) fn insert(self, block: usize) {
        if (block as u64) < self.count {
            self.set.insert(self.first + block as u64);
        }
    }
}

/// Returns the page, the word in it, and the bit of a block.
fn place(block: u64) -> (usize, usize, u64) {
    let page = usize::try_from(block / PAGE_BLOCKS).unwrap_or(usize::MAX);
    let within = block % PAGE_BLOCKS;
    (page, (within / u64::from(u64::BITS)) as usize, 1 << (within % u64::from(u64::BITS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_the_blocks_that_were_inserted_and_no_others() {
        let set = BlockSet::new(&(0..64 * 70_000), 64);
        let inserted = [0, 63, 64, PAGE_BLOCKS - 1, PAGE_BLOCKS, 69_999];
        inserted.iter().for_each(|&block| set.insert(block));
        let found: Vec<u64> = (0..80_000).filter(|&block| set.contains(block)).collect();
        assert_eq!(found, inserted);
    }

    /// One full block is in the set, and it is never taken for another one; blocks of fewer records
    /// are never in it.
    #[test]
    fn blocks_of_chunks_of_any_size_are_distinguished() {
        let (start, in_block) = (1_000, 32);
        for counts in [&[100, 100, 100][..], &[31, 33, 32, 1, 64, 63, 95], &[32; 5], &[7, 7, 7, 7, 40]] {
            let end = start + counts.iter().sum::<u64>();
            let chunks: Vec<ChunkSpan> = counts
                .iter()
                .scan(start, |next, &count| {
                    *next += count;
                    Some(ChunkSpan { first_id: *next - count, count })
                })
                .collect();
            let blocks = |chunk: &ChunkSpan| 0..chunk.count.div_ceil(in_block) as usize;
            for inserted in &chunks {
                for block in blocks(inserted) {
                    let set = BlockSet::new(&(start..end), in_block);
                    set.of_chunk(*inserted).insert(block);
                    for chunk in &chunks {
                        for other in blocks(chunk) {
                            let is_full = (other as u64 + 1) * in_block <= chunk.count;
                            let is_same = (chunk.first_id, other) == (inserted.first_id, block);
                            assert_eq!(set.of_chunk(*chunk).contains(other), is_same && is_full);
                        }
                    }
                }
            }
        }
        // Records that the set does not know.
        let set = BlockSet::new(&(start..2 * start), in_block);
        let before = set.of_chunk(ChunkSpan { first_id: 0, count: 64 });
        before.insert(0);
        assert!(!before.contains(0) && !set.contains(0));
    }

    #[test]
    fn memory_is_bounded() {
        let set = BlockSet::new(&(0..u64::MAX), 64);
        assert_eq!(set.pages.len() as u64, MAX_PAGES);
        for block in [MAX_PAGES * PAGE_BLOCKS, u64::MAX] {
            set.insert(block);
            assert!(!set.contains(block));
        }
        assert!(set.pages.iter().all(|page| page.get().is_none()));
    }
}
