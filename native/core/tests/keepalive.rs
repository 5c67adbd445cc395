//! What keeps a flow open: STUN Binding beside SIP, and `keep` in Via. RFC 5626 §3.5.2, §8, RFC 6223 §4.4, §5, §10.

mod common;

use common::{SELF, Sent, Server, answer, config, request, rule};
use dialplane_core::counter::Counter;
use dialplane_core::engine::Verdict;
use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport, WorkerId};
use serde_json::{Value, json};

const ALICE: &str = "192.0.2.101:5060";
const BOB: &str = "192.0.2.200:5080";
const CROOK: &str = "203.0.113.66:5060";

/// A Binding request without attributes; `kind` 0 makes it one, 16 an indication.
fn binding(kind: u8) -> Vec<u8> {
    [&[0, kind | 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], b"transaction!"].concat()
}

/// What leaves because of these octets, and where to.
fn told(server: &mut Server, transport: Transport, from: &str, octets: &[u8]) -> Option<Vec<u8>> {
    let path = Path {
        transport,
        listener: ListenerId(0),
        connection: ConnectionId(0),
        peer: from.parse().expect("an address"),
    };
    let mut out = Vec::new();
    match server.engine.handle(server.now, &path, octets, &mut out) {
        Verdict::Send(to) => {
            assert_eq!(to, path);
            Some(out)
        }
        Verdict::Done => None,
        other => unreachable!("{other:?}"),
    }
}

fn guarded(guard: Value) -> Server {
    let mut guard = guard;
    guard["allow"] = json!([]);
    Server::new(json!({"guard": guard, "auth": {"register": true}}))
}

#[test]
fn a_binding_request_is_told_where_it_came_from() {
    let mut server = guarded(json!({}));
    let told_v4 = told(&mut server, Transport::Udp, "192.0.2.1:32853", &binding(0)).expect("an answer");
    assert_eq!(told_v4.len(), 32);
    assert_eq!(told_v4[..8], [1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42]);
    assert_eq!(told_v4[8..20], *b"transaction!");
    assert_eq!(told_v4[20..], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
    let told_v6 = told(&mut server, Transport::Udp, "[2001:db8::1]:32853", &binding(0)).expect("an answer");
    assert_eq!((told_v6.len(), &told_v6[20..26]), (44, &[0, 0x20, 0, 20, 0, 2][..]));
    assert_eq!(server.count(Counter::StunAnswered), 2);
    assert_eq!(told(&mut server, Transport::Udp, ALICE, &binding(16)), None);
    assert_eq!(server.count(Counter::KeepAlives), 1, "an indication wants no answer");
    assert_eq!(server.count(Counter::Malformed), 0);
}

#[test]
fn stun_that_is_none_costs_what_nonsense_costs() {
    let response = [&[1, 1][..], &binding(0)[2..]].concat();
    for (what, transport, octets) in [
        ("cut off", Transport::Udp, binding(0)[..19].to_vec()),
        ("a response to nobody", Transport::Udp, response),
        ("over a connection", Transport::Ws, binding(0)),
    ] {
        let mut server = guarded(json!({"refused": 1}));
        assert_eq!(told(&mut server, transport, CROOK, &octets), None, "{what}");
        assert_eq!((server.count(Counter::Malformed), server.count(Counter::Banned)), (1, 0), "{what}");
        assert_eq!(told(&mut server, transport, CROOK, &octets), None, "{what}");
        assert_eq!((server.count(Counter::Malformed), server.count(Counter::Banned)), (2, 1), "{what}");
        assert_eq!(told(&mut server, Transport::Udp, CROOK, &binding(0)), None, "{what}: banned");
        assert_eq!((server.count(Counter::BannedDropped), server.count(Counter::StunAnswered)), (1, 0), "{what}");
    }
}

#[test]
fn a_stranger_is_answered_so_often_and_not_banned() {
    let mut server = guarded(json!({"refused": 3}));
    let answered = |server: &mut Server, from: &str| {
        (0..5).filter(|_| told(server, Transport::Udp, from, &binding(0)).is_some()).count()
    };
    assert_eq!(answered(&mut server, CROOK), 3);
    assert_eq!((server.count(Counter::RateLimited), server.count(Counter::Banned)), (2, 0));
    assert_eq!(answered(&mut server, ALICE), 3, "another source");
    server.now.unix_ms += 20_000;
    assert_eq!(answered(&mut server, CROOK), 1, "three in a minute");
    // What comes to nothing is counted beside it.
    server.receive(CROOK, "NONSENSE");
    assert_eq!(server.count(Counter::Banned), 0);
    let mut trusting = Server::new(json!({"guard": {"refused": 3, "allow": ["203.0.113.0/24"]}}));
    assert_eq!(answered(&mut trusting, CROOK), 5);
}

#[test]
fn under_load_strangers_come_last() {
    let mut server = Server::new(json!({"guard": {"allow": ["192.0.2.101"]}}));
    for _ in 0..100 {
        server.now.monotonic_ms += 20;
        server.engine.note_delay(server.now, 500);
    }
    assert!(server.engine.is_shedding());
    assert_eq!(told(&mut server, Transport::Udp, CROOK, &binding(0)), None);
    assert_eq!(server.count(Counter::Shed), 1);
    assert!(told(&mut server, Transport::Udp, ALICE, &binding(0)).is_some());
}

/// Everything goes to [`BOB`].
fn proxy(record_route: bool, mode: &str) -> Server {
    let to_bob = json!({"forward": format!("sip:{BOB}"), "mode": mode});
    Server::new(json!({
        "listen": [{"address": format!("udp:{SELF}"), "keep": 25}],
        "proxy": {"record_route": record_route},
        "route": [rule(to_bob)],
    }))
}

/// The parameters behind the branch of the second Via of what Bob answers, when Alice's Via has `asked` and Bob has put
/// `claimed` in its place.
fn via_told(server: &mut Server, method: &str, asked: &str, claimed: &str, status: &str) -> String {
    let text = request(method, "sip:bob@example.com", "Contact: <sip:alice@192.0.2.101>")
        .replace("z9hG4bK74bf9", &format!("z9hG4bK74bf9{asked}"));
    let forwarded = server.receive(ALICE, &text).expect("forwarded");
    assert_eq!(forwarded.lines().iter().filter(|line| line.contains(asked)).count(), 1, "nothing is given in advance");
    let response = answer(&forwarded, status, "bob", "Contact: <sip:bob@192.0.2.200>\n");
    let response = response.replace(&format!("z9hG4bK74bf9{asked}"), &format!("z9hG4bK74bf9{claimed}"));
    // Beside it, ACK goes to Bob.
    let returned = server.send(BOB, &response).into_iter().find(|sent| sent.to.to_string() == ALICE);
    let returned = returned.expect("forwarded");
    let via = returned.value("Via").expect("a Via");
    via.strip_prefix("SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK74bf9").expect("Alice's").to_owned()
}

#[test]
fn who_asks_is_told_where_we_are_in_the_way() {
    for mode in ["stateless", "stateful"] {
        for (record_route, method, asked, claimed, status, expected) in [
            (true, "INVITE", ";keep", ";keep", "200 OK", ";keep=25"),
            (true, "INVITE", ";keep;x=y", ";keep;x=y", "180 Ringing", ";keep=25;x=y"),
            (true, "SUBSCRIBE", ";keep", ";keep", "202 Accepted", ";keep=25"),
            (true, "INVITE", ";keep", ";keep=1", "200 OK", ";keep=25"),
            (false, "INVITE", ";keep", ";keep", "200 OK", ";keep"),
            (false, "INVITE", ";keep", ";keep=1", "200 OK", ";keep"),
            (false, "REGISTER", ";keep", ";keep", "200 OK", ";keep=25"),
            (false, "REGISTER", ";keep", ";keep", "404 Not Found", ";keep"),
            (true, "INVITE", ";keep", ";keep", "486 Busy Here", ";keep"),
            (true, "MESSAGE", ";keep", ";keep", "200 OK", ";keep"),
            (true, "INVITE", ";x", ";x;keep=1", "200 OK", ";x;keep"),
            (true, "INVITE", ";keep=9", ";keep=9", "200 OK", ";keep"),
            (true, "INVITE", ";x", ";x", "200 OK", ";x"),
        ] {
            let mut server = proxy(record_route, mode);
            let told = via_told(&mut server, method, asked, claimed, status);
            assert_eq!(told, expected, "{mode} {method} {asked} {claimed} {status}");
        }
    }
}

#[test]
fn in_a_dialog_our_route_is_the_proof() {
    for mode in ["stateless", "stateful"] {
        let to_bob = format!("sip:{BOB}");
        let begins = rule(json!({"methods": ["INVITE"], "forward": to_bob, "mode": mode, "record_route": true}));
        let mut server = Server::new(json!({
            "listen": [{"address": format!("udp:{SELF}"), "keep": 25}],
            "route": [begins, rule(json!({"forward": to_bob, "mode": mode}))],
        }));
        let invite = request("INVITE", "sip:bob@example.com", "Contact: <sip:alice@192.0.2.101>");
        let forwarded = server.receive(ALICE, &invite).expect("forwarded");
        let route = format!("Route: {}", forwarded.value("Record-Route").expect("ours"));
        for (uri, route, expected) in
            [(format!("sip:bob@{BOB}"), route.as_str(), ";keep=25"), ("sip:bob@example.com".to_owned(), "", ";keep")]
        {
            let update = request("UPDATE", &uri, route)
                .replace("z9hG4bK74bf9", &format!("z9hG4bKu{};keep", expected.len()))
                .replace("To: Bob <sip:bob@example.com>", "To: Bob <sip:bob@example.com>;tag=bob");
            let forwarded = server.receive(ALICE, &update).expect("forwarded");
            assert_eq!((forwarded.to.to_string().as_str(), forwarded.value("Record-Route")), (BOB, None));
            let returned = server.receive(BOB, &answer(&forwarded, "200 OK", "bob", "")).expect("forwarded");
            assert!(returned.value("Via").expect("Alice's").ends_with(expected), "{mode}: {}", returned.text);
        }
    }
}

/// CANCEL and ACK have no `keep` that counts, and still the branch of their INVITE.
#[test]
fn the_branch_does_not_depend_on_it() {
    let mut server = proxy(true, "stateless");
    let invite = request("INVITE", "sip:bob@example.com", "Contact: <sip:alice@192.0.2.101>");
    let branches: Vec<String> = [("INVITE", ";keep"), ("INVITE", ""), ("CANCEL", ";keep"), ("ACK", "")]
        .into_iter()
        .map(|(method, asked)| {
            let text = invite.replace("INVITE", method).replace("z9hG4bK74bf9", &format!("z9hG4bK74bf9{asked}"));
            let Sent { text, .. } = server.receive(ALICE, &text).expect("forwarded");
            let from = text.find("branch=").expect("a branch");
            text[from..].split([';', '\r']).next().expect("its end").to_owned()
        })
        .collect();
    assert!(branches.iter().all(|branch| *branch == branches[0]), "{branches:?}");
}

#[test]
fn the_registrar_says_how_often() {
    for (listen, registrar, asked, supported, expected) in [
        (json!(25), json!({}), ";keep", "path", ";keep=25"),
        (json!(null), json!({}), ";keep", "path", ";keep=29"),
        (json!(0), json!({}), ";keep", "path", ";keep"),
        (json!(25), json!({}), "", "path", ""),
        (json!(25), json!({}), ";keep=9", "path", ";keep=9"),
        (json!(25), json!({"flow_timer": 90}), ";keep", "outbound, path", ";keep=90"),
        (json!(25), json!({"flow_timer": 90}), ";keep", "path", ";keep=25"),
    ] {
        let mut server = Server::new(json!({
            "listen": [{"address": format!("udp:{SELF}"), "keep": listen}],
            "registrar": registrar,
        }));
        let contact = "Contact: <sip:alice@192.0.2.101>;+sip.instance=\"<urn:uuid:1>\";reg-id=1";
        let text = request("REGISTER", "sip:example.com", &format!("{contact}\nSupported: {supported}"))
            .replace("Bob <sip:bob@", "<sip:alice@")
            .replace("z9hG4bK74bf9", &format!("z9hG4bK74bf9{asked}"));
        let ok = server.receive(ALICE, &text).expect("answered");
        let via = ok.value("Via").expect("a Via").to_owned();
        assert_eq!(ok.what(), "200", "{}", ok.text);
        assert!(via.ends_with(&format!("z9hG4bK74bf9{expected}")), "{via}");
        assert_eq!(ok.value("Flow-Timer"), (expected == ";keep=90").then_some("90"));
    }
}

#[test]
fn connections_are_kept_for_longer() {
    let config = config(json!({"listen": [{"address": format!("tcp:{SELF}")}]}));
    let snapshot = dialplane_core::snapshot::Snapshot::build(&config, &[5; 64], &Default::default()).expect("good");
    let now = dialplane_core::time::Now { monotonic_ms: 1000, unix_ms: common::EPOCH * 1000 };
    let store = dialplane_core::testing::MemoryStore::default();
    let mut engine = dialplane_core::engine::Engine::new(snapshot.into(), store, WorkerId(0), 1, now);
    let path = Path {
        transport: Transport::Tcp,
        listener: ListenerId(0),
        connection: ConnectionId::new(WorkerId(0), 1, 1),
        peer: ALICE.parse().expect("an address"),
    };
    let text = common::crlf(&request("REGISTER", "sip:example.com", "Contact: <sip:alice@192.0.2.101>"))
        .replace("Bob <sip:bob@", "<sip:alice@")
        .replace("/UDP 192.0.2.101:5060;", "/TCP 192.0.2.101:5060;keep;");
    let mut out = Vec::new();
    assert!(matches!(engine.handle(now, &path, text.as_bytes(), &mut out), Verdict::Send(_)));
    assert!(String::from_utf8_lossy(&out).contains(";keep=120;branch="), "{}", String::from_utf8_lossy(&out));
}
