//! Readable but wrong: what a server must refuse, and with which status. RFC 3261 §8.2, §16.3 step 1.
//!
//! Only what a proxy works with is looked at; anything else, well formed or not, passes unchanged (§16.3). An unknown scheme (416), an unknown
//! option tag (420) and Max-Forwards 0 (483) are no faults of syntax and are left to the proxy. A rejected response or ACK is not
//! answered but dropped.

use crate::error::{FieldError, FieldErrorKind, ParseErrorKind};
use crate::header::{CSeq, HeaderId, NameAddr, Via};
use crate::index::IdSet;
use crate::limits::Limits;
use crate::message::{Message, OneAddress, TopVia};
use crate::method::Method;
use crate::scan::{self, Scanner, task};
use crate::text::Text;
use crate::uri::{ParseUri, Uri};
use core::fmt;

/// Why a message is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rejection {
    /// The status to answer a request with.
    pub status: u16,
    /// The header at fault; [`HeaderId::OTHER`] for the start line, the body or the message as a whole.
    pub header: HeaderId,
    /// What is wrong, fit for a reason phrase.
    pub reason: &'static str,
}

/// What every element needs of a message, parsed while it was validated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Essentials<'b> {
    /// The Request-URI; `None` for a response.
    pub uri: Option<Uri<'b>>,
    /// The top Via.
    pub via: Via<'b>,
    /// From.
    pub from: NameAddr<'b>,
    /// To.
    pub to: NameAddr<'b>,
    /// Call-ID.
    pub call_id: &'b [u8],
    /// CSeq.
    pub cseq: CSeq<'b>,
    /// Max-Forwards, if there is one.
    pub max_forwards: Option<u8>,
}

/// Whether the message may be worked with.
///
/// # Errors
/// The first reason against it.
pub fn validate(message: &Message<'_>, limits: &Limits) -> Result<(), Rejection> {
    check(message, limits).map(|_| ())
}

/// As [`validate`], and keeps what was parsed on the way.
///
/// # Errors
/// The first reason against it.
pub fn check<'b>(message: &Message<'b>, limits: &Limits) -> Result<Essentials<'b>, Rejection> {
    scan::run(Check { message: *message, limits })
}

task!(Check<'b, 'l> { message: Message<'b>, limits: &'l Limits } -> Result<Essentials<'b>, Rejection>, check_with::<S>(&message, limits));

#[inline(always)]
fn check_with<'b, S: Scanner>(message: &Message<'b>, limits: &Limits) -> Result<Essentials<'b>, Rejection> {
    framing(message)?;
    presence(message)?;
    counts(message, limits)?;
    let uri = match message.uri_range() {
        Some(range) => Some(request_uri::<S>(Text::before(message.bytes(), range.end), range.start)?),
        None => None,
    };
    let via = S::call(TopVia { message: *message }).map_err(refuse)?;
    let from = S::call(OneAddress { message: *message, id: HeaderId::FROM }).map_err(refuse)?;
    let to = S::call(OneAddress { message: *message, id: HeaderId::TO }).map_err(refuse)?;
    let call_id = message.call_id_in::<S>().map_err(refuse)?;
    let cseq = message.cseq_in::<S>().map_err(refuse)?;
    let max_forwards = message.max_forwards_in().map_err(refuse)?;
    // RFC 3261 §8.1.1.5; RFC 4475 §3.1.2.17 mismatch01, §3.1.2.18 mismatch02.
    if let Some(method) = message.method()
        && (method != cseq.method || method == Method::Other && message.method_name() != Some(cseq.method_name))
    {
        return Err(Rejection::bad_request(HeaderId::CSEQ, "CSeq method does not match"));
    }
    Ok(Essentials { uri, via, from, to, call_id, cseq, max_forwards })
}

/// Faults that the parser kept. RFC 4475 §3.1.2.2 clerr, §3.1.2.3 ncl, §3.1.2.9 lwsstart, §3.1.2.10 trws, §3.1.2.16 badvers, §3.1.2.19
/// bigcode, §3.3.9 mcl01.
#[inline(always)]
fn framing(message: &Message<'_>) -> Result<(), Rejection> {
    let Some(fault) = message.fault() else { return Ok(()) };
    let header = match fault.kind {
        ParseErrorKind::ContentLength
        | ParseErrorKind::ContentLengthConflict
        | ParseErrorKind::ContentLengthExceeds
        | ParseErrorKind::ContentLengthMissing => HeaderId::CONTENT_LENGTH,
        ParseErrorKind::ControlCharacter
        | ParseErrorKind::Empty
        | ParseErrorKind::FieldTooLong
        | ParseErrorKind::HeaderLine
        | ParseErrorKind::LeadingFold
        | ParseErrorKind::MessageTooLong
        | ParseErrorKind::NotSip
        | ParseErrorKind::StartLine
        | ParseErrorKind::StatusCode
        | ParseErrorKind::TooManyFields
        | ParseErrorKind::Unterminated
        | ParseErrorKind::Version => HeaderId::OTHER,
    };
    let status = if fault.kind == ParseErrorKind::Version { 505 } else { 400 };
    Err(Rejection { status, header, reason: fault.kind.as_str() })
}

/// Mandatory fields (RFC 3261 §8.1.1; RFC 4475 §3.3.1 insuf) and fields that may come once (§3.3.8 multi01). Max-Forwards may be missing:
/// RFC 2543 had none (§3.4.1 inv2543).
#[inline(always)]
fn presence(message: &Message<'_>) -> Result<(), Rejection> {
    const MANDATORY: IdSet =
        IdSet::of(&[HeaderId::VIA, HeaderId::FROM, HeaderId::TO, HeaderId::CALL_ID, HeaderId::CSEQ]);
    const SINGLE: IdSet = IdSet::of(&[
        HeaderId::FROM,
        HeaderId::TO,
        HeaderId::CALL_ID,
        HeaderId::CSEQ,
        HeaderId::MAX_FORWARDS,
        HeaderId::CONTENT_LENGTH,
    ]);
    if let Some(header) = MANDATORY.without(message.index().present).lowest() {
        return Err(refuse(FieldError::missing(header)));
    }
    if let Some(header) = message.index().repeated.and(SINGLE).lowest() {
        return Err(refuse(FieldError::repeated(header)));
    }
    Ok(())
}

/// Numbers of Via, Route and Contact elements. Not in RFC 4475; a request that cannot be answered or forwarded within bounds.
#[inline(always)]
fn counts(message: &Message<'_>, limits: &Limits) -> Result<(), Rejection> {
    // The shortest elements that pass as such: "SIP/2.0/X a," and "<a:b>," and "a:b,".
    within(message, HeaderId::VIA, limits.via, 12, "Too many Via elements")?;
    within(message, HeaderId::ROUTE, limits.route, 6, "Too many Route elements")?;
    within(message, HeaderId::CONTACT, limits.contacts, 4, "Too many Contact elements")
}

#[inline(always)]
fn within(
    message: &Message<'_>,
    id: HeaderId,
    most: usize,
    shortest: usize,
    reason: &'static str,
) -> Result<(), Rejection> {
    // Few octets cannot hold many elements, so that commas are counted in long lists only.
    if message.octets_of(id) <= most * shortest || message.elements(id).take(most + 1).count() <= most {
        return Ok(());
    }
    Err(Rejection { status: 513, header: id, reason })
}

/// RFC 4475 §3.1.2.7 ltgtruri, §3.1.2.8 lwsruri, §3.1.2.11 escruri (RFC 3261 §19.1.1: no headers part in a Request-URI); RFC 5118 §4.2.
#[inline(always)]
fn request_uri<'b, S: Scanner>(text: Text<'b>, start: usize) -> Result<Uri<'b>, Rejection> {
    match S::call(ParseUri { text, start }) {
        Ok(Uri::Sip(sip)) if !sip.headers.is_empty() => {
            Err(Rejection::bad_request(HeaderId::OTHER, "Header fields in the Request-URI"))
        }
        Ok(uri) => Ok(uri),
        Err(_) => Err(Rejection::bad_request(HeaderId::OTHER, "Malformed Request-URI")),
    }
}

impl Rejection {
    const fn bad_request(header: HeaderId, reason: &'static str) -> Self {
        Self { status: 400, header, reason }
    }
}

/// A field that cannot be read: 400. RFC 4475 §3.1.2.1 badinv01, §3.1.2.4 scalar02, §3.1.2.6 quotbal, §3.1.2.14 badaspec, §3.1.2.15 baddn.
#[cold]
fn refuse(error: FieldError) -> Rejection {
    let words: [&'static str; 4] = match error.header {
        HeaderId::VIA => ["Malformed Via", "Missing Via", "Via number out of range", "Repeated Via parameter"],
        HeaderId::FROM => ["Malformed From", "Missing From", "From out of range", "Repeated From"],
        HeaderId::TO => ["Malformed To", "Missing To", "To out of range", "Repeated To"],
        HeaderId::CALL_ID => ["Malformed Call-ID", "Missing Call-ID", "Call-ID out of range", "Repeated Call-ID"],
        HeaderId::CSEQ => ["Malformed CSeq", "Missing CSeq", "CSeq out of range", "Repeated CSeq"],
        HeaderId::MAX_FORWARDS => {
            ["Malformed Max-Forwards", "Missing Max-Forwards", "Max-Forwards out of range", "Repeated Max-Forwards"]
        }
        HeaderId::CONTENT_LENGTH => [
            "Malformed Content-Length",
            "Missing Content-Length",
            "Content-Length out of range",
            "Repeated Content-Length",
        ],
        _ => ["Malformed header field", "Missing header field", "Header field out of range", "Repeated header field"],
    };
    let [malformed, missing, out_of_range, repeated] = words;
    let reason = match error.kind {
        FieldErrorKind::Malformed => malformed,
        FieldErrorKind::Missing => missing,
        FieldErrorKind::OutOfRange => out_of_range,
        FieldErrorKind::Repeated => repeated,
    };
    Rejection::bad_request(error.header, reason)
}

impl From<FieldError> for Rejection {
    /// 400, for values that other layers read: Contact at the registrar, Route at the proxy.
    fn from(error: FieldError) -> Self {
        refuse(error)
    }
}

impl Rejection {
    /// Whether a request of that method may be answered with the status: never ACK (RFC 3261 §17.1.1.3).
    #[must_use]
    pub fn is_answerable(&self, method: Option<Method>) -> bool {
        method.is_some_and(|method| method != Method::Ack)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.reason)
    }
}

impl core::error::Error for Rejection {}
