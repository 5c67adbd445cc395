//! URI equality. RFC 3261 §19.1.4 for sip and sips, RFC 3966 §5 for tel, octets for others.

use super::escape::{Unescaped, unescaped};
use super::{SipUri, TelUri, Uri};
use crate::header::Params;

/// Whether two URIs are equivalent. Not transitive: a parameter that only one of them has is mostly ignored.
#[must_use]
pub fn equal(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    match (a, b) {
        (Uri::Sip(a), Uri::Sip(b)) => sip_equal(a, b),
        (Uri::Tel(a), Uri::Tel(b)) => tel_equal(a, b),
        (Uri::Other { scheme: a, rest: x }, Uri::Other { scheme: b, rest: y }) => a.eq_ignore_ascii_case(b) && x == y,
        _ => false,
    }
}

fn sip_equal(a: &SipUri<'_>, b: &SipUri<'_>) -> bool {
    a.secure == b.secure
        && a.port == b.port
        && a.host.matches(&b.host)
        && optional(a.user, b.user, same_case)
        && optional(a.password, b.password, same_case)
        && params_equal(&a.params, &b.params)
        && headers_equal(a, b)
}

/// Parameters in both must match; `user`, `ttl`, `method` and `maddr` in one only never do, and neither does `transport`, which has a
/// default value; all others in one only are ignored.
fn params_equal(a: &Params<'_>, b: &Params<'_>) -> bool {
    if a.raw() == b.raw() {
        return true;
    }
    let few = |params: &Params<'_>| params.iter().take(MOST + 1).count() <= MOST;
    few(a) && few(b) && one_way(a, b, true) && one_way(b, a, false)
}

/// Parameters, and headers, of URIs that are compared one by one: hostile ones shall not make quadratic work, and no URI of use has so many.
const MOST: usize = 64;

fn one_way(a: &Params<'_>, b: &Params<'_>, compare: bool) -> bool {
    a.iter().all(|param| match b.iter().find(|other| any_case(other.name, param.name)) {
        Some(other) => !compare || optional(param.value, other.value, any_case),
        None => {
            ![&b"user"[..], b"ttl", b"method", b"maddr", b"transport"].iter().any(|name| any_case(param.name, name))
        }
    })
}

/// Every header of one must be in the other with the same value, as often.
fn headers_equal(a: &SipUri<'_>, b: &SipUri<'_>) -> bool {
    let count = |uri: &SipUri<'_>, name: &[u8], value: &[u8]| {
        uri.headers().filter(|(n, v)| any_case(n, name) && any_case(v, value)).count()
    };
    let length = a.headers().count();
    a.headers == b.headers
        || length == b.headers().count()
            && length <= MOST
            && a.headers().all(|(name, value)| count(a, name, value) == count(b, name, value))
}

/// Visual separators do not count, case does not, and parameters must be the same in any order (RFC 3966 §5).
fn tel_equal(a: &TelUri<'_>, b: &TelUri<'_>) -> bool {
    let digits = |number| {
        unescaped(number)
            .filter(|byte| !matches!(byte, b'-' | b'.' | b'(' | b')'))
            .map(|byte| byte.to_ascii_lowercase())
    };
    let contained = |a: &TelUri<'_>, b: &TelUri<'_>| {
        let (a, b) = (a.params, b.params);
        a.iter().all(|param| {
            b.iter().any(|other| any_case(other.name, param.name) && optional(param.value, other.value, any_case))
        })
    };
    a.global == b.global && digits(a.number).eq(digits(b.number)) && contained(a, b) && contained(b, a)
}

fn optional(a: Option<&[u8]>, b: Option<&[u8]>, same: impl Fn(&[u8], &[u8]) -> bool) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => same(a, b),
        _ => false,
    }
}

/// An escape equals the octet it stands for unless that octet is reserved (RFC 2396 §2.2).
fn same_case(a: &[u8], b: &[u8]) -> bool {
    marked(a).eq(marked(b))
}

fn any_case(a: &[u8], b: &[u8]) -> bool {
    let lower = |(byte, reserved): (u8, bool)| (byte.to_ascii_lowercase(), reserved);
    marked(a).map(lower).eq(marked(b).map(lower))
}

/// Each octet, and whether it is a reserved one that was escaped.
fn marked(bytes: &[u8]) -> impl Iterator<Item = (u8, bool)> {
    let mut rest: Unescaped<'_> = unescaped(bytes);
    core::iter::from_fn(move || {
        let before = rest.position();
        let byte = rest.next()?;
        let escaped = rest.position() - before > 1;
        Some((byte, escaped && matches!(byte, b';' | b'/' | b'?' | b':' | b'@' | b'&' | b'=' | b'+' | b'$' | b',')))
    })
}
