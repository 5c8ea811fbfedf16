//! Planning: what a recipe would cost, from a short trial.

use crate::error::Result;
use crate::maker::Maker;
use crate::options::threads;
use qorpus_core::{Codec, Kernel, Recipe};
use std::time::{Duration, Instant};

/// How long the trial computes.
const TRIAL: Duration = Duration::from_millis(300);

/// What generating a recipe would cost on this machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Records.
    pub records: u64,
    /// Chunks, one row each.
    pub chunks: u64,
    /// About the size of the finished file, in bytes.
    pub bytes: u64,
    /// Records a second that one core computes, the disk left out.
    pub rate: f64,
    /// The threads the time is for.
    pub jobs: usize,
    /// Seconds of computing with these threads; a slower disk takes longer.
    pub seconds: f64,
}

/// Computes a few chunks of `recipe` for a third of a second on one core; writes nothing.
///
/// # Errors
/// [`Error::Usage`](crate::Error::Usage) for an impossible number of threads.
pub fn plan(recipe: &Recipe, jobs: Option<usize>) -> Result<Plan> {
    let (codec, kernel) = (Codec::new(recipe), Kernel::new(recipe.alphabet()));
    let mut maker = Maker::new(recipe, &codec, &kernel);
    let (records, chunks, jobs) = (recipe.space().len(), recipe.chunks(), threads(jobs)?);
    let (start, mut made, mut bytes, mut trial) = (Instant::now(), 0u64, 0u64, 0u64);
    while trial == 0 || start.elapsed() < TRIAL {
        // Spread over the space, from the end on: in a space of words the longest, which are most, come last.
        let chunk = maker.chunk(chunks - 1 - trial.wrapping_mul(0x9E37_79B9) % chunks);
        made += chunk.count;
        bytes += chunk.bytes() as u64;
        trial += 1;
    }
    let rate = made as f64 / start.elapsed().as_secs_f64();
    // A chunk has a page to itself, or shares it with as many others as fit.
    let page = f64::from(crate::connection::PAGE_SIZE);
    let chunk_bytes = bytes as f64 / made as f64 * recipe.chunk_records().min(records) as f64 + 64.0;
    let on_disk = if chunk_bytes < page { page / (page / chunk_bytes).floor() } else { chunk_bytes };
    let bytes = (on_disk * chunks as f64 + 8.0 * page) as u64;
    Ok(Plan { records, chunks, bytes, rate, jobs, seconds: records as f64 / rate / jobs as f64 })
}
