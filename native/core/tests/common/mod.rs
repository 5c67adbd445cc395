//! An engine with a store in memory, for tests that speak SIP to it. Nothing here decides anything.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    missing_docs,
    reason = "each test file uses its part; nobody reads it elsewhere"
)]

use dialplane_core::config::Config;
use dialplane_core::counter::Counter;
use dialplane_core::engine::{Engine, Verdict};
use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport, WorkerId};
use dialplane_core::snapshot::Snapshot;
use dialplane_core::store::NumberTable;
pub use dialplane_core::testing::defaults::rule;
use dialplane_core::testing::{MemoryStore, defaults};
use dialplane_core::time::Now;
use dialplane_core::unsent::Unsent;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// 2026-01-01 00:00:00 UTC.
pub const EPOCH: u64 = 1_767_225_600;

/// Address that the engine listens on.
pub const SELF: &str = "192.0.2.1:5060";

/// As [`defaults::config`], with a listener on [`SELF`].
pub fn config(change: Value) -> Config {
    let mut whole = json!({"listen": [{"address": format!("udp:{SELF}"), "advertise": null}]});
    for (key, value) in change.as_object().expect("tables") {
        whole[key] = value.clone();
    }
    defaults::config(whole)
}

/// A datagram that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub to: SocketAddr,
    pub text: String,
}

impl Sent {
    /// Lines of the header, without line ends.
    pub fn lines(&self) -> Vec<&str> {
        self.text.split("\r\n").collect()
    }

    /// Method or `SIP/2.0`, and the next word: enough to tell messages apart.
    pub fn what(&self) -> String {
        let first = self.lines()[0];
        match first.strip_prefix("SIP/2.0 ") {
            Some(rest) => rest[..3].to_owned(),
            None => first.split(' ').next().unwrap_or_default().to_owned(),
        }
    }

    /// Value of the first line with this name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.lines().into_iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

pub struct Server {
    pub engine: Engine<MemoryStore>,
    pub now: Now,
}

impl Server {
    pub fn new(change: Value) -> Self {
        Self::with_tables(change, &HashMap::new())
    }

    pub fn with_tables(change: Value, tables: &HashMap<String, Arc<dyn NumberTable>>) -> Self {
        let snapshot = Snapshot::build(&config(change), &[5; 64], tables).expect("a good configuration");
        let now = Now { monotonic_ms: 1000, unix_ms: EPOCH * 1000 };
        Self { engine: Engine::new(Arc::new(snapshot), MemoryStore::default(), WorkerId(0), 1, now), now }
    }

    /// Hands in one datagram; line ends in `text` may be LF.
    pub fn receive(&mut self, from: &str, text: &str) -> Option<Sent> {
        self.receive_bytes(from, crlf(text).as_bytes())
    }

    /// What leaves because of one datagram, but for 100 (Trying).
    pub fn receive_bytes(&mut self, from: &str, bytes: &[u8]) -> Option<Sent> {
        let mut sent = self.all(from, bytes);
        sent.retain(|sent| !sent.text.starts_with("SIP/2.0 100"));
        assert!(sent.len() < 2, "{sent:#?}");
        sent.pop()
    }

    /// Everything that leaves because of one datagram. Line ends may be LF.
    pub fn send(&mut self, from: &str, text: &str) -> Vec<Sent> {
        self.all(from, crlf(text).as_bytes())
    }

    pub fn all(&mut self, from: &str, bytes: &[u8]) -> Vec<Sent> {
        let path = Path {
            transport: Transport::Udp,
            listener: ListenerId(0),
            connection: ConnectionId(0),
            peer: from.parse().expect("an address"),
        };
        let mut out = Vec::new();
        let own = match self.engine.handle(self.now, &path, bytes, &mut out) {
            Verdict::Done | Verdict::HandOver(_) => None,
            Verdict::Send(to) => Some(Sent { to: to.peer, text: text(&out) }),
            Verdict::Forward(edits, to) => {
                let mut forwarded = Vec::new();
                edits.apply(bytes, &mut forwarded);
                // What the worker does in the frame must come to the same.
                let mut frame = vec![0; 512];
                frame.extend_from_slice(bytes);
                let range = 512..frame.len();
                let range = edits.apply_in_place(&mut frame, range).expect("room");
                assert_eq!(frame[range].escape_ascii().to_string(), forwarded.escape_ascii().to_string());
                Some(Sent { to: to.peer, text: text(&forwarded) })
            }
        };
        let mut sent = self.outputs(&out);
        sent.extend(own);
        sent
    }

    /// What was queued for sending.
    pub fn outputs(&mut self, out: &[u8]) -> Vec<Sent> {
        std::iter::from_fn(|| self.engine.poll_output())
            .map(|output| Sent { to: output.to.peer, text: text(&out[output.range]) })
            .collect()
    }

    /// Lets time pass, jumping from deadline to deadline. What leaves, and after how many milliseconds; the timer wheel
    /// is up to 16 ms late.
    pub fn pass(&mut self, ms: u64) -> Vec<(u64, Sent)> {
        let (begin, end) = (self.now.monotonic_ms, self.now.monotonic_ms + ms);
        let mut left = Vec::new();
        while let Some(due) = self.engine.poll_timeout().filter(|&due| due <= end) {
            self.at(due.max(self.now.monotonic_ms));
            let mut out = Vec::new();
            self.engine.handle_timeout(self.now, &mut out);
            let at = self.now.monotonic_ms - begin;
            left.extend(self.outputs(&out).into_iter().map(|sent| (at, sent)));
            assert!(self.engine.poll_send(self.now, &mut Vec::new()).is_none(), "no target is probed here");
        }
        self.at(end);
        left
    }

    fn at(&mut self, ms: u64) {
        let passed = ms - self.now.monotonic_ms;
        self.now = Now { monotonic_ms: ms, unix_ms: self.now.unix_ms + passed };
    }

    /// Hands a datagram of ours back as one that could not be sent.
    pub fn give_back(&mut self, sent: &Sent) -> Vec<Sent> {
        let path =
            Path { transport: Transport::Udp, listener: ListenerId(0), connection: ConnectionId(0), peer: sent.to };
        let mut out = Vec::new();
        match self.engine.handle_unsent(self.now, &path, sent.text.as_bytes(), &mut out) {
            Unsent::Done => Vec::new(),
            Unsent::Receive(from) => self.all(&from.peer.to_string(), &out),
            Unsent::Send(to) | Unsent::SendOther(to) => unreachable!("a request does not go to {to:?}"),
        }
    }

    pub fn count(&self, counter: Counter) -> u64 {
        self.engine.counters().value(counter)
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// What the receiver of `request` answers; a To tag is added where there is none.
pub fn answer(request: &Sent, status: &str, tag: &str, lines: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in request.lines().into_iter().skip(1) {
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name {
            "To" if !value.contains("tag=") && !status.starts_with("100") => {
                text.push_str(&format!("To: {value};tag={tag}\r\n"));
            }
            "Via" | "v" | "From" | "To" | "Call-ID" | "CSeq" | "Record-Route" => text.push_str(&format!("{line}\r\n")),
            _ => {}
        }
    }
    text + &crlf(lines) + "Content-Length: 0\r\n\r\n"
}

/// LF to CRLF.
pub fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// A request from Alice at 192.0.2.101 with these lines in place of the usual ones.
pub fn request(method: &str, uri: &str, lines: &str) -> String {
    let lines = if lines.is_empty() { String::new() } else { format!("{}\n", lines.trim_end()) };
    format!(
        "{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK74bf9\nMax-Forwards: 70\n\
         From: Alice <sip:alice@example.com>;tag=9fxced76sl\nTo: Bob <sip:bob@example.com>\n\
         Call-ID: 3848276298220188511@192.0.2.101\nCSeq: 1 {method}\n{lines}Content-Length: 0\n\n"
    )
}
