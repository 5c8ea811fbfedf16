//! A coarse clock.

use std::time::Duration;

/// The interval at which a corpus checks for other writers.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Returns the time since some moment, to within a few milliseconds: reading the exact clock takes
/// as long as a read from memory.
pub(crate) fn now() -> Duration {
    let clock = nix::time::ClockId::CLOCK_MONOTONIC_COARSE;
    nix::time::clock_gettime(clock).map_or(Duration::MAX, Duration::from)
}
