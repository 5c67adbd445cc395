//! Datagrams in batches: `recvmmsg`, and `sendmmsg` with UDP segmentation.
//!
//! The generator has one core and must cost less per message than the servers it measures. Messages of one size that go
//! the same way are therefore handed to the kernel as one buffer (`UDP_SEGMENT`); they arrive as datagrams of their own.
#![allow(unsafe_code)] // system calls that std does not have; each block says why it is sound

use std::io;
use std::mem;
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

/// Datagrams taken by one system call.
pub const BATCH: usize = 64;

/// Room for one datagram: far above what any workload exchanges.
const ROOM: usize = 8192;

/// Octets that one segmented buffer may hold; the kernel refuses 65,508.
const SEGMENTED: usize = 60_000;

/// A UDP socket connected to the server: whatever comes from elsewhere is not received and so counts as lost.
pub struct Socket {
    inner: UdpSocket,
    segments: bool,
}

impl Socket {
    /// Binds `local`, connects to `server`; `segments` allows UDP segmentation.
    pub fn open(local: SocketAddrV4, server: SocketAddrV4, segments: bool) -> io::Result<Self> {
        let inner =
            UdpSocket::bind(local).map_err(|e| io::Error::new(e.kind(), format!("cannot bind {local}: {e}")))?;
        inner.connect(server)?;
        inner.set_nonblocking(true)?;
        for option in [libc::SO_RCVBUF, libc::SO_RCVBUFFORCE, libc::SO_SNDBUF, libc::SO_SNDBUFFORCE] {
            let size: libc::c_int = 16 << 20;
            // SAFETY: the descriptor is open, the pointer and length describe one c_int. Failure is allowed: FORCE needs a
            // privilege, and the limit of the system then stands.
            unsafe {
                libc::setsockopt(
                    inner.as_raw_fd(),
                    libc::SOL_SOCKET,
                    option,
                    ptr::from_ref(&size).cast(),
                    mem::size_of::<libc::c_int>() as libc::socklen_t,
                );
            }
        }
        Ok(Self { inner, segments })
    }

    /// Waits until one of `sockets` has something, or `milliseconds` passed.
    pub fn wait(sockets: &[&Socket], milliseconds: i32) {
        let mut polls: Vec<libc::pollfd> = sockets
            .iter()
            .map(|s| libc::pollfd { fd: s.inner.as_raw_fd(), events: libc::POLLIN, revents: 0 })
            .collect();
        // SAFETY: the pointer and count describe the vector, which outlives the call.
        unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, milliseconds) };
    }
}

/// Messages waiting to be sent, back to back.
#[derive(Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Outbox {
    /// Lets `write` append one message.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Messages waiting.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Appends a copy of the message pushed last.
    pub fn repeat_last(&mut self) {
        let Some(&end) = self.ends.last() else { return };
        let start = if self.ends.len() > 1 { self.ends[self.ends.len() - 2] } else { 0 };
        self.bytes.extend_from_within(start..end);
        self.ends.push(self.bytes.len());
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// The messages waiting.
    pub fn messages(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    /// Sends everything. Blocks (by trying again) while the kernel has no room.
    pub fn flush(&mut self, socket: &Socket) -> io::Result<()> {
        let mut first = 0;
        while first < self.ends.len() {
            first += self.send_some(socket, first)?;
        }
        self.clear();
        Ok(())
    }

    /// Sends up to [`BATCH`] runs of messages from `first` on; returns how many messages went out.
    fn send_some(&mut self, socket: &Socket, first: usize) -> io::Result<usize> {
        let mut runs = [Run::default(); BATCH];
        let mut count = 0;
        let mut at = first;
        while at < self.ends.len() && count < BATCH {
            runs[count] = self.run(at, socket.segments);
            at += runs[count].messages;
            count += 1;
        }
        // SAFETY: zeroed is a valid value of these plain C structures.
        let mut vectors: [libc::iovec; BATCH] = unsafe { mem::zeroed() };
        // SAFETY: as above.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        let mut controls = [Segment::default(); BATCH];
        for i in 0..count {
            let run = runs[i];
            vectors[i].iov_base = self.bytes[run.start..].as_mut_ptr().cast();
            vectors[i].iov_len = run.end - run.start;
            headers[i].msg_hdr.msg_iov = &mut vectors[i];
            headers[i].msg_hdr.msg_iovlen = 1;
            if run.messages > 1 {
                controls[i] = Segment::new(run.size as u16);
                headers[i].msg_hdr.msg_control = ptr::from_mut(&mut controls[i]).cast();
                headers[i].msg_hdr.msg_controllen = mem::size_of::<Segment>() as _;
            }
        }
        loop {
            // SAFETY: the first `count` headers point at vectors, controls and bytes that live until the call returns.
            let sent =
                unsafe { libc::sendmmsg(socket.inner.as_raw_fd(), headers.as_mut_ptr(), count as libc::c_uint, 0) };
            if sent > 0 {
                return Ok(runs[..sent as usize].iter().map(|r| r.messages).sum());
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EINTR | libc::ENOBUFS | libc::ECONNREFUSED) => std::hint::spin_loop(),
                _ => return Err(error),
            }
        }
    }

    /// The longest run of equal messages from `first` on that one system call takes.
    fn run(&self, first: usize, segments: bool) -> Run {
        let start = if first == 0 { 0 } else { self.ends[first - 1] };
        let size = self.ends[first] - start;
        let mut end = self.ends[first];
        let mut messages = 1;
        while segments && messages < BATCH && first + messages < self.ends.len() {
            let next = self.ends[first + messages];
            if next - end != size || next - start > SEGMENTED {
                break;
            }
            end = next;
            messages += 1;
        }
        Run { start, end, size, messages }
    }
}

#[derive(Clone, Copy, Default)]
struct Run {
    start: usize,
    end: usize,
    size: usize,
    messages: usize,
}

/// The control message `UDP_SEGMENT`: a header and a 16-bit size, padded to the alignment of the header.
#[repr(C)]
#[derive(Clone, Copy)]
struct Segment {
    header: libc::cmsghdr,
    size: u16,
    padding: [u8; 6],
}

impl Default for Segment {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Segment {
    fn new(size: u16) -> Self {
        // SAFETY: zeroed is a valid cmsghdr; some C libraries have private padding in it that cannot be named.
        let mut header: libc::cmsghdr = unsafe { mem::zeroed() };
        header.cmsg_len = (mem::size_of::<libc::cmsghdr>() + mem::size_of::<u16>()) as _;
        header.cmsg_level = libc::SOL_UDP;
        header.cmsg_type = libc::UDP_SEGMENT;
        Self { header, size, padding: [0; 6] }
    }
}

/// Received datagrams, until the next [`Inbox::receive`].
pub struct Inbox {
    bytes: Vec<u8>,
    lengths: [usize; BATCH],
}

impl Inbox {
    /// Room for [`BATCH`] datagrams.
    pub fn new() -> Self {
        Self { bytes: vec![0; BATCH * ROOM], lengths: [0; BATCH] }
    }

    /// Takes what is there, without waiting; returns how many datagrams.
    pub fn receive(&mut self, socket: &Socket) -> io::Result<usize> {
        // SAFETY: zeroed is a valid value of these plain C structures.
        let mut vectors: [libc::iovec; BATCH] = unsafe { mem::zeroed() };
        // SAFETY: as above.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        for (i, room) in self.bytes.chunks_exact_mut(ROOM).enumerate() {
            vectors[i].iov_base = room.as_mut_ptr().cast();
            vectors[i].iov_len = ROOM;
            headers[i].msg_hdr.msg_iov = &mut vectors[i];
            headers[i].msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: each header points at a vector and each vector at its own room; all live until the call returns.
        let received = unsafe {
            libc::recvmmsg(
                socket.inner.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        if received < 0 {
            let error = io::Error::last_os_error();
            return match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EINTR | libc::ECONNREFUSED) => Ok(0),
                _ => Err(error),
            };
        }
        for (length, header) in self.lengths.iter_mut().zip(&headers[..received as usize]) {
            // A datagram that did not fit is given an impossible length and so read as empty: wrong, never misread.
            let whole = header.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
            *length = if whole { header.msg_len as usize } else { 0 };
        }
        Ok(received as usize)
    }

    /// Datagram `i` of the last batch.
    pub fn datagram(&self, i: usize) -> &[u8] {
        &self.bytes[i * ROOM..i * ROOM + self.lengths[i]]
    }
}
