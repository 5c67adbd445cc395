//! Connections as the engine sees them: responses go back on them, dialogs find them again, what cannot be sent is answered.
//! RFC 3261 §18.2.2, RFC 5626 §5.3, RFC 7118.

mod common;

use common::{crlf, request, rule};
use dialplane_core::engine::{Engine, Verdict};
use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport, WorkerId};
use dialplane_core::snapshot::Snapshot;
use dialplane_core::testing::MemoryStore;
use dialplane_core::time::Now;
use dialplane_core::unsent::Unsent;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

const UDP: ListenerId = ListenerId(0);
const TCP: ListenerId = ListenerId(1);
const TLS: ListenerId = ListenerId(2);
/// Nobody listens here but the client that opened a connection from it.
const CLIENT: &str = "198.51.100.7:40000";
const NEXT: &str = "192.0.2.200:5080";

struct World {
    engine: Engine<MemoryStore>,
    now: Now,
}

fn world(route: Value) -> World {
    let config = common::config(json!({
        "listen": [
            {"address": "udp:192.0.2.1:5060", "advertise": null},
            {"address": "tcp:192.0.2.1:5060", "advertise": null},
            {"address": "tls:192.0.2.1:443", "advertise": null},
        ],
        "proxy": {"record_route": true},
        "route": route,
    }));
    let snapshot = Snapshot::build(&config, &[5; 64], &HashMap::new()).expect("a good configuration");
    let now = Now { monotonic_ms: 1000, unix_ms: common::EPOCH * 1000 };
    World { engine: Engine::new(Arc::new(snapshot), MemoryStore::default(), WorkerId(0), 1, now), now }
}

fn path(transport: Transport, listener: ListenerId, peer: &str) -> Path {
    let connection = if transport == Transport::Udp { 0 } else { ConnectionId::new(WorkerId(3), 99, 7).0 };
    Path { transport, listener, connection: ConnectionId(connection), peer: peer.parse().expect("an address") }
}

impl World {
    fn receive(&mut self, from: &Path, text: &str) -> Option<(Path, String)> {
        let (text, mut out) = (crlf(text), Vec::new());
        let to = match self.engine.handle(self.now, from, text.as_bytes(), &mut out) {
            // Of what is kept in a transaction, the last that is not 100 (Trying).
            Verdict::Done | Verdict::HandOver(_) => {
                let kept = std::iter::from_fn(|| self.engine.poll_output());
                let last = kept.filter(|sent| !out[sent.range.clone()].starts_with(b"SIP/2.0 100")).last()?;
                return Some((last.to, String::from_utf8(out[last.range].to_vec()).expect("text")));
            }
            Verdict::Send(to) => to,
            Verdict::Forward(edits, to) => {
                edits.apply(text.as_bytes(), &mut out);
                to
            }
        };
        Some((to, String::from_utf8(out).expect("text")))
    }
}

fn response_to(forwarded: &str, status: &str) -> String {
    let names = ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"];
    let lines = forwarded.split("\r\n").skip(1).filter(|line| names.iter().any(|name| line.starts_with(name)));
    format!("SIP/2.0 {status}\r\n{}\r\n\r\n", lines.collect::<Vec<_>>().join("\r\n"))
}

fn record_routes(text: &str) -> Vec<&str> {
    text.split("\r\n").filter_map(|line| line.strip_prefix("Record-Route: ")).collect()
}

/// An INVITE as a browser sends it: no port, no rport, no length.
fn invite(token: &str, sent_by: &str) -> String {
    request("INVITE", "sip:bob@example.com", "Contact: <sip:a@df7jal23ls0d.invalid;transport=ws>")
        .replace("SIP/2.0/UDP 192.0.2.101:5060", &format!("SIP/2.0/{token} {sent_by}"))
        .replace("Content-Length: 0\n", "")
}

fn forwarder(to: &str) -> Value {
    json!([rule(json!({"domains": ["example.com"], "forward": to}))])
}

#[test]
fn a_response_goes_back_on_the_connection_of_its_request() {
    for (transport, listener, token, sent_by) in [
        (Transport::Tcp, TCP, "TCP", "198.51.100.7:5062;rport"),
        (Transport::Tcp, TCP, "TCP", "phone.example.net"),
        (Transport::Tls, TLS, "TLS", "10.0.0.1:5061"),
        (Transport::Ws, TCP, "WS", "df7jal23ls0d.invalid"),
        (Transport::Wss, TLS, "WSS", "df7jal23ls0d.invalid"),
    ] {
        let mut world = world(forwarder(&format!("sip:{NEXT}")));
        let from = path(transport, listener, CLIENT);
        let (to, sent) = world.receive(&from, &invite(token, sent_by)).expect("forwarded");
        assert_eq!((to.transport, to.listener, to.peer.to_string().as_str()), (Transport::Udp, UDP, NEXT));
        let (back, response) =
            world.receive(&path(Transport::Udp, UDP, NEXT), &response_to(&sent, "180 Ringing")).expect("forwarded");
        assert_eq!((back.connection, back.listener), (from.connection, listener), "{token}");
        assert!(back.transport.is_stream() && !response.contains("Via: SIP/2.0/UDP 192.0.2.1"), "{response}");
        let framed = matches!(transport, Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss);
        assert_eq!(framed, response.contains("Content-Length: 0\r\n"), "a stream needs lengths");
        let forged = response_to(&sent, "200 OK").replace("z9hG4bKdpu", "z9hG4bKdpt");
        assert!(world.receive(&path(Transport::Udp, UDP, NEXT), &forged).is_none(), "no other connection");
    }
}

#[test]
fn what_leaves_by_a_stream_says_how_long_it_is_and_no_more() {
    let mut world = world(forwarder("sip:192.0.2.200:5080;transport=tcp"));
    let text = format!("{}BYE sip:smuggled@example.com SIP/2.0\n\n", request("INVITE", "sip:bob@example.com", ""));
    let (to, sent) = world.receive(&path(Transport::Udp, UDP, NEXT), &text).expect("forwarded");
    assert_eq!((to.transport, to.listener, to.connection), (Transport::Tcp, TCP, ConnectionId(0)));
    assert!(sent.contains("\r\nVia: SIP/2.0/TCP 192.0.2.1:5060;") && !sent.contains("smuggled"), "{sent}");
    let (_, sent) = world.receive(&path(Transport::Ws, TCP, CLIENT), &invite("WS", "a.invalid")).expect("forwarded");
    assert_eq!(sent.matches("Content-Length: 0\r\n").count(), 1, "{sent}");
}

#[test]
fn a_dialog_finds_the_browser_again() {
    let mut world = world(forwarder(&format!("sip:{NEXT}")));
    let browser = path(Transport::Wss, TLS, CLIENT);
    let callee = path(Transport::Udp, UDP, NEXT);
    let (_, sent) = world.receive(&browser, &invite("WSS", "a.invalid")).expect("forwarded");
    let routes = record_routes(&sent);
    assert_eq!(routes.len(), 2, "one for each side: {sent}");
    assert!(routes[0].starts_with("<sip:192.0.2.1:5060;lr;dp="), "{routes:?}");
    assert!(routes[1].contains("@192.0.2.1:443;transport=ws;lr;dp="), "{routes:?}");
    // The callee's BYE has the route set as it came, the browser's in reverse.
    let contact = "sip:a@df7jal23ls0d.invalid;transport=ws";
    let bye = |uri: &str, routes: &[&str], via: &str| {
        request("BYE", uri, &format!("Route: {}", routes.join(",")))
            .replace("SIP/2.0/UDP 192.0.2.101:5060", via)
            .replace("CSeq: 1", "CSeq: 2")
    };
    let text = bye(contact, &routes, "SIP/2.0/UDP 192.0.2.200:5080");
    let (to, sent) = world.receive(&callee, &text).expect("forwarded");
    assert_eq!((to, sent.starts_with(&format!("BYE {contact} ")), sent.contains("Route:")), (browser, true, false));
    assert!(sent.contains("Via: SIP/2.0/WSS 192.0.2.1:443;"), "{sent}");
    let reversed: Vec<&str> = routes.iter().rev().copied().collect();
    let text = bye(&format!("sip:bob@{NEXT}"), &reversed, "SIP/2.0/WSS a.invalid");
    let (to, sent) = world.receive(&browser, &text).expect("forwarded");
    assert_eq!((to.transport, to.peer.to_string().as_str()), (Transport::Udp, NEXT), "{sent}");
    // The browser came back by another connection: what it sends goes to the other side all the same.
    let other = Path { connection: ConnectionId::new(WorkerId(1), 5, 5), ..browser };
    let again = text.replace("z9hG4bK74bf9", "z9hG4bK74bfa").replace("CSeq: 2", "CSeq: 3");
    assert_eq!(world.receive(&other, &again).expect("forwarded").0, to);
    // A token that somebody else made leads nowhere.
    let other = routes[1].replace("<sip:", "<sip:0");
    let text = bye(contact, &[routes[0], &other], "SIP/2.0/UDP 192.0.2.200:5080");
    assert_ne!(world.receive(&callee, &text).map(|(to, _)| to), Some(browser));
}

#[test]
fn a_telephone_behind_a_nat_is_found_again() {
    let mut world = world(forwarder(&format!("sip:{NEXT}")));
    let phone = path(Transport::Udp, UDP, CLIENT);
    let text = request("INVITE", "sip:bob@example.com", "Contact: <sip:alice@10.0.0.5>")
        .replace("UDP 192.0.2.101:5060", "UDP 10.0.0.5:5060;rport");
    let (_, sent) = world.receive(&phone, &text).expect("forwarded");
    let routes = record_routes(&sent);
    let bye = request("BYE", "sip:alice@10.0.0.5", &format!("Route: {}", routes.join(",")));
    let (to, _) = world.receive(&path(Transport::Udp, UDP, NEXT), &bye).expect("forwarded");
    assert_eq!(to, phone);
    let text = request("INVITE", "sip:bob@example.com", "");
    let (_, sent) = world.receive(&path(Transport::Udp, UDP, "192.0.2.101:5060"), &text).expect("forwarded");
    assert_eq!(record_routes(&sent).len(), 1, "whom everybody can reach needs no token");
    assert!(!record_routes(&sent)[0].contains('@'));
}

#[test]
fn a_registration_over_a_connection_is_called_by_it() {
    let mut world = world(json!([]));
    let browser = path(Transport::Wss, TLS, CLIENT);
    let contact = "sip:bob@df7jal23ls0d.invalid;transport=ws";
    let register = request("REGISTER", "sip:example.com", &format!("Contact: <{contact}>"))
        .replace("To: Bob <sip:bob@example.com>", "To: <sip:bob@example.com>")
        .replace("SIP/2.0/UDP 192.0.2.101:5060", "SIP/2.0/WSS df7jal23ls0d.invalid");
    let (to, answer) = world.receive(&browser, &register).expect("answered");
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    assert_eq!(to.connection, browser.connection);
    let caller = path(Transport::Udp, UDP, "192.0.2.101:5060");
    let (to, sent) = world.receive(&caller, &request("INVITE", "sip:bob@example.com", "")).expect("forwarded");
    assert_eq!(to, browser);
    assert!(sent.starts_with(&format!("INVITE {contact} ")), "{sent}");
    let routes = record_routes(&sent);
    let bye = request("BYE", contact, &format!("Route: {},{}", routes[1], routes[0]));
    let (to, _) = world.receive(&caller, &bye).expect("forwarded");
    assert_eq!(to, browser, "the caller's BYE too, though nobody can resolve the Contact");

    // The connection is gone: the caller is told, by whatever way its request came.
    let mut out = Vec::new();
    let unsent = world.engine.handle_unsent(world.now, &to, sent.as_bytes(), &mut out);
    assert_eq!(unsent, Unsent::Receive(to));
    let (back, response) = world.receive(&to, &String::from_utf8(out).expect("text")).expect("forwarded");
    assert_eq!(back.peer, caller.peer);
    assert!(response.starts_with("SIP/2.0 430 Flow Failed\r\n") && response.matches("Via:").count() == 1, "{response}");
}

#[test]
fn what_cannot_be_sent() {
    let mut world = world(forwarder("sip:192.0.2.200:5080;transport=tcp"));
    let caller = path(Transport::Tcp, TCP, CLIENT);
    let (to, sent) = world.receive(&caller, &invite("TCP", "198.51.100.7:5070")).expect("forwarded");
    let mut out = Vec::new();
    assert_eq!(world.engine.handle_unsent(world.now, &to, sent.as_bytes(), &mut out), Unsent::Receive(to));
    let (back, response) = world.receive(&to, &String::from_utf8(out).expect("text")).expect("forwarded");
    assert!(response.starts_with("SIP/2.0 503 "), "{response}");
    assert_eq!(back.connection, caller.connection);
    // §18.2.2: a connection that is gone is opened again, to where the Via says.
    let now = world.now;
    let mut unsent = |path: &Path, text: &str| world.engine.handle_unsent(now, path, text.as_bytes(), &mut Vec::new());
    let again = Path { connection: ConnectionId(0), peer: "198.51.100.7:5070".parse().expect("an address"), ..back };
    assert_eq!(unsent(&back, &response), Unsent::Send(again));
    assert_eq!(unsent(&again, &response), Unsent::Done, "and that once");
    assert_eq!(unsent(&Path { transport: Transport::Ws, ..back }, &response), Unsent::Done, "not to a browser");
    assert_eq!(unsent(&to, &sent.replace("INVITE", "ACK")), Unsent::Done, "nobody waits for an answer to ACK");
    assert_eq!(unsent(&to, &crlf(&invite("TCP", "198.51.100.7:5070"))), Unsent::Done, "not what we forwarded");
    assert_eq!(unsent(&to, "nonsense"), Unsent::Done);
}

#[test]
fn what_is_too_large_for_a_datagram_goes_by_tcp_first() {
    let mut world = world(forwarder("sip:192.0.2.200"));
    let caller = path(Transport::Udp, UDP, "192.0.2.101:5060");
    let large = request("INVITE", "sip:bob@example.com", &format!("Subject: {}", "x".repeat(1000)));
    let (to, sent) = world.receive(&caller, &large).expect("forwarded");
    assert_eq!((to.transport, to.listener, to.peer.to_string().as_str()), (Transport::Tcp, TCP, "192.0.2.200:5060"));
    assert!(sent.contains("\r\nVia: SIP/2.0/TCP 192.0.2.1:5060;branch="), "{sent}");
    assert!(
        record_routes(&sent)[0].starts_with("<sip:192.0.2.1:5060;lr;dp="),
        "the dialog is not bound to TCP: {sent}"
    );
    let (back, _) = world.receive(&to, &response_to(&sent, "200 OK")).expect("forwarded");
    assert_eq!((back.transport, back.peer), (Transport::Udp, caller.peer));
    // Nobody listens there for connections.
    let mut out = Vec::new();
    let unsent = world.engine.handle_unsent(world.now, &to, sent.as_bytes(), &mut out);
    let Unsent::SendOther(datagram) = unsent else { unreachable!("{unsent:?}") };
    assert_eq!((datagram.transport, datagram.listener, datagram.peer), (Transport::Udp, UDP, to.peer));
    assert_eq!(String::from_utf8(out).expect("text"), sent.replacen("SIP/2.0/TCP", "SIP/2.0/UDP", 1));
    let (to, _) = world.receive(&caller, &large).expect("forwarded");
    assert_eq!(to.transport, Transport::Udp, "and that is remembered");
    world.now.monotonic_ms += 600_000;
    let (to, _) = world.receive(&caller, &large).expect("forwarded");
    assert_eq!(to.transport, Transport::Tcp, "for ten minutes");
    let small = request("INVITE", "sip:bob@example.com", "");
    assert_eq!(world.receive(&caller, &small).expect("forwarded").0.transport, Transport::Udp);
    let mut world = self::world(forwarder("sip:192.0.2.200;transport=udp"));
    assert_eq!(world.receive(&caller, &large).expect("forwarded").0.transport, Transport::Udp, "as the URI says");
}
