//! The engine of one worker: a message and the time in, a verdict out.
//!
//! After each `handle_*`, ask [`Engine::poll_output`], [`Engine::poll_question`] and [`Engine::poll_ready`] until they have
//! nothing more, and wait no longer than [`Engine::poll_timeout`] says before [`Engine::handle_timeout`] and
//! [`Engine::poll_send`].

use crate::counter::{Counter, Counters};
use crate::failures::Failures;
use crate::guard::shed::Shed;
use crate::guard::{Ban, act};
use crate::keepalive;
use crate::listener::default_port;
use crate::names::search::{Outcome, Reach};
use crate::names::{Names, Parked};
use crate::path::{ConnectionId, Path, Transport, WorkerId};
use crate::probing;
pub use crate::proxy::context::Output;
use crate::proxy::context::{Contexts, Desk};
use crate::proxy::hop;
use crate::proxy::keep::Keep;
use crate::proxy::size::{BY_SIZE, REMEMBERED_MS};
use crate::routing::probe::{Change, Prober};
use crate::routing::target::{HopHost, NextHop};
use crate::snapshot::Snapshot;
use crate::spread::Spread;
use crate::store::Store;
use crate::time::Now;
use crate::trace::Trace;
use crate::turn::{Step, Turn};
use crate::unsent::{self, Unsent};
use dialplane_syntax::{Edits, Index, Limits, Message, parse};
use std::net::IpAddr;
use std::sync::Arc;

/// What is to be done with a message.
#[derive(Debug)]
pub enum Verdict<'e> {
    /// Nothing (more).
    Done,
    /// Send the received message with these edits.
    Forward(&'e Edits, Path),
    /// The message belongs to a call of this worker.
    HandOver(WorkerId),
    /// Send what was appended to the output.
    Send(Path),
}

/// What has become of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Its probes fail.
    Down,
    /// It failed again and again, and gets nothing for so long.
    Ejected {
        /// See above.
        seconds: u64,
    },
    /// Its probes are answered.
    Up,
}

/// Buffers and counts of one worker, apart from what it serves by.
#[derive(Debug)]
pub(crate) struct Work {
    pub counters: Counters,
    pub edits: Edits,
    /// What is to be done to `keep` in the next Via of the response at hand.
    pub keep: Option<Keep>,
    pub names: Names,
    /// Peers that did not take a connection for what is too large for a datagram.
    pub refusals: Failures,
    pub scratch: Vec<u8>,
    pub uri: Vec<u8>,
    pub lines: Vec<u8>,
    pub value: Vec<u8>,
    pub auth: crate::auth::Scratch,
    pub registrar: crate::registrar::Scratch,
    pub chance: u64,
    pub shed: Shed,
    /// Sources banned and not told yet.
    pub bans: Vec<Ban>,
    /// Targets ejected and not told yet, each with the seconds that it is out.
    pub ejected: Vec<(String, u64)>,
    /// What was looked at, for `dialplane explain`; `None` while serving.
    pub trace: Option<Box<Trace>>,
}

impl Work {
    /// A number that nobody outside can foresee for long: SplitMix64 from the worker's seed. For probes and load
    /// balancing, never for keys.
    pub(crate) fn draw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.chance;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// Notes a step for `dialplane explain`; the text is made only when somebody reads it.
    #[inline]
    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.steps.push(text());
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Engine<S> {
    snapshot: Arc<Snapshot>,
    store: S,
    /// Of the first worker only: one process probes, all read what it finds.
    prober: Option<Prober>,
    /// When the prober wants to be asked.
    probe_ms: Option<u64>,
    index: Box<Index>,
    work: Work,
    contexts: Contexts,
    /// How calls are divided; `None` for a worker that is alone.
    spread: Option<Spread>,
    call: u32,
}

impl<S: Store> Engine<S> {
    /// An engine that serves by `snapshot`. `seed` is random.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>, store: S, worker: WorkerId, seed: u64, now: Now) -> Self {
        let mut work = Work {
            counters: Counters::default(),
            edits: Edits::new(),
            keep: None,
            names: Names::new(snapshot.names),
            refusals: Failures::default(),
            scratch: Vec::with_capacity(1024),
            uri: Vec::with_capacity(256),
            lines: Vec::with_capacity(1024),
            value: Vec::with_capacity(4096),
            auth: crate::auth::Scratch::default(),
            registrar: crate::registrar::Scratch::default(),
            chance: seed,
            shed: Shed::default(),
            bans: Vec::new(),
            ejected: Vec::new(),
            trace: None,
        };
        let prober = (worker.0 == 0).then(|| Prober::new(work.draw()));
        let index = Box::new(Index::new());
        let mut engine = Self {
            snapshot: Arc::clone(&snapshot),
            store,
            prober,
            probe_ms: None,
            index,
            work,
            contexts: Contexts::new(now),
            spread: None,
            call: 0,
        };
        engine.reload(snapshot, now);
        engine
    }

    /// Divides calls with other workers from now on: [`Self::handle`] may say [`Verdict::HandOver`].
    pub fn share(&mut self, spread: Option<Spread>) {
        self.spread = spread;
    }

    /// Takes one message. What the engine wants to say itself is appended to `out`.
    pub fn handle(&mut self, now: Now, path: &Path, bytes: &[u8], out: &mut Vec<u8>) -> Verdict<'_> {
        self.work.counters.count(Counter::Received);
        self.work.counters.add(Counter::ReceivedBytes, bytes.len() as u64);
        if self.is_banned(now, path.peer.ip()) {
            self.work.counters.count(Counter::BannedDropped);
            return Verdict::Done;
        }
        self.decide(now, path, bytes, out, self.spread)
    }

    /// Takes a message that is for this worker: one that [`Self::poll_ready`] or another worker gave. As [`Self::handle`], but not
    /// counted twice, and never handed over.
    pub fn handle_again(&mut self, now: Now, path: &Path, bytes: &[u8], out: &mut Vec<u8>) -> Verdict<'_> {
        self.decide(now, path, bytes, out, None)
    }

    fn decide(
        &mut self,
        now: Now,
        path: &Path,
        bytes: &[u8],
        out: &mut Vec<u8>,
        spread: Option<Spread>,
    ) -> Verdict<'_> {
        let message = match parse(bytes, &mut self.index, &self.snapshot.limits) {
            Ok(message) => message,
            Err(error) => {
                self.work.note(|| format!("not SIP: {} at octet {}", error.kind.as_str(), error.offset));
                let answered = keepalive::handle(&self.snapshot, &self.store, &mut self.work, path, bytes, now, out);
                self.call = 0;
                return if answered { Verdict::Send(*path) } else { Verdict::Done };
            }
        };
        if let Some(owner) = spread.and_then(|spread| spread.owner(&message)) {
            return Verdict::HandOver(owner);
        }
        self.call = message.call_id().map_or(0, call_word);
        let mut turn = Turn {
            snapshot: &self.snapshot,
            store: &self.store,
            work: &mut self.work,
            contexts: &mut self.contexts,
            now,
            path,
            message,
            out,
        };
        let end = turn.message.bytes().len();
        match turn.run() {
            Step::Done => Verdict::Done,
            Step::Forward(to) => {
                // What follows the message in its datagram is no part of it, and would be the next one in a stream.
                if end < bytes.len() {
                    self.work.edits.remove(end..bytes.len());
                }
                Verdict::Forward(&self.work.edits, to)
            }
            Step::Send(to) => Verdict::Send(to),
        }
    }

    /// A hash of the Call-ID of the message handled last; 0 for none. What came of it stays in order with what else has this one.
    #[must_use]
    pub fn call(&self) -> u32 {
        self.call
    }

    /// Takes what the resolver found.
    pub fn handle_answer(&mut self, now: Now, hop: &NextHop, outcome: Outcome) {
        self.work.counters.count(match &outcome {
            Outcome::Places(..) => Counter::NamesFound,
            Outcome::Nothing(_) => Counter::NamesUnknown,
            Outcome::Failed => Counter::NamesFailed,
        });
        if self.work.names.answer(now.monotonic_ms, hop, outcome) {
            self.work.counters.count(Counter::NamesStale);
        }
        self.contexts.answered(now.monotonic_ms, hop);
    }

    /// What the listeners can reach: what to look for behind a name.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.snapshot.reach()
    }

    /// Does what is due, at most [`MOST_WAKES`] contexts at a time. What is to be sent is appended to `out` and queued for
    /// [`Self::poll_output`].
    pub fn handle_timeout(&mut self, now: Now, out: &mut Vec<u8>) {
        for _ in 0..MOST_WAKES {
            let Some(id) = self.contexts.poll(now.monotonic_ms) else { return };
            self.desk(now, out).wake(id);
        }
    }

    /// Next message that was queued for sending. Its octets are in the `out` that was handed in.
    #[inline]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.contexts.outputs.pop_front()
    }

    fn desk<'d>(&'d mut self, now: Now, out: &'d mut Vec<u8>) -> Desk<'d, S> {
        Desk {
            snapshot: &self.snapshot,
            store: &self.store,
            work: &mut self.work,
            contexts: &mut self.contexts,
            now,
            out,
        }
    }

    /// Takes back a message that could not be sent by `path`. What is to be handled in its place is appended to `out`.
    pub fn handle_unsent(&mut self, now: Now, path: &Path, message: &[u8], out: &mut Vec<u8>) -> Unsent {
        if path.connection == BY_SIZE {
            self.work.refusals.note(path.peer, now.monotonic_ms, REMEMBERED_MS);
        } else if path.connection.worker().is_none() {
            self.work.names.failed(path, now.monotonic_ms);
        }
        unsent::handle(&self.snapshot, path, message, now, &mut self.index, &mut self.work, out)
    }

    /// Host and port of the sender of a request that came by TLS, if he lets others come back to him by the same connection.
    /// RFC 5923 §8.2.
    pub fn alias(&mut self, bytes: &[u8]) -> Option<(HopHost, u16)> {
        let message = parse(bytes, &mut self.index, &self.snapshot.limits).ok().filter(Message::is_request)?;
        let via = message.top_via().ok().filter(|via| via.params().contains(b"alias"))?;
        Some((HopHost::of(&via.host), via.port.unwrap_or(default_port(Transport::Tls))))
    }

    /// What stands for a host in a [`Path`] without a connection: whoever is connected to must be this host.
    #[must_use]
    pub fn host_number(&self, host: &[u8]) -> ConnectionId {
        hop::host_number(&self.snapshot.keys, host)
    }

    /// Limits of a message.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.snapshot.limits
    }

    /// Takes a new configuration.
    pub fn reload(&mut self, snapshot: Arc<Snapshot>, now: Now) {
        if let Some(prober) = &mut self.prober {
            prober.reload(now.monotonic_ms, &snapshot.routes, self.store.health());
            self.probe_ms = Some(now.monotonic_ms);
        }
        self.work.names.reload(snapshot.names);
        self.snapshot = snapshot;
    }

    /// Notes each step in `trace` from now on; [`Self::take_trace`] gives it back.
    pub fn trace(&mut self, trace: Trace) {
        self.work.trace = Some(Box::new(trace));
    }

    /// What was noted since [`Self::trace`].
    pub fn take_trace(&mut self) -> Trace {
        self.work.trace.take().map(|trace| *trace).unwrap_or_default()
    }

    /// Next question for the resolver.
    pub fn poll_question(&mut self) -> Option<NextHop> {
        let question = self.work.names.poll_question()?;
        self.work.counters.count(Counter::NamesAsked);
        Some(question)
    }

    /// Next message whose name is answered: for [`Self::handle_again`], or if it was to be sent, for [`Self::handle_unsent`].
    pub fn poll_ready(&mut self) -> Option<Parked> {
        self.work.names.poll_ready()
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_send`] has something to do, in milliseconds of the monotonic clock.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        [self.probe_ms, self.contexts.next_ms()].into_iter().flatten().min()
    }

    /// Whether what comes from this address is dropped unread.
    #[inline]
    #[must_use]
    pub fn is_banned(&self, now: Now, address: IpAddr) -> bool {
        act::is_banned(&self.snapshot, &self.store, address, now)
    }

    /// Next source that was banned, for whoever else can stop it.
    pub fn poll_ban(&mut self) -> Option<Ban> {
        self.work.bans.pop()
    }

    /// Next target whose health has changed: its URI, and what happened.
    pub fn poll_health(&mut self) -> Option<(String, Health)> {
        if let Some((uri, seconds)) = self.work.ejected.pop() {
            return Some((uri, Health::Ejected { seconds }));
        }
        let (uri, change) = self.prober.as_mut()?.poll_change()?;
        let health = if change == Change::CameUp { Health::Up } else { Health::Down };
        Some((String::from_utf8_lossy(&uri).into_owned(), health))
    }

    /// Says that a batch of messages begins, the first of which has waited for `delay_ms` (0: did not wait).
    pub fn note_delay(&mut self, now: Now, delay_ms: u64) {
        self.work.shed.begin_batch(now.monotonic_ms, delay_ms, self.snapshot.guard.delay_ms);
    }

    /// Whether new requests are refused for want of time.
    #[must_use]
    pub fn is_shedding(&self) -> bool {
        self.work.shed.is_on()
    }

    /// Number of requests that are kept in transactions.
    #[must_use]
    pub fn open_contexts(&self) -> usize {
        self.contexts.table.len()
    }

    /// What is kept, in words.
    pub fn contexts(&self) -> impl Iterator<Item = String> {
        self.contexts.table.iter().map(ToString::to_string)
    }

    /// Appends the next message that is due to `out` and says where it goes.
    pub fn poll_send(&mut self, now: Now, out: &mut Vec<u8>) -> Option<Path> {
        let prober = self.prober.as_mut()?;
        let (health, names, counters) = (self.store.health(), &mut self.work.names, &mut self.work.counters);
        match probing::poll_send(prober, now.monotonic_ms, &self.snapshot, health, names, counters, out) {
            Ok(to) => Some(to),
            Err(until) => {
                self.probe_ms = until;
                None
            }
        }
    }

    /// What it shares with other workers.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The counts.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.work.counters
    }

    /// The counts, for the caller to add what only it sees.
    pub fn counters_mut(&mut self) -> &mut Counters {
        &mut self.work.counters
    }
}

/// Contexts that one call of [`Engine::handle_timeout`] wakes.
const MOST_WAKES: usize = 256;

/// See [`Engine::call`]. Whoever makes calls meet only makes them wait for each other.
fn call_word(call_id: &[u8]) -> u32 {
    let (words, rest) = call_id.as_chunks::<8>();
    let add = |word: u64, octets: u64| (word ^ octets).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let word = words.iter().fold(0, |word, octets| add(word, u64::from_le_bytes(*octets)));
    let word = rest.iter().fold(word, |word, octet| add(word, u64::from(*octet)));
    ((word >> 32) as u32).max(1)
}
