//! Names of next hops: a question goes out, an answer comes in, nothing waits. RFC 3263.
//!
//! A datagram whose next hop is not yet known is parked, and handled again when the answer is there. An answer that has
//! just outlived its time is used while a new one is on its way, and longer while no server answers (RFC 8767), so that
//! a slow or dead name server is not heard.

pub mod place;
pub mod search;

use crate::config;
use crate::failures::Failures;
use crate::path::Path;
use crate::routing::target::NextHop;
use place::Place;
use search::Outcome;
use std::collections::{HashMap, VecDeque};

/// Names known at one time; beyond it the answers that ended first are forgotten.
const MOST_NAMES: usize = 10_000;
/// Datagrams that wait for an answer.
const MOST_PARKED: usize = 1024;
/// How long after its time an answer is used without waiting for the next.
const GRACE_MS: u64 = 30_000;
/// How long a server that did not answer for a name is not asked for it again, and the longest that a name which does not
/// exist is believed not to.
const RETRY_MS: u64 = 5_000;
const MOST_NOTHING_MS: u64 = 300_000;

/// `[dns]` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Longest time that a search takes.
    pub search_ms: u64,
    /// Longest life of an answer.
    pub longest_ms: u64,
    /// How long an answer may be used after its time while no newer one is to be had.
    pub stale_ms: u64,
    /// How long an address that failed is tried last.
    pub avoid_ms: u64,
}

impl Settings {
    /// From the configuration.
    #[must_use]
    pub fn new(dns: &config::Dns) -> Self {
        let ms = |seconds: f64| (seconds * 1000.0) as u64;
        Self {
            // NAPTR, SRV and addresses come one after the other; a server that answers none of them is not waited for
            // three times.
            search_ms: ms(dns.timeout) * u64::from(dns.attempts) * 2,
            longest_ms: ms(dns.longest),
            stale_ms: ms(dns.stale),
            avoid_ms: ms(dns.avoid),
        }
    }

    /// How long a question may stay open.
    fn patience_ms(&self) -> u64 {
        self.search_ms + 500
    }
}

/// What is known of a name now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known<'n> {
    /// Send to one of these.
    Places(&'n [Place]),
    /// There is no such name, or it leads nowhere.
    Nothing,
    /// No name server answers.
    Silence,
    /// Asked; the answer will come.
    Asked,
}

#[derive(Debug, Default)]
struct Entry {
    places: Vec<Place>,
    /// When the life of `places` ends.
    end_ms: u64,
    /// Not asked for again before.
    again_ms: u64,
    asked_ms: Option<u64>,
    /// Whether the last search failed, rather than finding nothing.
    failed: bool,
}

/// A message that waits.
#[derive(Debug)]
pub struct Parked {
    /// Where it came from; for a response that is to be sent, the way that failed.
    pub path: Path,
    /// Its octets.
    pub bytes: Vec<u8>,
    /// Whether it was to be sent, rather than received.
    pub is_unsent: bool,
    hop: NextHop,
}

/// The names that this worker knows.
#[derive(Debug)]
pub struct Names {
    settings: Settings,
    known: HashMap<NextHop, Entry>,
    questions: VecDeque<NextHop>,
    parked: VecDeque<Parked>,
    ready: VecDeque<Parked>,
    /// Addresses that failed.
    failures: Failures,
}

impl Names {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            known: HashMap::new(),
            questions: VecDeque::new(),
            parked: VecDeque::new(),
            ready: VecDeque::new(),
            failures: Failures::default(),
        }
    }

    /// Takes a new configuration. What is known was found for other transports or by other servers: it is asked again.
    pub(crate) fn reload(&mut self, settings: Settings) {
        self.settings = settings;
        for entry in self.known.values_mut() {
            entry.again_ms = 0;
        }
    }

    /// How long a question may stay open.
    pub(crate) fn patience_ms(&self) -> u64 {
        self.settings.patience_ms()
    }

    /// What is known of `hop`, whose host is a name; puts the question when it must be asked. With it, the addresses that
    /// failed lately.
    pub(crate) fn look(&mut self, now_ms: u64, hop: &NextHop) -> (Known<'_>, &Failures) {
        if !self.known.contains_key(hop) {
            self.make_room();
            self.known.insert(hop.clone(), Entry::default());
        }
        let Some(entry) = self.known.get_mut(hop) else { return (Known::Silence, &self.failures) };
        let due = now_ms >= entry.again_ms;
        if due && entry.asked_ms.is_none_or(|asked| now_ms >= asked + self.settings.patience_ms()) {
            entry.asked_ms = Some(now_ms);
            self.questions.push_back(hop.clone());
        }
        let after = now_ms.saturating_sub(entry.end_ms);
        let usable = after < GRACE_MS || (entry.failed || !due) && after < self.settings.stale_ms;
        let known = match entry.places.as_slice() {
            places @ [_, ..] if usable => Known::Places(places),
            _ if due => Known::Asked,
            _ if entry.failed => Known::Silence,
            _ => Known::Nothing,
        };
        (known, &self.failures)
    }

    /// Remembers that an address failed: it is tried last for a while (RFC 3263 §4.3).
    pub(crate) fn failed(&mut self, path: &Path, now_ms: u64) {
        self.failures.note(path.peer, now_ms, self.settings.avoid_ms);
    }

    /// Keeps a message until `hop` is known. `false` when too many wait already.
    pub(crate) fn park(&mut self, hop: NextHop, path: Path, bytes: &[u8], is_unsent: bool) -> bool {
        if self.parked.len() + self.ready.len() >= MOST_PARKED {
            return false;
        }
        self.parked.push_back(Parked { path, bytes: bytes.to_vec(), is_unsent, hop });
        true
    }

    /// Takes what the resolver found. Returns whether what was known before is kept beyond its time.
    pub fn answer(&mut self, now_ms: u64, hop: &NextHop, outcome: Outcome) -> bool {
        self.make_room();
        let entry = self.known.entry(hop.clone()).or_default();
        entry.asked_ms = None;
        entry.failed = outcome == Outcome::Failed;
        // A life of 0 would ask again for each datagram; one second is what RFC 8767 §5 calls "the short term".
        let life = |ttl: u32, longest: u64| now_ms + u64::from(ttl.max(1)).saturating_mul(1000).min(longest);
        match outcome {
            Outcome::Places(places, ttl) => {
                entry.places = places;
                entry.end_ms = life(ttl, self.settings.longest_ms);
                entry.again_ms = entry.end_ms;
            }
            Outcome::Nothing(ttl) => {
                entry.places.clear();
                entry.again_ms = life(ttl, MOST_NOTHING_MS);
            }
            Outcome::Failed => entry.again_ms = now_ms + RETRY_MS,
        }
        let stale = entry.failed && !entry.places.is_empty();
        let mut still = VecDeque::with_capacity(self.parked.len());
        for parked in self.parked.drain(..) {
            if parked.hop == *hop { self.ready.push_back(parked) } else { still.push_back(parked) }
        }
        self.parked = still;
        stale
    }

    /// Next question to be put to the resolver.
    pub fn poll_question(&mut self) -> Option<NextHop> {
        self.questions.pop_front()
    }

    /// Next message whose name is answered: to be handled again.
    pub fn poll_ready(&mut self) -> Option<Parked> {
        self.ready.pop_front()
    }

    fn make_room(&mut self) {
        if self.known.len() < MOST_NAMES {
            return;
        }
        let mut ends: Vec<u64> = self.known.values().map(|entry| entry.end_ms).collect();
        let middle = ends.len() / 10;
        let (_, limit, _) = ends.select_nth_unstable(middle);
        let limit = *limit;
        self.known.retain(|_, entry| entry.end_ms > limit || entry.asked_ms.is_some());
        if self.known.len() >= MOST_NAMES {
            self.known.clear();
        }
    }
}

#[cfg(test)]
mod tests;
