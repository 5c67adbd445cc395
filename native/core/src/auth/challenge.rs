//! The fields of a challenge. RFC 7616 §3.3, RFC 8760 §2.3, RFC 3261 §20.27, §20.44.

use super::Challenger;
use super::algorithm::Algorithm;
use super::nonce::Token;
use dialplane_syntax::chars::write_quoted;

/// Appends one header line.
pub(super) fn write(
    challenger: Challenger,
    algorithm: Algorithm,
    realm: &[u8],
    nonce: &Token,
    stale: bool,
    lines: &mut Vec<u8>,
) {
    lines.extend_from_slice(name(challenger));
    lines.extend_from_slice(b" Digest realm=");
    write_quoted(realm, lines);
    lines.extend_from_slice(b", nonce=\"");
    lines.extend_from_slice(nonce);
    lines.extend_from_slice(b"\", algorithm=");
    lines.extend_from_slice(algorithm.name().as_bytes());
    lines.extend_from_slice(b", qop=\"auth\"");
    if stale {
        lines.extend_from_slice(b", stale=true");
    }
    lines.extend_from_slice(b"\r\n");
}

/// Name of the field, with its colon.
fn name(challenger: Challenger) -> &'static [u8] {
    match challenger {
        Challenger::Proxy => b"Proxy-Authenticate:",
        Challenger::Uas => b"WWW-Authenticate:",
    }
}
