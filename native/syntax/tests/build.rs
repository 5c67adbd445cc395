//! Own messages. RFC 3261 §8.1.1, §8.2.6, §18.2.1; RFC 3581 §4.
#![allow(missing_docs, clippy::panic, clippy::unwrap_used, reason = "tests")]

#[macro_use]
mod common;

use common::{parsed, request, show};
use dialplane_syntax::{HeaderId, Limits, Message, RequestBuilder, reason_phrase, validate, write_response};
use std::net::SocketAddr;

fn response(bytes: &[u8], status: u16, to_tag: Option<&[u8]>, source: &str) -> Vec<u8> {
    parsed(bytes, |result| {
        let mut out = Vec::new();
        let source: SocketAddr = source.parse().unwrap();
        write_response(&result.unwrap(), status, b"", to_tag, source, |_| {}, b"", &mut out);
        out
    })
}

fn vias(message: &Message<'_>) -> Vec<String> {
    message.all(HeaderId::VIA).map(|field| show(field.value)).collect()
}

/// The top Via of a request, where the request came from, and the top Via of the response.
fn via(value: &str, source: &str, expected: &str) {
    let out = response(&request(&[("Via", value)]), 200, None, source);
    parsed(&out, |result| assert_eq!(vias(&result.unwrap()), [show(expected.as_bytes())]));
}

cases! { via:
    from_where_it_says("SIP/2.0/UDP 192.0.2.1:5060;branch=z9", "192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9");
    rfc3261_18_2_1_a_name("SIP/2.0/UDP bobspc.biloxi.com:5060;branch=z9", "192.0.2.4:5060", "SIP/2.0/UDP bobspc.biloxi.com:5060;branch=z9;received=192.0.2.4");
    another_address("SIP/2.0/UDP 10.0.0.1;branch=z9", "192.0.2.4:1024", "SIP/2.0/UDP 10.0.0.1;branch=z9;received=192.0.2.4");
    rfc3581_4_rport("SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9", "192.0.2.1:9988", "SIP/2.0/UDP 10.1.1.1:4540;branch=z9;received=192.0.2.1;rport=9988");
    rport_from_where_it_says("SIP/2.0/UDP 192.0.2.1:5060;rport", "192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.1:5060;received=192.0.2.1;rport=5060");
    an_ipv6_source("SIP/2.0/UDP [2001:db8::1];branch=z9;rport", "[2001:db8::9]:5061", "SIP/2.0/UDP [2001:db8::1];branch=z9;received=2001:db8::9;rport=5061");
    the_same_ipv6_address_in_another_text("SIP/2.0/UDP [2001:DB8:0::9];branch=z9", "[2001:db8::9]:5061", "SIP/2.0/UDP [2001:DB8:0::9];branch=z9");
    what_the_sender_wrote_is_dropped(
        "SIP/2.0/UDP a;received=203.0.113.9;x=y;rport=53;branch=z9",
        "192.0.2.1:5060",
        "SIP/2.0/UDP a;x=y;branch=z9;received=192.0.2.1;rport=5060",
    );
    only_the_first_of_a_list(
        "SIP/2.0/UDP a;branch=z9, SIP/2.0/TCP b;received=1.2.3.4",
        "192.0.2.1:5060",
        "SIP/2.0/UDP a;branch=z9;received=192.0.2.1, SIP/2.0/TCP b;received=1.2.3.4",
    );
}

#[test]
fn a_response_repeats_what_the_rfc_says() {
    let bytes = request(&[("Via", "SIP/2.0/UDP a;branch=z9\r\nVia: SIP/2.0/UDP b"), ("Record-Route", "<sip:p;lr>")]);
    let out = response(&bytes, 404, Some(b"xyz"), "192.0.2.1:5060");
    assert_eq!(
        show(&out),
        show(
            b"SIP/2.0 404 Not Found\r\n\
              Via: SIP/2.0/UDP a;branch=z9;received=192.0.2.1\r\n\
              Via: SIP/2.0/UDP b\r\n\
              From: \"Alice\" <sip:alice@example.com>;tag=88\r\n\
              To: <sip:bob@example.net>;tag=xyz\r\n\
              Call-ID: a84b4c76e66710@192.0.2.1\r\n\
              CSeq: 1 OPTIONS\r\n\
              Content-Length: 0\r\n\r\n"
        )
    );
    parsed(&out, |result| assert_eq!(validate(&result.unwrap(), &Limits::default()), Ok(())));
}

/// To of the request, status, and To of the response.
fn to(value: &str, status: u16, expected: &str) {
    let out = response(&request(&[("To", value)]), status, Some(b"new"), "192.0.2.1:5060");
    parsed(&out, |result| {
        assert_eq!(show(result.unwrap().first(HeaderId::TO).unwrap().value), show(expected.as_bytes()))
    });
}

cases! { to:
    a_tag_is_added("<sip:b@c>", 200, "<sip:b@c>;tag=new");
    a_tag_is_added_to_a_provisional_response("<sip:b@c>", 180, "<sip:b@c>;tag=new");
    rfc3261_8_2_6_2_not_to_100("<sip:b@c>", 100, "<sip:b@c>");
    a_tag_that_is_there_stays("<sip:b@c>;tag=old", 200, "<sip:b@c>;tag=old");
    a_bare_uri("sip:b@c", 200, "sip:b@c;tag=new");
    a_tag_of_the_uri_is_none("<sip:b@c;tag=x>", 200, "<sip:b@c;tag=x>;tag=new");
    what_cannot_be_read_stays("\"b <sip:b@c>", 400, "\"b <sip:b@c>");
}

#[test]
fn fields_of_the_answerer_and_a_body() {
    parsed(&request(&[]), |result| {
        let mut out = Vec::new();
        let write = |fields: &mut dialplane_syntax::Fields<'_>| {
            fields.field(HeaderId::CONTACT, b"<sip:b@192.0.2.2>").number(HeaderId::EXPIRES, 3600);
            fields.named(b"X-Note", b"a\r\nVia: evil\0");
            fields.field_with(HeaderId::SUBJECT, |out| out.extend_from_slice(b"s\nt"));
        };
        write_response(&result.unwrap(), 200, b"Very\r\nfine", None, None, write, b"body", &mut out);
        parsed(&out, |result| {
            let message = result.unwrap();
            assert_eq!(validate(&message, &Limits::default()), Ok(()));
            assert_eq!(show(&message.bytes()[message.start_line_range()]), "SIP/2.0 200 Very  fine");
            let value = |name: &str| show(message.by_name(name.as_bytes()).next().unwrap().value);
            assert_eq!((value("Contact"), value("Expires")), ("<sip:b@192.0.2.2>".into(), "3600".into()));
            assert_eq!((value("X-Note"), value("Subject")), ("a  Via: evil".into(), "s t".into()));
            assert_eq!((message.body(), value("Content-Length")), (&b"body"[..], "4".into()));
            assert_eq!(vias(&message), ["SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK77"], "no source, no change");
        });
    });
}

#[test]
fn a_refused_request_can_be_answered() {
    for bytes in [
        &b"OPTIONS  sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a;;\r\nTo: <\r\nCSeq: x\r\n\r\n"[..],
        b"X sip:b SIP/9.0\r\n:\r\n\r\n",
    ] {
        let out = response(bytes, 400, Some(b"t"), "192.0.2.1:5060");
        assert!(out.starts_with(b"SIP/2.0 400 Bad Request\r\n") && out.ends_with(b"Content-Length: 0\r\n\r\n"));
    }
}

#[test]
fn a_request_is_written_and_read() {
    let mut out = Vec::new();
    let mut builder = RequestBuilder::new(b"OPTIONS", b"sip:b@c;x=1 2\r\n", &mut out);
    builder
        .fields()
        .field(HeaderId::VIA, b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
        .number(HeaderId::MAX_FORWARDS, 70)
        .field(HeaderId::FROM, b"<sip:a@b>;tag=1")
        .field(HeaderId::TO, b"<sip:b@c>")
        .field(HeaderId::CALL_ID, b"1@192.0.2.1")
        .field(HeaderId::CSEQ, b"1 OPTIONS");
    builder.body(b"");
    parsed(&out, |result| {
        let message = result.unwrap();
        assert_eq!(validate(&message, &Limits::default()), Ok(()));
        assert_eq!(show(message.uri().unwrap()), "sip:b@c;x=1%202%0D%0A");
        assert_eq!((message.field_count(), message.max_forwards()), (7, Ok(Some(70))));
    });
}

#[test]
fn every_status_has_a_phrase() {
    assert_eq!(reason_phrase(486), "Busy Here");
    assert_eq!(reason_phrase(505), "Version Not Supported");
    assert_eq!(
        (reason_phrase(299), reason_phrase(499), reason_phrase(599)),
        ("Success", "Request Failure", "Server Error")
    );
    assert!((100..700).all(|status| !reason_phrase(status).is_empty()));
}

#[test]
fn lines_and_values_made_on_the_way() {
    let mut out = Vec::new();
    let mut builder = RequestBuilder::new(b"INFO", b"sip:b@c\0\n", &mut out);
    builder
        .fields()
        .lines(b"Via: SIP/2.0/UDP a;branch=z9\r\n")
        .field_with(HeaderId::CONTACT, |out| out.extend_from_slice(b"<sip:a@b>\r\nEvil: yes"));
    builder.body(b"x");
    parsed(&out, |result| {
        let message = result.unwrap();
        assert_eq!(show(message.uri().unwrap()), "sip:b@c%00%0A");
        assert_eq!(vias(&message), ["SIP/2.0/UDP a;branch=z9"]);
        assert!(message.by_name(b"Evil").next().is_none(), "a value cannot end its line");
        assert_eq!((message.content_length(), message.body()), (Ok(Some(1)), &b"x"[..]));
    });
}
