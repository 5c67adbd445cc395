//! CSeq, RAck and Call-ID values. RFC 3261 §20.16, §20.8; RFC 3262 §7.2.

use super::HeaderId;
use crate::chars::{DIGIT, TOKEN, WORD, decimal, octet, skip_lws, slice, span};
use crate::error::FieldError;
use crate::method::Method;

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
        let (number, rest) = number(value, HeaderId::CSEQ)?;
        let method_name = rest;
        if method_name.is_empty() || span(method_name, 0, TOKEN) != method_name.len() {
            return Err(FieldError::malformed(HeaderId::CSEQ));
        }
        Ok(Self { number, method: Method::from_name(method_name), method_name })
    }
}

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
        let (rseq, rest) = number(value, HeaderId::RACK)?;
        let cseq = CSeq::parse(rest).map_err(|error| FieldError { header: HeaderId::RACK, ..error })?;
        Ok(Self { rseq, cseq })
    }
}

/// `callid = word [ "@" word ]`; the value is compared octet by octet (RFC 3261 §20.8).
#[inline]
pub(crate) fn call_id(value: &[u8]) -> Result<&[u8], FieldError> {
    let first = span(value, 0, WORD);
    let end = if octet(value, first) == b'@' { span(value, first + 1, WORD) } else { first };
    if first == 0 || end != value.len() || end == first + 1 && octet(value, first) == b'@' {
        return Err(FieldError::malformed(HeaderId::CALL_ID));
    }
    Ok(value)
}

/// `1*DIGIT LWS` and what follows.
#[inline]
fn number(value: &[u8], header: HeaderId) -> Result<(u32, &[u8]), FieldError> {
    let digits = span(value, 0, DIGIT);
    let rest = skip_lws(value, digits);
    if digits == 0 || rest == digits {
        return Err(FieldError::malformed(header));
    }
    let number = decimal(slice(value, 0, digits)).ok_or(FieldError::out_of_range(header))?;
    Ok((number, slice(value, rest, value.len())))
}
