//! The blocks of a file that have passed their checks, a bit each: while no process writes the file,
//! they are checked once in a process.

use qorpus_core::{Codec, Recipe};
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
    /// Returns the set that all mappings of a file share. `None` if every block is to be checked
    /// whenever it is read: chunks of any size share no numbering of blocks, and a file that was just
    /// changed may change again unnoticed.
    pub(super) fn of(path: &Path, recipe: &Recipe, codec: &Codec) -> Option<Arc<CheckedBlocks>> {
        let chunks = recipe.expected().filter(|_| !*IS_ALWAYS)?.div_ceil(recipe.chunk_records());
        let state = file_state(path)?;
        state.3.elapsed().ok().filter(|&age| age > SETTLED)?;
        let mut sets = OF_FILES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = sets.iter().find(|(known, _)| *known == state).and_then(|(_, set)| set.upgrade()) {
            return Some(set);
        }
        let of = |in_block: u64| BlockSet::new(chunks, recipe.chunk_records().div_ceil(in_block));
        let set = Arc::new(CheckedBlocks {
            state,
            circuits: of(codec.circuits_in_block()),
            unitaries: of(codec.unitaries_in_block()),
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

/// A set of blocks of one column.
#[derive(Debug)]
pub(super) struct BlockSet {
    /// The blocks of a full chunk.
    in_chunk: u64,
    pages: Box<[OnceLock<Box<[AtomicU64; PAGE_WORDS]>>]>,
}

impl BlockSet {
    fn new(chunks: u64, in_chunk: u64) -> BlockSet {
        let pages = chunks.saturating_mul(in_chunk).div_ceil(PAGE_BLOCKS).min(MAX_PAGES);
        BlockSet { in_chunk, pages: (0..pages).map(|_| OnceLock::new()).collect() }
    }

    /// Returns the number of a chunk's first block.
    pub(super) fn first(&self, chunk: u64) -> u64 {
        chunk.saturating_mul(self.in_chunk)
    }

    #[inline]
    pub(super) fn contains(&self, block: u64) -> bool {
        let (page, word, bit) = place(block);
        let page = self.pages.get(page).and_then(OnceLock::get);
        page.is_some_and(|words| words[word].load(Ordering::Relaxed) & bit > 0)
    }

    pub(super) fn insert(&self, block: u64) {
        let (page, word, bit) = place(block);
        if let Some(page) = self.pages.get(page) {
            let words = page.get_or_init(|| Box::new([const { AtomicU64::new(0) }; PAGE_WORDS]));
            words[word].fetch_or(bit, Ordering::Relaxed);
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
        let set = BlockSet::new(1_000, 70);
        let inserted = [0, 63, 64, PAGE_BLOCKS - 1, PAGE_BLOCKS, 69_999];
        inserted.iter().for_each(|&block| set.insert(block));
        let found: Vec<u64> = (0..80_000).filter(|&block| set.contains(block)).collect();
        assert_eq!(found, inserted);
        assert_eq!(set.first(3), 210);
    }

    #[test]
    fn memory_is_bounded() {
        let set = BlockSet::new(u64::MAX, 70);
        assert_eq!(set.pages.len() as u64, MAX_PAGES);
        for block in [MAX_PAGES * PAGE_BLOCKS, u64::MAX] {
            set.insert(block);
            assert!(!set.contains(block));
        }
        assert!(set.pages.iter().all(|page| page.get().is_none()));
    }
}
