//! Where a request leaves to. RFC 3261 §16.6 steps 6 and 7, RFC 3263 §4.

use crate::listener::{default_port, sender};
use crate::names::{Known, Question};
use crate::path::{ConnectionId, Path, Transport};
use crate::routing::target::{HopHost, NextHop};
use crate::turn::Turn;
use std::net::SocketAddr;

/// How a request leaves, beyond what it brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving<'a> {
    /// New request URI; `None` leaves it as §16.4 left it.
    pub uri: Option<&'a [u8]>,
    /// Route values to be put on top: a binding's Path. May be empty.
    pub path: &'a [u8],
    /// Route value for the end, when the next hop is a strict router. May be empty.
    pub last_route: &'a [u8],
    /// Next hop.
    pub next: Next<'a>,
    pub record_route: bool,
}

/// A next hop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next<'a> {
    /// What a URI says.
    Hop(&'a NextHop),
    /// The way by which a client registered.
    Path(Path),
}

/// What became of looking for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The request waits for the resolver.
    Later,
    /// There is no way; the status to answer.
    Nowhere(u16),
    /// Send it so.
    Path(Path),
}

impl<S> Turn<'_, '_, S> {
    /// Address and listener for the next hop.
    pub(crate) fn find_path(&mut self, leaving: &Leaving<'_>) -> Found {
        let hop = match leaving.next {
            Next::Path(path) => return self.reach(path.transport, &[path.peer]),
            Next::Hop(hop) => hop,
        };
        let transport = hop.transport.unwrap_or(Transport::Udp);
        if !self.snapshot.has(transport) {
            self.work.note(|| format!("{hop}: no listener for its transport"));
            return Found::Nowhere(503);
        }
        let name = match &hop.host {
            HopHost::Address(ip) => {
                let port = hop.port.unwrap_or(default_port(transport));
                return self.reach(transport, &[SocketAddr::new(*ip, port)]);
            }
            HopHost::Name(name) => name,
        };
        let question = Question { host: name.clone(), port: hop.port, transport };
        let addresses: smallvec::SmallVec<[SocketAddr; 4]> =
            match self.work.names.look(self.now.monotonic_ms, &question) {
                Known::Addresses(addresses) => addresses.iter().copied().collect(),
                Known::Nowhere => {
                    self.work.note(|| format!("{hop}: its name cannot be resolved"));
                    return Found::Nowhere(503);
                }
                Known::Asked => {
                    self.work.note(|| format!("{hop}: waits for its name to be resolved"));
                    let parked = self.work.names.park(question, *self.path, self.message.bytes());
                    return if parked { Found::Later } else { Found::Nowhere(503) };
                }
            };
        self.reach(transport, &addresses)
    }

    /// First of `addresses` that a listener can send to.
    fn reach(&self, transport: Transport, addresses: &[SocketAddr]) -> Found {
        let listeners = &self.snapshot.listeners;
        let found = addresses.iter().find_map(|&peer| {
            let listener = sender(listeners, self.path.listener, transport, peer)?;
            Some(Path { transport, listener, connection: ConnectionId(0), peer })
        });
        found.map_or(Found::Nowhere(503), Found::Path)
    }
}
