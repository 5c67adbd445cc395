//! Typed values: URIs, Via, addresses, Call-ID, CSeq, Max-Forwards and numbers. RFC 3261 §19.1, §20; RFC 3966.

use crate::handle::Message;
use crate::types::{Method, Slice, Status};
use crate::{guard, take};
use dialplane_syntax::{
    CSeq as SequenceView, Essentials as Checked, HeaderId, Host as HostView, NameAddr, Uri as UriView, Via as ViaView,
};

/// What a host is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HostKind {
    /// There is none.
    Absent = 0,
    /// A name: `name` holds it as received.
    Name = 1,
    /// An IPv4 address: the first 4 octets of `address`.
    V4 = 4,
    /// An IPv6 address: all 16 octets of `address`.
    V6 = 6,
}

/// A host.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// What it is.
    pub kind: HostKind,
    /// The address in network order.
    pub address: [u8; 16],
    /// The name; absent for an address.
    pub name: Slice,
}

/// What a URI is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// Any other scheme; only `scheme_name` and `rest` are there.
    Other = 0,
    /// `sip:`.
    Sip = 1,
    /// `sips:`.
    Sips = 2,
    /// `tel:`; only `user`, which is the number as received, and `params` are there.
    Tel = 3,
}

/// A URI. Escapes are left as they are.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Uri {
    /// What it is.
    pub scheme: Scheme,
    /// The port, -1 when there is none.
    pub port: i32,
    /// The scheme of another URI as received.
    pub scheme_name: Slice,
    /// What follows the colon of another URI.
    pub rest: Slice,
    /// The user, or the number of `tel:`.
    pub user: Slice,
    /// The password.
    pub password: Slice,
    /// The host.
    pub host: Host,
    /// The parameters from the first `;`, for `dp_param`; empty when there are none.
    pub params: Slice,
    /// The headers part without its `?`; empty when there is none.
    pub headers: Slice,
}

/// A Via value.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS` or another token; compare without case.
    pub transport: Slice,
    /// Host of sent-by.
    pub host: Host,
    /// Port of sent-by, -1 when there is none.
    pub port: i32,
    /// rport: -1 when there is none, 0 when it has no value, else the port.
    pub rport: i32,
    /// ttl, -1 when there is none.
    pub ttl: i32,
    /// The branch parameter.
    pub branch: Slice,
    /// The received parameter.
    pub received: Slice,
    /// The maddr parameter.
    pub maddr: Slice,
    /// Host and port as received.
    pub sent_by: Slice,
    /// All parameters from the first `;`, for `dp_param`.
    pub params: Slice,
}

/// An address: From, To, Contact, Route and their kin.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// The display name as received, a quoted one with its quotes.
    pub display: Slice,
    /// The URI as received, without angle brackets; `dp_uri_parse` reads it.
    pub uri: Slice,
    /// The tag parameter.
    pub tag: Slice,
    /// The parameters of the field from the first `;`, for `dp_param`.
    pub params: Slice,
    /// Whether the URI stands in angle brackets.
    pub bracketed: bool,
}

/// A CSeq value.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CSeq {
    /// The sequence number.
    pub number: u32,
    /// The method.
    pub method: Method,
    /// The method as received.
    pub method_name: Slice,
}

/// What every server reads of a message, see `dp_check`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Essentials {
    /// The Request-URI; only for a request.
    pub uri: Uri,
    /// The top Via.
    pub via: Via,
    /// From.
    pub from: Address,
    /// To.
    pub to: Address,
    /// Call-ID.
    pub call_id: Slice,
    /// CSeq.
    pub cseq: CSeq,
    /// Max-Forwards, 255 for anything above; -1 when there is none.
    pub max_forwards: i32,
}

impl Essentials {
    #[inline(always)]
    pub(crate) fn write(&mut self, checked: &Checked<'_>) {
        self.uri = checked.uri.as_ref().map_or(Uri::ABSENT, Uri::new);
        self.via = Via::new(&checked.via);
        self.from = Address::new(&checked.from);
        self.to = Address::new(&checked.to);
        self.call_id = Slice::new(checked.call_id);
        self.cseq = CSeq::new(&checked.cseq);
        self.max_forwards = checked.max_forwards.map_or(-1, i32::from);
    }
}

impl Host {
    const ABSENT: Self = Self { kind: HostKind::Absent, address: [0; 16], name: Slice::ABSENT };

    #[inline(always)]
    fn new(host: &HostView<'_>) -> Self {
        match host {
            HostView::Name(name) => Self { kind: HostKind::Name, name: Slice::new(name), ..Self::ABSENT },
            HostView::V4(address) => {
                let mut octets = [0; 16];
                if let Some(first) = octets.first_chunk_mut() {
                    *first = address.octets();
                }
                Self { kind: HostKind::V4, address: octets, ..Self::ABSENT }
            }
            HostView::V6(address) => Self { kind: HostKind::V6, address: address.octets(), ..Self::ABSENT },
        }
    }
}

impl Uri {
    const ABSENT: Self = Self {
        scheme: Scheme::Other,
        port: -1,
        scheme_name: Slice::ABSENT,
        rest: Slice::ABSENT,
        user: Slice::ABSENT,
        password: Slice::ABSENT,
        host: Host::ABSENT,
        params: Slice::ABSENT,
        headers: Slice::ABSENT,
    };

    #[inline(always)]
    fn new(uri: &UriView<'_>) -> Self {
        match uri {
            UriView::Sip(uri) => Self {
                scheme: if uri.secure { Scheme::Sips } else { Scheme::Sip },
                port: uri.port.map_or(-1, i32::from),
                scheme_name: Slice::ABSENT,
                rest: Slice::ABSENT,
                user: Slice::optional(uri.user),
                password: Slice::optional(uri.password),
                host: Host::new(&uri.host),
                params: Slice::new(uri.params.raw()),
                headers: Slice::new(uri.headers),
            },
            UriView::Tel(uri) => Self {
                scheme: Scheme::Tel,
                user: Slice::new(uri.number),
                params: Slice::new(uri.params.raw()),
                ..Self::ABSENT
            },
            UriView::Other { scheme, rest } => {
                Self { scheme_name: Slice::new(scheme), rest: Slice::new(rest), ..Self::ABSENT }
            }
        }
    }
}

impl Via {
    #[inline(always)]
    fn new(via: &ViaView<'_>) -> Self {
        Self {
            transport: Slice::new(via.transport),
            host: Host::new(&via.host),
            port: via.port.map_or(-1, i32::from),
            rport: via.rport.map_or(-1, |port| port.map_or(0, i32::from)),
            ttl: via.ttl.map_or(-1, i32::from),
            branch: Slice::optional(via.branch),
            received: Slice::optional(via.received),
            maddr: Slice::optional(via.maddr),
            sent_by: Slice::new(via.sent_by()),
            params: Slice::new(via.params().raw()),
        }
    }
}

impl Address {
    #[inline(always)]
    fn new(address: &NameAddr<'_>) -> Self {
        Self {
            display: Slice::optional(address.display),
            uri: Slice::new(address.uri),
            tag: Slice::optional(address.tag()),
            params: Slice::new(address.params().raw()),
            bracketed: address.is_bracketed(),
        }
    }
}

impl CSeq {
    #[inline(always)]
    fn new(cseq: &SequenceView<'_>) -> Self {
        Self { number: cseq.number, method: cseq.method.into(), method_name: Slice::new(cseq.method_name) }
    }
}

/// Writes what was read, or says why it was not.
#[inline(always)]
fn give<T, E: Into<Status>>(result: Result<T, E>, write: impl FnOnce(T)) -> Status {
    match result {
        Ok(value) => {
            write(value);
            Status::Ok
        }
        Err(error) => error.into(),
    }
}

/// The Request-URI, parsed. `DP_STATUS_MISSING` for a response.
///
/// # Safety
/// `message` comes from `dp_message_new`, and the octets that it parsed are still there; `uri` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_request_uri(message: *const Message, uri: *mut Uri) -> Status {
    // SAFETY: see above.
    let (view, out) = unsafe { (take!(take!(message.as_ref()).view()), take!(uri.as_mut())) };
    guard(|| view.map_request_uri(|uri| give(uri, |uri| *out = Uri::new(&uri))).unwrap_or(Status::Missing))
}

/// A URI without white space at its ends and without angle brackets.
///
/// # Safety
/// `text` holds octets that are still there; `uri` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_uri_parse(text: Slice, uri: *mut Uri) -> Status {
    // SAFETY: see above.
    let (text, out) = unsafe { (take!(text.bytes()), take!(uri.as_mut())) };
    guard(|| UriView::map(text, |uri| give(uri, |uri| *out = Uri::new(&uri))))
}

/// Whether two URIs are equivalent as RFC 3261 §19.1.4 and RFC 3966 §5 define it; false when one cannot be read.
///
/// # Safety
/// Both hold octets that are still there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_uri_equal(a: Slice, b: Slice) -> bool {
    // SAFETY: see above.
    let (Some(a), Some(b)) = (unsafe { a.bytes() }, unsafe { b.bytes() }) else { return false };
    let same = || match (UriView::parse(a), UriView::parse(b)) {
        (Ok(a), Ok(b)) if dialplane_syntax::uri::equal(&a, &b) => Status::Ok,
        _ => Status::Malformed,
    };
    guard(same) == Status::Ok
}

/// The top Via.
///
/// # Safety
/// As `dp_request_uri`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_top_via(message: *const Message, via: *mut Via) -> Status {
    // SAFETY: see above.
    let (view, out) = unsafe { (take!(take!(message.as_ref()).view()), take!(via.as_mut())) };
    guard(|| view.map_top_via(|via| give(via, |via| *out = Via::new(&via))))
}

/// One element of a Via field.
///
/// # Safety
/// As `dp_uri_parse`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_via_parse(text: Slice, via: *mut Via) -> Status {
    // SAFETY: see above.
    let (text, out) = unsafe { (take!(text.bytes()), take!(via.as_mut())) };
    guard(|| give(ViaView::parse(text, 0), |via| *out = Via::new(&via)))
}

/// From.
///
/// # Safety
/// As `dp_request_uri`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_from(message: *const Message, address: *mut Address) -> Status {
    // SAFETY: see above.
    let (view, out) = unsafe { (take!(take!(message.as_ref()).view()), take!(address.as_mut())) };
    guard(|| view.map_name_addr(HeaderId::FROM, |from| give(from, |from| *out = Address::new(&from))))
}

/// To.
///
/// # Safety
/// As `dp_request_uri`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_to(message: *const Message, address: *mut Address) -> Status {
    // SAFETY: see above.
    let (view, out) = unsafe { (take!(take!(message.as_ref()).view()), take!(address.as_mut())) };
    guard(|| view.map_name_addr(HeaderId::TO, |to| give(to, |to| *out = Address::new(&to))))
}

/// One address: the value of a field that holds one, or an element of a list.
///
/// # Safety
/// As `dp_uri_parse`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_address_parse(text: Slice, address: *mut Address) -> Status {
    // SAFETY: see above.
    let (text, out) = unsafe { (take!(text.bytes()), take!(address.as_mut())) };
    guard(|| NameAddr::map(text, HeaderId::OTHER, |address| give(address, |address| *out = Address::new(&address))))
}

/// Call-ID.
///
/// # Safety
/// As `dp_request_uri`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_call_id(message: *const Message, call_id: *mut Slice) -> Status {
    // SAFETY: see above.
    let (view, out) = unsafe { (take!(take!(message.as_ref()).view()), take!(call_id.as_mut())) };
    guard(|| give(view.call_id(), |call_id| *out = Slice::new(call_id)))
}

/// CSeq.
///
/// # Safety
/// As `dp_request_uri`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_cseq(message: *const Message, cseq: *mut CSeq) -> Status {
    // SAFETY: see above.
    let (view, out) = unsafe { (take!(take!(message.as_ref()).view()), take!(cseq.as_mut())) };
    guard(|| give(view.cseq(), |cseq| *out = CSeq::new(&cseq)))
}

/// Max-Forwards, 255 for anything above. `DP_STATUS_MISSING` when there is none.
///
/// # Safety
/// As `dp_request_uri`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_max_forwards(message: *const Message, hops: *mut u32) -> Status {
    // SAFETY: see above.
    let (view, out) = unsafe { (take!(take!(message.as_ref()).view()), take!(hops.as_mut())) };
    guard(|| match view.max_forwards() {
        Ok(Some(hops)) => {
            *out = u32::from(hops);
            Status::Ok
        }
        Ok(None) => Status::Missing,
        Err(error) => error.into(),
    })
}

/// A header that begins with seconds: Expires, Min-Expires, Session-Expires, Min-SE, Retry-After; 4,294,967,295 for anything above.
/// `DP_STATUS_MISSING` when there is none.
///
/// # Safety
/// As `dp_request_uri`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_seconds(message: *const Message, id: u32, seconds: *mut u32) -> Status {
    // SAFETY: see above.
    let (view, out) = unsafe { (take!(take!(message.as_ref()).view()), take!(seconds.as_mut())) };
    guard(|| match view.seconds(HeaderId::from_index(id as usize)) {
        Ok(Some(seconds)) => {
            *out = seconds;
            Status::Ok
        }
        Ok(None) => Status::Missing,
        Err(error) => error.into(),
    })
}
