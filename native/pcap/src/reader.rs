//! SIP packets of a capture, one after the other: UDP datagrams and TCP messages, with counts of everything that was passed over.

use crate::file::{CaptureError, Frame, Frames};
use crate::fragments::Fragments;
use crate::ip::{IpPacket, Segment, TCP, UDP, udp};
use crate::streams::{Found, Streams};
use dialplane_syntax::{Index, Limits};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;

/// How a message travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// In a datagram.
    Udp,
    /// In a stream.
    Tcp,
}

/// The payload of a UDP datagram that may be SIP, or a SIP message of a TCP stream.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Nanoseconds since 1970 of the frame that completed it; 0 where the capture does not say.
    pub time: u64,
    /// Where it came from.
    pub source: SocketAddr,
    /// Where it went.
    pub destination: SocketAddr,
    /// How.
    pub transport: Transport,
    /// Number of the frame that completed it, counted from 0.
    pub frame: u64,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    In(Range<usize>),
    Own(Box<[u8]>),
}

impl Packet {
    /// Its octets; `capture` are those that the reader was given.
    #[inline]
    #[must_use]
    pub fn octets<'a>(&'a self, capture: &'a [u8]) -> &'a [u8] {
        match &self.place {
            Place::In(range) => capture.get(range.clone()).unwrap_or_default(),
            Place::Own(octets) => octets,
        }
    }

    /// Where the octets lie in the capture; `None` for those put together from several packets.
    #[must_use]
    pub fn range(&self) -> Option<Range<usize>> {
        match &self.place {
            Place::In(range) => Some(range.clone()),
            Place::Own(_) => None,
        }
    }
}

/// What a reader has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames of the capture.
    pub frames: u64,
    /// Frames that hold neither UDP nor TCP over IP.
    pub other_frames: u64,
    /// Frames of which the capture does not hold all octets; they are not read.
    pub cut_frames: u64,
    /// UDP datagrams.
    pub datagrams: u64,
    /// UDP datagrams that are certainly no SIP: empty, a keep-alive, RTP, STUN.
    pub other_datagrams: u64,
    /// TCP segments.
    pub segments: u64,
    /// IP fragments.
    pub fragments: u64,
    /// Datagrams put together from fragments.
    pub joined_datagrams: u64,
    /// Datagrams of which not all fragments came.
    pub lost_datagrams: u64,
    /// Gaps in TCP streams that nothing filled.
    pub gaps: u64,
    /// Whether the capture ends within a frame.
    pub is_truncated: bool,
}

/// Reads a capture. The caller gives the same octets to each call; with others it finds nonsense or nothing.
#[derive(Clone, Debug)]
pub struct Reader {
    frames: Frames,
    fragments: Fragments,
    streams: Streams,
    /// Messages that one segment has completed.
    ready: VecDeque<Packet>,
    counts: Counts,
    index: Index,
    limits: Limits,
}

impl Reader {
    /// For a capture that begins with `capture`; `limits` are for messages in TCP streams.
    ///
    /// # Errors
    /// `NotACapture`.
    pub fn new(capture: &[u8], limits: Limits) -> Result<Self, CaptureError> {
        Ok(Self {
            frames: Frames::new(capture)?,
            fragments: Fragments::default(),
            streams: Streams::default(),
            ready: VecDeque::new(),
            counts: Counts::default(),
            index: Index::with_capacity(limits.fields),
            limits,
        })
    }

    /// What has been seen so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            lost_datagrams: self.fragments.given_up(),
            gaps: self.streams.lost,
            is_truncated: self.frames.is_truncated(),
            ..self.counts
        }
    }

    /// Octets of the capture that have been read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.frames.position()
    }

    /// The next packet; `None` at the end.
    #[inline]
    pub fn next(&mut self, capture: &[u8]) -> Option<Packet> {
        loop {
            if let Some(packet) = self.ready.pop_front() {
                return Some(packet);
            }
            let frame = self.frames.next(capture)?;
            self.counts.frames += 1;
            if let Some(packet) = self.frame(capture, &frame) {
                return Some(packet);
            }
        }
    }

    #[inline]
    fn frame(&mut self, capture: &[u8], frame: &Frame) -> Option<Packet> {
        let octets = capture.get(frame.place.clone())?;
        let Some(packet) = frame.link.packet(octets).and_then(IpPacket::parse) else {
            self.counts.other_frames += 1;
            return None;
        };
        if !matches!(packet.protocol, UDP | TCP) {
            self.counts.other_frames += 1;
            return None;
        }
        if packet.fragment.is_some() {
            self.counts.fragments += 1;
            let whole = self.fragments.add(&packet, frame.time)?;
            self.counts.joined_datagrams += 1;
            return self.transport(&packet, &whole, frame.time, None);
        }
        if packet.is_cut {
            self.counts.cut_frames += 1;
            return None;
        }
        self.transport(&packet, packet.payload, frame.time, Some(capture))
    }

    /// The packet of an IP payload, which lies in `capture` if that is given.
    #[inline(always)]
    fn transport(&mut self, ip: &IpPacket<'_>, payload: &[u8], time: u64, capture: Option<&[u8]>) -> Option<Packet> {
        let place = |part: &[u8]| match capture {
            Some(capture) => {
                let start = (part.as_ptr() as usize).wrapping_sub(capture.as_ptr() as usize);
                Place::In(start..start + part.len())
            }
            None => Place::Own(part.into()),
        };
        if ip.protocol == UDP {
            self.counts.datagrams += 1;
            let (from, to, octets) = udp(payload)?;
            if !may_be_sip(octets) {
                self.counts.other_datagrams += 1;
                return None;
            }
            let (source, destination) = (SocketAddr::new(ip.source, from), SocketAddr::new(ip.destination, to));
            let (transport, frame) = (Transport::Udp, self.counts.frames - 1);
            return Some(Packet { time, source, destination, transport, frame, place: place(octets) });
        }
        self.counts.segments += 1;
        let segment = Segment::parse(payload)?;
        let (from, to) = segment.ports;
        let (source, destination) = (SocketAddr::new(ip.source, from), SocketAddr::new(ip.destination, to));
        let frame = self.counts.frames - 1;
        let Self { streams, ready, index, limits, .. } = self;
        streams.add((source, destination), &segment, time, (index, limits), &mut |found| {
            let place = match found {
                Found::Here(range) => place(segment.payload.get(range).unwrap_or_default()),
                Found::Joined(octets) => Place::Own(octets),
            };
            ready.push_back(Packet { time, source, destination, transport: Transport::Tcp, frame, place });
        });
        ready.pop_front()
    }
}

/// A token begins every message (RFC 3261 §7.1, §7.2), perhaps with line ends before it (§7.5). RTP and STUN begin with neither.
#[inline(always)]
fn may_be_sip(octets: &[u8]) -> bool {
    match octets {
        [b'A'..=b'Z' | b'a'..=b'z', _, _, _, ..] => true,
        [b'\r' | b'\n', ..] => octets.iter().any(|octet| !matches!(octet, b'\r' | b'\n')),
        [first, _, _, _, ..] => dialplane_syntax::chars::is_token(&[*first]),
        _ => false,
    }
}
