//! Connections that begin: accepted, or opened to a peer. RFC 3261 §18.1.1, RFC 5923 §3.

use super::Streams;
use super::traffic::interest;
use crate::stream::connection::{Connection, Stage};
use crate::stream::deadlines::Deadline;
use crate::stream::session::Session;
use dialplane_core::counter::Counter;
use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport};
use rustix::event::epoll::{self, EventData};
use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::net::{SocketFlags, SocketType, acceptfrom_with, socket_with};
use rustls::pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd};

/// Connections accepted before anything else is looked at.
const ACCEPTS: usize = 64;
/// How long a request that is too large for a datagram waits for a connection.
const IMPATIENCE_MS: u64 = 1_000;

impl Streams {
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

    /// A connection of ours that reaches the peer, if there is one: we opened it, or the peer did and lets us use it.
    pub(super) fn pooled(&mut self, path: &Path) -> Option<ConnectionId> {
        let opened = self.pool.get(&(path.transport, path.peer, host(path))).copied();
        if let Some(id) = opened.filter(|id| self.stands(*id)) {
            return Some(id);
        }
        let is_tls = path.transport == Transport::Tls && !self.aliases.is_empty();
        let alias = if is_tls { self.aliases.find(&(path.peer, path.connection)) } else { None };
        alias.filter(|id| self.stands(*id))
    }

    /// Opens a connection to the peer.
    pub(super) fn open(&mut self, now_ms: u64, path: &Path) -> Option<ConnectionId> {
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
        crate::stream::options(&socket)?;
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
            looks: 0,
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
    pub(super) fn on_connected(&mut self, now_ms: u64, id: ConnectionId) {
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
    pub(super) fn on_open(&mut self, now_ms: u64, id: ConnectionId) {
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
}

/// Number of the host that must be at the other end, as far as that can be seen.
fn host(path: &Path) -> ConnectionId {
    if path.transport == Transport::Tls { path.connection } else { ConnectionId(0) }
}
