//! A column of a chunk that is read in parts, and its blocks that need no check.

/// The bytes of a column.
///
/// A function that copies bytes from an offset on is one: then every block that is read is checked.
pub trait ReadColumn<E> {
    /// Copies the bytes from `at` on.
    ///
    /// # Errors
    /// The bytes cannot be read.
    fn fetch(&mut self, at: usize, out: &mut [u8]) -> Result<(), E>;

    /// Returns whether a block has passed its check before and need not be checked again.
    fn is_checked(&self, _block: usize) -> bool {
        false
    }

    /// Notes that a block has passed its check.
    fn set_checked(&mut self, _block: usize) {}
}

impl<E, F: FnMut(usize, &mut [u8]) -> Result<(), E>> ReadColumn<E> for F {
    #[inline]
    fn fetch(&mut self, at: usize, out: &mut [u8]) -> Result<(), E> {
        self(at, out)
    }
}
