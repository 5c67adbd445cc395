//! The header lines of a 200 to REGISTER. RFC 3261 §10.3 step 8, RFC 3327 §5.3, RFC 5627 §5.2.

use super::date::Date;
use super::gruu::{self, GruuKey};
use super::record::{Binding, Bindings};
use dialplane_syntax::chars::write_decimal;

/// What GRUUs are made from, for a client that wants them.
pub(super) struct Gruus<'a> {
    pub(super) key: &'a GruuKey,
    pub(super) aor: &'a [u8],
    /// Whether To is a SIPS URI.
    pub(super) is_secure: bool,
}

/// Appends Contact with all bindings of `record`, Path, Date and Supported.
///
/// All bindings stand in one Contact field, as in Kamailio: every phone in use has read that.
pub(super) fn write(
    record: &[u8],
    path: &[u8],
    gruus: Option<&Gruus<'_>>,
    now: u64,
    date: &mut Date,
    lines: &mut Vec<u8>,
) {
    let mut separator: &[u8] = b"Contact: ";
    for stored in Bindings::readable(record) {
        let Some(expires) = stored.binding.expires.checked_sub(now).filter(|&seconds| seconds > 0) else { continue };
        lines.extend_from_slice(separator);
        push_contact(&stored.binding, expires, lines);
        if let Some(Gruus { key, aor, is_secure }) = gruus {
            gruu::push_params(key, aor, *is_secure, &stored.binding, lines);
        }
        separator = b", ";
    }
    if separator == b", " {
        lines.extend_from_slice(b"\r\n");
    }
    if !path.is_empty() {
        lines.extend_from_slice(b"Path: ");
        lines.extend_from_slice(path);
        lines.extend_from_slice(b"\r\n");
    }
    lines.extend_from_slice(b"Date: ");
    lines.extend_from_slice(date.text(now));
    lines.extend_from_slice(b"\r\nSupported: path, outbound\r\n");
}

fn push_contact(binding: &Binding<'_>, expires: u64, lines: &mut Vec<u8>) {
    lines.push(b'<');
    lines.extend_from_slice(binding.contact);
    lines.push(b'>');
    lines.extend_from_slice(binding.params);
    if let Some(q) = binding.q {
        lines.extend_from_slice(b";q=");
        q.write(lines);
    }
    lines.extend_from_slice(b";expires=");
    write_decimal(expires, lines);
}
