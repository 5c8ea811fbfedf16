//! Rows in groups, each a chain of blocks. Blocks lie in large areas of memory that later levels
//! reuse: to get new pages of the usual size from the kernel takes as long as to fill them.

use bytemuck::Pod;
use memmap2::MmapMut;
use std::io;
use std::iter;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Rows of a block. Of each group, half a block is unused on average.
pub(super) const BLOCK_ROWS: usize = 128;

/// Bytes of an area. Pages become resident when rows are written to them.
const AREA_BYTES: usize = 64 << 20;

/// Areas of memory that are not in use.
#[derive(Debug, Default)]
pub(super) struct AreaPool(Mutex<Vec<MmapMut>>);

impl AreaPool {
    fn free(&self) -> MutexGuard<'_, Vec<MmapMut>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> io::Result<MmapMut> {
        if let Some(area) = self.free().pop() {
            return Ok(area);
        }
        let area = MmapMut::map_anon(AREA_BYTES)?;
        // A kernel without huge pages has small ones.
        #[cfg(target_os = "linux")]
        let _ = area.advise(memmap2::Advice::HugePage);
        Ok(area)
    }

    /// Returns all areas to the kernel.
    pub(super) fn clear(&self) {
        self.free().clear();
    }
}

/// A writer of rows to groups. Its areas return to their pool when it is dropped.
pub(super) struct GroupWriter<'a, T> {
    pool: &'a AreaPool,
    areas: Vec<MmapMut>,
    /// For each group, the place behind its last row, 0 if it has none. At the end of a block the
    /// next row begins another one.
    ends: Vec<u32>,
    /// For each block, the end of the block before it in its group, 0 if it is the first one.
    before: Vec<u32>,
    rows: std::marker::PhantomData<T>,
}

impl<'a, T: Pod> GroupWriter<'a, T> {
    /// A power of two, so that places are found by shifts.
    const AREA_ROWS: usize = 1 << (AREA_BYTES / size_of::<T>()).ilog2();

    fn new(pool: &'a AreaPool, groups: usize) -> GroupWriter<'a, T> {
        let (areas, before) = Default::default();
        GroupWriter { pool, areas, ends: vec![0; groups], before, rows: std::marker::PhantomData }
    }

    /// Appends a row to a group.
    ///
    /// # Errors
    /// The kernel gives no memory.
    #[inline]
    pub(super) fn push(&mut self, group: usize, row: T) -> io::Result<()> {
        let mut end = self.ends[group] as usize;
        if end.is_multiple_of(BLOCK_ROWS) {
            end = self.begin_block(end)?;
        }
        let area = &mut self.areas[end / Self::AREA_ROWS][..Self::AREA_ROWS * size_of::<T>()];
        bytemuck::cast_slice_mut(area)[end % Self::AREA_ROWS] = row;
        self.ends[group] = end as u32 + 1;
        Ok(())
    }

    /// Begins a block behind that with this end, and returns the place of its first row.
    #[cold]
    fn begin_block(&mut self, before: usize) -> io::Result<usize> {
        let first = self.before.len() * BLOCK_ROWS;
        if first == self.areas.len() * Self::AREA_ROWS {
            self.areas.push(self.pool.take()?);
        }
        self.before.push(before as u32);
        Ok(first)
    }

    /// Returns the blocks of a group.
    fn blocks(&self, group: usize) -> impl Iterator<Item = &[T]> + Clone {
        let present = |end: u32| (end > 0).then_some(end as usize);
        let ends = iter::successors(present(self.ends[group]), move |end| {
            present(self.before[(end - 1) / BLOCK_ROWS])
        });
        ends.map(|end| {
            let first = (end - 1) / BLOCK_ROWS * BLOCK_ROWS;
            let area = &self.areas[first / Self::AREA_ROWS][..Self::AREA_ROWS * size_of::<T>()];
            &bytemuck::cast_slice(area)[first % Self::AREA_ROWS..][..end - first]
        })
    }
}

impl<T> Drop for GroupWriter<'_, T> {
    fn drop(&mut self) {
        self.pool.free().append(&mut self.areas);
    }
}

/// Rows in groups, from the writers of several threads.
pub(super) struct GroupedRows<'a, T> {
    pool: &'a AreaPool,
    groups: usize,
    writers: Mutex<Vec<GroupWriter<'a, T>>>,
}

impl<'a, T: Pod> GroupedRows<'a, T> {
    pub(super) fn new(pool: &'a AreaPool, groups: usize) -> GroupedRows<'a, T> {
        GroupedRows { pool, groups, writers: Mutex::default() }
    }

    fn writers(&self) -> MutexGuard<'_, Vec<GroupWriter<'a, T>>> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a writer that no thread uses.
    pub(super) fn writer(&self) -> GroupWriter<'a, T> {
        let writer = self.writers().pop();
        writer.unwrap_or_else(|| GroupWriter::new(self.pool, self.groups))
    }

    /// Gives a writer back, with its rows.
    pub(super) fn give_back(&self, writer: GroupWriter<'a, T>) {
        self.writers().push(writer);
    }

    /// Ends the writing.
    pub(super) fn written(self) -> WrittenRows<'a, T> {
        WrittenRows(self.writers.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Rows in groups that are complete.
pub(super) struct WrittenRows<'a, T>(Vec<GroupWriter<'a, T>>);

impl<T: Pod> WrittenRows<'_, T> {
    /// Returns the rows of a group, in parts and in any order.
    pub(super) fn of(&self, group: usize) -> impl Iterator<Item = &[T]> + Clone {
        self.0.iter().flat_map(move |writer| writer.blocks(group))
    }
}
