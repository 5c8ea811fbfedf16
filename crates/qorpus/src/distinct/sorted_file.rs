//! Files of sorted rows, on disk or in memory.

use crate::distinct::candidate::KeyRange;
use crate::distinct::row_format::{KEY_BYTES, ROW_BYTES};
use crate::error::{Result, io};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of the checksum behind the rows.
pub(super) const CHECKSUM_BYTES: usize = 8;

/// Bytes that are read or written at once.
pub(super) const BLOCK_BYTES: usize = 1 << 20;

/// A file of rows in ascending order.
#[derive(Debug)]
pub(super) struct SortedFile {
    path: PathBuf,
    rows: RowStorage,
    width: usize,
    len: u64,
}

#[derive(Debug)]
enum RowStorage {
    Disk(File),
    Memory(HeldRows),
}

/// Rows in memory, with space for another row after the last one.
pub(super) type HeldRows = Arc<Vec<u8>>;

impl SortedFile {
    pub(super) fn open(path: PathBuf, width: usize) -> Result<SortedFile> {
        let file = File::open(&path).map_err(io(&path, "open it"))?;
        let bytes = file.metadata().map_err(io(&path, "look at it"))?.len();
        let len = bytes.saturating_sub(CHECKSUM_BYTES as u64) / width as u64;
        Ok(SortedFile { path, rows: RowStorage::Disk(file), width, len })
    }

    pub(super) fn held(path: PathBuf, rows: HeldRows, width: usize) -> SortedFile {
        let len = (rows.len() - ROW_BYTES) as u64 / width as u64;
        SortedFile { path, rows: RowStorage::Memory(rows), width, len }
    }

    /// Returns the number of rows.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, row: u64, out: &mut [u8]) -> Result<()> {
        let at = row * self.width as u64;
        match &self.rows {
            RowStorage::Disk(file) => file.read_exact_at(out, at).map_err(io(&self.path, "read it")),
            RowStorage::Memory(held) => {
                out.copy_from_slice(&held[at as usize..][..out.len()]);
                Ok(())
            }
        }
    }

    /// Returns the number of rows below `bound`, the beginning of a row.
    pub(super) fn below(&self, bound: &[u8]) -> Result<u64> {
        let (mut from, mut to) = (0, self.len);
        let mut row = [0; KEY_BYTES];
        while from < to {
            let middle = from + (to - from) / 2;
            let begin = &mut row[..bound.len()];
            self.read_at(middle, begin)?;
            if *begin < *bound { from = middle + 1 } else { to = middle }
        }
        Ok(from)
    }

    /// Returns the rows from `start` on, to `end` if there is one; both are beginnings of rows.
    pub(super) fn between(&self, start: &[u8], end: Option<&[u8]>) -> Result<Range<u64>> {
        let end = end.map_or(Ok(self.len), |end| self.below(end))?;
        Ok(self.below(start)?..end)
    }

    /// Returns the rows with these keys.
    pub(super) fn with_keys(&self, KeyRange { start, end }: KeyRange) -> Result<Range<u64>> {
        self.between(&start.to_be_bytes(), end.map(u64::to_be_bytes).as_ref().map(|end| &end[..]))
    }

    /// Calls `visit` with each of `rows` in order, followed by arbitrary bytes, until it returns
    /// false.
    pub(super) fn visit(
        &self,
        rows: Range<u64>,
        mut visit: impl FnMut(&[u8; ROW_BYTES]) -> bool,
    ) -> Result<()> {
        if let RowStorage::Memory(held) = &self.rows {
            let start = |row: u64| row as usize * self.width;
            let mut starts = (start(rows.start)..start(rows.end)).step_by(self.width);
            starts.all(|at| held[at..].first_chunk().is_some_and(&mut visit));
            return Ok(());
        }
        let (mut next, mut buffer) = (rows.start, Vec::new());
        while next < rows.end {
            let until = rows.end.min(next + (BLOCK_BYTES / self.width) as u64);
            let len = (until - next) as usize * self.width;
            buffer.resize(len + ROW_BYTES, 0);
            self.read_at(next, &mut buffer[..len])?;
            next = until;
            let mut starts = (0..len).step_by(self.width).map_while(|at| buffer[at..].first_chunk());
            if !starts.all(&mut visit) {
                break;
            }
        }
        Ok(())
    }
}
