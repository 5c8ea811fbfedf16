//! What fuzzing checks, on any Rust: the seeds, all that was ever found, and some thousand
//! mutations of them, always the same; and no input takes memory beyond a multiple of its size.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "as a library of its own it is public")]
mod properties;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counts what is allocated; everything else is the system's.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "the only way to see what is allocated is to be the allocator")]
// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller promises what the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What any input may take, and for each of its bytes; the decoded letters of a chunk take the
/// most.
const MAX_BYTES: usize = 160 << 20;
const MAX_PER_BYTE: usize = 600;

/// `SplitMix64`: mutations are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((word ^ word >> 31) % end.max(1) as u64) as usize
    }

    /// What fuzzers do: other bytes, bits, pieces left out, doubled, or taken from another seed.
    fn mutated(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..1 + self.below(6) {
            let (at, len) = (self.below(bytes.len() + 1), 1 + self.below(12));
            let end = bytes.len().min(at + len);
            match self.below(7) {
                0 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 => drop(bytes.drain(at..end)),
                3 => bytes.insert(at, b"0123456789-+()[]{},;.\"'e\xff\x00"[self.below(25)]),
                4 => {
                    let piece = bytes[at..end].repeat(1 + self.below(40));
                    drop(bytes.splice(at..at, piece));
                }
                5 => {
                    let other = &seeds[self.below(seeds.len())];
                    let start = self.below(other.len());
                    let piece = &other[start..other.len().min(start + 4 * len)];
                    drop(bytes.splice(at..end, piece.iter().copied()));
                }
                _ => bytes.truncate(bytes.len() - self.below(bytes.len() / 4 + 1)),
            }
        }
        bytes
    }
}

fn inputs(folder: &str, target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(folder).join(target);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

fn holds_for(target: &str, property: fn(&[u8]), mutations: usize) {
    let mut seeds = inputs("corpus", target);
    assert!(!seeds.is_empty(), "seeds of {target}");
    seeds.extend(inputs("regressions", target));
    property(&[]);
    let mut chance = Chance(0);
    let checked = |input: &[u8]| {
        let before = NOW.load(Relaxed);
        MOST.store(before, Relaxed);
        if std::panic::catch_unwind(|| property(input)).is_err() {
            panic!("{target}: {}", input.escape_ascii());
        }
        let taken = MOST.load(Relaxed).saturating_sub(before);
        let most = MAX_BYTES + MAX_PER_BYTE * input.len();
        assert!(taken < most, "{target}: {taken} bytes for {}", input.escape_ascii());
    };
    seeds.iter().for_each(|seed| checked(seed));
    (0..mutations).for_each(|_| checked(&chance.mutated(&seeds)));
}

/// One test, since what is allocated is counted for the whole process.
#[test]
fn what_must_hold_whatever_comes() {
    holds_for("chunk", properties::chunk, 5000);
    holds_for("recipe", properties::recipe, 5000);
    holds_for("gates", properties::gates, 2000);
    holds_for("circuit", properties::circuit, 5000);
    holds_for("file", properties::file, 300);
}
