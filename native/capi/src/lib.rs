//! The C interface of the parser: convert, check, forward. RFC 3261 §7, §19, §20, §25.
//!
//! `include/dialplane.h` is made from these sources by the test `header`, and committed. Rules that hold for every function:
//!
//! - Octets stay the caller's and are never copied: a [`Slice`] points into them and lives as long as they do.
//! - Nothing is allocated but by the functions whose name ends in `_new`.
//! - Nothing panics across the border: a fault of ours comes back as [`Status::Internal`], a null pointer as [`Status::Argument`].
//! - One message handle is one thread's at a time; different handles have nothing in common.
#![allow(unsafe_code, reason = "pointers of C; docs/architecture.md, Unsafe")]

pub mod api;
mod edit;
mod handle;
mod list;
mod types;
mod value;

pub use edit::*;
pub use handle::*;
pub use list::*;
pub use types::*;
pub use value::*;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of a function; a panic is caught here.
#[inline(always)]
fn guard(body: impl FnOnce() -> Status) -> Status {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(Status::Internal)
}

/// Turns `Option` into a status at once: `take!(pointer.as_ref())` for what must not be null.
macro_rules! take {
    ($value:expr) => {
        match $value {
            Some(value) => value,
            None => return $crate::Status::Argument,
        }
    };
}

use take;
