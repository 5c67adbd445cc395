//! With real sockets and a clock of our own.

use super::super::settings::Bound;
use super::end::DRAIN_MS;
use super::*;
use dialplane_core::access::Networks;
use dialplane_core::path::ListenerId;
use dialplane_syntax::Limits;
use rustix::event::epoll;
use rustix::net::{SocketFlags, SocketType, socket_with};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

const OPTIONS: &[u8] = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n";

struct World {
    streams: Streams,
    listener: TcpListener,
    events: Arc<OwnedFd>,
    now: u64,
}

impl World {
    fn new(address: &str) -> Self {
        let events = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll"));
        let listener = TcpListener::bind(address).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let settings = Settings {
            most: 3,
            buffer: 262_144,
            connect_ms: 4_000,
            first_ms: 10_000,
            message_ms: 32_000,
            idle_ms: 600_000,
            balancers: Networks::default(),
            limits: Limits::default(),
            listeners: vec![Bound { address: listener.local_addr().expect("bound").ip(), is_secure: false }],
        };
        let streams = Streams::new(WorkerId(1), 77, Arc::clone(&events), settings, Tls::default());
        Self { streams, listener, events, now: 1_000_000 }
    }

    fn client(&mut self) -> TcpStream {
        let client = TcpStream::connect(self.listener.local_addr().expect("bound")).expect("it listens");
        client.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        self.streams.accept(self.now, ListenerId(0), self.listener.as_fd(), |_| false);
        client
    }

    /// Takes events until `count` messages have arrived; at 0, those that are there. Each with its way.
    fn turn(&mut self, count: usize) -> Vec<(Path, Vec<u8>)> {
        let mut messages = Vec::new();
        loop {
            let mut events: Vec<epoll::Event> = Vec::with_capacity(16);
            let patience = rustix::event::Timespec { tv_sec: if count > 0 { 10 } else { 0 }, tv_nsec: 20_000_000 };
            epoll::wait(&*self.events, rustix::buffer::spare_capacity(&mut events), Some(&patience)).expect("epoll");
            for event in &events {
                let (id, flags) = (ConnectionId(event.data.u64()), event.flags);
                if self.streams.on_event(self.now, id, flags) {
                    let arrived = self.streams.take_arrived();
                    let path = self.streams.path(id).expect("it is there");
                    messages
                        .extend(arrived.messages.iter().map(|range| (path, arrived.octets[range.clone()].to_vec())));
                    self.streams.give_back(arrived);
                }
            }
            self.streams.flush(self.now);
            if events.is_empty() || count > 0 && messages.len() >= count {
                assert!(messages.len() >= count, "nothing comes any more");
                return messages;
            }
        }
    }

    fn later(&mut self, ms: u64) {
        self.now += ms;
        self.streams.on_timeout(self.now);
    }

    fn counted(&mut self, counter: Counter) -> u64 {
        let mut counters = Counters::default();
        self.streams.count(&mut counters);
        counters.value(counter)
    }
}

fn is_closed(client: &mut TcpStream) -> bool {
    matches!(client.read(&mut [0; 100]), Ok(0))
}

#[test]
fn a_message_comes_and_its_answer_goes_back() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let mut world = World::new(address);
        let mut client = world.client();
        client.write_all(&[OPTIONS, OPTIONS].concat()).expect("sent");
        let messages = world.turn(2);
        let (path, message) = &messages[0];
        assert_eq!(message, OPTIONS);
        assert_eq!((path.transport, path.peer), (Transport::Tcp, client.local_addr().expect("bound")));
        world.streams.send(world.now, path, b"one");
        world.streams.send(world.now, path, b"two");
        world.streams.flush(world.now);
        let mut answer = [0; 6];
        client.read_exact(&mut answer).expect("received");
        assert_eq!(&answer, b"onetwo");
        drop(client);
        world.turn(0);
        assert!(world.streams.is_empty());
        world.streams.send(world.now, path, b"three");
        assert_eq!(world.streams.poll_unsent().expect("nobody is there").message, b"three");
        assert_eq!(world.counted(Counter::ConnectionsClosedByPeer), 1);
    }
}

#[test]
fn deadlines() {
    let mut world = World::new("127.0.0.1:0");
    let (mut silent, mut slow, mut idle) = (world.client(), world.client(), world.client());
    slow.write_all(OPTIONS).expect("sent");
    idle.write_all(OPTIONS).expect("sent");
    world.turn(2);
    world.later(9_000);
    slow.write_all(b"OPT").expect("sent");
    silent.write_all(b"O").expect("sent");
    world.turn(0);
    world.later(1_000);
    assert!(is_closed(&mut silent), "ten seconds to a first message, whatever else comes");
    world.later(30_000);
    slow.write_all(b"I").expect("sent");
    world.turn(0);
    assert_eq!(world.streams.len(), 2);
    world.later(1_000);
    assert!(is_closed(&mut slow), "32 seconds to the end of a message that has begun");
    world.later(500_000);
    idle.write_all(b"\r\n\r\n").expect("sent");
    world.turn(0);
    let mut pong = [0; 2];
    idle.read_exact(&mut pong).expect("received");
    assert_eq!(&pong, b"\r\n");
    world.later(599_999);
    assert_eq!(world.streams.len(), 1, "a keep-alive is a sign of life");
    world.later(1);
    assert!(is_closed(&mut idle));
    drop((silent, slow, idle));
    world.turn(0);
    assert!(world.streams.is_empty());
    let mut counters = Counters::default();
    world.streams.count(&mut counters);
    assert_eq!(counters.value(Counter::ConnectionsClosedSlow), 2);
    assert_eq!(counters.value(Counter::ConnectionsClosedIdle), 1);
    assert_eq!(counters.value(Counter::KeepAlives), 1);
}

#[test]
fn no_more_than_allowed() {
    let mut world = World::new("127.0.0.1:0");
    let clients: Vec<_> = (0..3).map(|_| world.client()).collect();
    assert!(is_closed(&mut world.client()));
    assert_eq!(world.streams.len(), clients.len());
    assert_eq!(world.counted(Counter::ConnectionsRefused), 1);
}

#[test]
fn what_is_malformed_is_answered_before_the_end() {
    let mut world = World::new("127.0.0.1:0");
    let mut client = world.client();
    client.write_all(b"BYE sip:a SIP/2.0\r\nl: 0\r\nl: 1\r\n\r\nand what follows").expect("sent");
    let mut events: Vec<epoll::Event> = Vec::with_capacity(16);
    epoll::wait(&*world.events, rustix::buffer::spare_capacity(&mut events), None).expect("epoll");
    let id = ConnectionId(events[0].data.u64());
    assert!(world.streams.on_event(world.now, id, events[0].flags));
    let path = world.streams.path(id).expect("it is there");
    world.streams.send(world.now, &path, b"400");
    world.streams.flush(world.now);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("received");
    assert_eq!(answer, b"400");
    assert_eq!(world.counted(Counter::ConnectionsClosedMalformed), 1);
    world.later(DRAIN_MS);
    assert!(world.streams.is_empty());
}

#[test]
fn a_peer_that_does_not_read_is_cut_off() {
    let mut world = World::new("127.0.0.1:0");
    let mut client = world.client();
    client.write_all(OPTIONS).expect("sent");
    let (path, _) = world.turn(1).remove(0);
    let message = vec![b'x'; 60_000];
    for _ in 0..1000 {
        world.streams.send(world.now, &path, &message);
        world.streams.flush(world.now);
        if world.streams.is_empty() {
            break;
        }
    }
    assert!(world.streams.is_empty(), "the kernel's buffers are full, then ours");
    assert_eq!(world.counted(Counter::ConnectionsClosedFull), 1);
}

#[test]
fn what_is_blocked_goes_out_when_there_is_room() {
    let mut world = World::new("127.0.0.1:0");
    let mut client = world.client();
    client.write_all(OPTIONS).expect("sent");
    let (path, _) = world.turn(1).remove(0);
    let message = vec![b'x'; 60_000];
    let mut count = 0;
    while world.streams.table.get_mut(path.connection).expect("it is there").backlog() == 0 {
        world.streams.send(world.now, &path, &message);
        world.streams.flush(world.now);
        count += 1;
    }
    let reader = std::thread::spawn(move || {
        let mut received = Vec::new();
        client.read_to_end(&mut received).map(|_| received.len())
    });
    while world.streams.table.get_mut(path.connection).expect("it is there").backlog() > 0 {
        world.turn(0);
    }
    let connection = world.streams.table.get_mut(path.connection).expect("it is there");
    assert_eq!(connection.output.capacity(), 0, "the buffer is given back");
    assert!(!connection.is_blocked);
    world.streams.remove(path.connection);
    assert_eq!(reader.join().expect("it ends").expect("read"), count * message.len());
}

#[test]
fn connections_are_opened_and_used_again() {
    let mut world = World::new("127.0.0.1:0");
    let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let peer = server.local_addr().expect("bound");
    let path = Path { transport: Transport::Tcp, listener: ListenerId(0), connection: ConnectionId(0), peer };
    world.streams.send(world.now, &path, b"one");
    world.streams.send(world.now, &path, b"two");
    let (mut accepted, from) = server.accept().expect("it comes");
    assert_eq!(from.ip(), peer.ip());
    world.turn(0);
    world.streams.send(world.now, &path, b"three");
    world.streams.flush(world.now);
    let mut received = [0; 11];
    accepted.read_exact(&mut received).expect("received");
    assert_eq!(&received, b"onetwothree");
    accepted.write_all(OPTIONS).expect("sent");
    let (back, _) = world.turn(1).remove(0);
    assert_eq!((back.peer, back.transport), (peer, Transport::Tcp));
    assert_eq!(world.counted(Counter::ConnectionsOpened), 1);
    drop(accepted);
    world.turn(0);
    assert!(world.streams.is_empty() && world.streams.pool.is_empty());
}

#[test]
fn what_cannot_be_opened_gives_its_messages_back() {
    let mut world = World::new("127.0.0.1:0");
    // Bound, so that nobody else gets the port, and not listening.
    let silent = socket_with(rustix::net::AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    let silent = silent.expect("a socket");
    rustix::net::bind(&silent, &"127.0.0.1:0".parse::<SocketAddr>().expect("an address")).expect("a free port");
    let closed = SocketAddr::try_from(rustix::net::getsockname(&silent).expect("bound")).expect("an address");
    let refused =
        Path { transport: Transport::Tcp, listener: ListenerId(0), connection: ConnectionId(0), peer: closed };
    world.streams.send(world.now, &refused, b"one");
    world.streams.send(world.now, &refused, b"two");
    world.turn(0);
    assert_eq!(world.streams.poll_unsent().expect("refused").message, b"one");
    assert_eq!(world.streams.poll_unsent().expect("refused").message, b"two");
    // RFC 5737: nobody answers there; on a machine without a route it fails at once.
    let silent = Path { peer: "192.0.2.1:5060".parse().expect("an address"), ..refused };
    world.streams.settings.listeners.clear();
    world.streams.send(world.now, &silent, b"three");
    world.later(4_000);
    assert_eq!(world.streams.poll_unsent().expect("no answer in time").path, silent);
    let websocket = Path { transport: Transport::Wss, ..refused };
    world.streams.send(world.now, &websocket, b"four");
    assert_eq!(world.streams.poll_unsent().expect("browsers do not listen").message, b"four");
    assert!(world.streams.is_empty() && world.streams.pool.is_empty());
    assert_eq!(world.counted(Counter::Undeliverable), 4);
}
