//! Typed values. RFC 3261 §20, RFC 3581, RFC 5118, RFC 7616.
#![allow(missing_docs, clippy::panic, clippy::unwrap_used, reason = "tests")]

#[macro_use]
mod common;

use common::{parsed, request, show, three_ways};
use dialplane_syntax::header::{RAck, delta_seconds, option_tags};
use dialplane_syntax::{CSeq, Contacts, Digest, FieldErrorKind, HeaderId, Host, Method, NameAddr, Via};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is expected of a Via: transport, host, port, branch, received, rport.
type ViaParts<'t> = (&'t str, Host<'t>, Option<u16>, Option<&'t str>, Option<&'t str>, Option<Option<u16>>);

fn via(value: &str, expected: ViaParts<'_>) {
    let check = |via: &Via<'_>| {
        let text = |bytes: Option<&[u8]>| bytes.map(show);
        assert_eq!(show(via.transport), expected.0);
        assert_eq!((via.host, via.port, via.rport), (expected.1, expected.2, expected.5));
        assert_eq!((text(via.branch), text(via.received)), (expected.3.map(Into::into), expected.4.map(Into::into)));
    };
    check(&Via::parse(value.as_bytes(), 0).unwrap_or_else(|error| panic!("{value}: {error}")));
    three_ways(&request(&[("Via", value)]), |message| {
        let via = message.top_via().unwrap();
        check(&via);
        assert_eq!(&message.bytes()[via.sent_by_range()], via.sent_by());
        assert_eq!(Some(Ok(via)), message.vias().next());
    });
    three_ways(&request(&[("Via", &format!("{value}, SIP/2.0/UDP second.example.com"))]), |message| {
        check(&message.top_via().unwrap());
        assert_eq!(message.vias().nth(1).unwrap().unwrap().host, Host::Name(b"second.example.com"));
    });
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Host<'static> {
    Host::V4(Ipv4Addr::new(a, b, c, d))
}

cases! { via:
    the_usual_via("SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776", ("UDP", Host::Name(b"pc33.atlanta.com"), None, Some("z9hG4bK776"), None, None));
    a_port("SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK7", ("TCP", v4(192, 0, 2, 1), Some(5060), Some("z9hG4bK7"), None, None));
    an_empty_rport("SIP/2.0/UDP a;rport;branch=z9hG4bK7", ("UDP", Host::Name(b"a"), None, Some("z9hG4bK7"), None, Some(None)));
    an_rport_with_value("SIP/2.0/UDP a;rport=4711;branch=b", ("UDP", Host::Name(b"a"), None, Some("b"), None, Some(Some(4711))));
    a_received_address("SIP/2.0/UDP a;received=192.0.2.9;rport=1", ("UDP", Host::Name(b"a"), None, None, Some("192.0.2.9"), Some(Some(1))));
    rfc5118_4_5_received_without_brackets(
        "SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9",
        ("UDP", Host::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 9, 1)), None, Some("z9"), Some("2001:db8::9:255"), None),
    );
    rfc5118_4_5_received_with_brackets(
        "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9",
        ("UDP", Host::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 9, 1)), None, Some("z9"), Some("[2001:db8::9:255]"), None),
    );
    an_ipv6_host_with_port(
        "SIP/2.0/UDP [::1]:5070;branch=b",
        ("UDP", Host::V6(Ipv6Addr::LOCALHOST), Some(5070), Some("b"), None, None),
    );
    no_params("SIP/2.0/SCTP a", ("SCTP", Host::Name(b"a"), None, None, None, None));
    names_in_any_case("SIP/2.0/UDP a;BRANCH=b;Received=1.2.3.4;RPort", ("UDP", Host::Name(b"a"), None, Some("b"), Some("1.2.3.4"), Some(None)));
    rfc4475_3_1_1_1_wsinv(
        "SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw",
        ("UDP", v4(192, 0, 2, 2), None, Some("390skdjuw"), None, None),
    );
    blanks_everywhere(
        "SIP  /    2.0   / UDP  192.168.255.111 : 5060  ; branch=\r\n z9hG4bK30239 ; rport ; x = y",
        ("UDP", v4(192, 168, 255, 111), Some(5060), Some("z9hG4bK30239"), None, Some(None)),
    );
    the_protocol_in_lower_case("sip/2.0/udp a;branch=b", ("udp", Host::Name(b"a"), None, Some("b"), None, None));
    extension_params("SIP/2.0/WSS a;keep;x=\"q;,=\";branch=b;alias", ("WSS", Host::Name(b"a"), None, Some("b"), None, None));
    an_empty_branch("SIP/2.0/UDP 193.175.133.193;branch=", ("UDP", v4(193, 175, 133, 193), None, Some(""), None, None));
    every_octet_of_a_branch("SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~", ("TCP", Host::Name(b"host1.example.com"), None, Some("z9hG4bK-.!%66*_+`\\'~"), None, None));
    a_branch_of_the_length_of_a_window("SIP/2.0/UDP a;branch=z9hG4bK0123456789012345678901234", ("UDP", Host::Name(b"a"), None, Some("z9hG4bK0123456789012345678901234"), None, None));
    a_branch_that_is_long(
        "SIP/2.0/UDP a;branch=z9hG4bK0123456789012345678901234567890123456789012345678901234567890;rport",
        ("UDP", Host::Name(b"a"), None, Some("z9hG4bK0123456789012345678901234567890123456789012345678901234567890"), None, Some(None)),
    );
    a_host_with_an_underscore("SIP/2.0/UDP my_host:5060;branch=b", ("UDP", Host::Name(b"my_host"), Some(5060), Some("b"), None, None));
}

fn faulty_via(value: &str, kind: FieldErrorKind) {
    assert_eq!(Via::parse(value.as_bytes(), 0).map_err(|error| error.kind), Err(kind), "{value}");
    three_ways(&request(&[("Via", value)]), |message| {
        assert_eq!(message.top_via().map_err(|error| (error.header, error.kind)), Err((HeaderId::VIA, kind)));
    });
}

cases! { faulty_via:
    rfc4475_3_1_2_1_badinv01("SIP/2.0/UDP 192.0.2.15;;,;,,", FieldErrorKind::Malformed);
    a_final_semicolon("SIP/2.0/UDP a;", FieldErrorKind::Malformed);
    no_transport("SIP/2.0/ a", FieldErrorKind::Malformed);
    no_sent_by("SIP/2.0/UDP ;branch=b", FieldErrorKind::Malformed);
    no_blank("SIP/2.0/UDP", FieldErrorKind::Malformed);
    another_version_of_the_protocol("SIP/3.0/UDP a", FieldErrorKind::Malformed);
    another_name_of_the_protocol("HTTP/2.0/UDP a", FieldErrorKind::Malformed);
    a_comment("SIP/2.0/UDP a (comment)", FieldErrorKind::Malformed);
    no_digits_after_the_colon("SIP/2.0/UDP a:;branch=b", FieldErrorKind::Malformed);
    a_port_above_65535("SIP/2.0/UDP a:70000", FieldErrorKind::OutOfRange);
    an_rport_above_65535("SIP/2.0/UDP a;rport=70000", FieldErrorKind::OutOfRange);
    a_ttl_above_255("SIP/2.0/UDP a;ttl=256", FieldErrorKind::OutOfRange);
    a_ttl_that_is_no_number("SIP/2.0/UDP a;ttl=x", FieldErrorKind::Malformed);
    two_branches("SIP/2.0/UDP a;branch=b;branch=c", FieldErrorKind::Repeated);
    two_rports("SIP/2.0/UDP a;rport;rport=5", FieldErrorKind::Repeated);
    a_branch_without_value("SIP/2.0/UDP a;branch", FieldErrorKind::Malformed);
    a_quote_left_open("SIP/2.0/UDP a;x=\"y", FieldErrorKind::Malformed);
    a_label_that_is_empty("SIP/2.0/UDP a..b", FieldErrorKind::Malformed);
    a_host_that_is_not_ascii("SIP/2.0/UDP hö", FieldErrorKind::Malformed);
    an_ipv6_address_without_brackets("SIP/2.0/UDP 2001:db8::1", FieldErrorKind::Malformed);
    an_ipv6_reference_left_open("SIP/2.0/UDP [2001:db8::1", FieldErrorKind::Malformed);
}

#[test]
fn a_via_that_cannot_be_read_does_not_hide_the_next() {
    three_ways(&request(&[("Via", "SIP/2.0/UDP a;;, SIP/2.0/UDP b, , SIP/2.0/UDP c")]), |message| {
        let hosts: Vec<_> = message.vias().map(|via| via.ok().map(|via| show(via.sent_by()))).collect();
        assert_eq!(hosts, [None, Some("b".into()), None, Some("c".into())]);
    });
}

#[test]
fn ranges_of_a_via_are_where_a_proxy_edits() {
    let value = "SIP/2.0/UDP a:1;rport;branch=z9hG4bKx;received=1.2.3.4";
    parsed(&request(&[("Via", value)]), |result| {
        let message = result.unwrap();
        let via = message.top_via().unwrap();
        let at = |range: std::ops::Range<usize>| show(&message.bytes()[range]);
        assert_eq!(at(via.range()), value);
        assert_eq!(via.rport_range().map(at), Some("rport".into()));
        assert_eq!(via.received_range().map(at), Some("received=1.2.3.4".into()));
        assert_eq!(at(via.sent_by_range()), "a:1");
        assert!(via.has_cookie());
    });
    assert!(!Via::parse(b"SIP/2.0/UDP a;branch=z9hG4bK", 0).unwrap().has_cookie(), "RFC 4475 §3.2.1 badbranch");
    assert!(!Via::parse(b"SIP/2.0/UDP a", 0).unwrap().has_cookie());
}

/// What is expected of an address: display name, URI, tag, number of parameters.
fn address(value: &str, display: Option<&str>, uri: &str, tag: Option<&str>, params: usize) {
    let text = |text: Option<&str>| text.map(|text| show(text.as_bytes()));
    let check = |address: &NameAddr<'_>| {
        assert_eq!(address.display.map(show), text(display), "{value}");
        assert_eq!((show(address.uri), address.tag().map(show)), (show(uri.as_bytes()), text(tag)), "{value}");
        assert_eq!(address.params().iter().count(), params, "{value}");
    };
    check(&NameAddr::parse(value.as_bytes(), 0, HeaderId::FROM).unwrap_or_else(|error| panic!("{value}: {error}")));
    three_ways(&request(&[("From", value)]), |message| {
        let from = message.from().unwrap();
        check(&from);
        assert_eq!(&message.bytes()[from.uri_range()], from.uri);
        assert_eq!(show(&message.bytes()[from.range()]), show(value.trim().as_bytes()));
    });
    three_ways(&request(&[("Contact", &format!("{value}, <sip:second@example.com>"))]), |message| {
        let Contacts::List(mut contacts) = message.contacts().unwrap() else { panic!("no star") };
        check(&contacts.next().unwrap().unwrap());
        assert_eq!(contacts.next().unwrap().unwrap().uri, b"sip:second@example.com");
        assert!(contacts.next().is_none());
    });
}

cases! { address:
    a_quoted_name("\"Bob\" <sip:bob@biloxi.com>;tag=a48s", Some("\"Bob\""), "sip:bob@biloxi.com", Some("a48s"), 1);
    no_name("<sip:bob@biloxi.com>;tag=887s", None, "sip:bob@biloxi.com", Some("887s"), 1);
    tokens_as_name("Anonymous Coward <sip:c8oqz84zk7z@privacy.org>;tag=hyh8", Some("Anonymous Coward"), "sip:c8oqz84zk7z@privacy.org", Some("hyh8"), 1);
    rfc4475_3_1_1_6_lwsdisp("caller<sip:caller@example.com>;tag=323", Some("caller"), "sip:caller@example.com", Some("323"), 1);
    a_bare_uri("sip:+12125551212@server.phone2net.com;tag=887s", None, "sip:+12125551212@server.phone2net.com", Some("887s"), 1);
    a_bare_uri_without_params("sip:bob@biloxi.com", None, "sip:bob@biloxi.com", None, 0);
    params_of_the_uri_are_in_brackets("<sip:bob@biloxi.com;lr;x=y>;z", None, "sip:bob@biloxi.com;lr;x=y", None, 1);
    a_comma_and_a_quote_in_the_name("\"A, \\\" B\" <sip:a@b>", Some("\"A, \\\" B\""), "sip:a@b", None, 0);
    a_bracket_in_the_name("\"<sip:evil@b>\" <sip:a@b>", Some("\"<sip:evil@b>\""), "sip:a@b", None, 0);
    a_backslash_at_the_end_of_the_name("\"A\\\\\" <sip:a@b>", Some("\"A\\\\\""), "sip:a@b", None, 0);
    utf_8_in_the_name("\"Жан\" <sip:a@b>", Some("\"Жан\""), "sip:a@b", None, 0);
    an_empty_name("\"\" <sip:a@b>", Some("\"\""), "sip:a@b", None, 0);
    blanks_and_folds("\"J Rosenberg\"\r\n   <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8", Some("\"J Rosenberg\""), "sip:jdrosen@example.com", Some("98asjd8"), 1);
    a_comma_in_the_uri("<sip:a,b@c>;tag=x", None, "sip:a,b@c", Some("x"), 1);
    quoted_params("<sip:a@b>;+sip.instance=\"<urn:uuid:f81d>\";q=0.5;x=\"a;tag=no\"", None, "sip:a@b", None, 3);
    the_first_of_two_tags("<sip:a@b>;tag=one;TAG=two", None, "sip:a@b", Some("one"), 2);
    a_tag_in_upper_case("<sip:a@b>;TAG=x", None, "sip:a@b", Some("x"), 1);
    a_tag_that_is_no_token("<sip:a@b>;tag=AbC/==", None, "sip:a@b", Some("AbC/=="), 1);
    a_name_that_begins_as_tag("<sip:a@b>;tagged=x;ta=y", None, "sip:a@b", None, 2);
    a_tel_uri("<tel:+1-201-555-0123>;tag=x", None, "tel:+1-201-555-0123", Some("x"), 1);
    another_scheme("<urn:service:sos>", None, "urn:service:sos", None, 0);
    rfc4475_3_1_1_2_intmeth(
        "token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"раб\";tag=_token~1'+`*%!-.",
        Some("token1~` token2'+_ token3*%!.-"),
        "sip:mundane@example.com",
        Some("_token~1'+`*%!-."),
        2,
    );
}

fn faulty_address(value: &str) {
    three_ways(&request(&[("To", value)]), |message| {
        let error = message.to().expect_err(value);
        assert_eq!((error.header, error.kind), (HeaderId::TO, FieldErrorKind::Malformed));
    });
}

cases! { faulty_address:
    rfc4475_3_1_2_6_quotbal("\"Mr. J. User <sip:j.user@example.com>");
    rfc4475_3_1_2_14_badaspec("\"Watson\" < sip:t.watson@example.org >");
    rfc4475_3_1_2_15_baddn("Bell, Alexander <sip:a.g.bell@bell-tel.com>;tag=43");
    rfc4475_3_1_2_13_regbadct("sip:user@example.com?Route=%3Csip:sip.example.com%3E");
    a_backslash_before_the_closing_quote("\"A\\\" <sip:a@b>");
    stray_separators("\"Joe\" <sip:joe@example.org>;;;;");
    two_addresses("<sip:a@b>, <sip:c@d>");
    a_bracket_left_open("<sip:a@b");
    a_bracket_too_many("<sip:a@b>>");
    two_brackets("<<sip:a@b>>");
    an_empty_uri("<>");
    nothing("");
    only_semicolons(";;;");
    no_uri("Bob");
    a_quote_left_open_in_a_tag("<sip:a@b>;tag=\"x");
    a_tag_without_value("<sip:a@b>;tag");
    text_behind_the_uri("<sip:a@b> x");
    text_behind_a_bare_uri("sip:a@b x");
    an_octet_that_is_no_ascii("<sip:ä@b>");
    a_quote_in_the_uri("<sip:a\"b@c>");
    a_name_behind_quotes("\"A\" B <sip:a@b>");
}

#[test]
fn a_star_stands_alone() {
    parsed(&request(&[("Contact", "*")]), |result| assert!(matches!(result.unwrap().contacts(), Ok(Contacts::Star))));
    for value in ["*, <sip:a@b>", "<sip:a@b>, *", "*;x=y", "**"] {
        parsed(&request(&[("Contact", value)]), |result| match result.unwrap().contacts() {
            Ok(Contacts::Star) => panic!("{value}"),
            Ok(Contacts::List(mut list)) => assert!(list.any(|contact| contact.is_err()), "{value}"),
            Err(error) => assert_eq!(error.header, HeaderId::CONTACT),
        });
    }
    parsed(&request(&[]), |result| match result.unwrap().contacts() {
        Ok(Contacts::List(mut list)) => assert!(list.next().is_none()),
        other => panic!("{other:?}"),
    });
}

fn cseq(value: &str, expected: Result<(u32, Method, &str), FieldErrorKind>) {
    three_ways(&request(&[("CSeq", value)]), |message| {
        let found = message.cseq().map(|cseq| (cseq.number, cseq.method, show(cseq.method_name)));
        let found = found.map_err(|error| error.kind);
        assert_eq!(found, expected.map(|(number, method, name)| (number, method, name.to_owned())), "{value}");
    });
    let found = CSeq::parse(value.as_bytes());
    assert_eq!(found.is_ok(), expected.is_ok());
}

cases! { cseq:
    the_usual_cseq("4711 INVITE", Ok((4711, Method::Invite, "INVITE")));
    a_cseq_of_eight_letters("1 REGISTER", Ok((1, Method::Register, "REGISTER")));
    a_cseq_of_three_letters("1 ACK", Ok((1, Method::Ack, "ACK")));
    leading_zeros("0009\r\n  INVITE", Ok((9, Method::Invite, "INVITE")));
    many_leading_zeros("000000000000000000000000000007 BYE", Ok((7, Method::Bye, "BYE")));
    the_largest_number("4294967295 BYE", Ok((u32::MAX, Method::Bye, "BYE")));
    an_unknown_method("1 NEWMETHOD", Ok((1, Method::Other, "NEWMETHOD")));
    rfc4475_3_1_2_4_scalar02("36893488147419103232 REGISTER", Err(FieldErrorKind::OutOfRange));
    two_to_the_32nd("4294967296 BYE", Err(FieldErrorKind::OutOfRange));
    no_blank("1BYE", Err(FieldErrorKind::Malformed));
    no_number("BYE", Err(FieldErrorKind::Malformed));
    no_method("1 ", Err(FieldErrorKind::Malformed));
    hexadecimal("0x1 BYE", Err(FieldErrorKind::Malformed));
    two_methods("1 BYE ACK", Err(FieldErrorKind::Malformed));
    negative("-1 BYE", Err(FieldErrorKind::Malformed));
}

#[test]
fn rack_has_two_numbers() {
    let rack = RAck::parse(b"776656 1 INVITE").unwrap();
    assert_eq!((rack.rseq, rack.cseq.number, rack.cseq.method), (776_656, 1, Method::Invite));
    for value in ["776656 INVITE", "1 2", "4294967296 1 INVITE", ""] {
        assert_eq!(RAck::parse(value.as_bytes()).expect_err(value).header, HeaderId::RACK);
    }
}

fn call_id(value: &str, legal: bool) {
    three_ways(&request(&[("Call-ID", value)]), |message| {
        assert_eq!(message.call_id().ok().map(show), legal.then(|| show(value.as_bytes())));
    });
}

cases! { call_id:
    the_usual_call_id("f81d4fae-7dec-11d0-a765-00a0c91e6bf6@foo.bar.com", true);
    one_word("a84b4c76e66710", true);
    rfc4475_3_1_1_2_every_octet_of_a_word("intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{", true);
    two_at_signs("a@b@c", false);
    nothing_behind_the_at_sign("a@", false);
    nothing_before_the_at_sign("@a", false);
    a_blank("a b", false);
    a_semicolon("a;b", false);
    nothing("", false);
    not_ascii("ä", false);
}

fn max_forwards(value: &str, expected: Result<u8, FieldErrorKind>) {
    three_ways(&request(&[("Max-Forwards", value)]), |message| {
        assert_eq!(message.max_forwards().map_err(|error| error.kind), expected.map(Some));
    });
}

cases! { max_forwards:
    the_usual_number("70", Ok(70));
    zero("0", Ok(0));
    with_zeros("0068", Ok(68));
    above_255("300", Ok(255));
    forty_digits("1234567890123456789012345678901234567890", Ok(255));
    below_zero("-1", Err(FieldErrorKind::Malformed));
    an_empty_number("", Err(FieldErrorKind::Malformed));
    two_numbers("70 70", Err(FieldErrorKind::Malformed));
    a_parameter("70;x", Err(FieldErrorKind::Malformed));
}

#[test]
fn seconds_saturate_and_may_have_parameters_where_the_grammar_has_them() {
    let seconds =
        |name, value, id| parsed(&request(&[(name, value)]), |result| result.unwrap().seconds(id).map_err(|e| e.kind));
    assert_eq!(seconds("Expires", "3600", HeaderId::EXPIRES), Ok(Some(3600)));
    assert_eq!(seconds("Expires", "10000000000000000000", HeaderId::EXPIRES), Ok(Some(u32::MAX)));
    assert_eq!(seconds("Expires", "Thu, 01 Dec 1994", HeaderId::EXPIRES), Err(FieldErrorKind::Malformed));
    assert_eq!(seconds("Session-Expires", "4000;refresher=uac", HeaderId::SESSION_EXPIRES), Ok(Some(4000)));
    assert_eq!(seconds("x", "4000 ; refresher=uac", HeaderId::SESSION_EXPIRES), Ok(Some(4000)));
    assert_eq!(seconds("Retry-After", "18000 (in a meeting)", HeaderId::RETRY_AFTER), Ok(Some(18000)));
    assert_eq!(seconds("Subject", "x", HeaderId::EXPIRES), Ok(None));
    assert_eq!(delta_seconds(b"4294967296"), Some(u32::MAX));
    assert_eq!(delta_seconds(b"1e3"), None);
}

#[test]
fn a_single_header_that_comes_twice_is_an_error() {
    let text = "OPTIONS sip:b SIP/2.0\r\nf: <sip:a@b>\r\nFrom: <sip:a@b>\r\nExpires: 1\r\nExpires: 1\r\nEvent: a\r\no: b\r\n\r\n";
    parsed(text.as_bytes(), |result| {
        let message = result.unwrap();
        assert_eq!(message.from().map_err(|error| error.kind), Err(FieldErrorKind::Repeated));
        assert_eq!(message.expires().map_err(|error| error.kind), Err(FieldErrorKind::Repeated));
        assert_eq!(message.single(HeaderId::EVENT).map_err(|error| error.kind), Err(FieldErrorKind::Repeated));
        assert_eq!(message.to().map_err(|error| error.kind), Err(FieldErrorKind::Missing));
        assert_eq!(message.top_via().map_err(|error| error.kind), Err(FieldErrorKind::Missing));
    });
}

#[test]
fn option_tags_go_over_all_fields() {
    let text = "OPTIONS sip:b SIP/2.0\r\nRequire: 100rel,\r\n timer\r\nSupported:\r\nrequire: , outbound ,\r\n\r\n";
    parsed(text.as_bytes(), |result| {
        let message = result.unwrap();
        let tags: Vec<_> = option_tags(&message, HeaderId::REQUIRE).map(show).collect();
        assert_eq!(tags, ["100rel", "timer", "outbound"]);
        assert_eq!(option_tags(&message, HeaderId::SUPPORTED).count(), 0);
    });
}

#[test]
fn digest_parameters_are_read_without_their_quotes() {
    // RFC 7616 §3.9.1, in the form of a SIP request.
    let value = "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"sip:a@b\", algorithm=MD5,\r\n \
         nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, cnonce=\"f2/wE4q74E6z\", qop=auth,\
         response=\"8ca523f5e9506fed4657c9700eebdbec\", opaque=\"a\\\"b\", x=\"y,z\"";
    three_ways(&request(&[("Authorization", value)]), |message| {
        let field = message.first(HeaderId::AUTHORIZATION).unwrap();
        assert_eq!(message.elements(HeaderId::AUTHORIZATION).count(), 1, "commas do not part it");
        let digest = Digest::parse(field.value, field.id).unwrap();
        assert!(digest.is_digest());
        let text = |value: Option<&[u8]>| show(value.unwrap());
        assert_eq!(text(digest.username), "Mufasa");
        assert_eq!(text(digest.realm), "http-auth@example.org");
        assert_eq!(text(digest.uri), "sip:a@b");
        assert_eq!(text(digest.algorithm), "MD5");
        assert_eq!(text(digest.nc), "00000001");
        assert_eq!(text(digest.qop), "auth");
        assert_eq!(text(digest.cnonce), "f2/wE4q74E6z");
        assert_eq!(text(digest.response), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(digest.opaque, Some(&b"a\\\"b"[..]), "escapes stay");
        assert_eq!(digest.find(b"X"), Some(&b"y,z"[..]));
        assert_eq!((digest.stale, digest.userhash), (None, None));
        assert_eq!(digest.params().count(), 11);
    });
}

fn digest(value: &str, expected: Result<usize, FieldErrorKind>) {
    let found = Digest::parse(value.as_bytes(), HeaderId::AUTHORIZATION);
    assert_eq!(found.map(|digest| digest.params().count()).map_err(|error| error.kind), expected, "{value}");
}

cases! { digest:
    no_params("Digest", Ok(0));
    the_scheme_in_any_case("dIGEST realm=\"x\"", Ok(1));
    empty_elements("Digest ,, realm=\"x\",, nonce=\"y\" , ", Ok(2));
    a_uri_without_quotes("Digest uri=sip:a@b;x=y, realm=\"x\"", Ok(2));
    two_users("Digest username=\"a\", username=\"b\"", Err(FieldErrorKind::Repeated));
    two_users_in_two_cases("Digest username=\"a\", USERNAME=\"b\"", Err(FieldErrorKind::Repeated));
    an_unknown_parameter_may_repeat("Digest x=1, x=2", Ok(2));
    no_equals_sign("Digest realm", Err(FieldErrorKind::Malformed));
    a_quote_left_open("Digest realm=\"x", Err(FieldErrorKind::Malformed));
    no_comma("Digest realm=\"x\" nonce=\"y\"", Err(FieldErrorKind::Malformed));
    no_name("Digest =\"x\"", Err(FieldErrorKind::Malformed));
    nothing("", Err(FieldErrorKind::Malformed));
    no_scheme("realm=\"x\"", Err(FieldErrorKind::Malformed));
}

#[test]
fn another_scheme_is_not_looked_into() {
    let digest = Digest::parse(b"NoOneKnowsThisScheme opaque-data=here", HeaderId::AUTHORIZATION).unwrap();
    assert!(!digest.is_digest() && digest.opaque.is_none(), "RFC 4475 §3.3.7 regaut01");
    assert_eq!(digest.scheme, b"NoOneKnowsThisScheme");
}

#[test]
fn lists_in_challenges() {
    assert!(Digest::list_contains(b"auth,auth-int", b"AUTH"));
    assert!(Digest::list_contains(b" auth , auth-int", b"auth-int"));
    assert!(!Digest::list_contains(b"auth-int", b"auth"));
}

#[test]
fn parameters_of_a_header() {
    let address = NameAddr::parse(b"<sip:a@b>;Expires=60 ; q = 0.5;x;y=\"a\\\"b;c\"", 0, HeaderId::CONTACT).unwrap();
    let params = address.params();
    assert_eq!(params.find(b"expires"), Some(Some(&b"60"[..])));
    assert_eq!(params.find(b"Q"), Some(Some(&b"0.5"[..])));
    assert_eq!(params.find(b"x"), Some(None));
    assert_eq!(params.find(b"y"), Some(Some(&b"\"a\\\"b;c\""[..])));
    assert_eq!(params.find(b"c"), None);
    let range = params.range_of(b"q").unwrap();
    assert_eq!(show(&params.raw()[range]), "; q = 0.5");
    assert!(!params.is_empty());
}

#[test]
fn addresses_in_parameters() {
    use dialplane_syntax::uri::host::parse_address;
    assert_eq!(parse_address(b"192.0.2.1"), Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))));
    assert_eq!(parse_address(b"::1"), Some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    assert_eq!(parse_address(b"[::1]"), Some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    for text in ["", "a", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.", "[1.2.3.4]", "1.2.3.0004", ":", "[]"] {
        assert_eq!(parse_address(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn parameters_are_walked_over_in_order_up_to_what_is_none() {
    use dialplane_syntax::header::Params;
    let all = |raw: &'static [u8]| -> Vec<(String, Option<String>)> {
        Params::over(raw).into_iter().map(|param| (show(param.name), param.value.map(show))).collect()
    };
    let row = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
    assert_eq!(all(b";lr;Q=0.5; x = \"a;b\""), [row("lr", None), row("Q", Some("0.5")), row("x", Some("\\\"a;b\\\""))]);
    assert_eq!(all(b";lr;=5;x"), [row("lr", None)]);
    assert!(all(b"").is_empty());
    let via = Via::parse(b"SIP/2.0/UDP a;rport;branch=z9;alias", 0).unwrap();
    let names: Vec<String> = via.params().into_iter().map(|param| show(param.name)).collect();
    assert_eq!(names, ["rport", "branch", "alias"]);
}

#[test]
fn rfc3261_20_34_a_route_has_brackets() {
    let bracketed = |value: &str| NameAddr::parse(value.as_bytes(), 0, HeaderId::ROUTE).unwrap().is_bracketed();
    assert!(bracketed("<sip:p1.example.com;lr>") && bracketed("P1 <sip:p1.example.com>;x=y"));
    assert!(!bracketed("sip:p1.example.com;x=y"));
}

#[test]
fn an_id_is_a_row_of_the_table() {
    for index in 0..HeaderId::COUNT {
        let id = HeaderId::from_index(index);
        assert_eq!((id.index(), HeaderId::from_name(id.name().as_bytes())), (index, id));
    }
    assert_eq!(HeaderId::from_index(HeaderId::COUNT), HeaderId::OTHER);
    assert!(HeaderId::OTHER.row().is_none());
}

#[test]
fn numbers_of_a_message() {
    let content_length = |value: &str| {
        let bytes = request(&[("Content-Length", value)]);
        parsed(&bytes, |result| result.map(|message| message.content_length().map_err(|error| error.kind)).ok())
    };
    assert_eq!(content_length("0"), Some(Ok(Some(0))));
    parsed(&request(&[("Expires", "7200")]), |result| assert_eq!(result.unwrap().expires(), Ok(Some(7200))));
    parsed(&request(&[("Expires", "99999999999")]), |result| {
        assert_eq!(result.unwrap().expires(), Ok(Some(u32::MAX)), "RFC 3261 §20.19: up to 2^32-1");
    });
    parsed(&request(&[("Expires", "soon")]), |result| {
        let error = result.unwrap().expires().unwrap_err();
        assert_eq!(error.kind, FieldErrorKind::Malformed);
        assert_eq!(error.to_string(), "Expires: malformed");
    });
}

#[test]
fn a_single_field_is_there_once() {
    let bytes = request(&[("P-Asserted-Identity", "<sip:a@b>, <tel:+1>"), ("Subject", "x\r\nSubject: y")]);
    parsed(&bytes, |result| {
        let message = result.unwrap();
        let kind = |id: HeaderId| message.single(id).map(|field| show(field.value)).map_err(|error| error.to_string());
        assert_eq!(kind(HeaderId::CALL_ID), Ok("a84b4c76e66710@192.0.2.1".into()));
        assert_eq!(kind(HeaderId::SUBJECT), Err("Subject: repeated".into()));
        assert_eq!(kind(HeaderId::EXPIRES), Err("Expires: missing".into()));
        let asserted = HeaderId::from_name(b"p-asserted-identity");
        let uris: Vec<String> = message.name_addrs(asserted).map(|address| show(address.unwrap().uri)).collect();
        assert_eq!(uris, ["sip:a@b", "tel:+1"]);
        let first = message.number_of(HeaderId::SUBJECT, 0).unwrap();
        let second = message.number_of(HeaderId::SUBJECT, first).unwrap();
        let value = |number| message.field_at(number).map(|field| show(field.value));
        assert_eq!((value(first), value(second)), (Some("x".into()), Some("y".into())));
        assert_eq!(message.number_of(HeaderId::SUBJECT, second), None);
    });
}
