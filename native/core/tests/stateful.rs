//! The stateful proxy as its neighbours see it, one target at a time, in virtual time. RFC 3261 §16, §17, RFC 6026, RFC 4320.

mod common;

use common::{Sent, Server, answer, request, rule};
use dialplane_core::counter::Counter;
use serde_json::{Value, json};

const ALICE: &str = "192.0.2.101:5060";
const BOB: &str = "192.0.2.200:5080";

/// Everything goes to [`BOB`], and is kept.
fn stateful(change: Value) -> Server {
    let mut server = json!({
        "proxy": {"record_route": true},
        "route": [rule(json!({"forward": format!("sip:{BOB}"), "mode": "stateful"}))],
    });
    for (key, value) in change.as_object().expect("an object") {
        server[key] = value.clone();
    }
    Server::new(server)
}

fn invite() -> String {
    request("INVITE", "sip:bob@example.com", "Contact: <sip:alice@192.0.2.101>")
}

/// `method to`, in order.
fn story(sent: &[Sent]) -> Vec<String> {
    sent.iter().map(|sent| format!("{} {}", sent.what(), sent.to)).collect()
}

fn times(sent: &[(u64, Sent)]) -> Vec<String> {
    sent.iter().map(|(at, sent)| format!("{} {}", at / 100 * 100, sent.what())).collect()
}

/// The INVITE that reached Bob.
fn begin(server: &mut Server) -> Sent {
    let sent = server.send(ALICE, &invite());
    assert_eq!(story(&sent), [format!("100 {ALICE}"), format!("INVITE {BOB}")]);
    sent.into_iter().nth(1).expect("the INVITE")
}

/// RFC 3665 §3.2, with this proxy in its path.
#[test]
fn a_call_from_beginning_to_end() {
    let mut server = stateful(json!({}));
    let sent = server.send(ALICE, &invite());
    assert_eq!(story(&sent), [format!("100 {ALICE}"), format!("INVITE {BOB}")]);
    let (trying, forwarded) = (&sent[0], &sent[1]);
    assert_eq!(trying.value("Via"), Some("SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK74bf9"));
    assert_eq!(trying.value("To"), Some("Bob <sip:bob@example.com>"), "100 gets no tag");
    let route = forwarded.value("Record-Route").expect("recorded").to_owned();
    for status in ["180 Ringing", "200 OK"] {
        let back = server.send(BOB, &answer(forwarded, status, "b", "Contact: <sip:bob@192.0.2.200:5080>\n"));
        assert_eq!(story(&back), [format!("{} {ALICE}", &status[..3])]);
        assert_eq!(back[0].text.matches("\r\nVia:").count(), 1, "ours is off");
        assert!(back[0].value("To").is_some_and(|to| to.ends_with("tag=b")));
    }
    let within = |method: &str, cseq: &str, branch: &str| {
        request(method, "sip:bob@192.0.2.200:5080", &format!("Route: {route}"))
            .replace("bob@example.com>", "bob@example.com>;tag=b")
            .replace("CSeq: 1", cseq)
            .replace("z9hG4bK74bf9", branch)
    };
    let ack = server.send(ALICE, &within("ACK", "CSeq: 1", "z9hG4bKack"));
    assert_eq!(story(&ack), [format!("ACK {BOB}")]);
    assert_eq!(ack[0].value("Route"), None);
    let bye = server.send(ALICE, &within("BYE", "CSeq: 2", "z9hG4bKbye"));
    assert_eq!(story(&bye), [format!("BYE {BOB}")]);
    assert_eq!(server.engine.open_contexts(), 2, "BYE is kept, as its INVITE was");
    assert_eq!(story(&server.send(BOB, &answer(&bye[0], "200 OK", "b", ""))), [format!("200 {ALICE}")]);
    assert_eq!(
        story(&server.send(ALICE, &within("BYE", "CSeq: 2", "z9hG4bKbye"))),
        [format!("200 {ALICE}")],
        "repeated"
    );
    assert!(server.pass(33_000).is_empty(), "nobody is left waiting");
    assert_eq!(server.engine.open_contexts(), 0);
}

#[test]
fn a_request_without_an_answer_is_sent_again_and_its_repetitions_are_absorbed() {
    let mut server = stateful(json!({}));
    let forwarded = begin(&mut server);
    assert_eq!(story(&server.send(ALICE, &invite())), [format!("100 {ALICE}")], "Bob hears it once");
    let sent = server.pass(3600);
    assert_eq!(times(&sent), ["500 INVITE", "1500 INVITE", "3500 INVITE"]);
    assert!(sent.iter().all(|(_, sent)| *sent == forwarded), "octet for octet");
    server.send(BOB, &answer(&forwarded, "180 Ringing", "b", ""));
    assert_eq!(story(&server.send(ALICE, &invite())), [format!("180 {ALICE}")], "the latest, again");
    assert!(server.pass(60_000).is_empty(), "it rings");
    assert_eq!(server.count(Counter::Retransmissions), 2);
}

#[test]
fn nobody_answers() {
    let mut server = stateful(json!({}));
    begin(&mut server);
    let sent = server.pass(32_100);
    assert_eq!(times(&sent)[5..], ["31500 INVITE", "32000 408"]);
    let last = &sent.last().expect("408").1;
    assert!(last.value("To").is_some_and(|to| to.contains(";tag=")), "our own");
    let ack = request("ACK", "sip:bob@example.com", "");
    assert!(server.send(ALICE, &ack).is_empty(), "acknowledged");
    assert!(server.pass(6000).is_empty());
    assert_eq!(server.engine.open_contexts(), 0);
}

#[test]
fn a_refusal_is_acknowledged_here_and_sent_until_the_caller_acknowledges_it() {
    let mut server = stateful(json!({}));
    let forwarded = begin(&mut server);
    let busy = answer(&forwarded, "486 Busy Here", "b", "Warning: 399 x \"y\"\n");
    let sent = server.send(BOB, &busy);
    assert_eq!(story(&sent), [format!("ACK {BOB}"), format!("486 {ALICE}")]);
    assert_eq!(sent[0].value("Via"), forwarded.value("Via"), "§17.1.1.3: the branch of the INVITE");
    assert_eq!((sent[0].value("To"), sent[0].value("CSeq")), (Some("Bob <sip:bob@example.com>;tag=b"), Some("1 ACK")));
    assert_eq!(sent[1].value("Warning"), Some("399 x \"y\""));
    assert_eq!(story(&server.send(BOB, &busy)), [format!("ACK {BOB}")], "again, for Bob alone");
    assert_eq!(times(&server.pass(3600)), ["500 486", "1500 486", "3500 486"]);
    assert_eq!(story(&server.send(ALICE, &invite())), [format!("486 {ALICE}")]);
    let ack = request("ACK", "sip:bob@example.com", "").replace("bob@example.com>", "bob@example.com>;tag=b");
    assert!(server.send(ALICE, &ack).is_empty(), "absorbed: it is for us");
    assert!(server.send(ALICE, &ack).is_empty());
    assert!(server.pass(33_000).is_empty());
    assert_eq!(server.engine.open_contexts(), 0);
}

/// §16.7 step 6.
#[test]
fn a_503_of_the_only_target_is_not_ours() {
    let mut server = stateful(json!({}));
    let forwarded = begin(&mut server);
    let sent = server.send(BOB, &answer(&forwarded, "503 Service Unavailable", "b", ""));
    assert_eq!(story(&sent), [format!("ACK {BOB}"), format!("500 {ALICE}")]);
}

#[test]
fn the_caller_hangs_up() {
    let mut server = stateful(json!({}));
    let forwarded = begin(&mut server);
    server.send(BOB, &answer(&forwarded, "180 Ringing", "b", ""));
    let cancel = request("CANCEL", "sip:bob@example.com", "Reason: SIP;cause=600;text=\"gone\"");
    let sent = server.send(ALICE, &cancel);
    assert_eq!(story(&sent), [format!("200 {ALICE}"), format!("CANCEL {BOB}")]);
    let sent_on = &sent[1];
    assert_eq!(sent_on.value("Via"), forwarded.value("Via"));
    assert_eq!(sent_on.text.matches("Via:").count(), 1, "§9.1: a single one");
    assert_eq!((sent_on.value("CSeq"), sent_on.value("To")), (Some("1 CANCEL"), Some("Bob <sip:bob@example.com>")));
    assert_eq!(sent_on.value("Reason"), Some("SIP;cause=600;text=\"gone\""));
    assert_eq!(story(&server.send(ALICE, &cancel)), [format!("200 {ALICE}")], "once is enough for Bob");
    assert_eq!(times(&server.pass(600)), ["500 CANCEL"], "until it is answered");
    assert!(server.send(BOB, &answer(sent_on, "200 OK", "b", "")).is_empty());
    let sent = server.send(BOB, &answer(&forwarded, "487 Request Terminated", "b", ""));
    assert_eq!(story(&sent), [format!("ACK {BOB}"), format!("487 {ALICE}")]);
    assert!(server.send(ALICE, &request("ACK", "sip:bob@example.com", "")).is_empty());
    assert!(server.pass(40_000).is_empty());
    assert_eq!(server.engine.open_contexts(), 0);
}

/// §9.1: not before a provisional response.
#[test]
fn a_cancel_waits_for_a_sign_of_life() {
    let mut server = stateful(json!({}));
    let forwarded = begin(&mut server);
    let cancel = request("CANCEL", "sip:bob@example.com", "");
    assert_eq!(story(&server.send(ALICE, &cancel)), [format!("200 {ALICE}")]);
    let sent = server.send(BOB, &answer(&forwarded, "100 Trying", "", ""));
    assert_eq!(story(&sent), [format!("CANCEL {BOB}")]);
    let mut silent = stateful(json!({}));
    begin(&mut silent);
    silent.send(ALICE, &cancel);
    let times = times(&silent.pass(32_100));
    assert_eq!(times.last().map(String::as_str), Some("32000 487"), "{times:?}");
}

/// §9.1: a branch that says neither 487 nor anything else is given up after 64·T1.
#[test]
fn a_cancelled_branch_that_keeps_silent_is_given_up() {
    let mut server = stateful(json!({}));
    let forwarded = begin(&mut server);
    server.send(BOB, &answer(&forwarded, "180 Ringing", "b", ""));
    let sent = server.send(ALICE, &request("CANCEL", "sip:bob@example.com", ""));
    server.send(BOB, &answer(&sent[1], "200 OK", "b", ""));
    assert_eq!(times(&server.pass(32_100)), ["32000 487"]);
    let accepted = answer(&forwarded, "200 OK", "b", "");
    assert_eq!(story(&server.send(BOB, &accepted)), [format!("200 {ALICE}")], "§16.7 step 5: lifted all the same");
    server
        .send(ALICE, &request("ACK", "sip:bob@example.com", "").replace("bob@example.com>", "bob@example.com>;tag=b"));
    assert_eq!(story(&server.send(BOB, &accepted)), [format!("200 {ALICE}")], "and again after the ACK to the 487");
    assert!(server.send(BOB, &answer(&forwarded, "487 Request Terminated", "b", "")).is_empty());
}

#[test]
fn a_cancel_that_crosses_a_200() {
    let mut server = stateful(json!({}));
    let forwarded = begin(&mut server);
    server.send(BOB, &answer(&forwarded, "180 Ringing", "b", ""));
    let accepted = answer(&forwarded, "200 OK", "b", "");
    assert_eq!(story(&server.send(BOB, &accepted)), [format!("200 {ALICE}")]);
    let cancel = request("CANCEL", "sip:bob@example.com", "");
    assert_eq!(story(&server.send(ALICE, &cancel)), [format!("200 {ALICE}")], "too late for anything else");
    let mut server = stateful(json!({}));
    let forwarded = begin(&mut server);
    server.send(BOB, &answer(&forwarded, "180 Ringing", "b", ""));
    assert_eq!(server.send(ALICE, &cancel).len(), 2);
    assert_eq!(story(&server.send(BOB, &accepted)), [format!("200 {ALICE}")], "the call is there: it must be told");
    assert_eq!(story(&server.send(BOB, &accepted)), [format!("200 {ALICE}")], "each 2xx passes (RFC 6026 §7.2)");
    assert!(server.send(ALICE, &invite()).is_empty(), "RFC 6026 §7.1: absorbed");
}

/// Without a transaction: §16.10, and where the INVITE would have gone.
#[test]
fn a_cancel_for_nothing_goes_where_its_invite_went() {
    let mut server = stateful(json!({}));
    let forwarded = begin(&mut server);
    let mut successor = stateful(json!({}));
    let cancel = successor.send(ALICE, &request("CANCEL", "sip:bob@example.com", ""));
    assert_eq!(story(&cancel), [format!("CANCEL {BOB}")]);
    assert_eq!(cancel[0].value("Via"), forwarded.value("Via"), "Bob will know which");
}

/// §16.8.
#[test]
fn it_rings_too_long() {
    let mut server = stateful(json!({}));
    let forwarded = begin(&mut server);
    server.send(BOB, &answer(&forwarded, "180 Ringing", "b", ""));
    assert!(server.pass(170_000).is_empty());
    server.send(BOB, &answer(&forwarded, "180 Ringing", "b", ""));
    assert!(server.pass(180_000).is_empty(), "Timer C began again");
    let sent = server.pass(1500);
    assert_eq!(times(&sent), ["1000 CANCEL"]);
    let sent = server.send(BOB, &answer(&forwarded, "487 Request Terminated", "b", ""));
    assert_eq!(story(&sent), [format!("ACK {BOB}"), format!("487 {ALICE}")]);
}

/// RFC 4320 §4.1, §4.2.
#[test]
fn a_slow_answer_to_something_else_than_invite() {
    let message = request("MESSAGE", "sip:bob@example.com", "");
    let mut server = stateful(json!({}));
    let forwarded = server.send(ALICE, &message);
    assert_eq!(story(&forwarded), [format!("MESSAGE {BOB}")], "no 100 yet");
    assert!(server.send(ALICE, &message).is_empty());
    assert_eq!(times(&server.pass(3600)), ["500 MESSAGE", "1500 MESSAGE", "3500 100", "3500 MESSAGE"]);
    assert_eq!(story(&server.send(ALICE, &message)), [format!("100 {ALICE}")]);
    assert!(server.send(BOB, &answer(&forwarded[0], "183 Session Progress", "b", "")).is_empty());
    let sent = times(&server.pass(30_000));
    assert!(sent.iter().all(|sent| sent.ends_with("MESSAGE")), "no 408: {sent:?}");
    assert_eq!(server.engine.open_contexts(), 0, "given up in silence");
    assert!(server.send(BOB, &answer(&forwarded[0], "200 OK", "b", "")).is_empty(), "a late response is dropped");
}

/// Design §4: a worker that died and its successor.
#[test]
fn a_successor_forwards_what_it_never_saw() {
    let mut dead = stateful(json!({}));
    let forwarded = begin(&mut dead);
    let mut server = stateful(json!({}));
    assert_eq!(story(&server.send(BOB, &answer(&forwarded, "180 Ringing", "b", ""))), [format!("180 {ALICE}")]);
    let again = begin(&mut server);
    assert_eq!(again, forwarded, "Bob sees a retransmission");
    assert_eq!(story(&server.send(BOB, &answer(&forwarded, "200 OK", "b", ""))), [format!("200 {ALICE}")]);
    let forged = answer(&forwarded, "200 OK", "b", "").replace("192.0.2.101:5060;branch", "192.0.2.66:5060;branch");
    assert!(stateful(json!({})).send(BOB, &forged).is_empty(), "only to where the request came from");
}

/// RFC 3261 §8.2.2.2, at the first element that sees both.
#[test]
fn a_request_that_comes_by_two_ways_is_taken_once() {
    let mut server = stateful(json!({}));
    let forwarded = begin(&mut server);
    let other = invite().replace("z9hG4bK74bf9", "z9hG4bKother");
    assert_eq!(story(&server.send("192.0.2.102:5060", &other)), ["482 192.0.2.102:5060"]);
    let spiral = other.replace("sip:bob@example.com SIP", "sip:carol@example.com SIP");
    assert_eq!(server.send("192.0.2.102:5060", &spiral).len(), 2, "a spiral goes elsewhere, so it is not the same");
    server.send(BOB, &answer(&forwarded, "486 Busy Here", "b", ""));
    let again = other.replace("z9hG4bKother", "z9hG4bKagain");
    assert_eq!(server.send("192.0.2.102:5060", &again).len(), 2, "tried again after it failed");
}

#[test]
fn a_transport_that_fails_is_a_503() {
    let mut server = stateful(json!({}));
    let forwarded = begin(&mut server);
    let sent = server.give_back(&forwarded);
    assert_eq!(story(&sent), [format!("ACK {BOB}"), format!("500 {ALICE}")]);
    assert!(server.give_back(&sent[0]).is_empty(), "nobody is told of an ACK");
}

/// A client without branches that are unique. RFC 3261 §17.2.3.
#[test]
fn a_client_of_the_old_kind() {
    let old = |text: String| text.replace(";branch=z9hG4bK74bf9", "");
    let mut server = stateful(json!({}));
    let sent = server.send(ALICE, &old(invite()));
    assert_eq!(sent.len(), 2);
    assert_eq!(story(&server.send(ALICE, &old(invite()))), [format!("100 {ALICE}")]);
    let sent = server.send(BOB, &answer(&sent[1], "404 Not Found", "b", ""));
    assert_eq!(story(&sent), [format!("ACK {BOB}"), format!("404 {ALICE}")]);
    let ack = request("ACK", "sip:bob@example.com", "").replace("bob@example.com>", "bob@example.com>;tag=b");
    assert!(server.send(ALICE, &old(ack)).is_empty());
    let timers = server.pass(4000);
    assert!(timers.is_empty(), "{timers:?}");
}

/// What was not asked to be kept is not.
#[test]
fn modes() {
    for (change, kept) in [
        (json!({"forward": format!("sip:{BOB}")}), false),
        (json!({"forward": format!("sip:{BOB}"), "mode": "stateless"}), false),
        (json!({"forward": format!("sip:{BOB}"), "mode": "stateful"}), true),
        (json!({"forward": "one"}), false),
        (json!({"forward": "two"}), true),
        (json!({"forward": "two", "mode": "stateless"}), false),
    ] {
        let mut server = Server::new(json!({
            "route": [rule(change.clone())],
            "target_set": [
                {"name": "one", "policy": "priority", "hash_by": "call-id", "probe": null, "eject": null, "longest_call": 14400.0,
                 "targets": [{"uri": format!("sip:{BOB}"), "weight": 1, "priority": 0, "drain": false}]},
                {"name": "two", "policy": "priority", "hash_by": "call-id", "probe": null, "eject": null, "longest_call": 14400.0,
                 "targets": [{"uri": format!("sip:{BOB}"), "weight": 1, "priority": 0, "drain": false},
                             {"uri": "sip:192.0.2.201", "weight": 1, "priority": 0, "drain": false}]},
            ],
        }));
        let sent = server.send(ALICE, &invite());
        assert_eq!(sent.last().map(|sent| sent.to.to_string()).as_deref(), Some(BOB));
        assert_eq!((sent.len() == 2, server.engine.open_contexts() == 1), (kept, kept), "{change}");
    }
}

/// Anything parked can print itself.
#[test]
fn a_context_tells_where_it_is() {
    let mut server = stateful(json!({}));
    begin(&mut server);
    let words: Vec<String> = server.engine.contexts().collect();
    let expected =
        format!("INVITE from {ALICE}: INVITE server: Proceeding; to {BOB} INVITE client: Calling, Timer A at 1500");
    assert_eq!(words, [expected]);
}
