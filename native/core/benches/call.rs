//! What a call costs the engine: INVITE, 180, 200, ACK, BYE and 200 in; 100 and the same six out. RFC 3261 §16, §17.
//!
//! `stateful` keeps INVITE and BYE in transactions, `stateless` keeps nothing and says no 100. Each iteration is a whole
//! call; time goes on, so that the transactions of older calls end as they would.

#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Sent, Server, answer, crlf, rule};
use criterion::{Criterion, criterion_group, criterion_main};
use dialplane_core::engine::Verdict;
use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport};
use serde_json::json;
use std::hint::black_box;
use std::time::{Duration, Instant};

const ALICE: &str = "192.0.2.101:5060";
const BOB: &str = "192.0.2.200:5060";
/// Calls whose messages are prepared at a time.
const PREPARED: usize = 256;
/// Calls per second of virtual time: 32 s of them are kept.
const RATE: u64 = 1000;

/// An INVITE with 14 header fields, 730 octets in all.
fn invite() -> String {
    let body = "v=0\no=alice 2890844526 2890844526 IN IP4 192.0.2.101\ns=-\nc=IN IP4 192.0.2.101\n\
                t=0 0\nm=audio 49172 RTP/AVP 0 8 101\na=rtpmap:0 PCMU/8000\n";
    crlf(&format!(
        "INVITE sip:bob@biloxi.example.com SIP/2.0\n\
         Via: SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK776asdhds;rport\n\
         Max-Forwards: 70\nFrom: Alice <sip:alice@example.com>;tag=1928301774\n\
         To: Bob <sip:bob@example.com>\nCall-ID: a84b4c76e66710@atlanta.example.com\nCSeq: 314159 INVITE\n\
         Contact: <sip:alice@192.0.2.101:5060>\nAllow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY\n\
         Supported: replaces, timer\nSession-Expires: 1800\nUser-Agent: Phone 1.0.2\nDate: Thu, 01 Jan 2026 00:00:00 GMT\n\
         Content-Type: application/sdp\nContent-Length: {}\n\n{body}",
        crlf(body).len()
    ))
}

fn path(peer: &str) -> Path {
    let peer = peer.parse().expect("an address");
    Path { transport: Transport::Udp, listener: ListenerId(0), connection: ConnectionId(0), peer }
}

/// The six messages that the engine gets for one call, made by letting it through another engine.
fn messages(server: &mut Server, invite: &str, number: usize) -> Vec<(bool, Vec<u8>)> {
    let unique = |text: &str, branch: &str| {
        text.replace("z9hG4bK776asdhds", &format!("z9hG4bK{branch}{number:09}"))
            .replace("a84b4c76e66710", &format!("call{number:09}"))
    };
    let forwarded = |sent: Vec<Sent>| sent.into_iter().rfind(|sent| !sent.text.starts_with("SIP")).expect("forwarded");
    let invite = unique(invite, "i");
    let sent = forwarded(server.send(ALICE, &invite));
    let route = sent.value("Record-Route").expect("recorded").to_owned();
    let within = |method: &str, cseq: u32| {
        format!(
            "{method} sip:bob@192.0.2.200 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK{method}{number:09};rport\r\n\
             Max-Forwards: 70\r\nRoute: {route}\r\nFrom: Alice <sip:alice@example.com>;tag=1928301774\r\n\
             To: Bob <sip:bob@example.com>;tag=b\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
            sent.value("Call-ID").expect("one")
        )
    };
    let contact = "Contact: <sip:bob@192.0.2.200>\r\n";
    let (ringing, accepted) = (answer(&sent, "180 Ringing", "b", contact), answer(&sent, "200 OK", "b", contact));
    let (ack, bye) = (within("ACK", 314_159), within("BYE", 314_160));
    let ended = answer(&forwarded(server.send(ALICE, &bye)), "200 OK", "b", "");
    [(true, invite), (false, ringing), (false, accepted), (true, ack), (true, bye), (false, ended)]
        .map(|(alice, text)| (alice, text.into_bytes()))
        .into()
}

fn call(criterion: &mut Criterion) {
    let invite = invite();
    let mut group = criterion.benchmark_group("call");
    for mode in ["stateful", "stateless"] {
        let config = || {
            json!({
                "proxy": {"record_route": true, "trusted": ["192.0.2.0/24"]},
                "route": [rule(json!({"forward": format!("sip:{BOB}"), "mode": mode}))],
            })
        };
        let mut server = Server::new(config());
        let (alice, bob) = (path(ALICE), path(BOB));
        let mut number = 0;
        let mut out = Vec::with_capacity(1 << 16);
        group.bench_function(mode, |bench| {
            bench.iter_custom(|iterations| {
                let mut passed = Duration::ZERO;
                let mut left = iterations as usize;
                while left > 0 {
                    let count = left.min(PREPARED);
                    left -= count;
                    let mut other = Server::new(config());
                    let calls: Vec<_> = (0..count).map(|at| messages(&mut other, &invite, number + at)).collect();
                    number += count;
                    let begin = Instant::now();
                    for call in &calls {
                        for (from_alice, bytes) in call {
                            out.clear();
                            let from = if *from_alice { &alice } else { &bob };
                            match server.engine.handle(server.now, from, bytes, &mut out) {
                                Verdict::Forward(edits, to) => {
                                    edits.apply(bytes, &mut out);
                                    black_box(to);
                                }
                                Verdict::Done | Verdict::HandOver(_) | Verdict::Send(_) => {}
                            }
                            while let Some(output) = server.engine.poll_output() {
                                black_box(output);
                            }
                            black_box(&out);
                        }
                    }
                    server.now.monotonic_ms += count as u64 * 1000 / RATE;
                    server.engine.handle_timeout(server.now, &mut out);
                    passed += begin.elapsed();
                }
                passed
            });
        });
    }
    group.finish();
}

criterion_group!(benches, call);
criterion_main!(benches);
