//! Reading rows: circuits, unitaries and labels of records anywhere in one file.

use crate::corpus::corpus_file::CorpusFile;
use crate::corpus::ids::Ids;
use crate::corpus::record::{Record, RowBuffers, labels_of};
use crate::error::Result;
use crate::qubit_order::{Order, reorder};
use qorpus_core::Circuits;

/// The approximate bytes that a scan reads in one transaction, or a read computes at once.
pub(crate) const SCAN_BYTES: u64 = 4 << 20;

impl CorpusFile {
    /// Reads the record with this id, its unitary with qubits in this order.
    ///
    /// # Errors
    /// [`NoRecord`](crate::Error::NoRecord), [`NotYet`](crate::Error::NotYet),
    /// [`DamagedChunk`](crate::Error::DamagedChunk), or the file cannot be read.
    pub fn record(&self, id: u64, order: Order) -> Result<Record> {
        let (mut circuits, mut unitary) = (Circuits::default(), vec![0; self.unitary_bytes()]);
        let (recipe, mut given) = (self.recipe(), Vec::new());
        let buffers = RowBuffers {
            circuits: Some(&mut circuits),
            unitaries: Some(&mut unitary),
            labels: Some(&mut given),
        };
        self.rows(&Ids::List(&[id]), buffers)?;
        reorder(&mut unitary, recipe.alphabet().qubits(), recipe.dtype().bytes(), order);
        let (circuit, angles) = (circuits.get(0).to_vec(), circuits.angles(0).to_vec());
        let labels = labels_of(recipe, &circuit, given.pop().unwrap_or_default());
        Ok(Record { id, circuit, angles, unitary: recipe.dtype().decode(&unitary), labels })
    }

    /// Returns the number of bytes of a unitary with the corpus's precision, stored or not; 0 if
    /// records have none.
    pub(crate) fn unitary_bytes(&self) -> usize {
        self.recipe().unitary_entries() * self.recipe().dtype().bytes()
    }

    /// Appends the circuits with these ids to `circuits`; see [`rows`](CorpusFile::rows).
    pub(crate) fn circuits(&self, ids: &Ids<'_>, circuits: &mut Circuits) -> Result<()> {
        self.rows(ids, RowBuffers { circuits: Some(circuits), ..RowBuffers::default() })
    }

    /// Reads the columns that `buffers` requests of the records with these ids. Without labels in
    /// the file, none are appended.
    ///
    /// Ids may be in any order; where the file is not mapped, ascending ones are read faster.
    ///
    /// # Panics
    /// If there is not room for exactly one unitary for each id.
    pub(crate) fn rows(&self, ids: &Ids<'_>, mut buffers: RowBuffers<'_>) -> Result<()> {
        let size = self.unitary_bytes();
        if let Some(out) = &buffers.unitaries {
            assert_eq!(out.len(), ids.len() * size, "one unitary for each id");
        }
        if !self.recipe().space().is_appended() {
            buffers.labels = None;
        }
        if !self.recipe().has_unitaries() {
            buffers.unitaries = None;
        }
        if !self.recipe().stores_unitaries()
            && let Some(out) = buffers.unitaries.take()
        {
            let batches = out.chunks_mut((SCAN_BYTES as usize / size).max(1) * size);
            let read = |places, circuits: &mut Circuits| self.circuits(&ids.part(places), circuits);
            let (kernel, dtype, circuits) = (self.kernel(), self.recipe().dtype(), buffers.circuits.take());
            self.shared.buffer_pool.compute_rows(kernel, dtype, size, batches, circuits, read)?;
        }
        let RowBuffers { circuits, unitaries, labels } = &buffers;
        let circuits_before = circuits.as_ref().map_or(0, |circuits| circuits.len());
        let labels_before = labels.as_ref().map_or(0, |labels| labels.len());
        if (circuits.is_none() && unitaries.is_none() && labels.is_none())
            || self.read_mapped(ids, &mut buffers)?
        {
            return Ok(());
        }
        let RowBuffers { mut circuits, mut unitaries, mut labels } = buffers;
        // A failed read from the mapping leaves some behind.
        if let Some(circuits) = &mut circuits {
            circuits.truncate(circuits_before);
        }
        if let Some(labels) = &mut labels {
            labels.truncate(labels_before);
        }
        self.visit(&ids.list(), &mut |columns, chunk, positions, index| {
            if let Some(circuits) = &mut circuits {
                circuits.truncate(circuits_before + index);
                self.circuits_in(columns, chunk.span, positions, circuits)?;
            }
            if let Some(out) = &mut unitaries {
                self.unitaries_in(columns, chunk.span, positions, &mut out[index * size..])?;
            }
            if let Some(labels) = &mut labels {
                labels.truncate(labels_before + index);
                self.labels_in(columns, chunk, positions, labels)?;
            }
            Ok(())
        })
    }

    /// Computes the unitaries of these circuits as they would be stored: row-major, with the
    /// corpus's precision.
    pub(crate) fn compute(&self, circuits: &Circuits) -> Vec<u8> {
        let mut out = vec![0; circuits.len() * self.unitary_bytes()];
        let (kernel, dtype) = (self.kernel(), self.recipe().dtype());
        self.shared.buffer_pool.with(|buffer| buffer.compute(kernel, dtype, circuits, &mut out));
        out
    }
}
