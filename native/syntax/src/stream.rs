//! Framing of a stream that comes in pieces. RFC 3261 §7.5, §18.3; keep-alives RFC 5626 §3.5.1.
//!
//! A [`Framer`] remembers how far it has looked, so that each octet is looked at once however small the pieces are.

use crate::error::ParseError;
use crate::index::Index;
use crate::limits::Limits;
use crate::parse::{Status, parse_stream};

/// Looks for the end of the first message of a buffer that grows at its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Framer {
    /// Octets in which no end of head begins.
    scanned: usize,
    /// Length of the message once its head has been read.
    needed: usize,
}

/// What to do with the octets at hand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framed {
    /// CRLF CRLF between messages: take these octets off and answer CRLF (RFC 5626 §4.4.1).
    KeepAlive(usize),
    /// A message takes that many octets; parse them with [`parse_stream`].
    Message(usize),
    /// More octets are needed.
    Partial,
    /// Line ends that mean nothing: take these octets off.
    Skip(usize),
}

impl Framer {
    /// For the start of a message.
    #[must_use]
    pub const fn new() -> Self {
        Self { scanned: 0, needed: 0 }
    }

    /// Looks at the buffer, which begins where the last message or skipped octets ended. After anything but `Partial` the framer is new again.
    ///
    /// # Errors
    /// Those of [`parse_stream`]: close the connection.
    pub fn poll(&mut self, bytes: &[u8], index: &mut Index, limits: &Limits) -> Result<Framed, ParseError> {
        match bytes {
            [b'\r', b'\n', b'\r', b'\n', ..] => return Ok(Framed::KeepAlive(4)),
            [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Ok(Framed::Partial),
            [b'\r', b'\n', ..] => return Ok(Framed::Skip(2)),
            [b'\r' | b'\n', ..] => return Ok(Framed::Skip(1)),
            _ => {}
        }
        if self.needed == 0 {
            let from = self.scanned.saturating_sub(3);
            let unseen = bytes.get(from..).unwrap_or_default();
            let ends = unseen.windows(4).any(|window| window == b"\r\n\r\n");
            if !ends && bytes.len() <= limits.message {
                self.scanned = bytes.len();
                return Ok(Framed::Partial);
            }
        }
        if bytes.len() < self.needed {
            return Ok(Framed::Partial);
        }
        match parse_stream(bytes, index, limits)? {
            Status::Complete(message) => {
                let end = message.bytes().len();
                *self = Self::new();
                Ok(Framed::Message(end))
            }
            Status::Partial => {
                self.needed = index.end.max(bytes.len() + 1);
                Ok(Framed::Partial)
            }
        }
    }
}
