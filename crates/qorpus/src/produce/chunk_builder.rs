//! Generating chunks: the parts of the pure core combined for one recipe.

use qorpus_core::{Chunk, Circuits, Codec, Complex64, Kernel, Recipe, Scratch};

/// A generator of the chunks of one recipe, which reuses its buffers.
#[derive(Debug)]
pub(crate) struct ChunkBuilder<'a> {
    recipe: &'a Recipe,
    codec: &'a Codec,
    kernel: &'a Kernel,
    circuits: Circuits,
    unitaries: Vec<Complex64>,
    scratch: Scratch,
}

impl<'a> ChunkBuilder<'a> {
    pub(crate) fn new(recipe: &'a Recipe, codec: &'a Codec, kernel: &'a Kernel) -> ChunkBuilder<'a> {
        let (circuits, unitaries) = (Circuits::default(), Vec::new());
        ChunkBuilder { recipe, codec, kernel, circuits, unitaries, scratch: Scratch::default() }
    }

    /// Generates chunk number `number`.
    pub(crate) fn chunk(&mut self, number: u64) -> Chunk {
        let (ids, mut chunk) = (self.recipe.chunk_ids(number), Chunk::default());
        let first = ids.start;
        self.recipe.space().circuits(ids, &mut self.circuits);
        if self.recipe.stores_unitaries() {
            let size = self.recipe.alphabet().dim().pow(2);
            self.unitaries.resize(self.circuits.len() * size, Complex64::ZERO);
            self.kernel.unitaries(&self.circuits, &mut self.scratch, &mut self.unitaries);
        }
        self.codec.encode(first, &self.circuits, &self.unitaries, &mut chunk);
        chunk
    }
}
