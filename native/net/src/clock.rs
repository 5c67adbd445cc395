//! The clock of this process. Everything inward gets the time as an argument.

use dialplane_core::time::Now;
use rustix::time::{ClockId, clock_gettime};

/// Reads both clocks.
#[must_use]
pub fn now() -> Now {
    Now { monotonic_ms: read(ClockId::Monotonic), unix_ms: read(ClockId::Realtime) }
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}
