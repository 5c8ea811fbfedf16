//! The functions of the SQLite that loads this library.
//!
//! SQLite passes them in a table that grows with its version. rusqlite asks for the table of the
//! version that it was generated from. Here it gets a table of that size, in which the functions
//! that came after [`MIN_VERSION`] are missing for every host. None of them is called.

#![expect(unsafe_code, reason = "SQLite's interface of extensions is in C")]

use rusqlite::ffi;
use std::ffi::c_int;
use std::mem::{MaybeUninit, offset_of};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};

/// The oldest version of SQLite that has all functions that are called.
const MIN_VERSION: c_int = 3_040_000;

/// The bytes of the table of [`MIN_VERSION`]: the next function came with 3.41.
const MIN_BYTES: usize = offset_of!(ffi::sqlite3_api_routines, is_interrupted);

/// The version of SQLite, as rusqlite may see it.
static VERSION: AtomicI32 = AtomicI32::new(0);

unsafe extern "C" fn version() -> c_int {
    VERSION.load(Ordering::Relaxed)
}

/// The host that this library works for, by the address of one of its functions.
static HOST: Mutex<Option<usize>> = Mutex::new(None);

/// Lets all calls go to the host's SQLite.
///
/// # Safety
/// `routines` is the table that SQLite has passed.
pub(crate) unsafe fn connect(routines: *const ffi::sqlite3_api_routines) -> Result<(), String> {
    // SAFETY: every version has this function, which has no effects.
    let host = unsafe { (*routines).libversion_number }.ok_or("this SQLite has no version")?;
    // SAFETY: as above.
    let (address, found) = (host as usize, unsafe { host() });
    if found < MIN_VERSION {
        let (major, minor) = (found / 1_000_000, found / 1000 % 1000);
        return Err(format!(
            "this program has SQLite {major}.{minor}, and Qorpus's extension needs 3.40 or later; use a newer program, \
             or 'qorpus sql'"
        ));
    }
    let mut connected = HOST.lock().unwrap_or_else(PoisonError::into_inner);
    match *connected {
        Some(known) if known == address => return Ok(()),
        Some(_) => {
            return Err("Qorpus's extension already works for another copy of SQLite in this process".into());
        }
        None => {}
    }
    let mut table = MaybeUninit::<ffi::sqlite3_api_routines>::zeroed();
    // SAFETY: the host's table has at least this many bytes, as does this one, and they do not
    // overlap. The rest stays zero: no function.
    let mut table = unsafe {
        ptr::copy_nonoverlapping(routines.cast::<u8>(), table.as_mut_ptr().cast(), MIN_BYTES);
        table.assume_init()
    };
    table.libversion_number = Some(version);
    VERSION.store(ffi::SQLITE_VERSION_NUMBER.max(found), Ordering::Relaxed);
    // SAFETY: the table is valid, and its functions are copied.
    let taken = unsafe { ffi::rusqlite_extension_init2(&raw mut table) };
    VERSION.store(found, Ordering::Relaxed);
    taken.map_err(|error| error.to_string())?;
    *connected = Some(address);
    Ok(())
}
