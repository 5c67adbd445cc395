//! Floods, scanners, guessed passwords and overload, as those meet the engine. RFC 3261 §26.1.5, RFC 7339.

mod common;

use common::{Sent, Server, answer, crlf, request, rule};
use dialplane_core::counter::Counter;
use serde_json::{Value, json};

const ALICE: &str = "192.0.2.101:5060";
const BOB: &str = "192.0.2.200:5080";
const CROOK: &str = "203.0.113.66:5060";

/// Everything goes to [`BOB`] and is kept; `guard` replaces defaults, and nobody is vouched for but Bob.
fn guarded(guard: Value, mode: &str) -> Server {
    let mut guard = guard;
    guard["allow"] = json!(["192.0.2.200"]);
    Server::new(json!({
        "guard": guard,
        "auth": {"register": true},
        "proxy": {"record_route": true},
        "route": [rule(json!({"methods": ["INVITE", "MESSAGE"], "forward": format!("sip:{BOB}"), "mode": mode}))],
    }))
}

/// The `number`th INVITE; each has a Call-ID and a branch of its own.
fn invite(number: u32, lines: &str) -> String {
    request("INVITE", "sip:bob@example.com", &format!("Contact: <sip:alice@192.0.2.101>\n{lines}"))
        .replace("3848276298220188511", &format!("call{number}"))
        .replace("z9hG4bK74bf9", &format!("z9hG4bKbranch{number}"))
}

fn status(sent: Option<Sent>) -> String {
    sent.map_or_else(String::new, |sent| sent.what())
}

#[test]
fn a_scanner_is_banned_without_a_word() {
    let mut server = guarded(json!({"scanners": ["friendly-scanner"]}), "stateless");
    assert_eq!(server.receive(CROOK, &invite(1, "User-Agent: Friendly-Scanner/1.8")), None);
    let ban = server.engine.poll_ban().expect("told");
    assert_eq!((ban.source.to_string().as_str(), ban.until_ms), ("203.0.113.66", server.now.unix_ms + 600_000));
    assert_eq!(server.receive(CROOK, &invite(2, "")), None, "whatever it says it is");
    assert_eq!(
        (server.count(Counter::Banned), server.count(Counter::BannedDropped), server.count(Counter::Scanners)),
        (1, 1, 1)
    );
    assert_eq!(status(server.receive(ALICE, &invite(3, ""))), "INVITE");
    assert_eq!(status(server.receive(BOB, &invite(4, "User-Agent: friendly-scanner"))), "INVITE", "vouched for");
    server.now.unix_ms += 600_000;
    assert_eq!(status(server.receive(CROOK, &invite(5, ""))), "INVITE", "bans end");
}

#[test]
fn what_comes_to_nothing_costs_something() {
    for text in [
        "NONSENSE".to_owned(),
        request("REGISTER", "sip:example.com", "Contact: <sip:alice@192.0.2.101>")
            .replace("Bob <sip:bob@", "<sip:alice@"),
        request("OPTIONS", "sip:nobody@example.com", ""),
        invite(1, "").replace("Call-ID", "Other"),
    ] {
        let mut server = guarded(json!({"refused": 3}), "stateless");
        for _ in 0..10 {
            server.all(CROOK, crlf(&text).as_bytes());
        }
        assert_eq!((server.count(Counter::Banned), server.count(Counter::BannedDropped)), (1, 6), "{text}");
        assert_eq!(status(server.receive(ALICE, &invite(3, ""))), "INVITE");
        let mut patient = guarded(json!({"refused": 3, "ban": 0.0}), "stateless");
        for _ in 0..10 {
            patient.all(CROOK, crlf(&text).as_bytes());
        }
        assert_eq!(patient.count(Counter::Banned), 0);
    }
}

#[test]
fn beyond_its_rate_a_source_hears_when_to_come_again() {
    let mut server = guarded(json!({"requests": 2}), "stateless");
    let mut send = |number, lines: &str| server.receive(CROOK, &invite(number, lines)).expect("answered or forwarded");
    assert_eq!([send(1, "").what(), send(2, "").what()], ["INVITE", "INVITE"]);
    let refused = send(3, "");
    assert_eq!(refused.what(), "503");
    let after: u32 = refused.value("Retry-After").expect("said").parse().expect("a number");
    assert!((5..=15).contains(&after));
    let sos = invite(4, "").replace("sip:bob@example.com SIP", "sip:112@example.com SIP");
    assert_eq!(status(server.receive(CROOK, &sos)), "INVITE", "an emergency");
    server.now.unix_ms += 500;
    assert_eq!(status(server.receive(CROOK, &invite(5, ""))), "INVITE");
    assert_eq!(server.count(Counter::RateLimited), 1);
}

/// RFC 3261 §17.2.1: a final response is sent again until its ACK comes, but not to somebody's victim.
#[test]
fn a_stranger_gets_no_more_octets_than_he_sent() {
    let mut server = guarded(json!({}), "stateful");
    let mut octets = [0_usize; 2];
    let mut call = |server: &mut Server, number, is_counted: bool| {
        let text = crlf(&invite(number, &format!("Subject: {}", "x".repeat(700))));
        let sent = server.all(ALICE, text.as_bytes());
        let busy = server.send(BOB, &answer(&sent[1], "486 Busy Here", "callee42", ""));
        let later = server.pass(31_000);
        let to_alice = |sent: &Sent| if sent.to.to_string() == ALICE { sent.text.len() } else { 0 };
        let all = sent.iter().chain(&busy).chain(later.iter().map(|(_, sent)| sent)).map(to_alice).sum::<usize>();
        if is_counted {
            octets[0] += text.len();
            octets[1] += all;
        }
        assert!(!is_counted || octets[1] <= octets[0], "{octets:?}");
        let last = busy.iter().find(|sent| sent.to.to_string() == ALICE).expect("the response").clone();
        (last, later.iter().filter(|(_, sent)| sent.what() == "486").count())
    };
    let (busy, again) = call(&mut server, 1, true);
    assert!(again < 3, "{again}");
    assert!(server.count(Counter::AmplificationAvoided) > 5);
    let ack = |number: u32, to: &str| {
        request("ACK", "sip:bob@example.com", "")
            .replace("3848276298220188511", &format!("call{number}"))
            .replace("z9hG4bK74bf9", &format!("z9hG4bKbranch{number}"))
            .replace("Bob <sip:bob@example.com>", to)
    };
    // A guess proves nothing; the tag of the response does.
    server.send(ALICE, &ack(1, "Bob <sip:bob@example.com>;tag=somebody"));
    let (_, again) = call(&mut server, 2, true);
    assert!(again < 3, "{again}");
    let text = crlf(&invite(3, ""));
    let sent = server.all(ALICE, text.as_bytes());
    let busy_again = server.send(BOB, &answer(&sent[1], "486 Busy Here", "callee42", ""));
    assert!(busy_again.iter().any(|sent| sent.what() == "486"));
    server.send(ALICE, &ack(3, busy.value("To").expect("a To")));
    let (_, again) = call(&mut server, 4, false);
    assert_eq!(again, 10, "as RFC 3261 has it");
}

#[test]
fn under_load_new_requests_of_strangers_wait_outside() {
    let mut server = guarded(json!({}), "stateless");
    // Alice is known: she acknowledged a response that only she got.
    let refused = server.receive(ALICE, &request("OPTIONS", "sip:nobody@example.com", "")).expect("answered");
    assert_eq!(refused.what(), "404");
    let ack = request("ACK", "sip:nobody@example.com", "")
        .replace("Bob <sip:bob@example.com>", refused.value("To").expect("To"));
    server.send(ALICE, &ack);
    let route =
        server.receive(BOB, &invite(0, "")).expect("forwarded").value("Record-Route").expect("there").to_owned();
    for _ in 0..16 {
        server.engine.note_delay(server.now, 300);
        server.now.monotonic_ms += 50;
        server.now.unix_ms += 50;
    }
    assert!(server.engine.is_shedding());
    let asks = |text: String| text.replace("z9hG4bKbranch1", "z9hG4bKbranch1;oc;oc-algo=\"loss\"");
    let sent = server.receive(CROOK, &asks(invite(1, ""))).expect("told");
    assert_eq!(sent.what(), "503");
    let via = sent.value("Via").expect("a Via");
    assert!(via.contains(";oc=100;oc-algo=\"loss\";oc-validity=500;oc-seq=1767225600.800"), "{via}");
    assert!(sent.value("Retry-After").is_some());
    assert_eq!(status(server.receive(ALICE, &invite(1, ""))), "INVITE", "who is known comes first");
    // An emergency, responses, and what is in a dialog that we let in.
    let sos = invite(2, "").replace("sip:bob@example.com SIP", "sip:112@example.com SIP");
    let forwarded =
        server.receive(CROOK, &sos.replace("z9hG4bKbranch2", "z9hG4bKbranch2;oc;oc-algo=\"loss\"")).expect("served");
    let ringing = server.receive(BOB, &answer(&forwarded, "180 Ringing", "b", "")).expect("forwarded");
    assert!(ringing.value("Via").is_some_and(|via| via.contains(";oc=100;")), "{}", ringing.text);
    let bye = request("BYE", "sip:bob@192.0.2.200:5080", &format!("Route: {route}"))
        .replace("3848276298220188511", "call0")
        .replace("bob@example.com>", "bob@example.com>;tag=b");
    assert_eq!(status(server.receive(CROOK, &bye)), "BYE");
    assert_eq!(server.count(Counter::Shed), 1);
    for _ in 0..100 {
        server.engine.note_delay(server.now, 0);
        server.now.monotonic_ms += 50;
    }
    assert_eq!(status(server.receive(CROOK, &invite(3, ""))), "INVITE", "it is over");
}

/// RFC 3261 §13.3.1.4: the callee sends its 2xx until the ACK comes, which a victim never sends.
#[test]
fn a_2xx_is_not_repeated_for_ever_to_a_stranger() {
    let mut server = guarded(json!({}), "stateful");
    let sent = server.send(ALICE, &invite(1, ""));
    let forwarded = sent.iter().find(|sent| sent.what() == "INVITE").expect("forwarded").clone();
    let accepted = answer(&forwarded, "200 OK", "b", "Contact: <sip:bob@192.0.2.200:5080>\n");
    let passed: usize = (0..11).map(|_| server.send(BOB, &accepted).len()).sum();
    assert_eq!((passed, server.count(Counter::AmplificationAvoided)), (4, 7), "a few may be lost");
    let route = forwarded.value("Record-Route").expect("recorded");
    let ack = request("ACK", "sip:bob@192.0.2.200:5080", &format!("Route: {route}"))
        .replace("3848276298220188511", "call1")
        .replace("z9hG4bK74bf9", "z9hG4bKack");
    assert_eq!(status(server.receive(ALICE, &ack)), "ACK");
    assert_eq!(server.send(BOB, &accepted).len(), 1, "now it is known that she receives");
}
