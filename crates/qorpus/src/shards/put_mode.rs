//! The condition under which a name is given to something new.

#![cfg_attr(not(feature = "buckets"), expect(dead_code, reason = "directories ignore versions"))]

/// The version of a file or an object, which tells it from others that had its name before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Version {
    /// Device, inode, and the time of the last change in seconds and nanoseconds.
    File(u64, u64, i64, i64),
    /// The `ETag` of an object.
    ETag(String),
}

/// The condition on what has a name when it is given to something else.
#[derive(Debug, Clone, Copy)]
pub(super) enum PutMode<'a> {
    /// Nothing.
    Create,
    /// Only this version. Directories cannot tell, and replace any.
    Update(&'a Version),
    /// Anything, or nothing.
    Overwrite,
}

impl PutMode<'_> {
    /// Whether something that is there may be replaced, as far as a directory can tell.
    pub(super) fn replaces(self) -> bool {
        !matches!(self, PutMode::Create)
    }
}
