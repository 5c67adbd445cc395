//! Next hops that are names, in virtual time: waiting, choosing, failing over. RFC 3263 §4.3, §4.4, §5.

mod common;

use common::{Sent, Server, answer, crlf, request, rule};
use dialplane_core::counter::Counter;
use dialplane_core::engine::Verdict;
use dialplane_core::names::place::Place;
use dialplane_core::names::search::Outcome;
use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport, WorkerId};
use dialplane_core::routing::target::NextHop;
use dialplane_core::unsent::Unsent;
use serde_json::{Value, json};

const ALICE: &str = "192.0.2.101:5060";
const ONE: &str = "192.0.2.201:5060";
const TWO: &str = "192.0.2.202:5060";

/// Everything goes to `sip:gw.example.net`.
fn to_name(mode: Value) -> Server {
    Server::new(json!({
        "listen": [{"address": "udp:192.0.2.1:5060"}, {"address": "tcp:192.0.2.1:5060"}],
        "route": [rule(json!({"forward": "sip:gw.example.net", "mode": mode}))],
    }))
}

fn place(rank: u16, weight: u16, transport: Transport, address: &str) -> Place {
    Place { transport, address: address.parse().expect(address), rank, record: rank, weight }
}

fn two() -> Outcome {
    Outcome::Places(vec![place(0, 1, Transport::Udp, ONE), place(1, 1, Transport::Udp, TWO)], 3600)
}

/// What leaves once the name is answered.
fn resolve(server: &mut Server, outcome: Outcome) -> Vec<Sent> {
    let question = server.engine.poll_question().expect("asked");
    server.engine.handle_answer(server.now, &question, outcome);
    let mut sent = Vec::new();
    while let Some(parked) = server.engine.poll_ready() {
        sent.extend(server.all(&parked.path.peer.to_string(), &parked.bytes));
    }
    sent.extend(server.pass(20).into_iter().map(|(_, sent)| sent));
    sent
}

fn invite(number: u32) -> String {
    request("INVITE", "sip:bob@example.com", "")
        .replace("z9hG4bK74bf9", &format!("z9hG4bK{number}"))
        .replace("3848276298220188511", &number.to_string())
}

/// `INVITE 192.0.2.201:5060`, without what concerns Alice only.
fn away(sent: &[Sent]) -> Vec<String> {
    let away = sent.iter().filter(|sent| sent.to.to_string() != ALICE);
    away.map(|sent| format!("{} {}", sent.what(), sent.to)).collect()
}

fn to_alice(sent: &[Sent]) -> Vec<String> {
    sent.iter().filter(|sent| sent.to.to_string() == ALICE).map(Sent::what).collect()
}

#[test]
fn a_call_waits_for_its_name() {
    let mut server = to_name(json!("stateful"));
    assert_eq!(to_alice(&server.send(ALICE, &invite(1))), ["100"], "said while the name is asked for");
    assert_eq!(to_alice(&server.send(ALICE, &invite(1))), ["100"]);
    let sent = resolve(&mut server, two());
    assert_eq!(away(&sent), [format!("INVITE {ONE}")], "and asked for once");
    let next = server.send(ONE, &answer(&sent[0], "503 Service Unavailable", "1", ""));
    assert_eq!(away(&next), [format!("ACK {ONE}"), format!("INVITE {TWO}")]);
    let end = server.send(TWO, &answer(&next[1], "503 Service Unavailable", "2", ""));
    assert_eq!((away(&end), to_alice(&end)), (vec![format!("ACK {TWO}")], vec!["500".to_owned()]));
    assert_eq!(server.count(Counter::NamesFound), 1);
}

/// §4.4: "whenever a proxy does not successfully contact the first server, it SHOULD act as a stateful proxy".
#[test]
fn a_transaction_is_kept_where_there_is_something_to_try_next() {
    for (mode, outcome, kept) in [
        (Value::Null, two(), 1),
        (Value::Null, Outcome::Places(vec![place(0, 1, Transport::Udp, ONE)], 60), 0),
        (json!("stateless"), two(), 0),
        (json!("stateful"), Outcome::Places(vec![place(0, 1, Transport::Udp, ONE)], 60), 1),
    ] {
        let mut server = to_name(mode.clone());
        server.send(ALICE, &invite(1));
        let sent = resolve(&mut server, outcome.clone());
        assert_eq!(away(&sent), [format!("INVITE {ONE}")]);
        assert_eq!(server.engine.open_contexts(), kept, "{mode} {outcome:?}");
    }
}

#[test]
fn an_address_that_failed_comes_last_for_a_while() {
    let mut server = to_name(Value::Null);
    server.send(ALICE, &invite(1));
    let first = resolve(&mut server, two());
    let first = first.iter().find(|sent| sent.what() == "INVITE").expect("forwarded");
    assert_eq!(away(&server.give_back(first)), [format!("ACK {ONE}"), format!("INVITE {TWO}")], "refused");
    assert_eq!(away(&server.send(ALICE, &invite(2))), [format!("INVITE {TWO}")], "remembered");
    server.pass(30_100);
    assert_eq!(away(&server.send(ALICE, &invite(3))), [format!("INVITE {ONE}")], "but not for ever");
    assert!(server.count(Counter::Failovers) >= 1);
}

#[test]
fn weights_share_and_a_retransmission_goes_where_the_first_went() {
    let mut server = to_name(json!("stateless"));
    server.send(ALICE, &invite(0));
    let mut places = vec![place(0, 1, Transport::Udp, ONE), place(0, 3, Transport::Udp, TWO)];
    places[1].record = 1;
    resolve(&mut server, Outcome::Places(places, 3600));
    let mut first = 0;
    for number in 1..=2000 {
        let sent = away(&server.send(ALICE, &invite(number)));
        assert_eq!(away(&server.send(ALICE, &invite(number))), sent);
        let cancel = invite(number).replace("INVITE", "CANCEL");
        assert_eq!(away(&server.send(ALICE, &cancel))[0].replace("CANCEL", "INVITE"), sent[0]);
        first += usize::from(sent[0].ends_with(ONE));
    }
    // 500 expected, 19 the standard deviation.
    assert!((400..600).contains(&first), "{first}");
}

#[test]
fn names_that_lead_nowhere() {
    for (uri, forward, outcome, status) in [
        ("sip:bob@nowhere.net", "request-uri", Outcome::Nothing(60), "404"),
        ("sip:bob@nowhere.net", "request-uri", Outcome::Failed, "504"),
        ("sip:bob@example.com", "sip:gw.example.net", Outcome::Nothing(60), "500"),
        ("sip:bob@example.com", "sip:gw.example.net", Outcome::Failed, "504"),
    ] {
        for mode in ["stateful", "stateless"] {
            let mut server = Server::new(json!({"route": [rule(json!({"forward": forward, "mode": mode}))]}));
            server.send(ALICE, &request("INVITE", uri, ""));
            let sent = resolve(&mut server, outcome.clone());
            assert_eq!((away(&sent), to_alice(&sent)), (vec![], vec![status.to_owned()]), "{uri} {outcome:?} {mode}");
        }
    }
}

#[test]
fn a_resolver_that_never_answers() {
    let mut server = to_name(json!("stateful"));
    server.send(ALICE, &invite(1));
    let sent: Vec<Sent> = server.pass(8_800).into_iter().map(|(_, sent)| sent).collect();
    assert_eq!(to_alice(&sent), ["504"]);
}

/// RFC 3261 §18.1.1: where the name has both, what is large goes by the one that takes it.
#[test]
fn what_is_large_goes_to_the_stream_of_a_name() {
    let mut server = to_name(json!("stateless"));
    server.send(ALICE, &invite(0));
    let places = vec![place(0, 1, Transport::Udp, ONE), place(1, 1, Transport::Tcp, "192.0.2.202:5080")];
    assert_eq!(away(&resolve(&mut server, Outcome::Places(places, 3600))), [format!("INVITE {ONE}")]);
    let large = request("MESSAGE", "sip:bob@example.com", &format!("Subject: {}", "x".repeat(1200)));
    let sent = server.send(ALICE, &large);
    assert_eq!(away(&sent), ["MESSAGE 192.0.2.202:5080"]);
    assert!(sent[0].value("Via").expect("ours").starts_with("SIP/2.0/TCP "));
}

/// §5: a client that closed its connection, and what its name says of others that stand for it.
#[test]
fn a_response_finds_another_host_of_its_name() {
    let tcp = |address: &str| place(0, 1, Transport::Tcp, address);
    let theirs = [tcp("198.51.100.7:5090"), tcp("198.51.100.8:5090"), tcp("198.51.100.9:5090")];
    for (places, expected) in [(&theirs[..], &["198.51.100.8:5090", "198.51.100.9:5090"][..]), (&theirs[1..], &[])] {
        let mut server = to_name(json!("stateless"));
        let text = request("OPTIONS", "sip:192.0.2.1", "").replace("192.0.2.101:5060", "edge.example.org:5090");
        let connection = ConnectionId::new(WorkerId(0), 7, 1);
        let peer = "198.51.100.7:40000".parse().expect("an address");
        let came = Path { transport: Transport::Tcp, listener: ListenerId(1), connection, peer };
        let mut out = Vec::new();
        let bytes = crlf(&text);
        let Verdict::Send(to) = server.engine.handle(server.now, &came, bytes.as_bytes(), &mut out) else {
            unreachable!("answered");
        };
        assert_eq!(to.connection, connection);
        let unsent =
            |server: &mut Server, by: &Path| match server.engine.handle_unsent(server.now, by, &out, &mut Vec::new()) {
                Unsent::Send(to) => Some(to),
                Unsent::Done => None,
                other => unreachable!("{other:?}"),
            };
        let first = unsent(&mut server, &to).expect("to where it came from, by a new connection");
        assert_eq!(first.peer.to_string(), "198.51.100.7:5090");
        assert_eq!(unsent(&mut server, &first), None);
        let question: NextHop = server.engine.poll_question().expect("then its name is asked for");
        assert_eq!((question.port, question.transport), (Some(5090), Some(Transport::Tcp)));
        server.engine.handle_answer(server.now, &question, Outcome::Places(places.to_vec(), 60));
        let parked = server.engine.poll_ready().expect("it waited");
        assert!(parked.is_unsent);
        let (mut by, mut tried) = (parked.path, Vec::new());
        while let Some(to) = unsent(&mut server, &by) {
            assert_eq!(to.connection.worker(), None, "a new connection");
            tried.push(to.peer.to_string());
            by = to;
        }
        tried.sort();
        assert_eq!(tried, expected, "a name that its sender is none of is nobody's business");
    }
}
