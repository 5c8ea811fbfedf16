//! A coarse clock.

use std::time::Duration;

/// How often a corpus looks whether others have begun or finished writing.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A time since some moment, coarse to a few milliseconds: to read the exact one takes as long as
/// to read memory.
pub(crate) fn now() -> Duration {
    let clock = nix::time::ClockId::CLOCK_MONOTONIC_COARSE;
    nix::time::clock_gettime(clock).map_or(Duration::MAX, Duration::from)
}
