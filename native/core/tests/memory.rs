//! What an open transaction costs. Design: at most 4 KiB with an INVITE of 730 octets.
#![cfg(target_os = "linux")]

mod common;

use common::{Server, request, rule};
use serde_json::json;

const CALLS: usize = 20_000;

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).expect("a number") * 1024
}

#[test]
fn an_open_call_takes_at_most_4_kib() {
    let mut server = Server::new(json!({"route": [rule(json!({"forward": "sip:192.0.2.200", "mode": "stateful"}))]}));
    let lines = format!("User-Agent: {}", "x".repeat(445));
    let text = request("INVITE", "sip:bob@example.com", &lines).replace('\n', "\r\n");
    assert!((700..760).contains(&text.len()), "{}", text.len());
    let mut call = |number: usize| {
        let unique = format!("z9hG4bK{number:05}");
        let text = text.replace("z9hG4bK74bf9", &unique).replace("3848276298220188511", &format!("{number:019}"));
        assert_eq!(server.all("192.0.2.101:5060", text.as_bytes()).len(), 2);
    };
    (0..1000).for_each(&mut call);
    let before = resident();
    (1000..1000 + CALLS).for_each(&mut call);
    let each = (resident() - before) / CALLS;
    assert_eq!(server.engine.open_contexts(), 1000 + CALLS);
    assert!(each <= 4096, "{each} octets for each");
}
