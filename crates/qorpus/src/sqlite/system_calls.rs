//! Replacing system calls of SQLite by functions of ours.

#![expect(unsafe_code, reason = "SQLite calls what it is given")]

use rusqlite::ffi;
use std::ffi::CStr;
use std::ptr;

/// A function of any type.
pub(super) type Call = unsafe extern "C" fn();

/// Lets SQLite call these functions in place of the system's with these names.
///
/// # Safety
/// Each must be of the type with which SQLite calls the system function, and do what that does.
pub(super) unsafe fn replace(calls: &[(&CStr, Call)]) {
    // SAFETY: SQLite's default file system is never removed, and its functions are called with it
    // and with names that are C strings.
    unsafe {
        let Some(system) = ffi::sqlite3_vfs_find(ptr::null()).as_mut() else { return };
        let Some(set) = system.xSetSystemCall else { return };
        for (name, call) in calls {
            set(&raw mut *system, name.as_ptr(), Some(*call));
        }
    }
}
