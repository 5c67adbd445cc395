//! What one measured phase found.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Longest latency that is told apart, in nanoseconds.
const LONGEST: u64 = 10_000_000_000;

/// Counts and latencies of one thread; [`Stats::add`] joins those of several.
pub struct Stats {
    /// Exchanges begun.
    pub begun: u64,
    /// First messages sent: more than `begun` with retransmissions.
    pub sent: u64,
    /// Messages that came to their end and were right.
    pub right: u64,
    /// Messages that a check refused.
    pub wrong: u64,
    /// Exchanges that came to no end.
    pub lost: u64,
    /// Messages that nobody waited for.
    pub stray: u64,
    /// From the first message sent to the last one received, in nanoseconds.
    pub elapsed: u64,
    /// Of that, how long the generator had nothing to do.
    pub idle: u64,
    /// Longest delay of a message behind its time in open loop, in nanoseconds.
    pub behind: u64,
    /// From the time an exchange began, or should have, to its end or the
    /// callee's first sign; nanoseconds.
    pub latency: Histogram<u64>,
}

impl Stats {
    /// All zero.
    pub fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, LONGEST, 3).expect("bounds and precision are constant and valid");
        Self { begun: 0, sent: 0, right: 0, wrong: 0, lost: 0, stray: 0, elapsed: 0, idle: 0, behind: 0, latency }
    }

    /// Notes one latency; one beyond the bounds is recorded as the longest.
    pub fn record(&mut self, began: u64, now: u64) {
        self.latency.saturating_record(now.saturating_sub(began));
    }

    /// Joins the phase of another thread.
    pub fn add(&mut self, other: &Stats) {
        self.begun += other.begun;
        self.sent += other.sent;
        self.right += other.right;
        self.wrong += other.wrong;
        self.lost += other.lost;
        self.stray += other.stray;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.idle = self.idle.max(other.idle);
        self.behind = self.behind.max(other.behind);
        self.latency.add(&other.latency).expect("both have the same bounds");
    }

    /// For the harness; times in seconds, latencies in microseconds.
    pub fn to_json(&self) -> Value {
        let us = |ns: u64| ns as f64 / 1000.0;
        let at = |percent: f64| us(self.latency.value_at_percentile(percent));
        json!({
            "begun": self.begun,
            "sent": self.sent,
            "right": self.right,
            "wrong": self.wrong,
            "lost": self.lost,
            "stray": self.stray,
            "seconds": self.elapsed as f64 / 1e9,
            "rate": self.right as f64 * 1e9 / self.elapsed.max(1) as f64,
            "idle": self.idle as f64 / self.elapsed.max(1) as f64,
            "behind_us": us(self.behind),
            "latency_us": {
                "min": us(self.latency.min()), "mean": self.latency.mean() / 1000.0, "p50": at(50.0), "p90": at(90.0),
                "p99": at(99.0), "p99.9": at(99.9), "p99.99": at(99.99), "max": us(self.latency.max()),
            },
        })
    }
}
