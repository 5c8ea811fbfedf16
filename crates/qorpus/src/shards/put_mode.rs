//! Conditions for giving a name to a new file or object.

#![cfg_attr(not(feature = "buckets"), expect(dead_code, reason = "directories ignore versions"))]

/// The version of a file or an object, which distinguishes it from earlier ones with the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Version {
    /// Device, inode, and the time of the last change in seconds and nanoseconds.
    File(u64, u64, i64, i64),
    /// The `ETag` of an object.
    ETag(String),
}

/// The condition on the present owner of a name that a new file or object gets.
#[derive(Debug, Clone, Copy)]
pub(super) enum PutMode<'a> {
    /// The name must be free.
    Create,
    /// Only this version. Directories cannot check it, and replace any.
    Update(&'a Version),
    /// Any.
    Overwrite,
}

impl PutMode<'_> {
    /// Returns whether an existing file may be replaced, as far as a directory can tell.
    pub(super) fn replaces(self) -> bool {
        !matches!(self, PutMode::Create)
    }
}
