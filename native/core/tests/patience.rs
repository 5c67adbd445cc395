//! Targets that say nothing and targets that ring for too long, in virtual time. RFC 3263 §4.3, RFC 3261 §16.6, §9.1.

mod common;

use common::{Sent, Server, answer, request, rule};
use dialplane_core::counter::Counter;
use dialplane_core::names::place::Place;
use dialplane_core::names::search::Outcome;
use dialplane_core::path::Transport;
use serde_json::{Value, json};

const ALICE: &str = "192.0.2.101:5060";
const PHONES: [&str; 3] = ["192.0.2.201:5060", "192.0.2.202:5060", "192.0.2.203:5060"];

fn gateways(count: usize) -> Server {
    let targets: Vec<Value> = PHONES[..count]
        .iter()
        .map(|phone| json!({"uri": format!("sip:{phone}"), "weight": 1, "priority": 0, "drain": false}))
        .collect();
    Server::new(json!({
        "route": [rule(json!({"forward": "gateways", "mode": "stateful"}))],
        "target_set": [{"name": "gateways", "policy": "priority", "hash_by": "call-id", "probe": null, "eject": null, "longest_call": 14400.0, "targets": targets}],
    }))
}

/// Bob is registered with these values of q, one phone each; his contacts ring for ten seconds.
fn registered(preferences: &[&str]) -> Server {
    let mut server = Server::new(json!({"route": [rule(json!({"lookup": true, "ring": 10.0}))]}));
    for (number, (phone, q)) in PHONES.iter().zip(preferences).enumerate() {
        let text = request("REGISTER", "sip:example.com", &format!("Contact: <sip:bob@{phone}>{q}"))
            .replace("3848276298220188511", &format!("register{number}"));
        assert!(server.receive(phone, &text).expect("answered").text.starts_with("SIP/2.0 200"));
    }
    server
}

fn invite() -> String {
    request("INVITE", "sip:bob@example.com", "")
}

fn story(sent: &[Sent]) -> Vec<String> {
    let mut story: Vec<String> = sent
        .iter()
        .map(|sent| match PHONES.iter().position(|phone| *phone == sent.to.to_string()) {
            Some(number) => format!("{} {}", sent.what(), number + 1),
            None => format!("{} alice", sent.what()),
        })
        .collect();
    story.sort();
    story
}

/// What leaves for anybody else than phone `but` within this time.
fn pass(server: &mut Server, ms: u64, but: usize) -> Vec<Sent> {
    let left = server.pass(ms).into_iter().map(|(_, sent)| sent);
    left.filter(|sent| sent.to.to_string() != PHONES[but - 1]).collect()
}

/// What phone `number` (from 1) was sent last.
fn at(sent: &[Sent], number: usize) -> Sent {
    sent.iter().rfind(|sent| sent.to.to_string() == PHONES[number - 1]).expect("something for that phone").clone()
}

#[test]
fn a_silent_gateway_is_left_for_the_next() {
    let mut server = gateways(3);
    let first = server.send(ALICE, &invite());
    assert_eq!(story(&first), ["100 alice", "INVITE 1"]);
    assert!(pass(&mut server, 2900, 1).is_empty());
    let second = pass(&mut server, 200, 1);
    assert_eq!(story(&second), ["INVITE 2"]);
    let third = pass(&mut server, 3100, 1);
    assert_eq!(story(&third), ["INVITE 2", "INVITE 2", "INVITE 3"], "and sent again as long as its transaction lives");
    let accepted = server.send(PHONES[2], &answer(&at(&third, 3), "200 OK", "3", ""));
    assert_eq!(story(&accepted), ["200 alice"], "nobody can be cancelled who has said nothing (RFC 3261 §9.1)");
    assert_eq!((server.count(Counter::Impatience), server.count(Counter::Failovers)), (2, 2));
    server.pass(40_000);
    assert_eq!(server.engine.open_contexts(), 0);
}

#[test]
fn the_last_gateway_has_all_its_time() {
    let mut server = gateways(2);
    server.send(ALICE, &invite());
    let second = pass(&mut server, 3100, 1);
    let ringing = server.send(PHONES[1], &answer(&at(&second, 2), "100 Trying", "2", ""));
    assert!(ringing.is_empty());
    let waiting = pass(&mut server, 60_000, 1);
    assert!(waiting.is_empty(), "{waiting:#?}");
    let busy = server.send(PHONES[1], &answer(&at(&second, 2), "486 Busy Here", "2", ""));
    assert_eq!(story(&busy), ["486 alice", "ACK 2"]);

    let mut server = gateways(1);
    server.send(ALICE, &invite());
    assert!(pass(&mut server, 31_000, 1).is_empty());
    assert_eq!(story(&pass(&mut server, 1_100, 1)), ["408 alice"], "Timer B where there is nobody else");
    assert_eq!(server.count(Counter::Impatience), 0);
}

#[test]
fn whoever_wakes_up_late_is_cancelled_once_he_can_be() {
    let mut server = gateways(2);
    let first = server.send(ALICE, &invite());
    let second = pass(&mut server, 3100, 1);
    let late = server.send(PHONES[0], &answer(&at(&first, 1), "180 Ringing", "1", ""));
    assert_eq!(story(&late), ["180 alice", "CANCEL 1"]);
    server.send(PHONES[0], &answer(&at(&late, 1), "200 OK", "1", ""));
    let ended = server.send(PHONES[0], &answer(&at(&first, 1), "487 Request Terminated", "1", ""));
    assert_eq!(story(&ended), ["ACK 1"]);
    let busy = server.send(PHONES[1], &answer(&at(&second, 2), "486 Busy Here", "2", ""));
    assert_eq!(story(&busy), ["486 alice", "ACK 2"], "and not 487");
}

#[test]
fn a_late_200_counts_and_ends_the_others() {
    let mut server = gateways(2);
    let first = server.send(ALICE, &invite());
    let second = pass(&mut server, 3100, 1);
    server.send(PHONES[1], &answer(&at(&second, 2), "180 Ringing", "2", ""));
    let accepted = server.send(PHONES[0], &answer(&at(&first, 1), "200 OK", "1", ""));
    assert_eq!(story(&accepted), ["200 alice", "CANCEL 2"]);
}

#[test]
fn the_caller_hangs_up_meanwhile() {
    let mut server = gateways(3);
    server.send(ALICE, &invite());
    let cancelled = server.send(ALICE, &request("CANCEL", "sip:bob@example.com", ""));
    assert_eq!(story(&cancelled), ["200 alice"]);
    assert!(pass(&mut server, 10_000, 1).is_empty(), "nobody else is tried");
}

/// RFC 3263 §4.3.
#[test]
fn a_silent_address_of_a_name() {
    let mut server = Server::new(json!({"route": [rule(json!({"forward": "sip:gw.example.net"}))]}));
    server.send(ALICE, &invite());
    let question = server.engine.poll_question().expect("asked");
    let place = |rank: u16, address: &str| Place {
        transport: Transport::Udp,
        address: address.parse().expect(address),
        rank,
        record: rank,
        weight: 1,
    };
    let places = PHONES.iter().zip(0..).map(|(phone, rank)| place(rank, phone)).collect();
    server.engine.handle_answer(server.now, &question, Outcome::Places(places, 3600));
    let parked = server.engine.poll_ready().expect("parked");
    assert_eq!(story(&server.all(ALICE, &parked.bytes)), ["100 alice", "INVITE 1"]);
    let second = pass(&mut server, 3100, 1);
    assert_eq!(story(&second), ["INVITE 2"]);
    server.send(PHONES[1], &answer(&at(&second, 2), "200 OK", "2", ""));
    let other = request("OPTIONS", "sip:bob@example.com", "")
        .replace("3848276298220188511", "2")
        .replace("z9hG4bK74bf9", "z9hG4bK2");
    assert_eq!(story(&server.send(ALICE, &other)), ["OPTIONS 2"], "the silent one is avoided for a while");
    let mut others =
        |ms| -> Vec<Sent> { pass(&mut server, ms, 2).into_iter().filter(|sent| sent.what() == "OPTIONS").collect() };
    assert!(others(6_900).is_empty());
    assert_eq!(story(&others(200)), ["OPTIONS 3"], "what may be done twice is waited for longer");
}

#[test]
fn contacts_ring_for_their_time_and_then_the_next() {
    let mut server = registered(&["", ";q=0.5", ";q=0.1"]);
    let first = server.send(ALICE, &invite());
    assert_eq!(story(&first), ["100 alice", "INVITE 1"]);
    server.send(PHONES[0], &answer(&at(&first, 1), "180 Ringing", "1", ""));
    assert!(server.pass(9_900).is_empty());
    let second: Vec<Sent> = server.pass(200).into_iter().map(|(_, sent)| sent).collect();
    assert_eq!(story(&second), ["CANCEL 1", "INVITE 2"]);
    server.send(PHONES[0], &answer(&at(&second, 1), "200 OK", "1", ""));
    server.send(PHONES[0], &answer(&at(&first, 1), "487 Request Terminated", "1", ""));
    let away = server.send(PHONES[1], &answer(&at(&second, 2), "480 Away", "2", ""));
    assert_eq!(story(&away), ["ACK 2", "INVITE 3"], "who refuses is not waited for");
    server.send(PHONES[2], &answer(&at(&away, 3), "180 Ringing", "3", ""));
    assert!(server.pass(100_000).is_empty(), "the last ring on");
    let end = server.send(PHONES[2], &answer(&at(&away, 3), "486 Busy Here", "3", ""));
    assert_eq!(story(&end), ["480 alice", "ACK 3"]);
    assert_eq!(server.count(Counter::RingingEnded), 1);
}

#[test]
fn a_contact_that_never_said_anything_is_not_waited_for_either() {
    let mut server = registered(&["", ";q=0.5"]);
    let first = server.send(ALICE, &invite());
    let second = pass(&mut server, 10_100, 1);
    assert_eq!(story(&second), ["INVITE 2"]);
    let answered = server.send(PHONES[1], &answer(&at(&second, 2), "200 OK", "2", ""));
    assert_eq!(story(&answered), ["200 alice"]);
    let late = server.send(PHONES[0], &answer(&at(&first, 1), "180 Ringing", "1", ""));
    assert_eq!(story(&late), ["CANCEL 1"]);
}
