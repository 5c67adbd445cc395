//! The stateless proxy as a peer sees it. RFC 3261 §16.3 to §16.7 and §16.11, RFC 3581, RFC 5393.

mod common;

use common::{SELF, Server, crlf, request, rule};
use dialplane_core::counter::Counter;
use dialplane_core::names::place::Place;
use dialplane_core::names::search::Outcome;
use dialplane_core::path::Transport;
use serde_json::json;

const ALICE: &str = "192.0.2.101:5060";
const NEXT: &str = "192.0.2.200:5080";

/// Everything goes to [`NEXT`].
fn forwarder() -> Server {
    Server::new(json!({"route": [rule(json!({"forward": format!("sip:{NEXT}")}))]}))
}

fn branch(text: &str) -> &str {
    let at = text.find("branch=").expect("a branch") + 7;
    let rest = &text[at..];
    &rest[..rest.find([';', '\r']).expect("an end")]
}

/// What the next hop answers to `forwarded`.
fn response_to(forwarded: &str, status: &str) -> String {
    let lines: Vec<&str> = forwarded
        .split("\r\n")
        .skip(1)
        .filter(|line| {
            ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"].iter().any(|name| line.starts_with(name))
        })
        .collect();
    format!("SIP/2.0 {status}\r\n{}\r\nContent-Length: 0\r\n\r\n", lines.join("\r\n"))
}

#[test]
fn a_request_leaves_with_our_via_and_one_hop_less_and_nothing_else_changed() {
    let mut server = forwarder();
    let body = "v=0\no=alice 1 1 IN IP4 192.0.2.101\n";
    let text = crlf(&format!(
        "INVITE sip:+4930123@example.com SIP/2.0\nv:SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK74bf9\nX-What:  odd \t spacing\n  folded\n\
         mAX-fORWARDS: 70\nFrom: <sip:alice@example.com>;tag=1\nTo: <sip:+4930123@example.com>\nCall-ID: a@b\nCSeq: 1 INVITE\n\
         Contact: <sip:alice@192.0.2.101>\nContent-Type: application/sdp\nContent-Length: {}\n\n{body}",
        crlf(body).len()
    ));
    let sent = server.receive(ALICE, &text).expect("forwarded");
    assert_eq!(sent.to.to_string(), NEXT);
    let own = branch(&sent.text).to_owned();
    assert!(own.starts_with("z9hG4bK"), "{own}");
    let expected = text
        .replace("SIP/2.0\r\nv:", &format!("SIP/2.0\r\nVia: SIP/2.0/UDP {SELF};branch={own}\r\nv:"))
        .replace("mAX-fORWARDS: 70", "mAX-fORWARDS: 69");
    assert_eq!(sent.text, expected);
}

#[test]
fn max_forwards() {
    for (given, expected) in [("70", "69"), ("10", "9"), ("1", "0"), ("255", "254")] {
        let text = request("INVITE", "sip:bob@example.com", "").replace("Forwards: 70", &format!("Forwards: {given}"));
        let sent = forwarder().receive(ALICE, &text).expect("forwarded");
        assert_eq!(sent.value("Max-Forwards"), Some(expected), "{given}");
    }
    let without = request("INVITE", "sip:bob@example.com", "").replace("Max-Forwards: 70\n", "");
    assert_eq!(forwarder().receive(ALICE, &without).expect("forwarded").value("Max-Forwards"), Some("70"));
    let zero = |method: &str, uri: &str| request(method, uri, "").replace("Forwards: 70", "Forwards: 0");
    for (method, uri, expected) in [
        ("INVITE", "sip:bob@example.com", "SIP/2.0 483"),
        ("OPTIONS", "sip:bob@example.com", "SIP/2.0 200"),
        ("OPTIONS", "sip:bob@elsewhere.example", "SIP/2.0 483"),
    ] {
        let sent = forwarder().receive(ALICE, &zero(method, uri)).expect("answered");
        assert!(sent.text.starts_with(expected), "{method} {uri}: {}", sent.text);
        assert_eq!(sent.to.to_string(), ALICE);
    }
    assert_eq!(forwarder().receive(ALICE, &zero("ACK", "sip:bob@example.com")), None, "ACK is never answered");
}

/// §16.11: the same branch for each retransmission, for the CANCEL and for the ACK of a failure.
#[test]
fn one_branch_per_transaction() {
    let mut server = forwarder();
    let mut of = |method: &str| {
        let sent = server.receive(ALICE, &request(method, "sip:bob@example.com", "")).expect("forwarded");
        branch(&sent.text).to_owned()
    };
    let invite = of("INVITE");
    assert_eq!(of("INVITE"), invite);
    assert_eq!(of("CANCEL"), invite);
    assert_eq!(of("ACK"), invite);
    let other = request("INVITE", "sip:bob@example.com", "").replace("z9hG4bK74bf9", "z9hG4bKother");
    assert_ne!(branch(&server.receive(ALICE, &other).expect("forwarded").text), invite);
}

/// RFC 3261 §18.2.1, RFC 3581 §4.
#[test]
fn the_top_via_tells_where_the_request_came_from() {
    let cases = [
        ("192.0.2.101:5060", "192.0.2.101:5060", ""),
        ("192.0.2.101", "192.0.2.101:7000", ""),
        ("10.1.1.1:5060", "192.0.2.101:7000", ";received=192.0.2.101"),
        ("pc33.example.com", "192.0.2.101:7000", ";received=192.0.2.101"),
    ];
    for (sent_by, from, mark) in cases {
        let text = request("INVITE", "sip:bob@example.com", "")
            .replace("192.0.2.101:5060;branch", &format!("{sent_by};branch"));
        let sent = forwarder().receive(from, &text).expect("forwarded");
        let expected = format!("Via: SIP/2.0/UDP {sent_by};branch=z9hG4bK74bf9{mark}\r\n");
        assert!(sent.text.contains(&expected), "{sent_by} from {from}: {}", sent.text);
    }
    let params = [
        (";rport;branch=z9hG4bK1", ";rport=7000;branch=z9hG4bK1;received=192.0.2.101"),
        (";branch=z9hG4bK1;rport", ";branch=z9hG4bK1;rport=7000;received=192.0.2.101"),
        (";rport=5060;branch=z9hG4bK1", ";rport=7000;branch=z9hG4bK1;received=192.0.2.101"),
        (";received=203.0.113.9;branch=z9hG4bK1", ";received=192.0.2.101;branch=z9hG4bK1"),
        (";received=203.0.113.9;branch=z9hG4bK1;rport", ";received=192.0.2.101;branch=z9hG4bK1;rport=7000"),
    ];
    for (given, expected) in params {
        let text = request("INVITE", "sip:bob@example.com", "").replace(";branch=z9hG4bK74bf9", given);
        let sent = forwarder().receive("192.0.2.101:7000", &text).expect("forwarded");
        assert!(sent.text.contains(&format!("192.0.2.101:5060{expected}\r\n")), "{given}: {}", sent.text);
    }
}

#[test]
fn a_response_goes_back_without_our_via() {
    for (params, from, to) in [
        (";branch=z9hG4bK74bf9", ALICE, ALICE),
        (";branch=z9hG4bK74bf9", "192.0.2.101:7000", "192.0.2.101:5060"),
        (";branch=z9hG4bK74bf9;rport", "192.0.2.101:7000", "192.0.2.101:7000"),
        (";branch=z9hG4bK74bf9;rport", "198.51.100.7:7000", "198.51.100.7:7000"),
        (";branch=z9hG4bK74bf9", "198.51.100.7:7000", "198.51.100.7:5060"),
        ("", "198.51.100.7:7000", "198.51.100.7:5060"),
        (";branch=z9hG4bK74bf9;received=203.0.113.1;rport=9", "198.51.100.7:7000", "198.51.100.7:7000"),
    ] {
        let mut server = forwarder();
        let text = request("INVITE", "sip:bob@example.com", "").replace(";branch=z9hG4bK74bf9", params);
        let forwarded = server.receive(from, &text).expect("forwarded");
        let response = response_to(&forwarded.text, "180 Ringing");
        let back = server.receive(NEXT, &response).expect("forwarded back");
        assert_eq!(back.to.to_string(), to, "{params} from {from}");
        let own = forwarded.text.split("\r\n").nth(1).expect("our Via");
        assert_eq!(back.text, response.replace(&format!("{own}\r\n"), ""), "{params}");
        // Vias in one field are the same list (RFC 3261 §7.3.1).
        let joined = response.replacen("\r\nVia: SIP/2.0/UDP 192.0.2.101", ", SIP/2.0/UDP 192.0.2.101", 1);
        let back = server.receive(NEXT, &joined).expect("forwarded back");
        assert_eq!(back.to.to_string(), to);
        assert_eq!(back.text.matches("SIP/2.0/UDP").count(), 1);
    }
}

/// Whoever has not seen our branch for this request cannot have anything sent; whoever has cannot choose where to.
#[test]
fn a_forged_response_goes_nowhere() {
    let mut server = forwarder();
    let forwarded = server.receive(ALICE, &request("INVITE", "sip:bob@example.com", "")).expect("forwarded");
    let good = response_to(&forwarded.text, "200 OK");
    let own = branch(&good).to_owned();
    let mut other = own.clone().into_bytes();
    let place = 15;
    other[place] = if other[place] == b'0' { b'1' } else { b'0' };
    let other = String::from_utf8(other).expect("ASCII");
    let forged = [
        good.replace(&own, &other),
        good.replace(&own, "z9hG4bKsomething"),
        good.replace("192.0.2.101:5060;branch", "203.0.113.9:5060;branch"),
        good.replace("branch=z9hG4bK74bf9", "branch=z9hG4bK74bf9;received=203.0.113.9"),
        good.replace("branch=z9hG4bK74bf9", "branch=z9hG4bK74bf9;rport=53"),
        good.replace("CSeq: 1 ", "CSeq: 2 "),
        good.replace("Call-ID: ", "Call-ID: x"),
        good.replace(SELF, "192.0.2.2:5060"),
        good.replacen("\r\nVia: SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK74bf9", "", 1),
    ];
    for (place, text) in forged.iter().enumerate() {
        assert_eq!(server.receive(NEXT, text), None, "{place}: {text}");
    }
    assert_eq!(server.count(Counter::StrayResponses), forged.len() as u64);
    assert!(server.receive(NEXT, &good).is_some());
    assert!(forwarder().receive(NEXT, &good).is_some(), "a worker that has just started can do it too");
}

#[test]
fn a_route_of_ours_is_taken_off_and_the_next_followed() {
    let cases = [
        ("Route: <sip:192.0.2.1;lr>", NEXT, None),
        ("Route: <sip:192.0.2.1:5060;lr>, <sip:192.0.2.77;lr>", "192.0.2.77:5060", Some("<sip:192.0.2.77;lr>")),
        (
            "Route: <sip:192.0.2.1;lr>,<sip:192.0.2.1;lr>,<sip:192.0.2.77:5070;lr>",
            "192.0.2.77:5070",
            Some("<sip:192.0.2.77:5070;lr>"),
        ),
        ("Route: <sip:example.com;lr>\nRoute: <sip:192.0.2.77;lr>", "192.0.2.77:5060", Some("<sip:192.0.2.77;lr>")),
        ("Route: <sip:192.0.2.77;lr>", "192.0.2.77:5060", Some("<sip:192.0.2.77;lr>")),
    ];
    for (lines, to, left) in cases {
        let mut server = Server::new(json!({
            "proxy": {"trusted": ["192.0.2.101"]}, "route": [rule(json!({"forward": format!("sip:{NEXT}")}))],
        }));
        let sent = server.receive(ALICE, &request("MESSAGE", "sip:bob@example.com", lines)).expect("forwarded");
        assert_eq!(sent.to.to_string(), to, "{lines}");
        assert_eq!(sent.value("Route"), left, "{lines}");
        assert_eq!(sent.text.matches("Route:").count(), usize::from(left.is_some()), "{lines}");
    }
}

/// §16.6 step 6, first part: the next hop is a strict router.
#[test]
fn a_strict_router_gets_its_uri_in_the_start_line() {
    let mut server = Server::new(json!({"proxy": {"trusted": ["192.0.2.101"]}}));
    let text =
        request("BYE", "sip:bob@198.51.100.4", "Route: <sip:192.0.2.1;lr>, <sip:192.0.2.77>, <sip:192.0.2.78;lr>");
    let sent = server.receive(ALICE, &text).expect("forwarded");
    assert_eq!(sent.to.to_string(), "192.0.2.77:5060");
    assert!(sent.text.starts_with("BYE sip:192.0.2.77 SIP/2.0\r\n"), "{}", sent.text);
    let routes: Vec<_> =
        sent.lines().into_iter().filter_map(|line| line.strip_prefix("Route: ")).map(str::to_owned).collect();
    assert_eq!(routes, ["<sip:192.0.2.78;lr>", "<sip:bob@198.51.100.4>"]);
}

/// §16.4: a strict router put our Record-Route into the start line.
#[test]
fn what_a_strict_router_did_is_undone() {
    let mut server = Server::new(json!({
        "proxy": {"record_route": true}, "route": [rule(json!({"forward": format!("sip:{NEXT}")}))],
    }));
    let forwarded = server.receive(ALICE, &request("INVITE", "sip:bob@example.com", "")).expect("forwarded");
    let ours = forwarded.value("Record-Route").expect("Record-Route").trim_matches(['<', '>']).to_owned();
    let text = request("BYE", &ours, "Route: <sip:192.0.2.78;lr>, <sip:bob@198.51.100.4>");
    let sent = server.receive(ALICE, &text).expect("forwarded");
    assert!(sent.text.starts_with("BYE sip:bob@198.51.100.4 SIP/2.0\r\n"), "{}", sent.text);
    assert_eq!(sent.value("Route"), Some("<sip:192.0.2.78;lr>"));
    assert_eq!(sent.to.to_string(), "192.0.2.78:5060");
    let text = request("BYE", &ours, "Route: <sip:bob@198.51.100.4>");
    let sent = server.receive(ALICE, &text).expect("forwarded");
    assert!(sent.text.starts_with("BYE sip:bob@198.51.100.4 SIP/2.0\r\n"), "{}", sent.text);
    assert_eq!((sent.value("Route"), sent.to.to_string().as_str()), (None, "198.51.100.4:5060"));
}

/// The Record-Route that we gave out is what lets a dialog pass; nobody else's does.
#[test]
fn a_dialog_comes_back_by_its_record_route() {
    let mut server = Server::new(json!({
        "auth": {"calls": true}, "proxy": {"record_route": true},
        "route": [rule(json!({"methods": ["INVITE"], "authenticate": false, "forward": format!("sip:{NEXT}")}))],
    }));
    let invite = request("INVITE", "sip:bob@example.com", "Contact: <sip:alice@192.0.2.101>");
    let forwarded = server.receive(ALICE, &invite).expect("forwarded");
    let route = forwarded.value("Record-Route").expect("Record-Route").to_owned();
    assert!(route.starts_with("<sip:192.0.2.1:5060;lr;dp="), "{route}");
    let bye = request("BYE", "sip:alice@192.0.2.101", &format!("Route: {route}"));
    let sent = server.receive("198.51.100.4:5060", &bye).expect("forwarded");
    assert_eq!((sent.to.to_string().as_str(), sent.value("Route")), (ALICE, None));
    for other in [
        bye.replace("Call-ID: ", "Call-ID: x"),
        bye.replace("dp=", "dp=0"),
        bye.replace(";dp=", ";x="),
        request("BYE", "sip:alice@192.0.2.101", "Route: <sip:192.0.2.1;lr>"),
    ] {
        let sent = server.receive("198.51.100.4:5060", &other).expect("answered");
        assert!(!sent.text.starts_with("BYE"), "{}", sent.text);
        assert_eq!(sent.to.to_string(), "198.51.100.4:5060");
    }
}

#[test]
fn extensions_that_a_proxy_would_have_to_know() {
    let text = request("INVITE", "sip:bob@example.com", "Proxy-Require: gzip, 100rel\nProxy-Require: nat.stun");
    let sent = forwarder().receive(ALICE, &text).expect("answered");
    assert!(sent.text.starts_with("SIP/2.0 420 "), "{}", sent.text);
    assert_eq!(sent.value("Unsupported"), Some("gzip, 100rel, nat.stun"));
    let many: String = (0..200).map(|place| format!("Proxy-Require: option-number-{place}\n")).collect();
    let sent = forwarder().receive(ALICE, &request("INVITE", "sip:bob@example.com", &many)).expect("answered");
    assert!(sent.text.len() < many.len());
    for method in ["ACK", "CANCEL"] {
        let text = request(method, "sip:bob@example.com", "Proxy-Require: gzip");
        assert!(forwarder().receive(ALICE, &text).expect("forwarded").text.starts_with(method));
    }
}

/// RFC 5393 §4.2.
#[test]
fn loops_end_and_spirals_go_on() {
    let mut server = Server::new(json!({"route": [
        rule(json!({"users": ["again"], "forward": format!("sip:{NEXT}")})),
        rule(json!({"forward": format!("sip:{NEXT}")})),
    ]}));
    let first = server.receive(ALICE, &request("INVITE", "sip:bob@example.com", "")).expect("forwarded");
    let looped = server.receive(NEXT, &first.text).expect("answered");
    assert!(looped.text.starts_with("SIP/2.0 482 "), "{}", looped.text);
    assert_eq!(server.count(Counter::Loops), 1);
    let spiral = first.text.replace("INVITE sip:bob@", "INVITE sip:again@");
    let second = server.receive(NEXT, &spiral).expect("forwarded");
    assert!(second.text.starts_with("INVITE sip:again@"), "{}", second.text);
    let closed = second.text.replace("INVITE sip:again@", "INVITE sip:bob@");
    assert!(server.receive(NEXT, &closed).expect("answered").text.starts_with("SIP/2.0 482 "));
}

#[test]
fn nobody_relays_through_us_unasked() {
    let mut server = Server::new(json!({}));
    let sent = server.receive(ALICE, &request("INVITE", "sip:bob@198.51.100.4", "")).expect("answered");
    assert!(sent.text.starts_with("SIP/2.0 4"), "{}", sent.text);
    for method in ["ACK", "CANCEL"] {
        let sent = server.receive(ALICE, &request(method, "sip:bob@198.51.100.4", ""));
        assert!(sent.is_none_or(|sent| sent.text.starts_with("SIP/2.0 403")), "{method}");
    }
    let mut trusted = Server::new(json!({"proxy": {"trusted": ["192.0.2.0/24"]}}));
    let sent = trusted.receive(ALICE, &request("INVITE", "sip:bob@198.51.100.4:5070", "")).expect("forwarded");
    assert_eq!(sent.to.to_string(), "198.51.100.4:5070");
    let mut closed = Server::new(json!({"proxy": {"relay": false}}));
    let sent = closed.receive(ALICE, &request("INVITE", "sip:bob@198.51.100.4", "")).expect("answered");
    assert!(sent.text.starts_with("SIP/2.0 403 "), "{}", sent.text);
}

#[test]
fn schemes_and_users_that_nobody_knows() {
    let mut server = Server::new(json!({"proxy": {"trusted": ["192.0.2.0/24"]}}));
    for (uri, status) in [
        ("nobodyKnowsThisScheme:totallyopaquecontent", "416"),
        ("tel:+4930123", "416"),
        ("sip:nobody@example.com", "404"),
        ("sip:example.com", "404"),
    ] {
        let sent = server.receive(ALICE, &request("INVITE", uri, "")).expect("answered");
        assert!(sent.text.starts_with(&format!("SIP/2.0 {status} ")), "{uri}: {}", sent.text);
    }
    let sent = server.receive(ALICE, &request("OPTIONS", "sip:example.com", "")).expect("answered");
    assert!(sent.text.starts_with("SIP/2.0 200 "), "{}", sent.text);
    assert!(sent.value("Allow").is_some());
}

#[test]
fn a_rule_may_answer_drop_or_change_the_number() {
    let mut server = Server::new(json!({"route": [
        rule(json!({"users": ["gone"], "reply": {"status": 410, "reason": "Moved Out"}})),
        rule(json!({"users": ["scanner"], "drop": true})),
        rule(json!({"prefixes": ["00"], "strip": 2, "prepend": "+", "forward": format!("sip:{NEXT}")})),
    ]}));
    let gone = server.receive(ALICE, &request("INVITE", "sip:gone@example.com", "")).expect("answered");
    assert!(gone.text.starts_with("SIP/2.0 410 Moved Out\r\n"), "{}", gone.text);
    let tag = gone.value("To").expect("To").to_owned();
    let again = server.receive(ALICE, &request("INVITE", "sip:gone@example.com", "")).expect("answered");
    assert_eq!(again.value("To"), Some(tag.as_str()), "the same tag for a retransmission");
    let ack =
        request("ACK", "sip:gone@example.com", "").replace("To: Bob <sip:bob@example.com>", &format!("To: {tag}"));
    assert_eq!(server.receive(ALICE, &ack), None);
    assert_eq!(server.receive(ALICE, &request("CANCEL", "sip:gone@example.com", "")), None);
    assert_eq!(server.receive(ALICE, &request("INVITE", "sip:scanner@example.com", "")), None);
    let sent = server.receive(ALICE, &request("INVITE", "sip:004930123@example.com", "")).expect("forwarded");
    assert!(sent.text.starts_with("INVITE sip:+4930123@example.com SIP/2.0\r\n"), "{}", sent.text);
}

#[test]
fn a_target_set_gives_each_retransmission_the_same_target() {
    let mut server = Server::new(json!({
        "target_set": [{"name": "carriers", "policy": "weight", "hash_by": "call-id", "probe": null, "eject": null, "longest_call": 14400.0, "targets": [
            {"uri": "sip:192.0.2.201", "weight": 1, "priority": 0, "drain": false}, {"uri": "sip:192.0.2.202", "weight": 1, "priority": 0, "drain": false},
        ]}],
        "route": [rule(json!({"forward": "carriers", "mode": "stateless"}))],
    }));
    let mut seen = std::collections::HashSet::new();
    for number in 0..64 {
        let text = |method| request(method, "sip:bob@example.com", "").replace("74bf9", &format!("74bf9{number}"));
        let first = server.receive(ALICE, &text("INVITE")).expect("forwarded").to;
        for method in ["INVITE", "CANCEL", "ACK"] {
            assert_eq!(server.receive(ALICE, &text(method)).expect("forwarded").to, first);
        }
        seen.insert(first);
    }
    assert_eq!(seen.len(), 2, "both are used");
}

#[test]
fn a_name_is_asked_for_and_the_request_follows_the_answer() {
    let mut server = Server::new(json!({"route": [rule(json!({"forward": "sip:carrier.example.net"}))]}));
    assert_eq!(server.receive(ALICE, &request("INVITE", "sip:bob@example.com", "")), None);
    let question = server.engine.poll_question().expect("a question");
    assert_eq!(question.to_string(), "carrier.example.net");
    let place = |address: &str| Place {
        transport: Transport::Udp,
        address: address.parse().expect(address),
        rank: 0,
        record: 0,
        weight: 0,
    };
    let outcome = Outcome::Places(vec![place("[2001:db8::1]:5060"), place(NEXT)], 60);
    server.engine.handle_answer(server.now, &question, outcome);
    let parked = server.engine.poll_ready().expect("what waited");
    let sent = server.receive_bytes(ALICE, &parked.bytes).expect("forwarded");
    assert_eq!(sent.to.to_string(), NEXT, "the address that a listener can reach");
    assert!(server.receive(ALICE, &request("INVITE", "sip:bob@example.com", "")).is_some());
    assert_eq!(server.engine.poll_question(), None);
}

#[test]
fn a_stranger_gets_hardly_more_than_he_sent() {
    let mut server = Server::new(json!({"server": {"name": "a long name that only informs"}}));
    let short = "OPTIONS sip:x@example.com SIP/2.0\nv:SIP/2.0/UDP 192.0.2.101;branch=z9hG4bK1\nf:<sip:a@b>;tag=1\nt:<sip:x@example.com>\ni:1\nCSeq:1 OPTIONS\n\n";
    let sent = server.receive(ALICE, short).expect("answered");
    assert!(sent.text.len() <= crlf(short).len() + 64, "{}", sent.text);
}

#[test]
fn what_is_no_sip_gets_no_answer() {
    let mut server = forwarder();
    for bytes in [&b"\r\n\r\n"[..], b"\0", b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02", &[0xff; 2000]] {
        assert_eq!(server.receive_bytes(ALICE, bytes), None, "{bytes:?}");
    }
    assert_eq!(server.count(Counter::KeepAlives), 3);
    assert_eq!(server.count(Counter::Malformed), 3);
}

/// OPTIONS to a target, its answer, and a target that falls silent. RFC 3261 §11.
#[test]
fn targets_are_probed_and_a_silent_one_is_left_out() {
    let mut server = Server::new(json!({
        "target_set": [{"name": "carriers", "policy": "priority", "hash_by": "call-id", "targets": [
            {"uri": "sip:192.0.2.201", "weight": 1, "priority": 0, "drain": false}, {"uri": "sip:192.0.2.202", "weight": 1, "priority": 1, "drain": false},
        ], "probe": {"interval": 10.0, "timeout": 2.0, "failures": 1, "successes": 1, "accept": [200], "from_uri": null}, "eject": null, "longest_call": 14400.0}],
        "route": [rule(json!({"forward": "carriers", "mode": "stateless"}))],
    }));
    let target = |server: &mut Server| {
        let sent = server.receive(ALICE, &request("INVITE", "sip:bob@example.com", "")).expect("forwarded");
        sent.to.ip().to_string()
    };
    assert_eq!(target(&mut server), "192.0.2.201");
    let mut answered = 0;
    while server.now.monotonic_ms < 8000 {
        server.now.monotonic_ms += 100;
        let mut out = Vec::new();
        while server.engine.poll_timeout().is_some_and(|due| due <= server.now.monotonic_ms)
            && let Some(to) = server.engine.poll_send(server.now, &mut out)
        {
            let question = String::from_utf8(std::mem::take(&mut out)).expect("text");
            assert!(question.starts_with("OPTIONS sip:192.0.2.20"), "{question}");
            if to.peer.ip().to_string() == "192.0.2.202" {
                assert_eq!(server.receive("192.0.2.202:5060", &response_to(&question, "200 OK")), None);
                let forged = response_to(&question, "200 OK").replace("192.0.2.202", "192.0.2.201");
                assert_eq!(server.receive("192.0.2.202:5060", &forged), None);
                answered += 1;
            }
        }
    }
    assert!(answered > 0);
    assert_eq!(target(&mut server), "192.0.2.202", "the first did not answer");
    assert!(server.count(Counter::ProbesSent) > 0 && server.count(Counter::ProbesFailed) > 0);
}

/// RFC 8760 §2.3: every algorithm is offered, whatever the room; the other fields make way.
#[test]
fn challenges_are_whole_and_the_rest_shrinks() {
    let mut server = Server::new(json!({"auth": {"register": true, "calls": true}}));
    let text = request("INVITE", "sip:bob@example.com", "Contact: <sip:alice@192.0.2.101>");
    let sent = server.receive(ALICE, &text).expect("answered");
    assert!(sent.text.starts_with("SIP/2.0 407 "), "{}", sent.text);
    assert_eq!(sent.text.matches("Proxy-Authenticate: Digest ").count(), 2, "{}", sent.text);
    assert!(sent.text.contains("\r\nf:"), "{}", sent.text);
    assert_eq!(server.count(Counter::Challenges), 1);
    let mut closed = Server::new(json!({"proxy": {"relay": false}}));
    let text = "BYE sip:a@b SIP/2.0\nv:SIP/2.0/UDP 192.0.2.101;branch=z9hG4bK1\nf:<sip:a>;tag=1\nt:<sip:a>\ni:1\nCSeq:1 BYE\n\n";
    let sent = closed.receive(ALICE, text);
    assert!(sent.expect("answered").text.len() <= crlf(text).len() + 64);
}

/// RFC 8760 §2.4 as baresip 1.0 reads it: it stops at the first algorithm that it does not know.
#[test]
fn a_phone_that_knows_md5_alone_is_offered_it_alone() {
    let mut server = Server::new(json!({"auth": {"register": true}}));
    for (agent, challenges) in [("baresip v1.0.0 (x86_64/linux)", 1), ("baresip v3.1.0", 2), ("Linphone/5.1", 2)] {
        let lines = format!("User-Agent: {agent}\nContact: <sip:alice@192.0.2.101>");
        let text = request("REGISTER", "sip:example.com", &lines).replace("To: Bob <sip:bob@", "To: <sip:alice@");
        let sent = server.receive(ALICE, &text).expect("answered");
        assert_eq!(sent.text.matches("WWW-Authenticate: Digest ").count(), challenges, "{}", sent.text);
        assert!(sent.text.contains("algorithm=MD5"), "{}", sent.text);
    }
}

/// RFC 3261 §11: whoever asks us learns that we live, though a rule forwards everything.
#[test]
fn options_for_ourselves() {
    let mut server = forwarder();
    for (uri, expected) in [
        ("sip:192.0.2.1:5060", "SIP/2.0 200 "),
        ("sip:example.com", "SIP/2.0 200 "),
        ("sip:bob@example.com", "OPTIONS "),
        ("sip:elsewhere.example", "OPTIONS "),
    ] {
        let sent = server.receive(ALICE, &request("OPTIONS", uri, "")).expect("answered or forwarded");
        assert!(sent.text.starts_with(expected), "{uri}: {}", sent.text);
    }
}
