//! TCP streams put in order (RFC 9293 §3.4) and cut into SIP messages (RFC 3261 §18.3).
//!
//! A direction of a connection is followed from the first segment that begins like a SIP message, so that a capture may begin in the
//! middle of it and connections that carry something else cost nothing. Bounded, whatever the capture holds.

use crate::ip::Segment;
use dialplane_syntax::chars::is_token;
use dialplane_syntax::stream::Framed;
use dialplane_syntax::{Framer, Index, Limits};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::ops::Range;

/// Directions of connections that are followed at once; when there are more, the one heard of least recently is forgotten.
const FOLLOWED: usize = 4096;
/// Segments of one stream that wait for one before them.
const WAITING: usize = 64;
/// How long they wait, in nanoseconds: by then it would have been sent again.
const PATIENCE: u64 = 5_000_000_000;

type Key = (SocketAddr, SocketAddr);

/// A message: a place in the segment at hand, or octets of several.
pub(crate) enum Found {
    Here(Range<usize>),
    Joined(Box<[u8]>),
}

/// Follows the streams of a capture.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams {
    followed: HashMap<Key, Stream>,
    pub(crate) lost: u64,
}

#[derive(Clone, Debug)]
struct Stream {
    /// Sequence number of the octet that comes next.
    next: u32,
    framer: Framer,
    /// What is not yet part of a message.
    buffer: Vec<u8>,
    /// Segments behind a gap, by their distance from `base`.
    waiting: BTreeMap<u32, Vec<u8>>,
    base: u32,
    gap_since: u64,
    heard: u64,
}

impl Streams {
    /// Takes a segment; what it completes goes to `found`.
    pub(crate) fn add(
        &mut self,
        key: Key,
        segment: &Segment<'_>,
        time: u64,
        (index, limits): (&mut Index, &Limits),
        found: &mut impl FnMut(Found),
    ) {
        if segment.syn {
            self.followed.remove(&key);
            return;
        }
        if !segment.payload.is_empty() {
            self.octets(key, segment, time, (index, limits), found);
        }
        if segment.ends {
            self.followed.remove(&key);
        }
    }

    fn octets(
        &mut self,
        key: Key,
        segment: &Segment<'_>,
        time: u64,
        (index, limits): (&mut Index, &Limits),
        found: &mut impl FnMut(Found),
    ) {
        if !self.followed.contains_key(&key) {
            if !begins_message(segment.payload) {
                return;
            }
            self.make_room();
            self.followed.insert(key, Stream::new(segment.sequence, time));
        }
        let Some(stream) = self.followed.get_mut(&key) else { return };
        stream.heard = time;
        let ahead = segment.sequence.wrapping_sub(stream.next) as i32;
        let mut alive = true;
        if ahead > 0 {
            stream.wait(segment, time);
            if stream.waiting.len() > WAITING || time.saturating_sub(stream.gap_since) > PATIENCE {
                self.lost += 1;
                alive = stream.skip_gap() && stream.drain((index, limits), found);
            }
        } else {
            // What was sent again is passed over.
            let known = ahead.unsigned_abs() as usize;
            if known < segment.payload.len() {
                alive = stream.take(segment.payload, known, true, (&mut *index, limits), found)
                    && stream.drain((index, limits), found);
            }
        }
        if !alive {
            self.followed.remove(&key);
        }
    }

    fn make_room(&mut self) {
        if self.followed.len() < FOLLOWED {
            return;
        }
        // Half of them at once, so that looking for the oldest is rare.
        let mut heard: Vec<u64> = self.followed.values().map(|stream| stream.heard).collect();
        heard.sort_unstable();
        let middle = heard.get(FOLLOWED / 2).copied().unwrap_or(0);
        self.followed.retain(|_, stream| stream.heard > middle);
    }
}

impl Stream {
    fn new(next: u32, time: u64) -> Self {
        Self {
            next,
            framer: Framer::new(),
            buffer: Vec::new(),
            waiting: BTreeMap::new(),
            base: next,
            gap_since: time,
            heard: time,
        }
    }

    fn wait(&mut self, segment: &Segment<'_>, time: u64) {
        if self.waiting.is_empty() {
            self.base = self.next;
            self.gap_since = time;
        }
        let distance = segment.sequence.wrapping_sub(self.base);
        let held = self.waiting.entry(distance).or_default();
        if held.len() < segment.payload.len() {
            segment.payload.clone_into(held);
        }
    }

    /// Goes on behind the gap, where the first waiting segment begins a message; `false` when none does.
    fn skip_gap(&mut self) -> bool {
        self.framer = Framer::new();
        self.buffer.clear();
        while let Some((distance, octets)) = self.waiting.first_key_value() {
            if begins_message(octets) {
                self.next = self.base.wrapping_add(*distance);
                return true;
            }
            self.waiting.pop_first();
        }
        false
    }

    /// Takes the waiting segments whose turn it is.
    fn drain(&mut self, (index, limits): (&mut Index, &Limits), found: &mut impl FnMut(Found)) -> bool {
        while let Some((distance, _)) = self.waiting.first_key_value() {
            let ahead = self.base.wrapping_add(*distance).wrapping_sub(self.next) as i32;
            if ahead > 0 {
                break;
            }
            let Some((_, octets)) = self.waiting.pop_first() else { break };
            let known = ahead.unsigned_abs() as usize;
            if known < octets.len() && !self.take(&octets, known, false, (&mut *index, limits), found) {
                return false;
            }
        }
        true
    }

    /// Takes the octets from `from` on, which are those that come next; `here` when they are those of the segment at hand.
    /// `false` when the stream cannot be cut any further.
    fn take(
        &mut self,
        octets: &[u8],
        from: usize,
        here: bool,
        (index, limits): (&mut Index, &Limits),
        found: &mut impl FnMut(Found),
    ) -> bool {
        let new = octets.get(from..).unwrap_or_default();
        self.next = self.next.wrapping_add(new.len() as u32);
        let joined = !self.buffer.is_empty();
        if joined {
            self.buffer.extend_from_slice(new);
        }
        let whole = if joined { std::mem::take(&mut self.buffer) } else { Vec::new() };
        let whole = if joined { whole.as_slice() } else { new };
        let mut at = 0;
        let outcome = loop {
            let rest = whole.get(at..).unwrap_or_default();
            match self.framer.poll(rest, index, limits) {
                Ok(Framed::Partial) => break true,
                Ok(Framed::Skip(length) | Framed::KeepAlive(length)) => at += length,
                Ok(Framed::Message(length)) => {
                    found(if here && !joined {
                        Found::Here(from + at..from + at + length)
                    } else {
                        Found::Joined(rest.get(..length).unwrap_or_default().into())
                    });
                    at += length;
                }
                Err(_) => break false,
            }
        };
        self.buffer = whole.get(at..).unwrap_or_default().to_vec();
        outcome
    }
}

/// Whether octets begin with a request or status line, or with the first octets of one. RFC 3261 §7.1, §7.2.
pub(crate) fn begins_message(octets: &[u8]) -> bool {
    const VERSION: &[u8] = b"SIP/2.0";
    /// Longer than any method in use; a line that is not yet whole is believed if it begins like one.
    const METHOD: usize = 32;
    let line = octets.iter().position(|octet| *octet == b'\n').and_then(|end| octets.get(..end));
    let method = octets.iter().take(METHOD).position(|octet| *octet == b' ');
    let named = method.and_then(|end| octets.get(..end)).is_some_and(is_token);
    match line {
        Some(line) => {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            line.starts_with(VERSION) || (named && line.ends_with(VERSION))
        }
        None => {
            let schemes: [&[u8]; 3] = [b" sip:", b" sips:", b" tel:"];
            let uri = method.and_then(|end| octets.get(end..)).unwrap_or_default();
            octets.starts_with(b"SIP/2.0 ") || (named && schemes.iter().any(|scheme| uri.starts_with(scheme)))
        }
    }
}
