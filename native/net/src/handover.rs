//! Between the workers of a host: messages whose call, or whose connection, is another's.
//!
//! Each worker has one inbox, a socket that the supervisor keeps: what waits there when a worker dies is read by its
//! successor. Calls are divided by Call-ID as the kernel divides datagrams (`supervisor/spread.py`), so the messages of one
//! call meet in one worker, whichever transport they come by.

use crate::udp::adopt;
use dialplane_core::path::{ConnectionId, ListenerId, Path, Transport, WorkerId};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde::Deserialize;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

/// What the supervisor hands to a worker that is not alone.
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
}

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
    buffer: Vec<u8>,
}

impl Handover {
    /// Takes over the descriptors.
    ///
    /// # Errors
    /// The system's error when one is not open.
    pub fn new(worker: WorkerId, boot: &Boot) -> io::Result<Self> {
        let others = boot.others.iter().map(|&descriptor| adopt(descriptor)).collect::<io::Result<_>>()?;
        Ok(Self { worker, inbox: adopt(boot.inbox)?, others, buffer: Vec::with_capacity(LARGEST) })
    }

    /// Readable when something was handed to us.
    #[must_use]
    pub fn inbox(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd as _;
        self.inbox.as_fd()
    }

    /// Whose call the message belongs to, if not ours. A REGISTER belongs to nobody's: its worker answers it.
    #[must_use]
    pub fn owner(&self, message: &[u8]) -> Option<WorkerId> {
        if message.starts_with(b"REGISTER ") {
            return None;
        }
        let worker = owner(message, self.others.len())?;
        (worker != self.worker).then_some(worker)
    }

    /// Hands a message over; `false` when the other does not keep up.
    pub fn give(&mut self, to: WorkerId, kind: Kind, path: &Path, message: &[u8]) -> bool {
        let Some(other) = self.others.get(usize::from(to.0)) else { return false };
        self.buffer.clear();
        push_head(kind, path, &mut self.buffer);
        self.buffer.extend_from_slice(message);
        send(other, &self.buffer, SendFlags::DONTWAIT | SendFlags::NOSIGNAL).is_ok()
    }

    /// Takes the next message that was handed to us; it is appended to `message`.
    pub fn take(&mut self, message: &mut Vec<u8>) -> Option<(Kind, Path)> {
        loop {
            self.buffer.clear();
            let spare = rustix::buffer::spare_capacity(&mut self.buffer);
            match recv(&self.inbox, spare, RecvFlags::DONTWAIT) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(_) => return None,
            }
            if let Some((head, rest)) = self.buffer.split_first_chunk::<HEAD>()
                && let Some(read) = read_head(*head)
            {
                message.extend_from_slice(rest);
                return Some(read);
            }
        }
    }
}

/// The worker to which the kernel's program, `supervisor/spread.py`, gives a datagram with this Call-ID; `None` when the
/// program would not find one.
#[must_use]
pub fn owner(message: &[u8], workers: usize) -> Option<WorkerId> {
    const PATTERN: &[u8] = b"\r\ncall-id:";
    const REACH: usize = 920;
    const HASHED: usize = 30;
    const BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    if workers < 2 {
        return None;
    }
    let searched = &message[..message.len().min(REACH + PATTERN.len())];
    let place = searched.windows(PATTERN.len()).position(|window| window.eq_ignore_ascii_case(PATTERN))?;
    let value = &message[place + PATTERN.len()..];
    let value = value.strip_prefix(b" ").unwrap_or(value);
    let hashed = value.iter().take(HASHED).take_while(|&&octet| octet != b'\r');
    let hash = hashed.fold(BASIS, |hash, &octet| (hash ^ u32::from(octet)).wrapping_mul(PRIME));
    let worker = (hash ^ (hash >> 15)) % u32::try_from(workers).ok()?;
    u16::try_from(worker).ok().map(WorkerId)
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
    let kind = if kind == Kind::Send as u8 { Kind::Send } else { Kind::Received };
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
            (Kind::Send, "192.0.2.1:1", &large),
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

    /// Values that the kernel's program gives, see `tests/supervisor/test_spread.py`.
    #[test]
    fn calls_are_divided_as_the_kernel_does() {
        let of = |message: &str, workers| owner(message.as_bytes(), workers).map(|worker| worker.0);
        assert_eq!(of("BYE sip:a SIP/2.0\r\nCall-ID: a\r\n\r\n", 1), None, "alone");
        assert_eq!(of("BYE sip:a SIP/2.0\r\nCall-Info: a\r\n\r\n", 2), None);
        assert_eq!(of("BYE sip:a SIP/2.0\r\ni: a\r\n\r\n", 2), None, "the program does not look for it");
        let far = format!("BYE sip:a SIP/2.0\r\nX: {}\r\nCall-ID: a\r\n\r\n", "x".repeat(1000));
        assert_eq!(of(&far, 2), None, "nor there");
        let one = of("BYE sip:a SIP/2.0\r\nCall-ID: 4711@192.0.2.1\r\n\r\n", 1000);
        for other in ["CALL-ID:4711@192.0.2.1\r\n", "call-id: 4711@192.0.2.1\r\nTo: x\r\n"] {
            assert_eq!(of(&format!("INVITE sip:b SIP/2.0\r\n{other}\r\n"), 1000), one);
        }
        let long = "y".repeat(30);
        assert_eq!(
            of(&format!("A\r\nCall-ID: {long}1\r\n"), 1000),
            of(&format!("A\r\nCall-ID: {long}2\r\n"), 1000),
            "thirty octets count"
        );
    }
}
