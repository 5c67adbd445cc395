//! Framing, start lines and fields. RFC 3261 §7, §18.3; RFC 4475.
#![allow(missing_docs, clippy::panic, clippy::unwrap_used, reason = "tests")]

#[macro_use]
mod common;

use common::{parsed, request, request_with, show, three_ways};
use dialplane_syntax::stream::Framed;
use dialplane_syntax::{
    Framer, HeaderId, Index, Limits, Method, ParseErrorKind, StartLine, Status, parse, parse_stream, validate,
};

fn start_line(line: &str, expected: StartLine<'_>) {
    three_ways(&request_with(line, &[]), |message| {
        assert_eq!(message.start_line(), expected);
        assert_eq!(message.fault(), None);
        assert_eq!(show(&message.bytes()[message.start_line_range()]), line);
        assert_eq!(message.is_request(), message.uri().is_some());
    });
}

const fn is_request<'b>(method: Method, method_name: &'b [u8], uri: &'b [u8]) -> StartLine<'b> {
    StartLine::Request { method, method_name, uri }
}

const fn is_response(status: u16, reason: &[u8]) -> StartLine<'_> {
    StartLine::Response { status, reason }
}

cases! { start_line:
    an_invite("INVITE sip:bob@biloxi.com SIP/2.0", is_request(Method::Invite, b"INVITE", b"sip:bob@biloxi.com"));
    a_method_of_three_letters("ACK sip:b SIP/2.0", is_request(Method::Ack, b"ACK", b"sip:b"));
    a_method_of_seven_letters("PUBLISH sip:b SIP/2.0", is_request(Method::Publish, b"PUBLISH", b"sip:b"));
    a_method_of_eight_letters("REGISTER sip:b SIP/2.0", is_request(Method::Register, b"REGISTER", b"sip:b"));
    a_method_of_nine_letters("SUBSCRIBE sip:b SIP/2.0", is_request(Method::Subscribe, b"SUBSCRIBE", b"sip:b"));
    a_method_in_lower_case_is_another_one("invite sip:b SIP/2.0", is_request(Method::Other, b"invite", b"sip:b"));
    an_unknown_method("NEWMETHOD sip:b SIP/2.0", is_request(Method::Other, b"NEWMETHOD", b"sip:b"));
    a_longer_method_that_begins_as_a_known_one("INVITES sip:b SIP/2.0", is_request(Method::Other, b"INVITES", b"sip:b"));
    rfc4475_3_1_1_5_esc02("RE%47IST%45R sip:b SIP/2.0", is_request(Method::Other, b"RE%47IST%45R", b"sip:b"));
    the_version_in_any_case("BYE sip:b sip/2.0", is_request(Method::Bye, b"BYE", b"sip:b"));
    a_short_uri("BYE a:b SIP/2.0", is_request(Method::Bye, b"BYE", b"a:b"));
    a_response("SIP/2.0 200 OK", is_response(200, b"OK"));
    rfc4475_3_1_1_13_noreason("SIP/2.0 100 ", is_response(100, b""));
    a_reason_of_many_words("SIP/2.0 486 Busy  Here (now) ", is_response(486, b"Busy  Here (now) "));
    the_lowest_status("SIP/2.0 100 x", is_response(100, b"x"));
    the_highest_status("SIP/2.0 699 x", is_response(699, b"x"));
    a_response_with_its_version_in_lower_case("sip/2.0 200 OK", is_response(200, b"OK"));
}

fn faulty_start_line(line: &str, kind: ParseErrorKind) {
    let bytes = request_with(line, &[]);
    parsed(&bytes, |result| match result {
        Ok(message) => {
            assert_eq!(message.fault().map(|fault| fault.kind), Some(kind), "{line}");
            assert!(!kind.is_fatal());
            assert!(message.top_via().is_ok(), "the fields can be read to answer");
        }
        Err(error) => {
            assert_eq!(error.kind, kind, "{line}");
            assert!(kind.is_fatal());
        }
    });
}

cases! { faulty_start_line:
    rfc4475_3_1_2_16_badvers("OPTIONS sip:b SIP/7.0", ParseErrorKind::Version);
    version_one("OPTIONS sip:b SIP/1.0", ParseErrorKind::Version);
    a_version_with_more_digits("OPTIONS sip:b SIP/2.00", ParseErrorKind::Version);
    a_response_of_another_version("SIP/3.0 200 OK", ParseErrorKind::Version);
    rfc4475_3_1_2_9_lwsstart("INVITE  sip:b  SIP/2.0", ParseErrorKind::StartLine);
    two_blanks_before_the_version("INVITE sip:b  SIP/2.0", ParseErrorKind::StartLine);
    rfc4475_3_1_2_10_trws("OPTIONS sip:b SIP/2.0  ", ParseErrorKind::StartLine);
    no_method(" sip:b SIP/2.0", ParseErrorKind::StartLine);
    a_method_that_is_no_token("INV{TE sip:b SIP/2.0", ParseErrorKind::StartLine);
    no_uri("INVITE  SIP/2.0", ParseErrorKind::StartLine);
    only_a_method("INVITE SIP/2.0", ParseErrorKind::StartLine);
    no_version("INVITE sip:b", ParseErrorKind::NotSip);
    another_protocol("GET / HTTP/1.1", ParseErrorKind::NotSip);
    tabs_between_the_parts("OPTIONS\tsip:b\tSIP/2.0", ParseErrorKind::NotSip);
    no_minor_version("OPTIONS sip:b SIP/2", ParseErrorKind::NotSip);
    rfc4475_3_1_2_19_bigcode("SIP/2.0 4294967301 better not", ParseErrorKind::StatusCode);
    a_status_below_100("SIP/2.0 099 x", ParseErrorKind::StatusCode);
    a_status_above_699("SIP/2.0 700 x", ParseErrorKind::StatusCode);
    a_status_of_two_digits("SIP/2.0 20 x", ParseErrorKind::StatusCode);
    a_negative_status("SIP/2.0 -20 x", ParseErrorKind::StatusCode);
    a_status_without_blank("SIP/2.0 200", ParseErrorKind::StartLine);
    a_status_and_a_tab("SIP/2.0 200\tOK", ParseErrorKind::StartLine);
    no_status("SIP/2.0", ParseErrorKind::NotSip);
}

fn field(line: &str, id: HeaderId, name: &str, value: &str) {
    let mut bytes = request(&[]);
    let end = bytes.len() - 2;
    bytes.splice(end..end, format!("{line}\r\n").into_bytes());
    three_ways(&bytes, |message| {
        assert_eq!(message.fault(), None, "{line}");
        let field = message.fields().last().unwrap();
        assert_eq!(
            (field.id, show(field.name), show(field.value)),
            (id, show(name.as_bytes()), show(value.as_bytes()))
        );
        assert_eq!(show(&message.bytes()[field.line_range()]), show(format!("{line}\r\n").as_bytes()));
        assert_eq!(message.last(id).map(|last| last.line_range()), Some(field.line_range()));
        assert!(message.by_name(name.as_bytes()).any(|found| found == field));
    });
}

cases! { field:
    the_usual_form("Supported: timer", HeaderId::SUPPORTED, "Supported", "timer");
    no_blank_after_the_colon("Supported:timer", HeaderId::SUPPORTED, "Supported", "timer");
    blanks_around("Supported :\t  timer \t", HeaderId::SUPPORTED, "Supported", "timer");
    a_tab_before_the_colon("Supported\t: timer", HeaderId::SUPPORTED, "Supported", "timer");
    another_case("sUPPORTED: timer", HeaderId::SUPPORTED, "sUPPORTED", "timer");
    a_compact_form("k: timer", HeaderId::SUPPORTED, "k", "timer");
    a_compact_form_in_upper_case("K:timer", HeaderId::SUPPORTED, "K", "timer");
    a_compact_form_with_a_blank("k : timer", HeaderId::SUPPORTED, "k", "timer");
    an_unknown_letter("q: x", HeaderId::OTHER, "q", "x");
    an_unknown_name("X-Thing: x", HeaderId::OTHER, "X-Thing", "x");
    an_empty_value("Subject:", HeaderId::SUBJECT, "Subject", "");
    only_blanks_as_value("Subject:  \t ", HeaderId::SUBJECT, "Subject", "");
    a_colon_in_the_value("Subject: a: b", HeaderId::SUBJECT, "Subject", "a: b");
    a_fold("Subject: a\r\n b", HeaderId::SUBJECT, "Subject", "a\r\n b");
    a_fold_with_a_tab("Subject: a\r\n\tb", HeaderId::SUBJECT, "Subject", "a\r\n\tb");
    a_fold_after_the_colon("Subject:\r\n a", HeaderId::SUBJECT, "Subject", "a");
    a_fold_with_nothing("Subject: a\r\n ", HeaderId::SUBJECT, "Subject", "a");
    several_folds("Subject: a\r\n b\r\n\t\tc\r\n  d", HeaderId::SUBJECT, "Subject", "a\r\n b\r\n\t\tc\r\n  d");
    a_fold_that_looks_like_a_field("Subject: a\r\n To: b", HeaderId::SUBJECT, "Subject", "a\r\n To: b");
    a_tab_in_the_value("Subject: a\tb", HeaderId::SUBJECT, "Subject", "a\tb");
    utf_8("Subject: ню", HeaderId::SUBJECT, "Subject", "ню");
    every_octet_of_a_token("!%*_+`'~.-09: x", HeaderId::OTHER, "!%*_+`'~.-09", "x");
    the_longest_name("P-Charging-Function-Addresses: x", HeaderId::P_CHARGING_FUNCTION_ADDRESSES, "P-Charging-Function-Addresses", "x");
    a_name_that_begins_with_a_known_one("Supportedx: x", HeaderId::OTHER, "Supportedx", "x");
    a_name_that_a_known_one_begins_with("Supporte: x", HeaderId::OTHER, "Supporte", "x");
    a_name_longer_than_any(
        "Proxy-Authorization-Of-Somebody-Else-Entirely: x",
        HeaderId::OTHER,
        "Proxy-Authorization-Of-Somebody-Else-Entirely",
        "x",
    );
    rfc4475_3_1_1_2_quoted_control_characters("Subject: \"\\\x07\\\x00\\\x7F\"", HeaderId::SUBJECT, "Subject", "\"\\\x07\\\x00\\\x7F\"");
}

fn faulty_line(line: &str, kind: ParseErrorKind) {
    let bytes = request(&[("Subject", "x"), ("X-Last", "x")]);
    let text = String::from_utf8(bytes).unwrap().replace("Subject: x", line);
    parsed(text.as_bytes(), |result| {
        let message = result.unwrap_or_else(|error| panic!("{}: {error}", show(line.as_bytes())));
        assert_eq!(message.fault().map(|fault| fault.kind), Some(kind), "{}", show(line.as_bytes()));
        assert!(message.by_name(b"X-Last").count() == 1, "the fields behind it can be read");
    });
}

cases! { faulty_line:
    no_colon("Subject x", ParseErrorKind::HeaderLine);
    no_name(": x", ParseErrorKind::HeaderLine);
    a_blank_as_name("Subject x: y", ParseErrorKind::HeaderLine);
    a_name_that_is_no_token("Sub(ject: x", ParseErrorKind::HeaderLine);
    a_name_with_utf_8("Sübject: x", ParseErrorKind::HeaderLine);
    a_nul("Subject: a\0b", ParseErrorKind::ControlCharacter);
    a_nul_at_the_start_of_a_line("Subject: a\r\n\0X: b", ParseErrorKind::HeaderLine);
    an_escape_character("Subject: a\x1Bb", ParseErrorKind::ControlCharacter);
    a_bare_lf("Subject: a\nRoute: <sip:evil.example.com>", ParseErrorKind::ControlCharacter);
    a_bare_cr("Subject: a\rRoute: <sip:evil.example.com>", ParseErrorKind::ControlCharacter);
    cr_cr_lf("Subject: a\r", ParseErrorKind::ControlCharacter);
    a_bare_cr_in_the_place_of_a_hyphen("Min\rSE: 90", ParseErrorKind::HeaderLine);
    a_quoted_cr("Subject: \"\\\ra\"", ParseErrorKind::ControlCharacter);
    a_control_character_after_a_backslash_without_quotes("Subject: \\\x07", ParseErrorKind::ControlCharacter);
    a_control_character_in_quotes_without_backslash("Subject: \"\x07\"", ParseErrorKind::ControlCharacter);
    a_control_character_behind_the_quotes("Subject: \"\\\"\"\x07", ParseErrorKind::ControlCharacter);
}

#[test]
fn a_fold_behind_the_start_line_is_a_fault() {
    let bytes = b"OPTIONS sip:b SIP/2.0\r\n x SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n\r\n";
    parsed(bytes, |result| {
        assert_eq!(result.unwrap().fault().map(|fault| fault.kind), Some(ParseErrorKind::LeadingFold));
    });
}

/// Body and Content-Length, and what a datagram and a stream make of it.
fn length(
    lengths: &str,
    body: &str,
    datagram: Result<usize, ParseErrorKind>,
    stream: Result<Option<usize>, ParseErrorKind>,
) {
    let text = format!("OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n{lengths}Subject: x\r\n\r\n{body}");
    let mut index = Index::new();
    let limits = Limits::default();
    let message = parse(text.as_bytes(), &mut index, &limits).unwrap();
    match datagram {
        Ok(length) => assert_eq!((message.body().len(), message.fault()), (length, None)),
        Err(kind) => assert_eq!(message.fault().map(|fault| fault.kind), Some(kind)),
    }
    let found = parse_stream(text.as_bytes(), &mut index, &limits);
    match (stream, found) {
        (Ok(Some(length)), Ok(Status::Complete(message))) => assert_eq!(message.body().len(), length),
        (Ok(None), Ok(Status::Partial)) => {}
        (Err(kind), Err(error)) => assert_eq!(error.kind, kind),
        (expected, found) => panic!("{expected:?}, but {found:?}"),
    }
}

cases! { length:
    the_length_of_the_body("Content-Length: 4\r\n", "body", Ok(4), Ok(Some(4)));
    the_compact_length("l: 4\r\n", "body", Ok(4), Ok(Some(4)));
    less_than_is_there("Content-Length: 2\r\n", "body", Ok(2), Ok(Some(2)));
    leading_zeros("Content-Length: 0000000000004\r\n", "body", Ok(4), Ok(Some(4)));
    blanks_around_the_length("Content-Length \t:\t 4 \t\r\n", "body", Ok(4), Ok(Some(4)));
    a_folded_length("Content-Length:\r\n 4\r\n", "body", Ok(4), Ok(Some(4)));
    the_same_length_twice("Content-Length: 4\r\nl:4\r\n", "body", Ok(4), Ok(Some(4)));
    no_length("", "body", Ok(4), Err(ParseErrorKind::ContentLengthMissing));
    rfc4475_3_1_2_2_clerr("Content-Length: 5\r\n", "body", Err(ParseErrorKind::ContentLengthExceeds), Ok(None));
    rfc4475_3_1_2_3_ncl("Content-Length: -4\r\n", "body", Err(ParseErrorKind::ContentLength), Err(ParseErrorKind::ContentLength));
    rfc4475_3_3_9_mcl01(
        "Content-Length: 4\r\nContent-Length: 3\r\n",
        "body",
        Err(ParseErrorKind::ContentLengthConflict),
        Err(ParseErrorKind::ContentLengthConflict),
    );
    a_sign("Content-Length: +4\r\n", "body", Err(ParseErrorKind::ContentLength), Err(ParseErrorKind::ContentLength));
    an_empty_length("Content-Length:\r\n", "body", Err(ParseErrorKind::ContentLength), Err(ParseErrorKind::ContentLength));
    two_numbers("Content-Length: 4 4\r\n", "body", Err(ParseErrorKind::ContentLength), Err(ParseErrorKind::ContentLength));
    a_list("Content-Length: 4, 4\r\n", "body", Err(ParseErrorKind::ContentLength), Err(ParseErrorKind::ContentLength));
    hexadecimal("Content-Length: 0x4\r\n", "body", Err(ParseErrorKind::ContentLength), Err(ParseErrorKind::ContentLength));
    two_to_the_32nd("Content-Length: 4294967296\r\n", "body", Err(ParseErrorKind::ContentLength), Err(ParseErrorKind::ContentLength));
    two_to_the_64th_and_four(
        "Content-Length: 18446744073709551620\r\n",
        "body",
        Err(ParseErrorKind::ContentLength),
        Err(ParseErrorKind::ContentLength),
    );
    above_the_limit("Content-Length: 70000\r\n", "body", Err(ParseErrorKind::ContentLengthExceeds), Err(ParseErrorKind::MessageTooLong));
}

fn unreadable(bytes: &[u8], kind: ParseErrorKind) {
    parsed(bytes, |result| assert_eq!(result.map(|_| ()).map_err(|error| error.kind), Err(kind)));
}

cases! { unreadable:
    an_empty_datagram(b"", ParseErrorKind::Empty);
    a_keep_alive(b"\r\n\r\n", ParseErrorKind::Empty);
    one_line_end(b"\r\n", ParseErrorKind::Empty);
    a_nul_octet(b"\0", ParseErrorKind::Unterminated);
    a_cut_start_line(b"OPTIONS sip:b SI", ParseErrorKind::Unterminated);
    a_cut_field(b"OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/UD", ParseErrorKind::Unterminated);
    bare_line_feeds(b"OPTIONS sip:b SIP/2.0\nVia: SIP/2.0/UDP a\n\n", ParseErrorKind::Unterminated);
    line_ends_before_a_datagram(b"\r\nOPTIONS sip:b SIP/2.0\r\n\r\n", ParseErrorKind::NotSip);
}

#[test]
fn a_datagram_without_its_empty_line_can_still_be_answered() {
    parsed(b"OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nTo: <sip:b>\r\n", |result| {
        let message = result.unwrap();
        assert_eq!(message.fault().map(|fault| fault.kind), Some(ParseErrorKind::Unterminated));
        assert_eq!(message.to().unwrap().uri, b"sip:b");
        assert_eq!(message.field_count(), 2);
        assert!(message.body().is_empty());
    });
}

#[test]
fn limits_are_kept() {
    let bytes = request(&[("X-A", "0123456789"), ("X-B", "x")]);
    let kind = |limits: Limits| {
        let mut index = Index::new();
        (
            parse(&bytes, &mut index, &limits).map(|_| ()).map_err(|error| error.kind),
            parse_stream(&bytes, &mut index, &limits).map(|_| ()).map_err(|error| error.kind),
        )
    };
    let default = Limits::default();
    assert_eq!(kind(default), (Ok(()), Ok(())));
    assert_eq!(kind(Limits { fields: 9, ..default }), (Ok(()), Ok(())));
    let many = ParseErrorKind::TooManyFields;
    assert_eq!(kind(Limits { fields: 8, ..default }), (Err(many), Err(many)));
    let mut index = Index::new();
    let limits = Limits { field: 20, ..default };
    let long = parse(&bytes, &mut index, &limits).expect("a message whose fields can be told apart");
    assert_eq!(long.fault().map(|fault| fault.kind), Some(ParseErrorKind::FieldTooLong));
    assert_eq!(validate(&long, &limits).expect_err("refused").status, 400);
    let whole = ParseErrorKind::MessageTooLong;
    assert_eq!(kind(Limits { message: bytes.len() - 1, ..default }), (Err(whole), Err(whole)));
    assert_eq!(kind(Limits { message: bytes.len(), ..default }), (Ok(()), Ok(())));
}

#[test]
fn an_index_holds_what_it_was_made_for() {
    let bytes = request(&[]);
    for capacity in 0..10 {
        let mut index = Index::with_capacity(capacity);
        assert_eq!(index.capacity(), capacity);
        let result = parse(&bytes, &mut index, &Limits::default()).map(|message| message.field_count());
        let expected = if capacity < 7 { Err(ParseErrorKind::TooManyFields) } else { Ok(7) };
        assert_eq!(result.map_err(|error| error.kind), expected, "{capacity}");
    }
}

#[test]
fn an_index_is_reused_without_a_trace() {
    let (long, short) =
        (request(&[("Route", "<sip:a;lr>"), ("X-A", "x")]), request(&[("Max-Forwards", common::REMOVED)]));
    let mut index = Index::new();
    let limits = Limits::default();
    assert!(parse(&long, &mut index, &limits).unwrap().contains(HeaderId::ROUTE));
    let message = parse(&short, &mut index, &limits).unwrap();
    assert!(!message.contains(HeaderId::ROUTE) && !message.contains(HeaderId::MAX_FORWARDS));
    assert!(message.first(HeaderId::ROUTE).is_none() && message.all(HeaderId::OTHER).next().is_none());
    assert!(parse(b"INVITE sip:b SIP/9.9\r\nx\r\n\r\n", &mut index, &limits).unwrap().fault().is_some());
    assert!(parse(&short, &mut index, &limits).unwrap().fault().is_none());
}

#[test]
fn fields_of_one_name_are_found_in_order() {
    let text = "OPTIONS sip:b SIP/2.0\r\nv: SIP/2.0/UDP a, SIP/2.0/TCP b\r\nX: 1\r\nVIA : SIP/2.0/TLS c\r\nx: 2\r\nEvent: p\r\nl: 0\r\n\r\n";
    three_ways(text.as_bytes(), |message| {
        let transports: Vec<_> = message.vias().map(|via| show(via.unwrap().transport)).collect();
        assert_eq!(transports, ["UDP", "TCP", "TLS"]);
        assert_eq!(message.all(HeaderId::VIA).count(), 2);
        assert_eq!(message.by_name(b"x").map(|field| show(field.value)).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(message.by_name(b"via").count(), 2);
        assert_eq!(message.first(HeaderId::EVENT).map(|field| show(field.value)), Some("p".into()));
        assert_eq!(message.fields().count(), 6);
        assert_eq!(message.fields().len(), 6);
    });
}

#[test]
fn elements_respect_quotes_and_brackets() {
    let contact = "\"a, \\\"b\" <sip:c,d@e>;x=\"1,2\" , sip:f,, <sip:g";
    three_ways(&request(&[("Contact", contact)]), |message| {
        let elements: Vec<_> = message.elements(HeaderId::CONTACT).map(|element| show(element.value)).collect();
        let expected = ["\"a, \\\"b\" <sip:c,d@e>;x=\"1,2\"", "sip:f", "", "<sip:g"].map(|text| show(text.as_bytes()));
        assert_eq!(elements, expected);
    });
}

#[test]
fn removing_elements_leaves_a_list() {
    let bytes = request(&[("Route", "<sip:a;lr> ,\r\n <sip:b;lr>, <sip:c;lr>")]);
    parsed(&bytes, |result| {
        let message = result.unwrap();
        let without: Vec<String> = message
            .elements(HeaderId::ROUTE)
            .map(|element| {
                let mut rest = message.bytes().to_vec();
                rest.drain(element.removal_range());
                parsed(&rest, |result| {
                    let elements: Vec<_> = result.unwrap().elements(HeaderId::ROUTE).map(|e| show(e.value)).collect();
                    elements.join("|")
                })
            })
            .collect();
        assert_eq!(without, ["<sip:b;lr>|<sip:c;lr>", "<sip:a;lr>|<sip:c;lr>", "<sip:a;lr>|<sip:b;lr>"]);
    });
    parsed(&request(&[("Route", "<sip:a;lr>")]), |result| {
        let message = result.unwrap();
        let element = message.elements(HeaderId::ROUTE).next().unwrap();
        assert!(element.is_only() && element.is_first());
        assert_eq!(show(&message.bytes()[element.removal_range()]), "Route: <sip:a;lr>\\r\\n");
    });
}

#[test]
fn a_stream_gives_its_messages_one_after_the_other() {
    let mut stream = b"\r\n".to_vec();
    let messages = [request(&[]), request(&[("Subject", "two")])];
    stream.extend_from_slice(&messages[0]);
    stream.extend_from_slice(b"\r\n\r\n");
    stream.extend_from_slice(&messages[1]);
    let (mut index, mut framer, limits) = (Index::new(), Framer::new(), Limits::default());
    let mut found = Vec::new();
    let mut rest = &stream[..];
    while !rest.is_empty() {
        let framed = framer.poll(rest, &mut index, &limits).unwrap();
        let (Framed::KeepAlive(length) | Framed::Message(length) | Framed::Skip(length)) = framed else {
            panic!("stuck before {}", show(rest));
        };
        found.push(framed);
        rest = &rest[length..];
    }
    let [first, second] = messages.map(|message| Framed::Message(message.len()));
    assert_eq!(found, [Framed::Skip(2), first, Framed::KeepAlive(4), second]);
}

#[test]
fn a_stream_that_never_ends_its_head_is_cut_off() {
    let limits = Limits { message: 1000, ..Limits::default() };
    let (mut index, mut framer) = (Index::new(), Framer::new());
    let endless = [b"OPTIONS sip:b SIP/2.0\r\nSubject: ".to_vec(), vec![b'a'; 2000]].concat();
    let outcome = (1..endless.len()).find_map(|length| framer.poll(&endless[..length], &mut index, &limits).err());
    assert_eq!(outcome.map(|error| error.kind), Some(ParseErrorKind::MessageTooLong));
}

#[test]
fn a_stream_may_leave_the_length_out_where_that_is_allowed() {
    let bytes = b"OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/TCP a\r\n\r\nnext";
    let limits = Limits { stream_without_length: true, ..Limits::default() };
    match parse_stream(bytes, &mut Index::new(), &limits) {
        Ok(Status::Complete(message)) => assert!(message.body().is_empty() && message.bytes().len() == bytes.len() - 4),
        other => panic!("{other:?}"),
    }
}

/// Each fault has words of its own, and says where it is.
#[test]
fn faults_are_told_apart_in_words() {
    let rows: [(&[u8], &str); 7] = [
        (b"", "Empty message at octet 0"),
        (b"hello\r\n\r\n", "Not a SIP message"),
        (b"OPTIONS sip:b SIP/2.0\r\nVia: a", "Head without an end"),
        (b"OPTIONS sip:b SIP/2.0\r\nVia: a\r\nContent-Length: x\r\n\r\n", "Malformed Content-Length"),
        (b"OPTIONS sip:b SIP/2.0\r\nVia a\r\n\r\n", "Malformed header line"),
        (b"OPTIONS sip:b SIP/9.0\r\nVia: a\r\n\r\n", "SIP version not supported"),
        (b"SIP/2.0 4294967301 better not break the receiver\r\nVia: a\r\n\r\n", "Status code out of range"),
    ];
    for (bytes, words) in rows {
        let mut index = Index::new();
        let said = match dialplane_syntax::parse(bytes, &mut index, &Limits::default()) {
            Err(error) => error.to_string(),
            Ok(message) => message.fault().map(|fault| fault.to_string()).unwrap_or_default(),
        };
        assert!(said.starts_with(words), "{}: {said}", bytes.escape_ascii());
        assert!(said.contains(" at octet "), "{said}");
    }
}

/// Who keeps a message keeps as much of the index as it needs.
#[test]
fn a_compact_index_reads_the_same() {
    let bytes = common::request(&[]);
    let mut index = Index::default();
    let room = index.capacity();
    let fields = match dialplane_syntax::parse(&bytes, &mut index, &Limits::default()) {
        Ok(message) => message.fields().map(|field| common::show(field.value)).collect::<Vec<_>>(),
        Err(error) => panic!("{error}"),
    };
    let kept = index.compact();
    assert!(kept.capacity() < room && kept.capacity() >= fields.len(), "{} of {room}", kept.capacity());
    let again = kept.message(&bytes).fields().map(|field| common::show(field.value)).collect::<Vec<_>>();
    assert_eq!(again, fields);
    assert_eq!(kept.message(b"").fields().count(), fields.len(), "over other octets it is safe, and of no use");
}
