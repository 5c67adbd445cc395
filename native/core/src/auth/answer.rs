//! Credentials of a request, read. RFC 7616 §3.4, RFC 3261 §20.7, §20.28.

use super::algorithm::Algorithm;
use dialplane_syntax::chars::unescape_quoted;
use dialplane_syntax::{Digest, HeaderId, SipUri, Uri};

/// The parameters of one Authorization or Proxy-Authorization field, none missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) cnonce: &'a [u8],
    /// The count as it stands in the field, which is what the digest covers.
    pub(super) nc: &'a [u8],
    pub(super) count: u32,
    pub(super) nonce: &'a [u8],
    pub(super) response: &'a [u8],
    pub(super) uri: &'a [u8],
    username: &'a [u8],
}

/// A field that is for our realm and an algorithm of ours.
pub(super) struct Read<'a> {
    pub(super) nonce: &'a [u8],
    /// The rest, or what is wrong with it.
    pub(super) answer: Result<Answer<'a>, &'static str>,
}

impl<'a> Answer<'a> {
    /// Reads a field. `None` when it is not for us: another scheme, realm or algorithm than we offer, or no credentials
    /// at all.
    pub(super) fn read(value: &'a [u8], realm: &[u8], offered: &[Algorithm]) -> Option<Read<'a>> {
        let digest = Digest::parse(value, HeaderId::AUTHORIZATION).ok().filter(Digest::is_digest)?;
        if !is_quoted(digest.realm?, realm) {
            return None;
        }
        // RFC 7616 §3.3: without a name it is MD5.
        let algorithm = digest.algorithm.map_or(Some(Algorithm::Md5), Algorithm::from_name)?;
        if !offered.contains(&algorithm) {
            return None;
        }
        let nonce = digest.nonce?;
        Some(Read { nonce, answer: Self::complete(&digest, algorithm, nonce) })
    }

    fn complete(digest: &Digest<'a>, algorithm: Algorithm, nonce: &'a [u8]) -> Result<Self, &'static str> {
        match digest.qop {
            Some(qop) if qop.eq_ignore_ascii_case(b"auth") => {}
            _ => return Err("Digest Without qop=auth"),
        }
        if digest.userhash.is_some_and(|userhash| userhash.eq_ignore_ascii_case(b"true")) {
            return Err("Digest With Hashed User Name");
        }
        let nc = digest.nc.ok_or("Digest Without nc")?;
        let count = count(nc).ok_or("Malformed nc")?;
        Ok(Self {
            algorithm,
            cnonce: digest.cnonce.ok_or("Digest Without cnonce")?,
            nc,
            count,
            nonce,
            response: digest.response.ok_or("Digest Without response")?,
            uri: digest.uri.ok_or("Digest Without uri")?,
            username: digest.username.ok_or("Digest Without username")?,
        })
    }

    /// Whether the digest was made for this Request-URI. RFC 7616 §3.4.6, RFC 8760 §2.6 item 6; see [`super`].
    pub(super) fn is_for(&self, request_uri: &[u8], ours: impl Fn(&SipUri<'_>) -> bool) -> bool {
        if self.uri == request_uri {
            return true;
        }
        let (Ok(uri), Ok(request_uri)) = (Uri::parse(self.uri), Uri::parse(request_uri)) else { return false };
        let (Uri::Sip(uri), Uri::Sip(request)) = (uri, request_uri) else {
            return dialplane_syntax::uri::equal(&uri, &request_uri);
        };
        let same_user = match (uri.user, request.user) {
            (None, None) => true,
            (Some(a), Some(b)) => dialplane_syntax::uri::unescaped(a).eq(dialplane_syntax::uri::unescaped(b)),
            _ => false,
        };
        same_user && (uri.host.matches(&request.host) || ours(&uri) && ours(&request))
    }

    /// Writes what `username` means.
    pub(super) fn write_username(&self, username: &mut Vec<u8>) {
        username.clear();
        unescape_quoted(self.username, username);
    }
}

/// Whether the content of a quoted string, as received, means `text`.
fn is_quoted(content: &[u8], text: &[u8]) -> bool {
    if content == text {
        return true;
    }
    let mut meaning = Vec::new();
    content.contains(&b'\\') && {
        unescape_quoted(content, &mut meaning);
        meaning == text
    }
}

/// `nc-value = 8LHEX`, not 0: the first request has 1. RFC 7616 §3.4.
fn count(nc: &[u8]) -> Option<u32> {
    if nc.len() != 8 || !nc.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let text = std::str::from_utf8(nc).ok()?;
    u32::from_str_radix(text, 16).ok().filter(|&count| count > 0)
}
