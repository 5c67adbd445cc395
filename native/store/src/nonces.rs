//! Which nonce counts were used, for all workers at once. RFC 7616 §3.4.5 (nc), §5.4 (limited use of nonce values).
//!
//! A nonce has a place by its serial number. A younger nonce takes the place of an older one, whose client is then told
//! to come again; nothing has to be cleaned up and nothing can be filled. There is no lock: a count is used by the one
//! worker whose exchange of the window succeeds, and one that dies in between has either used it or not.

use crate::access::{load, store};
use crate::page::SharedWords;
use dialplane_core::store::{NonceId, NonceUse, Nonces};
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// Places, a power of two: 16 MiB. Who comes back with a nonce finds its place as he left it, unless half a million younger
/// ones were issued and one of them, in the same place, was used: with 1,000 new nonces each second, for nine minutes.
const PLACES: usize = 1 << PLACE_BITS;
const PLACE_BITS: u32 = 19;
/// Words of a place: owner, window, and the requests that used the last two counts.
const PLACE_WORDS: usize = 4;
/// Behind the places, on a line of its own: the number of the last nonce.
const SERIAL: usize = PLACES * PLACE_WORDS;
const WORDS: usize = SERIAL + 8;
const KIND: u64 = u64::from_le_bytes(*b"nonces 2");

/// A nonce older than the file by less than this may have been used in a file that was lost with the power. An hour is
/// longer than a nonce lives; and were it without limit, a clock put right after a start in the future would refuse all.
const LOST_MS: u64 = 3_600_000;

/// The window of nonce counts in a mapped file.
#[derive(Debug)]
pub struct SharedNonces {
    words: SharedWords,
}

impl SharedNonces {
    /// Opens the windows at `path`, or makes empty ones.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn open_or_create(path: &Path) -> io::Result<Self> {
        Ok(Self { words: SharedWords::open_or_create(path, KIND, WORDS)? })
    }

    /// Opens the windows at `path`.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { words: SharedWords::open(path, KIND, WORDS)? })
    }

    /// Octets of the file.
    pub(crate) fn octets(&self) -> u64 {
        self.words.octets()
    }

    pub(crate) fn mark_clean(&self) -> io::Result<()> {
        self.words.mark_clean()
    }

    fn place(&self, serial: u32) -> &[AtomicU64; PLACE_WORDS] {
        let at = serial as usize % PLACES * PLACE_WORDS;
        self.words[at..].first_chunk().expect("the file holds all places")
    }

    /// Marks a count, and leaves `fingerprint` beside it or compares it with the one that is there.
    fn mark_with(&self, nonce: NonceId, nc: u32, fingerprint: Option<u32>) -> NonceUse {
        let made = self.words.made_ms();
        if nonce.issued_ms < made && made - nonce.issued_ms < LOST_MS {
            return NonceUse::Stale;
        }
        let Some(identity) = Owner::identity(nonce) else { return NonceUse::Stale };
        // A window of more counts would need more bits; no client comes so far within a nonce's life.
        let Ok(count) = u16::try_from(nc) else { return NonceUse::Stale };
        let [owner_word, window_word, requests @ ..] = self.place(nonce.serial);
        let request = &requests[usize::from(count) % requests.len()];
        loop {
            let owner = Owner(load(owner_word, Acquire));
            if owner.is_older_than(identity) {
                let next = owner.followed_by(identity);
                // Whoever wins, the place is looked at again.
                let _ = owner_word.compare_exchange(owner.0, next.0, AcqRel, Relaxed);
                continue;
            }
            if !owner.is(identity) {
                return NonceUse::Stale;
            }
            let window = load(window_word, Acquire);
            if load(owner_word, Acquire) != owner.0 {
                continue;
            }
            // An owner never comes back, so the window was his or that of one before him; if it has changed since, the
            // exchange fails.
            let Some(marked) = Window::of(owner, window).with(count) else {
                let seen = fingerprint.is_some_and(|seen| load(request, Acquire) == Request::pack(owner, count, seen));
                return if seen { NonceUse::Repeated } else { NonceUse::Replayed };
            };
            if window_word.compare_exchange(window, marked.pack(owner), AcqRel, Relaxed).is_ok() {
                if let Some(seen) = fingerprint {
                    store(request, Request::pack(owner, count, seen), Release);
                }
                return NonceUse::Fresh;
            }
        }
    }
}

impl Nonces for SharedNonces {
    fn next_serial(&self) -> u32 {
        // The low bits are the place, so it matters nothing that the number is larger than what is kept of it.
        self.words[SERIAL].fetch_add(1, Relaxed) as u32
    }

    fn mark(&self, nonce: NonceId, nc: u32) -> NonceUse {
        self.mark_with(nonce, nc, None)
    }

    fn mark_request(&self, nonce: NonceId, nc: u32, fingerprint: u32) -> NonceUse {
        self.mark_with(nonce, nc, Some(fingerprint))
    }
}

/// First word of a place: which nonce has it, and the number of the take-over, so that what is left of the owner before
/// is known for his.
///
/// ```text
/// milliseconds since 1970 (42 bits) | serial, without the bits that gave the place (13) | take-overs (9)
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
struct Owner(u64);

impl Owner {
    const TURN_BITS: u32 = 9;
    const TURN_MASK: u64 = (1 << Self::TURN_BITS) - 1;
    const SERIAL_BITS: u32 = 32 - PLACE_BITS;

    /// The nonce within its place; `None` when its time is not one we ever issue.
    fn identity(nonce: NonceId) -> Option<u64> {
        let is_possible = (1..1 << (64 - Self::SERIAL_BITS - Self::TURN_BITS)).contains(&nonce.issued_ms);
        is_possible.then_some(nonce.issued_ms << Self::SERIAL_BITS | u64::from(nonce.serial >> PLACE_BITS))
    }

    fn is(self, identity: u64) -> bool {
        self.0 >> Self::TURN_BITS == identity
    }

    /// Also when there is no owner yet.
    fn is_older_than(self, identity: u64) -> bool {
        self.0 >> Self::TURN_BITS < identity
    }

    fn followed_by(self, identity: u64) -> Self {
        Self(identity << Self::TURN_BITS | (self.turn() + 1) & Self::TURN_MASK)
    }

    fn turn(self) -> u64 {
        self.0 & Self::TURN_MASK
    }
}

/// Second word: the highest count used and which ones before it.
///
/// ```text
/// take-over (9 bits) | highest count (16) | used: highest, highest − 1, … (39)
/// ```
#[derive(Clone, Copy)]
struct Window {
    highest: u16,
    used: u64,
}

impl Window {
    const BITS: u32 = 39;

    /// Empty when the word was written for an owner before.
    fn of(owner: Owner, word: u64) -> Self {
        if word >> (64 - Owner::TURN_BITS) != owner.turn() {
            return Self { highest: 0, used: 0 };
        }
        Self { highest: (word >> Self::BITS) as u16, used: word & ((1 << Self::BITS) - 1) }
    }

    fn pack(self, owner: Owner) -> u64 {
        owner.turn() << (64 - Owner::TURN_BITS) | u64::from(self.highest) << Self::BITS | self.used
    }

    /// With one count more; `None` when it was used or lies behind.
    fn with(self, count: u16) -> Option<Self> {
        if count > self.highest {
            let shift = u32::from(count - self.highest);
            let used = if shift < Self::BITS { self.used << shift } else { 0 };
            return Some(Self { highest: count, used: (used | 1) & ((1 << Self::BITS) - 1) });
        }
        // Counts begin with 1 (RFC 7616 §3.4), so an empty window has its highest, 0, used.
        let behind = u32::from(self.highest - count);
        let is_free = count > 0 && behind < Self::BITS && self.used & 1 << behind == 0;
        is_free.then(|| Self { used: self.used | 1 << behind, ..self })
    }
}

/// Third and fourth word: the request that used a count.
struct Request;

impl Request {
    fn pack(owner: Owner, count: u16, fingerprint: u32) -> u64 {
        owner.turn() << 48 | u64::from(count) << 32 | u64::from(fingerprint)
    }
}

#[cfg(test)]
#[path = "nonces/tests.rs"]
mod tests;
