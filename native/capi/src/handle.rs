//! The message handle: storage for the index, and the start line and fields of the message that was parsed last. RFC 3261 §7.

use crate::types::{Method, Slice, Status, octets};
use crate::value::Essentials;
use crate::{guard, take};
use dialplane_syntax::{
    HeaderId, Index, Limits as Bounds, Message as View, Rejection as Refusal, StartLine, check, parse,
};

/// Storage for one parsed message, used again and again. Opaque.
pub struct Message {
    index: Index,
    limits: Bounds,
    bytes: *const u8,
    length: usize,
}

/// How much a message may hold. `dp_limits_default` fills in the defaults.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Octets of a whole message; 65,536.
    pub message: usize,
    /// Header fields; 256.
    pub fields: usize,
    /// Octets of one header field with its name and folds; 16,384.
    pub field: usize,
    /// Via elements, looked at by `dp_check`; 64.
    pub via: usize,
    /// Route elements, looked at by `dp_check`; 32.
    pub route: usize,
    /// Contact elements, looked at by `dp_check`; 64.
    pub contacts: usize,
    /// Read a stream message without Content-Length as one without a body; off.
    pub stream_without_length: bool,
}

/// One header field.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The id of the name, `DP_HEADER_…`; `DP_HEADER_OTHER` for names that have none.
    pub id: u32,
    /// Its number in the message, from 1.
    pub number: u32,
    /// The name as received.
    pub name: Slice,
    /// The value without white space at its ends; it may hold folds.
    pub value: Slice,
}

/// Why a message is to be refused.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Rejection {
    /// The status to answer a request with.
    pub status: u32,
    /// The header at fault; `DP_HEADER_OTHER` for the start line, the body or the message as a whole.
    pub header: u32,
    /// What is wrong, fit for a reason phrase; not terminated by NUL. It lives for ever.
    pub reason: Slice,
}

impl Message {
    /// The message that was parsed last; `None` when there is none.
    ///
    /// # Safety
    /// The octets that were given to `dp_parse` are still there and unchanged.
    #[inline(always)]
    pub(crate) unsafe fn view(&self) -> Option<View<'_>> {
        // SAFETY: as promised by the caller of this function.
        Some(self.index.message(unsafe { octets(self.bytes, self.length) }?))
    }
}

/// Version of this interface. It grows when a function or a structure changes in a way that a program has to be compiled anew for.
pub const ABI_VERSION: u32 = 1;

/// [`ABI_VERSION`] of the library at hand; compare it with `DP_ABI_VERSION` of the header when the program starts.
#[unsafe(no_mangle)]
pub const extern "C" fn dp_abi_version() -> u32 {
    ABI_VERSION
}

/// Version of the library, terminated by NUL.
#[unsafe(no_mangle)]
pub const extern "C" fn dp_version() -> *const std::ffi::c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Allocates storage for messages of at most so many fields, 256 when 0. The only memory that parsing takes.
#[unsafe(no_mangle)]
pub extern "C" fn dp_message_new(fields: usize) -> *mut Message {
    let index = if fields == 0 { Index::new() } else { Index::with_capacity(fields) };
    Box::into_raw(Box::new(Message { index, limits: Bounds::default(), bytes: std::ptr::null(), length: 0 }))
}

/// Frees it. NULL is let pass.
///
/// # Safety
/// The handle comes from `dp_message_new` and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_message_free(message: *mut Message) {
    if !message.is_null() {
        // SAFETY: it was made by `Box::into_raw` above, and the caller gives it up.
        drop(unsafe { Box::from_raw(message) });
    }
}

/// The limits that a new handle has.
///
/// # Safety
/// `limits` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_limits_default(limits: *mut Limits) -> Status {
    let bounds = Bounds::default();
    // SAFETY: see above.
    *take!(unsafe { limits.as_mut() }) = Limits {
        message: bounds.message,
        fields: bounds.fields,
        field: bounds.field,
        via: bounds.via,
        route: bounds.route,
        contacts: bounds.contacts,
        stream_without_length: bounds.stream_without_length,
    };
    Status::Ok
}

/// Sets limits for the messages to come.
///
/// # Safety
/// `message` comes from `dp_message_new`; `limits` may be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_message_limits(message: *mut Message, limits: *const Limits) -> Status {
    // SAFETY: see above.
    let (message, limits) = unsafe { (take!(message.as_mut()), *take!(limits.as_ref())) };
    message.limits = Bounds {
        message: limits.message,
        fields: limits.fields,
        field: limits.field,
        via: limits.via,
        route: limits.route,
        contacts: limits.contacts,
        stream_without_length: limits.stream_without_length,
    };
    Status::Ok
}

/// Parses one datagram. The octets must stay as they are while the handle or a slice is used. What is wrong but leaves the fields readable is no
/// error here; `dp_fault` and `dp_check` tell it.
///
/// # Safety
/// `message` comes from `dp_message_new`; `data` points to `length` octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_parse(message: *mut Message, data: *const u8, length: usize) -> Status {
    // SAFETY: see above.
    let (message, bytes) = unsafe { (take!(message.as_mut()), take!(octets(data, length))) };
    message.bytes = std::ptr::null();
    guard(|| match parse(bytes, &mut message.index, &message.limits) {
        Ok(_) => {
            (message.bytes, message.length) = (data, length);
            Status::Ok
        }
        Err(error) => error.into(),
    })
}

/// Parses the first message of a stream. `used` receives how many octets it takes, line ends before it included; with `DP_STATUS_PARTIAL` it is 0
/// and more octets are needed. Any other status: the end of the message is not known, and the connection is to be closed.
///
/// # Safety
/// As `dp_parse`; `used` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_parse_stream(
    message: *mut Message,
    data: *const u8,
    length: usize,
    used: *mut usize,
) -> Status {
    // SAFETY: see above.
    let (message, bytes, used) =
        unsafe { (take!(message.as_mut()), take!(octets(data, length)), take!(used.as_mut())) };
    message.bytes = std::ptr::null();
    *used = 0;
    guard(|| match dialplane_syntax::parse_stream(bytes, &mut message.index, &message.limits) {
        Ok(dialplane_syntax::Status::Complete(view)) => {
            let start = view.bytes().as_ptr() as usize - data as usize;
            *used = start + view.bytes().len();
            (message.bytes, message.length) = (view.bytes().as_ptr(), length - start);
            Status::Ok
        }
        Ok(dialplane_syntax::Status::Partial) => Status::Partial,
        Err(error) => error.into(),
    })
}

/// What is wrong with the framing of the message although its fields are readable: `DP_STATUS_OK` when nothing is.
///
/// # Safety
/// `message` comes from `dp_message_new`, and the octets that it parsed are still there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_fault(message: *const Message) -> Status {
    // SAFETY: see above.
    let view = unsafe { take!(take!(message.as_ref()).view()) };
    view.fault().map_or(Status::Ok, Status::from)
}

/// Whether a server may work with the message: `DP_STATUS_OK` and in `essentials` what every server reads of it, or `DP_STATUS_REFUSED` and in
/// `rejection` what to answer. Either may be NULL.
///
/// # Safety
/// As `dp_fault`; `essentials` and `rejection` are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_check(
    message: *const Message,
    essentials: *mut Essentials,
    rejection: *mut Rejection,
) -> Status {
    // SAFETY: see above.
    let (handle, out, rejection) = unsafe { (take!(message.as_ref()), essentials.as_mut(), rejection.as_mut()) };
    // SAFETY: see above.
    let view = unsafe { take!(handle.view()) };
    guard(|| match check(&view, &handle.limits) {
        Ok(checked) => {
            if let Some(out) = out {
                out.write(&checked);
            }
            Status::Ok
        }
        Err(Refusal { status, header, reason }) => {
            if let Some(rejection) = rejection {
                *rejection = Rejection {
                    status: u32::from(status),
                    header: header.index() as u32,
                    reason: Slice::new(reason.as_bytes()),
                };
            }
            Status::Refused
        }
    })
}

/// Whether it is a request; false also without a message.
///
/// # Safety
/// As `dp_fault`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_is_request(message: *const Message) -> bool {
    // SAFETY: see above.
    unsafe { message.as_ref().and_then(|message| message.view()) }.is_some_and(|view| view.is_request())
}

/// The method of a request; `DP_METHOD_ID_OTHER` for others, responses and no message.
///
/// # Safety
/// As `dp_fault`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_method(message: *const Message) -> Method {
    // SAFETY: see above.
    let view = unsafe { message.as_ref().and_then(|message| message.view()) };
    view.and_then(|view| view.method()).map_or(Method::Other, Method::from)
}

/// The status code of a response; 0 for a request and without a message.
///
/// # Safety
/// As `dp_fault`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_status_code(message: *const Message) -> u32 {
    // SAFETY: see above.
    let view = unsafe { message.as_ref().and_then(|message| message.view()) };
    view.and_then(|view| view.status()).map_or(0, u32::from)
}

/// The method of a request as received; absent for a response.
///
/// # Safety
/// As `dp_fault`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_method_name(message: *const Message) -> Slice {
    // SAFETY: see above.
    let view = unsafe { message.as_ref().and_then(|message| message.view()) };
    Slice::optional(view.and_then(|view| view.method_name()))
}

/// The Request-URI as received; absent for a response. `dp_request_uri` parses it.
///
/// # Safety
/// As `dp_fault`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_uri_text(message: *const Message) -> Slice {
    // SAFETY: see above.
    let view = unsafe { message.as_ref().and_then(|message| message.view()) };
    Slice::optional(view.and_then(|view| view.uri()))
}

/// The reason phrase of a response as received; absent for a request.
///
/// # Safety
/// As `dp_fault`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_reason(message: *const Message) -> Slice {
    // SAFETY: see above.
    match unsafe { message.as_ref().and_then(|message| message.view()) }.map(|view| view.start_line()) {
        Some(StartLine::Response { reason, .. }) => Slice::new(reason),
        Some(StartLine::Request { .. }) | None => Slice::ABSENT,
    }
}

/// The body; empty when there is none, absent without a message.
///
/// # Safety
/// As `dp_fault`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_body(message: *const Message) -> Slice {
    // SAFETY: see above.
    let view = unsafe { message.as_ref().and_then(|message| message.view()) };
    Slice::optional(view.map(|view| view.body()))
}

/// The octets of the message, from its start line to the end of its body.
///
/// # Safety
/// As `dp_fault`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_octets(message: *const Message) -> Slice {
    // SAFETY: see above.
    let view = unsafe { message.as_ref().and_then(|message| message.view()) };
    Slice::optional(view.map(|view| view.bytes()))
}

/// Number of header fields; 0 without a message.
///
/// # Safety
/// As `dp_fault`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_field_count(message: *const Message) -> usize {
    // SAFETY: see above.
    let view = unsafe { message.as_ref().and_then(|message| message.view()) };
    view.map_or(0, |view| view.field_count())
}

/// The field of that number, from 1 to `dp_field_count`; `DP_STATUS_MISSING` for any other.
///
/// # Safety
/// As `dp_fault`; `field` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_field(message: *const Message, number: usize, field: *mut Field) -> Status {
    // SAFETY: see above.
    let (view, out) = unsafe { (take!(take!(message.as_ref()).view()), take!(field.as_mut())) };
    write_field(&view, number, out)
}

/// The first field of that id behind the field with the number `after`; 0 is before the first. `DP_STATUS_MISSING` when there is none.
///
/// # Safety
/// As `dp_fault`; `field` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_field_of(message: *const Message, id: u32, after: usize, field: *mut Field) -> Status {
    // SAFETY: see above.
    let (view, out) = unsafe { (take!(take!(message.as_ref()).view()), take!(field.as_mut())) };
    match view.number_of(HeaderId::from_index(id as usize), after) {
        Some(number) => write_field(&view, number, out),
        None => Status::Missing,
    }
}

/// The id of a header name in any case, long or compact; `DP_HEADER_OTHER` for names that have none.
///
/// # Safety
/// `name` points to `length` octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_header_id(name: *const u8, length: usize) -> u32 {
    // SAFETY: see above.
    let name = unsafe { octets(name, length) };
    HeaderId::from_name(name.unwrap_or_default()).index() as u32
}

/// The name of a header as usually written; absent for `DP_HEADER_OTHER`. It lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn dp_header_name(id: u32) -> Slice {
    Slice::optional(HeaderId::from_index(id as usize).row().map(|row| row.name.as_bytes()))
}

/// Whether the values of that header are lists whose elements stand between commas; see `dp_list_next`.
#[unsafe(no_mangle)]
pub extern "C" fn dp_header_is_list(id: u32) -> bool {
    HeaderId::from_index(id as usize).is_list()
}

#[inline(always)]
fn write_field(view: &View<'_>, number: usize, out: &mut Field) -> Status {
    let Some(field) = view.field_at(number) else { return Status::Missing };
    *out = Field {
        id: field.id.index() as u32,
        number: number as u32,
        name: Slice::new(field.name),
        value: Slice::new(field.value),
    };
    Status::Ok
}
