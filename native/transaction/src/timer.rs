//! Timers and their values. RFC 3261 §17 (Table 4), RFC 6026 §7 (L, M), RFC 4320 §4.1.

use std::fmt;

/// Whether the transport delivers by itself. RFC 3261 §17: TCP, TLS, WS do, UDP does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliability {
    /// A stream.
    Reliable,
    /// Datagrams.
    Unreliable,
}

/// A timer by its letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// INVITE request retransmission, UDP only.
    A,
    /// INVITE transaction timeout.
    B,
    /// Proxy INVITE transaction timeout. RFC 3261 §16.6 step 11.
    C,
    /// Wait time for response retransmissions.
    D,
    /// Non-INVITE request retransmission, UDP only.
    E,
    /// Non-INVITE transaction timeout.
    F,
    /// INVITE response retransmission.
    G,
    /// Wait time for ACK receipt.
    H,
    /// Wait time for ACK retransmissions.
    I,
    /// Wait time for non-INVITE request retransmissions.
    J,
    /// Wait time for response retransmissions.
    K,
    /// Wait time for INVITE retransmissions after a 2xx.
    L,
    /// Wait time for retransmissions of a 2xx, or others of a downstream fork.
    M,
    /// When 100 is due for a non-INVITE request. RFC 4320 gives it no letter.
    Late,
}

impl Timer {
    /// All of them.
    pub const ALL: [Timer; 14] = [
        Self::A,
        Self::B,
        Self::C,
        Self::D,
        Self::E,
        Self::F,
        Self::G,
        Self::H,
        Self::I,
        Self::J,
        Self::K,
        Self::L,
        Self::M,
        Self::Late,
    ];
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timer {self:?}")
    }
}

/// A deadline and its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Milliseconds of the caller's monotonic clock.
    pub at: u64,
    /// Which timer fires then.
    pub timer: Timer,
}

impl Due {
    /// The earlier of two; of two at one time, the first.
    #[must_use]
    pub fn earlier(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.at < self.at => other,
            _ => self,
        }
    }
}

/// Base values, in milliseconds; all timers follow from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerConfig {
    /// Estimate of the round-trip time.
    pub t1: u64,
    /// Longest interval of retransmissions of non-INVITE requests and INVITE responses.
    pub t2: u64,
    /// How long a message lives in the network.
    pub t4: u64,
    /// Timer C.
    pub c: u64,
    /// Timer D over unreliable transports.
    pub d: u64,
}

impl Default for TimerConfig {
    /// RFC 3261 Table 4. Timer C must be above 3 minutes and Timer D at least 32 seconds; both are at their least.
    fn default() -> Self {
        Self { t1: 500, t2: 4000, t4: 5000, c: 181_000, d: 32_000 }
    }
}

impl TimerConfig {
    /// First value of a timer. 0: it does not run, and the state that waits for it is left at once.
    #[must_use]
    pub fn value(&self, timer: Timer, reliability: Reliability) -> u64 {
        let unreliable = |value| if reliability == Reliability::Unreliable { value } else { 0 };
        match timer {
            Timer::A | Timer::E => unreliable(self.t1),
            // RFC 3261 §17.2.1: G too is for unreliable transports only.
            Timer::G => unreliable(self.t1),
            Timer::B | Timer::F | Timer::H | Timer::L | Timer::M => self.t1.saturating_mul(64),
            Timer::C => self.c,
            Timer::D => unreliable(self.d),
            Timer::I | Timer::K => unreliable(self.t4),
            Timer::J => unreliable(self.t1.saturating_mul(64)),
            Timer::Late => self.late(),
        }
    }

    /// Time until a client's Timer E is set to T2: T1 + 2·T1 + 4·T1 … RFC 4320 §4.1.
    fn late(&self) -> u64 {
        let (mut interval, mut passed) = (self.t1.max(1), 0);
        while interval < self.t2 {
            passed += interval;
            interval = interval.saturating_mul(2);
        }
        passed
    }
}

/// A message that is sent again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resend {
    /// When next.
    pub at: u64,
    interval: u64,
}

impl Resend {
    /// The first one after `interval`; `None` when the timer does not run.
    pub(crate) fn after(now: u64, interval: u64) -> Option<Self> {
        (interval > 0).then_some(Self { at: now + interval, interval })
    }

    /// The next one: twice the interval, `most` at most.
    pub(crate) fn next(self, now: u64, most: u64) -> Self {
        let interval = self.interval.saturating_mul(2).min(most);
        Self { at: now + interval, interval }
    }

    pub(crate) fn due(self, timer: Timer) -> Due {
        Due { at: self.at, timer }
    }
}

/// Any machine in words.
pub(crate) fn describe(f: &mut fmt::Formatter<'_>, kind: &str, state: &str, due: Option<Due>) -> fmt::Result {
    write!(f, "{kind}: {state}")?;
    due.map_or(Ok(()), |due| write!(f, ", {} at {}", due.timer, due.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3261 Table 4, RFC 6026 §7, RFC 4320 §4.1: (timer, unreliable, reliable).
    #[test]
    fn values_are_those_of_the_rfcs() {
        let config = TimerConfig::default();
        for (timer, unreliable, reliable) in [
            (Timer::A, 500, 0),
            (Timer::B, 32_000, 32_000),
            (Timer::C, 181_000, 181_000),
            (Timer::D, 32_000, 0),
            (Timer::E, 500, 0),
            (Timer::F, 32_000, 32_000),
            (Timer::G, 500, 0),
            (Timer::H, 32_000, 32_000),
            (Timer::I, 5000, 0),
            (Timer::J, 32_000, 0),
            (Timer::K, 5000, 0),
            (Timer::L, 32_000, 32_000),
            (Timer::M, 32_000, 32_000),
            (Timer::Late, 3500, 3500),
        ] {
            assert_eq!(config.value(timer, Reliability::Unreliable), unreliable, "{timer}");
            assert_eq!(config.value(timer, Reliability::Reliable), reliable, "{timer}");
        }
    }

    #[test]
    fn intervals_double_up_to_their_most() {
        let mut resend = Resend::after(0, 500).expect("runs");
        let mut times = vec![resend.at];
        for _ in 0..5 {
            resend = resend.next(resend.at, 4000);
            times.push(resend.at);
        }
        assert_eq!(times, [500, 1500, 3500, 7500, 11_500, 15_500]);
        assert_eq!(Resend::after(7, 0), None);
    }
}
