//! All connections of a worker: how they begin ([`begin`]), carry messages ([`traffic`]), also back ([`reuse`]), and end ([`end`]).
//! RFC 3261 §18.
//!
//! After [`Streams::on_event`], handle what arrived ([`Streams::take_arrived`]); after handling, [`Streams::flush`]; then
//! [`Streams::poll_unsent`] until it has nothing more. Wait no longer than [`Streams::poll_timeout`] says before
//! [`Streams::on_timeout`].

mod begin;
mod end;
mod reuse;
mod traffic;

use super::alias::Aliases;
use super::connection::{Connection, Stage, Waiting};
use super::deadlines::Deadlines;
use super::session::{Arrived, Bench};
use super::settings::Settings;
use super::table::Table;
use super::tls::Tls;
use dialplane_core::counter::{Counter, Counters};
use dialplane_core::path::{ConnectionId, Path, Transport, WorkerId};
use rustix::event::epoll::EventFlags;
use rustls::pki_types::ServerName;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Octets read at a time.
const WIRE: usize = 64 * 1024;
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
    /// Connections that others opened, of any worker.
    aliases: Aliases,
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
            aliases: Aliases::default(),
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
}

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
