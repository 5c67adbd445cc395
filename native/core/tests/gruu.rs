//! Globally routable URIs (GRUU) as registrar and proxy handle them, in virtual time. RFC 5627 §5, §6.

mod common;

use common::{Sent, Server, answer, request};
use serde_json::json;

const ALICE: &str = "192.0.2.101:5060";
const DESK: &str = "192.0.2.201:5060";
const MOBILE: &str = "192.0.2.202:5060";

fn server() -> Server {
    Server::new(json!({"registrar": {"gruu": true}}))
}

/// REGISTER of a telephone of Bob's; the answer.
fn register(server: &mut Server, phone: &str, cseq: u32, call_id: &str, lines: &str) -> Sent {
    let number = if phone == DESK { 1 } else { 2 };
    let contact = format!("Contact: <sip:bob@{phone}>;+sip.instance=\"<urn:uuid:{number}>\"\n{lines}");
    let text = request("REGISTER", "sip:example.com", &contact)
        .replace("3848276298220188511", call_id)
        .replace("CSeq: 1", &format!("CSeq: {cseq}"));
    server.now.unix_ms += 1000;
    server.receive(phone, &text).expect("answered")
}

/// Both GRUUs of the contact at `phone`.
fn gruus(answered: &Sent, phone: &str) -> (String, String) {
    let contacts = answered.value("Contact").expect("registered");
    let own = contacts.split("<sip:bob@").find(|text| text.starts_with(phone)).expect("its contact");
    let value = |name: &str| own.split(&format!("{name}=\"")).nth(1).and_then(|text| text.split('"').next());
    (value("pub-gruu").expect("public").to_owned(), value("temp-gruu").expect("temporary").to_owned())
}

fn call(server: &mut Server, uri: &str, number: u32) -> Vec<Sent> {
    let text = request("INVITE", uri, "").replace("z9hG4bK74bf9", &format!("z9hG4bK{number}"));
    let mut sent = server.send(ALICE, &text.replace("3848276298220188511", &format!("call{number}")));
    sent.retain(|sent| sent.what() != "100");
    sent
}

fn story(sent: &[Sent]) -> Vec<String> {
    sent.iter().map(|sent| format!("{} {}", sent.what(), sent.to)).collect()
}

#[test]
fn each_telephone_has_its_own() {
    let mut server = server();
    let plain = register(&mut server, DESK, 1, "desk", "");
    assert!(!plain.text.contains("gruu"), "only who asks for it gets it: {}", plain.text);
    let desk = register(&mut server, DESK, 2, "desk", "Supported: gruu");
    let mobile = register(&mut server, MOBILE, 1, "mobile", "Supported: gruu");
    let ((public, temporary), (other, _)) = (gruus(&desk, DESK), gruus(&mobile, MOBILE));
    assert_eq!((&*public, &*other), ("sip:bob@example.com;gr=urn:uuid:1", "sip:bob@example.com;gr=urn:uuid:2"));
    assert_eq!(story(&call(&mut server, "sip:bob@example.com", 1)).len(), 2, "his address rings at both");
    for (number, uri) in [(2, &public), (3, &temporary)] {
        let called = call(&mut server, uri, number);
        assert_eq!(story(&called), [format!("INVITE {DESK}")], "{uri}");
        assert!(called[0].text.starts_with(&format!("INVITE sip:bob@{DESK} SIP/2.0")), "gr is not carried forward");
    }
    assert_eq!(story(&call(&mut server, &other, 4)), [format!("INVITE {MOBILE}")]);
}

#[test]
fn a_temporary_one_ends_with_its_registration() {
    let mut server = server();
    let first = gruus(&register(&mut server, DESK, 1, "desk", "Supported: gruu"), DESK).1;
    let second = gruus(&register(&mut server, DESK, 2, "desk", "Supported: gruu"), DESK).1;
    assert_ne!(first, second, "each registration brings a new one");
    for (number, uri) in [(1, &first), (2, &second)] {
        assert_eq!(story(&call(&mut server, uri, number)), [format!("INVITE {DESK}")], "and ends none");
    }
    // §5.1: another Call-ID is another life.
    let third = gruus(&register(&mut server, DESK, 1, "rebooted", "Supported: gruu"), DESK).1;
    assert_eq!(story(&call(&mut server, &second, 3)), [format!("404 {ALICE}")]);
    assert_eq!(story(&call(&mut server, &third, 4)), [format!("INVITE {DESK}")]);
    // §5.3.
    register(&mut server, DESK, 2, "rebooted", "Expires: 0");
    assert_eq!(story(&call(&mut server, &third, 5)), [format!("404 {ALICE}")]);
    let forged = third.replace("tgruu.", "tgruu.0");
    assert_eq!(story(&call(&mut server, &forged, 6)), [format!("404 {ALICE}")]);
}

/// §6.1, second case: the one refreshed last; the next only when that one cannot be reached.
#[test]
fn a_telephone_that_was_started_anew() {
    let mut server = server();
    register(&mut server, DESK, 1, "before", "");
    let moved = "192.0.2.209:5060";
    let text =
        request("REGISTER", "sip:example.com", &format!("Contact: <sip:bob@{moved}>;+sip.instance=\"<urn:uuid:1>\""));
    server.now.unix_ms += 1000;
    assert!(server.receive(moved, &text).expect("answered").text.starts_with("SIP/2.0 200"));
    let uri = "sip:bob@example.com;gr=urn:uuid:1";
    let called = call(&mut server, uri, 1);
    assert_eq!(story(&called), [format!("INVITE {moved}")]);
    let next = server.give_back(&called[0]);
    assert!(next.iter().any(|sent| sent.what() == "INVITE" && sent.to.to_string() == DESK), "{:?}", story(&next));
    let called = call(&mut server, uri, 2);
    let refused = server.send(moved, &answer(&called[0], "486 Busy Here", "b", ""));
    assert!(refused.iter().all(|sent| sent.what() != "INVITE"), "it has answered");
}

/// §6.1: inside a dialog the Route says which way, the GRUU whom; §5.1: what cannot be registered.
#[test]
fn inside_a_dialog_and_in_a_registration() {
    let mut server = Server::new(json!({"registrar": {"gruu": true}, "proxy": {"record_route": true}}));
    let (public, temporary) = gruus(&register(&mut server, DESK, 1, "desk", "Supported: gruu"), DESK);
    let called = call(&mut server, &public, 1);
    let route = called[0].value("Record-Route").expect("recorded").to_owned();
    for (number, uri, status) in
        [(1, &*public, "BYE"), (2, &*temporary, "BYE"), (3, "sip:bob@example.com;gr=urn:uuid:9", "480")]
    {
        let text = request("BYE", uri, &format!("Route: {route}\nRoute: <sip:192.0.2.31;lr>"))
            .replace("3848276298220188511", "call1")
            .replace("z9hG4bK74bf9", &format!("z9hG4bKbye{number}"))
            .replace("bob@example.com>", "bob@example.com>;tag=b");
        let sent = server.receive(ALICE, &text).expect("something leaves");
        assert_eq!(sent.what(), status, "{uri}: {}", sent.text);
        if status == "BYE" {
            assert_eq!(sent.to.to_string(), "192.0.2.31:5060");
            assert!(sent.text.starts_with(&format!("BYE sip:bob@{DESK} ")), "{}", sent.text);
        }
    }
    for contact in ["sip:bob@example.com", &public, &temporary, "mailto:bob@example.com"] {
        let lines = format!("Contact: <{contact}>;+sip.instance=\"<urn:uuid:1>\"");
        let text = request("REGISTER", "sip:example.com", &lines).replace("3848276298220188511", "loop");
        assert_eq!(server.receive(DESK, &text).expect("answered").what(), "403", "{contact}");
    }
}
