//! The frontier: records of a finished level, which one more letter extends.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::ids::Ids;
use crate::distinct::labels::{CIRCUITS, FIRST, LAST};
use crate::error::Result;
use qorpus_core::{Chunk, ChunkRef, ChunkSpan, Circuits, Codec, Damage};
use std::ops::Range;

/// The consecutive records of a chunk.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    pub(super) first_id: u64,
    pub(super) circuits: Circuits,
    pub(super) shortest_circuits: Vec<u32>,
    pub(super) first_letters: Vec<u32>,
    pub(super) last_letters: Vec<u32>,
    /// The rows of the records that are extended.
    pub(super) rows: Range<usize>,
}

impl Frontier {
    /// Decodes a chunk.
    pub(super) fn decode(&mut self, codec: &Codec, chunk: &ChunkRef<'_>) -> std::result::Result<(), Damage> {
        self.decode_circuits(codec, chunk)?;
        let labels =
            codec.labels(ChunkSpan { first_id: chunk.first_id, count: chunk.count }, chunk.labels)?;
        for (name, column) in [
            (CIRCUITS, &mut self.shortest_circuits),
            (FIRST, &mut self.first_letters),
            (LAST, &mut self.last_letters),
        ] {
            column.clear();
            column.extend(labels.integers(name, chunk.count as usize)?.map(|value| value as u32));
        }
        Ok(())
    }

    /// Decodes the circuits of a chunk alone.
    pub(super) fn decode_circuits(
        &mut self,
        codec: &Codec,
        chunk: &ChunkRef<'_>,
    ) -> std::result::Result<(), Damage> {
        self.first_id = chunk.first_id;
        codec.decode_unhashed(chunk, &mut self.circuits)
    }

    /// Selects the rows of the records `ids`.
    pub(super) fn select(&mut self, ids: &Range<u64>) {
        let row = |id: u64| (id.saturating_sub(self.first_id) as usize).min(self.circuits.len());
        self.rows = row(ids.start)..row(ids.end);
    }
}

impl CorpusFile {
    /// Reads the circuit of one record.
    pub(super) fn circuit(&self, id: u64) -> Result<Vec<u16>> {
        let mut circuits = Circuits::default();
        self.circuits(&Ids::List(&[id]), &mut circuits)?;
        Ok(circuits.get(0).to_vec())
    }

    /// Reads the circuit that comes from an origin.
    pub(super) fn circuit_from(&self, origin: u64) -> Result<Vec<u16>> {
        let letters = self.recipe().alphabet().letters().len() as u64;
        let mut circuit = self.circuit(origin / letters)?;
        circuit.push((origin % letters) as u16);
        Ok(circuit)
    }

    /// Calls `visit` with each chunk that holds some of the records `ids`, decoded by `decode`.
    pub(super) fn visit_frontier(
        &self,
        ids: Range<u64>,
        frontier: &mut Frontier,
        decode: impl Fn(&mut Frontier, &Codec, &ChunkRef<'_>) -> std::result::Result<(), Damage>,
        mut visit: impl FnMut(&Frontier) -> Result<()>,
    ) -> Result<()> {
        self.visit_chunks(ids.clone(), |number, chunk| {
            decode(frontier, self.codec(), &chunk.as_ref())
                .map_err(|damage| self.damaged(number, damage.into()))?;
            frontier.select(&ids);
            visit(frontier)
        })
    }

    /// Calls `visit` with the number and the stored columns of each chunk that holds some of the
    /// records `ids`.
    pub(super) fn visit_chunks(
        &self,
        ids: Range<u64>,
        mut visit: impl FnMut(u64, &Chunk) -> Result<()>,
    ) -> Result<()> {
        let sql = "SELECT max(first_id) FROM chunks WHERE first_id <= ?1";
        let first = self.read(|connection| {
            connection.prepare_cached(sql)?.query_row([ids.start], |row| row.get::<_, Option<u64>>(0))
        })?;
        let mut next = first.unwrap_or(ids.start);
        while next < ids.end {
            let (chunks, until) = self.chunks(next..ids.end.min(next.saturating_add(self.scan_chunks())))?;
            chunks.iter().try_for_each(|(number, chunk)| visit(*number, chunk))?;
            next = until;
        }
        Ok(())
    }
}
