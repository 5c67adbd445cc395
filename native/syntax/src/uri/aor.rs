//! The canonical address-of-record, the key of the location table. RFC 3261 §10.3 step 5.

use super::{Uri, escape};
use alloc::vec::Vec;

/// Appends `user@host`, or `host` without a user: the user unescaped and with its case kept, the host in lower case, no scheme, port,
/// password or parameter. The last `@` of the result always is the separator, as a host holds none. For `tel:` the number without
/// visual separators. `false` for other schemes, and nothing is written.
///
/// The port is left out as well: every listener of a domain has the same users.
pub fn write_aor(uri: &Uri<'_>, out: &mut Vec<u8>) -> bool {
    match uri {
        Uri::Other { .. } => return false,
        Uri::Sip(uri) => {
            if let Some(user) = uri.user {
                write_canonical_user(user, out);
                out.push(b'@');
            }
            uri.host.write(out);
        }
        Uri::Tel(tel) => tel.write_digits(out),
    }
    true
}

/// Appends the user part unescaped; parameters that a telephone number carries inside it (`+1555;ext=7`) stay.
pub fn write_canonical_user(user: &[u8], out: &mut Vec<u8>) {
    escape::unescape(user, out);
}
