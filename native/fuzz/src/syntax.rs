//! Bodies for the parser, the patcher and the builder.
//!
//! They panic where an invariant does not hold; whatever the octets are, none may be found.

use dialplane_syntax::header::{RAck, delta_seconds, option_tags};
use dialplane_syntax::stream::Framed;
use dialplane_syntax::stun::{self, Stun};
use dialplane_syntax::uri::{equal, unescape, write_aor, write_escaped_user};
use dialplane_syntax::{
    CSeq, Contacts, Digest, Edits, Framer, HeaderId, Host, Index, Limits, Message, NameAddr, RequestBuilder, Status,
    Uri, Via, check, parse, parse_stream, write_response,
};
use std::net::SocketAddr;

/// One datagram: every view of it stays within it, and says what its octets say. If it is STUN, its answer is too.
pub fn datagram(data: &[u8]) {
    with_message(data, look_at_everything);
    let Some(Stun::Request(request)) = stun::read(data) else { return };
    for (source, more) in [(SocketAddr::from(([192, 0, 2, 1], 5060)), 14), (SocketAddr::from(([0x2001; 8], 5060)), 24)]
    {
        let mut out = Vec::new();
        stun::write_answer(&request, source, &mut out);
        assert_eq!(stun::read(&out), Some(Stun::Response));
        assert!(out.len() <= data.len() + more);
    }
}

/// Octets of a stream in pieces of any size give the messages that they give in one piece.
pub fn stream(data: &[u8]) {
    let Some((seed, octets)) = data.split_first() else { return };
    let whole = messages(octets, octets.len().max(1));
    for piece in [1, 2, 3, 7 + usize::from(*seed), 64 + usize::from(*seed)] {
        assert_eq!(messages(octets, piece), whole, "in pieces of {piece}");
    }
}

/// What has been read is written as it was, and field by field it says the same.
pub fn rewrite(data: &[u8]) {
    with_message(data, |message| {
        let bytes = message.bytes();
        let mut same = bytes[message.start_line_range()].to_vec();
        same.extend_from_slice(b"\r\n");
        message.fields().for_each(|field| same.extend_from_slice(&bytes[field.line_range()]));
        if message.fault().is_some() {
            // Lines that are no fields are not given, and the head may have no end.
            return;
        }
        same.extend_from_slice(b"\r\n");
        same.extend_from_slice(message.body());
        assert_eq!(same, bytes);
        let Some((method, uri)) = message.method_name().zip(message.uri()) else { return };
        let mut out = Vec::new();
        let mut builder = RequestBuilder::new(method, uri, &mut out);
        let fields: Vec<_> = message.fields().filter(|field| field.id != HeaderId::CONTENT_LENGTH).collect();
        for field in &fields {
            builder.fields().named(field.name, field.value);
        }
        builder.body(message.body());
        let mut index = Index::with_capacity(fields.len() + 1);
        let limits = Limits { message: usize::MAX, fields: usize::MAX, field: usize::MAX, ..Limits::default() };
        let again = parse(&out, &mut index, &limits).expect("what the builder writes can be read");
        assert_eq!((again.method(), again.body()), (message.method(), message.body()));
        assert_eq!(again.field_count(), fields.len() + 1);
        for (written, read) in again.fields().zip(&fields) {
            assert_eq!((written.id, written.name), (read.id, read.name));
            assert_eq!(written.value.len(), read.value.len());
        }
    });
}

/// URIs, hosts and addresses-of-record.
pub fn uri(data: &[u8]) {
    let _ = Host::parse(data);
    let mut out = Vec::new();
    write_escaped_user(data, &mut out);
    let mut plain = Vec::new();
    unescape(&out, &mut plain);
    assert_eq!(plain, data);
    let Ok(uri) = Uri::parse(data) else { return };
    assert!(data.is_ascii() && !data.contains(&b' ') && !data.contains(&0));
    let _ = equal(&uri, &uri);
    let mut aor = Vec::new();
    write_aor(&uri, &mut aor);
    if let Uri::Sip(sip) = uri {
        let written = written_host(&sip.host);
        assert_eq!(
            Host::parse(&written).map(|host| host.matches(&sip.host)),
            Some(true),
            "the canonical host is the same host"
        );
        assert!(aor.ends_with(&written));
        for param in sip.params {
            assert!(sip.params.contains(param.name));
        }
        let _ = sip.headers().count();
        // The parts make the URI again.
        let mut again = if sip.secure { b"sips:".to_vec() } else { b"sip:".to_vec() };
        if let Some(user) = sip.user {
            again.extend_from_slice(user);
            if let Some(password) = sip.password {
                again.push(b':');
                again.extend_from_slice(password);
            }
            again.push(b'@');
        }
        again.extend_from_slice(sip.hostport());
        again.extend_from_slice(sip.params.raw());
        if !sip.headers.is_empty() {
            again.push(b'?');
            again.extend_from_slice(sip.headers);
        }
        assert!(again.eq_ignore_ascii_case(data));
    }
}

/// Typed values on their own: what lies behind the octets must not matter to them.
pub fn values(data: &[u8]) {
    let longer = [data, b";tag=behind,<sip:behind@example.com>\"@%41?=".as_slice()].concat();
    let inside = &longer[..data.len()];
    assert_eq!(Via::parse(inside, 0), Via::parse(data, 0));
    assert_eq!(NameAddr::parse(inside, 0, HeaderId::TO), NameAddr::parse(data, 0, HeaderId::TO));
    assert_eq!(CSeq::parse(inside), CSeq::parse(data));
    assert_eq!(Uri::parse(inside), Uri::parse(data));
    if let Ok(via) = Via::parse(data, 0) {
        assert!(data.starts_with(&data[via.range()]));
        for range in [via.rport_range(), via.received_range(), Some(via.sent_by_range())].into_iter().flatten() {
            assert!(data.get(range).is_some());
        }
        assert_eq!(via.rport.is_some(), via.rport_range().is_some());
        assert_eq!(via.received.is_some(), via.received_range().is_some());
    }
    if let Ok(address) = NameAddr::parse(data, 0, HeaderId::TO) {
        assert_eq!(&data[address.uri_range()], address.uri);
        assert_eq!(address.tag(), address.params().find(b"tag").flatten());
        let _ = address.parsed_uri();
    }
    let _ = (RAck::parse(data), delta_seconds(data));
}

/// Credentials and challenges.
pub fn digest(data: &[u8]) {
    let Ok(digest) = Digest::parse(data, HeaderId::AUTHORIZATION) else { return };
    if !digest.is_digest() {
        return;
    }
    let named = [
        (&b"username"[..], digest.username),
        (b"realm", digest.realm),
        (b"nonce", digest.nonce),
        (b"response", digest.response),
    ];
    for (name, value) in named {
        assert_eq!(digest.find(name), value);
    }
    if let Some(qop) = digest.qop {
        let _ = Digest::list_contains(qop, b"auth");
    }
    assert!(digest.params().all(|param| !param.name.is_empty()));
}

/// A message that passes gives all that an element works with; limits hold.
pub fn validate(data: &[u8]) {
    with_message(data, |message| {
        let limits = Limits { via: 4, route: 3, contacts: 2, ..Limits::default() };
        let checked = check(message, &limits);
        assert_eq!(checked.map(|_| ()), dialplane_syntax::validate(message, &limits));
        let Ok(essentials) = checked else { return };
        assert!(message.fault().is_none());
        assert_eq!(Ok(essentials.via), message.top_via());
        assert_eq!((Ok(essentials.from), Ok(essentials.to)), (message.from(), message.to()));
        assert_eq!((Ok(essentials.call_id), Ok(essentials.cseq)), (message.call_id(), message.cseq()));
        assert!(message.elements(HeaderId::VIA).count() <= limits.via);
        assert!(message.elements(HeaderId::ROUTE).count() <= limits.route);
        if let Some(method) = message.method_name() {
            assert_eq!(method, essentials.cseq.method_name);
            assert_eq!(message.uri().map(Uri::parse), essentials.uri.map(Ok));
        }
    });
}

/// Edits as a sequence of operations: by copy, in place, and by the plain meaning of the ranges.
pub fn edits(data: &[u8]) {
    let Some((head, message)) = data.split_at_checked(data.len().min(24)) else { return };
    let mut edits = Edits::new();
    let mut expected = Vec::new();
    let mut at = 0;
    for (number, operation) in head.chunks_exact(3).enumerate() {
        let start = (at + usize::from(operation[0])).min(message.len());
        let end = (start + usize::from(operation[1] % 32)).min(message.len());
        let text = vec![b'A' + number as u8; usize::from(operation[2] % 64)];
        edits.replace(start..end, &text);
        expected.extend_from_slice(&message[at..start]);
        expected.extend_from_slice(&text);
        at = end;
    }
    expected.extend_from_slice(&message[at..]);
    let mut copied = Vec::new();
    edits.apply(message, &mut copied);
    assert_eq!(copied, expected);
    let headroom = 512;
    let mut frame = vec![b'#'; headroom];
    frame.extend_from_slice(message);
    frame.extend_from_slice(b"$$$$");
    let range = edits.apply_in_place(&mut frame, headroom..headroom + message.len()).expect("there is room");
    assert_eq!(&frame[range.clone()], expected);
    assert!(frame.ends_with(b"$$$$") && frame[..range.start.min(headroom)].iter().all(|octet| *octet == b'#'));
}

/// Any request can be answered, and the answer can be read.
pub fn response(data: &[u8]) {
    with_message(data, |message| {
        let mut out = Vec::new();
        let source: SocketAddr = "192.0.2.1:5060".parse().expect("an address");
        write_response(message, 400, b"", Some(b"tag"), source, |_| {}, b"", &mut out);
        let mut index = Index::with_capacity(message.field_count() + 8);
        let limits = Limits { message: usize::MAX, fields: usize::MAX, field: usize::MAX, ..Limits::default() };
        let answer = parse(&out, &mut index, &limits).expect("a response can be read");
        assert_eq!((answer.status(), answer.body()), (Some(400), &b""[..]));
        if check(message, &Limits::default()).is_ok() {
            let checked = check(&answer, &limits).expect("the answer to a good request is good");
            assert!(checked.to.tag().is_some());
            assert_eq!(message.vias().flatten().count(), answer.vias().flatten().count());
            let via = checked.via;
            assert!(via.received.is_some() || via.host.address() == Some(source.ip()));
        }
    });
}

fn with_message(data: &[u8], look: impl FnOnce(&Message<'_>)) {
    let mut index = Index::new();
    if let Ok(message) = parse(data, &mut index, &Limits::default()) {
        look(&message);
    }
}

fn look_at_everything(message: &Message<'_>) {
    let bytes = message.bytes();
    assert_eq!(message.fields().count(), message.field_count());
    let _ = (
        message.start_line(),
        message.body(),
        message.from(),
        message.to(),
        message.call_id(),
        message.cseq(),
        message.max_forwards(),
    );
    let _ = (message.content_length(), message.expires(), message.seconds(HeaderId::SESSION_EXPIRES));
    for field in message.fields() {
        assert_eq!(&bytes[field.value_range()], field.value);
        assert!(
            field.line_range().start <= field.value_range().start && field.value_range().end <= field.line_range().end
        );
        assert!(message.all(field.id).any(|found| found == field));
        assert!(field.name.is_empty() || message.by_name(field.name).any(|found| found == field));
        for element in field.elements() {
            assert_eq!(&bytes[element.range()], element.value);
            let removed = element.removal_range();
            assert!(
                removed.start <= element.range().start
                    && element.range().end <= removed.end
                    && removed.end <= field.line_range().end
            );
        }
        let _ = Digest::parse(field.value, field.id);
    }
    for via in message.vias().flatten() {
        assert_eq!(Via::parse(&bytes[via.range()], via.range().start), Ok(via));
    }
    for id in [HeaderId::ROUTE, HeaderId::RECORD_ROUTE, HeaderId::PATH, HeaderId::P_ASSERTED_IDENTITY] {
        assert!(message.name_addrs(id).flatten().all(|address| bytes[address.uri_range()] == *address.uri));
        let _ = option_tags(message, id).count();
    }
    if let Ok(Contacts::List(contacts)) = message.contacts() {
        for contact in contacts.flatten() {
            let _ = contact.parsed_uri();
        }
    }
}

/// The messages of a stream that arrives in such pieces, and whether it went wrong.
fn messages(octets: &[u8], piece: usize) -> (Vec<Vec<u8>>, bool) {
    let limits = Limits { message: 2048, ..Limits::default() };
    let (mut index, mut framer) = (Index::new(), Framer::new());
    let (mut found, mut start, mut end) = (Vec::new(), 0, 0);
    while end < octets.len() {
        end = (end + piece).min(octets.len());
        loop {
            let buffer = &octets[start..end];
            let length = match framer.poll(buffer, &mut index, &limits) {
                Ok(Framed::Partial) => break,
                Ok(Framed::KeepAlive(length) | Framed::Skip(length)) => length,
                Ok(Framed::Message(length)) => {
                    let Ok(Status::Complete(message)) = parse_stream(&buffer[..length], &mut index, &limits) else {
                        panic!("what has been framed can be parsed");
                    };
                    assert_eq!(message.bytes().len(), length);
                    found.push(buffer[..length].to_vec());
                    length
                }
                Err(_) => return (found, true),
            };
            start += length;
        }
    }
    (found, false)
}

fn written_host(host: &Host<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    host.write(&mut out);
    out
}
