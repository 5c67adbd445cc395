//! Edits against the received octets, written into the caller's buffer. RFC 3261 §16.6: a proxy changes a few places and leaves the rest.

use crate::handle::Message;
use crate::types::{Slice, Status, octets};
use crate::{guard, take};
use std::ptr::copy_nonoverlapping;

/// A list of edits, used again and again. Opaque.
pub struct Edits {
    list: dialplane_syntax::Edits,
}

/// Allocates an empty list. It grows to what the largest set of edits takes and then stays.
#[unsafe(no_mangle)]
pub extern "C" fn dp_edits_new() -> *mut Edits {
    Box::into_raw(Box::new(Edits { list: dialplane_syntax::Edits::new() }))
}

/// Frees it. NULL is let pass.
///
/// # Safety
/// The list comes from `dp_edits_new` and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_edits_free(edits: *mut Edits) {
    if !edits.is_null() {
        // SAFETY: it was made by `Box::into_raw` above, and the caller gives it up.
        drop(unsafe { Box::from_raw(edits) });
    }
}

/// Forgets all edits.
///
/// # Safety
/// `edits` comes from `dp_edits_new`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_edits_clear(edits: *mut Edits) -> Status {
    // SAFETY: see above.
    unsafe { take!(edits.as_mut()) }.list.clear();
    Status::Ok
}

/// Puts `text` in the place of the octets of the message that `place` points at: a slice that this library gave. An empty text takes them out.
///
/// # Safety
/// `edits` comes from `dp_edits_new`, `message` from `dp_message_new`; their octets are still there, and those of `text` may be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_edits_replace(
    edits: *mut Edits,
    message: *const Message,
    place: Slice,
    text: *const u8,
    length: usize,
) -> Status {
    // SAFETY: see above.
    let (edits, view) = unsafe { (take!(edits.as_mut()), take!(take!(message.as_ref()).view())) };
    // SAFETY: see above.
    let text = if length == 0 { &[][..] } else { unsafe { take!(octets(text, length)) } };
    let start = (place.data as usize).wrapping_sub(view.bytes().as_ptr() as usize);
    match start.checked_add(place.length) {
        Some(end) if !place.data.is_null() && end <= view.bytes().len() => guard(|| {
            edits.list.replace(start..end, text);
            Status::Ok
        }),
        _ => Status::Argument,
    }
}

/// Puts whole lines, each with its CRLF, before the first header field: where a Via goes.
///
/// # Safety
/// As `dp_edits_replace`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_edits_insert_first(
    edits: *mut Edits,
    message: *const Message,
    text: *const u8,
    length: usize,
) -> Status {
    // SAFETY: see above.
    let (edits, view, text) =
        unsafe { (take!(edits.as_mut()), take!(take!(message.as_ref()).view()), take!(octets(text, length))) };
    guard(|| {
        edits.list.insert(view.fields_start(), text);
        Status::Ok
    })
}

/// Puts whole lines, each with its CRLF, behind the last header field.
///
/// # Safety
/// As `dp_edits_replace`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_edits_insert_last(
    edits: *mut Edits,
    message: *const Message,
    text: *const u8,
    length: usize,
) -> Status {
    // SAFETY: see above.
    let (edits, view, text) =
        unsafe { (take!(edits.as_mut()), take!(take!(message.as_ref()).view()), take!(octets(text, length))) };
    guard(|| {
        edits.list.insert(view.fields_end(), text);
        Status::Ok
    })
}

/// Takes a whole header field out, from its name to its CRLF.
///
/// # Safety
/// As `dp_edits_replace`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_edits_remove_field(edits: *mut Edits, message: *const Message, number: usize) -> Status {
    // SAFETY: see above.
    let (edits, view) = unsafe { (take!(edits.as_mut()), take!(take!(message.as_ref()).view())) };
    guard(|| match view.field_at(number) {
        Some(field) => {
            edits.list.remove(field.line_range());
            Status::Ok
        }
        None => Status::Missing,
    })
}

/// Writes the edited message into a buffer of `capacity` octets that does not overlap the message. `length` receives its length, also with
/// `DP_STATUS_NO_ROOM`, when nothing is written.
///
/// # Safety
/// As `dp_edits_replace`; `out` may be written for `capacity` octets, `length` as well.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_edits_apply(
    edits: *const Edits,
    message: *const Message,
    out: *mut u8,
    capacity: usize,
    length: *mut usize,
) -> Status {
    // SAFETY: see above.
    let (edits, view, length) =
        unsafe { (take!(edits.as_ref()), take!(take!(message.as_ref()).view()), take!(length.as_mut())) };
    guard(|| {
        let bytes = view.bytes();
        *length = take!(bytes.len().checked_add_signed(edits.list.growth()));
        if *length > capacity || out.is_null() {
            return Status::NoRoom;
        }
        let mut at = 0;
        let mut written = 0;
        let mut write = |piece: &[u8]| {
            if piece.len() <= capacity - written {
                // SAFETY: so many octets are left in the caller's buffer, which does not overlap the message or the edits.
                unsafe { copy_nonoverlapping(piece.as_ptr(), out.add(written), piece.len()) };
                written += piece.len();
            }
        };
        for (range, text) in edits.list.iter() {
            write(bytes.get(at..range.start).unwrap_or_default());
            write(text);
            at = range.end;
        }
        write(bytes.get(at..).unwrap_or_default());
        *length = written;
        Status::Ok
    })
}
