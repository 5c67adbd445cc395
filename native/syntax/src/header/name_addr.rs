//! `name-addr` and `addr-spec` with their parameters: From, To, Contact, Route, Record-Route and their kin. RFC 3261 §20.10,
//! §20.20, §20.30, §20.34, §20.39.

use super::HeaderId;
use super::params::{Params, header_param, plain_param, word_of};
use crate::chars::{DISPLAY, URIC, offset_in, trim_end};
use crate::error::FieldError;
use crate::field::Values;
use crate::scan::{self, Scanner, Then, task};
use crate::text::Text;
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
        let address = scan::run(Parse { value, header })?;
        Ok(Self { offset, ..address })
    }

    /// What `map` makes of [`NameAddr::parse`] with offset 0, without a copy of the value in between.
    pub fn map<T>(value: &'b [u8], header: HeaderId, map: impl FnOnce(Result<Self, FieldError>) -> T) -> T {
        scan::run(Then { task: Parse { value, header }, map })
    }

    /// The element that begins at `start`, and where the comma or the end behind it is. Its offset counts from the first octet of the text.
    #[inline(always)]
    pub(crate) fn parse_in<S: Scanner>(
        text: Text<'b>,
        start: usize,
        header: HeaderId,
    ) -> Result<(Self, usize), FieldError> {
        let malformed = FieldError::malformed(header);
        let (display, uri, uri_end, bracketed) = match text.octet(start) {
            b'<' => bracketed_uri::<S>(text, start).map(|(uri, end)| (None, uri, end, true)),
            b'"' => text.quoted_end::<S>(start).and_then(|quoted| {
                let (uri, end) = bracketed_uri::<S>(text, text.skip_lws(quoted))?;
                Some((Some(text.slice(start, quoted)), uri, end, true))
            }),
            _ => token_or_bare::<S>(text, start),
        }
        .ok_or(malformed)?;

        let mut end = uri_end;
        let mut at = text.skip_lws(uri_end);
        let params_start = at;
        let mut tag = None;
        while text.octet(at) == b';' {
            let is_tag = |name| name == word_of("tag");
            let param = match plain_param::<S>(text, at, is_tag) {
                Some(param) => param,
                None => header_param::<S>(text, at).ok_or(malformed)?,
            };
            if is_tag(param.name) && tag.is_none() {
                tag = Some(param.value.ok_or(malformed)?);
            }
            end = param.end;
            at = text.skip_lws(param.end);
        }
        if at != text.end() && text.octet(at) != b',' {
            return Err(malformed);
        }
        let params = Params::checked(text.slice(params_start, end));
        let whole = text.slice(start, end);
        Ok((Self { display, uri, params, tag, whole, offset: start, bracketed }, at))
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
fn bracketed_uri<'b, S: Scanner>(text: Text<'b>, at: usize) -> Option<(&'b [u8], usize)> {
    if text.octet(at) != b'<' {
        return None;
    }
    let end = text.span::<S>(at + 1, &URIC);
    if text.octet(end) != b'>' || end == at + 1 {
        return None;
    }
    Some((text.slice(at + 1, end), end + 1))
}

/// `*(token LWS) LAQUOT …` or a bare `addr-spec`, which ends at the first `;` and holds no `?`; its first `,` begins the next
/// element (RFC 3261 §20: a URI with any of them has to be in angle brackets).
#[inline(always)]
fn token_or_bare<'b, S: Scanner>(text: Text<'b>, start: usize) -> Option<Address<'b>> {
    let tokens = text.span::<S>(start, &DISPLAY);
    if text.octet(tokens) == b'<' {
        let (uri, end) = bracketed_uri::<S>(text, tokens)?;
        return Some((Some(trim_end(text.slice(start, tokens))), uri, end, true));
    }
    let uri = text.slice(start, text.span::<S>(start, &URIC));
    let length = uri.iter().position(|byte| matches!(byte, b';' | b',')).unwrap_or(uri.len());
    let uri = uri.get(..length)?;
    (uri.contains(&b':') && !uri.contains(&b'?')).then_some((None, uri, start + length, false))
}

task!(Parse<'b> { value: &'b [u8], header: HeaderId } -> Result<NameAddr<'b>, FieldError>, {
    match NameAddr::parse_in::<S>(Text::whole(value), 0, header)? {
        (address, end) if end == value.len() => Ok(address),
        _ => Err(FieldError::malformed(header)),
    }
});

/// The Contact fields of a message. RFC 3261 §20.10.
#[derive(Clone, Debug)]
pub enum Contacts<'b> {
    /// The addresses; none when there is no Contact field.
    List(NameAddrs<'b>),
    /// The single `*` of a REGISTER that removes all bindings (RFC 3261 §10.2.2).
    Star,
}

/// The addresses of a list header in order. One that cannot be read is an error, and the next one follows.
#[derive(Clone, Debug)]
pub struct NameAddrs<'b> {
    values: Values<'b>,
}

impl<'b> NameAddrs<'b> {
    pub(crate) const fn new(values: Values<'b>) -> Self {
        Self { values }
    }
}

impl<'b> Contacts<'b> {
    pub(crate) fn new(values: Values<'b>) -> Result<Self, FieldError> {
        let mut elements = values.elements();
        match elements.next() {
            Some(element) if element.value == b"*" => match elements.next() {
                None => Ok(Self::Star),
                Some(_) => Err(FieldError::malformed(HeaderId::CONTACT)),
            },
            _ => Ok(Self::List(NameAddrs { values })),
        }
    }
}

impl<'b> Iterator for NameAddrs<'b> {
    type Item = Result<NameAddr<'b>, FieldError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        scan::run(Next { values: &mut self.values })
    }
}

task!(Next<'a, 'b> { values: &'a mut Values<'b> } -> Option<Result<NameAddr<'b>, FieldError>>, {
    let header = values.id();
    values.next_with::<S, _>(|text, start| NameAddr::parse_in::<S>(text, start, header))
});
