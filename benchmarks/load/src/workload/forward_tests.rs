//! A pretended proxy between the two roles, without sockets.

use super::*;
use crate::ident::Ident;

fn workload(options: Options) -> Forward {
    let common = Common {
        ident: Ident::new(1),
        users: 1000,
        ports: vec![16100, 16101],
        step: 1,
        domain: "bench.example".into(),
        contact: None,
        floor: false,
    };
    let usual = Options { size: 726, target: "127.0.0.1:16090".into(), uas_port: 16090, ..options };
    Forward::new(common, usual).unwrap()
}

fn begin(workload: &mut Forward, id: u64, slots: &mut Slots) -> String {
    let mut senders = [Outbox::default(), Outbox::default()];
    let copies = workload.begin(id, &mut senders);
    slots.begin(id, 0, copies);
    let message = senders[workload.common.sender(id)].messages().next().unwrap().to_vec();
    String::from_utf8(message).unwrap()
}

/// What a stateless proxy makes of a request.
fn proxy(request: &str, branch: &str) -> String {
    let (start, rest) = request.split_once("\r\n").unwrap();
    let mut text = format!("{start}\r\nVia: SIP/2.0/UDP 127.0.0.1:16060;branch=z9hG4bK{branch}\r\n{rest}");
    for hops in [70, 69] {
        let line = format!("Max-Forwards: {hops}\r\n");
        if text.contains(&line) {
            text = text.replace(&line, &format!("Max-Forwards: {}\r\n", hops - 1));
            break;
        }
    }
    text
}

#[test]
fn requests_have_the_size_and_differ() {
    let mut workload = workload(Options::default());
    let mut slots = Slots::new(64, 1);
    let all: Vec<String> = (0..50).map(|id| begin(&mut workload, id, &mut slots)).collect();
    assert!(all.iter().all(|m| m.len() == 726));
    let mut branches: Vec<_> = all.iter().map(|m| branch_of(m.as_bytes()).unwrap().to_vec()).collect();
    branches.sort();
    branches.dedup();
    assert_eq!(branches.len(), 50);
    assert!(all.iter().any(|m| m.contains("\r\nv: ")) && all.iter().any(|m| m.contains("P-Asserted-Identity")));
}

#[test]
fn request_and_response_come_through() {
    let mut workload = workload(Options { respond: true, ..Options::default() });
    let mut slots = Slots::new(64, 1);
    for id in 0..40 {
        let request = begin(&mut workload, id, &mut slots);
        let mut uas = Outbox::default();
        let step = workload.at_uas(proxy(&request, "s").as_bytes(), &mut slots, &mut uas).unwrap();
        assert!(matches!(step, Step::Continues));
        let response = String::from_utf8(uas.messages().next().unwrap().to_vec()).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("\r\nContent-Length: {}", body.len())), "{head}");
        let back = response.replacen("Via: SIP/2.0/UDP 127.0.0.1:16060;branch=z9hG4bKs\r\n", "", 1);
        let sender = workload.common.sender(id);
        let step = workload.at_uac(back.as_bytes(), sender, &mut slots, &mut []).unwrap();
        assert!(matches!(step, Step::Arrived(n) if n == id));
        let wrong = back.replace("200 OK", "200 Fine");
        assert!(workload.at_uac(wrong.as_bytes(), sender, &mut slots, &mut []).is_err());
        assert!(workload.at_uac(back.as_bytes(), 1 - sender, &mut slots, &mut []).is_err());
    }
}

#[test]
fn record_route_goes_into_the_response() {
    let mut workload = workload(Options { respond: true, record_route: true, ..Options::default() });
    let mut slots = Slots::new(64, 1);
    for id in 0..20 {
        let request = begin(&mut workload, id, &mut slots);
        let forwarded = proxy(&request, "s").replacen("Via:", "Record-Route: <sip:127.0.0.1:16060;lr>\r\nVia:", 1);
        let mut uas = Outbox::default();
        workload.at_uas(forwarded.as_bytes(), &mut slots, &mut uas).unwrap();
        let response = String::from_utf8(uas.messages().next().unwrap().to_vec()).unwrap();
        assert_eq!(response.matches("Record-Route: <sip:127.0.0.1:16060;lr>\r\n").count(), 1);
        let back = response.replacen("Via: SIP/2.0/UDP 127.0.0.1:16060;branch=z9hG4bKs\r\n", "", 1);
        let sender = workload.common.sender(id);
        assert!(workload.at_uac(back.as_bytes(), sender, &mut slots, &mut []).is_ok());
    }
}

#[test]
fn retransmission_must_keep_its_branch() {
    let mut workload = workload(Options { retransmit: 1, ..Options::default() });
    let mut slots = Slots::new(64, 1);
    let request = begin(&mut workload, 3, &mut slots);
    let mut uas = Outbox::default();
    assert!(workload.at_uas(proxy(&request, "one").as_bytes(), &mut slots, &mut uas).is_ok());
    let error = workload.at_uas(proxy(&request, "two").as_bytes(), &mut slots, &mut uas).unwrap_err();
    assert!(error.reason.starts_with("a retransmission"), "{}", error.reason);
}

#[test]
fn duplicates_and_strangers_are_strays() {
    let mut workload = workload(Options::default());
    let mut slots = Slots::new(64, 1);
    let request = begin(&mut workload, 7, &mut slots);
    let mut uas = Outbox::default();
    let forwarded = proxy(&request, "s");
    assert!(matches!(workload.at_uas(forwarded.as_bytes(), &mut slots, &mut uas), Ok(Step::Arrived(7))));
    assert!(matches!(workload.at_uas(forwarded.as_bytes(), &mut slots, &mut uas), Ok(Step::Stray)));
    assert!(matches!(workload.at_uas(b"nonsense", &mut slots, &mut uas), Ok(Step::Stray)));
}

#[test]
fn one_branch_for_two_exchanges_is_noticed() {
    let mut workload = workload(Options::default());
    let mut slots = Slots::new(64, 1);
    let mut uas = Outbox::default();
    for (id, branch, shared) in [(1, "one", false), (2, "two", false), (3, "two", true)] {
        let request = begin(&mut workload, id, &mut slots);
        workload.at_uas(proxy(&request, branch).as_bytes(), &mut slots, &mut uas).unwrap();
        assert_eq!(workload.shares_branches(), shared, "{id}");
    }
}
