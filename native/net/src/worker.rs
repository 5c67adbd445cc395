//! The loop of one worker: sockets to engine, engine's verdicts to sockets. One thread, no locks.
//!
//! Datagrams are handled in their frames; what comes by connections, from other workers or late is in `worker/other.rs`, and
//! what is left to do after an upgrade in `worker/retired.rs`.

mod alias;
mod other;
mod retired;

use other::hand_over;

use crate::control::{Control, Order};
use crate::handover::{self, Handover, Kind};
use crate::page::Page;
use crate::resolve::Resolver;
use crate::retirement::Incarnation;
use crate::steer;
use crate::stream::settings::Settings;
use crate::stream::streams::Streams;
use crate::stream::tls::Tls;
use crate::udp::{Batch, adopt};
use crate::{clock, udp};
use dialplane_core::config::{Config, ConfigError, Dns};
use dialplane_core::counter::Counter;
use dialplane_core::engine::{Engine, Health, Verdict};
use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport, WorkerId};
use dialplane_core::routing::target::HopHost;
use dialplane_core::snapshot::Snapshot;
use dialplane_core::store::{NumberTable, Store};
use dialplane_core::time::Now;
use rustix::event::{Timespec, epoll};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;

/// Batches taken from one socket before the others are looked at.
const TURNS: usize = 8;
/// Events taken from the kernel at a time: what they bring to one connection leaves it in one piece.
const EVENTS: usize = 128;
/// Milliseconds of full batches after which the kernel is asked how long datagrams wait.
const PRESSURE_MS: u64 = 20;
/// Event number of the control channel, of the resolver, of what other workers hand over and of what successors send; the
/// sockets count from 0, and connections have the numbers of [`ConnectionId`].
const CONTROL: u64 = u64::MAX;
const RESOLVER: u64 = u64::MAX - 1;
const INBOX: u64 = u64::MAX - 2;
const RETIREMENT: u64 = u64::MAX - 3;

/// What the supervisor hands to a new worker.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// Effective configuration.
    pub config: Config,
    /// Own index.
    pub worker: u16,
    /// Number of workers.
    pub workers: u16,
    /// Index in `config.listen`, descriptor of the bound socket.
    pub listeners: Vec<(u8, RawFd)>,
    /// The way to the other workers, and to this one's successor.
    pub handover: Option<handover::Boot>,
    /// The kernel's program that steers and drops, where it is in use.
    pub steering: Option<steer::Boot>,
    /// Folder of the shared store.
    pub data: PathBuf,
    /// Folder of the counter pages.
    pub counters: PathBuf,
    /// Folder of the sockets of those that have connections.
    pub connections: PathBuf,
}

/// Why a worker cannot begin.
#[derive(Debug)]
pub enum StartError {
    /// The configuration cannot be used.
    Config(Vec<ConfigError>),
    /// The system refused something.
    System(String, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(errors) => {
                for (place, error) in errors.iter().enumerate() {
                    write!(out, "{}{}: {}", if place > 0 { "; " } else { "" }, error.path, error.problem)?;
                }
                Ok(())
            }
            Self::System(what, error) => write!(out, "{what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Opens number tables by their entry in the configuration; the store's business, handed in.
pub type OpenTables = dyn Fn(&Config) -> Result<HashMap<String, Arc<dyn NumberTable>>, Vec<ConfigError>> + Send;

/// One worker.
pub struct Worker<S> {
    engine: Engine<S>,
    secret: [u8; dialplane_core::keys::SECRET_LEN],
    open_tables: Box<OpenTables>,
    sockets: Vec<Socket>,
    /// Socket number of each listener.
    numbers: Vec<Option<u8>>,
    control: Control,
    resolver: Resolver,
    events: Arc<OwnedFd>,
    page: Page,
    id: WorkerId,
    streams: Streams,
    incarnation: Incarnation,
    handover: Option<Handover>,
    kernel: Option<steer::Bans>,
    /// A message that is not in a frame.
    loose: Vec<u8>,
}

struct Socket {
    listener: ListenerId,
    descriptor: OwnedFd,
    /// Whether connections come by it, rather than datagrams.
    is_stream: bool,
    /// Since when every batch was full.
    full_since: Option<u64>,
    /// Whether the kernel notes when datagrams arrive.
    is_stamped: bool,
}

impl<S: Store> Worker<S> {
    /// Takes over the descriptors and compiles the configuration; nothing is read yet.
    ///
    /// # Errors
    /// [`StartError`]; the sockets stay with the supervisor.
    pub fn new(
        boot: &Boot,
        control: RawFd,
        store: S,
        secret: [u8; dialplane_core::keys::SECRET_LEN],
        open_tables: Box<OpenTables>,
    ) -> Result<Self, StartError> {
        let system = |what: &'static str| move |error: io::Error| StartError::System(what.into(), error);
        let control = Control::new(adopt(control).map_err(system("control channel"))?);
        let tables = open_tables(&boot.config).map_err(StartError::Config)?;
        let snapshot = Snapshot::build(&boot.config, &secret, &tables).map_err(StartError::Config)?;
        let mut sockets = Vec::new();
        let mut numbers = vec![None; boot.config.listen.len()];
        for &(listener, descriptor) in &boot.listeners {
            let descriptor = adopt(descriptor).map_err(system("listening socket"))?;
            let is_stream = snapshot.transport(ListenerId(listener)).is_some_and(Transport::is_stream);
            if let Some(number) = numbers.get_mut(usize::from(listener)).filter(|_| !is_stream) {
                *number = u8::try_from(sockets.len()).ok();
            }
            let listener = ListenerId(listener);
            sockets.push(Socket { listener, descriptor, is_stream, full_since: None, is_stamped: false });
        }
        let now = clock::now();
        let resolver = Resolver::start(&boot.config.dns).map_err(system("resolver"))?;
        let id = WorkerId(boot.worker);
        let handover = boot.handover.as_ref().map(|boot| Handover::new(id, boot)).transpose();
        let handover = handover.map_err(system("sockets between workers"))?;
        let kernel = boot.steering.as_ref().map(steer::Bans::new).transpose().map_err(system("maps of the kernel"))?;
        let events = register(&sockets, &control, &resolver, handover.as_ref()).map_err(system("epoll"))?;
        let events = Arc::new(events);
        let page = Page::create(&boot.counters, boot.worker, now.unix_ms)
            .map_err(|error| StartError::System(format!("counter page in {}", boot.counters.display()), error))?;
        let mut seed = [0; 8];
        getrandom(&mut seed).map_err(system("random numbers"))?;
        let seed = u64::from_ne_bytes(seed);
        let mut engine = Engine::new(Arc::new(snapshot), store, id, seed, now);
        engine.share(handover.as_ref().and_then(Handover::spread));
        let settings = Settings::read(&boot.config, *engine.limits()).map_err(StartError::Config)?;
        let tls = Tls::load(&boot.config).map_err(StartError::Config)?;
        let incarnation = Incarnation::begin(&boot.connections, id, seed as u8, Arc::clone(&events), RETIREMENT);
        let incarnation = incarnation.map_err(|error| {
            StartError::System(format!("socket for connections in {}", boot.connections.display()), error)
        })?;
        // Nobody is helped who guesses it: the number of a connection opens nothing without a key of the host's.
        let first = incarnation.first_generation((seed >> 32) as u32);
        let streams = Streams::new(id, first, Arc::clone(&events), settings, tls);
        let loose = Vec::new();
        Ok(Self {
            engine,
            secret,
            open_tables,
            sockets,
            numbers,
            control,
            resolver,
            events,
            page,
            id,
            streams,
            incarnation,
            handover,
            kernel,
            loose,
        })
    }

    /// Serves until the supervisor says stop; returns when what was queued is done.
    ///
    /// # Errors
    /// When the system fails in a way that a successor might not meet.
    pub fn run(&mut self) -> io::Result<()> {
        let mut batch = Batch::new();
        let mut ready: Vec<epoll::Event> = Vec::with_capacity(EVENTS);
        self.control.ready();
        loop {
            let now = clock::now();
            let timeout = self.timeout(now);
            ready.clear();
            match epoll::wait(&self.events, rustix::buffer::spare_capacity(&mut ready), timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let mut end = None;
            for event in &ready {
                match event.data.u64() {
                    CONTROL => end = self.orders().or(end),
                    RESOLVER => self.answers(&mut batch),
                    INBOX => self.inbox(&mut batch),
                    RETIREMENT => self.relay(),
                    number if number < self.sockets.len() as u64 => self.read(number as usize, TURNS, &mut batch)?,
                    number => self.stream(ConnectionId(number), event.flags, &mut batch),
                }
            }
            self.timers(&mut batch);
            self.settle(&mut batch);
            self.tell_bans();
            self.tell_health();
            self.page.write(self.engine.counters());
            match end {
                Some(Order::Retire(longest)) => return self.retire(longest, &mut batch),
                Some(_) => return self.finish(&mut batch),
                None => {}
            }
        }
    }

    /// Reads what is queued in every socket, once more and no longer.
    fn finish(&mut self, batch: &mut Batch) -> io::Result<()> {
        for number in 0..self.sockets.len() {
            self.read(number, usize::MAX, batch)?;
        }
        self.inbox(batch);
        self.settle(batch);
        self.streams.finish(clock::now().monotonic_ms);
        self.streams.count(self.engine.counters_mut());
        self.page.write(self.engine.counters());
        Ok(())
    }

    /// Takes up to `turns` batches from socket `number`.
    fn read(&mut self, number: usize, turns: usize, batch: &mut Batch) -> io::Result<()> {
        let Some(socket) = self.sockets.get(number) else { return Ok(()) };
        let listener = socket.listener;
        if socket.is_stream {
            let (now, engine) = (clock::now(), &self.engine);
            let is_banned = |address| engine.is_banned(now, address);
            self.streams.accept(now.monotonic_ms, listener, socket.descriptor.as_fd(), is_banned);
            return Ok(());
        }
        for _ in 0..turns {
            let Some(socket) = self.sockets.get(number) else { return Ok(()) };
            let count = batch.receive(socket.descriptor.as_fd())?;
            let now = clock::now();
            self.note_delay(number, count, now, batch);
            if count == 0 {
                break;
            }
            self.engine.counters_mut().count(Counter::Batches);
            for frame in 0..count {
                self.datagram(now, listener, frame, batch);
            }
            self.send(batch);
            self.ask();
            // A batch that was not full emptied the socket: the next wait will tell when there is more.
            if count < udp::BATCH {
                break;
            }
        }
        Ok(())
    }

    /// Watches how long datagrams wait. The kernel is asked only about a socket that gave full batches for a while.
    fn note_delay(&mut self, number: usize, count: usize, now: Now, batch: &Batch) {
        let Some(socket) = self.sockets.get_mut(number) else { return };
        if count < udp::BATCH {
            socket.full_since = None;
            if socket.is_stamped {
                self.engine.note_delay(now, 0);
                // Refused or not, the engine only looks at what comes.
                socket.is_stamped = self.engine.is_shedding() || udp::stamp(socket.descriptor.as_fd(), false).is_err();
            }
        } else if socket.is_stamped {
            self.engine.note_delay(now, batch.waited_ms(now.unix_ms).unwrap_or(0));
        } else if now.monotonic_ms - *socket.full_since.get_or_insert(now.monotonic_ms) >= PRESSURE_MS {
            socket.is_stamped = udp::stamp(socket.descriptor.as_fd(), true).is_ok();
        }
    }

    /// Tells of the targets that came up or went down.
    fn tell_health(&mut self) {
        while let Some((uri, health)) = self.engine.poll_health() {
            match health {
                Health::Down => self.control.log("warning", "target is down", &uri),
                Health::Ejected { seconds } => {
                    self.control.log("warning", "target is ejected", &format!("{uri} for {seconds} s"));
                }
                Health::Up => self.control.log("info", "target is up", &uri),
            }
        }
    }

    /// Tells of the sources that were banned.
    fn tell_bans(&mut self) {
        while let Some(ban) = self.engine.poll_ban() {
            let now = clock::now();
            if let Some(kernel) = &self.kernel {
                // Should the kernel not take it, we drop what comes.
                let _ = kernel.ban(&ban, now);
            }
            let seconds = ban.until_ms.saturating_sub(now.unix_ms) / 1000;
            let detail = format!("{} for {seconds} s: {}", ban.source, ban.reason.text());
            self.control.log("warning", "source banned", &detail);
        }
    }

    fn datagram(&mut self, now: Now, listener: ListenerId, frame: usize, batch: &mut Batch) {
        let Some(peer) = batch.peer(frame) else { return };
        let path = Path { transport: Transport::Udp, listener, connection: ConnectionId(0), peer };
        let (bytes, own) = batch.message_and_own(frame);
        let begin = own.len();
        match self.engine.handle(now, &path, bytes, own) {
            Verdict::Done => self.outputs(now, batch),
            Verdict::HandOver(owner) => {
                let taken = hand_over(&mut self.handover, owner, Kind::Received, &path, batch.message(frame));
                let outcome = if taken { Counter::HandedOver } else { Counter::Undeliverable };
                self.engine.counters_mut().count(outcome);
            }
            Verdict::Send(to) if to.transport == Transport::Udp => {
                let end = own.len();
                batch.order(self.engine.call());
                queue_own(&self.numbers, batch, begin..end, &to);
            }
            Verdict::Send(to) => self.send_own(now, batch, begin, &to),
            Verdict::Forward(edits, to) if to.transport != Transport::Udp => {
                edits.apply(bytes, own);
                self.send_own(now, batch, begin, &to);
            }
            Verdict::Forward(edits, to) => {
                let (octets, range) = batch.frame(frame);
                match edits.apply_in_place(octets, range.clone()) {
                    Some(range) => {
                        if let Some(number) = self.numbers.get(usize::from(to.listener.0)).copied().flatten() {
                            batch.order(self.engine.call());
                            batch.queue_frame(frame, range, number, to.peer);
                        }
                    }
                    // The head outgrew its headroom (very long Path or request URI): one copy.
                    None => {
                        let (message, own) = batch.message_and_own(frame);
                        edits.apply(message, own);
                        let end = own.len();
                        batch.order(self.engine.call());
                        queue_own(&self.numbers, batch, begin..end, &to);
                    }
                }
            }
        }
    }

    fn send(&mut self, batch: &mut Batch) {
        if !batch.is_queued() {
            return;
        }
        let sockets: smallvec::SmallVec<[BorrowedFd<'_>; 8]> =
            self.sockets.iter().map(|socket| socket.descriptor.as_fd()).collect();
        let outcome = batch.flush(&sockets);
        let counters = self.engine.counters_mut();
        counters.add(Counter::Sent, outcome.messages);
        counters.add(Counter::SentBytes, outcome.bytes);
        counters.add(Counter::SendErrors, outcome.errors);
    }

    /// Puts the engine's questions to the resolver.
    fn ask(&mut self) {
        while let Some(question) = self.engine.poll_question() {
            // Who it leads to must show a certificate for this name, if it leads there by TLS.
            if let HopHost::Name(name) = &question.host
                && question.transport.is_none_or(Transport::is_secure)
            {
                self.streams.note_host(self.engine.host_number(name), name);
            }
            self.resolver.ask(question, self.engine.reach());
        }
    }

    /// Takes the resolver's answers, and handles the datagrams that waited for them.
    fn answers(&mut self, batch: &mut Batch) {
        let now = clock::now();
        for answer in self.resolver.answers() {
            self.engine.handle_answer(now, &answer.hop, answer.outcome);
        }
        self.parked(now, batch);
        self.ask();
    }

    /// Lets the engine do what is due.
    fn timers(&mut self, batch: &mut Batch) {
        let now = clock::now();
        if self.engine.poll_timeout().is_none_or(|due| due > now.monotonic_ms) {
            return;
        }
        self.engine.handle_timeout(now, batch.own());
        self.outputs(now, batch);
        loop {
            let begin = batch.own().len();
            let Some(to) = self.engine.poll_send(now, batch.own()) else { break };
            self.send_own(now, batch, begin, &to);
        }
        self.send(batch);
        self.ask();
    }

    /// Carries out the supervisor's orders, up to one that ends the service, which is returned.
    fn orders(&mut self) -> Option<Order> {
        while let Some(order) = self.control.order() {
            match order {
                Order::Stop(_) | Order::Retire(_) => return Some(order),
                Order::Unreadable(why) => self.control.refused(&[(String::new(), why)]),
                Order::Reload(octets) => match self.compile(&octets) {
                    Ok((snapshot, settings, tls, dns)) => {
                        self.resolver.reload(&dns);
                        self.engine.reload(Arc::new(snapshot), clock::now());
                        self.streams.reload(settings, tls);
                        self.control.reloaded();
                    }
                    Err(errors) => {
                        let problems: Vec<_> = errors.into_iter().map(|error| (error.path, error.problem)).collect();
                        self.control.refused(&problems);
                    }
                },
            }
        }
        None
    }

    fn compile(&self, octets: &[u8]) -> Result<(Snapshot, Settings, Tls, Dns), Vec<ConfigError>> {
        let config: Config =
            serde_json::from_slice(octets).map_err(|error| vec![ConfigError::new("", error.to_string())])?;
        let tables = (self.open_tables)(&config)?;
        let snapshot = Snapshot::build(&config, &self.secret, &tables)?;
        let settings = Settings::read(&config, *snapshot.limits())?;
        Ok((snapshot, settings, Tls::load(&config)?, config.dns))
    }

    /// How long to wait for events.
    fn timeout(&self, now: Now) -> Option<Timespec> {
        let due = [self.engine.poll_timeout(), self.streams.poll_timeout()].into_iter().flatten().min()?;
        Some(wait(due, now))
    }
}

/// How long it is until the millisecond `due`.
fn wait(due: u64, now: Now) -> Timespec {
    let wait = due.saturating_sub(now.monotonic_ms);
    Timespec { tv_sec: i64::try_from(wait / 1000).unwrap_or(i64::MAX), tv_nsec: (wait % 1000) as i64 * 1_000_000 }
}

fn queue_own(numbers: &[Option<u8>], batch: &mut Batch, range: std::ops::Range<usize>, to: &Path) {
    if let Some(number) = numbers.get(usize::from(to.listener.0)).copied().flatten() {
        batch.queue_own(range, number, to.peer);
    }
}

fn register(
    sockets: &[Socket],
    control: &Control,
    resolver: &Resolver,
    handover: Option<&Handover>,
) -> io::Result<OwnedFd> {
    let events = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (number, socket) in sockets.iter().enumerate() {
        epoll::add(&events, &socket.descriptor, epoll::EventData::new_u64(number as u64), epoll::EventFlags::IN)?;
    }
    if let Some(handover) = handover {
        epoll::add(&events, handover.inbox(), epoll::EventData::new_u64(INBOX), epoll::EventFlags::IN)?;
    }
    epoll::add(&events, control, epoll::EventData::new_u64(CONTROL), epoll::EventFlags::IN)?;
    epoll::add(&events, resolver.ready(), epoll::EventData::new_u64(RESOLVER), epoll::EventFlags::IN)?;
    Ok(events)
}

fn getrandom(octets: &mut [u8]) -> io::Result<()> {
    let wanted = octets.len();
    let got = rustix::rand::getrandom(octets, rustix::rand::GetRandomFlags::empty())?;
    if got == wanted { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
