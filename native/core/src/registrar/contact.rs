//! The contacts of a REGISTER and how long each is to live. RFC 3261 §10.3 steps 6 and 7 (first half), §20.10, RFC 5626
//! §6.

use super::gruu::{GruuKey, Named};
use super::{Answer, nat};
use crate::path::Path;
use dialplane_syntax::header::{Params, QValue, delta_seconds};
use dialplane_syntax::uri::write_aor;
use dialplane_syntax::{HeaderId, Message, NameAddr, Uri, Via};
use std::net::IpAddr;
use std::ops::Range;

/// What the Contact fields ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// None: the bindings are only asked for. RFC 3261 §10.2.3.
    Fetch,
    /// `*`: all bindings go. RFC 3261 §10.2.2.
    RemoveAll,
    /// A list.
    Update,
}

/// One contact of the request. Ranges instead of slices, so that the list outlives the message and is used again.
#[derive(Clone, Debug)]
pub(super) struct Requested {
    /// URI, in the message.
    uri: Range<usize>,
    /// Parameters as they are kept, in the text; the instance comes first, then reg-id.
    params: Range<usize>,
    /// Octets of `params` that name instance and reg-id; 0 when the contact is known by its URI.
    flow: usize,
    pub(super) q: Option<QValue>,
    /// Seconds granted; 0 to remove.
    pub(super) expires: u32,
    /// Whether requests go back to the source, see [`super::nat`].
    pub(super) keeps_source: bool,
    /// Whether a binding of this contact has been met (while the record is updated).
    pub(super) met: bool,
}

/// Limits on expiry, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expiry {
    pub(super) default: u32,
    pub(super) min: u32,
    pub(super) max: u32,
}

/// Why an expiry is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooBrief;

impl Expiry {
    /// The interval for a contact with this `expires` parameter, in a request with this Expires field.
    pub(super) fn interval(&self, parameter: Option<u32>, field: Option<u32>) -> Result<u32, TooBrief> {
        let requested = parameter.or(field).unwrap_or(self.default);
        // §10.3 step 7: never 423 for an hour or more, nor for a removal.
        if requested > 0 && requested < self.min && requested < 3600 {
            return Err(TooBrief);
        }
        Ok(requested.min(self.max))
    }
}

/// What is needed to read contacts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'a> {
    pub(super) expiry: Expiry,
    /// The Expires field.
    pub(super) field: Option<u32>,
    /// Whether reg-id counts: the client speaks to us directly or through an edge that keeps its flow. RFC 5626 §6.
    pub(super) flows: bool,
    /// Whether the client says that it knows RFC 5626.
    pub(super) outbound: bool,
    /// The address-of-record.
    pub(super) aor: &'a [u8],
    /// Tells its GRUUs.
    pub(super) gruu: &'a GruuKey,
    /// Top Via and source of a client that speaks to us directly, if NAT is looked at.
    pub(super) direct: Option<(&'a Via<'a>, &'a Path)>,
    /// Most bindings of an address-of-record.
    pub(super) most: usize,
}

/// Why a request cannot be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// This, whoever asks.
    Answer(Answer),
    /// The client has not said that it knows Path.
    PathUnsupported,
    /// See [`TooBrief`].
    TooBrief,
}

impl From<TooBrief> for Refusal {
    fn from(_: TooBrief) -> Self {
        Refusal::TooBrief
    }
}

pub(super) const fn bad_request(reason: &'static str) -> Refusal {
    Refusal::Answer(Answer::bad_request(reason))
}

/// Reads all Contact fields into `contacts`, their parameters into `text`.
pub(super) fn read(
    message: &Message<'_>,
    reading: &Reading<'_>,
    text: &mut Vec<u8>,
    contacts: &mut Vec<Requested>,
) -> Result<Wanted, Refusal> {
    text.clear();
    contacts.clear();
    if !message.contains(HeaderId::CONTACT) {
        return Ok(Wanted::Fetch);
    }
    let (mut flows, mut star) = (false, false);
    for (place, element) in message.elements(HeaderId::CONTACT).enumerate() {
        if star || element.value == b"*" {
            if place > 0 {
                return Err(bad_request("Contact * Not Alone"));
            }
            star = true;
            continue;
        }
        let contact = NameAddr::parse(element.value, element.range().start, HeaderId::CONTACT)
            .map_err(|_| bad_request("Malformed Contact"))?;
        let requested = Requested::read(&contact, reading, text)?;
        flows |= requested.flow > 0 && requested.expires > 0;
        requested.join(message.bytes(), text, contacts);
        if contacts.iter().filter(|contact| contact.expires > 0).count() > reading.most {
            return Err(Refusal::Answer(TOO_MANY));
        }
    }
    if star {
        let removed = reading.field == Some(0);
        return if removed { Ok(Wanted::RemoveAll) } else { Err(bad_request("Contact * Without Expires 0")) };
    }
    if contacts.is_empty() {
        return Err(bad_request("Malformed Contact"));
    }
    // RFC 5626 §6: one flow is registered at a time.
    if flows && contacts.iter().filter(|contact| contact.expires > 0).count() > 1 {
        return Err(bad_request("More Than One Contact With reg-id"));
    }
    Ok(Wanted::Update)
}

impl Requested {
    fn read(contact: &NameAddr<'_>, reading: &Reading<'_>, text: &mut Vec<u8>) -> Result<Self, Refusal> {
        let uri = check_uri(contact)?;
        let mut keeps_source = reading.direct.is_some_and(|(via, source)| nat::keeps_source(&uri, via, source));
        let params = contact.params();
        let known = Known::read(&params)?;
        let expires = reading.expiry.interval(known.expires, reading.field)?;
        if known.instance.is_some() && expires > 0 && leads_back(&uri, reading, text) {
            return Err(Refusal::Answer(LEADS_BACK));
        }
        let start = text.len();
        let mut flow = 0;
        if let Some(instance) = known.instance {
            text.extend_from_slice(b";+sip.instance=");
            push_unfolded(instance, text);
            if let Some(reg_id) = known.reg_id.filter(|_| reading.flows) {
                text.extend_from_slice(b";reg-id=");
                dialplane_syntax::chars::write_decimal(reg_id.into(), text);
                flow = text.len() - start;
                // §6: the flow is what was registered.
                keeps_source |= reading.direct.is_some();
            } else if known.reg_id.is_some() && reading.outbound {
                return Err(Refusal::Answer(NO_OUTBOUND));
            }
        }
        for param in params.iter().filter(|param| !Known::is(param.name)) {
            text.push(b';');
            text.extend_from_slice(param.name);
            if let Some(value) = param.value {
                text.push(b'=');
                push_unfolded(value, text);
            }
        }
        if text.len() - start > MOST_PARAMS {
            return Err(bad_request("Contact Too Long"));
        }
        let params = start..text.len();
        Ok(Self { uri: contact.uri_range(), params, flow, q: known.q, expires, keeps_source, met: false })
    }

    /// Whether it is known by instance and reg-id.
    pub(super) fn is_flow(&self) -> bool {
        self.flow > 0 && self.expires > 0
    }

    pub(super) fn uri<'a>(&self, message: &'a [u8]) -> &'a [u8] {
        &message[self.uri.clone()]
    }

    pub(super) fn params<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.params.clone()]
    }

    /// Whether a binding with this URI and these parameters is the one that this contact means. RFC 3261 §10.3 step 7
    /// by URI (§19.1.4), RFC 5626 §6 by instance and reg-id.
    pub(super) fn is(&self, uri: &[u8], params: &[u8], message: &[u8], text: &[u8]) -> bool {
        if self.flow > 0 {
            let flow = &self.params(text)[..self.flow];
            if params.strip_prefix(flow).is_some_and(|rest| rest.is_empty() || rest[0] == b';') {
                return true;
            }
            if has_flow(params) {
                return false;
            }
        }
        same_uri(self.uri(message), uri)
    }

    /// Adds the contact to those before it. One that comes again replaces the earlier, but a removal never takes back
    /// what the same request adds: clients whose address changed send the new and remove the old one, with the same
    /// instance.
    fn join(self, message: &[u8], text: &[u8], contacts: &mut Vec<Requested>) {
        let removes = self.expires == 0;
        let same = contacts.iter_mut().find(|other| {
            // Removing twice is removing; not comparing those keeps the work linear, since few contacts are added.
            !(removes && other.expires == 0) && other.is(self.uri(message), self.params(text), message, text)
        });
        match same {
            None => contacts.push(self),
            Some(_) if removes => {}
            Some(other) => *other = self,
        }
    }
}

/// The parameters that are not kept as they came.
#[derive(Clone, Copy, Debug, Default)]
struct Known<'a> {
    expires: Option<u32>,
    instance: Option<&'a [u8]>,
    q: Option<QValue>,
    reg_id: Option<u32>,
}

impl<'a> Known<'a> {
    fn read(params: &Params<'a>) -> Result<Self, Refusal> {
        let mut known = Self::default();
        for param in params.iter() {
            let name = param.name;
            if name.eq_ignore_ascii_case(b"expires") {
                // §20.10, §10.2.1.1: malformed values, dates of RFC 2543 among them, count as an hour.
                known.expires.get_or_insert(param.value.and_then(delta_seconds).unwrap_or(3600));
            } else if name.eq_ignore_ascii_case(b"q") {
                let q = param.value.and_then(QValue::parse).ok_or(bad_request("Malformed q"))?;
                known.q.get_or_insert(q);
            } else if name.eq_ignore_ascii_case(b"+sip.instance") {
                known.instance = known.instance.or(param.value);
            } else if name.eq_ignore_ascii_case(b"reg-id") {
                // RFC 5626 §4.2: 1 to 2^31 - 1.
                let reg_id = param.value.and_then(delta_seconds).filter(|number| (1..1 << 31).contains(number));
                known.reg_id.get_or_insert(reg_id.ok_or(bad_request("Malformed reg-id"))?);
            }
        }
        Ok(known)
    }

    fn is(name: &[u8]) -> bool {
        [&b"expires"[..], b"q", b"+sip.instance", b"reg-id", b"pub-gruu", b"temp-gruu"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
    }
}

/// Refuses what can be no contact of anybody.
fn check_uri<'a>(contact: &NameAddr<'a>) -> Result<Uri<'a>, Refusal> {
    if contact.uri.len() > MOST_URI {
        return Err(bad_request("Contact Too Long"));
    }
    let uri = contact.parsed_uri().map_err(|_| bad_request("Malformed Contact"))?;
    let everybody = match uri.as_sip().and_then(|sip| sip.host.address()) {
        None => false,
        Some(IpAddr::V4(v4)) => v4.is_broadcast() || v4.is_multicast(),
        Some(IpAddr::V6(v6)) => v6.is_multicast(),
    };
    if everybody { Err(bad_request("Contact Is Not One Host")) } else { Ok(uri) }
}

/// RFC 5627 §5.1: a contact with an instance that is the address-of-record itself, a GRUU of it, or no SIP URI.
fn leads_back(uri: &Uri<'_>, reading: &Reading<'_>, text: &mut Vec<u8>) -> bool {
    let Uri::Sip(sip) = uri else { return true };
    let end = text.len();
    write_aor(uri, text);
    let is_aor = sip.port.is_none() && text.get(end..) == Some(reading.aor);
    text.truncate(end);
    let gruu = sip.params.find(b"gr").and_then(|gr| Named::read(reading.gruu, sip.user.unwrap_or_default(), gr));
    is_aor || matches!(gruu, Some(Named::Temporary { aor, .. }) if aor == reading.aor)
}

/// RFC 3261 §19.1.4.
pub(super) fn same_uri(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    match (Uri::parse(a), Uri::parse(b)) {
        (Ok(a), Ok(b)) => dialplane_syntax::uri::equal(&a, &b),
        _ => false,
    }
}

/// Whether the parameters, as we keep them, name an instance and a reg-id.
fn has_flow(params: &[u8]) -> bool {
    flow_start(params).is_some()
}

/// Where reg-id stands in parameters, as we keep them, that name an instance before it.
pub(super) fn flow_start(params: &[u8]) -> Option<usize> {
    const INSTANCE: &[u8] = b";+sip.instance=";
    const REG_ID: &[u8] = b";reg-id=";
    let found = params.windows(REG_ID.len()).position(|window| window == REG_ID);
    found.filter(|_| params.starts_with(INSTANCE))
}

/// Appends a value without the line ends that a quoted string may be folded with.
pub(super) fn push_unfolded(value: &[u8], out: &mut Vec<u8>) {
    out.extend(value.iter().map(|&octet| if matches!(octet, b'\r' | b'\n') { b' ' } else { octet }));
}

/// See [`super`].
pub(super) const TOO_MANY: Answer = Answer { status: 403, reason: "Too Many Contacts" };
/// RFC 5627 §5.1.
const LEADS_BACK: Answer = Answer { status: 403, reason: "Contact Is No Contact" };
/// RFC 5626 §6, §11.6.
const NO_OUTBOUND: Answer = Answer { status: 439, reason: "First Hop Lacks Outbound Support" };
/// Octets of a Contact URI. The longest seen in the field, with push parameters (RFC 8599), has some 600.
const MOST_URI: usize = 2048;
/// Octets of its other parameters.
const MOST_PARAMS: usize = 2048;
