//! Estimates of the bytes that records will take.

use crate::produce::chunk_builder::ChunkBuilder;
use crate::sqlite::connection::PAGE_SIZE;
use qorpus_core::{Codec, Recipe};

/// Estimates the bytes of `chunks` chunks of `recipe` from a few of them.
pub(crate) fn stored_bytes(recipe: &Recipe, chunks: u64) -> u64 {
    const SAMPLED_CHUNKS: u64 = 3;
    let (codec, kernel) = (Codec::new(recipe), recipe.kernel());
    let mut builder = ChunkBuilder::new(recipe, &codec, &kernel);
    let (mut made, mut bytes) = (0, 0);
    for trial in 0..SAMPLED_CHUNKS.min(recipe.chunks()) {
        let chunk = builder.chunk(tried(recipe.chunks(), trial));
        (made, bytes) = (made + chunk.count, bytes + chunk.bytes() as u64);
    }
    on_disk(recipe, chunks, bytes as f64 / made as f64)
}

/// Estimates the size of a file with `chunks` chunks whose records take `record_bytes` each.
pub(crate) fn on_disk(recipe: &Recipe, chunks: u64, record_bytes: f64) -> u64 {
    // A chunk has pages to itself, or shares one with as many others as fit.
    let page = f64::from(PAGE_SIZE);
    let chunk_bytes = record_bytes * recipe.chunk_records().min(recipe.space().len()) as f64 + 64.0;
    let chunk_bytes = if chunk_bytes < page { page / (page / chunk_bytes).floor() } else { chunk_bytes };
    (chunk_bytes * chunks as f64 + 8.0 * page) as u64
}

/// Returns the number of the chunk of a trial. Trials are spread over the space from the end on: in
/// a space of words the longest, which are the most, come last.
pub(crate) fn tried(chunks: u64, trial: u64) -> u64 {
    chunks - 1 - trial.wrapping_mul(0x9E37_79B9) % chunks
}
