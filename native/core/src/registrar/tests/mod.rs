//! A registrar over a store in memory, with time in the hands of the test.

mod bindings;
mod flows;
mod model;
mod refusals;

use super::{Answer, Register, Registrar, Scratch};
use crate::config::Config;
use crate::counter::{Counter, Counters};
use crate::path::{ConnectionId, ListenerId, Path, Transport};
use crate::testing::{MemoryStore, defaults};
use crate::time::Now;
use dialplane_syntax::{Index, Limits, SipUri, check, parse};

pub(crate) const SECRET: [u8; 64] = [7; 64];
pub(crate) const START: u64 = 1_800_000_000;
pub(crate) const ALICE: &[u8] = b"alice@example.com";

/// With two domains, and `changes`.
pub(crate) fn config(changes: serde_json::Value) -> Config {
    let mut whole = changes;
    whole["domains"] = serde_json::json!(["example.com", "biloxi.example.com"]);
    defaults::config(whole)
}

/// The registrar, its store and the clock.
pub(crate) struct World {
    pub(crate) registrar: Registrar,
    pub(crate) store: MemoryStore,
    pub(crate) scratch: Scratch,
    pub(crate) counters: Counters,
    pub(crate) seconds: u64,
    pub(crate) source: Path,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(serde_json::json!({}))
    }

    pub(crate) fn with(changes: serde_json::Value) -> Self {
        let registrar = Registrar::new(&config(changes), &SECRET).expect("a registrar");
        let source = Path {
            transport: Transport::Udp,
            listener: ListenerId(0),
            connection: ConnectionId(0),
            peer: "192.0.2.1:5060".parse().expect("an address"),
        };
        let (store, scratch, counters) = (MemoryStore::default(), Scratch::default(), Counters::default());
        Self { registrar, store, scratch, counters, seconds: START, source }
    }

    /// The answer to a message and its header lines.
    pub(crate) fn handle(&mut self, message: &str) -> (Answer, Vec<String>) {
        let mut index = Index::new();
        let message = parse(message.as_bytes(), &mut index, &Limits::default()).expect("a message");
        let essentials = check(&message, &Limits::default()).expect("a good message");
        let register = Register {
            message,
            essentials: &essentials,
            source: &self.source,
            now: Now { monotonic_ms: 0, unix_ms: self.seconds * 1000 },
            trusted: false,
        };
        let mut lines = Vec::new();
        let answer =
            self.registrar.handle(&self.store, &register, ours, &mut self.scratch, &mut lines, &mut self.counters);
        let lines = String::from_utf8(lines).expect("text");
        assert!(lines.is_empty() || lines.ends_with("\r\n"), "{lines:?}");
        (answer, lines.lines().map(str::to_owned).collect())
    }

    /// The status of the answer to a REGISTER of Alice with these fields.
    pub(crate) fn status(&mut self, fields: &[&str]) -> u16 {
        self.handle(&register(fields)).0.status
    }

    /// The contacts that the answer to a REGISTER lists; it must be a 200.
    pub(crate) fn contacts(&mut self, fields: &[&str]) -> Vec<String> {
        let (answer, lines) = self.handle(&register(fields));
        assert_eq!(answer, Answer { status: 200, reason: "" }, "{lines:?}");
        listed(&lines)
    }

    pub(crate) fn counted(&self, counter: Counter) -> u64 {
        self.counters.value(counter)
    }
}

/// Contact values of header lines.
pub(crate) fn listed(lines: &[String]) -> Vec<String> {
    let contacts = lines.iter().find_map(|line| line.strip_prefix("Contact: "));
    contacts.map(|contacts| contacts.split(", ").map(str::to_owned).collect()).unwrap_or_default()
}

/// What the engine would say of a URI: ours is what the configuration names.
pub(crate) fn ours(uri: &SipUri<'_>) -> bool {
    let mut host = Vec::new();
    uri.host.write(&mut host);
    let hosts = ["example.com", "biloxi.example.com", "ss2.biloxi.example.com", "[2001:db8::9]"];
    hosts.iter().any(|own| own.as_bytes() == host)
}

/// A REGISTER of Alice. A field given here replaces the one that would be there; an empty value leaves it out.
pub(crate) fn register(fields: &[&str]) -> String {
    let given = |name: &str| fields.iter().any(|field| field.split(':').next() == Some(name));
    let mut text = String::from("REGISTER sip:example.com SIP/2.0\r\n");
    for field in [
        "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport",
        "Max-Forwards: 70",
        "From: <sip:alice@example.com>;tag=1",
        "To: <sip:alice@example.com>",
        "Call-ID: 1@192.0.2.1",
        "CSeq: 1 REGISTER",
        "Contact: <sip:alice@192.0.2.1:5060>",
        "Content-Length: 0",
    ] {
        if !given(field.split(':').next().expect("a name")) {
            text.push_str(field);
            text.push_str("\r\n");
        }
    }
    for field in fields.iter().filter(|field| !field.ends_with(": ")) {
        text.push_str(field);
        text.push_str("\r\n");
    }
    text + "\r\n"
}
