//! The edge: Path and flow tokens, several flows of one client, Service-Route. RFC 3327, RFC 5626 §5, §7, RFC 3608.

mod common;

use common::{crlf, request, rule};
use dialplane_core::counter::Counter;
use dialplane_core::engine::{Engine, Verdict};
use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport, WorkerId};
use dialplane_core::snapshot::Snapshot;
use dialplane_core::testing::MemoryStore;
use dialplane_core::time::Now;
use dialplane_core::unsent::Unsent;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

const REGISTRAR: &str = "192.0.2.200:5060";
const CONTACT: &str =
    "Contact: <sip:bob@10.0.0.5;transport=tcp>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\"";

struct World {
    engine: Engine<MemoryStore>,
    now: Now,
}

/// A message that left.
#[derive(Clone, Debug)]
struct Sent {
    to: Path,
    text: String,
}

impl Sent {
    fn value(&self, name: &str) -> Option<&str> {
        self.text.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn what(&self) -> &str {
        let text = self.text.strip_prefix("SIP/2.0 ").unwrap_or(&self.text);
        text.split(' ').next().unwrap_or_default()
    }
}

impl World {
    fn new(change: Value) -> Self {
        let mut whole = json!({
            "listen": [{"address": "udp:192.0.2.1:5060"}, {"address": "tcp:192.0.2.1:5060"}],
            "proxy": {"record_route": true},
        });
        whole.as_object_mut().expect("a table").extend(change.as_object().expect("a table").clone());
        let snapshot = Snapshot::build(&common::config(whole), &[5; 64], &HashMap::new()).expect("a configuration");
        let now = Now { monotonic_ms: 1000, unix_ms: common::EPOCH * 1000 };
        Self { engine: Engine::new(Arc::new(snapshot), MemoryStore::default(), WorkerId(0), 1, now), now }
    }

    /// Whatever leaves because of this message, but for 100.
    fn receive(&mut self, from: &Path, text: &str) -> Vec<Sent> {
        let (text, mut out) = (crlf(text), Vec::new());
        let own = match self.engine.handle(self.now, from, text.as_bytes(), &mut out) {
            Verdict::Done | Verdict::HandOver(_) => None,
            Verdict::Send(to) => Some(Sent { to, text: String::from_utf8_lossy(&out).into_owned() }),
            Verdict::Forward(edits, to) => {
                let mut forwarded = Vec::new();
                edits.apply(text.as_bytes(), &mut forwarded);
                Some(Sent { to, text: String::from_utf8_lossy(&forwarded).into_owned() })
            }
        };
        let queued = std::iter::from_fn(|| self.engine.poll_output());
        let mut sent: Vec<Sent> = queued
            .map(|sent| Sent { to: sent.to, text: String::from_utf8_lossy(&out[sent.range]).into_owned() })
            .collect();
        sent.extend(own);
        sent.retain(|sent| sent.what() != "100");
        sent
    }

    /// The connection by which a message was to go is gone. What leaves because of that.
    fn give_back(&mut self, sent: &Sent) -> Vec<Sent> {
        let mut out = Vec::new();
        match self.engine.handle_unsent(self.now, &sent.to, sent.text.as_bytes(), &mut out) {
            Unsent::Receive(from) => self.receive(&from, &String::from_utf8_lossy(&out)),
            other => unreachable!("{other:?}"),
        }
    }
}

fn udp(peer: &str) -> Path {
    let peer = peer.parse().expect("an address");
    Path { transport: Transport::Udp, listener: ListenerId(0), connection: ConnectionId(0), peer }
}

/// Connection `number` of a client.
fn tcp(number: u32) -> Path {
    Path {
        transport: Transport::Tcp,
        listener: ListenerId(1),
        connection: ConnectionId::new(WorkerId(0), 1, number),
        peer: format!("198.51.100.7:{}", 40_000 + number).parse().expect("an address"),
    }
}

fn register(number: u32, lines: &str) -> String {
    request("REGISTER", "sip:example.com", lines)
        .replace("To: Bob", "To:")
        .replace("SIP/2.0/UDP 192.0.2.101:5060", "SIP/2.0/TCP 10.0.0.5:5060")
        .replace("3848276298220188511", &format!("register{number}"))
}

fn edge() -> World {
    World::new(json!({"route": [rule(json!({"forward": format!("sip:{REGISTRAR}"), "path": true}))]}))
}

#[test]
fn a_registration_through_the_edge_leads_back_by_its_flow() {
    let mut world = edge();
    let client = tcp(1);
    let sent = world.receive(&client, &register(1, &format!("{CONTACT};reg-id=1\nSupported: path, outbound")));
    let path = sent[0].value("Path").expect("inserted").to_owned();
    assert!(path.contains("@192.0.2.1:5060;lr;ob>"), "we are the first hop: {path}");
    assert_eq!(sent[0].to.peer.to_string(), REGISTRAR);

    let contact = "sip:bob@10.0.0.5;transport=tcp";
    let registrar = udp(REGISTRAR);
    let call = |route: &str| request("INVITE", contact, &format!("Route: {route}"));
    let called = world.receive(&registrar, &call(&path));
    assert_eq!((called[0].to, called[0].what()), (client, "INVITE"));
    assert!(called[0].text.starts_with(&format!("INVITE {contact} ")) && called[0].value("Route").is_none());
    let recorded = called[0].value("Record-Route").expect("in the way of the dialog");
    assert!(recorded.contains('@') && !recorded.contains(";ob"), "with the flow: {recorded}");

    let changed = path.replacen("<sip:", "<sip:0", 1);
    assert_eq!(world.receive(&registrar, &call(&changed))[0].what(), "403", "somebody else's token");
    // RFC 5626 §5.3.2: what comes by that flow is the client's own.
    let own = request("MESSAGE", "sip:carol@example.com", &format!("Route: {path}"));
    assert_eq!(world.receive(&client, &own)[0].to.peer.to_string(), REGISTRAR);
    let again = call(&path).replace("z9hG4bK74bf9", "z9hG4bK2");
    let called = world.receive(&registrar, &again);
    let failed = world.give_back(&called[0]);
    assert!(
        failed.iter().any(|sent| sent.text.starts_with("SIP/2.0 430 Flow Failed") && sent.to.peer == registrar.peer)
    );
}

#[test]
fn paths_stand_in_their_order() {
    let mut world = edge();
    let text = register(1, &format!("{CONTACT}\nPath: <sip:p0.example.com;lr>"))
        .replace("Max-Forwards", "Via: SIP/2.0/TCP 10.0.0.9;branch=z9hG4bKbefore\nMax-Forwards");
    let sent = world.receive(&tcp(1), &text);
    let paths: Vec<&str> = sent[0].text.split("\r\n").filter_map(|line| line.strip_prefix("Path: ")).collect();
    assert!(paths[0].ends_with("@192.0.2.1:5060;lr>"), "not the first hop: {paths:?}");
    assert_eq!(paths[1], "<sip:p0.example.com;lr>");
    let other = world.receive(&tcp(1), &request("MESSAGE", "sip:bob@example.com", ""));
    assert_eq!(other[0].value("Path"), None);
}

/// RFC 5626 §7: one flow of a client at a time; the next when it is gone, and its binding with it.
#[test]
fn one_flow_rings_and_the_next_takes_over() {
    let mut world = World::new(json!({}));
    for number in 1..=2 {
        let answered = world
            .receive(&tcp(number), &register(number, &format!("{CONTACT};reg-id={number}\nSupported: path, outbound")));
        assert_eq!(answered[0].what(), "200");
        assert_eq!(answered[0].value("Require"), Some("outbound"));
        world.now.unix_ms += 1000;
    }
    let another = request("REGISTER", "sip:example.com", "Contact: <sip:bob@192.0.2.77>")
        .replace("To: Bob", "To:")
        .replace("3848276298220188511", "register3");
    assert_eq!(world.receive(&udp("192.0.2.77:5060"), &another)[0].what(), "200");

    let caller = udp("192.0.2.101:5060");
    let called = world.receive(&caller, &request("INVITE", "sip:bob@example.com", ""));
    let mut ways: Vec<Path> = called.iter().map(|sent| sent.to).collect();
    ways.sort_by_key(|way| way.transport);
    assert_eq!(ways, [udp("192.0.2.77:5060"), tcp(2)], "the younger flow and the other telephone");

    let first = called.iter().find(|sent| sent.to == tcp(2)).expect("called").clone();
    let next = world.give_back(&first);
    let next =
        next.iter().find(|sent| sent.what() == "INVITE").expect("by the older flow, while the other still rings");
    assert_eq!(next.to, tcp(1));
    assert_eq!(world.engine.counters().value(Counter::FlowsForgotten), 1);

    let again = request("INVITE", "sip:bob@example.com", "")
        .replace("z9hG4bK74bf9", "z9hG4bK2")
        .replace("3848276298220188511", "2");
    let called = world.receive(&caller, &again);
    assert!(called.iter().all(|sent| sent.to != tcp(2)), "it is not tried again");
    assert_eq!(called.len(), 2);
}

/// An edge of somebody else's says that a flow is gone.
#[test]
fn a_flow_that_an_edge_has_lost_is_forgotten() {
    let mut world = World::new(json!({}));
    let edge = udp("192.0.2.31:5060");
    for number in 1..=2 {
        let path = format!("Path: <sip:token{number}@192.0.2.31;lr;ob>");
        let text = register(number, &format!("{CONTACT};reg-id={number}\n{path}\nSupported: path, outbound"))
            .replace("Max-Forwards", "Via: SIP/2.0/TCP 10.0.0.9;branch=z9hG4bKbefore\nMax-Forwards");
        assert_eq!(world.receive(&edge, &text)[0].what(), "200");
        world.now.unix_ms += 1000;
    }
    let caller = udp("192.0.2.101:5060");
    let called = world.receive(&caller, &request("INVITE", "sip:bob@example.com", ""));
    assert_eq!((called.len(), called[0].value("Route")), (1, Some("<sip:token2@192.0.2.31;lr;ob>")));
    let lost = common::Sent { to: edge.peer, text: called[0].text.clone() };
    let next = world.receive(&edge, &common::answer(&lost, "430 Flow Failed", "e", ""));
    let next = next.iter().find(|sent| sent.what() == "INVITE").expect("by the other flow");
    assert_eq!(next.value("Route"), Some("<sip:token1@192.0.2.31;lr;ob>"));
    assert_eq!(world.engine.counters().value(Counter::FlowsForgotten), 1);
    let again = request("INVITE", "sip:bob@example.com", "").replace("z9hG4bK74bf9", "z9hG4bK2").replace("38482", "2");
    let called = world.receive(&caller, &again);
    assert_eq!((called.len(), called[0].value("Route")), (1, Some("<sip:token1@192.0.2.31;lr;ob>")));
}

#[test]
fn what_a_client_is_told() {
    let told = json!({"registrar": {
        "service_route": ["sip:edge.example.com;lr", "sip:core.example.com;lr;transport=tcp"], "flow_timer": 120,
    }});
    let mut world = World::new(told);
    let answered = world.receive(&tcp(1), &register(1, &format!("{CONTACT};reg-id=1\nSupported: path, outbound")));
    let routes = "<sip:edge.example.com;lr>, <sip:core.example.com;lr;transport=tcp>";
    assert_eq!(answered[0].value("Service-Route"), Some(routes));
    assert_eq!(answered[0].value("Flow-Timer"), Some("120"));
    let plain = register(2, "Contact: <sip:bob@10.0.0.6>");
    assert_eq!(world.receive(&tcp(2), &plain)[0].value("Flow-Timer"), None, "only where flows are registered");
}

#[test]
fn a_service_route_that_is_none() {
    for uri in ["sip:edge.example.com", "tel:+1", "sip:a>;lr"] {
        let config = common::config(json!({"registrar": {"service_route": [uri]}}));
        let errors = Snapshot::build(&config, &[5; 64], &HashMap::new()).expect_err(uri);
        assert_eq!(errors[0].path, "registrar.service_route[0]");
    }
}
