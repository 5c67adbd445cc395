//! Where a message came from or goes to. RFC 3261 §18.

use std::net::SocketAddr;

/// Transport protocol of a listener, a Via or a URI. RFC 3261 §20.42, RFC 7118 §5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Transport {
    /// UDP, RFC 3261 §18.
    Udp,
    /// TCP, RFC 3261 §18.
    Tcp,
    /// TLS over TCP, RFC 3261 §26.2.
    Tls,
    /// WebSocket, RFC 7118.
    Ws,
    /// WebSocket over TLS, RFC 7118.
    Wss,
}

/// Index of a `[[listen]]` entry in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub u8);

/// A stream connection of this worker; 0 for datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Index of a worker process, 0 to N-1; kept by its successor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u16);

/// One way to a peer: the listener that sends or received, and the peer's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// Transport of the listener.
    pub transport: Transport,
    /// Listener on our side.
    pub listener: ListenerId,
    /// Connection, if the transport is a stream.
    pub connection: ConnectionId,
    /// Address of the peer.
    pub peer: SocketAddr,
}
