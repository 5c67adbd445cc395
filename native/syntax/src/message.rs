//! The message view: the received octets and their index, two pointers wide. RFC 3261 §7.

use crate::chars::slice;
use crate::error::{FieldError, ParseError};
use crate::field::{Elements, Field, FieldIter, Named};
use crate::header::{CSeq, Contacts, HeaderId, NameAddr, Via, call_id, delta_seconds};
use crate::index::Index;
use crate::method::Method;
use core::ops::Range;

/// A parsed message. Copies freely; typed values are parsed when asked for.
#[derive(Clone, Copy, Debug)]
pub struct Message<'b> {
    bytes: &'b [u8],
    index: &'b Index,
}

/// The start line. RFC 3261 §7.1, §7.2.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StartLine<'b> {
    /// `Method SP Request-URI SP SIP-Version`.
    Request {
        /// The method.
        method: Method,
        /// The method as received.
        method_name: &'b [u8],
        /// The Request-URI as received.
        uri: &'b [u8],
    },
    /// `SIP-Version SP Status-Code SP Reason-Phrase`.
    Response {
        /// The status code, 0 when it was no legal one.
        status: u16,
        /// The reason phrase as received.
        reason: &'b [u8],
    },
}

impl<'b> Message<'b> {
    #[inline(always)]
    pub(crate) const fn new(bytes: &'b [u8], index: &'b Index) -> Self {
        Self { bytes, index }
    }

    /// The octets of the message, from its start line to the end of its body. All offsets count from its first octet.
    #[must_use]
    pub const fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// What is wrong with the framing although the fields are readable; [`validate`](crate::validate()) says what to answer.
    #[must_use]
    pub const fn fault(&self) -> Option<ParseError> {
        self.index.fault
    }

    /// The start line.
    #[must_use]
    pub fn start_line(&self) -> StartLine<'b> {
        let start = &self.index.start;
        let text = slice(self.bytes, start.text_start as usize, start.text_end as usize);
        if start.is_request {
            let method_name = slice(self.bytes, 0, start.method_end as usize);
            StartLine::Request { method: start.method, method_name, uri: text }
        } else {
            StartLine::Response { status: start.status, reason: text }
        }
    }

    /// Whether it is a request.
    #[must_use]
    pub const fn is_request(&self) -> bool {
        self.index.start.is_request
    }

    /// The method of a request.
    #[must_use]
    pub const fn method(&self) -> Option<Method> {
        if self.index.start.is_request { Some(self.index.start.method) } else { None }
    }

    /// The method of a request as received.
    #[must_use]
    pub fn method_name(&self) -> Option<&'b [u8]> {
        let start = &self.index.start;
        start.is_request.then(|| slice(self.bytes, 0, start.method_end as usize))
    }

    /// The Request-URI as received.
    #[must_use]
    pub fn uri(&self) -> Option<&'b [u8]> {
        self.uri_range().map(|range| slice(self.bytes, range.start, range.end))
    }

    /// The status code of a response.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        if self.index.start.is_request { None } else { Some(self.index.start.status) }
    }

    /// Where the start line lies, without its CRLF.
    #[must_use]
    pub const fn start_line_range(&self) -> Range<usize> {
        0..self.index.start.end as usize
    }

    /// Where the Request-URI lies.
    #[must_use]
    pub fn uri_range(&self) -> Option<Range<usize>> {
        let start = &self.index.start;
        start.is_request.then_some(start.text_start as usize..start.text_end as usize)
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &'b [u8] {
        slice(self.bytes, self.index.body, self.index.end)
    }

    /// Where the body begins, behind the empty line.
    #[must_use]
    pub const fn body_offset(&self) -> usize {
        self.index.body
    }

    /// Where the empty line begins: a field inserted here is the last one.
    #[must_use]
    pub const fn fields_end(&self) -> usize {
        self.index.body.saturating_sub(2)
    }

    /// Where the first field begins: a field inserted here is the first one.
    #[must_use]
    pub const fn fields_start(&self) -> usize {
        self.index.start.end as usize + 2
    }

    /// All fields in order.
    #[must_use]
    pub const fn fields(&self) -> FieldIter<'b> {
        FieldIter { message: *self, number: 1 }
    }

    /// Number of fields.
    #[must_use]
    pub const fn field_count(&self) -> usize {
        self.index.count.saturating_sub(1)
    }

    /// Whether there is a field of that name.
    #[must_use]
    pub fn contains(&self, id: HeaderId) -> bool {
        self.index.first_line(id) != 0
    }

    /// The first field of that name.
    #[inline]
    #[must_use]
    pub fn first(&self, id: HeaderId) -> Option<Field<'b>> {
        self.field_at(self.index.first_line(id))
    }

    /// The last field of that name.
    #[must_use]
    pub fn last(&self, id: HeaderId) -> Option<Field<'b>> {
        self.all(id).last()
    }

    /// The fields of that name in order; with [`HeaderId::OTHER`] all that are not in the table.
    #[must_use]
    pub fn all(&self, id: HeaderId) -> Named<'b> {
        Named { message: *self, id, number: self.index.first_line(id) }
    }

    /// The fields of any name, in any case; for names of the table the compact form means the same.
    pub fn by_name<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = Field<'b>> + use<'b, 'n> {
        let id = HeaderId::from_name(name);
        self.all(id).filter(move |field| id != HeaderId::OTHER || field.name.eq_ignore_ascii_case(name))
    }

    /// The comma-separated elements over all fields of that name; quotes and angle brackets are respected.
    #[must_use]
    pub fn elements(&self, id: HeaderId) -> Elements<'b> {
        Elements { fields: self.all(id), current: None }
    }

    /// The top Via.
    ///
    /// # Errors
    /// `Missing`, or those of [`Via::parse`].
    #[inline]
    pub fn top_via(&self) -> Result<Via<'b>, FieldError> {
        let field = self.first(HeaderId::VIA).ok_or(FieldError::missing(HeaderId::VIA))?;
        let element = field.elements().next().ok_or(FieldError::malformed(HeaderId::VIA))?;
        Via::parse(element.value, element.range().start)
    }

    /// All Vias in order.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via<'b>, FieldError>> + Clone + use<'b> {
        self.elements(HeaderId::VIA).map(|element| Via::parse(element.value, element.range().start))
    }

    /// From. RFC 3261 §20.20.
    ///
    /// # Errors
    /// `Missing`, `Repeated`, or those of [`NameAddr::parse`].
    pub fn from(&self) -> Result<NameAddr<'b>, FieldError> {
        self.name_addr(HeaderId::FROM)
    }

    /// To. RFC 3261 §20.39.
    ///
    /// # Errors
    /// `Missing`, `Repeated`, or those of [`NameAddr::parse`].
    pub fn to(&self) -> Result<NameAddr<'b>, FieldError> {
        self.name_addr(HeaderId::TO)
    }

    /// The value of a header that holds one address: From, To, Reply-To, Refer-To, Referred-By and their kin.
    ///
    /// # Errors
    /// `Missing`, `Repeated`, or those of [`NameAddr::parse`].
    #[inline]
    pub fn name_addr(&self, id: HeaderId) -> Result<NameAddr<'b>, FieldError> {
        let field = self.single(id)?;
        NameAddr::parse(field.value, field.value_range().start, id)
    }

    /// Call-ID. RFC 3261 §20.8.
    ///
    /// # Errors
    /// `Missing`, `Repeated` or `Malformed`.
    pub fn call_id(&self) -> Result<&'b [u8], FieldError> {
        call_id(self.single(HeaderId::CALL_ID)?.value)
    }

    /// CSeq. RFC 3261 §20.16.
    ///
    /// # Errors
    /// `Missing`, `Repeated`, or those of [`CSeq::parse`].
    pub fn cseq(&self) -> Result<CSeq<'b>, FieldError> {
        CSeq::parse(self.single(HeaderId::CSEQ)?.value)
    }

    /// Max-Forwards, 255 for anything above (RFC 3261 §20.22; RFC 4475 §3.1.2.4 scalar02); `None` when absent.
    ///
    /// # Errors
    /// `Repeated` or `Malformed`.
    pub fn max_forwards(&self) -> Result<Option<u8>, FieldError> {
        Ok(self.seconds(HeaderId::MAX_FORWARDS)?.map(|number| u8::try_from(number).unwrap_or(u8::MAX)))
    }

    /// Content-Length; `None` when absent. RFC 3261 §20.14.
    ///
    /// # Errors
    /// `Repeated`, `Malformed`, or `OutOfRange` from 2^32.
    pub fn content_length(&self) -> Result<Option<u32>, FieldError> {
        if !self.contains(HeaderId::CONTENT_LENGTH) {
            return Ok(None);
        }
        let value = self.single(HeaderId::CONTENT_LENGTH)?.value;
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(FieldError::malformed(HeaderId::CONTENT_LENGTH));
        }
        crate::chars::decimal(value).map(Some).ok_or(FieldError::out_of_range(HeaderId::CONTENT_LENGTH))
    }

    /// Expires in seconds, 2^32-1 for anything above; `None` when absent. RFC 3261 §20.19.
    ///
    /// # Errors
    /// `Repeated` or `Malformed`.
    pub fn expires(&self) -> Result<Option<u32>, FieldError> {
        self.seconds(HeaderId::EXPIRES)
    }

    /// A header that holds one `delta-seconds`, such as Min-Expires; `None` when absent.
    ///
    /// # Errors
    /// `Repeated` or `Malformed`.
    pub fn seconds(&self, id: HeaderId) -> Result<Option<u32>, FieldError> {
        if !self.contains(id) {
            return Ok(None);
        }
        delta_seconds(self.single(id)?.value).map(Some).ok_or(FieldError::malformed(id))
    }

    /// Contact.
    ///
    /// # Errors
    /// `Malformed` when `*` is not alone (RFC 3261 §10.2.2); faults of single addresses come from the iterator.
    pub fn contacts(&self) -> Result<Contacts<'b>, FieldError> {
        Contacts::new(self.elements(HeaderId::CONTACT))
    }

    /// Route, top first. RFC 3261 §20.34.
    pub fn routes(&self) -> impl Iterator<Item = Result<NameAddr<'b>, FieldError>> + Clone + use<'b> {
        self.name_addrs(HeaderId::ROUTE)
    }

    /// Record-Route, top first. RFC 3261 §20.30.
    pub fn record_routes(&self) -> impl Iterator<Item = Result<NameAddr<'b>, FieldError>> + Clone + use<'b> {
        self.name_addrs(HeaderId::RECORD_ROUTE)
    }

    /// The addresses of a list header: Route, Path, P-Asserted-Identity and their kin.
    pub fn name_addrs(&self, id: HeaderId) -> impl Iterator<Item = Result<NameAddr<'b>, FieldError>> + Clone + use<'b> {
        self.elements(id).map(|element| NameAddr::from_element(&element))
    }

    /// The only field of that name.
    ///
    /// # Errors
    /// `Missing` or `Repeated`.
    #[inline(always)]
    pub fn single(&self, id: HeaderId) -> Result<Field<'b>, FieldError> {
        if self.index.is_repeated(id) {
            return Err(FieldError::repeated(id));
        }
        self.first(id).ok_or(FieldError::missing(id))
    }

    #[inline(always)]
    pub(crate) const fn index(&self) -> &'b Index {
        self.index
    }

    /// The field of a line; `None` for 0, the start line.
    #[inline(always)]
    pub(crate) fn field_at(&self, number: usize) -> Option<Field<'b>> {
        if number == 0 || number >= self.index.count {
            return None;
        }
        let (line, next) = self.index.line(number)?;
        Some(Field::new(self.bytes, line, next))
    }
}
