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

impl Transport {
    /// Whether it needs a connection, and then loses nothing (RFC 3261 §17: "reliable").
    #[must_use]
    pub const fn is_stream(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// What a connection becomes whose first octets ask for WebSocket (RFC 7118 §4).
    #[must_use]
    pub const fn upgraded(self) -> Self {
        match self {
            Self::Udp => Self::Udp,
            Self::Tcp | Self::Ws => Self::Ws,
            Self::Tls | Self::Wss => Self::Wss,
        }
    }

    /// Whether it is encrypted.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }
}

/// Index of a `[[listen]]` entry in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub u8);

/// A stream connection: of which worker, its place there, and which of those that had this place one after the other. 0
/// for datagrams, and for "whichever there is, or a new one". A binding keeps it, so a number must not come again after
/// its worker was replaced: the first generation is random.
///
/// From the top: worker + 1 (11 bits), generation (32; the first 8 of them are the incarnation), place (21).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    /// Connections that one worker can have.
    pub const MOST: usize = 1 << PLACE_BITS;

    /// The connection in `place` of `worker`.
    #[must_use]
    pub const fn new(worker: WorkerId, generation: u32, place: u32) -> Self {
        Self(((worker.0 as u64 + 1) << (PLACE_BITS + 32)) | ((generation as u64) << PLACE_BITS) | place as u64)
    }

    /// Whose connection it is; `None` when it names none.
    #[must_use]
    pub const fn worker(self) -> Option<WorkerId> {
        match (self.0 >> (PLACE_BITS + 32)) as u16 {
            0 => None,
            worker => Some(WorkerId(worker - 1)),
        }
    }

    /// Which of those in its place.
    #[must_use]
    pub const fn generation(self) -> u32 {
        (self.0 >> PLACE_BITS) as u32
    }

    /// Which of the processes that serve as its worker has it: an upgrade starts another while connections stay with
    /// the one before.
    #[must_use]
    pub const fn incarnation(self) -> u8 {
        (self.generation() >> COUNT_BITS) as u8
    }

    /// The generation behind one, of the same incarnation.
    #[must_use]
    pub const fn next_generation(generation: u32) -> u32 {
        let counted = (1 << COUNT_BITS) - 1;
        (generation & !counted) | (generation.wrapping_add(1) & counted)
    }

    /// Its place in its worker's table.
    #[must_use]
    pub const fn place(self) -> usize {
        self.0 as usize & (Self::MOST - 1)
    }
}

const PLACE_BITS: u32 = 21;
/// Of a generation, those that count.
const COUNT_BITS: u32 = 24;

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
