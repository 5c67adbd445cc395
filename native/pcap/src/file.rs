//! pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng): from a file to its frames.
//!
//! Both orders of octets, micro- and nanoseconds, several interfaces and sections. Blocks that hold no frame are passed over.

use crate::link::Link;
use crate::octets::{Order, from};
use std::fmt;
use std::ops::Range;

/// Why a capture cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureError {
    /// Neither pcap nor pcapng.
    NotACapture,
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Neither a pcap nor a pcapng capture")
    }
}

impl std::error::Error for CaptureError {}

/// One frame as captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Nanoseconds since 1970; 0 where the capture does not say.
    pub time: u64,
    /// What the frame begins with.
    pub link: Link,
    /// Its place in the capture.
    pub place: Range<usize>,
}

/// The frames of a capture, one after the other. The caller gives the same octets to each call.
#[derive(Clone, Debug)]
pub struct Frames {
    format: Format,
    at: usize,
    truncated: bool,
}

#[derive(Clone, Debug)]
enum Format {
    Pcap { order: Order, units: u64, link: Link },
    Pcapng { order: Order, interfaces: Vec<Interface> },
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: Link,
    /// Ticks of its clock in a second.
    ticks: u64,
    /// Seconds to add.
    offset: i64,
    snap: usize,
}

const SECTION: u32 = 0x0A0D_0D0A;
const BYTE_ORDER: u32 = 0x1A2B_3C4D;
const MICROSECONDS: u32 = 0xA1B2_C3D4;
const NANOSECONDS: u32 = 0xA1B2_3C4D;
const SECOND: u64 = 1_000_000_000;
/// More interfaces than this are not remembered: a capture may name one in every block.
const INTERFACES: usize = 4096;

impl Frames {
    /// For a capture that begins with `capture`.
    ///
    /// # Errors
    /// `NotACapture`.
    pub fn new(capture: &[u8]) -> Result<Self, CaptureError> {
        for order in [Order::Little, Order::Big] {
            let units = match order.u32(capture, 0) {
                Some(MICROSECONDS) => 1_000,
                Some(NANOSECONDS) => 1,
                Some(SECTION) if order.u32(capture, 8) == Some(BYTE_ORDER) => {
                    let format = Format::Pcapng { order, interfaces: Vec::new() };
                    return Ok(Self { format, at: 0, truncated: false });
                }
                _ => continue,
            };
            // The upper bits say how long the frame check sequence is.
            let link = order.u32(capture, 20).ok_or(CaptureError::NotACapture)?;
            let format = Format::Pcap { order, units, link: Link((link & 0xFFFF) as u16) };
            return Ok(Self { format, at: 24, truncated: false });
        }
        Err(CaptureError::NotACapture)
    }

    /// Whether the capture ended within a frame, or with octets that are none.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Octets of the capture that have been read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// The next frame; `None` at the end.
    #[inline]
    pub fn next(&mut self, capture: &[u8]) -> Option<Frame> {
        if self.at >= capture.len() || self.truncated {
            return None;
        }
        let frame = match self.format {
            Format::Pcap { order, units, link } => self.record(capture, order, units, link),
            Format::Pcapng { .. } => self.block(capture),
        };
        self.truncated |= frame.is_none() && self.at < capture.len();
        frame
    }

    #[inline(always)]
    fn record(&mut self, capture: &[u8], order: Order, units: u64, link: Link) -> Option<Frame> {
        let head = from(capture, self.at);
        let (seconds, fraction) = (order.u32(head, 0)?, order.u32(head, 4)?);
        let length = order.u32(head, 8)? as usize;
        let start = self.at + 16;
        let place = start..start.checked_add(length)?;
        capture.get(place.clone())?;
        self.at = place.end;
        Some(Frame { time: u64::from(seconds) * SECOND + u64::from(fraction) * units, link, place })
    }

    /// The next block that holds a frame.
    fn block(&mut self, capture: &[u8]) -> Option<Frame> {
        let Format::Pcapng { order, interfaces } = &mut self.format else { return None };
        loop {
            let block = from(capture, self.at);
            let kind = order.u32(block, 0)?;
            if kind == SECTION {
                let orders = [Order::Little, Order::Big];
                *order = orders.into_iter().find(|order| order.u32(block, 8) == Some(BYTE_ORDER))?;
                interfaces.clear();
            }
            let length = order.u32(block, 4)? as usize;
            if length < 12 || !length.is_multiple_of(4) || length > block.len() {
                return None;
            }
            let body = self.at + 8..self.at + length - 4;
            self.at += length;
            let octets = capture.get(body.clone())?;
            match kind {
                1 if interfaces.len() < INTERFACES => interfaces.extend(interface(octets, *order)),
                6 => {
                    let (number, high, low) = (order.u32(octets, 0)?, order.u32(octets, 4)?, order.u32(octets, 8)?);
                    let Some(interface) = interfaces.get(number as usize) else { continue };
                    let length = (order.u32(octets, 12)? as usize).min(octets.len().saturating_sub(20));
                    return Some(interface.frame(high, low, body.start + 20, length));
                }
                // The obsolete packet block.
                2 => {
                    let (number, high, low) = (order.u16(octets, 0)?, order.u32(octets, 4)?, order.u32(octets, 8)?);
                    let Some(interface) = interfaces.get(usize::from(number)) else { continue };
                    let length = (order.u32(octets, 12)? as usize).min(octets.len().saturating_sub(20));
                    return Some(interface.frame(high, low, body.start + 20, length));
                }
                // The simple packet block, which has no time.
                3 => {
                    let Some(interface) = interfaces.first() else { continue };
                    let length = (order.u32(octets, 0)? as usize).min(interface.snap).min(octets.len() - 4);
                    let start = body.start + 4;
                    return Some(Frame { time: 0, link: interface.link, place: start..start + length });
                }
                _ => {}
            }
        }
    }
}

/// The interface description block.
fn interface(octets: &[u8], order: Order) -> Option<Interface> {
    let link = Link(order.u16(octets, 0)?);
    let snap = order.u32(octets, 4)? as usize;
    let mut interface =
        Interface { link, ticks: 1_000_000, offset: 0, snap: if snap == 0 { usize::MAX } else { snap } };
    let mut options = from(octets, 8);
    while let (Some(code), Some(length)) = (order.u16(options, 0), order.u16(options, 2)) {
        let value = options.get(4..4 + usize::from(length)).unwrap_or_default();
        match (code, value) {
            (9, [ticks]) if ticks & 0x80 == 0 => interface.ticks = 10_u64.checked_pow(u32::from(*ticks))?,
            (9, [ticks]) => interface.ticks = 1_u64.checked_shl(u32::from(ticks & 0x7F))?,
            (14, value) if value.len() == 8 => {
                let (one, two) = (u64::from(order.u32(value, 0)?), u64::from(order.u32(value, 4)?));
                let offset = if order == Order::Big { one << 32 | two } else { two << 32 | one };
                interface.offset = offset as i64;
            }
            (0, _) => break,
            _ => {}
        }
        options = from(options, 4 + usize::from(length).next_multiple_of(4));
    }
    Some(interface)
}

impl Interface {
    fn frame(&self, high: u32, low: u32, start: usize, length: usize) -> Frame {
        let ticks = u64::from(high) << 32 | u64::from(low);
        let nanoseconds = match self.ticks {
            SECOND => i128::from(ticks),
            ticks_per_second => i128::from(ticks) * i128::from(SECOND) / i128::from(ticks_per_second),
        };
        let time = nanoseconds + i128::from(self.offset) * i128::from(SECOND);
        Frame { time: u64::try_from(time).unwrap_or(0), link: self.link, place: start..start + length }
    }
}
