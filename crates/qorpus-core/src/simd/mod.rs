//! Vector instructions: which ones this machine has, and arithmetic with them.

pub(crate) mod dispatch;
pub(crate) mod vector;
