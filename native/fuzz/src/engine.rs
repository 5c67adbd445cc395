//! Bodies for the engine as a whole: octets are datagrams, one after the other, to one server. RFC 3261 §10.3, §16.

use dialplane_core::engine::{Engine, Verdict};
use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport, WorkerId};
use dialplane_core::snapshot::Snapshot;
use dialplane_core::testing::{MemoryStore, defaults};
use dialplane_core::time::Now;
use dialplane_syntax::stun::{self, Stun};
use dialplane_syntax::{Contacts, Index, Limits, Message, parse};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

/// 2026-01-01 00:00:00 UTC.
const EPOCH_MS: u64 = 1_767_225_600_000;
/// Datagrams of one run.
const MOST: usize = 32;
/// Bindings of one address-of-record.
const BINDINGS: usize = 4;

/// All that a server can be asked to do: a location, with and without transactions, a redirect, targets, strangers.
static SNAPSHOT: LazyLock<Arc<Snapshot>> = LazyLock::new(|| {
    let rules = [
        json!({"methods": ["MESSAGE"], "redirect": {"lookup": true}}),
        json!({"prefixes": ["00"], "forward": "carrier", "strip": 2, "prepend": "+"}),
        json!({"users": ["stateless"], "forward": "sip:192.0.2.9", "mode": "stateless"}),
        json!({"users": ["busy"], "reply": {"status": 486}}),
        json!({"domains": ["example.com"], "lookup": true}),
    ];
    let carrier = json!({"name": "carrier", "targets": ["sip:192.0.2.7", "sip:[2001:db8::7]:5080"]});
    let config = defaults::config(json!({
        "listen": [{"address": "udp:192.0.2.1:5060", "advertise": null}],
        "limits": {"bindings": BINDINGS},
        "proxy": {"record_route": true, "recurse": true},
        "target_set": [defaults::target_set(carrier)],
        "route": rules.into_iter().map(defaults::rule).collect::<Value>(),
    }));
    match Snapshot::build(&config, &[5; 64], &HashMap::new()) {
        Ok(snapshot) => Arc::new(snapshot),
        Err(errors) => panic!("{}: {}", errors[0].path, errors[0].problem),
    }
});

struct Server {
    engine: Engine<MemoryStore>,
    now: Now,
}

impl Server {
    fn new() -> Self {
        let now = Now { monotonic_ms: 1000, unix_ms: EPOCH_MS };
        Self { engine: Engine::new(Arc::clone(&SNAPSHOT), MemoryStore::default(), WorkerId(0), 1, now), now }
    }

    /// What leaves because of one datagram.
    fn receive(&mut self, peer: SocketAddr, datagram: &[u8]) -> Vec<Vec<u8>> {
        let path = Path { transport: Transport::Udp, listener: ListenerId(0), connection: ConnectionId(0), peer };
        let mut out = Vec::new();
        let own = match self.engine.handle(self.now, &path, datagram, &mut out) {
            Verdict::Done | Verdict::HandOver(_) => None,
            Verdict::Send(_) => Some(out.clone()),
            Verdict::Forward(edits, _) => {
                let mut forwarded = Vec::new();
                edits.apply(datagram, &mut forwarded);
                Some(forwarded)
            }
        };
        let mut sent = self.queued(&out);
        sent.extend(own);
        sent
    }

    fn queued(&mut self, out: &[u8]) -> Vec<Vec<u8>> {
        let sent: Vec<_> =
            std::iter::from_fn(|| self.engine.poll_output()).map(|output| out[output.range].to_vec()).collect();
        while self.engine.poll_question().is_some() {}
        sent
    }

    /// Lets time pass, timer by timer.
    fn wait(&mut self, ms: u64) {
        let end = self.now.monotonic_ms + ms;
        for _ in 0..1000 {
            let Some(due) = self.engine.poll_timeout().filter(|&due| due <= end) else { break };
            self.at(due.max(self.now.monotonic_ms));
            let mut out = Vec::new();
            self.engine.handle_timeout(self.now, &mut out);
            for message in self.queued(&out) {
                well_formed(&message);
            }
        }
        self.at(end);
    }

    fn at(&mut self, ms: u64) {
        let passed = ms - self.now.monotonic_ms;
        self.now = Now { monotonic_ms: ms, unix_ms: self.now.unix_ms + passed };
    }
}

/// Whatever comes in, what goes out can be read.
fn well_formed(message: &[u8]) {
    if stun::read(message) == Some(Stun::Response) {
        return;
    }
    let mut index = Index::new();
    if let Err(error) = parse(message, &mut index, &Limits { fields: 1024, ..Limits::default() }) {
        panic!("{error}: {}", message.escape_ascii());
    }
}

/// Datagrams, divided by an octet that SIP has no use for; each from one of two peers, and time passes between them. What
/// leaves is well formed and not more than forking explains, and the server still answers an OPTIONS.
pub fn datagrams(data: &[u8]) {
    let mut server = Server::new();
    let peers = [SocketAddr::from(([192, 0, 2, 9], 5060)), SocketAddr::from(([198, 51, 100, 1], 1024))];
    for (number, datagram) in data.split(|octet| *octet == 0xFF).take(MOST).enumerate() {
        let sent = server.receive(peers[number % 2], datagram);
        assert!(sent.len() <= 2 * BINDINGS + 2, "{} messages for one", sent.len());
        for message in &sent {
            well_formed(message);
        }
        server.wait(700);
    }
    let options = b"OPTIONS sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKlast\r\nMax-Forwards: 70\r\n\
        From: <sip:a@192.0.2.77>;tag=1\r\nTo: <sip:192.0.2.1>\r\nCall-ID: last\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    let answers = server.receive(SocketAddr::from(([192, 0, 2, 77], 5060)), options);
    assert!(answers.iter().any(|answer| answer.starts_with(b"SIP/2.0 200 ")), "it lives: {answers:?}");
    // Nothing that began is left for ever.
    server.wait(600_000);
}

/// REGISTER requests of one user: octets choose Contact, Expires, Call-ID, CSeq and how much time passes; the text of
/// the contacts is the rest of the octets. A 200 lists what is bound and has not expired, no more than the limit, and
/// anything else leaves the bindings as they were.
pub fn registrations(data: &[u8]) {
    let Some((steps, contacts)) = data.split_at_checked(data.len().min(48)) else { return };
    let contacts: Vec<&[u8]> = contacts.split(|octet| *octet == b'\n').filter(|text| !text.is_empty()).collect();
    let mut server = Server::new();
    let peer = SocketAddr::from(([192, 0, 2, 9], 5060));
    for step in steps.chunks_exact(3) {
        let [what, order, wait] = [step[0], step[1], step[2]];
        let contact: Vec<u8> = match (what & 7, contacts.get(usize::from(what >> 3) % contacts.len().max(1))) {
            (0, _) => Vec::new(),
            (1, _) => b"Contact: *\r\n".to_vec(),
            (2..=5, Some(text)) => [b"Contact: ", *text, b"\r\n"].concat(),
            _ => format!("Contact: <sip:{}@192.0.2.9>;q=0.{}\r\n", what >> 5, what >> 3 & 3).into_bytes(),
        };
        let expires = [0, 30, 60, 3600, 99_999_999][usize::from(order >> 5) % 5];
        let head = format!(
            "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{what}-{order}-{wait}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=1\r\nTo: <sip:alice@example.com>\r\n\
             Call-ID: {}\r\nCSeq: {} REGISTER\r\nExpires: {expires}\r\nContent-Length: 0\r\n",
            order & 3,
            order >> 2 & 7,
        );
        let before = record(&server);
        let request = [head.as_bytes(), &contact, b"\r\n"].concat();
        let answers = server.receive(peer, &request);
        assert!(answers.len() <= 1, "one answer");
        let status = answers.first().map_or(0, |answer| listed(answer));
        assert!(
            status == 200 || record(&server) == before,
            "{status} changed the bindings: {}",
            request.escape_ascii()
        );
        server.wait(u64::from(wait) * 1000);
    }
}

fn record(server: &Server) -> Vec<u8> {
    server.engine.store().bindings.value(b"alice@example.com").unwrap_or_default()
}

/// The status of an answer, whose contacts are in order.
fn listed(answer: &[u8]) -> u16 {
    well_formed(answer);
    let mut index = Index::new();
    let Ok(message) = parse(answer, &mut index, &Limits::default()) else { return 0 };
    if message.status() == Some(200) {
        contacts_in_order(&message);
    }
    message.status().unwrap_or(0)
}

fn contacts_in_order(message: &Message<'_>) {
    let Ok(Contacts::List(contacts)) = message.contacts() else { panic!("a list of contacts") };
    let mut count = 0;
    for contact in contacts {
        let contact = contact.unwrap_or_else(|error| panic!("{error}: {}", message.bytes().escape_ascii()));
        let expires =
            contact.params().find(b"expires").flatten().and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        assert!(
            expires.is_some_and(|seconds: u32| (1..=7200).contains(&seconds)),
            "{}",
            message.bytes().escape_ascii()
        );
        count += 1;
    }
    assert!(count <= BINDINGS, "{count} bindings");
}
