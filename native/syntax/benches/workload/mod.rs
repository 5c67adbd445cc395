//! The messages and the work that both benchmarks measure.

use dialplane_syntax::{Edits, HeaderId, Index, Limits, Message, check, parse};
use std::hint::black_box;

/// An INVITE of 729 octets with 14 fields and a body, as a trunk sends it.
pub(crate) const INVITE: &[u8] = b"INVITE sip:+12125551234@proxy.example.com:5060;transport=udp SIP/2.0\r\n\
Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---8b2f1a6c4d3e9f70;rport\r\n\
Max-Forwards: 70\r\n\
From: \"Alice\" <sip:alice@example.com>;tag=9fxced76sl\r\n\
To: <sip:+12125551234@proxy.example.com>\r\n\
Call-ID: 3848276298220188511@192.0.2.10\r\n\
CSeq: 1 INVITE\r\n\
Contact: <sip:alice@192.0.2.10:5060;transport=udp>\r\n\
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE\r\n\
Supported: replaces, timer\r\n\
Session-Expires: 1800\r\n\
Min-SE: 90\r\n\
User-Agent: example-gateway/4.2 (build 11874210)\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 144\r\n\
\r\n\
v=0\r\n\
o=- 2890844526 2890844526 IN IP4 192.0.2.10\r\n\
s=-\r\n\
c=IN IP4 192.0.2.10\r\n\
t=0 0\r\n\
m=audio 49170 RTP/AVP 0 8\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=sendrecv\r\n";

/// The same fields with longer values and no body: 729 octets of head.
pub(crate) const INVITE_HEAD: &[u8] = b"INVITE sip:+12125551234@proxy.example.com:5060;transport=udp SIP/2.0\r\n\
Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---8b2f1a6c4d3e9f70;rport\r\n\
Max-Forwards: 70\r\n\
Record-Route: <sip:edge1.example.com;lr>, <sip:edge2.example.com;lr>\r\n\
From: \"Alice\" <sip:alice@example.com>;tag=9fxced76sl\r\n\
To: <sip:+12125551234@proxy.example.com>\r\n\
Call-ID: 3848276298220188511@192.0.2.10\r\n\
CSeq: 1 INVITE\r\n\
Contact: <sip:alice@192.0.2.10:5060;transport=udp>;+sip.instance=\"<urn:uuid:f81d4fae>\"\r\n\
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, UPDATE, REFER, INFO\r\n\
Supported: replaces, timer, 100rel, outbound\r\n\
P-Asserted-Identity: \"Alice\" <sip:+12125550001@example.com>\r\n\
Session-Expires: 1800\r\n\
User-Agent: example-gateway/4.2\r\n\
Content-Length: 0\r\n\
\r\n";

/// What can be measured: a name and one round.
pub(crate) type Work = (&'static str, fn(&mut State));

/// Buffers that live from round to round, as they do in a worker.
pub(crate) struct State {
    index: Index,
    limits: Limits,
    edits: Edits,
    frame: Vec<u8>,
}

impl State {
    pub(crate) fn new() -> Self {
        Self { index: Index::new(), limits: Limits::default(), edits: Edits::new(), frame: vec![0; 2048] }
    }

    fn with(&mut self, bytes: &[u8], work: impl FnOnce(&Message<'_>)) {
        let message = parse(black_box(bytes), &mut self.index, &self.limits).expect("the workload is a message");
        work(&message);
    }
}

/// Everything measured, smallest first.
pub(crate) const WORK: &[Work] = &[
    ("index 729 octets, 14 fields, with body", |state| state.with(INVITE, |message| keep(message.body()))),
    ("index 729 octets, 14 fields, head only", |state| state.with(INVITE_HEAD, |message| keep(message.body()))),
    ("index and typical typed fields", |state| state.with(INVITE, typical)),
    ("index and validation", |state| {
        let limits = state.limits;
        state.with(INVITE, |message| keep(check(message, &limits)));
    }),
    ("index and every field", |state| state.with(INVITE, every)),
    ("index, validation and patch in place", forward),
];

/// Makes the compiler believe that the value is used.
fn keep<T>(value: T) {
    black_box(&value);
}

fn typical(message: &Message<'_>) {
    keep(message.request_uri());
    keep(message.top_via());
    keep(message.from());
    keep(message.to());
    keep(message.call_id());
    keep(message.cseq());
    keep(message.max_forwards());
}

fn every(message: &Message<'_>) {
    typical(message);
    for field in message.fields() {
        for element in field.elements() {
            black_box(element);
        }
    }
    keep(message.from().map(|from| from.parsed_uri()));
    keep(message.to().map(|to| to.parsed_uri()));
    for contact in message.name_addrs(HeaderId::CONTACT) {
        keep(contact.map(|contact| contact.parsed_uri()));
    }
    keep(message.seconds(HeaderId::SESSION_EXPIRES));
    keep(message.seconds(HeaderId::MIN_SE));
    keep(message.content_length());
}

/// What a stateless proxy does to a request: RFC 3261 §16.6 steps 3 and 8, RFC 3581 §4.
fn forward(state: &mut State) {
    const HEADROOM: usize = 256;
    let end = HEADROOM + INVITE.len();
    if let Some(frame) = state.frame.get_mut(HEADROOM..end) {
        frame.copy_from_slice(black_box(INVITE));
    }
    state.edits.clear();
    {
        let bytes = state.frame.get(HEADROOM..end).unwrap_or_default();
        let message = parse(bytes, &mut state.index, &state.limits).expect("the workload is a message");
        let essentials = check(&message, &state.limits).expect("the workload is valid");
        state.edits.insert(
            message.fields_start(),
            b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK0123456789abcdef0123456789abcdef\r\n",
        );
        if let Some(rport) = essentials.via.rport_range() {
            state.edits.insert(rport.end, b"=5060;received=192.0.2.10");
        }
        if let Some(field) = message.first(HeaderId::MAX_FORWARDS) {
            state.edits.replace(field.value_range(), b"69");
        }
    }
    keep(state.edits.apply_in_place(&mut state.frame, HEADROOM..end));
}
