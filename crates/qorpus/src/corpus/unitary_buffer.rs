//! Computing unitaries of circuits, as the bytes that would be stored.

use qorpus_core::{Circuits, Complex64, Dtype, Kernel, Scratch};
use std::ops::Range;
use std::slice::ChunksMut;
use std::sync::{Mutex, PoisonError};

/// Buffers that no thread is using. Files of one corpus share them, instead of keeping as many
/// each.
#[derive(Debug, Default)]
pub(crate) struct UnitaryBufferPool(Mutex<Vec<UnitaryBuffer>>);

impl UnitaryBufferPool {
    /// Computes with a buffer that no other thread uses.
    pub(crate) fn with<T>(&self, compute: impl FnOnce(&mut UnitaryBuffer) -> T) -> T {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let result = compute(&mut buffer);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        result
    }

    /// Fills batches of unitaries, of `size` bytes each, from the circuits that `read` appends for
    /// their places. Appends the circuits to `circuits`, if they are wanted.
    pub(crate) fn compute_rows<E>(
        &self,
        kernel: &Kernel,
        dtype: Dtype,
        size: usize,
        batches: ChunksMut<'_, u8>,
        mut circuits: Option<&mut Circuits>,
        mut read: impl FnMut(Range<usize>, &mut Circuits) -> Result<(), E>,
    ) -> Result<(), E> {
        self.with(|buffer| {
            let mut start = 0;
            for out in batches {
                let end = start + out.len() / size;
                buffer.circuits.clear();
                read(start..end, &mut buffer.circuits)?;
                start = end;
                buffer.compute_own(kernel, dtype, out);
                if let Some(circuits) = &mut circuits {
                    circuits.extend(&buffer.circuits);
                }
            }
            Ok(())
        })
    }
}

/// Memory that is reused from one computation to the next.
#[derive(Debug, Default)]
pub(crate) struct UnitaryBuffer {
    pub(crate) circuits: Circuits,
    scratch: Scratch,
    unitaries: Vec<Complex64>,
    bytes: Vec<u8>,
}

impl UnitaryBuffer {
    /// Writes the unitaries of `circuits` to `out`: row-major, little-endian, with this precision.
    ///
    /// # Panics
    /// If `out` has not exactly their bytes.
    pub(crate) fn compute(&mut self, kernel: &Kernel, dtype: Dtype, circuits: &Circuits, out: &mut [u8]) {
        if dtype == Dtype::Complex128
            && cfg!(target_endian = "little")
            && let Ok(entries) = bytemuck::try_cast_slice_mut(out)
        {
            return kernel.unitaries(circuits, &mut self.scratch, entries);
        }
        self.unitaries.resize(out.len() / dtype.bytes(), Complex64::ZERO);
        kernel.unitaries(circuits, &mut self.scratch, &mut self.unitaries);
        dtype.encode(&self.unitaries, &mut self.bytes);
        out.copy_from_slice(&self.bytes);
    }

    /// Writes the unitaries of the buffer's own circuits to `out`; see
    /// [`compute`](UnitaryBuffer::compute).
    pub(crate) fn compute_own(&mut self, kernel: &Kernel, dtype: Dtype, out: &mut [u8]) {
        let circuits = std::mem::take(&mut self.circuits);
        self.compute(kernel, dtype, &circuits, out);
        self.circuits = circuits;
    }
}
