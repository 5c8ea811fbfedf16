//! The condition under which a name is given to something new.

/// What tells a file or an object from those that had its name before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Version {
    /// Device, number, and the time of the last change.
    File(u64, u64, i64, i64),
    /// What the store calls an `ETag`.
    Tag(String),
}

/// What must have a name for it to be given to something else.
#[derive(Debug, Clone, Copy)]
pub(super) enum Before<'a> {
    /// Nothing.
    Nothing,
    /// This version. Directories cannot tell, and take whatever there is.
    This(&'a Version),
    /// Whatever there is.
    Anything,
}
