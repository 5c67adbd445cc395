//! CSeq, RAck and Call-ID values. RFC 3261 §20.16, §20.8; RFC 3262 §7.2.

use super::HeaderId;
use crate::chars::{TOKEN, WORD};
use crate::error::FieldError;
use crate::method::Method;
use crate::scan::{self, Scanner, task};
use crate::text::Text;

/// `CSeq = 1*DIGIT LWS Method`; the number is below 2^31 (RFC 3261 §8.1.1.5) when we write it, below 2^32 when we read it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CSeq<'b> {
    /// The sequence number.
    pub number: u32,
    /// The method.
    pub method: Method,
    /// The method as received.
    pub method_name: &'b [u8],
}

impl<'b> CSeq<'b> {
    /// Parses a field value without white space at its ends.
    ///
    /// # Errors
    /// `Malformed` when the grammar is not followed, `OutOfRange` from 2^32 (RFC 4475 §3.1.2.4 scalar02, §3.1.2.5 scalarlg).
    pub fn parse(value: &'b [u8]) -> Result<Self, FieldError> {
        scan::run(Parse { value })
    }

    #[inline(always)]
    pub(crate) fn parse_in<S: Scanner>(text: Text<'b>, start: usize) -> Result<Self, FieldError> {
        let (number, start) = number(text, start, HeaderId::CSEQ)?;
        let method_name = text.slice(start, text.end());
        if let Some((method, length)) = text.short_method(start)
            && length == method_name.len()
        {
            return Ok(Self { number, method, method_name });
        }
        if method_name.is_empty() || text.span::<S>(start, &TOKEN) != text.end() {
            return Err(FieldError::malformed(HeaderId::CSEQ));
        }
        Ok(Self { number, method: Method::from_name(method_name), method_name })
    }
}

task!(Parse<'b> { value: &'b [u8] } -> Result<CSeq<'b>, FieldError>, CSeq::parse_in::<S>(Text::whole(value), 0));

/// `RAck = response-num LWS CSeq-num LWS Method`, RFC 3262 §7.2.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RAck<'b> {
    /// The RSeq of the provisional response.
    pub rseq: u32,
    /// The CSeq of the provisional response.
    pub cseq: CSeq<'b>,
}

impl<'b> RAck<'b> {
    /// Parses a field value without white space at its ends.
    ///
    /// # Errors
    /// As [`CSeq::parse`], naming RAck.
    pub fn parse(value: &'b [u8]) -> Result<Self, FieldError> {
        let (rseq, rest) = number(Text::whole(value), 0, HeaderId::RACK)?;
        let rest = value.get(rest..).unwrap_or_default();
        let cseq = CSeq::parse(rest).map_err(|error| FieldError { header: HeaderId::RACK, ..error })?;
        Ok(Self { rseq, cseq })
    }
}

/// `callid = word [ "@" word ]` from `start` to the end of the text; the value is compared octet by octet (RFC 3261 §20.8).
#[inline(always)]
pub(crate) fn call_id<'b, S: Scanner>(text: Text<'b>, start: usize) -> Result<&'b [u8], FieldError> {
    let first = text.span::<S>(start, &WORD);
    let mut end = first;
    if text.octet(first) == b'@' {
        end = text.span::<S>(first + 1, &WORD);
        if end == first + 1 {
            return Err(FieldError::malformed(HeaderId::CALL_ID));
        }
    }
    if first == start || end != text.end() {
        return Err(FieldError::malformed(HeaderId::CALL_ID));
    }
    Ok(text.slice(start, end))
}

/// `1*DIGIT LWS` and the position of what follows.
#[inline(always)]
fn number(text: Text<'_>, start: usize, header: HeaderId) -> Result<(u32, usize), FieldError> {
    let (number, end) = text.number(start);
    let rest = text.skip_lws(end);
    if end == start || rest == end {
        return Err(FieldError::malformed(header));
    }
    Ok((u32::try_from(number).map_err(|_| FieldError::out_of_range(header))?, rest))
}
