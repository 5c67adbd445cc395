//! What is refused and how. RFC 3261 §8.2, §16.3; RFC 4475.
#![allow(missing_docs, clippy::panic, clippy::unwrap_used, reason = "tests")]

#[macro_use]
mod common;

use common::{REMOVED, parsed, request, request_with, three_ways};
use dialplane_syntax::{FieldError, FieldErrorKind, HeaderId, Limits, Method, Rejection, check, validate};

fn refused(bytes: &[u8], status: u16, header: HeaderId, reason: &str) {
    parsed(bytes, |result| {
        let message = result.unwrap();
        let rejection = validate(&message, &Limits::default()).expect_err("refused");
        assert_eq!((rejection.status, rejection.header, rejection.reason), (status, header, reason));
        assert_eq!(check(&message, &Limits::default()).map(|_| ()), Err(rejection));
    });
}

fn field(name: &str, value: &str, header: HeaderId, reason: &str) {
    refused(&request(&[(name, value)]), 400, header, reason);
}

cases! { field:
    no_via("Via", REMOVED, HeaderId::VIA, "Missing Via");
    no_from("From", REMOVED, HeaderId::FROM, "Missing From");
    no_to("To", REMOVED, HeaderId::TO, "Missing To");
    no_call_id("Call-ID", REMOVED, HeaderId::CALL_ID, "Missing Call-ID");
    no_cseq("CSeq", REMOVED, HeaderId::CSEQ, "Missing CSeq");
    an_empty_via("Via", "", HeaderId::VIA, "Malformed Via");
    an_empty_from("From", "", HeaderId::FROM, "Malformed From");
    an_empty_to("To", "", HeaderId::TO, "Malformed To");
    an_empty_call_id("Call-ID", "", HeaderId::CALL_ID, "Malformed Call-ID");
    an_empty_cseq("CSeq", "", HeaderId::CSEQ, "Malformed CSeq");
    rfc4475_3_1_2_1_badinv01("Via", "SIP/2.0/UDP 192.0.2.15;;,;,,", HeaderId::VIA, "Malformed Via");
    a_port_of_via_out_of_range("Via", "SIP/2.0/UDP a:70000", HeaderId::VIA, "Via number out of range");
    two_branches("Via", "SIP/2.0/UDP a;branch=b;branch=c", HeaderId::VIA, "Repeated Via parameter");
    rfc4475_3_1_2_4_scalar02("CSeq", "36893488147419103232 OPTIONS", HeaderId::CSEQ, "CSeq out of range");
    rfc4475_3_1_2_6_quotbal("To", "\"Mr. J. User <sip:j.user@example.com>", HeaderId::TO, "Malformed To");
    rfc4475_3_1_2_17_mismatch01("CSeq", "8 INVITE", HeaderId::CSEQ, "CSeq method does not match");
    a_method_in_another_case("CSeq", "8 options", HeaderId::CSEQ, "CSeq method does not match");
    two_values_in_from("From", "<sip:a@b>;tag=1, <sip:c@d>", HeaderId::FROM, "Malformed From");
    negative_max_forwards("Max-Forwards", "-1", HeaderId::MAX_FORWARDS, "Malformed Max-Forwards");
    a_blank_in_the_call_id("Call-ID", "a b", HeaderId::CALL_ID, "Malformed Call-ID");
    rfc4475_3_1_2_3_ncl("Content-Length", "-999", HeaderId::CONTENT_LENGTH, "Malformed Content-Length");
    rfc4475_3_1_2_2_clerr("Content-Length", "9999", HeaderId::CONTENT_LENGTH, "Content-Length behind the end of the message");
    a_control_character("Subject", "a\0b", HeaderId::OTHER, "Control character in the head");
}

fn start_line(line: &str, status: u16, reason: &str) {
    refused(&request_with(line, &[]), status, HeaderId::OTHER, reason);
}

cases! { start_line:
    rfc4475_3_1_2_16_badvers("OPTIONS sip:b SIP/7.0", 505, "SIP version not supported");
    rfc4475_3_1_2_7_ltgtruri("OPTIONS <sip:user@example.com> SIP/2.0", 400, "Malformed Request-URI");
    rfc4475_3_1_2_8_lwsruri("OPTIONS sip:user@example.com; lr SIP/2.0", 400, "Malformed Request-URI");
    rfc4475_3_1_2_9_lwsstart("OPTIONS  sip:user@example.com  SIP/2.0", 400, "Malformed start line");
    rfc4475_3_1_2_10_trws("OPTIONS sip:user@example.com SIP/2.0  ", 400, "Malformed start line");
    rfc4475_3_1_2_11_escruri("OPTIONS sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0", 400, "Header fields in the Request-URI");
    rfc5118_4_2_ipv6_bad("OPTIONS sip:2001:db8::10 SIP/2.0", 400, "Malformed Request-URI");
    rfc4475_3_1_2_19_bigcode("SIP/2.0 4294967301 x", 400, "Status code out of range");
}

fn accepted(line: &str, fields: &[(&str, &str)]) {
    three_ways(&request_with(line, fields), |message| {
        let essentials = check(message, &Limits::default()).unwrap_or_else(|rejection| panic!("{rejection}"));
        assert_eq!(essentials.uri, message.uri().map(|uri| dialplane_syntax::Uri::parse(uri).unwrap()));
        assert_eq!(Ok(essentials.via), message.top_via());
        assert_eq!((Ok(essentials.from), Ok(essentials.to)), (message.from(), message.to()));
        assert_eq!((Ok(essentials.call_id), Ok(essentials.cseq)), (message.call_id(), message.cseq()));
        assert_eq!(Ok(essentials.max_forwards), message.max_forwards());
    });
}

cases! { accepted:
    the_usual_request("OPTIONS sip:b SIP/2.0", &[]);
    no_max_forwards("OPTIONS sip:b SIP/2.0", &[("Max-Forwards", REMOVED)]);
    rfc4475_3_3_2_unkscm("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", &[]);
    a_tel_uri("OPTIONS tel:+12125551234 SIP/2.0", &[]);
    an_unknown_method("NEWMETHOD sip:b SIP/2.0", &[("CSeq", "1 NEWMETHOD")]);
    a_response("SIP/2.0 200 OK", &[]);
    a_response_of_any_cseq_method("SIP/2.0 200 OK", &[("CSeq", "1 NEWMETHOD")]);
    a_malformed_date("OPTIONS sip:b SIP/2.0", &[("Date", "Fri, 01 Jan 2010 16:00:00 EST")]);
    a_malformed_contact("OPTIONS sip:b SIP/2.0", &[("Contact", "<sip:a@b>;;;;")]);
    a_malformed_second_via("OPTIONS sip:b SIP/2.0", &[("Via", "SIP/2.0/UDP a, rubbish")]);
    max_forwards_of_zero("OPTIONS sip:b SIP/2.0", &[("Max-Forwards", "0")]);
    max_forwards_above_255("OPTIONS sip:b SIP/2.0", &[("Max-Forwards", "300")]);
    an_unknown_option_tag("OPTIONS sip:b SIP/2.0", &[("Require", "nothingSupportsThis")]);
}

#[test]
fn single_headers_come_once() {
    let names = ["From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length"];
    let compact = ["f", "t", "i", "CSEQ", "max-forwards", "l"];
    for (name, other) in names.into_iter().zip(compact) {
        let text = String::from_utf8(request(&[])).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        let again = format!("{other}{}", &line[name.len()..]);
        let twice = text.replace(line, &format!("{line}\r\n{again}"));
        parsed(twice.as_bytes(), |result| {
            let rejection = validate(&result.unwrap(), &Limits::default()).expect_err(name);
            assert_eq!((rejection.status, rejection.header.name()), (400, name), "RFC 4475 §3.3.8 multi01");
            assert_eq!(rejection.reason, format!("Repeated {name}"));
        });
    }
}

#[test]
fn too_many_elements_are_refused() {
    let limits = Limits { via: 4, route: 3, contacts: 2, ..Limits::default() };
    let rows = [("Via", "SIP/2.0/UDP a", 4), ("Route", "<sip:a;lr>", 3), ("Contact", "<sip:a@b>", 2)];
    for (name, element, most) in rows {
        for (count, expected) in [(most, Ok(())), (most + 1, Err(513))] {
            // In one field, and in fields of their own.
            let list = vec![element; count].join(", ");
            let lines = vec![element; count].join(&format!("\r\n{name}: "));
            for value in [list, lines] {
                parsed(&request(&[(name, &value)]), |result| {
                    let found = validate(&result.unwrap(), &limits).map_err(|rejection| rejection.status);
                    assert_eq!(found, expected, "{count} {name}");
                });
            }
        }
    }
}

#[test]
fn the_shortest_elements_are_counted_too() {
    let vias = vec!["SIP/2.0/U a"; 65].join(",");
    let routes = vec!["<a:b>"; 33].join(",");
    let contacts = vec!["a:b"; 65].join(",");
    for (name, value) in [("Via", vias), ("Route", routes), ("Contact", contacts)] {
        parsed(&request(&[(name, &value)]), |result| {
            let rejection = validate(&result.unwrap(), &Limits::default()).expect_err(name);
            assert_eq!((rejection.status, rejection.header.name()), (513, name));
        });
    }
}

#[test]
fn other_layers_refuse_in_the_same_words() {
    let error = FieldError { header: HeaderId::CONTACT, kind: FieldErrorKind::Malformed };
    let rejection = Rejection::from(error);
    assert_eq!((rejection.status, rejection.header), (400, HeaderId::CONTACT));
    assert!(rejection.is_answerable(Some(Method::Invite)));
    assert!(!rejection.is_answerable(Some(Method::Ack)) && !rejection.is_answerable(None));
    assert_eq!(rejection.to_string(), "400 Malformed header field");
}
