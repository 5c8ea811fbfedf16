//! Mappings: an immutable file mapped by SQLite, or a published one, and bytes in memory that other
//! processes may change.

#![expect(
    unsafe_code,
    reason = "to read records from the mapping is ten times as fast as by SQLite's tree and blobs"
)]

use crate::os::prefetch::prefetch;
use crate::sqlite::connection::PAGE_SIZE;
use crate::sqlite::guard::Guard;
use memmap2::{MmapOptions, MmapRaw};
use rusqlite::{Connection, ffi};
use std::fs::File;
use std::marker::PhantomData;
use std::path::Path;
use std::ptr::{self, NonNull};

/// The size of the pieces in which a file is requested, because SQLite stores the size of a piece
/// in a C `int`.
const MAX_FETCH_BYTES: usize = 1 << 30;

/// The bytes that must follow any part of a mapping that SQLite returns.
const FETCH_MARGIN: usize = 256;

/// The beginning of a file, which SQLite has mapped and keeps mapped as long as this lives.
///
/// The mapping is SQLite's own: closing a second descriptor of the file would drop all locks that
/// this process has on the file.
pub(crate) struct Mapping<'c> {
    file: NonNull<ffi::sqlite3_file>,
    start: NonNull<u8>,
    len: usize,
    /// Pieces to release.
    pieces: usize,
    connection: PhantomData<&'c Connection>,
}

/// Returns the file of a connection, which belongs to it.
fn file_of(connection: &Connection) -> Option<NonNull<ffi::sqlite3_file>> {
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    let (main, operation) = (c"main".as_ptr(), ffi::SQLITE_FCNTL_FILE_POINTER);
    // SAFETY: the handle is open as long as the connection, and this operation writes a pointer to
    // a file that belongs to the connection.
    let code =
        unsafe { ffi::sqlite3_file_control(connection.handle(), main, operation, (&raw mut file).cast()) };
    NonNull::new(file).filter(|_| code == ffi::SQLITE_OK)
}

/// Returns `N` bytes of a connection's file, read as SQLite reads them, without a lock or a
/// transaction.
pub(crate) fn read_header<const N: usize>(connection: &Connection, offset: i64) -> Option<[u8; N]> {
    let (file, mut bytes) = (file_of(connection)?, [0; N]);
    // SAFETY: a file that is open has methods, which are constant.
    let read = unsafe { file.as_ref().pMethods.as_ref() }?.xRead?;
    // SAFETY: the file is open as long as the connection, and the buffer has room for these bytes.
    let code = unsafe { read(file.as_ptr(), bytes.as_mut_ptr().cast(), i32::try_from(N).ok()?, offset) };
    (code == ffi::SQLITE_OK).then_some(bytes)
}

impl<'c> Mapping<'c> {
    /// Returns the beginning of the connection's file as far as SQLite has it mapped, but no more
    /// than SQLite's `SQLITE_MAX_MMAP_SIZE`; `None` if it has mapped nothing.
    pub(crate) fn new(connection: &'c Connection) -> Option<Mapping<'c>> {
        let file = file_of(connection)?;
        let mut mapping =
            Mapping { file, start: NonNull::dangling(), len: 0, pieces: 0, connection: PhantomData };
        let mut size = 0;
        // SAFETY: the methods of an open file are called with it.
        let code = unsafe { mapping.methods()?.xFileSize?(file.as_ptr(), &raw mut size) };
        let size = usize::try_from(size).ok().filter(|_| code == ffi::SQLITE_OK)?;
        let whole = size - size % PAGE_SIZE as usize;
        while mapping.len < whole {
            match mapping.fetch((whole - mapping.len).min(MAX_FETCH_BYTES), whole) {
                Some(more) => mapping.len += more,
                None => break,
            }
        }
        (mapping.len > 0).then_some(mapping)
    }

    fn methods(&self) -> Option<&ffi::sqlite3_io_methods> {
        // SAFETY: a file that is open has methods, which are constant; from version 3 on they have
        // `xFetch`.
        unsafe { self.file.as_ref().pMethods.as_ref() }.filter(|methods| methods.iVersion >= 3)
    }

    /// Takes the next `len` bytes of a file of `whole` bytes, and returns how many there are.
    fn fetch(&mut self, len: usize, whole: usize) -> Option<usize> {
        let (fetch, mut found) = (self.methods()?.xFetch?, ptr::null_mut());
        // Mappings consist of pages of the system. The margin that SQLite never returns is in the
        // last of them, because a page of SQLite, with which the file ends, consists of pages of
        // the system.
        let asked = if self.len + len == whole { len - FETCH_MARGIN } else { len };
        let (offset, amount) = (i64::try_from(self.len).ok()?, i32::try_from(asked).ok()?);
        // SAFETY: the file is open, and `found` receives the address.
        let code = unsafe { fetch(self.file.as_ptr(), offset, amount, &raw mut found) };
        let found = NonNull::new(found.cast::<u8>()).filter(|_| code == ffi::SQLITE_OK)?;
        self.pieces += 1;
        if self.len == 0 {
            self.start = found;
        }
        // SAFETY: the mapping reaches this far, so this is at most one past its end.
        let next = unsafe { self.start.add(self.len) };
        (next == found).then_some(len)
    }

    /// Returns its bytes.
    pub(crate) fn bytes(&self) -> Bytes<'_> {
        Bytes { start: self.start.as_ptr(), len: self.len, memory: PhantomData }
    }
}

impl Drop for Mapping<'_> {
    fn drop(&mut self) {
        let Some(unfetch) = self.methods().and_then(|methods| methods.xUnfetch) else { return };
        for _ in 0..self.pieces {
            // SAFETY: the file is open, since the connection is, and this many pieces were fetched
            // from it.
            unsafe { unfetch(self.file.as_ptr(), 0, self.start.as_ptr().cast()) };
        }
    }
}

/// A mapped file that was published and never changes; it takes no descriptor.
///
/// Only for such files: closing the descriptor drops all locks that this process has on the file,
/// which it does not need.
#[derive(Debug)]
pub(crate) struct PublishedMapping {
    /// Dropped before the memory.
    _guard: Guard,
    memory: MmapRaw,
}

impl PublishedMapping {
    /// Maps the file at `path`; `None` if it cannot be mapped or has another size.
    pub(crate) fn new(path: &Path, size: u64) -> Option<PublishedMapping> {
        let file = File::open(path).ok()?;
        let found = file.metadata().ok().filter(|found| found.is_file() && found.len() == size);
        let memory = found.and_then(|_| MmapOptions::new().map_raw_read_only(&file).ok())?;
        let guard = Guard::new(memory.as_ptr() as usize, memory.len(), &file)?;
        Some(PublishedMapping { _guard: guard, memory })
    }

    /// Returns its bytes.
    pub(crate) fn bytes(&self) -> Bytes<'_> {
        Bytes { start: self.memory.as_ptr(), len: self.memory.len(), memory: PhantomData }
    }
}

/// Bytes that another process may be changing. They can only be copied, so that the copy does not
/// change while it is checked.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'m> {
    start: *const u8,
    len: usize,
    memory: PhantomData<&'m [u8]>,
}

impl<'m> Bytes<'m> {
    /// Copies the bytes from `at` on; `None` if there are too few.
    #[inline]
    pub(crate) fn copy(self, at: usize, out: &mut [u8]) -> Option<()> {
        if self.len.checked_sub(at)? < out.len() {
            return None;
        }
        // SAFETY: the source is within the memory, as was checked, and lives as long as `'m`; `out`
        // is exclusively borrowed, so they do not overlap. Another process may write there
        // meanwhile. Then any bytes may arrive, but they arrive as a copy: nothing holds a
        // reference to the memory or reads a byte of it twice, and a copy is not used before it has
        // passed its check or, for positions in the tree, its bounds. Where the file has lost the
        // page, the guard provides zeros.
        unsafe { ptr::copy_nonoverlapping(self.start.add(at), out.as_mut_ptr(), out.len()) };
        Some(())
    }

    /// Returns the `N` bytes from `at` on.
    #[inline]
    pub(crate) fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        let mut out = [0; N];
        self.copy(at, &mut out)?;
        Some(out)
    }

    /// Prefetches bytes that will be read soon.
    #[inline]
    pub(crate) fn prefetch(self, at: usize, len: usize) {
        prefetch(self.start.wrapping_add(at), len);
    }
}

#[cfg(test)]
impl<'m> From<&'m [u8]> for Bytes<'m> {
    fn from(bytes: &'m [u8]) -> Bytes<'m> {
        Bytes { start: bytes.as_ptr(), len: bytes.len(), memory: PhantomData }
    }
}
