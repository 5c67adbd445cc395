//! REGISTER from datagram to response, over a store that costs nothing. RFC 3261 §10.3.
//!
//! `message` is what every request pays (parse and check), `handle` the registrar alone, `whole` both and the response
//! written.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dialplane_core::auth::algorithm::{Algorithm, Hashed};
use dialplane_core::auth::credential::Digests;
use dialplane_core::auth::nonce::{Freshness, NonceKey};
use dialplane_core::calls::CallTable;
use dialplane_core::counter::Counters;
use dialplane_core::guard::SourceTable;
use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport};
use dialplane_core::registrar::{Register, Registrar, Scratch};
use dialplane_core::store::{Change, NonceId, NonceUse, Nonces, Store, StoreError, Table};
use dialplane_core::testing::MemoryHealth;
use dialplane_core::testing::defaults::config;
use dialplane_core::time::Now;
use dialplane_syntax::{Index, Limits, Message, check, parse, write_response};
use std::cell::RefCell;
use std::hint::black_box;
use std::sync::atomic::AtomicU64;

const NOW: Now = Now { monotonic_ms: 0, unix_ms: 1_800_000_000_000 };

/// Always the same record, whatever is written.
struct Fixed {
    record: Vec<u8>,
    next: RefCell<Vec<u8>>,
}

impl Table for Fixed {
    fn read(&self, _key: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError> {
        value.extend_from_slice(&self.record);
        Ok(!self.record.is_empty())
    }

    fn update(&self, _key: &[u8], change: &mut dyn FnMut(&[u8], &mut Vec<u8>) -> Change) -> Result<Change, StoreError> {
        let mut next = self.next.borrow_mut();
        next.clear();
        Ok(change(&self.record, &mut next))
    }
}

/// Every count is new.
struct AlwaysFresh;

impl Nonces for AlwaysFresh {
    fn next_serial(&self) -> u32 {
        1
    }

    fn mark(&self, _nonce: NonceId, _nc: u32) -> NonceUse {
        NonceUse::Fresh
    }
}

struct Free {
    bindings: Fixed,
    credentials: Fixed,
    nonces: AlwaysFresh,
    health: MemoryHealth,
    sources: SourceTable<Vec<AtomicU64>>,
    calls: CallTable<Vec<AtomicU64>>,
}

impl Store for Free {
    type Table = Fixed;
    type Nonces = AlwaysFresh;
    type Health = MemoryHealth;
    type Words = Vec<AtomicU64>;

    fn bindings(&self) -> &Fixed {
        &self.bindings
    }

    fn credentials(&self) -> &Fixed {
        &self.credentials
    }

    fn nonces(&self) -> &AlwaysFresh {
        &self.nonces
    }

    fn health(&self) -> &MemoryHealth {
        &self.health
    }

    fn calls(&self) -> &CallTable<Vec<AtomicU64>> {
        &self.calls
    }

    fn sources(&self) -> &SourceTable<Vec<AtomicU64>> {
        &self.sources
    }
}

/// One request and all it meets.
struct Case {
    name: &'static str,
    registrar: Registrar,
    store: Free,
    text: String,
    status: u16,
}

impl Case {
    fn new(name: &'static str, authenticated: bool, record: Vec<u8>, text: String, status: u16) -> Self {
        let fixed = |record| Fixed { record, next: RefCell::default() };
        let mut credentials = Vec::new();
        Digests::from_password("alice", "example.com", "example.com", "wonderland").write(&mut credentials);
        Self {
            name,
            registrar: registrar(authenticated),
            store: Free {
                bindings: fixed(record),
                credentials: fixed(credentials),
                nonces: AlwaysFresh,
                health: MemoryHealth::default(),
                sources: SourceTable::new(Vec::new(), 0),
                calls: CallTable::new(Vec::new()),
            },
            text,
            status,
        }
    }

    fn run(&self, message: Message<'_>, state: &mut State) {
        let essentials = check(&message, &state.limits).expect("a good message");
        let register = Register { message, essentials: &essentials, source: &state.source, now: NOW, trusted: false };
        state.lines.clear();
        let (scratch, lines, counters) = (&mut state.scratch, &mut state.lines, &mut state.counters);
        let answer = self.registrar.handle(&self.store, black_box(&register), |_| true, scratch, lines, counters);
        assert_eq!(answer.status, self.status, "{}", self.name);
    }

    fn whole(&self, index: &mut Index, state: &mut State) {
        let message = parse(black_box(self.text.as_bytes()), index, &state.limits).expect("a message");
        self.run(message, state);
        state.out.clear();
        let lines = &state.lines;
        let extra = |fields: &mut dialplane_syntax::Fields<'_>| {
            fields.lines(lines);
        };
        let source = Some(state.source.peer);
        write_response(&message, self.status, b"", Some(b"0123456789abc"), source, extra, b"", &mut state.out);
        black_box(&state.out);
    }
}

struct State {
    limits: Limits,
    scratch: Scratch,
    counters: Counters,
    source: Path,
    lines: Vec<u8>,
    out: Vec<u8>,
}

impl State {
    fn new() -> Self {
        let peer = "192.0.2.1:5060".parse().expect("an address");
        let source = Path { transport: Transport::Udp, listener: ListenerId(0), connection: ConnectionId(0), peer };
        Self {
            limits: Limits::default(),
            scratch: Scratch::default(),
            counters: Counters::default(),
            source,
            lines: Vec::with_capacity(1024),
            out: Vec::with_capacity(4096),
        }
    }
}

fn registrar(authenticated: bool) -> Registrar {
    let algorithms = ["SHA-256", "SHA-512-256", "MD5"];
    let config = config(serde_json::json!({"auth": {"algorithms": algorithms, "register": authenticated}}));
    Registrar::new(&config, &[7; 64]).expect("a registrar")
}

/// What a softphone sends.
fn register(cseq: u32, more: &str) -> String {
    format!(
        "REGISTER sip:example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-524287-1---8f1d6a0c5b7e4f23;rport\r\n\
         Max-Forwards: 70\r\n\
         Contact: <sip:alice@192.0.2.1:5060;rinstance=309c3e58798d5f69>\r\n\
         To: <sip:alice@example.com>\r\n\
         From: <sip:alice@example.com>;tag=5e1a2f77\r\n\
         Call-ID: 84221YzQ5ZTk0ZjE3YTUxYjFhMmE2ZDY1ZWQ0\r\n\
         CSeq: {cseq} REGISTER\r\n\
         Expires: 3600\r\n\
         Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO\r\n\
         User-Agent: Softphone 5.8.3 stamp 102651\r\n\
         {more}Content-Length: 0\r\n\r\n"
    )
}

fn authorization(case: &Case, algorithm: Algorithm) -> String {
    let mut state = State::new();
    case.whole(&mut Index::new(), &mut state);
    let challenge = String::from_utf8_lossy(&state.lines).into_owned();
    let nonce = challenge.split('"').nth(3).expect("a nonce");
    let ha1 = algorithm.ha1(b"alice", b"example.com", b"wonderland");
    let hashed = Hashed {
        method: b"REGISTER",
        uri: b"sip:example.com",
        nonce: nonce.as_bytes(),
        nc: b"00000001",
        cnonce: b"c2c0a2e1f3d14bd5",
    };
    let response: String = algorithm
        .response(ha1.as_bytes(), &hashed, &mut Vec::new())
        .as_bytes()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    format!(
        "Authorization: Digest username=\"alice\",realm=\"example.com\",nonce=\"{nonce}\",uri=\"sip:example.com\",\
         response=\"{response}\",cnonce=\"c2c0a2e1f3d14bd5\",nc=00000001,qop=auth,algorithm={}\r\n",
        algorithm.name()
    )
}

/// The record that a first REGISTER leaves.
fn registered() -> Vec<u8> {
    let case = Case::new("", false, Vec::new(), register(1, ""), 200);
    case.whole(&mut Index::new(), &mut State::new());
    case.store.bindings.next.take()
}

fn cases() -> Vec<Case> {
    let challenge = Case::new("challenge", true, Vec::new(), register(1, ""), 401);
    let digest =
        |name, algorithm| Case::new(name, true, registered(), register(2, &authorization(&challenge, algorithm)), 200);
    let mut cases = vec![
        Case::new("first", false, Vec::new(), register(1, ""), 200),
        Case::new("refresh", false, registered(), register(2, ""), 200),
        Case::new("retransmission", false, registered(), register(1, ""), 200),
        Case::new("fetch", false, registered(), register(2, "").replace("Contact: ", "X-Contact: "), 200),
        digest("refresh-md5", Algorithm::Md5),
        digest("refresh-sha256", Algorithm::Sha256),
        digest("refresh-sha512-256", Algorithm::Sha512_256),
    ];
    cases.push(challenge);
    cases
}

fn registers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("register");
    group.throughput(Throughput::Elements(1));
    for case in cases() {
        let mut index = Index::new();
        let mut state = State::new();
        group.bench_function(BenchmarkId::new("message", case.name), |bencher| {
            bencher.iter(|| {
                let message = parse(black_box(case.text.as_bytes()), &mut index, &state.limits).expect("a message");
                black_box(check(&message, &state.limits)).expect("a good message");
            });
        });
        group.bench_function(BenchmarkId::new("whole", case.name), |bencher| {
            bencher.iter(|| case.whole(&mut index, &mut state));
        });
    }
    group.finish();
}

fn digests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("digest");
    for algorithm in Algorithm::ALL {
        let ha1 = algorithm.ha1(b"alice", b"example.com", b"wonderland");
        let hashed = Hashed {
            method: b"REGISTER",
            uri: b"sip:example.com",
            nonce: b"AbCdEfGhIjKlMnOpQrStUvWxYz01",
            nc: b"00000001",
            cnonce: b"c2c0a2e1f3d14bd5",
        };
        let mut text = Vec::new();
        group.bench_function(algorithm.name(), |bencher| {
            bencher.iter(|| algorithm.response(black_box(ha1.as_bytes()), black_box(&hashed), &mut text));
        });
    }
    let key = NonceKey::new(&[7; 16]);
    let token = key.issue(b"example.com", NOW, 1);
    group.bench_function("nonce-issue", |bencher| {
        bencher.iter_batched(|| 1, |serial| key.issue(black_box(b"example.com"), NOW, serial), BatchSize::SmallInput);
    });
    group.bench_function("nonce-verify", |bencher| {
        bencher
            .iter(|| assert!(matches!(key.verify(black_box(&token), b"example.com", NOW, 300), Freshness::Fresh(_))));
    });
    group.finish();
}

criterion_group!(benches, registers, digests);
criterion_main!(benches);
