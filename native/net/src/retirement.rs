//! Connections outlive an upgrade. The process that has them, then *retired*, goes on reading and writing them; its
//! successor does all else. A connection itself cannot change hands: the state of its encryption stays where it is.
//!
//! Each process that serves as one worker is another *incarnation* of it, which the number of a connection names
//! ([`ConnectionId::incarnation`]). What comes by a connection goes to the inbox of the worker ([`crate::handover`]), which
//! the successor reads. What is to go by it goes to a socket of the incarnation's name in a folder of the server, so it is
//! found by whoever is the worker then, however many upgrades and deaths lie between.

use crate::handover::{Kind, Parcel};
use dialplane_core::path::{ConnectionId, Path, WorkerId};
use rustix::event::epoll;
use rustix::fs::{AtFlags, Mode, OFlags, unlinkat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen, socket_with, sockopt,
};
use std::collections::HashMap;
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;

/// Incarnations of a worker that can be told apart.
const INCARNATIONS: usize = 1 << u8::BITS;
/// Processes that may be about to connect.
const BACKLOG: i32 = 16;
/// Octets that may wait for a retired process.
const SEND_BUFFER: usize = 4 << 20;

/// This incarnation, and the way to the others.
#[derive(Debug)]
pub struct Incarnation {
    folder: OwnedFd,
    worker: WorkerId,
    number: u8,
    listener: OwnedFd,
    events: Arc<OwnedFd>,
    event: u64,
    /// Those that send by connections of ours.
    successors: Vec<OwnedFd>,
    /// Those by whose connections we send.
    retired: HashMap<u8, OwnedFd>,
    parcel: Parcel,
}

impl Incarnation {
    /// One that is no other's, with its socket in `folder`, which is made when it is missing. `events` says `event` when
    /// something came. `random` is where to begin to look for a number.
    ///
    /// # Errors
    /// The system's error.
    pub fn begin(
        folder: &std::path::Path,
        worker: WorkerId,
        random: u8,
        events: Arc<OwnedFd>,
        event: u64,
    ) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let folder = rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let listener = socket()?;
        // The second time, the names of the dead are free.
        for step in 0..2 * INCARNATIONS {
            let number = random.wrapping_add(step as u8);
            let name = name(worker, number);
            match bind(&listener, &address(&folder, &name)?) {
                Ok(()) => {
                    listen(&listener, BACKLOG)?;
                    epoll::add(&events, &listener, epoll::EventData::new_u64(event), epoll::EventFlags::IN)?;
                    let (successors, retired) = (Vec::new(), HashMap::new());
                    let parcel = Parcel::new();
                    return Ok(Self { folder, worker, number, listener, events, event, successors, retired, parcel });
                }
                Err(Errno::ADDRINUSE) if connect(socket()?, &address(&folder, &name)?) == Err(Errno::CONNREFUSED) => {
                    unlinkat(&folder, &name, AtFlags::empty())?;
                }
                Err(Errno::ADDRINUSE) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    /// The generation with which the places of a table of connections begin; `random` makes it differ from what a dead
    /// incarnation of the same number gave out.
    #[must_use]
    pub fn first_generation(&self, random: u32) -> u32 {
        u32::from(self.number) << 24 | random >> 8
    }

    /// Whether a connection of this worker is another incarnation's.
    #[must_use]
    pub fn is_before(&self, connection: ConnectionId) -> bool {
        connection.worker() == Some(self.worker) && connection.incarnation() != self.number
    }

    /// Has the process that has the connection send a message; `false` when there is none, or it does not keep up.
    pub fn give(&mut self, path: &Path, message: &[u8]) -> bool {
        let number = path.connection.incarnation();
        if !self.retired.contains_key(&number) {
            let Ok(socket) = self.connect(number) else { return false };
            self.retired.insert(number, socket);
        }
        let Some(socket) = self.retired.get(&number) else { return false };
        let sent = self.parcel.send(socket.as_fd(), Kind::Send, path, message);
        if !matches!(sent, Ok(()) | Err(Errno::AGAIN)) {
            self.retired.remove(&number);
        }
        sent.is_ok()
    }

    /// Listens to those who have begun to send by connections of ours.
    pub fn welcome(&mut self) {
        while let Ok(successor) = accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            let data = epoll::EventData::new_u64(self.event);
            if epoll::add(&self.events, &successor, data, epoll::EventFlags::IN).is_ok() {
                self.successors.push(successor);
            }
        }
    }

    /// Takes the next message that is to be sent by a connection of ours; it is appended to `message`.
    pub fn take(&mut self, message: &mut Vec<u8>) -> Option<Path> {
        let Self { successors, parcel, .. } = self;
        let mut taken = None;
        successors.retain(|successor| {
            if taken.is_some() {
                return true;
            }
            match parcel.receive(successor.as_fd(), message) {
                Ok(Some((_, path))) => {
                    taken = Some(path);
                    true
                }
                Err(Errno::AGAIN) => true,
                Ok(None) | Err(_) => false,
            }
        });
        taken
    }

    fn connect(&self, number: u8) -> io::Result<OwnedFd> {
        let socket = socket()?;
        // The first is a privilege, the second is bounded by the system.
        if sockopt::set_socket_send_buffer_size_force(&socket, SEND_BUFFER).is_err() {
            let _ = sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER);
        }
        connect(&socket, &address(&self.folder, &name(self.worker, number))?)?;
        Ok(socket)
    }
}

impl Drop for Incarnation {
    fn drop(&mut self) {
        let _ = unlinkat(&self.folder, name(self.worker, self.number), AtFlags::empty());
    }
}

fn socket() -> rustix::io::Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

fn name(worker: WorkerId, number: u8) -> String {
    format!("{}-{number}", worker.0)
}

/// By the descriptor of the folder: an address has 108 octets, the name of a folder may have more.
fn address(folder: &OwnedFd, name: &str) -> rustix::io::Result<SocketAddrUnix> {
    SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dialplane_core::path::{ListenerId, Transport};
    use std::path::PathBuf;

    const WORKER: WorkerId = WorkerId(1);

    struct Folder(PathBuf);

    impl Folder {
        /// With a name that is longer than an address.
        fn new(test: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("dialplane-{test}-{}-{}", std::process::id(), "x".repeat(120)));
            Self(path)
        }

        fn begin(&self, random: u8) -> Incarnation {
            let events = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC).expect("made"));
            Incarnation::begin(&self.0, WORKER, random, events, 7).expect("begun")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).expect("removed");
        }
    }

    fn path(of: &Incarnation) -> Path {
        Path {
            transport: Transport::Tls,
            listener: ListenerId(2),
            connection: ConnectionId::new(WORKER, of.first_generation(0x1234_5678), 9),
            peer: "192.0.2.1:4711".parse().expect("an address"),
        }
    }

    #[test]
    fn each_sends_by_the_connections_of_those_before() {
        let folder = Folder::new("retired");
        let mut first = folder.begin(255);
        let mut second = folder.begin(255);
        let mut third = folder.begin(255);
        let numbers = [&first, &second, &third].map(|incarnation| path(incarnation).connection.incarnation());
        assert_eq!(numbers, [255, 0, 1]);
        assert_eq!(path(&first).connection.generation(), 0xFF12_3456);
        let mut message = Vec::new();
        for retired in [&mut first, &mut second] {
            let to = path(retired);
            assert!(third.is_before(to.connection) && !retired.is_before(to.connection));
            assert!(third.give(&to, b"one") && third.give(&to, &vec![b'2'; 65_536]));
            retired.welcome();
            message.clear();
            assert_eq!(retired.take(&mut message), Some(to));
            assert_eq!(message, b"one");
            assert_eq!(retired.take(&mut message), Some(to));
            assert_eq!(message.len(), 3 + 65_536);
            assert_eq!(retired.take(&mut message), None);
        }
        // Whoever takes the place of the third is heard as well.
        drop(third);
        let mut fourth = folder.begin(255);
        assert!(fourth.give(&path(&second), b"four"));
        second.welcome();
        message.clear();
        assert_eq!(second.take(&mut message), Some(path(&second)));
        assert_eq!((&message[..], second.successors.len()), (&b"four"[..], 1));
        let to = path(&first);
        drop(first);
        assert!(!fourth.give(&to, b"gone"), "it has ended");
        assert!(!fourth.is_before(ConnectionId::new(WorkerId(0), 0, 0)), "another worker's");
    }

    #[test]
    fn a_process_that_was_killed_leaves_a_name_and_no_trouble() {
        let folder = Folder::new("killed");
        let killed = folder.begin(5);
        let to = path(&killed);
        std::fs::rename(folder.0.join("1-5"), folder.0.join("kept")).expect("renamed");
        drop(killed);
        std::fs::rename(folder.0.join("kept"), folder.0.join("1-5")).expect("renamed");
        let mut next = folder.begin(5);
        assert_eq!(path(&next).connection.incarnation(), 6, "nobody is taken for the dead");
        assert!(!folder.0.join("1-5").exists());
        assert!(!next.give(&to, b"gone"));
        let lives: Vec<Incarnation> = (0..255).map(|_| folder.begin(0)).collect();
        let events = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC).expect("made"));
        let error = Incarnation::begin(&folder.0, WORKER, 0, events, 7).expect_err("all are taken");
        assert_eq!((error.kind(), lives.len()), (io::ErrorKind::AddrInUse, 255));
    }

    #[test]
    fn whoever_does_not_read_holds_nobody_up() {
        let folder = Folder::new("deaf");
        let (deaf, mut next) = (folder.begin(0), folder.begin(0));
        let to = path(&deaf);
        let given = (0..10_000).take_while(|_| next.give(&to, &[b'x'; 16_384]));
        assert!((1..10_000).contains(&given.count()));
    }
}
