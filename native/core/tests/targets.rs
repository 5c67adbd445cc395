//! Target sets that watch what becomes of requests, in virtual time: calls, latency, ejection, drain.

mod common;

use common::{Sent, Server, answer, request, rule};
use dialplane_core::counter::Counter;
use dialplane_core::engine::Health;
use dialplane_core::routing::target::{DRAINED, identity_of};
use dialplane_core::store::{Store as _, TargetHealth as _};
use dialplane_core::testing::defaults::target_set;
use serde_json::{Value, json};

const ALICE: &str = "192.0.2.101:5060";
const GATEWAYS: [&str; 3] = ["192.0.2.201:5060", "192.0.2.202:5060", "192.0.2.203:5060"];

fn gateways(change: Value) -> Server {
    let targets: Vec<Value> = GATEWAYS.iter().map(|gateway| json!(format!("sip:{gateway}"))).collect();
    let mut set = json!({"name": "gateways", "policy": "priority", "targets": targets});
    for (key, value) in change.as_object().expect("an object") {
        set[key] = value.clone();
    }
    Server::new(json!({
        "proxy": {"record_route": true},
        "route": [rule(json!({"forward": "gateways"}))],
        "target_set": [target_set(set)],
    }))
}

/// A call of Alice's.
struct Call {
    number: u32,
    /// The INVITE as it reached a gateway.
    invite: Sent,
}

impl Call {
    /// The gateway that has it.
    fn gateway(&self) -> usize {
        GATEWAYS.iter().position(|it| *it == self.invite.to.to_string()).expect("one of them")
    }

    fn answered(&self, server: &mut Server, status: &str) -> Vec<Sent> {
        server.send(GATEWAYS[self.gateway()], &answer(&self.invite, status, "b", "Contact: <sip:b@192.0.2.77>\n"))
    }

    fn within(&self, server: &mut Server, method: &str) -> Vec<Sent> {
        let route = self.invite.value("Record-Route").expect("recorded");
        let text = own(&request(method, "sip:b@192.0.2.77", &format!("Route: {route}")), self.number);
        let text = text.replace("bob@example.com>", "bob@example.com>;tag=b").replace("CSeq: 1", "CSeq: 2");
        server.send(ALICE, &text.replace("branch=z9hG4bK", &format!("branch=z9hG4bK{method}")))
    }
}

/// The request with a Call-ID and a branch of its own.
fn own(text: &str, number: u32) -> String {
    text.replace("3848276298220188511", &format!("call{number}")).replace("z9hG4bK74bf9", &format!("z9hG4bK{number}"))
}

fn call(server: &mut Server, number: u32) -> Call {
    let sent = server.send(ALICE, &own(&request("INVITE", "sip:bob@example.com", ""), number));
    let invite = sent.iter().find(|sent| sent.what() == "INVITE").expect("forwarded");
    Call { number, invite: invite.clone() }
}

/// What a refusal of the first target leads to: the call with the next.
fn next(call: &Call, sent: &[Sent]) -> Call {
    let invite = sent.iter().find(|sent| sent.what() == "INVITE").expect("the next is tried");
    Call { number: call.number, invite: invite.clone() }
}

fn calls(server: &Server) -> [u64; 3] {
    GATEWAYS.map(|gateway| {
        let identity = identity_of(&format!("sip:{gateway}")).expect("a URI");
        server.engine.store().health().read(dialplane_core::calls::TargetHalf::of(identity).count_word())
    })
}

#[test]
fn calls_go_where_the_fewest_are_open() {
    let mut server = gateways(json!({"policy": "calls"}));
    let open: Vec<Call> = (0..6).map(|number| call(&mut server, number)).collect();
    assert_eq!(calls(&server), [2, 2, 2], "those that ring count");
    for call in &open {
        call.answered(&mut server, "200 OK");
    }
    assert_eq!(calls(&server), [2, 2, 2]);
    let freed = open[3].gateway();
    assert_eq!(open[3].within(&mut server, "BYE").len(), 1, "forwarded");
    assert_eq!(calls(&server)[freed], 1);
    open[3].within(&mut server, "BYE");
    assert_eq!(calls(&server)[freed], 1, "a repetition ends nothing more");
    let seventh = call(&mut server, 7);
    assert_eq!(seventh.gateway(), freed);
    seventh.answered(&mut server, "486 Busy Here");
    assert_eq!(calls(&server)[freed], 1, "what was refused is not open");
    open[0].within(&mut server, "INFO");
    assert_eq!(calls(&server).iter().sum::<u64>(), 5, "nothing else ends a call");
}

#[test]
fn a_call_that_fails_over_is_counted_where_it_is() {
    let mut server = gateways(json!({"policy": "calls"}));
    let first = call(&mut server, 1);
    let sent = first.answered(&mut server, "503 Service Unavailable");
    let second = next(&first, &sent);
    assert_ne!(first.gateway(), second.gateway());
    let mut expected = [0; 3];
    expected[second.gateway()] = 1;
    assert_eq!(calls(&server), expected);
    // One that says nothing keeps nothing either, and a late 2xx brings the call back to it.
    let left = server
        .pass(3100)
        .into_iter()
        .map(|(_, sent)| sent)
        .rfind(|sent| sent.what() == "INVITE" && sent.to != second.invite.to);
    let third = Call { number: 1, invite: left.expect("patience has an end") };
    assert_eq!(calls(&server)[third.gateway()], 1);
    assert_eq!(calls(&server).iter().sum::<u64>(), 1);
    second.answered(&mut server, "200 OK");
    assert_eq!(calls(&server), expected);
}

#[test]
fn an_invite_of_a_call_that_is_counted_goes_where_the_call_is() {
    let mut server = gateways(json!({"policy": "calls"}));
    let open: Vec<Call> = (0..3).map(|number| call(&mut server, number)).collect();
    for call in &open {
        call.answered(&mut server, "200 OK");
    }
    // Its transaction is gone, as after a crash; all have the same number of calls.
    server.pass(40_000);
    assert_eq!(server.engine.open_contexts(), 0);
    for before in &open {
        assert_eq!(call(&mut server, before.number).gateway(), before.gateway());
    }
    assert_eq!(calls(&server), [1, 1, 1]);
}

#[test]
fn a_call_whose_end_is_not_seen_counts_as_long_as_the_file_says() {
    let mut server = gateways(json!({"policy": "calls", "longest_call": 3600.0}));
    let lost = call(&mut server, 1);
    lost.answered(&mut server, "200 OK");
    server.pass(3_590_000);
    call(&mut server, 2);
    assert_eq!(calls(&server).iter().sum::<u64>(), 2);
    server.pass(70_000);
    call(&mut server, 3);
    assert_eq!(calls(&server)[lost.gateway()], 0, "{:?}", calls(&server));
}

#[test]
fn the_slow_are_left_to_themselves_and_tried_again() {
    let mut server = gateways(json!({"policy": "latency"}));
    let took = [200, 10, 10];
    let mut number = 0;
    let mut round = |server: &mut Server, count: u32| {
        let mut had = [0; 3];
        for _ in 0..count {
            number += 1;
            let call = call(server, number);
            had[call.gateway()] += 1;
            server.pass(took[call.gateway()]);
            call.answered(server, "486 Busy Here");
        }
        had
    };
    round(&mut server, 30);
    let had = round(&mut server, 60);
    assert!(had[0] <= 4 && had[1] > 15 && had[2] > 15, "{had:?}");
    server.pass(60_000);
    // Forgotten: as good as the others, until the first sample.
    let had = round(&mut server, 30);
    assert!(had[0] >= 1, "{had:?}");
}

#[test]
fn who_refuses_at_once_is_not_fast() {
    let mut server = gateways(json!({"policy": "latency"}));
    let mut had = [0; 3];
    for number in 0..60 {
        let first = call(&mut server, number);
        had[first.gateway()] += 1;
        server.pass(30);
        if first.gateway() == 0 {
            first.answered(&mut server, "503 Service Unavailable");
        } else {
            first.answered(&mut server, "486 Busy Here");
        }
    }
    assert!(had[0] < 5, "{had:?}");
}

const EJECT: &str = r#"{"failures": 2, "time": 10.0, "longest": 25.0, "share": 0.5}"#;

fn ejecting() -> Server {
    gateways(json!({"eject": serde_json::from_str::<Value>(EJECT).expect("JSON")}))
}

/// The gateways that a call tries which all refuse with 503.
fn tried(server: &mut Server, number: u32) -> Vec<usize> {
    let mut call = call(server, number);
    let mut tried = vec![call.gateway()];
    loop {
        let sent = call.answered(server, "503 Service Unavailable");
        if !sent.iter().any(|sent| sent.what() == "INVITE") {
            return tried;
        }
        call = next(&call, &sent);
        tried.push(call.gateway());
    }
}

#[test]
fn a_target_that_fails_again_and_again_leaves_for_longer_and_longer() {
    let mut server = ejecting();
    let fail = |server: &mut Server, number: u32| {
        let first = call(server, number);
        assert_eq!(first.gateway(), 0, "{number}");
        let second = next(&first, &first.answered(server, "503 Service Unavailable"));
        second.answered(server, "486 Busy Here");
    };
    fail(&mut server, 1);
    assert_eq!(server.engine.poll_health(), None);
    fail(&mut server, 2);
    let told = server.engine.poll_health();
    assert_eq!(told, Some((format!("sip:{}", GATEWAYS[0]), Health::Ejected { seconds: 10 })));
    assert_eq!(call(&mut server, 3).gateway(), 1);
    server.pass(9900);
    assert_eq!(call(&mut server, 4).gateway(), 1);
    server.pass(200);
    fail(&mut server, 5);
    fail(&mut server, 6);
    server.pass(19_800);
    assert_eq!(call(&mut server, 7).gateway(), 1, "20 seconds the second time");
    server.pass(300);
    fail(&mut server, 8);
    fail(&mut server, 9);
    server.pass(25_100);
    assert_eq!(call(&mut server, 10).gateway(), 0, "at most 25");
    assert_eq!(server.count(Counter::TargetsEjected), 3);
}

#[test]
fn one_good_answer_between_failures_is_enough_to_stay() {
    let mut server = ejecting();
    for number in 0..6 {
        let first = call(&mut server, number);
        assert_eq!(first.gateway(), 0);
        first.answered(&mut server, "100 Trying");
        let status = if number % 2 == 0 { "503 Service Unavailable" } else { "404 Not Found" };
        first.answered(&mut server, status);
    }
    assert_eq!(server.count(Counter::TargetsEjected), 0);
}

#[test]
fn no_more_leave_than_the_share() {
    let mut server = ejecting();
    for number in 0..5 {
        tried(&mut server, number);
    }
    assert_eq!(server.count(Counter::TargetsEjected), 1, "one of three");
    assert_eq!(tried(&mut server, 9), [1, 2]);
    server.pass(10_100);
    assert!(tried(&mut server, 10).contains(&0));
}

#[test]
fn silence_and_refused_connections_are_failures() {
    let mut server = ejecting();
    let refused = call(&mut server, 1);
    let sent = server.give_back(&refused.invite);
    assert_eq!(next(&refused, &sent).gateway(), 1);
    assert_eq!(call(&mut server, 2).gateway(), 0);
    server.pass(3100);
    assert_eq!(server.count(Counter::TargetsEjected), 1, "given up once for saying nothing");
    server.pass(40_000);
    assert_eq!(server.count(Counter::TargetsEjected), 2, "and the others, by timeouts, not the same twice");
}

#[test]
fn a_drained_target_keeps_its_dialogs() {
    let mut server = gateways(json!({}));
    let before = call(&mut server, 1);
    assert_eq!(before.gateway(), 0);
    before.answered(&mut server, "200 OK");
    let identity = identity_of(&format!("sip:{}", GATEWAYS[0])).expect("a URI");
    server.engine.store().health().update(identity.0, |state| state | DRAINED);
    assert_eq!(call(&mut server, 2).gateway(), 1);
    let info = before.within(&mut server, "INFO");
    assert_eq!(info[0].to.to_string(), "192.0.2.77:5060", "to its Contact");
    for gateway in &GATEWAYS[1..] {
        let identity = identity_of(&format!("sip:{gateway}")).expect("a URI");
        server.engine.store().health().update(identity.0, |state| state | DRAINED);
    }
    let refused = server.send(ALICE, &own(&request("INVITE", "sip:bob@example.com", ""), 3));
    assert_eq!(refused.iter().map(Sent::what).collect::<Vec<_>>(), ["503"]);
    assert_eq!(before.within(&mut server, "BYE").len(), 1);
}
