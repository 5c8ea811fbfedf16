//! Rows in groups, each a chain of blocks. Blocks lie in large areas of memory that later levels
//! reuse: to get new pages of the usual size from the kernel takes as long as to fill them.

use crate::os::prefetch::prefetch;
use bytemuck::Pod;
use memmap2::MmapMut;
use std::io;
use std::iter;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Rows of a block. Of each group, half a block is unused on average.
pub(super) const BLOCK_ROWS: usize = 128;

/// Rows of a group that are copied to its block at once. The caches have the last rows of all
/// groups, but not their blocks: single rows would wait for the memory one by one.
const STAGED_ROWS: usize = 8;

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
    /// For each group, the rows that are not in its block yet, at their places modulo their number.
    staged: Vec<[T; STAGED_ROWS]>,
    /// For each block, the end of the block before it in its group, 0 if it is the first one.
    before: Vec<u32>,
}

impl<'a, T: Pod> GroupWriter<'a, T> {
    /// A power of two, so that places are found by shifts.
    const AREA_ROWS: usize = 1 << (AREA_BYTES / size_of::<T>()).ilog2();

    fn new(pool: &'a AreaPool, groups: usize) -> GroupWriter<'a, T> {
        let (areas, before) = Default::default();
        let staged = vec![[T::zeroed(); STAGED_ROWS]; groups];
        GroupWriter { pool, areas, ends: vec![0; groups], staged, before }
    }

    /// Appends a row to a group.
    ///
    /// # Errors
    /// The kernel gives no memory.
    #[inline(always)]
    pub(super) fn push(&mut self, group: usize, row: T) -> io::Result<()> {
        let mut end = self.ends[group] as usize;
        if end.is_multiple_of(BLOCK_ROWS) {
            end = self.begin_block(end)?;
        }
        self.staged[group][end % STAGED_ROWS] = row;
        end += 1;
        self.ends[group] = end as u32;
        if end.is_multiple_of(STAGED_ROWS) {
            self.copy_staged(group, STAGED_ROWS);
        }
        Ok(())
    }

    /// Copies the last `len` rows of a group to its block.
    #[inline]
    fn copy_staged(&mut self, group: usize, len: usize) {
        let first = self.ends[group] as usize - len;
        let area = &mut self.areas[first / Self::AREA_ROWS][..Self::AREA_ROWS * size_of::<T>()];
        let rows: &mut [T] = bytemuck::cast_slice_mut(area);
        let (copied, next) = rows[first % Self::AREA_ROWS..].split_at_mut(len);
        copied.copy_from_slice(&self.staged[group][..len]);
        if !(first + len).is_multiple_of(BLOCK_ROWS) {
            prefetch_staged(next);
        }
    }

    /// Copies all rows that are not in their blocks yet.
    fn finish(&mut self) {
        for group in 0..self.ends.len() {
            let left = self.ends[group] as usize % STAGED_ROWS;
            if left > 0 {
                self.copy_staged(group, left);
            }
        }
        self.staged = Vec::new();
    }

    /// Begins a block behind that with this end, and returns the place of its first row.
    #[cold]
    fn begin_block(&mut self, before: usize) -> io::Result<usize> {
        let first = self.before.len() * BLOCK_ROWS;
        if first == self.areas.len() * Self::AREA_ROWS {
            self.areas.push(self.pool.take()?);
        }
        self.before.push(before as u32);
        prefetch_staged(self.rows_from(first));
        Ok(first)
    }

    /// Returns the places from `first` on in its area.
    fn rows_from(&self, first: usize) -> &[T] {
        let area = &self.areas[first / Self::AREA_ROWS][..Self::AREA_ROWS * size_of::<T>()];
        &bytemuck::cast_slice(area)[first % Self::AREA_ROWS..]
    }

    /// Returns the blocks of a group.
    fn blocks(&self, group: usize) -> impl Iterator<Item = &[T]> + Clone {
        let present = |end: u32| (end > 0).then_some(end as usize);
        let ends = iter::successors(present(self.ends[group]), move |end| {
            present(self.before[(end - 1) / BLOCK_ROWS])
        });
        ends.map(|end| {
            let first = (end - 1) / BLOCK_ROWS * BLOCK_ROWS;
            &self.rows_from(first)[..end - first]
        })
    }
}

/// Prefetches the rows that will be copied next: the processor would wait for lines that it is to
/// write, too.
#[inline(always)]
fn prefetch_staged<T>(rows: &[T]) {
    prefetch(rows.as_ptr().cast(), rows.len().min(STAGED_ROWS) * size_of::<T>());
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
        let mut writers = self.writers.into_inner().unwrap_or_else(PoisonError::into_inner);
        writers.iter_mut().for_each(GroupWriter::finish);
        WrittenRows(writers)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups of different sizes, from writers that give back their rows more than once.
    #[test]
    fn groups_have_their_rows() {
        let pool = AreaPool::default();
        for count in [0, 1, 5_000, 3 * GroupWriter::<[u64; 3]>::AREA_ROWS as u64 / 2] {
            let grouped: GroupedRows<'_, [u64; 3]> = GroupedRows::new(&pool, 100);
            // Group g gets the numbers whose remainder has the square root g.
            let group = |number: u64| (number % 9_801).isqrt() as usize;
            let mut expected = vec![Vec::new(); 100];
            for piece in 0..4 {
                let mut writers = [grouped.writer(), grouped.writer()];
                for number in (0..count).filter(|number| number / 7 % 4 == piece) {
                    let row = [number, number + 1, number + 2];
                    writers[usize::from(number % 3 == 0)].push(group(number), row).unwrap();
                    expected[group(number)].push(row);
                }
                writers.into_iter().for_each(|writer| grouped.give_back(writer));
            }
            let written = grouped.written();
            for (group, mut expected) in expected.into_iter().enumerate() {
                let mut rows: Vec<_> = written.of(group).flatten().copied().collect();
                rows.sort_unstable();
                expected.sort_unstable();
                assert!(rows == expected, "group {group} of {count} rows");
            }
        }
        // All areas are there again, as many as both writers had.
        assert!(pool.free().len() >= 2);
        pool.clear();
        assert!(pool.free().is_empty());
    }
}
