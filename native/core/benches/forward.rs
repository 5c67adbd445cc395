//! SIP work of a stateless forward, without any input or output: what a worker adds to what the kernel takes.
//!
//! `cargo bench --bench forward`; instructions: `perf stat -e instructions:u` over `-- --profile-time 5 forward/invite`.

#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Server, crlf, rule};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dialplane_core::engine::Verdict;
use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport};
use serde_json::json;
use std::hint::black_box;

/// An INVITE with 14 header fields, 726 octets in all.
fn invite() -> String {
    let body = "v=0\no=alice 2890844526 2890844526 IN IP4 client.atlanta.example.com\ns=-\nc=IN IP4 192.0.2.101\n\
                t=0 0\nm=audio 49172 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n";
    crlf(&format!(
        "INVITE sip:bob@biloxi.example.com SIP/2.0\n\
         Via: SIP/2.0/UDP client.atlanta.example.com:5060;branch=z9hG4bK74bf9\n\
         Max-Forwards: 70\nFrom: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl\n\
         To: Bob <sip:bob@biloxi.example.com>\nCall-ID: 3848276298220188511@atlanta.example.com\nCSeq: 1 INVITE\n\
         Contact: <sip:alice@client.atlanta.example.com>\nAllow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY\n\
         Supported: replaces, timer\nSession-Expires: 1800\nUser-Agent: Phone 1.0.2\nDate: Thu, 01 Jan 2026 00:00:00 GMT\n\
         Content-Type: application/sdp\nContent-Length: {}\n\n{body}",
        crlf(body).len()
    ))
}

fn forward(criterion: &mut Criterion) {
    let mut server = Server::new(json!({"route": [rule(json!({"forward": "sip:192.0.2.200:5080"}))]}));
    let text = invite();
    let mut frame = vec![0; 256];
    frame.extend_from_slice(text.as_bytes());
    let range = 256..frame.len();
    let path = Path {
        transport: Transport::Udp,
        listener: ListenerId(0),
        connection: ConnectionId(0),
        peer: "192.0.2.101:5060".parse().expect("an address"),
    };
    let now = server.now;
    let mut out = Vec::new();
    let mut group = criterion.benchmark_group("forward");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("invite", |bench| {
        bench.iter(|| {
            // The edit spoils the frame's head, so it is put back: about 100 octets, as the kernel's copy would.
            frame[256..512].copy_from_slice(&text.as_bytes()[..256]);
            let Verdict::Forward(edits, to) = server.engine.handle(now, &path, text.as_bytes(), &mut out) else {
                unreachable!("the rule forwards everything")
            };
            black_box((edits.apply_in_place(&mut frame, range.clone()), to))
        });
    });
    let Verdict::Forward(edits, _) = server.engine.handle(now, &path, text.as_bytes(), &mut out) else {
        unreachable!("the rule forwards everything")
    };
    let mut forwarded = Vec::new();
    edits.apply(text.as_bytes(), &mut forwarded);
    let forwarded = String::from_utf8(forwarded).expect("text");
    let head: Vec<&str> = forwarded
        .split("\r\n")
        .filter(|line| ["Via", "From", "To", "Call-ID", "CSeq"].iter().any(|name| line.starts_with(name)))
        .collect();
    let response = format!("SIP/2.0 180 Ringing\r\n{}\r\nContent-Length: 0\r\n\r\n", head.join("\r\n"));
    group.throughput(Throughput::Bytes(response.len() as u64));
    group.bench_function("response", |bench| {
        bench.iter(|| match server.engine.handle(now, &path, response.as_bytes(), &mut out) {
            Verdict::Forward(edits, to) => black_box((edits.growth(), to)),
            other => unreachable!("a response of ours goes back: {other:?}"),
        });
    });
    group.finish();
}

criterion_group!(benches, forward);
criterion_main!(benches);
