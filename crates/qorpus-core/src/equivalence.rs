//! The equivalence under which two unitaries count as one.

use serde::{Deserialize, Serialize};

/// Which unitaries count as the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Equivalence {
    /// Unitaries that differ only by a global phase are the same.
    #[serde(rename = "phase")]
    GlobalPhase,
    /// Only equal unitaries are the same.
    #[serde(rename = "nothing")]
    Exact,
}
