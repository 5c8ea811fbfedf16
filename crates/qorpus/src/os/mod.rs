//! The operating system: locks, forks, signals, clocks, file systems, and ownership of files.

pub(crate) mod atomic_file;
pub(crate) mod byte_lock;
pub(crate) mod clock;
pub(crate) mod durable_names;
pub(crate) mod filesystem;
pub(crate) mod fork;
pub(crate) mod lock_file;
pub(crate) mod lock_holder;
pub(crate) mod lock_queue;
pub(crate) mod prefetch;
pub(crate) mod rights;
pub(crate) mod sidecar_lock;
pub(crate) mod waiting;
pub(crate) mod workers;
