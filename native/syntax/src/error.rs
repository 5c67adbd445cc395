//! What can be wrong with bytes: the whole message ([`ParseError`]) or one value in it ([`FieldError`]).
//!
//! Both are `Copy` and carry no text of the message; words are made at the edge.

use crate::header::HeaderId;
use core::fmt;

/// Why bytes are not a SIP message, or what is wrong with its framing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// Where, in octets from the start of the bytes given.
    pub offset: usize,
}

/// See each variant. [`ParseErrorKind::is_fatal`] tells the ones that `parse` returns from those that a message may carry as
/// its [`fault`](crate::Message::fault), so that it can still be answered.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ParseErrorKind {
    /// Content-Length is not a number or does not fit (RFC 4475 §3.1.2.3 ncl).
    ContentLength,
    /// Content-Length fields that differ (RFC 4475 §3.3.9 mcl01).
    ContentLengthConflict,
    /// Content-Length goes behind the end of the datagram (RFC 4475 §3.1.2.2 clerr, RFC 3261 §18.3).
    ContentLengthExceeds,
    /// A stream message without Content-Length (RFC 3261 §18.3, §20.14).
    ContentLengthMissing,
    /// A control character, a bare CR or a bare LF in the head, outside a quoted-pair.
    ControlCharacter,
    /// No octets, or only line ends: a keep-alive (RFC 5626 §3.5.1).
    Empty,
    /// A header field longer than [`Limits::field`](crate::Limits::field).
    FieldTooLong,
    /// A header line without a colon, with an empty name or with a name that is no token.
    HeaderLine,
    /// The start line is followed by a line that begins with a blank.
    LeadingFold,
    /// Longer than [`Limits::message`](crate::Limits::message).
    MessageTooLong,
    /// Neither a request line nor a status line of SIP (RFC 3261 §7.1, §7.2).
    NotSip,
    /// A request or status line with blanks too many or too few, a bad method, no URI (RFC 4475 §3.1.2.9 lwsstart, §3.1.2.10 trws).
    StartLine,
    /// A status code outside 100 to 699 (RFC 4475 §3.1.2.19 bigcode).
    StatusCode,
    /// More header fields than [`Limits::fields`](crate::Limits::fields) or than the index holds.
    TooManyFields,
    /// No empty line: the head does not end (RFC 3261 §7). A fault only when the last line is whole.
    Unterminated,
    /// A version other than SIP/2.0 (RFC 4475 §3.1.2.16 badvers).
    Version,
}

impl ParseErrorKind {
    /// Whether `parse` gives no message at all, since its fields cannot be trusted or located.
    #[must_use]
    pub const fn is_fatal(self) -> bool {
        matches!(
            self,
            Self::ContentLengthMissing
                | Self::Empty
                | Self::MessageTooLong
                | Self::NotSip
                | Self::TooManyFields
                | Self::Unterminated
        )
    }

    /// What it is, for logs and reason phrases.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ContentLength => "Malformed Content-Length",
            Self::ContentLengthConflict => "Different Content-Length fields",
            Self::ContentLengthExceeds => "Content-Length behind the end of the message",
            Self::ContentLengthMissing => "Missing Content-Length",
            Self::ControlCharacter => "Control character in the head",
            Self::Empty => "Empty message",
            Self::FieldTooLong => "Header field too long",
            Self::HeaderLine => "Malformed header line",
            Self::LeadingFold => "Fold before the first header field",
            Self::MessageTooLong => "Message too long",
            Self::NotSip => "Not a SIP message",
            Self::StartLine => "Malformed start line",
            Self::StatusCode => "Status code out of range",
            Self::TooManyFields => "Too many header fields",
            Self::Unterminated => "Head without an end",
            Self::Version => "SIP version not supported",
        }
    }
}

/// What is wrong with one header field.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FieldError {
    /// Which header.
    pub header: HeaderId,
    /// What is wrong.
    pub kind: FieldErrorKind,
}

/// See each variant.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FieldErrorKind {
    /// The value does not follow its grammar.
    Malformed,
    /// No such field.
    Missing,
    /// A number too large for its field.
    OutOfRange,
    /// More than one field or parameter where one is allowed (RFC 4475 §3.3.8 multi01).
    Repeated,
}

impl FieldError {
    pub(crate) const fn malformed(header: HeaderId) -> Self {
        Self { header, kind: FieldErrorKind::Malformed }
    }

    pub(crate) const fn missing(header: HeaderId) -> Self {
        Self { header, kind: FieldErrorKind::Missing }
    }

    pub(crate) const fn out_of_range(header: HeaderId) -> Self {
        Self { header, kind: FieldErrorKind::OutOfRange }
    }

    pub(crate) const fn repeated(header: HeaderId) -> Self {
        Self { header, kind: FieldErrorKind::Repeated }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at octet {}", self.kind.as_str(), self.offset)
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            FieldErrorKind::Malformed => "malformed",
            FieldErrorKind::Missing => "missing",
            FieldErrorKind::OutOfRange => "out of range",
            FieldErrorKind::Repeated => "repeated",
        };
        write!(f, "{}: {kind}", self.header)
    }
}

impl core::error::Error for ParseError {}
impl core::error::Error for FieldError {}
