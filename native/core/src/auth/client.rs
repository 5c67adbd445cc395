//! The client's side of digest, for tests: reads challenges and answers them. RFC 7616 §3.4, RFC 8760 §2.4.

use super::algorithm::{Algorithm, Hashed, push_hex};
use dialplane_syntax::{Digest, HeaderId};

/// One challenge, as a client sees it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) algorithm: String,
    pub(crate) nonce: String,
    pub(crate) realm: String,
    pub(crate) stale: bool,
}

/// The challenges among header lines.
pub(crate) fn challenges(lines: &[String]) -> impl Iterator<Item = Seen> {
    lines.iter().filter(|line| line.contains("-Authenticate: ")).map(|line| seen(line))
}

/// The value of an Authorization field that answers the challenge in `line`.
pub(crate) fn answer(line: &str, user: &str, password: &str, method: &str, uri: &str, nc: u32) -> String {
    let Seen { algorithm: name, nonce, realm, .. } = seen(line);
    let algorithm = Algorithm::from_name(name.as_bytes()).expect("an algorithm that we know");
    let nc = format!("{nc:08x}");
    let hashed = Hashed {
        method: method.as_bytes(),
        uri: uri.as_bytes(),
        nonce: nonce.as_bytes(),
        nc: nc.as_bytes(),
        cnonce: b"0a4f113b",
    };
    let ha1 = algorithm.ha1(user.as_bytes(), realm.as_bytes(), password.as_bytes());
    let mut response = Vec::new();
    push_hex(algorithm.response(ha1.as_bytes(), &hashed, &mut Vec::new()).as_bytes(), &mut response);
    let response = String::from_utf8(response).expect("hexadecimal");
    format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
         algorithm={name}, cnonce=\"0a4f113b\", qop=auth, nc={nc}"
    )
}

fn seen(line: &str) -> Seen {
    let (_, value) = line.split_once(": ").expect("a header line");
    let digest = Digest::parse(value.as_bytes(), HeaderId::WWW_AUTHENTICATE).expect("a challenge");
    let text = |value: Option<&[u8]>| String::from_utf8(value.expect("a parameter").to_vec()).expect("text");
    assert_eq!(digest.qop, Some(&b"auth"[..]), "RFC 8760 §2.6: always sent");
    Seen {
        algorithm: text(digest.algorithm),
        nonce: text(digest.nonce),
        realm: text(digest.realm),
        stale: digest.stale.is_some_and(|stale| stale.eq_ignore_ascii_case(b"true")),
    }
}
