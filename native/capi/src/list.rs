//! Lists between commas and parameters behind semicolons. RFC 3261 §7.3.1, §25.1.

use crate::types::{Slice, Status};
use crate::{guard, take};
use dialplane_syntax::Params;
use dialplane_syntax::field::split_element;

/// Takes the first element off a list; `rest` begins as the value of the field and is absent behind the last element. Quotes and angle brackets are
/// respected. `DP_STATUS_MISSING` when nothing is left.
///
/// # Safety
/// `rest` holds octets that are still there; `element` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_list_next(rest: *mut Slice, element: *mut Slice) -> Status {
    // SAFETY: see above.
    let (rest, out) = unsafe { (take!(rest.as_mut()), take!(element.as_mut())) };
    // SAFETY: see above.
    let Some(value) = (unsafe { rest.bytes() }) else { return Status::Missing };
    guard(|| {
        let (element, left) = split_element(value);
        *rest = Slice::optional(left);
        *out = Slice::new(element);
        // A field without a value is a list without elements.
        if value.is_empty() && left.is_none() { Status::Missing } else { Status::Ok }
    })
}

/// Takes the first parameter off a list of them, such as `params` of an address. `value` is absent when there is no `=`; a quoted one has its quotes.
/// `DP_STATUS_MISSING` when nothing is left.
///
/// # Safety
/// As `dp_list_next`; `name` and `value` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_param_next(rest: *mut Slice, name: *mut Slice, value: *mut Slice) -> Status {
    // SAFETY: see above.
    let (rest, name, out) = unsafe { (take!(rest.as_mut()), take!(name.as_mut()), take!(value.as_mut())) };
    // SAFETY: see above.
    let Some(raw) = (unsafe { rest.bytes() }) else { return Status::Missing };
    guard(|| {
        let Some(param) = Params::over(raw).iter().next() else {
            *rest = Slice::ABSENT;
            return Status::Missing;
        };
        let last = param.value.unwrap_or(param.name);
        let end = (last.as_ptr() as usize).wrapping_sub(raw.as_ptr() as usize) + last.len();
        *rest = Slice::optional(raw.get(end..));
        *name = Slice::new(param.name);
        *out = Slice::optional(param.value);
        Status::Ok
    })
}

/// The value of the first parameter of that name in any case: `DP_STATUS_MISSING` when there is none, an absent value when it has no `=`.
///
/// # Safety
/// `params` holds octets that are still there; `name` points to `length` octets; `value` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dp_param(params: Slice, name: *const u8, length: usize, value: *mut Slice) -> Status {
    // SAFETY: see above.
    let (name, out) = unsafe { (take!(crate::types::octets(name, length)), take!(value.as_mut())) };
    // SAFETY: see above.
    let Some(raw) = (unsafe { params.bytes() }) else { return Status::Missing };
    guard(|| match Params::over(raw).find(name) {
        Some(value) => {
            *out = Slice::optional(value);
            Status::Ok
        }
        None => Status::Missing,
    })
}
