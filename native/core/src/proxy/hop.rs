//! Where a request leaves to. RFC 3261 §16.6 steps 6 and 7, RFC 3263 §4.

use super::context::Watched;
use super::request::Request;
use super::size;
use crate::counter::Counter;
use crate::engine::Work;
use crate::keys::Keys;
use crate::listener::{default_port, sender};
use crate::names::place::{Order, Place};
use crate::names::{Known, Names};
use crate::path::{ConnectionId, ListenerId, Path, Transport};
use crate::routing::target::{HopHost, NextHop};
use crate::snapshot::Snapshot;
use crate::turn::Turn;
use dialplane_syntax::Message;
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
    /// Whether it is kept in one even if not `stateful`, when the next hop has more addresses to be tried (RFC 3263 §4.4).
    pub failover: bool,
    /// Whether REGISTER gets our Path (RFC 3327).
    pub insert_path: bool,
    /// The target of a set, if the set wants to know what becomes of the request.
    pub watched: Option<Watched>,
}

impl<'a> Leaving<'a> {
    /// To `next`, and nothing else: by one way, with the URI and the Route that it has.
    pub(crate) fn to(next: Next<'a>, record_route: bool, stateful: bool) -> Self {
        Self {
            uri: None,
            path: b"",
            last_route: b"",
            next,
            record_route,
            stateful,
            failover: false,
            insert_path: false,
            watched: None,
        }
    }
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
    /// The resolver was asked for this; its answer will come.
    Asked(NextHop),
    /// There is no way; why.
    Nowhere(Why),
    /// Send it so.
    Path {
        to: Path,
        /// Whether there are other addresses.
        more: bool,
    },
}

/// Why there is no way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Family,
    Silence,
    Transport,
    Tried,
    Unknown,
}

impl Why {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Family => "no listener has its family of addresses",
            Self::Silence => "no name server answers for its name",
            Self::Transport => "no listener has its transport",
            Self::Tried => "all its addresses were tried",
            Self::Unknown => "its name does not exist",
        }
    }

    /// What the sender of the request is told. That a domain does not exist is his business if he named it (RFC 3261
    /// §21.4.5), else that of whoever wrote our rules; a name server that does not answer makes it 504 (§21.5.5).
    fn status(self, is_named_by_request: bool) -> u16 {
        match self {
            Self::Unknown if is_named_by_request => 404,
            Self::Unknown => 500,
            Self::Silence => 504,
            Self::Family | Self::Transport | Self::Tried => 503,
        }
    }
}

/// An address that was tried.
pub(crate) type Tried = (Transport, SocketAddr);

/// What is looked for.
pub(crate) struct Seek<'a, C> {
    pub hop: &'a NextHop,
    /// Listener to be used if it can.
    pub preferred: ListenerId,
    pub tried: &'a [Tried],
    /// Whether a stream is better than a datagram, if both are there.
    pub is_large: bool,
    /// What chance decides for this request; only asked for when there is something to decide.
    pub chance: C,
}

/// Address and listener for a next hop.
pub(crate) fn find(seek: Seek<'_, impl FnOnce() -> u64>, snapshot: &Snapshot, names: &mut Names, now_ms: u64) -> Found {
    let Seek { hop, preferred, tried, is_large, chance } = seek;
    if hop.transport.is_some_and(|transport| !snapshot.has(transport)) {
        return Found::Nowhere(Why::Transport);
    }
    let name = match &hop.host {
        HopHost::Name(name) => name,
        HopHost::Address(ip) => {
            let transport = hop.transport.unwrap_or(if hop.secure { Transport::Tls } else { Transport::Udp });
            if !snapshot.has(transport) {
                return Found::Nowhere(Why::Transport);
            }
            let peer = SocketAddr::new(*ip, hop.port.unwrap_or(default_port(transport)));
            return reach(snapshot, preferred, transport, ConnectionId(0), peer, tried);
        }
    };
    let (known, failures) = names.look(now_ms, hop);
    let places = match known {
        Known::Places(places) => places,
        Known::Nothing => return Found::Nowhere(Why::Unknown),
        Known::Silence => return Found::Nowhere(Why::Silence),
        Known::Asked => return Found::Asked(hop.clone()),
    };
    let order = Order { places, chance: if places.len() > 1 { chance() } else { 0 } };
    let last = |place: &Place| is_large && !place.transport.is_stream() || failures.has(place.address, now_ms);
    let way = |place: &Place| {
        let listener = sender(&snapshot.listeners, preferred, place.transport, place.address)?;
        (!tried.contains(&(place.transport, place.address))).then_some((listener, *place))
    };
    let found = order.first(last, way);
    let Some((listener, Place { transport, address: peer, .. })) = found else {
        return Found::Nowhere(if tried.is_empty() { Why::Family } else { Why::Tried });
    };
    // RFC 5922 §7.1: it must show a certificate for the name that was asked for, not for where it was found.
    let connection = if transport == Transport::Tls { host_number(&snapshot.keys, name) } else { ConnectionId(0) };
    let more = places.len() > 1 && places.iter().filter_map(way).nth(1).is_some();
    Found::Path { to: Path { transport, listener, connection, peer }, more }
}

/// The way to one address, unless it was tried.
fn reach(
    snapshot: &Snapshot,
    preferred: ListenerId,
    transport: Transport,
    connection: ConnectionId,
    peer: SocketAddr,
    tried: &[Tried],
) -> Found {
    if !tried.is_empty() {
        return Found::Nowhere(Why::Tried);
    }
    match sender(&snapshot.listeners, preferred, transport, peer) {
        Some(listener) => Found::Path { to: Path { transport, listener, connection, peer }, more: false },
        None => Found::Nowhere(Why::Family),
    }
}

/// See [`crate::engine::Engine::host_number`]. The upper bits, where a connection has its worker, are 0.
pub(crate) fn host_number(keys: &Keys, host: &[u8]) -> ConnectionId {
    ConnectionId((keys.looping.hash(host) >> 11) | 1)
}

/// What chance decides for this message: the same for each retransmission, CANCEL and ACK (RFC 3261 §16.11).
fn chance(keys: &Keys, message: &Message<'_>, scratch: &mut Vec<u8>) -> u64 {
    scratch.clear();
    scratch.extend_from_slice(message.top_via().ok().and_then(|via| via.branch).unwrap_or_default());
    scratch.extend_from_slice(message.call_id().unwrap_or_default());
    keys.looping.hash(scratch)
}

impl<S> Turn<'_, '_, S> {
    /// Address and listener for the request, leaving out what was tried.
    pub(crate) fn look_for(&mut self, leaving: &Leaving<'_>, tried: &[Tried]) -> Found {
        let (snapshot, message, now_ms) = (self.snapshot, &self.message, self.now.monotonic_ms);
        let hop = match leaving.next {
            Next::Path(path) => {
                return reach(snapshot, path.listener, path.transport, path.connection, path.peer, tried);
            }
            Next::Hop(hop) => hop,
        };
        let Work { names, scratch, .. } = &mut *self.work;
        let seek = Seek {
            hop,
            preferred: self.path.listener,
            tried,
            is_large: hop.transport.is_none() && size::is_large(message),
            chance: || chance(&snapshot.keys, message, scratch),
        };
        let found = find(seek, snapshot, names, now_ms);
        self.work.note(|| format!("next hop {hop}"));
        if self.work.trace.is_some() {
            self.note_places(hop);
        }
        found
    }

    /// Notes what the name of a next hop leads to.
    fn note_places(&mut self, hop: &NextHop) {
        let chance = chance(&self.snapshot.keys, &self.message, &mut self.work.scratch);
        if !matches!(hop.host, HopHost::Name(_)) {
            return;
        }
        let Known::Places(places) = self.work.names.look(self.now.monotonic_ms, hop).0 else { return };
        let places = Order { places, chance }.all();
        for Place { transport, address, rank, weight, .. } in places {
            let transport = format!("{transport:?}").to_lowercase();
            self.work.note(|| format!("its name leads to {transport}:{address}, rank {rank}, weight {weight}"));
        }
    }

    /// What is answered when there is no way for the request.
    pub(crate) fn no_way(&mut self, request: &Request<'_>, leaving: &Leaving<'_>, why: Why) -> u16 {
        self.work.note(|| why.as_str().into());
        self.work.counters.count(Counter::NoTarget);
        let named = match (leaving.next, request.sip_uri()) {
            (Next::Hop(hop), Some(uri)) => NextHop::of(&uri).is_ok_and(|named| named.host == hop.host),
            _ => false,
        };
        why.status(named)
    }
}
