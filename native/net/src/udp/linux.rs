//! `recvmmsg` and `sendmmsg` over frames that the batch owns. The only unsafe code of this crate.
//!
//! All pointers given to the kernel point into boxed slices of the same [`Batch`], which never move or shrink while it lives.

#![allow(unsafe_code, reason = "named place of docs/architecture.md: the kernel's batch calls have no safe wrapper")]

use super::queue::{Groups, MOST, Place, Queued};
use super::{BATCH, HEADROOM, LARGEST, STRIDE};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Takes over a descriptor that the supervisor passed to this process.
///
/// # Errors
/// The system's error when `descriptor` is not open.
pub fn adopt(descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD has no effect but to tell whether the number names an open descriptor.
    if unsafe { libc::fcntl(descriptor, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: open, as just seen, and named in the boot message exactly once, so nobody else closes it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Has the kernel note when it gets each datagram of this socket, or not any more. That costs time, so it is asked only of
/// a socket whose queue is long.
///
/// # Errors
/// The system's error.
pub fn stamp(socket: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let value = libc::c_int::from(on);
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` is an integer of the size told, and the kernel only reads it.
    let set = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, (&raw const value).cast(), size)
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What became of a queue that was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Messages that the kernel took.
    pub messages: u64,
    /// Their octets.
    pub bytes: u64,
    /// Messages that it refused.
    pub errors: u64,
}

/// A socket address as the kernel lays it out.
#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

const NAME_LEN: libc::socklen_t = size_of::<Name>() as libc::socklen_t;

/// Refusals after which segmented sends are no longer tried: an old kernel, or an interface that cannot.
const REFUSALS: u32 = 8;

/// Frames, and the queue of what is to be sent from them.
pub struct Batch {
    memory: Box<[u8]>,
    names: Box<[Name]>,
    /// Only to keep alive what `headers` points to.
    _vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    /// When the kernel got the first datagram, if the socket says so ([`stamp`]).
    stamp: Box<Stamp>,
    received: usize,
    own: Vec<u8>,
    queue: Vec<Queued>,
    call: u32,
    groups: Groups,
    send_names: Box<[Name]>,
    send_vectors: Box<[libc::iovec]>,
    send_headers: Box<[libc::mmsghdr]>,
    send_controls: Box<[Segment]>,
    /// Refusals of segmented sends left before they are given up on this machine.
    segmenting: u32,
}

/// Control data that says when a datagram arrived (SCM_TIMESTAMPNS).
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Stamp {
    header: libc::cmsghdr,
    time: libc::timespec,
}

/// Control data that asks the kernel to cut one send into datagrams of `size` (UDP_SEGMENT).
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Segment {
    header: libc::cmsghdr,
    size: u16,
}

// SAFETY: the raw pointers inside point into the batch's own boxes; they move with it and are not shared.
unsafe impl Send for Batch {}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// A batch with [`BATCH`] frames. The memory is touched only where messages arrive.
    #[must_use]
    pub fn new() -> Self {
        let mut memory = vec![0u8; STRIDE * BATCH].into_boxed_slice();
        let mut names = vec![empty_name(); BATCH].into_boxed_slice();
        let mut vectors: Box<[libc::iovec]> = (0..BATCH)
            .map(|i| libc::iovec { iov_base: memory[i * STRIDE + HEADROOM..].as_mut_ptr().cast(), iov_len: LARGEST })
            .collect();
        let headers = (0..BATCH).map(|i| header(&mut names[i], &mut vectors[i])).collect();
        let mut send_names = vec![empty_name(); MOST].into_boxed_slice();
        let mut send_vectors: Box<[libc::iovec]> =
            vec![libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; MOST].into_boxed_slice();
        let send_headers = (0..MOST).map(|i| header(&mut send_names[i], &mut send_vectors[i])).collect();
        Self {
            memory,
            names,
            _vectors: vectors,
            headers,
            stamp: Box::new(empty_stamp()),
            received: 0,
            own: Vec::with_capacity(BATCH * 2048),
            queue: Vec::with_capacity(MOST),
            call: 0,
            groups: Groups::new(),
            send_names,
            send_vectors,
            send_headers,
            send_controls: vec![segment(0); MOST].into_boxed_slice(),
            segmenting: REFUSALS,
        }
    }

    /// Takes what is waiting in `socket`, at most [`BATCH`] datagrams. 0 when nothing is.
    ///
    /// # Errors
    /// The system's error, other than "nothing waiting" and "interrupted".
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        for header in &mut self.headers[..self.received] {
            header.msg_hdr.msg_namelen = NAME_LEN;
        }
        self.received = 0;
        let first = &mut self.headers[0].msg_hdr;
        first.msg_control = (&raw mut *self.stamp).cast();
        first.msg_controllen = size_of::<Stamp>();
        // SAFETY: BATCH headers whose name and vector point into `names` and `memory`, see `new`; the control data of the
        // first is `stamp`, which has the length told.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        if let Ok(count) = usize::try_from(count) {
            self.received = count;
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
            // An ICMP error of an earlier send is reported here; it says nothing about what waits.
            io::ErrorKind::ConnectionRefused => Ok(0),
            _ => Err(error),
        }
    }

    /// For how long the first datagram had waited at `unix_ms`; `None` when the kernel did not note when it came.
    #[must_use]
    pub fn waited_ms(&self, unix_ms: u64) -> Option<u64> {
        let (first, stamp) = (&self.headers[0].msg_hdr, &self.stamp);
        let is_stamp = stamp.header.cmsg_level == libc::SOL_SOCKET && stamp.header.cmsg_type == libc::SCM_TIMESTAMPNS;
        if self.received == 0 || first.msg_controllen < size_of::<Stamp>() || !is_stamp {
            return None;
        }
        let came_ms = stamp.time.tv_sec as u64 * 1000 + stamp.time.tv_nsec as u64 / 1_000_000;
        Some(unix_ms.saturating_sub(came_ms))
    }

    /// The datagram in frame `i` as received.
    #[must_use]
    pub fn message(&self, i: usize) -> &[u8] {
        let start = i * STRIDE + HEADROOM;
        &self.memory[start..start + self.len(i)]
    }

    /// Who sent frame `i`; `None` for a family that is neither IPv4 nor IPv6.
    #[must_use]
    pub fn peer(&self, i: usize) -> Option<SocketAddr> {
        read_name(&self.names[i])
    }

    /// The whole frame `i`, and where in it the message is.
    pub fn frame(&mut self, i: usize) -> (&mut [u8], Range<usize>) {
        let len = self.len(i);
        (&mut self.memory[i * STRIDE..(i + 1) * STRIDE], HEADROOM..HEADROOM + len)
    }

    /// Frame `i` as [`Self::message`], with the buffer for own messages beside it.
    pub fn message_and_own(&mut self, i: usize) -> (&[u8], &mut Vec<u8>) {
        let (start, len) = (i * STRIDE + HEADROOM, self.len(i));
        (&self.memory[start..start + len], &mut self.own)
    }

    /// Buffer for messages that are not edits of a received one; cleared by [`Self::flush`].
    pub fn own(&mut self) -> &mut Vec<u8> {
        &mut self.own
    }

    /// Says which call what is queued from now on belongs to, by a hash of it: only what belongs to another one may overtake it.
    /// 0 is no call; what belongs to none overtakes nothing and is overtaken by nothing.
    pub fn order(&mut self, call: u32) {
        self.call = call;
    }

    /// Queues `range` of frame `i`, to be sent from socket number `socket`.
    pub fn queue_frame(&mut self, i: usize, range: Range<usize>, socket: u8, to: SocketAddr) {
        debug_assert!(range.end <= STRIDE, "a message stays in its frame");
        let place = Place::Frame { start: i * STRIDE + range.start, len: range.len() };
        self.queue.push(Queued { place, socket, call: self.call, to });
    }

    /// Queues `range` of [`Self::own`].
    pub fn queue_own(&mut self, range: Range<usize>, socket: u8, to: SocketAddr) {
        let place = Place::Own { start: range.start, len: range.len() };
        self.queue.push(Queued { place, socket, call: self.call, to });
    }

    /// Whether something waits to be sent.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Sends the queue, see [`Self::order`]. `sockets[n]` is the socket of number n.
    pub fn flush(&mut self, sockets: &[BorrowedFd<'_>]) -> Outcome {
        let mut outcome = Outcome::default();
        let mut next = 0;
        while let Some(first) = self.queue.get(next) {
            let number = first.socket;
            let rest = &self.queue[next..];
            let run = rest.iter().take(MOST).take_while(|queued| queued.socket == number).count();
            match sockets.get(usize::from(number)) {
                Some(socket) => self.send_run(*socket, next..next + run, &mut outcome),
                None => outcome.errors += run as u64,
            }
            next += run;
        }
        self.queue.clear();
        self.own.clear();
        self.call = 0;
        outcome
    }

    fn send_run(&mut self, socket: BorrowedFd<'_>, run: Range<usize>, outcome: &mut Outcome) {
        let queue = &self.queue[run];
        self.groups.arrange(queue, self.segmenting == 0);
        self.groups.places(queue, |place, queued| {
            let octets = match queued.place {
                Place::Frame { start, len } => &self.memory[start..start + len],
                Place::Own { start, len } => &self.own[start..start + len],
            };
            let vector = &mut self.send_vectors[place];
            vector.iov_base = octets.as_ptr().cast_mut().cast();
            vector.iov_len = octets.len();
        });
        for (number, group) in self.groups.groups().iter().enumerate() {
            let first = &queue[group.first];
            let header = &mut self.send_headers[number].msg_hdr;
            header.msg_namelen = write_name(&mut self.send_names[number], first.to);
            header.msg_iov = &raw mut self.send_vectors[group.before];
            header.msg_iovlen = group.count;
            if group.count > 1 {
                self.send_controls[number] = segment(first.len() as u16);
                header.msg_control = (&raw mut self.send_controls[number]).cast();
                header.msg_controllen = size_of::<Segment>();
            } else {
                header.msg_control = std::ptr::null_mut();
                header.msg_controllen = 0;
            }
        }
        self.send_groups(socket, outcome);
    }

    /// Sends what the groups say.
    fn send_groups(&mut self, socket: BorrowedFd<'_>, outcome: &mut Outcome) {
        let groups = self.groups.groups().len();
        let mut done = 0;
        while done < groups {
            // SAFETY: headers `done..groups` point to vectors, names and control data of this batch, filled by
            // `send_run`; the octets are in `memory` or `own`, neither of which changes before the call returns, and the kernel only
            // reads them.
            let sent = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    self.send_headers[done..].as_mut_ptr(),
                    (groups - done) as libc::c_uint,
                    0,
                )
            };
            if let Ok(sent) = usize::try_from(sent) {
                for group in done..done + sent {
                    outcome.bytes += u64::from(self.send_headers[group].msg_len);
                    outcome.messages += self.groups.groups()[group].count as u64;
                }
                done += sent;
                continue;
            }
            if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
                continue;
            }
            // The kernel stops at the first message it refuses (no route, too large): leave it out, go on. A segmented
            // one may have failed for being that; its messages are sent one by one.
            if self.groups.groups()[done].count > 1 {
                self.segmenting = self.segmenting.saturating_sub(1);
                self.send_one_by_one(socket, done, outcome);
            } else {
                outcome.errors += 1;
            }
            done += 1;
        }
    }

    /// Sends the messages of one header apart.
    fn send_one_by_one(&mut self, socket: BorrowedFd<'_>, group: usize, outcome: &mut Outcome) {
        let header = &mut self.send_headers[group];
        header.msg_hdr.msg_control = std::ptr::null_mut();
        header.msg_hdr.msg_controllen = 0;
        header.msg_hdr.msg_iovlen = 1;
        for _ in 0..self.groups.groups()[group].count {
            let header = &mut self.send_headers[group];
            // SAFETY: as in `send_groups`; the vector pointer moves over the vectors of this group only.
            let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &header.msg_hdr, 0) };
            match u64::try_from(sent) {
                Ok(octets) => {
                    outcome.messages += 1;
                    outcome.bytes += octets;
                }
                Err(_) => outcome.errors += 1,
            }
            // SAFETY: at most one past the last vector of the group, which is inside or one past `send_vectors`.
            header.msg_hdr.msg_iov = unsafe { header.msg_hdr.msg_iov.add(1) };
        }
    }

    fn len(&self, i: usize) -> usize {
        (self.headers[i].msg_len as usize).min(LARGEST)
    }
}

fn empty_name() -> Name {
    // SAFETY: all-zero octets are a valid value of each member.
    unsafe { std::mem::zeroed() }
}

fn empty_stamp() -> Stamp {
    let header = libc::cmsghdr { cmsg_len: 0, cmsg_level: 0, cmsg_type: 0 };
    Stamp { header, time: libc::timespec { tv_sec: 0, tv_nsec: 0 } }
}

fn segment(size: u16) -> Segment {
    let header = libc::cmsghdr {
        cmsg_len: size_of::<libc::cmsghdr>() + size_of::<u16>(),
        cmsg_level: libc::SOL_UDP,
        cmsg_type: libc::UDP_SEGMENT,
    };
    Segment { header, size }
}

fn header(name: &mut Name, vector: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: all-zero octets are a valid mmsghdr (no name, no vectors, no control data).
    let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
    header.msg_hdr.msg_name = std::ptr::from_mut(name).cast();
    header.msg_hdr.msg_namelen = NAME_LEN;
    header.msg_hdr.msg_iov = vector;
    header.msg_hdr.msg_iovlen = 1;
    header
}

fn read_name(name: &Name) -> Option<SocketAddr> {
    // SAFETY: the kernel wrote the family first, and the member of that family with it.
    unsafe {
        match i32::from(name.family) {
            libc::AF_INET => Some(SocketAddr::V4(SocketAddrV4::new(
                Ipv4Addr::from(name.v4.sin_addr.s_addr.to_ne_bytes()),
                u16::from_be(name.v4.sin_port),
            ))),
            libc::AF_INET6 => Some(SocketAddr::V6(SocketAddrV6::new(
                Ipv6Addr::from(name.v6.sin6_addr.s6_addr),
                u16::from_be(name.v6.sin6_port),
                0,
                name.v6.sin6_scope_id,
            ))),
            _ => None,
        }
    }
}

fn write_name(name: &mut Name, address: SocketAddr) -> libc::socklen_t {
    match address {
        SocketAddr::V4(v4) => {
            name.v4 = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(v6) => {
            name.v6 = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    fn pair(address: &str) -> (UdpSocket, UdpSocket) {
        (UdpSocket::bind(address).expect("a free port"), UdpSocket::bind(address).expect("a free port"))
    }

    #[test]
    fn receives_edits_and_sends_from_the_frame() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (server, client) = pair(address);
            let mut batch = Batch::new();
            assert_eq!(batch.receive(server.as_fd()).expect("an open socket"), 0, "nothing waits");
            for text in ["one", "two"] {
                client.send_to(text.as_bytes(), server.local_addr().expect("bound")).expect("sent");
            }
            let mut got = 0;
            while got < 2 {
                let count = batch.receive(server.as_fd()).expect("an open socket");
                for i in 0..count {
                    let peer = batch.peer(i).expect("an address");
                    assert_eq!(peer, client.local_addr().expect("bound"));
                    let (frame, range) = batch.frame(i);
                    let start = range.start - 1;
                    frame[start] = b'>';
                    batch.queue_frame(i, start..range.end, 0, peer);
                    let own = batch.own().len();
                    batch.own().extend_from_slice(b"own");
                    batch.queue_own(own..own + 3, 0, peer);
                }
                got += count;
                let outcome = batch.flush(&[server.as_fd()]);
                assert_eq!(outcome, Outcome { messages: 2 * count as u64, bytes: 7 * count as u64, errors: 0 });
            }
            let mut buffer = [0; 16];
            for expected in [">one", "own", ">two", "own"] {
                let (len, _) = client.recv_from(&mut buffer).expect("received");
                assert_eq!(&buffer[..len], expected.as_bytes());
            }
        }
    }

    #[test]
    fn a_refused_message_does_not_stop_the_others() {
        let (server, client) = pair("127.0.0.1:0");
        let mut batch = Batch::new();
        let to = client.local_addr().expect("bound");
        let unreachable: SocketAddr = "[::1]:9".parse().expect("an address");
        for (text, to) in [("a", to), ("b", unreachable), ("c", to)] {
            let start = batch.own().len();
            batch.own().extend_from_slice(text.as_bytes());
            batch.queue_own(start..start + 1, 0, to);
        }
        let outcome = batch.flush(&[server.as_fd()]);
        assert_eq!(outcome, Outcome { messages: 2, bytes: 2, errors: 1 });
    }

    /// Lengths and addresses in any order leave as the same datagrams in the same order.
    #[test]
    fn equal_neighbours_are_cut_apart_again() {
        let (server, client) = pair("127.0.0.1:0");
        let other = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let mut batch = Batch::new();
        let lengths = [700, 700, 700, 701, 701, 5, 700, 0, 0, 1, 1, 60_000, 60_000, 1];
        for (place, length) in lengths.into_iter().enumerate() {
            for to in [&client, &client, &other] {
                let start = batch.own().len();
                batch.own().resize(start + length, place as u8);
                batch.queue_own(start..start + length, 0, to.local_addr().expect("bound"));
            }
            batch.flush(&[server.as_fd()]);
            let mut buffer = vec![0; 65_536];
            for from in [&client, &client, &other] {
                let (len, _) = from.recv_from(&mut buffer).expect("received");
                assert_eq!(len, length);
                assert!(buffer[..len].iter().all(|&octet| octet == place as u8));
            }
        }
        for place in 0..BATCH {
            batch.own().push(place as u8);
            batch.queue_own(place..place + 1, 0, client.local_addr().expect("bound"));
        }
        let outcome = batch.flush(&[server.as_fd()]);
        assert_eq!(outcome, Outcome { messages: BATCH as u64, bytes: BATCH as u64, errors: 0 });
        for place in 0..BATCH {
            let mut octet = [0];
            client.recv_from(&mut octet).expect("received");
            assert_eq!(octet[0], place as u8);
        }
    }

    /// Messages of different calls may overtake each other, and nothing else.
    #[test]
    fn messages_of_one_length_go_together() {
        let (server, client) = pair("127.0.0.1:0");
        let to = client.local_addr().expect("bound");
        let mut batch = Batch::new();
        let queue = [("own", 0), ("a", 1), ("bb", 2), ("c", 3), ("dd", 4), ("eee", 1), ("f", 1), ("end", 0), ("g", 1)];
        for (text, call) in queue {
            let start = batch.own().len();
            batch.own().extend_from_slice(text.as_bytes());
            batch.order(call);
            batch.queue_own(start..start + text.len(), 0, to);
        }
        let outcome = batch.flush(&[server.as_fd()]);
        assert_eq!((outcome.messages, outcome.errors), (queue.len() as u64, 0));
        let mut buffer = [0; 16];
        for expected in ["own", "a", "c", "bb", "dd", "eee", "f", "end", "g"] {
            let (len, _) = client.recv_from(&mut buffer).expect("received");
            assert_eq!(&buffer[..len], expected.as_bytes());
        }
    }

    #[test]
    fn the_kernel_says_how_long_a_datagram_waited() {
        let (server, client) = pair("127.0.0.1:0");
        let mut batch = Batch::new();
        let mut waited = |on: bool| {
            stamp(server.as_fd(), on).expect("an open socket");
            client.send_to(b"x", server.local_addr().expect("bound")).expect("sent");
            let sent_ms = crate::clock::now().unix_ms;
            assert_eq!(batch.receive(server.as_fd()).expect("an open socket"), 1);
            batch.waited_ms(sent_ms + 7000)
        };
        assert_eq!(waited(false), None);
        assert!(waited(true).is_some_and(|ms| (7000..7100).contains(&ms)));
        assert_eq!(waited(false), None);
    }

    #[test]
    fn a_closed_descriptor_is_refused() {
        assert!(adopt(1_000_000).is_err());
    }
}
