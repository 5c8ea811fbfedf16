//! Vector instructions: detection, dispatch and arithmetic.

pub(crate) mod dispatch;
pub(crate) mod vector;
