//! Slices, statuses and the enums that both sides share.

use dialplane_syntax::{FieldError, FieldErrorKind, Method as Name, ParseError, ParseErrorKind, UriError};
use std::ffi::c_char;

/// Octets of the caller. `data` is NULL for what is absent; `length` may be 0 for what is there and empty. Not terminated by NUL.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// The first octet.
    pub data: *const u8,
    /// Number of octets.
    pub length: usize,
}

impl Slice {
    /// What is absent.
    pub(crate) const ABSENT: Self = Self { data: std::ptr::null(), length: 0 };

    #[inline(always)]
    pub(crate) const fn new(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), length: bytes.len() }
    }

    #[inline(always)]
    pub(crate) fn optional(bytes: Option<&[u8]>) -> Self {
        bytes.map_or(Self::ABSENT, Self::new)
    }

    /// The octets; `None` for a null pointer.
    ///
    /// # Safety
    /// `data` is null or points to `length` octets that live and do not change for `'b`.
    #[inline(always)]
    pub(crate) const unsafe fn bytes<'b>(self) -> Option<&'b [u8]> {
        // SAFETY: as promised by the caller of this function.
        unsafe { octets(self.data, self.length) }
    }
}

/// The octets of a pointer and a length; `None` for a null pointer or a length that no object has.
///
/// # Safety
/// As [`Slice::bytes`].
#[inline(always)]
pub(crate) const unsafe fn octets<'b>(data: *const u8, length: usize) -> Option<&'b [u8]> {
    if data.is_null() || length > isize::MAX as usize {
        return None;
    }
    // SAFETY: not null; the rest is promised by the caller of this function.
    Some(unsafe { std::slice::from_raw_parts(data, length) })
}

/// What a function says. 0 is success.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// It is done.
    Ok = 0,
    /// The stream holds the beginning of a message, or nothing.
    Partial = 1,
    /// No such field, or no further one.
    Missing = 2,
    /// The value does not follow its grammar.
    Malformed = 3,
    /// A number too large for its field.
    OutOfRange = 4,
    /// More than one field or parameter where one is allowed.
    Repeated = 5,
    /// Readable, but to be refused; the rejection says with what.
    Refused = 6,
    /// The buffer of the caller is too small.
    NoRoom = 7,
    /// A null pointer, or a handle without a message: a fault of the caller.
    Argument = 8,
    /// A fault of this library.
    Internal = 9,
    /// Content-Length is not a number or does not fit.
    ContentLength = 32,
    /// Content-Length fields that differ.
    ContentLengthConflict = 33,
    /// Content-Length goes behind the end of the datagram.
    ContentLengthExceeds = 34,
    /// A stream message without Content-Length.
    ContentLengthMissing = 35,
    /// A control character, a bare CR or a bare LF in the head.
    ControlCharacter = 36,
    /// No octets, or only line ends: a keep-alive.
    Empty = 37,
    /// A header field longer than the limit.
    FieldTooLong = 38,
    /// A header line without a colon or with a name that is no token.
    HeaderLine = 39,
    /// The start line is followed by a line that begins with a blank.
    LeadingFold = 40,
    /// Longer than the limit.
    MessageTooLong = 41,
    /// Neither a request line nor a status line of SIP.
    NotSip = 42,
    /// A malformed start line.
    StartLine = 43,
    /// A status code outside 100 to 699.
    StatusCode = 44,
    /// More header fields than the limit or than the handle holds.
    TooManyFields = 45,
    /// No empty line: the head does not end.
    Unterminated = 46,
    /// A version other than SIP/2.0.
    Version = 47,
}

/// What a status means, in English, terminated by NUL. Never NULL: also for a number that is no status.
#[unsafe(no_mangle)]
pub extern "C" fn dp_status_text(status: i32) -> *const c_char {
    let text: &'static std::ffi::CStr = match status {
        0 => c"ok",
        1 => c"more octets are needed",
        2 => c"missing",
        3 => c"malformed",
        4 => c"out of range",
        5 => c"repeated",
        6 => c"refused",
        7 => c"no room",
        8 => c"bad argument",
        9 => c"internal fault",
        32 => c"malformed Content-Length",
        33 => c"different Content-Length fields",
        34 => c"Content-Length behind the end of the message",
        35 => c"missing Content-Length",
        36 => c"control character in the head",
        37 => c"empty message",
        38 => c"header field too long",
        39 => c"malformed header line",
        40 => c"fold before the first header field",
        41 => c"message too long",
        42 => c"not a SIP message",
        43 => c"malformed start line",
        44 => c"status code out of range",
        45 => c"too many header fields",
        46 => c"head without an end",
        47 => c"SIP version not supported",
        _ => c"unknown status",
    };
    text.as_ptr()
}

impl From<ParseError> for Status {
    fn from(error: ParseError) -> Self {
        match error.kind {
            ParseErrorKind::ContentLength => Self::ContentLength,
            ParseErrorKind::ContentLengthConflict => Self::ContentLengthConflict,
            ParseErrorKind::ContentLengthExceeds => Self::ContentLengthExceeds,
            ParseErrorKind::ContentLengthMissing => Self::ContentLengthMissing,
            ParseErrorKind::ControlCharacter => Self::ControlCharacter,
            ParseErrorKind::Empty => Self::Empty,
            ParseErrorKind::FieldTooLong => Self::FieldTooLong,
            ParseErrorKind::HeaderLine => Self::HeaderLine,
            ParseErrorKind::LeadingFold => Self::LeadingFold,
            ParseErrorKind::MessageTooLong => Self::MessageTooLong,
            ParseErrorKind::NotSip => Self::NotSip,
            ParseErrorKind::StartLine => Self::StartLine,
            ParseErrorKind::StatusCode => Self::StatusCode,
            ParseErrorKind::TooManyFields => Self::TooManyFields,
            ParseErrorKind::Unterminated => Self::Unterminated,
            ParseErrorKind::Version => Self::Version,
        }
    }
}

impl From<FieldError> for Status {
    fn from(error: FieldError) -> Self {
        match error.kind {
            FieldErrorKind::Malformed => Self::Malformed,
            FieldErrorKind::Missing => Self::Missing,
            FieldErrorKind::OutOfRange => Self::OutOfRange,
            FieldErrorKind::Repeated => Self::Repeated,
        }
    }
}

impl From<UriError> for Status {
    fn from(_: UriError) -> Self {
        Self::Malformed
    }
}

/// A request method; `DP_METHOD_ID_OTHER` for any other token, whose name `dp_method_name` gives.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "each is the method of that name")]
pub enum Method {
    Other = 0,
    Ack = 1,
    Bye = 2,
    Cancel = 3,
    Info = 4,
    Invite = 5,
    Message = 6,
    Notify = 7,
    Options = 8,
    Prack = 9,
    Publish = 10,
    Refer = 11,
    Register = 12,
    Subscribe = 13,
    Update = 14,
}

impl From<Name> for Method {
    #[inline(always)]
    fn from(method: Name) -> Self {
        match method {
            Name::Other => Self::Other,
            Name::Ack => Self::Ack,
            Name::Bye => Self::Bye,
            Name::Cancel => Self::Cancel,
            Name::Info => Self::Info,
            Name::Invite => Self::Invite,
            Name::Message => Self::Message,
            Name::Notify => Self::Notify,
            Name::Options => Self::Options,
            Name::Prack => Self::Prack,
            Name::Publish => Self::Publish,
            Name::Refer => Self::Refer,
            Name::Register => Self::Register,
            Name::Subscribe => Self::Subscribe,
            Name::Update => Self::Update,
        }
    }
}
