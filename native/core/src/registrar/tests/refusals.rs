//! REGISTER requests that change nothing. RFC 3261 §10.3 steps 1, 2, 5 and 6, §8.2.2; RFC 4475.

use super::*;

const FLOW_1: &str = "Contact: <sip:a@192.0.2.1>;+sip.instance=\"<urn:x>\";reg-id=1";
const FLOW_2: &str = "Contact: <sip:b@192.0.2.1>;+sip.instance=\"<urn:x>\";reg-id=2";

/// Each gets its status and leaves no binding.
#[test]
fn refusals() {
    let long = format!("Contact: <sip:{}@192.0.2.1>", "a".repeat(3000));
    let long_params = format!("Contact: <sip:a@192.0.2.1>;x={}", "a".repeat(3000));
    let long_path = format!("Path: <sip:{}@192.0.2.1;lr>", "a".repeat(5000));
    for (case, fields, status) in [
        ("another domain in To", &["To: <sip:alice@other.example.net>"][..], 404),
        ("no user in To", &["To: <sip:example.com>"], 404),
        ("control character in To", &["To: <sip:alice%00@example.com>"], 404),
        ("line end in To", &["To: <sip:alice%0d%0aX:@example.com>"], 404),
        // RFC 4475 §3.3.4 unksm2.
        ("no SIP URI in To", &["To: isbn:2983792873"], 400),
        ("tel in To", &["To: <tel:+1-972-555-2222>"], 400),
        ("bad To", &["To: <sip:alice@exa mple.com>"], 400),
        ("extension required", &["Require: pigeon"], 420),
        ("lone star", &["Contact: *"], 400),
        ("star with an expiry", &["Contact: *", "Expires: 600"], 400),
        ("star and another", &["Contact: *, <sip:a@192.0.2.1>", "Expires: 0"], 400),
        ("another and star", &["Contact: <sip:a@192.0.2.1>, *", "Expires: 0"], 400),
        ("two stars", &["Contact: *", "Contact: *", "Expires: 0"], 400),
        ("bad Expires", &["Expires: soon"], 400),
        ("bad q", &["Contact: <sip:a@192.0.2.1>;q=2"], 400),
        ("negative q", &["Contact: <sip:a@192.0.2.1>;q=-0.5"], 400),
        ("q without value", &["Contact: <sip:a@192.0.2.1>;q"], 400),
        ("bad reg-id", &["Contact: <sip:a@192.0.2.1>;+sip.instance=\"<urn:x>\";reg-id=4294967296"], 400),
        ("reg-id 0", &["Contact: <sip:a@192.0.2.1>;+sip.instance=\"<urn:x>\";reg-id=0"], 400),
        // RFC 5626 §6.
        ("two flows at once", &[FLOW_1, FLOW_2], 400),
        ("bad host", &["Contact: <sip:a@192.0.2.1:99999>"], 400),
        // RFC 4475 §3.1.2.13 regbadct.
        ("headers without brackets", &["Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E"], 400),
        ("broadcast", &["Contact: <sip:a@255.255.255.255>"], 400),
        ("multicast", &["Contact: <sip:a@224.0.1.75>"], 400),
        ("multicast IPv6", &["Contact: <sip:a@[ff02::1]>"], 400),
        ("long URI", &[&long], 400),
        ("long parameters", &[&long_params], 400),
        ("bad Path", &["Supported: path", "Path: garbage"], 400),
        ("Path without brackets", &["Supported: path", "Path: sip:p.example.com;lr"], 400),
        ("Path to tel", &["Supported: path", "Path: <tel:+1>"], 400),
        ("long Path", &["Supported: path", &long_path], 400),
    ] {
        let mut world = World::new();
        let text = register(fields);
        let mut index = Index::new();
        let message = parse(text.as_bytes(), &mut index, &Limits::default()).expect("a message");
        // What the parser's own validation refuses never comes here.
        let answered = match check(&message, &Limits::default()) {
            Ok(_) => world.handle(&text).0.status,
            Err(rejection) => rejection.status,
        };
        assert_eq!(answered, status, "{case}");
        assert!(world.store.bindings.is_empty(), "{case}");
    }
}

#[test]
fn request_uris() {
    for (uri, status) in [
        ("sip:example.com", 200),
        ("sips:example.com", 200),
        ("sip:EXAMPLE.com;transport=udp", 200),
        ("sip:[2001:db8::9]", 200),
        // RFC 3261 §10.2 forbids a user here; some clients write one.
        ("sip:alice@example.com", 200),
        ("sip:example.net", 404),
        ("tel:+1-972-555-2222", 416),
        ("isbn:2983792873", 416),
    ] {
        let text = register(&[]).replacen("sip:example.com", uri, 1);
        assert_eq!(World::new().handle(&text).0.status, status, "{uri}");
    }
}

#[test]
fn unsupported_extensions_are_named() {
    let (answer, lines) = World::new().handle(&register(&["Require: path, pigeon", "Require: PATH,,outbound,foo"]));
    assert_eq!((answer.status, lines), (420, vec!["Unsupported: pigeon, foo".to_owned()]));
    let many: Vec<_> = (0..2000).map(|number| format!("o{number}")).collect();
    let (answer, lines) = World::new().handle(&register(&[&format!("Require: {}", many.join(","))]));
    assert_eq!(answer.status, 420);
    assert!(lines[0].len() < 120, "{} octets", lines[0].len());
}

#[test]
fn one_record_for_all_spellings_of_an_address_of_record() {
    for (to, key) in [
        ("<sip:alice@example.com>", "alice@example.com"),
        ("\"Alice\" <sips:alice@EXAMPLE.com:5061;transport=tls;user=phone>", "alice@example.com"),
        ("sip:%61lice@example.com;tag=x", "alice@example.com"),
        ("<sip:Alice@example.com>", "Alice@example.com"),
        ("<sip:a%40b@example.com>", "a@b@example.com"),
        ("<sip:alice:secret@[2001:DB8:0::9]>", "alice@[2001:db8::9]"),
    ] {
        let mut world = World::new();
        assert_eq!(world.status(&[&format!("To: {to}")]), 200, "{to}");
        assert!(world.store.bindings.value(key.as_bytes()).is_some(), "{to}");
    }
}

#[test]
fn configurations_that_make_no_registrar() {
    for (table, field, value) in [
        ("auth", "algorithms", serde_json::json!(["MD4"])),
        ("auth", "algorithms", serde_json::json!([])),
        ("registrar", "path", serde_json::json!("perhaps")),
        ("registrar", "nat", serde_json::json!("perhaps")),
        ("registrar", "min_expires", serde_json::json!(10_000)),
    ] {
        let errors =
            Registrar::new(&config(serde_json::json!({table: {field: value}})), &SECRET).expect_err("an error");
        assert!(errors[0].path.starts_with(&format!("{table}.{field}")), "{errors:?}");
        assert_eq!(errors.len(), 1);
    }
}
