//! The OPTIONS request of a question, and how its response is known again. RFC 3261 §8.1.1, §11.1.

use super::{Probe, ProbeId};
use crate::routing::target::TargetIdentity;
use crate::text::{WORD, push_base32, read_base32};
use dialplane_syntax::{HeaderId, RequestBuilder};

/// What each Call-ID of a question begins with.
const MARK: &[u8] = b"dp-probe-";

impl Probe<'_> {
    /// Appends the Call-ID: the same for all questions of a prober to a target (RFC 3261 §8.1.1.4 wants it for REGISTER, and
    /// traces are easier to read).
    pub fn write_call_id(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(MARK);
        push_base32(self.instance, WORD, out);
        push_base32(self.id.target.0, WORD, out);
    }

    /// Appends the From tag.
    pub fn write_tag(&self, out: &mut Vec<u8>) {
        push_base32(self.instance, WORD, out);
    }

    /// Appends the request. `via` is the whole value of its Via, with a branch that the caller will know again; `local` is our host
    /// and port, for a From URI where the configuration has none.
    pub fn write(&self, via: &[u8], local: &[u8], out: &mut Vec<u8>) {
        let mut request = RequestBuilder::new(b"OPTIONS", self.uri, out);
        let fields = request.fields();
        fields.field(HeaderId::VIA, via);
        fields.number(HeaderId::MAX_FORWARDS, 70);
        fields.field_with(HeaderId::FROM, |out| {
            out.push(b'<');
            match self.from {
                Some(uri) => out.extend_from_slice(uri),
                None => {
                    out.extend_from_slice(b"sip:ping@");
                    out.extend_from_slice(local);
                }
            }
            out.extend_from_slice(b">;tag=");
            self.write_tag(out);
        });
        fields.field_with(HeaderId::TO, |out| {
            out.push(b'<');
            out.extend_from_slice(self.uri);
            out.push(b'>');
        });
        fields.field_with(HeaderId::CALL_ID, |out| self.write_call_id(out));
        fields.field_with(HeaderId::CSEQ, |out| {
            out.extend_from_slice(format!("{} OPTIONS", self.id.sequence).as_bytes())
        });
        fields.field(HeaderId::ACCEPT, b"application/sdp");
        request.body(b"");
    }
}

impl ProbeId {
    /// The question that a response with this Call-ID and CSeq number answers; `None` if it answers none.
    #[must_use]
    pub fn read(call_id: &[u8], cseq: u32) -> Option<Self> {
        let words = call_id.strip_prefix(MARK)?;
        let (_instance, target) = words.split_at_checked(WORD)?;
        if target.len() != WORD {
            return None;
        }
        Some(Self { target: TargetIdentity(read_base32(target)?), sequence: cseq })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::target::{HopHost, NextHop};
    use dialplane_syntax::{Index, Limits, Method, parse};

    fn probe<'p>(hop: &'p NextHop, from: Option<&'p [u8]>) -> Probe<'p> {
        let id = ProbeId { target: TargetIdentity(0x0123_4567_89ab_cdef), sequence: 7 };
        Probe { id, uri: b"sip:gw.example.com;transport=udp", hop, from, instance: u64::MAX }
    }

    #[test]
    fn the_request_is_one_that_we_would_accept_and_know_again() {
        let hop =
            NextHop { host: HopHost::Name(b"gw.example.com"[..].into()), port: None, transport: None, secure: false };
        for (from, uri) in
            [(None, "sip:ping@192.0.2.1:5060"), (Some(&b"sips:edge@example.com"[..]), "sips:edge@example.com")]
        {
            let mut bytes = Vec::new();
            probe(&hop, from).write(b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport", b"192.0.2.1:5060", &mut bytes);
            let mut index = Index::new();
            let message = parse(&bytes, &mut index, &Limits::default()).expect("well formed");
            assert_eq!(dialplane_syntax::validate(&message, &Limits::default()), Ok(()));
            assert_eq!(message.method(), Some(Method::Options));
            assert_eq!(message.uri(), Some(&b"sip:gw.example.com;transport=udp"[..]));
            assert_eq!(
                message.from().map(|from| (from.uri, from.tag())),
                Ok((uri.as_bytes(), Some(&b"fvvvvvvvvvvvv"[..])))
            );
            assert_eq!(message.to().map(|to| to.uri), Ok(&b"sip:gw.example.com;transport=udp"[..]));
            assert_eq!(message.max_forwards(), Ok(Some(70)));
            assert_eq!(message.top_via().map(|via| via.branch), Ok(Some(&b"z9hG4bK1"[..])));
            let (call_id, cseq) = (message.call_id().expect("one"), message.cseq().expect("one"));
            assert_eq!(ProbeId::read(call_id, cseq.number), Some(probe(&hop, from).id));
            assert!(message.body().is_empty());
        }
    }

    #[test]
    fn other_call_ids_answer_no_question() {
        for call_id in
            ["", "dp-probe-", "a84b4c76e66710", "dp-probe-fvvvvvvvvvvvv", "dp-probe-fvvvvvvvvvvvvX14d2pf2dfjjff"]
        {
            assert_eq!(ProbeId::read(call_id.as_bytes(), 7), None, "{call_id}");
        }
    }
}
