//! All connections of a worker: accepted, opened, read, written, timed and closed. RFC 3261 §18, RFC 5923 §3.
//!
//! After [`Streams::on_event`], handle what arrived ([`Streams::take_arrived`]); after handling, [`Streams::flush`]; then
//! [`Streams::poll_unsent`] until it has nothing more. Wait no longer than [`Streams::poll_timeout`] says before
//! [`Streams::on_timeout`].

use super::connection::{Connection, Stage, Waiting, Written};
use super::deadlines::{Deadline, Deadlines};
use super::session::{Arrived, Bench, Fault, Session};
use super::settings::Settings;
use super::table::Table;
use super::tls::Tls;
use dialplane_core::counter::{Counter, Counters};
use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport, WorkerId};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::net::{RecvFlags, Shutdown, SocketFlags, SocketType, acceptfrom_with, recv, shutdown, socket_with};
use rustls::pki_types::ServerName;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Connections accepted before anything else is looked at.
const ACCEPTS: usize = 64;
/// Octets read at a time.
const WIRE: usize = 64 * 1024;
/// How long a peer may take to read our last words.
const DRAIN_MS: u64 = 2_000;
/// How long a request that is too large for a datagram waits for a connection.
const IMPATIENCE_MS: u64 = 1_000;
/// Silence after which a WebSocket is asked for a sign of life; most proxies on the way give up after a minute.
const PING_MS: u64 = 45_000;
/// Output buffers kept for whoever needs one next, and the largest that is kept.
const SPARE: usize = 64;
const SPARE_LEN: usize = 64 * 1024;
/// Hosts whose names are remembered.
const MOST_HOSTS: usize = 100_000;

/// A message that could not be sent.
#[derive(Debug)]
pub struct Unsent {
    /// Where it should have gone.
    pub path: Path,
    /// The message.
    pub message: Vec<u8>,
}

/// A connection that we opened: transport, address, number of the host.
type Pooled = (Transport, SocketAddr, ConnectionId);

/// See the module.
#[derive(Debug)]
pub struct Streams {
    events: Arc<OwnedFd>,
    /// A descriptor to be given up when no other is left.
    reserve: Option<OwnedFd>,
    table: Table<Connection>,
    settings: Settings,
    tls: Tls,
    bench: Bench,
    wire: Vec<u8>,
    arrived: Arrived,
    pool: HashMap<Pooled, ConnectionId>,
    /// Names of hosts by the number that stands for each in a path.
    hosts: HashMap<ConnectionId, ServerName<'static>>,
    deadlines: Deadlines,
    dirty: Vec<ConnectionId>,
    unsent: VecDeque<Unsent>,
    spare: Vec<Vec<u8>>,
    /// Taken by [`Self::count`].
    counters: Counters,
    /// Whether anything was done since [`Self::count`].
    is_busy: bool,
}

impl Streams {
    /// No connections. `seed` is random; `events` tells of connections by their numbers.
    #[must_use]
    pub fn new(worker: WorkerId, seed: u32, events: Arc<OwnedFd>, settings: Settings, tls: Tls) -> Self {
        Self {
            reserve: events.try_clone().ok(),
            events,
            table: Table::new(worker, seed),
            bench: Bench::new(settings.limits),
            settings,
            tls,
            wire: Vec::with_capacity(WIRE),
            arrived: Arrived::default(),
            pool: HashMap::new(),
            hosts: HashMap::new(),
            deadlines: Deadlines::default(),
            dirty: Vec::new(),
            unsent: VecDeque::new(),
            spare: Vec::new(),
            counters: Counters::default(),
            is_busy: false,
        }
    }

    /// Whether there is anything to be done or counted before the next event.
    #[must_use]
    pub fn is_busy(&self, now_ms: u64) -> bool {
        self.is_busy || self.deadlines.next().is_some_and(|due| due <= now_ms)
    }

    /// Takes a new configuration. Connections that stand keep what they began with.
    pub fn reload(&mut self, settings: Settings, tls: Tls) {
        self.bench.limits = settings.limits;
        self.settings = settings;
        self.tls = tls;
    }

    /// Number of connections.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a host must show a certificate for, when a path has `number` instead of a connection.
    pub fn note_host(&mut self, number: ConnectionId, host: &[u8]) {
        let name = std::str::from_utf8(host).ok().and_then(|host| ServerName::try_from(host.to_owned()).ok());
        if let Some(name) = name.filter(|_| self.hosts.len() < MOST_HOSTS) {
            self.hosts.insert(number, name);
        }
    }

    /// Takes the connections that wait in a listening socket.
    pub fn accept(
        &mut self,
        now_ms: u64,
        listener: ListenerId,
        socket: BorrowedFd<'_>,
        is_banned: impl Fn(IpAddr) -> bool,
    ) {
        self.is_busy = true;
        for _ in 0..ACCEPTS {
            match acceptfrom_with(socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok((accepted, peer)) => match peer.and_then(|peer| SocketAddr::try_from(peer).ok()) {
                    Some(peer) if is_banned(peer.ip()) => self.counters.count(Counter::ConnectionsRefused),
                    Some(peer) => self.accepted(now_ms, listener, accepted, peer),
                    None => {}
                },
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::MFILE | Errno::NFILE) => {
                    self.turn_away(socket);
                    return;
                }
                // Nobody waits.
                Err(_) => return,
            }
        }
    }

    /// Takes what the kernel says about a connection. Whether messages arrived.
    pub fn on_event(&mut self, now_ms: u64, id: ConnectionId, flags: EventFlags) -> bool {
        self.is_busy = true;
        self.arrived.clear();
        let Some(connection) = self.table.get_mut(id) else { return false };
        if connection.stage == Stage::Connecting {
            self.on_connected(now_ms, id);
            return false;
        }
        if flags.contains(EventFlags::OUT) {
            self.write(now_ms, id);
        }
        if flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) {
            self.read(now_ms, id);
        }
        !self.arrived.messages.is_empty()
    }

    /// What arrived with the last event; to be given back with [`Self::give_back`].
    pub(crate) fn take_arrived(&mut self) -> Arrived {
        std::mem::take(&mut self.arrived)
    }

    /// Returns the buffers of [`Self::take_arrived`].
    pub(crate) fn give_back(&mut self, mut arrived: Arrived) {
        arrived.clear();
        self.arrived = arrived;
    }

    /// The way to the peer of a connection.
    #[must_use]
    pub fn path(&mut self, id: ConnectionId) -> Option<Path> {
        self.table.get_mut(id).map(|connection| connection.path(id))
    }

    /// Whether a connection ends as soon as what came by it is answered.
    #[must_use]
    pub fn is_ending(&mut self, id: ConnectionId) -> bool {
        self.table.get_mut(id).is_some_and(|connection| matches!(connection.stage, Stage::Ending(_)))
    }

    /// Sends a message, by the connection that the path names or, if it names none, by one that is there or made.
    pub fn send(&mut self, now_ms: u64, path: &Path, message: &[u8]) {
        self.is_busy = true;
        let id = match path.connection.worker() {
            Some(_) => Some(path.connection),
            None => self.pooled(path).or_else(|| self.open(now_ms, path)),
        };
        let connection = id.and_then(|id| Some((id, self.table.get_mut(id)?)));
        let Some((id, connection)) = connection.filter(|(_, connection)| connection.stage != Stage::Draining) else {
            self.not_sent(*path, message.to_vec());
            return;
        };
        if connection.backlog() + message.len() > self.settings.buffer {
            self.end(now_ms, id, Counter::ConnectionsClosedFull);
            self.not_sent(*path, message.to_vec());
            return;
        }
        if connection.stage == Stage::Connecting || !connection.session.is_open() {
            connection.waiting.push(Waiting { path: *path, message: message.to_vec() });
            return;
        }
        if connection.output.capacity() == 0 {
            connection.output = self.spare.pop().unwrap_or_default();
        }
        connection.session.send(message, &mut connection.output);
        self.counters.count(Counter::Sent);
        self.counters.add(Counter::SentBytes, message.len() as u64);
        self.mark(id);
    }

    /// Writes what was sent since the last time.
    pub fn flush(&mut self, now_ms: u64) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            self.write(now_ms, id);
        }
        self.dirty = dirty;
    }

    /// Next message that could not be sent.
    pub fn poll_unsent(&mut self) -> Option<Unsent> {
        self.unsent.pop_front()
    }

    /// When [`Self::on_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        self.deadlines.next()
    }

    /// Ends the connections whose time has come.
    pub fn on_timeout(&mut self, now_ms: u64) {
        while let Some((entry, id)) = self.deadlines.poll(now_ms) {
            let Some(connection) = self.table.get_mut(id) else { continue };
            if !self.deadlines.has_come(entry, id, &mut connection.deadline, now_ms) {
                continue;
            }
            let stage = connection.stage;
            let (is_timed, is_pinged) = (connection.is_timed, connection.is_pinged);
            let is_opening = connection.opened.is_some() && !connection.session.is_open();
            match stage {
                Stage::Draining => self.remove(id),
                Stage::Ending(why) => self.end(now_ms, id, why),
                Stage::Connecting => self.end(now_ms, id, Counter::ConnectionsFailed),
                Stage::Open if is_opening => self.end(now_ms, id, Counter::ConnectionsFailed),
                Stage::Open if is_timed => self.end(now_ms, id, Counter::ConnectionsClosedSlow),
                Stage::Open if !is_pinged && self.ping(now_ms, id) => {}
                Stage::Open => self.end(now_ms, id, Counter::ConnectionsClosedIdle),
            }
        }
    }

    /// Says good-bye on every connection.
    pub fn finish(&mut self, now_ms: u64) {
        for id in self.table.ids() {
            if let Some(connection) = self.table.get_mut(id) {
                connection.session.close(&mut connection.output);
                connection.write();
            }
        }
        self.flush(now_ms);
    }

    /// Adds what was counted since the last time.
    pub fn count(&mut self, counters: &mut Counters) {
        for (&counter, &value) in Counter::ALL.iter().zip(self.counters.values()) {
            if value > 0 {
                counters.add(counter, value);
            }
        }
        self.counters = Counters::default();
        self.is_busy = false;
    }

    /// Without a descriptor left, one that was kept for this takes a connection and ends it: who waits is told, and the
    /// kernel stops telling us of him.
    fn turn_away(&mut self, socket: BorrowedFd<'_>) {
        self.counters.count(Counter::ConnectionsRefused);
        self.reserve = None;
        drop(acceptfrom_with(socket, SocketFlags::CLOEXEC));
        self.reserve = self.events.try_clone().ok();
    }

    fn accepted(&mut self, now_ms: u64, listener: ListenerId, socket: OwnedFd, peer: SocketAddr) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let place = usize::from(listener.0);
        let tls = self.tls.accept(place);
        let is_secure = self.settings.listeners.get(place).is_some_and(|listener| listener.is_secure);
        if self.table.len() >= self.settings.most || tls.is_some() != is_secure {
            self.counters.count(Counter::ConnectionsRefused);
            return;
        }
        let session = Session::accepted(tls, self.settings.balancers.contains(peer.ip()));
        let deadline = now_ms + self.settings.first_ms;
        if let Some(id) = self.insert(socket, session, Stage::Open, listener, peer, None, deadline) {
            self.counters.count(Counter::ConnectionsAccepted);
            if let Some(connection) = self.table.get_mut(id) {
                connection.is_timed = true;
            }
        }
    }

    /// A connection of ours that reaches the peer, if there is one. RFC 5923 §3.
    fn pooled(&mut self, path: &Path) -> Option<ConnectionId> {
        let id = *self.pool.get(&(path.transport, path.peer, host(path)))?;
        let connection = self.table.get_mut(id)?;
        matches!(connection.stage, Stage::Connecting | Stage::Open).then_some(id)
    }

    /// Opens a connection to the peer.
    fn open(&mut self, now_ms: u64, path: &Path) -> Option<ConnectionId> {
        let tls = match path.transport {
            Transport::Tcp => None,
            Transport::Tls => {
                let name = match path.connection {
                    ConnectionId(0) => ServerName::IpAddress(path.peer.ip().into()),
                    number => self.hosts.get(&number)?.clone(),
                };
                Some(self.tls.connect(name)?)
            }
            // A browser cannot be connected to (RFC 7118 §5), and a datagram needs nothing of us.
            Transport::Udp | Transport::Ws | Transport::Wss => return None,
        };
        if self.table.len() >= self.settings.most {
            self.counters.count(Counter::ConnectionsRefused);
            return None;
        }
        let Ok(socket) = self.connect(path) else {
            self.counters.count(Counter::ConnectionsFailed);
            return None;
        };
        let mut output = Vec::new();
        let session = Session::opened(tls, &mut output);
        // What may go as a datagram does not wait long for a connection.
        let patience = if path.connection == host(path) { self.settings.connect_ms } else { IMPATIENCE_MS };
        let deadline = now_ms + patience.min(self.settings.connect_ms);
        let opened = Some(host(path));
        let id = self.insert(socket, session, Stage::Connecting, path.listener, path.peer, opened, deadline)?;
        if let Some(connection) = self.table.get_mut(id) {
            connection.output = output;
        }
        self.pool.insert((path.transport, path.peer, host(path)), id);
        Some(id)
    }

    /// A socket on its way to the peer, from the address that its listener is bound to.
    fn connect(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        let family = match path.peer {
            SocketAddr::V4(_) => rustix::net::AddressFamily::INET,
            SocketAddr::V6(_) => rustix::net::AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        let from = self.settings.listeners.get(usize::from(path.listener.0)).map(|listener| listener.address);
        if let Some(from) = from.filter(|from| !from.is_unspecified() && from.is_ipv4() == path.peer.is_ipv4()) {
            rustix::net::bind(&socket, &SocketAddr::new(from, 0))?;
        }
        super::options(&socket)?;
        match rustix::net::connect(&socket, &path.peer) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
            Err(error) => Err(error),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a connection, each of another kind")]
    fn insert(
        &mut self,
        socket: OwnedFd,
        session: Session,
        stage: Stage,
        listener: ListenerId,
        peer: SocketAddr,
        opened: Option<ConnectionId>,
        deadline_ms: u64,
    ) -> Option<ConnectionId> {
        let connection = Connection {
            socket,
            session,
            stage,
            listener,
            peer,
            opened,
            has_spoken: false,
            deadline: Deadline::default(),
            is_timed: false,
            is_pinged: false,
            is_blocked: stage == Stage::Connecting,
            is_dirty: false,
            output: Vec::new(),
            sent: 0,
            waiting: Vec::new(),
        };
        let id = self.table.insert(connection).ok()?;
        let connection = self.table.get_mut(id)?;
        self.deadlines.set(id, &mut connection.deadline, deadline_ms);
        let flags = interest(connection.is_blocked);
        if epoll::add(&*self.events, &connection.socket, EventData::new_u64(id.0), flags).is_err() {
            self.table.remove(id);
            return None;
        }
        Some(id)
    }

    /// The kernel has opened the connection, or given up.
    fn on_connected(&mut self, now_ms: u64, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else { return };
        if !matches!(sockopt::socket_error(&connection.socket), Ok(Ok(()))) {
            self.end(now_ms, id, Counter::ConnectionsFailed);
            return;
        }
        connection.stage = Stage::Open;
        self.on_open(now_ms, id);
        self.write(now_ms, id);
    }

    /// Sends what waited, once handshakes are done.
    fn on_open(&mut self, now_ms: u64, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else { return };
        if connection.stage != Stage::Open || !connection.session.is_open() {
            return;
        }
        if connection.opened.is_some() && !connection.has_spoken {
            connection.has_spoken = true;
            self.counters.count(Counter::ConnectionsOpened);
            self.deadlines.set(id, &mut connection.deadline, now_ms + self.settings.idle_ms);
        }
        for waiting in std::mem::take(&mut connection.waiting) {
            connection.session.send(&waiting.message, &mut connection.output);
            self.counters.count(Counter::Sent);
            self.counters.add(Counter::SentBytes, waiting.message.len() as u64);
        }
        self.mark(id);
    }

    fn read(&mut self, now_ms: u64, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else { return };
        self.wire.clear();
        let spare = rustix::buffer::spare_capacity(&mut self.wire);
        let fault = match recv(&connection.socket, spare, RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(Errno::CONNRESET) => Some(Counter::ConnectionsClosedByPeer),
            Ok(_) => None,
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(_) => Some(Counter::ConnectionsClosedError),
        };
        if let Stage::Ending(_) | Stage::Draining = connection.stage {
            if fault.is_some() {
                self.remove(id);
            }
            return;
        }
        if let Some(why) = fault {
            let failed = connection.opened.is_some() && !connection.session.is_open();
            self.end(now_ms, id, if failed { Counter::ConnectionsFailed } else { why });
            return;
        }
        let session = &mut connection.session;
        let heard = session.receive(&self.wire, &mut self.bench, &mut self.arrived, &mut connection.output);
        connection.peer = self.arrived.source.unwrap_or(connection.peer);
        connection.is_pinged = false;
        let has_output = !connection.output.is_empty();
        self.counters.add(Counter::KeepAlives, self.arrived.keep_alives as u64);
        match heard {
            Ok(()) => {
                self.time(now_ms, id);
                self.on_open(now_ms, id);
                if has_output {
                    self.mark(id);
                }
            }
            Err(fault) => {
                if fault == Fault::Handshake {
                    self.counters.count(Counter::HandshakesFailed);
                }
                connection.stage = Stage::Ending(match fault {
                    Fault::Closed => Counter::ConnectionsClosedByPeer,
                    Fault::Handshake | Fault::Malformed => Counter::ConnectionsClosedMalformed,
                });
                self.mark(id);
            }
        }
    }

    /// Moves the deadline after something was heard.
    fn time(&mut self, now_ms: u64, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else { return };
        connection.has_spoken |= !self.arrived.messages.is_empty();
        let is_open = connection.session.is_open();
        if !is_open || !connection.has_spoken {
            // Still those ten seconds from the beginning.
            return;
        }
        let is_within = connection.session.is_within();
        if is_within && connection.is_timed && self.arrived.messages.is_empty() {
            return;
        }
        connection.is_timed = is_within;
        let silence = match connection.session.transport() {
            Transport::Ws | Transport::Wss => PING_MS.min(self.settings.idle_ms),
            Transport::Udp | Transport::Tcp | Transport::Tls => self.settings.idle_ms,
        };
        let wait = if is_within { self.settings.message_ms } else { silence };
        self.deadlines.set(id, &mut connection.deadline, now_ms + wait);
    }

    /// Asks a WebSocket client whether it is there; `false` where that cannot be asked.
    fn ping(&mut self, now_ms: u64, id: ConnectionId) -> bool {
        let Some(connection) = self.table.get_mut(id) else { return false };
        if !connection.session.ping(&mut connection.output) {
            return false;
        }
        connection.is_pinged = true;
        self.deadlines.set(id, &mut connection.deadline, now_ms + self.settings.message_ms);
        self.write(now_ms, id);
        true
    }

    fn mark(&mut self, id: ConnectionId) {
        if let Some(connection) = self.table.get_mut(id)
            && !std::mem::replace(&mut connection.is_dirty, true)
        {
            self.dirty.push(id);
        }
    }

    fn write(&mut self, now_ms: u64, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else { return };
        connection.is_dirty = false;
        if connection.stage == Stage::Connecting {
            return;
        }
        let written = connection.write();
        let is_blocked = written == Written::Blocked;
        if is_blocked != std::mem::replace(&mut connection.is_blocked, is_blocked) {
            // The descriptor is registered; a failure shows at the next read.
            let _ = epoll::modify(&*self.events, &connection.socket, EventData::new_u64(id.0), interest(is_blocked));
        }
        if written == Written::All && connection.output.capacity() > 0 {
            let output = std::mem::take(&mut connection.output);
            if self.spare.len() < SPARE && output.capacity() <= SPARE_LEN {
                self.spare.push(output);
            }
        }
        match connection.stage {
            Stage::Ending(why) => self.end(now_ms, id, why),
            _ if written == Written::Broken => self.end(now_ms, id, Counter::ConnectionsClosedError),
            _ => {}
        }
    }

    /// Ends a connection: what waits for it is given back, the peer is told, and may read that for a moment.
    fn end(&mut self, now_ms: u64, id: ConnectionId, why: Counter) {
        let Some(connection) = self.table.get_mut(id) else { return };
        self.counters.count(why);
        for Waiting { path, message } in std::mem::take(&mut connection.waiting) {
            self.not_sent(path, message);
        }
        let Some(connection) = self.table.get_mut(id) else { return };
        let is_dead = matches!(
            why,
            Counter::ConnectionsFailed | Counter::ConnectionsClosedError | Counter::ConnectionsClosedFull
        );
        if is_dead || why == Counter::ConnectionsClosedByPeer && !matches!(connection.stage, Stage::Ending(_)) {
            self.remove(id);
            return;
        }
        connection.session.close(&mut connection.output);
        connection.write();
        if shutdown(&connection.socket, Shutdown::Write).is_err() {
            self.remove(id);
            return;
        }
        connection.stage = Stage::Draining;
        connection.output = Vec::new();
        connection.sent = 0;
        self.deadlines.set(id, &mut connection.deadline, now_ms + DRAIN_MS);
        self.forget(id);
    }

    fn remove(&mut self, id: ConnectionId) {
        self.forget(id);
        // Closing the descriptor takes it out of the set of events.
        self.table.remove(id);
    }

    /// Nothing more is to be sent by this connection.
    fn forget(&mut self, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else { return };
        if let Some(number) = connection.opened {
            let key = (connection.session.transport(), connection.peer, number);
            if self.pool.get(&key) == Some(&id) {
                self.pool.remove(&key);
            }
        }
    }

    fn not_sent(&mut self, path: Path, message: Vec<u8>) {
        self.counters.count(Counter::Undeliverable);
        self.unsent.push_back(Unsent { path, message });
    }
}

/// Number of the host that must be at the other end, as far as that can be seen.
fn host(path: &Path) -> ConnectionId {
    if path.transport == Transport::Tls { path.connection } else { ConnectionId(0) }
}

fn interest(is_blocked: bool) -> EventFlags {
    let reading = EventFlags::IN | EventFlags::RDHUP;
    if is_blocked { reading | EventFlags::OUT } else { reading }
}

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
