//! From the enums of `dialplane-syntax` to the exception tree of `dialplane_native.errors`, and the list of them all.
//!
//! One table per enum: name and status. A variant without a row does not compile.

use dialplane_pcap::CaptureError;
use dialplane_syntax::{FieldError, FieldErrorKind, HeaderId, ParseError, ParseErrorKind, UriError};
use pyo3::prelude::*;
use pyo3::types::PyType;

mod python {
    #![allow(missing_docs, reason = "documented where they are defined, in errors.py")]
    pyo3::import_exception!(dialplane_native.errors, BuildError);
    pyo3::import_exception!(dialplane_native.errors, CaptureError);
    pyo3::import_exception!(dialplane_native.errors, DatabaseError);
    pyo3::import_exception!(dialplane_native.errors, FieldError);
    pyo3::import_exception!(dialplane_native.errors, MissingFieldError);
    pyo3::import_exception!(dialplane_native.errors, ParseError);
    pyo3::import_exception!(dialplane_native.errors, StoreError);
    pyo3::import_exception!(dialplane_native.errors, UriError);
}

/// Kinds with their name and status, in the order of their declaration.
macro_rules! kinds {
    ($function:ident, $list:ident, $enum:ty { $($variant:ident => $name:literal, $status:expr;)* }) => {
        pub(crate) const fn $function(kind: $enum) -> (&'static str, Option<u16>) {
            match kind { $(<$enum>::$variant => ($name, $status),)* }
        }

        const $list: &[(&str, Option<u16>)] = &[$(($name, $status),)*];
    };
}

// RFC 3261 §8.2, §16.3: what can be answered at all is answered with 400, another version with 505.
kinds! { parse_kind, PARSE_KINDS, ParseErrorKind {
    ContentLength => "content-length", Some(400);
    ContentLengthConflict => "content-length-conflict", Some(400);
    ContentLengthExceeds => "content-length-exceeds", Some(400);
    ContentLengthMissing => "content-length-missing", Some(400);
    ControlCharacter => "control-character", Some(400);
    Empty => "empty", None;
    FieldTooLong => "field-too-long", Some(400);
    HeaderLine => "header-line", Some(400);
    LeadingFold => "leading-fold", Some(400);
    MessageTooLong => "message-too-long", Some(513);
    NotSip => "not-sip", None;
    StartLine => "start-line", Some(400);
    StatusCode => "status-code", Some(400);
    TooManyFields => "too-many-fields", None;
    Unterminated => "unterminated", None;
    Version => "version", Some(505);
} }

kinds! { field_kind, FIELD_KINDS, FieldErrorKind {
    Malformed => "malformed", Some(400);
    OutOfRange => "out-of-range", Some(400);
    Repeated => "repeated", Some(400);
    Missing => "missing", Some(400);
} }

kinds! { uri_kind, URI_KINDS, UriError {
    Escape => "escape", Some(400);
    Headers => "headers", Some(400);
    Host => "host", Some(400);
    Params => "params", Some(400);
    Port => "port", Some(400);
    Scheme => "scheme", Some(400);
    Telephone => "telephone", Some(400);
    User => "user", Some(400);
} }

kinds! { capture_kind, CAPTURE_KINDS, CaptureError {
    NotACapture => "not-a-capture", None;
} }

/// A stream that ended within a message.
const INCOMPLETE: &str = "incomplete";

/// Why something cannot be written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BuildErrorKind {
    /// A header name that is no token.
    HeaderName,
    /// CR, LF or NUL in a value: it would end the line.
    LineBreak,
    /// A method that is no token.
    Method,
    /// A status code outside 100 to 699.
    Status,
    /// A part that does not follow its grammar: host, transport, parameter name.
    Value,
    /// Max-Forwards is 0 and cannot be counted down. RFC 3261 §16.3 step 3.
    Hops,
    /// The start line is not that of a request, or not that of a response.
    StartLine,
}

kinds! { build_kind, BUILD_KINDS, BuildErrorKind {
    HeaderName => "header-name", None;
    LineBreak => "line-break", None;
    Method => "method", None;
    Status => "status", None;
    Value => "value", None;
    Hops => "hops", Some(483);
    StartLine => "start-line", None;
} }

/// Octets that are no SIP message.
#[cold]
pub(crate) fn parse_error(error: ParseError) -> PyErr {
    let (kind, status) = parse_kind(error.kind);
    python::ParseError::new_err((error.to_string(), kind, status, Some(error.offset)))
}

/// A stream that ended within a message, after `offset` octets.
#[cold]
pub(crate) fn incomplete(offset: usize) -> PyErr {
    python::ParseError::new_err(("The message is not complete", INCOMPLETE, None::<u16>, Some(offset)))
}

/// A header field that cannot be read; `offset` where it begins.
#[cold]
pub(crate) fn field_error(error: FieldError, offset: Option<usize>) -> PyErr {
    let (kind, status) = field_kind(error.kind);
    let header = error.header.name();
    let arguments = (error.to_string(), kind, status, offset, header);
    match error.kind {
        FieldErrorKind::Missing => python::MissingFieldError::new_err(arguments),
        FieldErrorKind::Malformed | FieldErrorKind::OutOfRange | FieldErrorKind::Repeated => {
            python::FieldError::new_err(arguments)
        }
    }
}

/// A field that is asked for by a name and is not there.
#[cold]
pub(crate) fn missing(name: &str) -> PyErr {
    let id = HeaderId::from_name(name.as_bytes());
    let name = if id == HeaderId::OTHER { name } else { id.name() };
    let (kind, status) = field_kind(FieldErrorKind::Missing);
    python::MissingFieldError::new_err((format!("{name}: missing"), kind, status, None::<usize>, name.to_owned()))
}

/// A URI that breaks its grammar.
#[cold]
pub(crate) fn uri_error(error: UriError) -> PyErr {
    let (kind, status) = uri_kind(error);
    python::UriError::new_err((error.to_string(), kind, status))
}

/// Something that may not be written; `what` names it.
#[cold]
pub(crate) fn build_error(kind: BuildErrorKind, what: String) -> PyErr {
    let (kind, status) = build_kind(kind);
    python::BuildError::new_err((what, kind, status))
}

/// A file or buffer that is no capture.
#[cold]
pub(crate) fn capture_error(error: CaptureError) -> PyErr {
    let (kind, status) = capture_kind(error);
    python::CaptureError::new_err((error.to_string(), kind, status))
}

/// The shared store failed.
#[cold]
pub(crate) fn store_error(text: String) -> PyErr {
    python::StoreError::new_err((text, STORE_KIND))
}

const STORE_KIND: &str = "store";

/// SQLite failed.
#[cold]
pub(crate) fn database_error(text: String) -> PyErr {
    python::DatabaseError::new_err((text, DATABASE_KIND))
}

const DATABASE_KIND: &str = "database";

/// The class `DatabaseError`, for `dialplane_native.server`.
pub(crate) fn database_error_class(py: Python<'_>) -> Bound<'_, PyType> {
    py.get_type::<python::DatabaseError>()
}

/// The class `StoreError`, for `dialplane_native.server`.
pub(crate) fn store_error_class(py: Python<'_>) -> Bound<'_, PyType> {
    py.get_type::<python::StoreError>()
}

/// The exception for a fault that a message carries, not raised.
pub(crate) fn fault<'py>(py: Python<'py>, error: ParseError) -> Bound<'py, PyAny> {
    parse_error(error).into_value(py).into_bound(py).into_any()
}

/// A class of errors, a kind of it, and the status it stands for.
type Listed = (&'static str, &'static str, Option<u16>);

/// Every error that can be raised about SIP, the store or a database: name of the class, kind, status.
#[pyfunction]
pub(crate) fn list_errors() -> Vec<Listed> {
    let rows = |class: &'static str, kinds: &'static [(&'static str, Option<u16>)]| {
        kinds.iter().map(move |(kind, status)| (class, *kind, *status))
    };
    let (fields, missing) = FIELD_KINDS.split_at(FIELD_KINDS.len() - 1);
    rows("ParseError", PARSE_KINDS)
        .chain([("ParseError", INCOMPLETE, None)])
        .chain(rows("FieldError", fields))
        .chain(rows("MissingFieldError", missing))
        .chain(rows("UriError", URI_KINDS))
        .chain(rows("BuildError", BUILD_KINDS))
        .chain(rows("CaptureError", CAPTURE_KINDS))
        .chain([("DatabaseError", DATABASE_KIND, None), ("StoreError", STORE_KIND, None)])
        .collect()
}
