//! `name-addr` and `addr-spec` with their parameters: From, To, Contact, Route, Record-Route and their kin. RFC 3261 §20.10,
//! §20.20, §20.30, §20.34, §20.39.

use super::HeaderId;
use super::params::{Params, header_param};
use crate::chars::{DISPLAY, URIC, octet, offset_in, quoted_end, skip_lws, slice, span, trim_end};
use crate::error::FieldError;
use crate::field::{Element, Elements};
use crate::uri::{Uri, UriError};
use core::ops::Range;

/// One address with its parameters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NameAddr<'b> {
    /// The display name as received, a quoted one with its quotes; `None` when there is none.
    pub display: Option<&'b [u8]>,
    /// The URI as received, without the angle brackets. Its octets are those a URI may have; [`NameAddr::parsed_uri`] checks the rest.
    pub uri: &'b [u8],
    params: Params<'b>,
    tag: Option<&'b [u8]>,
    whole: &'b [u8],
    offset: usize,
    bracketed: bool,
}

impl<'b> NameAddr<'b> {
    /// Parses a value or an element without white space at its ends. `offset` is where it begins in the message; give 0 when
    /// ranges do not matter.
    ///
    /// # Errors
    /// `Malformed` (naming `header`): a quoted string that is not closed (RFC 4475 §3.1.2.6 quotbal), a display name that is neither quoted nor
    /// tokens (§3.1.2.15 baddn), blanks in the URI (§3.1.2.14 badaspec), a bare URI with a headers part (§3.1.2.13 regbadct),
    /// parameters with stray separators (§3.1.2.1 badinv01).
    pub fn parse(value: &'b [u8], offset: usize, header: HeaderId) -> Result<Self, FieldError> {
        let malformed = FieldError::malformed(header);
        let (display, uri, after, bracketed) = match octet(value, 0) {
            b'<' => bracketed_uri(value, 0).map(|(uri, after)| (None, uri, after, true)),
            b'"' => quoted_end(value, 0).and_then(|end| {
                let (uri, after) = bracketed_uri(value, skip_lws(value, end))?;
                Some((Some(slice(value, 0, end)), uri, after, true))
            }),
            _ => token_or_bare(value),
        }
        .ok_or(malformed)?;

        let mut at = skip_lws(value, after);
        let start = at;
        let mut tag = None;
        while at < value.len() {
            if octet(value, at) != b';' {
                return Err(malformed);
            }
            let (param, end) = header_param(value, at).ok_or(malformed)?;
            if tag.is_none() && param.name.eq_ignore_ascii_case(b"tag") {
                tag = Some(param.value.ok_or(malformed)?);
            }
            at = skip_lws(value, end);
        }
        Ok(Self {
            display,
            uri,
            params: Params::checked(slice(value, start, value.len())),
            tag,
            whole: value,
            offset,
            bracketed,
        })
    }

    pub(crate) fn from_element(element: &Element<'b>) -> Result<Self, FieldError> {
        Self::parse(element.value, element.range().start, element.field.id)
    }

    /// The URI, parsed.
    ///
    /// # Errors
    /// See [`Uri::parse`].
    pub fn parsed_uri(&self) -> Result<Uri<'b>, UriError> {
        Uri::parse(self.uri)
    }

    /// The parameters of the header field; those of the URI are in [`NameAddr::parsed_uri`].
    #[must_use]
    pub const fn params(&self) -> Params<'b> {
        self.params
    }

    /// The tag parameter, RFC 3261 §19.3; the first when there are several, as SIPp may send.
    #[must_use]
    pub const fn tag(&self) -> Option<&'b [u8]> {
        self.tag
    }

    /// Where the element lies in the message. Its end is where a parameter, such as a To tag, is to be inserted, unless the URI
    /// is bare and carries no parameter yet: also then `;tag=` is a parameter of the header field (RFC 3261 §20.10).
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.whole.len()
    }

    /// Where the URI lies in the message, without angle brackets.
    #[must_use]
    pub fn uri_range(&self) -> Range<usize> {
        let start = self.offset + offset_in(self.whole, self.uri);
        start..start + self.uri.len()
    }

    /// Whether the URI is in angle brackets; Route and Record-Route require them (RFC 3261 §20.34).
    #[must_use]
    pub const fn is_bracketed(&self) -> bool {
        self.bracketed
    }
}

/// Display name, URI, the position behind it, and whether it is in brackets.
type Address<'b> = (Option<&'b [u8]>, &'b [u8], usize, bool);

/// `LAQUOT addr-spec RAQUOT` at `at`: the URI and the position behind `>`.
#[inline(always)]
fn bracketed_uri(value: &[u8], at: usize) -> Option<(&[u8], usize)> {
    if octet(value, at) != b'<' {
        return None;
    }
    let end = span(value, at + 1, URIC);
    if octet(value, end) != b'>' || end == at + 1 {
        return None;
    }
    Some((slice(value, at + 1, end), end + 1))
}

/// `*(token LWS) LAQUOT …` or a bare `addr-spec`, which ends at the first `;` and holds no `?` and no `,`
/// (RFC 3261 §20: then angle brackets are required).
#[inline]
fn token_or_bare(value: &[u8]) -> Option<Address<'_>> {
    let tokens = span(value, 0, DISPLAY);
    if octet(value, tokens) == b'<' {
        let (uri, after) = bracketed_uri(value, tokens)?;
        return Some((Some(trim_end(slice(value, 0, tokens))), uri, after, true));
    }
    let end = value.iter().position(|byte| matches!(byte, b';' | b' ' | b'\t' | b'\r' | b'\n')).unwrap_or(value.len());
    let uri = slice(value, 0, end);
    let legal = uri.iter().all(|byte| crate::chars::is(*byte, URIC) && !matches!(byte, b'?' | b','));
    (legal && uri.contains(&b':')).then_some((None, uri, end, false))
}

/// The Contact fields of a message. RFC 3261 §20.10.
#[derive(Clone, Debug)]
pub enum Contacts<'b> {
    /// The addresses; none when there is no Contact field.
    List(ContactIter<'b>),
    /// The single `*` of a REGISTER that removes all bindings (RFC 3261 §10.2.2).
    Star,
}

/// The addresses of Contact fields in order.
#[derive(Clone, Debug)]
pub struct ContactIter<'b> {
    elements: Elements<'b>,
}

impl<'b> Contacts<'b> {
    pub(crate) fn new(elements: Elements<'b>) -> Result<Self, FieldError> {
        let mut rest = elements.clone();
        match rest.next() {
            Some(element) if element.value == b"*" => match rest.next() {
                None => Ok(Self::Star),
                Some(_) => Err(FieldError::malformed(HeaderId::CONTACT)),
            },
            _ => Ok(Self::List(ContactIter { elements })),
        }
    }
}

impl<'b> Iterator for ContactIter<'b> {
    type Item = Result<NameAddr<'b>, FieldError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.elements.next().map(|element| NameAddr::from_element(&element))
    }
}
