//! Where a request leaves to. RFC 3261 §16.6 steps 6 and 7, RFC 3263 §4.

use crate::keys::Keys;
use crate::listener::{default_port, sender};
use crate::names::{Known, Names, Question};
use crate::path::{ConnectionId, ListenerId, Path, Transport};
use crate::routing::target::{HopHost, NextHop};
use crate::snapshot::Snapshot;
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
    /// Whether the request is kept in a transaction.
    pub stateful: bool,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The resolver was asked this; its answer will come.
    Asked(Question),
    /// There is no way; why.
    Nowhere(&'static str),
    /// Send it so.
    Path(Path),
}

/// Address and listener for a next hop. `preferred` is the listener to use if it can.
pub(crate) fn find(hop: &NextHop, preferred: ListenerId, snapshot: &Snapshot, names: &mut Names, now_ms: u64) -> Found {
    find_after(hop, 0, preferred, snapshot, names, now_ms)
}

/// The same, leaving out the first `tried` addresses that could be reached.
fn find_after(
    hop: &NextHop,
    tried: usize,
    preferred: ListenerId,
    snapshot: &Snapshot,
    names: &mut Names,
    now_ms: u64,
) -> Found {
    let transport = hop.transport.unwrap_or(Transport::Udp);
    if !snapshot.has(transport) {
        return Found::Nowhere("no listener has its transport");
    }
    match &hop.host {
        HopHost::Address(ip) => {
            let port = hop.port.unwrap_or(default_port(transport));
            reach(snapshot, preferred, transport, ConnectionId(0), &[SocketAddr::new(*ip, port)], tried)
        }
        HopHost::Name(name) => {
            // RFC 5922 §7.1: it must show a certificate for the name that was asked for, not for where it was found.
            let host = if transport == Transport::Tls { host_number(&snapshot.keys, name) } else { ConnectionId(0) };
            let question = Question { host: name.clone(), port: hop.port, transport };
            match names.look(now_ms, &question) {
                Known::Addresses(addresses) => reach(snapshot, preferred, transport, host, addresses, tried),
                Known::Nowhere => Found::Nowhere("its name cannot be resolved"),
                Known::Asked => Found::Asked(question),
            }
        }
    }
}

/// First of `addresses` that a listener can send to, after `tried` others.
fn reach(
    snapshot: &Snapshot,
    preferred: ListenerId,
    transport: Transport,
    connection: ConnectionId,
    addresses: &[SocketAddr],
    tried: usize,
) -> Found {
    let mut reached = addresses.iter().filter_map(|&peer| {
        let listener = sender(&snapshot.listeners, preferred, transport, peer)?;
        Some(Path { transport, listener, connection, peer })
    });
    let found = reached.nth(tried);
    found.map_or(Found::Nowhere("no listener has its family of addresses"), Found::Path)
}

/// See [`crate::engine::Engine::host_number`]. The upper bits, where a connection has its worker, are 0.
pub(crate) fn host_number(keys: &Keys, host: &[u8]) -> ConnectionId {
    ConnectionId((keys.looping.hash(host) >> 11) | 1)
}

impl<S> Turn<'_, '_, S> {
    /// Address and listener for the request, after `tried` addresses that failed.
    pub(crate) fn look_for(&mut self, leaving: &Leaving<'_>, tried: usize) -> Found {
        let preferred = self.path.listener;
        match leaving.next {
            Next::Path(path) => {
                reach(self.snapshot, path.listener, path.transport, path.connection, &[path.peer], tried)
            }
            Next::Hop(hop) => {
                let (names, now_ms) = (&mut self.work.names, self.now.monotonic_ms);
                let found = find_after(hop, tried, preferred, self.snapshot, names, now_ms);
                self.work.note(|| format!("next hop {hop}"));
                found
            }
        }
    }

    /// Address and listener for the request; without one, `Err(Some(status))` to be answered, or `Err(None)` when it waits
    /// for its name.
    pub(crate) fn find_path(&mut self, leaving: &Leaving<'_>) -> Result<Path, Option<u16>> {
        match self.look_for(leaving, 0) {
            Found::Path(path) => Ok(path),
            Found::Nowhere(why) => {
                self.work.note(|| why.into());
                Err(Some(503))
            }
            Found::Asked(question) => {
                self.work.note(|| "waits for its name to be resolved".into());
                let parked = self.work.names.park(question, *self.path, self.message.bytes());
                Err(if parked { None } else { Some(503) })
            }
        }
    }
}
