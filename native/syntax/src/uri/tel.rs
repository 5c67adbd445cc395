//! `tel:` URIs and telephone numbers. RFC 3966 §3.

use super::UriError;
use crate::chars::{PHONE, VALUE, octet, slice, span};
use crate::header::Params;
use alloc::vec::Vec;

/// `telephone-uri = "tel:" telephone-subscriber`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TelUri<'b> {
    /// The number as received, with `+` and visual separators.
    pub number: &'b [u8],
    /// Whether it begins with `+`.
    pub global: bool,
    /// The parameters, `phone-context` among them for local numbers.
    pub params: Params<'b>,
}

impl<'b> TelUri<'b> {
    pub(super) fn parse_rest(rest: &'b [u8]) -> Result<Self, UriError> {
        let global = octet(rest, 0) == b'+';
        let start = usize::from(global);
        let end = span(rest, start, &PHONE);
        let number = slice(rest, 0, end);
        let digits = slice(rest, start, end);
        let legal = if global {
            digits.iter().all(|byte| !matches!(byte, b'*' | b'#') && !byte.is_ascii_alphabetic())
                && digits.iter().any(u8::is_ascii_digit)
        } else {
            digits.iter().any(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'*' | b'#'))
        };
        let params = slice(rest, end, rest.len());
        if !legal || !legal_params(params) {
            return Err(UriError::Telephone);
        }
        Ok(Self { number, global, params: Params::checked(params) })
    }

    /// Appends the number without visual separators, with its `+` if it has one.
    pub fn write_digits(&self, out: &mut Vec<u8>) {
        write_digits(self.number, out);
    }
}

/// Appends a number without visual separators (`-`, `.`, `(`, `)`); a leading `+` stays. RFC 3966 §5: separators are ignored when
/// numbers are compared.
pub fn write_digits(number: &[u8], out: &mut Vec<u8>) {
    out.extend(number.iter().filter(|byte| !matches!(byte, b'-' | b'.' | b'(' | b')')));
}

/// `*par`, each `";" pname [ "=" pvalue ]`.
fn legal_params(params: &[u8]) -> bool {
    if params.is_empty() {
        return true;
    }
    octet(params, 0) == b';' && {
        let mut at = 0;
        loop {
            if octet(params, at) != b';' {
                break at == params.len();
            }
            let end = span(params, at + 1, &VALUE);
            if end == at + 1 || octet(params, at + 1) == b'=' {
                break false;
            }
            at = end;
        }
    }
}
