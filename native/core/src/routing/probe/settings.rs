//! Settings of a prober, from the configuration.

use crate::config;
use crate::routing::problems::Problems;
use crate::routing::target::NextHop;
use std::ops::RangeInclusive;

/// How the targets of a set are probed. See `Probe` in `config.py`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeSettings {
    /// From one question to the next, in milliseconds.
    pub interval_ms: u64,
    /// How long an answer may take, in milliseconds.
    pub timeout_ms: u64,
    /// Questions without a good answer in a row that make a target down.
    pub failures: u32,
    /// Good answers in a row that make it up again.
    pub successes: u32,
    /// Final statuses that mean "alive".
    pub accept: Box<[u16]>,
    /// URI for From.
    pub from_uri: Option<Box<[u8]>>,
}

/// Seconds between questions. Fewer than this would be a load of its own, more no watch.
const INTERVAL: RangeInclusive<f64> = 0.1..=86_400.0;
/// Seconds for an answer; RFC 3261 §17.1.2.2 gives up after 64 T1.
const TIMEOUT: RangeInclusive<f64> = 0.1..=32.0;
const TIMES: RangeInclusive<u32> = 1..=1000;

impl ProbeSettings {
    /// Reads the settings at `path`; worth nothing when there are problems.
    pub(in crate::routing) fn build(path: &str, probe: &config::Probe, problems: &mut Problems) -> Self {
        let mut seconds = |field: &str, value: f64, range: RangeInclusive<f64>| {
            if !range.contains(&value) {
                let problem = format!("{value} is not from {} to {} seconds", range.start(), range.end());
                problems.add(format!("{path}.{field}"), problem);
            }
            (value * 1000.0) as u64
        };
        let interval_ms = seconds("interval", probe.interval, INTERVAL);
        let timeout_ms = seconds("timeout", probe.timeout, TIMEOUT);
        for (field, value) in [("failures", probe.failures), ("successes", probe.successes)] {
            if !TIMES.contains(&value) {
                problems.add(format!("{path}.{field}"), format!("{value} is not from 1 to {}", TIMES.end()));
            }
        }
        if probe.accept.is_empty() {
            problems.add(format!("{path}.accept"), "without a status that means alive, every target would be down");
        }
        for (place, status) in probe.accept.iter().enumerate() {
            if !(200..=699).contains(status) {
                problems.add(format!("{path}.accept[{place}]"), format!("{status} is not a final status, 200 to 699"));
            }
        }
        if let Some(uri) = &probe.from_uri {
            problems.keep(|| format!("{path}.from_uri"), NextHop::read(uri));
        }
        Self {
            interval_ms,
            timeout_ms,
            failures: probe.failures,
            successes: probe.successes,
            accept: probe.accept.as_slice().into(),
            from_uri: probe.from_uri.as_ref().map(|uri| uri.as_bytes().into()),
        }
    }
}
