//! WebSocket frames as a server reads and writes them. RFC 6455 §5, RFC 7118 §5.
//!
//! Octets come in pieces of any size and are all taken; what is kept between them is the message so far and at most one
//! control frame. Nothing here knows HTTP or SIP.

use std::fmt;

/// Octets of a control frame, at most. RFC 6455 §5.5.
const CONTROL: usize = 125;
/// Octets of a frame's head, at most: two, eight of length, four of mask.
const HEAD: usize = 14;

/// What a frame carries. RFC 6455 §5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A further part of a fragmented message.
    Continuation = 0,
    /// UTF-8.
    Text = 1,
    /// Any octets.
    Binary = 2,
    /// The end of the connection.
    Close = 8,
    /// To be answered with the same octets.
    Ping = 9,
    /// The answer to a ping, or an unasked sign of life.
    Pong = 10,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole message, text or binary.
    Message(&'a [u8]),
    /// To be answered with a pong of the same octets.
    Ping(&'a [u8]),
    /// A sign of life.
    Pong,
    /// The peer ends the connection; its status, if it named one.
    Close(Option<u16>),
}

/// Why the connection must be failed. RFC 6455 §7.1.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WsError {
    /// A control frame that is fragmented or too long.
    Control,
    /// A continuation of nothing, or a new message within another.
    Fragment,
    /// A frame without a mask. RFC 6455 §5.1.
    Masked,
    /// An opcode or a reserved bit that nobody agreed on.
    Reserved,
    /// More octets than a message may have.
    TooLong,
    /// Text that is not UTF-8.
    Utf8,
}

impl WsError {
    /// Status of the Close frame. RFC 6455 §7.4.1.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Control | Self::Fragment | Self::Masked | Self::Reserved => 1002,
            Self::TooLong => 1009,
            Self::Utf8 => 1007,
        }
    }
}

impl fmt::Display for WsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Control => "a control frame in parts or too long",
            Self::Fragment => "fragments out of order",
            Self::Masked => "a frame without a mask",
            Self::Reserved => "a reserved opcode or bit",
            Self::TooLong => "a message too long",
            Self::Utf8 => "text that is not UTF-8",
        })
    }
}

impl std::error::Error for WsError {}

/// Reads frames. Small while nothing is under way: the message's octets are allocated with its first frame.
#[derive(Debug, Default)]
pub struct Reader {
    head: [u8; HEAD],
    /// Octets of the head that are there; all of them once `frame` is set.
    have: usize,
    frame: Option<Frame>,
    /// Kind of the message that has begun and not ended.
    open: Option<Opcode>,
    message: Vec<u8>,
    control: Vec<u8>,
    /// What the last event borrowed is taken back with the next octet.
    used: Option<Opcode>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: Opcode,
    fin: bool,
    rest: usize,
    mask: [u8; 4],
    /// Place in the mask.
    turn: usize,
}

impl Reader {
    /// Before the first frame.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes octets off the front of `octets` until something is whole; `None` when all are taken. A message may have
    /// `limit` octets.
    ///
    /// # Errors
    /// [`WsError`]: answer with Close and end the connection.
    pub fn read(&mut self, octets: &mut &[u8], limit: usize) -> Result<Option<Event<'_>>, WsError> {
        match self.used.take() {
            None => {}
            Some(Opcode::Ping | Opcode::Pong | Opcode::Close) => self.control = Vec::new(),
            Some(_) => self.message = Vec::new(),
        }
        loop {
            let Some(frame) = &mut self.frame else {
                if octets.is_empty() {
                    return Ok(None);
                }
                self.head(octets, limit)?;
                continue;
            };
            let count = frame.rest.min(octets.len());
            let (taken, behind) = octets.split_at(count);
            *octets = behind;
            let target = if is_control(frame.opcode) { &mut self.control } else { &mut self.message };
            let start = target.len();
            target.extend_from_slice(taken);
            unmask(&mut target[start..], frame.mask, frame.turn);
            frame.turn = (frame.turn + count) % 4;
            frame.rest -= count;
            if frame.rest > 0 {
                return Ok(None);
            }
            let frame = *frame;
            self.frame = None;
            self.have = 0;
            if frame.fin {
                return self.event(frame.opcode).map(Some);
            }
        }
    }

    /// Whether a frame or a message has begun and not ended.
    #[must_use]
    pub fn is_within(&self) -> bool {
        self.have > 0 || self.open.is_some()
    }

    /// Takes octets of a head, and makes a frame of it once it is whole.
    fn head(&mut self, octets: &mut &[u8], limit: usize) -> Result<(), WsError> {
        loop {
            let needed = match self.have {
                0 | 1 => 2,
                _ => match self.head[1] & 0x7f {
                    126 => 8,
                    127 => 14,
                    _ => 6,
                },
            };
            if self.have >= 2 && self.head[1] & 0x80 == 0 {
                return Err(WsError::Masked);
            }
            if self.have >= 2 && self.have == needed {
                break;
            }
            let Some((&octet, behind)) = octets.split_first() else { return Ok(()) };
            *octets = behind;
            self.head[self.have] = octet;
            self.have += 1;
        }
        let [first, second, ..] = self.head;
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(WsError::Reserved),
        };
        let fin = first & 0x80 != 0;
        if first & 0x70 != 0 {
            return Err(WsError::Reserved);
        }
        let (length, mask) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes([self.head[2], self.head[3]])), 4),
            127 => {
                let [_, _, length @ .., _, _, _, _] = self.head;
                (u64::from_be_bytes(length), 10)
            }
            length => (length.into(), 2),
        };
        let length = usize::try_from(length).map_err(|_| WsError::TooLong)?;
        if is_control(opcode) {
            if !fin || length > CONTROL {
                return Err(WsError::Control);
            }
        } else {
            if (opcode == Opcode::Continuation) != self.open.is_some() {
                return Err(WsError::Fragment);
            }
            if length > limit.saturating_sub(self.message.len()) {
                return Err(WsError::TooLong);
            }
            if opcode != Opcode::Continuation {
                self.open = Some(opcode);
            }
        }
        let mut key = [0; 4];
        key.copy_from_slice(&self.head[mask..mask + 4]);
        self.frame = Some(Frame { opcode, fin, rest: length, mask: key, turn: 0 });
        Ok(())
    }

    /// What a frame that is whole and the last of its message means.
    fn event(&mut self, opcode: Opcode) -> Result<Event<'_>, WsError> {
        self.used = Some(opcode);
        match opcode {
            Opcode::Ping => Ok(Event::Ping(&self.control)),
            Opcode::Pong => Ok(Event::Pong),
            Opcode::Close => match self.control.as_slice() {
                [] => Ok(Event::Close(None)),
                [_] => Err(WsError::Control),
                [high, low, reason @ ..] => {
                    std::str::from_utf8(reason).map_err(|_| WsError::Utf8)?;
                    Ok(Event::Close(Some(u16::from_be_bytes([*high, *low]))))
                }
            },
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                if self.open.take() == Some(Opcode::Text) && std::str::from_utf8(&self.message).is_err() {
                    return Err(WsError::Utf8);
                }
                Ok(Event::Message(&self.message))
            }
        }
    }
}

/// Appends a whole frame, without a mask as a server must (RFC 6455 §5.1).
pub fn write(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x80 | opcode as u8);
    match payload.len() {
        length @ ..126 => out.push(length as u8),
        length @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Appends a SIP message as one frame: text where it can be (browsers hand it on as a string), else binary.
pub fn write_message(message: &[u8], out: &mut Vec<u8>) {
    let opcode = if std::str::from_utf8(message).is_ok() { Opcode::Text } else { Opcode::Binary };
    write(opcode, message, out);
}

/// Appends a Close frame.
pub fn write_close(status: u16, out: &mut Vec<u8>) {
    write(Opcode::Close, &status.to_be_bytes(), out);
}

fn is_control(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong)
}

/// RFC 6455 §5.3.
fn unmask(octets: &mut [u8], mask: [u8; 4], turn: usize) {
    let mask = [mask[turn % 4], mask[(turn + 1) % 4], mask[(turn + 2) % 4], mask[(turn + 3) % 4]];
    let (words, rest) = octets.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (octet, key) in rest.iter_mut().zip(mask) {
        *octet ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame as a client writes it.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![first];
        match payload.len() {
            length @ ..126 => out.push(0x80 | length as u8),
            length @ ..=0xffff => {
                out.push(0x80 | 126);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                out.push(0x80 | 127);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        let key = [0x37, 0xfa, 0x21, 0x3d];
        out.extend_from_slice(&key);
        out.extend(payload.iter().enumerate().map(|(place, octet)| octet ^ key[place % 4]));
        out
    }

    /// Reads `octets` in pieces of these sizes, over and over; the events as text.
    fn events(octets: &[u8], sizes: &[usize]) -> Result<Vec<String>, WsError> {
        let mut reader = Reader::new();
        let mut seen = Vec::new();
        let (mut rest, mut turn) = (octets, 0);
        while !rest.is_empty() {
            let count = sizes[turn % sizes.len()].clamp(1, rest.len());
            turn += 1;
            let (mut piece, behind) = rest.split_at(count);
            rest = behind;
            while let Some(event) = reader.read(&mut piece, 100_000)? {
                seen.push(match event {
                    Event::Message(octets) => format!("message {}", octets.escape_ascii()),
                    Event::Ping(octets) => format!("ping {}", octets.escape_ascii()),
                    Event::Pong => "pong".into(),
                    Event::Close(status) => format!("close {status:?}"),
                });
            }
        }
        assert!(!reader.is_within() || seen.is_empty() || octets.len() < 4, "the cases end with a frame");
        Ok(seen)
    }

    #[test]
    fn frames() {
        type Case<'a> = (&'a str, Vec<Vec<u8>>, &'a [&'a str]);
        let cases: &[Case<'_>] = &[
            ("RFC 6455 §5.7, a masked text", vec![frame(0x81, b"Hello")], &["message Hello"]),
            ("empty", vec![frame(0x82, b"")], &["message "]),
            ("two", vec![frame(0x81, b"a"), frame(0x82, b"\xff")], &["message a", "message \\xff"]),
            ("fragments", vec![frame(0x01, b"Hel"), frame(0x00, b""), frame(0x80, b"lo")], &["message Hello"]),
            (
                "a ping between fragments",
                vec![frame(0x01, b"Hel"), frame(0x89, b"now"), frame(0x80, b"lo"), frame(0x8a, b"")],
                &["ping now", "message Hello", "pong"],
            ),
            ("UTF-8 cut in the middle", vec![frame(0x01, b"\xc3"), frame(0x80, b"\xa4")], &["message \\xc3\\xa4"]),
            ("close", vec![frame(0x88, b"\x03\xe8bye")], &["close Some(1000)"]),
            ("close without a status", vec![frame(0x88, b"")], &["close None"]),
        ];
        for (name, frames, expected) in cases {
            let octets = frames.concat();
            for sizes in [&[octets.len()][..], &[1], &[2, 3], &[7, 1]] {
                assert_eq!(events(&octets, sizes).as_deref(), Ok(&expected.map_strings()[..]), "{name} {sizes:?}");
            }
        }
    }

    trait MapStrings {
        fn map_strings(&self) -> Vec<String>;
    }

    impl MapStrings for &[&str] {
        fn map_strings(&self) -> Vec<String> {
            self.iter().map(ToString::to_string).collect()
        }
    }

    #[test]
    fn what_fails_the_connection() {
        let mut long = vec![0x81, 0xff];
        long.extend_from_slice(&u64::MAX.to_be_bytes());
        long.extend_from_slice(b"mask");
        for (name, octets, expected) in [
            ("without a mask", b"\x81\x05Hello".to_vec(), WsError::Masked),
            ("reserved opcode", frame(0x83, b""), WsError::Reserved),
            ("reserved control", frame(0x8b, b""), WsError::Reserved),
            ("compressed, which nobody offered", frame(0xc1, b""), WsError::Reserved),
            ("fragmented ping", frame(0x09, b""), WsError::Control),
            ("long ping", frame(0x89, &[0; 126]), WsError::Control),
            ("half a status", frame(0x88, b"\x03"), WsError::Control),
            ("continuation of nothing", frame(0x80, b"x"), WsError::Fragment),
            ("message in a message", [frame(0x01, b"a"), frame(0x81, b"b")].concat(), WsError::Fragment),
            ("not UTF-8", frame(0x81, b"\xff"), WsError::Utf8),
            ("a reason that is not UTF-8", frame(0x88, b"\x03\xe8\xff"), WsError::Utf8),
            ("too long", frame(0x82, &vec![0; 100_001]), WsError::TooLong),
            ("too long in parts", [frame(0x02, &[0; 60_000]), frame(0x80, &[0; 60_000])].concat(), WsError::TooLong),
            ("a length that no memory has", long, WsError::TooLong),
        ] {
            for sizes in [&[octets.len()][..], &[1]] {
                assert_eq!(events(&octets, sizes), Err(expected), "{name}");
            }
        }
    }

    #[test]
    fn what_is_written() {
        for (length, head) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let mut out = Vec::new();
            write(Opcode::Binary, &vec![7; length], &mut out);
            assert_eq!(out.len(), head + length);
            assert_eq!(out[0], 0x82);
        }
        let mut out = Vec::new();
        write_message(b"SIP", &mut out);
        write_message(b"\xff", &mut out);
        write_close(1001, &mut out);
        assert_eq!(out, b"\x81\x03SIP\x82\x01\xff\x88\x02\x03\xe9");
    }

    proptest! {
        #[test]
        fn any_split_reads_the_same(payloads: Vec<Vec<u8>>, sizes in prop::collection::vec(1..40_usize, 1..5)) {
            let octets: Vec<u8> = payloads.iter().flat_map(|payload| frame(0x82, payload)).collect();
            let expected: Vec<_> = payloads.iter().map(|p| format!("message {}", p.escape_ascii())).collect();
            prop_assert_eq!(events(&octets, &sizes), Ok(expected));
        }

        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>) {
            let mut reader = Reader::new();
            let mut rest = octets.as_slice();
            while let Ok(Some(_)) = reader.read(&mut rest, 1000) {}
        }
    }
}
