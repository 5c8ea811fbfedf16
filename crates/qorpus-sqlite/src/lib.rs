//! Records of Qorpus corpora in other programs' SQLite: a loadable extension.
//!
//! It adds the table `qorpus` and the functions `distance` and `fidelity`. Every call of SQLite goes
//! to the program's own library, also those that open corpora: two copies of SQLite in one process
//! would drop each other's locks. All logic is in the crate `qorpus`.

#![expect(unsafe_code, reason = "SQLite's interface of extensions is in C")]

mod host;

use rusqlite::{Connection, ffi};
use std::ffi::{c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// Adds the table and the functions to a connection. SQLite calls this when it loads the library.
///
/// # Safety
/// For SQLite only: the arguments are those of an extension's entry point.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sqlite3_extension_init(
    connection: *mut ffi::sqlite3,
    message: *mut *mut c_char,
    routines: *const ffi::sqlite3_api_routines,
) -> c_int {
    // SAFETY: with SQLite's own arguments.
    let added = catch_unwind(AssertUnwindSafe(|| unsafe { add(connection, routines) }));
    let text = match added {
        // The program may unload a library otherwise, whose functions are in use until it ends.
        Ok(Ok(())) => return ffi::SQLITE_OK_LOAD_PERMANENTLY,
        Ok(Err(text)) => text,
        Err(_) => {
            "loading Qorpus's extension failed because of a bug; please report the message above".into()
        }
    };
    // SAFETY: SQLite frees the message with the function that belongs to this one.
    unsafe {
        if !message.is_null()
            && let Some(allocate) = (*routines).malloc
        {
            let room = allocate(c_int::try_from(text.len() + 1).unwrap_or(0)).cast::<u8>();
            if !room.is_null() {
                ptr::copy_nonoverlapping(text.as_ptr(), room, text.len());
                room.add(text.len()).write(0);
                *message = room.cast();
            }
        }
    }
    ffi::SQLITE_ERROR
}

/// # Safety
/// The arguments are SQLite's.
unsafe fn add(
    connection: *mut ffi::sqlite3,
    routines: *const ffi::sqlite3_api_routines,
) -> Result<(), String> {
    // SAFETY: with SQLite's own arguments.
    let connection = unsafe {
        host::connect(routines)?;
        Connection::from_handle(connection)
    };
    let connection = connection.map_err(|error| error.to_string())?;
    qorpus::open_read_only();
    qorpus::add_to_connection(&connection).map_err(|error| error.to_string())
}
