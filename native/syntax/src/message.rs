//! The message view: the received octets and their index, two pointers wide. RFC 3261 §7.

use crate::chars::slice;
use crate::error::{FieldError, ParseError};
use crate::field::{Elements, Field, FieldIter, Named, Values};
use crate::header::{CSeq, Contacts, HeaderId, NameAddr, NameAddrs, Via, Vias, call_id};
use crate::index::{Index, NO_COLON};
use crate::method::Method;
use crate::scan::{self, Scanner, Then, task};
use crate::text::Text;
use crate::uri::{ParseUri, Uri, UriError};
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

    /// The Request-URI, parsed; `None` for a response. Faster than [`Uri::parse`] over [`uri`](Self::uri).
    ///
    /// # Errors
    /// Those of [`Uri::parse`].
    #[inline]
    #[must_use]
    pub fn request_uri(&self) -> Option<Result<Uri<'b>, UriError>> {
        let range = self.uri_range()?;
        Some(scan::run(ParseUri { text: Text::before(self.bytes, range.end), start: range.start }))
    }

    /// What `map` makes of [`request_uri`](Self::request_uri), without a copy of the value in between; `None` for a response.
    #[inline]
    #[must_use]
    pub fn map_request_uri<T>(&self, map: impl FnOnce(Result<Uri<'b>, UriError>) -> T) -> Option<T> {
        let range = self.uri_range()?;
        let task = ParseUri { text: Text::before(self.bytes, range.end), start: range.start };
        Some(scan::run(Then { task, map }))
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
        scan::run(TopVia { message: *self })
    }

    /// What `map` makes of [`top_via`](Self::top_via), without a copy of the value in between.
    #[inline]
    pub fn map_top_via<T>(&self, map: impl FnOnce(Result<Via<'b>, FieldError>) -> T) -> T {
        scan::run(Then { task: TopVia { message: *self }, map })
    }

    /// All Vias in order.
    #[must_use]
    pub fn vias(&self) -> Vias<'b> {
        Vias::new(Values::new(*self, HeaderId::VIA))
    }

    /// From. RFC 3261 §20.20.
    ///
    /// # Errors
    /// `Missing`, `Repeated`, or those of [`NameAddr::parse`].
    #[inline]
    pub fn from(&self) -> Result<NameAddr<'b>, FieldError> {
        self.name_addr(HeaderId::FROM)
    }

    /// To. RFC 3261 §20.39.
    ///
    /// # Errors
    /// `Missing`, `Repeated`, or those of [`NameAddr::parse`].
    #[inline]
    pub fn to(&self) -> Result<NameAddr<'b>, FieldError> {
        self.name_addr(HeaderId::TO)
    }

    /// The value of a header that holds one address: From, To, Reply-To, Refer-To, Referred-By and their kin.
    ///
    /// # Errors
    /// `Missing`, `Repeated`, or those of [`NameAddr::parse`].
    #[inline]
    pub fn name_addr(&self, id: HeaderId) -> Result<NameAddr<'b>, FieldError> {
        scan::run(OneAddress { message: *self, id })
    }

    /// What `map` makes of [`name_addr`](Self::name_addr), without a copy of the value in between.
    #[inline]
    pub fn map_name_addr<T>(&self, id: HeaderId, map: impl FnOnce(Result<NameAddr<'b>, FieldError>) -> T) -> T {
        scan::run(Then { task: OneAddress { message: *self, id }, map })
    }

    /// Call-ID. RFC 3261 §20.8.
    ///
    /// # Errors
    /// `Missing`, `Repeated` or `Malformed`.
    #[inline]
    pub fn call_id(&self) -> Result<&'b [u8], FieldError> {
        scan::run(CallId { message: *self })
    }

    /// CSeq. RFC 3261 §20.16.
    ///
    /// # Errors
    /// `Missing`, `Repeated`, or those of [`CSeq::parse`].
    #[inline]
    pub fn cseq(&self) -> Result<CSeq<'b>, FieldError> {
        scan::run(Sequence { message: *self })
    }

    /// Max-Forwards, 255 for anything above (RFC 3261 §20.22; RFC 4475 §3.1.2.4 scalar02); `None` when absent.
    ///
    /// # Errors
    /// `Repeated` or `Malformed`.
    #[inline]
    pub fn max_forwards(&self) -> Result<Option<u8>, FieldError> {
        self.max_forwards_in()
    }

    /// Content-Length; `None` when absent. RFC 3261 §20.14.
    ///
    /// # Errors
    /// `Repeated`, `Malformed`, or `OutOfRange` from 2^32.
    pub fn content_length(&self) -> Result<Option<u32>, FieldError> {
        match self.number(HeaderId::CONTENT_LENGTH)? {
            Some(Text::HUGE) => Err(FieldError::out_of_range(HeaderId::CONTENT_LENGTH)),
            number => Ok(number.map(|number| number as u32)),
        }
    }

    /// Expires in seconds, 2^32-1 for anything above; `None` when absent. RFC 3261 §20.19.
    ///
    /// # Errors
    /// `Repeated` or `Malformed`.
    pub fn expires(&self) -> Result<Option<u32>, FieldError> {
        self.seconds(HeaderId::EXPIRES)
    }

    /// A header that begins with `delta-seconds`, such as Min-Expires or Session-Expires, 2^32-1 for anything above; `None` when absent.
    /// Parameters behind it are not looked at.
    ///
    /// # Errors
    /// `Repeated` or `Malformed`.
    #[inline]
    pub fn seconds(&self, id: HeaderId) -> Result<Option<u32>, FieldError> {
        Ok(self.number(id)?.map(|number| u32::try_from(number).unwrap_or(u32::MAX)))
    }

    /// Contact.
    ///
    /// # Errors
    /// `Malformed` when `*` is not alone (RFC 3261 §10.2.2); faults of single addresses come from the iterator.
    pub fn contacts(&self) -> Result<Contacts<'b>, FieldError> {
        Contacts::new(Values::new(*self, HeaderId::CONTACT))
    }

    /// Route, top first. RFC 3261 §20.34.
    #[must_use]
    pub fn routes(&self) -> NameAddrs<'b> {
        self.name_addrs(HeaderId::ROUTE)
    }

    /// Record-Route, top first. RFC 3261 §20.30.
    #[must_use]
    pub fn record_routes(&self) -> NameAddrs<'b> {
        self.name_addrs(HeaderId::RECORD_ROUTE)
    }

    /// The addresses of a list header: Route, Path, P-Asserted-Identity and their kin.
    #[must_use]
    pub fn name_addrs(&self, id: HeaderId) -> NameAddrs<'b> {
        NameAddrs::new(Values::new(*self, id))
    }

    /// The number of the first field of that name behind the field with the number `after`, for [`field_at`](Self::field_at);
    /// `None` when there is none. With 0 it looks from the first field on.
    #[inline]
    #[must_use]
    pub fn number_of(&self, id: HeaderId, after: usize) -> Option<usize> {
        let number = if after == 0 { self.index.first_line(id) } else { self.index.next_line(id, after) };
        (number != 0).then_some(number)
    }

    /// The only field of that name.
    ///
    /// # Errors
    /// `Missing` or `Repeated`.
    pub fn single(&self, id: HeaderId) -> Result<Field<'b>, FieldError> {
        let line = self.single_line(id)?;
        self.field_at(line).ok_or(FieldError::missing(id))
    }

    /// `1*DIGIT` at the start of the only field of that name.
    #[inline(always)]
    fn number(&self, id: HeaderId) -> Result<Option<u64>, FieldError> {
        if !self.contains(id) {
            return Ok(None);
        }
        let (text, start) = self.single_value(id)?;
        let (number, end) = text.number(start);
        let after = text.skip_lws(end);
        let ends = after == text.end() || matches!(text.octet(after), b';' | b'(') && Self::has_params(id);
        if end == start || !ends { Err(FieldError::malformed(id)) } else { Ok(Some(number)) }
    }

    /// Numbers that parameters or a comment may follow: RFC 3261 §20.33, RFC 4028 §4, §5.
    const fn has_params(id: HeaderId) -> bool {
        matches!(id, HeaderId::RETRY_AFTER | HeaderId::SESSION_EXPIRES | HeaderId::MIN_SE)
    }

    #[inline(always)]
    pub(crate) fn top_via_in<S: Scanner>(&self) -> Result<Via<'b>, FieldError> {
        let line = self.index.first_line(HeaderId::VIA);
        let (text, start) = self.value_of(line).ok_or(FieldError::missing(HeaderId::VIA))?;
        Ok(Via::parse_in::<S>(text, start)?.0)
    }

    #[inline(always)]
    pub(crate) fn name_addr_in<S: Scanner>(&self, id: HeaderId) -> Result<NameAddr<'b>, FieldError> {
        let (text, start) = self.single_value(id)?;
        match NameAddr::parse_in::<S>(text, start, id)? {
            (address, end) if end == text.end() => Ok(address),
            _ => Err(FieldError::malformed(id)),
        }
    }

    #[inline(always)]
    pub(crate) fn call_id_in<S: Scanner>(&self) -> Result<&'b [u8], FieldError> {
        let (text, start) = self.single_value(HeaderId::CALL_ID)?;
        call_id::<S>(text, start)
    }

    #[inline(always)]
    pub(crate) fn cseq_in<S: Scanner>(&self) -> Result<CSeq<'b>, FieldError> {
        let (text, start) = self.single_value(HeaderId::CSEQ)?;
        CSeq::parse_in::<S>(text, start)
    }

    #[inline(always)]
    pub(crate) fn max_forwards_in(&self) -> Result<Option<u8>, FieldError> {
        Ok(self.number(HeaderId::MAX_FORWARDS)?.map(|number| u8::try_from(number).unwrap_or(u8::MAX)))
    }

    /// Octets of all fields of that name together.
    #[inline(always)]
    pub(crate) fn octets_of(&self, id: HeaderId) -> usize {
        let mut octets = 0;
        let mut number = self.index.first_line(id);
        while let (Some((line, next)), true) = (self.index.line(number), number != 0) {
            octets += next - line.start as usize;
            number = self.index.next_line(id, number);
        }
        octets
    }

    #[inline(always)]
    fn single_line(&self, id: HeaderId) -> Result<usize, FieldError> {
        if self.index.is_repeated(id) {
            return Err(FieldError::repeated(id));
        }
        match self.index.first_line(id) {
            0 => Err(FieldError::missing(id)),
            line => Ok(line),
        }
    }

    #[inline(always)]
    fn single_value(&self, id: HeaderId) -> Result<(Text<'b>, usize), FieldError> {
        let line = self.single_line(id)?;
        self.value_of(line).ok_or(FieldError::missing(id))
    }

    /// The message up to the end of the value of a line, white space taken off, and where the value begins; `None` for 0, the start line.
    #[inline(always)]
    pub(crate) fn value_of(&self, number: usize) -> Option<(Text<'b>, usize)> {
        if number == 0 || number >= self.index.count {
            return None;
        }
        let (line, next) = self.index.line(number)?;
        let name = if line.colon == NO_COLON { 0 } else { usize::from(line.colon) + 1 };
        let mut end = next.saturating_sub(2);
        if crate::chars::octet(self.bytes, end.wrapping_sub(1)) <= b' ' {
            end = crate::chars::trim_end(slice(self.bytes, 0, end)).len();
        }
        let text = Text::before(self.bytes, end);
        let start = text.skip_lws(line.start as usize + name).min(end);
        Some((text, start))
    }

    #[inline(always)]
    pub(crate) const fn index(&self) -> &'b Index {
        self.index
    }

    /// The field of that number, counted from 1; `None` for 0 and behind the last.
    #[inline(always)]
    #[must_use]
    pub fn field_at(&self, number: usize) -> Option<Field<'b>> {
        if number == 0 || number >= self.index.count {
            return None;
        }
        let (line, next) = self.index.line(number)?;
        Some(Field::new(self.bytes, line, next))
    }
}

task!(pub(crate) TopVia<'b> { message: Message<'b> } -> Result<Via<'b>, FieldError>, message.top_via_in::<S>());
task!(pub(crate) OneAddress<'b> { message: Message<'b>, id: HeaderId } -> Result<NameAddr<'b>, FieldError>, message.name_addr_in::<S>(id));
task!(pub(crate) CallId<'b> { message: Message<'b> } -> Result<&'b [u8], FieldError>, message.call_id_in::<S>());
task!(pub(crate) Sequence<'b> { message: Message<'b> } -> Result<CSeq<'b>, FieldError>, message.cseq_in::<S>());
