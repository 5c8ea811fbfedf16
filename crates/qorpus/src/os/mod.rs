//! TODO os

pub(crate) mod clock;
pub(crate) mod durable_names;
pub(crate) mod filesystem;
pub(crate) mod fork;
pub(crate) mod lock_holder;
pub(crate) mod lock_queue;
pub(crate) mod rights;
pub(crate) mod sidecar_lock;
pub(crate) mod threads;
pub(crate) mod waiting;
