//! The time of one step, handed in by the caller. The engine never reads a clock.

/// The two clocks that SIP needs, read together by the worker loop once per batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds of a clock that never goes back; timers and deadlines.
    pub monotonic_ms: u64,
    /// Milliseconds since 1970-01-01 UTC; expiry of bindings, age of nonces.
    pub unix_ms: u64,
}

impl Now {
    /// Whole seconds since 1970-01-01 UTC, the unit in which bindings expire.
    #[must_use]
    pub fn unix(self) -> u64 {
        self.unix_ms / 1000
    }
}
