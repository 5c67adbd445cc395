//! Between the workers of a host: messages whose call, or whose connection, is another's.
//!
//! Each worker has one inbox, a socket that the supervisor keeps: what waits there when a worker dies is read by its
//! successor. Calls are divided by Call-ID (`dialplane_core::spread`), so the messages of one call meet in one worker,
//! whichever transport they come by.

use crate::udp::adopt;
use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport, WorkerId};
use dialplane_core::spread::Spread;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde::Deserialize;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd, RawFd};

/// What the supervisor hands to a worker.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// Where this worker reads.
    pub inbox: RawFd,
    /// Where each worker is written to, by index.
    pub others: Vec<RawFd>,
}

/// What is to be done with a message that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// It came by this way: handle it.
    Received = 0,
    /// Send it by this way.
    Send = 1,
    /// It could not be sent by this way.
    Unsent = 2,
    /// No message: these hosts at that address are reached by that connection of mine (RFC 5923).
    Alias = 3,
    /// Send it by such a connection, if that is still there.
    ByAlias = 4,
    /// It is not.
    NoAlias = 5,
}

const KINDS: [Kind; 6] = [Kind::Received, Kind::Send, Kind::Unsent, Kind::Alias, Kind::ByAlias, Kind::NoAlias];

/// Octets before the message: kind, transport, listener, connection, port, address.
const HEAD: usize = 3 + 8 + 2 + 16;
/// The largest message, as it was received and with what forwarding adds.
const LARGEST: usize = HEAD + 2 * 65_536;

/// This worker's share.
#[derive(Debug)]
pub struct Handover {
    worker: WorkerId,
    inbox: OwnedFd,
    others: Vec<OwnedFd>,
    parcel: Parcel,
}

impl Handover {
    /// Takes over the descriptors.
    ///
    /// # Errors
    /// The system's error when one is not open.
    pub fn new(worker: WorkerId, boot: &Boot) -> io::Result<Self> {
        let others = boot.others.iter().map(|&descriptor| adopt(descriptor)).collect::<io::Result<_>>()?;
        Ok(Self { worker, inbox: adopt(boot.inbox)?, others, parcel: Parcel::new() })
    }

    /// Readable when something was handed to us.
    #[must_use]
    pub fn inbox(&self) -> BorrowedFd<'_> {
        self.inbox.as_fd()
    }

    /// Number of workers, this one too.
    #[must_use]
    pub fn workers(&self) -> u16 {
        u16::try_from(self.others.len()).unwrap_or(u16::MAX)
    }

    /// How calls are divided among the workers.
    #[must_use]
    pub fn spread(&self) -> Option<Spread> {
        Spread::new(self.worker, self.workers())
    }

    /// Hands a message over; `false` when the other does not keep up.
    pub fn give(&mut self, to: WorkerId, kind: Kind, path: &Path, message: &[u8]) -> bool {
        let Some(other) = self.others.get(usize::from(to.0)) else { return false };
        self.parcel.send(other.as_fd(), kind, path, message).is_ok()
    }

    /// Takes the next message that was handed to us; it is appended to `message`.
    pub fn take(&mut self, message: &mut Vec<u8>) -> Option<(Kind, Path)> {
        self.parcel.receive(self.inbox.as_fd(), message).ok().flatten()
    }
}

/// A message between two processes, with what is to be done with it in front.
#[derive(Debug)]
pub(crate) struct Parcel {
    buffer: Vec<u8>,
}

impl Parcel {
    /// Room for one.
    pub(crate) fn new() -> Self {
        Self { buffer: Vec::with_capacity(LARGEST) }
    }

    /// Sends one, unless whoever reads `to` does not keep up.
    pub(crate) fn send(
        &mut self,
        to: BorrowedFd<'_>,
        kind: Kind,
        path: &Path,
        message: &[u8],
    ) -> rustix::io::Result<()> {
        self.buffer.clear();
        push_head(kind, path, &mut self.buffer);
        self.buffer.extend_from_slice(message);
        send(to, &self.buffer, SendFlags::DONTWAIT | SendFlags::NOSIGNAL).map(drop)
    }

    /// Takes the next one; its message is appended to `message`. `None` when whoever sent has closed his end.
    pub(crate) fn receive(
        &mut self,
        from: BorrowedFd<'_>,
        message: &mut Vec<u8>,
    ) -> rustix::io::Result<Option<(Kind, Path)>> {
        loop {
            self.buffer.clear();
            match recv(from, rustix::buffer::spare_capacity(&mut self.buffer), RecvFlags::DONTWAIT) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error),
            }
            if self.buffer.is_empty() {
                return Ok(None);
            }
            if let Some((head, rest)) = self.buffer.split_first_chunk::<HEAD>()
                && let Some(read) = read_head(*head)
            {
                message.extend_from_slice(rest);
                return Ok(Some(read));
            }
        }
    }
}

const TRANSPORTS: [Transport; 5] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

fn push_head(kind: Kind, path: &Path, out: &mut Vec<u8>) {
    out.extend_from_slice(&[kind as u8, path.transport as u8, path.listener.0]);
    out.extend_from_slice(&path.connection.0.to_ne_bytes());
    out.extend_from_slice(&path.peer.port().to_ne_bytes());
    let address = match path.peer.ip() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    out.extend_from_slice(&address.octets());
}

fn read_head(head: [u8; HEAD]) -> Option<(Kind, Path)> {
    let [kind, transport, listener, c0, c1, c2, c3, c4, c5, c6, c7, p0, p1, address @ ..] = head;
    let kind = *KINDS.get(usize::from(kind))?;
    let path = Path {
        transport: *TRANSPORTS.get(usize::from(transport))?,
        listener: ListenerId(listener),
        connection: ConnectionId(u64::from_ne_bytes([c0, c1, c2, c3, c4, c5, c6, c7])),
        peer: SocketAddr::new(Ipv6Addr::from(address).to_canonical(), u16::from_ne_bytes([p0, p1])),
    };
    Some((kind, path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::os::fd::IntoRawFd;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).expect("a pair")
    }

    fn path(peer: &str) -> Path {
        Path {
            transport: Transport::Wss,
            listener: ListenerId(3),
            connection: ConnectionId::new(WorkerId(1), 7, 9),
            peer: peer.parse().expect("an address"),
        }
    }

    #[test]
    fn what_is_given_is_taken() {
        let ((inbox, to_zero), (_, to_one)) = (pair(), pair());
        let others = vec![to_zero.into_raw_fd(), to_one.into_raw_fd()];
        let boot = Boot { inbox: inbox.into_raw_fd(), others };
        let mut handover = Handover::new(WorkerId(0), &boot).expect("open descriptors");
        let mut message = Vec::new();
        assert_eq!(handover.take(&mut message), None);
        let large = vec![b'x'; 65_536];
        for (kind, peer, text) in [
            (Kind::Received, "192.0.2.1:5060", &b"INVITE"[..]),
            (Kind::Send, "[2001:db8::1]:443", b""),
            (Kind::Unsent, "192.0.2.1:1", &large),
            (Kind::Alias, "192.0.2.1:5061", b"numbers"),
            (Kind::ByAlias, "192.0.2.1:5061", b"OPTIONS"),
            (Kind::NoAlias, "192.0.2.1:5061", b"OPTIONS"),
        ] {
            assert!(handover.give(WorkerId(0), kind, &path(peer), text));
            message.clear();
            assert_eq!(handover.take(&mut message), Some((kind, path(peer))));
            assert_eq!(message, text);
        }
        assert!(!handover.give(WorkerId(2), Kind::Send, &path("192.0.2.1:1"), b""), "there is no third worker");
        let given = (0..10_000).take_while(|_| handover.give(WorkerId(1), Kind::Send, &path("192.0.2.1:1"), &large));
        assert!(given.count() < 1000, "a worker that does not read holds nobody up");
    }
}
