//! One connection with its socket: writes what waits, and remembers what cannot be sent yet.

use super::deadlines::Deadline;
use super::session::Session;
use dialplane_core::counter::Counter;
use dialplane_core::path::{ConnectionId, ListenerId, Path};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The kernel is opening it.
    Connecting,
    /// Handshakes, then messages.
    Open,
    /// It will end, for this reason, once what has arrived is answered.
    Ending(Counter),
    /// Our side is shut; the peer's last octets are thrown away, so that the kernel does not take back our answer.
    Draining,
}

/// A message that waits for its connection.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) path: Path,
    pub(crate) message: Vec<u8>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: OwnedFd,
    pub(crate) session: Session,
    pub(crate) stage: Stage,
    pub(crate) listener: ListenerId,
    /// The peer, or the client behind the load balancer.
    pub(crate) peer: SocketAddr,
    /// Whether we opened it; then under which number of the host that it must belong to.
    pub(crate) opened: Option<ConnectionId>,
    /// Whether a whole message has come.
    pub(crate) has_spoken: bool,
    pub(crate) deadline: Deadline,
    /// Whether the deadline is for what has begun, and not moved by more of it.
    pub(crate) is_timed: bool,
    /// Whether a ping is unanswered.
    pub(crate) is_pinged: bool,
    /// Messages in which `alias` was looked for; [`u8::MAX`] once it was found.
    pub(crate) looks: u8,
    /// Whether the kernel tells when there is room again.
    pub(crate) is_blocked: bool,
    /// Whether it is in the list of those to be written.
    pub(crate) is_dirty: bool,
    /// Octets for the wire.
    pub(crate) output: Vec<u8>,
    /// How many of them are sent.
    pub(crate) sent: usize,
    /// Empty once the connection is open.
    pub(crate) waiting: Vec<Waiting>,
}

/// What became of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    All,
    /// The kernel has no room.
    Blocked,
    Broken,
}

impl Connection {
    /// Octets that wait.
    pub(crate) fn backlog(&self) -> usize {
        let waiting: usize = self.waiting.iter().map(|waiting| waiting.message.len()).sum();
        self.output.len() - self.sent + waiting
    }

    /// The way to the peer.
    pub(crate) fn path(&self, id: ConnectionId) -> Path {
        Path { transport: self.session.transport(), listener: self.listener, connection: id, peer: self.peer }
    }

    /// Gives the kernel what waits.
    pub(crate) fn write(&mut self) -> Written {
        while self.sent < self.output.len() {
            match send(&self.socket, &self.output[self.sent..], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => self.sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Written::Blocked,
                Err(_) => return Written::Broken,
            }
        }
        self.sent = 0;
        self.output.clear();
        Written::All
    }
}
