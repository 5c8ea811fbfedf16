//! Vector instructions: detection, dispatch and arithmetic; functions of many numbers at once.

pub(crate) mod acos;
pub(crate) mod dispatch;
pub(crate) mod ln;
pub(crate) mod sincos;
pub(crate) mod vector;
