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

/// Appends `lines`, which [`Authenticator::challenge`](super::Authenticator::challenge) wrote, without what a client can do
/// without: blanks, and the name of MD5 (RFC 7616 §3.3: no name means MD5). Other lines stay.
///
/// For the answer to a short request over UDP, which must not be longer than the request.
pub fn compact(lines: &[u8], out: &mut Vec<u8>) {
    for line in lines.split_inclusive(|&octet| octet == b'\n') {
        if is_challenge(line) { compact_challenge(line, out) } else { out.extend_from_slice(line) }
    }
}

/// As [`compact`], and leaves one challenge: MD5 if it is offered, since every client knows that, else the first.
pub fn compact_one(lines: &[u8], out: &mut Vec<u8>) {
    let each = || lines.split_inclusive(|&octet| octet == b'\n');
    let mut challenges = each().filter(|line| is_challenge(line));
    let first = challenges.next();
    let kept = first.into_iter().chain(challenges).find(|line| find(split(line).1, MD5).is_some()).or(first);
    for line in each().filter(|line| !is_challenge(line)) {
        out.extend_from_slice(line);
    }
    if let Some(line) = kept {
        compact_challenge(line, out);
    }
}

fn compact_challenge(line: &[u8], out: &mut Vec<u8>) {
    let (realm, params) = split(line);
    let blank = realm.iter().position(|&octet| octet == b' ').unwrap_or(0);
    out.extend_from_slice(&realm[..blank]);
    out.extend_from_slice(&realm[(blank + 1).min(realm.len())..]);
    let (before, behind) = find(params, MD5).map_or((params, &[][..]), |at| (&params[..at], &params[at + MD5.len()..]));
    out.extend(before.iter().chain(behind).filter(|&&octet| octet != b' '));
}

fn is_challenge(line: &[u8]) -> bool {
    [Challenger::Proxy, Challenger::Uas].into_iter().any(|challenger| line.starts_with(name(challenger)))
}

/// Name of the field, with its colon.
fn name(challenger: Challenger) -> &'static [u8] {
    match challenger {
        Challenger::Proxy => b"Proxy-Authenticate:",
        Challenger::Uas => b"WWW-Authenticate:",
    }
}

/// The realm, which may hold anything, and what is behind it.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    line.split_at(find(line, NONCE).unwrap_or(0))
}

/// Where the last `text` begins.
fn find(line: &[u8], text: &[u8]) -> Option<usize> {
    line.windows(text.len()).rposition(|window| window == text)
}

const NONCE: &[u8] = b"\", nonce=\"";
const MD5: &[u8] = b", algorithm=MD5";

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(algorithms: &[Algorithm], realm: &str, stale: bool) -> Vec<u8> {
        let mut lines = b"Date: x y\r\n".to_vec();
        for algorithm in algorithms {
            write(Challenger::Uas, *algorithm, realm.as_bytes(), b"AbCdEfGhIjKlMnOpQrStUvWxYz01", stale, &mut lines);
        }
        lines
    }

    #[test]
    fn one_in_its_shortest_form() {
        for (algorithms, realm, stale, expected) in [
            (&[Algorithm::Sha256, Algorithm::Md5][..], "a b", false, "realm=\"a b\",nonce=\"N\",qop=\"auth\""),
            (&[Algorithm::Sha256, Algorithm::Md5], "a", true, "realm=\"a\",nonce=\"N\",qop=\"auth\",stale=true"),
            (
                &[Algorithm::Sha512_256, Algorithm::Sha256],
                "a",
                false,
                "realm=\"a\",nonce=\"N\",algorithm=SHA-512-256,qop=\"auth\"",
            ),
            (
                &[Algorithm::Sha256],
                "x\", nonce=\"y, algorithm=MD5",
                false,
                "realm=\"x\\\", nonce=\\\"y, algorithm=MD5\",nonce=\"N\",algorithm=SHA-256,qop=\"auth\"",
            ),
        ] {
            let mut out = Vec::new();
            compact_one(&challenge(algorithms, realm, stale), &mut out);
            let text = String::from_utf8(out).expect("text").replace("AbCdEfGhIjKlMnOpQrStUvWxYz01", "N");
            assert_eq!(text, format!("Date: x y\r\nWWW-Authenticate:Digest {expected}\r\n"));
        }
    }

    #[test]
    fn all_in_their_shortest_form() {
        let mut out = Vec::new();
        compact(&challenge(&[Algorithm::Sha256, Algorithm::Md5], "a b", false), &mut out);
        let text = String::from_utf8(out).expect("text").replace("AbCdEfGhIjKlMnOpQrStUvWxYz01", "N");
        let expected = [
            "Date: x y",
            "WWW-Authenticate:Digest realm=\"a b\",nonce=\"N\",algorithm=SHA-256,qop=\"auth\"",
            "WWW-Authenticate:Digest realm=\"a b\",nonce=\"N\",qop=\"auth\"",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn lines_without_a_challenge_stay() {
        for shorten in [compact, compact_one] {
            let mut out = Vec::new();
            shorten(b"Min-Expires: 60\r\nX: Digest a, b\r\n", &mut out);
            assert_eq!(out, b"Min-Expires: 60\r\nX: Digest a, b\r\n");
        }
    }
}
