//! Forking and failover, in virtual time. RFC 3261 §16.5 to §16.7, §16.10, RFC 3326, RFC 5393 §5.3.

mod common;

use common::{Sent, Server, answer, request, rule};
use dialplane_core::counter::Counter;
use serde_json::{Value, json};

const ALICE: &str = "192.0.2.101:5060";
const PHONES: [&str; 3] = ["192.0.2.201:5060", "192.0.2.202:5060", "192.0.2.203:5060"];

/// Bob is registered with these values of q, one phone each.
fn registered(change: Value, preferences: &[&str]) -> Server {
    let mut server = Server::new(change);
    for (number, (phone, q)) in PHONES.iter().zip(preferences).enumerate() {
        let contact = format!("Contact: <sip:bob@{phone}>{q}");
        let text = request("REGISTER", "sip:example.com", &contact)
            .replace("To: Bob", "To:")
            .replace("3848276298220188511", &format!("register{number}"))
            .replace("192.0.2.101", phone.split(':').next().expect("an address"));
        assert!(server.receive(phone, &text).expect("answered").text.starts_with("SIP/2.0 200"));
    }
    server
}

fn invite(lines: &str) -> String {
    request("INVITE", "sip:bob@example.com", lines)
}

fn story(sent: &[Sent]) -> Vec<String> {
    let mut story: Vec<String> = sent
        .iter()
        .map(|sent| match PHONES.iter().position(|phone| *phone == sent.to.to_string()) {
            Some(number) => format!("{} {}", sent.what(), number + 1),
            None if sent.to.to_string() == ALICE => format!("{} alice", sent.what()),
            None => format!("{} {}", sent.what(), sent.to),
        })
        .collect();
    story.sort();
    story
}

/// What phone `number` (from 1) was sent last.
fn at(sent: &[Sent], number: usize) -> Sent {
    sent.iter().rfind(|sent| sent.to.to_string() == PHONES[number - 1]).expect("something for that phone").clone()
}

fn ring_all(server: &mut Server) -> Vec<Sent> {
    let sent = server.send(ALICE, &invite(""));
    assert_eq!(story(&sent), ["100 alice", "INVITE 1", "INVITE 2", "INVITE 3"]);
    for number in 1..=3 {
        let ringing = answer(&at(&sent, number), "180 Ringing", &number.to_string(), "");
        assert_eq!(story(&server.send(PHONES[number - 1], &ringing)), ["180 alice"]);
    }
    sent
}

#[test]
fn all_phones_ring_and_one_answers() {
    let mut server = registered(json!({}), &["", "", ""]);
    let sent = ring_all(&mut server);
    let branches: Vec<_> = (1..=3).map(|number| at(&sent, number).value("Via").map(str::to_owned)).collect();
    assert!(branches[0] != branches[1] && branches[1] != branches[2] && branches[0] != branches[2]);
    let accepted = server.send(PHONES[1], &answer(&at(&sent, 2), "200 OK", "2", ""));
    assert_eq!(story(&accepted), ["200 alice", "CANCEL 1", "CANCEL 3"]);
    let reason = "SIP;cause=200;text=\"Call completed elsewhere\"";
    assert_eq!(at(&accepted, 1).value("Reason"), Some(reason));
    for number in [1, 3] {
        let phone = PHONES[number - 1];
        assert!(server.send(phone, &answer(&at(&accepted, number), "200 OK", "x", "")).is_empty());
        let ended = server.send(phone, &answer(&at(&sent, number), "487 Request Terminated", "x", ""));
        assert_eq!(story(&ended), [format!("ACK {number}")], "and nothing for Alice");
    }
    assert!(server.pass(33_000).is_empty());
    assert_eq!(server.engine.open_contexts(), 0);
    assert_eq!(server.count(Counter::Forks), 2);
}

/// RFC 3261 §16.7 step 5, RFC 6026: two people lifted the receiver.
#[test]
fn a_late_200_of_another_branch_reaches_the_caller() {
    let mut server = registered(json!({}), &["", "", ""]);
    let sent = ring_all(&mut server);
    server.send(PHONES[0], &answer(&at(&sent, 1), "200 OK", "1", ""));
    assert_eq!(story(&server.send(PHONES[2], &answer(&at(&sent, 3), "200 OK", "3", ""))), ["200 alice"]);
    assert_eq!(story(&server.send(PHONES[0], &answer(&at(&sent, 1), "200 OK", "1", ""))), ["200 alice"]);
}

#[test]
fn all_phones_refuse_and_the_best_response_is_sent() {
    let mut server = registered(json!({}), &["", "", ""]);
    let sent = ring_all(&mut server);
    for (number, status) in [(1, "480 Away"), (3, "503 Full")] {
        let refused = server.send(PHONES[number - 1], &answer(&at(&sent, number), status, "x", ""));
        assert_eq!(story(&refused), [format!("ACK {number}")]);
    }
    let last =
        server.send(PHONES[1], &answer(&at(&sent, 2), "407 Who", "x", "Proxy-Authenticate: Digest realm=\"a\"\n"));
    assert_eq!(story(&last), ["407 alice", "ACK 2"]);
}

#[test]
fn one_phone_refuses_for_all() {
    let mut server = registered(json!({}), &["", "", ";q=0.1"]);
    let sent = server.send(ALICE, &invite(""));
    assert_eq!(story(&sent), ["100 alice", "INVITE 1", "INVITE 2"]);
    for number in [1, 2] {
        server.send(PHONES[number - 1], &answer(&at(&sent, number), "180 Ringing", "x", ""));
    }
    let declined = server.send(PHONES[0], &answer(&at(&sent, 1), "603 Decline", "1", ""));
    assert_eq!(story(&declined), ["ACK 1", "CANCEL 2"], "§16.7 step 5: not sent on before the others have ended");
    assert_eq!(at(&declined, 2).value("Reason"), Some("SIP;cause=603;text=\"Decline\""));
    let ended = server.send(PHONES[1], &answer(&at(&sent, 2), "487 Request Terminated", "2", ""));
    assert_eq!(story(&ended), ["603 alice", "ACK 2"], "and the third is not tried");
}

#[test]
fn phones_of_lower_preference_ring_later() {
    let mut server = registered(json!({}), &[";q=0.2", ";q=1.0", ";q=0.2"]);
    let first = server.send(ALICE, &invite(""));
    assert_eq!(story(&first), ["100 alice", "INVITE 2"]);
    server.send(PHONES[1], &answer(&at(&first, 2), "180 Ringing", "2", ""));
    let second = server.send(PHONES[1], &answer(&at(&first, 2), "486 Busy Here", "2", ""));
    assert_eq!(story(&second), ["ACK 2", "INVITE 1", "INVITE 3"]);
    let one = server.send(PHONES[0], &answer(&at(&second, 1), "404 Not Found", "1", ""));
    assert_eq!(story(&one), ["ACK 1"]);
    let three = server.send(PHONES[2], &answer(&at(&second, 3), "200 OK", "3", ""));
    assert_eq!(story(&three), ["200 alice"]);
    assert!(server.pass(33_000).is_empty());
    assert_eq!(server.engine.open_contexts(), 0);
}

#[test]
fn the_caller_hangs_up_on_all() {
    let mut server = registered(json!({}), &["", ";q=0.9", ""]);
    let sent = server.send(ALICE, &invite(""));
    assert_eq!(story(&sent), ["100 alice", "INVITE 1", "INVITE 3"]);
    server.send(PHONES[0], &answer(&at(&sent, 1), "180 Ringing", "1", ""));
    let cancelled = server.send(ALICE, &request("CANCEL", "sip:bob@example.com", ""));
    assert_eq!(story(&cancelled), ["200 alice", "CANCEL 1"], "the third has not said anything yet");
    server.send(PHONES[0], &answer(&at(&cancelled, 1), "200 OK", "1", ""));
    let one = server.send(PHONES[0], &answer(&at(&sent, 1), "487 Request Terminated", "1", ""));
    assert_eq!(story(&one), ["ACK 1"]);
    let three = server.send(PHONES[2], &answer(&at(&sent, 3), "180 Ringing", "3", ""));
    assert_eq!(story(&three), ["180 alice", "CANCEL 3"]);
    let ended = server.send(PHONES[2], &answer(&at(&sent, 3), "487 Request Terminated", "3", ""));
    assert_eq!(story(&ended), ["487 alice", "ACK 3"], "and the one of lower preference is not tried");
}

/// RFC 5393 §5.3.3.
#[test]
fn breadth() {
    let mut server = registered(json!({}), &["", "", ""]);
    let sent = server.send(ALICE, &invite(""));
    let shares: Vec<_> = (1..=3).map(|number| at(&sent, number).value("Max-Breadth").map(str::to_owned)).collect();
    assert_eq!(shares, vec![Some("20".to_owned()); 3]);

    let mut server = registered(json!({}), &["", "", ""]);
    let sent = server.send(ALICE, &invite("Max-Breadth: 2"));
    assert_eq!(sent.iter().filter(|sent| sent.what() == "INVITE").count(), 2);
    let first = sent.iter().find(|sent| sent.what() == "INVITE").expect("one");
    assert_eq!(first.value("Max-Breadth"), Some("1"));
    let next = server.send(&first.to.to_string(), &answer(first, "486 Busy Here", "1", ""));
    assert_eq!(next.iter().filter(|sent| sent.what() == "INVITE").count(), 1, "its breadth is free again");

    let mut server = registered(json!({}), &["", "", ""]);
    assert_eq!(story(&server.send(ALICE, &invite("Max-Breadth: 0"))), ["440 alice"]);
    let mut server = registered(json!({}), &[""]);
    let sent = server.send(ALICE, &invite("Max-Breadth: 200"));
    assert_eq!(at(&sent, 1).value("Max-Breadth"), Some("60"));
    let sent = registered(json!({}), &[""]).send(ALICE, &invite(""));
    assert_eq!(at(&sent, 1).value("Max-Breadth"), None, "what does not fork is left as it came");
}

/// A set with the three phones as gateways, in this order.
fn gateways() -> Server {
    let targets: Vec<Value> = PHONES
        .iter()
        .map(|phone| json!({"uri": format!("sip:{phone}"), "weight": 1, "priority": 0, "drain": false}))
        .collect();
    Server::new(json!({
        "route": [rule(json!({"forward": "gateways"}))],
        "target_set": [{"name": "gateways", "policy": "priority", "hash_by": "call-id", "probe": null, "eject": null, "longest_call": 14400.0, "targets": targets}],
    }))
}

#[test]
fn the_next_gateway_is_tried_when_one_fails() {
    let mut server = gateways();
    let first = server.send(ALICE, &invite(""));
    assert_eq!(story(&first), ["100 alice", "INVITE 1"]);
    let second = server.send(PHONES[0], &answer(&at(&first, 1), "503 Service Unavailable", "1", ""));
    assert_eq!(story(&second), ["ACK 1", "INVITE 2"], "out of service");
    let third = server.give_back(&at(&second, 2));
    assert_eq!(story(&third), ["ACK 2", "INVITE 3"], "connection refused");
    let end = server.pass(32_100);
    let (_, last) = end.last().expect("408");
    assert_eq!((last.what(), last.to.to_string()), ("408".to_owned(), ALICE.to_owned()));
    assert_eq!(server.count(Counter::Failovers), 2);
}

#[test]
fn a_silent_gateway_is_left_after_timer_b() {
    let mut server = gateways();
    server.send(ALICE, &invite(""));
    let sent: Vec<Sent> = server.pass(32_100).into_iter().map(|(_, sent)| sent).collect();
    assert_eq!(at(&sent, 2).what(), "INVITE");
    let accepted = server.send(PHONES[1], &answer(&at(&sent, 2), "200 OK", "2", ""));
    assert_eq!(story(&accepted), ["200 alice"]);
}

#[test]
fn a_gateway_that_answers_has_decided() {
    let mut server = gateways();
    let first = server.send(ALICE, &invite(""));
    let busy = server.send(PHONES[0], &answer(&at(&first, 1), "486 Busy Here", "1", ""));
    assert_eq!(story(&busy), ["486 alice", "ACK 1"]);
}

#[test]
fn other_requests_fail_over_too() {
    let mut server = gateways();
    let first = server.send(ALICE, &request("MESSAGE", "sip:bob@example.com", ""));
    assert_eq!(story(&first), ["MESSAGE 1"]);
    let second = server.send(PHONES[0], &answer(&at(&first, 1), "503 Service Unavailable", "1", ""));
    assert_eq!(story(&second), ["MESSAGE 2"]);
    assert_eq!(story(&server.send(PHONES[1], &answer(&at(&second, 2), "200 OK", "2", ""))), ["200 alice"]);
}

/// §16.7 step 4, where the operator wants it.
#[test]
fn contacts_of_a_redirection_are_tried_here() {
    let away = "Contact: <sip:bob@192.0.2.203:5060>;q=0.3, <sip:bob@192.0.2.202:5060>\n";
    let mut server = registered(json!({}), &[""]);
    let sent = server.send(ALICE, &invite(""));
    let moved = server.send(PHONES[0], &answer(&at(&sent, 1), "302 Moved Temporarily", "1", away));
    assert_eq!(story(&moved), ["302 alice", "ACK 1"], "not without being asked to");
    assert!(moved.iter().any(|sent| sent.text.contains("Contact: <sip:bob@192.0.2.203")));

    let mut server = registered(json!({"proxy": {"recurse": true}}), &[""]);
    let sent = server.send(ALICE, &invite(""));
    let moved = server.send(PHONES[0], &answer(&at(&sent, 1), "302 Moved Temporarily", "1", away));
    assert_eq!(story(&moved), ["ACK 1", "INVITE 2"], "the better one first");
    assert!(at(&moved, 2).text.starts_with("INVITE sip:bob@192.0.2.202:5060 SIP/2.0\r\n"));
    let last = server.send(PHONES[1], &answer(&at(&moved, 2), "404 Not Found", "2", ""));
    assert_eq!(story(&last), ["ACK 2", "INVITE 3"]);
    let end = server.send(PHONES[2], &answer(&at(&last, 3), "480 Away", "3", ""));
    assert_eq!(story(&end), ["404 alice", "ACK 3"]);
}

/// RFC 3262, RFC 3311: what is between the ends passes.
#[test]
fn reliable_provisional_responses_pass() {
    let mut server = registered(json!({"proxy": {"record_route": true}}), &[""]);
    let sent = server.send(ALICE, &invite("Supported: 100rel"));
    let lines = "Require: 100rel\nRSeq: 9\nContact: <sip:bob@192.0.2.201:5060>\n";
    let progress = server.send(PHONES[0], &answer(&at(&sent, 1), "183 Session Progress", "1", lines));
    assert_eq!(progress[0].value("RSeq"), Some("9"));
    let route = at(&sent, 1).value("Record-Route").expect("recorded").to_owned();
    for (cseq, method) in [(2, "PRACK"), (3, "UPDATE")] {
        let text = request(method, "sip:bob@192.0.2.201:5060", &format!("Route: {route}\nRAck: 9 1 INVITE"))
            .replace("CSeq: 1", &format!("CSeq: {cseq}"))
            .replace("z9hG4bK74bf9", &format!("z9hG4bK{method}"))
            .replace("bob@example.com>", "bob@example.com>;tag=1");
        let passed = server.send(ALICE, &text);
        assert_eq!(story(&passed), [format!("{method} 1")]);
        assert_eq!(passed[0].value("RAck"), Some("9 1 INVITE"));
        assert_eq!(story(&server.send(PHONES[0], &answer(&passed[0], "200 OK", "1", ""))), ["200 alice"]);
    }
}
